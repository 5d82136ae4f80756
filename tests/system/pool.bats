# SPDX-License-Identifier: BSD-2-Clause
# A pool is used to its last port, shared between destinations and runs, and fails fast when it is empty.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# fills MODE ADDR OPTION...: a pool of 100 ports toward ADDR takes 100 connections, and 3 more are refused, with the
# error that the kernel has for it: EAGAIN where a datagram socket finds no port.
fills()
{
  local mode=$1 addr=$2 status=0 code=EADDRNOTAVAIL

  [ "$mode" != udp ] || code=EAGAIN

  shift 2
  berth_run --ports 20000-20099 --stats "$tmp/stats" "$@" -- "$client" "$mode" --count 103 --hold "$addr" 8000 \
    </dev/null >"$tmp/o" 2>"$tmp/e" || status=$?
  equal status "$status" 1
  equal refused "$(count_lines "^refused $code\$" <"$tmp/o")" 3
  ports_inside 20000 20099 <"$tmp/o"
  equal ports "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 100
  equal counted "$(jq -c '[.counters | .assigned, .exhausted, .refused, .fallback, .released]' "$tmp/stats")" \
    '[100,3,3,0,100]'
  equal sentences "$(count_lines '^berth run: 3 connections refused' <"$tmp/e")" 1
  await_closed
}

@test "the last port: TCP, IPv4, the route decides the address" {
  serve far "$far4" 8000
  fills tcp "$far4"
}

@test "the last port: TCP, IPv4, --pool" {
  serve far "$far4" 8000
  fills tcp "$far4" --pool "$near4"
}

@test "the last port: TCP, IPv6, without and with --pool" {
  serve far "$far6" 8000
  fills tcp "$far6"
  fills tcp "$far6" --pool "$near6"
}

@test "the last port: TCP, v4-mapped, without and with --pool" {
  serve far "$far4" 8000
  fills tcp "::ffff:$far4"
  fills tcp "::ffff:$far4" --pool "$near4"
}

@test "the last port: connected UDP, without and with --pool" {
  serve far "$far4" 8000 --udp
  fills udp "$far4"
  fills udp "$far4" --pool "$near4"
  fills udp "$far6"
  fills udp "$far6" --pool "$near6"
  fills udp "::ffff:$far4" --pool "$near4"
}

@test "the last port: to this very host, loopback and own address" {
  serve near 127.0.0.1 8000
  serve near "$near4" 8000
  fills tcp 127.0.0.1
  fills tcp 127.0.0.1 --pool 127.0.0.1
  fills tcp "$near4" --pool "$near4"
}

@test "the last free pair toward a place where nobody under berth has been yet" {
  serve far "$far4" 8000
  connect_py '
free = int(sys.argv[1])
held = [go(bind=(NEAR4, port), options=[(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)])
        for port in range(20000, 20200) if port != free]
print("ready", flush=True)
sys.stdin.read()'
  for free in 20000 20099 20199; do
    launch near "$python" "$py" "$free"
    await grep -q ready "$launch_out"
    berth_run --ports 20000-20199 -- "$client" tcp --count 2 --hold "$far4" 8000 </dev/null >"$tmp/o" || true
    equal "port, then refused" "$(cut -d' ' -f1,2 "$tmp/o" | tr '\n' ' ')" "$near4 $free refused EADDRNOTAVAIL "
    kill "$launch_pid"
    wait "$launch_pid" || true
    await_closed
  done
}

@test "the last port: to 0.0.0.0, which is the source address itself" {
  serve near 0.0.0.0 8000
  fills tcp 0.0.0.0
  fills tcp 0.0.0.0 --pool 127.0.0.2
  fills tcp ::ffff:0.0.0.0 --pool 127.0.0.3
}

@test "--when-exhausted kernel: goes on outside of the pool, and counts" {
  serve far "$far4" 8000
  berth_run --ports 20000-20099 --when-exhausted kernel --stats "$tmp/stats" -- "$client" tcp --count 150 --hold \
    "$far4" 8000 </dev/null >"$tmp/o" 2>"$tmp/e"
  equal inside "$(awk '$2 >= 20000 && $2 <= 20099' "$tmp/o" | sort -u | wc -l)" 100
  equal outside "$(awk '$2 < 20000 || $2 > 20099' "$tmp/o" | sort -u | wc -l)" 50
  equal counted "$(jq -c '[.counters | .assigned, .exhausted, .refused, .fallback]' "$tmp/stats")" '[100,50,0,50]'
  grep -q '^berth run: 50 sockets left to the kernel' "$tmp/e"
}

