/* policy.c - the gate: what a principal may see of a version, and what it may do.
 *
 * The only role so far is the owner, who sees everything. Every other name of a role is refused,
 * also one that a later version stored: not knowing a rule must never mean that it does not
 * hold. */
#include "policy/policy_private.h"

#define OWNER LH_S("owner")

lh_str lhi_policy_domain(lh_ctx *cx, lh_str role)
{
    return lh_ctx_fmt(cx, "%.*s@%d", LH_STR_ARG(role), LHI_POLICY_VERSION);
}

static lh_rc fill(lh_ctx *cx, lh_policy *policy)
{
    lh_ctx own;
    policy->arena = lh_arena_new(0);
    policy->keys = lh_alloc_zero(LHI_SLOTS_MAX, sizeof(*policy->keys));
    if (policy->arena == NULL || policy->keys == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the policy");
    lh_ctx_init_child(&own, policy->arena, cx);
    policy->local_owner = (lh_principal){
        .name = LH_S("local"), .role = OWNER, .domain = lhi_policy_domain(&own, OWNER)};
    if (policy->local_owner.domain.ptr == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the policy");
    return lhi_keys_load(cx, policy);
}

lh_rc lh_policy_open(lh_ctx *cx, lh_catalog *catalog, lh_policy **ret_policy)
{
    lh_assert(catalog != NULL);
    lh_policy *policy = lh_alloc_zero(1, sizeof(*policy));
    if (policy == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the policy");
    policy->catalog = catalog;
    lh_mutex_init(&policy->lock);
    lh_rc rc = fill(cx, policy);
    if (rc != LH_OK) {
        lh_policy_close(policy);
        return rc;
    }
    *ret_policy = policy;
    return LH_OK;
}

lh_policy *lh_policy_close(lh_policy *policy)
{
    if (policy == NULL)
        return NULL;
    lh_mutex_done(&policy->lock);
    lh_free(policy->keys);
    lh_arena_free(policy->arena);
    return lh_free(policy);
}

const lh_principal *lh_policy_local_owner(const lh_policy *policy)
{
    return &policy->local_owner;
}

static int is_owner(const lh_principal *principal)
{
    return principal != NULL && lh_str_eq(principal->role, OWNER);
}

static lh_rc refuse(lh_ctx *cx, const lh_principal *principal, const char *what, lh_str resource)
{
    if (principal == NULL)
        return lh_fail(cx, LH_E_UNAUTHORIZED, "nobody is known to ask");
    LH_IGNORE(lh_fail(cx, LH_E_FORBIDDEN, "role '%.*s' may not %s '%.*s'",
                      LH_STR_ARG(principal->role), what, (int)LH_MIN(resource.len, (size_t)128),
                      resource.ptr != NULL ? resource.ptr : ""));
    return lh_err_hint(cx, "role 'owner' may");
}

lh_rc lh_policy_grant(lh_ctx *cx, lh_policy *policy, const lh_principal *principal,
                      lh_snapshot *snapshot, lh_grant *ret_grant)
{
    const lh_manifest *m = lh_snapshot_manifest(snapshot);
    if (!is_owner(principal))
        return refuse(cx, principal, "read", m->name);
    const lh_schema *schema = lh_manifest_current(m);
    const lh_column *all = schema->columns.items;
    size_t count = schema->columns.count;
    lh_grant grant = {.snapshot = snapshot, .columns_count = count, .all_rows = 1};
    grant.columns = LH_NEW_ARRAY(cx, const lh_column *, count + 1);
    grant.version = lh_ctx_fmt(cx, "%.*s.%llu.%d", LH_STR_ARG(m->id), (unsigned long long)m->commit,
                               LHI_POLICY_VERSION);
    grant.masked = LH_NEW_ARRAY(cx, uint8_t, count + 1);
    if (grant.columns == NULL || grant.version.ptr == NULL || grant.masked == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        grant.columns[i] = &all[i];
    LH_TRY(lh_snapshot_sql(cx, lh_catalog_store(policy->catalog), snapshot, &grant.sql));
    *ret_grant = grant;
    return LH_OK;
}

int lh_policy_may_see(lh_policy *policy, const lh_principal *principal, const lh_snapshot *snapshot)
{
    (void)policy;
    (void)snapshot;
    return is_owner(principal);
}

lh_rc lh_policy_check(lh_ctx *cx, lh_policy *policy, const lh_principal *principal,
                      lh_action action, lh_str resource)
{
    static const char *const verbs[] = {"read", "change", "administer"};
    (void)policy;
    lh_assert((size_t)action < LH_ARRAY_LEN(verbs));
    return is_owner(principal) ? LH_OK : refuse(cx, principal, verbs[action], resource);
}
