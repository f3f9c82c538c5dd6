#include "common/auth/scram.h"

#include <criterion/criterion.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 16);
}
static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(scram, .init = setup, .fini = teardown);

Test(scram, client_first_is_parsed_or_refused)
{
    static const struct {
        const char *name, *in;
        bool ok;
        enum scram_binding_flag flag;
        const char *gs2, *username, *authzid;
        bool refused; /* though it is well-formed */
    } rows[] = {
        {"RFC 5802 5", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", true, SCRAM_BINDING_NONE, "n,,",
         "user", NULL},
        {"binding", "p=tls-exporter,,n=user,r=12345678", true, SCRAM_BINDING_USED,
         "p=tls-exporter,,", "user", NULL},
        {"unknown", "y,,n=user,r=12345678", true, SCRAM_BINDING_UNKNOWN, "y,,", "user", NULL},
        {"authzid", "n,a=other,n=user,r=12345678", true, SCRAM_BINDING_NONE, "n,a=other,", "user",
         "other"},
        {"encoded name", "n,,n=a=2Cb=3Dc,r=12345678", true, SCRAM_BINDING_NONE, "n,,", "a,b=c",
         NULL},
        {"optional extension", "n,,n=user,r=12345678,x=y", true, SCRAM_BINDING_NONE, "n,,", "user",
         NULL},
        {"bare equals sign", "n,,n=a=b,r=12345678", false, 0, NULL, NULL, NULL},
        {"mandatory extension", "n,,m=x,n=user,r=12345678", true, 0, "n,,", "user", NULL, true},
        {"mandatory extension at the end", "n,,n=user,r=12345678,m=x", true, 0, "n,,", "user", NULL,
         true},
        {"mandatory extension without value", "n,,m=,n=user,r=12345678", false, 0, NULL, NULL,
         NULL},
        {"mandatory extension alone", "n,,m=x", false, 0, NULL, NULL, NULL},
        {"short nonce", "n,,n=user,r=1234567", true, 0, "n,,", "user", NULL, true},
        {"no nonce", "n,,n=user,r=", false, 0, NULL, NULL, NULL},
        {"empty name", "n,,n=,r=12345678", false, 0, NULL, NULL, NULL},
        {"no flag", ",,n=user,r=12345678", false, 0, NULL, NULL, NULL},
        {"flag without name", "p=,,n=user,r=12345678", false, 0, NULL, NULL, NULL},
        {"extension without value", "n,,n=user,r=12345678,x=", false, 0, NULL, NULL, NULL},
        {"trailing comma", "n,,n=user,r=12345678,", false, 0, NULL, NULL, NULL},
        {"nothing", "", false, 0, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scram_client_first first;
        struct err err;
        bool ok = scram_parse_client_first(str_from_cstr(rows[i].in), &arena, &first, &err);
        cr_assert_eq(ok, rows[i].ok, "%s", rows[i].name);
        if (!ok)
            continue;
        cr_assert_eq(first.refusal != NULL, rows[i].refused, "%s", rows[i].name);
        cr_assert_eq(first.flag, rows[i].flag, "%s", rows[i].name);
        cr_assert(str_eq(first.gs2_header, str_from_cstr(rows[i].gs2)), "%s", rows[i].name);
        cr_assert(str_eq(first.username, str_from_cstr(rows[i].username)), "%s", rows[i].name);
        cr_assert(str_eq(first.authzid, str_from_cstr(rows[i].authzid)), "%s", rows[i].name);
    }
}

Test(scram, client_final_is_parsed_or_refused)
{
    static const struct {
        const char *name, *in, *without_proof; /* NULL: refused */
    } rows[] = {
        {"RFC 5802 5", "c=biws,r=abc,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "c=biws,r=abc"},
        {"extension", "c=biws,r=abc,x=1,p=AAAA", "c=biws,r=abc,x=1"},
        {"no proof", "c=biws,r=abc", NULL},
        {"mandatory extension", "c=biws,r=abc,m=1,p=AAAA", NULL},
        {"bad base64", "c=biw,r=abc,p=AAAA", NULL},
        {"bad proof", "c=biws,r=abc,p=A", NULL},
        {"after the proof", "c=biws,r=abc,p=AAAA,x=1", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scram_client_final final;
        struct err err;
        bool ok = scram_parse_client_final(str_from_cstr(rows[i].in), &arena, &final, &err);
        cr_assert_eq(ok, rows[i].without_proof != NULL, "%s", rows[i].name);
        if (!ok)
            continue;
        cr_assert(str_eq(final.binding, STR("n,,")), "%s", rows[i].name);
        cr_assert(str_eq(final.without_proof, str_from_cstr(rows[i].without_proof)), "%s",
                  rows[i].name);
    }
}

Test(scram, secrets_survive_their_text_form)
{
    for (int type = DIGEST_SHA1; type <= DIGEST_SHA256; type++) {
        struct scram_secret secret = scram_secret_make(type, STR("pencil"), STR("some salt"), 4096);
        struct buf text;
        buf_init(&text, 512);
        cr_assert(scram_secret_write(&secret, &text));
        struct scram_secret again;
        struct err err;
        cr_assert(scram_secret_parse(buf_str(&text), &again, &err), "%s", err.detail);
        cr_assert_eq(again.type, secret.type);
        cr_assert_eq(again.iterations, 4096);
        cr_assert_eq(again.salt_len, 9);
        cr_assert(str_eq(digest_str(&again.stored_key), digest_str(&secret.stored_key)));
        cr_assert(str_eq(digest_str(&again.server_key), digest_str(&secret.server_key)));
        cr_assert(!scram_secret_parse(str_slice(buf_str(&text), 0, text.len - 1), &again, &err));
        buf_release(&text);
    }
}

Test(scram, nobody_always_has_the_same_secret)
{
    struct scram_secret a = scram_secret_fake(DIGEST_SHA256, STR("key"), STR("x@example.org"));
    struct scram_secret b = scram_secret_fake(DIGEST_SHA256, STR("key"), STR("x@example.org"));
    struct scram_secret c = scram_secret_fake(DIGEST_SHA256, STR("key"), STR("y@example.org"));
    struct scram_secret d = scram_secret_fake(DIGEST_SHA1, STR("key"), STR("x@example.org"));
    cr_assert_eq(a.salt_len, SCRAM_SALT_SIZE);
    cr_assert_arr_eq(a.salt, b.salt, SCRAM_SALT_SIZE);
    cr_assert_arr_neq(a.salt, c.salt, SCRAM_SALT_SIZE);
    cr_assert_arr_neq(a.salt, d.salt, SCRAM_SALT_SIZE);
    cr_assert_eq(a.iterations, scram_iterations(DIGEST_SHA256));
    cr_assert_eq(d.stored_key.len, SHA1_SIZE);
}
