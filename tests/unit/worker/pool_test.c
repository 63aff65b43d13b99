/* pool_test.c - the promises of the pool, against the real lakehouse-worker. links: os base
 * programs */
#include "support/test_pool.h"
#include "support/unit.h"

#include "base/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "os/thread.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define ENDLESS                                                                                    \
    "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE a.i + b.j = 3"
#define DEAF                                                                                       \
    "SELECT max(levenshtein(repeat('ab', 30000), repeat('ba', 30000 + i::INT))) FROM range(1000) " \
    "t(i)"
#define SECOND INT64_C(1000000)

static lh_rc ask(lh_test_pool *t, const char *sql)
{
    lh_test_query query = {.sql = lh_str_from(sql)};
    return lh_test_sql(&t->cx, t->pool, &query, NULL);
}

static lh_rc ask_within(lh_test_pool *t, const char *sql, int64_t us)
{
    int64_t whole_us = t->cx.deadline_us;
    t->cx.deadline_us = lh_clock_mono_us() + us;
    lh_rc rc = ask(t, sql);
    t->cx.deadline_us = whole_us;
    return rc;
}

static lh_pool_stats stats(lh_test_pool *t)
{
    lh_pool_stats s;
    lh_pool_get_stats(t->pool, LH_WORKER_SQL, &s);
    return s;
}

#define ck_assert_rc(t, rc, wanted)                                                                \
    do {                                                                                           \
        lh_rc got_ = (rc);                                                                         \
        ck_assert_msg(got_ == (wanted), "%s: %s", lh_rc_code(got_),                                \
                      got_ == LH_OK ? "" : (t)->cx.err.message);                                   \
    } while (0)

LH_TEST(first_answer_comes_from_a_cold_pool)
{
    lh_test_pool t;
    lh_test_pool_open(&t, NULL);
    LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
    lh_test_query query = {.sql = LH_S("SELECT 42 AS answer, 'x' AS text")};
    ck_assert_rc(&t, lh_test_sql(&t.cx, t.pool, &query, &answer), LH_OK);
    lh_str wanted = LH_S("{\"answer\":42,\"text\":\"x\"}");
    ck_assert(lh_str_eq(lh_buf_str(&answer.body), wanted));
    ck_assert_uint_eq(answer.done.rows, 1);
    ck_assert_uint_eq(answer.columns_count, 2);
    ck_assert(lh_str_eq(answer.columns[1].type, LH_S("VARCHAR")));
    lh_test_pool_close(&t);
}

LH_TEST(worker_of_a_domain_is_used_again)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    for (int i = 0; i < 20; i++)
        ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    ck_assert_uint_eq(stats(&t).started, 1);
    lh_test_pool_close(&t);
}

LH_TEST(full_pool_gives_the_place_of_an_idle_domain_to_another)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    static const char *const domains[] = {"a", "b", "a"};
    for (size_t i = 0; i < LH_ARRAY_LEN(domains); i++) {
        lh_test_query query = {.sql = LH_S("SELECT 1"), .domain = domains[i]};
        ck_assert_rc(&t, lh_test_sql(&t.cx, t.pool, &query, NULL), LH_OK);
    }
    ck_assert_uint_eq(stats(&t).started, 3);
    lh_test_pool_close(&t);
}

LH_TEST(task_limit_gives_every_task_a_fresh_process)
{
    lh_test_pool t;
    lh_test_pool_open(&t,
                      &(lh_worker_limits){.workers_max = 1, .queue_max = 1, .tasks_per_life = 1});
    for (int i = 0; i < 3; i++)
        ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    ck_assert_uint_eq(stats(&t).started, 3);
    ck_assert_uint_eq(stats(&t).crashed, 0);
    lh_test_pool_close(&t);
}

