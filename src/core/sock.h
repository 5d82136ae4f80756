/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the rules of ports know of a socket, of the bind buckets it sits in, and of the host.
 *
 * Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d; 0.0.0.0 of an IPv4 socket is ::ffff:0.0.0.0 and so differs
 * from the "::" of an IPv6 socket. Ports are in host order. Memory is the caller's.
 */
#ifndef BERTH_CORE_SOCK_H
#define BERTH_CORE_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/range.h"

struct berth_ip {
	uint8_t byte[16];
};

/* What a socket speaks, as the kernel numbers it; all others are data to the rules. */
enum { BERTH_PROTO_TCP = 6, BERTH_PROTO_UDP = 17, BERTH_PROTO_UDPLITE = 136 };

/* AF_INET and AF_INET6 without the system's headers. */
enum { BERTH_IPV4 = 2, BERTH_IPV6 = 10 };

enum berth_sock_state {
	BERTH_SOCK_CLOSED,    /* unbound, or bound and neither listening nor connected */
	BERTH_SOCK_LISTEN,    /* TCP only */
	BERTH_SOCK_CONNECTED, /* has a peer, in any state but TIME_WAIT */
	BERTH_SOCK_TIME_WAIT,
};

struct berth_sock {
	struct berth_ip local, peer;
	uint16_t port; /* local; 0: not bound to a port */
	uint16_t peer_port;
	uint8_t proto;
	uint8_t family;  /* BERTH_IPV4 or BERTH_IPV6 */
	uint8_t state;   /* enum berth_sock_state */
	bool reuse;      /* SO_REUSEADDR */
	bool reuseport;  /* SO_REUSEPORT */
	bool v6only;     /* IPV6_V6ONLY; the kernel sets it itself on a bind to one IPv6 address */
	bool by_connect; /* the port was chosen by connect(); one that bind(0) chose was not */
	bool stamped;    /* TIME_WAIT: the connection had timestamps */
	uint32_t uid;    /* of the socket: who created or accepted it */
	uint32_t device; /* SO_BINDTODEVICE, interface index; 0: none */
	uint32_t since_ms; /* TIME_WAIT: when it began, on the clock of berth_host.now_ms */
	/*
	 * Where the kernel's chains of the port have it: the highest comes first. UDP looks no further than the
	 * first that shares by SO_REUSEPORT, so the order can decide. 0 throughout: unknown, array order.
	 */
	int32_t order, order2;
};

/*
 * What TCP remembers of a port for as long as a socket has it (inet_bind_bucket): -1, every socket's port
 * was chosen by connect(); 0, full check; 1 and 2, who has the same option may pass without a check.
 */
struct berth_bucket {
	struct berth_ip fast_local;
	uint32_t fast_uid;
	uint16_t port;
	uint8_t fast_family;
	bool fast_v6only;
	int8_t reuse;
	int8_t reuseport; /* 1: all share, same user; 2: who shares fast_local */
};

/* The same for one local address of a port (inet_bind2_bucket). */
struct berth_bucket2 {
	struct berth_ip local;
	uint16_t port;
	int8_t reuse, reuseport;
};

/* Where the sockets and the bucket of each port are in a population whose sockets ascend by port. */
struct berth_population_index {
	uint32_t from[BERTH_PORTS + 1]; /* sockets of port p: from[p] up to before from[p + 1] */
	uint32_t bucket[BERTH_PORTS];   /* number of its bucket plus 1; 0: none */
};

/* The sockets of one network namespace. Arrays have no gaps; sockets in the order of their binding. */
struct berth_population {
	struct berth_sock *sock;
	struct berth_bucket *bucket;
	struct berth_bucket2 *bucket2;
	uint32_t socks, buckets, buckets2;
	uint32_t room; /* what each array has place for */
	int32_t clock; /* gives orders; begins at 0 */
	/* NULL, or set by berth_population_guess(): the rules then look at the sockets of one port only. */
	struct berth_population_index *index;
};

/* A local address or prefix, with its interface. */
struct berth_local {
	struct berth_ip addr;
	uint8_t prefix; /* bits of the 128: 128 one address, 104 for 127.0.0.0/8 */
	uint32_t device;
};

struct berth_host {
	const struct berth_local *local;
	const uint32_t *device; /* indexes of interfaces that exist */
	uint32_t locals, devices;
	const struct berth_portset *reserved; /* ip_local_reserved_ports; NULL: none */
	struct berth_range ephemeral;         /* ip_local_port_range */
	uint16_t unprivileged;                /* ip_unprivileged_port_start */
	bool nonlocal4, nonlocal6;            /* ip_nonlocal_bind */
	bool autobind_reuse;
	uint8_t tw_reuse;     /* tcp_tw_reuse: 0, 1, 2 */
	uint32_t tw_delay_ms; /* tcp_tw_reuse_delay */
	uint32_t now_ms;
	uint32_t loopback; /* index of lo */
};

/* 0.0.0.0 as an address of 16 bytes; "::" is all zeros. */
extern const struct berth_ip berth_ip_any4;
extern const struct berth_ip berth_ip_any6;

/* True for ::ffff:0:0/96. */
bool berth_ip_is_mapped(const struct berth_ip *ip);

/* True for "::" and for 0.0.0.0. */
bool berth_ip_is_any(const struct berth_ip *ip);

/* True for 127.0.0.0/8 and ::1. */
bool berth_ip_is_loopback(const struct berth_ip *ip);

/* True for fe80::/10. */
bool berth_ip_is_link_local6(const struct berth_ip *ip);

/* True for 224.0.0.0/4 and ff00::/8. */
bool berth_ip_is_multicast(const struct berth_ip *ip);

bool berth_ip_equal(const struct berth_ip *a, const struct berth_ip *b);

/* True where the first bits bits are the same; bits is 0 to 128. */
bool berth_ip_in_prefix(const struct berth_ip *ip, const struct berth_ip *prefix, unsigned bits);

#endif
