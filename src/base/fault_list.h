/* base/fault_list.h - named places where a test may force a failure, a delay or a crash.
 *
 * To add one: 1. a row here (KEEP SORTED); 2. LH_FAULT(cx, NAME) at the place; 3. a row in
 * tests/fault/.
 *
 * Owns: nothing. Threads: constants. Limits: none. Formats: docs/api/faults.json. Why: crash tests
 *       are data. */
#ifndef LH_BASE_FAULT_LIST_H
#define LH_BASE_FAULT_LIST_H

/* clang-format off */
/* KEEP SORTED */
#define LH_FAULT_LIST(X)                                                                             \
    X(APPEND_LOG_AFTER_PUT,             "a batch is durable, the append not yet answered")          \
    X(APPEND_LOG_BEFORE_PUT,            "records are about to become a batch")                      \
    X(APPEND_LOG_COMPACT_BEFORE_DELETE, "a merged batch is durable, its parts not yet removed")     \
    X(APPEND_LOG_COMPACT_BEFORE_PUT,    "a merged batch is written, not yet published")             \
    X(APPEND_LOG_COMPACT_IN_DELETE,     "some parts of a merged batch are removed")                 \
    X(CATALOG_AFTER_JOURNAL,            "a commit's events are in the journal")                     \
    X(CATALOG_AFTER_MANIFEST,           "a commit is made, its writer not yet told")                \
    X(CATALOG_BEFORE_JOURNAL,           "a commit is made, its events are not in the journal")      \
    X(CATALOG_BEFORE_MANIFEST,          "a version is built, not yet put")                          \
    X(DIR_BEFORE_MAKE,                  "a folder is about to be made")                             \
    X(EMBED_CACHE_BEFORE_HEAD,          "a vector is in the cache's file, its head is not")         \
    X(EMBED_CACHE_BEFORE_VECTOR,        "a vector is about to be put into the cache")               \
    X(FILE_BEFORE_DIR_SYNC,             "a file was renamed into place, its folder not yet synced") \
    X(FILE_BEFORE_REMOVE,               "a file is about to be removed")                            \
    X(FILE_BEFORE_RENAME,               "a temporary file is written and synced, not yet renamed")  \
    X(FILE_BEFORE_SYNC,                 "a temporary file is written, not yet synced")              \
    X(FILE_BEFORE_WRITE,                "a file is open, its bytes not yet written")                \
    X(INDEX_AFTER_META,                 "an index generation is published, its dataset not yet told") \
    X(INDEX_AFTER_PART,                 "a part of an index is published, its plan not yet saved")  \
    X(INDEX_BEFORE_META,                "an index generation is complete, not yet published")       \
    X(INDEX_BEFORE_PART,                "a part of an index is written, not yet published")         \
    X(INDEX_IN_COLLECT,                 "an object of a replaced index generation is about to be removed") \
    X(INGEST_PART_BEFORE_SYNC,          "a worker wrote a Parquet part, not yet synced or checked") \
    X(SEGSET_AFTER_BATCH,               "a change of a segment set is durable, not yet visible")    \
    X(SEGSET_AFTER_MANIFEST,            "a merge is durable, its old segments not yet removed")     \
    X(SEGSET_AFTER_SEGMENT,             "a merged segment is durable, its ids not yet")             \
    X(SEGSET_BEFORE_BATCH,              "a change of a segment set is encoded, not yet put")        \
    X(SEGSET_BEFORE_MANIFEST,           "a merged segment is complete, not yet named")              \
    X(SEGSET_BEFORE_REMOVE,             "an object of a segment set is about to be removed")        \
    X(SEGSET_BEFORE_SEGMENT,            "a merged segment is about to be written")                  \
    X(STAGED_BEFORE_SYNC,               "a staged file was read back, not yet synced")              \
    X(VECTOR_AFTER_STAGE,               "what a phase of a vector build made is kept")              \
    X(VECTOR_BEFORE_STAGE,              "a phase of a vector build is done, what it made not kept")
/* clang-format on */

#endif
