/* jobs_test.c - the promises of jobs/jobs.h. */
#include "base/clock.h"
#include "jobs/jobs.h"
#include "os/thread.h"
#include "support/scratch.h"

/* A job that does what the test tells it: it takes steps and stops where the gate is closed. */
typedef struct gate {
    lh_mutex lock;
    lh_cond changed;
    int open_to; /* steps it may take */
    int at;      /* steps it took */
    int freed;
} gate;

static void gate_init(gate *g, int open_to)
{
    *g = (gate){.open_to = open_to};
    lh_mutex_init(&g->lock);
    lh_cond_init(&g->changed);
}

static void gate_open(gate *g, int to)
{
    LH_WITH_LOCK(&g->lock);
    g->open_to = to;
    lh_cond_broadcast(&g->changed);
}

static void gate_wait_at(gate *g, int at)
{
    LH_WITH_LOCK(&g->lock);
    while (g->at < at)
        lh_cond_wait(&g->changed, &g->lock);
}

enum { STEPS = 4 };

static lh_rc take_step(lh_ctx *cx, gate *g)
{
    LH_WITH_LOCK(&g->lock);
    while (g->open_to <= g->at) {
        LH_TRY(lh_ctx_check(cx));
        (void)lh_cond_wait_for(&g->changed, &g->lock, 5000);
    }
    g->at++;
    lh_cond_broadcast(&g->changed);
    return LH_OK;
}

static lh_rc step(lh_ctx *cx, lh_job *job, void *arg)
{
    lh_job_phase(job, "stepping", "steps", STEPS);
    for (int i = 0; i < STEPS; i++) {
        LH_TRY(take_step(cx, arg));
        lh_job_add(job, 1);
    }
    lh_job_result(job, LH_S("{\"steps\":4}"));
    return LH_OK;
}

static lh_rc fail_plainly(lh_ctx *cx, lh_job *job, void *arg)
{
    (void)job;
    (void)arg;
    LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "row 3 is odd"));
    LH_IGNORE(lh_err_field(cx, "rows[3]"));
    return lh_err_hint(cx, "Look at row 3.");
}

static void mark_freed(void *arg)
{
    gate *g = arg;
    LH_WITH_LOCK(&g->lock);
    g->freed++;
    lh_cond_broadcast(&g->changed);
}

static lh_jobs *open_jobs(lh_scratch *s, uint32_t threads, uint32_t queued, uint32_t remembered)
{
    lh_jobs *jobs = NULL;
    lh_jobs_options opts = {.threads = threads, .queued_max = queued, .remembered_max = remembered};
    ck_lh_ok(s, lh_jobs_open(&s->cx, &opts, &jobs));
    return jobs;
}

static lh_rc start(lh_scratch *s, lh_jobs *jobs, lh_rc (*run)(lh_ctx *, lh_job *, void *), gate *g,
                   lh_str *id)
{
    lh_job_spec spec = {
        .kind = LH_S("test"), .subject = LH_S("thing"), .run = run, .done = mark_freed, .arg = g};
    return lh_jobs_start(&s->cx, jobs, &spec, id);
}

LH_TEST(a_job_runs_to_its_end_and_is_remembered)
{
    lh_scratch s;
    gate g;
    lh_str id;
    lh_job_view view;
    lh_scratch_open(&s);
    gate_init(&g, STEPS);
    lh_jobs *jobs = open_jobs(&s, 1, 4, 4);
    ck_lh_ok(&s, start(&s, jobs, step, &g, &id));
    ck_assert_uint_eq(id.len, 20);
    ck_assert(lh_str_starts(id, LH_S("job-")));
    ck_lh_ok(&s, lh_jobs_wait_end(&s.cx, jobs, id, 30000, &view));
    ck_assert_int_eq(view.state, LH_JOB_DONE);
    ck_assert_uint_eq(view.done, STEPS);
    ck_assert_uint_eq(view.total, STEPS);
    ck_assert(lh_str_eq(view.unit, LH_S("steps")));
    ck_assert(lh_str_eq(view.subject, LH_S("thing")));
    ck_assert(lh_str_eq(view.result, LH_S("{\"steps\":4}")));
    ck_assert(view.created_at <= view.started_at && view.started_at <= view.ended_at);
    ck_assert_int_eq(view.eta_ms, -1);
    ck_assert(view.error.len == 0);
    ck_lh_ok(&s, lh_jobs_get(&s.cx, jobs, id, &view));
    ck_lh_fails(lh_jobs_cancel(&s.cx, jobs, id), LH_E_CONFLICT);
    ck_lh_fails(lh_jobs_get(&s.cx, jobs, LH_S("job-none"), &view), LH_E_NOT_FOUND);
    lh_jobs_close(jobs);
    ck_assert_int_eq(g.freed, 1);
    lh_scratch_close(&s);
}

