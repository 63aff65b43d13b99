/* search/search_build.c - the job of one build or refresh: plan, embed the source into parts, write
 * the segment, swap.
 *
 * The plan object is put before the first part and after each one; a build that was cut off goes on
 * from it. The meta object is put last: that is the moment the new generation exists. Then the
 * dataset's commit says that it is embedded, and the plan goes. A refresh is a build that begins
 * with the parts of the generation there is. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "os/process.h"
#include "search/chunker.h"
#include "search/search_private.h"

#define BUILD_ARENA_BYTES (256u * 1024u * 1024u)

typedef struct build_job {
    lh_search *search;
    lh_arena *arena; /* of the plan */
    lhi_plan plan;
} build_job;

static void build_done(void *arg)
{
    build_job *job = arg;
    lhi_indexes_end_build(&job->search->vectors, job->plan.request.index_name);
    lh_arena_free(job->arena);
    lh_free(job);
}

typedef struct embedded_note {
    uint64_t source_commit;
    lh_str index_name;
    int all_fresh; /* every index of the dataset has that commit */
} embedded_note;

/* Data that changed after the commit that was read leaves the dataset stale. */
static int data_changed_since(const lh_manifest *manifest, uint64_t commit)
{
    const lh_data_file *files = manifest->files.items;
    for (size_t i = 0; i < manifest->files.count; i++) {
        if (files[i].sequence > commit)
            return 1;
    }
    return 0;
}

static lh_rc note_embedded(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    const embedded_note *note = arg;
    if (!parent)
        return lh_fail(cx, LH_E_UNKNOWN_DATASET, "the dataset is gone");
    next->operation = LH_S("embedded");
    next->embedding.last_embedded_at = lh_clock_real_us();
    if (note->all_fresh && !data_changed_since(parent, note->source_commit))
        next->embedding.embedding_stale_since = 0;
    lh_manifest_event event = {.action = LH_S("embedded"),
                               .new_value = note->index_name,
                               .actor = cx->principal ? cx->principal->name : LH_STR_NONE,
                               .source = LH_S("index")};
    return lh_manifest_add_event(cx, next, &event);
}

lh_str lhi_source_fingerprint(lh_ctx *cx, const lh_manifest *manifest)
{
    uint64_t sum = lh_hash64(manifest->fingerprint, 1);
    const lh_data_file *files = manifest->files.items;
    for (size_t i = 0; i < manifest->files.count; i++) {
        uint64_t of_file[] = {sum, (uint64_t)files[i].kind, files[i].rows};
        sum = lh_hash64(files[i].sha256, lh_hash64(lh_str_n(of_file, sizeof of_file), 2));
    }
    return lh_ctx_fmt(cx, "%016llx", (unsigned long long)sum);
}

/* Every index of the dataset but that one. */
static int others_have(lhi_indexes *list, lh_str dataset, lh_str index_name, lh_str fingerprint)
{
    lhi_indexes *lists[] = {&list->search->vectors, &list->search->texts};
    for (size_t i = 0; i < LH_ARRAY_LEN(lists); i++)
        if (!lhi_indexes_all_have(lists[i], dataset, lists[i] == list ? index_name : LH_STR_NONE,
                                  fingerprint))
            return 0;
    return 1;
}

lh_rc lhi_note_embedded(lh_ctx *cx, lhi_indexes *list, lh_str dataset, lh_str index_name,
                        uint64_t source_commit)
{
    lh_catalog *catalog = list->search->parts.catalog;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *read = NULL;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    LH_TRY(lh_catalog_get(cx, catalog, dataset, source_commit, 0, &read));
    lh_str fingerprint = lhi_source_fingerprint(cx, lh_snapshot_manifest(read));
    embedded_note note = {source_commit, index_name,
                          others_have(list, dataset, index_name, fingerprint)};
    return lh_catalog_commit(cx, catalog, dataset, note_embedded, &note, &made);
}

