#include "common/mail/imap_capability.h"
#include "services/mailrail/commas.h"
#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/prompt.h"
#include "services/mailrail/table.h"

#include <stdio.h>

/* clang-format off */
#define OPTIONS_OF_SETTINGS                                                                        \
    {"--description", "TEXT", "for people"},                                                       \
    {"--quota", "BYTES", "most that it may keep; 0: the server's default, -1: no limit"},          \
    {"--outgoing-per-day", "N", "most recipients in 24 hours; 0: the default, 1000"},              \
    {"--new-recipients-per-day", "N", "of these, never written to before; 0: the default, 200"},   \
    {"--login-disabled", "TEXT", "refuse logins, with this reason; \"\": allow them"},             \
    {"--capabilities-disabled", "LIST", "IMAP capabilities to hide, as IDLE,MOVE; \"\": none"}
/* clang-format on */

static const struct command_option add_options[] = {
    {"--address", "ADDRESS", "its first address; must be given"},
    OPTIONS_OF_SETTINGS,
    {"--password-stdin", NULL, "read the password from standard input"},
    {NULL, NULL, NULL},
};
static const struct command_option set_options[] = {OPTIONS_OF_SETTINGS, {NULL, NULL, NULL}};
static const struct command_option list_options[] = {OPTION_JSON, {NULL, NULL, NULL}};
static const struct command_option junk_options[] = {
    {"--junk", "REGEX", "mailboxes of junk; \"\": none"},
    {"--neutral", "REGEX", "mailboxes whose messages are neither; \"\": none"},
    {"--not-junk", "REGEX", "mailboxes of what is not junk; \"\": none"},
    OPTION_JSON,
    {NULL, NULL, NULL},
};
static const struct command_option password_options[] = {
    {"--password-stdin", NULL, "read it from standard input, as is done without a terminal anyway"},
    {NULL, NULL, NULL},
};
static const struct command_option remove_options[] = {
    {"--yes", NULL, "do not ask"},
    {NULL, NULL, NULL},
};

/* Both leave `*ret` alone when the option is not given. */
static bool parse_quota(struct invocation *inv, int64_t *ret, struct err *err)
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
        return usage_error(inv, err, "--quota must be a number of bytes, or -1");
    return true;
}

static bool parse_limit(struct invocation *inv, const char *option, uint64_t *ret, struct err *err)
{
    struct str text = invocation_text(inv, option);
    return str_is_null(text) || str_to_u64(text, UINT32_MAX, ret) ||
           usage_error(inv, err, "%s must be a number up to %u", option, UINT32_MAX);
}

static void explain_capabilities(void)
{
    fprintf(stderr, "Capabilities that can be hidden:");
    for (size_t i = 0; i < imap_capabilities_to_hide_count; i++)
        fprintf(stderr, "%s%.*s", i % 6 == 0 ? "\n  " : " ", STR_ARG(imap_capabilities_to_hide[i]));
    fputc('\n', stderr);
}

static bool parse_capabilities(struct invocation *inv, struct str_list *ret, struct err *err)
{
    struct str text = invocation_text(inv, "--capabilities-disabled");
    if (commas_have_empty(text))
        return usage_error(inv, err, "capability to hide: one of the names is empty");
    struct str_list names = commas_split(text, &inv->arena);
    for (size_t i = 0; i < names.len; i++) {
        if (imap_capability_can_be_hidden(names.items[i]))
            continue;
        explain_capabilities();
        return usage_error(inv, err, "capability to hide: \"%.*s\" is none that can be hidden",
                           STR_ARG(str_slice(names.items[i], 0, 64)));
    }
    *ret = names;
    return true;
}

/* Changes what is given, and leaves the rest. */
static bool apply_options(struct invocation *inv, struct account_entry *account, struct err *err)
{
    TRY(parse_quota(inv, &account->quota_bytes, err));
    TRY(parse_limit(inv, "--outgoing-per-day", &account->outgoing_per_day, err));
    TRY(parse_limit(inv, "--new-recipients-per-day", &account->new_recipients_per_day, err));
    if (invocation_has(inv, "--description"))
        account->description = invocation_text(inv, "--description");
    if (invocation_has(inv, "--login-disabled"))
        account->login_disabled = invocation_text(inv, "--login-disabled");
    if (invocation_has(inv, "--capabilities-disabled"))
        TRY(parse_capabilities(inv, &account->capabilities_disabled, err));
    return true;
}

static bool add(struct invocation *inv, struct err *err)
{
    struct account_entry account = {.name = invocation_arg(inv, 0)};
    struct str address = invocation_text(inv, "--address");
    struct str password = STR_NULL;
    struct backend b;
    if (str_is_null(address))
        return usage_error(inv, err, "needs --address, the account's first address");
    TRY(apply_options(inv, &account, err));
    if (invocation_has(inv, "--password-stdin"))
        TRY(prompt_password(&inv->arena, &password, err));
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_account_add(&b, &account, address, password, err));
    if (str_is_null(password))
        fprintf(stderr, "Nobody can log in yet: mailrail password set %s\n", inv->args[0]);
    return true;
}

