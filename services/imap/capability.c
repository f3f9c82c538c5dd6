#include "services/imap/capability.h"

enum when {
    ALWAYS,
    CAN_STARTTLS,
    PASSWORDS_ALLOWED,   /* TLS, or plain login is allowed */
    PASSWORDS_FORBIDDEN, /* the opposite */
    BEFORE_LOGIN,
};

/* Only what works. */
static const struct {
    struct str name;
    enum when when;
} capabilities[] = {
    {STR_INIT("IMAP4rev2"), ALWAYS},
    {STR_INIT("IMAP4rev1"), ALWAYS},
    {STR_INIT("STARTTLS"), CAN_STARTTLS},
    {STR_INIT("LOGINDISABLED"), PASSWORDS_FORBIDDEN},
    {STR_INIT("AUTH=SCRAM-SHA-256-PLUS"), BEFORE_LOGIN},
    {STR_INIT("AUTH=SCRAM-SHA-256"), BEFORE_LOGIN},
    {STR_INIT("AUTH=SCRAM-SHA-1-PLUS"), BEFORE_LOGIN},
    {STR_INIT("AUTH=SCRAM-SHA-1"), BEFORE_LOGIN},
    {STR_INIT("AUTH=CRAM-MD5"), BEFORE_LOGIN},
    {STR_INIT("AUTH=PLAIN"), PASSWORDS_ALLOWED},
    {STR_INIT("AUTH=LOGIN"), PASSWORDS_ALLOWED},
    {STR_INIT("SASL-IR"), ALWAYS},
    {STR_INIT("ENABLE"), ALWAYS},
    {STR_INIT("LITERAL+"), ALWAYS},
    {STR_INIT("IDLE"), ALWAYS},
    {STR_INIT("ID"), ALWAYS},
    {STR_INIT("NAMESPACE"), ALWAYS},
    {STR_INIT("UNSELECT"), ALWAYS},
    {STR_INIT("UIDPLUS"), ALWAYS},
    {STR_INIT("MOVE"), ALWAYS},
    {STR_INIT("ESEARCH"), ALWAYS},
    {STR_INIT("SEARCHRES"), ALWAYS},
    {STR_INIT("BINARY"), ALWAYS},
    {STR_INIT("MULTIAPPEND"), ALWAYS},
    {STR_INIT("UTF8=ACCEPT"), ALWAYS},
    {STR_INIT("CHILDREN"), ALWAYS},
    {STR_INIT("LIST-EXTENDED"), ALWAYS},
    {STR_INIT("LIST-STATUS"), ALWAYS},
    {STR_INIT("SPECIAL-USE"), ALWAYS},
    {STR_INIT("CREATE-SPECIAL-USE"), ALWAYS},
    {STR_INIT("STATUS=SIZE"), ALWAYS},
};

static bool is_shown(struct imap *imap, enum when when)
{
    bool before_login = imap->state == STATE_NOT_AUTHENTICATED;
    bool passwords = session_is_tls(imap->session) || imap->server->config->cleartext_auth;
    switch (when) {
    case ALWAYS:
        return true;
    case CAN_STARTTLS:
        return before_login && session_can_starttls(imap->session);
    case PASSWORDS_ALLOWED:
        return before_login && passwords;
    case PASSWORDS_FORBIDDEN:
        return before_login && !passwords;
    case BEFORE_LOGIN:
        return before_login;
    }
    BUG("when");
}

void capability_write(struct imap *imap, struct buf *out)
{
    buf_append(out, STR("CAPABILITY"));
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
        if (!is_shown(imap, capabilities[i].when) ||
            !imap_has_capability(imap, capabilities[i].name))
            continue;
        buf_append_char(out, ' ');
        buf_append(out, capabilities[i].name);
    }
    if (imap_has_capability(imap, STR("APPENDLIMIT")))
        buf_printf(out, " APPENDLIMIT=%llu", (unsigned long long)imap->server->config->append_max);
}

bool capability_has_mechanism(struct str mechanism)
{
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
        if (str_starts_with(capabilities[i].name, STR("AUTH=")) &&
            str_eq(str_skip(capabilities[i].name, 5), mechanism))
            return true;
    return false;
}
