/* fuzz_record.c - a record with a field of every type: what parses is written, parsed again and
 * written again, and both texts are the same; what does not parse says where. First byte odd: the
 * record is a stored file (open). links: base */
#include "base/buf.h"
#include "unit/base/record_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_sample(lh_ctx *cx, lh_buf *buf, const sample *s)
{
    lh_rc rc = lh_record_append(cx, &sample_file_record, s, buf);
    lh_assert(rc == LH_OK ||
              rc ==
                  LH_E_INTERNAL); /* raw JSON may nest deeper than the writer counts, records not */
}

static void set_from_text(lh_ctx *cx, lh_str text)
{
    sample s;
    lh_assert(lh_record_defaults(cx, &sample_record, &s) == LH_OK);
    for (const lh_field *field = sample_fields; field->name != NULL; field++)
        LH_IGNORE(lh_record_set_text(cx, &sample_record, lh_str_from(field->name), text, &s));
    LH_IGNORE(lh_record_check_required(cx, &sample_record, &s));
    lh_buf buf;
    lh_buf_init(&buf, 64u << 20);
    write_sample(cx, &buf, &s);
    lh_buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const lh_record *record = (data[0] & 1) ? &sample_file_record : &sample_record;
    lh_str text = lh_str_n(data + 1, size - 1);
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_buf once, twice;
    lh_buf_init(&once, 64u << 20);
    lh_buf_init(&twice, 64u << 20);
    sample s, back;
    if (lh_record_parse(&cx, record, text, &s) == LH_OK) {
        write_sample(&cx, &once, &s);
        lh_rc rc = lh_record_parse(&cx, &sample_file_record, lh_buf_str(&once), &back);
        lh_assert(rc == LH_OK);
        write_sample(&cx, &twice, &back);
        lh_assert(lh_str_eq(lh_buf_str(&once), lh_buf_str(&twice)));
    } else {
        lh_assert(cx.err.line > 0 && cx.err.column > 0 && cx.err.message[0] != '\0');
    }
    set_from_text(&cx, text);
    lh_buf_done(&once);
    lh_buf_done(&twice);
    lh_arena_free(arena);
    return 0;
}
