/* Every message of tests/mime has the structure that stands beside it, and keeps it through
 * encoding and decoding. */
#include "common/mail/structure.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

/* Printing. */

static void print_addresses(struct buf *out, const char *name, const struct address_entry *first)
{
    if (!first)
        return;
    buf_printf(out, "%s:", name);
    for (const struct address_entry *e = first; e; e = e->next) {
        if (e->group_start || e->group_end) {
            buf_printf(out, " %s%.*s", e->group_start ? "begin " : "end", STR_ARG(e->name));
        } else {
            buf_printf(out, " \"%.*s\" <", STR_ARG(e->name));
            if (e->address.domain.len > 0)
                address_write(out, e->address);
            buf_append_cstr(out, ">");
        }
    }
    buf_append_cstr(out, "\n");
}

static void print_text(struct buf *out, const char *name, struct str text)
{
    if (!str_is_null(text) && text.len > 100)
        buf_printf(out, "%s: %zu bytes\n", name, text.len);
    else if (!str_is_null(text))
        buf_printf(out, "%s: %.*s\n", name, STR_ARG(text));
}

static void print_envelope(struct buf *out, const struct envelope *e)
{
    if (e->has_date) {
        buf_append_cstr(out, "date: ");
        date_write(out, e->date);
        buf_append_cstr(out, "\n");
    }
    print_text(out, "subject", e->subject);
    print_addresses(out, "from", e->from);
    print_addresses(out, "sender", e->sender);
    print_addresses(out, "reply-to", e->reply_to);
    print_addresses(out, "to", e->to);
    print_addresses(out, "cc", e->cc);
    print_addresses(out, "bcc", e->bcc);
    print_text(out, "in-reply-to", e->in_reply_to);
    print_text(out, "message-id", e->message_id);
}

static void print_parameters(struct buf *out, const struct parameter *p)
{
    for (; p; p = p->next)
        buf_printf(out, " {%.*s=%.*s}", STR_ARG(p->name), STR_ARG(p->value));
}

static void print_part(struct buf *out, const struct part *p, const char *section, int depth)
{
    buf_printf(out, "%*s%s %.*s/%.*s header %zu body %zu-%zu lines %zu decoded %zu", depth * 2, "",
               section, STR_ARG(p->type), STR_ARG(p->subtype), (size_t)p->header_offset,
               (size_t)p->body_offset, (size_t)p->end_offset, (size_t)p->lines,
               (size_t)p->decoded_size);
    if (!str_is_null(p->encoding))
        buf_printf(out, " %.*s", STR_ARG(p->encoding));
    if (p->damaged)
        buf_append_cstr(out, " damaged");
    print_parameters(out, p->params);
    if (!str_is_null(p->id))
        buf_printf(out, " id %.*s", STR_ARG(p->id));
    for (size_t i = 0; i < p->language_count; i++)
        buf_printf(out, " language %.*s", STR_ARG(p->languages[i]));
    if (!str_is_null(p->disposition))
        buf_printf(out, " %.*s", STR_ARG(p->disposition));
    print_parameters(out, p->disposition_params);
    struct str filename = part_filename(p, &arena);
    if (!str_is_null(filename))
        buf_printf(out, " filename %.*s", STR_ARG(filename));
    buf_append_cstr(out, "\n");
    if (p->envelope)
        print_envelope(out, p->envelope);
    char below[256];
    if (p->message) {
        snprintf(below, sizeof(below), ">%s", section);
        print_part(out, p->message, below, depth + 1);
    }
    int number = 1;
    for (const struct part *child = p->first; child; child = child->next) {
        snprintf(below, sizeof(below), "%s.%d", section, number++);
        print_part(out, child, depth == 0 ? below + 2 : below, depth + 1);
    }
}

static struct str describe(const struct structure *s)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    print_envelope(&out, s->envelope);
    print_text(&out, "canonical id", s->message_id_canonical);
    for (size_t i = 0; i < s->reference_count; i++)
        print_text(&out, "reference", s->references_canonical[i]);
    print_text(&out, s->subject_is_reply ? "base (reply)" : "base", s->subject_base);
    if (s->is_dsn)
        buf_append_cstr(&out, "dsn\n");
    if (s->needs_smtputf8)
        buf_append_cstr(&out, "smtputf8\n");
    print_part(&out, s->root, "0", 0);
    buf_printf(&out, "preview:\n%.*s", STR_ARG(s->preview));
    struct str copy = arena_copy(&arena, buf_str(&out));
    buf_release(&out);
    return copy;
}

/* Files. */

static void path_of(char *path, size_t size, const char *name, const char *suffix)
{
    const char *root = getenv("MAILRAIL_SOURCE_DIR");
    snprintf(path, size, "%s/tests/mime/%s%s", root ? root : ".", name, suffix);
}

static struct str read_file(const char *name, const char *suffix)
{
    char path[4096];
    path_of(path, sizeof(path), name, suffix);
    FILE *f = fopen(path, "rb");
    if (!f)
        return STR_NULL;
    char *bytes = malloc(1 << 20);
    size_t len = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    struct str copy = arena_copy(&arena, str_make(bytes, len));
    free(bytes);
    return copy;
}

static void check_message(const char *name)
{
    struct str message = read_file(name, ".eml");
    const struct structure *s = structure_parse(message, &arena), *again;
    struct str got = describe(s);
    if (getenv("MAILRAIL_WRITE_WANT")) {
        char path[4096];
        path_of(path, sizeof(path), name, ".want");
        FILE *f = fopen(path, "wb");
        fwrite(got.ptr, 1, got.len, f);
        fclose(f);
    }
    struct str want = read_file(name, ".want");
    cr_assert(str_eq(got, want), "%s.want differs; got:\n%.*s", name, STR_ARG(got));
    struct buf bytes;
    struct err err;
    buf_init(&bytes, 1 << 20);
    cr_assert(structure_encode(s, &arena, &bytes, &err), "%s: %s", name, err.detail);
    cr_assert(structure_decode(buf_str(&bytes), &arena, &again, &err), "%s: %s", name, err.detail);
    cr_assert(str_eq(describe(again), want), "%s: changed by encoding", name);
    buf_release(&bytes);
}

Test(mime, every_message_of_the_collection_has_its_structure)
{
    char path[4096];
    path_of(path, sizeof(path), "", "");
    DIR *directory = opendir(path);
    cr_assert(directory, "%s", path);
    size_t checked = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *suffix = strstr(entry->d_name, ".eml");
        if (!suffix)
            continue;
        *suffix = '\0';
        arena_init(&arena, STRUCTURE_ARENA_SIZE);
        check_message(entry->d_name);
        arena_release(&arena);
        checked++;
    }
    closedir(directory);
    cr_assert(checked > 30, "%zu", checked);
}
