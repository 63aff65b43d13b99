/* store.c - the public face of the store: checks keys, then calls the backend.
 *
 * A key is checked as text here, once, for every backend; the local backend checks again with the
 * kernel (os/root). */
#include "storage/store.h"

#include "base/log.h"
#include "storage/store_private.h"

enum { KEY_BYTES_MAX = 1024, COMPONENT_BYTES_MAX = 255 };

/* Made when the store opens, removed when it closes: found at the next open, it tells that a run
 * was cut off. */
#define OPEN_MARK ".open"
/* First component of keys the server keeps for itself: lock, staging, caches. */
#define RESERVED LH_S_INIT(".lakehouse")

static lh_rc check_component(lh_ctx *cx, lh_str part)
{
    if (part.len == 0)
        return lh_fail(cx, LH_E_BAD_NAME, "the key has an empty component");
    if (part.len > COMPONENT_BYTES_MAX)
        return lh_fail(cx, LH_E_BAD_NAME, "a component of the key has %zu bytes, limit %d",
                       part.len, (int)COMPONENT_BYTES_MAX);
    if (lh_str_eq(part, LH_S(".")) || lh_str_eq(part, LH_S("..")))
        return lh_fail(cx, LH_E_BAD_NAME, "the key has the component '%.*s'", LH_STR_ARG(part));
    return LH_OK;
}

static lh_rc check_bytes(lh_ctx *cx, lh_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            return lh_fail(cx, LH_E_BAD_NAME, "the key has the byte 0x%02x at %zu", c, i);
    }
    if (!lh_utf8_valid(text))
        return lh_fail(cx, LH_E_BAD_NAME, "the key is not UTF-8");
    return LH_OK;
}

lh_rc lh_store_check_key(lh_ctx *cx, lh_str key)
{
    static const lh_str reserved = RESERVED;
    if (key.len == 0 || key.len > KEY_BYTES_MAX)
        return lh_fail(cx, LH_E_BAD_NAME, "a key of %zu bytes; 1 to %d are allowed", key.len,
                       (int)KEY_BYTES_MAX);
    LH_TRY(check_bytes(cx, key));
    if (key.ptr[key.len - 1] == '/')
        return lh_fail(cx, LH_E_BAD_NAME, "the key ends with a slash");
    lh_str rest = key;
    lh_str part;
    for (int first = 1; lh_str_split_next(&rest, '/', &part); first = 0) {
        LH_TRY(check_component(cx, part));
        if (first && lh_str_eq(part, reserved))
            return lh_fail(cx, LH_E_BAD_NAME, "keys below '.lakehouse' are the server's own");
    }
    return LH_OK;
}

/* Whole components as in keys; the last may be a beginning, or empty. */
static lh_rc check_prefix(lh_ctx *cx, lh_str prefix)
{
    if (prefix.len == 0)
        return LH_OK;
    if (prefix.len > KEY_BYTES_MAX)
        return lh_fail(cx, LH_E_BAD_NAME, "a prefix of %zu bytes, limit %d", prefix.len,
                       (int)KEY_BYTES_MAX);
    LH_TRY(check_bytes(cx, prefix));
    size_t slash = lh_str_rfind_char(prefix, '/');
    return slash == LH_STR_NPOS ? LH_OK : lh_store_check_key(cx, lh_str_sub(prefix, 0, slash));
}

lh_rc lhi_store_say(lh_ctx *cx, lh_rc rc)
{
    if (LH_LIKELY(rc != LH_E_FORBIDDEN))
        return rc;
    cx->err.rc = LH_E_UNAVAILABLE;
    return lh_err_hint(cx, "The server's user has no right to do this in the data folder.");
}

/* New objects pass through the staging folder. */
static lh_rc check_writable(lh_ctx *cx, const lh_store *store)
{
    if (LH_LIKELY(store->staging.len > 0))
        return LH_OK;
    return lh_fail(cx, LH_E_UNAVAILABLE, "the store was opened without a staging folder");
}

lh_rc lh_store_put(lh_ctx *cx, lh_store *store, lh_str key, lh_str bytes)
{
    LH_TRY(check_writable(cx, store));
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->put(cx, store->self, key, bytes, LHI_STORE_REPLACE));
}

lh_rc lh_store_put_if_absent(lh_ctx *cx, lh_store *store, lh_str key, lh_str bytes)
{
    LH_TRY(check_writable(cx, store));
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->put(cx, store->self, key, bytes, LHI_STORE_IF_ABSENT));
}

lh_rc lh_store_get(lh_ctx *cx, lh_store *store, lh_str key, size_t bytes_max, lh_str *ret_bytes)
{
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->get(cx, store->self, key, bytes_max, ret_bytes));
}

lh_rc lh_store_get_range(lh_ctx *cx, lh_store *store, lh_str key, uint64_t offset, void *out,
                         size_t bytes)
{
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->get_range(cx, store->self, key, offset, out, bytes));
}

