/* text_analyzer.c - the options of an analyser, their recorded form, and its lists of words. Words
 * of the lists go through the analyser itself first, so that "Été" in a list meets "ete" in a text.
 */
#include "base/hash.h"
#include "base/num.h"
#include "text/text_analyzer_private.h"

#include <libstemmer.h>

enum { RECORDED_BYTES_MAX = 8 << 20, LIST_ARENA_BYTES_MAX = 32 << 20 };

int lhi_text_words_find(const lhi_text_words *set, lh_str term, uint32_t *ret_value)
{
    if (set->count == 0)
        return 0;
    uint32_t mask = set->slots_count - 1;
    for (uint32_t i = (uint32_t)lh_hash64(term, 0) & mask;; i = (i + 1) & mask) {
        uint32_t slot = set->slots[i];
        if (slot == 0)
            return 0;
        if (lh_str_eq(set->terms[slot - 1], term)) {
            if (ret_value)
                *ret_value = set->values[slot - 1];
            return 1;
        }
    }
}

static lh_rc words_init(lh_ctx *cx, lhi_text_words *set, size_t count_max)
{
    uint32_t slots = 8;
    while (slots < 2 * count_max)
        slots *= 2;
    set->terms = LH_NEW_ARRAY(cx, lh_str, count_max + 1);
    set->values = LH_NEW_ARRAY(cx, uint32_t, count_max + 1);
    set->slots = LH_NEW_ARRAY(cx, uint32_t, slots);
    set->slots_count = slots;
    return set->terms && set->values && set->slots ? LH_OK : LH_E_NO_MEMORY;
}

static void words_put(lhi_text_words *set, lh_str term, uint32_t value)
{
    if (lhi_text_words_find(set, term, NULL))
        return;
    uint32_t mask = set->slots_count - 1;
    uint32_t i = (uint32_t)lh_hash64(term, 0) & mask;
    while (set->slots[i] != 0)
        i = (i + 1) & mask;
    set->terms[set->count] = term;
    set->values[set->count] = value;
    set->slots[i] = ++set->count;
}

typedef struct one_term {
    lh_str term;
    uint32_t count;
} one_term;

static lh_rc take_term(lh_ctx *cx, void *arg, const lh_text_token *token)
{
    one_term *one = arg;
    one->count++;
    one->term = lh_ctx_dup(cx, token->term);
    return one->term.ptr ? LH_OK : LH_E_NO_MEMORY;
}

/* The one term of a word of a list. */
static lh_rc normal_form(lh_ctx *cx, lh_text_tokenizer *t, lh_str word, uint32_t flags, lh_str *ret)
{
    one_term one = {LH_STR_NONE, 0};
    LH_TRY(lh_text_tokenize(cx, t, word, flags, take_term, &one));
    if (one.count != 1) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "'%.*s' in a list of words is %u terms",
                          LH_STR_ARG(lh_str_sub(word, 0, 80)), one.count));
        return lh_err_hint(cx, "stop words and synonyms are single words");
    }
    *ret = one.term;
    return LH_OK;
}

static lh_rc add_stop_words(lh_ctx *cx, lh_text_analyzer *a, lh_str_list words)
{
    LH_CLEANUP(lh_text_tokenizer_free) lh_text_tokenizer *t = NULL;
    LH_TRY(lh_text_tokenizer_new(cx, a, &t));
    lhi_text_words set = {0};
    LH_TRY(words_init(cx, &set, words.count));
    for (size_t i = 0; i < words.count; i++) {
        lh_str term = LH_STR_NONE;
        LH_TRY(normal_form(cx, t, words.items[i], LH_TEXT_NO_STEM, &term));
        words_put(&set, term, 0);
    }
    a->stops = set;
    return LH_OK;
}

static lh_rc add_group(lh_ctx *cx, lh_text_analyzer *a, lh_text_tokenizer *t, lh_str line)
{
    lh_str rest = line;
    lh_str word;
    size_t words_max = 1;
    for (size_t i = 0; i < line.len; i++)
        words_max += line.ptr[i] == ',';
    lh_str_list group = {LH_NEW_ARRAY(cx, lh_str, words_max), 0};
    if (!group.items)
        return LH_E_NO_MEMORY;
    while (lh_str_split_next(&rest, ',', &word)) {
        word = lh_str_trim(word);
        if (word.len > 0) {
            LH_TRY(normal_form(cx, t, word, 0, &group.items[group.count]));
            words_put(&a->synonyms, group.items[group.count++], a->groups_count);
        }
    }
    a->groups[a->groups_count++] = group;
    return LH_OK;
}

