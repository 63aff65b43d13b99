/* text_codes.c - which pairs of (tf, length) get one of the 254 codes: the commonest of a field;
 * numbered by falling impact, so that a smaller code is a better posting and a block's best code
 * bounds the block. */
#include "text/text_build_private.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 1024 };

static lh_rc grow(lh_ctx *cx, lhi_text_pairs *p)
{
    uint32_t slots = p->slots ? p->slots * 2 : SLOTS_FIRST;
    uint32_t *keys = lh_alloc_zero(slots, sizeof *keys);
    uint64_t *counts = lh_alloc_zero(slots, sizeof *counts);
    if (!keys || !counts) {
        lh_free(keys);
        lh_free(counts);
        return lh_fail(cx, LH_E_NO_MEMORY, "%u pairs of tf and length", slots);
    }
    for (uint32_t i = 0; i < p->slots; i++) {
        if (p->keys[i] == 0)
            continue;
        uint32_t at = p->keys[i] * 0x9E3779B1u & (slots - 1);
        while (keys[at] != 0)
            at = (at + 1) & (slots - 1);
        keys[at] = p->keys[i];
        counts[at] = p->counts[i];
    }
    lh_free(p->keys);
    lh_free(p->counts);
    p->keys = keys;
    p->counts = counts;
    p->slots = slots;
    return LH_OK;
}

static lh_rc add_rare(lh_ctx *cx, lhi_text_pairs *p, uint32_t key, uint64_t count)
{
    if (p->used * 2 >= p->slots)
        LH_TRY(grow(cx, p));
    uint32_t at = key * 0x9E3779B1u & (p->slots - 1);
    while (p->keys[at] != 0 && p->keys[at] != key)
        at = (at + 1) & (p->slots - 1);
    p->used += p->keys[at] == 0;
    p->keys[at] = key;
    p->counts[at] += count;
    return LH_OK;
}

lh_rc lhi_text_pairs_add(lh_ctx *cx, lhi_text_pairs *p, uint32_t tf, uint32_t length_code)
{
    if (tf < LHI_TEXT_PAIR_TF_DENSE) {
        p->dense[tf][length_code]++;
        return LH_OK;
    }
    if (tf > LHI_TEXT_PAIR_TF_MAX)
        return LH_OK; /* always an exception */
    return add_rare(cx, p, tf << 8 | length_code, 1);
}

lh_rc lhi_text_pairs_merge(lh_ctx *cx, lhi_text_pairs *p, const lhi_text_pairs *other)
{
    for (uint32_t tf = 0; tf < LHI_TEXT_PAIR_TF_DENSE; tf++)
        for (uint32_t l = 0; l < LHI_TEXT_LENGTH_CODES; l++)
            p->dense[tf][l] += other->dense[tf][l];
    for (uint32_t i = 0; i < other->slots; i++)
        if (other->keys[i] != 0)
            LH_TRY(add_rare(cx, p, other->keys[i], other->counts[i]));
    return LH_OK;
}

lhi_text_pairs *lhi_text_pairs_free(lhi_text_pairs *p)
{
    if (!p)
        return NULL;
    lh_free(p->keys);
    lh_free(p->counts);
    return lh_free(p);
}

typedef struct counted {
    uint64_t count;
    uint32_t key;
    double impact;
} counted;

static int by_count(const void *a, const void *b)
{
    const counted *x = a;
    const counted *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

static int by_impact(const void *a, const void *b)
{
    const counted *x = a;
    const counted *y = b;
    if (x->impact != y->impact)
        return x->impact > y->impact ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

static size_t list_pairs(const lhi_text_pairs *p, counted *out)
{
    size_t n = 0;
    for (uint32_t tf = 0; tf < LHI_TEXT_PAIR_TF_DENSE; tf++)
        for (uint32_t l = 0; l < LHI_TEXT_LENGTH_CODES; l++)
            if (p->dense[tf][l] > 0)
                out[n++] = (counted){p->dense[tf][l], tf << 8 | l, 0};
    for (uint32_t i = 0; i < p->slots; i++)
        if (p->keys[i] != 0)
            out[n++] = (counted){p->counts[i], p->keys[i], 0};
    return n;
}

lh_rc lhi_text_codes_init(lh_ctx *cx, lhi_text_codes *codes, const lhi_text_pairs *p,
                          const lhi_text_meta *meta, double average)
{
    counted *all =
        lh_alloc_zero(LHI_TEXT_PAIR_TF_DENSE * LHI_TEXT_LENGTH_CODES + p->used + 1, sizeof *all);
    if (!all)
        return lh_fail(cx, LH_E_NO_MEMORY, "pairs of tf and length");
    size_t count = list_pairs(p, all);
    codes->k1 = meta->k1;
    for (uint32_t l = 0; l < LHI_TEXT_LENGTH_CODES; l++)
        codes->norms[l] = lhi_text_norm(meta->k1, meta->b, lhi_text_length_of(l), average);
    qsort(all, count, sizeof *all, by_count);
    codes->count = (uint32_t)LH_MIN(count, (size_t)LHI_TEXT_CODES);
    for (uint32_t i = 0; i < codes->count; i++)
        all[i].impact = lhi_text_impact(meta->k1, all[i].key >> 8, codes->norms[all[i].key & 0xFF]);
    qsort(all, codes->count, sizeof *all, by_impact);
    memset(codes->dense, LHI_TEXT_ESCAPE, sizeof codes->dense);
    for (uint32_t i = 0; i < codes->count; i++) {
        uint32_t tf = all[i].key >> 8;
        uint32_t length = all[i].key & 0xFF;
        codes->pairs[i] = (lhi_text_pair){(uint16_t)tf, (uint8_t)length, 0};
        codes->impacts[i] = all[i].impact;
        if (tf < LHI_TEXT_PAIR_TF_DENSE)
            codes->dense[tf][length] = (uint8_t)(i + 1);
    }
    lh_free(all);
    return LH_OK;
}

uint8_t lhi_text_code_of(const lhi_text_codes *codes, uint32_t tf, uint8_t length_code)
{
    if (tf < LHI_TEXT_PAIR_TF_DENSE)
        return codes->dense[tf][length_code];
    for (uint32_t i = 0; i < codes->count; i++)
        if (codes->pairs[i].tf == tf && codes->pairs[i].length_code == length_code)
            return (uint8_t)(i + 1);
    return LHI_TEXT_ESCAPE;
}
