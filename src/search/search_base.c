/* search/search_base.c - what a refresh keeps: chunks of the source that the current generation
 * holds already.
 *
 * A chunk is kept when id, number and text are the same; texts are compared, not hashes. Every
 * stored row is claimed at most once, so that ids that come twice stay two. What nobody claimed is
 * gone from the source. */
#include "base/clock.h"
#include "search/search_private.h"

#define DEAD_KIND    LH_S("index-dead")
#define DEAD_VERSION 1u

lh_rc lhi_base_init(lh_ctx *cx, lhi_base *base, lhi_generation *generation)
{
    *base = (lhi_base){.generation = generation};
    if (!generation)
        return LH_OK;
    base->view = lh_vector_set_view(generation->vectors->set);
    LH_TRY(lhi_numbered_known(cx, &generation->vectors->numbered, &base->known));
    for (size_t i = 0; i < lh_segset_view_count(base->view); i++)
        base->live += lh_segset_view_part(base->view, i).rows_live;
    base->claimed.rows = base->known.end;
    base->claimed.words = LH_NEW_ARRAY(cx, uint64_t, (size_t)(base->claimed.rows / 64 + 1));
    return base->claimed.words ? LH_OK : cx->err.rc;
}

static void note_candidate(void *arg, uint64_t row)
{
    lhi_base *base = arg;
    size_t part;
    uint64_t at;
    if (!lh_segset_view_find(base->view, row, &part, &at))
        return; /* it is gone */
    if (base->candidates_count == base->candidates_capacity) {
        size_t capacity = base->candidates_capacity ? base->candidates_capacity * 2 : 64;
        uint64_t *rows = lh_realloc_array(base->candidates, capacity, sizeof *rows);
        if (!rows) {
            base->out_of_memory = 1;
            return;
        }
        base->candidates = rows;
        base->candidates_capacity = capacity;
    }
    base->candidates[base->candidates_count++] = row;
}

lh_rc lhi_base_row(lh_ctx *cx, lhi_base *base, lh_str id)
{
    base->candidates_count = 0;
    base->candidates_at = 0;
    if (!base->generation)
        return LH_OK;
    LH_TRY(lhi_known_find(cx, &base->known, id, note_candidate, base));
    if (base->out_of_memory)
        return lh_fail(cx, LH_E_NO_MEMORY, "rows of one id");
    return LH_OK;
}

/* Chunks of a row were stored one after another: the next candidate is nearly always it. */
lh_rc lhi_base_keep(lh_ctx *cx, lhi_base *base, uint32_t chunk_no, lh_str text, int *ret_kept)
{
    *ret_kept = 0;
    for (size_t i = 0; i < base->candidates_count; i++) {
        size_t at = (base->candidates_at + i) % base->candidates_count;
        uint64_t row = base->candidates[at];
        lh_chunk_row have;
        if (lh_bitmap_get(&base->claimed, row))
            continue;
        LH_TRY(lhi_known_row(cx, &base->known, row, &have));
        if (have.chunk_no != chunk_no || !lh_str_eq(have.text, text))
            continue;
        lh_bitmap_set(&base->claimed, row);
        base->candidates_at = at + 1;
        base->kept++;
        *ret_kept = 1;
        return LH_OK;
    }
    return LH_OK;
}

void lhi_base_done(lhi_base *base)
{
    base->candidates = lh_free(base->candidates);
    base->view = lh_segset_view_unref(base->view);
}

/* ---- rows of parts that are dead ---- */

uint64_t lhi_rows_of_parts(const lh_list *parts)
{
    const lh_index_part *items = parts->items;
    uint64_t rows = 0;
    for (size_t i = 0; i < parts->count; i++)
        rows += items[i].rows;
    return rows;
}

