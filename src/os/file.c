/* file.c - one open file: opening, reading, writing and syncing, each until done or failed.
 *
 * Every call loops over EINTR and short counts. A failed fsync marks the file: a second try could
 * report success for pages the kernel has already dropped, so it is refused. */
#include "os/file.h"

#include "base/fault.h"
#include "os/os_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum { NAME_BYTES = 65, IO_BYTES_MAX = 1 << 30 };

struct lh_file {
    int fd;
    atomic_int sync_failed;
    char name[NAME_BYTES]; /* last component, for messages */
};

lh_rc lhi_fail_path_at(lh_ctx *cx, const char *file, int line, const char *verb, lh_str path,
                       int number)
{
    lh_str name = lh_path_base(path);
    char what[160];
    size_t cut = lh_utf8_cut(name, NAME_BYTES - 1);
    (void)snprintf(what, sizeof(what), "%s '%.*s'", verb, (int)cut, name.ptr ? name.ptr : "");
    return lh_fail_errno_at(cx, file, line, what, number == ENOTDIR ? ENOENT : number);
}

lh_rc lhi_file_wrap(lh_ctx *cx, int fd, lh_str name, lh_file **ret_file)
{
    lh_assert(fd >= 0);
    lh_file *file = lh_alloc_zero(1, sizeof(*file));
    if (file == NULL) {
        (void)close(fd);
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for an open file");
    }
    file->fd = fd;
    lh_str base = lh_path_base(name);
    size_t cut = lh_utf8_cut(base, NAME_BYTES - 1);
    if (cut > 0)
        memcpy(file->name, base.ptr, cut);
    *ret_file = file;
    return LH_OK;
}

static int fail_if_folder(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    return S_ISDIR(st.st_mode) ? EISDIR : 0;
}

lh_rc lh_file_open(lh_ctx *cx, lh_str path, lh_file_mode mode, lh_file **ret_file)
{
    static const struct {
        int flags;
        mode_t permissions;
    } how[] = {
        [LH_FILE_READ] = {O_RDONLY, 0},
        [LH_FILE_CREATE] = {O_RDWR | O_CREAT | O_EXCL, 0640},
        [LH_FILE_CREATE_NEW_SECRET] = {O_RDWR | O_CREAT | O_EXCL, 0600},
        [LH_FILE_APPEND] = {O_WRONLY | O_CREAT | O_APPEND, 0640},
        [LH_FILE_READ_WRITE] = {O_RDWR | O_CREAT, 0640},
    };
    lh_assert((size_t)mode < LH_ARRAY_LEN(how));
    const char *name = lh_ctx_cstr(cx, path);
    if (name == NULL)
        return cx->err.rc;
    int fd = open(name, how[mode].flags | O_CLOEXEC | O_NOCTTY, how[mode].permissions);
    if (fd < 0)
        return lhi_fail_path(cx, "open", path, errno);
    int number = fail_if_folder(fd);
    if (number != 0) {
        (void)close(fd);
        return lhi_fail_path(cx, "open", path, number);
    }
    return lhi_file_wrap(cx, fd, path, ret_file);
}

lh_rc lh_file_open_fd(lh_ctx *cx, int fd, lh_file **ret_file)
{
    return lhi_file_wrap(cx, fd, LH_S("descriptor"), ret_file);
}

lh_file *lh_file_close(lh_file *file)
{
    if (file != NULL) {
        (void)close(file->fd); /* never retried: on Linux the descriptor is gone even after EINTR */
        lh_free(file);
    }
    return NULL;
}

int lh_file_fd(const lh_file *file)
{
    return file->fd;
}

int lh_file_take_fd(lh_file *file)
{
    int fd = file->fd;
    lh_free(file);
    return fd;
}

lh_rc lh_file_size(lh_ctx *cx, const lh_file *file, uint64_t *ret_bytes)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return lhi_fail_path(cx, "look at", lh_str_from(file->name), errno);
    *ret_bytes = (uint64_t)st.st_size;
    return LH_OK;
}

