/* assert.c - the end of the process when we have made a mistake: one line in the log, then SIGABRT
 * (core, sanitizer report). Nothing is tidied up: state that broke a promise must not be written
 * anywhere. */
#include "base/attr.h"

#include "base/log.h"

#include <stdlib.h>

void lh_assert_failed(const char *condition, const char *file, int line)
{
    LH_LOG(NULL, ASSERT_FAILED, LH_KS("condition", lh_str_from(condition)),
           LH_KS("file", lh_str_from(file)), LH_KI("line", line));
    abort();
}
