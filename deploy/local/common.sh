# Shared by up and down: arguments, and whether it runs. Read with ".".
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # used by up
bin=$root/build/release/bin
data=${XDG_DATA_HOME:-$HOME/.local/share}/mailrail

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^[^#]/ { s/^# \?//p }' "$0"
}

# The launcher and its services hold a lock on the file that names the launcher.
is_running() {
    [ -e "$data/run/mailrail.pid" ] && ! flock -n "$data/run/mailrail.pid" true
}

use_data() {
    [ -n "$1" ] || fail "--data needs a directory"
    data=$(realpath -m "$1")
}
