#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Shows the main job on real sockets: one unmodified client, alone and under berth.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=bench/lib.sh
. bench/lib.sh
enter_namespace "$@"
mkdir -p "$OUT"

PORT=9000
if [ "$NS" = none ]; then
  say "No network namespace is to be had here: both sides use the loopback interface of this host."
  ADDR=127.0.0.1 WHERE=()
else
  make_peer
  ADDR=10.77.0.2 WHERE=(at_peer)
  set_sysctl net.ipv4.ip_local_port_range "32768 60999" || :
  set_sysctl at_peer net.core.somaxconn 131072 || :
  say "Two private network namespaces, joined by veth: the client in one, the server in the other."
fi
if bpf_works; then
  VIA=bpf
else
  VIA=preload
  say "berth works inside the client's process (--via preload), because it may not use BPF here:"
  say "${BPF_REFUSED}"
fi

read -r first last </proc/sys/net/ipv4/ip_local_port_range
RANGE=$((last - first + 1))
STEP=$(((RANGE + 1400) / 2800))
STEP=$((STEP * 100))
((STEP)) || STEP=100
ALONE=$(((RANGE / STEP + 2) * STEP))
MORE=$((STEP * 50 < 64000 ? STEP * 50 : 64000 / STEP * STEP))

# Connections that nobody accepts wait in the listen queue; where it is short, the server accepts.
serve() {
  local limit files
  limit=$("${WHERE[@]}" cat /proc/sys/net/core/somaxconn)
  if ((limit > MORE)); then
    start_server "${WHERE[@]}" --queue --backlog $((MORE + STEP)) $ADDR $PORT
  else
    files=$(ulimit -Hn)
    [ "$files" != unlimited ] || files=1048576
    start_server "${WHERE[@]}" --procs $((MORE * 3 / 2 / files + 1)) $ADDR $PORT
  fi
}

say "The client alone: $ALONE connections to $ADDR port $PORT; the kernel has $RANGE ports."
serve
fill_and_reset "$OUT/demo-alone.jsonl" \
  "$CLIENT" fill --hold --count $ALONE --steps $((ALONE / STEP)) $ADDR $PORT
say "The same client under berth run --ports 1024-65535: $MORE connections."
serve
fill_and_reset "$OUT/demo-berth.jsonl" \
  "$BERTH" run --via $VIA --ports 1024-65535 --stats "$OUT/demo-stats.json" -- \
  "$CLIENT" fill --hold --count $MORE --steps $((MORE / STEP)) $ADDR $PORT

python3 bench/demo.py "$OUT/demo-alone.jsonl" "$OUT/demo-berth.jsonl" "$RANGE" "$VIA" \
  "$OUT/demo.svg"
if command -v rsvg-convert >/dev/null; then
  rsvg-convert --zoom 2 -o "$OUT/demo.png" "$OUT/demo.svg"
  say "The curves: $OUT/demo.svg and $OUT/demo.png"
else
  say "The curves: $OUT/demo.svg (no PNG: rsvg-convert is not installed)"
fi
