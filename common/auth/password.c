#include "common/auth/password.h"

#include "common/auth/precis.h"
#include "common/base/bug.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define YESCRYPT_PREFIX "$y$"

static bool refuse_length(struct err *err, const char *rule, unsigned bytes)
{
    err_set(err, ERR_LIMIT, "the password has %s than %u bytes", rule, bytes);
    return err_reply(err, "the password has %s than %u bytes", rule, bytes);
}

bool password_prepare(struct str typed, struct arena *arena, struct str *ret, struct err *err)
{
    /* Preparation shortens by at most the factor 3 (U+3000 to a space). */
    if (typed.len > 3 * PASSWORD_SIZE_MAX)
        return refuse_length(err, "more", PASSWORD_SIZE_MAX);
    TRY(precis_opaque_string(typed, arena, ret, err));
    if (ret->len > PASSWORD_SIZE_MAX)
        return refuse_length(err, "more", PASSWORD_SIZE_MAX);
    return true;
}

bool password_prepare_new(struct str typed, struct arena *arena, struct str *ret, struct err *err)
{
    if (typed.len == 0)
        return refuse_length(err, "less", PASSWORD_SIZE_MIN);
    TRY(password_prepare(typed, arena, ret, err));
    if (ret->len < PASSWORD_SIZE_MIN)
        return refuse_length(err, "less", PASSWORD_SIZE_MIN);
    return true;
}

/* crypt(3) with its large work area on the heap, wiped afterwards. */
static bool hash_with(struct str prepared, const char *setting, struct password_hash *ret,
                      struct err *err)
{
    char phrase[PASSWORD_SIZE_MAX + 1];
    if (!str_copy_cstr(prepared, phrase, sizeof(phrase)))
        return err_set(err, ERR_LIMIT, "not a prepared password");
    struct crypt_data *work = xcalloc(1, sizeof(*work));
    errno = 0;
    const char *text = crypt_rn(phrase, setting, work, (int)sizeof(*work));
    int errnum = errno;
    explicit_bzero(phrase, sizeof(phrase));
    bool ok = text && str_copy_cstr(str_from_cstr(text), ret->text, sizeof(ret->text));
    explicit_bzero(work, sizeof(*work));
    free(work);
    if (ok)
        return true;
    if (errnum == ENOMEM)
        return err_set(err, ERR_TEMPORARY, "no memory to hash a password");
    return err_set(err, ERR_CORRUPT, "not a password hash that libcrypt knows");
}

bool password_hash(struct str prepared, struct password_hash *ret, struct err *err)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn(YESCRYPT_PREFIX, 0, NULL, 0, setting, sizeof(setting)))
        return err_set_errno(err, errno, "cannot make a salt");
    return hash_with(prepared, setting, ret, err);
}

bool password_verify(struct str prepared, const char *hash, bool *ret_matches, struct err *err)
{
    struct password_hash again;
    TRY(hash_with(prepared, hash, &again, err));
    *ret_matches = str_eq_secret(str_from_cstr(again.text), str_from_cstr(hash));
    return true;
}

const char *password_hash_of_nobody(void)
{
    /* The default cost with a fixed salt; the digest of yescrypt is never all dots in practice. */
    return YESCRYPT_PREFIX "j9T$nobodynobodynobodynob0$...........................................";
}
