/* SPDX-License-Identifier: BSD-2-Clause */
/* The arithmetic of headroom: what is left of a lane, how bad that is, and when it ends. */
#ifndef BERTH_CORE_HEADROOM_H
#define BERTH_CORE_HEADROOM_H

#include <stdint.h>

#include "portset.h"

/* A lane, or the ports of a whole namespace. */
struct berth_headroom {
	uint32_t capacity;  /* ports that can be chosen at all */
	uint32_t used;      /* of these: not to be had now */
	uint32_t time_wait; /* sockets in TIME_WAIT, in used or reusable */
	uint32_t reusable;  /* of these: a new connection may take their port */
	uint32_t slow_at;   /* from so many used on each choice is a long search; 0: never */
};

/* Ports that are left. */
uint32_t berth_headroom_free(const struct berth_headroom *h);

/* What part is used, in thousandths, rounded down: 1000 only where nothing is left. */
uint32_t berth_headroom_permille(const struct berth_headroom *h);

/* True from where on the kernel has to search long for each port. */
bool berth_headroom_is_slow(const struct berth_headroom *h);

/* The larger part used first, then the fewer left: < 0 where a is worse than b, 0 where they are alike. */
int berth_headroom_compare(const struct berth_headroom *a, const struct berth_headroom *b);

/*
 * How many of the ports must be used before the kernel's search is long. connect() tries the ports that are as even or
 * odd as the low end of the range first, from a random start; while one of these is free it is near. Afterwards each
 * call walks over all of them in vain before it tries the others (__inet_hash_connect() in the kernel's
 * net/ipv4/inet_hashtables.c).
 */
uint32_t berth_headroom_slow_at(const struct berth_portset *usable, uint16_t low);

/* Ports that were taken a second, net; below 0 where more were given back. 0 where no time went by. */
double berth_headroom_rate(uint32_t used_before, uint32_t used_now, double seconds);

/* Seconds until nothing is left at a rate: 0 where nothing is, -1: never. */
double berth_headroom_eta_s(const struct berth_headroom *h, double rate);

#endif
