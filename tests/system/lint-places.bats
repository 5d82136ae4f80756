# SPDX-License-Identifier: BSD-2-Clause
# berth lint: every row of `berth lint --places` against a real sample file of its Debian package, or against one as its
# documentation has it, with an overlap and mended; servers as Debian sets them up. Needs no privilege, but a mirror.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lint

# rows REGEX: of the table of samples whose package matches, as "PACKAGE|FILE|WHERE|CHANGE"
rows()
{
  grep -v '^#' "$BATS_TEST_DIRNAME/lint-samples.txt" |
    sed -E 's/ ?\| /|/; s/ \| /|/; s/ \| /|/; s/^([^|]*)\|([^|]*)\|=\|/\1|\2|\2|/' | grep -E "^($1)\\|"
}

# Rows of packages that are fetched here.
fetched_rows()
{
  rows '[^-!].*'
  [ "${BERTH_TEST_SAMPLES-}" != all ] || rows '!.*' | cut -c2-
}

# unpack PACKAGE DEB: what programs find below /etc, units, and what the table of samples names
unpack()
{
  mkdir -p "$cache/$1"
  # shellcheck disable=SC2046 # a word for each file
  dpkg-deb --fsys-tarfile "$2" | tar -x -C "$cache/$1" --wildcards './etc/*' './lib/systemd/system/*' \
    $(fetched_rows | awk -F'|' -v p="$1" '$1 == p { print "." $2 }') 2>/dev/null || true
  find "$cache/$1" -name '*.gz' -exec gunzip -f {} +
  chmod -R a+rX "$cache/$1"
  rm -f "$2"
}

# Fetches what the table of samples names and is not there yet, all at once: 89 packages, 60 MB, once for a build.
# SAMPLES_REFUSED says why nothing could be fetched.
fetch_samples()
{
  cache=$build/lint-samples
  local package from wanted deb

  SAMPLES_REFUSED=
  wanted=$(fetched_rows | while IFS='|' read -r package from _; do
    [ -e "$cache/$package${from%.gz}" ] || echo "$package"
  done | sort -u)
  [ -n "$wanted" ] || return 0
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    SAMPLES_REFUSED="no apt-get here"
    return
  fi
  if ! mkdir -p "$cache/fetch" 2>/dev/null || ! [ -w "$cache/fetch" ]; then
    SAMPLES_REFUSED="samples of packages are missing, and $cache cannot be written"
    return
  fi
  # What this release does not have would keep apt from fetching the others.
  # shellcheck disable=SC2086 # a word for each package
  wanted=$(apt-cache show --no-all-versions $wanted 2>/dev/null | awk '$1 == "Package:" { print $2 }' | sort -u)
  # shellcheck disable=SC2086
  (cd "$cache/fetch" && [ -n "$wanted" ] && timeout 100 apt-get -q -o APT::Sandbox::User=root -o Acquire::http::Timeout=15 \
    -o Acquire::Retries=0 download $wanted) >"$cache/log" 2>&1 </dev/null ||
    SAMPLES_REFUSED="apt-get cannot fetch packages here: $(tail -n 1 "$cache/log" | cut -c 1-100)"
  for deb in "$cache"/fetch/*.deb; do
    [ -e "$deb" ] || continue
    package=${deb##*/}
    unpack "${package%%_*}" "$deb" &
    [ "$(jobs -rp | wc -l)" -lt "$(nproc)" ] || wait -n
  done
  wait
}

setup_file()
{
  fetch_samples
  export SAMPLES_REFUSED
}

need_samples()
{
  [ -z "$SAMPLES_REFUSED" ] || skip "$SAMPLES_REFUSED"
}

# apart FUNCTION [WORD...]: in a shell of its own; bats follows each command of a test, which makes loops slow
apart()
{
  BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME root=$root tmp=$tmp build=$build bash -euo pipefail -c "$(declare -f rows file change write_samples lay_out)
    \"\$@\"" - "$@"
}

# change FILE CHANGE FIRST LAST: the file with ports written into it
change()
{
  local how=$2

  while [[ $how =~ %0-([0-9]+) ]]; do
    how=${how/"${BASH_REMATCH[0]}"/$(($3 - BASH_REMATCH[1]))}
  done
  how=${how//%0/$3}
  how=${how//%1/$4}
  case $how in
  '=') cat "$1" ;;
  [+~]*)
    # Files may end without a line's end; the XML that is written here begins with its declaration.
    [ "$1" = /dev/null ] || { cat "$1" && echo; }
    printf '%b\n' "${how#?}"
    ;;
  *) sed -E "$how" "$1" ;;
  esac
}

