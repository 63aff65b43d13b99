/* storage/store.h - objects by key: the one interface over a local folder and, later, S3 and
 * federated buckets.
 *
 * Owns:    an lh_store is opened by the owner of the process and closed last.
 * Threads: all functions from any thread.
 * Limits:  keys 1..1024 bytes, components 1..255, no "..", ".", empty component, NUL, backslash or
 *          control character.
 * Formats: object = bytes; checksum = SHA-256 of the whole content.
 * Why:     put-if-absent is the commit; everything else follows from it
 *          (docs/adr/0001-commits.md). */
#ifndef LH_STORAGE_STORE_H
#define LH_STORAGE_STORE_H

#include "base/ctx.h"
#include "base/hash.h"

typedef struct lh_store lh_store;

typedef struct lh_object_info {
    lh_str key; /* arena */
    uint64_t bytes;
    int64_t modified_us;
} lh_object_info;

/* Errors of all: LH_E_BAD_NAME (key), LH_E_NOT_FOUND, LH_E_NO_SPACE, LH_E_UNAVAILABLE, LH_E_IO. */

/* Durable when it returns. Replaces. */
LH_WARN_UNUSED lh_rc lh_store_put(lh_ctx *cx, lh_store *store, lh_str key, lh_str bytes);
/* Durable when it returns; LH_E_ALREADY_EXISTS and nothing changed when the key exists. Of several
 * at once, one wins. */
LH_WARN_UNUSED lh_rc lh_store_put_if_absent(lh_ctx *cx, lh_store *store, lh_str key, lh_str bytes);
/* Whole object into the arena; LH_E_TOO_LARGE past bytes_max. */
LH_WARN_UNUSED lh_rc lh_store_get(lh_ctx *cx, lh_store *store, lh_str key, size_t bytes_max,
                                  lh_str *ret_bytes);
/* Exactly `bytes` bytes from offset; LH_E_BAD_VALUE when the object is shorter. */
LH_WARN_UNUSED lh_rc lh_store_get_range(lh_ctx *cx, lh_store *store, lh_str key, uint64_t offset,
                                        void *out, size_t bytes);
LH_WARN_UNUSED lh_rc lh_store_stat(lh_ctx *cx, lh_store *store, lh_str key,
                                   lh_object_info *ret_info);
LH_WARN_UNUSED lh_rc lh_store_delete(lh_ctx *cx, lh_store *store, lh_str key); /* absent is fine */

/* Keys that start with prefix, in byte order, after start_after (may be empty), at most limit (0 =
 * all). */
typedef struct lh_object_page {
    lh_object_info *items; /* arena */
    size_t count;
    int more;
} lh_object_page;
LH_WARN_UNUSED lh_rc lh_store_list(lh_ctx *cx, lh_store *store, lh_str prefix, lh_str start_after,
                                   size_t limit, lh_object_page *ret_page);

/* Big objects come through a staging file of the store's own file system: stage, fill, then publish
 * under a key. Staged files that were not published vanish at the next start. */
typedef struct lh_staged lh_staged;
LH_WARN_UNUSED lh_rc lh_store_stage(lh_ctx *cx, lh_store *store, lh_staged **ret_staged);
/* Takes over a file that a worker wrote into the staging folder under that name (one component).
 * LH_E_NOT_FOUND. */
LH_WARN_UNUSED lh_rc lh_store_adopt(lh_ctx *cx, lh_store *store, lh_str name,
                                    lh_staged **ret_staged);
lh_str lh_staged_path(const lh_staged *staged); /* host path, for workers; never shown to clients */
LH_WARN_UNUSED lh_rc lh_staged_write(lh_ctx *cx, lh_staged *staged, lh_str bytes); /* appends */
uint64_t lh_staged_bytes(const lh_staged *staged);
/* Reads back size and SHA-256 (a worker may have written the file), fsyncs, and moves it to key
 * (put-if-absent). */
typedef struct lh_object_sum {
    uint64_t bytes;
    char sha256[LH_SHA256_HEX + 1];
} lh_object_sum;
LH_WARN_UNUSED lh_rc lh_staged_publish(lh_ctx *cx, lh_staged *staged, lh_str key,
                                       lh_object_sum *ret_sum);
/* removes the file when it was not published; NULL ok */
lh_staged *lh_staged_free(lh_staged *staged);
LH_DEFINE_CLEANUP(lh_staged, lh_staged_free)

/* A local path through which a worker can read the object (S3: of a cached copy; the path stays
 * valid while the lease is held). For the local backend it is the file itself. */
LH_WARN_UNUSED lh_rc lh_store_local_path(lh_ctx *cx, lh_store *store, lh_str key, lh_str *ret_path);
/* folder that holds all local paths: what a sandbox must allow */
lh_str lh_store_root(const lh_store *store);
lh_str lh_store_staging(const lh_store *store); /* folder of staged files */

/* Checks a key as above. LH_E_BAD_NAME. */
LH_WARN_UNUSED lh_rc lh_store_check_key(lh_ctx *cx, lh_str key);

/* Local backend: objects are files below root; staging_dir must be on the same file system, is
 * emptied at open. Without one the store is for looking (fsck, also beside a server): it can
 * delete, not put. */
LH_WARN_UNUSED lh_rc lh_store_open_local(lh_ctx *cx, lh_str root, lh_str staging_dir,
                                         lh_store **ret_store);
lh_store *lh_store_close(lh_store *store);
LH_DEFINE_CLEANUP(lh_store, lh_store_close)

/* What a backend implements; the functions above check arguments and call it. */
typedef struct lh_store_backend lh_store_backend;

#endif
