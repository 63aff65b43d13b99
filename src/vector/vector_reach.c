/* vector/vector_reach.c - every row can be reached from the leaders, where searches begin: a row
 * that cannot is hung on one that can, nearest in the order of places. */
#include "vector/vector_build_private.h"

typedef struct walk {
    const lhi_build *b;
    uint64_t *seen;
    uint32_t *stack;
    uint64_t depth;
} walk;

static int is_new(walk *w, uint32_t place)
{
    uint64_t bit = 1ull << (place % 64);
    if (w->seen[place / 64] & bit)
        return 0;
    w->seen[place / 64] |= bit;
    return 1;
}

static void spread(walk *w, uint32_t from)
{
    uint32_t degree = w->b->shape.degree;
    if (!is_new(w, from))
        return;
    w->stack[w->depth++] = from;
    while (w->depth > 0) {
        const uint32_t *edges = LHI_U32(w->b->graph) + (uint64_t)w->stack[--w->depth] * degree;
        for (uint32_t i = 0; i < degree && edges[i] != LHI_NO_ROW; i++)
            if (is_new(w, edges[i]))
                w->stack[w->depth++] = edges[i];
    }
}

/* Into a free slot, else over the farthest neighbour. */
static void hang(const lhi_build *b, uint64_t on, uint32_t place)
{
    uint32_t *edges = LHI_U32(b->graph) + on * b->shape.degree;
    uint32_t i = 0;
    while (i < b->shape.degree - 1 && edges[i] != LHI_NO_ROW)
        i++;
    edges[i] = place;
}

lh_rc lhi_build_reach(lhi_build *b)
{
    lh_pages seen = {0};
    lh_pages stack = {0};
    lh_rc rc = lhi_build_pages(b, &seen, b->rows / 64 + 1, sizeof(uint64_t));
    if (rc == LH_OK)
        rc = lhi_build_pages(b, &stack, b->rows, sizeof(uint32_t));
    if (rc == LH_OK) {
        walk w = {.b = b, .seen = seen.ptr, .stack = stack.ptr};
        for (uint32_t l = 0; l < b->lists; l++)
            spread(&w, b->leaders[l]);
        for (uint64_t place = 0; place < b->rows; place++) {
            if (w.seen[place / 64] >> (place % 64) & 1u)
                continue;
            hang(b, place > 0 ? place - 1 : b->leaders[0], (uint32_t)place);
            spread(&w, (uint32_t)place);
        }
    }
    lh_pages_free(&seen);
    lh_pages_free(&stack);
    return rc;
}
