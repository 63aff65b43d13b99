/* cli/demo.c - the seven tables of the demo data. Rows are drawn from a stream of their own number,
 * so keys of other tables need no memory: row k of `candidates` exists whenever k is at most its
 * count. */
#include "cli/demo.h"

#include "base/clock.h"
#include "base/num.h"
#include "cli/demo_private.h"
#include "cli/demo_words.h"

#include <stdio.h>

#define SEED_DEFAULT     20260101u
#define RESUME_BYTES_MAX 4096u
#define DAY_FIRST        19723 /* 2024-01-01 */
#define DAYS             1050u

const char *const lh_demo_table_names[] = {"candidates", "clients",  "job_orders", "placements",
                                           "timesheets", "call_log", "email_log"};

static const uint64_t rows_at_1[LH_DEMO_TABLE_COUNT] = {100000,  2000,   15000, 50000,
                                                        1000000, 800000, 502278};

static const char *const headers[LH_DEMO_TABLE_COUNT] = {
    "candidate_id,name,email,phone,ssn,city,state,skills,years_experience,availability,status,"
    "salary_expectation,"
    "recruiter_id,updated_at,resume_text",
    "client_id,name,industry,city,state,contact_email,contact_phone,since,tier",
    "job_order_id,client_id,title,role,city,state,openings,pay_rate,bill_rate,shift,status,opened_"
    "on",
    "placement_id,candidate_id,job_order_id,client_id,recruiter_id,start_date,end_date,pay_rate,"
    "bill_rate,status",
    "timesheet_id,placement_id,week_ending,regular_hours,overtime_hours,approved,billed_amount",
    "call_id,candidate_id,recruiter_id,called_at,duration_s,direction,outcome",
    "email_id,candidate_id,recruiter_id,sent_at,subject,opened,replied"};

typedef struct demo {
    lh_ctx *cx;
    lh_str dir;
    const lh_demo_options *opts;
    uint64_t counts[LH_DEMO_TABLE_COUNT];
    uint64_t total;
    uint64_t done;
    lhi_csv truth;
    unsigned roles_weight;
    unsigned cities_weight;
} demo;

uint64_t lh_demo_rows(lh_demo_table table, double scale)
{
    double rows = (double)rows_at_1[table] * scale + 0.5;
    return rows < 1 ? 1 : (uint64_t)rows;
}

static lhi_random stream_of(const demo *d, lh_demo_table table, uint64_t row)
{
    uint64_t seed = d->opts->seed ? d->opts->seed : SEED_DEFAULT;
    lhi_random r = {seed * 0x2545f4914f6cdd1dull + ((uint64_t)table << 56) +
                    row * 0x9e3779b97f4a7c15ull};
    r.state = lhi_next(&r);
    return r;
}

static size_t weighted_role(const demo *d, lhi_random *r)
{
    uint64_t at = lhi_below(r, d->roles_weight);
    size_t i = 0;
    while (at >= lh_demo_roles[i].weight)
        at -= lh_demo_roles[i++].weight;
    return i;
}

static size_t weighted_city(const demo *d, lhi_random *r)
{
    uint64_t at = lhi_below(r, d->cities_weight);
    size_t i = 0;
    while (at >= lh_demo_cities[i].weight)
        at -= lh_demo_cities[i++].weight;
    return i;
}

static void put_cstr(lhi_csv *csv, const char *text)
{
    lhi_csv_text(csv, lh_str_from(text));
}

/* 3 % are absent. */
static void put_maybe(lhi_csv *csv, lhi_random *r, const char *text)
{
    if (lhi_chance(r, 3))
        lhi_csv_empty(csv);
    else
        put_cstr(csv, text);
}

static void put_phone(lhi_csv *csv, lhi_random *r)
{
    char text[32];
    unsigned area = 201 + (unsigned)lhi_below(r, 780);
    unsigned line = (unsigned)lhi_below(r, 10000);
    switch (lhi_below(r, 4)) {
    case 0: snprintf(text, sizeof text, "(%03u) 555-%04u", area, line); break;
    case 1: snprintf(text, sizeof text, "%03u-555-%04u", area, line); break;
    case 2: snprintf(text, sizeof text, "+1 %03u 555 %04u", area, line); break;
    default: snprintf(text, sizeof text, "%03u555%04u", area, line); break;
    }
    put_cstr(csv, text);
}

