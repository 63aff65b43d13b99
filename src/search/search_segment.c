/* search/search_segment.c - reads the parts back, in order, into a chunk store and a file of
 * vectors, has a segment built of that, and publishes both.
 *
 * Reading back is one road for fresh and resumed builds, and it proves that the parts can be
 * read. */
#include "base/clock.h"
#include "search/search_private.h"

#define ROW_BYTES_MAX    (64u * 1024u * 1024u)
#define FLOATS_BYTES_MAX (64u * 1024u * 1024u)

typedef struct segment_run {
    lh_search *search;
    lh_job *job;
    uint32_t dimensions;
    lh_chunk_writer *chunks;
    lh_staged *vectors; /* f32, row after row */
    lh_buf floats;      /* of it, not yet written */
    lh_buf bytes;       /* the stream of rows, what is not taken yet */
    const lh_bitmap *dead;
    uint64_t seen; /* rows of parts */
    uint64_t rows; /* of the segment */
} segment_run;

static int take_u32(lh_str *rest, uint32_t *ret)
{
    if (rest->len < sizeof *ret)
        return 0;
    memcpy(ret, rest->ptr, sizeof *ret);
    *rest = lh_str_from_offset(*rest, sizeof *ret);
    return 1;
}

static int take_bytes(lh_str *rest, size_t bytes, lh_str *ret)
{
    if (rest->len < bytes)
        return 0;
    *ret = lh_str_n(rest->ptr, bytes);
    *rest = lh_str_from_offset(*rest, bytes);
    return 1;
}

/* One row off the front (messages.h); 0 when it is not whole yet. */
static int take_row(lh_str *rest, lh_chunk_row *ret_row, uint32_t *ret_dimensions,
                    lh_str *ret_vector)
{
    lh_str r = *rest;
    lh_str hash;
    uint32_t id_bytes;
    uint32_t text_bytes;
    if (!take_u32(&r, &id_bytes) || !take_bytes(&r, id_bytes, &ret_row->id) ||
        !take_u32(&r, &ret_row->chunk_no) || !take_u32(&r, &text_bytes) ||
        !take_bytes(&r, text_bytes, &ret_row->text) || !take_bytes(&r, sizeof(uint64_t), &hash) ||
        !take_u32(&r, ret_dimensions) ||
        !take_bytes(&r, (size_t)*ret_dimensions * sizeof(float), ret_vector))
        return 0;
    memcpy(&ret_row->content_hash, hash.ptr, sizeof ret_row->content_hash);
    *rest = r;
    return 1;
}

static lh_rc write_floats(lh_ctx *cx, segment_run *s)
{
    LH_TRY(lh_staged_write(cx, s->vectors, lh_buf_str(&s->floats)));
    lh_buf_truncate(&s->floats, 0);
    return LH_OK;
}

static lh_rc add_rows(lh_ctx *cx, segment_run *s, lh_str more)
{
    LH_TRY(lh_buf_append(cx, &s->bytes, more));
    lh_str rest = lh_buf_str(&s->bytes);
    lh_chunk_row row;
    lh_str vector;
    uint32_t dimensions;
    while (take_row(&rest, &row, &dimensions, &vector)) {
        if (dimensions != s->dimensions)
            return lh_fail(cx, LH_E_CORRUPT, "a vector of %u dimensions in an index of %u",
                           dimensions, s->dimensions);
        uint64_t row_of_parts = s->seen++;
        if (s->dead && lh_bitmap_get(s->dead, row_of_parts))
            continue;
        LH_TRY(lh_buf_append(cx, &s->floats, vector));
        LH_TRY(lh_chunk_writer_add(cx, s->chunks, &row));
        s->rows++;
    }
    if (s->floats.len >= FLOATS_BYTES_MAX / 2)
        LH_TRY(write_floats(cx, s));
    lh_buf_drop_front(&s->bytes, s->bytes.len - rest.len);
    lh_job_progress(s->job, s->rows);
    return LH_OK;
}

static lh_rc read_part(lh_ctx *cx, segment_run *s, const lh_index_part *part)
{
    lh_str path;
    LH_TRY(lh_store_local_path(cx, lh_catalog_store(s->search->parts.catalog), part->key, &path));
    lh_ingest_task task = {.op = LH_INGEST_READ_CHUNKS,
                           .paths = {&path, 1},
                           .background = s->search->parts.background};
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_pool_lease(cx, s->search->parts.pool, LH_WORKER_INGEST, LH_S("ingest"), &lease));
    LH_TRY(lh_lease_task_record(cx, lease, &lh_ingest_task_record, &task, NULL, 0));
    uint64_t before = s->seen;
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_DATA)
            LH_TRY(add_rows(cx, s, frame.payload));
        else if (frame.kind == LH_FRAME_DONE)
            break;
        else if (frame.kind != LH_FRAME_PROGRESS && frame.kind != LH_FRAME_HEAD)
            return lh_fail(cx, LH_E_INTERNAL, "frame kind %d while a part is read",
                           (int)frame.kind);
    }
    if (s->bytes.len > 0 || s->seen - before != part->rows)
        return lh_fail(cx, LH_E_CORRUPT, "part '%.*s' has %llu chunks, not %llu",
                       LH_STR_ARG(part->key), (unsigned long long)(s->seen - before),
                       (unsigned long long)part->rows);
    return LH_OK;
}

