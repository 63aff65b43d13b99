/* base/toml.h - TOML text to a flat list of values, each with its place.
 *
 * Owns:    entries live in the arena of the context.
 * Threads: any.
 * Limits:  1 MiB of text.
 * Formats: TOML 1.0 by toml++ (Debian libtomlplusplus-dev), used header-only behind this C face.
 * Why:     a kept parser with positions; arrays come as one entry per item. */
#ifndef LH_BASE_TOML_H
#define LH_BASE_TOML_H

#include "base/ctx.h"

typedef enum lh_toml_kind {
    LH_TOML_STR,
    LH_TOML_INT,
    LH_TOML_FLOAT,
    LH_TOML_BOOL,
    LH_TOML_OTHER,
    LH_TOML_EMPTY_ARRAY
} lh_toml_kind;

typedef struct lh_toml_entry {
    lh_str path; /* "server.listen"; items of arrays: "storage.buckets[0].name" */
    lh_toml_kind kind;
    lh_str text; /* the value without quotes */
    int line;
    int column;
} lh_toml_entry;

/* Errors: LH_E_BAD_CONFIG with line and column. */
LH_WARN_UNUSED lh_rc lh_toml_parse(lh_ctx *cx, lh_str text, lh_toml_entry **ret_entries,
                                   size_t *ret_count);

#endif
