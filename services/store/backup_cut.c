#include "services/store/backup_cut.h"

#include "common/base/bug.h"
#include "common/base/map.h"
#include "common/sys/rwlock.h"

#include <pthread.h>
#include <stdlib.h>

struct backup_cut {
    pthread_rwlock_t lock; /* held for reading by moves, for writing by copies of databases */
    struct map waiting;    /* account id -> any value */
};

struct backup_cut *backup_cut_new(void)
{
    struct backup_cut *cut = xcalloc(1, sizeof(*cut));
    rwlock_init_writers_first(&cut->lock);
    map_init(&cut->waiting);
    return cut;
}

void backup_cut_free(struct backup_cut *cut)
{
    if (!cut)
        return;
    map_release(&cut->waiting);
    pthread_rwlock_destroy(&cut->lock);
    free(cut);
}

void backup_cut_open(struct backup_cut *cut, const uint64_t *account_ids, size_t count)
{
    if (!cut)
        return;
    pthread_rwlock_wrlock(&cut->lock);
    for (size_t i = 0; i < count; i++)
        map_put_u64(&cut->waiting, account_ids[i], cut);
    pthread_rwlock_unlock(&cut->lock);
}

void backup_cut_close(struct backup_cut *cut)
{
    if (!cut)
        return;
    pthread_rwlock_wrlock(&cut->lock);
    map_release(&cut->waiting);
    map_init(&cut->waiting);
    pthread_rwlock_unlock(&cut->lock);
}

void backup_cut_copy_begin(struct backup_cut *cut, uint64_t account_id)
{
    if (!cut)
        return;
    pthread_rwlock_wrlock(&cut->lock);
    map_remove_u64(&cut->waiting, account_id);
}

void backup_cut_copy_end(struct backup_cut *cut)
{
    if (cut)
        pthread_rwlock_unlock(&cut->lock);
}

bool backup_cut_move_begin(struct backup_cut *cut, uint64_t from, uint64_t to, struct err *err)
{
    if (!cut)
        return true;
    pthread_rwlock_rdlock(&cut->lock);
    if (!map_get_u64(&cut->waiting, from) == !map_get_u64(&cut->waiting, to))
        return true;
    pthread_rwlock_unlock(&cut->lock);
    err_set(err, ERR_STATE, "a backup is between the two accounts");
    return err_reply(err, "[INUSE] not while a backup is made: try again later, or copy");
}

void backup_cut_move_end(struct backup_cut *cut)
{
    if (cut)
        pthread_rwlock_unlock(&cut->lock);
}
