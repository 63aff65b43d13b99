/* os/os_private.h - what the files of this folder share: errno to error, paths at descriptors,
 * durable placing.
 *
 * Owns:    nothing.
 * Threads: any.
 * Limits:  names are cut at 64 bytes in messages.
 * Formats: none.
 * Why:     one place that turns errno into a row and hides the host's paths. */
#ifndef LH_OS_PRIVATE_H
#define LH_OS_PRIVATE_H

#include "base/ctx.h"
#include "os/file.h"

#include <sys/stat.h>

/* "open 'orders.csv': no such file": only the last component of path is told. */
#define lhi_fail_path(cx, verb, path, number)                                                      \
    lhi_fail_path_at((cx), __FILE__, __LINE__, (verb), (path), (number))
LH_COLD lh_rc lhi_fail_path_at(lh_ctx *cx, const char *file, int line, const char *verb,
                               lh_str path, int number);

/* Wraps a new descriptor in an lh_file; closes it on failure. name is copied (its last
 * component). */
LH_WARN_UNUSED lh_rc lhi_file_wrap(lh_ctx *cx, int fd, lh_str name, lh_file **ret_file);

/* A text file of the kernel (/proc, /sys) into out, NUL-terminated. Bytes read, -1 when it cannot
 * be read. */
int lhi_read_small(const char *path, char *out, size_t bytes);

typedef enum lhi_place { LHI_PLACE_REPLACE, LHI_PLACE_NEW } lhi_place;

/* Writes bytes to a temporary file of temp_dir and fsyncs it; *ret_name (arena) is its name
 * there. */
LH_WARN_UNUSED lh_rc lhi_temp_write(lh_ctx *cx, int temp_dir, lh_str hint, lh_str bytes,
                                    const char **ret_name);
/* Moves from_dir/from to dir/name and fsyncs dir. LHI_PLACE_NEW: LH_E_ALREADY_EXISTS when it is
 * there. */
LH_WARN_UNUSED lh_rc lhi_place_at(lh_ctx *cx, int from_dir, const char *from, int dir,
                                  const char *name, lhi_place how);
LH_WARN_UNUSED lh_rc lhi_sync_dir_fd(lh_ctx *cx, int dir, const char *name);
/* Unlinks dir/name and, with LHI_REMOVE_SYNC, fsyncs dir; absent is fine. */
typedef enum lhi_remove { LHI_REMOVE_SYNC, LHI_REMOVE_SOON } lhi_remove;
LH_WARN_UNUSED lh_rc lhi_remove_at(lh_ctx *cx, int dir, const char *name, lhi_remove how);

/* Entries of an open folder (the descriptor is taken) in byte order of their names; sizes and times
 * only with LHI_LIST_STAT. */
typedef enum lhi_list { LHI_LIST_NAMES, LHI_LIST_STAT } lhi_list;
LH_WARN_UNUSED lh_rc lhi_list_fd(lh_ctx *cx, int fd, lhi_list what, lh_dir_entry **ret_entries,
                                 size_t *ret_count);
int64_t lhi_mtime_us(const struct stat *st);

/* From now on as on a kernel without openat2; for the tests of that road. */
struct lh_root;
void lhi_root_forget_openat2(struct lh_root *root);

/* A wait slice: cancel flags have no descriptor to poll, so waits look at them this often. */
enum { LHI_WAIT_SLICE_MS = 50 };
/* poll for events until cx's deadline or cancel. */
LH_WARN_UNUSED lh_rc lhi_poll(lh_ctx *cx, int fd, short events);

#endif
