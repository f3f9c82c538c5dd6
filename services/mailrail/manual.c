#include "common/base/version.h"
#include "services/mailrail/command.h"

#include <stdio.h>

void manual_print_overview(void)
{
    printf("%s: a complete mail system\n\n"
           "usage: mailrail COMMAND [OPTIONS] [ARGUMENTS]\n",
           MAILRAIL_PRODUCT);
    for (size_t i = 0; i < command_group_count; i++) {
        printf("\n%s\n", command_groups[i].title);
        for (const struct command *c = command_groups[i].commands; c->name; c++)
            printf("  %-26s %s\n", c->name, c->summary);
    }
    printf("\n`mailrail COMMAND --help` is the manual page of a command.\n");
}

/* Text whose lines are put behind four columns. */
static void print_indented(const char *text)
{
    struct str line, rest = str_from_cstr(text);
    while (!str_is_empty(rest)) {
        str_cut(rest, '\n', &line, &rest);
        if (line.len > 0)
            printf("    %.*s\n", STR_ARG(line));
        else
            printf("\n");
    }
}

static void print_option(const struct command_option *option)
{
    char left[64];
    snprintf(left, sizeof(left), option->value ? "%s %s" : "%s", option->name, option->value);
    printf("    %-28s %s\n", left, option->help);
}

void manual_print_command(const struct command *command)
{
    printf("NAME\n    mailrail %s - %s\n\n", command->name, command->summary);
    printf("SYNOPSIS\n    mailrail %s [OPTIONS]%s%s\n\n", command->name,
           command->arguments[0] != '\0' ? " " : "", command->arguments);
    printf("DESCRIPTION\n");
    print_indented(command->manual);
    printf("\nOPTIONS\n");
    for (const struct command_option *o = command->options; o && o->name; o++)
        print_option(o);
    print_option(&(struct command_option){"--config", "FILE", "the configuration, see FILES"});
    print_option(&(struct command_option){"--help", NULL, "print this page"});
    if (command->examples) {
        printf("\nEXAMPLES\n");
        print_indented(command->examples);
    }
    printf("\nFILES\n"
           "    The configuration is $MAILRAIL_CONFIG, /etc/mailrail/mailrail.conf or\n"
           "    ~/.local/share/mailrail/mailrail.conf, the first that exists.\n"
           "\nEXIT STATUS\n"
           "    0 when it was done, 1 after a failure, 2 for wrong usage.\n");
}
