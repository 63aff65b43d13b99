/* search/search_embed.c - rows of the source to chunks to vectors to Parquet parts; each part is a
 * checkpoint.
 *
 * The source is spooled to a staged file first, so that no SQL worker waits for the model and the
 * rows that are read are those of one commit. A part ends between two rows, so that a resumed build
 * can skip whole rows. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "search/chunker.h"
#include "search/search_private.h"

#define PART_CHUNKS       4096u
#define EMBED_BATCH       64u
#define PART_BYTES_MAX    (256u * 1024u * 1024u)
#define FRAME_BYTES       (1u << 20)
#define BATCH_ARENA_BYTES (128u * 1024u * 1024u)
#define BATCH_TIMEOUT_US  (120 * 1000000ll)

typedef struct pending {
    lh_str id;
    uint32_t chunk_no;
    lh_str text; /* slice of the spooled line's decoded text, in the batch arena */
} pending;

typedef struct embed_run {
    lh_search *search;
    lh_job *job;
    lhi_plan *plan;
    lh_ctx batch; /* texts of rows whose chunks wait */
    pending waiting[EMBED_BATCH];
    size_t waiting_count;
    lh_buf rows;                               /* chunk rows of the part that grows */
    size_t cuts[PART_BYTES_MAX / FRAME_BYTES]; /* ends of frames in rows, each between two rows */
    size_t cuts_count;
    uint64_t part_chunks;
    uint64_t rows_seen; /* source rows whose chunks are in rows, waiting or parts */
    lh_index_part *parts;
    size_t parts_count;
    size_t parts_capacity;
    int64_t began_us;
} embed_run;

/* ---- the spool ---- */

static lh_rc spool_data(lh_ctx *cx, void *arg, lh_str bytes)
{
    return lh_staged_write(cx, arg, bytes);
}

static lh_rc spool(lh_ctx *cx, embed_run *r, lh_staged *staged)
{
    const lh_index_request *rq = &r->plan->request;
    lh_pair_i64 commit = {rq->dataset, (int64_t)r->plan->source_commit};
    lh_query_request query = {
        .sql = lh_ctx_fmt(
            cx, "SELECT CAST(%.*s AS VARCHAR) AS id, CAST(%.*s AS VARCHAR) AS text FROM %.*s",
            LH_STR_ARG(lh_sql_ident(cx, rq->id_column)),
            LH_STR_ARG(lh_sql_ident(cx, rq->text_column)),
            LH_STR_ARG(lh_sql_ident(cx, rq->dataset))),
        .format = LH_SQL_NDJSON,
        .snapshots = {&commit, 1},
        .offset = r->plan->rows_done};
    lh_query_sink sink = {.data = spool_data, .arg = staged};
    lh_query_outcome outcome;
    LH_TRY(lh_query_run(cx, r->search->parts.query, &query, &sink, &outcome));
    lh_job_phase(r->job, "embedding", "rows", r->plan->rows_done + outcome.rows);
    lh_job_progress(r->job, r->plan->rows_done);
    return LH_OK;
}

/* ---- parts ---- */

/* Frames end with whole rows (worker/messages.h): at the cuts that were noted while the part
 * grew. */
static lh_rc send_rows(lh_ctx *cx, embed_run *r, lh_lease *lease)
{
    lh_str rows = lh_buf_str(&r->rows);
    size_t begin = 0;
    for (size_t i = 0; i <= r->cuts_count; i++) {
        size_t end = i < r->cuts_count ? r->cuts[i] : rows.len;
        if (end > begin)
            LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, lh_str_sub(rows, begin, end - begin)));
        begin = end;
    }
    return lh_lease_write(cx, lease, LH_FRAME_DATA, LH_STR_NONE);
}

static lh_rc write_part(lh_ctx *cx, embed_run *r, lh_ingest_done *ret_done)
{
    lh_ingest_task task = {
        .op = LH_INGEST_WRITE_CHUNKS,
        .output_prefix =
            lh_ctx_fmt(cx, "part-%.*s-%zu", LH_STR_ARG(r->plan->generation), r->parts_count)};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LH_FRAME_BYTES_MAX);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    lh_record_write(&w, &lh_ingest_task_record, &task);
    LH_TRY(lh_jw_end(&w));
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_pool_lease(cx, r->search->parts.pool, LH_WORKER_INGEST, LH_S("ingest"), &lease));
    LH_TRY(lh_lease_task(cx, lease, lh_buf_str(&json), NULL, 0));
    LH_TRY(send_rows(cx, r, lease));
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, &lh_ingest_done_record, lh_ctx_dup(cx, frame.payload),
                                   ret_done);
        if (frame.kind != LH_FRAME_PROGRESS)
            return lh_fail(cx, LH_E_INTERNAL, "frame kind %d while a part is written",
                           (int)frame.kind);
    }
}

