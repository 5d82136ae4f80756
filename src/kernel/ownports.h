/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks this host for ports, in each of the ways that programs do, to see how it chooses. */
#ifndef BERTH_KERNEL_OWNPORTS_H
#define BERTH_KERNEL_OWNPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/why.h"

/* One row a way: enumerator, name, what is done, whether all ports are for one destination. */
#define BERTH_OWN_WAYS(X)                                                                          \
	X(TCP_ONE, "tcp connect, one destination", true)                                           \
	X(TCP_MANY, "tcp connect, a destination each", false)                                      \
	X(TCP_BIND, "tcp bind to port 0", false)                                                   \
	X(UDP_ONE, "udp connect, one destination", true)                                           \
	X(UDP_BIND, "udp bind to port 0", false)

#define BERTH_OWN_ENUM(id, name, one) BERTH_OWN_##id,
enum berth_own_way { BERTH_OWN_WAYS(BERTH_OWN_ENUM) BERTH_OWN_COUNT };
#undef BERTH_OWN_ENUM

/*
 * Opens n sockets one after the other on 127.0.0.0/8 and notes their ports; each is closed (TCP: reset, so that no
 * TIME_WAIT is left) before the next. Returns how many ports are in out_port, or negative with the sentence in why.
 */
int berth_own_ports(enum berth_own_way way, size_t n, uint16_t *out_port, struct berth_why *why);

#endif
