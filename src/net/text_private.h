/* text_private.h - small pieces of HTTP text: tokens, percent-encoding, dates, media types, lists.
 *
 * Owns:    nothing.
 * Threads: pure functions.
 * Limits:  the caller's.
 * Formats: RFC 9110 (tokens, dates, lists), RFC 3986 (percent-encoding).
 * Why:     each rule of the wire is written once. */
#ifndef LH_NET_TEXT_PRIVATE_H
#define LH_NET_TEXT_PRIVATE_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

bool lhi_is_token_char(unsigned char c); /* tchar of RFC 9110 */
bool lhi_is_token(lh_str text);          /* one or more token characters */
/* A header value that is safe to send: no CR, LF, NUL or other control but tab. */
bool lhi_is_header_value(lh_str text);

int lhi_hex_digit(char c); /* 0..15, -1 when it is none */
/* Decodes %XX (and '+' as a space when plus_is_space is not 0) into out, which has room for in.len
 * bytes. False on a broken escape. */
bool lhi_percent_decode(lh_str in, int plus_is_space, char *out, size_t *ret_len);

const char *lhi_status_reason(int status); /* "OK"; "Status" for what the contract does not use */

#define LHI_DATE_BYTES 29
void lhi_http_date(int64_t real_us,
                   char out[LHI_DATE_BYTES]); /* "Sun, 06 Nov 1994 08:49:37 GMT", no NUL */

/* Media type without parameters equals type, any case: "Text/HTML; charset=utf-8" is "text/html".
 * */
bool lhi_media_type_is(lh_str header, lh_str type);
/* JSON by name: application/json or a +json suffix. */
bool lhi_media_type_is_json(lh_str header);
/* Worth compressing: text, JSON, XML, JavaScript, SVG. */
bool lhi_media_type_is_text(lh_str header);
/* Accept-Encoding allows gzip with a quality above zero. */
bool lhi_accepts_gzip(lh_str accept_encoding);
/* Index of the type that an Accept header likes best: the highest quality, then the first named,
 * then the first of types; count: none is acceptable. An empty header likes all. */
size_t lhi_accept_choose(lh_str accept, const char *const *types, size_t count);
/* The comma-separated list holds the token, any case. */
bool lhi_list_has(lh_str list, lh_str token);

#endif
