/* segset/segset_home.h - where a segment set keeps its objects: a folder, or whatever the caller
 * has.
 *
 * Owns:    nothing; the folder's home borrows its path.
 * Threads: functions of a home are called from any thread, several at once.
 * Limits:  names of 1..63 bytes of [a-z0-9.-]; objects are written once and never changed.
 * Formats: objects are container files (base/container.h).
 * Why:     the set needs five verbs only, so that a server can put objects in its storage and a
 *          command or a test can use a folder. */
#ifndef LH_SEGSET_SEGSET_HOME_H
#define LH_SEGSET_SEGSET_HOME_H

#include "os/file.h"

/* Writes an object's bytes. Called once per put. */
typedef lh_rc (*lh_segset_fill)(lh_ctx *cx, lh_container_sink sink, void *arg);

typedef struct lh_segset_home {
    void *arg;
    /* The object is there whole and durable when it returns LH_OK; LH_E_ALREADY_EXISTS when the
     * name is taken. On any other error it may be there, whole, or not. */
    lh_rc (*put)(lh_ctx *cx, void *arg, lh_str name, lh_segset_fill fill, void *fill_arg);
    /* Mapped until lh_map_close; the mapping outlives a removal. LH_E_NOT_FOUND. */
    lh_rc (*map)(lh_ctx *cx, void *arg, lh_str name, lh_map *ret_map);
    /* All names, in byte order, in the arena. */
    lh_rc (*list)(lh_ctx *cx, void *arg, lh_str_list *ret_names);
    /* Gone for good when it returns; absent is fine. */
    lh_rc (*remove)(lh_ctx *cx, void *arg, lh_str name);
} lh_segset_home;

/* Objects are files of a folder, which is made when it is absent. dir is borrowed: it must outlive
 * the home. Files that a crash left half written (".new" at the end) are removed by list. */
typedef struct lh_segset_folder {
    lh_str dir;
} lh_segset_folder;
LH_WARN_UNUSED lh_rc lh_segset_home_folder(lh_ctx *cx, lh_segset_folder *folder,
                                           lh_segset_home *ret_home);

#endif
