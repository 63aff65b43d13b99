/* cli/demo_csv.c - writes CSV rows into a buffer that is flushed in large pieces. */
#include "base/clock.h"
#include "base/num.h"
#include "cli/demo_private.h"

#define FLUSH_BYTES (1u << 20)

lh_rc lhi_csv_open(lh_ctx *cx, lhi_csv *csv, lh_str path, lh_str header)
{
    *csv = (lhi_csv){.cx = cx};
    lh_buf_init(&csv->buf, FLUSH_BYTES + 2 * LHI_ROW_BYTES_MAX);
    LH_TRY(lh_file_remove(cx, path));
    LH_TRY(lh_file_open(cx, path, LH_FILE_CREATE, &csv->file));
    return lh_buf_append(cx, &csv->buf, header);
}

static lh_rc flush(lhi_csv *csv)
{
    LH_TRY(lh_ctx_check(csv->cx));
    LH_TRY(lh_file_write(csv->cx, csv->file, lh_buf_str(&csv->buf)));
    lh_buf_truncate(&csv->buf, 0);
    return LH_OK;
}

lh_rc lhi_csv_row(lhi_csv *csv)
{
    LH_TRY(lh_buf_append_char(csv->cx, &csv->buf, '\n'));
    csv->in_row = 0;
    if (csv->buf.len >= FLUSH_BYTES)
        LH_TRY(flush(csv));
    return lh_buf_reserve(csv->cx, &csv->buf, LHI_ROW_BYTES_MAX);
}

lh_rc lhi_csv_close(lhi_csv *csv)
{
    lh_rc rc = LH_OK;
    if (csv->file) {
        rc = lh_buf_append_char(csv->cx, &csv->buf, '\n');
        if (rc == LH_OK)
            rc = flush(csv);
    }
    csv->file = lh_file_close(csv->file);
    lh_buf_done(&csv->buf);
    return rc;
}

static char *field(lhi_csv *csv)
{
    if (csv->in_row)
        csv->buf.ptr[csv->buf.len++] = ',';
    csv->in_row = 1;
    return csv->buf.ptr + csv->buf.len;
}

void lhi_csv_text(lhi_csv *csv, lh_str text)
{
    char *out = field(csv);
    int quote = 0;
    for (size_t i = 0; i < text.len; i++)
        quote |= text.ptr[i] == ',' || text.ptr[i] == '"' || text.ptr[i] == '\n';
    if (!quote) {
        memcpy(out, text.ptr ? text.ptr : "", text.len);
        csv->buf.len += text.len;
        return;
    }
    size_t n = 0;
    out[n++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            out[n++] = '"';
        out[n++] = text.ptr[i];
    }
    out[n++] = '"';
    csv->buf.len += n;
}

void lhi_csv_number(lhi_csv *csv, uint64_t value)
{
    char *out = field(csv);
    csv->buf.len += lh_u64_text(value, out);
}

void lhi_csv_id(lhi_csv *csv, const char *prefix, uint64_t value, unsigned digits)
{
    char *out = field(csv);
    char number[20];
    size_t prefix_len = strlen(prefix);
    size_t len = lh_u64_text(value, number);
    memcpy(out, prefix, prefix_len);
    size_t zeros = digits > len ? digits - len : 0;
    memset(out + prefix_len, '0', zeros);
    memcpy(out + prefix_len + zeros, number, len);
    csv->buf.len += prefix_len + zeros + len;
}

static void put_two(char *out, unsigned value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
}

void lhi_csv_cents(lhi_csv *csv, uint64_t cents)
{
    lhi_csv_number(csv, cents / 100);
    char *out = csv->buf.ptr + csv->buf.len;
    out[0] = '.';
    put_two(out + 1, (unsigned)(cents % 100));
    csv->buf.len += 3;
}

static size_t put_date(char *out, int64_t day)
{
    int year;
    int month;
    int dom;
    lh_civil_from_days(day, &year, &month, &dom);
    put_two(out, (unsigned)year / 100);
    put_two(out + 2, (unsigned)year % 100);
    out[4] = '-';
    put_two(out + 5, (unsigned)month);
    out[7] = '-';
    put_two(out + 8, (unsigned)dom);
    return 10;
}

void lhi_csv_date(lhi_csv *csv, int64_t day)
{
    char *out = field(csv);
    csv->buf.len += put_date(out, day);
}

void lhi_csv_time(lhi_csv *csv, int64_t seconds)
{
    char *out = field(csv);
    unsigned of_day = (unsigned)(seconds % 86400);
    size_t n = put_date(out, seconds / 86400);
    out[n] = ' ';
    put_two(out + n + 1, of_day / 3600);
    out[n + 3] = ':';
    put_two(out + n + 4, of_day / 60 % 60);
    out[n + 6] = ':';
    put_two(out + n + 7, of_day % 60);
    csv->buf.len += n + 9;
}

void lhi_csv_empty(lhi_csv *csv)
{
    (void)field(csv);
}
