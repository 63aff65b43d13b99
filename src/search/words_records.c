/* search/words_records.c - the records of text indexes and of POST /search, as tables. */
#include "search/words_private.h"

static const lh_field request_fields[] = {
    LH_FIELD("dataset", STR, lh_words_request, dataset, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = LH_DATASET_NAME_MAX, .doc = "Dataset to index."),
    LH_FIELD("id_column", STR, lh_words_request, id_column, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = 1024, .doc = "Column whose value names a row in hits."),
    LH_FIELD("text_columns", LIST, lh_words_request, text_columns, .item = LH_F_STR,
             .flags = LH_FIELD_REQUIRED, .min = 1, .max = LH_WORDS_COLUMNS_MAX,
             .doc = "Columns whose words are searched; each is a field of queries."),
    LH_FIELD("facets", LIST, lh_words_request, facets, .item = LH_F_STR, .max = LH_WORDS_FACETS_MAX,
             .doc = "Columns whose values can be counted over the matches of a search."),
    LH_FIELD("index_name", STR, lh_words_request, index_name, .max = LH_DATASET_NAME_MAX,
             .doc = "Name of the index; <dataset>_text when empty."),
    LH_FIELD("language", STR, lh_words_request, language, .max = 32,
             .doc = "Words are cut to their stems: english, german, ...; empty: as they are."),
    LH_FIELD("keep_accents", BOOL, lh_words_request, keep_accents,
             .doc = "Words that differ in accents are different."),
    LH_FIELD("stop_words", LIST, lh_words_request, stop_words, .item = LH_F_STR, .max = 10000,
             .doc = "Words that are not indexed."),
    LH_FIELD("synonyms", LIST, lh_words_request, synonyms, .item = LH_F_STR, .max = 10000,
             .doc = "Groups of words, each \"car, automobile\": asking for one asks for all."),
    {0}};
const lh_record lh_words_request_record = {.name = "TextIndexRequest",
                                           .size = sizeof(lh_words_request),
                                           .fields = request_fields,
                                           .doc = "Build of a text index over columns."};

