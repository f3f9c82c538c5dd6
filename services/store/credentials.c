#include "services/store/credentials.h"

#include "common/auth/cram_md5.h"
#include "common/auth/password.h"
#include "common/auth/scram.h"

#include <sys/random.h>

static bool make_scram(enum digest_type type, struct str prepared, struct arena *arena,
                       struct str *ret, struct err *err)
{
    unsigned char salt[SCRAM_SALT_SIZE];
    if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return err_set(err, ERR_INTERNAL, "no random numbers");
    struct scram_secret secret =
        scram_secret_make(type, prepared, str_make(salt, sizeof(salt)), scram_iterations(type));
    struct buf text;
    buf_init(&text, 512);
    scram_secret_write(&secret, &text);
    *ret = arena_copy(arena, buf_str(&text));
    buf_release_secret(&text);
    return true;
}

bool credential_make(struct str password, bool no_cram_md5, struct arena *arena,
                     struct credential_row *ret, struct err *err)
{
    struct str prepared;
    struct password_hash hash;
    *ret = (struct credential_row){.cram_md5 = STR_NULL};
    TRY(password_prepare_new(password, arena, &prepared, err));
    TRY(password_hash(prepared, &hash, err));
    ret->hash = arena_copy(arena, str_from_cstr(hash.text));
    TRY(make_scram(DIGEST_SHA1, prepared, arena, &ret->scram_sha1, err));
    TRY(make_scram(DIGEST_SHA256, prepared, arena, &ret->scram_sha256, err));
    if (!no_cram_md5) {
        struct cram_md5_secret secret = cram_md5_secret_make(prepared);
        ret->cram_md5 = arena_copy(arena, str_make(secret.bytes, sizeof(secret.bytes)));
    }
    if (arena->exhausted)
        return err_set(err, ERR_LIMIT, "no room for a credential");
    return true;
}
