/* crash.h - runs the rows of a crash matrix: a child arms a fault point, works, dies; the parent
 * looks at what is left.
 *
 *     # fault point, which hit of it, what the child does; then what must hold after a restart
 *     APPEND_LOG_AFTER_PUT   3   append   acknowledged 2   lines 2..3   no-duplicate
 *
 * The child calls crash_ack for each unit of work that was acknowledged to it. After the crash
 * exactly so many must have been acknowledged, every one of them must be found, and lines says how
 * many units in all may be there.
 *
 * Owns:    the rows, for the life of the test program.
 * Threads: one; the test must have no thread when it forks.
 * Limits:  CRASH_ROWS_MAX rows a file, CRASH_UNITS_MAX units a child.
 * Formats: as above; # begins a comment.
 * Why:     the crash matrix is data that anybody can add a line to. */
#ifndef LH_TESTS_SUPPORT_CRASH_H
#define LH_TESTS_SUPPORT_CRASH_H

#include "base/fault.h"
#include "support/scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CRASH_ROWS_MAX = 64, CRASH_UNITS_MAX = 256 };

typedef struct crash_row {
    lh_fault_point point;
    uint32_t hit;
    char scenario[32];
    unsigned acknowledged;
    unsigned lines_min;
    unsigned lines_max;
} crash_row;

typedef struct crash_run {
    crash_row row;
    lh_scratch *scratch; /* of the calling process */
    int ack_fd;
} crash_run;

/* What is found after the crash: seen[n] counts unit n. */
typedef struct crash_found {
    unsigned seen[CRASH_UNITS_MAX];
} crash_found;

static inline void crash_ack(crash_run *run, unsigned char unit)
{
    if (write(run->ack_fd, &unit, 1) != 1)
        _exit(99);
}

/* In the child, when its preparations are done. */
static inline void crash_arm(crash_run *run)
{
#if defined(LH_FAULTS) && LH_FAULTS
    lh_fault_arm(run->row.point, LH_FAULT_CRASH, run->row.hit, 0);
#else
    (void)run;
#endif
}

static inline void crash_parse_line(const char *line, const char *file, crash_row *row)
{
    char name[64];
    char lines[32];
    int fields = sscanf(line, "%63s %u %31s acknowledged %u lines %31s no-duplicate", name,
                        &row->hit, row->scenario, &row->acknowledged, lines);
    ck_assert_msg(fields == 5, "%s: not a row: %s", file, line);
    row->point = LH_FAULT_COUNT;
    for (int i = 0; i < (int)LH_FAULT_COUNT; i++)
        if (strcmp(lh_fault_name((lh_fault_point)i), name) == 0)
            row->point = (lh_fault_point)i;
    ck_assert_msg(row->point != LH_FAULT_COUNT, "%s: no fault point %s", file, name);
    int bounds = sscanf(lines, "%u..%u", &row->lines_min, &row->lines_max);
    ck_assert_int_ge(bounds, 1);
    if (bounds == 1)
        row->lines_max = row->lines_min;
}

/* file is a name in tests/fault. */
static inline size_t crash_rows(const char *file, crash_row *rows)
{
    const char *data = getenv("LH_TEST_DATA"); /* <source>/tests/data */
    char path[512];
    char line[256];
    size_t count = 0;
    snprintf(path, sizeof(path), "%s/../fault/%s", data != NULL ? data : "tests/data", file);
    FILE *in = fopen(path, "r");
    if (in == NULL && data == NULL) {
        snprintf(path, sizeof(path), "tests/fault/%s", file);
        in = fopen(path, "r");
    }
    ck_assert_msg(in != NULL, "%s is not there (set LH_TEST_DATA to tests/data)", path);
    while (fgets(line, sizeof(line), in) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        ck_assert_uint_lt(count, CRASH_ROWS_MAX);
        crash_parse_line(line, file, &rows[count++]);
    }
    fclose(in);
    return count;
}

static inline void crash_check(const crash_row *row, const crash_found *found,
                               const unsigned char *acked, size_t acked_count)
{
    const char *name = lh_fault_name(row->point);
    unsigned lines = 0;
    for (unsigned i = 0; i < CRASH_UNITS_MAX; i++) {
        ck_assert_msg(found->seen[i] <= 1, "%s %u %s: unit %u is there %u times", name, row->hit,
                      row->scenario, i, found->seen[i]);
        lines += found->seen[i];
    }
    for (size_t i = 0; i < acked_count; i++)
        ck_assert_msg(found->seen[acked[i]] == 1, "%s %u %s: unit %u was acknowledged and is lost",
                      name, row->hit, row->scenario, acked[i]);
    ck_assert_msg(acked_count == row->acknowledged, "%s %u %s: %zu acknowledged, wanted %u", name,
                  row->hit, row->scenario, acked_count, row->acknowledged);
    ck_assert_msg(lines >= row->lines_min && lines <= row->lines_max,
                  "%s %u %s: %u lines, wanted %u..%u", name, row->hit, row->scenario, lines,
                  row->lines_min, row->lines_max);
}

/* work runs in the child and never returns to the test; look fills what a restart finds. */
static inline void crash_run_row(const crash_row *row, void (*work)(crash_run *run),
                                 void (*look)(crash_run *run, crash_found *found))
{
    lh_scratch scratch;
    lh_scratch_open(&scratch);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    crash_run run = {.row = *row, .scratch = &scratch, .ack_fd = fds[1]};
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(fds[0]);
        work(&run);
        _exit(0); /* not reached when the point is hit */
    }
    close(fds[1]);
    unsigned char acked[CRASH_UNITS_MAX];
    size_t count = 0;
    for (ssize_t n;
         count < sizeof(acked) && (n = read(fds[0], acked + count, sizeof(acked) - count)) > 0;)
        count += (size_t)n;
    close(fds[0]);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status), "%s %u %s: the point was not hit (exit %d)",
                  lh_fault_name(row->point), row->hit, row->scenario, WEXITSTATUS(status));
    crash_found found = {0};
    run.ack_fd = -1;
    look(&run, &found);
    crash_check(row, &found, acked, count);
    lh_scratch_close(&scratch);
}

#endif