static lh_rc write_json(lh_ctx *cx, const lh_record *record, const void *value, lh_str *ret_json)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LHI_META_BYTES_MAX);
    LH_TRY(lh_record_append(cx, record, value, &json));
    *ret_json = lh_ctx_dup(cx, lh_buf_str(&json));
    return ret_json->ptr ? LH_OK : cx->err.rc;
}

static lh_rc publish(lh_ctx *cx, lh_search *search, const lh_index_meta *meta, lhi_vectors *vectors)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lh_str json;
    LH_TRY(write_json(cx, &lh_index_meta_record, meta, &json));
    LH_CLEANUP(lhi_generation_unref) lhi_generation *generation = NULL;
    LH_TRY(lhi_generation_open(cx, search, json, vectors, &generation));
    LH_FAULT(cx, INDEX_BEFORE_META);
    LH_TRY(lh_store_put(cx, store, lhi_meta_key(cx, &lhi_vector_kind, meta->index_name), json));
    LH_FAULT(cx, INDEX_AFTER_META);
    return lhi_indexes_swap(cx, &search->vectors, &LH_TAKE(generation)->state);
}

/* What a crash after the meta object leaves to do, and what every build ends with. */
static lh_rc finish(lh_ctx *cx, lh_search *search, const lhi_plan *plan)
{
    lh_str index_name = plan->request.index_name;
    LH_TRY(lhi_note_embedded(cx, &search->vectors, plan->request.dataset, index_name,
                             plan->source_commit));
    return lh_store_delete(cx, lh_catalog_store(search->parts.catalog),
                           lhi_plan_key(cx, &lhi_vector_kind, index_name));
}

static lh_index_meta meta_of_plan(const lhi_plan *plan)
{
    return (lh_index_meta){.index_name = plan->request.index_name,
                           .source = plan->request.dataset,
                           .id_column = plan->request.id_column,
                           .text_column = plan->request.text_column,
                           .model_name = plan->model_name,
                           .model_version = plan->model_version,
                           .precision = plan->request.precision,
                           .dimensions = plan->dimensions,
                           .engine = {.kind_asked = plan->request.kind,
                                      .ef_construction = plan->request.ef_construction,
                                      .seed = plan->request.seed},
                           .generation = plan->generation,
                           .bucket = LH_S("primary"),
                           .vector_backend = LH_S("parquet"),
                           .chunk_size = plan->request.chunk_size,
                           .overlap = plan->request.overlap,
                           .source_commit = plan->source_commit,
                           .source_fingerprint = plan->source_fingerprint,
                           .parts = plan->parts};
}

/* The parts there are, then the new ones. */
static lh_rc join_parts(lh_ctx *cx, const lh_list *old, const lh_list *more, lh_list *ret)
{
    lh_index_part *items = LH_NEW_ARRAY(cx, lh_index_part, old->count + more->count + 1);
    if (!items)
        return cx->err.rc;
    if (old->count > 0)
        memcpy(items, old->items, old->count * sizeof *items);
    if (more->count > 0)
        memcpy(items + old->count, more->items, more->count * sizeof *items);
    *ret = (lh_list){items, old->count + more->count};
    return LH_OK;
}

typedef struct running { /* one run of the job */
    lh_search *search;
    lh_job *job;
    lhi_plan *plan;
    lhi_base base;
    lhi_embed_outcome outcome;
    lhi_vectors *vectors; /* of the new generation */
    int64_t began_us;
} running;

static uint64_t removed_by(const running *r)
{
    return r->base.live - r->base.kept;
}

/* The set that was changed goes on in the new generation. */
static void keep_set(running *r, lh_index_meta *meta)
{
    const lh_index_meta *before = &r->base.generation->meta;
    meta->set_prefix = before->set_prefix;
    meta->segment_sha256 = before->segment_sha256;
    meta->bytes = before->bytes;
    meta->engine = before->engine;
    r->vectors = r->base.generation->vectors;
    atomic_fetch_add(&r->vectors->references, 1);
}

