#ifndef SERVICES_MAILRAIL_MAIL_TEXT_H
#define SERVICES_MAILRAIL_MAIL_TEXT_H

#include "common/base/err.h"
#include "common/base/str.h"

/* Where the text of a message goes, piece by piece. */
typedef bool mail_text_sink(void *ctx, struct str bytes, struct err *err);

/* Reads a message from a file, or for "-" from standard input. Lines end in CRLF at the sink, the
 * last one too. ERR_SYNTAX when there is nothing. */
bool mail_text_read(const char *path, mail_text_sink *sink, void *ctx, struct err *err) MUST_USE;

#endif