lh_rc lh_file_write(lh_ctx *cx, lh_file *file, lh_str bytes)
{
    LH_FAULT(cx, FILE_BEFORE_WRITE);
    size_t done = 0;
    while (done < bytes.len) {
        size_t piece = LH_MIN(bytes.len - done, (size_t)IO_BYTES_MAX);
        ssize_t n = write(file->fd, bytes.ptr + done, piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return lhi_fail_path(cx, "write", lh_str_from(file->name), n < 0 ? errno : EIO);
        done += (size_t)n;
    }
    return LH_OK;
}

lh_rc lh_file_write_at(lh_ctx *cx, lh_file *file, uint64_t offset, lh_str bytes)
{
    LH_FAULT(cx, FILE_BEFORE_WRITE);
    if (offset > INT64_MAX - bytes.len)
        return lh_fail(cx, LH_E_TOO_LARGE, "write past 2^63 in '%s'", file->name);
    size_t done = 0;
    while (done < bytes.len) {
        size_t piece = LH_MIN(bytes.len - done, (size_t)IO_BYTES_MAX);
        ssize_t n = pwrite(file->fd, bytes.ptr + done, piece, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return lhi_fail_path(cx, "write", lh_str_from(file->name), n < 0 ? errno : EIO);
        done += (size_t)n;
    }
    return LH_OK;
}

lh_rc lh_file_read(lh_ctx *cx, lh_file *file, void *out, size_t bytes, size_t *ret_read)
{
    for (;;) {
        ssize_t n = read(file->fd, out, LH_MIN(bytes, (size_t)IO_BYTES_MAX));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lhi_fail_path(cx, "read", lh_str_from(file->name), errno);
        *ret_read = (size_t)n;
        return LH_OK;
    }
}

lh_rc lh_file_read_at(lh_ctx *cx, const lh_file *file, uint64_t offset, void *out, size_t bytes)
{
    if (offset > INT64_MAX - bytes)
        return lh_fail(cx, LH_E_BAD_VALUE, "read past 2^63 in '%s'", file->name);
    char *at = out;
    size_t done = 0;
    while (done < bytes) {
        size_t piece = LH_MIN(bytes - done, (size_t)IO_BYTES_MAX);
        ssize_t n = pread(file->fd, at + done, piece, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lhi_fail_path(cx, "read", lh_str_from(file->name), errno);
        if (n == 0)
            return lh_fail(cx, LH_E_BAD_VALUE, "'%s' ends at byte %llu, %zu more were wanted",
                           file->name, (unsigned long long)(offset + done), bytes - done);
        done += (size_t)n;
    }
    return LH_OK;
}

lh_rc lh_file_truncate(lh_ctx *cx, lh_file *file, uint64_t bytes)
{
    if (bytes > INT64_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a size past 2^63 for '%s'", file->name);
    while (ftruncate(file->fd, (off_t)bytes) != 0)
        if (errno != EINTR)
            return lhi_fail_path(cx, "resize", lh_str_from(file->name), errno);
    return LH_OK;
}

static lh_rc sync_once(lh_ctx *cx, lh_file *file)
{
    LH_FAULT(cx, FILE_BEFORE_SYNC);
    if (fsync(file->fd) != 0)
        return lhi_fail_path(cx, "sync", lh_str_from(file->name), errno);
    return LH_OK;
}

lh_rc lh_file_sync(lh_ctx *cx, lh_file *file)
{
    if (atomic_load(&file->sync_failed))
        return lh_fail(cx, LH_E_IO, "an earlier sync of '%s' failed; its content is not known",
                       file->name);
    lh_rc rc = sync_once(cx, file);
    if (rc != LH_OK)
        atomic_store(&file->sync_failed, 1);
    return rc;
}

static lh_rc container_write_at(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    return lh_file_write_at(cx, arg, offset, bytes);
}

lh_container_sink lh_file_container_sink(lh_file *file)
{
    return (lh_container_sink){.write_at = container_write_at, .arg = file};
}

lh_rc lh_file_lock(lh_ctx *cx, lh_file *file)
{
    while (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        if (errno == EWOULDBLOCK)
            return lh_fail(cx, LH_E_CONFLICT, "'%s' is locked by another process", file->name);
        return lhi_fail_path(cx, "lock", lh_str_from(file->name), errno);
    }
    return LH_OK;
}
