/* vector/vector_partition.c - leaders, the rows near each, and an order of rows in which neighbours
 * stand together.
 *
 * Leaders are random rows (no training). Scores of rows with leaders are products of int8 panels.
 * From 1,500 leaders on a row looks only at the leaders near its super leader, so the work grows
 * with rows x sqrt(leaders). */
#include "vector/vector_build_private.h"

#include <math.h>

#define STRIPS_PER_PIECE 32u

/* Leaders a strip of rows is compared with, packed. */
typedef struct panel_set {
    lh_pages panels;
    int32_t *norms;      /* padded to whole panels */
    const uint32_t *ids; /* what a column stands for; NULL: itself */
    uint32_t count;
} panel_set;

typedef struct choice {
    int32_t score;
    uint32_t id;
} choice;

typedef struct strip {
    const lhi_build *b;
    const panel_set *set;
    uint32_t wanted;
    uint32_t *out; /* row x wanted */
    uint8_t *left;
    uint8_t *panel;
} strip;

/* Best first; equal scores by the lower number. Returns the new count. */
static uint32_t insert(choice *best, uint32_t count, uint32_t wanted, choice c)
{
    if (count == wanted) {
        const choice *last = &best[count - 1];
        if (c.score < last->score || (c.score == last->score && c.id > last->id))
            return count;
        count--;
    }
    uint32_t at = count;
    while (at > 0 && (best[at - 1].score < c.score ||
                      (best[at - 1].score == c.score && best[at - 1].id > c.id))) {
        best[at] = best[at - 1];
        at--;
    }
    best[at] = c;
    return count + 1;
}

/* The nearest leaders of up to 16 rows: 2 <x, l> - |l|^2, which orders by distance. */
static void assign_strip(const strip *s, const uint32_t *rows, uint32_t count)
{
    const lhi_build *b = s->b;
    const lh_vector_build_kernels *k = &b->kernels->build;
    const uint8_t *at[LH_VECTOR_PANEL];
    LHI_UNSET choice best[LH_VECTOR_PANEL][LHI_OVERLAP_MAX];
    uint32_t found[LH_VECTOR_PANEL] = {0};
    LHI_UNSET int32_t value[256];
    LHI_UNSET int32_t scores[LH_VECTOR_PANEL];
    size_t panel_bytes = k->panel_bytes(b->padded);
    for (uint32_t r = 0; r < LH_VECTOR_PANEL; r++)
        at[r] = lhi_i8(b, rows[LH_MIN(r, count - 1)]);
    k->pack(s->panel, at, b->padded);
    k->unbias(s->left, s->panel, b->padded);
    for (uint32_t p = 0; p * LH_VECTOR_PANEL < s->set->count; p++) {
        uint32_t base = p * LH_VECTOR_PANEL;
        k->multiply(s->left, (const uint8_t *)s->set->panels.ptr + p * panel_bytes, b->padded,
                    value);
        for (uint32_t r = 0; r < count; r++) {
            int32_t least = found[r] < s->wanted ? INT32_MIN : best[r][found[r] - 1].score;
            uint32_t mask =
                k->leader_scores(value + r * LH_VECTOR_PANEL, 128 * LHI_I32(b->i8_sum)[rows[r]],
                                 s->set->norms + base, least, scores);
            for (; mask; mask &= mask - 1) {
                uint32_t c = (uint32_t)__builtin_ctz(mask);
                if (base + c >= s->set->count)
                    break;
                uint32_t id = s->set->ids ? s->set->ids[base + c] : base + c;
                found[r] = insert(best[r], found[r], s->wanted, (choice){scores[c], id});
            }
        }
    }
    for (uint32_t r = 0; r < count; r++)
        for (uint32_t f = 0; f < s->wanted; f++)
            s->out[(size_t)rows[r] * s->wanted + f] = best[r][LH_MIN(f, found[r] - 1)].id;
}

static lh_rc pack_set(lhi_build *b, const uint32_t *rows, uint32_t count, panel_set *set)
{
    const lh_vector_build_kernels *k = &b->kernels->build;
    uint32_t panels = (count + LH_VECTOR_PANEL - 1) / LH_VECTOR_PANEL;
    size_t panel_bytes = k->panel_bytes(b->padded);
    set->count = count;
    set->norms = LH_NEW_ARRAY(b->cx, int32_t, (size_t)panels * LH_VECTOR_PANEL);
    if (!set->norms)
        return b->cx->err.rc;
    LH_TRY(lhi_build_pages(b, &set->panels, panels, panel_bytes));
    for (uint32_t p = 0; p < panels; p++) {
        const uint8_t *at[LH_VECTOR_PANEL];
        for (uint32_t i = 0; i < LH_VECTOR_PANEL; i++) {
            uint32_t row = rows[LH_MIN(p * LH_VECTOR_PANEL + i, count - 1)];
            at[i] = lhi_i8(b, row);
            set->norms[p * LH_VECTOR_PANEL + i] = LHI_I32(b->i8_norm)[row];
        }
        k->pack((uint8_t *)set->panels.ptr + p * panel_bytes, at, b->padded);
    }
    return LH_OK;
}

