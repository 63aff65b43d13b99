/* fault.c - counts hits of named points and does what was armed. In release builds only the names
 * remain. */
#include "base/fault.h"

#include "base/num.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    const char *doc;
} rows[LH_FAULT_COUNT] = {
#define FAULT_ROW(symbol, sentence) [LH_FAULT_##symbol] = {#symbol, (sentence)},
    LH_FAULT_LIST(FAULT_ROW)
#undef FAULT_ROW
};

const char *lh_fault_name(lh_fault_point point)
{
    lh_assert((unsigned)point < LH_FAULT_COUNT);
    return rows[point].name;
}

const char *lh_fault_doc(lh_fault_point point)
{
    lh_assert((unsigned)point < LH_FAULT_COUNT);
    return rows[point].doc;
}

#if defined(LH_FAULTS) && LH_FAULTS

typedef struct armed_point {
    atomic_int action;
    _Atomic uint32_t nth_hit; /* counted from arming, 1-based */
    _Atomic uint32_t delay_ms;
    _Atomic uint32_t hits_armed;
    _Atomic uint64_t hits;
} armed_point;

static armed_point points[LH_FAULT_COUNT];

void lh_fault_arm(lh_fault_point point, lh_fault_action action, uint32_t nth_hit, uint32_t delay_ms)
{
    lh_assert((unsigned)point < LH_FAULT_COUNT);
    armed_point *p = &points[point];
    atomic_store(&p->action, LH_FAULT_OFF);
    atomic_store(&p->nth_hit, nth_hit ? nth_hit : 1);
    atomic_store(&p->delay_ms, delay_ms);
    atomic_store(&p->hits_armed, 0);
    atomic_store(&p->action, (int)action);
}

void lh_fault_disarm_all(void)
{
    for (size_t i = 0; i < LH_FAULT_COUNT; i++) {
        atomic_store(&points[i].action, LH_FAULT_OFF);
        atomic_store(&points[i].hits, 0);
    }
}

uint64_t lh_fault_hits(lh_fault_point point)
{
    lh_assert((unsigned)point < LH_FAULT_COUNT);
    return atomic_load(&points[point].hits);
}

static void delay(uint32_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0)
        ;
}

int lh_fault_hit(lh_fault_point point)
{
    lh_assert((unsigned)point < LH_FAULT_COUNT);
    armed_point *p = &points[point];
    atomic_fetch_add_explicit(&p->hits, 1, memory_order_relaxed);
    lh_fault_action action = (lh_fault_action)atomic_load(&p->action);
    if (LH_LIKELY(action == LH_FAULT_OFF))
        return 0;
    uint32_t hit = atomic_fetch_add(&p->hits_armed, 1) + 1;
    uint32_t nth = atomic_load(&p->nth_hit);
    if (hit < nth)
        return 0;
    switch (action) {
    case LH_FAULT_FAIL: return hit == nth;
    case LH_FAULT_FAIL_ALWAYS: return 1;
    case LH_FAULT_CRASH: (void)kill(getpid(), SIGKILL); return 0;
    case LH_FAULT_DELAY: delay(atomic_load(&p->delay_ms)); return 0;
    default: return 0;
    }
}

static lh_rc find_point(lh_ctx *cx, lh_str name, lh_fault_point *ret)
{
    for (int i = 0; i < LH_FAULT_COUNT; i++)
        if (lh_str_eq(name, lh_str_from(rows[i].name))) {
            *ret = (lh_fault_point)i;
            return LH_OK;
        }
    return lh_fail(cx, LH_E_BAD_CONFIG, "no fault point \"%.*s\"", LH_STR_ARG(name));
}

/* "fail", "fail_always", "crash" or "delay:MS", each with "@N" behind it or not. */
static lh_rc arm_one(lh_ctx *cx, lh_str item)
{
    static const struct {
        lh_str word;
        lh_fault_action action;
    } actions[] = {
        {LH_S_INIT("fail"), LH_FAULT_FAIL},
        {LH_S_INIT("fail_always"), LH_FAULT_FAIL_ALWAYS},
        {LH_S_INIT("crash"), LH_FAULT_CRASH},
        {LH_S_INIT("delay"), LH_FAULT_DELAY},
    };
    lh_str spec = item;
    lh_str name, word, value;
    (void)lh_str_split_next(&spec, '=', &name);
    lh_fault_point point = LH_FAULT_COUNT;
    LH_TRY(find_point(cx, lh_str_trim(name), &point));

    uint64_t nth = 1;
    uint64_t delay_ms = 0;
    if (!lh_str_split_next(&spec, '@', &value))
        return lh_fail(cx, LH_E_BAD_CONFIG, "fault \"%.*s\" has no action", LH_STR_ARG(item));
    if (spec.ptr != NULL &&
        (!lh_parse_u64(lh_str_trim(spec), &nth) || nth == 0 || nth > UINT32_MAX))
        return lh_fail(cx, LH_E_BAD_CONFIG, "fault \"%.*s\": the hit after @ must be 1 or more",
                       LH_STR_ARG(item));
    (void)lh_str_split_next(&value, ':', &word);
    if (value.ptr != NULL && (!lh_parse_u64(value, &delay_ms) || delay_ms > UINT32_MAX))
        return lh_fail(cx, LH_E_BAD_CONFIG, "fault \"%.*s\": not a number of ms", LH_STR_ARG(item));
    for (size_t i = 0; i < LH_ARRAY_LEN(actions); i++)
        if (lh_str_eq(lh_str_trim(word), actions[i].word)) {
            lh_fault_arm(point, actions[i].action, (uint32_t)nth, (uint32_t)delay_ms);
            return LH_OK;
        }
    return lh_fail(cx, LH_E_BAD_CONFIG, "fault \"%.*s\": unknown action", LH_STR_ARG(item));
}

lh_rc lh_fault_arm_text(lh_ctx *cx, lh_str text)
{
    lh_str item;
    while (lh_str_split_next(&text, ',', &item))
        if (lh_str_trim(item).len > 0)
            LH_TRY(arm_one(cx, item));
    return LH_OK;
}

#endif
