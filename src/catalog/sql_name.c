/* sql_name.c - names and texts as SQL writes them.
 *
 * The only place that quotes: whatever text a caller brings comes out as one identifier or one
 * literal. */
#include "base/buf.h"
#include "catalog/catalog_private.h"

#define SQL_BYTES_MAX ((size_t)256 * 1024 * 1024)

static lh_rc quote(lh_ctx *cx, lh_str text, char mark, lh_buf *out)
{
    LH_TRY(lh_buf_append_char(cx, out, mark));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0' && mark == '\'') {
            LH_TRY(lh_buf_append(cx, out, LH_S("' || chr(0) || '")));
            continue;
        }
        if (text.ptr[i] == mark)
            LH_TRY(lh_buf_append_char(cx, out, mark));
        LH_TRY(lh_buf_append_char(cx, out, text.ptr[i] == '\0' ? ' ' : text.ptr[i]));
    }
    return lh_buf_append_char(cx, out, mark);
}

static lh_str quoted(lh_ctx *cx, lh_str text, char mark)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, SQL_BYTES_MAX);
    if (quote(cx, text, mark, &out) != LH_OK)
        return LH_STR_NONE;
    return lh_ctx_dup(cx, lh_buf_str(&out));
}

lh_str lh_sql_ident(lh_ctx *cx, lh_str name)
{
    return quoted(cx, name, '"');
}

lh_str lh_sql_literal(lh_ctx *cx, lh_str text)
{
    return quoted(cx, text, '\'');
}
