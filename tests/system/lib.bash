# SPDX-License-Identifier: BSD-2-Clause
# What the system tests share: two network namespaces a test, servers that are awaited, and clean-up.
# shellcheck shell=bash
#
# A test file calls `system_setup_file`, `system_setup` and `system_teardown` from its own hooks. Each test has
#   - the namespaces "near" (10.9.0.1, 2001:db8:9::1) and "far" (10.9.0.2, 2001:db8:9::2), joined by a veth pair;
#   - a mount namespace with an empty /run and /dev/shm, so that it shares runs and lanes with nobody;
#   - a cgroup of its own, in which anything that a run leaves behind is found.
# near, far: run a command there. launch: the same in the background, ended by the teardown.

# What the user or sudo has set decides no test.
unset BERTH_BPF_LOG BERTH_PRELOAD_LIB BERTH_SOCKETS COLUMNS LINES NO_COLOR SOURCE_DATE_EPOCH SUDO_USER XDG_DATA_HOME \
  XDG_RUNTIME_DIR
# Who became root by su has the path of a user.
PATH=$PATH:/usr/sbin:/sbin

build=${BUILD:-$BATS_TEST_DIRNAME/../../build}
berth=${BERTH:-$build/src/cli/berth}
# shellcheck disable=SC2034 # for the test files
client=$build/tests/tools/test-client
near4=10.9.0.1 far4=10.9.0.2 near6=2001:db8:9::1 far6=2001:db8:9::2
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

# Finds once for a file why the BPF path cannot run here; empty where it can.
system_setup_file()
{
  SYSTEM_REFUSED=
  if [ "$(id -u)" != 0 ]; then
    SYSTEM_REFUSED="needs root"
  elif ! "$berth" doctor --json >"$BATS_FILE_TMPDIR/doctor.json" && [ ! -s "$BATS_FILE_TMPDIR/doctor.json" ]; then
    SYSTEM_REFUSED="berth doctor failed"
  elif [ "$(jq -r .via "$BATS_FILE_TMPDIR/doctor.json")" != bpf ]; then
    SYSTEM_REFUSED="BPF is refused here: $(jq -r '[.rows[] | select(.need == "bpf" and .verdict != "ok") | .name] |
      join(", ")' "$BATS_FILE_TMPDIR/doctor.json")"
  elif ! unshare --net --mount true 2>/dev/null; then
    SYSTEM_REFUSED="namespaces are refused here"
  fi
  export SYSTEM_REFUSED
}

system_setup()
{
  launched=()
  tmp=$BATS_TEST_TMPDIR
  near_ns=berth-near-$$-$BATS_TEST_NUMBER
  far_ns=berth-far-$$-$BATS_TEST_NUMBER
  [ -z "$SYSTEM_REFUSED" ] || skip "$SYSTEM_REFUSED"
  # Who ends the suite early ends what it has made, too.
  trap 'system_teardown; exit 143' TERM HUP
  # Whatever the user has: a test that is about one sets it.
  umask 022
  host_ports=$(ports_of_host)
  make_cgroup
  make_network
  make_mounts
}

# What a test must not change: these settings are the host's own, whose namespace a mistake would write to.
ports_of_host()
{
  cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/ip_local_reserved_ports
}

# Bash tells of each process that it kills; nobody wants to read that.
system_teardown()
{
  end_all 2>/dev/null
  [ -z "$host_ports" ] || equal "range and reservations of the host" "$(ports_of_host)" "$host_ports"
}

end_all()
{
  local pid

  for pid in "${launched[@]}"; do
    kill -KILL "$pid" || true
  done
  [ -z "$cgroup" ] || remove_cgroup
  [ -z "$hold_fd" ] || exec {hold_fd}>&-
  for pid in "${launched[@]}"; do
    wait "$pid" || true
  done
  ip netns del "$near_ns" || true
  ip netns del "$far_ns" || true
}

# Moves the test into a cgroup of its own below the one it was started in.
make_cgroup()
{
  local mount own

  mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
  own=$(awk -F: '$1 == 0 { print $3 }' "/proc/$$/cgroup")
  cgroup_home=$mount$own
  cgroup=$mount${own%/}/berth-test-$$-$BATS_TEST_NUMBER
  mkdir "$cgroup"
  echo $BASHPID >"$cgroup/cgroup.procs"
}

# Ends what a test left in its cgroup, but not the test itself.
remove_cgroup()
{
  local tries

  echo $BASHPID >"$cgroup_home/cgroup.procs"
  for ((tries = 0; tries < 1000; tries++)); do
    find "$cgroup" -mindepth 1 -type d -exec sh -c 'echo 1 >"$1/cgroup.kill"' sh {} \; 2>/dev/null
    xargs -r kill -KILL <"$cgroup/cgroup.procs" 2>/dev/null || true
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && break
    pause
  done
}

make_network()
{
  ip netns add "$near_ns"
  ip netns add "$far_ns"
  ip -n "$near_ns" link add near0 type veth peer name far0 netns "$far_ns"
  ip -n "$near_ns" -batch - <<END
link set lo up
link set near0 up
addr add $near4/24 dev near0
addr add $near6/64 dev near0 nodad
END
  ip -n "$far_ns" -batch - <<END
link set lo up
link set far0 up
addr add $far4/24 dev far0
addr add $far6/64 dev far0 nodad
END
  far sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535
  # What is in TIME_WAIT stays there: where ACKs overtake each other, the far side answers one with a reset.
  near sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535 net.ipv4.tcp_rfc1337=1
}

