/* embed/kernels_attention.h - attention of one text over 16 lanes; a part of kernels_vector.h.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  see kernels.h.
 * Formats: see kernels.h; scratch: keys, values, scores of six rows, their weights.
 * Why:     both products go through the tiles of kernels_vector.h; softmax is in f32 in every
 *          precision. */
#ifndef LH_EMBED_KERNELS_ATTENTION_H
#define LH_EMBED_KERNELS_ATTENTION_H

/* Scores of one row beyond the last key count as -infinity. */
LHI_INLINE v16 score_at(const float *scores, size_t keys, size_t j)
{
    v16 score = v_load(scores + j);
    return j + LH_EMBED_PANEL <= keys ? score : v_first(score, keys - j, -INFINITY);
}

LHI_INLINE v16 largest_score(const float *scores, size_t keys, size_t padded)
{
    v16 largest = score_at(scores, keys, 0);
    for (size_t j = LH_EMBED_PANEL; j < padded; j += LH_EMBED_PANEL)
        largest = v_max(largest, score_at(scores, keys, j));
    return v_set(v_largest(largest));
}

/* Weights that sum to 1, in place; those up to the next multiple of 16 are 0. */
static void softmax(float *scores, size_t keys, size_t padded)
{
    v16 top = largest_score(scores, keys, padded);
    v16 sum = v_set(0);
    for (size_t j = 0; j < padded; j += LH_EMBED_PANEL) {
        v16 weight = exp_of(v_sub(score_at(scores, keys, j), top));
        sum = v_add(sum, weight);
        v_store(scores + j, weight);
    }
    v16 share = v_set(1.0f / v_sum(sum));
    for (size_t j = 0; j < padded; j += LH_EMBED_PANEL)
        v_store(scores + j, v_mul(v_load(scores + j), share));
}

/* The same as halves for some rows, which still have to be multiplied by their shares. One step
 * after the other for all rows: a row alone waits for itself at every step. */
