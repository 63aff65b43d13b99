/* storage/store_private.h - what a backend implements, and what the store's own files share.
 *
 * To add a backend: 1. fill an lh_store_backend; 2. an lh_store_open_x that makes its folders (even
 * a remote one has a staging folder and a folder of cached copies) and calls lhi_store_new. Keys
 * arrive checked.
 *
 * Owns:    an lh_store owns its backend's object and its paths.
 * Threads: all functions from any thread.
 * Limits:  store.h.
 * Formats: none.
 * Why:     the promises are the interface's, so a remote backend must be able to keep each:
 *          put_if_absent is a conditional put (If-None-Match: *), publish an upload with the same
 *          condition, local_path a cached copy. */
#ifndef LH_STORAGE_STORE_PRIVATE_H
#define LH_STORAGE_STORE_PRIVATE_H

#include "os/root.h"
#include "storage/store.h"

typedef enum lhi_store_put_mode { LHI_STORE_REPLACE, LHI_STORE_IF_ABSENT } lhi_store_put_mode;

/* LATER: for what nobody reads any more; a power cut may bring it back. */
typedef enum lhi_store_delete_mode {
    LHI_STORE_DELETE,
    LHI_STORE_DELETE_LATER
} lhi_store_delete_mode;

typedef struct lhi_store_list_args {
    lh_str prefix;
    lh_str start_after;
    size_t limit; /* 0 = all */
} lhi_store_list_args;

struct lh_store_backend {
    const char *name;
    lh_rc (*put)(lh_ctx *cx, void *self, lh_str key, lh_str bytes, lhi_store_put_mode mode);
    /* staged_name is a synced file of the staging folder; it is gone from there on success.
     * Put-if-absent. */
    lh_rc (*publish)(lh_ctx *cx, void *self, const char *staged_name, lh_str key);
    lh_rc (*get)(lh_ctx *cx, void *self, lh_str key, size_t bytes_max, lh_str *ret_bytes);
    lh_rc (*get_range)(lh_ctx *cx, void *self, lh_str key, uint64_t offset, void *out,
                       size_t bytes);
    lh_rc (*stat)(lh_ctx *cx, void *self, lh_str key, lh_object_info *ret_info);
    lh_rc (*del)(lh_ctx *cx, void *self, lh_str key, lhi_store_delete_mode mode);
    lh_rc (*list)(lh_ctx *cx, void *self, const lhi_store_list_args *args,
                  lh_object_page *ret_page);
    lh_rc (*local_path)(lh_ctx *cx, void *self, lh_str key, lh_str *ret_path);
    void (*close)(void *self);
};

struct lh_store {
    const lh_store_backend *backend;
    void *self;            /* of the backend */
    lh_root *staging_root; /* opens staged files without following links */
    lh_str root;           /* heap */
    lh_str staging;        /* heap */
    int unclean;           /* the last run did not close this store */
};

/* Makes both folders, empties the staging folder, and marks the store as open. The caller sets
 * self. */
LH_WARN_UNUSED lh_rc lhi_store_new(lh_ctx *cx, const lh_store_backend *backend, lh_str root,
                                   lh_str staging_dir, lh_store **ret_store);
/* lh_store_delete that need not be durable when it returns. */
LH_WARN_UNUSED lh_rc lhi_store_delete_later(lh_ctx *cx, lh_store *store, lh_str key);
/* A permission of the host is nothing the client may or may not do: FORBIDDEN becomes
 * UNAVAILABLE. */
lh_rc lhi_store_say(lh_ctx *cx, lh_rc rc);

#endif
