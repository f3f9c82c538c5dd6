#include "services/mailrail/mail_draft.h"

#include "common/base/clock.h"
#include "common/mail/compose.h"
#include "common/mail/structure.h"
#include "common/smtp/path.h"

#define PREFIX_MAX 8192

static struct mail_address of_path(const struct smtp_path *path)
{
    return (struct mail_address){path->address.localpart, path->address.domain};
}

bool mail_draft_recipient(struct str text, struct arena *arena, struct mail_address *ret,
                          struct err *err)
{
    struct smtp_path path;
    if (!smtp_forward_path_parse(text, ADDRESS_LOCALPART_LEN_MAX, arena, &path, err))
        return err_wrap(err, "address \"%.*s\"", STR_ARG(text));
    *ret = of_path(&path);
    return true;
}

bool mail_draft_sender(struct str text, struct arena *arena, struct mail_address *ret,
                       struct err *err)
{
    struct smtp_path path;
    if (!smtp_reverse_path_parse(text, ADDRESS_LOCALPART_LEN_MAX, arena, &path, err))
        return err_wrap(err, "sender \"%.*s\"", STR_ARG(text));
    *ret = of_path(&path);
    return true;
}

/* As smtp-in writes them, for a message that came from nowhere but this host. */
static bool write_prefix(struct mail_address sender, struct mail_address recipient,
                         struct str hostname, bool smtputf8, struct buf *out)
{
    const struct address from = {sender.localpart, sender.domain};
    const struct address to = {recipient.localpart,
                               recipient.domain.len > 0 ? recipient.domain : hostname};
    bool is_null = from.localpart.len == 0 && from.domain.len == 0;
    struct received received = {.hello = STR("localhost"),
                                .by_host = hostname,
                                .recipient = &to,
                                .date = {.time_s = clock_wall_s()},
                                .smtputf8 = smtputf8};
    compose_return_path(out, is_null ? NULL : &from, smtputf8);
    buf_append_cstr(out, "Delivered-To: ");
    address_write(out, to);
    buf_append_cstr(out, "\r\n");
    compose_received(out, &received);
    return !out->overflow;
}

static struct mail_address from_of(const struct structure *structure)
{
    struct address from;
    struct err none;
    if (!address_list_single(structure->envelope->from, &from, &none))
        return (struct mail_address){STR(""), STR("")};
    return (struct mail_address){from.localpart, from.domain};
}

static bool copy(struct buf *from, struct arena *arena, struct str *ret, struct err *err)
{
    *ret = arena_copy(arena, buf_str(from));
    return !str_is_null(*ret) || err_set(err, ERR_LIMIT, "the message has too many parts");
}

bool mail_draft_make(struct str text, struct mail_address sender, struct mail_address recipient,
                     struct str hostname, struct arena *arena, struct mail_draft *ret,
                     struct err *err)
{
    struct buf encoded, prefix;
    const struct structure *structure = structure_parse(text, arena);
    *ret = (struct mail_draft){.from = from_of(structure), .smtputf8 = structure->needs_smtputf8};
    buf_init(&encoded, STRUCTURE_ARENA_SIZE);
    buf_init(&prefix, PREFIX_MAX);
    bool ok = structure_encode(structure, arena, &encoded, err) &&
              copy(&encoded, arena, &ret->structure, err);
    if (ok && !write_prefix(sender, recipient, hostname, ret->smtputf8, &prefix))
        ok = err_set(err, ERR_LIMIT, "the addresses are too long");
    ok = ok && copy(&prefix, arena, &ret->prefix, err);
    buf_release(&prefix);
    buf_release(&encoded);
    return ok;
}
