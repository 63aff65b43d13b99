/* Sets of segments with the simplest engine: a segment is one number a row. */
#include "segset/segset.h"
#include "support/scratch.h"
#include "support/unit.h"

typedef struct fixture {
    lh_scratch s;
    lh_segset_folder folder;
    lh_segset_home home;
    lh_segset *set;
} fixture;

/* ---- the engine: bytes of a segment are its numbers ---- */

static lh_rc shape(lh_ctx *cx, void *arg, const uint32_t *stored, uint32_t *ret_shape)
{
    const uint32_t *version = arg;
    if (stored && stored[0] != *version)
        return lh_fail(cx, LH_E_BAD_VALUE, "other numbers");
    ret_shape[0] = *version;
    ret_shape[1] = 0;
    return LH_OK;
}

static lh_rc open_numbers(lh_ctx *cx, void *arg, lh_str bytes, uint64_t rows, void **ret_index)
{
    (void)arg;
    if (bytes.len != rows * sizeof(uint64_t))
        return lh_fail(cx, LH_E_CORRUPT, "%zu bytes", bytes.len);
    *ret_index = (void *)(uintptr_t)bytes.ptr;
    return LH_OK;
}

static void close_numbers(void *index)
{
    (void)index;
}

static lh_rc verify(lh_ctx *cx, const void *index)
{
    (void)cx;
    (void)index;
    return LH_OK;
}

static uint64_t bytes_resident(const void *index)
{
    (void)index;
    return 0;
}

static lh_rc merge(lh_ctx *cx, void *arg, const lh_segset_merging *m, lh_container_sink sink)
{
    (void)arg;
    for (uint64_t row = 0; row < m->rows; row++) {
        const uint64_t *numbers = m->parts[m->from[row].part].index;
        LH_TRY(sink.write_at(cx, sink.arg, row * sizeof(uint64_t),
                             lh_str_n(&numbers[m->from[row].row], sizeof(uint64_t))));
    }
    return LH_OK;
}

static const lh_segset_engine numbers_engine = {.name = "numbers",
                                                .suffix = ".num",
                                                .segment_rows_max = 1000,
                                                .plain_rows_max = UINT64_MAX,
                                                .shape = shape,
                                                .open = open_numbers,
                                                .close = close_numbers,
                                                .verify = verify,
                                                .bytes_resident = bytes_resident,
                                                .merge = merge};

static lh_rc open_as(fixture *f, uint32_t version)
{
    static uint32_t kept;
    kept = version;
    lh_segset_options opts = {.engine = &numbers_engine, .arg = &kept};
    return lh_segset_open(&f->s.cx, &f->home, &opts, &f->set);
}

static void begin(fixture *f)
{
    lh_scratch_open(&f->s);
    f->folder.dir = lh_scratch_path(&f->s, "set");
    ck_lh_ok(&f->s, lh_segset_home_folder(&f->s.cx, &f->folder, &f->home));
    ck_lh_ok(&f->s, open_as(f, 1));
}

static void end(fixture *f)
{
    f->set = lh_segset_close(f->set);
    lh_scratch_close(&f->s);
}

static lh_rc encode(lh_ctx *cx, void *arg, const lh_segset_order *order, lh_buf *out)
{
    const uint64_t *numbers = arg;
    for (size_t i = 0; i < order->count; i++)
        LH_TRY(lh_buf_append(cx, out, lh_str_n(&numbers[order->places[i]], sizeof(uint64_t))));
    return LH_OK;
}

static lh_rc put(fixture *f, lh_segset_how how, const uint64_t *ids, uint64_t *numbers,
                 size_t count)
{
    lh_segset_change change = {
        .how = how, .ids = ids, .count = count, .encode = encode, .arg = numbers};
    return lh_segset_put(&f->s.cx, f->set, &change);
}

/* The number of an id; 0 when it is not there. */
static uint64_t number_of(const lh_segset_view *view, uint64_t id)
{
    size_t part;
    uint64_t row;
    if (!lh_segset_view_find(view, id, &part, &row))
        return 0;
    return ((const uint64_t *)lh_segset_view_part(view, part).index)[row];
}

