/* search/search_private.h - generations and the build plan, shared by the files of this folder.
 *
 * Owns: see search.h. Threads: the list of indexes is guarded by the lock; a generation is
 *       immutable and counted.
 * Limits: search.h. Formats: search.h. Why: build, swap and search are separate verbs over one
 *         generation. */
#ifndef LH_SEARCH_SEARCH_PRIVATE_H
#define LH_SEARCH_SEARCH_PRIVATE_H

#include "os/file.h"
#include "os/thread.h"
#include "search/chunk_store.h"
#include "search/search.h"
#include "vector/vector_index.h"

#include <stdatomic.h>

/* One open generation. */
typedef struct lhi_generation {
    atomic_uint references;
    lh_arena *arena; /* of meta */
    lh_index_meta meta;
    lh_map segment_map;
    lh_map chunks_map;
    lh_vector_index *index; /* NULL when damaged */
    lh_chunk_store chunks;
} lhi_generation;
lhi_generation *lhi_generation_unref(lhi_generation *generation);
LH_DEFINE_CLEANUP(lhi_generation, lhi_generation_unref)
/* Opens what the meta object says. A damaged generation opens with meta.damage set. */
LH_WARN_UNUSED lh_rc lhi_generation_open(lh_ctx *cx, lh_store *store, lh_str meta_json,
                                         lhi_generation **ret_generation);

typedef struct lhi_slot { /* one index */
    struct lhi_slot *next;
    char name[LH_DATASET_NAME_MAX + 1];
    lhi_generation *current; /* NULL while its first build runs */
    int building;
} lhi_slot;

struct lh_search {
    lh_search_parts parts;
    lh_mutex lock;
    lhi_slot *slots;     /* in order of name */
    atomic_int stopping; /* a cancel comes from the stop of the server: builds keep their plans */
};
/* A reference to the current generation. LH_E_NOT_FOUND (with the names there are), LH_E_CORRUPT
 * (damaged). */
LH_WARN_UNUSED lh_rc lhi_search_ref(lh_ctx *cx, lh_search *search, lh_str index_name,
                                    lhi_generation **ret_generation);
LH_WARN_UNUSED lh_rc lhi_search_swap(lh_ctx *cx, lh_search *search,
                                     lhi_generation *taken); /* takes the reference */
LH_WARN_UNUSED lh_rc lhi_search_begin_build(lh_ctx *cx, lh_search *search, lh_str index_name);
void lhi_search_end_build(lh_search *search, lh_str index_name);

/* What a build has done so far; durable after every part. */
typedef struct lhi_plan {
    lh_index_request request; /* complete: no defaults left */
    lh_str generation;
    uint64_t source_commit;
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
lh_str lhi_plan_key(lh_ctx *cx, lh_str index_name);
lh_str lhi_meta_key(lh_ctx *cx, lh_str index_name);
LH_WARN_UNUSED lh_rc lhi_put_record(lh_ctx *cx, lh_store *store, lh_str key,
                                    const lh_record *record, const void *value);
/* search_segment.c: parts -> chunk store and segment, published; fills the keys, hashes and bytes
 * of meta. */
LH_WARN_UNUSED lh_rc lhi_write_segment(lh_ctx *cx, lh_search *search, lh_job *job,
                                       const lhi_plan *plan, lh_index_meta *meta);
/* search_embed.c: rows of the source -> chunks -> vectors -> parts. */
LH_WARN_UNUSED lh_rc lhi_embed_source(lh_ctx *cx, lh_search *search, lh_job *job, lhi_plan *plan);

#endif
