/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of operating systems and network stacks. */
#include "src/registry/systems.h"

#include <stddef.h>

/* clang-format off */
const struct berth_system berth_systems[] = {
	{ "Linux", { 32768, 60999 },
	  "TCP: double-hash, odd ports first for bind to port 0; UDP: random start",
	  "since 5.12: net/ipv4/inet_hashtables.c, udp.c; RFC 6056 algorithm 4" },
	{ "Linux to 5.11", { 32768, 60999 }, "TCP: hash with one counter for all destinations; UDP: random start",
	  "net/ipv4/inet_hashtables.c, udp.c; RFC 6056 algorithm 3" },
	{ "Linux to 4.1", { 32768, 61000 }, "TCP: hash with one counter for all destinations; UDP: random start",
	  "net/ipv4/inet_hashtables.c, udp.c; RFC 6056 algorithm 3" },
	{ "FreeBSD", { 10000, 65535 }, "random start; older releases sequential for 45 s above 10 a second",
	  "net.inet.ip.portrange.first, last; in_pcb.c" },
	{ "FreeBSD, high", { 49152, 65535 }, "as FreeBSD, for sockets that ask for it (IP_PORTRANGE_HIGH)",
	  "net.inet.ip.portrange.hifirst, hilast" },
	{ "OpenBSD", { 1024, 49151 }, "random start; passes over the ports of baddynamic",
	  "net.inet.ip.portfirst, portlast; in_pcb.c" },
	{ "OpenBSD, high", { 49152, 65535 }, "as OpenBSD, for sockets that ask for it (IP_PORTRANGE_HIGH)",
	  "net.inet.ip.porthifirst, porthilast" },
	{ "NetBSD", { 49152, 65535 },
	  "one of six: bsd, random_start, random_pick, hash, doublehash, randinc",
	  "net.inet.ip.anonportmin, anonportmax; rfc6056(7)" },
	{ "macOS, iOS", { 49152, 65535 }, "TCP: sequential in older releases; UDP: random",
	  "net.inet.ip.portrange.first, last" },
	{ "Windows", { 49152, 65535 }, "by a hash", "since Vista: netsh interface ipv4 show dynamicport tcp" },
	{ "Windows to XP", { 1025, 5000 }, "sequential, one counter", "registry value MaxUserPort" },
	{ "4.xBSD", { 1024, 5000 }, "sequential, one counter", "IPPORT_RESERVED, IPPORT_USERRESERVED" },
	{ "Solaris", { 32768, 65535 }, "random", "tcp_smallest_anon_port, tcp_largest_anon_port" },
	{ "AIX", { 32768, 65535 }, "not documented", "no: tcp_ephemeral_low, tcp_ephemeral_high" },
	{ "lwIP", { 49152, 65535 }, "sequential", "src/core/tcp.c" },
	{ "gVisor", { 16000, 65535 }, "random start", "pkg/tcpip/ports; RFC 6056 algorithm 1" },
	{ "mTCP", { 1025, 65535 }, "a queue: the port that was released longest ago", "addr_pool.c" },
	{ "VPP", { 1024, 65534 }, "random", "src/vnet/session" },
	{ "picoTCP", { 1024, 65534 }, "random", "stack/pico_socket.c" },
	{ NULL, { 0, 0 }, NULL, NULL },
};
/* clang-format on */
