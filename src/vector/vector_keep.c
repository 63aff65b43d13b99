/* vector/vector_keep.c - what finished phases made, in a file beside the build, so that a build
 * that was cut off goes on behind them.
 *
 *   0            4096 x i          4096 x j
 *   +-----------+-----------------+-----------------+-- ..      each a container "vector-build":
 *   | partition | edges of places | edges of places | graph     meta (stage_meta) and its arrays
 *   +-----------+-----------------+-----------------+-- ..
 *
 * Codes are not kept: reading the rows again makes them faster than the disk would write and read
 * them back, and they are the proof that rows and options are the same: all that is kept follows
 * from the int8 codes, the shape of the graph and the seed, whose hash is the key of every stage.
 *
 * A stage is written once, behind the others, its header last, and not synced: one that the kernel
 * had not written when the machine went down has wrong checksums, and is made again. */
#include "vector/vector_build_private.h"

#include "base/fault.h"
#include "base/hash.h"

#include <stdio.h>

#define KIND          LH_S("vector-build")
#define KIND_VERSION  1u
#define METHOD        2u /* rises when a phase comes to something else for the same input */
#define STAGE_ALIGN   4096u
#define ROWS_PER_HASH 4096u

typedef enum stage_what { PARTITION = 1, EDGES, GRAPH } stage_what;

typedef struct stage_meta {
    uint64_t key;
    uint64_t what;
    uint64_t first; /* places */
    uint64_t end;
} stage_meta;

typedef struct stage {
    stage_meta meta;
    lh_container container;
    uint64_t end; /* offset of the next */
} stage;

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + STAGE_ALIGN - 1) / STAGE_ALIGN * STAGE_ALIGN;
}

/* ---- the key ---- */

typedef struct hashing {
    const lhi_build *b;
    uint64_t *sums;
} hashing;

static lh_rc hash_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    const hashing *h = arg;
    (void)w;
    h->sums[first / ROWS_PER_HASH] =
        lh_hash64(lh_str_n(lhi_i8(h->b, first), (size_t)(end - first) * h->b->padded), 0);
    return LH_OK;
}

static lh_rc make_key(lhi_build *b, uint64_t *ret_key)
{
    const lhi_shape *s = &b->shape;
    size_t pieces = (size_t)((b->rows + ROWS_PER_HASH - 1) / ROWS_PER_HASH);
    hashing h = {b, LH_NEW_ARRAY(b->cx, uint64_t, pieces)};
    if (!h.sums)
        return b->cx->err.rc;
    lhi_loop loop = {hash_piece, &h, b->rows, ROWS_PER_HASH};
    LH_TRY(lhi_vector_parallel(b->cx, b->threads, &loop));
    uint32_t alpha;
    memcpy(&alpha, &s->alpha, sizeof alpha);
    const uint64_t options[] = {METHOD,       b->rows,    b->padded,    (uint64_t)b->kind,
                                s->degree,    s->overlap, s->leaf_sure, s->leaf_best,
                                s->leaf_rows, alpha,      b->lists,     b->options->seed};
    uint64_t of_codes = lh_hash64(lh_str_n(h.sums, pieces * sizeof *h.sums), 1);
    *ret_key = lh_hash64(lh_str_n(options, sizeof options), of_codes);
    return LH_OK;
}

/* ---- what is there ---- */

static lh_rc read_stage(lh_ctx *cx, lh_str all, uint64_t at, stage *ret)
{
    lh_str rest = lh_str_from_offset(all, (size_t)at);
    uint64_t bytes = lh_container_length(rest);
    lh_str meta;
    if (bytes == 0)
        return lh_fail(cx, LH_E_CORRUPT, "a stage of a vector build is not whole");
    LH_TRY(lh_container_open(cx, lh_str_sub(rest, 0, (size_t)bytes), KIND, &ret->container));
    LH_TRY(lh_container_get(cx, &ret->container, LH_S("meta"), sizeof(stage_meta), &meta));
    if (ret->container.kind_version != KIND_VERSION || meta.len != sizeof ret->meta)
        return lh_fail(cx, LH_E_CORRUPT, "a stage of another version");
    memcpy(&ret->meta, meta.ptr, sizeof ret->meta);
    ret->end = at + aligned(bytes);
    return LH_OK;
}

static lh_rc check_items(lh_ctx *cx, const stage *s, const char *name, uint64_t items,
                         size_t item_bytes, lh_str *ret)
{
    return lhi_vector_section(cx, &s->container, name, items, item_bytes, ret);
}

