# SPDX-License-Identifier: BSD-2-Clause
# How many ports are left: what berth says is what the kernel then gives, to the port.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# range FIRST LAST: what the kernel of the near side chooses from
range()
{
  near sysctl -qw "net.ipv4.ip_local_port_range=$1 $2"
}

# headroom OPTION...: rows of the near side, into $tmp/rows
headroom()
{
  near "$berth" headroom --json "$@" >"$tmp/rows"
}

# of FILTER: one value out of the only row that the filter (jq) finds
of()
{
  jq -s "map(select(.scope == \"lane\")) | if length == 1 then .[0] else error(\"\(length) lanes\") end | $1" "$tmp/rows"
}

# hold BODY: a program of connect_py that goes on until the test ends; $launch_out has a line "ready"
hold()
{
  connect_py "$1
print('ready', flush=True)
sys.stdin.read()"
  launch near "$python" "$py"
  await_line "$launch_out" ready
}

# Connects until it is refused; prints how many that were and the error.
fill_py='
more, why = [], None
while not why:
    try:
        more.append(go())
    except OSError as e:
        why = errno.errorcode[e.errno]
print(len(more), why, flush=True)
'

@test "headroom: free is how many more connections the kernel gives: reserved, bound and hidden ports" {
  serve far "$far4" 8000
  serve far "$far4" 8001
  range 40000 40199
  near sysctl -qw net.ipv4.ip_local_reserved_ports=40010-40014,50000
  hold '
# Bound by their owner: hidden from automatic choice, toward every destination.
share = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
bound = [go(bind=(NEAR4, 40100 + i), options=share) for i in range(4)]
server = socket.create_server(("", 40150))
idle = socket.socket(); idle.bind(("", 40151))
elsewhere = go(bind=("", 20000))
held = [go() for i in range(30)]
other = [go(port=8001) for i in range(7)]'
  headroom --source bpf "$far4:8000"
  equal row "$(of '[.choice, .source, .destination, .port, .protocol, .capacity, .used, .free, .slow]' | jq -c)" \
    "[\"kernel\",\"$near4\",\"$far4\",8000,\"tcp\",189,30,159,false]"
  headroom --source bpf ":8001"
  equal "the other lane" "$(of .free)" 182
  connect_py "$fill_py"
  equal "the kernel gives" "$(near "$python" "$py")" "159 EADDRNOTAVAIL"
}

@test "headroom: TIME_WAIT is used where tcp_tw_reuse does not give it back, and not where it does" {
  serve far "$far4" 8000
  range 40000 40099
  near sysctl -qw net.ipv4.tcp_tw_reuse=0
  connect_py '
for s in [go() for i in range(25)]: finish(s)'
  near "$python" "$py"
  await_closed
  headroom "$far4:8000"
  equal "without reuse" "$(of '[.time_wait, .reusable, .used, .free]' | jq -c)" "[25,0,25,75]"
  near sysctl -qw net.ipv4.tcp_tw_reuse=1
  headroom "$far4:8000"
  equal "with reuse" "$(of '[.time_wait, .reusable, .used, .free]' | jq -c)" "[25,25,0,100]"
  near sysctl -qw net.ipv4.tcp_tw_reuse=0
  connect_py "$fill_py"
  equal "the kernel gives" "$(near "$python" "$py")" "75 EADDRNOTAVAIL"
}

@test "headroom: from half on the search is slow, at the end nothing is left and the alert is raised" {
  serve far "$far4" 8000
  range 40000 40099
  hold 'held = [go() for i in range(49)]'
  headroom --alert 50%
  equal "49 of 100" "$(of '[.slow_at, .slow]' | jq -c)" '[50,false]'
  hold 'held = [go() for i in range(1)]'
  run -1 --separate-stderr near "$berth" headroom --alert 50%
  [[ ${lines[0]} =~ ^\ SHARE\ +USED\ +FREE\ +TIME-WAIT\ PROTO\ SEARCH\ CHOICE\ +LANE$ ]]
  [[ ${lines[1]} =~ ^\ 50\.0%\ +50\ +50\ +0\ tcp\ +slow\ +kernel\ +$near4\ \>\ $far4:8000$ ]]
  near "$berth" headroom --alert 50.1% >/dev/null
  hold "$fill_py"
  equal "the last ones" "$(head -n 1 "$launch_out")" "50 EADDRNOTAVAIL"
  run -1 near "$berth" headroom --alert 100%
  [[ $output = *"100.0%    100      0 "* ]]
}

@test "headroom: UDP's limit is a row of its own, whatever the destination" {
  range 40000 40049
  near sysctl -qw net.ipv4.ip_local_reserved_ports=40007
  hold '
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(("", 40020))
held = [go(port=53 + i, kind=socket.SOCK_DGRAM) for i in range(10)]
six = go(to=FAR6, port=53, kind=socket.SOCK_DGRAM)'
  headroom --protocol udp
  equal row "$(jq -c '[.protocol, .scope, .capacity, .free, .slow_at]' "$tmp/rows")" '["udp","namespace",49,37,null]'
  connect_py "${fill_py//go()/go(kind=socket.SOCK_DGRAM)}"
  equal "the kernel gives" "$(near "$python" "$py")" "37 EAGAIN"
}

