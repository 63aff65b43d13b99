/* search/embedder.c - one TASK per batch of texts that the cache does not know; a clock-hand cache
 * of fixed size. */
#include "search/embedder.h"

#include "base/hash.h"
#include "base/metric.h"
#include "os/thread.h"

#include <stdatomic.h>

typedef struct cache_slot {
    uint64_t hash[2]; /* of purpose and text; 0,0 = empty */
} cache_slot;

struct lh_embedder {
    lh_pool *pool;
    uint64_t cache_bytes_max;
    lh_mutex lock;
    int known;
    lh_embedder_model model;
    cache_slot *slots; /* power of two, sets of CACHE_WAYS */
    float *vectors;
    size_t slots_count;
    uint32_t hand;
};
#define CACHE_WAYS 4u

lh_rc lh_embedder_open(lh_ctx *cx, lh_pool *pool, uint64_t cache_bytes_max,
                       lh_embedder **ret_embedder)
{
    lh_embedder *e = lh_alloc_zero(1, sizeof *e);
    if (!e)
        return lh_fail(cx, LH_E_NO_MEMORY, "embedder");
    e->pool = pool;
    e->cache_bytes_max = cache_bytes_max;
    lh_mutex_init(&e->lock);
    *ret_embedder = e;
    return LH_OK;
}

lh_embedder *lh_embedder_close(lh_embedder *e)
{
    if (!e)
        return NULL;
    lh_mutex_done(&e->lock);
    lh_free(e->slots);
    lh_free(e->vectors);
    return lh_free(e);
}

static void copy_text(char *out, size_t out_bytes, lh_str text)
{
    size_t len = lh_utf8_cut(text, out_bytes - 1);
    memcpy(out, text.len ? text.ptr : "", len);
    out[len] = '\0';
}

/* The worker's READY carries the model; the pool keeps it and lh_lease_ready gives it. */
static lh_rc learn_model(lh_ctx *cx, lh_embedder *e, const lh_lease *lease)
{
    lh_model_message message;
    LH_TRY(lh_record_parse(cx, &lh_model_record, lh_ctx_dup(cx, lh_lease_ready(lease)), &message));
    if (message.dimensions == 0 || message.dimensions > 4096)
        return lh_fail(cx, LH_E_INTERNAL, "a model of %u dimensions", message.dimensions);
    LH_WITH_LOCK(&e->lock);
    if (e->known)
        return LH_OK;
    copy_text(e->model.name, sizeof e->model.name, message.model);
    copy_text(e->model.precision, sizeof e->model.precision, message.precision);
    copy_text(e->model.kernel, sizeof e->model.kernel, message.kernel);
    e->model.dimensions = message.dimensions;
    size_t fit =
        (size_t)(e->cache_bytes_max / (message.dimensions * sizeof(float) + sizeof(cache_slot)));
    size_t slots = CACHE_WAYS;
    while (slots * 2 <= fit)
        slots *= 2;
    e->slots = lh_alloc_zero(slots, sizeof *e->slots);
    e->vectors = lh_alloc_zero(slots, message.dimensions * sizeof(float));
    e->slots_count =
        e->slots && e->vectors ? slots : 0; /* without memory it works without a cache */
    e->known = 1;
    return LH_OK;
}

static lh_rc lease_worker(lh_ctx *cx, lh_embedder *e, lh_lease **ret_lease)
{
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    lh_rc rc = lh_pool_lease(cx, e->pool, LH_WORKER_EMBED, LH_S("model"), &lease);
    if (rc == LH_E_NOT_FOUND) { /* what is missing is the server's, not the client's */
        cx->err.rc = LH_E_UNAVAILABLE;
        return lh_err_hint(cx, "the embedding model is missing; see `lakehouse doctor`");
    }
    LH_TRY(rc);
    LH_TRY(learn_model(cx, e, lease));
    *ret_lease = LH_TAKE(lease);
    return LH_OK;
}

lh_rc lh_embedder_describe(lh_ctx *cx, lh_embedder *e, lh_embedder_model *ret_model)
{
    int known;
    {
        LH_WITH_LOCK(&e->lock);
        known = e->known;
    }
    if (!known) {
        LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
        LH_TRY(lease_worker(cx, e, &lease));
    }
    *ret_model = e->model; /* constant once known */
    return LH_OK;
}

static void hash_text(lh_str text, lh_embed_purpose purpose, uint64_t ret_hash[2])
{
    ret_hash[0] = lh_hash64(text, 0x9d3f + (uint64_t)purpose);
    ret_hash[1] = lh_hash64(text, 0x51b7 + (uint64_t)purpose) | 1u;
}