static void softmax_half(const float *scores, size_t rows, size_t keys, v_half *weights,
                         float *ret_shares)
{
    const size_t padded = (keys + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL;
    __attribute__((uninitialized)) v16 tops[TILE_ROWS];
    __attribute__((uninitialized)) v16 sums[TILE_ROWS];
    for (size_t r = 0; r < rows; r++)
        tops[r] = largest_score(scores + r * padded, keys, padded);
    for (size_t r = 0; r < rows; r++) {
        const float *row = scores + r * padded;
        v16 sum = v_set(0);
        for (size_t j = 0; j < padded; j += LH_EMBED_PANEL) {
            v16 weight = exp_of(v_sub(score_at(row, keys, j), tops[r]));
            sum = v_add(sum, weight);
            v_store_half(weights + r * padded + j, weight);
        }
        sums[r] = sum;
    }
    for (size_t r = 0; r < rows; r++)
        ret_shares[r] = 1.0f / v_sum(sums[r]);
}

/* Rows of keys, stride floats apart, to panels of 16 keys; keys beyond the last are zero. */
static void transpose_keys(const float *keys, size_t stride, size_t count, size_t width, float *out)
{
    size_t padded = (count + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL;
    for (size_t j = 0; j < padded; j++) {
        float *column = out + j / LH_EMBED_PANEL * LH_EMBED_PANEL * width + j % LH_EMBED_PANEL;
        for (size_t i = 0; i < width; i++)
            column[i * LH_EMBED_PANEL] = j < count ? keys[j * stride + i] : 0.0f;
    }
}

/* One head of one text. */
typedef struct head {
    size_t tokens;
    size_t padded; /* to whole panels */
    size_t width;
    size_t hidden;
    float *scratch;
} head;

static void attend_f32(const head *h, const float *queries, float *out)
{
    const size_t stride = 3 * h->hidden;
    float *keys = h->scratch;
    float *scores = keys + h->padded * h->width;
    transpose_keys(queries + h->hidden, stride, h->tokens, h->width, keys);
    for (size_t t = 0; t < h->tokens; t += TILE_ROWS) {
        size_t rows = LH_MIN(h->tokens - t, (size_t)TILE_ROWS);
        product score = {.a = (const uint8_t *)(queries + t * stride),
                         .a_stride = stride * sizeof(float),
                         .b = (const uint8_t *)keys,
                         .line_stride = LINE_BYTES,
                         .panel_stride = h->width * LINE_BYTES,
                         .depth = h->width,
                         .out = scores,
                         .out_stride = h->padded,
                         .finish = finish_bare};
        multiply_f32(&score, rows, h->padded / LH_EMBED_PANEL);
        for (size_t r = 0; r < rows; r++)
            softmax(scores + r * h->padded, h->tokens, h->padded);
        product mix = {.a = (const uint8_t *)scores,
                       .a_stride = h->padded * sizeof(float),
                       .b = (const uint8_t *)(queries + 2 * h->hidden),
                       .line_stride = stride * sizeof(float),
                       .panel_stride = LINE_BYTES,
                       .depth = h->tokens,
                       .out = out + t * h->hidden,
                       .out_stride = h->hidden,
                       .finish = finish_bare};
        multiply_f32(&mix, rows, h->width / LH_EMBED_PANEL);
    }
}

/* out is half or f32: the head's first column of row 0. */
static void attend_half(const head *h, const v_half *queries, void *out, bool out_half)
{
    const size_t stride = 3 * h->hidden;
    const size_t pairs = (h->tokens + 1) / 2;
    uint32_t *keys = (uint32_t *)h->scratch;
    uint32_t *values = keys + h->padded * h->width / 2;
    float *scores = (float *)(values + h->padded * h->width / 2);
    v_half *weights = (v_half *)(scores + TILE_ROWS * h->padded);
    v_pack_keys(queries + h->hidden, stride, h->tokens, h->width, keys);
    v_pack_values(queries + 2 * h->hidden, stride, h->tokens, h->width, values);
    for (size_t t = 0; t < h->tokens; t += TILE_ROWS) {
        size_t rows = LH_MIN(h->tokens - t, (size_t)TILE_ROWS);
        float shares[TILE_ROWS];
        product score = {.a = (const uint8_t *)(queries + t * stride),
                         .a_stride = stride * sizeof(v_half),
                         .b = (const uint8_t *)keys,
                         .line_stride = LINE_BYTES,
                         .panel_stride = h->width / 2 * LINE_BYTES,
                         .depth = h->width / 2,
                         .out = scores,
                         .out_stride = h->padded,
                         .finish = finish_bare};
        multiply_half(&score, rows, h->padded / LH_EMBED_PANEL);
        softmax_half(scores, rows, h->tokens, weights, shares);
        size_t at = t * h->hidden;
        product mix = {.a = (const uint8_t *)weights,
                       .a_stride = h->padded * sizeof(v_half),
                       .b = (const uint8_t *)values,
                       .line_stride = LINE_BYTES,
                       .panel_stride = pairs * LINE_BYTES,
                       .depth = pairs,
                       .row_factors = shares,
                       .out = out_half ? (void *)((v_half *)out + at) : (float *)out + at,
                       .out_stride = h->hidden,
                       .finish = out_half ? finish_shares_half : finish_shares};
        multiply_half(&mix, rows, h->width / LH_EMBED_PANEL);
    }
}

static void attention(const lh_embed_heads *heads, unsigned flags, size_t tokens, const void *qkv,
                      void *out, float *scratch)
{
    head h = {.tokens = tokens,
              .padded = (tokens + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL,
              .width = heads->head_width,
              .hidden = heads->hidden,
              .scratch = scratch};
    const bool out_half = flags & LH_EMBED_OUT_HALF;
    for (size_t i = 0; i < heads->heads; i++) {
        size_t at = i * h.width;
        if (flags & LH_EMBED_ATTEND_HALF)
            attend_half(&h, (const v_half *)qkv + at,
                        out_half ? (void *)((v_half *)out + at) : (float *)out + at, out_half);
        else
            attend_f32(&h, (const float *)qkv + at, (float *)out + at);
    }
}

#endif
