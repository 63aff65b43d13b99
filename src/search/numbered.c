/* search/numbered.c - numbers of a set to rows of the dataset, and back by id. */
#include "search/numbered_private.h"

#include "base/num.h"

#define ROWS_PREFIX "rows-"
#define ROWS_SUFFIX ".lhc"
enum { ROWS_DIGITS = 20 };

/* ---- open ---- */

static lhi_rows_object *rows_free(lhi_rows_object *rows)
{
    if (rows)
        lh_map_close(&rows->map);
    return lh_free(rows);
}

lh_rc lhi_numbered_init(lh_ctx *cx, lhi_numbered *n, lh_store *store, lh_str prefix)
{
    lh_mutex_init(&n->lock);
    n->arena = lh_arena_new(0);
    if (!n->arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "rows of an index");
    lh_ctx own;
    lh_ctx_init(&own, n->arena);
    n->store_home = (lhi_store_home){store, lh_ctx_dup(&own, prefix)};
    lhi_store_home_init(&n->store_home, &n->home);
    return n->store_home.prefix.ptr ? LH_OK : lh_fail(cx, LH_E_NO_MEMORY, "rows of an index");
}

void lhi_numbered_done(lhi_numbered *n)
{
    for (size_t i = 0; i < n->count; i++)
        rows_free(n->objects[i]);
    lh_free(n->objects);
    lh_mutex_done(&n->lock);
    lh_arena_free(n->arena);
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

static lh_rc load_rows(lh_ctx *cx, lhi_numbered *n, uint64_t first, lhi_rows_object **ret)
{
    lhi_rows_object *rows = lh_alloc_zero(1, sizeof *rows);
    if (!rows)
        return lh_fail(cx, LH_E_NO_MEMORY, "rows of an index");
    rows->first = first;
    lh_str name = rows_name(cx, first);
    lh_rc rc = name.ptr ? n->home.map(cx, n->home.arg, name, &rows->map) : cx->err.rc;
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
static lh_rc keep_rows(lh_ctx *cx, lhi_numbered *n, lhi_rows_object *rows)
{
    LH_WITH_LOCK(&n->lock);
    if (n->count == n->capacity) {
        size_t capacity = n->capacity ? 2 * n->capacity : 16;
        lhi_rows_object **grown = lh_realloc_array(n->objects, capacity, sizeof(lhi_rows_object *));
        if (!grown) {
            rows_free(rows);
            return lh_fail(cx, LH_E_NO_MEMORY, "rows of an index");
        }
        n->objects = grown;
        n->capacity = capacity;
    }
    n->objects[n->count++] = rows;
    n->next = rows->first + rows->store.count;
    return LH_OK;
}

/* Names come in order of bytes, which is that of the numbers. */
lh_rc lhi_numbered_load(lh_ctx *cx, lhi_numbered *n)
{
    lh_str_list names;
    LH_TRY(n->home.list(cx, n->home.arg, &names));
    for (size_t i = 0; i < names.count; i++) {
        uint64_t first;
        lhi_rows_object *rows;
        if (!parse_rows_name(names.items[i], &first))
            continue;
        LH_TRY(load_rows(cx, n, first, &rows));
        if (first < n->next) {
            rows_free(rows);
            return lh_fail(cx, LH_E_CORRUPT, "rows of an index overlap");
        }
        LH_TRY(keep_rows(cx, n, rows));
    }
    return LH_OK;
}

/* ---- look ---- */

lh_rc lhi_numbered_known(lh_ctx *cx, lhi_numbered *n, lhi_known *ret)
{
    LH_WITH_LOCK(&n->lock);
    *ret = (lhi_known){.count = n->count};
    ret->items = LH_NEW_ARRAY(cx, lhi_rows_object *, n->count + 1);
    if (!ret->items)
        return cx->err.rc;
    for (size_t i = 0; i < n->count; i++) {
        ret->items[i] = n->objects[i];
        ret->end = n->objects[i]->first + n->objects[i]->store.count;
    }
    return LH_OK;
}

static lh_rc object_of(lh_ctx *cx, const lhi_known *known, uint64_t number,
                       const lhi_rows_object **ret_rows)
{
    size_t low = 0;
    size_t high = known->count;
    while (low < high) { /* the last that begins at or before it */
        size_t middle = low + (high - low) / 2;
        if (known->items[middle]->first <= number)
            low = middle + 1;
        else
            high = middle;
    }
    const lhi_rows_object *rows = low > 0 ? known->items[low - 1] : NULL;
    if (!rows || number - rows->first >= rows->store.count)
        return lh_fail(cx, LH_E_CORRUPT, "number %llu of the index has no row",
                       (unsigned long long)number);
    *ret_rows = rows;
    return LH_OK;
}

lh_rc lhi_known_row(lh_ctx *cx, const lhi_known *known, uint64_t number, lh_chunk_row *ret_row)
{
    const lhi_rows_object *rows;
    LH_TRY(object_of(cx, known, number, &rows));
    return lh_chunk_store_get(cx, &rows->store, number - rows->first, ret_row);
}

lh_rc lhi_known_body(lh_ctx *cx, const lhi_known *known, uint64_t number, lh_str *ret_body)
{
    const lhi_rows_object *rows;
    LH_TRY(object_of(cx, known, number, &rows));
    return lh_chunk_store_body(cx, &rows->store, number - rows->first, ret_body);
}

typedef struct shifted {
    uint64_t first;
    void (*visit)(void *arg, uint64_t number);
    void *arg;
} shifted;

static void visit_shifted(void *arg, uint64_t row)
{
    const shifted *s = arg;
    s->visit(s->arg, s->first + row);
}

lh_rc lhi_known_find(lh_ctx *cx, const lhi_known *known, lh_str id,
                     void (*visit)(void *arg, uint64_t number), void *arg)
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

lh_str lhi_numbered_next_name(lh_ctx *cx, const lhi_numbered *n)
{
    return rows_name(cx, n->next);
}

lh_rc lhi_numbered_load_next(lh_ctx *cx, lhi_numbered *n)
{
    lhi_rows_object *loaded;
    LH_TRY(load_rows(cx, n, n->next, &loaded));
    return keep_rows(cx, n, loaded);
}

lh_rc lhi_numbered_add(lh_ctx *cx, lhi_numbered *n, const lh_chunk_row *rows, size_t count,
                       uint64_t *ret_first)
{
    rows_fill fill = {rows, count};
    uint64_t first = n->next;
    lh_str name = rows_name(cx, first);
    if (!name.ptr)
        return cx->err.rc;
    LH_TRY(n->home.put(cx, n->home.arg, name, fill_rows, &fill));
    lh_rc rc = lhi_numbered_load_next(cx, n);
    if (rc != LH_OK) { /* the name must be free for the next try */
        lh_err said = cx->err;
        LH_IGNORE(n->home.remove(cx, n->home.arg, name));
        cx->err = said;
        return rc;
    }
    *ret_first = first;
    return LH_OK;
}
