/* What a set of texts promises beside the random walk: order of equal scores, shapes, the crash
 * matrix (tests/fault/text_set.crash), searches while everything moves. */
#include "support/crash.h"
#include "support/set_threads.h"
#include "text_set_world.h"

typedef struct fixture {
    lh_scratch s;
    model_home home;
    lh_text_set *set;
} fixture;

static void begin(fixture *f)
{
    lh_text_set_options options = set_options();
    model_scratch_open(&f->s);
    model_home_open(&f->home, &f->s);
    ck_lh_ok(&f->s, lh_text_set_open(&f->s.cx, &f->home.home, &options, &f->set));
}

static void end(fixture *f)
{
    f->set = lh_text_set_close(f->set);
    lh_scratch_close(&f->s);
}

static void put_text(fixture *f, uint64_t id, const char *text)
{
    lh_str fields = lh_str_from(text);
    lh_text_doc doc = {.row = id, .fields = &fields};
    ck_lh_ok(&f->s, lh_text_set_upsert(&f->s.cx, f->set, &doc, 1));
}

static lh_text_result search(fixture *f, const char *text, uint32_t k)
{
    lh_text_result r;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_text_set_view(f->set);
    lh_text_set_query query = {
        .request = {.query = lh_text_node_new(&f->s.cx, LH_TEXT_NODE_WORDS, lh_str_from(text)),
                    .k = k}};
    ck_lh_ok(&f->s, lh_text_view_search(&f->s.cx, view, &query, &r));
    return r;
}

/* Segments whose ids lie among one another: what comes later may be better. */
LH_TEST(equal_scores_come_by_id_however_rows_are_cut)
{
    fixture f;
    lh_str text = LH_S("lager night");
    begin(&f);
    for (uint64_t i = 1; i <= 5; i++) {
        lh_text_doc docs[2] = {{.row = 10 * i, .fields = &text}, {.row = 99 - i, .fields = &text}};
        ck_lh_ok(&f.s, lh_text_set_append(&f.s.cx, f.set, docs, 2));
    }
    for (int merged = 0; merged < 2; merged++) {
        uint64_t n;
        for (uint32_t k = 1; k <= 5; k++) {
            lh_text_result r = search(&f, "lager", k);
            ck_assert_uint_eq(r.hits_count, k);
            for (uint32_t i = 0; i < k; i++)
                ck_assert_uint_eq(r.hits[i].row, 10 * (i + 1));
        }
        ck_lh_ok(&f.s, lh_text_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &n));
    }
    end(&f);
}

/* Fields, lengths, phrases and facets go through a merge of documents that lie among one another as
 * if they had been written in order. */
LH_TEST(a_merged_segment_is_what_one_build_in_order_of_ids_would_be)
{
    lh_str built[2];
    for (int scattered = 0; scattered < 2; scattered++) {
        fixture f;
        uint64_t n;
        lh_str_list names;
        begin(&f);
        for (uint32_t round = 0; round < (scattered ? 7u : 1u); round++) {
            lh_text_doc docs[SET_IDS];
            size_t count = 0;
            for (uint64_t id = 0; id < SET_IDS; id++)
                if (!scattered || id * 31 % 7 == round)
                    docs[count++] = set_doc(&f.s, id, 1);
            ck_lh_ok(&f.s, lh_text_set_append(&f.s.cx, f.set, docs, count));
        }
        ck_lh_ok(&f.s, lh_text_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &n));
        ck_lh_ok(&f.s, f.home.real.list(&f.s.cx, f.home.real.arg, &names));
        for (size_t i = 0; i < names.count; i++) {
            lh_str bytes;
            if (!lh_str_ends(names.items[i], LH_S(".lht")))
                continue;
            ck_lh_ok(&f.s, lh_file_read_all(
                               &f.s.cx, lh_path_join(&f.s.cx, f.home.folder.dir, names.items[i]),
                               1 << 24, &bytes));
            char *kept = malloc(bytes.len);
            ck_assert_ptr_nonnull(kept);
            memcpy(kept, bytes.ptr, bytes.len);
            built[scattered] = lh_str_n(kept, bytes.len);
        }
        end(&f);
    }
    ck_assert(lh_str_eq(built[0], built[1]));
    free((char *)(uintptr_t)built[0].ptr);
    free((char *)(uintptr_t)built[1].ptr);
}

