# SPDX-License-Identifier: BSD-2-Clause
# berth lint: rules, precedence, suppression, malformed files, mending. Needs no privilege; one case wants root.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lint

# ---- rules ----

@test "lint: one port declared twice: addresses, protocols and wildcards" {
  printf 'server {\n  listen 8443 ssl;\n}\n' | file /etc/nginx/sites-enabled/x
  file /etc/redis/redis.conf <<<'port 8443'
  lint
  found 1 "twice error /etc/nginx/sites-enabled/x:2 1"
  printf 'bind 127.0.0.1\nport 8443\n' | file /etc/redis/redis.conf
  lint
  found 1 "twice error /etc/nginx/sites-enabled/x:2 1"
  printf 'server {\n  listen 192.0.2.1:8443 ssl;\n listen [2001:db8::1]:8443;\n}\n' | file /etc/nginx/sites-enabled/x
  lint
  found 0
  # Another protocol is another port.
  rm "$root/etc/nginx/sites-enabled/x"
  printf '[Interface]\nListenPort = 8443\n' | file /etc/wireguard/wg0.conf
  lint
  found 0
}

@test "lint: instances of one program, two ports in words, a list of URLs, two conditions" {
  printf 'port = 5433\n' | file /etc/postgresql/13/main/postgresql.conf
  printf 'port = 5433\n' | file /etc/postgresql/15/main/postgresql.conf
  lint
  found 1 "twice error /etc/postgresql/13/main/postgresql.conf:1 1"
  sed -i s/5433/5434/ "$root/etc/postgresql/15/main/postgresql.conf"
  lint
  found 0
  file /etc/nut/upsd.conf <<<'LISTEN 127.0.0.1 40001'
  file /etc/default/slapd <<<'SLAPD_SERVICES="ldap:/// ldapi:/// ldap://127.0.0.1:40002/ ldaps://[::1]:40003/"'
  printf 'service x\n{\n  disable = no\n  socket_type = dgram\n  port = 40004\n}\n' | file /etc/xinetd.d/x
  lint
  found 1 "ephemeral error /etc/default/slapd:1 1" "ephemeral error /etc/default/slapd:1 1" \
    "ephemeral error /etc/nut/upsd.conf:1 1" "ephemeral error /etc/xinetd.d/x:5 1"
  sed -i 's/disable = no/disable = yes/' "$root/etc/xinetd.d/x"
  rm "$root/etc/default/slapd" "$root/etc/nut/upsd.conf"
  lint
  found 0
}

@test "lint: units: drop-ins, resets, masks, and what is not enabled" {
  printf '[Socket]\nListenStream=40000\n' | file /usr/lib/systemd/system/a.socket
  lint
  found 0
  mkdir -p "$root/etc/systemd/system/sockets.target.wants"
  ln -s /usr/lib/systemd/system/a.socket "$root/etc/systemd/system/sockets.target.wants/a.socket"
  lint
  found 1 "ephemeral error /usr/lib/systemd/system/a.socket:2 1"
  printf '[Socket]\nListenStream=\nListenStream=[::]:50000\n' | file /etc/systemd/system/a.socket.d/port.conf
  lint
  found 1 "ephemeral error /etc/systemd/system/a.socket.d/port.conf:3 1"
  ln -s /dev/null "$root/etc/systemd/system/a.socket"
  lint
  found 0
}

@test "lint: sysctl.d: order, reservations, and none that has no effect" {
  printf 'pasv_min_port=20000\npasv_max_port=20999\n' | file /etc/vsftpd.conf
  lint
  found 0
  echo 'net.ipv4.ip_local_port_range = 15000 61000' >"$root/etc/sysctl.d/50-range.conf"
  lint
  found 1 "ephemeral warning /etc/vsftpd.conf:1 1000"
  # A file of the same name in /etc hides the one in /usr/lib; a later name wins; /etc/sysctl.conf comes last.
  file /usr/lib/sysctl.d/50-range.conf <<<'net.ipv4.ip_local_port_range = 1 2'
  file /run/sysctl.d/60.conf <<<'net/ipv4/ip_local_port_range = 32768 60999'
  lint
  found 0
  file /etc/sysctl.conf <<<'-net.ipv4.ip_local_port_range=16000 61000'
  echo 'net.ipv4.ip_local_reserved_ports = 20000-20499,20998' >"$root/etc/sysctl.d/r.conf"
  lint
  found 1 "ephemeral warning /etc/vsftpd.conf:1 499"
  echo 'net.ipv4.ip_local_reserved_ports = 8080,20000-20999' >"$root/etc/sysctl.d/r.conf"
  lint --notes
  found 0 "reserved note /etc/sysctl.d/r.conf:1 -"
}

