/* log_redact.c - hides what looks like a credential, in place and without changing the length.
 *
 * One pass; at each place the first rule that fits hides its value. Rather too much than too
 * little: an over-long star row costs a look at the code, a leaked password costs a customer. */
#include "base/log.h"

static int is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static int is_token(char c)
{
    return is_word(c) || c == '-' || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

static int is_end_of_value(char c)
{
    return (unsigned char)c <= ' ' || strchr("\"'`,;&<>)}]|", c) != NULL;
}

typedef struct span {
    size_t from, to; /* to == 0: the rule does not fit */
} span;

static size_t skip_spaces(lh_str s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\t'))
        at++;
    return at;
}

static size_t end_of_value(lh_str s, size_t at)
{
    while (at < s.len && !is_end_of_value(s.ptr[at]))
        at++;
    return at;
}

/* scheme://user:PASS@host. The last '@' before the path wins; an unencoded '/' in the password is
 * looked past, and a text that ends before any '@' counts as cut off unless what follows ':' is a
 * port. */
static span url_password(lh_str s, size_t at)
{
    lh_str rest = lh_str_from_offset(s, at);
    if (!lh_str_starts(rest, LH_S("://")))
        return (span){0, 0};
    size_t from = at + 3;
    size_t end = from;
    size_t path = 0;
    size_t at_sign = 0;
    size_t colon = 0;
    for (; end < s.len && (unsigned char)s.ptr[end] > ' ' && strchr("\"'`<>", s.ptr[end]) == NULL;
         end++) {
        char c = s.ptr[end];
        if (c == '@' && (path == 0 || at_sign == 0))
            at_sign = end;
        else if (c == ':' && colon == 0)
            colon = end;
        else if ((c == '/' || c == '?' || c == '#') && path == 0)
            path = end;
    }
    if (colon == 0 || (path != 0 && colon > path))
        return (span){0, 0};
    if (at_sign > colon)
        return (span){colon + 1, at_sign};
    int is_port = 1;
    for (size_t i = colon + 1; i < (path ? path : end); i++)
        is_port &= s.ptr[i] >= '0' && s.ptr[i] <= '9';
    /* "[::1]" is an address, not a password */
    if (is_port || end < s.len || path != 0 || s.ptr[from] == '[')
        return (span){0, 0};
    return (span){colon + 1, end};
}

/* KEY=value, KEY: value, "KEY":"value" for the keys below, whatever stands before them
 * ("db_password=x"). */
static span keyed_value(lh_str s, size_t at)
{
    static const struct {
        lh_str key;
        int only_equals; /* too common in prose to be followed by a colon */
    } keys[] = {
        {LH_S_INIT("password"), 0},   {LH_S_INIT("passwd"), 0},     {LH_S_INIT("pwd"), 0},
        {LH_S_INIT("passphrase"), 0}, {LH_S_INIT("secret"), 1},     {LH_S_INIT("token"), 1},
        {LH_S_INIT("api_key"), 0},    {LH_S_INIT("apikey"), 0},     {LH_S_INIT("api-key"), 0},
        {LH_S_INIT("access_key"), 0}, {LH_S_INIT("secret_key"), 0},
    };
    lh_str rest = lh_str_from_offset(s, at);
    for (size_t i = 0; i < LH_ARRAY_LEN(keys); i++) {
        if (!lh_str_starts_nocase(rest, keys[i].key))
            continue;
        size_t p = at + keys[i].key.len;
        int quoted_key = p < s.len && (s.ptr[p] == '"' || s.ptr[p] == '\'');
        p = skip_spaces(s, p + (size_t)quoted_key);
        if (p >= s.len ||
            !(s.ptr[p] == '=' || (s.ptr[p] == ':' && (quoted_key || !keys[i].only_equals))))
            continue;
        p = skip_spaces(s, p + 1);
        if (p >= s.len)
            continue;
        char quote = s.ptr[p];
        if (quote != '"' && quote != '\'')
            return (span){p, end_of_value(s, p)};
        size_t end = p + 1;
        while (end < s.len && s.ptr[end] != quote)
            end += s.ptr[end] == '\\' && end + 1 < s.len ? 2 : 1;
        return (span){p + 1, LH_MIN(end, s.len)};
    }
    return (span){0, 0};
}

static span authorization(lh_str s, size_t at)
{
    lh_str rest = lh_str_from_offset(s, at);
    size_t p;
    if (lh_str_starts_nocase(rest, LH_S("authorization"))) {
        p = at + 13;
        if (p < s.len && s.ptr[p] == '"')
            p++;
        p = skip_spaces(s, p);
        if (p >= s.len || (s.ptr[p] != ':' && s.ptr[p] != '='))
            return (span){0, 0};
        p = skip_spaces(s, p + 1);
        if (p < s.len && s.ptr[p] == '"')
            p++;
        size_t end = p;
        while (end < s.len && s.ptr[end] != '\r' && s.ptr[end] != '\n' && s.ptr[end] != '"')
            end++;
        return (span){p, end};
    }
    if (lh_str_starts_nocase(rest, LH_S("bearer "))) {
        p = skip_spaces(s, at + 7);
        size_t end = p;
        while (end < s.len && is_token(s.ptr[end]))
            end++;
        return (span){p, end};
    }
    return (span){0, 0};
}

/* Keys that say what they are: ours ("lhk_...") and the "sk-..." of model providers. */
static span prefixed_key(lh_str s, size_t at)
{
    lh_str rest = lh_str_from_offset(s, at);
    size_t shortest;
    size_t p;
    if (lh_str_starts(rest, LH_S("lhk_"))) {
        p = at + 4;
        shortest = 1;
    } else if (lh_str_starts(rest, LH_S("sk-"))) {
        p = at + 3;
        shortest = 8; /* "sk-learn" has 5 */
    } else {
        return (span){0, 0};
    }
    size_t end = p;
    while (end < s.len && (is_word(s.ptr[end]) || s.ptr[end] == '-'))
        end++;
    return end - p >= shortest ? (span){p, end} : (span){0, 0};
}

void lh_redact(char *text, size_t len)
{
    lh_str s = {text, len};
    for (size_t at = 0; at < len;) {
        span hide = {0, 0};
        int at_word = at == 0 || !is_word(text[at - 1]);
        switch (text[at]) {
        case ':': hide = url_password(s, at); break;
        case 'l':
        case 'S':
        case 's':
            if (at_word)
                hide = prefixed_key(s, at);
            if (hide.to == 0)
                hide = keyed_value(s, at);
            break;
        case 'B':
        case 'b':
            if (at_word)
                hide = authorization(s, at);
            break;
        case 'A':
        case 'a': hide = authorization(s, at); __attribute__((fallthrough));
        case 'P':
        case 'p':
        case 'T':
        case 't':
            if (hide.to == 0)
                hide = keyed_value(s, at);
            break;
        default: break;
        }
        if (hide.to > hide.from) {
            memset(text + hide.from, '*', hide.to - hide.from);
            at = hide.to;
        } else {
            at++;
        }
    }
}
