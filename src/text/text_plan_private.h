/* text/text_plan_private.h - what the hot loops work on: cursors over lists, the best k so far, the
 * window's memory.
 *
 * Owns: a workspace owns its arrays; the rest borrows. Threads: one search at a time each.
 * Limits: text_search.h. Formats: none. Why: plain structs that every instruction set's loops
 *         share; points are scores as integers. */
#ifndef LH_TEXT_TEXT_PLAN_PRIVATE_H
#define LH_TEXT_TEXT_PLAN_PRIVATE_H

#include "base/ctx.h"
#include "text/text_search.h"
#include "text/text_segment_private.h"

#include <math.h>
#include <stdatomic.h>

enum {
    LHI_TEXT_WINDOW_MAX = 65536, /* documents scored at a time, at most */
    LHI_TEXT_WINDOW_MIN = 4096,
    LHI_TEXT_TOUCH_SHIFT = 4, /* documents of a group in the map of touched groups */
    LHI_TEXT_ALL_MAX = LHI_TEXT_BLOCK + LHI_TEXT_BLOCK / 2, /* candidates of "all" at a time */
    LHI_TEXT_NO_BLOCK = UINT32_MAX
};

typedef struct lhi_text_entry {
    uint32_t points;
    uint32_t doc;
    uint32_t segment;
    uint64_t order; /* of equal points the lower is the better */
} lhi_text_entry;

typedef struct lhi_text_cursor lhi_text_cursor;

/* A heap whose root is the worst of the best k. Documents of a segment come in order, so an equal
 * score later never displaces: to enter, points must be above the threshold. Where ids of segments
 * lie among one another, the threshold stays one below the root, and order decides. */
typedef struct lhi_text_top {
    lhi_text_entry *entries;
    uint32_t count;
    uint32_t k;
    uint32_t threshold;
    uint32_t segment;    /* of the documents pushed now */
    const uint64_t *ids; /* of its documents; NULL: order is by segment, then document */
    uint64_t ids_last;   /* the highest of segments before */
    int is_mixed;        /* some of those are higher than some of this segment's */
} lhi_text_top;

struct lhi_text_cursor {
    uint32_t df;
    uint32_t blocks;    /* 0: all of it is in docs and points */
    uint32_t best;      /* no document scores more points */
    uint32_t block;     /* the one in docs, or LHI_TEXT_NO_BLOCK */
    uint32_t count;     /* of docs */
    uint32_t scan;      /* where the windows are: a block, or an index of docs */
    uint32_t probe;     /* where the probes are */
    uint32_t in_window; /* bound of this window's documents */
    const uint8_t *last;
    const uint8_t *offsets;
    const uint8_t *best_codes;
    const uint8_t *bits;
    const uint8_t *data;
    uint32_t data_bytes;
    uint32_t is_bad;        /* its bytes are not what they must be */
    const uint64_t *bitmap; /* NULL: none */
    const uint32_t *ranks;
    const uint32_t *bound; /* per code: lut, or bounds when averages differ from the build's */
    const double *norms;   /* per length code */
    const uint8_t *lengths;
    double k1;
    double weight;
    uint32_t lut[256];    /* points per code; 0: more than any, 255: 0 */
    uint32_t bounds[256]; /* when averages differ */
    uint32_t docs[LHI_TEXT_BLOCK + 16];
    uint32_t points[LHI_TEXT_BLOCK + 16];
    uint32_t tfs[LHI_TEXT_BLOCK]; /* of a small list */
    /* for positions */
    const lh_text_segment *segment;
    const lhi_text_term *term;
    uint32_t field;
    const uint16_t *tf_of; /* per code */
    const uint8_t *places; /* u32 a block */
    const uint8_t *place_bits;
    uint32_t tfs_block;                   /* the one whose sums are in tf_sums */
    uint32_t tfs_asked;                   /* the one that was asked for last */
    uint32_t tf_sums[LHI_TEXT_BLOCK + 1]; /* occurrences before each posting of a block */
};

/* Documents of the rarest list of "all", as they are narrowed down. */
typedef struct lhi_text_all_block {
    uint32_t count;
    uint32_t docs[LHI_TEXT_ALL_MAX];
    uint32_t points[LHI_TEXT_ALL_MAX];
    uint32_t blocks[LH_TEXT_PHRASE_MAX][LHI_TEXT_ALL_MAX];  /* a phrase's: where each term was */
    uint32_t indexes[LH_TEXT_PHRASE_MAX][LHI_TEXT_ALL_MAX]; /* found */
} lhi_text_all_block;

typedef struct lhi_text_work {
    uint32_t *sums;    /* LHI_TEXT_WINDOW_MAX and a group: zero between searches */
    uint64_t *touched; /* a bit a group: zero between searches */
    uint32_t *docs;    /* candidates of a window */
    uint32_t *points;
    lhi_text_cursor *cursors;
    uint32_t cursors_max;
    lhi_text_entry *entries;
    uint32_t entries_max;
    lhi_text_vec levels; /* of the tree plan */
    lhi_text_all_block *all;
    uint64_t *below;         /* LH_TEXT_TERMS_MAX and one: sums of bounds */
    lhi_text_cursor **order; /* LH_TEXT_TERMS_MAX */
    lh_text_tokenizer *tokenizer;
} lhi_text_work;

