#include "common/sys/metrics.h"

#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/base/map.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LABELS_MAX 4
#define SERIES_MAX 1000

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

static const struct {
    int64_t microseconds;
    const char *seconds;
} bucket_bounds[] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},
    {10000000, "10"}, {30000000, "30"}, {60000000, "60"},
};
#define BUCKETS ARRAY_LEN(bucket_bounds)

/* Series are never freed before the registry, so whoever holds one counts without a lock. */
struct metric {
    char *labels[LABELS_MAX];     /* values */
    atomic_int_fast64_t value;    /* of a histogram: the sum in microseconds */
    atomic_int_fast64_t *buckets; /* of a histogram: BUCKETS + 1, the last one above all bounds */
};

struct metric_family {
    enum metric_type type;
    const char *name;
    const char *help;
    const char *label_names[LABELS_MAX];
    size_t label_count;
    pthread_mutex_t lock;
    struct map by_labels; /* label values, each ended by NUL -> struct metric */
    ARRAY_OF(struct metric *) series;
};

struct metrics {
    pthread_mutex_t lock;
    ARRAY_OF(struct metric_family *) families;
};

/* ---- Registry */

struct metrics *metrics_new(void)
{
    struct metrics *m = xcalloc(1, sizeof(*m));
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void family_free(struct metric_family *family)
{
    for (size_t i = 0; i < family->series.len; i++) {
        struct metric *metric = family->series.items[i];
        for (size_t label = 0; label < family->label_count; label++)
            free(metric->labels[label]);
        free(metric->buckets);
        free(metric);
    }
    array_release(&family->series);
    map_release(&family->by_labels);
    pthread_mutex_destroy(&family->lock);
    free(family);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->families.len; i++)
        family_free(m->families.items[i]);
    array_release(&m->families);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct metric_family *find_family(struct metrics *m, const char *name)
{
    for (size_t i = 0; i < m->families.len; i++) {
        if (strcmp(m->families.items[i]->name, name) == 0)
            return m->families.items[i];
    }
    return NULL;
}

static struct metric_family *declare(struct metrics *m, enum metric_type type, const char *name,
                                     const char *help, va_list labels)
{
    struct metric_family *family = xcalloc(1, sizeof(*family));
    *family = (struct metric_family){.type = type, .name = name, .help = help};
    for (const char *label; (label = va_arg(labels, const char *));) {
        BUG_ON(family->label_count == LABELS_MAX);
        family->label_names[family->label_count++] = label;
    }
    pthread_mutex_init(&family->lock, NULL);
    map_init(&family->by_labels);

    pthread_mutex_lock(&m->lock);
    struct metric_family *known = find_family(m, name);
    if (!known)
        array_push(&m->families, family);
    pthread_mutex_unlock(&m->lock);
    if (known) {
        family_free(family);
        return known;
    }
    if (family->label_count == 0) /* shown with 0 before the first count */
        (void)metric_with(family, NULL);
    return family;
}

struct metric_family *metrics_counter(struct metrics *m, const char *name, const char *help, ...)
{
    va_list labels;
    va_start(labels, help);
    struct metric_family *family = declare(m, METRIC_COUNTER, name, help, labels);
    va_end(labels);
    return family;
}

struct metric_family *metrics_gauge(struct metrics *m, const char *name, const char *help, ...)
{
    va_list labels;
    va_start(labels, help);
    struct metric_family *family = declare(m, METRIC_GAUGE, name, help, labels);
    va_end(labels);
    return family;
}

struct metric_family *metrics_histogram(struct metrics *m, const char *name, const char *help, ...)
{
    va_list labels;
    va_start(labels, help);
    struct metric_family *family = declare(m, METRIC_HISTOGRAM, name, help, labels);
    va_end(labels);
    return family;
}

/* ---- Series */

static void labels_key(const struct metric_family *family, const char *const *values,
                       struct buf *ret_key)
{
    for (size_t i = 0; i < family->label_count; i++) {
        BUG_ON(!values[i]); /* fewer values than labels */
        buf_append(ret_key, str_make(values[i], strlen(values[i]) + 1));
    }
}

static struct metric *add_series(struct metric_family *family, const char *const *values,
                                 struct str key)
{
    struct metric *metric = xcalloc(1, sizeof(*metric));
    for (size_t i = 0; i < family->label_count; i++)
        metric->labels[i] = xstrdup(values[i]);
    if (family->type == METRIC_HISTOGRAM)
        metric->buckets = xcalloc(BUCKETS + 1, sizeof(*metric->buckets));
    array_push(&family->series, metric);
    map_put(&family->by_labels, key, metric);
    return metric;
}

static struct metric *find_or_add_series(struct metric_family *family, const char *const *values)
{
    struct buf key;
    buf_init(&key, SIZE_MAX);
    labels_key(family, values, &key);
    struct metric *metric = map_get(&family->by_labels, buf_str(&key));
    if (!metric && family->series.len >= SERIES_MAX) {
        static const char *const other[LABELS_MAX] = {"other", "other", "other", "other"};
        buf_reset(&key);
        labels_key(family, other, &key);
        metric = map_get(&family->by_labels, buf_str(&key));
        values = other;
    }
    if (!metric)
        metric = add_series(family, values, buf_str(&key));
    buf_release(&key);
    return metric;
}

struct metric *metric_with(struct metric_family *family, ...)
{
    const char *values[LABELS_MAX] = {NULL};
    va_list args;
    va_start(args, family);
    for (size_t i = 0; i < family->label_count; i++) {
        values[i] = va_arg(args, const char *);
        BUG_ON(values[i] == NULL);
    }
    const char *end = va_arg(args, const char *);
    va_end(args);
    BUG_ON(end != NULL);

