/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A workload played against a way of choosing ports.
 *
 * Workload: hosts that have nothing to do with each other, each of which opens connections to its destinations
 * one after the other, at random or even intervals. A connection lasts a life time. Who closes it decides what
 * follows: the client keeps the socket pair in TIME_WAIT and sees it; the server keeps it, and the client does not
 * know; a reset leaves nothing. A choice that the server still holds is a collision (Allman 2009); a choice that
 * finds no port is refused.
 *
 * Why it is fast: hosts are played one after the other, so all that one choice touches stays in the processor's
 * cache. Ends of connections wait in a wheel of buckets about one mean interval wide: a port is given back up to
 * two intervals late.
 *
 * No clock, no entropy: the same load and seed give the same tally, in whatever parts the hosts are played.
 */
#ifndef BERTH_SIM_SIM_H
#define BERTH_SIM_SIM_H

#include <stddef.h>

#include "src/base/why.h"
#include "src/core/habits.h"

enum berth_sim_life { BERTH_LIFE_FIXED, BERTH_LIFE_EXPONENTIAL, BERTH_LIFE_PARETO };

struct berth_sim_load {
	enum berth_habit habit;
	struct berth_range range;
	struct berth_portset pool; /* of the range: without what is reserved */
	uint32_t hosts;
	uint64_t connections;  /* of all hosts */
	uint32_t destinations; /* of one host, 1 to 65,535 */
	double popularity; /* destination k has a share of 1 / k^popularity: 0 all alike, 1 Zipf */
	double rate_per_s; /* of one host */
	bool even;         /* at even intervals, else at random (Poisson) */
	enum berth_sim_life life;
	double life_s; /* mean */
	double close_client; /* share of the connections that the client closes, the server closes; else reset */
	double close_server;
	double time_wait_s;
	uint32_t counters; /* of double-hash, 1 to 65,536; 0: all */
	uint32_t rekey_s;  /* hash and double-hash have a new key so often; 0: never */
	uint64_t seed;
};

/* Distances between two uses of a pair: exact below 32, above in sixteenths of an octave. */
#define BERTH_SIM_REUSE_BINS 480u
/* What an off-path attacker has seen: nothing; the last port, at another destination; the last at this one. */
enum berth_sim_sight { BERTH_SIGHT_BLIND, BERTH_SIGHT_OTHER, BERTH_SIGHT_SAME, BERTH_SIGHT_COUNT };

/* What was counted. Sums only, so that parts can be added in any order. */
struct berth_sim_tally {
	uint64_t tried, refused;
	uint64_t missed; /* refused although a port was free */
	uint64_t collisions;
	uint64_t tries, tries_max; /* ports looked at */
	uint64_t held, held_max;   /* ports held when one is chosen, sum and most */
	uint64_t step, steps; /* distance on the ring to the destination's port before; how many */
	uint64_t reused;
	uint64_t reuse_min; /* 0: nothing was used twice */
	uint64_t reuse[BERTH_SIM_REUSE_BINS];
	/* Pairs that were used for the first time, by how many connections their destination had had before. */
	uint64_t fresh[BERTH_SIM_REUSE_BINS];
	uint64_t seen[BERTH_SIGHT_COUNT][2];
	/* How far the port lies from what the attacker saw, of even hosts and of odd ones: the ones teach, the others judge. */
	uint32_t guess[BERTH_SIGHT_COUNT][2][BERTH_PORTS];
};

struct berth_sim_result {
	double refused, missed, collisions; /* shares of what was tried */
	double tries;                       /* mean */
	double occupancy, occupancy_max;    /* of the pool, 0 to 1 */
	double cycle; /* connections to one destination in which the mean step goes round once */
	uint64_t reuse_min; /* connections to the destination between two uses of a pair; 0: none */
	uint64_t reuse_1,
		reuse_50; /* 1 and 50 % of all pairs are used again within that; 0: later than was played */
	/*
	 * Share of one half of the hosts' ports that one guess hits, made by what the other half shows; 1 / ports where
	 * the hits are no more than chance has; -1: too few were looked at.
	 */
	double guess[BERTH_SIGHT_COUNT];
};

/* Returns 0, or -EINVAL with the sentence in why: the load makes no sense, or is too large. */
int berth_sim_check(const struct berth_sim_load *load, struct berth_why *why);

/* Bytes of zeroed memory that one berth_sim_play() needs; only what is used is touched. */
size_t berth_sim_memory(const struct berth_sim_load *load);

/*
 * Plays the hosts first, first + step, ... of the load and adds what happens to *tally. memory has
 * berth_sim_memory() bytes, zeroed, aligned as malloc() does; it is used up.
 */
void berth_sim_play(const struct berth_sim_load *load, uint32_t first, uint32_t step, void *memory,
		    struct berth_sim_tally *tally);

/* Adds a part to the whole. */
void berth_sim_add(struct berth_sim_tally *whole, const struct berth_sim_tally *part);

/* Makes the figures out of the sums. */
void berth_sim_figures(const struct berth_sim_load *load, const struct berth_sim_tally *tally,
		       struct berth_sim_result *out);

/*
 * Share of the pairs that are used again within the largest distance of each bin, as a life table has it (Cutler and
 * Ederer 1958): a pair that is met for the first time was not used for at least as long as was played. Returns how
 * many bins are known.
 */
uint32_t berth_sim_reuse_share(const struct berth_sim_tally *tally,
			       double out_share[BERTH_SIM_REUSE_BINS]);

/* The bin of a distance, and the largest distance of a bin. */
uint32_t berth_sim_reuse_bin(uint64_t distance);
uint64_t berth_sim_reuse_top(uint32_t bin);

#endif
