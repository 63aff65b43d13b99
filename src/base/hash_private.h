/* hash_private.h - one checksum over several pieces; private to base/.
 *
 * Owns: nothing. Threads: pure. Limits: none. Formats: XXH3-64 of the pieces one after another,
 *       seed 0.
 * Why: the container's checksum covers a header in memory and tables in the file. */
#ifndef LH_BASE_HASH_PRIVATE_H
#define LH_BASE_HASH_PRIVATE_H

#include "base/hash.h"

uint64_t lhi_hash64_parts(const lh_str *parts, size_t count);

#endif
