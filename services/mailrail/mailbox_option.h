#ifndef SERVICES_MAILRAIL_MAILBOX_OPTION_H
#define SERVICES_MAILRAIL_MAILBOX_OPTION_H

#include "services/mailrail/connect.h"

/* The value of --mailbox as store writes it: "inbox" in any case is "Inbox", and so is a level
 * above others. In the invocation's arena, or as it was given; STR_NULL when it was not. */
struct str mailbox_option(struct invocation *inv);

#endif
