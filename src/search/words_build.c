/* search/words_build.c - the job of one build or refresh of a text index: rows of one commit, what
 * of them is new, one change or a new generation, the meta object.
 *
 * A refresh compares every row with what the index holds (id and a digest of its texts), then puts
 * new documents and deletes as one change of the set. What does not fit one change, or an index
 * whose numbers were mostly given to documents that are gone, is built anew beside the old one and
 * swapped. Analysing is our own code over texts that SQL gave us; it runs here, on the job's
 * thread, in bounded memory. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "os/process.h"
#include "search/words_private.h"

#define ROW_ARENA_BYTES (256u << 20)
#define JOB_ARENA_BYTES (8u << 20)
#define BATCH_DOCS      20000u /* of a change */
#define BATCH_BYTES     (64u << 20)
#define ROWS_OBJECTS    64u /* more: built anew */
enum { DIGEST_BYTES = 16 };

typedef struct words_job {
    lh_search *search;
    lh_arena *arena; /* of the plan */
    lh_words_meta plan;
    int is_refresh;
} words_job;

typedef struct building {
    lh_search *search;
    lh_job *job;
    lh_words_meta *meta;
    lhi_words_set *set; /* that takes the documents */
    lh_ctx row;         /* of the line that is read */
    lh_ctx batch;       /* of the documents that wait */
    lh_text_doc *docs;
    lh_chunk_row *rows;
    size_t count;
    size_t bytes;
    /* of a refresh */
    int is_refresh;
    int is_too_much; /* for one change */
    lhi_known known; /* documents there are */
    lh_segset_view *view;
    uint64_t *claimed; /* a bit a document */
    lh_str digest;     /* of the row that is looked at */
    int is_kept;
    uint64_t rows_seen;
    uint64_t added;
    uint64_t kept;
    uint64_t removed;
} building;

/* ---- the spool ---- */

static lh_rc spool_data(lh_ctx *cx, void *arg, lh_str bytes)
{
    return lh_staged_write(cx, arg, bytes);
}

static lh_rc select_sql(lh_ctx *cx, const lh_words_meta *meta, lh_str *ret_sql)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_SQL_BYTES_MAX);
    const lh_list *lists[] = {&meta->text_columns, &meta->facets};
    LH_TRY(lh_buf_printf(cx, &sql, "SELECT CAST(%.*s AS VARCHAR) AS id",
                         LH_STR_ARG(lh_sql_ident(cx, meta->id_column))));
    for (size_t l = 0; l < LH_ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            LH_TRY(lh_buf_printf(cx, &sql, ", CAST(%.*s AS VARCHAR) AS v%zu_%zu",
                                 LH_STR_ARG(lh_sql_ident(cx, ((const lh_str *)lists[l]->items)[i])),
                                 l, i));
    LH_TRY(lh_buf_printf(cx, &sql, " FROM %.*s", LH_STR_ARG(lh_sql_ident(cx, meta->source))));
    *ret_sql = lh_ctx_dup(cx, lh_buf_str(&sql));
    return ret_sql->ptr ? LH_OK : cx->err.rc;
}

static lh_rc spool(lh_ctx *cx, building *b, lh_staged *staged)
{
    lh_pair_i64 commit = {b->meta->source, (int64_t)b->meta->source_commit};
    lh_query_request query = {.format = LH_SQL_NDJSON, .snapshots = {&commit, 1}};
    lh_query_sink sink = {.data = spool_data, .arg = staged};
    lh_query_outcome outcome;
    LH_TRY(select_sql(cx, b->meta, &query.sql));
    lh_job_phase(b->job, "reading", "rows", 0);
    LH_TRY(lh_query_run(cx, b->search->parts.query, &query, &sink, &outcome));
    lh_job_phase(b->job, "indexing", "rows", outcome.rows);
    return LH_OK;
}

/* ---- documents that wait ---- */

