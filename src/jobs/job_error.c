/* jobs/job_error.c - the error of a job that was waited for becomes the error of whoever waited. */
#include "base/json.h"
#include "base/num.h"
#include "jobs/jobs.h"

static int number_of(const lh_json *object, lh_str key)
{
    const lh_json *value = lh_json_get(object, key);
    int64_t number;
    if (!value || value->kind != LH_JSON_NUMBER || !lh_parse_i64(value->text, &number) ||
        number < 0 || number > INT32_MAX)
        return 0;
    return (int)number;
}

lh_rc lh_job_view_error(lh_ctx *cx, const lh_job_view *view)
{
    const lh_json *root;
    if (view->error.len == 0 || lh_json_parse(cx, view->error, 0, &root) != LH_OK)
        return lh_fail(cx, LH_E_CANCELLED, "job %.*s was cancelled", LH_STR_ARG(view->job_id));
    const lh_json *inner = lh_json_get(root, LH_S("error"));
    if (!inner)
        inner = root;
    const char *code = lh_ctx_cstr(cx, lh_json_get_str(inner, LH_S("code")));
    lh_rc rc = code ? lh_rc_find(code) : LH_RC_COUNT;
    if (rc == LH_RC_COUNT || rc == LH_OK)
        rc = LH_E_INTERNAL;
    lh_str message = lh_json_get_str(inner, LH_S("message"));
    lh_str hint = lh_json_get_str(inner, LH_S("hint"));
    lh_str field = lh_json_get_str(inner, LH_S("field"));
    LH_IGNORE(lh_fail(cx, rc, "%.*s", LH_STR_ARG(message)));
    if (hint.len > 0)
        LH_IGNORE(lh_err_hint(cx, "%.*s", LH_STR_ARG(hint)));
    if (field.len > 0)
        LH_IGNORE(lh_err_field(cx, "%.*s", LH_STR_ARG(field)));
    return lh_err_place(cx, number_of(inner, LH_S("line")), number_of(inner, LH_S("column")));
}
