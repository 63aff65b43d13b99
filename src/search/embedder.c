/* search/embedder.c - one TASK per batch of texts that the cache does not know. */
#include "search/embedder.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/metric.h"
#include "os/thread.h"
#include "search/embed_cache.h"

#define KINDS_MAX      4u /* precisions that may be asked for, "" included */
#define DIMENSIONS_MAX 4096u

/* A model in one precision. Constant once it is known. */
typedef struct model_kind {
    int known;
    int missing;    /* asked for once, and not there: no worker is started for it again */
    char asked[16]; /* precision as it was asked for */
    lh_embedder_model model;
    lh_embed_cache *cache; /* NULL: none, or it cannot be used */
    int cache_is_mine;     /* "" and the default's own name share one */
} model_kind;

struct lh_embedder {
    lh_pool *pool;
    char *cache_dir;
    uint64_t cache_bytes_max;
    lh_mutex lock;
    model_kind kinds[KINDS_MAX];
};

lh_rc lh_embedder_open(lh_ctx *cx, const lh_embedder_options *opts, lh_embedder **ret_embedder)
{
    lh_embedder *e = lh_alloc_zero(1, sizeof *e);
    if (!e)
        return lh_fail(cx, LH_E_NO_MEMORY, "embedder");
    lh_mutex_init(&e->lock);
    e->pool = opts->pool;
    e->cache_bytes_max = opts->cache_bytes_max;
    const char *dir = lh_ctx_cstr(cx, opts->cache_dir);
    e->cache_dir = dir ? lh_strdup(dir) : NULL;
    if (!e->cache_dir) {
        lh_embedder_close(e);
        return lh_fail(cx, LH_E_NO_MEMORY, "embedder");
    }
    *ret_embedder = e;
    return LH_OK;
}

lh_embedder *lh_embedder_close(lh_embedder *e)
{
    if (!e)
        return NULL;
    for (size_t i = 0; i < KINDS_MAX; i++) {
        if (e->kinds[i].cache_is_mine)
            lh_embed_cache_close(e->kinds[i].cache);
    }
    lh_mutex_done(&e->lock);
    lh_free(e->cache_dir);
    return lh_free(e);
}

/* ---- models ---- */

static void copy_text(char *out, size_t out_bytes, lh_str text)
{
    size_t len = lh_utf8_cut(text, out_bytes - 1);
    memcpy(out, text.len ? text.ptr : "", len);
    out[len] = '\0';
}

static int same_model(const lh_embedder_model *a, const lh_embedder_model *b)
{
    return lh_str_eq(lh_str_from(a->name), lh_str_from(b->name)) &&
           lh_str_eq(lh_str_from(a->precision), lh_str_from(b->precision)) &&
           lh_str_eq(lh_str_from(a->kernel), lh_str_from(b->kernel)) &&
           a->dimensions == b->dimensions;
}

/* Under the lock. Without a cache everything works, slower. */
static void open_cache(lh_ctx *cx, lh_embedder *e, model_kind *kind)
{
    for (size_t i = 0; i < KINDS_MAX; i++) {
        const model_kind *other = &e->kinds[i];
        if (other != kind && other->known && !other->missing &&
            same_model(&other->model, &kind->model)) {
            kind->cache = other->cache;
            return;
        }
    }
    if (e->cache_bytes_max == 0)
        return;
    lh_embed_cache_options opts = {
        .dir = lh_str_from(e->cache_dir),
        .identity =
            lh_ctx_fmt(cx, "%s|%s|%s", kind->model.name, kind->model.precision, kind->model.kernel),
        .dimensions = kind->model.dimensions,
        .bytes_max = e->cache_bytes_max / LH_EMBED_CACHE_FILES_MAX};
    if (lh_embed_cache_open(cx, &opts, &kind->cache) == LH_OK) {
        kind->cache_is_mine = 1;
        return;
    }
    LH_LOG(cx, EMBED_CACHE_OFF, LH_KS("message", lh_str_from(cx->err.message)));
    lh_err_clear(cx);
}

