/* search/words_run.c - POST /search by words: the query restricted to the columns the reader may
 * see, the rows that may answer, hits, then their texts and columns by SQL.
 *
 * Rows come from the gate before the search, as a bitmap, and only columns that the principal sees
 * as they are stored are searched, marked and counted: what it may not read, it cannot get by
 * searching. Texts come from beside the index while it is at the dataset's version, else, as all
 * other columns, from the dataset. Documents of rows that are gone since the index was refreshed
 * are left out before the search, as by a filter. */
#include "base/clock.h"
#include "base/metric.h"
#include "search/words_private.h"

#define SNIPPET_BYTES 240u

typedef struct finding {
    lh_search *search;
    const lh_find_request *request;
    lhi_words_state *state;
    lh_segset_view *view;
    uint64_t changes; /* of the view, or of a little before */
    lhi_known known;
    lh_snapshot *snapshot;
    lh_grant grant;
    lh_text_node *node;
    lh_str_list fields; /* of the query: names in the index */
    lh_list columns;    /* lh_str: their columns */
    size_t *numbers;    /* of those columns in the index */
    lhi_allowed allowed;
    lh_text_result found;
    const lh_text_hit *page; /* of found */
    uint32_t page_count;
    lh_find_hit *hits;
} finding;

/* ---- what is asked ---- */

static lh_rc bad_field(lh_ctx *cx, const finding *f, lh_str name, size_t place)
{
    LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "the index has no text column '%.*s'",
                      LH_STR_ARG(lh_str_sub(name, 0, lh_utf8_cut(name, 200)))));
    LH_IGNORE(lh_err_field(cx, "fields[%zu]", place));
    return lh_err_hint(cx, "GET /text/indexes/%.*s lists its columns",
                       LH_STR_ARG(f->state->meta.index_name));
}

static int is_asked(const finding *f, lh_str column)
{
    const lh_str *asked = f->request->fields.items;
    for (size_t i = 0; i < f->request->fields.count; i++)
        if (lh_str_eq_nocase(asked[i], column))
            return 1;
    return f->request->fields.count == 0;
}

/* Text columns that are asked for and may be seen as they are. */
static lh_rc choose_fields(lh_ctx *cx, finding *f)
{
    const lh_list *texts = &f->state->meta.text_columns;
    const lh_str *names = texts->items;
    const lh_str *asked = f->request->fields.items;
    lh_str *fields = LH_NEW_ARRAY(cx, lh_str, texts->count + 1);
    lh_str *columns = LH_NEW_ARRAY(cx, lh_str, texts->count + 1);
    size_t n = 0;
    f->numbers = LH_NEW_ARRAY(cx, size_t, texts->count + 1);
    if (!fields || !columns || !f->numbers)
        return cx->err.rc;
    for (size_t i = 0; i < f->request->fields.count; i++) {
        int is_there = 0;
        for (size_t j = 0; j < texts->count; j++)
            is_there |=
                lh_str_eq_nocase(asked[i], names[j]) && lhi_grant_clear_column(&f->grant, names[j]);
        if (!is_there)
            return bad_field(cx, f, asked[i], i);
    }
    for (size_t i = 0; i < texts->count; i++) {
        if (!lhi_grant_clear_column(&f->grant, names[i]) || !is_asked(f, names[i]))
            continue;
        f->numbers[n] = i;
        columns[n] = names[i];
        fields[n++] = lhi_words_name(cx, texts, i);
    }
    if (n == 0)
        return lh_fail(cx, LH_E_FORBIDDEN, "no text column of the index may be searched");
    f->fields = (lh_str_list){fields, n};
    f->columns = (lh_list){columns, n};
    return LH_OK;
}

static lh_rc parse_query(lh_ctx *cx, finding *f)
{
    const lh_find_request *rq = f->request;
    uint32_t flags = rq->match ? LH_TEXT_ALL : 0;
    lh_rc rc = rq->syntax ? lh_text_query_parse(cx, rq->query, flags, &f->node)
                          : lh_text_query_plain(cx, rq->query, flags, &f->node);
    if (rc == LH_OK)
        rc = lh_text_node_restrict(cx, f->node, &f->fields);
    if (rc != LH_OK && lh_rc_status(rc) < 500)
        LH_IGNORE(lh_err_field(cx, "query"));
    return rc;
}

