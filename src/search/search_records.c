/* search/search_records.c - the records of requests, replies and stored objects, as tables. */
#include "search/chunker.h"
#include "search/search_private.h"

#define PRECISION_DOC                                                                              \
    "Arithmetic of the model: f32, bf16 or int8. Empty: bf16 where the CPU has it, else f32. "     \
    "int8 is about 1.7 times as fast as bf16 and loses some neighbours: about 3 of the 100 that "  \
    "f32 finds among its ten nearest (bf16 loses less than one). One index holds one precision."

static const lh_field part_fields[] = {
    LH_FIELD("key", STR, lh_index_part, key, .doc = "Object of the part (Parquet)."),
    LH_FIELD("rows", U64, lh_index_part, rows, .doc = "Chunks in it."),
    LH_FIELD("bytes", U64, lh_index_part, bytes, .doc = "Size in bytes."),
    LH_FIELD("sha256", STR, lh_index_part, sha256, .doc = "SHA-256 of the object, hex."),
    {0}};
static const lh_record part_record = {.name = "IndexPart",
                                      .size = sizeof(lh_index_part),
                                      .fields = part_fields,
                                      .doc = "One Parquet part of an index's vectors.",
                                      .flags = LH_RECORD_OPEN};

const char *const lh_search_kind_names[] = {"auto", "flat", "graph", "ivf", "exact", NULL};
_Static_assert(LH_VECTOR_AUTO == 0 && LH_VECTOR_FLAT == 1 && LH_VECTOR_GRAPH == 2 &&
                   LH_VECTOR_IVF == 3 && LH_VECTOR_EXACT == 4,
               "names are in the order of lh_vector_kind");

static const lh_field request_fields[] = {
    LH_FIELD("dataset", STR, lh_index_request, dataset, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = LH_DATASET_NAME_MAX, .doc = "Dataset to index."),
    LH_FIELD("id_column", STR, lh_index_request, id_column, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = 1024, .doc = "Column whose value names a row in hits."),
    LH_FIELD("text_column", STR, lh_index_request, text_column, .flags = LH_FIELD_REQUIRED,
             .min = 1, .max = 1024, .doc = "Column whose text is searched."),
    LH_FIELD("index_name", STR, lh_index_request, index_name, .max = LH_DATASET_NAME_MAX,
             .doc = "Name of the index; <dataset>_<text_column> when empty."),
    LH_FIELD("model", STR, lh_index_request, model, .max = 128,
             .doc = "Embedding model; the built-in one when empty."),
    LH_FIELD("precision", STR, lh_index_request, precision, .max = 8, .doc = PRECISION_DOC),
    LH_FIELD("chunk_size", U32, lh_index_request, chunk_size, .min = LH_CHUNK_SIZE_MIN,
             .max = LH_CHUNK_SIZE_MAX, .def = "1000", .doc = "Characters of a chunk at most."),
    LH_FIELD("overlap", U32, lh_index_request, overlap, .min = 0, .max = LH_CHUNK_SIZE_MAX / 2,
             .def = "100",
             .doc =
                 "Characters that a chunk repeats of the one before; at most half of chunk_size."),
    LH_FIELD("kind", ENUM, lh_index_request, kind, .names = lh_search_kind_names, .def = "\"auto\"",
             .doc = "Kind of index: auto (as configured, by rows), flat, graph, ivf, exact."),
    LH_FIELD("ef_construction", U32, lh_index_request, ef_construction, .min = 0,
             .max = LH_VECTOR_EF_CONSTRUCTION_MAX,
             .doc = "Effort of building a graph, 10 to 400; 0: as configured."),
    LH_FIELD("seed", U64, lh_index_request, seed, .min = 0, .max = INT64_MAX,
             .doc = "Of the random choices of the build: equal vectors and seed give equal bytes. "
                    "0: as configured."),
    {0}};
const lh_record lh_index_request_record = {.name = "IndexRequest",
                                           .size = sizeof(lh_index_request),
                                           .fields = request_fields,
                                           .doc = "Build of a vector index over a text column."};