static lh_rc read_model(lh_ctx *cx, const lh_lease *lease, lh_embedder_model *ret)
{
    lh_model_message message;
    LH_TRY(lh_record_parse(cx, &lh_model_record, lh_ctx_dup(cx, lh_lease_ready(lease)), &message));
    if (message.dimensions == 0 || message.dimensions > DIMENSIONS_MAX)
        return lh_fail(cx, LH_E_INTERNAL, "a model of %u dimensions", message.dimensions);
    *ret = (lh_embedder_model){.dimensions = message.dimensions};
    copy_text(ret->name, sizeof ret->name, message.model);
    copy_text(ret->precision, sizeof ret->precision, message.precision);
    copy_text(ret->kernel, sizeof ret->kernel, message.kernel);
    return LH_OK;
}

/* Under the lock: the kind of that precision, or the free place for it. */
static model_kind *find_kind(lh_embedder *e, lh_str precision)
{
    for (size_t i = 0; i < KINDS_MAX; i++) {
        if (!e->kinds[i].known || lh_str_eq(lh_str_from(e->kinds[i].asked), precision))
            return &e->kinds[i];
    }
    return NULL;
}

static int is_precision(lh_str text)
{
    static const char *const names[] = {"", "f32", "bf16", "int8"};
    for (size_t i = 0; i < LH_ARRAY_LEN(names); i++) {
        if (lh_str_eq(text, lh_str_from(names[i])))
            return 1;
    }
    return 0;
}

static lh_rc no_precision(lh_ctx *cx, lh_str precision)
{
    LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "the model has no precision '%.*s' on this machine",
                      LH_STR_ARG(lh_str_sub(precision, 0, 16))));
    LH_IGNORE(lh_err_field(cx, "precision"));
    LH_IGNORE(lh_err_hint(cx, "leave it out for the best there is; `lakehouse doctor` shows it"));
    return LH_E_UNPROCESSABLE;
}

/* A worker's READY carries the model; what is known already must be the same. */
static lh_rc learn_model(lh_ctx *cx, lh_embedder *e, lh_str precision, const lh_lease *lease,
                         model_kind **ret_kind)
{
    lh_embedder_model model = {0};
    LH_TRY(read_model(cx, lease, &model));
    LH_WITH_LOCK(&e->lock);
    model_kind *kind = find_kind(e, precision);
    if (!kind)
        return lh_fail(cx, LH_E_INTERNAL, "more than %u precisions of one model", KINDS_MAX);
    if (precision.len > 0 && !lh_str_eq(precision, lh_str_from(model.precision)))
        return no_precision(cx, precision);
    if (kind->known && !same_model(&kind->model, &model))
        return lh_fail(cx, LH_E_UNAVAILABLE, "a worker has the model '%s' %s %s, not '%s' %s %s",
                       model.name, model.precision, model.kernel, kind->model.name,
                       kind->model.precision, kind->model.kernel);
    if (!kind->known) {
        copy_text(kind->asked, sizeof kind->asked, precision);
        kind->model = model;
        open_cache(cx, e, kind);
        kind->known = 1;
    }
    *ret_kind = kind;
    return LH_OK;
}

/* A worker that cannot start counts against all of its kind, so one that never will is not asked
 * for twice. */
static lh_rc note_missing(lh_ctx *cx, lh_embedder *e, lh_str precision)
{
    LH_WITH_LOCK(&e->lock);
    model_kind *kind = find_kind(e, precision);
    if (kind && !kind->known) {
        copy_text(kind->asked, sizeof kind->asked, precision);
        kind->known = kind->missing = 1;
    }
    return no_precision(cx, precision);
}

/* A worker serves one precision for life: the domain says which. */
static lh_rc lease_worker(lh_ctx *cx, lh_embedder *e, lh_embed_lane lane, lh_str precision,
                          lh_lease **ret_lease)
{
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    lh_worker_kind kind = lane == LH_EMBED_BULK ? LH_WORKER_EMBED_BULK : LH_WORKER_EMBED;
    lh_str domain = precision.len == 0
                        ? LH_S("model")
                        : lh_ctx_fmt(cx, LH_EMBED_DOMAIN_PREFIX "%.*s", LH_STR_ARG(precision));
    lh_rc rc = lh_pool_lease(cx, e->pool, kind, domain, &lease);
    if (rc == LH_E_NOT_FOUND) { /* what is missing is the server's, not the client's */
        cx->err.rc = LH_E_UNAVAILABLE;
        LH_IGNORE(lh_err_hint(cx, "the embedding model is missing; see `lakehouse doctor`"));
        return LH_E_UNAVAILABLE;
    }
    if (precision.len > 0 && (rc == LH_E_UNPROCESSABLE || rc == LH_E_BAD_VALUE))
        return note_missing(cx, e, precision);
    LH_TRY(rc);
    *ret_lease = LH_TAKE(lease);
    return LH_OK;
}

