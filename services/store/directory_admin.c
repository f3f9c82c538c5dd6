#include "services/store/directory_admin.h"

#include "common/mail/address.h"
#include "common/mail/domain.h"
#include "common/text/cursor.h"
#include "common/text/utf8.h"
#include "services/store/credentials.h"
#include "services/store/directory_core.h"
#include "services/store/mailbox_name.h"
#include "services/store/publish.h"

#define ACCOUNT_NAME_MAX 64
#define TEXT_MAX 1024
#define LOGIN_DISABLED_MAX 256
#define SEPARATORS_MAX 8
#define SEPARATOR_SIZE_MAX 8
#define CAPABILITIES_MAX 64
#define CAPABILITY_SIZE_MAX 64
#define DEFAULT_MAX_OUTGOING 1000
#define DEFAULT_MAX_NEW_RECIPIENTS 200
#define ARENA_MAX (256 * 1024)

/* ---- Rules for single values */

static bool check_text(const char *what, struct str text, size_t max, struct err *err)
{
    if (text.len > max)
        return err_set(err, ERR_LIMIT, "%s: longer than %zu bytes", what, max);
    if (!utf8_is_valid(text) || str_find_char(text, '\0') >= 0)
        return err_set(err, ERR_SYNTAX, "%s: not UTF-8 text", what);
    return true;
}

static bool check_printable(const char *what, struct str text, size_t max, struct err *err)
{
    struct cursor c = cursor_init(text);
    cursor_take_while0(&c, is_printable, max, "printable ASCII characters");
    return cursor_finish(&c, err) ? true : err_wrap(err, "%s", what);
}

static bool is_account_name(unsigned char c)
{
    return is_alnum(c) || c == '.' || c == '-' || c == '_';
}

/* Others give rights to an account by its name (RFC 4314): "anyone" is all of them, and after "-"
 * stands who is denied something. */
static bool check_identifier(struct str name, struct err *err)
{
    if (!str_starts_with(name, STR("-")) && !str_eq_nocase(name, STR("anyone")))
        return true;
    return err_set(
        err, ERR_SYNTAX,
        "the account name \"%.*s\" would mean something else in access lists: \"anyone\", "
        "and a first \"-\", are kept for them",
        STR_ARG(str_slice(name, 0, 100)));
}

static bool check_account_name(struct str name, struct err *err)
{
    struct cursor c = cursor_init(name);
    struct err where;
    if (cursor_next_is(&c, '.'))
        cursor_fail(&c, "a name that does not begin with a dot");
    cursor_take_while(&c, is_account_name, ACCOUNT_NAME_MAX, "letters or digits");
    if (cursor_finish(&c, &where))
        return true;
    return err_set(err, ERR_SYNTAX,
                   "the account name \"%.*s\" is not 1 to %d letters, digits, \".\", \"-\" and "
                   "\"_\", the first no dot",
                   STR_ARG(str_slice(name, 0, 100)), ACCOUNT_NAME_MAX);
}

/* Letters and digits would cut ordinary names, and a space divides the stored list. */
static bool is_separator(unsigned char c)
{
    return (is_atext(c) && !is_alnum(c)) || c == '.';
}

