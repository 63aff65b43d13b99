/* file_test.c - the promises of os/file.h and os/root.h. */
#include "base/fault.h"
#include "os/file.h"
#include "os/os_private.h"
#include "os/root.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void holds(lh_scratch *s, const char *name, const char *content)
{
    lh_str bytes;
    ck_lh_ok(s, lh_file_read_all(&s->cx, lh_scratch_path(s, name), 1 << 20, &bytes));
    ck_assert(lh_str_eq(bytes, lh_str_from(content)));
}

static size_t entries_in(lh_scratch *s)
{
    lh_dir_entry *entries;
    size_t count;
    ck_lh_ok(s, lh_dir_list(&s->cx, lh_str_from(s->dir), &entries, &count));
    return count;
}

LH_TEST(replace_and_put_new_leave_one_file)
{
    lh_scratch s;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "a"), LH_S("one")));
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "a"), LH_S("two")));
    ck_lh_fails(lh_file_put_new(&s.cx, lh_scratch_path(&s, "a"), LH_S("three")),
                LH_E_ALREADY_EXISTS);
    holds(&s, "a", "two");
    ck_lh_ok(&s, lh_file_put_new(&s.cx, lh_scratch_path(&s, "b"), LH_S("")));
    holds(&s, "b", "");
    ck_assert_uint_eq(entries_in(&s), 2);
    ck_lh_fails(lh_file_replace(&s.cx, lh_scratch_path(&s, "no/a"), LH_S("x")), LH_E_NOT_FOUND);
    ck_lh_ok(&s, lh_file_remove(&s.cx, lh_scratch_path(&s, "a")));
    ck_lh_ok(&s, lh_file_remove(&s.cx, lh_scratch_path(&s, "a")));
    ck_lh_ok(&s, lh_file_remove(&s.cx, lh_scratch_path(&s, "no/a")));
    ck_assert(!lh_file_exists(lh_scratch_path(&s, "a")));
    lh_scratch_close(&s);
}

#if defined(LH_FAULTS) && LH_FAULTS
static const lh_fault_point points[] = {LH_FAULT_FILE_BEFORE_WRITE, LH_FAULT_FILE_BEFORE_SYNC,
                                        LH_FAULT_FILE_BEFORE_RENAME, LH_FAULT_FILE_BEFORE_DIR_SYNC};

LH_TEST_LOOP(a_replace_that_fails_leaves_old_or_new_and_no_litter, (int)LH_ARRAY_LEN(points))
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str path = lh_scratch_path(&s, "a");
    ck_lh_ok(&s, lh_file_replace(&s.cx, path, LH_S("old")));
    lh_fault_arm(points[_i], LH_FAULT_FAIL, 1, 0);
    ck_lh_fails(lh_file_replace(&s.cx, path, LH_S("new")), LH_E_IO);
    lh_fault_disarm_all();
    holds(&s, "a", points[_i] == LH_FAULT_FILE_BEFORE_DIR_SYNC ? "new" : "old");
    ck_assert_uint_eq(entries_in(&s), 1);
    lh_scratch_close(&s);
}

LH_TEST_LOOP(a_replace_that_is_killed_leaves_old_or_new, (int)LH_ARRAY_LEN(points))
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str path = lh_scratch_path(&s, "a");
    ck_lh_ok(&s, lh_file_replace(&s.cx, path, LH_S("old")));
    pid_t pid = fork();
    if (pid == 0) {
        lh_fault_arm(points[_i], LH_FAULT_CRASH, 1, 0);
        LH_IGNORE(lh_file_replace(&s.cx, path, LH_S("new")));
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    holds(&s, "a", points[_i] == LH_FAULT_FILE_BEFORE_DIR_SYNC ? "new" : "old");
    lh_scratch_close(&s);
}

LH_TEST(a_failed_sync_is_never_tried_again)
{
    lh_scratch s;
    lh_file *file = NULL;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_file_open(&s.cx, lh_scratch_path(&s, "a"), LH_FILE_CREATE, &file));
    ck_lh_ok(&s, lh_file_write(&s.cx, file, LH_S("x")));
    lh_fault_arm(LH_FAULT_FILE_BEFORE_SYNC, LH_FAULT_FAIL, 1, 0);
    ck_lh_fails(lh_file_sync(&s.cx, file), LH_E_IO);
    uint64_t hits = lh_fault_hits(LH_FAULT_FILE_BEFORE_SYNC);
    ck_lh_fails(lh_file_sync(&s.cx, file), LH_E_IO);
    ck_assert_uint_eq(lh_fault_hits(LH_FAULT_FILE_BEFORE_SYNC), hits);
    lh_fault_disarm_all();
    lh_file_close(file);
    lh_scratch_close(&s);
}
#endif

