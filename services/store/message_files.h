#ifndef SERVICES_STORE_MESSAGE_FILES_H
#define SERVICES_STORE_MESSAGE_FILES_H

#include "services/store/account.h"

struct new_message;

/*
 * The files of an account's messages: ids, names, texts.
 *
 * A change that adds messages takes ids, makes the files, and gives both to account_change
 * (account.h); on the way there, account_drop_ids takes them back:
 *
 *     struct message_file file;
 *     if (!message_file_make(account, &text, &file, err)) ...
 *     request.first_file = file.id;
 *     request.file_count = 1;
 *     request.file_sync = &file.sync;
 *     bool ok = account_change(account, &request, err);
 *     message_file_close(&file);
 */

/* The file of one message that is being added. */
struct message_file {
    uint64_t id;
    bool is_ready; /* it was made in advance (ready_files.h): its name is on disk */
    int fd;        /* -1: it is closed, its bytes are on disk */
    struct file_sync sync;
};

/* An id with a file of this checked text. Outside of the change, so that the disk works for several
 * at a time. Errors as message_text_place. Holds files_lock until account_change, or
 * account_drop_ids. */
bool message_file_make(struct account *account, const struct message_text *text,
                       struct message_file *ret, struct err *err) MUST_USE;
/* After account_change or account_drop_ids. */
void message_file_close(struct message_file *file);

/* Hands out `count` message ids in a row, makes sure that their directories exist, and holds
 * files_lock until they are given to account_change or back to account_drop_ids. */
bool account_take_ids(struct account *account, size_t count, uint64_t *ret_first,
                      struct err *err) MUST_USE;
/* Removes their files, as far as they exist. */
void account_drop_ids(struct account *account, uint64_t first, size_t count);
/* When nothing more will be added: no file is left that has no row. */
void account_mark_clean(struct account *account);

struct layout_path account_message_path(const struct account *account, uint64_t id);
/* Of a message that has a row. ERR_CORRUPT when there is none; says what helps. */
bool account_need_file(const struct account *account, uint64_t id, struct err *err) MUST_USE;
/* Gives the messages ids, from `first` on, and makes their files, on disk when it returns; the disk
 * works for several at a time. Errors as message_text_place; what a failure leaves is for
 * account_drop_ids. */
bool account_place_texts(struct account *account, struct new_message *messages, size_t count,
                         uint64_t first, struct err *err) MUST_USE;
/* Inside a change: the directory of this message's file is synced before the commit. */
void change_sync_file(struct change *c, uint64_t id);

#endif
