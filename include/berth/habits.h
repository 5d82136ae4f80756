/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How operating systems choose a port: the habits that a port space has for policies.
 *
 * For stacks that want to be told from a given system by nothing, and for whoever measures what a habit costs. Each is
 * the loop of the system's source, step for step, over the set of ports that may be chosen.
 *
 *  - With first and last 0 in the configuration the ephemeral range is the system's.
 *  - Where the system gives a port to one socket only, whatever the destination, so does connect: BERTH_SPACE_E_BOUND
 *    where every port has a socket.
 *  - Linux binds otherwise than it connects: bind with port 0 goes as linux-bind in linux, linux-5.12 and linux-4.2, and
 *    as netbsd-random-start in linux-2.6. The other systems do the same for both.
 *  - No port is refused while one may be chosen, but where the system itself gives up: netbsd-random-pick and
 *    netbsd-randinc after as many tries as the range has ports, netbsd-hash and netbsd-doublehash where their counter
 *    of 16 bits wraps on the way, linux, linux-5.12, linux-4.2 and linux-bind before the first or the last port of a
 *    range of odd length. The error is BERTH_SPACE_E_LUCK then.
 *  - What a system never chooses is the caller's to withhold: OpenBSD's baddynamic, ip_local_reserved_ports of Linux.
 *  - What is of the time (a new key each 10 s; 45 s of sequence) goes by the clock of berth_space_advance().
 *
 * A space of its own is a host of its own: its counters begin anywhere, by the keys of its configuration, and are not
 * shared with other spaces. In parts.h each part is such a host.
 */
#ifndef BERTH_HABITS_H
#define BERTH_HABITS_H

/* clang-format off */
/*
 * Identifier, name, whether two destinations may have one port at the same time, the ephemeral range, the system, what
 * it does, source.
 */
#define BERTH_SPACE_HABITS(X) \
	X(LINUX, "linux", true, 32768, 60999, "Linux", \
	  "double-hash over the even ports, 65,536 counters, 1 to 8 steps, a new key each 10 s", \
	  "since 5.18: net/ipv4/inet_hashtables.c, net/core/secure_seq.c") \
	X(LINUX_5_12, "linux-5.12", true, 32768, 60999, "Linux", \
	  "double-hash over the even ports, 256 counters, one step in 16 is double", \
	  "5.12 to 5.17: net/ipv4/inet_hashtables.c") \
	X(LINUX_4_2, "linux-4.2", true, 32768, 60999, "Linux to 5.11", \
	  "hash over the even ports, one counter", \
	  "4.2 to 5.11: net/ipv4/inet_hashtables.c") \
	X(LINUX_2_6, "linux-2.6", true, 32768, 61000, "Linux to 4.1", \
	  "hash, one counter, both parities", \
	  "to 4.1: net/ipv4/inet_hashtables.c") \
	X(LINUX_BIND, "linux-bind", false, 32768, 60999, "Linux", \
	  "bind to port 0: random start among the odd ports", \
	  "net/ipv4/inet_connection_sock.c") \
	X(LINUX_UDP, "linux-udp", false, 32768, 60999, "Linux", \
	  "random start, steps of a random odd multiple of the hash table's size", \
	  "net/ipv4/udp.c") \
	X(FREEBSD, "freebsd", true, 10000, 65535, "FreeBSD", \
	  "random start, then the next port", \
	  "since 13: sys/netinet/in_pcb.c, in_pcb_lport_dest()") \
	X(FREEBSD_OLD, "freebsd-old", false, 10000, 65535, "FreeBSD", \
	  "random start; sequential for 45 s after a second with more than 10 choices", \
	  "to 12: sys/netinet/in_pcb.c, ip_input.c, net.inet.ip.portrange.randomcps, randomtime") \
	X(OPENBSD, "openbsd", false, 1024, 49151, "OpenBSD", \
	  "random start, then the next port", \
	  "sys/netinet/in_pcb.c, in_pcbpickport()") \
	X(NETBSD_BSD, "netbsd-bsd", false, 49152, 65535, "NetBSD", \
	  "sequential, downwards", \
	  "sys/netinet/portalgo.c, bsd") \
	X(NETBSD_RANDOM_START, "netbsd-random-start", false, 49152, 65535, "NetBSD", \
	  "random start, then the next port", \
	  "sys/netinet/portalgo.c, random_start") \
	X(NETBSD_RANDOM_PICK, "netbsd-random-pick", false, 49152, 65535, "NetBSD", \
	  "a fresh random port for each try", \
	  "sys/netinet/portalgo.c, random_pick") \
	X(NETBSD_HASH, "netbsd-hash", false, 49152, 65535, "NetBSD", \
	  "hash whose key is drawn anew for each choice: a random start", \
	  "sys/netinet/portalgo.c, hash") \
	X(NETBSD_DOUBLEHASH, "netbsd-doublehash", false, 49152, 65535, "NetBSD", \
	  "double-hash, 8 counters, keys drawn anew for each choice: a random start", \
	  "sys/netinet/portalgo.c, doublehash") \
	X(NETBSD_RANDINC, "netbsd-randinc", false, 49152, 65535, "NetBSD", \
	  "one counter, a random step of 1 to 500 for each try", \
	  "sys/netinet/portalgo.c, randinc") \
	X(MACOS, "macos", false, 49152, 65535, "macOS, iOS", \
	  "TCP: sequential", \
	  "bsd/netinet/in_pcb.c, net.inet.tcp.randomize_ports=0") \
	X(MACOS_UDP, "macos-udp", false, 49152, 65535, "macOS, iOS", \
	  "UDP: random start, then the next port", \
	  "bsd/netinet/in_pcb.c, net.inet.udp.randomize_ports=1") \
	X(WINDOWS, "windows", false, 49152, 65535, "Windows", \
	  "hash, one counter", \
	  "no source is public; taken as RFC 6056 algorithm 3") \
	X(BSD_CLASSIC, "bsd-classic", false, 1024, 5000, "4.xBSD", \
	  "sequential, one counter", \
	  "4.3BSD, netinet/in_pcb.c; RFC 6056 section 2.2")
/* clang-format on */

#endif
