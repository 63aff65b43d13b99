/* fsck_objects.c - reads objects back and compares them with what was said of them when they
 * were written.
 *
 * Batches of append logs are checked here by their drawn format (storage/append_log.h) and not
 * by the code that writes them, so that a mistake there is seen. */
#include "base/container.h"
#include "base/hash.h"
#include "catalog/fsck_private.h"
#include "catalog/sealed.h"
#include "os/file.h"

enum { BLOCK_BYTES = 1024 * 1024, BATCH_BYTES_MAX = 128 * 1024 * 1024 };

static lh_rc hash_object(lh_ctx *cx, lh_store *store, const lhi_fsck_ref *ref,
                         uint64_t object_bytes, char out[LH_SHA256_HEX])
{
    LH_CLEANUP(lh_sha256_free) lh_sha256 *digest = NULL;
    uint8_t sum[LH_SHA256_BYTES];
    char *block = LH_NEW_ARRAY(cx, char, BLOCK_BYTES);
    if (block == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_sha256_new(cx, &digest));
    for (uint64_t at = 0; at < object_bytes;) {
        size_t bytes = (size_t)LH_MIN(object_bytes - at, (uint64_t)BLOCK_BYTES);
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(lh_store_get_range(cx, store, ref->key, at, block, bytes));
        lh_sha256_update(digest, lh_str_n(block, bytes));
        at += bytes;
    }
    lh_sha256_final(digest, sum);
    lh_hex_text(sum, sizeof(sum), out);
    return LH_OK;
}

static lh_rc check_file(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    const lhi_fsck_ref *ref = arg;
    lh_object_info info;
    run->summary.files++;
    lh_rc rc = lh_store_stat(scratch, run->store, ref->key, &info);
    if (rc == LH_E_NOT_FOUND) {
        lhi_fsck_found(run, LH_FINDING_MISSING, ref->key, "it is named, but it is not there");
        return LH_OK;
    }
    if (rc != LH_OK)
        return lhi_fsck_judge(run, ref->key, rc, scratch->err.message) ? LH_OK : rc;
    run->summary.bytes += info.bytes;
    if (ref->bytes != LHI_FSCK_BYTES_UNKNOWN && info.bytes != ref->bytes) {
        lhi_fsck_found(run, LH_FINDING_DAMAGED, ref->key, "%llu bytes, it was published with %llu",
                       (unsigned long long)info.bytes, (unsigned long long)ref->bytes);
        return LH_OK;
    }
    if ((run->flags & LH_FSCK_QUICK) != 0 || ref->sha256.len == 0)
        return LH_OK;
    char hex[LH_SHA256_HEX];
    rc = hash_object(scratch, run->store, ref, info.bytes, hex);
    if (rc != LH_OK)
        return lhi_fsck_judge(run, ref->key, rc, scratch->err.message) ? LH_OK : rc;
    if (!lh_str_eq_nocase(lh_str_n(hex, sizeof(hex)), ref->sha256))
        lhi_fsck_found(run, LH_FINDING_DAMAGED, ref->key,
                       "its SHA-256 is not that it was published with");
    return LH_OK;
}

lh_rc lhi_fsck_files(lhi_fsck_run *run)
{
    for (size_t i = 0; i < run->slots_count; i++) {
        if (run->slots[i] == NULL)
            continue;
        LH_TRY(lh_ctx_check(run->cx));
        LH_TRY(lhi_fsck_scratch(run, check_file, run->slots[i]));
    }
    return LH_OK;
}

