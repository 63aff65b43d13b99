/* quantize.c - peaks and wides are chosen, weights rounded block by block of inputs, then the bias
 * is corrected.
 *
 * The error of a row w of weights is (w - q)' C (w - q), C = covariance of the inputs (the mean is
 * the bias's business). With C = R'R, R upper triangular, Babai's nearest plane takes the inputs
 * from the last to the first: q_i = round(w_i + sum over j > i of R_ij / R_ii (w_j - q_j)). The
 * inputs that vary most are put last, so that they are rounded first, while others can still make
 * up for them; wides are put first, because their finer weights make up for more. */
#include "embed/quantize.h"

#include "embed/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LEVELS       127.0f
#define WIDE_UNIT    (1 << LH_EMBED_PEAK_SHIFT)
#define WIDE_LEVELS  (LEVELS * WIDE_UNIT)
#define DAMPING      0.001f /* of the mean variance, added to each: texts seen are not all texts */
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

/* Each input: no wide, or its number among them plus one. */
typedef uint32_t wide_number;

/* What is saved by making an input wide: an output's error is the square of its scale, which is
 * its largest weight among the others. */
static void add_gains(const lh_embed_int8_matrix *m, const wide_number *numbers, double *gains)
{
    for (size_t o = 0; o < m->outputs; o++) {
        const float *weights = m->weights + o * m->inputs;
        size_t at = m->inputs;
        float largest = 0;
        float second = 0;
        for (size_t k = 0; k < m->inputs; k++) {
            const float size = numbers[k] == 0 ? fabsf(weights[k]) : 0;
            if (size > largest) {
                second = largest;
                largest = size;
                at = k;
            } else {
                second = fmaxf(second, size);
            }
        }
        if (at < m->inputs)
            gains[at] += (double)largest * (double)largest - (double)second * (double)second;
    }
}

/* One after another, each the one that saves most; the first of equals. */
static void choose_wides(lh_embed_int8_matrix *m, wide_number *numbers, double *gains)
{
    for (uint32_t i = 0; i < m->wides; i++) {
        memset(gains, 0, m->inputs * sizeof(*gains));
        add_gains(m, numbers, gains);
        uint32_t best = UINT32_MAX;
        for (uint32_t k = 0; k < m->inputs; k++)
            if (numbers[k] == 0 && (best == UINT32_MAX || gains[k] > gains[best]))
                best = k;
        lh_assert(best != UINT32_MAX);
        numbers[best] = i + 1;
        m->leads[m->peaks + i] = best;
    }
}

/* The next input that often sets the range of its row and is wide or not, as asked; the first of
 * equals. Fourth powers find those that one largest value does not, nearly as well as trying. */
static uint32_t next_peak(const lh_embed_input_stats *stats, const lh_embed_int8_matrix *m,
                          const wide_number *numbers, bool wide)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t k = 0; k < m->inputs; k++)
        if (m->reach[k] == 1.0f && (numbers[k] != 0) == wide &&
            (best == UINT32_MAX || stats->fourth[k] > stats->fourth[best]))
            best = k;
    lh_assert(best != UINT32_MAX);
    return best;
}

/* What is no peak reaches as far as it is. A peak that is wide changes places with the wide that
 * has its number. */
static void choose_peaks(const lh_embed_input_stats *stats, lh_embed_int8_matrix *m,
                         wide_number *numbers)
{
    uint32_t *wides = m->leads + m->peaks;
    for (uint32_t k = 0; k < m->inputs; k++)
        m->reach[k] = 1.0f;
    for (uint32_t i = 0; i < m->peaks; i++) {
        const uint32_t best = next_peak(stats, m, numbers, i < m->both);
        m->leads[i] = best;
        m->reach[best] = 1.0f / LH_EMBED_PEAK_REACH;
        if (i >= m->both)
            continue;
        const uint32_t other = wides[i];
        wides[numbers[best] - 1] = other;
        numbers[other] = numbers[best];
        wides[i] = best;
        numbers[best] = i + 1;
    }
}

static lh_rc check_finite(lh_ctx *cx, const lh_embed_int8_matrix *m)
{
    bool finite = true;
    for (size_t i = 0; i < (size_t)m->inputs * m->outputs; i++)
        finite = finite && isfinite(m->weights[i]);
    if (!finite)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "weights that are not finite cannot be int8");
    return LH_OK;
}

