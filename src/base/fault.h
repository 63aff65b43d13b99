/* base/fault.h - fault points: no code at all in release builds.
 *
 * Owns:    a small table of armed points.
 * Threads: any.
 * Limits:  one armed action per point.
 * Formats: environment LAKEHOUSE_FAULTS="NAME=crash@3,OTHER=fail,THIRD=delay:50" (the 3rd hit;
 *          default the 1st).
 * Why:     a crash matrix needs names, not luck. */
#ifndef LH_BASE_FAULT_H
#define LH_BASE_FAULT_H

#include "base/ctx.h"
#include "base/fault_list.h"

typedef enum lh_fault_point {
#define LH_FAULT_ENUM(symbol, doc) LH_FAULT_##symbol,
    LH_FAULT_LIST(LH_FAULT_ENUM)
#undef LH_FAULT_ENUM
        LH_FAULT_COUNT
} lh_fault_point;

typedef enum lh_fault_action {
    LH_FAULT_OFF,
    LH_FAULT_FAIL,
    LH_FAULT_FAIL_ALWAYS,
    LH_FAULT_CRASH,
    LH_FAULT_DELAY
} lh_fault_action;

const char *lh_fault_name(lh_fault_point point);
const char *lh_fault_doc(lh_fault_point point);

#if defined(LH_FAULTS) && LH_FAULTS
void lh_fault_arm(lh_fault_point point, lh_fault_action action, uint32_t nth_hit,
                  uint32_t delay_ms);
void lh_fault_disarm_all(void);
uint64_t lh_fault_hits(lh_fault_point point);
LH_WARN_UNUSED lh_rc lh_fault_arm_text(lh_ctx *cx, lh_str text); /* the environment's format */
int lh_fault_hit(lh_fault_point point); /* 1: the caller must fail; CRASH does not return */
#define LH_FAULT(cx, point)                                                                        \
    do {                                                                                           \
        if (lh_fault_hit(LH_FAULT_##point))                                                        \
            return lh_fail((cx), LH_E_IO, "fault point %s", #point);                               \
    } while (0)
#else
#define LH_FAULT(cx, point)                                                                        \
    do {                                                                                           \
        (void)(cx);                                                                                \
    } while (0)
#endif

#endif
