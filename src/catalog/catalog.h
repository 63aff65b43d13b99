/* catalog/catalog.h - the only authority on datasets: commits, snapshots, rebuild.
 *
 * Owns:    the current snapshot of every dataset; a snapshot is shared and immutable
 *          (ref/unref).
 * Threads: all functions from any thread. Readers never wait for writers.
 * Limits:  100,000 datasets; a commit retries LH_COMMIT_RETRIES times when it lost the race.
 *          Names are found in any case of their letters, as SQL does.
 * Formats: catalog/manifest.h.
 * Why:     every change writes new objects and then one new numbered manifest, put only if
 *          absent. A crash leaves the old list or the new one plus garbage that nothing
 *          references. */
#ifndef LH_CATALOG_CATALOG_H
#define LH_CATALOG_CATALOG_H

#include "catalog/manifest.h"
#include "journal/journal.h"
#include "storage/store.h"

#define LH_COMMIT_RETRIES 64

typedef struct lh_catalog lh_catalog;
typedef struct lh_snapshot lh_snapshot;

/* Rebuilds from the newest manifest of every dataset and completes journal events of a commit
 * that a crash cut off from its journal. A dataset whose newest manifest is damaged is logged
 * and listed by lh_catalog_damaged; getting or changing it is LH_E_CORRUPT with the key; the
 * others are not touched by it. store and journal are borrowed. */
LH_WARN_UNUSED lh_rc lh_catalog_open(lh_ctx *cx, lh_store *store, lh_journal *journal,
                                     lh_catalog **ret_catalog);
lh_catalog *lh_catalog_close(lh_catalog *catalog);
lh_store *lh_catalog_store(lh_catalog *catalog);

/* A counted reference to one version. commit 0 = the current one; as_of_us != 0 = the newest not
 * after that time. LH_E_UNKNOWN_DATASET (with "did you mean"), LH_E_NOT_FOUND (no such commit),
 * LH_E_CORRUPT, LH_E_BAD_VALUE (both). */
LH_WARN_UNUSED lh_rc lh_catalog_get(lh_ctx *cx, lh_catalog *catalog, lh_str name, uint64_t commit,
                                    int64_t as_of_us, lh_snapshot **ret_snapshot);
lh_snapshot *lh_snapshot_ref(lh_snapshot *snapshot);
lh_snapshot *lh_snapshot_unref(lh_snapshot *snapshot); /* NULL ok; returns NULL */
LH_DEFINE_CLEANUP(lh_snapshot, lh_snapshot_unref)
const lh_manifest *lh_snapshot_manifest(
    const lh_snapshot *snapshot); /* borrowed from the snapshot */

typedef struct lh_catalog_page {
    lh_snapshot **items; /* the array is in the arena; each is a reference until `done` */
    size_t count;
    int more; /* datasets follow */
} lh_catalog_page;
void lh_catalog_page_done(lh_catalog_page *page); /* gives the references back */
LH_DEFINE_CLEANUP_VALUE(lh_catalog_page, lh_catalog_page_done)
/* Current snapshots in order of name, after `after` (empty = from the start), limit 0 = all.
 * Damaged datasets are left out. */
LH_WARN_UNUSED lh_rc lh_catalog_list(lh_ctx *cx, lh_catalog *catalog, lh_str after, size_t limit,
                                     lh_catalog_page *ret_page);
size_t lh_catalog_count(lh_catalog *catalog); /* without damaged ones */
/* Datasets whose newest manifest cannot be read. In the arena. */
typedef struct lh_damaged_dataset {
    lh_str name;
    uint64_t commit;
    lh_str text; /* names the key and says why */
} lh_damaged_dataset;
LH_WARN_UNUSED lh_rc lh_catalog_damaged(lh_ctx *cx, lh_catalog *catalog,
                                        lh_damaged_dataset **ret_items, size_t *ret_count);
/* Names of datasets that look like name, best first, at most 3. In the arena. */
LH_WARN_UNUSED lh_rc lh_catalog_near(lh_ctx *cx, lh_catalog *catalog, lh_str name,
                                     lh_str_list *ret_names);