@test "a full pool has room again once a connection is gone" {
  serve far "$far4" 8000
  connect_py '
held = [go() for i in range(50)]
for i in range(200):
    assert refused() == "EADDRNOTAVAIL"
    abort(held.pop(i % 50))
    held.append(go())
print("good")'
  for pool in "" "--pool=$near4"; do
    equal outcome "$(berth_run --ports 20000-20049 ${pool:+"$pool"} -- "$python" "$py" 2>"$tmp/e")" good
  done
}

@test "two destinations share the ports: 2 x N connections on N ports" {
  serve far "$far4" 8000
  serve far "$far4" 8001
  # shellcheck disable=SC2016
  berth_run --ports 20000-20099 -- sh -c '"$0" tcp --count 100 --hold "$1" 8000 <"$2" & "$0" tcp --count 100 \
    --hold "$1" 8001 <"$2"; wait' "$client" "$far4" /dev/null >"$tmp/o"
  equal connections "$(grep -vc refused "$tmp/o")" 200
  connect_py '
held = []
for i in range(100):
    for port in 8000, 8001:
        held.append(go(port=port))
        print(*held[-1].getsockname())'
  for pool in "" "--pool=$near4"; do
    berth_run --ports 21000-21099 ${pool:+"$pool"} -- "$python" "$py" >"$tmp/o"
    equal connections "$(wc -l <"$tmp/o")" 200
    equal ports "$(sort -u "$tmp/o" | wc -l)" 100
    ports_inside 21000 21099 <"$tmp/o"
    await_closed
  done
}

# Two runs at once, each wants 100 of 100 ports: together they get each port once.
two_runs()
{
  local n

  for n in 1 2; do
    launch near "$berth" run --ports 20000-20099 "$@" -- "$client" tcp --count 100 --hold "$far4" 8000
    out[n]=$launch_out
  done
  await_lines "${out[1]}" 100
  await_lines "${out[2]}" 100
  equal pairs "$(near "$build/tests/tools/test-pairs")" '{"tcp":100,"udp":0,"duplicates":0}'
  cat "${out[1]}" "${out[2]}" >"$tmp/o"
  equal connections "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 100
  equal refused "$(grep -c '^refused EADDRNOTAVAIL$' "$tmp/o")" 100
  ports_inside 20000 20099 <"$tmp/o"
}

@test "two runs at once on one pool: each port once" {
  serve far "$far4" 8000
  two_runs
}

@test "two runs at once on one pool, --pool" {
  serve far "$far4" 8000
  two_runs --pool "$near4"
}

@test "two runs at once with different policies and overlapping ports: no pair twice" {
  serve far "$far4" 8000
  launch near "$berth" run --ports 20000-20099 -- "$client" tcp --count 100 --hold "$far4" 8000
  first=$launch_out
  launch near "$berth" run --ports 20050-20149 --policy sequential -- "$client" tcp --count 100 --hold "$far4" 8000
  await_lines "$first" 100
  await_lines "$launch_out" 100
  equal pairs "$(near "$build/tests/tools/test-pairs")" '{"tcp":150,"udp":0,"duplicates":0}'
}

@test "nested runs: the inner pool is used, each port is given back once" {
  serve far "$far4" 8000
  connect_py '
for i in range(300):
    s = go()
    print(*s.getsockname())
    finish(s)'
  berth_run --ports 20000-20099 --stats "$tmp/outer" -- "$berth" run --ports 21000-21099 --stats "$tmp/inner" -- \
    "$python" "$py" >"$tmp/o"
  equal connections "$(wc -l <"$tmp/o")" 300
  ports_inside 21000 21099 <"$tmp/o"
  equal "inner" "$(jq -c '[.counters | .assigned, .refused]' "$tmp/inner")" '[300,0]'
  equal "outer" "$(stat_of "$tmp/outer" assigned)" 0
  equal "given back" "$(jq -s 'map(.counters.released) | add' "$tmp/outer" "$tmp/inner")" 300
  nothing_left
}

