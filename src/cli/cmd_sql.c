/* cli/cmd_sql.c - `lakehouse sql`: the result as a table that fits the terminal, or as the server
 * sends it. */
#include "base/json_write.h"
#include "base/num.h"
#include "cli/client.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX    256u
#define CELL_CHARS_MAX 60u
#define WIDTH_PIPED    200u

static lh_rc run(lh_ctx *cx, const lh_cli_args *args, const char *format, lh_str *ret_body)
{
    LH_CLEANUP(lh_client_close) lh_client client = {0};
    LH_CLEANUP(lh_buf_done) lh_buf body;
    lh_buf_init(&body, 4u << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &body);
    lh_jw_object_begin(&w);
    lh_jw_kv_str(&w, LH_S("sql"), lh_str_from(args->rest[0]));
    lh_jw_kv_str(&w, LH_S("format"), lh_str_from(format));
    const char *limit = lh_cli_get(args, "limit");
    if (limit) {
        uint64_t rows;
        if (!lh_parse_u64(lh_str_from(limit), &rows))
            return lh_fail(cx, LH_E_BAD_VALUE, "--limit '%s' is not a number", limit);
        lh_jw_kv_u64(&w, LH_S("limit"), rows);
    }
    lh_jw_object_end(&w);
    LH_TRY(lh_jw_end(&w));
    LH_TRY(lh_client_open(cx, args, &client));
    lh_client_call call = {.method = "POST", .path = LH_S("/query/sql"), .body = lh_buf_str(&body)};
    return lh_client_send(cx, &client, &call, ret_body);
}

/* ---- the table ---- */

typedef struct table {
    size_t columns;
    unsigned width[COLUMNS_MAX];
    int right[COLUMNS_MAX]; /* numbers stand on the right */
} table;

static unsigned terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col;
    return WIDTH_PIPED;
}

static unsigned chars_of(lh_str text)
{
    unsigned n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return n;
}

static lh_str cell(const lh_json *value)
{
    if (value->kind == LH_JSON_NULL)
        return LH_S("NULL");
    if (value->kind == LH_JSON_STRING || value->kind == LH_JSON_NUMBER)
        return value->text;
    return value->raw;
}

static int is_number(lh_str type)
{
    return lh_str_find(type, LH_S("INT")) != LH_STR_NPOS || lh_str_starts(type, LH_S("DOUBLE")) ||
           lh_str_starts(type, LH_S("FLOAT")) || lh_str_starts(type, LH_S("DECIMAL"));
}

static void measure(table *t, const lh_json *columns, const lh_json *rows)
{
    for (const lh_json *c = columns->first; c && t->columns < COLUMNS_MAX; c = c->next) {
        t->width[t->columns] = chars_of(lh_json_get_str(c, LH_S("name")));
        t->right[t->columns++] = is_number(lh_json_get_str(c, LH_S("type")));
    }
    for (const lh_json *row = rows->first; row; row = row->next) {
        size_t i = 0;
        for (const lh_json *value = row->first; value && i < t->columns; value = value->next, i++)
            t->width[i] = LH_MAX(t->width[i], LH_MIN(chars_of(cell(value)), CELL_CHARS_MAX));
    }
}

/* The widest columns give way until a line fits. */
static void fit(table *t, unsigned width)
{
    for (;;) {
        unsigned sum = 0;
        size_t widest = 0;
        for (size_t i = 0; i < t->columns; i++) {
            sum += t->width[i] + 3;
            widest = t->width[i] > t->width[widest] ? i : widest;
        }
        if (sum <= width || t->columns == 0 || t->width[widest] <= 8)
            return;
        t->width[widest]--;
    }
}

static void print_cell(lh_str text, unsigned width, int right)
{
    unsigned chars = chars_of(text);
    int cut = chars > width;
    unsigned shown = cut ? width - 1 : chars;
    if (right && !cut)
        printf("%*s", (int)(width - chars), "");
    size_t at = 0;
    uint32_t code_point;
    for (unsigned i = 0; i < shown; i++) {
        size_t before = at;
        if (!lh_utf8_next(text, &at, &code_point))
            break;
        if (code_point < 32 || code_point == 127)
            putchar(' ');
        else
            fwrite(text.ptr + before, 1, at - before, stdout);
    }
    if (cut)
        fputs("\xe2\x80\xa6", stdout); /* ellipsis */
    else if (!right)
        printf("%*s", (int)(width - chars), "");
}

static void print_rule(const table *t)
{
    for (size_t i = 0; i < t->columns; i++) {
        fputs(i ? "-+-" : "", stdout);
        for (unsigned k = 0; k < t->width[i]; k++)
            putchar('-');
    }
    putchar('\n');
}

static lh_rc print_table(lh_ctx *cx, lh_str body)
{
    const lh_json *root;
    LH_TRY(lh_json_parse(cx, body, 0, &root));
    const lh_json *columns = lh_json_get(root, LH_S("columns"));
    const lh_json *rows = lh_json_get(root, LH_S("rows"));
    if (!columns || !rows)
        return lh_fail(cx, LH_E_PROVIDER, "the reply has no rows");
    table t = {0};
    measure(&t, columns, rows);
    fit(&t, terminal_width());
    size_t i = 0;
    for (const lh_json *c = columns->first; c && i < t.columns; c = c->next, i++) {
        fputs(i ? " | " : "", stdout);
        print_cell(lh_json_get_str(c, LH_S("name")), t.width[i], 0);
    }
    putchar('\n');
    print_rule(&t);
    for (const lh_json *row = rows->first; row; row = row->next) {
        i = 0;
        for (const lh_json *value = row->first; value && i < t.columns; value = value->next, i++) {
            fputs(i ? " | " : "", stdout);
            print_cell(cell(value), t.width[i], t.right[i]);
        }
        putchar('\n');
    }
    const lh_json *took = lh_json_get(root, LH_S("took_ms"));
    printf("(%zu row%s%s, %.*s ms)\n", rows->count, rows->count == 1 ? "" : "s",
           lh_json_is_true(lh_json_get(root, LH_S("truncated"))) ? ", more there: raise --limit"
                                                                 : "",
           LH_STR_ARG(took ? took->text : LH_S("?")));
    return LH_OK;
}

int lh_cmd_sql(lh_ctx *cx, const lh_cli_args *args)
{
    static const char *const formats[] = {"table", "json", "ndjson", "csv", "arrow"};
    const char *format = lh_cli_get(args, "format");
    format = format ? format : "table";
    int known = 0;
    for (size_t i = 0; i < LH_ARRAY_LEN(formats); i++)
        known |= strcmp(format, formats[i]) == 0;
    if (args->rest_count != 1)
        return lh_cli_usage(NULL, "sql needs one statement");
    if (!known)
        return lh_cli_usage(NULL, "format '%s': table, json, ndjson, csv or arrow", format);
    int is_table = strcmp(format, "table") == 0;
    lh_str body;
    lh_rc rc = run(cx, args, is_table ? "json_arrays" : format, &body);
    if (rc == LH_OK && is_table)
        rc = print_table(cx, body);
    else if (rc == LH_OK)
        lh_cli_out(body);
    if (rc == LH_OK && strcmp(format, "json") == 0)
        putchar('\n');
    return rc == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}
