# SPDX-License-Identifier: BSD-2-Clause
# What is refused: one line that says what, the right status, and nothing left behind.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# refuses STATUS REGEX ARGUMENT...: berth run with these says one line on stderr, and the program did not start.
refuses()
{
  local wanted=$1 regex=$2 status=0

  shift 2
  rm -f "$tmp/started"
  berth_run "$@" >"$tmp/o" 2>"$tmp/e" || status=$?
  cat "$tmp/e"
  equal status "$status" "$wanted"
  equal "lines on stderr" "$(wc -l <"$tmp/e")" 1
  equal "text on stdout" "$(cat "$tmp/o")" ""
  grep -qE "$regex" "$tmp/e"
  [ ! -e "$tmp/started" ]
  nothing_left
}

@test "unknown option, missing value, wrong word" {
  refuses 2 '^berth run: .*--prots' --prots 1 -- touch "$tmp/started"
  refuses 2 '^berth run: .*--ports' --ports
  refuses 2 '^berth run: .*--policy.*uniform' --policy fast -- touch "$tmp/started"
  refuses 2 '^berth run: .*--via.*preload' --via magic -- touch "$tmp/started"
  refuses 2 '^berth run: .*--when-exhausted.*kernel' --when-exhausted never -- touch "$tmp/started"
  refuses 2 '^berth run: .*--reuse-after.*"soon"' --reuse-after soon -- touch "$tmp/started"
  refuses 2 '^berth run: .*--reuse-after' --reuse-after -1s -- touch "$tmp/started"
  refuses 2 '^berth run: .*--reuse-after' --reuse-after 25h -- touch "$tmp/started"
}

@test "no program named" {
  refuses 2 'berth run .*PROGRAM'
  refuses 2 'berth run .*PROGRAM' --
  refuses 2 'berth run .*PROGRAM' --ports 20000 --
}

@test "port text: the error points at the character" {
  refuses 2 '^berth run: --ports' --ports 20000-2x000 -- touch "$tmp/started"
  grep -qE '7|x' "$tmp/e"
  refuses 2 '^berth run: --ports' --ports 70000 -- touch "$tmp/started"
  refuses 2 '^berth run: --ports' --ports 20000-10000 -- touch "$tmp/started"
  refuses 2 '^berth run: --ports' --ports "" -- touch "$tmp/started"
  refuses 2 '^berth run: --ports' --ports , -- touch "$tmp/started"
  refuses 2 '^berth run: --ports' --ports 0 -- touch "$tmp/started"
}

@test "a set of ports that is empty" {
  refuses 2 '^berth run: --ports' --ports '20000-20010,!20000-20010' -- touch "$tmp/started"
}

@test "addresses: not local, not an address, wrong prefix, too many, none" {
  refuses 2 '^berth run: --pool: 192.0.2.1 is not local.*ip addr add 192.0.2.1' --pool 192.0.2.1 -- touch "$tmp/started"
  refuses 2 '^berth run: --pool: 2001:db8:ffff::1 is not local' --pool 2001:db8:ffff::1 -- touch "$tmp/started"
  refuses 2 '^berth run: --pool: 192.0.2.0/24 is not local' --pool 192.0.2.0/24 -- touch "$tmp/started"
  refuses 2 '^berth run: --pool: 2001:db8:ffff::/64 is not local' --pool 2001:db8:ffff::/64 -- touch "$tmp/started"
  refuses 2 '^berth run: --pool: 192.0.2.1 is not local' --pool "$near4,192.0.2.1" -- touch "$tmp/started"
  refuses 2 '^berth run: --pool: "example.test" is not an address' --pool example.test -- touch "$tmp/started"
  refuses 2 '^berth run: --pool: "33" is not a prefix length' --pool 10.9.0.0/33 -- touch "$tmp/started"
  refuses 2 '^berth run: --pool: ".*" is not a prefix length' --pool "$near6/" -- touch "$tmp/started"
  refuses 2 '^berth run: --pool' --pool "$near4," -- touch "$tmp/started"
  refuses 2 '^berth run: --pool' --pool "" -- touch "$tmp/started"
  near ip route add local 198.18.0.0/15 dev lo
  refuses 2 '^berth run: --pool: more than 256' --pool "198.18.0.0/24,$near4" -- touch "$tmp/started"
}

@test "program not found: 127" {
  refuses 127 '^berth run: no-such-program: .*not found' -- no-such-program
  refuses 127 "^berth run: $tmp/none: .*not found" -- "$tmp/none"
}

@test "program not executable: 126" {
  echo text >"$tmp/text"
  refuses 126 "^berth run: $tmp/text: .*(Permission denied)" -- "$tmp/text"
  refuses 126 "^berth run: $tmp: .*refused" -- "$tmp"
  printf '#!/no/such/interpreter\n' >"$tmp/script"
  chmod 755 "$tmp/script"
  refuses 127 "^berth run: $tmp/script: .*not found" -- "$tmp/script"
}

@test "--stats that cannot be written: refused before the program starts" {
  refuses 2 "^berth run: --stats: .*$tmp/no/such/file .*No such file" --stats "$tmp/no/such/file" -- touch "$tmp/started"
  refuses 2 "^berth run: --stats: .*$tmp .*Is a directory" --stats "$tmp" -- touch "$tmp/started"
  refuses 2 "^berth run: --stats: .*Is a directory" --stats "$tmp/new/" -- touch "$tmp/started"
  refuses 2 "^berth run: --stats: .*No such file" --stats "" -- touch "$tmp/started"
  : >"$tmp/plain"
  refuses 2 "^berth run: --stats: .*Not a directory" --stats "$tmp/plain/file" -- touch "$tmp/started"
  refuses 2 "^berth run: --stats: .*" --stats /proc/none -- touch "$tmp/started"
}

