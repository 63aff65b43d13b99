/* sandbox.c - four layers, each of which holds alone: limits, no new privileges, Landlock (which
 * files), seccomp (which calls).
 *
 * Order matters: limits first (the later layers forbid changing them), Landlock before seccomp
 * (whose filter hides Landlock's own calls), the filter last. Landlock's rights are asked for by
 * the version of the running kernel: rights a kernel does not know make the whole ruleset fail,
 * rights we do not name are not enforced. */
#include "os/sandbox.h"

#include "os/os_private.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LHI_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LHI_SANITIZED 1
#endif
#endif
#ifndef LHI_SANITIZED
#define LHI_SANITIZED 0
#endif

#include "os/sandbox_syscalls.h"

/* The kernel's interface, spelled here because Debian 12's headers stop at version 2 of it. */
enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_REFER = 1 << 13,    /* version 2 */
    FS_TRUNCATE = 1 << 14, /* version 3 */
    NET_BIND_TCP = 1 << 0, /* version 4 */
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, /* version 6 */
    SCOPE_SIGNAL = 1 << 1,
    RULE_PATH_BENEATH = 1,
    CREATE_RULESET_VERSION = 1
};

typedef struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* version 4 */
    uint64_t scoped;             /* version 6 */
} ruleset_attr;

typedef struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed)) path_beneath_attr;

static int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

/* All file rights a version knows: 13 in the first, one more in each of 2, 3 and 5. */
static uint64_t fs_rights_of(int abi)
{
    int bits = 13 + (abi >= 2) + (abi >= 3) + (abi >= 5);
    return (1ULL << bits) - 1;
}

static uint64_t rights_for(lh_sandbox_access access, int is_dir)
{
    uint64_t rights = FS_READ_FILE;
    if (access == LH_SANDBOX_PATH_WRITE)
        rights |= FS_WRITE_FILE | FS_TRUNCATE;
    if (!is_dir)
        return rights;
    rights |= FS_READ_DIR;
    if (access == LH_SANDBOX_PATH_WRITE)
        rights |= FS_MAKE_REG | FS_REMOVE_FILE | FS_MAKE_DIR | FS_REMOVE_DIR | FS_REFER;
    return rights; /* never links, devices, sockets or execution */
}

typedef enum path_need { PATH_MUST_EXIST, PATH_MAY_MISS } path_need;

static lh_rc add_path(lh_ctx *cx, int ruleset, uint64_t handled, const lh_sandbox_path *path,
                      path_need need)
{
    int fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return need == PATH_MAY_MISS ? LH_OK
                                     : lhi_fail_path(cx, "allow", lh_str_from(path->path), errno);
    struct stat st;
    int number = fstat(fd, &st) != 0 ? errno : 0;
    if (number == 0) {
        path_beneath_attr rule = {.parent_fd = fd};
        rule.allowed_access = rights_for(path->access, S_ISDIR(st.st_mode)) & handled;
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0)
            number = errno;
    }
    (void)close(fd);
    return number == 0 ? LH_OK : lhi_fail_path(cx, "allow", lh_str_from(path->path), number);
}

static lh_rc add_paths(lh_ctx *cx, int ruleset, uint64_t handled, const lh_sandbox_options *opts)
{
    static const lh_sandbox_path always[] = {
        {"/dev/urandom", LH_SANDBOX_PATH_READ}, /* libraries that predate getrandom */
        {"/dev/null", LH_SANDBOX_PATH_WRITE},
#if LHI_SANITIZED
        {"/proc", LH_SANDBOX_PATH_READ}, /* the sanitizers read their own maps and threads */
#endif
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(always); i++)
        LH_TRY(add_path(cx, ruleset, handled, &always[i], PATH_MAY_MISS));
    for (size_t i = 0; i < opts->paths_count; i++)
        LH_TRY(add_path(cx, ruleset, handled, &opts->paths[i], PATH_MUST_EXIST));
    return LH_OK;
}

