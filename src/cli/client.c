/* cli/client.c - one call to the server, its errors, and the watching of a job. */
#include "cli/client.h"

#include "base/clock.h"
#include "base/num.h"
#include "os/file.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REPLY_BYTES_MAX (1u << 30)
#define POLL_MS         200

lh_rc lh_client_open(lh_ctx *cx, const lh_cli_args *args, lh_client *ret_client)
{
    const char *url = lh_cli_get(args, "url");
    const char *key = lh_cli_get(args, "key");
    url = url ? url : getenv("LAKEHOUSE_URL");
    key = key ? key : getenv("LAKEHOUSE_KEY");
    lh_client client = {.url = lh_str_from(url ? url : "http://127.0.0.1:3100"),
                        .key = lh_str_from(key)};
    while (lh_str_ends(client.url, LH_S("/")))
        client.url.len--;
    LH_TRY(lh_http_client_new(cx, 1, &client.http));
    *ret_client = client;
    return LH_OK;
}

void lh_client_close(lh_client *client)
{
    client->http = lh_http_client_free(client->http);
}

typedef struct sending {
    const lh_client_call *call;
    lh_file *file;
    uint64_t sent;
    uint64_t total;
    lh_buf reply;
} sending;

static lh_rc read_file(lh_ctx *cx, void *arg, char *out, size_t size, size_t *ret_bytes)
{
    sending *s = arg;
    LH_TRY(lh_file_read(cx, s->file, out, size, ret_bytes));
    s->sent += *ret_bytes;
    if (s->call->on_sent)
        s->call->on_sent(s->call->arg, s->sent, s->total);
    return LH_OK;
}

static int int_of(const lh_json *value)
{
    int64_t number;
    return value && value->kind == LH_JSON_NUMBER && lh_parse_i64(value->text, &number) &&
                   number >= 0 && number < INT32_MAX
               ? (int)number
               : 0;
}

/* The server's own words. A reply that is not ours (a proxy's page) gives its status. */
static lh_rc say_error(lh_ctx *cx, int status, lh_str body)
{
    const lh_json *root;
    if (lh_json_parse(cx, body, 0, &root) != LH_OK || !lh_json_get(root, LH_S("error")))
        return lh_fail(cx, LH_E_PROVIDER, "the server answered with status %d", status);
    const lh_json *e = lh_json_get(root, LH_S("error"));
    const char *code = lh_ctx_cstr(cx, lh_json_get_str(e, LH_S("code")));
    lh_rc rc = code ? lh_rc_find(code) : LH_RC_COUNT;
    lh_str hint = lh_json_get_str(e, LH_S("hint"));
    lh_str field = lh_json_get_str(e, LH_S("field"));
    rc = rc == LH_RC_COUNT || rc == LH_OK ? LH_E_PROVIDER : rc;
    LH_IGNORE(lh_fail(cx, rc, "%.*s", LH_STR_ARG(lh_json_get_str(e, LH_S("message")))));
    if (hint.len > 0)
        LH_IGNORE(lh_err_hint(cx, "%.*s", LH_STR_ARG(hint)));
    if (field.len > 0)
        LH_IGNORE(lh_err_field(cx, "%.*s", LH_STR_ARG(field)));
    return lh_err_place(cx, int_of(lh_json_get(e, LH_S("line"))),
                        int_of(lh_json_get(e, LH_S("column"))));
}

static lh_rc collect(lh_ctx *cx, void *arg, lh_str bytes)
{
    sending *s = arg;
    return lh_buf_append(cx, &s->reply, bytes);
}

static lh_rc send_once(lh_ctx *cx, lh_client *client, sending *s, lh_str *ret_body)
{
    const lh_client_call *call = s->call;
    lh_str headers[4];
    size_t count = 0;
    if (client->key.len > 0)
        headers[count++] = lh_ctx_fmt(cx, "Authorization: Bearer %.*s", LH_STR_ARG(client->key));
    if (call->body.len > 0)
        headers[count++] = LH_S("Content-Type: application/json");
    if (call->file)
        headers[count++] = LH_S("Content-Type: application/octet-stream");
    if (call->header.len > 0)
        headers[count++] = call->header;
    lh_http_call http = {
        .method = call->method,
        .url = lh_ctx_fmt(cx, "%.*s%.*s", LH_STR_ARG(client->url), LH_STR_ARG(call->path)),
        .headers = headers,
        .headers_count = count,
        .body = call->body,
        .read_body = call->file ? read_file : NULL,
        .body_bytes_total = s->total,
        .on_body = collect,
        .arg = s,
        .response_bytes_max = REPLY_BYTES_MAX,
        .idle_timeout_us = 3600 * 1000000ll};
    lh_http_response response;
    lh_rc rc = lh_http_send(cx, client->http, &http, &response);
    if (rc == LH_E_UNAVAILABLE)
        return lh_err_hint(cx, "is it running? start it with: lakehouse serve");
    LH_TRY(rc);
    if (response.status >= 400)
        return say_error(cx, response.status, lh_ctx_dup(cx, lh_buf_str(&s->reply)));
    if (ret_body)
        *ret_body = lh_ctx_dup(cx, lh_buf_str(&s->reply));
    return LH_OK;
}

