#include "common/auth/sasl.h"

#include "common/text/base64.h"

#include <criterion/criterion.h>

/* One user, "user" with password "pencil", who has no secret for CRAM-MD5 when `no_cram` is set. */
struct people {
    struct str salt;
    unsigned iterations;
    bool no_cram;
    bool has_key; /* the client holds the key of "user" */
};

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 18);
}
static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(sasl, .init = setup, .fini = teardown);

static bool check_password(void *user, struct str login, struct str password, bool *ret_right,
                           struct err *err)
{
    (void)user;
    if (password.len == 0)
        return err_set(err, ERR_SYNTAX, "the password is empty");
    *ret_right = str_eq(login, STR("user")) && str_eq(password, STR("pencil"));
    return true;
}

static bool find_scram(void *user, struct str login, enum digest_type type,
                       struct scram_secret *ret, enum sasl_user *ret_user, struct err *err)
{
    (void)err;
    const struct people *people = user;
    *ret_user = str_eq(login, STR("user")) ? SASL_USER_FOUND : SASL_USER_UNKNOWN;
    *ret = *ret_user == SASL_USER_FOUND
               ? scram_secret_make(type, STR("pencil"), people->salt, people->iterations)
               : scram_secret_fake(type, STR("key"), login);
    return true;
}

static bool find_cram_md5(void *user, struct str login, struct cram_md5_secret *ret,
                          enum sasl_user *ret_user, struct err *err)
{
    (void)err;
    const struct people *people = user;
    *ret_user = SASL_USER_UNKNOWN;
    if (str_eq(login, STR("user")))
        *ret_user = people->no_cram ? SASL_USER_NO_SECRET : SASL_USER_FOUND;
    *ret = cram_md5_secret_make(STR("pencil"));
    return true;
}

static bool check_key(void *user, struct str identity, struct str *ret_login, bool *ret_right,
                      struct err *err)
{
    (void)err;
    const struct people *people = user;
    *ret_right = people->has_key && (identity.len == 0 || str_eq(identity, STR("user")));
    if (*ret_right)
        *ret_login = STR("user");
    return true;
}

static struct str decoded(const char *base64)
{
    struct buf b;
    buf_init(&b, 256);
    struct err err;
    cr_assert(base64_decode(&b, str_from_cstr(base64), &err));
    struct str copy = arena_copy(&arena, buf_str(&b));
    buf_release(&b);
    return copy;
}

struct exchange {
    struct people people;
    struct sasl_users users;
    struct sasl_step step;
    struct sasl_reply reply;
};

static void begin(struct exchange *x, const char *mechanism)
{
    *x = (struct exchange){.people = {.salt = STR("salt"), .iterations = 1}};
    x->users =
        (struct sasl_users){check_password, find_scram, find_cram_md5, check_key, &x->people};
    x->step = (struct sasl_step){
        .mechanism = str_from_cstr(mechanism),
        .nonce = STR("3rfcNHYJY1ZVvWVs7j"),
        .now_ms = 1700000000000,
        .hostname = STR("mail.example.org"),
        .users = &x->users,
    };
}

/* NULL: no initial response. False: the step was refused, with that kind of error. */
static bool send(struct exchange *x, const char *response, enum err_kind *ret_kind)
{
    x->step.response = str_from_cstr(response);
    x->step.has_response = response != NULL;
    struct err err = {0};
    bool ok = sasl_step(&x->step, &arena, &x->reply, &err);
    x->step.state = ok ? x->reply.state : x->step.state;
    if (!ok && ret_kind)
        *ret_kind = err.kind;
    return ok;
}

static void expect_challenge(struct exchange *x, const char *response, const char *challenge)
{
    cr_assert(send(x, response, NULL), "%s", response);
    cr_assert_eq(x->reply.outcome, SASL_CONTINUE, "%s", response);
    cr_assert(str_eq(x->reply.challenge, str_from_cstr(challenge)), "%s -> %.*s", response,
              STR_ARG(x->reply.challenge));
}

static void expect_success(struct exchange *x, const char *response)
{
    cr_assert(send(x, response, NULL));
    cr_assert_eq(x->reply.outcome, SASL_SUCCESS, "%s", x->reply.text);
    cr_assert(str_eq(x->reply.login, STR("user")));
}

