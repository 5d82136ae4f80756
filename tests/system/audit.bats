# SPDX-License-Identifier: BSD-2-Clause
# The audit's verb: this host alone and under berth run, captures, an interface.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { tmp=$BATS_TEST_TMPDIR; }
teardown() { [ -z "$near_ns" ] || system_teardown; }

# A capture of lines "SOURCE DESTINATION PORT..." (addresses as 10.0.0.N: N), a SYN for each port, each with a number
# of its own: capture FILE [pcapng] [mixed: interfaces of two link types in turn]. A port as PORT/NUMBER is sent with
# that number, PORT@TO is a datagram to that port, TO@PORT< its answer, and +MS lets time pass.
capture()
{
  "$python" /dev/fd/3 "$@" 3<<'END'
import re, struct, sys
rows = [line.split() for line in sys.stdin if line.strip()]
ng, mixed = "pcapng" in sys.argv[2:], "mixed" in sys.argv[2:]
out = open(sys.argv[1], "wb")
def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    n = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + n + body + n
if ng:
    out.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    out.write(block(1, struct.pack("<HHI", 1, 0, 0)))
    if mixed:
        out.write(block(1, struct.pack("<HHI", 101, 0, 96)))
else:
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
t = number = count = 0
for source, destination, *ports in rows:
    for word in ports:
        if word[0] == "+":
            t += int(word[1:]) * 1000
            continue
        t += 1000
        number += 1
        a, mark, b, back = re.fullmatch(r"(\d+)(?:([/@])(\d+))?(<?)", word).groups()
        ends = [10, 0, 0, int(source), 10, 1, 0, int(destination)]
        if back:
            ends = ends[4:] + ends[:4]
        if mark == "@":
            body = struct.pack(">HHHHH", int(a), int(b), 10, 0, number & 0xffff)
        else:
            body = struct.pack(">HHIIBBHHH", int(a), 443, int(b) if mark else number, 0, 0x50, 2, 100, 0, 0)
        ip = struct.pack(">BBHHHBBH8B", 0x45, 0, 20 + len(body), 0, 0, 64, 17 if mark == "@" else 6, 0, *ends)
        second = mixed and count % 2
        count += 1
        frame = ip + body if second else bytes(12) + b"\x08\0" + ip + body
        if ng:
            out.write(block(6, struct.pack("<IIIII", 1 if second else 0, t >> 32, t & 0xffffffff, len(frame), len(frame)) + frame))
        else:
            out.write(struct.pack("<IIII", t // 1000000, t % 1000000, len(frame), len(frame)) + frame)
END
}

# shape FILE DESTINATION: of the JSON row
shape() { jq -r --arg d "$2" 'select(.destination == $d).shape' "$1"; }

@test "this host chooses as Linux does" {
  system_setup
  # One random row in some thousands looks like a pattern: its shape is not asked for.
  near "$berth" audit --json >"$tmp/o" || [ $? = 1 ]
  equal one "$(shape "$tmp/o" "tcp connect, one destination")" short-steps
  jq -e -s 'map({(.destination): .}) | add |
    (."tcp connect, one destination" | .odd == 0 and .system == "linux" and .bits_high < 3.5 and (.finding | not)) and
    (."tcp connect, a destination each" | .odd == 0 and .bits_high < 14) and
    (."tcp bind to port 0" | .odd == 1 and .bits_low > 11) and
    (."udp connect, one destination" | .odd > 0.3 and .odd < 0.7) and
    (."tcp6 connect, one destination" | .odd == 0 and .system == "linux" and .bits_high < 3.5 and (.finding | not)) and
    (."tcp6 connect, a destination each" | .odd == 0 and .sigma > 4000 and .bits_high < 14) and
    (."tcp6 bind to port 0" | .odd == 1 and .bits_low > 11) and
    (."udp6 connect, one destination" | .odd > 0.3 and .odd < 0.7) and length == 10' "$tmp/o" >/dev/null
}

@test "a host without the loopback of IPv6 is judged by IPv4" {
  system_setup
  near ip -6 addr flush dev lo
  near "$berth" audit --json --samples 50 >"$tmp/o" 2>"$tmp/e" || [ $? = 1 ]
  equal rows "$(wc -l <"$tmp/o")" 5
  grep -qF "no ::1: only IPv4" "$tmp/e"
}

@test "under berth run it chooses as the policy says" {
  system_setup
  run -1 near "$berth" run --policy sequential -- "$berth" audit --json --samples 200
  equal sequential "$(shape <(echo "$output") "tcp connect, a destination each")" sequential
  equal sequential "$(shape <(echo "$output") "tcp6 connect, a destination each")" sequential
  near "$berth" run -- "$berth" audit --json --samples 400 >"$tmp/o" || [ $? = 1 ]
  jq -e -s 'all(.bits_low > 11 and (.shape | test("steps|sequential|constant") | not))' "$tmp/o" >/dev/null
}

@test "a capture is judged by host and destination, in both formats" {
  {
    echo "1 1 $(seq -s ' ' 5000 5099)"
    echo "1 2 $(seq -s ' ' 5100 5199)"
    echo "1 3 $(seq -s ' ' 5200 5299)"
    echo "2 1 $(awk 'BEGIN { srand(4); for (i = 0; i < 300; i++) print 1024 + int(rand() * 64512) }' | tr '\n' ' ')"
    echo "3 1 4000 4001 4002"
  } >"$tmp/rows"
  capture "$tmp/a.pcap" <"$tmp/rows"
  capture "$tmp/a.pcapng" pcapng <"$tmp/rows"
  run -1 --separate-stderr "$berth" audit --pcap "$tmp/a.pcap" --json
  echo "$output" >"$tmp/o"
  equal formats "$("$berth" audit --pcap "$tmp/a.pcapng" --json 2>/dev/null)" "$output"
  equal stdin "$("$berth" audit --pcap - --json <"$tmp/a.pcap" 2>/dev/null)" "$output"
  # Two interfaces of two links in one file, and two files in one.
  capture "$tmp/m.pcapng" pcapng mixed <"$tmp/rows"
  equal links "$("$berth" audit --pcap "$tmp/m.pcapng" --json 2>/dev/null)" "$output"
  head -n 3 "$tmp/rows" | capture "$tmp/b.pcapng" pcapng mixed
  tail -n 2 "$tmp/rows" | capture "$tmp/c.pcapng" pcapng
  equal sections "$(cat "$tmp/b.pcapng" "$tmp/c.pcapng" | "$berth" audit --pcap - --json 2>/dev/null)" "$output"
  jq -e -s '(.[] | select(.host == "10.0.0.1" and .destination == null) | .seen == 300 and .shape == "sequential" and .finding)
    and (.[] | select(.host == "10.0.0.1" and .destination == "10.1.0.2:443") | .first == 5100 and .last == 5199)
    and (.[] | select(.host == "10.0.0.2") | .shape == "random" and .n == 300)
    and all(.host != "10.0.0.3")' "$tmp/o" >/dev/null
  # shellcheck disable=SC2154 # bats sets it
  [[ $stderr == "603 frames, 603 ports chosen" ]]
  "$berth" audit --pcap "$tmp/a.pcap" --least 3 --json 2>/dev/null |
    jq -e 'select(.host == "10.0.0.3") | .shape == "too-few" and .oarc == null and .bits_low == null'
}

# linux_rows HOST DESTINATION...: rows of a capture, ports chosen as Linux does, destinations in turn
linux_rows()
{
  awk -v host="$1" -v destinations="${*:2}" 'BEGIN {
    srand(5)
    n = split(destinations, to, " ")
    for (k = 1; k <= n; k++) at[k] = int(rand() * 10000)
    for (i = 0; i < 2000; i++) {
      k = 1 + int(rand() * n)
      at[k] += 1 + int(rand() * 8)
      print host, to[k], 32768 + 2 * at[k]
    }
  }'
}

@test "walks of Linux to a few destinations in turn are no finding, those of another host are" {
  capture "$tmp/a.pcap" < <(linux_rows 3 1 2 3)
  run -0 --separate-stderr "$berth" audit --pcap "$tmp/a.pcap" --json
  jq -e -s 'any(.destination == null and (.shape | test("correlated|uneven")) and (.finding | not)) and
    ([.[] | select(.system == "linux")] | length == 3)' <<<"$output" >/dev/null
  # The same ports 31,000 lower: a range in which Linux does not choose.
  capture "$tmp/b.pcap" < <(linux_rows 3 1 2 3 | awk '{ print $1, $2, $3 - 31000 }')
  run -1 --separate-stderr "$berth" audit --pcap "$tmp/b.pcap" --json
  jq -e -s 'any(.destination == null and .finding)' <<<"$output" >/dev/null
}

@test "a capture that is cut short is judged and complained of; what is none is refused" {
  capture "$tmp/a.pcap" <<<"1 1 $(seq -s ' ' 5000 5099)"
  head -c 5000 "$tmp/a.pcap" >"$tmp/short.pcap"
  run -2 --separate-stderr "$berth" audit --pcap "$tmp/short.pcap"
  [[ $output == *sequential* ]]
  [[ $stderr == *"what stands before it was read"* ]]
  echo "no capture at all, of some length" >"$tmp/text"
  run -2 "$berth" audit --pcap "$tmp/text"
  run -2 "$berth" audit --pcap "$tmp/nosuch"
  run -2 "$berth" audit --pcap x --self
  run -2 "$berth" audit --seconds 3
  run -2 "$berth" audit --live nosuch0
  run -2 "$berth" audit --samples 9 --pcap "$tmp/a.pcap"
  run -2 "$berth" audit --all
  gzip -c "$tmp/a.pcap" >"$tmp/a.pcap.gz"
  run -2 "$berth" audit --pcap "$tmp/a.pcap.gz"
  [[ $output == *"zcat $tmp/a.pcap.gz | berth audit --pcap -"* ]]
  run -2 "$berth" audit --pcap /dev/null
  [[ $output == *"it is empty"* ]]
  run -2 "$berth" audit --pcap "$tmp"
  capture "$tmp/a.pcapng" pcapng <<<"1 1 $(seq -s ' ' 5000 5099)"
  head -c 5001 "$tmp/a.pcapng" >"$tmp/short.pcapng"
  run -2 --separate-stderr "$berth" audit --pcap "$tmp/short.pcapng"
  [[ $output == *sequential* ]]
  [[ $stderr == *"in the middle of a block; what stands before it was read"* ]]
}

@test "a link that is not understood, and a capture without a choice, are no clean bill" {
  capture "$tmp/a.pcap" <<<"1 1 $(seq -s ' ' 5000 5099)"
  # The header's last word is the link: 105 is 802.11.
  { head -c 20 "$tmp/a.pcap"; printf '\x69\0\0\0'; tail -c +25 "$tmp/a.pcap"; } >"$tmp/w.pcap"
  run -2 "$berth" audit --pcap "$tmp/w.pcap"
  [[ $output == *"link type IEEE802_11 are not understood"* ]]
  capture "$tmp/few.pcap" <<<"1 1 5000 5001 5002"
  run -1 --separate-stderr "$berth" audit --pcap "$tmp/few.pcap"
  [[ $stderr == *"nothing to judge: no row has 8 ports"* ]]
}

@test "what is sent again is one choice: SYNs, datagrams of a flow; queries by one port are many" {
  # Three ports in turn, each SYN sent again three times; then the same ports with other numbers.
  awk 'BEGIN { srand(3); for (i = 0; i < 40; i++) port[i] = 1024 + int(rand() * 64512)
    for (i = 0; i < 42; i++) for (k = 0; k < 3; k++) if (i >= k && i - k < 40) printf "1 1 %d/%d\n", port[i - k], i - k }' >"$tmp/rows"
  capture "$tmp/a.pcap" <"$tmp/rows"
  run -0 --separate-stderr "$berth" audit --pcap "$tmp/a.pcap" --json
  # Ten sockets speak with one server in turn, forty times each; it answers from a higher port to a lower one.
  for _ in {1..40}; do
    awk 'BEGIN { srand(8); printf "1 1"; for (i = 0; i < 10; i++) { p = 20000 + int(rand() * 30000); printf " %d@443 55000@%d<", p, 1000 + i } print "" }'
  done >"$tmp/rows"
  capture "$tmp/b.pcap" <"$tmp/rows"
  run --separate-stderr "$berth" audit --pcap "$tmp/b.pcap" --json
  jq -e -s 'map(select(.host == "10.0.0.1")) | length == 1 and .[0].n == 10 and .[0].shape == "random"' <<<"$output" >/dev/null
  # One socket that speaks with forty others has chosen once.
  capture "$tmp/d.pcap" < <(for d in {1..40}; do echo "1 $d 51820@4000 51820@4000"; done)
  run -1 --separate-stderr "$berth" audit --pcap "$tmp/d.pcap"
  [[ $stderr == *"80 frames, 40 ports chosen"*"nothing to judge"* ]]
  # A resolver that always asks by one port.
  capture "$tmp/c.pcap" <<<"1 1 $(for _ in {1..20}; do echo -n "33333@53 +1000 "; done)"
  run -1 --separate-stderr "$berth" audit --pcap "$tmp/c.pcap" --json
  jq -e -s 'any(.destination == "10.1.0.1:53" and .shape == "constant" and .n == 20 and .finding)' <<<"$output" >/dev/null
}

