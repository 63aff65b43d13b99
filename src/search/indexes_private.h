/* search/indexes_private.h - the indexes of one kind by name: what each is now, who builds it, what
 * was replaced, and which of its objects may go.
 *
 * Owns:    the states that are current or replaced, one reference each; borrows the search.
 * Threads: all functions from any thread; a state is immutable and counted.
 * Limits:  one build of an index at a time; LHI_META_BYTES_MAX a meta object or plan.
 * Formats: below the kind's prefix: "meta/<index>.json" says what an index is,
 *          "building/<index>.json" what a build that goes on has done, "<index>/..." everything
 *          else of it.
 * Why:     opening, swapping, listing, deleting, resuming and collecting are the same for vectors
 *          and for words; what differs is a const table. */
#ifndef LH_SEARCH_INDEXES_PRIVATE_H
#define LH_SEARCH_INDEXES_PRIVATE_H

#include "jobs/jobs.h"
#include "os/thread.h"
#include "search/search.h"

#include <stdatomic.h>

#define LHI_META_BYTES_MAX (64u * 1024u * 1024u)

typedef struct lhi_indexes lhi_indexes;
typedef struct lhi_index_kind lhi_index_kind;
typedef struct lhi_keep lhi_keep; /* what a collection leaves alone */

/* What an index is at one time. The first member of what a kind knows of it. */
typedef struct lhi_state {
    const lhi_index_kind *kind;
    atomic_uint references;
    _Atomic(lhi_indexes *) retired_from; /* set once it was replaced */
    struct lhi_state *next_retired;
} lhi_state;
void lhi_state_init(lhi_state *state, const lhi_index_kind *kind); /* one reference */
void lhi_state_ref(lhi_state *state);
void lhi_state_unref(lhi_state *state);

typedef struct lhi_about { /* valid as long as the state */
    lh_str index_name;
    lh_str source; /* dataset */
    lh_str source_fingerprint;
    lh_str generation;
    lh_str damage; /* why it cannot be searched; empty = fine */
} lhi_about;

struct lhi_index_kind {
    const char *noun;      /* in messages: "text index" */
    const char *to_build;  /* in hints: the route that builds one */
    const char *to_follow; /* in hints: the route that lists its jobs */
    const char *job;       /* kind of its jobs */
    const char *prefix;    /* of its objects; ends with '/' */
    lhi_about (*about)(const lhi_state *state);
    void (*free)(lhi_state *state);
    /* What the meta object says, opened. */
    lh_rc (*open)(lh_ctx *cx, lh_search *search, lh_str meta_json, lhi_state **ret_state);
    /* One that cannot be opened, with as much of its meta object as can be read. */
    lh_rc (*damaged)(lh_ctx *cx, lh_str index_name, lh_str meta_json, lh_str why,
                     lhi_state **ret_state);
    /* The objects it needs beside its meta object, and those a plan does. */
    lh_rc (*keep)(lh_ctx *cx, lhi_keep *keep, const lhi_state *state);
    lh_rc (*keep_plan)(lh_ctx *cx, lhi_keep *keep, lh_str plan_json);
    /* A build that a stop or a crash cut off. */
    lh_rc (*resume)(lh_ctx *cx, lh_search *search, lh_str plan_json,
                    const struct lh_principal *principal);
};

typedef struct lhi_slot { /* one index */
    struct lhi_slot *next;
    char name[LH_DATASET_NAME_MAX + 1];
    lhi_state *current; /* NULL while its first build runs */
    int building;
    lhi_state *retired; /* replaced, one reference each: the next collection lets them go */
} lhi_slot;

struct lhi_indexes {
    const lhi_index_kind *kind;
    lh_search *search;
    lh_mutex lock;
    lh_cond left;    /* a reader left a replaced state */
    lhi_slot *slots; /* in order of name */
};
void lhi_indexes_init(lhi_indexes *list, const lhi_index_kind *kind, lh_search *search);
void lhi_indexes_done(lhi_indexes *list); /* zeroed: nothing */

lh_str lhi_meta_key(lh_ctx *cx, const lhi_index_kind *kind, lh_str index_name);
lh_str lhi_plan_key(lh_ctx *cx, const lhi_index_kind *kind, lh_str index_name);
/* LH_E_BAD_NAME, which names the field. */
LH_WARN_UNUSED lh_rc lhi_index_check_name(lh_ctx *cx, lh_str index_name);

