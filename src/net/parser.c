/* parser.c - scan the head byte by byte, then let llhttp parse it whole; then let llhttp cut the
 * body.
 *
 * llhttp 8.1.0 (the one in Debian 12) accepts a header name that ends in a space, a CR inside a
 * value that hides a header behind it (CVE-2023-30589), folded lines and more. Whoever sits in
 * front of us may read such a request differently, which is how requests are smuggled. So scan_head
 * admits exactly the grammar of RFC 9112 for the head and llhttp only ever sees what passed.
 * Trailers would go around the scan: they are refused. */
#include "net/parser_private.h"

#include "net/text_private.h"

enum scan_state {
    SCAN_REQUEST_LINE,
    SCAN_REQUEST_LINE_LF,
    SCAN_LINE_START,
    SCAN_NAME,
    SCAN_VALUE,
    SCAN_VALUE_LF,
    SCAN_END_LF,
    SCAN_FINISHED
};

enum {
    REQUEST_LINE_REST = 32, /* room for method, spaces and version beside the URL */
    HEAD_KEPT_BYTES = 8 * 1024
};

static int on_url(llhttp_t *http, const char *at, size_t len)
{
    lhi_parser *p = http->data;
    if (p->url.ptr == NULL)
        p->url = lh_str_n(at, len);
    else
        p->url.len += len;
    return 0;
}

static int on_header_field(llhttp_t *http, const char *at, size_t len)
{
    lhi_parser *p = http->data;
    if (p->in_body) {
        (void)lh_fail(p->cx, LH_E_BAD_REQUEST, "trailers behind a chunked body are not supported");
        return -1;
    }
    if (p->headers_count > 0 && !p->value_seen) {
        p->headers[p->headers_count - 1].name.len += len;
        return 0;
    }
    if (p->headers_count == p->limits->headers_max) {
        (void)lh_fail(p->cx, LH_E_HEADERS_TOO_LARGE, "more than %u headers",
                      p->limits->headers_max);
        return -1;
    }
    p->headers[p->headers_count++] = (lhi_header){lh_str_n(at, len), LH_STR_NONE};
    p->value_seen = false;
    return 0;
}

static int on_header_value(llhttp_t *http, const char *at, size_t len)
{
    lhi_parser *p = http->data;
    if (p->in_body || p->headers_count == 0)
        return -1;
    lh_str *value = &p->headers[p->headers_count - 1].value;
    if (value->ptr == NULL)
        *value = lh_str_n(at, len);
    else
        value->len += len;
    p->value_seen = true;
    return 0;
}

static int on_headers_complete(llhttp_t *http)
{
    lhi_parser *p = http->data;
    for (uint32_t i = 0; i < p->headers_count; i++)
        p->headers[i].value = lh_str_trim(p->headers[i].value);
    p->keep_alive = llhttp_should_keep_alive(http) != 0;
    p->chunked = (http->flags & F_CHUNKED) != 0;
    p->has_length = (http->flags & F_CONTENT_LENGTH) != 0;
    p->content_length = p->has_length ? http->content_length : 0;
    /* An offer to upgrade may be ignored (RFC 9110, 7.8); the request is then a plain one. */
    http->upgrade = 0;
    p->in_body = true;
    return 0;
}

static int on_body(llhttp_t *http, const char *at, size_t len)
{
    lhi_parser *p = http->data;
    if (p->on_body == NULL || len == 0)
        return 0;
    return p->on_body(p->on_body_arg, lh_str_n(at, len)) == LH_OK ? 0 : -1;
}

static int on_message_complete(llhttp_t *http)
{
    lhi_parser *p = http->data;
    p->complete = true;
    return HPE_PAUSED; /* bytes behind it belong to the next request */
}

static int on_chunk_extension(llhttp_t *http, const char *at, size_t len)
{
    (void)at;
    lhi_parser *p = http->data;
    if (len > LHI_CHUNK_EXTENSION_BYTES_MAX - p->extension_bytes) {
        (void)lh_fail(p->cx, LH_E_BAD_REQUEST, "more than %d bytes of chunk extensions",
                      LHI_CHUNK_EXTENSION_BYTES_MAX);
        return -1;
    }
    p->extension_bytes += (uint32_t)len;
    return 0;
}