@test "nested runs: what the inner one refused the outer one does not touch" {
  serve far "$far4" 8000
  berth_run --ports 20000-20099 --stats "$tmp/outer" -- "$berth" run --ports 21000-21009 --stats "$tmp/inner" -- \
    "$client" tcp --count 15 --hold "$far4" 8000 </dev/null >"$tmp/o" || true
  equal refused "$(grep -c '^refused EADDRNOTAVAIL$' "$tmp/o")" 5
  equal "inner" "$(jq -c '[.counters | .assigned, .refused]' "$tmp/inner")" '[10,5]'
  equal "assigned by the outer" "$(stat_of "$tmp/outer" assigned)" 0
}

@test "nested runs: where the inner one leaves it to the kernel, the outer one assigns" {
  serve far "$far4" 8000
  berth_run --ports 20000-20099 --stats "$tmp/outer" -- "$berth" run --ports 21000-21009 --when-exhausted kernel -- \
    "$client" tcp --count 30 --hold "$far4" 8000 </dev/null >"$tmp/o" 2>"$tmp/e"
  equal "of the inner pool" "$(grep -c ' 210' "$tmp/o")" 10
  equal "of the outer pool" "$(grep -c ' 200' "$tmp/o")" 20
}

@test "nested runs with one pool fill it exactly" {
  serve far "$far4" 8000
  berth_run --ports 20000-20099 -- "$berth" run --ports 20000-20099 -- "$client" tcp --count 101 --hold "$far4" 8000 \
    </dev/null >"$tmp/o" || true
  equal connections "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 100
}

@test "one run in two network namespaces: each has all ports" {
  serve near 127.0.0.1 8000
  serve far 127.0.0.1 8000
  in_far=$launch_pid
  mkfifo "$tmp/go"
  # shellcheck disable=SC2016 # the inner shell expands it
  launch near sh -c 'exec "$0" run --ports 20000-20009 -- sh -c "
    \"\$0\" tcp --count 10 --hold 127.0.0.1 8000 <\"\$1\" &
    nsenter --net=/proc/\$2/ns/net \"\$0\" tcp --count 10 --hold 127.0.0.1 8000 <\"\$1\" & wait" "$@"' \
    "$berth" "$client" "$tmp/go" "$in_far"
  seen=$launch_out
  exec {go}>"$tmp/go"
  await_lines "$seen" 20
  equal "near and far" "$(grep -v refused "$seen" | sort | uniq -c | awk '{ print $1 }' | sort | uniq -c | tr -s ' ')" " 10 2"
  ports_inside 20000 20009 <"$seen"
  equal far "$(far ss -Htn state established "sport >= 20000 and sport <= 20009" | wc -l)" 10
}

@test "another user's program is assigned ports; system ports only where it may have them" {
  command -v setpriv >/dev/null || skip "setpriv is not installed"
  serve far "$far4" 8000
  chmod 755 "$tmp"
  cp "$client" "$tmp/client"
  berth_run --ports 600-609 -- "$client" tcp --count 10 --hold "$far4" 8000 </dev/null | ports_inside 600 609
  berth_run --ports 600-609,20000-20009 -- setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/client" tcp \
    --count 12 --hold "$far4" 8000 </dev/null >"$tmp/o" || true
  equal connections "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 10
  ports_inside 20000 20009 <"$tmp/o"
}

@test "a listener that appears on a port of the pool is never chosen, nobody is refused" {
  serve far "$far4" 8000
  for port in 20007 20042 20099; do
    serve near 0.0.0.0 $port
  done
  berth_run --ports 20000-20099 -- "$client" tcp --count 97 --hold "$far4" 8000 </dev/null >"$tmp/o"
  equal connections "$(sort -u "$tmp/o" | wc -l)" 97
  ports_inside 20000 20099 <"$tmp/o"
  run ! grep -E ' (20007|20042|20099)$' "$tmp/o"
}

