/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tracking attack of Kol, Klein and Gilad (USENIX Security 2023), as a game.
 *
 * A table of counters under a hash gives some destinations one counter. Which ones is decided by a key that a
 * device keeps until it is started again, so the set of such pairs names the device, on whatever network. The
 * attacker has a device connect to destinations of his and sees the source ports. He first connects to each
 * destination twice: one whose port moved further than a step shares its counter. Among the first 64 of those he takes
 * two at a time and connects to the first, the second, the first: a port that moved two steps betrays the pair.
 *
 * Simplified against the paper: destinations and fingerprint are the same ones (the paper reaches those of the
 * loopback, which no network changes, by way of those that he can see), and ports are seen without loss.
 */
#ifndef BERTH_SIM_TRACK_H
#define BERTH_SIM_TRACK_H

#include "src/sim/sim.h"

struct berth_sim_track {
	double known_again; /* share of the devices whose second visit is most like their first; ties are shared */
	double chance;      /* what guessing would reach: 1 / devices */
	double pairs;       /* mean size of a fingerprint */
	double kept;        /* share of the pairs of a first visit that the second finds again */
	double connections; /* mean, of one visit */
};

/* Bytes of memory that berth_sim_track() needs. */
size_t berth_sim_track_memory(const struct berth_sim_load *load);

/*
 * Visits load->hosts devices twice, an hour apart, with load->destinations destinations (2 to 512) each;
 * load->rate_per_s is what the device itself connects to meanwhile, destinations of its own. A visit makes 1,000
 * connections a second. Returns 0, or -EINVAL with the sentence in why.
 */
int berth_sim_track(const struct berth_sim_load *load, void *memory, struct berth_sim_track *out,
		    struct berth_why *why);

#endif
