/* The cache gives back what was put, across openings, and never anything else: whatever happens to
 * its file is a miss. */
#include "search/embed_cache.h"

#include "base/clock.h"
#include "base/fault.h"
#include "support/scratch.h"

enum { DIMENSIONS = 24, SET_BYTES = 8 * (48 + DIMENSIONS * 4), HEADER = 4096 };

static lh_embed_cache *open_cache(lh_scratch *s, const char *identity, uint64_t bytes_max)
{
    lh_embed_cache *cache = NULL;
    lh_embed_cache_options opts = {lh_scratch_path(s, "cache"), lh_str_from(identity), DIMENSIONS,
                                   bytes_max};
    ck_lh_ok(s, lh_embed_cache_open(&s->cx, &opts, &cache));
    return cache;
}

static lh_embed_key key_of(lh_scratch *s, unsigned number)
{
    lh_embed_key key;
    ck_lh_ok(s, lh_embed_key_of(&s->cx, 0, lh_ctx_fmt(&s->cx, "text %u", number), &key));
    return key;
}

static void put(lh_scratch *s, lh_embed_cache *cache, unsigned number)
{
    float vector[DIMENSIONS];
    lh_embed_key key = key_of(s, number);
    for (int i = 0; i < DIMENSIONS; i++)
        vector[i] = (float)number + (float)i / 32;
    lh_embed_cache_put(cache, &key, vector);
}

/* 1: there and right; 0: not there. A wrong vector fails the test. */
static int has(lh_scratch *s, lh_embed_cache *cache, unsigned number)
{
    float vector[DIMENSIONS];
    lh_embed_key key = key_of(s, number);
    if (!lh_embed_cache_get(cache, &key, vector))
        return 0;
    for (int i = 0; i < DIMENSIONS; i++)
        ck_assert(vector[i] == (float)number + (float)i / 32);
    return 1;
}

static lh_str only_file(lh_scratch *s)
{
    lh_dir_entry *entries;
    size_t count;
    ck_lh_ok(s, lh_dir_list(&s->cx, lh_scratch_path(s, "cache"), &entries, &count));
    ck_assert_uint_eq(count, 1);
    return lh_path_join(&s->cx, lh_scratch_path(s, "cache"), entries[0].name);
}

LH_TEST(what_was_put_is_there_after_reopening_and_nothing_else)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_cache *cache = open_cache(&s, "m|f32|a/1", 1 << 20);
    for (unsigned i = 0; i < 300; i += 2)
        put(&s, cache, i);
    lh_embed_cache_close(cache);
    cache = open_cache(&s, "m|f32|a/1", 1 << 20);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_int_eq(has(&s, cache, i), i % 2 == 0);
    lh_embed_cache_close(cache);
    lh_scratch_close(&s);
}

LH_TEST(question_and_document_are_two_texts)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_key a;
    lh_embed_key b;
    ck_lh_ok(&s, lh_embed_key_of(&s.cx, 0, LH_S("x"), &a));
    ck_lh_ok(&s, lh_embed_key_of(&s.cx, 1, LH_S("x"), &b));
    ck_assert_mem_ne(a.bytes, b.bytes, sizeof a.bytes);
    lh_scratch_close(&s);
}

LH_TEST(the_file_keeps_its_size_and_the_oldest_goes)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_clock_set_test(1, 1000000000000000);
    lh_embed_cache *cache = open_cache(&s, "m|f32|a/1", HEADER + SET_BYTES); /* one set */
    lh_embed_cache_stats stats;
    lh_embed_cache_get_stats(cache, &stats);
    ck_assert_uint_eq(stats.capacity, 8);
    for (unsigned i = 0; i < 8; i++) {
        put(&s, cache, i);
        lh_clock_advance_test(3600 * INT64_C(1000000));
    }
    ck_assert_int_eq(has(&s, cache, 0), 1); /* used again: 1 is the oldest now */
    lh_clock_advance_test(3600 * INT64_C(1000000));
    put(&s, cache, 8);
    ck_assert_int_eq(has(&s, cache, 0), 1);
    ck_assert_int_eq(has(&s, cache, 1), 0);
    for (unsigned i = 100; i < 200; i++)
        put(&s, cache, i);
    lh_embed_cache_get_stats(cache, &stats);
    ck_assert_uint_eq(stats.evicted, 1 + 100);
    lh_embed_cache_close(cache);
    lh_clock_reset();
    lh_str bytes;
    ck_lh_ok(&s, lh_file_read_all(&s.cx, only_file(&s), 1 << 20, &bytes));
    ck_assert_uint_eq(bytes.len, HEADER + SET_BYTES);
    lh_scratch_close(&s);
}

