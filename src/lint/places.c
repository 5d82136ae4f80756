/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of places. What a default is comes from the program's own sample file or manual; tests/system/lint.bats
 * reads the samples of the Debian packages that are named.
 */
#include "src/lint/places.h"

#include <stddef.h>

#define TCP BERTH_LINT_TCP
#define UDP BERTH_LINT_UDP
#define BOTH BERTH_LINT_BOTH
#define PORT BERTH_LINT_PORT
#define SPAN BERTH_LINT_SPAN
#define SET BERTH_LINT_SET
#define PAIR BERTH_LINT_PAIR
#define MAPPING BERTH_LINT_MAPPING
#define ADDRESS BERTH_LINT_ADDRESS
#define CLIENTS BERTH_LINT_CLIENTS
#define CONDITION BERTH_LINT_CONDITION
#define ADD BERTH_LINT_ADD
#define FIRST BERTH_LINT_FIRST
#define RESET BERTH_LINT_RESET
#define OFF BERTH_LINT_ZERO_OFF
#define INITIAL BERTH_LINT_ZERO_INITIAL
#define SOURCE BERTH_LINT_SOURCE
#define AVOID BERTH_LINT_AVOID
#define RETRY BERTH_LINT_RETRY
#define NODEPORT BERTH_LINT_NODEPORT
#define UNNAMED BERTH_LINT_UNNAMED
#define LIST BERTH_LINT_LIST
#define SECOND BERTH_LINT_SECOND
#define COUNT BERTH_LINT_COUNT
#define FIXED BERTH_LINT_FIXED
#define WORDS_UDP BERTH_LINT_WORDS_UDP
#define COLONS BERTH_LINT_COLONS
#define ORDERED BERTH_LINT_ORDERED
#define ELSEWHERE BERTH_LINT_ELSEWHERE
#define LEFT_OUT BERTH_LINT_LEFT_OUT
#define NUMBER BERTH_LINT_NUMBER
#define EACH BERTH_LINT_EACH
#define INSTANCES (BERTH_LINT_EACH | BERTH_LINT_INSTANCES)
/* A oneshot is a client, as a rule: its ports are a server's. */
#define SERVES "Service/Type=simple|exec|forking|notify|notify-reload|dbus|idle"
#define F(name) BERTH_LINT_##name
#define KEYS(...)                                                                                  \
	(const struct berth_lint_key[])                                                            \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL                                                                       \
		}                                                                                  \
	}

/* clang-format off */

/* { key, shape, protocols, flags, initial, option, offset, when, usual } */
const struct berth_lint_place berth_lint_sysctl = {
	"sysctl", NULL, NULL, NULL, F(SYSCTL), 0, KEYS(
		{ "net.ipv4.ip_local_port_range", BERTH_LINT_EPHEMERAL },
		{ "net.ipv4.ip_local_reserved_ports", BERTH_LINT_RESERVED },
		{ "net.ipv4.ip_unprivileged_port_start", BERTH_LINT_UNPRIVILEGED },
		{ "sunrpc.min_resvport|sunrpc.max_resvport", PAIR, BOTH, SOURCE })
};

const struct berth_lint_place berth_lint_unit = {
	"systemd", NULL, "openssh-server", NULL, F(UNIT), 0, KEYS(
		{ "Socket/ListenStream", PORT, TCP, RESET },
		{ "Socket/ListenDatagram", PORT, UDP, RESET },
		{ "WireGuard/ListenPort", PORT, UDP },
		{ "VXLAN/DestinationPort", PORT, UDP },
		{ "VXLAN/PortRange", SPAN, UDP, SOURCE },
		{ "GENEVE/DestinationPort", PORT, UDP },
		{ "FooOverUDP/Port", PORT, UDP },
		{ "Container/PublishPort", MAPPING, 0, RESET },
		{ "Pod/PublishPort", MAPPING, 0, RESET },
		{ "Kube/PublishPort", MAPPING, 0, RESET },
		{ "Service/Type", CONDITION, .initial = "simple" },
		{ "Service/SocketBindAllow", BERTH_LINT_POLICY, 0, RESET },
		{ "Service/SocketBindDeny", BERTH_LINT_POLICY, 0, RESET },
		{ "Service/ExecStart", PORT, BOTH, RESET | NUMBER, NULL, "-p|-P|-b|:", .when = SERVES },
		{ "Service/ExecStart", PORT, BOTH, RESET, NULL, "--port|--http-port", .when = SERVES },
		{ "Service/ExecStart", PORT, BOTH, RESET, NULL, "--listen", .when = SERVES },
		{ "Service/ExecStart", PORT, BOTH, RESET, NULL, "--bind", .when = SERVES },
		{ "Service/ExecStart", PORT, BOTH, RESET, NULL, "--web.listen-address|--listen-address", .when = SERVES },
		{ "Service/ExecStart", PAIR, TCP, RESET | RETRY, NULL, "--min-worker-port|--max-worker-port", .when = SERVES }, /* Ray */
		{ "Service/ExecStart", SET, TCP, RESET | RETRY, NULL, "--worker-port-list", .when = SERVES },
		{ "Service/ExecStart", PAIR, UDP, RESET | RETRY, NULL, "--rtcMinPort|--rtcMaxPort", .when = SERVES }, /* mediasoup */
		{ "Service/ExecStart", SET, BOTH, RESET | RETRY, NULL, "--portserver_static_pool", .when = SERVES },
		{ "Service/Environment", PORT, BOTH, RESET, NULL, "PORT=" },
		{ "Service/Environment", PAIR, UDP, RESET | RETRY, NULL, "MEDIASOUP_MIN_PORT=|MEDIASOUP_MAX_PORT=" },
		{ "Service/Environment", PAIR, BOTH, RESET | RETRY, NULL, "CLEARCASE_MIN_PORT=|CLEARCASE_MAX_PORT=" })
};

const struct berth_lint_place berth_lint_kubernetes = {
	"kubernetes", "kube-apiserver|kube-proxy|kubelet", NULL,
	"/etc/kubernetes/manifests/*.yaml|/etc/kubernetes/manifests/*.yml|/etc/kubernetes/manifests/*.json|/etc/kubernetes/*.yaml|/var/lib/kubelet/config.yaml", F(YAML), 0, KEYS(
		{ "spec/containers/[]/command/[]|spec/containers/[]/args/[]", SPAN, BOTH, ADD | NODEPORT, NULL, "--service-node-port-range" },
		{ "spec/containers/[]/command/[]|spec/containers/[]/args/[]", PORT, TCP, ADD | OFF, NULL, "--secure-port|--bind-address-port" },
		{ "*spec/ports/[]/nodePort", PORT, BOTH, ADD | NODEPORT },
		{ "*spec/containers/[]/ports/[]/hostPort|*spec/initContainers/[]/ports/[]/hostPort", PORT, BOTH, ADD | OFF },
		{ "healthzPort|readOnlyPort", PORT, TCP, ADD | OFF },
		{ "healthzBindAddress|metricsBindAddress", PORT, TCP, ADD },
		{ "port", PORT, TCP, OFF })
};

const struct berth_lint_place berth_lint_compose = {
	"docker", "dockerd|docker-proxy", NULL, "compose.yaml|compose.yml|compose.*.yaml|compose.*.yml|docker-compose.yaml|docker-compose.yml|docker-compose.*.yaml|docker-compose.*.yml",
	F(YAML), EACH, KEYS(
		{ "services/*/ports/[]", MAPPING, 0, ADD },
		{ "services/*/ports/[]/published", SPAN, BOTH, ADD })
};

