/* search/words_rows.c - the documents of a generation: a segment set of texts, and beside it which
 * row of the dataset each document number is.
 *
 * Numbers are given once. The object that says what they are is written before the change that
 * makes them searchable: so a hit can always be named, and what a crash leaves behind names
 * documents that never came, which nobody asks for. */
#include "base/num.h"
#include "search/words_private.h"

#define ROWS_PREFIX "rows-"
#define ROWS_SUFFIX ".lhc"
enum { ROWS_DIGITS = 20 };

/* ---- open ---- */

static lhi_words_rows *rows_free(lhi_words_rows *rows)
{
    if (rows)
        lh_map_close(&rows->map);
    return lh_free(rows);
}

lhi_words_set *lhi_words_set_unref(lhi_words_set *set)
{
    if (!set || atomic_fetch_sub(&set->references, 1) != 1)
        return NULL;
    lh_text_set_close(set->set);
    for (size_t i = 0; i < set->rows_count; i++)
        rows_free(set->rows[i]);
    lh_free(set->rows);
    lh_mutex_done(&set->lock);
    lh_arena_free(set->arena);
    return lh_free(set);
}

static lh_str rows_name(lh_ctx *cx, uint64_t first)
{
    return lh_ctx_fmt(cx, ROWS_PREFIX "%0*llu" ROWS_SUFFIX, (int)ROWS_DIGITS,
                      (unsigned long long)first);
}

static int parse_rows_name(lh_str name, uint64_t *ret_first)
{
    size_t prefix = sizeof ROWS_PREFIX - 1;
    return lh_str_starts(name, LH_S(ROWS_PREFIX)) && lh_str_ends(name, LH_S(ROWS_SUFFIX)) &&
           name.len == prefix + ROWS_DIGITS + sizeof ROWS_SUFFIX - 1 &&
           lh_parse_u64(lh_str_sub(name, prefix, ROWS_DIGITS), ret_first);
}

static lh_rc load_rows(lh_ctx *cx, lhi_words_set *set, uint64_t first, lhi_words_rows **ret)
{
    lhi_words_rows *rows = lh_alloc_zero(1, sizeof *rows);
    if (!rows)
        return lh_fail(cx, LH_E_NO_MEMORY, "rows of a text index");
    rows->first = first;
    lh_str name = rows_name(cx, first);
    lh_rc rc = name.ptr ? set->home.map(cx, set->home.arg, name, &rows->map) : cx->err.rc;
    if (rc == LH_OK)
        rc = lh_chunk_store_open(cx, rows->map.bytes, &rows->store);
    if (rc != LH_OK) {
        rows_free(rows);
        return rc;
    }
    *ret = rows;
    return LH_OK;
}

/* Takes rows, whose numbers are above all there are. */
static lh_rc keep_rows(lh_ctx *cx, lhi_words_set *set, lhi_words_rows *rows)
{
    LH_WITH_LOCK(&set->lock);
    if (set->rows_count == set->rows_capacity) {
        size_t capacity = set->rows_capacity ? 2 * set->rows_capacity : 16;
        lhi_words_rows **grown = lh_realloc_array(set->rows, capacity, sizeof(lhi_words_rows *));
        if (!grown) {
            rows_free(rows);
            return lh_fail(cx, LH_E_NO_MEMORY, "rows of a text index");
        }
        set->rows = grown;
        set->rows_capacity = capacity;
    }
    set->rows[set->rows_count++] = rows;
    set->next_document = rows->first + rows->store.count;
    return LH_OK;
}

/* Names come in order of bytes, which is that of the numbers. */
static lh_rc load_all(lh_ctx *cx, lhi_words_set *set)
{
    lh_str_list names;
    LH_TRY(set->home.list(cx, set->home.arg, &names));
    for (size_t i = 0; i < names.count; i++) {
        uint64_t first;
        lhi_words_rows *rows;
        if (!parse_rows_name(names.items[i], &first))
            continue;
        LH_TRY(load_rows(cx, set, first, &rows));
        if (first < set->next_document) {
            rows_free(rows);
            return lh_fail(cx, LH_E_CORRUPT, "rows of a text index overlap");
        }
        LH_TRY(keep_rows(cx, set, rows));
    }
    return LH_OK;
}

static lh_str_list strings(const lh_list *list)
{
    return (lh_str_list){list->items, list->count};
}

/* Names of fields are those of the columns where the engine takes them; else their numbers. */
lh_str lhi_words_name(lh_ctx *cx, const lh_list *columns, size_t number)
{
    lh_str name = ((const lh_str *)columns->items)[number];
    int proper = name.len > 0 && name.len <= LH_TEXT_NAME_BYTES_MAX;
    for (size_t i = 0; i < name.len && proper; i++) {
        char c = name.ptr[i];
        proper = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '_' || (uint8_t)c >= 0x80;
    }
    return proper ? name : lh_ctx_fmt(cx, ".%zu", number);
}

