/* ingest_stats.c - values per column from the footers; samples from the first rows of the first and
 * the middle file, and, for columns that are empty there, from the first values there are. */
#include "worker/programs/ingest_stats.h"

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

bool lh_like_email(lh_str text)
{
    size_t at = lh_str_find_char(text, '@');
    if (at == LH_STR_NPOS || at == 0 || at > 64 || text.len > 254)
        return false;
    for (size_t i = 0; i < at; i++)
        if (!is_word(text.ptr[i]) && (unsigned char)text.ptr[i] < 0x80 &&
            strchr(".+'!#$%&*/=?^`{|}~", text.ptr[i]) == NULL)
            return false;
    lh_str host = lh_str_from_offset(text, at + 1);
    size_t dot = lh_str_rfind_char(host, '.');
    if (dot == LH_STR_NPOS || dot == 0 || host.len - dot < 3)
        return false;
    for (size_t i = 0; i < host.len; i++)
        if (!is_word(host.ptr[i]) && host.ptr[i] != '.' && (unsigned char)host.ptr[i] < 0x80)
            return false;
    return true;
}

bool lh_like_phone(lh_str text)
{
    size_t digits = 0;
    size_t others = 0;
    if (text.len < 7 || text.len > 24)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_digit(c))
            digits++;
        else if (c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/' ||
                 (c == '+' && i == 0))
            others++;
        else
            return false;
    }
    bool plain = others == 0 && digits == 10; /* without punctuation only the usual length */
    int32_t days;
    return digits >= 7 && digits <= 15 && (plain || others > 0) && !lh_like_ssn(text) &&
           !(text.len == 10 && lh_cell_date(text, &days));
}

bool lh_like_ssn(lh_str text)
{
    if (text.len != 11 || text.ptr[3] != '-' || text.ptr[6] != '-')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (i != 3 && i != 6 && !is_digit(text.ptr[i]))
            return false;
    return true;
}

/* ---- columns ---- */

static lh_rc type_text(lh_ctx *cx, duckdb_connection connection, lh_str from, lh_list *columns)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_printf(cx, &sql,
                         "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM %.*s)",
                         LH_STR_ARG(from)));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    LH_DUCK_RESULT result = {0};
    if (duckdb_query(connection, text, &result) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_UNPROCESSABLE, duckdb_result_error(&result));
    size_t capacity = 0;
    for (;;) {
        LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(result);
        if (chunk == NULL)
            return LH_OK;
        duckdb_string_t *names = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        duckdb_string_t *types = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
        for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
            LH_TRY(lh_ctx_grow(cx, &columns->items, columns->count, &capacity,
                               sizeof(lh_ingest_column)));
            lh_ingest_column *column = (lh_ingest_column *)columns->items + columns->count++;
            *column = (lh_ingest_column){
                .name = lh_ctx_dup(cx, lh_str_n(duckdb_string_t_data(&names[row]),
                                                duckdb_string_t_length(names[row]))),
                .type = lh_ctx_dup(cx, lh_str_n(duckdb_string_t_data(&types[row]),
                                                duckdb_string_t_length(types[row])))};
            if (column->name.ptr == NULL || column->type.ptr == NULL)
                return cx->err.rc;
        }
    }
}

lh_rc lh_stats_columns(lh_ctx *cx, duckdb_connection connection, lh_str from, lh_rc otherwise,
                       lh_list *ret_columns)
{
    lh_list columns = {0};
    lh_rc rc = type_text(cx, connection, from, &columns);
    if (rc == LH_E_UNPROCESSABLE)
        cx->err.rc = rc = otherwise;
    LH_TRY(rc);
    *ret_columns = columns;
    return LH_OK;
}

static lh_rc from_parquet(lh_ctx *cx, lh_buf *out, const char *function, const lh_str *paths,
                          size_t count)
{
    LH_TRY(lh_buf_append(cx, out, lh_str_from(function)));
    LH_TRY(lh_buf_append(cx, out, LH_S("([")));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(lh_sql_put_text(cx, out, paths[i]));
    }
    return lh_buf_append(cx, out, LH_S("])"));
}

