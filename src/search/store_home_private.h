/* search/store_home_private.h - the objects of a segment set as objects of the store, below a
 * prefix.
 *
 * Owns:    nothing; borrows store and prefix, which must outlive the home.
 * Threads: as the store: any.
 * Limits:  those of lh_segset_home.
 * Formats: "<prefix><name>".
 * Why:     staged, hashed, synced and moved in place like every object of the server. */
#ifndef LH_SEARCH_STORE_HOME_PRIVATE_H
#define LH_SEARCH_STORE_HOME_PRIVATE_H

#include "segset/segset_home.h"
#include "storage/store.h"

typedef struct lhi_store_home {
    lh_store *store;
    lh_str prefix; /* ends with '/' */
} lhi_store_home;
void lhi_store_home_init(lhi_store_home *home, lh_segset_home *ret_home);
/* Writes an object by way of a staged file. LH_E_ALREADY_EXISTS. */
LH_WARN_UNUSED lh_rc lhi_store_fill(lh_ctx *cx, lh_store *store, lh_str key, lh_segset_fill fill,
                                    void *fill_arg);

#endif
