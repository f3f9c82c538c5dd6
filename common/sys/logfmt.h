#ifndef COMMON_SYS_LOGFMT_H
#define COMMON_SYS_LOGFMT_H

#include "common/base/buf.h"

/*
 * Writing logfmt: `key=value` pairs on one line, whatever the values hold.
 *
 *     logfmt_pair(&line, "user", STR("a b"));         // user="a b"
 *
 * A value is quoted when it is empty or holds space, quote, backslash, "=", control or non-ASCII
 * bytes. Inside quotes, quote and backslash get a backslash, line ends and tabs become \n \r \t,
 * other control bytes \xNN; non-ASCII bytes stay when the value is UTF-8, else they are \xNN too.
 */

/* Appends a space (unless the buffer is empty), key, "=" and value, which is cut to `value_max`
 * bytes with "..." after it. */
void logfmt_pair_max(struct buf *out, const char *key, struct str value, size_t value_max);
/* The same with a maximum of 2 KiB, enough for what is not a message. */
void logfmt_pair(struct buf *out, const char *key, struct str value);

#endif