# write_samples ROWS FIRST COUNT: a tree of all rows, each with a port or COUNT ports of its own from FIRST on;
# "RULE FILE FIRST LAST" of each in $tmp/written
write_samples()
{
  local package from to how first=$2 last rule

  rm -rf "$root"
  : >"$tmp/written"
  while IFS='|' read -r package from to how; do
    last=$first rule=ephemeral
    [[ $how != *%1* ]] || last=$((first + $3 - 1))
    from=$build/lint-samples/$package${from%.gz}
    [ "$package" != - ] || from=/dev/null
    [ -d "$root${to%/*}" ] || mkdir -p "$root${to%/*}"
    if [ -e "$from" ]; then
      change "$from" "$how" "$first" "$last" >"$root$to"
    else
      # Another release may lack a package; one that is there has its sample.
      [ ! -d "$build/lint-samples/$package" ] || { echo "$package has no $from" && return 1; }
      echo "no package $package here"
      continue
    fi
    if [ "${how:0:1}" = '~' ]; then
      rule=source
      [ "$first" -gt 60999 ] || file "/etc/mosquitto/conf.d/$first.conf" <<<"listener $first"
    fi
    [ "$how" = '=' ] || echo "$rule $root$to $first $last" >>"$tmp/written"
    first=$((last + 1))
  done <<<"$1"
}

# try_samples ROWS: what is written in the ephemeral range is found, each where it stands, of the service whose place it is;
# outside of it nothing is
try_samples()
{
  apart write_samples "$1" 33000 100
  "$berth" lint --root "$root" --json >"$tmp/json" || true
  "$berth" lint --places --json >"$tmp/places"
  "$python" - "$tmp/json" "$tmp/written" "$tmp/places" "$root" "$(wc -l <<<"$1")" <<'END'
import json, re, sys
found = [json.loads(line) for line in open(sys.argv[1])]
rows = [line.split() for line in open(sys.argv[2])]
places = [json.loads(line) for line in open(sys.argv[3])]
root, wanted = sys.argv[4], int(sys.argv[5])

def services(path):
    globs = {p["service"]: p["files"].split("|") for p in places}
    return {p["service"] for p in places for glob in p["files"].split("|")
            if re.fullmatch(re.escape(glob).replace(r"\*", "[^/]*"), path)}

def holds(f, rule, file, first):
    names = services(file[len(root):])
    return (f["rule"] == rule and f["file"] == file and f["line"] and re.search(rf"\b{first}\b", f["text"]) and
            (not names or f["text"].split("'s ")[0] in names))

missed = [row for row in rows if not any(holds(f, *row[:3]) for f in found)]
malformed = [f for f in found if f["rule"] == "syntax"]
print("not found:", *missed, "malformed:", *malformed, sep="\n")
sys.exit(bool(missed or malformed) or len(rows) < 0.9 * wanted)
END
  # The samples' defaults may clash with each other; the ports that were written may not, with anything.
  apart write_samples "$1" 61500 60
  "$berth" lint --root "$root" --json >"$tmp/json" || true
  "$python" - "$tmp/json" <<'END'
import json, re, sys
found = [f for f in map(json.loads, open(sys.argv[1])) if f["rule"] == "syntax" or f["rule"] == "ephemeral" and f["line"] or
         f["rule"] != "source" and any(61500 <= int(n) for n in re.findall(r"\b\d{5}\b", f["text"]))]
print("\n".join(f["file"] + ": " + f["text"] for f in found))
sys.exit(bool(found))
END
}

@test "lint: the sample files of Debian's packages, with an overlap, and mended" {
  need_samples
  try_samples "$(rows '[^-!].*')"
}

@test "lint: the sample files of Debian's large packages, with an overlap, and mended" {
  need_samples
  [ "${BERTH_TEST_SAMPLES-}" = all ] || skip "94 MB; BERTH_TEST_SAMPLES=all fetches them"
  try_samples "$(rows '!.*' | cut -c2-)"
}

