/* What a text may become. links: worker os base */
#include "worker/programs/ingest_types.h"

#include "support/unit.h"

typedef struct row {
    const char *text;
    lh_cell_type type;
} row;

static const row rows[] = {
    {"0", LH_CELL_BIGINT},
    {"7", LH_CELL_BIGINT},
    {"-42", LH_CELL_BIGINT},
    {"99999999999999", LH_CELL_BIGINT},   /* 14 digits */
    {"123456789012345", LH_CELL_VARCHAR}, /* 15: an id */
    {"4111111111111111", LH_CELL_VARCHAR},
    {"00123", LH_CELL_VARCHAR},
    {"01", LH_CELL_VARCHAR},
    {"-0", LH_CELL_VARCHAR},
    {"+1", LH_CELL_VARCHAR},
    {"+49 30 123456", LH_CELL_VARCHAR},
    {" 1", LH_CELL_VARCHAR},
    {"1 ", LH_CELL_VARCHAR},
    {"1,5", LH_CELL_VARCHAR},
    {"1_000", LH_CELL_VARCHAR},
    {"0x10", LH_CELL_VARCHAR},
    {"-", LH_CELL_VARCHAR},
    {".", LH_CELL_VARCHAR},
    {"1.5", LH_CELL_DOUBLE},
    {"1.50", LH_CELL_DOUBLE},
    {"-0.25", LH_CELL_DOUBLE},
    {".5", LH_CELL_DOUBLE},
    {"5.", LH_CELL_VARCHAR},
    {"00.5", LH_CELL_VARCHAR},
    {"1.2.3", LH_CELL_VARCHAR},
    {"123456789012.345", LH_CELL_DOUBLE},        /* 15 digits */
    {"0.30000000000000004", LH_CELL_DOUBLE},     /* 17, and the double's own text */
    {"0.12345678901234567", LH_CELL_VARCHAR},    /* 17, the double says ...568 */
    {"9007199254740993.5", LH_CELL_VARCHAR},     /* 17, does not */
    {"3.14159265358979323846", LH_CELL_VARCHAR}, /* 21 */
    {"1e5", LH_CELL_VARCHAR},                    /* a part number */
    {"12E5", LH_CELL_VARCHAR},
    {"1e-05", LH_CELL_DOUBLE},
    {"6.02e+23", LH_CELL_DOUBLE},
    {"1.5e10", LH_CELL_DOUBLE},
    {"1.5e400", LH_CELL_VARCHAR},
    {"1.5e-400", LH_CELL_VARCHAR},
    {"inf", LH_CELL_VARCHAR},
    {"true", LH_CELL_BOOLEAN},
    {"FALSE", LH_CELL_BOOLEAN},
    {"True", LH_CELL_BOOLEAN},
    {"tRUE", LH_CELL_VARCHAR},
    {"yes", LH_CELL_VARCHAR},
    {"t", LH_CELL_VARCHAR},
    {"2024-02-29", LH_CELL_DATE},
    {"2023-02-29", LH_CELL_VARCHAR},
    {"2024-13-01", LH_CELL_VARCHAR},
    {"0000-01-01", LH_CELL_VARCHAR},
    {"01/02/2020", LH_CELL_VARCHAR},
    {"2024-1-1", LH_CELL_VARCHAR},
    {"2024-01-01T10:00", LH_CELL_TIMESTAMP},
    {"2024-01-01 10:00:59", LH_CELL_TIMESTAMP},
    {"2024-01-01 10:00:59.123456", LH_CELL_TIMESTAMP},
    {"2024-01-01 10:00:59.1234567", LH_CELL_VARCHAR},
    {"2024-01-01 24:00:00", LH_CELL_VARCHAR},
    {"2024-01-01 10:00:60", LH_CELL_VARCHAR},
    {"2024-01-01T10:00:00Z", LH_CELL_TIMESTAMPTZ},
    {"2024-01-01T10:00:00+02:00", LH_CELL_TIMESTAMPTZ},
    {"2024-01-01 10:00:00-0330", LH_CELL_TIMESTAMPTZ},
    {"2024-01-01 10:00:00+02", LH_CELL_TIMESTAMPTZ},
    {"2024-01-01 10:00:00+2", LH_CELL_VARCHAR},
    {"2024-01-01 10:00:00 UTC", LH_CELL_VARCHAR},
};

static lh_cell_type type_of(lh_type_mask mask)
{
    return lh_column_guess_type((lh_column_guess){mask, true});
}

