/* search/search_segment.c - reads parts back, in order, into rows and vectors: all of them into a
 * new set whose first segment a worker builds, or those that a refresh wrote into one change of the
 * set there is.
 *
 * Reading back is one road for fresh and resumed builds, and it proves that the parts can be read.
 * The number of a vector is its row in the parts, one after another. */
#include "base/clock.h"
#include "base/hash.h"
#include "search/search_private.h"

#define ROW_BYTES_MAX    (64u * 1024u * 1024u)
#define FLOATS_BYTES_MAX (64u * 1024u * 1024u)
/* More new rows are worth a worker that builds everything anew. */
#define APPEND_ROWS_MAX  20000u
#define ROWS_OBJECTS_MAX 64u

typedef struct segment_run {
    lh_search *search;
    lh_job *job;
    uint32_t dimensions;
    lh_chunk_writer *chunks;
    lh_staged *vectors;  /* f32, row after row; NULL: they stay in floats */
    lh_buf floats;       /* of it, not yet written */
    lh_buf bytes;        /* the stream of rows, what is not taken yet */
    lh_chunk_row *added; /* of a change: its rows, copied; NULL: they go to chunks */
    uint64_t rows;       /* of parts so far */
    uint64_t rows_max;
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
    ret_row->body = LH_STR_NONE;
    *rest = r;
    return 1;
}

static lh_rc write_floats(lh_ctx *cx, segment_run *s)
{
    LH_TRY(lh_staged_write(cx, s->vectors, lh_buf_str(&s->floats)));
    lh_buf_truncate(&s->floats, 0);
    return LH_OK;
}

static lh_rc add_row(lh_ctx *cx, segment_run *s, const lh_chunk_row *row)
{
    if (!s->added)
        return lh_chunk_writer_add(cx, s->chunks, row);
    if (s->rows >= s->rows_max)
        return lh_fail(cx, LH_E_CORRUPT, "parts of the index have more rows than was said");
    lh_chunk_row *copy = &s->added[s->rows];
    *copy = *row;
    copy->id = lh_ctx_dup(cx, row->id);
    copy->text = lh_ctx_dup(cx, row->text);
    return copy->id.ptr && copy->text.ptr ? LH_OK : cx->err.rc;
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
        LH_TRY(lh_buf_append(cx, &s->floats, vector));
        LH_TRY(add_row(cx, s, &row));
        s->rows++;
    }
    if (s->vectors && s->floats.len >= FLOATS_BYTES_MAX / 2)
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
    uint64_t before = s->rows;
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
    if (s->bytes.len > 0 || s->rows - before != part->rows)
        return lh_fail(cx, LH_E_CORRUPT, "part '%.*s' has %llu chunks, not %llu",
                       LH_STR_ARG(part->key), (unsigned long long)(s->rows - before),
                       (unsigned long long)part->rows);
    return LH_OK;
}

static lh_rc read_parts(lh_ctx *cx, segment_run *s, const lh_list *list)
{
    const lh_index_part *parts = list->items;
    for (size_t i = 0; i < list->count; i++)
        LH_TRY(read_part(cx, s, &parts[i]));
    return LH_OK;
}

/* ---- a new set ---- */

static lh_rc fill(lh_ctx *cx, segment_run *s, const lh_list *parts, lh_staged *chunks)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, lh_staged_path(chunks), LH_FILE_READ_WRITE, &file));
    LH_TRY(lh_chunk_writer_new(cx, lh_file_container_sink(file), &s->chunks));
    LH_TRY(read_parts(cx, s, parts));
    uint64_t bytes;
    LH_TRY(write_floats(cx, s));
    return lh_chunk_writer_finish(cx, s->chunks, &bytes);
}

/* What the worker wrote must open, and be what it was asked for; then it is the set's first. */
static lh_rc import(lh_ctx *cx, const segment_run *s, lh_staged *segment, lhi_vectors *v,
                    lh_index_meta *meta)
{
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    LH_CLEANUP(lh_vector_index_close) lh_vector_index *index = NULL;
    uint8_t digest[LH_SHA256_BYTES];
    char hex[LH_SHA256_HEX];
    LH_TRY(lh_map_open(cx, lh_staged_path(segment), &map));
    LH_TRY(lh_vector_index_open(cx, map.bytes, &index));
    lh_vector_stats stats;
    lh_vector_index_stats(index, &stats);
    if (stats.rows != s->rows || stats.dimensions != s->dimensions)
        return lh_fail(cx, LH_E_INTERNAL, "a segment of %llu rows was built of %llu",
                       (unsigned long long)stats.rows, (unsigned long long)s->rows);
    LH_TRY(lh_vector_set_import(cx, v->set, s->rows, map.bytes));
    LH_TRY(lh_sha256_of(cx, map.bytes, digest));
    lh_hex_text(digest, sizeof digest, hex);
    meta->segment_sha256 = lh_ctx_dup(cx, lh_str_n(hex, sizeof hex));
    meta->bytes += map.bytes.len;
    return LH_OK;
}

static lh_rc make_set(lh_ctx *cx, segment_run *s, const lhi_plan *plan, lh_staged *chunks,
                      lh_index_meta *meta, lhi_vectors *v)
{
    lh_store *store = lh_catalog_store(s->search->parts.catalog);
    LH_CLEANUP(lh_staged_free) lh_staged *segment = NULL;
    lh_object_sum sum;
    LH_TRY(fill(cx, s, &meta->parts, chunks));
    if (s->rows == 0)
        return LH_OK;
    lh_str name = lhi_numbered_next_name(cx, &v->numbered);
    LH_TRY(lh_store_stage(cx, store, &segment));
    LH_TRY(lhi_index_build(cx, s->search, s->job, plan, s->vectors, segment));
    LH_TRY(lh_staged_publish(
        cx, chunks, lh_ctx_fmt(cx, "%.*s%.*s", LH_STR_ARG(meta->set_prefix), LH_STR_ARG(name)),
        &sum));
    LH_TRY(lhi_numbered_load_next(cx, &v->numbered));
    meta->bytes = sum.bytes;
    return import(cx, s, segment, v, meta);
}