static void merge_all(fixture *f)
{
    uint64_t merged;
    ck_lh_ok(&f->s, lh_segset_merge(&f->s.cx, f->set, LH_SEGSET_MERGE_ALL, &merged));
}

LH_TEST(changes_merges_and_reopens_keep_what_was_said_last)
{
    fixture f;
    uint64_t ids[] = {9, 2, 5};
    uint64_t numbers[] = {90, 20, 50};
    uint64_t later[] = {21, 51, 91};
    uint64_t gone = 9;
    uint64_t deleted;
    begin(&f);
    ck_lh_ok(&f.s, put(&f, LH_SEGSET_APPEND, ids, numbers, 3));
    ck_lh_fails(put(&f, LH_SEGSET_APPEND, ids + 2, later, 1), LH_E_ALREADY_EXISTS);
    ck_lh_ok(&f.s, put(&f, LH_SEGSET_UPSERT, ids + 1, later, 2));
    ck_lh_ok(&f.s, lh_segset_delete(&f.s.cx, f.set, &gone, 1, &deleted));
    ck_assert_uint_eq(deleted, 1);
    for (int i = 0; i < 3; i++) {
        lh_segset_view *view = lh_segset_get_view(f.set);
        ck_assert_uint_eq(number_of(view, 2), 21);
        ck_assert_uint_eq(number_of(view, 5), 51);
        ck_assert_uint_eq(number_of(view, 9), 0);
        lh_segset_view_unref(view);
        if (i == 0)
            merge_all(&f);
        f.set = lh_segset_close(f.set);
        ck_lh_ok(&f.s, open_as(&f, 1));
    }
    end(&f);
}

LH_TEST(a_view_stays_as_it_was)
{
    fixture f;
    uint64_t ids[] = {1, 2};
    uint64_t numbers[] = {10, 20};
    uint64_t other[] = {11, 21};
    begin(&f);
    ck_lh_ok(&f.s, put(&f, LH_SEGSET_APPEND, ids, numbers, 2));
    lh_segset_view *before = lh_segset_get_view(f.set);
    ck_lh_ok(&f.s, put(&f, LH_SEGSET_UPSERT, ids, other, 2));
    merge_all(&f);
    ck_assert_uint_eq(number_of(before, 2), 20);
    ck_assert_uint_eq(lh_segset_view_changes(before), 1);
    lh_segset_view_unref(before);
    for (int i = 0; i < 2; i++) {
        lh_segset_view *after = lh_segset_get_view(f.set);
        ck_assert_uint_eq(lh_segset_view_changes(after), 2);
        lh_segset_view_unref(after);
        f.set = lh_segset_close(f.set);
        ck_lh_ok(&f.s, open_as(&f, 1));
    }
    end(&f);
}

/* Deletes some rows of a merged segment, then does what is due: its rows, dead ones too. */
static uint64_t rows_after_deletes(fixture *f, const uint64_t *ids, size_t count)
{
    uint64_t deleted;
    uint64_t merged;
    ck_lh_ok(&f->s, lh_segset_delete(&f->s.cx, f->set, ids, count, &deleted));
    ck_assert_uint_eq(deleted, count);
    ck_lh_ok(&f->s, lh_segset_merge(&f->s.cx, f->set, LH_SEGSET_MERGE_DUE, &merged));
    lh_segset_view *view = lh_segset_get_view(f->set);
    ck_assert_uint_eq(lh_segset_view_count(view), 1);
    uint64_t rows = lh_segset_view_part(view, 0).rows;
    lh_segset_view_unref(view);
    return rows;
}

LH_TEST(a_segment_of_which_a_fifth_is_dead_is_rewritten)
{
    fixture f;
    uint64_t ids[100];
    uint64_t numbers[100] = {0};
    for (uint64_t i = 0; i < 100; i++)
        ids[i] = i;
    begin(&f);
    ck_lh_ok(&f.s, put(&f, LH_SEGSET_APPEND, ids, numbers, 100));
    merge_all(&f);
    ck_assert_uint_eq(rows_after_deletes(&f, ids, 20), 100);
    ck_assert_uint_eq(rows_after_deletes(&f, ids + 20, 1), 79);
    end(&f);
}