static void put_email(lhi_csv *csv, lhi_random *r, const lhi_person *who, uint64_t number)
{
    static const char *const domains[] = {"example.com", "example.org", "example.net"};
    char text[96];
    size_t n = 0;
    for (const char *c = who->first; *c && n < 20; c++) {
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
            text[n++] = (char)(*c | 32);
    }
    n += (size_t)snprintf(text + n, sizeof text - n, ".%llu@%s", (unsigned long long)number,
                          domains[lhi_below(r, LH_ARRAY_LEN(domains))]);
    lhi_csv_text(csv, lh_str_n(text, n));
}

/* Spelled as people type it: now and then in capitals, with a space too many, or abbreviated. */
static void put_city(lhi_csv *csv, lhi_random *r, const char *city)
{
    char text[64];
    uint64_t form = lhi_below(r, 50);
    size_t len = (size_t)snprintf(text, sizeof text, "%s%s", city, form == 0 ? " " : "");
    for (size_t i = 0; form == 1 && i < len; i++)
        text[i] = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 32) : text[i];
    lhi_csv_text(csv, lh_str_n(text, len));
}

static void put_skills(lhi_csv *csv, lhi_random *r, const lh_demo_role *role)
{
    char text[160];
    size_t count = 0;
    while (role->skills[count])
        count++;
    size_t first = lhi_below(r, count);
    int n = snprintf(text, sizeof text, "%s; %s; %s", role->skills[first],
                     role->skills[(first + 1) % count], role->skills[(first + 2) % count]);
    lhi_csv_text(csv, lh_str_n(text, (size_t)n));
}

static lhi_person person_of(const demo *d, lhi_random *r)
{
    lhi_person who = {.role = weighted_role(d, r), .city = weighted_city(d, r)};
    who.years = (unsigned)lhi_skewed(r, 30) + 1;
    who.availability = (unsigned)lhi_below(r, lhi_availability_count);
    who.first = lh_demo_first_names[lhi_skewed(r, lh_demo_first_names_count)];
    who.last = lh_demo_last_names[lhi_skewed(r, lh_demo_last_names_count)];
    return who;
}

static void put_ssn(lhi_csv *csv, lhi_random *r)
{
    char text[16];
    int n = snprintf(text, sizeof text, "9%02u-%02u-%04u", (unsigned)lhi_below(r, 100),
                     10 + (unsigned)lhi_below(r, 60), (unsigned)lhi_below(r, 10000));
    lhi_csv_text(csv, lh_str_n(text, (size_t)n));
}

static lh_rc candidate(demo *d, lhi_csv *csv, uint64_t row)
{
    static const char *const statuses[] = {"active", "active", "active",   "active",
                                           "placed", "placed", "inactive", "blocked"};
    char resume[RESUME_BYTES_MAX];
    char name[96];
    /* One in two hundred is a person entered twice: the row of somebody before, under a new id. */
    lhi_random dice = stream_of(d, LH_DEMO_CANDIDATES, row);
    uint64_t person_row =
        row > 200 && lhi_below(&dice, 200) == 0 ? row - 1 - lhi_below(&dice, 150) : row;
    lhi_random r = stream_of(d, LH_DEMO_CANDIDATES, person_row);
    LH_IGNORE(lhi_next(&r));
    lhi_person who = person_of(d, &r);
    const lh_demo_role *role = &lh_demo_roles[who.role];
    snprintf(name, sizeof name, "%s %s", who.first, who.last);
    lhi_csv_id(csv, "CAND-", row, 6);
    put_cstr(csv, name);
    put_email(csv, &r, &who, person_row);
    put_phone(csv, &r);
    put_ssn(csv, &r);
    put_city(csv, &r, lh_demo_cities[who.city].name);
    put_maybe(csv, &r, lh_demo_cities[who.city].state);
    put_skills(csv, &r, role);
    lhi_csv_number(csv, who.years);
    put_maybe(csv, &r, lhi_availability[who.availability]);
    put_maybe(csv, &r, statuses[lhi_below(&r, LH_ARRAY_LEN(statuses))]);
    lhi_csv_number(csv, 28000 + who.years * 900 + lhi_skewed(&r, 60) * 1000);
    lhi_csv_id(csv, "REC-", 1 + lhi_skewed(&r, 120), 3);
    lhi_csv_time(csv, (DAY_FIRST + (int64_t)lhi_below(&r, DAYS)) * 86400 +
                          (int64_t)lhi_below(&r, 86400));
    lhi_csv_text(csv, lh_str_n(resume, lhi_resume(&r, &who, resume, sizeof resume)));
    LH_TRY(lhi_csv_row(&d->truth));
    lhi_csv_id(&d->truth, "CAND-", row, 6);
    put_cstr(&d->truth, role->key);
    put_cstr(&d->truth, lh_demo_cities[who.city].name);
    put_cstr(&d->truth, lhi_availability[who.availability]);
    return LH_OK;
}

