/* cli/cli.c - the table of commands, its help, and the parsing of options. */
#include "cli/cli.h"

#include "base/fault.h"
#include "cli/vector_options.h"

#include "build_info.h"

#include <stdio.h>
#include <stdlib.h>

static const lh_cli_option serve_options[] = {
    {"config", 'c', "FILE", "configuration; lakehouse.toml when it is there"},
    {"data", 'd', "DIR", "data folder (storage.root)"},
    {"listen", 'l', "HOST:PORT", "where to listen (server.listen); port 0 picks one"},
    {"grpc", 0, "HOST:PORT", "reserved for gRPC; not served by this version"},
    {"ready-file", 0, "FILE", "written with address and pid once requests are served"},
    {"demo", 0, NULL, "loads the demo data (scale 0.05) when there is no dataset yet"},
    {0}};
#define CLIENT_OPTIONS                                                                             \
    {"url", 0, "URL", "server; http://127.0.0.1:3100 by default"},                                 \
    {                                                                                              \
        "key", 0, "KEY", "API key; LAKEHOUSE_KEY does the same"                                    \
    }
static const lh_cli_option sql_options[] = {
    {"format", 'f', "FORMAT", "table (default), json, ndjson, csv or arrow"},
    {"limit", 0, "N", "rows at most; 0 = all"},
    CLIENT_OPTIONS,
    {0}};
static const lh_cli_option ingest_options[] = {
    {"dataset", 'n', "NAME", "dataset; from the file's name by default"},
    {"mode", 'm', "MODE", "replace (default), append or upsert"},
    {"key-column", 0, "COLUMN", "upsert: column that names a row"},
    {"json", 0, NULL, "print the result as JSON"},
    CLIENT_OPTIONS,
    {0}};
static const lh_cli_option index_options[] = {
    {"text", 't', "COLUMN", "column whose text is searched; mode text: several, A,B"},
    {"id", 'i', "COLUMN", "column whose value names a row"},
    {"name", 'n', "NAME", "name of the index; DATASET_COLUMN, mode text DATASET_text by default"},
    {"mode", 'm', "MODE", "vector (default): by meaning; text: by words"},
    {"facets", 0, "A,B", "mode text: columns whose values can be counted"},
    {"language", 0, "LANGUAGE", "mode text: words are cut to their stems, as english"},
    {"chunk-size", 0, "N", "characters of a chunk at most"},
    {"overlap", 0, "N", "characters repeated between chunks"},
    {"precision", 0, "PRECISION",
     "f32, bf16 or int8; bf16 where the CPU has it, else f32. int8 is faster and loses some "
     "neighbours: about 3 of the 100 that f32 finds"},
    {"json", 0, NULL, "print the result as JSON"},
    CLIENT_OPTIONS,
    {0}};
static const lh_cli_option search_options[] = {
    {"k", 'k', "N", "hits at most; 10 by default"},
    {"mode", 'm', "MODE", "vector (default): by meaning; text: by words, in a text index"},
    {"filter", 0, "SQL", "condition over the dataset"},
    {"columns", 0, "A,B", "columns to show with each hit"},
    {"json", 0, NULL, "print the reply as JSON"},
    CLIENT_OPTIONS,
    {0}};
static const lh_cli_option demo_options[] = {
    {"scale", 's', "S", "1 = 2,469,278 rows; 1 by default"},
    {"dir", 'd', "DIR", "folder to write to; ./demo by default"},
    {"seed", 0, "N", "other data of the same shape"},
    {0}};
static const lh_cli_option json_option[] = {{"json", 0, NULL, "print as JSON"}, {0}};
static const lh_cli_option fsck_options[] = {{"data", 'd', "DIR", "data folder; ./data by default"},
                                             {"repair", 0, NULL, "remove what nothing references"},
                                             {"quick", 0, NULL, "sizes only, no checksums"},
                                             {"json", 0, NULL, "print as JSON lines"},
                                             {0}};