/* Numbers are used as indexes, so each is looked at. */
static lh_rc check_partition(const lhi_build *b, const stage *s)
{
    lh_str assigned;
    uint64_t count = b->rows * b->shape.overlap;
    uint32_t largest = 0;
    LH_TRY(check_items(b->cx, s, "assigned", count, sizeof(uint32_t), &assigned));
    const uint32_t *leaders = (const uint32_t *)(const void *)assigned.ptr;
    for (uint64_t i = 0; i < count; i++)
        largest = LH_MAX(largest, leaders[i]);
    return largest < b->lists ? LH_OK : lh_fail(b->cx, LH_E_CORRUPT, "a leader that is none");
}

static lh_rc check_edges(const lhi_build *b, const stage *s, const char *name)
{
    lh_str edges;
    uint64_t count = (s->meta.end - s->meta.first) * b->shape.degree;
    LH_TRY(check_items(b->cx, s, name, count, sizeof(uint32_t), &edges));
    uint32_t largest =
        b->kernels->build.largest_id((const uint32_t *)(const void *)edges.ptr, (size_t)count);
    if (largest >= b->rows)
        return lh_fail(b->cx, LH_E_CORRUPT, "an edge to place %u", largest);
    lh_str keys;
    return s->meta.what == GRAPH ? LH_OK
                                 : check_items(b->cx, s, "keys", count, sizeof(uint16_t), &keys);
}

/* A stage of this build, that follows on those before it. places: those that have edges. */
static lh_rc check_stage(const lhi_build *b, const stage *s, uint64_t last, uint64_t places)
{
    const stage_meta *m = &s->meta;
    int graph = b->kind == LH_VECTOR_GRAPH;
    if (m->key != b->kept.key)
        return lh_fail(b->cx, LH_E_CORRUPT, "a stage of other rows or options");
    int follows = m->what == PARTITION ? last == 0
                  : m->what == EDGES ? graph && last > 0 && m->first == places && m->end > m->first
                  : m->what == GRAPH
                      ? graph && places == b->rows && m->first == 0 && m->end == b->rows
                      : 0;
    if (!follows || last == GRAPH || m->end > b->rows)
        return lh_fail(b->cx, LH_E_CORRUPT, "a stage that does not follow on the one before");
    LH_TRY(lh_container_verify(b->cx, &s->container));
    return m->what == PARTITION ? check_partition(b, s)
                                : check_edges(b, s, m->what == GRAPH ? "graph" : "edges");
}

/* How far the file is good. */
static lh_rc look(lhi_build *b, uint64_t *ret_used)
{
    uint64_t last = 0;
    uint64_t places = 0;
    lh_str all = b->kept.map.bytes;
    *ret_used = 0;
    while (*ret_used < all.len) {
        stage s;
        LH_TRY(read_stage(b->cx, all, *ret_used, &s));
        LH_TRY(check_stage(b, &s, last, places));
        last = s.meta.what;
        places = last == EDGES ? s.meta.end : places;
        *ret_used = s.end;
    }
    return LH_OK;
}

/* The cause stays with the caller's struct, not with the context: the build goes on. */
static void note_trouble(lhi_build *b)
{
    lh_vector_keep *keep = b->options->keep;
    (void)snprintf(keep->trouble, sizeof keep->trouble, "%.*s", (int)sizeof keep->trouble - 1,
                   b->cx->err.message);
    lh_err_clear(b->cx);
}

lh_rc lhi_keep_open(lhi_build *b)
{
    lh_vector_keep *keep = b->options->keep;
    if (!keep)
        return LH_OK;
    keep->bytes_used = 0;
    keep->trouble[0] = '\0';
    if (b->rows < (keep->rows_min > 0 ? keep->rows_min : LH_VECTOR_KEEP_ROWS_MIN))
        return LH_OK;
    LH_TRY(make_key(b, &b->kept.key));
    lh_rc rc = lh_map_fd(b->cx, lh_file_fd(keep->file), &b->kept.map);
    if (rc == LH_OK)
        rc = look(b, &b->kept.used);
    if (rc != LH_OK)
        note_trouble(b);
    b->kept.file = keep->file;
    b->kept.end = b->kept.used;
    keep->bytes_used = b->kept.used;
    if (lh_file_truncate(b->cx, keep->file, b->kept.used) != LH_OK) {
        note_trouble(b);
        b->kept.file = NULL;
    }
    return LH_OK;
}

void lhi_keep_close(lhi_build *b)
{
    lh_map_close(&b->kept.map);
}

/* The first stage of a kind behind *at, which moves behind it; 0: there is none. */
static int find(const lhi_build *b, stage_what what, uint64_t *at, stage *ret)
{
    while (*at < b->kept.used) {
        int there = read_stage(b->cx, b->kept.map.bytes, *at, ret) == LH_OK;
        lh_assert(there); /* it was checked */
        *at = ret->end;
        if (ret->meta.what == (uint64_t)what)
            return 1;
    }
    return 0;
}

