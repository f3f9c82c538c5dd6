#ifndef SERVICES_IMAP_SERVER_H
#define SERVICES_IMAP_SERVER_H

#include "common/service/settings.h"
#include "common/sys/metrics.h"
#include "services/imap/config.h"
#include "services/imap/registry.h"

struct admission;

/* What all sessions share. Read-only once they run, but for what guards itself. */
struct imap_server {
    const struct settings *settings;
    const struct imap_config *config;
    struct backend *backend;
    struct registry *registry;
    struct admission *admission; /* NULL: everybody may connect */
    struct metric_family *commands;
};

#endif