@test "a listener that appears while a run has a lane" {
  serve far "$far4" 8000
  connect_py '
held = [go() for i in range(60)]
free = sorted(set(range(20000, 20100)) - set(map(port_of, held)))[:5]
print(*free, flush=True)
sys.stdin.readline()
held += [go() for i in range(35)]
ports = set(map(port_of, held))
assert len(ports) == 95 and not ports & set(free), ports
assert refused() == "EADDRNOTAVAIL"
print("good", flush=True)'
  mkfifo "$tmp/go"
  # shellcheck disable=SC2016
  launch near sh -c 'exec "$0" run --ports 20000-20099 -- "$1" "$2" <"$3"' "$berth" "$python" "$py" "$tmp/go"
  seen=$launch_out
  exec {go}>"$tmp/go"
  await_lines "$seen" 1
  read -ra taken <"$seen"
  for port in "${taken[@]}"; do
    serve near 0.0.0.0 "$port"
  done
  echo >&"$go"
  await_line "$seen" good
}

@test "the pool is spread evenly over 16 addresses" {
  serve far "$far4" 8000
  add_addresses 101 116
  berth_run --pool "$(seq -s , -f 10.9.0.%g 101 116)" --ports 20000-20099 -- "$client" tcp --count 801 --hold \
    "$far4" 8000 </dev/null >"$tmp/o"
  awk '{ n[$1]++ } END { for (a in n) { k++; if (n[a] < 50 || n[a] > 51) { print a, n[a]; bad = 1 } }
    exit bad || k != 16 }' "$tmp/o"
}

@test "16 addresses by a prefix: each with each port, then refused" {
  serve far "$far4" 8000
  add_addresses 112 127
  berth_run --pool 10.9.0.112/28 --ports 20000-20049 -- "$client" tcp --count 801 --hold "$far4" 8000 \
    </dev/null >"$tmp/o" || true
  equal pairs "$(grep -v refused "$tmp/o" | sort -u | wc -l)" 800
  equal refused "$(grep -c '^refused EADDRNOTAVAIL$' "$tmp/o")" 1
}

@test "families are never mixed, and one of them may be missing from the pool" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  berth_run --pool "$near4,$near6" --ports 20000-20019 -- "$client" tcp --count 20 --hold "$far4" 8000 </dev/null >"$tmp/4"
  berth_run --pool "$near4,$near6" --ports 20000-20019 -- "$client" tcp --count 20 --hold "$far6" 8000 </dev/null >"$tmp/6"
  berth_run --pool "$near4,$near6" --ports 20000-20019 -- "$client" tcp --count 20 --hold "::ffff:$far4" 8000 \
    </dev/null >"$tmp/m"
  equal "from IPv4" "$(grep -c "^$near4 " "$tmp/4")" 20
  equal "from IPv6" "$(grep -c "^$near6 " "$tmp/6")" 20
  equal "from v4-mapped" "$(grep -c "^::ffff:$near4 " "$tmp/m")" 20
  run berth_run --pool "$near4" --ports 20000-20019 -- "$client" tcp "$far6" 8000
  equal "other family" "${lines[0]}" "refused EADDRNOTAVAIL"
}

# A second way out: far2 at 10.10.0.2 through another interface.
second_route()
{
  ip -n "$near_ns" link add near1 type veth peer name far1 netns "$far_ns"
  ip -n "$near_ns" -batch - <<END
link set near1 up
addr add 10.10.0.1/24 dev near1
addr add 2001:db8:a::1/64 dev near1 nodad
END
  ip -n "$far_ns" -batch - <<END
link set far1 up
addr add 10.10.0.2/24 dev far1
addr add 2001:db8:a::2/64 dev far1 nodad
END
}

@test "two routes: without --pool the source is that of the route" {
  second_route
  serve far 0.0.0.0 8000
  serve far "2001:db8:a::2" 8000
  connect_py '
held = []
for i in range(100):
    for to in FAR4, "10.10.0.2":
        held.append(go(to))
        print(to, *held[-1].getsockname())'
  berth_run --ports 20000-20099 -- "$python" "$py" >"$tmp/o"
  equal "by the first" "$(grep -c "^$far4 $near4 " "$tmp/o")" 100
  equal "by the second" "$(grep -c "^10.10.0.2 10.10.0.1 " "$tmp/o")" 100
  equal ports "$(cut -d' ' -f3 "$tmp/o" | sort -u | wc -l)" 100
}

