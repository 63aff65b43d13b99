/* append_log_read.c - names and seals of batches, and reading one back with every check.
 *
 * The chain is XXH3-64 of each line seeded with the chain so far: it can be continued over the
 * lines of several batches, so a merge copies lines and never needs all of them at once. */
#include "base/hash.h"
#include "base/json.h"
#include "base/num.h"
#include "base/record.h"
#include "storage/append_log_private.h"

enum { TIME_DIGITS = 16, SEAL_BYTES_MAX = 128 };

typedef struct seal {
    uint32_t lh_batch; /* format version */
    uint64_t records;
    lh_str chain; /* 16 hex */
} seal;

static const lh_field seal_fields[] = {
    LH_FIELD("lh_batch", U32, seal, lh_batch, .flags = LH_FIELD_REQUIRED, .doc = "Format version."),
    LH_FIELD("records", U64, seal, records, .flags = LH_FIELD_REQUIRED,
             .doc = "Lines before this one."),
    LH_FIELD("chain", STR, seal, chain, .flags = LH_FIELD_REQUIRED, .min = 16, .max = 16,
             .doc = "XXH3-64 over the lines, each seeded with the one before."),
    {0}};
static const lh_record seal_record = {.name = "AppendLogSeal",
                                      .size = sizeof(seal),
                                      .fields = seal_fields,
                                      .doc = "Last line of a batch.",
                                      .flags = LH_RECORD_OPEN};

lh_str lhi_log_key(lh_ctx *cx, const lh_append_log *log, const lh_append_log_batch *batch)
{
    if (batch->newest_us == batch->oldest_us)
        return lh_ctx_fmt(cx, "%.*sbatch_%016lld.jsonl", LH_STR_ARG(log->prefix),
                          (long long)batch->newest_us);
    return lh_ctx_fmt(cx, "%.*sbatch_%016lld_%016lld.jsonl", LH_STR_ARG(log->prefix),
                      (long long)batch->newest_us, (long long)batch->oldest_us);
}

static int parse_time(lh_str text, int64_t *ret_us)
{
    return text.len == TIME_DIGITS && text.ptr[0] != '-' && lh_parse_i64(text, ret_us);
}

int lhi_log_parse_key(const lh_append_log *log, lh_str key, lh_append_log_batch *ret_batch)
{
    if (!lh_str_starts(key, log->prefix))
        return 0;
    lh_str name = lh_str_from_offset(key, log->prefix.len);
    if (!lh_str_starts(name, LH_S("batch_")) || !lh_str_ends(name, LH_S(".jsonl")))
        return 0;
    lh_str times = lh_str_sub(name, 6, name.len - 6 - 6);
    lh_append_log_batch batch = {0};
    if (!parse_time(lh_str_sub(times, 0, TIME_DIGITS), &batch.newest_us))
        return 0;
    batch.oldest_us = batch.newest_us;
    if (times.len != TIME_DIGITS &&
        (times.len != 2 * TIME_DIGITS + 1 || times.ptr[TIME_DIGITS] != '_' ||
         !parse_time(lh_str_from_offset(times, TIME_DIGITS + 1), &batch.oldest_us) ||
         batch.oldest_us >= batch.newest_us))
        return 0;
    *ret_batch = batch;
    return 1;
}

uint64_t lhi_log_chain(lh_str lines, uint64_t chain)
{
    lh_str line;
    while (lines.len > 0 && lh_str_split_next(&lines, '\n', &line))
        chain = lh_hash64(line, chain);
    return chain;
}

lh_rc lhi_log_append_seal(lh_ctx *cx, lh_buf *out, uint64_t records, uint64_t chain)
{
    return lh_buf_printf(cx, out, "{\"lh_batch\":1,\"records\":%llu,\"chain\":\"%016llx\"}\n",
                         (unsigned long long)records, (unsigned long long)chain);
}

static lh_rc fail_corrupt(lh_ctx *cx, const lh_append_log *log, const lh_append_log_batch *batch,
                          const char *what)
{
    return lh_fail(cx, LH_E_CORRUPT, "batch %.*s...%lld: %s", LH_STR_ARG(log->prefix),
                   (long long)batch->newest_us, what);
}

/* The last line of text, without its line break; text must end with one. Offset of its first
 * byte. */
static size_t last_line(lh_str text)
{
    size_t slash = lh_str_rfind_char(lh_str_sub(text, 0, text.len - 1), '\n');
    return slash == LH_STR_NPOS ? 0 : slash + 1;
}

