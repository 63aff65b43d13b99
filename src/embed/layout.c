/* layout.c - names, sizes and places of a packed model's parts; all of them follow from its
 * shape. */
#include "embed/layout.h"

#include "base/container.h"
#include "base/num.h"

#include <stdio.h>

lh_embed_precision lh_embed_words_precision(lh_embed_precision precision)
{
    return precision == LH_EMBED_PRECISION_F32 ? LH_EMBED_PRECISION_F32 : LH_EMBED_PRECISION_BF16;
}

lh_str lh_embed_words_section(lh_embed_precision words)
{
    return words == LH_EMBED_PRECISION_F32 ? LH_S("embed.words") : LH_S("bf16.words");
}

void lh_embed_layer_section(lh_embed_precision precision, uint32_t layer, char *ret_name)
{
    static const char *const prefixes[] = {"", "bf16.", "int8."};
    LH_IGNORE(snprintf(ret_name, LH_CONTAINER_NAME_MAX, "%slayer.%u", prefixes[precision], layer));
}

/* One input in so many has more bits than the others, or weights that have; measured
 * (docs/embedder.md). The last matrix of a layer alone has outputs with a few weights far above the
 * others. */
static const struct {
    uint32_t inputs_a_peak;
    uint32_t inputs_a_wide;
} shares[LH_EMBED_LINEARS] = {[LH_EMBED_QKV] = {.inputs_a_peak = 48},
                              [LH_EMBED_MIX] = {.inputs_a_peak = 96},
                              [LH_EMBED_UP] = {.inputs_a_peak = 48},
                              [LH_EMBED_DOWN] = {.inputs_a_peak = 32, .inputs_a_wide = 32}};

size_t lh_embed_leads_room(const lh_embed_linear_layout *linear)
{
    return ((size_t)linear->peaks + linear->wides + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL *
           LH_EMBED_PANEL;
}

/* Whole words of them, at least one. */
static uint32_t leads_of(uint32_t inputs, uint32_t inputs_a_lead)
{
    return LH_MAX(inputs / inputs_a_lead / LH_EMBED_WORD, 1u) * LH_EMBED_WORD;
}

static void count_leads(lh_embed_linear_name which, lh_embed_linear_layout *linear)
{
    linear->peaks = leads_of(linear->inputs, shares[which].inputs_a_peak);
    if (shares[which].inputs_a_wide != 0) {
        linear->wides = leads_of(linear->inputs, shares[which].inputs_a_wide);
        linear->both = LH_EMBED_WORD;
    }
}

static size_t lay_linear(size_t at, lh_embed_precision precision, lh_embed_linear_name which,
                         uint32_t inputs, uint32_t outputs, lh_embed_linear_layout *linear)
{
    *linear = (lh_embed_linear_layout){
        .precision = precision, .inputs = inputs, .outputs = outputs, .panels = at};
    if (precision == LH_EMBED_PRECISION_INT8)
        count_leads(which, linear);
    const lh_embed_linear shape = lh_embed_linear_shape(linear);
    at += lh_embed_panel_lines(&shape) * outputs * sizeof(float);
    linear->bias = at;
    at += outputs * sizeof(float);
    if (precision == LH_EMBED_PRECISION_INT8) {
        linear->scales = at;
        at += outputs * sizeof(float);
        linear->sums = at;
        at += outputs * sizeof(float);
        linear->reach = at;
        at += inputs * sizeof(float);
        linear->leads = at;
        at += lh_embed_leads_room(linear) * sizeof(uint32_t);
    }
    return at;
}

lh_embed_linear lh_embed_linear_shape(const lh_embed_linear_layout *layout)
{
    return (lh_embed_linear){.inputs = layout->inputs,
                             .outputs = layout->outputs,
                             .stride = layout->outputs,
                             .both = layout->both,
                             .peaks = layout->peaks,
                             .wides = layout->wides,
                             .precision = layout->precision};
}

void lh_embed_layer_layout_of(const lh_embed_model_info *info, lh_embed_precision precision,
                              lh_embed_layer_layout *ret_layout)
{
    const uint32_t hidden = info->hidden;
    const uint32_t wide = info->intermediate;
    lh_embed_linear_layout *linears = ret_layout->linears;
    size_t at = lay_linear(0, precision, LH_EMBED_QKV, hidden, 3 * hidden, &linears[LH_EMBED_QKV]);
    at = lay_linear(at, precision, LH_EMBED_MIX, hidden, hidden, &linears[LH_EMBED_MIX]);
    ret_layout->mix_norm = at;
    at += 2 * hidden * sizeof(float);
    at = lay_linear(at, precision, LH_EMBED_UP, hidden, wide, &linears[LH_EMBED_UP]);
    at = lay_linear(at, precision, LH_EMBED_DOWN, wide, hidden, &linears[LH_EMBED_DOWN]);
    ret_layout->out_norm = at;
    ret_layout->bytes = at + 2 * hidden * sizeof(float);
}