static bool check_separators(const struct domain_settings *settings, struct err *err)
{
    if (settings->separator_count > SEPARATORS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d separators", SEPARATORS_MAX);
    for (size_t i = 0; i < settings->separator_count; i++) {
        struct cursor c = cursor_init(settings->separators[i]);
        cursor_take_while(&c, is_separator, SEPARATOR_SIZE_MAX,
                          "characters such as \"+\" or \"-\"");
        if (!cursor_finish(&c, err))
            return err_wrap(err, "separator");
        for (size_t j = 0; j < i; j++)
            if (str_eq(settings->separators[i], settings->separators[j]))
                return err_set(err, ERR_SYNTAX, "separator \"%.*s\" is given twice",
                               STR_ARG(settings->separators[i]));
    }
    return true;
}

static bool check_account(const struct directory_account *account, struct err *err)
{
    TRY(check_account_name(account->name, err));
    TRY(check_text("description", account->description, TEXT_MAX, err));
    TRY(check_printable("reason why login is barred", account->login_disabled, LOGIN_DISABLED_MAX,
                        err));
    if (account->quota_bytes < -1)
        return err_set(err, ERR_SYNTAX, "quota: below -1");
    if (account->capability_count > CAPABILITIES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d capabilities", CAPABILITIES_MAX);
    for (size_t i = 0; i < account->capability_count; i++) {
        struct cursor c = cursor_init(account->capabilities_disabled[i]);
        cursor_take_while(&c, is_visible, CAPABILITY_SIZE_MAX, "capability name");
        if (!cursor_finish(&c, err))
            return err_wrap(err, "capability to hide");
    }
    return true;
}

/* ---- Finding what is named */

static bool find_domain(const struct snapshot *s, struct str name, struct arena *arena,
                        const struct domain_row **ret, struct err *err)
{
    struct str alabel;
    TRY(domain_parse(name, arena, &alabel, err));
    *ret = snapshot_domain(s, alabel);
    if (!*ret)
        err_set(err, ERR_NOT_FOUND, "there is no domain %.*s", STR_ARG(alabel));
    return *ret != NULL;
}

static bool find_account(const struct snapshot *s, struct str name,
                         const struct directory_account **ret, struct err *err)
{
    *ret = snapshot_account_by_name(s, name);
    if (*ret)
        return true;
    TRY(check_account_name(name, err));
    return err_set(err, ERR_NOT_FOUND, "there is no account %.*s", STR_ARG(name));
}

/* "local@domain" or "@domain", of a domain that is ours. `ret->localpart` is empty for the latter.
 */
static bool parse_address(const struct snapshot *s, struct str text, struct arena *arena,
                          struct address *ret, const struct domain_row **ret_domain,
                          struct err *err)
{
    if (str_starts_with(text, STR("@"))) {
        ret->localpart = STR("");
        return find_domain(s, str_skip(text, 1), arena, ret_domain, err);
    }
    TRY(address_parse(text, arena, ret, err));
    *ret_domain = snapshot_domain(s, ret->domain);
    if (ret->localpart.len == 0) {
        err_set(err, ERR_SYNTAX, "address: the local part is empty");
        return false;
    }
    if (!*ret_domain)
        err_set(err, ERR_NOT_FOUND, "there is no domain %.*s", STR_ARG(ret->domain));
    return *ret_domain != NULL;
}

/* The form of a local part that is stored for lookups. What could never be looked up, because a
 * separator would cut it, is refused. */
static bool make_canonical(const struct domain_row *domain, struct str localpart,
                           struct arena *arena, struct str *ret, struct err *err)
{
    *ret = STR("");
    if (localpart.len == 0)
        return true;
    struct domain_row uncut = *domain;
    uncut.separator_count = 0;
    *ret = snapshot_canonical(&uncut, localpart, arena);
    if (str_is_null(*ret))
        return err_set(err, ERR_SYNTAX, "address: the local part is not UTF-8");
    struct str cut = snapshot_canonical(domain, localpart, arena);
    if (cut.len == ret->len)
        return true;
    return err_set(err, ERR_SYNTAX, "address: %.*s holds a separator of the domain %.*s",
                   STR_ARG(localpart), STR_ARG(domain->name));
}

/* ---- Domains */

struct domain_change {
    const struct domain_settings *settings;
    struct arena arena;
};

static bool make_domain_row(const struct directory_change *change, struct domain_change *d,
                            struct domain_row *ret, struct err *err)
{
    const struct domain_settings *settings = d->settings;
    *ret = (struct domain_row){
        .description = settings->description,
        .disabled = settings->disabled,
        .case_sensitive = settings->case_sensitive,
        .separators = settings->separators,
        .separator_count = settings->separator_count,
        .accept_any = settings->accept_any,
    };
    TRY(domain_parse(settings->name, &d->arena, &ret->name, err));
    TRY(check_text("description", settings->description, TEXT_MAX, err));
    TRY(check_separators(settings, err));
    if (settings->any_account.len == 0) {
        if (settings->accept_any)
            return err_set(err, ERR_SYNTAX, "accept_any needs any_account");
        return true;
    }
    const struct directory_account *account;
    TRY(find_account(change->now, settings->any_account, &account, err));
    ret->any_account_id = account->id;
    return true;
}

static bool add_domain(const struct directory_change *change, void *ctx, struct err *err)
{
    struct domain_row row;
    TRY(make_domain_row(change, ctx, &row, err));
    if (snapshot_domain(change->now, row.name))
        return err_set(err, ERR_CONFLICT, "the domain %.*s exists", STR_ARG(row.name));
    return directory_sql_add_domain(change->db, &row, err);
}

/* Two addresses can change places only in theory, so each is written alone; a clash is the
 * database's UNIQUE. */
static bool renew_addresses(const struct directory_change *change, const struct domain_row *row,
                            struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < change->now->rows.addresses.len; i++) {
        const struct address_row *address = &change->now->rows.addresses.items[i];
        if (address->domain_id != row->id)
            continue;
        arena_reset(arena);
        struct str canonical;
        TRY(make_canonical(row, address->localpart, arena, &canonical, err));
        if (str_eq(canonical, address->canonical))
            continue;
        if (!directory_sql_set_canonical(change->db, address->id, canonical, err))
            return err_wrap(err, "address %.*s@%.*s", STR_ARG(address->localpart),
                            STR_ARG(row->name));
    }
    return true;
}

static bool set_domain(const struct directory_change *change, void *ctx, struct err *err)
{
    struct domain_change *d = ctx;
    struct domain_row row;
    const struct domain_row *now;
    TRY(make_domain_row(change, d, &row, err));
    TRY(find_domain(change->now, row.name, &d->arena, &now, err));
    row.id = now->id;
    row.name = now->name;
    TRY(directory_sql_set_domain(change->db, &row, err));
    return renew_addresses(change, &row, &d->arena, err);
}

static bool change_domain(struct store *store, directory_change_function *function,
                          const struct domain_settings *settings, struct err *err)
{
    struct domain_change d = {.settings = settings};
    arena_init(&d.arena, ARENA_MAX);
    bool ok = directory_change(store, function, &d, err);
    arena_release(&d.arena);
    return ok;
}

bool directory_add_domain(struct store *store, const struct domain_settings *settings,
                          struct err *err)
{
    return change_domain(store, add_domain, settings, err);
}

bool directory_set_domain(struct store *store, const struct domain_settings *settings,
                          struct err *err)
{
    return change_domain(store, set_domain, settings, err);
}

static bool remove_domain(const struct directory_change *change, void *ctx, struct err *err)
{
    struct domain_change *d = ctx;
    const struct domain_row *domain = NULL;
    TRY(find_domain(change->now, d->settings->name, &d->arena, &domain, err));
    for (size_t i = 0; i < change->now->rows.addresses.len; i++)
        if (change->now->rows.addresses.items[i].domain_id == domain->id)
            return err_set(err, ERR_STATE, "the domain %.*s still has addresses",
                           STR_ARG(domain->name));
    return directory_sql_remove_domain(change->db, domain->id, err);
}

bool directory_remove_domain(struct store *store, struct str name, struct err *err)
{
    struct domain_settings settings = {.name = name};
    return change_domain(store, remove_domain, &settings, err);
}

/* ---- Addresses */

struct address_change {
    const struct address_settings *settings;
    struct arena arena;
};

static bool check_address_settings(const struct address_settings *settings, struct err *err)
{
    TRY(check_text("mailbox", settings->mailbox, MAILBOX_NAME_MAX, err));
    if (mailbox_name_is_others(settings->mailbox))
        return err_set(err, ERR_SYNTAX, "mailbox: \"" MAILBOX_OTHERS "\" is for those of others");
    TRY(check_printable("error text", settings->error_text, LOGIN_DISABLED_MAX, err));
    if (settings->error_code != 0 && settings->error_code != 421 && settings->error_code != 550)
        return err_set(err, ERR_SYNTAX, "error code %u is neither 421 nor 550",
                       settings->error_code);
    return true;
}

/* `account_id` is that of an account in this very transaction. */
static bool insert_address(const struct directory_change *change,
                           const struct address_settings *settings, uint64_t account_id,
                           struct arena *arena, struct err *err)
{
    struct address address = {0};
    const struct domain_row *domain = NULL;
    TRY(check_address_settings(settings, err));
    TRY(parse_address(change->now, settings->address, arena, &address, &domain, err));
    struct address_row row = {
        .domain_id = domain->id,
        .localpart = address.localpart,
        .account_id = account_id,
        .mailbox = settings->mailbox,
        .error_code = settings->error_code,
        .error_text = settings->error_text,
    };
    TRY(make_canonical(domain, address.localpart, arena, &row.canonical, err));
    if (snapshot_address(change->now, domain, row.canonical))
        return err_set(err, ERR_CONFLICT, "the address %.*s exists", STR_ARG(settings->address));
    return directory_sql_add_address(change->db, &row, err);
}

static bool add_address(const struct directory_change *change, void *ctx, struct err *err)
{
    struct address_change *a = ctx;
    const struct directory_account *account;
    TRY(find_account(change->now, a->settings->account, &account, err));
    return insert_address(change, a->settings, account->id, &a->arena, err);
}

static bool remove_address(const struct directory_change *change, void *ctx, struct err *err)
{
    struct address_change *a = ctx;
    struct address address = {0};
    const struct domain_row *domain = NULL;
    struct str canonical = STR_NULL;
    TRY(parse_address(change->now, a->settings->address, &a->arena, &address, &domain, err));
    TRY(make_canonical(domain, address.localpart, &a->arena, &canonical, err));
    const struct address_row *row = snapshot_address(change->now, domain, canonical);
    if (!row)
        return err_set(err, ERR_NOT_FOUND, "there is no address %.*s",
                       STR_ARG(a->settings->address));
    return directory_sql_remove_address(change->db, row->id, err);
}

static bool change_address(struct store *store, directory_change_function *function,
                           const struct address_settings *settings, struct err *err)
{
    struct address_change a = {.settings = settings};
    arena_init(&a.arena, ARENA_MAX);
    bool ok = directory_change(store, function, &a, err);
    arena_release(&a.arena);
    return ok;
}

bool directory_add_address(struct store *store, const struct address_settings *settings,
                           struct err *err)
{
    return change_address(store, add_address, settings, err);
}

bool directory_remove_address(struct store *store, struct str address, struct err *err)
{
    struct address_settings settings = {.address = address};
    return change_address(store, remove_address, &settings, err);
}

/* ---- Accounts */

struct account_change {
    struct directory_account account;
    struct address_settings address;
    bool has_password;
    struct credential_row credential;
    struct arena *arena;
};

static bool add_account(const struct directory_change *change, void *ctx, struct err *err)
{
    struct account_change *a = ctx;
    if (snapshot_account_by_name(change->now, a->account.name))
        return err_set(err, ERR_CONFLICT, "the account %.*s exists", STR_ARG(a->account.name));
    TRY(directory_sql_add_account(change->db, &a->account, &a->account.id, err));
    TRY(insert_address(change, &a->address, a->account.id, a->arena, err));
    if (!a->has_password)
        return true;
    a->credential.account_id = a->account.id;
    a->credential.version = change->version;
    return directory_sql_set_credential(change->db, &a->credential, err);
}

static bool prepare_settings(struct directory_account *account, struct err *err)
{
    TRY(check_account(account, err));
    if (account->max_outgoing == 0)
        account->max_outgoing = DEFAULT_MAX_OUTGOING;
    if (account->max_new_recipients == 0)
        account->max_new_recipients = DEFAULT_MAX_NEW_RECIPIENTS;
    return true;
}

static bool prepare_account(struct account_change *a, struct str password, struct err *err)
{
    TRY(check_identifier(a->account.name, err) && prepare_settings(&a->account, err));
    a->has_password = password.len > 0;
    if (!a->has_password)
        return true;
    return credential_make(password, a->account.no_cram_md5, a->arena, &a->credential, err);
}

bool directory_add_account(struct store *store, const struct directory_account *account,
                           struct str address, struct str password, uint64_t *ret_id,
                           struct err *err)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct account_change a = {
        .account = *account, .address = {.address = address}, .arena = &arena};
    bool ok = prepare_account(&a, password, err) && directory_change(store, add_account, &a, err);
    if (ok)
        *ret_id = a.account.id;
    arena_wipe(&arena);
    arena_release(&arena);
    return ok;
}

