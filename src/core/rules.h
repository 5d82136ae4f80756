/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's rules of ports: would this bind(), listen() or connect() succeed, and if not, why.
 *
 * Sockets in, verdict out. The rules are those of Linux 6.18 (older kernels: a bucket that connect() opened
 * is not opened again when a socket leaves); tests/oracle compares them with the running kernel, errno for
 * errno. Not modelled: VRF, BPF hooks, security modules, memory pressure, TCP repair, SO_REUSEPORT groups that
 * a socket joins twice (listen, shutdown, listen).
 */
#ifndef BERTH_CORE_RULES_H
#define BERTH_CORE_RULES_H

#include "src/core/sock.h"

/* clang-format off */
#define BERTH_RULES(X) \
	X(FREE,             "free",             "nobody is in the way", "inet_csk_get_port, udp_lib_get_port") \
	X(SHARED,           "shared",           "others have the port, and the options of all permit to share it", "inet_bind_conflict, udp_lib_lport_inuse") \
	X(GROUP,            "group",            "the port is marked as shared by SO_REUSEPORT, so nobody else is looked at", "sk_reuseport_match") \
	X(FAMILY,           "family",           "the address is not of the socket's family", "__inet_bind, __inet6_bind") \
	X(NOT_LOCAL,        "not-local",        "the address belongs to no interface of this namespace", "inet_addr_valid_or_nonlocal, ipv6_chk_addr") \
	X(LOW_PORT,         "low-port",         "the port is below ip_unprivileged_port_start and the program lacks CAP_NET_BIND_SERVICE", "inet_port_requires_bind_service") \
	X(BOUND_ALREADY,    "bound-already",    "the socket has a port already", "__inet_bind") \
	X(MULTICAST_STREAM, "multicast-stream", "TCP cannot be bound to an IPv6 multicast address", "__inet6_bind") \
	X(MAPPED_V6ONLY,    "mapped-v6only",    "an IPv4 address cannot be used by a socket with IPV6_V6ONLY", "__inet6_bind, tcp_v6_connect") \
	X(NO_SCOPE,         "no-scope",         "a link-local address needs the interface: fe80::1%eth0", "__inet6_bind") \
	X(NO_DEVICE,        "no-device",        "there is no such interface", "__inet6_bind") \
	X(LISTENER,         "listener",         "a listener has the port, and SO_REUSEADDR does not get past a listener", "inet_bind_conflict") \
	X(IN_USE,           "in-use",           "another socket has the port", "inet_bind_conflict") \
	X(HOLDER_FIRM,      "holder-firm",      "the socket that has the port was not opened with SO_REUSEADDR, so setting it here alone does not help", "inet_bind_conflict") \
	X(TIME_WAIT,        "time-wait",        "a closed connection rests on the port in TIME_WAIT", "inet_bind_conflict") \
	X(OTHER_USER,       "other-user",       "the port is shared by SO_REUSEPORT among sockets of another user", "inet_bind_conflict, udp_lib_lport_inuse") \
	X(UDP_IN_USE,       "udp-in-use",       "another UDP socket has the port", "udp_lib_lport_inuse") \
	X(NONE_TO_BIND,     "none-to-bind",     "every port of the ephemeral range is taken", "inet_csk_find_open_port, udp_lib_get_port") \
	X(NOT_STREAM,       "not-stream",       "only TCP listens", "inet_listen") \
	X(LISTEN_STATE,     "listen-state",     "a connected socket cannot listen", "__inet_listen_sk") \
	X(CONNECTED,        "connected",        "the socket is connected or listens already", "__inet_stream_connect") \
	X(TUPLE,            "tuple",            "a connection with these two addresses and ports exists", "__inet_check_established") \
	X(TUPLE_TIME_WAIT,  "tuple-time-wait",  "the last connection with these addresses and ports rests in TIME_WAIT", "tcp_twsk_unique") \
	X(NONE_TO_CONNECT,  "none-to-connect",  "no port of the ephemeral range is usable for this destination", "__inet_hash_connect") \
	X(NONE_TO_AUTOBIND, "none-to-autobind", "every port of the ephemeral range is taken", "inet_autobind") \
	X(NO_UNICAST,       "no-unicast",       "TCP connects to unicast addresses only", "tcp_v4_connect, tcp_v6_connect") \
	X(SOURCE_FAMILY,    "source-family",    "the socket is bound to an IPv4 address and cannot reach an IPv6 one", "ip6_dst_lookup_tail") \
	X(NO_LISTENER,      "no-listener",      "nobody listens there", "tcp_v4_rcv, tcp_v6_rcv") \
	X(SELF,             "self",             "the socket connects to itself", "tcp_rcv_synsent_state_process")