/* Makes the next commit. build gets the parent (NULL: the dataset is new) and a `next` that
 * starts as a copy of it with commit, parent and committed_at set; it changes next and may
 * refuse (its rc is returned). It is called again when another writer was first. Everything
 * build allocates lives in cx's arena, and it makes no commit itself. It does not write into
 * lists it was given, except into the columns of schemas. Data files must be published before.
 * Errors: of build; LH_E_CONFLICT (lost every race), LH_E_CORRUPT (damaged dataset),
 * LH_E_BAD_NAME, those of the store. An error of the store may mean that the commit was made all
 * the same: the caller must not remove the data files (if nothing references them, fsck will).
 * ret_snapshot may be NULL. */
typedef lh_rc (*lh_commit_build)(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next,
                                 void *arg);
LH_WARN_UNUSED lh_rc lh_catalog_commit(lh_ctx *cx, lh_catalog *catalog, lh_str name,
                                       lh_commit_build build, void *arg,
                                       lh_snapshot **ret_snapshot);

/* Helpers for build functions. */
/* Sets the current schema to these columns (names, types, pii): keeps the field ids of columns
 * of the same name and a compatible type (one holds the values of the other), gives new ids to
 * the others; reuses an equal schema. Keeps schemas that files still use. PII classes a name
 * once had stay with it. LH_E_BAD_NAME, LH_E_BAD_VALUE with columns[i]. */
LH_WARN_UNUSED lh_rc lh_manifest_evolve(lh_ctx *cx, lh_manifest *next, const lh_column *columns,
                                        size_t count, int32_t *ret_schema_id);
/* Append: the union of the current schema and the columns; types widen as Iceberg allows (int ->
 * bigint, float -> double, decimal) or to VARCHAR where they do not fit. The file keeps its own
 * schema. */
LH_WARN_UNUSED lh_rc lh_manifest_merge(lh_ctx *cx, lh_manifest *next, const lh_column *columns,
                                       size_t count, int32_t *ret_file_schema_id);
LH_WARN_UNUSED lh_rc lh_manifest_add_file(lh_ctx *cx, lh_manifest *next, const lh_data_file *file);
void lh_manifest_clear_files(lh_manifest *next);
LH_WARN_UNUSED lh_rc lh_manifest_add_event(lh_ctx *cx, lh_manifest *next,
                                           const lh_manifest_event *event);

/* The rows of a snapshot as SQL: SELECT "a", "b" FROM read_parquet(['/local/path', ...], ...),
 * with NULLs and casts where older files lack a column (by field id), UNION ALL over groups of
 * equal schema. Without files: no rows of the right types. LH_E_UNPROCESSABLE (no columns yet),
 * LH_E_CORRUPT (an object is missing), LH_E_UNAVAILABLE (deletes). */
LH_WARN_UNUSED lh_rc lh_snapshot_sql(lh_ctx *cx, lh_store *store, const lh_snapshot *snapshot,
                                     lh_str *ret_sql);

/* Called after each commit, on the committing thread, without locks; must be quick. At most 8
 * subscribers, registered before requests. */
typedef void (*lh_catalog_subscriber)(void *arg, const lh_snapshot *snapshot, lh_str operation);
LH_WARN_UNUSED lh_rc lh_catalog_subscribe(lh_ctx *cx, lh_catalog *catalog, lh_catalog_subscriber fn,
                                          void *arg);

/* PII classes of a column by its name and by what its values look like (shares of sampled texts,
 * 0..1). Of fewer than LH_PII_SAMPLES_MIN texts a share says nothing: the caller gives 0. */
#define LH_PII_SAMPLES_MIN 8
typedef struct lh_pii_hints {
    double like_email;
    double like_phone;
    double like_ssn;
} lh_pii_hints;
LH_WARN_UNUSED lh_rc lh_pii_detect(lh_ctx *cx, lh_str column_name, lh_str type,
                                   const lh_pii_hints *hints, lh_list *ret_pii);

/* Double-quoted SQL identifier and single-quoted literal, in the arena. */
lh_str lh_sql_ident(lh_ctx *cx, lh_str name);
lh_str lh_sql_literal(lh_ctx *cx, lh_str text);

#endif
