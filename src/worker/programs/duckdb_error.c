/* duckdb_error.c - what the engine says becomes an error that a client may read.
 *
 * The engine speaks to who owns it: it names files of the host, and it advises settings that are
 * locked here. Both are cut; the class in front of a message becomes the code. Advice is told from
 * the reason by two signs, how a sentence begins and what it speaks of, so that a client's own text
 * inside a message stays. */
#include "worker/programs/duckdb_handles.h"

#include "base/buf.h"

#define MESSAGE_BYTES_MAX 2048
#define CLASS_BYTES_MAX   24 /* "Invalid Input" and the like */

/* ---------------------------------------------------------------- advice */

static const char *const advice_begins[] = {
    "* ",          "Use ",     "Or ",       "To ",      "You can ",      "By default",
    "This limit ", "See ",     "For more ", "Consider", "Specify ",      "It is possible",
    "Please ",     "Install ", "Try ",      "DuckDB ",  "Possible solut"};
static const char *const advice_speaks_of[] = {"SET ",  "PRAGMA ",    "INSTALL", "LOAD ",
                                               "CALL ", "duckdb.org", "setting", "solutions:"};

static int is_advice(lh_str sentence)
{
    int begins = 0;
    for (size_t i = 0; i < LH_ARRAY_LEN(advice_begins); i++)
        begins |= lh_str_starts(sentence, lh_str_from(advice_begins[i]));
    for (size_t i = 0; begins && i < LH_ARRAY_LEN(advice_speaks_of); i++)
        if (lh_str_find(sentence, lh_str_from(advice_speaks_of[i])) != LH_STR_NPOS)
            return 1;
    return 0;
}

/* Bytes of the first sentence: to a line's end or to a full stop with a blank behind it. */
static size_t sentence_len(lh_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n' || (text.ptr[i] == ' ' && i > 0 && text.ptr[i - 1] == '.'))
            return i + 1;
    return text.len;
}

/* In place; returns the length. */
static size_t cut_advice(char *text, size_t len)
{
    size_t out = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = sentence_len(lh_str_n(text + i, len - i));
        if (is_advice(lh_str_trim(lh_str_n(text + i, n))))
            continue;
        memmove(text + out, text + i, n);
        out += n;
    }
    return out;
}

/* ---------------------------------------------------------------- paths */

static int is_path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_-.=+@%~/", c) != NULL || (unsigned char)c >= 0x80;
}

/* Files we give to the engine. */
static int is_engine_file(lh_str path)
{
    return lh_str_ends(path, LH_S(".parquet")) || lh_str_ends(path, LH_S(".tmp"));
}

/* The path that begins at text[0], a slash; in quotes a file of ours may hold any character. */
static lh_str path_at(lh_str text, char quote)
{
    size_t end = quote == '\'' || quote == '"' ? lh_str_find_char(text, quote) : LH_STR_NPOS;
    if (end != LH_STR_NPOS && is_engine_file(lh_str_sub(text, 0, end)))
        return lh_str_sub(text, 0, end);
    for (end = 0; end < text.len && is_path_char(text.ptr[end]);)
        end++;
    return lh_str_sub(text, 0, end);
}

/* What may be shown of a path: an object's name helps whoever looks after the data, that of a
 * staged or spilled file helps nobody (no pointer). */
static lh_str shown_of(lh_str path)
{
    size_t slash = lh_str_rfind_char(path, '/');
    lh_str base = lh_str_from_offset(path, slash + 1);
    if (slash == 0 && path.len < 3)
        return path; /* "a / b" and the like */
    if (is_engine_file(base) && lh_str_find(path, LH_S("/datasets/")) == LH_STR_NPOS)
        return LH_STR_NONE;
    return base;
}

/* Cuts the folders off absolute paths: "/var/lib/x/datasets/a/1.parquet" -> "1.parquet", and
 * "in file '/var/lib/x/staging/y.parquet'" -> "in file". In place; returns the length. */
static size_t cut_paths(char *text, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        char before = i > 0 ? text[i - 1] : ' ';
        int begins = text[i] == '/' && i + 1 < len && text[i + 1] != '/' &&
                     is_path_char(text[i + 1]) && !is_path_char(before);
        if (!begins) {
            text[out++] = text[i++];
            continue;
        }
        lh_str path = path_at(lh_str_n(text + i, len - i), before);
        lh_str shown = shown_of(path);
        i += path.len;
        memmove(text + out, shown.ptr != NULL ? shown.ptr : text, shown.len);
        out += shown.len;
        if (shown.ptr != NULL)
            continue;
        if (out > 0 && i < len && text[out - 1] == text[i] && (before == '\'' || before == '"')) {
            out--;
            i++;
        }
        if (out > 0 && text[out - 1] == ' ')
            out--;
    }
    return out;
}

/* ---------------------------------------------------------------- codes */

/* "Binder Error: text" -> "text"; the class says nothing the code does not say. */
static lh_str without_class(lh_str message)
{
    size_t at = lh_str_find(message, LH_S(" Error: "));
    lh_str head = lh_str_sub(message, 0, at == LH_STR_NPOS ? 0 : at);
    if (head.len == 0 || head.len > CLASS_BYTES_MAX || lh_str_find_char(head, ':') != LH_STR_NPOS)
        return message;
    return lh_str_from_offset(message, at + strlen(" Error: "));
}

static int says(lh_str message, const char *part)
{
    return lh_str_find(message, lh_str_from(part)) != LH_STR_NPOS;
}

static lh_rc code_of(lh_str message, lh_rc otherwise)
{
    int out_of_memory = lh_str_starts(message, LH_S("Out of Memory Error"));
    if ((out_of_memory && says(message, "max_temp_directory_size")) ||
        says(message, "No space left") || says(message, "Disk quota"))
        return LH_E_NO_SPACE;
    if (out_of_memory || says(message, "bad_alloc") || says(message, "failed to allocate data") ||
        says(message, "Allocation failure")) /* of any class */
        return LH_E_MEMORY_LIMIT;
    if (lh_str_starts(message, LH_S("INTERRUPT Error")) ||
        lh_str_starts(message, LH_S("Interrupted")))
        return LH_E_CANCELLED;
    return otherwise;
}

lh_rc lh_duck_fail(lh_ctx *cx, lh_rc otherwise, const char *engine_message)
{
    lh_str said = lh_str_from(engine_message != NULL ? engine_message : "");
    lh_str reason = without_class(said);
    char text[MESSAGE_BYTES_MAX];
    size_t len = lh_utf8_cut(reason, sizeof(text));
    if (len > 0)
        memcpy(text, reason.ptr, len);
    len = cut_paths(text, cut_advice(text, len));
    lh_str shown = lh_str_trim(lh_str_n(text, len));
    if (shown.len == 0)
        shown = LH_S("the engine gave no reason");
    lh_rc rc = code_of(said, otherwise);
    if (rc == LH_E_NO_SPACE)
        return lh_fail(cx, rc, "there is no room left to write or spill to: %.*s",
                       LH_STR_ARG(shown));
    LH_IGNORE(lh_fail(cx, rc, "%.*s", LH_STR_ARG(shown)));
    return rc == LH_E_MEMORY_LIMIT
               ? lh_err_hint(cx, "Ask for less at once: filter earlier, aggregate, or add a LIMIT.")
               : rc;
}
