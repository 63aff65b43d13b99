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

static lh_str name_of(lh_str key, const char *prefix)
{
    lh_str name = lh_str_from_offset(key, strlen(prefix));
    return lh_str_sub(name, 0, name.len - LH_MIN(name.len, sizeof ".json" - 1));
}

/* prefix: made in cx. */
static lh_rc keep(lh_ctx *cx, lhi_fsck_run *run, lhi_fsck_kept *kept, lh_str prefix)
{
    return prefix.ptr ? lhi_fsck_keep(run, kept, prefix) : cx->err.rc;
}

typedef struct meta_look {
    lh_str key;
    lhi_fsck_kept *kept;
} meta_look;

static lh_rc read_meta(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    meta_look *look = arg;
    const lh_json *root;
    LH_TRY(lhi_fsck_read_json(scratch, run, look->key, META_MAX, look->kept, &root));
    if (!root)
        return LH_OK;
    lh_str generation = lh_json_get_str(root, LH_S("generation"));
    if (generation.len == 0) {
        look->kept->unreadable = 1;
        lhi_fsck_found(run, LH_FINDING_DAMAGED, look->key, "it names no generation");
        return LH_OK;
    }
    return keep(scratch, run, look->kept,
                lh_ctx_fmt(scratch, PREFIX "%.*s/%.*s/",
                           LH_STR_ARG(name_of(look->key, META_PREFIX)), LH_STR_ARG(generation)));
}

static int is_ours(const lhi_fsck_kept *kept, lh_str key)
{
    return lhi_fsck_is_kept(kept, key) || lh_str_starts(key, LH_S(META_PREFIX)) ||
           lh_str_starts(key, LH_S(PLANS_PREFIX));
}

lh_rc lhi_fsck_text(lhi_fsck_run *run)
{
    lh_object_page objects;
    lh_object_page page;
    lhi_fsck_kept kept = {0};
    /* Listed first: what a running server publishes meanwhile is not taken for garbage. */
    LH_TRY(lh_store_list(run->cx, run->store, LH_S(PREFIX), LH_STR_NONE, 0, &objects));
    LH_TRY(lh_store_list(run->cx, run->store, LH_S(PLANS_PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++)
        LH_TRY(keep(run->cx, run, &kept,
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
        if (!is_ours(&kept, objects.items[i].key))
            objects.items[count++] = objects.items[i];
    objects.count = count;
    return kept.unreadable ? LH_OK
                           : lhi_fsck_orphans(run, &objects, LH_S("no text index names it"));
}
