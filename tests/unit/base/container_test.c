#include "base/container.h"

#include "base/buf.h"
#include "base/container_private.h"
#include "base/hash.h"
#include "fixture.h"

/* A file in memory: 8-byte aligned, as a mapping is. */
typedef struct memory_file {
    uint64_t words[1 << 18];
    uint64_t bytes;
    int writes;
    int fail_at; /* 0 = never */
} memory_file;

static memory_file file;

static lh_rc write_at(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    memory_file *f = arg;
    if (++f->writes == f->fail_at)
        return lh_fail(cx, LH_E_NO_SPACE, "the disk is full");
    ck_assert_uint_le(offset + bytes.len, sizeof(f->words));
    memcpy((char *)f->words + offset, bytes.ptr, bytes.len);
    f->bytes = LH_MAX(f->bytes, offset + bytes.len);
    return LH_OK;
}

static char big[LH_CONTAINER_BLOCK_BYTES + 1];

/* Sections: empty, 5 raw bytes, 3 items of 8 bytes, and one byte more than a block, written in two
 * odd pieces. */
static lh_rc write_sample(lh_ctx *cx)
{
    memset(&file, 0, sizeof(file.words[0]) * 8);
    file.bytes = 0;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + i / 251);
    lh_container_writer *w LH_CLEANUP(lh_container_writer_free) = NULL;
    LH_TRY(
        lh_container_writer_new(cx, (lh_container_sink){write_at, &file}, LH_S("sample"), 3, &w));
    LH_TRY(lh_container_add(cx, w, LH_S("empty"), 4, LH_STR_NONE));
    LH_TRY(lh_container_add(cx, w, LH_S("raw"), 1, LH_S("hello")));
    LH_TRY(lh_container_add(cx, w, LH_S("items"), 8, LH_S("123456781234567812345678")));
    LH_TRY(lh_container_section_begin(cx, w, LH_S("big"), 1));
    LH_TRY(lh_container_section_write(cx, w, lh_str_n(big, 1000)));
    LH_TRY(lh_container_section_write(cx, w, lh_str_n(big + 1000, sizeof(big) - 1000)));
    LH_TRY(lh_container_section_end(cx, w));
    uint64_t bytes;
    LH_TRY(lh_container_finish(cx, w, &bytes));
    ck_assert_uint_eq(bytes, file.bytes);
    return LH_OK;
}

static lh_str file_bytes(void)
{
    return lh_str_n(file.words, file.bytes);
}

LH_TEST(what_is_written_is_read_back)
{
    WITH_CX;
    ck_assert_int_eq(write_sample(cx), LH_OK);
    lh_container c;
    ck_assert_int_eq(lh_container_open(cx, file_bytes(), LH_S("sample"), &c), LH_OK);
    ck_assert_int_eq(lh_container_verify(cx, &c), LH_OK);
    ck_assert_uint_eq(c.kind_version, 3);
    ck_assert_uint_eq(c.section_count, 4);
    ck_assert_uint_eq(c.checksum_count, 4); /* 0 + 1 + 1 + 2 */
    lh_str bytes;
    ck_assert_int_eq(lh_container_get(cx, &c, LH_S("raw"), 1, &bytes), LH_OK);
    ck_assert_text(bytes, "hello");
    ck_assert_int_eq(lh_container_get(cx, &c, LH_S("items"), 0, &bytes), LH_OK);
    ck_assert_uint_eq((uintptr_t)bytes.ptr % 64, (uintptr_t)file.words % 64);
    ck_assert_int_eq(lh_container_get(cx, &c, LH_S("big"), 1, &bytes), LH_OK);
    ck_assert(lh_str_eq(bytes, lh_str_n(big, sizeof(big))));
    ck_assert_int_eq(lh_container_get(cx, &c, LH_S("empty"), 4, &bytes), LH_OK);
    ck_assert_uint_eq(bytes.len, 0);
    ck_assert_int_eq(lh_container_get(cx, &c, LH_S("items"), 4, &bytes), LH_E_CORRUPT);
    ck_assert_int_eq(lh_container_get(cx, &c, LH_S("none"), 0, &bytes), LH_E_CORRUPT);
    ck_assert(lh_container_has(&c, LH_S("raw")) && !lh_container_has(&c, LH_S("ra")));
    ck_assert_int_eq(lh_container_open(cx, file_bytes(), LH_S("other"), &c), LH_E_CORRUPT);
}