/* Rows in any order, cut into strips. starts: groups of rows that share a set; NULL: one group. */
typedef struct assignment {
    lhi_build *b;
    const panel_set *sets;
    const uint32_t *rows; /* NULL: 0, 1, 2 .. */
    const uint32_t *starts;
    uint32_t wanted;
    uint32_t *out;
} assignment;

static lh_rc assign_range(lhi_worker *w, const assignment *a, const panel_set *set, uint64_t first,
                          uint64_t end)
{
    size_t panel_bytes = a->b->kernels->build.panel_bytes(a->b->padded);
    uint8_t *memory = lhi_worker_memory(w, 2 * panel_bytes);
    if (!memory)
        return w->cx->err.rc;
    strip s = {a->b, set, a->wanted, a->out, memory, memory + panel_bytes};
    for (uint64_t i = first; i < end; i += LH_VECTOR_PANEL) {
        uint32_t rows[LH_VECTOR_PANEL];
        uint32_t count = (uint32_t)LH_MIN(end - i, (uint64_t)LH_VECTOR_PANEL);
        for (uint32_t r = 0; r < count; r++)
            rows[r] = a->rows ? a->rows[i + r] : (uint32_t)(i + r);
        assign_strip(&s, rows, count);
    }
    return LH_OK;
}

static lh_rc assign_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    const assignment *a = arg;
    return assign_range(w, a, a->sets, first, end);
}

static lh_rc assign_group(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    const assignment *a = arg;
    for (uint64_t g = first; g < end; g++)
        LH_TRY(assign_range(w, a, &a->sets[g], a->starts[g], a->starts[g + 1]));
    return LH_OK;
}

static lh_rc assign_all(assignment *a, uint64_t count)
{
    lhi_loop loop = {assign_piece, a, count, STRIPS_PER_PIECE * LH_VECTOR_PANEL};
    return lhi_vector_parallel(a->b->cx, a->b->threads, &loop);
}

/* Distinct random rows, by a counter and the seed. */
static lh_rc draw_leaders(lhi_build *b)
{
    lh_pages drawn = {0};
    b->leaders = LH_NEW_ARRAY(b->cx, uint32_t, b->lists);
    if (!b->leaders)
        return b->cx->err.rc;
    LH_TRY(lhi_build_pages(b, &drawn, b->rows, 1));
    uint64_t state = b->options->seed ^ 0x6c65616465727300ull;
    for (uint32_t i = 0; i < b->lists;) {
        uint32_t row = (uint32_t)(lhi_mix64(state += 0x9e3779b97f4a7c15ull) % b->rows);
        if (((uint8_t *)drawn.ptr)[row])
            continue;
        ((uint8_t *)drawn.ptr)[row] = 1;
        b->leaders[i++] = row;
    }
    lh_pages_free(&drawn);
    return LH_OK;
}

/* Stable counting sort of items by group. */
typedef struct grouping {
    const uint32_t *group_of; /* of item i at i x stride */
    size_t stride;
    uint64_t items;
    uint32_t groups;
    uint32_t *starts; /* groups + 1 */
    uint32_t *order;
} grouping;

static lh_rc group(lh_ctx *cx, const grouping *g)
{
    uint32_t *next = LH_NEW_ARRAY(cx, uint32_t, (size_t)g->groups + 1);
    if (!next)
        return cx->err.rc;
    memset(g->starts, 0, ((size_t)g->groups + 1) * sizeof *g->starts);
    for (uint64_t i = 0; i < g->items; i++)
        g->starts[g->group_of[i * g->stride] + 1]++;
    for (uint32_t i = 0; i < g->groups; i++)
        g->starts[i + 1] += g->starts[i];
    memcpy(next, g->starts, g->groups * sizeof *next);
    for (uint64_t i = 0; i < g->items; i++)
        g->order[next[g->group_of[i * g->stride]]++] = (uint32_t)i;
    return LH_OK;
}

