/* vector/vector_coded_query.c - a query in the shapes of the codes: rotated like the rows, as int8
 * for 4-bit codes, as small integers for the tables of 1-bit codes.
 *
 * Both are integers, so scores are exact sums and do not depend on the order or width in which an
 * instruction set adds them. Rows are centred and queries are not (but for euclidean): <q, x> and
 * <q, x - mean> differ by a constant. */
#include "vector/vector_walk_private.h"

#include "vector/vector_build_private.h"

#include <math.h>

#define B1_GROUP_MOST 28.0f /* + 6 x 0.5 of rounding = 31, eight of which fit a byte */

void lhi_code_query(const lh_vector_index *index, const float *values, lhi_coded_query *q)
{
    const lh_vector_kernels *k = index->kernels;
    uint32_t n = index->meta.dimensions;
    uint32_t padded = index->meta.padded;
    memset(q->values + n, 0, (padded - n) * sizeof(float));
    memcpy(q->values, values, n * sizeof(float));
    if (index->meta.metric == LH_VECTOR_EUCLIDEAN)
        for (uint32_t i = 0; i < n; i++)
            q->values[i] -= index->mean[i];
    if (index->signs)
        k->encode.rotate(index->signs, padded, lhi_rotation_block(padded), q->values);
    q->norm = sqrtf(k->floats.dot_f32(q->values, q->values, padded));
    q->offset = index->meta.metric == LH_VECTOR_EUCLIDEAN
                    ? -0.5f * q->norm * q->norm
                    : k->floats.dot_f32(index->mean, values, n);
    float largest = k->encode.largest(q->values, padded);
    float scale = largest > 1e-30f ? 127.0f / largest : 1.0f;
    k->encode.round(q->values, padded, scale, q->i8);
    int32_t sum = 0;
    for (uint32_t i = 0; i < padded; i++)
        sum += q->i8[i];
    q->i8_middle = 7.5f * (float)sum;
    q->i8_unit = 1.0f / scale;
}

/* The largest sum of magnitudes of `group` neighbours. */
static float largest_group(const float *values, uint32_t padded, uint32_t group)
{
    float largest = 0;
    for (uint32_t i = 0; i < padded; i += group) {
        float sum = 0;
        for (uint32_t j = i; j < LH_MIN(i + group, padded); j++)
            sum += __builtin_fabsf(values[j]);
        largest = sum > largest ? sum : largest;
    }
    return largest;
}

void lhi_code_query_b1(const lh_vector_index *index, lhi_coded_query *q)
{
    uint32_t padded = index->meta.padded;
    float four = largest_group(q->values, padded, 4);
    float six = largest_group(q->values, padded, 6);
    float most = LH_MAX(four, six);
    float scale = most > 1e-30f ? B1_GROUP_MOST / most : 1.0f;
    index->kernels->encode.round(q->values, padded, scale, q->b1);
    int32_t sum = 0;
    int32_t lift = 0;
    for (uint32_t i = 0; i < padded; i++) {
        sum += q->b1[i];
        lift += q->b1[i] < 0 ? -q->b1[i] : 0;
    }
    q->b1_base = 2 * lift + sum;
    q->b1_unit = 1.0f / scale;
    index->kernels->search.b1_table(q->b1, padded, q->table);
}