/* What codes of one field of one segment are worth under the searcher's averages. */
typedef struct lhi_text_table {
    double impacts[256];
    double bounds[256]; /* no posting of that code or a worse one has more */
    uint16_t tf_of[256];
    int is_exact; /* bounds are impacts: the averages are the build's */
} lhi_text_table;

struct lh_text_searcher {
    lh_text_view *views;
    uint32_t count;
    uint32_t fields;
    uint64_t docs;
    uint64_t docs_live;
    uint64_t tokens;
    double k1;
    double b;
    double averages[LH_TEXT_FIELDS_MAX];
    double norms[LH_TEXT_FIELDS_MAX][LHI_TEXT_LENGTH_CODES];
    double ones[LH_TEXT_FIELDS_MAX][LHI_TEXT_LENGTH_CODES]; /* impacts of tf 1 */
    lhi_text_table *tables;                                 /* fields a segment */
    _Atomic(lhi_text_work *) spare[16];
};

/* Any of the terms: sum of points, best k. */
typedef struct lhi_text_any {
    lh_ctx *cx;
    lhi_text_cursor **cursors; /* by best, falling bounds last */
    uint32_t count;
    uint32_t docs; /* of the segment */
    const uint64_t *allow;
    lhi_text_top *top;
    lhi_text_work *work;
    lh_rc rc; /* deadline, cancel */
} lhi_text_any;

/* All of the terms. */
typedef struct lhi_text_all {
    lh_ctx *cx;
    lhi_text_cursor **cursors; /* rarest first */
    uint32_t count;
    const uint64_t *allow;
    lhi_text_top *top;
    lhi_text_work *work;
    lh_rc rc;
    /* A phrase: sets the phrase's points, 0 = not there, of documents that have all terms, whose
     * blocks and places in them are known. Then points of terms do not count. */
    void (*accept)(struct lhi_text_all *run, lhi_text_all_block *block);
    void *accept_arg;
    double phrase_ratios[LH_TEXT_PHRASE_MAX]; /* weight of the phrase by that of each term;
                                                  infinite with slop, where a phrase can be there
                                                  oftener than its words */
} lhi_text_all;

/* Of a large array that is written before it is read: not to be filled by the compiler. */
#define LHI_TEXT_UNSET __attribute__((uninitialized))

/* A match is worth one unit at least, so that 0 can mean no match. */
static inline uint32_t lhi_text_points(double impact, double weight)
{
    double points = impact * weight + 0.5;
    return points < 1 ? 1 : (uint32_t)points;
}

/* 0 when it did not enter. */
int lhi_text_top_push(lhi_text_top *top, uint32_t doc, uint32_t points);
/* Pushes are of that segment from now on. */
void lhi_text_top_segment(lhi_text_top *top, uint32_t segment, const lh_text_view *view);

/* Memory for one search; given back clean, or freed after an error that left it dirty. */
LH_WARN_UNUSED lh_rc lhi_text_work_take(lh_ctx *cx, lh_text_searcher *s, lhi_text_work **ret_work);
void lhi_text_work_give(lh_text_searcher *s, lhi_text_work *work);
lhi_text_work *lhi_text_work_free(lhi_text_work *work);

/* ---- compiled queries ---- */

typedef enum lhi_text_op_kind {
    LHI_TEXT_OP_NONE,
    LHI_TEXT_OP_TERM,
    LHI_TEXT_OP_PHRASE,
    LHI_TEXT_OP_SET, /* every term with a prefix; a constant score */
    LHI_TEXT_OP_BOOL,
    LHI_TEXT_OP_ALL /* every document; a constant score */
} lhi_text_op_kind;

typedef struct lhi_text_op lhi_text_op;
struct lhi_text_op {
    lhi_text_op_kind kind;
    uint32_t field;
    lh_str term;            /* TERM; SET: the prefix */
    uint64_t *terms;        /* TERM: its number in each segment, UINT64_MAX = not there */
    double boost;           /* all boosts above it, and the field's */
    double idf;             /* TERM, PHRASE (sum of its terms') */
    double weight;          /* points of an impact; SET, ALL: points */
    uint64_t df;            /* in all segments */
    lhi_text_op **children; /* BOOL; PHRASE: its terms */
    lh_text_occur *occurs;  /* BOOL */
    uint32_t *places;       /* PHRASE: of its terms */
    uint32_t count;
    uint32_t min_should;
    uint32_t slop;
    uint32_t cursor; /* its number among the cursors of a run */
};

typedef struct lhi_text_query {
    lhi_text_op *root;
    uint32_t terms; /* TERM ops, those of phrases included */
    uint32_t depth;
    uint32_t words_dropped;
    double scale;
} lhi_text_query;
LH_WARN_UNUSED lh_rc lhi_text_compile(lh_ctx *cx, const lh_text_searcher *s,
                                      lh_text_tokenizer *tokenizer, const lh_text_node *node,
                                      lhi_text_query *ret_query);