static lh_rc client(demo *d, lhi_csv *csv, uint64_t row)
{
    static const char *const industries[] = {"logistics",   "manufacturing", "healthcare",
                                             "hospitality", "retail",        "technology"};
    char name[96];
    lhi_random r = stream_of(d, LH_DEMO_CLIENTS, row);
    size_t city = weighted_city(d, &r);
    const char *head = lh_demo_company_heads[lhi_below(&r, lh_demo_company_heads_count)];
    snprintf(name, sizeof name, "%s %s", head,
             lh_demo_company_tails[lhi_below(&r, lh_demo_company_tails_count)]);
    lhi_csv_id(csv, "CLI-", row, 5);
    put_cstr(csv, name);
    put_cstr(csv, industries[lhi_skewed(&r, LH_ARRAY_LEN(industries))]);
    put_city(csv, &r, lh_demo_cities[city].name);
    put_cstr(csv, lh_demo_cities[city].state);
    snprintf(name, sizeof name, "jobs%llu@example.com", (unsigned long long)row);
    put_cstr(csv, name);
    put_phone(csv, &r);
    lhi_csv_date(csv, DAY_FIRST - (int64_t)lhi_below(&r, 3000));
    put_maybe(csv, &r, lhi_chance(&r, 20) ? "gold" : lhi_chance(&r, 50) ? "silver" : "bronze");
    return LH_OK;
}

static uint64_t client_of(const demo *d, lhi_random *r)
{
    return 1 + lhi_skewed(r, d->counts[LH_DEMO_CLIENTS]);
}

static lh_rc job_order(demo *d, lhi_csv *csv, uint64_t row)
{
    static const char *const shifts[] = {"day", "night", "swing", "weekend"};
    static const char *const statuses[] = {"open", "filled", "filled", "closed", "on hold"};
    lhi_random r = stream_of(d, LH_DEMO_JOB_ORDERS, row);
    uint64_t client_id = client_of(d, &r);
    const lh_demo_role *role = &lh_demo_roles[weighted_role(d, &r)];
    size_t city = weighted_city(d, &r);
    uint64_t pay = 1450 + lhi_skewed(&r, 4500);
    lhi_csv_id(csv, "JOB-", row, 6);
    lhi_csv_id(csv, "CLI-", client_id, 5);
    put_cstr(csv, role->titles[0]);
    put_cstr(csv, role->key);
    put_city(csv, &r, lh_demo_cities[city].name);
    put_cstr(csv, lh_demo_cities[city].state);
    lhi_csv_number(csv, 1 + lhi_skewed(&r, 40));
    lhi_csv_cents(csv, pay);
    lhi_csv_cents(csv, pay + pay * (30 + lhi_below(&r, 25)) / 100);
    put_maybe(csv, &r, shifts[lhi_skewed(&r, LH_ARRAY_LEN(shifts))]);
    put_cstr(csv, statuses[lhi_below(&r, LH_ARRAY_LEN(statuses))]);
    lhi_csv_date(csv, DAY_FIRST + (int64_t)lhi_below(&r, DAYS));
    return LH_OK;
}

