/* sql_views.c - the only tables a statement can see: views in one schema, written by the server,
 * kept by name and version.
 *
 * A statement's names go to the server (NEED), which answers with views of its snapshot (GIVE). A
 * view whose version is the one that stands is left alone, so the engine's metadata cache stays
 * useful; otherwise it is replaced. The least recently used is dropped when there are too many.
 * Nothing ever stands in the engine's main schema, which is always searched. */
#include "worker/programs/sql_private.h"

#include "base/buf.h"
#include "base/json.h"

#define SQL_BYTES_MAX (8u * 1024u * 1024u)

/* ---------------------------------------------------------------- kept views */

static lhi_kept_view *find_kept(lhi_sql *s, lh_str name)
{
    for (size_t i = 0; i < s->views_count; i++)
        if (lh_str_eq_nocase(lh_str_from(s->views[i].name), name))
            return &s->views[i];
    return NULL;
}

static void forget(lhi_sql *s, lhi_kept_view *view)
{
    lh_free(view->name);
    lh_free(view->version);
    *view = s->views[--s->views_count];
}

static lh_rc append_name(lh_ctx *cx, lh_buf *sql, lh_str name)
{
    LH_TRY(lh_buf_append(cx, sql, LH_S("\"" LH_SQL_VIEWS_SCHEMA "\".\"")));
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            LH_TRY(lh_buf_append_char(cx, sql, '"'));
        LH_TRY(lh_buf_append_char(cx, sql, name.ptr[i]));
    }
    return lh_buf_append_char(cx, sql, '"');
}

static lh_rc run_buf(lh_ctx *cx, lhi_sql *s, lh_buf *sql)
{
    LH_TRY(lh_buf_append_char(cx, sql, '\0'));
    return lh_duck_run(cx, s->admin, sql->ptr);
}

static lh_rc drop_oldest(lh_ctx *cx, lhi_sql *s)
{
    lhi_kept_view *oldest = &s->views[0];
    for (size_t i = 1; i < s->views_count; i++)
        if (s->views[i].used < oldest->used)
            oldest = &s->views[i];
    LH_CLEANUP(lh_buf_done) lh_buf sql = {0};
    lh_buf_init(&sql, SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("DROP VIEW IF EXISTS ")));
    LH_TRY(append_name(cx, &sql, lh_str_from(oldest->name)));
    LH_TRY(run_buf(cx, s, &sql));
    forget(s, oldest);
    return LH_OK;
}

static char *dup_text(lh_str text)
{
    char *copy = lh_alloc(text.len + 1);
    if (copy == NULL)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

static lh_rc remember(lh_ctx *cx, lhi_sql *s, const lh_view_message *view)
{
    lhi_kept_view *kept = find_kept(s, view->name);
    if (kept != NULL)
        forget(s, kept);
    char *name = dup_text(view->name);
    char *version = dup_text(view->version);
    if (name == NULL || version == NULL) {
        lh_free(name);
        lh_free(version);
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a view");
    }
    s->views[s->views_count++] =
        (lhi_kept_view){.name = name, .version = version, .used = s->tasks};
    return LH_OK;
}

static lh_rc stand(lh_ctx *cx, lhi_sql *s, const lh_view_message *view)
{
    lhi_kept_view *kept = find_kept(s, view->name);
    if (kept != NULL && lh_str_eq(lh_str_from(kept->version), view->version)) {
        kept->used = s->tasks;
        return LH_OK;
    }
    if (kept == NULL && s->views_count == LHI_VIEWS_MAX)
        LH_TRY(drop_oldest(cx, s));
    LH_CLEANUP(lh_buf_done) lh_buf sql = {0};
    lh_buf_init(&sql, SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("CREATE OR REPLACE VIEW ")));
    LH_TRY(append_name(cx, &sql, view->name));
    LH_TRY(lh_buf_append(cx, &sql, LH_S(" AS ")));
    LH_TRY(lh_buf_append(cx, &sql, view->sql));
    if (run_buf(cx, s, &sql) != LH_OK) {
        if (cx->err.rc == LH_E_INTERNAL)
            cx->err.rc =
                LH_E_CORRUPT; /* the server wrote the view: what it names is not as it was */
        return lh_err_prefix(cx, "dataset %.*s cannot be read", LH_STR_ARG(view->name));
    }
    return remember(cx, s, view);
}

/* ---------------------------------------------------------------- asking */

static lh_rc fail_unknown(lh_ctx *cx, const lh_view_message *view, lh_str sql, size_t offset)
{
    LH_IGNORE(
        lh_fail(cx, LH_E_UNKNOWN_DATASET, "there is no dataset %.*s", LH_STR_ARG(view->name)));
    if (offset != LH_STR_NPOS) {
        int line, column;
        lh_json_place(sql, offset, &line, &column);
        LH_IGNORE(lh_err_place(cx, line, column));
    }
    LH_IGNORE(lh_err_field(cx, "%.*s", LH_STR_ARG(view->name)));
    if (view->near.count == 0)
        return lh_err_hint(cx, "GET /catalog/datasets lists what there is.");
    LH_CLEANUP(lh_buf_done) lh_buf names = {0};
    lh_buf_init(&names, 4096);
    const lh_str *near = view->near.items;
    for (size_t i = 0; i < view->near.count && names.len < 200; i++)
        LH_TRY(lh_buf_printf(cx, &names, "%s%.*s", i > 0 ? ", " : "", LH_STR_ARG(near[i])));
    return lh_err_hint(cx, "Did you mean %.*s?", (int)names.len, names.ptr);
}

static lh_rc ask(lh_ctx *cx, lh_task *task, const lh_gate_tables *tables, lh_give_views *ret_given)
{
    lh_need_views need = {.names = {.items = tables->names, .count = tables->count}};
    LH_TRY(lh_task_send(cx, task, LH_FRAME_NEED, &lh_need_views_record, &need));
    lh_frame frame;
    LH_TRY(lh_task_read(cx, task, &frame));
    if (frame.kind != LH_FRAME_GIVE)
        return lh_fail(cx, LH_E_INTERNAL, "asked for views, got a frame of kind %d",
                       (int)frame.kind);
    LH_TRY(lh_record_parse(cx, &lh_give_views_record, frame.payload, ret_given));
    if (ret_given->views.count != tables->count)
        return lh_fail(cx, LH_E_INTERNAL, "asked for %zu views, got %zu", tables->count,
                       ret_given->views.count);
    return LH_OK;
}

lh_rc lhi_sql_need_views(lh_ctx *cx, lhi_sql *s, lh_task *task, lh_str sql,
                         const lh_gate_tables *tables)
{
    if (tables->count == 0)
        return LH_OK;
    lh_give_views given;
    LH_TRY(ask(cx, task, tables, &given));
    const lh_view_message *views = given.views.items;
    for (size_t i = 0; i < given.views.count; i++) {
        if (!lh_str_eq_nocase(views[i].name, tables->names[i]))
            return lh_fail(cx, LH_E_INTERNAL, "asked for view %.*s, got %.*s",
                           LH_STR_ARG(tables->names[i]), LH_STR_ARG(views[i].name));
        if (lh_str_empty(views[i].sql))
            return fail_unknown(cx, &views[i], sql, tables->offsets[i]);
        LH_TRY(stand(cx, s, &views[i]));
    }
    return LH_OK;
}
