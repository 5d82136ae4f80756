# SPDX-License-Identifier: BSD-2-Clause
# The program is as it would be without berth: status, signals, terminal, environment; and what remains of it.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# The program that berth runs, as seen from outside: its pid.
program_of()
{
  pgrep -P "$1"
}

@test "the exit status is the program's" {
  for status in 0 1 2 77 125 255; do
    run berth_run -- sh -c "exit $status"
    equal status "$status" "$status"
    equal output "$output" ""
  done
  nothing_left
}

@test "a program that a signal ended ends berth the same way" {
  for signal in TERM KILL INT SEGV USR1; do
    run berth_run -- sh -c "kill -$signal \$\$"
    equal "$signal" "$status" $((128 + $(kill -l $signal)))
  done
  nothing_left
}

@test "stdin, stdout, stderr and their order are the program's own" {
  printf 'a\0b\nlast line without end' >"$tmp/in"
  berth_run -- sh -c 'cat; echo err >&2' <"$tmp/in" >"$tmp/o" 2>"$tmp/e"
  cmp "$tmp/in" "$tmp/o"
  equal stderr "$(cat "$tmp/e")" err
  # Descriptors that berth was given, and none of its own.
  berth_run -- sh -c 'ls /proc/$$/fd; echo seven >&7' 7>"$tmp/seven" 3>&- {hold_fd}>&- >"$tmp/o"
  equal "descriptor 7" "$(cat "$tmp/seven")" seven
  equal descriptors "$(near sh -c 'ls /proc/$$/fd' 7>/dev/null 3>&- {hold_fd}>&-)" "$(cat "$tmp/o")"
}

@test "arguments, environment, directory, umask and limits are passed through" {
  berth_run -- printf '[%s]' "a b" "" '*' -x --ports >"$tmp/o"
  equal arguments "$(cat "$tmp/o")" '[a b][][*][-x][--ports]'
  env -i A=1 "B=x y" PATH="$PATH" nsenter --net="/run/netns/$near_ns" --mount="/proc/$holder/ns/mnt" -- env >"$tmp/before"
  env -i A=1 "B=x y" PATH="$PATH" nsenter --net="/run/netns/$near_ns" --mount="/proc/$holder/ns/mnt" -- \
    "$berth" run -- env >"$tmp/o"
  equal environment "$(sort "$tmp/o")" "$(sort "$tmp/before")"
  equal directory "$(near sh -c "cd '$tmp' && umask 027 && ulimit -n 123 && exec '$berth' run -- \
    sh -c 'pwd; umask; ulimit -n'" | tr '\n' ' ')" "$tmp 0027 123 "
  equal signals "$(near sh -c "trap '' HUP; exec '$berth' run -- grep SigIgn /proc/self/status")" \
    "$(near sh -c "trap '' HUP; exec grep SigIgn /proc/self/status")"
  equal "blocked signals" "$(berth_run -- grep SigBlk /proc/self/status)" "$(near grep SigBlk /proc/self/status)"
}

@test "signals sent to berth reach the program" {
  for signal in TERM HUP INT USR1 USR2 QUIT WINCH; do
    launch near "$berth" run -- sh -c "trap 'echo got $signal; exit 5' $signal; echo ready; while :; do sleep 0.05; done"
    await_line "$launch_out" ready
    kill -"$signal" "$launch_pid"
    await ended "$launch_pid"
    status=0
    wait "$launch_pid" || status=$?
    equal "$signal" "$status $(tail -n 1 "$launch_out")" "5 got $signal"
  done
  nothing_left
}

@test "a program that ignores TERM goes on, and so does berth" {
  launch near "$berth" run -- sh -c 'trap "echo no" TERM; echo ready; while :; do sleep 0.05; done'
  await_line "$launch_out" ready
  kill -TERM "$launch_pid"
  await_line "$launch_out" no
  run ! ended "$launch_pid"
}

state_of()
{
  awk '/^State:/ { print $2 }' "/proc/$1/status"
}