/* *ret_kind is constant for the life of the embedder. */
static lh_rc known_kind(lh_ctx *cx, lh_embedder *e, lh_str precision, model_kind **ret_kind)
{
    if (!is_precision(precision))
        return no_precision(cx, precision);
    {
        LH_WITH_LOCK(&e->lock);
        model_kind *kind = find_kind(e, precision);
        if (kind && kind->missing)
            return no_precision(cx, precision);
        if (kind && kind->known) {
            *ret_kind = kind;
            return LH_OK;
        }
    }
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lease_worker(cx, e, LH_EMBED_INTERACTIVE, precision, &lease));
    return learn_model(cx, e, precision, lease, ret_kind);
}

/* The default's own name means the default: no worker of its own for it. */
static lh_rc resolve(lh_ctx *cx, lh_embedder *e, lh_str *precision, model_kind **ret_kind)
{
    model_kind *best = NULL;
    LH_TRY(known_kind(cx, e, LH_S(""), &best));
    if (precision->len == 0 || lh_str_eq(*precision, lh_str_from(best->model.precision))) {
        *precision = LH_S("");
        *ret_kind = best;
        return LH_OK;
    }
    return known_kind(cx, e, *precision, ret_kind);
}

lh_rc lh_embedder_describe(lh_ctx *cx, lh_embedder *e, lh_str precision,
                           lh_embedder_model *ret_model)
{
    model_kind *kind = NULL;
    LH_TRY(resolve(cx, e, &precision, &kind));
    *ret_model = kind->model;
    return LH_OK;
}

/* ---- one batch ---- */

typedef struct asked { /* what one call is about */
    const lh_embed_request *rq;
    const model_kind *kind;
    lh_embed_key *keys; /* of every text */
    size_t *wanted;     /* texts that go to the model */
    size_t wanted_count;
    size_t *twin; /* of every text: the earlier one with the same key, else itself */
} asked;

static lh_rc send_texts(lh_ctx *cx, lh_lease *lease, const asked *a)
{
    lh_embed_task task = {.count = (uint32_t)a->wanted_count,
                          .query = a->rq->purpose == LH_EMBED_AS_QUERY};
    LH_TRY(lh_lease_task_record(cx, lease, &lh_embed_task_record, &task, NULL, 0));
    LH_CLEANUP(lh_buf_done) lh_buf buf;
    lh_buf_init(&buf, LH_FRAME_BYTES_MAX);
    for (size_t i = 0; i < a->wanted_count; i++) {
        /* A text longer than a frame is far beyond any model's tokens: its head is all that
         * counts. */
        lh_str whole = a->rq->texts[a->wanted[i]];
        lh_str text = lh_str_sub(whole, 0, lh_utf8_cut(whole, LH_FRAME_BYTES_MAX / 4));
        uint32_t len = (uint32_t)text.len;
        if (buf.len + sizeof len + text.len > LH_FRAME_BYTES_MAX / 2) {
            LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, lh_buf_str(&buf)));
            lh_buf_truncate(&buf, 0);
        }
        LH_TRY(lh_buf_append(cx, &buf, lh_str_n(&len, sizeof len)));
        LH_TRY(lh_buf_append(cx, &buf, text));
    }
    if (buf.len > 0)
        LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, lh_buf_str(&buf)));
    return lh_lease_write(cx, lease, LH_FRAME_DATA, LH_STR_NONE);
}

