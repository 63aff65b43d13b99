/* encode_json.c - JSON objects, arrays and lines. The hot path of most queries: one call per value
 * through a pointer that was chosen once per column, room reserved before a value so that bytes are
 * stored without checks, texts without anything to escape (nearly all) found eight bytes at a time
 * and copied. */
#include "worker/programs/encode.h"

#include "base/json_write.h"

static void put(lh_buf *out, lh_str bytes)
{
    memcpy(out->ptr + out->len, bytes.ptr, bytes.len);
    out->len += bytes.len;
}

static lh_rc append_null(lh_ctx *cx, lh_buf *out)
{
    return lh_buf_append(cx, out, LH_S("null"));
}

/* ---------------------------------------------------------------- texts */

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* High bit of a byte set where it is below 0x20, a quote or a backslash (a byte after such a one
 * may show too). */
static uint64_t special(uint64_t word)
{
    uint64_t quote = word ^ (ONES * '"');
    uint64_t slash = word ^ (ONES * '\\');
    return ((word - ONES * 0x20) & ~word & HIGHS) | ((quote - ONES) & ~quote & HIGHS) |
           ((slash - ONES) & ~slash & HIGHS);
}

static int needs_escape(lh_str text)
{
    size_t i = 0;
    uint64_t found = 0;
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + i, 8);
        found |= special(word);
    }
    if (found != 0)
        return 1;
    for (; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\')
            return 1;
    }
    return 0;
}

lh_rc lh_encode_json_text(lh_ctx *cx, lh_str text, lh_buf *out)
{
    if (LH_UNLIKELY(needs_escape(text)))
        return lh_json_escape(cx, out, text);
    LH_TRY(lh_buf_reserve(cx, out, text.len + 2));
    out->ptr[out->len++] = '"';
    if (text.len > 0)
        put(out, text);
    out->ptr[out->len++] = '"';
    return LH_OK;
}

/* ---------------------------------------------------------------- values */

static lh_rc cell_number(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    LH_TRY(lh_buf_reserve(cx, out, LH_CELL_TEXT_MAX));
    size_t len = column->text(column, row, out->ptr + out->len);
    out->len += len;
    return len > 0 ? LH_OK : append_null(cx, out);
}

/* More digits than every double holds exactly (2^53). */
static int beyond_double(lh_str number)
{
    static const char limit[] = "9007199254740992";
    char digits[LH_CELL_TEXT_MAX];
    size_t count = 0;
    int integer = 1;
    for (size_t i = 0; i < number.len; i++) {
        if (number.ptr[i] >= '0' && number.ptr[i] <= '9')
            digits[count++] = number.ptr[i];
        else if (number.ptr[i] != '-')
            integer = 0;
    }
    if (!integer)
        return count > 15;
    return count > 16 || (count == 16 && memcmp(digits, limit, 16) > 0);
}

static lh_rc cell_big_number(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row,
                             lh_buf *out)
{
    (void)e;
    LH_TRY(lh_buf_reserve(cx, out, LH_CELL_TEXT_MAX + 2));
    char *begin = out->ptr + out->len;
    size_t len = column->text(column, row, begin + 1);
    if (beyond_double(lh_str_n(begin + 1, len))) {
        begin[0] = '"';
        begin[len + 1] = '"';
        out->len += len + 2;
    } else {
        memmove(begin, begin + 1, len);
        out->len += len;
    }
    return LH_OK;
}

static lh_rc cell_quoted(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    LH_TRY(lh_buf_reserve(cx, out, LH_CELL_TEXT_MAX + 2));
    out->ptr[out->len++] = '"';
    out->len += column->text(column, row, out->ptr + out->len);
    out->ptr[out->len++] = '"';
    return LH_OK;
}

static lh_rc cell_bool(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return lh_buf_append(cx, out, ((const bool *)column->data)[row] ? LH_S("true") : LH_S("false"));
}

static lh_rc cell_string(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return lh_encode_json_text(cx, lh_column_bytes(column, row), out);
}

