/* cli/embed_stream.h - texts of a stream to vectors, in their order: what `lakehouse embed` does.
 *
 * Owns:    its buffers; files and model are the caller's. For Parquet a worker of its own.
 * Threads: the caller's, and the model's for each slice.
 * Limits:  LH_EMBED_LINE_BYTES_MAX a line; memory does not grow with the input.
 * Formats: in: lines, or objects of NDJSON whose text stands in one field. out: f32 (vectors one
 *          after another, little-endian), ndjson (one array a line), parquet (doc_id, chunk_no 0,
 *          chunk_text, content_hash, vector; as a part of an index).
 * Why:     one vector per line, in the order of the lines, empty ones included; what has come is
 *          embedded when no more is there, so that a slow producer sees its vectors. */
#ifndef LH_CLI_EMBED_STREAM_H
#define LH_CLI_EMBED_STREAM_H

#include "embed/lines.h"
#include "worker/pool.h"

typedef enum lh_embed_output { LH_OUTPUT_F32, LH_OUTPUT_NDJSON, LH_OUTPUT_PARQUET } lh_embed_output;
extern const char *const lh_embed_output_names[]; /* f32 ndjson parquet NULL */

typedef struct lh_embed_stream_options {
    lh_embed_model *model;
    lh_file *in;
    lh_embed_output output;
    lh_file *out;    /* f32, ndjson */
    lh_str out_path; /* parquet: the file that is made; it must not exist */
    lh_str field;    /* empty: lines are texts; else the field of each object */
    lh_str id_field; /* parquet: doc_id; empty = the number of the line, from 1 */
    bool query;      /* questions: models with a prefix for them use it */
    void (*on_progress)(void *arg, uint64_t lines); /* NULL ok */
    void *arg;
} lh_embed_stream_options;

typedef struct lh_embed_stream_sum {
    uint64_t lines;
    uint64_t tokens;
    uint64_t truncated; /* texts longer than the model takes */
} lh_embed_stream_sum;

/* LH_E_BAD_JSON, LH_E_BAD_VALUE, LH_E_TOO_LARGE with the line; LH_E_ALREADY_EXISTS (out_path). What
 * was written to out until then stays; a Parquet file is there whole or not. */
LH_WARN_UNUSED lh_rc lh_embed_stream(lh_ctx *cx, const lh_embed_stream_options *opts,
                                     lh_embed_stream_sum *ret_sum);

#endif