/* Leaders that share a super leader become neighbours. The first leaders are the supers. */
static lh_rc order_leaders(lhi_build *b, panel_set *supers)
{
    lh_ctx *cx = b->cx;
    uint32_t *near_of = LH_NEW_ARRAY(cx, uint32_t, b->lists);
    uint32_t *order = LH_NEW_ARRAY(cx, uint32_t, b->lists);
    uint32_t *sorted = LH_NEW_ARRAY(cx, uint32_t, b->lists);
    lh_pages nearest = {0};
    b->super_starts = LH_NEW_ARRAY(cx, uint32_t, (size_t)b->supers + 1);
    if (!near_of || !order || !sorted || !b->super_starts)
        return cx->err.rc;
    LH_TRY(lhi_build_pages(b, &nearest, b->rows, sizeof(uint32_t)));
    assignment a = {.b = b, .sets = supers, .rows = b->leaders, .wanted = 1};
    a.out = LHI_U32(nearest);
    lh_rc rc = assign_all(&a, b->lists);
    for (uint32_t i = 0; rc == LH_OK && i < b->lists; i++)
        near_of[i] = LHI_U32(nearest)[b->leaders[i]];
    lh_pages_free(&nearest);
    LH_TRY(rc);
    LH_TRY(group(cx, &(grouping){near_of, 1, b->lists, b->supers, b->super_starts, order}));
    for (uint32_t i = 0; i < b->lists; i++)
        sorted[i] = b->leaders[order[i]];
    memcpy(b->leaders, sorted, b->lists * sizeof *sorted);
    return LH_OK;
}

/* The leaders whose ten nearest supers include super s, and enough others to choose from. */
static lh_rc leaders_near(lhi_build *b, uint32_t s, const uint32_t *wide, panel_set *set)
{
    uint32_t width = LH_MIN(b->supers, LHI_SUPERS_WIDTH);
    uint32_t *ids = LH_NEW_ARRAY(b->cx, uint32_t, b->lists);
    uint32_t *rows = LH_NEW_ARRAY(b->cx, uint32_t, b->lists);
    uint32_t count = 0;
    if (!ids || !rows)
        return b->cx->err.rc;
    for (uint32_t i = 0; i < b->lists; i++) {
        int hit = 0;
        for (uint32_t w = 0; w < width; w++)
            hit |= wide[(size_t)b->leaders[i] * width + w] == s;
        if (hit) {
            ids[count] = i;
            rows[count++] = b->leaders[i];
        }
    }
    for (uint32_t i = 0; count < b->shape.overlap + 2; i++) { /* fewer leaders than leaves wanted */
        ids[count] = i;
        rows[count++] = b->leaders[i];
    }
    set->ids = ids;
    return pack_set(b, rows, count, set);
}

typedef struct two_levels {
    lh_pages super_of; /* by row */
    lh_pages order;
    lh_pages wide;
    panel_set *sets;
} two_levels;

static lh_rc assign_two_levels_with(lhi_build *b, panel_set *supers, two_levels *t)
{
    lh_ctx *cx = b->cx;
    uint32_t width = LH_MIN(b->supers, LHI_SUPERS_WIDTH);
    uint32_t *starts = LH_NEW_ARRAY(cx, uint32_t, (size_t)b->supers + 1);
    t->sets = LH_NEW_ARRAY(cx, panel_set, b->supers);
    if (!starts || !t->sets)
        return cx->err.rc;
    LH_TRY(lhi_build_pages(b, &t->super_of, b->rows, sizeof(uint32_t)));
    LH_TRY(lhi_build_pages(b, &t->order, b->rows, sizeof(uint32_t)));
    LH_TRY(lhi_build_pages(b, &t->wide, b->rows, width * sizeof(uint32_t)));
    assignment a = {.b = b, .sets = supers, .wanted = 1, .out = LHI_U32(t->super_of)};
    LH_TRY(assign_all(&a, b->rows));
    LH_TRY(group(
        cx, &(grouping){LHI_U32(t->super_of), 1, b->rows, b->supers, starts, LHI_U32(t->order)}));
    assignment wide = {.b = b, .sets = supers, .rows = b->leaders, .wanted = width};
    wide.out = LHI_U32(t->wide);
    LH_TRY(assign_all(&wide, b->lists));
    for (uint32_t s = 0; s < b->supers; s++) {
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(leaders_near(b, s, LHI_U32(t->wide), &t->sets[s]));
    }
    assignment fine = {.b = b,
                       .sets = t->sets,
                       .rows = LHI_U32(t->order),
                       .starts = starts,
                       .wanted = b->shape.overlap,
                       .out = LHI_U32(b->assigned)};
    lhi_loop loop = {assign_group, &fine, b->supers, 1};
    return lhi_vector_parallel(cx, b->threads, &loop);
}

static lh_rc assign_two_levels(lhi_build *b, panel_set *supers)
{
    two_levels t = {0};
    lh_rc rc = assign_two_levels_with(b, supers, &t);
    for (uint32_t s = 0; t.sets && s < b->supers; s++)
        lh_pages_free(&t.sets[s].panels);
    lh_pages_free(&t.super_of);
    lh_pages_free(&t.order);
    lh_pages_free(&t.wide);
    return rc;
}