static void copy(const lhi_build *b, const stage *s, const char *name, void *to)
{
    lh_str bytes;
    int there = lh_container_get(b->cx, &s->container, lh_str_from(name), 0, &bytes) == LH_OK;
    lh_assert(there);
    memcpy(to, bytes.ptr, bytes.len);
}

int lhi_keep_take_partition(lhi_build *b)
{
    stage s;
    uint64_t at = 0;
    if (!find(b, PARTITION, &at, &s))
        return 0;
    copy(b, &s, "assigned", b->assigned.ptr);
    return 1;
}

uint64_t lhi_keep_take_edges(lhi_build *b)
{
    stage s;
    uint64_t places = 0;
    for (uint64_t at = 0; find(b, EDGES, &at, &s); places = s.meta.end) {
        uint64_t first = s.meta.first * b->shape.degree;
        copy(b, &s, "edges", LHI_U32(b->edges) + first);
        copy(b, &s, "keys", (uint16_t *)b->edge_keys.ptr + first);
    }
    return places;
}

int lhi_keep_has_graph(const lhi_build *b)
{
    stage s;
    uint64_t at = 0;
    return find(b, GRAPH, &at, &s);
}

void lhi_keep_take_graph(lhi_build *b)
{
    stage s;
    uint64_t at = 0;
    int there = find(b, GRAPH, &at, &s);
    lh_assert(there);
    copy(b, &s, "graph", b->graph.ptr);
}

/* ---- what is added ---- */

typedef struct added {
    const char *name;
    size_t item_bytes;
    uint64_t items;
    const void *at;
} added;

static lh_rc write_behind(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    const lhi_kept *kept = arg;
    return lh_file_write_at(cx, kept->file, kept->end + offset, bytes);
}

static lh_rc write_stage(lhi_build *b, const stage_meta *meta, const added *arrays,
                         uint64_t *ret_bytes)
{
    lh_ctx *cx = b->cx;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *out = NULL;
    lh_container_sink sink = {write_behind, &b->kept};
    LH_FAULT(cx, VECTOR_BEFORE_STAGE);
    LH_TRY(lh_container_writer_new(cx, sink, KIND, KIND_VERSION, &out));
    LH_TRY(lh_container_add(cx, out, LH_S("meta"), sizeof *meta, lh_str_n(meta, sizeof *meta)));
    for (const added *a = arrays; a->name; a++)
        LH_TRY(lh_container_add(cx, out, lh_str_from(a->name), (uint32_t)a->item_bytes,
                                lh_str_n(a->at, (size_t)a->items * a->item_bytes)));
    return lh_container_finish(cx, out, ret_bytes);
}

/* Keeping is a help for another time: where it fails, on a full disk, the build goes on. */
static lh_rc keep(lhi_build *b, stage_what what, uint64_t first, uint64_t end, const added *arrays)
{
    const stage_meta meta = {b->kept.key, what, first, end};
    uint64_t bytes;
    if (!b->kept.file)
        return LH_OK;
    if (write_stage(b, &meta, arrays, &bytes) == LH_OK) {
        b->kept.end += aligned(bytes);
        LH_FAULT(b->cx, VECTOR_AFTER_STAGE);
        return lh_ctx_check(b->cx);
    }
    note_trouble(b);
    LH_IGNORE(lh_file_truncate(b->cx, b->kept.file, b->kept.end));
    lh_err_clear(b->cx);
    b->kept.file = NULL;
    return LH_OK;
}

lh_rc lhi_keep_partition(lhi_build *b)
{
    const added arrays[] = {
        {"assigned", sizeof(uint32_t), b->rows * b->shape.overlap, b->assigned.ptr}, {0}};
    return keep(b, PARTITION, 0, 0, arrays);
}

lh_rc lhi_keep_edges(lhi_build *b)
{
    uint64_t at = b->slice_first * b->shape.degree;
    uint64_t items = (b->slice_end - b->slice_first) * b->shape.degree;
    const added arrays[] = {
        {"edges", sizeof(uint32_t), items, LHI_U32(b->edges) + at},
        {"keys", sizeof(uint16_t), items, (const uint16_t *)b->edge_keys.ptr + at},
        {0}};
    return keep(b, EDGES, b->slice_first, b->slice_end, arrays);
}

lh_rc lhi_keep_graph(lhi_build *b)
{
    const added arrays[] = {{"graph", sizeof(uint32_t), b->rows * b->shape.degree, b->graph.ptr},
                            {0}};
    return keep(b, GRAPH, 0, b->rows, arrays);
}
