#include "services/mailrail/backend_transfer.h"
#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/export.h"
#include "services/mailrail/mail_sender.h"
#include "services/mailrail/mail_source.h"
#include "services/mailrail/plural.h"
#include "services/mailrail/progress.h"

#include "common/base/buf.h"
#include "common/base/bug.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * `mailrail import`: lists the mail, says to store which import this is, and sends what it lacks.
 * Which import: a key made of account, mailbox and the list, so that the same command line finds
 * what an earlier run sent, as long as the mail is the same.
 */

#define SOURCES_ARENA_MAX (1024u << 20)

struct importer {
    struct transfer *transfer;
    struct mail_sources sources;
    struct str key;
    struct mail_sender sender;
    struct progress progress;
};

/* ---- Which import */

static struct str key_of(struct invocation *inv, const struct mail_sources *sources, unsigned round)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_append(&text, digest_str(&sources->fingerprint));
    buf_append_cstr(&text, inv->args[0]);
    buf_printf(&text, " %u", round);
    struct digest digest = digest_of(DIGEST_SHA256, buf_str(&text));
    buf_release(&text);
    return arena_copy(&inv->arena, str_slice(digest_str(&digest), 0, TRANSFER_KEY_SIZE));
}

/* The first round that is not over: with --again, behind those that are. */
static bool begin(struct importer *im, struct invocation *inv, struct import_state *ret,
                  struct err *err)
{
    for (unsigned round = 0;; round++) {
        im->key = key_of(inv, &im->sources, round);
        TRY(transfer_begin(im->transfer, im->key, ret, err));
        if (!ret->is_committed || !invocation_has(inv, "--again"))
            return true;
    }
}

/* ---- Sending */

static bool interrupted(struct err *err)
{
    return err_set(err, ERR_TEMPORARY, "interrupted");
}

static bool take(void *ctx, const struct incoming *m, struct err *err)
{
    struct importer *im = ctx;
    if (progress_is_interrupted())
        return interrupted(err);
    const struct import_item item = {.mailbox = m->source->mailbox,
                                     .content = m->text,
                                     .size = m->text.len,
                                     .structure = m->structure,
                                     .flags = m->flags,
                                     .received_s = m->received_s,
                                     .mail_from = m->mail_from};
    TRY(mail_sender_add(&im->sender, &item, m->position, err));
    progress_step(&im->progress, m->position);
    return true;
}

static bool send_all(struct importer *im, uint64_t position, struct err *err)
{
    TRY(mail_sources_read(&im->sources, position, take, im, err));
    if (progress_is_interrupted())
        return interrupted(err);
    return mail_sender_flush(&im->sender, err);
}

static bool commit(struct importer *im, struct invocation *inv, struct err *err)
{
    size_t count = im->sources.items.len;
    struct str *mailboxes = arena_new_array(&inv->arena, count, struct str);
    if (!mailboxes)
        return err_set(err, ERR_LIMIT, "too many mailboxes");
    for (size_t i = 0; i < count; i++)
        mailboxes[i] = im->sources.items.items[i].mailbox;
    return transfer_commit(im->transfer, im->key, im->sender.sent, false, mailboxes, count, err);
}

/* ---- When it fails */

/* What the same command may complete stays, unless it takes the room that somebody has to make;
 * anything else leaves no trace. */
static void give_up(struct importer *im, const struct err *failure)
{
    struct err err;
    if (!err_is_transient(failure->kind) || failure->kind == ERR_NO_SPACE) {
        if (!transfer_abort(im->transfer, im->key, &err))
            fprintf(stderr, "What was sent is dropped after a day (%s).\n", err.detail);
        return;
    }
    fprintf(stderr,
            "Nothing was imported yet: %" PRIu64 " message%s kept, unseen, for a day.\n"
            "The same command goes on after that; with --abort it drops it.\n",
            im->sender.sent, plural(im->sender.sent, "s"));
}

/* ---- The command */

static bool run_import(struct importer *im, struct invocation *inv, struct err *err)
{
    struct import_state state;
    TRY(begin(im, inv, &state, err));
    if (state.is_committed) {
        printf("Imported before: %" PRIu64 " message%s. Once more: --again\n", state.messages,
               plural(state.messages, "s"));
        return true;
    }
    mail_sender_init(&im->sender, im->transfer, im->key);
    im->sender.sent = state.messages;
    if (im->sender.sent > 0)
        fprintf(stderr, "Going on after %" PRIu64 " message%s.\n", im->sender.sent,
                plural(im->sender.sent, "s"));
    progress_begin(&im->progress, im->sender.sent, state.position, im->sources.size);
    bool ok = send_all(im, state.position, err);
    progress_end(&im->progress);
    ok = ok && commit(im, inv, err);
    if (ok)
        printf("%" PRIu64 " message%s imported into %zu mailbox%s\n", im->sender.sent,
               plural(im->sender.sent, "s"), im->sources.items.len,
               plural(im->sources.items.len, "es"));
    else
        give_up(im, err);
    mail_sender_release(&im->sender);
    return ok;
}

