/* api/api.c - the list of route tables, who calls, and paging.
 *
 * To add a resource: 1. a file with its rows; 2. its table in api_private.h and in the list
 * below. */
#include "api/api_private.h"

const lh_route *const lh_api_routes[] = {lh_health_routes, lh_ingest_routes,  lh_jobs_routes,
                                         lh_query_routes,  lh_catalog_routes, lh_vectors_routes,
                                         lh_text_routes,   lh_journal_routes, NULL};

lh_rc lh_api_authenticate(lh_ctx *cx, void *arg, const lh_request *rq, lh_str secret)
{
    lh_app *app = arg;
    const lh_route *route = lh_request_route(rq);
    if (!app->auth_on) {
        cx->principal = lh_policy_local_owner(app->policy);
        return LH_OK;
    }
    if (route->access == LH_ACCESS_PUBLIC)
        return LH_OK;
    if (secret.len == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_UNAUTHORIZED, "this request needs a key"));
        return lh_err_hint(cx, "send Authorization: Bearer <key> or X-API-Key: <key>");
    }
    LH_TRY(lh_policy_authenticate(cx, app->policy, secret, &cx->principal));
    static const lh_action actions[] = {[LH_ACCESS_PUBLIC] = LH_ACTION_READ,
                                        [LH_ACCESS_READ] = LH_ACTION_READ,
                                        [LH_ACCESS_WRITE] = LH_ACTION_WRITE,
                                        [LH_ACCESS_ADMIN] = LH_ACTION_ADMIN};
    return lh_policy_check(cx, app->policy, cx->principal, actions[route->access],
                           lh_str_from(route->path));
}

lh_rc lhi_page(lh_ctx *cx, const lh_request *rq, int64_t *ret_limit, lh_str *ret_after)
{
    *ret_after = lh_request_query(rq, "cursor");
    return lh_request_query_i64(cx, rq, "limit", LHI_PAGE_DEFAULT, 1, LHI_PAGE_MAX, ret_limit);
}
