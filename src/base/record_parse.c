/* record_parse.c - JSON into a struct, by its table: objects, lists, maps, defaults.
 *
 * Recursion follows the nesting of the tables and is bounded by the reader's depth. */
#include "base/record_private.h"

#include <stdio.h>
#include <stdlib.h>

static lh_rc parse_fields(lhi_parser *p, const lh_record *record, const lh_json_token *begin,
                          const lhi_path *path, void *out);

static lh_rc parse_json(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, lh_str *ret)
{
    lh_str raw;
    LH_TRY(lh_json_skip(&p->reader, t, &raw));
    LH_TRY(lhi_check_count(p, s, t->offset, raw.len, "bytes"));
    *ret = raw;
    return LH_OK;
}

/* Objects of a list start as copies of one set of defaults: parsing the defaults anew for each
 * would cost more than the item. */
static lh_rc item_template(lhi_parser *p, const lh_field *item, void **ret)
{
    *ret = NULL;
    if (item->type != LH_F_OBJECT)
        return LH_OK;
    void *defaults = lh_ctx_alloc(p->cx, 1, item->record->size);
    if (defaults == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_record_defaults(p->cx, item->record, defaults));
    *ret = defaults;
    return LH_OK;
}

static lh_rc parse_item(lhi_parser *p, const lhi_slot *s, const lh_json_token *t,
                        const void *defaults, void *to)
{
    if (s->field->type != LH_F_OBJECT)
        return lhi_parse_value(p, s, t, to);
    if (t->kind != LH_JSON_OBJECT)
        return lhi_wrong_type(p, s, t, "an object");
    memcpy(to, defaults, s->field->record->size);
    return parse_fields(p, s->field->record, t, s->path, to);
}

static lh_rc parse_list(lhi_parser *p, const lhi_slot *s, const lh_json_token *begin, lh_list *ret)
{
    if (begin->kind != LH_JSON_ARRAY)
        return lhi_wrong_type(p, s, begin, "an array");
    const lh_field item = lhi_item_field(s->field);
    size_t item_bytes = lhi_field_bytes(item.type, item.record);
    void *defaults;
    LH_TRY(item_template(p, &item, &defaults));
    void *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (;;) {
        lh_json_token t;
        LH_TRY(lh_json_next(&p->reader, &t));
        if (t.kind == LH_JSON_ARRAY_END)
            break;
        lhi_path part = {.parent = s->path, .index = count};
        lhi_slot item_slot = {s->owner, &item, &part};
        if (count == lhi_field_count_max(s->owner, s->field))
            return lhi_check_count(p, s, t.offset, count + 1, "items or more");
        LH_TRY(lh_ctx_grow(p->cx, &items, count, &capacity, item_bytes));
        LH_TRY(parse_item(p, &item_slot, &t, defaults, (char *)items + count * item_bytes));
        count++;
    }
    LH_TRY(lhi_check_count(p, s, begin->offset, count, "items"));
    *ret = (lh_list){items, count};
    return LH_OK;
}

typedef struct map_key {
    lh_str key;
    size_t offset;
} map_key;

