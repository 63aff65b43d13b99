/* ingest_source.c - opens what was uploaded and lets readers slide over it with pread: mapping it
 * would count against the worker's address space, and a file cut by somebody else would end the
 * process. */
#include "worker/programs/ingest_source.h"

#include "os/process.h"
#include "worker/programs/ingest_unpack.h"

enum { HEAD_BYTES = 4096, TRANSCODE_BYTES = 256 * 1024 };

struct lh_source {
    lh_file *file;
    uint64_t begin;
    uint64_t end;
    lh_encoding encoding;
    uint64_t replaced;
    bool packed;
};

lh_source *lh_source_close(lh_source *source)
{
    if (source == NULL)
        return NULL;
    lh_file_close(source->file);
    return lh_free(source);
}

/* Replaces the content by an unlinked file in the spill folder; the old file is closed. */
static lh_rc adopt(lh_ctx *cx, lh_source *source, lh_file *file)
{
    uint64_t bytes;
    lh_rc rc = lh_file_size(cx, file, &bytes);
    if (rc != LH_OK) {
        lh_file_close(file);
        return rc;
    }
    lh_file_close(source->file);
    source->file = file;
    source->begin = 0;
    source->end = bytes;
    return LH_OK;
}

static lh_rc read_head(lh_ctx *cx, const lh_source *source, char *out, lh_str *ret_head)
{
    size_t count = (size_t)LH_MIN((uint64_t)HEAD_BYTES, source->end - source->begin);
    if (count > 0)
        LH_TRY(lh_file_read_at(cx, source->file, source->begin, out, count));
    *ret_head = (lh_str){out, count};
    return LH_OK;
}

lh_rc lh_source_open(lh_ctx *cx, int fd, const lh_source_options *opts, lh_source **ret_source)
{
    LH_CLEANUP(lh_source_close) lh_source *source = lh_alloc_zero(1, sizeof(*source));
    if (source == NULL) {
        lh_fd_close(fd);
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a source");
    }
    LH_TRY(lh_file_open_fd(cx, fd, &source->file));
    LH_TRY(lh_file_size(cx, source->file, &source->end));

    char bytes[HEAD_BYTES];
    lh_str head;
    LH_TRY(read_head(cx, source, bytes, &head));
    lh_packing packing = lh_packing_detect(head);
    if (packing != LH_PACKING_NONE) {
        lh_file *plain;
        LH_TRY(lh_unpack(cx, source->file, packing, opts, &plain));
        LH_TRY(adopt(cx, source, plain));
        source->packed = true;
        LH_TRY(read_head(cx, source, bytes, &head));
        if (lh_packing_detect(head) != LH_PACKING_NONE)
            return lh_fail(cx, LH_E_UNPROCESSABLE, "the file is compressed twice");
    }
    *ret_source = LH_TAKE(source);
    return LH_OK;
}

/* Streams UTF-16 through a buffer: an odd last byte becomes one U+FFFD, a pair split by the buffer
 * waits. */
static lh_rc transcode(lh_ctx *cx, lh_source *source, lh_utf16_step *step,
                       const lh_source_options *opts, lh_file *out)
{
    LH_CLEANUP(lh_buf_done) lh_buf in;
    LH_CLEANUP(lh_buf_done) lh_buf text;
    lh_buf_init(&in, TRANSCODE_BYTES);
    lh_buf_init(&text, TRANSCODE_BYTES / 2 * 3 + 16);
    LH_TRY(lh_buf_reserve(cx, &in, TRANSCODE_BYTES));
    LH_TRY(lh_buf_reserve(cx, &text, TRANSCODE_BYTES / 2 * 3 + 16));
    for (uint64_t at = source->begin; at < source->end;) {
        size_t count = (size_t)LH_MIN((uint64_t)TRANSCODE_BYTES, source->end - at);
        LH_TRY(lh_file_read_at(cx, source->file, at, in.ptr, count));
        step->final = at + count == source->end;
        size_t used;
        size_t len =
            lh_utf16_to_utf8(step, (const unsigned char *)in.ptr, count / 2, text.ptr, &used);
        at += 2 * used;
        if (step->final && count % 2 == 1) {
            len += lh_utf8_encode(0xFFFD, text.ptr + len);
            step->replaced++;
            at = source->end;
        }
        LH_TRY(lh_file_write(cx, out, lh_str_n(text.ptr, len)));
        if (opts->progress != NULL)
            LH_TRY(opts->progress(cx, opts->progress_arg, at, source->end));
    }
    return LH_OK;
}

