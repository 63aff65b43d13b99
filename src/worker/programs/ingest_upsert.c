/* ingest_upsert.c - two COPYs of the same shape: a union by name whose other side is empty gives
 * both files one schema without writing it down. Row numbers come from a window over a
 * single-threaded scan, so they are the file's order. */
#include "worker/programs/ingest_upsert.h"

#include "os/file.h"
#include "worker/programs/ingest_stats.h"

typedef struct merge {
    lh_ingest_env *env;
    duckdb_connection connection;
    const lh_upsert *upsert;
    const lh_written *fresh;
    lh_str key;        /* as the new rows spell it */
    lh_str base_key;   /* as the base spells it */
    lh_str row_number; /* a column name nobody uses */
    const char *cast;  /* "" or "::VARCHAR": when the two keys have different types */
} merge;

static const lh_ingest_column *find_column(lh_list columns, lh_str name)
{
    const lh_ingest_column *items = columns.items;
    for (size_t i = 0; i < columns.count; i++)
        if (lh_str_eq_nocase(items[i].name, name))
            return &items[i];
    return NULL;
}

static lh_rc no_key(lh_ctx *cx, lh_str key, const char *where, lh_list columns)
{
    const lh_ingest_column *items = columns.items;
    lh_str near = LH_STR_NONE;
    for (size_t i = 0; i < columns.count && near.ptr == NULL; i++)
        if (lh_str_distance(items[i].name, key, 2) <= 2)
            near = items[i].name;
    if (near.ptr == NULL && columns.count > 0)
        near = items[0].name;
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "%s no column \"%.*s\"", where,
                      LH_STR_ARG(lh_str_sub(key, 0, 100))));
    LH_IGNORE(lh_err_field(cx, "key"));
    return lh_err_hint(cx, "it has, for example, \"%.*s\"", LH_STR_ARG(lh_str_sub(near, 0, 100)));
}

static lh_rc put_fresh(lh_ctx *cx, lh_buf *sql, const merge *m)
{
    return lh_sql_put_parquet(cx, sql, m->fresh->paths, m->fresh->parts_count);
}

/* (SELECT *, row_number() OVER () AS n FROM new rows) */
static lh_rc put_numbered(lh_ctx *cx, lh_buf *sql, const merge *m)
{
    LH_TRY(lh_buf_append(cx, sql, LH_S("(SELECT *, row_number() OVER () AS ")));
    LH_TRY(lh_sql_put_name(cx, sql, m->row_number));
    LH_TRY(lh_buf_append(cx, sql, LH_S(" FROM ")));
    LH_TRY(put_fresh(cx, sql, m));
    return lh_buf_append_char(cx, sql, ')');
}

static lh_rc find_keys(lh_ctx *cx, merge *m)
{
    LH_CLEANUP(lh_buf_done) lh_buf from;
    lh_buf_init(&from, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(put_fresh(cx, &from, m));
    lh_list columns;
    LH_TRY(lh_stats_columns(cx, m->connection, lh_buf_str(&from), LH_E_IO, &columns));
    const lh_ingest_column *key = find_column(columns, m->upsert->key);
    if (key == NULL)
        return no_key(cx, m->upsert->key, "the file has", columns);
    m->key = m->base_key = key->name;
    m->row_number = LH_S("_row");
    lh_list base = {0};
    if (m->upsert->base_sql.len > 0) {
        lh_buf_truncate(&from, 0);
        LH_TRY(lh_buf_printf(cx, &from, "(%.*s)", LH_STR_ARG(m->upsert->base_sql)));
        LH_TRY(lh_stats_columns(cx, m->connection, lh_buf_str(&from), LH_E_INTERNAL, &base));
        const lh_ingest_column *base_key = find_column(base, m->upsert->key);
        if (base_key == NULL)
            return no_key(cx, m->upsert->key, "the dataset has", base);
        m->base_key = base_key->name;
        m->cast = lh_str_eq(key->type, base_key->type) ? "" : "::VARCHAR";
    }
    for (uint32_t n = 2;
         find_column(columns, m->row_number) != NULL || find_column(base, m->row_number) != NULL;
         n++)
        m->row_number = lh_ctx_fmt(cx, "_row_%u", n);
    return LH_OK;
}

/* lh_last(k, n): the last row of each key among the new ones. */
static lh_rc make_last(lh_ctx *cx, const merge *m)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("CREATE OR REPLACE TEMP TABLE lh_last AS SELECT ")));
    LH_TRY(lh_sql_put_name(cx, &sql, m->key));
    LH_TRY(lh_buf_printf(cx, &sql, "%s AS k, max(", m->cast));
    LH_TRY(lh_sql_put_name(cx, &sql, m->row_number));
    LH_TRY(lh_buf_append(cx, &sql, LH_S(") AS n FROM ")));
    LH_TRY(put_numbered(cx, &sql, m));
    LH_TRY(lh_buf_append(cx, &sql, LH_S(" WHERE ")));
    LH_TRY(lh_sql_put_name(cx, &sql, m->key));
    LH_TRY(lh_buf_append(cx, &sql, LH_S(" IS NOT NULL GROUP BY ALL")));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    return lh_duck_run(cx, m->connection, text);
}

