/* fsck_text.c - objects of text indexes, and what lies beside them.
 *
 * An index has one object under text/meta/ that names its generation; everything below
 * text/<index>/<generation>/ is a segment set with its rows, whose own names say what is live and
 * whose garbage the next open removes. While a plan lies under text/building/ the index keeps all
 * it has. This reads the shape and not the records of search/, which stands above. */
#include "base/json.h"
#include "catalog/fsck_private.h"

#define PREFIX       "text/"
#define META_PREFIX  "text/meta/"
#define PLANS_PREFIX "text/building/"
#define META_MAX     (1u << 20)

typedef struct kept_prefixes {
    lh_str *items;
    size_t count;
    size_t capacity;
    int unreadable;
} kept_prefixes;

static lh_str name_of(lh_str key, const char *prefix)
{
    lh_str name = lh_str_from_offset(key, strlen(prefix));
    return lh_str_sub(name, 0, name.len - LH_MIN(name.len, sizeof ".json" - 1));
}

static lh_rc keep(lhi_fsck_run *run, kept_prefixes *kept, lh_str prefix)
{
    LH_TRY(lh_ctx_grow(run->cx, (void **)&kept->items, kept->count, &kept->capacity,
                       sizeof *kept->items));
    kept->items[kept->count++] = prefix;
    return prefix.ptr ? LH_OK : run->cx->err.rc;
}

typedef struct meta_look {
    lh_str key;
    kept_prefixes *kept;
} meta_look;

static lh_rc read_meta(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    meta_look *look = arg;
    lh_str text;
    const lh_json *root;
    lh_rc rc = lh_store_get(scratch, run->store, look->key, META_MAX, &text);
    if (rc == LH_E_NOT_FOUND) /* deleted since it was listed */
        return LH_OK;
    if (rc == LH_OK)
        rc = lh_json_parse(scratch, text, 0, &root);
    lh_str generation = LH_STR_NONE;
    if (rc == LH_OK)
        generation = lh_json_get_str(root, LH_S("generation"));
    if (rc == LH_OK && generation.len == 0)
        rc = lh_fail(scratch, LH_E_CORRUPT, "it names no generation");
    if (rc != LH_OK && lhi_fsck_judge(run, look->key, rc, scratch->err.message)) {
        look->kept->unreadable = 1;
        return LH_OK;
    }
    LH_TRY(rc);
    return keep(run, look->kept,
                lh_ctx_fmt(run->cx, PREFIX "%.*s/%.*s/",
                           LH_STR_ARG(name_of(look->key, META_PREFIX)), LH_STR_ARG(generation)));
}

static int is_kept(const kept_prefixes *kept, lh_str key)
{
    for (size_t i = 0; i < kept->count; i++)
        if (lh_str_starts(key, kept->items[i]))
            return 1;
    return lh_str_starts(key, LH_S(META_PREFIX)) || lh_str_starts(key, LH_S(PLANS_PREFIX));
}

lh_rc lhi_fsck_text(lhi_fsck_run *run)
{
    lh_object_page objects;
    lh_object_page page;
    kept_prefixes kept = {0};
    /* Listed first: what a running server publishes meanwhile is not taken for garbage. */
    LH_TRY(lh_store_list(run->cx, run->store, LH_S(PREFIX), LH_STR_NONE, 0, &objects));
    LH_TRY(lh_store_list(run->cx, run->store, LH_S(PLANS_PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++)
        LH_TRY(keep(run, &kept,
                    lh_ctx_fmt(run->cx, PREFIX "%.*s/",
                               LH_STR_ARG(name_of(page.items[i].key, PLANS_PREFIX)))));
    LH_TRY(lh_store_list(run->cx, run->store, LH_S(META_PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        meta_look look = {page.items[i].key, &kept};
        LH_TRY(lh_ctx_check(run->cx));
        LH_TRY(lhi_fsck_scratch(run, read_meta, &look));
    }
    size_t count = 0;
    for (size_t i = 0; i < objects.count; i++)
        if (!is_kept(&kept, objects.items[i].key))
            objects.items[count++] = objects.items[i];
    objects.count = count;
    return kept.unreadable ? LH_OK
                           : lhi_fsck_orphans(run, &objects, LH_S("no text index names it"));
}
