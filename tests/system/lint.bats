# SPDX-License-Identifier: BSD-2-Clause
# berth lint: rules, precedence, suppression, malformed files, mending. Needs no privilege; one case wants root.
# Files of other programs have dollar signs, too.
# shellcheck shell=bash disable=SC2154,SC2016
bats_require_minimum_version 1.5.0
load lint

# ---- rules ----

# "RULE | FILE | text | the same, repaired", more files of a case begin with "+". Both texts without a rule: "-".
cases()
{
  cat <<'END'
syntax | /etc/vsftpd.conf | pasv_min_port=70000 | pasv_min_port=20000\npasv_max_port=20010
include | /etc/nginx/nginx.conf | include x.conf; | include *.x;
ephemeral | /etc/vsftpd.conf | pasv_min_port=50000\npasv_max_port=50099 | pasv_min_port=20000\npasv_max_port=20099
ephemeral | /etc/redis/redis.conf | port 40000 | port 6379
ephemeral | /etc/nomad.d/x.hcl | client {\n min_dynamic_port = 20000\n max_dynamic_port = 60000\n} | client {\n min_dynamic_port = 20000\n max_dynamic_port = 32000\n}
overlap | /etc/vsftpd.conf | pasv_min_port=20000\npasv_max_port=20099 | pasv_min_port=20100\npasv_max_port=20199
+ | /etc/asterisk/rtp.conf | [general]\nrtpstart=15000\nrtpend=15099 | -
+ | /etc/glusterfs/glusterd.vol | volume management\n option base-port 20050\n option max-port 20099\nend-volume | -
twice | /etc/redis/redis.conf | port 8443 | bind 192.0.2.1\nport 8443
+ | /etc/nginx/conf.d/x.conf | server { listen 192.0.2.2:8443; } | -
twice | /etc/apache2/ports.conf | Listen 80 | Listen 127.0.0.1:8000
+ | /etc/lighttpd/lighttpd.conf | server.port = 80 | -
source | /etc/unbound/unbound.conf | server:\n  port: 53\n  outgoing-port-permit: 1024-65535 | server:\n  port: 53\n  outgoing-port-permit: 20000-30000\n  outgoing-port-avoid: 5182
+ | /etc/redis/redis.conf | port 6379 | -
+ | /etc/wireguard/wg0.conf | [Interface]\nListenPort = 5182 | -
source | /etc/unbound/unbound.conf | server:\n  outgoing-port-avoid: 1-65535\n  outgoing-port-permit: 5000-5999 | server:\n  outgoing-port-permit: 5000-5999\n  outgoing-port-avoid: 1-65535
+ | /etc/wireguard/wg0.conf | [Interface]\nListenPort = 5182 | -
source | /etc/nftables.conf | table ip nat { chain c {\n ip  protocol tcp \\n  masquerade \\n  to  :1024-65535\n} } | table ip nat { chain c {\n ip protocol tcp \\n  masquerade \\n  to :32768-60999\n} }
+ | /etc/redis/redis.conf | port 6379 | -
source | /etc/systemd/network/v.netdev | [VXLAN]\nPortRange=5000-5999 | [VXLAN]\nPortRange=32768-60999
+ | /etc/wireguard/wg0.conf | [Interface]\nListenPort = 5182 | -
source | /etc/bind/named.conf.options | options {\n use-v4-udp-ports { range 1024 65535; };\n}; | options {\n use-v4-udp-ports { range 32768 60999; };\n};
+ | /etc/wireguard/wg0.conf | [Interface]\nListenPort = 5182 | -
+ | /etc/wireguard/wg1.conf | [Interface]\nListenPort = 5183 | -
source | /etc/nftables.conf | table ip nat { chain c {\n masquerade to :1024-65535\n} } | table ip nat { chain c {\n masquerade to :32768-60999\n} }
+ | /etc/redis/redis.conf | port 6379 | -
source | /etc/powerdns/recursor.conf | udp-source-port-min=1024\nudp-source-port-avoid=11211\n | udp-source-port-min=32768\nudp-source-port-max=60999
+ | /etc/wireguard/wg0.conf | [Interface]\nListenPort = 5182 | -
source | /etc/nftables.conf | table ip nat { chain c {\n masquerade to :32768-60999\n} } | table ip nat { chain c {\n masquerade to :50000-60999\n} }
+ | /etc/sysctl.d/x.conf | net.ipv4.ip_local_reserved_ports = 40000-40009 | -
source | /etc/amanda/amanda-client.conf | reserved-udp-port 512,1023 | reserved-udp-port 900,1023
+ | /etc/snmp/snmpd.conf | agentaddress udp:0.0.0.0:705 | -
clients | /etc/vsftpd.conf | pasv_min_port=20000\npasv_max_port=20099\nmax_clients=101 | pasv_min_port=20000\npasv_max_port=20099\nmax_clients=100
+ | /etc/vsftpd/b.conf | listen_port=2121\npasv_min_port=21000\npasv_max_port=21999\nmax_clients=1000 | -
clients | /etc/freeswitch/autoload_configs/switch.conf.xml | <configuration><settings><param name="rtp-start-port" value="20000"/>\n<param name="rtp-end-port" value="20999"/>\n<param name="max-sessions" value="501"/></settings></configuration> | <configuration><settings><param name="rtp-start-port" value="20000"/>\n<param name="rtp-end-port" value="20999"/>\n<param name="max-sessions" value="500"/></settings></configuration>
nodeport | /etc/redis/redis.conf | port 30379 | port 6379
+ | /etc/kubernetes/manifests/a.yaml | spec:\n  containers:\n  - command:\n    - --service-node-port-range=30000-32000 | -
resvport | /etc/cups/cupsd.conf | Listen *:631 | Listen *:6310
+ | /etc/nfs.conf | [mountd]\nport=20048 | -
resvport | /etc/amanda-security.conf | tcp_port_range=512,700 | tcp_port_range=512,599
suppress | /etc/vsftpd.conf | # berth-lint: ignore ephemeral\npasv_min_port=50000\npasv_max_port=50099 | # berth-lint: ignore ephemeral: reserved elsewhere\npasv_min_port=50000\npasv_max_port=50099
floating | /etc/vsftpd.conf | pasv_min_port=0 | pasv_min_port=20000\npasv_max_port=20099
names | /etc/redis/redis.conf | port 5432 | port 6379
+ | /etc/services | postgresql 5432/tcp postgres\nredis 6379/tcp | -
names | /etc/vsftpd.conf | pasv_min_port=20000\npasv_max_port=20099 | pasv_min_port=20100\npasv_max_port=20199
+ | /etc/services | one 20003/tcp\ntwo 20007/udp | -
refused | /etc/sysctl.d/x.conf | net.ipv4.ip_local_port_range = 1000 65535 | net.ipv4.ip_unprivileged_port_start = 1000\nnet.ipv4.ip_local_port_range = 1000 65535
refused | /etc/sysctl.d/x.conf | net.ipv4.ip_local_port_range = 1000 65535\nnet.ipv4.ip_unprivileged_port_start = 500 | net.ipv4.ip_local_port_range = 1024 65535\nnet.ipv4.ip_unprivileged_port_start = 500
refused | /etc/sysctl.d/x.conf | net.ipv4.ip_unprivileged_port_start = 40000 | net.ipv4.ip_unprivileged_port_start = 32768
reserved | /etc/sysctl.d/60-x.conf | net.ipv4.ip_local_reserved_ports = 40000-40009 | -
+ | /etc/sysctl.d/70-x.conf | net.ipv4.ip_local_reserved_ports = 40005,41000 | net.ipv4.ip_local_reserved_ports = 40000-40009,41000
denied | /etc/systemd/system/x.service | [Service]\nExecStart=/bin/x --port 8080\nSocketBindAllow=udp:8080\nSocketBindDeny=any | [Service]\nExecStart=/bin/x --port 8080\nSocketBindAllow=ipv6:8000-8080\nSocketBindDeny=any
+ | /etc/systemd/system/x.service.d/a.conf | [Service]\nSocketBindAllow=\nSocketBindAllow=tcp:8081 | [Service]\nSocketBindDeny=8080
denied | /etc/systemd/system/x.service | [Service]\nEnvironment=PORT=8080\nSocketBindDeny=ipv4:tcp\nSocketBindDeny=ipv4:udp:1-9999\nSocketBindDeny=ipv6 | [Service]\nEnvironment=PORT=8080\nSocketBindDeny=any\nSocketBindDeny=\nSocketBindDeny=ipv4\nSocketBindDeny=tcp
open | /etc/sysctl.d/x.conf | net.ipv4.ip_unprivileged_port_start = 0 | net.ipv4.ip_unprivileged_port_start = 81
+ | /etc/apache2/ports.conf | Listen 80 | -
reserved | /etc/sysctl.d/x.conf | net.ipv4.ip_local_reserved_ports = 8080,40000-40009 | net.ipv4.ip_local_reserved_ports = 40000-40009
adjacent | /etc/kubernetes/manifests/a.yaml | spec:\n  containers:\n  - command:\n    - --service-node-port-range=30000-32767 | spec:\n  containers:\n  - command:\n    - --service-node-port-range=30000-32000
END
}

