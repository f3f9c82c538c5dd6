#ifndef SERVICES_MAILRAIL_COMMANDS_H
#define SERVICES_MAILRAIL_COMMANDS_H

#include "services/mailrail/command.h"

/*
 * The groups of commands, each in the file of its name, ended by a row without name.
 */

extern const struct command account_commands[];
extern const struct command address_commands[];
extern const struct command bus_commands[];
extern const struct command certificate_commands[];
extern const struct command config_commands[];
extern const struct command dns_commands[];
extern const struct command domain_commands[];
extern const struct command maintenance_commands[];
extern const struct command message_commands[];
extern const struct command queue_commands[];
extern const struct command setup_commands[];
extern const struct command system_commands[];
extern const struct command tlspubkey_commands[];
extern const struct command trace_commands[];
extern const struct command transfer_commands[];

#endif
