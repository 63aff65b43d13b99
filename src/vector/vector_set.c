/* vector/vector_set.c - vector segments as an engine of segment sets (segset/segset.h): how one is
 * made of new rows, opened, verified and merged.
 *
 * Of the shape of a set the first number is the dimensions, the second the metric. */
#include "vector/vector_set.h"

/* A change of so many rows is stored as it is and searched exactly (0.3 ms per 10,000 rows of 384)
 * until a merge, soon after, gives it codes: so acknowledging it costs little more than its bytes.
 */
#define EXACT_ROWS_MAX 20000u
/* Changes of more rows get codes as soon as there is time: until then searches read every row. */
#define PLAIN_ROWS_MAX 1024u
enum { FRESH_ROWS = 20000 };

struct lh_vector_set {
    lh_vector_set_options opts;
    lh_segset *segments;
};

/* ---- the engine ---- */

static lh_rc check_new(lh_ctx *cx, const lh_vector_options *build)
{
    if (build->dimensions == 0 || build->dimensions > LH_VECTOR_DIMENSIONS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%u dimensions, limits 1 and %u", build->dimensions,
                       LH_VECTOR_DIMENSIONS_MAX);
    if (build->rows_as == LH_VECTOR_ROWS_EXTERNAL)
        return lh_fail(cx, LH_E_BAD_VALUE, "the rows of a vector set cannot be external");
    return LH_OK;
}

static lh_rc take_shape(lh_ctx *cx, void *arg, const uint32_t *stored, uint32_t *ret_shape)
{
    lh_vector_options *build = &((lh_vector_set *)arg)->opts.build;
    if (!stored) {
        LH_TRY(check_new(cx, build));
    } else {
        if (stored[0] == 0 || stored[0] > LH_VECTOR_DIMENSIONS_MAX ||
            stored[1] > LH_VECTOR_EUCLIDEAN)
            return lh_fail(cx, LH_E_CORRUPT, "its meta section is not that of a vector set");
        if (build->dimensions != 0 && build->dimensions != stored[0])
            return lh_fail(cx, LH_E_BAD_VALUE, "the vector set has %u dimensions, not %u",
                           stored[0], build->dimensions);
        if (build->dimensions != 0 && (uint32_t)build->metric != stored[1])
            return lh_fail(cx, LH_E_BAD_VALUE, "the vector set has another metric");
        build->dimensions = stored[0];
        build->metric = (lh_vector_metric)stored[1];
    }
    ret_shape[0] = build->dimensions;
    ret_shape[1] = (uint32_t)build->metric;
    return LH_OK;
}

static lh_rc open_index(lh_ctx *cx, void *arg, lh_str bytes, uint64_t rows, void **ret_index)
{
    const lh_vector_set *set = arg;
    LH_CLEANUP(lh_vector_index_close) lh_vector_index *index = NULL;
    lh_vector_stats stats;
    LH_TRY(lh_vector_index_open(cx, bytes, &index));
    lh_vector_index_stats(index, &stats);
    if (stats.rows != rows || stats.dimensions != set->opts.build.dimensions)
        return lh_fail(cx, LH_E_CORRUPT, "its vectors do not fit its ids or the set");
    lh_vector_index_trim(index); /* bytes are a mapping of the home */
    *ret_index = LH_TAKE(index);
    return LH_OK;
}

static void close_index(void *index)
{
    lh_vector_index_close(index);
}

static lh_rc verify_index(lh_ctx *cx, const void *index)
{
    return lh_vector_index_verify(cx, index);
}

static uint64_t bytes_resident(const void *index)
{
    lh_vector_stats stats;
    lh_vector_index_stats(index, &stats);
    return stats.bytes_resident;
}

typedef struct merged_rows {
    const lh_segset_merging *merging;
    uint32_t dimensions;
} merged_rows;

static lh_rc read_merged(lh_ctx *cx, void *arg, uint64_t first, size_t rows, float *out)
{
    const merged_rows *m = arg;
    for (size_t i = 0; i < rows; i++) {
        lh_segset_origin from = m->merging->from[first + i];
        const lh_segset_part *part = &m->merging->parts[from.part];
        float *to = out + i * m->dimensions;
        LH_TRY(lh_segset_damaged(cx, part, lh_vector_index_row(cx, part->index, from.row, to)));
    }
    return LH_OK;
}

static lh_rc merge_indexes(lh_ctx *cx, void *arg, const lh_segset_merging *merging,
                           lh_container_sink sink)
{
    const lh_vector_set *set = arg;
    lh_vector_options options = set->opts.build;
    options.preset = merging->rows <= set->opts.fresh_rows ? LH_VECTOR_FRESH : LH_VECTOR_QUALITY;
    merged_rows rows = {merging, options.dimensions};
    lh_vector_source source = {.rows = merging->rows, .read = read_merged, .arg = &rows};
    uint64_t bytes;
    return lh_vector_build(cx, &options, &source, sink, &bytes);
}

static const lh_segset_engine engine = {.name = "vector",
                                        .suffix = ".lhv",
                                        .segment_rows_max = UINT32_MAX - 2,
                                        .plain_rows_max = PLAIN_ROWS_MAX,
                                        .shape = take_shape,
                                        .open = open_index,
                                        .close = close_index,
                                        .verify = verify_index,
                                        .bytes_resident = bytes_resident,
                                        .merge = merge_indexes};

