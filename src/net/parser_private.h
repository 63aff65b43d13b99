/* parser_private.h - one HTTP/1.1 request out of a stream of bytes, with no socket in sight.
 *
 * Owns:    the bytes of the head (request line and headers); names, values and URL point into them.
 * Threads: one at a time.
 * Limits:  URL, header bytes, header count, chunk extensions; each has its own error.
 * Formats: RFC 9112, strictly: see scan_head in parser.c for what llhttp 8.1 lets through and we do
 *          not.
 * Why:     the head is collected whole before llhttp sees it, so its spans are never split, our
 *          extra checks see every byte first, and an idle connection needs no parser at all. */
#ifndef LH_NET_PARSER_PRIVATE_H
#define LH_NET_PARSER_PRIVATE_H

#include "base/buf.h"

#include <llhttp.h>
#include <stdbool.h>

#define LHI_CHUNK_EXTENSION_BYTES_MAX (16 * 1024) /* over all chunks of one body */

typedef struct lhi_limits {
    uint32_t header_bytes_max; /* header lines with their line ends */
    uint32_t headers_max;
    uint32_t url_bytes_max;
} lhi_limits;

typedef struct lhi_header {
    lh_str name;
    lh_str value;
} lhi_header;

typedef enum lhi_parse_event {
    LHI_PARSE_MORE, /* all bytes were taken, the message goes on */
    LHI_PARSE_HEAD, /* the head is complete; feed on for the body unless `complete` is set */
    LHI_PARSE_DONE, /* the message is complete; bytes behind it were not taken */
    LHI_PARSE_ERROR /* cx->err says what; the connection cannot go on */
} lhi_parse_event;

typedef struct lhi_parser {
    llhttp_t http;
    lh_ctx *cx;
    const lhi_limits *limits;
    lh_buf head;
    lhi_header *headers; /* room for limits->headers_max */
    uint32_t headers_count;
    uint32_t header_bytes;
    uint32_t line_bytes; /* of the request line */
    uint32_t extension_bytes;
    uint8_t scan;     /* state of scan_head */
    bool after_space; /* in the request line */
    bool value_seen;
    bool in_body;
    bool complete; /* the whole message was taken */
    bool keep_alive;
    bool chunked;
    bool has_length;
    lh_str url;
    uint64_t content_length;
    /* Pieces of the body, decoded. Not LH_OK: parsing stops with that error (cx->err is set). */
    lh_rc (*on_body)(void *arg, lh_str bytes);
    void *on_body_arg;
} lhi_parser;

/* headers: room for limits->headers_max, borrowed. The head buffer grows as bytes arrive. */
void lhi_parser_init(lhi_parser *p, lh_ctx *cx, const lhi_limits *limits, lhi_header *headers);
void lhi_parser_reset(lhi_parser *p); /* for the next request; keeps a small head buffer */
void lhi_parser_done(lhi_parser *p);
/* Takes up to len bytes; *ret_used says how many. */
lhi_parse_event lhi_parser_feed(lhi_parser *p, const char *data, size_t len, size_t *ret_used);

/* The only header of that name, LH_STR_NONE when absent; *ret_count (may be NULL) = how many there
 * are. */
lh_str lhi_parser_header(const lhi_parser *p, lh_str name, uint32_t *ret_count);

#endif
