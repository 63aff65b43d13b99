/* manifest_record.c - the tables of a manifest's fields, and looking things up in one.
 *
 * Records are open: a field that a later version adds is skipped. Limits are generous here,
 * because a manifest is our own writing; what comes from clients is limited by the records of
 * the requests. */
#include "catalog/manifest.h"

#include "base/hash.h"
#include "base/num.h"

enum { COLUMNS_MAX = 4096, FILES_MAX = 100000, LIST_MAX = 1000000, TEXT_MAX = 16 * 1024 * 1024 };

static const lh_field nested_fields[] = {
    LH_FIELD("path", STR, lh_nested_id, path, .flags = LH_FIELD_REQUIRED, .max = TEXT_MAX,
             .doc = "Place inside the type: element, key, value or field names, joined by dots."),
    LH_FIELD("field_id", I32, lh_nested_id, field_id, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = INT32_MAX, .doc = "Permanent number."),
    {0}};
static const lh_record nested_record = {.name = "NestedFieldId",
                                        .size = sizeof(lh_nested_id),
                                        .fields = nested_fields,
                                        .doc = "The permanent number of a part of a nested type.",
                                        .flags = LH_RECORD_OPEN};

static const char *const range_names[] = {"any", "none", "double", NULL};

static const lh_field column_fields[] = {
    LH_FIELD("field_id", I32, lh_column, field_id,
             .doc = "Permanent number of the column within the dataset, from 1."),
    LH_FIELD("name", STR, lh_column, name, .flags = LH_FIELD_REQUIRED, .max = TEXT_MAX,
             .doc = "Name, unique in any case of its letters."),
    LH_FIELD("type", STR, lh_column, type, .flags = LH_FIELD_REQUIRED, .max = TEXT_MAX,
             .doc = "Type as DuckDB spells it."),
    LH_FIELD("pii", LIST, lh_column, pii, .item = LH_F_STR, .max = 64,
             .doc = "Kinds of personal data: email, phone, ssn, salary, address, medical, name."),
    LH_FIELD("description", STR, lh_column, description, .max = TEXT_MAX,
             .flags = LH_FIELD_OMIT_EMPTY, .doc = "What the column means."),
    LH_FIELD("nested", LIST, lh_column, nested, .item = LH_F_OBJECT, .record = &nested_record,
             .max = LIST_MAX, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Permanent numbers of the parts of a nested type."),
    LH_FIELD("range", ENUM, lh_column, range, .names = range_names, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "What is known of the values: none but NULL, or integers exact as DOUBLE."),
    {0}};
const lh_record lh_column_record = {.name = "Column",
                                    .size = sizeof(lh_column),
                                    .fields = column_fields,
                                    .doc = "A column of a dataset.",
                                    .flags = LH_RECORD_OPEN};

static const lh_field schema_fields[] = {
    LH_FIELD("schema_id", I32, lh_schema, schema_id, .flags = LH_FIELD_REQUIRED, .min = 0,
             .max = INT32_MAX, .doc = "Number of the schema within the dataset."),
    LH_FIELD("columns", LIST, lh_schema, columns, .item = LH_F_OBJECT, .record = &lh_column_record,
             .max = COLUMNS_MAX, .doc = "Columns in order."),
    {0}};
static const lh_record schema_record = {.name = "Schema",
                                        .size = sizeof(lh_schema),
                                        .fields = schema_fields,
                                        .doc = "Names and types of columns at some time.",
                                        .flags = LH_RECORD_OPEN};

static const char *const file_kinds[] = {"base", "delta", "deletes", NULL};
static const lh_field file_fields[] = {
    LH_FIELD("bucket", STR, lh_data_file, bucket, .max = 255, .def = "\"primary\"",
             .doc = "Bucket that holds the object."),
    LH_FIELD("key", STR, lh_data_file, key, .flags = LH_FIELD_REQUIRED, .max = 1024,
             .doc = "Key of the object."),
    LH_FIELD("kind", ENUM, lh_data_file, kind, .names = file_kinds, .doc = "What its rows are."),
    LH_FIELD("schema_id", I32, lh_data_file, schema_id, .doc = "Names and types in this file."),
    LH_FIELD("rows", U64, lh_data_file, rows, .doc = "Rows in the file."),
    LH_FIELD("bytes", U64, lh_data_file, bytes, .doc = "Size of the file in bytes."),
    LH_FIELD("sha256", STR, lh_data_file, sha256, .max = LH_SHA256_HEX,
             .doc = "SHA-256 of the whole file, hex."),
    LH_FIELD("key_min", STR, lh_data_file, key_min, .max = TEXT_MAX, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Least row key in the file, as text."),
    LH_FIELD("key_max", STR, lh_data_file, key_max, .max = TEXT_MAX, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Greatest row key in the file, as text."),
    LH_FIELD("sequence", U64, lh_data_file, sequence, .doc = "Commit that added the file."),
    {0}};
static const lh_record file_record = {.name = "DataFile",
                                      .size = sizeof(lh_data_file),
                                      .fields = file_fields,
                                      .doc = "An immutable object with rows of a dataset.",
                                      .flags = LH_RECORD_OPEN};

static const lh_field metadata_fields[] = {
    LH_FIELD("description", STR, lh_metadata, description, .max = TEXT_MAX,
             .doc = "What the dataset is."),
    LH_FIELD("owner", STR, lh_metadata, owner, .max = TEXT_MAX, .doc = "Who answers for it."),
    LH_FIELD("sensitivity", STR, lh_metadata, sensitivity, .max = TEXT_MAX,
             .doc = "How sensitive it is, in the owner's words."),
    LH_FIELD("freshness", STR, lh_metadata, freshness, .max = TEXT_MAX,
             .doc = "How often it is renewed, in the owner's words."),
    LH_FIELD("tags", LIST, lh_metadata, tags, .item = LH_F_STR, .max = LIST_MAX,
             .doc = "Free words."),
    {0}};
const lh_record lh_metadata_record = {.name = "DatasetMetadata",
                                      .size = sizeof(lh_metadata),
                                      .fields = metadata_fields,
                                      .doc = "What people say about a dataset.",
                                      .flags = LH_RECORD_OPEN};

static const lh_field lineage_fields[] = {
    LH_FIELD("source_system", STR, lh_lineage, source_system, .max = TEXT_MAX,
             .doc = "Kind of source: file, inbox, postgres, ..."),
    LH_FIELD("source_name", STR, lh_lineage, source_name, .max = TEXT_MAX,
             .doc = "File name, or redacted address and table."),
    LH_FIELD("source_sha256", STR, lh_lineage, source_sha256, .max = LH_SHA256_HEX,
             .flags = LH_FIELD_OMIT_EMPTY, .doc = "SHA-256 of the source file, hex."),
    LH_FIELD("ingest_job", STR, lh_lineage, ingest_job, .max = TEXT_MAX,
             .doc = "Job that read it."),
    LH_FIELD("rows", U64, lh_lineage, rows, .doc = "Rows that came from it."),
    LH_FIELD("commit", U64, lh_lineage, commit, .doc = "Commit that brought them."),
    LH_FIELD("at", TIME, lh_lineage, at, .doc = "When."),
    {0}};
static const lh_record lineage_record = {.name = "Lineage",
                                         .size = sizeof(lh_lineage),
                                         .fields = lineage_fields,
                                         .doc = "Where rows of a dataset came from.",
                                         .flags = LH_RECORD_OPEN};

static const char *const refresh_policies[] = {"manual", "on_append", "scheduled", NULL};
static const lh_field embedding_fields[] = {
    LH_FIELD("last_embedded_at", TIME, lh_embedding_state, last_embedded_at,
             .doc = "When an index over it was last brought up to date; null = never."),
    LH_FIELD("embedding_stale_since", TIME, lh_embedding_state, embedding_stale_since,
             .doc = "Since when its indexes miss changes; null = they do not."),
    LH_FIELD("embedding_refresh_policy", ENUM, lh_embedding_state, embedding_refresh_policy,
             .names = refresh_policies, .doc = "When indexes are brought up to date."),
    LH_FIELD("schedule", STR, lh_embedding_state, schedule, .max = 1024,
             .flags = LH_FIELD_OMIT_EMPTY, .doc = "Cron line, when scheduled."),
    {0}};
static const lh_record embedding_record = {.name = "EmbeddingState",
                                           .size = sizeof(lh_embedding_state),
                                           .fields = embedding_fields,
                                           .doc = "State of the indexes over a dataset.",
                                           .flags = LH_RECORD_OPEN};

static const lh_field event_fields[] = {
    LH_FIELD("action", STR, lh_manifest_event, action, .flags = LH_FIELD_REQUIRED, .max = TEXT_MAX,
             .doc = "What happened: created, replaced, appended, upserted, metadata, ..."),
    LH_FIELD("field", STR, lh_manifest_event, field, .max = TEXT_MAX, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "What it happened to."),
    LH_FIELD("old_value", STR, lh_manifest_event, old_value, .max = TEXT_MAX,
             .flags = LH_FIELD_OMIT_EMPTY, .doc = "Value before."),
    LH_FIELD("new_value", STR, lh_manifest_event, new_value, .max = TEXT_MAX,
             .flags = LH_FIELD_OMIT_EMPTY, .doc = "Value after."),
    LH_FIELD("actor", STR, lh_manifest_event, actor, .max = TEXT_MAX, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Who did it."),
    LH_FIELD("source", STR, lh_manifest_event, source, .max = TEXT_MAX,
             .flags = LH_FIELD_OMIT_EMPTY, .doc = "From where."),
    LH_FIELD("event_id", STR, lh_manifest_event, event_id, .max = 64, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Permanent id of the event in the journal."),
    {0}};
static const lh_record event_record = {.name = "ManifestEvent",
                                       .size = sizeof(lh_manifest_event),
                                       .fields = event_fields,
                                       .doc = "A journal event of a commit.",
                                       .flags = LH_RECORD_OPEN};

static const lh_field manifest_fields[] = {
    LH_FIELD("format_version", U32, lh_manifest, format_version, .max = UINT32_MAX,
             .doc = "Version of this format; absent in the oldest."),
    LH_FIELD("id", STR, lh_manifest, id, .max = 64, .doc = "Permanent id of the dataset."),
    LH_FIELD("name", STR, lh_manifest, name, .flags = LH_FIELD_REQUIRED, .max = LH_DATASET_NAME_MAX,
             .doc = "Name of the dataset."),
    LH_FIELD("commit", U64, lh_manifest, commit, .flags = LH_FIELD_REQUIRED,
             .doc = "Number of this version: 1, 2, ..."),
    LH_FIELD("parent", U64, lh_manifest, parent, .doc = "Version it was made from; 0 = none."),
    LH_FIELD("writer", STR, lh_manifest, writer, .max = 64, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Random mark of the attempt that wrote it."),
    LH_FIELD("operation", STR, lh_manifest, operation, .max = 64, .doc = "What made it."),
    LH_FIELD("created_at", TIME, lh_manifest, created_at, .doc = "When the dataset was made."),
    LH_FIELD("committed_at", TIME, lh_manifest, committed_at, .doc = "When this version was made."),
    LH_FIELD("fingerprint", STR, lh_manifest, fingerprint, .max = 64,
             .doc = "Hash of the column names and types, hex."),
    LH_FIELD("next_field_id", I32, lh_manifest, next_field_id,
             .doc = "Number that the next new column gets."),
    LH_FIELD("current_schema_id", I32, lh_manifest, current_schema_id,
             .doc = "Schema of what readers see."),
    LH_FIELD("schemas", LIST, lh_manifest, schemas, .item = LH_F_OBJECT, .record = &schema_record,
             .max = FILES_MAX, .doc = "The current schema and those that files still use."),
    LH_FIELD("files", LIST, lh_manifest, files, .item = LH_F_OBJECT, .record = &file_record,
             .max = FILES_MAX, .doc = "Objects of this version, in row order."),
    LH_FIELD("row_count", U64, lh_manifest, row_count, .doc = "Rows of this version."),
    LH_FIELD("bytes", U64, lh_manifest, bytes, .doc = "Bytes of all its objects."),
    LH_FIELD("row_key", STR, lh_manifest, row_key, .max = TEXT_MAX,
             .doc = "Column that identifies a row for upserts; empty = none."),
    LH_FIELD("metadata", OBJECT, lh_manifest, metadata, .record = &lh_metadata_record,
             .doc = "What people say about it."),
    LH_FIELD("lineage", LIST, lh_manifest, lineage, .item = LH_F_OBJECT, .record = &lineage_record,
             .max = LIST_MAX, .doc = "Sources of the rows there are, oldest first."),
    LH_FIELD("embedding", OBJECT, lh_manifest, embedding, .record = &embedding_record,
             .doc = "State of the indexes over it."),
    LH_FIELD("events", LIST, lh_manifest, events, .item = LH_F_OBJECT, .record = &event_record,
             .max = LIST_MAX, .doc = "Journal events of this commit."),
    {0}};
const lh_record lh_manifest_record = {.name = "Manifest",
                                      .size = sizeof(lh_manifest),
                                      .fields = manifest_fields,
                                      .doc = "One version of one dataset.",
                                      .flags = LH_RECORD_OPEN};

const lh_schema *lh_manifest_schema(const lh_manifest *manifest, int32_t schema_id)
{
    const lh_schema *schemas = manifest->schemas.items;
    for (size_t i = 0; i < manifest->schemas.count; i++)
        if (schemas[i].schema_id == schema_id)
            return &schemas[i];
    return NULL;
}

const lh_schema *lh_manifest_current(const lh_manifest *manifest)
{
    return lh_manifest_schema(manifest, manifest->current_schema_id);
}

const lh_column *lh_schema_find(const lh_schema *schema, lh_str name)
{
    const lh_column *columns = schema->columns.items;
    for (size_t i = 0; i < schema->columns.count; i++)
        if (lh_str_eq_nocase(columns[i].name, name))
            return &columns[i];
    return NULL;
}

const lh_column *lh_schema_find_id(const lh_schema *schema, int32_t field_id)
{
    const lh_column *columns = schema->columns.items;
    for (size_t i = 0; i < schema->columns.count; i++)
        if (columns[i].field_id == field_id)
            return &columns[i];
    return NULL;
}

/* Chained, so that ("ab","c") and ("a","bc") differ: each text is hashed with the sum so far as
 * seed and its length. */
lh_rc lh_schema_fingerprint(lh_ctx *cx, const lh_schema *schema, lh_str *ret_hex)
{
    uint64_t sum = schema->columns.count;
    const lh_column *columns = schema->columns.items;
    for (size_t i = 0; i < schema->columns.count; i++) {
        sum = lh_hash64(columns[i].name, sum + columns[i].name.len);
        sum = lh_hash64(columns[i].type, sum + columns[i].type.len);
    }
    lh_str hex = lh_ctx_fmt(cx, "%016llx", (unsigned long long)sum);
    if (hex.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_hex = hex;
    return LH_OK;
}

lh_str lh_manifest_key(lh_ctx *cx, lh_str name, uint64_t commit)
{
    return lh_ctx_fmt(cx, LH_MANIFEST_PREFIX "%.*s/%020llu.json", LH_STR_ARG(name),
                      (unsigned long long)commit);
}

int lh_manifest_key_find(lh_str key, lh_str *ret_name, uint64_t *ret_commit)
{
    enum { DIGITS = 20 };
    if (!lh_str_starts(key, LH_S(LH_MANIFEST_PREFIX)) || !lh_str_ends(key, LH_S(".json")))
        return 0;
    size_t slash = lh_str_rfind_char(key, '/');
    size_t prefix = sizeof(LH_MANIFEST_PREFIX) - 1;
    if (slash <= prefix || key.len - slash != DIGITS + 6)
        return 0;
    lh_str name = lh_str_sub(key, prefix, slash - prefix);
    uint64_t commit;
    if (lh_str_find_char(name, '/') != LH_STR_NPOS ||
        !lh_parse_u64(lh_str_sub(key, slash + 1, DIGITS), &commit) || commit == 0)
        return 0;
    *ret_name = name;
    *ret_commit = commit;
    return 1;
}
