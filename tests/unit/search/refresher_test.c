/* Refreshes are due when the policy says so, by the test's clock; never for a dataset that was
 * never embedded, and after a failure not at once. */
#include "search/refresher.h"

#include "base/clock.h"
#include "unit/catalog/catalog_fixture.h"

#define MINUTE (INT64_C(60) * 1000000)

static int64_t at(const char *text)
{
    int64_t us;
    ck_assert(lh_time_parse(lh_str_from(text), &us));
    return us;
}

LH_TEST(due_is_what_policy_and_state_say)
{
    lh_scratch s;
    lh_scratch_open(&s);
    int64_t embedded = at("2026-11-21T10:00:00Z");
    int64_t stale = at("2026-11-21T10:30:30Z");
    const struct {
        lh_embedding_state state;
        int64_t due_us;
    } cases[] = {
        {{embedded, stale, LH_REFRESH_MANUAL, LH_S_INIT("")}, INT64_MAX},
        {{embedded, stale, LH_REFRESH_ON_APPEND, LH_S_INIT("")}, 0},
        {{embedded, 0, LH_REFRESH_ON_APPEND, LH_S_INIT("")}, INT64_MAX},
        {{0, stale, LH_REFRESH_ON_APPEND, LH_S_INIT("")}, INT64_MAX}, /* never embedded */
        {{embedded, stale, LH_REFRESH_SCHEDULED, LH_S_INIT("0 * * * *")},
         at("2026-11-21T11:00:00Z")},
        {{embedded, 0, LH_REFRESH_SCHEDULED, LH_S_INIT("0 * * * *")}, INT64_MAX},
        {{0, stale, LH_REFRESH_SCHEDULED, LH_S_INIT("* * * * *")}, INT64_MAX},
        /* a line of another hand harms nobody */
        {{embedded, stale, LH_REFRESH_SCHEDULED, LH_S_INIT("soon")}, INT64_MAX},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++)
        ck_assert_msg(lh_refresh_due_us(&s.cx, &cases[i].state) == cases[i].due_us, "case %zu", i);
    lh_scratch_close(&s);
}

typedef struct policy_arg {
    int policy;
    lh_str schedule;
    int64_t stale_us;
} policy_arg;

static lh_rc build_policy(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    const policy_arg *a = arg;
    (void)parent;
    lh_column column = {.name = LH_S("id"), .type = LH_S("BIGINT")};
    int32_t schema;
    LH_TRY(lh_manifest_evolve(cx, next, &column, 1, &schema));
    next->operation = LH_S("metadata");
    next->embedding.last_embedded_at = a->stale_us > 0 ? a->stale_us - MINUTE : 0;
    next->embedding.embedding_stale_since = a->stale_us;
    next->embedding.embedding_refresh_policy = a->policy;
    next->embedding.schedule = a->schedule;
    return LH_OK;
}

static void set_policy(fixture *f, const char *name, policy_arg arg)
{
    ck_lh_ok(&f->s,
             lh_catalog_commit(&f->s.cx, f->catalog, lh_str_from(name), build_policy, &arg, NULL));
}

typedef struct clocked {
    fixture f;
    lh_search *search;
    lh_refresher *refresher;
} clocked;

static void clocked_open(clocked *c)
{
    fixture_open(&c->f);
    lh_search_parts parts = {.catalog = c->f.catalog};
    ck_lh_ok(&c->f.s, lh_search_open(&c->f.s.cx, &parts, &c->search));
    lh_refresher_options opts = {.search = c->search, .manual = 1};
    ck_lh_ok(&c->f.s, lh_refresher_open(&c->f.s.cx, &opts, &c->refresher));
}

static void clocked_close(clocked *c)
{
    lh_refresher_close(c->refresher);
    lh_search_close(c->search);
    fixture_close(&c->f);
}

static int64_t tick(clocked *c, int64_t now_us)
{
    size_t started;
    int64_t next_us;
    lh_refresher_tick(c->refresher, now_us, &started, &next_us);
    return next_us;
}

LH_TEST(a_schedule_is_waited_for_and_a_missed_one_is_made_up_for_once)
{
    clocked c;
    clocked_open(&c);
    int64_t stale = at("2026-11-21T10:30:30Z");
    ck_assert_int_eq(tick(&c, stale), INT64_MAX);
    set_policy(&c.f, "d", (policy_arg){LH_REFRESH_SCHEDULED, LH_S("0 * * * *"), stale});
    int64_t due = at("2026-11-21T11:00:00Z");
    ck_assert_int_eq(tick(&c, stale), due);
    ck_assert_int_eq(tick(&c, due - 1), due);
    /* days later, as after a long stop: due at once, then it pauses because nothing came of it */
    int64_t late = due + 72 * 60 * MINUTE;
    int64_t next = tick(&c, late);
    ck_assert_int_gt(next, late);
    ck_assert_int_le(next, late + MINUTE);
    clocked_close(&c);
}

LH_TEST(what_fails_is_tried_again_after_a_pause_that_grows_and_ends)
{
    clocked c;
    clocked_open(&c);
    int64_t now = at("2026-11-21T10:00:00Z");
    set_policy(&c.f, "d", (policy_arg){LH_REFRESH_ON_APPEND, LH_S(""), now});
    int64_t pause = 0;
    for (int i = 0; i < 20; i++) {
        int64_t next = tick(&c, now);
        ck_assert_int_ge(next - now, pause);
        ck_assert_int_eq(tick(&c, next - 1), next); /* not before */
        pause = next - now;
        now = next;
    }
    ck_assert_int_eq(pause, 60 * MINUTE);
    /* it was brought up to date meanwhile: the next change is due at once */
    set_policy(&c.f, "d", (policy_arg){LH_REFRESH_ON_APPEND, LH_S(""), 0});
    ck_assert_int_eq(tick(&c, now), INT64_MAX);
    set_policy(&c.f, "d", (policy_arg){LH_REFRESH_ON_APPEND, LH_S(""), now});
    int64_t next = tick(&c, now);
    ck_assert_int_lt(next - now, MINUTE);
    clocked_close(&c);
}

LH_TEST(manual_and_never_embedded_datasets_are_left_alone)
{
    clocked c;
    clocked_open(&c);
    int64_t now = at("2026-11-21T10:00:00Z");
    set_policy(&c.f, "a", (policy_arg){LH_REFRESH_MANUAL, LH_S(""), now});
    set_policy(&c.f, "b", (policy_arg){LH_REFRESH_ON_APPEND, LH_S(""), 0});
    set_policy(&c.f, "c", (policy_arg){LH_REFRESH_SCHEDULED, LH_S("* * * * *"), 0});
    ck_assert_int_eq(tick(&c, now + 60 * MINUTE), INT64_MAX);
    clocked_close(&c);
}
