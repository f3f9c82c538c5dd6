#include "services/imap/command.h"

#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

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
    {STR_INIT("CREATE"),       AUTH,     COMMAND_NAMES, cmd_create},
    {STR_INIT("DELETE"),       AUTH,     COMMAND_NAMES, cmd_delete},
    {STR_INIT("RENAME"),       AUTH,     COMMAND_NAMES, cmd_rename},
    {STR_INIT("SUBSCRIBE"),    AUTH,     COMMAND_NAMES, cmd_subscribe},
    {STR_INIT("UNSUBSCRIBE"),  AUTH,     COMMAND_NAMES, cmd_unsubscribe},
    {STR_INIT("LIST"),         AUTH,     COMMAND_NAMES, cmd_list},
    {STR_INIT("LSUB"),         AUTH,     COMMAND_NAMES, cmd_lsub},
    {STR_INIT("NAMESPACE"),    AUTH,     0, cmd_namespace},
    {STR_INIT("STATUS"),       AUTH,     0, cmd_status},
    {STR_INIT("APPEND"),       AUTH,     COMMAND_APPENDS, cmd_append},
    {STR_INIT("COMPRESS"),     AUTH,     0, cmd_compress},
    {STR_INIT("GETMETADATA"),  AUTH,     0, cmd_getmetadata},
    {STR_INIT("SETMETADATA"),  AUTH,     0, cmd_setmetadata},
    {STR_INIT("SETACL"),       AUTH,     0, cmd_setacl},
    {STR_INIT("DELETEACL"),    AUTH,     0, cmd_deleteacl},
    {STR_INIT("GETACL"),       AUTH,     0, cmd_getacl},
    {STR_INIT("LISTRIGHTS"),   AUTH,     0, cmd_listrights},
    {STR_INIT("MYRIGHTS"),     AUTH,     0, cmd_myrights},
    {STR_INIT("GETQUOTA"),     AUTH,     0, cmd_getquota},
    {STR_INIT("GETQUOTAROOT"), AUTH,     0, cmd_getquotaroot},
    {STR_INIT("ESEARCH"),      AUTH,     0, cmd_esearch},
    {STR_INIT("IDLE"),         AUTH,     0, cmd_idle},
    {STR_INIT("NOTIFY"),       AUTH,     0, cmd_notify},
    /* 6.4: selected */
    {STR_INIT("CHECK"),        SELECTED, COMMAND_COUNTS, cmd_check},
    {STR_INIT("CLOSE"),        SELECTED, COMMAND_SILENT | COMMAND_COUNTS, cmd_close},
    {STR_INIT("UNSELECT"),     SELECTED, COMMAND_SILENT | COMMAND_COUNTS, cmd_unselect},
    {STR_INIT("EXPUNGE"),      SELECTED, COMMAND_UID | COMMAND_WHOLE | COMMAND_WRITES | COMMAND_REMOVES, cmd_expunge},
    {STR_INIT("CANCELUPDATE"), SELECTED, 0, cmd_cancelupdate},
    {STR_INIT("SEARCH"),       SELECTED, COMMAND_UID | COMMAND_NUMBERS, cmd_search},
    {STR_INIT("SORT"),         SELECTED, COMMAND_UID | COMMAND_NUMBERS, cmd_sort},
    {STR_INIT("THREAD"),       SELECTED, COMMAND_UID | COMMAND_NUMBERS, cmd_thread},
    {STR_INIT("FETCH"),        SELECTED, COMMAND_UID | COMMAND_NUMBERS, cmd_fetch},
    {STR_INIT("STORE"),        SELECTED, COMMAND_UID | COMMAND_NUMBERS | COMMAND_WRITES, cmd_store},
    {STR_INIT("REPLACE"),      SELECTED, COMMAND_UID | COMMAND_APPENDS | COMMAND_REPLACES | COMMAND_REMOVES, cmd_append},
    {STR_INIT("COPY"),         SELECTED, COMMAND_UID, cmd_copy},
    {STR_INIT("MOVE"),         SELECTED, COMMAND_UID | COMMAND_WRITES | COMMAND_REMOVES, cmd_move},
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

/* Commands of extensions that can be hidden from an account, to which they are unknown then. */
static const struct {
    struct str verb;
    struct str capability;
} extensions[] = {
    {STR_INIT("GETMETADATA"), STR_INIT("METADATA")},
    {STR_INIT("SETMETADATA"), STR_INIT("METADATA")},
    {STR_INIT("SETACL"), STR_INIT("ACL")},
    {STR_INIT("DELETEACL"), STR_INIT("ACL")},
    {STR_INIT("GETACL"), STR_INIT("ACL")},
    {STR_INIT("LISTRIGHTS"), STR_INIT("ACL")},
    {STR_INIT("MYRIGHTS"), STR_INIT("ACL")},
    {STR_INIT("GETQUOTA"), STR_INIT("QUOTA")},
    {STR_INIT("GETQUOTAROOT"), STR_INIT("QUOTA")},
    {STR_INIT("REPLACE"), STR_INIT("REPLACE")},
    {STR_INIT("COMPRESS"), STR_INIT("COMPRESS=DEFLATE")},
};

bool command_is_hidden(const struct imap *imap, const struct command_row *row)
{
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
        if (str_eq(extensions[i].verb, row->verb))
            return !imap_has_capability(imap, extensions[i].capability);
    return false;
}

static const char *why_not_now(const struct imap *imap, const struct command_row *row)
{
    if (row->states == NOAUTH)
        return "already logged in";
    return imap->state == STATE_NOT_AUTHENTICATED ? "log in first" : "select a mailbox first";
}

/* RFC 9586 3.1: what UIDONLY forbids. */
static bool names_numbers(const struct command_start *start)
{
    return !start->uid && (start->row->flags & COMMAND_UID) && !(start->row->flags & COMMAND_WHOLE);
}

bool command_is_allowed(const struct imap *imap, const struct command_start *start)
{
    return start->row && (start->row->states & imap->state) &&
           !(imap->uid_only && names_numbers(start));
}

/* The rows of the selected mailbox are read for the first command that is about messages. */
static bool load_rows(struct imap *imap, const struct command_row *row, struct err *err)
{
    struct view *view = imap->selected.view;
    if (row->states != SELECTED || (row->flags & COMMAND_COUNTS))
        return true;
    struct backend_call call = imap_call_on(imap, view);
    return view_load(view, imap->server->backend, &call, err);
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
    if (!start.row || command_is_hidden(imap, start.row))
        return respond_bad(imap, "unknown command");
    if (!(start.row->states & imap->state))
        return respond_no(imap, "%s", why_not_now(imap, start.row));
    if (imap->uid_only && names_numbers(&start))
        return respond_bad(imap, "[UIDREQUIRED] UIDs only, as was enabled");
    selected_review(imap);
    if ((start.row->flags & COMMAND_WRITES) && imap->selected.read_only)
        return respond_no(imap, "the mailbox is read-only");
    struct err err;
    if (!load_rows(imap, start.row, &err))
        return respond_err(imap, &err);
    return start.row->run(imap, &start.args);
}
