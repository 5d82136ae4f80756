# SPDX-License-Identifier: BSD-2-Clause
# examples/sctp, SCTP hosts on libberth and usrsctp in user space: two of them, with a network between them.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

# A second network beside that of every test.
near4b=10.9.1.1 far4b=10.9.1.2
echo=$build/examples/sctp/sctp-echo

# Needs neither BPF nor berth itself.
setup_file()
{
  SYSTEM_REFUSED=
  if [ ! -x "$echo" ]; then
    SYSTEM_REFUSED="sctp-echo is not built: libusrsctp-dev is not installed"
  elif [ "$(id -u)" != 0 ]; then
    SYSTEM_REFUSED="needs root"
  elif ! unshare --net --mount true 2>/dev/null; then
    SYSTEM_REFUSED="namespaces are refused here"
  fi
  export SYSTEM_REFUSED
}

setup()
{
  system_setup
  ip -n "$near_ns" link add near1 type veth peer name far1 netns "$far_ns"
  ip -n "$near_ns" addr add $near4b/24 dev near1
  ip -n "$far_ns" addr add $far4b/24 dev far1
  ip -n "$near_ns" link set near1 up
  ip -n "$far_ns" link set far1 up
  # Each address is reached by either network; a new namespace has the setting of the host.
  near sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.near0.rp_filter=0 net.ipv4.conf.near1.rp_filter=0
  far sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.far0.rp_filter=0 net.ipv4.conf.far1.rp_filter=0
  declare -gA out pid
}

teardown()
{
  system_teardown
}

# start NAME near|far [OPTION...] ADDRESS...: a host that tell NAME speaks to, and whose output is ${out[NAME]}
start()
{
  local name=$1 where=$2

  shift 2
  mkfifo "$tmp/$name"
  # Kept open for writing, so that the host's stdin does not end between two commands.
  eval "exec {$name}<>'$tmp/$name'"
  launch "$where" sh -c "exec \"\$@\" <'$tmp/$name'" sh "$echo" "$@"
  [ "$name" != client ] || client_fd=${!name}
  out[$name]=$launch_out
  pid[$name]=$launch_pid
  await_line "$launch_out" '^ready'
}

# tell NAME COMMAND...
tell()
{
  local name=$1

  shift
  echo "$*" >&"${!name}"
}

# Both ends: server at far's addresses, client at near's, with a range of eight ports.
start_both()
{
  start server far "$far4" $far4b "$far6"
  start client near -r 50000-50007 "$near4" $near4b "$near6"
}

# What a host that has ended counted.
counter()
{
  awk -v name="$2" '$1 == "count" && $2 == name { n = $3 } END { print n }' "${out[$1]}"
}

