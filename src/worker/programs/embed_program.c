/* embed_program.c - the embed program inside lakehouse-worker: texts in, vectors out, with the
 * model mapped by setup.
 *
 * All texts of a task are read before the first vector is sent: neither side ever waits for the
 * other while both write. Vectors then leave slice by slice, so memory stays fixed and the
 * server sees progress. Nothing is warmed in the zygote: mapping and checking a model takes a
 * few milliseconds, and its pages are shared by the page cache. */
#include "embed/embed.h"
#include "worker/programs/program.h"

enum {
    TASK_BYTES_MAX = 64 * 1024 * 1024, /* of texts */
    SLICE_TEXTS = 512,                 /* vectors sent at a time */
    LENGTH_BYTES = 4,
    THREADS_DEFAULT = 2,
};

/* A worker has one precision for life: "model-int8"; "model" is the best of this machine. */
static lh_str precision_of(lh_str domain)
{
    lh_str prefix = LH_S(LH_EMBED_DOMAIN_PREFIX);
    return lh_str_starts(domain, prefix) ? lh_str_from_offset(domain, prefix.len) : LH_STR_NONE;
}

static lh_rc embed_setup(lh_ctx *cx, const lh_setup_message *setup, void **ret_state)
{
    if (lh_str_empty(setup->model_path)) {
        LH_IGNORE(lh_fail(cx, LH_E_UNAVAILABLE, "there is no model to embed with"));
        return lh_err_hint(cx, "set embed.model, or run `make run`, which installs one");
    }
    lh_embed_options opts = {.threads = setup->threads > 0 ? setup->threads : THREADS_DEFAULT,
                             .precision = precision_of(setup->domain),
                             .flags = setup->background ? 0 : LH_EMBED_SOON};
    lh_embed_model *model = NULL;
    LH_TRY(lh_embed_open(cx, setup->model_path, &opts, &model));
    *ret_state = model;
    return LH_OK;
}

static lh_rc embed_open(lh_ctx *cx, const lh_setup_message *setup, void **state, lh_str *ret_ready)
{
    (void)setup;
    const lh_embed_model *model = *state;
    const lh_embed_model_info *info = lh_embed_info(model);
    lh_model_message message = {.model = info->name,
                                .precision = lh_str_from(lh_embed_precision_names[info->precision]),
                                .kernel = lh_embed_kernel(model),
                                .dimensions = info->hidden,
                                .tokens_max = info->tokens_max};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LH_RECORD_TEXT_MAX);
    LH_TRY(lh_record_append(cx, &lh_model_record, &message, &json));
    *ret_ready = lh_ctx_dup(cx, lh_buf_str(&json));
    return ret_ready->ptr != NULL ? LH_OK : cx->err.rc;
}

static lh_rc read_bytes(lh_ctx *cx, lh_task *task, lh_buf *bytes)
{
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_task_read(cx, task, &frame));
        if (frame.kind != LH_FRAME_DATA)
            return lh_fail(cx, LH_E_BAD_REQUEST, "a frame of kind %d among the texts",
                           (int)frame.kind);
        if (frame.payload.len == 0)
            return LH_OK;
        if (lh_buf_append(cx, bytes, frame.payload) != LH_OK)
            return cx->err.rc == LH_E_TOO_LARGE ? lh_err_hint(cx, "send fewer texts in one task")
                                                : cx->err.rc;
    }
}

/* Texts borrow from bytes. */
static lh_rc split_texts(lh_ctx *cx, lh_str bytes, lh_str *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t length = 0;
        if (bytes.len < LENGTH_BYTES)
            return lh_fail(cx, LH_E_BAD_REQUEST, "the texts end after %zu of %zu", i, count);
        memcpy(&length, bytes.ptr, LENGTH_BYTES);
        bytes = lh_str_from_offset(bytes, LENGTH_BYTES);
        if (length > bytes.len)
            return lh_fail(cx, LH_E_BAD_REQUEST, "text %zu of %zu is cut short", i, count);
        texts[i] = lh_str_sub(bytes, 0, length);
        bytes = lh_str_from_offset(bytes, length);
    }
    if (bytes.len > 0)
        return lh_fail(cx, LH_E_BAD_REQUEST, "%zu bytes after the last of %zu texts", bytes.len,
                       count);
    return LH_OK;
}

typedef struct progress {
    lh_task *task;
    uint64_t done_before; /* texts of earlier slices */
    uint64_t total;
} progress;

static lh_rc on_progress(lh_ctx *cx, void *arg, size_t done)
{
    const progress *p = arg;
    lh_progress_message message = {
        .phase = LH_S("embed"), .done = p->done_before + done, .total = p->total};
    return lh_task_progress(cx, p->task, &message);
}

static lh_rc embed_slices(lh_ctx *cx, lh_embed_model *model, lh_task *task,
                          const lh_embed_task *what, const lh_str *texts, lh_embed_done *done)
{
    const size_t dimensions = lh_embed_info(model)->hidden;
    float *vectors =
        LH_NEW_ARRAY(cx, float, LH_MIN((size_t)what->count, (size_t)SLICE_TEXTS) * dimensions);
    if (vectors == NULL)
        return cx->err.rc;
    progress p = {.task = task, .total = what->count};
    for (size_t from = 0; from < what->count; from += SLICE_TEXTS) {
        lh_embed_batch batch = {.texts = texts + from,
                                .count = LH_MIN((size_t)what->count - from, (size_t)SLICE_TEXTS),
                                .flags = what->query ? LH_EMBED_QUERY : 0,
                                .out = vectors,
                                .on_progress = on_progress,
                                .arg = &p};
        LH_TRY(lh_embed_texts(cx, model, &batch));
        LH_TRY(lh_task_data(cx, task, lh_str_n(vectors, batch.count * dimensions * sizeof(float))));
        p.done_before += batch.count;
        done->tokens += batch.tokens;
        done->truncated += batch.truncated;
    }
    done->count = what->count;
    return LH_OK;
}

static lh_rc embed_run(lh_ctx *cx, void *state, lh_task *task)
{
    lh_embed_model *model = state;
    lh_embed_task what;
    lh_embed_done done = {0};
    LH_CLEANUP(lh_buf_done) lh_buf bytes;
    lh_buf_init(&bytes, TASK_BYTES_MAX);
    LH_TRY(lh_task_parse(cx, task, &lh_embed_task_record, &what));
    LH_TRY(read_bytes(cx, task, &bytes));
    if (what.count > bytes.len / LENGTH_BYTES)
        return lh_fail(cx, LH_E_BAD_REQUEST, "%zu bytes cannot hold %u texts", bytes.len,
                       what.count);
    if (what.count > 0) {
        lh_str *texts = LH_NEW_ARRAY(cx, lh_str, what.count);
        if (texts == NULL)
            return cx->err.rc;
        LH_TRY(split_texts(cx, lh_buf_str(&bytes), texts, what.count));
        LH_TRY(embed_slices(cx, model, task, &what, texts, &done));
    } else if (bytes.len > 0) {
        return lh_fail(cx, LH_E_BAD_REQUEST, "texts, but their count is 0");
    }
    return lh_task_done(cx, task, &lh_embed_done_record, &done);
}

const lh_program lh_embed_program = {
    .kind = LH_WORKER_EMBED, .setup = embed_setup, .open = embed_open, .run = embed_run};
const lh_program lh_embed_bulk_program = {
    .kind = LH_WORKER_EMBED_BULK, .setup = embed_setup, .open = embed_open, .run = embed_run};
