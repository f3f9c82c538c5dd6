#include "services/store/backup_directory.h"

#include "common/service/layout.h"
#include "services/store/acl.h"

bool backup_directory_copy(struct backup_directory *d, struct str from, struct str to,
                           struct err *err)
{
    *d = (struct backup_directory){.db = NULL};
    struct layout_path path = layout_directory_db(to);
    TRY(db_copy(layout_directory_db(from).text, path.text, err));
    d->db = directory_sql_open(path.text, err);
    if (d->db)
        d->accounts = snapshot_load(d->db, err);
    return d->accounts != NULL;
}

void backup_directory_close(struct backup_directory *d)
{
    snapshot_free(d->accounts);
    if (d->db)
        db_close(d->db);
    *d = (struct backup_directory){.db = NULL};
}

static bool fit_one(struct backup_directory *d, uint64_t owner, struct db *db,
                    const struct acl_account *a, struct err *err)
{
    if (a->id == ACL_ANYONE || snapshot_account(d->accounts, a->id))
        return !a->is_reader ||
               directory_sql_set_share(d->db, (struct share_row){a->id, owner}, true, err);
    struct db_query q = db_query(db, ACL_FORGET);
    db_bind_u64(&q, a->id);
    return db_run(&q, err);
}

static bool fit_all(struct backup_directory *d, uint64_t owner, struct db *db,
                    const struct acl_accounts *accounts, struct err *err)
{
    bool ok = true;
    if (accounts->list.len == 0)
        return true;
    TRY(db_begin(d->db, true, err));
    for (size_t i = 0; ok && i < accounts->list.len; i++)
        ok = fit_one(d, owner, db, &accounts->list.items[i], err);
    if (ok)
        return db_commit(d->db, err);
    db_rollback(d->db);
    return false;
}

bool backup_directory_fit_rights(struct backup_directory *d, uint64_t owner, struct db *db,
                                 struct err *err)
{
    struct acl_accounts accounts;
    TRY(acl_accounts_read(db, &accounts, err));
    bool ok = fit_all(d, owner, db, &accounts, err);
    acl_accounts_release(&accounts);
    return ok;
}
