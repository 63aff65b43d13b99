/* record_value.c - scalars of a record: text to number, name, time; and what is said when it does
 * not fit.
 *
 * A path is a chain of parts on the stack; it becomes text only when there is something to complain
 * about. */
#include "base/record_private.h"

#include "base/clock.h"
#include "base/num.h"

#include <stdio.h>

static size_t put_path(const lhi_path *part, char *out, size_t room)
{
    if (part == NULL)
        return 0;
    size_t at = put_path(part->parent, out, room);
    if (at >= room)
        return at;
    int len;
    if (part->name.ptr == NULL)
        len = snprintf(out + at, room - at, "[%zu]", part->index);
    else
        len = snprintf(out + at, room - at, "%s%.*s", at > 0 ? "." : "", LH_STR_ARG(part->name));
    return at + (len > 0 ? (size_t)len : 0);
}

/* Adds path and place to the error that was just said. */
lh_rc lhi_record_place(lhi_parser *p, const lhi_path *path, size_t offset)
{
    char text[sizeof(p->cx->err.field) + 8] = "";
    (void)put_path(path, text, sizeof(text));
    LH_IGNORE(lh_err_field(p->cx, "%s", text));
    if (!p->has_place)
        return p->cx->err.rc;
    int line, column;
    lh_json_place(p->reader.text, offset, &line, &column);
    return lh_err_place(p->cx, line, column);
}

lh_rc lhi_wrong_type(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, const char *wanted)
{
    return LHI_RECORD_FAIL(p, s->path, t->offset, LH_E_BAD_VALUE, "\"%s\" must be %s, not %s",
                           s->field->name, wanted, lh_json_kind_name(t->kind));
}

/* Says the range in words: what is missing is not limited. */
LH_COLD static lh_rc out_of_range(lhi_parser *p, const lhi_slot *s, const lh_json_token *t,
                                  const char *low, const char *high)
{
    return LHI_RECORD_FAIL(p, s->path, t->offset, LH_E_BAD_VALUE,
                           "\"%s\" must be from %s to %s, not %.*s", s->field->name, low, high,
                           (int)LH_MIN(t->text.len, (size_t)40), t->text.ptr);
}

/* 1.0 and 1e3 may be integers to a mathematician; whoever writes them for one may also write
 * 1.5. */
LH_COLD static lh_rc not_integral(lhi_parser *p, const lhi_slot *s, const lh_json_token *t)
{
    lh_rc rc = LHI_RECORD_FAIL(p, s->path, t->offset, LH_E_BAD_VALUE,
                               "\"%s\" must be an integer, not %.*s", s->field->name,
                               (int)LH_MIN(t->text.len, (size_t)40), t->text.ptr);
    double value;
    if (lh_parse_f64(t->text, &value) && value > -9e15 && value < 9e15 &&
        value == (double)(int64_t)value)
        return lh_err_hint(p->cx, "write %lld", (long long)value);
    return rc;
}