@test "lint: pools of source ports against listeners" {
  printf 'table ip nat {\n  oifname "e" ip protocol tcp masquerade to :1024-65535\n}\n' | file /etc/nftables.conf
  file /etc/redis/redis.conf <<<'port 6379'
  lint
  found 1 "source warning /etc/nftables.conf:2 1"
  sed -i s/1024-65535/32768-60999/ "$root/etc/nftables.conf"
  lint
  found 0
  echo '-A POSTROUTING -p udp -j MASQUERADE --to-ports 1024-31000' | file /etc/iptables/rules.v4
  lint
  found 0
  printf '[Interface]\nListenPort = 5182\n' | file /etc/wireguard/wg0.conf
  lint
  found 1 "source warning /etc/iptables/rules.v4:1 1"
  rm "$root/etc/iptables/rules.v4"
  # Unbound leaves out what IANA assigned, but not where it is permitted.
  sed -i s/5182/1194/ "$root/etc/wireguard/wg0.conf"
  printf 'server:\n  port: 53\n  outgoing-port-permit: 1024-65535\n' | file /etc/unbound/unbound.conf
  lint
  found 1 "source warning /etc/unbound/unbound.conf:3 1"
  echo '  outgoing-port-avoid: 1194' >>"$root/etc/unbound/unbound.conf"
  lint
  found 0
}

@test "lint: low ports, NodePorts, names" {
  file /etc/cups/cupsd.conf <<<'Listen *:631'
  lint --notes
  found 0 "resvport note /etc/cups/cupsd.conf:1 -"
  file /etc/nfs.conf </dev/null
  lint
  found 1 "resvport warning /etc/cups/cupsd.conf:1 -"
  file /etc/bindresvport.blacklist <<<'631 # cups'
  lint
  found 0
  file /etc/kubernetes/manifests/kube-apiserver.yaml <<'END'
apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - kube-apiserver
    - --secure-port=6443
    - --service-node-port-range=30000-32767
END
  lint --notes
  grep -qx 'adjacent note /etc/kubernetes/manifests/kube-apiserver.yaml:8 -' "$tmp/found"
  file /etc/redis/redis.conf <<<'port 30379'
  lint
  found 1 "nodeport warning /etc/redis/redis.conf:1 1"
}

@test "lint: compose files and Kubernetes' objects in a directory" {
  mkdir "$tmp/project"
  cat >"$tmp/project/compose.yaml" <<'END'
services:
  web:
    ports:
      - "40000-40009:80"
      - 127.0.0.1:8080:80/tcp
      - "53:53/udp"
      - target: 80
        published: "41000"
END
  cat >"$tmp/project/service.yml" <<'END'
apiVersion: v1
kind: Service
spec:
  ports:
  - port: 80
    nodePort: 42000
END
  run "$berth" lint --json "$tmp/project"
  equal status "$status" 1
  equal lines "$(jq -c '[.rule, (.file | split("/") | last), .line]' <<<"$output")" \
    '["ephemeral","compose.yaml",4]
["ephemeral","compose.yaml",8]
["ephemeral","service.yml",6]'
}

@test "lint: a finding is kept quiet with a reason, and only with one" {
  printf '# berth-lint: ignore ephemeral: reserved by the image\npasv_min_port=50000\npasv_max_port=60000\n' | file /etc/vsftpd.conf
  lint
  found 0
  equal reason "$(jq -r .suppressed "$tmp/json")" "reserved by the image"
  sed -i 's/: reserved.*//' "$root/etc/vsftpd.conf"
  lint
  found 1 "ephemeral warning /etc/vsftpd.conf:2 10001" "suppress warning /etc/vsftpd.conf:2 -"
  sed -i 's/ephemeral/overlap: x/' "$root/etc/vsftpd.conf"
  lint
  found 1 "ephemeral warning /etc/vsftpd.conf:2 10001"
}

@test "lint: malformed files are told with their line and stop nothing" {
  printf 'a\n[global\nsmb ports = 445x\n' | file /etc/samba/smb.conf
  printf '{\n "peer-port": 51413,\n "x: 1\n}\n' | file /etc/transmission-daemon/settings.json
  printf 'services:\n  a:\n\t- b\n' | file /etc/ejabberd/ejabberd.yml
  printf '<configuration>\n<settings></configuration>\n' | file /etc/freeswitch/autoload_configs/switch.conf.xml
  printf 'server {\n listen 40000;\n\n' | file /etc/nginx/sites-enabled/x
  printf 'pasv_min_port=70000\n' | file /etc/vsftpd.conf
  printf 'port 6379\0\n' | file /etc/redis/redis.conf
  lint
  equal status "$status" 1
  for where in etc/samba/smb.conf:2 etc/transmission-daemon/settings.json:3 etc/ejabberd/ejabberd.yml:3 \
    etc/freeswitch/autoload_configs/switch.conf.xml:2 etc/nginx/sites-enabled/x:1 etc/vsftpd.conf:1 etc/redis/redis.conf:1; do
    grep -qx "syntax error /$where -" "$tmp/found" || { cat "$tmp/found" && echo "$where is not told" && false; }
  done
  grep -qx 'ephemeral error /etc/transmission-daemon/settings.json:2 1' "$tmp/found"
  grep -qx 'ephemeral error /etc/nginx/sites-enabled/x:2 1' "$tmp/found"
}