static const llhttp_settings_t settings = {.on_url = on_url,
                                           .on_header_field = on_header_field,
                                           .on_header_value = on_header_value,
                                           .on_headers_complete = on_headers_complete,
                                           .on_body = on_body,
                                           .on_message_complete = on_message_complete,
                                           .on_chunk_extension_name = on_chunk_extension,
                                           .on_chunk_extension_value = on_chunk_extension};

void lhi_parser_init(lhi_parser *p, lh_ctx *cx, const lhi_limits *limits, lhi_header *headers)
{
    *p = (lhi_parser){.cx = cx, .limits = limits, .headers = headers};
    lh_buf_init(&p->head,
                (size_t)limits->url_bytes_max + limits->header_bytes_max + REQUEST_LINE_REST + 16);
    llhttp_init(&p->http, HTTP_REQUEST, &settings);
    p->http.data = p;
}

void lhi_parser_reset(lhi_parser *p)
{
    lh_buf head = p->head;
    if (head.cap > HEAD_KEPT_BYTES)
        lh_buf_done(&head);
    lh_ctx *cx = p->cx;
    const lhi_limits *limits = p->limits;
    lhi_parser_init(p, cx, limits, p->headers);
    if (head.ptr != NULL) {
        head.len = 0;
        head.bytes_max = p->head.bytes_max;
        p->head = head;
    }
}

void lhi_parser_done(lhi_parser *p)
{
    lh_buf_done(&p->head);
}

static lh_rc bad_byte(lhi_parser *p, const char *where, unsigned char c)
{
    return lh_fail(p->cx, LH_E_BAD_REQUEST, "byte 0x%02x is not allowed in %s", c, where);
}

static lh_rc scan_request_line(lhi_parser *p, unsigned char c)
{
    if (c == '\r') {
        p->scan = SCAN_REQUEST_LINE_LF;
        return LH_OK;
    }
    if (c < 0x20 || c >= 0x7f || (c == ' ' && p->after_space))
        return bad_byte(p, "the request line", c);
    p->after_space = c == ' ';
    if (++p->line_bytes > p->limits->url_bytes_max + REQUEST_LINE_REST)
        return lh_fail(p->cx, LH_E_URL_TOO_LONG, "a URL of more than %u bytes",
                       p->limits->url_bytes_max);
    return LH_OK;
}

static lh_rc scan_line_start(lhi_parser *p, unsigned char c)
{
    if (c == '\r') {
        p->scan = SCAN_END_LF;
        return LH_OK;
    }
    if (c == ' ' || c == '\t')
        return lh_fail(p->cx, LH_E_BAD_REQUEST, "a header is folded over several lines");
    if (!lhi_is_token_char(c))
        return bad_byte(p, "a header name", c);
    p->scan = SCAN_NAME;
    return LH_OK;
}

/* One byte of the head. Hot: the common states are tested first by the caller. */
static lh_rc scan_byte(lhi_parser *p, unsigned char c)
{
    switch (p->scan) {
    case SCAN_REQUEST_LINE: return scan_request_line(p, c);
    case SCAN_LINE_START: return scan_line_start(p, c);
    case SCAN_NAME:
        if (c == ':')
            p->scan = SCAN_VALUE;
        else if (!lhi_is_token_char(c))
            return bad_byte(p, "a header name", c);
        return LH_OK;
    case SCAN_VALUE:
        if (c == '\r')
            p->scan = SCAN_VALUE_LF;
        else if ((c < 0x20 && c != '\t') || c == 0x7f)
            return bad_byte(p, "a header value", c);
        return LH_OK;
    case SCAN_REQUEST_LINE_LF:
    case SCAN_VALUE_LF:
    case SCAN_END_LF:
        if (c != '\n')
            return lh_fail(p->cx, LH_E_BAD_REQUEST, "a CR that is not followed by LF");
        p->scan = p->scan == SCAN_END_LF ? SCAN_FINISHED : SCAN_LINE_START;
        return LH_OK;
    default: return lh_fail(p->cx, LH_E_INTERNAL, "the head was scanned past its end");
    }
}

