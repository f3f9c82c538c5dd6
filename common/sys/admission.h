#ifndef COMMON_SYS_ADMISSION_H
#define COMMON_SYS_ADMISSION_H

#include "common/base/str.h"

/*
 * Who may connect (spec 10 A2): limits by address, for the address itself and two networks around
 * it. Connections in a minute, open connections, and failed logins in a minute and a day.
 *
 * Kept in memory. Thread-safe. A NULL admission lets everybody in.
 */

struct admission;

struct admission *admission_new(void);
void admission_free(struct admission *a);

/* NULL: the connection may go on, and admission_leave is due when it ends. Otherwise why not;
 * nothing is counted then. `logins` also looks at failed ones. */
const char *admission_enter(struct admission *a, const char *ip, bool logins);
void admission_leave(struct admission *a, const char *ip);

/* At whatever door: one that its exchange's judge, store, tells everybody of (proto/events.proto).
 * A success forgives the address. */
void admission_login_ended(struct admission *a, const char *ip, bool succeeded);

#endif
