/* multipart_private.h - multipart/form-data out of any source of pieces, so that tests can cut it
 * anywhere.
 *
 * Owns:    lives in the arena of its context, window included.
 * Threads: one at a time.
 * Limits:  boundary 70 bytes, headers of a part LHI_PART_HEADER_BYTES_MAX, parts LHI_PARTS_MAX,
 *          epilogue 4 KiB; the bytes of a part are not limited here (the body is).
 * Formats: RFC 7578, RFC 2046 without preamble; file names also as filename* (RFC 8187).
 * Why:     uploads of any size pass through a window of fixed size. */
#ifndef LH_NET_MULTIPART_PRIVATE_H
#define LH_NET_MULTIPART_PRIVATE_H

#include "net/http.h"

enum {
    LHI_BOUNDARY_BYTES_MAX = 70,
    LHI_PART_HEADER_BYTES_MAX = 8 * 1024,
    LHI_PARTS_MAX = 1000,
    LHI_MULTIPART_WINDOW_BYTES = 64 * 1024
};

/* The next piece; len 0 = end. Valid until the next call. */
typedef lh_rc (*lhi_multipart_source)(lh_ctx *cx, void *arg, lh_str *ret_piece);

LH_WARN_UNUSED lh_rc lhi_multipart_open(lh_ctx *cx, lh_str content_type,
                                        lhi_multipart_source source, void *arg, lh_multipart **ret);
/* "form-data; name=\"a\"; filename*=UTF-8''b" and the like; texts in the arena. */
LH_WARN_UNUSED lh_rc lhi_part_disposition(lh_ctx *cx, lh_str value, lh_part *ret_part);
/* Value of one parameter of a header such as Content-Type; *ret_found 0 when absent. In the arena.
 * */
LH_WARN_UNUSED lh_rc lhi_header_parameter(lh_ctx *cx, lh_str header, lh_str name, lh_str *ret_value,
                                          int *ret_found);

#endif
