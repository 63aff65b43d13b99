/* worker/programs/ingest_encoding.h - bytes of unknown encoding to UTF-8, losing nothing.
 *
 * Owns:    nothing; made texts live in the given arena.
 * Threads: pure functions.
 * Limits:  detection looks at the bytes it is given.
 * Formats: UTF-8, UTF-16 LE/BE, Latin-1 in its usual form (Windows-1252 for 0x80..0x9F, as browsers
 *          read it).
 * Why:     a decision per file would garble a UTF-8 file with one bad byte: bytes that are not
 *          UTF-8 are read as Latin-1 one by one, wherever they stand, so the result does not depend
 *          on any sample. */
#ifndef LH_WORKER_PROGRAMS_INGEST_ENCODING_H
#define LH_WORKER_PROGRAMS_INGEST_ENCODING_H

#include "base/ctx.h"

typedef enum lh_encoding {
    LH_ENCODING_UTF8, /* with Latin-1 for stray bytes */
    LH_ENCODING_LATIN1,
    LH_ENCODING_UTF16LE,
    LH_ENCODING_UTF16BE
} lh_encoding;

/* By byte order mark, else by where the NUL bytes are. *ret_mark = bytes of the mark to skip. */
lh_encoding lh_encoding_detect(lh_str head, size_t *ret_mark);
/* utf-8, utf8, latin-1, latin1, iso-8859-1, windows-1252, cp1252, utf-16le, utf-16be, utf-16 (by
 * mark, else LE); any case. LH_E_BAD_VALUE. */
LH_WARN_UNUSED lh_rc lh_encoding_parse(lh_ctx *cx, lh_str name, lh_str head,
                                       lh_encoding *ret_encoding);

/* UTF-8 of text: itself when valid; else a copy where each byte outside a valid sequence is read as
 * Latin-1. */
LH_WARN_UNUSED lh_rc lh_encoding_repair(lh_ctx *cx, lh_arena *arena, lh_str text, lh_str *ret_text);
/* UTF-8 of a text that is Latin-1 throughout. */
LH_WARN_UNUSED lh_rc lh_encoding_from_latin1(lh_ctx *cx, lh_arena *arena, lh_str text,
                                             lh_str *ret_text);

/* One step of UTF-16 to UTF-8: units_count code units, of which a last high surrogate may be left
 * over (*ret_used). out has room for 3 * units_count + 3 bytes; returns bytes written. A lone
 * surrogate becomes U+FFFD and is counted. */
typedef struct lh_utf16_step {
    lh_encoding encoding;
    int final; /* no more input follows */
    uint64_t replaced;
} lh_utf16_step;
size_t lh_utf16_to_utf8(lh_utf16_step *step, const unsigned char *in, size_t units_count, char *out,
                        size_t *ret_used);

#endif
