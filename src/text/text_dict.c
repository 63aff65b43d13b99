/* text_dict.c - the dictionary: terms front-coded in blocks of 16, walked; at open every entry is
 * checked and gets a record and a slot of a hash table, so that a look-up costs one probe and one
 * block. */
#include "text/text_segment_private.h"

#include "base/hash.h"

void lhi_text_dict_walk_at(const lh_text_segment *s, uint32_t field, uint64_t term,
                           lhi_text_dict_walk *w)
{
    const lhi_text_field_row *row = &s->fields[field];
    uint64_t block = (term - row->term_first) / LHI_TEXT_DICT_BLOCK;
    w->segment = s;
    w->field = field;
    w->term_len = 0;
    w->shared = 0;
    w->next = row->term_first + block * LHI_TEXT_DICT_BLOCK;
    w->term_end = row->term_first + row->terms;
    w->end = (const uint8_t *)s->dict.ptr + s->dict.len;
    w->at = w->end;
    if (w->next < w->term_end)
        w->at = (const uint8_t *)s->dict.ptr + s->dict_blocks[s->block_first[field] + block];
}

int lhi_text_dict_next(lhi_text_dict_walk *w)
{
    uint64_t shared;
    uint64_t rest;
    if (w->next >= w->term_end)
        return 0;
    if (!lhi_text_varint_get(&w->at, w->end, &shared) ||
        !lhi_text_varint_get(&w->at, w->end, &rest) || shared > w->term_len ||
        rest > LH_TEXT_TERM_BYTES_MAX - shared || rest > (size_t)(w->end - w->at))
        return -1;
    memcpy(w->bytes + shared, w->at, rest);
    w->at += rest;
    w->shared = (uint32_t)shared;
    w->term_len = (uint32_t)(shared + rest);
    w->positions_bytes = 0;
    w->numbers[2] = 0;
    if (!lhi_text_varint_get(&w->at, w->end, &w->numbers[0]) ||
        !lhi_text_varint_get(&w->at, w->end, &w->numbers[1]))
        return -1;
    if (w->numbers[0] == 1 && !lhi_text_varint_get(&w->at, w->end, &w->numbers[2]))
        return -1;
    if ((w->segment->fields[w->field].flags & LH_TEXT_POSITIONS) &&
        !lhi_text_varint_get(&w->at, w->end, &w->positions_bytes))
        return -1;
    w->term = w->next++;
    return 1;
}

uint64_t lhi_text_dict_hash(uint32_t field, lh_str term)
{
    return lh_hash64(term, field);
}

static uint32_t field_of(const lh_text_segment *s, uint64_t term)
{
    uint32_t f = 0;
    while (term >= s->fields[f].term_first + s->fields[f].terms)
        f++;
    return f;
}

static int is_term(const lh_text_segment *s, uint32_t field, uint64_t term, lh_str text)
{
    lhi_text_dict_walk w;
    if (field_of(s, term) != field)
        return 0;
    lhi_text_dict_walk_at(s, field, term, &w);
    while (lhi_text_dict_next(&w) > 0)
        if (w.term == term)
            return w.term_len == text.len && memcmp(w.bytes, text.ptr, text.len) == 0;
    return 0;
}

static int can_be(const lh_text_segment *s, lh_str term)
{
    return s->meta.terms > 0 && term.len > 0 && term.len <= LH_TEXT_TERM_BYTES_MAX;
}

/* The slot from `slot` on that may be the term's, or an empty one. */
static uint64_t probe(const lh_text_segment *s, uint64_t hash, uint64_t slot)
{
    uint64_t mask = s->slots_count - 1;
    slot &= mask;
    while (s->slots[slot] != 0 && s->slots[slot] >> 32 != hash >> 32)
        slot = (slot + 1) & mask;
    return slot;
}

static uint64_t term_in(const lh_text_segment *s, uint64_t slot)
{
    return (s->slots[slot] & UINT32_MAX) - 1;
}

/* Follows the slots from a probed one on. */
static uint64_t confirm(const lh_text_segment *s, uint32_t field, lh_str term, uint64_t hash,
                        uint64_t slot)
{
    for (; s->slots[slot] != 0; slot = probe(s, hash, slot + 1))
        if (is_term(s, field, term_in(s, slot), term))
            return term_in(s, slot);
    return UINT64_MAX;
}

uint64_t lhi_text_dict_find(const lh_text_segment *s, uint32_t field, lh_str term)
{
    if (!can_be(s, term))
        return UINT64_MAX;
    uint64_t hash = lhi_text_dict_hash(field, term);
    return confirm(s, field, term, hash, probe(s, hash, hash));
}

