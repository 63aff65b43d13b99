/* append_log_test.c - the promises of storage/append_log.h. */
#include "base/fault.h"
#include "os/thread.h"
#include "storage/append_log.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct bench {
    lh_scratch s;
    lh_store *store;
    lh_append_log *log;
    lh_append_log_options opts;
} bench;

static void reopen(bench *b)
{
    lh_append_log_close(b->log);
    lh_store_close(b->store);
    b->log = NULL;
    ck_lh_ok(&b->s, lh_store_open_local(&b->s.cx, lh_scratch_path(&b->s, "data"),
                                        lh_scratch_path(&b->s, "staging"), &b->store));
    ck_lh_ok(&b->s, lh_append_log_open(&b->s.cx, b->store, &b->opts, &b->log));
}

static void begin(bench *b, uint32_t flush_records)
{
    *b = (bench){.opts = {.prefix = LH_S("log/"), .flush_records = flush_records, .recent_max = 4}};
    lh_scratch_open(&b->s);
    reopen(b);
}

static void end(bench *b)
{
    lh_append_log_close(b->log);
    lh_store_close(b->store);
    lh_scratch_close(&b->s);
}

static lh_rc append(bench *b, int n)
{
    lh_str line = lh_ctx_fmt(&b->s.cx, "{\"n\":%d}", n);
    return lh_append_log_append(&b->s.cx, b->log, &line, 1);
}

/* All numbers in batches, in order, as one text. */
static const char *content(bench *b)
{
    static char text[4096];
    size_t len = 0;
    lh_append_log_pin pin;
    text[0] = '\0';
    ck_lh_ok(&b->s, lh_append_log_pin_batches(&b->s.cx, b->log, &pin));
    for (size_t i = 0; i < pin.count; i++) {
        lh_str *lines;
        size_t count;
        ck_lh_ok(&b->s, lh_append_log_read(&b->s.cx, b->log, &pin.batches[i], &lines, &count));
        ck_assert_uint_eq(count, pin.batches[i].records);
        for (size_t j = 0; j < count; j++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s ", (int)lines[j].len - 6,
                                    lines[j].ptr + 5);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "| ");
    }
    lh_append_log_unpin(b->log, &pin);
    return text;
}

static const char *recent(bench *b, size_t limit)
{
    static char text[1024];
    lh_str *lines;
    size_t count;
    size_t len = 0;
    text[0] = '\0';
    ck_lh_ok(&b->s, lh_append_log_recent(&b->s.cx, b->log, limit, &lines, &count));
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s ", (int)lines[i].len - 6,
                                lines[i].ptr + 5);
    return text;
}

LH_TEST(append_is_durable_when_it_returns)
{
    bench b;
    begin(&b, 1);
    ck_lh_ok(&b.s, append(&b, 1));
    ck_lh_ok(&b.s, append(&b, 2));
    ck_assert_str_eq(content(&b), "1 | 2 | ");
    reopen(&b);
    ck_assert_str_eq(content(&b), "1 | 2 | ");
    ck_assert_str_eq(recent(&b, 0), "2 1 ");
    end(&b);
}

LH_TEST(a_buffered_log_flushes_when_asked_or_full)
{
    bench b;
    begin(&b, 3);
    ck_lh_ok(&b.s, append(&b, 1));
    ck_lh_ok(&b.s, append(&b, 2));
    ck_assert_str_eq(content(&b), "");
    ck_assert_str_eq(recent(&b, 0), "2 1 ");
    ck_lh_ok(&b.s, append(&b, 3));
    ck_assert_str_eq(content(&b), "1 2 3 | ");
    ck_lh_ok(&b.s, append(&b, 4));
    ck_lh_ok(&b.s, lh_append_log_flush(&b.s.cx, b.log));
    ck_lh_ok(&b.s, lh_append_log_flush(&b.s.cx, b.log));
    ck_assert_str_eq(content(&b), "1 2 3 | 4 | ");
    ck_assert_str_eq(recent(&b, 2), "4 3 ");
    lh_append_log_stats stats;
    lh_append_log_get_stats(b.log, &stats);
    ck_assert_uint_eq(stats.batches, 2);
    ck_assert_uint_eq(stats.records, 4);
    ck_assert_uint_eq(stats.waiting_records, 0);
    end(&b);
}

