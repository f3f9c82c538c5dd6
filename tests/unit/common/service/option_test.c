#include "common/service/option.h"
#include "common/base/buf.h"
#include "common/service/settings.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct door_config {
    struct str greeting;
    struct str_list listen;
    uint64_t port;
    uint64_t size_max;
    bool starttls;
    struct str key;
    struct str mode;
};

static const struct option door_options[] = {
    OPTION_STRING(door_config, greeting, "hello", "first words"),
    OPTION_LIST(door_config, listen, "0.0.0.0,::", "addresses to listen on"),
    OPTION_NUMBER(door_config, port, "25", 1, 65535, NULL, "TCP port"),
    OPTION_NUMBER(door_config, size_max, "100", 0, 1099511627776, "bytes", "largest message"),
    OPTION_BOOL(door_config, starttls, "true", "offer STARTTLS"),
    OPTION_PATH(door_config, key, "", "key file"),
    OPTION_CHOICE(door_config, mode, "fast", "fast,slow", "how"),
};

static struct arena arena;
static struct door_config config;

static bool read_door(const char *text, struct buf *all, struct err *err)
{
    arena_init(&arena, 1 << 20);
    config = (struct door_config){0};
    const struct option_group groups[] = {{.name = NULL, .options = NULL},
                                          {.name = "smtp_in",
                                           .options = door_options,
                                           .count = ARRAY_LEN(door_options),
                                           .values = &config}};
    return options_read_text("/etc/m.conf", str_from_cstr(text), groups, 2, &arena, all, err);
}

Test(option, defaults_apply_when_nothing_is_said)
{
    struct err err;
    cr_assert(read_door("", NULL, &err), "%s", err.detail);
    cr_assert(str_eq(config.greeting, STR("hello")));
    cr_assert_eq(config.listen.len, 2);
    cr_assert(str_eq(config.listen.items[1], STR("::")));
    cr_assert_eq(config.port, 25);
    cr_assert(config.starttls);
    arena_release(&arena);
}

Test(option, the_file_sets_values)
{
    struct err err;
    bool ok = read_door("smtp_in = {\n greeting = \"a\\\"b\"; listen = [\"::1\"]; port = 2525;\n"
                        " size_max = 5000000000L; starttls = false; key = \"tls/key.pem\";\n"
                        " mode = \"slow\"; };\n imap = { whatever = 1; };",
                        NULL, &err);
    cr_assert(ok, "%s", err.detail);
    cr_assert(str_eq(config.greeting, STR("a\"b")));
    cr_assert_eq(config.listen.len, 1);
    cr_assert_eq(config.port, 2525);
    cr_assert_eq(config.size_max, 5000000000);
    cr_assert(!config.starttls);
    cr_assert(str_eq(config.key, STR("/etc/tls/key.pem")), "relative to the file");
    cr_assert(str_eq(config.mode, STR("slow")));
    arena_release(&arena);
}

Test(option, failures_name_file_line_and_option)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"smtp_in = {\n port = 70000;\n};", "/etc/m.conf:2: smtp_in.port: 70000 is above 65535"},
        {"smtp_in = { port = -1; };", "/etc/m.conf:1: smtp_in.port: -1 is below 1"},
        {"smtp_in = { port = \"25\"; };",
         "/etc/m.conf:1: smtp_in.port: must be a number from 1 to 65535"},
        {"smtp_in = { size_max = 5000000000; };",
         "/etc/m.conf:1: smtp_in.size_max: write numbers above 2147483647 with an L at the end"},
        {"smtp_in = { prot = 1; };",
         "/etc/m.conf:1: smtp_in.prot: unknown option, did you mean \"port\"?"},
        {"smtp_in = { xyzzy = 1; };", "/etc/m.conf:1: smtp_in.xyzzy: unknown option"},
        {"hostnmae = 1;", "/etc/m.conf:1: hostnmae: unknown option"},
        {"smtp_in = 1;", "/etc/m.conf:1: smtp_in: is a group of options: smtp_in = { ... };"},
        {"smtp_in = { starttls = 1; };", "/etc/m.conf:1: smtp_in.starttls: must be true or false"},
        {"smtp_in = { greeting = 1; };",
         "/etc/m.conf:1: smtp_in.greeting: must be a string in quotes"},
        {"smtp_in = { listen = [1]; };",
         "/etc/m.conf:1: smtp_in.listen: must be a list of strings: [ \"...\", \"...\" ]"},
        {"smtp_in = { mode = \"fas\"; };",
         "/etc/m.conf:1: smtp_in.mode: must be one of \"fast,slow\""},
        {"\n\nsmtp_in = { port = 1; port = 2; };", "/etc/m.conf:3: duplicate setting name"},
        {"smtp_in = {\n port 1;", "/etc/m.conf:2: syntax error"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        cr_assert(!read_door(rows[i].in, NULL, &err), "%s", rows[i].in);
        cr_assert_str_eq(err.detail, rows[i].want, "want %s\nhave %s", rows[i].want, err.detail);
        arena_release(&arena);
    }
}

