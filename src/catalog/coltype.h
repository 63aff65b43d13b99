/* catalog/coltype.h - types of columns: read from DuckDB's spelling, written back safely, and
 * what fits into what.
 *
 * Owns:    parsed types live in the arena of the context.
 * Threads: pure functions.
 * Limits:  LH_COLTYPE_DEPTH_MAX levels of nesting, LH_COLTYPE_PARTS_MAX parts of one type.
 * Formats: DuckDB's type text. Words that this version does not know stay as they are.
 * Why:     type texts come out of files that others wrote and go into SQL, so they are never
 *          pasted: they are parsed and written anew. One table says which types widen into
 *          which. */
#ifndef LH_CATALOG_COLTYPE_H
#define LH_CATALOG_COLTYPE_H

#include "base/ctx.h"

#define LH_COLTYPE_DEPTH_MAX 32
#define LH_COLTYPE_PARTS_MAX 65536

typedef enum lh_coltype_kind {
    LH_COLTYPE_WORD, /* a plain type: .word */
    LH_COLTYPE_DECIMAL,
    LH_COLTYPE_LIST,  /* one part */
    LH_COLTYPE_ARRAY, /* one part, .items */
    LH_COLTYPE_STRUCT,
    LH_COLTYPE_UNION,
    LH_COLTYPE_MAP, /* two parts: key, value */
    LH_COLTYPE_ENUM /* names only */
} lh_coltype_kind;

typedef struct lh_coltype {
    lh_coltype_kind kind;
    lh_str word;               /* upper case, one space between words */
    uint32_t precision, scale; /* DECIMAL */
    uint64_t items;            /* ARRAY */
    lh_str *names;             /* STRUCT, UNION: of the parts; ENUM: the labels */
    struct lh_coltype **parts;
    size_t count; /* of names (ENUM) or parts */
} lh_coltype;

/* LH_E_BAD_VALUE when the text is not a type. */
LH_WARN_UNUSED lh_rc lh_coltype_parse(lh_ctx *cx, lh_str text, lh_coltype **ret_type);
/* The canonical text: names and labels quoted, safe inside SQL. */
LH_WARN_UNUSED lh_rc lh_coltype_text(lh_ctx *cx, const lh_coltype *type, lh_str *ret_text);

typedef enum lh_coltype_fit {
    LH_COLTYPE_SAME,  /* one type */
    LH_COLTYPE_WIDER, /* different, but *ret_type holds every value of both exactly */
    LH_COLTYPE_TEXT   /* only as text: *ret_type is VARCHAR */
} lh_coltype_fit;
/* The least type that holds the values of both. */
LH_WARN_UNUSED lh_rc lh_coltype_common(lh_ctx *cx, lh_str a, lh_str b, lh_str *ret_type,
                                       lh_coltype_fit *ret_fit);

/* Paths of the parts that get permanent ids, outer before inner, as lh_nested_id.path wants
 * them. */
LH_WARN_UNUSED lh_rc lh_coltype_paths(lh_ctx *cx, lh_str text, lh_str_list *ret_paths);

#endif
