# SPDX-License-Identifier: BSD-2-Clause
# berth top: the screen at two sizes, its keys, frames for scripts, and names that would like to reach the terminal.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup()
{
  system_setup
  screen=
  command -v tmux >/dev/null || skip "tmux is not installed"
}

teardown()
{
  [ -z "$screen" ] || on_screen kill-server 2>/dev/null || true
  system_teardown
}

on_screen()
{
  tmux -S "$screen" "$@"
}

# open_screen COLUMNS ROWS COMMAND...: a terminal in which the near side runs the command
open_screen()
{
  screen=$tmp/tmux
  near env -u TMUX LC_ALL=C.UTF-8 TERM=xterm-256color TZ=UTC tmux -S "$screen" -f /dev/null new-session -d -x "$1" -y "$2" \
    "exec $3" 3>&- {hold_fd}>&-
}

# await_screen REGEX: until a line of the screen has it
await_screen()
{
  await shows "$1" || {
    on_screen capture-pane -p >&2
    return 1
  }
}

shows()
{
  on_screen capture-pane -p | grep -qE -- "$1"
}

# Times and pids are what they are.
plain()
{
  sed -E 's/[0-9]{2}:[0-9]{2}:[0-9]{2}/HH:MM:SS/g; s/\[[0-9]+\]/[PID]/g; s/berth:[0-9]+ */berth:PID     /; s/ +$//'
}

# Three lanes at rest, a listener with a connection that nobody accepts, one refusal.
still_life()
{
  near sysctl -qw net.ipv4.ip_local_port_range="40000 40099"
  serve far "$far4" 8000
  serve far "$far6" 8000
  connect_py '
server = socket.create_server((NEAR4, 9000), backlog=7)
waits = go(to=NEAR4, port=9000, bind=("", 20000))
held = [go() for i in range(60)] + [go(to=FAR6) for i in range(5)]
print("ready", flush=True)
for line in sys.stdin:
    try: socket.socket().bind((NEAR4, 9000))
    except OSError: pass'
  mkfifo "$tmp/ask"
  exec {ask}<>"$tmp/ask"
  launch near sh -c "exec '$python' '$py' <'$tmp/ask'"
  await_line "$launch_out" ready
}

picture80='berth top HH:MM:SS  every 0.1s  by share
40000-40099: 100 ports to choose, 0 reserved, 0 bound
opened 0.0/s  accepted 0.0/s  runs 0: assigned 0.0/s, refused 0.0/s
 SHARE   FREE T-WAIT RATE/S   LEFT PROTO CHOICE *LANE
 60.0%     40      0   +0.0  never tcp   slow   10.9.0.1 > 10.9.0.2:8000
  5.0%     95      0   +0.0  never tcp   kernel 2001:db8:9::1 > [2001:db8:9::2]:
  0.0%    100      0   +0.0  never udp   kernel all destinations












      QUEUE PROTO LISTENER                     HELD BY
        1/7 tcp   10.9.0.1:9000                python3[PID]
REFUSED   TIMES CALL    WHY             ADDRESS                PROGRAM
HH:MM:SS      2 bind    port is held    10.9.0.1:9000          python3[PID]
q quit  Tab pane  Enter holder  s sort  / filter  space freeze  ? help'

picture120='berth top HH:MM:SS  every 0.1s  by share
40000-40099: 100 ports to choose, 0 reserved, 0 bound
opened 0.0/s  accepted 0.0/s  runs 0: assigned 0.0/s, refused 0.0/s
 SHARE   USED   FREE T-WAIT RATE/S   LEFT PROTO SEARCH CHOICE        *LANE
 60.0%     60     40      0   +0.0  never tcp   slow   kernel        10.9.0.1 > 10.9.0.2:8000
  5.0%      5     95      0   +0.0  never tcp   -      kernel        2001:db8:9::1 > [2001:db8:9::2]:8000
  0.0%      0    100      0   +0.0  never udp   -      kernel        all destinations




























      QUEUE PROTO LISTENER                                         HELD BY
        1/7 tcp   10.9.0.1:9000                                    python3[PID]
REFUSED   TIMES CALL    WHY             ADDRESS                                          PROGRAM
HH:MM:SS      2 bind    port is held    10.9.0.1:9000                                    python3[PID]
q quit  Tab pane  Enter holder  s sort  / filter  space freeze  ? help'

is_picture()
{
  [ "$(on_screen capture-pane -p | plain)" = "$1" ]
}

await_picture()
{
  await is_picture "$1" || {
    diff <(on_screen capture-pane -p | plain) - <<<"$1" >&2
    return 1
  }
}

screen_is_closed()
{
  ! on_screen has-session
}

