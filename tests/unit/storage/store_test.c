/* store_test.c - the promises of storage/store.h, on the local backend. */
#include "base/fault.h"
#include "os/thread.h"
#include "storage/store.h"
#include "support/scratch.h"

#include <sys/stat.h>
#include <unistd.h>

static lh_store *open_store(lh_scratch *s)
{
    lh_store *store = NULL;
    ck_lh_ok(s, lh_store_open_local(&s->cx, lh_scratch_path(s, "data"),
                                    lh_scratch_path(s, "data/.lakehouse/staging"), &store));
    return store;
}

static void is_object(lh_scratch *s, lh_store *store, const char *key, const char *content)
{
    lh_str bytes;
    ck_lh_ok(s, lh_store_get(&s->cx, store, lh_str_from(key), 1 << 20, &bytes));
    ck_assert(lh_str_eq(bytes, lh_str_from(content)));
}

/* Files in the staging folder, the store's own mark not counted. */
static size_t staged_files(lh_scratch *s, lh_store *store)
{
    lh_dir_entry *entries;
    size_t count;
    ck_lh_ok(s, lh_dir_list(&s->cx, lh_store_staging(store), &entries, &count));
    return count - 1;
}

LH_TEST(put_replaces_and_get_returns_it)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    ck_lh_ok(&s, lh_store_put(&s.cx, store, LH_S("a/b/c.txt"), LH_S("one")));
    is_object(&s, store, "a/b/c.txt", "one");
    ck_lh_ok(&s, lh_store_put(&s.cx, store, LH_S("a/b/c.txt"), LH_S("")));
    is_object(&s, store, "a/b/c.txt", "");
    lh_object_info info;
    ck_lh_ok(&s, lh_store_stat(&s.cx, store, LH_S("a/b/c.txt"), &info));
    ck_assert_uint_eq(info.bytes, 0);
    ck_lh_ok(&s, lh_store_delete(&s.cx, store, LH_S("a/b/c.txt")));
    ck_lh_ok(&s, lh_store_delete(&s.cx, store, LH_S("a/b/c.txt")));
    ck_lh_fails(lh_store_stat(&s.cx, store, LH_S("a/b/c.txt"), &info), LH_E_NOT_FOUND);
    ck_assert_uint_eq(staged_files(&s, store), 0);
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(put_if_absent_changes_nothing_when_it_is_there)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    ck_lh_ok(&s, lh_store_put_if_absent(&s.cx, store, LH_S("k"), LH_S("first")));
    ck_lh_fails(lh_store_put_if_absent(&s.cx, store, LH_S("k"), LH_S("second")),
                LH_E_ALREADY_EXISTS);
    is_object(&s, store, "k", "first");
    ck_assert_uint_eq(staged_files(&s, store), 0);
    lh_store_close(store);
    lh_scratch_close(&s);
}

enum { RACERS = 8, ROUNDS = 20 };

typedef struct racer {
    lh_store *store;
    int id;
    int won;
    int lost;
} racer;

static void race(void *arg)
{
    racer *me = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    for (int round = 0; round < ROUNDS; round++) {
        lh_str key = lh_ctx_fmt(&cx, "race/%d", round);
        lh_str mine = lh_ctx_fmt(&cx, "%d", me->id);
        lh_rc rc = lh_store_put_if_absent(&cx, me->store, key, mine);
        me->won += rc == LH_OK;
        me->lost += rc == LH_E_ALREADY_EXISTS;
    }
    lh_arena_free(arena);
}

LH_TEST(of_eight_writers_exactly_one_wins)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    racer racers[RACERS];
    lh_thread *threads[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (racer){.store = store, .id = i};
        ck_lh_ok(&s, lh_thread_start(&s.cx, "racer", 0, race, &racers[i], &threads[i]));
    }
    int won = 0;
    int lost = 0;
    for (int i = 0; i < RACERS; i++) {
        lh_thread_join(threads[i]);
        won += racers[i].won;
        lost += racers[i].lost;
    }
    ck_assert_int_eq(won, ROUNDS);
    ck_assert_int_eq(lost, ROUNDS * (RACERS - 1));
    ck_assert_uint_eq(staged_files(&s, store), 0);
    lh_store_close(store);
    lh_scratch_close(&s);
}

#define A16  "aaaaaaaaaaaaaaaa"
#define A255 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 "aaaaaaaaaaaaaaa"