static lh_rc flush(lh_ctx *cx, building *b, const uint64_t *deletes, size_t deletes_count)
{
    uint64_t first = 0;
    if (b->count > 0)
        LH_TRY(lhi_numbered_add(cx, &b->set->numbered, b->rows, b->count, &first));
    for (size_t i = 0; i < b->count; i++)
        b->docs[i].row = first + i;
    lh_text_change change = {b->docs, b->count, deletes, deletes_count};
    if (b->count > 0 || deletes_count > 0)
        LH_TRY(lh_text_set_change(cx, b->set->set, &change));
    b->count = 0;
    b->bytes = 0;
    lh_arena_reset(b->batch.arena);
    return LH_OK;
}

/* values: texts, then facets. */
static lh_rc take_doc(lh_ctx *cx, building *b, lh_str id, const lh_str *values)
{
    size_t count = b->meta->text_columns.count + b->meta->facets.count;
    lh_str *copy = LH_NEW_ARRAY(&b->batch, lh_str, count + 1);
    b->rows[b->count] =
        (lh_chunk_row){.id = lh_ctx_dup(&b->batch, id), .text = lh_ctx_dup(&b->batch, b->digest)};
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = lh_ctx_dup(&b->batch, values[i]);
        b->bytes += values[i].len;
    }
    b->rows[b->count].body =
        lhi_words_body(&b->batch, &(lh_str_list){copy, b->meta->text_columns.count});
    if (b->batch.err.rc != LH_OK)
        return lh_fail(cx, LH_E_NO_MEMORY, "documents of a text index");
    memcpy(&b->rows[b->count].content_hash, b->digest.ptr, sizeof(uint64_t));
    b->docs[b->count] = (lh_text_doc){.fields = copy, .facets = copy + b->meta->text_columns.count};
    b->count++;
    b->added++;
    return LH_OK;
}

/* ---- rows ---- */

static void claim(void *arg, uint64_t document)
{
    building *b = arg;
    lh_chunk_row row;
    size_t part;
    uint64_t at;
    if (b->is_kept || (b->claimed[document / 64] >> (document % 64) & 1) ||
        !lh_segset_view_find(b->view, document, &part, &at) ||
        lhi_known_row(&b->row, &b->known, document, &row) != LH_OK ||
        !lh_str_eq(row.text, b->digest))
        return;
    b->claimed[document / 64] |= 1ull << (document % 64);
    b->is_kept = 1;
    b->kept++;
}

/* Lengths tell texts apart that are cut elsewhere. */
static lh_rc digest_of(lh_ctx *cx, building *b, const lh_str *values, size_t count, uint8_t *out)
{
    LH_CLEANUP(lh_sha256_free) lh_sha256 *digest = NULL;
    uint8_t whole[LH_SHA256_BYTES];
    LH_TRY(lh_sha256_new(cx, &digest));
    for (size_t i = 0; i < count; i++) {
        uint64_t length = values[i].ptr ? values[i].len + 1 : 0;
        lh_sha256_update(digest, lh_str_n(&length, sizeof length));
        lh_sha256_update(digest, values[i]);
    }
    lh_sha256_final(digest, whole);
    memcpy(out, whole, DIGEST_BYTES);
    b->digest = lh_str_n(out, DIGEST_BYTES);
    return LH_OK;
}

static lh_rc take_row(lh_ctx *cx, building *b, const lh_json *row)
{
    size_t count = b->meta->text_columns.count + b->meta->facets.count;
    lh_str values[LH_WORDS_COLUMNS_MAX + LH_WORDS_FACETS_MAX] = {{NULL, 0}};
    uint8_t digest[DIGEST_BYTES];
    const lh_json *value = row->first;
    size_t texts = 0;
    if (row->count != count + 1)
        return lh_fail(cx, LH_E_INTERNAL, "a row of %zu values for a text index", row->count);
    b->rows_seen++;
    if (value->kind != LH_JSON_STRING) /* a row without an id cannot be a hit */
        return LH_OK;
    for (size_t i = 0; i < count; i++) {
        value = value->next;
        if (value->kind == LH_JSON_STRING)
            values[i] = value->text;
        if (i >= b->meta->text_columns.count)
            values[i].len = lh_utf8_cut(values[i], LH_TEXT_FACET_BYTES_MAX / 4);
        else
            texts += values[i].len;
    }
    if (texts == 0)
        return LH_OK;
    LH_TRY(digest_of(cx, b, values, count, digest));
    b->is_kept = 0;
    if (b->is_refresh)
        LH_TRY(lhi_known_find(cx, &b->known, row->first->text, claim, b));
    if (b->is_kept)
        return LH_OK;
    LH_TRY(take_doc(cx, b, row->first->text, values));
    if (b->count < BATCH_DOCS && b->bytes < BATCH_BYTES)
        return LH_OK;
    if (!b->is_refresh)
        return flush(cx, b, NULL, 0);
    b->is_too_much = 1;
    return LH_OK;
}

