/* text_run.c - sorted runs of postings and reading them back term by term; scratch files.
 *
 * A spilled run, term after term in order of keys, numbers as varints:
 *   key bytes - 1 | key | documents | per document: number minus the one before | tf |
 *   tf positions, each minus the one before it */
#include "text/text_build_private.h"

#include <stdatomic.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 << 10, POSTING_BYTES_MAX = 3 * LHI_TEXT_VARINT_MAX };

void lhi_text_list_reset(lhi_text_list *list)
{
    list->docs.count = 0;
    list->tfs.count = 0;
    list->positions.count = 0;
}

void lhi_text_list_done(lhi_text_list *list)
{
    lhi_text_vec_done(&list->docs);
    lhi_text_vec_done(&list->tfs);
    lhi_text_vec_done(&list->positions);
}

void lhi_text_run_done(lhi_text_run *run)
{
    lh_free(run->keys);
    lh_free(run->key_at);
    lh_free(run->first);
    lh_free(run->postings);
    lh_free(run->doc_map);
    lhi_text_scratch_done(&run->file, &run->path);
    *run = (lhi_text_run){0};
}

/* ---- scratch files ---- */

lh_rc lhi_text_scratch_new(lh_ctx *cx, lh_str folder, uint64_t number, lh_file **ret_file,
                           char **ret_path)
{
    static _Atomic uint64_t made; /* two builders may share a folder */
    lh_str name =
        lh_ctx_fmt(cx, "text-%d-%llu-%llu.run", (int)getpid(),
                   (unsigned long long)atomic_fetch_add(&made, 1), (unsigned long long)number);
    lh_str path = lh_path_join(cx, folder, name);
    if (!path.ptr)
        return LH_E_NO_MEMORY;
    char *copy = lh_strdup(lh_ctx_cstr(cx, path));
    if (!copy)
        return lh_fail(cx, LH_E_NO_MEMORY, "name of a scratch file");
    lh_rc rc = lh_file_open(cx, path, LH_FILE_CREATE_NEW_SECRET, ret_file);
    if (rc != LH_OK) {
        lh_free(copy);
        return rc;
    }
    *ret_path = copy;
    return LH_OK;
}

void lhi_text_scratch_done(lh_file **file, char **path)
{
    if (*file)
        *file = lh_file_close(*file);
    if (*path) {
        lh_arena *arena = lh_arena_new(0);
        if (arena) {
            lh_ctx cx; /* whatever went wrong before, the file goes */
            lh_ctx_init(&cx, arena);
            LH_IGNORE(lh_file_remove(&cx, lh_str_from(*path)));
            lh_arena_free(arena);
        }
        *path = lh_free(*path);
    }
}

typedef struct run_writer {
    lhi_text_run *run;
    uint8_t *buffer;
    size_t len;
} run_writer;

static lh_rc flush_buffer(lh_ctx *cx, run_writer *w)
{
    lh_rc rc = lh_file_write(cx, w->run->file, lh_str_n(w->buffer, w->len));
    w->run->file_bytes += w->len;
    w->len = 0;
    return rc;
}

static lh_rc spill_term(lh_ctx *cx, run_writer *w, uint32_t term)
{
    const lhi_text_run *run = w->run;
    uint64_t at = run->first[term];
    uint64_t end = run->first[term + 1];
    uint32_t key_len = (uint32_t)(run->key_at[term] & 0xFF);
    uint64_t docs = 0;
    uint64_t last = UINT64_MAX;
    for (uint64_t i = at; i < end; i++) {
        docs += run->postings[i] >> 32 != last;
        last = run->postings[i] >> 32;
    }
    w->buffer[w->len++] = (uint8_t)key_len;
    memcpy(w->buffer + w->len, run->keys + (run->key_at[term] >> 8), key_len + 1);
    w->len += key_len + 1;
    w->len += lhi_text_varint_put(docs, w->buffer + w->len);
    uint64_t before = 0;
    while (at < end) {
        uint64_t doc = run->postings[at] >> 32;
        uint64_t tf = 0;
        while (at + tf < end && run->postings[at + tf] >> 32 == doc)
            tf++;
        w->len += lhi_text_varint_put(doc - before, w->buffer + w->len);
        w->len += lhi_text_varint_put(tf, w->buffer + w->len);
        before = doc;
        uint32_t position = 0;
        for (; tf > 0; tf--, at++) {
            uint32_t next = (uint32_t)run->postings[at];
            w->len += lhi_text_varint_put(next - position, w->buffer + w->len);
            position = next;
            if (w->len > BUFFER_BYTES - LHI_TEXT_KEY_MAX - POSTING_BYTES_MAX)
                LH_TRY(flush_buffer(cx, w));
        }
    }
    return LH_OK;
}