static void expect_failure(struct exchange *x, const char *response, enum sasl_failure failure)
{
    cr_assert(send(x, response, NULL), "%s", response);
    cr_assert_eq(x->reply.outcome, SASL_FAILURE, "%s", response);
    cr_assert_eq(x->reply.failure, failure, "%s: %s", response, x->reply.text);
    cr_assert_not_null(x->reply.text);
}

Test(sasl, scram_sha_1_is_the_exchange_of_rfc_5802_5)
{
    struct exchange x;
    begin(&x, "SCRAM-SHA-1");
    x.people.salt = decoded("QSXCR+Q6sek8bf92");
    x.people.iterations = 4096;
    expect_challenge(&x, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
    expect_challenge(&x,
                     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
                     "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
    expect_success(&x, "");
}

Test(sasl, scram_sha_256_is_the_exchange_of_rfc_7677_3)
{
    struct exchange x;
    begin(&x, "SCRAM-SHA-256");
    x.people.salt = decoded("W22ZaJ0SNY7soEsUEjb6gQ==");
    x.people.iterations = 4096;
    x.step.nonce = STR("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    /* Without an initial response the server asks with an empty challenge. */
    expect_challenge(&x, NULL, "");
    expect_challenge(&x, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                     "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    expect_challenge(&x,
                     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                     "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    expect_success(&x, "");
}

/* The client's side, to answer with right proofs for any header and binding. */
static const char *client_final(struct exchange *x, const char *first_bare, const char *gs2,
                                struct str binding, const char *password)
{
    struct str server_first = x->reply.challenge, nonce;
    str_cut(server_first, ',', &nonce, NULL);
    struct buf input, b;
    buf_init(&input, 1024);
    buf_init(&b, 4096);
    buf_append_cstr(&input, gs2);
    buf_append(&input, binding);
    buf_append_cstr(&b, "c=");
    base64_encode(&b, buf_str(&input));
    buf_printf(&b, ",%.*s", STR_ARG(nonce));
    struct str without_proof = arena_copy(&arena, buf_str(&b));
    struct str message = arena_printf(&arena, "%s,%.*s,%.*s", first_bare, STR_ARG(server_first),
                                      STR_ARG(without_proof));
    struct digest salted =
        pbkdf2(DIGEST_SHA256, str_from_cstr(password), x->people.salt, x->people.iterations);
    struct digest key = hmac(DIGEST_SHA256, digest_str(&salted), STR("Client Key"));
    struct digest stored = digest_of(DIGEST_SHA256, digest_str(&key));
    struct digest signature = hmac(DIGEST_SHA256, digest_str(&stored), message);
    for (size_t i = 0; i < key.len; i++)
        key.bytes[i] ^= signature.bytes[i];
    buf_append_cstr(&b, ",p=");
    base64_encode(&b, digest_str(&key));
    const char *text = arena_cstr(&arena, buf_str(&b));
    buf_release(&b);
    buf_release(&input);
    return text;
}

static const struct sasl_binding exporter = {STR_INIT("tls-exporter"),
                                             STR_INIT("0123456789abcdef")};

static void begin_bound(struct exchange *x, const char *mechanism)
{
    begin(x, mechanism);
    x->step.bindings = &exporter;
    x->step.binding_count = 1;
}

Test(sasl, scram_binds_to_the_channel)
{
    static const char *const mechanisms[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
    static const char gs2[] = "p=tls-exporter,,", bare[] = "n=user,r=12345678";
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        struct exchange x;
        begin_bound(&x, mechanisms[i]);
        cr_assert(send(&x, "p=tls-exporter,,n=user,r=12345678", NULL));
        cr_assert(send(&x, client_final(&x, bare, gs2, exporter.data, "pencil"), NULL));
        cr_assert(str_starts_with(x.reply.challenge, STR("v=")), "%.*s",
                  STR_ARG(x.reply.challenge));
        expect_success(&x, "");

        begin_bound(&x, mechanisms[i]);
        cr_assert(send(&x, "p=tls-exporter,,n=user,r=12345678", NULL));
        expect_challenge(&x, client_final(&x, bare, gs2, STR("of another connection"), "pencil"),
                         "e=channel-bindings-dont-match");
        expect_failure(&x, "*", SASL_CHANNEL_BINDING);
    }
}

Test(sasl, scram_refuses_first_messages_that_do_not_fit)
{
    static const struct {
        const char *name, *mechanism, *first;
        bool bound;
    } rows[] = {
        {"flag y is a downgrade", "SCRAM-SHA-256", "y,,n=user,r=12345678", true},
        {"flag y is a downgrade, also with PLUS", "SCRAM-SHA-256-PLUS", "y,,n=user,r=12345678",
         true},
        {"PLUS without binding", "SCRAM-SHA-256-PLUS", "n,,n=user,r=12345678", true},
        {"a type that the connection lacks", "SCRAM-SHA-256-PLUS",
         "p=tls-unique,,n=user,r=12345678", true},
        {"a mandatory extension", "SCRAM-SHA-256", "n,,m=foo,n=user,r=12345678", true},
        {"a short nonce", "SCRAM-SHA-256", "n,,n=user,r=123", true},
        {"no TLS", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=user,r=12345678", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exchange x;
        begin_bound(&x, rows[i].mechanism);
        x.step.binding_count = rows[i].bound;
        expect_failure(&x, rows[i].first, SASL_PROTOCOL);
    }
}

Test(sasl, scram_failures_are_told_before_they_end_the_exchange)
{
    static const char first[] = "n,,n=user,r=12345678", bare[] = "n=user,r=12345678";
    struct exchange x;
    begin(&x, "SCRAM-SHA-256");
    cr_assert(send(&x, first, NULL));
    expect_challenge(&x, client_final(&x, bare, "n,,", STR(""), "pencils"), "e=invalid-proof");
    expect_failure(&x, "", SASL_CREDENTIALS);

    begin(&x, "SCRAM-SHA-256");
    cr_assert(send(&x, "n,,n=nobody,r=12345678", NULL));
    cr_assert_eq(x.reply.outcome, SASL_CONTINUE, "nobody gets a challenge too");
    expect_challenge(&x, client_final(&x, "n=nobody,r=12345678", "n,,", STR(""), "pencil"),
                     "e=invalid-proof");
    expect_failure(&x, "", SASL_CREDENTIALS);

    begin(&x, "SCRAM-SHA-256");
    cr_assert(send(&x, first, NULL));
    expect_challenge(&x, "c=biws,r=12345678other,p=AAAA", "e=other-error");
    expect_failure(&x, "", SASL_PROTOCOL);

    begin(&x, "SCRAM-SHA-256");
    cr_assert(send(&x, first, NULL));
    expect_challenge(&x, client_final(&x, bare, "y,,", STR(""), "pencil"),
                     "e=channel-bindings-dont-match");

    begin(&x, "SCRAM-SHA-256");
    expect_failure(&x, "n,a=other,n=user,r=12345678", SASL_AUTHORIZATION);
    begin(&x, "SCRAM-SHA-256");
    expect_failure(&x, "n,,n=A\u030angstrom,r=12345678", SASL_ENCODING);
    enum err_kind kind = ERR_NONE;
    begin(&x, "SCRAM-SHA-256");
    cr_assert(!send(&x, "n,,r=12345678", &kind));
    cr_assert_eq(kind, ERR_SYNTAX);
}

Test(sasl, cram_md5_asks_and_judges)
{
    static const char challenge[] = "<3rfcNHYJY1ZVvWVs7j.1700000000000@mail.example.org>";
    struct exchange x;
    enum err_kind kind = ERR_NONE;
    begin(&x, "CRAM-MD5");
    cr_assert(!send(&x, "", &kind), "RFC 2195: no initial response");
    cr_assert_eq(kind, ERR_SYNTAX);

    struct cram_md5_secret secret = cram_md5_secret_make(STR("pencil"));
    char digest[CRAM_MD5_HEX_SIZE + 1];
    cram_md5_digest(&secret, STR("<3rfcNHYJY1ZVvWVs7j.1700000000000@mail.example.org>"), digest);
    begin(&x, "CRAM-MD5");
    expect_challenge(&x, NULL, challenge);
    expect_success(&x, arena_cstr(&arena, arena_printf(&arena, "user %s", digest)));
    begin(&x, "CRAM-MD5");
    expect_challenge(&x, NULL, challenge);
    expect_failure(&x, arena_cstr(&arena, arena_printf(&arena, "nobody %s", digest)),
                   SASL_CREDENTIALS);
    begin(&x, "CRAM-MD5");
    expect_challenge(&x, NULL, challenge);
    expect_failure(&x, "user b913a602c7eda7a495b4e6e7334d3890", SASL_CREDENTIALS);
    begin(&x, "CRAM-MD5");
    x.people.no_cram = true;
    expect_challenge(&x, NULL, challenge);
    expect_failure(&x, arena_cstr(&arena, arena_printf(&arena, "user %s", digest)), SASL_NO_SECRET);
}

static bool send_bytes(struct exchange *x, struct str response)
{
    x->step.response = response;
    x->step.has_response = true;
    struct err err;
    return sasl_step(&x->step, &arena, &x->reply, &err);
}

Test(sasl, plain_has_three_parts)
{
    static const struct {
        const char *name;
        struct str in;
        enum sasl_outcome outcome;
        enum sasl_failure failure;
    } rows[] = {
        {"right", STR_INIT("\0user\0pencil"), SASL_SUCCESS, 0},
        {"the same authzid", STR_INIT("user\0user\0pencil"), SASL_SUCCESS, 0},
        {"another authzid", STR_INIT("other\0user\0pencil"), SASL_FAILURE, SASL_AUTHORIZATION},
        {"wrong password", STR_INIT("\0user\0pencils"), SASL_FAILURE, SASL_CREDENTIALS},
        {"unknown user", STR_INIT("\0nobody\0pencil"), SASL_FAILURE, SASL_CREDENTIALS},
        {"no possible password", STR_INIT("\0user\0"), SASL_FAILURE, SASL_ENCODING},
        {"no possible name", STR_INIT("\0us\xff\0pencil"), SASL_FAILURE, SASL_ENCODING},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exchange x;
        begin(&x, "PLAIN");
        cr_assert(send_bytes(&x, rows[i].in), "%s", rows[i].name);
        cr_assert_eq(x.reply.outcome, rows[i].outcome, "%s", rows[i].name);
        if (rows[i].outcome == SASL_FAILURE)
            cr_assert_eq(x.reply.failure, rows[i].failure, "%s", rows[i].name);
    }
    struct exchange x;
    begin(&x, "PLAIN");
    cr_assert(!send_bytes(&x, STR("user\0pencil")), "two parts");
    cr_assert(!send_bytes(&x, STR("\0user\0pencil\0")), "four parts");
    begin(&x, "PLAIN");
    expect_challenge(&x, NULL, "");
    x.step.state = x.reply.state;
    cr_assert(send_bytes(&x, STR("\0user\0pencil")));
    cr_assert_eq(x.reply.outcome, SASL_SUCCESS);
}

Test(sasl, login_asks_twice_or_once)
{
    struct exchange x;
    begin(&x, "LOGIN");
    expect_challenge(&x, NULL, "Username:");
    expect_challenge(&x, "user", "Password:");
    expect_success(&x, "pencil");
    begin(&x, "LOGIN");
    expect_challenge(&x, "user", "Password:");
    expect_failure(&x, "wrong", SASL_CREDENTIALS);
}

/* RFC 4422 A */
Test(sasl, external_is_what_tls_has_proven)
{
    static const struct {
        const char *name;
        const char *response; /* NULL: none at first, then empty */
        bool has_key;
        bool succeeds;
        enum sasl_failure failure;
    } rows[] = {
        {"own identity", "", true, true, 0},
        {"own identity, asked for", NULL, true, true, 0},
        {"own identity by its name", "user", true, true, 0},
        {"somebody else", "other", true, false, SASL_CREDENTIALS},
        {"no name", "us\xff", true, false, SASL_ENCODING},
        {"no key", "", false, false, SASL_CREDENTIALS},
        {"a name but no key", "user", false, false, SASL_CREDENTIALS},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exchange x;
        begin(&x, "EXTERNAL");
        x.people.has_key = rows[i].has_key;
        if (!rows[i].response)
            expect_challenge(&x, NULL, "");
        if (rows[i].succeeds)
            expect_success(&x, rows[i].response ? rows[i].response : "");
        else
            expect_failure(&x, rows[i].response, rows[i].failure);
    }
    struct exchange x;
    begin(&x, "EXTERNAL");
    x.people.has_key = true;
    cr_assert(send_bytes(&x, STR("user\0user")));
    cr_assert_eq(x.reply.failure, SASL_ENCODING, "NUL");
}

Test(sasl, unknown_mechanisms_are_refused)
{
    enum err_kind kind = ERR_NONE;
    struct exchange x;
    begin(&x, "FOO");
    cr_assert(!send(&x, "", &kind));
    cr_assert_eq(kind, ERR_NOT_FOUND);
    begin(&x, "plain");
    cr_assert(!send(&x, "", NULL));
    cr_assert_str_eq(sasl_mechanism_name(0), "EXTERNAL");
    cr_assert_null(sasl_mechanism_name(8));
}
