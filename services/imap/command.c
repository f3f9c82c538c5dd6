#include "services/imap/command.h"

#include "services/imap/parse.h"
#include "services/imap/respond.h"

enum {
    NOAUTH = STATE_NOT_AUTHENTICATED,
    AUTH = STATE_AUTHENTICATED | STATE_SELECTED,
    SELECTED = STATE_SELECTED,
    ANY = NOAUTH | AUTH,
};

/* clang-format off */
static const struct command_row commands[] = {
    /* RFC 9051 6.1: any state */
    {STR_INIT("CAPABILITY"),   ANY,      0, cmd_capability},
    {STR_INIT("NOOP"),         ANY,      0, cmd_noop},
    {STR_INIT("LOGOUT"),       ANY,      COMMAND_SILENT, cmd_logout},
    {STR_INIT("ID"),           ANY,      0, cmd_id},
    /* 6.2: not authenticated */
    {STR_INIT("STARTTLS"),     NOAUTH,   0, cmd_starttls},
    {STR_INIT("AUTHENTICATE"), NOAUTH,   COMMAND_SECRET, cmd_authenticate},
    {STR_INIT("LOGIN"),        NOAUTH,   COMMAND_SECRET, cmd_login},
    /* 6.3: authenticated or selected */
    {STR_INIT("ENABLE"),       AUTH,     0, cmd_enable},
    {STR_INIT("SELECT"),       AUTH,     COMMAND_SILENT, cmd_select},
    {STR_INIT("EXAMINE"),      AUTH,     COMMAND_SILENT, cmd_examine},
    {STR_INIT("CREATE"),       AUTH,     0, cmd_create},
    {STR_INIT("DELETE"),       AUTH,     0, cmd_delete},
    {STR_INIT("RENAME"),       AUTH,     0, cmd_rename},
    {STR_INIT("SUBSCRIBE"),    AUTH,     0, cmd_subscribe},
    {STR_INIT("UNSUBSCRIBE"),  AUTH,     0, cmd_unsubscribe},
    {STR_INIT("LIST"),         AUTH,     0, cmd_list},
    {STR_INIT("LSUB"),         AUTH,     0, cmd_lsub},
    {STR_INIT("NAMESPACE"),    AUTH,     0, cmd_namespace},
    {STR_INIT("STATUS"),       AUTH,     0, cmd_status},
    {STR_INIT("APPEND"),       AUTH,     COMMAND_APPENDS, cmd_append},
    {STR_INIT("IDLE"),         AUTH,     0, cmd_idle},
    /* 6.4: selected */
    {STR_INIT("CHECK"),        SELECTED, 0, cmd_check},
    {STR_INIT("CLOSE"),        SELECTED, COMMAND_SILENT, cmd_close},
    {STR_INIT("UNSELECT"),     SELECTED, COMMAND_SILENT, cmd_unselect},
    {STR_INIT("EXPUNGE"),      SELECTED, COMMAND_UID | COMMAND_WRITES, cmd_expunge},
    {STR_INIT("SEARCH"),       SELECTED, COMMAND_UID | COMMAND_NUMBERS, cmd_search},
    {STR_INIT("FETCH"),        SELECTED, COMMAND_UID | COMMAND_NUMBERS, cmd_fetch},
    {STR_INIT("STORE"),        SELECTED, COMMAND_UID | COMMAND_NUMBERS | COMMAND_WRITES, cmd_store},
    {STR_INIT("COPY"),         SELECTED, COMMAND_UID, cmd_copy},
    {STR_INIT("MOVE"),         SELECTED, COMMAND_UID | COMMAND_WRITES, cmd_move},
};
/* clang-format on */

const struct command_row *command_find(struct str verb)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (str_eq_nocase(commands[i].verb, verb))
            return &commands[i];
    return NULL;
}

/* command = tag SP (command-any / ... / "UID" SP uid-command) */
bool command_parse_start(struct str text, struct command_start *ret)
{
    struct cursor c = cursor_init(text);
    struct command_start start = {.tag = parse_tag(&c)};
    parse_space(&c);
    if (cursor_failed(&c))
        return false;
    struct str verb = cursor_take_while0(&c, is_alpha, 32, "command");
    start.uid = str_eq_nocase(verb, STR("UID")) && cursor_skip(&c, ' ');
    if (start.uid)
        verb = cursor_take_while0(&c, is_alpha, 32, "command");
    start.row = command_find(verb);
    if (start.row && start.uid && !(start.row->flags & COMMAND_UID))
        start.row = NULL;
    if (!cursor_at_end(&c) && !cursor_next_is(&c, ' '))
        start.row = NULL;
    start.args = c;
    *ret = start;
    return true;
}

static const char *why_not_now(const struct imap *imap, const struct command_row *row)
{
    if (row->states == NOAUTH)
        return "already logged in";
    return imap->state == STATE_NOT_AUTHENTICATED ? "log in first" : "select a mailbox first";
}

enum session_next command_run(struct imap *imap, struct str text)
{
    struct command_start start;
    if (!command_parse_start(text, &start)) {
        imap_command_reset(imap);
        respond_untagged(imap, "BAD expected a tag, a space and a command");
        return SESSION_READ;
    }
    imap->tag = arena_copy(&imap->arena, start.tag);
    imap->row = start.row;
    imap->uid = start.uid;
    if (!start.row)
        return respond_bad(imap, "unknown command");
    if (!(start.row->states & imap->state))
        return respond_no(imap, "%s", why_not_now(imap, start.row));
    if ((start.row->flags & COMMAND_WRITES) && imap->selected.read_only)
        return respond_no(imap, "the mailbox is read-only");
    return start.row->run(imap, &start.args);
}
