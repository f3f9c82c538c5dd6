#include "services/imap/capability.h"

enum when {
    ALWAYS,
    CAN_STARTTLS,
    PASSWORDS_ALLOWED,   /* TLS, or plain login is allowed */
    PASSWORDS_FORBIDDEN, /* the opposite */
    BEFORE_LOGIN,
    KEY_IS_KNOWN, /* TLS has proven a registered key (RFC 4422 A) */
    NOT_COMPRESSED,
    WITH_ACL,             /* what makes no sense without */
    WITHOUT_LITERAL_PLUS, /* RFC 7888 5: never both */
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
    {STR_INIT("AUTH=EXTERNAL"), KEY_IS_KNOWN},
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
    {STR_INIT("LITERAL-"), WITHOUT_LITERAL_PLUS},
    {STR_INIT("IDLE"), ALWAYS},
    {STR_INIT("ID"), ALWAYS},
    {STR_INIT("NAMESPACE"), ALWAYS},
    {STR_INIT("UNSELECT"), ALWAYS},
    {STR_INIT("UIDPLUS"), ALWAYS},
    {STR_INIT("MOVE"), ALWAYS},
    {STR_INIT("ESEARCH"), ALWAYS},
    {STR_INIT("SEARCHRES"), ALWAYS},
    {STR_INIT("WITHIN"), ALWAYS},
    {STR_INIT("SAVEDATE"), ALWAYS},
    {STR_INIT("PARTIAL"), ALWAYS},
    {STR_INIT("INPROGRESS"), ALWAYS},
    {STR_INIT("SORT"), ALWAYS},
    {STR_INIT("SORT=DISPLAY"), ALWAYS},
    {STR_INIT("ESORT"), ALWAYS},
    {STR_INIT("THREAD=ORDEREDSUBJECT"), ALWAYS},
    {STR_INIT("THREAD=REFERENCES"), ALWAYS},
    {STR_INIT("MULTISEARCH"), ALWAYS},
    {STR_INIT("FILTERS"), ALWAYS},
    {STR_INIT("CONTEXT=SEARCH"), ALWAYS},
    {STR_INIT("CONTEXT=SORT"), ALWAYS},
    {STR_INIT("BINARY"), ALWAYS},
    {STR_INIT("MULTIAPPEND"), ALWAYS},
    {STR_INIT("CATENATE"), ALWAYS},
    {STR_INIT("REPLACE"), ALWAYS},
    {STR_INIT("UTF8=ACCEPT"), ALWAYS},
    {STR_INIT("CHILDREN"), ALWAYS},
    {STR_INIT("LIST-EXTENDED"), ALWAYS},
    {STR_INIT("LIST-STATUS"), ALWAYS},
    {STR_INIT("SPECIAL-USE"), ALWAYS},
    {STR_INIT("CREATE-SPECIAL-USE"), ALWAYS},
    {STR_INIT("STATUS=SIZE"), ALWAYS},
    {STR_INIT("COMPRESS=DEFLATE"), NOT_COMPRESSED},
    {STR_INIT("OBJECTID"), ALWAYS},
    {STR_INIT("METADATA"), ALWAYS},
    {STR_INIT("METADATA-SERVER"), ALWAYS},
    {STR_INIT("LIST-METADATA"), ALWAYS},
    {STR_INIT("ACL"), ALWAYS},
    {STR_INIT("RIGHTS=texk"), WITH_ACL},
    {STR_INIT("LIST-MYRIGHTS"), WITH_ACL},
    {STR_INIT("QUOTA"), ALWAYS},
    {STR_INIT("QUOTA=RES-STORAGE"), ALWAYS},
    {STR_INIT("QUOTA=RES-MESSAGE"), ALWAYS},
    {STR_INIT("PREVIEW"), ALWAYS},
    {STR_INIT("CONDSTORE"), ALWAYS},
    {STR_INIT("QRESYNC"), ALWAYS},
    {STR_INIT("UIDONLY"), ALWAYS},
    {STR_INIT("NOTIFY"), ALWAYS},
};

static bool is_shown(struct imap *imap, enum when when)
{
    bool before_login = imap->state == STATE_NOT_AUTHENTICATED;
    bool passwords = session_is_tls(imap->session) || imap->server->config->cleartext_auth;
    switch (when) {
    case ALWAYS:
        return true;
    case WITH_ACL:
        return imap_has_capability(imap, STR("ACL"));
    case CAN_STARTTLS:
        return before_login && session_can_starttls(imap->session);
    case PASSWORDS_ALLOWED:
        return before_login && passwords;
    case PASSWORDS_FORBIDDEN:
        return before_login && !passwords;
    case BEFORE_LOGIN:
        return before_login;
    case KEY_IS_KNOWN:
        return before_login && imap->has_key;
    case NOT_COMPRESSED:
        return !session_is_compressed(imap->session);
    case WITHOUT_LITERAL_PLUS:
        return !imap_has_capability(imap, STR("LITERAL+"));
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

bool capability_has_mechanism(const struct imap *imap, struct str mechanism)
{
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
        if (str_starts_with(capabilities[i].name, STR("AUTH=")) &&
            str_eq(str_skip(capabilities[i].name, 5), mechanism))
            return imap_has_capability(imap, capabilities[i].name);
    return false;
}
