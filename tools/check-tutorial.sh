#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks that the program of docs/libberth.md compiles with the headers alone, and prints what the page says.
set -eu

cd "$(dirname "$0")/.."
. tools/sources.sh
need cc
find_library
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# blocks LANGUAGE: what stands in the page's blocks of that language
blocks()
{
  awk -v fence="\`\`\`$1" '/^```/ { inside = !inside && $0 == fence; next } inside' docs/libberth.md
}

blocks c >"$work/program.c"
blocks text >"$work/wanted"
if [ ! -s "$work/program.c" ] || [ ! -s "$work/wanted" ]; then
  echo "docs/libberth.md has no program, or does not say what it prints"
  exit 1
fi
cc -std=c11 -Wall -Wextra -Werror -Iinclude "$work/program.c" "$library" -o "$work/program"
LD_LIBRARY_PATH=$build/src/lib "$work/program" >"$work/got"
diff "$work/wanted" "$work/got" || {
  echo "what the page says (<) and what its program prints (>) differ"
  exit 1
}