LH_TEST(a_text_is_typed_only_when_nothing_is_lost)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++)
        ck_assert_msg(type_of(lh_cell_mask(lh_str_from(rows[i].text))) == rows[i].type, "%s is %s",
                      rows[i].text,
                      lh_cell_type_name(type_of(lh_cell_mask(lh_str_from(rows[i].text)))));
}

LH_TEST(values_come_out_exact)
{
    int64_t whole;
    double real;
    int32_t days;
    ck_assert(lh_cell_bigint(LH_S("-99999999999999"), &whole) && whole == -99999999999999);
    ck_assert(lh_cell_double(LH_S("0.1"), &real) && real == 0.1);
    ck_assert(lh_cell_double(LH_S("123456789.012345"), &real) && real == 123456789.012345);
    ck_assert(lh_cell_double(LH_S("17"), &real) && real == 17);
    ck_assert(lh_cell_double(LH_S("-.5"), &real) && real == -0.5);
    ck_assert(lh_cell_double(LH_S("1e-05"), &real) && real == 1e-05);
    ck_assert(lh_cell_date(LH_S("1970-01-02"), &days) && days == 1);
    ck_assert(lh_cell_date(LH_S("1969-12-31"), &days) && days == -1);
    ck_assert(lh_cell_timestamp(LH_S("1970-01-01 00:00:01.5"), LH_CELL_TIMESTAMP, &whole) &&
              whole == 1500000);
    ck_assert(lh_cell_timestamp(LH_S("1970-01-01T02:00:00+02:00"), LH_CELL_TIMESTAMPTZ, &whole) &&
              whole == 0);
}

LH_TEST(json_numbers_beyond_two_to_the_53_stay_exact)
{
    ck_assert_int_eq(type_of(lh_cell_mask_of_number(LH_S("9007199254740993"))), LH_CELL_BIGINT);
    ck_assert_int_eq(type_of(lh_cell_mask_of_number(LH_S("9223372036854775807"))), LH_CELL_BIGINT);
    ck_assert_int_eq(type_of(lh_cell_mask_of_number(LH_S("9223372036854775808"))), LH_CELL_VARCHAR);
    ck_assert_int_eq(type_of(lh_cell_mask_of_number(LH_S("1e5"))), LH_CELL_DOUBLE);
    /* Together with a decimal neither type holds both. */
    lh_column_guess guess = LH_COLUMN_GUESS_INIT;
    lh_column_guess_merge(
        &guess, (lh_column_guess){lh_cell_mask_of_number(LH_S("9007199254740993")), true});
    lh_column_guess_merge(&guess, (lh_column_guess){lh_cell_mask_of_number(LH_S("0.5")), true});
    ck_assert_int_eq(lh_column_guess_type(guess), LH_CELL_VARCHAR);
}

LH_TEST(masks_and_conversions_agree)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++) {
        lh_str text = lh_str_from(rows[i].text);
        lh_type_mask mask = lh_cell_mask(text);
        int64_t whole;
        double real;
        uint8_t truth;
        int32_t days;
        ck_assert_int_eq(lh_cell_bigint(text, &whole), (mask & LH_TYPE_BIT(LH_CELL_BIGINT)) != 0);
        ck_assert_int_eq(lh_cell_double(text, &real), (mask & LH_TYPE_BIT(LH_CELL_DOUBLE)) != 0);
        ck_assert_int_eq(lh_cell_boolean(text, &truth), (mask & LH_TYPE_BIT(LH_CELL_BOOLEAN)) != 0);
        ck_assert_int_eq(lh_cell_date(text, &days), (mask & LH_TYPE_BIT(LH_CELL_DATE)) != 0);
    }
}

LH_TEST(spellings_of_null_are_known)
{
    static const char *const nulls[] = {"NULL", "null", "N/A", "na",  "NaN",
                                        "None", "-",    "\\N", "#N/A"};
    static const char *const values[] = {"no", "nullable", "0", "n", "NAN0"};
    for (size_t i = 0; i < LH_ARRAY_LEN(nulls); i++)
        ck_assert_msg(lh_cell_null_spelling(lh_str_from(nulls[i])), "%s", nulls[i]);
    for (size_t i = 0; i < LH_ARRAY_LEN(values); i++)
        ck_assert_msg(!lh_cell_null_spelling(lh_str_from(values[i])), "%s", values[i]);
}
