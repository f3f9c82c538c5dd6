#include "services/store/token.h"
#include "tests/unit/services/store/directory_fixture.h"

#include "common/base/clock.h"

#include <sys/stat.h>

static struct directory_fixture f;

/* example.org: you, with "+" and "--" as separators; strict.example: case matters; all.example: a
 * catch-all; any.example: takes anything; off.example: disabled. */
static void setup(void)
{
    fixture_init(&f);
    static const struct str separators[] = {STR_INIT("+"), STR_INIT("--")};
    add_domain(&f, &(struct domain_settings){
                       .name = STR("example.org"), .separators = separators, .separator_count = 2});
    add_domain(&f,
               &(struct domain_settings){.name = STR("strict.example"), .case_sensitive = true});
    add_domain(&f, &(struct domain_settings){.name = STR("all.example")});
    add_domain(&f, &(struct domain_settings){.name = STR("off.example")});
    cr_assert_eq(add_account(&f, "root", "root@example.org", ""), 1);
    cr_assert_eq(add_account(&f, "you", "You@Example.Org", "correct horse"), 2);
    add_domain(&f, &(struct domain_settings){
                       .name = STR("any.example"), .accept_any = true, .any_account = STR("you")});
    static const struct address_settings addresses[] = {
        {.address = STR_INIT("you@strict.example"), .account = STR_INIT("you")},
        {.address = STR_INIT("@all.example"),
         .account = STR_INIT("you"),
         .mailbox = STR_INIT("Rest")},
        {.address = STR_INIT("exists@all.example"), .account = STR_INIT("root")},
        {.address = STR_INIT("you@off.example"), .account = STR_INIT("you")},
        {.address = STR_INIT("\u03c9@example.org"), .account = STR_INIT("you")},
        {.address = STR_INIT("gone@example.org"),
         .account = STR_INIT("you"),
         .error_code = 550,
         .error_text = STR_INIT("moved away")},
    };
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
        add_address(&f, &addresses[i]);
    struct err err;
    cr_assert(directory_set_domain(
        &f.store, &(struct domain_settings){.name = STR("off.example"), .disabled = true}, &err));
}

static void teardown(void)
{
    fixture_release(&f);
}

TestSuite(directory, .init = setup, .fini = teardown);

static struct resolved_address resolve(const char *localpart, const char *domain)
{
    struct resolved_address to;
    struct err err;
    cr_assert(directory_resolve(&f.store, str_from_cstr(localpart), str_from_cstr(domain), &f.arena,
                                &to, &err),
              "%s", err.detail);
    return to;
}

