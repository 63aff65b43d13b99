/* cli/embed_stream.c - reads what there is, cuts it into slices of texts, embeds, writes. */
#include "cli/embed_stream.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/num.h"
#include "cli/embed_parquet_private.h"

#include <poll.h>

enum { SLICE_LINES = 1024, READ_BYTES = 256 * 1024, SLICE_ARENA_BYTES = 256 * 1024 * 1024 };

const char *const lh_embed_output_names[] = {"f32", "ndjson", "parquet", NULL};

typedef struct stream {
    const lh_embed_stream_options *opts;
    size_t dimensions;
    lh_buf input;
    lh_buf output;
    lh_arena *arena; /* of a slice */
    lh_ctx slice;
    lh_str texts[SLICE_LINES];
    lh_str ids[SLICE_LINES];
    size_t count;
    float *vectors;
    lhi_parquet *parquet;
    lh_embed_stream_sum sum;
    bool at_end;
} stream;

/* ---- lines ---- */

static lh_rc line_fails(lh_ctx *cx, const stream *s)
{
    uint64_t number = s->sum.lines + s->count + 1;
    return lh_err_prefix(cx, "line %llu", (unsigned long long)number);
}

static lh_rc take_object(lh_ctx *cx, stream *s, lh_str line, lh_str *text, lh_str *id)
{
    const lh_json *root;
    if (lh_json_parse(&s->slice, line, 0, &root) != LH_OK) {
        cx->err = s->slice.err;
        return cx->err.rc;
    }
    const lh_json *found = lh_json_get(root, s->opts->field);
    if (root->kind != LH_JSON_OBJECT || found == NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "no field '%.*s'", LH_STR_ARG(s->opts->field));
    if (found->kind != LH_JSON_STRING && found->kind != LH_JSON_NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "field '%.*s' is no text", LH_STR_ARG(s->opts->field));
    *text = found->kind == LH_JSON_STRING ? found->text : LH_S("");
    if (s->opts->id_field.len == 0)
        return LH_OK;
    found = lh_json_get(root, s->opts->id_field);
    if (found == NULL || (found->kind != LH_JSON_STRING && found->kind != LH_JSON_NUMBER))
        return lh_fail(cx, LH_E_BAD_VALUE, "field '%.*s' is no text or number",
                       LH_STR_ARG(s->opts->id_field));
    *id = found->text;
    return LH_OK;
}

static lh_rc take_line(lh_ctx *cx, stream *s, lh_str line)
{
    lh_str text = line;
    lh_str id = LH_STR_NONE;
    if (lh_str_ends(text, LH_S("\r")))
        text.len--;
    if (s->opts->field.len > 0 && take_object(cx, s, line, &text, &id) != LH_OK)
        return line_fails(cx, s);
    if (s->opts->output == LH_OUTPUT_PARQUET && !lh_utf8_valid(text)) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "the text is not UTF-8, as Parquet wants it"));
        return line_fails(cx, s);
    }
    uint64_t number = s->sum.lines + s->count + 1;
    if (id.len == 0)
        id = lh_ctx_fmt(&s->slice, "%llu", (unsigned long long)number);
    s->texts[s->count] = text;
    s->ids[s->count++] = id;
    return LH_OK;
}

/* ---- a slice ---- */

static lh_rc write_json(lh_ctx *cx, stream *s)
{
    lh_buf_truncate(&s->output, 0);
    for (size_t i = 0; i < s->count; i++) {
        for (size_t k = 0; k < s->dimensions; k++) {
            char number[LH_F64_TEXT_MAX + 1] = {k == 0 ? '[' : ','};
            size_t length = lh_f32_text(s->vectors[i * s->dimensions + k], number + 1);
            LH_TRY(lh_buf_append(cx, &s->output, lh_str_n(number, length + 1)));
        }
        LH_TRY(lh_buf_append(cx, &s->output, LH_S("]\n")));
    }
    return lh_file_write(cx, s->opts->out, lh_buf_str(&s->output));
}

static lh_rc write_slice(lh_ctx *cx, stream *s)
{
    switch (s->opts->output) {
    case LH_OUTPUT_F32:
        return lh_file_write(cx, s->opts->out,
                             lh_str_n(s->vectors, s->count * s->dimensions * sizeof(float)));
    case LH_OUTPUT_NDJSON: return write_json(cx, s);
    case LH_OUTPUT_PARQUET:
        for (size_t i = 0; i < s->count; i++) {
            lhi_parquet_row row = {s->ids[i], s->texts[i], s->vectors + i * s->dimensions,
                                   (uint32_t)s->dimensions};
            LH_TRY(lhi_parquet_add(cx, s->parquet, &row));
        }
        return LH_OK;
    }
    return LH_OK;
}

