/* vector/vector_diverse.c - answers that are near and unlike one another: maximal marginal
 * relevance (Carbonell and Goldstein, SIGIR 1998) on exact scores.
 *
 * Each step takes the candidate with the best (1 - weight) x score - weight x its likeness to the
 * most alike answer taken so far. */
#include "vector/vector_run_private.h"

#include <math.h>

typedef struct diverse {
    lh_ctx *cx;
    const lh_vector_index *index;
    lhi_vector_best *from;
    float *alike; /* to the most alike answer */
    float *values;
} diverse;

static lh_rc see_taken(diverse *d, uint64_t row)
{
    const lh_vector_index *x = d->index;
    LH_TRY(lh_vector_index_row(d->cx, x, row, d->values));
    for (uint32_t i = 0; x->inverse_norms && i < x->meta.dimensions; i++)
        d->values[i] *= x->inverse_norms[row];
    for (uint32_t i = 0; i < d->from->count; i++) {
        LH_TRY(lhi_vector_check_row(d->cx, x, d->from->hits[i].row));
        float s = lhi_vector_exact(x, d->values, d->from->hits[i].row);
        d->alike[i] = s > d->alike[i] ? s : d->alike[i];
    }
    return LH_OK;
}

lh_rc lhi_vector_diversify(lh_ctx *cx, const lh_vector_index *index, float weight,
                           lhi_vector_best *from, lhi_vector_best *to)
{
    diverse d = {.cx = cx, .index = index, .from = from};
    uint8_t *taken = LH_NEW_ARRAY(cx, uint8_t, (size_t)from->count + 1);
    d.alike = LH_NEW_ARRAY(cx, float, (size_t)from->count + 1);
    d.values = LH_NEW_ARRAY(cx, float, index->meta.dimensions);
    if (!taken || !d.alike || !d.values)
        return cx->err.rc;
    for (uint32_t i = 0; i < from->count; i++)
        d.alike[i] = -INFINITY;
    while (to->count < LH_MIN(to->k, from->count)) {
        uint32_t best = from->count;
        float best_value = -INFINITY;
        for (uint32_t i = 0; i < from->count; i++) {
            float alike = to->count > 0 ? weight * d.alike[i] : 0;
            float value = (1 - weight) * from->hits[i].score - alike;
            if (!taken[i] && (best == from->count || value > best_value)) {
                best = i;
                best_value = value;
            }
        }
        taken[best] = 1;
        to->hits[to->count++] = from->hits[best];
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(see_taken(&d, from->hits[best].row));
    }
    return LH_OK;
}