static const lh_cli_option doctor_options[] = {{"config", 'c', "FILE", "configuration"},
                                               {"data", 'd', "DIR", "data folder"},
                                               {"json", 0, NULL, "print as JSON"},
                                               {0}};
static const lh_cli_option embed_options[] = {
    {"model", 'm', "FILE", "packed model; the installed one by default"},
    {"format", 'f', "FORMAT", "f32 (default), ndjson or parquet"},
    {"out", 'o', "FILE", "file to make, instead of standard output; Parquet needs one"},
    {"field", 0, "NAME", "lines are JSON objects; embed the text of this field"},
    {"id", 0, "NAME",
     "with --field and Parquet: the field for doc_id; the line's number by default"},
    {"query", 0, NULL, "the texts are questions, for models that tell them apart"},
    {"threads", 0, "N", "threads; all by default"},
    {"precision", 0, "PRECISION",
     "f32, bf16 or int8; bf16 where the CPU has it, else f32; int8 is "
     "faster and loses some neighbours: about 3 of the 100 that f32 finds"},
    {"pack", 0, NULL, "pack a model: lakehouse embed --pack FOLDER FILE"},
    {0}};
static const lh_cli_option text_options[] = {
    {"docs", 'd', "FILE", "documents, one a line"},
    {"index", 'i', "FILE", "segment file to write or read; bench makes one when it is absent"},
    {"queries", 'q', "FILE", "bench: queries, one a line"},
    {"mode", 'm', "MODE", "any (default), all, phrase, prefix or query (the language)"},
    {"k", 'k', "N", "hits at most; 10 by default"},
    {"filter-percent", 0, "P", "bench: only this share of the documents may be answers"},
    {"rounds", 0, "N", "bench: times each query runs; the median counts; 5 by default"},
    {"latencies", 0, "FILE", "bench: writes nanoseconds, one line a query"},
    {"check", 0, NULL, "bench: compares the hits with those of scoring every match"},
    {"stem", 0, "LANGUAGE", "build: Snowball's stemmer, as english; none by default"},
    {"keep-accents", 0, NULL, "build: accents tell words apart"},
    {"no-positions", 0, NULL, "build: smaller, but no phrases"},
    {"threads", 0, "N", "build: threads; 1 by default"},
    {"memory", 0, "SIZE", "build: postings in memory; 256MiB by default"},
    {"json", 0, NULL, "search: hits as JSON lines"},
    {0}};
static const lh_cli_option key_options[] = {{"data", 'd', "DIR", "data folder; ./data by default"},
                                            {"json", 0, NULL, "print as JSON"},
                                            {0}};

