#ifndef SERVICES_STORE_RECOVER_H
#define SERVICES_STORE_RECOVER_H

#include "services/store/account.h"

/*
 * What an account does when it is opened, before anybody uses it (spec 20 1.1): loads what it keeps
 * in memory, removes message files that an earlier process linked but never committed, and makes
 * sure that no message id is handed out whose file exists.
 */
bool recover_account(struct account *account, struct err *err) MUST_USE;

#endif
