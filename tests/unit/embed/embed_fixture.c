#include "unit/embed/embed_fixture.h"

#include "base/hash.h"

#include <math.h>

enum { FILE_BYTES_MAX = 64 * 1024 * 1024 };

static lh_str data_root(void)
{
    const char *root = getenv("LH_TEST_DATA");
    return lh_str_from(root != NULL ? root : "tests/data");
}

lh_str embed_data_path(lh_scratch *s, const char *name)
{
    return lh_ctx_fmt(&s->cx, "%.*s/embed/%s", LH_STR_ARG(data_root()), name);
}

lh_str embed_data(lh_scratch *s, const char *name)
{
    lh_str bytes;
    ck_lh_ok(s, lh_file_read_all(&s->cx, embed_data_path(s, name), FILE_BYTES_MAX, &bytes));
    return bytes;
}

lh_str embed_unhex(lh_scratch *s, lh_str hex)
{
    if (lh_str_eq(hex, LH_S("-")))
        return LH_STR_NONE;
    uint8_t *out = LH_NEW_ARRAY(&s->cx, uint8_t, hex.len / 2 + 1);
    ck_assert_ptr_nonnull(out);
    ck_assert(lh_hex_parse(hex, out, hex.len / 2));
    return lh_str_n(out, hex.len / 2);
}

golden embed_golden(lh_scratch *s, const char *name, size_t dimensions)
{
    golden g = {0};
    lh_str rest = embed_data(s, lh_ctx_fmt(&s->cx, "%s.txt", name).ptr);
    lh_str vectors = embed_data(s, lh_ctx_fmt(&s->cx, "%s.f32", name).ptr);
    g.count = vectors.len / sizeof(float) / dimensions;
    g.texts = LH_NEW_ARRAY(&s->cx, lh_str, g.count);
    g.vectors = (const float *)(const void *)vectors.ptr;
    ck_assert_ptr_nonnull(g.texts);
    for (size_t i = 0; i < g.count; i++) {
        lh_str line;
        ck_assert(lh_str_split_next(&rest, '\n', &line));
        g.texts[i] = embed_unhex(s, line);
    }
    return g;
}

lh_str embed_minilm(lh_scratch *s)
{
    lh_str folder =
        lh_ctx_fmt(&s->cx, "%.*s/../../deps/model/all-MiniLM-L6-v2", LH_STR_ARG(data_root()));
    if (lh_file_exists(lh_path_join(&s->cx, folder, LH_S("model.safetensors"))))
        return folder;
    printf("skipped: %.*s is not installed\n", LH_STR_ARG(folder));
    return LH_STR_NONE;
}

lh_str embed_pack_tiny(lh_scratch *s)
{
    lh_str path = lh_scratch_path(s, "tiny.packed");
    ck_lh_ok(s, lh_embed_pack(&s->cx, embed_data_path(s, "tiny"), path, 0, NULL));
    return path;
}

float embed_distance(const float *a, const float *b, size_t count)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, isnan(a[i]) ? INFINITY : fabsf(a[i] - b[i]));
    return largest;
}
