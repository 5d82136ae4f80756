#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Measures every figure that README states, and writes it as a table and as out/bench.json.
#
# usage: bench/bench.sh [PART]...    none: all of them
# Parts: low connect refuse many churn reuse core sim ports grant lint demux space
#
# BENCH_ROUNDS (5)      interleaved rounds of connect, refuse and sim; low has five times as many
# BENCH_SECONDS (60)    length of each churn; reuse takes a quarter of it, 15 s at most
# BENCH_MANY (500000)   connections of many
# BENCH_CROWD (720000)  sockets of ports, in 40 processes
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=bench/lib.sh
. bench/lib.sh
enter_namespace "$@"

ROUNDS=${BENCH_ROUNDS:-5}
SECONDS_EACH=${BENCH_SECONDS:-60}
MANY=${BENCH_MANY:-500000}
FIRST=32768 LAST=60999
PORTS=$FIRST-$LAST
COUNT=$((LAST - FIRST + 1))
RAW=$OUT/bench
POLICIES=(uniform sequential longest-idle)

# not_here PART REASON
not_here() {
  say "$1: not measured here: $2"
  printf '%s\n' "$2" >"$RAW/$1.reason"
}

# as WHO COMMAND...: runs the client as one of the rivals.
as() {
  local who=$1
  shift
  case $who in
    kernel) "$@" ;;
    range) "$1" "$2" --range $PORTS "${@:3}" ;;
    berth) "$BERTH" run --via bpf --ports $PORTS -- "$@" ;;
    pool) "$BERTH" run --via bpf --ports $PORTS --pool 127.0.0.1 -- "$@" ;;
    *) "$BERTH" run --via bpf --ports $PORTS --policy "$who" -- "$@" ;;
  esac
}

