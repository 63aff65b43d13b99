/* text_builder.c - documents in: every term is looked up once and logged as (number, position);
 * when the log has used its share of memory it is sorted into a run (text_run.c).
 *
 * The log is sorted by counting, not comparing: documents come in order, so a stable counting sort
 * by term gives every list in order of documents. */
#include "text/text_build_private.h"

#include "base/hash.h"

enum { SLOTS_FIRST = 1 << 12, LOG_ENTRIES_MAX = 1 << 30 };
#define MEMORY_DEFAULT (256ull << 20)

/* ---- options ---- */

static int name_ok(lh_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-' || (uint8_t)c >= 0x80))
            return 0;
    }
    return name.len > 0 && name.len <= LH_TEXT_NAME_BYTES_MAX && lh_utf8_valid(name);
}

static lh_rc set_fields(lh_ctx *cx, lh_text_builder *b, const lh_text_build_options *opts)
{
    static const lh_text_field_options one = {.name = LH_S_INIT("text"),
                                              .flags = LH_TEXT_POSITIONS};
    const lh_text_field_options *fields = opts->fields ? opts->fields : &one;
    b->meta.fields = opts->fields ? opts->fields_count : 1;
    if (b->meta.fields == 0 || b->meta.fields > LH_TEXT_FIELDS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%u text fields, limits 1 and %d", b->meta.fields,
                       LH_TEXT_FIELDS_MAX);
    for (uint32_t f = 0; f < b->meta.fields; f++) {
        if (!name_ok(fields[f].name))
            return lh_fail(cx, LH_E_BAD_NAME, "text field %u has no proper name", f);
        double boost = fields[f].boost == 0 ? 1 : fields[f].boost;
        if (!(boost > 0 && boost <= 1e6) || (fields[f].flags & ~(uint32_t)LH_TEXT_POSITIONS))
            return lh_fail(cx, LH_E_BAD_VALUE, "text field %u: boost or flags", f);
        memcpy(b->fields[f].name, fields[f].name.ptr, fields[f].name.len);
        b->fields[f].boost = boost;
        b->fields[f].flags = fields[f].flags;
        for (uint32_t g = 0; g < f; g++)
            if (strcmp(b->fields[f].name, b->fields[g].name) == 0)
                return lh_fail(cx, LH_E_BAD_NAME, "text field '%s' comes twice", b->fields[f].name);
        b->field_state[f].pairs = lh_alloc_zero(1, sizeof(lhi_text_pairs));
        if (!b->field_state[f].pairs)
            return lh_fail(cx, LH_E_NO_MEMORY, "text builder");
    }
    return LH_OK;
}

static lh_rc set_facets(lh_ctx *cx, lh_text_builder *b, const lh_text_build_options *opts)
{
    if (opts->facets.count > LH_TEXT_FACETS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%zu facets, limit %d", opts->facets.count,
                       LH_TEXT_FACETS_MAX);
    b->meta.facets = (uint32_t)opts->facets.count;
    for (uint32_t f = 0; f < b->meta.facets; f++) {
        if (!name_ok(opts->facets.items[f]))
            return lh_fail(cx, LH_E_BAD_NAME, "facet %u has no proper name", f);
        memcpy(b->facets[f].name, opts->facets.items[f].ptr, opts->facets.items[f].len);
    }
    return LH_OK;
}

static lh_rc set_options(lh_ctx *cx, lh_text_builder *b, const lh_text_build_options *opts)
{
    LH_TRY(set_fields(cx, b, opts));
    LH_TRY(set_facets(cx, b, opts));
    b->meta.k1 = opts->k1 == 0 ? 1.2 : opts->k1;
    b->meta.b = opts->b == 0 ? 0.75 : LH_MAX(opts->b, 0.0);
    if (!(b->meta.k1 > 0 && b->meta.k1 <= 100) || !(b->meta.b <= 1))
        return lh_fail(cx, LH_E_BAD_VALUE, "k1 %g (above 0, to 100), b %g (0 to 1)", b->meta.k1,
                       b->meta.b);
    b->opts.memory_bytes_max = opts->memory_bytes_max ? opts->memory_bytes_max : MEMORY_DEFAULT;
    b->opts.on_progress = opts->on_progress;
    b->opts.progress_arg = opts->progress_arg;
    lh_ctx own;
    lh_ctx_init(&own, b->arena);
    b->opts.scratch_path = lh_ctx_dup(&own, opts->scratch_path);
    if (!b->opts.scratch_path.ptr)
        return lh_fail(cx, LH_E_NO_MEMORY, "text builder");
    LH_TRY(lh_text_analyzer_new(cx, &opts->analyzer, &b->analyzer));
    return lh_text_tokenizer_new(cx, b->analyzer, &b->tokenizer);
}

