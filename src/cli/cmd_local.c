/* cli/cmd_local.c - commands on a data folder that need no server: fsck, version. */
#include "base/json_write.h"
#include "build_info.h"
#include "catalog/fsck.h"
#include "cli/cli.h"
#include "net/versions.h"
#include "os/file.h"

#include <stdio.h>

/* Holds the folder's lock, so that no server writes meanwhile. */
static lh_rc lock_root(lh_ctx *cx, lh_str root, lh_file **ret_lock)
{
    LH_CLEANUP(lh_file_close) lh_file *lock = NULL;
    LH_TRY(lh_dir_make(cx, lh_path_join(cx, root, LH_S(".lakehouse"))));
    LH_TRY(lh_file_open(cx, lh_path_join(cx, root, LH_S(".lakehouse/lock")), LH_FILE_READ_WRITE,
                        &lock));
    lh_rc rc = lh_file_lock(cx, lock);
    if (rc == LH_E_CONFLICT) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "a server runs on this data folder"));
        return lh_err_hint(cx, "stop it first");
    }
    LH_TRY(rc);
    *ret_lock = LH_TAKE(lock);
    return LH_OK;
}

/* ---- fsck ---- */

typedef struct fsck_run {
    int json;
    lh_ctx *cx;
    uint64_t damage;
} fsck_run;

static const char *const finding_names[] = {"damaged", "missing", "orphan", "gap"};

static void print_finding(void *arg, const lh_finding *finding)
{
    fsck_run *run = arg;
    const char *kind = (size_t)finding->kind < LH_ARRAY_LEN(finding_names)
                           ? finding_names[finding->kind]
                           : "other";
    run->damage += finding->kind != LH_FINDING_ORPHAN;
    if (!run->json) {
        printf("%-8s %.*s: %.*s%s\n", kind, LH_STR_ARG(finding->key), LH_STR_ARG(finding->text),
               finding->repaired ? " (removed)" : "");
        return;
    }
    LH_CLEANUP(lh_buf_done) lh_buf line;
    lh_buf_init(&line, 1u << 20);
    lh_json_writer w;
    lh_jw_init(&w, run->cx, &line);
    lh_jw_object_begin(&w);
    lh_jw_kv_str(&w, LH_S("finding"), lh_str_from(kind));
    lh_jw_kv_str(&w, LH_S("key"), finding->key);
    lh_jw_kv_str(&w, LH_S("text"), finding->text);
    lh_jw_kv_bool(&w, LH_S("repaired"), finding->repaired);
    lh_jw_object_end(&w);
    if (lh_jw_end(&w) == LH_OK)
        printf("%.*s\n", LH_STR_ARG(lh_buf_str(&line)));
}

static lh_rc run_fsck(lh_ctx *cx, const lh_cli_args *args, fsck_run *run, lh_fsck_summary *summary)
{
    LH_CLEANUP(lh_file_close) lh_file *lock = NULL;
    LH_CLEANUP(lh_store_close) lh_store *store = NULL;
    lh_str root;
    uint32_t flags = (lh_cli_has(args, "repair") ? LH_FSCK_REPAIR : 0u) |
                     (lh_cli_has(args, "quick") ? LH_FSCK_QUICK : 0u);
    LH_TRY(lh_cli_data_root(cx, args, &root));
    if (flags & LH_FSCK_REPAIR)
        LH_TRY(lock_root(cx, root, &lock));
    LH_TRY(lh_store_open_local(cx, root, LH_STR_NONE, &store));
    return lh_fsck_run(cx, store, flags, print_finding, run, summary);
}

int lh_cmd_fsck(lh_ctx *cx, const lh_cli_args *args)
{
    fsck_run run = {.json = lh_cli_has(args, "json"), .cx = cx};
    lh_fsck_summary s;
    if (args->rest_count > 0)
        return lh_cli_usage(NULL, "fsck takes no words, only options");
    if (run_fsck(cx, args, &run, &s) != LH_OK)
        return lh_cli_failed(cx);
    if (run.json)
        printf("{\"datasets\":%llu,\"manifests\":%llu,\"files\":%llu,\"bytes\":%llu,\"findings\":%"
               "llu,\"repaired\":%llu,"
               "\"clean\":%s}\n",
               (unsigned long long)s.datasets, (unsigned long long)s.manifests,
               (unsigned long long)s.files, (unsigned long long)s.bytes,
               (unsigned long long)s.findings, (unsigned long long)s.repaired,
               run.damage == 0 ? "true" : "false");
    else
        printf("%llu datasets, %llu manifests, %llu files, %llu bytes checked: %s (%llu findings, "
               "%llu removed)\n",
               (unsigned long long)s.datasets, (unsigned long long)s.manifests,
               (unsigned long long)s.files, (unsigned long long)s.bytes,
               run.damage == 0 ? "clean" : "DAMAGED", (unsigned long long)s.findings,
               (unsigned long long)s.repaired);
    return run.damage == 0 ? LH_EXIT_DONE : LH_EXIT_FAILED;
}

/* ---- version ---- */

int lh_cmd_version(lh_ctx *cx, const lh_cli_args *args)
{
    (void)cx;
    const lh_library_version *v = lh_net_versions();
    if (lh_cli_has(args, "json")) {
        printf("{\"version\":\"%s\",\"commit\":\"%s\",\"compiler\":\"%s\",\"build\":\"%s\","
               "\"libraries\":{\"duckdb\":\"%s\"",
               LH_VERSION, LH_COMMIT, LH_COMPILER, LH_BUILD_TYPE, LH_DUCKDB_VERSION);
        for (; v->name; v++)
            printf(",\"%s\":\"%s\"", v->name, v->version);
        printf("}}\n");
        return LH_EXIT_DONE;
    }
    printf("lakehouse %s (%s, %s, %s)\n  duckdb %s\n", LH_VERSION, LH_COMMIT, LH_COMPILER,
           LH_BUILD_TYPE, LH_DUCKDB_VERSION);
    for (; v->name; v++)
        printf("  %s %s\n", v->name, v->version);
    return LH_EXIT_DONE;
}