static lh_rc take_spooled(lh_ctx *cx, building *b, lh_str bytes)
{
    lh_str line;
    while (!b->is_too_much && lh_str_split_next(&bytes, '\n', &line)) {
        const lh_json *row;
        if (line.len == 0)
            continue;
        lh_arena_reset(b->row.arena);
        if (lh_json_parse(&b->row, line, 0, &row) != LH_OK)
            return lh_fail(cx, LH_E_INTERNAL, "a row of the source is not JSON");
        LH_TRY(take_row(cx, b, row));
        if (b->rows_seen % 512 == 0) {
            lh_job_progress(b->job, b->rows_seen);
            LH_TRY(lh_ctx_check(cx));
        }
    }
    return LH_OK;
}

/* ---- a refresh ---- */

/* Live documents that no row claimed. */
static lh_rc unclaimed(lh_ctx *cx, building *b, uint64_t **ret, size_t *ret_count)
{
    uint64_t *ids;
    size_t count;
    size_t n = 0;
    LH_TRY(lh_segset_view_ids(cx, b->view, &ids, &count));
    for (size_t i = 0; i < count; i++)
        if (!(b->claimed[ids[i] / 64] >> (ids[i] % 64) & 1))
            ids[n++] = ids[i];
    *ret = ids;
    *ret_count = n;
    return LH_OK;
}

/* Is the set worth going on with? */
static int goes_on(const building *b)
{
    lh_segset_stats stats;
    lh_text_set_get_stats(b->set->set, &stats);
    return b->known.count < ROWS_OBJECTS && stats.rows_live * 3 + 1000 > b->known.end;
}

static lh_rc refresh(lh_ctx *cx, building *b, lh_str bytes)
{
    uint64_t *deletes;
    size_t count;
    b->view = lh_text_set_view(b->set->set);
    LH_TRY(lhi_numbered_known(cx, &b->set->numbered, &b->known));
    b->claimed = LH_NEW_ARRAY(cx, uint64_t, (size_t)(b->known.end / 64 + 1));
    if (!b->claimed)
        return cx->err.rc;
    if (!goes_on(b)) {
        b->is_too_much = 1;
        return LH_OK;
    }
    LH_TRY(take_spooled(cx, b, bytes));
    LH_TRY(unclaimed(cx, b, &deletes, &count));
    b->is_too_much |= count > LH_SEGSET_BATCH_ROWS_MAX;
    if (b->is_too_much)
        return LH_OK;
    b->removed = count;
    return flush(cx, b, deletes, count);
}

/* ---- from nothing ---- */

static lh_rc new_generation(lh_ctx *cx, building *b)
{
    uint64_t random;
    LH_TRY(lh_random_bytes(cx, &random, sizeof random));
    b->meta->generation = lh_ctx_fmt(cx, "g-%016llx", (unsigned long long)random);
    b->meta->created_at = lh_clock_real_us();
    b->set = lhi_words_set_unref(b->set);
    b->is_refresh = b->is_too_much = 0;
    b->rows_seen = b->added = b->kept = b->removed = 0;
    b->count = b->bytes = 0;
    lh_arena_reset(b->batch.arena);
    return lhi_words_set_open(cx, lh_catalog_store(b->search->parts.catalog), b->meta, 0, &b->set);
}