lh_rc lh_text_builder_new(lh_ctx *cx, const lh_text_build_options *opts,
                          lh_text_builder **ret_builder)
{
    LH_CLEANUP(lh_text_builder_free) lh_text_builder *b = lh_alloc_zero(1, sizeof *b);
    if (!b || !(b->arena = lh_arena_new(0)))
        return lh_fail(cx, LH_E_NO_MEMORY, "text builder");
    LH_TRY(set_options(cx, b, opts));
    *ret_builder = LH_TAKE(b);
    return LH_OK;
}

static void free_log(lh_text_builder *b)
{
    lhi_text_vec_done(&b->log);
    lhi_text_vec_done(&b->doc_ends);
    lhi_text_vec_done(&b->keys);
    lhi_text_vec_done(&b->key_at);
    lhi_text_vec_done(&b->counts);
    b->slots = lh_free(b->slots);
    b->slots_count = 0;
}

lh_text_builder *lh_text_builder_free(lh_text_builder *b)
{
    if (!b)
        return NULL;
    free_log(b);
    lhi_text_run *runs = b->runs.items;
    for (size_t i = 0; i < b->runs.count; i++)
        lhi_text_run_done(&runs[i]);
    lhi_text_vec_done(&b->runs);
    lhi_text_vec_done(&b->rows);
    for (uint32_t f = 0; f < LH_TEXT_FIELDS_MAX; f++) {
        lhi_text_vec_done(&b->field_state[f].norms);
        lhi_text_pairs_free(b->field_state[f].pairs);
    }
    for (uint32_t f = 0; f < LH_TEXT_FACETS_MAX; f++)
        lhi_text_facet_done(&b->facet_state[f]);
    lh_text_tokenizer_free(b->tokenizer);
    lh_text_analyzer_free(b->analyzer);
    lh_arena_free(b->arena);
    return lh_free(b);
}

uint32_t lh_text_builder_docs(const lh_text_builder *b)
{
    return b->meta.docs;
}

uint64_t lh_text_builder_bytes(const lh_text_builder *b)
{
    uint64_t tokens = b->log.count;
    return b->runs_bytes + tokens * (sizeof(lhi_text_log_entry) + sizeof(uint64_t)) +
           b->keys.count + b->key_at.count * 12 + b->slots_count * sizeof(uint64_t) +
           b->doc_ends.count * sizeof(uint64_t);
}

/* ---- terms ---- */

static lh_rc grow_slots(lh_ctx *cx, lh_text_builder *b)
{
    uint32_t count = b->slots_count ? b->slots_count * 4 : SLOTS_FIRST;
    uint64_t *slots = lh_alloc_zero(count, sizeof *slots);
    if (!slots)
        return lh_fail(cx, LH_E_NO_MEMORY, "%u slots of terms", count);
    const uint64_t *key_at = b->key_at.items;
    const uint8_t *keys = b->keys.items;
    for (uint32_t term = 0; term < b->key_at.count; term++) {
        const uint8_t *key = keys + (key_at[term] >> 8);
        uint64_t hash = lh_hash64(lh_str_n(key + 1, (size_t)(key_at[term] & 0xFF)), key[0]);
        uint32_t i = (uint32_t)hash & (count - 1);
        while (slots[i] != 0)
            i = (i + 1) & (count - 1);
        slots[i] = (hash >> 32 << 32) | (term + 1);
    }
    lh_free(b->slots);
    b->slots = slots;
    b->slots_count = count;
    return LH_OK;
}