@test "lint: each rule: what breaks it is found and said whole, its repaired twin is silent, its ways out help" {
  cases | "$python" "$BATS_TEST_DIRNAME/lint_rules.py" "$berth" "$root" >"$tmp/out" || { cat "$tmp/out" && false; }
  # Two need a running host, and have a test of their own.
  equal rules "$( (head -n 1 "$tmp/out" | tr ' ' '\n' && printf 'live\napplied\n') | sort)" \
    "$("$berth" lint --explain all | grep -oE '^[a-z]+ \(' | tr -d ' (' | sort)"
  equal kinds "$(sed -n 2p "$tmp/out")" "add drop-in fix line reason spare take out write"
}

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

# "FILE | text | FILE | text | whether both want one port": what programs make of addresses and protocols.
meetings()
{
  cat <<'END'
/etc/redis/redis.conf | bind 127.0.0.1 -192.0.2.1\nport 8443 | /etc/nginx/nginx.conf | http { server { listen 192.0.2.1:8443; } } | yes
/etc/redis/redis.conf | bind 127.0.0.1 -192.0.2.1\nport 8443 | /etc/nginx/nginx.conf | http { server { listen 192.0.2.2:8443; } } | no
/etc/redis/redis.conf | bind * -::*\nport 8443 | /etc/nginx/nginx.conf | http { server { listen 192.0.2.2:8443; } } | yes
/etc/redis/redis.conf | bind 192.0.2.1\nport 8443 | /etc/nginx/nginx.conf | http { server { listen [::ffff:192.0.2.1]:8443; } } | yes
/etc/redis/redis.conf | port 8443 | /etc/nginx/nginx.conf | http { server { listen 8443 quic reuseport; } } | no
/etc/redis/redis.conf | port 8443 | /etc/haproxy/haproxy.cfg | frontend x\n bind quic4@:8443 | no
/etc/redis/redis.conf | port 8443 | /etc/haproxy/haproxy.cfg | frontend x\n bind :::8443 v4v6 | yes
/etc/wireguard/w.conf | [Interface]\nListenPort=8443 | /etc/nginx/nginx.conf | stream { server { listen 8443 udp; } } | yes
/etc/apache2/ports.conf | Listen 80 | /etc/nginx/nginx.conf | http { server { listen 192.0.2.1; } } | yes
/etc/postgresql/15/main/postgresql.conf | listen_addresses = '192.0.2.1, 192.0.2.2' | /etc/haproxy/haproxy.cfg | listen x\n bind 192.0.2.2:5432 | yes
/etc/postgresql/15/main/postgresql.conf | port = 5432 | /etc/haproxy/haproxy.cfg | listen x\n bind 192.0.2.2:5432 | no
/etc/postgresql/15/main/postgresql.conf | listen_addresses = '' | /etc/postgresql/13/main/postgresql.conf | port = 5432 | no
/etc/ssh/sshd_config | Port 22\nListenAddress 192.0.2.1 | /etc/sslh.cfg | listen: ( { host: "x"; port: "22"; } ); | yes
/etc/ssh/sshd_config | Port 22\nListenAddress 192.0.2.1 | /etc/nginx/nginx.conf | stream { server { listen 192.0.2.2:22; } } | no
/etc/ssh/sshd_config | ListenAddress 0.0.0.0:2222 | /etc/nginx/nginx.conf | stream { server { listen 22; } } | no
/etc/unbound/unbound.conf | server:\n interface: 127.0.0.1\n interface: 192.0.2.1 | /etc/knot/knot.conf | server:\n    listen: [ 127.0.0.1, ::@5353 ] | yes
/etc/unbound/unbound.conf | server:\n interface: 127.0.0.1\n interface: 192.0.2.1 | /etc/knot/knot.conf | server:\n    listen: [ 192.0.2.2, ::1@53 ] | no
/etc/openvpn/a.conf | port 443\nproto tcp-server | /etc/nginx/nginx.conf | http { server { listen 443 ssl; } } | yes
/etc/openvpn/a.conf | port 443\nproto udp | /etc/nginx/nginx.conf | http { server { listen 443 ssl; } } | no
/etc/openvpn/a.conf | dev tun | /etc/openvpn/b.conf | dev tun\nnobind | no
/etc/openvpn/a.conf | dev tun | /etc/openvpn/b.conf | dev tun | yes
/etc/vsftpd.conf | listen=NO | /etc/inetd.conf | ftp stream tcp nowait root /usr/sbin/vsftpd vsftpd | no
/etc/vsftpd.conf | listen=NO\nlisten_ipv6=YES | /etc/inetd.conf | ftp stream tcp nowait root /usr/sbin/vsftpd vsftpd | yes
/etc/nomad.d/n.hcl | client {\n reserved {\n  reserved_ports = "22,20500-20510"\n }\n} | /etc/redis/redis.conf | port 20505 | no
/etc/nomad.d/n.hcl | client {\n reserved {\n  reserved_ports = "22,20500-20510"\n }\n} | /etc/redis/redis.conf | port 20511 | yes
/etc/nut/upsd.conf | LISTEN 192.0.2.1 | /etc/redis/redis.conf | bind 192.0.2.1\nport 3493 | yes
/etc/nut/upsd.conf | LISTEN 192.0.2.1 | /etc/redis/redis.conf | bind 192.0.2.2\nport 3493 | no
/etc/collectd/collectd.conf | Listen "192.0.2.1" | /etc/wireguard/w.conf | [Interface]\nListenPort=25826 | yes
/etc/snmp/snmpd.conf | agentaddress 127.0.0.1,[::1] | /etc/wireguard/w.conf | [Interface]\nListenPort=161 | yes
/etc/freeradius/3.0/sites-enabled/default | server default {\nlisten {\n type = acct\n port = 0\n}\n} | /etc/wireguard/w.conf | [Interface]\nListenPort=1813 | yes
/etc/nfs.conf | [nfsd]\nrdma=y | /etc/redis/redis.conf | port 20049 | yes
/etc/nfs.conf | [nfsd]\nrdma-port=20049 | /etc/redis/redis.conf | port 20049 | no
/etc/systemd/system/x.service | [Service]\nEnvironmentFile=/etc/default/x\nExecStart=/bin/x --port ${PORT} | /etc/default/x | PORT=8080 | no
/etc/systemd/system/y.service | [Service]\nExecStart=/bin/y --port 8080 | /etc/default/x | PORT=8080 | yes
/etc/systemd/system/x.service | [Service]\nType=oneshot\nExecStart=/bin/dump --port 8080 | /etc/default/y | PORT=8080 | no
END
}