LH_TEST(a_failure_becomes_the_jobs_error)
{
    lh_scratch s;
    gate g;
    lh_str id;
    lh_job_view view;
    lh_scratch_open(&s);
    gate_init(&g, 0);
    lh_jobs *jobs = open_jobs(&s, 1, 4, 4);
    ck_lh_ok(&s, start(&s, jobs, fail_plainly, &g, &id));
    ck_lh_ok(&s, lh_jobs_wait_end(&s.cx, jobs, id, 30000, &view));
    ck_assert_int_eq(view.state, LH_JOB_FAILED);
    const lh_json *error;
    ck_lh_ok(&s, lh_json_parse(&s.cx, view.error, 8, &error));
    ck_assert(lh_str_eq(lh_json_get_str(error, LH_S("code")), LH_S("unprocessable")));
    ck_assert(lh_str_eq(lh_json_get_str(error, LH_S("field")), LH_S("rows[3]")));
    ck_assert(lh_str_eq(lh_json_get_str(error, LH_S("request_id")), id));
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, 1 << 16);
    ck_lh_ok(&s, lh_record_append(&s.cx, &lh_job_record, &view, &out));
    const lh_json *job;
    ck_lh_ok(&s, lh_json_parse(&s.cx, lh_buf_str(&out), 8, &job));
    ck_assert(lh_str_eq(lh_json_get_str(job, LH_S("state")), LH_S("failed")));
    ck_assert_int_eq(lh_json_get(job, LH_S("result"))->kind, LH_JSON_NULL);
    lh_jobs_close(jobs);
    ck_assert_int_eq(g.freed, 1);
    lh_scratch_close(&s);
}

LH_TEST(progress_wakes_who_waits_for_it)
{
    lh_scratch s;
    gate g;
    lh_str id;
    lh_job_view view = {0};
    lh_scratch_open(&s);
    gate_init(&g, 0);
    lh_jobs *jobs = open_jobs(&s, 1, 4, 4);
    ck_lh_ok(&s, start(&s, jobs, step, &g, &id));
    s.cx.deadline_us = lh_clock_mono_us() + 30 * 1000000LL;
    for (int i = 1; i <= STEPS; i++) {
        gate_open(&g, i);
        while (view.done < (uint64_t)i && view.state <= LH_JOB_RUNNING) {
            uint64_t seen = view.version;
            ck_lh_ok(&s, lh_jobs_wait(&s.cx, jobs, id, seen, &view));
            ck_assert_uint_gt(view.version, seen);
        }
        ck_assert_uint_eq(view.done, (uint64_t)i);
    }
    while (view.state <= LH_JOB_RUNNING)
        ck_lh_ok(&s, lh_jobs_wait(&s.cx, jobs, id, view.version, &view));
    ck_lh_ok(&s, lh_jobs_wait(&s.cx, jobs, id, view.version, &view)); /* ended: no wait */
    lh_jobs_close(jobs);
    lh_scratch_close(&s);
}

