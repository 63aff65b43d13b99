/* lines.c - reads until a slice of lines is whole, embeds it, writes it, drops it. */
#include "embed/lines.h"

#include "base/buf.h"
#include "base/num.h"

enum { SLICE_LINES = 1024, READ_BYTES = 256 * 1024 };

const char *const lh_embed_format_names[] = {"f32", "ndjson", NULL};

typedef struct slice {
    lh_str lines[SLICE_LINES];
    size_t count;
    size_t bytes; /* of the input buffer that the lines use up */
} slice;

/* Whole lines at the front of bytes; at the end of the input the rest is a line too. */
static void cut_slice(lh_str bytes, bool at_end, slice *ret)
{
    ret->count = 0;
    ret->bytes = 0;
    while (ret->count < SLICE_LINES && ret->bytes < bytes.len) {
        lh_str rest = lh_str_from_offset(bytes, ret->bytes);
        size_t length = lh_str_find_char(rest, '\n');
        if (length == LH_STR_NPOS && !at_end)
            return;
        size_t used = length == LH_STR_NPOS ? rest.len : length + 1;
        lh_str line = lh_str_sub(rest, 0, LH_MIN(length, rest.len));
        if (lh_str_ends(line, LH_S("\r")))
            line.len--;
        ret->lines[ret->count++] = line;
        ret->bytes += used;
    }
}

static lh_rc write_json(lh_ctx *cx, lh_embed_lines_job *job, const float *vectors,
                        size_t dimensions, size_t count, lh_buf *text)
{
    lh_buf_truncate(text, 0);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < dimensions; k++) {
            char number[LH_F64_TEXT_MAX + 1] = {k == 0 ? '[' : ','};
            size_t length = lh_f32_text(vectors[i * dimensions + k], number + 1);
            LH_TRY(lh_buf_append(cx, text, lh_str_n(number, length + 1)));
        }
        LH_TRY(lh_buf_append(cx, text, LH_S("]\n")));
    }
    return lh_file_write(cx, job->out, lh_buf_str(text));
}

static lh_rc embed_slice(lh_ctx *cx, lh_embed_model *model, lh_embed_lines_job *job,
                         const slice *lines, float *vectors, lh_buf *text)
{
    const size_t dimensions = lh_embed_info(model)->hidden;
    lh_embed_batch batch = {
        .texts = lines->lines, .count = lines->count, .flags = job->flags, .out = vectors};
    LH_TRY(lh_embed_texts(cx, model, &batch));
    if (job->format == LH_EMBED_FORMAT_F32)
        LH_TRY(lh_file_write(cx, job->out,
                             lh_str_n(vectors, lines->count * dimensions * sizeof(float))));
    else
        LH_TRY(write_json(cx, job, vectors, dimensions, lines->count, text));
    job->lines += lines->count;
    job->tokens += batch.tokens;
    job->truncated += batch.truncated;
    return job->on_progress == NULL ? LH_OK : job->on_progress(cx, job->arg, job->lines);
}

/* One read; *at_end is set when there is nothing more. */
static lh_rc read_more(lh_ctx *cx, lh_embed_lines_job *job, lh_buf *input, bool *at_end)
{
    size_t got = 0;
    if (lh_buf_reserve(cx, input, READ_BYTES) != LH_OK)
        return cx->err.rc != LH_E_TOO_LARGE
                   ? cx->err.rc
                   : lh_fail(cx, LH_E_TOO_LARGE, "line %llu is longer than %u bytes",
                             (unsigned long long)(job->lines + 1), LH_EMBED_LINE_BYTES_MAX);
    LH_TRY(lh_file_read(cx, job->in, input->ptr + input->len, READ_BYTES, &got));
    input->len += got;
    *at_end = got == 0;
    return LH_OK;
}

lh_rc lh_embed_lines(lh_ctx *cx, lh_embed_model *model, lh_embed_lines_job *job)
{
    LH_CLEANUP(lh_buf_done) lh_buf input;
    LH_CLEANUP(lh_buf_done) lh_buf text;
    const size_t dimensions = lh_embed_info(model)->hidden;
    lh_buf_init(&input, LH_EMBED_LINE_BYTES_MAX + READ_BYTES);
    lh_buf_init(&text, SLICE_LINES * dimensions * LH_F64_TEXT_MAX);
    slice *lines = LH_NEW(cx, slice);
    float *vectors = LH_NEW_ARRAY(cx, float, SLICE_LINES *dimensions);
    if (lines == NULL || vectors == NULL)
        return cx->err.rc;
    job->lines = job->tokens = job->truncated = 0;
    for (bool at_end = false; !at_end || input.len > 0;) {
        if (!at_end)
            LH_TRY(read_more(cx, job, &input, &at_end));
        for (cut_slice(lh_buf_str(&input), at_end, lines);
             lines->count == SLICE_LINES || (at_end && lines->count > 0);
             cut_slice(lh_buf_str(&input), at_end, lines)) {
            LH_TRY(embed_slice(cx, model, job, lines, vectors, &text));
            lh_buf_drop_front(&input, lines->bytes);
        }
    }
    return LH_OK;
}
