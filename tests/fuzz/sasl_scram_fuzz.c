/* Target functions: scram_parse_client_first, scram_parse_client_final, scram_secret_parse.
 * Properties: what was parsed lies inside the message; a short nonce is a
 * refusal; a stored secret survives its text form. */
#include "common/auth/scram.h"
#include "common/base/bug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str part, struct str whole)
{
    BUG_ON(part.len > whole.len);
    BUG_ON(part.len > 0 && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len));
}

static void check_secret(struct str text)
{
    struct scram_secret secret, again;
    struct err err;
    if (!scram_secret_parse(text, &secret, &err))
        return;
    struct buf written;
    buf_init(&written, 1024);
    BUG_ON(!scram_secret_write(&secret, &written));
    BUG_ON(!scram_secret_parse(buf_str(&written), &again, &err));
    BUG_ON(!str_eq(digest_str(&secret.stored_key), digest_str(&again.stored_key)));
    buf_release(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = str_make(data, size);
    struct arena arena;
    arena_init(&arena, 65536);
    struct scram_client_first first;
    struct scram_client_final final;
    struct err err;
    if (scram_parse_client_first(message, &arena, &first, &err)) {
        check_inside(first.gs2_header, message);
        check_inside(first.bare, message);
        check_inside(first.nonce, message);
        BUG_ON(first.gs2_header.len + first.bare.len != message.len);
        BUG_ON(first.username.len == 0 || first.nonce.len == 0);
        BUG_ON(!first.refusal && first.nonce.len < SCRAM_CLIENT_NONCE_MIN);
    }
    if (scram_parse_client_final(message, &arena, &final, &err)) {
        check_inside(final.without_proof, message);
        BUG_ON(!str_starts_with(message, final.without_proof));
    }
    check_secret(message);
    arena_release(&arena);
    return 0;
}