static lh_rc cell_blob(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    LH_TRY(lh_buf_append_char(cx, out, '"'));
    LH_TRY(lh_encode_base64(cx, lh_column_bytes(column, row), out));
    return lh_buf_append_char(cx, out, '"');
}

static lh_rc cell_bit(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    LH_TRY(lh_buf_append_char(cx, out, '"'));
    LH_TRY(lh_encode_bits(cx, lh_column_bytes(column, row), out));
    return lh_buf_append_char(cx, out, '"');
}

static lh_rc cell_enum(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    return lh_encode_json_text(cx, lh_encode_label(column, row), out);
}

static lh_rc cell_list(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    idx_t begin = row * column->array_size;
    idx_t count = column->array_size;
    if (column->type == DUCKDB_TYPE_LIST) {
        duckdb_list_entry entry = ((const duckdb_list_entry *)column->data)[row];
        begin = entry.offset;
        count = entry.length;
    }
    LH_TRY(lh_buf_append_char(cx, out, '['));
    for (idx_t i = 0; i < count; i++) {
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(lh_encode_json_value(cx, e, &column->children[0], begin + i, out));
    }
    return lh_buf_append_char(cx, out, ']');
}

static lh_rc cell_struct(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    LH_TRY(lh_buf_append_char(cx, out, '{'));
    for (size_t i = 0; i < column->children_count; i++) {
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(lh_encode_json_text(cx, column->children[i].name, out));
        LH_TRY(lh_buf_append_char(cx, out, ':'));
        LH_TRY(lh_encode_json_value(cx, e, &column->children[i], row, out));
    }
    return lh_buf_append_char(cx, out, '}');
}

/* Keys of JSON are texts: a key that is none becomes the text of its JSON. */
static lh_rc map_key(lh_ctx *cx, lh_encoder *e, const lh_column *key, idx_t row, lh_buf *out)
{
    size_t begin = out->len;
    LH_TRY(lh_encode_json_value(cx, e, key, row, out));
    if (out->len > begin && out->ptr[begin] == '"')
        return LH_OK;
    LH_CLEANUP(lh_buf_done) lh_buf text = {0};
    lh_buf_init(&text, LH_ENCODE_VALUE_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &text, lh_str_n(out->ptr + begin, out->len - begin)));
    lh_buf_truncate(out, begin);
    return lh_encode_json_text(cx, lh_buf_str(&text), out);
}

static lh_rc cell_map(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    duckdb_list_entry entry = ((const duckdb_list_entry *)column->data)[row];
    LH_TRY(lh_buf_append_char(cx, out, '{'));
    for (idx_t i = 0; i < entry.length; i++) {
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(map_key(cx, e, &column->children[0], entry.offset + i, out));
        LH_TRY(lh_buf_append_char(cx, out, ':'));
        LH_TRY(lh_encode_json_value(cx, e, &column->children[1], entry.offset + i, out));
    }
    return lh_buf_append_char(cx, out, '}');
}

static lh_rc cell_union(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    size_t member = column->tags[row];
    if (member >= column->children_count)
        return append_null(cx, out);
    return lh_encode_json_value(cx, e, &column->children[member], row, out);
}

static lh_rc cell_null(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    (void)e;
    (void)column;
    (void)row;
    return append_null(cx, out);
}

static int may_be_big(duckdb_type type)
{
    return type == DUCKDB_TYPE_BIGINT || type == DUCKDB_TYPE_UBIGINT ||
           type == DUCKDB_TYPE_HUGEINT || type == DUCKDB_TYPE_UHUGEINT ||
           type == DUCKDB_TYPE_DECIMAL;
}

