#!/bin/bash
# Compiles each header alone: whoever includes it needs to include nothing before it.
cd "$(dirname "$0")/../.." || exit 1
bad=0
for header in $(git ls-files '*.h'); do
    gcc -std=c17 -fsyntax-only -Wall -Wextra -Werror -D_GNU_SOURCE -I. -Ibuild/sanitize/generated \
        -include "$header" -x c /dev/null || bad=1
done
exit $bad
