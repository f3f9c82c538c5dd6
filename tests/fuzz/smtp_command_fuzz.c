/* Target functions: smtp_verb_take, smtp_hello_parse, smtp_mail_parse, smtp_rcpt_parse,
 * smtp_auth_parse. Properties: a refusal is a 5xx reply; an accepted path, written again, parses to
 * the same. */
#include "common/base/bug.h"
#include "common/smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const struct smtp_path *path, struct arena *arena)
{
    struct buf out;
    buf_init(&out, 2048);
    smtp_path_write(&out, path);
    struct smtp_path again;
    struct err err;
    bool ok = smtp_path_is_null(path)
                  ? out.len == 0
                  : smtp_forward_path_parse(buf_str(&out), ADDRESS_LOCALPART_LEN_MAX, arena, &again,
                                            &err) &&
                        address_eq(path->address, again.address);
    BUG_ON(!ok);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct smtp_rules rules = {
        .space_after_colon = true,
        .localpart_max = ADDRESS_LOCALPART_LEN_MAX,
        .size_max = 1 << 20,
        .requiretls = true,
        .tls = true,
        .future_release = true,
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str argument, mechanism, initial;
    struct smtp_reply refusal = {.code = 550};
    struct smtp_hello hello;
    struct smtp_mail mail;
    struct smtp_path path;
    switch (smtp_verb_take(str_make(data, size), &argument)) {
    case SMTP_VERB_EHLO:
    case SMTP_VERB_HELO:
        if (smtp_hello_parse(argument, true, &arena, &hello, &refusal))
            BUG_ON(hello.name.len == 0 || hello.name.len > 255);
        break;
    case SMTP_VERB_MAIL:
        if (smtp_mail_parse(argument, &rules, &arena, &mail, &refusal))
            check_path(&mail.from, &arena);
        break;
    case SMTP_VERB_RCPT:
        if (smtp_rcpt_parse(argument, &rules, true, &arena, &path, &refusal))
            check_path(&path, &arena);
        break;
    case SMTP_VERB_AUTH:
        if (smtp_auth_parse(argument, true, &mechanism, &initial, &refusal))
            BUG_ON(mechanism.len == 0 || mechanism.len > 20);
        break;
    default:
        break;
    }
    BUG_ON(!smtp_reply_is_permanent(&refusal));
    arena_release(&arena);
    return 0;
}
