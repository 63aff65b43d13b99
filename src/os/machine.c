/* machine.c - what this process may use: memory and CPUs of its cgroup or of the machine, random
 * bytes, its own place. */
#include "os/process.h"

#include "base/num.h"
#include "os/os_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum { CGROUP_PATH_BYTES = 1024, SMALL_BYTES = 256 };

int lhi_read_small(const char *path, char *out, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t done = 0;
    while (done + 1 < bytes) {
        ssize_t n = read(fd, out + done, bytes - 1 - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    (void)close(fd);
    out[done] = '\0';
    return (int)done;
}

/* The word'th blank-separated number of text; 0 when it is not a number ("max"). */
static uint64_t number_in(lh_str text, int word)
{
    lh_str rest = lh_str_trim(text);
    lh_str head = LH_STR_NONE;
    for (int i = 0; i <= word; i++)
        if (!lh_str_split_next(&rest, ' ', &head))
            return 0;
    uint64_t value;
    return lh_parse_u64(head, &value) ? value : 0;
}

/* Calls look for this process's cgroup (v2) and every one above it, the root included; the smallest
 * answer wins. */
static uint64_t cgroup_smallest(uint64_t (*look)(const char *folder))
{
    char text[CGROUP_PATH_BYTES];
    if (lhi_read_small("/proc/self/cgroup", text, sizeof(text)) <= 0)
        return 0;
    const char *at = strstr(text, "0::/");
    if (at == NULL)
        return 0;
    lh_str path = lh_str_sub(lh_str_from(at), 3, strcspn(at, "\n") - 3);
    uint64_t smallest = 0;
    for (;;) {
        char folder[CGROUP_PATH_BYTES + 32];
        (void)snprintf(folder, sizeof(folder), "/sys/fs/cgroup%.*s", LH_STR_ARG(path));
        uint64_t here = look(folder);
        if (here != 0 && (smallest == 0 || here < smallest))
            smallest = here;
        if (path.len <= 1)
            return smallest;
        size_t slash = lh_str_rfind_char(path, '/');
        path = lh_str_sub(path, 0, slash == 0 ? 1 : slash);
    }
}

static uint64_t memory_max_of(const char *folder)
{
    char path[CGROUP_PATH_BYTES + 64];
    char text[SMALL_BYTES];
    (void)snprintf(path, sizeof(path), "%s/memory.max", folder);
    return lhi_read_small(path, text, sizeof(text)) > 0 ? number_in(lh_str_from(text), 0) : 0;
}

/* CPUs of a quota, rounded up. */
static uint64_t cpu_max_of(const char *folder)
{
    char path[CGROUP_PATH_BYTES + 64];
    char text[SMALL_BYTES];
    (void)snprintf(path, sizeof(path), "%s/cpu.max", folder);
    if (lhi_read_small(path, text, sizeof(text)) <= 0)
        return 0;
    uint64_t quota_us = number_in(lh_str_from(text), 0);
    uint64_t period_us = number_in(lh_str_from(text), 1);
    return quota_us != 0 && period_us != 0 ? (quota_us + period_us - 1) / period_us : 0;
}

uint64_t lh_machine_memory_bytes(void)
{
    uint64_t pages = (uint64_t)LH_MAX(sysconf(_SC_PHYS_PAGES), 0L);
    uint64_t total = pages * (uint64_t)LH_MAX(sysconf(_SC_PAGESIZE), 0L);
    uint64_t limit = cgroup_smallest(memory_max_of);
    return limit != 0 ? LH_MIN(limit, total) : total;
}

uint32_t lh_machine_cpus(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    uint32_t cpus = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        cpus = (uint32_t)LH_MAX(CPU_COUNT(&set), 1);
    uint64_t quota = cgroup_smallest(cpu_max_of);
    return quota != 0 && quota < cpus ? (uint32_t)quota : cpus;
}

uint64_t lh_process_rss_bytes(pid_t pid)
{
    char path[64];
    char text[SMALL_BYTES];
    if (pid == 0)
        (void)snprintf(path, sizeof(path), "/proc/self/statm");
    else
        (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    if (lhi_read_small(path, text, sizeof(text)) <= 0)
        return 0;
    return number_in(lh_str_from(text), 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

lh_rc lh_random_bytes(lh_ctx *cx, void *out, size_t bytes)
{
    char *at = out;
    while (bytes > 0) {
        ssize_t n = getrandom(at, bytes, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return lh_fail_errno(cx, "get random bytes", n < 0 ? errno : EIO);
        at += n;
        bytes -= (size_t)n;
    }
    return LH_OK;
}

lh_rc lh_program_dir(lh_ctx *cx, lh_str *ret_path)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
    if (n < 0)
        return lh_fail_errno(cx, "find the running program", errno);
    if ((size_t)n >= sizeof(path))
        return lh_fail(cx, LH_E_BAD_NAME, "the program's path is longer than %zu bytes",
                       sizeof(path));
    lh_str folder = lh_ctx_dup(cx, lh_path_dir(lh_str_n(path, (size_t)n)));
    if (folder.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_path = folder;
    return LH_OK;
}
