# SPDX-License-Identifier: BSD-2-Clause
# examples/udp-host, a host on libberth in user space, driven from the kernel's side: ping, dig, nc, hostile packets.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

host4=10.9.1.2 host6=2001:db8:91::2
kernel4=10.9.1.1 kernel6=2001:db8:91::1

# Needs neither BPF nor berth itself.
setup_file()
{
  SYSTEM_REFUSED=
  if [ "$(id -u)" != 0 ]; then
    SYSTEM_REFUSED="needs root"
  elif ! unshare --net --mount true 2>/dev/null; then
    SYSTEM_REFUSED="namespaces are refused here"
  elif ! unshare --net ip tuntap add dev host0 mode tun 2>/dev/null; then
    SYSTEM_REFUSED="TUN devices are refused here"
  fi
  export SYSTEM_REFUSED
}

setup()
{
  system_setup
  near ip tuntap add dev host0 mode tun
  near ip addr add $kernel4/24 dev host0
  near ip addr add $kernel6/64 dev host0 nodad
  near ip link set host0 up
  mkfifo "$tmp/commands"
  exec {commands}<>"$tmp/commands"
}

teardown()
{
  system_teardown
}

# start_host [OPTION...]: its output goes to $out, what tell says to its stdin
start_host()
{
  launch near sh -c "exec \"\$@\" <'$tmp/commands'" sh "$build/examples/udp-host/udp-host" "$@" host0 $host4 $host6
  out=$launch_out
  host_pid=$launch_pid
  await_line "$out" '^ready host0'
}

tell()
{
  echo "$*" >&"$commands"
}

# The table's last word on a counter.
counter()
{
  awk -v name="$1" '$1 == "count" && $2 == name { n = $3 } END { print n }' "$out"
}