const struct berth_lint_place berth_lint_places[] = {
	/* ---- file transfer ---- */
	{ "vsftpd", NULL, "vsftpd", "/etc/vsftpd.conf|/etc/vsftpd/*.conf", F(LINES), EACH, KEYS(
		{ "pasv_enable", CONDITION, .initial = "YES" },
		{ "pasv_min_port|pasv_max_port", PAIR, TCP, RETRY, "0", .when = "pasv_enable=YES" },
		/* Without either another program listens for it. */
		{ "listen", CONDITION, .initial = "YES" },
		{ "listen_ipv6", CONDITION, .initial = "NO" },
		{ "listen_port", PORT, TCP, 0, "21", .when = "listen=YES" },
		{ "listen_port", PORT, TCP, 0, "21", .when = "listen=NO&listen_ipv6=YES" },
		{ "listen_address|listen_address6", ADDRESS },
		{ "max_clients", CLIENTS }) },
	{ "proftpd", NULL, "proftpd-core", "/etc/proftpd/proftpd.conf|/etc/proftpd/conf.d/*.conf", F(LINES), 0, KEYS(
		{ "PassivePorts", SPAN, TCP, ADD | RETRY, "0" },
		{ "Port", PORT, TCP, ADD | OFF, "21" },
		{ "MaxInstances", CLIENTS }) },
	{ "pure-ftpd", NULL, NULL, "/etc/pure-ftpd/conf/PassivePortRange", F(BARE), 0, KEYS(
		{ "", SPAN, TCP, RETRY }) },
	{ "pure-ftpd", NULL, NULL, "/etc/pure-ftpd/conf/Bind", F(BARE), 0, KEYS(
		{ "", PORT, TCP }) },
	{ "pure-ftpd", NULL, "pure-ftpd-common", "/etc/pure-ftpd/pure-ftpd.conf", F(LINES), 0, KEYS(
		{ "PassivePortRange", SPAN, TCP, RETRY },
		{ "Bind", PORT, TCP },
		{ "MaxClientsNumber", CLIENTS }) },
	{ "tftpd-hpa", "in.tftpd|tftpd", NULL, "/etc/default/tftpd-hpa", F(SHELL), 0, KEYS(
		{ "TFTP_OPTIONS", SPAN, UDP, 0, NULL, "--port-range|-R" },
		{ "TFTP_ADDRESS", PORT, UDP, 0, "69" }) },
	{ "atftpd", NULL, NULL, "/etc/default/atftpd", F(SHELL), 0, KEYS(
		{ "OPTIONS", PORT, UDP, 0, NULL, "--port" },
		{ "OPTIONS", SET, UDP, 0, NULL, "--mcast-port" },
		{ "OPTIONS", PORT, UDP, 0, NULL, "--mtftp-port" }) },
	{ "gridftp", "globus-gridftp-server", "globus-gridftp-server-progs", "/etc/gridftp.conf|/etc/gridftp.d/*", F(LINES), 0, KEYS(
		{ "$GLOBUS_TCP_PORT_RANGE|port_range|data_port_range", SPAN, TCP, RETRY },
		{ "$GLOBUS_TCP_SOURCE_RANGE", SPAN, TCP, SOURCE },
		{ "port", PORT, TCP },
		{ "connections_max", CLIENTS }) },
	{ "rsync", "rsyncd", "rsync", "/etc/rsyncd.conf", F(INI), 0, KEYS(
		{ "port", PORT, TCP },
		{ "address", ADDRESS }) },
	/* ---- NFS and other RPC ---- */
	{ "nfs", "rpc.mountd|rpc.statd|rpc.nfsd", "nfs-common", "/etc/nfs.conf|/etc/nfs.conf.d/*.conf", F(INI), 0, KEYS(
		{ "mountd/port", PORT, BOTH, 0, "0" },
		{ "statd/port", PORT, BOTH, 0, "0" },
		{ "statd/outgoing-port", PORT, UDP, SOURCE },
		{ "lockd/port", PORT, TCP, 0, "0" },
		{ "lockd/udp-port", PORT, UDP, 0, "0" },
		{ "sm-notify/outgoing-port", PORT, UDP, SOURCE },
		{ "nfsd/port", PORT, BOTH, 0, "2049" },
		{ "nfsd/rdma", CONDITION, .initial = "n" },
		{ "nfsd/rdma-port", PORT, TCP, 0, "20049", .when = "nfsd/rdma=y|yes|1|t|true|on" }) },
	{ "nfs", "rpc.mountd|rpc.statd", "nfs-common", "/etc/default/nfs-common|/etc/default/nfs-kernel-server", F(SHELL), 0, KEYS(
		{ "STATDOPTS", PORT, BOTH, 0, NULL, "--port|-p" },
		{ "STATDOPTS", PORT, UDP, SOURCE, NULL, "--outgoing-port|-o" },
		{ "STATDOPTS", PORT, TCP, 0, NULL, "--nlm-port|-T" },
		{ "STATDOPTS", PORT, UDP, 0, NULL, "--nlm-udp-port|-U" },
		{ "RPCMOUNTDOPTS", PORT, BOTH, 0, NULL, "--port|-p" }) },
	{ "nfs", "lockd", NULL, "/etc/modprobe.d/*.conf", F(WORDS), 0, KEYS(
		{ "options/lockd", PORT, TCP, 0, NULL, "nlm_tcpport=" },
		{ "options/lockd", PORT, UDP, 0, NULL, "nlm_udpport=" },
		{ "options/nfs", PORT, TCP, 0, NULL, "callback_tcpport=" },
		{ "options/sunrpc", PAIR, BOTH, SOURCE, NULL, "min_resvport=|max_resvport=" }) },
	{ "nfs-ganesha", "ganesha.nfsd", "nfs-ganesha", "/etc/ganesha/ganesha.conf", F(BRACES), 0, KEYS(
		{ "NFS_CORE_PARAM/NFS_Port", PORT, BOTH, 0, "2049" },
		{ "NFS_CORE_PARAM/MNT_Port", PORT, BOTH, 0, "0" },
		{ "NFS_CORE_PARAM/NLM_Port", PORT, BOTH, 0, "0" },
		{ "NFS_CORE_PARAM/Rquota_Port", PORT, BOTH, 0 }) },
	{ "nis", "ypserv|ypxfrd|yppasswdd", "nis", "/etc/default/nis|/etc/default/ypserv|/etc/default/ypxfrd", F(SHELL), 0, KEYS(
		{ "YPSERVARGS", PORT, BOTH, 0, NULL, "-p|--port" },
		{ "YPXFRDARGS", PORT, BOTH, 0, NULL, "-p|--port" },
		{ "YPPASSWDDARGS", PORT, BOTH, 0, NULL, "-p|--port" }) },
	{ "samba", "smbd|nmbd|rpcd_classic|samba-dcerpcd", "samba-common", "/etc/samba/smb.conf", F(INI), 0, KEYS(
		{ "global/rpc*server*dynamic*port*range", SPAN, TCP, RETRY, "49152-65535" },
		{ "global/rpc*server*port", PORT, TCP, OFF },
		{ "global/smb*ports", SET, TCP, 0, "445,139" },
		{ "global/nbt*port", PORT, UDP, OFF, "137" },
		{ "global/dgram*port", PORT, UDP, OFF, "138" },
		{ "global/cldap*port", PORT, UDP, OFF },
		{ "global/krb5*port", PORT, BOTH, OFF },
		{ "global/kpasswd*port", PORT, BOTH, OFF }) },
	/* ---- Erlang ---- */
	{ "rabbitmq", "beam.smp|rabbitmq-server", NULL, "/etc/rabbitmq/rabbitmq.conf|/etc/rabbitmq/conf.d/*.conf", F(LINES), 0, KEYS(
		{ "listeners.tcp.*|listeners.tcp", PORT, TCP, ADD, "5672" },
		{ "listeners.ssl.*", PORT, TCP, ADD },
		{ "management.tcp.port|management.ssl.port|management.listener.port|prometheus.tcp.port|prometheus.ssl.port", PORT, TCP, ADD },
		{ "mqtt.listeners.tcp.*|mqtt.listeners.ssl.*|stomp.listeners.tcp.*|stomp.listeners.ssl.*|web_mqtt.tcp.port|web_stomp.tcp.port|stream.listeners.tcp.*", PORT, TCP, ADD },
		{ "distribution.listener.port_range.min|distribution.listener.port_range.max", PAIR, TCP, RETRY, "25672-25672" }) },
	{ "rabbitmq", "beam.smp|rabbitmq-server", "rabbitmq-server", "/etc/default/rabbitmq-server|/etc/rabbitmq/rabbitmq-env.conf", F(SHELL), 0, KEYS(
		{ "NODE_PORT|RABBITMQ_NODE_PORT", PORT, TCP },
		{ "DIST_PORT|RABBITMQ_DIST_PORT", PORT, TCP },
		{ "*CTL_DIST_PORT_MIN|*CTL_DIST_PORT_MAX", PAIR, TCP, RETRY, "35672-35682" }) },
	{ "erlang", "beam.smp", NULL, "/etc/*/vm.args", F(WORDS), EACH, KEYS(
		{ "-kernel", PAIR, TCP, RETRY, NULL, "inet_dist_listen_min|inet_dist_listen_max" },
		{ "-env", PORT, TCP, 0, NULL, "ERL_EPMD_PORT" }) },
	{ "erlang", "beam.smp", NULL, "/etc/*/sys.config|/etc/*/advanced.config|/etc/rabbitmq/rabbitmq.config", F(TERMS), EACH, KEYS(
		{ "kernel/inet_dist_listen_min|kernel/inet_dist_listen_max", PAIR, TCP, RETRY },
		{ "rabbit/tcp_listeners|rabbit/ssl_listeners|rabbitmq_mqtt/tcp_listeners|rabbitmq_stomp/tcp_listeners", PORT, TCP, ADD },
		{ "rabbitmq_management/listener/port", PORT, TCP }) },
	{ "ejabberd", "beam.smp", "ejabberd", "/etc/default/ejabberd|/etc/ejabberd/ejabberdctl.cfg", F(SHELL), 0, KEYS(
		{ "FIREWALL_WINDOW", SPAN, TCP, RETRY }) },
	{ "ejabberd", "beam.smp", "ejabberd", "/etc/ejabberd/ejabberd.yml", F(YAML), 0, KEYS(
		{ "listen/[]/port", PORT, TCP, ADD },
		{ "listen/[]/turn_min_port|listen/[]/turn_max_port", PAIR, UDP, RETRY }) },
	/* ---- voice and video ---- */
	{ "coturn", "turnserver", "coturn", "/etc/turnserver.conf", F(LINES), 0, KEYS(
		{ "min-port|max-port", PAIR, UDP, RETRY, "49152-65535" },
		{ "listening-port", PORT, BOTH, INITIAL, "3478" },
		{ "tls-listening-port", PORT, BOTH, INITIAL, "5349" },
		{ "alt-listening-port", PORT, BOTH, OFF },
		{ "alt-tls-listening-port", PORT, BOTH, OFF },
		{ "cli-port", PORT, TCP, OFF },
		{ "total-quota", CLIENTS }) },
	{ "rtpengine", NULL, "rtpengine-daemon", "/etc/rtpengine/rtpengine.conf", F(INI), 0, KEYS(
		{ "rtpengine/port-min|rtpengine/port-max", PAIR, UDP, RETRY, "30000-40000" },
		{ "rtpengine/listen-ng", PORT, UDP },
		{ "rtpengine/listen-cli|rtpengine/listen-http|rtpengine/listen-https", PORT, TCP, ADD },
		{ "rtpengine/max-sessions", CLIENTS, .offset = 4 }) },
	{ "rtpproxy", NULL, NULL, "/etc/default/rtpproxy", F(SHELL), 0, KEYS(
		{ "EXTRA_OPTS|OPTIONS|DAEMON_OPTS", PAIR, UDP, RETRY, "35000-65000", "-m|-M" }) },
	{ "asterisk", NULL, NULL, "/etc/asterisk/rtp.conf", F(INI), 0, KEYS(
		{ "general/rtpstart|general/rtpend", PAIR, UDP, RETRY, "5000-31000" }) },
	{ "asterisk", NULL, NULL, "/etc/asterisk/udptl.conf", F(INI), 0, KEYS(
		{ "general/udptlstart|general/udptlend", PAIR, UDP, RETRY, "4000-4999" }) },
	{ "asterisk", NULL, NULL, "/etc/asterisk/sip.conf|/etc/asterisk/iax.conf", F(INI), 0, KEYS(
		{ "general/bindport|general/udpbindaddr|general/tcpbindaddr|general/tlsbindaddr", PORT, BOTH, ADD }) },
	{ "asterisk", NULL, NULL, "/etc/asterisk/pjsip.conf", F(INI), 0, KEYS(
		{ "*/bind", PORT, BOTH, ADD, .usual = 5060 }) },
	{ "freeswitch", NULL, NULL, "/etc/freeswitch/autoload_configs/switch.conf.xml", F(XML), 0, KEYS(
		{ "configuration/settings/rtp-start-port|configuration/settings/rtp-end-port", PAIR, UDP, RETRY, "16384-32768" },
		{ "configuration/settings/max-sessions", CLIENTS, .offset = 2 }) },
	{ "freeswitch", NULL, NULL, "/etc/freeswitch/autoload_configs/event_socket.conf.xml", F(XML), 0, KEYS(
		{ "configuration/settings/listen-port", PORT, TCP }) },
	{ "kamailio", NULL, "kamailio", "/etc/kamailio/kamailio.cfg|/etc/kamailio/kamailio-local.cfg", F(LINES), 0, KEYS(
		{ "listen", PORT, BOTH, ADD, .usual = 5060 },
		{ "port", PORT, BOTH, 0, "5060" }) },
	{ "janus", NULL, "janus", "/etc/janus/janus.jcfg", F(BLOCKS), 0, KEYS(
		{ "media/rtp_port_range", SPAN, UDP, RETRY }) },
	{ "janus", NULL, "janus", "/etc/janus/janus.plugin.*.jcfg", F(BLOCKS), EACH, KEYS(
		{ "general/rtp_port_range", SPAN, UDP, RETRY }) },
	{ "janus", NULL, "janus", "/etc/janus/janus.transport.*.jcfg", F(BLOCKS), EACH, KEYS(
		{ "general/http", CONDITION, .initial = "false" },
		{ "general/https", CONDITION, .initial = "false" },
		{ "general/port", PORT, TCP, 0, NULL, .when = "general/http=true" },
		{ "general/secure_port", PORT, TCP, 0, NULL, .when = "general/https=true" },
		{ "admin/admin_http", CONDITION, .initial = "false" },
		{ "admin/admin_port", PORT, TCP, 0, NULL, .when = "admin/admin_http=true" },
		{ "general/ws", CONDITION, .initial = "false" },
		{ "general/ws_port", PORT, TCP, 0, NULL, .when = "general/ws=true" }) },
	{ "livekit", "livekit-server", NULL, "/etc/livekit.yaml|/etc/livekit/*.yaml", F(YAML), EACH, KEYS(
		{ "rtc/port_range_start|rtc/port_range_end", PAIR, UDP, RETRY, "50000-60000" },
		{ "rtc/tcp_port", PORT, TCP, 0, "7881" },
		{ "rtc/udp_port", SPAN, UDP },
		{ "port", PORT, TCP, 0, "7880" },
		{ "turn/tls_port", PORT, TCP },
		{ "turn/udp_port", PORT, UDP }) },
	{ "jitsi-videobridge", "java", NULL, "/etc/jitsi/videobridge/jvb.conf", F(BLOCKS), 0, KEYS(
		{ "videobridge/ice/udp/port", PORT, UDP, 0, "10000" }) },
	{ "jitsi-videobridge", "java", NULL, "/etc/jitsi/videobridge/sip-communicator.properties", F(LINES), 0, KEYS(
		{ "org.jitsi.videobridge.SINGLE_PORT_HARVESTER_PORT", PORT, UDP },
		{ "org.jitsi.videobridge.TCP_HARVESTER_PORT", PORT, TCP }) },
	{ "mumble-server", "murmurd|murmur", "mumble-server", "/etc/mumble-server.ini|/etc/mumble/mumble-server.ini", F(INI), 0, KEYS(
		{ "port", PORT, BOTH, 0, "64738" }) },
	{ "teamspeak", "ts3server", NULL, "/opt/teamspeak/ts3server.ini|/opt/teamspeak*/ts3server.ini|/etc/teamspeak3-server/*.ini", F(LINES), EACH, KEYS(
		{ "default_voice_port", PORT, UDP, 0, "9987" },
		{ "filetransfer_port", PORT, TCP, 0, "30033" },
		{ "query_port", PORT, TCP, 0, "10011" },
		{ "query_ssh_port", PORT, TCP, 0, "10022" }) },
	/* What mosh-server takes is compiled in; its profile for the firewall shows that it is there. */
	{ "mosh", "mosh-server", "mosh", "/etc/ufw/applications.d/mosh", F(LINES), 0, KEYS(
		{ "UDP ports", SPAN, UDP, RETRY | FIXED, "60000-61000" }) },
	/* ---- virtual machines, clusters, storage ---- */
	{ "libvirt", "libvirtd|virtqemud|qemu-system-x86_64|qemu-system-x86", "libvirt-daemon-system", "/etc/libvirt/qemu.conf", F(LINES), 0, KEYS(
		{ "migration_port_min|migration_port_max", PAIR, TCP, RETRY, "49152-49215" },
		{ "remote_display_port_min|remote_display_port_max", PAIR, TCP, RETRY },
		{ "remote_websocket_port_min|remote_websocket_port_max", PAIR, TCP, RETRY }) },
	{ "libvirt", "libvirtd|libvirtd-tcp|libvirtd-tls|virtproxyd-tcp|virtproxyd-tls", "libvirt-daemon-system", "/etc/libvirt/libvirtd.conf|/etc/libvirt/virtproxyd.conf", F(LINES), 0, KEYS(
		{ "tcp_port", PORT, TCP },
		{ "tls_port", PORT, TCP },
		{ "listen_addr", ADDRESS }) },
	{ "glusterfs", "glusterd|glusterfsd", "glusterfs-server", "/etc/glusterfs/glusterd.vol", F(WORDS), 0, KEYS(
		{ "option/base-port|option/max-port", PAIR, TCP, RETRY, "49152-60999" },
		{ "option/transport.socket.listen-port", PORT, TCP, 0, "24007" }) },
	{ "ceph", "ceph-osd|ceph-mon|ceph-mds", "ceph-base", "/etc/ceph/*.conf", F(INI), 0, KEYS(
		{ "*/ms?bind?port?min|*/ms?bind?port?max", PAIR, TCP, RETRY, "6800-7568" }) },
	{ "drbd", NULL, "drbd-utils", "/etc/drbd.d/*.res", F(BRACES), EACH, KEYS(
		{ "resource/*address", PORT, TCP, ADD },
		{ "resource/*address", PORT, TCP, ADD, NULL, "ipv4|ipv6|sdp|ssocks" }) },
	{ "slurm", "slurmctld|slurmd|srun|slurmdbd", "slurmctld", "/etc/slurm/slurm.conf|/etc/slurm-llnl/slurm.conf", F(LINES), 0, KEYS(
		{ "SrunPortRange", SPAN, TCP, RETRY, "0" },
		{ "SlurmctldPort", SPAN, TCP, 0, "6817" },
		{ "SlurmdPort", PORT, TCP, 0, "6818" }) },
	{ "slurmdbd", NULL, "slurmctld", "/etc/slurm/slurmdbd.conf", F(LINES), 0, KEYS(
		{ "DbdPort", PORT, TCP, 0, "6819" }) },
	{ "condor", "condor_shared_port|condor_master", NULL, "/etc/condor/condor_config|/etc/condor/config.d/*", F(LINES), 0, KEYS(
		{ "LOWPORT|HIGHPORT", PAIR, BOTH, RETRY },
		{ "IN_LOWPORT|IN_HIGHPORT", PAIR, BOTH, RETRY },
		{ "OUT_LOWPORT|OUT_HIGHPORT", PAIR, BOTH, SOURCE },
		{ "SHARED_PORT_PORT", PORT, TCP }) },
	{ "amanda", "amandad", "amanda-common", "/etc/amanda/amanda.conf|/etc/amanda/*/amanda.conf|/etc/amanda/amanda-client.conf", F(LINES), EACH, KEYS(
		{ "unreserved-tcp-port", SPAN, TCP, RETRY },
		{ "reserved-tcp-port", SPAN, TCP, SOURCE },
		{ "reserved-udp-port", SPAN, UDP, SOURCE }) },
	{ "amanda", "amandad", NULL, "/etc/amanda-security.conf", F(LINES), 0, KEYS(
		{ "tcp_port_range", SPAN, TCP, RETRY },
		{ "udp_port_range", SPAN, UDP, RETRY }) },
	{ "bacula", "bacula-dir|bacula-fd|bacula-sd", "bacula-common", "/etc/bacula/bacula-dir.conf|/etc/bacula/bacula-fd.conf|/etc/bacula/bacula-sd.conf", F(BLOCKS), EACH, KEYS(
		{ "Director/DirPort|FileDaemon/FDPort|Storage/SDPort|Director/DIRport|FileDaemon/FDport", PORT, TCP, ADD }) },
	{ "openmpi", NULL, "openmpi-bin", "/etc/openmpi/openmpi-mca-params.conf", F(LINES), 0, KEYS(
		{ "oob_tcp_dynamic_ipv4_ports|oob_tcp_static_ipv4_ports", SET, TCP },
		{ "btl_tcp_port_min_v4|btl_tcp_port_range_v4", PAIR, TCP, RETRY | COUNT },
		{ "btl_tcp_port_min_v6|btl_tcp_port_range_v6", PAIR, TCP, RETRY | COUNT }) },
	{ "nbd-server", NULL, "nbd-server", "/etc/nbd-server/config", F(INI), 0, KEYS(
		{ "generic/port", PORT, TCP, 0, "10809" }) },
	{ "etcd", NULL, "etcd-server", "/etc/default/etcd", F(SHELL), 0, KEYS(
		{ "ETCD_LISTEN_CLIENT_URLS", PORT, TCP, 0, "localhost:2379" },
		{ "ETCD_LISTEN_PEER_URLS", PORT, TCP, 0, "localhost:2380" }) },
	{ "corosync", NULL, "corosync", "/etc/corosync/corosync.conf", F(BLOCKS), 0, KEYS(
		{ "totem/interface/mcastport", PORT, UDP, ADD, "5405" },
		{ "totem/interface/mcastport", PORT, UDP, ADD, .offset = -1 }) },
	{ "zookeeper", "java", "zookeeper", "/etc/zookeeper/conf/zoo.cfg|/etc/zookeeper/*/zoo.cfg", F(LINES), EACH, KEYS(
		{ "clientPort", PORT, TCP },
		{ "secureClientPort", PORT, TCP }) },
	/* ---- proxies and name servers ---- */
	{ "dnsmasq", NULL, "dnsmasq", "/etc/dnsmasq.conf|/etc/dnsmasq.d/*", F(LINES), 0, KEYS(
		{ "tftp-port-range", SPAN, UDP, RETRY },
		{ "port", PORT, BOTH, OFF, "53" },
		{ "listen-address", ADDRESS },
		{ "dhcp-range", CONDITION },
		{ "DHCP port", PORT, UDP, FIXED | ELSEWHERE, "67", .when = "dhcp-range=*" },
		{ "enable-tftp", CONDITION },
		{ "TFTP port", PORT, UDP, FIXED | ELSEWHERE, "69", .when = "enable-tftp=*" },
		{ "min-port|max-port", PAIR, UDP, SOURCE },
		{ "query-port", PORT, UDP, SOURCE | OFF },
		{ "tftp-max", CLIENTS }) },
	{ "bind9", "named", "bind9", "/etc/bind/named.conf|/etc/bind/named.conf.options|/etc/named.conf", F(BRACES), 0, KEYS(
		{ "options/listen-on|options/listen-on-v6", PORT, BOTH, ADD, "53", "port" },
		{ "options/use-v4-udp-ports/range|options/use-v6-udp-ports/range", SPAN, UDP, ADD | SOURCE },
		{ "options/avoid-v4-udp-ports|options/avoid-v6-udp-ports|options/avoid-v4-udp-ports/range|options/avoid-v6-udp-ports/range", SPAN, UDP, ADD | AVOID },
		{ "options/port", PORT, BOTH },
		{ "statistics-channels/inet", PORT, TCP, ADD, NULL, "port" },
		{ "controls/inet", PORT, TCP, ADD, "127.0.0.1:953", "port" },
		{ "*query-source|*query-source-v6|*notify-source|*notify-source-v6|*parental-source|*parental-source-v6", PORT, UDP, ADD | SOURCE | OFF, NULL, "port" }) },
	{ "unbound", NULL, "unbound", "/etc/unbound/unbound.conf|/etc/unbound/unbound.conf.d/*.conf", F(LINES), 0, KEYS(
		{ "port", PORT, BOTH, OFF, "53" },
		{ "interface|ip-address", PORT, BOTH, ADD },
		{ "interface|ip-address", ADDRESS, 0, ADD },
		{ "outgoing-port-permit", SPAN, UDP, ADD | SOURCE },
		{ "outgoing-port-avoid", SPAN, UDP, ADD | AVOID | ORDERED },
		{ "outgoing ports", SPAN, UDP, SOURCE | UNNAMED | FIXED, "1024-65535" },
		{ "control-enable", CONDITION, .initial = "no" },
		{ "control-port", PORT, TCP, ELSEWHERE, "127.0.0.1:8953", .when = "control-enable=yes" }) },
	{ "pdns-recursor", "pdns_recursor", "pdns-recursor", "/etc/powerdns/recursor.conf|/etc/powerdns/recursor.d/*.conf", F(LINES), 0, KEYS(
		{ "local-port", PORT, BOTH, 0, "53" },
		{ "local-address", PORT, BOTH, LIST },
		{ "local-address", ADDRESS, .initial = "127.0.0.1" },
		{ "udp-source-port-min|udp-source-port-max", PAIR, UDP, SOURCE, "1024-65535" },
		{ "udp-source-port-avoid", SET, UDP, AVOID, "4791,11211" },
		{ "webserver", CONDITION, .initial = "no" },
		{ "webserver-port", PORT, TCP, ELSEWHERE, NULL, .when = "webserver=yes" }) },
	{ "pdns", "pdns_server", "pdns-server", "/etc/powerdns/pdns.conf|/etc/powerdns/pdns.d/*.conf", F(LINES), 0, KEYS(
		{ "local-port", PORT, BOTH, 0, "53" },
		{ "local-address", PORT, BOTH, LIST },
		{ "local-address", ADDRESS },
		{ "webserver", CONDITION, .initial = "no" },
		{ "webserver-port", PORT, TCP, ELSEWHERE, NULL, .when = "webserver=yes" }) },
	/* Not quite YAML: [ 0.0.0.0@53, ::@53 ] */
	{ "knot", "knotd", "knot", "/etc/knot/knot.conf", F(LINES), 0, KEYS(
		{ "listen", PORT, BOTH, ADD | LIST, .usual = 53 },
		{ "listen-tls", PORT, TCP, ADD | LIST, .usual = 853 },
		{ "listen-quic", PORT, UDP, ADD | LIST, .usual = 853 }) },
	{ "nsd", NULL, "nsd", "/etc/nsd/nsd.conf|/etc/nsd/nsd.conf.d/*.conf", F(LINES), 0, KEYS(
		{ "port", PORT, BOTH, 0, "53" },
		{ "ip-address|interface", PORT, BOTH, ADD },
		{ "ip-address|interface", ADDRESS, 0, ADD },
		{ "control-enable", CONDITION, .initial = "no" },
		{ "control-port", PORT, TCP, ELSEWHERE, "127.0.0.1:8952", .when = "control-enable=yes" }) },
	{ "chrony", "chronyd", "chrony", "/etc/chrony/chrony.conf|/etc/chrony/conf.d/*.conf", F(LINES), 0, KEYS(
		{ "port", PORT, UDP, OFF },
		{ "allow", CONDITION },
		{ "port", PORT, UDP, OFF, "123", .when = "allow=*" },
		{ "acquisitionport", PORT, UDP, SOURCE | OFF },
		{ "cmdport", PORT, UDP, OFF, "127.0.0.1:323" },
		{ "ntsport", PORT, TCP }) },
	{ "ntpsec", "ntpd", "ntpsec", "/etc/ntpsec/ntp.conf", F(LINES), 0, KEYS(
		{ "NTP port", PORT, UDP, FIXED, "123" }) }, /* no setting moves it */
	{ "gpsd", NULL, "gpsd", "/etc/default/gpsd", F(SHELL), 0, KEYS(
		{ "GPSD_OPTIONS", PORT, TCP, 0, NULL, "-S" }) },
	{ "dnsdist", NULL, "dnsdist", "/etc/dnsdist/dnsdist.conf", F(CALLS), 0, KEYS(
		{ "setLocal|addLocal", PORT, BOTH, ADD, .usual = 53 },
		{ "addTLSLocal", PORT, TCP, ADD, .usual = 853 },
		{ "addDOHLocal", PORT, TCP, ADD, .usual = 443 },
		{ "addDNSCryptBind", PORT, BOTH, ADD },
		{ "controlSocket|webserver", PORT, TCP, ADD }) },
	{ "squid", NULL, "squid", "/etc/squid/squid.conf|/etc/squid/conf.d/*.conf", F(LINES), 0, KEYS(
		{ "http_port", PORT, TCP, ADD, "3128" },
		{ "https_port", PORT, TCP, ADD },
		{ "ftp_port", PORT, TCP, ADD },
		{ "snmp_port", PORT, UDP, OFF },
		{ "icp_port", PORT, UDP, OFF },
		{ "htcp_port", PORT, UDP, OFF }) },
	{ "dante", "danted|sockd", "dante-server", "/etc/danted.conf|/etc/sockd.conf", F(LINES), 0, KEYS(
		{ "udp.portrange", SPAN, UDP, RETRY },
		{ "internal", PORT, TCP, ADD, NULL, "port" }) },
	{ "haproxy", NULL, "haproxy", "/etc/haproxy/haproxy.cfg|/etc/haproxy/conf.d/*.cfg", F(LINES), 0, KEYS(
		{ "stats", PORT, TCP, ADD, NULL, "socket" },
		{ "bind", PORT, TCP, ADD }) },
	{ "tinyproxy", NULL, "tinyproxy", "/etc/tinyproxy/tinyproxy.conf", F(LINES), 0, KEYS(
		{ "Port", PORT, TCP, 0, "8888" },
		{ "Listen", ADDRESS }) },
	{ "privoxy", NULL, "privoxy", "/etc/privoxy/config", F(LINES), 0, KEYS(
		{ "listen-address", PORT, TCP, ADD, "127.0.0.1:8118" }) },
	{ "stunnel", "stunnel4", "stunnel4", "/etc/stunnel/*.conf", F(INI), EACH, KEYS(
		{ "*/accept", PORT, TCP, ADD }) },
	{ "tor", NULL, "tor", "/etc/tor/torrc", F(LINES), 0, KEYS(
		{ "SOCKSPort", PORT, TCP, ADD | OFF, "127.0.0.1:9050" },
		{ "ControlPort|ORPort|DirPort|TransPort|HTTPTunnelPort", PORT, TCP, ADD | OFF },
		{ "DNSPort", PORT, UDP, ADD | OFF }) },
	{ "varnish", "varnishd", "varnish", "/etc/default/varnish", F(SHELL), 0, KEYS(
		{ "DAEMON_OPTS", PORT, TCP, 0, NULL, "-a" },
		{ "DAEMON_OPTS", PORT, TCP, 0, NULL, "-T" }) },
	/* ---- tunnels ---- */
	{ "wireguard", "wg-quick", NULL, "/etc/wireguard/*.conf", F(INI), INSTANCES, KEYS(
		{ "Interface/ListenPort", PORT, UDP, 0, "0" }) },
	{ "openvpn", NULL, "openvpn", "/etc/openvpn/*.conf|/etc/openvpn/server/*.conf", F(LINES), INSTANCES, KEYS(
		{ "nobind", CONDITION, .initial = "no" },
		{ "proto", CONDITION, .initial = "udp" },
		{ "port|lport", PORT, UDP, 0, "1194", .when = "nobind=no&proto=udp*" },
		{ "port|lport", PORT, TCP, 0, "1194", .when = "nobind=no&proto=tcp|tcp?|tcp-server|tcp?-server" },
		{ "local", ADDRESS },
		{ "management", PORT, TCP, SECOND | ELSEWHERE }) },
	{ "strongswan", "charon|charon-systemd", "strongswan-charon", "/etc/strongswan.conf|/etc/strongswan.d/*.conf|/etc/strongswan.d/charon/*.conf", F(BLOCKS), 0, KEYS(
		{ "charon/port|charon.port", PORT, UDP, 0, "500" },
		{ "charon/port_nat_t|charon.port_nat_t", PORT, UDP, 0, "4500" }) },
	{ "tinc", "tincd", NULL, "/etc/tinc/*/tinc.conf", F(LINES), EACH, KEYS(
		{ "Port", PORT, BOTH, 0 }) },
	/* ---- peer to peer ---- */
	{ "transmission", "transmission-da|transmission-daemon", "transmission-daemon", "/etc/transmission-daemon/settings.json|/var/lib/transmission-daemon/info/settings.json", F(JSON), 0, KEYS(
		{ "peer-port-random-on-start", CONDITION, .initial = "false" },
		{ "peer-port", PORT, BOTH, 0, "51413", .when = "peer-port-random-on-start=false" },
		{ "peer-port-random-low|peer-port-random-high", PAIR, BOTH, RETRY, "49152-65535", .when = "peer-port-random-on-start=true" },
		{ "rpc-enabled", CONDITION, .initial = "true" },
		{ "rpc-port", PORT, TCP, 0, "9091", .when = "rpc-enabled=true" }) },
	{ "rtorrent", NULL, "rtorrent", "/etc/rtorrent.rc|/root/.rtorrent.rc", F(LINES), 0, KEYS(
		{ "network.port_range.set|port_range", SPAN, TCP, RETRY },
		{ "dht.port.set|dht_port", PORT, UDP },
		{ "network.scgi.open_port|scgi_port", PORT, TCP }) },
	{ "aria2", "aria2c", NULL, "/etc/aria2/aria2.conf|/etc/aria2.conf", F(LINES), 0, KEYS(
		{ "listen-port", SET, TCP, RETRY, "6881-6999" },
		{ "dht-listen-port", SET, UDP, RETRY, "6881-6999" },
		{ "enable-rpc", CONDITION, .initial = "false" },
		{ "rpc-listen-port", PORT, TCP, 0, "6800", .when = "enable-rpc=true" }) },
	{ "deluge", "deluged", NULL, "/var/lib/deluged/config/core.conf|/var/lib/deluge/.config/deluge/core.conf", F(JSON), 0, KEYS(
		{ "daemon_port", PORT, TCP, 0, "58846" },
		{ "random_port", CONDITION, .initial = "true" },
		{ "listen_ports/[]", PORT, BOTH, ADD, NULL, .when = "random_port=false" }) },
	{ "qbittorrent", "qbittorrent-nox", NULL, "/var/lib/qbittorrent/.config/qBittorrent/qBittorrent.conf", F(INI), 0, KEYS(
		{ "BitTorrent/Session\\Port|Preferences/Connection\\PortRangeMin", PORT, BOTH },
		{ "Preferences/WebUI\\Port", PORT, TCP }) },
	/* ---- containers and schedulers ---- */
	{ "docker", "dockerd", NULL, "/etc/docker/daemon.json", F(JSON), 0, KEYS(
		{ "hosts/[]", PORT, TCP, ADD },
		{ "metrics-addr", PORT, TCP }) },
	{ "nomad", NULL, NULL, "/etc/nomad.d/*.hcl|/etc/nomad/*.hcl", F(BLOCKS), 0, KEYS(
		{ "client/min_dynamic_port|client/max_dynamic_port", PAIR, BOTH, RETRY, "20000-32000" },
		{ "ports/http", PORT, TCP, 0, "4646" },
		{ "ports/rpc", PORT, TCP, 0, "4647" },
		{ "ports/serf", PORT, BOTH, 0, "4648" },
		{ "client/reserved/reserved_ports", SET, BOTH, ADD | AVOID | LEFT_OUT }) },
	{ "nomad", NULL, NULL, "/etc/nomad.d/*.json|/etc/nomad/*.json", F(JSON), 0, KEYS(
		{ "client*/min_dynamic_port|client*/max_dynamic_port", PAIR, BOTH, RETRY },
		{ "ports*/http|ports*/rpc", PORT, TCP, ADD },
		{ "ports*/serf", PORT, BOTH, ADD },
		{ "client*/reserved*/reserved_ports", SET, BOTH, ADD | AVOID | LEFT_OUT }) },
	{ "consul", NULL, NULL, "/etc/consul.d/*.hcl|/etc/consul/*.hcl", F(BLOCKS), 0, KEYS(
		{ "ports/http|ports/https|ports/grpc|ports/grpc_tls|ports/server", PORT, TCP, ADD | OFF },
		{ "ports/dns|ports/serf_lan|ports/serf_wan", PORT, BOTH, ADD | OFF },
		{ "ports/sidecar_min_port|ports/sidecar_max_port", PAIR, TCP, RETRY, "21000-21255" },
		{ "ports/expose_min_port|ports/expose_max_port", PAIR, TCP, RETRY, "21500-21755" }) },
	{ "consul", NULL, NULL, "/etc/consul.d/*.json", F(JSON), 0, KEYS(
		{ "ports/http|ports/https|ports/grpc|ports/grpc_tls|ports/server", PORT, TCP, ADD | OFF },
		{ "ports/dns|ports/serf_lan|ports/serf_wan", PORT, BOTH, ADD | OFF },
		{ "ports/sidecar_min_port|ports/sidecar_max_port", PAIR, TCP, RETRY },
		{ "ports/expose_min_port|ports/expose_max_port", PAIR, TCP, RETRY }) },
	{ "k3s", "k3s-server|rke2|rke2-server", NULL, "/etc/rancher/k3s/config.yaml|/etc/rancher/k3s/config.yaml.d/*.yaml|/etc/rancher/rke2/config.yaml|/etc/rancher/rke2/config.yaml.d/*.yaml", F(YAML), 0, KEYS(
		{ "service-node-port-range", SPAN, BOTH, NODEPORT, "30000-32767" },
		{ "kube-apiserver-arg|kube-apiserver-arg/[]", SPAN, BOTH, ADD | NODEPORT, NULL, "service-node-port-range|--service-node-port-range" },
		{ "https-listen-port", PORT, TCP },
		{ "supervisor-port", PORT, TCP },
		{ "lb-server-port", PORT, TCP }) },
	{ "rke", "kube-apiserver", NULL, "/opt/rke/cluster.yml|/etc/rke/cluster.yml", F(YAML), EACH, KEYS(
		{ "services/kube-api/service_node_port_range", SPAN, BOTH, NODEPORT },
		{ "services/kube-api/extra_args/service-node-port-range", SPAN, BOTH, NODEPORT }) },
	{ "ray", "raylet|gcs_server", NULL, "/etc/ray/*.yaml", F(YAML), EACH, KEYS(
		{ "head_start_ray_commands/[]|worker_start_ray_commands/[]", PAIR, TCP, RETRY, NULL, "--min-worker-port|--max-worker-port" },
		{ "head_start_ray_commands/[]|worker_start_ray_commands/[]", SET, TCP, ADD | RETRY, NULL, "--worker-port-list" },
		{ "head_start_ray_commands/[]|worker_start_ray_commands/[]", PORT, TCP, ADD | OFF, NULL, "--ray-client-server-port" },
		{ "head_start_ray_commands/[]|worker_start_ray_commands/[]", PORT, TCP, ADD | OFF, NULL, "--dashboard-port" },
		{ "head_start_ray_commands/[]|worker_start_ray_commands/[]", PORT, TCP, ADD | OFF, NULL, "--node-manager-port" },
		{ "head_start_ray_commands/[]|worker_start_ray_commands/[]", PORT, TCP, ADD | OFF, NULL, "--object-manager-port" },
		{ "metrics port of the autoscaler", PORT, TCP, FIXED, "44217" }) },
	{ "mesos", "mesos-agent|mesos-slave", NULL, "/etc/mesos-slave/resources|/etc/mesos-agent/resources", F(BARE), 0, KEYS(
		{ "", SET, BOTH, RETRY, NULL, "ports:|ports(*):" }) },
	{ "marathon", "java", NULL, "/etc/default/marathon", F(SHELL), 0, KEYS(
		{ "MARATHON_LOCAL_PORT_MIN|MARATHON_LOCAL_PORT_MAX", PAIR, TCP, RETRY, "10000-20000" },
		{ "MARATHON_HTTP_PORT", PORT, TCP, 0, "8080" }) },
	{ "spark", "java", NULL, "/etc/spark/conf/spark-defaults.conf|/opt/spark/conf/spark-defaults.conf", F(LINES), 0, KEYS(
		{ "spark.driver.port|spark.blockManager.port|spark.driver.blockManager.port|spark.ui.port|spark.history.ui.port", PORT, TCP, ADD | RETRY }) },
	{ "flink", "java", NULL, "/etc/flink/config.yaml|/opt/flink/conf/flink-conf.yaml|/opt/flink/conf/config.yaml", F(LINES), 0, KEYS(
		{ "rest.port|jobmanager.rpc.port", PORT, TCP, ADD },
		{ "rest.bind-port|taskmanager.rpc.port|blob.server.port|queryable-state.server.ports|metrics.internal.query-service.port|taskmanager.data.port", SET, TCP, ADD | RETRY }) },
	{ "hadoop", "java", NULL, "/etc/hadoop/hdfs-site.xml|/etc/hadoop/conf/hdfs-site.xml|/opt/hadoop/etc/hadoop/hdfs-site.xml", F(XML), EACH, KEYS(
		{ "configuration/dfs.*address", PORT, TCP, ADD },
		{ "configuration/dfs.*port", PORT, TCP, ADD }) },
	{ "mapreduce", "java", NULL, "/etc/hadoop/mapred-site.xml|/etc/hadoop/conf/mapred-site.xml", F(XML), EACH, KEYS(
		{ "configuration/yarn.app.mapreduce.am.job.client.port-range|configuration/yarn.app.mapreduce.am.webapp.port-range", SET, TCP, ADD | RETRY, "0" },
		{ "configuration/mapreduce.*address", PORT, TCP, ADD }) },
	{ "yarn", "java", NULL, "/etc/hadoop/yarn-site.xml|/etc/hadoop/conf/yarn-site.xml|/opt/hadoop/etc/hadoop/yarn-site.xml", F(XML), EACH, KEYS(
		{ "configuration/yarn.*address", PORT, TCP, ADD },
		{ "configuration/yarn.*port", PORT, TCP, ADD }) },
	{ "elasticsearch", "java", NULL, "/etc/elasticsearch/elasticsearch.yml", F(YAML), 0, KEYS(
		{ "http.port|http/port", SPAN, TCP, RETRY, "9200-9300" },
		{ "transport.port|transport/port|transport.tcp.port", SPAN, TCP, RETRY, "9300-9400" }) },
	{ "opensearch", "java", NULL, "/etc/opensearch/opensearch.yml", F(YAML), 0, KEYS(
		{ "http.port|http/port", SPAN, TCP, RETRY, "9200-9300" },
		{ "transport.port|transport/port", SPAN, TCP, RETRY, "9300-9400" }) },
	{ "jenkins", "java", NULL, "/var/lib/jenkins/config.xml", F(XML), 0, KEYS(
		{ "hudson/slaveAgentPort", PORT, TCP }) },
	{ "activemq", "java", "activemq", "/etc/activemq/activemq.xml|/etc/activemq/instances-enabled/*/activemq.xml|/opt/activemq/conf/activemq.xml", F(XML), EACH, KEYS(
		{ "*/transportConnector/@uri", PORT, TCP, ADD }) },
	{ "hazelcast", "java", NULL, "/etc/hazelcast/hazelcast.xml|/opt/hazelcast/config/hazelcast.xml", F(XML), 0, KEYS(
		{ "hazelcast/network/port", PORT, TCP, RETRY, "5701" }) },
	{ "hazelcast", "java", NULL, "/etc/hazelcast/hazelcast.yaml|/opt/hazelcast/config/hazelcast.yaml", F(YAML), 0, KEYS(
		{ "hazelcast/network/port/port", PORT, TCP, RETRY, "5701" }) },
	{ "ignite", "java", NULL, "/etc/apache-ignite/*.xml|/opt/ignite/config/default-config.xml", F(XML), EACH, KEYS(
		{ "*/localPort", PORT, TCP, ADD | RETRY }) },
	{ "openedge", "_progres|_mprosrv", NULL, "/usr/dlc/startup.pf|/usr/dlc/*.pf", F(LINES), EACH, KEYS(
		{ "-minport|-maxport", PAIR, TCP, RETRY },
		{ "-S", PORT, TCP }) },
	{ "openedge", "_progres|_mprosrv", NULL, "/usr/dlc/properties/conmgr.properties", F(INI), 0, KEYS(
		{ "*/minport|*/maxport", PAIR, TCP, RETRY },
		{ "*/port", PORT, TCP, ADD | OFF }) },
	/* Db2 finds its ports in /etc/services by the names that its set-up writes there. */
	{ "db2", "db2sysc", NULL, "/etc/services", F(LINES), 0, KEYS(
		{ "db2c_*|DB2_*", PORT, TCP, ADD }) },
	{ "stellar-core", NULL, NULL, "/etc/stellar/stellar-core.cfg", F(LINES), 0, KEYS(
		{ "PEER_PORT", PORT, TCP, 0, "11625" },
		{ "HTTP_PORT", PORT, TCP, OFF, "11626" }) },
	{ "default", NULL, NULL, "/etc/default/*", F(SHELL), EACH | BERTH_LINT_NAMED, KEYS(
		{ "PORT|HTTP_PORT|LISTEN_PORT", PORT, BOTH, ADD | OFF }) },
	{ "environment", NULL, NULL, "/etc/environment|/etc/environment.d/*.conf", F(SHELL), 0, KEYS(
		{ "CLEARCASE_MIN_PORT|CLEARCASE_MAX_PORT", PAIR, BOTH, RETRY },
		{ "MEDIASOUP_MIN_PORT|MEDIASOUP_MAX_PORT", PAIR, UDP, RETRY },
		{ "ERL_EPMD_PORT", PORT, TCP }) },
	{ "goldengate", "mgr", NULL, "/opt/ogg/dirprm/mgr.prm|/u01/ogg/dirprm/mgr.prm", F(LINES), 0, KEYS(
		{ "PORT", PORT, TCP },
		{ "DYNAMICPORTLIST", SET, TCP, RETRY }) },
	{ "sslh", "sslh-select|sslh-ev", "sslh", "/etc/sslh.cfg|/etc/sslh/sslh.cfg", F(BLOCKS), 0, KEYS(
		{ "listen/port", PORT, TCP, ADD }) },
	{ "znc", NULL, NULL, "/var/lib/znc/configs/znc.conf", F(LINES), 0, KEYS(
		{ "Port", PORT, TCP, ADD }) },
	{ "kresd", "kresd@", "knot-resolver", "/etc/knot-resolver/kresd.conf", F(CALLS), 0, KEYS(
		{ "net.listen", PORT, BOTH, ADD | SECOND }) },
	{ "kresd", "kresd@", NULL, "/etc/knot-resolver/config.yaml", F(YAML), 0, KEYS(
		{ "network/listen/[]/port", PORT, BOTH, ADD }) },
	{ "lxd", "incusd", NULL, "/var/lib/lxd/preseed.yaml", F(YAML), 0, KEYS(
		{ "config/core.https_address", PORT, TCP }) },
	/* ---- databases, caches, queues ---- */
	{ "postgresql", "postgres", "postgresql-15", "/etc/postgresql/*/*/postgresql.conf", F(LINES), INSTANCES, KEYS(
		{ "port", PORT, TCP, 0, "5432" },
		{ "listen_addresses", ADDRESS, 0, OFF, "localhost" }) },
	/* Clients have my.cnf, too: only the server's own file shows that its default holds, hence the brackets of a glob. */
	{ "mariadb", "mysqld|mariadbd|mysql", "mariadb-server", "/etc/mysql/mariadb.conf.d/50-server.cnf|/etc/mysql/my[.]cnf|/etc/mysql/conf.d/*.cnf|/etc/mysql/mariadb.conf.d/*.cnf", F(INI), 0, KEYS(
		{ "mysqld/skip?networking|mariadb*/skip?networking|server/skip?networking", CONDITION, .initial = "0" },
		{ "mysqld/port|mysqld-*/port|mariadb/port|mariadb-*/port|mariadbd/port|server/port", PORT, TCP, 0, "3306", .when = "mysqld/skip?networking|mariadb*/skip?networking|server/skip?networking=0|OFF" },
		{ "mysqld/extra?port|mariadb*/extra?port|server/extra?port", PORT, TCP, OFF },
		{ "mysqld/bind?address|mariadb/bind?address|mariadbd/bind?address|server/bind?address", ADDRESS }) },
	/* Of MySQL, not of MariaDB: its X Protocol's port lies in the ephemeral range. */
	{ "mysql", "mysqld", NULL, "/etc/mysql/mysql.conf.d/mysqld.cnf", F(INI), 0, KEYS(
		{ "mysqld/skip?networking", CONDITION, .initial = "0" },
		{ "mysqld/port", PORT, TCP, 0, "3306", .when = "mysqld/skip?networking=0|OFF" },
		{ "mysqld/mysqlx|mysqld/loose?mysqlx", CONDITION, .initial = "ON" },
		{ "mysqld/mysqlx?port|mysqld/loose?mysqlx?port", PORT, TCP, OFF | ELSEWHERE, "33060", .when = "mysqld/mysqlx|mysqld/loose?mysqlx=ON|1" },
		{ "mysqld/admin?port", PORT, TCP, ELSEWHERE },
		{ "mysqld/bind?address", ADDRESS }) },
	{ "mongodb", "mongod|mongos", NULL, "/etc/mongod.conf|/etc/mongodb.conf", F(YAML), 0, KEYS(
		{ "net/port", PORT, TCP, 0, "27017" },
		{ "net/bindIp", ADDRESS, .initial = "localhost" }) },
	{ "kafka", "java", NULL, "/etc/kafka/server.properties|/opt/kafka/config/server.properties", F(LINES), EACH, KEYS(
		{ "listeners", PORT, TCP, 0, "9092" }) },
	{ "redis", "redis-server|valkey|keydb", "redis-server", "/etc/redis/redis.conf|/etc/redis/redis-*.conf", F(LINES), INSTANCES, KEYS(
		{ "port", PORT, TCP, OFF, "6379" },
		{ "tls-port", PORT, TCP, OFF },
		{ "bind", ADDRESS },
		{ "cluster-enabled", CONDITION, .initial = "no" },
		{ "tls-cluster", CONDITION, .initial = "no" },
		{ "cluster-port", CONDITION, .initial = "0" },
		{ "cluster-port", PORT, TCP, OFF, .when = "cluster-enabled=yes" },
		{ "port", PORT, TCP, OFF, NULL, NULL, 10000, "cluster-enabled=yes&cluster-port=0&tls-cluster=no" },
		{ "tls-port", PORT, TCP, OFF, NULL, NULL, 10000, "cluster-enabled=yes&cluster-port=0&tls-cluster=yes" }) },
	{ "redis-sentinel", NULL, "redis-sentinel", "/etc/redis/sentinel.conf", F(LINES), 0, KEYS(
		{ "port", PORT, TCP, OFF, "26379" },
		{ "bind", ADDRESS }) },
	{ "memcached", NULL, "memcached", "/etc/memcached.conf", F(LINES), BERTH_LINT_CASE, KEYS(
		{ "-p|--port", PORT, TCP, OFF, "11211" },
		{ "-U|--udp-port", PORT, UDP, OFF },
		{ "-l|--listen", PORT, TCP, ADD },
		{ "-l|--listen", ADDRESS, 0, ADD }) },
	{ "mosquitto", NULL, "mosquitto", "/etc/mosquitto/mosquitto.conf|/etc/mosquitto/conf.d/*.conf", F(LINES), 0, KEYS(
		{ "listener", PORT, TCP, ADD | OFF },
		{ "port", PORT, TCP, OFF }) },
	/* ---- logins, web, mail, directories ---- */
	{ "ssh", "sshd", "openssh-server", "/etc/ssh/sshd_config|/etc/ssh/sshd_config.d/*.conf", F(LINES), BERTH_LINT_FORWARDS, KEYS(
		{ "Port", PORT, TCP, ADD, "22" },
		{ "ListenAddress", PORT, TCP, ADD },
		{ "ListenAddress", ADDRESS, 0, ADD }) },
	{ "nginx", NULL, "nginx-common", "/etc/nginx/nginx.conf|/etc/nginx/conf.d/*.conf|/etc/nginx/sites-enabled/*|/etc/nginx/modules-enabled/*.conf", F(BRACES), 0, KEYS(
		{ "*server/listen", PORT, TCP, ADD | WORDS_UDP, .usual = 80 }) },
	{ "apache2", "httpd", "apache2", "/etc/apache2/ports.conf|/etc/apache2/apache2.conf|/etc/apache2/conf-enabled/*.conf|/etc/apache2/sites-enabled/*.conf|/etc/httpd/conf/httpd.conf", F(LINES), 0, KEYS(
		{ "Listen", PORT, TCP, ADD }) },
	{ "lighttpd", NULL, "lighttpd", "/etc/lighttpd/lighttpd.conf|/etc/lighttpd/conf-enabled/*.conf", F(LINES), 0, KEYS(
		{ "server.port", PORT, TCP, 0, "80" },
		{ "server.bind", ADDRESS }) },
	{ "dovecot", NULL, "dovecot-core", "/etc/dovecot/dovecot.conf|/etc/dovecot/conf.d/*.conf", F(BLOCKS), 0, KEYS(
		{ "service/inet_listener/port", PORT, TCP, ADD | OFF }) },
	{ "postfix", "master", "postfix", "/etc/postfix/master.cf", F(COLUMNS), 0, KEYS(
		{ "inet/*", PORT, TCP, ADD }) },
	{ "exim4", NULL, "exim4-config", "/etc/exim4/update-exim4.conf.conf|/etc/exim4/exim4.conf|/etc/exim4/conf.d/main/*", F(LINES), 0, KEYS(
		{ "daemon_smtp_ports", PORT, TCP, COLONS | LIST, "25" },
		{ "dc_local_interfaces", ADDRESS }) },
	{ "slapd", NULL, "slapd", "/etc/default/slapd", F(SHELL), 0, KEYS(
		{ "SLAPD_SERVICES", PORT, TCP, LIST }) },
	{ "freeradius", NULL, "freeradius-config", "/etc/freeradius/3.0/radiusd.conf|/etc/freeradius/3.0/sites-enabled/*", F(BLOCKS), 0, KEYS(
		/* 0: /etc/services has them, for logins and for their accounts. */
		{ "*listen/port", PORT, UDP, ADD | INITIAL, "1812" },
		{ "*listen/port", PORT, UDP, ADD | INITIAL, "1813" }) },
	{ "prosody", "lua5.4|lua", "prosody", "/etc/prosody/prosody.cfg.lua|/etc/prosody/conf.d/*.cfg.lua", F(BLOCKS), 0, KEYS(
		{ "c2s_ports|s2s_ports|http_ports|https_ports|component_ports", SET, TCP, ADD }) },
	/* ---- inetd ---- */
	{ "inetd", "openbsd-inetd|inetutils-inetd", "amanda-common", "/etc/inetd.conf", F(COLUMNS), 0, KEYS(
		{ "stream/tcp*", PORT, TCP, ADD },
		{ "dgram/udp*", PORT, UDP, ADD }) },
	{ "xinetd", NULL, "xinetd", "/etc/xinetd.d/*", F(BLOCKS), INSTANCES, KEYS(
		{ "service/disable", CONDITION, .initial = "no" },
		{ "service/socket_type", CONDITION },
		{ "service/port", PORT, TCP, 0, NULL, .when = "service/disable=no&service/socket_type=stream" },
		{ "service/port", PORT, UDP, 0, NULL, .when = "service/disable=no&service/socket_type=dgram" }) },
	/* ---- monitoring, logs, devices ---- */
	{ "cups", "cupsd", "cups-daemon", "/etc/cups/cupsd.conf", F(LINES), 0, KEYS(
		{ "Listen|Port", PORT, TCP, ADD }) },
	{ "snmpd", NULL, "snmpd", "/etc/snmp/snmpd.conf|/etc/snmp/snmpd.conf.d/*.conf", F(LINES), 0, KEYS(
		{ "agentaddress", PORT, UDP, ADD, .usual = 161 }) },
	{ "rsyslog", "rsyslogd", "rsyslog", "/etc/rsyslog.conf|/etc/rsyslog.d/*.conf", F(LINES), 0, KEYS(
		{ "$UDPServerRun", PORT, UDP, ADD },
		{ "input(type|input(", PORT, BOTH, ADD, NULL, "port=" },
		{ "$InputTCPServerRun", PORT, TCP, ADD }) },
	{ "syslog-ng", NULL, "syslog-ng-core", "/etc/syslog-ng/syslog-ng.conf|/etc/syslog-ng/conf.d/*.conf", F(PARENS), 0, KEYS(
		{ "source/*/port|source/*/localport", PORT, BOTH, ADD }) },
	{ "collectd", NULL, "collectd", "/etc/collectd/collectd.conf|/etc/collectd/collectd.conf.d/*.conf", F(LINES), 0, KEYS(
		{ "Listen", PORT, UDP, ADD | SECOND, .usual = 25826 }) },
	{ "munin-node", NULL, "munin-node", "/etc/munin/munin-node.conf", F(LINES), 0, KEYS(
		{ "port", PORT, TCP, 0, "4949" },
		{ "host", ADDRESS }) },
	{ "zabbix-agent", "zabbix_agentd", "zabbix-agent", "/etc/zabbix/zabbix_agentd.conf", F(LINES), 0, KEYS(
		{ "ListenPort", PORT, TCP, 0, "10050" },
		{ "ListenIP", ADDRESS }) },
	{ "nrpe", "nagios-nrpe-server", "nagios-nrpe-server", "/etc/nagios/nrpe.cfg", F(LINES), 0, KEYS(
		{ "server_port", PORT, TCP, 0, "5666" },
		{ "server_address", ADDRESS }) },
	{ "prometheus", NULL, "prometheus", "/etc/default/prometheus", F(SHELL), 0, KEYS(
		{ "ARGS", PORT, TCP, 0, "9090", "--web.listen-address" }) },
	{ "prometheus-node-exporter", "prometheus-node", "prometheus-node-exporter", "/etc/default/prometheus-node-exporter", F(SHELL), 0, KEYS(
		{ "ARGS", PORT, TCP, 0, "9100", "--web.listen-address" }) },
	{ "prometheus-alertmanager", "prometheus-aler", "prometheus-alertmanager", "/etc/default/prometheus-alertmanager", F(SHELL), 0, KEYS(
		{ "ARGS", PORT, TCP, 0, "9093", "--web.listen-address" }) },
	{ "nrpe-ng", NULL, "nrpe-ng", "/etc/nagios/nrpe-ng.cfg", F(LINES), 0, KEYS(
		{ "server_port", PORT, TCP },
		{ "server_address", ADDRESS }) },
	/* A link of this name is there where it is enabled; then it listens, with or without the option. */
	{ "iperf3", NULL, "iperf3", "/etc/systemd/system/multi-user.target.wants/iperf3.service", F(UNIT), 0, KEYS(
		{ "Service/ExecStart", PORT, BOTH, 0, "5201", "--port|-p" }) },
	{ "fwknop", "fwknopd", "fwknop-server", "/etc/fwknop/fwknopd.conf", F(BRACES), 0, KEYS(
		{ "ENABLE_UDP_SERVER", CONDITION, .initial = "N" },
		{ "UDPSERV_PORT", PORT, UDP, 0, "62201", .when = "ENABLE_UDP_SERVER=Y" },
		{ "ENABLE_TCP_SERVER", CONDITION, .initial = "N" },
		{ "TCPSERV_PORT", PORT, TCP, 0, "62201", .when = "ENABLE_TCP_SERVER=Y" }) },
	{ "saned", NULL, "sane-utils", "/etc/sane.d/saned.conf", F(LINES), 0, KEYS(
		{ "data_portrange", SPAN, TCP, RETRY, "0" }) },
	{ "icecast2", NULL, "icecast2", "/etc/icecast2/icecast.xml", F(XML), 0, KEYS(
		{ "icecast/listen-socket/port", PORT, TCP, ADD }) },
	{ "mpd", NULL, "mpd", "/etc/mpd.conf", F(LINES), 0, KEYS(
		{ "port", PORT, TCP, 0, "6600" },
		{ "bind_to_address", ADDRESS }) },
	{ "minidlna", "minidlnad", "minidlna", "/etc/minidlna.conf", F(LINES), 0, KEYS(
		{ "port", PORT, TCP, 0, "8200" }) },
	{ "distcc", "distccd", "distcc", "/etc/default/distcc", F(SHELL), 0, KEYS(
		{ "OPTIONS", PORT, TCP, 0, NULL, "--port|-p" }) },
	{ "nut", "upsd|nut-server", "nut-server", "/etc/nut/upsd.conf", F(LINES), 0, KEYS(
		{ "LISTEN", PORT, TCP, ADD | SECOND, .usual = 3493 }) },
	{ "xrdp", NULL, "xrdp", "/etc/xrdp/xrdp.ini", F(INI), 0, KEYS(
		{ "Globals/port", PORT, TCP, 0, "3389" }) },
	{ "xrdp-sesman", NULL, "xrdp", "/etc/xrdp/sesman.ini", F(INI), 0, KEYS(
		{ "Globals/ListenPort", PORT, TCP, OFF, NULL },
		{ "Globals/ListenAddress", ADDRESS }) },
	/* ":2=alice": display 2 is port 5902. */
	{ "tigervnc", "Xtigervnc|Xvnc", "tigervnc-standalone-server", "/etc/tigervnc/vncserver.users", F(LINES), 0, KEYS(
		{ "", PORT, TCP, ADD, .offset = 5900 }) },
	{ "ngircd", NULL, "ngircd", "/etc/ngircd/ngircd.conf|/etc/ngircd/ngircd.conf.d/*.conf", F(INI), 0, KEYS(
		{ "Global/Ports|SSL/Ports", SET, TCP, ADD, "6667" }) },
	{ "spamd", "spamassassin", "spamd", "/etc/default/spamassassin|/etc/default/spamd", F(SHELL), 0, KEYS(
		{ "OPTIONS", PORT, TCP, 0, "127.0.0.1:783", "--port|-p" }) },
	{ "clamav", "clamd", "clamav-daemon", "/etc/clamav/clamd.conf", F(LINES), 0, KEYS(
		{ "TCPSocket", PORT, TCP },
		{ "TCPAddr", ADDRESS },
		{ "StreamMinPort|StreamMaxPort", PAIR, TCP, RETRY }) },
	/* ---- NAT ---- */
	{ "nftables", NULL, "nftables", "/etc/nftables.conf|/etc/nftables.d/*.nft|/etc/nftables/*.nft", F(NETFILTER), 0, KEYS(
		{ "nat/tcp", SPAN, TCP, ADD | SOURCE },
		{ "nat/udp", SPAN, UDP, ADD | SOURCE },
		{ "nat/any", SPAN, BOTH, ADD | SOURCE }) },
	{ "iptables", NULL, NULL, "/etc/iptables/rules.v4|/etc/iptables/rules.v6|/etc/iptables.up.rules|/etc/ufw/before.rules|/etc/ufw/before6.rules|/etc/sysconfig/iptables", F(NETFILTER), 0, KEYS(
		{ "nat/tcp", SPAN, TCP, ADD | SOURCE },
		{ "nat/udp", SPAN, UDP, ADD | SOURCE },
		{ "nat/any", SPAN, BOTH, ADD | SOURCE }) },
	{ NULL }
};
/* clang-format on */