LH_TEST(what_is_not_one_json_line_is_refused)
{
    bench b;
    begin(&b, 1);
    static char big[LH_APPEND_LOG_RECORD_MAX + 1];
    memset(big, ' ', sizeof(big));
    big[0] = '{';
    big[sizeof(big) - 1] = '}';
    const lh_str bad[] = {LH_S(""), LH_S("x"), LH_S("{\n}"), LH_S("{}\n"), LH_S("[1]")};
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_lh_fails(lh_append_log_append(&b.s.cx, b.log, &bad[i], 1), LH_E_BAD_VALUE);
    lh_str too_big = lh_str_n(big, sizeof(big));
    ck_lh_fails(lh_append_log_append(&b.s.cx, b.log, &too_big, 1), LH_E_TOO_LARGE);
    lh_str largest = lh_str_n(big + 1, sizeof(big) - 1);
    big[1] = '{';
    ck_lh_ok(&b.s, lh_append_log_append(&b.s.cx, b.log, &largest, 1));
    end(&b);
}

LH_TEST(a_merge_keeps_order_and_is_seen_after_restart)
{
    bench b;
    lh_append_log_compacted done;
    begin(&b, 1);
    for (int i = 1; i <= 5; i++)
        ck_lh_ok(&b.s, append(&b, i));
    ck_lh_ok(&b.s, lh_append_log_compact(&b.s.cx, b.log, LH_APPEND_LOG_COMPACT_ALL, &done));
    ck_assert_uint_eq(done.batches_before, 5);
    ck_assert_uint_eq(done.batches_after, 1);
    ck_assert_str_eq(content(&b), "1 2 3 4 5 | ");
    ck_lh_ok(&b.s, append(&b, 6));
    ck_assert_str_eq(content(&b), "1 2 3 4 5 | 6 | ");
    reopen(&b);
    ck_assert_str_eq(content(&b), "1 2 3 4 5 | 6 | ");
    ck_assert_str_eq(recent(&b, 0), "6 5 4 3 ");
    ck_lh_ok(&b.s, lh_append_log_compact(&b.s.cx, b.log, LH_APPEND_LOG_COMPACT_ALL, &done));
    ck_lh_ok(&b.s, lh_append_log_compact(&b.s.cx, b.log, LH_APPEND_LOG_COMPACT_ALL, &done));
    ck_assert_str_eq(content(&b), "1 2 3 4 5 6 | ");
    end(&b);
}

LH_TEST(tiers_keep_the_number_of_batches_small)
{
    bench b;
    lh_append_log_compacted done;
    begin(&b, 1);
    for (int i = 0; i < 300; i++) {
        ck_lh_ok(&b.s, append(&b, i));
        ck_lh_ok(&b.s, lh_append_log_compact(&b.s.cx, b.log, LH_APPEND_LOG_COMPACT_TIERED, &done));
    }
    lh_append_log_stats stats;
    lh_append_log_get_stats(b.log, &stats);
    ck_assert_uint_lt(stats.batches, 20);
    ck_assert_uint_eq(stats.records, 300);
    end(&b);
}

enum { WRITERS = 6, EACH = 40 };

typedef struct writer {
    lh_append_log *log;
    int id;
    int failed;
} writer;

static void write_many(void *arg)
{
    writer *me = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    for (int i = 0; i < EACH; i++) {
        lh_str line = lh_ctx_fmt(&cx, "{\"w\":%d,\"i\":%d}", me->id, i);
        me->failed += lh_append_log_append(&cx, me->log, &line, 1) != LH_OK;
        if (me->id == 0 && i % 10 == 9) {
            lh_append_log_compacted done;
            me->failed +=
                lh_append_log_compact(&cx, me->log, LH_APPEND_LOG_COMPACT_ALL, &done) != LH_OK;
        }
    }
    lh_arena_free(arena);
}