@test "two routes: --pool with both addresses takes the one of the way out" {
  second_route
  serve far 0.0.0.0 8000
  serve far "2001:db8:a::2" 8000
  pool=$near4,10.10.0.1,$near6,2001:db8:a::1
  for _ in 1 2; do
    berth_run --pool "$pool" --ports 20000-20049 -- "$client" tcp --count 50 --hold "$far4" 8000 </dev/null >>"$tmp/a"
    berth_run --pool "$pool" --ports 20000-20049 -- "$client" tcp --count 50 --hold 10.10.0.2 8000 </dev/null >>"$tmp/b"
    berth_run --pool "$pool" --ports 20000-20049 -- "$client" tcp --count 50 --hold 2001:db8:a::2 8000 \
      </dev/null >>"$tmp/c"
    near sysctl -qw net.ipv4.conf.all.rp_filter=1
  done
  equal "by the first" "$(grep -c "^$near4 " "$tmp/a")" 100
  equal "by the second" "$(grep -c "^10.10.0.1 " "$tmp/b")" 100
  equal "by the second, IPv6" "$(grep -c "^2001:db8:a::1 " "$tmp/c")" 100
  cat "$tmp/a" "$tmp/b" "$tmp/c" | ports_inside 20000 20049
}


@test "two routes: --pool follows a route that changes while the program runs" {
  second_route
  ip -n "$far_ns" addr add 10.20.0.1/32 dev lo
  near ip route add 10.20.0.0/24 via "$far4"
  serve far 10.20.0.1 8000
  connect_py '
for line in sys.stdin:
    s = go("10.20.0.1")
    print(s.getsockname()[0], flush=True)
    finish(s)'
  mkfifo "$tmp/in"
  # shellcheck disable=SC2016 # for the inner shell
  launch near sh -c 'in=$1; shift; exec "$@" <"$in"' sh "$tmp/in" "$berth" run --pool "$near4,10.10.0.1" -- "$python" "$py"
  exec 9>"$tmp/in"
  echo >&9
  await grep -qx "$near4" "$launch_out"
  near ip route replace 10.20.0.0/24 via 10.10.0.2
  await moved_to 10.10.0.1
  near ip route add 10.20.0.0/24 via "$far4" metric 7
  near ip route del 10.20.0.0/24 via 10.10.0.2
  await moved_to "$near4"
  exec 9>&-
}

# moved_to ADDR: the program asks again and gets this source.
moved_to()
{
  local before

  before=$(wc -l <"$launch_out")
  echo >&9
  await more_lines "$before"
  [ "$(tail -n 1 "$launch_out")" = "$1" ]
}

more_lines()
{
  [ "$(wc -l <"$launch_out")" -gt "$1" ]
}

@test "IPv6 prefix: 2001:db8:b::/64 local by a route (AnyIP)" {
  serve far "$far6" 8000
  near ip -6 route add local 2001:db8:b::/64 dev lo
  far ip -6 route add 2001:db8:b::/64 via "$near6"
  run berth_run --pool 2001:db8:b::/64 -- true
  equal status "$status" 2
  [[ $output == *ip_nonlocal_bind=1* ]]
  near sysctl -qw net.ipv6.ip_nonlocal_bind=1
  berth_run --pool 2001:db8:b::/64 --ports 20000-20009 -- "$client" tcp --count 500 --hold "$far6" 8000 </dev/null >"$tmp/o"
  ports_inside 20000 20009 <"$tmp/o"
  equal "from the prefix" "$(grep -c '^2001:db8:b:' "$tmp/o")" 500
  [ "$(cut -d' ' -f1 "$tmp/o" | sort -u | wc -l)" -ge 490 ]
}

@test "IPv6 prefix: 2001:db8:b::/64 by ip_nonlocal_bind" {
  serve far "$far6" 8000 --udp
  near sysctl -qw net.ipv6.ip_nonlocal_bind=1
  berth_run --pool 2001:db8:b::/64 --ports 20000-20009 -- "$client" udp --count 500 --hold "$far6" 8000 </dev/null >"$tmp/o"
  ports_inside 20000 20009 <"$tmp/o"
  equal "from the prefix" "$(grep -c '^2001:db8:b:' "$tmp/o")" 500
}

