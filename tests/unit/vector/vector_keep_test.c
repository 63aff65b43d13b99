/* vector_keep_test.c - a build that was cut off behind any of its phases goes on there and ends
 * with the bytes it would have had; what is damaged, foreign or cannot be written never changes
 * them. */
#include "base/fault.h"
#include "os/file.h"
#include "support/scratch.h"
#include "vector_fixture.h"

enum { ROWS = 2000, DIM = 24, SLICES = 3, STAGES = 1 + SLICES + 1 };
#define MEMORY_OF_SLICES 1100000u

typedef struct kept_build {
    lh_scratch s;
    float *rows;
    lh_file *file;
    lh_vector_keep keep;
    lh_vector_options options;
    fixture_segment wanted; /* of a build that kept nothing */
} kept_build;

static void begin(kept_build *k)
{
    lh_scratch_open(&k->s);
    lh_fault_disarm_all();
    k->rows = fixture_rows(ROWS, DIM, 6);
    k->options = (lh_vector_options){.dimensions = DIM,
                                     .kind = LH_VECTOR_GRAPH,
                                     .ef_construction = 80,
                                     .threads = 2,
                                     .seed = 5,
                                     .memory_bytes_max = MEMORY_OF_SLICES};
    ck_lh_ok(&k->s, fixture_build(&k->s.cx, &k->options, k->rows, ROWS, &k->wanted));
    ck_lh_ok(&k->s,
             lh_file_open(&k->s.cx, lh_scratch_path(&k->s, "kept"), LH_FILE_READ_WRITE, &k->file));
    k->keep = (lh_vector_keep){.file = k->file, .rows_min = 1};
    k->options.keep = &k->keep;
}

static void end(kept_build *k)
{
    lh_fault_disarm_all();
    lh_file_close(k->file);
    fixture_free(&k->wanted);
    free(k->rows);
    lh_scratch_close(&k->s);
}

static void builds_what_is_wanted(kept_build *k)
{
    fixture_segment made;
    ck_lh_ok(&k->s, fixture_build(&k->s.cx, &k->options, k->rows, ROWS, &made));
    ck_assert_uint_eq(made.count, k->wanted.count);
    ck_assert(memcmp(made.bytes, k->wanted.bytes, made.count) == 0);
    fixture_free(&made);
}

/* Ends behind stage number `stage`, 1 is the first. */
static void cut_off(kept_build *k, uint32_t stage)
{
    fixture_segment made;
    lh_fault_arm(LH_FAULT_VECTOR_AFTER_STAGE, LH_FAULT_FAIL, stage, 0);
    ck_lh_fails(fixture_build(&k->s.cx, &k->options, k->rows, ROWS, &made), LH_E_IO);
    fixture_free(&made);
    lh_err_clear(&k->s.cx);
    lh_fault_disarm_all();
}

static void empty(kept_build *k)
{
    ck_lh_ok(&k->s, lh_file_truncate(&k->s.cx, k->file, 0));
}

static uint64_t size_of(kept_build *k)
{
    uint64_t bytes = 0;
    ck_lh_ok(&k->s, lh_file_size(&k->s.cx, k->file, &bytes));
    return bytes;
}

LH_TEST(a_build_cut_off_behind_any_phase_goes_on_to_the_same_bytes)
{
    kept_build k = {0};
    begin(&k);
    for (uint32_t stage = 1; stage <= STAGES; stage++) {
        empty(&k);
        k.options.threads = 2;
        k.options.memory_bytes_max = MEMORY_OF_SLICES;
        cut_off(&k, stage);
        uint64_t left = size_of(&k);
        /* Other threads, and in one slice what was begun in three. */
        k.options.threads = stage % 2 ? 1 : 5;
        k.options.memory_bytes_max = stage == 3 ? 0 : MEMORY_OF_SLICES;
        builds_what_is_wanted(&k);
        ck_assert_uint_ge(k.keep.bytes_used, left);
        ck_assert_str_eq(k.keep.trouble, "");
    }
    end(&k);
}

LH_TEST(a_build_cut_off_again_and_again_makes_each_phase_once)
{
    kept_build k = {0};
    begin(&k);
    uint64_t left = 0;
    for (int stage = 1; stage <= STAGES; stage++) {
        cut_off(&k, 1);
        ck_assert_uint_gt(size_of(&k), left);
        ck_assert_uint_ge(k.keep.bytes_used, left);
        left = size_of(&k);
    }
    builds_what_is_wanted(&k);
    ck_assert_uint_ge(size_of(&k), left);
    ck_assert_uint_lt(size_of(&k), left + 4096); /* no stage was written twice */
    end(&k);
}

