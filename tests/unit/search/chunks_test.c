/* Chunks: nothing of a text is lost, sizes hold, cuts fall between characters. The store gives back
 * what was put. */
#include "search/chunk_store.h"
#include "search/chunker.h"
#include "support/scratch.h"

static size_t chars_of(lh_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return n;
}

static void check_text(lh_str text, uint32_t size, uint32_t overlap)
{
    lh_chunker chunker;
    lh_str chunk;
    size_t offset;
    size_t covered = 0;
    int count = 0;
    lh_chunker_init(&chunker, text, size, overlap);
    while (lh_chunker_next(&chunker, &chunk, &offset)) {
        ck_assert_uint_gt(chunk.len, 0);
        ck_assert_uint_le(chars_of(chunk), size);
        ck_assert(lh_utf8_valid(chunk));
        ck_assert_ptr_eq(chunk.ptr, text.ptr + offset);
        for (size_t i = covered; i < offset; i++) /* only space may fall between two chunks */
            ck_assert_msg(strchr(" \n\t\r", text.ptr[i]) != NULL, "byte %zu is lost", i);
        covered = LH_MAX(covered, offset + chunk.len);
        ck_assert_int_lt(++count, 10000);
    }
    ck_assert_uint_eq(covered,
                      lh_str_trim(text).len == 0
                          ? 0
                          : (size_t)(lh_str_trim(text).ptr - text.ptr) + lh_str_trim(text).len);
}

LH_TEST(chunks_cover_every_text_at_every_size)
{
    static const char sentences[] = "The first sentence is short. The second one is a little "
                                    "longer, and it goes on! Is there a third? Yes.\n\n"
                                    "A paragraph begins here without any stop and runs on for "
                                    "quite a while so that a cut must fall at a space ";
    static const char umlauts[] = "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80";
    static char solid[3000];
    static char wide[3000];
    memset(solid, 'x', sizeof solid);
    for (size_t i = 0; i + 15 <= sizeof wide; i += 15)
        memcpy(wide + i, umlauts, 15);
    for (uint32_t size = 50; size <= 120; size += 7) {
        for (uint32_t overlap = 0; overlap <= size / 2; overlap += 11) {
            check_text(lh_str_from(sentences), size, overlap);
            check_text(lh_str_n(solid, sizeof solid), size, overlap);
            check_text(lh_str_n(wide, sizeof wide / 15 * 15), size, overlap);
            check_text(LH_S("   \n\t "), size, overlap);
            check_text(LH_S("one"), size, overlap);
        }
    }
}

LH_TEST(cuts_prefer_the_end_of_a_sentence)
{
    lh_chunker chunker;
    lh_str chunk;
    size_t offset;
    lh_chunker_init(&chunker,
                    LH_S("This sentence has some forty characters. And this is the next one, which "
                         "is long too."),
                    60, 0);
    ck_assert_int_eq(lh_chunker_next(&chunker, &chunk, &offset), 1);
    ck_assert(lh_str_ends(chunk, LH_S("characters.")));
}

static void collect(void *arg, uint64_t row)
{
    uint64_t *mask = arg;
    *mask |= 1ull << row;
}

