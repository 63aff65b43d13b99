/* vector/vector_kernels_scalar.c - the reference: every other table equals it, bit for bit. */
#include "vector/vector_encode_private.h"

static void i4_four(const uint8_t *const rows[4], const int8_t *query, size_t chunks,
                    int32_t ret[4])
{
    for (size_t r = 0; r < 4; r++) {
        int32_t sum = 0;
        for (size_t c = 0; c < chunks; c++)
            for (size_t j = 0; j < 64; j++) {
                uint8_t code = rows[r][c * 64 + j];
                sum += (code & 15) * query[c * 128 + j] + (code >> 4) * query[c * 128 + 64 + j];
            }
        ret[r] = sum;
    }
}

static void i4_scores(const lh_vector_i4_ask *a, const uint32_t *rows, size_t count, float *ret)
{
    for (size_t i = 0; i < count; i += 4) {
        const uint8_t *at[4];
        int32_t sums[4];
        for (size_t z = 0; z < 4; z++)
            at[z] = a->codes + rows[i + z] * (a->chunks * 64);
        i4_four(at, a->query, a->chunks, sums);
        for (size_t z = 0; z < 4; z++) {
            float score = ((float)sums[z] - a->middle) * a->factors[rows[i + z]] * a->unit;
            ret[i + z] = a->halves ? score + a->halves[rows[i + z]] : score;
        }
    }
}

static size_t table_bytes(size_t padded)
{
    return padded * 4;
}

/* Per 4 dimensions 16 sums of the values whose bit is set, plus what makes the least of them 0. */
static void b1_table(const int8_t *query, size_t padded, uint8_t *ret)
{
    for (size_t g = 0; g < padded / 4; g++, query += 4, ret += 16) {
        int lift = 0;
        for (size_t j = 0; j < 4; j++)
            lift += query[j] < 0 ? -query[j] : 0;
        for (size_t m = 0; m < 16; m++) {
            int sum = lift;
            for (size_t j = 0; j < 4; j++)
                sum += m >> j & 1 ? query[j] : 0;
            ret[m] = (uint8_t)sum;
        }
    }
}

static int allowed(const lh_vector_b1_scan *s, size_t row)
{
    return row < s->rows && (!s->allowed || (s->allowed[row / 64] >> (row % 64) & 1u));
}

static float estimate(const lh_vector_b1_scan *s, const uint8_t *block, size_t row)
{
    size_t r = row % 32;
    int32_t sum = 0;
    for (size_t g = 0; g < s->padded / 4; g++) {
        uint8_t pair = block[g * 16 + r % 16];
        sum += s->table[g * 16 + (r < 16 ? pair & 15u : (unsigned)pair >> 4)];
    }
    uint32_t bits = (uint32_t)s->factors[row] << 16;
    float factor;
    memcpy(&factor, &bits, sizeof factor);
    float e = (float)(2 * sum - s->base) * factor * s->unit;
    return s->offsets ? e + s->offsets[row] : e;
}

static size_t b1_scan(lh_vector_b1_scan *s, size_t first, size_t end)
{
    size_t b = first;
    for (; b < end && s->keys_count + 32 <= s->keys_max; b++)
        for (size_t row = b * 32; row < b * 32 + 32; row++) {
            if (!allowed(s, row))
                continue;
            float e = estimate(s, s->blocks + b * s->block_bytes, row);
            if (e >= s->threshold)
                s->keys[s->keys_count++] = lh_vector_key(e, (uint32_t)row);
        }
    return b;
}

static size_t panel_bytes(size_t padded)
{
    return LH_VECTOR_PANEL * padded;
}

static void pack(uint8_t *panel, const uint8_t *const rows[LH_VECTOR_PANEL], size_t padded)
{
    for (size_t r = 0; r < LH_VECTOR_PANEL; r++)
        memcpy(panel + r * padded, rows[r], padded);
}

static void unbias(uint8_t *ret, const uint8_t *panel, size_t padded)
{
    for (size_t i = 0; i < LH_VECTOR_PANEL * padded; i++)
        ret[i] = panel[i] ^ 0x80u;
}