is_in_state()
{
  [ "$(state_of "$1")" = "$2" ]
}

@test "stop and continue: berth stops with its program and goes on with it" {
  launch near "$berth" run -- sh -c 'echo ready; while :; do sleep 0.05; done'
  await_line "$launch_out" ready
  program=$(program_of "$launch_pid")
  kill -TSTP "$launch_pid"
  await is_in_state "$program" T
  await is_in_state "$launch_pid" T
  kill -CONT "$launch_pid"
  await is_in_state "$launch_pid" S
  await is_in_state "$program" S
  kill -STOP "$program"
  await is_in_state "$launch_pid" T
  kill -CONT "$launch_pid"
  await is_in_state "$program" S
  kill -TERM "$launch_pid"
  await ended "$launch_pid"
}

@test "a terminal: the program has it, its size and its job control" {
  cat >"$tmp/terminal.py" <<'END'
import os, pty, select, sys, time
pid, fd = pty.fork()
if not pid:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""                     # and not yet asked for: one read may bring what two calls wait for
def read_until(text):
    global seen
    end = time.monotonic() + 30
    while text not in seen:
        if time.monotonic() > end or not select.select([fd], [], [], 30)[0]:
            raise SystemExit(f"waited in vain for {text}: {seen}")
        seen += os.read(fd, 4096)
    seen = seen.partition(text)[2]
read_until(b"$ ")
os.write(fd, b"tty -s && echo termi''nal; " + sys.stdin.buffer.readline().strip() + b"\n")
read_until(b"terminal")
read_until(b"program ready")
os.write(fd, b"\x1a")          # ^Z: the shell takes over
read_until(b"$ ")
os.write(fd, b"echo shell''again; fg\n")
read_until(b"shellagain")
os.write(fd, b"one line\n")
read_until(b"got one line")
os.write(fd, b"\x03")          # ^C: the program's own trap
read_until(b"interrupted once")
read_until(b"$ ")
os.write(fd, b"echo status''=$?; exit\n")
read_until(b"status=9")
os.waitpid(pid, 0)
print("good")
END
  # shellcheck disable=SC2016
  cat >"$tmp/program.sh" <<'END'
n=0
trap 'n=$((n+1)); sleep 0.1; echo interrupted once $n; exit 9' INT
[ -t 0 ] && [ -t 1 ] && echo program ready
while :; do read line && echo "got $line"; done
END
  echo "'$berth' run -- sh '$tmp/program.sh'" | near env PS1='$ ' "$python" "$tmp/terminal.py" bash --norc --noprofile -i >"$tmp/o"
  equal outcome "$(cat "$tmp/o")" good
}

@test "a daemon that the program leaves behind keeps its ports; the next run cleans up after it" {
  serve far "$far4" 8000
  mkfifo "$tmp/go"
  # shellcheck disable=SC2016
  berth_run --ports 20000-20099 -- sh -c 'setsid "$0" tcp --count 3 --hold "$1" 8000 <"$2" >"$3" 2>&1 3>&- &' \
    "$client" "$far4" "$tmp/go" "$tmp/daemon" 3>&-
  exec {go}>"$tmp/go"
  await_lines "$tmp/daemon" 3
  ports_inside 20000 20099 <"$tmp/daemon"
  near "$berth" status --json >"$tmp/status"
  equal state "$(jq -r .state "$tmp/status")" orphan
  berth_run -- true
  equal "still there" "$(near "$berth" status --json | jq -r .state)" orphan
  exec {go}>&-
  await_no_process
  berth_run -- true
  nothing_left
}

await_no_process()
{
  await sh -c "! grep -q . $(find "$cgroup" -mindepth 2 -name cgroup.procs | tr '\n' ' ')"
}

