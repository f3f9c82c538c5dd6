#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 200

static bool matches(const char *pattern, const char *text)
{
    if (*pattern == '%')
        return matches(pattern + 1, text) || (*text && matches(pattern, text + 1));
    if (*pattern != *text)
        return false;
    return *pattern == '\0' || matches(pattern + 1, text + 1);
}

/* Lines that a session has got and nobody has looked at. */
struct reader {
    char *text;
    char *at;
};

static void read_more(struct world *w, struct reader *r, size_t n)
{
    struct str sent = fake_session_sent(world_session(w, n));
    size_t left = r->text ? strlen(r->at) : 0;
    char *text = malloc(left + sent.len + 1);
    if (left > 0)
        memcpy(text, r->at, left);
    memcpy(text + left, sent.ptr ? sent.ptr : "", sent.len);
    text[left + sent.len] = '\0';
    free(r->text);
    r->text = r->at = text;
}

static const char *next_line(struct world *w, struct reader *r, size_t n)
{
    read_more(w, r, n);
    char *line = r->at, *end = strchr(line, '\n');
    if (*line == '\0')
        return "(nothing)";
    if (!end)
        end = line + strlen(line) - 1;
    r->at = end + 1;
    static char copy[8192];
    size_t len = (size_t)(end - line);
    if (len > 0 && line[len - 1] == '\r')
        len--;
    snprintf(copy, sizeof(copy), "%.*s", (int)len, line);
    return copy;
}

static void send_line(struct world *w, size_t n, const char *text, bool line_end, size_t step)
{
    struct session *s = world_session(w, n);
    fake_session_feed(s, str_from_cstr(text), step);
    if (line_end)
        fake_session_feed(s, STR("\r\n"), step);
}

void dialogue_deliver(struct world *w, const char *body)
{
    char text[1024];
    snprintf(text, sizeof(text), "Subject: test\r\n\r\n%s\r\n", body);
    fake_backend_deliver(w->server.backend, STR("Inbox"), STR("Return-Path: <>\r\n"),
                         str_from_cstr(text));
}

static void deliver_message(struct world *w, const char *lines)
{
    struct buf text;
    buf_init(&text, 4096);
    for (; *lines; lines++)
        buf_append(&text, *lines == '|' ? STR("\r\n") : str_make(lines, 1));
    fake_backend_deliver(w->server.backend, STR("Inbox"), STR(""), buf_str(&text));
    buf_release(&text);
}

static void set_quota(struct world *w, const char *text)
{
    char *rest;
    uint64_t bytes = strtoull(text, &rest, 10);
    fake_backend_set_quota(w->server.backend, bytes, strtoull(rest, NULL, 10));
}

static void run_line(struct world *w, struct reader *readers, const char *line, size_t step)
{
    size_t n = line[1] == '2' ? 1 : line[1] == '3' ? 2 : 0;
    char mark = line[n > 0 ? 2 : 1];
    const char *text = strlen(line) > (n > 0 ? 4u : 3u) ? line + (n > 0 ? 4 : 3) : "";
    const char *got;
    switch (line[0]) {
    case 'C':
        send_line(w, n, text, mark == ':', step);
        break;
    case 'S':
        got = next_line(w, &readers[n], n);
        cr_assert(matches(text, got), "wanted: %s\n   got: %s\n  more: %.500s", line, got,
                  readers[n].at);
        break;
    case 'U':
        do
            got = next_line(w, &readers[n], n);
        while (!matches(text, got) && strcmp(got, "(nothing)") != 0);
        cr_assert(matches(text, got), "wanted: %s\n   got: %s", line, got);
        break;
    case 'N':
        got = next_line(w, &readers[n], n);
        cr_assert_str_eq(got, "(nothing)", "%s", line);
        break;
    case 'W':
        for (size_t i = 0; i < WORLD_SESSIONS; i++)
            if (w->sessions[i])
                fake_session_wake(w->sessions[i]);
        break;
    case 'D':
        dialogue_deliver(w, text);
        break;
    case 'M':
        deliver_message(w, text);
        break;
    case 'A':
    case 'B':
        fake_backend_set_away(w->server.backend, line[0] == 'A');
        break;
    case 'H':
        fake_backend_hide(w->server.backend, str_from_cstr(text));
        break;
    case 'P':
        fake_backend_purge(w->server.backend, (uint32_t)strtoul(text, NULL, 10));
        break;
    case 'K':
        fake_backend_mark(w->server.backend, (uint32_t)strtoul(text, NULL, 10), STR("elsewhere"));
        break;
    case 'Y':
        fake_backend_damage_structure(w->server.backend, (uint32_t)strtoul(text, NULL, 10));
        break;
    case 'Z':
        fake_backend_damage_file(w->server.backend, (uint32_t)strtoul(text, NULL, 10));
        break;
    case 'V':
        fake_backend_damage_prefix(w->server.backend, (uint32_t)strtoul(text, NULL, 10));
        break;
    case 'R':
        fake_backend_replace(w->server.backend);
        break;
    case 'Q':
        set_quota(w, text);
        break;
    case 'X':
        cr_assert(fake_session_is_closed(w->sessions[0]), "not closed");
        break;
    default:
        cr_assert_fail("%s", line);
    }
}

static void run_once(const char *const *lines, bool logged_in, size_t step, size_t full_at)
{
    struct world w;
    struct reader readers[WORLD_SESSIONS] = {{0}};
    world_init(&w, full_at);
    for (size_t n = 0; logged_in && n < 2; n++) {
        send_line(&w, n, "login LOGIN me@localhost secret", true, 0);
        fake_session_sent(world_session(&w, n));
    }
    for (size_t i = 0; lines[i]; i++)
        run_line(&w, readers, lines[i], step);
    for (size_t n = 0; n < WORLD_SESSIONS; n++)
        free(readers[n].text);
    world_release(&w);
}

void dialogue_run(bool logged_in, const char *const *lines)
{
    run_once(lines, logged_in, 0, 1 << 18);
    run_once(lines, logged_in, 1, 1 << 18);
    run_once(lines, logged_in, 0, 1);
    run_once(lines, logged_in, 1, 1);
}
