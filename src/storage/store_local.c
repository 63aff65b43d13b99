/* store_local.c - objects as files below a folder: the backend that everything else is compared
 * with.
 *
 * The key is the path. Put-if-absent is a rename that refuses to replace, so the file system picks
 * the one winner; every put is a synced temporary file of the staging folder first, so no half
 * object can carry a key. */
#include "storage/store_private.h"

#include <stdlib.h>

typedef struct local {
    lh_root *files;
    lh_str root; /* the store's */
} local;

/* The two ways a file system knows less than keys do: "a" and "a/b" cannot both be objects. */
static lh_rc explain_put(lh_ctx *cx, local *self, lh_str key, lh_rc rc)
{
    if (rc == LH_E_NOT_FOUND)
        return lh_fail(cx, LH_E_BAD_NAME, "a beginning of the key is an object itself");
    if (rc != LH_E_ALREADY_EXISTS && rc != LH_E_IO)
        return rc;
    lh_err before = cx->err;
    uint64_t bytes;
    int64_t modified_us;
    lh_dir_entry *entries;
    size_t count;
    if (lh_root_stat(cx, self->files, key, &bytes, &modified_us) == LH_E_NOT_FOUND &&
        lh_root_list(cx, self->files, key, &entries, &count) == LH_OK)
        return lh_fail(cx, LH_E_BAD_NAME, "the key is the beginning of other keys");
    cx->err = before;
    return rc;
}

static lh_rc local_put(lh_ctx *cx, void *arg, lh_str key, lh_str bytes, lhi_store_put_mode mode)
{
    local *self = arg;
    lh_rc rc = lh_root_put(cx, self->files, key, bytes,
                           mode == LHI_STORE_IF_ABSENT ? LH_ROOT_NEW : LH_ROOT_REPLACE);
    return LH_LIKELY(rc == LH_OK) ? rc : explain_put(cx, self, key, rc);
}

static lh_rc local_publish(lh_ctx *cx, void *arg, const char *staged_name, lh_str key)
{
    local *self = arg;
    lh_rc rc = lh_root_adopt(cx, self->files, staged_name, key);
    return LH_LIKELY(rc == LH_OK) ? rc : explain_put(cx, self, key, rc);
}

static lh_rc local_get(lh_ctx *cx, void *arg, lh_str key, size_t bytes_max, lh_str *ret_bytes)
{
    local *self = arg;
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_root_open_file(cx, self->files, key, &file));
    uint64_t bytes;
    LH_TRY(lh_file_size(cx, file, &bytes));
    if (bytes > bytes_max)
        return lh_fail(cx, LH_E_TOO_LARGE, "object of %llu bytes, limit %zu",
                       (unsigned long long)bytes, bytes_max);
    char *out = lh_ctx_alloc(cx, 1, (size_t)bytes + 1);
    if (out == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_file_read_at(cx, file, 0, out, (size_t)bytes));
    *ret_bytes = (lh_str){out, (size_t)bytes};
    return LH_OK;
}

static lh_rc local_get_range(lh_ctx *cx, void *arg, lh_str key, uint64_t offset, void *out,
                             size_t bytes)
{
    local *self = arg;
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_root_open_file(cx, self->files, key, &file));
    return lh_file_read_at(cx, file, offset, out, bytes);
}

static lh_rc local_stat(lh_ctx *cx, void *arg, lh_str key, lh_object_info *ret_info)
{
    local *self = arg;
    lh_object_info info = {.key = lh_ctx_dup(cx, key)};
    if (info.key.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_root_stat(cx, self->files, key, &info.bytes, &info.modified_us));
    *ret_info = info;
    return LH_OK;
}

static lh_rc local_delete(lh_ctx *cx, void *arg, lh_str key, lhi_store_delete_mode mode)
{
    local *self = arg;
    lh_object_info info;
    lh_rc rc = local_stat(cx, self, key,
                          &info); /* a folder is no object: unlink of it must not be tried */
    if (rc == LH_E_NOT_FOUND) {
        lh_err_clear(cx);
        return LH_OK;
    }
    LH_TRY(rc);
    return lh_root_remove(cx, self->files, key,
                          mode == LHI_STORE_DELETE ? LH_ROOT_REMOVE_SYNC : LH_ROOT_REMOVE_SOON);
}

typedef struct walk {
    local *self;
    const lhi_store_list_args *args;
    lh_object_page page;
    size_t capacity;
} walk;

/* Keys sort as bytes, and a folder's keys all go on with '/': so a folder sorts as its name with a
 * slash behind. */
static int by_key_order(const void *left, const void *right)
{
    const lh_dir_entry *a = left;
    const lh_dir_entry *b = right;
    size_t shorter = LH_MIN(a->name.len, b->name.len);
    int order = memcmp(a->name.ptr, b->name.ptr, shorter);
    if (order != 0)
        return order;
    /* One is the beginning of the other: the next byte decides; a folder's is '/', a file's is
     * none. */
    int next_a = a->name.len > shorter ? (unsigned char)a->name.ptr[shorter] : a->is_dir ? '/' : -1;
    int next_b = b->name.len > shorter ? (unsigned char)b->name.ptr[shorter] : b->is_dir ? '/' : -1;
    return (next_a > next_b) - (next_a < next_b);
}

