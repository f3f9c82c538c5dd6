#ifndef SERVICES_MAILRAIL_PROMPT_H
#define SERVICES_MAILRAIL_PROMPT_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Asking the person at the terminal.
 */

/* A password: asked for twice without echo when standard input is a terminal, else its first line.
 * In arena, which is wiped at the end. */
bool prompt_password(struct arena *arena, struct str *ret_password, struct err *err) MUST_USE;
/* Asks, and succeeds when the answer is "yes"; ERR_STATE when it is not, or nobody can be asked. */
bool prompt_confirm(const char *question, struct err *err) MUST_USE;

#endif
