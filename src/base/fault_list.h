/* base/fault_list.h - named places where a test may force a failure, a delay or a crash.
 *
 * To add one: 1. a row here (KEEP SORTED); 2. LH_FAULT(cx, NAME) at the place; 3. a row in tests/fault/.
 *
 * Owns: nothing. Threads: constants. Limits: none. Formats: docs/api/faults.json. Why: crash tests are data. */
#ifndef LH_BASE_FAULT_LIST_H
#define LH_BASE_FAULT_LIST_H

/* clang-format off */
/* KEEP SORTED */
#define LH_FAULT_LIST(X)                                                                   \
    X(FILE_BEFORE_DIR_SYNC,   "a file was renamed into place, its folder not yet synced")  \
    X(FILE_BEFORE_RENAME,     "a temporary file is written and synced, not yet renamed")   \
    X(FILE_BEFORE_SYNC,       "a temporary file is written, not yet synced")
/* clang-format on */

#endif
