#include "common/sys/file.h"
#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/job.h"
#include "services/mailrail/restore.h"
#include "services/mailrail/verify.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CONFIG_MAX (1u << 20)

/*
 * Looking after what is stored: checks and repairs. What they do is in store; these are their
 * names.
 */

static struct str optional(const struct invocation *inv, size_t n)
{
    return inv->arg_count > n ? invocation_arg(inv, n) : STR_NULL;
}

static bool repair(struct invocation *inv, enum job_order_kind kind, struct err *err)
{
    struct job_order order = {
        .kind = kind, .account = optional(inv, 0), .mailbox = optional(inv, 1)};
    return job_run(inv, &order, false, err);
}

static bool recalculate(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_RECALCULATE, err);
}

static bool fix_sizes(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_FIX_SIZES, err);
}

static bool reparse(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_REPARSE, err);
}

static bool reassign_threads(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_REASSIGN_THREADS, err);
}

static bool bump_uidvalidity(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_BUMP_UIDVALIDITY, err);
}

static bool reassign_uids(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_REASSIGN_UIDS, err);
}

static bool fix_uids(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_FIX_UIDS, err);
}

static bool remove_lost(struct invocation *inv, struct err *err)
{
    return repair(inv, ORDER_REMOVE_LOST, err);
}

static bool copy_config(struct invocation *inv, const char *destination, struct err *err)
{
    char path[4096];
    struct str text = STR_NULL;
    snprintf(path, sizeof(path), "%s/config", destination);
    if (access(destination, F_OK) < 0) {
        fprintf(stderr, "%s is on the host of store: copy the configuration there yourself\n",
                destination);
        return true;
    }
    TRY(file_read(inv->config_path, CONFIG_MAX, &inv->arena, &text, err));
    TRY(directory_make(path, 0750, err));
    snprintf(path, sizeof(path), "%s/config/mailrail.conf", destination);
    return file_replace(path, text, 0640, err);
}

static bool backup(struct invocation *inv, struct err *err)
{
    char here[4096], path[8192];
    struct job_order order = {.kind = ORDER_BACKUP};
    if (!getcwd(here, sizeof(here)))
        return err_set_errno(err, errno, "this directory");
    if (inv->args[0][0] == '/')
        snprintf(path, sizeof(path), "%s", inv->args[0]);
    else
        snprintf(path, sizeof(path), "%s/%s", here, inv->args[0]);
    order.destination = str_from_cstr(path);
    TRY(job_run(inv, &order, !invocation_has(inv, "--verbose"), err));
    return !inv->config_path || copy_config(inv, path, err);
}

static const struct command_option backup_options[] = {
    {"--verbose", NULL, "say how far it is, and at the end how much was copied"},
    {NULL, NULL, NULL},
};

#define BESIDE                                                                                     \
    "\n"                                                                                           \
    "It runs in store, in small steps beside normal operation, and says on standard\n"             \
    "error how far it is; Ctrl-C ends it after a step. One repair or backup runs at a\n"           \
    "time. Exit status 1 when something could not be repaired."

