#include "common/service/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define USUAL_CONFIG "/etc/mailrail/mailrail.conf"

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, SERVICE_CHECK_CONFIG},
    {"print-config", no_argument, NULL, SERVICE_PRINT_CONFIG},
    {"describe-config", no_argument, NULL, SERVICE_DESCRIBE_CONFIG},
    {"health", no_argument, NULL, SERVICE_HEALTH},
    {"version", no_argument, NULL, SERVICE_VERSION},
    {"help", no_argument, NULL, SERVICE_HELP},
    {NULL, 0, NULL, 0},
};

const char *arguments_default_config(void)
{
    const char *path = getenv("MAILRAIL_CONFIG");
    if (path && path[0] != '\0')
        return path;
    return access(USUAL_CONFIG, F_OK) == 0 ? USUAL_CONFIG : NULL;
}

bool arguments_parse(int argc, char **argv, struct arguments *ret, struct err *err)
{
    struct arguments arguments = {SERVICE_RUN, arguments_default_config()};
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        if (found == ':')
            return err_set(err, ERR_SYNTAX, "%s needs a value; try --help", argv[optind - 1]);
        if (found == '?')
            return err_set(err, ERR_SYNTAX, "unknown option %s; try --help", argv[optind - 1]);
        if (found == 'c')
            arguments.config_path = optarg;
        else
            arguments.action = (enum service_action)found;
    }
    if (optind < argc)
        return err_set(err, ERR_SYNTAX, "unexpected \"%s\"; try --help", argv[optind]);
    *ret = arguments;
    return true;
}

void arguments_print_help(const char *name, const char *summary)
{
    printf(
        "mailrail-%s: %s\n\n"
        "usage: mailrail-%s [--config FILE] [ACTION]\n\n"
        "  --config FILE      configuration (default: $MAILRAIL_CONFIG, else\n"
        "                     " USUAL_CONFIG " when there is one)\n"
        "  --check-config     read the configuration and list all errors in it\n"
        "  --print-config     print the effective configuration, with comments\n"
        "  --describe-config  print this service's options as Markdown\n"
        "  --health           ask the running service: exit status 0 when it is ready\n"
        "  --version          print the version\n"
        "  --help             print this\n\n"
        "Without an action it serves until SIGTERM. SIGHUP reloads certificates.\n"
        "Exit status: 0 after draining, 1 after a failure, 2 for wrong usage or configuration.\n",
        name, summary, name);
}
