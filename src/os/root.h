/* os/root.h - a folder below which no path can escape: the files of a store.
 *
 * Owns:    a descriptor of the folder and one of its temporary folder.
 * Threads: all functions from any thread.
 * Limits:  relative paths below 4096 bytes; the caller checks names, this checks that the kernel
 *          agrees.
 * Formats: none.
 * Why:     a key that was checked as text can still lead out through a symbolic link somebody made.
 *          openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS refuses in one step; older kernels
 *          get O_NOFOLLOW per component.
 * Errors:  as os/file.h; a link on the way is LH_E_BAD_NAME. Folders made on the way are durable
 * before the file is. */
#ifndef LH_OS_ROOT_H
#define LH_OS_ROOT_H

#include "os/file.h"

typedef struct lh_root lh_root;

typedef enum lh_root_put_mode { LH_ROOT_REPLACE, LH_ROOT_NEW } lh_root_put_mode;

/* Both folders must exist, on one file system. Temporary files are made in temp_dir, so a crash
 * leaves none below path. */
LH_WARN_UNUSED lh_rc lh_root_open(lh_ctx *cx, lh_str path, lh_str temp_dir, lh_root **ret_root);
lh_root *lh_root_close(lh_root *root);
LH_DEFINE_CLEANUP(lh_root, lh_root_close)

/* A regular file for reading. A folder or anything else: LH_E_NOT_FOUND. */
LH_WARN_UNUSED lh_rc lh_root_open_file(lh_ctx *cx, lh_root *root, lh_str relative,
                                       lh_file **ret_file);
/* Whole and durable when it returns. LH_ROOT_NEW: LH_E_ALREADY_EXISTS when it is there; of several
 * at once one wins. An error from the last step (the folder's fsync) means "unknown": the file may
 * be seen, now or after a crash. */
LH_WARN_UNUSED lh_rc lh_root_put(lh_ctx *cx, lh_root *root, lh_str relative, lh_str bytes,
                                 lh_root_put_mode mode);
/* Moves temp_dir/temp_name, which must be synced, to relative. Syncs both folders.
 * LH_E_ALREADY_EXISTS. */
LH_WARN_UNUSED lh_rc lh_root_adopt(lh_ctx *cx, lh_root *root, const char *temp_name,
                                   lh_str relative);
typedef enum lh_root_remove_mode {
    LH_ROOT_REMOVE_SYNC, /* durable when it returns */
    LH_ROOT_REMOVE_SOON  /* a power cut may bring it back */
} lh_root_remove_mode;
/* absent is fine */
LH_WARN_UNUSED lh_rc lh_root_remove(lh_ctx *cx, lh_root *root, lh_str relative,
                                    lh_root_remove_mode mode);
LH_WARN_UNUSED lh_rc lh_root_stat(lh_ctx *cx, lh_root *root, lh_str relative, uint64_t *ret_bytes,
                                  int64_t *ret_modified_us);
/* Names and kinds only (bytes and times are 0), byte order, links left out. relative empty: the
 * root itself. */
LH_WARN_UNUSED lh_rc lh_root_list(lh_ctx *cx, lh_root *root, lh_str relative,
                                  lh_dir_entry **ret_entries, size_t *ret_count);
/* Everything written to this file system before, by whomever, is on disk when it returns. */
LH_WARN_UNUSED lh_rc lh_root_sync_all(lh_ctx *cx, lh_root *root);

#endif
