/* fsck_findings.c - the state of a check: what was found, and which files manifests refer to. */
#include "catalog/fsck_private.h"

#include "base/hash.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_BYTES = 512, SLOTS_FIRST = 256 };

lh_rc lhi_fsck_scratch(lhi_fsck_run *run, lhi_fsck_step fn, void *arg)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(LHI_ARENA_MAX);
    if (arena == NULL)
        return lh_fail(run->cx, LH_E_NO_MEMORY, "no memory to check the store");
    lh_ctx scratch;
    lh_ctx_init_child(&scratch, arena, run->cx);
    lh_rc rc = fn(&scratch, run, arg);
    if (rc != LH_OK)
        run->cx->err = scratch.err;
    return rc;
}

void lhi_fsck_tell(lhi_fsck_run *run, const lh_finding *finding)
{
    run->summary.findings++;
    run->summary.repaired += finding->repaired != 0;
    if (run->report != NULL)
        run->report(run->arg, finding);
}

void lhi_fsck_found(lhi_fsck_run *run, lh_finding_kind kind, lh_str key, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    lh_str said = lh_str_n(text, LH_MIN((size_t)LH_MAX(len, 0), sizeof(text) - 1));
    said.len = lh_utf8_cut(said, said.len);
    lhi_fsck_tell(run, &(lh_finding){.kind = kind, .key = key, .text = said});
}

int lhi_fsck_judge(lhi_fsck_run *run, lh_str key, lh_rc rc, const char *message)
{
    if (rc == LH_E_NOT_FOUND)
        lhi_fsck_found(run, LH_FINDING_MISSING, key, "%s", message);
    else if (rc == LH_E_CORRUPT || rc == LH_E_IO || rc == LH_E_TOO_LARGE || rc == LH_E_BAD_VALUE ||
             rc == LH_E_BAD_JSON)
        lhi_fsck_found(run, LH_FINDING_DAMAGED, key, "%s", message);
    else
        return 0;
    return 1;
}

static lhi_fsck_ref **slot_of(lhi_fsck_ref **slots, size_t count, lh_str key)
{
    size_t at = (size_t)lh_hash64(key, 0) & (count - 1);
    while (slots[at] != NULL && !lh_str_eq(slots[at]->key, key))
        at = (at + 1) & (count - 1);
    return &slots[at];
}

const lhi_fsck_ref *lhi_fsck_find(const lhi_fsck_run *run, lh_str key)
{
    return run->slots_count > 0 ? *slot_of(run->slots, run->slots_count, key) : NULL;
}

static lh_rc grow(lhi_fsck_run *run)
{
    size_t count = run->slots_count > 0 ? 2 * run->slots_count : SLOTS_FIRST;
    lhi_fsck_ref **slots = LH_NEW_ARRAY(run->cx, lhi_fsck_ref *, count);
    if (slots == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < run->slots_count; i++)
        if (run->slots[i] != NULL)
            *slot_of(slots, count, run->slots[i]->key) = run->slots[i];
    run->slots = slots;
    run->slots_count = count;
    return LH_OK;
}

lh_rc lhi_fsck_add(lhi_fsck_run *run, const lh_data_file *file)
{
    const lhi_fsck_ref *known = lhi_fsck_find(run, file->key);
    if (known != NULL) {
        if (known->bytes != file->bytes || !lh_str_eq(known->sha256, file->sha256))
            lhi_fsck_found(run, LH_FINDING_DAMAGED, file->key,
                           "manifests disagree about its size or SHA-256");
        return LH_OK;
    }
    if (2 * (run->refs_count + 1) > run->slots_count)
        LH_TRY(grow(run));
    lhi_fsck_ref *ref = LH_NEW(run->cx, lhi_fsck_ref);
    if (ref == NULL)
        return LH_E_NO_MEMORY;
    ref->key = lh_ctx_dup(run->cx, file->key);
    ref->sha256 = lh_ctx_dup(run->cx, file->sha256);
    ref->bytes = file->bytes;
    if (ref->key.ptr == NULL || ref->sha256.ptr == NULL)
        return LH_E_NO_MEMORY;
    *slot_of(run->slots, run->slots_count, ref->key) = ref;
    run->refs_count++;
    return LH_OK;
}

lh_rc lhi_fsck_orphans(lhi_fsck_run *run, const lh_object_page *page, lh_str why)
{
    for (size_t i = 0; i < page->count; i++) {
        lh_str key = page->items[i].key;
        if (lhi_fsck_find(run, key) != NULL)
            continue;
        lh_finding finding = {.kind = LH_FINDING_ORPHAN, .key = key, .text = why};
        if ((run->flags & LH_FSCK_REPAIR) != 0) {
            LH_TRY(lh_store_delete(run->cx, run->store, key));
            finding.repaired = 1;
        }
        lhi_fsck_tell(run, &finding);
    }
    return LH_OK;
}

lh_rc lhi_fsck_keep(lhi_fsck_run *run, lhi_fsck_kept *kept, lh_str prefix)
{
    LH_TRY(lh_ctx_grow(run->cx, (void **)&kept->items, kept->count, &kept->capacity,
                       sizeof *kept->items));
    kept->items[kept->count] = lh_ctx_dup(run->cx, prefix);
    return kept->items[kept->count++].ptr ? LH_OK : run->cx->err.rc;
}

int lhi_fsck_is_kept(const lhi_fsck_kept *kept, lh_str key)
{
    for (size_t i = 0; i < kept->count; i++)
        if (lh_str_starts(key, kept->items[i]))
            return 1;
    return 0;
}

lh_rc lhi_fsck_read_json(lh_ctx *scratch, lhi_fsck_run *run, lh_str key, size_t bytes_max,
                         lhi_fsck_kept *kept, const lh_json **ret_root)
{
    lh_str text;
    const lh_json *root = NULL;
    *ret_root = NULL;
    lh_rc rc = lh_store_get(scratch, run->store, key, bytes_max, &text);
    if (rc == LH_E_NOT_FOUND)
        return LH_OK;
    if (rc == LH_OK)
        rc = lh_json_parse(scratch, text, 0, &root);
    if (rc == LH_OK && root->kind != LH_JSON_OBJECT)
        rc = lh_fail(scratch, LH_E_CORRUPT, "it is not a JSON object");
    if (rc != LH_OK && lhi_fsck_judge(run, key, rc, scratch->err.message)) {
        kept->unreadable = 1;
        return LH_OK;
    }
    LH_TRY(rc);
    *ret_root = root;
    return LH_OK;
}
