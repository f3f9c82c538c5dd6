#include "common/smtpd/steer.h"

#include "common/text/charclass.h"

#define TIMEOUT_MS 3600000

/* ---- What a local part asks for */

static bool take_prefix(struct str *text, const char *prefix)
{
    struct str p = str_from_cstr(prefix);
    if (!str_starts_with_nocase(*text, p))
        return false;
    *text = str_skip(*text, p.len);
    return true;
}

static enum steer_where take_where(struct str *text)
{
    if (take_prefix(text, "mailfrom"))
        return STEER_MAIL;
    if (take_prefix(text, "rcptto"))
        return STEER_RCPT;
    return take_prefix(text, "queue") ? STEER_QUEUE : STEER_DATA;
}

/* code = ("4" / "5") 2DIGIT */
static bool ends_with_code(struct str text, unsigned *ret)
{
    uint64_t number;
    if (text.len < 3 || !str_to_u64(str_skip(text, text.len - 3), 599, &number) || number < 400)
        return false;
    *ret = (unsigned)number;
    return true;
}

static bool ends_with_what(struct str text, unsigned *ret_code)
{
    static const struct {
        const char *word;
        unsigned code;
    } words[] = {{"temperror", 451}, {"permerror", 550}, {"timeout", 0}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        *ret_code = words[i].code;
        if (str_ends_with_nocase(text, str_from_cstr(words[i].word)))
            return true;
    }
    return ends_with_code(text, ret_code);
}

struct steer steer_parse(struct str localpart)
{
    struct steer steer = {.where = take_where(&localpart)};
    return ends_with_what(localpart, &steer.code) ? steer : (struct steer){STEER_NOWHERE, 0};
}

/* ---- Doing it */

static struct smtp_reply obey(struct smtpd_session *s, unsigned code)
{
    if (code == 0) {
        session_delay(s->conn, TIMEOUT_MS);
        return SMTP_REPLY(421, 4, 4, 2, "an hour of silence, as the address asked for");
    }
    return (struct smtp_reply){(uint16_t)code,
                               {(uint8_t)(code / 100), 0, 0},
                               STR("as the local part of the address asked for")};
}

static struct smtp_reply ask(struct smtpd_session *s, struct address address,
                             enum steer_where where)
{
    if (!smtpd_config(s)->steering)
        return (struct smtp_reply){0};
    struct steer steer = steer_parse(address.localpart);
    /* Who delivers from the queue comes to the port that is not for users. */
    if (steer.where == STEER_QUEUE && !smtpd_config(s)->submission)
        steer.where = STEER_DATA;
    return steer.where == where ? obey(s, steer.code) : (struct smtp_reply){0};
}

struct smtp_reply steer_mail(struct smtpd_session *s)
{
    return ask(s, s->tx.mail.from.address, STEER_MAIL);
}

struct smtp_reply steer_recipient(struct smtpd_session *s, struct address address)
{
    return ask(s, address, STEER_RCPT);
}

struct smtp_reply steer_data(struct smtpd_session *s)
{
    struct smtp_reply reply = {0};
    for (size_t i = 0; reply.code == 0 && i < s->tx.recipients.len; i++)
        reply = ask(s, s->tx.recipients.items[i].path.address, STEER_DATA);
    return reply;
}