/* Runs check on every object below prefix; findings name the object. */
static lh_rc each(lhi_fsck_run *run, lh_str prefix, lhi_fsck_step check)
{
    lh_object_page page;
    LH_TRY(lh_store_list(run->cx, run->store, prefix, LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        LH_TRY(lh_ctx_check(run->cx));
        lh_rc rc = lhi_fsck_scratch(run, check, &page.items[i]);
        if (rc == LH_E_NOT_FOUND) { /* replaced by a newer one since it was listed */
            lh_err_clear(run->cx);
            continue;
        }
        if (rc != LH_OK && !lhi_fsck_judge(run, page.items[i].key, rc, run->cx->err.message))
            return rc;
        lh_err_clear(run->cx);
    }
    return LH_OK;
}

/* Container files are known by their first bytes; those that say so by name must be one. */
static lh_rc check_container(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    const lh_object_info *info = arg;
    char magic[4] = {0};
    int named = lh_str_ends(info->key, LH_S(".lhv"));
    if (info->bytes >= sizeof(magic))
        LH_TRY(lh_store_get_range(scratch, run->store, info->key, 0, magic, sizeof(magic)));
    if (!named && memcmp(magic, "LHCF", sizeof(magic)) != 0)
        return LH_OK;
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    lh_container container;
    lh_str path;
    run->summary.bytes += info->bytes;
    LH_TRY(lh_store_local_path(scratch, run->store, info->key, &path));
    LH_TRY(lh_map_open(scratch, path, &map));
    LH_TRY(lh_container_open_any(scratch, map.bytes, &container));
    return (run->flags & LH_FSCK_QUICK) != 0 ? LH_OK : lh_container_verify(scratch, &container);
}

lh_rc lhi_fsck_containers(lhi_fsck_run *run)
{
    LH_TRY(each(run, LH_S("text/"), check_container));
    return each(run, LH_S("vectors/"), check_container);
}

static lh_rc check_line(lh_ctx *scratch, lh_str line, uint64_t number)
{
    lh_json_reader reader;
    lh_json_token token;
    lh_json_reader_init(&reader, scratch, line, 0, 0);
    if (lh_json_next(&reader, &token) != LH_OK || token.kind != LH_JSON_OBJECT ||
        lh_json_skip(&reader, &token, NULL) != LH_OK || lh_json_next(&reader, &token) != LH_OK ||
        token.kind != LH_JSON_END)
        return lh_fail(scratch, LH_E_CORRUPT, "line %llu is not a JSON object",
                       (unsigned long long)number);
    return LH_OK;
}

/* {"lh_batch":1,"records":2,"chain":"9c1185a5c5e9fc54"} */
static lh_rc check_batch_seal(lh_ctx *scratch, lh_str line, uint64_t records, uint64_t chain)
{
    lh_str wanted = lh_ctx_fmt(scratch, "{\"lh_batch\":1,\"records\":%llu,\"chain\":\"%016llx\"}",
                               (unsigned long long)records, (unsigned long long)chain);
    if (wanted.ptr == NULL)
        return LH_E_NO_MEMORY;
    if (!lh_str_starts(line, LH_S("{\"lh_batch\":")))
        return lh_fail(scratch, LH_E_CORRUPT, "its last line is no seal");
    if (!lh_str_eq(line, wanted))
        return lh_fail(scratch, LH_E_CORRUPT, "its records are not those that were sealed");
    return LH_OK;
}

static lh_rc check_batch(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    const lh_object_info *info = arg;
    lh_str text, line = LH_STR_NONE;
    uint64_t records = 0, chain = 0;
    if (!lh_str_ends(info->key, LH_S(".jsonl")))
        return LH_OK;
    LH_TRY(lh_store_get(scratch, run->store, info->key, BATCH_BYTES_MAX, &text));
    run->summary.bytes += text.len;
    if (text.len == 0 || text.ptr[text.len - 1] != '\n')
        return lh_fail(scratch, LH_E_CORRUPT, "its last line is cut");
    text.len--;
    for (; lh_str_split_next(&text, '\n', &line); records++) {
        if (text.len == 0)
            return check_batch_seal(scratch, line, records, chain);
        LH_TRY(check_line(scratch, line, records + 1));
        chain = lh_hash64(line, chain);
    }
    return lh_fail(scratch, LH_E_CORRUPT, "it has no seal");
}

lh_rc lhi_fsck_batches(lhi_fsck_run *run, lh_str prefix)
{
    return each(run, prefix, check_batch);
}

static lh_rc check_sealed(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    const lh_object_info *info = arg;
    lh_str text;
    lh_seal seal;
    if (!lh_str_ends(info->key, LH_S(".json")))
        return LH_OK;
    LH_TRY(lh_store_get(scratch, run->store, info->key, LH_MANIFEST_BYTES_MAX, &text));
    run->summary.bytes += text.len;
    LH_TRY(lh_seal_check(scratch, text, &seal));
    return seal == LH_SEAL_OK ? LH_OK
                              : lh_fail(scratch, LH_E_CORRUPT, "it does not end with a checksum");
}

lh_rc lhi_fsck_sealed(lhi_fsck_run *run, lh_str prefix)
{
    return each(run, prefix, check_sealed);
}