@test "IPv4 prefix: 192.0.2.0/24 local by a route (AnyIP)" {
  serve far "$far4" 8000
  near ip route add local 192.0.2.0/24 dev lo
  far ip route add 192.0.2.0/24 via "$near4"
  berth_run --pool 192.0.2.0/24 --ports 20000-20004 -- "$client" tcp --count 1281 --hold "$far4" 8000 \
    </dev/null >"$tmp/o" || true
  ports_inside 20000 20004 <"$tmp/o"
  equal pairs "$(grep '^192\.0\.2\.' "$tmp/o" | sort -u | wc -l)" 1280
  equal refused "$(grep -c '^refused EADDRNOTAVAIL$' "$tmp/o")" 1
}

@test "IPv4 prefix: 198.18.0.0/15, too wide for a list" {
  serve far "$far4" 8000
  near ip route add local 198.18.0.0/15 dev lo
  far ip route add 198.18.0.0/15 via "$near4"
  berth_run --pool 198.18.0.0/15 --ports 20000-20001 -- "$client" tcp --count 1000 --hold "$far4" 8000 </dev/null >"$tmp/o"
  ports_inside 20000 20001 <"$tmp/o"
  equal pairs "$(grep -E '^198\.1[89]\.' "$tmp/o" | sort -u | wc -l)" 1000
}

@test "a loopback address in the pool is passed over for remote destinations, taken for local ones" {
  serve far "$far4" 8000
  serve near 127.0.0.1 8000
  berth_run --pool "127.0.0.1,$near4" --ports 20000-20049 -- "$client" tcp --count 50 --hold "$far4" 8000 \
    </dev/null >"$tmp/o"
  equal "from the outer address" "$(grep -c "^$near4 " "$tmp/o")" 50
  berth_run --pool 127.0.0.1,127.0.0.2 --ports 20000-20049 -- "$client" tcp --count 100 --hold 127.0.0.1 8000 \
    </dev/null >"$tmp/o"
  equal "from loopback" "$(grep '^127.0.0.[12] ' "$tmp/o" | sort -u | wc -l)" 100
  ports_inside 20000 20049 <"$tmp/o"
}

@test "a link-local address reaches link-local destinations only" {
  serve far "$far6" 8000
  ll=$(ip -n "$near_ns" -6 -o addr show dev near0 scope link | awk '{ sub("/.*", "", $4); print $4; exit }')
  await_own_address "$ll"
  berth_run --pool "$ll,$near6" --ports 20000-20019 -- "$client" tcp --count 20 --hold "$far6" 8000 </dev/null >"$tmp/o"
  equal "from the global address" "$(grep -c "^$near6 " "$tmp/o")" 20
  ports_inside 20000 20019 <"$tmp/o"
}

# An address is tentative at first.
await_own_address()
{
  await sh -c "ip -n $near_ns -6 -o addr show to $1 | grep -qv tentative"
}

default_pool_size()
{
  near "$berth" doctor --json | jq -r '.rows[] | select(.name == "default pool").value | split(" ")[0]'
}

@test "the default pool leaves out what configuration files declare, --ports does not" {
  local before after

  mkdir -p "$tmp/etc/redis"
  cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/services "$tmp/etc"
  near mount --bind "$tmp/etc" /etc
  before=$(default_pool_size)
  printf 'port 22022\n' >"$tmp/etc/redis/redis.conf"
  after=$(default_pool_size)
  equal "one port less" $((before - after)) 1
  serve far "$far4" 8000
  berth_run --stats "$tmp/stats" -- "$client" tcp --count 1 "$far4" 8000 >/dev/null
  equal "the pool of a run" "$(jq -r .ports "$tmp/stats" | grep -c -- '-22021,22023-')" 1
  berth_run --ports 22022 -- "$client" tcp --count 1 "$far4" 8000 >"$tmp/o"
  equal "asked for" "$(cat "$tmp/o")" "$near4 22022"
  mkdir "$tmp/etc/nomad.d"
  printf 'client {\n min_dynamic_port = 1024\n max_dynamic_port = 65535\n}\n' >"$tmp/etc/nomad.d/x.hcl"
  run --separate-stderr berth_run -- true
  equal "status without a pool" "$status" 2
  [[ $stderr == *"no port is left for the default pool: "*"configuration files (berth lint)"* ]] || { echo "$stderr"; false; }
}
