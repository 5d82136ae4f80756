#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Compares the binary interface of libberth with what the tree says it is, and with the last release.
#
#   tools/check-abi.sh [--accept]
#
# What others compile against are the headers and the version script: a library with empty functions is made of
# them, so that neither the compiler's options nor what the library is inside count. The tree says it in
# src/lib/libberth.abi; --accept writes that anew. A release is a tag v*; what it had stays as it is for as long as
# the soname does, and what is new has a version node that the release had not.
set -eu

cd "$(dirname "$0")/.."
. tools/sources.sh
need cc
need abidw
need abidiff
[ "$(getconf LONG_BIT)" = 64 ] || {
  echo "src/lib/libberth.abi is that of machines with 64 bits"
  exit 77
}
baseline=src/lib/libberth.abi
map=src/lib/libberth.map
soname=libberth.so.$(sed -n "s/.*soversion: '\([0-9]*\)'.*/\1/p" src/lib/meson.build)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The functions of the headers, each with nothing inside, and a variable of each enum: no function names them.
write_library()
{
  local header name

  for header in include/berth/*.h; do
    printf '#include "%s"\n' "$header"
  done
  grep -hv '#define BERTH_API' include/berth/*.h | tr '\n' ' ' | grep -oE 'BERTH_API [^;]*;' |
    sed 's/;$/ { __builtin_trap(); }/'
  grep -hoE '^enum \w+' include/berth/*.h | sort -u | while read -r _ name; do
    echo "enum $name enum_$name;"
  done
}

# compare WHAT FROM [OPTION...]: prints what has changed, fails where anything has
compare()
{
  local what=$1 from=$2

  shift 2
  abidiff --no-architecture "$@" "$from" "$work/now.abi" >"$work/report" && return
  echo "the interface of libberth is not that of $what:"
  cat "$work/report"
  return 1
}

# Fails where a tagged release is not kept to; without one there is nothing to keep to.
compare_release()
{
  local tag node

  tag=$(git -c safe.directory='*' describe --tags --match 'v*' --abbrev=0 2>/dev/null) || return 0
  git -c safe.directory='*' show "$tag:$baseline" >"$work/released.abi" 2>/dev/null || return 0
  grep -q "soname='$soname'" "$work/released.abi" || return 0
  compare "$tag, and the soname is" "$work/released.abi" --no-added-syms || {
    echo "a new function beside the old one, or a new soversion in src/lib/meson.build"
    return 1
  }
  # Names that the release had not, in a node that it had.
  grep -oE "elf-symbol name='berth_\w+' version='[^']*'" "$work/now.abi" | while read -r symbol; do
    node=$(grep -oE "version='[^']*'" <<<"$symbol")
    if ! grep -qF "$symbol" "$work/released.abi" && grep -qF "$node" "$work/released.abi"; then
      echo "$symbol: $tag has no such name; it wants a new node in $map"
    fi
  done >"$work/late"
  cat "$work/late"
  [ ! -s "$work/late" ]
}

write_library >"$work/library.c"
{
  cat $map
  echo 'ENUMS { global: enum_*; };'
} >"$work/library.map"
cc -std=gnu17 -g -fPIC -shared -I. "$work/library.c" -o "$work/library.so" "-Wl,-soname,$soname" \
  "-Wl,--version-script,$work/library.map"
abidw --no-architecture --no-show-locs --no-comp-dir-path --no-corpus-path --no-elf-needed \
  --no-parameter-names --exported-interfaces-only "$work/library.so" >"$work/now.abi"
# The path of the one file that there is.
sed -i "s|path='[^']*library.c'|path='include/berth'|" "$work/now.abi"
compare_release
if [ "${1-}" = --accept ]; then
  compare "$baseline" $baseline --harmless --redundant || true
  cp "$work/now.abi" $baseline
  exit
fi
compare "$baseline" $baseline --harmless --redundant || {
  echo "where the change is meant: tools/check-abi.sh --accept; CONTRIBUTING.md says what may change"
  exit 1
}