static const lh_field point_fields[] = {
    LH_FIELD("setting", U32, lh_index_point, setting,
             .doc = "Effort: ef of the graph, or rows that the scan of 1-bit codes keeps."),
    LH_FIELD("recall", F64, lh_index_point, recall, .doc = "Recall@10 measured at the build."),
    LH_FIELD("evaluations", F64, lh_index_point, evaluations, .doc = "Scores per search."),
    {0}};
static const lh_record point_record = {.name = "IndexPoint",
                                       .size = sizeof(lh_index_point),
                                       .fields = point_fields,
                                       .doc = "What an effort came to when the index was built.",
                                       .flags = LH_RECORD_OPEN};
static const lh_field engine_fields[] = {
    LH_FIELD("kind_asked", ENUM, lh_index_engine, kind_asked, .names = lh_search_kind_names,
             .def = "\"auto\"", .doc = "Kind that was asked for."),
    LH_FIELD("tiers", STR, lh_index_engine, tiers,
             .doc = "Codes and rows it holds: b1 = 1-bit codes, i4 = 4-bit codes, then the rows."),
    LH_FIELD("preset", STR, lh_index_engine, preset, .doc = "quality or fresh."),
    LH_FIELD("metric", STR, lh_index_engine, metric, .doc = "cosine, dot or euclidean."),
    LH_FIELD("simd", STR, lh_index_engine, simd, .doc = "Instruction set in use."),
    LH_FIELD("degree", U32, lh_index_engine, degree,
             .doc = "Most neighbours of a row; 0: no graph."),
    LH_FIELD("lists", U32, lh_index_engine, lists, .doc = "Lists of rows; 0: none."),
    LH_FIELD("ef_construction", U32, lh_index_engine, ef_construction,
             .doc = "Asked effort of the build; 0: the engine's own."),
    LH_FIELD("seed", U64, lh_index_engine, seed, .doc = "Of the random choices of the build."),
    LH_FIELD("rotated", BOOL, lh_index_engine, rotated, .doc = "Rows were rotated before coding."),
    LH_FIELD("segments", U32, lh_index_engine, segments,
             .doc = "Segments the vectors lie in; the rest here is of the largest."),
    LH_FIELD("rows_dead", U64, lh_index_engine, rows_dead,
             .doc = "Vectors that are gone or replaced and that merges will drop."),
    LH_FIELD("bytes_file", U64, lh_index_engine, bytes_file, .doc = "Size of the segment, bytes."),
    LH_FIELD("bytes_resident", U64, lh_index_engine, bytes_resident,
             .doc = "What searches walk through, bytes."),
    LH_FIELD("bytes_mapped", U64, lh_index_engine, bytes_mapped,
             .doc = "Rows read for exact scores only, evictable, bytes."),
    LH_FIELD("probe_b1", LIST, lh_index_engine, probe_b1, .item = LH_F_F64,
             .doc = "Recall@10 of the 1-bit codes alone within the best 10, 40, 100, 200, 400."),
    LH_FIELD("probe_i4", LIST, lh_index_engine, probe_i4, .item = LH_F_F64,
             .doc = "The same of the 4-bit codes."),
    LH_FIELD("graph_points", LIST, lh_index_engine, graph_points, .item = LH_F_OBJECT,
             .record = &point_record, .doc = "Calibration of the graph."),
    LH_FIELD("flat_points", LIST, lh_index_engine, flat_points, .item = LH_F_OBJECT,
             .record = &point_record, .doc = "Calibration of the scan."),
    {0}};
static const lh_record engine_record = {.name = "IndexEngine",
                                        .size = sizeof(lh_index_engine),
                                        .fields = engine_fields,
                                        .doc = "The vector segment as it is open.",
                                        .flags = LH_RECORD_OPEN};

