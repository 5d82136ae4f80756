# SPDX-License-Identifier: BSD-2-Clause
# What the tests of berth lint share: a root of their own, files below it, findings as short lines.
# shellcheck shell=bash disable=SC2034,SC2154
load lib

setup()
{
  tmp=$BATS_TEST_TMPDIR
  root=$tmp/root
  mkdir -p "$root/etc/sysctl.d"
}

# file PATH: stdin becomes a file below the root
file()
{
  mkdir -p "$(dirname "$root$1")"
  cat >"$root$1"
}

# lint [OPTION...]: its findings as "RULE LEVEL FILE:LINE PORTS" in $tmp/found, its status in $status
lint()
{
  status=0
  "$berth" lint --root "$root" --json "$@" >"$tmp/json" 2>"$tmp/err" || status=$?
  jq -r --arg root "$root" 'select(.suppressed == null) |
    "\(.rule) \(.level) \(.file | ltrimstr($root)):\(.line) \(.text | capture("in (?<n>[0-9]+) port").n // "-")"' \
    "$tmp/json" >"$tmp/found"
}

# found STATUS [LINE...]: exactly these
found()
{
  equal status "$status" "$1"
  shift
  diff <(printf '%s\n' "$@" | sed '/^$/d') "$tmp/found"
}
