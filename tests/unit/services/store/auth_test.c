#include "common/auth/scram.h"
#include "services/store/token.h"
#include "tests/unit/services/store/directory_fixture.h"

#include "common/base/clock.h"

#include <pthread.h>

static struct directory_fixture f;

static void setup(void)
{
    fixture_init(&f);
    add_domain(&f, &(struct domain_settings){.name = STR("example.org")});
    add_account(&f, "you", "you@example.org", "correct horse");
    add_account(&f, "nopass", "nopass@example.org", "");
}

static void teardown(void)
{
    fixture_release(&f);
}

TestSuite(auth, .init = setup, .fini = teardown);

static struct auth_step plain(struct arena *arena, const char *login, const char *password)
{
    struct buf b;
    buf_init(&b, 1024);
    buf_printf(&b, "%c%s%c%s", 0, login, 0, password);
    struct str response = arena_copy(arena, buf_str(&b));
    buf_release(&b);
    return (struct auth_step){
        .sasl = {.mechanism = STR("PLAIN"), .response = response, .has_response = true},
        .protocol = STR("imap"),
        .deadline_ms = clock_monotonic_ms() + 20000,
    };
}

static struct auth_reply log_in(const char *login, const char *password)
{
    struct auth_step step = plain(&f.arena, login, password);
    struct auth_reply reply;
    struct err err;
    cr_assert(auth_take_step(&f.store, &step, &f.arena, &reply, &err), "%s", err.detail);
    return reply;
}

static void expect_failure(struct auth_reply reply, enum sasl_failure failure, bool counts)
{
    cr_assert_eq(reply.outcome, SASL_FAILURE);
    cr_assert_eq(reply.failure, failure);
    cr_assert_eq(reply.counts, counts);
    cr_assert_eq(reply.token.len, 0);
}

Test(auth, a_right_password_gives_a_session)
{
    struct auth_reply reply = log_in("YOU@example.org", "correct horse");
    cr_assert_eq(reply.outcome, SASL_SUCCESS);
    cr_assert(str_eq(reply.login, STR("you@example.org")));
    cr_assert(str_eq(reply.account.name, STR("you")));
    struct token_session session;
    struct err err;
    cr_assert(token_check(&f.store, reply.token, TOKEN_MAILBOXES, &session, &err));
    cr_assert(!token_check(&f.store, reply.token, TOKEN_SUBMIT, &session, &err), "imap only reads");
    expect_failure(log_in("you@example.org", "correct hors"), SASL_CREDENTIALS, true);
    expect_failure(log_in("nobody@example.org", "correct horse"), SASL_CREDENTIALS, true);
    expect_failure(log_in("nopass@example.org", "correct horse"), SASL_CREDENTIALS, true);
    expect_failure(log_in("you", "correct horse"), SASL_CREDENTIALS, true);
}

/* Spec 10 B2: a password with NFD and exotic spaces logs in with its normalised form. */
Test(auth, passwords_are_prepared_on_both_sides)
{
    struct err err;
    cr_assert(
        directory_set_password(&f.store, STR("you"), STR("A\u030a correct\u00a0horse"), &err));
    cr_assert_eq(log_in("you@example.org", "\u00c5 correct horse").outcome, SASL_SUCCESS);
    cr_assert_eq(log_in("you@example.org", "A\u030a\u2003correct horse").outcome, SASL_SUCCESS);
}

Test(auth, right_passwords_are_remembered_until_they_change)
{
    cr_assert_eq(log_in("you@example.org", "correct horse").outcome, SASL_SUCCESS);
    uint64_t hashed = auth_hash_count(f.store.auth);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(log_in("you@example.org", "correct horse").outcome, SASL_SUCCESS);
    cr_assert_eq(auth_hash_count(f.store.auth), hashed);
    expect_failure(log_in("you@example.org", "wrong horse"), SASL_CREDENTIALS, true);
    expect_failure(log_in("you@example.org", "wrong horse"), SASL_CREDENTIALS, true);
    cr_assert_eq(auth_hash_count(f.store.auth), hashed + 2, "wrong ones are not");
    struct err err;
    cr_assert(directory_set_password(&f.store, STR("you"), STR("another horse"), &err));
    expect_failure(log_in("you@example.org", "correct horse"), SASL_CREDENTIALS, true);
    cr_assert_eq(log_in("you@example.org", "another horse").outcome, SASL_SUCCESS);
}

static void *log_in_from_thread(void *success)
{
    struct arena arena;
    arena_init(&arena, 1 << 18);
    struct auth_step step = plain(&arena, "you@example.org", "correct horse");
    struct auth_reply reply;
    struct err err;
    bool ok = auth_take_step(&f.store, &step, &arena, &reply, &err);
    *(bool *)success = ok && reply.outcome == SASL_SUCCESS;
    arena_release(&arena);
    return NULL;
}

Test(auth, equal_checks_at_the_same_time_share_one_hash)
{
    pthread_t threads[16];
    bool success[ARRAY_LEN(threads)];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, log_in_from_thread, &success[i]);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
        cr_assert(success[i], "thread %zu", i);
    }
    cr_assert_eq(auth_hash_count(f.store.auth), 1);
}

