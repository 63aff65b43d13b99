/* pii.c - which columns hold personal data, by their names and by what their values look like.
 *
 * A name is folded to plain lower-case words ("Straße_Nr", "streetNo", "Téléphone") and a rule
 * is a run of whole words, so "mail" is found in "work_mail" and not in "mailbox". Better one
 * column too many than one too few: a class only marks. */
#include "base/buf.h"
#include "catalog/catalog_private.h"

enum { WORDS_BYTES_MAX = 1024 };
#define SHARE_MIN 0.5

typedef enum type_class { TYPE_TEXT = 1, TYPE_NUMBER = 2, TYPE_BOOL = 4, TYPE_TIME = 8 } type_class;

/* To add a class: a row. The types are those in which such a value can be. */
static const struct pii_class {
    lh_str name;
    unsigned types;
} classes[] = {
    {LH_S_INIT("email"), TYPE_TEXT},
    {LH_S_INIT("phone"), TYPE_TEXT | TYPE_NUMBER},
    {LH_S_INIT("ssn"), TYPE_TEXT | TYPE_NUMBER},
    {LH_S_INIT("salary"), TYPE_TEXT | TYPE_NUMBER},
    {LH_S_INIT("address"), TYPE_TEXT | TYPE_NUMBER},
    {LH_S_INIT("medical"), TYPE_TEXT | TYPE_NUMBER | TYPE_BOOL | TYPE_TIME},
    {LH_S_INIT("name"), TYPE_TEXT},
};
enum { EMAIL, PHONE, SSN, SALARY, ADDRESS, MEDICAL, NAME, CLASSES };
_Static_assert(LH_ARRAY_LEN(classes) == CLASSES, "a row for each");

typedef enum rule_how {
    ANYWHERE,
    WHOLE /* the name is nothing else */,
    NOT /* this run is no hit */
} rule_how;

/* To add a spelling: a row; words as lhi_latin_fold makes them. English, German, French,
 * Spanish. */
