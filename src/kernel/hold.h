/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports held for services that are down.
 *
 * A holder keeps a bound socket and hands copies of it out over a unix socket. It never lets go of its own, so
 * there is no moment in which the port is free: neither between two holders' services, nor while one restarts.
 */
#ifndef BERTH_KERNEL_HOLD_H
#define BERTH_KERNEL_HOLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/why.h"

struct berth_endpoint {
	bool udp, is_v4;
	uint8_t addr[16]; /* IPv4 as ::ffff:a.b.c.d; all zero: every address of both families */
	uint16_t port;
};

#define BERTH_ENDPOINT_TEXT 64

/* Reads "[tcp:|udp:][ADDR:]PORT", an IPv6 address in brackets. 0 or -EINVAL. */
int berth_endpoint_parse(const char *text, struct berth_endpoint *out_endpoint,
			 struct berth_why *why);

/* Writes "tcp:[::]:80"; BERTH_ENDPOINT_TEXT bytes are enough. */
void berth_endpoint_format(const struct berth_endpoint *e, char *out);

/* Who may take a held socket beside root and the holder's own user. */
struct berth_hold_for {
	uid_t uid; /* -1: nobody */
	gid_t gid; /* primary group; -1: none */
};

/*
 * Binds a socket; a stream listens where that is wanted, else nobody shares its port by SO_REUSEADDR. 0, or -errno
 * with the sentence.
 */
int berth_hold_bind(const struct berth_endpoint *e, bool listens, int *out_fd,
		    struct berth_why *why);

/* Lets a held stream listen; again, it only has the usual backlog. 0 or -errno. */
int berth_hold_listen(int fd);

/*
 * Keeps the port of a socket again from others, whatever whoever was handed it has left behind: a stream that was shut
 * down, by shutdown() or a connect() to nowhere, is closed to those who set SO_REUSEADDR (listens: listens anew), and a
 * datagram socket shares its port no more and has no peer. 1: a stream that was open to them; 0; -errno.
 */
int berth_hold_guard(int fd, bool listens);

/*
 * Opens the place where takers ask for the endpoint: a unix socket in the folder of runs (src/kernel/runs.h),
 * named by network namespace and endpoint. 0; -EADDRINUSE: somebody holds it already; other -errno.
 */
int berth_hold_offer(const struct berth_endpoint *e, int *out_fd, struct berth_why *why);

/*
 * Serves one taker of an offer: a copy of the socket, or a refusal. Returns the taker's pid, 0 where it went
 * away, or -EPERM, with the sentence.
 */
int berth_hold_serve(int offer_fd, int socket_fd, const struct berth_hold_for *whom,
		     struct berth_why *why);

/* Takes the offer away. */
void berth_hold_withdraw(const struct berth_endpoint *e);

/*
 * Takes the endpoint's socket from its holder. Only root's holders and the caller's own are trusted.
 * 0; -ENOENT: nobody holds it; -EPERM: refused; other -errno.
 */
int berth_hold_take(const struct berth_endpoint *e, int *out_fd, struct berth_why *why);

#endif
