/* embed/lines.h - a stream of lines to a stream of vectors: `lakehouse embed` without a server.
 *
 * Owns:    nothing; files and model are the caller's.
 * Threads: the caller's, and the model's for each slice.
 * Limits:  LH_EMBED_LINE_BYTES_MAX a line; memory does not grow with the input.
 * Formats: in: lines ended by LF or CRLF (the last may lack it), any bytes. out: f32 = vectors one
 *          after another, little-endian; ndjson = one array a line, numbers that read back to the
 *          same float.
 * Why:     vectors come out in the order of the lines, one for each, empty lines included. */
#ifndef LH_EMBED_LINES_H
#define LH_EMBED_LINES_H

#include "embed/embed.h"
#include "os/file.h"

#define LH_EMBED_LINE_BYTES_MAX (16u * 1024u * 1024u)

typedef enum lh_embed_format { LH_EMBED_FORMAT_F32, LH_EMBED_FORMAT_NDJSON } lh_embed_format;
extern const char *const lh_embed_format_names[]; /* f32 ndjson */

typedef struct lh_embed_lines_job {
    lh_file *in;
    lh_file *out;
    lh_embed_format format;
    uint32_t flags; /* LH_EMBED_QUERY */
    /* Called after each slice with the lines finished so far; an error ends the job. NULL ok. */
    lh_rc (*on_progress)(lh_ctx *cx, void *arg, size_t done);
    void *arg;
    uint64_t lines;     /* out */
    uint64_t tokens;    /* out */
    uint64_t truncated; /* out: lines longer than the model takes */
} lh_embed_lines_job;

/* Errors: LH_E_TOO_LARGE naming the line, LH_E_IO, what lh_embed_texts gives. What was written
 *          until then stays. */
LH_WARN_UNUSED lh_rc lh_embed_lines(lh_ctx *cx, lh_embed_model *model, lh_embed_lines_job *job);

#endif
