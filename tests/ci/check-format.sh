#!/bin/sh
# Prints what clang-format would change; silent when everything is formatted.
cd "$(dirname "$0")/../.." || exit 1
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
