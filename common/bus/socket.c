#include "common/bus/socket.h"

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/bus/tls_engine.h"

#include <nng/transport/ipc/ipc.h>

#define STUCK_MS 5000

static bool has_scheme(const char *url, struct str scheme)
{
    return str_starts_with(str_from_cstr(url), scheme);
}

bool bus_tls_config(struct bus_address at, nng_tls_mode mode, nng_tls_config **ret, struct err *err)
{
    *ret = NULL;
    if (!has_scheme(at.url, STR("tls+tcp://")))
        return true;
    if (!at.tls)
        return err_set(err, ERR_SYNTAX, "%s needs certificates", at.url);
    return tls_engine_config(at.tls, mode, ret, err);
}

static void notice(nng_pipe pipe, nng_pipe_ev event, void *user)
{
    struct bus_link *link = user;
    int change = event == NNG_PIPE_EV_ADD_PRE ? 1 : -1;
    (void)pipe;
    link->dialing_since_ms = clock_monotonic_ms();
    link->connections += change;
    if (link->all_connections)
        *link->all_connections += change;
}

/* Each pipe that comes to ADD_PRE comes to REM_POST, and not each to ADD_POST. */
int bus_link_watch(struct bus_link *link, nng_socket socket)
{
    link->dialing_since_ms = clock_monotonic_ms();
    int rc = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, notice, link);
    return rc != 0 ? rc : nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, notice, link);
}

bool bus_link_is_stuck(const struct bus_link *link)
{
    return link->connections <= 0 && clock_monotonic_ms() - link->dialing_since_ms > STUCK_MS;
}

/* With keepalive dead hosts are noticed, after what nng_mend.c sets. */
static bool is_tcp(const char *url)
{
    return has_scheme(url, STR("tcp://")) || has_scheme(url, STR("tls+tcp://"));
}

int bus_dial(nng_socket socket, const char *url, nng_tls_config *tls, nng_dialer *ret)
{
    int rc = nng_dialer_create(ret, socket, url);
    if (rc == 0 && is_tcp(url))
        rc = nng_dialer_set_bool(*ret, NNG_OPT_TCP_KEEPALIVE, true);
    if (rc == 0 && tls)
        rc = nng_dialer_set_ptr(*ret, NNG_OPT_TLS_CONFIG, tls);
    /* The first attempt to connect must not fail the start: the service may come later. */
    return rc != 0 ? rc : nng_dialer_start(*ret, NNG_FLAG_NONBLOCK);
}

static int listen_at(nng_socket socket, const char *url, mode_t mode, nng_tls_config *tls)
{
    nng_listener listener;
    int rc = nng_listener_create(&listener, socket, url);
    if (rc == 0 && has_scheme(url, STR("ipc://")))
        rc = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, mode ? (int)mode : 0600);
    if (rc == 0 && is_tcp(url))
        rc = nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    if (rc == 0 && tls)
        rc = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls);
    return rc != 0 ? rc : nng_listener_start(listener, 0);
}

bool bus_listen(nng_socket socket, struct bus_address at, mode_t mode, struct err *err)
{
    nng_tls_config *tls;
    TRY(bus_tls_config(at, NNG_TLS_MODE_SERVER, &tls, err));
    int rc = listen_at(socket, at.url, mode, tls);
    if (tls)
        nng_tls_config_free(tls); /* the listener holds it */
    return rc == 0 ||
           err_set(err, rc == NNG_EADDRINUSE ? ERR_CONFLICT : ERR_INTERNAL, "%s", nng_strerror(rc));
}
