/* durable.c - whole files that are there completely or not at all, and still there after a power
 * cut.
 *
 * The order is fixed: write a temporary file, fsync it, rename (or link) it to its name, fsync the
 * folder. Each gap has a fault point. What a failure leaves: before the rename nothing (the
 * temporary file is removed); after it the file may be seen although the caller got an error,
 * because only the folder's fsync makes the name durable. Callers treat such an error as "unknown",
 * never as "did not happen". */
#include "base/fault.h"
#include "os/os_private.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

enum { TEMP_TRIES_MAX = 8, HINT_BYTES_MAX = 64 };

static lh_rc open_dir(lh_ctx *cx, lh_str path, int *ret_fd)
{
    const char *name = lh_ctx_cstr(cx, path);
    if (name == NULL)
        return cx->err.rc;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return lhi_fail_path(cx, "open folder", path, errno);
    *ret_fd = fd;
    return LH_OK;
}

static void fd_done(int *fd)
{
    lh_fd_close(*fd);
}
#define FD_SCOPE __attribute__((cleanup(fd_done)))

lh_rc lhi_sync_dir_fd(lh_ctx *cx, int dir, const char *name)
{
    LH_FAULT(cx, FILE_BEFORE_DIR_SYNC);
    if (fsync(dir) != 0)
        return lhi_fail_path(cx, "sync the folder of", lh_str_from(name), errno);
    return LH_OK;
}

/* A name nobody else picks: hidden, with the target's name for people who look, random for races.
 * For the owner alone: what is put whole is our own state (journal, keys, manifests), never what
 * others come to read. */
static lh_rc temp_open(lh_ctx *cx, int dir, lh_str hint, const char **ret_name, lh_file **ret_file)
{
    for (int i = 0; i < TEMP_TRIES_MAX; i++) {
        uint64_t random;
        LH_TRY(lh_random_bytes(cx, &random, sizeof(random)));
        size_t cut = lh_utf8_cut(hint, HINT_BYTES_MAX);
        lh_str name =
            lh_ctx_fmt(cx, ".%.*s.tmp-%016llx", (int)cut, hint.ptr, (unsigned long long)random);
        if (name.ptr == NULL)
            return LH_E_NO_MEMORY;
        int fd = openat(dir, name.ptr, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0)
            return lhi_fail_path(cx, "create a temporary file for", hint, errno);
        LH_TRY(lhi_file_wrap(cx, fd, hint, ret_file));
        *ret_name = name.ptr;
        return LH_OK;
    }
    return lh_fail(cx, LH_E_IO, "%d temporary names were all taken", (int)TEMP_TRIES_MAX);
}

static lh_rc fill(lh_ctx *cx, lh_file *file, lh_str bytes)
{
    LH_TRY(lh_file_write(cx, file, bytes));
    return lh_file_sync(cx, file);
}

lh_rc lhi_temp_write(lh_ctx *cx, int temp_dir, lh_str hint, lh_str bytes, const char **ret_name)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    const char *name = NULL;
    LH_TRY(temp_open(cx, temp_dir, lh_path_base(hint), &name, &file));
    lh_assert(name != NULL);
    lh_rc rc = fill(cx, file, bytes);
    if (rc != LH_OK) {
        (void)unlinkat(temp_dir, name, 0);
        return rc;
    }
    *ret_name = name;
    return LH_OK;
}

/* renameat2 is one step; link + unlink does the same where a file system lacks the flag. Errno or
 * 0. */
