#ifndef SERVICES_MAILRAIL_OFFLINE_H
#define SERVICES_MAILRAIL_OFFLINE_H

#include "common/service/settings.h"

/*
 * Another store beside the running one, on a data directory that nobody uses, such as a backup: its
 * program is started for as long as a command needs it, and its doors are asked as always.
 *
 *     struct offline *other;
 *     if (!offline_open("/backup/monday", &arena, &other, err)) ...
 *     struct backend b = {offline_settings(other), &arena};
 *     ...
 *     offline_close(other);
 */

struct offline;

/* ERR_NOT_FOUND when that is no data directory, ERR_STATE when its store does not start: in use by
 * another one, or damaged, which it says on standard error; or a backup that was cut off. */
bool offline_open(const char *data, struct offline **ret, struct err *err) MUST_USE;
/* Accepts NULL. */
void offline_close(struct offline *o);
const struct settings *offline_settings(const struct offline *o);

#endif
