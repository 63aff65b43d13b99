/* text/text_analyzer_private.h - an analyser's insides, shared by its two files.
 *
 * Owns: see text_analyzer.h. Threads: immutable after new. Limits: text_analyzer.h. Formats: none.
 * Why:  options are one verb, cutting text is another. */
#ifndef LH_TEXT_TEXT_ANALYZER_PRIVATE_H
#define LH_TEXT_TEXT_ANALYZER_PRIVATE_H

#include "base/buf.h"
#include "text/text_analyzer.h"

#define LHI_TEXT_ANALYZER_NAME LH_S("unicode 1")

/* Set of terms with a number each; open addressing. */
typedef struct lhi_text_words {
    lh_str *terms;
    uint32_t *values;
    uint32_t *slots; /* index + 1; 0 = free */
    uint32_t slots_count;
    uint32_t count;
} lhi_text_words;

struct lh_text_analyzer {
    uint32_t flags;
    char stem[32]; /* "" = none */
    lhi_text_words stops;
    lhi_text_words synonyms; /* value = group */
    lh_str_list *groups;
    uint32_t groups_count;
    lh_buf recorded;
    lh_arena *arena; /* texts of the sets */
};

int lhi_text_words_find(const lhi_text_words *set, lh_str term, uint32_t *ret_value);

#endif
