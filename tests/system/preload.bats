#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The preload path: each case of preload.sh in a network namespace of its own, and the launcher.
#
# Each case is a subshell of bats, so what "run" sets is the case's own; a script in quotes is for the
# shell that the launcher starts.
# shellcheck disable=SC2016,SC2030,SC2031

bats_require_minimum_version 1.5.0

setup()
{
  cd "$BATS_TEST_DIRNAME/../.." || return 1
  export BUILD=${BUILD:-$PWD/build} SCRATCH=$BATS_TEST_TMPDIR
  RUNNER=$BUILD/tests/tools/preload_run
  LIBRARY=$BUILD/src/preload/libberth-preload.so
  CLIENT=$BUILD/tests/tools/test-client
  [ -x "$RUNNER" ] || skip "$RUNNER is not built"
}

# inside CASE [ARG...]
inside()
{
  local how=-nm

  [ "$(id -u)" = 0 ] || how=-Urnm
  unshare "$how" true 2>/dev/null || skip "no network namespace is allowed here"
  run unshare "$how" bash tests/system/preload.sh "$@"
  [ "$status" != 77 ] || skip "${lines[-1]}"
  echo "$output"
  [ "$status" = 0 ]
}

@test "200 ports inside the ephemeral range, the next is refused" { inside fill tcp 127.0.0.1 40000 40199 EADDRNOTAVAIL; }
@test "200 ports outside of it" { inside fill tcp 127.0.0.1 20000 20199 EADDRNOTAVAIL; }
@test "a pool across its border" { inside fill tcp 127.0.0.1 32700 32899 EADDRNOTAVAIL; }
@test "IPv6 inside" { inside fill tcp ::1 40000 40049 EADDRNOTAVAIL; }
@test "IPv6 outside" { inside fill tcp ::1 20000 20049 EADDRNOTAVAIL; }
@test "v4-mapped inside" { inside fill tcp ::ffff:127.0.0.1 40000 40049 EADDRNOTAVAIL; }
@test "v4-mapped outside" { inside fill tcp ::ffff:127.0.0.1 20000 20049 EADDRNOTAVAIL; }
@test "non-blocking inside" { inside fill nonblock 127.0.0.1 40000 40049 EADDRNOTAVAIL; }
@test "non-blocking outside" { inside fill nonblock 127.0.0.1 20000 20049 EADDRNOTAVAIL; }
@test "fast open inside" { inside fill tfo 127.0.0.1 40000 40049 EADDRNOTAVAIL; }
@test "fast open outside" { inside fill tfo 127.0.0.1 20000 20049 EADDRNOTAVAIL; }
@test "UDP inside" { inside fill udp 127.0.0.1 40000 40049 EAGAIN; }
@test "UDP outside" { inside fill udp 127.0.0.1 20000 20049 EAGAIN; }
@test "UDP over IPv6" { inside fill udp ::1 20000 20049 EAGAIN; }
@test "exhausted inside: the kernel's choice" { inside exhausted_to_kernel 40000-40009; }
@test "exhausted outside: the kernel's choice" { inside exhausted_to_kernel 20000-20009; }
@test "two destinations share ports inside" { inside share_ports 40000-40049; }
@test "two destinations share ports outside" { inside share_ports 20000-20049; }
@test "processes and threads share a lane inside" { inside share_lane 40000-40199; }
@test "processes and threads share a lane outside" { inside share_lane 20000-20199; }
@test "processes killed in their loop leave the others working inside" { inside kill_some 40000-40099; }
@test "processes killed in their loop leave the others working outside" { inside kill_some 20000-20099; }
@test "a lock of a dead process is passed by and taken over" { inside stuck_lock 20000-20999; }
@test "a socket across fork and exec inside" { inside fork_exec 40000-40009; }
@test "a socket across fork and exec outside" { inside fork_exec 20000-20009; }
@test "choices of the program are respected inside" { inside own_choices 40000-40009; }
@test "choices of the program are respected outside" { inside own_choices 20000-20009; }
@test "bind to port 0, TCP" { inside bind_any 20000-20009 SOCK_STREAM; }
@test "bind to port 0, UDP" { inside bind_any 40000-40009 SOCK_DGRAM; }
@test "reconnect after a failed connect inside" { inside reconnect 40000-40999; }
@test "reconnect after a failed connect outside" { inside reconnect 20000-20999; }
@test "connect and close in a loop inside" { inside churn 40000-40099; }
@test "connect and close in a loop outside" { inside churn 20000-20099; }
@test "no socket connects to itself inside" { inside no_self_connect 40000; }
@test "no socket connects to itself outside" { inside no_self_connect 20000; }
@test "a listener on a port of the pool is gone round" { inside foreign_listener 20000-20009; }
@test "two addresses inside" { inside two_addresses 127.0.0.5,127.0.0.6 40000-40009; }
@test "two addresses outside" { inside two_addresses 127.0.0.5,127.0.0.6 20000-20009; }
@test "addresses that cannot be a source are skipped inside" { inside useless_addresses 40000-40099; }
@test "addresses that cannot be a source are skipped outside" { inside useless_addresses 20000-20099; }
@test "random addresses of a prefix" { inside prefix 20000-20009; }
@test "sequential takes one after the other" { inside sequential 20000-20009; }
@test "random operations on a pool in contention inside" { inside stress 40000-43999; }
@test "random operations on a pool in contention outside" { inside stress 10000-13999; }
@test "random operations with UDP" { inside stress 10000-10299 --udp; }
@test "random operations with binds inside" { inside stress 33000-60000 --source 127.0.0.1; }
@test "random operations with binds outside" { inside stress 2000-31999 --source 127.0.0.1; }
@test "a reconnected UDP socket shadows no other" { inside udp_shadow 20000-20001; }
@test "curl" { inside real_curl 20000-20009; }
@test "dig against dnsmasq" { inside real_dig 20000-20009; }
@test "connect in a signal handler inside" { inside odd signal 33000-60000; }
@test "connect in a signal handler outside" { inside odd signal 2000-31999; }
@test "connect in a child of vfork" { inside odd vfork 20000-20999; }
@test "connect without a free descriptor inside" { inside odd nofiles 40000-40999; }
@test "connect without a free descriptor outside" { inside odd nofiles 20000-20999; }
@test "another network namespace than the run's" { inside foreign_namespace 40000-40009; }
@test "no route is the kernel's to say" { inside no_route; }
@test "no route from any address of the pool" { inside no_route --pool 127.0.0.1; }
@test "user nobody inside" { inside unprivileged 40000-40009; }
@test "user nobody outside" { inside unprivileged 20000-20009; }