LH_TEST(a_set_of_other_fields_is_refused)
{
    fixture f;
    lh_text_set *other = NULL;
    begin(&f);
    put_text(&f, 1, "lager");
    f.set = lh_text_set_close(f.set);
    lh_text_set_options options = set_options();
    options.build.analyzer.flags = LH_TEXT_KEEP_ACCENTS;
    ck_lh_fails(lh_text_set_open(&f.s.cx, &f.home.home, &options, &other), LH_E_BAD_VALUE);
    options = set_options();
    options.build.k1 = 2;
    ck_lh_fails(lh_text_set_open(&f.s.cx, &f.home.home, &options, &other), LH_E_BAD_VALUE);
    options = set_options();
    options.build.memory_bytes_max = 1 << 20;
    ck_lh_ok(&f.s, lh_text_set_open(&f.s.cx, &f.home.home, &options, &f.set));
    ck_assert_uint_eq(search(&f, "lager", 3).hits_count, 1);
    end(&f);
}

LH_TEST(an_empty_set_finds_nothing)
{
    fixture f;
    uint64_t n;
    uint64_t id = 3;
    begin(&f);
    ck_assert_uint_eq(search(&f, "lager", 3).hits_count, 0);
    put_text(&f, 3, "lager");
    ck_lh_ok(&f.s, lh_text_set_delete(&f.s.cx, f.set, &id, 1, &n));
    ck_assert_uint_eq(search(&f, "lager", 3).hits_count, 0);
    ck_lh_ok(&f.s, lh_text_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &n));
    ck_assert_uint_eq(search(&f, "lager", 3).hits_count, 0);
    end(&f);
}

LH_TEST(why_a_hit_scores_adds_up_over_segments)
{
    fixture f;
    begin(&f);
    put_text(&f, 1, "lager night lager");
    put_text(&f, 2, "night shift");
    lh_segset_view *view = lh_text_set_view(f.set);
    lh_text_node *node = lh_text_node_new(&f.s.cx, LH_TEXT_NODE_WORDS, LH_S("lager night"));
    lh_text_set_query query = {.request = {.query = node, .k = 5}};
    lh_text_result r;
    ck_lh_ok(&f.s, lh_text_view_search(&f.s.cx, view, &query, &r));
    ck_assert_uint_eq(r.hits_count, 2);
    for (uint32_t i = 0; i < r.hits_count; i++) {
        lh_text_reason reason;
        int is_match;
        ck_lh_ok(&f.s, lh_text_view_explain(&f.s.cx, view, node, &r.hits[i], &reason, &is_match));
        ck_assert_int_eq(is_match, 1);
        ck_assert(fabs(reason.score - r.hits[i].score) < 1e-9);
    }
    lh_segset_view_unref(view);
    end(&f);
}

/* ---- the crash matrix ---- */

static void open_in(crash_run *run, lh_segset_folder *folder, lh_segset_home *home,
                    lh_text_set **ret_set)
{
    lh_text_set_options options = set_options();
    folder->dir = lh_scratch_path(run->scratch, "set");
    ck_lh_ok(run->scratch, lh_segset_home_folder(&run->scratch->cx, folder, home));
    ck_lh_ok(run->scratch, lh_text_set_open(&run->scratch->cx, home, &options, ret_set));
}

static void put(crash_run *run, lh_text_set *set, uint64_t id)
{
    lh_text_doc doc = set_doc(run->scratch, id, 1);
    if (lh_text_set_upsert(&run->scratch->cx, set, &doc, 1) != LH_OK)
        _exit(98);
}

static void work(crash_run *run)
{
    lh_segset_folder folder;
    lh_segset_home home;
    lh_text_set *set = NULL;
    uint64_t n;
    int merges = strcmp(run->row.scenario, "merge") == 0;
    open_in(run, &folder, &home, &set);
    if (!merges)
        crash_arm(run);
    for (uint64_t id = 0; id < 5; id++) {
        put(run, set, id);
        crash_ack(run, (unsigned char)id);
    }
    if (merges) {
        crash_arm(run);
        if (lh_text_set_merge(&run->scratch->cx, set, LH_SEGSET_MERGE_ALL, &n) != LH_OK)
            _exit(98);
    }
    lh_text_set_close(set);
}

