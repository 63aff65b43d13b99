/* toml_private.h - the seam between toml.c and the C++ parser behind it; private to base/.
 *
 * Owns:    every text is borrowed until the callback returns.
 * Threads: any.
 * Limits:  nesting 256 (toml++'s own).
 * Formats: kinds are those of lh_toml_kind, as numbers.
 * Why:     C headers with C11 atomics cannot be read by a C++17 compiler, so only plain types
 *          cross. */
#ifndef LH_BASE_TOML_PRIVATE_H
#define LH_BASE_TOML_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of lh_toml_kind; toml.c asserts that they agree. */
enum {
    LHI_TOML_STR,
    LHI_TOML_INT,
    LHI_TOML_FLOAT,
    LHI_TOML_BOOL,
    LHI_TOML_OTHER,
    LHI_TOML_EMPTY_ARRAY
};

typedef struct lhi_toml_value {
    const char *path;
    size_t path_len;
    int kind;
    const char *text;
    size_t text_len;
    int line;
    int column;
} lhi_toml_value;

typedef struct lhi_toml_error {
    int line;
    int column;
    char message[256];
} lhi_toml_error;

/* Calls visit for each value in the order of the document's keys; it returns 0 to go on. Returns 0
 * when all were seen, -1 with *ret_error when the text does not parse, else what visit returned. */
int lhi_toml_walk(const char *text, size_t len,
                  int (*visit)(void *arg, const lhi_toml_value *value), void *arg,
                  lhi_toml_error *ret_error);

#ifdef __cplusplus
}
#endif

#endif