static bool run_abort(struct importer *im, struct invocation *inv, struct err *err)
{
    struct import_state state;
    TRY(begin(im, inv, &state, err));
    if (state.is_committed)
        return err_set(err, ERR_STATE,
                       "it is imported (messages: %" PRIu64 "): there is nothing to drop",
                       state.messages);
    TRY(transfer_abort(im->transfer, im->key, err));
    printf("%" PRIu64 " message%s dropped\n", state.messages, plural(state.messages, "s"));
    return true;
}

static bool with_sources(struct importer *im, struct invocation *inv, struct err *err)
{
    TRY(transfer_open(&inv->settings, invocation_arg(inv, 0), progress_is_interrupted,
                      &im->transfer, err));
    bool ok = invocation_has(inv, "--abort") ? run_abort(im, inv, err) : run_import(im, inv, err);
    transfer_close(im->transfer);
    return ok;
}

static bool run(struct invocation *inv, struct err *err)
{
    struct importer *im = xcalloc(1, sizeof(*im));
    struct arena arena;
    char *path = realpath(inv->args[1], NULL);
    arena_init(&arena, SOURCES_ARENA_MAX);
    progress_catch_interrupts();
    bool ok = invocation_read_settings(inv, err) &&
              mail_sources_find(path ? path : inv->args[1], invocation_text(inv, "--mailbox"),
                                &arena, &im->sources, err) &&
              with_sources(im, inv, err);
    mail_sources_release(&im->sources);
    arena_release(&arena);
    free(path);
    free(im);
    return ok;
}

static const struct command_option import_options[] = {
    {"--mailbox", "NAME", "where it goes, instead of by the files' names"},
    {"--abort", NULL, "drop what an interrupted import of this mail left"},
    {"--again", NULL, "import it although it was imported before"},
    {NULL, NULL, NULL},
};

static const struct command_option export_options[] = {
    {"--format", "FORMAT", "maildir, which is the default, or mbox"},
    {"--mailbox", "NAME", "only this mailbox, without those below it"},
    {NULL, NULL, NULL},
};

const struct command transfer_commands[] = {
    {
        .name = "import",
        .arguments = "ACCOUNT PATH",
        .summary = "import mbox files and Maildirs",
        .manual =
            "Imports the mail at PATH into mailboxes of ACCOUNT, with flags, keywords and\n"
            "dates. PATH is an mbox file, a Maildir with its subfolders, or a directory with\n"
            "any of them: DIR/Work.mbox becomes the mailbox Work, DIR/Letters/cur the mailbox\n"
            "Letters, a Maildir at PATH itself Inbox. --mailbox names the mailbox of a file or\n"
            "Maildir, or the one above those of a directory. Mailboxes are made and\n"
            "subscribed as needed. Messages that are there already are not looked for.\n"
            "\n"
            "Everything appears at once, at the end, or nothing at all: when a file cannot be\n"
            "read (a Maildir must be at rest), or quota or disk do not suffice, no trace is\n"
            "left. After Ctrl-C or a lost connection, what was sent waits for a day, unseen:\n"
            "the same command goes on after it, as long as the files are the same; with\n"
            "--abort it drops it. The same command after it has succeeded says so, for a week,\n"
            "and does nothing.\n"
            "\n"
            "Flags of mbox are read from Status, X-Status and X-Keywords, those of Maildirs\n"
            "from file names and the file dovecot-keywords. The sender of the envelope is that\n"
            "of the From line, in Maildirs that of Return-Path.",
        .examples = "mailrail import ann ann.mbox --mailbox Archive/2023\n"
                    "mailrail import ann /home/ann/Maildir\n"
                    "mailrail import ann /backup/ann --mailbox Old",
        .options = import_options,
        .args_min = 2,
        .args_max = 2,
        .run = run,
    },
    {
        .name = "export",
        .arguments = "ACCOUNT DIR",
        .summary = "export mailboxes as Maildirs or mbox files",
        .manual =
            "Writes the mailboxes of ACCOUNT into DIR, which is made and must be empty:\n"
            "Maildirs DIR/Letters/Old with cur, new and tmp, or files DIR/Letters/Old.mbox of\n"
            "the variant mboxrd. With --mailbox only that one, without the levels above it.\n"
            "Flags, keywords and dates are written so that `mailrail import` reads them back;\n"
            "of Maildirs also the bytes are the same, but for a line end that the last line\n"
            "lacks; mbox files get header fields for flags. A Maildir has room for 26 keywords,\n"
            "what is beyond is left out, and so are keywords with commas in mbox files.\n"
            "A directory for .x is called .&AC4-x, as a folder of a Maildir++ would be, and\n"
            "likewise where the name means something else there: .cur, .errors&AC4-txt.\n"
            "\n"
            "A message that cannot be read is left out, and so is a mailbox whose name no file\n"
            "can have. DIR/errors.txt names them, and the exit status is 1 then. Mail that\n"
            "comes meanwhile may be left out.",
        .examples = "mailrail export ann /backup/ann\n"
                    "mailrail export ann /tmp/sent --format mbox --mailbox Sent",
        .options = export_options,
        .args_min = 2,
        .args_max = 2,
        .run = export_run,
    },
    {.name = NULL},
};
