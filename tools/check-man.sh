#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks the man page that berth makes of its tables.
set -eu

cd "$(dirname "$0")/.."
. tools/sources.sh
need mandoc
page=$(mktemp --suffix=.1)
trap 'rm -f "$page"' EXIT
"${BERTH:-build/src/cli/berth}" man >"$page"
[ -s "$page" ] || {
  echo "berth man prints nothing"
  exit 1
}
mandoc -T lint -W warning "$page"