const struct command maintenance_commands[] = {
    {
        .name = "verifydata",
        .arguments = "[DIR]",
        .summary = "check the consistency of all stored data",
        .manual =
            "Checks accounts and the queue: every message has its file and the right size,\n"
            "counts, UIDs, modification sequences and threads agree with the messages, nothing\n"
            "is left over. Each finding is a line on standard output, which ends in the command\n"
            "that repairs it, or says that none does and what is left to do; exit status 1 when\n"
            "there is one. Unknown files that harm nobody are warnings. Message files that\n"
            "belong to no message are findings; --fix moves them to `moved` in the data\n"
            "directory.\n"
            "\n"
            "Without DIR the running system is checked, beside normal operation. DIR is a data\n"
            "directory that nobody uses, such as a backup: databases of an older version are\n"
            "brought up to date there.",
        .examples = "mailrail verifydata\n"
                    "mailrail verifydata /backup/monday --fix",
        .options = verify_options,
        .args_max = 1,
        .run = verify_run,
    },
    {
        .name = "backup",
        .arguments = "DIR",
        .summary = "back up the running system",
        .manual =
            "Makes DIR, which must be absent or empty, a data directory like that of the\n"
            "system: all accounts with their mail, the directory with its passwords, the\n"
            "queue, keys, certificates, and the configuration in DIR/config. Mail goes on\n"
            "meanwhile; each account is as of one moment, and a message that moves from one\n"
            "account to another is in one of them: such a move is refused while only one of\n"
            "the two is copied. Message files are links where DIR is on the file system of\n"
            "the data: quick, without need of room, and no protection against the loss of\n"
            "that disk until DIR is copied to another one. Elsewhere they are copied.\n"
            "\n"
            "DIR is a path on the host of store. Left out are imports that are not finished,\n"
            "the index for text search, which is made again, and the spool.\n"
            "\n"
            "What cannot be copied is named, the rest is, and the exit status is 1. When there\n"
            "is nothing to name, nothing is printed, but for the progress on a terminal.\n"
            "`mailrail verifydata DIR` checks the backup; a system starts from it when its\n"
            "configuration names it as `data`.",
        .examples = "mailrail backup /backup/monday && mailrail verifydata /backup/monday",
        .options = backup_options,
        .args_min = 1,
        .args_max = 1,
        .run = backup,
    },
    {
        .name = "restore",
        .arguments = "DIR ACCOUNT",
        .summary = "bring back an account, a mailbox or a message from a backup",
        .manual =
            "Brings mail of ACCOUNT back from the backup at DIR into the running system, beside\n"
            "normal operation: all of it, one mailbox, or one message by its UID or Message-ID.\n"
            "Flags, keywords and dates come along, and mailboxes are made as needed; unless it\n"
            "is for one message, so do the special uses, annotations and subscriptions that\n"
            "ACCOUNT lacks. Time zones and rights of others do not come along. Messages get\n"
            "new UIDs. Nothing that is there is changed or removed: a message that the mailbox\n"
            "has already, with the same date and text, stays as it is, so that the same\n"
            "command twice restores nothing twice. A special use that another mailbox has now\n"
            "stays with that one, and the command says so.\n"
            "\n"
            "Everything appears at once, at the end, or nothing at all, also after Ctrl-C.\n"
            "\n"
            "The account must exist; --to names another one. DIR is a path of this host, and a\n"
            "store of its own is started on it for as long as it takes. To go back to a backup\n"
            "as a whole, stop the system and exchange the data directory.",
        .examples = "mailrail restore /backup/monday ann\n"
                    "mailrail restore /backup/monday ann --mailbox Sent\n"
                    "mailrail restore /backup/monday ann --mailbox Inbox --uid 17\n"
                    "mailrail restore /backup/monday ann --to ann2",
        .options = restore_options,
        .args_min = 2,
        .args_max = 2,
        .run = restore_run,
    },
    {
        .name = "recalculate",
        .arguments = "[ACCOUNT]",
        .summary = "count the messages of mailboxes and accounts again",
        .manual = "Makes the counts and sizes of all mailboxes, and what the quota is compared\n"
                  "with, from the messages that are there. Prints what was wrong; clients see the\n"
                  "right counts at once.\n" BESIDE,
        .examples = "mailrail recalculate\n"
                    "mailrail recalculate ann",
        .args_max = 1,
        .run = recalculate,
    },
    {
        .name = "fix-message-sizes",
        .arguments = "[ACCOUNT]",
        .summary = "take the sizes of messages from their files",
        .manual =
            "Compares the size of each message with that of its file, and writes down what\n"
            "the file has. When one was wrong, all messages of the account are parsed again\n"
            "as by reparse. Clients may remember the old size: see bump-uidvalidity.\n" BESIDE,
        .examples = "mailrail verifydata; mailrail fix-message-sizes ann",
        .args_max = 1,
        .run = fix_sizes,
    },
    {
        .name = "reparse",
        .arguments = "[ACCOUNT]",
        .summary = "parse all messages again",
        .manual = "Makes what is stored about the parts of each message anew from its text. A new\n"
                  "version that parses better does so by itself, in the background. When it is\n"
                  "ended early, or the machine stops, store goes on by itself.\n" BESIDE,
        .examples = "mailrail reparse ann",
        .args_max = 1,
        .run = reparse,
    },
    {
        .name = "reassign-threads",
        .arguments = "[ACCOUNT]",
        .summary = "find the conversation of each message again",
        .manual =
            "Finds for all messages anew which conversation they belong to, as at their\n"
            "delivery; but answers that came before what they answer join it too. Clients\n"
            "may remember the old ones: see bump-uidvalidity. When it is ended early, or the\n"
            "machine stops, store goes on by itself.\n" BESIDE,
        .examples = "mailrail reassign-threads ann",
        .args_max = 1,
        .run = reassign_threads,
    },
    {
        .name = "bump-uidvalidity",
        .arguments = "ACCOUNT [MAILBOX]",
        .summary = "make clients read a mailbox anew",
        .manual = "Gives the mailbox, or all of the account, a new UIDVALIDITY, by which clients\n"
                  "know that what they remember of it is worth nothing: after a restore of older\n"
                  "data, or a repair of sizes. Sessions that have it selected are told that it is\n"
                  "gone, and find it again. Modification sequences that cannot be are mended.\n"
                  "Deliveries to the account wait meanwhile.\n" BESIDE,
        .examples = "mailrail bump-uidvalidity ann\n"
                    "mailrail bump-uidvalidity ann Archive/2023",
        .args_min = 1,
        .args_max = 2,
        .run = bump_uidvalidity,
    },
    {
        .name = "reassign-uids",
        .arguments = "ACCOUNT [MAILBOX]",
        .summary = "number the messages of a mailbox anew",
        .manual =
            "Gives the messages of the mailbox, or of all mailboxes of the account, UIDs from\n"
            "1 on in their order, and the mailbox a new UIDVALIDITY as bump-uidvalidity does.\n"
            "What was known of expunged messages goes.\n" BESIDE,
        .examples = "mailrail reassign-uids ann Inbox",
        .args_min = 1,
        .args_max = 2,
        .run = reassign_uids,
    },
    {
        .name = "fix-uid-metadata",
        .arguments = "[ACCOUNT]",
        .summary = "raise next UIDs above those in use",
        .manual =
            "Raises the next UID of each mailbox above its highest UID, and the account's next\n"
            "UIDVALIDITY above those of its mailboxes, where they are not.\n" BESIDE,
        .examples = "mailrail fix-uid-metadata",
        .args_max = 1,
        .run = fix_uids,
    },
    {
        .name = "remove-lost",
        .arguments = "ACCOUNT",
        .summary = "take messages whose file is gone out of their mailboxes",
        .manual =
            "Expunges the messages of ACCOUNT that have no file, which verifydata names: nobody\n"
            "can read them any more. Prints the mailbox and UID of each. `mailrail restore`\n"
            "brings back those that a backup has, before or after this.\n"
            "\n"
            "When the account has messages and no directory of files at all, such as with a\n"
            "volume that is not mounted, nothing is expunged.\n" BESIDE,
        .examples = "mailrail restore /backup/monday ann; mailrail remove-lost ann",
        .args_min = 1,
        .args_max = 1,
        .run = remove_lost,
    },
    {.name = NULL},
};
