/* fuzz_vector_segment.c - hostile segments are refused or searched within their bytes. The first
 * byte chooses:
 *   0: the rest is a file
 *   1: u16 section, u16 offset, bytes ...: a small segment (graph or ivf, by the second byte) is
 *      written with those bytes over one of its sections and true checksums, so that what a
 *      checksum cannot see is reached; every plan searches it
 *   2: as 1, but the rest replaces the section
 * links: vector */
#include "base/container.h"
#include "vector/vector_index.h"

enum { ROWS = 150, DIMENSIONS = 5, KINDS = 4, FILE_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

typedef struct piece {
    _Alignas(64) char bytes[FILE_BYTES_MAX];
    size_t count;
} piece;

static piece models[KINDS];
static piece file;

static lh_rc write_at(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    piece *p = arg;
    if (offset + bytes.len > FILE_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "the file");
    if (bytes.len > 0)
        memcpy(p->bytes + offset, bytes.ptr, bytes.len);
    p->count = LH_MAX(p->count, (size_t)offset + bytes.len);
    return LH_OK;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static float rows[ROWS * DIMENSIONS];
    static lh_ctx cx;
    (void)argc;
    (void)argv;
    lh_ctx_init(&cx, lh_arena_new(0));
    for (size_t i = 0; i < ROWS * DIMENSIONS; i++)
        rows[i] = (float)(i * 7919 % 541) / 541.0f - 0.4f;
    lh_vector_source source = {.rows = ROWS, .floats = rows};
    for (size_t k = 0; k < KINDS; k++) {
        lh_vector_options options = {.dimensions = DIMENSIONS,
                                     .kind = k % 2 ? LH_VECTOR_IVF : LH_VECTOR_GRAPH,
                                     .metric = k < 2 ? LH_VECTOR_COSINE : LH_VECTOR_EUCLIDEAN,
                                     .rotation = k < 2 ? LH_VECTOR_ROTATE_ON : LH_VECTOR_ROTATE_OFF,
                                     .ef_construction = 20};
        uint64_t bytes;
        lh_container_sink sink = {write_at, &models[k]};
        lh_assert(lh_vector_build(&cx, &options, &source, sink, &bytes) == LH_OK);
    }
    return 0;
}

static void search(lh_ctx *cx, lh_str bytes)
{
    lh_vector_index *index = NULL;
    static float vector[LH_VECTOR_DIMENSIONS_MAX] = {0.5f, -0.25f, 1, 0.125f, -1};
    if (lh_vector_index_open(cx, bytes, &index) != LH_OK)
        return;
    lh_vector_stats about;
    lh_vector_index_stats(index, &about);
    for (int plan = LH_VECTOR_PLAN_AUTO; plan <= LH_VECTOR_PLAN_IVF; plan++) {
        lh_vector_hit hits[20];
        uint32_t count = 0;
        lh_vector_query query = {.vector = vector, .k = 20, .plan = (lh_vector_plan)plan};
        query.ef_search = plan % 2 ? 30 : 0;
        if (lh_vector_index_search(cx, index, &query, hits, &count, NULL) == LH_OK)
            for (uint32_t i = 0; i < count; i++)
                lh_assert(hits[i].row < about.rows);
        else
            lh_assert(cx->err.rc == LH_E_CORRUPT || cx->err.rc == LH_E_BAD_VALUE);
    }
    lh_vector_index_close(index);
}

/* The model with one section changed, checksums true again. */
static lh_rc rewrite(lh_ctx *cx, const piece *model, const uint8_t *data, size_t size, int replace)
{
    lh_container c;
    uint16_t place[2];
    uint64_t total;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    if (size < sizeof place)
        return lh_fail(cx, LH_E_BAD_VALUE, "too short");
    memcpy(place, data, sizeof place);
    lh_str change = lh_str_n(data + sizeof place, size - sizeof place);
    file.count = 0;
    LH_TRY(lh_container_open_any(cx, lh_str_n(model->bytes, model->count), &c));
    LH_TRY(lh_container_writer_new(cx, (lh_container_sink){write_at, &file}, c.kind, c.kind_version,
                                   &w));
    for (uint32_t i = 0; i < c.section_count; i++) {
        const lh_container_section *s = &c.sections[i];
        lh_str name = {s->name, strnlen(s->name, sizeof s->name)};
        lh_str bytes = lh_str_n(c.bytes + s->offset, s->bytes);
        if (i == place[0] % c.section_count && replace)
            bytes = lh_str_sub(change, 0, change.len / s->item_bytes * s->item_bytes);
        else if (i == place[0] % c.section_count && bytes.len > 0) {
            bytes = lh_ctx_dup(cx, bytes);
            size_t at = place[1] % bytes.len;
            memcpy((char *)(uintptr_t)bytes.ptr + at, change.ptr,
                   LH_MIN(change.len, bytes.len - at));
        }
        LH_TRY(lh_container_add(cx, w, name, s->item_bytes, bytes));
    }
    return lh_container_finish(cx, w, &total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > FILE_BYTES_MAX)
        return 0;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_assert(arena != NULL);
    lh_ctx_init(&cx, arena);
    if (data[0] % 3 == 0) {
        file.count = size - 1;
        memcpy(file.bytes, data + 1, size - 1);
        search(&cx, lh_str_n(file.bytes, file.count));
    } else if (rewrite(&cx, &models[data[1] % KINDS], data + 2, size - 2, data[0] % 3 == 2) ==
               LH_OK) {
        search(&cx, lh_str_n(file.bytes, file.count));
    }
    lh_arena_free(arena);
    return 0;
}
