/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks this host for ports, in each of the ways that programs do, to see how it chooses. */
#ifndef BERTH_KERNEL_OWNPORTS_H
#define BERTH_KERNEL_OWNPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/why.h"

/* One row a way: enumerator, name, IPv6, datagrams, by bind (else connect), a destination each (else one). */
#define BERTH_OWN_WAYS(X)                                                                          \
	X(TCP_ONE, "tcp connect, one destination", false, false, false, false)                     \
	X(TCP_MANY, "tcp connect, a destination each", false, false, false, true)                  \
	X(TCP_BIND, "tcp bind to port 0", false, false, true, true)                                \
	X(UDP_ONE, "udp connect, one destination", false, true, false, false)                      \
	X(UDP_BIND, "udp bind to port 0", false, true, true, true)                                 \
	X(TCP6_ONE, "tcp6 connect, one destination", true, false, false, false)                    \
	X(TCP6_MANY, "tcp6 connect, a destination each", true, false, false, true)                 \
	X(TCP6_BIND, "tcp6 bind to port 0", true, false, true, true)                               \
	X(UDP6_ONE, "udp6 connect, one destination", true, true, false, false)                     \
	X(UDP6_BIND, "udp6 bind to port 0", true, true, true, true)

#define BERTH_OWN_ENUM(id, name, six, datagram, by_bind, many) BERTH_OWN_##id,
enum berth_own_way { BERTH_OWN_WAYS(BERTH_OWN_ENUM) BERTH_OWN_COUNT };
#undef BERTH_OWN_ENUM

struct berth_own_row {
	const char *name;
	bool six, datagram, by_bind, many;
};

extern const struct berth_own_row berth_own_rows[BERTH_OWN_COUNT];

/* True where this host has the loopback address of IPv6. */
bool berth_own_has_six(void);

/*
 * Opens n sockets one after the other on 127.0.0.0/8, or on ::1, and notes their ports; each is closed (TCP: reset, so that no
 * TIME_WAIT is left) before the next. A destination each is an address each, of IPv6 a port each. Returns how many
 * ports are in out_port, or negative with the sentence in why.
 */
int berth_own_ports(enum berth_own_way way, size_t n, uint16_t *out_port, struct berth_why *why);

#endif
