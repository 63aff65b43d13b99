/* base/code_table.h - what is done with every code point: a class, and for some what they become.
 *
 * Owns:    nothing; tables are constants that tools/code_table.py writes.
 * Threads: pure.
 * Limits:  code points below 0x110000; 65,536 parts.
 * Formats: two stages: a number for each block of 128 code points, then the classes of that block;
 *          blocks that are alike are stored once. Maps are sorted by code point.
 * Why:     the embedder's reference and the text engine disagree about classes, not about how to
 *          look them up. */
#ifndef LH_BASE_CODE_TABLE_H
#define LH_BASE_CODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define LH_CODE_BLOCK  128
#define LH_CODE_BLOCKS (0x110000 / LH_CODE_BLOCK)

typedef struct lh_code_map {
    uint32_t code_point;
    uint16_t first; /* of its parts */
    uint16_t count;
} lh_code_map;

typedef struct lh_code_table {
    const uint16_t *block_of; /* LH_CODE_BLOCKS */
    const uint8_t *classes;   /* LH_CODE_BLOCK for each block */
    const lh_code_map *maps;
    size_t maps_count;
    const uint32_t *parts;
} lh_code_table;

static inline uint8_t lh_code_class(const lh_code_table *table, uint32_t code)
{
    size_t block = table->block_of[code / LH_CODE_BLOCK];
    return table->classes[block * LH_CODE_BLOCK + code % LH_CODE_BLOCK];
}

/* What code, whose class says that it is mapped, becomes; returns how many. */
uint32_t lh_code_parts(const lh_code_table *table, uint32_t code, const uint32_t **ret_parts);

#endif
