# SPDX-License-Identifier: BSD-2-Clause
# What a program chooses itself is respected, and each way to open a connection gets a port of the pool.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# says BODY OPTION...: what a program under berth prints.
says()
{
  connect_py "$1"
  shift
  berth_run --ports 20000-20099 --stats "$tmp/stats" "$@" -- "$python" "$py"
}

@test "a socket bound to a port keeps it and is counted as left alone" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  equal "own port" "$(says 'print(port_of(go(bind=("", 31000))))')" 31000
  equal counted "$(jq -c '[.counters | .assigned, .left_alone]' "$tmp/stats")" '[0,1]'
  equal "own address and port" "$(says 'print(*go(bind=(NEAR4, 31001)).getsockname())')" "$near4 31001"
  equal "own port, IPv6" "$(says 'print(port_of(go(FAR6, bind=("::", 31002))))')" 31002
  equal "in the pool" "$(says 'print(port_of(go(bind=("", 20005))))')" 20005
}

@test "a socket bound to a port of the pool is not given that port's pair again" {
  serve far "$far4" 8000
  says '
mine = go(bind=(NEAR4, 20005))
held = [go() for i in range(99)]
assert 20005 not in map(port_of, held)
assert refused() == "EADDRNOTAVAIL"'
}

@test "IP_BIND_ADDRESS_NO_PORT: the address is kept, the port comes from the pool" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  near ip addr add 10.9.0.77/24 dev near0
  near ip addr add 2001:db8:9::77/64 dev near0 nodad
  says '
no_port = [(socket.IPPROTO_IP, 24, 1)]
held = [go(bind=("10.9.0.77", 0), options=no_port) for i in range(100)]
held += [go(FAR6, bind=("2001:db8:9::77", 0), options=no_port) for i in range(100)]
for s in held:
    print(*s.getsockname()[:2])
assert refused(bind=("10.9.0.77", 0), options=no_port) == "EADDRNOTAVAIL"
held += [go(bind=(NEAR4, 0), options=no_port) for i in range(100)]' >"$tmp/o"
  equal "the address" "$(grep -c '^10.9.0.77 ' "$tmp/o")" 100
  equal "the address, IPv6" "$(grep -c '^2001:db8:9::77 ' "$tmp/o")" 100
  equal pairs "$(sort -u "$tmp/o" | wc -l)" 200
  ports_inside 20000 20099 <"$tmp/o"
}

@test "IP_BIND_ADDRESS_NO_PORT under --pool: the program's address wins" {
  serve far "$far4" 8000
  near ip addr add 10.9.0.77/24 dev near0
  says 'print(*go(bind=("10.9.0.77", 0), options=[(socket.IPPROTO_IP, 24, 1)]).getsockname())' --pool "$near4" >"$tmp/o"
  equal "the address" "$(cut -d' ' -f1 "$tmp/o")" 10.9.0.77
  ports_inside 20000 20099 <"$tmp/o"
}

@test "IP_LOCAL_PORT_RANGE does no harm: the pool is used" {
  serve far "$far4" 8000
  says '
narrow = [(socket.IPPROTO_IP, 51, struct.pack("I", 40009 << 16 | 40000))]
for i in range(100):
    s = go(options=narrow)
    print(*s.getsockname())
    finish(s)' >"$tmp/o"
  equal connections "$(wc -l <"$tmp/o")" 100
  awk '!($2 >= 20000 && $2 <= 20099 || $2 >= 40000 && $2 <= 40009) { print; bad = 1 } END { exit bad }' "$tmp/o"
}

@test "bind(address, 0), then connect: a port of the pool" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  for args in "--source $near4 $far4" "--source $near6 $far6" "--source ::ffff:$near4 ::ffff:$far4"; do
    await_closed
    # shellcheck disable=SC2086
    berth_run --ports 20000-20099 --stats "$tmp/stats" -- "$client" bind --count 50 --hold $args 8000 </dev/null >"$tmp/o"
    equal connections "$(sort -u "$tmp/o" | wc -l)" 50
    ports_inside 20000 20099 <"$tmp/o"
    equal counted "$(jq -c '[.counters | .bound, .released]' "$tmp/stats")" '[50,50]'
  done
}