static lh_rc check_asked(lh_ctx *cx, const finding *f)
{
    const lh_str *columns = f->request->columns.items;
    const lh_str *facets = f->request->facets.items;
    const lh_list *there = &f->state->meta.facets;
    for (size_t i = 0; i < f->request->columns.count; i++)
        if (!lhi_grant_column(&f->grant, columns[i]))
            return lhi_unknown_column(cx, &f->grant, columns[i], "columns[%zu]", i);
    for (size_t i = 0; i < f->request->facets.count; i++) {
        int is_there = 0;
        for (size_t j = 0; j < there->count; j++)
            is_there |= lh_str_eq_nocase(((const lh_str *)there->items)[j], facets[i]);
        if (is_there && lhi_grant_clear_column(&f->grant, facets[i]))
            continue;
        LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "the index keeps no facet '%.*s'",
                          LH_STR_ARG(lh_str_sub(facets[i], 0, lh_utf8_cut(facets[i], 200)))));
        LH_IGNORE(lh_err_field(cx, "facets[%zu]", i));
        return lh_err_hint(cx, "facets are named when the index is built: POST /text/index");
    }
    return LH_OK;
}

/* ---- documents that may answer ---- */

static lhi_source source_of(const finding *f)
{
    return (lhi_source){.query = f->search->parts.query,
                        .dataset = f->state->meta.source,
                        .id_column = f->state->meta.id_column,
                        .commit = lh_snapshot_manifest(f->snapshot)->commit};
}

static lh_rc find_allowed(lh_ctx *cx, finding *f)
{
    f->allowed = (lhi_allowed){.cache = f->search->filters,
                               .state = &f->state->state,
                               .source = source_of(f),
                               .manifest = lh_snapshot_manifest(f->snapshot),
                               .grant = &f->grant,
                               .filter = f->request->filter,
                               .view = f->view,
                               .known = &f->known};
    return lhi_allowed_find(cx, &f->allowed);
}

/* ---- the search ---- */

static lh_rc facet_names(lh_ctx *cx, const finding *f, lh_str_list *ret)
{
    const lh_list *there = &f->state->meta.facets;
    const lh_str *asked = f->request->facets.items;
    lh_str *names = LH_NEW_ARRAY(cx, lh_str, f->request->facets.count + 1);
    if (!names)
        return cx->err.rc;
    for (size_t i = 0; i < f->request->facets.count; i++)
        for (size_t j = 0; j < there->count; j++)
            if (lh_str_eq_nocase(((const lh_str *)there->items)[j], asked[i]))
                names[i] = lhi_words_name(cx, there, j);
    *ret = (lh_str_list){names, f->request->facets.count};
    return LH_OK;
}

static lh_rc search(lh_ctx *cx, finding *f)
{
    const lh_find_request *rq = f->request;
    lh_text_set_query query = {.request = {.query = f->node,
                                           .k = rq->offset + rq->k,
                                           .flags = rq->count ? LH_TEXT_COUNT : 0,
                                           .facet_values_max = rq->facet_values}};
    LH_TRY(facet_names(cx, f, &query.request.facets));
    if (f->allowed.rows) {
        query.filter.by_id = f->allowed.rows->bitmap.words;
        query.filter.by_id_count = f->allowed.rows->bitmap.rows;
    }
    LH_TRY(lh_text_view_search(cx, f->view, &query, &f->found));
    f->page = f->found.hits + LH_MIN(rq->offset, f->found.hits_count);
    f->page_count = f->found.hits_count - LH_MIN(rq->offset, f->found.hits_count);
    f->hits = LH_NEW_ARRAY(cx, lh_find_hit, f->page_count + 1);
    if (!f->hits)
        return cx->err.rc;
    for (uint32_t i = 0; i < f->page_count; i++) {
        lh_chunk_row row;
        LH_TRY(lhi_known_row(cx, &f->known, f->page[i].row, &row));
        f->hits[i] = (lh_find_hit){.id = lh_ctx_dup(cx, row.id), .score = f->page[i].score};
        if (!f->hits[i].id.ptr)
            return cx->err.rc;
    }
    return LH_OK;
}

/* ---- why ---- */