static lh_rc placement(demo *d, lhi_csv *csv, uint64_t row)
{
    static const char *const statuses[] = {"completed", "completed", "active", "terminated"};
    lhi_random r = stream_of(d, LH_DEMO_PLACEMENTS, row);
    uint64_t job = 1 + lhi_skewed(&r, d->counts[LH_DEMO_JOB_ORDERS]);
    lhi_random of_job = stream_of(d, LH_DEMO_JOB_ORDERS, job);
    int64_t start = DAY_FIRST + (int64_t)lhi_below(&r, DAYS);
    uint64_t pay = 1450 + lhi_skewed(&r, 4500);
    lhi_csv_id(csv, "PLC-", row, 6);
    lhi_csv_id(csv, "CAND-", 1 + lhi_below(&r, d->counts[LH_DEMO_CANDIDATES]), 6);
    lhi_csv_id(csv, "JOB-", job, 6);
    lhi_csv_id(csv, "CLI-", client_of(d, &of_job), 5);
    lhi_csv_id(csv, "REC-", 1 + lhi_skewed(&r, 120), 3);
    lhi_csv_date(csv, start);
    if (lhi_chance(&r, 25))
        lhi_csv_empty(csv);
    else
        lhi_csv_date(csv, start + 5 + (int64_t)lhi_skewed(&r, 400));
    lhi_csv_cents(csv, pay);
    lhi_csv_cents(csv, pay + pay * (30 + lhi_below(&r, 25)) / 100);
    put_cstr(csv, statuses[lhi_below(&r, LH_ARRAY_LEN(statuses))]);
    return LH_OK;
}

static lh_rc timesheet(demo *d, lhi_csv *csv, uint64_t row)
{
    lhi_random r = stream_of(d, LH_DEMO_TIMESHEETS, row);
    uint64_t hours = 8 + lhi_below(&r, 33);
    uint64_t overtime = lhi_chance(&r, 20) ? lhi_skewed(&r, 16) : 0;
    lhi_csv_id(csv, "TS-", row, 7);
    lhi_csv_id(csv, "PLC-", 1 + lhi_below(&r, d->counts[LH_DEMO_PLACEMENTS]), 6);
    lhi_csv_date(csv, DAY_FIRST + 6 + 7 * (int64_t)lhi_below(&r, DAYS / 7));
    lhi_csv_number(csv, hours);
    lhi_csv_number(csv, overtime);
    put_cstr(csv, lhi_chance(&r, 95) ? "true" : "false");
    lhi_csv_cents(csv, (hours * 2 + overtime * 3) * (1000 + lhi_below(&r, 2500)));
    return LH_OK;
}

static lh_rc call(demo *d, lhi_csv *csv, uint64_t row)
{
    static const char *const outcomes[] = {"no answer", "voicemail", "talked",
                                           "talked",    "callback",  "wrong number"};
    lhi_random r = stream_of(d, LH_DEMO_CALL_LOG, row);
    lhi_csv_id(csv, "CALL-", row, 7);
    lhi_csv_id(csv, "CAND-", 1 + lhi_skewed(&r, d->counts[LH_DEMO_CANDIDATES]), 6);
    lhi_csv_id(csv, "REC-", 1 + lhi_skewed(&r, 120), 3);
    lhi_csv_time(csv, (DAY_FIRST + (int64_t)lhi_below(&r, DAYS)) * 86400 + 28800 +
                          (int64_t)lhi_below(&r, 36000));
    lhi_csv_number(csv, lhi_skewed(&r, 1800));
    put_cstr(csv, lhi_chance(&r, 80) ? "outbound" : "inbound");
    put_maybe(csv, &r, outcomes[lhi_below(&r, LH_ARRAY_LEN(outcomes))]);
    return LH_OK;
}

