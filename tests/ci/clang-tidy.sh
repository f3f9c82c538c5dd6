#!/bin/bash
# clang-tidy with the short positive list of .clang-tidy, over our sources.
cd "$(dirname "$0")/../.." || exit 1
# Debian's Python, which this script of Debian's is written for.
/usr/bin/python3 /usr/bin/run-clang-tidy -quiet -p build/sanitize -j "$(nproc)" \
    "$PWD/(common|services)/" 2>/dev/null | grep -E '(warning|error):' -A 6 && exit 1
exit 0
