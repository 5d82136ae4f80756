# SPDX-License-Identifier: BSD-2-Clause
# Real programs that know nothing of berth: every port that they connect from is one of --ports.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { system_setup_file; }
setup() { system_setup; }
teardown() { system_teardown; }

# has_sockets COUNT PORT: a server of the far side has so many; it makes one after the other
has_sockets()
{
  [ "$(far ss -Hnltu "sport = :$2" | wc -l)" = "$1" ]
}

# An nginx that answers each request with the client's port and writes it to $tmp/access.
serve_nginx()
{
  mkdir -p "$tmp/nginx"
  cat >"$tmp/nginx.conf" <<END
user root; daemon off; worker_processes 1; pid "$tmp/nginx/pid"; error_log "$tmp/nginx/error";
events { worker_connections 4096; }
http {
  log_format port '\$remote_addr \$remote_port';
  access_log "$tmp/access" port;
  client_body_temp_path "$tmp/nginx/1"; proxy_temp_path "$tmp/nginx/2"; fastcgi_temp_path "$tmp/nginx/3";
  uwsgi_temp_path "$tmp/nginx/4"; scgi_temp_path "$tmp/nginx/5";
  server { listen $far4:8080; listen [$far6]:8080; keepalive_timeout ${1:-0}; keepalive_requests 1000000;
    location / { return 200 "\$remote_addr \$remote_port\n"; } }
}
END
  launch far nginx -e "$tmp/nginx/error" -c "$tmp/nginx.conf"
  await has_sockets 2 8080
}

@test "curl: 1,000 requests to nginx, a connection each" {
  serve_nginx
  berth_run --ports 20000-20999 -- curl -sS "http://$far4:8080/[1-1000]" >"$tmp/o"
  equal answers "$(wc -l <"$tmp/o")" 1000
  ports_inside 20000 20999 <"$tmp/o"
  nothing_left
}

@test "curl: IPv6" {
  serve_nginx
  berth_run --ports 20000-20099 -- curl -sS "http://[$far6]:8080/[1-50]" >"$tmp/o"
  equal answers "$(grep -c "^$near6 " "$tmp/o")" 50
  ports_inside 20000 20099 <"$tmp/o"
}

@test "curl: 50 transfers at once, HTTP/1.1 kept alive" {
  serve_nginx 65
  berth_run --ports 20000-20099 -- curl -sS -Z --parallel-max 50 "http://$far4:8080/[1-500]" >"$tmp/o"
  equal answers "$(wc -l <"$tmp/o")" 500
  ports_inside 20000 20099 <"$tmp/o"
}

@test "wrk: thousands of requests over connections that nginx closes" {
  serve_nginx
  # A slow machine needs more than one second for them.
  for _ in {1..20}; do
    berth_run --ports 20000-23999 --stats "$tmp/stats" -- wrk -t 2 -c 64 -d 1s "http://$far4:8080/" >"$tmp/o"
    cat "$tmp/o"
    equal refused "$(stat_of "$tmp/stats" refused)" 0
    run ! grep -E 'Socket errors: connect [1-9]' "$tmp/o"
    [ "$(wc -l <"$tmp/access")" -lt 1000 ] || break
  done
  ports_inside 20000 23999 <"$tmp/access"
  [ "$(wc -l <"$tmp/access")" -ge 1000 ]
}

@test "wrk: connections kept alive" {
  serve_nginx 65
  # wrk opens one more, to see whether somebody is there.
  berth_run --ports 20000-20064 -- wrk -t 2 -c 64 -d 1s "http://$far4:8080/" >"$tmp/o"
  ports_inside 20000 20064 <"$tmp/access"
  equal connections "$(sort -u "$tmp/access" | wc -l)" 64
  run ! grep 'Socket errors' "$tmp/o"
}

@test "python3: urllib" {
  serve_nginx
  cat >"$tmp/get.py" <<END
import urllib.request
for i in range(200):
    print(urllib.request.urlopen("http://$far4:8080/").read().decode(), end="")
END
  berth_run --ports 20000-20499 -- "$python" "$tmp/get.py" >"$tmp/o"
  equal answers "$(wc -l <"$tmp/o")" 200
  ports_inside 20000 20499 <"$tmp/o"
}

@test "python3: a dual-stack socket toward a v4-mapped address" {
  serve_nginx
  cat >"$tmp/get.py" <<END
import socket
for i in range(20):
    s = socket.socket(socket.AF_INET6)
    s.connect(("::ffff:$far4", 8080))
    print(*s.getsockname()[:2])
END
  berth_run --ports 20000-20099 -- "$python" "$tmp/get.py" >"$tmp/o"
  equal mapped "$(count_lines "^::ffff:$near4 " <"$tmp/o")" 20
  ports_inside 20000 20099 <"$tmp/o"
}