/* 0 when the last line is no seal. */
static int find_seal(lh_ctx *cx, lh_str text, seal *ret_seal, uint64_t *ret_chain,
                     size_t *ret_lines_bytes)
{
    if (text.len == 0 || text.ptr[text.len - 1] != '\n')
        return 0;
    size_t at = last_line(text);
    lh_str line = lh_str_sub(text, at, text.len - 1 - at);
    uint8_t raw[8];
    if (!lh_str_starts(line, LH_S("{\"lh_batch\":")) || line.len > SEAL_BYTES_MAX)
        return 0;
    if (lh_record_parse(cx, &seal_record, line, ret_seal) != LH_OK || ret_seal->lh_batch != 1 ||
        !lh_hex_parse(ret_seal->chain, raw, sizeof(raw))) {
        lh_err_clear(cx);
        return 0;
    }
    *ret_chain = 0;
    for (size_t i = 0; i < sizeof(raw); i++)
        *ret_chain = *ret_chain << 8 | raw[i];
    *ret_lines_bytes = at;
    return 1;
}

static uint64_t count_lines(lh_str lines)
{
    uint64_t count = 0;
    for (const char *at = lines.ptr; lines.len > 0; count++) {
        const char *end = memchr(at, '\n', (size_t)(lines.ptr + lines.len - at));
        if (end == NULL)
            break;
        at = end + 1;
        if (at == lines.ptr + lines.len) {
            count++;
            break;
        }
    }
    return count;
}

/* Without a seal nothing but the syntax can be checked. */
static lh_rc check_unsealed(lh_ctx *cx, const lh_append_log *log, const lh_append_log_batch *batch,
                            lh_str lines)
{
    if ((log->flags & LH_APPEND_LOG_UNSEALED) == 0)
        return fail_corrupt(cx, log, batch, "it has no seal: cut, or of another system");
    if (lines.len > 0 && lines.ptr[lines.len - 1] != '\n')
        return fail_corrupt(cx, log, batch, "its last line has no end");
    lh_str line;
    while (lines.len > 0 && lh_str_split_next(&lines, '\n', &line)) {
        lh_json_reader reader;
        lh_json_token token;
        lh_json_reader_init(&reader, cx, line, 0, 0);
        lh_rc rc = lh_json_next(&reader, &token);
        if (rc == LH_OK)
            rc = lh_json_skip(&reader, &token, NULL);
        if (rc != LH_OK || token.kind != LH_JSON_OBJECT)
            return fail_corrupt(cx, log, batch, "a line is not a JSON object");
    }
    return LH_OK;
}

lh_rc lhi_log_read_content(lh_ctx *cx, lh_append_log *log, const lh_append_log_batch *batch,
                           lhi_log_content *ret_content)
{
    lh_str key = lhi_log_key(cx, log, batch);
    lh_str bytes;
    if (key.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_store_get(cx, log->store, key, 4 * (size_t)LH_APPEND_LOG_BATCH_MAX, &bytes));
    seal found;
    lhi_log_content content = {.lines = bytes};
    size_t lines_bytes = 0;
    uint64_t chain = 0;
    if (!find_seal(cx, bytes, &found, &chain, &lines_bytes)) {
        LH_TRY(check_unsealed(cx, log, batch, bytes));
        content.records = count_lines(bytes);
        content.chain = lhi_log_chain(bytes, 0);
        *ret_content = content;
        return LH_OK;
    }
    content.lines = lh_str_sub(bytes, 0, lines_bytes);
    content.records = count_lines(content.lines);
    content.chain = lhi_log_chain(content.lines, 0);
    if (content.records != found.records)
        return fail_corrupt(cx, log, batch, "it has not the records its seal counts");
    if (content.chain != chain)
        return fail_corrupt(cx, log, batch, "its records are not those that were sealed");
    *ret_content = content;
    return LH_OK;
}

lh_rc lhi_log_read_count(lh_ctx *cx, lh_append_log *log, lh_append_log_batch *batch)
{
    char tail[SEAL_BYTES_MAX + 1];
    size_t bytes = (size_t)LH_MIN(batch->bytes, (uint64_t)sizeof(tail));
    lh_str key = lhi_log_key(cx, log, batch);
    if (key.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_store_get_range(cx, log->store, key, batch->bytes - bytes, tail, bytes));
    seal found;
    uint64_t chain;
    size_t lines_bytes;
    if (find_seal(cx, lh_str_n(tail, bytes), &found, &chain, &lines_bytes)) {
        batch->records = found.records;
        return LH_OK;
    }
    lhi_log_content content;
    LH_TRY(lhi_log_read_content(cx, log, batch, &content));
    batch->records = content.records;
    return LH_OK;
}

lh_rc lh_append_log_read(lh_ctx *cx, lh_append_log *log, const lh_append_log_batch *batch,
                         lh_str **ret_lines, size_t *ret_count)
{
    lhi_log_content content;
    LH_TRY(lhi_log_read_content(cx, log, batch, &content));
    lh_str *lines = LH_NEW_ARRAY(cx, lh_str, (size_t)content.records + 1);
    if (lines == NULL)
        return LH_E_NO_MEMORY;
    lh_str rest = content.lines;
    for (size_t i = 0; i < content.records; i++)
        (void)lh_str_split_next(&rest, '\n', &lines[i]);
    *ret_lines = lines;
    *ret_count = (size_t)content.records;
    return LH_OK;
}
