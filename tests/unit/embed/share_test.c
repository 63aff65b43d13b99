#include "embed/share.h"

#include "base/clock.h"
#include "embed/helper.h"
#include "os/process.h"
#include "support/scratch.h"

enum { STEPS = 400, UNITS = 64, HELPED = 50, PATIENCE_US = 50 * 1000 * 1000 };

/* Each part of a step adds up what the step before has left everywhere. */
typedef struct sheet {
    uint64_t cells[2][UNITS];
    uint32_t runs[UNITS]; /* of the step's parts */
    atomic_uint helped;
} sheet;

static uint32_t parts_of_step(uint32_t step)
{
    return 1 + step * 7 % UNITS;
}

static void add_up(void *arg, const lh_embed_part *part)
{
    sheet *s = arg;
    const uint32_t before = part->step == 0 ? 0 : parts_of_step(part->step - 1);
    uint64_t sum = part->part + 1;
    ck_assert_uint_lt(part->part, part->parts);
    for (uint32_t i = 0; i < before; i++)
        sum = sum * 31 + s->cells[(part->step + 1) % 2][i];
    s->cells[part->step % 2][part->part] = sum;
    s->runs[part->part]++;
    if (part->side == LH_EMBED_HELPER)
        atomic_fetch_add(&s->helped, 1);
}

static void run_steps(lh_embed_share *share, sheet *s)
{
    lh_embed_share_open(share);
    for (uint32_t step = 0; step < STEPS; step++) {
        memset(s->runs, 0, sizeof(s->runs));
        lh_embed_share_step(share, step, parts_of_step(step));
        for (uint32_t i = 0; i < parts_of_step(step); i++)
            ck_assert_uint_eq(s->runs[i], 1);
    }
    (void)lh_embed_share_end(share);
}

static void help(void *arg)
{
    lh_embed_share_help(arg);
}

LH_TEST(an_owner_without_a_helper_runs_every_part)
{
    sheet s = {0};
    lh_embed_share share;
    lh_embed_share_init(&share, add_up, &s);
    run_steps(&share, &s);
    ck_assert_uint_eq(atomic_load(&s.helped), 0);
    lh_embed_share_help(&share); /* nothing is open: back at once */
    lh_embed_share_done(&share);
}

LH_TEST(a_step_sees_all_of_the_step_before_whoever_ran_it)
{
    lh_ctx cx;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    sheet alone = {0};
    sheet s = {0};
    lh_embed_share share;
    lh_embed_share_init(&share, add_up, &alone);
    run_steps(&share, &alone);
    lh_embed_share_done(&share);

    lh_embed_helper helper;
    lh_embed_helper_init(&helper);
    lh_embed_share_init(&share, add_up, &s);
    const int64_t until_us = lh_clock_mono_us() + PATIENCE_US;
    while (atomic_load(&s.helped) < HELPED && lh_machine_cpus() > 1) {
        lh_embed_helper_wait(&helper);
        ck_assert(lh_embed_helper_ready(&cx, &helper));
        lh_embed_helper_give(&helper, help, &share);
        run_steps(&share, &s);
        ck_assert_mem_eq(s.cells, alone.cells, sizeof(s.cells));
        ck_assert_msg(lh_clock_mono_us() < until_us, "the helper took %u parts in all",
                      atomic_load(&s.helped));
    }
    lh_embed_helper_done(&helper);
    lh_embed_share_done(&share);
}

/* The helper keeps its part until the owner sleeps for it. */
static void take_long(void *arg, const lh_embed_part *part)
{
    lh_embed_share *share = arg;
    const int64_t until_us = lh_clock_mono_us() + PATIENCE_US;
    if (part->side == LH_EMBED_HELPER)
        while (atomic_load(&share->waits) == 0 && lh_clock_mono_us() < until_us)
            ;
    else if (part->part == 0)
        while ((atomic_load(&share->state) & 0xFFFFu) < 2 && atomic_load(&share->crowded) == 0 &&
               lh_clock_mono_us() < until_us)
            ;
}

LH_TEST(an_owner_sleeps_for_a_part_that_takes_long)
{
    lh_ctx cx;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    lh_embed_helper helper;
    lh_embed_share share;
    lh_embed_helper_init(&helper);
    lh_embed_share_init(&share, take_long, &share);
    for (int i = 0; i < 20; i++) {
        lh_embed_helper_wait(&helper);
        ck_assert(lh_embed_helper_ready(&cx, &helper));
        lh_embed_share_open(&share);
        lh_embed_helper_give(&helper, help, &share);
        lh_embed_share_step(&share, 0, 2);
        ck_assert_uint_eq(atomic_load(&share.waits), 0);
        (void)lh_embed_share_end(&share);
    }
    lh_embed_helper_done(&helper);
    lh_embed_share_done(&share);
}

LH_TEST(a_helper_in_the_owners_place_leaves_and_says_so)
{
    sheet s = {0};
    lh_embed_share share;
    lh_embed_help help = LH_EMBED_HELP_GOOD;
    lh_embed_share_init(&share, add_up, &s);
    /* the thread may move between the two looks */
    for (int i = 0; i < 100 && help == LH_EMBED_HELP_GOOD; i++) {
        lh_embed_share_open(&share);
        lh_embed_share_help(&share);
        help = lh_embed_share_end(&share);
    }
    ck_assert_int_eq(help, LH_EMBED_HELP_CROWDED);
    lh_embed_share_done(&share);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

LH_TEST(a_parked_thread_does_one_work_after_another)
{
    lh_ctx cx;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    lh_embed_helper helper;
    lh_embed_helper_init(&helper);
    lh_embed_helper_done(&helper); /* never started */
    lh_embed_helper_init(&helper);
    int done = 0;
    for (int i = 0; i < 100; i++) {
        ck_assert(lh_embed_helper_ready(&cx, &helper));
        lh_embed_helper_give(&helper, count, &done);
        lh_embed_helper_wait(&helper);
        ck_assert_int_eq(done, i + 1);
    }
    ck_assert(lh_embed_helper_ready(&cx, &helper));
    lh_embed_helper_give(&helper, count, &done);
    lh_embed_helper_done(&helper); /* what was given is done */
    ck_assert_int_eq(done, 101);
}
