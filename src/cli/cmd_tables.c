/* cli/cmd_tables.c - every declared table as JSON; `make check` compares them with docs/api/.
 *
 * To add a table: a row in `tables`. */
#include "api/app.h"
#include "base/tables.h"
#include "build_info.h"
#include "cli/cli.h"
#include "cli/config_keys.h"
#include "net/docs.h"

#include <stdio.h>

/* What a writer of tables refuses must not be printed. */
static void stick(lh_json_writer *w, lh_rc rc)
{
    if (w->rc == LH_OK)
        w->rc = rc;
}

static void write_routes(lh_json_writer *w)
{
    stick(w, lh_routes_write_table(w, lh_api_routes));
}

static void write_openapi(lh_json_writer *w)
{
    stick(w, lh_openapi_write(w, lh_api_routes, LH_S(LH_VERSION)));
}

static void write_config(lh_json_writer *w)
{
    lh_config_write_table(w, lh_config_keys);
}

static void write_commands(lh_json_writer *w)
{
    lh_jw_array_begin(w);
    for (const lh_cli_command *c = lh_cli_commands; c->name; c++) {
        lh_jw_object_begin(w);
        lh_jw_kv_str(w, LH_S("name"), lh_str_from(c->name));
        lh_jw_kv_str(w, LH_S("usage"), lh_str_from(c->usage));
        lh_jw_kv_str(w, LH_S("summary"), lh_str_from(c->summary));
        lh_jw_key(w, LH_S("options"));
        lh_jw_array_begin(w);
        for (const lh_cli_option *o = c->options; o && o->name; o++) {
            lh_jw_object_begin(w);
            lh_jw_kv_str(w, LH_S("name"), lh_str_from(o->name));
            if (o->value)
                lh_jw_kv_str(w, LH_S("value"), lh_str_from(o->value));
            lh_jw_kv_str(w, LH_S("doc"), lh_str_from(o->doc));
            lh_jw_object_end(w);
        }
        lh_jw_array_end(w);
        lh_jw_object_end(w);
    }
    lh_jw_array_end(w);
}

static const struct table {
    const char *name;
    void (*write)(lh_json_writer *w);
    const char *doc;
} tables[] = {{"routes", write_routes, "every path of the API"},
              {"openapi", write_openapi, "the OpenAPI document, with all records"},
              {"config", write_config, "configuration keys"},
              {"errors", lh_error_write_table, "error codes and statuses"},
              {"metrics", lh_metric_write_table, "metrics"},
              {"log_events", lh_log_write_table, "events of the log"},
              {"faults", lh_fault_write_table, "fault points of test builds"},
              {"commands", write_commands, "commands of this program"}};

static void write_names(lh_json_writer *w)
{
    lh_jw_array_begin(w);
    for (size_t i = 0; i < LH_ARRAY_LEN(tables); i++)
        lh_jw_str(w, lh_str_from(tables[i].name));
    lh_jw_array_end(w);
}

static int print_table(lh_ctx *cx, void (*write)(lh_json_writer *w))
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 64u << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    w.pretty = 1;
    write(&w);
    if (lh_jw_end(&w) != LH_OK)
        return lh_cli_failed(cx);
    lh_cli_out(lh_buf_str(&json));
    putchar('\n');
    return LH_EXIT_DONE;
}

int lh_cmd_tables(lh_ctx *cx, const lh_cli_args *args)
{
    if (args->rest_count > 1)
        return lh_cli_usage(NULL, "tables takes one name");
    if (args->rest_count == 0 && lh_cli_has(args, "json"))
        return print_table(cx, write_names);
    for (size_t i = 0; i < LH_ARRAY_LEN(tables); i++) {
        if (args->rest_count == 0)
            printf("%-12s %s\n", tables[i].name, tables[i].doc);
        else if (strcmp(tables[i].name, args->rest[0]) == 0)
            return print_table(cx, tables[i].write);
    }
    if (args->rest_count == 0)
        return LH_EXIT_DONE;
    return lh_cli_usage(NULL, "no table '%s'; `lakehouse tables` lists them", args->rest[0]);
}
