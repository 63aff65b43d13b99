/* api/ingest_routes.c - POST /ingest/file: multipart or raw body, hashed while it streams to a
 * staged file, then a job.
 *
 * In a multipart body the fields dataset, mode, key and options may stand before or after the file;
 * they win over query parameters of the same name. */
#include "api/api_private.h"
#include "base/num.h"

#define UPLOAD_BYTES_MAX  (1ull << 40) /* of the row; the configured limit is below */
#define OPTIONS_BYTES_MAX 65536u

typedef struct upload {
    lh_staged *staged;
    lh_sha256 *digest;
    uint64_t bytes_max;
    lh_ingest_request request;
    int have_file;
} upload;

static lh_rc take_piece(lh_ctx *cx, upload *u, lh_str piece)
{
    if (lh_staged_bytes(u->staged) + piece.len > u->bytes_max) {
        LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "the file is longer than the limit of %llu bytes",
                          (unsigned long long)u->bytes_max));
        return lh_err_hint(cx, "raise ingest.upload_bytes_max, or send the file compressed");
    }
    lh_sha256_update(u->digest, piece);
    return lh_staged_write(cx, u->staged, piece);
}

static lh_rc parse_mode(lh_ctx *cx, lh_str text, int *ret_mode)
{
    for (int i = 0; lh_ingest_mode_names[i]; i++) {
        if (lh_str_eq(text, lh_str_from(lh_ingest_mode_names[i]))) {
            *ret_mode = i;
            return LH_OK;
        }
    }
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "mode '%.*s'", LH_STR_ARG(text)));
    LH_IGNORE(lh_err_field(cx, "mode"));
    return lh_err_hint(cx, "modes are: replace, append, upsert");
}

static lh_rc set_field(lh_ctx *cx, upload *u, lh_str name, lh_str value)
{
    if (lh_str_eq(name, LH_S("dataset"))) {
        u->request.dataset = value;
        return value.len > 0 ? lh_dataset_check_name(cx, value) : LH_OK;
    }
    if (lh_str_eq(name, LH_S("mode")))
        return parse_mode(cx, value, &u->request.mode);
    if (lh_str_eq(name, LH_S("key"))) {
        u->request.key = value;
        return LH_OK;
    }
    if (lh_str_eq(name, LH_S("options"))) {
        lh_rc rc = lh_record_parse(cx, &lh_ingest_options_record, value, &u->request.options);
        if (rc != LH_OK && cx->err.field[0] == '\0')
            LH_IGNORE(lh_err_field(cx, "options"));
        return rc;
    }
    LH_IGNORE(lh_fail(cx, LH_E_UNKNOWN_FIELD, "no form field '%.*s'", LH_STR_ARG(name)));
    LH_IGNORE(lh_err_field(cx, "%.*s", LH_STR_ARG(lh_str_sub(name, 0, 100))));
    return lh_err_hint(cx, "parts are: file, dataset, mode, key, options");
}

static lh_rc take_file_part(lh_ctx *cx, upload *u, lh_multipart *mp, const lh_part *part)
{
    if (u->have_file) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_MULTIPART, "there is more than one part 'file'"));
        return lh_err_hint(cx, "send one file per request");
    }
    u->have_file = 1;
    if (part->filename.len > 0)
        u->request.file_name = lh_ctx_dup(cx, part->filename);
    lh_str piece;
    do {
        LH_TRY(lh_multipart_read(cx, mp, &piece));
        if (piece.len > 0)
            LH_TRY(take_piece(cx, u, piece));
    } while (piece.len > 0);
    return LH_OK;
}

static lh_rc take_multipart(lh_ctx *cx, lh_request *rq, upload *u)
{
    lh_multipart *mp;
    lh_part part;
    int found;
    LH_TRY(lh_multipart_begin(cx, rq, &mp));
    for (;;) {
        LH_TRY(lh_multipart_next(cx, mp, &part, &found));
        if (!found)
            break;
        if (lh_str_eq(part.name, LH_S("file"))) {
            LH_TRY(take_file_part(cx, u, mp, &part));
            continue;
        }
        lh_str name = lh_ctx_dup(cx, part.name);
        lh_str value;
        LH_TRY(lh_multipart_text(cx, mp, OPTIONS_BYTES_MAX, &value));
        LH_TRY(set_field(cx, u, name, value));
    }
    if (!u->have_file) {
        LH_IGNORE(lh_fail(cx, LH_E_MISSING_FIELD, "the multipart body has no part 'file'"));
        return lh_err_field(cx, "file");
    }
    return LH_OK;
}

static lh_rc take_raw(lh_ctx *cx, lh_request *rq, upload *u)
{
    lh_str piece;
    u->request.file_name = lh_request_header(rq, "X-Filename");
    do {
        LH_TRY(lh_request_read(cx, rq, &piece));
        if (piece.len > 0)
            LH_TRY(take_piece(cx, u, piece));
    } while (piece.len > 0);
    if (u->request.file_name.len == 0 && u->request.dataset.len == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_MISSING_FIELD, "neither a dataset nor a file name was sent"));
        LH_IGNORE(lh_err_field(cx, "dataset"));
        return lh_err_hint(cx, "add ?dataset=<name> or the header X-Filename");
    }
    return LH_OK;
}

