/* A new system: its directories and keys, its first domain and account. Both commands can be run at
 * each start: what is there already stays as it is. */
#include "services/mailrail/certificate.h"
#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"

#include "common/base/bug.h"
#include "common/service/layout.h"
#include "common/service/received_id.h"
#include "common/sys/file.h"
#include "common/sys/tls.h"
#include "common/text/base64.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- prepare */

static const struct command_option prepare_options[] = {
    {"--owner", "UID:GID", "give what is made to this user and group (needs the right to)"},
    {NULL, NULL, NULL},
};

struct owner {
    bool is_given;
    uid_t uid;
    gid_t gid;
};

static bool parse_owner(struct invocation *inv, struct owner *ret, struct err *err)
{
    struct str text = invocation_text(inv, "--owner"), user, group;
    uint64_t uid, gid;
    *ret = (struct owner){0};
    if (str_is_null(text))
        return true;
    if (!str_cut(text, ':', &user, &group) || !str_to_u64(user, UINT32_MAX - 1, &uid) ||
        !str_to_u64(group, UINT32_MAX - 1, &gid))
        return usage_error(inv, err, "--owner must be two numbers, as 10000:10000");
    *ret = (struct owner){true, (uid_t)uid, (gid_t)gid};
    return true;
}

static bool give(const char *path, const struct owner *owner, struct err *err)
{
    struct stat st;
    if (!owner->is_given)
        return true;
    if (lstat(path, &st) != 0)
        return err_set_errno(err, errno, "%s", path);
    if (st.st_uid == owner->uid && st.st_gid == owner->gid)
        return true;
    return lchown(path, owner->uid, owner->gid) == 0 ||
           err_set_errno(err, errno, "change the owner of %s", path);
}

static bool make_and_give(const char *path, const struct owner *owner, struct err *err)
{
    return directory_make(path, 0750, err) && give(path, owner, err);
}

static bool make_directories(struct str data, const struct owner *owner, struct err *err)
{
    struct layout_path path;
    if (!str_copy_cstr(data, path.text, sizeof(path.text)))
        return err_set(err, ERR_LIMIT, "path too long");
    TRY(make_and_give(path.text, owner, err));
    for (const char *const *name = layout_parts; *name; name++) {
        snprintf(path.text, sizeof(path.text), "%.*s/%s", STR_ARG(data), *name);
        TRY(make_and_give(path.text, owner, err));
    }
    return true;
}

static bool make_keys(const struct settings *s, const struct owner *owner, struct err *err)
{
    struct received_id_key key;
    struct layout_path path;
    TRY(received_id_key_open(s->data, &key, err));
    snprintf(path.text, sizeof(path.text), "%s/received-id.key",
             layout_keys_directory(s->data).text);
    return give(path.text, owner, err);
}

static bool make_certificate(const struct settings *s, const struct owner *owner, struct err *err)
{
    const struct str files[] = {s->tls_certificate, s->tls_key};
    if (str_is_empty(s->tls_certificate))
        return true;
    TRY(certificate_make(s, err));
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct layout_path path;
        if (!str_copy_cstr(files[i], path.text, sizeof(path.text)))
            return err_set(err, ERR_LIMIT, "path too long");
        TRY(give(path.text, owner, err));
    }
    return true;
}

/* That of the operator stays as it is, whatever name it has. */
static bool compare_certificate(const struct settings *s, struct err *err)
{
    bool is_for = true;
    if (str_is_empty(s->tls_certificate))
        return true;
    TRY(tls_file_is_for(s->tls_certificate, s->hostname, &is_for, err));
    if (!is_for)
        fprintf(stderr,
                "The certificate %.*s is not for the host name %.*s: put one for that name in its\n"
                "place and send SIGHUP, or remove it and its key and run this again.\n",
                STR_ARG(s->tls_certificate), STR_ARG(s->hostname));
    return true;
}

static bool prepare(struct invocation *inv, struct err *err)
{
    struct owner owner;
    const struct settings *s = &inv->settings;
    TRY(parse_owner(inv, &owner, err));
    TRY(invocation_read_settings(inv, err));
    return make_directories(s->data, &owner, err) && make_keys(s, &owner, err) &&
           make_certificate(s, &owner, err) && compare_certificate(s, err);
}

/* ---- setup */

static const struct command_option setup_options[] = {
    {"--domain", "DOMAIN", "its first domain (default: the host name without its first label)"},
    {"--account", "NAME", "its first account, and local part of its address (default: admin)"},
    {NULL, NULL, NULL},
};

#define PASSWORD_BYTES 15 /* 20 characters */

static struct str make_password(struct arena *arena)
{
    unsigned char random[PASSWORD_BYTES];
    struct buf text;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        BUG("no random bytes");
    buf_init(&text, 64);
    base64_url_encode(&text, str_make(random, sizeof(random)));
    struct str password = arena_copy(arena, buf_str(&text));
    buf_release_secret(&text);
    return password;
}