static lh_rc write_generation(lh_ctx *cx, running *r, lh_index_meta *meta)
{
    lh_store *store = lh_catalog_store(r->search->parts.catalog);
    lh_bitmap dead = {0};
    int appended = 0;
    meta->chunks = r->base.kept + r->outcome.added;
    if (r->base.generation) {
        LH_TRY(join_parts(cx, &r->base.generation->meta.parts, &r->plan->parts, &meta->parts));
        LH_TRY(lhi_dead_find(cx, store, &r->base, &meta->parts, &dead));
        LH_TRY(lhi_dead_write(cx, store, r->plan, &dead, meta));
        LH_TRY(lhi_append_to_set(cx, r->search, r->job, r->plan, &r->base, &appended));
    }
    if (appended)
        keep_set(r, meta);
    else
        LH_TRY(lhi_write_set(cx, r->search, r->job, r->plan, meta, &r->vectors));
    if (!appended && dead.words)
        LH_TRY(lhi_vectors_delete(cx, r->vectors, &dead));
    meta->created_at = lh_clock_real_us();
    meta->build_ms = r->plan->spent_ms + (lh_clock_mono_us() - r->began_us) / 1000;
    return LH_OK;
}

static lh_rc tell_result(lh_ctx *cx, const running *r, const lh_index_meta *meta)
{
    lh_refresh_result refreshed = {.dataset = meta->source,
                                   .index_name = meta->index_name,
                                   .job_id = lh_job_id(r->job),
                                   .done = true,
                                   .source_commit = meta->source_commit,
                                   .rows = meta->rows,
                                   .chunks = meta->chunks,
                                   .added = r->outcome.added,
                                   .kept = r->base.kept,
                                   .removed = removed_by(r),
                                   .embedded = r->outcome.from_model,
                                   .took_ms = (lh_clock_mono_us() - r->began_us) / 1000};
    refreshed.unchanged = refreshed.added == 0 && refreshed.removed == 0;
    lh_str json;
    if (r->plan->refresh)
        LH_TRY(write_json(cx, &lh_refresh_result_record, &refreshed, &json));
    else
        LH_TRY(write_json(cx, &lh_index_meta_record, meta, &json));
    lh_job_result(r->job, json);
    return LH_OK;
}

static lh_rc run_plan(lh_ctx *cx, running *r)
{
    LH_TRY(lhi_embed_source(cx, r->search, r->job, r->plan, &r->base, &r->outcome));
    lh_index_meta meta = meta_of_plan(r->plan);
    if (r->base.generation && r->outcome.added == 0 && removed_by(r) == 0) {
        meta = r->base.generation->meta; /* the same vectors, of a later commit */
        keep_set(r, &meta);
        meta.source_commit = r->plan->source_commit;
        meta.source_fingerprint = r->plan->source_fingerprint;
    } else {
        LH_TRY(write_generation(cx, r, &meta));
    }
    meta.rows = r->outcome.rows;
    LH_TRY(lhi_vectors_describe(cx, r->vectors, &meta));
    lh_job_phase(r->job, "publishing", "files", 2);
    LH_TRY(publish(cx, r->search, &meta, r->vectors));
    LH_TRY(finish(cx, r->search, r->plan));
    return tell_result(cx, r, &meta);
}

