#!/bin/bash
# Recipe that lets a benchmark start Dovecot's IMAP server (packages dovecot-imapd) beside ours: the verbs of
# mailrail.sh. Needs root: mail belongs to the user `mail`. Sdbox, its fastest format; logins are cheap on purpose.
set -eu
verb=$1 D=$2
IMAP=4243

configure() {
    cat > "$D/dovecot.conf" <<CONF
protocols = imap
base_dir = $D/run
state_dir = $D/state
log_path = $D/log
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = sdbox:~/sdbox
namespace inbox {
  inbox = yes
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $D/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$D/mail/%n
}
service imap-login {
  inet_listener imap {
    port = $IMAP
  }
  service_count = 0
  process_min_avail = 2
}
service imap {
  service_count = 256
  process_min_avail = 4
}
CONF
}

case $verb in
init)
    mkdir -p "$D/mail"
    chmod 755 "$D"
    chown mail:mail "$D/mail"
    for i in $(seq 0 119); do echo "u$i@bench.test:{PLAIN}benchpass"; done > "$D/users"
    ;;
start)
    configure
    dovecot -F -c "$D/dovecot.conf" > "$D/out" 2>&1 < /dev/null &
    echo $! > "$D/pids"
    cat > "$D/server.json" <<JSON
{"name": "dovecot-sdbox", "imap": $IMAP, "user": "u%d@bench.test", "password": "benchpass", "pids": [$(cat "$D/pids")],
 "data": ["$D/mail"], "config": "$(dovecot --version); sdbox, passwords {PLAIN}, no TLS"}
JSON
    ;;
stop)
    pid=$(cat "$D/pids")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    ;;
*) echo "usage: $0 init|start|stop DIR" >&2; exit 2 ;;
esac