lh_rc lhi_dead_read(lh_ctx *cx, lh_store *store, const lh_index_meta *meta, lh_bitmap *ret_dead)
{
    lh_bitmap dead = {.rows = lhi_rows_of_parts(&meta->parts)};
    size_t words = (size_t)(dead.rows / 64 + 1);
    dead.words = LH_NEW_ARRAY(cx, uint64_t, words);
    if (!dead.words)
        return cx->err.rc;
    if (meta->dead_key.len > 0) {
        LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
        lh_str path;
        lh_container c;
        lh_str bits;
        LH_TRY(lh_store_local_path(cx, store, meta->dead_key, &path));
        LH_TRY(lh_map_open(cx, path, &map));
        LH_TRY(lh_container_open(cx, map.bytes, DEAD_KIND, &c));
        LH_TRY(lh_container_verify(cx, &c));
        LH_TRY(lh_container_get(cx, &c, LH_S("bits"), sizeof(uint64_t), &bits));
        if (c.kind_version != DEAD_VERSION || bits.len != words * sizeof(uint64_t))
            return lh_fail(cx, LH_E_CORRUPT, "dead rows of the index do not fit its parts");
        memcpy(dead.words, bits.ptr, bits.len);
    }
    *ret_dead = dead;
    return LH_OK;
}

int lhi_base_has(const lhi_base *base, const lhi_plan *plan)
{
    uint64_t before = lhi_rows_of_parts(&base->generation->meta.parts);
    uint64_t more = lhi_rows_of_parts(&plan->parts);
    size_t part;
    uint64_t row;
    return more > 0 && base->known.end == before + more &&
           lh_segset_view_find(base->view, base->known.end - 1, &part, &row);
}

/* Of an index of before sets whose parts had dead rows: its numbers are the live ones in order. */
static lh_rc dead_by_order(lh_ctx *cx, const lhi_base *base, const lh_bitmap *before,
                           lh_bitmap *dead)
{
    uint64_t live = 0;
    for (uint64_t row = 0; row < before->rows; row++) {
        int was_live = !lh_bitmap_get(before, row);
        if (was_live && live >= base->claimed.rows)
            return lh_fail(cx, LH_E_CORRUPT, "parts and rows of the index do not fit");
        if (!was_live || !lh_bitmap_get(&base->claimed, live))
            lh_bitmap_set(dead, row);
        live += (uint64_t)was_live;
    }
    if (live != base->claimed.rows)
        return lh_fail(cx, LH_E_CORRUPT, "parts and rows of the index do not fit");
    return LH_OK;
}

/* Rows of the old parts that nobody claimed; those of new parts live. */
lh_rc lhi_dead_find(lh_ctx *cx, lh_store *store, const lhi_base *base, const lh_list *all_parts,
                    lh_bitmap *ret_dead)
{
    const lh_index_meta *meta = &base->generation->meta;
    lh_bitmap before = {0};
    lh_bitmap dead = {.rows = lhi_rows_of_parts(all_parts)};
    LH_TRY(lhi_dead_read(cx, store, meta, &before));
    dead.words = LH_NEW_ARRAY(cx, uint64_t, (size_t)(dead.rows / 64 + 1));
    if (!dead.words)
        return cx->err.rc;
    if (base->known.end < before.rows)
        LH_TRY(dead_by_order(cx, base, &before, &dead));
    else
        for (uint64_t row = 0; row < before.rows; row++)
            if (!lh_bitmap_get(&base->claimed, row))
                lh_bitmap_set(&dead, row);
    *ret_dead = dead;
    return LH_OK;
}

static lh_rc write_dead(lh_ctx *cx, lh_staged *staged, const lh_bitmap *dead)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, lh_staged_path(staged), LH_FILE_READ_WRITE, &file));
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    uint64_t bytes;
    LH_TRY(lh_container_writer_new(cx, lh_file_container_sink(file), DEAD_KIND, DEAD_VERSION, &w));
    LH_TRY(lh_container_add(cx, w, LH_S("bits"), sizeof(uint64_t),
                            lh_str_n(dead->words, (dead->rows / 64 + 1) * sizeof(uint64_t))));
    return lh_container_finish(cx, w, &bytes);
}

lh_rc lhi_dead_write(lh_ctx *cx, lh_store *store, const lhi_plan *plan, const lh_bitmap *dead,
                     lh_index_meta *meta)
{
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    lh_object_sum sum;
    LH_TRY(lh_store_stage(cx, store, &staged));
    LH_TRY(write_dead(cx, staged, dead));
    meta->dead_key =
        lh_ctx_fmt(cx, "vectors/%.*s/%.*s/%llx-dead.lhc", LH_STR_ARG(plan->request.index_name),
                   LH_STR_ARG(plan->generation), (unsigned long long)lh_clock_real_us());
    LH_TRY(lh_staged_publish(cx, staged, meta->dead_key, &sum));
    meta->dead_sha256 = lh_ctx_dup(cx, lh_str_from(sum.sha256));
    return LH_OK;
}
