# SPDX-License-Identifier: BSD-2-Clause
# The ledger of reservations: merged into the kernel and sysctl.d, ended with owner or date.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
teardown() { system_teardown; }

setup()
{
  system_setup
  near sh -c 'mkdir /run/lib /run/etc /run/netns && mount --bind /run/lib /var/lib && mount --bind /run/etc /etc/sysctl.d'
}

reserve()
{
  near "$berth" reserve "$@"
}

# In the namespace: what the kernel has.
kernel()
{
  equal "ip_local_reserved_ports" "$(near cat /proc/sys/net/ipv4/ip_local_reserved_ports)" "$1"
}

persisted()
{
  equal "sysctl.d" "$(near sed -n 's/^net.ipv4.ip_local_reserved_ports = //p' /etc/sysctl.d/60-berth-reserved.conf 2>/dev/null)" "$1"
}

@test "add, list, remove" {
  run --separate-stderr reserve
  equal "nothing yet" "$status$output" 1
  reserve add 5432,6000-6009 --why 'the database' --until 2099-12-31
  kernel 5432,6000-6009
  persisted 5432,6000-6009
  reserve list --json >"$tmp/json"
  equal row "$(jq -c '[.ports, .by, .why, .source, .netns, .owner, (.until > 4000000000)]' "$tmp/json")" \
    '["5432,6000-6009","root","the database","berth","","",true]'
  reserve | grep -q '^5432,6000-6009 .*root .*2099-12-31 00:00 .*the database$'
  run --separate-stderr reserve remove 6005,7000
  equal status "$status" 1
  kernel 5432,6000-6004,6006-6009
  reserve remove 5432,6000-6004,6006-6009
  kernel ""
  persisted ""
  run ! near test -e /etc/sysctl.d/60-berth-reserved.conf
}

@test "what others have reserved is never taken out, in the kernel and in sysctl.d" {
  near sysctl -qw net.ipv4.ip_local_reserved_ports=8080,9000-9010
  near sh -c 'echo "net.ipv4.ip_local_reserved_ports = 8080" >/etc/sysctl.d/10-admin.conf'
  reserve add 8080,9005-9020
  kernel 8080,9000-9020
  persisted 8080,9005-9020
  reserve list --json | jq -s -e 'map([.source, .ports]) == [["berth", "8080,9005-9020"], ["kernel", "8080,9000-9010"]]'
  # Somebody adds one meanwhile.
  near sysctl -qw net.ipv4.ip_local_reserved_ports=8080,9000-9020,7777
  reserve add 5000
  kernel 5000,7777,8080,9000-9020
  persisted 5000,8080,9005-9020
  reserve remove 8080,9005-9020,5000
  kernel 7777,8080,9000-9010
  persisted ""
  near grep -q 8080 /etc/sysctl.d/10-admin.conf
}

@test "what somebody has written over is put back by whoever reads the list, beside his" {
  reserve add 5000,6000-6009
  near sysctl -qw net.ipv4.ip_local_reserved_ports=8080
  near rm /etc/sysctl.d/60-berth-reserved.conf
  reserve list --json | jq -se 'map([.source, .ports]) == [["berth", "5000,6000-6009"], ["kernel", "8080"]]'
  kernel 5000,6000-6009,8080
  persisted 5000,6000-6009
}

@test "a file that comes later in sysctl.d is named" {
  near sh -c 'echo "net.ipv4.ip_local_reserved_ports=1" >/etc/sysctl.d/99-admin.conf'
  run --separate-stderr reserve add 5000
  [[ $stderr == *"/etc/sysctl.d/99-admin.conf sets ip_local_reserved_ports after"* ]]
  persisted 1,5000
}

@test "a reservation ends with its owner: process, file" {
  launch near cat
  reserve add 5000-5009 --owner "pid:$launch_pid"
  near touch /run/service
  reserve add 6000 --owner path:/run/service
  kernel 5000-5009,6000
  persisted 6000
  kill -KILL "$launch_pid"
  await ended "$launch_pid"
  wait "$launch_pid" || true
  reserve list --json >"$tmp/json"
  equal left "$(jq -r .ports "$tmp/json")" 6000
  kernel 6000
  near rm /run/service
  run reserve list
  kernel ""
  persisted ""
  # One that was started by hand has its file with the manager only.
  near sh -c 'mkdir -p /run/systemd/transient && touch /run/systemd/transient/by-hand.service'
  reserve add 5000 --owner unit:by-hand
  near rm /run/systemd/transient/by-hand.service
  run reserve list
  kernel ""
  run --separate-stderr reserve add 5000 --owner unit:not-there.service
  equal status "$status" 2
  [[ $stderr == *"there is no unit:not-there.service on this host"* ]]
}