/* Of the first and last 2 KiB every bit, in between one bit of every 97th byte: enough for each
 * region. */
LH_TEST(a_flipped_bit_is_found)
{
    WITH_CX;
    ck_assert_int_eq(write_sample(cx), LH_OK);
    for (uint64_t at = 0; at < file.bytes; at += at < 2048 || file.bytes - at < 2048 ? 1 : 97)
        for (int bit = 0; bit < 8; bit += at < 2048 || file.bytes - at < 2048 ? 1 : 7) {
            unsigned char *byte = (unsigned char *)file.words + at;
            *byte = (unsigned char)(*byte ^ 1u << bit);
            lh_container c;
            lh_rc rc = lh_container_open_any(cx, file_bytes(), &c);
            if (rc == LH_OK)
                rc = lh_container_verify(cx, &c);
            ck_assert_msg(rc == LH_E_CORRUPT, "byte %llu bit %d", (unsigned long long)at, bit);
            *byte = (unsigned char)(*byte ^ 1u << bit);
            lh_arena_reset(cx->arena);
        }
}

/* What maps an empty file hands out a literal, which the linker puts at any address. */
LH_TEST(an_empty_file_is_refused_wherever_it_lies)
{
    WITH_CX;
    _Alignas(uint64_t) static const char bytes[sizeof(uint64_t)] = "";
    for (size_t at = 0; at < sizeof(bytes); at++) {
        lh_container container;
        ck_assert_int_eq(lh_container_open_any(cx, lh_str_n(bytes + at, 0), &container),
                         LH_E_CORRUPT);
    }
}

LH_TEST(the_length_of_one_that_others_follow_is_in_its_header)
{
    WITH_CX;
    ck_assert_int_eq(write_sample(cx), LH_OK);
    lh_str whole = file_bytes();
    lh_str followed = lh_str_n(file.words, file.bytes + 4096);
    ck_assert_uint_eq(lh_container_length(whole), whole.len);
    ck_assert_uint_eq(lh_container_length(followed), whole.len);
    ck_assert_uint_eq(lh_container_length(lh_str_sub(whole, 0, whole.len - 1)), 0);
    ck_assert_uint_eq(lh_container_length(lh_str_sub(whole, 0, 10)), 0);
    ck_assert_uint_eq(lh_container_length(lh_str_from_offset(followed, whole.len)), 0);
}

LH_TEST(a_cut_or_longer_file_is_refused)
{
    WITH_CX;
    ck_assert_int_eq(write_sample(cx), LH_OK);
    lh_container c;
    for (uint64_t bytes = 0; bytes < file.bytes; bytes += bytes < 300 ? 1 : 1013)
        ck_assert_int_eq(lh_container_open_any(cx, lh_str_n(file.words, bytes), &c), LH_E_CORRUPT);
    ck_assert_int_eq(lh_container_open_any(cx, lh_str_n(file.words, file.bytes - 1), &c),
                     LH_E_CORRUPT);
    ck_assert_int_eq(lh_container_open_any(cx, lh_str_n(file.words, file.bytes + 1), &c),
                     LH_E_CORRUPT);
    ck_assert_int_eq(lh_container_open_any(cx, lh_str_n(file.words, file.bytes + 8), &c),
                     LH_E_CORRUPT);
}

typedef void (*edit)(lhi_container_header *header, lh_container_section *sections);

static void far_offset(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    sections[3].offset = UINT64_MAX - 63;
}
static void long_section(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    sections[3].bytes = UINT64_MAX;
}
static void no_items(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    sections[1].item_bytes = 0;
}
static void odd_items(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    sections[2].item_bytes = 7;
}
static void same_name(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    memcpy(sections[2].name, sections[1].name, sizeof(sections[1].name));
}
static void long_name(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    sections[2].name[23] = 'x';
}
static void far_table(lhi_container_header *header, lh_container_section *sections)
{
    (void)sections;
    header->table_offset = UINT64_MAX - 63;
}
static void many_sections(lhi_container_header *header, lh_container_section *sections)
{
    (void)sections;
    header->sections = UINT32_MAX;
}
static void other_checksums(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    sections[3].checksum_first = UINT64_MAX;
}
static void flags(lhi_container_header *header, lh_container_section *sections)
{
    (void)sections;
    header->flags = 1;
}
static void overlap(lhi_container_header *header, lh_container_section *sections)
{
    (void)header;
    sections[2].offset = sections[1].offset;
}

