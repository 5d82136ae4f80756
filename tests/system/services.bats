# SPDX-License-Identifier: BSD-2-Clause
# What berth knows of ports: the built-in registry, what lies over it, schemes and systems.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup()
{
  tmp=$BATS_TEST_TMPDIR
  # The lists of a host are for all users.
  umask 022
  mkdir "$tmp/lib" "$tmp/own"
  : >"$tmp/services"
}

# The service lists of a host are the test's own: $tmp/services for /etc/services, $tmp/lib for /var/lib.
need_host()
{
  [ "$(id -u)" = 0 ] || skip "needs root"
  unshare --mount true 2>/dev/null || skip "namespaces are refused here"
}

host()
{
  # shellcheck disable=SC2016 # for the shell within
  unshare --mount sh -c 'mount --bind "$1/services" /etc/services && mount --bind "$1/lib" /var/lib && shift &&
    exec "$@"' sh "$tmp" "$@"
}

services() { host "$berth" services "$@"; }

# bare COMMAND...: as host, where no other file declares ports: of the host's there is /usr without its units.
bare()
{
  # shellcheck disable=SC2016 # for the shell within
  host sh -euc 'mkdir "$1/root" && cd "$1/root" && shift
    for d in bin dev lib lib64 proc sbin sys usr var/lib; do
      [ ! -d "/$d" ] || { mkdir -p "$d" && mount --rbind "/$d" "$d"; }
    done
    for d in lib/systemd usr/lib/systemd; do
      [ ! -d "$d" ] || mount -t tmpfs none "$d"
    done
    mkdir etc && cp /etc/services etc && touch berth && mount --bind "$0" berth && exec "$@"' "$berth" "$tmp" "$@"
}

# The file that the build converted; the test that needs another one skips.
source_file()
{
  local file

  file=$(jq -r '.[] | select(.name == "registry").value' "$build/meson-info/intro-buildoptions.json")
  [ "$(head -c 13 "$file")" != "Service Name," ] || skip "the registry was built in out of a CSV"
  echo "$file"
}

@test "services: the whole built-in registry is what its source says" {
  need_host
  source=$(source_file)
  services --json | jq -r '[.port, .protocol, .name, .description, .source, .class] | @tsv' >"$tmp/built"
  awk '{ comment = index($0, "#"); d = comment ? substr($0, comment + 1) : ""; line = comment ? substr($0, 1, comment - 1) : $0
      gsub(/[ \t]+/, " ", d); gsub(/^ | $/, "", d)
      if (split(line, w) < 2) next
      n = split(w[2], part, "/"); split(part[1], port, "-"); if (port[2] == "") port[2] = port[1]
      for (p = port[1]; p <= port[2]; p++)
        for (i = 2; i <= n; i++)
          printf "%d\t%s\t%s\t%s\tiana\t%s\n", p, part[i], w[1], d,
            p < 1024 ? "system" : p < 49152 ? "user" : "dynamic" }' "$source" >"$tmp/source"
  [ "$(wc -l <"$tmp/source")" -gt 5000 ]
  diff <(sort "$tmp/source") <(sort "$tmp/built")
  sort -c -s -n -k 1,1 "$tmp/built"
}

@test "services: the same is built in out of IANA's CSV, and twice the same" {
  need_host
  source=$(source_file)
  {
    echo 'Service Name,Port Number,Transport Protocol,Description,Assignee'
    # Its order is another one, and its descriptions may span lines.
    services --json | jq -rs 'reverse[] | [.name, .port, .protocol, (.description | sub(" "; "\n")), ""] | @csv'
    echo ',4,tcp,Unassigned,'
    echo 'no-port,,,"a ""name"" only",'
  } >"$tmp/csv"
  for from in "$source" "$source" "$tmp/csv"; do
    "$python" "$BATS_TEST_DIRNAME/../../tools/services.py" "$from" "$tmp/built.c"
    sha256sum <"$tmp/built.c" >>"$tmp/sums"
  done
  equal "one output" "$(wc -l <"$tmp/sums") $(sort -u "$tmp/sums" | wc -l)" "3 1"
  cmp "$tmp/built.c" "$build/src/registry/builtin.c"
  run "$python" "$BATS_TEST_DIRNAME/../../tools/services.py" /etc/services "$tmp/built.c"
  equal "too few for the registry" "$status" 1
}

