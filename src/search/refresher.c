/* search/refresher.c - the thread that starts refreshes when they are due.
 *
 * Commits wake it, and so does the second in which something becomes due. It remembers one thing
 * only: that an attempt was made for a dataset which is still stale, so that a refresh which fails
 * is not tried again at once, but after a pause that doubles. */
#include "search/refresher.h"

#include "base/clock.h"
#include "base/cron.h"
#include "base/log.h"
#include "search/search_private.h"
#include "search/word_search.h"

#define TICK_US          1000000
#define PAUSE_FIRST_US   (INT64_C(5) * 1000000)
#define PAUSE_LAST_US    (INT64_C(3600) * 1000000)
#define TICK_ARENA_BYTES (256u * 1024u * 1024u)

typedef struct attempt {
    struct attempt *next;
    char dataset[LH_DATASET_NAME_MAX + 1];
    int64_t not_before_us;
    int64_t pause_us;
    int64_t at_us; /* a schedule that passed before does not count again */
} attempt;

struct lh_refresher {
    lh_refresher_options opts;
    lh_thread *thread;
    lh_cancel stop;
    attempt *attempts;
    uint64_t commits_seen;
    int64_t next_us;
};

int64_t lh_refresh_due_us(lh_ctx *cx, const lh_embedding_state *state)
{
    lh_cron cron;
    if (state->last_embedded_at == 0 || state->embedding_stale_since == 0)
        return INT64_MAX;
    if (state->embedding_refresh_policy == LH_REFRESH_ON_APPEND)
        return 0;
    if (state->embedding_refresh_policy != LH_REFRESH_SCHEDULED)
        return INT64_MAX;
    if (lh_cron_parse(cx, state->schedule, &cron) != LH_OK) { /* of another version's hand */
        lh_err_clear(cx);
        return INT64_MAX;
    }
    return lh_cron_next(&cron, LH_MAX(state->last_embedded_at, state->embedding_stale_since));
}

/* ---- attempts ---- */

static attempt **find_attempt(lh_refresher *r, lh_str dataset)
{
    attempt **at = &r->attempts;
    while (*at && !lh_str_eq(lh_str_from((*at)->dataset), dataset))
        at = &(*at)->next;
    return at;
}

static void forget(lh_refresher *r, lh_str dataset)
{
    attempt **at = find_attempt(r, dataset);
    if (*at) {
        attempt *gone = *at;
        *at = gone->next;
        lh_free(gone);
    }
}

static void note_attempt(lh_refresher *r, lh_str dataset, int64_t now_us)
{
    attempt **at = find_attempt(r, dataset);
    if (!*at) {
        attempt *made = lh_alloc_zero(1, sizeof *made);
        if (!made || dataset.len >= sizeof made->dataset) {
            lh_free(made);
            return; /* then it is tried again sooner */
        }
        memcpy(made->dataset, dataset.ptr, dataset.len);
        *at = made;
    }
    attempt *a = *at;
    a->pause_us = a->pause_us == 0 ? PAUSE_FIRST_US : LH_MIN(a->pause_us * 2, PAUSE_LAST_US);
    a->not_before_us = now_us + a->pause_us;
    a->at_us = now_us;
}

/* ---- one look ---- */

/* With an attempt behind it a dataset waits for the pause; with a schedule, for its next time. */
static int64_t due_us(lh_ctx *cx, lh_refresher *r, const lh_manifest *m)
{
    int64_t by_policy = lh_refresh_due_us(cx, &m->embedding);
    const attempt *a = *find_attempt(r, m->name);
    if (by_policy == INT64_MAX || !a)
        return by_policy;
    return LH_MAX(by_policy, a->not_before_us);
}

/* A conflict: it is being built, and the end of that is a commit, which wakes us. */
static void note_end(lh_ctx *cx, lh_rc rc, lh_str dataset, lh_str index_name, size_t *started)
{
    if (rc == LH_OK)
        (*started)++;
    else if (rc != LH_E_CONFLICT)
        LH_LOG(cx, REFRESH_FAILED, LH_KS("dataset", dataset), LH_KS("index", index_name),
               LH_KS("message", lh_str_from(cx->err.message)));
    lh_err_clear(cx);
}