@test "top: the screen at 80x24, after a change of size at 120x40, and the same frames from --batch" {
  still_life
  open_screen 80 24 "'$berth' top --every 0.1"
  await_screen "all destinations"
  echo bind >&"$ask"
  echo bind >&"$ask"
  await_picture "$picture80"
  on_screen resize-window -x 120 -y 40
  await_picture "$picture120"
  on_screen resize-window -x 80 -y 24
  await_picture "$picture80"
  # Too small for anything: it stays, and comes back.
  on_screen resize-window -x 5 -y 3
  await_screen '^berth$'
  on_screen resize-window -x 80 -y 24
  await_picture "$picture80"
  near env TZ=UTC "$berth" top --batch --frames 2 --every 0.1 | plain >"$tmp/batch"
  equal "lines of two frames" "$(wc -l <"$tmp/batch")" 50
  # No keys, no selection, and no refusal that happened before it was started.
  equal "the second frame" "$(sed -n 26,46p "$tmp/batch")" "$(sed -n 's/\*LANE/LANE/; 1,21p' <<<"$picture80")"
  near env TZ=UTC "$berth" top --batch --frames 1 --size 120x40 | plain >"$tmp/batch"
  equal "a wide frame" "$(sed -n 4p "$tmp/batch")" "$(sed -n 's/\*LANE/LANE/; 4p' <<<"$picture120")"
  exec {ask}>&-
}

@test "top: keys select, order, filter, freeze, show a holder, and quit; the terminal is as it was" {
  still_life
  open_screen 80 24 "sh -c 'stty -a >\"$tmp/before\"; \"$berth\" top --every 0.1; s=\$?; stty -a >\"$tmp/after\"; echo status \$s; cat'"
  await_screen "all destinations"
  on_screen send-keys '?'
  await_screen '^  space            freeze'
  on_screen send-keys x
  await_screen "all destinations"
  on_screen send-keys '<'
  await_screen 'by lane$'
  on_screen send-keys s
  await_screen 'by share$'
  on_screen send-keys / 2 0 0 1
  await_screen '^filter: 2001_$'
  equal "lanes that pass" "$(on_screen capture-pane -p | grep -c kernel)" 1
  on_screen send-keys Escape
  await_screen "all destinations"
  on_screen send-keys Space
  await_screen FROZEN
  shot=$(on_screen capture-pane -p)
  connect_py 'held = [go() for i in range(10)]; print("more", flush=True); sys.stdin.read()'
  launch near "$python" "$py"
  await_line "$launch_out" more
  # A frozen screen takes a key, and tells nothing newer with it.
  on_screen send-keys Tab
  await_screen '\*HELD BY'
  equal "the lane while frozen" "$(on_screen capture-pane -p | grep 8000 | head -1)" "$(grep 8000 <<<"$shot" | head -1)"
  on_screen send-keys Space
  await_screen '^ 70\.0% .*8000$'
  on_screen send-keys Enter
  await_screen '^tcp 10\.9\.0\.1:9000$'
  await_screen "^python3  pid [0-9]+, 1 socket$"
  await_screen '^  user       root$'
  await_screen '^  why        python3\[[0-9]+\] <'
  on_screen send-keys q
  await_screen '\*HELD BY'
  on_screen send-keys BTab Enter
  await_screen '^70\.0%: 70 of 100 used, 30 free'
  await_screen "^python3  pid [0-9]+, 60 sockets$"
  await_screen "^python3  pid [0-9]+, 10 sockets$"
  on_screen send-keys q
  await_screen '\*LANE'
  on_screen send-keys q
  await_screen '^status 0$'
  equal "stty before and after" "$(cat "$tmp/after")" "$(cat "$tmp/before")"
  exec {ask}>&-
}

@test "top: a signal gives the terminal back; without one there is a word about --batch" {
  open_screen 80 24 "sh -c 'stty -a >\"$tmp/before\"; \"$berth\" top; s=\$?; stty -a >\"$tmp/after\"; echo status \$s; cat'"
  await_screen "all destinations"
  kill -TERM "$(pgrep -P "$(on_screen display-message -p '#{pane_pid}')" -x berth)"
  await_screen '^status 0$'
  equal "stty before and after" "$(cat "$tmp/after")" "$(cat "$tmp/before")"
  equal "alternate screen" "$(on_screen display-message -p '#{alternate_on}')" 0
  run -2 near "$berth" top </dev/null
  [[ $output = *"no terminal; print frames with --batch" ]]
  on_screen respawn-pane -k "TERM=dumb '$berth' top; echo status \$?; cat"
  await_screen '^berth top: the terminal "dumb" cannot place a cursor'
  await_screen '^status 2$'
  run -2 near "$berth" top --size 10x10 --batch
  run -2 near "$berth" top --frames 1
}

