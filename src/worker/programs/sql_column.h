/* worker/programs/sql_column.h - one column of a result as encoders see it: its type once, its
 * vectors per chunk.
 *
 * Owns:    everything lives in the arena of the task; vectors are borrowed from the chunk that is
 *          bound.
 * Threads: one.
 * Limits:  LH_COLUMN_DEPTH_MAX levels of nesting.
 * Formats: DuckDB's vectors (duckdb.h); flat, as duckdb_fetch_chunk gives them.
 * Why:     types are looked at once per query, not once per value. */
#ifndef LH_WORKER_PROGRAMS_SQL_COLUMN_H
#define LH_WORKER_PROGRAMS_SQL_COLUMN_H

#include "worker/programs/duckdb_handles.h"

#define LH_COLUMN_DEPTH_MAX 32
#define LH_CELL_TEXT_MAX    96 /* bytes any value of a fixed size needs as text */

/* How a value is written, whatever the format. */
typedef enum lh_column_shape {
    LH_SHAPE_NUMBER, /* text() gives a JSON number, or nothing (NaN): null */
    LH_SHAPE_BOOL,
    LH_SHAPE_QUOTED, /* text() gives characters that need no escape */
    LH_SHAPE_STRING, /* bytes of a duckdb_string_t, UTF-8 */
    LH_SHAPE_BLOB,
    LH_SHAPE_BIT,
    LH_SHAPE_ENUM,
    LH_SHAPE_LIST, /* also MAP's inner list and ARRAY */
    LH_SHAPE_STRUCT,
    LH_SHAPE_MAP,
    LH_SHAPE_UNION,
    LH_SHAPE_NULL
} lh_column_shape;

typedef struct lh_column lh_column;
/* Text of a value of fixed size; out has LH_CELL_TEXT_MAX bytes. 0 = there is none (NaN). */
typedef size_t (*lh_column_text)(const lh_column *column, idx_t row, char *out);

struct lh_column {
    lh_str name;
    duckdb_type type;
    duckdb_type storage; /* DECIMAL, ENUM: the integer behind it */
    lh_column_shape shape;
    lh_column_text text;
    uint8_t width; /* DECIMAL */
    uint8_t scale;
    lh_str type_name; /* DuckDB's spelling */
    lh_str *labels;   /* ENUM */
    size_t labels_count;
    idx_t array_size; /* ARRAY: items per value */
    lh_column *
        /* LIST, ARRAY: 1; MAP: key and value; STRUCT: fields; UNION: members (without the tag) */
        children;
    size_t children_count;
    /* of the chunk that is bound */
    const void *data;
    const uint64_t *validity; /* NULL: no nulls */
    const uint8_t *tags;      /* UNION: which member */
};

/* Columns of a prepared result. LH_E_SQL_INVALID names a column whose type has no encoding. */
LH_WARN_UNUSED lh_rc lh_columns_of_result(lh_ctx *cx, duckdb_result *result,
                                          lh_column **ret_columns, size_t *ret_count);
/* Points the columns at a chunk's vectors; valid while the chunk lives. */
void lh_columns_bind(lh_column *columns, size_t count, duckdb_data_chunk chunk);

static inline int lh_column_is_null(const lh_column *column, idx_t row)
{
    return column->validity != NULL && !((column->validity[row >> 6] >> (row & 63)) & 1);
}

static inline lh_str lh_column_bytes(const lh_column *column, idx_t row)
{
    const duckdb_string_t *s = (const duckdb_string_t *)column->data + row;
    uint32_t length = s->value.inlined.length;
    return (lh_str){length <= 12 ? s->value.inlined.inlined : s->value.pointer.ptr, length};
}

/* sql_text.c: the text function of a type, NULL when it has none. */
lh_column_text lh_column_text_of(duckdb_type type, duckdb_type storage);

#endif