LH_TEST(modes_create_and_refuse)
{
    lh_scratch s;
    lh_file *file = NULL;
    struct stat st;
    lh_scratch_open(&s);
    lh_str path = lh_scratch_path(&s, "a");
    ck_lh_fails(lh_file_open(&s.cx, path, LH_FILE_READ, &file), LH_E_NOT_FOUND);
    ck_lh_fails(lh_file_open(&s.cx, lh_str_from(s.dir), LH_FILE_READ, &file), LH_E_IO);
    ck_lh_ok(&s, lh_file_open(&s.cx, path, LH_FILE_CREATE_NEW_SECRET, &file));
    ck_assert_int_eq(fstat(lh_file_fd(file), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_lh_ok(&s, lh_file_write(&s.cx, file, LH_S("secret")));
    file = lh_file_close(file);
    ck_lh_fails(lh_file_open(&s.cx, path, LH_FILE_CREATE, &file), LH_E_ALREADY_EXISTS);
    ck_lh_ok(&s, lh_file_open(&s.cx, path, LH_FILE_APPEND, &file));
    ck_lh_ok(&s, lh_file_write(&s.cx, file, LH_S("+")));
    file = lh_file_close(file);
    holds(&s, "a", "secret+");
    ck_assert(strstr(s.cx.err.message, s.dir) == NULL); /* no path of the host in a message */
    lh_scratch_close(&s);
}

LH_TEST(reads_and_writes_at_offsets_are_whole)
{
    lh_scratch s;
    lh_file *file = NULL;
    char out[8];
    uint64_t bytes;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_file_open(&s.cx, lh_scratch_path(&s, "a"), LH_FILE_READ_WRITE, &file));
    ck_lh_ok(&s, lh_file_write_at(&s.cx, file, 4, LH_S("efgh")));
    ck_lh_ok(&s, lh_file_write_at(&s.cx, file, 0, LH_S("abcd")));
    ck_lh_ok(&s, lh_file_read_at(&s.cx, file, 2, out, 4));
    ck_assert_int_eq(memcmp(out, "cdef", 4), 0);
    ck_lh_fails(lh_file_read_at(&s.cx, file, 5, out, 4), LH_E_BAD_VALUE);
    ck_lh_fails(lh_file_read_at(&s.cx, file, UINT64_MAX - 1, out, 4), LH_E_BAD_VALUE);
    ck_lh_ok(&s, lh_file_truncate(&s.cx, file, 3));
    ck_lh_ok(&s, lh_file_size(&s.cx, file, &bytes));
    ck_assert_uint_eq(bytes, 3);
    ck_lh_ok(&s, lh_file_sync(&s.cx, file));
    lh_file_close(file);
    lh_str all;
    ck_lh_fails(lh_file_read_all(&s.cx, lh_scratch_path(&s, "a"), 2, &all), LH_E_TOO_LARGE);
    lh_scratch_close(&s);
}

LH_TEST(a_lock_keeps_others_out)
{
    lh_scratch s;
    lh_file *first = NULL;
    lh_file *second = NULL;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_file_open(&s.cx, lh_scratch_path(&s, "lock"), LH_FILE_READ_WRITE, &first));
    ck_lh_ok(&s, lh_file_open(&s.cx, lh_scratch_path(&s, "lock"), LH_FILE_READ_WRITE, &second));
    ck_lh_ok(&s, lh_file_lock(&s.cx, first));
    ck_lh_fails(lh_file_lock(&s.cx, second), LH_E_CONFLICT);
    lh_file_close(first);
    ck_lh_ok(&s, lh_file_lock(&s.cx, second));
    lh_file_close(second);
    lh_scratch_close(&s);
}

LH_TEST(maps_have_the_length_of_the_file)
{
    lh_scratch s;
    lh_map map = {0};
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "a"), LH_S("mapped")));
    ck_lh_ok(&s, lh_map_open(&s.cx, lh_scratch_path(&s, "a"), &map));
    ck_assert(lh_str_eq(map.bytes, LH_S("mapped")));
    lh_map_forget(map.bytes);
    ck_assert(lh_str_eq(map.bytes, LH_S("mapped")));
    lh_map_close(&map);
    lh_map_close(&map);
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "a"), LH_S("")));
    ck_lh_ok(&s, lh_map_open(&s.cx, lh_scratch_path(&s, "a"), &map));
    ck_assert_uint_eq(map.bytes.len, 0);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

