/* search/search.h - search by meaning over a column of a dataset: build jobs, generations, filtered
 * queries.
 *
 * Owns:    the open generation of every index (shared, immutable, counted).
 * Threads: all functions from any thread; a build runs on a job thread.
 * Limits:  k <= 10,000; one build per index at a time.
 * Formats: `vectors/meta/<index>.json` (IndexMeta), `vectors/building/<index>.json` (plan of a
 *          build that goes on), `vectors/<index>/<generation>/`: part-<n>.parquet (contract A13),
 *          set/ (a segment set and rows-<first>.lhc, chunk stores; number = row of the parts).
 * Why:     parts are checkpoints: a build goes on after a crash where its last part ended. The meta
 *          object is the pointer; putting it swaps generations, readers of the old one finish on
 *          it. */
#ifndef LH_SEARCH_SEARCH_H
#define LH_SEARCH_SEARCH_H

#include "jobs/jobs.h"
#include "query/query.h"
#include "search/embedder.h"

typedef struct lh_search lh_search;

extern const char *const lh_search_kind_names[]; /* auto flat graph ivf exact: lh_vector_kind */

/* Of indexes and searches that say nothing else. */
typedef struct lh_search_settings {
    int kind;                 /* of lh_search_kind_names */
    uint32_t ef_construction; /* 0 = the engine's */
    uint64_t seed;
    uint32_t ef_search; /* 0 = by recall */
    double recall;      /* 0 = the engine's */
    uint64_t filter_cache_bytes;
    uint64_t keep_from; /* rows from which on a build keeps its finished phases */
} lh_search_settings;

typedef struct lh_search_parts { /* all borrowed */
    lh_catalog *catalog;
    lh_policy *policy;
    lh_query_engine *query;
    lh_pool *pool;
    lh_jobs *jobs;
    lh_embedder *embedder;
    lh_search_settings settings;
    int64_t checkpoint_us; /* a build that is cut off loses no more time than that; 0 = 15 s */
    bool background;       /* workers that write and read parts yield to everybody */
} lh_search_parts;

/* Opens every index there is. A damaged one is logged and listed as damaged; the others work. */
LH_WARN_UNUSED lh_rc lh_search_open(lh_ctx *cx, const lh_search_parts *parts,
                                    lh_search **ret_search);
/* Removes what a crash or stop left of replaced generations, and starts the jobs of builds that
 * were cut off; once the server is ready. */
LH_WARN_UNUSED lh_rc lh_search_resume(lh_ctx *cx, lh_search *search,
                                      const struct lh_principal *principal);
/* Before the jobs are cancelled by a stop: builds that go on then keep their plans, to be
 * resumed. */
void lh_search_stop(lh_search *search);
lh_search *lh_search_close(lh_search *search);

typedef struct lh_index_request {
    lh_str dataset;
    lh_str id_column;
    lh_str text_column;
    lh_str index_name; /* empty: <dataset>_<text_column> */
    lh_str model;      /* empty: the built-in one */
    lh_str precision;  /* empty: the best of this machine; int8 is faster and less exact */
    uint32_t chunk_size;
    uint32_t overlap;
    int kind;                 /* of lh_search_kind_names; auto = as configured */
    uint32_t ef_construction; /* 0 = as configured */
    uint64_t seed;            /* 0 = as configured */
} lh_index_request;
extern const lh_record lh_index_request_record;

/* Checks the request against the dataset, then starts the job. LH_E_UNKNOWN_DATASET,
 * LH_E_UNPROCESSABLE (column, with near names), LH_E_CONFLICT (a build of it runs),
 * LH_E_BAD_NAME. */
LH_WARN_UNUSED lh_rc lh_search_build(lh_ctx *cx, lh_search *search, const lh_index_request *request,
                                     lh_str *ret_job_id, lh_str *ret_index_name);

typedef struct lh_index_part {
    lh_str key;
    uint64_t rows; /* chunks */
    uint64_t bytes;
    lh_str sha256;
} lh_index_part;

/* What a setting of the effort came to on the sample of the build. */
typedef struct lh_index_point {
    uint32_t setting; /* ef of the graph, or rows that the 1-bit scan keeps */
    double recall;
    double evaluations;
} lh_index_point;

/* The segment as it is open. */
typedef struct lh_index_engine {
    int kind_asked; /* of lh_search_kind_names: what a refresh asks for again */
    lh_str tiers;   /* codes and rows it has: "b1+i4+f32" */
    lh_str preset;
    lh_str metric;
    lh_str simd;
    uint32_t degree;
    uint32_t lists;
    uint32_t ef_construction;
    uint64_t seed;
    bool rotated;
    uint32_t segments;  /* of the set; what follows and stands above is of the largest */
    uint64_t rows_dead; /* that merges will drop */
    uint64_t bytes_file;
    uint64_t bytes_resident;
    uint64_t bytes_mapped;
    lh_list probe_b1;     /* double: recall within the best 10, 40, 100, 200, 400 */
    lh_list probe_i4;     /* double */
    lh_list graph_points; /* lh_index_point */
    lh_list flat_points;  /* lh_index_point */
} lh_index_engine;