static lh_rc add_synonyms(lh_ctx *cx, lh_text_analyzer *a, lh_str_list lines)
{
    LH_CLEANUP(lh_text_tokenizer_free) lh_text_tokenizer *t = NULL;
    LH_TRY(lh_text_tokenizer_new(cx, a, &t));
    size_t words_max = 0;
    for (size_t i = 0; i < lines.count; i++)
        for (size_t j = 0; j <= lines.items[i].len; j++)
            words_max += j == lines.items[i].len || lines.items[i].ptr[j] == ',';
    if (words_max > LH_TEXT_LIST_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu synonyms, limit %d", words_max, LH_TEXT_LIST_MAX);
    LH_TRY(words_init(cx, &a->synonyms, words_max));
    a->groups = LH_NEW_ARRAY(cx, lh_str_list, lines.count + 1);
    if (!a->groups)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < lines.count; i++)
        LH_TRY(add_group(cx, a, t, lines.items[i]));
    return LH_OK;
}

static lh_rc record_list(lh_ctx *cx, lh_text_analyzer *a, const char *key, lh_str_list list)
{
    if (list.count > LH_TEXT_LIST_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu lines of %s, limit %d", list.count, key,
                       LH_TEXT_LIST_MAX);
    for (size_t i = 0; i < list.count; i++) {
        lh_str line = list.items[i];
        if (lh_str_find_char(line, '\n') != LH_STR_NPOS || !lh_utf8_valid(line))
            return lh_fail(cx, LH_E_BAD_VALUE, "line %zu of %s is not one line of UTF-8", i + 1,
                           key);
        LH_TRY(lh_buf_printf(cx, &a->recorded, "%s %.*s\n", key, LH_STR_ARG(line)));
    }
    return LH_OK;
}

static lh_rc set_stem(lh_ctx *cx, lh_text_analyzer *a, lh_str language)
{
    if (language.len == 0)
        return LH_OK;
    if (language.len < sizeof a->stem) {
        memcpy(a->stem, language.ptr, language.len);
        for (const char **name = sb_stemmer_list(); *name; name++)
            if (strcmp(*name, a->stem) == 0)
                return lh_buf_printf(cx, &a->recorded, "stem %s\n", a->stem);
    }
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "no stemmer for '%.*s'",
                      LH_STR_ARG(lh_str_sub(language, 0, 40))));
    return lh_err_hint(cx, "english, german, french, spanish, italian, portuguese, dutch, swedish, "
                           "norwegian, danish, finnish, russian, hungarian, romanian, turkish ...");
}

static lh_rc fill(lh_ctx *cx, lh_text_analyzer *a, const lh_text_analyzer_options *opts)
{
    lh_str name = LHI_TEXT_ANALYZER_NAME;
    if (opts->flags & ~(uint32_t)(LH_TEXT_KEEP_ACCENTS | LH_TEXT_NO_CODES))
        return lh_fail(cx, LH_E_BAD_VALUE, "analyser flags %u", opts->flags);
    a->flags = opts->flags;
    LH_TRY(
        lh_buf_printf(cx, &a->recorded, "%.*s\nflags %u\n", LH_STR_ARG(name), (unsigned)a->flags));
    LH_TRY(set_stem(cx, a, opts->stem));
    LH_TRY(record_list(cx, a, "stop", opts->stop_words));
    LH_TRY(record_list(cx, a, "synonyms", opts->synonyms));
    lh_ctx own; /* the lists live as long as the analyser */
    lh_ctx_init(&own, a->arena);
    lh_rc rc = opts->stop_words.count > 0 ? add_stop_words(&own, a, opts->stop_words) : LH_OK;
    if (rc == LH_OK && opts->synonyms.count > 0)
        rc = add_synonyms(&own, a, opts->synonyms);
    if (rc != LH_OK)
        cx->err = own.err;
    return rc;
}

