#include "services/mailrail/command.h"
#include "services/mailrail/child.h"
#include "services/mailrail/table.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include "common/base/clock.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Splits at spaces and calls the program; '' is the empty word. */
static int call(const char *line)
{
    static char text[256];
    char *argv[16] = {"mailrail"};
    int argc = 1;
    snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "''") == 0 ? "" : word;
    return command_main(argc, argv);
}

Test(command, wrong_usage_is_status_2_and_says_why)
{
    static const struct {
        const char *line;
        const char *want;
    } rows[] = {
        {"", "try: mailrail help"},
        {"nothing-like-it", "unknown command \"nothing-like-it\"; try: mailrail help"},
        {"verfydata", "did you mean \"verifydata\"?"},
        {"queue", "mailrail queue kick"},
        {"queue lst", "mailrail queue list"},
        {"address add a@b", "mailrail address add: needs ADDRESS ACCOUNT; try --help"},
        {"address add a@b c d", "unexpected \"d\""},
        {"queue list --acount x", "unknown option --acount, did you mean --account?"},
        {"trace cid -Iyoo8CS-OKBj4QVgjPmpg",
         "unknown option -Iyoo8CS-OKBj4QVgjPmpg (write -- before an argument that begins so)"},
        {"queue list --account", "--account needs a value"},
        {"queue list --account --json", "if it is --json, write --account=--json"},
        {"backup ''", "an argument is empty, needs DIR"},
        {"queue list --json=1", "--json takes no value"},
        /* What the commands themselves read. */
        {"account set ann", "mailrail account set: needs an option that says what to set"},
        {"account add ann", "needs --address"},
        {"account add ann --address a@b --quota many", "--quota must be a number of bytes, or -1"},
        {"account add ann --address a@b --outgoing-per-day -5", "--outgoing-per-day must be a"},
        {"account add ann --address a@b --capabilities-disabled X", "is none that can be hidden"},
        {"address add a@b ann --refuse 1", "--refuse must be 421 or 550"},
        {"queue kick", "needs either IDs"},
        {"queue kick x", "\"x\" is not an ID"},
        {"dns lookup BOGUS localhost", "unknown record type BOGUS"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static char said[4096];
        fflush(stderr);
        FILE *file = tmpfile();
        int saved = dup(STDERR_FILENO);
        dup2(fileno(file), STDERR_FILENO);
        int status = call(rows[i].line);
        fflush(stderr);
        dup2(saved, STDERR_FILENO);
        close(saved);
        rewind(file);
        said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
        fclose(file);
        cr_assert_eq(status, 2, "%s: %d", rows[i].line, status);
        cr_assert(strstr(said, rows[i].want), "%s: want \"%s\", have \"%s\"", rows[i].line,
                  rows[i].want, said);
    }
}

Test(command, names_are_unique_and_options_fit)
{
    for (size_t i = 0; i < command_group_count; i++) {
        for (const struct command *c = command_groups[i].commands; c->name; c++) {
            size_t options = 0;
            while (c->options && c->options[options].name)
                options++;
            cr_assert_leq(options, COMMAND_OPTIONS_MAX, "%s", c->name);
            cr_assert_leq(c->args_min, c->args_max, "%s", c->name);
            cr_assert(c->summary && c->manual && c->run, "%s", c->name);
        }
    }
}

/* Whether the line calls it; with options that it has. */
static bool check_example(const struct command *c, struct str line)
{
    struct arena arena;
    struct str word, rest;
    arena_init(&arena, 4096);
    ptrdiff_t at = str_find(line, arena_printf(&arena, "mailrail %s", c->name));
    rest = at < 0 ? STR_NULL : str_skip(line, (size_t)at);
    while (str_cut(rest, ' ', &word, &rest) || !str_is_empty(word)) {
        const struct command_option *o = c->options;
        if (str_is_empty(word) || str_eq(word, STR("--config")) || str_eq(word, STR("--")) ||
            !str_starts_with(word, STR("--")))
            continue;
        while (o && o->name && !str_eq(word, str_from_cstr(o->name)))
            o++;
        cr_expect(o && o->name, "%s has no option %.*s", c->name, STR_ARG(word));
    }
    arena_release(&arena);
    return at >= 0;
}

Test(command, every_manual_page_has_examples)
{
    for (size_t i = 0; i < command_group_count; i++) {
        for (const struct command *c = command_groups[i].commands; c->name; c++) {
            struct str line, rest = str_from_cstr(c->examples);
            bool calls = false;
            while (!str_is_empty(rest)) {
                str_cut(rest, '\n', &line, &rest);
                calls |= check_example(c, line);
            }
            cr_expect(calls, "%s", c->name);
        }
    }
}

Test(table, people_see_columns, .init = cr_redirect_stdout)
{
    static const struct column columns[] = {
        {"name", COLUMN_TEXT}, {"used_bytes", COLUMN_NUMBER}, {"off", COLUMN_BOOL}};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct table table = table_init(columns, 3, &arena);
    table_text(&table, STR("z\xc3\xbcrich"));
    table_number(&table, 5);
    table_bool(&table, true);
    table_text(&table, STR("a\x1b[0m"));
    table_number(&table, 123456789012);
    table_bool(&table, false);
    table_print(&table, false);
    fflush(stdout);
    cr_assert_stdout_eq_str("NAME      USED BYTES  OFF\n"
                            "z\xc3\xbcrich             5  yes\n"
                            "a?[0m   123456789012  no\n");
    table_release(&table);
    arena_release(&arena);
}

Test(table, programs_get_json, .init = cr_redirect_stdout)
{
    static const struct column columns[] = {
        {"name", COLUMN_TEXT}, {"size", COLUMN_NUMBER}, {"held", COLUMN_BOOL}};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct table table = table_init(columns, 3, &arena);
    table_print(&table, true);
    table_text(&table, STR("say \"hi\"\\\n"));
    table_number(&table, 7);
    table_bool(&table, true);
    table_print(&table, true);
    fflush(stdout);
    cr_assert_stdout_eq_str(
        "[]\n"
        "[{\"name\": \"say \\\"hi\\\"\\\\\\u000a\", \"size\": 7, \"held\": true}]\n");
    table_release(&table);
    arena_release(&arena);
}

Test(child, pauses_grow_while_it_keeps_dying)
{
    struct metrics *m = metrics_new();
    struct metric *exits = metric_with(metrics_counter(m, "exits_total", "Exits", NULL), NULL);
    struct child child = {.exits_status = exits, .exits_signal = exits, .pause_max_ms = 30000};
    static const int64_t want[] = {100,  200,   400,   800,   1600, 3200,
                                   6400, 12800, 25600, 30000, 30000};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        child.started_ms = clock_monotonic_ms();
        child_ended(&child, 9);
        cr_assert_eq(child.pause_ms, want[i], "end %zu: %d", i, (int)child.pause_ms);
    }
    cr_assert_eq(metric_value(exits), ARRAY_LEN(want));
    child.started_ms = clock_monotonic_ms() - 300000;
    child_ended(&child, 0);
    cr_assert_eq(child.pause_ms, 100, "it had run long");
    cr_assert_eq(metric_value(exits), ARRAY_LEN(want), "exit status 0 is no accident");
    metrics_free(m);
}

Test(child, ends_are_described)
{
    char text[64];
    child_describe_end(9, text, sizeof(text));
    cr_assert_str_eq(text, "signal 9 (Killed)");
    child_describe_end(2 << 8, text, sizeof(text));
    cr_assert_str_eq(text, "exit status 2");
}
