/* cli/cmd_search.c - `lakehouse index` and `lakehouse search`: a job as a bar, hits with score, id
 * and snippet. */
#include "base/json_write.h"
#include "base/num.h"
#include "cli/client.h"

#include <stdio.h>

#define SNIPPET_CHARS 160u

static void kv_text(lh_json_writer *w, const char *key, const char *value)
{
    if (value)
        lh_jw_kv_str(w, lh_str_from(key), lh_str_from(value));
}

/* "a, b" as a list; nothing when it was not given. */
static void kv_names(lh_json_writer *w, const char *key, const char *value)
{
    lh_str rest = lh_str_from(value ? value : "");
    lh_str name;
    if (!value)
        return;
    lh_jw_key(w, lh_str_from(key));
    lh_jw_array_begin(w);
    while (lh_str_split_next(&rest, ',', &name))
        lh_jw_str(w, lh_str_trim(name));
    lh_jw_array_end(w);
}

static int is_text(const lh_cli_args *args)
{
    const char *mode = lh_cli_get(args, "mode");
    return mode && strcmp(mode, "text") == 0;
}

/* Numbers are checked here: a typo should not travel to the server as text. */
static lh_rc kv_number(lh_ctx *cx, lh_json_writer *w, const char *key, const char *option,
                       const char *value)
{
    uint64_t number;
    if (!value)
        return LH_OK;
    if (!lh_parse_u64(lh_str_from(value), &number))
        return lh_fail(cx, LH_E_BAD_VALUE, "--%s '%s' is not a number", option, value);
    lh_jw_kv_u64(w, lh_str_from(key), number);
    return LH_OK;
}

static lh_rc build(lh_ctx *cx, const lh_cli_args *args, const lh_json **ret_meta)
{
    LH_CLEANUP(lh_client_close) lh_client client = {0};
    LH_CLEANUP(lh_buf_done) lh_buf body;
    lh_buf_init(&body, 1u << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &body);
    lh_jw_object_begin(&w);
    kv_text(&w, "dataset", args->rest[0]);
    if (is_text(args))
        kv_names(&w, "text_columns", lh_cli_get(args, "text"));
    else
        kv_text(&w, "text_column", lh_cli_get(args, "text"));
    kv_names(&w, "facets", lh_cli_get(args, "facets"));
    kv_text(&w, "language", lh_cli_get(args, "language"));
    kv_text(&w, "id_column", lh_cli_get(args, "id"));
    kv_text(&w, "index_name", lh_cli_get(args, "name"));
    kv_text(&w, "precision", lh_cli_get(args, "precision"));
    LH_TRY(kv_number(cx, &w, "chunk_size", "chunk-size", lh_cli_get(args, "chunk-size")));
    LH_TRY(kv_number(cx, &w, "overlap", "overlap", lh_cli_get(args, "overlap")));
    lh_jw_object_end(&w);
    LH_TRY(lh_jw_end(&w));
    LH_TRY(lh_client_open(cx, args, &client));
    lh_client_call call = {.method = "POST",
                           .path = is_text(args) ? LH_S("/text/index") : LH_S("/vectors/index"),
                           .body = lh_buf_str(&body)};
    const lh_json *started;
    const lh_json *job;
    LH_TRY(lh_client_json(cx, &client, &call, &started));
    LH_TRY(lh_client_watch(cx, &client, lh_json_get_str(started, LH_S("job_id")), &job));
    *ret_meta = lh_json_get(job, LH_S("result"));
    return *ret_meta ? LH_OK : lh_fail(cx, LH_E_PROVIDER, "the job has no result");
}

static lh_str number_text(const lh_json *object, lh_str key)
{
    const lh_json *value = lh_json_get(object, key);
    return value && value->kind == LH_JSON_NUMBER ? value->text : LH_S("?");
}

