/* header_parameter.c - parameters of header values: boundary="x", name="a", filename*=UTF-8''b.
 *
 * File names come from strangers and become names of ours: only the last component is kept,
 * controls are refused, and bytes that are not UTF-8 are read as Latin-1 (old clients send them
 * raw). */
#include "net/multipart_private.h"
#include "net/text_private.h"

typedef struct parameter {
    lh_str name;
    lh_str value; /* in the arena when it was quoted */
} parameter;

static lh_rc bad(lh_ctx *cx, lh_str header)
{
    return lh_fail(cx, LH_E_BAD_MULTIPART, "a parameter that cannot be read in \"%.*s\"",
                   LH_STR_ARG(lh_str_sub(header, 0, lh_utf8_cut(header, 100))));
}

/* "..." with \" and \\ undone; other backslashes stay, because some browsers send paths with them.
 * */
static lh_rc read_quoted(lh_ctx *cx, lh_str header, size_t *at, lh_str *ret)
{
    char *out = lh_ctx_alloc(cx, header.len + 1, 1);
    size_t n = 0;
    if (out == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = *at + 1; i < header.len; i++) {
        char c = header.ptr[i];
        if (c == '"') {
            *at = i + 1;
            *ret = lh_str_n(out, n);
            return LH_OK;
        }
        if (c == '\\' && i + 1 < header.len &&
            (header.ptr[i + 1] == '"' || header.ptr[i + 1] == '\\'))
            c = header.ptr[++i];
        out[n++] = c;
    }
    return bad(cx, header);
}

static void skip_spaces(lh_str text, size_t *at)
{
    while (*at < text.len && (text.ptr[*at] == ' ' || text.ptr[*at] == '\t'))
        (*at)++;
}

/* *at stands on a ';' or at the end. *ret_found 0 at the end. */
static lh_rc next_parameter(lh_ctx *cx, lh_str header, size_t *at, parameter *ret, int *ret_found)
{
    *ret_found = 0;
    do {
        if (*at >= header.len)
            return LH_OK;
        (*at)++; /* the ';' */
        skip_spaces(header, at);
    } while (*at < header.len && header.ptr[*at] == ';');
    if (*at >= header.len)
        return LH_OK;
    size_t from = *at;
    while (*at < header.len && lhi_is_token_char((unsigned char)header.ptr[*at]))
        (*at)++;
    ret->name = lh_str_sub(header, from, *at - from);
    skip_spaces(header, at);
    if (ret->name.len == 0 || *at >= header.len || header.ptr[*at] != '=')
        return bad(cx, header);
    (*at)++;
    skip_spaces(header, at);
    if (*at < header.len && header.ptr[*at] == '"') {
        LH_TRY(read_quoted(cx, header, at, &ret->value));
    } else {
        from = *at;
        while (*at < header.len && header.ptr[*at] != ';' && header.ptr[*at] != ' ' &&
               header.ptr[*at] != '"')
            (*at)++;
        ret->value = lh_str_sub(header, from, *at - from);
    }
    skip_spaces(header, at);
    if (*at < header.len && header.ptr[*at] != ';')
        return bad(cx, header);
    *ret_found = 1;
    return LH_OK;
}

static size_t first_parameter(lh_str header)
{
    size_t at = lh_str_find_char(header, ';');
    return at == LH_STR_NPOS ? header.len : at;
}

lh_rc lhi_header_parameter(lh_ctx *cx, lh_str header, lh_str name, lh_str *ret_value,
                           int *ret_found)
{
    size_t at = first_parameter(header);
    int found;
    parameter one;
    *ret_found = 0;
    for (;;) {
        LH_TRY(next_parameter(cx, header, &at, &one, &found));
        if (!found)
            return LH_OK;
        if (!lh_str_eq_nocase(one.name, name))
            continue;
        if (*ret_found)
            return lh_fail(cx, LH_E_BAD_MULTIPART, "parameter %.*s is there twice",
                           LH_STR_ARG(name));
        *ret_value = one.value;
        *ret_found = 1;
    }
}

static lh_rc latin1_to_utf8(lh_ctx *cx, lh_str text, lh_str *ret)
{
    char *out = lh_ctx_alloc(cx, text.len + 1, 2);
    size_t n = 0;
    if (out == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < text.len; i++)
        n += lh_utf8_encode((unsigned char)text.ptr[i], out + n);
    *ret = lh_str_n(out, n);
    return LH_OK;
}

/* charset'language'percent-encoded */
static lh_rc decode_extended(lh_ctx *cx, lh_str value, lh_str *ret)
{
    size_t first = lh_str_find_char(value, '\'');
    size_t second = first == LH_STR_NPOS
                        ? LH_STR_NPOS
                        : lh_str_find_char(lh_str_from_offset(value, first + 1), '\'');
    if (second == LH_STR_NPOS)
        return bad(cx, value);
    lh_str charset = lh_str_sub(value, 0, first);
    lh_str encoded = lh_str_from_offset(value, first + second + 2);
    char *out = lh_ctx_alloc(cx, encoded.len + 1, 1);
    size_t len;
    if (out == NULL)
        return LH_E_NO_MEMORY;
    if (!lhi_percent_decode(encoded, 0, out, &len))
        return bad(cx, value);
    *ret = lh_str_n(out, len);
    if (lh_str_eq_nocase(charset, LH_S("UTF-8")))
        return lh_utf8_valid(*ret) ? LH_OK : bad(cx, value);
    if (lh_str_eq_nocase(charset, LH_S("ISO-8859-1")))
        return latin1_to_utf8(cx, *ret, ret);
    return bad(cx, value);
}

static lh_rc clean_text(lh_ctx *cx, lh_str text, const char *what, lh_str *ret)
{
    if (!lh_utf8_valid(text))
        LH_TRY(latin1_to_utf8(cx, text, &text));
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return lh_fail(cx, LH_E_BAD_MULTIPART, "the %s of a part has a control character",
                           what);
    *ret = lh_ctx_dup(cx, text);
    return ret->ptr != NULL ? LH_OK : LH_E_NO_MEMORY;
}

static lh_str last_component(lh_str path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.ptr[i - 1] == '/' || path.ptr[i - 1] == '\\')
            return lh_str_from_offset(path, i);
    return path;
}

lh_rc lhi_part_disposition(lh_ctx *cx, lh_str value, lh_part *ret_part)
{
    lh_str name, filename, extended;
    int has_name, has_filename, has_extended;
    if (!lh_str_eq_nocase(lh_str_trim(lh_str_sub(value, 0, first_parameter(value))),
                          LH_S("form-data")))
        return lh_fail(cx, LH_E_BAD_MULTIPART, "a part that is not form-data");
    LH_TRY(lhi_header_parameter(cx, value, LH_S("name"), &name, &has_name));
    LH_TRY(lhi_header_parameter(cx, value, LH_S("filename"), &filename, &has_filename));
    LH_TRY(lhi_header_parameter(cx, value, LH_S("filename*"), &extended, &has_extended));
    if (!has_name)
        return lh_fail(cx, LH_E_BAD_MULTIPART, "a part without a name");
    LH_TRY(clean_text(cx, name, "name", &ret_part->name));
    if (has_extended)
        LH_TRY(decode_extended(cx, extended, &filename));
    if (!has_filename && !has_extended)
        return LH_OK;
    return clean_text(cx, last_component(filename), "file name", &ret_part->filename);
}
