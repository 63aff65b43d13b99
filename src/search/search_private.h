/* search/search_private.h - generations and the build plan, shared by the files of this folder.
 *
 * Owns: see search.h. Threads: a generation is immutable and counted.
 * Limits: search.h. Formats: search.h. Why: build, swap and search are separate verbs over one
 *         generation. */
#ifndef LH_SEARCH_SEARCH_PRIVATE_H
#define LH_SEARCH_SEARCH_PRIVATE_H

#include "os/file.h"
#include "os/thread.h"
#include "search/chunk_store.h"
#include "search/indexes_private.h"
#include "search/numbered_private.h"
#include "search/search.h"
#include "search/search_lane_private.h"
#include "search/source_rows_private.h"
#include "vector/vector_set.h"

/* search_vectors.c: the vectors of an index, and what they are; counted. */
typedef struct lhi_vectors {
    atomic_uint references;
    lhi_numbered numbered; /* numbers are rows of the parts, one after another */
    lh_vector_set *set;
} lhi_vectors;
lhi_vectors *lhi_vectors_unref(lhi_vectors *vectors);
LH_DEFINE_CLEANUP(lhi_vectors, lhi_vectors_unref)
/* Opens or makes those below meta->set_prefix. */
LH_WARN_UNUSED lh_rc lhi_vectors_open(lh_ctx *cx, lh_search *search, const lh_index_meta *meta,
                                      lhi_vectors **ret_vectors);
/* Those of an index of before sets, whose set_prefix says where they shall be. */
LH_WARN_UNUSED lh_rc lhi_vectors_adopt(lh_ctx *cx, lh_search *search, const lh_index_meta *meta,
                                       lhi_vectors **ret_vectors);
/* Kind, engine and chunks as they are now. */
LH_WARN_UNUSED lh_rc lhi_vectors_describe(lh_ctx *cx, const lhi_vectors *vectors,
                                          lh_index_meta *meta);
lh_str lhi_set_prefix(lh_ctx *cx, const lh_index_meta *meta);
/* The numbers stay with their rows, so that a number is a row of the parts. */
LH_WARN_UNUSED lh_rc lhi_vectors_delete(lh_ctx *cx, lhi_vectors *vectors, const lh_bitmap *dead);

/* One open generation. */
typedef struct lhi_generation {
    lhi_state state;
    lh_arena *arena; /* of meta */
    lh_index_meta meta;
    lhi_vectors *vectors; /* NULL when damaged; generations that refreshes made share them */
} lhi_generation;
lhi_generation *lhi_generation_unref(lhi_generation *generation);
LH_DEFINE_CLEANUP(lhi_generation, lhi_generation_unref)
/* Opens what the meta object says; vectors: that are open already (a reference is taken), or
 * NULL. */
LH_WARN_UNUSED lh_rc lhi_generation_open(lh_ctx *cx, lh_search *search, lh_str meta_json,
                                         lhi_vectors *vectors, lhi_generation **ret_generation);

typedef struct lhi_filter_cache lhi_filter_cache; /* search_filter.c */

extern const lhi_index_kind lhi_vector_kind; /* search.c */
extern const lhi_index_kind lhi_text_kind;   /* word_search.c */

struct lh_search {
    lh_search_parts parts;
    lhi_indexes vectors;
    lhi_indexes texts;
    lhi_filter_cache *filters;    /* of both */
    atomic_uint_fast64_t commits; /* that the catalog told of */
    lh_mutex lock;
    lh_cond committed;   /* with lock */
    atomic_int stopping; /* a cancel comes from the stop of the server: builds keep their plans */
};
/* A reference to the current generation; see lhi_indexes_ref. */
LH_WARN_UNUSED lh_rc lhi_search_ref(lh_ctx *cx, lh_search *search, lh_str index_name,
                                    lhi_generation **ret_generation);

/* What a build has done so far; durable after every part. */
typedef struct lhi_plan {
    lh_index_request request; /* complete: no defaults left */
    lh_str generation;
    bool refresh; /* its result is told as that of a refresh */
    lh_str base;  /* the generation it begins with, whose parts stay; empty = from nothing */
    uint64_t source_commit;
    lh_str source_fingerprint;
    uint64_t rows_done; /* source rows whose chunks are in parts */
    uint64_t chunks_done;
    int64_t spent_ms;
    int64_t started_at;
    lh_str model_name;
    lh_str model_version;
    uint32_t dimensions;
    lh_list parts; /* lh_index_part */
} lhi_plan;
extern const lh_record lhi_plan_record;
LH_WARN_UNUSED lh_rc lhi_put_record(lh_ctx *cx, lh_store *store, lh_str key,
                                    const lh_record *record, const void *value);
