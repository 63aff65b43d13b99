/* fsck.c - the order of a check.
 *
 * Objects under datasets/ are listed before the manifests are read: a file that a running server
 * publishes meanwhile is not in the list, so it cannot be mistaken for an orphan. One that was
 * published just before and is committed just after would be; that is why a repair wants the
 * store for itself. */
#include "catalog/fsck_private.h"

lh_rc lh_fsck_run(lh_ctx *cx, lh_store *store, uint32_t flags, lh_fsck_report report, void *arg,
                  lh_fsck_summary *ret_summary)
{
    lhi_fsck_run run = {.cx = cx, .store = store, .flags = flags, .report = report, .arg = arg};
    lh_object_page objects;
    LH_TRY(lh_store_list(cx, store, LH_S("datasets/"), LH_STR_NONE, 0, &objects));
    LH_TRY(lhi_fsck_manifests(&run));
    LH_TRY(lhi_fsck_vectors(&run));
    LH_TRY(lhi_fsck_text(&run));
    LH_TRY(lhi_fsck_files(&run));
    /* A manifest that cannot be read may name any file: then nothing is known to be garbage. */
    if (run.summary.unreadable == 0)
        LH_TRY(lhi_fsck_orphans(&run, &objects, LH_S("no manifest names it")));
    LH_TRY(lhi_fsck_containers(&run));
    LH_TRY(lhi_fsck_batches(&run, LH_S("journal/")));
    LH_TRY(lhi_fsck_batches(&run, LH_S("_errors/")));
    LH_TRY(lhi_fsck_sealed(&run, LH_S("_catalog/journaled.json")));
    LH_TRY(lhi_fsck_sealed(&run, LH_S("_access/")));
    *ret_summary = run.summary;
    return LH_OK;
}
