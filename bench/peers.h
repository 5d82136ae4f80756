/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What other allocators of ports do, written anew from the description of their algorithms: the loops of RFC 6056
 * algorithms 1 and 2, lwIP's walk over its sockets, gVisor's maps under a mutex, HAProxy's ring, mTCP's queue.
 *
 * Each has a range of BENCH_PORTS from BENCH_FIRST on and knows one destination.
 */
#ifndef BERTH_BENCH_PEERS_H
#define BERTH_BENCH_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_FIRST 32768u
#define BENCH_PORTS 28232u

struct peer {
	const char *name, *like, *text;
	/* Makes it new with these ports taken. */
	void (*fill)(const bool *taken);
	/* A port, or -1. */
	int32_t (*take)(uint64_t rnd);
	void (*drop)(uint32_t port);
	bool slow; /* measured in few rounds */
};

extern const struct peer peers[];
extern const uint32_t peer_count;

#endif