const lh_cli_command lh_cli_commands[] = {
    {"serve", "[options]", "Runs the server.", "lakehouse serve --data ./data", serve_options,
     lh_cmd_serve},
    {"sql", "\"SELECT ...\" [options]", "Runs one SELECT on the server.",
     "lakehouse sql \"SELECT status, count(*) FROM candidates GROUP BY ALL\"", sql_options,
     lh_cmd_sql},
    {"ingest", "FILE... [options]", "Uploads files; each becomes a dataset.",
     "lakehouse ingest candidates.csv --dataset candidates", ingest_options, lh_cmd_ingest},
    {"index", "DATASET --text COLUMN --id COLUMN [options]", "Builds an index over a text column.",
     "lakehouse index candidates --text resume_text --id candidate_id", index_options,
     lh_cmd_index},
    {"search", "INDEX \"words\" [options]", "Searches by meaning or by words.",
     "lakehouse search candidates_resume_text \"night shift forklift driver near Chicago\"",
     search_options, lh_cmd_search},
    {"demo", "[options]", "Writes the demo data as CSV files.",
     "lakehouse demo --scale 0.1 --dir ./demo", demo_options, lh_cmd_demo},
    {"embed", "[options]", "Embeds lines of stdin without a server.",
     "echo \"forklift driver\" | lakehouse embed --format ndjson", embed_options, lh_cmd_embed},
    {"vector", "build|search|bench --base F.f32 --dim D [options]",
     "Tries the vector engine on raw files, without a server.",
     "lakehouse vector bench --base B.f32 --queries Q.f32 --dim 384 --ef 16,32,64",
     lh_vector_cli_options, lh_cmd_vector},
    {"text", "build|search|bench [TEXT] [options]",
     "Tries the text engine on files of lines, without a server.",
     "lakehouse text bench --docs lines.txt --queries queries.txt --k 10 --mode any", text_options,
     lh_cmd_text},
    {"tables", "[NAME] [--json]",
     "Prints a declared table: routes, records, config, errors, metrics, ...",
     "lakehouse tables errors", json_option, lh_cmd_tables},
    {"inspect", "FILE [--json]", "Says what a stored file is and whether it is whole.",
     "lakehouse inspect data/vectors/idx/g-1/1-segment.lhv", json_option, lh_cmd_inspect},
    {"fsck", "[options]", "Checks every manifest, file, checksum and reference of a data folder.",
     "lakehouse fsck --data ./data", fsck_options, lh_cmd_fsck},
    {"doctor", "[options]", "Says what this machine and installation can do, and what to mend.",
     "lakehouse doctor", doctor_options, lh_cmd_doctor},
    {"key", "create NAME | list | revoke NAME [options]",
     "Makes an API key and prints it once, lists keys, or takes one back.",
     "lakehouse key create ci", key_options, lh_cmd_key},
    {"version", "[--json]", "Prints version, commit, compiler and libraries.", "lakehouse version",
     json_option, lh_cmd_version},
    {0}};

void lh_cli_out(lh_str bytes)
{
    if (bytes.len > 0)
        fwrite(bytes.ptr, 1, bytes.len, stdout);
}

void lh_cli_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int lh_cli_failed(const lh_ctx *cx)
{
    const lh_err *e = &cx->err;
    fprintf(stderr, "error: %s [%s]\n", e->message, lh_rc_code(e->rc));
    if (e->field[0])
        fprintf(stderr, "  at:   %s\n", e->field);
    if (e->line > 0)
        fprintf(stderr, "  line: %d, column %d\n", e->line, e->column);
    if (e->hint[0])
        fprintf(stderr, "  hint: %s\n", e->hint);
    return LH_EXIT_FAILED;
}

int lh_cli_usage(const lh_cli_command *command, const char *format, ...)
{
    va_list args;
    fputs("error: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (command)
        fprintf(stderr, "\nusage: lakehouse %s %s\n       lakehouse %s --help\n", command->name,
                command->usage, command->name);
    else
        fputs("\nusage: lakehouse <command> [options]\n       lakehouse --help\n", stderr);
    return LH_EXIT_USAGE;
}

static void print_help(void)
{
    printf("lakehouse %s - files, buckets and databases as one governed lakehouse\n\nusage: "
           "lakehouse <command> "
           "[options]\n\n",
           LH_VERSION);
    for (const lh_cli_command *c = lh_cli_commands; c->name; c++)
        printf("  %-8s %s\n", c->name, c->summary);
    printf("\n`lakehouse <command> --help` shows options and an example.\n");
}

static void print_command_help(const lh_cli_command *c)
{
    printf("%s\n\nusage: lakehouse %s %s\n\n", c->summary, c->name, c->usage);
    for (const lh_cli_option *o = c->options; o && o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ",
                 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->doc);
    }
    printf("\nexample:\n  %s\n", c->example);
}

static int option_index(const lh_cli_option *options, const char *name, size_t len)
{
    for (int i = 0; options && options[i].name; i++) {
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
            return i;
        if (len == 1 && options[i].letter == name[0])
            return i;
    }
    return -1;
}