static lh_rc save_plan(lh_ctx *cx, embed_run *r)
{
    lhi_plan plan = *r->plan;
    plan.spent_ms += (lh_clock_mono_us() - r->began_us) / 1000;
    return lhi_put_record(cx, lh_catalog_store(r->search->parts.catalog),
                          lhi_plan_key(cx, plan.request.index_name), &lhi_plan_record, &plan);
}

static lh_rc end_part(lh_ctx *cx, embed_run *r)
{
    if (r->part_chunks == 0)
        return LH_OK;
    lh_store *store = lh_catalog_store(r->search->parts.catalog);
    lh_ingest_done done;
    LH_TRY(write_part(cx, r, &done));
    const lh_ingest_part *made = done.parts.items;
    if (done.parts.count != 1 || made[0].rows != r->part_chunks)
        return lh_fail(cx, LH_E_INTERNAL, "a part of %llu chunks came back as %zu files",
                       (unsigned long long)r->part_chunks, done.parts.count);
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_TRY(lh_store_adopt(cx, store, lh_path_base(made[0].path), &staged));
    lh_object_sum sum;
    /* A crash between publish and plan leaves the part's key taken: the time makes the next try
     * another key. */
    lh_str key = lh_ctx_fmt(
        cx, "vectors/%.*s/%.*s/part-%06zu-%llx.parquet", LH_STR_ARG(r->plan->request.index_name),
        LH_STR_ARG(r->plan->generation), r->parts_count, (unsigned long long)lh_clock_real_us());
    LH_FAULT(cx, INDEX_BEFORE_PART);
    LH_TRY(lh_staged_publish(cx, staged, key, &sum));
    LH_FAULT(cx, INDEX_AFTER_PART);
    LH_TRY(
        lh_ctx_grow(cx, (void **)&r->parts, r->parts_count, &r->parts_capacity, sizeof *r->parts));
    r->parts[r->parts_count++] =
        (lh_index_part){key, r->part_chunks, sum.bytes, lh_ctx_dup(cx, lh_str_from(sum.sha256))};
    r->plan->parts = (lh_list){r->parts, r->parts_count};
    r->plan->rows_done = r->rows_seen;
    r->plan->chunks_done += r->part_chunks;
    lh_buf_truncate(&r->rows, 0);
    r->cuts_count = 0;
    r->part_chunks = 0;
    return save_plan(cx, r);
}

/* ---- chunks ---- */

static lh_rc add_row(lh_ctx *cx, lh_buf *rows, const pending *p, const float *vector,
                     uint32_t dimensions)
{
    uint32_t id_bytes = (uint32_t)p->id.len;
    uint32_t text_bytes = (uint32_t)p->text.len;
    uint64_t hash = lh_hash64(p->text, 0);
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&id_bytes, sizeof id_bytes)));
    LH_TRY(lh_buf_append(cx, rows, p->id));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&p->chunk_no, sizeof p->chunk_no)));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&text_bytes, sizeof text_bytes)));
    LH_TRY(lh_buf_append(cx, rows, p->text));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&hash, sizeof hash)));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&dimensions, sizeof dimensions)));
    return lh_buf_append(cx, rows, lh_str_n(vector, dimensions * sizeof(float)));
}

static lh_rc embed_waiting(lh_ctx *cx, embed_run *r)
{
    if (r->waiting_count == 0)
        return LH_OK;
    uint32_t dimensions = r->plan->dimensions;
    float *vectors = LH_NEW_ARRAY(&r->batch, float, r->waiting_count *dimensions);
    if (!vectors)
        return lh_fail(cx, LH_E_NO_MEMORY, "vectors of a batch");
    lh_str texts[EMBED_BATCH];
    for (size_t i = 0; i < r->waiting_count; i++)
        texts[i] = r->waiting[i].text;
    r->batch.deadline_us = lh_clock_mono_us() + BATCH_TIMEOUT_US;
    r->batch.cancel = cx->cancel;
    lh_rc rc = lh_embedder_embed(&r->batch, r->search->parts.embedder, texts, r->waiting_count,
                                 LH_EMBED_AS_DOCUMENT, vectors);
    if (rc != LH_OK) {
        cx->err = r->batch.err;
        return rc;
    }
    for (size_t i = 0; i < r->waiting_count; i++) {
        LH_TRY(add_row(cx, &r->rows, &r->waiting[i], vectors + i * dimensions, dimensions));
        size_t last = r->cuts_count > 0 ? r->cuts[r->cuts_count - 1] : 0;
        if (r->rows.len - last >= FRAME_BYTES)
            r->cuts[r->cuts_count++] = r->rows.len;
    }
    r->part_chunks += r->waiting_count;
    r->waiting_count = 0;
    return LH_OK;
}

