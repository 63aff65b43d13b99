/* index_program_test.c - the index program in its sandbox: a file of vectors becomes the segment
 * the library makes, and what is wrong is said. links: worker vector os base programs */
#include "os/file.h"
#include "support/scratch.h"
#include "support/test_pool.h"
#include "vector/vector_index.h"

enum { ROWS = 700, DIM = 20 };

typedef struct fixture {
    lh_scratch s;
    lh_test_pool pool;
    lh_str rows;
    lh_str segment;
    float *floats;
} fixture;

static void begin(fixture *f)
{
    uint32_t seed = 3;
    lh_scratch_open(&f->s);
    lh_test_pool_open(&f->pool, NULL);
    f->rows = lh_scratch_path(&f->s, "rows");
    f->segment = lh_scratch_path(&f->s, "segment");
    f->floats = LH_NEW_ARRAY(&f->s.cx, float, ROWS *DIM);
    for (size_t i = 0; i < ROWS * DIM; i++) {
        seed = seed * 1664525u + 1013904223u;
        f->floats[i] = (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
    }
    ck_lh_ok(&f->s,
             lh_file_replace(&f->s.cx, f->rows, lh_str_n(f->floats, ROWS * DIM * sizeof(float))));
}

static void end(fixture *f)
{
    lh_test_pool_close(&f->pool);
    lh_scratch_close(&f->s);
}

static lh_rc ask(fixture *f, lh_str json, size_t files, lh_index_done *ret_done)
{
    lh_ctx *cx = &f->pool.cx;
    LH_CLEANUP(lh_file_close) lh_file *in = NULL;
    LH_CLEANUP(lh_file_close) lh_file *out = NULL;
    LH_CLEANUP(lh_file_close) lh_file *kept = NULL;
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_file_remove(cx, f->segment));
    LH_TRY(lh_file_open(cx, f->rows, LH_FILE_READ_WRITE, &in));
    LH_TRY(lh_file_open(cx, f->segment, LH_FILE_READ_WRITE, &out));
    LH_TRY(lh_file_open(cx, lh_scratch_path(&f->s, "kept"), LH_FILE_READ_WRITE, &kept));
    LH_TRY(lh_pool_lease(cx, f->pool.pool, LH_WORKER_INDEX, LH_S("index"), &lease));
    int fds[] = {lh_file_fd(in), lh_file_fd(out), lh_file_fd(kept)};
    LH_TRY(lh_lease_task(cx, lease, json, fds, files));
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, &lh_index_done_record, lh_ctx_dup(cx, frame.payload),
                                   ret_done);
        ck_assert_int_eq(frame.kind, LH_FRAME_PROGRESS);
    }
}

static lh_str task(fixture *f, unsigned rows, unsigned kind, unsigned ef)
{
    return lh_ctx_fmt(&f->s.cx,
                      "{\"rows\":%u,\"dimensions\":%d,\"kind\":%u,\"metric\":0,"
                      "\"ef_construction\":%u,\"seed\":9,\"keep_from\":1}",
                      rows, (int)DIM, kind, ef);
}

LH_TEST(the_worker_writes_what_the_library_writes)
{
    fixture f;
    lh_index_done done;
    begin(&f);
    for (unsigned kind = LH_VECTOR_AUTO; kind <= LH_VECTOR_GRAPH; kind++) {
        lh_str path = lh_scratch_path(&f.s, "expected");
        lh_file *file = NULL;
        lh_str expected;
        lh_str found;
        uint64_t bytes;
        lh_vector_options options = {
            .dimensions = DIM, .kind = (lh_vector_kind)kind, .seed = 9, .threads = 1};
        lh_vector_source source = {.rows = ROWS, .floats = f.floats};
        ck_lh_ok(&f.s, lh_file_remove(&f.s.cx, path));
        ck_lh_ok(&f.s, lh_file_open(&f.s.cx, path, LH_FILE_READ_WRITE, &file));
        ck_lh_ok(&f.s,
                 lh_vector_build(&f.s.cx, &options, &source, lh_file_container_sink(file), &bytes));
        lh_file_close(file);
        ck_lh_ok(&f.pool, ask(&f, task(&f, ROWS, kind, 0), 2, &done));
        ck_assert_uint_eq(done.bytes, bytes);
        ck_lh_ok(&f.s, lh_file_read_all(&f.s.cx, path, 1 << 24, &expected));
        ck_lh_ok(&f.s, lh_file_read_all(&f.s.cx, f.segment, 1 << 24, &found));
        ck_assert(lh_str_eq(expected, found));
    }
    end(&f);
}

LH_TEST(an_index_of_nothing_can_be_opened)
{
    fixture f;
    lh_index_done done;
    lh_map map = {{NULL, 0}};
    lh_vector_index *index = NULL;
    begin(&f);
    ck_lh_ok(&f.s, lh_file_replace(&f.s.cx, f.rows, LH_S("")));
    ck_lh_ok(&f.pool, ask(&f, task(&f, 0, LH_VECTOR_AUTO, 0), 2, &done));
    ck_lh_ok(&f.s, lh_map_open(&f.s.cx, f.segment, &map));
    ck_lh_ok(&f.s, lh_vector_index_open(&f.s.cx, map.bytes, &index));
    lh_vector_index_close(index);
    lh_map_close(&map);
    end(&f);
}

LH_TEST(wrong_tasks_are_refused_and_the_next_one_works)
{
    fixture f;
    lh_index_done done;
    begin(&f);
    ck_lh_fails(ask(&f, task(&f, ROWS - 1, LH_VECTOR_AUTO, 0), 2, &done), LH_E_BAD_REQUEST);
    ck_lh_fails(ask(&f, task(&f, ROWS, LH_VECTOR_AUTO, 0), 1, &done), LH_E_BAD_REQUEST);
    ck_lh_fails(ask(&f, task(&f, ROWS, 50, 0), 2, &done), LH_E_BAD_VALUE);
    ck_lh_fails(ask(&f, task(&f, ROWS, LH_VECTOR_GRAPH, 5), 2, &done), LH_E_BAD_VALUE);
    ck_lh_ok(&f.pool, ask(&f, task(&f, ROWS, LH_VECTOR_FLAT, 0), 2, &done));
    end(&f);
}

LH_TEST(a_third_file_is_gone_on_from)
{
    fixture f;
    lh_index_done done;
    lh_str first;
    lh_str second;
    begin(&f);
    lh_str what = task(&f, ROWS, LH_VECTOR_GRAPH, 0);
    ck_lh_ok(&f.pool, ask(&f, what, 3, &done));
    ck_assert_uint_eq(done.kept_used, 0);
    ck_lh_ok(&f.s, lh_file_read_all(&f.s.cx, f.segment, 1 << 24, &first));
    ck_lh_ok(&f.pool, ask(&f, what, 3, &done));
    ck_assert_uint_gt(done.kept_used, 0);
    ck_assert_uint_eq(done.kept_trouble.len, 0);
    ck_lh_ok(&f.s, lh_file_read_all(&f.s.cx, f.segment, 1 << 24, &second));
    ck_assert(lh_str_eq(first, second));
    ck_lh_ok(&f.pool, ask(&f, task(&f, ROWS, LH_VECTOR_GRAPH, 40), 3, &done));
    ck_assert_uint_eq(done.kept_used, 0);
    ck_assert_uint_gt(done.kept_trouble.len, 0);
    end(&f);
}