static float *find_cached(lh_embedder *e, const uint64_t hash[2])
{
    if (e->slots_count == 0)
        return NULL;
    size_t set = (size_t)hash[0] & (e->slots_count - 1) & ~(size_t)(CACHE_WAYS - 1);
    for (size_t i = set; i < set + CACHE_WAYS; i++) {
        if (e->slots[i].hash[0] == hash[0] && e->slots[i].hash[1] == hash[1])
            return e->vectors + i * e->model.dimensions;
    }
    return NULL;
}

static void remember(lh_embedder *e, const uint64_t hash[2], const float *vector)
{
    LH_WITH_LOCK(&e->lock);
    if (e->slots_count == 0 || find_cached(e, hash))
        return;
    size_t set = (size_t)hash[0] & (e->slots_count - 1) & ~(size_t)(CACHE_WAYS - 1);
    size_t at = set + e->hand++ % CACHE_WAYS;
    memcpy(e->slots[at].hash, hash, sizeof e->slots[at].hash);
    memcpy(e->vectors + at * e->model.dimensions, vector, e->model.dimensions * sizeof(float));
}

static int recall(lh_embedder *e, const uint64_t hash[2], float *out)
{
    LH_WITH_LOCK(&e->lock);
    const float *vector = find_cached(e, hash);
    if (!vector)
        return 0;
    memcpy(out, vector, e->model.dimensions * sizeof(float));
    return 1;
}

/* What is asked of the model: the texts of wanted, out of texts. */
typedef struct asked {
    const lh_str *texts;
    size_t wanted[LH_EMBED_BATCH_MAX];
    size_t count;
    lh_embed_purpose purpose;
} asked;

static lh_rc send_texts(lh_ctx *cx, lh_lease *lease, const asked *a)
{
    lh_embed_task task = {.count = (uint32_t)a->count, .query = a->purpose == LH_EMBED_AS_QUERY};
    LH_CLEANUP(lh_buf_done) lh_buf buf;
    lh_buf_init(&buf, LH_FRAME_BYTES_MAX);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    lh_record_write(&w, &lh_embed_task_record, &task);
    LH_TRY(lh_jw_end(&w));
    LH_TRY(lh_lease_task(cx, lease, lh_buf_str(&buf), NULL, 0));
    lh_buf_truncate(&buf, 0);
    for (size_t i = 0; i < a->count; i++) {
        /* A text longer than a frame is far beyond any model's tokens: its head is all that
         * counts. */
        lh_str whole = a->texts[a->wanted[i]];
        lh_str text = lh_str_sub(whole, 0, lh_utf8_cut(whole, LH_FRAME_BYTES_MAX / 4));
        uint32_t len = (uint32_t)text.len;
        if (buf.len + 4 + text.len > LH_FRAME_BYTES_MAX / 2) {
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

static lh_rc embed_unknown(lh_ctx *cx, lh_embedder *e, const asked *a, float *out)
{
    uint32_t dimensions = e->model.dimensions;
    float *vectors = LH_NEW_ARRAY(cx, float, a->count *dimensions);
    if (!vectors)
        return cx->err.rc;
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lease_worker(cx, e, &lease));
    LH_TRY(send_texts(cx, lease, a));
    LH_TRY(read_vectors(cx, lease, vectors, a->count * dimensions));
    for (size_t i = 0; i < a->count; i++) {
        uint64_t hash[2];
        const float *vector = vectors + i * dimensions;
        hash_text(a->texts[a->wanted[i]], a->purpose, hash);
        remember(e, hash, vector);
        memcpy(out + a->wanted[i] * dimensions, vector, dimensions * sizeof(float));
    }
    lh_metric_add(LH_M_EMBED_TEXTS, (int64_t)a->count);
    return LH_OK;
}

lh_rc lh_embedder_embed(lh_ctx *cx, lh_embedder *e, const lh_str *texts, size_t count,
                        lh_embed_purpose purpose, float *out)
{
    lh_assert(count <= LH_EMBED_BATCH_MAX);
    lh_embedder_model model;
    asked a = {.texts = texts, .purpose = purpose};
    LH_TRY(lh_embedder_describe(cx, e, &model));
    for (size_t i = 0; i < count; i++) {
        uint64_t hash[2];
        hash_text(texts[i], purpose, hash);
        if (!recall(e, hash, out + i * model.dimensions))
            a.wanted[a.count++] = i;
    }
    lh_metric_add(LH_M_EMBED_CACHE_HITS, (int64_t)(count - a.count));
    return a.count == 0 ? LH_OK : embed_unknown(cx, e, &a, out);
}