@test "a reservation ends with its date" {
  reserve add 5000 --until +1h
  reserve add 5001 --until +100s
  near sed -i 's/"until": [0-9]*$/"until": 1000000000/' /var/lib/berth/reservations.json
  run reserve list
  equal status "$status" 1
  kernel ""
  # A day that the calendar does not have is not another one, and what was before 1970 is over.
  for date in 2001-01-01 1969-12-31T23:59:59 1960-01-01 yesterday +5y 12h 2030-02-30 2031-02-29 2030-04-31T10:00 2030-12-31T23:59:60; do
    run --separate-stderr reserve add 5000 --until "$date"
    equal "status of $date" "$status" 2
  done
  TZ=Europe/Berlin reserve add 5000 --until 2032-02-29
  equal "a leap day" "$(reserve list --json | jq .until)" "$(TZ=Europe/Berlin date -d 2032-02-29 +%s)"
  # 02:30 is left out by that clock.
  TZ=Europe/Berlin reserve add 5000 --until 2030-03-31T02:30
}

@test "the installed timer ends a reservation: in the kernel, in sysctl.d and in the ledger" {
  units=$tmp/root/usr/local/lib/systemd/system
  mkdir -p "$units"
  cp "$build/packaging/berth-reserve.service" "$BATS_TEST_DIRNAME/../../packaging/systemd/berth-reserve.timer" "$units"
  value() { sed -n "s/^$1=//p" "$units/berth-reserve.service"; }
  equal ledger "$(value ConditionPathExists)" /var/lib/berth/reservations.json
  read -r -a start <<<"$(value ExecStart)"
  [[ ${start[0]} == /*/bin/berth ]]
  reserve add 5000 --until +1h
  near "$berth" "${start[@]:1}"
  kernel 5000
  near sed -i 's/"until": [0-9]*$/"until": 1000000000/' /var/lib/berth/reservations.json
  run near "$berth" "${start[@]:1}"
  equal "nothing is left" "$status" "$(value SuccessExitStatus)"
  kernel ""
  persisted ""
  command -v systemd-analyze >/dev/null || skip "no systemd-analyze here: the units' syntax was not verified"
  sed -i "s|${start[0]}|$berth|" "$units/berth-reserve.service"
  run near systemd-analyze verify --man=no "$units/berth-reserve.service" "$units/berth-reserve.timer"
  equal "verified: $output" "$status" 0
  equal said "$(grep -c berth-reserve <<<"$output")" 0
}

@test "--dry-run changes nothing; errors point at the character" {
  equal printed "$(reserve add 5000,5001 --dry-run)" 5000-5001
  kernel ""
  run ! near test -e /var/lib/berth/reservations.json
  run --separate-stderr reserve add 5000,x
  equal status "$status" 2
  [[ $stderr == *'number expected at character 6, "x"'* ]]
  run --separate-stderr reserve ad 5000
  equal status "$status" 2
  # What the ledger names is the same from everywhere.
  run --separate-stderr reserve add 5000 --netns ./inner
  [[ $status = 2 && $stderr == *'write a name, or the path from "/" on' ]]
  run --separate-stderr near "$berth" grant --bpffs bpf --rule 'deny tcp 99'
  [[ $status = 2 && $stderr == *'--bpffs: "bpf": write the path from "/" on' ]]
}

@test "--netns: another namespace has its own reservations" {
  # Seen through the test's own root, since /run is empty there.
  there=/proc/$$/root/run/netns/$far_ns
  reserve add 7000 --netns "$there"
  reserve add 7001
  kernel 7001
  equal there "$(far cat /proc/sys/net/ipv4/ip_local_reserved_ports)" 7000
  persisted 7001
  equal listed "$(reserve list --netns "$there" --json | jq -r .ports)" 7000
  reserve remove 7000 --netns "$there"
  equal there "$(far cat /proc/sys/net/ipv4/ip_local_reserved_ports)" ""
  kernel 7001
}

@test "from another namespace of that name, the host's ports stay the host's" {
  # shellcheck disable=SC2016 # for the shells within
  near sh -c ': >/run/netns/inner && mount --bind "$0" /run/netns/inner' "/proc/$$/root/run/netns/$far_ns"
  # Process 1, whose namespace is the host's, is the shell.
  # shellcheck disable=SC2016
  near unshare --pid --fork --mount-proc sh -c \
    '"$0" reserve add 7001 && nsenter --net=/run/netns/inner "$0" reserve add 7002 && "$0" reserve add 7003' "$berth"
  kernel 7001,7003
  equal there "$(far cat /proc/sys/net/ipv4/ip_local_reserved_ports)" 7002
  equal listed "$(reserve list --json --netns inner | jq -r '"\(.ports) \(.netns)"')" "7002 inner"
  persisted 7001,7003
}

@test "a namespace with a name keeps its reservations over a boot" {
  # shellcheck disable=SC2016 # for the shell within
  come() { near sh -c ': >/run/netns/inner && mount --bind "$0" /run/netns/inner' "/proc/$$/root/run/netns/$far_ns"; }
  away() { near sh -c 'umount /run/netns/inner && rm /run/netns/inner'; }
  there() { equal there "$(far cat /proc/sys/net/ipv4/ip_local_reserved_ports)" "$1"; }
  come
  reserve add 7002 --netns inner --until 2099-01-01
  reserve add 7003 --netns inner
  there 7002-7003
  away
  far sysctl -qw net.ipv4.ip_local_reserved_ports=
  # What runs before the namespace is made, as the unit of berth grant does, does not end them.
  reserve add 5000
  reserve remove 7003 --netns inner
  run reserve add 7004 --netns inner
  equal "none is made for one that is not there" "$status" 2
  come
  there ""
  reserve list --netns inner --json | jq -se 'map(.ports) == ["7002"]'
  there 7002
  kernel 5000
  reserve remove 7002 --netns inner
  there ""
  away
}

@test "a port that a file of somebody else reserves, too, is left to him" {
  reserve add 6000
  near sh -c 'echo "net.ipv4.ip_local_reserved_ports = 6000" >/etc/sysctl.d/10-admin.conf'
  reserve remove 6000
  kernel 6000
  reserve list --json | jq -se 'map([.source, .ports]) == [["kernel", "6000"]]'
}

@test "twenty at once: none is lost" {
  for i in {1..20}; do
    launch near "$berth" reserve add "$((5000 + 2 * i))"
  done
  for pid in "${launched[@]:1}"; do
    wait "$pid"
  done
  equal reservations "$(reserve list --json | wc -l)" 20
  equal kernel "$(near cat /proc/sys/net/ipv4/ip_local_reserved_ports | tr ',' '\n' | wc -l)" 20
}

@test "a ledger that cannot be read is not overwritten" {
  reserve add 5000
  near sh -c 'echo "{" >/var/lib/berth/reservations.json'
  run --separate-stderr reserve add 5001
  equal status "$status" 2
  [[ $stderr == *"reservations.json: cannot read it"* ]]
  equal kept "$(near cat /var/lib/berth/reservations.json)" "{"
  berth_run --ports 5000-5003 -- true 2>"$tmp/e"
  grep -q '^berth run: reserved ports may be assigned: .*reservations.json: cannot read it' "$tmp/e"
}

@test "berth run keeps off the ledger, also with --ports; deny rules are in it" {
  serve far "$far4" 8000
  near sh -c 'mkdir /run/bpf && mount -t bpf bpf /run/bpf'
  reserve add 20000-20001
  near "$berth" grant --bpffs /run/bpf --cgroup "$cgroup" --rule 'deny tcp 20003 owner=user:1234'
  kernel 20000-20001,20003
  berth_run --ports 20000-20004 -- "$client" tcp --count 3 --hold "$far4" 8000 </dev/null >"$tmp/o" 2>"$tmp/e" || true
  equal assigned "$(awk '{ print $2 }' "$tmp/o" | sort | tr '\n' ' ')" "20002 20004 EADDRNOTAVAIL "
  grep -q '3 ports of --ports are reserved and left out' "$tmp/e"
  near "$berth" grant --bpffs /run/bpf --remove
  kernel 20000-20001
  # A run that began before gives up what is reserved later.
  for via in bpf preload; do
    mkfifo "$tmp/$via"
    exec {go}<>"$tmp/$via"
    # shellcheck disable=SC2016
    launch near "$berth" run --via $via --ports 20010-20073 -- sh -c 'while read -r n; do "$0" tcp --count 1 "$1" 8000; done <"$2"' \
      "$client" "$far4" "$tmp/$via"
    await near sh -c "grep -q $via /run/berth/*.json"
    reserve add 20010-20041
    seq 24 >&"$go"
    await_lines "$launch_out" 24
    ports_inside 20042 20073 <"$launch_out"
    reserve remove 20010-20041
  done
}

@test "a full disk: nothing is reserved, and nothing that was is lost" {
  near sh -c 'mkdir -p /var/lib/berth && mount -t tmpfs -o size=8k none /var/lib/berth'
  reserve add 5000
  near sh -c 'cp /var/lib/berth/reservations.json /run/before; cat /dev/zero >/var/lib/berth/full' 2>/dev/null || true
  for what in "add 6000" "remove 5000"; do
    # shellcheck disable=SC2086 # two words
    run --separate-stderr reserve $what
    equal "status of $what" "$status" 2
    [[ $stderr == *"reservations.json: cannot write it (No space left on device)"* ]]
    kernel 5000
    persisted 5000
    near cmp /var/lib/berth/reservations.json /run/before
    equal "left over" "$(near sh -c 'ls /var/lib/berth | grep -c new' || true)" 0
  done
  near rm /var/lib/berth/full
  # Where sysctl.d is not there, as on a small system, it is made; where it is full, what it has stays.
  near sh -c 'umount /etc/sysctl.d && mount -t tmpfs none /etc'
  reserve add 5001
  persisted 5000-5001
  near sh -c 'cp -r /etc/sysctl.d /run/kept && mount -t tmpfs -o size=4k none /etc/sysctl.d && cp /run/kept/* /etc/sysctl.d'
  run --separate-stderr reserve add 5002
  equal status "$status" 2
  [[ $stderr == *"60-berth-reserved.conf: cannot write it (No space left on device); the ports are reserved until the next boot only"* ]]
  kernel 5000-5002
  persisted 5000-5001
}

@test "a read-only file system: the list is read, nothing is changed" {
  reserve add 5000
  near sh -c 'mount --bind /var/lib/berth /var/lib/berth && mount -o remount,ro,bind /var/lib/berth'
  equal list "$(reserve list --json | jq -r .ports)" 5000
  run --separate-stderr reserve add 5001
  equal status "$status" 2
  [[ $stderr == *"Read-only file system; mount -o remount,rw its file system"* ]]
  kernel 5000
}

@test "a ledger with a field that is not berth's is not overwritten" {
  reserve add 5000 --until 2099-01-01
  near cp /var/lib/berth/reservations.json /run/good
  while IFS='|' read -r change fault; do
    near sh -c "sed '$change' /run/good >/var/lib/berth/reservations.json && cp /var/lib/berth/reservations.json /run/bad"
    run --separate-stderr reserve add 7000
    equal "status of $change" "$status" 2
    [[ $stderr == *"cannot read it ($fault"* ]] || { echo "$change: $stderr"; false; }
    near cmp /var/lib/berth/reservations.json /run/bad
    kernel 5000
  done <<'END'
s/"until": [0-9]*/"until": "soon"/|entry 1 is no reservation)
s/"until": [0-9]*/"until": -1/|entry 1 is no reservation)
s/"netns": ""/"netns": 7/|entry 1 is no reservation)
s/"owner": ""/"owner": "pid:x"/|entry 1 is no reservation)
s/"ports": "5000"/"ports": 5000/|entry 1 is no reservation)
s/"ports": "5000"/"ports": ""/|entry 1 is no reservation)
s/"-": "5000"/"-": "x"/|"applied" has no port set for "-")
s/"version": 1/"version": 2/|not a ledger of this version)
s/"entries"/"entry"/|not a ledger of this version)
s/}//|'}' expected
END
  near cp /run/good /var/lib/berth/reservations.json
  reserve add 7000
  kernel 5000,7000
}

@test "a run of another version that keeps the ports is named, one elsewhere is not" {
  launch near "$berth" run --ports 40001-40003 -- cat
  await near sh -c 'grep -q pid /run/berth/*.json'
  near sh -c 'sed "s/\"abi\": [0-9]*/\"abi\": 1/" /run/berth/*.json >/run/old && cat /run/old >/run/berth/*.json'
  run --separate-stderr reserve add 40002-40009
  equal said "$stderr" "berth reserve: the run of process $launch_pid (bpf, version 1) began with port 40002 in its pool and may assign it until it ends; start it again"
  run --separate-stderr reserve add 40004
  equal "nothing to say" "$stderr" ""
  run --separate-stderr reserve add 40003 --netns "/proc/$$/root/run/netns/$far_ns"
  equal "nothing to say of another namespace" "$stderr" ""
}
