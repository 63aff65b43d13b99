/* record_text.c - one field of a record from a text that is not JSON: a query parameter, a form
 * field, a header. */
#include "base/record_private.h"

#include "base/num.h"

/* The token a JSON text would have given for a value that came without quotes. */
static lh_json_token token_of_text(lh_field_type type, lh_str text)
{
    lh_json_token t = {.kind = LH_JSON_STRING, .text = text};
    double ignored;
    switch (type) {
    case LH_F_BOOL:
        if (lh_str_eq(text, LH_S("true")) || lh_str_eq(text, LH_S("1")))
            t.kind = LH_JSON_TRUE;
        else if (lh_str_eq(text, LH_S("false")) || lh_str_eq(text, LH_S("0")))
            t.kind = LH_JSON_FALSE;
        break;
    case LH_F_I64:
    case LH_F_U64:
    case LH_F_I32:
    case LH_F_U32:
    case LH_F_F64:
        if (lhi_is_integer_text(text) || lh_parse_f64(text, &ignored))
            t.kind = LH_JSON_NUMBER;
        break;
    default: break;
    }
    return t;
}

static lh_rc set_list_text(lhi_parser *p, const lhi_slot *s, lh_str text, lh_list *ret)
{
    const lh_field item = lhi_item_field(s->field);
    size_t item_bytes = lhi_field_bytes(item.type, item.record);
    void *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    lh_str rest = text.len > 0 ? text : LH_STR_NONE;
    lh_str part_text;
    while (lh_str_split_next(&rest, ',', &part_text)) {
        lhi_path part = {.parent = s->path, .index = count};
        lhi_slot item_slot = {s->owner, &item, &part};
        lh_json_token t = token_of_text(item.type, lh_str_trim(part_text));
        LH_TRY(lh_ctx_grow(p->cx, &items, count, &capacity, item_bytes));
        LH_TRY(lhi_parse_value(p, &item_slot, &t, (char *)items + count * item_bytes));
        count++;
        if (count > lhi_field_count_max(s->owner, s->field))
            break;
    }
    LH_TRY(lhi_check_count(p, s, 0, count, "items"));
    *ret = (lh_list){items, count};
    return LH_OK;
}

static lh_rc set_json_text(lhi_parser *p, const lhi_slot *s, lh_str text, void *to)
{
    p->has_place = 1;
    lh_json_reader_init(&p->reader, p->cx, text, 0, 0);
    lh_json_token token;
    lh_rc rc = lh_json_next(&p->reader, &token);
    if (rc == LH_OK)
        rc = lhi_parse_value(p, s, &token, to);
    if (rc == LH_OK)
        rc = lh_json_next(&p->reader, &token);
    if (rc == LH_E_BAD_JSON && p->cx->err.field[0] == '\0')
        return lh_err_field(p->cx, "%s", s->field->name);
    return rc;
}

lh_rc lh_record_set_text(lh_ctx *cx, const lh_record *record, lh_str name, lh_str text, void *out)
{
    lhi_parser p = {.cx = cx};
    lhi_path part = {.name = name};
    int at = lhi_find_field(record, lhi_record_fields_count(record), 0, name);
    if (at < 0)
        return lhi_unknown_field(&p, record, &part, 0);
    const lh_field *field = &record->fields[at];
    void *to = (char *)out + field->offset;
    lhi_slot s = {record, field, &part};
    int is_scalar_list =
        field->type == LH_F_LIST && field->item != LH_F_OBJECT && field->item != LH_F_JSON;
    if (is_scalar_list && !lh_str_starts(text, LH_S("["))) {
        LH_TRY(set_list_text(&p, &s, text, to));
    } else if (field->type >= LH_F_JSON) {
        LH_TRY(set_json_text(&p, &s, text, to));
    } else {
        lh_json_token t = token_of_text(field->type, text);
        LH_TRY(lhi_parse_value(&p, &s, &t, to));
    }
    lhi_set_present(record, out, UINT64_C(1) << at);
    return LH_OK;
}

lh_rc lh_record_check_required(lh_ctx *cx, const lh_record *record, const void *out)
{
    lh_assert(record->present_offset != 0);
    lhi_parser p = {.cx = cx};
    uint64_t seen;
    memcpy(&seen, (const char *)out + record->present_offset, sizeof(seen));
    return lhi_check_required(&p, record, NULL, seen, 0);
}
