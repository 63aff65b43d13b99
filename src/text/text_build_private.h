/* text/text_build_private.h - a builder's parts: token log, runs, histogram of pairs, encoder.
 *
 * Owns: each part frees what it holds. Threads: one. Limits: text_index.h. Formats: a spilled run
 *       is scratch, drawn in text_run.c. Why: collect, sort, merge and encode are four verbs. */
#ifndef LH_TEXT_TEXT_BUILD_PRIVATE_H
#define LH_TEXT_TEXT_BUILD_PRIVATE_H

#include "os/file.h"
#include "segset/segset.h"
#include "text/text_format_private.h"

enum { LHI_TEXT_PAIR_TF_DENSE = 64, LHI_TEXT_PAIR_TF_MAX = 65535 };

/* How often each (tf, length code) occurs in a field. */
typedef struct lhi_text_pairs {
    uint64_t dense[LHI_TEXT_PAIR_TF_DENSE][LHI_TEXT_LENGTH_CODES];
    uint32_t *keys; /* tf << 8 | length code; 0 = free */
    uint64_t *counts;
    uint32_t slots;
    uint32_t used;
} lhi_text_pairs;
LH_WARN_UNUSED lh_rc lhi_text_pairs_add(lh_ctx *cx, lhi_text_pairs *pairs, uint32_t tf,
                                        uint32_t length_code);
LH_WARN_UNUSED lh_rc lhi_text_pairs_merge(lh_ctx *cx, lhi_text_pairs *pairs,
                                          const lhi_text_pairs *other);
lhi_text_pairs *lhi_text_pairs_free(lhi_text_pairs *pairs);

/* One term's postings: docs and tfs side by side, positions of each one after another. */
typedef struct lhi_text_list {
    lhi_text_vec docs;      /* u32 */
    lhi_text_vec tfs;       /* u32 */
    lhi_text_vec positions; /* u32, rising within a document; empty when not stored */
} lhi_text_list;
void lhi_text_list_reset(lhi_text_list *list);
/* Into order of documents, by way of other. In text_merge.c. */
LH_WARN_UNUSED lh_rc lhi_text_list_sort(lh_ctx *cx, lhi_text_list *list, lhi_text_list *other);
void lhi_text_list_done(lhi_text_list *list);

/* Terms and postings of a range of documents: in memory, spilled, or those of a segment. */
typedef struct lhi_text_run {
    uint32_t doc_base; /* added to its document numbers */
    uint32_t terms_count;
    uint8_t *keys;                  /* memory: key bytes of all terms */
    uint64_t *key_at;               /* per term, in order of keys: offset << 8 | bytes - 1 */
    uint64_t *first;                /* per term and one more: its postings in `postings` */
    uint64_t *postings;             /* document << 32 | position */
    uint64_t bytes;                 /* of memory held */
    lh_file *file;                  /* spilled */
    char *path;                     /* removed with the run */
    uint64_t file_bytes;            /* of it */
    const lh_text_segment *segment; /* borrowed */
    uint32_t *doc_map;              /* segment: new number of a document; UINT32_MAX = left out */
} lhi_text_run;
void lhi_text_run_done(lhi_text_run *run);
LH_WARN_UNUSED lh_rc lhi_text_run_spill(lh_ctx *cx, lhi_text_run *run, lh_str folder,
                                        uint32_t number);

/* Reads a run term by term. */
typedef struct lhi_text_source {
    const lhi_text_run *run;
    uint32_t key_len; /* 0 = at its end */
    uint8_t key[LHI_TEXT_KEY_MAX];
    uint64_t next;   /* the term after this one */
    uint64_t offset; /* spilled: of the buffer's end in the file */
    uint8_t *buffer;
    size_t buffer_at;
    size_t buffer_len;
    uint8_t with_positions; /* per term: its field keeps them */
    void *cursor;           /* segment: decoding state */
} lhi_text_source;
LH_WARN_UNUSED lh_rc lhi_text_source_open(lh_ctx *cx, lhi_text_source *src,
                                          const lhi_text_run *run);
void lhi_text_source_done(lhi_text_source *src);
LH_WARN_UNUSED lh_rc lhi_text_source_next(lh_ctx *cx, lhi_text_source *src);
/* Appends the current term's postings, numbered from doc_base. Call once a term. */
LH_WARN_UNUSED lh_rc lhi_text_source_read(lh_ctx *cx, lhi_text_source *src, lhi_text_list *list);
/* The same of a segment's term; in text_merge.c. */
LH_WARN_UNUSED lh_rc lhi_text_segment_next(lh_ctx *cx, lhi_text_source *src);
LH_WARN_UNUSED lh_rc lhi_text_segment_read(lh_ctx *cx, lhi_text_source *src, lhi_text_list *list);

/* Bytes that wait for their section: in memory, past a limit in a scratch file. */
typedef struct lhi_text_spool {
    lhi_text_vec bytes;
    uint64_t total;
    uint64_t memory_max;
    lh_str folder;
    lh_file *file;
    char *path;
} lhi_text_spool;
LH_WARN_UNUSED lh_rc lhi_text_spool_put(lh_ctx *cx, lhi_text_spool *spool, const void *bytes,
                                        size_t count);
LH_WARN_UNUSED lh_rc lhi_text_spool_write(lh_ctx *cx, lhi_text_spool *spool,
                                          lh_container_writer *writer);
void lhi_text_spool_done(lhi_text_spool *spool);
/* A new file in folder that is removed with *ret_path. */
LH_WARN_UNUSED lh_rc lhi_text_scratch_new(lh_ctx *cx, lh_str folder, uint64_t number,
                                          lh_file **ret_file, char **ret_path);
