/* quantize.c - peaks are chosen, weights rounded block by block of inputs, then the bias is
 * corrected.
 *
 * The error of a row w of weights is (w - q)' C (w - q), C = covariance of the inputs (the mean is
 * the bias's business). With C = R'R, R upper triangular, Babai's nearest plane takes the inputs
 * from the last to the first: q_i = round(w_i + sum over j > i of R_ij / R_ii (w_j - q_j)). The
 * inputs that vary most are put last, so that they are rounded first, while others can still make
 * up for them. */
#include "embed/quantize.h"

#include "embed/kernels.h"

#include <math.h>
#include <stdbool.h>

#define LEVELS       127.0f
#define DAMPING      0.01f /* of the mean variance, added to each: texts seen are not all texts */
#define VARIANCE_MIN 1e-12

static double variance_of(const lh_embed_input_stats *stats, size_t input)
{
    const size_t block = input / LH_EMBED_CALIBRATION_BLOCK * LH_EMBED_CALIBRATION_BLOCK;
    const size_t width = LH_MIN(stats->inputs - block, (size_t)LH_EMBED_CALIBRATION_BLOCK);
    const size_t at = input - block;
    const double rows = (double)LH_MAX(stats->rows, (size_t)1);
    const double mean = (double)stats->mean[input];
    const double square =
        (double)stats->products[block * LH_EMBED_CALIBRATION_BLOCK + at * width + at];
    return fmax(square / rows - mean * mean, 0);
}

/* The first of equals; what is no peak reaches as far as it is. */
static void choose_peaks(const lh_embed_input_stats *stats, lh_embed_int8_matrix *m)
{
    for (uint32_t k = 0; k < m->inputs; k++)
        m->reach[k] = 1.0f;
    for (uint32_t i = 0; i < LH_EMBED_PEAKS; i++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t k = 0; k < m->inputs; k++)
            if (m->reach[k] == 1.0f &&
                (best == UINT32_MAX || stats->largest[k] > stats->largest[best]))
                best = k;
        lh_assert(best != UINT32_MAX);
        m->peaks[i] = best;
        m->reach[best] = 1.0f / LH_EMBED_PEAK_REACH;
    }
}

static lh_rc choose_scales(lh_ctx *cx, lh_embed_int8_matrix *m)
{
    for (size_t o = 0; o < m->outputs; o++) {
        float largest = 0;
        bool finite = true;
        for (size_t k = 0; k < m->inputs; k++) {
            const float weight = m->weights[o * m->inputs + k];
            largest = fmaxf(largest, fabsf(weight));
            finite = finite && isfinite(weight);
        }
        if (!finite)
            return lh_fail(cx, LH_E_UNPROCESSABLE, "weights that are not finite cannot be int8");
        m->scales[o] = fmaxf(largest / LEVELS, 1e-30f);
    }
    return LH_OK;
}

/* One block of inputs, in the order they are rounded in, backwards. */
typedef struct block {
    uint32_t first;
    uint32_t width;
    double *root;     /* R, [width][width] */
    uint32_t *order;  /* inputs by rising variance */
    double *variance; /* by input */
    double *errors;   /* of the row that is being rounded, by place */
} block;

static void sort_by_variance(block *b)
{
    for (uint32_t i = 0; i < b->width; i++) {
        uint32_t at = i;
        for (; at > 0 && b->variance[b->order[at - 1]] > b->variance[i]; at--)
            b->order[at] = b->order[at - 1];
        b->order[at] = i;
    }
}

/* Covariance of the inputs in b's order, damped, into root. */
static void fill_covariance(const lh_embed_input_stats *stats, block *b)
{
    const uint32_t n = b->width;
    const double rows = (double)LH_MAX(stats->rows, (size_t)1);
    const float *products = stats->products + (size_t)b->first * LH_EMBED_CALIBRATION_BLOCK;
    const float *mean = stats->mean + b->first;
    double damping = VARIANCE_MIN;
    for (size_t i = 0; i < n; i++) {
        b->variance[i] = variance_of(stats, b->first + i);
        damping += (double)DAMPING * b->variance[i] / n;
    }
    sort_by_variance(b);
    for (size_t i = 0; i < n; i++) {
        const size_t p = b->order[i];
        for (size_t j = i; j < n; j++) {
            const size_t q = b->order[j];
            b->root[i * n + j] =
                (double)products[p * n + q] / rows - (double)mean[p] * (double)mean[q];
        }
        b->root[i * n + i] = b->variance[p] + damping;
    }
}

