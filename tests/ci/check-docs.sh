#!/bin/bash
# The documentation is current: docs/configuration.md is what the programs describe, every file that a
# page names exists, and every source file of a service is in the table of its README.
cd "$(dirname "$0")/../.." || exit 1
bad=0
mailrail=build/sanitize/bin/mailrail
if [ ! -x $mailrail ]; then
    echo "there is no $mailrail to compare docs/configuration.md with: build first, deploy/local/build sanitize"
    bad=1
elif ! described=$($mailrail config describe); then
    echo "$mailrail config describe failed: build first, deploy/local/build sanitize"
    bad=1
elif ! diff docs/configuration.md - <<<"$described"; then
    echo "docs/configuration.md is stale: $mailrail config describe >docs/configuration.md"
    bad=1
fi

# shellcheck disable=SC2016 # backticks, not expansions
names='`(common|services|proto|tests|docs|deploy)/[A-Za-z0-9_./*-]+`'

# Names in backticks with a directory in front, such as `common/text/cursor.h` or `services/imap/`.
for page in README.md docs/*.md docs/decisions/*.md tests/README.md services/*/README.md; do
    while read -r name; do
        [ -e "$name" ] || compgen -G "$name" >/dev/null || {
            echo "$page: there is no $name"
            bad=1
        }
    done < <(grep -oE "$names" "$page" | tr -d '`' |
             grep -vE '/X|NAME|GROUP' | sort -u)
    while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || {
            echo "$page: broken link $link"
            bad=1
        }
    done < <(grep -oE '\]\([^)#:]+\)' "$page" | sed 's/^](//; s/)$//' | sort -u)
done

# `x.c` or `x.[ch]`, in a table: each by its name, so that a new file is missed.
for file in services/*/*.c; do
    readme=$(dirname "$file")/README.md
    name=$(basename "$file" .c)
    grep '^|' "$readme" | grep -qF -e "\`$name.c\`" -e "\`$name.[ch]\`" || {
        echo "$readme: its table of files misses $name.c"
        bad=1
    }
done

# Every metric is in the table of docs/operations.md, with the file that makes it.
while IFS=: read -r file metric; do
    grep -F "\`$metric\`" docs/operations.md | grep -qF "$file" || {
        echo "docs/operations.md: $metric of $file is missing"
        bad=1
    }
done < <(grep -roE '"mailrail_[a-z_]+"' --include='*.c' common services | tr -d '"' | sort -u)
exit $bad
