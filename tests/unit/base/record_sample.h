/* record_sample.h - a record with a field of every type, for the tests and the fuzzer.
 *
 * Owns: nothing. Threads: constants. Limits: none. Formats: JSON. Why: one table that uses all of
 *       record.h. */
#ifndef LH_TESTS_UNIT_BASE_RECORD_SAMPLE_H
#define LH_TESTS_UNIT_BASE_RECORD_SAMPLE_H

#include "base/record.h"

typedef struct sample_column {
    lh_str name;
    int type;
    bool nullable;
} sample_column;

typedef struct sample_inner {
    int64_t depth;
    lh_str note;
} sample_inner;

typedef struct sample {
    lh_str name;
    bool flag;
    int64_t i64;
    uint64_t u64;
    int32_t i32;
    uint32_t u32;
    double f64;
    int mode;
    int64_t time;
    lh_str json;
    sample_inner inner;
    lh_list columns;
    lh_list words;
    lh_list numbers;
    lh_list counts;
    lh_list labels;
    lh_str secret;
    int64_t version;
    uint64_t present;
} sample;

static const char *const sample_types[] = {"text", "integer", "date", NULL};
static const char *const sample_modes[] = {"replace", "append", "upsert", NULL};

static const lh_field sample_column_fields[] = {
    LH_FIELD("name", STR, sample_column, name, .flags = LH_FIELD_REQUIRED, .min = 1, .max = 10,
             .doc = "Its name."),
    LH_FIELD("type", ENUM, sample_column, type, .names = sample_types, .def = "\"integer\"",
             .doc = "Its type."),
    LH_FIELD("nullable", BOOL, sample_column, nullable, .def = "true", .doc = "May be null."),
    {0}};
static const lh_record sample_column_record = {.name = "SampleColumn",
                                               .size = sizeof(sample_column),
                                               .fields = sample_column_fields,
                                               .doc = "A column."};

static const lh_field sample_inner_fields[] = {
    LH_FIELD("depth", I64, sample_inner, depth, .def = "3", .doc = "Levels."),
    LH_FIELD("note", STR, sample_inner, note, .flags = LH_FIELD_OMIT_EMPTY, .doc = "Words."),
    {0}};
static const lh_record sample_inner_record = {.name = "SampleInner",
                                              .size = sizeof(sample_inner),
                                              .fields = sample_inner_fields,
                                              .doc = "Inside."};

#define SAMPLE_FIELDS                                                                              \
    LH_FIELD("name", STR, sample, name, .flags = LH_FIELD_REQUIRED, .doc = "Its name."),           \
        LH_FIELD("flag", BOOL, sample, flag, .def = "true", .doc = "A flag."),                     \
        LH_FIELD("i64", I64, sample, i64, .min = -5, .max = 100, .def = "10", .doc = "Rows."),     \
        LH_FIELD("u64", U64, sample, u64, .doc = "Bytes."),                                        \
        LH_FIELD("i32", I32, sample, i32, .doc = "Small."),                                        \
        LH_FIELD("u32", U32, sample, u32, .min = 1, .def = "1", .doc = "Small and positive."),     \
        LH_FIELD("f64", F64, sample, f64, .max = 1, .doc = "Share."),                              \
        LH_FIELD("mode", ENUM, sample, mode, .names = sample_modes, .doc = "How."),                \
        LH_FIELD("time", TIME, sample, time, .doc = "When."),                                      \
        LH_FIELD("json", JSON, sample, json, .doc = "Anything."),                                  \
        LH_FIELD("inner", OBJECT, sample, inner, .flags = LH_FIELD_NULLABLE,                       \
                 .record = &sample_inner_record, .doc = "Inside."),                                \
        LH_FIELD("columns", LIST, sample, columns, .item = LH_F_OBJECT,                            \
                 .record = &sample_column_record, .max = 3, .doc = "Columns."),                    \
        LH_FIELD("words", LIST, sample, words, .item = LH_F_STR, .def = "[\"a\",\"b\"]",           \
                 .doc = "Words."),                                                                 \
        LH_FIELD("numbers", LIST, sample, numbers, .item = LH_F_I64, .flags = LH_FIELD_OMIT_EMPTY, \
                 .doc = "Numbers."),                                                               \
        LH_FIELD("counts", MAP_I64, sample, counts, .flags = LH_FIELD_NULL_EMPTY,                  \
                 .doc = "Counts."),                                                                \
        LH_FIELD("labels", MAP_STR, sample, labels, .doc = "Labels."),                             \
        LH_FIELD("secret", STR, sample, secret, .flags = LH_FIELD_SECRET, .doc = "Hidden."),       \
        LH_FIELD("version", I64, sample, version, .flags = LH_FIELD_READ_ONLY, .doc = "Ours."),    \
    {                                                                                              \
        0                                                                                          \
    }

static const lh_field sample_fields[] = {SAMPLE_FIELDS};
static const lh_record sample_record = {.name = "Sample",
                                        .size = sizeof(sample),
                                        .fields = sample_fields,
                                        .doc = "One of each.",
                                        .present_offset = offsetof(sample, present)};
/* The same as a stored file. */
static const lh_record sample_file_record = {.name = "SampleFile",
                                             .size = sizeof(sample),
                                             .fields = sample_fields,
                                             .doc = "One of each, stored.",
                                             .present_offset = offsetof(sample, present),
                                             .flags = LH_RECORD_OPEN};

#endif
