/* cli/cmd_doctor.c - what this machine and installation can do: each line ok or a warning with what
 * to do.
 *
 * To add a check: a function and a row in `checks`. */
#include "build_info.h"
#include "cli/cli.h"
#include "cli/config_keys.h"
#include "cli/model_path.h"
#include "cli/serve_private.h"
#include "embed/embed.h"
#include "os/file.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/simd.h"

#include <stdio.h>
#include <sys/resource.h>

typedef struct verdict {
    int ok;
    lh_str text; /* what was found */
    lh_str todo; /* what to do; empty when ok */
} verdict;

typedef struct doctor {
    const lh_config *config;
} doctor;

#define LOW_SPACE_BYTES (1ull << 30)
#define LOW_FILES       4096u

static verdict check_cpu(lh_ctx *cx, const doctor *d)
{
    (void)d;
    const char *simd = lh_simd_name(lh_simd_chosen());
    return (verdict){1, lh_ctx_fmt(cx, "%s, %u CPUs", simd, lh_machine_cpus()), LH_STR_NONE};
}

static verdict check_memory(lh_ctx *cx, const doctor *d)
{
    uint64_t memory = lh_machine_memory_bytes();
    uint64_t promised = d->config->query_memory * (uint64_t)d->config->query_workers +
                        d->config->ingest_memory * (uint64_t)d->config->ingest_workers;
    lh_str text =
        lh_ctx_fmt(cx, "%llu MiB; workers may use %llu MiB", (unsigned long long)(memory >> 20),
                   (unsigned long long)(promised >> 20));
    if (promised <= memory + memory / 2)
        return (verdict){1, text, LH_STR_NONE};
    return (verdict){
        0, text,
        LH_S(
            "lower query.memory or query.workers: together they could ask for more than there is")};
}

static verdict check_sandbox(lh_ctx *cx, const doctor *d)
{
    (void)d;
    lh_sandbox_result r;
    lh_sandbox_probe(&r);
    lh_str text =
        lh_ctx_fmt(cx, "Landlock ABI %d, seccomp %s", r.landlock_abi, r.seccomp ? "yes" : "no");
    if (r.landlock_abi > 0 && r.seccomp)
        return (verdict){1, text, LH_STR_NONE};
    return (verdict){
        0, text,
        LH_S(
            "use a kernel of 5.13 or later with Landlock and seccomp: workers are locked in less")};
}

static verdict check_worker(lh_ctx *cx, const doctor *d)
{
    (void)d;
    lh_str dir;
    if (lh_program_dir(cx, &dir) == LH_OK &&
        lh_file_exists(lh_path_join(cx, dir, LH_S("lakehouse-worker"))))
        return (verdict){1,
                         LH_S("lakehouse-worker is beside the program; DuckDB " LH_DUCKDB_VERSION),
                         LH_STR_NONE};
    return (verdict){0, LH_S("lakehouse-worker is not beside the program"),
                     LH_S("build or install again")};
}

static verdict check_model(lh_ctx *cx, const doctor *d)
{
    lh_str path = d->config->model.len > 0 ? d->config->model : lh_model_path(cx);
    if (path.len == 0)
        return (verdict){0, LH_S("no embedding model"),
                         LH_S("make build, or lakehouse embed --pack FOLDER FILE and embed.model")};
    lh_embed_model *model;
    if (lh_embed_open(cx, path, NULL, &model) != LH_OK)
        return (verdict){0, lh_ctx_dup(cx, lh_str_from(cx->err.message)),
                         LH_S("pack the model again")};
    const lh_embed_model_info *info = lh_embed_info(model);
    verdict v = {1,
                 lh_ctx_fmt(cx, "%.*s, %u dimensions, kernel %.*s", LH_STR_ARG(info->name),
                            info->hidden, LH_STR_ARG(lh_embed_kernel(model))),
                 LH_STR_NONE};
    lh_embed_close(model);
    return v;
}

