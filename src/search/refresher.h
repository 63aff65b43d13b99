/* search/refresher.h - indexes that are brought up to date by themselves: after a commit, or by a
 * schedule.
 *
 * Owns:    one thread, and what is remembered of attempts that failed.
 * Threads: open and close by the owner; tick by one thread at a time.
 * Limits:  none of its own: refreshes are jobs and wait in their queue.
 * Formats: the policy and the cron line are in the dataset's manifest (embedding), so they survive
 *          whatever the dataset survives.
 * Why:     a dataset that was never embedded is not stale, and one that is not stale is left alone.
 *          Due is what the manifest says: a refresh that a stop or a crash prevented is due at the
 *          next start, once, however often its time passed. */
#ifndef LH_SEARCH_REFRESHER_H
#define LH_SEARCH_REFRESHER_H

#include "search/search.h"

typedef struct lh_refresher lh_refresher;
typedef struct lh_refresher_options {
    lh_search *search;                    /* borrowed */
    const struct lh_principal *principal; /* asks for the refreshes; outlives the jobs */
    int manual;                           /* no thread: a test ticks */
} lh_refresher_options;
LH_WARN_UNUSED lh_rc lh_refresher_open(lh_ctx *cx, const lh_refresher_options *opts,
                                       lh_refresher **ret_refresher);
lh_refresher *lh_refresher_close(lh_refresher *refresher); /* NULL ok; returns NULL */

/* Starts what is due at now_us (real time). *ret_started: refreshes, those too that had nothing to
 * do. *ret_next_us: when something will be due if no commit comes; INT64_MAX = nothing. */
void lh_refresher_tick(lh_refresher *refresher, int64_t now_us, size_t *ret_started,
                       int64_t *ret_next_us);

/* When a stale dataset is refreshed next, by its policy alone: 0 = at once, INT64_MAX = never. */
int64_t lh_refresh_due_us(lh_ctx *cx, const lh_embedding_state *state);

/* ---- what people see and set ---- */

typedef struct lh_stale_index {
    lh_str index_name;
    uint64_t source_commit;
    bool current; /* it has every row */
    lh_str mode;  /* "vector", "text" */
} lh_stale_index;
typedef struct lh_stale_dataset {
    lh_str dataset;
    uint64_t commit;
    int64_t last_embedded_at;
    int64_t embedding_stale_since; /* 0 = not stale */
    int embedding_refresh_policy;  /* lh_refresh_policy */
    lh_str schedule;
    int64_t next_refresh_at; /* 0 = nobody will, or it is not stale */
    lh_list indexes;         /* lh_stale_index */
} lh_stale_dataset;
extern const lh_record lh_stale_dataset_record;

/* Datasets whose indexes miss changes, in order of name; those cx->principal may see. */
LH_WARN_UNUSED lh_rc lh_search_stale(lh_ctx *cx, lh_search *search, lh_stale_dataset **ret_items,
                                     size_t *ret_count);
/* One dataset, stale or not. */
LH_WARN_UNUSED lh_rc lh_search_freshness(lh_ctx *cx, lh_search *search, lh_str dataset,
                                         lh_stale_dataset *ret);

typedef struct lh_refresh_policy_request {
    int policy; /* lh_refresh_policy */
    lh_str schedule;
} lh_refresh_policy_request;
extern const lh_record lh_refresh_policy_request_record;
/* Sets the policy, as a commit of the dataset. LH_E_BAD_VALUE: scheduled without a cron line, or a
 * line without scheduled. */
LH_WARN_UNUSED lh_rc lh_search_set_policy(lh_ctx *cx, lh_search *search, lh_str dataset,
                                          const lh_refresh_policy_request *request);

#endif