/* While it is built nobody merges beside it: a thread of low priority would hold the lock that the
 * merge at the end waits for. Then it is opened as it will live. */
static lh_rc build_all(lh_ctx *cx, building *b, lh_str bytes)
{
    uint64_t merged;
    LH_TRY(new_generation(cx, b));
    LH_TRY(take_spooled(cx, b, bytes));
    LH_TRY(flush(cx, b, NULL, 0));
    lh_job_phase(b->job, "merging", "rows", b->rows_seen);
    lh_rc rc = lh_text_set_merge(cx, b->set->set, LH_SEGSET_MERGE_ALL, &merged);
    if (rc == LH_E_TOO_LARGE) { /* more than a segment holds: several are fine */
        lh_err_clear(cx);
        rc = LH_OK;
    }
    LH_TRY(rc);
    b->set = lhi_words_set_unref(b->set);
    return lhi_words_set_open(cx, lh_catalog_store(b->search->parts.catalog), b->meta,
                              LH_SEGSET_BACKGROUND, &b->set);
}

/* ---- the job ---- */

static lh_rc tell_result(lh_ctx *cx, const building *b, int is_refresh, int is_rebuilt)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 1u << 20);
    lh_words_refreshed done = {.dataset = b->meta->source,
                               .index_name = b->meta->index_name,
                               .job_id = lh_job_id(b->job),
                               .done = true,
                               .unchanged = b->added == 0 && b->removed == 0,
                               .source_commit = b->meta->source_commit,
                               .rows = b->rows_seen,
                               .added = b->added,
                               .kept = b->kept,
                               .removed = b->removed,
                               .rebuilt = is_rebuilt,
                               .took_ms = b->meta->build_ms};
    lh_words_meta meta;
    if (is_refresh) {
        LH_TRY(lh_record_append(cx, &lh_words_refreshed_record, &done, &json));
    } else {
        LH_TRY(lh_words_get(cx, b->search, b->meta->index_name, &meta));
        LH_TRY(lh_record_append(cx, &lh_words_meta_record, &meta, &json));
    }
    lh_job_result(b->job, lh_buf_str(&json));
    return LH_OK;
}

static lh_rc publish(lh_ctx *cx, building *b)
{
    lh_store *store = lh_catalog_store(b->search->parts.catalog);
    lhi_words_state *state;
    b->meta->rows = b->rows_seen;
    b->meta->refreshed_at = lh_clock_real_us();
    lh_job_phase(b->job, "publishing", "files", 1);
    LH_FAULT(cx, INDEX_BEFORE_META);
    LH_TRY(lhi_put_record(cx, store, lhi_meta_key(cx, &lhi_text_kind, b->meta->index_name),
                          &lh_words_meta_record, b->meta));
    LH_FAULT(cx, INDEX_AFTER_META);
    atomic_fetch_add(&b->set->references, 1);
    LH_TRY(lhi_words_state_new(cx, b->meta, b->set, &state));
    LH_TRY(lhi_indexes_swap(cx, &b->search->texts, &state->state));
    LH_TRY(lhi_note_embedded(cx, &b->search->texts, b->meta->source, b->meta->index_name,
                             b->meta->source_commit));
    return lh_store_delete(cx, store, lhi_plan_key(cx, &lhi_text_kind, b->meta->index_name));
}

static lh_rc run_spooled(lh_ctx *cx, building *b, lh_str bytes)
{
    int64_t began_us = lh_clock_mono_us();
    int asked_refresh = b->is_refresh;
    if (b->is_refresh)
        LH_TRY(refresh(cx, b, bytes));
    int rebuild = !asked_refresh || b->is_too_much;
    if (rebuild)
        LH_TRY(build_all(cx, b, bytes));
    b->meta->build_ms = (lh_clock_mono_us() - began_us) / 1000;
    LH_TRY(publish(cx, b));
    return tell_result(cx, b, asked_refresh, asked_refresh && rebuild);
}