@test "services: over it lies /etc/services, as getent has it" {
  need_host
  printf 'Http 80/tcp www # Our web\nmine 80/tcp other\nnew 50001/udp\nrtmp 1/ddp\n' >"$tmp/services"
  grep -v '/ddp' /etc/services >>"$tmp/services"
  host getent services >"$tmp/getent"
  [ "$(wc -l <"$tmp/getent")" -gt 100 ]
  services --json | jq -r 'select(.source == "/etc/services") | ([.name] + .aliases | map(ascii_downcase)) as $w |
    "\(.port)/\(.protocol) \(.name) \($w | join(" "))"' >"$tmp/ours"
  awk 'NR == FNR { name[$1] = $2; words[$1] = " " $0 " "; next }
    $2 ~ /ddp$/ { next }
    !($2 in name) { print "not known: " $0; bad = 1; next }
    !seen[$2]++ { ports++; if (name[$2] != $1) { print $1 " is called " name[$2]; bad = 1 } }
    { for (i = 1; i <= NF; i++) if (i != 2 && !index(words[$2], " " tolower($i) " ")) { print "no " $i ": " $0; bad = 1 } }
    END { for (p in name) ours++; if (ours != ports) { print ours " for " ports; bad = 1 }; exit bad }' \
    "$tmp/ours" "$tmp/getent"
  equal "the first line has the name" "$(services --json --protocol tcp 80 | jq -c '[.name, .aliases, .description, .line]')" \
    '["Http",["www","mine","other"],"Our web",1]'
  equal "what only IANA has" "$(services --json 80 --protocol udp | jq -c '[.name, .source, .line]')" '["http","iana",null]'
  equal "by the IANA name" "$(services --json http --protocol tcp | jq .port)" 80
  equal "a new one" "$(services --json NEW | jq -c '[.port, .protocol, .class]')" '[50001,"udp","dynamic"]'
}

@test "services: malformed lines are named and passed over; escapes stay visible" {
  need_host
  printf 'a 50001/tcp\nb\nc 0/tcp\n\e]0;x\a 50002/tcp \e[31m # \e[2J \xe2\x80\xae \xff\nd 50003/tcp\n' >"$tmp/services"
  run --separate-stderr services 50001-50003
  equal status "$status" 0
  equal stderr "$stderr" "berth services: /etc/services:2: no port behind the name; passed over
berth services: /etc/services:3: no port from 1 to 65535 behind the name; passed over"
  equal rows "${#lines[@]}" 4
  equal "control characters" "$(printf '%s' "$output" | tr -d '\n' | tr -cd '\000-\037\177-\377' | wc -c)" 0
  grep -qF '\x1b]0;x\x07' <<<"$output"
  grep -qF '\x1b[2J \xe2\x80\xae \xff (\x1b[31m)' <<<"$output"
  services --json 50002 2>/dev/null >"$tmp/json"
  equal "control characters in JSON" "$(tr -d '\n' <"$tmp/json" | tr -cd '\000-\037\177' | wc -c)" 0
  equal JSON "$(jq -r '.name + .aliases[0]' "$tmp/json")" $'\e]0;x\a\e[31m'
  # What the person wrote comes back in the same form.
  run services $'no\e[31msuch'
  equal status "$status" 1
  grep -qF 'no\x1b[31msuch: no service has this name' <<<"$output"
}

