/* manifest_edit.c - how build functions change a manifest: schemas that keep their field ids,
 * files, events.
 *
 * A manifest under construction shares memory with its immutable parent, so nothing here writes
 * into a list it was given: each change makes a new array in the arena of the context. */
#include "base/num.h"
#include "catalog/catalog_private.h"
#include "catalog/coltype.h"

static lh_rc list_add(lh_ctx *cx, lh_list *list, const void *item, size_t item_bytes)
{
    char *items = lh_ctx_alloc(cx, list->count + 1, item_bytes);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    if (list->count > 0)
        memcpy(items, list->items, list->count * item_bytes);
    memcpy(items + list->count * item_bytes, item, item_bytes);
    *list = (lh_list){items, list->count + 1};
    return LH_OK;
}

static lh_rc new_id(lh_ctx *cx, lh_manifest *next, int32_t *ret_id)
{
    if (next->next_field_id >= INT32_MAX - 1)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "the dataset has used up its field ids");
    *ret_id = next->next_field_id++;
    return LH_OK;
}

/* Ids of the parts of column->type: those of `before` (may be NULL) where a part of that path
 * was there. */
static lh_rc give_nested_ids(lh_ctx *cx, lh_manifest *next, lh_column *column,
                             const lh_column *before)
{
    lh_str_list paths;
    LH_TRY(lh_coltype_paths(cx, column->type, &paths));
    column->nested = (lh_list){NULL, 0};
    if (paths.count == 0)
        return LH_OK;
    lh_nested_id *items = LH_NEW_ARRAY(cx, lh_nested_id, paths.count);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    const lh_nested_id *old = before != NULL ? before->nested.items : NULL;
    size_t old_count = before != NULL ? before->nested.count : 0;
    for (size_t i = 0; i < paths.count; i++) {
        items[i].path = paths.items[i];
        for (size_t k = 0; k < old_count && items[i].field_id == 0; k++)
            if (lh_str_eq(old[k].path, paths.items[i]))
                items[i].field_id = old[k].field_id;
        if (items[i].field_id == 0)
            LH_TRY(new_id(cx, next, &items[i].field_id));
    }
    column->nested = (lh_list){items, paths.count};
    return LH_OK;
}

/* A class that was given once stays with the name: losing it must be a decision, not the effect
 * of a new file. */
static lh_rc join_pii(lh_ctx *cx, const lh_list *before, lh_list *pii)
{
    const lh_str *old = before->items;
    for (size_t i = 0; i < before->count; i++) {
        const lh_str *have = pii->items;
        size_t k = 0;
        while (k < pii->count && !lh_str_eq(have[k], old[i]))
            k++;
        if (k == pii->count)
            LH_TRY(list_add(cx, pii, &old[i], sizeof(lh_str)));
    }
    return LH_OK;
}

static lh_rc check_columns(lh_ctx *cx, const lh_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lh_coltype *type = NULL;
        if (columns[i].name.len == 0 || memchr(columns[i].name.ptr, 0, columns[i].name.len) ||
            !lh_utf8_valid(columns[i].name)) {
            LH_IGNORE(lh_fail(cx, LH_E_BAD_NAME, "column %zu has no usable name", i + 1));
            return lh_err_field(cx, "columns[%zu].name", i);
        }
        if (lh_coltype_parse(cx, columns[i].type, &type) != LH_OK)
            return lh_err_field(cx, "columns[%zu].type", i);
    }
    return LH_OK;
}

/* The column of that name, twice in the same list: said here, because the check of the manifest
 * would call it ours. */
static lh_rc check_unique(lh_ctx *cx, const lh_schema *schema, const lh_column *column,
                          size_t index)
{
    const lh_column *first = lh_schema_find(schema, column->name);
    if (first == column)
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "two columns are named '%.*s'",
                      (int)LH_MIN(column->name.len, (size_t)80), column->name.ptr));
    return lh_err_field(cx, "columns[%zu].name", index);
}

/* The type of a column for meeting another: what is known of its values lets it fit more. Text can
 * be cast to every type, so a text column without values is of none yet. */
static lh_str meeting_type(const lh_column *column, const lh_column *other)
{
    if (column->range == LH_RANGE_NONE && lh_str_eq(column->type, LH_S("VARCHAR")))
        return LH_S("\"NULL\"");
    if (column->range == LH_RANGE_DOUBLE && lh_str_eq(column->type, LH_S("BIGINT")) &&
        (lh_str_eq(other->type, LH_S("DOUBLE")) || lh_str_eq(other->type, LH_S("FLOAT"))))
        return LH_S("INTEGER");
    return column->type;
}

/* The least type for the values of both columns. */
static lh_rc meet(lh_ctx *cx, const lh_column *a, const lh_column *b, lh_str *ret_type,
                  lh_coltype_fit *ret_fit)
{
    if (lh_str_eq(a->type, b->type))
        return lh_coltype_common(cx, a->type, b->type, ret_type, ret_fit);
    return lh_coltype_common(cx, meeting_type(a, b), meeting_type(b, a), ret_type, ret_fit);
}