Test(option, all_failures_are_listed)
{
    struct buf all;
    buf_init(&all, 10000);
    struct err err;
    cr_assert(!read_door("top = 1;\nsmtp_in = { port = 0; mode = 1; };", &all, &err));
    cr_assert(
        str_eq(buf_str(&all), STR("/etc/m.conf:1: top: unknown option\n"
                                  "/etc/m.conf:2: smtp_in.port: 0 is below 1\n"
                                  "/etc/m.conf:2: smtp_in.mode: must be one of \"fast,slow\"\n")),
        "%.*s", STR_ARG(buf_str(&all)));
    buf_release(&all);
    arena_release(&arena);
}

Test(option, the_environment_wins)
{
    struct err err;
    setenv("MAILRAIL_SMTP_IN_PORT", "26", 1);
    setenv("MAILRAIL_SMTP_IN_LISTEN", "127.0.0.1, ::1", 1);
    setenv("MAILRAIL_SMTP_IN_STARTTLS", "false", 1);
    cr_assert(read_door("smtp_in = { port = 25; };", NULL, &err), "%s", err.detail);
    cr_assert_eq(config.port, 26);
    cr_assert_eq(config.listen.len, 2);
    cr_assert(str_eq(config.listen.items[1], STR("::1")));
    cr_assert(!config.starttls);
    arena_release(&arena);
    setenv("MAILRAIL_SMTP_IN_PORT", "many", 1);
    cr_assert(!read_door("", NULL, &err));
    cr_assert_str_eq(err.detail, "MAILRAIL_SMTP_IN_PORT: must be a number from 1 to 65535");
    arena_release(&arena);
}

Test(option, what_is_printed_can_be_read_again)
{
    struct err err;
    cr_assert(
        read_door("smtp_in = { greeting = \"q\\\"\\\\ \xc3\xbc\\n\"; size_max = 5000000000L; };",
                  NULL, &err),
        "%s", err.detail);
    const struct option_group group = {"smtp_in", door_options, ARRAY_LEN(door_options), &config};
    struct buf first, second;
    buf_init(&first, 10000);
    buf_init(&second, 10000);
    options_print(&group, 1, &first);
    cr_assert(buf_append_char(&first, '\0'));
    struct arena kept = arena;
    cr_assert(read_door(first.ptr, NULL, &err), "%s\n%s", err.detail, first.ptr);
    options_print(&group, 1, &second);
    cr_assert(buf_append_char(&second, '\0'));
    cr_assert_str_eq(first.ptr, second.ptr);
    cr_assert(str_eq(config.greeting, STR("q\"\\ \xc3\xbc\n")));
    buf_release(&first);
    buf_release(&second);
    arena_release(&kept);
    arena_release(&arena);
}

/* As services check what rows cannot say. */
static void check_door(const void *values, struct option_report *report)
{
    const struct door_config *c = values;
    if (c->port == 26)
        option_reject(report, "port", "%d is not ours", 26);
    if (str_eq(c->greeting, STR("rude")))
        option_reject(report, "greeting", "be nice");
}

static bool read_checked_door(const char *text, struct buf *all, struct err *err)
{
    arena_init(&arena, 1 << 20);
    const struct option_group group = {"smtp_in", door_options, ARRAY_LEN(door_options), &config,
                                       check_door};
    return options_read_text("/etc/m.conf", str_from_cstr(text), &group, 1, &arena, all, err);
}