static int move_new(int from_dir, const char *from, int dir, const char *name)
{
    if (renameat2(from_dir, from, dir, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return errno;
    if (linkat(from_dir, from, dir, name, 0) != 0)
        return errno;
    (void)unlinkat(from_dir, from,
                   0); /* left over, it is only a second name in the temporary folder */
    return 0;
}

lh_rc lhi_place_at(lh_ctx *cx, int from_dir, const char *from, int dir, const char *name,
                   lhi_place how)
{
    LH_FAULT(cx, FILE_BEFORE_RENAME);
    int number = 0;
    if (how == LHI_PLACE_NEW)
        number = move_new(from_dir, from, dir, name);
    else if (renameat(from_dir, from, dir, name) != 0)
        number = errno;
    if (number != 0)
        return lhi_fail_path(cx, "put", lh_str_from(name), number);
    return lhi_sync_dir_fd(cx, dir, name);
}

lh_rc lhi_remove_at(lh_ctx *cx, int dir, const char *name, lhi_remove how)
{
    LH_FAULT(cx, FILE_BEFORE_REMOVE);
    if (unlinkat(dir, name, 0) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return LH_OK;
        return lhi_fail_path(cx, "remove", lh_str_from(name), errno);
    }
    return how == LHI_REMOVE_SYNC ? lhi_sync_dir_fd(cx, dir, name) : LH_OK;
}

static lh_rc put_whole(lh_ctx *cx, lh_str path, lh_str bytes, lhi_place how)
{
    FD_SCOPE int dir = -1;
    LH_TRY(open_dir(cx, lh_path_dir(path), &dir));
    const char *name = lh_ctx_cstr(cx, lh_path_base(path));
    const char *temp = NULL;
    if (name == NULL)
        return cx->err.rc;
    LH_TRY(lhi_temp_write(cx, dir, lh_path_base(path), bytes, &temp));
    lh_assert(temp != NULL);
    lh_rc rc = lhi_place_at(cx, dir, temp, dir, name, how);
    if (rc != LH_OK)
        (void)unlinkat(dir, temp, 0);
    return rc;
}

lh_rc lh_file_replace(lh_ctx *cx, lh_str path, lh_str bytes)
{
    return put_whole(cx, path, bytes, LHI_PLACE_REPLACE);
}

lh_rc lh_file_put_new(lh_ctx *cx, lh_str path, lh_str bytes)
{
    return put_whole(cx, path, bytes, LHI_PLACE_NEW);
}

lh_rc lh_file_move_new(lh_ctx *cx, lh_str from, lh_str to)
{
    FD_SCOPE int from_dir = -1;
    FD_SCOPE int to_dir = -1;
    LH_TRY(open_dir(cx, lh_path_dir(from), &from_dir));
    LH_TRY(open_dir(cx, lh_path_dir(to), &to_dir));
    const char *from_name = lh_ctx_cstr(cx, lh_path_base(from));
    const char *to_name = lh_ctx_cstr(cx, lh_path_base(to));
    if (from_name == NULL || to_name == NULL)
        return cx->err.rc;
    LH_TRY(lhi_place_at(cx, from_dir, from_name, to_dir, to_name, LHI_PLACE_NEW));
    return lhi_sync_dir_fd(cx, from_dir, from_name);
}

lh_rc lh_file_remove(lh_ctx *cx, lh_str path)
{
    FD_SCOPE int dir = -1;
    lh_rc rc = open_dir(cx, lh_path_dir(path), &dir);
    if (rc == LH_E_NOT_FOUND)
        return LH_OK;
    LH_TRY(rc);
    const char *name = lh_ctx_cstr(cx, lh_path_base(path));
    return name != NULL ? lhi_remove_at(cx, dir, name, LHI_REMOVE_SYNC) : cx->err.rc;
}

lh_rc lh_dir_sync(lh_ctx *cx, lh_str path)
{
    FD_SCOPE int dir = -1;
    LH_TRY(open_dir(cx, path, &dir));
    const char *name = lh_ctx_cstr(cx, path);
    return name != NULL ? lhi_sync_dir_fd(cx, dir, name) : cx->err.rc;
}

int lh_file_exists(lh_str path)
{
    char name[4096];
    if (path.len == 0 || path.len >= sizeof(name) || memchr(path.ptr, 0, path.len) != NULL)
        return 0;
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    return access(name, F_OK) == 0;
}

lh_rc lh_file_read_all(lh_ctx *cx, lh_str path, size_t bytes_max, lh_str *ret_bytes)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, path, LH_FILE_READ, &file));
    uint64_t bytes;
    LH_TRY(lh_file_size(cx, file, &bytes));
    if (bytes > bytes_max)
        return lh_fail(cx, LH_E_TOO_LARGE, "file of %llu bytes, limit %zu",
                       (unsigned long long)bytes, bytes_max);
    char *out = lh_ctx_alloc(cx, 1, (size_t)bytes + 1); /* NUL behind, for parsers of C text */
    if (out == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_file_read_at(cx, file, 0, out, (size_t)bytes));
    *ret_bytes = (lh_str){out, (size_t)bytes};
    return LH_OK;
}