static const struct pii_rule {
    const char *words;
    uint8_t class;
    uint8_t how;
} rules[] = {
    {"email", EMAIL, ANYWHERE},
    {"e mail", EMAIL, ANYWHERE},
    {"mail", EMAIL, ANYWHERE},
    {"emailaddress", EMAIL, ANYWHERE},
    {"emails", EMAIL, ANYWHERE},
    {"emailadresse", EMAIL, ANYWHERE},
    {"mailadresse", EMAIL, ANYWHERE},
    {"courriel", EMAIL, ANYWHERE},
    {"adresse electronique", EMAIL, ANYWHERE},
    {"correo", EMAIL, ANYWHERE},
    {"phone", PHONE, ANYWHERE},
    {"phones", PHONE, ANYWHERE},
    {"phonenumber", PHONE, ANYWHERE},
    {"telephone", PHONE, ANYWHERE},
    {"tel", PHONE, ANYWHERE},
    {"mobile", PHONE, ANYWHERE},
    {"mobilenumber", PHONE, ANYWHERE},
    {"cell", PHONE, WHOLE},
    {"cellphone", PHONE, ANYWHERE},
    {"cell number", PHONE, ANYWHERE},
    {"fax", PHONE, ANYWHERE},
    {"telefon", PHONE, ANYWHERE},
    {"telefonnummer", PHONE, ANYWHERE},
    {"rufnummer", PHONE, ANYWHERE},
    {"handy", PHONE, ANYWHERE},
    {"handynummer", PHONE, ANYWHERE},
    {"mobilnummer", PHONE, ANYWHERE},
    {"mobil", PHONE, ANYWHERE},
    {"numero de telephone", PHONE, ANYWHERE},
    {"portable", PHONE, WHOLE},
    {"telefono", PHONE, ANYWHERE},
    {"movil", PHONE, ANYWHERE},
    {"celular", PHONE, ANYWHERE},
    {"ssn", SSN, ANYWHERE},
    {"social security", SSN, ANYWHERE},
    {"socialsecuritynumber", SSN, ANYWHERE},
    {"national id", SSN, ANYWHERE},
    {"national insurance", SSN, ANYWHERE},
    {"tax id", SSN, ANYWHERE},
    {"passport", SSN, ANYWHERE},
    {"sozialversicherungsnummer", SSN, ANYWHERE},
    {"svnr", SSN, ANYWHERE},
    {"sv nummer", SSN, ANYWHERE},
    {"steuer id", SSN, ANYWHERE},
    {"steuernummer", SSN, ANYWHERE},
    {"ausweisnummer", SSN, ANYWHERE},
    {"securite sociale", SSN, ANYWHERE},
    {"nir", SSN, WHOLE},
    {"seguro social", SSN, ANYWHERE},
    {"seguridad social", SSN, ANYWHERE},
    {"nss", SSN, WHOLE},
    {"dni", SSN, ANYWHERE},
    {"salary", SALARY, ANYWHERE},
    {"salaries", SALARY, ANYWHERE},
    {"wage", SALARY, ANYWHERE},
    {"wages", SALARY, ANYWHERE},
    {"income", SALARY, ANYWHERE},
    {"compensation", SALARY, ANYWHERE},
    {"payroll", SALARY, ANYWHERE},
    {"pay rate", SALARY, ANYWHERE},
    {"hourly rate", SALARY, ANYWHERE},
    {"bonus", SALARY, ANYWHERE},
    {"gehalt", SALARY, ANYWHERE},
    {"gehaelter", SALARY, ANYWHERE},
    {"gehaltswunsch", SALARY, ANYWHERE},
    {"jahresgehalt", SALARY, ANYWHERE},
    {"lohn", SALARY, ANYWHERE},
    {"stundenlohn", SALARY, ANYWHERE},
    {"verdienst", SALARY, ANYWHERE},
    {"einkommen", SALARY, ANYWHERE},
    {"salaire", SALARY, ANYWHERE},
    {"remuneration", SALARY, ANYWHERE},
    {"salario", SALARY, ANYWHERE},
    {"sueldo", SALARY, ANYWHERE},
    {"nomina", SALARY, ANYWHERE},
    {"address", ADDRESS, ANYWHERE},
    {"addresses", ADDRESS, ANYWHERE},
    {"addr", ADDRESS, ANYWHERE},
    {"street", ADDRESS, ANYWHERE},
    {"streetaddress", ADDRESS, ANYWHERE},
    {"zip", ADDRESS, ANYWHERE},
    {"zipcode", ADDRESS, ANYWHERE},
    {"postcode", ADDRESS, ANYWHERE},
    {"postal code", ADDRESS, ANYWHERE},
    {"postalcode", ADDRESS, ANYWHERE},
    {"adresse", ADDRESS, ANYWHERE},
    {"anschrift", ADDRESS, ANYWHERE},
    {"strasse", ADDRESS, ANYWHERE},
    {"hausnummer", ADDRESS, ANYWHERE},
    {"plz", ADDRESS, ANYWHERE},
    {"postleitzahl", ADDRESS, ANYWHERE},
    {"wohnort", ADDRESS, ANYWHERE},
    {"rue", ADDRESS, ANYWHERE},
    {"code postal", ADDRESS, ANYWHERE},
    {"direccion", ADDRESS, ANYWHERE},
    {"domicilio", ADDRESS, ANYWHERE},
    {"calle", ADDRESS, ANYWHERE},
    {"codigo postal", ADDRESS, ANYWHERE},
    {"ip address", ADDRESS, NOT},
    {"mac address", ADDRESS, NOT},
    {"web address", ADDRESS, NOT},
    {"wallet address", ADDRESS, NOT},
    {"memory address", ADDRESS, NOT},
    {"email address", ADDRESS, NOT},
    {"mail address", ADDRESS, NOT},
    {"mail adresse", ADDRESS, NOT},
    {"email adresse", ADDRESS, NOT},
    {"ip adresse", ADDRESS, NOT},
    {"adresse electronique", ADDRESS, NOT},
    {"adresse email", ADDRESS, NOT},
    {"adresse ip", ADDRESS, NOT},
    {"diagnosis", MEDICAL, ANYWHERE},
    {"diagnoses", MEDICAL, ANYWHERE},
    {"medical", MEDICAL, ANYWHERE},
    {"medication", MEDICAL, ANYWHERE},
    {"medications", MEDICAL, ANYWHERE},
    {"prescription", MEDICAL, ANYWHERE},
    {"disease", MEDICAL, ANYWHERE},
    {"illness", MEDICAL, ANYWHERE},
    {"symptoms", MEDICAL, ANYWHERE},
    {"allergy", MEDICAL, ANYWHERE},
    {"allergies", MEDICAL, ANYWHERE},
    {"disability", MEDICAL, ANYWHERE},
    {"blood type", MEDICAL, ANYWHERE},
    {"blood group", MEDICAL, ANYWHERE},
    {"health condition", MEDICAL, ANYWHERE},
    {"icd", MEDICAL, ANYWHERE},
    {"diagnose", MEDICAL, ANYWHERE},
    {"befund", MEDICAL, ANYWHERE},
    {"krankheit", MEDICAL, ANYWHERE},
    {"medikament", MEDICAL, ANYWHERE},
    {"medikamente", MEDICAL, ANYWHERE},
    {"allergien", MEDICAL, ANYWHERE},
    {"blutgruppe", MEDICAL, ANYWHERE},
    {"behinderung", MEDICAL, ANYWHERE},
    {"diagnostic", MEDICAL, WHOLE},
    {"maladie", MEDICAL, ANYWHERE},
    {"medicament", MEDICAL, ANYWHERE},
    {"medicaments", MEDICAL, ANYWHERE},
    {"groupe sanguin", MEDICAL, ANYWHERE},
    {"diagnostico", MEDICAL, ANYWHERE},
    {"enfermedad", MEDICAL, ANYWHERE},
    {"medicamento", MEDICAL, ANYWHERE},
    {"medicamentos", MEDICAL, ANYWHERE},
    {"grupo sanguineo", MEDICAL, ANYWHERE},
    {"historia clinica", MEDICAL, ANYWHERE},
    {"name", NAME, WHOLE},
    {"names", NAME, WHOLE},
    {"first name", NAME, ANYWHERE},
    {"firstname", NAME, ANYWHERE},
    {"last name", NAME, ANYWHERE},
    {"lastname", NAME, ANYWHERE},
    {"full name", NAME, ANYWHERE},
    {"fullname", NAME, ANYWHERE},
    {"middle name", NAME, ANYWHERE},
    {"given name", NAME, ANYWHERE},
    {"family name", NAME, ANYWHERE},
    {"maiden name", NAME, ANYWHERE},
    {"surname", NAME, ANYWHERE},
    {"fname", NAME, ANYWHERE},
    {"lname", NAME, ANYWHERE},
    {"user name", NAME, ANYWHERE},
    {"username", NAME, ANYWHERE},
    {"contact name", NAME, ANYWHERE},
    {"customer name", NAME, ANYWHERE},
    {"patient name", NAME, ANYWHERE},
    {"employee name", NAME, ANYWHERE},
    {"candidate name", NAME, ANYWHERE},
    {"person name", NAME, ANYWHERE},
    {"member name", NAME, ANYWHERE},
    {"recruiter name", NAME, ANYWHERE},
    {"manager name", NAME, ANYWHERE},
    {"display name", NAME, ANYWHERE},
    {"vorname", NAME, ANYWHERE},
    {"nachname", NAME, ANYWHERE},
    {"familienname", NAME, ANYWHERE},
    {"geburtsname", NAME, ANYWHERE},
    {"prenom", NAME, ANYWHERE},
    {"nom", NAME, ANYWHERE},
    {"nombre", NAME, WHOLE},
    {"nombre completo", NAME, ANYWHERE},
    {"apellido", NAME, ANYWHERE},
    {"apellidos", NAME, ANYWHERE},
};