/* Between two rows: texts of earlier rows are needed no more when nothing waits. */
static lh_rc end_row(lh_ctx *cx, embed_run *r)
{
    r->rows_seen++;
    if (lh_arena_bytes(r->batch.arena) > BATCH_ARENA_BYTES / 4)
        LH_TRY(embed_waiting(cx, r));
    if (r->part_chunks + r->waiting_count >= PART_CHUNKS || r->rows.len > PART_BYTES_MAX / 2) {
        LH_TRY(embed_waiting(cx, r));
        LH_TRY(end_part(cx, r));
    }
    if (r->waiting_count == 0)
        lh_arena_reset(r->batch.arena);
    if (r->rows_seen % 16 == 0)
        lh_job_progress(r->job, r->rows_seen);
    return LH_OK;
}

static lh_rc add_text(lh_ctx *cx, embed_run *r, lh_str id, lh_str text)
{
    lh_chunker chunker;
    lh_str chunk;
    size_t offset;
    lh_chunker_init(&chunker, text, r->plan->request.chunk_size, r->plan->request.overlap);
    for (uint32_t no = 0; lh_chunker_next(&chunker, &chunk, &offset); no++) {
        r->waiting[r->waiting_count++] = (pending){id, no, chunk};
        if (r->waiting_count == EMBED_BATCH)
            LH_TRY(embed_waiting(cx, r));
    }
    return LH_OK;
}

/* {"id":"...","text":"..."}: a row without an id or a text has nothing to find. */
static lh_rc add_line(lh_ctx *cx, embed_run *r, lh_str line)
{
    const lh_json *row;
    if (lh_json_parse(&r->batch, line, 0, &row) != LH_OK)
        return lh_fail(cx, LH_E_INTERNAL, "a row of the source is not JSON");
    lh_str id = lh_json_get_str(row, LH_S("id"));
    lh_str text = lh_json_get_str(row, LH_S("text"));
    if (id.ptr && text.len > 0)
        LH_TRY(add_text(cx, r, id, text));
    return end_row(cx, r);
}

static lh_rc embed_spooled(lh_ctx *cx, embed_run *r, lh_str path)
{
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    LH_TRY(lh_map_open(cx, path, &map));
    lh_str rest = map.bytes;
    lh_str line;
    while (lh_str_split_next(&rest, '\n', &line)) {
        LH_TRY(lh_ctx_check(cx));
        if (line.len > 0)
            LH_TRY(add_line(cx, r, line));
    }
    LH_TRY(embed_waiting(cx, r));
    return end_part(cx, r);
}

static lh_rc run_all(lh_ctx *cx, embed_run *r)
{
    const lhi_plan *plan = r->plan;
    r->parts_capacity = plan->parts.count + 16;
    r->parts = LH_NEW_ARRAY(cx, lh_index_part, r->parts_capacity);
    if (!r->parts)
        return cx->err.rc;
    if (plan->parts.count > 0)
        memcpy(r->parts, plan->parts.items, plan->parts.count * sizeof *r->parts);
    r->parts_count = plan->parts.count;
    LH_TRY(save_plan(cx, r));
    lh_job_phase(r->job, "reading", "rows", 0);
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_TRY(lh_store_stage(cx, lh_catalog_store(r->search->parts.catalog), &staged));
    LH_TRY(spool(cx, r, staged));
    if (lh_staged_bytes(staged) > 0)
        LH_TRY(embed_spooled(cx, r, lh_staged_path(staged)));
    r->plan->rows_done = r->rows_seen;
    return LH_OK;
}

lh_rc lhi_embed_source(lh_ctx *cx, lh_search *search, lh_job *job, lhi_plan *plan)
{
    embed_run *r = LH_NEW(cx, embed_run);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(BATCH_ARENA_BYTES);
    if (!r || !arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "index build");
    *r = (embed_run){.search = search,
                     .job = job,
                     .plan = plan,
                     .rows_seen = plan->rows_done,
                     .began_us = lh_clock_mono_us()};
    lh_ctx_init_child(&r->batch, arena, cx);
    lh_buf_init(&r->rows, PART_BYTES_MAX);
    lh_rc rc = run_all(cx, r);
    lh_buf_done(&r->rows);
    return rc;
}