LH_TEST(a_filter_allows_live_rows_alone)
{
    fixture f;
    uint64_t ids[100];
    uint64_t numbers[100] = {0};
    uint64_t gone = 40;
    uint64_t deleted;
    uint64_t wanted[] = {3, 40, 60, 61, 1000};
    const uint64_t *words;
    uint64_t count;
    for (uint64_t i = 0; i < 100; i++)
        ids[i] = 2 * i;
    begin(&f);
    ck_lh_ok(&f.s, put(&f, LH_SEGSET_APPEND, ids, numbers, 100));
    ck_lh_ok(&f.s, lh_segset_delete(&f.s.cx, f.set, &gone, 1, &deleted));
    lh_segset_view *view = lh_segset_get_view(f.set);
    lh_segset_part part = lh_segset_view_part(view, 0);
    lh_segset_filter filter = {.ids = wanted, .ids_count = LH_ARRAY_LEN(wanted)};
    ck_lh_ok(&f.s, lh_segset_allowed(&f.s.cx, &part, &filter, &words, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(words[0], 1ull << 30);
    filter = (lh_segset_filter){.ids = NULL};
    ck_lh_ok(&f.s, lh_segset_allowed(&f.s.cx, &part, &filter, &words, &count));
    ck_assert_uint_eq(count, 99);
    lh_segset_view_unref(view);
    end(&f);
}

LH_TEST(merges_make_no_larger_segment_than_the_engine_allows)
{
    fixture f;
    static uint64_t ids[700];
    static uint64_t numbers[700];
    uint64_t merged;
    begin(&f);
    for (uint64_t base = 0; base < 2100; base += 700) {
        for (uint64_t i = 0; i < 700; i++)
            ids[i] = base + i;
        ck_lh_ok(&f.s, put(&f, LH_SEGSET_APPEND, ids, numbers, 700));
    }
    ck_lh_fails(lh_segset_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &merged), LH_E_TOO_LARGE);
    ck_lh_ok(&f.s, lh_segset_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_DUE, &merged));
    end(&f);
}

LH_TEST(a_set_of_another_shape_is_refused)
{
    fixture f;
    begin(&f);
    f.set = lh_segset_close(f.set);
    ck_lh_fails(open_as(&f, 2), LH_E_BAD_VALUE);
    ck_lh_ok(&f.s, open_as(&f, 1));
    end(&f);
}

static lh_rc fill_numbers(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    return sink.write_at(cx, sink.arg, 0, lh_str_n(arg, 3 * sizeof(uint64_t)));
}

LH_TEST(a_new_set_takes_a_segment_that_was_written_elsewhere)
{
    fixture f;
    uint64_t numbers[] = {7, 8, 9};
    uint64_t ids[] = {3};
    uint64_t gone = 1;
    begin(&f);
    ck_lh_ok(&f.s, lh_segset_import(&f.s.cx, f.set, 3, fill_numbers, numbers));
    lh_segset_change change = {.how = LH_SEGSET_APPEND,
                               .ids = ids,
                               .count = 1,
                               .encode = encode,
                               .arg = numbers,
                               .deletes = &gone,
                               .deletes_count = 1};
    ck_lh_ok(&f.s, lh_segset_put(&f.s.cx, f.set, &change));
    ck_lh_fails(lh_segset_import(&f.s.cx, f.set, 3, fill_numbers, numbers), LH_E_CONFLICT);
    for (int i = 0; i < 3; i++) {
        lh_segset_view *view = lh_segset_get_view(f.set);
        ck_assert_uint_eq(number_of(view, 0), 7);
        ck_assert_uint_eq(number_of(view, 1), 0);
        ck_assert_uint_eq(number_of(view, 2), 9);
        ck_assert_uint_eq(number_of(view, 3), 7);
        lh_segset_view_unref(view);
        if (i == 0)
            merge_all(&f);
        f.set = lh_segset_close(f.set);
        ck_lh_ok(&f.s, open_as(&f, 1));
    }
    end(&f);
}
