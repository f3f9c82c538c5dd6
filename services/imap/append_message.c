#include "common/mail/structure.h"
#include "services/imap/append_work.h"
#include "services/imap/imap_url.h"

#define STRUCTURES_MAX (64u << 20) /* bytes of all structures of a command */
#define STRUCTURE_MAX (16u << 20)
/* Bytes of small messages that one command keeps in memory; further ones become files. */
#define MEMORY_MAX (1u << 20)

struct append_work *append_work_new(void)
{
    struct append_work *work = xcalloc(1, sizeof(*work));
    arena_init(&work->arena, STRUCTURES_MAX);
    buf_init(&work->url, IMAP_URL_MAX);
    return work;
}

void append_work_free(void *pointer)
{
    struct append_work *work = pointer;
    for (size_t i = 0; i < work->len; i++) {
        spool_discard(&work->messages[i]->spool);
        free(work->messages[i]);
    }
    buf_release(&work->url);
    arena_release(&work->arena);
    free(work);
}

void append_fail(struct append_work *work, const struct err *err)
{
    if (work->failed)
        return;
    work->failed = true;
    work->err = *err;
}

/* ---- Its beginning */

void append_open_message(struct imap *imap, struct append_work *work,
                         const struct append_item *item, uint64_t size)
{
    struct err err;
    if (work->failed)
        return;
    if (work->len == APPEND_MESSAGES_MAX) {
        err_set(&err, ERR_STATE, "more than %d messages", APPEND_MESSAGES_MAX);
        err_reply(&err, "[LIMIT] more than %d messages in one command", APPEND_MESSAGES_MAX);
        append_fail(work, &err);
        return;
    }
    struct append_message *message = xcalloc(1, sizeof(*message));
    message->item = *item;
    struct str data = imap->server->settings->data;
    if (size <= SPOOL_MEMORY_MAX) {
        spool_init(&message->spool, data, "imap");
    } else if (!spool_open(&message->spool, data, "imap", &err)) {
        append_fail(work, &err);
        free(message);
        return;
    }
    work->messages[work->len++] = message;
    work->after_cr = false;
}

/* ---- Its bytes */

/* Bare LF becomes CRLF (spec 1.7), also where a chunk ends between the two. */
static bool write_lines(struct append_work *work, struct spool_file *spool, struct str bytes,
                        struct err *err)
{
    while (bytes.len > 0) {
        ptrdiff_t lf = str_find_char(bytes, '\n');
        size_t len = lf < 0 ? bytes.len : (size_t)lf;
        TRY(spool_write(spool, str_slice(bytes, 0, len), err));
        bool has_cr = len > 0 ? bytes.ptr[len - 1] == '\r' : work->after_cr;
        if (lf >= 0)
            TRY(spool_write(spool, has_cr ? STR("\n") : STR("\r\n"), err));
        work->after_cr = lf < 0 && has_cr;
        bytes = str_skip(bytes, lf < 0 ? len : len + 1);
    }
    return true;
}

void append_write(struct append_work *work, struct str bytes)
{
    struct err err;
    if (!work->failed && !write_lines(work, &append_last(work)->spool, bytes, &err))
        append_fail(work, &err);
}

/* ---- Its end */

static bool parse_message(struct append_work *work, struct append_message *message, struct err *err)
{
    struct spool_text text;
    struct arena scratch;
    struct buf encoded;
    TRY(spool_text_open(&message->spool, &text, err));
    arena_init(&scratch, STRUCTURE_ARENA_SIZE);
    buf_init(&encoded, STRUCTURE_MAX);
    const struct structure *structure = structure_parse(text.bytes, &scratch);
    bool ok = structure_encode(structure, &scratch, &encoded, err);
    message->item.structure = ok ? arena_copy(&work->arena, buf_str(&encoded)) : STR_NULL;
    if (ok && str_is_null(message->item.structure))
        ok = err_set(err, ERR_LIMIT, "too many messages at once");
    buf_release(&encoded);
    arena_release(&scratch);
    spool_text_close(&text);
    return ok;
}

static bool finish_spool(struct append_work *work, struct spool_file *spool, struct err *err)
{
    size_t in_memory = spool_content(spool).len;
    if (in_memory == 0 || work->in_memory + in_memory > MEMORY_MAX)
        return spool_finish(spool, err);
    work->in_memory += in_memory;
    return true;
}

void append_finish_message(struct append_work *work)
{
    struct err err;
    if (work->failed)
        return;
    struct append_message *message = append_last(work);
    struct spool_file *spool = &message->spool;
    if (!finish_spool(work, spool, &err) || !parse_message(work, message, &err)) {
        append_fail(work, &err);
        return;
    }
    message->item.spool_name = str_from_cstr(spool->name);
    message->item.content = spool_content(spool);
    message->item.file_size = spool->size;
}