const char *lh_cli_get(const lh_cli_args *args, const char *name)
{
    int i = option_index(args->options, name, strlen(name));
    lh_assert(i >= 0);
    return args->values[i];
}

int lh_cli_has(const lh_cli_args *args, const char *name)
{
    return lh_cli_get(args, name) != NULL;
}

/* One option at argv[i]; returns how many words it took, 0 when it is not understood (said). */
static int take_option(const lh_cli_command *command, lh_cli_args *args, char **argv, int i,
                       int argc)
{
    const char *word = argv[i];
    int is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    const char *equals = is_long ? strchr(name, '=') : NULL;
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    int at = option_index(command->options, name, len);
    if (at < 0 || (!is_long && len != 1)) {
        lh_cli_usage(command, "no option '%s'", word);
        return 0;
    }
    const lh_cli_option *option = &command->options[at];
    if (!option->value) {
        args->values[at] = "";
        return equals ? (lh_cli_usage(command, "--%s takes no value", option->name), 0) : 1;
    }
    if (equals) {
        args->values[at] = equals + 1;
        return 1;
    }
    if (i + 1 >= argc) {
        lh_cli_usage(command, "--%s needs a value", option->name);
        return 0;
    }
    args->values[at] = argv[i + 1];
    return 2;
}

static int parse(const lh_cli_command *command, int argc, char **argv, lh_cli_args *args)
{
    int only_rest = 0;
    args->options = command->options;
    for (int i = 2; i < argc;) {
        if (!only_rest && strcmp(argv[i], "--") == 0) {
            only_rest = 1;
            i++;
        } else if (!only_rest && argv[i][0] == '-' && argv[i][1] != '\0') {
            int took = take_option(command, args, argv, i, argc);
            if (took == 0)
                return 0;
            i += took;
        } else if (args->rest_count == LH_ARRAY_LEN(args->rest)) {
            lh_cli_usage(command, "more than %zu words", LH_ARRAY_LEN(args->rest));
            return 0;
        } else {
            args->rest[args->rest_count++] = argv[i++];
        }
    }
    return 1;
}

static int unknown_command(const char *name)
{
    const lh_cli_command *near = NULL;
    uint32_t best = 3;
    for (const lh_cli_command *c = lh_cli_commands; c->name; c++) {
        uint32_t distance = lh_str_distance(lh_str_from(name), lh_str_from(c->name), best);
        if (distance < best) {
            best = distance;
            near = c;
        }
    }
    if (near)
        return lh_cli_usage(NULL, "no command '%s'; did you mean '%s'?", name, near->name);
    return lh_cli_usage(NULL, "no command '%s'", name);
}

static int run_command(const lh_cli_command *command, const lh_cli_args *args)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (!arena)
        return LH_EXIT_FAILED;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
#if defined(LH_FAULTS) && LH_FAULTS
    const char *faults = getenv("LAKEHOUSE_FAULTS");
    if (faults && lh_fault_arm_text(&cx, lh_str_from(faults)) != LH_OK)
        return lh_cli_failed(&cx);
#endif
    int code = command->run(&cx, args);
    if (fflush(stdout) != 0 || ferror(stdout))
        return LH_EXIT_FAILED;
    return code;
}

int lh_cli_main(int argc, char **argv)
{
    if (argc < 2)
        return lh_cli_usage(NULL, "no command");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return LH_EXIT_DONE;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (const lh_cli_command *c = lh_cli_commands; c->name; c++) {
        if (strcmp(c->name, name) != 0)
            continue;
        for (int i = 2; i < argc; i++) {
            if (strcmp(argv[i], "--") == 0)
                break;
            if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                print_command_help(c);
                return LH_EXIT_DONE;
            }
        }
        lh_cli_args args = {0};
        if (!parse(c, argc, argv, &args))
            return LH_EXIT_USAGE;
        return run_command(c, &args);
    }
    return unknown_command(name);
}