lh_rc lh_store_stat(lh_ctx *cx, lh_store *store, lh_str key, lh_object_info *ret_info)
{
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->stat(cx, store->self, key, ret_info));
}

lh_rc lh_store_delete(lh_ctx *cx, lh_store *store, lh_str key)
{
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->del(cx, store->self, key, LHI_STORE_DELETE));
}

lh_rc lhi_store_delete_later(lh_ctx *cx, lh_store *store, lh_str key)
{
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->del(cx, store->self, key, LHI_STORE_DELETE_LATER));
}

lh_rc lh_store_list(lh_ctx *cx, lh_store *store, lh_str prefix, lh_str start_after, size_t limit,
                    lh_object_page *ret_page)
{
    LH_TRY(check_prefix(cx, prefix));
    lhi_store_list_args args = {.prefix = prefix, .start_after = start_after, .limit = limit};
    return lhi_store_say(cx, store->backend->list(cx, store->self, &args, ret_page));
}

lh_rc lh_store_local_path(lh_ctx *cx, lh_store *store, lh_str key, lh_str *ret_path)
{
    LH_TRY(lh_store_check_key(cx, key));
    return lhi_store_say(cx, store->backend->local_path(cx, store->self, key, ret_path));
}

lh_str lh_store_root(const lh_store *store)
{
    return store->root;
}

lh_str lh_store_staging(const lh_store *store)
{
    return store->staging;
}

static lh_rc heap_dup(lh_ctx *cx, lh_str text, lh_str *ret_copy)
{
    char *copy = lh_alloc(text.len + 1);
    if (copy == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a path");
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *ret_copy = (lh_str){copy, text.len};
    return LH_OK;
}

static lh_rc empty_staging(lh_ctx *cx, lh_store *store)
{
    lh_dir_entry *entries = NULL;
    size_t count = 0;
    LH_TRY(lh_dir_list(cx, store->staging, &entries, &count));
    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq(entries[i].name, LH_S(OPEN_MARK)))
            store->unclean = 1;
        lh_str path = lh_path_join(cx, store->staging, entries[i].name);
        if (path.ptr == NULL)
            return LH_E_NO_MEMORY;
        LH_TRY(lh_dir_remove_all(cx, path));
    }
    size_t removed = count - (size_t)store->unclean;
    if (removed > 0)
        LH_LOG(cx, STAGING_CLEANED, LH_KI("files", removed));
    return LH_OK;
}

/* Not synced: it must outlive this process, not a power cut, after which nothing unsynced can be
 * seen anyway. */
static lh_rc set_mark(lh_ctx *cx, lh_store *store)
{
    LH_CLEANUP(lh_file_close) lh_file *mark = NULL;
    lh_str path = lh_path_join(cx, store->staging, LH_S(OPEN_MARK));
    if (path.ptr == NULL)
        return LH_E_NO_MEMORY;
    return lh_file_open(cx, path, LH_FILE_READ_WRITE, &mark);
}

static lh_rc fill(lh_ctx *cx, lh_store *store, lh_str root, lh_str staging_dir)
{
    if (staging_dir.len == 0) { /* leaves no trace: nothing is made, emptied or marked */
        LH_TRY(heap_dup(cx, root, &store->root));
        return heap_dup(cx, staging_dir, &store->staging);
    }
    LH_TRY(lh_dir_make(cx, root));
    LH_TRY(lh_dir_make(cx, staging_dir));
    LH_TRY(heap_dup(cx, root, &store->root));
    LH_TRY(heap_dup(cx, staging_dir, &store->staging));
    LH_TRY(lh_root_open(cx, staging_dir, staging_dir, &store->staging_root));
    LH_TRY(empty_staging(cx, store));
    return set_mark(cx, store);
}

lh_rc lhi_store_new(lh_ctx *cx, const lh_store_backend *backend, lh_str root, lh_str staging_dir,
                    lh_store **ret_store)
{
    LH_CLEANUP(lh_store_close) lh_store *store = lh_alloc_zero(1, sizeof(*store));
    if (store == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a store");
    store->backend = backend;
    LH_TRY(lhi_store_say(cx, fill(cx, store, root, staging_dir)));
    *ret_store = LH_TAKE(store);
    return LH_OK;
}

static void remove_mark(lh_store *store)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena == NULL || store->staging_root == NULL)
        return;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    /* Left there, it only makes the next open sync more. */
    LH_IGNORE(lh_root_remove(&cx, store->staging_root, LH_S(OPEN_MARK), LH_ROOT_REMOVE_SOON));
}

lh_store *lh_store_close(lh_store *store)
{
    if (store == NULL)
        return NULL;
    if (store->self != NULL) {
        store->backend->close(store->self);
        remove_mark(store);
    }
    lh_root_close(store->staging_root);
    lh_free((void *)(uintptr_t)store->root.ptr);
    lh_free((void *)(uintptr_t)store->staging.ptr);
    lh_free(store);
    return NULL;
}
