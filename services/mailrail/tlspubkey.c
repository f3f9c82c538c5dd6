#include "common/sys/file.h"
#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/table.h"

#include <stdio.h>
#include <time.h>

#define CERTIFICATE_MAX (64 * 1024)

/* clang-format off */
#define OPTIONS_OF_PREAUTH                                                                         \
    {"--imap-preauth", "yes|no", "whether IMAP clients are logged in without asking"},             \
    {"--no-imap-preauth", NULL, "the same as --imap-preauth no"}
/* clang-format on */

static const struct command_option add_options[] = {
    {"--name", "TEXT", "what it is called (default: the certificate's CommonName)"},
    {"--login", "ADDRESS", "address that it logs in as (default: the account's first)"},
    OPTIONS_OF_PREAUTH,
    {NULL, NULL, NULL},
};
static const struct command_option set_options[] = {
    {"--name", "TEXT", "what it is called"},
    {"--login", "ADDRESS", "address of its account that it logs in as"},
    OPTIONS_OF_PREAUTH,
    {NULL, NULL, NULL},
};
static const struct command_option list_options[] = {
    {"--account", "NAME", "only those of the account"},
    OPTION_JSON,
    {NULL, NULL, NULL},
};

/* Leaves it alone when no option says anything. */
static bool parse_preauth(struct invocation *inv, bool *ret_no_preauth, struct err *err)
{
    bool preauth = !*ret_no_preauth;
    TRY(invocation_yes_no(inv, "--imap-preauth", &preauth, err));
    if (invocation_has(inv, "--no-imap-preauth")) {
        if (invocation_has(inv, "--imap-preauth") && preauth)
            return usage_error(inv, err,
                               "--no-imap-preauth and --imap-preauth yes exclude each other");
        preauth = false;
    }
    *ret_no_preauth = !preauth;
    return true;
}

static bool add(struct invocation *inv, struct err *err)
{
    struct tls_key_entry key = {
        .account = invocation_arg(inv, 0),
        .name = invocation_text(inv, "--name"),
        .login = invocation_text(inv, "--login"),
    };
    struct str pem;
    struct backend b;
    TRY(parse_preauth(inv, &key.no_imap_preauth, err));
    TRY(file_read(inv->args[1], CERTIFICATE_MAX, &inv->arena, &pem, err));
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_tls_key_add(&b, &key, pem, &key, err));
    printf("%.*s\n", STR_ARG(key.fingerprint));
    return true;
}

static struct str date_text(int64_t time_ms, struct arena *arena)
{
    char text[16];
    struct tm tm;
    time_t time_s = (time_t)(time_ms / 1000);
    if (!gmtime_r(&time_s, &tm) || strftime(text, sizeof(text), "%Y-%m-%d", &tm) == 0)
        return STR("");
    return arena_copy(arena, str_from_cstr(text));
}

static bool list(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"fingerprint", COLUMN_TEXT}, {"account", COLUMN_TEXT},      {"login", COLUMN_TEXT},
        {"algorithm", COLUMN_TEXT},   {"imap_preauth", COLUMN_BOOL}, {"created", COLUMN_TEXT},
        {"name", COLUMN_TEXT},
    };
    struct backend b;
    struct tls_key_list found;
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_tls_key_list(&b, invocation_text(inv, "--account"), &found, err));
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    for (size_t i = 0; i < found.len; i++) {
        const struct tls_key_entry *key = &found.items[i];
        table_text(&table, key->fingerprint);
        table_text(&table, key->account);
        table_text(&table, key->login);
        table_text(&table, key->algorithm);
        table_bool(&table, !key->no_imap_preauth);
        table_text(&table, date_text(key->created_ms, &inv->arena));
        table_text(&table, key->name);
    }
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    return true;
}

static bool find(struct backend *b, struct str fingerprint, struct tls_key_entry *ret,
                 struct err *err)
{
    struct tls_key_list found;
    TRY(backend_tls_key_list(b, STR(""), &found, err));
    for (size_t i = 0; i < found.len; i++) {
        if (str_eq(found.items[i].fingerprint, fingerprint)) {
            *ret = found.items[i];
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no TLS key with the fingerprint %.*s",
                   STR_ARG(fingerprint));
}

/* Changes what is given, and leaves the rest. */
static bool set(struct invocation *inv, struct err *err)
{
    struct backend b;
    struct tls_key_entry key;
    TRY(invocation_backend(inv, &b, err));
    TRY(find(&b, invocation_arg(inv, 0), &key, err));
    TRY(parse_preauth(inv, &key.no_imap_preauth, err));
    if (invocation_has(inv, "--name"))
        key.name = invocation_text(inv, "--name");
    if (invocation_has(inv, "--login"))
        key.login = invocation_text(inv, "--login");
    return backend_tls_key_set(&b, &key, err);
}

static bool remove_key(struct invocation *inv, struct err *err)
{
    struct backend b;
    return invocation_backend(inv, &b, err) &&
           backend_tls_key_remove(&b, invocation_arg(inv, 0), err);
}

const struct command tlspubkey_commands[] = {
    {
        .name = "account tlspubkey add",
        .arguments = "ACCOUNT FILE",
        .summary = "let a TLS client certificate log in",
        .manual =
            "Registers the public key of the certificate in FILE (PEM, this one block) for\n"
            "ACCOUNT, and prints its fingerprint. Whoever presents a certificate with that\n"
            "key to IMAP or submission, and so proves to hold its private half, logs in\n"
            "without a password: IMAP greets such clients as logged in, unless\n"
            "--imap-preauth no is given; the others ask by SASL EXTERNAL.\n"
            "\n"
            "The key may be RSA of at least 2048 bits, ECDSA or Ed25519. The certificate may\n"
            "be self-signed or out of date: only its key counts, also in its successors. Give\n"
            "each device a key of its own, so that one that is lost can be removed alone.",
        .examples =
            "openssl req -x509 -newkey ed25519 -nodes -days 3650 -subj \"/CN=Ann's laptop\"\\\n"
            "    -keyout laptop.key -out laptop.pem\n"
            "mailrail account tlspubkey add ann laptop.pem",
        .options = add_options,
        .args_min = 2,
        .args_max = 2,
        .run = add,
    },
    {
        .name = "account tlspubkey list",
        .arguments = "",
        .summary = "list keys that log in",
        .manual = "Lists registered keys, all or those of an account. FINGERPRINT is SHA-256 of\n"
                  "the public key (SubjectPublicKeyInfo), as base64 for URLs.",
        .examples = "mailrail account tlspubkey list\n"
                    "mailrail account tlspubkey list --account ann",
        .options = list_options,
        .run = list,
    },
    {
        .name = "account tlspubkey set",
        .arguments = "FINGERPRINT",
        .summary = "change settings of a key",
        .manual = "Changes the settings that are given as options, and leaves the others. They\n"
                  "count from the next connection on.",
        .examples = "mailrail account tlspubkey set 0KrL... --imap-preauth no\n"
                    "mailrail account tlspubkey set --name \"the old laptop\" -- -KrL...",
        .options = set_options,
        .args_min = 1,
        .args_max = 1,
        .run = set,
    },
    {
        .name = "account tlspubkey remove",
        .arguments = "FINGERPRINT",
        .summary = "remove a key, and end its sessions",
        .manual = "Removes the key: it logs nobody in any more, and sessions that it began end\n"
                  "with their next command. Put -- in front of a fingerprint that begins with -.",
        .examples = "mailrail account tlspubkey remove -- -KrL...",
        .args_min = 1,
        .args_max = 1,
        .run = remove_key,
    },
    {.name = NULL},
};