@test "lint: who meets at a port: addresses, protocols, and what programs leave out" {
  while IFS='|' read -r one text other its wanted; do
    rm -rf "$root"
    one=${one% } text=${text# } other=${other# } its=${its# }
    printf '%b\n' "${text% }" | file "$one"
    printf '%b\n' "${its% }" | file "${other% }"
    lint
    equal "$one and $other: ${text% } | ${its% }" "$(grep -qE '^(twice|overlap) ' "$tmp/found" && echo yes || echo no)" "${wanted# }"
    run ! grep '^syntax' "$tmp/found"
  done < <(meetings)
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
  # "systemctl link", and an alias.
  printf '[Socket]\nListenStream=40007\n' | file /srv/app/b.socket
  ln -s /srv/app/b.socket "$root/etc/systemd/system/b.socket"
  ln -s b.socket "$root/etc/systemd/system/also-b.socket"
  lint
  found 1 "ephemeral error /etc/systemd/system/b.socket:2 1"
}

@test "lint: units: services of packages count where they are enabled, templates by their instances" {
  printf '[Service]\nExecStart=/bin/x --port 40000\n' | file /usr/lib/systemd/system/x.service
  printf '[Service]\nExecStart=/bin/y --port 40001\n' | file /usr/lib/systemd/system/y@.service
  printf '[Service]\nExecStart=/bin/z --port 40002\n' | file /usr/lib/systemd/system/z@.service
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  lint
  found 0
  # Another template's instance, and another kind of unit.
  ln -s /usr/lib/systemd/system/y@.service "$root/etc/systemd/system/multi-user.target.wants/y2@a.service"
  ln -s /usr/lib/systemd/system/y@.socket "$root/etc/systemd/system/multi-user.target.wants/y@a.socket"
  lint
  found 0
  ln -s /usr/lib/systemd/system/x.service "$root/etc/systemd/system/multi-user.target.wants/x.service"
  ln -s /usr/lib/systemd/system/y@.service "$root/etc/systemd/system/multi-user.target.wants/y@a.service"
  lint
  found 1 "ephemeral error /usr/lib/systemd/system/x.service:2 1" "ephemeral error /usr/lib/systemd/system/y@.service:2 1"
}

@test "lint: units: none is left out, however many there are" {
  mkdir -p "$root/etc/systemd/system"
  (cd "$root/etc/systemd/system" && seq -f %g.socket 5000 | xargs touch)
  # The first of two directories counts.
  printf '[Socket]\nListenStream=40000\n' | file /usr/lib/systemd/system/5000.socket
  printf '[Socket]\nListenStream=40001\n' | file /etc/systemd/system/z.socket
  lint
  found 1 "ephemeral error /etc/systemd/system/z.socket:2 1"
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
  found 0 "resvport note /etc/cups/cupsd.conf:1 1"
  file /etc/nfs.conf </dev/null
  lint
  found 1 "resvport warning /etc/cups/cupsd.conf:1 1"
  # The kernel's client does not read the list; its range must stay one.
  file /etc/cups/cupsd.conf <<<'Listen *:700'
  lint
  equal way "$(jq -r '.ways[0]' "$tmp/json")" \
    "echo 700 >>$root/etc/bindresvport.blacklist && echo sunrpc.min_resvport = 701 >>$root/etc/sysctl.d/zz-local.conf"
  file /etc/amanda-security.conf <<<'tcp_port_range=512,700'
  rm "$root/etc/cups/cupsd.conf"
  lint
  [[ $(jq -r '.ways[0]' "$tmp/json") == "seq 600 700 >>$root/etc/bindresvport.blacklist && echo sunrpc.min_resvport = 701 "* ]]
  rm "$root/etc/amanda-security.conf"
  file /etc/cups/cupsd.conf <<<'Listen *:631'
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

@test "lint: another place for a range is as long, on one line, on two, and where a part of it will do" {
  file /etc/proftpd/proftpd.conf <<<'PassivePorts 50000 50099'
  printf 'min-port=51000\nmax-port=51099\n' | file /etc/turnserver.conf
  printf '[rtpengine]\nport-min = 31000\nport-max = 33000\n' | file /etc/rtpengine/rtpengine.conf
  printf 'client {\n min_dynamic_port = 20000\n max_dynamic_port = 60000\n}\n' | file /etc/nomad.d/x.hcl
  # Of the port and the one 10,000 above it both are free; a number of an address is no port; a count stays.
  printf 'port 30000\ncluster-enabled yes\n' | file /etc/redis/redis.conf
  file /etc/nginx/nginx.conf <<<'http { server { listen [2001:db8::40001]:40001; } }'
  printf 'btl_tcp_port_min_v4 = 41000\nbtl_tcp_port_range_v4 = 50\n' | file /etc/openmpi/openmpi-mca-params.conf
  file /etc/postfix/master.cf <<<'40025 inet n - y - - smtpd'
  # A second list would take the place of the first.
  printf 'udp-source-port-avoid=3000-3009\n' | file /etc/powerdns/recursor.conf
  printf '[Interface]\nListenPort = 5182\n' | file /etc/wireguard/wg0.conf
  lint
  ways=$(jq -r 'select(.rule == "ephemeral" or .rule == "source").ways[]' "$tmp/json")
  # No two are offered the same ports.
  for way in "proftpd/proftpd.conf:1: PassivePorts 10000 10099" \
    "turnserver.conf:1: min-port=10100 and :2: max-port=10199" \
    "rtpengine/rtpengine.conf:2: port-min = 31000 and :3: port-max = 32767" \
    "redis/redis.conf:1: port 3100" "nginx/nginx.conf:1: http { server { listen [2001:db8::40001]:10300; } }" \
    "openmpi/openmpi-mca-params.conf:1: btl_tcp_port_min_v4 = 10200" "postfix/master.cf:1: 10400 inet n - y - - smtpd" \
    "powerdns/recursor.conf: add udp-source-port-avoid=3000-3009,3478,4648,5182,5349,20000-60000" \
    "nomad.d/x.hcl:2: min_dynamic_port = 20000 and :3: max_dynamic_port = 32767"; do
    grep -qxF "$root/etc/$way" <<<"$ways" || { echo "$way is not in:" && echo "$ways" && false; }
  done
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
  # What else has these words is no matter.
  cat >"$tmp/project/service.yml" <<'END'
# apiVersion: as in v1.30
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
["ephemeral","service.yml",7]'
}

@test "lint: compose files with variables, and with other compose files" {
  mkdir -p "$tmp/project/other"
  cat >"$tmp/project/compose.yaml" <<'END'
include:
  - other/services.yml
services:
  web:
    ports:
      - "${A:-40000}:80"
      - "${B-40001}:80"
      - "$C:80"
      - "${D}:80"
      - "${E:-40005}:80"
      - "${B:-40006}:80"
END
  printf 'services:\n  db:\n    ports: [ "${A:-40003}:5432" ]\n' >"$tmp/project/other/services.yml"
  printf 'C=40002\nE=20000\nB=\n' >"$tmp/project/.env"
  run --separate-stderr "$berth" lint --json "$tmp/project"
  equal found "$(jq -r '.rule + " " + (.file | split("/") | last) + " \(.line)"' <<<"$output")" "ephemeral compose.yaml 6
ephemeral compose.yaml 8
ephemeral compose.yaml 11
ephemeral services.yml 3"
  printf 'services:\n  db:\n    ports: [ "40009:1" ]\n' | tee "$tmp/project/compose.override.yaml" >"$tmp/project/docker-compose.ci.yml"
  equal overrides "$("$berth" lint --json "$tmp/project" | grep -c "docker's ports 40009")" 2
  rm "$tmp/project/compose.override.yaml" "$tmp/project/docker-compose.ci.yml"
  equal way "$(jq -r 'select(.line == 6).ways[] | select(contains("compose"))' <<<"$output")" \
    "$tmp/project/compose.yaml:6: - \"\${A:-10100}:80\""
  # Each is given, and but one of them outside of the range.
  printf 'A=20002\nC=20001\nE=40005\nB=20003\n' >"$tmp/project/.env"
  run --separate-stderr "$berth" lint --json "$tmp/project"
  equal found "$(jq -r '(.file | split("/") | last) + " \(.line)"' <<<"$output")" "compose.yaml 10"
}

@test "lint: includes in a directory: within it, relative or as the host has them, and nothing missing" {
  mkdir -p "$tmp/project/nginx/conf.d" "$tmp/project/dovecot/x.d"
  printf '!include x.d/*.conf\n!include none.conf\n' >"$tmp/project/dovecot/dovecot.conf"
  printf 'service a {\n inet_listener b {\n port = 40000\n }\n}\n' >"$tmp/project/dovecot/x.d/a.conf"
  printf 'http { server { include parts.inc; include %s/outside.inc; include /etc/passwd; } }\n' "$tmp" >"$tmp/project/nginx/nginx.conf"
  echo 'listen 40001;' | tee "$tmp/project/nginx/parts.inc" >"$tmp/outside.inc"
  run --separate-stderr "$berth" lint --json "$tmp/project"
  equal found "$(jq -r '.rule + " " + .file' <<<"$output")" "ephemeral $tmp/project/dovecot/x.d/a.conf
ephemeral $tmp/project/nginx/parts.inc"
  [[ $output == *"berth reserve --why dovecot add 40000\""* ]]
  # A file alone is read alone.
  run --separate-stderr "$berth" lint --json "$tmp/project/nginx/nginx.conf"
  equal alone "$status $output" "0 "
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
  # Beside a setting it is of that setting only.
  printf 'pasv_min_port=20000 # berth-lint: ignore all: mine\nlisten_port=40000\n' | file /etc/vsftpd.conf
  lint
  found 1 "ephemeral error /etc/vsftpd.conf:2 1"
  # A default has no line.
  rm "$root/etc/vsftpd.conf"
  printf '# berth-lint: ignore-default ephemeral: no client uses it\n[global]\n' | file /etc/samba/smb.conf
  lint
  found 0
  equal reason "$(jq -r .suppressed "$tmp/json")" "no client uses it"
  jq -e '.text | startswith("samba'"'"'s [global] rpc server dynamic port range 49152-65535")' "$tmp/json"
  sed -i s/-default// "$root/etc/samba/smb.conf"
  lint
  found 1 "ephemeral warning /etc/samba/smb.conf:null 11848"
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

# ---- includes and variables ----

# What includes what: "FILE | its text | the file that it includes | its text | whether the program minds that it is not
# there". What the second file declares is in the ephemeral range with 40000, and out of it with 61000.
includes()
{
  cat <<'END'
/etc/nginx/nginx.conf | http {\n include extra/*.conf;\n} | /etc/nginx/extra/a.conf | server { listen 40000; } | quiet
/etc/nginx/nginx.conf | http { server {\n include /etc/nginx/a.inc; } } | /etc/nginx/a.inc | listen 40000; | told
/etc/nginx/nginx.conf | http {\n include [d-f]xtra/*.conf;\n} | /etc/nginx/extra/a.conf | server { listen 40000; } | quiet
/etc/apache2/apache2.conf | Include more.conf | /etc/apache2/more.conf | Listen 40000 | told
/etc/apache2/apache2.conf | Include more/*.conf | /etc/apache2/more/x.conf | Listen 40000 | told
/etc/apache2/apache2.conf | Include a,b.conf | /etc/apache2/a,b.conf | Listen 40000 | told
/etc/apache2/apache2.conf | Include more | /etc/apache2/more/x | Listen 40000 | told
/etc/apache2/apache2.conf | IncludeOptional more/*.conf | /etc/apache2/more/x.conf | Listen 40000 | quiet
/etc/apache2/apache2.conf | ServerRoot "/srv/web"\nInclude more.conf | /srv/web/more.conf | Listen 40000 | told
/etc/bind/named.conf | options {\n directory "/srv/named";\n include "x";\n}; | /srv/named/x | listen-on port 40000 { any; }; | told
/etc/unbound/unbound.conf | server:\n directory: "/srv/unbound"\n include: x | /srv/unbound/x | port: 40000 | told
/etc/bind/named.conf | options {\n include "/etc/bind/x";\n}; | /etc/bind/x | listen-on port 40000 { any; }; | told
/etc/squid/squid.conf | include /etc/squid/a /etc/squid/b*.conf | /etc/squid/b1.conf | http_port 40000 | told
/etc/squid/squid.conf | include /etc/squid/c*.conf | /etc/squid/c1.conf | http_port 40000 | told
/etc/dnsdist/dnsdist.conf | includeDirectory("/etc/dnsdist/x.d") | /etc/dnsdist/x.d/a.conf | setLocal("127.0.0.1:40000") | told
/etc/openvpn/a.conf | config /etc/openvpn/a/x | /etc/openvpn/a/x | port 40000 | told
/etc/ssh/sshd_config | Include x.d/*.conf /etc/ssh/none | /etc/ssh/x.d/a.conf | Port 40000 | quiet
/etc/dovecot/dovecot.conf | !include x.d/*.conf | /etc/dovecot/x.d/a.conf | service imap-login {\n inet_listener imap {\n  port = 40000\n }\n} | told
/etc/dovecot/dovecot.conf | service a {\n!include_try x\n} | /etc/dovecot/x | inet_listener imap {\n  port = 40000\n} | quiet
/etc/redis/redis.conf | include /etc/redis/common | /etc/redis/common | port 40000 | told
/etc/unbound/unbound.conf | server:\n include: "/etc/unbound/x.d/*" | /etc/unbound/x.d/a | port: 40000 | quiet
/etc/unbound/unbound.conf | include-toplevel: /etc/unbound/a | /etc/unbound/a | port: 40000 | told
/etc/nsd/nsd.conf | include: /etc/nsd/a | /etc/nsd/a | port: 40000 | told
/etc/knot/knot.conf | include: x.d/*.conf | /etc/knot/x.d/a.conf | server:\n    listen: 127.0.0.1@40000 | quiet
/etc/rsyslog.conf | $IncludeConfig /etc/x.d/*.conf | /etc/x.d/a.conf | $UDPServerRun 40000 | quiet
/etc/rsyslog.conf | include(file="/etc/x.conf") | /etc/x.conf | $UDPServerRun 40000 | told
/etc/rsyslog.conf | include( mode="abort-if-missing" file="/etc/x.conf") | /etc/x.conf | $UDPServerRun 40000 | told
/etc/samba/smb.conf | [global]\n include = /etc/samba/more | /etc/samba/more | rpc server port = 40000 | quiet
/etc/mysql/my.cnf | !includedir /etc/mysql/x.d/ | /etc/mysql/x.d/a.cnf | [mysqld]\nport=40000 | told
/etc/mysql/my.cnf | [mysqld]\n!include /etc/mysql/a | /etc/mysql/a | [mysqld]\nport=40000 | told
/etc/postgresql/15/main/postgresql.conf | include_dir = 'conf.d' | /etc/postgresql/15/main/conf.d/a.conf | port = 40000 | told
/etc/postgresql/15/main/postgresql.conf | include 'a' | /etc/postgresql/15/main/a | port = 40000 | told
/etc/postgresql/15/main/postgresql.conf | include_if_exists = 'a' | /etc/postgresql/15/main/a | port = 40000 | quiet
/etc/freeswitch/autoload_configs/event_socket.conf.xml | <configuration><settings>\n<X-PRE-PROCESS cmd="include" data="../x/*.xml"/></settings></configuration> | /etc/freeswitch/x/a.xml | <include><param name="listen-port" value="40000"/></include> | quiet
/etc/asterisk/rtp.conf | [general]\nrtpstart=10000\n#include x.conf | /etc/asterisk/x.conf | rtpend=40000 | told
/etc/asterisk/sip.conf | [general]\n#tryinclude "x.conf" | /etc/asterisk/x.conf | bindport=40000 | quiet
/etc/kamailio/kamailio.cfg | include_file "x.cfg" | /etc/kamailio/x.cfg | listen=udp:0.0.0.0:40000 | told
/etc/kamailio/kamailio.cfg | import_file "x.cfg" | /etc/kamailio/x.cfg | listen=udp:0.0.0.0:40000 | quiet
/etc/proftpd/proftpd.conf | Include /etc/proftpd/x.d/ | /etc/proftpd/x.d/a.conf | Port 40000 | told
/etc/chrony/chrony.conf | confdir /etc/chrony/x.d | /etc/chrony/x.d/a.conf | port 40000 | quiet
/etc/chrony/chrony.conf | include /etc/chrony/a | /etc/chrony/a | port 40000 | told
/etc/dnsmasq.conf | conf-dir=/etc/x.d,*.conf | /etc/x.d/a.conf | port=40000 | told
/etc/dnsmasq.conf | conf-file=/etc/a | /etc/a | port=40000 | told
/etc/tor/torrc | %include /etc/torrc.d/*.conf | /etc/torrc.d/a.conf | ControlPort 40000 | quiet
/etc/snmp/snmpd.conf | includeFile a.conf | /etc/snmp/a.conf | agentaddress udp:127.0.0.1:40000 | told
/etc/snmp/snmpd.conf | includeDir /etc/snmp/x.d | /etc/snmp/x.d/a.conf | agentaddress udp:127.0.0.1:40000 | told
/etc/syslog-ng/syslog-ng.conf | @version: 3.38\n@include "x.conf" | /etc/syslog-ng/x.conf | source s { udp(port(40000)); }; | told
/etc/freeradius/3.0/radiusd.conf | confdir = /etc/freeradius/3.0\n$INCLUDE ${confdir}/x/ | /etc/freeradius/3.0/x/a | listen {\n port = 40000\n} | told
/etc/strongswan.conf | charon {\n include strongswan.d/*.x\n} | /etc/strongswan.d/a.x | port = 40000 | quiet
/etc/mosquitto/mosquitto.conf | include_dir /etc/mosquitto/x.d | /etc/mosquitto/x.d/a.conf | listener 40000 | told
/etc/lighttpd/lighttpd.conf | include "x.conf" | /etc/lighttpd/x.conf | server.port = 40000 | told
/etc/nagios/nrpe.cfg | include_dir=/etc/nagios/x.d | /etc/nagios/x.d/a.cfg | server_port=40000 | told
/etc/zabbix/zabbix_agentd.conf | Include=/etc/zabbix/x.d/*.conf | /etc/zabbix/x.d/a.conf | ListenPort=40000 | quiet
/etc/collectd/collectd.conf | Include "/etc/collectd/x.d" | /etc/collectd/x.d/a | Listen "127.0.0.1" "40000" | quiet
/etc/exim4/exim4.conf | .include_if_exists /etc/exim4/a | /etc/exim4/a | daemon_smtp_ports = 40000 | quiet
/etc/mpd.conf | include "x.conf" | /etc/x.conf | port "40000" | told
/etc/stunnel/a.conf | include = /etc/stunnel/x.d | /etc/stunnel/x.d/a.conf | [s]\naccept = 40000 | told
/etc/ngircd/ngircd.conf | [Options]\nIncludeDir = /etc/ngircd/x.d | /etc/ngircd/x.d/a.conf | [Global]\nPorts = 40000 | told
/etc/powerdns/recursor.conf | include-dir=/etc/powerdns/x.d | /etc/powerdns/x.d/a.conf | local-port=40000 | told
/etc/prosody/prosody.cfg.lua | Include "x.d/*.cfg.lua" | /etc/prosody/x.d/a.cfg.lua | c2s_ports = { 40000 } | quiet
/etc/slurm/slurm.conf | Include x.conf | /etc/slurm/x.conf | SlurmdPort=40000 | told
/etc/amanda/amanda-client.conf | includefile "/etc/amanda/x" | /etc/amanda/x | unreserved-tcp-port 40000,40000 | told
/etc/ganesha/ganesha.conf | %include "x.conf" | /etc/ganesha/x.conf | NFS_CORE_PARAM { MNT_Port = 40000; } | told
/etc/rsyncd.conf | &merge /etc/rsyncd.d | /etc/rsyncd.d/a.conf | port = 40000 | told
/etc/nfs.conf | [mountd]\ninclude = /etc/nfs.local | /etc/nfs.local | port=40000 | quiet
/etc/drbd.d/a.res | include "x"; | /etc/drbd.d/x | resource r { on a { address 10.0.0.1:40000; } } | told
/etc/janus/janus.jcfg | @include "/etc/janus/x" | /etc/janus/x | media: {\n rtp_port_range = "40000-40000"\n} | told
/etc/slurm/slurmdbd.conf | Include x.conf | /etc/slurm/x.conf | DbdPort=40000 | told
/etc/powerdns/pdns.conf | include-dir=/etc/powerdns/x.d | /etc/powerdns/x.d/a.conf | local-port=40000 | told
/etc/sslh.cfg | @include "/etc/x.cfg" | /etc/x.cfg | listen: ( { host: "x"; port: "40000"; } ); | told
/etc/redis/sentinel.conf | include /etc/redis/common | /etc/redis/common | port 40000 | told
/etc/nftables.conf | include "/etc/x.nft" | /etc/x.nft | table ip nat { chain c { ip protocol tcp masquerade to :3128-3128; } } | told
END
}

@test "lint: what files include, program by program: found where it stands, missing where the program minds" {
  includes | "$python" "$BATS_TEST_DIRNAME/lint_includes.py" "$berth" "$root" >"$tmp/out" || { cat "$tmp/out" && false; }
  # No program of the table is left out.
  "$berth" lint --places --json >"$tmp/places"
  includes | cut -d ' ' -f 1 | "$python" -c 'import fnmatch, json, re, sys
tried = sys.stdin.read().split()
names = re.findall(r"^\t\{ \"([a-z0-9-]+)\", F", open(sys.argv[2]).read(), re.M)
rows = set(names)
# Rows of a program stand together: the code goes from the first to the next that is of another.
assert len(rows) == 1 + sum(a != b for a, b in zip(names, names[1:])), names
# Compose files are known wherever they lie, and have a test of their own.
rows.remove("docker")
known = [json.loads(line) for line in open(sys.argv[1])]
untried = [r for r in rows if not any(fnmatch.fnmatch(t, g) for p in known if p["service"] == r
                                      for g in p["files"].split("|") for t in tried)]
print(len(rows), "programs; untried:", untried)
sys.exit(bool(untried) or len(rows) < 40)' "$tmp/places" "$BATS_TEST_DIRNAME/../../src/lint/include.c"
}

@test "lint: includes end: cycles, depth, and the root" {
  file /etc/nginx/nginx.conf <<<'include a.conf; include ./x/../a.conf;'
  printf 'server { listen 40000; }\ninclude b.conf;\n' | file /etc/nginx/a.conf
  file /etc/nginx/b.conf <<<'include a.conf;'
  lint
  found 1 "ephemeral error /etc/nginx/a.conf:1 1" "include error /etc/nginx/b.conf:1 -"
  jq -se 'any(.[]; .rule == "include" and .text == "nginx includes /etc/nginx/a.conf: the file includes itself")' "$tmp/json"
  # Links make new names without end.
  rm "$root"/etc/nginx/*
  file /etc/dovecot/dovecot.conf <<<'!include l/*.conf'
  ln -s . "$root/etc/dovecot/l"
  lint
  grep -q '^include error' "$tmp/found"
  jq -se 'any(.[]; .rule == "include" and (.text | test("too deep|too many")))' "$tmp/json"
  # What lies out of the root is not there, by a link or by "..".
  rm -r "$root/etc/dovecot"
  echo 'server { listen 40000; }' >"$tmp/outside.conf"
  ln -s "$tmp" "$root/link"
  printf 'include %s;\n' ../../../../../../../../../.."$tmp/outside.conf" "$tmp/outside.conf" /link/outside.conf | file /etc/nginx/nginx.conf
  lint
  found 1 "include error /etc/nginx/nginx.conf:1 -" "include error /etc/nginx/nginx.conf:2 -" "include error /etc/nginx/nginx.conf:3 -"
}

@test "lint: an included file is read where its include stands, once, and is no instance" {
  # The last one wins.
  printf 'port 40000\ninclude /etc/redis/z.conf\n' | file /etc/redis/redis.conf
  file /etc/redis/z.conf <<<'port 7000'
  lint
  found 0
  printf 'include /etc/redis/z.conf\nport 40000\n' | file /etc/redis/redis.conf
  lint
  found 1 "ephemeral error /etc/redis/redis.conf:2 1"
  # A part with an instance's name; two instances of which each has it.
  mv "$root/etc/redis/z.conf" "$root/etc/redis/redis-0.conf"
  file /etc/redis/redis.conf <<<'include /etc/redis/redis-0.conf'
  lint
  found 0
  file /etc/redis/redis-b.conf <<<'include /etc/redis/redis-0.conf'
  lint
  found 1 "twice error /etc/redis/redis-0.conf:1 1"
  jq -se --arg root "$root" 'any(.[].ways[]; . == "after the include in \($root)/etc/redis/redis-b.conf: port 10000")' "$tmp/json"
  # Whoever overlaps both is told of the line once.
  printf 'table ip nat { chain c {\n masquerade to :1024-20000\n} }\n' | file /etc/nftables.conf
  lint
  grep -q 'overlaps listeners in 1 port: redis 7000 ([^,]*)"' "$tmp/json"
  rm "$root/etc/nftables.conf"
  echo 'port 7001' >>"$root/etc/redis/redis-b.conf"
  lint
  found 0
  # The part comes first.
  rm "$root/etc/redis/redis.conf"
  file /etc/redis/redis-b.conf <<<'include /etc/redis/redis-0.conf'
  lint
  found 0
  # What a pattern of the table and an include both name is read once.
  rm -r "$root/etc/redis"
  file /etc/nginx/nginx.conf <<<'http { include conf.d/*.conf; include /etc/nginx/conf.d/a.conf; }'
  file /etc/nginx/conf.d/a.conf <<<'server { listen 8080; }'
  "$berth" lint --root "$root" 2>"$tmp/err"
  grep -q 'berth lint: 2 files, 1 declarations' "$tmp/err"
}

@test "lint: variables that files give and use" {
  printf 'Define P 40000\nListen ${P}\nListen ${Q}\nListen ${R}\n' | file /etc/apache2/apache2.conf
  file /etc/apache2/envvars <<<'export Q=40001'
  printf 'LO=40010\nHI="$LO"\nTFTP_OPTIONS="--port-range $LO:${END:-40011}"\nTFTP_ADDRESS='"'"'$LO'"'"'\n' | file /etc/default/tftpd-hpa
  file /etc/freeswitch/vars.xml <<<'<include><X-PRE-PROCESS cmd="set" data="p=40020"/></include>'
  file /etc/freeswitch/autoload_configs/event_socket.conf.xml <<'END'
<configuration><settings>
<param name="listen-port" value="$${p}"/></settings></configuration>
END
  printf '#!define P 40030\nlisten=udp:0.0.0.0:P\n' | file /etc/kamailio/kamailio.cfg
  printf 'X = 4004\nHIGHPORT = $(X)1\nLOWPORT = $(X)0\n' | file /etc/condor/condor_config
  printf '@define p "40050"\nsource s { tcp(port(`p`)); };\n' | file /etc/syslog-ng/syslog-ng.conf
  printf 'var.p = 40060\nserver.port = var.p\n' | file /etc/lighttpd/lighttpd.conf
  printf '[Service]\nEnvironment=A=1 "HP=40070"\nExecStart=/bin/x --port ${HP}\n' | file /etc/systemd/system/x.service
  printf '[Service]\nEnvironmentFile=-/etc/default/y\nExecStart=/bin/y --port $YP\n' | file /etc/systemd/system/y.service
  file /etc/default/y <<<'YP=40090'
  printf 'p = 40080\nlisten {\n port = ${p}\n}\n' | file /etc/freeradius/3.0/radiusd.conf
  lint
  found 1 "ephemeral error /etc/apache2/apache2.conf:2 1" "ephemeral error /etc/apache2/apache2.conf:3 1" \
    "ephemeral warning /etc/condor/condor_config:3 2" "ephemeral warning /etc/default/tftpd-hpa:3 2" \
    "ephemeral error /etc/freeradius/3.0/radiusd.conf:3 1" \
    "ephemeral error /etc/freeswitch/autoload_configs/event_socket.conf.xml:2 1" "ephemeral error /etc/kamailio/kamailio.cfg:2 1" \
    "ephemeral error /etc/lighttpd/lighttpd.conf:2 1" "ephemeral error /etc/syslog-ng/syslog-ng.conf:2 1" \
    "ephemeral error /etc/systemd/system/x.service:3 1" "ephemeral error /etc/systemd/system/y.service:3 1"
  # As it stands the line cannot be changed: the setting is named.
  jq -se --arg root "$root" 'any(.[].ways[]; startswith("\($root)/etc/apache2/apache2.conf:2: set Listen to 1"))' "$tmp/json"
  find "$root" -type f -exec sed -i 's/400\([0-9]\)\([0-9]\)/200\1\2/; s/4004/2004/' {} +
  lint
  found 0
  printf 'define ports = 1024-65535\ntable ip nat { chain c {\n ip protocol tcp masquerade to :$ports\n} }\n' | file /etc/nftables.conf
  lint
  grep -q '^source warning /etc/nftables.conf:3 ' "$tmp/found"
  sed -i s/1024-65535/32768-60999/ "$root/etc/nftables.conf"
  lint
  found 0
}

# "FORMAT | FILE | text | line of the fault | line of what is found in spite of it (-: nothing can be)"
faults()
{
  cat <<'END'
key value | /etc/vsftpd.conf | pasv_min_port=70000\nlisten_port=40000 | 1 | 2
ini | /etc/rtpengine/rtpengine.conf | [rtpengine\nx=1\n[rtpengine]\nlisten-ng=40001 | 1 | 4
words | /etc/modprobe.d/nfs.conf | options lockd nlm_tcpport=4o nlm_udpport=40002 | 1 | 1
columns | /etc/inetd.conf | 70000 stream tcp nowait root x\n40003 stream tcp nowait root x | 1 | 2
bare | /etc/pure-ftpd/conf/PassivePortRange | 50000 40000 | 1 | -
shell | /etc/default/tftpd-hpa | A="never closed\nTFTP_ADDRESS=":40004" | 1 | 2
braces | /etc/nginx/nginx.conf | }\nserver { listen 40005; }\n/* never closed | 1 | 2
blocks | /etc/nomad.d/x.hcl | ports {\n http = 40006\n rpc = 9x\n | 1 | 2
parentheses | /etc/syslog-ng/syslog-ng.conf | source s {\n tcp(port(40007)); | 1 | 2
json | /etc/docker/daemon.json | {"metrics-addr": "127.0.0.1:40008",\n "hosts": [ "x" | 2 | 1
yaml | /etc/ejabberd/ejabberd.yml | listen:\n  - port: 40009\n    x: : y | 3 | 2
xml | /etc/icecast2/icecast.xml | <icecast><listen-socket>\n<port>40010</port>\n</icecast> | 3 | 2
unit | /etc/systemd/system/x.socket | [Socket\n[Socket]\nListenStream=40011 | 1 | 3
sysctl | /etc/sysctl.d/x.conf | nonsense\nnet.ipv4.ip_local_reserved_ports = 1-2-3 | 1 | -
netfilter | /etc/nftables.conf | masquerade to :9-5\n | 1 | -
calls | /etc/dnsdist/dnsdist.conf | setLocal("127.0.0.1:40012")\nwebserver("x | 2 | 1
terms | /etc/rabbitmq/rabbitmq.config | [{rabbit, [{tcp_listeners, [40013]},\n {x, "never closed | 2 | 1
END
}

@test "lint: a malformed file of each format is told with its line, what stands beside the fault is judged, and so are the others" {
  while IFS='|' read -r _ path text fault good; do
    path=${path% } path=${path# } text=${text# } fault=${fault# } good=${good# }
    printf '%b' "${text% }" | file "$path"
    echo "${path} ${fault% } $good" >>"$tmp/all"
    # As bytes that are no text it is told, too, and as an empty file and a line without end nothing is.
    for bytes in 'x\n\0y' '' '[' "$(printf 'a%.0s' {1..9000})"; do
      mkdir -p "$tmp/one${path%/*}"
      printf '%b' "$bytes" >"$tmp/one$path"
      run "$berth" lint --root "$tmp/one"
      [ "$status" -le 1 ]
      [[ $bytes != x* || $output == *"$path:2: error: a NUL byte: this is no text [syntax]"* ]]
    done
    rm -r "$tmp/one"
  done < <(faults)
  # All at once: none hides another one.
  lint
  equal status "$status" 1
  while read -r path fault good; do
    grep -q "^syntax error $path:$fault " "$tmp/found" || { echo "$path:$fault is not told" && cat "$tmp/found" && false; }
    [ "$good" = - ] || grep -q "^ephemeral [a-z]* $path:$good " "$tmp/found" || { echo "$path:$good is not judged" && cat "$tmp/found" && false; }
  done <"$tmp/all"
  equal formats "$(faults | sed 's/ |.*//' | sort | tr '\n' ',')" \
    "$(sed -nE 's/^\tX\([A-Z]+, "([a-z ]+)".*/\1/p' "$BATS_TEST_DIRNAME/../../src/lint/format.h" | sort | tr '\n' ',')"
  # In a file that another one includes it is told where it is.
  rm -rf "$root"
  file /etc/nginx/nginx.conf <<<'http { include a.inc; server { listen 40000; } }'
  printf 'server {\n listen 99999;\n' | file /etc/nginx/a.inc
  lint
  found 1 "syntax error /etc/nginx/a.inc:1 -" "syntax error /etc/nginx/a.inc:2 -" "ephemeral error /etc/nginx/nginx.conf:1 1"
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
  # Who names one is told.
  run "$berth" lint "$root/etc/vsftpd.conf"
  equal fifo "$status $output" "2 berth lint: $root/etc/vsftpd.conf: neither a file nor a directory"
  truncate -s 5M "$root/etc/redis.conf"
  run "$berth" lint "$root/etc/redis.conf"
  equal large "$status $output" "2 berth lint: $root/etc/redis.conf: larger than 4 MB"
}

@test "lint: a tree of very many settings ends, and says what is left out" {
  yes 'server { listen 80; }' | head -n 66000 | file /etc/nginx/conf.d/a.conf
  lint
  found 1 "syntax error /etc/nginx/conf.d/a.conf:65537 -"
  # Each of forty at one port meets some others, not all.
  rm "$root/etc/nginx/conf.d/a.conf"
  mkdir -p "$root/etc/wireguard"
  for i in {1..40}; do
    printf '[Interface]\nListenPort = 5182\n' >"$root/etc/wireguard/w$i.conf"
  done
  lint
  equal met "$(cut -d ' ' -f 1 "$tmp/found" | sort | uniq -c | tr -s ' ')" " $((24 * 16 + 16 * 15 / 2)) twice"
}

@test "lint: a file or directory that is named and cannot be read is not clean" {
  local outside as=()

  # The test's own directory is root's alone.
  [ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  outside=$(mktemp -d)
  chmod 755 "$outside"
  mkdir -m 0 "$outside/closed"
  echo 'pasv_min_port=40000' >"$outside/vsftpd.conf"
  chmod 0 "$outside/vsftpd.conf"
  cp "$berth" "$outside/berth"
  for path in vsftpd.conf closed; do
    status=0
    "${as[@]}" "$outside/berth" lint "$outside/$path" >>"$tmp/said" 2>&1 || status=$?
    echo "$status" >>"$tmp/said"
  done
  rm -r "$outside"
  equal said "$(cat "$tmp/said")" "berth lint: $outside/vsftpd.conf: Permission denied
2
berth lint: $outside/closed: Permission denied
2"
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
  # What somebody else wrote there is not lost.
  echo 'vm.swappiness = 1' >>"$root/etc/sysctl.d/99-berth.conf"
  cp "$root/etc/sysctl.d/99-berth.conf" "$tmp/kept"
  echo 'port 51000' | file /etc/redis/redis.conf
  run "$berth" lint --root "$root" --fix
  equal status "$status" 2
  [[ $output == *"mv $root/etc/sysctl.d/99-berth.conf $root/etc/sysctl.d/98-local.conf"* ]]
  cmp "$tmp/kept" "$root/etc/sysctl.d/99-berth.conf"
  rm "$root/etc/redis/redis.conf"
  # What would win over the drop-in is named.
  rm "$root/etc/sysctl.d/99-berth.conf"
  echo 'net.ipv4.ip_local_reserved_ports = 1234' >"$root/etc/sysctl.conf"
  run "$berth" lint --root "$root" --fix
  equal status "$status" 2
  [[ $output == *"/etc/sysctl.conf:1 sets ip_local_reserved_ports and would win"* ]]
  rm "$root/etc/sysctl.conf"
  mv "$root/etc/sysctl.d" "$root/etc/kept"
  run "$berth" lint --root "$root" --fix
  [[ $status == 2 && $output == *"there is no $root/etc/sysctl.d; mkdir -p $root/etc/sysctl.d"* ]]
  mv "$root/etc/kept" "$root/etc/sysctl.d"
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
  equal ways "$(jq -r '.ways[]' <<<"$output")" "systemctl restart samba
$root/etc/samba/smb.conf:2: rpc server dynamic port range = 20000-21000
sysctl --system
$root/etc/sysctl.d/r.conf:1: net.ipv4.ip_local_port_range = 32768 60999"
  # Both are repaired by what is said.
  sed -i 's/20000-20100/20000-21000/' "$root/etc/samba/smb.conf"
  echo 'net.ipv4.ip_local_port_range = 32768 60999' >"$root/etc/sysctl.d/r.conf"
  run --separate-stderr unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
    "$python" "$tmp/live.py" "$berth" lint --live --json --root "$root"
  equal repaired "$status $output" "0 "
}

# "NAME | FILE | its text | PROTOCOL PORT ... that it has, on loopback | of these, those that are told"
lives()
{
  cat <<'END'
dnsmasq | /etc/dnsmasq.conf | port=53\ndhcp-range=192.0.2.2,192.0.2.9\nenable-tftp | udp 53 tcp 53 udp 67 udp 69 udp 41234 udp 5182 tcp 5353 | 5353
unbound | /etc/unbound/unbound.conf | server:\n interface: 127.0.0.1\nremote-control:\n control-enable: yes | udp 53 udp 5182 tcp 8953 tcp 8954 | 8954
named | /etc/bind/named.conf | options { };\ncontrols { inet * port 40953 allow { any; }; }; | udp 53 udp 20000 tcp 40953 tcp 953 | 953
named | /etc/bind/named.conf | options { }; | udp 53 tcp 953 |
sshd | /etc/ssh/sshd_config | Port 22 | tcp 22 tcp 6010 |
chronyd | /etc/chrony/chrony.conf | allow 192.0.2.0/24 | udp 123 udp 323 udp 50000 |
chronyd | /etc/chrony/chrony.conf | pool ntp.example | udp 123 udp 323 | 123
squid | /etc/squid/squid.conf | http_port 3128 | tcp 3128 udp 45678 tcp 3129 | 3129
java | /etc/zookeeper/conf/zoo.cfg | clientPort=2181 | tcp 8080 |
END
}

@test "lint --live: what is no service is not told: a resolver's queries, a client's datagrams, forwarded ports" {
  [ "$(id -u)" = 0 ] || skip "needs root"
  unshare --net true 2>/dev/null || skip "namespaces are refused here"
  cat >"$tmp/live.py" <<'END'
import socket, subprocess, sys
name, wanted = sys.argv[1], sys.argv[2].split()
open("/proc/self/comm", "w").write(name)
kept = []
for protocol, port in zip(wanted[::2], wanted[1::2]):
    kept.append(socket.socket(type=socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM))
    kept[-1].bind(("127.0.0.1", int(port)))
    if protocol == "tcp":
        kept[-1].listen()
sys.exit(subprocess.call(sys.argv[3:]))
END
  while IFS='|' read -r name path text ports told; do
    rm -rf "$root"
    name=${name% } path=${path# } text=${text# } told=${told# }
    printf '%b\n' "${text% }" | file "${path% }"
    unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$python" "$tmp/live.py" "$name" "$ports" \
      "$berth" lint --live --json --root "$root" >"$tmp/json" || true
    equal "$name: ${text% }" "$(jq -r 'select(.rule == "live").text | capture("port (?<n>[0-9]+)").n' "$tmp/json" | tr '\n' ' ' | sed 's/ $//')" "$told"
  done < <(lives)
}

@test "lint --sarif: the objects of SARIF 2.1.0, with what it requires of them and nothing that it does not know" {
  # Blanks and letters beyond ASCII in a name; a finding that is suppressed; one without a line.
  printf 'port 40000\n' | file "/etc/redis/redis-a é.conf"
  printf '# berth-lint: ignore all: "because"\npasv_min_port=50000\npasv_max_port=60000\n' | file /etc/vsftpd.conf
  printf '[global]\n' | file /etc/samba/smb.conf
  "$berth" lint --root "$root" --sarif --notes >"$tmp/sarif" || [ $? = 1 ]
  "$python" "$BATS_TEST_DIRNAME/lint_sarif.py" "$tmp/sarif" "$root" >"$tmp/out" || { cat "$tmp/out" "$tmp/sarif" && false; }
  "$berth" lint --root "$root" --json --notes >"$tmp/json" || true
  equal results "$(cat "$tmp/out")" "$(wc -l <"$tmp/json") results, $(grep -c 'suppressed":"' "$tmp/json") suppressed"
  grep -q ' [1-9][0-9]* suppressed' "$tmp/out"
  rm -r "${root:?}"/etc
  "$berth" lint --root "$root" --sarif >"$tmp/sarif"
  equal none "$("$python" "$BATS_TEST_DIRNAME/lint_sarif.py" "$tmp/sarif" "$root")" "0 results, 0 suppressed"
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
  equal near "$status $output" "2 berth lint: --explain: there is no rule \"ephemral\"; did you mean ephemeral?"
  equal json "$("$berth" lint --explain all --json | jq -r '"\(.rule) (\(.level)): \(.what)\n    \(.why)"')" \
    "$("$berth" lint --explain all)"
  "$berth" lint --places | grep -q '^vsftpd .* /etc/vsftpd.conf'
  run -2 "$berth" lint --dry-run
  run -2 "$berth" lint --fix "$root"
  run -2 "$berth" lint "$root" "$root"
  run -2 "$berth" lint "$tmp/none"
  run -2 "$berth" lint --json --sarif
  run "$berth" lint "$root/etc/vsftpd.conf" --json
  equal status "$status" 1
}