LH_TEST(many_writers_and_a_merger_lose_and_double_nothing)
{
    bench b;
    begin(&b, 1);
    writer writers[WRITERS];
    lh_thread *threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.log = b.log, .id = i};
        ck_lh_ok(&b.s, lh_thread_start(&b.s.cx, "writer", 0, write_many, &writers[i], &threads[i]));
    }
    for (int i = 0; i < WRITERS; i++) {
        lh_thread_join(threads[i]);
        ck_assert_int_eq(writers[i].failed, 0);
    }
    int next[WRITERS] = {0};
    lh_append_log_pin pin;
    reopen(&b);
    ck_lh_ok(&b.s, lh_append_log_pin_batches(&b.s.cx, b.log, &pin));
    for (size_t i = 0; i < pin.count; i++) {
        lh_str *lines;
        size_t count;
        ck_lh_ok(&b.s, lh_append_log_read(&b.s.cx, b.log, &pin.batches[i], &lines, &count));
        for (size_t j = 0; j < count; j++) {
            int id, n;
            ck_assert_int_eq(sscanf(lines[j].ptr, "{\"w\":%d,\"i\":%d}", &id, &n), 2);
            ck_assert_int_eq(next[id], n); /* in order, each once */
            next[id]++;
        }
    }
    lh_append_log_unpin(b.log, &pin);
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(next[i], EACH);
    end(&b);
}

static lh_str only_batch(bench *b)
{
    lh_object_page page;
    ck_lh_ok(&b->s, lh_store_list(&b->s.cx, b->store, LH_S("log/"), LH_S(""), 0, &page));
    ck_assert_uint_eq(page.count, 1);
    lh_str path;
    ck_lh_ok(&b->s, lh_store_local_path(&b->s.cx, b->store, page.items[0].key, &path));
    return path;
}

static lh_rc open_again(bench *b, uint32_t flags, lh_append_log **ret_log)
{
    b->opts.flags = flags;
    return lh_append_log_open(&b->s.cx, b->store, &b->opts, ret_log);
}

LH_TEST(every_flipped_bit_of_a_batch_is_found)
{
    bench b;
    begin(&b, 2);
    ck_lh_ok(&b.s, append(&b, 1));
    ck_lh_ok(&b.s, append(&b, 2));
    lh_str path = only_batch(&b);
    lh_str bytes;
    ck_lh_ok(&b.s, lh_file_read_all(&b.s.cx, path, 4096, &bytes));
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        char *copy = (char *)(uintptr_t)lh_ctx_dup(&b.s.cx, bytes).ptr;
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        int fd = open(path.ptr, O_WRONLY | O_TRUNC);
        ck_assert_int_eq(write(fd, copy, bytes.len), (ssize_t)bytes.len);
        close(fd);
        lh_append_log *log = NULL;
        lh_rc rc = open_again(&b, 0, &log);
        /* Letters of "chain" in hex may change case, digits of JSON white space do not exist here:
         * all else is found. */
        if (rc == LH_OK) {
            lh_str *lines;
            size_t count;
            ck_lh_ok(&b.s, lh_append_log_recent(&b.s.cx, log, 0, &lines, &count));
            ck_assert_uint_eq(count, 2);
            ck_assert(lh_str_eq(lines[0], LH_S("{\"n\":2}")) &&
                      lh_str_eq(lines[1], LH_S("{\"n\":1}")));
            lh_append_log_close(log);
        } else {
            ck_lh_fails(rc, LH_E_CORRUPT);
        }
    }
    end(&b);
}

LH_TEST(a_cut_batch_is_an_error_or_left_out)
{
    bench b;
    lh_append_log *log = NULL;
    begin(&b, 1);
    ck_lh_ok(&b.s, append(&b, 1));
    lh_str path = only_batch(&b);
    ck_assert_int_eq(truncate(path.ptr, 8), 0); /* the record is whole, the seal is gone */
    ck_lh_fails(open_again(&b, 0, &log), LH_E_CORRUPT);
    ck_lh_ok(&b.s, open_again(&b, LH_APPEND_LOG_SALVAGE, &log));
    lh_append_log_stats stats;
    lh_append_log_get_stats(log, &stats);
    ck_assert_uint_eq(stats.corrupt_batches, 1);
    ck_assert_uint_eq(stats.batches, 0);
    lh_append_log_close(log);
    ck_lh_ok(&b.s, open_again(&b, LH_APPEND_LOG_UNSEALED, &log));
    lh_append_log_get_stats(log, &stats);
    ck_assert_uint_eq(stats.records, 1);
    lh_append_log_close(log);
    end(&b);
}

LH_TEST(names_of_others_are_left_alone)
{
    bench b;
    begin(&b, 1);
    static const char *const others[] = {
        "log/batch_12.jsonl", "log/batch_1763733360123456.parquet", "log/notes.txt",
        "log/batch_1763733360123456_1763733360123456.jsonl", "log/batch_-763733360123456.jsonl"};
    for (size_t i = 0; i < LH_ARRAY_LEN(others); i++)
        ck_lh_ok(&b.s, lh_store_put(&b.s.cx, b.store, lh_str_from(others[i]), LH_S("x")));
    reopen(&b);
    ck_assert_str_eq(content(&b), "");
    ck_lh_ok(&b.s, append(&b, 1));
    reopen(&b);
    ck_assert_str_eq(content(&b), "1 | ");
    end(&b);
}

