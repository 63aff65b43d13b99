/* accept_test.c - the media type a client likes best. */
#include "net/text_private.h"

#include "support/unit.h"

static const char *const types[] = {"application/json", "application/x-ndjson", "text/csv"};
enum { JSON, NDJSON, CSV, NONE };

static const struct {
    const char *accept;
    size_t chosen;
} rows[] = {
    {"", JSON},
    {"  ", JSON},
    {"text/csv", CSV},
    {"TEXT/CSV; charset=utf-8", CSV},
    {"*/*", JSON},
    {"text/*", CSV},
    {"application/*", JSON},
    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON},
    {"application/json;q=0.1, text/csv;q=0.9", CSV},
    {"application/json; q=0.5, text/csv;q=0.05", JSON},
    {"application/json;q=0.500,text/csv;q=0.501", CSV},
    {"text/csv, application/json", CSV}, /* of equal ones the first */
    {"application/json, text/csv", JSON},
    {"*/*, text/csv", CSV}, /* named before covered */
    {"application/json;q=0, */*", NDJSON},
    {"application/*;q=0.2, application/x-ndjson", NDJSON},
    {"text/csv;q=0, text/*;q=1", NONE}, /* the specific one decides, wherever it stands */
    {"text/*;q=1, text/csv;q=0", NONE},
    {"application/json;q=0", NONE},
    {"image/png", NONE},
    {"text/csv;q=2, application/json;q=0.1", JSON}, /* no quality: the range counts for nothing */
    {"text/csv;q=x", NONE},
    {"text/csv;q=", NONE},
    {"text/csv;q=1.001", NONE},
    {"text/csv;q=0.0001", NONE},
    {"text/csv;q=1.000", CSV},
    {",, ;q=1, text/csv", CSV},
    {"/*, text, *", NONE},
};

LH_TEST_LOOP(the_best_quality_wins_and_then_the_first, (int)LH_ARRAY_LEN(rows))
{
    size_t chosen = lhi_accept_choose(lh_str_from(rows[_i].accept), types, LH_ARRAY_LEN(types));
    ck_assert_msg(chosen == rows[_i].chosen, "%s: %zu", rows[_i].accept, chosen);
}
