/* cli/cmd_ingest.c - `lakehouse ingest FILE...`: uploads with a bar, then follows the job. */
#include "cli/client.h"
#include "os/file.h"

#include <stdio.h>

static void on_sent(void *arg, uint64_t sent, uint64_t total)
{
    lh_cli_bar(arg, sent, total, "bytes");
}

static lh_rc add_param(lh_ctx *cx, lh_str *path, const char *name, const char *value)
{
    if (value)
        *path = lh_ctx_fmt(cx, "%.*s&%s=%.*s", LH_STR_ARG(*path), name,
                           LH_STR_ARG(lh_client_encode(cx, lh_str_from(value))));
    return path->ptr ? LH_OK : cx->err.rc;
}

static lh_rc result_of(lh_ctx *cx, lh_client *client, const lh_json *reply,
                       const lh_json **ret_result)
{
    lh_str state = lh_json_get_str(reply, LH_S("state"));
    *ret_result = reply;
    if (lh_str_eq(state, LH_S("done")))
        return LH_OK;
    const lh_json *job;
    LH_TRY(lh_client_watch(cx, client, lh_json_get_str(reply, LH_S("job_id")), &job));
    *ret_result = lh_json_get(job, LH_S("result"));
    return *ret_result ? LH_OK : lh_fail(cx, LH_E_PROVIDER, "the job has no result");
}

static void print_result(const char *file, const lh_json *result)
{
    lh_str dataset = lh_json_get_str(result, LH_S("dataset"));
    if (lh_json_is_true(lh_json_get(result, LH_S("duplicate")))) {
        printf("%s: already in '%.*s' (the same bytes), nothing to do\n", file,
               LH_STR_ARG(dataset));
        return;
    }
    const lh_json *rows = lh_json_get(result, LH_S("rows"));
    const lh_json *columns = lh_json_get(result, LH_S("columns"));
    const lh_json *commit = lh_json_get(result, LH_S("commit"));
    printf("%s: %.*s rows, %zu columns in '%.*s', commit %.*s\n", file,
           LH_STR_ARG(rows ? rows->text : LH_STR_NONE), columns ? columns->count : 0,
           LH_STR_ARG(dataset), LH_STR_ARG(commit ? commit->text : LH_STR_NONE));
    const lh_json *oddities = lh_json_get(result, LH_S("oddities"));
    for (const lh_json *o = oddities ? oddities->first : NULL; o; o = o->next)
        printf("  %.*s: %.*s\n", LH_STR_ARG(o->key), LH_STR_ARG(o->text));
}

static lh_rc ingest_one(lh_ctx *cx, lh_client *client, const lh_cli_args *args, const char *file)
{
    lh_str path = LH_S("/ingest/file?wait_ms=0");
    LH_TRY(add_param(cx, &path, "dataset", lh_cli_get(args, "dataset")));
    LH_TRY(add_param(cx, &path, "mode", lh_cli_get(args, "mode")));
    LH_TRY(add_param(cx, &path, "key", lh_cli_get(args, "key-column")));
    lh_str name = lh_path_base(lh_str_from(file));
    lh_client_call call = {.method = "POST",
                           .path = path,
                           .file = file,
                           .header = lh_ctx_fmt(cx, "X-Filename: %.*s", LH_STR_ARG(name)),
                           .on_sent = on_sent,
                           .arg = (void *)(uintptr_t)file};
    const lh_json *reply;
    const lh_json *result;
    LH_TRY(lh_client_json(cx, client, &call, &reply));
    lh_cli_bar_end();
    LH_TRY(result_of(cx, client, reply, &result));
    if (lh_cli_has(args, "json"))
        printf("%.*s\n", LH_STR_ARG(result->raw));
    else
        print_result(file, result);
    return LH_OK;
}

int lh_cmd_ingest(lh_ctx *cx, const lh_cli_args *args)
{
    if (args->rest_count == 0)
        return lh_cli_usage(NULL, "ingest needs a file");
    if (args->rest_count > 1 && lh_cli_has(args, "dataset"))
        return lh_cli_usage(NULL, "--dataset is for one file");
    LH_CLEANUP(lh_client_close) lh_client client = {0};
    if (lh_client_open(cx, args, &client) != LH_OK)
        return lh_cli_failed(cx);
    int code = LH_EXIT_DONE;
    for (size_t i = 0; i < args->rest_count; i++) {
        if (ingest_one(cx, &client, args, args->rest[i]) != LH_OK) {
            lh_cli_bar_end();
            lh_cli_say("%s:", args->rest[i]);
            code = lh_cli_failed(cx);
        }
    }
    return code;
}
