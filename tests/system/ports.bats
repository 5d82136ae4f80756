# SPDX-License-Identifier: BSD-2-Clause
# Who holds which port: equal to what ss, lsof and the kernel's own tables say, from both sources.
# shellcheck shell=bash disable=SC2154,SC2317
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

nobody4=10.9.0.99

# A process with sockets of every kind in the near namespace; its ids are $zoo and $zoo_child.
make_zoo()
{
  near ip neigh add $nobody4 lladdr 02:00:00:00:00:99 dev near0
  launch near "$python" "$BATS_TEST_DIRNAME/ports_zoo.py" "$near4" $nobody4 "$near6"
  await_line "$launch_out" ready
  # shellcheck disable=SC2034
  read -r _ zoo zoo_child zoo_port <"$launch_out"
}

# rows SOURCE [FILTER...]: as JSON, sorted, without what changes with time
rows()
{
  local source=$1

  shift
  near "$berth" ports --json --details --source "$source" "$@" | jq -cS 'del(.timer_ms)' | sort
}

@test "ports: both sources give the same rows, with and without details" {
  make_zoo
  for more in --details --all-namespaces; do
    for source in bpf diag; do
      near "$berth" ports --json $more --source $source | jq -cS 'del(.timer_ms)' | sort >"$tmp/$source"
    done
    # Elsewhere on the host sockets come and go.
    if [ $more = --all-namespaces ]; then
      inode=$(near stat -Lc %i /proc/self/ns/net)
      for source in bpf diag; do
        grep "\"netns\":$inode\b" "$tmp/$source" >"$tmp/$source.near"
        mv "$tmp/$source.near" "$tmp/$source"
      done
    fi
    diff "$tmp/bpf" "$tmp/diag"
    [ "$(wc -l <"$tmp/bpf")" -gt 60 ]
  done
}

@test "ports: both sources give the same rows of a crowd, too, which two walks read at once" {
  make_zoo
  launch near "$build/bench/net/bench-crowd" 2 6000
  await_line "$launch_out" ready
  for source in bpf diag; do
    rows $source >"$tmp/$source"
  done
  diff "$tmp/bpf" "$tmp/diag"
  [ "$(wc -l <"$tmp/bpf")" -gt 6050 ]
  near "$python" "$BATS_TEST_DIRNAME/ports_compare.py" ss "$tmp/bpf" "$zoo_port"
}

@test "ports: rows are equal to those of ss, of lsof and of /proc/net" {
  make_zoo
  for source in bpf diag; do
    rows $source >"$tmp/rows"
    for other in ss lsof proc; do
      near "$python" "$BATS_TEST_DIRNAME/ports_compare.py" $other "$tmp/rows" "$zoo_port"
    done
  done
}

@test "ports: every state, and who holds what" {
  make_zoo
  for source in bpf diag; do
    rows $source >"$tmp/rows"
    for state in established syn-sent syn-recv fin-wait-2 time-wait unconnected close-wait listening bound; do
      jq -e --slurp --arg s $state 'any(.state == $s)' "$tmp/rows" >"$tmp/o" || { echo "$source: no $state"; false; }
    done
    # A process counts once for a socket however often it has it; so does its fork.
    equal "rows of one socket and process" "$(jq -r 'select(.pid) | [.inode, .pid, .protocol, .local, .port, .peer_port] | @tsv' \
      "$tmp/rows" | sort | uniq -d)" ""
    equal "holders of a forked listener" "$(jq -r --slurp 'map(select(.pid and .state == "listening")) |
      group_by([.inode, .protocol]) | map(length) | max' "$tmp/rows")" 2
    # The one on its way has nobody, the one of a thread alone has its process alone.
    equal "listeners of nobody" "$(jq -r 'select(.state == "listening" and (has("pid") | not)) | .protocol' "$tmp/rows")" tcp
    equal "listeners that only the process has" "$(jq -r --slurp --argjson p "$zoo" 'map(select(.state == "listening")) |
      group_by(.inode) | map(select(map(.pid) == [$p])) | length' "$tmp/rows")" 1
    equal "TIME_WAIT has no holder" "$(jq -c 'select(.state == "time-wait") | [has("pid"), has("user")]' "$tmp/rows" | sort -u)" \
      "[false,false]"
  done
}

