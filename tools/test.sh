#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs all tests of a built tree (BUILD, build) and counts test cases.
#
# Prints each skipped case with its reason and each failed one with its output. The last line is
# "N passed, N failed, N skipped"; the exit status is 0 where none failed and at least one passed.
#
#   checks   tools/check-*.sh: one case each; exit status 77 skips, the last line of stdout is the reason
#   meson    unit, model and facts: those that speak TAP (cmocka) count by case, others are one case, as above
#   system   tests/system/*.bats, by case
#
# BERTH_TEST_ONLY=checks|meson|system runs one kind, BERTH_TEST_FILTER=REGEX only what has such a name.
set -u

case $#:${BERTH_TEST_ONLY:-} in
0: | 0:checks | 0:meson | 0:system) ;;
*)
  echo "test.sh: takes no words; BERTH_TEST_ONLY=checks|meson|system and BERTH_TEST_FILTER=REGEX choose" >&2
  exit 2
  ;;
esac
cd "$(dirname "$0")/.." || exit 2
build=$(realpath -m "${BUILD:-build}")
file_limit_s=${BERTH_TEST_FILE_LIMIT:-180}
meson_limit_s=300
deadline=$((SECONDS + ${BERTH_TEST_LIMIT:-590}))
only=${BERTH_TEST_ONLY:-}
filter=${BERTH_TEST_FILTER:-.}
export BUILD=$build BERTH=$build/src/cli/berth
# Who became root by su has the path of a user.
export PATH=$PATH:/usr/sbin:/sbin
# A hook of git says where its repository is: the tests have their own, and the tree is where it is.
# shellcheck disable=SC2046 # one word for each variable
unset $(git rev-parse --local-env-vars 2>/dev/null)

# The file that PASS, FAIL and SKIP lines are counted from, and the output of what ran last.
results=$(mktemp) || exit 2
output=$(mktemp) || exit 2
table=$(mktemp) || exit 2
child=
# Invoked by the trap below.
# shellcheck disable=SC2317
clean_up()
{
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
  rm -f "$results" "$output" "$table"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# wanted KIND [NAME]
wanted()
{
  [ -z "$only" ] || [ "$only" = "$1" ] || return 1
  [ $# = 1 ] || [[ $2 =~ $filter ]]
}

pass()
{
  printf 'PASS %s\n' "$1" >>"$results"
}

# fail NAME SENTENCE: with the output of what failed on stdin
fail()
{
  printf 'FAIL %s\n' "$1" >>"$results"
  printf 'FAILED  %s%s\n' "$1" "${2:+: $2}"
  sed 's/^/        /'
}

# skip NAME REASON
skip()
{
  printf 'SKIP %s\n' "$1" >>"$results"
  printf 'skipped %s: %s\n' "$1" "${2:-no reason given}"
}

# Counts the cases of a TAP stream on stdin: count_tap NAME. A stream that breaks off is a failure.
count_tap()
{
  awk -v name="$1" -v results="$results" '
    function flush_failure() {
      if (failed == "")
        return
      printf "FAILED  %s: %s\n%s", name, failed, notes
      failed = notes = ""
    }
    function case_name(line) {
      sub(/^(not )?ok +[0-9]* *(- )?/, "", line)
      return line
    }
    /^1\.\.[0-9]+/ { planned += substr($0, 4); has_plan = 1; next }
    /^(not )?ok( |$)/ {
      flush_failure()
      seen++
      line = case_name($0)
      # cmocka writes a skipped case as "not ok N # SKIP name", bats as "ok N name # skip reason".
      if (match(line, /# *[Ss][Kk][Ii][Pp] */)) {
        before = substr(line, 1, RSTART - 1); after = substr(line, RSTART + RLENGTH)
        sub(/ +$/, "", before)
        reason = before == "" ? notes_reason() : after
        printf "skipped %s: %s: %s\n", name, before == "" ? after : before, reason == "" ? "no reason given" : reason
        print "SKIP " name ": " line >> results
      } else if (/^ok/) {
        print "PASS " name ": " line >> results
      } else {
        print "FAIL " name ": " line >> results
        failed = line
        notes = held
      }
      held = ""
      next
    }
    # What a case prints stands before its line in cmocka, behind it in bats.
    { if (failed != "") notes = notes "        " $0 "\n"; else held = held "        " $0 "\n" }
    function notes_reason(   r) {
      r = held; gsub(/^ +|\n$/, "", r); gsub(/\n +/, "; ", r); return r
    }
    END {
      flush_failure()
      if (!has_plan || seen < planned) {
        printf "FAILED  %s: broke off after %d of %s cases\n%s", name, seen, has_plan ? planned : "?", held
        print "FAIL " name ": broke off" >> results
      }
    }'
}

# Seconds that one more program may take; fails where the time for the whole suite is over.
time_left()
{
  local left=$((deadline - SECONDS))

  [ $left -gt 0 ] || return 1
  echo $((left < file_limit_s ? left : file_limit_s))
}

# Runs a command into $output under its limit; sets status (124, 137: timed out) and took.
run_limited()
{
  local began=$SECONDS limit

  if ! limit=$(time_left); then
    echo "not run: the time for the whole suite is over" >"$output"
    status=124
    took=0
    return
  fi
  timeout -k 10 "$limit" "$@" >"$output" 2>&1 </dev/null &
  child=$!
  wait "$child"
  status=$?
  child=
  took=$((SECONDS - began))
}

# A program that is one case: run_case NAME COMMAND...
run_case()
{
  local name=$1

  shift
  run_limited "$@"
  case $status in
  0) pass "$name" ;;
  77) skip "$name" "$(tail -n 1 "$output")" ;;
  124 | 137) fail "$name" "no end after $took s" <"$output" ;;
  *) fail "$name" "exit status $status" <"$output" ;;
  esac
}