static void refresh_dataset(lh_ctx *cx, lh_refresher *r, const lh_manifest *m, size_t *started)
{
    lh_search *search = r->opts.search;
    lh_index_meta *vectors;
    lh_words_meta *words;
    size_t vectors_count = 0;
    size_t words_count = 0;
    if (lh_search_list(cx, search, m->name, LH_STR_NONE, &vectors, &vectors_count) != LH_OK ||
        lh_words_list(cx, search, m->name, &words, &words_count) != LH_OK) {
        lh_err_clear(cx);
        return;
    }
    for (size_t i = 0; i < vectors_count; i++) {
        lh_refresh_request request = {
            .dataset = m->name, .index_name = vectors[i].index_name, .overlap = -1};
        lh_refresh_result result;
        note_end(cx, lh_search_refresh(cx, search, &request, &result), m->name,
                 vectors[i].index_name, started);
    }
    for (size_t i = 0; i < words_count; i++) {
        lh_words_refresh_request request = {m->name, words[i].index_name};
        lh_words_refreshed result;
        note_end(cx, lh_words_refresh(cx, search, &request, &result), m->name, words[i].index_name,
                 started);
    }
}

void lh_refresher_tick(lh_refresher *r, int64_t now_us, size_t *ret_started, int64_t *ret_next_us)
{
    *ret_started = 0;
    *ret_next_us = INT64_MAX;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(TICK_ARENA_BYTES);
    if (!arena)
        return;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    cx.principal = r->opts.principal;
    cx.cancel = &r->stop;
    LH_CLEANUP(lh_catalog_page_done) lh_catalog_page page = {0};
    if (lh_catalog_list(&cx, r->opts.search->parts.catalog, LH_STR_NONE, 0, &page) != LH_OK)
        return;
    for (size_t i = 0; i < page.count; i++) {
        const lh_manifest *m = lh_snapshot_manifest(page.items[i]);
        if (m->embedding.embedding_stale_since == 0)
            forget(r, m->name);
        int64_t at_us = due_us(&cx, r, m);
        if (at_us <= now_us && !lh_cancel_requested(&r->stop)) {
            refresh_dataset(&cx, r, m, ret_started);
            note_attempt(r, m->name, now_us);
            at_us = due_us(&cx, r, m);
        }
        *ret_next_us = LH_MIN(*ret_next_us, at_us);
    }
}

/* ---- the thread ---- */

static int something_to_do(lh_refresher *r)
{
    lh_search *search = r->opts.search;
    uint64_t commits = atomic_load(&search->commits);
    int news = commits != r->commits_seen;
    r->commits_seen = commits;
    return news || lh_clock_real_us() >= r->next_us;
}

static void run(void *arg)
{
    lh_refresher *r = arg;
    lh_search *search = r->opts.search;
    while (!lh_cancel_requested(&r->stop)) {
        if (something_to_do(r)) {
            size_t started;
            lh_refresher_tick(r, lh_clock_real_us(), &started, &r->next_us);
        }
        LH_WITH_LOCK(&search->lock);
        if (atomic_load(&search->commits) == r->commits_seen && !lh_cancel_requested(&r->stop))
            (void)lh_cond_wait_for(&search->committed, &search->lock, TICK_US);
    }
}

lh_rc lh_refresher_open(lh_ctx *cx, const lh_refresher_options *opts, lh_refresher **ret_refresher)
{
    lh_refresher *r = lh_alloc_zero(1, sizeof *r);
    if (!r)
        return lh_fail(cx, LH_E_NO_MEMORY, "refresher");
    r->opts = *opts;
    r->next_us = 0; /* what became due while nobody looked */
    if (!opts->manual) {
        lh_rc rc = lh_thread_start(cx, "lh-refresh", 0, run, r, &r->thread);
        if (rc != LH_OK) {
            lh_free(r);
            return rc;
        }
    }
    *ret_refresher = r;
    return LH_OK;
}

lh_refresher *lh_refresher_close(lh_refresher *r)
{
    if (!r)
        return NULL;
    lh_cancel_request(&r->stop);
    {
        LH_WITH_LOCK(&r->opts.search->lock);
        lh_cond_broadcast(&r->opts.search->committed);
    }
    lh_thread_join(r->thread);
    while (r->attempts) {
        attempt *next = r->attempts->next;
        lh_free(r->attempts);
        r->attempts = next;
    }
    return lh_free(r);
}
