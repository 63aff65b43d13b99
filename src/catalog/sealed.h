/* catalog/sealed.h - JSON texts that carry their own checksum.
 *
 * Owns:    nothing.
 * Threads: pure functions.
 * Limits:  none of its own.
 * Formats: the text ends with `,"checksum":"<16 hex digits>"}` and nothing behind it; the digits
 *          are the XXH3-64 of the bytes before that comma.
 * Why:     invariant 10: a flipped bit in a stored file is detected, and people can still read
 *          the file. */
#ifndef LH_CATALOG_SEALED_H
#define LH_CATALOG_SEALED_H

#include "base/buf.h"

typedef enum lh_seal { LH_SEAL_NONE, LH_SEAL_OK } lh_seal;

/* text is a JSON object that ends with '}'; it gets its last field. */
LH_WARN_UNUSED lh_rc lh_seal_json(lh_ctx *cx, lh_buf *text);
/* LH_SEAL_NONE when the text does not end like a sealed one; LH_E_CORRUPT when it does and the
 * sum differs. */
LH_WARN_UNUSED lh_rc lh_seal_check(lh_ctx *cx, lh_str text, lh_seal *ret_seal);

#endif