lh_rc lhi_write_set(lh_ctx *cx, lh_search *search, lh_job *job, const lhi_plan *plan,
                    lh_index_meta *meta, lhi_vectors **ret_vectors)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    LH_CLEANUP(lh_staged_free) lh_staged *chunks = NULL;
    LH_CLEANUP(lh_staged_free) lh_staged *vectors = NULL;
    LH_CLEANUP(lhi_vectors_unref) lhi_vectors *v = NULL;
    LH_TRY(lh_store_stage(cx, store, &chunks));
    LH_TRY(lh_store_stage(cx, store, &vectors));
    /* The time: a try that was cut off may have left a set. */
    meta->set_prefix =
        lh_ctx_fmt(cx, "vectors/%.*s/%.*s/set-%llx/", LH_STR_ARG(plan->request.index_name),
                   LH_STR_ARG(plan->generation), (unsigned long long)lh_clock_real_us());
    LH_TRY(lhi_vectors_open(cx, search, meta, &v));
    lh_assert(v != NULL);
    lh_job_phase(job, "reading back", "chunks", meta->chunks);
    segment_run s = {
        .search = search, .job = job, .dimensions = plan->dimensions, .vectors = vectors};
    lh_buf_init(&s.bytes, ROW_BYTES_MAX);
    lh_buf_init(&s.floats, FLOATS_BYTES_MAX);
    lh_rc rc = make_set(cx, &s, plan, chunks, meta, v);
    lh_chunk_writer_free(s.chunks);
    lh_buf_done(&s.bytes);
    lh_buf_done(&s.floats);
    LH_TRY(rc);
    *ret_vectors = LH_TAKE(v);
    return LH_OK;
}

/* ---- a change of the set there is ---- */

/* Live numbers that no row of the source claimed. */
static lh_rc unclaimed(lh_ctx *cx, const lhi_base *base, uint64_t **ret, size_t *ret_count)
{
    size_t n = 0;
    LH_TRY(lh_segset_view_ids(cx, base->view, ret, ret_count));
    for (size_t i = 0; i < *ret_count; i++)
        if (!lh_bitmap_get(&base->claimed, (*ret)[i]))
            (*ret)[n++] = (*ret)[i];
    *ret_count = n;
    return LH_OK;
}

static lh_rc change_set(lh_ctx *cx, const segment_run *s, lhi_numbered *numbered, uint64_t first,
                        lh_vector_change *change, lh_vector_set *set)
{
    uint64_t *ids = LH_NEW_ARRAY(cx, uint64_t, (size_t)s->rows + 1);
    uint64_t written = first;
    if (!ids)
        return cx->err.rc;
    for (uint64_t i = 0; i < s->rows; i++)
        ids[i] = first + i;
    if (s->rows > 0 && numbered->next == first)
        LH_TRY(lhi_numbered_add(cx, numbered, s->added, (size_t)s->rows, &written));
    lh_assert(written == first);
    change->rows = (lh_vector_rows){ids, (const float *)(const void *)lh_buf_str(&s->floats).ptr,
                                    (size_t)s->rows};
    return change->rows.count > 0 || change->deletes_count > 0
               ? lh_vector_set_change(cx, set, change)
               : LH_OK;
}

/* The set that is gone on with: numbers are rows of the parts, and not too many objects. */
static int fits(const lhi_base *base, const lhi_plan *plan)
{
    uint64_t before = lhi_rows_of_parts(&base->generation->meta.parts);
    uint64_t more = lhi_rows_of_parts(&plan->parts);
    return more <= APPEND_ROWS_MAX && base->known.count < ROWS_OBJECTS_MAX &&
           (base->known.end == before || base->known.end == before + more) &&
           base->live * 3 + 1000 > base->known.end;
}

lh_rc lhi_append_to_set(lh_ctx *cx, lh_search *search, lh_job *job, const lhi_plan *plan,
                        const lhi_base *base, int *ret_done)
{
    lhi_vectors *v = base->generation->vectors;
    uint64_t first = lhi_rows_of_parts(&base->generation->meta.parts);
    uint64_t *deletes;
    lh_vector_change change = {.deletes = NULL};
    *ret_done = 0;
    LH_TRY(unclaimed(cx, base, &deletes, &change.deletes_count));
    change.deletes = deletes;
    if (!fits(base, plan) || change.deletes_count > LH_SEGSET_BATCH_ROWS_MAX)
        return LH_OK;
    *ret_done = 1;
    if (lhi_base_has(base, plan))
        return LH_OK;
    segment_run s = {.search = search,
                     .job = job,
                     .dimensions = plan->dimensions,
                     .rows_max = lhi_rows_of_parts(&plan->parts)};
    s.added = LH_NEW_ARRAY(cx, lh_chunk_row, (size_t)s.rows_max + 1);
    if (!s.added)
        return cx->err.rc;
    lh_job_phase(job, "appending", "chunks", s.rows_max);
    lh_buf_init(&s.bytes, ROW_BYTES_MAX);
    lh_buf_init(&s.floats, (size_t)(s.rows_max + 1) * plan->dimensions * sizeof(float));
    lh_rc rc = read_parts(cx, &s, &plan->parts);
    if (rc == LH_OK)
        rc = change_set(cx, &s, &v->numbered, first, &change, v->set);
    lh_buf_done(&s.bytes);
    lh_buf_done(&s.floats);
    return rc;
}
