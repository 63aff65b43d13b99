/* toml.c - the C side of the TOML parser: copies what the walk shows into the arena. */
#include "base/toml.h"

#include "base/toml_private.h"

enum { TEXT_BYTES_MAX = 1024 * 1024 };

_Static_assert((int)LH_TOML_STR == LHI_TOML_STR && (int)LH_TOML_INT == LHI_TOML_INT &&
                   (int)LH_TOML_FLOAT == LHI_TOML_FLOAT && (int)LH_TOML_BOOL == LHI_TOML_BOOL &&
                   (int)LH_TOML_OTHER == LHI_TOML_OTHER &&
                   (int)LH_TOML_EMPTY_ARRAY == LHI_TOML_EMPTY_ARRAY,
               "kinds cross the seam as numbers");

typedef struct collector {
    lh_ctx *cx;
    void *entries;
    size_t count;
    size_t capacity;
} collector;

static int collect(void *arg, const lhi_toml_value *value)
{
    collector *c = arg;
    lh_rc rc = lh_ctx_grow(c->cx, &c->entries, c->count, &c->capacity, sizeof(lh_toml_entry));
    if (rc != LH_OK)
        return (int)rc;
    lh_toml_entry *entry = &((lh_toml_entry *)c->entries)[c->count];
    entry->path = lh_ctx_dup(c->cx, (lh_str){value->path, value->path_len});
    entry->text = lh_ctx_dup(c->cx, (lh_str){value->text, value->text_len});
    if (entry->path.ptr == NULL || entry->text.ptr == NULL)
        return (int)LH_E_NO_MEMORY;
    entry->kind = (lh_toml_kind)value->kind;
    entry->line = value->line;
    entry->column = value->column;
    c->count++;
    return 0;
}

lh_rc lh_toml_parse(lh_ctx *cx, lh_str text, lh_toml_entry **ret_entries, size_t *ret_count)
{
    if (text.len > TEXT_BYTES_MAX)
        return lh_fail(cx, LH_E_BAD_CONFIG, "%zu bytes of TOML, limit %d", text.len,
                       TEXT_BYTES_MAX);
    collector c = {.cx = cx};
    lhi_toml_error error;
    int outcome = lhi_toml_walk(text.ptr, text.len, collect, &c, &error);
    if (outcome < 0) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_CONFIG, "%s", error.message));
        return lh_err_place(cx, error.line, error.column);
    }
    if (outcome > 0)
        return (lh_rc)outcome;
    *ret_entries = c.entries;
    *ret_count = c.count;
    return LH_OK;
}
