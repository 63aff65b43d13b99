/* catalog/manifest.h - one commit of one dataset, as stored and as read.
 *
 * Owns:    plain data in the arena of whoever parsed or built it.
 * Threads: a manifest inside a snapshot is immutable.
 * Limits:  LH_MANIFEST_BYTES_MAX of JSON, 4,096 columns, 100,000 files.
 * Formats: `_catalog/datasets/<name>/<20-digit commit>.json`, put only if absent; format_version
 *          1; sealed with a checksum (catalog/sealed.h). Fields of later versions are skipped,
 *          missing ones take defaults (contract A4: old forms must still load; those without a
 *          version need no checksum).
 * Why:     the manifest put is the commit (docs/adr/0001-commits.md). Field ids are permanent,
 *          so a rename neither loses data nor unmasks (contract A8), and Iceberg readers find
 *          their columns. */
#ifndef LH_CATALOG_MANIFEST_H
#define LH_CATALOG_MANIFEST_H

#include "base/record.h"

#define LH_MANIFEST_VERSION   1
#define LH_MANIFEST_BYTES_MAX (256u * 1024u * 1024u)
#define LH_DATASET_NAME_MAX   128

/* A part of a nested type: "element" of a list, "key" and "value" of a map, a field of a struct;
 * joined by dots, names that are not plain words in double quotes: element."first name". */
typedef struct lh_nested_id {
    lh_str path;
    int32_t field_id; /* from the same numbers as those of columns */
} lh_nested_id;

/* What is known of a column's values beside its type; decides what it may become in an append. */
typedef enum lh_column_range {
    LH_RANGE_ANY,   /* nothing */
    LH_RANGE_NONE,  /* there is no value, only NULL */
    LH_RANGE_DOUBLE /* every integer of it is exactly a DOUBLE */
} lh_column_range;

typedef struct lh_column {
    int32_t field_id; /* permanent within the dataset, from 1 */
    lh_str name;
    lh_str type; /* DuckDB's spelling */
    lh_list pii; /* lh_str: email, phone, ssn, salary, address, medical, name */
    lh_str description;
    lh_list nested; /* lh_nested_id; empty for plain types. Given by evolve and merge */
    int range;      /* lh_column_range */
} lh_column;

typedef struct lh_schema {
    int32_t schema_id;
    lh_list columns; /* lh_column, in order */
} lh_schema;

typedef enum lh_file_kind {
    LH_FILE_KIND_BASE,
    LH_FILE_KIND_DELTA,
    LH_FILE_KIND_DELETES
} lh_file_kind;

typedef struct lh_data_file {
    lh_str bucket;     /* "primary" */
    lh_str key;        /* "datasets/<name>/<unique>.parquet" */
    int kind;          /* lh_file_kind */
    int32_t schema_id; /* names and types in this file */
    uint64_t rows;
    uint64_t bytes;
    lh_str sha256;  /* hex, of the whole file */
    lh_str key_min; /* of the row key, as text; empty = not known */
    lh_str key_max;
    uint64_t sequence; /* commit that added it */
} lh_data_file;

typedef struct lh_metadata {
    lh_str description;
    lh_str owner;
    lh_str sensitivity;
    lh_str freshness;
    lh_list tags; /* lh_str */
} lh_metadata;

typedef struct lh_lineage {
    lh_str source_system; /* "file", "inbox", "postgres", ... */
    lh_str source_name;   /* file name, or redacted DSN + table */
    lh_str source_sha256; /* hex; empty = not a file */
    lh_str ingest_job;
    uint64_t rows;
    uint64_t commit;
    int64_t at;
} lh_lineage;

typedef enum lh_refresh_policy {
    LH_REFRESH_MANUAL,
    LH_REFRESH_ON_APPEND,
    LH_REFRESH_SCHEDULED
} lh_refresh_policy;

typedef struct lh_embedding_state {
    int64_t last_embedded_at;      /* 0 = never */
    int64_t embedding_stale_since; /* 0 = not stale */
    int embedding_refresh_policy;  /* lh_refresh_policy */
    lh_str schedule;               /* cron, when scheduled */
} lh_embedding_state;

typedef struct lh_manifest_event { /* journal events of this commit; all are texts */
    lh_str action; /* created, replaced, appended, upserted, metadata, resynced, embedded */
    lh_str field;
    lh_str old_value;
    lh_str new_value;
    lh_str actor;
    lh_str source;
    lh_str event_id; /* given by the commit, permanent; empty in old forms: not to be journaled */
} lh_manifest_event;

typedef struct lh_manifest {
    uint32_t format_version;
    lh_str id; /* of the dataset, permanent: "ds-<16 hex>" */
    lh_str name;
    uint64_t commit; /* 1, 2, ...; also the sequence number */
    uint64_t parent; /* 0 = none */
    lh_str writer;   /* hex, random per attempt: a put whose answer was lost is recognised by it */
    lh_str operation;
    int64_t created_at; /* of the dataset */
    int64_t committed_at;
    lh_str fingerprint; /* of names and types, hex */
    int32_t next_field_id;
    int32_t current_schema_id;
    lh_list schemas; /* lh_schema: the current one and those that files still use */
    lh_list files;   /* lh_data_file, in row order */
    uint64_t row_count;
    uint64_t bytes;
    lh_str row_key; /* column of upserts; empty = none */
    lh_metadata metadata;
    lh_list lineage; /* lh_lineage: sources of the rows there are, oldest first */
    lh_embedding_state embedding;
    lh_list events; /* lh_manifest_event */
} lh_manifest;

extern const lh_record lh_manifest_record, lh_column_record, lh_metadata_record;

const lh_schema *lh_manifest_schema(const lh_manifest *manifest,
                                    int32_t schema_id);            /* NULL when absent */
const lh_schema *lh_manifest_current(const lh_manifest *manifest); /* never NULL in a loaded one */
const lh_column *lh_schema_find(const lh_schema *schema,
                                lh_str name); /* any case; NULL when absent */
const lh_column *lh_schema_find_id(const lh_schema *schema, int32_t field_id);
/* Names and types in order as 16 hex digits; two schemas that read the same have the same one. */
LH_WARN_UNUSED lh_rc lh_schema_fingerprint(lh_ctx *cx, const lh_schema *schema, lh_str *ret_hex);

/* A dataset name: 1..128 of letters, digits, _ - . and spaces inside; not starting with . or _;
 * no "..". LH_E_BAD_NAME. */
LH_WARN_UNUSED lh_rc lh_dataset_check_name(lh_ctx *cx, lh_str name);
/* A file name to a dataset name: "Kunden 2024.csv.gz" -> "kunden_2024". Never empty. */
lh_str lh_dataset_name_from_file(lh_ctx *cx, lh_str file_name);

/* Parses and checks every invariant (field ids unique, files' schemas exist, sums match).
 * LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_manifest_parse(lh_ctx *cx, lh_str json, lh_manifest *ret);
/* Sealed JSON text. LH_E_TOO_LARGE past LH_MANIFEST_BYTES_MAX. */
LH_WARN_UNUSED lh_rc lh_manifest_write(lh_ctx *cx, const lh_manifest *manifest, lh_str *ret_json);

#define LH_MANIFEST_PREFIX "_catalog/datasets/"
/* "_catalog/datasets/<name>/<20 digits>.json" and back; find: 0 when key is not of that form. */
lh_str lh_manifest_key(lh_ctx *cx, lh_str name, uint64_t commit);
int lh_manifest_key_find(lh_str key, lh_str *ret_name, uint64_t *ret_commit);

#endif