Test(auth, barred_accounts_learn_why_only_with_the_right_password)
{
    struct directory_account account = {.name = STR("barred"),
                                        .login_disabled = STR("see your administrator")};
    uint64_t id;
    struct err err;
    cr_assert(directory_add_account(&f.store, &account, STR("barred@example.org"),
                                    STR("correct horse"), &id, &err));
    struct auth_reply reply = log_in("barred@example.org", "correct horse");
    expect_failure(reply, SASL_DISABLED, false);
    cr_assert(str_eq(reply.text, STR("see your administrator")));
    expect_failure(log_in("barred@example.org", "wrong horse"), SASL_CREDENTIALS, true);
}

Test(auth, tokens_are_renewed_while_the_password_stands)
{
    struct auth_reply first = log_in("you@example.org", "correct horse"), next;
    struct err err;
    cr_assert(auth_renew(&f.store, first.token, &f.arena, &next, &err), "%s", err.detail);
    cr_assert(str_eq(next.login, STR("you@example.org")));
    struct token_session session;
    cr_assert(token_check(&f.store, next.token, TOKEN_MAILBOXES, &session, &err));
    cr_assert(!token_check(&f.store, next.token, TOKEN_SUBMIT, &session, &err));
    cr_assert(directory_set_password(&f.store, STR("you"), STR("another horse"), &err));
    cr_assert(!auth_renew(&f.store, next.token, &f.arena, &next, &err));
    cr_assert_eq(err.kind, ERR_DENIED);
}

/* ---- SCRAM: secrets of the directory, sealed states */

static struct auth_step scram(const char *mechanism, const char *response)
{
    return (struct auth_step){.sasl = {.mechanism = str_from_cstr(mechanism),
                                       .response = str_from_cstr(response),
                                       .has_response = true},
                              .protocol = STR("submission")};
}

static struct auth_reply take(const struct auth_step *step)
{
    struct auth_reply reply;
    struct err err;
    cr_assert(auth_take_step(&f.store, step, &f.arena, &reply, &err), "%s", err.detail);
    return reply;
}

/* "s=..., i=..." of a server-first-message. */
static struct str salt_and_iterations(struct str server_first)
{
    struct str rest;
    str_cut(server_first, ',', NULL, &rest);
    return rest;
}

static struct str challenge_for(const char *login)
{
    struct auth_step step = scram(
        "SCRAM-SHA-256", arena_cstr(&f.arena, arena_printf(&f.arena, "n,,n=%s,r=12345678", login)));
    struct auth_reply reply = take(&step);
    cr_assert_eq(reply.outcome, SASL_CONTINUE);
    return salt_and_iterations(reply.challenge);
}

Test(auth, scram_does_not_tell_who_exists)
{
    static const char *const logins[] = {"you@example.org", "nobody@example.org",
                                         "nopass@example.org", "you@elsewhere.example", "you"};
    for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
        struct str first = challenge_for(logins[i]);
        cr_assert(str_eq(first, challenge_for(logins[i])), "%s: the same each time", logins[i]);
        cr_assert_eq(first.len, challenge_for("you@example.org").len, "%s", logins[i]);
        cr_assert(str_ends_with(first, STR(",i=4096")), "%s", logins[i]);
    }
    cr_assert(str_eq(challenge_for("Nobody@example.org"), challenge_for("nobody@example.org")),
              "as with real users, case makes no difference");
    cr_assert(!str_eq(challenge_for("nobody@example.org"), challenge_for("somebody@example.org")));
}