LH_TEST(rate_and_time_left_follow_the_clock)
{
    lh_scratch s;
    gate g;
    lh_str id;
    lh_job_view view;
    lh_scratch_open(&s);
    gate_init(&g, 0);
    lh_clock_set_test(1000000, 1763733360000000);
    lh_jobs *jobs = open_jobs(&s, 1, 4, 4);
    ck_lh_ok(&s, start(&s, jobs, step, &g, &id));
    gate_open(&g, 1);
    do
        ck_lh_ok(&s, lh_jobs_get(&s.cx, jobs, id, &view));
    while (view.done < 1);
    lh_clock_advance_test(2000000);
    ck_lh_ok(&s, lh_jobs_get(&s.cx, jobs, id, &view));
    ck_assert(view.rate > 0.49 && view.rate < 0.51);
    ck_assert_int_eq(view.eta_ms, 6000);
    gate_open(&g, STEPS);
    do
        ck_lh_ok(&s, lh_jobs_get(&s.cx, jobs, id, &view));
    while (view.state <= LH_JOB_RUNNING);
    lh_clock_reset();
    lh_jobs_close(jobs);
    lh_scratch_close(&s);
}

LH_TEST(a_running_job_hears_the_cancel)
{
    lh_scratch s;
    gate g;
    lh_str id;
    lh_job_view view;
    lh_scratch_open(&s);
    gate_init(&g, 2);
    lh_jobs *jobs = open_jobs(&s, 1, 4, 4);
    ck_lh_ok(&s, start(&s, jobs, step, &g, &id));
    gate_wait_at(&g, 2);
    ck_lh_ok(&s, lh_jobs_cancel(&s.cx, jobs, id));
    ck_lh_ok(&s, lh_jobs_wait_end(&s.cx, jobs, id, 30000, &view));
    ck_assert_int_eq(view.state, LH_JOB_CANCELLED);
    lh_jobs_close(jobs);
    ck_assert_int_eq(g.freed, 1);
    lh_scratch_close(&s);
}

LH_TEST(a_queued_job_is_cancelled_without_running)
{
    lh_scratch s;
    gate first;
    gate second;
    lh_str ids[3];
    lh_job_view view;
    lh_scratch_open(&s);
    gate_init(&first, 1);
    gate_init(&second, STEPS);
    lh_jobs *jobs = open_jobs(&s, 1, 1, 4);
    ck_lh_ok(&s, start(&s, jobs, step, &first, &ids[0]));
    gate_wait_at(&first, 1);
    ck_lh_ok(&s, start(&s, jobs, step, &second, &ids[1]));
    ck_lh_fails(start(&s, jobs, step, &second, &ids[2]), LH_E_POOL_FULL);
    ck_assert_int_gt(s.cx.err.retry_after_s, 0);
    ck_assert_int_eq(second.freed, 0); /* what was refused is still the caller's */
    ck_lh_ok(&s, lh_jobs_cancel(&s.cx, jobs, ids[1]));
    ck_assert_int_eq(second.freed, 1);
    ck_lh_ok(&s, lh_jobs_get(&s.cx, jobs, ids[1], &view));
    ck_assert_int_eq(view.state, LH_JOB_CANCELLED);
    ck_assert_int_eq(second.at, 0);
    lh_jobs_close(jobs); /* cancels the first */
    ck_assert_int_eq(first.freed, 1);
    lh_scratch_close(&s);
}

LH_TEST(waits_end_at_their_limits)
{
    lh_scratch s;
    gate g;
    lh_str id;
    lh_job_view view;
    lh_scratch_open(&s);
    gate_init(&g, 1);
    lh_jobs *jobs = open_jobs(&s, 1, 4, 4);
    ck_lh_ok(&s, start(&s, jobs, step, &g, &id));
    gate_wait_at(&g, 1);
    ck_lh_ok(&s, lh_jobs_wait_end(&s.cx, jobs, id, 20, &view));
    ck_assert_int_eq(view.state, LH_JOB_RUNNING);
    lh_ctx cx;
    lh_cancel cancel = {0};
    lh_ctx_init(&cx, s.arena);
    cx.deadline_us = lh_clock_mono_us() + 20000;
    ck_lh_fails(lh_jobs_wait(&cx, jobs, id, UINT64_MAX, &view), LH_E_DEADLINE);
    cx.deadline_us = LH_NO_DEADLINE;
    cx.cancel = &cancel;
    lh_cancel_request(&cancel);
    ck_lh_fails(lh_jobs_wait(&cx, jobs, id, UINT64_MAX, &view), LH_E_CANCELLED);
    ck_lh_fails(lh_jobs_wait_end(&cx, jobs, id, 30000, &view), LH_E_CANCELLED);
    lh_jobs_close(jobs);
    lh_scratch_close(&s);
}