@test "ports: filters, as words and as fields" {
  make_zoo
  rows diag >"$tmp/all"
  port=$(jq -r --slurp 'map(select(.state == "listening" and .v6only == true))[0].port' "$tmp/all")
  match()
  {
    local want=$1

    shift
    for source in bpf diag; do
      rows $source "$@" >"$tmp/got" || true
      jq -c "select($want)" "$tmp/all" | sort >"$tmp/want"
      diff "$tmp/want" "$tmp/got" || { echo "$source: $*"; return 1; }
    done
    [ -s "$tmp/want" ]
  }
  # First what is gone after a minute.
  match '.state == "time-wait" or .state == "syn-recv"' state=time-wait syn-recv
  match '(.peer_address // "") | sub("^::ffff:"; "") | startswith("10.9.0.")' to=10.9.0.0/24
  match '.state == "listening"' listening
  match ".port == $port" "$port"
  match ".port == $port or .port == 9" "$port" 1-9 || match ".port == $port" "$port" 1-9
  match '.protocol == "udp" and .state == "unconnected"' udp unconnected
  match ".pid == $zoo_child" "pid=$zoo_child"
  match '.exposure == "private"' private
  match ".peer_address == \"$nobody4\" and .peer_port == 9" "to=$nobody4:9"
  match '.program == "python3"' python3
  match '.protocol == "raw"' raw
  match '.user == "root" and .class == "dynamic"' user=root dynamic
  run near "$berth" ports 1
  equal "nothing found" "$status" 1
  run near "$berth" ports colour=red
  equal "no such field" "$status" 2
  [[ $output == *'there is no field "colour"'* ]]
}

@test "ports: counts in the kernel are those of the rows" {
  make_zoo
  for field in state protocol port peer destination netns address exposure program pid class; do
    for source in bpf diag; do
      near "$berth" ports --json --count-by $field --source $source | jq -cS . | sort >"$tmp/count.$source"
    done
    diff "$tmp/count.bpf" "$tmp/count.diag"
  done
  # A socket counts once, whoever holds it.
  near "$berth" ports --json --count-by state --source bpf | jq -c '[.state, .sockets]' | sort >"$tmp/count"
  rows bpf | jq -c 'del(.pid, .program, .exe, .cgroup, .unit, .user)' | sort -u | jq -rs 'group_by(.state)[] | [.[0].state, length] | tojson' |
    sort >"$tmp/want"
  diff "$tmp/want" "$tmp/count"
}

@test "ports: names of processes and cgroups that attack a terminal" {
  mkdir "$cgroup/$(printf 'e\033[2J\x9b\xff.service')"
  cat >"$tmp/evil.py" <<'END'
import ctypes, os, socket, sys
with open(sys.argv[1].encode("utf-8", "surrogateescape") + b"/cgroup.procs", "w") as f:
    f.write(str(os.getpid()))
s = socket.socket(); s.bind(("127.0.0.1", 4321)); s.listen()
ctypes.CDLL(None).prctl(15, b"\x1b]0;x\n\"\\\xff\x9b", 0, 0, 0)
print("ready", flush=True)
sys.stdin.read()
END
  launch near "$python" "$tmp/evil.py" "$(echo "$cgroup"/*.service)"
  await_line "$launch_out" ready
  for source in bpf diag; do
    for how in "" "--json" "--json --ancestry" "--ancestry" "--count-by program" "--count-by unit" "--json --count-by unit" \
      "--columns program,unit,cgroup"; do
      # shellcheck disable=SC2086
      near "$berth" ports 4321 --source $source $how >"$tmp/o"
      [ -s "$tmp/o" ]
      # Nothing but printing ASCII and newlines.
      if LC_ALL=C grep -qP '[^\x20-\x7e]' "$tmp/o" && LC_ALL=C grep -P '[\x00-\x1f\x7f]|\xc2[\x80-\x9f]' "$tmp/o"; then
        echo "$source $how"
        false
      fi
      [[ $how != *json* ]] || jq -e . "$tmp/o" >"$tmp/parsed"
    done
    equal program "$(near "$berth" ports 4321 --source $source --json | jq -r '.program | @json')" \
      "$(printf '"\\u001b]0;x\\n\\"\\\\\xef\xbf\xbd\xef\xbf\xbd"')"
    equal "lines of the table" "$(near "$berth" ports 4321 --source $source | wc -l)" 2
  done
  near "$berth" ports free 4321 --dry-run >"$tmp/o"
  equal "lines of free" "$(wc -l <"$tmp/o")" 1
  equal "bytes that are no text" "$(LC_ALL=C grep -cP '[\x00-\x1f\x7f]' "$tmp/o" || true)" 0
}