@test "services: operands, filters and exit statuses" {
  need_host
  equal range "$(services --json 79-81,!80 | jq -c '[.port, .protocol]' | tr -d '\n')" '[79,"tcp"][79,"udp"]'
  equal "several operands" "$(services --json --protocol sctp https 80 | jq .port | tr '\n' ' ')" '443 80 '
  equal "an option behind operands" "$(services 6000-6063 --json | jq -r .name | sort | uniq -c | tr -s ' ')" ' 128 x11'
  run --separate-stderr services postgrex
  equal "a near name" "$status $output $stderr" "1  berth services: postgrex: no service has this name; did you mean postgresql?"
  run --separate-stderr services 80 65000
  equal "one of two" "$status $stderr ${#lines[@]}" "1 berth services: 65000: no service has a port of these 4"
  run --separate-stderr services --protocol dccp 80
  equal "filtered" "$status" 1
  for wrong in "--protocol tpc" "70000" "80-70" "--schemes --systems" "--dry-run" "--systems --protocol tcp" \
    "--import /dev/null x" "--import"; do
    # shellcheck disable=SC2086 # words
    run services $wrong
    equal "$wrong" "$status ${#lines[@]}" "2 1"
  done
  equal ephemeral "$(host unshare --net sh -c "sysctl -qw net.ipv4.ip_local_port_range='5000 6000' &&
    '$berth' services --json --protocol tcp 5999-6001" | jq -c '[.port, .ephemeral]' | tr -d '\n')" \
    '[5999,true][6000,true][6001,false]'
}

@test "services: schemes and systems" {
  equal https "$("$berth" services --json https: HTTPS://host/ | jq -c '[.scheme, .port, .protocols]' | uniq -c | tr -s ' ')" \
    ' 2 ["https",443,["tcp","udp"]]'
  equal "by --schemes" "$("$berth" services --schemes redis mqtt | awk 'NR > 1 { print $1, $2, $3 }' | tr '\n' ' ')" \
    'redis 6379 tcp mqtt 1883 tcp '
  equal udp "$("$berth" services --schemes --protocol udp --json coap coaps | jq .port | tr '\n' ' ')" '5683 5684 '
  run "$berth" services --schemes https redsi
  equal "one of two" "$status ${#lines[@]}" "1 3"
  grep -q 'did you mean redis?' <<<"$output"
  [ "$("$berth" services --schemes --json | jq -r .source | grep -c .)" -gt 50 ]
  equal systems "$("$berth" services --systems --json openbsd | jq -c '[.first, .last]' | tr -d '\n')" '[1024,49151][49152,65535]'
  "$berth" services --systems | grep -qE '^Linux +32768-60999 +28232 '
  run "$berth" services --systems plan9
  equal "no such system" "$status" 1
}

# import FILE: as root of the test's host
head='Service Name,Port Number,Transport Protocol,Description'

@test "services --import: a newer registry, below /etc/services" {
  need_host
  printf '%s,Assignee\r\nhttp,80,tcp,"Web,\n of today",\r\nwww,80,tcp,,\r\nneu,50001-50002,udp,"a ""new"" one",\r\n' "$head" >"$tmp/csv"
  echo 'local 50002/udp' >"$tmp/services"
  run services --import "$tmp/csv" --dry-run
  equal "dry run" "$status $output" "0 3 services would go to /var/lib/berth/services.csv"
  [ ! -e "$tmp/lib/berth" ]
  run services --import "$tmp/csv"
  equal import "$status $output" "0 3 services stored in /var/lib/berth/services.csv"
  cmp "$tmp/csv" "$tmp/lib/berth/services.csv"
  equal mode "$(stat -c %a "$tmp/lib/berth/services.csv")" 644
  equal "no other file" "$(ls "$tmp/lib/berth")" services.csv
  equal "over the built-in" "$(services --json --protocol tcp 80 | jq -c '[.name, .aliases, .description, .source, .line]')" \
    '["http",["www"],"Web, of today","import",2]'
  equal "new, and below /etc/services" "$(services --json neu | jq -c '[.port, .name, .aliases, .description]' | tr -d '\n')" \
    '[50001,"neu",[],"a \"new\" one"][50002,"local",["neu"],"a \"new\" one"]'
  equal JSON "$(services --json --import "$tmp/csv" | jq -c '[.rows, .stored, .path]')" '[3,true,"/var/lib/berth/services.csv"]'
}

