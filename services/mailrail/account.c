#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/prompt.h"
#include "services/mailrail/table.h"

#include <stdio.h>

static const struct command_option add_options[] = {
    {"--address", "ADDRESS", "its first address; must be given"},
    {"--description", "TEXT", "for people"},
    {"--quota", "BYTES", "most that it may keep; 0: the server's default, -1: no limit"},
    {"--outgoing-per-day", "NUMBER", "most messages it may send a day (default 1000)"},
    {"--new-recipients-per-day", "NUMBER", "most of them to new recipients (default 200)"},
    {"--password-stdin", NULL, "read the password from standard input"},
    {NULL, NULL, NULL},
};
static const struct command_option list_options[] = {OPTION_JSON, {NULL, NULL, NULL}};
static const struct command_option remove_options[] = {
    {"--yes", NULL, "do not ask"},
    {NULL, NULL, NULL},
};

static bool parse_quota(const struct invocation *inv, int64_t *ret, struct err *err)
{
    uint64_t bytes;
    struct str text = invocation_text(inv, "--quota");
    if (str_is_null(text))
        return true;
    if (str_eq(text, STR("-1")))
        *ret = -1;
    else if (str_to_u64(text, INT64_MAX, &bytes))
        *ret = (int64_t)bytes;
    else
        return err_set(err, ERR_SYNTAX, "--quota must be a number of bytes, or -1");
    return true;
}

/* A limit that was given as an option; 0, the default, when it was not. */
static bool parse_limit(const struct invocation *inv, const char *option, uint64_t *ret,
                        struct err *err)
{
    struct str text = invocation_text(inv, option);
    return str_is_null(text) || str_to_u64(text, UINT32_MAX, ret) ||
           err_set(err, ERR_SYNTAX, "%s must be a number up to %u", option, UINT32_MAX);
}

static bool add(struct invocation *inv, struct err *err)
{
    struct account_entry account = {.name = invocation_arg(inv, 0),
                                    .description = invocation_text(inv, "--description")};
    struct str address = invocation_text(inv, "--address");
    struct str password = STR_NULL;
    struct backend b;
    if (str_is_null(address))
        return err_set(err, ERR_SYNTAX, "needs --address, the account's first address");
    TRY(parse_quota(inv, &account.quota_bytes, err));
    TRY(parse_limit(inv, "--outgoing-per-day", &account.outgoing_per_day, err));
    TRY(parse_limit(inv, "--new-recipients-per-day", &account.new_recipients_per_day, err));
    if (invocation_has(inv, "--password-stdin"))
        TRY(prompt_password(&inv->arena, &password, err));
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_account_add(&b, &account, address, password, err));
    if (str_is_null(password))
        fprintf(stderr, "Nobody can log in yet: mailrail password set %s\n", inv->args[0]);
    return true;
}

static bool list(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"name", COLUMN_TEXT},           {"id", COLUMN_NUMBER},
        {"used_bytes", COLUMN_NUMBER},   {"quota_bytes", COLUMN_TEXT},
        {"login_disabled", COLUMN_TEXT}, {"description", COLUMN_TEXT},
    };
    struct backend b;
    struct account_list found;
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_account_list(&b, &found, err));
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    for (size_t i = 0; i < found.len; i++) {
        const struct account_entry *account = &found.items[i];
        table_text(&table, account->name);
        table_number(&table, account->id);
        table_number(&table, account->used_bytes);
        table_text(&table,
                   account->quota_bytes < 0 ? STR("none")
                   : account->quota_bytes == 0
                       ? STR("default")
                       : arena_printf(&inv->arena, "%lld", (long long)account->quota_bytes));
        table_text(&table, account->login_disabled);
        table_text(&table, account->description);
    }
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    return true;
}

static bool remove_account(struct invocation *inv, struct err *err)
{
    char question[256];
    struct backend b;
    snprintf(question, sizeof(question), "Remove the account %s, its addresses and all its mail?",
             inv->args[0]);
    if (!invocation_has(inv, "--yes"))
        TRY(prompt_confirm(question, err));
    return invocation_backend(inv, &b, err) &&
           backend_account_remove(&b, invocation_arg(inv, 0), err);
}

static bool set_password(struct invocation *inv, struct err *err)
{
    struct str password;
    struct backend b;
    TRY(invocation_read_settings(inv, err));
    TRY(prompt_password(&inv->arena, &password, err));
    return invocation_backend(inv, &b, err) &&
           backend_password_set(&b, invocation_arg(inv, 0), password, err);
}

const struct command account_commands[] = {
    {
        .name = "account add",
        .arguments = "ACCOUNT",
        .summary = "add an account with its first address",
        .manual = "Adds ACCOUNT (letters, digits, \".\", \"-\", \"_\"): mailboxes, a login, and\n"
                  "the address named by --address, whose domain must exist. Users log in with any\n"
                  "of its addresses.\n"
                  "\n"
                  "A password is never an argument, where every user of the machine could see it:\n"
                  "set it with `mailrail password set`, or give it by --password-stdin.",
        .examples = "mailrail account add ann --address ann@example.org\n"
                    "mailrail account add ann --address ann@example.org --password-stdin <file",
        .options = add_options,
        .args_min = 1,
        .args_max = 1,
        .run = add,
    },
    {
        .name = "account list",
        .arguments = "",
        .summary = "list accounts with what they use",
        .manual = "Lists all accounts. LOGIN DISABLED says why an account may not log in.",
        .options = list_options,
        .run = list,
    },
    {
        .name = "account remove",
        .arguments = "ACCOUNT",
        .summary = "remove an account and all its mail",
        .manual = "Removes ACCOUNT, its addresses, mailboxes and messages for good. Asks before,\n"
                  "unless --yes is given.",
        .options = remove_options,
        .args_min = 1,
        .args_max = 1,
        .run = remove_account,
    },
    {
        .name = "password set",
        .arguments = "ACCOUNT",
        .summary = "set the password of an account",
        .manual =
            "Asks for the new password twice, without showing it. When standard input is not\n"
            "a terminal, its first line is the password. At least 8 and at most 511 bytes.",
        .examples = "mailrail password set ann\n"
                    "pwgen -s 20 1 | tee ann.txt | mailrail password set ann",
        .args_min = 1,
        .args_max = 1,
        .run = set_password,
    },
    {.name = NULL},
};