lh_text_set_options lhi_words_options(lh_ctx *cx, const lh_words_meta *meta)
{
    uint32_t count = (uint32_t)meta->text_columns.count;
    lh_text_field_options *fields = LH_NEW_ARRAY(cx, lh_text_field_options, count + 1);
    for (uint32_t i = 0; fields && i < count; i++)
        fields[i] = (lh_text_field_options){.name = lhi_words_name(cx, &meta->text_columns, i),
                                            .flags = LH_TEXT_POSITIONS};
    lh_str *facets = LH_NEW_ARRAY(cx, lh_str, meta->facets.count + 1);
    for (size_t i = 0; facets && i < meta->facets.count; i++)
        facets[i] = lhi_words_name(cx, &meta->facets, i);
    return (lh_text_set_options){
        .build = {.fields = fields,
                  .fields_count = count,
                  .facets = {facets, meta->facets.count},
                  .analyzer = {.flags = meta->keep_accents ? LH_TEXT_KEEP_ACCENTS : 0,
                               .stem = meta->language,
                               .stop_words = strings(&meta->stop_words),
                               .synonyms = strings(&meta->synonyms)}},
        .flags = LH_SEGSET_BACKGROUND};
}

lh_rc lhi_words_set_open(lh_ctx *cx, lh_store *store, const lh_words_meta *meta,
                         lhi_words_set **ret_set)
{
    LH_CLEANUP(lhi_words_set_unref) lhi_words_set *set = lh_alloc_zero(1, sizeof *set);
    if (!set)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    atomic_init(&set->references, 1);
    lh_mutex_init(&set->lock);
    set->arena = lh_arena_new(0);
    if (!set->arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    lh_ctx own;
    lh_ctx_init(&own, set->arena);
    set->store_home.store = store;
    set->store_home.prefix = lh_ctx_fmt(&own, "text/%.*s/%.*s/", LH_STR_ARG(meta->index_name),
                                        LH_STR_ARG(meta->generation));
    if (!set->store_home.prefix.ptr)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    lhi_store_home_init(&set->store_home, &set->home);
    lh_text_set_options options = lhi_words_options(cx, meta);
    options.build.scratch_path = lh_store_staging(store);
    LH_TRY(lh_text_set_open(cx, &set->home, &options, &set->set));
    LH_TRY(load_all(cx, set));
    *ret_set = LH_TAKE(set);
    return LH_OK;
}

/* ---- look ---- */

lh_rc lhi_words_known_rows(lh_ctx *cx, lhi_words_set *set, lhi_words_known *ret)
{
    LH_WITH_LOCK(&set->lock);
    *ret = (lhi_words_known){.count = set->rows_count};
    ret->items = LH_NEW_ARRAY(cx, lhi_words_rows *, set->rows_count + 1);
    if (!ret->items)
        return cx->err.rc;
    for (size_t i = 0; i < set->rows_count; i++) {
        ret->items[i] = set->rows[i];
        ret->documents = set->rows[i]->first + set->rows[i]->store.count;
    }
    return LH_OK;
}

lh_rc lhi_words_row(lh_ctx *cx, const lhi_words_known *known, uint64_t document,
                    lh_chunk_row *ret_row)
{
    size_t low = 0;
    size_t high = known->count;
    while (low < high) { /* the last that begins at or before it */
        size_t middle = low + (high - low) / 2;
        if (known->items[middle]->first <= document)
            low = middle + 1;
        else
            high = middle;
    }
    const lhi_words_rows *rows = low > 0 ? known->items[low - 1] : NULL;
    if (!rows || document - rows->first >= rows->store.count)
        return lh_fail(cx, LH_E_CORRUPT, "document %llu of the text index has no row",
                       (unsigned long long)document);
    return lh_chunk_store_get(cx, &rows->store, document - rows->first, ret_row);
}

typedef struct shifted {
    uint64_t first;
    void (*visit)(void *arg, uint64_t document);
    void *arg;
} shifted;

static void visit_shifted(void *arg, uint64_t row)
{
    const shifted *s = arg;
    s->visit(s->arg, s->first + row);
}

lh_rc lhi_words_find(lh_ctx *cx, const lhi_words_known *known, lh_str id,
                     void (*visit)(void *arg, uint64_t document), void *arg)
{
    for (size_t i = 0; i < known->count; i++) {
        shifted s = {known->items[i]->first, visit, arg};
        LH_TRY(lh_chunk_store_find(cx, &known->items[i]->store, id, visit_shifted, &s));
    }
    return LH_OK;
}

/* ---- more ---- */

typedef struct rows_fill {
    const lh_chunk_row *rows;
    size_t count;
} rows_fill;

static lh_rc fill_rows(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const rows_fill *f = arg;
    LH_CLEANUP(lh_chunk_writer_free) lh_chunk_writer *w = NULL;
    uint64_t bytes;
    LH_TRY(lh_chunk_writer_new(cx, sink, &w));
    for (size_t i = 0; i < f->count; i++)
        LH_TRY(lh_chunk_writer_add(cx, w, &f->rows[i]));
    return lh_chunk_writer_finish(cx, w, &bytes);
}

lh_rc lhi_words_add_rows(lh_ctx *cx, lhi_words_set *set, const lh_chunk_row *rows, size_t count,
                         uint64_t *ret_first)
{
    rows_fill fill = {rows, count};
    uint64_t first = set->next_document;
    lhi_words_rows *loaded;
    lh_str name = rows_name(cx, first);
    if (!name.ptr)
        return cx->err.rc;
    LH_TRY(set->home.put(cx, set->home.arg, name, fill_rows, &fill));
    lh_rc rc = load_rows(cx, set, first, &loaded);
    if (rc == LH_OK)
        rc = keep_rows(cx, set, loaded);
    if (rc != LH_OK) { /* the name must be free for the next try */
        lh_err said = cx->err;
        LH_IGNORE(set->home.remove(cx, set->home.arg, name));
        cx->err = said;
        return rc;
    }
    *ret_first = first;
    return LH_OK;
}
