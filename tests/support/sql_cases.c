/* sql_cases.c - see the header. */
#include "support/sql_cases.h"

#include "base/num.h"
#include "os/file.h"

#include <check.h>
#include <stdlib.h>

#define FILE_BYTES_MAX (4u * 1024u * 1024u)
#define SQL_BYTES_MAX  (8u * 1024u * 1024u)

static lh_str expand(lh_ctx *cx, lh_str text)
{
    LH_CLEANUP(lh_buf_done) lh_buf out = {0};
    lh_buf_init(&out, SQL_BYTES_MAX);
    while (text.len > 0) {
        size_t at = lh_str_find(text, LH_S("@@"));
        size_t open = at == LH_STR_NPOS ? at : lh_str_find_char(lh_str_from_offset(text, at), '{');
        if (open == LH_STR_NPOS) {
            ck_assert_int_eq(lh_buf_append(cx, &out, text), LH_OK);
            break;
        }
        uint64_t times = 0;
        size_t end = lh_str_find_char(lh_str_from_offset(text, at + open), '}');
        ck_assert(lh_parse_u64(lh_str_sub(text, at + 2, open - 2), &times) && end != LH_STR_NPOS);
        lh_str part = lh_str_sub(text, at + open + 1, end - 1);
        ck_assert_int_eq(lh_buf_append(cx, &out, lh_str_sub(text, 0, at)), LH_OK);
        for (uint64_t i = 0; i < times; i++)
            ck_assert_int_eq(lh_buf_append(cx, &out, part), LH_OK);
        text = lh_str_from_offset(text, at + open + end + 1);
    }
    return lh_ctx_dup(cx, lh_buf_str(&out));
}

static lh_sql_case read_head(lh_str line, int number)
{
    size_t close = lh_str_rfind_char(line, ']');
    ck_assert_msg(line.ptr[0] == '[' && close != LH_STR_NPOS, "line %d begins no case", number);
    return (lh_sql_case){.why = lh_str_sub(line, 1, close - 1),
                         .expected = lh_str_trim(lh_str_from_offset(line, close + 1)),
                         .line = number};
}

size_t lh_sql_cases_read(lh_ctx *cx, const char *file_name, lh_sql_case **ret_cases)
{
    const char *data = getenv("LH_TEST_DATA");
    lh_str folder = lh_str_from(data != NULL ? data : "tests/data");
    lh_str path =
        lh_ctx_fmt(cx, "%.*s/golden/sql_gate/%s", LH_STR_ARG(lh_path_dir(folder)), file_name);
    lh_str text;
    lh_rc rc = lh_file_read_all(cx, path, FILE_BYTES_MAX, &text);
    ck_assert_msg(rc == LH_OK, "%s: %s", path.ptr, cx->err.message);
    lh_sql_case *cases = LH_NEW_ARRAY(cx, lh_sql_case, SQL_CASES_MAX);
    ck_assert_ptr_nonnull(cases);
    size_t count = 0;
    int number = 0;
    int open = 0;
    lh_str line;
    while (lh_str_split_next(&text, '\n', &line)) {
        number++;
        if (lh_str_empty(line)) {
            open = 0;
        } else if (!open && line.ptr[0] == '#') {
            continue;
        } else if (!open) {
            ck_assert_uint_lt(count, SQL_CASES_MAX);
            cases[count++] = read_head(line, number);
            open = 1;
        } else {
            lh_str *sql = &cases[count - 1].sql;
            *sql = sql->ptr == NULL ? line
                                    : lh_str_n(sql->ptr, (size_t)(line.ptr + line.len - sql->ptr));
        }
    }
    for (size_t i = 0; i < count; i++)
        cases[i].sql = expand(cx, cases[i].sql);
    *ret_cases = cases;
    return count;
}
