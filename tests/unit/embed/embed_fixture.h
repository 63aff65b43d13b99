/* embed_fixture.h - committed texts, vectors and models of the embedder's tests.
 *
 * Owns:    everything is in the scratch's arena, packed models in its folder.
 * Threads: one.
 * Limits:  none.
 * Formats: tests/data/embed, written by tests/support/embed_fixtures.py.
 * Why:     every file of this folder starts from the same data. */
#ifndef LH_TESTS_UNIT_EMBED_FIXTURE_H
#define LH_TESTS_UNIT_EMBED_FIXTURE_H

#include "embed/embed.h"
#include "embed/pack.h"
#include "support/scratch.h"

typedef struct golden {
    lh_str *texts;
    const float *vectors; /* [count][dimensions] */
    size_t count;
} golden;

lh_str embed_data_path(lh_scratch *s, const char *name); /* below tests/data/embed */
lh_str embed_data(lh_scratch *s, const char *name);      /* whole file */
lh_str embed_unhex(lh_scratch *s, lh_str hex);           /* "-" = empty */
golden embed_golden(lh_scratch *s, const char *name, size_t dimensions);
/* Folder of MiniLM; empty when it is not installed (then the test says that it is skipped). */
lh_str embed_minilm(lh_scratch *s);
lh_str embed_pack_tiny(lh_scratch *s); /* path of the packed tiny model */
/* Largest difference of any component. */
float embed_distance(const float *a, const float *b, size_t count);

/* Runs the block once for every instruction set of this CPU. */
#define EMBED_FOR_KERNELS(kernels)                                                                 \
    for (size_t k_ = 0; k_ < LH_SIMD_COUNT; k_++)                                                  \
        for (const lh_embed_kernels *kernels = lh_embed_kernels_find((lh_simd)k_);                 \
             kernels != NULL; kernels = NULL)

#endif