static const struct {
    lh_str key;
    int good;
} keys[] = {
    {LH_S_INIT("a"), 1},
    {LH_S_INIT("a/b.c/d-e_f=g h"), 1},
    {LH_S_INIT("..a/...b/c.."), 1},
    {LH_S_INIT("\xc3\xa9t\xc3\xa9/\xe6\x97\xa5"), 1},
    {LH_S_INIT(A255), 1},
    {LH_S_INIT("a/.lakehouse"), 1},
    {LH_S_INIT(""), 0},
    {LH_S_INIT("/a"), 0},
    {LH_S_INIT("a/"), 0},
    {LH_S_INIT("a//b"), 0},
    {LH_S_INIT("."), 0},
    {LH_S_INIT(".."), 0},
    {LH_S_INIT("../etc/passwd"), 0},
    {LH_S_INIT("a/../b"), 0},
    {LH_S_INIT("a/./b"), 0},
    {LH_S_INIT("a/.."), 0},
    {LH_S_INIT("a\\..\\b"), 0},
    {LH_S_INIT("a\0b"), 0},
    {LH_S_INIT("a\nb"), 0},
    {LH_S_INIT("a\x7f"), 0},
    {LH_S_INIT("\xff\xfe"), 0},
    {LH_S_INIT("\xc0\xae\xc0\xae/a"), 0},
    {LH_S_INIT(A255 "a"), 0},
    {LH_S_INIT(A255 "/" A255 "/" A255 "/" A255 "/a"), 0},
    {LH_S_INIT(".lakehouse/lock"), 0},
    {LH_S_INIT(".lakehouse"), 0},
};

LH_TEST_LOOP(only_plain_keys_are_taken, (int)LH_ARRAY_LEN(keys))
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    lh_str bytes;
    if (keys[_i].good) {
        ck_lh_ok(&s, lh_store_put(&s.cx, store, keys[_i].key, LH_S("x")));
        ck_lh_ok(&s, lh_store_get(&s.cx, store, keys[_i].key, 10, &bytes));
    } else {
        ck_lh_fails(lh_store_put(&s.cx, store, keys[_i].key, LH_S("x")), LH_E_BAD_NAME);
        ck_lh_fails(lh_store_get(&s.cx, store, keys[_i].key, 10, &bytes), LH_E_BAD_NAME);
        ck_lh_fails(lh_store_delete(&s.cx, store, keys[_i].key), LH_E_BAD_NAME);
    }
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(links_below_the_root_are_not_followed)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "outside"), LH_S("secret")));
    ck_assert_int_eq(symlink(s.dir, lh_scratch_path(&s, "data/out").ptr), 0);
    ck_assert_int_eq(symlink("../outside", lh_scratch_path(&s, "data/file").ptr), 0);
    lh_str bytes;
    lh_object_info info;
    lh_object_page page;
    ck_lh_fails(lh_store_get(&s.cx, store, LH_S("out/outside"), 10, &bytes), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_get(&s.cx, store, LH_S("file"), 10, &bytes), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_stat(&s.cx, store, LH_S("out/outside"), &info), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_put(&s.cx, store, LH_S("out/new"), LH_S("x")), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_delete(&s.cx, store, LH_S("out/outside")), LH_E_BAD_NAME);
    ck_lh_ok(&s, lh_store_list(&s.cx, store, LH_S(""), LH_S(""), 0, &page));
    ck_assert_uint_eq(page.count, 0);
    ck_assert(lh_file_exists(lh_scratch_path(&s, "outside")));
    ck_assert(!lh_file_exists(lh_scratch_path(&s, "new")));
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(a_key_cannot_be_both_object_and_folder)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    ck_lh_ok(&s, lh_store_put(&s.cx, store, LH_S("a/b"), LH_S("x")));
    ck_lh_fails(lh_store_put(&s.cx, store, LH_S("a"), LH_S("x")), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_put_if_absent(&s.cx, store, LH_S("a"), LH_S("x")), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_put(&s.cx, store, LH_S("a/b/c"), LH_S("x")), LH_E_BAD_NAME);
    lh_str bytes;
    ck_lh_fails(lh_store_get(&s.cx, store, LH_S("a"), 10, &bytes), LH_E_NOT_FOUND);
    ck_lh_ok(&s, lh_store_delete(&s.cx, store, LH_S("a")));
    is_object(&s, store, "a/b", "x");
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(ranges_are_exact_and_a_short_object_is_said)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    char out[16];
    lh_str bytes;
    ck_lh_ok(&s, lh_store_put(&s.cx, store, LH_S("k"), LH_S("0123456789")));
    ck_lh_ok(&s, lh_store_get_range(&s.cx, store, LH_S("k"), 3, out, 4));
    ck_assert_int_eq(memcmp(out, "3456", 4), 0);
    ck_lh_fails(lh_store_get_range(&s.cx, store, LH_S("k"), 8, out, 4), LH_E_BAD_VALUE);
    ck_lh_fails(lh_store_get_range(&s.cx, store, LH_S("k"), UINT64_MAX, out, 1), LH_E_BAD_VALUE);
    ck_lh_fails(lh_store_get(&s.cx, store, LH_S("k"), 9, &bytes), LH_E_TOO_LARGE);
    ck_assert_int_eq(truncate(lh_scratch_path(&s, "data/k").ptr, 5), 0);
    ck_lh_fails(lh_store_get_range(&s.cx, store, LH_S("k"), 3, out, 4), LH_E_BAD_VALUE);
    lh_store_close(store);
    lh_scratch_close(&s);
}

