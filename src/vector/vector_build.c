/* vector/vector_build.c - one build from rows to file: which kind, which shape, which slices, and
 * the order of the phases.
 *
 * Every phase gives the same result for any number of threads and any slice, so the file depends on
 * rows, options and seed alone. */
#include "vector/vector_build_private.h"

#define EXACT_ROWS_MAX 1000u  /* AUTO: below, codes cost more than they save */
#define FLAT_ROWS_MAX  20000u /* AUTO: below, a 1-bit scan is as fast as a walk */
#define IVF_LIST_ROWS  256u
#define FLAT_LIST_ROWS 128u
#define MEMORY_LEAST   ((uint64_t)64 << 20)
#define SLICES_MAX     64u

lh_rc lhi_vector_options_check(lh_ctx *cx, const lh_vector_options *o)
{
    if (o->dimensions == 0 || o->dimensions > LH_VECTOR_DIMENSIONS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%u dimensions, limits 1 and %u", o->dimensions,
                       LH_VECTOR_DIMENSIONS_MAX);
    if (o->ef_construction != 0 && (o->ef_construction < LH_VECTOR_EF_CONSTRUCTION_MIN ||
                                    o->ef_construction > LH_VECTOR_EF_CONSTRUCTION_MAX))
        return lh_fail(cx, LH_E_BAD_VALUE, "ef_construction %u, limits %d and %d",
                       o->ef_construction, LH_VECTOR_EF_CONSTRUCTION_MIN,
                       LH_VECTOR_EF_CONSTRUCTION_MAX);
    if (o->metric > LH_VECTOR_EUCLIDEAN || o->kind > LH_VECTOR_EXACT ||
        o->preset > LH_VECTOR_FRESH || o->rows_as > LH_VECTOR_ROWS_EXTERNAL ||
        o->rotation > LH_VECTOR_ROTATE_ON)
        return lh_fail(cx, LH_E_BAD_VALUE, "a vector option that does not exist");
    return LH_OK;
}

lh_rc lhi_build_pages(lhi_build *b, lh_pages *pages, uint64_t items, size_t item_bytes)
{
    if (item_bytes > 0 && items > SIZE_MAX / 2 / item_bytes)
        return lh_fail(b->cx, LH_E_TOO_LARGE, "%llu items of %zu bytes", (unsigned long long)items,
                       item_bytes);
    if (!lh_pages_alloc(pages, (size_t)items * item_bytes))
        return lh_fail(b->cx, LH_E_NO_MEMORY, "vector build: %llu items of %zu bytes",
                       (unsigned long long)items, item_bytes);
    return LH_OK;
}

void lhi_build_phase(lhi_build *b, const char *phase, uint64_t done)
{
    if (b->options->progress)
        b->options->progress(b->options->progress_arg, phase, done, b->rows);
}

static lh_vector_kind choose_kind(const lh_vector_options *o, uint64_t rows)
{
    if (o->kind == LH_VECTOR_EXACT || rows < 2 ||
        (o->kind == LH_VECTOR_AUTO && rows < EXACT_ROWS_MAX))
        return LH_VECTOR_EXACT;
    if (o->kind == LH_VECTOR_AUTO)
        return rows < FLAT_ROWS_MAX ? LH_VECTOR_FLAT : LH_VECTOR_GRAPH;
    return o->kind;
}

/* Presets of research/vector_real.md; ef_construction keeps its meaning: more effort, better
 * graph. Two levels of leaders cost a little recall, which only the better graphs mind. */
static lhi_shape choose_shape(const lh_vector_options *o)
{
    static const struct {
        uint32_t ef;
        lhi_shape shape;
    } steps[] = {{40, {24, 4, 8, 8, 800, 500, 1.2f}},
                 {100, {32, 6, 8, 8, 800, 500, 1.2f}},
                 {160, {48, 8, 8, 8, 1000, 1500, 1.2f}},
                 {LH_VECTOR_EF_CONSTRUCTION_MAX, {48, 10, 12, 14, 1000, 1500, 1.1f}}};
    uint32_t ef = o->ef_construction;
    if (ef == 0)
        ef = o->preset == LH_VECTOR_FRESH ? 80 : 200;
    size_t i = 0;
    while (ef > steps[i].ef)
        i++;
    return steps[i].shape;
}

static void choose(lhi_build *b)
{
    b->kind = choose_kind(b->options, b->rows);
    b->shape = choose_shape(b->options);
    if (b->kind != LH_VECTOR_GRAPH)
        b->shape.overlap = 1;
    uint64_t list_rows = b->kind == LH_VECTOR_GRAPH ? b->shape.leaf_rows / b->shape.overlap
                         : b->kind == LH_VECTOR_IVF ? IVF_LIST_ROWS
                                                    : FLAT_LIST_ROWS;
    b->lists = (uint32_t)LH_MIN(LH_MAX(b->rows / list_rows, 1u), b->rows);
    b->shape.overlap = LH_MIN(b->shape.overlap, b->lists);
}

/* How many slices candidates are made in: what does not fit is made later, at the price of pairs
 * across slices being computed twice. */