LH_TEST(deadline_stops_a_query_that_obeys_and_keeps_the_worker)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    int64_t begin_us = lh_clock_mono_us();
    ck_assert_rc(&t, ask_within(&t, ENDLESS, SECOND / 2), LH_E_DEADLINE);
    ck_assert_int_lt(lh_clock_mono_us() - begin_us, SECOND / 2 + SECOND);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    lh_test_pool_close(&t);
}

LH_TEST(deadline_kills_a_query_that_is_deaf_and_the_next_one_works)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    int64_t begin_us = lh_clock_mono_us();
    ck_assert_rc(&t, ask_within(&t, DEAF, 2 * SECOND), LH_E_DEADLINE);
    ck_assert_int_lt(lh_clock_mono_us() - begin_us, 2 * SECOND + SECOND);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    lh_test_pool_close(&t);
}

typedef struct canceller {
    lh_test_pool *t;
    lh_cancel cancel;
    int action; /* 0 = cancel flag, 9 = kill the worker */
} canceller;

static pid_t worker_pid(void);

/* Acts once the worker is busy with a statement. */
static void act_when_busy(void *arg)
{
    canceller *c = arg;
    while (stats(c->t).busy == 0)
        usleep(1000);
    usleep(50000); /* into the statement; earlier would be right as well, only less telling */
    if (c->action == 0)
        lh_cancel_request(&c->cancel);
    else
        kill(worker_pid(), c->action);
}

static lh_rc ask_disturbed(lh_test_pool *t, const char *sql, int action)
{
    canceller c = {.t = t, .action = action};
    lh_thread *thread;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx own;
    lh_ctx_init_child(&own, arena, &t->cx);
    ck_assert_int_eq(lh_thread_start(&own, "disturb", 0, act_when_busy, &c, &thread), LH_OK);
    t->cx.cancel = &c.cancel;
    lh_rc rc = ask(t, sql);
    t->cx.cancel = NULL;
    lh_thread_join(thread);
    lh_arena_free(arena);
    return rc;
}

/* The SQL worker among all processes: named by the program, descendant of this test. */
static pid_t worker_pid(void)
{
    char path[64];
    pid_t found = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        char name[32] = {0};
        char comm[280];
        (void)snprintf(comm, sizeof(comm), "/proc/%s/comm", e->d_name);
        FILE *file = fopen(comm, "r");
        if (file == NULL)
            continue;
        size_t got = fread(name, 1, sizeof(name) - 1, file);
        (void)fclose(file);
        if (got == 0 || strcmp(name, "lh-sql\n") != 0)
            continue;
        int pid = 0, ppid = 0, grand = 0;
        (void)sscanf(e->d_name, "%d", &pid);
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        file = fopen(path, "r");
        if (file == NULL || fscanf(file, "%*d %*s %*c %d", &ppid) != 1)
            ppid = 0;
        if (file != NULL)
            (void)fclose(file);
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", ppid);
        file = fopen(path, "r");
        if (file == NULL || fscanf(file, "%*d %*s %*c %d", &grand) != 1)
            grand = 0;
        if (file != NULL)
            (void)fclose(file);
        if (grand == getpid())
            found = pid;
    }
    closedir(folder);
    return found;
}

LH_TEST(cancel_stops_a_query)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    int64_t begin_us = lh_clock_mono_us();
    ck_assert_rc(&t, ask_disturbed(&t, ENDLESS, 0), LH_E_CANCELLED);
    ck_assert_int_lt(lh_clock_mono_us() - begin_us, 2 * SECOND);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    lh_test_pool_close(&t);
}

LH_TEST(killed_worker_fails_one_request)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    ck_assert_rc(&t, ask_disturbed(&t, ENDLESS, SIGKILL), LH_E_WORKER_CRASHED);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    ck_assert_rc(&t, ask_disturbed(&t, ENDLESS, SIGSEGV), LH_E_WORKER_CRASHED);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    ck_assert_uint_eq(stats(&t).crashed, 2);
    lh_test_pool_close(&t);
}