static void multiply(const uint8_t *left, const uint8_t *right, size_t padded, int32_t ret[256])
{
    for (size_t r = 0; r < LH_VECTOR_PANEL; r++)
        for (size_t c = 0; c < LH_VECTOR_PANEL; c++) {
            int32_t sum = 0;
            for (size_t i = 0; i < padded; i++)
                sum += (int8_t)left[r * padded + i] * right[c * padded + i];
            ret[r * LH_VECTOR_PANEL + c] = sum;
        }
}

static void dot_four(const uint8_t *row, const int8_t *kept, size_t padded, int32_t ret[4])
{
    for (size_t k = 0; k < 4; k++) {
        int32_t sum = 0;
        for (size_t i = 0; i < padded; i++)
            sum += row[i] * kept[k * padded + i];
        ret[k] = sum;
    }
}

static void store_tile(const int32_t value[256], const int32_t less[16], int shift, int16_t *tile,
                       int16_t *mirror, size_t ld)
{
    for (size_t r = 0; r < LH_VECTOR_PANEL; r++)
        for (size_t c = 0; c < LH_VECTOR_PANEL; c++) {
            int16_t v = (int16_t)((value[r * LH_VECTOR_PANEL + c] - less[r]) >> shift);
            tile[r * ld + c] = v;
            if (mirror)
                mirror[c * ld + r] = v;
        }
}

static int16_t saturated(int32_t v)
{
    return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

/* The k-th largest of 32 lane maxima: at least k columns reach it. */
static int16_t kth_of_lanes(const int16_t lanes[32], int k)
{
    int16_t best = -32767;
    for (size_t i = 0; i < 32; i++) {
        int reach = 0;
        for (size_t j = 0; j < 32; j++)
            reach += lanes[j] >= lanes[i];
        if (reach >= k && lanes[i] > best)
            best = lanes[i];
    }
    return best;
}

static size_t leaf_best(const int16_t *row, const int16_t *half, size_t count, int k,
                        uint16_t *columns, int16_t *scores)
{
    int16_t lanes[32];
    size_t found = 0;
    for (size_t l = 0; l < 32; l++)
        lanes[l] = INT16_MIN;
    for (size_t j = 0; j < count; j++) {
        int16_t s = saturated(row[j] - half[j]);
        if (s > lanes[j % 32])
            lanes[j % 32] = s;
    }
    int16_t least = kth_of_lanes(lanes, k);
    for (size_t j = 0; j < count; j++) {
        int16_t s = saturated(row[j] - half[j]);
        if (s < least)
            continue;
        columns[found] = (uint16_t)j;
        scores[found++] = s;
    }
    return found;
}

static uint32_t leader_scores(const int32_t *value, int32_t less, const int32_t *norms,
                              int32_t least, int32_t *scores)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < LH_VECTOR_PANEL; i++) {
        scores[i] = 2 * (value[i] - less) - norms[i];
        mask |= (uint32_t)(scores[i] >= least) << i;
    }
    return mask;
}

static uint32_t largest_id(const uint32_t *ids, size_t count)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++)
        if (ids[i] != UINT32_MAX && ids[i] > largest)
            largest = ids[i];
    return largest;
}

const lh_vector_kernels lh_vector_kernels_scalar = {
    .name = "scalar",
    .floats = LHI_FLOAT_KERNELS,
    .encode = LHI_ENCODE_KERNELS,
    .search = {.i4_four = i4_four,
               .i4_scores = i4_scores,
               .b1_block_rows = 32,
               .b1_table_bytes = table_bytes,
               .b1_table = b1_table,
               .b1_scan = b1_scan},
    .build = {.panel_bytes = panel_bytes,
              .pack = pack,
              .unbias = unbias,
              .multiply = multiply,
              .dot_four = dot_four,
              .store_tile = store_tile,
              .leaf_best = leaf_best,
              .leader_scores = leader_scores,
              .largest_id = largest_id},
};
