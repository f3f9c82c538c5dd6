#!/bin/sh
# Runs shellcheck over all shell scripts.
cd "$(dirname "$0")/../.." || exit 1
git ls-files | while read -r file; do
    head -n 1 "$file" 2>/dev/null | grep -qE '^#!/bin/(ba)?sh' && echo "$file"
done | xargs shellcheck -x
