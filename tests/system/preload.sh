#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Cases of preload.bats, run inside a network namespace of their own: preload.sh CASE [ARG...]
# Exit status 0: good; 77: cannot be run here, reason on the last line.
set -eu -o pipefail

build=${BUILD:?}
runner=$build/tests/tools/preload_run
client=$build/tests/tools/test-client
stats=$SCRATCH/stats

die()
{
  echo "$*" >&2
  exit 1
}

skip()
{
  echo "$*"
  exit 77
}

# wait_for COMMAND...: until it succeeds, half a minute at most
wait_for()
{
  local i

  for ((i = 0; i < 600; i++)); do
    ! "$@" || return 0
    read -rt 0.05 <> <(:) || :
  done
  die "waited in vain for: $*"
}

# serve PORT...: servers on 127.0.0.1 and ::1 that close what the client closes
serve()
{
  python3 -c '
import selectors, socket, sys
sel = selectors.DefaultSelector()
for family, host in (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"):
    for port in sys.argv[1:]:
        s = socket.socket(family)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, int(port)))
        s.listen(4096)
        sel.register(s, selectors.EVENT_READ, True)
print("ready", flush=True)
while True:
    for key, _ in sel.select():
        if key.data:
            sel.register(key.fileobj.accept()[0], selectors.EVENT_READ, False)
        else:
            try:
                more = key.fileobj.recv(4096)
            except ConnectionResetError:
                more = False
            if not more:
                sel.unregister(key.fileobj)
                key.fileobj.close()
' "$@" >"$SCRATCH/server" &
  wait_for grep -qs ready "$SCRATCH/server"
}

# counter NAME: of the run that ended last
counter()
{
  awk -v name="$1" '$1 == name { print $2 }' "$stats"
}

expect()
{
  [ "$2" = "$3" ] || die "$1 is $2, not $3"
}

lines()
{
  wc -l <"$1"
}

has_lines()
{
  [ "$(lines "$1")" -ge "$2" ]
}

# hold OUT [RUNNER-OPTION...] -- CLIENT-WORD...: a run that keeps its connections until let_go
hold()
{
  local out=$1

  shift
  mkfifo "$out.stdin"
  "$runner" --stats "$stats" "$@" >"$out" 2>"$out.err" <"$out.stdin" &
  held=$!
  exec {gate}>"$out.stdin"
}

# Ends the run of hold.
let_go()
{
  exec {gate}>&-
  wait "$held" || :
}

no_duplicates()
{
  "$build/tests/tools/test-pairs" >"$SCRATCH/pairs" || die "$(cat "$SCRATCH/pairs")"
}

# ports_of OUT: local ports that a client printed
ports_of()
{
  awk '$1 != "refused" { print $2 }' "$1"
}

# fill MODE ADDR FIRST LAST ERRNO: the pool to the last port, and one more
fill()
{
  local n=$(($4 - $3 + 1)) out=$SCRATCH/out

  serve 7000
  hold "$out" --ports "$3-$4" -- "$client" "$1" --hold --count $((n + 1)) "$2" 7000
  wait_for has_lines "$out" $((n + 1))
  no_duplicates
  expect "the kernel's table" "$(ss -Hntu state established "sport >= :$3 and sport <= :$4" | wc -l)" "$n"
  let_go
  expect "what the last one got" "$(tail -n 1 "$out")" "refused $5"
  expect refusals "$(grep -c refused "$out")" 1
  expect ports "$(ports_of "$out" | sort -n | uniq | awk -v a="$3" -v b="$4" '$1 >= a && $1 <= b' | wc -l)" "$n"
  expect assigned "$(counter assigned)" "$n"
  expect exhausted "$(counter exhausted)" 1
  expect refused "$(counter refused)" 1
}

exhausted_to_kernel()
{
  serve 7000
  hold "$SCRATCH/out" --ports "$1" --when-exhausted kernel -- "$client" tcp --hold --count 11 127.0.0.1 7000
  wait_for has_lines "$SCRATCH/out" 11
  let_go
  expect refusals "$(grep -c refused "$SCRATCH/out" || :)" 0
  expect fallback "$(counter fallback)" 1
  expect assigned "$(counter assigned)" 10
}

