/* search/search_vectors.c - the vectors of an index: a segment set whose numbers are the rows of
 * its parts, one after another, and beside it what each of them is.
 *
 * A build has a worker make the first segment of all rows; a refresh appends a small one and
 * deletes numbers, in one change, and the set merges behind it on a thread of low priority. */
#include "search/search_private.h"

lhi_vectors *lhi_vectors_unref(lhi_vectors *v)
{
    if (!v || atomic_fetch_sub(&v->references, 1) != 1)
        return NULL;
    lh_vector_set_close(v->set);
    lhi_numbered_done(&v->numbered);
    return lh_free(v);
}

static lh_vector_set_options options_of(const lh_search *search, const lh_index_meta *meta)
{
    const lh_search_settings *s = &search->parts.settings;
    int kind = meta->engine.kind_asked;
    return (lh_vector_set_options){
        .build = {.dimensions = meta->dimensions,
                  .metric = LH_VECTOR_COSINE,
                  .kind = (lh_vector_kind)(kind != LH_VECTOR_AUTO ? kind : s->kind),
                  .ef_construction = meta->engine.ef_construction ? meta->engine.ef_construction
                                                                  : s->ef_construction,
                  .seed = meta->engine.seed ? meta->engine.seed : s->seed},
        .flags = LH_SEGSET_BACKGROUND};
}

lh_rc lhi_vectors_open(lh_ctx *cx, lh_search *search, const lh_index_meta *meta,
                       lhi_vectors **ret_vectors)
{
    lhi_vectors *made = lh_alloc_zero(1, sizeof *made);
    if (!made)
        return lh_fail(cx, LH_E_NO_MEMORY, "vectors of an index");
    atomic_init(&made->references, 1);
    lh_rc rc = lhi_numbered_init(cx, &made->numbered, lh_catalog_store(search->parts.catalog),
                                 meta->set_prefix);
    LH_CLEANUP(lhi_vectors_unref) lhi_vectors *v = made;
    LH_TRY(rc);
    lh_vector_set_options options = options_of(search, meta);
    LH_TRY(lh_vector_set_open(cx, &v->numbered.home, &options, &v->set));
    LH_TRY(lhi_numbered_load(cx, &v->numbered));
    *ret_vectors = LH_TAKE(v);
    return LH_OK;
}

lh_rc lhi_vectors_describe(lh_ctx *cx, const lhi_vectors *v, lh_index_meta *meta)
{
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_vector_set_view(v->set);
    lh_segset_part largest = {.index = NULL};
    uint64_t rows = 0;
    uint64_t live = 0;
    for (size_t i = 0; i < lh_segset_view_count(view); i++) {
        lh_segset_part part = lh_segset_view_part(view, i);
        rows += part.rows;
        live += part.rows_live;
        if (!largest.index || part.rows > largest.rows)
            largest = part;
    }
    if (largest.index)
        LH_TRY(lhi_index_describe(cx, largest.index, meta));
    else
        meta->kind = LH_S("exact");
    meta->engine.segments = (uint32_t)lh_segset_view_count(view);
    meta->engine.rows_dead = rows - live;
    meta->chunks = live;
    return LH_OK;
}

static lh_rc copy_bytes(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const lh_str *bytes = arg;
    return sink.write_at(cx, sink.arg, 0, *bytes);
}

/* An index of before sets: its segment and chunk store become the first of one. Beside a set that
 * was made so already, nothing is left to do. */
lh_rc lhi_vectors_adopt(lh_ctx *cx, lh_search *search, const lh_index_meta *meta,
                        lhi_vectors **ret_vectors)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    LH_CLEANUP(lhi_vectors_unref) lhi_vectors *v = NULL;
    LH_CLEANUP(lh_map_close) lh_map segment = {{NULL, 0}};
    LH_CLEANUP(lh_map_close) lh_map chunks = {{NULL, 0}};
    lh_str path;
    LH_TRY(lh_store_local_path(cx, store, meta->segment_key, &path));
    LH_TRY(lh_map_open(cx, path, &segment));
    LH_TRY(lh_store_local_path(cx, store, meta->chunks_key, &path));
    LH_TRY(lh_map_open(cx, path, &chunks));
    LH_TRY(lhi_vectors_open(cx, search, meta, &v));
    lh_assert(v != NULL);
    if (v->numbered.count == 0) {
        LH_TRY(v->numbered.home.put(cx, v->numbered.home.arg,
                                    lhi_numbered_next_name(cx, &v->numbered), copy_bytes,
                                    &chunks.bytes));
        LH_TRY(lhi_numbered_load_next(cx, &v->numbered));
    }
    lh_segset_stats stats;
    lh_vector_set_get_stats(v->set, &stats);
    if (stats.segments == 0)
        LH_TRY(lh_vector_set_import(cx, v->set, v->numbered.next, segment.bytes));
    *ret_vectors = LH_TAKE(v);
    return LH_OK;
}

lh_str lhi_set_prefix(lh_ctx *cx, const lh_index_meta *meta)
{
    return lh_ctx_fmt(cx, "vectors/%.*s/%.*s/set/", LH_STR_ARG(meta->index_name),
                      LH_STR_ARG(meta->generation));
}

lh_rc lhi_vectors_delete(lh_ctx *cx, lhi_vectors *v, const lh_bitmap *dead)
{
    uint64_t *ids = LH_NEW_ARRAY(cx, uint64_t, LH_SEGSET_BATCH_ROWS_MAX);
    size_t count = 0;
    uint64_t deleted;
    if (!ids)
        return cx->err.rc;
    for (uint64_t row = 0; row < dead->rows; row++) {
        if (lh_bitmap_get(dead, row))
            ids[count++] = row;
        if (count == LH_SEGSET_BATCH_ROWS_MAX || (row + 1 == dead->rows && count > 0)) {
            LH_TRY(lh_vector_set_delete(cx, v->set, ids, count, &deleted));
            count = 0;
        }
    }
    return LH_OK;
}