static lh_rc email(demo *d, lhi_csv *csv, uint64_t row)
{
    static const char *const subjects[] = {"New shifts this week",      "Your application",
                                           "Interview on Monday, 9 am", "Please sign your \"W-4\"",
                                           "Direct deposit form",       "Are you still available?"};
    lhi_random r = stream_of(d, LH_DEMO_EMAIL_LOG, row);
    int opened = lhi_chance(&r, 45);
    lhi_csv_id(csv, "MAIL-", row, 7);
    lhi_csv_id(csv, "CAND-", 1 + lhi_skewed(&r, d->counts[LH_DEMO_CANDIDATES]), 6);
    lhi_csv_id(csv, "REC-", 1 + lhi_skewed(&r, 120), 3);
    lhi_csv_time(csv, (DAY_FIRST + (int64_t)lhi_below(&r, DAYS)) * 86400 +
                          (int64_t)lhi_below(&r, 86400));
    put_cstr(csv, subjects[lhi_skewed(&r, LH_ARRAY_LEN(subjects))]);
    put_cstr(csv, opened ? "true" : "false");
    put_cstr(csv, opened && lhi_chance(&r, 30) ? "true" : "false");
    return LH_OK;
}

static lh_rc (*const row_functions[LH_DEMO_TABLE_COUNT])(demo *d, lhi_csv *csv, uint64_t row) = {
    candidate, client, job_order, placement, timesheet, call, email};

#define ROWS_BETWEEN_REPORTS 50000u

static lh_rc fill_table(demo *d, lhi_csv *csv, lh_demo_table table)
{
    for (uint64_t row = 1; row <= d->counts[table]; row++) {
        LH_TRY(lhi_csv_row(csv));
        LH_TRY(row_functions[table](d, csv, row));
        if (++d->done % ROWS_BETWEEN_REPORTS == 0 && d->opts->on_progress)
            d->opts->on_progress(d->opts->arg, d->done, d->total);
    }
    return LH_OK;
}

static lh_str csv_path(demo *d, const char *name)
{
    return lh_path_join(d->cx, d->dir, lh_ctx_fmt(d->cx, "%s.csv", name));
}

static lh_rc write_table(demo *d, lh_demo_table table)
{
    lhi_csv csv;
    lh_rc rc = lhi_csv_open(d->cx, &csv, csv_path(d, lh_demo_table_names[table]),
                            lh_str_from(headers[table]));
    if (rc == LH_OK)
        rc = fill_table(d, &csv, table);
    lh_rc closed = lhi_csv_close(&csv);
    return rc != LH_OK ? rc : closed;
}

static lh_rc write_all(demo *d)
{
    for (int table = 0; table < LH_DEMO_TABLE_COUNT; table++)
        LH_TRY(write_table(d, (lh_demo_table)table));
    return LH_OK;
}

lh_rc lh_demo_write(lh_ctx *cx, lh_str dir, const lh_demo_options *opts)
{
    demo d = {.cx = cx, .dir = dir, .opts = opts};
    if (!(opts->scale >= 0.0001 && opts->scale <= 10)) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "scale %g, limits 0.0001 and 10", opts->scale));
        return lh_err_field(cx, "scale");
    }
    for (size_t i = 0; i < lh_demo_roles_count; i++)
        d.roles_weight += lh_demo_roles[i].weight;
    for (size_t i = 0; i < lh_demo_cities_count; i++)
        d.cities_weight += lh_demo_cities[i].weight;
    for (int t = 0; t < LH_DEMO_TABLE_COUNT; t++) {
        d.counts[t] = lh_demo_rows((lh_demo_table)t, opts->scale);
        d.total += d.counts[t];
    }
    LH_TRY(lh_dir_make(cx, dir));
    lh_rc rc = lhi_csv_open(cx, &d.truth, csv_path(&d, "demo-truth"),
                            LH_S("candidate_id,role,city,availability"));
    if (rc == LH_OK)
        rc = write_all(&d);
    lh_rc closed = lhi_csv_close(&d.truth);
    return rc != LH_OK ? rc : closed;
}
