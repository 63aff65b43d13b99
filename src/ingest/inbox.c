/* ingest/inbox.c - files dropped into a folder become datasets; then they move to processed/ or
 * failed/.
 *
 * A file is taken when its size and time did not change between two looks, so half-copied files
 * wait. It is copied to staging while it is hashed, and moved only after its job ended: a crash
 * before that takes it again, and then the hash says that nothing is to do. A failed file gets
 * NAME.error.json beside it. */
#include "base/clock.h"
#include "base/log.h"
#include "ingest/ingest_private.h"
#include "os/file.h"
#include "os/thread.h"

#define INBOX_ARENA_BYTES (64u * 1024u * 1024u)

typedef struct seen_file {
    char *name;
    uint64_t bytes;
    int64_t modified_us;
    char *job_id; /* NULL until it was taken */
    int present;  /* in the look that goes on */
    struct seen_file *next;
} seen_file;

struct lh_inbox {
    lh_ingest *ingest;
    lh_arena *arena; /* of the texts below */
    lh_str folder;
    lh_str processed;
    lh_str failed;
    int64_t poll_us;
    const struct lh_principal *principal;
    lh_thread *thread;
    lh_mutex lock;
    lh_cond wake;
    int stopping;
    lh_cancel cancel;
    seen_file *seen;
};

static seen_file *seen_free(seen_file *file)
{
    lh_free(file->name);
    lh_free(file->job_id);
    return lh_free(file);
}

static seen_file *find_seen(lh_inbox *inbox, lh_str name)
{
    for (seen_file *f = inbox->seen; f; f = f->next) {
        if (lh_str_eq(lh_str_from(f->name), name))
            return f;
    }
    return NULL;
}

static lh_rc take(lh_ctx *cx, lh_inbox *inbox, seen_file *file)
{
    lh_ingest_request request = {.file_name = lh_str_from(file->name),
                                 .mode = LH_INGEST_REPLACE,
                                 .source_system = LH_S("inbox"),
                                 .principal = inbox->principal,
                                 .actor = LH_S("inbox")};
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    lh_str path = lh_path_join(cx, inbox->folder, lh_str_from(file->name));
    LH_TRY(lh_ingest_stage_file(cx, inbox->ingest, path, &staged, &request.sha256));
    lh_str job_id;
    LH_TRY(lh_ingest_start(cx, inbox->ingest, staged, &request, &job_id));
    LH_IGNORE(LH_TAKE(staged));
    file->job_id = lh_alloc(job_id.len + 1);
    if (!file->job_id)
        return lh_fail(cx, LH_E_NO_MEMORY, "inbox");
    memcpy(file->job_id, job_id.ptr, job_id.len);
    file->job_id[job_id.len] = '\0';
    return LH_OK;
}

/* Moves the file away; a name that is taken there gets the time in front. */
static lh_rc move_away(lh_ctx *cx, lh_inbox *inbox, const seen_file *file, lh_str folder,
                       lh_str *ret_path)
{
    lh_str from = lh_path_join(cx, inbox->folder, lh_str_from(file->name));
    lh_str to = lh_path_join(cx, folder, lh_str_from(file->name));
    lh_rc rc = lh_file_move_new(cx, from, to);
    if (rc == LH_E_ALREADY_EXISTS) {
        to = lh_path_join(cx, folder,
                          lh_ctx_fmt(cx, "%lld-%s", (long long)lh_clock_real_us(), file->name));
        rc = lh_file_move_new(cx, from, to);
    }
    *ret_path = to;
    return rc;
}

static lh_rc finish_failed(lh_ctx *cx, lh_inbox *inbox, const seen_file *file, lh_str error_json)
{
    lh_str path;
    LH_TRY(move_away(cx, inbox, file, inbox->failed, &path));
    lh_str error_path = lh_ctx_fmt(cx, "%.*s.error.json", LH_STR_ARG(path));
    return lh_file_replace(cx, error_path, error_json);
}

static lh_rc finish_job(lh_ctx *cx, lh_inbox *inbox, seen_file *file, int *ret_gone)
{
    lh_job_view view;
    lh_rc rc = lh_jobs_get(cx, inbox->ingest->jobs, lh_str_from(file->job_id), &view);
    if (rc == LH_E_NOT_FOUND) { /* forgotten: look at the file again */
        *ret_gone = 1;
        return LH_OK;
    }
    LH_TRY(rc);
    if (view.state == LH_JOB_QUEUED || view.state == LH_JOB_RUNNING)
        return LH_OK;
    *ret_gone = 1;
    lh_str path;
    if (view.state == LH_JOB_DONE)
        return move_away(cx, inbox, file, inbox->processed, &path);
    return finish_failed(cx, inbox, file, view.error);
}

static lh_rc note(lh_ctx *cx, lh_inbox *inbox, const lh_dir_entry *entry)
{
    seen_file *file = lh_alloc_zero(1, sizeof *file);
    if (!file)
        return lh_fail(cx, LH_E_NO_MEMORY, "inbox");
    file->name = lh_alloc(entry->name.len + 1);
    if (!file->name) {
        seen_free(file);
        return lh_fail(cx, LH_E_NO_MEMORY, "inbox");
    }
    memcpy(file->name, entry->name.ptr, entry->name.len);
    file->name[entry->name.len] = '\0';
    file->bytes = entry->bytes;
    file->modified_us = entry->modified_us;
    file->present = 1;
    file->next = inbox->seen;
    inbox->seen = file;
    return LH_OK;
}

