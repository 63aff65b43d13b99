/* encode.c - picks the format and holds what the text formats share. */
#include "worker/programs/encode.h"

static const lh_encoder_format *const formats[] = {
    [LH_SQL_JSON] = &lh_encoder_json,     [LH_SQL_JSON_ARRAYS] = &lh_encoder_json_arrays,
    [LH_SQL_NDJSON] = &lh_encoder_ndjson, [LH_SQL_CSV] = &lh_encoder_csv,
    [LH_SQL_ARROW] = &lh_encoder_arrow,
};

lh_rc lh_encoder_init(lh_ctx *cx, lh_encoder *encoder, lh_sql_format format,
                      const lh_column *columns, size_t count, uint32_t flags)
{
    lh_assert((size_t)format < LH_ARRAY_LEN(formats));
    *encoder = (lh_encoder){
        .format = formats[format], .columns = columns, .columns_count = count, .flags = flags};
    lh_buf_init(&encoder->scratch, LH_ENCODE_VALUE_BYTES_MAX);
    encoder->cells = LH_NEW_ARRAY(cx, lh_cell_writer, count + 1);
    encoder->before = LH_NEW_ARRAY(cx, lh_str, count + 1);
    return encoder->cells == NULL || encoder->before == NULL ? cx->err.rc : LH_OK;
}

void lh_encoder_done(lh_encoder *encoder)
{
    if (encoder->format != NULL && encoder->format->done != NULL)
        encoder->format->done(encoder);
    lh_buf_done(&encoder->scratch);
    encoder->format = NULL;
}

lh_rc lh_encoder_begin(lh_ctx *cx, lh_encoder *encoder, lh_buf *out)
{
    return encoder->format->begin(cx, encoder, out);
}

lh_rc lh_encoder_rows(lh_ctx *cx, lh_encoder *encoder, idx_t from, idx_t count, lh_buf *out)
{
    return encoder->format->rows(cx, encoder, from, count, out);
}

lh_rc lh_encoder_end(lh_ctx *cx, lh_encoder *encoder, lh_buf *out)
{
    return encoder->format->end(cx, encoder, out);
}

lh_rc lh_encode_base64(lh_ctx *cx, lh_str bytes, lh_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    LH_TRY(lh_buf_reserve(cx, out, bytes.len / 3 * 4 + 4));
    char *p = out->ptr + out->len;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t word = (uint32_t)(uint8_t)bytes.ptr[i] << 16;
        if (left > 1)
            word |= (uint32_t)(uint8_t)bytes.ptr[i + 1] << 8;
        if (left > 2)
            word |= (uint8_t)bytes.ptr[i + 2];
        *p++ = digits[word >> 18];
        *p++ = digits[word >> 12 & 63];
        *p++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *p++ = left > 2 ? digits[word & 63] : '=';
    }
    out->len = (size_t)(p - out->ptr);
    return LH_OK;
}

/* The first byte says how many bits of the second are padding. */
lh_rc lh_encode_bits(lh_ctx *cx, lh_str bytes, lh_buf *out)
{
    if (bytes.len < 2)
        return LH_OK;
    size_t padding = (uint8_t)bytes.ptr[0];
    size_t bits = (bytes.len - 1) * 8;
    LH_TRY(lh_buf_reserve(cx, out, bits));
    for (size_t i = LH_MIN(padding, bits); i < bits; i++)
        out->ptr[out->len++] = (char)('0' + ((uint8_t)bytes.ptr[1 + i / 8] >> (7 - i % 8) & 1));
    return LH_OK;
}

lh_str lh_encode_label(const lh_column *column, idx_t row)
{
    size_t index;
    switch (column->storage) {
    case DUCKDB_TYPE_UTINYINT: index = ((const uint8_t *)column->data)[row]; break;
    case DUCKDB_TYPE_USMALLINT: index = ((const uint16_t *)column->data)[row]; break;
    default: index = ((const uint32_t *)column->data)[row]; break;
    }
    return index < column->labels_count ? column->labels[index] : LH_STR_NONE;
}