static lh_rc add_term(lh_ctx *cx, lh_text_builder *b, lh_str text, uint32_t *ret_term)
{
    uint64_t at = (uint64_t)b->keys.count << 8 | text.len;
    uint32_t zero = 0;
    uint8_t field = (uint8_t)b->field;
    LH_TRY(lhi_text_vec_reserve(cx, &b->keys, text.len + 1, 1));
    LH_TRY(lhi_text_vec_append(cx, &b->counts, &zero, 1, sizeof zero));
    lh_rc rc = lhi_text_vec_append(cx, &b->key_at, &at, 1, sizeof at);
    if (rc != LH_OK) {
        b->counts.count--;
        return rc;
    }
    LH_TRY(lhi_text_vec_append(cx, &b->keys, &field, 1, 1));
    LH_TRY(lhi_text_vec_append(cx, &b->keys, text.ptr, text.len, 1));
    *ret_term = (uint32_t)b->key_at.count - 1;
    return LH_OK;
}

static lh_rc find_term(lh_ctx *cx, lh_text_builder *b, lh_str text, uint32_t *ret_term)
{
    if (b->key_at.count * 2 >= b->slots_count)
        LH_TRY(grow_slots(cx, b));
    uint64_t hash = lh_hash64(text, b->field);
    const uint64_t *key_at = b->key_at.items;
    const uint8_t *keys = b->keys.items;
    uint32_t mask = b->slots_count - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint64_t slot = b->slots[i];
        if (slot == 0) {
            LH_TRY(add_term(cx, b, text, ret_term));
            b->slots[i] = (hash >> 32 << 32) | (*ret_term + 1);
            return LH_OK;
        }
        if (slot >> 32 != hash >> 32)
            continue;
        uint32_t term = (uint32_t)slot - 1;
        const uint8_t *key = keys + (key_at[term] >> 8);
        if ((key_at[term] & 0xFF) == text.len && key[0] == b->field &&
            memcmp(key + 1, text.ptr, text.len) == 0) {
            *ret_term = term;
            return LH_OK;
        }
    }
}

static lh_rc take_token(lh_ctx *cx, void *arg, const lh_text_token *token)
{
    lh_text_builder *b = arg;
    uint32_t term = 0;
    if (token->position >= LH_TEXT_DOC_TOKENS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a field of more than %u terms", LH_TEXT_DOC_TOKENS_MAX);
    LH_TRY(find_term(cx, b, token->term, &term));
    lhi_text_log_entry entry = {term, token->position};
    LH_TRY(lhi_text_vec_append(cx, &b->log, &entry, 1, sizeof entry));
    ((uint32_t *)b->counts.items)[term]++;
    b->length++;
    return LH_OK;
}

/* ---- documents ---- */

static lh_rc make_room(lh_ctx *cx, lh_text_builder *b)
{
    if (b->meta.docs >= LH_TEXT_DOCS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a segment of more than %u documents", LH_TEXT_DOCS_MAX);
    if (lh_text_builder_bytes(b) <= b->opts.memory_bytes_max && b->log.count < LOG_ENTRIES_MAX)
        return LH_OK;
    LH_TRY(lhi_text_builder_flush(cx, b));
    if (b->opts.scratch_path.len > 0 || b->runs_bytes <= b->opts.memory_bytes_max)
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_MEMORY_LIMIT, "the postings of %u documents need more than %llu MiB",
                      b->meta.docs, (unsigned long long)(b->opts.memory_bytes_max >> 20)));
    return lh_err_hint(cx, "give a scratch folder, or a higher limit");
}

/* Takes back what a document that failed half-way has logged. */
static void drop_tail(lh_text_builder *b, size_t log_count, size_t docs)
{
    const lhi_text_log_entry *log = b->log.items;
    uint32_t *counts = b->counts.items;
    for (size_t i = log_count; i < b->log.count; i++)
        counts[log[i].term]--;
    b->log.count = log_count;
    for (uint32_t f = 0; f < b->meta.fields; f++)
        b->field_state[f].norms.count = LH_MIN(b->field_state[f].norms.count, docs);
    for (uint32_t f = 0; f < b->meta.facets; f++)
        b->facet_state[f].ids.count = LH_MIN(b->facet_state[f].ids.count, docs);
}

static lh_rc add_texts(lh_ctx *cx, lh_text_builder *b, const lh_text_doc *doc, uint32_t *lengths)
{
    for (uint32_t f = 0; f < b->meta.fields; f++) {
        b->field = f;
        b->length = 0;
        LH_TRY(lh_text_tokenize(cx, b->tokenizer, doc->fields[f], 0, take_token, b));
        lengths[f] = b->length;
        uint8_t code = lhi_text_length_code(b->length);
        LH_TRY(lhi_text_vec_append(cx, &b->field_state[f].norms, &code, 1, 1));
    }
    for (uint32_t f = 0; f < b->meta.facets; f++)
        LH_TRY(
            lhi_text_facet_add(cx, &b->facet_state[f], doc->facets ? doc->facets[f] : LH_STR_NONE));
    return LH_OK;
}

