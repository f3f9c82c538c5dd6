#include "services/mailrail/commas.h"
#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/table.h"

static const struct command_option setting_options[] = {
    {"--description", "TEXT", "for people"},
    {"--disabled", "yes|no", "refuse mail for the domain"},
    {"--case-sensitive", "yes|no", "local parts differ by case (default no)"},
    {"--separators", "LIST", "as \"+\" or \"+,-\": user+anything@ is user@; \"\" for none"},
    {"--accept-any", "yes|no", "deliver unknown local parts to --any-account"},
    {"--any-account", "ACCOUNT", "see --accept-any"},
    {NULL, NULL, NULL},
};
static const struct command_option list_options[] = {OPTION_JSON, {NULL, NULL, NULL}};

static bool apply_options(struct invocation *inv, struct domain_entry *domain, struct err *err)
{
    TRY(invocation_yes_no(inv, "--disabled", &domain->disabled, err));
    TRY(invocation_yes_no(inv, "--case-sensitive", &domain->case_sensitive, err));
    TRY(invocation_yes_no(inv, "--accept-any", &domain->accept_any, err));
    if (invocation_has(inv, "--description"))
        domain->description = invocation_text(inv, "--description");
    if (invocation_has(inv, "--any-account"))
        domain->any_account = invocation_text(inv, "--any-account");
    if (invocation_has(inv, "--separators"))
        domain->separators = commas_split(invocation_text(inv, "--separators"), &inv->arena);
    return true;
}

static bool add(struct invocation *inv, struct err *err)
{
    struct backend b;
    struct domain_entry domain = {.name = invocation_arg(inv, 0),
                                  .separators = commas_split(STR("+"), &inv->arena)};
    TRY(apply_options(inv, &domain, err));
    return invocation_backend(inv, &b, err) && backend_domain_add(&b, &domain, err);
}

static bool set(struct invocation *inv, struct err *err)
{
    struct backend b;
    struct domain_list list;
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_domain_list(&b, &list, err));
    for (size_t i = 0; i < list.len; i++) {
        if (str_eq_nocase(list.items[i].name, invocation_arg(inv, 0)))
            return apply_options(inv, &list.items[i], err) &&
                   backend_domain_set(&b, &list.items[i], err);
    }
    return err_set(err, ERR_NOT_FOUND, "no domain %s", inv->args[0]);
}

static bool remove_domain(struct invocation *inv, struct err *err)
{
    struct backend b;
    return invocation_backend(inv, &b, err) &&
           backend_domain_remove(&b, invocation_arg(inv, 0), err);
}

static bool list(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"name", COLUMN_TEXT},       {"disabled", COLUMN_BOOL},    {"case_sensitive", COLUMN_BOOL},
        {"separators", COLUMN_TEXT}, {"any_account", COLUMN_TEXT}, {"description", COLUMN_TEXT},
    };
    struct backend b;
    struct domain_list found;
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_domain_list(&b, &found, err));
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    for (size_t i = 0; i < found.len; i++) {
        const struct domain_entry *domain = &found.items[i];
        table_text(&table, domain->name);
        table_bool(&table, domain->disabled);
        table_bool(&table, domain->case_sensitive);
        table_text(&table, commas_join(&domain->separators, &inv->arena));
        table_text(&table, domain->accept_any ? domain->any_account : STR(""));
        table_text(&table, domain->description);
    }
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    return true;
}

const struct command domain_commands[] = {
    {
        .name = "domain add",
        .arguments = "DOMAIN",
        .summary = "add a domain that mail is received for",
        .manual = "Adds DOMAIN, in Unicode or A-label form. Mail for it is accepted as soon as it\n"
                  "has addresses, see `mailrail address add`; nothing needs a restart. The MX\n"
                  "record of the domain must point to this host.\n"
                  "\n"
                  "Addresses of the domain may carry a tag behind a separator (default \"+\"):\n"
                  "me+lists@example.org is delivered to me@example.org.",
        .examples = "mailrail domain add example.org\n"
                    "mailrail domain add localhost --accept-any yes --any-account me",
        .options = setting_options,
        .args_min = 1,
        .args_max = 1,
        .run = add,
    },
    {
        .name = "domain list",
        .arguments = "",
        .summary = "list domains and their settings",
        .manual = "Lists all domains. ANY ACCOUNT is the account that gets mail for unknown local\n"
                  "parts, when the domain accepts any.",
        .examples = "mailrail domain list",
        .options = list_options,
        .run = list,
    },
    {
        .name = "domain set",
        .arguments = "DOMAIN",
        .summary = "change settings of a domain",
        .manual = "Changes the settings that are given as options, and leaves the others.",
        .examples = "mailrail domain set example.org --separators +,- --disabled no",
        .options = setting_options,
        .args_min = 1,
        .args_max = 1,
        .run = set,
    },
    {
        .name = "domain remove",
        .arguments = "DOMAIN",
        .summary = "remove a domain without addresses",
        .manual =
            "Removes DOMAIN. Remove its addresses first: as long as it has some, this fails.\n"
            "Accounts and their mail stay.",
        .examples = "mailrail domain remove example.org",
        .args_min = 1,
        .args_max = 1,
        .run = remove_domain,
    },
    {.name = NULL},
};
