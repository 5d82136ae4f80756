# SPDX-License-Identifier: BSD-2-Clause
# Policies, the rest of released ports, and what TIME_WAIT does to them.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# One connection after the other, each closed by both sides before the next: prints the ports.
one_by_one()
{
  connect_py "
for i in range($1):
    s = go()
    print(port_of(s))
    finish(s)"
  shift
  berth_run --stats "$tmp/stats" "$@" -- "$python" "$py"
}

@test "every policy fills a pool of three pieces to the last port" {
  serve far "$far4" 8000
  policies=$("$berth" help run | tr '\n' ' ' | grep -o 'uniform, [a-z, -]*' | head -n 1 | tr -d ,)
  equal policies "$(wc -w <<<"$policies")" 7
  for policy in $policies; do
    await_closed
    berth_run --ports 20000-20039,20064-20100,!20070,40000-40023 --policy "$policy" -- "$client" tcp --count 102 --hold \
      "$far4" 8000 </dev/null >"$tmp/o" || true
    equal "$policy" "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 100
    awk '$1 == "refused" { next } !($2 >= 20000 && $2 <= 20039 || $2 >= 20064 && $2 <= 20100 && $2 != 20070 ||
      $2 >= 40000 && $2 <= 40023) { print; bad = 1 } END { exit bad }' "$tmp/o"
    equal "refused by $policy" "$(grep -c '^refused EADDRNOTAVAIL$' "$tmp/o")" 2
  done
}

@test "every policy fills the pools of four addresses" {
  serve far "$far4" 8000
  add_addresses 101 103
  for policy in sequential random hash double-hash random-increment longest-idle; do
    await_closed
    berth_run --pool "$near4,10.9.0.101,10.9.0.102,10.9.0.103" --ports 20000-20024 --policy "$policy" -- "$client" tcp \
      --count 102 --hold "$far4" 8000 </dev/null >"$tmp/o" || true
    equal "$policy" "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 100
  done
}

@test "sequential: each port is the one after the last, and wraps" {
  serve far "$far4" 8000
  berth_run --ports 20000-20009,20020-20029 --policy sequential -- "$client" tcp --count 20 --hold "$far4" 8000 \
    </dev/null | cut -d' ' -f2 >"$tmp/o"
  equal ports "$(sort -u "$tmp/o" | wc -l)" 20
  awk 'NR > 1 && $1 != (last == 20029 ? 20000 : last == 20009 ? 20020 : last + 1) { print last " then " $1; bad = 1 }
    { last = $1 } END { exit bad }' "$tmp/o"
  one_by_one 45 --ports 21000-21019 --policy sequential --reuse-after 0 >"$tmp/o"
  awk 'NR > 1 && $1 != (last == 21019 ? 21000 : last + 1) { print NR ": " last " then " $1; bad = 1 }
    { last = $1 } END { exit bad }' "$tmp/o"
}

@test "longest-idle: never used first, then the one released longest ago" {
  serve far "$far4" 8000
  one_by_one 48 --ports 20000-20015 --policy longest-idle --pool "$near4" >"$tmp/o"
  equal "first round" "$(head -n 16 "$tmp/o" | sort -u | wc -l)" 16
  equal "second round" "$(sed -n 17,32p "$tmp/o")" "$(head -n 16 "$tmp/o")"
  equal "third round" "$(sed -n 33,48p "$tmp/o")" "$(head -n 16 "$tmp/o")"
}

@test "longest-idle where the route decides: a port comes back after all others" {
  serve far "$far4" 8000
  one_by_one 64 --ports 20000-20015 --policy longest-idle >"$tmp/o"
  equal ports "$(sort -u "$tmp/o" | wc -l)" 16
  awk '{ if ($1 in last && NR - last[$1] < 16) { print $1 " after " NR - last[$1]; bad = 1 } last[$1] = NR }
    END { exit bad }' "$tmp/o"
}

@test "uniform: every port of the pool comes, in no order" {
  serve far "$far4" 8000
  berth_run --ports 20000-20999 -- "$client" tcp --count 1000 --hold "$far4" 8000 </dev/null | cut -d' ' -f2 >"$tmp/o"
  equal ports "$(sort -u "$tmp/o" | wc -l)" 1000
  ports_inside 20000 20999 < <(sed 's/^/port /' "$tmp/o")
  # Of 999 steps about one is +1; twenty would be an order.
  awk '{ n += $1 == last + 1; last = $1 } END { if (n >= 20) print n " ascending steps"; exit n >= 20 }' "$tmp/o"
}