Test(option, checks_beyond_the_rows_name_the_place)
{
    struct err err;
    struct buf all;
    buf_init(&all, 10000);
    cr_assert(read_checked_door("", NULL, &err), "%s", err.detail);
    arena_release(&arena);
    cr_assert_not(
        read_checked_door("smtp_in = { greeting = \"rude\";\n port = 26; };", &all, &err));
    cr_expect_str_eq(err.detail, "/etc/m.conf:2: smtp_in.port: 26 is not ours");
    cr_expect(str_eq(buf_str(&all), STR("/etc/m.conf:2: smtp_in.port: 26 is not ours\n"
                                        "/etc/m.conf:1: smtp_in.greeting: be nice\n")));
    arena_release(&arena);
    setenv("MAILRAIL_SMTP_IN_PORT", "26", 1);
    cr_assert_not(read_checked_door("", NULL, &err));
    cr_expect_str_eq(err.detail, "MAILRAIL_SMTP_IN_PORT: 26 is not ours");
    unsetenv("MAILRAIL_SMTP_IN_PORT");
    arena_release(&arena);
    /* Half a configuration is not judged further. */
    cr_assert_not(read_checked_door("smtp_in = { greeting = \"rude\"; prt = 1; };", NULL, &err));
    cr_expect(strstr(err.detail, "unknown option") != NULL, "%s", err.detail);
    arena_release(&arena);
    buf_release(&all);
}

static bool read_settings(const char *text, struct settings *settings, struct err *err)
{
    arena_init(&arena, 1 << 20);
    const struct option_group group = settings_group(settings);
    return options_read_text("/m.conf", str_from_cstr(text), &group, 1, &arena, NULL, err);
}

Test(settings, doors_have_urls)
{
    struct settings s;
    struct err err;
    cr_assert(read_settings("hostname = \"h\"; run = \"/r\"; bus_doors = [\"queue=tcp://q:1\"];",
                            &s, &err));
    cr_assert_str_eq(settings_door_url(&s, "dns", &arena), "ipc:///r/dns.sock");
    cr_assert_str_eq(settings_door_url(&s, "queue", &arena), "tcp://q:1");
    arena_release(&arena);
    cr_assert(read_settings("hostname = \"h\"; bus = \"tcp://%s:7000\";", &s, &err));
    cr_assert_str_eq(settings_door_url(&s, "dns", &arena), "tcp://dns:7000");
    arena_release(&arena);
}

Test(settings, what_cannot_work_is_refused)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"", "/m.conf: hostname: must be set (here, or as MAILRAIL_HOSTNAME in the environment)"},
        {"\nhostname = \"a b\";",
         "/m.conf:2: hostname: not a domain name: domain \"a b\": character that no domain has"},
        {"hostname = \"192.0.2.1\";", "/m.conf:1: hostname: not a domain name: "
                                      "domain \"192.0.2.1\": top-level label of digits"},
        {"hostname = \"z\xc3\xbcrich\";",
         "/m.conf:1: hostname: write it in A-label form: \"xn--zrich-kva\""},
        {"hostname = \"h\";\nbus = \"tcp://x\";",
         "/m.conf:2: bus: needs %s where the name of the door goes"},
        {"hostname = \"h\";\nbus_doors = [\"x\"];", "/m.conf:2: bus_doors: \"x\" is not door=URL"},
        {"hostname = \"h\"; log_levels = [\"imap=loud\"];",
         "/m.conf:1: log_levels: \"imap=loud\" is not package=level"},
        {"hostname = \"h\"; run = \"\";",
         "/m.conf:1: run: must have 1 to 76 bytes, to leave room for the names of sockets"},
        {"hostname = \"h\"; tls_key = \"k\";",
         "/m.conf:1: tls_key: needs its certificate: set tls_certificate as well"},
        {"hostname = \"h\"; tls_certificate = \"k\";",
         "/m.conf:1: tls_certificate: needs its key: set tls_key as well"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct settings s = {0};
        struct err err = {0};
        cr_assert(!read_settings(rows[i].in, &s, &err), "%s", rows[i].in);
        cr_assert_str_eq(err.detail, rows[i].want, "want %s\nhave %s", rows[i].want, err.detail);
        arena_release(&arena);
    }
}