lh_rc lh_client_send(lh_ctx *cx, lh_client *client, const lh_client_call *call, lh_str *ret_body)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    sending s = {.call = call};
    lh_buf_init(&s.reply, REPLY_BYTES_MAX);
    if (call->file) {
        LH_TRY(lh_file_open(cx, lh_str_from(call->file), LH_FILE_READ, &file));
        LH_TRY(lh_file_size(cx, file, &s.total));
        s.file = file;
    }
    lh_rc rc = send_once(cx, client, &s, ret_body);
    lh_buf_done(&s.reply);
    return rc;
}

lh_rc lh_client_json(lh_ctx *cx, lh_client *client, const lh_client_call *call,
                     const lh_json **ret_root)
{
    lh_str body;
    LH_TRY(lh_client_send(cx, client, call, &body));
    return lh_json_parse(cx, body, 0, ret_root);
}

/* ---- bar ---- */

void lh_cli_bar(const char *label, uint64_t done, uint64_t total, const char *unit)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (total == 0) {
        fprintf(stderr, "\r\x1b[K%s  %llu %s", label, (unsigned long long)done, unit);
        return;
    }
    enum { WIDTH = 30 };
    unsigned filled = (unsigned)(done >= total ? WIDTH : done * WIDTH / total);
    char bar[WIDTH + 1];
    for (unsigned i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r\x1b[K%s  [%s] %3u%%  %llu/%llu %s", label, bar,
            (unsigned)(done * 100 / total), (unsigned long long)done, (unsigned long long)total,
            unit);
}

void lh_cli_bar_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\x1b[K", stderr);
}

static uint64_t u64_of(const lh_json *object, lh_str key)
{
    const lh_json *value = lh_json_get(object, key);
    uint64_t number;
    return value && value->kind == LH_JSON_NUMBER && lh_parse_u64(value->text, &number) ? number
                                                                                        : 0;
}

static lh_rc job_failed(lh_ctx *cx, const lh_json *job)
{
    const lh_json *error = lh_json_get(job, LH_S("error"));
    if (!error || error->kind != LH_JSON_OBJECT)
        return lh_fail(cx, LH_E_CANCELLED, "the job was cancelled");
    lh_str text = error->raw;
    if (!lh_json_get(error, LH_S("error")))
        text = lh_ctx_fmt(cx, "{\"error\":%.*s}", LH_STR_ARG(error->raw));
    return say_error(cx, 500, text);
}

lh_rc lh_client_watch(lh_ctx *cx, lh_client *client, lh_str job_id, const lh_json **ret_job)
{
    lh_client_call call = {.method = "GET",
                           .path = lh_ctx_fmt(cx, "/jobs/%.*s", LH_STR_ARG(job_id))};
    for (;;) {
        const lh_json *job;
        LH_TRY(lh_client_json(cx, client, &call, &job));
        lh_str state = lh_json_get_str(job, LH_S("state"));
        const char *phase = lh_ctx_cstr(cx, lh_json_get_str(job, LH_S("phase")));
        const char *unit = lh_ctx_cstr(cx, lh_json_get_str(job, LH_S("unit")));
        lh_cli_bar(phase ? phase : "", u64_of(job, LH_S("done")), u64_of(job, LH_S("total")),
                   unit ? unit : "");
        if (lh_str_eq(state, LH_S("queued")) || lh_str_eq(state, LH_S("running"))) {
            poll(NULL, 0, POLL_MS);
            continue;
        }
        lh_cli_bar_end();
        if (!lh_str_eq(state, LH_S("done")))
            return job_failed(cx, job);
        *ret_job = job;
        return LH_OK;
    }
}

lh_str lh_client_encode(lh_ctx *cx, lh_str text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = lh_ctx_alloc(cx, text.len + 1, 3);
    size_t n = 0;
    if (!out)
        return LH_STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c != 0 && strchr("-_.~", c))) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    return lh_str_n(out, n);
}
