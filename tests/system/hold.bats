# SPDX-License-Identifier: BSD-2-Clause
# A port held for a service that is down, and handed over without a gap.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() {
  system_setup
  near install -m 755 "$build/tests/tools/test-bind" /run/bind
  # Answers COUNT connections with its name, over descriptor 3.
  cat >"$tmp/service.py" <<'END'
import os, socket, sys
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == sys.argv[3]
s = socket.socket(fileno=3)
for i in range(int(sys.argv[2])):
    c = s.accept()[0]
    c.sendall(sys.argv[1].encode())
    c.close()
END
  cat >"$tmp/ask.py" <<'END'
import socket, sys
for i in range(int(sys.argv[2])):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    print(s.recv(100).decode(), flush=True)
END
}
teardown() { system_teardown; }

# holder ARGS...: in the background, until it says that it holds
holder()
{
  launch near "$berth" hold "$@"
  holder_pid=$launch_pid holder_out=$launch_out
  await_line "$launch_out" '^held '
}

service()
{
  near "$berth" hold "${@:4}" -- "$python" "$tmp/service.py" "$1" "$2" "$3"
}

@test "held, handed over again and again: every connection is answered, nobody else gets the port" {
  holder --listen 8000
  equal line "$(cat "$holder_out")" "held tcp:[::]:8000"
  launch near sh -c 'while :; do /run/bind 0.0.0.0 8000; done'
  stranger=$launch_out
  launch near "$python" "$tmp/ask.py" 8000 30
  asked=$launch_out
  for i in 1 2 3 4 5 6; do
    service "run$i" 5 1 8000
  done
  await_lines "$asked" 30
  equal answers "$(sort "$asked" | uniq -c | awk '{ print $1 $2 }' | tr '\n' ' ')" \
    "5run1 5run2 5run3 5run4 5run5 5run6 "
  await_lines "$stranger" 10
  equal "the stranger" "$(sort -u "$stranger")" "refused EADDRINUSE"
  # The holder says so after it has done so.
  all_handed() { equal handed "$(grep -c 'tcp:\[::\]:8000 handed to process' "$holder_out.err")" 6; }
  await all_handed
}