static lh_rc choose_slices(lhi_build *b, uint64_t *ret_slice_rows)
{
    uint64_t limit = b->options->memory_bytes_max;
    uint64_t degree = b->shape.degree;
    if (limit == 0) /* what a graph of floats would take: rows and 32 links */
        limit = LH_MAX(b->rows * (4ull * b->dimensions + 136), MEMORY_LEAST);
    uint64_t fixed = b->rows * (b->padded + b->padded / 2 + b->padded / 8 + 6 * degree +
                                4ull * b->shape.overlap + 24);
    uint64_t slot_bytes = (uint64_t)b->shape.leaf_best * 6 + 1;
    uint64_t all = b->rows * b->shape.overlap * slot_bytes;
    uint64_t slices = 1;
    while (slices < SLICES_MAX && fixed + all / slices > limit)
        slices++;
    if (b->options->memory_bytes_max > 0 && fixed + all / slices > limit)
        return lh_fail(b->cx, LH_E_TOO_LARGE, "a build of %llu rows needs %llu bytes, not %llu",
                       (unsigned long long)b->rows, (unsigned long long)(fixed + all / slices),
                       (unsigned long long)limit);
    *ret_slice_rows = (b->rows + slices - 1) / slices;
    return LH_OK;
}

static lh_rc make_graph(lhi_build *b)
{
    uint64_t slice_rows = b->rows;
    LH_TRY(choose_slices(b, &slice_rows));
    LH_TRY(lhi_build_leaves(b));
    LH_TRY(lhi_build_pages(b, &b->edges, b->rows * b->shape.degree, sizeof(uint32_t)));
    LH_TRY(lhi_build_pages(b, &b->edge_keys, b->rows * b->shape.degree, sizeof(uint16_t)));
    for (uint64_t first = lhi_keep_take_edges(b); first < b->rows; first = b->slice_end) {
        b->slice_first = first;
        b->slice_end = LH_MIN(first + slice_rows, b->rows);
        LH_TRY(lhi_build_candidates(b));
        LH_TRY(lhi_build_forward(b));
        LH_TRY(lhi_keep_edges(b));
    }
    LH_TRY(lhi_build_graph(b));
    LH_TRY(lhi_build_reach(b));
    return lhi_keep_graph(b);
}

static lh_rc take_graph(lhi_build *b)
{
    lh_pages_free(&b->assigned);
    LH_TRY(lhi_build_pages(b, &b->graph, b->rows * b->shape.degree, sizeof(uint32_t)));
    lhi_keep_take_graph(b);
    return LH_OK;
}

static lh_rc make_codes(lhi_build *b)
{
    LH_TRY(lhi_build_sample(b));
    LH_TRY(lhi_build_encode(b));
    LH_TRY(lhi_keep_open(b));
    LH_TRY(lhi_build_partition(b));
    if (b->kind == LH_VECTOR_GRAPH)
        LH_TRY(lhi_keep_has_graph(b) ? take_graph(b) : make_graph(b));
    LH_TRY(lhi_build_arrange(b));
    return lhi_build_probe(b);
}

static void done(lhi_build *b)
{
    lh_pages *const all[] = {&b->i8,
                             &b->i8_sum,
                             &b->i8_norm,
                             &b->i4,
                             &b->i4_factors,
                             &b->b1,
                             &b->b1_factors,
                             &b->half_squares,
                             &b->assigned,
                             &b->row_of,
                             &b->members,
                             &b->candidate_ids,
                             &b->candidate_keys,
                             &b->candidate_counts,
                             &b->edges,
                             &b->edge_keys,
                             &b->reverse,
                             &b->reverse_starts,
                             &b->graph,
                             &b->b1_blocks,
                             &b->super_codes};
    for (size_t i = 0; i < LH_ARRAY_LEN(all); i++)
        lh_pages_free(all[i]);
    lhi_keep_close(b);
}

static lh_rc run(lhi_build *b, lh_container_sink sink, uint64_t *ret_file_bytes)
{
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *out = NULL;
    choose(b);
    if (b->kind != LH_VECTOR_EXACT)
        LH_TRY(make_codes(b));
    LH_TRY(lh_container_writer_new(b->cx, sink, LHI_VECTOR_KIND, LHI_VECTOR_VERSION, &out));
    LH_TRY(lhi_build_write(b, out));
    return lh_container_finish(b->cx, out, ret_file_bytes);
}

lh_rc lh_vector_build(lh_ctx *cx, const lh_vector_options *options, const lh_vector_source *source,
                      lh_container_sink sink, uint64_t *ret_file_bytes)
{
    LH_TRY(lhi_vector_options_check(cx, options));
    if (source->rows > LH_VECTOR_ROWS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%llu rows, the most is %u",
                       (unsigned long long)source->rows, LH_VECTOR_ROWS_MAX);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new((size_t)1 << 32);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector build");
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx); /* a build's arrays are not the caller's to keep */
    lhi_build b = {.cx = &own,
                   .options = options,
                   .source = source,
                   .kernels = lh_vector_kernels_get(),
                   .rows = source->rows,
                   .dimensions = options->dimensions,
                   .padded = (options->dimensions + 127) / 128 * 128,
                   .threads = LH_MIN(LH_MAX(options->threads, 1u), 64u)};
    lh_rc rc = run(&b, sink, ret_file_bytes);
    done(&b);
    if (rc != LH_OK)
        cx->err = own.err;
    return rc;
}
