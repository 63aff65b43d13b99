/* fuzz_csv.c - CSV of any bytes: sniffing and splitting never crash, never lose a byte, and agree
 * with a splitter that reads the rules one byte at a time. links: programs worker os base */
#include "worker/programs/ingest_csv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reference: positions only. A field is [begin, end) as written, with or without its quotes. */
typedef struct plain_field {
    size_t begin;
    size_t end;
    size_t next; /* behind its separator */
    bool last;   /* of its record */
} plain_field;

static plain_field unquoted(const lh_csv_dialect *d, const char *p, size_t n, size_t begin,
                            size_t at)
{
    while (at < n && p[at] != d->delimiter && p[at] != d->newline)
        at++;
    plain_field f = {begin, at, at < n ? at + 1 : at, at == n || p[at] == d->newline};
    if (f.last && d->newline == '\n' && f.end > begin && p[f.end - 1] == '\r')
        f.end--;
    return f;
}

static plain_field field_at(const lh_csv_dialect *d, const char *p, size_t n, size_t begin)
{
    if (d->quote == 0 || begin == n || p[begin] != d->quote)
        return unquoted(d, p, n, begin, begin);
    bool lines = false;
    for (size_t at = begin + 1; at < n; at++) {
        lines |= p[at] == d->newline;
        if (p[at] != d->quote)
            continue;
        if (at + 1 < n && p[at + 1] == d->quote) {
            at++;
            continue;
        }
        size_t after = at + 1;
        if (after < n && p[after] == '\r' && d->newline == '\n' &&
            (after + 1 == n || p[after + 1] == '\n'))
            after++;
        if (after == n)
            return (plain_field){begin + 1, at, n, true};
        if (p[after] == d->delimiter && after == at + 1)
            return (plain_field){begin + 1, at, after + 1, false};
        if (p[after] == d->newline)
            return (plain_field){begin + 1, at, after + 1, true};
        return unquoted(d, p, n, begin, lines ? begin : at + 1);
    }
    return unquoted(d, p, n, begin, begin);
}

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static void compare(const lh_csv_dialect *d, const char *p, size_t n)
{
    LH_CLEANUP(lh_csv_record_done) lh_csv_record record = {0};
    size_t at = 0;
    while (at < n) {
        expect(lh_csv_split(d, lh_str_n(p + at, n - at), LH_CSV_LAST_TEXT, &record) ==
               LH_CSV_RECORD);
        size_t field_begin = at;
        for (uint32_t i = 0; i < record.count; i++) {
            plain_field f = field_at(d, p, n, field_begin);
            expect(record.fields[i].ptr == p + f.begin && record.fields[i].len == f.end - f.begin);
            expect(f.last == (i + 1 == record.count));
            field_begin = f.next;
        }
        expect(field_begin == at + record.bytes);
        at += record.bytes;
    }
    expect(lh_csv_split(d, lh_str_n(p + n, 0), LH_CSV_LAST_TEXT, &record) == LH_CSV_END);
}

/* Cut anywhere, the splitter asks for more or gives the same record. */
static void compare_cut(const lh_csv_dialect *d, const char *p, size_t n, size_t cut)
{
    LH_CLEANUP(lh_csv_record_done) lh_csv_record whole = {0};
    LH_CLEANUP(lh_csv_record_done) lh_csv_record part = {0};
    if (cut > n || lh_csv_split(d, lh_str_n(p, n), LH_CSV_LAST_TEXT, &whole) != LH_CSV_RECORD)
        return;
    lh_csv_status status = lh_csv_split(d, lh_str_n(p, cut), LH_CSV_MORE_FOLLOWS, &part);
    if (status == LH_CSV_MORE)
        return;
    expect(status == LH_CSV_RECORD && part.bytes == whole.bytes && part.count == whole.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = {',', ';', '\t', '|', 'a'};
    if (size < 2 || size > 64 * 1024)
        return 0;
    char *padded = calloc(1, size + LH_CSV_SLACK);
    if (padded == NULL)
        abort();
    memcpy(padded, data + 1, size - 1);
    size_t n = size - 1;
    lh_csv_dialect dialect;
    lh_csv_guess_dialect(lh_str_n(padded, n), LH_CSV_LAST_TEXT, 0, 0, &dialect);
    compare(&dialect, padded, n);
    dialect = (lh_csv_dialect){.delimiter = delimiters[data[0] % sizeof(delimiters)],
                               .quote = data[0] & 0x40 ? 0 : '"',
                               .newline = data[0] & 0x80 ? '\r' : '\n'};
    compare(&dialect, padded, n);
    compare_cut(&dialect, padded, n, data[0] * n / 256);
    LH_IGNORE(lh_csv_score(lh_str_n(padded, n), LH_CSV_MORE_FOLLOWS));
    free(padded);
    return 0;
}
