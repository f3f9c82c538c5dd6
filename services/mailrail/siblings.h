#ifndef SERVICES_MAILRAIL_SIBLINGS_H
#define SERVICES_MAILRAIL_SIBLINGS_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/service/option.h"

/*
 * The services' programs, which lie beside this one: `mailrail-imap`, `mailrail-store`, ...
 */

/* The directory of this program, in arena. */
bool siblings_directory(struct arena *arena, struct str *ret, struct err *err) MUST_USE;
/* The names of the services there ("imap", "store", ...), sorted. */
bool siblings_list(struct arena *arena, struct str_list *ret, struct err *err) MUST_USE;
/* Runs `mailrail-SERVICE ARGUMENT [--config FILE]` to its end. Its standard output is appended to
 * `out`; its standard error is ours. */
bool siblings_ask(struct arena *arena, struct str service, const char *argument,
                  const char *config_path, struct buf *out, int *ret_status,
                  struct err *err) MUST_USE;

#endif
