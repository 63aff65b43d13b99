/* ingest_json_scan.c - the first pass: which columns, which types, where parts begin, and whether
 * it is JSON at all. */
#include "worker/programs/ingest_json.h"
#include "worker/programs/ingest_parallel.h"

/* A value of the element at hand; it counts only when the whole element turns out to be JSON. */
typedef struct pending {
    uint32_t node;
    lh_type_mask mask;
    bool has_value;
} pending;

typedef struct part_scan {
    lh_json_schema *schema; /* owned */
    uint64_t rows;
    uint64_t bytes;
    uint64_t malformed;
    uint64_t malformed_offset; /* of the first */
    lh_err malformed_err;
    pending *pending; /* owned */
    size_t pending_count;
    size_t pending_capacity;
} part_scan;

typedef struct scan {
    const lh_json_scan_options *opts;
    lh_rows_plan *plan;
    part_scan *parts;
    bool array; /* VALUES */
} scan;

static void scan_done(scan *s)
{
    for (uint32_t i = 0; s->parts != NULL && i < s->plan->parts_count; i++) {
        lh_json_schema_free(s->parts[i].schema);
        lh_free(s->parts[i].pending);
    }
}
LH_DEFINE_CLEANUP_VALUE(scan, scan_done)

void lh_json_layout_done(lh_json_layout *layout)
{
    layout->schema = lh_json_schema_free(layout->schema);
}

static lh_type_mask mask_of(const lh_json_leaf *leaf)
{
    switch (leaf->kind) {
    case LH_JSON_TRUE:
    case LH_JSON_FALSE: return LH_TYPE_BIT(LH_CELL_BOOLEAN);
    case LH_JSON_NUMBER: return lh_cell_mask_of_number(leaf->text);
    case LH_JSON_STRING: return lh_cell_mask_of_string(leaf->text);
    default: return LH_TYPE_MASK_NONE;
    }
}

static lh_rc note_leaf(lh_ctx *cx, void *arg, const lh_json_leaf *leaf)
{
    part_scan *part = arg;
    if (part->pending_count == part->pending_capacity) {
        size_t capacity = part->pending_capacity == 0 ? 64 : part->pending_capacity * 2;
        pending *grown = lh_realloc_array(part->pending, capacity, sizeof(*grown));
        if (grown == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %zu values of a row", capacity);
        part->pending = grown;
        part->pending_capacity = capacity;
    }
    bool has_value = leaf->kind != LH_JSON_NULL;
    part->pending[part->pending_count++] =
        (pending){leaf->node, has_value ? mask_of(leaf) : LH_TYPE_MASK_ALL, has_value};
    return LH_OK;
}

static lh_rc commit_pending(lh_ctx *cx, part_scan *part)
{
    lh_json_schema *schema = part->schema;
    for (size_t i = 0; i < part->pending_count; i++) {
        const pending *value = &part->pending[i];
        LH_TRY(lh_json_schema_add_column(cx, schema, value->node));
        lh_column_guess_merge(&schema->guesses[schema->nodes[value->node].column],
                              (lh_column_guess){value->mask, value->has_value});
    }
    return LH_OK;
}

/* The error of an element, at its place in the file. */
static lh_rc fail_at_element(lh_ctx *cx, const lh_source *source, uint64_t offset,
                             const lh_err *inner)
{
    int line;
    int column;
    const lh_err err = *inner;
    LH_TRY(lh_source_place(cx, source, offset, &line, &column));
    if (err.line > 1)
        column = err.column;
    else if (err.line == 1)
        column += err.column - 1;
    LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "%s", err.message));
    LH_IGNORE(
        lh_err_hint(cx, "%s", err.hint[0] != 0 ? err.hint : "the file is not valid JSON there"));
    return lh_err_place(cx, line + (err.line > 1 ? err.line - 1 : 0), column);
}

static lh_rc scan_element(lh_ctx *cx, scan *s, part_scan *part, const lh_json_cursor *cursor)
{
    bool lines = s->opts->shape == LH_JSON_SHAPE_LINES;
    if (lines && lh_str_trim(cursor->element).len == 0)
        return LH_OK;
    part->pending_count = 0;
    part->rows++;
    lh_json_walk walk = {
        .schema = part->schema, .grow = part->schema, .leaf = note_leaf, .arg = part};
    lh_rc rc = lh_json_walk_element(cx, &walk, cursor->element);
    if (rc == LH_OK)
        return commit_pending(cx, part);
    if (rc != LH_E_BAD_JSON)
        return rc;
    if (!lines)
        return fail_at_element(cx, s->opts->source, cursor->offset, &cx->err);
    if (part->malformed++ == 0) {
        part->malformed_offset = cursor->offset;
        part->malformed_err = cx->err;
    }
    lh_err_clear(cx);
    return LH_OK;
}

