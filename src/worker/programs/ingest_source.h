/* worker/programs/ingest_source.h - the uploaded file as plain bytes one can read anywhere.
 *
 * Owns:    the source owns its descriptor and, for a packed or UTF-16 file, an unlinked copy in the
 *          spill folder.
 * Threads: after open, windows on one source may be read by many threads, each window by one.
 * Limits:  the unpacked size (LH_E_TOO_LARGE); a window grows to LH_WINDOW_BYTES_MAX for one
 *          record.
 * Formats: gzip (several members), zstd (several frames), by magic bytes.
 * Why:     parallel parts and second passes need random access, which no compressed stream
 *          gives. */
#ifndef LH_WORKER_PROGRAMS_INGEST_SOURCE_H
#define LH_WORKER_PROGRAMS_INGEST_SOURCE_H

#include "os/file.h"
#include "worker/programs/ingest_encoding.h"

#include <stdbool.h>

#define LH_WINDOW_BYTES     (2u * 1024 * 1024)
#define LH_WINDOW_BYTES_MAX (48u * 1024 * 1024) /* one record */
#define LH_WINDOW_SLACK     64 /* readable bytes behind the end, for 16-byte loads */

typedef struct lh_source_options {
    lh_str spill_dir;
    uint64_t unpacked_bytes_max; /* 0 = no limit */
    /* Called now and then while unpacking; its error ends the work. NULL ok. */
    lh_rc (*progress)(lh_ctx *cx, void *arg, uint64_t bytes_done, uint64_t bytes_total);
    void *progress_arg;
} lh_source_options;

typedef struct lh_source lh_source;
/* Takes the descriptor. Errors: LH_E_TOO_LARGE (grows past the limit), LH_E_UNPROCESSABLE
 * (truncated or damaged compression, with the byte), LH_E_NO_SPACE, LH_E_IO. */
LH_WARN_UNUSED lh_rc lh_source_open(lh_ctx *cx, int fd, const lh_source_options *opts,
                                    lh_source **ret_source);
lh_source *lh_source_close(lh_source *source);
LH_DEFINE_CLEANUP(lh_source, lh_source_close)

/* Decides the encoding (empty name = detect) and, for UTF-16, replaces the content by UTF-8. Skips
 * the mark. */
LH_WARN_UNUSED lh_rc lh_source_decode(lh_ctx *cx, lh_source *source, lh_str encoding_name,
                                      const lh_source_options *opts);

const lh_file *lh_source_file(const lh_source *source);  /* borrowed */
uint64_t lh_source_begin(const lh_source *source);       /* offset behind the byte order mark */
uint64_t lh_source_end(const lh_source *source);         /* bytes of the plain file */
lh_encoding lh_source_encoding(const lh_source *source); /* UTF8 or LATIN1 after decode */
uint64_t lh_source_replaced(const lh_source *source);    /* lone surrogates of UTF-16 */
bool lh_source_was_packed(const lh_source *source);

/* A sliding view: text begins at `begin`, is readable to `end` and LH_WINDOW_SLACK (undefined)
 * bytes further. */
typedef struct lh_window {
    const lh_source *source;
    char *bytes; /* owned */
    size_t capacity;
    size_t begin;
    size_t end;
    uint64_t offset; /* in the source, of bytes[end]: what will be read next */
    uint64_t stop;   /* never reads past this offset */
} lh_window;

/* Nothing is read yet. */
LH_WARN_UNUSED lh_rc lh_window_open(lh_ctx *cx, const lh_source *source, uint64_t from,
                                    uint64_t stop, lh_window *ret_window);
void lh_window_close(lh_window *window); /* safe on a zeroed one */
LH_DEFINE_CLEANUP_VALUE(lh_window, lh_window_close)
/* Makes the window hold up to `bytes` (at most LH_WINDOW_BYTES_MAX) of what is left to read. Before
 * the first fill. */
LH_WARN_UNUSED lh_rc lh_window_reserve(lh_ctx *cx, lh_window *window, size_t bytes);
/* Moves what is unread to the front and reads as much as fits. Pointers into the window move. */
LH_WARN_UNUSED lh_rc lh_window_fill(lh_ctx *cx, lh_window *window);
/* As fill, but makes room first when the unread bytes use most of it. LH_E_UNPROCESSABLE past
 * LH_WINDOW_BYTES_MAX, saying that `what` at that offset is too long. */
LH_WARN_UNUSED lh_rc lh_window_grow(lh_ctx *cx, lh_window *window, const char *what);
static inline bool lh_window_final(const lh_window *window)
{
    return window->offset == window->stop; /* all there is stands in the window */
}
static inline uint64_t lh_window_position(const lh_window *window)
{
    return window->offset - (window->end - window->begin); /* in the source, of bytes[begin] */
}
static inline lh_str lh_window_text(const lh_window *window)
{
    return (lh_str){window->bytes + window->begin, window->end - window->begin};
}

/* 1-based line and column (code points) of an offset; reads the file from its begin: for errors
 * only. */
LH_WARN_UNUSED lh_rc lh_source_place(lh_ctx *cx, const lh_source *source, uint64_t offset,
                                     int *ret_line, int *ret_column);

#endif
