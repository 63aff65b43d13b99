/* share.c - taking parts, and waiting for those the other thread has taken.
 *
 * All that a helper must know of a step is one number, so that it can never mix two steps: it takes
 * a part by exchanging the number it has read, which fails if the owner has gone on. */
#include "embed/share.h"

#include "base/attr.h"
#include "base/clock.h"

enum {
    HELPER_IDLE_NS = 100 * 1000, /* then it leaves: the owner is not running */
    OWNER_SPIN_NS = 300 * 1000,  /* then it sleeps: its processor may be what the helper needs */
    LATE_NS = 1000 * 1000,       /* more than any part takes */
    PAUSES = 16                  /* between looks at the clock */
};
#define STEP_OVER UINT32_MAX

static uint64_t state_of(uint32_t step, uint32_t parts)
{
    return (uint64_t)step << 32 | (uint64_t)parts << 16;
}

static uint32_t step_of(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static uint32_t parts_of(uint64_t state)
{
    return (uint32_t)(state >> 16) & 0xFFFFu;
}

static uint32_t taken_of(uint64_t state)
{
    return (uint32_t)state & 0xFFFFu;
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void lh_embed_share_init(lh_embed_share *share, void (*run)(void *arg, const lh_embed_part *part),
                         void *arg)
{
    share->run = run;
    share->arg = arg;
    share->expected = 0;
    share->late = false;
    lh_mutex_init(&share->lock);
    lh_cond_init(&share->finished);
    atomic_init(&share->state, state_of(STEP_OVER, 0));
    atomic_init(&share->helped, 0);
    atomic_init(&share->waits, 0);
    atomic_init(&share->owner_cpu, 0);
    atomic_init(&share->crowded, 0);
}

void lh_embed_share_done(lh_embed_share *share)
{
    lh_cond_done(&share->finished);
    lh_mutex_done(&share->lock);
}

void lh_embed_share_open(lh_embed_share *share)
{
    share->expected = 0;
    share->late = false;
    atomic_store(&share->helped, 0);
    atomic_store(&share->crowded, 0);
    atomic_store(&share->owner_cpu, lh_thread_cpu());
    atomic_store(&share->state, state_of(0, 0));
}

lh_embed_help lh_embed_share_end(lh_embed_share *share)
{
    atomic_store(&share->state, state_of(STEP_OVER, 0));
    if (share->late)
        return LH_EMBED_HELP_LATE;
    return atomic_load(&share->crowded) != 0 ? LH_EMBED_HELP_CROWDED : LH_EMBED_HELP_GOOD;
}

static bool helper_has_finished(lh_embed_share *share)
{
    return atomic_load(&share->helped) == share->expected;
}

/* Spins first: the helper's last part began before the owner's did. */
static void wait_for_helper(lh_embed_share *share)
{
    if (helper_has_finished(share))
        return;
    const int64_t from_ns = lh_clock_mono_ns();
    do {
        for (int i = 0; i < PAUSES; i++) {
            if (helper_has_finished(share))
                return;
            pause_briefly();
        }
    } while (lh_clock_mono_ns() < from_ns + OWNER_SPIN_NS);
    LH_WITH_LOCK(&share->lock);
    atomic_store(&share->waits, 1);
    while (!helper_has_finished(share))
        lh_cond_wait(&share->finished, &share->lock);
    atomic_store(&share->waits, 0);
    share->late = share->late || lh_clock_mono_ns() > from_ns + LATE_NS;
}

void lh_embed_share_step(lh_embed_share *share, uint32_t step, uint32_t parts)
{
    lh_assert(parts <= LH_EMBED_SHARE_PARTS_MAX && step != STEP_OVER);
    lh_embed_part part = {.step = step, .parts = parts, .side = LH_EMBED_OWNER};
    atomic_store(&share->owner_cpu, lh_thread_cpu());
    atomic_store(&share->state, state_of(step, parts));
    for (; taken_of(atomic_fetch_add(&share->state, 1)) < parts; part.part++)
        share->run(share->arg, &part);
    share->expected += parts - part.part;
    wait_for_helper(share);
}

/* Its parts are counted from the end. */
static void run_helped(lh_embed_share *share, const lh_embed_part *part)
{
    share->run(share->arg, part);
    atomic_fetch_add(&share->helped, 1);
    if (atomic_load(&share->waits) != 0) {
        LH_WITH_LOCK(&share->lock);
        lh_cond_signal(&share->finished);
    }
}

/* Both on one processor: whoever spins keeps the other one from working. */
static bool is_in_the_way(lh_embed_share *share)
{
    const bool crowded = lh_thread_cpu() == atomic_load(&share->owner_cpu);
    if (crowded)
        atomic_store(&share->crowded, 1);
    return crowded;
}

void lh_embed_share_help(lh_embed_share *share)
{
    lh_embed_part part = {.step = STEP_OVER, .side = LH_EMBED_HELPER};
    int64_t until_ns = 0; /* 0: it has just worked */
    for (unsigned looks = 0;; looks++) {
        uint64_t state = atomic_load(&share->state);
        if (step_of(state) == STEP_OVER || (looks % PAUSES == 0 && is_in_the_way(share)))
            return;
        if (taken_of(state) < parts_of(state)) {
            if (!atomic_compare_exchange_weak(&share->state, &state, state + 1))
                continue;
            if (part.step != step_of(state))
                part = (lh_embed_part){.step = step_of(state),
                                       .parts = parts_of(state),
                                       .part = parts_of(state),
                                       .side = LH_EMBED_HELPER};
            part.part--;
            run_helped(share, &part);
            until_ns = 0;
        } else if (looks % PAUSES == 0) {
            const int64_t now_ns = lh_clock_mono_ns();
            if (until_ns == 0)
                until_ns = now_ns + HELPER_IDLE_NS;
            else if (now_ns >= until_ns)
                return;
        } else {
            pause_briefly();
        }
    }
}