run_meson()
{
  local log=$build/meson-logs/testlog.json names

  meson test -C "$build" --no-rebuild --list >"$table" 2>"$output" || {
    fail "meson test" "cannot list the tests" <"$output"
    return
  }
  # "project:suite / name", without a suite "name": meson takes the name.
  mapfile -t names < <(grep -E "$filter" "$table" | sed 's|.* / ||')
  [ ${#names[@]} -gt 0 ] || return
  rm -f "$log"
  file_limit_s=$meson_limit_s CMOCKA_MESSAGE_OUTPUT=TAP \
    run_limited meson test -C "$build" --no-rebuild --no-stdsplit "${names[@]}"
  [[ $status != @(124|137) ]] || fail "meson test" "no end after $took s" <"$output"
  [ -s "$log" ] || {
    fail "meson test" "left no log" <"$output"
    return
  }
  # A test's output goes to a file of its own, its verdict to the table.
  if ! python3 tools/testlog.py "$log" "$build/meson-logs" >"$table" 2>"$output"; then
    fail "meson test" "its log cannot be read" <"$output"
    return
  fi
  while IFS=$'\t' read -r verdict code name file; do
    count_meson
  done <"$table"
}

# One test of meson, from the row just read.
count_meson()
{
  case $verdict in
  OK | EXPECTEDFAIL)
    if is_tap "$file"; then
      count_tap "$name" <"$file"
    else
      pass "$name"
    fi
    ;;
  SKIP) skip "$name" "$(tail -n 1 "$file")" ;;
  *)
    if is_tap "$file" && [ "$verdict" = FAIL ] && grep -q '^not ok' "$file"; then
      count_tap "$name" <"$file"
    else
      fail "$name" "$verdict, exit status $code" <"$file"
    fi
    ;;
  esac
}

is_tap()
{
  grep -qE '^1\.\.[0-9]+' "$1"
}

run_system()
{
  local file

  for file in tests/system/*.bats; do
    [ -e "$file" ] || continue
    wanted system "$file" || continue
    if ! command -v bats >/dev/null; then
      skip "$file" "bats is not installed"
      continue
    fi
    run_limited bats --tap "$file"
    if [[ $status = @(124|137) ]]; then
      echo "(stopped after $took s)" >>"$output"
    fi
    count_tap "$file" <"$output"
  done
}

run_checks()
{
  local check

  for check in tools/check-*.sh; do
    [ -e "$check" ] || continue
    wanted checks "$check" && run_case "${check#tools/}" "$check"
  done
}

[ -e "$build/build.ninja" ] || {
  echo "test: $build has not been built; run make" >&2
  exit 2
}
wanted checks && run_checks
wanted meson && run_meson
wanted system && run_system

count()
{
  grep -c "^$1 " "$results"
}
passed=$(count PASS) failed=$(count FAIL) skipped=$(count SKIP)
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
