#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks the shell scripts and the system tests with shellcheck.
set -eu

cd "$(dirname "$0")/.."
. tools/sources.sh
need shellcheck
mapfile -t scripts < <(tree_files | grep -E '\.(sh|bash|bats)$|^\.ci/run$')
shellcheck --external-sources --source-path=SCRIPTDIR --source-path=. "${scripts[@]}"