static lh_rc enter_landlock(lh_ctx *cx, const lh_sandbox_options *opts, int abi)
{
    ruleset_attr attr = {.handled_access_fs = fs_rights_of(abi)};
    size_t attr_bytes = sizeof(uint64_t);
    if (abi >= 4) {
        attr.handled_access_net =
            NET_BIND_TCP | NET_CONNECT_TCP; /* handled and never allowed: none */
        attr_bytes = 2 * sizeof(uint64_t);
    }
    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
        attr_bytes = sizeof(attr);
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_bytes, 0);
    if (ruleset < 0)
        return lh_fail_errno(cx, "make a Landlock ruleset", errno);
    lh_rc rc = add_paths(cx, ruleset, attr.handled_access_fs, opts);
    if (rc == LH_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        rc = lh_fail_errno(cx, "enter Landlock", errno);
    (void)close(ruleset);
    return rc;
}

static lh_rc limit(lh_ctx *cx, int resource, const char *what, uint64_t soft, uint64_t hard)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) != 0)
        return lh_fail_errno(cx, what, errno);
    /* A limit that is lower already stays: only root may raise one. */
    struct rlimit wanted = {.rlim_cur = LH_MIN((rlim_t)soft, now.rlim_max),
                            .rlim_max = LH_MIN((rlim_t)hard, now.rlim_max)};
    if (setrlimit((__rlimit_resource_t)resource, &wanted) != 0)
        return lh_fail_errno(cx, what, errno);
    return LH_OK;
}

static lh_rc enter_limits(lh_ctx *cx, const lh_sandbox_options *opts)
{
    LH_TRY(limit(cx, RLIMIT_CORE, "limit core files", 0, 0));
    uint64_t files = opts->files_max != 0 ? opts->files_max : 64;
    LH_TRY(limit(cx, RLIMIT_NOFILE, "limit open files", files, files));
    /* Past the limit a write must fail with EFBIG, not end the process. */
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return lh_fail_errno(cx, "ignore SIGXFSZ", errno);
    LH_TRY(limit(cx, RLIMIT_FSIZE, "limit file sizes", opts->file_bytes_max, opts->file_bytes_max));
    if (opts->cpu_seconds_max != 0)
        LH_TRY(limit(cx, RLIMIT_CPU, "limit CPU time", opts->cpu_seconds_max,
                     (uint64_t)opts->cpu_seconds_max + 1));
#if !LHI_SANITIZED /* their shadow memory reserves terabytes of addresses */
    if (opts->address_space_bytes != 0)
        LH_TRY(limit(cx, RLIMIT_AS, "limit memory", opts->address_space_bytes,
                     opts->address_space_bytes));
#endif
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return lh_fail_errno(cx, "forbid dumps", errno);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return lh_fail_errno(cx, "give up new privileges", errno);
    return LH_OK;
}

/* Errno or 0; calls that this libseccomp or this CPU does not have are skipped. */
static int add_groups(scmp_filter_ctx filter, const syscall_group *groups, size_t count,
                      uint32_t action)
{
    for (size_t i = 0; i < count; i++)
        for (const char *const *name = groups[i].names; *name != NULL; name++) {
            int number = seccomp_syscall_resolve_name(*name);
            if (number == __NR_SCMP_ERROR || number < 0)
                continue;
            int rc = seccomp_rule_add_array(filter, action, number, 0, NULL);
            if (rc != 0 && rc != -EEXIST)
                return -rc;
        }
    return 0;
}

static int allow_if(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp test)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || number < 0)
        return 0;
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &test);
    return rc == -EEXIST ? 0 : -rc;
}

