#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Proves that the core calls nobody: pure.sh SOURCE-ROOT CORE-ARCHIVE INLINE-ARCHIVE IMPURE-ARCHIVE
set -eu
root=$1 core=$2 inlines=$3 impure=$4
memory='mem(cpy|set|move|cmp|chr)|str(len|nlen|cmp|ncmp|chr|spn|cspn)|__assert_fail'
# What the compiler adds by itself: address tables, and the guard of the stack where it is switched on.
compiler='_GLOBAL_OFFSET_TABLE_|__stack_chk_fail'

# The names that an archive has.
defined() {
  nm --defined-only "$1" | awk 'NF == 3 { print $3 }'
}

# without NAMES: the names on stdin that are not among them
without() {
  grep -vxF -e "$1" || true
}

# The names that an archive needs and does not have itself.
foreign() {
  nm -u "$1" | awk 'NF == 2 { print $2 }' | sort -u | grep -vxE "$memory|$compiler" | without "$(defined "$1")"
}

if nm "$core" | grep -qE '__(asan|tsan|ubsan|sanitizer|gcov)_'; then
  echo "skipped: the archive is instrumented"
  exit 77
fi
status=0
for archive in "$core" "$inlines"; do
  # Inline functions may call what the core has.
  names=$(foreign "$archive" | without "$(defined "$core")")
  if [ -n "$names" ]; then
    printf '%s calls %s\n' "$archive" "$names"
    status=1
  fi
done
names=$(cat "$root"/src/core/*.h | grep -E '^(BERTH_INLINE|static inline) ' |
  grep -oE 'berth_[a-z0-9_]+\(' | tr -d '(' | without "$(defined "$inlines")")
if [ -n "$names" ]; then
  # shellcheck disable=SC2086 # a line for each
  printf 'tests/unit/every_inline.c lacks %s\n' $names
  status=1
fi
if [ "$(foreign "$impure")" != time ]; then
  echo "the check did not see a call of time()"
  status=1
fi
exit $status
