/* worker/programs/ingest_json.h - JSON arrays, single objects and NDJSON as rows.
 *
 * Owns:    a layout owns its schema; lh_json_layout_free frees both.
 * Threads: a layout is built by a scan, then constant; scans of parts use a schema each and are
 *          merged in order.
 * Limits:  LH_COLUMNS_MAX columns, depth 64, one element of LH_WINDOW_BYTES_MAX.
 * Formats: RFC 8259; values one after another; one object per line.
 * Why:     objects become dotted columns, arrays stay JSON text, keys that come and go become a
 *          union of columns. Two passes: the first decides columns and types from everything, the
 *          second writes. */
#ifndef LH_WORKER_PROGRAMS_INGEST_JSON_H
#define LH_WORKER_PROGRAMS_INGEST_JSON_H

#include "base/json.h"
#include "worker/programs/ingest_rows.h"

/* Keys as a tree: node 0 is the row, a node is a key under a parent, a column is a node that had a
 * value. */
#define LH_JSON_NO_NODE UINT32_MAX
typedef struct lh_json_node {
    lh_str key;
    uint32_t parent;
    uint32_t
        /* the node that came after it last time, under the same parent; LH_JSON_NO_NODE */
        follower;
    uint32_t first;  /* the node that came first under it */
    uint32_t column; /* LH_JSON_NO_NODE = none */
} lh_json_node;
typedef struct lh_json_schema {
    lh_arena *arena; /* owned: keys and arrays */
    lh_json_node *nodes;
    uint32_t nodes_count;
    uint32_t nodes_capacity;
    uint32_t *slots; /* open addressing over (parent, key): index + 1, 0 = free */
    uint32_t slots_count;
    uint32_t *columns; /* node of each column, in order of first appearance */
    lh_column_guess *guesses;
    uint32_t columns_count;
    uint32_t columns_capacity;
} lh_json_schema;
LH_WARN_UNUSED lh_rc lh_json_schema_new(lh_ctx *cx, lh_json_schema **ret_schema);
lh_json_schema *lh_json_schema_free(lh_json_schema *schema);
LH_DEFINE_CLEANUP(lh_json_schema, lh_json_schema_free)
/* The node of a key under parent; previous = the node before it in this object (or
 * LH_JSON_NO_NODE): a good guess saves the hash. find: LH_JSON_NO_NODE when absent. */
uint32_t lh_json_schema_find(const lh_json_schema *schema, uint32_t parent, uint32_t previous,
                             lh_str key);
LH_WARN_UNUSED lh_rc lh_json_schema_add(lh_ctx *cx, lh_json_schema *schema, uint32_t parent,
                                        uint32_t previous, lh_str key, uint32_t *ret_node);
LH_WARN_UNUSED lh_rc lh_json_schema_add_column(lh_ctx *cx, lh_json_schema *schema, uint32_t node);
/* Columns of other in their order behind those there are; guesses are merged. */
LH_WARN_UNUSED lh_rc lh_json_schema_merge(lh_ctx *cx, lh_json_schema *into,
                                          const lh_json_schema *other);

/* One value of a row: what a leaf of the tree holds. */
typedef struct lh_json_leaf {
    uint32_t node;
    lh_json_kind kind; /* ARRAY and OBJECT (empty): text is raw JSON */
    lh_str text;
} lh_json_leaf;
typedef struct lh_json_walk {
    const lh_json_schema *schema;
    lh_json_schema
        *grow; /* the same schema when unknown keys are added, else NULL: they are skipped */
    lh_rc (*leaf)(lh_ctx *cx, void *arg, const lh_json_leaf *leaf);
    void *arg;
    uint64_t replaced; /* lone surrogates and bad bytes that became U+FFFD */
} lh_json_walk;
/* Walks one element. LH_E_BAD_JSON with line and column inside it, or what leaf says. */
LH_WARN_UNUSED lh_rc lh_json_walk_element(lh_ctx *cx, lh_json_walk *walk, lh_str element);

/* ingest_json_split.c: elements in a window. */
typedef enum lh_json_shape { LH_JSON_SHAPE_LINES, LH_JSON_SHAPE_VALUES } lh_json_shape;
typedef enum lh_json_status {
    LH_JSON_ELEMENT,
    LH_JSON_MORE,
    LH_JSON_DONE,
    LH_JSON_BROKEN
} lh_json_status;
typedef struct lh_json_cursor {
    lh_window window;
    lh_json_shape shape;
    bool strict;   /* VALUES: commas and brackets are checked; false in a part of a file that was */
    bool started;  /* the first byte that is not space was seen */
    bool in_array; /* VALUES: between [ and ] */
    bool needs_comma; /* an element went before */
    bool after_comma;
    bool closed;        /* ] was read: only space may follow */
    lh_str element;     /* borrowed from the window until the next call */
    uint64_t offset;    /* of the element, or of what is broken */
    const char *broken; /* why */
} lh_json_cursor;
LH_WARN_UNUSED lh_rc lh_json_cursor_open(lh_ctx *cx, const lh_source *source, lh_json_shape shape,
                                         uint64_t from, lh_json_cursor *ret_cursor);
void lh_json_cursor_close(lh_json_cursor *cursor);
LH_DEFINE_CLEANUP_VALUE(lh_json_cursor, lh_json_cursor_close)
/* LINES: a line without its end (it may be blank). VALUES: one value. */
lh_json_status lh_json_cursor_next(lh_json_cursor *cursor);
LH_WARN_UNUSED lh_rc lh_json_cursor_refill(lh_ctx *cx, lh_json_cursor *cursor);
/* ingest_json_scan.c */
typedef struct lh_json_layout {
    lh_json_shape shape;
    bool array;             /* VALUES: the file is one array */
    lh_json_schema *schema; /* owned */
    uint32_t columns_count; /* without _malformed */
    bool has_malformed;
} lh_json_layout;
/* The first pass: columns, types and parts. Errors: LH_E_UNPROCESSABLE with line and column of the
 * file. */
typedef struct lh_json_scan_options {
    const lh_source *source;
    lh_json_shape shape;
    uint32_t threads;
    atomic_uint_fast64_t *bytes_done; /* counted up while scanning; borrowed */
    lh_rc (*tick)(lh_ctx *cx, void *arg);
    void *tick_arg;
} lh_json_scan_options;
LH_WARN_UNUSED lh_rc lh_json_scan(lh_ctx *cx, const lh_json_scan_options *opts,
                                  lh_json_layout *layout, lh_rows_plan *plan);
void lh_json_layout_done(lh_json_layout *layout);
LH_DEFINE_CLEANUP_VALUE(lh_json_layout, lh_json_layout_done)

/* ingest_json_rows.c */
extern const lh_rows_format lh_json_rows_format;

#endif
