/* search/words_texts.c - the texts of a document as they were indexed, kept beside its id: hits
 * show them without asking the dataset.
 *
 * body: per text column of the index u32 bytes and the bytes. */
#include "search/words_private.h"

#include "base/buf.h"

lh_str lhi_words_body(lh_ctx *cx, const lh_str_list *texts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < texts->count; i++)
        bytes += sizeof(uint32_t) + texts->items[i].len;
    char *out = LH_NEW_ARRAY(cx, char, bytes + 1);
    if (!out)
        return LH_STR_NONE;
    size_t at = 0;
    for (size_t i = 0; i < texts->count; i++) {
        lh_str text = texts->items[i];
        uint32_t len = (uint32_t)text.len;
        memcpy(out + at, &len, sizeof len);
        at += sizeof len;
        if (len > 0)
            memcpy(out + at, text.ptr, len);
        at += len;
    }
    return lh_str_n(out, bytes);
}

lh_rc lhi_words_texts(lh_ctx *cx, lh_str body, const size_t *columns, size_t count, lh_str *texts)
{
    size_t column = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) { /* numbers rise */
        uint32_t len = 0;
        for (;; column++, at += len) {
            if (body.len - at < sizeof len)
                return lh_fail(cx, LH_E_CORRUPT, "texts of a document of the index");
            memcpy(&len, body.ptr + at, sizeof len);
            at += sizeof len;
            if (len > body.len - at)
                return lh_fail(cx, LH_E_CORRUPT, "texts of a document of the index");
            if (column == columns[i])
                break;
        }
        texts[i] = lh_str_sub(body, at, len);
        at += len;
        column++;
    }
    return LH_OK;
}