/* VALUES are cut where the scan passes a nominal bound: only it knows where elements begin. */
static void cut_here(scan *s, uint32_t *next_part, uint64_t offset)
{
    lh_rows_plan *plan = s->plan;
    if (*next_part == 0) { /* behind the bracket that opens the array */
        plan->parts[0].begin = offset;
        *next_part = 1;
    }
    while (*next_part < plan->parts_count && offset >= plan->parts[*next_part].begin) {
        plan->parts[*next_part].begin = offset;
        plan->parts[*next_part - 1].end = offset;
        (*next_part)++;
    }
}

static lh_rc scan_range(lh_ctx *cx, scan *s, uint32_t index, lh_json_cursor *cursor)
{
    enum { CHECK_ROWS = 1024, CHECK_TEXT_BYTES = 4 * 1024 * 1024 };
    bool lines = s->opts->shape == LH_JSON_SHAPE_LINES;
    part_scan *part = &s->parts[index];
    uint64_t end = lines ? s->plan->parts[index].end : lh_source_end(s->opts->source);
    uint64_t counted = lh_window_position(&cursor->window);
    uint32_t next_part = 0;
    while (!lines || lh_window_position(&cursor->window) < end) {
        lh_json_status status = lh_json_cursor_next(cursor);
        if (status == LH_JSON_DONE)
            break;
        if (status == LH_JSON_BROKEN) {
            LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "%s", cursor->broken));
            return fail_at_element(cx, s->opts->source, cursor->offset, &cx->err);
        }
        if (status == LH_JSON_MORE) {
            LH_TRY(lh_json_cursor_refill(cx, cursor));
            continue;
        }
        if (!lines)
            cut_here(s, &next_part, cursor->offset);
        LH_TRY(scan_element(cx, s, part, cursor));
        if (part->rows % CHECK_ROWS == 0 || lh_arena_bytes(cx->arena) > CHECK_TEXT_BYTES) {
            uint64_t position = lh_window_position(&cursor->window);
            atomic_fetch_add(s->opts->bytes_done, position - counted);
            counted = position;
            LH_TRY(lh_ctx_check(cx));
            lh_arena_reset(cx->arena); /* decoded keys and texts of elements */
        }
    }
    part->bytes = lh_window_position(&cursor->window) - s->plan->parts[index].begin;
    if (!lines)
        for (next_part = LH_MAX(next_part, 1); next_part < s->plan->parts_count; next_part++)
            s->plan->parts[next_part].begin = s->plan->parts[next_part].end = end;
    return LH_OK;
}

static lh_rc scan_piece(lh_ctx *cx, void *arg, uint32_t index)
{
    scan *s = arg;
    LH_TRY(lh_json_schema_new(cx, &s->parts[index].schema));
    LH_CLEANUP(lh_json_cursor_close) lh_json_cursor cursor = {0};
    LH_TRY(lh_json_cursor_open(cx, s->opts->source, s->opts->shape, s->plan->parts[index].begin,
                               &cursor));
    LH_TRY(scan_range(cx, s, index, &cursor));
    if (s->opts->shape == LH_JSON_SHAPE_VALUES)
        s->array = cursor.in_array;
    return LH_OK;
}

/* The begin of the first line at or after nominal. */
static lh_rc line_boundary(lh_ctx *cx, const lh_source *source, uint64_t nominal,
                           uint64_t *ret_begin)
{
    LH_CLEANUP(lh_json_cursor_close) lh_json_cursor cursor = {0};
    LH_TRY(lh_json_cursor_open(cx, source, LH_JSON_SHAPE_LINES, nominal - 1, &cursor));
    lh_json_status status;
    while ((status = lh_json_cursor_next(&cursor)) == LH_JSON_MORE)
        LH_TRY(lh_json_cursor_refill(cx, &cursor));
    *ret_begin = lh_window_position(&cursor.window);
    return LH_OK;
}

static lh_rc cut_lines(lh_ctx *cx, const lh_source *source, lh_rows_plan *plan)
{
    for (uint32_t i = 1; i < plan->parts_count; i++) {
        lh_rows_part *part = &plan->parts[i];
        LH_TRY(line_boundary(cx, source, part->begin, &part->begin));
        part->begin = LH_MAX(part->begin, plan->parts[i - 1].begin);
        plan->parts[i - 1].end = part->begin;
        part->end = LH_MAX(part->end, part->begin);
    }
    return LH_OK;
}

