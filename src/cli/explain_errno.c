/* SPDX-License-Identifier: BSD-2-Clause */
/* Errnos of bind(), listen(), connect() and sendto(): what causes them, and which command finds the cause. */
#include <errno.h>
#include <string.h>

#include "src/cli/explain.h"

#define CAUSES 6

static const struct {
	int error;
	const char *text;
	const char *cause[CAUSES];
	const char *command, *does;
} rows[] = {
	{ EADDRINUSE,
	  "The port that a program asked for is taken in a way that forbids sharing it.",
	  { "bind(): another socket listens on the port, on the same address or on a wildcard",
	    "bind() without SO_REUSEADDR: a connection, also one in TIME_WAIT, has the port",
	    "bind(): a client got the port from the ephemeral range; its socket lacks SO_REUSEADDR",
	    "bind() with SO_REUSEPORT: the others belong to another user, or one lacks the option",
	    "bind() with port 0: every port of the ephemeral range is taken",
	    "listen(): another socket bound to the port has begun to listen first" },
	  "berth explain PORT",
	  "names the socket in the way, its program, and the rule" },
	{ EADDRNOTAVAIL,
	  "The address is not there, or no port is left for a destination.",
	  { "bind(): the address belongs to no interface of this network namespace",
	    "connect(): no port of the ephemeral range is usable for this destination",
	    "connect() of a bound socket: the same addresses and ports have a connection already",
	    "connect() of a bound socket: that connection rests in TIME_WAIT without timestamps" },
	  "berth explain connect HOST:PORT",
	  "counts the ports that are left for a destination" },
	{ EACCES,
	  "The program may not use the port or the destination.",
	  { "bind(): the port is below ip_unprivileged_port_start and CAP_NET_BIND_SERVICE is missing",
	    "connect() or sendto(): the destination is a broadcast address and SO_BROADCAST is not set",
	    "a security module, a firewall (reject) or a cgroup's BPF program forbids it" },
	  "berth explain bind ADDRESS:PORT as USER",
	  "says whether that user may bind the port" },
	{ EPERM,
	  "A rule of this host forbids it.",
	  { "a firewall drops what the program itself sends",
	    "a cgroup's BPF program or a security module forbids bind() or connect()" },
	  "berth doctor",
	  "shows what this host permits" },
	{ EAGAIN,
	  "No port is left for a UDP socket that was not bound, or a call would have to wait.",
	  { "connect() or sendto() of UDP: every port of the ephemeral range is taken",
	    "connect() of a unix socket: the listener's backlog is full",
	    "accept(), recv(), send() on a socket that does not wait: nothing to do now" },
	  "berth explain connect HOST:PORT/udp",
	  "counts the ports that are left" },
	{ ECONNREFUSED,
	  "The host answered that nobody listens there.",
	  { "no program listens on the port, or on another address of that host only",
	    "a firewall rejects with a TCP reset or an ICMP port unreachable",
	    "UDP: an earlier datagram came back with ICMP port unreachable" },
	  "berth explain connect HOST:PORT",
	  "says who listens, where the destination is this host" },
	{ ECONNRESET,
	  "The peer ended the connection at once.",
	  { "the peer's program ended, or closed with unread data",
	    "the peer rebooted, or a device on the way forgot the connection",
	    "the port was used again too soon and the peer knew the old connection" },
	  NULL,
	  NULL },
	{ EINVAL,
	  "The call does not fit the socket.",
	  { "bind(): the socket has a port already",
	    "bind(): a link-local IPv6 address without an interface (fe80::1%eth0)",
	    "bind(): an IPv4 address on a socket with IPV6_V6ONLY",
	    "listen(): the socket is connected", "connect(): the address is too short" },
	  "berth explain bind ADDRESS:PORT",
	  "says which of them it is" },
	{ ETIMEDOUT,
	  "Nobody answered in time.",
	  { "the host is down, or a firewall drops silently", "the listener's queue is full",
	    "the answer takes another way and is dropped there" },
	  NULL,
	  NULL },
	{ ENETUNREACH,
	  "There is no route to the destination.",
	  { "the routing table has no entry, often no default route",
	    "an IPv6 destination on a host without IPv6",
	    "an IPv4 destination on a socket with IPV6_V6ONLY",
	    "TCP to a multicast or broadcast address" },
	  "ip route get ADDRESS",
	  "asks the routing table" },
	{ EHOSTUNREACH,
	  "The last router or this host cannot reach the destination.",
	  { "nobody answers to ARP or neighbour discovery", "a route of type unreachable",
	    "a firewall rejects with ICMP host unreachable" },
	  "ip neighbour",
	  "shows who answered" },
	{ EAFNOSUPPORT,
	  "The address is of another family than the socket.",
	  { "an IPv6 address on an IPv4 socket, or the other way round",
	    "an IPv6 destination from a socket bound to an IPv4 address",
	    "IPv6 is switched off on this host" },
	  NULL,
	  NULL },
	{ EISCONN,
	  "The socket is connected already, or it listens.",
	  { "connect() twice", "sendto() with an address on a connected TCP socket" },
	  NULL,
	  NULL },
	{ ENOTCONN, "The socket has no peer.", { "send() before connect()" }, NULL, NULL },
	{ EINPROGRESS,
	  "No error: the connection is being made, and the socket does not wait.",
	  { "connect() on a non-blocking socket: wait until it is writable, then read SO_ERROR" },
	  NULL,
	  NULL },
	{ EALREADY, "The connection is being made already.", { "connect() twice" }, NULL, NULL },
	{ ENODEV,
	  "There is no such interface.",
	  { "bind() to a link-local address with the number of an interface that is gone" },
	  "ip link",
	  "shows the interfaces" },
	{ ENOBUFS, "The kernel has no memory for it, or a queue is full.", { 0 }, NULL, NULL },
	{ EMFILE,
	  "The program has no descriptor left.",
	  { "RLIMIT_NOFILE is too low for its connections", "it does not close what it opens" },
	  "prlimit --nofile --pid PID",
	  "shows the limit" },
	{ ENFILE,
	  "The host has no descriptor left.",
	  { 0 },
	  "sysctl fs.file-max",
	  "shows the limit" },
	{ EPROTONOSUPPORT,
	  "The kernel does not have this protocol.",
	  { "SCTP or DCCP without their module" },
	  NULL,
	  NULL },
	{ EOPNOTSUPP, "The socket cannot do that.", { "listen() on a UDP socket" }, NULL, NULL },
	{ EPIPE,
	  "The peer has closed the connection.",
	  { "send() after the peer's close()" },
	  NULL,
	  NULL },
};

void berth_explain_errno(struct berth_explain *e)
{
	int error = e->what.error;
	size_t i, k;

	json_object_set_new(e->root, "errno", json_string(strerrorname_np(error)));
	json_object_set_new(e->root, "number", json_integer(error));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].error != error)
			continue;
		berth_explain_say(e, "%s (%d, \"%s\"): %s", strerrorname_np(error), error,
				  strerror(error), rows[i].text);
		for (k = 0; k < CAUSES && rows[i].cause[k]; k++)
			berth_explain_say(e, "- %s.", rows[i].cause[k]);
		if (rows[i].command)
			berth_explain_way(e, rows[i].does, "%s", rows[i].command);
		return;
	}
	berth_explain_say(e, "%s (%d, \"%s\"): no rule of ports gives this error.",
			  strerrorname_np(error), error, strerror(error));
}