static const char *proof_of(struct str server_first, const char *password)
{
    struct scram_secret secret;
    struct buf text, b;
    struct str nonce, rest, salt, iterations;
    str_cut(server_first, ',', &nonce, &rest);
    str_cut(rest, ',', &salt, &iterations);
    buf_init(&text, 256);
    buf_init(&b, 4096);
    struct err err;
    /* The stored form has the same fields; its keys do not matter here. */
    buf_printf(&text, "SCRAM-SHA-256$%.*s:%.*s$", STR_ARG(str_skip(iterations, 2)),
               STR_ARG(str_skip(salt, 2)));
    buf_append_cstr(&text, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    cr_assert(scram_secret_parse(buf_str(&text), &secret, &err), "%s", err.detail);
    struct str without_proof = arena_printf(&f.arena, "c=biws,%.*s", STR_ARG(nonce));
    scram_write_auth_message(&b, STR("n=you@example.org,r=12345678"), server_first, without_proof);
    struct digest salted = pbkdf2(DIGEST_SHA256, str_from_cstr(password),
                                  str_make(secret.salt, secret.salt_len), secret.iterations);
    struct digest key = hmac(DIGEST_SHA256, digest_str(&salted), STR("Client Key"));
    struct digest stored = digest_of(DIGEST_SHA256, digest_str(&key));
    struct digest signature = hmac(DIGEST_SHA256, digest_str(&stored), buf_str(&b));
    for (size_t i = 0; i < key.len; i++)
        key.bytes[i] ^= signature.bytes[i];
    struct scram_secret as_text = {
        .type = DIGEST_SHA256, .iterations = 1, .stored_key = key, .server_key = key};
    buf_reset(&b);
    scram_secret_write(&as_text, &b);
    struct str proof;
    cr_assert(str_cut(str_skip(buf_str(&b), sizeof("SCRAM-SHA-256$1:$") - 1), ':', &proof, NULL));
    const char *final = arena_cstr(
        &f.arena, arena_printf(&f.arena, "%.*s,p=%.*s", STR_ARG(without_proof), STR_ARG(proof)));
    buf_release(&b);
    buf_release(&text);
    return final;
}

Test(auth, scram_goes_through_even_when_store_restarts_in_between)
{
    struct auth_step step = scram("SCRAM-SHA-256", "n,,n=you@example.org,r=12345678");
    struct auth_reply reply = take(&step);
    fixture_close(&f);
    fixture_open(&f);
    step = scram("SCRAM-SHA-256", proof_of(reply.challenge, "correct horse"));
    step.sasl.state = reply.state;
    reply = take(&step);
    cr_assert_eq(reply.outcome, SASL_CONTINUE);
    cr_assert(str_starts_with(reply.challenge, STR("v=")), "%.*s", STR_ARG(reply.challenge));
    step = scram("SCRAM-SHA-256", "");
    step.sasl.state = reply.state;
    reply = take(&step);
    cr_assert_eq(reply.outcome, SASL_SUCCESS);
    struct token_session session;
    struct err err;
    cr_assert(token_check(&f.store, reply.token, TOKEN_SUBMIT, &session, &err));
}

Test(auth, scram_fails_when_the_password_changes_in_between)
{
    struct auth_step step = scram("SCRAM-SHA-256", "n,,n=you@example.org,r=12345678");
    struct auth_reply reply = take(&step);
    step = scram("SCRAM-SHA-256", proof_of(reply.challenge, "correct horse"));
    step.sasl.state = reply.state;
    reply = take(&step);
    struct err err;
    cr_assert(directory_set_password(&f.store, STR("you"), STR("another horse"), &err));
    step = scram("SCRAM-SHA-256", "");
    step.sasl.state = reply.state;
    expect_failure(take(&step), SASL_CREDENTIALS, true);
}

Test(auth, a_state_cannot_be_made_up_or_moved)
{
    struct auth_step step = scram("SCRAM-SHA-256", "n,,n=you@example.org,r=12345678");
    struct str state = take(&step).state;
    struct auth_reply reply;
    struct err err;
    for (size_t i = 0; i < state.len; i++) {
        struct str forged = arena_copy(&f.arena, state);
        ((char *)forged.ptr)[i] ^= 1;
        step.sasl.state = forged;
        cr_assert(!auth_take_step(&f.store, &step, &f.arena, &reply, &err), "byte %zu", i);
        cr_assert_eq(err.kind, ERR_STATE);
        arena_reset(&f.arena);
        step = scram("SCRAM-SHA-256", "n,,n=you@example.org,r=12345678");
        state = take(&step).state;
    }
    step = scram("SCRAM-SHA-1", "");
    step.sasl.state = state;
    cr_assert(!auth_take_step(&f.store, &step, &f.arena, &reply, &err), "another mechanism");
    cr_assert_eq(err.kind, ERR_STATE);
}

/* ---- CRAM-MD5 */

static struct auth_reply cram_md5(const char *login, const char *password)
{
    struct auth_step step = {.sasl = {.mechanism = STR("CRAM-MD5")}};
    struct auth_reply reply = take(&step);
    struct cram_md5_secret secret = cram_md5_secret_make(str_from_cstr(password));
    char digest[CRAM_MD5_HEX_SIZE + 1];
    cram_md5_digest(&secret, reply.challenge, digest);
    step.sasl.state = reply.state;
    step.sasl.has_response = true;
    step.sasl.response = arena_printf(&f.arena, "%s %s", login, digest);
    return take(&step);
}

Test(auth, cram_md5_works_where_its_secret_is_kept)
{
    struct directory_account account = {.name = STR("safe"), .no_cram_md5 = true};
    uint64_t id;
    struct err err;
    cr_assert(directory_add_account(&f.store, &account, STR("safe@example.org"),
                                    STR("correct horse"), &id, &err));
    cr_assert_eq(cram_md5("you@example.org", "correct horse").outcome, SASL_SUCCESS);
    expect_failure(cram_md5("you@example.org", "wrong horse"), SASL_CREDENTIALS, true);
    expect_failure(cram_md5("nobody@example.org", "correct horse"), SASL_CREDENTIALS, true);
    expect_failure(cram_md5("safe@example.org", "correct horse"), SASL_NO_SECRET, false);
    cr_assert(directory_set_password(&f.store, STR("safe"), STR("another horse"), &err));
    expect_failure(cram_md5("safe@example.org", "another horse"), SASL_NO_SECRET, false);
}