static const edit edits[] = {far_offset,      long_section, no_items,  odd_items,
                             same_name,       long_name,    far_table, many_sections,
                             other_checksums, flags,        overlap};

/* Lies with a right checksum: only the checks of the layout stand between them and a read
 * outside. */
LH_TEST_LOOP(a_lie_with_a_right_checksum_is_refused, (int)LH_ARRAY_LEN(edits))
{
    WITH_CX;
    ck_assert_int_eq(write_sample(cx), LH_OK);
    lhi_container_header *header = (lhi_container_header *)(void *)file.words;
    uint64_t table_offset = header->table_offset;
    lh_container_section *sections =
        (lh_container_section *)(void *)((char *)file.words + table_offset);
    edits[_i](header, sections);
    header->checksum =
        lhi_container_checksum(header, lh_str_n(sections, file.bytes - table_offset));
    lh_container c;
    ck_assert_int_eq(lh_container_open_any(cx, file_bytes(), &c), LH_E_CORRUPT);
}

LH_TEST(a_file_without_sections_is_whole)
{
    WITH_CX;
    memset(&file, 0, sizeof(file));
    lh_container_writer *w LH_CLEANUP(lh_container_writer_free) = NULL;
    uint64_t bytes;
    ck_assert_int_eq(lh_container_writer_new(cx, (lh_container_sink){write_at, &file},
                                             LH_S("sixteen-bytes-ok"), 0, &w),
                     LH_OK);
    ck_assert_int_eq(lh_container_finish(cx, w, &bytes), LH_OK);
    ck_assert_uint_eq(bytes, 64);
    lh_container c;
    ck_assert_int_eq(lh_container_open(cx, file_bytes(), LH_S("sixteen-bytes-ok"), &c), LH_OK);
    ck_assert_int_eq(lh_container_verify(cx, &c), LH_OK);
}

LH_TEST(the_number_of_sections_is_limited)
{
    WITH_CX;
    memset(&file, 0, sizeof(file));
    lh_container_writer *w LH_CLEANUP(lh_container_writer_free) = NULL;
    ck_assert_int_eq(
        lh_container_writer_new(cx, (lh_container_sink){write_at, &file}, LH_S("many"), 0, &w),
        LH_OK);
    for (int i = 0; i < LH_CONTAINER_SECTIONS_MAX; i++)
        ck_assert_int_eq(lh_container_add(cx, w, lh_ctx_fmt(cx, "s%d", i), 1, LH_S("x")), LH_OK);
    ck_assert_int_eq(lh_container_add(cx, w, LH_S("more"), 1, LH_S("x")), LH_E_TOO_LARGE);
    uint64_t bytes;
    ck_assert_int_eq(lh_container_finish(cx, w, &bytes), LH_OK);
    lh_container c;
    ck_assert_int_eq(lh_container_open(cx, file_bytes(), LH_S("many"), &c), LH_OK);
    ck_assert_int_eq(lh_container_verify(cx, &c), LH_OK);
}

LH_TEST(a_write_that_fails_leaves_no_container)
{
    WITH_CX;
    memset(&file, 0, sizeof(file));
    ck_assert_int_eq(write_sample(cx), LH_OK);
    int writes = file.writes;
    for (int n = 1; n <= writes; n++) {
        memset(&file, 0, sizeof(file));
        file.fail_at = n;
        ck_assert_int_eq(write_sample(cx), LH_E_NO_SPACE);
        lh_container c;
        ck_assert_int_eq(lh_container_open_any(cx, file_bytes(), &c), LH_E_CORRUPT);
    }
}

LH_TEST(a_writer_without_memory_is_an_error_at_every_allocation)
{
    int succeeded = 0;
    memset(&file, 0, sizeof(file));
    for (uint64_t n = 0; !succeeded; n++) {
        WITH_CX;
        lh_alloc_fail_after(n, 1);
        lh_rc rc = write_sample(cx);
        lh_alloc_fail_off();
        succeeded = rc == LH_OK;
        ck_assert(succeeded || rc == LH_E_NO_MEMORY);
    }
}