@test "--stats: a run that does not start leaves the file as it was, and makes none" {
  echo before >"$tmp/stats"
  refuses 127 "^berth run: no-such-program" --stats "$tmp/stats" -- no-such-program
  refuses 2 "^berth run: --pool" --stats "$tmp/stats" --pool 192.0.2.1 -- touch "$tmp/started"
  equal file "$(cat "$tmp/stats")" before
  refuses 127 "^berth run: no-such-program" --stats "$tmp/new" -- no-such-program
  [ ! -e "$tmp/new" ]
}

@test "--stats whose directory goes meanwhile: said at the end, the status stays the program's" {
  mkdir "$tmp/dir"
  status=0
  berth_run --stats "$tmp/dir/stats" -- sh -c "echo ran; rmdir '$tmp/dir'; exit 3" >"$tmp/o" 2>"$tmp/e" || status=$?
  cat "$tmp/e"
  equal "lines on stderr" "$(wc -l <"$tmp/e")" 1
  grep -q -- "--stats.*$tmp/dir/stats" "$tmp/e"
  equal "status and output" "$status $(cat "$tmp/o")" "3 ran"
  nothing_left
}

@test "no permission: another user, --via bpf" {
  command -v setpriv >/dev/null || skip "setpriv is not installed"
  status=0
  near env -u XDG_RUNTIME_DIR setpriv --reuid 65534 --regid 65534 --clear-groups "$berth" run --via bpf -- \
    touch "$tmp/started" >"$tmp/o" 2>"$tmp/e" || status=$?
  cat "$tmp/e"
  equal status "$status" 2
  equal "lines on stderr" "$(wc -l <"$tmp/e")" 1
  grep -qE '^berth run: .*root.*--via preload' "$tmp/e"
  [ ! -e "$tmp/started" ]
  nothing_left
}

@test "no permission: root without CAP_BPF and CAP_SYS_ADMIN" {
  status=0
  near setpriv --bounding-set -bpf,-sys_admin --inh-caps -bpf,-sys_admin "$berth" run --via bpf -- touch "$tmp/started" \
    >"$tmp/o" 2>"$tmp/e" || status=$?
  cat "$tmp/e"
  equal status "$status" 2
  equal "lines on stderr" "$(wc -l <"$tmp/e")" 1
  grep -qE '^berth run: bpf: .*refused' "$tmp/e"
  nothing_left
}

@test "a cgroup that cannot be made" {
  near mount --bind -o ro "$cgroup" "$cgroup"
  near mount -o remount,bind,ro "$cgroup"
  status=0
  berth_run --via bpf -- touch "$tmp/started" >"$tmp/o" 2>"$tmp/e" || status=$?
  cat "$tmp/e"
  equal status "$status" 2
  equal "lines on stderr" "$(wc -l <"$tmp/e")" 1
  grep -qE '^berth run: .*cgroup' "$tmp/e"
  [ ! -e "$tmp/started" ]
  equal "files of runs" "$(near sh -c 'ls /run/berth 2>/dev/null' | grep -vx lock)" ""
}

@test "a registry that is another user's, or no directory" {
  near sh -c 'mkdir /run/berth && chown 65534 /run/berth'
  status=0
  berth_run -- touch "$tmp/started" 2>"$tmp/e" || status=$?
  cat "$tmp/e"
  equal status "$status" 2
  grep -q '^berth run: /run/berth: ' "$tmp/e"
  near sh -c 'rmdir /run/berth && ln -s /tmp /run/berth'
  status=0
  berth_run -- touch "$tmp/started" 2>"$tmp/e" || status=$?
  equal status "$status" 2
  [ ! -e "$tmp/started" ]
}

@test "broken files in the registry are no obstacle" {
  near sh -c 'mkdir -m 755 /run/berth && echo "{" >/run/berth/1-1.json && echo "{}" >/run/berth/2-2.json &&
    echo "[1]" >/run/berth/3-3.json && : >/run/berth/4-4.json && mkdir /run/berth/5-5.json'
  berth_run -- true
  near "$berth" status >"$tmp/o" 2>&1 || true
  equal "files of runs" "$(near sh -c 'ls /run/berth' | grep -vxE 'lock|5-5.json')" ""
}

@test "what berth refused is told with its reason: nothing left, or the pair of another socket" {
  serve far "$far4" 8000 --udp
  serve far "$far4" 8001 --udp
  connect_py '
a, b = go(kind=socket.SOCK_DGRAM), go(kind=socket.SOCK_DGRAM, port=8001)
assert port_of(a) == port_of(b)
if "full" in sys.argv:
    assert refused(kind=socket.SOCK_DGRAM) == "EAGAIN"
if "pair" in sys.argv:
    assert a.connect_ex((FAR4, 8001)) == errno.EADDRNOTAVAIL'
  for reasons in full pair "full pair"; do
    # shellcheck disable=SC2086 # words
    berth_run --ports 20000 --pool "$near4" -- "$python" "$py" $reasons 2>"$tmp/e"
    cat "$tmp/e"
    equal "lines for $reasons" "$(wc -l <"$tmp/e")" "$(wc -w <<<"$reasons")"
    [[ $reasons != *full* ]] || grep -q '^berth run: 1 connections refused, the pool was exhausted; widen --ports' "$tmp/e"
    [[ $reasons != *pair* ]] || grep -q '^berth run: 1 connections refused, another socket held' "$tmp/e"
  done
}
