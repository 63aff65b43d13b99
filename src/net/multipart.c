/* multipart.c - streaming reader of multipart/form-data.
 *
 * Pieces are copied into a window; a part's bytes are handed out of it up to the next CRLF "--"
 * boundary, or, while none is in sight, up to where one could begin. So a delimiter may be cut
 * anywhere and no byte of it is ever taken for data. The delimiter in front of the first part lacks
 * its CRLF (there is no preamble here): the window starts with one. */
#include "net/multipart_private.h"

#include "base/buf.h"
#include "net/text_private.h"

enum {
    EPILOGUE_BYTES_MAX = 4 * 1024,
    DELIMITER_BYTES_MAX = LHI_BOUNDARY_BYTES_MAX + 4,
    LINES_MAX = 16
};

typedef enum stage { AT_FIRST, IN_PART, PART_OVER, ALL_OVER } stage;

struct lh_multipart {
    lhi_multipart_source source;
    void *arg;
    lh_str piece; /* of the source, not yet in the window */
    char *window;
    size_t from;
    size_t to;
    size_t lent; /* handed to the caller, given back by the next call */
    int source_ended;
    stage stage;
    uint32_t parts_count;
    size_t delimiter_len;
    char delimiter[DELIMITER_BYTES_MAX];
};

static lh_rc bad(lh_ctx *cx, const char *what)
{
    return lh_fail(cx, LH_E_BAD_MULTIPART, "multipart body: %s", what);
}

/* bchars of RFC 2046; a space may not be last. */
static int is_boundary(lh_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL))
            return 0;
    }
    return text.len > 0 && text.len <= LHI_BOUNDARY_BYTES_MAX && text.ptr[text.len - 1] != ' ';
}

lh_rc lhi_multipart_open(lh_ctx *cx, lh_str content_type, lhi_multipart_source source, void *arg,
                         lh_multipart **ret)
{
    lh_str boundary;
    int found;
    if (!lhi_media_type_is(content_type, LH_S("multipart/form-data"))) {
        (void)lh_fail(cx, LH_E_UNSUPPORTED_MEDIA,
                      "content type %.*s; this takes multipart/form-data",
                      LH_STR_ARG(lh_str_sub(content_type, 0, 100)));
        return lh_err_field(cx, "Content-Type");
    }
    LH_TRY(lhi_header_parameter(cx, content_type, LH_S("boundary"), &boundary, &found));
    if (!found || !is_boundary(boundary))
        return bad(cx, "the content type has no boundary, or not a valid one");
    lh_multipart *mp = LH_NEW(cx, lh_multipart);
    char *window = lh_ctx_alloc(cx, LHI_MULTIPART_WINDOW_BYTES, 1);
    if (mp == NULL || window == NULL)
        return LH_E_NO_MEMORY;
    mp->source = source;
    mp->arg = arg;
    mp->window = window;
    memcpy(window, "\r\n", 2);
    mp->to = 2;
    memcpy(mp->delimiter, "\r\n--", 4);
    memcpy(mp->delimiter + 4, boundary.ptr, boundary.len);
    mp->delimiter_len = boundary.len + 4;
    *ret = mp;
    return LH_OK;
}

static lh_rc read_request(lh_ctx *cx, void *arg, lh_str *ret_piece)
{
    return lh_request_read(cx, arg, ret_piece);
}

lh_rc lh_multipart_begin(lh_ctx *cx, lh_request *rq, lh_multipart **ret)
{
    return lhi_multipart_open(cx, lh_request_header(rq, "Content-Type"), read_request, rq, ret);
}

static lh_str in_window(const lh_multipart *mp)
{
    return lh_str_n(mp->window + mp->from, mp->to - mp->from);
}

