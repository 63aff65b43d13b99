/* search/word_search.h - search by words over columns of a dataset: text indexes, built and
 * refreshed as jobs, and POST /search.
 *
 * Owns:    the open text indexes (shared, counted). Opened and closed with lh_search.
 * Threads: all functions from any thread; a build runs on a job thread, merges on a thread of each
 *          index.
 * Limits:  LH_WORDS_COLUMNS_MAX columns, LH_WORDS_FACETS_MAX facets; 65,536 hits asked at most
 *          10,000 deep (offset + k); one build per index at a time.
 * Formats: `text/meta/<index>.json` (TextIndex), `text/building/<index>.json` (a build that goes
 *          on), `text/<index>/<generation>/`: a segment set (src/segset/README.md) and
 *          rows-<first>.lhc, chunk stores that say which row of the dataset a document is.
 * Why:     a document's number is given once and never again; what it stands for is written before
 *          the change that makes it searchable, so that every hit can be named, after a crash too.
 *          A refresh is one change: new documents and deletes, seen together or not at all. */
#ifndef LH_SEARCH_WORD_SEARCH_H
#define LH_SEARCH_WORD_SEARCH_H

#include "search/search.h"

#define LH_WORDS_COLUMNS_MAX 16
#define LH_WORDS_FACETS_MAX  16

typedef struct lh_words_request {
    lh_str dataset;
    lh_str id_column;
    lh_list text_columns; /* lh_str */
    lh_list facets;       /* lh_str: columns whose values can be counted */
    lh_str index_name;    /* empty: <dataset>_text */
    lh_str language;      /* stemmer; empty: none */
    bool keep_accents;
    lh_list stop_words; /* lh_str */
    lh_list synonyms;   /* lh_str: "car, automobile" */
} lh_words_request;
extern const lh_record lh_words_request_record;

typedef struct lh_words_meta {
    lh_str index_name;
    lh_str source; /* dataset */
    lh_str id_column;
    lh_list text_columns; /* lh_str */
    lh_list facets;       /* lh_str */
    lh_str language;
    bool keep_accents;
    lh_list stop_words;
    lh_list synonyms;
    lh_str generation;
    int64_t created_at; /* of this generation */
    int64_t refreshed_at;
    int64_t build_ms;
    uint64_t source_commit;
    lh_str source_fingerprint;
    uint64_t rows; /* of the source */
    /* as it is open */
    uint64_t documents;
    uint64_t documents_dead; /* that merges will drop */
    uint32_t segments;
    uint64_t changes;
    uint64_t bytes_mapped;
    uint64_t bytes_resident;
    lh_str damage; /* why it cannot be searched; empty = fine */
} lh_words_meta;
extern const lh_record lh_words_meta_record;

/* Checks the request against the dataset, then starts the job. Errors as lh_search_build. */
LH_WARN_UNUSED lh_rc lh_words_build(lh_ctx *cx, lh_search *search, const lh_words_request *request,
                                    lh_str *ret_job_id, lh_str *ret_index_name);

typedef struct lh_words_refresh_request {
    lh_str dataset;    /* of the path */
    lh_str index_name; /* empty: the only text index of the dataset */
} lh_words_refresh_request;
extern const lh_record lh_words_refresh_record;
typedef struct lh_words_refreshed {
    lh_str dataset;
    lh_str index_name;
    lh_str job_id; /* empty: there was nothing to do */
    bool done;
    bool unchanged;
    uint64_t source_commit;
    uint64_t rows;
    uint64_t added; /* documents that are new or changed */
    uint64_t kept;
    uint64_t removed;
    bool rebuilt; /* all of it: more changed than one change takes */
    int64_t took_ms;
} lh_words_refreshed;
extern const lh_record lh_words_refreshed_record;
LH_WARN_UNUSED lh_rc lh_words_refresh(lh_ctx *cx, lh_search *search,
                                      const lh_words_refresh_request *request,
                                      lh_words_refreshed *ret_result);

/* In order of name; in the arena. */
LH_WARN_UNUSED lh_rc lh_words_list(lh_ctx *cx, lh_search *search, lh_str source,
                                   lh_words_meta **ret_items, size_t *ret_count);
LH_WARN_UNUSED lh_rc lh_words_get(lh_ctx *cx, lh_search *search, lh_str index_name,
                                  lh_words_meta *ret_meta);
LH_WARN_UNUSED lh_rc lh_words_delete(lh_ctx *cx, lh_search *search, lh_str index_name,
                                     lh_index_deleted *ret_deleted);

/* ---- POST /search ---- */

typedef enum lh_find_mode { LH_FIND_TEXT, LH_FIND_VECTOR, LH_FIND_HYBRID } lh_find_mode;
typedef struct lh_find_highlight {
    uint32_t fragments; /* of a column; 0: none */
    uint32_t fragment_bytes;
    lh_str open;
    lh_str close;
} lh_find_highlight;
typedef struct lh_find_request {
    lh_str index_name; /* empty: the only index of dataset */
    lh_str dataset;
    int mode; /* lh_find_mode */
    lh_str query;
    int syntax;     /* 0 plain, 1 language */
    int match;      /* 0 any, 1 all */
    lh_list fields; /* lh_str: text columns to search; none: all */
    uint32_t k;
    uint32_t offset;
    lh_str filter; /* SQL condition over the dataset */
    lh_list columns;
    lh_list facets; /* lh_str */
    uint32_t facet_values;
    bool count; /* total is exact */
    bool explain;
    lh_find_highlight highlight;
} lh_find_request;
extern const lh_record lh_find_request_record;

typedef struct lh_find_mark {
    lh_str column;
    lh_list fragments; /* lh_str */
} lh_find_mark;
typedef struct lh_find_hit {
    lh_str id;
    uint32_t chunk_no; /* of vectors; 0 */
    double score;
    lh_str text;        /* of the first column that matches: its best fragment, without marks */
    lh_list highlights; /* lh_find_mark */
    lh_str columns;     /* JSON object of the asked columns */
    lh_str explanation; /* JSON; empty: not asked */
} lh_find_hit;
typedef struct lh_find_facet_value {
    lh_str value;
    uint64_t count;
} lh_find_facet_value;
typedef struct lh_find_facet {
    lh_str name;
    lh_list values; /* lh_find_facet_value */
    uint64_t others;
    uint64_t missing;
} lh_find_facet;
typedef struct lh_find_index {
    lh_str name;
    lh_str dataset;
    lh_str generation;
    uint64_t commit;  /* of the dataset the index is at */
    uint64_t changes; /* of the index: pages of one number are of one state */
} lh_find_index;
typedef struct lh_find_plan {
    lh_str plan;
    lh_str filter; /* "none", "computed", "cached" */
    uint64_t rows_allowed;
    uint32_t segments;
    uint32_t words_dropped;
} lh_find_plan;
typedef struct lh_find_result {
    int mode;
    lh_list hits; /* lh_find_hit, best first */
    uint64_t total;
    bool total_is_exact;
    lh_list facets; /* lh_find_facet */
    lh_find_index index;
    lh_find_plan plan;
    int64_t took_ms;
} lh_find_result;
extern const lh_record lh_find_result_record;

/* For cx->principal: rows, columns, facets and highlights are those it may see. LH_E_UNPROCESSABLE:
 * a mode that is not there, an unknown column, field or facet. */
LH_WARN_UNUSED lh_rc lh_find_run(lh_ctx *cx, lh_search *search, const lh_find_request *request,
                                 lh_find_result *ret_result);

#endif
