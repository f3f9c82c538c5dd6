#include "services/mailrail/prompt.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/* Unbuffered, so that no copy of a secret stays in stdio. */
static bool read_line(char *line, size_t size, size_t *ret_len, struct err *err)
{
    size_t len = 0;
    char c;
    ssize_t n;
    while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
        if (len == size)
            return err_set(err, ERR_LIMIT, "longer than %zu bytes", size);
        line[len++] = c;
    }
    if (n == 0 && len == 0)
        return err_set(err, ERR_STATE, "nothing on standard input");
    *ret_len = len;
    return true;
}

static bool read_hidden(const char *question, char *line, size_t size, size_t *ret_len,
                        struct err *err)
{
    struct termios shown, hidden;
    tcgetattr(STDIN_FILENO, &shown);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", question);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    bool ok = read_line(line, size, ret_len, err);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fputc('\n', stderr);
    return ok;
}

bool prompt_password(struct arena *arena, struct str *ret_password, struct err *err)
{
    char first[LINE_MAX_BYTES], second[LINE_MAX_BYTES];
    size_t first_len = 0, second_len = 0;
    bool ok;
    if (isatty(STDIN_FILENO)) {
        ok = read_hidden("New password", first, sizeof(first), &first_len, err) &&
             read_hidden("Again", second, sizeof(second), &second_len, err);
        if (ok && !str_eq(str_make(first, first_len), str_make(second, second_len)))
            ok = err_set(err, ERR_SYNTAX, "the two passwords differ");
    } else {
        ok = read_line(first, sizeof(first), &first_len, err);
    }
    if (ok)
        *ret_password = arena_copy(arena, str_make(first, first_len));
    explicit_bzero(first, sizeof(first));
    explicit_bzero(second, sizeof(second));
    return ok;
}

bool prompt_confirm(const char *question, struct err *err)
{
    if (!isatty(STDIN_FILENO))
        return err_set(err, ERR_STATE, "not done without --yes");
    char line[LINE_MAX_BYTES];
    size_t len;
    fprintf(stderr, "%s Type yes: ", question);
    if (!read_line(line, sizeof(line), &len, err))
        return false;
    return str_eq(str_make(line, len), STR("yes")) || err_set(err, ERR_STATE, "not done");
}