@test "ports: without privileges own sockets have owners, and berth says what it cannot see" {
  chmod 711 "$tmp"
  launch near setpriv --reuid 65534 --regid 65534 --clear-groups "$python" -c 'import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 4400)); s.listen(); print("ready", flush=True); sys.stdin.read()'
  await_line "$launch_out" ready
  mine=$launch_pid
  launch near "$python" -c 'import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 4401)); s.listen(); print("ready", flush=True); sys.stdin.read()'
  await_line "$launch_out" ready
  cp "$berth" "$tmp/berth"
  near setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all "$tmp/berth" ports --json 4400-4401 >"$tmp/o" 2>"$tmp/err"
  equal rows "$(jq -c '[.port, .pid, .user]' "$tmp/o" | sort | tr '\n' ' ')" '[4400,'"$mine"',"nobody"] [4401,null,"root"] '
  grep -q "who holds 1 of them the kernel does not tell uid 65534" "$tmp/err"
  near setpriv --bounding-set=-all --inh-caps=-all "$berth" ports 4400 >"$tmp/o" 2>"$tmp/err"
  grep -q "who holds 1 of them the kernel does not tell this root" "$tmp/err"
  near unshare --pid --fork --mount-proc "$berth" ports 4400-4401 >"$tmp/o" 2>"$tmp/err"
  grep -q "who holds 2 of them is not in this PID namespace" "$tmp/err"
  near "$berth" ports 4400-4401 >"$tmp/o" 2>"$tmp/err"
  equal "nothing is hidden from root" "$(cat "$tmp/err")" ""
}

@test "ports: in a PID namespace process ids are those of it" {
  cat >"$tmp/inside.sh" <<END
"$python" -c 'import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 4410)); s.listen(); print("ready", flush=True); sys.stdin.read()' <"$tmp/end" >"$tmp/inside" &
pid=\$!
until grep -q ready "$tmp/inside"; do read -rt 0.01 <> <(:) || :; done
for source in auto diag; do
  BERTH_SOCKETS= "$berth" ports --json --source \$source 4410 | jq -c "[.pid == \$pid, .program]"
done
BERTH_SOCKETS=bpf "$berth" ports --json 4410 | jq -c "[.pid == \$pid, .program]"
"$berth" ports --source bpf 4410
"$berth" ports --source bpf --json --count-by port 4410
exec {hold}>&-
END
  mkfifo "$tmp/end"
  exec {hold}<>"$tmp/end"
  near unshare --pid --fork --mount-proc --kill-child bash "$tmp/inside.sh" >"$tmp/o" 2>"$tmp/err" {hold}>&$hold || :
  exec {hold}>&-
  equal rows "$(tr '\n' ' ' <"$tmp/o")" '[true,"python3"] [true,"python3"] [true,"python3"] {"port":4410,"sockets":1} '
  grep -q "^berth ports: bpf: .*PID namespace" "$tmp/err"
}

@test "ports: ten thousand processes hold one socket" {
  launch near "$build/tests/tools/test-flock" 10000 4500
  await_line "$launch_out" .
  read -r answer <"$launch_out"
  [ "$answer" = ready ] || skip "$answer"
  for source in bpf diag; do
    near "$berth" ports 4500 --json --source $source >"$tmp/o"
    equal "$source: rows" "$(wc -l <"$tmp/o")" 10001
    equal "$source: processes" "$(grep -o '"pid":[0-9]*' "$tmp/o" | sort -u | wc -l)" 10001
  done
}

