#ifndef COMMON_SYS_METRICS_H
#define COMMON_SYS_METRICS_H

#include "common/base/buf.h"

/*
 * Prometheus metrics. A registry is made once per process and handed to what counts. A family is
 * declared once; a series of it is found by its label values and kept by whoever counts often:
 *
 *     struct metric_family *commands = metrics_counter(registry, "mailrail_smtp_commands_total",
 *         "Commands by verb and reply code", "verb", "code", NULL);
 *     struct metric *ok = metric_with(commands, "RCPT", "250", NULL);
 *     metric_add(ok, 1);
 *
 * Counting is one atomic operation. Series are never removed; label values must come from a small
 * set (verbs, results), never from what a stranger sends: past 1000 series of a family, further
 * ones share the series with all labels "other". Declaring a family again gives the same one.
 * Thread-safe.
 */

struct metrics;
struct metric_family;
struct metric;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* Names and help texts are kept by pointer. Label names follow, ended by NULL, at most 4. */
struct metric_family *metrics_counter(struct metrics *m, const char *name, const char *help, ...);
struct metric_family *metrics_gauge(struct metrics *m, const char *name, const char *help, ...);
/* Of seconds, with buckets from 100 us to 60 s. */
struct metric_family *metrics_histogram(struct metrics *m, const char *name, const char *help, ...);

/* The series with these label values (as many as names, ended by NULL; copied). Never NULL. */
struct metric *metric_with(struct metric_family *family, ...);

void metric_add(struct metric *metric, int64_t by); /* counters: by >= 0 */
void metric_set(struct metric *metric, int64_t value);
void metric_observe_us(struct metric *metric, int64_t microseconds);
int64_t metric_value(const struct metric *metric);

/* Appends the whole registry in text exposition format 0.0.4. */
void metrics_write(struct metrics *m, struct buf *out);

#endif
