/* fuzz_multipart.c - one body cut in two ways must give the same parts or the same refusal.
 * links: net
 *
 * Input: byte 0 = size of the pieces of the second reading, then the content type up to a line
 * feed, then the body. */
#include "base/buf.h"
#include "base/mem.h"
#include "net/multipart_private.h"

#include <stdlib.h>

typedef struct pieces {
    lh_str rest;
    size_t step;
    char *copy;
} pieces;

static lh_rc next_piece(lh_ctx *cx, void *arg, lh_str *ret_piece)
{
    (void)cx;
    pieces *p = arg;
    size_t len = LH_MIN(p->rest.len, p->step);
    free(p->copy);
    p->copy = malloc(len > 0 ? len : 1);
    if (len > 0)
        memcpy(p->copy, p->rest.ptr, len);
    *ret_piece = lh_str_n(p->copy, len);
    p->rest = lh_str_from_offset(p->rest, len);
    return LH_OK;
}

/* Everything that can be seen of the body, as one text. */
static lh_rc read_all(lh_ctx *cx, lh_str type, pieces *source, lh_buf *out)
{
    lh_multipart *mp;
    lh_part part;
    int found;
    LH_TRY(lhi_multipart_open(cx, type, next_piece, source, &mp));
    for (;;) {
        lh_str bytes;
        LH_TRY(lh_multipart_next(cx, mp, &part, &found));
        if (!found)
            return LH_OK;
        lh_assert(lh_utf8_valid(part.name) && lh_utf8_valid(part.filename));
        LH_TRY(lh_buf_printf(cx, out, "%zu %zu %zu\n", part.name.len, part.filename.len,
                             part.content_type.len));
        LH_TRY(lh_buf_append(cx, out, part.name));
        LH_TRY(lh_buf_append(cx, out, part.filename));
        LH_TRY(lh_buf_append(cx, out, part.content_type));
        if (part.name.len % 3 == 2)
            continue; /* skipped, not read */
        do {
            LH_TRY(lh_multipart_read(cx, mp, &bytes));
            LH_TRY(lh_buf_append(cx, out, bytes));
        } while (bytes.len > 0);
    }
}

static lh_rc read_once(lh_str type, lh_str body, size_t step, lh_buf *out)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    pieces source = {body, step, NULL};
    lh_buf_init(out, 16 * 1024 * 1024);
    lh_rc rc = read_all(&cx, type, &source, out);
    free(source.copy);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 64 * 1024)
        return 0;
    lh_str rest = lh_str_n(data + 1, size - 1);
    size_t line = lh_str_find_char(rest, '\n');
    if (line == LH_STR_NPOS)
        return 0;
    lh_str type = lh_str_sub(rest, 0, line);
    lh_str body = lh_str_from_offset(rest, line + 1);
    LH_CLEANUP(lh_buf_done) lh_buf whole;
    LH_CLEANUP(lh_buf_done) lh_buf cut;
    lh_rc whole_rc = read_once(type, body, 1024 * 1024, &whole);
    lh_rc cut_rc = read_once(type, body, (size_t)data[0] + 1, &cut);
    lh_assert(whole_rc == cut_rc);
    if (whole_rc == LH_OK)
        lh_assert(lh_str_eq(lh_buf_str(&whole), lh_buf_str(&cut)));
    return 0;
}
