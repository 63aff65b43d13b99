/* fsck_manifests.c - reads every manifest in order: gaps, links, what must not change, and which
 * files they name. */
#include "catalog/fsck_private.h"

/* What the manifest before told. */
typedef struct chain {
    lh_str name;
    uint64_t commit;
    int is_known; /* the manifest before was readable, so the rest counts */
    char id[32];
    int64_t committed_at;
    int32_t next_field_id;
} chain;

typedef struct one {
    lh_str key;
    lh_str name;
    uint64_t commit;
    chain *before;
} one;

static void check_link(lhi_fsck_run *run, const one *o, const lh_manifest *m)
{
    const chain *before = o->before;
    if (!before->is_known)
        return;
    if (!lh_str_eq(lh_str_from(before->id), m->id))
        lhi_fsck_found(run, LH_FINDING_DAMAGED, o->key, "the dataset's id has changed");
    if (m->committed_at <= before->committed_at)
        lhi_fsck_found(run, LH_FINDING_DAMAGED, o->key, "it is not later than its parent");
    if (m->next_field_id < before->next_field_id)
        lhi_fsck_found(run, LH_FINDING_DAMAGED, o->key, "field ids are given a second time");
}

static lh_rc check_one(lh_ctx *scratch, lhi_fsck_run *run, void *arg)
{
    const one *o = arg;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    run->summary.manifests++;
    lh_rc rc = lhi_snapshot_load(scratch, run->store, o->name, o->commit, &snapshot);
    if (rc != LH_OK) {
        o->before->is_known = 0;
        run->summary.unreadable++;
        if (rc == LH_E_NOT_FOUND) /* removed since it was listed */
            return LH_OK;
        return lhi_fsck_judge(run, o->key, rc, scratch->err.message) ? LH_OK : rc;
    }
    const lh_manifest *m = &snapshot->manifest;
    check_link(run, o, m);
    const lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++)
        if (lh_str_eq(files[i].bucket, LH_S("primary")))
            LH_TRY(lhi_fsck_add(run, &files[i]));
    o->before->is_known = 1;
    o->before->committed_at = m->committed_at;
    o->before->next_field_id = m->next_field_id;
    size_t len = LH_MIN(m->id.len, sizeof(o->before->id) - 1);
    memcpy(o->before->id, m->id.ptr, len);
    o->before->id[len] = '\0';
    return LH_OK;
}

static void check_gap(lhi_fsck_run *run, const one *o)
{
    uint64_t expected = o->before->commit + 1;
    if (o->commit == expected)
        return;
    o->before->is_known = 0;
    if (o->commit == expected + 1)
        lhi_fsck_found(run, LH_FINDING_GAP, o->key, "version %llu before it is missing",
                       (unsigned long long)expected);
    else
        lhi_fsck_found(run, LH_FINDING_GAP, o->key, "versions %llu to %llu before it are missing",
                       (unsigned long long)expected, (unsigned long long)(o->commit - 1));
}

lh_rc lhi_fsck_manifests(lhi_fsck_run *run)
{
    lh_object_page page;
    chain before = {.commit = 0};
    LH_TRY(lh_store_list(run->cx, run->store, LH_S(LH_MANIFEST_PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        one o = {.key = page.items[i].key, .before = &before};
        LH_TRY(lh_ctx_check(run->cx));
        if (!lh_manifest_key_find(o.key, &o.name, &o.commit))
            continue;
        if (!lh_str_eq(o.name, before.name)) {
            before = (chain){.name = o.name};
            run->summary.datasets++;
        }
        check_gap(run, &o);
        LH_TRY(lhi_fsck_scratch(run, check_one, &o));
        before.commit = o.commit;
    }
    return LH_OK;
}