@test "headroom: the pool of a run is a row of its own, and free is what berth gives" {
  serve far "$far4" 8000
  connect_py "
server = socket.create_server(('', 20050))
held = [go() for i in range(25)]
for s in held[:5]: finish(s)
print('ready', flush=True)
sys.stdin.readline()
$fill_py
sys.stdin.read()"
  mkfifo "$tmp/go"
  exec {go}<>"$tmp/go"
  launch near sh -c "exec '$berth' run --ports 20000-20099 --reuse-after 0 -- '$python' '$py' <'$tmp/go'"
  await_line "$launch_out" ready
  hold 'held = [go() for i in range(3)]'
  headroom "$far4"
  equal choices "$(jq -r 'select(.scope == "lane").choice' "$tmp/rows" | sort | xargs)" "berth kernel"
  jq 'select(.choice == "berth")' "$tmp/rows" >"$tmp/row"
  equal "the run's row" "$(jq -c '[.run, .capacity, .used, .time_wait, .reusable, .free, .slow]' "$tmp/row")" \
    "[${launched[2]},99,20,5,5,79,false]"
  echo >&"$go"
  await_line "${launch_out%.*}.2" EADDRNOTAVAIL
  equal "berth gives" "$(sed -n 2p "${launch_out%.*}.2")" "79 EADDRNOTAVAIL"
  exec {go}>&-
}

@test "headroom --watch: a rate and a time where a lane grows, never where it does not" {
  serve far "$far4" 8000
  range 40000 40999
  launch near "$berth" headroom --watch --every 0.05 --json --protocol tcp
  local watched=$launch_out
  mkfifo "$tmp/go"
  exec {go}<>"$tmp/go"
  connect_py "
held = [go()]
open('$tmp/go').readline()
while len(held) < 500:
    held.append(go())
sys.stdin.read()"
  launch near "$python" "$py"
  # A rate is that since the look before, whenever that was.
  await watched_is "$watched" '.used == 1'
  echo >&"$go"
  await watched_is "$watched" '.used > 1 and .rate > 0 and .exhausted_in > 0 and (.exhausted_in - .free / .rate | fabs) < 0.01'
  await watched_is "$watched" '.used == 500 and .rate == 0 and .exhausted_in == null'
  near "$berth" headroom --watch --every 0.05 >"$tmp/text" &
  launched+=($!)
  await grep -qE '^ 50\.0% +500 +500 +0 +\+0\.0 +never tcp +slow +kernel ' "$tmp/text"
  run -1 near "$berth" headroom --watch --every 0.05 --alert 50%
}

# watched_is FILE FILTER: a row of --watch has it
watched_is()
{
  jq -se "any(.[]; has(\"rate\") and ($2))" "$1"
}

@test "headroom: both sources count alike what nobody bound; --all-namespaces sees the other side's lanes" {
  serve far "$far4" 8000
  serve near "$near4" 9000
  serve far "$far6" 8000
  hold 'held = [go() for i in range(11)] + [go(to=FAR6) for i in range(4)]'
  connect_py "
far = [go(to=NEAR4, port=9000) for i in range(6)]
print('ready', flush=True)
sys.stdin.read()"
  launch far "$python" "$py"
  await_line "$launch_out" ready
  headroom --source bpf
  mv "$tmp/rows" "$tmp/bpf"
  headroom --source diag
  equal "the sources" "$(cat "$tmp/rows")" "$(cat "$tmp/bpf")"
  equal lanes "$(jq -r 'select(.scope == "lane") | "\(.used) \(.source) \(.destination)"' "$tmp/rows")" \
    "11 $near4 $far4"$'\n'"4 $near6 $far6"
  headroom --all-namespaces "$near4:9000"
  equal namespaces "$(jq .netns "$tmp/rows" | sort -u | wc -l | awk '{ print ($1 >= 2) }')" 1
  # Whoever else tests here has lanes between the same addresses.
  mv "$tmp/rows" "$tmp/all"
  jq "select(.netns == $(far stat -L -c %i /proc/self/ns/net))" "$tmp/all" >"$tmp/rows"
  equal "the lane from far" "$(of '[.used, .source]' | jq -c)" "[6,\"$far4\"]"
}

@test "headroom: an ordinary user has sock_diag, and says so where BPF is asked for" {
  serve far "$far4" 8000
  hold 'held = [go() for i in range(3)]'
  # By setpriv itself, which still may where a directory on the way is closed to others.
  nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  near "${nobody[@]}" "$berth" headroom --json >"$tmp/rows" 2>"$tmp/words"
  equal used "$(of .used)" 3
  grep -q "counted by sock_diag" "$tmp/words"
  headroom 2>"$tmp/words"
  equal "words to root" "$(cat "$tmp/words")" ""
  run -2 near "${nobody[@]}" "$berth" headroom --source bpf
  [[ $output = *"the kernel refused a program that counts sockets"*"run as root"* ]]
}

@test "headroom: nobody talks there yet; what cannot be meant is refused" {
  range 40000 40099
  run --separate-stderr near "$berth" headroom --protocol tcp 192.0.2.1:https
  equal "status and rows" "$status$output" 0
  [[ $stderr = *"no lane toward 192.0.2.1:https"*"choose from 100 ports (40000-40099, 0 reserved, 0 bound"* ]]
  for bad in 192.0.2 192.0.2.1:no-such-service --alert=0% --alert=120% --every=0 --limit=x --protocol=sctp; do
    run -2 near "$berth" headroom "$bad"
    equal lines "${#lines[@]}" 1
  done
  run -2 near "$berth" headroom 192.0.2.1 192.0.2.2
}
