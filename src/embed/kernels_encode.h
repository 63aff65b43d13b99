/* embed/kernels_encode.h - rows of f32 to what a linear layer reads, over 16 lanes; a part of
 * kernels_vector.h.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  see kernels.h.
 * Formats: operands, drawn in kernels.h.
 * Why:     int8 has to see a row twice, its range first; peaks and wides are few, so they are
 *          done again after all inputs rather than told apart among them. */
#ifndef LH_EMBED_KERNELS_ENCODE_H
#define LH_EMBED_KERNELS_ENCODE_H

/* Scale and zero of a row, 0 being within its range; returns what its values are multiplied by. */
LHI_INLINE float encode_range(const lh_embed_linear *layer, const float *in, float *ret_scale,
                              int32_t *ret_zero)
{
    v16 low = v_set(0);
    v16 high = v_set(0);
    for (size_t k = 0; k < layer->inputs; k += LH_EMBED_PANEL) {
        v16 x = v_mul(v_load(in + k), v_load(layer->reach + k));
        low = v_min(low, x);
        high = v_max(high, x);
    }
    float lowest = -v_largest(v_sub(v_set(0), low));
    float range = fmaxf(v_largest(high) - lowest, 1e-12f);
    bool finite = range <= FLT_MAX; /* else a vector that is not finite comes out */
    float inverse = finite ? 255.0f / range : 0.0f;
    *ret_scale = finite ? range / 255.0f : NAN;
    *ret_zero = finite ? (int32_t)lrintf(-lowest * inverse) : 0;
    return inverse;
}

/* Up to 16 peaks of a row from one on, in two parts; whole numbers as floats, where all of it is
 * exact. */
LHI_INLINE void encode_peaks(const lh_embed_linear *layer, size_t first, const float *in,
                             float inverse, int32_t zero, v_byte *row)
{
    const uint32_t *peaks = layer->leads + first;
    const size_t count = LH_MIN(layer->peaks - first, (size_t)LH_EMBED_PANEL);
    v_byte *upper = row + layer->both + first;
    v_byte *values = row + lh_embed_front_width(layer);
    const v16 least = v_set(-LH_EMBED_PEAK_MOST);
    const v16 most = v_set(LH_EMBED_PEAK_MOST);
    const float unit = 1 << LH_EMBED_PEAK_SHIFT;
    __attribute__((uninitialized)) v_byte low[LH_EMBED_PANEL];
    __attribute__((uninitialized)) v_byte high[LH_EMBED_PANEL];
    v16 x = v_mul(v_gather(in, peaks), v_set(inverse));
    x = v_add(v_round(v_min(v_max(x, least), most)), v_set((float)zero));
    x = v_min(v_max(x, v_set(-LH_EMBED_PEAK_MOST - 1)), most);
    /* The middle of a unit's steps is nearest to its number. */
    const v16 whole = v_round(v_fma(x, v_set(1 / unit), v_set(-(unit - 1) / (2 * unit))));
    v_store_bytes(low, v_fma(whole, v_set(-unit), x), 0);
    for (size_t i = 0; i < count; i++)
        values[peaks[i]] = low[i];
    v_store_bytes(high, whole, LH_EMBED_PEAK_ZERO);
    memcpy(upper, high, count * sizeof(*high));
}

/* The peaks of a row in two parts, the wides once more; values were made of all inputs before. */
LHI_INLINE void encode_front(const lh_embed_linear *layer, const float *in, float inverse,
                             int32_t zero, v_byte *row)
{
    v_byte *peaks = row + layer->both;
    v_byte *values = row + lh_embed_front_width(layer);
    for (size_t i = 0; i < layer->peaks; i += LH_EMBED_PANEL)
        encode_peaks(layer, i, in, inverse, zero, row);
    for (size_t i = 0; i < layer->wides; i++)
        peaks[layer->peaks + i] = values[layer->leads[layer->peaks + i]];
    memcpy(row, peaks, layer->both * sizeof(*row));
}

LHI_INLINE void encode_values(size_t inputs, const float *in, float inverse, int32_t zero,
                              v_byte *values)
{
    const v16 factor = v_set(inverse);
    size_t k = 0;
    for (; k + (size_t)4 * LH_EMBED_PANEL <= inputs; k += (size_t)4 * LH_EMBED_PANEL) {
        const v16 x[4] = {v_mul(v_load(in + k), factor), v_mul(v_load(in + k + 16), factor),
                          v_mul(v_load(in + k + 32), factor), v_mul(v_load(in + k + 48), factor)};
        v_store_line_of_bytes(values + k, x, zero);
    }
    for (; k < inputs; k += LH_EMBED_PANEL)
        v_store_bytes(values + k, v_mul(v_load(in + k), factor), zero);
}

static void encode_int8(const lh_embed_linear *layer, size_t rows, const float *in,
                        const lh_embed_operand *out)
{
    const size_t inputs = layer->inputs;
    v_byte *row = out->values;
    for (size_t r = 0; r < rows; r++, in += inputs) {
        v_byte *values = row + lh_embed_front_width(layer);
        float inverse = encode_range(layer, in, &out->scales[r], &out->zeros[r]);
        encode_values(inputs, in, inverse, out->zeros[r], values);
        encode_front(layer, in, inverse, out->zeros[r], row);
        row = values + inputs;
    }
}

static void encode(const lh_embed_linear *layer, size_t rows, const float *in,
                   const lh_embed_operand *out)
{
    if (layer->precision == LH_EMBED_PRECISION_INT8) {
        encode_int8(layer, rows, in, out);
        return;
    }
    v_half *values = out->values;
    for (size_t i = 0; i < rows * layer->inputs; i += LH_EMBED_PANEL)
        v_store_half(values + i, v_load(in + i));
}

#endif
