/* fsck_vectors.c - what vector indexes name, and what lies beside it.
 *
 * Every index has one object under vectors/meta/ and, while it is built, a plan under
 * vectors/building/. Any text in them that is a key under vectors/ is a reference; beside it may
 * stand what is known of the object: in a list of parts {"key","bytes","sha256"}, else
 * "<name>_key" with "<name>_sha256". This reads the shape and not the records of search/, which
 * stands above; a field that comes later is understood as well. A text that ends with "/" names all
 * that is below it: a segment set. What nothing names is garbage of a
 * build that was replaced or cut off. */
#include "base/hash.h"
#include "base/json.h"
#include "base/num.h"
#include "catalog/fsck_private.h"

#define PREFIX       "vectors/"
#define META_PREFIX  "vectors/meta/"
#define PLANS_PREFIX "vectors/building/"
#define META_MAX     (64u * 1024u * 1024u)

static int is_key(lh_str text)
{
    return lh_str_starts(text, LH_S(PREFIX)) && !lh_str_starts(text, LH_S(META_PREFIX)) &&
           !lh_str_starts(text, LH_S(PLANS_PREFIX));
}

static lh_rc add(lh_ctx *scratch, lhi_fsck_run *run, const lh_json *object, const lh_json *value)
{
    lh_data_file file = {.key = value->text, .bytes = LHI_FSCK_BYTES_UNKNOWN};
    const lh_json *bytes = lh_json_get(object, LH_S("bytes"));
    uint64_t known;
    if (lh_str_eq(value->key, LH_S("key"))) {
        file.sha256 = lh_json_get_str(object, LH_S("sha256"));
        if (bytes && bytes->kind == LH_JSON_NUMBER && lh_parse_u64(bytes->text, &known))
            file.bytes = known;
    } else if (lh_str_ends(value->key, LH_S("_key"))) {
        file.sha256 = lh_json_get_str(
            object, lh_ctx_fmt(scratch, "%.*s_sha256",
                               LH_STR_ARG(lh_str_sub(value->key, 0, value->key.len - 4))));
    }
    return lhi_fsck_add(run, &file);
}

typedef struct meta_look {
    lh_str key;
    lhi_fsck_kept *kept;
} meta_look;

static lh_rc walk(lh_ctx *scratch, lhi_fsck_run *run, meta_look *look, const lh_json *parent)
{
    for (const lh_json *value = parent->first; value; value = value->next) {
        if (value->kind == LH_JSON_STRING && is_key(value->text))
            LH_TRY(lh_str_ends(value->text, LH_S("/")) ? lhi_fsck_keep(run, look->kept, value->text)
                                                       : add(scratch, run, parent, value));
        else if (value->kind == LH_JSON_OBJECT || value->kind == LH_JSON_ARRAY)
            LH_TRY(walk(scratch, run, look, value));
    }
    return LH_OK;
}

static lh_rc read_meta(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    meta_look *look = arg;
    const lh_json *root;
    LH_TRY(lhi_fsck_read_json(scratch, run, look->key, META_MAX, look->kept, &root));
    return root ? walk(scratch, run, look, root) : LH_OK;
}

static lh_rc read_metas(lhi_fsck_run *run, lh_str prefix, lhi_fsck_kept *kept)
{
    lh_object_page page;
    LH_TRY(lh_store_list(run->cx, run->store, prefix, LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        if (!lh_str_ends(page.items[i].key, LH_S(".json")))
            continue;
        meta_look look = {page.items[i].key, kept};
        LH_TRY(lh_ctx_check(run->cx));
        LH_TRY(lhi_fsck_scratch(run, read_meta, &look));
    }
    return LH_OK;
}

lh_rc lhi_fsck_vectors(lhi_fsck_run *run)
{
    lh_object_page objects;
    lhi_fsck_kept kept = {0};
    /* Listed first: what a running server publishes meanwhile is not taken for garbage. */
    LH_TRY(lh_store_list(run->cx, run->store, LH_S(PREFIX), LH_STR_NONE, 0, &objects));
    LH_TRY(read_metas(run, LH_S(PLANS_PREFIX), &kept));
    LH_TRY(read_metas(run, LH_S(META_PREFIX), &kept));
    size_t count = 0;
    for (size_t i = 0; i < objects.count; i++)
        if (is_key(objects.items[i].key) && !lhi_fsck_is_kept(&kept, objects.items[i].key))
            objects.items[count++] = objects.items[i];
    objects.count = count;
    return kept.unreadable ? LH_OK : lhi_fsck_orphans(run, &objects, LH_S("no index names it"));
}