/* "a" under "b" under the row: "b.a". */
static lh_rc dotted_name(lh_ctx *cx, const lh_json_schema *schema, uint32_t node, lh_str *ret_name)
{
    lh_str name = schema->nodes[node].key;
    for (uint32_t up = schema->nodes[node].parent; up != 0; up = schema->nodes[up].parent) {
        if (name.len > LH_COLUMN_NAME_BYTES_MAX)
            break;
        name = lh_ctx_fmt(cx, "%.*s.%.*s", LH_STR_ARG(schema->nodes[up].key), LH_STR_ARG(name));
        if (name.ptr == NULL)
            return cx->err.rc;
    }
    *ret_name = name;
    return LH_OK;
}

static lh_rc make_columns(lh_ctx *cx, lh_json_layout *layout, lh_rows_plan *plan, lh_names *names)
{
    const lh_json_schema *schema = layout->schema;
    layout->columns_count = schema->columns_count;
    uint32_t count = schema->columns_count + (layout->has_malformed ? 1 : 0);
    LH_TRY(lh_names_init(cx, names, count));
    plan->columns = LH_NEW_ARRAY(cx, lh_rows_column, count + 1);
    if (plan->columns == NULL)
        return cx->err.rc;
    plan->columns_count = count;
    for (uint32_t i = 0; i < count; i++) {
        lh_str name = LH_S("_malformed");
        lh_cell_type type = LH_CELL_VARCHAR;
        if (i < schema->columns_count) {
            LH_TRY(dotted_name(cx, schema, schema->columns[i], &name));
            type = lh_column_guess_type(schema->guesses[i]);
        }
        LH_TRY(lh_names_add(cx, names, name));
        plan->columns[i] = (lh_rows_column){.name = names->items[i], .type = type};
    }
    return LH_OK;
}

static lh_rc merge_parts(lh_ctx *cx, scan *s, lh_json_layout *layout)
{
    uint64_t rows = 0;
    uint64_t bytes = 0;
    uint64_t malformed = 0;
    const part_scan *first_malformed = NULL;
    LH_TRY(lh_json_schema_new(cx, &layout->schema));
    for (uint32_t i = 0; i < s->plan->parts_count; i++) {
        const part_scan *part = &s->parts[i];
        if (part->schema == NULL)
            continue; /* VALUES: one scan filled all parts */
        LH_TRY(lh_json_schema_merge(cx, layout->schema, part->schema));
        rows += part->rows;
        bytes += part->bytes;
        malformed += part->malformed;
        if (part->malformed > 0 && first_malformed == NULL)
            first_malformed = part;
    }
    layout->has_malformed = malformed > 0;
    s->plan->row_bytes = rows > 0 ? bytes / rows : 0;
    if (rows > 0 && malformed == rows)
        return fail_at_element(cx, s->opts->source, first_malformed->malformed_offset,
                               &first_malformed->malformed_err);
    return LH_OK;
}

lh_rc lh_json_scan(lh_ctx *cx, const lh_json_scan_options *opts, lh_json_layout *layout,
                   lh_rows_plan *plan)
{
    const lh_source *source = opts->source;
    LH_CLEANUP(scan_done) scan s = {.opts = opts, .plan = plan};
    LH_TRY(lh_rows_cut(cx, lh_source_begin(source), lh_source_end(source), opts->threads, plan));
    if (opts->shape == LH_JSON_SHAPE_LINES)
        LH_TRY(cut_lines(cx, source, plan));
    s.parts = LH_NEW_ARRAY(cx, part_scan, plan->parts_count);
    if (s.parts == NULL)
        return cx->err.rc;
    const lh_parallel job = {
        .threads = opts->threads,
        .count = opts->shape == LH_JSON_SHAPE_LINES ? plan->parts_count : 1,
        .fn = scan_piece,
        .arg = &s,
        .tick = opts->tick,
        .tick_arg = opts->tick_arg,
    };
    LH_TRY(lh_parallel_run(cx, &job));
    layout->shape = opts->shape;
    layout->array = s.array;
    LH_TRY(merge_parts(cx, &s, layout));
    lh_names names;
    LH_TRY(make_columns(cx, layout, plan, &names));
    plan->parts[0].oddities.counts[LH_ODD_RENAMED_COLUMN] = names.changed;
    return LH_OK;
}
