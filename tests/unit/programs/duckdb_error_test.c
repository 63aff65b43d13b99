/* duckdb_error_test.c - what is left of an engine's message. links: worker os base */
#include "worker/programs/duckdb_handles.h"

#include "support/unit.h"

static const struct {
    const char *said;
    lh_rc rc;
    const char *shown;
} rows[] = {
    {"Invalid Input Error: No magic bytes found at end of file '/d/.lakehouse/staging/s-1.parquet'",
     LH_E_UNPROCESSABLE, "No magic bytes found at end of file"},
    {"Invalid Input Error: Footer length error in file '/home/my data/spill/s-1.parquet'",
     LH_E_UNPROCESSABLE, "Footer length error in file"},
    {"IO Error: Cannot open file \"/d/spill/duckdb_temp_storage-0.tmp\": No such file",
     LH_E_UNPROCESSABLE, "Cannot open file: No such file"},
    {"No magic bytes found at end of file '/d/datasets/a b/c4-0000.parquet'", LH_E_UNPROCESSABLE,
     "No magic bytes found at end of file 'c4-0000.parquet'"},
    {"Conversion Error: Could not convert string '/' to INT32, 6 / 2", LH_E_UNPROCESSABLE,
     "Could not convert string '/' to INT32, 6 / 2"},
    {"Out of Memory Error: could not allocate block of size 256.0 KiB (1.0 MiB/1.0 MiB used)\n\n"
     "Possible solutions:\n* Reducing the number of threads (SET threads=X)\n"
     "* Increasing the memory limit (SET memory_limit='...GB')\n\n"
     "See also https://duckdb.org/docs/stable/guides/performance/how_to_tune_workloads",
     LH_E_MEMORY_LIMIT, "could not allocate block of size 256.0 KiB (1.0 MiB/1.0 MiB used)"},
    {"Binder Error: Pivot column limit of 100 exceeded. Use SET pivot_limit=X to increase the "
     "limit.",
     LH_E_UNPROCESSABLE, "Pivot column limit of 100 exceeded."},
    {"Conversion Error: Could not convert string 'a. Use less' to INT32. See line 3",
     LH_E_UNPROCESSABLE, "Could not convert string 'a. Use less' to INT32. See line 3"},
    {"INTERRUPT Error: Interrupted!", LH_E_CANCELLED, "Interrupted!"},
    {"IO Error: Could not write file \"/d/staging/p-0.parquet\": No space left on device",
     LH_E_NO_SPACE,
     "there is no room left to write or spill to: Could not write file: No space left on device"},
    {"Out of Memory Error: failed to offload data block of size 32.0 KiB (1.0 GiB/1.0 GiB used).\n"
     "This limit was set by the 'max_temp_directory_size' setting.\n"
     "By default, this setting utilizes the available disk space on the drive where the "
     "'temp_directory' is located.\n"
     "You can adjust this setting, by using (for example) PRAGMA max_temp_directory_size='10GiB'",
     LH_E_NO_SPACE,
     "there is no room left to write or spill to: failed to offload data block of size 32.0 KiB "
     "(1.0 GiB/1.0 GiB used)."},
    {"Use SET threads=1", LH_E_UNPROCESSABLE, "the engine gave no reason"},
    {NULL, LH_E_UNPROCESSABLE, "the engine gave no reason"},
};

LH_TEST_LOOP(messages_keep_their_reason_and_lose_the_rest, (int)LH_ARRAY_LEN(rows))
{
    lh_ctx cx;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    ck_assert_int_eq(lh_duck_fail(&cx, LH_E_UNPROCESSABLE, rows[_i].said), rows[_i].rc);
    ck_assert_str_eq(cx.err.message, rows[_i].shown);
    ck_assert((rows[_i].rc == LH_E_MEMORY_LIMIT) == (cx.err.hint[0] != '\0'));
}