typedef struct lh_index_meta {
    lh_str index_name;
    lh_str source; /* dataset */
    lh_str id_column;
    lh_str text_column;
    lh_str model_name;
    lh_str model_version; /* precision and kernel */
    lh_str precision;     /* of the vectors; questions are embedded with the same */
    uint32_t dimensions;
    lh_str kind; /* of the segment: "flat", "graph", ... */
    lh_str generation;
    lh_str bucket;
    lh_str vector_backend; /* "parquet" */
    int64_t created_at;    /* of this generation */
    int64_t build_ms;
    uint32_t chunk_size;
    uint32_t overlap;
    uint64_t source_commit;
    lh_str source_fingerprint; /* of the files of that commit: equal = the same rows */
    uint64_t rows;             /* of the source */
    uint64_t chunks;           /* vectors */
    uint64_t bytes;            /* of segment and chunk store as they were built */
    lh_list parts;             /* lh_index_part */
    lh_str dead_key;           /* which rows of the parts are gone or replaced; empty = none */
    lh_str dead_sha256;
    lh_str set_prefix;     /* objects of the segment set and its rows are below */
    lh_str segment_key;    /* of before sets; empty */
    lh_str segment_sha256; /* of the first segment of the set */
    lh_str chunks_key;     /* of before sets; empty */
    lh_index_engine engine;
    lh_str damage; /* why it cannot be searched; empty = fine */
} lh_index_meta;
extern const lh_record lh_index_meta_record;

/* ---- refresh: embeds what is new or changed, drops what is gone ---- */

typedef struct lh_refresh_request {
    lh_str dataset;
    lh_str index_name;   /* empty: the only index of the dataset, else <dataset>_<text_column> */
    lh_str id_column;    /* of the index when it exists: empty, or the same */
    lh_str text_column;  /* likewise */
    lh_str precision;    /* likewise */
    uint32_t chunk_size; /* likewise; 0 = that of the index, or the default */
    int64_t overlap;     /* likewise; -1 = that of the index, or the default */
} lh_refresh_request;
extern const lh_record lh_refresh_request_record;

typedef struct lh_refresh_result {
    lh_str dataset;
    lh_str index_name;
    lh_str job_id; /* empty: there was nothing to do */
    bool done;     /* false: the job goes on */
    bool unchanged;
    uint64_t source_commit;
    uint64_t rows;   /* of the source */
    uint64_t chunks; /* of the index now */
    uint64_t added;  /* chunks that are new or changed */
    uint64_t kept;
    uint64_t removed;  /* chunks that are gone or changed */
    uint64_t embedded; /* texts the model was asked for; other new ones came from the cache */
    int64_t took_ms;
} lh_refresh_result;
extern const lh_record lh_refresh_result_record;

/* Compares commits first, then rows. Nothing to do: ret_result->unchanged, no job. Else a job runs,
 * whose result is the same record. An index that does not exist is built. LH_E_UNKNOWN_DATASET,
 * LH_E_UNPROCESSABLE (columns), LH_E_CONFLICT (a build of it runs; the index was built over other
 * columns, chunks or precision). */
LH_WARN_UNUSED lh_rc lh_search_refresh(lh_ctx *cx, lh_search *search,
                                       const lh_refresh_request *request,
                                       lh_refresh_result *ret_result);

/* In order of name; in the arena. source and model may be empty (all). */
LH_WARN_UNUSED lh_rc lh_search_list(lh_ctx *cx, lh_search *search, lh_str source, lh_str model,
                                    lh_index_meta **ret_items, size_t *ret_count);
LH_WARN_UNUSED lh_rc lh_search_get(lh_ctx *cx, lh_search *search, lh_str index_name,
                                   lh_index_meta *ret_meta);

/* The index is gone when it returns: no new search finds it, those that run end on it; then its
 * objects go. LH_E_NOT_FOUND, LH_E_CONFLICT (a build of it runs). */
typedef struct lh_index_deleted {
    lh_str index_name;
    lh_str generation; /* that was current */
    uint64_t objects;  /* removed; those that a search still read follow later */
    uint64_t bytes;
} lh_index_deleted;
extern const lh_record lh_index_deleted_record;
LH_WARN_UNUSED lh_rc lh_search_delete(lh_ctx *cx, lh_search *search, lh_str index_name,
                                      lh_index_deleted *ret_deleted);

typedef struct lh_search_request {
    lh_str index_name;
    lh_str query;
    lh_list vector; /* double */
    uint32_t k;
    lh_str filter;      /* SQL condition over the dataset */
    lh_list columns;    /* lh_str */
    uint32_t ef_search; /* 0 = by recall */
    double recall;      /* wanted recall@k; 0 = as configured */
} lh_search_request;
extern const lh_record lh_search_request_record;

typedef struct lh_search_hit {
    lh_str id;
    uint32_t chunk_no;
    double score;
    lh_str text;
    lh_str columns; /* JSON object of the asked columns */
} lh_search_hit;
typedef struct lh_search_index_info {
    lh_str name;
    lh_str generation;
    lh_str kind;
    lh_str model;
    uint32_t dimensions;
} lh_search_index_info;
typedef struct lh_search_plan {
    lh_str plan; /* "exact", "scan", "flat", "graph", "ivf" */
    lh_str why;
    uint32_t ef; /* effort used; 0 when the plan has none */
    uint64_t rows_allowed;
    lh_str filter; /* "none", "computed", "cached" */
    uint64_t hops;
    uint64_t scanned;
    uint64_t exact;
} lh_search_plan;
typedef struct lh_search_result {
    lh_list hits; /* lh_search_hit, best first */
    lh_search_index_info index;
    uint64_t evaluations;
    lh_search_plan plan;
    int64_t took_ms;
} lh_search_result;
extern const lh_record lh_search_result_record;

/* For cx->principal: filtered before the search by the condition and by what the principal may
 * see. */
LH_WARN_UNUSED lh_rc lh_search_run(lh_ctx *cx, lh_search *search, const lh_search_request *request,
                                   lh_search_result *ret_result);

#endif
