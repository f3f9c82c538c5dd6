#ifndef COMMON_SERVICE_SETTINGS_H
#define COMMON_SERVICE_SETTINGS_H

#include "common/service/option.h"

/*
 * Options that every service shares: the top level of mailrail.conf.
 */

struct settings {
    struct str hostname; /* A-label form: greetings, Received, Message-ID */
    struct str data;     /* directory: accounts/ directory.db queue.db queue/ spool/ tls/ */
    struct str run;      /* directory of sockets */
    struct str log_level;
    struct str_list log_levels; /* "imap=debug" */
    struct str bus;             /* URL with %s for the door: "ipc:///run/mailrail/%s.sock" */
    struct str_list bus_doors;  /* overrides for single doors: "delivery=tcp://store:7001" */
    struct str bus_listen;      /* host that doors at tcp:// are opened at; empty: the URL's */
    struct str bus_ca;          /* PEM files for doors at "tls+tcp://" (common/service/door.h); */
    struct str bus_certificate; /* %s is the name of the service */
    struct str bus_key;
    struct str tls_certificate; /* PEM chain; empty: no TLS */
    struct str tls_key;
    uint64_t drain_ms; /* how long a stopping service waits for its clients */
    bool pedantic;     /* protocol violations become errors */
    bool localserve;   /* a laptop: loopback only, unknown sender domains are fine */
};

/* The group of the top level: options, and what they cannot say (host name, lengths of paths,
 * URLs). Fills `settings`. */
struct option_group settings_group(struct settings *settings);

/* The URL of a door ("delivery", "events", "dns", ...), in arena. The default of `bus` is an ipc
 * socket in `run`. */
const char *settings_door_url(const struct settings *settings, const char *door,
                              struct arena *arena);

#endif
