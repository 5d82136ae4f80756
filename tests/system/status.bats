# SPDX-License-Identifier: BSD-2-Clause
# What berth tells of its runs: status and statistics.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

@test "status: no run" {
  run --separate-stderr near "$berth" status
  equal status "$status" 1
  equal stdout "$output" ""
  # shellcheck disable=SC2154
  equal stderr "$stderr" "no run in progress"
  run --separate-stderr near "$berth" status --json
  equal "status with --json" "$status$output" 1
}

@test "status: a run in progress, as text and as JSON" {
  serve far "$far4" 8000
  launch near "$berth" run --ports 20000-20099 --pool "$near4" --policy hash -- "$client" tcp --count 42 --hold "$far4" 8000
  await_lines "$launch_out" 42
  near "$berth" status >"$tmp/o"
  equal lines "$(wc -l <"$tmp/o")" 2
  grep -qE "^ *$launch_pid running +bpf +hash +42 +0 +0 +0 +.*test-client tcp" "$tmp/o"
  near "$berth" status --json >"$tmp/json"
  equal "the row" "$(jq -c '[.pid, .state, .via, .pool, .ports, .policy, .counters.assigned]' "$tmp/json")" \
    "[$launch_pid,\"running\",\"bpf\",\"$near4\",\"20000-20099\",\"hash\",42]"
  equal command "$(jq -r .command "$tmp/json")" "$client tcp --count 42 --hold $far4 8000"
}

@test "status beside runs that come and go takes nothing from them" {
  launch near sh -c "while :; do '$berth' status --json; done"
  for i in 1 2 3 4 5; do
    launch near "$berth" run -- sh -c 'echo ran'
    out[i]=$launch_out
  done
  for i in 1 2 3 4 5; do
    await_line "${out[i]}" ran
    equal stderr "$(cat "${out[i]}.err")" ""
  done
}

@test "status: control characters of a command do not reach the terminal" {
  launch near "$berth" run -- sh -c 'sleep 1000' $'\e[31mred\a'
  await near "$berth" status
  near "$berth" status >"$tmp/o"
  run ! grep -q $'[\e\a]' "$tmp/o"
  near "$berth" status --json | jq -e '.command | test("red")'
}

@test "a command line that is no UTF-8, and one with what a terminal obeys" {
  # shellcheck disable=SC2016 # for the inner shell
  near "$berth" run --stats "$tmp/stats" -- sh -c '"$1" status >"$2"; "$1" status --json >"$3"; printf %s "$0" >"$4"' \
    $'a\xffb\xc2\x9bc' "$berth" "$tmp/o" "$tmp/json" "$tmp/argument"
  equal "as it was given" "$(od -An -tx1 "$tmp/argument")" " 61 ff 62 c2 9b 63"
  [[ $(jq -r .command "$tmp/json") == *$'a\xef\xbf\xbdb\xc2\x9bc'* ]]
  [[ $(jq -r .command "$tmp/stats") == *$'a\xef\xbf\xbdb'* ]]
  run ! env LC_ALL=C grep -q $'\xc2\x9b' "$tmp/o" "$tmp/json" "$tmp/stats"
  grep -qF '\xc2\x9b' "$tmp/o"
}

@test "--stats: valid JSON whose sums are right" {
  serve far "$far4" 8000
  connect_py '
held = [go() for i in range(30)]
held += [go(bind=("", 31000 + i)) for i in range(4)]
refusals = [refused() for i in range(3)]
for s in held[:12]:
    finish(s)
os._exit(6)'
  status=0
  berth_run --ports 20000-20029 --stats "$tmp/stats" --reuse-after 250ms -- "$python" "$py" 2>"$tmp/e" || status=$?
  equal status "$status" 6
  jq . "$tmp/stats"
  equal counters "$(jq -c '[.counters | .assigned, .left_alone, .exhausted, .refused, .fallback, .released]' \
    "$tmp/stats")" '[30,4,3,3,0,30]'
  equal rest "$(jq -c '[.exit_status, .signal, .reuse_after_seconds, .ports, .policy, .via]' "$tmp/stats")" \
    '[6,0,0.25,"20000-20029","uniform","bpf"]'
  jq -e '.seconds > 0 and (.counters | .probed >= .assigned and .busy >= 0)' "$tmp/stats"
  equal "each counter a number" "$(jq '[.counters[] | type] | unique | join(",")' "$tmp/stats")" '"number"'
  berth_run --stats "$tmp/stats" -- sh -c 'kill -9 $$' || true
  equal "ended by a signal" "$(jq -c '[.exit_status, .signal]' "$tmp/stats")" '[-1,9]'
}
