/* search/search_kept.c - where index builds keep what their finished phases made, so that the job
 * of a plan that was cut off goes on behind them.
 *
 * One file per generation, in a folder of the server's own beside the staging folder, which every
 * start empties. A file whose plan is gone - published, abandoned, replaced - is of no use: it is
 * removed at the end of every build and at start. */
#include "base/hash.h"
#include "base/log.h"
#include "search/search_private.h"

#define ENDING ".build"

/* Empty: the store has no folder beside it. */
static lh_str folder_of(lh_ctx *cx, lh_search *search)
{
    lh_str staging = lh_store_staging(lh_catalog_store(search->parts.catalog));
    return staging.len > 0 ? lh_path_join(cx, lh_path_dir(staging), LH_S("index-builds"))
                           : LH_STR_NONE;
}

static lh_str name_of(lh_ctx *cx, const lhi_plan *plan)
{
    return lh_ctx_fmt(
        cx, "%016llx" ENDING,
        (unsigned long long)lh_hash64(plan->generation, lh_hash64(plan->request.index_name, 1)));
}

lh_rc lhi_kept_open(lh_ctx *cx, lh_search *search, const lhi_plan *plan, uint64_t rows,
                    lh_file **ret_file)
{
    lh_str folder = folder_of(cx, search);
    if (folder.len == 0 || rows < search->parts.settings.keep_from)
        return LH_OK;
    LH_TRY(lh_dir_make_scratch(cx, folder));
    return lh_file_open(cx, lh_path_join(cx, folder, name_of(cx, plan)), LH_FILE_READ_WRITE,
                        ret_file);
}

/* Names of files that plans in the store may go on from. */
static lh_rc names_kept(lh_ctx *cx, lh_search *search, lh_str **ret_names, size_t *ret_count)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lh_object_page page;
    lh_str prefix = lh_ctx_fmt(cx, "%sbuilding/", search->vectors.kind->prefix);
    if (!prefix.ptr)
        return cx->err.rc;
    LH_TRY(lh_store_list(cx, store, prefix, LH_STR_NONE, 0, &page));
    lh_str *names = LH_NEW_ARRAY(cx, lh_str, page.count + 1);
    if (!names)
        return cx->err.rc;
    size_t count = 0;
    for (size_t i = 0; i < page.count; i++) {
        lh_str json;
        lhi_plan plan;
        lh_rc rc = lh_store_get(cx, store, page.items[i].key, LHI_META_BYTES_MAX, &json);
        if (rc == LH_OK && lh_record_parse(cx, &lhi_plan_record, json, &plan) == LH_OK)
            names[count++] = name_of(cx, &plan);
        else
            lh_err_clear(cx); /* it ended just now, or says nothing */
    }
    *ret_names = names;
    *ret_count = count;
    return LH_OK;
}

static int is_among(const lh_str *names, size_t count, lh_str name)
{
    for (size_t i = 0; i < count; i++)
        if (lh_str_eq(names[i], name))
            return 1;
    return 0;
}

static lh_rc collect(lh_ctx *cx, lh_search *search, lh_str folder)
{
    lh_dir_entry *entries;
    size_t count;
    lh_str *names = NULL;
    size_t names_count = 0;
    LH_TRY(lh_dir_list(cx, folder, &entries, &count)); /* before the plans: a new file has one */
    LH_TRY(names_kept(cx, search, &names, &names_count));
    for (size_t i = 0; i < count; i++)
        if (!is_among(names, names_count, entries[i].name))
            LH_TRY(lh_file_remove(cx, lh_path_join(cx, folder, entries[i].name)));
    return LH_OK;
}

void lhi_kept_collect(lh_ctx *cx, lh_search *search)
{
    lh_str folder = folder_of(cx, search);
    lh_err said = cx->err;
    lh_cancel *cancel = cx->cancel;
    cx->cancel = NULL; /* also when the job was cancelled */
    if (folder.len > 0 && lh_file_exists(folder) && collect(cx, search, folder) != LH_OK)
        LH_LOG(cx, JOB_FAILED, LH_KS("kind", LH_S("collect")), LH_KS("key", lh_path_base(folder)),
               LH_KS("message", lh_str_from(cx->err.message)));
    cx->cancel = cancel;
    cx->err = said;
}

void lhi_kept_tell(lh_ctx *cx, const lhi_plan *plan, const lh_index_done *done)
{
    if (done->kept_used > 0)
        LH_LOG(cx, INDEX_RESUMED, LH_KS("index", plan->request.index_name),
               LH_KI("bytes", done->kept_used));
    if (done->kept_trouble.len > 0)
        LH_LOG(cx, INDEX_NOT_RESUMED, LH_KS("index", plan->request.index_name),
               LH_KS("message", done->kept_trouble));
}
