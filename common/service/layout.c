#include "common/service/layout.h"

#include "common/base/bug.h"
#include "common/text/charclass.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *const layout_parts[] = {"accounts",
                                    "queue",
                                    "keys",
                                    "tls",
                                    "spool",
                                    "spool/imap",
                                    "spool/mailrail",
                                    "spool/queue-deliverer",
                                    "spool/smtp-in",
                                    "spool/submission",
                                    NULL};

PRINTF_LIKE(1, 2) static struct layout_path make_path(const char *format, ...)
{
    struct layout_path path;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(path.text, sizeof(path.text), format, args);
    va_end(args);
    BUG_ON(n < 0 || (size_t)n >= sizeof(path.text));
    return path;
}

struct layout_path layout_directory_db(struct str data)
{
    return make_path("%.*s/directory.db", STR_ARG(data));
}

struct layout_path layout_queue_db(struct str data)
{
    return make_path("%.*s/queue.db", STR_ARG(data));
}

struct layout_path layout_account(struct str data, uint64_t account_id)
{
    return make_path("%.*s/accounts/%" PRIu64, STR_ARG(data), account_id);
}

struct layout_path layout_account_db(struct str data, uint64_t account_id)
{
    return make_path("%.*s/accounts/%" PRIu64 "/index.db", STR_ARG(data), account_id);
}

struct layout_path layout_account_text_db(struct str data, uint64_t account_id)
{
    return make_path("%.*s/accounts/%" PRIu64 "/text.db", STR_ARG(data), account_id);
}

struct layout_path layout_imports(struct str data, uint64_t account_id)
{
    return make_path("%.*s/accounts/%" PRIu64 "/import", STR_ARG(data), account_id);
}

struct layout_path layout_import(struct str data, uint64_t account_id, const char *key_hex)
{
    return make_path("%.*s/accounts/%" PRIu64 "/import/%s", STR_ARG(data), account_id, key_hex);
}

struct layout_path layout_message_directory(struct str data, uint64_t account_id, uint64_t id)
{
    return make_path("%.*s/accounts/%" PRIu64 "/msg/%" PRIu64, STR_ARG(data), account_id,
                     id / LAYOUT_FILES_PER_DIRECTORY);
}

struct layout_path layout_message(struct str data, uint64_t account_id, uint64_t id)
{
    return make_path("%.*s/accounts/%" PRIu64 "/msg/%" PRIu64 "/%" PRIu64, STR_ARG(data),
                     account_id, id / LAYOUT_FILES_PER_DIRECTORY, id);
}

struct layout_path layout_queue_message_directory(struct str data, uint64_t base_id)
{
    return make_path("%.*s/queue/msg/%" PRIu64, STR_ARG(data),
                     base_id / LAYOUT_FILES_PER_DIRECTORY);
}

struct layout_path layout_queue_message(struct str data, uint64_t base_id)
{
    return make_path("%.*s/queue/msg/%" PRIu64 "/%" PRIu64, STR_ARG(data),
                     base_id / LAYOUT_FILES_PER_DIRECTORY, base_id);
}

struct layout_path layout_keys_directory(struct str data)
{
    return make_path("%.*s/keys", STR_ARG(data));
}

struct layout_path layout_unfinished(struct str data)
{
    return make_path("%.*s/unfinished", STR_ARG(data));
}

struct layout_path layout_spool_directory(struct str data, struct str service)
{
    return make_path("%.*s/spool/%.*s", STR_ARG(data), STR_ARG(service));
}

struct layout_path layout_spool(struct str data, struct str name)
{
    return make_path("%.*s/spool/%.*s", STR_ARG(data), STR_ARG(name));
}

static bool is_plain_name(struct str name)
{
    if (name.len == 0 || name.len > 64 || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!is_alnum((unsigned char)c) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return true;
}

bool layout_spool_name_is_valid(struct str name, struct str *ret_service)
{
    struct str file;
    return str_cut(name, '/', ret_service, &file) && is_plain_name(*ret_service) &&
           is_plain_name(file);
}
