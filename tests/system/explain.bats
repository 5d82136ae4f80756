# SPDX-License-Identifier: BSD-2-Clause
# berth explain on real sockets: the reason, the holder, the way out, and what the kernel says itself.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

explain()
{
  run near "$berth" explain "$@"
}

# hold BODY: a program in the near namespace that runs BODY, prints a line and waits; its output is $launch_out.
hold()
{
  printf '%s\n' "import socket, sys, signal" "$1" "print('ready', flush=True)" "signal.pause()" >"$tmp/hold.py"
  launch near "$python" "$tmp/hold.py"
  await_line "$launch_out" ready
}

# says REGEX: a line of the output
says()
{
  grep -qE -- "$1" <<<"$output" || {
    printf 'not said: %s\nbut:\n%s\n' "$1" "$output" >&2
    return 1
  }
}

listener='s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 8080)); s.listen()'

@test "a listener in the way is named, with the rule, the kernel's answer and a free port" {
  hold "$listener"
  explain 8080
  [ "$status" = 1 ]
  says '^TCP: bind\(0\.0\.0\.0:8080\) fails now with EADDRINUSE: a listener has the port'
  says "pid $launch_pid, user root"
  says 'rule "listener" .*kernel, asked .*: EADDRINUSE'
  says 'berth ports free 8080'
  says '^Port 8081 is free'
}

@test "a port that nobody has would be given" {
  explain 8080
  [ "$status" = 0 ]
  says '^No socket'
  says '^TCP: bind\(0\.0\.0\.0:8080\) would succeed now'
  says 'registered for http-alt'
}

@test "a connection in TIME_WAIT is in the way of a server without SO_REUSEADDR only" {
  hold "$listener
c = socket.create_connection(('127.0.0.1', 8080)); p, _ = s.accept(); p.close(); c.close(); s.close()"
  explain 8080
  [ "$status" = 1 ]
  says '^TCP: bind\(0\.0\.0\.0:8080\) would succeed now'
  says 'does not set SO_REUSEADDR fails now with EADDRINUSE: a closed connection rests'
  says 'ends in [0-9]+ s'
}

@test "a client on a port of the range: what is reserved already stays reserved" {
  near sysctl -qw net.ipv4.ip_local_reserved_ports=40000-40010
  hold "$listener
c = socket.create_connection(('127.0.0.1', 8080)); print(c.getsockname()[1], flush=True)"
  await_line "$launch_out" '^[0-9]'
  port=$(grep -m1 -E '^[0-9]' "$launch_out")
  explain "$port"
  [ "$status" = 1 ]
  says 'fails now with EADDRINUSE'
  says 'berth run -- CLIENT'
  command=$(grep -oE 'sysctl -w net.ipv4.ip_local_reserved_ports=.*' <<<"$output")
  near sh -c "$command"
  near cat /proc/sys/net/ipv4/ip_local_reserved_ports | grep -q 40000-40010
  explain "$port"
  says 'ip_local_reserved_ports forbids'
}

@test "a low port as another user" {
  explain "bind 0.0.0.0:80 as nobody"
  [ "$status" = 1 ]
  says 'fails now with EACCES'
  says 'kernel, asked .*: EACCES'
  near sysctl -qw net.ipv4.ip_unprivileged_port_start=80
  explain bind 0.0.0.0:80 as nobody
  [ "$status" = 0 ]
}

@test "addresses that cannot be bound" {
  explain bind 9.9.9.9:80
  says 'fails now with EADDRNOTAVAIL'
  explain "bind [fe80::1]:80"
  says 'fails now with EINVAL: a link-local'
}

@test "connect: who listens on this host, and where nobody does" {
  hold "$listener"
  explain connect 127.0.0.1:8080
  [ "$status" = 0 ]
  says "listening, .*pid $launch_pid"
  explain connect 127.0.0.1:8081
  [ "$status" = 1 ]
  says 'fails now with ECONNREFUSED'
  explain connect 203.0.113.1:80
  [ "$status" = 1 ]
  says 'ENETUNREACH'
}

