#!/bin/sh
# Prints every include that goes upwards in the layers of docs/architecture.md; silent when all hold.
cd "$(dirname "$0")/../.." || exit 1
bad=0
# LAYER ALLOWED...: files of common/LAYER may include only these directories of common/.
check() {
    layer=$1; shift
    allowed=$(printf '|%s' "$layer" "$@"); allowed=${allowed#|}
    if grep -srnE '^#include "common/' "common/$layer" | grep -vE "#include \"common/($allowed)/"; then bad=1; fi
}
check base
check text base
check sys text base
check mail text base
check smtp mail text base
check dns mail text base
check auth mail text base
check db sys text base
check bus sys text base
check http sys text base
check service bus http db mail sys text base
check smtpd service smtp mail bus sys text base
# nng stays in common/bus, SQLite in common/db and store, generated types where STYLE allows them.
if grep -rn '#include <nng' common services | grep -v '^common/bus/'; then bad=1; fi
if grep -rn '#include <sqlite3' common services | grep -v '^common/db/'; then bad=1; fi
if grep -rn '#include <microhttpd' common services | grep -v '^common/http/'; then bad=1; fi
if grep -rn '#include "services/' common; then bad=1; fi
for service in services/*/; do
    [ -d "$service" ] || continue # no service yet
    name=$(basename "$service")
    if grep -rn '#include "services/' "$service" | grep -v "#include \"services/$name/"; then bad=1; fi
done
exit $bad
