#ifndef COMMON_SERVICE_ARGUMENTS_H
#define COMMON_SERVICE_ARGUMENTS_H

#include "common/base/err.h"

/*
 * The command line of a service; see service.h for what the arguments mean.
 */

enum service_action {
    SERVICE_RUN,
    SERVICE_CHECK_CONFIG,
    SERVICE_PRINT_CONFIG,
    SERVICE_DESCRIBE_CONFIG,
    SERVICE_HEALTH,
    SERVICE_VERSION,
    SERVICE_HELP,
};

struct arguments {
    enum service_action action;
    const char *config_path; /* NULL: environment and defaults only */
};

bool arguments_parse(int argc, char **argv, struct arguments *ret, struct err *err) MUST_USE;
/* The configuration file when none is named: $MAILRAIL_CONFIG, else /etc/mailrail/mailrail.conf if
 * it exists, else NULL. */
const char *arguments_default_config(void);
void arguments_print_help(const char *name, const char *summary);

#endif