static void write_reason(lh_json_writer *w, const lh_text_reason *reason)
{
    lh_jw_object_begin(w);
    lh_jw_kv_f64(w, LH_S("score"), reason->score);
    lh_jw_kv_str(w, LH_S("what"), reason->what);
    if (reason->children_count > 0) {
        lh_jw_key(w, LH_S("because"));
        lh_jw_array_begin(w);
        for (uint32_t i = 0; i < reason->children_count; i++)
            write_reason(w, &reason->children[i]);
        lh_jw_array_end(w);
    }
    lh_jw_object_end(w);
}

static lh_rc explain(lh_ctx *cx, finding *f)
{
    for (uint32_t i = 0; f->request->explain && i < f->page_count; i++) {
        lh_text_reason reason;
        int is_match;
        LH_CLEANUP(lh_buf_done) lh_buf json;
        lh_buf_init(&json, 16u << 20);
        LH_TRY(lh_text_view_explain(cx, f->view, f->node, &f->page[i], &reason, &is_match));
        lh_json_writer w;
        lh_jw_init(&w, cx, &json);
        write_reason(&w, &reason);
        LH_TRY(lh_jw_end(&w));
        f->hits[i].explanation = lh_ctx_dup(cx, lh_buf_str(&json));
    }
    return LH_OK;
}

/* ---- texts and columns of the hits ---- */

static lh_rc fragments_of(lh_ctx *cx, const finding *f, lh_str text,
                          const lh_text_highlights *marks, lh_find_mark *to)
{
    const lh_find_highlight *h = &f->request->highlight;
    lh_str *fragments = LH_NEW_ARRAY(cx, lh_str, marks->count + 1);
    if (!fragments)
        return cx->err.rc;
    for (uint32_t i = 0; i < marks->count; i++)
        fragments[i] = lh_text_fragment_text(cx, text, &marks->fragments[i], h->open, h->close);
    to->fragments = (lh_list){fragments, marks->count};
    return LH_OK;
}

static int has_marks(const lh_text_highlights *marks)
{
    for (uint32_t i = 0; i < marks->count; i++)
        if (marks->fragments[i].marks_count > 0)
            return 1;
    return 0;
}

/* Marks of one column; the first column with one gives the hit its text. */
static lh_rc highlight(lh_ctx *cx, const finding *f, size_t field, lh_str text, lh_find_hit *hit,
                       lh_find_mark *marks)
{
    const lh_find_highlight *h = &f->request->highlight;
    lh_text_highlights found;
    lh_text_highlight_options opts = {.field = f->fields.items[field],
                                      .fragment_bytes =
                                          h->fragment_bytes ? h->fragment_bytes : SNIPPET_BYTES,
                                      .fragments = LH_MAX(h->fragments, 1u)};
    if (text.len == 0)
        return LH_OK;
    LH_TRY(lh_text_highlight(cx, lh_text_set_analyzer(f->state->set->set), f->node, text, &opts,
                             &found));
    int marked = has_marks(&found);
    if (hit->text.len == 0 || (marked && hit->highlights.count == 0))
        hit->text = lh_text_fragment_text(cx, text, &found.fragments[0], LH_STR_NONE, LH_STR_NONE);
    if (!marked || h->fragments == 0)
        return LH_OK;
    lh_find_mark *to = &marks[hit->highlights.count++];
    to->column = lh_ctx_dup(cx, ((const lh_str *)f->columns.items)[field]);
    return fragments_of(cx, f, text, &found, to);
}

/* texts: of the fields. */
static lh_rc mark_hit(lh_ctx *cx, const finding *f, const lh_str *texts, lh_find_hit *hit)
{
    lh_find_mark *marks = LH_NEW_ARRAY(cx, lh_find_mark, f->fields.count + 1);
    if (!marks)
        return cx->err.rc;
    hit->highlights = (lh_list){marks, 0};
    for (size_t i = 0; i < f->fields.count; i++)
        LH_TRY(highlight(cx, f, i, texts[i], hit, marks));
    return LH_OK;
}