LH_TEST(worker_killed_while_idle_fails_no_request)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    for (int i = 0; i < 5; i++) {
        ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
        pid_t pid = worker_pid();
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        while (kill(pid, 0) == 0)
            usleep(1000);
    }
    lh_test_pool_close(&t);
}

LH_TEST(dead_zygote_is_replaced)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 4});
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    pid_t pid = worker_pid();
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    int zygote = 0;
    ck_assert_int_eq(fscanf(file, "%*d %*s %*c %d", &zygote), 1);
    (void)fclose(file);
    ck_assert_int_eq(kill(zygote, SIGKILL), 0);
    while (kill(pid, 0) == 0) /* the worker dies with its zygote */
        usleep(1000);
    ck_assert_rc(&t, ask_within(&t, "SELECT 1", 20 * SECOND), LH_OK);
    lh_test_pool_close(&t);
}

/* A server of its own: opens a pool, tells which worker it has, waits to be killed. */
static void be_a_server(int tell)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 4});
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    pid_t pid = worker_pid();
    ck_assert_int_eq(write(tell, &pid, sizeof(pid)), sizeof(pid));
    ck_assert_int_eq(write(tell, t.root, sizeof(t.root)), sizeof(t.root));
    LH_IGNORE(ask(&t, ENDLESS));
}

LH_TEST(nobody_survives_a_killed_server)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t server = fork();
    if (server == 0) {
        be_a_server(ends[1]);
        _exit(1);
    }
    pid_t worker = 0;
    char root[sizeof(((lh_test_pool *)NULL)->root)];
    ck_assert_int_eq(read(ends[0], &worker, sizeof(worker)), sizeof(worker));
    ck_assert_int_eq(read(ends[0], root, sizeof(root)), sizeof(root));
    ck_assert_int_eq(kill(server, SIGKILL), 0);
    int64_t until_us = lh_clock_mono_us() + 10 * SECOND;
    while (kill(worker, 0) == 0 && lh_clock_mono_us() < until_us)
        usleep(1000);
    ck_assert_int_ne(kill(worker, 0), 0);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    LH_IGNORE(lh_dir_remove_all(&cx, lh_str_from(root)));
}

LH_TEST(full_queue_is_said_at_once)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 0});
    lh_lease *lease;
    ck_assert_rc(&t, lh_pool_lease(&t.cx, t.pool, LH_WORKER_SQL, LH_S("a"), &lease), LH_OK);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_E_POOL_FULL);
    ck_assert_int_gt(t.cx.err.retry_after_s, 0);
    lh_lease_release(lease);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    lh_test_pool_close(&t);
}

LH_TEST(waiting_in_line_ends_at_the_deadline)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    lh_lease *lease;
    ck_assert_rc(&t, lh_pool_lease(&t.cx, t.pool, LH_WORKER_SQL, LH_S("a"), &lease), LH_OK);
    ck_assert_rc(&t, ask_within(&t, "SELECT 1", SECOND / 10), LH_E_DEADLINE);
    ck_assert_uint_eq(stats(&t).queued, 0);
    lh_lease_release(lease);
    lh_test_pool_close(&t);
}

LH_TEST(query_over_its_memory_fails_alone)
{
    lh_test_pool t;
    lh_test_pool_open(
        &t,
        &(lh_worker_limits){.workers_max = 1, .queue_max = 1, .memory_bytes = UINT64_C(600) << 20});
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    ck_assert_rc(&t,
                 ask(&t,
                     "SELECT sum(length(s)) FROM (SELECT string_agg(repeat('x', 1000000), '') AS s "
                     "FROM range(4000))"),
                 LH_E_MEMORY_LIMIT);
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    lh_test_pool_close(&t);
}

