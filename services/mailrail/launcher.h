#ifndef SERVICES_MAILRAIL_LAUNCHER_H
#define SERVICES_MAILRAIL_LAUNCHER_H

#include "common/service/service.h"

/*
 * The launcher: all services as child processes, for one host without containers.
 *
 * It is a service itself, with options in the group `launcher`, health (ready when all children
 * are), metrics and draining; `mailrail run` hands it to service_main. What starts and stops in
 * which order:
 *
 *   start   everything at once: services wait for each other
 *   drain   first the doors and the deliverer, then what they need (store, dns-resolver)
 *
 * `<run>/mailrail.pid` names the launcher and is locked by it and by its children. When a launcher
 * was killed, the next one thereby waits for the orphans, which drain, before it starts anew.
 *
 * The configuration was checked before. A child that ends before it was ever ready, because a port
 * or a directory is wrong, ends the launcher: the child's error line says what.
 */

extern const struct service_definition launcher_definition;

/* Options of group `launcher`. */
struct launcher_config {
    struct str_list services;
    uint64_t grace_ms;
    uint64_t restart_pause_max_ms;
};

/* Blocks the signals that the launcher waits for; called before service_main makes threads. */
void launcher_block_signals(void);

#endif