# A process that holds a mount namespace with an empty /run and /dev/shm, as long as the test lives.
make_mounts()
{
  local ready

  mkfifo "$tmp/hold" "$tmp/ready"
  exec {hold_fd}<>"$tmp/hold" {ready_fd}<>"$tmp/ready"
  unshare --mount --propagation private sh -c 'mount -t tmpfs -o mode=755 none /run && mount -t tmpfs none /dev/shm &&
    echo ready && exec cat' \
    <"$tmp/hold" >&"$ready_fd" 3>&- {hold_fd}>&- {ready_fd}>&- &
  holder=$!
  launched+=("$holder")
  read -r -t 30 -u "$ready_fd" ready
  exec {ready_fd}>&-
  [ "$ready" = ready ]
}

near()
{
  nsenter --net="/run/netns/$near_ns" ${holder:+--mount="/proc/$holder/ns/mnt"} -- "$@"
}

far()
{
  nsenter --net="/run/netns/$far_ns" -- "$@"
}

# add_addresses FIRST LAST: the near side has 10.9.0.FIRST to 10.9.0.LAST too
add_addresses()
{
  seq -f "addr add 10.9.0.%g/24 dev near0" "$1" "$2" | ip -n "$near_ns" -batch -
}

# As root of the near namespace: berth run OPTIONS -- PROGRAM.
berth_run()
{
  near "$berth" run "$@"
}

# launch near|far COMMAND...: in the background; $! is the command itself. Its output goes to $tmp/out.N.
launch()
{
  local where=$1 ns

  shift
  case $where in
  near) ns=(--net="/run/netns/$near_ns" --mount="/proc/$holder/ns/mnt") ;;
  far) ns=(--net="/run/netns/$far_ns") ;;
  esac
  launch_out=$tmp/out.${#launched[@]}
  # A shell starts what it puts into the background deaf to INT and QUIT.
  env --default-signal=INT,QUIT nsenter "${ns[@]}" -- "$@" >"$launch_out" 2>"$launch_out.err" <&"$hold_fd" 3>&- {hold_fd}>&- &
  launch_pid=$!
  launched+=("$launch_pid")
}

# A short breath inside of a bounded loop that looks for a condition.
pause()
{
  read -r -t 0.02 -u "$hold_fd" || true
}

# await COMMAND...: until it succeeds, half a minute at most.
await()
{
  local tries

  for ((tries = 0; tries < 1500; tries++)); do
    "$@" >/dev/null 2>&1 && return
    pause
  done
  echo "waited in vain: $*" >&2
  return 1
}

# await_line FILE REGEX
await_line()
{
  await grep -qE "$2" "$1"
}

# await_lines FILE COUNT
await_lines()
{
  await enough_lines "$1" "$2"
}

enough_lines()
{
  [ "$(wc -l <"$1")" -ge "$2" ]
}

# await_listen near|far t|u PORT
await_listen()
{
  await listens "$@"
}

listens()
{
  "$1" ss -Hnl"$2" "sport = :$3" | grep -q .
}

# Until what earlier programs closed is closed at the other side, too: a pair in FIN_WAIT is in use.
await_closed()
{
  await none_closing
}

none_closing()
{
  ! near ss -Htn state fin-wait-1 state fin-wait-2 state closing state last-ack | grep -q .
}

# Also one that nobody has waited for: process 1 of a container may never do that.
ended()
{
  local stat

  ! read -r stat 2>/dev/null <"/proc/$1/stat" || [[ ${stat##*) } = [ZX]* ]]
}

# serve near|far ADDR PORT [OPTION...]: a server that accepts all and closes when its peer does.
serve()
{
  local where=$1 addr=$2 port=$3

  shift 3
  launch "$where" "$build/bench/net/bench-server" "$@" "$addr" "$port"
  await_line "$launch_out" listening
}

# connect_py BODY: a program that has go() -> a connected socket (socket options as (level, name, value)),
# finish(s): closed by both sides, so that it is in TIME_WAIT; abort(s): gone at once. Its path is $py.
connect_py()
{
  py=$tmp/connect-$RANDOM.py
  cat >"$py" <<END
import errno, os, socket, struct, sys, threading
FAR4, FAR6, NEAR4, NEAR6 = "$far4", "$far6", "$near4", "$near6"
def go(to=FAR4, port=8000, bind=None, kind=socket.SOCK_STREAM, options=()):
    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, kind)
    for level, name, value in options:
        s.setsockopt(level, name, value)
    if bind:
        s.bind(bind)
    s.connect((to, port))
    return s
def finish(s):
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    s.close()
def abort(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
def refused(*args, **more):
    try:
        go(*args, **more).close()
    except OSError as e:
        return errno.errorcode[e.errno]
    return None
def port_of(s):
    return s.getsockname()[1]
$1
END
}

# Local ports of "ADDR PORT" lines on stdin: all inside of FIRST..LAST, and at least one.
ports_inside()
{
  awk -v first="$1" -v last="$2" '
    $1 == "refused" { next }
    { n++ }
    $2 < first || $2 > last { print "outside of " first "-" last ": " $0; bad = 1 }
    END { if (!n) print "no port at all"; exit bad || !n }'
}

# count_lines REGEX <TEXT
count_lines()
{
  grep -cE "$1" || true
}

# equal WHAT GOT WANTED
equal()
{
  [ "$2" = "$3" ] || {
    printf '%s: got "%s", wanted "%s"\n' "$1" "$2" "$3" >&2
    return 1
  }
}

# nothing_left: no cgroup below the test's own, no run in the registry.
nothing_left()
{
  equal cgroups "$(find "$cgroup" -mindepth 1 -type d)" ""
  equal "files of runs" "$(near sh -c 'ls /run/berth 2>/dev/null' | grep -vx lock)" ""
}

# stat_of FILE NAME: one counter
stat_of()
{
  jq ".counters.$2" "$1"
}