@test "random, hash and double-hash begin elsewhere in each run" {
  serve far "$far4" 8000
  for policy in random hash double-hash; do
    for _ in 1 2 3 4; do
      berth_run --pool "$near4" --ports 20000-29999 --policy "$policy" -- "$client" tcp "$far4" 8000
    done | sort -u >"$tmp/o"
    ports_inside 20000 29999 <"$tmp/o"
    [ "$(wc -l <"$tmp/o")" -ge 3 ]
  done
}

@test "hash goes upwards for one destination, from another place for each" {
  for port in 8000 8001 8002; do
    serve far "$far4" $port
  done
  connect_py '
held = []
for port in 8000, 8001, 8002:
    for i in range(20):
        held.append(go(port=port))
        print(port, port_of(held[-1]))'
  berth_run --pool "$near4" --ports 20000-29999 --policy hash --rekey 0 -- "$python" "$py" >"$tmp/o"
  # One counter for all: the steps within a destination are 1. One place in 10,000 goes on where the last one ended.
  awk '$1 in last && $2 != last[$1] + 1 && last[$1] != 29999 { print; bad = 1 } { last[$1] = $2; if (!($1 in first))
    first[$1] = $2 }
    END { exit bad || first[8001] == first[8000] + 20 && first[8002] == first[8001] + 20 }' "$tmp/o"
  ports_inside 20000 29999 <"$tmp/o"
}

# jumps_of VIA TIME: whether the ports of hash toward one destination go on elsewhere, in 1,500 connections at most
jumps_of()
{
  connect_py '
last, jumps = None, 0
for i in range(1500):
    s = go()
    port = port_of(s)
    finish(s)
    jumps += last is not None and port not in (last + 1, 20000)
    last = port
    if jumps == 3:
        break
print(jumps)'
  berth_run --via "$1" --pool "$near4" --ports 20000-29999 --policy hash --reuse-after 0 --rekey "$2" -- "$python" "$py"
}

@test "--rekey: hash begins elsewhere again and again, in the kernel and in the process" {
  serve far "$far4" 8000
  for via in bpf preload; do
    equal "$via, a key of 10 ms" "$(jumps_of $via 10ms)" 3
    equal "$via, one key" "$(jumps_of $via 0)" 0
  done
}

@test "--reuse-after: a released port is not used again while a rested one is free" {
  serve far "$far4" 8000
  one_by_one 900 --ports 20000-20999 --reuse-after 10m >"$tmp/o"
  equal "ports without a repetition" "$(sort -u "$tmp/o" | wc -l)" 900
  equal refused "$(stat_of "$tmp/stats" refused)" 0
}

@test "--reuse-after: when all rest, the one idle longest goes" {
  serve far "$far4" 8000
  one_by_one 350 --ports 20000-20099 --reuse-after 10m >"$tmp/o"
  equal refused "$(stat_of "$tmp/stats" refused)" 0
  equal "first round" "$(head -n 100 "$tmp/o" | sort -u | wc -l)" 100
  # The first ports were chosen before there was a lane, which orders those as it finds them.
  equal "second round" "$(sed -n 101,200p "$tmp/o" | sort -u | wc -l)" 100
  equal "third round" "$(sed -n 201,300p "$tmp/o")" "$(sed -n 101,200p "$tmp/o")"
  equal "fourth round" "$(sed -n 301,350p "$tmp/o")" "$(sed -n 101,150p "$tmp/o")"
}

@test "--reuse-after 0: a released port may come at once" {
  serve far "$far4" 8000
  one_by_one 900 --ports 20000-20999 --reuse-after 0 >"$tmp/o"
  # 900 draws out of 1,000 repeat 306 ports on average.
  [ "$(sort -u "$tmp/o" | wc -l)" -lt 800 ]
}

@test "--reuse-after holds where the peer closes first, too" {
  connect_py '
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind((FAR4, 8000))
l.listen(64)
while True:
    l.accept()[0].close()'
  launch far "$python" "$py"
  await_listen far t 8000
  connect_py '
for i in range(900):
    s = go()
    print(port_of(s))
    assert s.recv(1) == b""
    s.close()'
  berth_run --ports 20000-20999 --reuse-after 10m -- "$python" "$py" >"$tmp/o"
  ports_inside 20000 20999 < <(sed 's/^/port /' "$tmp/o")
  equal "ports without a repetition" "$(sort -u "$tmp/o" | wc -l)" 900
}

