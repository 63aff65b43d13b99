/* fuzz_json.c - the JSON reader and tree: never outside the text, places inside it, tree and reader
 * agree, and what is accepted can be written and read again. First byte of the input: bit 0
 * lenient, bit 1 many, bit 2 a low depth. links: base */
#include "base/json.h"
#include "base/json_write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reader's tokens as JSON text again. */
static lh_rc rewrite(lh_ctx *cx, lh_str text, uint32_t flags, lh_json_writer *w)
{
    lh_json_reader reader;
    lh_json_token t;
    lh_json_reader_init(&reader, cx, text, flags, 32);
    for (;;) {
        LH_TRY(lh_json_next(&reader, &t));
        lh_assert(t.offset <= text.len && reader.offset <= text.len && reader.depth <= 32);
        switch (t.kind) {
        case LH_JSON_NULL: lh_jw_null(w); break;
        case LH_JSON_FALSE: lh_jw_bool(w, 0); break;
        case LH_JSON_TRUE: lh_jw_bool(w, 1); break;
        case LH_JSON_NUMBER: lh_jw_raw(w, t.text); break;
        case LH_JSON_STRING:
            lh_assert(lh_utf8_valid(t.text));
            lh_jw_str(w, t.text);
            break;
        case LH_JSON_KEY:
            lh_assert(lh_utf8_valid(t.text));
            lh_jw_key(w, t.text);
            break;
        case LH_JSON_ARRAY: lh_jw_array_begin(w); break;
        case LH_JSON_OBJECT: lh_jw_object_begin(w); break;
        case LH_JSON_ARRAY_END: lh_jw_array_end(w); break;
        case LH_JSON_OBJECT_END: lh_jw_object_end(w); break;
        case LH_JSON_END: return LH_OK;
        }
        if (reader.depth == 0 && (flags & LH_JSON_MANY))
            lh_jw_raw(w, LH_S("\n"));
    }
}

/* Skips the first value; must agree with reading it. */
static lh_rc skip_first(lh_ctx *cx, lh_str text, uint32_t flags)
{
    lh_json_reader reader;
    lh_json_token t;
    lh_str raw;
    lh_json_reader_init(&reader, cx, text, flags, 32);
    LH_TRY(lh_json_next(&reader, &t));
    if (t.kind == LH_JSON_END)
        return LH_OK;
    LH_TRY(lh_json_skip(&reader, &t, &raw));
    lh_assert(raw.ptr >= text.ptr && raw.ptr + raw.len <= text.ptr + text.len && raw.len > 0);
    return LH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint32_t flags = data[0] & 3u;
    lh_str text = lh_str_n(data + 1, size - 1);
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_buf once, twice;
    lh_buf_init(&once, 64u << 20);
    lh_buf_init(&twice, 64u << 20);
    lh_json_writer w;

    lh_jw_init(&w, &cx, &once);
    lh_rc rc = rewrite(&cx, text, flags, &w);
    if (rc == LH_OK) {
        lh_assert(lh_jw_end(&w) == LH_OK);
        lh_assert(skip_first(&cx, text, flags) == LH_OK);
        lh_jw_init(&w, &cx, &twice);
        lh_assert(rewrite(&cx, lh_buf_str(&once), flags & LH_JSON_MANY, &w) ==
                  LH_OK); /* strict now */
        lh_assert(lh_jw_end(&w) == LH_OK);
        lh_assert(lh_str_eq(lh_buf_str(&once), lh_buf_str(&twice)));
    } else {
        lh_assert(rc == LH_E_BAD_JSON && cx.err.line > 0 && cx.err.column > 0);
        LH_IGNORE(skip_first(&cx, text, flags));
    }
    if (flags == 0) {
        const lh_json *root;
        lh_assert((lh_json_parse(&cx, text, 32, &root) == LH_OK) == (rc == LH_OK));
        LH_IGNORE(lh_json_parse(&cx, text, (data[0] >> 2 & 1u) ? 2 : 1024, &root));
    }
    lh_buf_done(&once);
    lh_buf_done(&twice);
    lh_arena_free(arena);
    return 0;
}
