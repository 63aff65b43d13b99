/* encode_csv.c - RFC 4180: CRLF, a header line, quotes only where needed. Null is an empty field
 * and an empty text is "", so that both can be told apart when the file is read again. */
#include "worker/programs/encode.h"

#include <math.h>

static lh_rc quoted(lh_ctx *cx, lh_str text, lh_buf *out)
{
    size_t bytes;
    if (__builtin_mul_overflow(text.len, (size_t)2, &bytes) ||
        __builtin_add_overflow(bytes, (size_t)2, &bytes))
        return lh_fail(cx, LH_E_TOO_LARGE, "a value of %zu bytes", text.len);
    LH_TRY(lh_buf_reserve(cx, out, bytes));
    char *p = out->ptr + out->len;
    *p++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            *p++ = '"';
        *p++ = text.ptr[i];
    }
    *p++ = '"';
    out->len = (size_t)(p - out->ptr);
    return LH_OK;
}

static lh_rc field(lh_ctx *cx, lh_str text, lh_buf *out)
{
    int plain = text.len > 0 && text.ptr[0] != ' ' && text.ptr[text.len - 1] != ' ';
    for (size_t i = 0; plain && i < text.len; i++) {
        char c = text.ptr[i];
        plain = c != '"' && c != ',' && c != '\n' && c != '\r';
    }
    return plain ? lh_buf_append(cx, out, text) : quoted(cx, text, out);
}

static lh_rc cell_text(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    LH_TRY(lh_buf_reserve(cx, out, LH_CELL_TEXT_MAX));
    out->len += column->text(column, row, out->ptr + out->len);
    return LH_OK;
}

static lh_rc cell_real(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    double value = column->type == DUCKDB_TYPE_FLOAT ? (double)((const float *)column->data)[row]
                                                     : ((const double *)column->data)[row];
    if (isfinite(value))
        return cell_text(cx, e, column, row, out);
    return lh_buf_append(cx, out,
                         isnan(value) ? LH_S("NaN")
                         : value > 0  ? LH_S("inf")
                                      : LH_S("-inf"));
}

static lh_rc cell_bool(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return lh_buf_append(cx, out, ((const bool *)column->data)[row] ? LH_S("true") : LH_S("false"));
}

static lh_rc cell_string(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return field(cx, lh_column_bytes(column, row), out);
}

static lh_rc cell_blob(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return lh_encode_base64(cx, lh_column_bytes(column, row), out);
}

static lh_rc cell_bit(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return lh_encode_bits(cx, lh_column_bytes(column, row), out);
}

static lh_rc cell_enum(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return field(cx, lh_encode_label(column, row), out);
}

static lh_rc cell_nested(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    lh_buf_truncate(&e->scratch, 0);
    LH_TRY(lh_encode_json_value(cx, e, column, row, &e->scratch));
    return field(cx, lh_buf_str(&e->scratch), out);
}

static lh_cell_writer cell_of(const lh_column *column)
{
    switch (column->shape) {
    case LH_SHAPE_NUMBER:
        return column->type == DUCKDB_TYPE_DOUBLE || column->type == DUCKDB_TYPE_FLOAT ? cell_real
                                                                                       : cell_text;
    case LH_SHAPE_QUOTED: return cell_text;
    case LH_SHAPE_BOOL: return cell_bool;
    case LH_SHAPE_STRING: return cell_string;
    case LH_SHAPE_BLOB: return cell_blob;
    case LH_SHAPE_BIT: return cell_bit;
    case LH_SHAPE_ENUM: return cell_enum;
    case LH_SHAPE_LIST:
    case LH_SHAPE_STRUCT:
    case LH_SHAPE_MAP:
    case LH_SHAPE_UNION:
    case LH_SHAPE_NULL: return cell_nested;
    }
    return cell_nested;
}

static lh_rc begin(lh_ctx *cx, lh_encoder *e, lh_buf *out)
{
    for (size_t i = 0; i < e->columns_count; i++) {
        e->cells[i] = cell_of(&e->columns[i]);
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(field(cx, e->columns[i].name, out));
    }
    return lh_buf_append(cx, out, LH_S("\r\n"));
}

static lh_rc rows(lh_ctx *cx, lh_encoder *e, idx_t from, idx_t count, lh_buf *out)
{
    for (idx_t row = from; row < from + count; row++) {
        for (size_t i = 0; i < e->columns_count; i++) {
            if (i > 0)
                LH_TRY(lh_buf_append_char(cx, out, ','));
            if (!lh_column_is_null(&e->columns[i], row) && e->columns[i].shape != LH_SHAPE_NULL)
                LH_TRY(e->cells[i](cx, e, &e->columns[i], row, out));
        }
        LH_TRY(lh_buf_append(cx, out, LH_S("\r\n")));
    }
    return LH_OK;
}

static lh_rc end(lh_ctx *cx, lh_encoder *e, lh_buf *out)
{
    (void)cx;
    (void)e;
    (void)out;
    return LH_OK;
}

const lh_encoder_format lh_encoder_csv = {.begin = begin, .rows = rows, .end = end};
