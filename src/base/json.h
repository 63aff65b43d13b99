/* base/json.h - strict JSON reading: a pull reader that knows the place of every value, and a small
 * tree on top.
 *
 * Owns:    the reader borrows its text; decoded strings and trees live in the arena of the context.
 * Threads: one per reader.
 * Limits:  depth (default 64), size is the caller's; numbers keep their text, so nothing is
 *          rounded.
 * Formats: RFC 8259. Duplicate keys are the caller's to judge. UTF-8 is checked.
 * Why:     libraries at hand lose either places, numbers beyond 2^53 or lone surrogates
 *          (docs/adr/0003-json.md). */
#ifndef LH_BASE_JSON_H
#define LH_BASE_JSON_H

#include "base/ctx.h"

#include <stdbool.h>

#define LH_JSON_DEPTH_DEFAULT 64
#define LH_JSON_DEPTH_MAX     1024

typedef enum lh_json_kind {
    LH_JSON_NULL,
    LH_JSON_FALSE,
    LH_JSON_TRUE,
    LH_JSON_NUMBER,
    LH_JSON_STRING,
    LH_JSON_ARRAY,  /* as a token: its begin */
    LH_JSON_OBJECT, /* as a token: its begin */
    LH_JSON_KEY,    /* token only */
    LH_JSON_ARRAY_END,
    LH_JSON_OBJECT_END,
    LH_JSON_END /* the text is finished */
} lh_json_kind;

const char *lh_json_kind_name(lh_json_kind kind); /* "object", "string", ... for messages */

enum {
    LH_JSON_LENIENT_TEXT =
        1,           /* bad UTF-8 and lone surrogates become U+FFFD and are counted, not refused */
    LH_JSON_MANY = 2 /* several values after one another (NDJSON): END only after the last */
};

typedef struct lh_json_reader {
    lh_ctx *cx;
    lh_str text;
    size_t offset; /* of the next byte to read */
    uint32_t depth;
    uint32_t depth_max;
    uint32_t flags;
    uint32_t replaced_count;              /* oddities under LH_JSON_LENIENT_TEXT */
    uint8_t state;                        /* private */
    uint8_t stack[LH_JSON_DEPTH_MAX / 8]; /* bit set: object */
} lh_json_reader;

typedef struct lh_json_token {
    lh_json_kind kind;
    lh_str text;   /* STRING and KEY: decoded (borrowed from input or arena); NUMBER: its text */
    size_t offset; /* of its first byte in the input */
} lh_json_token;

/* depth_max 0 = LH_JSON_DEPTH_DEFAULT. */
void lh_json_reader_init(lh_json_reader *reader, lh_ctx *cx, lh_str text, uint32_t flags,
                         uint32_t depth_max);
/* Errors: LH_E_BAD_JSON with line and column. */
LH_WARN_UNUSED lh_rc lh_json_next(lh_json_reader *reader, lh_json_token *ret_token);
/* Skips the rest of the value that token began; *ret_raw (may be NULL) = its exact text. */
LH_WARN_UNUSED lh_rc lh_json_skip(lh_json_reader *reader, const lh_json_token *token,
                                  lh_str *ret_raw);
/* 1-based line and column (in code points) of a byte offset. */
void lh_json_place(lh_str text, size_t offset, int *ret_line, int *ret_column);

/* The tree: for documents whose shape is not known (an AST, parameters). Lives in the arena. */
typedef struct lh_json lh_json;
struct lh_json {
    lh_json_kind kind;
    lh_str text; /* STRING: decoded; NUMBER: text */
    lh_str key;  /* inside an object */
    lh_str raw;  /* exact text of the value in the input (borrowed) */
    size_t offset;
    size_t count;         /* children */
    const lh_json *first; /* children in order */
    const lh_json *next;
};

LH_WARN_UNUSED lh_rc lh_json_parse(lh_ctx *cx, lh_str text, uint32_t depth_max,
                                   const lh_json **ret_root);
const lh_json *lh_json_get(const lh_json *object,
                           lh_str key); /* last of that key; NULL when absent or not an object */
lh_str lh_json_get_str(const lh_json *object,
                       lh_str key);         /* LH_STR_NONE when absent or not a string */
bool lh_json_is_true(const lh_json *value); /* NULL: false */

#endif
