#include "services/mailrail/job.h"

#include "common/base/clock.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/plural.h"
#include "services/mailrail/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_MS 100
#define SHOW_EVERY_MS 10000 /* where that is no terminal */
#define WATCH_ARENA_MAX (16u << 20)
#define AWAY_MS 60000 /* a store that restarts forgets its jobs, and says so */

struct watched {
    struct invocation *inv;
    uint64_t id;
    uint64_t line;
    bool is_stopped;
    bool is_terminal;
    bool is_quiet;
    int64_t shown_ms;
    int64_t answered_ms;
};

static void show(struct watched *w, const struct job_news *news)
{
    int64_t now_ms = clock_monotonic_ms();
    bool is_due = w->is_terminal || (!w->is_quiet && now_ms - w->shown_ms >= SHOW_EVERY_MS);
    if (news->doing.len == 0 || !is_due)
        return;
    w->shown_ms = now_ms;
    fprintf(stderr, "%s%.*s: %" PRIu64, w->is_terminal ? "\r\033[K" : "", STR_ARG(news->doing),
            news->done);
    if (news->all > 0)
        fprintf(stderr, " of %" PRIu64, news->all);
    uint64_t last = news->all > 0 ? news->all : news->done;
    fprintf(stderr, " message%s%s", plural(last, "s"), w->is_terminal ? "" : "\n");
}

static void print_lines(struct watched *w, const struct job_news *news)
{
    if (news->lines.len > 0 && w->is_terminal)
        fprintf(stderr, "\r\033[K");
    for (size_t i = 0; i < news->lines.len; i++)
        printf("%.*s\n", STR_ARG(news->lines.items[i]));
    fflush(stdout);
    w->line += news->lines.len;
}

static bool look(struct watched *w, struct arena *arena, struct job_news *ret, struct err *err)
{
    struct backend b = {&w->inv->settings, arena};
    bool stop = progress_is_interrupted() && !w->is_stopped;
    w->is_stopped |= stop;
    bool ok = stop ? backend_job_stop(&b, w->id, w->line, ret, err)
                   : backend_job_watch(&b, w->id, w->line, ret, err);
    if (ok)
        w->answered_ms = clock_monotonic_ms();
    return ok;
}

static bool ended(struct watched *w, const struct job_news *news, struct err *err)
{
    if (w->is_terminal)
        fprintf(stderr, "\r\033[K");
    if (news->failure.len > 0)
        return err_set(err, w->is_stopped ? ERR_TEMPORARY : ERR_INTERNAL, "%.*s",
                       STR_ARG(news->failure));
    if (news->done > 0 && !w->is_quiet)
        printf("%" PRIu64 " message%s\n", news->done, plural(news->done, "s"));
    w->inv->status = news->errors > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    return news->errors == 0 ||
           err_set(err, ERR_INTERNAL, "%" PRIu64 " errors: it is incomplete", news->errors);
}

static bool watch(struct watched *w, struct arena *arena, struct err *err)
{
    struct job_news news = {.is_ended = false};
    while (!news.is_ended) {
        arena_reset(arena);
        if (look(w, arena, &news, err)) {
            print_lines(w, &news);
            show(w, &news);
        } else if (!err_is_transient(err->kind) ||
                   clock_monotonic_ms() - w->answered_ms > AWAY_MS) {
            return false;
        }
        if (!news.is_ended && news.lines.len == 0)
            nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
    }
    return ended(w, &news, err);
}

bool job_run(struct invocation *inv, const struct job_order *order, bool quiet, struct err *err)
{
    struct watched w = {.inv = inv,
                        .is_quiet = quiet,
                        .is_terminal = isatty(STDERR_FILENO),
                        .shown_ms = clock_monotonic_ms(),
                        .answered_ms = clock_monotonic_ms()};
    struct backend b;
    struct job_news news;
    struct arena arena;
    TRY(invocation_backend(inv, &b, err));
    progress_catch_interrupts();
    TRY(backend_job_start(&b, order, &news, err));
    w.id = news.id;
    arena_init(&arena, WATCH_ARENA_MAX);
    bool ok = watch(&w, &arena, err);
    arena_release(&arena);
    return ok;
}
