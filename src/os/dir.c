/* dir.c - folders: making them durable, listing them in a fixed order, removing trees without
 * following links. */
#include "base/fault.h"
#include "os/os_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { TREE_DEPTH_MAX = 128 };

/* Makes one component; *ret_made tells whether it was not there. */
static lh_rc make_one(lh_ctx *cx, const char *path)
{
    LH_FAULT(cx, DIR_BEFORE_MAKE);
    if (mkdir(path, 0750) != 0) {
        int number = errno;
        struct stat st;
        if (number == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return LH_OK;
        return lhi_fail_path(cx, "make folder", lh_str_from(path), number);
    }
    return lh_dir_sync(cx, lh_path_dir(lh_str_from(path)));
}

lh_rc lh_dir_make(lh_ctx *cx, lh_str path)
{
    const char *name = lh_ctx_cstr(cx, path);
    if (name == NULL)
        return cx->err.rc;
    size_t len = path.len;
    while (len > 1 && name[len - 1] == '/')
        len--;
    if (len == 0)
        return lh_fail(cx, LH_E_BAD_NAME, "an empty path is not a folder");
    for (size_t i = 1; i <= len; i++) {
        if (i < len && (name[i] != '/' || name[i - 1] == '/'))
            continue;
        lh_str part = lh_ctx_dup(cx, lh_str_n(name, i));
        if (part.ptr == NULL)
            return LH_E_NO_MEMORY;
        struct stat st;
        if (stat(part.ptr, &st) == 0 && S_ISDIR(st.st_mode))
            continue;
        LH_TRY(make_one(cx, part.ptr));
    }
    return LH_OK;
}

lh_rc lh_dir_make_scratch(lh_ctx *cx, lh_str path)
{
    const char *name = lh_ctx_cstr(cx, path);
    if (name == NULL)
        return cx->err.rc;
    if (mkdir(name, 0700) != 0 && errno != EEXIST)
        return lh_fail_errno(cx, "make a scratch folder", errno);
    return LH_OK;
}

int64_t lhi_mtime_us(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

static int by_name(const void *a, const void *b)
{
    return lh_str_cmp(((const lh_dir_entry *)a)->name, ((const lh_dir_entry *)b)->name);
}

static void dir_done(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

/* 0 when the entry vanished meanwhile. */
static int describe(int fd, const struct dirent *from, lhi_list what, lh_dir_entry *entry)
{
    if (what == LHI_LIST_NAMES && from->d_type != DT_UNKNOWN) {
        entry->is_dir = from->d_type == DT_DIR;
        return 1;
    }
    struct stat st;
    if (fstatat(fd, from->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    entry->is_dir = S_ISDIR(st.st_mode);
    entry->bytes = (uint64_t)st.st_size;
    entry->modified_us = lhi_mtime_us(&st);
    return 1;
}

lh_rc lhi_list_fd(lh_ctx *cx, int fd, lhi_list what, lh_dir_entry **ret_entries, size_t *ret_count)
{
    __attribute__((cleanup(dir_done))) DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int number = errno;
        (void)close(fd);
        return lh_fail_errno(cx, "list a folder", number);
    }
    lh_dir_entry *entries = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (;;) {
        errno = 0;
        const struct dirent *from = readdir(dir);
        if (from == NULL && errno != 0)
            return lh_fail_errno(cx, "list a folder", errno);
        if (from == NULL)
            break;
        if (strcmp(from->d_name, ".") == 0 || strcmp(from->d_name, "..") == 0)
            continue;
        void *grown = entries;
        LH_TRY(lh_ctx_grow(cx, &grown, count, &capacity, sizeof(*entries)));
        entries = grown;
        lh_dir_entry entry = {.name = lh_ctx_dup(cx, lh_str_from(from->d_name))};
        if (entry.name.ptr == NULL)
            return LH_E_NO_MEMORY;
        if (describe(dirfd(dir), from, what, &entry))
            entries[count++] = entry;
    }
    if (count > 1)
        qsort(entries, count, sizeof(*entries), by_name);
    *ret_entries = entries;
    *ret_count = count;
    return LH_OK;
}

lh_rc lh_dir_list(lh_ctx *cx, lh_str path, lh_dir_entry **ret_entries, size_t *ret_count)
{
    const char *name = lh_ctx_cstr(cx, path);
    if (name == NULL)
        return cx->err.rc;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return lhi_fail_path(cx, "list folder", path, errno);
    return lhi_list_fd(cx, fd, LHI_LIST_STAT, ret_entries, ret_count);
}

static lh_rc remove_tree_at(lh_ctx *cx, int parent, const char *name, int depth);

static lh_rc remove_content(lh_ctx *cx, int dir, int depth)
{
    int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0)
        return lh_fail_errno(cx, "open a folder to remove", errno);
    lh_dir_entry *entries = NULL;
    size_t count = 0;
    LH_TRY(lhi_list_fd(cx, again, LHI_LIST_NAMES, &entries, &count));
    for (size_t i = 0; i < count; i++) {
        if (entries[i].is_dir)
            LH_TRY(remove_tree_at(cx, dir, entries[i].name.ptr, depth + 1));
        else if (unlinkat(dir, entries[i].name.ptr, 0) != 0 && errno != ENOENT)
            return lhi_fail_path(cx, "remove", entries[i].name, errno);
    }
    return LH_OK;
}

/* O_NOFOLLOW at every level: a link planted in the tree is unlinked, never walked into. */
static lh_rc remove_tree_at(lh_ctx *cx, int parent, const char *name, int depth)
{
    if (depth > TREE_DEPTH_MAX)
        return lh_fail(cx, LH_E_IO, "folders nested deeper than %d", (int)TREE_DEPTH_MAX);
    int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        if (errno == ENOENT)
            return LH_OK;
        if (errno != ENOTDIR && errno != ELOOP)
            return lhi_fail_path(cx, "remove folder", lh_str_from(name), errno);
        if (unlinkat(parent, name, 0) != 0 && errno != ENOENT)
            return lhi_fail_path(cx, "remove", lh_str_from(name), errno);
        return LH_OK;
    }
    lh_rc rc = remove_content(cx, dir, depth);
    (void)close(dir);
    LH_TRY(rc);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return lhi_fail_path(cx, "remove folder", lh_str_from(name), errno);
    return LH_OK;
}

lh_rc lh_dir_remove_all(lh_ctx *cx, lh_str path)
{
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    const char *name = lh_ctx_cstr(cx, path);
    if (name == NULL)
        return cx->err.rc;
    return remove_tree_at(cx, AT_FDCWD, name, 0);
}

lh_rc lh_dir_free_space(lh_ctx *cx, lh_str path, uint64_t *ret_bytes_free,
                        uint64_t *ret_bytes_total)
{
    const char *name = lh_ctx_cstr(cx, path);
    if (name == NULL)
        return cx->err.rc;
    struct statvfs fs;
    if (statvfs(name, &fs) != 0)
        return lhi_fail_path(cx, "ask for free space of", path, errno);
    *ret_bytes_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    *ret_bytes_total = (uint64_t)fs.f_blocks * fs.f_frsize;
    return LH_OK;
}