@test "--reuse-after is kept per destination" {
  serve far "$far4" 8000
  serve far "$far4" 8001
  connect_py '
for i in range(200):
    for port in 8000, 8001:
        s = go(port=port)
        print(port, port_of(s))
        finish(s)'
  berth_run --ports 20000-20199 --reuse-after 10m -- "$python" "$py" >"$tmp/o"
  ports_inside 20000 20199 <"$tmp/o"
  equal "to the first" "$(grep '^8000' "$tmp/o" | sort -u | wc -l)" 200
  equal "to the second" "$(grep '^8001' "$tmp/o" | sort -u | wc -l)" 200
}

@test "TIME_WAIT with timestamps: thousands of connections more than ports, no failure" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  one_by_one 4000 --ports 20000-20099 >"$tmp/o"
  equal "connections on ports" "$(wc -l <"$tmp/o") $(sort -u "$tmp/o" | wc -l)" "4000 100"
  one_by_one 1000 --ports 20000-20019 --pool "$near4" >"$tmp/o"
  equal "connections on ports" "$(wc -l <"$tmp/o") $(sort -u "$tmp/o" | wc -l)" "1000 20"
}

@test "TIME_WAIT with timestamps: 20,000 connections at full speed over 2,000 ports" {
  serve far "$far4" 8000 --procs 2
  berth_run --ports 20000-21999 --stats "$tmp/stats" -- "$client" tcp --count 20000 "$far4" 8000 >"$tmp/o" || true
  equal refused "$(count_lines refused <"$tmp/o")" 0
  equal counted "$(jq -c '[.counters | .assigned, .released]' "$tmp/stats")" '[20000,20000]'
}

# The peer has no timestamps. A segment that overtook another may make it send a reset, which must not end TIME_WAIT.
no_timestamps()
{
  far sysctl -qw net.ipv4.tcp_timestamps=0
  near sysctl -qw net.ipv4.tcp_rfc1337=1
}

# no_stamps OPTION...: the peer has no timestamps, so a tuple is used once; then the error comes.
no_stamps()
{
  connect_py '
for i in range(100):
    finish(go())
for i in range(50):
    assert refused() == "EADDRNOTAVAIL", i
print("good")'
  equal outcome "$(berth_run --ports 20000-20099 "$@" -- "$python" "$py" 2>"$tmp/e")" good
}

@test "TIME_WAIT without timestamps at the peer: as many connections as tuples, then EADDRNOTAVAIL" {
  no_timestamps
  serve far "$far4" 8000
  no_stamps
}

@test "TIME_WAIT without timestamps at the peer, --pool, each policy" {
  no_timestamps
  add_addresses 101 106
  serve far "$far4" 8000
  i=101
  for policy in sequential random hash double-hash random-increment longest-idle; do
    no_stamps --pool 10.9.0.$i --policy "$policy"
    i=$((i + 1))
  done
}

@test "TIME_WAIT of programs outside of berth is respected" {
  no_timestamps
  serve far "$far4" 8000
  connect_py '
for port in range(20000, 20050):
    finish(go(bind=("", port), options=[(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]))'
  near "$python" "$py"
  berth_run --ports 20000-20099 -- "$client" tcp --count 51 --hold "$far4" 8000 </dev/null >"$tmp/o" || true
  equal connections "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 50
  grep -v refused "$tmp/o" | ports_inside 20050 20099
}

@test "the first connection toward a destination finds the few free ports among many in TIME_WAIT" {
  no_timestamps
  serve far "$far4" 8000
  connect_py '
for port in range(20000, 20055):
    finish(go(bind=("", port), options=[(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]))'
  near "$python" "$py"
  for pool in "--pool=$near4" ""; do
    berth_run --ports 20000-20059 ${pool:+"$pool"} -- "$client" tcp --count 2 --hold "$far4" 8000 </dev/null >"$tmp/o" || true
    equal "connections ${pool:-where the route decides}" "$(grep -c "^$near4 2005[5-9]$" "$tmp/o")" 2
  done
}