static lh_rc build_run(lh_ctx *cx, lh_job *job, void *arg)
{
    build_job *b = arg;
    running *r = LH_NEW(cx, running);
    if (!r)
        return cx->err.rc;
    *r = (running){
        .search = b->search, .job = job, .plan = &b->plan, .began_us = lh_clock_mono_us()};
    LH_CLEANUP(lhi_generation_unref) lhi_generation *current = NULL;
    if (lhi_search_ref(cx, b->search, b->plan.request.index_name, &current) != LH_OK)
        lh_err_clear(cx); /* none yet, or damaged */
    if (current && lh_str_eq(current->meta.generation, b->plan.generation))
        return finish(cx, b->search, &b->plan);
    if (b->plan.base.len > 0 && (!current || !lh_str_eq(current->meta.generation, b->plan.base)))
        return lh_fail(cx, LH_E_CONFLICT, "index '%.*s' is not what the refresh began with",
                       LH_STR_ARG(b->plan.request.index_name));
    lh_rc rc = lhi_base_init(cx, &r->base, b->plan.base.len > 0 ? current : NULL);
    if (rc == LH_OK)
        rc = run_plan(cx, r);
    lhi_base_done(&r->base);
    lhi_vectors_unref(r->vectors);
    return rc;
}

static lh_rc run_and_collect(lh_ctx *cx, lh_job *job, void *arg)
{
    build_job *b = arg;
    lh_rc rc = lhi_indexes_after(cx, &b->search->vectors, b->plan.request.index_name,
                                 build_run(cx, job, arg));
    if (!atomic_load(&b->search->stopping))
        lhi_kept_collect(cx, b->search);
    return rc;
}

/* With a copy of the plan that lives as long as the job. */
lh_rc lhi_plan_start(lh_ctx *cx, lh_search *search, const lhi_plan *plan,
                     const struct lh_principal *principal, lh_str *ret_job_id)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(BUILD_ARENA_BYTES);
    build_job *b = lh_alloc_zero(1, sizeof *b);
    if (!arena || !b) {
        lh_free(b);
        return lh_fail(cx, LH_E_NO_MEMORY, "index build");
    }
    lh_ctx own;
    lh_ctx_init(&own, arena);
    b->search = search;
    b->arena = arena;
    lh_rc rc = lh_record_copy(&own, &lhi_plan_record, plan, &b->plan);
    if (rc != LH_OK)
        cx->err = own.err;
    lh_job_spec spec = {.kind = lh_str_from(lhi_vector_kind.job),
                        .subject = b->plan.request.index_name,
                        .run = run_and_collect,
                        .done = build_done,
                        .arg = b,
                        .principal = principal};
    if (rc == LH_OK)
        rc = lhi_indexes_start(cx, &search->vectors, &spec, ret_job_id);
    if (rc != LH_OK) {
        lh_free(b);
        return rc;
    }
    arena = NULL; /* the job's now */
    return LH_OK;
}

lh_rc lhi_plan_resume(lh_ctx *cx, lh_search *search, lh_str plan_json,
                      const struct lh_principal *principal)
{
    lhi_plan plan;
    lh_str job_id;
    LH_TRY(lh_record_parse(cx, &lhi_plan_record, plan_json, &plan));
    return lhi_plan_start(cx, search, &plan, principal, &job_id);
}

static lh_rc check_column(lh_ctx *cx, const lh_grant *grant, lh_str *name, const char *field)
{
    const lh_column *column = lhi_grant_column(grant, *name);
    if (!column)
        return lhi_unknown_column(cx, grant, *name, "%s", field);
    *name = column->name;
    return LH_OK;
}