/* mail.example.org receives for example.org; a name of one label for itself. */
static struct str default_domain(struct str hostname)
{
    struct str first, rest;
    return str_cut(hostname, '.', &first, &rest) && str_find_char(rest, '.') >= 0 ? rest : hostname;
}

struct first {
    struct str hostname;
    struct str domain;
    struct str account;
    struct str address;
    struct str password;
};

static void explain(const struct first *f)
{
    printf("\nMailrail is set up for %.*s. Log in (submission, IMAP) with\n\n"
           "  user      %.*s\n"
           "  password  %.*s\n\n"
           "Write the password down: it is not kept in a readable form. `mailrail password set\n"
           "%.*s` sets another.\n\n",
           STR_ARG(f->domain), STR_ARG(f->address), STR_ARG(f->password), STR_ARG(f->account));
    if (str_find_char(f->hostname, '.') < 0)
        return;
    printf("Publish in DNS, beside address records of %.*s (and PTR records back to it):\n\n"
           "  %.*s.  MX   10 %.*s.\n"
           "  %.*s.  TXT  \"v=spf1 mx -all\"\n\n"
           "Mail servers accept the self-signed certificate in tls/; put one from a certification\n"
           "authority in its place for mail programs, and send SIGHUP.\n",
           STR_ARG(f->hostname), STR_ARG(f->domain), STR_ARG(f->hostname), STR_ARG(f->domain));
}

/* A setup that was cut off between the two goes on at the next start. */
static bool add_first(struct backend *b, const struct first *f, struct err *err)
{
    struct str plus = STR("+");
    struct domain_entry domain = {.name = f->domain, .separators = {&plus, 1}};
    struct account_entry account = {.name = f->account, .description = STR("made by setup")};
    if (!backend_domain_add(b, &domain, err) && err->kind != ERR_CONFLICT)
        return false;
    return backend_account_add(b, &account, f->address, f->password, err);
}

static bool is_among(const struct domain_list *domains, struct str name)
{
    for (size_t i = 0; i < domains->len; i++)
        if (str_eq_nocase(domains->items[i].name, name))
            return true;
    return false;
}

/* Settings that came after the first start change nothing of what it made. */
static bool explain_again(struct backend *b, const struct first *f,
                          const struct account_list *accounts, struct err *err)
{
    struct domain_list domains;
    struct str account = accounts->items[0].name;
    TRY(backend_domain_list(b, &domains, err));
    printf(
        "Mailrail is set up already: %zu account%s. The first setup printed the first password;\n"
        "if it is lost, set another:\n\n"
        "  mailrail password set %.*s\n",
        accounts->len, accounts->len == 1 ? "" : "s", STR_ARG(account));
    if (is_among(&domains, f->domain))
        return true;
    printf("\nIt does not receive mail for %.*s. If it shall, add that and its addresses:\n\n"
           "  mailrail domain add %.*s\n"
           "  mailrail address add %.*s@%.*s %.*s\n",
           STR_ARG(f->domain), STR_ARG(f->domain), STR_ARG(account), STR_ARG(f->domain),
           STR_ARG(account));
    return true;
}

static bool setup(struct invocation *inv, struct err *err)
{
    struct backend b;
    struct account_list accounts;
    TRY(invocation_backend(inv, &b, err));
    struct str domain = invocation_text(inv, "--domain");
    struct str account = invocation_text(inv, "--account");
    struct first first = {
        .hostname = inv->settings.hostname,
        .domain = domain.len > 0 ? domain : default_domain(inv->settings.hostname),
        .account = account.len > 0 ? account : STR("admin"),
    };
    TRY(backend_account_list(&b, &accounts, err));
    if (accounts.len > 0)
        return explain_again(&b, &first, &accounts, err);
    first.address =
        arena_printf(&inv->arena, "%.*s@%.*s", STR_ARG(first.account), STR_ARG(first.domain));
    first.password = make_password(&inv->arena);
    TRY(add_first(&b, &first, err));
    explain(&first);
    return true;
}

const struct command setup_commands[] = {
    {
        .name = "prepare",
        .arguments = "",
        .summary = "make the data directory, its keys and a certificate",
        .manual =
            "Makes the directories below the configured `data`, the key of the ids in Received\n"
            "fields, and, when the configuration names a certificate that is not there, one\n"
            "signed by itself. What exists stays as it is, but for a certificate that was made\n"
            "so for another host name: it is made anew. Services that share the data\n"
            "directory part by part, each in a container of its own, need it before they start;\n"
            "under `mailrail run` nobody does.",
        .examples = "mailrail prepare --owner 10000:10000",
        .options = prepare_options,
        .run = prepare,
    },
    {
        .name = "setup",
        .arguments = "",
        .summary = "add the first domain and account, and say what to do next",
        .manual =
            "In a system without accounts: adds a domain and an account with a random password,\n"
            "and prints them with the DNS records to publish. Otherwise it changes nothing, and\n"
            "says what does not fit the settings and how to mend it.",
        .examples = "mailrail setup --domain example.org --account ann",
        .options = setup_options,
        .run = setup,
    },
    {.name = NULL},
};