static lh_cell_writer cell_of(const lh_encoder *e, const lh_column *column)
{
    switch (column->shape) {
    case LH_SHAPE_NUMBER:
        return (e->flags & LH_ENCODE_BIG_INTS_AS_TEXT) && may_be_big(column->type) ? cell_big_number
                                                                                   : cell_number;
    case LH_SHAPE_BOOL: return cell_bool;
    case LH_SHAPE_QUOTED: return cell_quoted;
    case LH_SHAPE_STRING: return cell_string;
    case LH_SHAPE_BLOB: return cell_blob;
    case LH_SHAPE_BIT: return cell_bit;
    case LH_SHAPE_ENUM: return cell_enum;
    case LH_SHAPE_LIST: return cell_list;
    case LH_SHAPE_STRUCT: return cell_struct;
    case LH_SHAPE_MAP: return cell_map;
    case LH_SHAPE_UNION: return cell_union;
    case LH_SHAPE_NULL: return cell_null;
    }
    return cell_null;
}

lh_rc lh_encode_json_value(lh_ctx *cx, lh_encoder *encoder, const lh_column *column, idx_t row,
                           lh_buf *out)
{
    if (lh_column_is_null(column, row))
        return append_null(cx, out);
    return cell_of(encoder, column)(cx, encoder, column, row, out);
}

/* ---------------------------------------------------------------- rows */

static lh_rc begin(lh_ctx *cx, lh_encoder *e, lh_buf *out)
{
    (void)out;
    for (size_t i = 0; i < e->columns_count; i++) {
        LH_CLEANUP(lh_buf_done) lh_buf key = {0};
        lh_buf_init(&key, LH_ENCODE_VALUE_BYTES_MAX);
        LH_TRY(lh_buf_append_char(cx, &key, i == 0 ? '{' : ','));
        LH_TRY(lh_encode_json_text(cx, e->columns[i].name, &key));
        LH_TRY(lh_buf_append_char(cx, &key, ':'));
        e->before[i] = lh_ctx_dup(cx, lh_buf_str(&key));
        if (e->before[i].ptr == NULL)
            return cx->err.rc;
        e->cells[i] = cell_of(e, &e->columns[i]);
    }
    return LH_OK;
}

static lh_rc write_object(lh_ctx *cx, lh_encoder *e, idx_t row, lh_buf *out)
{
    for (size_t i = 0; i < e->columns_count; i++) {
        const lh_column *column = &e->columns[i];
        LH_TRY(lh_buf_reserve(cx, out, e->before[i].len + 4));
        put(out, e->before[i]);
        if (lh_column_is_null(column, row))
            put(out, LH_S("null"));
        else
            LH_TRY(e->cells[i](cx, e, column, row, out));
    }
    return lh_buf_append_char(cx, out, '}');
}

static lh_rc rows_objects(lh_ctx *cx, lh_encoder *e, idx_t from, idx_t count, lh_buf *out)
{
    for (idx_t row = from; row < from + count; row++) {
        if (e->rows_begun)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        e->rows_begun = 1;
        LH_TRY(write_object(cx, e, row, out));
    }
    return LH_OK;
}

static lh_rc rows_lines(lh_ctx *cx, lh_encoder *e, idx_t from, idx_t count, lh_buf *out)
{
    for (idx_t row = from; row < from + count; row++) {
        LH_TRY(write_object(cx, e, row, out));
        LH_TRY(lh_buf_append_char(cx, out, '\n'));
    }
    return LH_OK;
}

static lh_rc rows_arrays(lh_ctx *cx, lh_encoder *e, idx_t from, idx_t count, lh_buf *out)
{
    for (idx_t row = from; row < from + count; row++) {
        if (e->rows_begun)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        e->rows_begun = 1;
        for (size_t i = 0; i < e->columns_count; i++) {
            LH_TRY(lh_buf_append_char(cx, out, i == 0 ? '[' : ','));
            if (lh_column_is_null(&e->columns[i], row))
                LH_TRY(append_null(cx, out));
            else
                LH_TRY(e->cells[i](cx, e, &e->columns[i], row, out));
        }
        LH_TRY(lh_buf_append_char(cx, out, ']'));
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

const lh_encoder_format lh_encoder_json = {.begin = begin, .rows = rows_objects, .end = end};
const lh_encoder_format lh_encoder_json_arrays = {.begin = begin, .rows = rows_arrays, .end = end};
const lh_encoder_format lh_encoder_ndjson = {.begin = begin, .rows = rows_lines, .end = end};