static bool set(struct invocation *inv, struct err *err)
{
    struct backend b;
    struct account_entry account;
    if (!invocation_has_any(inv))
        return usage_error(inv, err, "needs an option that says what to set; try --help");
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_account_get(&b, invocation_arg(inv, 0), &account, err));
    return apply_options(inv, &account, err) && backend_account_set(&b, &account, err);
}

static struct str quota_text(int64_t quota, struct arena *arena)
{
    if (quota == 0)
        return STR("default");
    return quota < 0 ? STR("none") : arena_printf(arena, "%lld", (long long)quota);
}

static bool list(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"name", COLUMN_TEXT},
        {"id", COLUMN_NUMBER},
        {"used_bytes", COLUMN_NUMBER},
        {"quota_bytes", COLUMN_TEXT},
        {"outgoing_per_day", COLUMN_NUMBER},
        {"new_recipients_per_day", COLUMN_NUMBER},
        {"capabilities_disabled", COLUMN_TEXT},
        {"login_disabled", COLUMN_TEXT},
        {"description", COLUMN_TEXT},
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
        table_text(&table, quota_text(account->quota_bytes, &inv->arena));
        table_number(&table, account->outgoing_per_day);
        table_number(&table, account->new_recipients_per_day);
        table_text(&table, commas_join(&account->capabilities_disabled, &inv->arena));
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

static bool parse_action(struct invocation *inv, enum text_index_action *ret, struct err *err)
{
    static const struct str words[] = {[TEXT_INDEX_STATUS] = STR_INIT("status"),
                                       [TEXT_INDEX_ON] = STR_INIT("on"),
                                       [TEXT_INDEX_OFF] = STR_INIT("off"),
                                       [TEXT_INDEX_REBUILD] = STR_INIT("rebuild")};
    struct str word = inv->arg_count > 1 ? invocation_arg(inv, 1) : words[TEXT_INDEX_STATUS];
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        *ret = (enum text_index_action)i;
        if (str_eq(word, words[i]))
            return true;
    }
    return usage_error(inv, err, "%.*s: status, on, off or rebuild", STR_ARG(word));
}

static bool text_index(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"on", COLUMN_BOOL},         {"indexed", COLUMN_NUMBER}, {"unfit", COLUMN_NUMBER},
        {"messages", COLUMN_NUMBER}, {"bytes", COLUMN_NUMBER},
    };
    struct backend b;
    enum text_index_action action;
    struct text_index_state state;
    TRY(parse_action(inv, &action, err) && invocation_backend(inv, &b, err));
    TRY(backend_text_index(&b, invocation_arg(inv, 0), action, &state, err));
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    table_bool(&table, state.on);
    table_number(&table, state.indexed);
    table_number(&table, state.unfit);
    table_number(&table, state.messages);
    table_number(&table, state.bytes);
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    return true;
}

/* Changes what is given, and leaves the rest. */
static bool apply_junk_options(struct invocation *inv, struct junk_rules_entry *rules,
                               bool *ret_changed, struct err *err)
{
    struct str word = inv->arg_count > 1 ? invocation_arg(inv, 1) : STR_NULL;
    if (!str_is_null(word)) {
        rules->on = str_eq(word, STR("on"));
        if (!rules->on && !str_eq(word, STR("off")))
            return usage_error(inv, err, "%.*s: on or off", STR_ARG(word));
    }
    if (invocation_has(inv, "--junk"))
        rules->junk = invocation_text(inv, "--junk");
    if (invocation_has(inv, "--neutral"))
        rules->neutral = invocation_text(inv, "--neutral");
    if (invocation_has(inv, "--not-junk"))
        rules->not_junk = invocation_text(inv, "--not-junk");
    *ret_changed = !str_is_null(word) || invocation_has(inv, "--junk") ||
                   invocation_has(inv, "--neutral") || invocation_has(inv, "--not-junk");
    return true;
}

