/* vector/vector_scratch.c - memory of searches, lent and returned: no search pays for allocation,
 * and there are as many scratches as there were searches at once. */
#include "vector/vector_walk_private.h"

static void *take(uint8_t **at, size_t bytes)
{
    void *taken = *at;
    *at += (bytes + 63) / 64 * 64;
    return taken;
}

static size_t visited_bytes(const lh_vector_index *x)
{
    return x->graph ? (size_t)(x->meta.rows / 64 + 1) * 8 : 8;
}

static lh_rc make(lh_ctx *cx, const lh_vector_index *x, lhi_scratch **ret)
{
    size_t padded = x->meta.padded;
    size_t table = x->kernels->search.b1_table_bytes(padded);
    size_t bits = (size_t)(x->meta.rows / 64 + 2) * 8;
    size_t pool = (LHI_EF_MAX + 1) * sizeof(lhi_near);
    lhi_scratch *s = lh_alloc_zero(1, sizeof *s);
    if (!s)
        return lh_fail(cx, LH_E_NO_MEMORY, "a search");
    size_t bytes = padded * (sizeof(float) + 2) + table + visited_bytes(x) + 2 * pool + 2 * bits +
                   16 * 64 + (x->meta.lists + LHI_NEAR_LISTS) * sizeof(uint32_t);
    if (!lh_pages_alloc(&s->memory, bytes)) {
        lh_free(s);
        return lh_fail(cx, LH_E_NO_MEMORY, "a search: %zu bytes", bytes);
    }
    uint8_t *at = s->memory.ptr;
    s->query.values = take(&at, padded * sizeof(float));
    s->query.i8 = take(&at, padded);
    s->query.b1 = take(&at, padded);
    s->query.table = take(&at, table);
    s->visited = take(&at, visited_bytes(x));
    s->pool = take(&at, pool);
    s->answers = take(&at, pool);
    s->blocks = take(&at, bits);
    s->allowed = take(&at, bits);
    s->lists = take(&at, (x->meta.lists + LHI_NEAR_LISTS) * sizeof(uint32_t));
    *ret = s;
    return LH_OK;
}

/* The list is part of the index's inside, which does not show. */
static lh_vector_index *inside(const lh_vector_index *index)
{
    return (lh_vector_index *)(uintptr_t)index;
}

lh_rc lhi_scratch_get(lh_ctx *cx, const lh_vector_index *index, lhi_scratch **ret_scratch)
{
    lh_vector_index *x = inside(index);
    lhi_scratch *s;
    {
        LH_WITH_LOCK(&x->scratch_lock);
        s = x->scratches;
        if (s)
            x->scratches = s->next;
    }
    if (!s)
        LH_TRY(make(cx, index, &s));
    *ret_scratch = s;
    return LH_OK;
}

void lhi_scratch_put(const lh_vector_index *index, lhi_scratch *scratch)
{
    lh_vector_index *x = inside(index);
    LH_WITH_LOCK(&x->scratch_lock);
    scratch->next = x->scratches;
    x->scratches = scratch;
}

lh_rc lhi_scratch_keys(lh_ctx *cx, lhi_scratch *scratch, size_t keys)
{
    if (scratch->keys_max >= keys)
        return LH_OK;
    lh_pages_free(&scratch->keys_memory);
    scratch->keys_max = 0;
    if (!lh_pages_alloc(&scratch->keys_memory, keys * sizeof *scratch->keys))
        return lh_fail(cx, LH_E_NO_MEMORY, "a search: %zu candidates", keys);
    scratch->keys = scratch->keys_memory.ptr;
    scratch->keys_max = keys;
    return LH_OK;
}

void lhi_scratch_free_all(lh_vector_index *index)
{
    while (index->scratches) {
        lhi_scratch *s = index->scratches;
        index->scratches = s->next;
        lh_pages_free(&s->memory);
        lh_pages_free(&s->keys_memory);
        lh_free(s);
    }
}