@test "ports: processes that end while they are read" {
  launch near bash -c "while :; do '$python' -c 'import socket
s = [socket.socket() for _ in range(50)]
for x in s: x.bind((\"127.0.0.1\", 0)); x.listen()'; done"
  for ((i = 0; i < 6; i++)); do
    for source in bpf diag; do
      near "$berth" ports --json --source $source >"$tmp/o" || [ $? = 1 ]
      jq -e -c 'select(.protocol and .state and (.pid == null or (.program and .user)) | not)' "$tmp/o" >"$tmp/odd" || true
      equal "odd rows" "$(cat "$tmp/odd")" ""
    done
  done
}

# A listener at 127.0.0.1 PORT in the near namespace; its id is $launch_pid.
listen_at()
{
  launch near "$python" -c 'import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); print("ready", flush=True); sys.stdin.read()' "$1"
  await_line "$launch_out" ready
}

@test "ports free: says who it is, ends it, or only its socket" {
  listen_at 4600
  server=$launch_pid
  near "$berth" ports free 4600 --dry-run >"$tmp/o"
  grep -q "^tcp 127.0.0.1:4600 listening: python3, pid $server, user root" "$tmp/o"
  near "$berth" ports listening 4600
  near "$berth" ports free 4600 >"$tmp/o"
  ended "$server"
  run near "$berth" ports free 4600
  equal "nobody holds it any more" "$status" 1
  launch near "$python" -c 'import socket, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = socket.socket(); s.bind(("127.0.0.1", 4601)); s.listen(); print("ready", flush=True)
try:
    s.accept()
except OSError as e:
    print("error", e.errno, flush=True)
signal.pause()'
  await_line "$launch_out" ready
  near "$berth" ports free --socket 4601
  await_line "$launch_out" error
  kill -0 "$launch_pid"
  run near "$berth" ports 4601 listening
  equal "no listener is left" "$status" 1
}

@test "ports --watch: what comes and goes" {
  listen_at 4699
  launch near "$berth" ports listening --json --watch --every 0.05
  out=$launch_out watch=$launch_pid
  await grep -q '"port":4699.*"event":"present"' "$out"
  listen_at 4700
  await grep -q '"port":4700.*"event":"opened"' "$out"
  kill "$launch_pid"
  await grep -q '"port":4700.*"event":"closed"' "$out"
  kill "$watch"
  await ended "$watch"
  jq -e . "$out" >"$tmp/parsed"
}

# same_rows FILE: whether what --watch has written there are the rows of $tmp/plain
same_rows()
{
  jq -cS 'del(.timer_ms, .event)' "$1" | sort | cmp -s - "$tmp/plain"
}

@test "ports --watch: the first look has each row, whatever it shares with others" {
  make_zoo
  near "$python" -c 'import socket
s = socket.create_server(("127.0.0.1", 4690))
for _ in range(3):
    c = socket.create_connection(("127.0.0.1", 4690))
    p, _ = s.accept()
    c.close()
    p.close()'
  for source in bpf diag; do
    rows $source >"$tmp/plain"
    # Holders of one socket, and connections that nobody holds, to one address.
    [ "$(jq -s '[.[] | select(.inode)] | length - (unique_by(.inode) | length)' "$tmp/plain")" -gt 0 ]
    [ "$(jq -s '[.[] | select(.state == "time-wait")] | length' "$tmp/plain")" -gt 2 ]
    launch near "$berth" ports --json --details --source $source --watch
    await same_rows "$launch_out" || {
      diff <(jq -cS 'del(.timer_ms, .event)' "$launch_out" | sort) "$tmp/plain" || false
    }
    kill "$launch_pid"
    await ended "$launch_pid"
  done
}

@test "ports: real servers, a berth run, another namespace" {
  mkdir "$tmp/nginx"
  printf 'daemon off; pid "%s/pid"; error_log stderr; events {}\nhttp { access_log off; server { listen %s:4800; } }\n' \
    "$tmp/nginx" "$near4" >"$tmp/nginx.conf"
  launch near nginx -p "$tmp/nginx" -c "$tmp/nginx.conf"
  await_listen near t 4800
  near "$berth" ports nginx --json >"$tmp/o"
  equal "exposure" "$(jq -r '.exposure' "$tmp/o" | sort -u)" private
  serve far "$far4" 8000
  launch near "$berth" run --ports 20000-20099 -- "$client" tcp --count 5 --hold "$far4" 8000
  await_lines "$launch_out" 5
  equal "assigned" "$(near "$berth" ports "to=$far4:8000" assigned --json | jq -s 'map(select(.port >= 20000 and .port <= 20099)) | length')" 5
  launch near "$berth" run --via preload --ports 20100-20199 -- "$client" tcp --count 3 --hold "$far4" 8000
  await_lines "$launch_out" 3
  # Of the same pool, but of its program's own choice.
  other=$(seq 20100 20199 | grep -vxFf <(cut -d' ' -f2 "$launch_out") | tail -n 1)
  launch near python3 -c 'import signal, socket, sys
s = socket.create_connection((sys.argv[1], 8000), source_address=("", int(sys.argv[2]))); print(flush=True); signal.pause()' "$far4" "$other"
  await_lines "$launch_out" 1
  equal "assigned by preload" "$(near "$berth" ports "to=$far4:8000" assigned --json | jq -s 'map(select(.port >= 20100 and .port <= 20199)) | length')" 3
  equal "and without privileges" "$(near setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all \
    "$berth" ports "to=$far4:8000" assigned --json | wc -l)" 0
  [ "$(near "$berth" ports 8000 listening --json | wc -l)" = 0 ]
  # Others of the host may listen at that port, too.
  equal "in the other namespace" "$(near "$berth" ports 8000 listening --all-namespaces --json |
    jq -r "select(.netns == $(far stat -Lc %i /proc/self/ns/net)) | .program")" bench-server
}

@test "ports: the schema that is documented is the one that is printed" {
  "$berth" ports --schema >"$tmp/schema"
  grep '^|' "$BATS_TEST_DIRNAME/../../docs/ports.md" | diff - "$tmp/schema"
  make_zoo
  awk -F'[`]' '/^\| `/ { print $2 }' "$tmp/schema" | sort >"$tmp/documented"
  rows bpf | jq -r 'keys[]' | sort -u >"$tmp/used"
  equal "members that are not documented" "$(comm -13 "$tmp/documented" "$tmp/used")" ""
}