/* The same fields as the error of a job. */
static lh_rc write_reason(lh_ctx *cx, lh_buf *json)
{
    const lh_err err = cx->err; /* the writer may say its own */
    lh_json_writer w;
    lh_jw_init(&w, cx, json);
    lh_jw_object_begin(&w);
    lh_jw_kv_str(&w, LH_S("code"), lh_str_from(lh_rc_code(err.rc)));
    lh_jw_kv_str(&w, LH_S("message"), lh_str_from(err.message));
    lh_jw_kv_str(&w, LH_S("hint"), lh_str_from(err.hint));
    lh_jw_kv_str(&w, LH_S("field"), lh_str_from(err.field));
    lh_jw_object_end(&w);
    return lh_jw_end(&w);
}

static lh_rc look_at(lh_ctx *cx, lh_inbox *inbox, const lh_dir_entry *entry)
{
    if (entry->is_dir || entry->name.len == 0 || entry->name.ptr[0] == '.')
        return LH_OK;
    seen_file *file = find_seen(inbox, entry->name);
    if (!file)
        return note(cx, inbox, entry);
    file->present = 1;
    if (file->job_id)
        return LH_OK;
    if (file->bytes != entry->bytes || file->modified_us != entry->modified_us) {
        file->bytes = entry->bytes;
        file->modified_us = entry->modified_us;
        return LH_OK;
    }
    lh_rc rc = take(cx, inbox, file);
    if (rc == LH_OK || lh_rc_retryable(rc) || rc == LH_E_CANCELLED)
        return rc;
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 64u * 1024u);
    LH_TRY(write_reason(cx, &json));
    file->present = 0;
    return finish_failed(cx, inbox, file, lh_buf_str(&json));
}

static lh_rc look(lh_ctx *cx, lh_inbox *inbox)
{
    lh_dir_entry *entries;
    size_t count;
    LH_TRY(lh_dir_list(cx, inbox->folder, &entries, &count));
    for (seen_file *f = inbox->seen; f; f = f->next)
        f->present = 0;
    lh_rc rc = LH_OK;
    for (size_t i = 0; i < count && rc != LH_E_CANCELLED; i++)
        rc = look_at(cx, inbox, &entries[i]);
    for (seen_file **at = &inbox->seen; *at;) {
        int gone = !(*at)->present;
        if (!gone && (*at)->job_id)
            LH_IGNORE(finish_job(cx, inbox, *at, &gone));
        if (!gone) {
            at = &(*at)->next;
            continue;
        }
        seen_file *next = (*at)->next;
        seen_free(*at);
        *at = next;
    }
    return rc;
}

static int wait_for_next(lh_inbox *inbox)
{
    int64_t until_us = lh_clock_mono_us() + inbox->poll_us;
    LH_WITH_LOCK(&inbox->lock);
    while (!inbox->stopping && lh_cond_wait_until(&inbox->wake, &inbox->lock, until_us))
        ;
    return !inbox->stopping;
}

static void inbox_thread(void *arg)
{
    lh_inbox *inbox = arg;
    lh_arena *arena = lh_arena_new(INBOX_ARENA_BYTES);
    if (!arena)
        return;
    do {
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        cx.cancel = &inbox->cancel;
        cx.principal = inbox->principal;
        lh_rc rc = look(&cx, inbox);
        if (rc != LH_OK && rc != LH_E_CANCELLED)
            LH_LOG(&cx, INGEST_FAILED, LH_KS("code", lh_str_from(lh_rc_code(rc))),
                   LH_KS("message", lh_str_from(cx.err.message)));
        lh_arena_reset(arena);
    } while (wait_for_next(inbox));
    lh_arena_free(arena);
}

lh_rc lh_inbox_open(lh_ctx *cx, lh_ingest *ingest, const lh_inbox_options *opts,
                    lh_inbox **ret_inbox)
{
    lh_inbox *inbox = lh_alloc_zero(1, sizeof *inbox);
    if (!inbox)
        return lh_fail(cx, LH_E_NO_MEMORY, "inbox");
    inbox->ingest = ingest;
    inbox->poll_us = opts->poll_us;
    inbox->principal = opts->principal;
    lh_mutex_init(&inbox->lock);
    lh_cond_init(&inbox->wake);
    inbox->arena = lh_arena_new(0);
    lh_rc rc = inbox->arena ? LH_OK : lh_fail(cx, LH_E_NO_MEMORY, "inbox");
    if (rc == LH_OK) {
        lh_ctx own;
        lh_ctx_init(&own, inbox->arena);
        inbox->folder = lh_ctx_dup(&own, opts->folder);
        inbox->processed = lh_path_join(&own, opts->folder, LH_S("processed"));
        inbox->failed = lh_path_join(&own, opts->folder, LH_S("failed"));
        rc = lh_dir_make(cx, inbox->processed);
    }
    if (rc == LH_OK)
        rc = lh_dir_make(cx, inbox->failed);
    if (rc == LH_OK)
        rc = lh_thread_start(cx, "lh-inbox", 0, inbox_thread, inbox, &inbox->thread);
    if (rc != LH_OK) {
        lh_inbox_close(inbox);
        return rc;
    }
    *ret_inbox = inbox;
    return LH_OK;
}

lh_inbox *lh_inbox_close(lh_inbox *inbox)
{
    if (!inbox)
        return NULL;
    {
        LH_WITH_LOCK(&inbox->lock);
        inbox->stopping = 1;
        lh_cancel_request(&inbox->cancel);
        lh_cond_broadcast(&inbox->wake);
    }
    lh_thread_join(inbox->thread);
    while (inbox->seen) {
        seen_file *next = inbox->seen->next;
        seen_free(inbox->seen);
        inbox->seen = next;
    }
    lh_mutex_done(&inbox->lock);
    lh_cond_done(&inbox->wake);
    lh_arena_free(inbox->arena);
    return lh_free(inbox);
}