LH_TEST(only_so_many_ended_jobs_are_remembered)
{
    lh_scratch s;
    gate g;
    lh_str ids[5];
    lh_job_view view;
    lh_scratch_open(&s);
    gate_init(&g, 100);
    lh_jobs *jobs = open_jobs(&s, 1, 8, 3);
    for (int i = 0; i < 5; i++) {
        ck_lh_ok(&s, start(&s, jobs, fail_plainly, &g, &ids[i]));
        ck_lh_ok(&s, lh_jobs_wait_end(&s.cx, jobs, ids[i], 30000, &view));
    }
    ck_lh_fails(lh_jobs_get(&s.cx, jobs, ids[0], &view), LH_E_NOT_FOUND);
    ck_lh_fails(lh_jobs_get(&s.cx, jobs, ids[1], &view), LH_E_NOT_FOUND);
    lh_jobs_page page;
    lh_jobs_query query = {.limit = 2};
    ck_lh_ok(&s, lh_jobs_list(&s.cx, jobs, &query, &page));
    ck_assert(page.count == 2 && page.more);
    ck_assert(lh_str_eq(page.views[0].job_id, ids[4]) && lh_str_eq(page.views[1].job_id, ids[3]));
    query = (lh_jobs_query){.kind = LH_S("test"), .after = ids[3], .limit = 2};
    ck_lh_ok(&s, lh_jobs_list(&s.cx, jobs, &query, &page));
    ck_assert(page.count == 1 && !page.more && lh_str_eq(page.views[0].job_id, ids[2]));
    query = (lh_jobs_query){.kind = LH_S("other")};
    ck_lh_ok(&s, lh_jobs_list(&s.cx, jobs, &query, &page));
    ck_assert(page.count == 0 && !page.more);
    lh_jobs_close(jobs);
    ck_assert_int_eq(g.freed, 5);
    lh_scratch_close(&s);
}

enum { STARTERS = 4, JOBS_EACH = 25 };

typedef struct starter {
    lh_jobs *jobs;
    gate *g;
    int failed;
    int ended;
} starter;

static void start_many(void *arg)
{
    starter *me = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    for (int i = 0; i < JOBS_EACH; i++) {
        lh_job_spec spec = {.kind = LH_S("test"),
                            .subject = LH_S("x"),
                            .run = step,
                            .done = mark_freed,
                            .arg = me->g};
        lh_str id;
        lh_job_view view;
        if (lh_jobs_start(&cx, me->jobs, &spec, &id) != LH_OK) {
            me->failed++;
            continue;
        }
        if (i % 3 == 0)
            LH_IGNORE(lh_jobs_cancel(&cx, me->jobs, id)); /* may have ended */
        if (lh_jobs_wait_end(&cx, me->jobs, id, 60000, &view) == LH_OK &&
            view.state > LH_JOB_RUNNING)
            me->ended++;
    }
    lh_arena_free(arena);
}

LH_TEST(many_threads_start_cancel_and_wait)
{
    lh_scratch s;
    gate g;
    starter starters[STARTERS];
    lh_thread *threads[STARTERS];
    lh_scratch_open(&s);
    gate_init(&g, 1000000);
    lh_jobs *jobs = open_jobs(&s, 2, 64, 1000);
    for (int i = 0; i < STARTERS; i++) {
        starters[i] = (starter){.jobs = jobs, .g = &g};
        ck_lh_ok(&s, lh_thread_start(&s.cx, "starter", 0, start_many, &starters[i], &threads[i]));
    }
    for (int i = 0; i < STARTERS; i++) {
        lh_thread_join(threads[i]);
        ck_assert_int_eq(starters[i].failed, 0);
        ck_assert_int_eq(starters[i].ended, JOBS_EACH);
    }
    lh_jobs_close(jobs);
    ck_assert_int_eq(g.freed, STARTERS * JOBS_EACH);
    lh_scratch_close(&s);
}
