#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the tree: tools/build.sh BUILD PREFIX. Says nothing where all goes well.
#
# Configures where BUILD is new, and again where the prefix differs or an optional dependency came or went
# since the last time.
set -eu

cd "$(dirname "$0")/.."
build=${1:?usage: tools/build.sh BUILD PREFIX}
prefix=${2:?usage: tools/build.sh BUILD PREFIX}

die()
{
  printf 'build: %s\n' "$*" >&2
  exit 2
}

# What the configuration depends on and meson does not look at again by itself.
wanted_stamp()
{
  local library

  printf 'prefix %s\n' "$prefix"
  for library in cmocka usrsctp glib-2.0 ck liburcu-cds; do
    printf '%s %s\n' "$library" "$(pkg-config --modversion "$library" 2>/dev/null || echo absent)"
  done
}

# Another user's build directory cannot be gone on with, and meson says so in a dozen lines of Python.
check_writable()
{
  local at=$build not_ours

  while [ ! -e "$at" ]; do
    at=$(dirname "$at")
  done
  [ -d "$at" ] || die "$at is no directory"
  [ -w "$at" ] || die "user $(id -un) may not write to $at, which is $(stat -c %U "$at")'s;" \
    "give another place: make BUILD=DIR ..."
  [ -d "$build" ] || return 0
  not_ours=$(find "$build" ! -writable ! -type l -print -quit)
  [ -z "$not_ours" ] || die "user $(id -un) may not write to $not_ours, which is" \
    "$(stat -c %U "$not_ours")'s; remove $build as that user, or give another place: make BUILD=DIR ..."
}

# Runs a command; shows what it said only where it fails.
quiet()
{
  local out

  out=$("$@" 2>&1) || {
    printf '%s\n' "$out" >&2
    die "failed: $*"
  }
}

configure()
{
  local stamp

  stamp=$(wanted_stamp)
  if [ ! -e "$build/build.ninja" ]; then
    quiet meson setup --prefix "$prefix" "$build"
  elif [ "$stamp" != "$(cat "$build/.configured" 2>/dev/null)" ]; then
    quiet meson setup --reconfigure --prefix "$prefix" "$build"
  else
    return 0
  fi
  printf '%s\n' "$stamp" >"$build/.configured"
}

check_writable
configure
quiet ninja -C "$build"
