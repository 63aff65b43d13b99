/* pii_test.c - which column names and values are personal data. */
#include "catalog/catalog.h"
#include "support/scratch.h"

static void check(lh_scratch *s, const char *name, const char *type, const lh_pii_hints *hints,
                  const char *wanted)
{
    lh_list pii;
    char found[256] = "";
    ck_lh_ok(s, lh_pii_detect(&s->cx, lh_str_from(name), lh_str_from(type), hints, &pii));
    const lh_str *items = pii.items;
    for (size_t i = 0; i < pii.count; i++) {
        strncat(found, i > 0 ? " " : "", 2);
        strncat(found, items[i].ptr, items[i].len);
    }
    ck_assert_msg(strcmp(found, wanted) == 0, "%s %s: '%s', wanted '%s'", name, type, found,
                  wanted);
}

LH_TEST(names_of_columns_tell_their_class)
{
    static const struct {
        const char *name, *type, *pii;
    } rows[] = {
        {"email", "VARCHAR", "email"},
        {"E-Mail", "VARCHAR", "email"},
        {"workEMail", "VARCHAR", "email"},
        {"contact.email_address", "VARCHAR", "email"},
        {"emailadresse", "VARCHAR", "email"},
        {"courriel", "VARCHAR", "email"},
        {"Correo Electr\xc3\xb3nico", "VARCHAR", "email"},
        {"email_count", "BIGINT", ""},
        {"email_type", "VARCHAR", ""},
        {"email_sent_at", "TIMESTAMP", ""},
        {"has_email", "BOOLEAN", ""},
        {"mailbox", "VARCHAR", ""},
        {"phone", "VARCHAR", "phone"},
        {"phone2", "BIGINT", "phone"},
        {"mobilePhone", "VARCHAR", "phone"},
        {"Telefonnummer", "VARCHAR", "phone"},
        {"t\xc3\xa9l\xc3\xa9phone", "VARCHAR", "phone"},
        {"te\xcc\x81le\xcc\x81phone", "VARCHAR", "phone"},
        {"Tel\xc3\xa9"
         "fono",
         "VARCHAR", "phone"},
        {"tel", "VARCHAR", "phone"},
        {"telemetry", "VARCHAR", ""},
        {"ssn", "VARCHAR", "ssn"},
        {"SSNNumber", "BIGINT", "ssn"},
        {"social_security_number", "VARCHAR", "ssn"},
        {"Sozialversicherungsnummer", "VARCHAR", "ssn"},
        {"num\xc3\xa9ro de s\xc3\xa9"
         "curit\xc3\xa9 sociale",
         "VARCHAR", "ssn"},
        {"DNI", "VARCHAR", "ssn"},
        {"salary_expectation", "BIGINT", "salary"},
        {"Gehalt", "DOUBLE", "salary"},
        {"GEH\xc3\x84LTER", "DECIMAL(10,2)", "salary"},
        {"salaire", "DOUBLE", "salary"},
        {"sueldo", "DOUBLE", "salary"},
        {"home_address", "VARCHAR", "address"},
        {"Stra\xc3\x9f"
         "e",
         "VARCHAR", "address"},
        {"STRASSE", "VARCHAR", "address"},
        {"PLZ", "INTEGER", "address"},
        {"zip_code", "VARCHAR", "address"},
        {"code postal", "VARCHAR", "address"},
        {"direcci\xc3\xb3n", "VARCHAR", "address"},
        {"ip_address", "VARCHAR", ""},
        {"email_address", "VARCHAR", "email"},
        {"diagnosis", "VARCHAR", "medical"},
        {"has_allergies", "BOOLEAN", "medical"},
        {"icd10", "VARCHAR", "medical"},
        {"Blutgruppe", "VARCHAR", "medical"},
        {"maladie", "VARCHAR", "medical"},
        {"enfermedad", "VARCHAR", "medical"},
        {"name", "VARCHAR", "name"},
        {"first_name", "VARCHAR", "name"},
        {"LastName", "VARCHAR", "name"},
        {"Vorname", "VARCHAR", "name"},
        {"pr\xc3\xa9nom", "VARCHAR", "name"},
        {"apellidos", "VARCHAR", "name"},
        {"file_name", "VARCHAR", ""},
        {"name", "BIGINT", ""},
        {"city", "VARCHAR", ""},
        {"status", "VARCHAR", ""},
        {"candidate_id", "VARCHAR", ""},
        {"skills", "VARCHAR", ""},
        {"emails", "VARCHAR[]", "email"},
        {"", "VARCHAR", ""},
        {"\xff\xfe", "VARCHAR", ""},
    };
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++)
        check(&s, rows[i].name, rows[i].type, NULL, rows[i].pii);
    char longest[4096];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    check(&s, longest, "VARCHAR", NULL, "");
    lh_scratch_close(&s);
}

LH_TEST(values_tell_it_where_the_name_does_not)
{
    lh_scratch s;
    lh_scratch_open(&s);
    check(&s, "col7", "VARCHAR", &(lh_pii_hints){.like_email = 0.5}, "email");
    check(&s, "col7", "VARCHAR", &(lh_pii_hints){.like_email = 0.49}, "");
    check(&s, "col7", "BIGINT", &(lh_pii_hints){.like_phone = 1.0, .like_ssn = 0.9}, "phone ssn");
    check(&s, "phone", "VARCHAR", &(lh_pii_hints){.like_email = 0.9}, "email phone");
    check(&s, "email_type", "VARCHAR", &(lh_pii_hints){.like_email = 0.9}, "email");
    lh_scratch_close(&s);
}