/* Is the term that a slot names one of the field? Its hash may be that of another field's. */
static int is_of_field(const lh_text_segment *s, uint32_t field, uint64_t slot)
{
    const lhi_text_field_row *row = &s->fields[field];
    return s->slots[slot] != 0 && term_in(s, slot) >= row->term_first &&
           term_in(s, slot) - row->term_first < row->terms;
}

/* Asks for what a term's entry and the beginning of its list need. */
static void fetch_entry(const lh_text_segment *s, uint32_t field, uint64_t term)
{
    uint64_t in_field = term - s->fields[field].term_first;
    uint64_t block = s->block_first[field] + in_field / LHI_TEXT_DICT_BLOCK;
    const char *entry = s->dict.ptr + s->dict_blocks[block];
    const char *list = s->postings.ptr + s->terms[term].postings;
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
    __builtin_prefetch(entry + 128);
    __builtin_prefetch(list);
    __builtin_prefetch(list + 64);
    __builtin_prefetch(s->positions.ptr + s->terms[term].positions);
}

/* A term is a chain of places far from each other: slot, record and block, entry and list. The
 * chains of all terms are walked side by side, so that memory is waited for once a link. */
static void find_some(lhi_text_wanted *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lhi_text_wanted *w = &wanted[i];
        *w->ret_term = UINT64_MAX;
        w->hash = lhi_text_dict_hash(w->field, w->text);
        if (can_be(w->segment, w->text))
            __builtin_prefetch(&w->segment->slots[w->hash & (w->segment->slots_count - 1)]);
    }
    for (size_t i = 0; i < count; i++) {
        lhi_text_wanted *w = &wanted[i];
        const lh_text_segment *s = w->segment;
        if (!can_be(s, w->text))
            continue;
        w->slot = probe(s, w->hash, w->hash);
        if (!is_of_field(s, w->field, w->slot))
            continue;
        uint64_t term = term_in(s, w->slot);
        __builtin_prefetch(&s->terms[term]);
        __builtin_prefetch(
            &s->dict_blocks[s->block_first[w->field] +
                            (term - s->fields[w->field].term_first) / LHI_TEXT_DICT_BLOCK]);
    }
    for (size_t i = 0; i < count; i++) {
        const lhi_text_wanted *w = &wanted[i];
        if (can_be(w->segment, w->text) && is_of_field(w->segment, w->field, w->slot))
            fetch_entry(w->segment, w->field, term_in(w->segment, w->slot));
    }
    for (size_t i = 0; i < count; i++) {
        const lhi_text_wanted *w = &wanted[i];
        if (can_be(w->segment, w->text))
            *w->ret_term = confirm(w->segment, w->field, w->text, w->hash, w->slot);
    }
}

void lhi_text_dict_find_all(lhi_text_wanted *wanted, size_t count)
{
    enum { TOGETHER = 32 }; /* more would push each other out of the nearest cache */
    for (size_t i = 0; i < count; i += TOGETHER)
        find_some(wanted + i, LH_MIN(count - i, (size_t)TOGETHER));
}

uint64_t lhi_text_dict_lower(const lh_text_segment *s, uint32_t field, lh_str text)
{
    const lhi_text_field_row *row = &s->fields[field];
    uint64_t low = 0; /* blocks: the last whose first term is below text */
    uint64_t high = (row->terms + LHI_TEXT_DICT_BLOCK - 1) / LHI_TEXT_DICT_BLOCK;
    lhi_text_dict_walk w;
    if (row->terms == 0)
        return row->term_first;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        lhi_text_dict_walk_at(s, field, row->term_first + middle * LHI_TEXT_DICT_BLOCK, &w);
        if (lhi_text_dict_next(&w) > 0 && lh_str_cmp(lh_str_n(w.bytes, w.term_len), text) < 0)
            low = middle;
        else
            high = middle;
    }
    lhi_text_dict_walk_at(s, field, row->term_first + low * LHI_TEXT_DICT_BLOCK, &w);
    while (lhi_text_dict_next(&w) > 0)
        if (lh_str_cmp(lh_str_n(w.bytes, w.term_len), text) >= 0)
            return w.term;
    return row->term_first + row->terms;
}

/* ---- open ---- */

typedef struct dict_check {
    lh_text_segment *s;
    uint64_t postings; /* offset of the next list */
    uint64_t positions;
    uint64_t df_sum;
    uint64_t dict_at; /* where the next field must begin */
    uint8_t before[LH_TEXT_TERM_BYTES_MAX];
    uint32_t before_len;
} dict_check;

static lh_rc bad(lh_ctx *cx, const char *what)
{
    return lh_fail(cx, LH_E_CORRUPT, "text segment: the dictionary has %s", what);
}