@test "a finding counts though its row is not among the twenty" {
  { awk 'BEGIN { srand(4); for (h = 10; h < 40; h++) { printf "%d 1", h; for (i = 0; i < 60; i++) printf " %d", 1024 + int(rand() * 64512); print "" } }'
    echo "3 1 $(seq -s ' ' 5000 5019)"
  } >"$tmp/rows"
  capture "$tmp/a.pcap" <"$tmp/rows"
  run -1 --separate-stderr "$berth" audit --pcap "$tmp/a.pcap"
  equal rows "$(wc -l <<<"$output")" 21
  [[ $stderr == *"11 smaller rows not shown, 1 of them with a finding"* ]]
  # Walks are known though their destinations are not among the twenty.
  for h in {10..32}; do linux_rows "$h" 1 2 3 4 5; done >"$tmp/rows"
  capture "$tmp/b.pcap" <"$tmp/rows"
  run -0 --separate-stderr "$berth" audit --pcap "$tmp/b.pcap"
  equal walks "$(grep -c ' \* ' <<<"$output")" 20
}

@test "an interface is listened to" {
  system_setup
  serve far "$far4" 8000
  launch near "$berth" audit --live near0 --seconds 600 --json
  audit_pid=$launch_pid audit_out=$launch_out
  # It listens once the kernel has its packet socket.
  await near sh -c 'ss -H0 | grep -q near0'
  connect_py '
for i in range(40):
    abort(go())
'
  near "$python" "$py"
  kill -INT "$audit_pid"
  await ended "$audit_pid"
  jq -e -s 'any(.host == "10.9.0.1" and .shape == "short-steps" and .n >= 8 and (.finding | not))' "$audit_out" >/dev/null
}

@test "ports are drawn over time" {
  capture "$tmp/a.pcap" <<<"1 1 $(seq -s ' ' 5000 5099)"
  run -1 "$berth" audit --pcap "$tmp/a.pcap" --plot "$tmp/p.svg"
  "$python" -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$tmp/p.svg"
  equal dots "$(grep -c '<circle' "$tmp/p.svg")" 100
}