/* ---- values ---- */

#define DOUBLE_INTEGER_MAX "9007199254740992" /* 2^53: up to here every integer is a DOUBLE */

/* Columns the footers cannot answer for: nested ones, or files without statistics. */
static lh_rc count_values(lh_ctx *cx, duckdb_connection connection, const lh_str *paths,
                          size_t count, lh_ingest_column *column)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("SELECT count(")));
    LH_TRY(lh_sql_put_name(cx, &sql, column->name));
    LH_TRY(lh_buf_append(cx, &sql, LH_S(") FROM ")));
    LH_TRY(lh_sql_put_parquet(cx, &sql, paths, count));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    return lh_ingest_copy(cx, connection, text, LH_E_UNPROCESSABLE, &column->values);
}

/* The next column of that name from *at on; both lists are in the same order, nested leaves
 * between. */
static lh_ingest_column *column_of(lh_list columns, size_t *at, lh_str name)
{
    lh_ingest_column *items = columns.items;
    for (size_t i = *at; i < columns.count; i++) {
        if (!lh_str_eq(items[i].name, name))
            continue;
        *at = i + 1;
        return &items[i];
    }
    return NULL;
}

static lh_rc read_footers(lh_ctx *cx, duckdb_connection connection, const char *sql,
                          lh_list columns)
{
    LH_DUCK_RESULT result = {0};
    if (duckdb_query(connection, sql, &result) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_UNPROCESSABLE, duckdb_result_error(&result));
    size_t at = 0;
    for (;;) {
        LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(result);
        if (chunk == NULL)
            return LH_OK;
        duckdb_string_t *names = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 1);
        const int64_t *values = duckdb_vector_get_data(vector);
        uint64_t *valid = duckdb_vector_get_validity(vector);
        const bool *small = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2));
        for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
            lh_str name =
                lh_str_n(duckdb_string_t_data(&names[row]), duckdb_string_t_length(names[row]));
            lh_ingest_column *column = column_of(columns, &at, name);
            if (column == NULL)
                continue;
            bool known = valid == NULL || duckdb_validity_row_is_valid(valid, row);
            column->values = known && values[row] >= 0 ? (uint64_t)values[row] : UINT64_MAX;
            column->fits_double = small[row] && lh_str_eq(column->type, LH_S("BIGINT"));
        }
    }
}

lh_rc lh_stats_values(lh_ctx *cx, duckdb_connection connection, const lh_str *paths,
                      size_t paths_count, lh_list columns)
{
    lh_ingest_column *items = columns.items;
    for (size_t i = 0; i < columns.count; i++)
        items[i].values = UINT64_MAX;
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(
        cx, &sql,
        LH_S("SELECT path_in_schema, CASE WHEN count(stats_null_count) = count(*) THEN "
             "(sum(num_values) - sum(stats_null_count))::BIGINT END, "
             "bool_and(coalesce(TRY_CAST(stats_min_value AS HUGEINT) >= -" DOUBLE_INTEGER_MAX
             " AND TRY_CAST(stats_max_value AS HUGEINT) <= " DOUBLE_INTEGER_MAX
             ", num_values = stats_null_count, false)) FROM ")));
    LH_TRY(from_parquet(cx, &sql, "parquet_metadata", paths, paths_count));
    LH_TRY(lh_buf_append(cx, &sql, LH_S(" GROUP BY path_in_schema, column_id ORDER BY column_id")));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    LH_TRY(read_footers(cx, connection, text, columns));
    for (size_t i = 0; i < columns.count; i++)
        if (items[i].values == UINT64_MAX)
            LH_TRY(count_values(cx, connection, paths, paths_count, &items[i]));
    return LH_OK;
}

/* ---- samples ---- */

static void judge(lh_ingest_column *column, lh_str text)
{
    column->sampled++;
    column->like_email += lh_like_email(text);
    column->like_phone += lh_like_phone(text);
    column->like_ssn += lh_like_ssn(text);
}