/* Vectors arrive in order, in frames of whole vectors or not: bytes are laid one after another. */
static lh_rc read_vectors(lh_ctx *cx, lh_lease *lease, float *out, size_t floats)
{
    size_t bytes = floats * sizeof(float);
    size_t got = 0;
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_PROGRESS || frame.kind == LH_FRAME_HEAD)
            continue;
        if (frame.kind == LH_FRAME_DONE)
            return got == bytes
                       ? LH_OK
                       : lh_fail(cx, LH_E_INTERNAL, "%zu bytes of vectors, not %zu", got, bytes);
        if (frame.kind != LH_FRAME_DATA || frame.payload.len > bytes - got)
            return lh_fail(cx, LH_E_INTERNAL, "an embed worker answered out of order");
        if (frame.payload.len > 0)
            memcpy((char *)out + got, frame.payload.ptr, frame.payload.len);
        got += frame.payload.len;
    }
}

/* Fills out from the cache and notes what is left for the model, each text once. */
static lh_rc look_up(lh_ctx *cx, asked *a)
{
    const lh_embed_request *rq = a->rq;
    for (size_t i = 0; i < rq->count; i++) {
        LH_TRY(lh_embed_key_of(cx, (int)rq->purpose, rq->texts[i], &a->keys[i]));
        a->twin[i] = i;
        if (lh_embed_cache_get(a->kind->cache, &a->keys[i],
                               rq->out + i * a->kind->model.dimensions))
            continue;
        for (size_t k = 0; k < a->wanted_count && a->twin[i] == i; k++) {
            if (memcmp(&a->keys[a->wanted[k]], &a->keys[i], sizeof a->keys[i]) == 0)
                a->twin[i] = a->wanted[k];
        }
        if (a->twin[i] == i)
            a->wanted[a->wanted_count++] = i;
    }
    return LH_OK;
}

static lh_rc embed_wanted(lh_ctx *cx, lh_embedder *e, const asked *a)
{
    const size_t dimensions = a->kind->model.dimensions;
    const lh_embed_request *rq = a->rq;
    float *vectors = LH_NEW_ARRAY(cx, float, a->wanted_count *dimensions);
    if (!vectors)
        return cx->err.rc;
    {
        LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
        model_kind *kind; /* a model that was exchanged since is refused here */
        LH_TRY(lease_worker(cx, e, rq->lane, rq->precision, &lease));
        LH_TRY(learn_model(cx, e, rq->precision, lease, &kind));
        LH_TRY(send_texts(cx, lease, a));
        LH_TRY(read_vectors(cx, lease, vectors, a->wanted_count * dimensions));
    }
    for (size_t i = 0; i < a->wanted_count; i++) {
        const float *vector = vectors + i * dimensions;
        lh_embed_cache_put(a->kind->cache, &a->keys[a->wanted[i]], vector);
        memcpy(rq->out + a->wanted[i] * dimensions, vector, dimensions * sizeof(float));
    }
    for (size_t i = 0; i < rq->count; i++) {
        if (a->twin[i] != i)
            memcpy(rq->out + i * dimensions, rq->out + a->twin[i] * dimensions,
                   dimensions * sizeof(float));
    }
    lh_metric_add(LH_M_EMBED_TEXTS, (int64_t)a->wanted_count);
    return LH_OK;
}

lh_rc lh_embedder_embed(lh_ctx *cx, lh_embedder *e, lh_embed_request *rq)
{
    lh_assert(rq->count > 0 && rq->count <= LH_EMBED_BATCH_MAX);
    model_kind *kind = NULL;
    LH_TRY(resolve(cx, e, &rq->precision, &kind));
    asked a = {.rq = rq,
               .kind = kind,
               .keys = LH_NEW_ARRAY(cx, lh_embed_key, rq->count),
               .wanted = LH_NEW_ARRAY(cx, size_t, rq->count),
               .twin = LH_NEW_ARRAY(cx, size_t, rq->count)};
    if (!a.keys || !a.wanted || !a.twin)
        return cx->err.rc;
    LH_TRY(look_up(cx, &a));
    rq->from_model = a.wanted_count;
    lh_metric_add(LH_M_EMBED_CACHE_HITS, (int64_t)(rq->count - a.wanted_count));
    return a.wanted_count == 0 ? LH_OK : embed_wanted(cx, e, &a);
}