/* Checks bytes until the head ends; *ret_used = bytes that belong to it. */
static lh_rc scan_head(lhi_parser *p, const char *data, size_t len, size_t *ret_used)
{
    size_t i = 0;
    while (i < len && p->scan != SCAN_FINISHED) {
        uint8_t before = p->scan;
        LH_TRY(scan_byte(p, (unsigned char)data[i++]));
        if (before < SCAN_LINE_START || p->scan == SCAN_END_LF || p->scan == SCAN_FINISHED)
            continue;
        if (++p->header_bytes > p->limits->header_bytes_max)
            return lh_fail(p->cx, LH_E_HEADERS_TOO_LARGE, "headers of more than %u bytes",
                           p->limits->header_bytes_max);
    }
    *ret_used = i;
    return LH_OK;
}

/* Says llhttp's reason unless a callback said its own. */
static lhi_parse_event refuse(lhi_parser *p)
{
    if (p->cx->err.rc == LH_OK) {
        const char *reason = llhttp_get_error_reason(&p->http);
        (void)lh_fail(p->cx, LH_E_BAD_REQUEST, "not a valid HTTP/1.1 request: %s",
                      reason != NULL && reason[0] != '\0'
                          ? reason
                          : llhttp_errno_name(llhttp_get_errno(&p->http)));
    }
    return LHI_PARSE_ERROR;
}

static lhi_parse_event feed_head(lhi_parser *p, const char *data, size_t len, size_t *ret_used)
{
    if (scan_head(p, data, len, ret_used) != LH_OK ||
        lh_buf_append(p->cx, &p->head, lh_str_n(data, *ret_used)) != LH_OK)
        return LHI_PARSE_ERROR;
    if (p->scan != SCAN_FINISHED)
        return LHI_PARSE_MORE;
    enum llhttp_errno rc = llhttp_execute(&p->http, p->head.ptr, p->head.len);
    if (rc != HPE_OK && !(rc == HPE_PAUSED && p->complete))
        return refuse(p);
    if (!p->in_body) {
        (void)lh_fail(p->cx, LH_E_BAD_REQUEST, "the end of the headers is not where it seems");
        return LHI_PARSE_ERROR;
    }
    if (p->http.http_major != 1) {
        (void)lh_fail(p->cx, LH_E_BAD_REQUEST, "HTTP/%u.%u is not spoken here", p->http.http_major,
                      p->http.http_minor);
        return LHI_PARSE_ERROR;
    }
    if (p->url.len > p->limits->url_bytes_max) {
        (void)lh_fail(p->cx, LH_E_URL_TOO_LONG, "a URL of %zu bytes, limit %u", p->url.len,
                      p->limits->url_bytes_max);
        return LHI_PARSE_ERROR;
    }
    return LHI_PARSE_HEAD;
}

lhi_parse_event lhi_parser_feed(lhi_parser *p, const char *data, size_t len, size_t *ret_used)
{
    *ret_used = 0;
    if (!p->in_body)
        return feed_head(p, data, len, ret_used);
    if (p->complete)
        return LHI_PARSE_DONE;
    enum llhttp_errno rc = llhttp_execute(&p->http, data, len);
    if (rc == HPE_OK) {
        *ret_used = len;
        return LHI_PARSE_MORE;
    }
    if (rc == HPE_PAUSED && p->complete) {
        const char *end = llhttp_get_error_pos(&p->http);
        lh_assert(end >= data && end <= data + len);
        *ret_used = (size_t)(end - data);
        return LHI_PARSE_DONE;
    }
    return refuse(p);
}

lh_str lhi_parser_header(const lhi_parser *p, lh_str name, uint32_t *ret_count)
{
    lh_str value = LH_STR_NONE;
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->headers_count; i++) {
        if (p->headers[i].name.len != name.len || !lh_str_eq_nocase(p->headers[i].name, name))
            continue;
        if (count++ == 0)
            value = p->headers[i].value.ptr != NULL ? p->headers[i].value : LH_S("");
    }
    if (ret_count != NULL)
        *ret_count = count;
    return value;
}
