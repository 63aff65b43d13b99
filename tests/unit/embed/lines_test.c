#include "embed/lines.h"

#include "base/json.h"
#include "base/num.h"
#include "unit/embed/embed_fixture.h"

enum { DIMENSIONS = 48 };

static lh_str run(lh_scratch *s, lh_str input, lh_embed_format format, lh_embed_lines_job *ret_job)
{
    LH_CLEANUP(lh_embed_close) lh_embed_model *model = NULL;
    lh_str in = lh_scratch_path(s, "in");
    lh_str out = lh_scratch_path(s, "out");
    lh_str bytes;
    lh_embed_options opts = {.precision = LH_S("f32")};
    *ret_job = (lh_embed_lines_job){.format = format};
    ck_lh_ok(s, lh_embed_open(&s->cx, embed_pack_tiny(s), &opts, &model));
    ck_lh_ok(s, lh_file_replace(&s->cx, in, input));
    ck_lh_ok(s, lh_file_remove(&s->cx, out));
    ck_lh_ok(s, lh_file_open(&s->cx, in, LH_FILE_READ, &ret_job->in));
    ck_lh_ok(s, lh_file_open(&s->cx, out, LH_FILE_CREATE, &ret_job->out));
    ck_lh_ok(s, lh_embed_lines(&s->cx, model, ret_job));
    lh_file_close(ret_job->in);
    lh_file_close(ret_job->out);
    ck_lh_ok(s, lh_file_read_all(&s->cx, out, 1 << 26, &bytes));
    return bytes;
}

LH_TEST(one_vector_a_line_in_order)
{
    lh_scratch s;
    lh_scratch_open(&s);
    golden g = embed_golden(&s, "tiny_text", DIMENSIONS);
    lh_buf input;
    lh_buf_init(&input, 1 << 20);
    for (size_t i = 0; i < 3000; i++) {
        ck_lh_ok(&s, lh_buf_append(&s.cx, &input, g.texts[i % g.count]));
        ck_lh_ok(&s, lh_buf_append(&s.cx, &input, i % 2 == 0 ? LH_S("\n") : LH_S("\r\n")));
    }
    lh_embed_lines_job job;
    lh_str out = run(&s, lh_buf_str(&input), LH_EMBED_FORMAT_F32, &job);
    ck_assert_uint_eq(job.lines, 3000);
    ck_assert_uint_eq(out.len, 3000 * DIMENSIONS * sizeof(float));
    for (size_t i = 0; i < 3000; i += 11) {
        const float *vector = (const float *)(const void *)out.ptr + i * DIMENSIONS;
        ck_assert(embed_distance(g.vectors + i % g.count * DIMENSIONS, vector, DIMENSIONS) < 2e-6f);
    }
    lh_buf_done(&input);
    lh_scratch_close(&s);
}

LH_TEST(ndjson_reads_back_to_the_same_floats)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_lines_job job;
    lh_str raw = run(&s, LH_S("the cat\n\nmat"), LH_EMBED_FORMAT_F32, &job);
    lh_str text = run(&s, LH_S("the cat\n\nmat"), LH_EMBED_FORMAT_NDJSON, &job);
    ck_assert_uint_eq(job.lines, 3);
    ck_assert_uint_eq(raw.len, 3 * DIMENSIONS * sizeof(float));
    const float *want = (const float *)(const void *)raw.ptr;
    lh_str line;
    for (lh_str rest = text; lh_str_split_next(&rest, '\n', &line) && line.len > 0;) {
        const lh_json *vector;
        ck_lh_ok(&s, lh_json_parse(&s.cx, line, 0, &vector));
        ck_assert_uint_eq(vector->count, DIMENSIONS);
        for (const lh_json *item = vector->first; item != NULL; item = item->next) {
            double value;
            ck_assert(lh_parse_f64(item->text, &value));
            ck_assert((float)value == *want++);
        }
    }
    ck_assert_ptr_eq(want, (const float *)(const void *)(raw.ptr + raw.len));
    lh_scratch_close(&s);
}

LH_TEST(no_lines_give_no_vectors)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_lines_job job;
    ck_assert_uint_eq(run(&s, LH_STR_NONE, LH_EMBED_FORMAT_F32, &job).len, 0);
    ck_assert_uint_eq(job.lines, 0);
    lh_scratch_close(&s);
}
