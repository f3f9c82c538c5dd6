#include "common/base/clock.h"
#include "common/sys/file.h"
#include "common/sys/tls_public_key.h"
#include "services/store/directory_keys.h"
#include "services/store/token.h"
#include "tests/unit/services/store/directory_fixture.h"

/* Logging in with the key of a TLS client certificate. */

static struct directory_fixture f;
static struct err err;

/* A certificate of its own for each name. */
static struct str certificate(const char *name, struct tls_public_key *ret_key)
{
    char chain[128], key[128], pem[8192];
    snprintf(chain, sizeof(chain), "%s/%s.pem", f.path, name);
    snprintf(key, sizeof(key), "%s/%s.key", f.path, name);
    cr_assert(
        tls_make_self_signed(str_from_cstr(name), str_from_cstr(chain), str_from_cstr(key), &err),
        "%s", err.detail);
    FILE *file = fopen(chain, "r");
    cr_assert(file);
    size_t len = fread(pem, 1, sizeof(pem), file);
    fclose(file);
    unlink(chain);
    unlink(key);
    cr_assert(tls_public_key_of_pem(str_make(pem, len), ret_key, &err), "%s", err.detail);
    return arena_copy(&f.arena, str_make(pem, len));
}

static struct str bytes_of(const struct tls_public_key *key)
{
    return str_make(key->fingerprint, sizeof(key->fingerprint));
}

static struct str text_of(const struct tls_public_key *key)
{
    return tls_fingerprint_text(bytes_of(key), &f.arena);
}

static bool add_key(const struct tls_key_settings *settings, struct str pem)
{
    struct tls_key_row row;
    return directory_add_tls_key(&f.store, settings, pem, &f.arena, &row, &err);
}

static struct tls_public_key laptop, phone;
static struct str laptop_pem, phone_pem;

/* "you" with the key "laptop" and two addresses, and "other" without a key. */
static void setup(void)
{
    fixture_init(&f);
    add_domain(&f, &(struct domain_settings){.name = STR("example.org")});
    add_account(&f, "you", "you@example.org", "correct horse");
    add_account(&f, "other", "other@example.org", "another horse");
    add_address(&f, &(struct address_settings){.address = STR("second@example.org"),
                                               .account = STR("you")});
    laptop_pem = certificate("laptop", &laptop);
    phone_pem = certificate("phone", &phone);
    cr_assert(add_key(&(struct tls_key_settings){.account = STR("you")}, laptop_pem), "%s",
              err.detail);
}

static void teardown(void)
{
    fixture_release(&f);
}

TestSuite(tls_keys, .init = setup, .fini = teardown);

static struct auth_reply take_step(struct auth_step step)
{
    struct auth_reply reply;
    step.sasl.has_response = true;
    step.protocol = STR("imap");
    step.deadline_ms = clock_monotonic_ms() + 20000;
    cr_assert(auth_take_step(&f.store, &step, &f.arena, &reply, &err), "%s", err.detail);
    return reply;
}

static struct auth_reply external(const struct tls_public_key *key, const char *identity)
{
    return take_step((struct auth_step){
        .sasl = {.mechanism = STR("EXTERNAL"), .response = str_from_cstr(identity)},
        .client_key = key ? bytes_of(key) : STR(""),
    });
}

static struct auth_reply plain(const struct tls_public_key *key, struct str response)
{
    return take_step((struct auth_step){
        .sasl = {.mechanism = STR("PLAIN"), .response = response},
        .client_key = bytes_of(key),
    });
}

static bool is_accepted(struct str token)
{
    struct token_session session;
    return token_check(&f.store, token, TOKEN_MAILBOXES, &session, &err);
}

Test(tls_keys, the_key_says_who_it_is)
{
    static const struct {
        const char *name;
        const struct tls_public_key *key;
        const char *identity;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"its own identity", &laptop, "", "you@example.org"},
        {"its own, by name", &laptop, "You@Example.ORG", "you@example.org"},
        {"another address of the account", &laptop, "second@example.org", "second@example.org"},
        {"an address of another account", &laptop, "other@example.org", NULL},
        {"an address of nobody", &laptop, "nobody@example.org", NULL},
        {"no address", &laptop, "you", NULL},
        {"a key that is not registered", &phone, "", NULL},
        {"a key that is not registered, with a name", &phone, "you@example.org", NULL},
        {"no key", NULL, "", NULL},
        {"no key, with a name", NULL, "you@example.org", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth_reply reply = external(rows[i].key, rows[i].identity);
        if (rows[i].want) {
            cr_assert_eq(reply.outcome, SASL_SUCCESS, "%s", rows[i].name);
            cr_assert(str_eq(reply.login, str_from_cstr(rows[i].want)), "%s", rows[i].name);
            cr_assert(str_eq(reply.account.name, STR("you")), "%s", rows[i].name);
            cr_assert(is_accepted(reply.token), "%s", rows[i].name);
        } else {
            cr_assert_eq(reply.outcome, SASL_FAILURE, "%s", rows[i].name);
            cr_assert_eq(reply.failure, SASL_CREDENTIALS, "%s", rows[i].name);
            cr_assert(reply.counts, "%s", rows[i].name);
        }
    }
}

Test(tls_keys, an_account_without_a_password_logs_in_with_its_key)
{
    add_account(&f, "keyonly", "keyonly@example.org", "");
    cr_assert(add_key(&(struct tls_key_settings){.account = STR("keyonly")}, phone_pem));
    cr_assert_eq(external(&phone, "").outcome, SASL_SUCCESS);
}