@test "services --import: what is refused changes nothing" {
  need_host
  printf '%s\nneu,50001,tcp,x\n' "$head" >"$tmp/csv"
  services --import "$tmp/csv"
  cp "$tmp/lib/berth/services.csv" "$tmp/before"
  printf '%s\nold,50001,tcp,x\nbad,70000,tcp,x\n' "$head" >"$tmp/bad"
  run services --import "$tmp/bad"
  equal "a bad port" "$status $output" "2 berth services: --import: refused, nothing is changed: line 3: the port number is neither PORT nor FIRST-LAST in 1-65535"
  head -c 70 "$tmp/csv" >"$tmp/bad" && printf '"' >>"$tmp/bad"
  run services --import "$tmp/bad"
  equal "cut short" "$status" 2
  run services --import /etc/passwd
  equal "another file" "$status" 2
  run services --import "$tmp/none"
  equal "no file" "$status $output" "2 berth services: --import: cannot read the file: No such file or directory"
  mkdir "$tmp/full" && : >"$tmp/full/berth"
  run host sh -c "mount --bind '$tmp/full' /var/lib && '$berth' services --import '$tmp/csv'"
  equal "no directory" "$status $output" "2 berth services: --import: cannot write /var/lib/berth/services.csv: Not a directory"
  cmp "$tmp/before" "$tmp/lib/berth/services.csv"
  equal "no other file" "$(ls "$tmp/lib/berth")" services.csv
  # A stored file that is damaged later costs the import, not the rest.
  echo '"' >>"$tmp/lib/berth/services.csv"
  run --separate-stderr services --json --protocol tcp 80
  equal damaged "$status $(jq -r .source <<<"$output")" "0 iana"
  grep -q '^berth services: /var/lib/berth/services.csv: line 3: the quote .*; passed over$' <<<"$stderr"
}

@test "services --import: an ordinary user's own, else the host's" {
  need_host
  command -v setpriv >/dev/null || skip "setpriv is not installed"
  printf '%s\nhosts-own,50001,tcp,x\n' "$head" >"$tmp/csv"
  services --import "$tmp/csv"
  printf '%s\nusers-own,50001,tcp,x\n' "$head" >"$tmp/csv"
  # Another user cannot reach the directories of the test under their own name.
  cp "$berth" "$tmp/berth"
  chown 65534 "$tmp/own"
  chmod 755 "$tmp"
  user()
  {
    # shellcheck disable=SC2016 # for the shell within
    host sh -c 'mount --bind "$1" /mnt && shift && exec setpriv --reuid 65534 --clear-groups env -u XDG_DATA_HOME HOME=/mnt/own "$@"' \
      sh "$tmp" "$@"
  }
  equal "the host's" "$(user /mnt/berth services --json 50001 | jq -r .name)" hosts-own
  run user /mnt/berth services --import /mnt/csv
  equal import "$status $output" "0 1 services stored in /mnt/own/.local/share/berth/services.csv"
  equal "the user's own" "$(user /mnt/berth services --json 50001 | jq -r .name)" users-own
  run user XDG_DATA_HOME=/mnt/own/data /mnt/berth services --import /mnt/csv
  equal "XDG_DATA_HOME" "$status $output" "0 1 services stored in /mnt/own/data/berth/services.csv"
  equal "the host's still" "$(services --json 50001 | jq -r .name)" hosts-own
}

@test "the default pool leaves out every port that the registry names" {
  need_host
  printf '%s\nneu,20000-20009,udp,x\n' "$head" >"$tmp/csv"
  echo 'local 20010/udp' >"$tmp/services"
  services --import "$tmp/csv"
  named=$(services --json | jq .port | sort -nu | awk '$1 >= 1024 && ($1 < 30000 || $1 > 31000) && $1 != 20100' | wc -l)
  bare unshare --net sh -c "sysctl -qw net.ipv4.ip_local_port_range='30000 31000' net.ipv4.ip_local_reserved_ports=20100 &&
    exec chroot . /berth doctor" >"$tmp/o" || [ $? = 1 ]
  grep -qE "^ok +default pool +$((65536 - 1024 - 1001 - 1 - named)) ports beside the ephemeral range" "$tmp/o"
}