static void choose_scales(lh_embed_int8_matrix *m, const wide_number *numbers)
{
    for (size_t o = 0; o < m->outputs; o++) {
        float scale = 1e-30f;
        for (size_t k = 0; k < m->inputs; k++) {
            const float size = fabsf(m->weights[o * m->inputs + k]);
            scale = fmaxf(scale, size / (numbers[k] == 0 ? LEVELS : WIDE_LEVELS));
        }
        m->scales[o] = scale;
    }
}

/* One block of inputs, in the order they are rounded in, backwards. */
typedef struct block {
    uint32_t first;
    uint32_t width;
    double *root;               /* R, [width][width] */
    uint32_t *order;            /* inputs: wides, then others by rising variance */
    double *variance;           /* by input */
    const wide_number *numbers; /* of all inputs */
    double *errors;             /* of the row that is being rounded, by place */
} block;

static bool comes_before(const block *b, uint32_t input, uint32_t other)
{
    const bool wide = b->numbers[b->first + input] != 0;
    const bool other_wide = b->numbers[b->first + other] != 0;
    return wide != other_wide ? wide : b->variance[input] < b->variance[other];
}

static void sort_inputs(block *b)
{
    for (uint32_t i = 0; i < b->width; i++) {
        uint32_t at = i;
        for (; at > 0 && comes_before(b, i, b->order[at - 1]); at--)
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
    sort_inputs(b);
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

/* A weight as it is stored, in the unit of its output's scale; back: the whole of it. */
static void put_level(const lh_embed_int8_matrix *m, size_t output, size_t input,
                      wide_number number, double level)
{
    int32_t low = (int32_t)level;
    if (number != 0) {
        const int32_t upper = (int32_t)floor(level / WIDE_UNIT + 0.5);
        m->upper[output * m->wides + number - 1] = (int8_t)upper;
        low -= upper * WIDE_UNIT;
    }
    m->stored[output * m->inputs + input] = (int8_t)low;
}

static double get_level(const lh_embed_int8_matrix *m, size_t output, size_t input,
                        wide_number number)
{
    const double low = m->stored[output * m->inputs + input];
    return number == 0 ? low : low + WIDE_UNIT * m->upper[output * m->wides + number - 1];
}

/* Four sums: one would wait for itself. */
static double dot(const double *a, const double *b, size_t count)
{
    double sums[4] = {0};
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (size_t j = 0; j < 4; j++)
            sums[j] += a[i + j] * b[i + j];
    for (; i < count; i++)
        sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void round_row(const lh_embed_int8_matrix *m, const block *b, size_t output)
{
    const size_t n = b->width;
    const float *weights = m->weights + output * m->inputs + b->first;
    const double scale = (double)m->scales[output];
    for (size_t i = n; i-- > 0;) {
        const double *row = b->root + i * n;
        const uint32_t input = b->order[i];
        double wanted = (double)weights[input];
        const double carried = dot(row + i + 1, b->errors + i + 1, n - i - 1);
        double level = nearbyint((wanted + carried / row[i]) / scale);
        const wide_number number = b->numbers[b->first + input];
        const double levels = (double)(number == 0 ? LEVELS : WIDE_LEVELS);
        level = fmin(fmax(level, -levels), levels);
        put_level(m, output, b->first + input, number, level);
        b->errors[i] = wanted - level * scale;
    }
}

/* The mean of what was lost, of weights times inputs, goes to the bias. */
static void correct_bias(const lh_embed_input_stats *stats, const wide_number *numbers,
                         lh_embed_int8_matrix *m)
{
    for (size_t o = 0; o < m->outputs; o++) {
        const double scale = (double)m->scales[o];
        double lost = 0;
        for (size_t k = 0; k < m->inputs; k++) {
            double error =
                (double)m->weights[o * m->inputs + k] - scale * get_level(m, o, k, numbers[k]);
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
    wide_number *numbers = LH_NEW_ARRAY(cx, wide_number, m->inputs);
    double *gains = LH_NEW_ARRAY(cx, double, m->inputs);
    if (b.root == NULL || b.order == NULL || b.variance == NULL || b.errors == NULL ||
        numbers == NULL || gains == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(check_finite(cx, m));
    choose_wides(m, numbers, gains);
    choose_peaks(stats, m, numbers);
    choose_scales(m, numbers);
    b.numbers = numbers;
    for (b.first = 0; b.first < m->inputs; b.first += b.width) {
        b.width = LH_MIN(m->inputs - b.first, (uint32_t)LH_EMBED_CALIBRATION_BLOCK);
        fill_covariance(stats, &b);
        factor(&b);
        for (size_t o = 0; o < m->outputs; o++)
            round_row(m, &b, o);
        LH_TRY(lh_ctx_check(cx));
    }
    correct_bias(stats, numbers, m);
    return LH_OK;
}
