# SPDX-License-Identifier: BSD-2-Clause
# Who may bind which port: allow and deny rules in the kernel, pinned, without a process of berth.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
# Folder of the pins of this version.
version=grant-v$(sed -n 's/^#define BERTH_GRANT_ABI \([0-9]*\)u/\1/p' "$BATS_TEST_DIRNAME/../../abi/grant.h")

# Directories of cgroups that a test made outside of its own; whoever has just ended may be in one for a moment.
teardown()
{
  [ ${#made[@]} = 0 ] || await none_made || true
  system_teardown
}

none_made()
{
  local at

  rmdir "${made[@]}" 2>/dev/null
  for at in "${made[@]}"; do
    [ ! -e "$at" ] || return 1
  done
}

# The rules hold for the test's own cgroup, and are pinned in a BPF file system of its own.
setup()
{
  made=()
  system_setup
  near sh -c 'mkdir /run/bpf /run/lib && mount -t bpf bpf /run/bpf && mount --bind /run/lib /var/lib'
  near mount -t tmpfs none /etc/sysctl.d
  near install -m 755 "$build/tests/tools/test-bind" /run/bind
}

grant()
{
  near "$berth" grant --bpffs /run/bpf --cgroup "$cgroup" "$@"
}

# rules RULE...: puts them in force
rules()
{
  local rule options=()

  for rule in "$@"; do
    options+=(--rule "$rule")
  done
  grant "${options[@]}" 2>"$tmp/e"
}

# try UID[:GROUPS] [OPTION...] ADDR PORT: "ok PORT" or "refused ERRNO"
try()
{
  local who=$1 groups=()

  shift
  [[ $who != *:* ]] && groups=(--clear-groups) || groups=(--groups "${who#*:}")
  near setpriv --reuid "${who%%:*}" --regid "${who%%:*}" "${groups[@]}" /run/bind "$@" || true
}

# may UID ARGS..., may_not UID ARGS...: outcome of try, EACCES in the second
may()
{
  equal "bind by $*" "$(try "$@")" "ok ${*: -1}"
}

may_not()
{
  equal "bind by $*" "$(try "$@")" "refused EACCES"
}

counter()
{
  grant --json | jq ".counters.$1"
}

@test "allow: a static program of the user binds a low port, everybody else does not" {
  equal "interpreters of test-bind" "$(readelf -lW "$build/tests/tools/test-bind" | count_lines INTERP)" 0
  may_not 1234 127.0.0.1 80
  rules 'allow user=1234 tcp 80,443'
  for addr in 127.0.0.1 "$near4" 0.0.0.0 ::1 "$near6" :: ::ffff:127.0.0.1 ::ffff:0.0.0.0; do
    may 1234 "$addr" 80
    may_not 1235 "$addr" 80
  done
  may 1234 ::1 443
  may_not 1234 127.0.0.1 81
  may_not 1234 --udp 127.0.0.1 80
  may 0 127.0.0.1 81
  equal granted "$(counter granted)" 9
  grant --remove
  may_not 1234 127.0.0.1 80
}

@test "allow: UDP, both protocols, groups and everybody" {
  rules 'allow user=1234 udp 53' 'allow group=77 tcp,udp 80' 'allow tcp 99'
  may 1234 --udp :: 53
  may_not 1234 127.0.0.1 53
  may 1:77 127.0.0.1 80
  may 1:5,77,900 --udp ::1 80
  may 77 127.0.0.1 80
  may_not 1:76,78 127.0.0.1 80
  may 4321 ::1 99
  may_not 4321 --udp ::1 99
}

@test "allow: addresses; a wildcard is more than one of them" {
  rules 'allow user=1234 tcp 80 on 127.0.0.0/8' 'allow user=1234 tcp 81 on ::/0' 'allow user=1234 tcp 82 on 0.0.0.0/0' \
    "allow user=1234 tcp 83 on 127.0.0.1,$near6" 'allow user=1235 tcp 80 on 127.0.0.2'
  may 1234 127.0.0.1 80
  may 1234 ::ffff:127.0.0.9 80
  may 1234 127.0.0.2 80
  may 1235 127.0.0.2 80
  may_not 1235 127.0.0.1 80
  may_not 1234 "$near4" 80
  may_not 1234 0.0.0.0 80
  may_not 1234 ::1 80
  may 1234 ::1 81
  may_not 1234 127.0.0.1 81
  may_not 1234 ::ffff:127.0.0.1 81
  may_not 1234 :: 81
  may 1234 --v6only :: 81
  may 1234 0.0.0.0 82
  may_not 1234 --v6only :: 82
  may 1234 "$near6" 83
  may_not 1234 ::1 83
}

@test "allow: prefixes of many lengths" {
  local prefixes=10.0.0.0/8 len

  for len in {16..26}; do
    prefixes+=,10.9.0.0/$len
  done
  add_addresses 200 200
  rules "allow user=1234 tcp 80 on $prefixes" "allow user=1235 tcp 80 on $near4" \
    'allow user=1236 tcp 80 on 0.0.0.0/0'
  for who in 1234 1235 1236; do
    may $who "$near4" 80
  done
  may 1234 10.9.0.200 80
  may_not 1235 10.9.0.200 80
  may_not 1234 127.0.0.1 80
  may 1236 127.0.0.1 80
  may_not 1236 ::1 80
}

@test "deny: nobody but the owner has the port, root neither" {
  rules 'deny tcp 5432 owner=user:1234' 'deny udp 7000-7010'
  for addr in 127.0.0.1 "$near4" 0.0.0.0 ::1 :: ::ffff:127.0.0.1; do
    may 1234 "$addr" 5432
    may_not 1235 "$addr" 5432
    may_not 0 "$addr" 5432
  done
  may 1235 --udp :: 5432
  may_not 0 --udp 127.0.0.1 7005
  may_not 0 --udp ::ffff:127.0.0.1 7005
  may 0 127.0.0.1 7005
  grant --json >"$tmp/json"
  equal refused "$(jq .counters.refused "$tmp/json")" 14
  equal "the last one" "$(jq -c '.recent[-1] | [.protocol, .address, .port, .uid, .command, .chosen]' "$tmp/json")" \
    '["udp","127.0.0.1",7005,0,"bind",false]'
  may_not 4000000000 127.0.0.1 5432
  equal "a large uid" "$(grant --json | jq '.recent[-1].uid')" 4000000000
}

@test "deny: the rule with the longest prefix decides; a wildcard needs all of them" {
  rules 'deny tcp 5432 owner=user:1234' 'deny tcp 5432 on 127.0.0.1 owner=user:1235,user:1234' \
    'deny tcp 5433 on 10.0.0.0/8 owner=user:1234'
  may 1235 127.0.0.1 5432
  may 1234 127.0.0.1 5432
  may_not 1235 127.0.0.2 5432
  may_not 1235 0.0.0.0 5432
  may 1234 0.0.0.0 5432
  may 1235 127.0.0.1 5433
  may_not 1235 "$near4" 5433
  may_not 1235 0.0.0.0 5433
  may_not 1235 :: 5433
  may 1235 --v6only :: 5433
}

@test "deny comes before allow; an owner needs an allow rule for a low port" {
  rules 'allow user=1234,1235 tcp 80' 'deny tcp 80 owner=user:1234' 'deny tcp 81 owner=user:1234'
  may 1234 127.0.0.1 80
  may_not 1235 127.0.0.1 80
  may_not 1234 127.0.0.1 81
}

@test "deny: the kernel's own choice does not get the port either" {
  near sysctl -qw net.ipv4.ip_local_port_range='40000 40003'
  rules 'deny tcp 40000-40002 owner=user:1234'
  for _ in {1..20}; do
    equal choice "$(try 0 127.0.0.1 0)" "ok 40003"
    equal choice "$(try 0 ::1 0)" "ok 40003"
  done
  # Where it is chosen although nobody reserves it, the choice is refused.
  near sysctl -qw net.ipv4.ip_local_reserved_ports=40003
  may_not 0 127.0.0.1 0
  may_not 0 :: 0
  equal counted "$(counter refused_choice)" 2
}

@test "IPV6_V6ONLY that is cleared while bind() is on its way brings no IPv4" {
  rules 'deny tcp 5432 on 0.0.0.0/0 owner=user:1234' 'allow user=1235 tcp 80 on ::/0'
  near install -m 755 "$build/tests/tools/test-widen" /run/widen
  may 1235 --v6only :: 5432
  may_not 1235 :: 5432
  for port in 5432 80; do
    equal "port $port" "$(near setpriv --reuid 1235 --regid 1235 --clear-groups /run/widen $port 6000)" kept
  done
  # Whoever has both may have them at once, and a socket that was refused once is asked anew.
  rules 'allow user=1235 tcp 80 on ::/0' 'allow user=1235 tcp 80 on 0.0.0.0/0'
  may 1235 :: 80
}

@test "a process whose cgroup cannot be told: fail= decides, and counts" {
  needs_hierarchy
  path=${cgroup#"$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)"}
  rules "deny tcp 5432 owner=cgroup:$path/db" "deny tcp 5433 owner=cgroup:$path/db fail=open" \
    "deny tcp 5434 owner=cgroup:$path/db,user:1234 fail=closed" "allow cgroup=$path/db tcp 80"
  # As if other tasks were about to read theirs, on each processor.
  id=$(near bpftool -j link show pinned "/run/bpf/berth/$version/bind4" | jq .prog_id)
  for map in $(bpftool -j prog show id "$id" | jq '.map_ids[]'); do
    [ "$(bpftool -j map show id "$map" | jq -r .name)" != scratches ] || scratches=$map
  done
  size=$(bpftool -j map show id "$scratches" | jq .bytes_value)
  # taken N: sets the last word of each
  taken() {
    for key in 0 1 2 3; do
      # shellcheck disable=SC2046 # a word is a byte
      bpftool map update id "$scratches" key $key 0 0 0 value $(head -c $((size - 8)) /dev/zero | od -An -v -tu1) "$1" 0 0 0 0 0 0 0
    done
  }
  taken 1
  equal "without fail=" "$(in_cgroup db /run/bind :: 5432)" "refused EACCES"
  equal open "$(in_cgroup db /run/bind :: 5433)" "ok 5433"
  equal closed "$(in_cgroup db /run/bind :: 5434)" "refused EACCES"
  equal "another name" "$(in_cgroup db setpriv --reuid 1234 --regid 1234 --clear-groups /run/bind :: 5434)" "ok 5434"
  equal allow "$(in_cgroup db setpriv --reuid 1234 --regid 1234 --clear-groups /run/bind :: 80)" "refused EACCES"
  equal counted "$(grant --json | jq -c '[.counters | .failed_open, .failed_closed, .refused]')" "[1,2,2]"
  taken 0
  equal owner "$(in_cgroup db /run/bind :: 5432)" "ok 5432"
  equal stranger "$(in_cgroup other /run/bind :: 5433)" "refused EACCES"
}

@test "deny: a run in progress gives the port up, for connect() and bind(), and gets it back" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  # Reads a number, and opens as many sockets in each way: "WAY PORTS", then "done".
  connect_py '
UDP = socket.SOCK_DGRAM
def bound(family, kind, addr):
    s = socket.socket(family, kind)
    s.bind((addr, 0))
    return s
ways = {
    "tcp4": lambda: go(), "tcp6": lambda: go(FAR6), "address": lambda: go(bind=(NEAR4, 0), options=[(0, 24, 1)]),
    "udp4": lambda: go(kind=UDP), "udp6": lambda: go(FAR6, kind=UDP),
    "bind4": lambda: bound(socket.AF_INET, socket.SOCK_STREAM, NEAR4),
    "bind6": lambda: bound(socket.AF_INET6, UDP, "::")}
def once(way):
    try:
        s = way()
    except OSError as e:
        return errno.errorcode[e.errno]
    port = str(port_of(s))
    abort(s) if s.type == socket.SOCK_STREAM else s.close()
    return port
print("ready", flush=True)
for line in open(sys.argv[1]):
    for name, way in ways.items():
        print(name, *sorted({once(way) for i in range(int(line))}), flush=True)
    print("done", flush=True)'
  mkfifo "$tmp/go"
  exec {go}<>"$tmp/go"
  launch near "$berth" run --ports 40000-40003 -- "$python" "$py" "$tmp/go"
  run_out=$launch_out turns=0
  await_line "$run_out" ready
  have_answered() { [ "$(grep -c "^done" "$run_out")" = "$turns" ]; }
  # answers COUNT: the lines of all ways
  answers() {
    echo "$1" >&"$go"
    turns=$((turns + 1))
    await have_answered
    tail -8 "$run_out" | grep -v "^done" >"$tmp/answers"
  }
  # assigned COUNT WANTED: by all ways alike
  assigned() {
    answers "$1"
    equal "assigned, $2" "$(cut -d' ' -f2- "$tmp/answers" | sort -u)" "$2"
  }
  assigned 40 "40000 40001 40002 40003"
  rules 'deny tcp 40000-40001' 'deny udp 40002 owner=user:0'
  equal "nothing to say" "$(grep -c began "$tmp/e" || true)" 0
  assigned 40 40003
  # One that is added to them, and one that is taken out, by another set of rules.
  rules 'deny tcp 40000,40003'
  assigned 200 "40001 40002"
  grant --observe --rule 'deny tcp 40002'
  assigned 200 "40000 40001 40002 40003"
  rules 'deny tcp 40000-40003'
  answers 1
  equal "all are denied" "$(sort "$tmp/answers" | grep -v bind)" "address EADDRNOTAVAIL
tcp4 EADDRNOTAVAIL
tcp6 EADDRNOTAVAIL
udp4 EAGAIN
udp6 EAGAIN"
  grant --remove
  assigned 200 "40000 40001 40002 40003"
}

@test "deny: a run that begins while the rules are loaded does not miss them" {
  serve far "$far4" 8000
  near mkdir /run/berth
  mkfifo "$tmp/release"
  exec {release}<>"$tmp/release"
  # The lock of the registry is held until both wait for it: the run has read its pool, the rules are saved.
  # shellcheck disable=SC2016
  launch near flock /run/berth/lock sh -c 'echo locked; read -r x <"$0"' "$tmp/release"
  await_line "$launch_out" locked
  waits() { grep -qE -- "-> FLOCK .* $1 " /proc/locks; }
  launch near "$berth" run --ports 40000-40001 -- "$client" tcp --count 2 --hold "$far4" 8000
  run_pid=$launch_pid run_out=$launch_out
  await waits "$run_pid"
  launch near "$berth" grant --bpffs /run/bpf --cgroup "$cgroup" --rule 'deny tcp 40000'
  await waits "$launch_pid"
  # Told to stop is not stopped: it would take the lock and stop then.
  kill -STOP "$run_pid"
  await grep -q '^State:.T' "/proc/$run_pid/status"
  echo >&"$release"
  wait "$launch_pid"
  kill -CONT "$run_pid"
  await_lines "$run_out" 2
  equal assigned "$(cut -d' ' -f2 "$run_out" | sort | tr '\n' ' ')" "40001 EADDRNOTAVAIL "
}

@test "deny: a run through the shim gives the port up, too, and one that berth was killed under" {
  serve far "$far4" 8000
  connect_py '
print("ready", flush=True)
for line in open(sys.argv[1]):
    ports = set()
    for i in range(int(line)):
        s = go()
        ports.add(port_of(s))
        abort(s)
    print("had", *sorted(ports), flush=True)'
  for via in bpf preload; do
    mkfifo "$tmp/$via"
    exec {go}<>"$tmp/$via"
    launch near "$berth" run --via $via --ports 20000-20001 -- "$python" "$py" "$tmp/$via"
    await_line "$launch_out" ready
    [ $via = preload ] || { kill -KILL "$launch_pid" && await ended "$launch_pid"; }
    echo 20 >&"$go"
    await_line "$launch_out" '^had 20000 20001$'
    rules 'deny tcp 20000'
    echo 40 >&"$go"
    await_line "$launch_out" '^had 20001$'
    grant --remove
    echo 100 >&"$go"
    await_lines "$launch_out" 4
    equal "after it, $via" "$(tail -1 "$launch_out")" "had 20000 20001"
  done
}

@test "deny: a run of another version is named" {
  launch near "$berth" run --ports 40001-40003 -- sh -c 'echo ready; exec cat'
  await_line "$launch_out" ready
  # The file itself is written, since its lock says that the run is alive.
  # shellcheck disable=SC2016
  near sh -c 'for run in /run/berth/*.json; do
    sed "s/\"abi\": [0-9]*/\"abi\": 1/" "$run" >/run/old && cat /run/old >"$run"; done'
  rules 'deny tcp 40002'
  grep -q "the run of process $launch_pid (bpf, version 1) began with port 40002 in its pool and may assign it" "$tmp/e"
  rules 'deny tcp 40004'
  equal "nothing to say" "$(grep -c began "$tmp/e" || true)" 0
}

@test "a setuid or setgid program is whom it runs as" {
  near install -m 4755 -o 1234 "$build/tests/tools/test-bind" /run/setuid
  rules 'allow user=1234 tcp 80' 'deny tcp 5432 owner=user:1234'
  equal setuid "$(near setpriv --reuid 1235 --regid 1235 --clear-groups /run/setuid 127.0.0.1 80)" "ok 80"
  equal setuid "$(near setpriv --reuid 1235 --regid 1235 --clear-groups /run/setuid 127.0.0.1 5432)" "ok 5432"
  rules 'allow group=77 tcp 80'
  near install -m 2755 -g 77 "$build/tests/tools/test-bind" /run/setgid
  equal setgid "$(near setpriv --reuid 1235 --regid 1235 --clear-groups /run/setgid 127.0.0.1 80)" "ok 80"
  equal "without it" "$(try 1235 127.0.0.1 80)" "refused EACCES"
}

@test "root of a user namespace is the user outside" {
  rules 'allow user=1234 tcp 80' 'deny tcp 5432 owner=user:0'
  in_userns() { near setpriv --reuid "$1" --regid "$1" --clear-groups unshare -Ur /run/bind 127.0.0.1 "$2" || true; }
  equal "1234 as root" "$(in_userns 1234 80)" "ok 80"
  equal "1235 as root" "$(in_userns 1235 80)" "refused EACCES"
  equal "1235 as root, denied" "$(in_userns 1235 5432)" "refused EACCES"
}

# A path of a cgroup is that of the hierarchy, which a cgroup namespace hides.
needs_hierarchy()
{
  [ "$(stat -c %i "$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)")" = 1 ] ||
    skip "the root of cgroup v2 is hidden here"
}

# in_cgroup PATH COMMAND...: in a cgroup below the test's own
in_cgroup()
{
  local at=$cgroup/$1

  mkdir -p "$at"
  shift
  # shellcheck disable=SC2016
  near sh -c 'echo 0 >"$0/cgroup.procs" && shift 0 && exec "$@"' "$at" "$@" || true
}

@test "a cgroup is known by its path, with all below it; who leaves it loses the right" {
  needs_hierarchy
  path=${cgroup#"$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)"}
  rules "allow cgroup=$path/web tcp 80" "deny tcp 5432 owner=cgroup:$path/db"
  bind80=(setpriv --reuid 1234 --regid 1234 --clear-groups /run/bind 127.0.0.1 80)
  equal outside "$(in_cgroup other "${bind80[@]}")" "refused EACCES"
  equal inside "$(in_cgroup web "${bind80[@]}")" "ok 80"
  equal below "$(in_cgroup web/a/b/c "${bind80[@]}")" "ok 80"
  equal "another of that name" "$(in_cgroup other/web "${bind80[@]}")" "refused EACCES"
  equal "a longer name" "$(in_cgroup webs "${bind80[@]}")" "refused EACCES"
  equal owner "$(in_cgroup db /run/bind :: 5432)" "ok 5432"
  equal stranger "$(in_cgroup web /run/bind :: 5432)" "refused EACCES"
  # A cgroup namespace, as containers have, changes what a process sees, not what it is.
  equal "in a cgroup namespace" "$(in_cgroup web/a unshare -C "${bind80[@]}")" "ok 80"
  # Removed and made again it is the same.
  rmdir "$cgroup/web/a/b/c" "$cgroup/web/a/b" "$cgroup/web/a" "$cgroup/web"
  equal again "$(in_cgroup web "${bind80[@]}")" "ok 80"
  # shellcheck disable=SC2016
  equal "who leaves" "$(in_cgroup web sh -c '/run/bind :: 80; echo 0 >"$0/cgroup.procs"; exec setpriv --reuid 1234 \
    --regid 1234 --clear-groups /run/bind :: 80' "$cgroup/other" | tr '\n' ' ')" "ok 80 refused EACCES "
}

@test "a container is the cgroup that its host has put it into" {
  needs_hierarchy
  path=${cgroup#"$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)"}
  mount=${cgroup%"$path"}
  grant --every-netns --rule "deny tcp 5432 owner=cgroup:$path/db.scope" --rule "allow cgroup=$path/web.scope tcp 80"
  # As a runtime makes one: all namespaces its own, cgroup v2 mounted inside, a cgroup made there for its payload.
  # shellcheck disable=SC2016
  container() {
    in_cgroup "$1" unshare --fork --pid --mount --uts --ipc --net --cgroup sh -c '
      umount -l "$1" && mount -t cgroup2 none "$1" && mkdir -p "$1/payload" && echo 0 >"$1/payload/cgroup.procs" && grep ^0:: /proc/self/cgroup &&
      shift && exec "$@"' sh "$mount" "${@:2}"
  }
  equal "what it sees of itself" "$(container db.scope true)" "0::/payload"
  equal owner "$(container db.scope /run/bind :: 5432 | tail -1)" "ok 5432"
  equal stranger "$(container other.scope /run/bind :: 5432 | tail -1)" "refused EACCES"
  equal "with a user namespace" "$(container other.scope unshare -Ur /run/bind 0.0.0.0 5432 | tail -1)" "refused EACCES"
  low=(setpriv --reuid 1234 --regid 1234 --clear-groups /run/bind 0.0.0.0 80)
  equal "a low port" "$(container web.scope "${low[@]}" | tail -1)" "ok 80"
  equal "not that of others" "$(container other.scope "${low[@]}" | tail -1)" "refused EACCES"
  # What a container names is not known by the same name outside: it can make no rules about cgroups.
  container other.scope "$berth" grant --dry-run --rule 'allow cgroup=/db.scope tcp 80' >"$tmp/o" 2>"$tmp/e"
  grep -q 'the root of cgroup v2 is not to be seen from inside a cgroup namespace' "$tmp/e"
}

@test "a unit is known by its place, whether it runs or not" {
  needs_hierarchy
  mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
  unit=berth-test-$$-$BATS_TEST_NUMBER
  # place PATH...: directories of the hierarchy's own, as systemd makes them; the teardown takes them away
  place() {
    local at
    for at in "$@"; do
      [ -d "$mount/$at" ] || { mkdir "$mount/$at" && made=("$mount/$at" "${made[@]}"); }
    done
  }
  place system.slice "system.slice/$unit.slice" "system.slice/other-$unit.service" "system.slice/other-$unit.service/$unit.service"
  # in_unit PATH COMMAND...
  in_unit() {
    # shellcheck disable=SC2016
    near sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$mount/$1" "${@:2}" || true
  }
  bind80=(setpriv --reuid 1234 --regid 1234 --clear-groups /run/bind 127.0.0.1 80)
  # For the whole hierarchy, as it is by default; the namespace is the test's own.
  near "$berth" grant --bpffs /run/bpf --rule "allow unit=$unit tcp 80" --rule "allow unit=$unit@1 tcp 81" \
    --rule "deny tcp 5432 owner=unit:$unit.service" --rule "allow unit=$unit.socket tcp 82"
  equal "nobody yet" "$(in_unit "system.slice/other-$unit.service" /run/bind 127.0.0.1 5432)" "refused EACCES"
  place "system.slice/$unit.service"
  equal started "$(in_unit "system.slice/$unit.service" "${bind80[@]}")" "ok 80"
  equal owner "$(in_unit "system.slice/$unit.service" /run/bind 127.0.0.1 5432)" "ok 5432"
  equal "another unit" "$(in_unit "system.slice/other-$unit.service" "${bind80[@]}")" "refused EACCES"
  equal "its name within another unit" "$(in_unit "system.slice/other-$unit.service/$unit.service" "${bind80[@]}")" "refused EACCES"
  # As in system-serial\x2dgetty.slice.
  slice=system.slice/system-${unit//-/\\x2d}.slice
  place "$slice" "$slice/$unit@1.service"
  bind81=("${bind80[@]:0:8}" 81)
  equal instance "$(in_unit "$slice/$unit@1.service" "${bind81[@]}")" "ok 81"
  equal "not the unit" "$(in_unit "system.slice/$unit.service" "${bind81[@]}")" "refused EACCES"
  # One that runs in a slice of its own is found there.
  place "system.slice/$unit.slice/$unit.socket"
  bind82=("${bind80[@]:0:8}" 82)
  near "$berth" grant --bpffs /run/bpf --rule "allow unit=$unit.socket tcp 82"
  equal "in a slice" "$(in_unit "system.slice/$unit.slice/$unit.socket" "${bind82[@]}")" "ok 82"
  # With Slice= it is not below system.slice at all.
  place "$unit.slice" "$unit.slice/$unit-own.service"
  near "$berth" grant --bpffs /run/bpf --rule "allow unit=$unit-own tcp 82"
  equal "in a slice beside" "$(in_unit "$unit.slice/$unit-own.service" "${bind82[@]}")" "ok 82"
}

@test "another network namespace is left alone, but with --every-netns" {
  rules 'deny tcp 5432'
  may_not 0 127.0.0.1 5432
  equal elsewhere "$(far "$build/tests/tools/test-bind" "$far4" 5432)" "ok 5432"
  rules 'deny tcp 5432' && grant --every-netns --rule 'deny tcp 5432'
  equal everywhere "$(far "$build/tests/tools/test-bind" "$far4" 5432 || true)" "refused EACCES"
}

@test "ports 512-1023 need the word trusted" {
  run --separate-stderr grant --rule 'allow user=1234 tcp 600'
  equal status "$status" 2
  [[ $stderr == *"--rule:1:21: "*"add the word trusted"* ]]
  may_not 1234 127.0.0.1 600
  rules 'allow user=1234 tcp 600 trusted'
  may 1234 127.0.0.1 600
}

@test "--observe counts and does nothing else; --dry-run not even that" {
  grant --observe --rule 'deny tcp 5432 owner=user:1234' --rule 'allow user=1234 tcp 80'
  may 1235 127.0.0.1 5432
  may_not 1234 127.0.0.1 80
  equal counted "$(grant --json | jq -c '[.counters | .would_refuse, .would_grant, .refused, .granted]')" '[1,1,0,0]'
  grant --remove
  run --separate-stderr grant --dry-run --rule 'deny tcp 5432'
  equal printed "$output" "deny tcp 5432"
  equal json "$(grant --dry-run --json --rule 'deny tcp 5432' | jq -c .)" '{"rules":["deny tcp 5432"]}'
  may 0 127.0.0.1 5432
  run grant --status
  equal status "$status" 1
  # What is in force stays so: --observe needs the rules that it is about.
  rules 'deny tcp 5432'
  run --separate-stderr grant --observe
  equal "status without rules" "$status" 2
  [[ $stderr == *"--observe says how rules are loaded; name them: berth grant --observe FILE"* ]]
  yes '# far too much of this' | head -c 1100000 >"$tmp/large"
  run --separate-stderr grant "$tmp/large"
  [[ $stderr == *"/large: more than 1 MB; name several files instead"* ]]
}

@test "a name that nobody has: an error, or what fail= says" {
  run --separate-stderr grant --rule 'deny tcp 5432 owner=user:nobody-at-all'
  equal status "$status" 2
  [[ $stderr == *'--rule:1:26: there is no user "nobody-at-all"'* ]]
  rules 'deny tcp 5432 owner=user:nobody-at-all fail=closed' 'deny tcp 5433 owner=user:nobody-at-all fail=open' \
    'allow user=nobody-at-all tcp 80 fail=closed' 'deny tcp 5434 owner=user:nobody-at-all,user:1234 fail=closed'
  equal closed "$(grep -c 'no user "nobody-at-all": the rule fails closed: nobody has that right' "$tmp/e")" 3
  equal open "$(grep -c 'no user "nobody-at-all": the rule fails open: it is left out' "$tmp/e")" 1
  may 1234 127.0.0.1 5434
  may_not 1235 127.0.0.1 5434
  may_not 0 127.0.0.1 5432
  may 0 127.0.0.1 5433
  may_not 1234 127.0.0.1 80
  grep -q '3 rules in force' "$tmp/e"
  equal "what is left out" "$(grant --json | jq -r '.rules[1]')" \
    "# left out by fail=open: deny tcp 5433 owner=user:nobody-at-all fail=open"
}

@test "errors point at the character" {
  while IFS='|' read -r column rule; do
    run --separate-stderr grant --rule "$rule"
    equal "status of $rule" "$status" 2
    [[ $stderr == *"--rule:1:$column: "* ]] || { echo "$rule: $stderr"; false; }
  done <<'END'
1|permit tcp 80
12|allow user= tcp 80
18|allow user=1 tcp,sctp 80
20|allow user=1 tcp 80x
33|allow user=1 tcp 80 on 10.0.0.1/8
34|allow user=1 tcp 80 on 10.0.0.0/8/9
21|allow user=1 tcp 80 fail=maybe
6|deny user=1 tcp 80
21|deny tcp 5432 owner=postgres
14|allow cgroup=web tcp 80
14|allow cgroup=/a/../b tcp 80
14|allow cgroup=/./b tcp 80
END
}

@test "rules whose ports cannot be reserved are said to be in force" {
  near sh -c 'mkdir -p /var/lib/berth && mount -t tmpfs -o ro none /var/lib/berth'
  run --separate-stderr grant --rule 'deny tcp 5432'
  equal status "$status" 2
  [[ $stderr == *"the rules are in force, but the kernel may choose their ports: "*"Read-only file system; mount"* ]] ||
    { echo "$stderr"; false; }
  may_not 0 127.0.0.1 5432
  run --separate-stderr grant --remove
  equal status "$status" 2
  [[ $stderr == *"the rules are out of force, but their ports stay reserved: "* ]] || { echo "$stderr"; false; }
  may 0 127.0.0.1 5432
}

@test "no rule is lost over a byte of 0 or one that is no UTF-8" {
  printf 'allow tcp 80\0\ndeny tcp 5432\n' >"$tmp/zero"
  run --separate-stderr grant "$tmp/zero"
  equal status "$status" 2
  [[ $stderr == *"/zero: no text: a byte of it is 0"* ]] || { echo "$stderr"; false; }
  rules $'allow tcp 80 # caf\xe9' 'deny tcp 5432'
  equal rules "$(grant --json | jq -r '.rules[]')" $'allow tcp 80 # caf\\xe9\ndeny tcp 5432'
}

@test "10,000 rules: loaded, and each holds" {
  awk 'BEGIN { for (i = 0; i < 10000; i++) printf "%s tcp %d%s\n", i % 2 ? "deny" : "allow user=" 20000 + i,
    i % 2 ? 20000 + i : 10 + i % 500, i % 2 ? " owner=user:" 20000 + i : "" }' >"$tmp/rules"
  grant "$tmp/rules"
  may 20001 127.0.0.1 20001
  may 29999 ::1 29999
  may_not 20001 127.0.0.1 20003
  may 20100 127.0.0.1 110
  may 29600 127.0.0.1 110
  may_not 20100 127.0.0.1 112
  # Many users of one port, many addresses of another: of each pair the first.
  awk 'BEGIN { for (i = 0; i < 5000; i++) printf "allow user=%d tcp 80\nallow user=1234 tcp 81 on 127.1.%d.%d\n",
    20000 + 2 * i, i / 100, 2 * (i % 100) }' >"$tmp/rules"
  grant "$tmp/rules"
  cat >"$tmp/each.py" <<'END'
import os, socket
def may(uid, addr, port):
    os.seteuid(uid)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind((addr, port))
        return True
    except PermissionError:
        return False
    finally:
        s.close()
        os.seteuid(0)
for i in range(10000):
    assert may(20000 + i, "127.0.0.1", 80) == (i % 2 == 0), i
    assert may(1234, "127.1.%d.%d" % (i // 200, i % 200), 81) == (i % 2 == 0), i
END
  near "$python" "$tmp/each.py"
}

@test "other rules, and removal, under load: a stranger never slips in between" {
  rules 'deny tcp 5432 owner=user:1234'
  # shellcheck disable=SC2016
  launch near sh -c 'while :; do /run/bind 127.0.0.1 5432; done'
  for i in {1..6}; do
    grant --rule "deny tcp 5432 owner=user:1234" --rule "allow user=$i tcp $i"
  done
  await_lines "$launch_out" 20
  equal outcomes "$(sort -u "$launch_out")" "refused EACCES"
  grant --remove
  await_line "$launch_out" 'ok 5432'
  equal "pins" "$(near ls /run/bpf | grep -v debug)" ""
}

@test "loads and removals at once: one after the other, with its own ports" {
  local round pids n port

  for round in 1 2 3; do
    pids=()
    for n in 1 2 3; do
      grant --rule "deny tcp $round$n$n$n" 2>"$tmp/load$n" &
      pids+=($!)
      [ $n = 3 ] || { grant --remove 2>"$tmp/remove$n" || [ $? = 1 ]; } &
      pids+=($!)
    done
    for n in "${pids[@]}"; do
      wait "$n" || { cat "$tmp"/load* "$tmp"/remove*; false; }
    done
    port=$(grant --json | jq -r '.rules[] | split(" ")[2]' || true)
    equal "reserved, round $round" "$(near cat /proc/sys/net/ipv4/ip_local_reserved_ports)" "$port"
  done
  rules 'deny tcp 5432'
  # The rules are gone without --remove, as after a boot.
  near sh -c 'umount /run/bpf && mount -t bpf bpf /run/bpf'
  run --separate-stderr grant --remove
  equal status "$status" 1
  equal reserved "$(near cat /proc/sys/net/ipv4/ip_local_reserved_ports)" ""
}

@test "rules are in force without a process of berth, and are removed without a trace" {
  rules 'deny tcp 5432 owner=user:1234' 'allow user=1234 tcp 80'
  # Until its program is another one, a run is two processes of berth.
  launch near "$berth" run --ports 20000-20010 -- sh -c 'echo ready; exec cat'
  await_line "$launch_out" ready
  launch near "$berth" hold 8000
  await_line "$launch_out" held
  berths() { find "$cgroup" -name cgroup.procs -exec cat {} + | while read -r pid; do
    [ "$(readlink "/proc/$pid/exe")" != "$(readlink -f "$berth")" ] || echo "$pid"; done; }
  equal "processes of berth" "$(berths | wc -l)" 2
  for pid in $(berths); do
    kill -KILL "$pid"
    await ended "$pid"
  done
  equal "processes of berth" "$(berths | wc -l)" 0
  may_not 0 127.0.0.1 5432
  may 1234 127.0.0.1 5432
  may 1234 ::1 80
  may_not 1235 ::1 80
  equal counted "$(grant --json | jq -c '[.state, .counters.refused, .counters.granted]')" '["in-force",1,1]'
  equal reserved "$(near cat /proc/sys/net/ipv4/ip_local_reserved_ports)" 5432
  hooks() { bpftool -j cgroup show "$cgroup" | jq length; }
  equal hooks "$(hooks)" 4
  programs=$(bpftool -j cgroup show "$cgroup" | jq -c 'map(.id)')
  grant --remove
  equal pins "$(near ls /run/bpf | grep -v debug)" ""
  equal hooks "$(hooks)" ""
  equal reserved "$(near cat /proc/sys/net/ipv4/ip_local_reserved_ports)" ""
  equal "files of sysctl.d" "$(near ls /etc/sysctl.d)" ""
  programs_left() { bpftool -j prog show | jq -c --argjson own "$programs" 'map(.id | select(IN($own[])))'; }
  all_gone() { equal programs "$(programs_left)" "[]"; }
  await all_gone
}

@test "at boot: the installed unit loads the rules" {
  unit=$build/packaging/berth-grant.service
  near sh -c 'cp -a /etc /run/etc && mount --bind /run/etc /etc && mkdir -p /etc/berth /etc/sysctl.d && mount -t bpf bpf /sys/fs/bpf'
  near sh -c 'echo "deny tcp 5432 owner=user:1234" >/etc/berth/grant.rules'
  run near "$berth" grant
  equal "before it" "$status" 1
  value() { sed -n "s/^$1=//p" "$unit"; }
  equal condition "$(value ConditionPathExists)" "$(value ExecStart | cut -d' ' -f3)"
  equal reload "$(value ExecReload)" "$(value ExecStart)"
  equal order "$(value DefaultDependencies) $(value Before) $(value WantedBy)" "no sysinit.target sysinit.target"
  read -r -a start <<<"$(value ExecStart)"
  [[ " $(value After) " == *" systemd-sysctl.service "*" systemd-remount-fs.service "* ]]
  [[ ${start[0]} == /*/bin/berth ]]
  near "$berth" "${start[@]:1}"
  may_not 0 127.0.0.1 5432
  may 1234 127.0.0.1 5432
  near "$berth" grant --status
  near "$berth" grant --remove
  command -v systemd-analyze >/dev/null || skip "no systemd-analyze here: the unit's syntax was not verified"
  sed "s|${start[0]}|$berth|" "$unit" >"$tmp/berth-grant.service"
  run near systemd-analyze verify --man=no "$tmp/berth-grant.service"
  equal "verified: $output" "$status" 0
  equal "said" "$(grep -c berth-grant <<<"$output")" 0
}

@test "a berth that is killed in the middle leaves the rules in force" {
  rules 'deny tcp 5432 owner=user:1234'
  for _ in {1..10}; do
    near timeout -s KILL 0.02 "$berth" grant --bpffs /run/bpf --cgroup "$cgroup" --rule 'deny tcp 5432 owner=user:1234' || true
    may_not 0 127.0.0.1 5432
    may 1234 127.0.0.1 5432
  done
  grant --rule 'deny tcp 5432 owner=user:1234'
  grant --status
}

@test "killed at any step, it leaves the old rules or the new at all hooks, and says which" {
  # open_at PORT: where strangers may bind it
  open_at() { for addr in 127.0.0.1 ::1; do [ "$(try 0 "$addr" "$1")" = "refused EACCES" ] || echo "$addr:$1"; done; }
  old=6000
  rules "deny tcp $old"
  new=$old
  # From the first on that is about pins; those before them load the programs.
  for step in 1 {18..80..8}; do
    new=$((new + 2)) # no two of them make a range
    outcome=$(near "$build/tests/tools/test-kill-at" "$step" "$berth" grant --bpffs /run/bpf --cgroup "$cgroup" \
      --rule "deny tcp $new" 2>"$tmp/e" || true)
    said=$(grant --json | jq -r '.state + " " + .rules[0]')
    if [ "$said" = "in-force deny tcp $new" ]; then
      equal "the old rule, step $step" "$(open_at $old | wc -l)" 2
      old=$new
    fi
    equal "said, step $step" "$said" "in-force deny tcp $old"
    equal "not refused, step $step" "$(open_at $old)" ""
    near cat /proc/sys/net/ipv4/ip_local_reserved_ports | tr , "\n" | grep -qx "$old" || { echo "$old is not reserved, step $step"; false; }
    [ "$old" = $new ] || equal "too early, step $step" "$(open_at $new | wc -l)" 2
    [ "$outcome" = killed ] || break
  done
  equal "at last" "$outcome $old" "ended 0 $new"
  equal "steps" "$((step > 40))" 1
  equal "pins that are left" "$(near ls "/run/bpf/berth/$version" | grep -c _new || true)" 0
  # A removal, too, is done or not.
  for step in 1 2 5; do
    near "$build/tests/tools/test-kill-at" "$step" "$berth" grant --bpffs /run/bpf --cgroup "$cgroup" --remove 2>"$tmp/e"
    [ "$(open_at $old | wc -l)" != 1 ]
    [ "$(open_at $old)" = "" ] || equal state "$(grant --json | jq -r .state || true)" partial
  done
  rules "deny tcp $old"
  equal "loaded again" "$(open_at $old)$(grant --json | jq -r .state)" in-force
}

@test "an older version gives way without a gap, an unknown one is left alone" {
  rules 'deny tcp 5432 owner=user:1234'
  near mv "/run/bpf/berth/$version" /run/bpf/berth/grant-v0
  run --separate-stderr grant --status
  equal status "$status" 1
  [[ $stderr == *"version 0 is pinned beside, by an older berth"* ]]
  may_not 0 127.0.0.1 5432
  rules 'deny tcp 5432 owner=user:1235'
  grep -q 'older version are removed' "$tmp/e"
  equal versions "$(near ls /run/bpf/berth)" "$version"
  may 1235 127.0.0.1 5432
  may_not 1234 127.0.0.1 5432
  near mv "/run/bpf/berth/$version" /run/bpf/berth/grant-v7
  run --separate-stderr grant --rule 'deny tcp 80'
  equal status "$status" 2
  [[ $stderr == *"grant-v7: pinned by a newer berth and left alone"* ]]
  run --separate-stderr grant --remove
  equal status "$status" 1
  equal versions "$(near ls /run/bpf/berth)" grant-v7
  may 1235 127.0.0.1 5432
  may_not 0 127.0.0.1 5432
}

@test "--status tells of hooks that are gone, and loading mends them" {
  rules 'deny tcp 5432' 'allow tcp 80'
  near rm "/run/bpf/berth/$version/bind6"
  run --separate-stderr grant --json
  equal status "$status" 1
  equal state "$(jq -r '.state + " " + .hooks.bind6 + " " + .hooks.bind4' <<<"$output")" "partial missing attached"
  rules 'deny tcp 5432' 'allow tcp 80'
  may_not 0 ::1 5432
  grant --status
  rules 'allow tcp 80'
  equal "hooks without a deny rule" "$(grant --json | jq -r .hooks.post_bind4)" unneeded
}

@test "who may not see the rules is told so, not that there are none" {
  setpriv --reuid 1234 --regid 1234 --clear-groups "$berth" --version >/dev/null || skip "other users cannot execute $berth"
  rules 'deny tcp 5432'
  for verb in --status --json --remove; do
    run --separate-stderr near setpriv --reuid 1234 --regid 1234 --clear-groups "$berth" grant --bpffs /run/bpf "$verb"
    equal "status of $verb" "$status" 2
    equal output "$output" ""
    [[ $stderr == *"/run/bpf/berth/$version: the kernel does not let you see it; run as root"* ]] || { echo "$stderr"; false; }
  done
}

@test "rules that cannot be attached are not said to be in force" {
  rules 'deny tcp 5432'
  run --separate-stderr near "$berth" grant --bpffs /run/bpf --cgroup /run --rule 'allow tcp 80'
  equal status "$status" 2
  [[ $stderr == *'--cgroup: /run is no directory of cgroup v2'* ]]
  # Nothing can be pinned where a directory is.
  near mkdir "/run/bpf/berth/$version/post_bind4_new"
  run --separate-stderr grant --rule 'deny tcp 80' --every-netns
  equal status "$status" 2
  [[ $stderr == *'refused to attach post_bind4 (File exists)'* ]] || { echo "$stderr"; false; }
  equal rules "$(grant --json | jq -r '"\(.state) \(.rules) \(.every_netns)"')" 'in-force ["deny tcp 5432"] false'
  may_not 0 ::1 5432
  may 0 ::1 80
  near rmdir "/run/bpf/berth/$version/post_bind4_new"
  # Rules that are in force, but whose pins cannot be put in their place, are not taken for others.
  near sh -c "cd /run/bpf/berth/$version && rm bind6 && mkdir bind6"
  for _ in 1 2; do
    run --separate-stderr grant --rule 'deny tcp 5433'
    equal status "$status" 2
    [[ $stderr == *"bind6: not to be replaced (Is a directory); rm -r"* ]] || { echo "$stderr"; false; }
    equal rules "$(grant --json | jq -r '"\(.state) \(.rules) \(.hooks.bind6)"')" 'in-force ["deny tcp 5433"] attached'
    may_not 0 ::1 5433
    may 0 ::1 5432
  done
  near rmdir "/run/bpf/berth/$version/bind6"
  rules 'deny tcp 5432'
  near rm "/run/bpf/berth/$version/rules"
  equal "state without the rules' text" "$(grant --json | jq -r .state)" partial
}

@test "the rule files of authbind" {
  mkdir -p "$tmp/a/byport" "$tmp/a/byaddr" "$tmp/a/byuid"
  at() { install -m "$2" -o "$3" -g "$4" /dev/null "$tmp/a/$1"; }
  at byport/80 500 1234 0
  at byport/81 050 0 77
  at byport/82 755 0 0
  at byport/83 600 1234 0
  at 'byport/!600' 500 1234 0
  at byport/601 500 1234 0
  at byaddr/127.0.0.1,90 500 1234 0
  at byaddr/127.0.0.1:91 500 1234 0
  at byaddr/::1,90 500 1234 0
  printf '%s\n' '# a comment' '127.0.0.1/8:100,110' '::/0,100-110' '10.9.0.0/16,83' '127.0.0.1-127.0.0.9,5' '0.0.0.0/0,500-600' \
    '!127.0.0.0/8,700' '127.0.0.0/8,89-91' '127.0.0.1,90' '::1,90' '10.9.0.0/16,90' >"$tmp/a/byuid/1235"
  grant --authbind "$tmp/a" --dry-run >"$tmp/o" 2>"$tmp/e"
  equal rules "$(cat "$tmp/o")" "allow user=1234 tcp,udp 600 trusted
allow user=1234 tcp,udp 80
allow group=77 tcp,udp 81
allow tcp,udp 82
allow user=1234 tcp,udp 90 on 127.0.0.1/32
allow user=1234 tcp,udp 91 on 127.0.0.1/32
allow user=1234 tcp,udp 90 on ::1/128
allow user=1235 tcp,udp 100-110 on 127.0.0.0/8
allow user=1235 tcp,udp 100-110 on ::/0
allow user=1235 tcp,udp 500-511 on 0.0.0.0/0
allow user=1235 tcp,udp 700 on 127.0.0.0/8 trusted
allow user=1235 tcp,udp 89 on 127.0.0.0/8
allow user=1235 tcp,udp 90 on 10.9.0.0/16"
  equal notes "$(grep -c 'left out' "$tmp/e")" 2
  equal "ports lost" "$(grep -c 'byuid/1235: port 9[01] is decided by byaddr on 127.0.0.1/32; a line for more than that loses it' "$tmp/e")" 2
  grant --authbind "$tmp/a"
  may_not 1235 127.0.0.1 90
  may 1234 127.0.0.1 80
  may 1:77 ::1 81
  may 4321 127.0.0.1 82
  may_not 1234 127.0.0.1 83
  may 1234 127.0.0.1 600
  may_not 1234 127.0.0.1 601
  may 1235 127.0.0.1 105
  may_not 1235 "$near4" 105
  may_not 1235 "$near4" 83
}