lh_rc lh_text_builder_add(lh_ctx *cx, lh_text_builder *b, const lh_text_doc *doc)
{
    lh_assert(!b->is_finished);
    uint32_t lengths[LH_TEXT_FIELDS_MAX] = {0};
    LH_TRY(make_room(cx, b));
    LH_TRY(lhi_text_vec_reserve(cx, &b->rows, 1, sizeof(uint64_t)));
    LH_TRY(lhi_text_vec_reserve(cx, &b->doc_ends, 1, sizeof(uint64_t)));
    size_t log_count = b->log.count;
    lh_rc rc = add_texts(cx, b, doc, lengths);
    if (rc != LH_OK) {
        drop_tail(b, log_count, b->meta.docs);
        return rc;
    }
    ((uint64_t *)b->rows.items)[b->rows.count++] = doc->row;
    ((uint64_t *)b->doc_ends.items)[b->doc_ends.count++] = b->log.count;
    for (uint32_t f = 0; f < b->meta.fields; f++)
        b->field_state[f].tokens += lengths[f];
    b->meta.docs++;
    return b->meta.docs % 1024 == 0 ? lh_ctx_check(cx) : LH_OK;
}

/* ---- runs ---- */

lh_rc lhi_text_builder_push(lh_ctx *cx, lh_text_builder *b, const lhi_text_run *run)
{
    LH_TRY(lhi_text_vec_append(cx, &b->runs, run, 1, sizeof *run));
    b->runs_bytes += run->bytes;
    return LH_OK;
}

/* Numbers of terms in order of their keys: by the first eight bytes with a radix sort, equal ones
 * by the rest. */
typedef struct term_key {
    uint64_t head;
    uint32_t term;
} term_key;

static uint64_t head_of(const uint8_t *key, size_t len)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < len ? key[i] : 0u);
    return head;
}

static void radix_sort(term_key *items, term_key *other, uint32_t *counts, size_t count)
{
    for (uint32_t shift = 0; shift < 64; shift += 16) {
        memset(counts, 0, 65537 * sizeof *counts);
        for (size_t i = 0; i < count; i++)
            counts[((items[i].head >> shift) & 0xFFFF) + 1]++;
        for (size_t i = 0; i < 65536; i++)
            counts[i + 1] += counts[i];
        for (size_t i = 0; i < count; i++)
            other[counts[(items[i].head >> shift) & 0xFFFF]++] = items[i];
        term_key *swap = items;
        items = other;
        other = swap;
    }
}

static int key_below(const lh_text_builder *b, uint32_t x, uint32_t y)
{
    const uint64_t *at = b->key_at.items;
    const char *keys = b->keys.items;
    return lh_str_cmp((lh_str){keys + (at[x] >> 8), (at[x] & 0xFF) + 1},
                      (lh_str){keys + (at[y] >> 8), (at[y] & 0xFF) + 1}) < 0;
}

/* Heapsort of terms whose first eight bytes agree: no bad case, no memory. */
static void sort_equals(const lh_text_builder *b, term_key *items, size_t count)
{
    for (size_t end = count, start = count / 2; end > 1;) {
        term_key item;
        if (start > 0) {
            item = items[--start];
        } else {
            item = items[--end];
            items[end] = items[0];
        }
        size_t at = start;
        for (size_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && key_below(b, items[child].term, items[child + 1].term))
                child++;
            if (!key_below(b, item.term, items[child].term))
                break;
            items[at] = items[child];
        }
        items[at] = item;
    }
}

static lh_rc sorted_terms(lh_ctx *cx, const lh_text_builder *b, term_key **ret_items)
{
    size_t count = b->key_at.count;
    term_key *items = lh_alloc_zero(2 * count + 1, sizeof *items);
    uint32_t *counts = lh_alloc_zero(65537, sizeof *counts);
    if (!items || !counts) {
        lh_free(items);
        lh_free(counts);
        return lh_fail(cx, LH_E_NO_MEMORY, "sorting %zu terms", count);
    }
    const uint64_t *at = b->key_at.items;
    const uint8_t *keys = b->keys.items;
    for (size_t i = 0; i < count; i++)
        items[i] = (term_key){head_of(keys + (at[i] >> 8), (at[i] & 0xFF) + 1), (uint32_t)i};
    radix_sort(items, items + count, counts, count);
    lh_free(counts);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && items[end].head == items[i].head)
            end++;
        sort_equals(b, items + i, end - i);
        i = end;
    }
    *ret_items = items;
    return LH_OK;
}

