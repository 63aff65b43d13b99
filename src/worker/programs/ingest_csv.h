/* worker/programs/ingest_csv.h - CSV and TSV: how the file is written, what its columns are, and
 * its rows.
 *
 * Owns:    a layout is plain data in the arena of the context; a cursor owns its window and its
 *          record.
 * Threads: a layout is constant once made; a cursor belongs to one thread.
 * Limits:  see ingest_csv_split.h, ingest_names.h; the dialect is judged by the first
 *          LH_CSV_SAMPLE_BYTES.
 * Formats: delimiters comma, semicolon, tab, bar or any one ASCII character; Excel's "sep=;" line.
 * Why:     every row arrives (A16): short rows get nulls, fields too many go to the column _extra
 *          as a JSON list of texts, blank lines are counted (they are rows only in a file of one
 *          column). */
#ifndef LH_WORKER_PROGRAMS_INGEST_CSV_H
#define LH_WORKER_PROGRAMS_INGEST_CSV_H

#include "worker/messages.h"
#include "worker/programs/ingest_csv_split.h"
#include "worker/programs/ingest_rows.h"

#define LH_CSV_SAMPLE_BYTES (1024u * 1024)

typedef struct lh_csv_layout {
    lh_csv_dialect dialect;
    lh_encoding encoding;  /* UTF8 or LATIN1 */
    lh_names names;        /* without _extra */
    uint32_t fields_count; /* = names.count at first: columns that records are expected to have */
    bool has_header;
    uint64_t data_begin; /* of the first record that is a row */
    lh_list null_texts;  /* lh_str: user's spellings of null, in every column */
    bool all_text;
    bool has_extra; /* rows have a column _extra behind the others */
} lh_csv_layout;

/* Reads records one after another. */
typedef struct lh_csv_cursor {
    lh_window window;
    lh_csv_dialect dialect;
    lh_csv_record record;
} lh_csv_cursor;
LH_WARN_UNUSED lh_rc lh_csv_cursor_open(lh_ctx *cx, const lh_source *source, lh_csv_dialect dialect,
                                        uint64_t from, lh_csv_cursor *ret_cursor);
void lh_csv_cursor_close(lh_csv_cursor *cursor); /* safe on a zeroed one */
LH_DEFINE_CLEANUP_VALUE(lh_csv_cursor, lh_csv_cursor_close)
/* The next record out of the window alone: LH_CSV_MORE asks for lh_csv_cursor_refill, which moves
 * all fields. */
lh_csv_status lh_csv_cursor_next(lh_csv_cursor *cursor);
LH_WARN_UNUSED lh_rc lh_csv_cursor_refill(lh_ctx *cx, lh_csv_cursor *cursor);
/* next and refill in one: *ret_found false at the end of the file. For scans, which keep no
 * field. */
LH_WARN_UNUSED lh_rc lh_csv_cursor_read(lh_ctx *cx, lh_csv_cursor *cursor, bool *ret_found);
static inline uint64_t lh_csv_cursor_position(const lh_csv_cursor *cursor)
{
    return lh_window_position(&cursor->window);
}

/* The text of a field in UTF-8: borrowed from the window or made in the arena. *ret_repaired: had
 * other bytes. */
LH_WARN_UNUSED lh_rc lh_csv_field_text(lh_ctx *cx, lh_arena *arena, const lh_csv_layout *layout,
                                       const lh_csv_field *field, lh_str *ret_text,
                                       bool *ret_repaired);
bool lh_csv_is_null_text(const lh_csv_layout *layout, const lh_csv_field *field);

/* ingest_csv_sniff.c. source is decoded; options may fix delimiter, quote and header.
 * LH_E_BAD_VALUE for those. */
LH_WARN_UNUSED lh_rc lh_csv_sniff(lh_ctx *cx, const lh_source *source,
                                  const lh_ingest_options *options, lh_str file_name,
                                  lh_csv_layout *ret_layout);
/* The dialect of a sample of text alone; what sniff does first. delimiter 0 and quote 0 =
 * detect. */
void lh_csv_guess_dialect(lh_str sample, lh_csv_end end, char delimiter, char quote,
                          lh_csv_dialect *ret_dialect);
/* How well a text falls into columns, 0..1000, by its best delimiter: to tell CSV from prose. */
int lh_csv_score(lh_str sample, lh_csv_end end);

/* ingest_csv_scan.c: types only. */
typedef struct lh_csv_scan {
    lh_column_guess *guesses; /* layout->fields_count */
    uint64_t rows;
    uint64_t bytes;
    bool long_rows;
} lh_csv_scan;
LH_WARN_UNUSED lh_rc lh_csv_scan_init(lh_ctx *cx, const lh_csv_layout *layout,
                                      lh_csv_scan *ret_scan);
void lh_csv_scan_merge(const lh_csv_layout *layout, lh_csv_scan *into, const lh_csv_scan *other);
/* All records that begin in [part->begin, part->end), at most bytes_max; sets part->actual_end. */
LH_WARN_UNUSED lh_rc lh_csv_scan_part(lh_ctx *cx, const lh_source *source,
                                      const lh_csv_layout *layout, lh_rows_part *part,
                                      lh_csv_scan *scan);
/* The begin of the first record at or after `nominal`, guessed from what the lines there look like.
 * Reading the part before it says whether that was right. */
LH_WARN_UNUSED lh_rc lh_csv_boundary(lh_ctx *cx, const lh_source *source,
                                     const lh_csv_layout *layout, uint64_t nominal,
                                     uint64_t *ret_begin);
/* Cuts the rows into parts and guesses where each begins. */
LH_WARN_UNUSED lh_rc lh_csv_cut(lh_ctx *cx, const lh_source *source, const lh_csv_layout *layout,
                                uint32_t threads, lh_rows_plan *plan);
/* Columns of the plan from the layout and what a scan saw. */
LH_WARN_UNUSED lh_rc lh_csv_columns(lh_ctx *cx, lh_csv_layout *layout, const lh_csv_scan *scan,
                                    lh_rows_plan *plan);

/* ingest_csv_rows.c */
extern const lh_rows_format lh_csv_rows_format;

#endif