/* Texts as the index keeps them, where they are those of the snapshot. */
static lh_rc give_kept(lh_ctx *cx, finding *f, int *ret_given)
{
    lh_str *texts = LH_NEW_ARRAY(cx, lh_str, f->fields.count + 1);
    if (!texts)
        return cx->err.rc;
    *ret_given = 0;
    for (uint32_t h = 0; h < f->page_count; h++) {
        lh_str body = LH_STR_NONE;
        LH_TRY(lhi_known_body(cx, &f->known, f->page[h].row, &body));
        if (body.len == 0) /* of an index that was built before texts were kept */
            return LH_OK;
        LH_TRY(lhi_words_texts(cx, body, f->numbers, f->fields.count, texts));
        LH_TRY(mark_hit(cx, f, texts, &f->hits[h]));
    }
    *ret_given = 1;
    return LH_OK;
}

/* Columns of a row that SELECT gave: texts unless the index gave them, then what was asked. */
typedef struct row_fetch {
    finding *f;
    size_t texts; /* how many of the values are texts */
} row_fetch;

/* The first row of an id counts. */
static lh_rc give_row(lh_ctx *cx, void *arg, lh_str id, const lh_json *value)
{
    const row_fetch *r = arg;
    finding *f = r->f;
    lh_str texts[LH_WORDS_COLUMNS_MAX] = {{NULL, 0}};
    lh_str_list asked = {f->request->columns.items, f->request->columns.count};
    for (size_t i = 0; i < r->texts; i++, value = value->next) {
        texts[i] = value->kind == LH_JSON_STRING ? value->text : value->raw;
        if (value->kind == LH_JSON_NULL)
            texts[i] = LH_STR_NONE;
    }
    for (uint32_t h = 0; h < f->page_count; h++) {
        lh_find_hit *hit = &f->hits[h];
        if (hit->columns.len > 0 || !lh_str_eq(hit->id, id))
            continue;
        if (r->texts > 0)
            LH_TRY(mark_hit(cx, f, texts, hit));
        LH_TRY(lhi_columns_json(cx, &asked, value, &hit->columns));
    }
    return LH_OK;
}

static lh_rc fetch_rows(lh_ctx *cx, finding *f, size_t texts)
{
    lhi_source source = source_of(f);
    row_fetch fetch = {f, texts};
    size_t asked = f->request->columns.count;
    lh_str *columns = LH_NEW_ARRAY(cx, lh_str, texts + asked + 1);
    lh_str *ids = LH_NEW_ARRAY(cx, lh_str, f->page_count + 1);
    if (!columns || !ids)
        return cx->err.rc;
    if (texts > 0)
        memcpy(columns, f->columns.items, texts * sizeof *columns);
    if (asked > 0)
        memcpy(columns + texts, f->request->columns.items, asked * sizeof *columns);
    for (uint32_t i = 0; i < f->page_count; i++)
        ids[i] = f->hits[i].id;
    lh_str_list names = {columns, texts + asked};
    lh_str_list wanted = {ids, f->page_count};
    return lhi_source_rows(cx, &source, &names, &wanted, give_row, &fetch);
}

/* The dataset is asked for what the index does not have: other columns, or texts that may have
 * changed since it was refreshed. */
static lh_rc fetch(lh_ctx *cx, finding *f)
{
    int given = 0;
    if (f->page_count == 0)
        return LH_OK;
    if (f->allowed.is_current)
        LH_TRY(give_kept(cx, f, &given));
    if (!given || f->request->columns.count > 0)
        return fetch_rows(cx, f, given ? 0 : f->fields.count);
    for (uint32_t h = 0; h < f->page_count; h++)
        f->hits[h].columns = LH_S("{}");
    return LH_OK;
}

/* ---- all of it ---- */

static lh_rc give_facets(lh_ctx *cx, const finding *f, lh_list *ret)
{
    lh_find_facet *facets = LH_NEW_ARRAY(cx, lh_find_facet, f->found.facets_count + 1);
    if (!facets)
        return cx->err.rc;
    for (uint32_t i = 0; i < f->found.facets_count; i++) {
        const lh_text_facet *from = &f->found.facets[i];
        lh_find_facet_value *values = LH_NEW_ARRAY(cx, lh_find_facet_value, from->values_count + 1);
        if (!values)
            return cx->err.rc;
        for (uint32_t v = 0; v < from->values_count; v++)
            values[v] = (lh_find_facet_value){from->values[v].value, from->values[v].count};
        facets[i] = (lh_find_facet){.name = ((const lh_str *)f->request->facets.items)[i],
                                    .values = {values, from->values_count},
                                    .others = from->others,
                                    .missing = from->missing};
    }
    *ret = (lh_list){facets, f->found.facets_count};
    return LH_OK;
}