/* SELECT of the base rows that stay. */
static lh_rc put_kept(lh_ctx *cx, lh_buf *sql, const merge *m, const char *filter)
{
    LH_TRY(lh_buf_printf(cx, sql, "SELECT * FROM (%.*s) AS b WHERE %s",
                         LH_STR_ARG(m->upsert->base_sql), filter));
    if (filter[0] != 0)
        return LH_OK;
    LH_TRY(lh_buf_append(cx, sql, LH_S("NOT EXISTS (SELECT 1 FROM lh_last WHERE lh_last.k = b.")));
    LH_TRY(lh_sql_put_name(cx, sql, m->base_key));
    return lh_buf_printf(cx, sql, "%s)", m->cast);
}

/* SELECT of the new rows that win. */
static lh_rc put_won(lh_ctx *cx, lh_buf *sql, const merge *m, const char *filter)
{
    LH_TRY(lh_buf_append(cx, sql, LH_S("SELECT * EXCLUDE (")));
    LH_TRY(lh_sql_put_name(cx, sql, m->row_number));
    LH_TRY(lh_buf_append(cx, sql, LH_S(") FROM ")));
    LH_TRY(put_numbered(cx, sql, m));
    LH_TRY(lh_buf_printf(cx, sql, " WHERE %s", filter));
    if (filter[0] != 0)
        return LH_OK;
    LH_TRY(lh_sql_put_name(cx, sql, m->key));
    LH_TRY(lh_buf_append(cx, sql, LH_S(" IS NULL OR ")));
    LH_TRY(lh_sql_put_name(cx, sql, m->row_number));
    return lh_buf_append(cx, sql, LH_S(" IN (SELECT n FROM lh_last)"));
}

static lh_rc copy_side(lh_ctx *cx, const merge *m, uint32_t number, const lh_write_options *opts,
                       lh_written *written)
{
    static const char nothing[] = "false";
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("COPY (")));
    if (m->upsert->base_sql.len > 0) {
        LH_TRY(put_kept(cx, &sql, m, number == 0 ? "" : nothing));
        LH_TRY(lh_buf_append(cx, &sql, LH_S(" UNION ALL BY NAME ")));
    }
    LH_TRY(put_won(cx, &sql, m, number == 1 ? "" : nothing));
    LH_TRY(lh_buf_append_char(cx, &sql, ')'));
    lh_str path = lh_ingest_part_path(cx, m->env, opts->output_prefix, number);
    if (path.ptr == NULL)
        return cx->err.rc;
    LH_TRY(lh_sql_put_copy_target(cx, &sql, m->env, path, opts->compression));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    uint64_t rows;
    const lh_ingest_statement copy = {.connection = m->connection,
                                      .sql = text,
                                      .otherwise = LH_E_UNPROCESSABLE,
                                      .phase = "merge",
                                      .total = m->fresh->rows};
    LH_TRY(lh_ingest_copy_watched(cx, m->env, &copy, &rows));
    uint32_t at = written->parts_count++;
    written->paths[at] = path;
    written->rows += rows;
    written->parts[at].rows = rows;
    written->parts[at].path =
        lh_ctx_fmt(cx, "%.*s-%u.parquet", LH_STR_ARG(opts->output_prefix), number);
    if (written->parts[at].path.ptr == NULL)
        return cx->err.rc;
    return lh_ingest_seal(cx, m->connection, path, rows, &written->parts[at].bytes);
}

/* Keeps at most one empty file, and that only when all are. */
static void drop_empty(lh_ctx *cx, lh_written *written)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < written->parts_count; i++) {
        if (written->parts[i].rows == 0 && (written->rows > 0 || i > 0)) {
            LH_IGNORE(lh_file_remove(cx, written->paths[i]));
            continue;
        }
        written->parts[kept] = written->parts[i];
        written->paths[kept++] = written->paths[i];
    }
    written->parts_count = kept;
}

lh_rc lh_upsert_merge(lh_ctx *cx, lh_ingest_env *env, const lh_upsert *upsert,
                      const lh_written *fresh, const lh_write_options *opts,
                      lh_written *ret_written)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    merge m = {.env = env, .connection = connection, .upsert = upsert, .fresh = fresh, .cast = ""};
    lh_written written = {.parts = LH_NEW_ARRAY(cx, lh_ingest_part, 2),
                          .paths = LH_NEW_ARRAY(cx, lh_str, 2),
                          .oddities = fresh->oddities};
    if (written.parts == NULL || written.paths == NULL)
        return cx->err.rc;
    lh_rc rc = find_keys(cx, &m);
    if (rc == LH_OK)
        rc = make_last(cx, &m);
    if (rc == LH_OK && upsert->base_sql.len > 0)
        rc = copy_side(cx, &m, 0, opts, &written);
    if (rc == LH_OK)
        rc = copy_side(cx, &m, 1, opts, &written);
    lh_written_remove(cx, fresh);
    if (rc != LH_OK) {
        lh_written_remove(cx, &written);
        return rc;
    }
    uint64_t won = written.parts[written.parts_count - 1].rows;
    written.oddities.counts[LH_ODD_DUPLICATE_ROW_KEY] += fresh->rows - won;
    drop_empty(cx, &written);
    *ret_written = written;
    return LH_OK;
}