lh_rc lh_text_analyzer_new(lh_ctx *cx, const lh_text_analyzer_options *opts,
                           lh_text_analyzer **ret_analyzer)
{
    static const lh_text_analyzer_options defaults;
    LH_CLEANUP(lh_text_analyzer_free) lh_text_analyzer *a = lh_alloc_zero(1, sizeof *a);
    if (!a || !(a->arena = lh_arena_new(LIST_ARENA_BYTES_MAX)))
        return lh_fail(cx, LH_E_NO_MEMORY, "text analyser");
    lh_buf_init(&a->recorded, RECORDED_BYTES_MAX);
    LH_TRY(fill(cx, a, opts ? opts : &defaults));
    *ret_analyzer = LH_TAKE(a);
    return LH_OK;
}

static lh_rc parse_line(lh_ctx *cx, lh_str line, lh_text_analyzer_options *opts)
{
    size_t space = lh_str_find_char(line, ' ');
    lh_str key = lh_str_sub(line, 0, space == LH_STR_NPOS ? line.len : space);
    lh_str value = space == LH_STR_NPOS ? LH_STR_NONE : lh_str_from_offset(line, space + 1);
    uint64_t flags;
    if (lh_str_eq(key, LH_S("flags")) && lh_parse_u64(value, &flags) && flags <= UINT32_MAX) {
        opts->flags = (uint32_t)flags;
        return LH_OK;
    }
    if (lh_str_eq(key, LH_S("stem"))) {
        opts->stem = value;
        return LH_OK;
    }
    if (lh_str_eq(key, LH_S("stop")) && opts->stop_words.count < LH_TEXT_LIST_MAX) {
        opts->stop_words.items[opts->stop_words.count++] = value;
        return LH_OK;
    }
    if (lh_str_eq(key, LH_S("synonyms")) && opts->synonyms.count < LH_TEXT_LIST_MAX) {
        opts->synonyms.items[opts->synonyms.count++] = value;
        return LH_OK;
    }
    return lh_fail(cx, LH_E_CORRUPT, "the recorded analyser has a line '%.*s'",
                   LH_STR_ARG(lh_str_sub(key, 0, 40)));
}

lh_rc lh_text_analyzer_parse(lh_ctx *cx, lh_str recorded, lh_text_analyzer **ret_analyzer)
{
    lh_text_analyzer_options opts = {0};
    lh_str rest = recorded;
    lh_str line;
    size_t lines = 0;
    if (!lh_utf8_valid(recorded) || !lh_str_split_next(&rest, '\n', &line) ||
        !lh_str_eq(line, LHI_TEXT_ANALYZER_NAME))
        return lh_fail(cx, LH_E_CORRUPT, "the recorded analyser is not known to this version");
    for (size_t i = 0; i < rest.len; i++)
        lines += rest.ptr[i] == '\n';
    lines = LH_MIN(lines + 1, (size_t)LH_TEXT_LIST_MAX);
    opts.stop_words.items = LH_NEW_ARRAY(cx, lh_str, lines);
    opts.synonyms.items = LH_NEW_ARRAY(cx, lh_str, lines);
    if (!opts.stop_words.items || !opts.synonyms.items)
        return LH_E_NO_MEMORY;
    while (lh_str_split_next(&rest, '\n', &line))
        if (line.len > 0)
            LH_TRY(parse_line(cx, line, &opts));
    LH_CLEANUP(lh_text_analyzer_free) lh_text_analyzer *a = NULL;
    lh_rc rc = lh_text_analyzer_new(cx, &opts, &a);
    if (rc == LH_OK && !lh_str_eq(lh_buf_str(&a->recorded), recorded))
        rc = lh_fail(cx, LH_E_CORRUPT, "the recorded analyser is not as this version writes it");
    if (rc != LH_OK)
        return rc == LH_E_NO_MEMORY ? rc
                                    : lh_fail(cx, LH_E_CORRUPT, "the recorded analyser is bad");
    *ret_analyzer = LH_TAKE(a);
    return LH_OK;
}

lh_text_analyzer *lh_text_analyzer_free(lh_text_analyzer *a)
{
    if (!a)
        return NULL;
    lh_buf_done(&a->recorded);
    lh_arena_free(a->arena);
    return lh_free(a);
}

lh_str lh_text_analyzer_recorded(const lh_text_analyzer *a)
{
    return lh_buf_str(&a->recorded);
}

lh_str_list lh_text_analyzer_synonyms(const lh_text_analyzer *a, lh_str term)
{
    uint32_t group;
    if (!lhi_text_words_find(&a->synonyms, term, &group))
        return (lh_str_list){NULL, 0};
    return a->groups[group];
}
