/* cli/cmd_demo.c - `lakehouse demo`, and the loading of the demo by `serve --demo`. */
#include "base/clock.h"
#include "base/num.h"
#include "cli/client.h"
#include "cli/demo.h"
#include "cli/serve_private.h"

#include <stdio.h>

#define DEMO_SERVE_SCALE 0.05
#define INGEST_WAIT_MS   (600 * 1000)

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    lh_cli_bar(arg, done, total, "rows");
}

int lh_cmd_demo(lh_ctx *cx, const lh_cli_args *args)
{
    const char *scale = lh_cli_get(args, "scale");
    const char *seed = lh_cli_get(args, "seed");
    const char *dir = lh_cli_get(args, "dir");
    char label[] = "writing";
    lh_demo_options opts = {.scale = 1, .on_progress = show_progress, .arg = label};
    if (args->rest_count > 0)
        return lh_cli_usage(NULL, "demo takes no words, only options");
    if (scale && !lh_parse_f64(lh_str_from(scale), &opts.scale))
        return lh_cli_usage(NULL, "--scale '%s' is not a number", scale);
    if (seed && !lh_parse_u64(lh_str_from(seed), &opts.seed))
        return lh_cli_usage(NULL, "--seed '%s' is not a number", seed);
    int64_t began_us = lh_clock_mono_us();
    lh_rc rc = lh_demo_write(cx, lh_str_from(dir ? dir : "demo"), &opts);
    lh_cli_bar_end();
    if (rc != LH_OK)
        return lh_cli_failed(cx);
    uint64_t total = 0;
    for (int t = 0; t < LH_DEMO_TABLE_COUNT; t++) {
        uint64_t rows = lh_demo_rows((lh_demo_table)t, opts.scale);
        printf("%-12s %10llu rows\n", lh_demo_table_names[t], (unsigned long long)rows);
        total += rows;
    }
    double seconds = (double)(lh_clock_mono_us() - began_us) / 1e6;
    printf("%-12s %10llu rows in %.2f s, in %s/\n", "all", (unsigned long long)total, seconds,
           dir ? dir : "demo");
    return LH_EXIT_DONE;
}

/* ---- serve --demo ---- */

static lh_rc load_table(lh_ctx *cx, serving *s, lh_str dir, const char *name)
{
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    lh_ingest_request request = {.dataset = lh_str_from(name),
                                 .file_name = lh_ctx_fmt(cx, "%s.csv", name),
                                 .source_system = LH_S("demo"),
                                 .principal = cx->principal,
                                 .actor = LH_S("demo")};
    LH_TRY(lh_record_defaults(cx, &lh_ingest_options_record, &request.options));
    LH_TRY(lh_ingest_stage_file(cx, s->app.ingest, lh_path_join(cx, dir, request.file_name),
                                &staged, &request.sha256));
    lh_str job_id;
    lh_job_view view;
    LH_TRY(lh_ingest_start(cx, s->app.ingest, staged, &request, &job_id));
    LH_IGNORE(LH_TAKE(staged));
    LH_TRY(lh_jobs_wait_end(cx, s->app.jobs, job_id, INGEST_WAIT_MS, &view));
    if (view.state == LH_JOB_DONE)
        return LH_OK;
    return lh_job_view_error(cx, &view);
}

static lh_rc load_all(lh_ctx *cx, serving *s)
{
    lh_str dir = lh_path_join(cx, s->root, LH_S(".lakehouse/demo"));
    lh_demo_options opts = {.scale = DEMO_SERVE_SCALE};
    lh_cli_say("  Loading the demo data (scale %g) ...", DEMO_SERVE_SCALE);
    LH_TRY(lh_demo_write(cx, dir, &opts));
    for (int t = 0; t < LH_DEMO_TABLE_COUNT; t++) {
        LH_TRY(load_table(cx, s, dir, lh_demo_table_names[t]));
        lh_cli_say("    %-12s %8llu rows", lh_demo_table_names[t],
                   (unsigned long long)lh_demo_rows((lh_demo_table)t, opts.scale));
    }
    LH_TRY(lh_dir_remove_all(cx, dir));
    lh_str address = lh_server_address(s->server);
    lh_cli_say(
        "\n  Five things to try:\n"
        "    open http://%.*s\n"
        "    lakehouse sql \"SELECT role, count(*) AS orders FROM job_orders GROUP BY ALL ORDER BY "
        "2 DESC LIMIT 5\"\n"
        "    lakehouse sql \"SELECT c.name, sum(t.billed_amount) AS billed FROM timesheets t JOIN "
        "placements p USING "
        "(placement_id) JOIN clients c USING (client_id) GROUP BY ALL ORDER BY 2 DESC LIMIT 5\"\n"
        "    lakehouse index candidates --text resume_text --id candidate_id\n"
        "    lakehouse search candidates_resume_text \"night shift forklift driver near Chicago\"\n"
        "  (the program is build/release/bin/lakehouse)\n",
        LH_STR_ARG(address));
    return LH_OK;
}

static void demo_thread(void *arg)
{
    serving *s = arg;
    lh_arena *arena = lh_arena_new(0);
    if (!arena)
        return;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    cx.cancel = &s->demo_cancel;
    cx.principal = lh_policy_local_owner(s->app.policy);
    if (load_all(&cx, s) != LH_OK && cx.err.rc != LH_E_CANCELLED)
        lh_cli_failed(&cx);
    lh_arena_free(arena);
}

void lh_serve_start_demo(lh_ctx *cx, serving *s)
{
    if (lh_catalog_count(s->app.catalog) > 0)
        return;
    if (lh_thread_start(cx, "lh-demo", 0, demo_thread, s, &s->demo) != LH_OK)
        lh_cli_failed(cx);
}

void lh_serve_stop_demo(serving *s)
{
    lh_cancel_request(&s->demo_cancel);
    s->demo = lh_thread_join(s->demo);
}
