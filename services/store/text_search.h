#ifndef SERVICES_STORE_TEXT_SEARCH_H
#define SERVICES_STORE_TEXT_SEARCH_H

#include "proto/mailboxes.pb-c.h"
#include "services/store/account.h"

/*
 * The call SearchText: needles as they come, what the text index knows of them, and runs of ids as
 * they go.
 */

#define TEXT_NEEDLES_MAX 64

bool text_search(struct account *account, const Mailrail__SearchTextRequest *request,
                 struct arena *arena, Mailrail__SearchTextReply *reply, struct err *err) MUST_USE;

#endif
