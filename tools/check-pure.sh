#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Proves that src/core is pure: what its archive needs from outside is memory functions and assert only; and that
# src/sim needs the mathematics of libm besides, and nothing that touches the system.
set -eu

build=${BUILD:-$(dirname "$0")/../build}
archive=$build/src/core/libcore.a
[ -e "$archive" ] || {
  echo "$archive has not been built"
  exit 1
}
needed=$(nm "$archive" | awk '$1 == "U" { print $2 } $2 == "T" { have[$3] = 1 }' | sort -u)
defined=$(nm "$archive" | awk '$2 ~ /^[TDBR]$/ { print $3 }' | sort -u)
[ -n "$defined" ] || {
  echo "$archive defines nothing"
  exit 1
}
impure=$(comm -23 <(echo "$needed") <(echo "$defined") |
  grep -vxE 'mem(cpy|move|set|cmp|chr)|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_' || true)
[ -z "$impure" ] || {
  echo "src/core needs from outside:" "$impure"
  exit 1
}
state=$(nm "$archive" | awk '$2 ~ /^[DdBbC]$/ { print $3 }')
[ -z "$state" ] || {
  echo "src/core has variables:" "$state"
  exit 1
}

simulator=$build/src/sim/libsim.a
[ -e "$simulator" ] || {
  echo "$simulator has not been built"
  exit 1
}
touched=$(nm -u "$simulator" | awk '$1 == "U" && $2 !~ /^berth_/ { print $2 }' | sort -u |
  grep -vxE 'mem(cpy|move|set|cmp|chr)|str(cmp|len)|qsort|(sqrt|cbrt|pow|log|log2|log1p|exp|expm1|erfc|floor|ceil|fmax)' |
  grep -vxE '__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_' || true)
[ -z "$touched" ] || {
  echo "src/sim needs from outside:" "$touched"
  exit 1
}