# Rivals in another order each round, so that what drifts with time hits all of them.
rotate() {
  local round=$1 i
  shift
  for ((i = 0; i < $#; i++)); do
    eval "echo \${$(((i + round) % $# + 1))}"
  done
}

can_measure() {
  [ "$NS" = root ] || { not_here "$1" "no network namespace as root is to be had"; return 1; }
  bpf_works || { not_here "$1" "$BPF_REFUSED"; return 1; }
}

quiet() { [ "$(awk '/^TCP:/ { print $7 }' /proc/net/sockstat)" = 0 ]; }

# on_loopback PART ROUNDS MODE OPTION...: the rivals in turn, each against a new server.
on_loopback() {
  local part=$1 rounds=$2 round who
  shift 2
  can_measure "$part" || return 0
  for ((round = 0; round < rounds; round++)); do
    say "$part: round $((round + 1)) of $rounds"
    for who in $(rotate $round kernel berth pool range); do
      start_server --queue --backlog $((COUNT + 1000)) 127.0.0.1 9000
      fill_and_reset "$RAW/$part-$who-$round.jsonl" \
        as "$who" "$CLIENT" "$@" --hold 127.0.0.1 9000
      wait_for "the end of TIME_WAIT" quiet
    done
  done
}

# The first tenth alone, often: it is over in 40 ms, which any load from elsewhere can spoil.
part_low() { on_loopback low $((ROUNDS * 5)) fill --count $((COUNT / 10)) --steps 10; }

part_connect() { on_loopback connect "$ROUNDS" fill --count $COUNT --steps 100; }

part_refuse() { on_loopback refuse "$ROUNDS" refuse --count $((COUNT + 1000)) --tries 2000; }

# Memory as JSON: what the host uses, the kernel's slabs in all and those of sockets, and BPF maps.
memory() {
  local maps
  maps=$(bpftool map show --json 2>/dev/null | jq '[.[].bytes_memlock] | add // 0')
  awk -v maps="${maps:-null}" '
    /^(MemTotal|MemFree|Buffers|Cached|Slab):/ { kb[$1] = $2 }
    END {
      printf "{\"used_kb\":%d", kb["MemTotal:"] - kb["MemFree:"] - kb["Buffers:"] - kb["Cached:"]
      printf ",\"slab_kb\":%d,\"bpf_maps_bytes\":%s", kb["Slab:"], maps
    }
  ' /proc/meminfo
  awk 'NR > 2 && $1 ~ /^(TCP|sock_inode_cache|filp|dentry|tcp_bind2?_bucket|request_sock_TCP)$/ {
      printf ",\"%s_bytes\":%.0f", $1, $3 * $4
    } END { print "}" }' /proc/slabinfo
}

many_measured() {
  memory >"$RAW/many-during.json"
  "$PAIRS" >"$RAW/many-pairs.json" || :
  at_peer "$PAIRS" >"$RAW/many-peer-pairs.json" || :
  cat /proc/net/sockstat >"$RAW/many-sockstat"
}

part_many() {
  local need=$((MANY * 10)) have
  can_measure many || return 0
  have=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
  if ((have <= need)); then
    not_here many "$need kB of memory are wanted, $have kB are available"
    return 0
  fi
  make_peer
  set_sysctl at_peer net.core.somaxconn $((MANY + 1000))
  ip addr add 10.77.1.16/16 dev veth0
  for i in {17..31}; do
    ip addr add "10.77.1.$i/16" dev veth0
  done
  say "many: $MANY connections to one endpoint from 16 addresses"
  memory >"$RAW/many-before.json"
  start_server at_peer --queue --backlog $((MANY + 1000)) 10.77.0.2 9000
  MEASURED=many_measured fill_and_reset "$RAW/many.jsonl" \
    "$BERTH" run --via bpf --pool 10.77.1.16/28 --ports 1024-65535 \
    --stats "$RAW/many-stats.json" -- \
    "$CLIENT" fill --hold --parallel --count "$MANY" --steps 10 10.77.0.2 9000
}

# churn_once NAME WHO SECONDS OPTION...: in namespaces of its own, without TIME_WAIT from before.
churn_once() {
  local name=$1 who=$2 seconds=$3
  shift 3
  say "$name: $who, $seconds s"
  make_peer
  set_sysctl net.ipv4.ip_local_port_range "$FIRST $LAST"
  set_sysctl at_peer net.core.somaxconn 65535
  [ "$name" != churn-untimed ] || set_sysctl at_peer net.ipv4.tcp_timestamps 0
  start_server at_peer 10.77.0.2 9000
  as "$who" "$CLIENT" churn --seconds "$seconds" "$@" 10.77.0.2 9000 >"$RAW/$name-$who.jsonl" \
    {PEER_PIPE}>&- {SERVER_PIPE}>&-
  nstat -az 2>/dev/null | awk '/TcpRetransSegs|TCPSynRetrans|TCPSYNChallenge/ { print $1, $2 }' \
    >"$RAW/$name-$who.nstat" || :
  stop_server
}

# Each churn has a client's namespace of its own as well: the script runs itself again for it.
churn_alone() {
  BERTH_BENCH_NS='' "$PWD/bench/bench.sh" --churn-once "$@" {PEER_PIPE}>&- {SERVER_PIPE}>&- ||
    not_here "$1-$2" "the run failed"
}

part_churn() {
  local who
  can_measure churn || return 0
  for who in kernel "${POLICIES[@]}"; do
    churn_alone churn "$who" "$SECONDS_EACH"
  done
  for who in kernel "${POLICIES[@]}"; do
    churn_alone churn-untimed "$who" "$SECONDS_EACH"
  done
}

part_reuse() {
  local who seconds=$((SECONDS_EACH / 4))
  ((seconds < 15)) || seconds=15
  ((seconds > 3)) || seconds=3
  can_measure reuse || return 0
  for who in "${POLICIES[@]}"; do
    churn_alone reuse "$who" "$seconds" --reuse
  done
}

part_space() {
  local space=$BUILD/bench/bench-space
  [ -x "$space" ] || { not_here space "$space is not built"; return 0; }
  say "space: port spaces"
  "$space" --json "$RAW/space.json" >&2 || not_here space "bench-space failed"
}

part_core() {
  local core=$BUILD/bench/bench-core
  [ -x "$core" ] || { not_here core "$core is not built"; return 0; }
  say "core: pick and release"
  "$core" --json "$RAW/core.json" >&2 || not_here core "bench-core failed"
}

part_grant() {
  can_measure grant || return 0
  say "grant: bind() with 10,000 rules"
  BUILD=$BUILD BERTH=$BERTH unshare --mount --propagation private bench/grant.sh $((ROUNDS * 8)) "$RAW/grant.jsonl" ||
    not_here grant "the run failed"
}

# start_crowd PROCESSES SOCKETS [COMMAND...]: under COMMAND; ends with stop_crowd.
start_crowd() {
  mkfifo "$TMP/crowd"
  "${@:3}" "$BUILD/bench/net/bench-crowd" "$1" "$2" <"$TMP/crowd" >"$TMP/crowd.out" {PEER_PIPE}>&- {SERVER_PIPE}>&- &
  CROWD_PID=$!
  exec {CROWD_PIPE}>"$TMP/crowd"
  rm "$TMP/crowd"
  until grep -q ready "$TMP/crowd.out"; do
    kill -0 $CROWD_PID || die "the crowd of sockets: not to be had"
    sleep 0.05
  done
}

stop_crowd() {
  exec {CROWD_PIPE}>&-
  wait "$CROWD_PID" || :
}

# timed NAME COMMAND...: appends seconds, CPU seconds, kB of memory and lines of output to NAME.jsonl.
timed() {
  local name=$1 lines
  shift
  lines=$(python3 bench/timed.py "$TMP/timed" "$@" | wc -l)
  jq -c --argjson lines "$lines" '. + {lines: $lines}' "$TMP/timed" >>"$RAW/ports-$name.jsonl"
}

# What a row costs ss that shows owners: how long its first 100,000 take, because all of them take minutes.
ss_with_owners() {
  python3 bench/timed.py "$TMP/timed" bash -c 'ss -Htanp | head -n 100000' >/dev/null
  jq -c . "$TMP/timed" >>"$RAW/ports-ss-owners.jsonl"
}

ports_of_crowd() {
  local sockets=${BENCH_CROWD:-720000} round
  say "ports: $sockets sockets in 40 processes"
  start_crowd 40 "$sockets"
  for ((round = 0; round < ROUNDS; round++)); do
    timed json "$BERTH" ports --json
    timed ss ss -Htan
    timed count "$BERTH" ports --json --count-by destination
  done
  ss_with_owners
  stop_crowd
}

ports_small() {
  local round nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all)
  say "ports: a host with 500 sockets"
  start_crowd 50 500
  for ((round = 0; round < ROUNDS * 3; round++)); do
    timed small "$BERTH" ports 443
    timed small-all "$BERTH" ports --json
  done
  stop_crowd
  say "ports: 20,000 own sockets without privileges"
  cp "$BERTH" "$TMP/berth"
  chmod 711 "$TMP"
  start_crowd 2 20000 "${nobody[@]}"
  for ((round = 0; round < ROUNDS; round++)); do
    timed own "${nobody[@]}" "$TMP/berth" ports --json
  done
  stop_crowd
}