lh_rc lhi_text_run_spill(lh_ctx *cx, lhi_text_run *run, lh_str folder, uint32_t number)
{
    run_writer w = {.run = run, .buffer = lh_alloc(BUFFER_BYTES)};
    if (!w.buffer)
        return lh_fail(cx, LH_E_NO_MEMORY, "buffer of a run");
    lh_rc rc = lhi_text_scratch_new(cx, folder, number, &run->file, &run->path);
    for (uint32_t term = 0; rc == LH_OK && term < run->terms_count; term++) {
        if (run->first[term] < run->first[term + 1])
            rc = spill_term(cx, &w, term);
        if (rc == LH_OK && term % 4096 == 0)
            rc = lh_ctx_check(cx);
    }
    if (rc == LH_OK)
        rc = flush_buffer(cx, &w);
    lh_free(w.buffer);
    if (rc == LH_OK) {
        run->keys = lh_free(run->keys);
        run->key_at = lh_free(run->key_at);
        run->first = lh_free(run->first);
        run->postings = lh_free(run->postings);
        run->bytes = 0;
    }
    return rc;
}

/* ---- reading ---- */

lh_rc lhi_text_source_open(lh_ctx *cx, lhi_text_source *src, const lhi_text_run *run)
{
    src->run = run;
    if (run->file && !(src->buffer = lh_alloc(BUFFER_BYTES)))
        return lh_fail(cx, LH_E_NO_MEMORY, "buffer of a run");
    return lhi_text_source_next(cx, src);
}

void lhi_text_source_done(lhi_text_source *src)
{
    lh_free(src->buffer);
    lh_free(src->cursor);
    *src = (lhi_text_source){0};
}

/* At least `want` bytes in the buffer, or all that the file has left. */
static lh_rc fill(lh_ctx *cx, lhi_text_source *src, size_t want)
{
    if (src->buffer_len - src->buffer_at >= want)
        return LH_OK;
    memmove(src->buffer, src->buffer + src->buffer_at, src->buffer_len - src->buffer_at);
    src->buffer_len -= src->buffer_at;
    src->buffer_at = 0;
    size_t room = BUFFER_BYTES - src->buffer_len;
    size_t left = (size_t)LH_MIN((uint64_t)room, src->run->file_bytes - src->offset);
    LH_TRY(lh_file_read_at(cx, src->run->file, src->offset, src->buffer + src->buffer_len, left));
    src->offset += left;
    src->buffer_len += left;
    return LH_OK;
}

static lh_rc take_number(lh_ctx *cx, lhi_text_source *src, uint64_t *ret)
{
    const uint8_t *at = src->buffer + src->buffer_at;
    if (!lhi_text_varint_get(&at, src->buffer + src->buffer_len, ret))
        return lh_fail(cx, LH_E_IO, "a scratch file of the text index was changed");
    src->buffer_at = (size_t)(at - src->buffer);
    return LH_OK;
}

static lh_rc next_spilled(lh_ctx *cx, lhi_text_source *src)
{
    LH_TRY(fill(cx, src, LHI_TEXT_KEY_MAX + 1));
    if (src->buffer_at == src->buffer_len) {
        src->key_len = 0;
        return LH_OK;
    }
    src->key_len = src->buffer[src->buffer_at++] + 1u;
    if (src->key_len > src->buffer_len - src->buffer_at)
        return lh_fail(cx, LH_E_IO, "a scratch file of the text index was changed");
    memcpy(src->key, src->buffer + src->buffer_at, src->key_len);
    src->buffer_at += src->key_len;
    return LH_OK;
}

lh_rc lhi_text_source_next(lh_ctx *cx, lhi_text_source *src)
{
    const lhi_text_run *run = src->run;
    if (run->file)
        return next_spilled(cx, src);
    if (run->segment)
        return lhi_text_segment_next(cx, src);
    while (src->next < run->terms_count && run->first[src->next] == run->first[src->next + 1])
        src->next++; /* only met in a document that was refused */
    src->key_len = 0;
    if (src->next < run->terms_count) {
        src->key_len = (uint32_t)(run->key_at[src->next] & 0xFF) + 1;
        memcpy(src->key, run->keys + (run->key_at[src->next] >> 8), src->key_len);
        src->next++;
    }
    return LH_OK;
}