/* Upper triangle of the covariance to R, in place, row after row. A pivot that rounding made
 * negative is held at its smallest: the rounding is then merely less good. */
static void factor(block *b)
{
    const size_t n = b->width;
    for (size_t i = 0; i < n; i++) {
        double *row = b->root + i * n;
        double pivot = sqrt(fmax(row[i], VARIANCE_MIN));
        for (size_t j = i; j < n; j++)
            row[j] = j == i ? pivot : row[j] / pivot;
        for (size_t k = i + 1; k < n; k++) {
            double *below = b->root + k * n;
            const double times = row[k];
            for (size_t j = k; j < n; j++)
                below[j] -= times * row[j];
        }
    }
}

static void round_row(const lh_embed_int8_matrix *m, const block *b, size_t output)
{
    const size_t n = b->width;
    const float *weights = m->weights + output * m->inputs + b->first;
    int8_t *stored = m->stored + output * m->inputs + b->first;
    const double scale = (double)m->scales[output];
    for (size_t i = n; i-- > 0;) {
        const double *row = b->root + i * n;
        const uint32_t input = b->order[i];
        double wanted = (double)weights[input];
        double carried = 0;
        for (size_t j = i + 1; j < n; j++)
            carried += row[j] * b->errors[j];
        double level = nearbyint((wanted + carried / row[i]) / scale);
        level = fmin(fmax(level, -(double)LEVELS), (double)LEVELS);
        stored[input] = (int8_t)level;
        b->errors[i] = wanted - level * scale;
    }
}

/* The mean of what was lost, of weights times inputs, goes to the bias. */
static void correct_bias(const lh_embed_input_stats *stats, lh_embed_int8_matrix *m)
{
    for (size_t o = 0; o < m->outputs; o++) {
        const double scale = (double)m->scales[o];
        double lost = 0;
        for (size_t k = 0; k < m->inputs; k++) {
            double error =
                (double)m->weights[o * m->inputs + k] - scale * m->stored[o * m->inputs + k];
            lost += error * (double)stats->mean[k];
        }
        m->bias[o] += (float)lost;
    }
}

lh_rc lh_embed_quantize(lh_ctx *cx, const lh_embed_input_stats *stats, lh_embed_int8_matrix *m)
{
    lh_assert(stats->inputs == m->inputs);
    const size_t widest = LH_MIN(m->inputs, (uint32_t)LH_EMBED_CALIBRATION_BLOCK);
    block b = {.root = LH_NEW_ARRAY(cx, double, widest *widest),
               .order = LH_NEW_ARRAY(cx, uint32_t, widest),
               .variance = LH_NEW_ARRAY(cx, double, widest),
               .errors = LH_NEW_ARRAY(cx, double, widest)};
    if (b.root == NULL || b.order == NULL || b.variance == NULL || b.errors == NULL)
        return LH_E_NO_MEMORY;
    choose_peaks(stats, m);
    LH_TRY(choose_scales(cx, m));
    for (b.first = 0; b.first < m->inputs; b.first += b.width) {
        b.width = LH_MIN(m->inputs - b.first, (uint32_t)LH_EMBED_CALIBRATION_BLOCK);
        fill_covariance(stats, &b);
        factor(&b);
        for (size_t o = 0; o < m->outputs; o++)
            round_row(m, &b, o);
        LH_TRY(lh_ctx_check(cx));
    }
    correct_bias(stats, m);
    return LH_OK;
}

float lh_embed_quantize_row(const float *in, size_t count, int8_t *out)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(in[i]));
    float scale = fmaxf(largest / LEVELS, 1e-30f);
    for (size_t i = 0; i < count; i++)
        out[i] = (int8_t)lrintf(fminf(fmaxf(in[i] / scale, -LEVELS), LEVELS));
    return scale;
}