@test "top: what is refused is shown as it happens, with who asked; other namespaces are not mixed in" {
  near sysctl -qw net.ipv4.ip_local_port_range="40000 40009"
  serve far "$far4" 8000
  launch near "$berth" top --json --every 0.05
  watched=$launch_out
  await_lines "$watched" 1
  connect_py '
held = [go() for i in range(10)]
print(refused(), refused(), refused(kind=socket.SOCK_STREAM, port=8001), flush=True)
udp = [go(kind=socket.SOCK_DGRAM, port=53) for i in range(10)]
print(refused(kind=socket.SOCK_DGRAM, port=53), flush=True)
server = socket.create_server(("", 9000))
try: socket.create_server(("", 9000))
except OSError: pass'
  near "$python" "$py"
  # The other side has a namespace of its own.
  far "$python" -c 'import socket; s = socket.create_server(("", 9000)); socket.socket().bind(("", 9000))' 2>/dev/null || true
  await jq -se '.[-1].refusals_seen >= 4' "$watched"
  equal refusals "$(jq -sc '.[-1].refusals[] | [.times, .call, .error, .why, .address, .port, .program]' "$watched")" \
    '[1,"bind","EADDRINUSE","port is held","0.0.0.0",9000,"python3"]
[1,"connect","EAGAIN","no port is left","10.9.0.2",53,"python3"]
[2,"connect","EADDRNOTAVAIL","no port is left","10.9.0.2",8000,"python3"]'
}

@test "top: an ordinary user has lanes, and is told why refusals are missing" {
  near capsh --user=nobody -- -c "'$berth' top --batch --frames 1 --size 200x24" >"$tmp/o"
  grep -q '; by sock_diag$' "$tmp/o"
  grep -q "^REFUSED, by berth's runs only: tracing: the kernel does not let berth see refused calls" "$tmp/o"
}

@test "top: hostile names of programs and units reach neither terminal nor JSON" {
  unit=$cgroup/$'a\e]0;pwned\a\xff.service'
  mkdir "$unit"
  cat >"$tmp/hostile.py" <<'END'
import ctypes, os, socket, sys
ctypes.CDLL(None).prctl(15, b"\x1b]0;pwn\x07\n\xff\xc3\xa9\x9b", 0, 0, 0)
open(os.fsencode(sys.argv[1]) + b"/cgroup.procs", "w").write(str(os.getpid()))
s = socket.create_server(("127.0.0.1", 9000))
print("ready", flush=True)
for line in sys.stdin:
    try: socket.socket().bind(("127.0.0.1", 9000))
    except OSError: print("refused", flush=True)
END
  mkfifo "$tmp/ask"
  exec {ask}<>"$tmp/ask"
  launch near sh -c "exec '$python' '$tmp/hostile.py' '$unit' <'$tmp/ask'"
  await_line "$launch_out" ready
  open_screen 140 24 "'$berth' top --every 0.1"
  on_screen pipe-pane -o "cat >'$tmp/raw'"
  await_screen '9000 .*\\x1b\]0;pwn\\x07\\x0a\\xffé\\x9b\['
  echo >&"$ask"
  await_screen 'bind .*\\x1b\]0;pwn\\x07\\x0a\\xffé\\x9b\['
  on_screen send-keys Tab Enter
  await_screen '^  unit       a\\x1b\]0;pwned\\x07\\xff\.service$'
  on_screen send-keys q
  await_screen '\*HELD BY'
  on_screen send-keys q
  await screen_is_closed
  [ -s "$tmp/raw" ]
  run ! grep -qaE $'\e\\]0;pwn|\a|\x9b' "$tmp/raw"
  launch near "$berth" top --json --every 0.05
  await_lines "$launch_out" 1
  echo >&"$ask"
  await jq -se '.[-1].refusals_seen > 0' "$launch_out"
  run ! grep -qaP '[\x00-\x09\x0b-\x1f\x7f]' "$launch_out"
  iconv -f UTF-8 -t UTF-8 "$launch_out" >/dev/null
  jq -se '.[-1].listeners[] | select(.port == 9000) | .program | startswith("\u001b]0;pwn\u0007\n\ufffdé")' "$launch_out"
  jq -se '.[-1].refusals[0].program | startswith("\u001b]0;pwn\u0007\n")' "$launch_out"
  # In a locale that has no UTF-8 nothing but ASCII goes out.
  near env LC_ALL=C "$berth" top --batch --frames 1 >"$tmp/o"
  run ! grep -qaP '[^\x0a\x20-\x7e]' "$tmp/o"
  exec {ask}>&-
}