static lh_rc fill(lh_ctx *cx, segment_run *s, const lh_list *of_meta, lh_staged *chunks)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, lh_staged_path(chunks), LH_FILE_READ_WRITE, &file));
    LH_TRY(lh_chunk_writer_new(cx, lh_file_container_sink(file), &s->chunks));
    const lh_index_part *parts = of_meta->items;
    for (size_t i = 0; i < of_meta->count; i++)
        LH_TRY(read_part(cx, s, &parts[i]));
    uint64_t bytes;
    LH_TRY(write_floats(cx, s));
    return lh_chunk_writer_finish(cx, s->chunks, &bytes);
}

/* What the worker wrote must open, and be what it was asked for. */
static lh_rc describe(lh_ctx *cx, const segment_run *s, lh_staged *segment, lh_index_meta *meta)
{
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    LH_CLEANUP(lh_vector_index_close) lh_vector_index *index = NULL;
    LH_TRY(lh_map_open(cx, lh_staged_path(segment), &map));
    LH_TRY(lh_vector_index_open(cx, map.bytes, &index));
    LH_TRY(lhi_index_describe(cx, index, meta));
    lh_vector_stats stats;
    lh_vector_index_stats(index, &stats);
    if (stats.rows != s->rows || stats.dimensions != s->dimensions)
        return lh_fail(cx, LH_E_INTERNAL, "a segment of %llu rows was built of %llu",
                       (unsigned long long)stats.rows, (unsigned long long)s->rows);
    return LH_OK;
}

typedef struct published {
    lh_str key;
    lh_str sha256;
    uint64_t bytes;
} published;

static lh_rc publish_one(lh_ctx *cx, lh_staged *staged, const lhi_plan *plan, const char *name,
                         published *ret)
{
    uint64_t unique = (uint64_t)plan->started_at ^ (uint64_t)lh_clock_real_us();
    lh_str key = lh_ctx_fmt(cx, "vectors/%.*s/%.*s/%llx-%s", LH_STR_ARG(plan->request.index_name),
                            LH_STR_ARG(plan->generation), (unsigned long long)unique, name);
    lh_object_sum sum;
    LH_TRY(lh_staged_publish(cx, staged, key, &sum));
    *ret = (published){key, lh_ctx_dup(cx, lh_str_from(sum.sha256)), sum.bytes};
    return LH_OK;
}

lh_rc lhi_write_segment(lh_ctx *cx, lh_search *search, lh_job *job, const lhi_plan *plan,
                        const lh_bitmap *dead, lh_index_meta *meta)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    LH_CLEANUP(lh_staged_free) lh_staged *chunks = NULL;
    LH_CLEANUP(lh_staged_free) lh_staged *vectors = NULL;
    LH_CLEANUP(lh_staged_free) lh_staged *segment = NULL;
    LH_TRY(lh_store_stage(cx, store, &chunks));
    LH_TRY(lh_store_stage(cx, store, &vectors));
    LH_TRY(lh_store_stage(cx, store, &segment));
    lh_job_phase(job, "reading back", "chunks", meta->chunks);
    segment_run s = {.search = search,
                     .job = job,
                     .dimensions = plan->dimensions,
                     .vectors = vectors,
                     .dead = dead};
    lh_buf_init(&s.bytes, ROW_BYTES_MAX);
    lh_buf_init(&s.floats, FLOATS_BYTES_MAX);
    lh_rc rc = fill(cx, &s, &meta->parts, chunks);
    lh_chunk_writer_free(s.chunks);
    lh_buf_done(&s.bytes);
    lh_buf_done(&s.floats);
    LH_TRY(rc);
    LH_TRY(lhi_index_build(cx, search, job, plan, vectors, segment));
    LH_TRY(describe(cx, &s, segment, meta));
    published of_chunks;
    published of_segment;
    LH_TRY(publish_one(cx, chunks, plan, "chunks.lhc", &of_chunks));
    LH_TRY(publish_one(cx, segment, plan, "segment.lhv", &of_segment));
    meta->chunks_key = of_chunks.key;
    meta->chunks_sha256 = of_chunks.sha256;
    meta->segment_key = of_segment.key;
    meta->segment_sha256 = of_segment.sha256;
    meta->bytes = of_chunks.bytes + of_segment.bytes;
    return LH_OK;
}
