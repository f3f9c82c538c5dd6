#!/bin/sh
# cppcheck over our sources: warnings, portability and performance. Suppressions say why.
cd "$(dirname "$0")/../.." || exit 1
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability,performance \
    --inline-suppr --suppressions-list=tests/ci/cppcheck.suppressions -j "$(nproc)" \
    -D_GNU_SOURCE -I . -I build/sanitize/generated common services