    pthread_mutex_lock(&family->lock);
    struct metric *metric = find_or_add_series(family, values);
    pthread_mutex_unlock(&family->lock);
    return metric;
}

void metric_add(struct metric *metric, int64_t by)
{
    atomic_fetch_add_explicit(&metric->value, by, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

int64_t metric_value(const struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

void metric_observe_us(struct metric *metric, int64_t microseconds)
{
    BUG_ON(!metric->buckets);
    size_t bucket = 0;
    while (bucket < BUCKETS && microseconds > bucket_bounds[bucket].microseconds)
        bucket++;
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    metric_add(metric, microseconds);
}

/* ---- Text exposition format 0.0.4 */

static void write_label_value(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            buf_append(out, STR("\\n"));
        else if (*value == '"' || *value == '\\')
            buf_printf(out, "\\%c", *value);
        else
            buf_append_char(out, *value);
    }
}

/* Writes name, suffix and labels; `le` is the bound of a histogram's bucket, or NULL. */
static void write_series_name(const struct metric_family *family, const struct metric *metric,
                              const char *suffix, const char *le, struct buf *out)
{
    buf_printf(out, "%s%s", family->name, suffix);
    char before = '{';
    for (size_t i = 0; i < family->label_count; i++) {
        buf_printf(out, "%c%s=\"", before, family->label_names[i]);
        write_label_value(out, metric->labels[i]);
        buf_append_char(out, '"');
        before = ',';
    }
    if (le) {
        buf_printf(out, "%cle=\"%s\"", before, le);
        before = ',';
    }
    buf_append_cstr(out, before == ',' ? "} " : " ");
}

static void write_histogram(const struct metric_family *family, const struct metric *metric,
                            struct buf *out)
{
    int64_t count = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        write_series_name(family, metric, "_bucket",
                          i < BUCKETS ? bucket_bounds[i].seconds : "+Inf", out);
        buf_printf(out, "%" PRId64 "\n", count);
    }
    int64_t sum_us = metric_value(metric);
    write_series_name(family, metric, "_sum", NULL, out);
    buf_printf(out, "%" PRId64 ".%06d\n", sum_us / 1000000, (int)(sum_us % 1000000));
    write_series_name(family, metric, "_count", NULL, out);
    buf_printf(out, "%" PRId64 "\n", count);
}

static void write_family(struct metric_family *family, struct buf *out)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
               types[family->type]);
    pthread_mutex_lock(&family->lock);
    for (size_t i = 0; i < family->series.len; i++) {
        const struct metric *metric = family->series.items[i];
        if (family->type == METRIC_HISTOGRAM) {
            write_histogram(family, metric, out);
        } else {
            write_series_name(family, metric, "", NULL, out);
            buf_printf(out, "%" PRId64 "\n", metric_value(metric));
        }
    }
    pthread_mutex_unlock(&family->lock);
}

void metrics_write(struct metrics *m, struct buf *out)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->families.len; i++)
        write_family(m->families.items[i], out);
    pthread_mutex_unlock(&m->lock);
}