LH_TEST(no_bent_byte_gives_a_wrong_vector)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_cache *cache = open_cache(&s, "m|f32|a/1", HEADER + SET_BYTES);
    for (unsigned i = 0; i < 8; i++)
        put(&s, cache, i);
    lh_embed_cache_close(cache);
    lh_str path = only_file(&s);
    lh_str whole;
    ck_lh_ok(&s, lh_file_read_all(&s.cx, path, 1 << 20, &whole));
    unsigned missed = 0;
    for (size_t at = 0; at < whole.len; at += at < 1100 || at >= HEADER ? 3 : 97) {
        LH_CLEANUP(lh_file_close) lh_file *file = NULL;
        ck_lh_ok(&s, lh_file_open(&s.cx, path, LH_FILE_READ_WRITE, &file));
        ck_lh_ok(&s, lh_file_write_at(&s.cx, file, 0, whole));
        char bent = (char)(whole.ptr[at] ^ 0x10);
        ck_lh_ok(&s, lh_file_write_at(&s.cx, file, at, lh_str_n(&bent, 1)));
        cache = open_cache(&s, "m|f32|a/1", HEADER + SET_BYTES);
        for (unsigned i = 0; i < 8; i++)
            missed += !has(&s, cache, i);
        put(&s, cache, 3); /* and it goes on */
        ck_assert_int_eq(has(&s, cache, 3), 1);
        lh_embed_cache_close(cache);
    }
    ck_assert_uint_gt(missed, 100);
    lh_scratch_close(&s);
}

LH_TEST(a_file_that_is_cut_is_begun_anew)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_cache *cache = open_cache(&s, "m|f32|a/1", 1 << 16);
    put(&s, cache, 1);
    lh_embed_cache_close(cache);
    {
        LH_CLEANUP(lh_file_close) lh_file *file = NULL;
        ck_lh_ok(&s, lh_file_open(&s.cx, only_file(&s), LH_FILE_READ_WRITE, &file));
        ck_lh_ok(&s, lh_file_truncate(&s.cx, file, 5000));
    }
    cache = open_cache(&s, "m|f32|a/1", 1 << 16);
    ck_assert_int_eq(has(&s, cache, 1), 0);
    put(&s, cache, 1);
    ck_assert_int_eq(has(&s, cache, 1), 1);
    lh_embed_cache_close(cache);
    lh_scratch_close(&s);
}

LH_TEST(models_do_not_share_and_old_ones_leave)
{
    lh_scratch s;
    lh_scratch_open(&s);
    static const char *const identities[] = {"m|f32|a/1", "m|int8|a/1", "m|f32|a/2", "n|f32|a/1"};
    for (size_t i = 0; i < LH_ARRAY_LEN(identities); i++) {
        lh_embed_cache *cache = open_cache(&s, identities[i], 1 << 16);
        ck_assert_int_eq(has(&s, cache, 7), 0);
        put(&s, cache, 7);
        lh_embed_cache_close(cache);
    }
    lh_dir_entry *entries;
    size_t count;
    ck_lh_ok(&s, lh_dir_list(&s.cx, lh_scratch_path(&s, "cache"), &entries, &count));
    ck_assert_uint_eq(count, LH_EMBED_CACHE_FILES_MAX);
    lh_scratch_close(&s);
}

#if defined(LH_FAULTS) && LH_FAULTS
/* As a kill between the two writes would: the old entry must not answer with the new vector. */
LH_TEST(a_write_that_stops_in_the_middle_is_a_miss)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_cache *cache = open_cache(&s, "m|f32|a/1", HEADER + SET_BYTES);
    for (unsigned i = 0; i < 8; i++)
        put(&s, cache, i);
    lh_fault_arm(LH_FAULT_EMBED_CACHE_BEFORE_HEAD, LH_FAULT_FAIL, 1, 0);
    put(&s, cache, 8);
    lh_fault_disarm_all();
    unsigned there = 0;
    for (unsigned i = 0; i < 9; i++)
        there += (unsigned)has(&s, cache, i);
    ck_assert_uint_eq(there, 7);
    lh_embed_cache_stats stats;
    lh_embed_cache_get_stats(cache, &stats);
    ck_assert_uint_eq(stats.damaged, 1);
    ck_assert_int_eq(stats.full_disk, 1); /* takes no more until it is opened again */
    lh_embed_cache_close(cache);
    cache = open_cache(&s, "m|f32|a/1", HEADER + SET_BYTES);
    put(&s, cache, 8);
    ck_assert_int_eq(has(&s, cache, 8), 1);
    lh_embed_cache_close(cache);
    lh_scratch_close(&s);
}
#endif
