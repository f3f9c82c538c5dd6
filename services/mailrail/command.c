#include "services/mailrail/command.h"

#include "common/base/bug.h"
#include "common/service/arguments.h"
#include "common/text/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define ARENA_MAX (256u << 20)

/* ---- Finding the command */

/* How many words at the start of argv are the command's name; 0: it is another command. */
static size_t words_matched(const struct command *command, char **argv, size_t argc)
{
    struct str word, rest = str_from_cstr(command->name);
    size_t matched = 0;
    while (!str_is_null(rest)) {
        str_cut(rest, ' ', &word, &rest);
        if (matched == argc || !str_eq(word, str_from_cstr(argv[matched])))
            return 0;
        matched++;
    }
    return matched;
}

static const struct command *find_command(char **argv, size_t argc, size_t *ret_words)
{
    for (size_t i = 0; i < command_group_count; i++) {
        for (const struct command *c = command_groups[i].commands; c->name; c++) {
            *ret_words = words_matched(c, argv, argc);
            if (*ret_words > 0)
                return c;
        }
    }
    return NULL;
}

/* Prints the commands that begin with `word`; false when there are none. */
static bool print_commands_of(const char *word, FILE *out)
{
    bool found = false;
    for (size_t i = 0; i < command_group_count; i++) {
        for (const struct command *c = command_groups[i].commands; c->name; c++) {
            struct str first;
            str_cut(str_from_cstr(c->name), ' ', &first, NULL);
            if (!str_eq(first, str_from_cstr(word)))
                continue;
            fprintf(out, "  mailrail %-26s %s\n", c->name, c->summary);
            found = true;
        }
    }
    return found;
}

static int fail_unknown(char **argv, size_t argc)
{
    if (print_commands_of(argv[0], stderr))
        return EXIT_USAGE;
    char given[64];
    snprintf(given, sizeof(given), argc > 1 ? "%s %s" : "%s", argv[0], argc > 1 ? argv[1] : "");
    struct nearest nearest = nearest_to(str_from_cstr(given));
    for (size_t i = 0; i < command_group_count; i++) {
        for (const struct command *c = command_groups[i].commands; c->name; c++)
            nearest_consider(&nearest, str_from_cstr(c->name));
    }
    fprintf(stderr, "mailrail: unknown command \"%s\"", argv[0]);
    if (!str_is_empty(nearest.best))
        fprintf(stderr, ", did you mean \"%.*s\"?\n", STR_ARG(nearest.best));
    else
        fprintf(stderr, "; try: mailrail help\n");
    return EXIT_USAGE;
}

/* ---- Its arguments */

static const struct command_option *find_option(const struct command *command, struct str name,
                                                size_t *ret_index)
{
    const struct command_option *options = command->options;
    for (size_t i = 0; options && options[i].name; i++) {
        BUG_ON(i == COMMAND_OPTIONS_MAX);
        if (str_eq(name, str_from_cstr(options[i].name))) {
            *ret_index = i;
            return &options[i];
        }
    }
    return NULL;
}

static bool fail_unknown_option(const struct command *command, struct str name, struct err *err)
{
    struct nearest nearest = nearest_to(name);
    nearest_consider(&nearest, STR("--config"));
    nearest_consider(&nearest, STR("--help"));
    for (size_t i = 0; command->options && command->options[i].name; i++)
        nearest_consider(&nearest, str_from_cstr(command->options[i].name));
    if (str_is_empty(nearest.best))
        return err_set(err, ERR_SYNTAX, "unknown option %.*s%s", STR_ARG(name),
                       command->args_max > 0 ? " (write -- before an argument that begins so)"
                                             : "");
    return err_set(err, ERR_SYNTAX, "unknown option %.*s, did you mean %.*s?", STR_ARG(name),
                   STR_ARG(nearest.best));
}

/* What follows the command's name in argv. */
struct words {
    char **items;
    size_t len;
    size_t at;
};

/* The value of an option: behind its "=", or the next word, unless that is an option. */
static bool take_value(struct words *words, struct str name, const char *attached,
                       const char **ret_value, struct err *err)
{
    if (!attached && words->at == words->len)
        return err_set(err, ERR_SYNTAX, "%.*s needs a value", STR_ARG(name));
    if (!attached && strncmp(words->items[words->at], "--", 2) == 0)
        return err_set(err, ERR_SYNTAX, "%.*s needs a value; if it is %s, write %.*s=%s",
                       STR_ARG(name), words->items[words->at], STR_ARG(name),
                       words->items[words->at]);
    *ret_value = attached ? attached : words->items[words->at++];
    return true;
}

static bool parse_option(struct invocation *inv, struct words *words, const char *word,
                         struct err *err)
{
    const char *equals = strchr(word, '=');
    const char *attached = equals ? equals + 1 : NULL;
    struct str name = str_make(word, equals ? (size_t)(equals - word) : strlen(word));
    size_t index;
    if (str_eq(name, STR("--config")))
        return take_value(words, name, attached, &inv->config_path, err);
    const struct command_option *option = find_option(inv->command, name, &index);
    if (!option)
        return fail_unknown_option(inv->command, name, err);
    if (option->value)
        return take_value(words, name, attached, &inv->values[index], err);
    if (attached)
        return err_set(err, ERR_SYNTAX, "%s takes no value", option->name);
    inv->values[index] = "";
    return true;
}