/* Gives back what was lent and gets more bytes; *ret_more 0 when the source has ended. */
static lh_rc fill(lh_ctx *cx, lh_multipart *mp, int *ret_more)
{
    mp->from += mp->lent;
    mp->lent = 0;
    *ret_more = 0;
    if (mp->piece.len == 0 && !mp->source_ended) {
        LH_TRY(mp->source(cx, mp->arg, &mp->piece));
        mp->source_ended = mp->piece.len == 0;
    }
    if (mp->piece.len == 0)
        return LH_OK;
    if (mp->from > 0) {
        memmove(mp->window, mp->window + mp->from, mp->to - mp->from);
        mp->to -= mp->from;
        mp->from = 0;
    }
    size_t n = LH_MIN(mp->piece.len, LHI_MULTIPART_WINDOW_BYTES - mp->to);
    memcpy(mp->window + mp->to, mp->piece.ptr, n);
    mp->to += n;
    mp->piece = lh_str_from_offset(mp->piece, n);
    *ret_more = n > 0;
    return LH_OK;
}

/* At least `bytes` in the window, or BAD_MULTIPART. */
static lh_rc need(lh_ctx *cx, lh_multipart *mp, size_t bytes)
{
    while (mp->to - mp->from < bytes) {
        int more;
        LH_TRY(fill(cx, mp, &more));
        if (!more)
            return bad(cx, "it ends in the middle of a part");
    }
    return LH_OK;
}

static lh_str delimiter_of(const lh_multipart *mp)
{
    return lh_str_n(mp->delimiter, mp->delimiter_len);
}

/* After the last part: nothing of interest, but it is read so that the connection can go on. */
static lh_rc skip_epilogue(lh_ctx *cx, lh_multipart *mp)
{
    size_t skipped = 0;
    int more;
    do {
        skipped += mp->to - mp->from;
        mp->from = mp->to;
        if (skipped > EPILOGUE_BYTES_MAX)
            return bad(cx, "there is more behind its last part");
        LH_TRY(fill(cx, mp, &more));
    } while (more);
    return LH_OK;
}

/* Behind a delimiter: "--" ends all, else the line must end. */
static lh_rc pass_delimiter(lh_ctx *cx, lh_multipart *mp)
{
    enum { PADDING_MAX = 64 };
    LH_TRY(need(cx, mp, mp->delimiter_len + 2));
    if (!lh_str_starts(in_window(mp), delimiter_of(mp)))
        return bad(cx, "it does not start with its boundary");
    mp->from += mp->delimiter_len;
    if (lh_str_starts(in_window(mp), LH_S("--"))) {
        mp->from += 2;
        mp->stage = ALL_OVER;
        return skip_epilogue(cx, mp);
    }
    for (int padding = 0; padding < PADDING_MAX; padding++) {
        LH_TRY(need(cx, mp, 2));
        char c = mp->window[mp->from];
        if (c != ' ' && c != '\t')
            break;
        mp->from++;
    }
    if (!lh_str_starts(in_window(mp), LH_S("\r\n")))
        return bad(cx, "a boundary that is not alone on its line");
    mp->from += 2;
    mp->stage = IN_PART;
    return LH_OK;
}

static lh_rc read_line(lh_ctx *cx, lh_multipart *mp, size_t *used, lh_str *ret_line)
{
    for (;;) {
        lh_str rest = in_window(mp);
        size_t end = lh_str_find(rest, LH_S("\r\n"));
        if (end != LH_STR_NPOS && *used + end + 2 <= LHI_PART_HEADER_BYTES_MAX) {
            *ret_line = lh_str_sub(rest, 0, end); /* valid until the window moves */
            *used += end + 2;
            return LH_OK;
        }
        if (end != LH_STR_NPOS || *used + rest.len > LHI_PART_HEADER_BYTES_MAX)
            return bad(cx, "the headers of a part are too long");
        LH_TRY(need(cx, mp, rest.len + 1));
    }
}

