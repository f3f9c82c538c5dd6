#include "common/sys/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

static void check_written(struct metrics *m, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    metrics_write(m, &out);
    cr_assert(str_find(buf_str(&out), str_from_cstr(want)) >= 0, "want %s in:\n%.*s", want,
              STR_ARG(buf_str(&out)));
    buf_release(&out);
}

Test(metrics, counters_and_gauges_are_written_with_labels)
{
    struct metrics *m = metrics_new();
    struct metric_family *commands =
        metrics_counter(m, "smtp_commands_total", "Commands", "verb", "code", NULL);
    metric_add(metric_with(commands, "RCPT", "250", NULL), 2);
    metric_add(metric_with(commands, "RCPT", "250", NULL), 1);
    metric_add(metric_with(commands, "a\"\\\n", "5", NULL), 1);
    metric_set(metric_with(metrics_gauge(m, "queue_length", "Messages", NULL), NULL), -4);
    check_written(m, "# HELP smtp_commands_total Commands\n# TYPE smtp_commands_total counter\n"
                     "smtp_commands_total{verb=\"RCPT\",code=\"250\"} 3\n"
                     "smtp_commands_total{verb=\"a\\\"\\\\\\n\",code=\"5\"} 1\n"
                     "# HELP queue_length Messages\n# TYPE queue_length gauge\nqueue_length -4\n");
    cr_assert_eq(metrics_counter(m, "smtp_commands_total", "", "verb", "code", NULL), commands);
    metrics_free(m);
}

Test(metrics, histograms_have_cumulative_buckets)
{
    struct metrics *m = metrics_new();
    struct metric *h =
        metric_with(metrics_histogram(m, "wait_seconds", "Wait", "q", NULL), "x", NULL);
    metric_observe_us(h, 100);
    metric_observe_us(h, 101);
    metric_observe_us(h, 90000000);
    check_written(m, "wait_seconds_bucket{q=\"x\",le=\"0.0001\"} 1\n"
                     "wait_seconds_bucket{q=\"x\",le=\"0.00025\"} 2\n");
    check_written(m, "wait_seconds_bucket{q=\"x\",le=\"60\"} 2\n"
                     "wait_seconds_bucket{q=\"x\",le=\"+Inf\"} 3\n"
                     "wait_seconds_sum{q=\"x\"} 90.000201\nwait_seconds_count{q=\"x\"} 3\n");
    metrics_free(m);
}

Test(metrics, too_many_series_share_one)
{
    struct metrics *m = metrics_new();
    struct metric_family *f = metrics_counter(m, "n_total", "N", "name", NULL);
    for (int i = 0; i < 1100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%d", i);
        metric_add(metric_with(f, name, NULL), 1);
    }
    cr_assert_eq(metric_value(metric_with(f, "other", NULL)), 100);
    cr_assert_eq(metric_value(metric_with(f, "n999", NULL)), 1);
    metrics_free(m);
}

static void *count_much(void *metric)
{
    for (int i = 0; i < 10000; i++)
        metric_add(metric, 1);
    return NULL;
}

Test(metrics, threads_count_together)
{
    struct metrics *m = metrics_new();
    struct metric *n = metric_with(metrics_counter(m, "n_total", "N", NULL), NULL);
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, count_much, n);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(metric_value(n), 40000);
    metrics_free(m);
}
