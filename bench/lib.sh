# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Private network namespaces, servers and clients for bench/demo.sh and bench/bench.sh.
#
# Nothing here has a name in the host: namespaces belong to processes, processes end with the script
# (they read from pipes that it holds, and that no other process may inherit), files are below $TMP.

BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$PWD/$BUILD
# shellcheck disable=SC2034 # the scripts use what this one does not
CLIENT=$BUILD/bench/net/bench-client
SERVER=$BUILD/bench/net/bench-server
# shellcheck disable=SC2034
PAIRS=$BUILD/tests/tools/test-pairs
BERTH=${BERTH:-$BUILD/src/cli/berth}
OUT=${OUT:-$PWD/out}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$0: $*"
  exit 2
}

# Runs the script (which is in bench/, and we above it) again inside a network namespace of its own,
# where the kernel grants one. NS is then "root" (of the host's user namespace), "user" (of a new user
# namespace, under the same uid) or "none".
enter_namespace() {
  local self
  self=$PWD/bench/$(basename "$0")
  NS=${BERTH_BENCH_NS:-}
  if [ -n "$NS" ]; then
    unset BERTH_BENCH_NS
  elif [ "${BENCH_NO_NAMESPACE:-}" ]; then
    NS=none
  elif unshare --net true 2>/dev/null; then
    BERTH_BENCH_NS=root exec unshare --net "$self" "$@"
  elif unshare --user --map-current-user --keep-caps --net true 2>/dev/null; then
    BERTH_BENCH_NS=user exec unshare --user --map-current-user --keep-caps --net "$self" "$@"
  else
    NS=none
  fi
  TMP=$(mktemp -d)
  exec {PEER_PIPE}>/dev/null {SERVER_PIPE}>/dev/null
  trap 'leave_namespace' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  [ "$NS" = none ] || ip link set lo up
}

leave_namespace() {
  stop_server
  exec {PEER_PIPE}>&-
  rm -rf "$TMP"
}

# wait_for TEXT COMMAND...: until COMMAND succeeds, 10 s at most.
wait_for() {
  local what=$1 i
  shift
  for ((i = 0; i < 1000; i++)); do
    "$@" && return
    sleep 0.01
  done
  die "$what: not within 10 s"
}

other_namespace() {
  [ "$(readlink "/proc/$1/ns/net" 2>/dev/null)" != "$(readlink /proc/self/ns/net)" ]
}

# Makes the peer: a second namespace, joined by veth. We are 10.77.0.1/16, it is 10.77.0.2/16.
make_peer() {
  mkfifo "$TMP/peer"
  unshare --net sh -c 'exec cat >/dev/null' <"$TMP/peer" &
  PEER=$!
  exec {PEER_PIPE}>"$TMP/peer"
  wait_for "a second namespace" other_namespace "$PEER"
  # The kernel takes away a namespace that has gone, and our end with it, a while later.
  ip link del veth0 2>/dev/null || :
  ip link add veth0 type veth peer name veth0 netns "$PEER"
  ip addr add 10.77.0.1/16 dev veth0
  ip link set veth0 up
  at_peer ip link set lo up
  at_peer ip addr add 10.77.0.2/16 dev veth0
  at_peer ip link set veth0 up
  rm "$TMP/peer"
}

at_peer() { nsenter --net="/proc/$PEER/ns/net" "$@"; }

# set_sysctl [at_peer] NAME VALUE: of the namespace; false where it may not be written.
set_sysctl() {
  local run=()
  [ "$1" != at_peer ] || { run=(at_peer); shift; }
  "${run[@]}" sysctl -qw "$1=$2" 2>/dev/null
}

# start_server [at_peer] OPTION... ADDR PORT
start_server() {
  local run=()
  [ "$1" != at_peer ] || { run=(at_peer); shift; }
  mkfifo "$TMP/server"
  "${run[@]}" "$SERVER" "$@" <"$TMP/server" >"$TMP/server.out" {PEER_PIPE}>&- &
  SERVER_PID=$!
  exec {SERVER_PIPE}>"$TMP/server"
  rm "$TMP/server"
  wait_for "the server" grep -q listening "$TMP/server.out"
}

# Ends the server: what it still holds is reset, so no TIME_WAIT is left behind.
stop_server() {
  [ -n "${SERVER_PID:-}" ] || return 0
  exec {SERVER_PIPE}>&-
  wait "$SERVER_PID" || :
  SERVER_PID=
}

client_reported() { grep -qE '"event":"(filled|refused)"' "$1" || ! kill -0 "$2" 2>/dev/null; }

# fill_and_reset FILE COMMAND...: runs a client with --hold, stops the server when all is measured,
# then the client: its connections end by reset. MEASURED, where set, is called while all are open.
fill_and_reset() {
  local file=$1 pid hold status=0
  shift
  mkfifo "$TMP/hold"
  "$@" <"$TMP/hold" >"$file" 2>"$TMP/client.err" {PEER_PIPE}>&- {SERVER_PIPE}>&- &
  pid=$!
  exec {hold}>"$TMP/hold"
  rm "$TMP/hold"
  until client_reported "$file" "$pid"; do
    sleep 0.05
  done
  [ -z "${MEASURED:-}" ] || "$MEASURED"
  stop_server
  exec {hold}>&-
  wait "$pid" || status=$?
  [ "$status" = 0 ] || say "$(cat "$TMP/client.err")"
  return "$status"
}

# True where berth can use BPF here; otherwise BPF_REFUSED is the reason.
bpf_works() {
  BPF_REFUSED="this is a network namespace of an ordinary user"
  [ "$NS" != user ] || return 1
  # shellcheck disable=SC2034
  BPF_REFUSED=$("$BERTH" run --via bpf -- true 2>&1)
}