Test(tls_keys, a_barred_account_is_told_why)
{
    struct directory_account account = {.name = STR("you"), .login_disabled = STR("call us")};
    cr_assert(directory_set_account(&f.store, &account, &err), "%s", err.detail);
    struct auth_reply reply = external(&laptop, "");
    cr_assert_eq(reply.failure, SASL_DISABLED);
    cr_assert(str_eq(reply.text, STR("call us")));
    cr_assert_not(reply.counts);
}

Test(tls_keys, beside_a_key_only_passwords_of_its_account_count)
{
    struct auth_reply reply = plain(&laptop, STR("\0you@example.org\0correct horse"));
    cr_assert_eq(reply.outcome, SASL_SUCCESS);
    reply = plain(&laptop, STR("\0other@example.org\0another horse"));
    cr_assert_eq(reply.outcome, SASL_FAILURE);
    cr_assert_eq(reply.failure, SASL_AUTHORIZATION);
    reply = plain(&phone, STR("\0other@example.org\0another horse"));
    cr_assert_eq(reply.outcome, SASL_SUCCESS, "an unknown key says nothing");
}

Test(tls_keys, a_session_lasts_as_long_as_its_key)
{
    struct auth_reply first = external(&laptop, ""), renewed;
    struct auth_reply by_password = plain(&laptop, STR("\0you@example.org\0correct horse"));
    cr_assert(directory_set_password(&f.store, STR("you"), STR("a new horse"), &err));
    cr_assert_not(is_accepted(first.token), "a new password ends all sessions");
    first = external(&laptop, "");
    cr_assert(is_accepted(first.token), "but is no concern of the key");
    by_password = plain(&laptop, STR("\0you@example.org\0a new horse"));
    cr_assert(auth_renew(&f.store, first.token, &f.arena, &renewed, &err), "%s", err.detail);

    cr_assert(directory_remove_tls_key(&f.store, text_of(&laptop), &err), "%s", err.detail);
    cr_assert_not(is_accepted(first.token));
    cr_assert_not(is_accepted(renewed.token), "renewal is no way around");
    cr_assert_eq(err.kind, ERR_DENIED);
    cr_assert(is_accepted(by_password.token), "a session of a password needs no key");
    cr_assert_eq(external(&laptop, "").outcome, SASL_FAILURE);

    cr_assert(add_key(&(struct tls_key_settings){.account = STR("you")}, laptop_pem));
    cr_assert_eq(external(&laptop, "").outcome, SASL_SUCCESS);
    cr_assert_not(is_accepted(first.token), "the same key, but registered anew");
}

Test(tls_keys, a_key_ends_with_its_address)
{
    struct directory_tls_key found;
    struct auth_reply session = external(&laptop, "");
    cr_assert(directory_remove_address(&f.store, STR("you@example.org"), &err));
    cr_assert_eq(external(&laptop, "").outcome, SASL_FAILURE);
    cr_assert_eq(external(&laptop, "second@example.org").outcome, SASL_FAILURE);
    cr_assert(directory_find_tls_key(&f.store, bytes_of(&laptop), &f.arena, &found, &err));
    cr_assert_not(found.is_found);

    struct tls_key_settings settings = {.name = STR("x"), .login = STR("second@example.org")};
    cr_assert(directory_set_tls_key(&f.store, text_of(&laptop), &settings, &err), "%s", err.detail);
    cr_assert(str_eq(external(&laptop, "").login, STR("second@example.org")));
    fixture_close(&f);
    fixture_open(&f);
    cr_assert_eq(external(&laptop, "").outcome, SASL_SUCCESS, "after a restart");
    cr_assert(is_accepted(session.token), "after a restart");
}

Test(tls_keys, keys_that_break_a_rule_are_refused)
{
    char long_name[300];
    memset(long_name, 'x', sizeof(long_name));
    const struct {
        const char *name;
        struct tls_key_settings settings;
        struct str pem;
        enum err_kind want;
    } rows[] = {
        {"no account", {.account = STR("nobody")}, phone_pem, ERR_NOT_FOUND},
        {"no certificate", {.account = STR("you")}, STR("x"), ERR_SYNTAX},
        {"address of another",
         {.account = STR("you"), .login = STR("other@example.org")},
         phone_pem,
         ERR_SYNTAX},
        {"long name",
         {.account = STR("you"), .name = str_make(long_name, sizeof(long_name))},
         phone_pem,
         ERR_SYNTAX},
        {"name with a NUL", {.account = STR("you"), .name = STR("a\0b")}, phone_pem, ERR_SYNTAX},
        {"registered", {.account = STR("you")}, laptop_pem, ERR_CONFLICT},
        {"registered for somebody else", {.account = STR("other")}, laptop_pem, ERR_CONFLICT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_assert_not(add_key(&rows[i].settings, rows[i].pem), "%s", rows[i].name);
        cr_assert_eq(err.kind, rows[i].want, "%s: %s", rows[i].name, err.detail);
    }
    struct tls_key_settings nameless = {.login = STR("you@example.org")};
    cr_assert_not(directory_set_tls_key(&f.store, text_of(&laptop), &nameless, &err));
    cr_assert_eq(err.kind, ERR_SYNTAX);
    cr_assert_not(directory_remove_tls_key(&f.store, text_of(&phone), &err));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
    cr_assert_not(directory_remove_tls_key(&f.store, STR("*"), &err));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
}

Test(tls_keys, what_is_left_out_is_taken_from_certificate_and_account)
{
    struct tls_key_row row;
    cr_assert(directory_add_tls_key(&f.store, &(struct tls_key_settings){.account = STR("other")},
                                    phone_pem, &f.arena, &row, &err));
    cr_assert(str_eq(row.name, STR("phone")));
    cr_assert(str_eq(row.login, STR("other@example.org")));
    cr_assert(str_eq(row.algorithm, STR("ecdsa-256")));
    cr_assert(row.created_ms > 0);
}
