/* search/store_home.c - objects of a segment set: staged, then published under their names. */
#include "search/store_home_private.h"

static lh_str key_of(lh_ctx *cx, const lhi_store_home *home, lh_str name)
{
    return lh_ctx_fmt(cx, "%.*s%.*s", LH_STR_ARG(home->prefix), LH_STR_ARG(name));
}

lh_rc lhi_store_fill(lh_ctx *cx, lh_store *store, lh_str key, lh_segset_fill fill, void *fill_arg)
{
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    lh_object_sum sum;
    if (!key.ptr)
        return cx->err.rc;
    LH_TRY(lh_store_stage(cx, store, &staged));
    {
        LH_CLEANUP(lh_file_close) lh_file *file = NULL;
        LH_TRY(lh_file_open(cx, lh_staged_path(staged), LH_FILE_READ_WRITE, &file));
        LH_TRY(fill(cx, lh_file_container_sink(file), fill_arg));
    }
    return lh_staged_publish(cx, staged, key, &sum);
}

static lh_rc home_put(lh_ctx *cx, void *arg, lh_str name, lh_segset_fill fill, void *fill_arg)
{
    const lhi_store_home *home = arg;
    return lhi_store_fill(cx, home->store, key_of(cx, home, name), fill, fill_arg);
}

static lh_rc home_map(lh_ctx *cx, void *arg, lh_str name, lh_map *ret_map)
{
    const lhi_store_home *home = arg;
    lh_str path;
    LH_TRY(lh_store_local_path(cx, home->store, key_of(cx, home, name), &path));
    return lh_map_open(cx, path, ret_map);
}

static lh_rc home_list(lh_ctx *cx, void *arg, lh_str_list *ret_names)
{
    const lhi_store_home *home = arg;
    lh_object_page page;
    LH_TRY(lh_store_list(cx, home->store, home->prefix, LH_STR_NONE, 0, &page));
    lh_str *names = LH_NEW_ARRAY(cx, lh_str, page.count + 1);
    if (!names)
        return cx->err.rc;
    for (size_t i = 0; i < page.count; i++)
        names[i] = lh_str_from_offset(page.items[i].key, home->prefix.len);
    *ret_names = (lh_str_list){names, page.count};
    return LH_OK;
}

static lh_rc home_remove(lh_ctx *cx, void *arg, lh_str name)
{
    const lhi_store_home *home = arg;
    return lh_store_delete(cx, home->store, key_of(cx, home, name));
}

void lhi_store_home_init(lhi_store_home *home, lh_segset_home *ret_home)
{
    *ret_home = (lh_segset_home){home, home_put, home_map, home_list, home_remove};
}