static int range_of_both(const lh_column *a, const lh_column *b)
{
    if (a->range == LH_RANGE_NONE || b->range == LH_RANGE_NONE)
        return a->range == LH_RANGE_NONE ? b->range : a->range;
    return a->range == b->range ? a->range : LH_RANGE_ANY;
}

typedef enum keep_rule { KEEP_COMPATIBLE, KEEP_ALWAYS } keep_rule;

/* The given columns with ids: of the current column of the same name (any case) when the rule
 * lets it keep them. */
static lh_rc identify(lh_ctx *cx, lh_manifest *next, const lh_schema *given, keep_rule rule,
                      lh_schema *ret)
{
    const lh_schema *current = lh_manifest_current(next);
    size_t count = given->columns.count;
    lh_column *items = LH_NEW_ARRAY(cx, lh_column, count + 1);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    if (count > 0)
        memcpy(items, given->columns.items, count * sizeof(*items));
    lh_schema schema = {.columns = {items, count}};
    for (size_t i = 0; i < count; i++) {
        LH_TRY(check_unique(cx, &schema, &items[i], i));
        const lh_column *before = current ? lh_schema_find(current, items[i].name) : NULL;
        const lh_column *kept = before;
        lh_coltype_fit fit = LH_COLTYPE_SAME;
        lh_str common;
        if (before != NULL)
            LH_TRY(meet(cx, before, &items[i], &common, &fit));
        if (fit == LH_COLTYPE_TEXT && rule == KEEP_COMPATIBLE)
            kept = NULL;
        items[i].field_id = kept != NULL ? kept->field_id : 0;
        if (kept == NULL)
            LH_TRY(new_id(cx, next, &items[i].field_id));
        LH_TRY(give_nested_ids(cx, next, &items[i], kept));
        if (before != NULL) {
            LH_TRY(join_pii(cx, &before->pii, &items[i].pii));
            if (items[i].description.len == 0)
                items[i].description = before->description;
        }
    }
    *ret = schema;
    return LH_OK;
}

static int same_nested(const lh_list *a, const lh_list *b)
{
    const lh_nested_id *x = a->items, *y = b->items;
    if (a->count != b->count)
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (x[i].field_id != y[i].field_id || !lh_str_eq(x[i].path, y[i].path))
            return 0;
    return 1;
}

/* Equal for readers of files: ids, names and types in order. */
static int same_schema(const lh_schema *a, const lh_schema *b)
{
    const lh_column *x = a->columns.items, *y = b->columns.items;
    if (a->columns.count != b->columns.count)
        return 0;
    for (size_t i = 0; i < a->columns.count; i++)
        if (x[i].field_id != y[i].field_id || !lh_str_eq(x[i].name, y[i].name) ||
            !lh_str_eq(x[i].type, y[i].type) || !same_nested(&x[i].nested, &y[i].nested))
            return 0;
    return 1;
}

/* Puts schema into the list: in the place of an equal one (whose pii and descriptions it
 * renews), else at the end. */
static lh_rc put_schema(lh_ctx *cx, lh_manifest *next, lh_schema *schema)
{
    lh_list list = {NULL, 0};
    int32_t last_id = -1;
    int found = 0;
    const lh_schema *schemas = next->schemas.items;
    for (size_t i = 0; i < next->schemas.count; i++) {
        last_id = LH_MAX(last_id, schemas[i].schema_id);
        lh_schema copy = schemas[i];
        if (!found && same_schema(&schemas[i], schema)) {
            schema->schema_id = copy.schema_id;
            copy = *schema;
            found = 1;
        }
        LH_TRY(list_add(cx, &list, &copy, sizeof(copy)));
    }
    if (!found) {
        if (last_id == INT32_MAX)
            return lh_fail(cx, LH_E_UNPROCESSABLE, "the dataset has used up its schema ids");
        schema->schema_id = last_id + 1;
        LH_TRY(list_add(cx, &list, schema, sizeof(*schema)));
    }
    next->schemas = list;
    return LH_OK;
}

lh_rc lh_manifest_evolve(lh_ctx *cx, lh_manifest *next, const lh_column *columns, size_t count,
                         int32_t *ret_schema_id)
{
    lh_schema given = {.columns = {(void *)(uintptr_t)columns, count}}; /* read only */
    lh_schema schema;
    LH_TRY(check_columns(cx, columns, count));
    LH_TRY(identify(cx, next, &given, KEEP_COMPATIBLE, &schema));
    LH_TRY(put_schema(cx, next, &schema));
    next->current_schema_id = schema.schema_id;
    *ret_schema_id = schema.schema_id;
    return LH_OK;
}