static lh_rc read_spilled(lh_ctx *cx, lhi_text_source *src, lhi_text_list *list)
{
    uint64_t docs = 0;
    uint64_t doc = 0;
    LH_TRY(fill(cx, src, LHI_TEXT_VARINT_MAX));
    LH_TRY(take_number(cx, src, &docs));
    LH_TRY(lhi_text_vec_reserve(cx, &list->docs, (size_t)docs, sizeof(uint32_t)));
    LH_TRY(lhi_text_vec_reserve(cx, &list->tfs, (size_t)docs, sizeof(uint32_t)));
    for (; docs > 0; docs--) {
        uint64_t delta = 0;
        uint64_t tf = 0;
        LH_TRY(fill(cx, src, POSTING_BYTES_MAX));
        LH_TRY(take_number(cx, src, &delta));
        LH_TRY(take_number(cx, src, &tf));
        doc += delta;
        ((uint32_t *)list->docs.items)[list->docs.count++] = (uint32_t)doc + src->run->doc_base;
        ((uint32_t *)list->tfs.items)[list->tfs.count++] = (uint32_t)tf;
        LH_TRY(lhi_text_vec_reserve(cx, &list->positions, (size_t)tf, sizeof(uint32_t)));
        uint32_t position = 0;
        for (; tf > 0; tf--) {
            LH_TRY(fill(cx, src, LHI_TEXT_VARINT_MAX));
            LH_TRY(take_number(cx, src, &delta));
            position += (uint32_t)delta;
            ((uint32_t *)list->positions.items)[list->positions.count++] = position;
        }
    }
    return LH_OK;
}

static lh_rc read_memory(lh_ctx *cx, lhi_text_source *src, lhi_text_list *list)
{
    const lhi_text_run *run = src->run;
    uint64_t at = run->first[src->next - 1];
    uint64_t end = run->first[src->next];
    size_t count = (size_t)(end - at);
    LH_TRY(lhi_text_vec_reserve(cx, &list->docs, count, sizeof(uint32_t)));
    LH_TRY(lhi_text_vec_reserve(cx, &list->tfs, count, sizeof(uint32_t)));
    LH_TRY(lhi_text_vec_reserve(cx, &list->positions, count, sizeof(uint32_t)));
    uint32_t *docs = (uint32_t *)list->docs.items + list->docs.count;
    uint32_t *tfs = (uint32_t *)list->tfs.items + list->tfs.count;
    uint32_t *positions = (uint32_t *)list->positions.items + list->positions.count;
    size_t n = 0;
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        uint64_t entry = run->postings[at + i];
        positions[i] = (uint32_t)entry;
        if (entry >> 32 != before) {
            before = entry >> 32;
            docs[n] = (uint32_t)before + run->doc_base;
            tfs[n++] = 0;
        }
        tfs[n - 1]++;
    }
    list->docs.count += n;
    list->tfs.count += n;
    list->positions.count += count;
    return LH_OK;
}

lh_rc lhi_text_source_read(lh_ctx *cx, lhi_text_source *src, lhi_text_list *list)
{
    if (src->run->file)
        return read_spilled(cx, src, list);
    return src->run->segment ? lhi_text_segment_read(cx, src, list) : read_memory(cx, src, list);
}

/* ---- spool ---- */

lh_rc lhi_text_spool_put(lh_ctx *cx, lhi_text_spool *spool, const void *bytes, size_t count)
{
    if (spool->bytes.count + count > spool->memory_max && spool->folder.len > 0 &&
        spool->bytes.count > 0) {
        if (!spool->file)
            LH_TRY(lhi_text_scratch_new(cx, spool->folder, 0, &spool->file, &spool->path));
        LH_TRY(lh_file_write(cx, spool->file, lh_str_n(spool->bytes.items, spool->bytes.count)));
        spool->bytes.count = 0;
    }
    LH_TRY(lhi_text_vec_append(cx, &spool->bytes, bytes, count, 1));
    spool->total += count;
    return LH_OK;
}

lh_rc lhi_text_spool_write(lh_ctx *cx, lhi_text_spool *spool, lh_container_writer *writer)
{
    uint64_t in_file = spool->total - spool->bytes.count;
    uint8_t *buffer = in_file > 0 ? lh_alloc(BUFFER_BYTES) : NULL;
    if (in_file > 0 && !buffer)
        return lh_fail(cx, LH_E_NO_MEMORY, "buffer of a scratch file");
    lh_rc rc = LH_OK;
    for (uint64_t at = 0; at < in_file && rc == LH_OK;) {
        size_t part = (size_t)LH_MIN(in_file - at, (uint64_t)BUFFER_BYTES);
        rc = lh_file_read_at(cx, spool->file, at, buffer, part);
        if (rc == LH_OK)
            rc = lh_container_section_write(cx, writer, lh_str_n(buffer, part));
        at += part;
    }
    lh_free(buffer);
    LH_TRY(rc);
    return lh_container_section_write(cx, writer, lh_str_n(spool->bytes.items, spool->bytes.count));
}

void lhi_text_spool_done(lhi_text_spool *spool)
{
    lhi_text_vec_done(&spool->bytes);
    lhi_text_scratch_done(&spool->file, &spool->path);
}