/* Calls that are fine with one argument and not with another. */
static int add_checked(scmp_filter_ctx filter)
{
    scmp_datum_t self = (scmp_datum_t)getpid();
    static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_GET_DUMPABLE,
                                 0x53564d41 /* PR_SET_VMA: names of anonymous memory */};
    static const unsigned ioctls[] = {0x5401 /* TCGETS: isatty */, 0x541b /* FIONREAD */,
                                      0x5421 /* FIONBIO */, 0x5413 /* TIOCGWINSZ */};
    int rc = allow_if(filter, "clone", SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (rc == 0)
        rc = allow_if(filter, "tgkill", SCMP_A0_64(SCMP_CMP_EQ, self));
    if (rc == 0)
        rc = allow_if(filter, "kill", SCMP_A0_64(SCMP_CMP_EQ, self));
    if (rc == 0) /* reading limits; the new ones (third argument) must be NULL */
        rc = allow_if(filter, "prlimit64", SCMP_A2_64(SCMP_CMP_EQ, 0));
    for (size_t i = 0; rc == 0 && i < LH_ARRAY_LEN(prctls); i++)
        rc = allow_if(filter, "prctl", SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)prctls[i]));
    for (size_t i = 0; rc == 0 && i < LH_ARRAY_LEN(ioctls); i++)
        rc = allow_if(filter, "ioctl", SCMP_A1_64(SCMP_CMP_EQ, ioctls[i]));
    return rc;
}

static int add_rules(scmp_filter_ctx filter)
{
    int rc = add_groups(filter, allowed_groups, LH_ARRAY_LEN(allowed_groups), SCMP_ACT_ALLOW);
#if LHI_SANITIZED /* before the checked ones: what is allowed whole stays so */
    if (rc == 0)
        rc = add_groups(filter, sanitizer_groups, LH_ARRAY_LEN(sanitizer_groups), SCMP_ACT_ALLOW);
#endif
    if (rc == 0)
        rc = add_checked(filter);
    if (rc == 0)
        rc = add_groups(filter, absent_groups, LH_ARRAY_LEN(absent_groups), SCMP_ACT_ERRNO(ENOSYS));
    for (int n = UNKNOWN_SYSCALL_FIRST; rc == 0 && n <= UNKNOWN_SYSCALL_LAST; n++)
        rc = -seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), n, 0, NULL);
    if (rc == 0)
        rc = add_groups(filter, deadly_groups, LH_ARRAY_LEN(deadly_groups), SCMP_ACT_KILL_PROCESS);
    return rc;
}

static lh_rc enter_seccomp(lh_ctx *cx, int *ret_loaded)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a system call filter");
    int rc = -seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = -seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree, not a list */
    if (rc == 0)
        rc = add_rules(filter);
    if (rc != 0) {
        seccomp_release(filter);
        return lh_fail_errno(cx, "make a system call filter", rc);
    }
    rc = -seccomp_load(filter);
    seccomp_release(filter);
    if (rc != 0 && rc != EINVAL && rc != ENOSYS && rc != EOPNOTSUPP)
        return lh_fail_errno(cx, "load a system call filter", rc);
    *ret_loaded = rc == 0;
    return LH_OK;
}

/* Landlock binds only the calling thread and those it starts. Sanitizers run threads of their
 * own. */
static lh_rc check_one_thread(lh_ctx *cx)
{
#if !LHI_SANITIZED
    struct stat st;
    if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3)
        return lh_fail(cx, LH_E_INTERNAL, "%u threads run already; only one can be locked in",
                       (unsigned)st.st_nlink - 2);
#else
    (void)cx;
#endif
    return LH_OK;
}

lh_rc lh_sandbox_enter(lh_ctx *cx, const lh_sandbox_options *opts, lh_sandbox_result *ret_result)
{
    if (opts->paths_count > LH_SANDBOX_PATHS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%zu paths, limit %d", opts->paths_count,
                       LH_SANDBOX_PATHS_MAX);
    lh_sandbox_result result = {.landlock_abi = landlock_abi()};
    LH_TRY(check_one_thread(cx));
    LH_TRY(enter_limits(cx, opts));
    if (result.landlock_abi > 0)
        LH_TRY(enter_landlock(cx, opts, result.landlock_abi));
    LH_TRY(enter_seccomp(cx, &result.seccomp));
    *ret_result = result;
    return LH_OK;
}

void lh_sandbox_probe(lh_sandbox_result *ret_result)
{
    uint32_t action = SCMP_ACT_KILL_PROCESS;
    ret_result->landlock_abi = landlock_abi();
    ret_result->seccomp = syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, &action) == 0;
}