lh_rc lh_source_decode(lh_ctx *cx, lh_source *source, lh_str encoding_name,
                       const lh_source_options *opts)
{
    char bytes[HEAD_BYTES];
    lh_str head;
    size_t mark;
    LH_TRY(read_head(cx, source, bytes, &head));
    lh_encoding encoding = lh_encoding_detect(head, &mark);
    lh_encoding marked = encoding;
    if (encoding_name.len > 0)
        LH_TRY(lh_encoding_parse(cx, encoding_name, head, &encoding));
    if (encoding == marked)
        source->begin += mark;
    source->encoding = encoding;
    if (encoding == LH_ENCODING_UTF8 || encoding == LH_ENCODING_LATIN1)
        return LH_OK;

    lh_utf16_step step = {.encoding = encoding};
    lh_file *plain;
    LH_TRY(lh_spill_file_new(cx, opts->spill_dir, &plain));
    lh_rc rc = transcode(cx, source, &step, opts, plain);
    if (rc != LH_OK) {
        lh_file_close(plain);
        return rc;
    }
    LH_TRY(adopt(cx, source, plain));
    source->encoding = LH_ENCODING_UTF8;
    source->replaced = step.replaced;
    return LH_OK;
}

const lh_file *lh_source_file(const lh_source *source)
{
    return source->file;
}
uint64_t lh_source_begin(const lh_source *source)
{
    return source->begin;
}
uint64_t lh_source_end(const lh_source *source)
{
    return source->end;
}
lh_encoding lh_source_encoding(const lh_source *source)
{
    return source->encoding;
}
uint64_t lh_source_replaced(const lh_source *source)
{
    return source->replaced;
}
bool lh_source_was_packed(const lh_source *source)
{
    return source->packed;
}

lh_rc lh_window_open(lh_ctx *cx, const lh_source *source, uint64_t from, uint64_t stop,
                     lh_window *ret_window)
{
    lh_assert(from <= stop && stop <= source->end);
    size_t capacity = (size_t)LH_MIN((uint64_t)LH_WINDOW_BYTES, stop - from) + 1;
    char *bytes = lh_alloc(capacity + LH_WINDOW_SLACK);
    if (bytes == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a window of %zu bytes", capacity);
    memset(bytes + capacity, 0, LH_WINDOW_SLACK);
    *ret_window = (lh_window){
        .source = source, .bytes = bytes, .capacity = capacity, .offset = from, .stop = stop};
    return LH_OK;
}

void lh_window_close(lh_window *window)
{
    window->bytes = lh_free(window->bytes);
}

static lh_rc resize(lh_ctx *cx, lh_window *window, size_t capacity)
{
    char *bytes = lh_realloc(window->bytes, capacity + LH_WINDOW_SLACK);
    if (bytes == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a window of %zu bytes", capacity);
    memset(bytes + capacity, 0, LH_WINDOW_SLACK);
    window->bytes = bytes;
    window->capacity = capacity;
    return LH_OK;
}

lh_rc lh_window_reserve(lh_ctx *cx, lh_window *window, size_t bytes)
{
    uint64_t left = window->stop - window->offset + (window->end - window->begin);
    bytes = (size_t)LH_MIN((uint64_t)LH_MIN(bytes, (size_t)LH_WINDOW_BYTES_MAX), left);
    return bytes > window->capacity ? resize(cx, window, bytes) : LH_OK;
}

lh_rc lh_window_fill(lh_ctx *cx, lh_window *window)
{
    size_t left = window->end - window->begin;
    memmove(window->bytes, window->bytes + window->begin, left);
    window->begin = 0;
    window->end = left;
    size_t count =
        (size_t)LH_MIN((uint64_t)(window->capacity - left), window->stop - window->offset);
    if (count == 0)
        return LH_OK;
    LH_TRY(lh_file_read_at(cx, window->source->file, window->offset, window->bytes + left, count));
    window->offset += count;
    window->end += count;
    return LH_OK;
}

lh_rc lh_window_grow(lh_ctx *cx, lh_window *window, const char *what)
{
    size_t left = window->end - window->begin;
    if (left > window->capacity / 2) {
        if (window->capacity >= LH_WINDOW_BYTES_MAX) {
            LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "%s at byte %llu is longer than %u bytes",
                              what, (unsigned long long)lh_window_position(window),
                              LH_WINDOW_BYTES_MAX));
            return lh_err_hint(cx, "is it really a text file of that format?");
        }
        size_t capacity = LH_MIN(window->capacity * 2, (size_t)LH_WINDOW_BYTES_MAX);
        LH_TRY(resize(cx, window, capacity));
    }
    return lh_window_fill(cx, window);
}

lh_rc lh_source_place(lh_ctx *cx, const lh_source *source, uint64_t offset, int *ret_line,
                      int *ret_column)
{
    LH_CLEANUP(lh_window_close) lh_window window = {0};
    LH_TRY(lh_window_open(cx, source, source->begin, LH_MIN(offset, source->end), &window));
    int line = 1;
    int column = 1;
    do {
        LH_TRY(lh_window_fill(cx, &window));
        for (; window.begin < window.end; window.begin++) {
            unsigned char c = (unsigned char)window.bytes[window.begin];
            if (c == '\n') {
                line++;
                column = 1;
            } else if ((c & 0xC0) != 0x80) {
                column++;
            }
        }
    } while (!lh_window_final(&window));
    *ret_line = line;
    *ret_column = column;
    return LH_OK;
}