static lh_rc emit(lh_ctx *cx, walk *w, lh_str key)
{
    if (lh_str_cmp(key, w->args->start_after) <= 0 || !lh_str_starts(key, w->args->prefix))
        return LH_OK;
    if (w->args->limit != 0 && w->page.count == w->args->limit) {
        w->page.more = 1;
        return LH_OK;
    }
    lh_object_info info = {.key = key};
    lh_rc rc = lh_root_stat(cx, w->self->files, key, &info.bytes, &info.modified_us);
    if (rc == LH_E_NOT_FOUND || rc == LH_E_BAD_NAME) { /* deleted meanwhile, or a link */
        lh_err_clear(cx);
        return LH_OK;
    }
    LH_TRY(rc);
    void *items = w->page.items;
    LH_TRY(lh_ctx_grow(cx, &items, w->page.count, &w->capacity, sizeof(info)));
    w->page.items = items;
    w->page.items[w->page.count++] = info;
    return LH_OK;
}

/* Whether keys below folder (which ends with '/') can be asked for. */
static int may_hold(const lhi_store_list_args *args, lh_str folder)
{
    size_t common = LH_MIN(folder.len, args->prefix.len);
    if (!lh_str_eq(lh_str_sub(folder, 0, common), lh_str_sub(args->prefix, 0, common)))
        return 0;
    return lh_str_starts(args->start_after, folder) || lh_str_cmp(folder, args->start_after) > 0;
}

/* folder is "" or ends with '/'. Depth is bounded by the length of keys. */
static lh_rc walk_folder(lh_ctx *cx, walk *w, lh_str folder)
{
    lh_dir_entry *entries = NULL;
    size_t count = 0;
    lh_str relative = lh_str_sub(folder, 0, folder.len > 0 ? folder.len - 1 : 0);
    LH_TRY(lh_ctx_check(cx));
    lh_rc rc = lh_root_list(cx, w->self->files, relative, &entries, &count);
    if (rc == LH_E_NOT_FOUND || rc == LH_E_BAD_NAME) {
        lh_err_clear(cx);
        return LH_OK;
    }
    LH_TRY(rc);
    if (count > 1)
        qsort(entries, count, sizeof(*entries), by_key_order);
    for (size_t i = 0; i < count && !w->page.more; i++) {
        lh_str key = lh_ctx_fmt(cx, "%.*s%.*s", LH_STR_ARG(folder), LH_STR_ARG(entries[i].name));
        if (key.ptr == NULL)
            return LH_E_NO_MEMORY;
        if (lh_store_check_key(cx, key) != LH_OK) { /* not made by us: no client could name it */
            lh_err_clear(cx);
            continue;
        }
        if (!entries[i].is_dir) {
            LH_TRY(emit(cx, w, key));
            continue;
        }
        lh_str below = lh_ctx_fmt(cx, "%.*s/", LH_STR_ARG(key));
        if (below.ptr == NULL)
            return LH_E_NO_MEMORY;
        if (may_hold(w->args, below))
            LH_TRY(walk_folder(cx, w, below));
    }
    return LH_OK;
}

static lh_rc local_list(lh_ctx *cx, void *arg, const lhi_store_list_args *args,
                        lh_object_page *ret_page)
{
    walk w = {.self = arg, .args = args};
    size_t slash = lh_str_rfind_char(args->prefix, '/');
    lh_str folder = slash == LH_STR_NPOS ? LH_S("") : lh_str_sub(args->prefix, 0, slash + 1);
    LH_TRY(walk_folder(cx, &w, folder));
    *ret_page = w.page;
    return LH_OK;
}

static lh_rc local_local_path(lh_ctx *cx, void *arg, lh_str key, lh_str *ret_path)
{
    local *self = arg;
    lh_object_info info;
    LH_TRY(local_stat(cx, self, key, &info));
    lh_str path = lh_path_join(cx, self->root, key);
    if (path.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_path = path;
    return LH_OK;
}

static void local_close(void *arg)
{
    local *self = arg;
    lh_root_close(self->files);
    lh_free(self);
}

static const lh_store_backend local_backend = {
    .name = "local",
    .put = local_put,
    .publish = local_publish,
    .get = local_get,
    .get_range = local_get_range,
    .stat = local_stat,
    .del = local_delete,
    .list = local_list,
    .local_path = local_local_path,
    .close = local_close,
};

lh_rc lh_store_open_local(lh_ctx *cx, lh_str root, lh_str staging_dir, lh_store **ret_store)
{
    LH_CLEANUP(lh_store_close) lh_store *store = NULL;
    LH_TRY(lhi_store_new(cx, &local_backend, root, staging_dir, &store));
    local *self = lh_alloc_zero(1, sizeof(*self));
    if (self == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a store");
    store->self = self;
    self->root = store->root;
    lh_str temp_dir = store->staging.len > 0 ? store->staging : store->root;
    LH_TRY(lhi_store_say(cx, lh_root_open(cx, store->root, temp_dir, &self->files)));
    /* A run that was cut off may have left objects that are seen but not durable; whoever reads
     * them now builds on them. */
    if (store->unclean)
        LH_TRY(lh_root_sync_all(cx, self->files));
    *ret_store = LH_TAKE(store);
    return LH_OK;
}