# Ends a host, by a signal where one is given: it says that nothing is left.
end_host()
{
  if [ $# = 2 ]; then
    kill "-$2" "${pid[$1]}"
  else
    tell "$1" quit
  fi
  await ended "${pid[$1]}"
  equal "exit status of $1" "$(wait "${pid[$1]}" 2>/dev/null && echo 0 || echo $?)" 0
  grep -qx 'left: 0 sockets, 0 pairs, 0 bytes' "${out[$1]}"
}

# connect TIMES PORT ADDRESS...: in one piece, by the client
connect()
{
  local i times=$1

  shift
  for ((i = 0; i < times; i++)); do
    echo "connect $*"
  done >"$tmp/script"
  cat "$tmp/script" >&"$client_fd"
}

# Ports that the client's associations FIRST to LAST are from, one a line.
ports_of()
{
  awk -v first="$1" -v last="$2" '$1 == "association" && $3 == "from" && $2 >= first && $2 <= last { print $4 }' \
    "${out[client]}"
}

# await_count NAME REGEX COUNT: so many lines of a host's output
await_count()
{
  await has_lines "$@"
}

has_lines()
{
  [ "$(grep -cE "$2" "${out[$1]}")" -ge "$3" ]
}

@test "sctp-echo: ports of a range are unique for a destination, shared by destinations, and come back" {
  start server far "$far4" $far4b "$far6"
  start client near -r 50000-50099 "$near4" "$near6"
  for to in $far4 $far4b $far6; do
    tell server "listen 7 $to"
  done
  await_count server '^done' 3
  for to in $far4 $far4b $far6; do
    connect 100 7 "$to"
  done
  await_count client '^up' 300
  for first in 1 101 201; do
    equal "ports of one destination" "$(ports_of $first $((first + 99)) | sort -u | wc -l)" 100
  done
  ports_of 1 300 | awk '{ print "-", $1 }' | ports_inside 50000 50099
  for ((i = 1; i <= 300; i++)); do
    echo "say $i text of $i"
  done >"$tmp/script"
  cat "$tmp/script" >&"$client_fd"
  await_count client '^echo' 300
  equal "wrong echoes" "$(awk '$1 == "echo" && $2 != $5 ":"' "${out[client]}")" ""
  # No port is left for any of them, and the reason is said.
  tell client connect 7 $far4b
  await_line "${out[client]}.err" "connect 7 $far4b: every usable port of the ephemeral range is connected to this destination"
  # (A refused one has its number, too.) What both have closed is free for that destination, and only it.
  tell client close 150
  await_line "${out[client]}" '^down 150'
  await_line "${out[server]}" '^down '
  connect 2 7 $far4b
  await_line "${out[client]}" '^up 302'
  equal "the port closed" "$(ports_of 302 302)" "$(ports_of 150 150)"
  await_lines "${out[client]}.err" 2
  end_host client
  await_count server '^lost' 300
  end_host server TERM
  equal "packets of nobody" "$(counter server foreign)" 0
}

@test "sctp-echo: a port on several addresses is one, and is refused as one" {
  start_both
  tell server listen 7 "$far4" $far4b
  tell server listen 7 $far4b
  await_line "${out[server]}.err" "listen 7 $far4b: another socket has the port and does not share it"
  tell server listen 7 "$far6" "$far4"
  await_line "${out[server]}.err" "listen 7 $far6 $far4: another socket has the port"
  # Of what was refused nothing has stayed.
  tell server listen 7 "$far6"
  await_line "${out[server]}" "^done: listen 7 $far6"
  tell server listen 8 10.9.0.77
  await_line "${out[server]}.err" "listen 8 10.9.0.77: the address does not belong to this space"
  # A client of both has its port on both of its own, and to itself.
  connect 8 7 "$far4" $far4b
  await_count client '^up' 8
  equal "ports of all" "$(ports_of 1 8 | sort -u | wc -l)" 8
  tell client connect 7 "$far4" $far4b
  await_line "${out[client]}.err" "connect 7 $far4 $far4b: every port of the ephemeral range has a socket"
  tell client connect 7 "$far4"
  await_line "${out[client]}.err" "connect 7 $far4: every port of the ephemeral range has a socket"
  tell server table
  await_line "${out[server]}" 'association 8 '
  port=$(ports_of 1 1)
  for to in "$far4" $far4b; do
    for from in "$near4" $near4b; do
      grep -q "^association [0-9]* \[$to\]:7 \[$from\]:$port" "${out[server]}"
    done
  done
  # One is closed: the next is from its port, and goes to one address only.
  tell client close 3
  await_line "${out[client]}" '^down 3'
  tell client connect 7 "$far4"
  await_line "${out[client]}" '^up 11'
  equal "the port closed" "$(ports_of 11 11)" "$(ports_of 3 3)"
  end_host client INT
  end_host server
}

@test "sctp-echo: an association outlives each of its two networks" {
  start_both
  tell server listen 7 "$far4" $far4b
  await_line "${out[server]}" '^done'
  tell client connect 7 "$far4" $far4b
  await_line "${out[client]}" '^up 1'
  tell client say 1 by the first
  await_line "${out[client]}" '^echo 1: by the first'
  ip -n "$near_ns" link set near0 down
  tell client say 1 by the second
  await_line "${out[client]}" "^path 1 $near4b $far4b"
  await_line "${out[client]}" '^echo 1: by the second'
  await_line "${out[server]}" "^path 1 $far4b $near4b"
  ip -n "$near_ns" link set near0 up
  ip -n "$near_ns" link set near1 down
  tell client say 1 by the first again
  await_line "${out[client]}" '^echo 1: by the first again'
  await_line "${out[server]}" "^path 1 $far4 $near4"
  run ! grep -E '^(lost|restarted|down)' "${out[client]}"
  end_host client
  await_line "${out[server]}" '^lost 1'
  end_host server
}

@test "sctp-echo: where nobody listens a client is refused, and its port is free again" {
  start server far "$far4"
  start client near -r 50000-50000 -u 0 "$near4"
  udp=$(awk '$1 == "ready," { print $4 }' "${out[client]}")
  [ "$udp" -ge 49152 ]
  near ss -Hnlu "sport = :$udp" | grep -q .
  for i in 1 2 3; do
    tell client connect 9 "$far4"
    await_line "${out[client]}" "^refused $i"
  done
  tell server listen 9 "$far4"
  await_line "${out[server]}" '^done'
  tell client connect 9 "$far4"
  await_line "${out[client]}" '^up 4'
  equal port "$(ports_of 4 4)" 50000
  # The UDP port is a host's own; a second host at the address has none by that number.
  run -2 far "$echo" "$far4"
  equal refusal "$output" "sctp-echo: UDP port: Address already in use"
  end_host client
  end_host server
  equal "told so" "$(counter server refused)" 3
}

@test "sctp-echo: hostile packets end neither it nor an association, and ABORT answers no ABORT" {
  start_both
  tell server listen 7 "$far4" $far4b
  await_line "${out[server]}" '^done'
  tell client connect 7 "$far4"
  await_line "${out[client]}" '^up 1'
  cat >"$tmp/hostile.py" <<'END'
import socket, struct, sys
to, own, victim, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
table = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    table.append(n)
def crc(data):
    c = 0xFFFFFFFF
    for b in data:
        c = c >> 8 ^ table[(c ^ b) & 255]
    return struct.pack("<I", c ^ 0xFFFFFFFF)
def sctp(chunks, tag=0, source=4000, to_port=7):
    head = struct.pack(">HHI", source, to_port, tag)
    chunks += b"\0" * (-len(chunks) % 4)
    return head + crc(head + b"\0" * 4 + chunks) + chunks
def init(parameters=b"", size=None, tag=99):
    n = 20 + len(parameters) if size is None else size
    return struct.pack(">BBHIIHHI", 1, 0, n, tag, 65536, 1, 1, 1) + parameters
def v4(*addresses):
    return b"".join(struct.pack(">HH4s", 5, 8, socket.inet_aton(a)) for a in addresses)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((own, 0))
s.connect((to, 9899))
s.settimeout(5)
def answer(packet):
    s.send(packet)
    return s.recv(2000)
good = sctp(init())
bad = [sctp(init(b"\0\5\0" + bytes([n]) + b"abcd")) for n in (0, 1, 2, 3, 4, 9, 10, 11)]
bad += [sctp(init(size=n)) for n in range(40) if n != 20] + [sctp(init(tag=0)), sctp(init() + b"\0\0\0\4")]
bad += [sctp(init(), tag=1), sctp(b"\0\0\0\4"), sctp(init(), source=0), sctp(init(), to_port=0)]
bad += [sctp(bytes([0, 0, 0, n]), tag=5) for n in (0, 1, 2, 3, 5, 255)]
bad += [good[:n] for n in range(len(good))]
bad += [good[:n] + bytes([good[n] ^ 1]) + good[n + 1:] for n in range(len(good))]
for p in bad:
    s.send(p)
# Nobody's: refused by ABORT with the tag that was said; what is an end already is not answered.
for kind in (6, 9, 11, 14):
    s.send(sctp(bytes([kind, 0, 0, 4]), tag=5))
assert answer(sctp(init(), to_port=8))[12:] == bytes([6, 0, 0, 4])
assert answer(sctp(b"\0\0\0\4", tag=5))[12:] == bytes([6, 1, 0, 4])
assert answer(sctp(b"\x08\0\0\4", tag=5))[12:] == bytes([14, 1, 0, 4])
# Who lists an address whose pair is another's is refused, and so is who lists what is none.
assert answer(sctp(init(v4(victim)), source=port))[12] == 6
assert answer(sctp(init(v4("0.0.0.0"))))[12] == 6
assert answer(sctp(init(v4(*("10.9.0.%d" % n for n in range(200, 209))))))[12] == 2
# To that association, without its tag: it is not answered.
for kind in (0, 6, 7, 14):
    s.send(sctp(bytes([kind, 0, 0, 4]), tag=5))
print(len(bad))
END
  ip -n "$near_ns" addr add 10.9.0.3/24 dev near0
  near "$python" "$tmp/hostile.py" "$far4" 10.9.0.3 "$near4" "$(ports_of 1 1)" >"$tmp/hostile"
  read -r bad <"$tmp/hostile"
  [ "$bad" -gt 100 ]
  await_line "${out[server]}.err" 'an association with port 7 is refused: a connection with these addresses and ports exists'
  tell client say 1 still there
  await_line "${out[client]}" '^echo 1: still there'
  end_host client
  end_host server
  equal malformed "$(counter server malformed)" "$bad"
  equal "told so" "$(counter server refused)" 5
}
