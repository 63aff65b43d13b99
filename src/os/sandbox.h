/* os/sandbox.h - locks the calling process in: rlimits, no_new_privs, Landlock by path, seccomp.
 *
 * Owns:    nothing; there is no way back.
 * Threads: call while the process has one thread, or right before more are started (the filter is
 *          synced to all).
 * Limits:  LH_SANDBOX_PATHS_MAX paths.
 * Formats: none.
 * Why:     DuckDB and parsers of hostile files are not sandboxes; the kernel is (research:
 *          reliability 3.3). */
#ifndef LH_OS_SANDBOX_H
#define LH_OS_SANDBOX_H

#include "base/ctx.h"

#define LH_SANDBOX_PATHS_MAX 64

/* WRITE: a folder, all below */
typedef enum lh_sandbox_access { LH_SANDBOX_PATH_READ, LH_SANDBOX_PATH_WRITE } lh_sandbox_access;

typedef struct lh_sandbox_path {
    const char *path;
    lh_sandbox_access access;
} lh_sandbox_path;

typedef struct lh_sandbox_options {
    const lh_sandbox_path *paths;
    size_t paths_count;
    uint64_t address_space_bytes; /* RLIMIT_AS; 0 = none (always none under AddressSanitizer) */
    /* RLIMIT_FSIZE; 0 = may not write any file, UINT64_MAX = no limit */
    uint64_t file_bytes_max;
    uint32_t cpu_seconds_max; /* RLIMIT_CPU; 0 = none */
    uint32_t files_max;       /* RLIMIT_NOFILE; 0 = 64 */
} lh_sandbox_options;

/* What the kernel gave. A missing layer is not an error (an old kernel), but the caller logs it. */
typedef struct lh_sandbox_result {
    int landlock_abi; /* 0 = not available */
    int seccomp;      /* 1 = filter loaded */
} lh_sandbox_result;

LH_WARN_UNUSED lh_rc lh_sandbox_enter(lh_ctx *cx, const lh_sandbox_options *opts,
                                      lh_sandbox_result *ret_result);
/* What this kernel offers, for doctor; changes nothing. */
void lh_sandbox_probe(lh_sandbox_result *ret_result);

#endif