@test "bind(any address, 0), then connect, and datagram sockets: a port of the pool" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  serve far "$far4" 8000 --udp
  for args in "bind --source 0.0.0.0 $far4" "bind --source :: $far6" "bind-udp --source $near4 $far4" \
    "bind-udp --source 0.0.0.0 $far4"; do
    await_closed
    # shellcheck disable=SC2086
    berth_run --ports 20000-20099 --stats "$tmp/stats" -- "$client" ${args%% *} --count 50 --hold ${args#* } 8000 \
      </dev/null >"$tmp/o"
    equal connections "$(sort -u "$tmp/o" | wc -l)" 50
    ports_inside 20000 20099 <"$tmp/o"
    equal counted "$(jq -c '[.counters | .bound, .released, .left_alone]' "$tmp/stats")" '[50,50,0]'
  done
}

@test "bind(address, 0): more connections one after the other than there are ports" {
  serve far "$far4" 8000
  says '
for i in range(1000):
    s = go(bind=(NEAR4, 0))
    print(*s.getsockname())
    finish(s)' >"$tmp/o"
  equal connections "$(wc -l <"$tmp/o")" 1000
  ports_inside 20000 20099 <"$tmp/o"
  equal counted "$(jq -c '[.counters | .bound, .fallback]' "$tmp/stats")" '[1000,0]'
}

@test "bind(address, 0) finds the port that nobody has, whoever has the others and however" {
  serve far "$far4" 8001
  serve far "$far4" 8001 --udp
  connect_py '
held = []
for port in range(20000, 20100):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        if port == (20042 if kind == socket.SOCK_STREAM else 20077):
            continue
        s = socket.socket(socket.AF_INET, kind)
        s.bind(("127.0.0.9" if port % 3 == 0 else "0.0.0.0" if port % 3 == 1 else NEAR4, port))
        if port % 3 == 2:
            s.connect((FAR4, 8001))
        held.append(s)
print("ready", flush=True)
sys.stdin.read()'
  launch near "$python" "$py"
  await grep -q ready "$launch_out"
  says '
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    s = socket.socket(socket.AF_INET, kind)
    s.bind((NEAR4, 0))
    t = socket.socket(socket.AF_INET, kind)
    t.bind(("127.0.0.1", 0))
    print(port_of(s), 32768 <= port_of(t) <= 60999)' >"$tmp/o"
  equal ports "$(tr '\n' ' ' <"$tmp/o")" "20042 True 20077 True "
  equal counted "$(jq -c '[.counters | .bound, .fallback]' "$tmp/stats")" '[2,2]'
}

@test "bind(address, 0) by a program that sets SO_REUSEADDR: its pair is not given to others meanwhile" {
  serve far "$far4" 8000
  says '
mine = socket.socket()
mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
mine.bind((NEAR4, 0))
held = [go() for i in range(99)]
assert port_of(mine) not in map(port_of, held)
assert refused() == "EADDRNOTAVAIL"
mine.connect((FAR4, 8000))
assert len({port_of(s) for s in held + [mine]}) == 100'
}

@test "after its connect() a port of bind(address, 0) is shared between destinations" {
  serve far "$far4" 8000
  serve far "$far4" 8001
  says '
first = [go(bind=(NEAR4, 0)) for i in range(100)]
second = [go(port=8001) for i in range(100)]
assert len({port_of(s) for s in first}) == len({port_of(s) for s in second}) == 100'
}

@test "bind(address, 0), then listen: a server gets a port of the pool" {
  says '
for i in range(20):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    c = socket.create_connection(s.getsockname())
    print(*s.getsockname())
    abort(c)' >"$tmp/o"
  equal servers "$(wc -l <"$tmp/o")" 20
  ports_inside 20000 20099 <"$tmp/o"
}

@test "fork: parent and children share a connection; the port is given back by the last of them" {
  serve far "$far4" 8000
  berth_run --ports 20000-20099 -- "$client" fork --count 50 --hold "$far4" 8000 </dev/null >"$tmp/o"
  ports_inside 20000 20099 <"$tmp/o"
  await_closed
  says '
s = go()
go_on, wait = os.pipe()
r, w = os.pipe()
pid = os.fork()
if not pid:
    os.close(wait)
    os.read(go_on, 1)
    s.send(b"still here")
    abort(s)
    os._exit(0)
mine = port_of(s)
s.close()
held = [go() for i in range(99)]
assert mine not in map(port_of, held)
assert refused() == "EADDRNOTAVAIL"
os.close(wait)
assert os.waitpid(pid, 0)[1] == 0
assert port_of(go()) == mine
print("good")' >"$tmp/o"
  equal outcome "$(cat "$tmp/o")" good
}