/* What an engine or an allocator keeps of earlier statements is not the next one's fault. */
LH_TEST(small_queries_do_not_pay_for_what_earlier_ones_left_behind)
{
    lh_test_pool t;
    lh_test_pool_open(
        &t,
        &(lh_worker_limits){.workers_max = 1, .queue_max = 1, .memory_bytes = UINT64_C(320) << 20});
    for (int i = 0; i < 30; i++)
        ck_assert_rc(&t, ask(&t, "SELECT list(range(i)) FROM range(1000) t(i)"), LH_OK);
    lh_test_pool_close(&t);
}

LH_TEST(missing_program_is_unavailable_with_advice)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    cx.deadline_us = lh_clock_mono_us() + 10 * SECOND;
    lh_pool_options opts = {.worker_path = LH_S("/nonexistent/lakehouse-worker")};
    opts.kinds[LH_WORKER_SQL] = (lh_worker_limits){.workers_max = 1, .queue_max = 1};
    lh_pool *pool;
    ck_assert_int_eq(lh_pool_open(&cx, &opts, &pool), LH_OK);
    lh_lease *lease;
    lh_rc rc = lh_pool_lease(&cx, pool, LH_WORKER_SQL, LH_S("a"), &lease);
    ck_assert_msg(rc == LH_E_UNAVAILABLE || rc == LH_E_WORKER_CRASHED, "%s", cx.err.message);
    rc = lh_pool_lease(&cx, pool, LH_WORKER_SQL, LH_S("a"), &lease);
    ck_assert_int_eq(rc, LH_E_UNAVAILABLE);
    ck_assert_str_ne(cx.err.hint, "");
    lh_pool_close(pool);
}

LH_TEST(release_in_the_middle_of_a_task_gives_a_working_pool)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 1, .queue_max = 1});
    for (int i = 0; i < 3; i++) {
        lh_lease *lease;
        ck_assert_rc(&t, lh_pool_lease(&t.cx, t.pool, LH_WORKER_SQL, LH_S("test"), &lease), LH_OK);
        lh_str task =
            LH_S("{\"sql\":\"SELECT i, repeat('x', 1000) AS x FROM range(100000000) t(i)\"}");
        ck_assert_rc(&t, lh_lease_task(&t.cx, lease, task, NULL, 0), LH_OK);
        lh_frame frame;
        ck_assert_rc(&t, lh_lease_read(&t.cx, lease, &frame), LH_OK);
        lh_lease_release(lease);
    }
    ck_assert_rc(&t, ask(&t, "SELECT 1"), LH_OK);
    ck_assert_uint_eq(stats(&t).busy, 0);
    lh_test_pool_close(&t);
}

typedef struct crowd {
    lh_test_pool *t;
    _Atomic int good;
} crowd;

static void one_of_many(void *arg)
{
    crowd *c = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init_child(&cx, arena, &c->t->cx);
    for (int i = 0; i < 10; i++) {
        lh_test_query query = {.sql = LH_S("SELECT sum(i) FROM range(1000) t(i)"),
                               .domain = i % 3 == 0 ? "x" : "y"};
        if (lh_test_sql(&cx, c->t->pool, &query, NULL) == LH_OK)
            c->good++;
    }
    lh_arena_free(arena);
}

LH_TEST(many_threads_share_few_workers)
{
    lh_test_pool t;
    lh_test_pool_open(&t, &(lh_worker_limits){.workers_max = 2, .queue_max = 64});
    crowd c = {.t = &t};
    lh_thread *threads[8];
    for (size_t i = 0; i < LH_ARRAY_LEN(threads); i++)
        ck_assert_int_eq(lh_thread_start(&t.cx, "crowd", 1024 * 1024, one_of_many, &c, &threads[i]),
                         LH_OK);
    for (size_t i = 0; i < LH_ARRAY_LEN(threads); i++)
        lh_thread_join(threads[i]);
    ck_assert_int_eq(c.good, 80);
    ck_assert_uint_le(stats(&t).workers, 2);
    ck_assert_uint_eq(stats(&t).queued, 0);
    lh_test_pool_close(&t);
}