int lhi_is_integer_text(lh_str text)
{
    size_t from = text.len > 0 && text.ptr[0] == '-';
    for (size_t i = from; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
    return text.len > from;
}

static lh_rc want_number(lhi_parser *p, const lhi_slot *s, const lh_json_token *t,
                         const char *wanted)
{
    if (t->kind == LH_JSON_NUMBER)
        return LH_OK;
    lh_rc rc = lhi_wrong_type(p, s, t, wanted);
    double value;
    if (t->kind == LH_JSON_STRING && p->has_place && lh_parse_f64(t->text, &value))
        return lh_err_hint(p->cx, "write it without quotes");
    return rc;
}

static lh_rc parse_u64(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, uint64_t *ret)
{
    LH_TRY(want_number(p, s, t, "an integer"));
    if (!lhi_is_integer_text(t->text))
        return not_integral(p, s, t);
    lhi_limits limits = lhi_field_limits(s->field);
    uint64_t low = limits.has_min && limits.min > 0 ? (uint64_t)limits.min : 0;
    uint64_t high = s->field->type == LH_F_U32 ? UINT32_MAX : UINT64_MAX;
    if (limits.has_max && limits.max >= 0)
        high = LH_MIN(high, (uint64_t)limits.max);
    uint64_t value;
    if (!lh_parse_u64(t->text, &value) || value < low || value > high) {
        char low_text[24] = "", high_text[24] = "";
        (void)lh_u64_text(low, low_text);
        (void)lh_u64_text(high, high_text);
        return out_of_range(p, s, t, low_text, high_text);
    }
    *ret = value;
    return LH_OK;
}

static lh_rc parse_i64(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, int64_t *ret)
{
    LH_TRY(want_number(p, s, t, "an integer"));
    if (!lhi_is_integer_text(t->text))
        return not_integral(p, s, t);
    lhi_limits limits = lhi_field_limits(s->field);
    int is_small = s->field->type == LH_F_I32;
    int64_t low = is_small ? INT32_MIN : INT64_MIN;
    int64_t high = is_small ? INT32_MAX : INT64_MAX;
    low = limits.has_min ? LH_MAX(low, limits.min) : low;
    high = limits.has_max ? LH_MIN(high, limits.max) : high;
    int64_t value;
    if (!lh_parse_i64(t->text, &value) || value < low || value > high) {
        char low_text[24] = "", high_text[24] = "";
        (void)lh_i64_text(low, low_text);
        (void)lh_i64_text(high, high_text);
        return out_of_range(p, s, t, low_text, high_text);
    }
    *ret = value;
    return LH_OK;
}

static lh_rc parse_f64(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, double *ret)
{
    LH_TRY(want_number(p, s, t, "a number"));
    lhi_limits limits = lhi_field_limits(s->field);
    double value;
    if (!lh_parse_f64(t->text, &value))
        return out_of_range(p, s, t, "-1.797e308", "1.797e308");
    if ((limits.has_min && value < (double)limits.min) ||
        (limits.has_max && value > (double)limits.max)) {
        char low_text[24] = "", high_text[24] = "no limit";
        (void)lh_i64_text(limits.min, low_text);
        if (limits.has_max) {
            memset(high_text, 0, sizeof(high_text));
            (void)lh_i64_text(limits.max, high_text);
        }
        return out_of_range(p, s, t, low_text, high_text);
    }
    *ret = value;
    return LH_OK;
}

lh_rc lhi_check_count(lhi_parser *p, const lhi_slot *s, size_t offset, uint64_t count,
                      const char *unit)
{
    uint64_t most = lhi_field_count_max(s->owner, s->field);
    if (count > most)
        return LHI_RECORD_FAIL(p, s->path, offset, LH_E_BAD_VALUE,
                               "\"%s\" has %llu %s, the most is %llu", s->field->name,
                               (unsigned long long)count, unit, (unsigned long long)most);
    if (s->field->min > 0 && count < (uint64_t)s->field->min)
        return LHI_RECORD_FAIL(p, s->path, offset, LH_E_BAD_VALUE,
                               "\"%s\" has %llu %s, the least is %lld", s->field->name,
                               (unsigned long long)count, unit, (long long)s->field->min);
    return LH_OK;
}

static lh_rc parse_str(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, lh_str *ret)
{
    if (t->kind != LH_JSON_STRING)
        return lhi_wrong_type(p, s, t, "a text");
    LH_TRY(lhi_check_count(p, s, t->offset, t->text.len, "bytes"));
    *ret = t->text;
    return LH_OK;
}

/* The name of a list nearest to what was written, when it is near enough to be what was meant. */
const char *lhi_near_name(const char *const *names, lh_str written)
{
    uint32_t best = (uint32_t)LH_MIN(written.len / 3 + 1, (size_t)3) + 1;
    const char *near = NULL;
    for (; *names != NULL; names++) {
        uint32_t distance = lh_str_distance(lh_str_from(*names), written, best);
        if (distance < best) {
            best = distance;
            near = *names;
        }
    }
    return near;
}

LH_COLD static lh_rc unknown_name(lhi_parser *p, const lhi_slot *s, const lh_json_token *t)
{
    char allowed[200];
    size_t at = 0;
    for (const char *const *name = s->field->names; *name != NULL && at < sizeof(allowed); name++) {
        int len = snprintf(allowed + at, sizeof(allowed) - at, "%s%s", at > 0 ? ", " : "", *name);
        at += len > 0 ? (size_t)len : 0;
    }
    (void)(LHI_RECORD_FAIL(p, s->path, t->offset, LH_E_BAD_VALUE,
                           "\"%s\" is \"%.*s\", which is not one of: %s", s->field->name,
                           (int)LH_MIN(t->text.len, (size_t)40), t->text.ptr, allowed));
    const char *near = lhi_near_name(s->field->names, t->text);
    return near != NULL ? lh_err_hint(p->cx, "Did you mean \"%s\"?", near) : p->cx->err.rc;
}

static lh_rc parse_enum(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, int *ret)
{
    if (t->kind != LH_JSON_STRING)
        return lhi_wrong_type(p, s, t, "a text");
    for (int i = 0; s->field->names[i] != NULL; i++)
        if (lh_str_eq(t->text, lh_str_from(s->field->names[i]))) {
            *ret = i;
            return LH_OK;
        }
    return unknown_name(p, s, t);
}

static lh_rc parse_time(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, int64_t *ret)
{
    if (t->kind != LH_JSON_STRING)
        return lhi_wrong_type(p, s, t, "a time as text");
    if (lh_time_parse(t->text, ret))
        return LH_OK;
    (void)(LHI_RECORD_FAIL(p, s->path, t->offset, LH_E_BAD_VALUE, "\"%s\" is not a time",
                           s->field->name));
    return lh_err_hint(p->cx, "write it as 2026-01-31T08:00:00Z");
}

static lh_rc parse_bool(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, bool *ret)
{
    if (t->kind != LH_JSON_TRUE && t->kind != LH_JSON_FALSE)
        return lhi_wrong_type(p, s, t, "true or false");
    *ret = t->kind == LH_JSON_TRUE;
    return LH_OK;
}

static lh_rc parse_small(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, void *to)
{
    int64_t i64;
    uint64_t u64;
    if (s->field->type == LH_F_I32) {
        LH_TRY(parse_i64(p, s, t, &i64));
        *(int32_t *)to = (int32_t)i64;
    } else {
        LH_TRY(parse_u64(p, s, t, &u64));
        *(uint32_t *)to = (uint32_t)u64;
    }
    return LH_OK;
}

lh_rc lhi_parse_scalar(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, void *to)
{
    switch (s->field->type) {
    case LH_F_BOOL: return parse_bool(p, s, t, to);
    case LH_F_I64: return parse_i64(p, s, t, to);
    case LH_F_U64: return parse_u64(p, s, t, to);
    case LH_F_I32:
    case LH_F_U32: return parse_small(p, s, t, to);
    case LH_F_F64: return parse_f64(p, s, t, to);
    case LH_F_STR: return parse_str(p, s, t, to);
    case LH_F_ENUM: return parse_enum(p, s, t, to);
    case LH_F_TIME: return parse_time(p, s, t, to);
    default: lh_assert_failed("a type that is no scalar", __FILE__, __LINE__);
    }
}