/* In byte order of whole keys, which is not the order of a tree walk. */
static const char *const listed[] = {"a!", "a.b",   "a/b",    "a/b!c", "a/b/c", "a/bc",
                                     "a0", "b/x/1", "b/x/10", "b/x/2", "b0",    "d/e/f/g"};

static void put_listed(lh_scratch *s, lh_store *store)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(listed); i++)
        if (strcmp(listed[i], "a/b") != 0) /* a/b is a folder */
            ck_lh_ok(s, lh_store_put(&s->cx, store, lh_str_from(listed[i]), LH_S("x")));
}

LH_TEST_LOOP(paging_visits_every_key_once_in_byte_order, 8)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    put_listed(&s, store);
    lh_str after = LH_S("");
    size_t seen = 0;
    size_t limit = (size_t)_i + 1;
    lh_object_page page = {.more = 1};
    while (page.more) {
        ck_lh_ok(&s, lh_store_list(&s.cx, store, LH_S(""), after, limit, &page));
        ck_assert(page.count > 0 && page.count <= limit);
        ck_assert(page.more == (seen + page.count < LH_ARRAY_LEN(listed) - 1));
        for (size_t i = 0; i < page.count; i++, seen++) {
            ck_assert_int_gt(lh_str_cmp(page.items[i].key, after), 0);
            ck_assert_uint_eq(page.items[i].bytes, 1);
            after = page.items[i].key;
        }
    }
    ck_assert_uint_eq(seen, LH_ARRAY_LEN(listed) - 1);
    lh_store_close(store);
    lh_scratch_close(&s);
}

static const struct {
    const char *prefix;
    const char *after;
    size_t count;
} lists[] = {
    {"", "", 11},      {"a", "", 6},      {"a/", "", 3},    {"a/b", "", 3},      {"a/b/", "", 1},
    {"a/b/c", "", 1},  {"zz", "", 0},     {"b/x/1", "", 2}, {"zz/y", "", 0},     {"b", "b/x/1", 3},
    {"", "zzz", 0},    {"", "b/x/10", 3}, {"", "c", 1},     {"d/e", "d/e/f", 1}, {"d/e/f/g", "", 1},
    {"a", "a/b/c", 2}, {"", "a/b", 9},
};