void lhi_text_scratch_done(lh_file **file, char **path);

/* Impact codes of a field, and how to find a pair's. */
typedef struct lhi_text_codes {
    lhi_text_pair pairs[LHI_TEXT_CODES];
    double impacts[LHI_TEXT_CODES]; /* falling */
    uint32_t count;
    uint8_t dense[LHI_TEXT_PAIR_TF_DENSE][LHI_TEXT_LENGTH_CODES]; /* code, or LHI_TEXT_ESCAPE */
    double norms[LHI_TEXT_LENGTH_CODES];
    double k1;
} lhi_text_codes;
LH_WARN_UNUSED lh_rc lhi_text_codes_init(lh_ctx *cx, lhi_text_codes *codes,
                                         const lhi_text_pairs *pairs, const lhi_text_meta *meta,
                                         double average);
uint8_t lhi_text_code_of(const lhi_text_codes *codes, uint32_t tf, uint8_t length_code);

/* Turns terms, in order of their keys, into dictionary, postings and positions. */
typedef struct lhi_text_encoder {
    const uint8_t *const *norms; /* per field: length codes of the documents */
    const lhi_text_codes *codes; /* per field */
    const uint32_t *flags;       /* per field */
    lhi_text_field_row *rows;    /* per field: term counts are kept here */
    lh_container_writer *writer; /* its open section takes the postings */
    lhi_text_spool positions;
    lhi_text_spool dict;
    lhi_text_vec dict_blocks; /* u64 */
    lhi_text_vec scratch;     /* bytes of the term being made */
    lhi_text_vec place;       /* bytes of its positions */
    uint64_t terms;
    uint64_t postings;
    uint32_t key_len;
    uint8_t key[LHI_TEXT_KEY_MAX]; /* of the term before */
} lhi_text_encoder;
LH_WARN_UNUSED lh_rc lhi_text_encode_term(lh_ctx *cx, lhi_text_encoder *enc, const uint8_t *key,
                                          uint32_t key_len, const lhi_text_list *list);
void lhi_text_encoder_done(lhi_text_encoder *enc);

typedef struct lhi_text_field_state {
    lhi_text_vec norms; /* u8 a document */
    uint64_t tokens;
    lhi_text_pairs *pairs;
} lhi_text_field_state;

typedef struct lhi_text_facet_state {
    lhi_text_vec ids;   /* u32 a document: value + 1, 0 = none */
    lhi_text_vec bytes; /* of the values, one after another */
    lhi_text_vec ends;  /* u64 a value */
    uint32_t *slots;    /* value + 1 */
    uint32_t slots_count;
} lhi_text_facet_state;
LH_WARN_UNUSED lh_rc lhi_text_facet_add(lh_ctx *cx, lhi_text_facet_state *facet, lh_str value);
/* Sorts the values, renumbers and writes sections facetN.*; fills row but its name. */
LH_WARN_UNUSED lh_rc lhi_text_facet_write(lh_ctx *cx, lhi_text_facet_state *facet, uint32_t number,
                                          lh_container_writer *writer, lhi_text_facet_row *row);
void lhi_text_facet_done(lhi_text_facet_state *facet);

typedef struct lhi_text_log_entry {
    uint32_t term;
    uint32_t position;
} lhi_text_log_entry;

struct lh_text_builder {
    lh_text_build_options opts; /* texts are copies in arena */
    lh_arena *arena;
    lh_text_analyzer *analyzer;
    lh_text_tokenizer *tokenizer;
    lhi_text_meta meta;
    lhi_text_field_row fields[LH_TEXT_FIELDS_MAX];
    lhi_text_facet_row facets[LH_TEXT_FACETS_MAX];
    lhi_text_field_state field_state[LH_TEXT_FIELDS_MAX];
    lhi_text_facet_state facet_state[LH_TEXT_FACETS_MAX];
    lhi_text_vec rows; /* u64 a document */
    /* documents since the last run */
    lhi_text_vec log;      /* lhi_text_log_entry */
    lhi_text_vec doc_ends; /* u64 a document: end in log */
    lhi_text_vec keys;     /* u8 */
    lhi_text_vec key_at;   /* u64 a term: offset << 8 | bytes - 1 */
    lhi_text_vec counts;   /* u32 a term: entries in log */
    uint64_t *slots;       /* hash's upper half << 32 | term + 1 */
    uint32_t slots_count;
    uint32_t log_doc_base;
    lhi_text_vec runs; /* lhi_text_run */
    uint64_t runs_bytes;
    uint32_t spills;
    int is_mixed; /* documents of runs lie among one another: lists are sorted when joined */
    /* of the document being read */
    uint32_t field;
    uint32_t length;
    int is_finished;
};
/* What the documents since the last run hold becomes a run. */
LH_WARN_UNUSED lh_rc lhi_text_builder_flush(lh_ctx *cx, lh_text_builder *builder);
LH_WARN_UNUSED lh_rc lhi_text_builder_push(lh_ctx *cx, lh_text_builder *builder,
                                           const lhi_text_run *run);
/* Documents of several segments follow, in the order of merging->from (rising within each), their
 * rows being their new numbers. The segments are borrowed until finish. In text_merge.c. */
LH_WARN_UNUSED lh_rc lhi_text_builder_add_merging(lh_ctx *cx, lh_text_builder *builder,
                                                  const lh_segset_merging *merging);

#endif
