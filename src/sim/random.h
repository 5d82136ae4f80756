/* SPDX-License-Identifier: BSD-2-Clause */
/* Repeatable random numbers of the simulator: splitmix64 (Steele, Lea, Flood 2014). Not for keys. */
#ifndef BERTH_SIM_RANDOM_H
#define BERTH_SIM_RANDOM_H

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

/*
 * Exponential with mean 1: -ln(f * 2^-k), where k counts the zeros before the first bit set and f, from 1 to 2, is
 * what follows; ln f by the series of artanh, up to the ninth power: off by 1e-6 at most. Without libm, so that
 * a seed gives the same numbers with any.
 */
static inline double berth_random_exponential(struct berth_random *r)
{
	uint64_t x = berth_random64(r) | 1;
	unsigned k = (unsigned)__builtin_clzll(x);
	double f = (double)(x << k >> 11) * 0x1p-52, s = (f - 1) / (f + 1), q = s * s;
	double ln = 2 * s * (1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q / 9))));

	return (k + 1) * 0.69314718055994530942 - ln;
}

/* The form that struct berth_habit_ask wants. */
static inline uint32_t berth_random_draw(void *from)
{
	return (uint32_t)(berth_random64(from) >> 32);
}

#endif
