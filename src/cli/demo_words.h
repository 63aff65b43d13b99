/* cli/demo_words.h - the vocabulary of the demo data.
 *
 * Owns: constants. Threads: constants. Limits: lists end with NULL. Formats: UTF-8.
 * Why: words apart from the code that draws them. */
#ifndef LH_CLI_DEMO_WORDS_H
#define LH_CLI_DEMO_WORDS_H

#include <stddef.h>

typedef struct lh_demo_role {
    const char *key;           /* in demo-truth.csv */
    const char *const *titles; /* how people call it */
    const char *const *skills;
    const char *const *duties; /* sentences without a subject: "loaded trailers ..." */
    const char *const *papers; /* certificates, licences */
    const char *places;        /* where such people work: "a warehouse" */
    unsigned weight;           /* how common */
} lh_demo_role;
extern const lh_demo_role lh_demo_roles[];
extern const size_t lh_demo_roles_count;

typedef struct lh_demo_city {
    const char *name;
    const char *state;
    const char *near; /* another way to say where it is */
    unsigned weight;
} lh_demo_city;
extern const lh_demo_city lh_demo_cities[];
extern const size_t lh_demo_cities_count;

extern const char *const lh_demo_first_names[];
extern const char *const lh_demo_last_names[];
extern const size_t lh_demo_first_names_count, lh_demo_last_names_count;
extern const char *const lh_demo_company_heads[];
extern const char *const lh_demo_company_tails[];
extern const size_t lh_demo_company_heads_count, lh_demo_company_tails_count;

#endif