LH_TEST(other_rows_or_options_are_not_gone_on_from)
{
    kept_build k = {0};
    begin(&k);
    for (int change = 0; change < 4; change++) {
        lh_vector_options other = k.options;
        float *rows = fixture_rows(ROWS, DIM, 6);
        fixture_segment made;
        empty(&k);
        cut_off(&k, 4);
        other.memory_bytes_max = 0;
        other.seed += change == 0;
        other.ef_construction += change == 1 ? 100 : 0;
        other.metric = change == 2 ? LH_VECTOR_EUCLIDEAN : LH_VECTOR_COSINE;
        for (int i = 0; change == 3 && i < DIM; i++)
            rows[700 * DIM + i] = -rows[700 * DIM + i];
        ck_lh_ok(&k.s, fixture_build(&k.s.cx, &other, rows, ROWS, &made));
        ck_assert_uint_eq(k.keep.bytes_used, 0);
        ck_assert_str_ne(k.keep.trouble, "");
        fixture_segment alone;
        other.keep = NULL;
        ck_lh_ok(&k.s, fixture_build(&k.s.cx, &other, rows, ROWS, &alone));
        ck_assert_uint_eq(made.count, alone.count);
        ck_assert(memcmp(made.bytes, alone.bytes, made.count) == 0);
        fixture_free(&made);
        fixture_free(&alone);
        free(rows);
    }
    end(&k);
}

LH_TEST(damage_is_found_and_what_stands_before_it_is_used)
{
    kept_build k = {0};
    uint32_t seed = 11;
    begin(&k);
    cut_off(&k, STAGES);
    size_t bytes = (size_t)size_of(&k);
    lh_str whole;
    ck_lh_ok(&k.s, lh_file_read_all(&k.s.cx, lh_scratch_path(&k.s, "kept"), 1 << 26, &whole));
    for (int i = 0; i < 24; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t at = (uint64_t)seed * bytes >> 32;
        char flipped = (char)(whole.ptr[at] ^ 1 << (i % 8));
        empty(&k);
        ck_lh_ok(&k.s, lh_file_write_at(&k.s.cx, k.file, 0, whole));
        if (i % 3 == 2)
            ck_lh_ok(&k.s, lh_file_truncate(&k.s.cx, k.file, at));
        else
            ck_lh_ok(&k.s, lh_file_write_at(&k.s.cx, k.file, at, lh_str_n(&flipped, 1)));
        builds_what_is_wanted(&k);
        ck_assert_uint_le(k.keep.bytes_used, bytes + 4096);
        if (i % 3 == 2 && at > 0)
            ck_assert_uint_le(k.keep.bytes_used, at + 4096);
    }
    empty(&k);
    ck_lh_ok(&k.s, lh_file_write_at(&k.s.cx, k.file, 0, LH_S("not what was kept at all")));
    builds_what_is_wanted(&k);
    ck_assert_uint_eq(k.keep.bytes_used, 0);
    ck_assert_str_ne(k.keep.trouble, "");
    end(&k);
}

LH_TEST(a_build_goes_on_when_nothing_can_be_kept)
{
    kept_build k = {0};
    begin(&k);
    for (uint32_t stage = 1; stage <= STAGES; stage++) {
        empty(&k);
        lh_fault_arm(LH_FAULT_VECTOR_BEFORE_STAGE, LH_FAULT_FAIL, stage, 0);
        builds_what_is_wanted(&k);
        lh_fault_disarm_all();
        ck_assert_str_ne(k.keep.trouble, "");
        builds_what_is_wanted(&k); /* goes on behind those that were */
        ck_assert_int_eq(k.keep.bytes_used > 0, stage > 1);
    }
    end(&k);
}

LH_TEST(few_rows_are_not_kept)
{
    kept_build k = {0};
    begin(&k);
    k.keep.rows_min = ROWS + 1;
    builds_what_is_wanted(&k);
    ck_assert_uint_eq(size_of(&k), 0);
    k.keep.rows_min = 0;
    builds_what_is_wanted(&k);
    ck_assert_uint_eq(size_of(&k), 0);
    end(&k);
}