# A program under berth that opens a connection for each line it reads.
launch_stepper()
{
  connect_py '
held = []
print("ready", flush=True)
for line in sys.stdin:
    held.append(go())
    print(*held[-1].getsockname(), flush=True)'
  [ -p "$tmp/go" ] || mkfifo "$tmp/go"
  # shellcheck disable=SC2016
  launch near sh -c 'exec "$0" run --ports 20000-20099 -- "$1" "$2" <"$3"' "$berth" "$python" "$py" "$tmp/go"
  exec {go}>"$tmp/go"
  await_line "$launch_out" ready
  program=$(program_of "$launch_pid")
}

@test "SIGKILL of berth: the program goes on with assigned ports, status says orphan, the next run cleans up" {
  serve far "$far4" 8000
  launch_stepper
  kill -KILL "$launch_pid"
  await ended "$launch_pid"
  echo >&"$go"
  echo >&"$go"
  await_lines "$launch_out" 3
  tail -n 2 "$launch_out" | ports_inside 20000 20099
  near "$berth" status --json >"$tmp/status"
  equal state "$(jq -r '[.state, .counters.assigned] | join(" ")' "$tmp/status")" "orphan 2"
  # Another run on the same pool knows of the orphan's ports.
  berth_run --ports 20000-20099 -- "$client" tcp --count 99 --hold "$far4" 8000 </dev/null >"$tmp/o" || true
  equal connections "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 98
  equal "still there" "$(near "$berth" status --json | jq -r .state)" orphan
  exec {go}>&-
  await ended "$program"
  equal ended "$(near "$berth" status --json | jq -r .state)" ended
  berth_run -- true
  nothing_left
}

@test "SIGKILL of the program: berth ends with 137 and leaves nothing" {
  serve far "$far4" 8000
  launch_stepper
  echo >&"$go"
  await_lines "$launch_out" 2
  kill -KILL "$program"
  status=0
  wait "$launch_pid" || status=$?
  equal status "$status" 137
  nothing_left
}

@test "SIGKILL of both: the next run cleans up" {
  launch_stepper
  kill -KILL "$launch_pid" "$program"
  await ended "$program"
  await ended "$launch_pid"
  equal ended "$(near "$berth" status --json | jq -r .state)" ended
  berth_run -- true
  nothing_left
}

@test "SIGKILL of an inner berth: the outer one goes on" {
  serve far "$far4" 8000
  # shellcheck disable=SC2016
  launch near "$berth" run --ports 20000-20099 -- sh -c \
    '"$0" run --ports 21000-21099 -- sleep 1000 & i=$!; echo $i; wait $i; exec "$1" tcp --count 5 "$2" 8000' \
    "$berth" "$client" "$far4"
  await_lines "$launch_out" 1
  inner=$(head -n 1 "$launch_out")
  await program_of "$inner"
  sleeper=$(program_of "$inner")
  await grep -q sleep "/proc/$sleeper/comm"
  kill -KILL "$inner"
  await_lines "$launch_out" 6
  tail -n +2 "$launch_out" | ports_inside 20000 20099
  kill -KILL "$sleeper"
  await ended "$sleeper"
  await ended "$launch_pid"
  berth_run -- true
  nothing_left
}

@test "many runs at once come and go" {
  serve far "$far4" 8000
  for i in 1 2 3 4 5 6 7 8; do
    launch near "$berth" run --ports 20000-20099 -- "$client" tcp --count 10 --hold "$far4" 8000
    out[i]=$launch_out
    pid[i]=$launch_pid
  done
  for i in 1 2 3 4 5 6 7 8; do
    await_lines "${out[i]}" 10
    ports_inside 20000 20099 <"${out[i]}"
  done
  equal runs "$(near "$berth" status --json | jq -r .state | sort | uniq -c | tr -s ' ')" " 8 running"
  equal "no port twice" "$(cat "${out[@]}" | sort -u | wc -l)" 80
  for i in 1 3 5 7; do kill -TERM "${pid[i]}"; done
  for i in 2 4 6 8; do kill -KILL "$(program_of "${pid[i]}")"; done
  for i in 1 2 3 4 5 6 7 8; do await ended "${pid[i]}"; done
  nothing_left
}
