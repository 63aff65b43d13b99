/* fsck_test.c - damage of each kind is planted and must be found, by kind and key; what is whole
 * stays quiet. */
#include "base/log.h"
#include "catalog/fsck.h"
#include "catalog_fixture.h"

typedef struct findings {
    unsigned count[LH_FINDING_GAP + 1];
    unsigned repaired;
    char keys[4096];
} findings;

static void collect(void *arg, const lh_finding *finding)
{
    findings *all = arg;
    all->count[finding->kind]++;
    all->repaired += finding->repaired != 0;
    ck_assert_uint_gt(finding->text.len, 0);
    strncat(all->keys, finding->key.ptr, LH_MIN(finding->key.len, (size_t)200));
    strcat(all->keys, "\n");
}

static lh_fsck_summary fsck(fixture *f, uint32_t flags, findings *ret)
{
    lh_fsck_summary summary;
    memset(ret, 0, sizeof(*ret));
    ck_lh_ok(&f->s, lh_fsck_run(&f->s.cx, f->store, flags, collect, ret, &summary));
    return summary;
}

/* One file with real content and its real sum. */
static lh_rc build_real(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    (void)parent;
    static const lh_column columns[] = {{.name = LH_S_INIT("a"), .type = LH_S_INIT("BIGINT")}};
    lh_data_file file = *(const lh_data_file *)arg;
    LH_TRY(lh_manifest_merge(cx, next, columns, 1, &file.schema_id));
    return lh_manifest_add_file(cx, next, &file);
}

static void add_real(fixture *f, const char *dataset, int number)
{
    lh_ctx *cx = &f->s.cx;
    uint8_t sum[LH_SHA256_BYTES];
    char hex[LH_SHA256_HEX];
    lh_str content = lh_ctx_fmt(cx, "content of %d", number);
    lh_data_file file = fake_file(cx, lh_str_from(dataset), (uint64_t)number, 1);
    ck_lh_ok(&f->s, lh_sha256_of(cx, content, sum));
    lh_hex_text(sum, sizeof(sum), hex);
    file.sha256 = lh_str_n(hex, sizeof(hex));
    file.bytes = content.len;
    ck_lh_ok(&f->s, lh_store_put(cx, f->store, file.key, content));
    ck_lh_ok(&f->s,
             lh_catalog_commit(cx, f->catalog, lh_str_from(dataset), build_real, &file, NULL));
}

static void open_filled(fixture *f)
{
    fixture_open(f);
    lh_log_configure(LH_LOG_ERROR, LH_LOG_AUTO);
    for (int i = 1; i <= 4; i++)
        add_real(f, "d", i);
    add_real(f, "e", 1);
    fixture_restart(f);
}

static void damage(fixture *f, const char *key, size_t at)
{
    lh_str bytes;
    ck_lh_ok(&f->s, lh_store_get(&f->s.cx, f->store, lh_str_from(key), 1 << 20, &bytes));
    char *copy = LH_NEW_ARRAY(&f->s.cx, char, bytes.len);
    memcpy(copy, bytes.ptr, bytes.len);
    copy[at % bytes.len] ^= 1;
    ck_lh_ok(&f->s, lh_store_put(&f->s.cx, f->store, lh_str_from(key), lh_str_n(copy, bytes.len)));
}

static void put(fixture *f, const char *key, const char *text)
{
    ck_lh_ok(&f->s, lh_store_put(&f->s.cx, f->store, lh_str_from(key), lh_str_from(text)));
}

static void del(fixture *f, const char *key)
{
    ck_lh_ok(&f->s, lh_store_delete(&f->s.cx, f->store, lh_str_from(key)));
}

static void expect(fixture *f, lh_finding_kind kind, const char *key)
{
    findings found;
    lh_fsck_summary summary = fsck(f, 0, &found);
    ck_assert_msg(summary.findings == 1 && found.count[kind] == 1, "%s: %llu findings:\n%s", key,
                  (unsigned long long)summary.findings, found.keys);
    ck_assert_msg(strstr(found.keys, key) != NULL, "%s: %s", key, found.keys);
}

LH_TEST(a_whole_store_is_quiet)
{
    fixture f;
    findings found;
    open_filled(&f);
    lh_fsck_summary summary = fsck(&f, 0, &found);
    ck_assert_msg(summary.findings == 0, "%s", found.keys);
    ck_assert_uint_eq(summary.datasets, 2);
    ck_assert_uint_eq(summary.manifests, 5);
    ck_assert_uint_eq(summary.files, 5);
    fixture_close(&f);
}

LH_TEST(a_damaged_manifest_is_found)
{
    fixture f;
    open_filled(&f);
    damage(&f, "_catalog/datasets/d/00000000000000000002.json", 333);
    expect(&f, LH_FINDING_DAMAGED, "d/00000000000000000002.json");
    fixture_close(&f);
}

LH_TEST(a_missing_manifest_is_a_gap)
{
    fixture f;
    open_filled(&f);
    del(&f, "_catalog/datasets/d/00000000000000000002.json");
    expect(&f, LH_FINDING_GAP, "d/00000000000000000003.json");
    fixture_close(&f);
}