static bool set_account(const struct directory_change *change, void *ctx, struct err *err)
{
    struct account_change *a = ctx;
    const struct directory_account *now;
    TRY(find_account(change->now, a->account.name, &now, err));
    a->account.id = now->id;
    return directory_sql_set_account(change->db, &a->account, err);
}

bool directory_set_account(struct store *store, const struct directory_account *account,
                           struct err *err)
{
    struct account_change a = {.account = *account};
    return prepare_settings(&a.account, err) && directory_change(store, set_account, &a, err);
}

static bool remove_account(const struct directory_change *change, void *ctx, struct err *err)
{
    struct account_change *a = ctx;
    const struct directory_account *account;
    TRY(find_account(change->now, a->account.name, &account, err));
    a->account.id = account->id;
    for (size_t i = 0; i < change->now->rows.domains.len; i++) {
        const struct domain_row *domain = &change->now->rows.domains.items[i];
        if (domain->any_account_id == account->id)
            return err_set(err, ERR_STATE, "the domain %.*s sends unknown local parts to %.*s",
                           STR_ARG(domain->name), STR_ARG(account->name));
    }
    a->account.id = account->id;
    return directory_sql_remove_account(change->db, account->id, err);
}

bool directory_remove_account(struct store *store, struct str name, struct err *err)
{
    struct account_change a = {.account = {.name = name}};
    TRY(directory_change(store, remove_account, &a, err));
    publish_sessions_ended(store, a.account.id);
    directory_erase_removed(store);
    return true;
}

static bool set_password(const struct directory_change *change, void *ctx, struct err *err)
{
    struct account_change *a = ctx;
    const struct directory_account *account;
    TRY(find_account(change->now, a->account.name, &account, err));
    a->account.id = a->credential.account_id = account->id;
    a->credential.version = change->version;
    if (account->no_cram_md5)
        a->credential.cram_md5 = STR_NULL;
    return directory_sql_set_credential(change->db, &a->credential, err);
}

bool directory_set_password(struct store *store, struct str account, struct str password,
                            struct err *err)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct account_change a = {.account = {.name = account}, .arena = &arena};
    bool ok = credential_make(password, false, &arena, &a.credential, err) &&
              directory_change(store, set_password, &a, err);
    if (ok)
        publish_sessions_ended(store, a.account.id);
    arena_wipe(&arena);
    arena_release(&arena);
    return ok;
}
