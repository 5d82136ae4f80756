#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks that .clang-format would change nothing; --fix changes it.
set -eu

cd "$(dirname "$0")/.."
. tools/sources.sh
need clang-format-14
mapfile -t files < <(tree_files | grep -E '^(src|include|abi|bpf|examples|tests|bench|fuzz)/.*\.[ch]$')
if [ "${1:-}" = --fix ]; then
  exec clang-format-14 -i "${files[@]}"
fi
complaints=$(clang-format-14 --dry-run --Werror "${files[@]}" 2>&1 | grep -E ': (error|warning): ' || true)
[ -z "$complaints" ] || {
  echo "lines that tools/check-format.sh --fix would change:"
  cut -d: -f1 <<<"$complaints" | sort | uniq -c
  exit 1
}