LH_TEST(a_manifest_of_another_dataset_is_found)
{
    fixture f;
    lh_str json;
    open_filled(&f);
    ck_lh_ok(&f.s,
             lh_store_get(&f.s.cx, f.store, LH_S("_catalog/datasets/e/00000000000000000001.json"),
                          1 << 20, &json));
    ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store,
                                LH_S("_catalog/datasets/d/00000000000000000005.json"), json));
    expect(&f, LH_FINDING_DAMAGED, "d/00000000000000000005.json");
    fixture_close(&f);
}

LH_TEST(a_damaged_file_is_found)
{
    fixture f;
    findings found;
    open_filled(&f);
    damage(&f, "datasets/d/u3.parquet", 5);
    expect(&f, LH_FINDING_DAMAGED, "datasets/d/u3.parquet");
    ck_assert_uint_eq(fsck(&f, LH_FSCK_QUICK, &found).findings, 0); /* the size is right */
    fixture_close(&f);
}

LH_TEST(a_shorter_file_is_found_quickly)
{
    fixture f;
    findings found;
    open_filled(&f);
    put(&f, "datasets/d/u3.parquet", "short");
    fsck(&f, LH_FSCK_QUICK, &found);
    ck_assert_uint_eq(found.count[LH_FINDING_DAMAGED], 1);
    fixture_close(&f);
}

LH_TEST(a_missing_file_is_found)
{
    fixture f;
    open_filled(&f);
    del(&f, "datasets/e/u1.parquet");
    expect(&f, LH_FINDING_MISSING, "datasets/e/u1.parquet");
    fixture_close(&f);
}

LH_TEST(orphans_are_found_and_only_they_are_repaired)
{
    fixture f;
    findings found;
    open_filled(&f);
    put(&f, "datasets/d/left-over.parquet", "x");
    put(&f, "notes/mine.txt", "x"); /* not ours to judge */
    expect(&f, LH_FINDING_ORPHAN, "datasets/d/left-over.parquet");
    damage(&f, "datasets/d/u3.parquet", 5);
    lh_fsck_summary summary = fsck(&f, LH_FSCK_REPAIR, &found);
    ck_assert_uint_eq(summary.repaired, 1);
    ck_assert_uint_eq(summary.findings, 2);
    summary = fsck(&f, LH_FSCK_REPAIR, &found);
    ck_assert_uint_eq(summary.repaired, 0);
    ck_assert_uint_eq(found.count[LH_FINDING_DAMAGED], 1);
    ck_assert_uint_eq(summary.files, 5);
    fixture_close(&f);
}

LH_TEST(nothing_is_garbage_while_a_manifest_cannot_be_read)
{
    fixture f;
    findings found;
    open_filled(&f);
    damage(&f, "_catalog/datasets/e/00000000000000000001.json", 200);
    lh_fsck_summary summary = fsck(&f, LH_FSCK_REPAIR, &found);
    ck_assert_uint_eq(summary.repaired, 0);
    ck_assert_uint_eq(found.count[LH_FINDING_DAMAGED], 1);
    ck_assert_uint_eq(summary.unreadable, 1);
    lh_object_info info;
    ck_lh_ok(&f.s, lh_store_stat(&f.s.cx, f.store, LH_S("datasets/e/u1.parquet"), &info));
    fixture_close(&f);
}

LH_TEST(a_damaged_batch_of_the_journal_is_found)
{
    fixture f;
    lh_object_page page;
    open_filled(&f);
    ck_lh_ok(&f.s, lh_store_list(&f.s.cx, f.store, LH_S("journal/"), LH_STR_NONE, 1, &page));
    ck_assert_uint_eq(page.count, 1);
    const char *key = page.items[0].key.ptr;
    for (size_t at = 0; at < page.items[0].bytes; at += 7) {
        damage(&f, key, at);
        expect(&f, LH_FINDING_DAMAGED, key);
        damage(&f, key, at); /* back again */
    }
    findings found;
    ck_assert_uint_eq(fsck(&f, 0, &found).findings, 0);
    fixture_close(&f);
}

static lh_rc to_buf(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    lh_buf *out = arg;
    if (offset + bytes.len > out->len) {
        LH_TRY(lh_buf_reserve(cx, out, (size_t)(offset + bytes.len - out->len)));
        memset(out->ptr + out->len, 0, (size_t)(offset + bytes.len - out->len));
        out->len = (size_t)(offset + bytes.len);
    }
    memcpy(out->ptr + offset, bytes.ptr, bytes.len);
    return LH_OK;
}

static lh_str container(lh_scratch *s)
{
    lh_container_writer *w = NULL;
    lh_buf out;
    uint64_t bytes;
    lh_buf_init(&out, 1 << 20);
    lh_container_sink sink = {to_buf, &out};
    ck_lh_ok(s, lh_container_writer_new(&s->cx, sink, LH_S("vectors"), 1, &w));
    ck_lh_ok(s, lh_container_add(&s->cx, w, LH_S("codes"), 1, LH_S("some bytes that matter")));
    ck_lh_ok(s, lh_container_finish(&s->cx, w, &bytes));
    lh_container_writer_free(w);
    lh_str copy = lh_ctx_dup(&s->cx, lh_buf_str(&out));
    lh_buf_done(&out);
    return copy;
}