@test "lint: files as documentation has them, with an overlap, and mended" {
  try_samples "$(rows -)"
}

@test "lint: no place of the table is untried" {
  "$berth" lint --places --json >"$tmp/places"
  rows '.*' | cut -d '|' -f 1,3 >"$tmp/tried"
  "$python" - "$tmp/places" "$tmp/tried" <<'END'
import json, re, sys
places = [json.loads(line) for line in open(sys.argv[1])]
tried = [line.rstrip("\n").split("|") for line in open(sys.argv[2])]
assert len(places) > 150

def matches(place, path):
    return any(re.fullmatch(re.escape(glob).replace(r"\*", "[^/]*"), path) for glob in place["files"].split("|"))

# A place that names a package is tried with a file of it; one of another, or a written one, does not do.
untried = [p for p in places if not any(matches(p, path) and package.lstrip("!") == (p["package"] or "-")
                                        for package, path in tried)]
# What is fetched only on request has a written file that is tried each time.
deferred = [p for p in places if not any(matches(p, path) and package[0] != "!" for package, path in tried)]
units = ("/etc/systemd/", "/etc/containers/", "/etc/kubernetes/")
stale = [path for _, path in tried if not path.startswith(units) and not any(matches(p, path) for p in places)]
print("untried:", *untried, "only on request:", *deferred, "of no place:", *stale, sep="\n")
sys.exit(bool(untried or deferred or stale))
END
}

