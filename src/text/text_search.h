/* text/text_search.h - the best documents of one or many segments for a query.
 *
 * Owns:    a searcher borrows its segments and live bitmaps for its life, and owns scoring tables
 *          and scratch memory (about 1.5 MiB for each search that ran at once).
 * Threads: a searcher is immutable; lh_text_search from any number of threads at once.
 * Limits:  LH_TEXT_K_MAX hits, LH_TEXT_TERMS_MAX terms of a query after expansion of fuzzy words,
 *          LH_TEXT_PHRASE_MAX terms of a phrase, LH_TEXT_PREFIX_MAX terms of one prefix,
 *          LH_TEXT_FUZZY_MAX of one fuzzy word (the nearest, then the commonest). Past a limit:
 *          LH_E_TOO_LARGE that names it, or, for plain words, the rarest terms and
 *          ret->words_dropped.
 * Formats: BM25: score = sum over fields and terms of
 *              boost x idf x (k1 + 1) tf / (tf + k1 (1 - b + b len / avg)),
 *              idf = ln(1 + (N - df + 0.5) / (df + 0.5));
 *
 *          len is the field's length in terms, kept in one byte (exact to 39, then within 1/8); N,
 *          df and avg are those of all segments, deleted documents included until a merge drops
 *          them. A summand is rounded to 2^-20 (less for enormous boosts), at least one unit: a sum
 *          depends neither on order nor on instruction set. Ties come by id,
 *          without ids by segment, then document.
 * Why:     the hits of scoring everything, at a fraction of its work (docs/text-engine.md). */
#ifndef LH_TEXT_TEXT_SEARCH_H
#define LH_TEXT_TEXT_SEARCH_H

#include "text/text_index.h"
#include "text/text_query.h"

#define LH_TEXT_K_MAX        10000
#define LH_TEXT_TERMS_MAX    1024
#define LH_TEXT_PHRASE_MAX   32
#define LH_TEXT_PREFIX_MAX   65536
#define LH_TEXT_FUZZY_MAX    64
#define LH_TEXT_PREFIXES_MAX 32 /* prefixes of one query, every field counted */
#define LH_TEXT_SEGMENTS_MAX 1024

typedef struct lh_text_view {
    const lh_text_segment *segment;
    const uint64_t *live; /* a bit a document, LH_TEXT_BITMAP_WORDS words; NULL = all */
    /* What its documents are called, rising: hits have these as rows, and ties come by them. Of
     * all segments or of none; NULL: their own rows, ties by segment, then document. */
    const uint64_t *ids;
} lh_text_view;

typedef struct lh_text_searcher lh_text_searcher;
/* The segments must have the same fields and analyser (LH_E_CONFLICT). count may be 0. */
LH_WARN_UNUSED lh_rc lh_text_searcher_new(lh_ctx *cx, const lh_text_view *views, uint32_t count,
                                          lh_text_searcher **ret_searcher);
lh_text_searcher *lh_text_searcher_free(lh_text_searcher *searcher);
LH_DEFINE_CLEANUP(lh_text_searcher, lh_text_searcher_free)

enum {
    LH_TEXT_COUNT = 1,     /* total is exact: nothing may be skipped */
    LH_TEXT_EXHAUSTIVE = 2 /* the plain plan that scores every match: reference of tests */
};

typedef struct lh_text_request {
    const lh_text_node *query;
    uint32_t k; /* 0..LH_TEXT_K_MAX; 0 with COUNT or facets only counts */
    uint32_t flags;
    const uint64_t *const *allow; /* a bitmap a segment (its documents that may be answers), each
                                     may be NULL = all; NULL = all. Applied before scoring. */
    lh_str_list facets;           /* names: count the values over all matches (implies COUNT) */
    uint32_t facet_values_max;    /* 0 = 10 */
} lh_text_request;

typedef struct lh_text_hit {
    uint64_t row;
    double score;
    uint32_t points; /* the exact score, in units of 1 / score_scale */
    uint32_t segment;
    uint32_t doc;
} lh_text_hit;
typedef struct lh_text_facet_value {
    lh_str value;
    uint64_t count;
} lh_text_facet_value;
typedef struct lh_text_facet {
    lh_str name;
    lh_text_facet_value *values; /* most counted first, then by bytes */
    uint32_t values_count;
    uint64_t others; /* matches with a value that is not listed */
    uint64_t missing;
} lh_text_facet;

typedef struct lh_text_result {
    lh_text_hit *hits; /* best first; in the arena */
    uint32_t hits_count;
    uint32_t words_dropped; /* of a plain query with more than LH_TEXT_TERMS_MAX terms */
    uint64_t total;         /* matches; exact with COUNT, else at least hits_count */
    int total_is_exact;
    double score_scale; /* 2^20, less for enormous boosts */
    lh_text_facet *facets;
    uint32_t facets_count;
    const char *plan; /* of the first segment: "any", "all", "phrase", "prefix", "tree", "none" */
} lh_text_result;

/* Errors: LH_E_BAD_VALUE (a field or facet that is not there, k, a phrase over a field without
 * positions), LH_E_TOO_LARGE (a limit above), LH_E_DEADLINE, LH_E_CANCELLED, LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_text_search(lh_ctx *cx, lh_text_searcher *searcher,
                                    const lh_text_request *request, lh_text_result *ret_result);

/* Why a document scores as it does: a tree whose children add up to (or choose) the parent. */
typedef struct lh_text_reason {
    double score;
    lh_str what; /* "weight of text:lager: idf 2.1 x tf 0.45 (tf 2, length 12, average 9.3)" */
    struct lh_text_reason *children;
    uint32_t children_count;
} lh_text_reason;
/* Of a hit's segment and doc. *ret_matches 0: it does not match, and the tree says why. */
LH_WARN_UNUSED lh_rc lh_text_explain(lh_ctx *cx, lh_text_searcher *searcher,
                                     const lh_text_node *query, const lh_text_hit *hit,
                                     lh_text_reason *ret_reason, int *ret_matches);

typedef struct lh_text_searcher_stats {
    uint64_t docs; /* deleted ones included */
    uint64_t docs_live;
    uint64_t tokens;
    uint32_t segments;
    uint64_t bytes_resident; /* of the searcher itself */
} lh_text_searcher_stats;
void lh_text_searcher_stats_get(const lh_text_searcher *searcher,
                                lh_text_searcher_stats *ret_stats);

#endif
