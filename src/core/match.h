/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether two sockets of one port are in each other's way: addresses, options, users, interfaces. */
#ifndef BERTH_CORE_MATCH_H
#define BERTH_CORE_MATCH_H

#include "src/core/sock.h"

/* How strict a check is. bind() with a port and listen() accept what options permit; bind() with port 0 does not. */
enum berth_strictness {
	BERTH_STRICT_SHARE, /* both SO_REUSEADDR, or both SO_REUSEPORT of one user, may share */
	BERTH_STRICT_RELAX, /* both SO_REUSEADDR may share (ip_autobind_reuse) */
	BERTH_STRICT_NONE,  /* nobody shares */
};

/*
 * True where a socket bound to a's local address would receive what b's receives (inet_rcv_saddr_equal).
 * wild_a, wild_b: whether a wildcard address stands for all addresses.
 */
bool berth_match_local(const struct berth_sock *a, const struct berth_sock *b, bool wild_a,
		       bool wild_b);

/* True where neither is bound to an interface, only one is, or both to the same. */
bool berth_match_device(const struct berth_sock *a, const struct berth_sock *b);

/* True where TCP looks at one address and the wildcards only, not at every socket of the port. */
bool berth_match_is_specific(const struct berth_sock *a);

/*
 * TCP: true where sk may not be bound or listen beside other on the same port (inet_csk_bind_conflict with
 * bhash2, as of Linux 6.1). Ports and protocols are taken to be equal.
 */
bool berth_match_tcp_conflict(const struct berth_sock *sk, const struct berth_sock *other,
			      enum berth_strictness strict);

/* UDP: true where other decides on sk's bind: addresses and interfaces meet, not both have SO_REUSEADDR. */
bool berth_match_udp_meets(const struct berth_sock *sk, const struct berth_sock *other);

/* True where both have SO_REUSEPORT and one user. */
bool berth_match_shares_port(const struct berth_sock *sk, const struct berth_sock *other);

/*
 * True where a connection of a socket bound to device (0: none) from local to peer clashes with other, a
 * connected one or one in TIME_WAIT (inet_match).
 */
bool berth_match_tuple(const struct berth_sock *other, const struct berth_sock *wanted);

#endif
