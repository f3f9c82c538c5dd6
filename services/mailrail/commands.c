#include "services/mailrail/commands.h"

const struct command_group command_groups[] = {
    {"Running Mailrail", system_commands},          {"Domains", domain_commands},
    {"Accounts and passwords", account_commands},   {"Addresses", address_commands},
    {"The queue of outgoing mail", queue_commands}, {"Configuration", config_commands},
    {"Certificates", certificate_commands},         {"DNS", dns_commands},
    {"Following a message", trace_commands},
};
const size_t command_group_count = ARRAY_LEN(command_groups);