@test "nobody shares a held port by SO_REUSEADDR, nor after connections that wait" {
  cat >"$tmp/share.py" <<'END'
import socket
for family, addr in (socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::"), (socket.AF_INET6, "::1"):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind((addr, 8000))
        s.listen()
        print(addr, "shared")
    except OSError as e:
        print(e.strerror)
END
  # The server closes first: its pairs wait.
  launch near "$berth" hold 8000 -- "$python" "$tmp/service.py" before 3 1
  await_listen near t 8000
  near "$python" "$tmp/ask.py" 8000 3
  await ended "$launch_pid"
  rests() { near ss -Htan state time-wait | grep -q :8000; }
  await rests
  holder 8000
  equal strangers "$(near "$python" "$tmp/share.py" | sort | uniq -c | awk '{ $1 = $1; print }')" "4 Address already in use"
  equal "before any service" "$(near "$python" "$tmp/ask.py" 8000 1 2>&1 | grep -c refused)" 1
  launch near "$berth" hold 8000 -- "$python" "$tmp/service.py" after 1 1
  await_listen near t 8000
  equal answer "$(near "$python" "$tmp/ask.py" 8000 1)" after
}

@test "a service that shuts its listener down leaves the port with its holder" {
  cat >"$tmp/shut.py" <<'END'
import ctypes, socket, struct, sys
s = socket.socket(fileno=3)
s.shutdown(socket.SHUT_RDWR) if sys.argv[1] == "shutdown" else ctypes.CDLL(None).connect(3, struct.pack("H14x", 0), 16)
END
  cat >"$tmp/share.py" <<'END'
import errno, socket
for addr in "0.0.0.0", "127.0.0.1":
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind((addr, 8000))
        print("shared")
    except OSError as e:
        print(errno.errorcode[e.errno])
END
  for listen in "" --listen; do
    # shellcheck disable=SC2086 # none, or one word
    holder $listen 8000
    for n in 1 2; do
      near "$berth" hold 8000 -- "$python" "$tmp/shut.py" "$([ $n = 1 ] && echo shutdown || echo disconnect)"
      await_lines "$holder_out.err" $((2 * n))
      equal "said" "$(grep -c 'tcp:\[::\]:8000: shut down by the program, held again' "$holder_out.err")" $n
      equal strangers "$(near "$python" "$tmp/share.py" | sort -u)" EADDRINUSE
    done
    launch near "$python" "$tmp/ask.py" 8000 1
    asked=$launch_pid
    [ "$listen" ] || await ended "$asked"
    service after 1 1 8000 &
    [ "$listen" ] || { await_listen near t 8000 && launch near "$python" "$tmp/ask.py" 8000 1; }
    await_line "$launch_out" after
    wait $!
    kill -TERM "$holder_pid"
    wait "$holder_pid"
  done
}

@test "a service that shared its datagram socket, or gave it a peer, leaves neither behind" {
  cat >"$tmp/deaf.py" <<'END'
import socket
s = socket.socket(fileno=3)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.connect(("::1", 9))
END
  cat >"$tmp/share.py" <<'END'
import errno, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    s.bind(("0.0.0.0", 5300))
    print("shared")
except OSError as e:
    print(errno.errorcode[e.errno])
END
  cat >"$tmp/hear.py" <<'END'
import socket
s, ask = socket.socket(fileno=3), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
ask.sendto(b"heard", ("127.0.0.1", 5300))
print(s.recv(9).decode())
END
  holder udp:5300
  near "$berth" hold udp:5300 -- "$python" "$tmp/deaf.py"
  kept() { equal stranger "$(near "$python" "$tmp/share.py")" EADDRINUSE; }
  await kept
  equal "the next one" "$(near "$berth" hold udp:5300 -- "$python" "$tmp/hear.py")" heard
}

@test "a service that is killed leaves the port with its holder" {
  holder 8000
  equal "before any service" "$(near "$python" "$tmp/ask.py" 8000 1 2>&1 | grep -c refused)" 1
  launch near "$berth" hold 8000 -- "$python" "$tmp/service.py" first 100 1
  await_listen near t 8000
  equal answer "$(near "$python" "$tmp/ask.py" 8000 1)" first
  kill -KILL "$launch_pid"
  await ended "$launch_pid"
  equal stranger "$(near /run/bind 0.0.0.0 8000 || true)" "refused EADDRINUSE"
  launch near "$python" "$tmp/ask.py" 8000 1
  service second 1 1 8000
  await_line "$launch_out" second
}

@test "several endpoints, TCP and UDP, in order and with names" {
  holder udp:5300 tcp:127.0.0.1:8001 '[::1]:8002'
  equal lines "$(tr '\n' ' ' <"$holder_out")" "held udp:[::]:5300 held tcp:127.0.0.1:8001 held tcp:[::1]:8002 "
  # shellcheck disable=SC2016
  near "$berth" hold udp:5300 tcp:127.0.0.1:8001 '[::1]:8002' -- "$python" -c '
import os, socket
print(os.environ["LISTEN_FDNAMES"], [socket.socket(fileno=3 + i).getsockname()[:2] for i in range(3)])' >"$tmp/o"
  equal sockets "$(cat "$tmp/o")" "udp-5300:tcp-8001:tcp-8002 [('::', 5300), ('127.0.0.1', 8001), ('::1', 8002)]"
}

@test "nobody holds it: bound on the spot, and said so" {
  # shellcheck disable=SC2016
  near "$berth" hold 8000 -- sh -c 'echo $LISTEN_FDS' >"$tmp/o" 2>"$tmp/e"
  equal descriptors "$(cat "$tmp/o")" 1
  grep -q 'nobody holds tcp:\[::\]:8000; bound here' "$tmp/e"
}

@test "only root, the holder's user and those of --for get the socket" {
  take() {
    # shellcheck disable=SC2016
    near setpriv --reuid "$1" --regid "$1" --clear-groups "$berth" hold 8000 -- sh -c 'echo $LISTEN_FDS' 2>"$tmp/e" || true
  }
  [ -x "$berth" ] && near setpriv --reuid 1234 --regid 1234 --clear-groups "$berth" --version >/dev/null ||
    skip "other users cannot execute $berth"
  # 2^32 + 1234, and what fits into no number, are nobody.
  for whom in user:4294968530 group:4294968530 user:4294967295 user:99999999999999999999; do
    run --separate-stderr near timeout 5 "$berth" hold --for "$whom" 8000
    equal "status of $whom" "$status" 2
    [[ $stderr == *"there is no \"${whom#*:}\" on this host"* ]]
  done
  umask 077
  holder --for user:1234 8000
  equal "user 1234" "$(take 1234)" 1
  equal "user 1235" "$(take 1235)" ""
  grep -q 'its holder refused user 1235' "$tmp/e"
  await_line "$holder_out.err" 'of user 1235 asked for the port and was refused'
}

@test "a second holder is told; a killed one leaves nothing in the way; one that ends lets go" {
  holder 8000
  run --separate-stderr near "$berth" hold 8000
  equal status "$status" 2
  [[ $stderr == *'another "berth hold" has it already'* ]]
  kill -KILL "$holder_pid"
  await ended "$holder_pid"
  wait "$holder_pid" || true
  holder 8000
  kill -TERM "$holder_pid"
  wait "$holder_pid"
  equal left "$(near sh -c 'ls /run/berth' | grep -c hold- || true)" 0
  equal free "$(near /run/bind 0.0.0.0 8000)" "ok 8000"
  run --separate-stderr near "$berth" hold 8000 --
  equal "status without a program" "$status" 2
  [[ $stderr == *'no program after "--"'* ]]
  for bad in 0 65536 x:80 '[::1:80' ::1:80 tcp: 80-81 sctp:80; do
    run near "$berth" hold "$bad"
    equal "status of $bad" "$status" 2
  done
}

@test "a holder that cannot watch its sockets or signals holds nothing" {
  local held=0 refused=0 n

  for n in 4 5 6 7 8 9 10; do
    # shellcheck disable=SC2016 # for the shell within
    launch near sh -c 'ulimit -n "$0" && exec "$@"' "$n" "$berth" hold 127.0.0.1:8447
    # shellcheck disable=SC2016 # evaluated again and again
    await eval 'grep -q held "$launch_out" || grep -q "^berth hold: " "$launch_out.err" || ended "$launch_pid"'
    if grep -q held "$launch_out"; then
      held=$((held + 1))
      kill -TERM "$launch_pid"
      await ended "$launch_pid"
    else
      grep -qE 'refused to watch .*ulimit -n' "$launch_out.err" && refused=$((refused + 1))
    fi
  done
  [ "$held" -gt 0 ]
  [ "$refused" -gt 0 ]
}