static const lh_field meta_fields[] = {
    LH_FIELD("index_name", STR, lh_index_meta, index_name, .doc = "Name of the index."),
    LH_FIELD("source", STR, lh_index_meta, source, .doc = "Dataset it was built from."),
    LH_FIELD("id_column", STR, lh_index_meta, id_column, .doc = "Column that names rows in hits."),
    LH_FIELD("text_column", STR, lh_index_meta, text_column, .doc = "Column that is searched."),
    LH_FIELD("model_name", STR, lh_index_meta, model_name, .doc = "Embedding model."),
    LH_FIELD("model_version", STR, lh_index_meta, model_version,
             .doc = "Precision and kernel of the model."),
    LH_FIELD("precision", STR, lh_index_meta, precision,
             .doc = "Arithmetic of its vectors; questions are embedded with the same."),
    LH_FIELD("dimensions", U32, lh_index_meta, dimensions, .doc = "Dimensions of the vectors."),
    LH_FIELD("kind", STR, lh_index_meta, kind, .doc = "Kind of index: flat, graph, ivf or exact."),
    LH_FIELD("generation", STR, lh_index_meta, generation, .doc = "Id of this generation."),
    LH_FIELD("bucket", STR, lh_index_meta, bucket, .doc = "Bucket its objects are in."),
    LH_FIELD("vector_backend", STR, lh_index_meta, vector_backend,
             .doc = "Store of the vectors: parquet."),
    LH_FIELD("created_at", TIME, lh_index_meta, created_at,
             .doc = "When this generation became current."),
    LH_FIELD("build_ms", I64, lh_index_meta, build_ms, .doc = "Time of the build, milliseconds."),
    LH_FIELD("chunk_size", U32, lh_index_meta, chunk_size, .doc = "Characters of a chunk at most."),
    LH_FIELD("overlap", U32, lh_index_meta, overlap, .doc = "Characters repeated between chunks."),
    LH_FIELD("source_commit", U64, lh_index_meta, source_commit,
             .doc = "Commit of the dataset it was built from."),
    LH_FIELD("source_fingerprint", STR, lh_index_meta, source_fingerprint,
             .doc = "Fingerprint of that commit's files; equal ones hold the same rows."),
    LH_FIELD("rows", U64, lh_index_meta, rows, .doc = "Rows of the source."),
    LH_FIELD("chunks", U64, lh_index_meta, chunks, .doc = "Chunks, each with a vector."),
    LH_FIELD("bytes", U64, lh_index_meta, bytes, .doc = "Bytes of segment and chunk store."),
    LH_FIELD("parts", LIST, lh_index_meta, parts, .item = LH_F_OBJECT, .record = &part_record,
             .doc = "Parquet parts (doc_id, chunk_no, chunk_text, content_hash, vector)."),
    LH_FIELD("dead_key", STR, lh_index_meta, dead_key, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Object that names the rows of the parts that are gone; absent = none."),
    LH_FIELD("dead_sha256", STR, lh_index_meta, dead_sha256, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "SHA-256 of that object, hex."),
    LH_FIELD("set_prefix", STR, lh_index_meta, set_prefix,
             .doc = "The segment set and what its vectors are lie below."),
    LH_FIELD("segment_key", STR, lh_index_meta, segment_key, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Of indexes of before segment sets: object of the vector segment."),
    LH_FIELD("segment_sha256", STR, lh_index_meta, segment_sha256,
             .doc = "SHA-256 of the segment it was built with, hex."),
    LH_FIELD("chunks_key", STR, lh_index_meta, chunks_key, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Of indexes of before segment sets: object of the chunk store."),
    LH_FIELD("engine", OBJECT, lh_index_meta, engine, .record = &engine_record,
             .doc = "The vector segment: codes, bytes, probe and calibration."),
    LH_FIELD("damage", STR, lh_index_meta, damage, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Why it cannot be searched; absent when it can."),
    {0}};
const lh_record lh_index_meta_record = {.name = "IndexMeta",
                                        .size = sizeof(lh_index_meta),
                                        .fields = meta_fields,
                                        .doc = "One generation of a vector index.",
                                        .flags = LH_RECORD_OPEN};

static const lh_field plan_fields[] = {
    LH_FIELD("request", OBJECT, lhi_plan, request, .record = &lh_index_request_record,
             .doc = "What was asked."),
    LH_FIELD("generation", STR, lhi_plan, generation, .doc = "Generation that is being built."),
    LH_FIELD("refresh", BOOL, lhi_plan, refresh, .doc = "It was asked as a refresh."),
    LH_FIELD("base", STR, lhi_plan, base, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Generation whose parts stay; absent = it begins with nothing."),
    LH_FIELD("source_commit", U64, lhi_plan, source_commit, .doc = "Commit that is read."),
    LH_FIELD("source_fingerprint", STR, lhi_plan, source_fingerprint,
             .doc = "Fingerprint of that commit's files."),
    LH_FIELD("rows_done", U64, lhi_plan, rows_done,
             .doc = "Source rows whose chunks are in parts."),
    LH_FIELD("chunks_done", U64, lhi_plan, chunks_done, .doc = "Chunks in parts."),
    LH_FIELD("spent_ms", I64, lhi_plan, spent_ms, .doc = "Time spent before this run."),
    LH_FIELD("started_at", TIME, lhi_plan, started_at, .doc = "When the build began."),
    LH_FIELD("model_name", STR, lhi_plan, model_name, .doc = "Embedding model."),
    LH_FIELD("model_version", STR, lhi_plan, model_version, .doc = "Precision and kernel."),
    LH_FIELD("dimensions", U32, lhi_plan, dimensions, .doc = "Dimensions."),
    LH_FIELD("parts", LIST, lhi_plan, parts, .item = LH_F_OBJECT, .record = &part_record,
             .doc = "Parts so far."),
    {0}};
const lh_record lhi_plan_record = {.name = "IndexPlan",
                                   .size = sizeof(lhi_plan),
                                   .fields = plan_fields,
                                   .doc = "A build that goes on.",
                                   .flags = LH_RECORD_OPEN};

static const lh_field refresh_fields[] = {
    LH_FIELD("index_name", STR, lh_refresh_request, index_name, .max = LH_DATASET_NAME_MAX,
             .doc = "Index to refresh; empty: the only one of the dataset, else "
                    "<dataset>_<text_column>."),
    LH_FIELD("id_column", STR, lh_refresh_request, id_column, .max = 1024,
             .doc = "Column that names rows in hits; empty: as the index was built."),
    LH_FIELD("text_column", STR, lh_refresh_request, text_column, .max = 1024,
             .doc = "Column whose text is searched; empty: as the index was built."),
    LH_FIELD("precision", STR, lh_refresh_request, precision, .max = 8, .doc = PRECISION_DOC),
    LH_FIELD("chunk_size", U32, lh_refresh_request, chunk_size, .min = 0, .max = LH_CHUNK_SIZE_MAX,
             .def = "0",
             .doc =
                 "Characters of a chunk at most; 0: as the index was built, 1000 for a new one."),
    LH_FIELD("overlap", I64, lh_refresh_request, overlap, .min = -1, .max = LH_CHUNK_SIZE_MAX / 2,
             .def = "-1",
             .doc =
                 "Characters that chunks repeat; -1: as the index was built, 100 for a new one."),
    {0}};
const lh_record lh_refresh_request_record = {
    .name = "RefreshRequest",
    .size = sizeof(lh_refresh_request),
    .fields = refresh_fields,
    .doc = "Brings an index up to date: embeds what is new or changed, drops what is gone."};

static const lh_field refreshed_fields[] = {
    LH_FIELD("dataset", STR, lh_refresh_result, dataset, .doc = "Dataset of the index."),
    LH_FIELD("index_name", STR, lh_refresh_result, index_name, .doc = "Name of the index."),
    LH_FIELD("job_id", STR, lh_refresh_result, job_id, .flags = LH_FIELD_NULL_EMPTY,
             .doc = "Job that does it; null when there was nothing to do."),
    LH_FIELD("done", BOOL, lh_refresh_result, done,
             .doc = "false: the job goes on, and the counts below are not known yet."),
    LH_FIELD("unchanged", BOOL, lh_refresh_result, unchanged,
             .doc = "The index held every row already."),
    LH_FIELD("source_commit", U64, lh_refresh_result, source_commit,
             .doc = "Commit of the dataset the index is at."),
    LH_FIELD("rows", U64, lh_refresh_result, rows, .doc = "Rows of the source."),
    LH_FIELD("chunks", U64, lh_refresh_result, chunks, .doc = "Chunks of the index."),
    LH_FIELD("added", U64, lh_refresh_result, added, .doc = "Chunks that are new or changed."),
    LH_FIELD("kept", U64, lh_refresh_result, kept, .doc = "Chunks that were there already."),
    LH_FIELD("removed", U64, lh_refresh_result, removed, .doc = "Chunks that are gone or changed."),
    LH_FIELD("embedded", U64, lh_refresh_result, embedded,
             .doc = "Texts the model was asked for; other added ones came from the cache."),
    LH_FIELD("took_ms", I64, lh_refresh_result, took_ms, .doc = "Time, milliseconds."),
    {0}};
const lh_record lh_refresh_result_record = {.name = "RefreshResult",
                                            .size = sizeof(lh_refresh_result),
                                            .fields = refreshed_fields,
                                            .doc = "What a refresh came to."};

static const lh_field deleted_fields[] = {
    LH_FIELD("index_name", STR, lh_index_deleted, index_name, .doc = "Index that is gone."),
    LH_FIELD("generation", STR, lh_index_deleted, generation, .doc = "Generation it had."),
    LH_FIELD("objects", U64, lh_index_deleted, objects,
             .doc = "Stored objects removed; those a search still reads follow."),
    LH_FIELD("bytes", U64, lh_index_deleted, bytes, .doc = "Their size in bytes."),
    {0}};
const lh_record lh_index_deleted_record = {.name = "IndexDeleted",
                                           .size = sizeof(lh_index_deleted),
                                           .fields = deleted_fields,
                                           .doc = "A vector index was deleted."};

static const lh_field search_fields[] = {
    LH_FIELD("index_name", STR, lh_search_request, index_name, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = LH_DATASET_NAME_MAX, .doc = "Index to search."),
    LH_FIELD("query", STR, lh_search_request, query, .max = 32768,
             .doc = "What to look for, in words. Or send vector."),
    LH_FIELD("vector", LIST, lh_search_request, vector, .item = LH_F_F64,
             .max = LH_VECTOR_DIMENSIONS_MAX,
             .doc = "Query vector of the index's dimensions, instead of query."),
    LH_FIELD("k", U32, lh_search_request, k, .min = 1, .max = LH_VECTOR_K_MAX, .def = "10",
             .doc = "Hits at most."),
    LH_FIELD("filter", STR, lh_search_request, filter, .max = 65536,
             .doc = "SQL condition over the dataset; only rows that fulfil it are searched."),
    LH_FIELD("columns", LIST, lh_search_request, columns, .item = LH_F_STR, .max = 256,
             .doc = "Columns of the dataset to return with each hit."),
    LH_FIELD("ef_search", U32, lh_search_request, ef_search, .min = 0,
             .max = LH_VECTOR_EF_SEARCH_MAX,
             .doc = "Effort, 10 to 400, instead of recall; 0: by recall, or as configured."),
    LH_FIELD("recall", F64, lh_search_request, recall, .min = 0, .max = 1,
             .doc = "Wanted recall, met from what was measured at the build; 0: as configured."),
    {0}};
const lh_record lh_search_request_record = {.name = "VectorSearchRequest",
                                            .size = sizeof(lh_search_request),
                                            .fields = search_fields,
                                            .doc = "Search by meaning or by vector."};

static const lh_field hit_fields[] = {
    LH_FIELD("id", STR, lh_search_hit, id, .doc = "Value of the id column."),
    LH_FIELD("chunk_no", U32, lh_search_hit, chunk_no,
             .doc = "Number of the chunk within the row's text, from 0."),
    LH_FIELD("score", F64, lh_search_hit, score, .doc = "Cosine, 1 = same direction."),
    LH_FIELD("text", STR, lh_search_hit, text, .doc = "Text of the chunk."),
    LH_FIELD("columns", JSON, lh_search_hit, columns, .doc = "The asked columns, by name."),
    {0}};
static const lh_record hit_record = {
    .name = "SearchHit", .size = sizeof(lh_search_hit), .fields = hit_fields, .doc = "One hit."};
static const lh_field info_fields[] = {
    LH_FIELD("name", STR, lh_search_index_info, name, .doc = "Index that answered."),
    LH_FIELD("generation", STR, lh_search_index_info, generation, .doc = "Its generation."),
    LH_FIELD("kind", STR, lh_search_index_info, kind, .doc = "Its kind."),
    LH_FIELD("model", STR, lh_search_index_info, model, .doc = "Its embedding model."),
    LH_FIELD("dimensions", U32, lh_search_index_info, dimensions, .doc = "Its dimensions."),
    {0}};
static const lh_record info_record = {.name = "SearchIndexInfo",
                                      .size = sizeof(lh_search_index_info),
                                      .fields = info_fields,
                                      .doc = "Index of a search."};
static const lh_field plan_of_search_fields[] = {
    LH_FIELD("plan", STR, lh_search_plan, plan, .doc = "exact, scan, flat, graph or ivf."),
    LH_FIELD("why", STR, lh_search_plan, why, .doc = "Why this plan."),
    LH_FIELD("ef", U32, lh_search_plan, ef, .doc = "Effort used; 0: the plan has none."),
    LH_FIELD("rows_allowed", U64, lh_search_plan, rows_allowed,
             .doc = "Chunks that might be answers after the filter."),
    LH_FIELD("filter", STR, lh_search_plan, filter,
             .doc = "none, computed by SQL, or cached from an earlier search."),
    LH_FIELD("hops", U64, lh_search_plan, hops, .doc = "Rows whose neighbours were read."),
    LH_FIELD("scanned", U64, lh_search_plan, scanned, .doc = "1-bit codes looked at."),
    LH_FIELD("exact", U64, lh_search_plan, exact, .doc = "Exact scores computed."),
    {0}};
static const lh_record plan_of_search_record = {.name = "SearchPlan",
                                                .size = sizeof(lh_search_plan),
                                                .fields = plan_of_search_fields,
                                                .doc = "How a search was done."};
static const lh_field result_fields[] = {
    LH_FIELD("hits", LIST, lh_search_result, hits, .item = LH_F_OBJECT, .record = &hit_record,
             .doc = "Hits, highest score first."),
    LH_FIELD("index", OBJECT, lh_search_result, index, .record = &info_record,
             .doc = "Index that answered."),
    LH_FIELD("evaluations", U64, lh_search_result, evaluations, .doc = "Vectors compared."),
    LH_FIELD("plan", OBJECT, lh_search_result, plan, .record = &plan_of_search_record,
             .doc = "How it was done."),
    LH_FIELD("took_ms", I64, lh_search_result, took_ms, .doc = "Time, milliseconds."),
    {0}};
const lh_record lh_search_result_record = {.name = "VectorSearchResult",
                                           .size = sizeof(lh_search_result),
                                           .fields = result_fields,
                                           .doc = "Hits of a search."};

lh_rc lhi_put_record(lh_ctx *cx, lh_store *store, lh_str key, const lh_record *record,
                     const void *value)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 64u * 1024u * 1024u);
    LH_TRY(lh_record_append(cx, record, value, &json));
    return lh_store_put(cx, store, key, lh_buf_str(&json));
}