static lh_rc count_pairs(lh_ctx *cx, lh_text_builder *b, const lhi_text_run *run)
{
    for (uint32_t i = 0; i < run->terms_count; i++) {
        lhi_text_field_state *field = &b->field_state[run->keys[run->key_at[i] >> 8]];
        const uint8_t *norms = (const uint8_t *)field->norms.items + run->doc_base;
        for (uint64_t at = run->first[i]; at < run->first[i + 1];) {
            uint32_t doc = (uint32_t)(run->postings[at] >> 32);
            uint32_t tf = 0;
            for (; at < run->first[i + 1] && run->postings[at] >> 32 == doc; at++)
                tf++;
            LH_TRY(lhi_text_pairs_add(cx, field->pairs, tf, norms[doc]));
        }
    }
    return LH_OK;
}

/* Counting sort of the log by term, in order of keys. */
static void scatter_log(lh_text_builder *b, const term_key *order, lhi_text_run *run,
                        uint64_t *place)
{
    const uint32_t *counts = b->counts.items;
    const uint64_t *key_at = b->key_at.items;
    const uint64_t *ends = b->doc_ends.items;
    const lhi_text_log_entry *log = b->log.items;
    uint64_t at = 0;
    lh_assert(key_at && counts && order); /* there are terms */
    for (uint32_t i = 0; i < run->terms_count; i++) {
        run->key_at[i] = key_at[order[i].term];
        run->first[i] = at;
        place[order[i].term] = at;
        at += counts[order[i].term];
    }
    run->first[run->terms_count] = at;
    uint64_t entry = 0;
    for (uint64_t doc = 0; doc < b->doc_ends.count; doc++)
        for (; entry < ends[doc]; entry++)
            run->postings[place[log[entry].term]++] = doc << 32 | log[entry].position;
}

static lh_rc make_run(lh_ctx *cx, lh_text_builder *b, lhi_text_run *run)
{
    size_t terms = b->key_at.count;
    term_key *order = NULL;
    LH_TRY(sorted_terms(cx, b, &order));
    uint64_t *place = lh_alloc_zero(terms + 1, sizeof *place);
    run->terms_count = (uint32_t)terms;
    run->doc_base = b->log_doc_base;
    run->key_at = lh_alloc_zero(terms + 1, sizeof *run->key_at);
    run->first = lh_alloc_zero(terms + 1, sizeof *run->first);
    run->postings = lh_alloc(b->log.count * sizeof *run->postings + 1);
    run->bytes = b->keys.count + terms * 16 + b->log.count * sizeof *run->postings;
    lh_rc rc = LH_OK;
    if (place && run->key_at && run->first && run->postings) {
        scatter_log(b, order, run, place);
        run->keys = b->keys.items;
        b->keys = (lhi_text_vec){0};
        rc = count_pairs(cx, b, run);
    } else {
        rc = lh_fail(cx, LH_E_NO_MEMORY, "a run of %zu terms", terms);
    }
    lh_free(place);
    lh_free(order);
    return rc;
}

lh_rc lhi_text_builder_flush(lh_ctx *cx, lh_text_builder *b)
{
    lhi_text_run run = {0};
    lh_rc rc = LH_OK;
    if (b->key_at.count > 0)
        rc = make_run(cx, b, &run);
    if (rc == LH_OK && run.terms_count > 0 && b->opts.scratch_path.len > 0 &&
        lh_text_builder_bytes(b) > b->opts.memory_bytes_max)
        rc = lhi_text_run_spill(cx, &run, b->opts.scratch_path, b->spills++);
    if (rc == LH_OK && run.terms_count > 0)
        rc = lhi_text_builder_push(cx, b, &run);
    if (rc != LH_OK)
        lhi_text_run_done(&run);
    free_log(b);
    b->log_doc_base = b->meta.docs;
    return rc;
}
