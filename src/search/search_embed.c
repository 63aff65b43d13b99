/* search/search_embed.c - rows of the source to chunks to vectors to parts.
 *
 * The source is spooled to a staged file first, so that no SQL worker waits for the model and the
 * rows that are read are those of one commit. Then this thread reads rows, cuts chunks and writes
 * parts while the lane's thread keeps the model busy. A refresh leaves out the chunks that its base
 * holds. */
#include "search/chunker.h"
#include "search/search_private.h"

#define ROW_ARENA_BYTES (256u * 1024u * 1024u)

typedef struct embed_run {
    lh_search *search;
    lh_job *job;
    lhi_plan *plan;
    lhi_lane *lane;
    lhi_parts parts;
    lhi_base *base;
    lh_ctx row;           /* the row that is cut */
    uint64_t rows_seen;   /* of the source */
    uint64_t chunks_skip; /* new chunks that are in parts already: of a refresh that was cut off */
    lhi_embed_outcome *outcome;
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
        .offset = r->rows_seen};
    lh_query_sink sink = {.data = spool_data, .arg = staged};
    lh_query_outcome outcome;
    LH_TRY(lh_query_run(cx, r->search->parts.query, &query, &sink, &outcome));
    lh_job_phase(r->job, "embedding", "rows", r->rows_seen + outcome.rows);
    lh_job_progress(r->job, r->rows_seen);
    return LH_OK;
}

/* ---- chunks ---- */

/* Takes embedded batches off the lane: all that are ready, or with wait the next one at least. */
static lh_rc drain(lh_ctx *cx, embed_run *r, int wait, int *ret_took)
{
    *ret_took = 0;
    for (;;) {
        lhi_batch *batch;
        LH_TRY(lhi_lane_drain(cx, r->lane, wait, &batch));
        if (!batch)
            return LH_OK;
        *ret_took = 1;
        wait = 0;
        r->outcome->from_model += batch->from_model;
        lh_job_progress(r->job, batch->rows_end);
        LH_TRY(lhi_parts_add(cx, &r->parts, batch));
        lhi_lane_give_back(r->lane, batch);
    }
}

static lh_rc seal(lh_ctx *cx, embed_run *r, lhi_batch *batch, uint64_t rows_end, int whole)
{
    int took;
    batch->rows_end = rows_end;
    batch->whole = whole;
    lhi_lane_seal(r->lane);
    return drain(cx, r, 0, &took);
}

static lh_rc batch_to_fill(lh_ctx *cx, embed_run *r, lhi_batch **ret_batch)
{
    int took;
    while ((*ret_batch = lhi_lane_fill(r->lane)) == NULL)
        LH_TRY(drain(cx, r, 1, &took));
    return LH_OK;
}

static lh_rc add_chunk(lh_ctx *cx, embed_run *r, const lhi_pending *chunk)
{
    if (r->chunks_skip > 0) {
        r->chunks_skip--;
        return LH_OK;
    }
    lhi_batch *batch;
    LH_TRY(batch_to_fill(cx, r, &batch));
    /* One row may be more than a batch: it is cut, and then no part may end behind it. */
    if (lhi_batch_full(batch)) {
        LH_TRY(seal(cx, r, batch, r->rows_seen, 0));
        LH_TRY(batch_to_fill(cx, r, &batch));
    }
    return lhi_batch_add(cx, batch, chunk);
}

/* Between two rows: everything that is in the batch belongs to rows that are whole. */
static lh_rc end_row(lh_ctx *cx, embed_run *r)
{
    r->rows_seen++;
    lhi_batch *batch = lhi_lane_fill(r->lane);
    if (batch && lhi_batch_full(batch))
        LH_TRY(seal(cx, r, batch, r->rows_seen, 1));
    if (r->base->generation && r->rows_seen % 1024 == 0)
        lh_job_progress(r->job, r->rows_seen);
    return LH_OK;
}

static lh_rc add_text(lh_ctx *cx, embed_run *r, lh_str id, lh_str text)
{
    lh_chunker chunker;
    lh_str chunk;
    size_t offset;
    LH_TRY(lhi_base_row(cx, r->base, id));
    lh_chunker_init(&chunker, text, r->plan->request.chunk_size, r->plan->request.overlap);
    for (uint32_t no = 0; lh_chunker_next(&chunker, &chunk, &offset); no++) {
        int kept;
        LH_TRY(lhi_base_keep(cx, r->base, no, chunk, &kept));
        if (!kept)
            LH_TRY(add_chunk(cx, r, &(lhi_pending){id, no, chunk}));
    }
    return LH_OK;
}

/* {"id":"...","text":"..."}: a row without an id or a text has nothing to find. */
static lh_rc add_line(lh_ctx *cx, embed_run *r, lh_str line)
{
    const lh_json *row;
    lh_arena_reset(r->row.arena);
    if (lh_json_parse(&r->row, line, 0, &row) != LH_OK)
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
    int took = 1;
    while (lh_str_split_next(&rest, '\n', &line)) {
        LH_TRY(lh_ctx_check(cx));
        if (line.len > 0)
            LH_TRY(add_line(cx, r, line));
    }
    lhi_batch *last = lhi_lane_fill(r->lane);
    if (last && last->count > 0)
        LH_TRY(seal(cx, r, last, r->rows_seen, 1));
    while (took)
        LH_TRY(drain(cx, r, 1, &took));
    return lhi_parts_end(cx, &r->parts);
}

static lh_rc run_all(lh_ctx *cx, embed_run *r)
{
    LH_TRY(lhi_parts_save_plan(cx, &r->parts));
    lh_job_phase(r->job, "reading", "rows", 0);
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_TRY(lh_store_stage(cx, lh_catalog_store(r->search->parts.catalog), &staged));
    LH_TRY(spool(cx, r, staged));
    if (lh_staged_bytes(staged) > 0)
        LH_TRY(embed_spooled(cx, r, lh_staged_path(staged)));
    r->plan->rows_done = r->rows_seen;
    r->outcome->rows = r->rows_seen;
    r->outcome->added = r->plan->chunks_done; /* of runs before this one too */
    return LH_OK;
}

lh_rc lhi_embed_source(lh_ctx *cx, lh_search *search, lh_job *job, lhi_plan *plan, lhi_base *base,
                       lhi_embed_outcome *ret_outcome)
{
    embed_run *r = LH_NEW(cx, embed_run);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(ROW_ARENA_BYTES);
    if (!r || !arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "index build");
    /* A build goes on at a row. A refresh looks at every row again, because what it keeps is not
     * written down; the new chunks come in the same order, and the first of them are in parts. */
    *r = (embed_run){.search = search,
                     .job = job,
                     .plan = plan,
                     .base = base,
                     .rows_seen = base->generation ? 0 : plan->rows_done,
                     .chunks_skip =
                         base->generation && !lhi_base_has(base, plan) ? plan->chunks_done : 0,
                     .outcome = ret_outcome};
    lh_ctx_init_child(&r->row, arena, cx);
    lhi_lane_options opts = {search->parts.embedder, plan->request.precision, plan->dimensions};
    LH_TRY(lhi_parts_init(cx, &r->parts, search, plan));
    lh_rc rc = lhi_lane_open(cx, &opts, &r->lane);
    if (rc == LH_OK)
        rc = run_all(cx, r);
    lhi_lane_close(r->lane);
    lhi_parts_done(&r->parts);
    return rc;
}