/* ---- open, close ---- */

lh_rc lh_vector_set_open(lh_ctx *cx, const lh_segset_home *home, const lh_vector_set_options *opts,
                         lh_vector_set **ret_set)
{
    LH_CLEANUP(lh_vector_set_close) lh_vector_set *set = lh_alloc_zero(1, sizeof *set);
    if (!set)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector set");
    set->opts = *opts;
    set->opts.fresh_rows = opts->fresh_rows ? opts->fresh_rows : (uint32_t)FRESH_ROWS;
    lh_segset_options options = {.engine = &engine,
                                 .arg = set,
                                 .fan_in = opts->fan_in,
                                 .tier_rows = opts->tier_rows,
                                 .flags = opts->flags};
    LH_TRY(lh_segset_open(cx, home, &options, &set->segments));
    *ret_set = LH_TAKE(set);
    return LH_OK;
}

lh_vector_set *lh_vector_set_close(lh_vector_set *set)
{
    if (!set)
        return NULL;
    lh_segset_close(set->segments);
    return lh_free(set);
}

/* ---- changes ---- */

typedef struct new_rows {
    const lh_vector_set *set;
    const lh_vector_rows *rows;
    const size_t *order;
} new_rows;

static lh_rc read_ordered(lh_ctx *cx, void *arg, uint64_t first, size_t rows, float *out)
{
    const new_rows *n = arg;
    uint32_t dimensions = n->set->opts.build.dimensions;
    (void)cx;
    for (size_t i = 0; i < rows; i++)
        memcpy(out + i * dimensions, n->rows->vectors + n->order[first + i] * dimensions,
               dimensions * sizeof(float));
    return LH_OK;
}

static lh_rc encode(lh_ctx *cx, void *arg, const lh_segset_order *order, lh_buf *out)
{
    new_rows *n = arg;
    lh_vector_options options = n->set->opts.build;
    options.preset = LH_VECTOR_FRESH;
    if (order->count <= EXACT_ROWS_MAX)
        options.kind = LH_VECTOR_EXACT;
    n->order = order->places;
    lh_vector_source source = {.rows = order->count, .read = read_ordered, .arg = n};
    if (order->as_given)
        source.floats = n->rows->vectors;
    uint64_t bytes;
    LH_TRY(lh_buf_reserve(cx, out, order->count * options.dimensions * sizeof(float) + 65536));
    return lh_vector_build(cx, &options, &source, lh_segset_buf_sink(out), &bytes);
}

static lh_rc put_rows(lh_ctx *cx, lh_vector_set *set, const lh_vector_change *asked,
                      lh_segset_how how)
{
    new_rows n = {.set = set, .rows = &asked->rows};
    lh_segset_change change = {.how = how,
                               .ids = asked->rows.ids,
                               .count = asked->rows.count,
                               .encode = encode,
                               .arg = &n,
                               .deletes = asked->deletes,
                               .deletes_count = asked->deletes_count};
    return lh_segset_put(cx, set->segments, &change);
}

lh_rc lh_vector_set_append(lh_ctx *cx, lh_vector_set *set, const lh_vector_rows *rows)
{
    return put_rows(cx, set, &(lh_vector_change){.rows = *rows}, LH_SEGSET_APPEND);
}

lh_rc lh_vector_set_upsert(lh_ctx *cx, lh_vector_set *set, const lh_vector_rows *rows)
{
    return put_rows(cx, set, &(lh_vector_change){.rows = *rows}, LH_SEGSET_UPSERT);
}

lh_rc lh_vector_set_change(lh_ctx *cx, lh_vector_set *set, const lh_vector_change *change)
{
    uint64_t deleted;
    if (change->rows.count > 0)
        return put_rows(cx, set, change, LH_SEGSET_APPEND);
    return lh_vector_set_delete(cx, set, change->deletes, change->deletes_count, &deleted);
}

static lh_rc copy_bytes(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const lh_str *bytes = arg;
    return sink.write_at(cx, sink.arg, 0, *bytes);
}

lh_rc lh_vector_set_import(lh_ctx *cx, lh_vector_set *set, uint64_t rows, lh_str bytes)
{
    return lh_segset_import(cx, set->segments, rows, copy_bytes, &bytes);
}

lh_rc lh_vector_set_delete(lh_ctx *cx, lh_vector_set *set, const uint64_t *ids, size_t count,
                           uint64_t *ret_deleted)
{
    return lh_segset_delete(cx, set->segments, ids, count, ret_deleted);
}

lh_rc lh_vector_set_merge(lh_ctx *cx, lh_vector_set *set, lh_segset_merge_how how,
                          uint64_t *ret_merged)
{
    return lh_segset_merge(cx, set->segments, how, ret_merged);
}

lh_segset_view *lh_vector_set_view(lh_vector_set *set)
{
    return lh_segset_get_view(set->segments);
}

void lh_vector_set_get_stats(lh_vector_set *set, lh_segset_stats *ret_stats)
{
    lh_segset_get_stats(set->segments, ret_stats);
}
