/* root.c - file operations that stay below one folder, whatever links somebody planted there.
 *
 * Folders are made one component at a time, each synced into its parent. A folder that exists may
 * have been made by a run that died before its sync, so the first put of this process into a folder
 * syncs all its parents once; a small table remembers which are known to be durable (a clash of two
 * folders in the table costs a repeated fsync, nothing else). */
#include "os/root.h"

#include "base/fault.h"
#include "base/hash.h"
#include "os/os_private.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RELATIVE_BYTES_MAX = 4096, KNOWN_FOLDERS = 1024, OPENAT2_TRIES_MAX = 16 };

struct lh_root {
    int dir;
    int temp;
    atomic_int no_openat2;                        /* the kernel lacks it, or a filter hides it */
    _Atomic uint64_t known_synced[KNOWN_FOLDERS]; /* hashes of durable folders; 0 = free */
};

static void fd_done(int *fd)
{
    lh_fd_close(*fd);
}
#define FD_SCOPE __attribute__((cleanup(fd_done)))

lh_rc lh_root_open(lh_ctx *cx, lh_str path, lh_str temp_dir, lh_root **ret_root)
{
    const char *path_text = lh_ctx_cstr(cx, path);
    const char *temp_text = lh_ctx_cstr(cx, temp_dir);
    if (path_text == NULL || temp_text == NULL)
        return cx->err.rc;
    FD_SCOPE int dir = open(path_text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return lhi_fail_path(cx, "open folder", path, errno);
    FD_SCOPE int temp = open(temp_text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (temp < 0)
        return lhi_fail_path(cx, "open folder", temp_dir, errno);
    struct stat a;
    struct stat b;
    if (fstat(dir, &a) != 0 || fstat(temp, &b) != 0)
        return lh_fail_errno(cx, "look at a folder", errno);
    if (a.st_dev != b.st_dev)
        return lh_fail(cx, LH_E_BAD_CONFIG,
                       "temporary files must be on the file system of the data");
    lh_root *root = lh_alloc_zero(1, sizeof(*root));
    if (root == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for an open folder");
    root->dir = dir;
    root->temp = temp;
    dir = temp = -1;
    *ret_root = root;
    return LH_OK;
}

lh_root *lh_root_close(lh_root *root)
{
    if (root != NULL) {
        lh_fd_close(root->dir);
        lh_fd_close(root->temp);
        lh_free(root);
    }
    return NULL;
}

/* One name below a folder, never "..", never through a link. Descriptor or -errno; ELOOP for a
 * link, which the kernel calls ENOTDIR when a folder was asked for. */
static int open_step(int at, const char *name, int flags)
{
    struct stat st;
    if (strcmp(name, "..") == 0)
        return -EXDEV;
    int fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int number = errno;
    if (number == ENOTDIR && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        number = ELOOP;
    return -number;
}

/* Component by component. Descriptor or -errno. */
static int open_walk(int dir, const char *relative, int flags)
{
    lh_assert(relative != NULL);
    int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    if (at < 0)
        return -errno;
    for (const char *rest = relative;;) {
        char name[256];
        size_t len = strcspn(rest, "/");
        int last = rest[len] == '\0';
        int next = -ENAMETOOLONG;
        if (len < sizeof(name)) {
            memcpy(name, rest, len);
            name[len] = '\0';
            next = open_step(at, name, last ? flags : O_RDONLY | O_DIRECTORY);
        }
        (void)close(at);
        if (next < 0 || last)
            return next;
        at = next;
        rest += len + 1;
    }
}

/* Descriptor or -errno. EAGAIN: a rename elsewhere raced with the check of RESOLVE_BENEATH. */
static int open_beneath(lh_root *root, const char *relative, int flags)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    for (int i = 0; i < OPENAT2_TRIES_MAX && !atomic_load(&root->no_openat2); i++) {
        long fd = syscall(SYS_openat2, root->dir, relative, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == E2BIG)
            atomic_store(&root->no_openat2, 1);
        else if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return open_walk(root->dir, relative, flags);
}

void lhi_root_forget_openat2(lh_root *root)
{
    atomic_store(&root->no_openat2, 1);
}

/* ENOTDIR from O_NOFOLLOW|O_DIRECTORY on a link and EXDEV from RESOLVE_BENEATH mean what ELOOP
 * means. */
static lh_rc fail_relative(lh_ctx *cx, const char *verb, lh_str relative, int number)
{
    if (number == ELOOP || number == EXDEV)
        return lh_fail(cx, LH_E_BAD_NAME, "%s '%.*s': a link on the way is not followed", verb,
                       LH_STR_ARG(lh_path_base(relative)));
    return lhi_fail_path(cx, verb, relative, number);
}

static lh_rc text_of(lh_ctx *cx, lh_str relative, const char **ret_text)
{
    if (relative.len >= RELATIVE_BYTES_MAX || (relative.len > 0 && relative.ptr[0] == '/'))
        return lh_fail(cx, LH_E_BAD_NAME, "a path below the root of %zu bytes, limit %d",
                       relative.len, (int)RELATIVE_BYTES_MAX - 1);
    const char *text = lh_ctx_cstr(cx, relative);
    if (text == NULL)
        return cx->err.rc;
    *ret_text = relative.len > 0 ? text : ".";
    return LH_OK;
}

static lh_rc open_folder(lh_ctx *cx, lh_root *root, lh_str relative, int *ret_fd)
{
    const char *text = NULL;
    LH_TRY(text_of(cx, relative, &text));
    int fd = open_beneath(root, text, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fail_relative(cx, "open folder", relative, -fd);
    *ret_fd = fd;
    return LH_OK;
}

/* "a/b" -> "a"; "a" -> "". */
static lh_str folder_of(lh_str relative)
{
    size_t slash = lh_str_rfind_char(relative, '/');
    return slash == LH_STR_NPOS ? LH_S("") : lh_str_sub(relative, 0, slash);
}

static uint64_t folder_hash(lh_str folder)
{
    uint64_t hash = lh_hash64(folder, 0);
    return hash != 0 ? hash : 1;
}

static int is_known(lh_root *root, lh_str folder)
{
    uint64_t hash = folder_hash(folder);
    return atomic_load(&root->known_synced[hash % KNOWN_FOLDERS]) == hash;
}

static void set_known(lh_root *root, lh_str folder)
{
    uint64_t hash = folder_hash(folder);
    atomic_store(&root->known_synced[hash % KNOWN_FOLDERS], hash);
}

static void forget(lh_root *root, lh_str folder)
{
    uint64_t hash = folder_hash(folder);
    atomic_compare_exchange_strong(&root->known_synced[hash % KNOWN_FOLDERS], &hash, (uint64_t)0);
}

/* Makes `folder`, whose parent exists, and syncs it into the parent. */
static lh_rc make_below(lh_ctx *cx, lh_root *root, lh_str folder)
{
    FD_SCOPE int parent = -1;
    LH_TRY(open_folder(cx, root, folder_of(folder), &parent));
    const char *name = lh_ctx_cstr(cx, lh_path_base(folder));
    if (name == NULL)
        return cx->err.rc;
    LH_FAULT(cx, DIR_BEFORE_MAKE);
    if (mkdirat(parent, name, 0750) != 0 && errno != EEXIST)
        return fail_relative(cx, "make folder", folder, errno);
    return lhi_sync_dir_fd(cx, parent, name);
}

/* Opens the folder of relative, made and durable. */
static lh_rc open_durable_folder(lh_ctx *cx, lh_root *root, lh_str relative, int *ret_fd)
{
    lh_str folder = folder_of(relative);
    if (is_known(root, folder)) {
        lh_rc rc = open_folder(cx, root, folder, ret_fd);
        if (rc != LH_E_NOT_FOUND)
            return rc;
        forget(root, folder); /* somebody removed it */
    }
    for (size_t i = 1; i <= folder.len; i++)
        if (i == folder.len || folder.ptr[i] == '/')
            LH_TRY(make_below(cx, root, lh_str_sub(folder, 0, i)));
    LH_TRY(open_folder(cx, root, folder, ret_fd));
    set_known(root, folder);
    return LH_OK;
}

lh_rc lh_root_open_file(lh_ctx *cx, lh_root *root, lh_str relative, lh_file **ret_file)
{
    const char *text = NULL;
    LH_TRY(text_of(cx, relative, &text));
    int fd =
        open_beneath(root, text, O_RDONLY | O_NONBLOCK | O_NOCTTY); /* a FIFO must not hold us */
    if (fd < 0)
        return fail_relative(cx, "open", relative, fd == -ENXIO ? ENOENT : -fd);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        lh_fd_close(fd);
        return lhi_fail_path(cx, "open", relative, ENOENT);
    }
    return lhi_file_wrap(cx, fd, relative, ret_file);
}

lh_rc lh_root_put(lh_ctx *cx, lh_root *root, lh_str relative, lh_str bytes, lh_root_put_mode mode)
{
    FD_SCOPE int folder = -1;
    LH_TRY(open_durable_folder(cx, root, relative, &folder));
    const char *name = lh_ctx_cstr(cx, lh_path_base(relative));
    const char *temp = NULL;
    if (name == NULL)
        return cx->err.rc;
    LH_TRY(lhi_temp_write(cx, root->temp, relative, bytes, &temp));
    lh_assert(temp != NULL);
    /* The temporary folder needs no fsync: what a power cut may leave in it is removed at the next
     * open. */
    lh_rc rc = lhi_place_at(cx, root->temp, temp, folder, name,
                            mode == LH_ROOT_NEW ? LHI_PLACE_NEW : LHI_PLACE_REPLACE);
    if (rc != LH_OK)
        (void)unlinkat(root->temp, temp, 0);
    return rc;
}

lh_rc lh_root_adopt(lh_ctx *cx, lh_root *root, const char *temp_name, lh_str relative)
{
    FD_SCOPE int folder = -1;
    LH_TRY(open_durable_folder(cx, root, relative, &folder));
    const char *name = lh_ctx_cstr(cx, lh_path_base(relative));
    if (name == NULL)
        return cx->err.rc;
    LH_TRY(lhi_place_at(cx, root->temp, temp_name, folder, name, LHI_PLACE_NEW));
    return lhi_sync_dir_fd(cx, root->temp, temp_name);
}

lh_rc lh_root_remove(lh_ctx *cx, lh_root *root, lh_str relative, lh_root_remove_mode mode)
{
    FD_SCOPE int folder = -1;
    lh_rc rc = open_folder(cx, root, folder_of(relative), &folder);
    if (rc == LH_E_NOT_FOUND)
        return LH_OK;
    LH_TRY(rc);
    const char *name = lh_ctx_cstr(cx, lh_path_base(relative));
    if (name == NULL)
        return cx->err.rc;
    return lhi_remove_at(cx, folder, name,
                         mode == LH_ROOT_REMOVE_SYNC ? LHI_REMOVE_SYNC : LHI_REMOVE_SOON);
}

lh_rc lh_root_stat(lh_ctx *cx, lh_root *root, lh_str relative, uint64_t *ret_bytes,
                   int64_t *ret_modified_us)
{
    const char *text = NULL;
    LH_TRY(text_of(cx, relative, &text));
    FD_SCOPE int fd = open_beneath(root, text, O_PATH);
    if (fd < 0)
        return fail_relative(cx, "look at", relative, -fd);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return lhi_fail_path(cx, "look at", relative, errno);
    if (S_ISLNK(st.st_mode)) /* O_PATH opens a link itself on the fallback path */
        return fail_relative(cx, "look at", relative, ELOOP);
    if (!S_ISREG(st.st_mode))
        return lhi_fail_path(cx, "look at", relative, ENOENT);
    *ret_bytes = (uint64_t)st.st_size;
    *ret_modified_us = lhi_mtime_us(&st);
    return LH_OK;
}

lh_rc lh_root_list(lh_ctx *cx, lh_root *root, lh_str relative, lh_dir_entry **ret_entries,
                   size_t *ret_count)
{
    int fd = -1;
    LH_TRY(open_folder(cx, root, relative, &fd));
    return lhi_list_fd(cx, fd, LHI_LIST_NAMES, ret_entries, ret_count);
}

lh_rc lh_root_sync_all(lh_ctx *cx, lh_root *root)
{
    if (syncfs(root->dir) != 0)
        return lh_fail_errno(cx, "sync the file system of the data", errno);
    return LH_OK;
}