static lh_rc take_header(lh_ctx *cx, lh_str line, lh_part *part)
{
    size_t colon = lh_str_find_char(line, ':');
    if (colon == LH_STR_NPOS || !lhi_is_token(lh_str_sub(line, 0, colon)))
        return bad(cx, "a part has a line that is no header");
    lh_str name = lh_str_sub(line, 0, colon);
    lh_str value = lh_str_trim(lh_str_from_offset(line, colon + 1));
    if (!lhi_is_header_value(value))
        return bad(cx, "a header of a part has a control character");
    if (lh_str_eq_nocase(name, LH_S("Content-Disposition"))) {
        if (part->name.ptr != NULL)
            return bad(cx, "a part has two names");
        return lhi_part_disposition(cx, value, part);
    }
    if (lh_str_eq_nocase(name, LH_S("Content-Type"))) {
        part->content_type = lh_ctx_dup(cx, value);
        return part->content_type.ptr != NULL ? LH_OK : LH_E_NO_MEMORY;
    }
    if (lh_str_eq_nocase(name, LH_S("Content-Transfer-Encoding")) &&
        !lh_str_eq_nocase(value, LH_S("binary")) && !lh_str_eq_nocase(value, LH_S("8bit")) &&
        !lh_str_eq_nocase(value, LH_S("7bit")))
        return lh_fail(cx, LH_E_UNSUPPORTED_MEDIA, "multipart body: transfer encoding %.*s",
                       LH_STR_ARG(lh_str_sub(value, 0, 40)));
    return LH_OK;
}

static lh_rc read_headers(lh_ctx *cx, lh_multipart *mp, lh_part *ret_part)
{
    size_t used = 0;
    lh_part part = {LH_STR_NONE, LH_STR_NONE, LH_STR_NONE};
    for (int lines = 0;; lines++) {
        lh_str line;
        LH_TRY(read_line(cx, mp, &used, &line));
        size_t len = line.len;
        if (len > 0 && lines == LINES_MAX)
            return bad(cx, "a part has too many headers");
        if (len > 0)
            LH_TRY(take_header(cx, line, &part));
        mp->from += len + 2;
        if (len == 0)
            break;
    }
    if (part.name.ptr == NULL)
        return bad(cx, "a part has no name");
    *ret_part = part;
    return LH_OK;
}

lh_rc lh_multipart_next(lh_ctx *cx, lh_multipart *mp, lh_part *ret_part, int *ret_found)
{
    *ret_found = 0;
    if (mp->stage == ALL_OVER)
        return LH_OK;
    while (mp->stage == IN_PART) {
        lh_str skipped;
        LH_TRY(lh_multipart_read(cx, mp, &skipped));
    }
    LH_TRY(pass_delimiter(cx, mp));
    if (mp->stage == ALL_OVER)
        return LH_OK;
    if (++mp->parts_count > LHI_PARTS_MAX)
        return bad(cx, "it has too many parts");
    LH_TRY(read_headers(cx, mp, ret_part));
    *ret_found = 1;
    return LH_OK;
}

lh_rc lh_multipart_read(lh_ctx *cx, lh_multipart *mp, lh_str *ret_bytes)
{
    mp->from += mp->lent;
    mp->lent = 0;
    *ret_bytes = LH_STR_NONE;
    while (mp->stage == IN_PART) {
        lh_str rest = in_window(mp);
        size_t end = lh_str_find(rest, delimiter_of(mp));
        size_t sure = end != LH_STR_NPOS              ? end
                      : rest.len >= mp->delimiter_len ? rest.len - mp->delimiter_len + 1
                                                      : 0;
        if (end == 0) {
            mp->stage = PART_OVER;
            return LH_OK;
        }
        if (sure > 0) {
            mp->lent = sure;
            *ret_bytes = lh_str_sub(rest, 0, sure);
            return LH_OK;
        }
        LH_TRY(need(cx, mp, rest.len + 1));
    }
    return LH_OK;
}

lh_rc lh_multipart_text(lh_ctx *cx, lh_multipart *mp, size_t bytes_max, lh_str *ret_text)
{
    LH_CLEANUP(lh_buf_done) lh_buf text;
    lh_buf_init(&text, bytes_max);
    for (;;) {
        lh_str bytes;
        LH_TRY(lh_multipart_read(cx, mp, &bytes));
        if (bytes.len == 0)
            break;
        if (bytes.len > bytes_max - text.len)
            return lh_fail(cx, LH_E_TOO_LARGE, "a form field of more than %zu bytes", bytes_max);
        LH_TRY(lh_buf_append(cx, &text, bytes));
    }
    *ret_text = lh_ctx_dup(cx, text.len > 0 ? lh_buf_str(&text) : LH_S(""));
    return ret_text->ptr != NULL ? LH_OK : LH_E_NO_MEMORY;
}