static lh_rc end_slice(lh_ctx *cx, stream *s)
{
    if (s->count == 0)
        return LH_OK;
    lh_embed_batch batch = {.texts = s->texts,
                            .count = s->count,
                            .flags = s->opts->query ? LH_EMBED_QUERY : 0,
                            .out = s->vectors};
    LH_TRY(lh_embed_texts(cx, s->opts->model, &batch));
    LH_TRY(write_slice(cx, s));
    s->sum.lines += s->count;
    s->sum.tokens += batch.tokens;
    s->sum.truncated += batch.truncated;
    s->count = 0;
    lh_arena_reset(s->arena);
    if (s->opts->on_progress)
        s->opts->on_progress(s->opts->arg, s->sum.lines);
    return LH_OK;
}

/* Whole lines of the input; at its end the rest is a line too. */
static lh_rc take_lines(lh_ctx *cx, stream *s)
{
    size_t used = 0;
    while (used < s->input.len) {
        lh_str rest = lh_str_from_offset(lh_buf_str(&s->input), used);
        size_t end = lh_str_find_char(rest, '\n');
        if (end == LH_STR_NPOS && !s->at_end)
            break;
        LH_TRY(take_line(cx, s, lh_str_sub(rest, 0, LH_MIN(end, rest.len))));
        used += end == LH_STR_NPOS ? rest.len : end + 1;
        if (s->count == SLICE_LINES)
            LH_TRY(end_slice(cx, s));
    }
    LH_TRY(end_slice(cx, s)); /* texts borrow from the input */
    lh_buf_drop_front(&s->input, used);
    return LH_OK;
}

/* ---- reading ---- */

static bool more_is_there(const stream *s)
{
    struct pollfd p = {.fd = lh_file_fd(s->opts->in), .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Waits for something, then takes what else is there, up to a good slice. */
static lh_rc read_more(lh_ctx *cx, stream *s)
{
    size_t room = s->input.len + READ_BYTES;
    do {
        size_t got = 0;
        if (lh_buf_reserve(cx, &s->input, READ_BYTES) != LH_OK) {
            LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "longer than %u bytes", LH_EMBED_LINE_BYTES_MAX));
            return line_fails(cx, s);
        }
        LH_TRY(lh_file_read(cx, s->opts->in, s->input.ptr + s->input.len, READ_BYTES, &got));
        s->input.len += got;
        s->at_end = got == 0;
    } while (!s->at_end && s->input.len < room && more_is_there(s));
    return LH_OK;
}

static lh_rc run(lh_ctx *cx, stream *s)
{
    if (s->opts->output == LH_OUTPUT_PARQUET)
        LH_TRY(lhi_parquet_open(cx, s->opts->out_path, &s->parquet));
    while (!s->at_end) {
        LH_TRY(read_more(cx, s));
        LH_TRY(take_lines(cx, s));
    }
    return s->parquet ? lhi_parquet_finish(cx, s->parquet) : LH_OK;
}

lh_rc lh_embed_stream(lh_ctx *cx, const lh_embed_stream_options *opts, lh_embed_stream_sum *ret_sum)
{
    stream *s = LH_NEW(cx, stream);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(SLICE_ARENA_BYTES);
    if (s == NULL || arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to embed a stream");
    *s = (stream){.opts = opts, .dimensions = lh_embed_info(opts->model)->hidden, .arena = arena};
    lh_ctx_init_child(&s->slice, arena, cx);
    lh_buf_init(&s->input, LH_EMBED_LINE_BYTES_MAX + 2 * READ_BYTES);
    lh_buf_init(&s->output, SLICE_LINES * s->dimensions * LH_F64_TEXT_MAX);
    s->vectors = LH_NEW_ARRAY(cx, float, SLICE_LINES * s->dimensions);
    lh_rc rc = s->vectors ? run(cx, s) : cx->err.rc;
    lhi_parquet_close(s->parquet);
    lh_buf_done(&s->input);
    lh_buf_done(&s->output);
    LH_TRY(rc);
    *ret_sum = s->sum;
    return LH_OK;
}