# "FILE | its text | LINE PORTS of each overlap", LINE null for a default: forms in which programs have their ports, beside those of the samples
forms()
{
  cat <<'END'
/etc/bind/named.conf | options {\n listen-on port 40003 { any; };\n listen-on-v6 { any; };\n};\nstatistics-channels {\n inet 127.0.0.1 port 40001 allow { any; };\n};\ncontrols { inet * port 40002 allow { localhost; } keys { "k"; }; };\nview x { query-source address * port 40000; }; | 2 1 6 1 8 1
/etc/nginx/nginx.conf | stream {\n server {\n  listen 127.0.0.1:40000-40009;\n  listen [::]:40020 udp;\n }\n}\nhttp { server { listen unix:/run/x; listen 41000 default_server ssl; } } | 3 10 4 1 7 1
/etc/haproxy/haproxy.cfg | frontend x\n  bind 192.0.2.1:40000-40009,[::1]:40010 ssl crt /x\n  bind *:80 | 2 10 2 1
/etc/postfix/master.cf | smtp inet n - y - - smtpd\n40025 inet n - y - - smtpd\n  -o x=y\n[::1]:40026 inet n - y - - smtpd\npickup unix n - y 60 1 pickup | 2 1 4 1
/etc/dnsdist/dnsdist.conf | -- setLocal('0.0.0.0:40000')\nsetLocal('127.0.0.1:40001', { reusePort = true })\naddLocal("[::1]:40002")\naddTLSLocal('0.0.0.0:853')\nif x then webserver("127.0.0.1:40083") end | 2 1 3 1 5 1
/etc/knot-resolver/kresd.conf | net.listen('127.0.0.1', 40053, { kind = 'dns' })\nnet.listen(net.eth0, 40853,\n  { kind = 'tls' }) | 1 1 2 1
/etc/openmpi/openmpi-mca-params.conf | btl_tcp_port_min_v4 = 40000\nbtl_tcp_port_range_v4 = 50 | 1 50
/etc/drbd.d/r0.res | resource r0 {\n on a {\n  address ipv6 [fd00::1]:40000;\n }\n on b { address 192.0.2.1:40001; }\n} | 3 1 5 1
/etc/memcached.conf | -d\n-p 40000\n-U 40001\n-l 127.0.0.1 | 2 1 3 1
/etc/redis/redis.conf | port 30000\ncluster-enabled yes\ntls-port 0 | 1 1
/etc/corosync/corosync.conf | totem {\n  interface {\n    mcastport: 40001\n  }\n} | 3 1 3 1
/etc/tigervnc/vncserver.users | :1=alice\n:30000=bob | 2 1
/etc/ssh/sshd_config | Port 22\nPort 40022\nListenAddress 192.0.2.1:40023\nListenAddress [::1] | 2 1 3 1
/etc/turnserver.conf | min-port=61000\nmax-port=65535\nlistening-port=0\nalt-listening-port=0\ntls-listening-port=40000 | 5 1
/etc/default/slapd | SLAPD_SERVICES="ldap://127.0.0.1:40389/ ldaps:/// ldapi:///" | 1 1
/etc/snmp/snmpd.conf | agentaddress udp:127.0.0.1:40161,udp6:[::1]:40162,tcp:40163 | 1 1 1 1 1 1
/etc/dovecot/conf.d/10-master.conf | service imap-login {\n  inet_listener imap {\n    port = 40143\n  }\n  inet_listener imaps {\n    #port = 40993\n    ssl = yes\n  }\n} | 3 1
/etc/rsyslog.d/x.conf | module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="40514")\n$UDPServerRun 40515 | 2 1 3 1
/etc/modprobe.d/x.conf | options lockd nlm_tcpport=40001 nlm_udpport=40002\noptions nfs callback_tcpport=40003 | 1 1 1 1 2 1
/etc/nomad.d/x.hcl | ports {\n  http = 40646\n}\nclient {\n  max_dynamic_port = 33000\n} | 2 1 5 233
/var/lib/deluged/config/core.conf | {"file": 1}{\n "random_port": false,\n "listen_ports": [\n  40881,\n  40882 ]\n} | null 1 4 1 5 1
/etc/haproxy/haproxy.cfg | global\n stats socket ipv4@127.0.0.1:40000 level admin\n stats socket /run/x.sock\nfrontend x\n bind :::40001 v4v6\n bind quic6@:40002 ssl\n bind fd@3\n bind abns@http\n bind ipv6@:40003 | 2 1 5 1 6 1 9 1
/etc/unbound/unbound.conf | server:\n interface: 0.0.0.0@40853\n ip-address: ::0@40854\n interface: 127.0.0.1 | 2 1 3 1
/etc/nsd/nsd.conf | server:\n ip-address: 127.0.0.1@40053\n port: 40054 | 2 1
/etc/knot/knot.conf | server:\n    listen: [0.0.0.0@40053, ::@40054]\n    listen-tls: 127.0.0.1@40853 | 2 1 2 1 3 1
/etc/exim4/exim4.conf | daemon_smtp_ports = 25 : 40465 : 40587 | 1 1 1 1
/etc/exim4/exim4.conf | daemon_smtp_ports = <; smtp ;40465 | 1 1
/etc/memcached.conf | -l 127.0.0.1:40000\n--port=40001\n-l ::1 | 1 1 2 1
/etc/redis/redis.conf | port 30000\ncluster-enabled yes\ncluster-port 40000 | 3 1
/etc/redis/redis.conf | port 0\ntls-port 30000\ncluster-enabled yes\ntls-cluster yes | 2 1
/etc/rabbitmq/rabbitmq.conf | listeners.tcp.1 = :::40672\nlisteners.tcp.2 = ::1:5672\nprometheus.tcp.port = 40692\nmanagement.listener.port = 40674 | 1 1 3 1 4 1
/etc/consul.d/x.json | {"ports": {"https": -1, "grpc_tls": 40502,\n "expose_min_port": 40000, "expose_max_port": 40009}} | 1 1 2 10
/etc/nomad.d/x.json | {"client": [{"reserved": {"reserved_ports": "40000-40004"},\n "min_dynamic_port": 40000, "max_dynamic_port": 40009}]} | 2 5
/etc/mysql/mariadb.conf.d/50-server.cnf | [mysqld]\nport = 40000\nskip-networking\n[mariadb-10.11]\nextra_port = 40001 | 5 1
/etc/mysql/mysql.conf.d/mysqld.cnf | [mysqld]\nloose_mysqlx_port = 40001 | 2 1
/etc/ceph/ceph.conf | [global]\nms bind port min = 40000\nms_bind_port_max = 40009 | 2 10
/etc/samba/smb.conf | [global]\nrpcserverdynamicportrange = 20000-20009\nSMB  Ports = 445 40139 | 3 1
/etc/pure-ftpd/conf/Bind | ,40021 | 1 1
/etc/default/x | PORT=40000\nHTTP_PORT=127.0.0.1:40001 | 1 1 2 1
/etc/containers/systemd/sub/x.container | [Container]\nPublishPort=40000:80\nPublishPort=[::1]:40001-40002:80-81/udp | 2 1 3 2
/usr/share/containers/systemd/x.kube | [Kube]\nPublishPort=40000:80 | 2 1
/etc/kubernetes/manifests/x.json | {"kind": "Pod", "spec": {"initContainers": [\n{"ports": [{"hostPort": 40000}]}]}} | 2 1
/var/lib/kubelet/config.yaml | kind: KubeletConfiguration\nreadOnlyPort: 40255\nhealthzPort: 0 | 2 1
/etc/systemd/system/x.socket | [Socket]\nListenStream=@40000\nListenStream=/run/40001\nListenStream=vsock::40002\nListenStream=[::]:40003 | 5 1
/etc/systemd/system/x.service | [Service]\nExecStart=/bin/x --port 40000 --listen=127.0.0.1:40001\nExecStart=/bin/x -b 127.0.0.1:40002\nExecStart=/bin/x -p 40003\nExecStart=/bin/x -addr :40004 | 2 1 2 1 3 1 4 1 5 1
/etc/systemd/system/x.service | [Service]\nExecStart=/usr/bin/ssh -N -p 40000 host\nExecStart=/usr/bin/podman run -p 40001:80 x\nExecStart=/bin/x -p 3 :0\nExecStart=/bin/x -b 115200 -P 1M\nExecStart=/bin/x -b 40000x |
/etc/systemd/system/x.service | [Service]\nType=oneshot\nExecStart=/usr/bin/dump --port 40000 |
/etc/mesos-slave/resources | cpus:4;ports:[40000-40009] | 1 10
/etc/mesos-agent/resources | ports(*):[40000-40004,41000-41004];mem:1 | 1 5 1 5
/etc/rsyslog.d/x.conf | input(type="imudp"\n      address="127.0.0.1"\n      port="40514")\naction(type="omfwd" target="x" port="40515")\ninput(\n  type="imtcp" port="40516"\n)\n$UDPServerRun 40517 | 1 1 5 1 8 1
/etc/mosquitto/mosquitto.conf | listener 40883 127.0.0.1\nlistener 0 /run/x.sock | 1 1
/etc/openvpn/x.conf | client\nport 40000\nnobind |
/etc/strongswan.conf | charon.port = 40500 | 1 1
/etc/apache-ignite/default-config.xml | <beans>\n<property name="localPort" value="47500"/>\n</beans> | 2 1
END
}

@test "lint: forms in which programs have their ports" {
  while IFS='|' read -r path text wanted; do
    path=${path% } text=${text# }
    rm -rf "$root"
    printf '%b\n' "${text% }" | file "$path"
    lint
    equal "$path" "$(awk '$1 == "ephemeral" { sub(/.*:/, "", $3); print $3, $4 }' "$tmp/found" | tr '\n' ' ' | sed 's/ $//')" \
      "${wanted# }"
    run ! grep -E '^(syntax|twice)' "$tmp/found"
  done < <(forms)
}

@test "lint: a program is not the configuration file that has its name" {
  mkdir -p "$tmp/tree/bin" "$tmp/tree/etc/default"
  for name in etcd distcc gpsd mosh services environment; do
    printf '\177ELF\0' >"$tmp/tree/bin/$name"
  done
  mkdir -p "$tmp/tree/themes/default"
  printf 'PORT=40001\nx="never closed\n' >"$tmp/tree/themes/default/script"
  printf '=head1 NAME\n\n[x\n' >"$tmp/tree/Perl.pod"
  echo 'GPSD_OPTIONS="-S 40000"' >"$tmp/tree/etc/default/gpsd"
  run --separate-stderr "$berth" lint "$tmp/tree" --json
  equal found "$(jq -r '"\(.rule) \(.file | split("/")[-2:] | join("/")):\(.line)"' <<<"$output")" "ephemeral default/gpsd:1"
}

# ---- servers as Debian sets them up ----

# lay_out PACKAGE...: their files, as they are after the installation
lay_out()
{
  local package from to

  rm -rf "$root"
  mkdir -p "$root/etc/sysctl.d" "$root/usr/lib/systemd/system"
  for package; do
    [ -d "$build/lint-samples/$package" ] || { echo "no package $package here" && return 1; }
    cp -r "$build/lint-samples/$package/etc" "$root/" 2>/dev/null || true
    cp -r "$build/lint-samples/$package/lib/systemd/system" "$root/usr/lib/systemd/" 2>/dev/null || true
    while IFS='|' read -r _ from to _; do
      # Units are there and not enabled; examples are nobody's configuration.
      case $to$from in
      /etc/systemd/* | */usr/share/doc/*) continue ;;
      esac
      file "$to" <"$build/lint-samples/$package${from%.gz}"
    done < <(rows "$package")
  done
  # Written by exim4-config when it is installed.
  [ ! -d "$root/etc/exim4" ] || file /etc/exim4/update-exim4.conf.conf <<<"dc_local_interfaces='127.0.0.1 ; ::1'"
  # Written by pg_createcluster.
  [[ " $* " != *" apache2 "* ]] || file /etc/postgresql/15/main/postgresql.conf <<<"port = 5432			# (change requires restart)"
  # libc-bin is part of each Debian, and spares the ports of known services.
  file /etc/bindresvport.blacklist < <(printf '%s # x\n' 631 636 655 774 783 873 921 993 995)
  # Directories of other packages, which these include.
  mkdir -p "$root/etc/mysql/conf.d" "$root/etc/snmp/snmpd.conf.d"
}

# stock COUNT PACKAGE...: what is found in a root with these packages, which declare COUNT ports or more
stock()
{
  local declarations

  apart lay_out "${@:2}"
  declarations=$("$berth" lint --root "$root" 2>&1 >/dev/null | grep -oE '[0-9]+ declarations' | cut -d ' ' -f 1)
  echo "$declarations declarations of ${*:2}"
  [ "$declarations" -ge "$1" ]
  lint
}

@test "lint: a stock Debian web server has no finding" {
  need_samples
  stock 9 openssh-server nginx-common mariadb-server redis-server memcached rsyslog chrony exim4-config snmpd munin-node
  found 0
  stock 9 openssh-server apache2 mariadb-server postfix rsyslog ntpsec haproxy stunnel4 tor privoxy collectd
  found 0
}

@test "lint: a stock Debian mail server has no finding" {
  need_samples
  stock 6 openssh-server postfix dovecot-core spamd clamav-daemon rsyslog chrony bind9 slapd
  found 0
}

@test "lint: a stock Debian desktop and print server has no finding" {
  need_samples
  stock 10 openssh-server cups-daemon sane-utils rsync exim4-config nfs-common chrony dnsmasq minidlna mpd
  found 0
}

@test "lint: what a stock Debian server's findings are, and why they are justified" {
  need_samples
  # Samba's RPC services listen on 49152-65535 where nothing else is said (smb.conf(5), rpc server dynamic port range).
  stock 8 openssh-server samba-common cups-daemon nfs-common
  found 1 "ephemeral warning /etc/samba/smb.conf:null 11848"
  # The relays of TURN are on 49152-65535 (turnserver(1)), media of rtpengine on 30000-40000 as the file itself says.
  stock 4 openssh-server coturn
  found 1 "ephemeral warning /etc/turnserver.conf:null 11848"
  # A resolver that sends from 1024-65535 may hold the port of Mumble when that starts again.
  stock 3 openssh-server pdns-recursor mumble-server
  found 1 "source warning /etc/powerdns/recursor.conf:null 1"
  # The two want port 80, and the second to start fails.
  stock 2 nginx-common apache2
  found 1 "twice error /etc/apache2/ports.conf:5 1"
  # A cluster of PostgreSQL has the port of the one before where pg_createcluster did not choose it.
  file /etc/postgresql/13/main/postgresql.conf <<<"port = 5432"
  rm -r "$root/etc/nginx"
  lint
  found 1 "twice error /etc/postgresql/13/main/postgresql.conf:1 1"
  # Debian's own file has a port in the ephemeral range.
  stock 1 nrpe-ng
  found 1 "ephemeral error /etc/nagios/nrpe-ng.cfg:54 1"
  # mosh(1): 60000-61000, of which one in a thousand connections of this host may hold one.
  stock 2 openssh-server mosh
  found 1 "ephemeral warning /etc/ufw/applications.d/mosh:null 1000"
  # Nothing in that file moves them, and nothing pretends so.
  equal ways "$(jq -r '.ways[]' "$tmp/json" | grep -c mosh)" 0
}
