# SPDX-License-Identifier: BSD-2-Clause
# tools/deps.sh with an apt-get that installs nothing: what it leaves of the host's own.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

setup()
{
  [ "$(id -u)" = 0 ] || skip "needs root"
  [ ! -L /usr/sbin ] || skip "/usr/sbin is no directory of its own"
  unshare --mount true 2>/dev/null || skip "namespaces are refused here"
  tmp=$BATS_TEST_TMPDIR
  mkdir "$tmp/bin" "$tmp/sbin"
  printf '#!/bin/sh\nexit 101\n' >"$tmp/sbin/policy-rc.d"
  cp "$tmp/sbin/policy-rc.d" "$tmp/before"
  # Of the packages none is there.
  printf '#!/bin/sh\n' >"$tmp/bin/dpkg-query"
  # shellcheck disable=SC2016 # for the script
  printf '%s\n' '#!/bin/sh' 'cat /usr/sbin/policy-rc.d >>"$TMP/during"' 'n=0' \
    'until grep -qs "$AWAIT" "$TMP/of-$OTHER" || [ $((n += 1)) -gt 1000 ]; do sleep 0.01; done' >"$tmp/bin/apt-get"
  chmod +x "$tmp"/bin/*
}

# deps NAME OTHER REGEX: with an apt-get that waits until the other one has said that; its words go to $tmp/of-NAME
deps()
{
  TMP=$tmp PATH=$tmp/bin:$PATH OTHER=$2 AWAIT=$3 "$BATS_TEST_DIRNAME/../../tools/deps.sh" >"$tmp/of-$1" 2>&1
}

# Both are in one mount namespace, in which /usr/sbin is the test's.
two()
{
  mount --bind "$tmp/sbin" /usr/sbin
  deps one two missing &
  deps two one installed:
  wait $!
}

@test "deps: two at once start no service, and leave the host's policy-rc.d as it was" {
  export tmp BATS_TEST_DIRNAME
  unshare --mount bash -euc "$(declare -f deps two); two" 3>&-
  cmp "$tmp/before" "$tmp/sbin/policy-rc.d"
  [ "$(find "$tmp/sbin" -type f | wc -l)" = 1 ]
  [ "$(grep -c '^# berth: ' "$tmp/during")" = 2 ]
}