/* clang-format on */

enum berth_rule {
#define BERTH_RULE_ENUM(id, name, text, source) BERTH_RULE_##id,
	BERTH_RULES(BERTH_RULE_ENUM)
#undef BERTH_RULE_ENUM
		BERTH_RULE_COUNT
};

/* The name of a rule, its sentence, and the function of the kernel that applies it. */
const char *berth_rule_name(enum berth_rule rule);
const char *berth_rule_text(enum berth_rule rule);
const char *berth_rule_source(enum berth_rule rule);

enum berth_op { BERTH_OP_BIND, BERTH_OP_LISTEN, BERTH_OP_CONNECT };

struct berth_request {
	enum berth_op op;
	/* Who asks: protocol, family, options, user; port and local address where it is bound already. */
	struct berth_sock sock;
	int32_t self;         /* its index in the population where it is bound; -1: not in there */
	struct berth_ip addr; /* bind: local address; connect: destination */
	uint16_t port;        /* 0 with bind and listen: the kernel chooses */
	uint8_t family;       /* of the address given; IPv4 in an IPv6 address is BERTH_IPV6 */
	uint32_t scope;       /* sin6_scope_id */
	struct berth_ip
		source; /* connect: the address that the route yields for a socket without one */
	bool may_low;   /* has CAP_NET_BIND_SERVICE */
	bool nonlocal;  /* IP_FREEBIND or IP_TRANSPARENT */
	bool no_port;   /* IP_BIND_ADDRESS_NO_PORT */
	bool has_range; /* IP_LOCAL_PORT_RANGE */
	struct berth_range range;
	/* connect to this host: the interface that its listeners see; 0: elsewhere, the peer is not asked */
	uint32_t arrives;
};

struct berth_verdict {
	int error; /* 0, or a positive errno */
	enum berth_rule rule;
	int32_t other; /* index of the socket in the way or shared with; -1: none */
	uint16_t
		port; /* the port asked for; where the kernel chooses: the first that it could take */
	uint32_t choices; /* where the kernel chooses: ports that it could take */
	/* The only choice is at an end of a range of odd length: the search sees it or not, by chance. */
	bool unsure;
	/* connect: found by the peer's answer, after the port was taken */
	bool by_peer;
};

/* Judges a request; reads the population, changes nothing. */
void berth_rules_judge(const struct berth_population *sp, const struct berth_host *host,
		       const struct berth_request *req, struct berth_verdict *out);

/*
 * Where the kernel chooses the port (bind, listen or UDP's connect with port 0; TCP's connect of an unbound
 * socket): whether it could choose this one now. The address in req->sock.local counts.
 */
bool berth_rules_may_choose(const struct berth_population *sp, const struct berth_host *host,
			    const struct berth_request *req, uint16_t port);

/* True where the bucket lets sk in without a look at its sockets (sk_reuseport_match). */
bool berth_bucket_lets_in(const struct berth_bucket *b, const struct berth_sock *sk);

/*
 * The socket after a bind() that succeeded: local address and V6ONLY as the kernel sets them; the port is
 * left alone.
 */
void berth_rules_bound(const struct berth_request *req, struct berth_sock *sk);

#endif
