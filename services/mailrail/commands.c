#include "services/mailrail/commands.h"

const struct command_group command_groups[] = {
    {"Running Mailrail", system_commands},
    {"A new system", setup_commands},
    {"Domains", domain_commands},
    {"Accounts and passwords", account_commands},
    {"TLS client certificates", tlspubkey_commands},
    {"Addresses", address_commands},
    {"Import and export", transfer_commands},
    {"Looking after what is stored", maintenance_commands},
    {"The queue of outgoing mail", queue_commands},
    {"Configuration", config_commands},
    {"Certificates", certificate_commands},
    {"The bus", bus_commands},
    {"DNS", dns_commands},
    {"Single messages", message_commands},
    {"Following a message", trace_commands},
};
const size_t command_group_count = ARRAY_LEN(command_groups);