/* A document is there when its own word finds it. */
static void look(crash_run *run, crash_found *found)
{
    for (int again = 0; again < 2; again++) {
        lh_segset_folder folder;
        lh_segset_home home;
        lh_text_set *set = NULL;
        memset(found, 0, sizeof *found);
        open_in(run, &folder, &home, &set);
        lh_segset_view *view = lh_text_set_view(set);
        for (uint64_t id = 0; id < 5; id++) {
            lh_text_result r;
            lh_str term = lh_ctx_fmt(&run->scratch->cx, "v%llux1", (unsigned long long)id);
            lh_text_set_query query = {
                .request = {.query = lh_text_node_new(&run->scratch->cx, LH_TEXT_NODE_WORDS, term),
                            .k = 5}};
            ck_lh_ok(run->scratch, lh_text_view_search(&run->scratch->cx, view, &query, &r));
            found->seen[id] = r.hits_count;
        }
        lh_segset_view_unref(view);
        lh_text_set_close(set);
    }
}

LH_TEST(every_row_of_the_text_crash_matrix)
{
    crash_row rows[CRASH_ROWS_MAX];
    size_t count = crash_rows("text_set.crash", rows);
    ck_assert_uint_gt(count, 8);
    for (size_t i = 0; i < count; i++)
        crash_run_row(&rows[i], work, look);
}

/* ---- threads ---- */

enum { GROUPS = 10, GROUP_DOCS = 8, VERSIONS = 24 };

/* All documents of a group are replaced in one change: a view with some of a group, or with two
 * versions of it, is torn. */
static lh_rc look_at(lh_ctx *cx, void *set, uint64_t group, int *ret_torn)
{
    lh_text_result r;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_text_set_view(set);
    lh_str word = lh_ctx_fmt(cx, "group%llu", (unsigned long long)group);
    lh_text_set_query query = {
        .request = {.query = lh_text_node_new(cx, LH_TEXT_NODE_WORDS, word), .k = 2 * GROUP_DOCS}};
    LH_TRY(lh_text_view_search(cx, view, &query, &r));
    *ret_torn = r.hits_count != 0 && r.hits_count != GROUP_DOCS;
    for (uint32_t i = 1; i < r.hits_count; i++) /* equal scores come in order of id */
        *ret_torn |= r.hits[i].points != r.hits[0].points || r.hits[i].row != r.hits[0].row + i;
    return LH_OK;
}

static lh_rc merge_all(lh_ctx *cx, void *set)
{
    uint64_t merged;
    return lh_text_set_merge(cx, set, LH_SEGSET_MERGE_ALL, &merged);
}

static void write_group(fixture *f, uint64_t group, uint64_t version)
{
    lh_text_doc docs[GROUP_DOCS];
    uint64_t ids[GROUP_DOCS];
    uint64_t deleted;
    lh_str text = lh_ctx_fmt(&f->s.cx, "group%llu w%llu", (unsigned long long)group,
                             (unsigned long long)(version % 3));
    for (uint64_t i = 0; i < GROUP_DOCS; i++) {
        ids[i] = group * GROUP_DOCS + i;
        docs[i] = (lh_text_doc){.row = ids[i], .fields = &text};
    }
    if (version % 5 == 4)
        ck_lh_ok(&f->s, lh_text_set_delete(&f->s.cx, f->set, ids, GROUP_DOCS, &deleted));
    else
        ck_lh_ok(&f->s, lh_text_set_upsert(&f->s.cx, f->set, docs, GROUP_DOCS));
}

LH_TEST(text_searches_see_whole_changes_while_everything_moves)
{
    fixture f;
    lh_text_set_options options = set_options();
    begin(&f);
    f.set = lh_text_set_close(f.set);
    options.flags = LH_SEGSET_BACKGROUND;
    options.tier_rows = 16;
    ck_lh_ok(&f.s, lh_text_set_open(&f.s.cx, &f.home.home, &options, &f.set));
    set_threads t = {.set = f.set, .groups = GROUPS, .look = look_at, .merge = merge_all};
    set_threads_start(&f.s, &t);
    for (uint64_t version = 0; version < VERSIONS; version++)
        for (uint64_t group = 0; group < GROUPS; group++)
            write_group(&f, group, version);
    set_threads_stop(&t);
    end(&f);
}
