/* segset/segset_home.c - the objects of a segment set as files of a folder: written beside their
 * name, synced, then moved to it, so that a name never stands for half an object. */
#include "segset/segset_home.h"

#define UNFINISHED ".new"

static lh_rc fill_file(lh_ctx *cx, lh_str path, lh_segset_fill fill, void *fill_arg)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_remove(cx, path)); /* of an attempt that failed */
    LH_TRY(lh_file_open(cx, path, LH_FILE_CREATE, &file));
    LH_TRY(fill(cx, lh_file_container_sink(file), fill_arg));
    return lh_file_sync(cx, file);
}

static lh_rc folder_put(lh_ctx *cx, void *arg, lh_str name, lh_segset_fill fill, void *fill_arg)
{
    const lh_segset_folder *folder = arg;
    lh_str path = lh_path_join(cx, folder->dir, name);
    lh_str unfinished = lh_ctx_fmt(cx, "%.*s" UNFINISHED, LH_STR_ARG(path));
    if (!unfinished.ptr)
        return cx->err.rc;
    lh_rc rc = fill_file(cx, unfinished, fill, fill_arg);
    if (rc == LH_OK)
        rc = lh_file_move_new(cx, unfinished, path);
    if (rc != LH_OK) {
        lh_err said = cx->err;
        LH_IGNORE(lh_file_remove(cx, unfinished));
        cx->err = said;
    }
    return rc;
}

static lh_rc folder_map(lh_ctx *cx, void *arg, lh_str name, lh_map *ret_map)
{
    const lh_segset_folder *folder = arg;
    return lh_map_open(cx, lh_path_join(cx, folder->dir, name), ret_map);
}

static lh_rc folder_list(lh_ctx *cx, void *arg, lh_str_list *ret_names)
{
    const lh_segset_folder *folder = arg;
    lh_dir_entry *entries;
    size_t count;
    LH_TRY(lh_dir_list(cx, folder->dir, &entries, &count));
    lh_str *names = LH_NEW_ARRAY(cx, lh_str, LH_MAX(count, (size_t)1));
    if (!names)
        return cx->err.rc;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].is_dir)
            continue;
        if (lh_str_ends(entries[i].name, LH_S(UNFINISHED)))
            LH_TRY(lh_file_remove(cx, lh_path_join(cx, folder->dir, entries[i].name)));
        else
            names[n++] = entries[i].name;
    }
    *ret_names = (lh_str_list){names, n};
    return LH_OK;
}

static lh_rc folder_remove(lh_ctx *cx, void *arg, lh_str name)
{
    const lh_segset_folder *folder = arg;
    return lh_file_remove(cx, lh_path_join(cx, folder->dir, name));
}

lh_rc lh_segset_home_folder(lh_ctx *cx, lh_segset_folder *folder, lh_segset_home *ret_home)
{
    LH_TRY(lh_dir_make(cx, folder->dir));
    *ret_home = (lh_segset_home){folder, folder_put, folder_map, folder_list, folder_remove};
    return LH_OK;
}