/* Opens what the store has. Damage is not the caller's failure: it is logged, and every search of
 * that index says it. */
LH_WARN_UNUSED lh_rc lhi_indexes_open(lh_ctx *cx, lhi_indexes *list);
/* Collects what a crash left, then goes on with the builds it cut off. */
LH_WARN_UNUSED lh_rc lhi_indexes_resume(lh_ctx *cx, lhi_indexes *list,
                                        const struct lh_principal *principal);

/* Who may not see the dataset of an index does not learn that it exists. */

/* A reference. LH_E_NOT_FOUND (with the names there are), LH_E_CONFLICT (its first build runs),
 * LH_E_CORRUPT (damaged). */
LH_WARN_UNUSED lh_rc lhi_indexes_ref(lh_ctx *cx, lhi_indexes *list, lh_str index_name,
                                     lhi_state **ret_state);
/* Visits under the lock: visit may not call back. source empty: of every dataset. */
typedef lh_rc (*lhi_visit)(lh_ctx *cx, void *arg, const lhi_state *state);
LH_WARN_UNUSED lh_rc lhi_indexes_each(lh_ctx *cx, lhi_indexes *list, lh_str source, lhi_visit visit,
                                      void *arg);
/* That one, damaged or not. LH_E_NOT_FOUND. */
LH_WARN_UNUSED lh_rc lhi_indexes_show(lh_ctx *cx, lhi_indexes *list, lh_str index_name,
                                      lhi_visit visit, void *arg);
/* Name of the only one of a dataset. LH_E_NOT_FOUND, LH_E_BAD_VALUE (there are several). */
LH_WARN_UNUSED lh_rc lhi_indexes_only(lh_ctx *cx, lhi_indexes *list, lh_str dataset,
                                      lh_str *ret_name);
/* 1: every one of the dataset but index_name has that fingerprint. */
int lhi_indexes_all_have(lhi_indexes *list, lh_str dataset, lh_str index_name, lh_str fingerprint);

/* Takes the reference, also when it fails. */
LH_WARN_UNUSED lh_rc lhi_indexes_swap(lh_ctx *cx, lhi_indexes *list, lhi_state *taken);
/* LH_E_CONFLICT: one runs. */
LH_WARN_UNUSED lh_rc lhi_indexes_begin_build(lh_ctx *cx, lhi_indexes *list, lh_str index_name);
void lhi_indexes_end_build(lhi_indexes *list, lh_str index_name);
/* Begins a build of spec->subject and starts its job, which calls lhi_indexes_after at the end of
 * its run and lhi_indexes_end_build when it is done. */
LH_WARN_UNUSED lh_rc lhi_indexes_start(lh_ctx *cx, lhi_indexes *list, const lh_job_spec *spec,
                                       lh_str *ret_job_id);
/* The plan of a build that can never succeed goes, so that it does not come back at every start;
 * then what nobody needs any more. Gives back rc and its error. */
LH_WARN_UNUSED lh_rc lhi_indexes_after(lh_ctx *cx, lhi_indexes *list, lh_str index_name, lh_rc rc);
/* The meta object goes first. */
LH_WARN_UNUSED lh_rc lhi_indexes_delete(lh_ctx *cx, lhi_indexes *list, lh_str index_name,
                                        lh_index_deleted *ret_deleted);

/* indexes_collect.c: removes the objects of an index that nothing names any more. Only while the
 * caller has begun a build of it. Waits a while for readers of replaced states. */
typedef struct lhi_collected {
    uint64_t objects;
    uint64_t bytes;
} lhi_collected;
LH_WARN_UNUSED lh_rc lhi_indexes_collect(lh_ctx *cx, lhi_indexes *list, lh_str index_name,
                                         lhi_collected *ret_collected);
/* Of every index that no build runs of. */
LH_WARN_UNUSED lh_rc lhi_indexes_collect_all(lh_ctx *cx, lhi_indexes *list);
/* For kinds; empty texts name nothing. */
LH_WARN_UNUSED lh_rc lhi_keep_key(lh_ctx *cx, lhi_keep *keep, lh_str key);
LH_WARN_UNUSED lh_rc lhi_keep_prefix(lh_ctx *cx, lhi_keep *keep, lh_str prefix);

#endif
