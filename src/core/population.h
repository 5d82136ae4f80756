/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the sockets and buckets of a namespace change when a socket is bound, listens, connects or goes.
 *
 * The rules ask a population; these functions keep one as the kernel keeps its own. Who has read the sockets from
 * a host and does not know their history calls berth_population_guess() instead.
 */
#ifndef BERTH_CORE_POPULATION_H
#define BERTH_CORE_POPULATION_H

#include "src/core/sock.h"

/* The bucket of a TCP port, or NULL where no socket has the port. */
struct berth_bucket *berth_population_bucket(const struct berth_population *sp, uint16_t port);

/*
 * A bind() that succeeded: adds sk, which has its port, and marks the bucket (inet_csk_update_fastreuse).
 * Returns its index, or -ENOSPC where an array is full.
 */
int berth_population_bind(struct berth_population *sp, const struct berth_sock *sk);

/* A connect() that chose the port: adds sk, connected, its bucket open to other connect(). As above. */
int berth_population_connect(struct berth_population *sp, const struct berth_sock *sk);

/* A connection that a listener of the same port accepted. As above. */
int berth_population_inherit(struct berth_population *sp, const struct berth_sock *sk);

/* Socket number at becomes a listener (inet_csk_listen_start: its bucket is marked again). */
void berth_population_listen(struct berth_population *sp, uint32_t at);

/*
 * Socket number at, bound to a port, gets another local address because it connects. Returns 0, or
 * -ENOSPC.
 */
int berth_population_move(struct berth_population *sp, uint32_t at, const struct berth_ip *local);

/*
 * Socket number at gives its port back; those behind it move down by one. Its bucket is looked at again:
 * where all that stay were chosen by connect(), connect() may use the port again (Linux 6.18).
 */
void berth_population_leave(struct berth_population *sp, uint32_t at);

/*
 * Builds the buckets from the sockets, as if none had ever left and each had been bound in the order of the
 * array with the options that it has now; the buckets of addresses are left out, so the population is there to be
 * judged, not to be changed. index (may be NULL) is filled and kept: sockets must then ascend by port.
 * Returns 0, or -ENOSPC.
 */
int berth_population_guess(struct berth_population *sp, struct berth_population_index *index);

#endif