# Each port is used toward both destinations.
share_ports()
{
  serve 7000 7001
  hold "$SCRATCH/out" --ports "$1" -- bash -c "
    $client tcp --hold --count 50 127.0.0.1 7000 & $client tcp --hold --count 50 127.0.0.1 7001; wait"
  wait_for has_lines "$SCRATCH/out" 50
  wait_for has_lines "$SCRATCH/out" 100
  no_duplicates
  let_go
  expect refusals "$(grep -c refused "$SCRATCH/out" || :)" 0
  expect ports "$(ports_of "$SCRATCH/out" | sort | uniq -c | awk '$1 == 2' | wc -l)" 50
}

# Four processes with four threads each fill one lane at once.
share_lane()
{
  serve 7000
  # shellcheck disable=SC2016
  hold "$SCRATCH/out" --ports "$1" -- bash -c '
    for i in 1 2 3 4; do "$0" tcp --hold --threads 4 --count 13 127.0.0.1 7000 <&0 & done; wait' "$client"
  wait_for has_lines "$SCRATCH/out" 208
  no_duplicates
  let_go
  expect refusals "$(grep -c refused "$SCRATCH/out" || :)" 8
  expect ports "$(ports_of "$SCRATCH/out" | sort -u | wc -l)" 200
}

# Processes that connect and close in a loop are killed one after the other; one is left and must not be refused.
kill_some()
{
  serve 7000
  cat >"$SCRATCH/loop.py" <<'PY'
import socket, sys
done = 0
limit = int(sys.argv[1])
while not limit or done < limit:
    s = socket.socket()
    s.connect(("127.0.0.1", 7000))
    # Until the peer has closed, too: otherwise the tuple is in use for as long as the server likes.
    s.shutdown(socket.SHUT_WR)
    s.recv(1)
    s.close()
    done += 1
print("done", done)
PY
  cat >"$SCRATCH/kill.sh" <<'SH'
for i in 1 2 3 4 5 6; do
  python3 "$SCRATCH/loop.py" 0 & pid[i]=$!
done
python3 "$SCRATCH/loop.py" 2000 & last=$!
for i in 1 2 3 4 5 6; do
  read -rt 0.2 <> <(:) || :
  kill -KILL "${pid[i]}"
done
wait "$last"
SH
  "$runner" --stats "$stats" --ports "$1" -- bash "$SCRATCH/kill.sh" >"$SCRATCH/out" 2>"$SCRATCH/err" || :
  grep -q 'done 2000' "$SCRATCH/out" || die "$(cat "$SCRATCH/err" "$stats")"
  expect refused "$(counter refused)" 0
}

# A lock whose owner is gone costs its lane, not the connection, and is taken over after a second.
stuck_lock()
{
  serve 7000
  # shellcheck disable=SC2016
  "$runner" --stats "$stats" --policy longest-idle --ports "$1" -- bash -c '
    # Ahead, so that it is in the way however slow the machine is.
    "$0" tcp --count 3 127.0.0.1 7000 && "$1" 3600 && "$0" tcp --count 3 127.0.0.1 7000 && "$1" || exit 1
    for ((i = 0; i < 100; i++)); do "$0" tcp --count 1 127.0.0.1 7000 || exit 1; done' \
    "$client" "$build/tests/tools/preload_stuck" >"$SCRATCH/out"
  expect refusals "$(grep -c refused "$SCRATCH/out" || :)" 0
  [ "$(counter lanes_missing)" -ge 3 ] || die "the lock was not in the way: $(cat "$stats")"
  expect lanes "$(counter lanes)" 2
}

# How many files of runs there are, in a /dev/shm that no other test sweeps.
shared_files()
{
  find /dev/shm -name 'berth-preload.*' | wc -l
}

is_parent()
{
  pgrep -x -P "$1" sleep >"$SCRATCH/sleeper"
}

# The shared file goes with its run; that of a run that was killed goes with the next one.
shared_file()
{
  mount -t tmpfs none /dev/shm || skip "no /dev/shm of our own"
  "$runner" -- sleep 60 >"$SCRATCH/out" 2>&1 3>&- &
  held=$!
  wait_for is_parent "$held"
  expect "files of a run" "$(shared_files)" 1
  "$runner" -- true
  expect "files beside another run" "$(shared_files)" 1
  kill -KILL "$held"
  wait "$held" || :
  kill "$(cat "$SCRATCH/sleeper")"
  expect "files of a run that was killed" "$(shared_files)" 1
  "$runner" -- true
  expect "files after the next run" "$(shared_files)" 0
}

no_shared_file()
{
  expect answer "$(BERTH_PRELOAD=/nonexistent LD_PRELOAD=$build/src/preload/libberth-preload.so "$client" tcp 127.0.0.1 1)" \
    "refused ECONNREFUSED"
}

