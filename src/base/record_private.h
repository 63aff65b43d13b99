/* record_private.h - what parsing, writing and describing a record share; private to base/.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  LHI_RECORD_FIELDS_MAX: one bit per field in a uint64_t.
 * Formats: none.
 * Why:     sizes and limits are derived from a row in one place. */
#ifndef LH_BASE_RECORD_PRIVATE_H
#define LH_BASE_RECORD_PRIVATE_H

#include "base/record.h"

#define LHI_RECORD_FIELDS_MAX 64

/* Range of a number; text bytes or items: only max and a min of 0 or more are of use. */
typedef struct lhi_limits {
    int has_min, has_max;
    int64_t min, max;
} lhi_limits;

lhi_limits lhi_field_limits(const lh_field *field);
/* Bytes or items a value may have: the row's own maximum, else the default of its type, else (open
 * records) none. */
uint64_t lhi_field_count_max(const lh_record *owner, const lh_field *field);
size_t lhi_field_bytes(lh_field_type type,
                       const lh_record *record); /* of the C member, or of a list's item */
size_t lhi_record_fields_count(const lh_record *record);
/* Null means the default here: because the row says so, or because we write null there
 * ourselves. */
int lhi_field_takes_null(const lh_record *owner, const lh_field *field);
/* The row a list's items follow. */
lh_field lhi_item_field(const lh_field *list);

/* Where a value stands: a chain on the stack. */
typedef struct lhi_path {
    const struct lhi_path *parent;
    lh_str name; /* no pointer: an index */
    size_t index;
} lhi_path;

typedef struct lhi_parser {
    lh_ctx *cx;
    lh_json_reader reader;
    int has_place; /* 0: the text did not come as JSON, so it has no line and column */
} lhi_parser;

/* One value and what is said about it. */
typedef struct lhi_slot {
    const lh_record *owner;
    const lh_field *field;
    const lhi_path *path;
} lhi_slot;

/* Adds path and place to the error that was just said; returns its code. */
LH_COLD lh_rc lhi_record_place(lhi_parser *p, const lhi_path *path, size_t offset);
#define LHI_RECORD_FAIL(p, path, offset, rc, ...)                                                  \
    ((void)lh_fail((p)->cx, (rc), __VA_ARGS__), lhi_record_place((p), (path), (offset)))
LH_COLD lh_rc lhi_wrong_type(lhi_parser *p, const lhi_slot *s, const lh_json_token *t,
                             const char *wanted);
lh_rc lhi_check_count(lhi_parser *p, const lhi_slot *s, size_t offset, uint64_t count,
                      const char *unit);
/* The name nearest to what was written, when it is near enough to be what was meant; else NULL. */
const char *lhi_near_name(const char *const *names, lh_str written);
int lhi_is_integer_text(lh_str text);

/* *to holds the default already. */
lh_rc lhi_parse_value(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, void *to);
lh_rc lhi_parse_scalar(lhi_parser *p, const lhi_slot *s, const lh_json_token *t, void *to);

/* Index of the field, or -1. Keys mostly come in the table's order, so the search starts at
 * `from`. */
int lhi_find_field(const lh_record *record, size_t count, size_t from, lh_str key);
LH_COLD lh_rc lhi_unknown_field(lhi_parser *p, const lh_record *record, const lhi_path *path,
                                size_t offset);
lh_rc lhi_check_required(lhi_parser *p, const lh_record *record, const lhi_path *path,
                         uint64_t seen, size_t offset);
void lhi_set_present(const lh_record *record, void *out, uint64_t seen);

#endif