@test "lint: links stay inside of the root, and what is no file holds nothing up" {
  echo 'pasv_min_port=40000' >"$root/real"
  ln -s /real "$root/etc/vsftpd.conf"
  lint
  equal status "$status" 1
  jq -e '.rule == "ephemeral" and .line == 1' "$tmp/json"
  rm "$root/etc/vsftpd.conf"
  mkfifo "$root/etc/vsftpd.conf"
  lint
  found 0
}

@test "lint --fix: shows the difference, writes it, and then there is nothing left" {
  echo 'net.ipv4.ip_local_reserved_ports = 40000' >"$root/etc/sysctl.d/10-x.conf"
  printf 'pasv_min_port=50000\npasv_max_port=50999\n' | file /etc/vsftpd.conf
  run --separate-stderr "$berth" lint --root "$root" --fix --dry-run
  equal status "$status" 0
  grep -qx '+net.ipv4.ip_local_reserved_ports = 40000,50000-50999' <<<"$output"
  [ ! -e "$root/etc/sysctl.d/99-berth.conf" ]
  run --separate-stderr "$berth" lint --root "$root" --fix
  equal status "$status" 0
  grep -qx 'net.ipv4.ip_local_reserved_ports = 40000,50000-50999' "$root/etc/sysctl.d/99-berth.conf"
  lint
  found 0
  run "$berth" lint --root "$root" --fix
  equal again "$status $output" "0 berth lint: nothing to reserve"
  # What would win over the drop-in is named.
  rm "$root/etc/sysctl.d/99-berth.conf"
  echo 'net.ipv4.ip_local_reserved_ports = 1234' >"$root/etc/sysctl.conf"
  run "$berth" lint --root "$root" --fix
  equal status "$status" 2
  [[ $output == *"/etc/sysctl.conf:1 sets ip_local_reserved_ports and would win"* ]]
  rm "$root/etc/sysctl.conf"
  # Nor is the range given away.
  printf 'pasv_min_port=33000\npasv_max_port=60000\n' | file /etc/vsftpd.conf
  run "$berth" lint --root "$root" --fix
  equal status "$status" 2
  [[ $output == *"programs would run out"* ]]
}

@test "lint --live: a listener outside of its range, and sysctls that were not applied" {
  [ "$(id -u)" = 0 ] || skip "needs root"
  unshare --net true 2>/dev/null || skip "namespaces are refused here"
  printf '[global]\nrpc server dynamic port range = 20000-20100\n' | file /etc/samba/smb.conf
  echo 'net.ipv4.ip_local_port_range = 33000 60999' >"$root/etc/sysctl.d/r.conf"
  cat >"$tmp/live.py" <<'END'
import socket, subprocess, sys
open("/proc/self/comm", "w").write("smbd")
inside, outside = socket.create_server(("127.0.0.1", 20001)), socket.create_server(("127.0.0.1", 21000))
sys.exit(subprocess.call(sys.argv[1:]))
END
  run --separate-stderr unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
    "$python" "$tmp/live.py" "$berth" lint --live --json --root "$root"
  equal status "$status" 1
  equal rules "$(jq -r .rule <<<"$output" | sort | tr '\n' ' ')" "applied live "
  [[ $(jq -r 'select(.rule == "live").text' <<<"$output") == "smbd listens on tcp port 21000 (loopback), outside of samba's"* ]]
}

@test "lint --sarif, --explain, --places, and words that are refused" {
  printf 'pasv_min_port=50000\npasv_max_port=60000\n' | file /etc/vsftpd.conf
  "$berth" lint --root "$root" --sarif | jq -e --arg file "$root/etc/vsftpd.conf" '.version == "2.1.0" and
    (.runs[0].results | length) == 1 and .runs[0].results[0].ruleId == "ephemeral" and
    .runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri == $file and
    .runs[0].results[0].locations[0].physicalLocation.region.startLine == 1 and
    (.runs[0].results[0] as $r | .runs[0].tool.driver.rules[$r.ruleIndex].id) == "ephemeral"'
  for rule in $("$berth" lint --explain all | grep -oE '^[a-z]+'); do
    "$berth" lint --explain "$rule" | grep -q "^$rule ("
  done
  run "$berth" lint --explain ephemral
  equal near "$status $output" "2 berth lint: --explain: there is no rule of this name; did you mean ephemeral?; \"all\" shows all of them"
  "$berth" lint --places | grep -q '^vsftpd .* /etc/vsftpd.conf'
  run -2 "$berth" lint --dry-run
  run -2 "$berth" lint --fix "$root"
  run -2 "$berth" lint "$root" "$root"
  run -2 "$berth" lint "$tmp/none"
  run -2 "$berth" lint --json --sarif
  run "$berth" lint "$root/etc/vsftpd.conf" --json
  equal status "$status" 1
}