static lh_rc check_entry(lh_ctx *cx, dict_check *c, const lhi_text_dict_walk *w)
{
    const lh_text_segment *s = c->s;
    lhi_text_term *t = &c->s->terms[w->term];
    uint64_t bytes = w->numbers[0] == 1 ? 0 : w->numbers[1];
    if (w->term_len == 0 ||
        (w->term > s->fields[w->field].term_first &&
         lh_str_cmp(lh_str_n(c->before, c->before_len), lh_str_n(w->bytes, w->term_len)) >= 0))
        return bad(cx, "terms out of order");
    if (w->numbers[0] == 0 || w->numbers[0] > s->meta.docs)
        return bad(cx, "a term of no or too many documents");
    if (bytes > s->postings.len - c->postings || bytes > UINT32_MAX ||
        w->positions_bytes > s->positions.len - c->positions || w->positions_bytes > UINT32_MAX)
        return bad(cx, "a list outside its section");
    if (w->numbers[0] == 1 &&
        (w->numbers[1] >= s->meta.docs || w->numbers[2] >= LH_TEXT_DOC_TOKENS_MAX))
        return bad(cx, "a document that is not there");
    *t = (lhi_text_term){.postings = c->postings,
                         .positions = c->positions,
                         .df = (uint32_t)w->numbers[0],
                         .bytes = (uint32_t)w->numbers[1],
                         .positions_bytes = (uint32_t)w->positions_bytes,
                         .extra = w->numbers[0] == 1 ? (uint32_t)w->numbers[2] + 1 : 0};
    c->postings += bytes;
    c->positions += w->positions_bytes;
    c->df_sum += w->numbers[0];
    memcpy(c->before + w->shared, w->bytes + w->shared, w->term_len - w->shared);
    c->before_len = w->term_len;
    return t->df > 1 ? lhi_text_blocks_check(cx, s, w->field, t) : LH_OK;
}

static void put_slot(lh_text_segment *s, const lhi_text_dict_walk *w)
{
    uint64_t hash = lhi_text_dict_hash(w->field, lh_str_n(w->bytes, w->term_len));
    uint64_t i = hash & (s->slots_count - 1);
    while (s->slots[i] != 0)
        i = (i + 1) & (s->slots_count - 1);
    s->slots[i] = (hash >> 32 << 32) | (w->term + 1);
}

static lh_rc check_field(lh_ctx *cx, dict_check *c, uint32_t field)
{
    lh_text_segment *s = c->s;
    const lhi_text_field_row *row = &s->fields[field];
    const uint8_t *start = (const uint8_t *)s->dict.ptr;
    lhi_text_dict_walk w;
    if (row->terms > 0 && s->dict_blocks[s->block_first[field]] != c->dict_at)
        return bad(cx, "a field that begins elsewhere");
    lhi_text_dict_walk_at(s, field, row->term_first, &w);
    while (w.next < w.term_end) {
        uint64_t in_field = w.next - row->term_first;
        if (in_field % LHI_TEXT_DICT_BLOCK == 0) {
            if ((uint64_t)(w.at - start) !=
                s->dict_blocks[s->block_first[field] + in_field / LHI_TEXT_DICT_BLOCK])
                return bad(cx, "a block that begins elsewhere");
            w.term_len = 0;
        }
        if (lhi_text_dict_next(&w) < 0)
            return bad(cx, "an entry that cannot be read");
        LH_TRY(check_entry(cx, c, &w));
        put_slot(s, &w);
        if (w.term % 65536 == 0)
            LH_TRY(lh_ctx_check(cx));
    }
    if (row->terms > 0)
        c->dict_at = (uint64_t)(w.at - start);
    return LH_OK;
}

lh_rc lhi_text_dict_open(lh_ctx *cx, lh_text_segment *s)
{
    if (s->meta.terms == 0)
        return s->dict.len == 0 ? LH_OK : bad(cx, "bytes but no terms");
    if (s->meta.terms >= UINT32_MAX || s->meta.terms > s->dict.len)
        return bad(cx, "fewer bytes than terms");
    s->slots_count = 16;
    while (s->slots_count < s->meta.terms * 2)
        s->slots_count *= 2;
    if (!lh_pages_alloc(&s->pages[0], s->meta.terms * sizeof *s->terms) ||
        !lh_pages_alloc(&s->pages[1], s->slots_count * sizeof *s->slots))
        return lh_fail(cx, LH_E_NO_MEMORY, "%llu terms", (unsigned long long)s->meta.terms);
    s->terms = s->pages[0].ptr;
    s->slots = s->pages[1].ptr;
    s->bytes_resident += s->meta.terms * sizeof *s->terms + s->slots_count * sizeof *s->slots;
    dict_check c = {.s = s};
    for (uint32_t f = 0; f < s->meta.fields; f++)
        LH_TRY(check_field(cx, &c, f));
    if (c.dict_at != s->dict.len || c.postings != s->postings.len ||
        c.positions != s->positions.len || c.df_sum != s->meta.postings)
        return bad(cx, "lists that do not fill their sections");
    return LH_OK;
}