# A socket outlives the program that connected it; its port comes back although nobody saw the close.
fork_exec()
{
  serve 7000
  cat >"$SCRATCH/exec.py" <<'PY'
import errno, os, socket, struct, sys, time
to = ("127.0.0.1", 7000)
if len(sys.argv) == 1:
    pid = os.fork()
    if pid == 0:
        s = socket.create_connection(to)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.set_inheritable(True)
        os.execv(sys.executable, [sys.executable, __file__, str(s.fileno())])
    sys.exit(os.waitpid(pid, 0)[1] != 0)
inherited = socket.socket(fileno=int(sys.argv[1]))
mine = [socket.create_connection(to) for _ in range(9)]
ports = {s.getsockname()[1] for s in mine} | {inherited.getsockname()[1]}
assert len(ports) == 10, ports
try:
    socket.create_connection(to)
    raise SystemExit("the eleventh of ten was connected")
except OSError as e:
    assert e.errno == errno.EADDRNOTAVAIL, e
end = time.monotonic() + 10
while time.monotonic() < end:
    try:
        if inherited:
            # Not by close(): nobody in this process noted the port.
            os.dup2(0, inherited.fileno())
            inherited = None
        socket.create_connection(to)
        raise SystemExit(0)
    except OSError as e:
        assert e.errno == errno.EADDRNOTAVAIL, e
raise SystemExit("the port of the inherited socket never came back")
PY
  # longest-idle has a lane from the first connect on.
  "$runner" --stats "$stats" --policy longest-idle --ports "$1" -- python3 "$SCRATCH/exec.py"
}

# The program's own choices: a port, an address, an address whose port is put off to connect(), its own range.
own_choices()
{
  serve 7000
  "$runner" --stats "$stats" --ports "$1" -- python3 -c '
import socket, struct
def sock(bind=None, *options):
    s = socket.socket()
    for o in options:
        s.setsockopt(*o)
    if bind:
        s.bind(bind)
    s.connect(("127.0.0.1", 7000))
    return s.getsockname()
def berth(port):
    first, last = map(int, "'"$1"'".split("-"))
    return first <= port <= last
assert sock(("127.0.0.1", 33333)) == ("127.0.0.1", 33333)
a = sock(("127.0.0.9", 0)); assert a[0] == "127.0.0.9" and berth(a[1]), a
a = sock(("127.0.0.8", 0), (0, 24, 1)); assert a[0] == "127.0.0.8" and berth(a[1]), a
a = sock(None); assert a[0] == "127.0.0.1" and berth(a[1]), a
try:
    a = sock(None, (0, 51, struct.pack("I", 50000 | 50009 << 16))); assert 50000 <= a[1] <= 50009, a
except OSError as e:
    assert e.errno == 92, e
'
  [ "$(counter left_alone)" -ge 1 ] || die "nothing was left alone"
  expect bound "$(counter bound)" 1
}

# bind() with port 0: ports of the pool, each once, whatever SO_REUSEADDR says; then EADDRINUSE.
bind_any()
{
  "$runner" --stats "$stats" --ports "$1" -- python3 -c '
import errno, socket, sys
kind = getattr(socket, sys.argv[1])
keep = []
for i in range(10):
    s = socket.socket(type=kind)
    if i % 2:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", 0))
    assert bool(s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) == bool(i % 2)
    if i % 2 and kind == socket.SOCK_STREAM:
        s.listen()
    keep.append(s)
ports = {s.getsockname()[1] for s in keep}
assert len(ports) == 10, ports
s = socket.socket(type=kind)
try:
    s.bind(("", 0))
    raise SystemExit("the eleventh of ten was bound")
except OSError as e:
    assert e.errno == errno.EADDRINUSE, e
keep.pop()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("", 0))
assert s.getsockname()[1] in ports
t = socket.socket(type=kind)
t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
t.bind(s.getsockname())
if kind == socket.SOCK_STREAM:
    s.listen()
    t.listen()
' "$2"
  expect bound "$(counter bound)" 11
  expect refused "$(counter refused)" 1
}