LH_TEST_LOOP(lists_are_cut_by_prefix_and_start, (int)LH_ARRAY_LEN(lists))
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    put_listed(&s, store);
    lh_object_page page;
    ck_lh_ok(&s, lh_store_list(&s.cx, store, lh_str_from(lists[_i].prefix),
                               lh_str_from(lists[_i].after), 0, &page));
    ck_assert_uint_eq(page.count, lists[_i].count);
    ck_assert(!page.more);
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(a_prefix_cannot_climb)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    lh_object_page page;
    ck_lh_fails(lh_store_list(&s.cx, store, LH_S("../"), LH_S(""), 0, &page), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_list(&s.cx, store, LH_S("a/../../x"), LH_S(""), 0, &page), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_list(&s.cx, store, LH_S("/etc/"), LH_S(""), 0, &page), LH_E_BAD_NAME);
    ck_lh_fails(lh_store_list(&s.cx, store, LH_S(".lakehouse/"), LH_S(""), 0, &page),
                LH_E_BAD_NAME);
    ck_lh_ok(&s, lh_store_list(&s.cx, store, LH_S(".lake"), LH_S(""), 0, &page));
    ck_assert_uint_eq(page.count, 0);
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(publish_reads_back_and_moves)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    lh_object_sum sum;
    ck_lh_ok(&s, lh_store_stage(&s.cx, store, &staged));
    ck_lh_ok(&s, lh_staged_write(&s.cx, staged, LH_S("a")));
    ck_lh_ok(&s, lh_staged_write(&s.cx, staged, LH_S("bc")));
    ck_assert_uint_eq(lh_staged_bytes(staged), 3);
    ck_lh_ok(&s, lh_staged_publish(&s.cx, staged, LH_S("big/one"), &sum));
    ck_assert_uint_eq(sum.bytes, 3);
    ck_assert_str_eq(sum.sha256,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    is_object(&s, store, "big/one", "abc");
    ck_lh_fails(lh_staged_publish(&s.cx, staged, LH_S("big/two"), &sum), LH_E_CONFLICT);
    lh_str path;
    ck_lh_ok(&s, lh_store_local_path(&s.cx, store, LH_S("big/one"), &path));
    ck_assert(lh_str_starts(path, lh_store_root(store)));
    ck_lh_fails(lh_store_local_path(&s.cx, store, LH_S("big/two"), &path), LH_E_NOT_FOUND);
    ck_assert_uint_eq(staged_files(&s, store), 0);
    staged = lh_staged_free(staged);
    is_object(&s, store, "big/one", "abc");
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(publish_takes_what_another_process_wrote)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    lh_staged *staged = NULL;
    lh_object_sum sum;
    ck_lh_ok(&s, lh_store_stage(&s.cx, store, &staged));
    ck_assert_uint_eq(lh_staged_bytes(staged), 0);
    ck_lh_fails(lh_staged_publish(&s.cx, staged, LH_S("w"), &sum), LH_E_NOT_FOUND);
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_staged_path(staged), LH_S("worker")));
    ck_assert_uint_eq(lh_staged_bytes(staged), 6);
    ck_lh_ok(&s, lh_staged_publish(&s.cx, staged, LH_S("w"), &sum));
    ck_assert_uint_eq(sum.bytes, 6);
    lh_staged_free(staged);

    ck_lh_ok(&s, lh_store_stage(&s.cx, store, &staged));
    ck_assert_int_eq(symlink("/etc/passwd", lh_staged_path(staged).ptr), 0);
    ck_lh_fails(lh_staged_publish(&s.cx, staged, LH_S("link"), &sum), LH_E_BAD_NAME);
    lh_staged_free(staged);
    ck_assert_uint_eq(staged_files(&s, store), 0);

    ck_lh_ok(&s, lh_store_stage(&s.cx, store, &staged));
    ck_lh_ok(&s, lh_staged_write(&s.cx, staged, LH_S("again")));
    ck_lh_fails(lh_staged_publish(&s.cx, staged, LH_S("w"), &sum), LH_E_ALREADY_EXISTS);
    is_object(&s, store, "w", "worker");
    lh_staged_free(staged);
    ck_assert_uint_eq(staged_files(&s, store), 0);
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(staging_is_empty_after_open)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    lh_staged *staged = NULL;
    ck_lh_ok(&s, lh_store_stage(&s.cx, store, &staged));
    ck_lh_ok(&s, lh_staged_write(&s.cx, staged, LH_S("left over")));
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "data/.lakehouse/staging/a/b")));
    lh_store *next = open_store(&s); /* as after a crash: the first is not closed */
    ck_assert_uint_eq(staged_files(&s, next), 0);
    lh_store_close(next);
    lh_staged_free(staged);
    lh_store_close(store);
    lh_scratch_close(&s);
}

#if defined(LH_FAULTS) && LH_FAULTS
static const lh_fault_point put_points[] = {LH_FAULT_DIR_BEFORE_MAKE, LH_FAULT_FILE_BEFORE_WRITE,
                                            LH_FAULT_FILE_BEFORE_SYNC, LH_FAULT_FILE_BEFORE_RENAME};

LH_TEST_LOOP(a_put_that_fails_before_the_rename_leaves_nothing, (int)LH_ARRAY_LEN(put_points))
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    lh_fault_arm(put_points[_i], LH_FAULT_FAIL, 1, 0);
    ck_lh_fails(lh_store_put_if_absent(&s.cx, store, LH_S("a/b/c"), LH_S("x")), LH_E_IO);
    lh_fault_disarm_all();
    lh_str bytes;
    ck_lh_fails(lh_store_get(&s.cx, store, LH_S("a/b/c"), 10, &bytes), LH_E_NOT_FOUND);
    ck_assert_uint_eq(staged_files(&s, store), 0);
    ck_lh_ok(&s, lh_store_put_if_absent(&s.cx, store, LH_S("a/b/c"), LH_S("x")));
    lh_store_close(store);
    lh_scratch_close(&s);
}

LH_TEST(a_failed_publish_can_be_tried_again)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_store *store = open_store(&s);
    lh_staged *staged = NULL;
    lh_object_sum sum;
    ck_lh_ok(&s, lh_store_stage(&s.cx, store, &staged));
    ck_lh_ok(&s, lh_staged_write(&s.cx, staged, LH_S("abc")));
    lh_fault_arm(LH_FAULT_STAGED_BEFORE_SYNC, LH_FAULT_FAIL, 1, 0);
    ck_lh_fails(lh_staged_publish(&s.cx, staged, LH_S("k"), &sum), LH_E_IO);
    lh_fault_disarm_all();
    ck_lh_ok(&s, lh_staged_publish(&s.cx, staged, LH_S("k"), &sum));
    lh_staged_free(staged);
    is_object(&s, store, "k", "abc");
    lh_store_close(store);
    lh_scratch_close(&s);
}
#endif
