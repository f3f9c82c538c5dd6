#ifndef SERVICES_MAILRAIL_LEVEL_NAME_H
#define SERVICES_MAILRAIL_LEVEL_NAME_H

#include "common/base/arena.h"

/*
 * Levels of mailbox names that are no good as names of directories: written as folders of a
 * Maildir++ are, in modified UTF-7 behind a dot. There a dot parts levels, so that one in a level
 * is in base64, as Courier has it.
 *
 *     .hidden      .&AC4-hidden
 *     cur          .cur
 *     .Old.2019    is Old/2019, the other way
 */

/* In arena; STR_NULL when that is full. */
struct str level_name_escape(struct str level, struct arena *arena);
/* The mailbox, or levels of it, of a directory whose name starts with a dot. What is no modified
 * UTF-7 is taken as it is. In arena; STR_NULL when that is full. */
struct str level_name_of_folder(struct str name, struct arena *arena);
/* Has an escaped dot: none of the directories that programs hide. */
bool level_name_has_dot(struct str name);

#endif