# A failed connect, and then another on the same socket. Outside of the range it keeps its port: "sequential" sees to it
# that this port is free toward the second destination as well.
reconnect()
{
  serve 7000
  "$runner" --stats "$stats" --policy sequential --ports "$1" -- "$client" reconnect --count 20 127.0.0.1 7000 >"$SCRATCH/out"
  expect refusals "$(grep -c refused "$SCRATCH/out" || :)" 0
  expect left_alone "$(counter left_alone)" 0
  first=${1%-*} last=${1#*-}
  expect ports "$(ports_of "$SCRATCH/out" | awk -v a="$first" -v b="$last" '$1 >= a && $1 <= b' | wc -l)" 20
}

# A small pool again and again: tuples in TIME_WAIT rest, and are taken when nothing else is left.
churn()
{
  serve 7000
  "$runner" --stats "$stats" --ports "$1" -- python3 -c '
import socket
for i in range(1000):
    s = socket.socket()
    s.connect(("127.0.0.1", 7000))
    s.shutdown(socket.SHUT_WR)
    s.recv(1)
    s.close()
'
  expect assigned "$(counter assigned)" 1000
  expect refused "$(counter refused)" 0
}

# Nobody listens on a port of the pool: no socket may connect to itself.
no_self_connect()
{
  "$runner" --stats "$stats" --ports "$1-$(($1 + 9))" -- python3 -c '
import errno, socket, sys
for i in range(300):
    s = socket.socket()
    assert s.connect_ex(("127.0.0.1", int(sys.argv[1]))) == errno.ECONNREFUSED, s
' $(($1 + 5))
  expect refused "$(counter refused)" 0
}

# A listener of somebody else on ports of the pool is gone round.
foreign_listener()
{
  serve 7000 "${1%-*}"
  hold "$SCRATCH/out" --ports "$1" -- "$client" tcp --hold --count 10 127.0.0.1 7000
  wait_for has_lines "$SCRATCH/out" 10
  let_go
  expect refusals "$(grep -c refused "$SCRATCH/out" || :)" 1
  expect ports "$(ports_of "$SCRATCH/out" | grep -cx "${1%-*}" || :)" 0
}

two_addresses()
{
  serve 7000
  hold "$SCRATCH/out" --pool "$1" --ports "$2" -- "$client" tcp --hold --count 21 127.0.0.1 7000
  wait_for has_lines "$SCRATCH/out" 21
  no_duplicates
  let_go
  expect refusals "$(grep -c refused "$SCRATCH/out")" 1
  expect "ports of each address" "$(awk '$1 != "refused" { print $1 }' "$SCRATCH/out" | sort | uniq -c | awk '{ print $1 }' | xargs)" "10 10"
}

# The address that is not the host's is skipped, and so is the other family.
useless_addresses()
{
  serve 7000
  "$runner" --stats "$stats" --pool 192.0.2.7,2001:db8::7,127.0.0.6 --ports "$1" -- \
    "$client" tcp --count 10 127.0.0.1 7000 >"$SCRATCH/out"
  expect connections "$(grep -c '^127.0.0.6 ' "$SCRATCH/out")" 10
}

prefix()
{
  serve 7000
  "$runner" --stats "$stats" --pool 127.3.0.0/16 --ports "$1" -- \
    "$client" tcp --count 50 127.0.0.1 7000 >"$SCRATCH/out"
  expect connections "$(grep -c '^127\.3\.' "$SCRATCH/out")" 50
  [ "$(awk '{ print $1 }' "$SCRATCH/out" | sort -u | wc -l)" -gt 25 ] || die "few addresses: $(cat "$SCRATCH/out")"
}

sequential()
{
  serve 7000
  hold "$SCRATCH/out" --policy sequential --ports "$1" -- "$client" tcp --hold --count 10 127.0.0.1 7000
  wait_for has_lines "$SCRATCH/out" 10
  let_go
  expect order "$(ports_of "$SCRATCH/out" | xargs)" "$(seq -s ' ' "${1%-*}" "${1#*-}")"
}

# policy NAME PORTS: fills the pool and refuses once
policy()
{
  serve 7000
  hold "$SCRATCH/out" --policy "$1" --ports "$2" -- "$client" tcp --hold --count 21 127.0.0.1 7000
  wait_for has_lines "$SCRATCH/out" 21
  no_duplicates
  let_go
  expect "refusals of $1" "$(grep -c refused "$SCRATCH/out")" 1
}

# stress PORTS [OPTION...]: of test-stress, which compares with the kernel's table
stress()
{
  local ports=$1

  shift
  serve 7000 7001
  "$runner" --stats "$stats" --ports "$ports" -- "$build/tests/tools/test-stress" --procs 4 --operations 6000 \
    --hold 100 "$@" 127.0.0.1 7000 7001 >"$SCRATCH/out" || die "$(tail -n 5 "$SCRATCH/out" && cat "$stats")"
}

real_curl()
{
  python3 -c '
import http.server, os
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", 8000), Quiet).serve_forever()' &
  wait_for curl -s -o /dev/null http://127.0.0.1:8000/
  port=$("$runner" --stats "$stats" --ports "$1" -- curl -s -o /dev/null -w '%{local_port}' http://127.0.0.1:8000/)
  expect "curl's port" "$((port >= ${1%-*} && port <= ${1#*-}))" 1
  expect assigned "$(counter assigned)" 1
  expect released "$(counter released)" 1
}

answers_or_gone()
{
  ! kill -0 "$1" 2>/dev/null || dig +short +tries=1 +time=1 @127.0.0.1 port.test >"$SCRATCH/dig" 2>&1
}

real_dig()
{
  command -v dnsmasq dig >/dev/null || skip "dnsmasq or dig is not installed"
  dnsmasq -k -u root --conf-file=/dev/null --no-resolv --no-hosts --listen-address=127.0.0.1 --bind-interfaces \
    --log-facility=- --pid-file --address=/port.test/192.0.2.1 >"$SCRATCH/dnsmasq" 2>&1 &
  resolver=$!
  wait_for answers_or_gone "$resolver"
  kill -0 "$resolver" 2>/dev/null || skip "dnsmasq does not start: $(tail -n 1 "$SCRATCH/dnsmasq")"
  expect answer "$("$runner" --stats "$stats" --ports "$1" -- dig +short @127.0.0.1 port.test)" 192.0.2.1
  expect "ports given" "$(($(counter assigned) + $(counter bound)))" 1
}

# Reconnecting a UDP socket must not bring it onto a tuple that another one has.
udp_shadow()
{
  serve 7000
  "$runner" --stats "$stats" --ports "$1" -- python3 -c '
import errno, socket
a = socket.socket(type=socket.SOCK_DGRAM); a.connect(("127.0.0.1", 7000))
b = socket.socket(type=socket.SOCK_DGRAM); b.connect(("127.0.0.1", 7001))
c = socket.socket(type=socket.SOCK_DGRAM); c.connect(("127.0.0.1", 7001))
b.connect(("127.0.0.1", 7001))
# One of two ports each: b or c has the port of a.
d = b if b.getsockname() == a.getsockname() else c
assert d.getsockname() == a.getsockname()
assert d.connect_ex(("127.0.0.1", 7000)) == errno.EADDRNOTAVAIL
'
}

# odd PLACE PORTS: connect() from a signal handler, from a child of vfork(), without a free descriptor
odd()
{
  serve 7000
  "$runner" --stats "$stats" --ports "$2" -- "$build/tests/tools/preload_odd" "$1" 127.0.0.1 7000
  expect refused "$(counter refused)" 0
}

# In another network namespace than the run's: the other one's range is not known, so the port is bound.
foreign_namespace()
{
  # shellcheck disable=SC2016
  hold "$SCRATCH/out" --ports "$1" -- unshare -n bash -c '
    ip link set lo up
    source "$1"
    serve 7000
    "$0" tcp --hold --count 11 127.0.0.1 7000 <&0' "$client" tests/system/preload.sh
  wait_for has_lines "$SCRATCH/out" 11
  let_go
  expect refusals "$(grep -c refused "$SCRATCH/out")" 1
  first=${1%-*} last=${1#*-}
  expect ports "$(ports_of "$SCRATCH/out" | awk -v a="$first" -v b="$last" '$1 >= a && $1 <= b' | wc -l)" 10
}

# Where no route leads the program gets the kernel's own answer.
no_route()
{
  expect answer "$("$runner" --stats "$stats" "$@" -- "$client" tcp 192.0.2.1 7000)" "refused ENETUNREACH"
  expect exhausted "$(counter exhausted)" 0
}

# As an ordinary user, without any privilege.
unprivileged()
{
  serve 7000
  [ "$(id -u)" = 0 ] || skip "everything here is unprivileged already"
  setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null || skip "no other user in this namespace"
  setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$runner" || skip "the build is not readable for nobody"
  setpriv --reuid 65534 --regid 65534 --clear-groups "$runner" --ports "$1" -- \
    "$client" tcp --count 10 127.0.0.1 7000 >"$SCRATCH/out"
  first=${1%-*} last=${1#*-}
  expect ports "$(ports_of "$SCRATCH/out" | awk -v a="$first" -v b="$last" '$1 >= a && $1 <= b' | wc -l)" 10
}

trap 'kill $(jobs -p) 2>/dev/null || :' EXIT
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  ip link set lo up || skip "no network namespace of our own"
  "$@"
fi
