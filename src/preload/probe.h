/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to the kernel: is a tuple in use, may a TIME_WAIT be taken, which source does a route
 * yield.
 *
 * sock_diag needs a netlink socket. Opening and closing one for each question costs three times
 * the question itself (7.9 us against 2.4 us), so one is kept: close-on-exec, at a number from
 * 1000 on, out of the way of programs that count on small ones. It is used only after the kernel
 * has confirmed (SO_COOKIE) that the number still means this socket, in the process and the
 * network namespace that opened it; a program may close it at any time, or give the number to
 * something else. A thread that finds it busy opens one of its own for the moment.
 *
 * A TIME_WAIT may be taken by a bound socket when its connection had timestamps; sock_diag does
 * not show that. So the kernel is asked by doing it, on a socket that sends nothing: with
 * TCP_FASTOPEN_CONNECT and without the need of a cookie, connect() enters the tuple into the
 * kernel's table and puts the SYN off until the first write, which never comes. Where the tuple
 * was refused the program's own socket, which could not be unbound again, was spared.
 */
#ifndef BERTH_PRELOAD_PROBE_H
#define BERTH_PRELOAD_PROBE_H

#include "abi/preload.h"

/* A socket pair to be, seen from its local end. */
struct berth_tuple {
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t sport, dport;
	uint8_t protocol; /* 6 or 17 */
	uint32_t device;  /* interface that the socket is bound to, or 0 */
	uint64_t netns;
	uint64_t own; /* SO_COOKIE of a socket that does not count as a holder, or 0 */
};

enum berth_held {
	BERTH_HELD_FREE,
	BERTH_HELD_TIME_WAIT,
	BERTH_HELD_BUSY,    /* a connection, or a listener on the port */
	BERTH_HELD_UNKNOWN, /* it could not be asked: no descriptor, or netlink is refused */
};

/* Who holds the tuple. out_age_ms is set for TIME_WAIT: how long it has lasted. */
enum berth_held berth_probe_tuple(const struct berth_tuple *t, uint32_t *out_age_ms);

/*
 * Has the kernel try the tuple (TCP only): FREE where a bound socket can have it now, also out of
 * a TIME_WAIT, which is gone then; BUSY where it cannot; UNKNOWN where it could not be tried.
 * t->src may be any address.
 */
enum berth_held berth_probe_try(const struct berth_tuple *t);

/*
 * Asks the routes: netns, dst, asked, device and mark are given; src, error and out_device are
 * filled in. Returns 0, or -errno where the kernel could not be asked; answers are kept for a
 * second.
 */
int berth_probe_route(struct berth_preload_route *route, uint64_t now_ns);

#endif
