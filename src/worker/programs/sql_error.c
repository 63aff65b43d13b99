/* sql_error.c - an engine message about a client's statement becomes code, place and hint.
 *
 * The engine draws the place ("LINE 2: ... \n        ^") under a piece of the line that may be cut
 * on the left; the piece is found again in the client's text, so the column is the client's.
 * Candidate names go into the hint. */
#include "worker/programs/sql_private.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/num.h"

static const char *const hints[] = {
    "Did you mean", "Candidate bindings:", "Candidate functions:", "Candidate tables:"};

/* The marker line starts a new line of the message. */
static size_t find_marker(lh_str message)
{
    size_t at = lh_str_find(message, LH_S("\nLINE "));
    return at == LH_STR_NPOS ? LH_STR_NPOS : at + 1;
}

/* Offset of line number `line` (1-based) in text, and its length. */
static lh_str line_of(lh_str text, uint64_t line, size_t *ret_offset)
{
    size_t offset = 0;
    while (line > 1) {
        size_t end = lh_str_find_char(lh_str_from_offset(text, offset), '\n');
        if (end == LH_STR_NPOS)
            break;
        offset += end + 1;
        line--;
    }
    lh_str rest = lh_str_from_offset(text, offset);
    size_t end = lh_str_find_char(rest, '\n');
    *ret_offset = offset;
    return end == LH_STR_NPOS ? rest : lh_str_sub(rest, 0, end);
}

/* "LINE 1: ...piece of the line...\n            ^" */
static void place_from(lh_ctx *cx, lh_str sql, lh_str marked)
{
    lh_str rest = lh_str_from_offset(marked, strlen("LINE "));
    lh_str number, piece, caret;
    uint64_t line;
    if (!lh_str_split_next(&rest, ':', &number) || !lh_parse_u64(number, &line) ||
        !lh_str_split_next(&rest, '\n', &piece) || !lh_str_split_next(&rest, '\n', &caret))
        return;
    size_t before =
        strlen("LINE ") + number.len + strlen(": "); /* in front of the piece, above the caret */
    size_t up = lh_str_find_char(caret, '^');
    if (up == LH_STR_NPOS || up < before || piece.len == 0)
        return;
    size_t inside = up - before;
    piece = lh_str_from_offset(piece, 1); /* the blank after the colon */
    size_t dots = lh_str_starts(piece, LH_S("...")) ? 3 : 0;
    lh_str shown = lh_str_from_offset(piece, dots);
    if (lh_str_ends(shown, LH_S("...")))
        shown = lh_str_sub(shown, 0, shown.len - 3);
    size_t line_offset;
    lh_str whole = line_of(sql, line, &line_offset);
    size_t found = dots > 0 ? lh_str_find(whole, shown) : 0;
    if (found == LH_STR_NPOS || inside < dots)
        return;
    size_t offset = line_offset + found;
    uint32_t ignored;
    for (size_t i = dots; i < inside && lh_utf8_next(sql, &offset, &ignored);
         i++) /* the caret counts characters */
        continue;
    int at_line, at_column;
    lh_json_place(sql, LH_MIN(offset, sql.len), &at_line, &at_column);
    LH_IGNORE(lh_err_place(cx, at_line, at_column));
}

/* One line: breaks and tabs of the engine's list become commas and blanks. */
static lh_rc flatten(lh_ctx *cx, lh_str text, lh_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\t' || (c == ' ' && out->len > 0 && out->ptr[out->len - 1] == ' '))
            continue;
        if (c == '\n' && out->len > 0 && out->ptr[out->len - 1] != ':')
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(lh_buf_append_char(cx, out, c == '\n' ? ' ' : c));
    }
    return LH_OK;
}

static void hint_from(lh_ctx *cx, lh_str message)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(hints); i++) {
        size_t at = lh_str_find(message, lh_str_from(hints[i]));
        if (at == LH_STR_NPOS)
            continue;
        lh_str rest = lh_str_from_offset(message, at);
        size_t end = lh_str_find(rest, LH_S("\n\n"));
        LH_CLEANUP(lh_buf_done) lh_buf hint = {0};
        lh_buf_init(&hint, 64 * 1024);
        if (flatten(cx, lh_str_trim(end == LH_STR_NPOS ? rest : lh_str_sub(rest, 0, end)), &hint) ==
            LH_OK)
            LH_IGNORE(lh_err_hint(cx, "%.*s", LH_STR_ARG(lh_buf_str(&hint))));
        return;
    }
}

/* Errors that are the world's, not the statement's. */
static lh_rc code_of(lh_str message)
{
    if (lh_str_find(message, LH_S(".parquet")) != LH_STR_NPOS)
        return LH_E_CORRUPT; /* no statement can name a file: one of a dataset is broken or gone */
    if (lh_str_starts(message, LH_S("IO Error")) ||
        lh_str_starts(message, LH_S("Serialization Error")))
        return LH_E_IO;
    if (lh_str_starts(message, LH_S("Permission Error")))
        return LH_E_SQL_DENIED;
    if (lh_str_starts(message, LH_S("INTERNAL Error")) ||
        lh_str_starts(message, LH_S("FATAL Error")))
        return LH_E_WORKER_CRASHED;
    return LH_E_SQL_INVALID;
}

lh_rc lhi_sql_fail(lh_ctx *cx, lh_str sql, const char *engine_message)
{
    lh_str message =
        lh_str_from(engine_message != NULL ? engine_message : "the engine gave no reason");
    size_t marker = find_marker(message);
    lh_str head = marker == LH_STR_NPOS ? message : lh_str_sub(message, 0, marker);
    size_t end = lh_str_find_char(head, '\n'); /* what follows goes into the hint */
    if (end != LH_STR_NPOS)
        head = lh_str_sub(head, 0, end);
    const char *shown = lh_ctx_cstr(cx, lh_str_trim(head));
    lh_rc rc = lh_duck_fail(cx, code_of(message),
                            shown != NULL ? shown : "the engine refuses the statement");
    if (rc != LH_E_SQL_INVALID)
        return rc;
    if (marker != LH_STR_NPOS)
        place_from(cx, sql, lh_str_from_offset(message, marker));
    hint_from(cx, message);
    return rc;
}
