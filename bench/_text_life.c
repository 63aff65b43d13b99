/* _text_life.c - searches by words beside everything that changes a set, for bench/text_life.
 * links: text
 *
 *   _text_life DIR DOCS QUERIES WINDOWS MS
 *       a set of the lines of DOCS in one merged segment; windows of MS milliseconds of searches
 *       (the lines of QUERIES: any of the words, the ten best) on one thread, by turns quiet and
 *       while another thread upserts and deletes, and merges and swaps go on
 *
 * The reply is a line of JSON. */
#include "_life.h"
#include "base/num.h"
#include "os/file.h"
#include "text/text_query.h"
#include "text/text_set.h"

enum { K = 10, LOAD_ROWS = 50000, CHANGE_ROWS = 500, CHANGE_BATCHES = 40 };

typedef struct bench {
    lh_ctx cx;
    lh_text_set *set;
    lh_str_list docs;
    lh_str_list queries;
} bench;

static lh_rc open_lines(lh_ctx *cx, const char *path, lh_str_list *ret)
{
    lh_map map; /* for the life of the process */
    size_t capacity = 0;
    lh_str line;
    LH_TRY(lh_map_open(cx, lh_str_from(path), &map));
    while (lh_str_split_next(&map.bytes, '\n', &line)) {
        if (line.len == 0)
            continue;
        LH_TRY(lh_ctx_grow(cx, (void **)&ret->items, ret->count, &capacity, sizeof *ret->items));
        ret->items[ret->count++] = line;
    }
    return ret->count > CHANGE_ROWS ? LH_OK
                                    : lh_fail(cx, LH_E_BAD_VALUE, "%s has too few lines", path);
}

/* Lines from `first` on as the documents from id on. */
static lh_rc put(lh_ctx *cx, const bench *b, size_t first, size_t count, uint64_t id)
{
    lh_text_doc *docs = LH_NEW_ARRAY(cx, lh_text_doc, count);
    if (!docs)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++)
        docs[i] = (lh_text_doc){.row = id + i, .fields = &b->docs.items[first + i]};
    return lh_text_set_upsert(cx, b->set, docs, count);
}

static lh_rc load(bench *b, const char *dir)
{
    static lh_segset_folder folder;
    static lh_segset_home home;
    uint64_t merged;
    lh_text_field_options field = {.name = LH_S("text"), .flags = LH_TEXT_POSITIONS};
    lh_text_set_options opts = {.build = {.fields = &field, .fields_count = 1},
                                .flags = LH_SEGSET_BACKGROUND};
    folder.dir = lh_str_from(dir);
    LH_TRY(lh_segset_home_folder(&b->cx, &folder, &home));
    LH_TRY(lh_text_set_open(&b->cx, &home, &opts, &b->set));
    for (size_t at = 0; at < b->docs.count; at += LOAD_ROWS)
        LH_TRY(put(&b->cx, b, at, LH_MIN(b->docs.count - at, (size_t)LOAD_ROWS), at));
    return lh_text_set_merge(&b->cx, b->set, LH_SEGSET_MERGE_ALL, &merged);
}

static lh_rc change_once(lh_ctx *cx, void *arg, uint64_t n)
{
    const bench *b = arg;
    uint64_t ids[CHANGE_ROWS];
    uint64_t deleted;
    size_t from = (size_t)(n * 7919 * CHANGE_ROWS) % (b->docs.count - CHANGE_ROWS);
    uint64_t id = (1u << 30) + n % CHANGE_BATCHES * CHANGE_ROWS;
    LH_TRY(put(cx, b, from, CHANGE_ROWS, id)); /* new, later replaced */
    for (uint64_t i = 0; i < CHANGE_ROWS; i++)
        ids[i] = id + (i * 3) % CHANGE_ROWS;
    LH_TRY(lh_text_set_delete(cx, b->set, ids, CHANGE_ROWS / 4, &deleted));
    return n % 64 == 63 ? lh_text_set_merge(cx, b->set, LH_SEGSET_MERGE_ALL, &deleted) : LH_OK;
}

static lh_rc search_once(lh_ctx *cx, void *arg, size_t n)
{
    const bench *b = arg;
    lh_text_node *node;
    lh_text_result result;
    LH_TRY(lh_text_query_plain(cx, b->queries.items[n % b->queries.count], 0, &node));
    lh_text_set_query query = {.request = {.query = node, .k = K}};
    lh_segset_view *view = lh_text_set_view(b->set);
    lh_rc rc = lh_text_view_search(cx, view, &query, &result);
    lh_segset_view_unref(view);
    return rc;
}

static lh_rc run(bench *b, char **arg)
{
    int64_t windows;
    int64_t ms;
    life l = {.cx = &b->cx, .arg = b, .search = search_once, .change = change_once};
    if (!lh_parse_i64(lh_str_from(arg[3]), &windows) || !lh_parse_i64(lh_str_from(arg[4]), &ms))
        return lh_fail(&b->cx, LH_E_BAD_VALUE, "windows and milliseconds are numbers");
    LH_TRY(open_lines(&b->cx, arg[1], &b->docs));
    LH_TRY(open_lines(&b->cx, arg[2], &b->queries));
    LH_TRY(load(b, arg[0]));
    printf("{");
    LH_TRY(life_run(&l, windows, ms));
    lh_segset_stats stats;
    lh_text_set_get_stats(b->set, &stats);
    printf(",\"documents\":%zu,\"merges\":%llu,\"segments\":%u}\n", b->docs.count,
           (unsigned long long)stats.merges, stats.segments);
    return LH_OK;
}

int main(int argc, char **argv)
{
    static bench b;
    if (argc != 6) {
        fprintf(stderr, "usage: _text_life DIR DOCS QUERIES WINDOWS MS\n");
        return 2;
    }
    lh_arena *arena = lh_arena_new((size_t)8 << 30);
    lh_ctx_init(&b.cx, arena);
    lh_rc rc = run(&b, argv + 1);
    if (rc != LH_OK)
        fprintf(stderr, "%s: %s\n", lh_rc_code(rc), b.cx.err.message);
    lh_text_set_close(b.set);
    lh_arena_free(arena);
    return rc == LH_OK ? 0 : 1;
}