Test(directory, addresses_are_resolved_by_the_domains_rules)
{
    static const struct {
        const char *name, *localpart, *domain;
        enum address_class class;
        const char *account, *mailbox, *canonical;
    } rows[] = {
        {"exact", "you", "example.org", ADDRESS_ACCOUNT, "you", "Inbox", "you"},
        {"case and separator", "You+shop", "example.org", ADDRESS_ACCOUNT, "you", "Inbox", "you"},
        {"second separator", "you--a+b", "example.org", ADDRESS_ACCOUNT, "you", "Inbox", "you"},
        {"nothing before the separator", "+you", "example.org", ADDRESS_UNKNOWN, "", "", ""},
        {"case-sensitive", "You", "strict.example", ADDRESS_UNKNOWN, "", "", ""},
        {"case-sensitive, right", "you", "strict.example", ADDRESS_ACCOUNT, "you", "Inbox", "you"},
        {"no separator there", "you+x", "strict.example", ADDRESS_UNKNOWN, "", "", ""},
        {"ohm sign", "\u2126", "example.org", ADDRESS_ACCOUNT, "you", "Inbox", "\u03c9"},
        {"capital omega", "\u03a9", "example.org", ADDRESS_ACCOUNT, "you", "Inbox", "\u03c9"},
        {"unknown", "nobody", "example.org", ADDRESS_UNKNOWN, "", "", ""},
        {"not UTF-8", "\xff", "example.org", ADDRESS_UNKNOWN, "", "", ""},
        {"catch-all", "random", "all.example", ADDRESS_ACCOUNT, "you", "Rest", "random"},
        {"not the catch-all", "exists", "all.example", ADDRESS_ACCOUNT, "root", "Inbox", "exists"},
        {"any", "What.Ever", "any.example", ADDRESS_ACCOUNT, "you", "Inbox", "what.ever"},
        {"disabled", "you", "off.example", ADDRESS_DOMAIN_DISABLED, "", "", ""},
        {"refused", "gone", "example.org", ADDRESS_REFUSED, "you", "Inbox", "gone"},
        {"not ours", "you", "example.net", ADDRESS_NOT_LOCAL, "", "", ""},
        {"bare postmaster", "Postmaster", "", ADDRESS_ACCOUNT, "root", "Inbox", "postmaster"},
        {"only postmaster may be bare", "you", "", ADDRESS_NOT_LOCAL, "", "", ""},
        {"postmaster of the host", "postmaster", "mail.example.org", ADDRESS_ACCOUNT, "root",
         "Inbox", "postmaster"},
        {"nobody else at the host", "you", "mail.example.org", ADDRESS_NOT_LOCAL, "", "", ""},
        {"postmaster of a domain", "POSTMASTER", "example.org", ADDRESS_ACCOUNT, "root", "Inbox",
         "postmaster"},
        {"postmaster in a catch-all", "postmaster", "all.example", ADDRESS_ACCOUNT, "you", "Rest",
         "postmaster"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct resolved_address to = resolve(rows[i].localpart, rows[i].domain);
        cr_assert_eq(to.class, rows[i].class, "%s: %d", rows[i].name, (int)to.class);
        cr_assert(str_eq(to.account, str_from_cstr(rows[i].account)), "%s", rows[i].name);
        cr_assert(str_eq(to.mailbox, str_from_cstr(rows[i].mailbox)), "%s", rows[i].name);
        cr_assert(str_eq(to.canonical_localpart, str_from_cstr(rows[i].canonical)), "%s: %.*s",
                  rows[i].name, STR_ARG(to.canonical_localpart));
    }
    struct resolved_address refused = resolve("gone", "example.org");
    cr_assert_eq(refused.error_code, 550);
    cr_assert(str_eq(refused.error_text, STR("moved away")));
}

Test(directory, the_postmaster_can_be_chosen)
{
    f.config.postmaster = STR("you");
    cr_assert(str_eq(resolve("postmaster", "").account, STR("you")));
    f.config.postmaster = STR("has left");
    cr_assert(str_eq(resolve("postmaster", "").account, STR("root")));
}

Test(directory, senders_may_use_their_own_addresses)
{
    static const struct {
        const char *name, *localpart, *domain;
        enum sender_verdict you, root;
    } rows[] = {
        {"own", "you", "example.org", SENDER_ALLOWED, SENDER_FOREIGN},
        {"tagged", "YOU+tag", "example.org", SENDER_ALLOWED, SENDER_FOREIGN},
        {"catch-all", "anything", "all.example", SENDER_ALLOWED, SENDER_FOREIGN},
        {"not in the catch-all", "exists", "all.example", SENDER_FOREIGN, SENDER_ALLOWED},
        {"unknown", "nobody", "example.org", SENDER_FOREIGN, SENDER_FOREIGN},
        {"not ours", "you", "example.net", SENDER_FOREIGN, SENDER_FOREIGN},
        {"disabled", "you", "off.example", SENDER_DOMAIN_DISABLED, SENDER_FOREIGN},
        {"refused for others", "gone", "example.org", SENDER_ALLOWED, SENDER_FOREIGN},
        {"bare", "postmaster", "", SENDER_FOREIGN, SENDER_FOREIGN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str localpart = str_from_cstr(rows[i].localpart);
        struct str domain = str_from_cstr(rows[i].domain);
        enum sender_verdict you, root;
        struct err err;
        cr_assert(directory_check_sender(&f.store, 2, localpart, domain, &you, &err));
        cr_assert(directory_check_sender(&f.store, 1, localpart, domain, &root, &err));
        cr_assert_eq(you, rows[i].you, "%s", rows[i].name);
        cr_assert_eq(root, rows[i].root, "%s", rows[i].name);
    }
}

Test(directory, logins_are_addresses)
{
    static const struct {
        const char *login, *account, *address; /* account NULL: nobody */
    } rows[] = {
        {"you@example.org", "you", "you@example.org"},
        {"YOU+x@EXAMPLE.org", "you", "you@example.org"},
        {"random@all.example", "you", "random@all.example"},
        {"you@off.example", "you", "you@off.example"},
        {"gone@example.org", "you", "gone@example.org"},
        {"you", NULL, "you"},
        {"postmaster@example.org", NULL, "postmaster@example.org"},
        {"Nobody+x@example.org", NULL, "nobody@example.org"},
        {"Nobody@Example.net", NULL, "nobody@example.net"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct directory_login login;
        struct err err;
        cr_assert(
            directory_find_login(&f.store, str_from_cstr(rows[i].login), &f.arena, &login, &err));
        cr_assert_eq(login.is_found, rows[i].account != NULL, "%s", rows[i].login);
        cr_assert(str_eq(login.address, str_from_cstr(rows[i].address)), "%s -> %.*s",
                  rows[i].login, STR_ARG(login.address));
        if (login.is_found)
            cr_assert(str_eq(login.account.name, str_from_cstr(rows[i].account)), "%s",
                      rows[i].login);
    }
}

static void expect(bool ok, enum err_kind kind, const struct err *err, const char *name)
{
    cr_assert(!ok, "%s was accepted", name);
    cr_assert_eq(err->kind, kind, "%s: %s", name, err->detail);
}

Test(directory, domains_that_break_a_rule_are_refused)
{
    static const struct str words[] = {STR_INIT("a"), STR_INIT("+"), STR_INIT("+"), STR_INIT("")};
    static const struct {
        const char *name;
        struct domain_settings settings;
        enum err_kind kind;
    } rows[] = {
        {"exists", {.name = STR_INIT("EXAMPLE.org")}, ERR_CONFLICT},
        {"no name", {.name = STR_INIT("")}, ERR_SYNTAX},
        {"bad name", {.name = STR_INIT("a..b")}, ERR_SYNTAX},
        {"IP address", {.name = STR_INIT("192.0.2.1")}, ERR_SYNTAX},
        {"letter as separator",
         {.name = STR_INIT("new.example"), .separators = words, .separator_count = 1},
         ERR_SYNTAX},
        {"separator twice",
         {.name = STR_INIT("new.example"), .separators = words + 1, .separator_count = 2},
         ERR_SYNTAX},
        {"empty separator",
         {.name = STR_INIT("new.example"), .separators = words + 3, .separator_count = 1},
         ERR_SYNTAX},
        {"any without account", {.name = STR_INIT("new.example"), .accept_any = true}, ERR_SYNTAX},
        {"any with unknown account",
         {.name = STR_INIT("new.example"), .accept_any = true, .any_account = STR_INIT("x")},
         ERR_NOT_FOUND},
    };
    uint64_t version;
    struct err err;
    cr_assert(directory_credential_version(&f.store, 2, &version, &err));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(directory_add_domain(&f.store, &rows[i].settings, &err), rows[i].kind, &err,
               rows[i].name);
    expect(directory_remove_domain(&f.store, STR("example.org"), &err), ERR_STATE, &err,
           "a domain with addresses");
    expect(directory_remove_domain(&f.store, STR("new.example"), &err), ERR_NOT_FOUND, &err,
           "an unknown domain");
}

Test(directory, changed_rules_renew_the_addresses_or_are_refused)
{
    struct err err;
    add_address(&f, &(struct address_settings){.address = STR("You@strict.example"),
                                               .account = STR("root")});
    expect(directory_set_domain(&f.store, &(struct domain_settings){.name = STR("strict.example")},
                                &err),
           ERR_CONFLICT, &err, "you and You become one");
    cr_assert(str_eq(resolve("You", "strict.example").account, STR("root")), "nothing has changed");
    cr_assert(directory_remove_address(&f.store, STR("you@strict.example"), &err));
    cr_assert(directory_set_domain(&f.store,
                                   &(struct domain_settings){.name = STR("strict.example")}, &err));
    cr_assert(str_eq(resolve("yOU", "strict.example").account, STR("root")));

    add_address(
        &f, &(struct address_settings){.address = STR("a-b@all.example"), .account = STR("root")});
    static const struct str dash[] = {STR_INIT("-")};
    expect(directory_set_domain(&f.store,
                                &(struct domain_settings){.name = STR("all.example"),
                                                          .separators = dash,
                                                          .separator_count = 1},
                                &err),
           ERR_SYNTAX, &err, "an address with the new separator");
}

Test(directory, addresses_that_break_a_rule_are_refused)
{
    static const struct {
        const char *name;
        struct address_settings settings;
        enum err_kind kind;
    } rows[] = {
        {"exists in another case",
         {.address = STR_INIT("YOU@example.org"), .account = STR_INIT("root")},
         ERR_CONFLICT},
        {"second catch-all",
         {.address = STR_INIT("@all.example"), .account = STR_INIT("root")},
         ERR_CONFLICT},
        {"separator",
         {.address = STR_INIT("a+b@example.org"), .account = STR_INIT("root")},
         ERR_SYNTAX},
        {"unknown domain",
         {.address = STR_INIT("a@example.net"), .account = STR_INIT("root")},
         ERR_NOT_FOUND},
        {"unknown account",
         {.address = STR_INIT("a@example.org"), .account = STR_INIT("nobody")},
         ERR_NOT_FOUND},
        {"no at sign", {.address = STR_INIT("a"), .account = STR_INIT("root")}, ERR_SYNTAX},
        {"wrong error code",
         {.address = STR_INIT("a@example.org"), .account = STR_INIT("root"), .error_code = 250},
         ERR_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        expect(directory_add_address(&f.store, &rows[i].settings, &err), rows[i].kind, &err,
               rows[i].name);
    }
    struct err err;
    expect(directory_remove_address(&f.store, STR("nobody@example.org"), &err), ERR_NOT_FOUND, &err,
           "an unknown address");
}

Test(directory, accounts_that_break_a_rule_are_refused)
{
    static const struct {
        const char *name, *account, *address, *password;
        enum err_kind kind;
    } rows[] = {
        {"exists", "you", "new@example.org", "", ERR_CONFLICT},
        {"empty name", "", "new@example.org", "", ERR_SYNTAX},
        {"a path", "../x", "new@example.org", "", ERR_SYNTAX},
        {"hidden", ".x", "new@example.org", "", ERR_SYNTAX},
        {"no address", "new", "", "", ERR_SYNTAX},
        {"taken address", "new", "you@example.org", "", ERR_CONFLICT},
        {"short password", "new", "new@example.org", "1234567", ERR_LIMIT},
        {"impossible password", "new", "new@example.org", "12345678\t", ERR_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct directory_account account = {.name = str_from_cstr(rows[i].account)};
        uint64_t id;
        struct err err;
        expect(directory_add_account(&f.store, &account, str_from_cstr(rows[i].address),
                                     str_from_cstr(rows[i].password), &id, &err),
               rows[i].kind, &err, rows[i].name);
    }
    cr_assert_eq(resolve("new", "example.org").class, ADDRESS_UNKNOWN, "nothing is left behind");
}

Test(directory, bad_settings_of_an_account_change_nothing)
{
    char long_text[1026], long_reason[258];
    memset(long_text, 'x', sizeof(long_text));
    memset(long_reason, 'x', sizeof(long_reason));
    struct str many[65];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = STR("IDLE");
    const struct str spaced[] = {STR("ID LE")}, none[] = {STR("")};
    const struct {
        const char *name;
        struct directory_account account;
        enum err_kind kind;
    } rows[] = {
        {"nobody", {.name = STR("nobody")}, ERR_NOT_FOUND},
        {"no name", {.name = STR("")}, ERR_SYNTAX},
        {"description", {.description = str_make(long_text, 1025)}, ERR_LIMIT},
        {"bytes", {.description = STR("\xff")}, ERR_SYNTAX},
        {"reason", {.login_disabled = str_make(long_reason, 257)}, ERR_LIMIT},
        {"reason in two lines", {.login_disabled = STR("a\r\nb")}, ERR_SYNTAX},
        {"reason in Greek", {.login_disabled = STR("\u03c9")}, ERR_SYNTAX},
        {"quota", {.quota_bytes = -2}, ERR_SYNTAX},
        {"capabilities", {.capabilities_disabled = many, .capability_count = 65}, ERR_LIMIT},
        {"capability", {.capabilities_disabled = spaced, .capability_count = 1}, ERR_SYNTAX},
        {"no capability", {.capabilities_disabled = none, .capability_count = 1}, ERR_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct directory_account account = rows[i].account, now;
        struct err err;
        if (str_is_null(account.name))
            account.name = STR("you");
        account.max_outgoing = 7;
        expect(directory_set_account(&f.store, &account, &err), rows[i].kind, &err, rows[i].name);
        cr_assert(directory_account(&f.store, 2, &f.arena, &now, &err), "%s", err.detail);
        cr_assert_eq(now.max_outgoing, 1000, "%s", rows[i].name);
    }
}

Test(directory, settings_of_an_account_stay_set)
{
    static const struct str capabilities[] = {STR_INIT("IDLE"), STR_INIT("MOVE")};
    struct directory_account before, after;
    struct err err;
    uint64_t quota;
    cr_assert(directory_account(&f.store, 2, &f.arena, &before, &err), "%s", err.detail);
    struct directory_account set = {
        .name = STR("you"),
        .description = STR("You"),
        .login_disabled = STR("call 100"),
        .quota_bytes = 500,
        .max_outgoing = 5000,
        .max_new_recipients = UINT32_MAX,
        .capabilities_disabled = capabilities,
        .capability_count = 2,
    };
    cr_assert(directory_set_account(&f.store, &set, &err), "%s", err.detail);
    cr_assert(directory_account_quota(&f.store, 2, &quota, &err));
    cr_assert_eq(quota, 500, "without a restart");
    fixture_close(&f);
    fixture_open(&f);
    cr_assert(directory_account(&f.store, 2, &f.arena, &after, &err), "%s", err.detail);
    cr_assert(str_eq(after.description, set.description));
    cr_assert(str_eq(after.login_disabled, set.login_disabled));
    cr_assert_eq(after.max_outgoing, 5000);
    cr_assert_eq(after.max_new_recipients, UINT32_MAX);
    cr_assert_eq(after.capability_count, 2);
    cr_assert(str_eq(after.capabilities_disabled[1], STR("MOVE")));
    cr_assert_eq(after.credential_version, before.credential_version, "the password stays");
    cr_assert(directory_account(&f.store, 1, &f.arena, &after, &err), "%s", err.detail);
    cr_assert(str_eq(after.name, STR("root")) && after.max_outgoing == 1000, "nobody else's");
}

Test(directory, everything_is_there_after_a_restart)
{
    fixture_close(&f);
    fixture_open(&f);
    cr_assert(str_eq(resolve("you+x", "example.org").account, STR("you")));
    struct directory_account account;
    struct err err;
    cr_assert(directory_account(&f.store, 2, &f.arena, &account, &err));
    cr_assert_eq(account.max_outgoing, 1000);
    cr_assert_eq(account.max_new_recipients, 200);
    cr_assert_neq(account.credential_version, 0);
}

Test(directory, quotas_are_the_accounts_or_the_default)
{
    static const struct {
        int64_t quota;
        uint64_t normal, want;
    } rows[] = {{0, 0, INT64_MAX}, {0, 500, 500}, {-1, 500, INT64_MAX}, {9, 500, 9}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[16], address[32];
        snprintf(name, sizeof(name), "q%zu", i);
        snprintf(address, sizeof(address), "%s@example.org", name);
        struct directory_account account = {.name = str_from_cstr(name),
                                            .quota_bytes = rows[i].quota};
        uint64_t id, bytes;
        struct err err;
        cr_assert(
            directory_add_account(&f.store, &account, str_from_cstr(address), STR_NULL, &id, &err));
        f.config.quota_bytes = rows[i].normal;
        cr_assert(directory_account_quota(&f.store, id, &bytes, &err));
        cr_assert_eq(bytes, rows[i].want, "row %zu", i);
    }
    uint64_t bytes;
    struct err err;
    expect(directory_account_quota(&f.store, 99, &bytes, &err), ERR_NOT_FOUND, &err, "no account");
}

/* ---- Tokens */

static struct token_session session_of_you(void)
{
    struct token_session session = {
        .account_id = 2, .rights = TOKEN_MAILBOXES, .expires_ms = clock_wall_ms() + 60000};
    struct err err;
    cr_assert(directory_credential_version(&f.store, 2, &session.credential_version, &err));
    strcpy(session.login, "you@example.org");
    return session;
}

Test(directory, tokens_are_good_until_something_changes)
{
    struct token_session session = session_of_you(), got;
    struct str token = token_seal(&f.store, &session, &f.arena);
    struct err err;
    cr_assert(token_check(&f.store, token, TOKEN_MAILBOXES, &got, &err), "%s", err.detail);
    cr_assert_eq(got.account_id, 2);
    cr_assert_str_eq(got.login, "you@example.org");
    expect(token_check(&f.store, token, TOKEN_SUBMIT, &got, &err), ERR_DENIED, &err, "a right");
    for (size_t i = 0; i < token.len; i++) {
        struct str forged = arena_copy(&f.arena, token);
        ((char *)forged.ptr)[i] ^= 1;
        expect(token_check(&f.store, forged, 0, &got, &err), ERR_DENIED, &err, "a changed byte");
        expect(token_check(&f.store, str_slice(token, 0, i), 0, &got, &err), ERR_DENIED, &err,
               "a part");
    }
    fixture_close(&f);
    fixture_open(&f);
    cr_assert(token_check(&f.store, token, TOKEN_MAILBOXES, &got, &err), "after a restart");
    cr_assert(directory_set_password(&f.store, STR("you"), STR("other horse"), &err));
    expect(token_check(&f.store, token, 0, &got, &err), ERR_DENIED, &err, "an old password");
    session = session_of_you();
    session.expires_ms = clock_wall_ms() - 1;
    token = token_seal(&f.store, &session, &f.arena);
    expect(token_check(&f.store, token, 0, &got, &err), ERR_DENIED, &err, "an expired token");
}

/* As after a restore of an old directory.db: accounts/70 is somebody's mail. */
Test(directory, no_new_account_gets_the_mail_that_lies_there)
{
    char accounts[128], mail[160];
    snprintf(accounts, sizeof(accounts), "%s/accounts", f.path);
    snprintf(mail, sizeof(mail), "%s/70", accounts);
    cr_assert_eq(add_account(&f, "third", "third@example.org", ""), 3);
    fixture_close(&f);
    cr_assert(mkdir(accounts, 0700) == 0 && mkdir(mail, 0700) == 0);
    fixture_open(&f);
    cr_expect_eq(add_account(&f, "fourth", "fourth@example.org", ""), 71);
    fixture_close(&f);
    fixture_open(&f);
    cr_expect_eq(add_account(&f, "fifth", "fifth@example.org", ""), 72);
    cr_assert(rmdir(mail) == 0 && rmdir(accounts) == 0);
}