/* search_kept.c: finished phases of a build, for another try. NULL when it has too few rows. */
LH_WARN_UNUSED lh_rc lhi_kept_open(lh_ctx *cx, lh_search *search, const lhi_plan *plan,
                                   uint64_t rows, lh_file **ret_file);
/* Removes what no plan in the store may go on from; what cannot go now goes at the next start. */
void lhi_kept_collect(lh_ctx *cx, lh_search *search);
void lhi_kept_tell(lh_ctx *cx, const lhi_plan *plan, const lh_index_done *done);
/* search_segment.c: all rows of the parts of meta -> a new set, whose prefix and sizes go to
 * meta. */
LH_WARN_UNUSED lh_rc lhi_write_set(lh_ctx *cx, lh_search *search, lh_job *job, const lhi_plan *plan,
                                   lh_index_meta *meta, lhi_vectors **ret_vectors);
/* The parts of the plan -> one change of the base's set, with what nobody claimed deleted.
 * *ret_done 0: too much for a change, or numbers do not fit the parts; write a new set. */
struct lhi_base;
LH_WARN_UNUSED lh_rc lhi_append_to_set(lh_ctx *cx, lh_search *search, lh_job *job,
                                       const lhi_plan *plan, const struct lhi_base *base,
                                       int *ret_done);

/* search_index.c: a file of f32 rows -> a segment, built by an index worker. */
LH_WARN_UNUSED lh_rc lhi_index_build(lh_ctx *cx, lh_search *search, lh_job *job,
                                     const lhi_plan *plan, lh_staged *rows, lh_staged *segment);
/* What there is to say of an open segment; texts and lists in the arena of cx. */
LH_WARN_UNUSED lh_rc lhi_index_describe(lh_ctx *cx, const lh_vector_index *index,
                                        lh_index_meta *meta);

/* search_filter.c: which rows fulfil a filter, kept by data version, filter and reader. */
typedef struct lhi_filter_rows {
    atomic_uint references;
    lh_bitmap bitmap;
    uint64_t count;
} lhi_filter_rows;
lhi_filter_rows *lhi_filter_rows_unref(lhi_filter_rows *rows);
LH_DEFINE_CLEANUP(lhi_filter_rows, lhi_filter_rows_unref)
/* No row allowed yet. */
LH_WARN_UNUSED lh_rc lhi_filter_rows_new(lh_ctx *cx, uint64_t rows, lhi_filter_rows **ret_rows);
void lhi_filter_rows_count(lhi_filter_rows *rows); /* fills count from the bitmap */
LH_WARN_UNUSED lh_rc lhi_filter_cache_new(lh_ctx *cx, uint64_t bytes_max,
                                          lhi_filter_cache **ret_cache);
lhi_filter_cache *lhi_filter_cache_free(lhi_filter_cache *cache);
/* 1: the same data and the same reader give the same rows at any time. */
int lhi_filter_is_stable(lh_str filter);
/* A reference, or NULL. */
lhi_filter_rows *lhi_filter_cache_find(lhi_filter_cache *cache, lh_str key);
/* Keeps a reference of its own, or nothing when there is no room for it. */
void lhi_filter_cache_put(lhi_filter_cache *cache, lh_str key, lhi_filter_rows *rows);

/* search_rows.c: rows of an index that may answer one search. */
typedef struct lhi_allowed {
    lhi_filter_cache *cache;
    const lhi_state *state;
    lhi_source source;
    const lh_manifest *manifest; /* of the commit that source reads */
    const lh_grant *grant;
    lh_str filter; /* empty: none */
    lh_segset_view *view;
    const lhi_known *known;
    /* out */
    lhi_filter_rows *rows; /* NULL: every row may answer; the caller's, also after a failure */
    const char *how;       /* "none", "cached", "computed" */
    int is_current;        /* the index holds exactly the rows of the manifest */
} lhi_allowed;
LH_WARN_UNUSED lh_rc lhi_allowed_find(lh_ctx *cx, lhi_allowed *allowed);

