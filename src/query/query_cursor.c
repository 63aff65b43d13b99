/* query/query_cursor.c - the opaque text that continues a statement: hex of
 * {"offset","statement","snapshots"}.
 *
 * It names the commits of the first page, so that later pages see the same rows although somebody
 * commits between. It needs no secrecy: whoever sends it is checked by the policy like anybody
 * else. */
#include "base/hash.h"
#include "query/query.h"

typedef struct cursor {
    uint64_t offset;
    uint64_t statement; /* hash of text and parameters */
    lh_list snapshots;
} cursor;

static const lh_field cursor_fields[] = {
    LH_FIELD("offset", U64, cursor, offset, .flags = LH_FIELD_REQUIRED, .doc = "Rows skipped."),
    LH_FIELD("statement", U64, cursor, statement, .flags = LH_FIELD_REQUIRED,
             .doc = "Hash of text and parameters."),
    LH_FIELD("snapshots", MAP_I64, cursor, snapshots, .doc = "Commits that were read."),
    {0}};
static const lh_record cursor_record = {.name = "QueryCursor",
                                        .size = sizeof(cursor),
                                        .fields = cursor_fields,
                                        .doc = "Inside of a cursor."};

#define CURSOR_BYTES_MAX (64u * 1024u)

static uint64_t statement_hash(const lh_query_request *request)
{
    return lh_hash64(request->params, lh_hash64(request->sql, 1));
}

lh_rc lh_query_cursor_write(lh_ctx *cx, const lh_query_request *request,
                            const lh_query_outcome *outcome, lh_str *ret_cursor)
{
    cursor c = {.offset = request->offset + outcome->rows,
                .statement = statement_hash(request),
                .snapshots = outcome->snapshots};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, CURSOR_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &cursor_record, &c, &json));
    char *hex = lh_ctx_alloc(cx, json.len, 2);
    if (!hex)
        return cx->err.rc;
    lh_hex_text((const uint8_t *)json.ptr, json.len, hex);
    *ret_cursor = lh_str_n(hex, json.len * 2);
    return LH_OK;
}

static lh_rc bad_cursor(lh_ctx *cx, const char *why)
{
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "the cursor %s", why));
    LH_IGNORE(lh_err_field(cx, "cursor"));
    return lh_err_hint(cx,
                       "send next_cursor of the last page unchanged, with the same sql and params");
}

lh_rc lh_query_cursor_apply(lh_ctx *cx, lh_str text, lh_query_request *request)
{
    size_t bytes = text.len / 2;
    if (bytes == 0 || bytes > CURSOR_BYTES_MAX)
        return bad_cursor(cx, "is damaged");
    uint8_t *json = lh_ctx_alloc(cx, bytes, 1);
    if (!json)
        return cx->err.rc;
    cursor c;
    if (!lh_hex_parse(text, json, bytes) ||
        lh_record_parse(cx, &cursor_record, lh_str_n(json, bytes), &c) != LH_OK)
        return bad_cursor(cx, "is damaged");
    if (c.statement != statement_hash(request))
        return bad_cursor(cx, "belongs to another statement");
    request->offset = c.offset;
    request->snapshots = c.snapshots;
    return LH_OK;
}