/* Columns about such a thing that do not hold it: their last word. */
static const char *const about[] = {"type",  "status",   "count",   "flag",   "verified", "valid",
                                    "sent",  "provider", "domain",  "opened", "template", "format",
                                    "quota", "consent",  "subject", "length", "typ",      "anzahl"};

typedef struct words {
    char text[WORDS_BYTES_MAX]; /* " first name " */
    size_t len;
} words;

static int is_lower(uint32_t cp)
{
    return (cp >= 'a' && cp <= 'z') || (cp >= 0xDF && cp <= 0xFF);
}

static int is_upper(uint32_t cp)
{
    return (cp >= 'A' && cp <= 'Z') || (cp >= 0xC0 && cp < 0xDF);
}

static int is_digit(uint32_t cp)
{
    return cp >= '0' && cp <= '9';
}

/* A word ends before a capital that follows a small letter ("firstName"), before the last
 * capital of a run that small ones follow ("SSNNumber"), and between letters and digits
 * ("phone2"). */
static int starts_word(uint32_t before, uint32_t cp, uint32_t after)
{
    if (is_upper(cp) && (is_lower(before) || (is_upper(before) && is_lower(after))))
        return 1;
    return is_digit(before) != is_digit(cp) && before != ' ';
}

static void split_words(lh_str name, words *out)
{
    uint32_t before = ' ', cp = 0, after = 0;
    size_t offset = 0;
    out->text[0] = ' ';
    out->len = 1;
    int more = lh_utf8_next(name, &offset, &cp);
    while (more && out->len + 4 < sizeof(out->text)) {
        char letters[2];
        after = 0;
        more = lh_utf8_next(name, &offset, &after);
        size_t count = lhi_latin_fold(cp, letters);
        int is_mark = cp >= 0x300 && cp <= 0x36F; /* a combining accent stays inside its word */
        if ((count == 0 && !is_mark) || (count > 0 && starts_word(before, cp, after)))
            if (out->text[out->len - 1] != ' ')
                out->text[out->len++] = ' ';
        memcpy(out->text + out->len, letters, count);
        out->len += count;
        if (!is_mark)
            before = count > 0 ? cp : ' ';
        cp = after;
    }
    if (out->text[out->len - 1] != ' ')
        out->text[out->len++] = ' ';
}