static int cmp_map_keys(const void *a, const void *b)
{
    const map_key *x = a;
    const map_key *y = b;
    int order = lh_str_cmp(x->key, y->key);
    return order != 0 ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

/* By sorting: comparing each with each would let 10,000 keys cost a second. */
static lh_rc check_map_keys(lhi_parser *p, const lhi_slot *s, map_key *keys, size_t count)
{
    if (count > 1)
        qsort(keys, count, sizeof(*keys), cmp_map_keys);
    for (size_t i = 1; i < count; i++)
        if (lh_str_eq(keys[i - 1].key, keys[i].key))
            return LHI_RECORD_FAIL(p, s->path, keys[i].offset, LH_E_BAD_JSON,
                                   "the key \"%.*s\" comes twice",
                                   (int)LH_MIN(keys[i].key.len, (size_t)80), keys[i].key.ptr);
    return LH_OK;
}

static lh_rc parse_map(lhi_parser *p, const lhi_slot *s, const lh_json_token *begin, lh_list *ret)
{
    if (begin->kind != LH_JSON_OBJECT)
        return lhi_wrong_type(p, s, begin, "an object");
    int is_i64 = s->field->type == LH_F_MAP_I64;
    const lh_field item = {.name = s->field->name, .type = is_i64 ? LH_F_I64 : LH_F_STR};
    size_t item_bytes = is_i64 ? sizeof(lh_pair_i64) : sizeof(lh_pair_str);
    void *items = NULL;
    void *keys = NULL;
    size_t count = 0;
    size_t capacity = 0;
    size_t keys_capacity = 0;
    for (;;) {
        lh_json_token key, t;
        LH_TRY(lh_json_next(&p->reader, &key));
        if (key.kind == LH_JSON_OBJECT_END)
            break;
        LH_TRY(lh_json_next(&p->reader, &t));
        lhi_path part = {.parent = s->path, .name = key.text};
        lhi_slot item_slot = {s->owner, &item, &part};
        if (count == lhi_field_count_max(s->owner, s->field))
            return lhi_check_count(p, s, key.offset, count + 1, "items or more");
        LH_TRY(lh_ctx_grow(p->cx, &items, count, &capacity, item_bytes));
        LH_TRY(lh_ctx_grow(p->cx, &keys, count, &keys_capacity, sizeof(map_key)));
        ((map_key *)keys)[count] = (map_key){key.text, key.offset};
        if (is_i64) {
            lh_pair_i64 *pair = &((lh_pair_i64 *)items)[count];
            pair->key = key.text;
            LH_TRY(lhi_parse_value(p, &item_slot, &t, &pair->value));
        } else {
            lh_pair_str *pair = &((lh_pair_str *)items)[count];
            pair->key = key.text;
            LH_TRY(lhi_parse_value(p, &item_slot, &t, &pair->value));
        }
        count++;
    }
    LH_TRY(check_map_keys(p, s, keys, count));
    LH_TRY(lhi_check_count(p, s, begin->offset, count, "items"));
    *ret = (lh_list){items, count};
    return LH_OK;
}

lh_rc lhi_parse_value(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, void *to)
{
    if (t->kind == LH_JSON_NULL && lhi_field_takes_null(s->owner, s->field))
        return LH_OK;
    switch (s->field->type) {
    case LH_F_JSON: return parse_json(p, s, t, to);
    case LH_F_LIST: return parse_list(p, s, t, to);
    case LH_F_MAP_I64:
    case LH_F_MAP_STR: return parse_map(p, s, t, to);
    case LH_F_OBJECT: break;
    default: return lhi_parse_scalar(p, s, t, to);
    }
    if (t->kind != LH_JSON_OBJECT)
        return lhi_wrong_type(p, s, t, "an object");
    return parse_fields(p, s->field->record, t, s->path, to);
}

/* Index of the field, or -1. Keys mostly come in the table's order, so the search starts behind the
 * last hit. */
int lhi_find_field(const lh_record *record, size_t count, size_t from, lh_str key)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = from + i < count ? from + i : from + i - count;
        const lh_field *field = &record->fields[at];
        int hidden = (field->flags & LH_FIELD_READ_ONLY) && !(record->flags & LH_RECORD_OPEN);
        if (!hidden && lh_str_eq(key, lh_str_from(field->name)))
            return (int)at;
    }
    return -1;
}

lh_rc lhi_unknown_field(lhi_parser *p, const lh_record *record, const lhi_path *path, size_t offset)
{
    lh_str key = path->name;
    const char *names[LHI_RECORD_FIELDS_MAX + 1] = {NULL};
    size_t count = 0;
    for (const lh_field *field = record->fields; field->name != NULL; field++)
        if (!(field->flags & LH_FIELD_READ_ONLY))
            names[count++] = field->name;
    (void)(LHI_RECORD_FAIL(p, path, offset, LH_E_UNKNOWN_FIELD, "\"%.*s\" is not a field of %s",
                           (int)LH_MIN(key.len, (size_t)80), key.ptr, record->name));
    const char *near = lhi_near_name(names, key);
    if (near != NULL)
        return lh_err_hint(p->cx, "Did you mean \"%s\"?", near);
    char known[240];
    size_t at = 0;
    for (size_t i = 0; i < count && at < sizeof(known); i++) {
        int len =
            snprintf(known + at, sizeof(known) - at, "%s%s", i > 0 ? ", " : "known: ", names[i]);
        at += len > 0 ? (size_t)len : 0;
    }
    return count > 0 ? lh_err_hint(p->cx, "%s", known) : p->cx->err.rc;
}