/* Adds what `file` has to `all`: wider types for columns that are there, the others at the end. */
static lh_rc unite(lh_ctx *cx, lh_manifest *next, lh_schema *all, const lh_schema *file)
{
    const lh_column *from = file->columns.items;
    for (size_t i = 0; i < file->columns.count; i++) {
        lh_column *have = all->columns.items;
        size_t k = 0;
        while (k < all->columns.count && have[k].field_id != from[i].field_id)
            k++;
        if (k == all->columns.count) {
            LH_TRY(list_add(cx, &all->columns, &from[i], sizeof(from[i])));
            continue;
        }
        lh_coltype_fit fit;
        lh_str common;
        LH_TRY(meet(cx, &have[k], &from[i], &common, &fit));
        have[k].pii = from[i].pii; /* already joined with those there were */
        have[k].range = range_of_both(&have[k], &from[i]);
        if (fit == LH_COLTYPE_SAME)
            continue;
        lh_column before = have[k];
        have[k].type = common;
        LH_TRY(give_nested_ids(cx, next, &have[k], &before));
    }
    return LH_OK;
}

lh_rc lh_manifest_merge(lh_ctx *cx, lh_manifest *next, const lh_column *columns, size_t count,
                        int32_t *ret_file_schema_id)
{
    const lh_schema *current = lh_manifest_current(next);
    if (current == NULL || current->columns.count == 0)
        return lh_manifest_evolve(cx, next, columns, count, ret_file_schema_id);
    lh_schema given = {.columns = {(void *)(uintptr_t)columns, count}}; /* read only */
    lh_schema file, all = {.columns = {NULL, 0}};
    LH_TRY(check_columns(cx, columns, count));
    LH_TRY(identify(cx, next, &given, KEEP_ALWAYS, &file));
    lh_column *items = LH_NEW_ARRAY(cx, lh_column, current->columns.count);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    memcpy(items, current->columns.items, current->columns.count * sizeof(*items));
    all.columns = (lh_list){items, current->columns.count};
    LH_TRY(unite(cx, next, &all, &file));
    LH_TRY(put_schema(cx, next, &file));
    LH_TRY(put_schema(cx, next, &all));
    next->current_schema_id = all.schema_id;
    *ret_file_schema_id = file.schema_id;
    return LH_OK;
}

lh_rc lh_manifest_add_file(lh_ctx *cx, lh_manifest *next, const lh_data_file *file)
{
    const lh_data_file *files = next->files.items;
    for (size_t i = 0; i < next->files.count; i++)
        if (lh_str_eq(files[i].key, file->key))
            return lh_fail(cx, LH_E_ALREADY_EXISTS, "file '%.*s' is part of the dataset",
                           LH_STR_ARG(file->key));
    if (lh_manifest_schema(next, file->schema_id) == NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "file '%.*s' has an unknown schema %d",
                       LH_STR_ARG(file->key), file->schema_id);
    lh_data_file added = *file;
    if (added.bucket.len == 0)
        added.bucket = LH_S("primary");
    added.sequence = next->commit;
    return list_add(cx, &next->files, &added, sizeof(added));
}

void lh_manifest_clear_files(lh_manifest *next)
{
    next->files = (lh_list){NULL, 0};
}

lh_rc lh_manifest_add_event(lh_ctx *cx, lh_manifest *next, const lh_manifest_event *event)
{
    return list_add(cx, &next->events, event, sizeof(*event));
}

static int schema_is_used(const lh_manifest *m, int32_t schema_id)
{
    const lh_data_file *files = m->files.items;
    if (schema_id == m->current_schema_id)
        return 1;
    for (size_t i = 0; i < m->files.count; i++)
        if (files[i].schema_id == schema_id)
            return 1;
    return 0;
}

lh_rc lhi_manifest_finish(lh_ctx *cx, lh_manifest *next)
{
    lh_list kept = {NULL, 0};
    const lh_schema *schemas = next->schemas.items;
    for (size_t i = 0; i < next->schemas.count; i++)
        if (schema_is_used(next, schemas[i].schema_id))
            LH_TRY(list_add(cx, &kept, &schemas[i], sizeof(schemas[i])));
    next->schemas = kept;

    uint64_t rows = 0;
    int is_exact = 1;
    next->bytes = 0;
    const lh_data_file *files = next->files.items;
    for (size_t i = 0; i < next->files.count; i++) {
        is_exact = is_exact && files[i].kind != LH_FILE_KIND_DELETES &&
                   (files[i].kind == LH_FILE_KIND_BASE || next->row_key.len == 0);
        if (!lh_add_u64(rows, files[i].rows, &rows) ||
            !lh_add_u64(next->bytes, files[i].bytes, &next->bytes))
            return lh_fail(cx, LH_E_UNPROCESSABLE, "the sizes of the files overflow");
    }
    if (is_exact)
        next->row_count = rows;
    if (next->operation.len == 0)
        next->operation = LH_S("update");
    next->format_version = LH_MANIFEST_VERSION;
    const lh_schema *current = lh_manifest_current(next);
    if (current == NULL)
        return lh_fail(cx, LH_E_INTERNAL, "a commit without a current schema");
    return lh_schema_fingerprint(cx, current, &next->fingerprint);
}
