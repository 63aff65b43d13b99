/* ingest_json_split.c - where elements begin and end. Only strings and brackets are looked at:
 * whether an element is JSON is the reader's question, asked of the element alone. */
#include "worker/programs/ingest_json.h"

lh_rc lh_json_cursor_open(lh_ctx *cx, const lh_source *source, lh_json_shape shape, uint64_t from,
                          lh_json_cursor *ret_cursor)
{
    lh_window window;
    LH_TRY(lh_window_open(cx, source, from, lh_source_end(source), &window));
    *ret_cursor = (lh_json_cursor){.window = window, .shape = shape, .strict = true};
    return LH_OK;
}

void lh_json_cursor_close(lh_json_cursor *cursor)
{
    lh_window_close(&cursor->window);
}

lh_rc lh_json_cursor_refill(lh_ctx *cx, lh_json_cursor *cursor)
{
    return lh_window_grow(cx, &cursor->window,
                          cursor->shape == LH_JSON_SHAPE_LINES ? "a line" : "a JSON value");
}

static lh_json_status next_line(lh_json_cursor *cursor)
{
    lh_window *window = &cursor->window;
    lh_str text = lh_window_text(window);
    bool final = lh_window_final(window);
    if (text.len == 0)
        return final ? LH_JSON_DONE : LH_JSON_MORE;
    size_t line = lh_str_find_char(text, '\n');
    if (line == LH_STR_NPOS && !final)
        return LH_JSON_MORE;
    cursor->offset = lh_window_position(window);
    size_t len = line == LH_STR_NPOS ? text.len : line;
    window->begin += line == LH_STR_NPOS ? text.len : line + 1;
    if (len > 0 && text.ptr[len - 1] == '\r')
        len--;
    cursor->element = lh_str_sub(text, 0, len);
    return LH_JSON_ELEMENT;
}

/* Behind the opening quote; the closing one's successor, or NULL when there is none. */
static const char *skip_string(const char *p, const char *end)
{
    while (p < end) {
        if (*p == '"')
            return p + 1;
        p += *p == '\\' ? 2 : 1;
    }
    return NULL;
}

static bool ends_scalar(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
           c == '[' || c == '{' || c == '"';
}

/* Bytes of the value at the begin of text; 0 when its end is not in the text. */
static size_t value_bytes(lh_str text, bool final)
{
    const char *p = text.ptr;
    const char *end = p + text.len;
    if (*p == '"') {
        p = skip_string(p + 1, end);
        return p != NULL ? (size_t)(p - text.ptr) : 0;
    }
    if (*p != '{' && *p != '[') {
        for (p++; p < end && !ends_scalar(*p); p++) {
        }
        return p < end || final ? (size_t)(p - text.ptr) : 0;
    }
    size_t depth = 0;
    while (p < end) {
        char c = *p++;
        if (c == '"') {
            p = skip_string(p, end);
            if (p == NULL)
                return 0;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return (size_t)(p - text.ptr);
        }
    }
    return 0;
}

static lh_json_status broken(lh_json_cursor *cursor, const char *why)
{
    cursor->offset = lh_window_position(&cursor->window);
    cursor->broken = why;
    return LH_JSON_BROKEN;
}

/* Steps over what stands between elements. LH_JSON_ELEMENT: a value begins here. */
static lh_json_status skip_between(lh_json_cursor *cursor)
{
    lh_window *window = &cursor->window;
    for (; window->begin < window->end; window->begin++) {
        char c = window->bytes[window->begin];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (cursor->closed)
            return broken(cursor, "text after the end of the array");
        if (!cursor->started && cursor->strict) {
            cursor->started = true;
            cursor->in_array = c == '[';
            if (cursor->in_array)
                continue;
        }
        if (!cursor->in_array)
            return LH_JSON_ELEMENT;
        if (c == ']') {
            if (cursor->after_comma && cursor->strict)
                return broken(cursor, "a value must follow the comma");
            cursor->closed = true;
        } else if (c == ',') {
            if (!cursor->needs_comma && cursor->strict)
                return broken(cursor, "a comma without a value before it");
            cursor->needs_comma = false;
            cursor->after_comma = true;
        } else if (cursor->needs_comma) {
            return broken(cursor, "a comma must stand between the values of an array");
        } else {
            return LH_JSON_ELEMENT;
        }
    }
    if (!lh_window_final(window))
        return LH_JSON_MORE;
    if (cursor->in_array && !cursor->closed)
        return broken(cursor, "the array is not closed");
    return LH_JSON_DONE;
}

lh_json_status lh_json_cursor_next(lh_json_cursor *cursor)
{
    if (cursor->shape == LH_JSON_SHAPE_LINES)
        return next_line(cursor);
    lh_json_status status = skip_between(cursor);
    if (status != LH_JSON_ELEMENT)
        return status;
    lh_window *window = &cursor->window;
    lh_str text = lh_window_text(window);
    bool final = lh_window_final(window);
    size_t bytes = value_bytes(text, final);
    if (bytes == 0 && !final)
        return LH_JSON_MORE;
    /* An incomplete last value is handed on whole: the reader says best what is missing. */
    cursor->element = bytes != 0 ? lh_str_sub(text, 0, bytes) : text;
    cursor->offset = lh_window_position(window);
    window->begin += cursor->element.len;
    cursor->needs_comma = true;
    cursor->after_comma = false;
    return LH_JSON_ELEMENT;
}
