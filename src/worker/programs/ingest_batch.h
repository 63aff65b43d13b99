/* worker/programs/ingest_batch.h - up to 2048 typed rows, column by column: what readers fill and
 * writers take.
 *
 * Owns:    nothing: the data arrays are the caller's (vectors of the engine, or plain memory in
 *          tests).
 * Threads: one at a time.
 * Limits:  LH_BATCH_ROWS_MAX rows.
 * Formats: per type int64, double, uint8, int32 or lh_text_cell; validity as a bit set, 1 = a
 *          value.
 * Why:     parsers write straight into the engine's memory and still compile and test without
 *          it. */
#ifndef LH_WORKER_PROGRAMS_INGEST_BATCH_H
#define LH_WORKER_PROGRAMS_INGEST_BATCH_H

#include "worker/programs/ingest_types.h"

#define LH_BATCH_ROWS_MAX 2048

/* Layout of the engine's string: texts up to 12 bytes inside, longer ones by prefix and pointer
 * (checked against duckdb_string_t in ingest_write.c). The bytes pointed to must live until the
 * batch was taken. */
typedef union lh_text_cell {
    struct {
        uint32_t len;
        char bytes[12];
    } inside;
    struct {
        uint32_t len;
        char prefix[4];
        const char *ptr;
    } outside;
} lh_text_cell;

typedef struct lh_batch_column {
    lh_cell_type type;
    bool has_null;
    void *data; /* room for LH_BATCH_ROWS_MAX values */
    uint64_t validity[LH_BATCH_ROWS_MAX / 64];
} lh_batch_column;

typedef struct lh_batch {
    lh_batch_column *columns;
    uint32_t columns_count;
    uint32_t rows;
    lh_arena *arena; /* texts made for this batch; reset by lh_batch_reset */
} lh_batch;

static inline void lh_batch_reset(lh_batch *batch)
{
    batch->rows = 0;
    for (uint32_t i = 0; i < batch->columns_count; i++) {
        batch->columns[i].has_null = false;
        memset(batch->columns[i].validity, 0xff, sizeof(batch->columns[i].validity));
    }
    lh_arena_reset(batch->arena);
}

static inline void lh_batch_put_null(lh_batch_column *column, uint32_t row)
{
    column->validity[row / 64] &= ~(UINT64_C(1) << (row % 64));
    column->has_null = true;
}

static inline void lh_batch_put_text(lh_batch_column *column, uint32_t row, lh_str text)
{
    lh_text_cell *cell = (lh_text_cell *)column->data + row;
    cell->outside.len = (uint32_t)text.len;
    if (text.len <= sizeof(cell->inside.bytes)) {
        memset(cell->inside.bytes, 0,
               sizeof(cell->inside.bytes)); /* the engine compares whole words */
        if (text.len > 0)
            memcpy(cell->inside.bytes, text.ptr, text.len);
    } else {
        memcpy(cell->outside.prefix, text.ptr, sizeof(cell->outside.prefix));
        cell->outside.ptr = text.ptr;
    }
}

static inline void lh_batch_put_i64(lh_batch_column *column, uint32_t row, int64_t value)
{
    ((int64_t *)column->data)[row] = value;
}
static inline void lh_batch_put_f64(lh_batch_column *column, uint32_t row, double value)
{
    ((double *)column->data)[row] = value;
}
static inline void lh_batch_put_bool(lh_batch_column *column, uint32_t row, uint8_t value)
{
    ((uint8_t *)column->data)[row] = value;
}
static inline void lh_batch_put_date(lh_batch_column *column, uint32_t row, int32_t days)
{
    ((int32_t *)column->data)[row] = days;
}

/* The text as its column's type; false when it does not fit (nothing is then stored). VARCHAR
 * always fits. */
static inline bool lh_batch_put_typed(lh_batch_column *column, uint32_t row, lh_str text)
{
    switch (column->type) {
    case LH_CELL_BIGINT: return lh_cell_bigint(text, (int64_t *)column->data + row);
    case LH_CELL_DOUBLE: return lh_cell_double(text, (double *)column->data + row);
    case LH_CELL_BOOLEAN: return lh_cell_boolean(text, (uint8_t *)column->data + row);
    case LH_CELL_DATE: return lh_cell_date(text, (int32_t *)column->data + row);
    case LH_CELL_TIMESTAMP:
    case LH_CELL_TIMESTAMPTZ:
        return lh_cell_timestamp(text, column->type, (int64_t *)column->data + row);
    default: lh_batch_put_text(column, row, text); return true;
    }
}

#endif