#if defined(LH_FAULTS) && LH_FAULTS
static const lh_fault_point append_points[] = {
    LH_FAULT_APPEND_LOG_BEFORE_PUT, LH_FAULT_FILE_BEFORE_WRITE,    LH_FAULT_FILE_BEFORE_SYNC,
    LH_FAULT_FILE_BEFORE_RENAME,    LH_FAULT_FILE_BEFORE_DIR_SYNC, LH_FAULT_APPEND_LOG_AFTER_PUT};

LH_TEST_LOOP(a_failed_append_is_not_in_the_log, (int)LH_ARRAY_LEN(append_points))
{
    bench b;
    begin(&b, 1);
    ck_lh_ok(&b.s, append(&b, 1));
    lh_fault_arm(append_points[_i], LH_FAULT_FAIL, 1, 0);
    ck_lh_fails(append(&b, 2), LH_E_IO);
    lh_fault_disarm_all();
    ck_assert_str_eq(recent(&b, 0), "1 ");
    ck_lh_ok(&b.s, append(&b, 3));
    ck_assert_str_eq(content(&b), "1 | 3 | ");
    reopen(&b);
    ck_assert_str_eq(content(&b), "1 | 3 | ");
    end(&b);
}

LH_TEST_LOOP(a_failed_flush_keeps_what_was_acknowledged_before, (int)LH_ARRAY_LEN(append_points))
{
    bench b;
    begin(&b, 3);
    ck_lh_ok(&b.s, append(&b, 1));
    ck_lh_ok(&b.s, append(&b, 2));
    lh_fault_arm(append_points[_i], LH_FAULT_FAIL, 1, 0);
    ck_lh_fails(append(&b, 3), LH_E_IO);
    lh_fault_disarm_all();
    ck_assert_str_eq(recent(&b, 0), "2 1 ");
    ck_lh_ok(&b.s, append(&b, 4));
    ck_assert_str_eq(content(&b), "1 2 4 | ");
    reopen(&b);
    ck_assert_str_eq(content(&b), "1 2 4 | ");
    end(&b);
}

static const lh_fault_point merge_points[] = {LH_FAULT_APPEND_LOG_COMPACT_BEFORE_PUT,
                                              LH_FAULT_STAGED_BEFORE_SYNC,
                                              LH_FAULT_FILE_BEFORE_SYNC,
                                              LH_FAULT_FILE_BEFORE_RENAME,
                                              LH_FAULT_FILE_BEFORE_DIR_SYNC,
                                              LH_FAULT_APPEND_LOG_COMPACT_BEFORE_DELETE,
                                              LH_FAULT_FILE_BEFORE_REMOVE,
                                              LH_FAULT_APPEND_LOG_COMPACT_IN_DELETE,
                                              LH_FAULT_FILE_BEFORE_WRITE};

LH_TEST_LOOP(a_failed_merge_loses_nothing_and_can_be_tried_again, (int)LH_ARRAY_LEN(merge_points))
{
    bench b;
    lh_append_log_compacted done;
    begin(&b, 1);
    for (int i = 1; i <= 3; i++)
        ck_lh_ok(&b.s, append(&b, i));
    lh_fault_arm(merge_points[_i], LH_FAULT_FAIL, 1, 0);
    ck_lh_fails(lh_append_log_compact(&b.s.cx, b.log, LH_APPEND_LOG_COMPACT_ALL, &done), LH_E_IO);
    lh_fault_disarm_all();
    lh_append_log_stats stats;
    lh_append_log_get_stats(b.log, &stats);
    ck_assert_uint_eq(stats.records, 3);
    ck_lh_ok(&b.s, append(&b, 4));
    ck_lh_ok(&b.s, lh_append_log_compact(&b.s.cx, b.log, LH_APPEND_LOG_COMPACT_ALL, &done));
    ck_assert_str_eq(content(&b), "1 2 3 4 | ");
    reopen(&b);
    ck_assert_str_eq(content(&b), "1 2 3 4 | ");
    end(&b);
}
#endif
