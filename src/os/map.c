/* map.c - read-only mappings whose length is the file's own, taken from the descriptor that is
 * mapped. */
#include "os/os_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

lh_rc lh_map_fd(lh_ctx *cx, int fd, lh_map *ret_map)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return lh_fail_errno(cx, "map a file", errno);
    if (!S_ISREG(st.st_mode))
        return lh_fail(cx, LH_E_BAD_VALUE, "only regular files can be mapped");
    if (st.st_size == 0) {
        *ret_map = (lh_map){.bytes = LH_S("")};
        return LH_OK;
    }
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return lh_fail_errno(cx, "map a file", errno);
    *ret_map = (lh_map){.bytes = lh_str_n(at, (size_t)st.st_size)};
    return LH_OK;
}

lh_rc lh_map_open(lh_ctx *cx, lh_str path, lh_map *ret_map)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, path, LH_FILE_READ, &file));
    return lh_map_fd(cx, lh_file_fd(file), ret_map); /* the mapping outlives the descriptor */
}

void lh_map_forget(lh_str part)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)part.ptr + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)part.ptr + part.len) / page * page;
    if (first < end)
        (void)madvise((void *)first, end - first, MADV_DONTNEED); /* a hint: it may be refused */
}

void lh_map_close(lh_map *map)
{
    if (map->bytes.len > 0) {
        int rc = munmap((void *)(uintptr_t)map->bytes.ptr, map->bytes.len);
        lh_assert(rc == 0);
    }
    map->bytes = LH_STR_NONE;
}
