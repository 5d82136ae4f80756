/* SPDX-License-Identifier: BSD-2-Clause */
/* Repeatable random numbers of the simulator: splitmix64 (Steele, Lea, Flood 2014). Not for keys. */
#ifndef BERTH_SIM_RANDOM_H
#define BERTH_SIM_RANDOM_H

#include <math.h>
#include <stdint.h>

struct berth_random {
	uint64_t state;
};

static inline uint64_t berth_random64(struct berth_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* A stream of its own for each number of a seed: one for each host. */
static inline struct berth_random berth_random_stream(uint64_t seed, uint64_t number)
{
	struct berth_random r = { seed + number * 0xd1342543de82ef95ULL };

	r.state = berth_random64(&r);
	return r;
}

/* Above 0, below 1. */
static inline double berth_random_unit(struct berth_random *r)
{
	return ((double)(berth_random64(r) >> 11) + 0.5) * 0x1p-53;
}

/* Exponential with mean 1. */
static inline double berth_random_exponential(struct berth_random *r)
{
	return -log(berth_random_unit(r));
}

/* The form that struct berth_habit_ask wants. */
static inline uint32_t berth_random_draw(void *from)
{
	return (uint32_t)(berth_random64(from) >> 32);
}

#endif
