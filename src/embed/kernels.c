/* kernels.c - the tables by instruction set, and what is the same in all of them. */
#include "embed/kernels.h"

#include <string.h>

/* Rows of queries that attention takes at a time (the vector kernels' tile). */
enum { ATTENTION_ROWS = 6 };

static const lh_embed_kernels *const tables[LH_SIMD_COUNT] = LH_SIMD_TABLES(lh_embed_kernels);

float lh_embed_half_value(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint16_t lh_embed_half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t exponent = bits & 0x7F800000u;
    if (exponent == 0)
        return (uint16_t)(bits >> 16 & 0x8000u);
    if (exponent == 0x7F800000u) /* rounding must not make an infinity of a NaN */
        return (uint16_t)(bits >> 16 | ((bits & 0x007FFFFFu) != 0 ? 0x40u : 0u));
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

const lh_embed_kernels *lh_embed_kernels_find(lh_simd set)
{
    return lh_simd_runs(set) ? tables[set] : NULL;
}

const lh_embed_kernels *lh_embed_kernels_get(void)
{
    return tables[lh_simd_chosen()];
}

size_t lh_embed_operand_width(const lh_embed_linear *layer)
{
    return lh_embed_front_width(layer) + layer->inputs;
}

lh_embed_operand lh_embed_operand_from(const lh_embed_kernels *kernels,
                                       const lh_embed_linear *layer,
                                       const lh_embed_operand *operand, size_t row)
{
    const size_t bytes[] = {sizeof(float), kernels->half_bytes, kernels->int8_bytes};
    lh_embed_operand from = *operand;
    from.values =
        (uint8_t *)from.values + row * lh_embed_operand_width(layer) * bytes[layer->precision];
    if (layer->precision == LH_EMBED_PRECISION_INT8) {
        from.scales += row;
        from.zeros += row;
    }
    return from;
}

lh_embed_linear lh_embed_linear_part(const lh_embed_linear *layer, size_t first_panel,
                                     size_t panels)
{
    const size_t line = LH_EMBED_PANEL * sizeof(float);
    const size_t column = first_panel * LH_EMBED_PANEL;
    lh_embed_linear part = *layer;
    part.panels = (const uint8_t *)part.panels + first_panel * lh_embed_panel_lines(layer) * line;
    part.bias += column;
    if (layer->precision == LH_EMBED_PRECISION_INT8) {
        part.scales += column;
        part.sums += column;
    }
    part.outputs = (uint32_t)(panels * LH_EMBED_PANEL);
    return part;
}

size_t lh_embed_panel_lines(const lh_embed_linear *layer)
{
    static const uint32_t inputs_of_word[] = {1, 2, 4};
    const size_t words = lh_embed_operand_width(layer) / inputs_of_word[layer->precision];
    return layer->precision == LH_EMBED_PRECISION_INT8 ? words + 1 : words; /* the start */
}

size_t lh_embed_kernels_scratch_floats(const lh_embed_heads *heads, size_t tokens_max)
{
    size_t keys = (tokens_max + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL;
    return keys * (heads->head_width + 2 * (size_t)ATTENTION_ROWS); /* keys, values; two a score */
}
