#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What 10,000 grant rules cost a bind(): grant.sh ROUNDS FILE. Needs root and a mount namespace of its own.
#
# Each round binds 5,000 sockets outside and inside of a cgroup that has the rules, in turns first and second, close
# together, since the speed of a processor drifts; the file gets a line of JSON for each case and round: case,
# without_ns, with_ns (medians of the calls).
set -euo pipefail

BUILD=${BUILD:-build}
BERTH=${BERTH:-$BUILD/src/cli/berth}
BIND=$BUILD/tests/tools/test-bind
rounds=$1 out=$2
home=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)$(awk -F: '$1 == 0 { print $3 }' /proc/self/cgroup)
cgroup=${home%/}/berth-bench-$$
mkdir "$cgroup"
trap clean_up EXIT

# A process that has just ended may be in the cgroup for a moment.
clean_up()
{
  local tries

  for ((tries = 0; tries < 100; tries++)); do
    rmdir "$cgroup" && return
    sleep 0.01
  done
}

# Rules and the ledger are kept where nobody else sees them.
for place in /var/lib /etc/sysctl.d /run; do
  mount -t tmpfs none "$place"
done
mkdir /run/bpf
mount -t bpf bpf /run/bpf

inside()
{
  # shellcheck disable=SC2016
  sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$cgroup" "$@"
}

# measure CASE PORT: with the rules on stdin
measure()
{
  local round without with

  "$BERTH" grant --bpffs /run/bpf --cgroup "$cgroup" - 2>/run/said || { cat /run/said >&2; return 1; }
  for ((round = 0; round < rounds; round++)); do
    # One bind() in a million is refused with EADDRINUSE, without rules too: the round does not count.
    ((round & 1)) || without=$("$BIND" --loop 5000 127.0.0.1 "$2") || continue
    with=$(inside "$BIND" --loop 5000 127.0.0.1 "$2") || continue
    ((round & 1)) && { without=$("$BIND" --loop 5000 127.0.0.1 "$2") || continue; }
    printf '{"case":"%s","without_ns":%s,"with_ns":%s}\n' "$1" "$without" "$with" >>"$out"
  done
}

# rules FORMAT: 10,000 of them, %d are a port from 10000 on, then a number from 20000 on
rules()
{
  awk -v format="$1\n" 'BEGIN { for (i = 0; i < 10000; i++) printf format, 10000 + i, 20000 + i }'
}

: >"$out"
rules 'allow tcp %d # %d' | measure "allow, a port without a rule" 9999
rules 'allow tcp %d # %d' | measure "allow everybody, each its port" 10500
{ rules 'allow tcp %d # %d' | sed 's/^allow/allow user=0/'; } | measure "allow a user, each its port" 10500
{ rules 'allow user=%d tcp 80 # %d' && echo 'allow user=0 tcp 80'; } | measure "allow 10,001 users one port" 80
{ rules 'allow tcp %d on 127.0.0.0/8 # %d' | sed 's/^allow/allow user=0/'; } | measure "allow a user and a prefix" 10500
rules 'deny tcp %d owner=user:0 # %d' | measure "deny to all but a user" 10500
rules 'deny tcp %d on 127.0.0.0/8 owner=user:0 # %d' | measure "deny to all but a user, a prefix" 10500
"$BERTH" grant --bpffs /run/bpf --remove