static lh_rc judge_all(lh_ctx *cx, duckdb_connection connection, const char *sql,
                       lh_ingest_column *const *texts, size_t texts_count)
{
    LH_DUCK_RESULT result = {0};
    LH_TRY(lh_ingest_stream(cx, connection, sql, LH_E_UNPROCESSABLE, &result));
    for (;;) {
        LH_TRY(lh_ctx_check(cx));
        LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(result);
        if (chunk == NULL)
            return LH_OK;
        idx_t rows = duckdb_data_chunk_get_size(chunk);
        for (size_t i = 0; i < texts_count; i++) {
            duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
            duckdb_string_t *values = duckdb_vector_get_data(vector);
            uint64_t *valid = duckdb_vector_get_validity(vector);
            for (idx_t row = 0; row < rows; row++)
                if (valid == NULL || duckdb_validity_row_is_valid(valid, row))
                    judge(texts[i], lh_str_n(duckdb_string_t_data(&values[row]),
                                             duckdb_string_t_length(values[row])));
        }
    }
}

/* What a sample asks of one file. */
typedef struct sample {
    lh_str path;
    uint64_t rows;
    const char *not_null; /* SQL condition, or "" */
} sample;

static lh_rc run_sample(lh_ctx *cx, duckdb_connection connection, const sample *s,
                        lh_ingest_column *const *texts, size_t texts_count)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("SELECT ")));
    for (size_t i = 0; i < texts_count; i++) {
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, &sql, ','));
        LH_TRY(lh_sql_put_name(cx, &sql, texts[i]->name));
    }
    LH_TRY(lh_buf_append(cx, &sql, LH_S(" FROM ")));
    LH_TRY(lh_sql_put_parquet(cx, &sql, &s->path, 1));
    if (s->not_null[0] != 0) {
        LH_TRY(lh_buf_append(cx, &sql, LH_S(" WHERE ")));
        LH_TRY(lh_sql_put_name(cx, &sql, texts[0]->name));
        LH_TRY(lh_buf_append(cx, &sql, lh_str_from(s->not_null)));
    }
    LH_TRY(lh_buf_printf(cx, &sql, " LIMIT %llu", (unsigned long long)s->rows));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    return judge_all(cx, connection, text, texts, texts_count);
}

lh_rc lh_stats_sample(lh_ctx *cx, duckdb_connection connection, const lh_str *paths,
                      size_t paths_count, lh_list columns)
{
    /* Reading a column of Parquet takes buffers of a megabyte or so, hence not all of a wide table
     * at once. */
    enum { ROWS_MAX = 4096, ROWS_MIN = 128, SPARSE_ROWS = 256, COLUMNS_AT_ONCE = 64 };
    lh_ingest_column *items = columns.items;
    lh_ingest_column **texts = LH_NEW_ARRAY(cx, lh_ingest_column *, columns.count + 1);
    if (texts == NULL)
        return cx->err.rc;
    size_t count = 0;
    for (size_t i = 0; i < columns.count; i++)
        if (lh_str_eq(items[i].type, LH_S("VARCHAR")) && items[i].values > 0)
            texts[count++] = &items[i];
    if (count == 0 || paths_count == 0)
        return LH_OK;
    uint64_t rows = LH_STATS_VALUES_MAX / 2 / count;
    rows = LH_MAX(LH_MIN(rows, (uint64_t)ROWS_MAX), (uint64_t)ROWS_MIN);
    for (size_t i = 0; i < count; i += COLUMNS_AT_ONCE) {
        size_t some = LH_MIN(count - i, (size_t)COLUMNS_AT_ONCE);
        sample s = {.path = paths[0], .rows = rows, .not_null = ""};
        LH_TRY(run_sample(cx, connection, &s, texts + i, some));
        if (paths_count > 1) {
            s.path = paths[paths_count / 2];
            LH_TRY(run_sample(cx, connection, &s, texts + i, some));
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t file = 0; file < paths_count && texts[i]->sampled == 0; file++) {
            const sample s = {.path = paths[file], .rows = SPARSE_ROWS, .not_null = " IS NOT NULL"};
            LH_TRY(run_sample(cx, connection, &s, &texts[i], 1));
        }
    }
    return LH_OK;
}