LH_TEST(the_store_gives_back_rows_and_finds_ids)
{
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_file *file = NULL;
    lh_chunk_writer *w = NULL;
    lh_chunk_store store;
    uint64_t bytes;
    lh_scratch_open(&s);
    ck_assert_int_eq(lh_file_open(&s.cx, lh_scratch_path(&s, "c"), LH_FILE_READ_WRITE, &file),
                     LH_OK);
    ck_assert_int_eq(lh_chunk_writer_new(&s.cx, lh_file_container_sink(file), &w), LH_OK);
    for (uint32_t i = 0; i < 60; i++) {
        lh_chunk_row row = {lh_ctx_fmt(&s.cx, "id-%u", i / 3), i % 3, i * 17,
                            lh_ctx_fmt(&s.cx, "text %u", i)};
        ck_assert_int_eq(lh_chunk_writer_add(&s.cx, w, &row), LH_OK);
    }
    ck_assert_int_eq(lh_chunk_writer_finish(&s.cx, w, &bytes), LH_OK);
    lh_chunk_writer_free(w);
    lh_file_close(file);
    ck_assert_int_eq(lh_map_open(&s.cx, lh_scratch_path(&s, "c"), &map), LH_OK);
    ck_assert_int_eq(lh_chunk_store_open(&s.cx, map.bytes, &store), LH_OK);
    ck_assert_uint_eq(store.count, 60);
    lh_chunk_row row;
    ck_assert_int_eq(lh_chunk_store_get(&s.cx, &store, 31, &row), LH_OK);
    ck_assert(lh_str_eq(row.id, LH_S("id-10")) && row.chunk_no == 1 &&
              lh_str_eq(row.text, LH_S("text 31")));
    ck_assert_uint_eq(row.content_hash, 31 * 17);
    uint64_t mask = 0;
    ck_assert_int_eq(lh_chunk_store_find(&s.cx, &store, LH_S("id-10"), collect, &mask), LH_OK);
    ck_assert_uint_eq(mask, 7ull << 30);
    mask = 0;
    ck_assert_int_eq(lh_chunk_store_find(&s.cx, &store, LH_S("id-20"), collect, &mask), LH_OK);
    ck_assert_uint_eq(mask, 0);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

/* Rows without a body first, then some of all sizes. */
static lh_str body_of(lh_scratch *s, uint32_t i)
{
    size_t bytes = i < 10 ? 0 : i % 7 == 0 ? 0 : i == 50 ? 100000 : (size_t)i * i % 3000;
    char *body = LH_NEW_ARRAY(&s->cx, char, bytes + 1);
    for (size_t at = 0; at < bytes; at++)
        body[at] = (char)('a' + (at * i + at / 7) % 26);
    return lh_str_n(body, bytes);
}

static void write_bodies(lh_scratch *s, lh_str path, uint32_t rows)
{
    lh_file *file = NULL;
    lh_chunk_writer *w = NULL;
    uint64_t bytes;
    ck_lh_ok(s, lh_file_open(&s->cx, path, LH_FILE_READ_WRITE, &file));
    ck_lh_ok(s, lh_chunk_writer_new(&s->cx, lh_file_container_sink(file), &w));
    for (uint32_t i = 0; i < rows; i++) {
        lh_chunk_row row = {.id = lh_ctx_fmt(&s->cx, "id-%u", i), .body = body_of(s, i)};
        ck_lh_ok(s, lh_chunk_writer_add(&s->cx, w, &row));
    }
    ck_lh_ok(s, lh_chunk_writer_finish(&s->cx, w, &bytes));
    lh_chunk_writer_free(w);
    lh_file_close(file);
}

LH_TEST(bodies_come_back_as_they_were_put)
{
    enum { ROWS = 400 };
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_chunk_store store;
    lh_scratch_open(&s);
    write_bodies(&s, lh_scratch_path(&s, "b"), ROWS);
    ck_lh_ok(&s, lh_map_open(&s.cx, lh_scratch_path(&s, "b"), &map));
    ck_lh_ok(&s, lh_chunk_store_open(&s.cx, map.bytes, &store));
    for (uint32_t i = 0; i < ROWS; i++) {
        lh_str body;
        ck_lh_ok(&s, lh_chunk_store_body(&s.cx, &store, i, &body));
        ck_assert_msg(lh_str_eq(body, body_of(&s, i)), "the body of row %u", i);
    }
    lh_map_close(&map);
    write_bodies(&s, lh_scratch_path(&s, "none"), 5);
    ck_lh_ok(&s, lh_map_open(&s.cx, lh_scratch_path(&s, "none"), &map));
    ck_lh_ok(&s, lh_chunk_store_open(&s.cx, map.bytes, &store));
    lh_str body;
    ck_lh_ok(&s, lh_chunk_store_body(&s.cx, &store, 4, &body));
    ck_assert_uint_eq(body.len, 0);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

LH_TEST(bent_bodies_are_errors_and_never_wild_reads)
{
    enum { ROWS = 120 };
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_chunk_store store;
    lh_scratch_open(&s);
    write_bodies(&s, lh_scratch_path(&s, "b"), ROWS);
    ck_lh_ok(&s, lh_map_open(&s.cx, lh_scratch_path(&s, "b"), &map));
    uint64_t *bent = LH_NEW_ARRAY(&s.cx, uint64_t, map.bytes.len / sizeof(uint64_t) + 1);
    for (size_t bit = 7; bit < map.bytes.len * 8; bit += 1009) {
        lh_ctx cx;
        lh_arena *arena = lh_arena_new(0);
        lh_ctx_init(&cx, arena);
        memcpy(bent, map.bytes.ptr, map.bytes.len);
        ((uint8_t *)bent)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        lh_str bytes = lh_str_n(bent, map.bytes.len);
        if (lh_chunk_store_open(&cx, bytes, &store) == LH_OK) {
            for (uint32_t i = 0; i < ROWS && i < store.count; i += 11) {
                lh_str body;
                LH_IGNORE(lh_chunk_store_body(&cx, &store, i, &body));
            }
        }
        lh_arena_free(arena);
    }
    lh_map_close(&map);
    lh_scratch_close(&s);
}

LH_TEST(an_empty_store_opens)
{
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_file *file = NULL;
    lh_chunk_writer *w = NULL;
    lh_chunk_store store;
    uint64_t bytes;
    lh_scratch_open(&s);
    ck_assert_int_eq(lh_file_open(&s.cx, lh_scratch_path(&s, "c"), LH_FILE_READ_WRITE, &file),
                     LH_OK);
    ck_assert_int_eq(lh_chunk_writer_new(&s.cx, lh_file_container_sink(file), &w), LH_OK);
    ck_assert_int_eq(lh_chunk_writer_finish(&s.cx, w, &bytes), LH_OK);
    lh_chunk_writer_free(w);
    lh_file_close(file);
    ck_assert_int_eq(lh_map_open(&s.cx, lh_scratch_path(&s, "c"), &map), LH_OK);
    ck_assert_int_eq(lh_chunk_store_open(&s.cx, map.bytes, &store), LH_OK);
    ck_assert_uint_eq(store.count, 0);
    lh_map_close(&map);
    lh_scratch_close(&s);
}