static lh_rc run_building(lh_ctx *cx, building *b)
{
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    LH_TRY(lh_store_stage(cx, lh_catalog_store(b->search->parts.catalog), &staged));
    LH_TRY(spool(cx, b, staged));
    if (lh_staged_bytes(staged) > 0)
        LH_TRY(lh_map_open(cx, lh_staged_path(staged), &map));
    return run_spooled(cx, b, map.bytes);
}

static lh_rc begin(lh_ctx *cx, words_job *j, building *b)
{
    lhi_words_state *current = NULL;
    lh_store *store = lh_catalog_store(j->search->parts.catalog);
    b->docs = LH_NEW_ARRAY(cx, lh_text_doc, BATCH_DOCS);
    b->rows = LH_NEW_ARRAY(cx, lh_chunk_row, BATCH_DOCS);
    if (!b->docs || !b->rows)
        return cx->err.rc;
    if (j->is_refresh) {
        lh_rc rc = lhi_words_ref(cx, j->search, j->plan.index_name, &current);
        if (rc == LH_OK && current->set &&
            lh_str_eq(current->meta.generation, j->plan.generation)) {
            b->set = current->set;
            atomic_fetch_add(&b->set->references, 1);
            b->is_refresh = 1;
        }
        lh_err_clear(cx);
        lhi_words_state_unref(current);
    }
    if (b->is_refresh) /* nothing is lost with it: another one begins at the same place */
        return LH_OK;
    return lhi_put_record(cx, store, lhi_plan_key(cx, &lhi_text_kind, j->plan.index_name),
                          &lh_words_meta_record, &j->plan);
}

static lh_rc run_job(lh_ctx *cx, lh_job *job, void *arg)
{
    words_job *j = arg;
    LH_CLEANUP(lh_arena_free) lh_arena *rows = lh_arena_new(ROW_ARENA_BYTES);
    LH_CLEANUP(lh_arena_free) lh_arena *batch = lh_arena_new(ROW_ARENA_BYTES);
    building *b = LH_NEW(cx, building);
    lh_words_meta meta = j->plan;
    if (!rows || !batch || !b)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    *b = (building){.search = j->search, .job = job, .meta = &meta};
    lh_ctx_init_child(&b->row, rows, cx);
    lh_ctx_init_child(&b->batch, batch, cx);
    lh_rc rc = begin(cx, j, b);
    if (rc == LH_OK)
        rc = run_building(cx, b);
    lh_segset_view_unref(b->view);
    lhi_words_set_unref(b->set);
    return rc;
}

static lh_rc run_and_collect(lh_ctx *cx, lh_job *job, void *arg)
{
    words_job *j = arg;
    return lhi_indexes_after(cx, &j->search->texts, j->plan.index_name, run_job(cx, job, arg));
}

static void job_done(void *arg)
{
    words_job *j = arg;
    lhi_indexes_end_build(&j->search->texts, j->plan.index_name);
    lh_arena_free(j->arena);
    lh_free(j);
}

lh_rc lhi_words_start(lh_ctx *cx, lh_search *search, const lh_words_meta *plan, int is_refresh,
                      const struct lh_principal *principal, lh_str *ret_job_id)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(JOB_ARENA_BYTES);
    words_job *j = lh_alloc_zero(1, sizeof *j);
    if (!arena || !j) {
        lh_free(j);
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    }
    *j = (words_job){.search = search, .arena = arena, .is_refresh = is_refresh};
    lh_ctx own;
    lh_ctx_init(&own, arena);
    lh_rc rc = lh_record_copy(&own, &lh_words_meta_record, plan, &j->plan);
    if (rc != LH_OK)
        cx->err = own.err;
    lh_job_spec spec = {.kind = lh_str_from(lhi_text_kind.job),
                        .subject = j->plan.index_name,
                        .run = run_and_collect,
                        .done = job_done,
                        .arg = j,
                        .principal = principal};
    if (rc == LH_OK)
        rc = lhi_indexes_start(cx, &search->texts, &spec, ret_job_id);
    if (rc != LH_OK) {
        lh_free(j);
        return rc;
    }
    arena = NULL; /* the job's now */
    return LH_OK;
}