static inline double lhi_text_idf(uint64_t docs, uint64_t df)
{
    return log(1 + ((double)docs - (double)df + 0.5) / ((double)df + 0.5));
}
/* Parts of the compiler: terms near a fuzzy word, in all segments; the nearest first. */
typedef struct lhi_text_near {
    lh_str term;
    uint32_t distance;
    uint64_t df;
} lhi_text_near;
LH_WARN_UNUSED lh_rc lhi_text_fuzzy(lh_ctx *cx, const lh_text_searcher *s, uint32_t field,
                                    const lhi_text_near *wanted, lhi_text_near **ret_terms,
                                    uint32_t *ret_count);
uint64_t lhi_text_df(const lh_text_searcher *s, uint32_t field, lh_str term);

enum { LHI_TEXT_LENIENT = 1 << 30 }; /* of a node: from the plain form, never an error */

/* 0 when the segment does not have the term. */
LH_WARN_UNUSED lh_rc lhi_text_cursor_open(lh_ctx *cx, const lh_text_searcher *s, uint32_t segment,
                                          const lhi_text_op *op, lhi_text_cursor *c, int *ret_has);

/* ---- phrases ---- */

typedef struct lhi_text_phrase {
    lhi_text_cursor *cursors[LH_TEXT_PHRASE_MAX]; /* rarest first */
    uint32_t places[LH_TEXT_PHRASE_MAX];
    uint32_t count;
    uint32_t slop;
    double weight;
    lhi_text_vec found[LH_TEXT_PHRASE_MAX]; /* u32 positions of each term */
    lh_rc rc;
    lh_ctx *cx;
} lhi_text_phrase;
/* How often the phrase is there (sloppy ones count 1 / (1 + width)); 0 = not. */
double lhi_text_phrase_count(lhi_text_phrase *phrase, const uint32_t *blocks,
                             const uint32_t *indexes);
uint32_t lhi_text_phrase_points(lhi_text_phrase *phrase, uint32_t doc, const uint32_t *blocks,
                                const uint32_t *indexes);
/* The same of all documents of a block. */
void lhi_text_phrase_block(lhi_text_phrase *phrase, lhi_text_all_block *block);
void lhi_text_phrase_done(lhi_text_phrase *phrase);

/* ---- runs over one segment ---- */

typedef struct lhi_text_run_state {
    lh_ctx *cx;
    const lh_text_searcher *searcher;
    uint32_t segment;
    const uint64_t *allow;
    lhi_text_top *top;
    lhi_text_work *work;
    int can_seed;      /* nothing is filtered: stored thresholds hold */
    uint64_t total;    /* matches, when counted */
    int counts;        /* count all */
    uint64_t **facets; /* per facet asked: counts per value + 1, value 0 = none */
    const uint32_t *facet_numbers;
    uint32_t facets_count;
} lhi_text_run_state;
/* The plan for trees, and for everything that must be counted. */
LH_WARN_UNUSED lh_rc lhi_text_run_tree(lhi_text_run_state *run, const lhi_text_query *query);
LH_WARN_UNUSED lh_rc lhi_text_set_bits(lh_ctx *cx, const lh_text_segment *segment,
                                       const lhi_text_op *op, uint64_t *bits);
LH_WARN_UNUSED lh_rc lhi_text_phrase_open(lhi_text_run_state *run, const lhi_text_op *op,
                                          lhi_text_cursor *cursors, lhi_text_phrase *phrase,
                                          int *ret_has);

/* Codes of a block of a large list, which need not be decoded. */
static inline const uint8_t *lhi_text_cursor_codes(const lhi_text_cursor *c, uint32_t block)
{
    uint32_t bits = c->bits[block] & ~(uint32_t)LHI_TEXT_ESCAPES;
    return c->data + lhi_text_u32(c->offsets + 4 * (size_t)block) +
           lhi_text_packed_bytes(lhi_text_block_count(c->df, c->blocks, block), bits);
}
/* tf of the exception at index of a block; 0 when there is none, and then the cursor is bad. */
uint32_t lhi_text_cursor_escape(lhi_text_cursor *c, uint32_t block, uint32_t index);
/* Adds the exceptions of the decoded block among docs [from, to) to sums[doc - base]. */
void lhi_text_cursor_add_escapes(lhi_text_cursor *c, uint32_t from, uint32_t to, uint32_t base,
                                 uint32_t *sums);
uint32_t lhi_text_cursor_escape_points(lhi_text_cursor *c, uint32_t doc, uint32_t tf);
/* Sets the points of the decoded block's exceptions. */
void lhi_text_cursor_fix_escapes(lhi_text_cursor *c, uint32_t *points);
/* Adds the exceptions before index to range[0], and index's own to range[1]. */
void lhi_text_cursor_escape_range(lhi_text_cursor *c, uint32_t block, uint32_t index,
                                  uint32_t range[2]);
/* Sets the tfs of a block's exceptions. */
void lhi_text_cursor_escape_tfs(lhi_text_cursor *c, uint32_t block, uint32_t *tfs);

#endif
