#include "services/mailrail/verify.h"

#include "common/base/clock.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/offline.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * `mailrail verifydata`: store looks, step by step; the running one, or for a directory one of its
 * own.
 */

#define STEP_ARENA_MAX (256u << 20)
#define PROGRESS_EVERY_MS 500

struct verification {
    const struct settings *settings;
    struct verify_order order;
    char next[1024];
    uint64_t steps;
    uint64_t findings;
    int64_t shown_ms;
};

static void show_progress(struct verification *v, struct str checked)
{
    if (!isatty(STDERR_FILENO) || clock_monotonic_ms() - v->shown_ms < PROGRESS_EVERY_MS)
        return;
    v->shown_ms = clock_monotonic_ms();
    fprintf(stderr, "\r\033[K%llu checked: %.*s", (unsigned long long)v->steps, STR_ARG(checked));
}

static void print_lines(struct str checked, const char *kind, const struct str_list *lines)
{
    for (size_t i = 0; i < lines->len; i++)
        printf("%.*s: %s%.*s\n", STR_ARG(checked), kind, STR_ARG(lines->items[i]));
}

static bool verify_step(struct verification *v, struct arena *arena, struct err *err)
{
    struct backend b = {v->settings, arena};
    struct verify_step step;
    TRY(backend_verify(&b, &v->order, str_from_cstr(v->next), &step, err));
    v->steps++;
    show_progress(v, step.checked);
    print_lines(step.checked, "", &step.findings);
    print_lines(step.checked, "warning: ", &step.warnings);
    print_lines(step.checked, "moved: ", &step.moved);
    v->findings += step.findings.len;
    return str_copy_cstr(step.next, v->next, sizeof(v->next)) ||
           err_set(err, ERR_INTERNAL, "store answers with a position that is too long");
}

static bool verify_all(struct verification *v, struct err *err)
{
    struct arena arena;
    arena_init(&arena, STEP_ARENA_MAX);
    bool ok;
    do {
        ok = verify_step(v, &arena, err);
        arena_reset(&arena);
    } while (ok && v->next[0] != '\0');
    arena_release(&arena);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (ok)
        fprintf(stderr, "%llu checked, %llu findings\n", (unsigned long long)v->steps,
                (unsigned long long)v->findings);
    if (ok && v->findings == 0)
        printf("OK\n");
    return ok;
}

const struct command_option verify_options[] = {
    {"--account", "NAME", "only this account"},
    {"--fix", NULL, "move files that belong to no message to DATA/moved"},
    {"--no-sizes", NULL, "do not compare the sizes of files"},
    {NULL, NULL, NULL},
};

bool verify_run(struct invocation *inv, struct err *err)
{
    struct offline *other = NULL;
    struct verification v = {.settings = &inv->settings,
                             .order = {.account = invocation_text(inv, "--account"),
                                       .fix = invocation_has(inv, "--fix"),
                                       .no_sizes = invocation_has(inv, "--no-sizes")}};
    if (inv->arg_count > 0) {
        TRY(offline_open(inv->args[0], &other, err));
        v.settings = offline_settings(other);
    } else {
        TRY(invocation_read_settings(inv, err));
    }
    bool ok = verify_all(&v, err);
    offline_close(other);
    inv->status = v.findings > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    return ok;
}
