/* text/text_index.h - inverted index: build, absorb, merge; open a segment.
 *
 * Owns:    a builder owns its documents' postings until finish; it borrows sink and options for
 *          its life. An open segment borrows the mapped bytes of its file and owns what it
 *          derives from them (hash of terms, bitmaps of common terms).
 * Threads: a builder is one thread's; a segment is immutable and searched by many.
 * Limits:  LH_TEXT_DOCS_MAX documents, LH_TEXT_FIELDS_MAX fields, LH_TEXT_DOC_TOKENS_MAX terms of a
 *          field of a document, facet values of LH_TEXT_FACET_BYTES_MAX bytes. Building keeps to
 *          memory_bytes_max and spills sorted runs to scratch_path.
 * Formats: container kind "text-segment", version 1 (src/text/README.md draws it). The same
 *          documents and options give the same bytes, whatever the memory limit, the number of
 *          builders they were spread over, or the merges they went through.
 * Why:     one file per batch of documents, immutable, so that readers need no locks. */
#ifndef LH_TEXT_TEXT_INDEX_H
#define LH_TEXT_TEXT_INDEX_H

#include "base/container.h"
#include "text/text_analyzer.h"

#define LH_TEXT_DOCS_MAX        ((1u << 25) - 2)
#define LH_TEXT_FIELDS_MAX      16
#define LH_TEXT_FACETS_MAX      16
#define LH_TEXT_NAME_BYTES_MAX  63
#define LH_TEXT_DOC_TOKENS_MAX  (1u << 24)
#define LH_TEXT_FACET_BYTES_MAX 1024

enum { LH_TEXT_POSITIONS = 1 }; /* phrases can be asked; costs a quarter to a third of the bytes */

typedef struct lh_text_field_options {
    lh_str name;    /* 1..LH_TEXT_NAME_BYTES_MAX bytes: letters, digits, _ . - */
    uint32_t flags; /* LH_TEXT_POSITIONS */
    double boost;   /* 0 = 1; of every score of this field */
} lh_text_field_options;

typedef struct lh_text_build_options {
    const lh_text_field_options *fields; /* NULL: one field "text" with positions */
    uint32_t fields_count;
    lh_str_list facets;                /* names of facet columns */
    lh_text_analyzer_options analyzer; /* recorded */
    double k1;                         /* 0 = 1.2; recorded */
    double b;                          /* 0 = 0.75, below 0 = 0; recorded */
    uint64_t memory_bytes_max;         /* of postings in memory; 0 = 256 MiB */
    lh_str scratch_path;               /* folder for runs; empty: LH_E_MEMORY_LIMIT instead */
    void (*on_progress)(void *arg, uint64_t done, uint64_t total); /* of finish, in terms */
    void *progress_arg;
} lh_text_build_options;

typedef struct lh_text_doc {
    uint64_t row;         /* what the caller calls it; any number, need not rise */
    const lh_str *fields; /* fields_count texts */
    const lh_str *facets; /* one value a facet; NULL or an empty text: none */
} lh_text_doc;

typedef struct lh_text_builder lh_text_builder;
typedef struct lh_text_segment lh_text_segment;

LH_WARN_UNUSED lh_rc lh_text_builder_new(lh_ctx *cx, const lh_text_build_options *opts,
                                         lh_text_builder **ret_builder);
/* Documents get numbers 0, 1, ... in the order of the calls. LH_E_TOO_LARGE, LH_E_MEMORY_LIMIT. */
LH_WARN_UNUSED lh_rc lh_text_builder_add(lh_ctx *cx, lh_text_builder *builder,
                                         const lh_text_doc *doc);
/* other's documents follow builder's; other is left empty. Both were made with the same options:
 * several threads analyse a share each, and the bytes are those of one. */
LH_WARN_UNUSED lh_rc lh_text_builder_absorb(lh_ctx *cx, lh_text_builder *builder,
                                            lh_text_builder *other);
/* segment's documents follow (a merge); those whose bit in live (NULL: all) is 0 are left out.
 * segment is borrowed until finish. LH_E_CONFLICT when fields or analyser differ. */
LH_WARN_UNUSED lh_rc lh_text_builder_add_segment(lh_ctx *cx, lh_text_builder *builder,
                                                 const lh_text_segment *segment,
                                                 const uint64_t *live);
uint32_t lh_text_builder_docs(const lh_text_builder *builder);
uint64_t lh_text_builder_bytes(const lh_text_builder *builder); /* of memory held now */
/* Writes the segment. The builder can only be freed afterwards. */
LH_WARN_UNUSED lh_rc lh_text_builder_finish(lh_ctx *cx, lh_text_builder *builder,
                                            lh_container_sink sink, uint64_t *ret_file_bytes);
lh_text_builder *lh_text_builder_free(lh_text_builder *builder);
LH_DEFINE_CLEANUP(lh_text_builder, lh_text_builder_free)

/* bytes: the mapped segment, borrowed until close. Every offset, count and list is checked here,
 * in time linear in the file's dictionary; postings are checked as they are decoded. LH_E_CORRUPT.
 */
LH_WARN_UNUSED lh_rc lh_text_segment_open(lh_ctx *cx, lh_str bytes, lh_text_segment **ret_segment);
lh_text_segment *lh_text_segment_close(lh_text_segment *segment);
LH_DEFINE_CLEANUP(lh_text_segment, lh_text_segment_close)
/* Every block checksum, and every posting decoded and checked. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_text_segment_verify(lh_ctx *cx, const lh_text_segment *segment);

typedef struct lh_text_segment_stats {
    uint32_t docs;
    uint32_t fields;
    uint32_t facets;
    uint64_t terms;
    uint64_t tokens;   /* of all fields */
    uint64_t postings; /* (term, document) pairs */
    uint64_t bytes_mapped;
    uint64_t bytes_resident; /* derived at open */
    const char *simd;        /* path in use: "scalar", "avx2", "avx512" */
} lh_text_segment_stats;
void lh_text_segment_stats_get(const lh_text_segment *segment, lh_text_segment_stats *ret_stats);
const lh_text_analyzer *lh_text_segment_analyzer(const lh_text_segment *segment);
lh_str lh_text_segment_field(const lh_text_segment *segment, uint32_t field); /* its name */
/* Number of the field, or -1. */
int lh_text_segment_field_find(const lh_text_segment *segment, lh_str name);
uint64_t lh_text_segment_row(const lh_text_segment *segment, uint32_t doc);
/* Documents that hold term in field. */
uint32_t lh_text_segment_df(const lh_text_segment *segment, uint32_t field, lh_str term);
/* Value of a facet, borrowed; empty when the document has none. */
lh_str lh_text_segment_facet(const lh_text_segment *segment, uint32_t facet, uint32_t doc);
/* Sets the bit of every document whose row is in [row_first, row_end) and, when rows is given, has
 * its bit there (bit r of word r / 64, rows_count bits; rows past it count as 0). docs: one bit a
 * document, zeroed by the caller, of LH_TEXT_BITMAP_WORDS(docs) words. */
#define LH_TEXT_BITMAP_WORDS(docs) (((uint64_t)(docs) + 511) / 512 * 8)
typedef struct lh_text_rows {
    const uint64_t *words; /* NULL = all rows of the range */
    uint64_t rows_count;
    uint64_t row_first;
    uint64_t row_end; /* 0 = no end */
} lh_text_rows;
void lh_text_segment_select(const lh_text_segment *segment, const lh_text_rows *rows,
                            uint64_t *ret_docs);

#endif