@test "connect: an exhausted range" {
  near sysctl -qw net.ipv4.ip_local_port_range='40000 40003'
  hold "$listener
c = [socket.create_connection(('127.0.0.1', 8080)) for i in range(4)]"
  explain connect 127.0.0.1:8080
  [ "$status" = 1 ]
  says 'fails now with EADDRNOTAVAIL: no port of the ephemeral range'
  says 'berth run -- PROGRAM'
  explain connect 10.9.0.2:8080
  [ "$status" = 0 ]
  says '^  4 ports of the ephemeral range'
}

@test "connect: a port that a program bound is hidden, whatever its address" {
  near sysctl -qw net.ipv4.ip_local_port_range='40000 40003'
  hold "$listener
b = socket.socket(); b.bind(('127.0.0.2', 40001))"
  explain connect 127.0.0.1:8080
  says '^  3 ports of the ephemeral range'
  says 'hidden from connect.*: 1 of them'
  explain 40001
  says 'connect\(\) chooses it for nobody'
}

@test "without privileges: what can be seen, and the kernel's own answer" {
  hold "$listener"
  run near setpriv --reuid=65534 --regid=65534 --clear-groups "$berth" explain 8080
  [ "$status" = 1 ]
  says 'fails now with EADDRINUSE'
  says 'kernel, asked .*: EADDRINUSE'
  says 'sudo berth explain 8080'
}

@test "without BPF the options of sockets are unknown, and the kernel's answer decides" {
  hold "$listener
c = socket.create_connection(('127.0.0.1', 8080)); p, _ = s.accept(); p.close(); c.close(); s.close()"
  run near env BERTH_SOCKETS=diag "$berth" explain 8080
  says 'options unknown'
  says 'would succeed now, says the kernel'
  says 'does not set SO_REUSEADDR fails now with EADDRINUSE'
}

@test "a socket of another namespace is in nobody's way" {
  hold "$listener"
  run far "$berth" explain 8080
  [ "$status" = 0 ]
  says 'other network namespaces have [1-9][0-9]* sockets? on'
}

@test "a URL without a port has that of its scheme" {
  explain "http://$far4/x" --json
  [ "$(jq -r '.verdicts[0].port' <<<"$output")" = 80 ]
}

@test "a holder outside of the PID namespace is not said to be nobody" {
  hold "$listener"
  for source in bpf diag; do
    run near env BERTH_SOCKETS=$source unshare --pid --fork --mount-proc "$berth" explain 8080
    [ "$status" = 1 ]
    says '^It is held by a socket of user root \(its program may not be looked at'
    run ! says sudo
  done
}

@test "JSON says what the text says" {
  hold "$listener"
  explain --json bind :8080
  [ "$(jq -r .what <<<"$output")" = 'bind :8080' ]
  explain --json 8080
  [ "$status" = 1 ]
  [ "$(jq -r '.verdicts[0] | [.call, .protocol, .error, .rule, .kernel] | join(" ")' <<<"$output")" = \
    "bind tcp EADDRINUSE listener EADDRINUSE" ]
  [ "$(jq -r '[.kind, .class, .listeners, .clients] | join(" ")' <<<"$output")" = "port user 1 0" ]
  [ "$(jq '.ways | length' <<<"$output")" -gt 0 ]
}

@test "the probe leaves nothing behind, and --no-probe does without" {
  explain --no-probe 8080
  says 'kernel was not asked'
  explain 8080
  near ss -Htan | awk '$4 ~ /:8080$/ { exit 1 }'
}

@test "errnos have their causes and a command" {
  explain EADDRNOTAVAIL
  [ "$status" = 0 ]
  says 'no port of the ephemeral range'
  says 'berth explain connect'
}

@test "hostile questions are refused in one plain line" {
  for what in $'\e[31m' 99999 '' 'bind x:y' $'a\nb c' "$(printf '%0600d' 1)" 'http://%s%n' '[::' 'as as as'; do
    run near "$berth" explain "$what"
    [ "$status" = 2 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output != *$'\e'* ]]
  done
}

@test "a holder's name cannot write to the terminal" {
  hold "import ctypes
ctypes.CDLL(None).prctl(15, b'\\x1b[31mred', 0, 0, 0)
$listener"
  explain 8080
  says 'x1b\[31mred'
  [[ $output != *$'\e'* ]]
}
