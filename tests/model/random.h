/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers of the model tests: one seed, printed, and set by BERTH_SEED. */
#ifndef BERTH_TESTS_MODEL_RANDOM_H
#define BERTH_TESTS_MODEL_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t random64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline uint32_t random_below(uint32_t n)
{
	return (uint32_t)(random64() % n);
}

/* Seeds from BERTH_SEED, else from the clock, and prints the seed. */
static inline void random_begin(const char *name)
{
	const char *given = getenv("BERTH_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	random_state = given ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	printf("%s: BERTH_SEED=%llu\n", name, (unsigned long long)random_state);
}

#endif
