/* gate_cases_test.c - a sample of tests/golden/sql_gate through a real worker. links: worker os
 * base
 *
 * All of them go through a whole server in tests/golden/test_sql_gate.py, which is nearer to life
 * and quicker; here one in SAMPLE_EVERY of each file shows a break at the worker itself. A refused
 * statement must be refused with its code, a legal one must run, and one that would eat memory or
 * time must be ended by some limit; after each of the last kind the next statement must work. */
#include "support/sql_cases.h"
#include "support/test_pool.h"
#include "support/unit.h"

#include "base/clock.h"

#include <stdio.h>

#define CASE_US      1500000 /* a statement that runs too long is stopped here */
#define CONTAINED_US 400000
#define LATE_US      3000000 /* of a busy machine; an idle one needs a tenth */
#define SAMPLE_EVERY 10

static const lh_test_view views[] = {
    {"candidates", "1",
     "SELECT i::INT AS id, 'n' || i AS nm, (i * 10)::INT AS sal, CASE i % 2 WHEN 0 THEN 'Berlin' "
     "ELSE 'Paris' END AS city, "
     "DATE '2024-01-01' + i::INT AS day FROM range(20) t(i)"},
    {"jobs", "1", "SELECT i::INT AS id, 't' || i AS title FROM range(5) t(i)"},
    {0},
};

static int contained(lh_rc rc)
{
    return rc == LH_E_SQL_DENIED || rc == LH_E_SQL_SYNTAX || rc == LH_E_SQL_INVALID ||
           rc == LH_E_MEMORY_LIMIT || rc == LH_E_DEADLINE || rc == LH_E_WORKER_CRASHED ||
           rc == LH_E_NO_SPACE || rc == LH_E_TOO_LARGE;
}

static lh_rc run_one(lh_test_pool *t, lh_str sql, int64_t us)
{
    lh_test_query query = {.sql = sql, .views = views, .limit = 1000};
    lh_ctx cx;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    cx.deadline_us = lh_clock_mono_us() + us;
    lh_rc rc = lh_test_sql(&cx, t->pool, &query, NULL);
    t->cx.err = cx.err;
    return rc;
}

static int check_contained(lh_test_pool *t, const lh_sql_case *c)
{
    int64_t begin_us = lh_clock_mono_us();
    lh_rc rc = run_one(t, c->sql, CONTAINED_US);
    int64_t took_us = lh_clock_mono_us() - begin_us;
    int good = contained(rc) && took_us < CONTAINED_US + LATE_US;
    if (!good)
        fprintf(stderr, "line %d: [%.*s] gave %s after %lld ms\n", c->line, LH_STR_ARG(c->why),
                lh_rc_code(rc), (long long)(took_us / 1000));
    lh_rc next = run_one(t, LH_S("SELECT count(*) FROM candidates"), 30000000);
    if (next != LH_OK)
        fprintf(stderr, "line %d: [%.*s] the next statement: %s: %s\n", c->line, LH_STR_ARG(c->why),
                lh_rc_code(next), t->cx.err.message);
    return good && next == LH_OK;
}

static int check_code(lh_test_pool *t, const lh_sql_case *c)
{
    lh_rc rc = run_one(t, c->sql, CASE_US);
    if (lh_str_eq(lh_str_from(lh_rc_code(rc)), c->expected))
        return 1;
    fprintf(stderr, "line %d: [%.*s] expected %.*s, got %s: %s\n", c->line, LH_STR_ARG(c->why),
            LH_STR_ARG(c->expected), lh_rc_code(rc), rc == LH_OK ? "" : t->cx.err.message);
    return 0;
}

static void check_file(const char *name)
{
    lh_test_pool t;
    lh_test_pool_open(
        &t,
        &(lh_worker_limits){.workers_max = 2, .queue_max = 4, .memory_bytes = UINT64_C(700) << 20});
    ck_assert_msg(run_one(&t, LH_S("SELECT 1"), 30000000) == LH_OK, "%s", t.cx.err.message);
    lh_sql_case *cases;
    size_t count = lh_sql_cases_read(&t.cx, name, &cases);
    ck_assert_uint_gt(count, 0);
    size_t bad = 0;
    for (size_t i = 0; i < count; i += SAMPLE_EVERY) {
        int good = lh_str_eq(cases[i].expected, LH_S("contained")) ? check_contained(&t, &cases[i])
                                                                   : check_code(&t, &cases[i]);
        bad += !good;
    }
    lh_test_pool_close(&t);
    ck_assert_msg(bad == 0, "%zu cases of %s", bad, name);
}

LH_TEST(statements_from_research_are_refused)
{
    check_file("10_research.case");
}

LH_TEST(statements_that_eat_are_contained)
{
    check_file("20_contained.case");
}

LH_TEST(further_attempts_are_refused)
{
    check_file("30_more.case");
}

LH_TEST(legal_statements_run)
{
    check_file("40_legal.case");
}
