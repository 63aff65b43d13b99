/* The policy of the server lakehouse-gated: the real one, and a second role beside the owner.
 *
 * Who comes with the key named "reader" sees of every dataset: no column "secret", "***" in every
 * column "note", and only rows whose column "team" says "blue". It may read and nothing else. The
 * rest of the server is the product's: what this principal gets is what the gate lets through. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "policy/policy_private.h"

static lh_rc owner_grant(lh_ctx *, lh_policy *, const lh_principal *, lh_snapshot *, lh_grant *);
static lh_rc owner_check(lh_ctx *, lh_policy *, const lh_principal *, lh_action, lh_str);
static int owner_may_see(lh_policy *, const lh_principal *, const lh_snapshot *);
static lh_rc stored_authenticate(lh_ctx *, lh_policy *, lh_str, const lh_principal **);

#define lh_policy_grant        owner_grant
#define lh_policy_check        owner_check
#define lh_policy_may_see      owner_may_see
#define lh_policy_authenticate stored_authenticate
#include "../../src/policy/policy.c"
#undef lh_policy_grant
#undef lh_policy_check
#undef lh_policy_may_see

#include "../../src/policy/policy_keys.c"
#undef lh_policy_authenticate

static const lh_principal reader = {LH_S("reader"), LH_S("reader"), LH_S("reader@1")};

static int is_reader(const lh_principal *principal)
{
    return principal && lh_str_eq(principal->role, reader.role);
}

lh_rc lh_policy_authenticate(lh_ctx *cx, lh_policy *policy, lh_str key,
                             const lh_principal **ret_principal)
{
    LH_TRY(stored_authenticate(cx, policy, key, ret_principal));
    if (lh_str_eq((*ret_principal)->name, reader.name))
        *ret_principal = &reader;
    return LH_OK;
}

static lh_rc narrow(lh_ctx *cx, lh_buf *sql, lh_grant *grant)
{
    uint8_t *masked = LH_NEW_ARRAY(cx, uint8_t, grant->columns_count + 1);
    const lh_column **columns = LH_NEW_ARRAY(cx, const lh_column *, grant->columns_count + 1);
    size_t n = 0;
    int has_team = 0;
    if (!masked || !columns)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_buf_printf(cx, sql, "SELECT "));
    for (size_t i = 0; i < grant->columns_count; i++) {
        lh_str name = grant->columns[i]->name;
        has_team |= lh_str_eq(name, LH_S("team"));
        if (lh_str_eq(name, LH_S("secret")))
            continue;
        masked[n] = lh_str_eq(name, LH_S("note")) ? 1 : 0;
        columns[n] = grant->columns[i];
        LH_TRY(lh_buf_printf(cx, sql, "%s%s\"%.*s\"", n ? ", " : "", masked[n] ? "'***' AS " : "",
                             LH_STR_ARG(name)));
        n++;
    }
    LH_TRY(lh_buf_printf(cx, sql, " FROM (%.*s)%s", LH_STR_ARG(grant->sql),
                         has_team ? " WHERE \"team\" = 'blue'" : ""));
    grant->columns = columns;
    grant->masked = masked;
    grant->columns_count = n;
    grant->all_rows = !has_team;
    return LH_OK;
}

lh_rc lh_policy_grant(lh_ctx *cx, lh_policy *policy, const lh_principal *principal,
                      lh_snapshot *snapshot, lh_grant *ret_grant)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_grant grant;
    if (!is_reader(principal))
        return owner_grant(cx, policy, principal, snapshot, ret_grant);
    LH_TRY(owner_grant(cx, policy, &policy->local_owner, snapshot, &grant));
    lh_buf_init(&sql, 1u << 20);
    LH_TRY(narrow(cx, &sql, &grant));
    grant.sql = lh_ctx_dup(cx, lh_buf_str(&sql));
    grant.version = lh_ctx_fmt(cx, "%.*s.reader", LH_STR_ARG(grant.version));
    if (!grant.sql.ptr || !grant.version.ptr)
        return LH_E_NO_MEMORY;
    *ret_grant = grant;
    return LH_OK;
}

int lh_policy_may_see(lh_policy *policy, const lh_principal *principal, const lh_snapshot *snapshot)
{
    return is_reader(principal) || owner_may_see(policy, principal, snapshot);
}

lh_rc lh_policy_check(lh_ctx *cx, lh_policy *policy, const lh_principal *principal,
                      lh_action action, lh_str resource)
{
    if (is_reader(principal) && action == LH_ACTION_READ)
        return LH_OK;
    return owner_check(cx, policy, principal, action, resource);
}