static bool parse_words(struct invocation *inv, struct words *words, struct err *err)
{
    const struct command *command = inv->command;
    bool options_end = false;
    while (words->at < words->len) {
        char *word = words->items[words->at++];
        if (!options_end && strcmp(word, "--") == 0)
            options_end = true;
        else if (!options_end && word[0] == '-' && word[1] != '\0')
            TRY(parse_option(inv, words, word, err));
        else if (word[0] == '\0') /* of a variable that is not set */
            return err_set(err, ERR_SYNTAX, "an argument is empty, needs %s",
                           command->args_max > 0 ? command->arguments : "none");
        else
            inv->args[inv->arg_count++] = word;
    }
    if (inv->arg_count < command->args_min)
        return err_set(err, ERR_SYNTAX, "needs %s", command->arguments);
    if (inv->arg_count > command->args_max)
        return err_set(err, ERR_SYNTAX, "unexpected \"%s\"", inv->args[command->args_max]);
    return true;
}

static bool wants_help(const struct words *words)
{
    for (size_t i = 0; i < words->len && strcmp(words->items[i], "--") != 0; i++) {
        if (strcmp(words->items[i], "--help") == 0 || strcmp(words->items[i], "-h") == 0)
            return true;
    }
    return false;
}

/* ---- Running it */

static int run_command(const struct command *command, struct words *words)
{
    struct invocation inv = {.command = command, .config_path = arguments_default_config()};
    struct err err;
    inv.args = xcalloc(words->len + 1, sizeof(*inv.args));
    arena_init(&inv.arena, ARENA_MAX);
    int status = EXIT_USAGE;
    if (!parse_words(&inv, words, &err)) {
        fprintf(stderr, "mailrail %s: %s; try --help\n", command->name, err.detail);
    } else if (!command->run(&inv, &err)) {
        fprintf(stderr, "mailrail %s: %s\n", command->name, err.detail);
        status = inv.is_wrong_usage ? EXIT_USAGE : EXIT_FAILURE;
    } else {
        status = inv.status;
    }
    arena_wipe(&inv.arena);
    arena_release(&inv.arena);
    free(inv.args);
    return status;
}

/* `mailrail help`, `mailrail help COMMAND`, `mailrail --help`; half a command ("account") lists the
 * commands that begin so. */
static int help(char **argv, size_t argc)
{
    size_t words;
    if (argc == 0) {
        manual_print_overview();
        return EXIT_SUCCESS;
    }
    const struct command *command = find_command(argv, argc, &words);
    if (!command && argc == 1 && print_commands_of(argv[0], stdout))
        return EXIT_SUCCESS;
    if (!command)
        return fail_unknown(argv, argc);
    manual_print_command(command);
    return EXIT_SUCCESS;
}

int command_main(int argc, char **argv)
{
    char **names = argv + 1;
    size_t count = argc > 0 ? (size_t)argc - 1 : 0;
    if (count == 0) {
        fprintf(stderr, "usage: mailrail COMMAND ...; try: mailrail help\n");
        return EXIT_USAGE;
    }
    if (strcmp(names[0], "help") == 0 || strcmp(names[0], "--help") == 0)
        return help(names + 1, count - 1);
    if (strcmp(names[0], "--version") == 0) {
        static char version[] = "version";
        names[0] = version;
    }
    size_t matched;
    const struct command *command = find_command(names, count, &matched);
    if (!command && count == 2 && strcmp(names[1], "--help") == 0)
        return help(names, 1);
    if (!command)
        return fail_unknown(names, count);
    struct words words = {names + matched, count - matched, 0};
    if (wants_help(&words)) {
        manual_print_command(command);
        return EXIT_SUCCESS;
    }
    return run_command(command, &words);
}

/* ---- For commands */

const char *invocation_option(const struct invocation *inv, const char *name)
{
    size_t index;
    BUG_ON(!find_option(inv->command, str_from_cstr(name), &index));
    return inv->values[index];
}

bool invocation_has(const struct invocation *inv, const char *name)
{
    return invocation_option(inv, name) != NULL;
}

bool invocation_has_any(const struct invocation *inv)
{
    for (size_t i = 0; i < COMMAND_OPTIONS_MAX; i++) {
        if (inv->values[i])
            return true;
    }
    return false;
}

bool invocation_yes_no(struct invocation *inv, const char *name, bool *ret, struct err *err)
{
    const char *value = invocation_option(inv, name);
    if (!value)
        return true;
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return usage_error(inv, err, "%s must be yes or no", name);
    *ret = strcmp(value, "yes") == 0;
    return true;
}

/* `deploy/local/up` keeps its configuration here. */
static const char *personal_config(struct arena *arena)
{
    const char *home = getenv("HOME");
    if (!home)
        return NULL;
    struct str path = arena_printf(arena, "%s/.local/share/mailrail/mailrail.conf", home);
    return path.ptr && access(path.ptr, F_OK) == 0 ? path.ptr : NULL;
}

void invocation_find_config(struct invocation *inv)
{
    if (!inv->config_path)
        inv->config_path = personal_config(&inv->arena);
}

bool invocation_read_settings(struct invocation *inv, struct err *err)
{
    const struct option_group group = settings_group(&inv->settings);
    invocation_find_config(inv);
    return options_read(inv->config_path, &group, 1, &inv->arena, NULL, err);
}
