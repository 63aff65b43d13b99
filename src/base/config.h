/* base/config.h - configuration from rows: TOML file, then environment, into one struct.
 *
 * To add a key: 1. a member in the struct; 2. a row in its table. File, environment
 * LAKEHOUSE_<SECTION>_<KEY>, limits, error place, docs and `lakehouse tables config` follow from
 * the row.
 *
 * Owns:    texts live in the arena of the context given to load.
 * Threads: load is one thread.
 * Limits:  each row's min and max.
 * Formats: TOML 1.0. Sizes as "512MiB", times as "10s".
 * Why:     unknown keys are errors with line and column; a typo must not silently be a default. For
 *          the same reason a variable LAKEHOUSE_<SECTION>_X that is no key is an error. */
#ifndef LH_BASE_CONFIG_H
#define LH_BASE_CONFIG_H

#include "base/ctx.h"

#include <stdbool.h>

/* Type of the struct member in brackets. */
typedef enum lh_config_type {
    LH_C_STR,      /* (lh_str) */
    LH_C_BOOL,     /* (bool) */
    LH_C_I64,      /* (int64_t) */
    LH_C_F64,      /* (double) */
    LH_C_SIZE,     /* (uint64_t) bytes */
    LH_C_DURATION, /* (int64_t) microseconds */
    LH_C_ENUM,     /* (int): index into .names */
    LH_C_STR_LIST  /* (lh_str_list); environment: comma-separated */
} lh_config_type;

enum {
    LH_CONFIG_RELOAD = 1,
    LH_CONFIG_SECRET = 2
}; /* reload: SIGHUP is enough; secret: never shown */

typedef struct lh_config_key {
    const char *section;
    const char *key;
    lh_config_type type;
    uint32_t flags;
    size_t offset;
    int64_t min; /* of the number, bytes or microseconds; 0,0 = no limit */
    int64_t max;
    const char
        *def; /* as written in TOML without quotes; "" = derived at start, the doc says how */
    const char *const *names;
    const char *doc;
} lh_config_key; /* tables end with {0} */

/* Defaults, then toml_text (may be empty; file_name is for messages), then the environment
 * (getenv). Errors: LH_E_BAD_CONFIG with line and column, or the variable's name as field. */
LH_WARN_UNUSED lh_rc lh_config_load(lh_ctx *cx, const lh_config_key *keys, lh_str toml_text,
                                    const char *file_name, void *out);
const char *lh_config_type_name(lh_config_type type);
/* "LAKEHOUSE_SERVER_LISTEN"; room of 128 bytes fits every key. */
void lh_config_env_name(const lh_config_key *key, char *out, size_t room);

#endif