LH_TEST(damaged_container_files_are_found)
{
    fixture f;
    findings found;
    open_filled(&f);
    lh_str bytes = container(&f.s);
    ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store, LH_S("vectors/i/gen1/part.bin"), bytes));
    ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store, LH_S("vectors/i/gen1/part.lhv"), bytes));
    put(&f, "vectors/meta/i.json", /* not a container */
        "{\"chunks_key\":\"vectors/i/gen1/part.bin\",\"segment_key\":\"vectors/i/gen1/part.lhv\"}");
    ck_assert_uint_eq(fsck(&f, 0, &found).findings, 0);
    size_t payload = lh_str_find(bytes, LH_S("matter"));
    damage(&f, "vectors/i/gen1/part.bin", payload);
    expect(&f, LH_FINDING_DAMAGED, "part.bin");
    ck_assert_uint_eq(fsck(&f, LH_FSCK_QUICK, &found).findings, 0); /* blocks are not read */
    damage(&f, "vectors/i/gen1/part.bin", payload);
    damage(&f, "vectors/i/gen1/part.lhv", 0); /* not even the magic */
    expect(&f, LH_FINDING_DAMAGED, "part.lhv");
    fixture_close(&f);
}

/* An index as search/ writes it: parts with their sums, files by "<name>_key". */
static void put_index(fixture *f)
{
    lh_ctx *cx = &f->s.cx;
    uint8_t sum[LH_SHA256_BYTES];
    char hex[LH_SHA256_HEX + 1] = "";
    ck_lh_ok(&f->s, lh_sha256_of(cx, LH_S("content"), sum));
    lh_hex_text(sum, sizeof(sum), hex);
    put(f, "vectors/i/g1/part-0.parquet", "content");
    put(f, "vectors/i/g2/part-1.parquet", "content");
    put(f, "vectors/i/g2/segment.lhx", "content");
    put(f, "vectors/i/g3/part-2.parquet", "content");
    put(f, "vectors/meta/i.json",
        lh_ctx_fmt(cx,
                   "{\"index_name\":\"i\",\"parts\":["
                   "{\"key\":\"vectors/i/g1/part-0.parquet\",\"bytes\":7,\"sha256\":\"%s\"},"
                   "{\"key\":\"vectors/i/g2/part-1.parquet\",\"bytes\":7,\"sha256\":\"%s\"}],"
                   "\"segment_key\":\"vectors/i/g2/segment.lhx\",\"segment_sha256\":\"%s\"}",
                   hex, hex, hex)
            .ptr);
    put(f, "vectors/building/i.json",
        lh_ctx_fmt(cx, "{\"parts\":[{\"key\":\"vectors/i/g3/part-2.parquet\",\"sha256\":\"%s\"}]}",
                   hex)
            .ptr);
}

LH_TEST(objects_of_indexes_are_checked)
{
    static const char *const keys[] = {"vectors/i/g1/part-0.parquet", "vectors/i/g2/part-1.parquet",
                                       "vectors/i/g2/segment.lhx", "vectors/i/g3/part-2.parquet"};
    findings found;
    for (size_t i = 0; i < LH_ARRAY_LEN(keys); i++) {
        fixture f;
        open_filled(&f);
        put_index(&f);
        lh_fsck_summary summary = fsck(&f, LH_FSCK_REPAIR, &found);
        ck_assert_msg(summary.findings == 0, "%s", found.keys);
        damage(&f, keys[i], 3);
        expect(&f, LH_FINDING_DAMAGED, keys[i]);
        del(&f, keys[i]);
        expect(&f, LH_FINDING_MISSING, keys[i]);
        fixture_close(&f);
    }
}

LH_TEST(what_no_index_names_is_garbage)
{
    fixture f;
    findings found;
    open_filled(&f);
    put_index(&f);
    put(&f, "vectors/i/g0/part-9.parquet", "x");
    put(&f, "vectors/gone/g1/segment.lhx", "x");
    ck_assert_uint_eq(fsck(&f, 0, &found).findings, 2);
    ck_assert_uint_eq(found.count[LH_FINDING_ORPHAN], 2);
    put(&f, "vectors/meta/other.json", "{\"cut");
    lh_fsck_summary summary = fsck(&f, LH_FSCK_REPAIR, &found);
    ck_assert_uint_eq(summary.repaired, 0); /* it may name anything */
    ck_assert_uint_eq(found.count[LH_FINDING_DAMAGED], 1);
    del(&f, "vectors/meta/other.json");
    ck_assert_uint_eq(fsck(&f, LH_FSCK_REPAIR, &found).repaired, 2);
    ck_assert_uint_eq(fsck(&f, 0, &found).findings, 0);
    fixture_close(&f);
}

LH_TEST(an_empty_store_is_quiet)
{
    fixture f;
    findings found;
    fixture_open(&f);
    ck_assert_uint_eq(fsck(&f, 0, &found).findings, 0);
    fixture_close(&f);
}
