/* os/file.h - files and folders, durable when it says so.
 *
 * Owns:    an lh_file is the caller's; lh_file_close frees it.
 * Threads: one per lh_file; read_at and write_at may run at once.
 * Limits:  paths below PATH_MAX. Nothing follows a symlink below a root opened with lh_dir_*
 *          functions.
 * Formats: bytes.
 * Why:     the only place with file system calls; every step of a durable write has a fault point.
 *          After a failed fsync the file is not retried (the page cache may lie): the caller fails
 *          the operation.
 * Errors:  LH_E_NOT_FOUND, LH_E_ALREADY_EXISTS, LH_E_NO_SPACE, LH_E_IO, LH_E_FORBIDDEN
 * (permissions). Messages name
 *          the file's last component only, never the host's path. */
#ifndef LH_OS_FILE_H
#define LH_OS_FILE_H

#include "base/buf.h"
#include "base/container.h"

typedef struct lh_file lh_file;

typedef enum lh_file_mode {
    LH_FILE_READ,
    LH_FILE_CREATE,            /* must not exist; 0640 */
    LH_FILE_CREATE_NEW_SECRET, /* must not exist; 0600 */
    LH_FILE_APPEND,            /* created when absent */
    LH_FILE_READ_WRITE         /* created when absent */
} lh_file_mode;

LH_WARN_UNUSED lh_rc lh_file_open(lh_ctx *cx, lh_str path, lh_file_mode mode, lh_file **ret_file);
/* takes the descriptor */
LH_WARN_UNUSED lh_rc lh_file_open_fd(lh_ctx *cx, int fd, lh_file **ret_file);
lh_file *lh_file_close(lh_file *file); /* NULL ok; ignores errors: sync first when it matters */
LH_DEFINE_CLEANUP(lh_file, lh_file_close)
int lh_file_fd(const lh_file *file); /* borrowed */
int lh_file_take_fd(lh_file *file);  /* the caller closes it; the lh_file is gone */
LH_WARN_UNUSED lh_rc lh_file_size(lh_ctx *cx, const lh_file *file, uint64_t *ret_bytes);
/* all of it, at the position */
LH_WARN_UNUSED lh_rc lh_file_write(lh_ctx *cx, lh_file *file, lh_str bytes);
LH_WARN_UNUSED lh_rc lh_file_write_at(lh_ctx *cx, lh_file *file, uint64_t offset, lh_str bytes);
/* 0 = end */
LH_WARN_UNUSED lh_rc lh_file_read(lh_ctx *cx, lh_file *file, void *out, size_t bytes,
                                  size_t *ret_read);
/* all */
LH_WARN_UNUSED lh_rc lh_file_read_at(lh_ctx *cx, const lh_file *file, uint64_t offset, void *out,
                                     size_t bytes);
LH_WARN_UNUSED lh_rc lh_file_truncate(lh_ctx *cx, lh_file *file, uint64_t bytes);
LH_WARN_UNUSED lh_rc lh_file_sync(lh_ctx *cx, lh_file *file); /* data and size are on disk */
lh_container_sink lh_file_container_sink(lh_file *file);

/* Whole files. */
/* in the arena */
LH_WARN_UNUSED lh_rc lh_file_read_all(lh_ctx *cx, lh_str path, size_t bytes_max, lh_str *ret_bytes);
/* Temporary name beside it, write, fsync, rename over, fsync of the folder. Durable when it
 * returns. */
LH_WARN_UNUSED lh_rc lh_file_replace(lh_ctx *cx, lh_str path, lh_str bytes);
/* Same, but LH_E_ALREADY_EXISTS when path exists (link, so atomic), and then nothing changed. */
LH_WARN_UNUSED lh_rc lh_file_put_new(lh_ctx *cx, lh_str path, lh_str bytes);
/* Moves a synced file and syncs both folders. With LH_E_ALREADY_EXISTS when `to` exists. */
LH_WARN_UNUSED lh_rc lh_file_move_new(lh_ctx *cx, lh_str from, lh_str to);
/* absent is fine; the folder is synced */
LH_WARN_UNUSED lh_rc lh_file_remove(lh_ctx *cx, lh_str path);
int lh_file_exists(lh_str path);

/* Folders. */
/* with parents, each synced; existing is fine */
LH_WARN_UNUSED lh_rc lh_dir_make(lh_ctx *cx, lh_str path);
/* for scratch files: owner only, nothing synced, the parent must be there; existing is fine */
LH_WARN_UNUSED lh_rc lh_dir_make_scratch(lh_ctx *cx, lh_str path);
LH_WARN_UNUSED lh_rc lh_dir_sync(lh_ctx *cx, lh_str path);
/* recursive, does not follow links; absent is fine */
LH_WARN_UNUSED lh_rc lh_dir_remove_all(lh_ctx *cx, lh_str path);
typedef struct lh_dir_entry {
    lh_str name;
    int is_dir;
    uint64_t bytes;
    int64_t modified_us; /* real time */
} lh_dir_entry;
/* Entries in byte order of their names, without . and ..; in the arena. LH_E_NOT_FOUND when
 * absent. */
LH_WARN_UNUSED lh_rc lh_dir_list(lh_ctx *cx, lh_str path, lh_dir_entry **ret_entries,
                                 size_t *ret_count);
LH_WARN_UNUSED lh_rc lh_dir_free_space(lh_ctx *cx, lh_str path, uint64_t *ret_bytes_free,
                                       uint64_t *ret_bytes_total);

/* An advisory lock held by an open file; LH_E_CONFLICT when another process holds it. */
LH_WARN_UNUSED lh_rc lh_file_lock(lh_ctx *cx, lh_file *file);

/* Read-only mapping; size is checked against the file. SIGBUS cannot happen unless the file is cut
 * by somebody else. */
typedef struct lh_map {
    lh_str bytes;
} lh_map;
/* empty file: bytes.len 0 */
LH_WARN_UNUSED lh_rc lh_map_open(lh_ctx *cx, lh_str path, lh_map *ret_map);
LH_WARN_UNUSED lh_rc lh_map_fd(lh_ctx *cx, int fd, lh_map *ret_map);
void lh_map_close(lh_map *map); /* safe on a zeroed or closed map */
LH_DEFINE_CLEANUP_VALUE(lh_map, lh_map_close)
/* A part of a mapping that will not be read soon: its whole pages no longer count as this process's
 * memory, and come back when they are read. Never of other memory, whose content would be gone. */
void lh_map_forget(lh_str part);

/* path joins in the arena: one slash between. */
lh_str lh_path_join(lh_ctx *cx, lh_str a, lh_str b);
/* The absolute path of what exists there, links resolved; in the arena. */
LH_WARN_UNUSED lh_rc lh_path_absolute(lh_ctx *cx, lh_str path, lh_str *ret_path);
lh_str lh_path_dir(lh_str path);  /* "a/b/c" -> "a/b"; "c" -> "." */
lh_str lh_path_base(lh_str path); /* "a/b/c" -> "c" */

#endif
