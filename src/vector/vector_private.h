/* vector/vector_private.h - the segment's meta section, shared by build and open.
 *
 * Owns: nothing. Threads: plain data. Limits: vector_index.h. Formats: stored as it is. Why: one
 *       layout, checked twice. */
#ifndef LH_VECTOR_VECTOR_PRIVATE_H
#define LH_VECTOR_VECTOR_PRIVATE_H

#include "vector/vector_index.h"

#define LHI_VECTOR_KIND    LH_S("vector-segment")
#define LHI_VECTOR_VERSION 1u
#define LHI_VECTOR_FLAT    1u

typedef struct lhi_vector_meta {
    uint64_t rows;
    uint32_t dimensions;
    uint32_t kind;   /* LHI_VECTOR_FLAT */
    uint32_t metric; /* lh_vector_metric */
    uint32_t reserved;
} lhi_vector_meta;
_Static_assert(sizeof(lhi_vector_meta) == 24, "stored as it is");

#endif