# The CPU that --watch takes while another program opens and closes connections for ten seconds.
ports_watch() {
  say "ports: --watch beside a churn"
  make_peer
  set_sysctl at_peer net.core.somaxconn 65535
  start_server at_peer 10.77.0.2 9000
  python3 bench/timed.py "$RAW/ports-watch.json" timeout -s INT 11 "$BERTH" ports --json --watch >/dev/null &
  local watch=$!
  "$BERTH" run --via bpf --ports $PORTS -- "$CLIENT" churn --seconds 10 --rate 10000 10.77.0.2 9000 \
    >"$RAW/ports-churn.jsonl" {PEER_PIPE}>&- {SERVER_PIPE}>&- || :
  wait "$watch" || :
  stop_server
}

part_ports() {
  can_measure ports || return 0
  ports_small
  ports_of_crowd
  ports_watch
}

# One thread for what a core plays; all of them, and a tenth of the connections, for the fleet.
part_sim() {
  local round
  for ((round = 0; round < ROUNDS; round++)); do
    say "sim: round $((round + 1)) of $ROUNDS"
    "$BERTH" sim --scenario reuse --policy uniform,linux --threads 1 --connections 2e7 --json >"$RAW/sim-one-$round.jsonl"
    "$BERTH" sim --scenario fleet --connections 1e8 --json >"$RAW/sim-fleet-$round.jsonl"
  done
}

# lint_tree DIR: 2,000 files of four formats, some of a thousand lines
lint_tree() {
  local i
  mkdir -p "$1"/etc/{nginx/sites-enabled,stunnel,wireguard,systemd/system}
  for ((i = 0; i < 1100; i++)); do
    printf 'server {\n  listen 80;\n  listen [::]:80;\n  server_name h%d;\n  location / {\n    proxy_pass http://127.0.0.1:%d;\n  }\n}\n' \
      $i $((10000 + i)) >"$1/etc/nginx/sites-enabled/h$i"
  done
  for ((i = 0; i < 300; i++)); do
    printf '[s%d]\naccept = %d\nconnect = 127.0.0.1:1\n' $i $((20000 + i)) >"$1/etc/stunnel/s$i.conf"
    printf '[Interface]\nListenPort = %d\n' $((22000 + i)) >"$1/etc/wireguard/wg$i.conf"
    printf '[Socket]\nListenStream=%d\n' $((23000 + i)) >"$1/etc/systemd/system/a$i.socket"
  done
}

part_lint() {
  local tree=$RAW/lint i
  say "lint: 2,000 configuration files"
  lint_tree "$tree"
  for ((i = 0; i < ROUNDS; i++)); do
    python3 - "$BERTH" "$tree" >>"$RAW/lint.jsonl" <<'END' || not_here lint "berth lint failed"
import json, os, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run([sys.argv[1], "lint", "--root", sys.argv[2]], capture_output=True, text=True)
took = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
assert done.returncode == 0 and done.stderr.startswith("berth lint: 2000 files"), done
print(json.dumps({"seconds": took, "kb": used}))
END
  done
  rm -rf "$tree"
}

part_demux() {
  local demux=$BUILD/bench/bench-demux
  [ -x "$demux" ] || { not_here demux "$demux is not built"; return 0; }
  say "demux: look-ups, beside other tables"
  "$demux" --json "$RAW/demux.json" >&2 || not_here demux "bench-demux failed"
}

if [ "${1:-}" = --churn-once ]; then
  shift
  churn_once "$@"
  exit
fi

parts=("$@")
[ $# -gt 0 ] || parts=(low connect refuse many churn reuse core sim ports grant lint demux space)
for part in "${parts[@]}"; do
  declare -F "part_$part" >/dev/null || die "no part $part: low connect refuse many churn reuse core sim ports grant lint demux space"
done
rm -rf "$RAW"
mkdir -p "$RAW"
if [ "$NS" = root ]; then
  set_sysctl net.core.somaxconn $((COUNT + 1000))
  set_sysctl net.ipv4.ip_local_port_range "$FIRST $LAST"
fi
for part in "${parts[@]}"; do
  "part_$part"
done
python3 bench/report.py "$RAW" "$OUT/bench.json"