int lh_cmd_index(lh_ctx *cx, const lh_cli_args *args)
{
    const lh_json *meta;
    if (args->rest_count != 1 || !lh_cli_has(args, "text") || !lh_cli_has(args, "id"))
        return lh_cli_usage(NULL, "index needs a dataset, --text and --id");
    if (build(cx, args, &meta) != LH_OK) {
        lh_cli_bar_end();
        return lh_cli_failed(cx);
    }
    if (lh_cli_has(args, "json"))
        printf("%.*s\n", LH_STR_ARG(meta->raw));
    else if (is_text(args))
        printf("text index '%.*s': %.*s documents of %.*s rows, %.*s ms\n",
               LH_STR_ARG(lh_json_get_str(meta, LH_S("index_name"))),
               LH_STR_ARG(number_text(meta, LH_S("documents"))),
               LH_STR_ARG(number_text(meta, LH_S("rows"))),
               LH_STR_ARG(number_text(meta, LH_S("build_ms"))));
    else
        printf("index '%.*s': %.*s chunks of %.*s rows, %.*s dimensions, %.*s ms\n",
               LH_STR_ARG(lh_json_get_str(meta, LH_S("index_name"))),
               LH_STR_ARG(number_text(meta, LH_S("chunks"))),
               LH_STR_ARG(number_text(meta, LH_S("rows"))),
               LH_STR_ARG(number_text(meta, LH_S("dimensions"))),
               LH_STR_ARG(number_text(meta, LH_S("build_ms"))));
    return LH_EXIT_DONE;
}

static lh_rc search(lh_ctx *cx, const lh_cli_args *args, const lh_json **ret_reply)
{
    LH_CLEANUP(lh_client_close) lh_client client = {0};
    LH_CLEANUP(lh_buf_done) lh_buf body;
    lh_buf_init(&body, 1u << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &body);
    lh_jw_object_begin(&w);
    kv_text(&w, "index_name", args->rest[0]);
    kv_text(&w, "query", args->rest[1]);
    kv_text(&w, "filter", lh_cli_get(args, "filter"));
    LH_TRY(kv_number(cx, &w, "k", "k", lh_cli_get(args, "k")));
    kv_names(&w, "columns", lh_cli_get(args, "columns"));
    if (is_text(args))
        kv_text(&w, "mode", "text");
    lh_jw_object_end(&w);
    LH_TRY(lh_jw_end(&w));
    LH_TRY(lh_client_open(cx, args, &client));
    lh_client_call call = {.method = "POST",
                           .path = is_text(args) ? LH_S("/search") : LH_S("/vectors/search"),
                           .body = lh_buf_str(&body)};
    return lh_client_json(cx, &client, &call, ret_reply);
}

static void print_hit(const lh_json *hit)
{
    double score = 0;
    const lh_json *value = lh_json_get(hit, LH_S("score"));
    if (!value || !lh_parse_f64(value->text, &score))
        score = 0;
    lh_str id = lh_json_get_str(hit, LH_S("id"));
    lh_str text = lh_json_get_str(hit, LH_S("text"));
    lh_str snippet = lh_str_sub(text, 0, lh_utf8_cut(text, SNIPPET_CHARS));
    printf("%6.3f  %-14.*s  ", score, LH_STR_ARG(id));
    for (size_t i = 0; i < snippet.len; i++)
        putchar(snippet.ptr[i] == '\n' || snippet.ptr[i] == '\r' ? ' ' : snippet.ptr[i]);
    printf("%s\n", snippet.len < text.len ? "..." : "");
    const lh_json *columns = lh_json_get(hit, LH_S("columns"));
    for (const lh_json *c = columns && columns->kind == LH_JSON_OBJECT ? columns->first : NULL; c;
         c = c->next)
        printf("        %.*s: %.*s\n", LH_STR_ARG(c->key), LH_STR_ARG(c->raw));
}

int lh_cmd_search(lh_ctx *cx, const lh_cli_args *args)
{
    const char *mode = lh_cli_get(args, "mode");
    const lh_json *reply;
    if (args->rest_count != 2)
        return lh_cli_usage(NULL, "search needs an index and the words to look for");
    if (mode && strcmp(mode, "vector") != 0 && strcmp(mode, "text") != 0)
        return lh_cli_usage(NULL, "mode '%s': this version has the modes vector and text", mode);
    if (search(cx, args, &reply) != LH_OK)
        return lh_cli_failed(cx);
    if (lh_cli_has(args, "json")) {
        printf("%.*s\n", LH_STR_ARG(reply->raw));
        return LH_EXIT_DONE;
    }
    const lh_json *hits = lh_json_get(reply, LH_S("hits"));
    if (!hits || hits->count == 0)
        printf("no hits\n");
    for (const lh_json *hit = hits ? hits->first : NULL; hit; hit = hit->next)
        print_hit(hit);
    return LH_EXIT_DONE;
}
