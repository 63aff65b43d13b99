/* dataset_name.c - which names datasets may have, and a good one for a file.
 *
 * A name becomes a folder, a part of keys, a path of URLs and an SQL identifier. What is allowed
 * is what is harmless in all four: no separators, no dots at the ends, nothing that starts like
 * a folder of ours. */
#include "catalog/catalog_private.h"

static int is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ' ';
}

static lh_rc bad_name(lh_ctx *cx, lh_str name, const char *why)
{
    LH_IGNORE(lh_fail(cx, LH_E_BAD_NAME, "'%.*s' is not a dataset name: %s",
                      (int)LH_MIN(name.len, (size_t)LH_DATASET_NAME_MAX), name.ptr ? name.ptr : "",
                      why));
    return lh_err_hint(cx, "1 to %d of letters, digits, _ - . and spaces inside",
                       LH_DATASET_NAME_MAX);
}

lh_rc lh_dataset_check_name(lh_ctx *cx, lh_str name)
{
    if (name.len == 0)
        return bad_name(cx, name, "it is empty");
    if (name.len > LH_DATASET_NAME_MAX)
        return bad_name(cx, name, "it is too long");
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_byte(name.ptr[i]))
            return bad_name(cx, name, "it holds a character that is not allowed");
    if (name.ptr[0] == '.' || name.ptr[0] == '_')
        return bad_name(cx, name, "it starts with . or _");
    char last = name.ptr[name.len - 1];
    if (name.ptr[0] == ' ' || last == ' ' || last == '.')
        return bad_name(cx, name, "a space or a dot is at its end");
    if (lh_str_find(name, LH_S("..")) != LH_STR_NPOS)
        return bad_name(cx, name, "it holds two dots in a row");
    return LH_OK;
}

int lhi_name_cmp(lh_str a, lh_str b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        x = x >= 'A' && x <= 'Z' ? (unsigned char)(x - 'A' + 'a') : x;
        y = y >= 'A' && y <= 'Z' ? (unsigned char)(y - 'A' + 'a') : y;
        if (x != y)
            return x < y ? -1 : 1;
    }
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return lh_str_cmp(a, b);
}

/* U+00C0 to U+00DF; the lower-case letters follow 32 later in the same order. */
static const char latin1[32][3] = {"a",  "a", "a", "a", "ae", "a", "ae", "c", "e",  "e", "e",
                                   "e",  "i", "i", "i", "i",  "d", "n",  "o", "o",  "o", "o",
                                   "oe", "",  "o", "u", "u",  "u", "ue", "y", "th", "ss"};
/* U+0100 to U+017F */
static const char latin_extended[] = "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkk"
                                     "llllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuu"
                                     "wwyyyzzzzzzs";
_Static_assert(sizeof(latin_extended) == 128 + 1, "one letter for each");

size_t lhi_latin_fold(uint32_t cp, char out[2])
{
    if ((cp >= 'a' && cp <= 'z') || (cp >= '0' && cp <= '9')) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp >= 'A' && cp <= 'Z') {
        out[0] = (char)(cp - 'A' + 'a');
        return 1;
    }
    if (cp >= 0xC0 && cp <= 0xFF) {
        const char *letters = cp == 0xFF ? "y" : latin1[(cp - 0xC0) % 32];
        size_t len = strlen(letters);
        memcpy(out, letters, len);
        return len;
    }
    if (cp >= 0x100 && cp <= 0x17F) {
        out[0] = latin_extended[cp - 0x100];
        return 1;
    }
    return 0;
}

/* KEEP SORTED */
static const char *const file_endings[] = {
    ".arrow", ".bz2", ".csv",    ".gz",  ".json", ".jsonl", ".log", ".md",   ".ndjson", ".parquet",
    ".pdf",   ".psv", ".snappy", ".tab", ".text", ".tsv",   ".txt", ".xlsx", ".zst",
};

static lh_str strip_endings(lh_str name)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(file_endings); i++) {
        lh_str ending = lh_str_from(file_endings[i]);
        if (name.len <= ending.len)
            continue;
        lh_str tail = lh_str_from_offset(name, name.len - ending.len);
        if (lh_str_eq_nocase(tail, ending)) {
            name.len -= ending.len;
            i = (size_t)-1; /* "a.csv.gz": from the start again */
        }
    }
    return name;
}

lh_str lh_dataset_name_from_file(lh_ctx *cx, lh_str file_name)
{
    for (size_t i = file_name.len; i > 0; i--)
        if (file_name.ptr[i - 1] == '/' || file_name.ptr[i - 1] == '\\') {
            file_name = lh_str_from_offset(file_name, i);
            break;
        }
    lh_str stem = strip_endings(file_name);
    char *out = LH_NEW_ARRAY(cx, char, LH_DATASET_NAME_MAX + 4);
    if (out == NULL)
        return LH_STR_NONE;
    size_t len = 0, offset = 0;
    uint32_t cp;
    while (len < LH_DATASET_NAME_MAX && lh_utf8_next(stem, &offset, &cp)) {
        size_t added = lhi_latin_fold(cp, out + len);
        if (added == 0 && len > 0 && out[len - 1] != '_' && (cp < 0x300 || cp > 0x36F))
            out[len++] = '_';
        len += added;
    }
    len = LH_MIN(len, (size_t)LH_DATASET_NAME_MAX);
    while (len > 0 && out[len - 1] == '_')
        len--;
    if (len == 0)
        return LH_S("dataset");
    out[len] = '\0';
    return lh_str_n(out, len);
}
