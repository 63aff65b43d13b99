/* base/record.h - one const table per struct gives JSON -> struct, struct -> JSON, limits, defaults
 * and the JSON Schema.
 *
 * To add a field: 1. add the member to the struct; 2. add a row to its table. Parsing with exact
 * error place, writing, the OpenAPI schema and the docs follow from the row.
 *
 * Owns:    parsed texts and lists live in the arena of the context (texts may borrow from the
 *          input: keep it alive).
 * Threads: tables are constant; parsing is one thread per context.
 * Limits:  per field: min/max are the number's range, the text's bytes or the list's items; 0,0 =
 *          the defaults below (not for LH_RECORD_OPEN: what we stored we must be able to read). max
 *          0 with a positive min: no maximum of its own. At most 64 fields. A key that comes twice
 *          is refused.
 * Formats: JSON, JSON Schema 2020-12 (as OpenAPI 3.1 uses it).
 * Why:     declared, not coded: validation, docs and tests cannot drift
 *          (docs/adr/0004-records.md). */
#ifndef LH_BASE_RECORD_H
#define LH_BASE_RECORD_H

#include "base/json.h"
#include "base/json_write.h"

#define LH_RECORD_TEXT_MAX  (64 * 1024) /* bytes of a text without its own maximum */
#define LH_RECORD_ITEMS_MAX 10000       /* items of a list without its own maximum */

/* Type of the struct member in brackets. */
typedef enum lh_field_type {
    LH_F_BOOL,    /* (bool) */
    LH_F_I64,     /* (int64_t) */
    LH_F_U64,     /* (uint64_t) */
    LH_F_I32,     /* (int32_t) */
    LH_F_U32,     /* (uint32_t) */
    LH_F_F64,     /* (double) */
    LH_F_STR,     /* (lh_str) */
    LH_F_ENUM,    /* (int): index into .names */
    LH_F_TIME,    /* (int64_t): real microseconds, RFC 3339 text in JSON; 0 = null */
    LH_F_JSON,    /* (lh_str): any value, raw text; empty = absent, written as null */
    LH_F_OBJECT,  /* (struct): .record */
    LH_F_LIST,    /* (lh_list): items of type .item; LH_F_OBJECT items use .record and its size */
    LH_F_MAP_I64, /* (lh_list of lh_pair_i64): JSON object name -> integer */
    LH_F_MAP_STR  /* (lh_list of lh_pair_str): JSON object name -> text */
} lh_field_type;

/* Any list member: items is an array of the item's C type, in the arena. */
typedef struct lh_list {
    void *items;
    size_t count;
} lh_list;
typedef struct lh_pair_i64 {
    lh_str key;
    int64_t value;
} lh_pair_i64;
typedef struct lh_pair_str {
    lh_str key;
    lh_str value;
} lh_pair_str;

enum {
    LH_FIELD_REQUIRED = 1,   /* must be in the JSON */
    LH_FIELD_NULLABLE = 2,   /* null is accepted and means the default */
    LH_FIELD_OMIT_EMPTY = 4, /* not written when zero, empty or absent */
    LH_FIELD_NULL_EMPTY = 8, /* written as null when zero or empty */
    LH_FIELD_SECRET = 16,    /* never written; schema says writeOnly */
    LH_FIELD_READ_ONLY = 32  /* replies only: refused in requests as unknown */
};

typedef struct lh_record lh_record;

typedef struct lh_field {
    const char *name;
    lh_field_type type;
    uint32_t flags;
    size_t offset;
    int64_t min;
    int64_t max;
    const char *def;          /* JSON text; NULL = zero */
    const lh_record *record;  /* OBJECT, LIST of OBJECT */
    const char *const *names; /* ENUM: NULL-terminated, index = value */
    lh_field_type item;       /* LIST */
    const char *doc;          /* one sentence, with the unit */
} lh_field;

struct lh_record {
    const char *name;       /* schema name, unique in the program: "SqlRequest" */
    size_t size;            /* of the struct */
    const lh_field *fields; /* ends with {0} */
    const char *doc;
    /* Offset of a uint64_t member whose bit i is set when field i was in the JSON; 0 = none (so
     * never first). */
    size_t present_offset;
    uint32_t flags; /* LH_RECORD_OPEN: unknown fields are skipped (files of later versions) */
};
enum { LH_RECORD_OPEN = 1 };

/* A row: LH_FIELD("limit", I64, lh_sql_request, limit, .min = 1, .max = 100, .def = "10", .doc =
 * "Rows.") */
#define LH_FIELD(json_name, field_type, struct_type, member, ...)                                  \
    {                                                                                              \
        .name = (json_name), .type = LH_F_##field_type, .offset = offsetof(struct_type, member),   \
        __VA_ARGS__                                                                                \
    }

/* Defaults, then the JSON over them. out has record->size bytes; on error its content is
 * unspecified. Errors: LH_E_BAD_JSON (also a key that comes twice), LH_E_UNKNOWN_FIELD (near name
 * in the hint), LH_E_MISSING_FIELD, LH_E_BAD_VALUE; all with line and column; err.field = path such
 * as "columns[2].name". */
LH_WARN_UNUSED lh_rc lh_record_parse(lh_ctx *cx, const lh_record *record, lh_str json, void *out);
LH_WARN_UNUSED lh_rc lh_record_defaults(lh_ctx *cx, const lh_record *record, void *out);
/* One field from a text that is not JSON (query parameter, form field): "true", "12", "name"; a
 * list of scalars is comma-separated or JSON, an object or a map is JSON. Sets the field's present
 * bit. */
LH_WARN_UNUSED lh_rc lh_record_set_text(lh_ctx *cx, const lh_record *record, lh_str name,
                                        lh_str text, void *out);
/* After the last lh_record_set_text: LH_E_MISSING_FIELD for a required field whose present bit is
 * not set. The record must have a present_offset. */
LH_WARN_UNUSED lh_rc lh_record_check_required(lh_ctx *cx, const lh_record *record, const void *out);
void lh_record_write(lh_json_writer *w, const lh_record *record, const void *in);
/* One whole JSON text at the end of out. LH_E_TOO_LARGE (beyond out's maximum), LH_E_NO_MEMORY. */
LH_WARN_UNUSED lh_rc lh_record_append(lh_ctx *cx, const lh_record *record, const void *in,
                                      lh_buf *out);
/* A copy that shares nothing with in, in the arena of cx, by way of JSON: at most 64 MiB of it,
 * and secrets stay behind. */
LH_WARN_UNUSED lh_rc lh_record_copy(lh_ctx *cx, const lh_record *record, const void *in, void *out);
/* {"type":"object","properties":...}; nested records as {"$ref":"#/components/schemas/NAME"}. */
void lh_record_write_schema(lh_json_writer *w, const lh_record *record);

#endif