static lh_rc check_request(lh_ctx *cx, lh_search *search, lhi_plan *plan)
{
    lh_index_request *rq = &plan->request;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_TRY(lh_catalog_get(cx, search->parts.catalog, rq->dataset, 0, 0, &snapshot));
    lh_grant grant;
    LH_TRY(lh_policy_grant(cx, search->parts.policy, cx->principal, snapshot, &grant));
    LH_TRY(check_column(cx, &grant, &rq->id_column, "id_column"));
    LH_TRY(check_column(cx, &grant, &rq->text_column, "text_column"));
    rq->id_column = lh_ctx_dup(cx, rq->id_column);
    rq->text_column = lh_ctx_dup(cx, rq->text_column);
    if (rq->overlap > rq->chunk_size / 2) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "overlap %u, limit %u (half of chunk_size)",
                          rq->overlap, rq->chunk_size / 2));
        return lh_err_field(cx, "overlap");
    }
    if (rq->ef_construction > 0 && rq->ef_construction < LH_VECTOR_EF_CONSTRUCTION_MIN) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "ef_construction %u, limits %d and %d",
                          rq->ef_construction, LH_VECTOR_EF_CONSTRUCTION_MIN,
                          LH_VECTOR_EF_CONSTRUCTION_MAX));
        return lh_err_field(cx, "ef_construction");
    }
    if (rq->index_name.len == 0)
        rq->index_name =
            lh_ctx_fmt(cx, "%.*s_%.*s", LH_STR_ARG(rq->dataset), LH_STR_ARG(rq->text_column));
    LH_TRY(lhi_index_check_name(cx, rq->index_name));
    const lh_manifest *manifest = lh_snapshot_manifest(snapshot);
    rq->dataset = lh_ctx_dup(cx, manifest->name); /* as it is written */
    plan->source_commit = manifest->commit;
    plan->source_fingerprint = lhi_source_fingerprint(cx, manifest);
    return LH_OK;
}

static lh_rc check_model(lh_ctx *cx, lh_search *search, lhi_plan *plan)
{
    lh_index_request *rq = &plan->request;
    lh_embedder_model model;
    LH_TRY(lh_embedder_describe(cx, search->parts.embedder, rq->precision, &model));
    if (rq->model.len > 0 && !lh_str_eq_nocase(rq->model, lh_str_from(model.name))) {
        LH_IGNORE(
            lh_fail(cx, LH_E_UNPROCESSABLE, "no embedding model '%.*s'", LH_STR_ARG(rq->model)));
        LH_IGNORE(lh_err_field(cx, "model"));
        return lh_err_hint(cx, "models are: %s", model.name);
    }
    rq->precision = lh_ctx_dup(cx, lh_str_from(model.precision));
    plan->model_name = lh_ctx_dup(cx, lh_str_from(model.name));
    plan->model_version = lh_ctx_fmt(cx, "%s %s", model.precision, model.kernel);
    plan->dimensions = model.dimensions;
    return LH_OK;
}

static lh_str revision_of(lh_str kernel)
{
    size_t slash = lh_str_find_char(kernel, '/');
    return slash == LH_STR_NPOS ? LH_STR_NONE : lh_str_from_offset(kernel, slash + 1);
}

int lhi_same_kind(const lh_embedder_model *model, const lh_index_meta *meta)
{
    return lh_str_eq(lh_str_from(model->name), meta->model_name) &&
           lh_str_eq(lh_str_from(model->precision), meta->precision) &&
           lh_str_eq(revision_of(lh_str_from(model->kernel)), revision_of(meta->model_version)) &&
           model->dimensions == meta->dimensions;
}

lh_rc lhi_plan_make(lh_ctx *cx, lh_search *search, const lh_index_request *request,
                    lhi_plan *ret_plan)
{
    lhi_plan plan = {.request = *request, .started_at = lh_clock_real_us()};
    LH_TRY(check_request(cx, search, &plan));
    LH_TRY(check_model(cx, search, &plan));
    uint64_t random;
    LH_TRY(lh_random_bytes(cx, &random, sizeof random));
    plan.generation = lh_ctx_fmt(cx, "g-%016llx", (unsigned long long)random);
    *ret_plan = plan;
    return LH_OK;
}

lh_rc lh_search_build(lh_ctx *cx, lh_search *search, const lh_index_request *request,
                      lh_str *ret_job_id, lh_str *ret_index_name)
{
    lhi_plan plan;
    LH_TRY(lhi_plan_make(cx, search, request, &plan));
    LH_TRY(lhi_plan_start(cx, search, &plan, cx->principal, ret_job_id));
    *ret_index_name = plan.request.index_name;
    return LH_OK;
}
