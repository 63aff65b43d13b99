/* search/source_rows_private.h - rows of the dataset behind an index, by SQL, as the one who asks
 * may see them.
 *
 * Owns:    nothing; results are in the arena.
 * Threads: all functions from any thread.
 * Limits:  a line of 8 MiB (LHI_LINE_BYTES_MAX), an answer of 64 MiB a page of ids.
 * Formats: none.
 * Why:     vectors and words ask the same gate on the same road. */
#ifndef LH_SEARCH_SOURCE_ROWS_PRIVATE_H
#define LH_SEARCH_SOURCE_ROWS_PRIVATE_H

#include "base/json.h"
#include "policy/policy.h"
#include "query/query.h"

#define LHI_LINE_BYTES_MAX (8u * 1024u * 1024u)

typedef struct lhi_source {
    lh_query_engine *query;
    lh_str dataset;
    lh_str id_column;
    uint64_t commit;
} lhi_source;

/* Ids of the rows that fulfil a SQL condition (empty: of all rows) as texts. An error that is the
 * condition's has the place in it and the field "filter". */
typedef lh_rc (*lhi_on_id)(lh_ctx *cx, void *arg, lh_str id);
LH_WARN_UNUSED lh_rc lhi_source_ids(lh_ctx *cx, const lhi_source *source, lh_str filter,
                                    lhi_on_id on_id, void *arg);

/* Every row that has one of these ids; value: the first of its columns, the next ones follow it.
 * id and values die with the call. */
typedef lh_rc (*lhi_on_row)(lh_ctx *cx, void *arg, lh_str id, const lh_json *value);
LH_WARN_UNUSED lh_rc lhi_source_rows(lh_ctx *cx, const lhi_source *source,
                                     const lh_str_list *columns, const lh_str_list *ids,
                                     lhi_on_row on_row, void *arg);

/* {"name": value, ...} of values that follow one another; in the arena. */
LH_WARN_UNUSED lh_rc lhi_columns_json(lh_ctx *cx, const lh_str_list *names, const lh_json *value,
                                      lh_str *ret_json);

/* NULL: it has none of that name, or the reader may not see it. What it sees may be masked. */
const lh_column *lhi_grant_column(const lh_grant *grant, lh_str name);
/* The same, of a column the reader sees as it is stored: nothing else may be searched, counted or
 * read from an index. */
const lh_column *lhi_grant_clear_column(const lh_grant *grant, lh_str name);
/* LH_E_UNPROCESSABLE with the nearest name there is; field is the place in the request. */
LH_PRINTF(4, 5)
lh_rc lhi_unknown_column(lh_ctx *cx, const lh_grant *grant, lh_str name, const char *field, ...);

#endif