@test "children of the program are assigned ports too" {
  serve far "$far4" 8000
  # shellcheck disable=SC2016
  berth_run --ports 20000-20099 -- sh -c 'for i in 1 2 3 4; do setsid "$0" tcp --count 5 "$1" 8000 & done; wait' \
    "$client" "$far4" >"$tmp/o"
  equal connections "$(wc -l <"$tmp/o")" 20
  ports_inside 20000 20099 <"$tmp/o"
}

@test "threads: eight at once fill the pool exactly" {
  local pool port=8000

  # A server for each: a connection of the first run may be in FIN_WAIT2 until its server closes it, and has its pair so long.
  for pool in "" "--pool=$near4"; do
    serve far "$far4" $port
    berth_run --ports 20000-20799 ${pool:+"$pool"} -- "$client" tcp --threads 8 --count 101 --hold "$far4" $((port++)) \
      </dev/null >"$tmp/o" || true
    equal connections "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 800
    equal refused "$(count_lines refused <"$tmp/o")" 8
  done
}

@test "non-blocking connect" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  for to in "$far4" "$far6"; do
    berth_run --ports 20000-20099 -- "$client" nonblock --count 101 --hold "$to" 8000 </dev/null >"$tmp/o" || true
    equal connections "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 100
    ports_inside 20000 20099 <"$tmp/o"
  done
}

@test "TCP fast open: sendto with MSG_FASTOPEN, and TCP_FASTOPEN_CONNECT" {
  near sysctl -qw net.ipv4.tcp_fastopen=3
  far sysctl -qw net.ipv4.tcp_fastopen=1027
  serve far "$far4" 8000
  serve far "$far6" 8000
  for mode in tfo tfo-connect; do
    for to in "$far4" "$far6"; do
      await_closed
      berth_run --ports 20000-20099 -- "$client" "$mode" --count 101 --hold "$to" 8000 </dev/null >"$tmp/o" || true
      equal "$mode" "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 100
      equal "refused by $mode" "$(count_lines 'refused EADDRNOTAVAIL' <"$tmp/o")" 1
      ports_inside 20000 20099 <"$tmp/o"
    done
  done
}

@test "the same socket connects again after a refusal, to the same place" {
  mkfifo "$tmp/go"
  connect_py '
s = socket.socket()
for i in range(3):
    try:
        s.connect((FAR4, 8000))
    except ConnectionRefusedError:
        print("refused", flush=True)
sys.stdin.readline()
held = [go(port=8001) for i in range(100)]
s.connect((FAR4, 8000))
print(*s.getsockname(), flush=True)'
  # shellcheck disable=SC2016
  launch near sh -c 'exec "$0" run --ports 20000-20099 -- "$1" "$2" <"$3"' "$berth" "$python" "$py" "$tmp/go"
  seen=$launch_out
  exec {go}>"$tmp/go"
  await_lines "$seen" 3
  serve far "$far4" 8000
  serve far "$far4" 8001
  echo >&"$go"
  await_line "$seen" "^$near4 20"
}

@test "the same socket connects elsewhere after a refusal; it keeps its port, and a taken pair is refused" {
  serve far "$far4" 8000
  berth_run --ports 20000-20099 --stats "$tmp/stats" -- "$client" reconnect --dead 9 "$far4" 8000 >"$tmp/o"
  ports_inside 20000 20099 <"$tmp/o"
  await_closed
  # The kernel offers no way to take a port off a bound socket.
  equal outcome "$(says '
held = go()
s = socket.socket()
try:
    s.connect((FAR4, 9))
except ConnectionRefusedError:
    pass
try:
    s.connect((FAR4, 8000))
except OSError as e:
    print(errno.errorcode[e.errno])' --ports 20000)" EADDRNOTAVAIL
}

@test "the same UDP socket connects to one destination after the other" {
  serve far "$far4" 8000 --udp
  serve far "$far4" 8001 --udp
  says '
s = go(kind=socket.SOCK_DGRAM)
first = s.getsockname()
s.connect((FAR4, 8001))
assert s.getsockname() == first
print(*first)' >"$tmp/o"
  ports_inside 20000 20099 <"$tmp/o"
}

@test "a UDP socket that connects elsewhere never doubles a pair" {
  serve far "$far4" 8000 --udp
  serve far "$far4" 8001 --udp
  equal outcome "$(says '
a, b = go(kind=socket.SOCK_DGRAM), go(kind=socket.SOCK_DGRAM, port=8001)
assert port_of(a) == port_of(b)
try:
    a.connect((FAR4, 8001))
except OSError as e:
    print(errno.errorcode[e.errno])
else:
    print(a.getsockname(), b.getsockname(), "both to", b.getpeername())' --ports 20000 --pool "$near4")" EADDRNOTAVAIL
}