static int has_run(const words *w, const char *run, rule_how how)
{
    lh_str text = lh_str_n(w->text, w->len);
    lh_str wanted = lh_str_from(run);
    if (how == WHOLE)
        return text.len == wanted.len + 2 && memcmp(text.ptr + 1, wanted.ptr, wanted.len) == 0;
    for (size_t i = 0; i + wanted.len + 2 <= text.len; i++)
        if (text.ptr[i] == ' ' && text.ptr[i + wanted.len + 1] == ' ' &&
            memcmp(text.ptr + i + 1, wanted.ptr, wanted.len) == 0)
            return 1;
    return 0;
}

static int is_about(const words *w)
{
    lh_str text = lh_str_n(w->text, w->len - 1);
    size_t space = lh_str_rfind_char(text, ' ');
    lh_str last = lh_str_from_offset(text, space + 1);
    for (size_t i = 0; i < LH_ARRAY_LEN(about); i++)
        if (lh_str_eq(last, lh_str_from(about[i])))
            return 1;
    return 0;
}

static unsigned class_of_type(lh_str type)
{
    static const char *const numbers[] = {
        "TINYINT",  "SMALLINT", "INTEGER",  "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
        "UINTEGER", "UBIGINT",  "UHUGEINT", "FLOAT",  "DOUBLE",  "BIGNUM"};
    for (size_t i = 0; i < LH_ARRAY_LEN(numbers); i++)
        if (lh_str_eq_nocase(type, lh_str_from(numbers[i])))
            return TYPE_NUMBER;
    if (lh_str_starts_nocase(type, LH_S("DECIMAL")) && !lh_str_ends(type, LH_S("]")))
        return TYPE_NUMBER;
    if (lh_str_eq_nocase(type, LH_S("BOOLEAN")))
        return TYPE_BOOL;
    if ((lh_str_starts_nocase(type, LH_S("DATE")) || lh_str_starts_nocase(type, LH_S("TIME")) ||
         lh_str_starts_nocase(type, LH_S("INTERVAL"))) &&
        !lh_str_ends(type, LH_S("]")))
        return TYPE_TIME;
    return TYPE_TEXT; /* nested types and whatever is unknown may hold texts */
}

lh_rc lh_pii_detect(lh_ctx *cx, lh_str column_name, lh_str type, const lh_pii_hints *hints,
                    lh_list *ret_pii)
{
    words w;
    int found[CLASSES] = {0}, refused[CLASSES] = {0};
    split_words(column_name, &w);
    for (size_t i = 0; i < LH_ARRAY_LEN(rules) && !is_about(&w); i++)
        if (has_run(&w, rules[i].words, rules[i].how))
            (rules[i].how == NOT ? refused : found)[rules[i].class] = 1;
    unsigned type_bits = class_of_type(type);
    size_t count = 0;
    for (size_t i = 0; i < CLASSES; i++)
        found[i] = found[i] && !refused[i] && (classes[i].types & type_bits) != 0;
    if (hints != NULL) {
        found[EMAIL] |= hints->like_email >= SHARE_MIN;
        found[PHONE] |= hints->like_phone >= SHARE_MIN;
        found[SSN] |= hints->like_ssn >= SHARE_MIN;
    }
    lh_str *items = LH_NEW_ARRAY(cx, lh_str, CLASSES);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < CLASSES; i++)
        if (found[i])
            items[count++] = classes[i].name;
    *ret_pii = (lh_list){count > 0 ? items : NULL, count};
    return LH_OK;
}