# Ends the host, by a signal where one is given: it says that nothing is left.
end_host()
{
  if [ $# = 1 ]; then
    kill "-$1" "$host_pid"
  else
    tell quit
  fi
  await ended "$host_pid"
  equal "exit status" "$(wait "$host_pid" 2>/dev/null && echo 0 || echo $?)" 0
  grep -qx 'left: 0 sockets, 0 pairs, 0 bytes' "$out"
}

@test "udp-host: ping, dig and nc reach its services over IPv4 and IPv6" {
  start_host
  for to in $host4 $host6; do
    near ping -n -q -c 3 -i 0.01 -W 5 -s 1000 "$to"
    equal "A of $to" "$(near dig +short +tries=2 @"$to" host.test A)" $host4
    equal "AAAA of $to" "$(near dig +short +tries=2 @"$to" HOST.Test AAAA)" $host6
    near dig +tries=2 @"$to" other.test A | grep -q 'status: REFUSED'
    equal "echo of $to" "$(printf hello | near nc -u -W 1 -w 5 "$to" 7)" hello
  done
  end_host
  equal pings "$(counter pings)" 6
  equal unreachable "$(counter unreachable)" 0
  equal "checksums wrong" "$(counter checksum)" 0
  grep -q '^udp \[::\]:7 \[::\]:0 echo received 2 sent 2$' "$out"
  grep -q '^udp \[::\]:53 \[::\]:0 dns received 6 sent 6$' "$out"
}

@test "udp-host: a port that nobody has is refused, and an ICMP error ends a client of its own" {
  start_host
  cat >"$tmp/refused.py" <<'END'
import errno, socket, sys
for to in sys.argv[1:]:
    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((to, 9))
    s.send(b"x" * 1400)
    try:
        print(s.recv(9))
    except OSError as e:
        print(to, errno.errorcode.get(e.errno, e))
END
  near "$python" "$tmp/refused.py" $host4 $host6 >"$tmp/refused"
  equal refused "$(cat "$tmp/refused")" "$host4 ECONNREFUSED
$host6 ECONNREFUSED"
  near dig +tries=1 -p 5353 @$host4 host.test | grep -q 'connection refused'
  tell "ask $kernel4 9 hello"
  await_line "$out" '^refused [0-9]+: ICMP type 3 code 3'
  tell "ask $kernel6 9 hello"
  await_line "$out" '^refused [0-9]+: ICMP type 1 code 4'
  end_host TERM
  # dig asks more than once where it is refused.
  [ "$(counter unreachable)" -ge 3 ]
  equal "ICMP errors" "$(counter icmp_errors)" 2
}

# asked PORT: the ports that clients asked it from, one a line
asked()
{
  awk -v port="$1" '$1 == "asked" && $3 == port { print $5 }' "$out"
}

@test "udp-host: clients have ephemeral ports inside of the range, each once, until they are used up" {
  start_host -r 50000-50015 -i 400
  cat >"$tmp/server.py" <<'END'
import socket, sys
silent, loud = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
silent.bind((sys.argv[1], 8001))
loud.bind((sys.argv[1], 8002))
print("listening", flush=True)
while True:
    data, peer = loud.recvfrom(2000)
    loud.sendto(b"%d %s" % (peer[1], data), peer)
END
  launch near "$python" "$tmp/server.py" $kernel4
  await_line "$launch_out" listening
  # In one piece: the seventeenth comes before the first is idle.
  for _ in {1..17}; do
    echo "ask $kernel4 8001 hello"
  done >"$tmp/script"
  cat "$tmp/script" >&"$commands"
  await_lines "$out" 17
  equal "asked at once" "$(asked 8001 | sort -u | wc -l)" 16
  asked 8001 | awk '{ print "-", $1 }' | ports_inside 50000 50015
  await_line "$out.err" "ask $kernel4 8001: every usable port .* is connected to this destination"
  # Another destination has all of them; the answer comes to who asked.
  tell "ask $kernel4 8002 there"
  await_line "$out" '^answer to '
  port=$(asked 8002)
  grep -qx "answer to $port: $port there" "$out"
  # Whom nobody answers goes, and its port comes back.
  await_line "$out" '^silent '
  await_asked 8001 17
  end_host
}

# Asks again until so many have asked in all.
await_asked()
{
  await ask_once_more "$@"
}

ask_once_more()
{
  tell "ask $kernel4 $1 again"
  [ "$(asked "$1" | wc -l)" -ge "$2" ]
}

@test "udp-host: hostile packets do not end it, nor a client that they do not name" {
  start_host -i 60000
  launch near nc -u -l $kernel4 8001
  await_listen near u 8001
  tell "ask $kernel4 8001 hello"
  await_line "$out" '^asked '
  cat >"$tmp/hostile.py" <<'END'
import select, socket, struct, sys
src, dst, port = sys.argv[1], sys.argv[2], int(sys.argv[5])
def total(data):
    data += b"\0" * (len(data) % 2)
    n = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff
def ip(proto, body, s=src, d=dst):
    s, d = socket.inet_aton(s), socket.inet_aton(d)
    h = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, proto, 0, s, d)
    return h[:10] + struct.pack(">H", total(h)) + h[12:] + body
# at: where the checksum is
def ip6(proto, body, at, s=sys.argv[3], d=sys.argv[4]):
    s, d = socket.inet_pton(socket.AF_INET6, s), socket.inet_pton(socket.AF_INET6, d)
    n = total(s + d + struct.pack(">II", len(body), proto) + body)
    body = body[:at] + struct.pack(">H", n) + body[at + 2:]
    return struct.pack(">IHBB", 6 << 28, len(body), proto, 64) + s + d + body
def udp(port, body, source=4000):
    return struct.pack(">HHHH", source, port, 8 + len(body), 0) + body
def icmp(kind, code, body):
    h = struct.pack(">BBHI", kind, code, 0, 0) + body
    return h[:2] + struct.pack(">H", total(h)) + h[4:]
def icmp6(kind, code, body):
    return struct.pack(">BBHI", kind, code, 0, 0) + body
query = struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\4host\4test\0\0\1\0\1"
# An error about a pair that is the client's but for one word of it.
near_miss = [ip(17, udp(8002, b"", port), dst, src), ip(17, udp(8001, b"", port ^ 1), dst, src),
             ip(17, udp(8001, b"", port), dst, "10.9.1.3"), ip(6, udp(8001, b"", port), dst, src)]
good = [ip(17, udp(7, b"hello")), ip(17, udp(53, query)), ip(1, icmp(8, 0, b"ping")),
        ip6(17, udp(7, b"hello"), 6), ip6(17, udp(53, query), 6), ip6(58, icmp6(128, 0, b"ping"), 2)]
good += [ip(1, icmp(3, 3, p)) for p in near_miss]
good += [ip6(58, icmp6(1, 4, ip6(17, udp(8001, b"", port), 6, sys.argv[4], sys.argv[3])), 2)]
strange = [ip(17, udp(9, b""), s=a) for a in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", dst)]
strange += [ip(17, udp(9, b""), d="10.9.1.255"), ip6(17, udp(9, b""), 6, s="::"), ip6(17, udp(9, b""), 6, s="ff02::1")]
bad = good + strange + [ip(17, udp(7, b"hello", source)) for source in (0, 7, 53)]
bad += [ip(17, udp(53, query[:n])) for n in range(len(query))]
bad += [ip(17, udp(53, query[:12] + bytes([n]) * 40)) for n in (1, 5, 63, 64, 192, 255)]
for p in good:
    bad += [p[:n] for n in range(1, len(p))]
    bad += [p[:n] + bytes([v]) + p[n + 1:] for n in range(len(p)) for v in (0, 255) if p[n] != v]
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
link.bind(("host0", 0x0800))
alive = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
alive.connect((dst, 7))
alive.settimeout(5)
# The device's queue is short, and drops: after each hundred the host answers.
for n, p in enumerate(bad, 1):
    link.send(p)
    if n % 100 == 0 or n == len(bad):
        alive.send(b"%d" % n)
        assert alive.recv(99) == b"%d" % n
print(n, len(strange))
END
  near "$python" "$tmp/hostile.py" $kernel4 $host4 $kernel6 $host6 "$(asked 8001)" >"$tmp/hostile"
  read -r sent strange <"$tmp/hostile"
  [ "$sent" -gt 1000 ]
  near ping -n -q -c 1 -W 5 $host6
  end_host
  [ "$(counter received)" -gt "$sent" ]
  [ "$(counter malformed)" -gt 800 ]
  [ "$(counter checksum)" -gt 500 ]
  [ "$(counter strange)" -ge "$strange" ]
  # Four of the changed bytes name another port; no stranger was told anything.
  equal unreachable "$(counter unreachable)" 4
  equal "ICMP errors believed" "$(counter icmp_errors)" 0
  grep -q "^udp \[$host4\]:$(asked 8001) \[$kernel4\]:8001 client received 0 sent 1\$" "$out"
}