LH_TEST(folders_are_made_listed_and_removed)
{
    lh_scratch s;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "x//y/z/")));
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "x/y/z")));
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "x/b"), LH_S("12345")));
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "x/a"), LH_S("")));
    lh_dir_entry *entries;
    size_t count;
    ck_lh_ok(&s, lh_dir_list(&s.cx, lh_scratch_path(&s, "x"), &entries, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert(lh_str_eq(entries[0].name, LH_S("a")) && !entries[0].is_dir);
    ck_assert(lh_str_eq(entries[1].name, LH_S("b")) && entries[1].bytes == 5);
    ck_assert(lh_str_eq(entries[2].name, LH_S("y")) && entries[2].is_dir);
    ck_lh_fails(lh_dir_make(&s.cx, lh_scratch_path(&s, "x/a/b")), LH_E_ALREADY_EXISTS);
    ck_lh_fails(lh_dir_list(&s.cx, lh_scratch_path(&s, "none"), &entries, &count), LH_E_NOT_FOUND);
    /* What a link points to stays. */
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "keep")));
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "keep/me"), LH_S("x")));
    ck_assert_int_eq(symlink("../../keep", lh_scratch_path(&s, "x/y/link").ptr), 0);
    ck_lh_ok(&s, lh_dir_remove_all(&s.cx, lh_scratch_path(&s, "x")));
    ck_lh_ok(&s, lh_dir_remove_all(&s.cx, lh_scratch_path(&s, "x")));
    ck_assert(lh_file_exists(lh_scratch_path(&s, "keep/me")));
    uint64_t bytes_free, bytes_total;
    ck_lh_ok(&s, lh_dir_free_space(&s.cx, lh_str_from(s.dir), &bytes_free, &bytes_total));
    ck_assert_uint_ge(bytes_total, bytes_free);
    lh_scratch_close(&s);
}

LH_TEST(paths_join_and_split)
{
    lh_scratch s;
    lh_scratch_open(&s);
    const struct {
        const char *a, *b, *joined;
    } joins[] = {{"a", "b", "a/b"}, {"a/", "/b", "a/b"}, {"/", "b", "/b"},
                 {"", "b", "b"},    {"a", "", "a"},      {"a//", "b/c", "a/b/c"}};
    for (size_t i = 0; i < LH_ARRAY_LEN(joins); i++)
        ck_assert_str_eq(lh_path_join(&s.cx, lh_str_from(joins[i].a), lh_str_from(joins[i].b)).ptr,
                         joins[i].joined);
    ck_assert(lh_str_eq(lh_path_dir(LH_S("a/b/c")), LH_S("a/b")));
    ck_assert(lh_str_eq(lh_path_dir(LH_S("c")), LH_S(".")));
    ck_assert(lh_str_eq(lh_path_dir(LH_S("/c")), LH_S("/")));
    ck_assert(lh_str_eq(lh_path_base(LH_S("a/b/c")), LH_S("c")));
    ck_assert(lh_str_eq(lh_path_base(LH_S("c")), LH_S("c")));
    lh_scratch_close(&s);
}

LH_TEST(move_new_does_not_replace)
{
    lh_scratch s;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "to")));
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "a"), LH_S("a")));
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "b"), LH_S("b")));
    ck_lh_ok(&s, lh_file_move_new(&s.cx, lh_scratch_path(&s, "a"), lh_scratch_path(&s, "to/c")));
    ck_lh_fails(lh_file_move_new(&s.cx, lh_scratch_path(&s, "b"), lh_scratch_path(&s, "to/c")),
                LH_E_ALREADY_EXISTS);
    ck_lh_fails(lh_file_move_new(&s.cx, lh_scratch_path(&s, "a"), lh_scratch_path(&s, "to/d")),
                LH_E_NOT_FOUND);
    holds(&s, "to/c", "a");
    holds(&s, "b", "b");
    lh_scratch_close(&s);
}

