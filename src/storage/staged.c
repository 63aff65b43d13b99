/* staged.c - big objects on their way: a file of the staging folder that becomes an object in one
 * step.
 *
 * The file is not made before somebody writes to it: programs that find their target in place write
 * beside it and rename, and would leave us looking at the old one. For the same reason publish
 * opens it anew, by name, below the staging folder. Its bytes are read back for size and checksum:
 * who wrote it may be a worker, whose word is not taken. The writer must be done by then: bytes
 * changed after the checksum are found by whoever checks the object, not here. */
#include "base/fault.h"
#include "base/hash.h"
#include "os/process.h"
#include "storage/store_private.h"

enum { NAME_BYTES = 256, READ_BYTES = 256 * 1024 };

struct lh_staged {
    lh_store *store; /* borrowed */
    lh_file *file;   /* ours, when we write it ourselves */
    uint64_t bytes;  /* written by us */
    int published;
    char name[NAME_BYTES];
    lh_str path; /* behind the struct */
};

static lh_rc new_staged(lh_ctx *cx, lh_store *store, lh_str name, lh_staged **ret_staged)
{
    lh_str path = lh_path_join(cx, store->staging, name);
    if (path.ptr == NULL)
        return LH_E_NO_MEMORY;
    lh_staged *staged = lh_alloc_zero(1, sizeof(*staged) + path.len + 1);
    if (staged == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a staged file");
    lh_assert(name.len < NAME_BYTES);
    memcpy(staged->name, name.ptr, name.len);
    char *text = (char *)(staged + 1);
    memcpy(text, path.ptr, path.len);
    staged->path = (lh_str){text, path.len};
    staged->store = store;
    *ret_staged = staged;
    return LH_OK;
}

lh_rc lh_store_stage(lh_ctx *cx, lh_store *store, lh_staged **ret_staged)
{
    uint64_t random;
    LH_TRY(lh_random_bytes(cx, &random, sizeof(random)));
    lh_str name = lh_ctx_fmt(cx, "%016llx", (unsigned long long)random);
    return name.ptr != NULL ? new_staged(cx, store, name, ret_staged) : LH_E_NO_MEMORY;
}

lh_rc lh_store_adopt(lh_ctx *cx, lh_store *store, lh_str name, lh_staged **ret_staged)
{
    uint64_t bytes;
    int64_t modified_us;
    LH_TRY(lh_store_check_key(cx, name));
    if (name.len >= NAME_BYTES || lh_str_find_char(name, '/') != LH_STR_NPOS)
        return lh_fail(cx, LH_E_BAD_NAME, "a staged file has one name of at most %d bytes",
                       NAME_BYTES - 1);
    LH_TRY(lh_root_stat(cx, store->staging_root, name, &bytes, &modified_us));
    return new_staged(cx, store, name, ret_staged);
}

lh_str lh_staged_path(const lh_staged *staged)
{
    return staged->path;
}

lh_rc lh_staged_write(lh_ctx *cx, lh_staged *staged, lh_str bytes)
{
    if (staged->published)
        return lh_fail(cx, LH_E_CONFLICT, "a published object does not change");
    if (staged->file == NULL)
        LH_TRY(lhi_store_say(cx, lh_file_open(cx, staged->path, LH_FILE_APPEND, &staged->file)));
    LH_TRY(lh_file_write(cx, staged->file, bytes));
    staged->bytes += bytes.len;
    return LH_OK;
}

uint64_t lh_staged_bytes(const lh_staged *staged)
{
    if (staged->file != NULL || staged->published)
        return staged->bytes;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    uint64_t bytes = 0;
    int64_t modified_us = 0;
    if (arena != NULL) {
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        LH_IGNORE(lh_root_stat(&cx, staged->store->staging_root, lh_str_from(staged->name), &bytes,
                               &modified_us)); /* not there yet: 0 */
    }
    return bytes;
}

static lh_rc sum_of(lh_ctx *cx, lh_file *file, lh_object_sum *ret_sum)
{
    LH_CLEANUP(lh_sha256_free) lh_sha256 *digest = NULL;
    LH_TRY(lh_sha256_new(cx, &digest));
    char *piece = lh_ctx_alloc(cx, 1, READ_BYTES);
    if (piece == NULL)
        return LH_E_NO_MEMORY;
    lh_object_sum sum = {0};
    for (;;) {
        size_t got = 0;
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(lh_file_read(cx, file, piece, READ_BYTES, &got));
        if (got == 0)
            break;
        lh_sha256_update(digest, lh_str_n(piece, got));
        sum.bytes += got;
    }
    uint8_t raw[LH_SHA256_BYTES];
    lh_sha256_final(digest, raw);
    lh_hex_text(raw, LH_SHA256_BYTES, sum.sha256);
    *ret_sum = sum;
    return LH_OK;
}

static lh_rc publish(lh_ctx *cx, lh_staged *staged, lh_str key, lh_object_sum *ret_sum)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_root_open_file(cx, staged->store->staging_root, lh_str_from(staged->name), &file));
    LH_TRY(sum_of(cx, file, ret_sum));
    LH_FAULT(cx, STAGED_BEFORE_SYNC);
    if (staged->file != NULL) /* a write error shows on the descriptor that wrote */
        LH_TRY(lh_file_sync(cx, staged->file));
    LH_TRY(lh_file_sync(cx, file));
    return staged->store->backend->publish(cx, staged->store->self, staged->name, key);
}

lh_rc lh_staged_publish(lh_ctx *cx, lh_staged *staged, lh_str key, lh_object_sum *ret_sum)
{
    if (staged->published)
        return lh_fail(cx, LH_E_CONFLICT, "a staged file is published once");
    LH_TRY(lh_store_check_key(cx, key));
    lh_object_sum sum = {0};
    LH_TRY(lhi_store_say(cx, publish(cx, staged, key, &sum)));
    staged->file = lh_file_close(staged->file);
    staged->published = 1;
    staged->bytes = sum.bytes;
    *ret_sum = sum;
    return LH_OK;
}

lh_staged *lh_staged_free(lh_staged *staged)
{
    if (staged == NULL)
        return NULL;
    lh_file_close(staged->file);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = staged->published ? NULL : lh_arena_new(0);
    if (arena != NULL) {
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        LH_IGNORE(lh_dir_remove_all(&cx, staged->path)); /* else the next open removes it */
    }
    lh_free(staged);
    return NULL;
}