/* search_base.c: chunks that a refresh keeps. generation NULL: there is nothing to keep. */
typedef struct lhi_base {
    lhi_generation *generation; /* borrowed */
    lh_segset_view *view;       /* of its vectors */
    lhi_known known;            /* their rows */
    lh_bitmap claimed;          /* by number */
    uint64_t live;              /* numbers that are */
    uint64_t kept;
    uint64_t *candidates; /* rows of the id that is looked at */
    size_t candidates_count;
    size_t candidates_capacity;
    size_t candidates_at;
    int out_of_memory;
} lhi_base;
LH_WARN_UNUSED lh_rc lhi_base_init(lh_ctx *cx, lhi_base *base, lhi_generation *generation);
void lhi_base_done(lhi_base *base);
uint64_t lhi_rows_of_parts(const lh_list *parts);
/* 1: the change of that plan was made already, by a run that was cut off before it could say so. */
int lhi_base_has(const lhi_base *base, const lhi_plan *plan);
/* The next row of the source, then each of its chunks. */
LH_WARN_UNUSED lh_rc lhi_base_row(lh_ctx *cx, lhi_base *base, lh_str id);
LH_WARN_UNUSED lh_rc lhi_base_keep(lh_ctx *cx, lhi_base *base, uint32_t chunk_no, lh_str text,
                                   int *ret_kept);
/* Rows of all parts of an index, one after another, that are not in its segment. */
LH_WARN_UNUSED lh_rc lhi_dead_read(lh_ctx *cx, lh_store *store, const lh_index_meta *meta,
                                   lh_bitmap *ret_dead);
LH_WARN_UNUSED lh_rc lhi_dead_find(lh_ctx *cx, lh_store *store, const lhi_base *base,
                                   const lh_list *all_parts, lh_bitmap *ret_dead);
LH_WARN_UNUSED lh_rc lhi_dead_write(lh_ctx *cx, lh_store *store, const lhi_plan *plan,
                                    const lh_bitmap *dead, lh_index_meta *meta);

/* search_part.c: the part that grows, and the plan that names those that are done. */
#define LHI_PART_CHUNKS    4096u
#define LHI_PART_BYTES_MAX (256u * 1024u * 1024u)
typedef struct lhi_parts {
    lh_search *search;
    lhi_plan *plan;
    lh_buf rows;                                     /* chunk rows of the part that grows */
    size_t cuts[LHI_PART_BYTES_MAX / (1024 * 1024)]; /* ends of frames, each between two rows */
    size_t cuts_count;
    uint64_t chunks;
    uint64_t rows_end; /* source rows that are whole in it or before */
    lh_index_part *items;
    size_t items_count;
    size_t items_capacity;
    int64_t began_us;
    int64_t part_began_us;
    int64_t checkpoint_us;
} lhi_parts;
LH_WARN_UNUSED lh_rc lhi_parts_init(lh_ctx *cx, lhi_parts *parts, lh_search *search,
                                    lhi_plan *plan);
void lhi_parts_done(lhi_parts *parts);
LH_WARN_UNUSED lh_rc lhi_parts_save_plan(lh_ctx *cx, lhi_parts *parts);
LH_WARN_UNUSED lh_rc lhi_parts_add(lh_ctx *cx, lhi_parts *parts, const lhi_batch *batch);
LH_WARN_UNUSED lh_rc lhi_parts_end(lh_ctx *cx, lhi_parts *parts);

/* search_embed.c: rows of the source -> chunks -> vectors -> parts. */
typedef struct lhi_embed_outcome {
    uint64_t rows;       /* of the source */
    uint64_t added;      /* chunks in the parts of the plan */
    uint64_t from_model; /* texts this run asked the model for */
} lhi_embed_outcome;
LH_WARN_UNUSED lh_rc lhi_embed_source(lh_ctx *cx, lh_search *search, lh_job *job, lhi_plan *plan,
                                      lhi_base *base, lhi_embed_outcome *ret_outcome);

/* search_build.c */
/* Checks dataset, columns and model and fills what the plan needs from them. */
LH_WARN_UNUSED lh_rc lhi_plan_make(lh_ctx *cx, lh_search *search, const lh_index_request *request,
                                   lhi_plan *ret_plan);
LH_WARN_UNUSED lh_rc lhi_plan_start(lh_ctx *cx, lh_search *search, const lhi_plan *plan,
                                    const struct lh_principal *principal, lh_str *ret_job_id);
LH_WARN_UNUSED lh_rc lhi_plan_resume(lh_ctx *cx, lh_search *search, lh_str plan_json,
                                     const struct lh_principal *principal);
/* The dataset's commit says that it is embedded by that index of list; not stale when every index
 * of it has all the data that source_commit has. */
LH_WARN_UNUSED lh_rc lhi_note_embedded(lh_ctx *cx, lhi_indexes *list, lh_str dataset,
                                       lh_str index_name, uint64_t source_commit);
/* Equal texts: the same rows in the same columns. */
lh_str lhi_source_fingerprint(lh_ctx *cx, const lh_manifest *manifest);
/* 1: vectors of this model may be compared with those of the index. */
int lhi_same_kind(const lh_embedder_model *model, const lh_index_meta *meta);

#endif