@test "each policy fills its pool" {
  local p

  for p in uniform random hash double-hash random-increment longest-idle; do
    SCRATCH=$BATS_TEST_TMPDIR/$p
    mkdir "$SCRATCH"
    inside policy $p 20000-20019
  done
}

@test "only the interposed calls are exported, and nothing allocates" {
  run nm -D --defined-only "$LIBRARY"
  [ "$(awk '{ print $3 }' <<<"$output" | sort | xargs)" = \
    "bind close close_range closefrom connect dup2 dup3 sendmsg sendto setns setsockopt unshare" ]
  run nm -D --undefined-only "$LIBRARY"
  run ! grep -E ' (malloc|calloc|realloc|free|pthread_)' <<<"$output"
}

refused()
{
  run "-$2" "$RUNNER" --check -- "$1"
  echo "$output"
  [ "$status" = "$2" ] && [[ $output == *"$3"* ]]
}

@test "a static program is refused" { refused "$CLIENT-static" 2 "statically linked"; }
@test "a program that is not there is refused" { refused no-such-program 127 "not found"; }

@test "a file that is not executable is refused" {
  echo text >"$SCRATCH/file"
  refused "$SCRATCH/file" 126 "not executable"
}

@test "another architecture is refused" {
  cp "$CLIENT" "$SCRATCH/foreign"
  printf '\xf3' | dd of="$SCRATCH/foreign" bs=1 seek=18 conv=notrunc status=none
  refused "$SCRATCH/foreign" 2 "another architecture"
}

@test "another C library is refused" {
  sed 's#/ld-linux#/ld-linyx#' "$CLIENT" >"$SCRATCH/other"
  chmod +x "$SCRATCH/other"
  refused "$SCRATCH/other" 2 "C library"
}

@test "a damaged file is refused" {
  head -c 100 "$CLIENT" >"$SCRATCH/short"
  chmod +x "$SCRATCH/short"
  refused "$SCRATCH/short" 2 "damaged"
}

@test "a script of a static interpreter is refused" {
  printf '#!%s\n' "$CLIENT-static" >"$SCRATCH/script"
  chmod +x "$SCRATCH/script"
  refused "$SCRATCH/script" 2 "statically linked"
}

@test "a script through env is looked at" {
  cp "$CLIENT-static" "$SCRATCH/static-program"
  printf '#!/usr/bin/env static-program\n' >"$SCRATCH/script"
  chmod +x "$SCRATCH/script"
  PATH=$SCRATCH:$PATH refused "$SCRATCH/script" 2 "statically linked"
}

@test "a program that gains privileges is refused" {
  [ "$(id -u)" = 0 ] || skip "needs root to make one"
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null
  cp "$CLIENT" "$SCRATCH/sets-id"
  chmod 4755 "$SCRATCH/sets-id"
  setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$RUNNER" -a -x "$SCRATCH/sets-id" ||
    skip "nobody can read neither build nor scratch directory"
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$RUNNER" --check -- "$SCRATCH/sets-id"
  echo "$output"
  [ "$status" = 2 ] && [[ $output == *"gains privileges"* ]]
}

@test "ordinary programs are accepted" {
  "$RUNNER" --check -- "$CLIENT"
  "$RUNNER" --check -- bash
}

@test "status, environment and an LD_PRELOAD of the user's stay" {
  run "$RUNNER" -- bash -c 'exit 42'
  [ "$status" = 42 ]
  LD_PRELOAD=libc.so.6 run "$RUNNER" -- bash -c 'echo "$LD_PRELOAD"'
  [ "$output" = "libc.so.6:$LIBRARY" ]
  run "$RUNNER" -- "$RUNNER" -- bash -c 'echo "$LD_PRELOAD"'
  [ "$output" = "$LIBRARY" ]
}

@test "the shared file goes with the run, and with the next one when the run was killed" { inside shared_file; }

@test "without a shared file the program runs as ever" { inside no_shared_file; }
