#!/bin/bash
# Recipe that lets a mail benchmark harness start Mailrail: verbs init, start, stop, each with a work
# directory. `start` leaves DIR/server.json with ports, users and process ids.
#   BENCH_BIN=DIR        executables (default: build/release/bin of this tree)
#   BENCH_PORTS=4        the ports' first digit
#   BENCH_CHECK_DNS=1    look up the domains of senders (peers are often measured without)
set -eu
verb=$1 D=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${BENCH_BIN:-$root/build/release/bin}
ports=${BENCH_PORTS:-4}
SMTP=${ports}025 SUB=${ports}587 SUBS=${ports}465 IMAP=${ports}143 IMAPS=${ports}993 SINK=${ports}026
check_dns=false
[ -z "${BENCH_CHECK_DNS:-}" ] || check_dns=true

configure() {
    cat > "$D/mailrail.conf" <<CONF
hostname = "mail.bench.test";
data = "$D/data";
run = "$D/run";
tls_certificate = "$D/cert.pem";
tls_key = "$D/key.pem";
smtp_in = { listen = [ "127.0.0.1" ]; port = $SMTP; limit_connections = false; check_sender_domain = $check_dns; check_hello = false; };
submission = { listen = [ "127.0.0.1" ]; port = $SUB; tls_port = $SUBS; cleartext_auth = true; limit_connections = false; };
imap = { listen = [ "127.0.0.1" ]; port = $IMAP; tls_port = $IMAPS; cleartext_auth = true; limit_connections = false; };
queue_deliverer = { route = [ "*.sink.test=127.0.0.1:$SINK", "sink.test=127.0.0.1:$SINK" ]; };
dns_resolver = { forward = [ "127.0.0.1@53" ]; };
CONF
}

start() {
    "$bin/mailrail" run --config "$D/mailrail.conf" > "$D/out" 2>&1 < /dev/null &
    echo $! > "$D/pids"
}

stop() {
    pid=$(cat "$D/pids")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
}

case $verb in
init)
    mkdir -p "$D/data" "$D/run"
    [ -f "$D/cert.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=mail.bench.test -addext subjectAltName=DNS:mail.bench.test -keyout "$D/key.pem" -out "$D/cert.pem" 2>/dev/null
    configure
    start
    m() { "$bin/mailrail" "$@" --config "$D/mailrail.conf"; }
    for _ in $(seq 100); do m status > /dev/null 2>&1 && break; sleep 0.1; done
    m domain add bench.test
    for i in $(seq "${BENCH_FIRST_ACCOUNT:-0}" 119); do
        m account add "u$i" --address "u$i@bench.test" --outgoing-per-day 1000000000 --new-recipients-per-day 1000000000
        echo benchpass | m password set "u$i"
    done > "$D/init.out" 2>&1
    stop
    ;;
start)
    configure
    start
    cat > "$D/server.json" <<JSON
{"name": "mailrail", "smtp": $SMTP, "submission": $SUB, "submissions": $SUBS, "imap": $IMAP, "imaps": $IMAPS,
 "user": "u%d@bench.test", "rcpt": "u%d@bench.test", "password": "benchpass", "pids": [$(cat "$D/pids")], "sink": $SINK,
 "data": ["$D/data"], "config": "$("$bin/mailrail" version), release build, sender domains looked up: $check_dns"}
JSON
    ;;
stop) stop ;;
*) echo "usage: $0 init|start|stop DIR" >&2; exit 2 ;;
esac
