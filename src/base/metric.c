/* metric.c - values as relaxed atomics: one cell per metric, or one per label value once the owner
 * has said them. An update of a family whose labels are not registered (yet) is dropped, so tests
 * need no set-up. */
#include "base/metric.h"

#include "base/num.h"

#include <stdatomic.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const struct {
    const char *name;
    const char *label;
    const char *help;
    enum kind kind;
} rows[LH_METRIC_COUNT] = {
#define METRIC_ROW(symbol, metric_kind, metric_name, label_name, sentence)                         \
    [LH_M_##symbol] = {(metric_name), (label_name), (sentence), metric_kind},
    LH_METRIC_LIST(METRIC_ROW)
#undef METRIC_ROW
};

/* Upper bounds in microseconds; one more bucket holds the rest. */
static const int64_t bounds_us[] = {100,     250,     500,     1000,    2500,   5000,
                                    10000,   25000,   50000,   100000,  250000, 500000,
                                    1000000, 2500000, 5000000, 10000000};
enum { BUCKETS = LH_ARRAY_LEN(bounds_us) + 1 };

typedef struct histogram {
    _Atomic int64_t buckets[BUCKETS];
} histogram;

typedef struct cell {
    _Atomic int64_t value; /* of a histogram: the sum in microseconds */
    histogram *histogram;
} cell;

/* Published as one pointer, so that a reader sees cells and names of the same registration. */
typedef struct family {
    size_t count;
    const char *const *labels; /* borrowed */
    cell cells[];
} family;

static histogram plain_histograms[LH_METRIC_COUNT];
static cell plain[LH_METRIC_COUNT];
static family *_Atomic families[LH_METRIC_COUNT];

static int is_family(lh_metric metric)
{
    return rows[metric].label[0] != '\0';
}

static void family_free(family *f)
{
    for (size_t i = 0; f != NULL && i < f->count; i++)
        lh_free(f->cells[i].histogram);
    lh_free(f);
}

static family *family_new(size_t count, const char *const *labels, int is_histogram)
{
    family *f = lh_alloc_zero(1, sizeof(*f) + count * sizeof(cell));
    if (f == NULL)
        return NULL;
    f->count = count;
    f->labels = labels;
    for (size_t i = 0; is_histogram && i < count; i++) {
        f->cells[i].histogram = lh_alloc_zero(1, sizeof(histogram));
        if (f->cells[i].histogram == NULL) {
            family_free(f);
            return NULL;
        }
    }
    return f;
}

void lh_metric_set_labels(lh_metric metric, const char *const *values, size_t count)
{
    lh_assert((unsigned)metric < LH_METRIC_COUNT && is_family(metric));
    lh_assert(count <= LH_METRIC_LABELS_MAX);
    family *f = family_new(count, values, rows[metric].kind == HISTOGRAM);
    family_free(atomic_exchange(&families[metric], f));
}

static cell *cell_of(lh_metric metric, size_t label_index)
{
    lh_assert((unsigned)metric < LH_METRIC_COUNT);
    if (is_family(metric)) {
        family *f = atomic_load_explicit(&families[metric], memory_order_acquire);
        return f != NULL && label_index < f->count ? &f->cells[label_index] : NULL;
    }
    lh_assert(label_index == 0);
    return &plain[metric];
}

static _Atomic int64_t *buckets_of(lh_metric metric, cell *c)
{
    return is_family(metric) ? c->histogram->buckets : plain_histograms[metric].buckets;
}

void lh_metric_add_label(lh_metric metric, size_t label_index, int64_t n)
{
    cell *c = cell_of(metric, label_index);
    lh_assert(rows[metric].kind != HISTOGRAM && (n >= 0 || rows[metric].kind == GAUGE));
    if (c != NULL)
        atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

void lh_metric_add(lh_metric metric, int64_t n)
{
    lh_metric_add_label(metric, 0, n);
}

void lh_metric_set(lh_metric metric, int64_t value)
{
    cell *c = cell_of(metric, 0);
    lh_assert(rows[metric].kind == GAUGE);
    if (c != NULL)
        atomic_store_explicit(&c->value, value, memory_order_relaxed);
}

void lh_metric_observe_label_us(lh_metric metric, size_t label_index, int64_t us)
{
    cell *c = cell_of(metric, label_index);
    lh_assert(rows[metric].kind == HISTOGRAM);
    if (c == NULL)
        return;
    size_t bucket = 0;
    while (bucket < LH_ARRAY_LEN(bounds_us) && us > bounds_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&c->value, us, memory_order_relaxed);
    atomic_fetch_add_explicit(&buckets_of(metric, c)[bucket], 1, memory_order_relaxed);
}

void lh_metric_observe_us(lh_metric metric, int64_t us)
{
    lh_metric_observe_label_us(metric, 0, us);
}

int64_t lh_metric_value(lh_metric metric, size_t label_index)
{
    cell *c = cell_of(metric, label_index);
    if (c == NULL)
        return 0;
    if (rows[metric].kind != HISTOGRAM)
        return atomic_load_explicit(&c->value, memory_order_relaxed);
    int64_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        count += atomic_load_explicit(&buckets_of(metric, c)[i], memory_order_relaxed);
    return count;
}

void lh_metric_describe(lh_metric metric, const char **ret_name, const char **ret_kind,
                        const char **ret_label, const char **ret_help)
{
    static const char *const kinds[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};
    lh_assert((unsigned)metric < LH_METRIC_COUNT);
    *ret_name = rows[metric].name;
    *ret_kind = kinds[rows[metric].kind];
    *ret_label = rows[metric].label;
    *ret_help = rows[metric].help;
}

static lh_rc write_seconds(lh_ctx *cx, lh_buf *out, int64_t us)
{
    char text[LH_F64_TEXT_MAX];
    return lh_buf_append(cx, out, (lh_str){text, lh_f64_text((double)us / 1e6, text)});
}

static lh_rc write_label_value(lh_ctx *cx, lh_buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            LH_TRY(lh_buf_append_char(cx, out, '\\'));
        if (*value == '\n')
            LH_TRY(lh_buf_append(cx, out, LH_S("\\n")));
        else
            LH_TRY(lh_buf_append_char(cx, out, *value));
    }
    return LH_OK;
}

/* name_suffix{label="value",le="0.1"}; label and le are each left out when NULL; le_us < 0 is
 * +Inf. */
static lh_rc write_series(lh_ctx *cx, lh_buf *out, lh_metric metric, const char *suffix,
                          const char *value, const int64_t *le_us)
{
    LH_TRY(lh_buf_printf(cx, out, "%s%s", rows[metric].name, suffix));
    if (value == NULL && le_us == NULL)
        return lh_buf_append_char(cx, out, ' ');
    LH_TRY(lh_buf_append_char(cx, out, '{'));
    if (value != NULL) {
        LH_TRY(lh_buf_printf(cx, out, "%s=\"", rows[metric].label));
        LH_TRY(write_label_value(cx, out, value));
        LH_TRY(lh_buf_append(cx, out, le_us != NULL ? LH_S("\",") : LH_S("\"")));
    }
    if (le_us != NULL) {
        LH_TRY(lh_buf_append(cx, out, LH_S("le=\"")));
        if (*le_us < 0)
            LH_TRY(lh_buf_append(cx, out, LH_S("+Inf")));
        else
            LH_TRY(write_seconds(cx, out, *le_us));
        LH_TRY(lh_buf_append_char(cx, out, '"'));
    }
    return lh_buf_append(cx, out, LH_S("} "));
}

static lh_rc write_i64_line(lh_ctx *cx, lh_buf *out, int64_t value)
{
    char digits[24];
    size_t len = lh_i64_text(value, digits);
    digits[len++] = '\n';
    return lh_buf_append(cx, out, (lh_str){digits, len});
}

/* The count is the sum of the buckets that were shown: a scraper must not see them disagree. */
static lh_rc write_histogram(lh_ctx *cx, lh_buf *out, lh_metric metric, cell *c, const char *value)
{
    int64_t count = 0;
    _Atomic int64_t *buckets = buckets_of(metric, c);
    for (size_t i = 0; i < BUCKETS; i++) {
        int64_t bound = i < LH_ARRAY_LEN(bounds_us) ? bounds_us[i] : -1;
        count += atomic_load_explicit(&buckets[i], memory_order_relaxed);
        LH_TRY(write_series(cx, out, metric, "_bucket", value, &bound));
        LH_TRY(write_i64_line(cx, out, count));
    }
    LH_TRY(write_series(cx, out, metric, "_sum", value, NULL));
    LH_TRY(write_seconds(cx, out, atomic_load_explicit(&c->value, memory_order_relaxed)));
    LH_TRY(lh_buf_append_char(cx, out, '\n'));
    LH_TRY(write_series(cx, out, metric, "_count", value, NULL));
    return write_i64_line(cx, out, count);
}

static lh_rc write_cell(lh_ctx *cx, lh_buf *out, lh_metric metric, cell *c, const char *value)
{
    if (rows[metric].kind == HISTOGRAM)
        return write_histogram(cx, out, metric, c, value);
    LH_TRY(write_series(cx, out, metric, "", value, NULL));
    return write_i64_line(cx, out, atomic_load_explicit(&c->value, memory_order_relaxed));
}

static lh_rc write_metric(lh_ctx *cx, lh_buf *out, lh_metric metric)
{
    const char *name, *kind, *label, *help;
    lh_metric_describe(metric, &name, &kind, &label, &help);
    LH_TRY(lh_buf_printf(cx, out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind));
    if (!is_family(metric))
        return write_cell(cx, out, metric, &plain[metric], NULL);
    family *f = atomic_load_explicit(&families[metric], memory_order_acquire);
    for (size_t i = 0; f != NULL && i < f->count; i++)
        LH_TRY(write_cell(cx, out, metric, &f->cells[i], f->labels[i]));
    return LH_OK;
}

lh_rc lh_metric_write_all(lh_ctx *cx, lh_buf *out)
{
    for (int i = 0; i < LH_METRIC_COUNT; i++)
        LH_TRY(write_metric(cx, out, (lh_metric)i));
    return LH_OK;
}