@test "after connect() to AF_UNSPEC a socket is given a port again" {
  serve far "$far4" 8000
  serve far "$far4" 8000 --udp
  says '
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
    s = go(kind=kind)
    print(*s.getsockname())
    assert libc.connect(s.fileno(), bytes(16), 16) == 0, ctypes.get_errno()
    s.connect((FAR4, 8000))
    print(*s.getsockname())' >"$tmp/o"
  equal connections "$(wc -l <"$tmp/o")" 4
  ports_inside 20000 20099 <"$tmp/o"
}

@test "a connection that is refused by its peer gives its port back" {
  says '
for i in range(500):
    assert refused(FAR4, 9) == "ECONNREFUSED"
print("good")' --ports 20000-20009 >"$tmp/o"
  equal outcome "$(cat "$tmp/o")" good
  equal assigned "$(stat_of "$tmp/stats" assigned)" 500
}

# A server, with SO_REUSEADDR or without it, on the port of an assigned client that lives.
server_beside_client()
{
  launch near "$berth" run --ports 20000-20000 "$@" -- "$client" tcp --hold "$far4" 8000
  await_line "$launch_out" ' 20000$'
  cat >"$tmp/server.py" <<END
import errno, socket, sys
for reuse in 1, 0:
    for to in "0.0.0.0", "$near4":
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            s.bind((to, 20000))
            s.listen()
            print(reuse, to, "starts")
        except OSError as e:
            print(reuse, to, errno.errorcode[e.errno])
        s.close()
END
  near "$python" "$tmp/server.py" >"$tmp/o"
}

@test "a server starts on an assigned client's port with SO_REUSEADDR, and is kept out without it" {
  serve far "$far4" 8000
  server_beside_client
  cat "$tmp/o"
  equal "with SO_REUSEADDR" "$(grep -c '^1 .* starts$' "$tmp/o")" 2
  # As on a port of any client socket: the kernel cannot tell that it will not listen.
  equal "without" "$(grep -c '^0 .* EADDRINUSE$' "$tmp/o")" 2
}

@test "a server beside an assigned client whose address is from a pool" {
  serve far "$far4" 8000
  server_beside_client --pool "$near4"
  cat "$tmp/o"
  equal "with SO_REUSEADDR" "$(grep -c '^1 .* starts$' "$tmp/o")" 2
  equal "without" "$(grep -c '^0 .* EADDRINUSE$' "$tmp/o")" 2
}

@test "a server that starts beside an assigned client accepts, and the client goes on" {
  serve far "$far4" 8000
  cat >"$tmp/echo.py" <<END
import socket, sys
s = socket.create_connection(("$far4", 8000))
print(*s.getsockname(), flush=True)
sys.stdin.readline()
s.send(b"still here")
print("sent", flush=True)
END
  mkfifo "$tmp/go"
  # shellcheck disable=SC2016
  launch near sh -c 'exec "$0" run --ports 20000-20000 -- "$1" "$2" <"$3"' "$berth" "$python" "$tmp/echo.py" "$tmp/go"
  seen=$launch_out
  exec {go}>"$tmp/go"
  await_line "$seen" ' 20000$'
  serve near 0.0.0.0 20000
  equal connections "$(far "$client" tcp --count 5 "$near4" 20000 | wc -l)" 5
  echo >&"$go"
  await_line "$seen" sent
}

@test "IPv6: scope and flow do no harm, link-local destinations are reached" {
  # link_local NAMESPACE DEVICE: its address, once it has one that may be used
  link_local() {
    ip -n "$1" -6 -o addr show dev "$2" scope link -tentative | awk '{ sub("/.*", "", $4); print $4; n++; exit } END { exit !n }'
  }
  await link_local "$far_ns" far0
  await link_local "$near_ns" near0
  ll=$(link_local "$far_ns" far0)
  serve far :: 8000
  for pool in "" "--pool=$(link_local "$near_ns" near0)"; do
    says "
s = socket.socket(socket.AF_INET6)
s.connect(('$ll', 8000, 0, socket.if_nametoindex('near0')))
print(*s.getsockname()[:2])" ${pool:+"$pool"} >"$tmp/o"
    ports_inside 20000 20099 <"$tmp/o"
  done
}