static bool junk_rules(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {{"on", COLUMN_BOOL},
                                            {"junk", COLUMN_TEXT},
                                            {"neutral", COLUMN_TEXT},
                                            {"not_junk", COLUMN_TEXT}};
    struct backend b;
    struct junk_rules_entry rules;
    bool changed;
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_junk_rules_get(&b, invocation_arg(inv, 0), &rules, err));
    TRY(apply_junk_options(inv, &rules, &changed, err));
    if (changed)
        TRY(backend_junk_rules_set(&b, invocation_arg(inv, 0), &rules, err));
    else if (!str_is_empty(rules.problem))
        fprintf(stderr, "None of these rules is followed: %.*s\n", STR_ARG(rules.problem));
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    table_bool(&table, rules.on);
    table_text(&table, rules.junk);
    table_text(&table, rules.neutral);
    table_text(&table, rules.not_junk);
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    return true;
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
        .summary = "list accounts, what they use and may",
        .manual = "Lists all accounts. LOGIN DISABLED says why an account may not log in;\n"
                  "`mailrail account set --help` explains the limits.",
        .examples = "mailrail account list\n"
                    "mailrail account list --json",
        .options = list_options,
        .run = list,
    },
    {
        .name = "account set",
        .arguments = "ACCOUNT",
        .summary = "change settings of an account",
        .manual =
            "Changes the settings that are given as options, and leaves the others.\n"
            "\n"
            "The quota and the limits of sending count from the next message on. Each\n"
            "recipient counts, those of the last 24 hours together; a message beyond a\n"
            "limit is refused with 451, and may be sent again later.\n"
            "\n"
            "--login-disabled refuses logins to submission and IMAP at once, with its text\n"
            "(at most 256 printable ASCII characters) to whoever knows the password. Mail\n"
            "for the account is still delivered. Sessions that stand end within a day;\n"
            "`mailrail password set` ends them at once.\n"
            "\n"
            "Capabilities are hidden, or shown again, from the next login on, each with what\n"
            "extends it, such as QRESYNC with CONDSTORE. IMAP4rev1 cannot be hidden, and\n"
            "IMAP4rev2 can. An unknown name is refused with the list of those there are.",
        .examples = "mailrail account set ann --outgoing-per-day 5000\n"
                    "mailrail account set ann --quota 2000000000 --description \"Ann, sales\"\n"
                    "mailrail account set ann --login-disabled \"call 100, your key was found\"\n"
                    "mailrail account set ann --login-disabled \"\"\n"
                    "mailrail account set ann --capabilities-disabled IDLE,MOVE",
        .options = set_options,
        .args_min = 1,
        .args_max = 1,
        .run = set,
    },
    {
        .name = "account remove",
        .arguments = "ACCOUNT",
        .summary = "remove an account and all its mail",
        .manual = "Removes ACCOUNT, its addresses, mailboxes and messages for good. Asks before,\n"
                  "unless --yes is given.",
        .examples = "mailrail backup /backup/last && mailrail account remove ann",
        .options = remove_options,
        .args_min = 1,
        .args_max = 1,
        .run = remove_account,
    },
    {
        .name = "account textindex",
        .arguments = "ACCOUNT [on|off|rebuild]",
        .summary = "show or switch the text index of an account",
        .manual =
            "Shows how far the text index of ACCOUNT is. It makes searching for words quick,\n"
            "and takes about a third of the room that the messages take; without it, searches\n"
            "find the same. It is kept up in the background, and is on for new accounts.\n"
            "\n"
            "off removes it, on makes it again, rebuild makes it anew. All return at once:\n"
            "INDEXED tells the progress. UNFIT are messages with so much text that searches\n"
            "read them always.",
        .examples = "mailrail account textindex ann\n"
                    "mailrail account textindex ann rebuild",
        .options = list_options,
        .args_min = 1,
        .args_max = 2,
        .run = text_index,
    },
    {
        .name = "account junkrules",
        .arguments = "ACCOUNT [on|off]",
        .summary = "show or set which mailboxes make messages junk",
        .manual =
            "Many mail programs cannot say that a message is junk, but all can move it. So\n"
            "each message that comes into a mailbox, by delivery, upload, copy or move, gets\n"
            "$Junk, $NotJunk or neither by the name of the mailbox. Those are regular\n"
            "expressions (PCRE2, at most 1000 bytes, without back references), tried on the\n"
            "whole name in lower case: first --junk, then --neutral, then --not-junk. With\n"
            "exactly two of them, a name that neither matches is the third; with one or three it\n"
            "leaves the flags as they are. One that takes too many steps on a name does not\n"
            "match it, and the flags stay as they are unless another does.\n"
            "\n"
            "What is not given stays as it is. Changes count from the next message on, and\n"
            "leave the messages there are alone. off leaves all flags as they are, but in the\n"
            "mailbox with the role \\Junk, which always says junk.\n"
            "\n"
            "New accounts have it on, with these, and no --not-junk:\n"
            "  --junk    ^(junk|spam)\n"
            "  --neutral ^(inbox|introbox|neutral|postmaster|dmarc|tlsrpt|rejects)",
        .examples = "mailrail account junkrules ann\n"
                    "mailrail account junkrules ann --junk '^(junk|spam|reklame)'\n"
                    "mailrail account junkrules ann off",
        .options = junk_options,
        .args_min = 1,
        .args_max = 2,
        .run = junk_rules,
    },
    {
        .name = "password set",
        .arguments = "ACCOUNT",
        .summary = "set the password of an account",
        .manual =
            "Asks for the new password twice, without showing it. When standard input is not\n"
            "a terminal, its first line is the password, with --password-stdin as without it.\n"
            "At least 8 and at most 511 bytes.",
        .examples = "mailrail password set ann\n"
                    "pwgen -s 20 1 | tee ann.txt | mailrail password set ann --password-stdin",
        .options = password_options,
        .args_min = 1,
        .args_max = 1,
        .run = set_password,
    },
    {.name = NULL},
};