lh_rc lhi_check_required(lhi_parser *p, const lh_record *record, const lhi_path *path,
                         uint64_t seen, size_t offset)
{
    for (size_t i = 0; record->fields[i].name != NULL; i++) {
        const lh_field *field = &record->fields[i];
        if (!(field->flags & LH_FIELD_REQUIRED) || (seen >> i & 1))
            continue;
        if ((field->flags & LH_FIELD_READ_ONLY) && !(record->flags & LH_RECORD_OPEN))
            continue;
        lhi_path part = {.parent = path, .name = lh_str_from(field->name)};
        return LHI_RECORD_FAIL(p, &part, offset, LH_E_MISSING_FIELD, "\"%s\" is required: %s",
                               field->name, field->doc ? field->doc : "");
    }
    return LH_OK;
}

void lhi_set_present(const lh_record *record, void *out, uint64_t seen)
{
    if (record->present_offset != 0)
        *(uint64_t *)(void *)((char *)out + record->present_offset) |= seen;
}

/* The keys behind `begin`, up to the closing brace. */
static lh_rc parse_fields(lhi_parser *p, const lh_record *record, const lh_json_token *begin,
                          const lhi_path *path, void *out)
{
    size_t count = lhi_record_fields_count(record);
    uint64_t seen = 0;
    size_t next = 0;
    for (;;) {
        lh_json_token key, value;
        LH_TRY(lh_json_next(&p->reader, &key));
        if (key.kind == LH_JSON_OBJECT_END)
            break;
        lhi_path part = {.parent = path, .name = key.text};
        int at = lhi_find_field(record, count, next, key.text);
        if (at < 0 && !(record->flags & LH_RECORD_OPEN))
            return lhi_unknown_field(p, record, &part, key.offset);
        if (at < 0) {
            LH_TRY(lh_json_skip(&p->reader, &key, NULL));
            continue;
        }
        if (seen >> at & 1)
            return LHI_RECORD_FAIL(p, &part, key.offset, LH_E_BAD_JSON,
                                   "the key \"%s\" comes twice", record->fields[at].name);
        seen |= UINT64_C(1) << at;
        next = (size_t)at + 1;
        LH_TRY(lh_json_next(&p->reader, &value));
        lhi_slot s = {record, &record->fields[at], &part};
        LH_TRY(lhi_parse_value(p, &s, &value, (char *)out + s.field->offset));
    }
    lhi_set_present(record, out, seen);
    return lhi_check_required(p, record, path, seen, begin->offset);
}

static lh_rc parse_default(lh_ctx *cx, const lh_record *record, const lh_field *field, void *to)
{
    lhi_parser p = {.cx = cx, .has_place = 1};
    lh_json_reader_init(&p.reader, cx, lh_str_from(field->def), 0, 0);
    lh_json_token token;
    lhi_path part = {.name = lh_str_from(field->name)};
    lhi_slot s = {record, field, &part};
    lh_rc rc = lh_json_next(&p.reader, &token);
    if (rc == LH_OK)
        rc = lhi_parse_value(&p, &s, &token, to);
    lh_assert(rc == LH_OK ||
              rc == LH_E_NO_MEMORY); /* anything else: the row's .def does not fit the row */
    return rc;
}

lh_rc lh_record_defaults(lh_ctx *cx, const lh_record *record, void *out)
{
    memset(out, 0, record->size);
    for (const lh_field *field = record->fields; field->name != NULL; field++) {
        void *to = (char *)out + field->offset;
        if (field->type == LH_F_OBJECT)
            LH_TRY(lh_record_defaults(cx, field->record, to));
        if (field->def != NULL)
            LH_TRY(parse_default(cx, record, field, to));
    }
    return LH_OK;
}

lh_rc lh_record_parse(lh_ctx *cx, const lh_record *record, lh_str json, void *out)
{
    LH_TRY(lh_record_defaults(cx, record, out));
    lhi_parser p = {.cx = cx, .has_place = 1};
    lh_json_reader_init(&p.reader, cx, json, 0, 0);
    lh_json_token token;
    LH_TRY(lh_json_next(&p.reader, &token));
    if (token.kind != LH_JSON_OBJECT)
        return LHI_RECORD_FAIL(&p, NULL, token.offset, LH_E_BAD_VALUE,
                               "%s must be an object, not %s", record->name,
                               lh_json_kind_name(token.kind));
    LH_TRY(parse_fields(&p, record, &token, NULL, out));
    return lh_json_next(&p.reader, &token); /* nothing may follow */
}