static lh_rc assign_one_level(lhi_build *b)
{
    panel_set all = {0};
    lh_rc rc = pack_set(b, b->leaders, b->lists, &all);
    assignment a = {.b = b, .sets = &all, .wanted = b->shape.overlap, .out = LHI_U32(b->assigned)};
    if (rc == LH_OK)
        rc = assign_all(&a, b->rows);
    lh_pages_free(&all.panels);
    return rc;
}

/* ---- the order of rows ---- */

typedef struct move {
    const uint32_t *row_of;
    const uint8_t *from;
    uint8_t *to;
    size_t item_bytes;
} move;

static lh_rc move_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    const move *m = arg;
    (void)w;
    for (uint64_t i = first; i < end; i++) {
        if (i + 8 < end)
            lhi_prefetch(m->from + m->row_of[i + 8] * m->item_bytes, m->item_bytes);
        memcpy(m->to + i * m->item_bytes, m->from + m->row_of[i] * m->item_bytes, m->item_bytes);
    }
    return LH_OK;
}

/* One array from the order of rows into the order of places. */
static lh_rc reorder(lhi_build *b, lh_pages *pages, size_t item_bytes)
{
    lh_pages moved = {0};
    if (!pages->ptr)
        return LH_OK;
    LH_TRY(lhi_build_pages(b, &moved, b->rows + 64, item_bytes)); /* kernels read whole blocks */
    move m = {LHI_U32(b->row_of), pages->ptr, moved.ptr, item_bytes};
    lhi_loop loop = {move_piece, &m, b->rows, 2048};
    lh_rc rc = lhi_vector_parallel(b->cx, b->threads, &loop);
    lh_pages_free(rc == LH_OK ? pages : &moved);
    if (rc == LH_OK)
        *pages = moved;
    return rc;
}

static lh_rc reorder_codes(lhi_build *b)
{
    LH_TRY(reorder(b, &b->i8, b->padded));
    LH_TRY(reorder(b, &b->i8_sum, sizeof(int32_t)));
    LH_TRY(reorder(b, &b->i8_norm, sizeof(int32_t)));
    LH_TRY(reorder(b, &b->i4, b->padded / 2));
    LH_TRY(reorder(b, &b->i4_factors, sizeof(float)));
    LH_TRY(reorder(b, &b->b1, b->padded / 8));
    LH_TRY(reorder(b, &b->b1_factors, sizeof(uint16_t)));
    return reorder(b, &b->half_squares, sizeof(float));
}

/* From now on leaders are places. */
static lh_rc place_leaders(lhi_build *b)
{
    lh_pages place_of = {0};
    LH_TRY(lhi_build_pages(b, &place_of, b->rows, sizeof(uint32_t)));
    for (uint64_t place = 0; place < b->rows; place++)
        LHI_U32(place_of)[LHI_U32(b->row_of)[place]] = (uint32_t)place;
    for (uint32_t l = 0; l < b->lists; l++)
        b->leaders[l] = LHI_U32(place_of)[b->leaders[l]];
    lh_pages_free(&place_of);
    return LH_OK;
}

lh_rc lhi_build_partition(lhi_build *b)
{
    panel_set supers = {0};
    lhi_build_phase(b, "partition", 0);
    b->supers = (uint32_t)ceil(sqrt((double)b->lists));
    LH_TRY(draw_leaders(b));
    LH_TRY(lhi_build_pages(b, &b->assigned, b->rows, b->shape.overlap * sizeof(uint32_t)));
    LH_TRY(pack_set(b, b->leaders, b->supers, &supers));
    lh_rc rc = order_leaders(b, &supers);
    if (rc == LH_OK && !lhi_keep_take_partition(b)) {
        rc = b->lists < b->shape.two_levels_from ? assign_one_level(b)
                                                 : assign_two_levels(b, &supers);
        if (rc == LH_OK)
            rc = lhi_keep_partition(b);
    }
    lh_pages_free(&supers.panels);
    LH_TRY(rc);
    b->list_starts = LH_NEW_ARRAY(b->cx, uint32_t, (size_t)b->lists + 1);
    if (!b->list_starts)
        return b->cx->err.rc;
    LH_TRY(lhi_build_pages(b, &b->row_of, b->rows, sizeof(uint32_t)));
    LH_TRY(group(b->cx, &(grouping){LHI_U32(b->assigned), b->shape.overlap, b->rows, b->lists,
                                    b->list_starts, LHI_U32(b->row_of)}));
    LH_TRY(place_leaders(b));
    return reorder_codes(b);
}
