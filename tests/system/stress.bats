# SPDX-License-Identifier: BSD-2-Clause
# Many operations at once: no connection to itself, no socket pair twice, no refusal while a pair is free.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# no_self ADDR COUNT PORTS OPTION...: connects to closed ports of the pool; each try must be refused by the host.
no_self()
{
  connect_py '
addr, count, first, last = sys.argv[1], *map(int, sys.argv[2:])
seen = {}
for i in range(count):
    with socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET) as s:
        code = s.connect_ex((addr, first + i % (last - first + 1)))
        if not code and s.getsockname()[:2] == s.getpeername()[:2]:
            code = "itself"
    seen[code] = seen.get(code, 0) + 1
print(*sorted((errno.errorcode.get(c, c), n) for c, n in seen.items()))'
  equal "to $1" "$(berth_run --ports "$3-$4" --stats "$tmp/stats" "${@:5}" -- "$python" "$py" "$1" "$2" "$3" "$4" 2>"$tmp/e")" \
    "('ECONNREFUSED', $2)"
  equal assigned "$(stat_of "$tmp/stats" assigned)" "$2"
}

@test "no connection to itself in 100,000 tries inside of the pool" {
  no_self 127.0.0.1 40000 20000 20003
  no_self ::1 20000 20000 20003
  no_self "$near4" 20000 20000 20003 --pool "$near4"
  no_self ::ffff:127.0.0.1 10000 20000 20001 --pool 127.0.0.1 --policy sequential
  no_self 0.0.0.0 10000 20000 20001
}

@test "a pool whose only port is the destination's: refused, not connected to itself" {
  connect_py 'print(refused("127.0.0.1", 20000), refused("::1", 20000))'
  equal outcome "$(berth_run --ports 20000 -- "$python" "$py" 2>"$tmp/e")" "EADDRNOTAVAIL EADDRNOTAVAIL"
}

# stress OPTIONS_OF_BERTH -- OPTIONS_OF_STRESS
stress()
{
  local options=()

  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  berth_run --stats "$tmp/stats" "${options[@]}" -- "$build/tests/tools/test-stress" "$@" >"$tmp/o" || true
  tail -n 3 "$tmp/o"
  jq -c .counters "$tmp/stats"
  equal faults "$(tail -n 1 "$tmp/o" | jq -c '[.refused, .duplicates]')" '[0,0]'
}

@test "100,000 operations of 8 processes, TCP, the route decides" {
  serve far "$far4" 8000
  serve far "$far4" 8001
  stress --ports 4096-31999 -- "$far4" 8000 8001
  equal assigned "$(stat_of "$tmp/stats" assigned)" "$(tail -n 1 "$tmp/o" | jq .connected)"
}

@test "100,000 operations of 8 processes, closed by reset, on hardly more ports than connections" {
  serve far "$far4" 8000
  stress --ports 20000-24099 -- --reset --seed 8 "$far4" 8000
}

@test "100,000 operations of 8 processes with bind()" {
  serve far "$far4" 8000
  serve far "$far4" 8001
  stress --ports 20000-27999 -- --reset --source "$near4" --bind-first 22000 --bind-last 22999 "$far4" 8000 8001
}

@test "100,000 operations of 8 processes, TCP, --pool of four addresses" {
  serve far "$far4" 8000
  serve far "$far4" 8001
  add_addresses 101 103
  stress --ports 20000-21099 --pool "$near4,10.9.0.101,10.9.0.102,10.9.0.103" -- --reset --seed 2 "$far4" 8000 8001
}

@test "50,000 operations of 8 processes, TCP, IPv6" {
  serve far "$far6" 8000
  stress --ports 20000-27999 -- --reset --operations 50000 --seed 3 "$far6" 8000
}

@test "50,000 operations of 8 processes, connected UDP, --pool" {
  serve far "$far4" 8000 --udp
  serve far "$far4" 8001 --udp
  stress --ports 20000-27999 --pool "$near4" -- --udp --operations 50000 --seed 4 "$far4" 8000 8001
}

@test "50,000 operations of 8 processes, connected UDP, the route decides" {
  serve far "$far4" 8000 --udp
  stress --ports 20000-27999 -- --udp --operations 50000 --seed 5 "$far4" 8000
}

@test "two runs stress one pool: no pair twice" {
  serve far "$far4" 8000
  for seed in 6 7; do
    launch near "$berth" run --ports 20000-27999 --stats "$tmp/stats.$seed" -- "$build/tests/tools/test-stress" --procs 4 --operations 40000 \
      --hold 400 --reset --seed $seed "$far4" 8000
    pid[seed]=$launch_pid
    out[seed]=$launch_out
  done
  for seed in 6 7; do
    wait "${pid[seed]}"
    equal assigned "$(stat_of "$tmp/stats.$seed" assigned)" "$(tail -n 1 "${out[seed]}" | jq .connected)"
    equal faults "$(tail -n 1 "${out[seed]}" | jq -c '[.refused, .duplicates]')" '[0,0]'
  done
}