static verdict check_disk(lh_ctx *cx, const doctor *d)
{
    uint64_t bytes_free;
    uint64_t bytes_total;
    lh_str where = lh_file_exists(d->config->root) ? d->config->root : LH_S(".");
    if (lh_dir_free_space(cx, where, &bytes_free, &bytes_total) != LH_OK)
        return (verdict){0, lh_ctx_dup(cx, lh_str_from(cx->err.message)),
                         LH_S("look at the data folder")};
    lh_str text =
        lh_ctx_fmt(cx, "%llu MiB free of %llu MiB", (unsigned long long)(bytes_free >> 20),
                   (unsigned long long)(bytes_total >> 20));
    if (bytes_free > LOW_SPACE_BYTES)
        return (verdict){1, text, LH_STR_NONE};
    return (verdict){0, text, LH_S("free space: commits fail when the disk is full")};
}

static verdict check_data(lh_ctx *cx, const doctor *d)
{
    lh_dir_entry *entries;
    size_t count;
    if (!lh_file_exists(d->config->root))
        return (verdict){1, LH_S("no data folder yet; serve makes it"), LH_STR_NONE};
    if (lh_dir_list(cx, lh_path_join(cx, d->config->root, LH_S("_catalog/datasets")), &entries,
                    &count) != LH_OK)
        return (verdict){1, LH_S("no datasets yet"), LH_STR_NONE};
    return (verdict){1, lh_ctx_fmt(cx, "%zu datasets; lakehouse fsck checks them", count),
                     LH_STR_NONE};
}

static verdict check_limits(lh_ctx *cx, const doctor *d)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return (verdict){0, LH_S("limits cannot be read"), LH_S("look at ulimit -n")};
    lh_str text = lh_ctx_fmt(cx, "%llu open files", (unsigned long long)files.rlim_cur);
    if (files.rlim_cur >= LOW_FILES || files.rlim_cur >= (rlim_t)d->config->connections_max)
        return (verdict){1, text, LH_STR_NONE};
    return (verdict){0, text, LH_S("raise it (ulimit -n, LimitNOFILE=) for many connections")};
}

static const struct check {
    const char *name;
    verdict (*run)(lh_ctx *cx, const doctor *d);
} checks[] = {{"cpu", check_cpu},       {"memory", check_memory}, {"sandbox", check_sandbox},
              {"worker", check_worker}, {"model", check_model},   {"disk", check_disk},
              {"data", check_data},     {"limits", check_limits}};

static int print_json(lh_ctx *cx, const verdict *verdicts)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 1u << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    lh_jw_array_begin(&w);
    for (size_t i = 0; i < LH_ARRAY_LEN(checks); i++) {
        lh_jw_object_begin(&w);
        lh_jw_kv_str(&w, LH_S("check"), lh_str_from(checks[i].name));
        lh_jw_kv_bool(&w, LH_S("ok"), verdicts[i].ok);
        lh_jw_kv_str(&w, LH_S("found"), verdicts[i].text);
        lh_jw_kv_str(&w, LH_S("todo"), verdicts[i].todo);
        lh_jw_object_end(&w);
    }
    lh_jw_array_end(&w);
    if (lh_jw_end(&w) != LH_OK)
        return lh_cli_failed(cx);
    printf("%.*s\n", LH_STR_ARG(lh_buf_str(&json)));
    return LH_EXIT_DONE;
}

int lh_cmd_doctor(lh_ctx *cx, const lh_cli_args *args)
{
    lh_config config;
    verdict verdicts[LH_ARRAY_LEN(checks)];
    int warnings = 0;
    if (lh_serve_load_config(cx, args, &config) != LH_OK)
        return lh_cli_failed(cx);
    doctor d = {&config};
    for (size_t i = 0; i < LH_ARRAY_LEN(checks); i++) {
        verdicts[i] = checks[i].run(cx, &d);
        lh_err_clear(cx);
        warnings += !verdicts[i].ok;
    }
    if (lh_cli_has(args, "json"))
        return print_json(cx, verdicts);
    for (size_t i = 0; i < LH_ARRAY_LEN(checks); i++) {
        printf("%-8s %-8s %.*s\n", verdicts[i].ok ? "ok" : "warning", checks[i].name,
               LH_STR_ARG(verdicts[i].text));
        if (verdicts[i].todo.len > 0)
            printf("%18s-> %.*s\n", "", LH_STR_ARG(verdicts[i].todo));
    }
    printf(warnings ? "%d to look at\n" : "all well (%d warnings)\n", warnings);
    return LH_EXIT_DONE;
}