static lh_rc take_params(lh_ctx *cx, lh_request *rq, upload *u)
{
    static const char *const names[] = {"dataset", "mode", "key", "options"};
    for (size_t i = 0; i < LH_ARRAY_LEN(names); i++) {
        lh_str value = lh_request_query(rq, names[i]);
        if (value.ptr)
            LH_TRY(set_field(cx, u, lh_str_from(names[i]), value));
    }
    u->request.bucket = lh_request_header(rq, "X-Lakehouse-Bucket");
    if (u->request.bucket.len > 0 && !lh_str_eq(u->request.bucket, LH_S("primary"))) {
        LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no bucket '%.*s'", LH_STR_ARG(u->request.bucket)));
        LH_IGNORE(lh_err_field(cx, "X-Lakehouse-Bucket"));
        return lh_err_hint(cx, "buckets are: primary");
    }
    return LH_OK;
}

static lh_rc receive(lh_ctx *cx, lh_request *rq, upload *u)
{
    uint64_t announced = lh_request_content_length(rq);
    if (announced != UINT64_MAX && announced > u->bytes_max) {
        LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "a body of %llu bytes, limit %llu",
                          (unsigned long long)announced, (unsigned long long)u->bytes_max));
        return lh_err_hint(cx, "raise ingest.upload_bytes_max, or send the file compressed");
    }
    LH_TRY(take_params(cx, rq, u));
    lh_str type = lh_request_header(rq, "Content-Type");
    if (lh_str_starts_nocase(type, LH_S("multipart/")))
        return take_multipart(cx, rq, u);
    return take_raw(cx, rq, u);
}

static lh_rc wait_and_reply(lh_ctx *cx, lh_request *rq, lh_reply *rp, lh_str job_id,
                            int64_t wait_ms)
{
    lh_job_view view;
    LH_TRY(lhi_wait_job(cx, rq, job_id, wait_ms, &view));
    lh_ingest_result running = {.job_id = view.job_id,
                                .state =
                                    view.state == LH_JOB_QUEUED ? LH_S("queued") : LH_S("running"),
                                .dataset = view.subject};
    return lhi_reply_job(cx, rp, &view, &lh_ingest_result_record, &running);
}

static lh_rc ingest_file(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_app *app = lhi_app(rq);
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_CLEANUP(lh_sha256_free) lh_sha256 *digest = NULL;
    int64_t wait_ms;
    LH_TRY(lhi_wait_ms(cx, rq, LHI_WAIT_MS_DEFAULT, &wait_ms));
    LH_TRY(lh_store_stage(cx, app->store, &staged));
    LH_TRY(lh_sha256_new(cx, &digest));
    upload u = {.staged = staged, .digest = digest, .bytes_max = app->upload_bytes_max};
    LH_TRY(lh_record_defaults(cx, &lh_ingest_options_record, &u.request.options));
    LH_TRY(receive(cx, rq, &u));
    uint8_t sum[LH_SHA256_BYTES];
    char hex[LH_SHA256_HEX];
    lh_sha256_final(digest, sum);
    lh_hex_text(sum, sizeof sum, hex);
    u.request.sha256 = lh_str_n(hex, sizeof hex);
    u.request.source_system = LH_S("file");
    u.request.principal = cx->principal;
    u.request.actor = cx->principal->name;
    lh_str job_id;
    LH_TRY(lh_ingest_start(cx, app->ingest, staged, &u.request, &job_id));
    LH_IGNORE(LH_TAKE(staged));
    return wait_and_reply(cx, rq, rp, job_id, wait_ms);
}

static const lh_query_param ingest_params[] = {
    {"dataset", "string", "Name of the dataset; from the file's name when absent."},
    {"mode", "string", "replace (default), append or upsert."},
    {"key", "string", "upsert: column that names a row."},
    {"options", "string",
     "IngestOptions as JSON: format, delimiter, quote, header, encoding, null_texts, ..."},
    LHI_WAIT_PARAM,
    {0}};

const lh_route lh_ingest_routes[] = {
    {.method = "POST",
     .path = "/ingest/file",
     .handler = ingest_file,
     .access = LH_ACCESS_WRITE,
     .flags = LH_ROUTE_STREAM_BODY | LH_ROUTE_NO_DEADLINE,
     .body_max_bytes = UPLOAD_BYTES_MAX,
     .reply = &lh_ingest_result_record,
     .query = ingest_params,
     .errors = "bad_multipart bad_name not_found unprocessable memory_limit no_space pool_full "
               "worker_crashed too_large",
     .tag = "ingest",
     .summary =
         "Upload one file (multipart part file, or a raw body); it becomes a commit of a dataset."},
    {0}};
