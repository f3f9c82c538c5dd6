#include "services/mailrail/certificate.h"

#include "services/mailrail/commands.h"

#include "common/service/layout.h"
#include "common/sys/file.h"
#include "common/sys/tls.h"

static bool make_directory_of(struct str path, struct err *err)
{
    struct layout_path directory;
    ptrdiff_t slash = str_rfind_char(path, '/');
    if (slash <= 0)
        return true;
    return (str_copy_cstr(str_slice(path, 0, (size_t)slash), directory.text,
                          sizeof(directory.text)) ||
            err_set(err, ERR_LIMIT, "path too long")) &&
           directory_make(directory.text, 0700, err);
}

bool certificate_make(const struct settings *s, struct err *err)
{
    if (str_is_empty(s->tls_certificate))
        return err_set(err, ERR_STATE, "the configuration names no tls_certificate");
    TRY(make_directory_of(s->tls_certificate, err));
    TRY(make_directory_of(s->tls_key, err));
    return tls_make_self_signed(s->hostname, s->tls_certificate, s->tls_key, err);
}

static bool make(struct invocation *inv, struct err *err)
{
    return invocation_read_settings(inv, err) && certificate_make(&inv->settings, err);
}

const struct command certificate_commands[] = {
    {
        .name = "certificate make",
        .arguments = "",
        .summary = "make a self-signed certificate, if there is none",
        .manual =
            "Writes a certificate for the configured host name, signed by itself and valid for\n"
            "4 years, to the files named by tls_certificate and tls_key. Does nothing when\n"
            "both exist, but replaces what it made for another host name. Mail servers accept\n"
            "such a certificate; mail programs ask about it.",
        .examples = "mailrail certificate make",
        .run = make,
    },
    {.name = NULL},
};