static const lh_field meta_fields[] = {
    LH_FIELD("index_name", STR, lh_words_meta, index_name, .doc = "Name of the index."),
    LH_FIELD("source", STR, lh_words_meta, source, .doc = "Dataset it was built from."),
    LH_FIELD("id_column", STR, lh_words_meta, id_column, .doc = "Column that names rows in hits."),
    LH_FIELD("text_columns", LIST, lh_words_meta, text_columns, .item = LH_F_STR,
             .doc = "Columns that are searched."),
    LH_FIELD("facets", LIST, lh_words_meta, facets, .item = LH_F_STR,
             .doc = "Columns whose values can be counted."),
    LH_FIELD("language", STR, lh_words_meta, language, .doc = "Stemmer; empty: none."),
    LH_FIELD("keep_accents", BOOL, lh_words_meta, keep_accents,
             .doc = "Words that differ in accents are different."),
    LH_FIELD("stop_words", LIST, lh_words_meta, stop_words, .item = LH_F_STR,
             .doc = "Words that are not indexed."),
    LH_FIELD("synonyms", LIST, lh_words_meta, synonyms, .item = LH_F_STR,
             .doc = "Groups of words that mean the same."),
    LH_FIELD("generation", STR, lh_words_meta, generation, .doc = "Id of this generation."),
    LH_FIELD("created_at", TIME, lh_words_meta, created_at,
             .doc = "When this generation was begun."),
    LH_FIELD("refreshed_at", TIME, lh_words_meta, refreshed_at,
             .doc = "When it was last brought up to date."),
    LH_FIELD("build_ms", I64, lh_words_meta, build_ms,
             .doc = "Time of the last build or refresh, milliseconds."),
    LH_FIELD("source_commit", U64, lh_words_meta, source_commit,
             .doc = "Commit of the dataset it is at."),
    LH_FIELD("source_fingerprint", STR, lh_words_meta, source_fingerprint,
             .doc = "Fingerprint of that commit's files; equal ones hold the same rows."),
    LH_FIELD("rows", U64, lh_words_meta, rows, .doc = "Rows of the source."),
    LH_FIELD("documents", U64, lh_words_meta, documents,
             .doc = "Rows that can be found: those with an id and a text."),
    LH_FIELD("documents_dead", U64, lh_words_meta, documents_dead,
             .doc = "Deleted or replaced ones that merges will drop; they count in statistics."),
    LH_FIELD("segments", U32, lh_words_meta, segments, .doc = "Segments it lies in."),
    LH_FIELD("changes", U64, lh_words_meta, changes, .doc = "Changes of this generation."),
    LH_FIELD("bytes_mapped", U64, lh_words_meta, bytes_mapped, .doc = "Bytes of its files."),
    LH_FIELD("bytes_resident", U64, lh_words_meta, bytes_resident,
             .doc = "Bytes derived from them in memory."),
    LH_FIELD("damage", STR, lh_words_meta, damage, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Why it cannot be searched; absent when it can."),
    {0}};
const lh_record lh_words_meta_record = {.name = "TextIndex",
                                        .size = sizeof(lh_words_meta),
                                        .fields = meta_fields,
                                        .doc = "A text index.",
                                        .flags = LH_RECORD_OPEN};

static const lh_field refresh_fields[] = {
    LH_FIELD("index_name", STR, lh_words_refresh_request, index_name, .max = LH_DATASET_NAME_MAX,
             .doc = "Index to refresh; empty: the only text index of the dataset."),
    {0}};
const lh_record lh_words_refresh_record = {
    .name = "TextRefreshRequest",
    .size = sizeof(lh_words_refresh_request),
    .fields = refresh_fields,
    .doc = "Brings a text index up to date: adds what is new or changed, drops what is gone."};

static const lh_field refreshed_fields[] = {
    LH_FIELD("dataset", STR, lh_words_refreshed, dataset, .doc = "Dataset of the index."),
    LH_FIELD("index_name", STR, lh_words_refreshed, index_name, .doc = "Name of the index."),
    LH_FIELD("job_id", STR, lh_words_refreshed, job_id, .flags = LH_FIELD_NULL_EMPTY,
             .doc = "Job that does it; null when there was nothing to do."),
    LH_FIELD("done", BOOL, lh_words_refreshed, done,
             .doc = "false: the job goes on, and the counts below are not known yet."),
    LH_FIELD("unchanged", BOOL, lh_words_refreshed, unchanged,
             .doc = "The index held every row already."),
    LH_FIELD("source_commit", U64, lh_words_refreshed, source_commit,
             .doc = "Commit of the dataset the index is at."),
    LH_FIELD("rows", U64, lh_words_refreshed, rows, .doc = "Rows of the source."),
    LH_FIELD("added", U64, lh_words_refreshed, added, .doc = "Rows that are new or changed."),
    LH_FIELD("kept", U64, lh_words_refreshed, kept, .doc = "Rows that were there already."),
    LH_FIELD("removed", U64, lh_words_refreshed, removed, .doc = "Rows that are gone or changed."),
    LH_FIELD("rebuilt", BOOL, lh_words_refreshed, rebuilt,
             .doc = "The index was built anew: more had changed than one change takes."),
    LH_FIELD("took_ms", I64, lh_words_refreshed, took_ms, .doc = "Time, milliseconds."),
    {0}};
const lh_record lh_words_refreshed_record = {.name = "TextRefreshResult",
                                             .size = sizeof(lh_words_refreshed),
                                             .fields = refreshed_fields,
                                             .doc = "What a refresh of a text index came to."};

/* ---- POST /search ---- */

static const char *const mode_names[] = {"text", "vector", "hybrid", NULL};
static const char *const syntax_names[] = {"plain", "query", NULL};
static const char *const match_names[] = {"any", "all", NULL};

static const lh_field highlight_fields[] = {
    LH_FIELD("fragments", U32, lh_find_highlight, fragments, .min = 0, .max = 20, .def = "1",
             .doc = "Fragments of a column at most; 0: no highlights."),
    LH_FIELD("fragment_bytes", U32, lh_find_highlight, fragment_bytes, .min = 20, .max = 10000,
             .def = "240", .doc = "Bytes of a fragment, about."),
    LH_FIELD("open", STR, lh_find_highlight, open, .max = 64, .def = "\"<em>\"",
             .doc = "Put before a match. The text around it is as it is stored, not escaped."),
    LH_FIELD("close", STR, lh_find_highlight, close, .max = 64, .def = "\"</em>\"",
             .doc = "Put behind a match."),
    {0}};
static const lh_record highlight_record = {.name = "SearchHighlight",
                                           .size = sizeof(lh_find_highlight),
                                           .fields = highlight_fields,
                                           .doc = "How matches are shown."};

static const lh_field find_fields[] = {
    LH_FIELD("index_name", STR, lh_find_request, index_name, .max = LH_DATASET_NAME_MAX,
             .doc = "Index to search. Or send dataset."),
    LH_FIELD("dataset", STR, lh_find_request, dataset, .max = LH_DATASET_NAME_MAX,
             .doc = "Dataset whose only index is searched, instead of index_name."),
    LH_FIELD("mode", ENUM, lh_find_request, mode, .names = mode_names, .def = "\"text\"",
             .doc = "text: by words. vector (by meaning) and hybrid (both) are refused so far; "
                    "POST /vectors/search searches by meaning."),
    LH_FIELD("query", STR, lh_find_request, query, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = 65536, .doc = "What to look for."),
    LH_FIELD("syntax", ENUM, lh_find_request, syntax, .names = syntax_names, .def = "\"plain\"",
             .doc = "plain: any text, quotes make phrases. query: +must -must_not \"a phrase\"~2 "
                    "pre* fuzzy~ column:word (a OR b)^2 and so on; its errors say the place."),
    LH_FIELD("match", ENUM, lh_find_request, match, .names = match_names, .def = "\"any\"",
             .doc = "Words side by side: any of them, or all."),
    LH_FIELD("fields", LIST, lh_find_request, fields, .item = LH_F_STR, .max = LH_WORDS_COLUMNS_MAX,
             .doc = "Text columns to search; none: all."),
    LH_FIELD("k", U32, lh_find_request, k, .min = 0, .max = LH_TEXT_K_MAX, .def = "10",
             .doc = "Hits at most; 0 with count or facets only counts."),
    LH_FIELD("offset", U32, lh_find_request, offset, .min = 0, .max = LH_TEXT_K_MAX,
             .doc = "Hits to leave out: the pages before. With k at most 10,000."),
    LH_FIELD("filter", STR, lh_find_request, filter, .max = 65536,
             .doc = "SQL condition over the dataset; only rows that fulfil it are searched."),
    LH_FIELD("columns", LIST, lh_find_request, columns, .item = LH_F_STR, .max = 256,
             .doc = "Columns of the dataset to return with each hit."),
    LH_FIELD("facets", LIST, lh_find_request, facets, .item = LH_F_STR, .max = LH_WORDS_FACETS_MAX,
             .doc = "Columns whose values are counted over all matches."),
    LH_FIELD("facet_values", U32, lh_find_request, facet_values, .min = 1, .max = 1000, .def = "10",
             .doc = "Values of a facet at most, the most counted first."),
    LH_FIELD("count", BOOL, lh_find_request, count,
             .doc = "total is exact; costs scoring every match."),
    LH_FIELD("explain", BOOL, lh_find_request, explain, .doc = "Say why each hit scores."),
    LH_FIELD("highlight", OBJECT, lh_find_request, highlight, .record = &highlight_record,
             .def = "{}", .doc = "How matches are shown."),
    {0}};
const lh_record lh_find_request_record = {.name = "SearchRequest",
                                          .size = sizeof(lh_find_request),
                                          .fields = find_fields,
                                          .doc = "Search of a dataset's texts."};

static const lh_field mark_fields[] = {
    LH_FIELD("column", STR, lh_find_mark, column, .doc = "Column of the text."),
    LH_FIELD("fragments", LIST, lh_find_mark, fragments, .item = LH_F_STR,
             .doc = "Parts of it, matches marked."),
    {0}};
static const lh_record mark_record = {.name = "SearchMarks",
                                      .size = sizeof(lh_find_mark),
                                      .fields = mark_fields,
                                      .doc = "Where a column of a hit matches."};
static const lh_field hit_fields[] = {
    LH_FIELD("id", STR, lh_find_hit, id, .doc = "Value of the id column."),
    LH_FIELD("chunk_no", U32, lh_find_hit, chunk_no,
             .doc = "Number of the chunk within the row's text; 0 by words."),
    LH_FIELD("score", F64, lh_find_hit, score, .doc = "BM25, higher is better."),
    LH_FIELD("text", STR, lh_find_hit, text, .doc = "The part of a text that matches best."),
    LH_FIELD("highlights", LIST, lh_find_hit, highlights, .item = LH_F_OBJECT,
             .record = &mark_record, .doc = "Matches, by column."),
    LH_FIELD("columns", JSON, lh_find_hit, columns, .doc = "The asked columns, by name."),
    LH_FIELD("explanation", JSON, lh_find_hit, explanation, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Why it scores: {score, what, because: [..]}; when asked."),
    {0}};
static const lh_record hit_record = {
    .name = "TextHit", .size = sizeof(lh_find_hit), .fields = hit_fields, .doc = "One hit."};
static const lh_field value_fields[] = {
    LH_FIELD("value", STR, lh_find_facet_value, value, .doc = "Value."),
    LH_FIELD("count", U64, lh_find_facet_value, count, .doc = "Matches that have it."),
    {0}};
static const lh_record value_record = {.name = "FacetValue",
                                       .size = sizeof(lh_find_facet_value),
                                       .fields = value_fields,
                                       .doc = "A value of a facet."};
static const lh_field facet_fields[] = {
    LH_FIELD("name", STR, lh_find_facet, name, .doc = "Column."),
    LH_FIELD("values", LIST, lh_find_facet, values, .item = LH_F_OBJECT, .record = &value_record,
             .doc = "Values, most counted first."),
    LH_FIELD("others", U64, lh_find_facet, others, .doc = "Matches with a value not listed."),
    LH_FIELD("missing", U64, lh_find_facet, missing, .doc = "Matches without a value."),
    {0}};
static const lh_record facet_record = {.name = "Facet",
                                       .size = sizeof(lh_find_facet),
                                       .fields = facet_fields,
                                       .doc = "Counts of a column's values over all matches."};
static const lh_field index_fields[] = {
    LH_FIELD("name", STR, lh_find_index, name, .doc = "Index that answered."),
    LH_FIELD("dataset", STR, lh_find_index, dataset, .doc = "Its dataset."),
    LH_FIELD("generation", STR, lh_find_index, generation, .doc = "Its generation."),
    LH_FIELD("commit", U64, lh_find_index, commit, .doc = "Commit of the dataset it is at."),
    LH_FIELD("changes", U64, lh_find_index, changes,
             .doc = "Its state: pages with the same generation and changes fit each other."),
    {0}};
static const lh_record index_record = {.name = "TextIndexState",
                                       .size = sizeof(lh_find_index),
                                       .fields = index_fields,
                                       .doc = "Index of a search."};
static const lh_field plan_fields[] = {
    LH_FIELD("plan", STR, lh_find_plan, plan, .doc = "any, all, phrase, prefix, tree or none."),
    LH_FIELD("filter", STR, lh_find_plan, filter,
             .doc = "none, computed by SQL, or cached from an earlier search."),
    LH_FIELD("rows_allowed", U64, lh_find_plan, rows_allowed,
             .doc = "Documents that might be answers after the filter."),
    LH_FIELD("segments", U32, lh_find_plan, segments, .doc = "Segments searched."),
    LH_FIELD("words_dropped", U32, lh_find_plan, words_dropped,
             .doc = "Commonest words of a long plain query that were left out."),
    {0}};
static const lh_record plan_record = {.name = "TextSearchPlan",
                                      .size = sizeof(lh_find_plan),
                                      .fields = plan_fields,
                                      .doc = "How a search was done."};
static const lh_field result_fields[] = {
    LH_FIELD("mode", ENUM, lh_find_result, mode, .names = mode_names, .doc = "As asked."),
    LH_FIELD("hits", LIST, lh_find_result, hits, .item = LH_F_OBJECT, .record = &hit_record,
             .doc = "Hits, highest score first."),
    LH_FIELD("total", U64, lh_find_result, total,
             .doc = "Matches; at least so many when it is not exact."),
    LH_FIELD("total_is_exact", BOOL, lh_find_result, total_is_exact,
             .doc = "total is the number of matches."),
    LH_FIELD("facets", LIST, lh_find_result, facets, .item = LH_F_OBJECT, .record = &facet_record,
             .doc = "The asked facets."),
    LH_FIELD("index", OBJECT, lh_find_result, index, .record = &index_record,
             .doc = "Index that answered."),
    LH_FIELD("plan", OBJECT, lh_find_result, plan, .record = &plan_record,
             .doc = "How it was done."),
    LH_FIELD("took_ms", I64, lh_find_result, took_ms, .doc = "Time, milliseconds."),
    {0}};
const lh_record lh_find_result_record = {.name = "SearchResult",
                                         .size = sizeof(lh_find_result),
                                         .fields = result_fields,
                                         .doc = "Hits of a search."};
