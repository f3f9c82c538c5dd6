#ifndef SERVICES_MAILRAIL_MAIL_SHOW_H
#define SERVICES_MAILRAIL_MAIL_SHOW_H

#include "common/base/arena.h"

/* Prints what the parser makes of a message: fields of its header, and a line for each part; as
 * JSON the parts alone. The arena has room for any structure (common/mail/structure.h). */
void mail_show(struct str text, bool as_json, struct arena *arena);

#endif
