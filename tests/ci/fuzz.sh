#!/bin/bash
# tests/ci/fuzz.sh [SECONDS]: runs each fuzz target for so long (default 5), from its corpus. What
# it finds stays in build/fuzz/findings; new inputs do not go into the corpus.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-5}
deploy/local/build fuzz >build/fuzz.log 2>&1 || { tail -30 build/fuzz.log; exit 1; }
mkdir -p build/fuzz/findings
bad=0
for target in $(find build/fuzz/tests -name 'fuzz-*' -type f -executable | sort); do
    name=$(basename "$target") log=build/fuzz/$(basename "$target").log
    new=$(mktemp -d)
    if "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -artifact_prefix="build/fuzz/findings/$name-" "$new" \
        "tests/fuzz/corpus/${name#fuzz-}" >"$log" 2>&1; then
        echo "$name: $(grep -o 'DONE .*\|Done .*' "$log" | tail -1)"
    else
        echo "$name: FINDING"
        tail -40 "$log"
        bad=1
    fi
    rm -rf "$new"
done
exit $bad