@test "socat: TCP, IPv4 and IPv6" {
  # shellcheck disable=SC2016 # the other side's shell expands it
  launch far socat TCP6-LISTEN:8001,fork,reuseaddr SYSTEM:'echo x $SOCAT_PEERPORT'
  await_listen far t 8001
  for _ in 1 2 3; do
    berth_run --ports 20000-20099 -- socat -u "TCP4:$far4:8001" STDOUT
    berth_run --ports 20000-20099 -- socat -u "TCP6:[$far6]:8001" STDOUT
  done >"$tmp/o"
  equal answers "$(wc -l <"$tmp/o")" 6
  ports_inside 20000 20099 <"$tmp/o"
}

@test "socat: connected UDP, IPv4 and IPv6" {
  # shellcheck disable=SC2016
  launch far socat UDP6-RECVFROM:8002,fork SYSTEM:'echo x $SOCAT_PEERPORT'
  await_listen far u 8002
  # A datagram may be lost while the server forks: it is sent again, as any client of UDP would.
  for to in "UDP4:$far4:8002" "UDP6:[$far6]:8002"; do
    for _ in 1 2 3 4 5; do
      echo hello | berth_run --ports 20000-20099 -- socat -t 2 -T 2 - "$to,readbytes=8" >"$tmp/answer" || true
      [ ! -s "$tmp/answer" ] || break
    done
    cat "$tmp/answer"
  done >"$tmp/o"
  equal answers "$(wc -l <"$tmp/o")" 2
  ports_inside 20000 20099 <"$tmp/o"
}

serve_dns()
{
  launch far dnsmasq --keep-in-foreground --no-resolv --no-hosts --port=5353 --listen-address="$far4,$far6" \
    --bind-interfaces --address=/example.test/192.0.2.1 --log-queries=extra --log-facility=- --pid-file= --user=root
  dns_log=$launch_out.err
  await has_sockets 4 5353
}

# "ADDR PORT" of each query in dnsmasq's log.
asked_from()
{
  sed -nE 's|^.*: [0-9]+ ([0-9a-f.:]+)/([0-9]+) query.*|\1 \2|p' "$dns_log"
}

@test "dig: UDP and TCP queries to dnsmasq; it binds to any address and port 0 itself" {
  serve_dns
  for to in "$far4" "$far6"; do
    for kind in +notcp +tcp; do
      berth_run --ports 20000-20499 --stats "$tmp/stats" -- dig +short +tries=1 $kind -p 5353 "@$to" \
        a1.example.test a2.example.test >>"$tmp/o"
      equal counted "$(jq -c '[.counters | .bound, .left_alone]' "$tmp/stats")" '[2,0]'
    done
  done
  equal answers "$(count_lines '^192.0.2.1$' <"$tmp/o")" 8
  await enough_queries 8
  asked_from | ports_inside 20000 20499
}

@test "a DNS question over a connected UDP socket is asked from the pool" {
  serve_dns
  connect_py '
for to in FAR4, FAR6:
    for i in range(20):
        s = go(to, 5353, kind=socket.SOCK_DGRAM)
        s.settimeout(5)
        s.send(struct.pack(">6H", i, 256, 1, 0, 0, 0) + b"\7example\4test\0" + struct.pack(">2H", 1, 1))
        assert s.recv(512).endswith(bytes([192, 0, 2, 1]))
        s.close()'
  berth_run --ports 20000-20499 -- "$python" "$py"
  await enough_queries 40
  asked_from | ports_inside 20000 20499
}

enough_queries()
{
  [ "$(asked_from | wc -l)" -ge "$1" ]
}

@test "a statically linked client, TCP and UDP, three kinds of addresses" {
  serve far "$far4" 8000
  serve far "$far6" 8000
  serve far "$far4" 8000 --udp
  for args in "tcp --count 40 $far4" "tcp --count 40 ::ffff:$far4" "tcp --count 40 $far6" "udp --count 40 $far4"; do
    # shellcheck disable=SC2086
    berth_run --ports 20000-20099 -- "$client-static" $args 8000 >>"$tmp/o"
  done
  equal connections "$(wc -l <"$tmp/o")" 160
  ports_inside 20000 20099 <"$tmp/o"
}

@test "without --ports: nothing of the ephemeral range, nothing below 1024, nothing reserved or named" {
  serve far "$far4" 8000
  near sysctl -qw net.ipv4.ip_local_port_range="2000 60000" net.ipv4.ip_local_reserved_ports=1100-1999,60001-64000
  berth_run -- "$client" tcp --count 500 --hold "$far4" 8000 </dev/null >"$tmp/o"
  equal connections "$(wc -l <"$tmp/o")" 500
  awk '$2 < 1024 || $2 >= 1100 && $2 <= 64000 { print; bad = 1 } END { exit bad }' "$tmp/o"
  awk 'NR == FNR { split($2, p, "/"); named[p[1]] = 1; next } $2 in named { print; bad = 1 } END { exit bad }' \
    /etc/services "$tmp/o"
}
