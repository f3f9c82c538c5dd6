#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/table.h"

static const struct command_option add_options[] = {
    {"--mailbox", "NAME", "deliver to this mailbox (default Inbox)"},
    {"--refuse", "421|550", "refuse mail for it, for now or for good"},
    {"--text", "TEXT", "what the sender is told by --refuse"},
    {NULL, NULL, NULL},
};
static const struct command_option list_options[] = {
    {"--account", "NAME", "only those of the account"},
    {"--domain", "NAME", "only those of the domain"},
    OPTION_JSON,
    {NULL, NULL, NULL},
};

static bool add(struct invocation *inv, struct err *err)
{
    struct directory_address address = {
        .address = invocation_arg(inv, 0),
        .account = invocation_arg(inv, 1),
        .mailbox = invocation_text(inv, "--mailbox"),
        .error_text = invocation_text(inv, "--text"),
    };
    struct str code = invocation_text(inv, "--refuse");
    struct backend b;
    if (!str_is_null(code) && !str_eq(code, STR("421")) && !str_eq(code, STR("550")))
        return usage_error(inv, err, "--refuse must be 421 or 550");
    if (!str_is_null(code))
        address.error_code = str_eq(code, STR("421")) ? 421 : 550;
    return invocation_backend(inv, &b, err) && backend_address_add(&b, &address, err);
}

static bool list(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"address", COLUMN_TEXT}, {"account", COLUMN_TEXT}, {"mailbox", COLUMN_TEXT},
        {"refuse", COLUMN_TEXT},  {"text", COLUMN_TEXT},
    };
    struct backend b;
    struct directory_address_list found;
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_address_list(&b, invocation_text(inv, "--account"),
                             invocation_text(inv, "--domain"), &found, err));
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    for (size_t i = 0; i < found.len; i++) {
        const struct directory_address *address = &found.items[i];
        table_text(&table, address->address);
        table_text(&table, address->account);
        table_text(&table, str_is_empty(address->mailbox) ? STR("Inbox") : address->mailbox);
        table_text(&table, address->error_code == 0     ? STR("")
                           : address->error_code == 421 ? STR("421")
                                                        : STR("550"));
        table_text(&table, address->error_text);
    }
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    return true;
}

static bool remove_address(struct invocation *inv, struct err *err)
{
    struct backend b;
    return invocation_backend(inv, &b, err) &&
           backend_address_remove(&b, invocation_arg(inv, 0), err);
}

const struct command address_commands[] = {
    {
        .name = "address add",
        .arguments = "ADDRESS ACCOUNT",
        .summary = "deliver mail for an address to an account",
        .manual = "Adds ADDRESS, whose domain must exist, to ACCOUNT. \"@example.org\" is the\n"
                  "catch-all: every local part that is not an address of its own.\n"
                  "\n"
                  "With --refuse, mail for the address is refused with that SMTP code: an address\n"
                  "that was given up, or that a catch-all shall not take.",
        .examples = "mailrail address add sales@example.org ann --mailbox Sales\n"
                    "mailrail address add @example.org ann\n"
                    "mailrail address add old@example.org ann --refuse 550 --text \"I moved\"",
        .options = add_options,
        .args_min = 2,
        .args_max = 2,
        .run = add,
    },
    {
        .name = "address list",
        .arguments = "",
        .summary = "list addresses",
        .manual = "Lists addresses, all or those of an account or a domain.",
        .examples = "mailrail address list\n"
                    "mailrail address list --account ann\n"
                    "mailrail address list --domain example.org",
        .options = list_options,
        .run = list,
    },
    {
        .name = "address remove",
        .arguments = "ADDRESS",
        .summary = "remove an address",
        .manual = "Removes ADDRESS. Mail for it is refused from now on; what was delivered stays.",
        .examples = "mailrail address remove old@example.org",
        .args_min = 1,
        .args_max = 1,
        .run = remove_address,
    },
    {.name = NULL},
};
