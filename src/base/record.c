/* record.c - facts about a row that parsing, writing and the schema share. */
#include "base/record_private.h"

lhi_limits lhi_field_limits(const lh_field *field)
{
    lhi_limits limits = {.min = field->min, .max = field->max};
    limits.has_min = field->min != 0 || field->max != 0;
    limits.has_max = field->max != 0 || field->min < 0;
    return limits;
}

uint64_t lhi_field_count_max(const lh_record *owner, const lh_field *field)
{
    if (field->max > 0)
        return (uint64_t)field->max;
    if ((owner->flags & LH_RECORD_OPEN) || field->type == LH_F_JSON)
        return UINT64_MAX;
    return field->type == LH_F_STR ? LH_RECORD_TEXT_MAX : LH_RECORD_ITEMS_MAX;
}

size_t lhi_field_bytes(lh_field_type type, const lh_record *record)
{
    switch (type) {
    case LH_F_BOOL: return sizeof(bool);
    case LH_F_I32:
    case LH_F_U32: return 4;
    case LH_F_ENUM: return sizeof(int);
    case LH_F_I64:
    case LH_F_U64:
    case LH_F_F64:
    case LH_F_TIME: return 8;
    case LH_F_STR:
    case LH_F_JSON: return sizeof(lh_str);
    case LH_F_OBJECT: return record->size;
    case LH_F_LIST:
    case LH_F_MAP_I64:
    case LH_F_MAP_STR: return sizeof(lh_list);
    }
    lh_assert_failed("a field type without a row", __FILE__, __LINE__);
}

size_t lhi_record_fields_count(const lh_record *record)
{
    size_t count = 0;
    while (record->fields[count].name != NULL)
        count++;
    lh_assert(count <= LHI_RECORD_FIELDS_MAX);
    return count;
}

int lhi_field_takes_null(const lh_record *owner, const lh_field *field)
{
    if (field->flags & (LH_FIELD_NULLABLE | LH_FIELD_NULL_EMPTY))
        return 1;
    return field->type == LH_F_TIME &&
           (!(field->flags & LH_FIELD_REQUIRED) || (owner->flags & LH_RECORD_OPEN));
}

lh_field lhi_item_field(const lh_field *list)
{
    lh_assert(list->item != LH_F_LIST && list->item != LH_F_MAP_I64 && list->item != LH_F_MAP_STR);
    return (lh_field){
        .name = list->name, .type = list->item, .record = list->record, .names = list->names};
}