/* Climbing is refused by the kernel even where nobody checked the text. */
LH_TEST_LOOP(a_root_cannot_be_left, 2)
{
    static const char *const ways[] = {
        "../outside", "in/../../outside", "in/out/outside", "link", "..", "in/out"};
    lh_scratch s;
    lh_root *root = NULL;
    lh_file *file = NULL;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "root/in")));
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "temp")));
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "outside"), LH_S("secret")));
    ck_assert_int_eq(symlink("../..", lh_scratch_path(&s, "root/in/out").ptr), 0);
    ck_assert_int_eq(symlink("../outside", lh_scratch_path(&s, "root/link").ptr), 0);
    ck_lh_ok(&s,
             lh_root_open(&s.cx, lh_scratch_path(&s, "root"), lh_scratch_path(&s, "temp"), &root));
    if (_i == 1)
        lhi_root_forget_openat2(root); /* component by component */
    for (size_t i = 0; i < LH_ARRAY_LEN(ways); i++) {
        uint64_t bytes;
        int64_t modified_us;
        lh_str way = lh_str_from(ways[i]);
        ck_assert_int_ne(lh_root_open_file(&s.cx, root, way, &file), LH_OK);
        ck_assert_int_ne(lh_root_stat(&s.cx, root, way, &bytes, &modified_us), LH_OK);
    }
    ck_lh_fails(lh_root_put(&s.cx, root, LH_S("in/out/new"), LH_S("x"), LH_ROOT_NEW),
                LH_E_BAD_NAME);
    ck_lh_fails(lh_root_put(&s.cx, root, LH_S("in/../../new"), LH_S("x"), LH_ROOT_NEW),
                LH_E_BAD_NAME);
    ck_lh_fails(lh_root_remove(&s.cx, root, LH_S("in/out/outside"), LH_ROOT_REMOVE_SYNC),
                LH_E_BAD_NAME);
    ck_lh_ok(&s, lh_root_put(&s.cx, root, LH_S("in/new"), LH_S("x"), LH_ROOT_NEW));
    holds(&s, "outside", "secret");
    ck_assert(!lh_file_exists(lh_scratch_path(&s, "new")));
    lh_root_close(root);
    lh_scratch_close(&s);
}

LH_TEST(a_fifo_is_no_object)
{
    lh_scratch s;
    lh_root *root = NULL;
    lh_file *file = NULL;
    lh_scratch_open(&s);
    ck_assert_int_eq(mkfifo(lh_scratch_path(&s, "fifo").ptr, 0600), 0);
    ck_lh_ok(&s, lh_root_open(&s.cx, lh_str_from(s.dir), lh_str_from(s.dir), &root));
    ck_lh_fails(lh_root_open_file(&s.cx, root, LH_S("fifo"), &file), LH_E_NOT_FOUND);
    lh_root_close(root);
    lh_scratch_close(&s);
}

/* /dev/full refuses every byte, as a full disk does. */
LH_TEST(a_full_disk_is_said)
{
    lh_scratch s;
    lh_file *file = NULL;
    lh_scratch_open(&s);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ck_lh_ok(&s, lh_file_open_fd(&s.cx, fd, &file));
        ck_lh_fails(lh_file_write(&s.cx, file, LH_S("x")), LH_E_NO_SPACE);
        ck_lh_fails(lh_file_write_at(&s.cx, file, 0, LH_S("x")), LH_E_NO_SPACE);
        lh_file_close(file);
    }
    lh_scratch_close(&s);
}

LH_TEST(a_container_is_written_through_the_sink)
{
    lh_scratch s;
    lh_file *file = NULL;
    lh_container_writer *writer = NULL;
    lh_container container;
    lh_map map = {0};
    uint64_t bytes;
    lh_str section;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_file_open(&s.cx, lh_scratch_path(&s, "c"), LH_FILE_CREATE, &file));
    ck_lh_ok(
        &s, lh_container_writer_new(&s.cx, lh_file_container_sink(file), LH_S("test"), 1, &writer));
    ck_lh_ok(&s, lh_container_add(&s.cx, writer, LH_S("part"), 1, LH_S("content")));
    ck_lh_ok(&s, lh_container_finish(&s.cx, writer, &bytes));
    lh_container_writer_free(writer);
    lh_file_close(file);
    ck_lh_ok(&s, lh_map_open(&s.cx, lh_scratch_path(&s, "c"), &map));
    ck_assert_uint_eq(map.bytes.len, bytes);
    ck_lh_ok(&s, lh_container_open(&s.cx, map.bytes, LH_S("test"), &container));
    ck_lh_ok(&s, lh_container_get(&s.cx, &container, LH_S("part"), 1, &section));
    ck_assert(lh_str_eq(section, LH_S("content")));
    lh_map_close(&map);
    lh_scratch_close(&s);
}
