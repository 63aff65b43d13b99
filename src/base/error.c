/* error.c - the rows of error_list.h as a table; look-ups only, so that it works when memory is
 * out. */
#include "base/error.h"

#include <string.h>

typedef struct error_row {
    const char *code;
    const char *text;
    int status;
    int retryable;
} error_row;

static const error_row rows[LH_RC_COUNT] = {[LH_OK] = {"ok", "No error.", 200, 0},
#define ERROR_ROW(symbol, wire_code, http_status, may_retry, sentence)                             \
    [LH_E_##symbol] = {(wire_code), (sentence), (http_status), (may_retry)},
                                            LH_ERROR_LIST(ERROR_ROW)
#undef ERROR_ROW
};

static const error_row *row_of(lh_rc rc)
{
    lh_assert((unsigned)rc < LH_RC_COUNT);
    return &rows[rc];
}

const char *lh_rc_code(lh_rc rc)
{
    return row_of(rc)->code;
}

int lh_rc_status(lh_rc rc)
{
    return row_of(rc)->status;
}

int lh_rc_retryable(lh_rc rc)
{
    return row_of(rc)->retryable;
}

const char *lh_rc_text(lh_rc rc)
{
    return row_of(rc)->text;
}

lh_rc lh_rc_find(const char *code)
{
    for (int i = 0; i < LH_RC_COUNT; i++)
        if (strcmp(rows[i].code, code) == 0)
            return (lh_rc)i;
    return LH_RC_COUNT;
}
