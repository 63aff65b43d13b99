/* vector/vector_rotate.c - the signs of a seeded rotation: it spreads what a few dimensions hold
 * over all of them, so that one step size fits every dimension. */
#include "vector/vector_build_private.h"

#include <math.h>

size_t lhi_rotation_block(uint32_t padded)
{
    size_t block = 128;
    while (block < 512 && padded % (block * 2) == 0)
        block *= 2;
    return block;
}

void lhi_rotation_signs(uint64_t seed, uint32_t padded, float *ret_signs)
{
    float size = 1.0f / sqrtf((float)lhi_rotation_block(padded));
    for (size_t i = 0; i < 3 * (size_t)padded; i++) {
        seed += 0x9e3779b97f4a7c15ull;
        ret_signs[i] = lhi_mix64(seed) & 1 ? size : -size;
    }
}