static lh_rc find(lh_ctx *cx, finding *f, lh_find_result *ret_result)
{
    const lh_words_meta *meta = &f->state->meta;
    lh_segset_stats stats;
    lh_find_result result = {.mode = f->request->mode};
    lh_text_set_get_stats(f->state->set->set, &stats);
    /* Before the snapshot: what a refresh adds meanwhile is of a later version than this index says
     * it is at, and is noticed as that. */
    f->view = lh_text_set_view(f->state->set->set);
    LH_TRY(lhi_numbered_known(cx, &f->state->set->numbered, &f->known));
    LH_TRY(lh_catalog_get(cx, f->search->parts.catalog, meta->source, 0, 0, &f->snapshot));
    LH_TRY(lh_policy_grant(cx, f->search->parts.policy, cx->principal, f->snapshot, &f->grant));
    LH_TRY(choose_fields(cx, f));
    LH_TRY(check_asked(cx, f));
    LH_TRY(parse_query(cx, f));
    LH_TRY(find_allowed(cx, f));
    LH_TRY(search(cx, f));
    LH_TRY(explain(cx, f));
    LH_TRY(fetch(cx, f));
    LH_TRY(give_facets(cx, f, &result.facets));
    result.hits = (lh_list){f->hits, f->page_count};
    result.total = f->found.total;
    result.total_is_exact = f->found.total_is_exact != 0;
    result.index =
        (lh_find_index){lh_ctx_dup(cx, meta->index_name), lh_ctx_dup(cx, meta->source),
                        lh_ctx_dup(cx, meta->generation), meta->source_commit, stats.changes};
    result.plan =
        (lh_find_plan){.plan = lh_str_from(f->found.plan),
                       .filter = lh_str_from(f->allowed.how),
                       .rows_allowed = f->allowed.rows ? f->allowed.rows->count : stats.rows_live,
                       .segments = (uint32_t)lh_segset_view_count(f->view),
                       .words_dropped = f->found.words_dropped};
    *ret_result = result;
    return LH_OK;
}

static lh_rc check_request(lh_ctx *cx, const lh_find_request *rq)
{
    if (rq->mode != LH_FIND_TEXT) {
        LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "this version searches by words here, not by %s",
                          rq->mode == LH_FIND_VECTOR ? "meaning" : "both"));
        LH_IGNORE(lh_err_field(cx, "mode"));
        return lh_err_hint(cx, "send mode \"text\", or search by meaning: POST /vectors/search");
    }
    if (rq->offset + rq->k > LH_TEXT_K_MAX) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "offset and k come to %u, limit %d",
                          rq->offset + rq->k, LH_TEXT_K_MAX));
        LH_IGNORE(lh_err_field(cx, "offset"));
        return lh_err_hint(cx, "ask for a narrower set with filter");
    }
    if ((rq->index_name.len > 0) == (rq->dataset.len > 0)) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "%s",
                          rq->index_name.len ? "index_name and dataset were both sent"
                                             : "neither index_name nor dataset was sent"));
        return lh_err_field(cx, "index_name");
    }
    return LH_OK;
}

lh_rc lh_find_run(lh_ctx *cx, lh_search *search, const lh_find_request *request,
                  lh_find_result *ret_result)
{
    int64_t began_us = lh_clock_mono_us();
    lh_str name = request->index_name;
    finding f = {.search = search, .request = request};
    LH_TRY(check_request(cx, request));
    if (name.len == 0)
        LH_TRY(lhi_indexes_only(cx, &search->texts, request->dataset, &name));
    LH_TRY(lhi_words_ref(cx, search, name, &f.state));
    lh_rc rc = find(cx, &f, ret_result);
    lh_segset_view_unref(f.view);
    lh_snapshot_unref(f.snapshot);
    lhi_filter_rows_unref(f.allowed.rows);
    lhi_words_state_unref(f.state);
    int64_t took_us = lh_clock_mono_us() - began_us;
    lh_metric_observe_us(LH_M_TEXT_SEARCH_SECONDS, took_us);
    if (rc == LH_OK)
        ret_result->took_ms = took_us / 1000;
    return rc;
}
