/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How the next port is chosen out of a pool: RFC 6056 section 3.3, and what goes beyond it.
 *
 * A pool is a set with holes, so "min + x % num" of the RFC is read as "member number x % num of the
 * pool", and "port + 1" as "the next member"; where the pool is one range the two are the same. Scanning
 * policies give the port that the RFC's loop would give, in a fixed number of steps.
 *
 * Random numbers, hashes and counters are arguments: nothing here holds a key or a state.
 */
#ifndef BERTH_CORE_POLICY_H
#define BERTH_CORE_POLICY_H

#include "portset.h"

/* One row a policy: enumerator, name, what it does in one line (help, man page and docs use it). */
#define BERTH_POLICIES(X)                                                                          \
	X(UNIFORM, "uniform", "every free port equally likely")                                    \
	X(SEQUENTIAL, "sequential", "the port after the last one, from one counter")               \
	X(RANDOM, "random", "a random port, then the next free one (RFC 6056 algorithm 1)")        \
	X(HASH, "hash", "one counter, an offset for each destination (RFC 6056 algorithm 3)")      \
	X(DOUBLE_HASH, "double-hash",                                                              \
	  "a table of counters, an offset each (RFC 6056 algorithm 4)")                            \
	X(RANDOM_INCREMENT, "random-increment",                                                    \
	  "one counter, random steps of 1 to 500, then the next free one "                         \
	  "(RFC 6056 algorithm 5, which takes another step)")                                      \
	X(LONGEST_IDLE, "longest-idle", "never used first, then the one released longest ago")

#define BERTH_POLICY_ENUM(id, name, text) BERTH_POLICY_##id,
enum berth_policy { BERTH_POLICIES(BERTH_POLICY_ENUM) BERTH_POLICY_COUNT };
#undef BERTH_POLICY_ENUM

#define BERTH_RANDOM_INCREMENT_N 500u /* RFC 6056 section 3.3.5: the trade-off N */

/* A number in 0..n-1 out of 32 random bits; the bias is below n / 2^32. */
BERTH_INLINE uint32_t berth_below(uint32_t rnd, uint32_t n)
{
	return (uint32_t)(((uint64_t)rnd * n) >> 32);
}

/* True where the policy searches upwards from a start; false where it needs no start. */
BERTH_INLINE bool berth_policy_scans(enum berth_policy policy)
{
	return policy != BERTH_POLICY_UNIFORM && policy != BERTH_POLICY_LONGEST_IDLE;
}

/* True where the policy advances a counter. */
BERTH_INLINE bool berth_policy_counts(enum berth_policy policy)
{
	return berth_policy_scans(policy) && policy != BERTH_POLICY_RANDOM;
}

/* By how much one choice advances the counter before it is read (random-increment) or after it (others). */
BERTH_INLINE uint32_t berth_policy_step(enum berth_policy policy, uint32_t rnd)
{
	return policy == BERTH_POLICY_RANDOM_INCREMENT
		       ? berth_below(rnd, BERTH_RANDOM_INCREMENT_N) + 1
		       : 1;
}

/*
 * The index into the pool of num (> 0) ports at which the search starts.
 * counter: the counter's value as the RFC's loop reads it (random-increment: after the step);
 * offset: F(source, destination, key) for hash and double-hash, else 0; rnd: 32 fresh random bits.
 */
BERTH_INLINE uint32_t berth_policy_start(enum berth_policy policy, uint32_t num, uint32_t counter,
					 uint32_t offset, uint32_t rnd)
{
	if (policy == BERTH_POLICY_RANDOM)
		return berth_below(rnd, num);
	return (uint32_t)(((uint64_t)counter + offset) % num);
}

/*
 * The port to try: out of the free ports, which are a part of the pool. start is what
 * berth_policy_start() gave, below pool->count. -1 where nothing is free.
 */
BERTH_INLINE int32_t berth_policy_pick(enum berth_policy policy, const struct berth_portset *pool,
				       const struct berth_portset *free, uint32_t start,
				       uint32_t rnd)
{
	int32_t from;

	if (!free->count)
		return -1;
	if (!berth_policy_scans(policy))
		return berth_portset_kth(free, berth_below(rnd, free->count));
	from = berth_portset_kth(pool, start);
	return from < 0 ? from : berth_portset_next_wrap(free, (uint32_t)from);
}

/*
 * How many members of the pool a search that began at start passed over before it came to port, a member.
 * Added to the counter after berth_policy_step(), it leaves the value that the RFC's loop leaves
 * (algorithms 3 and 4, sequential). A loop that found nothing has passed over pool->count - 1.
 * random-increment: the RFC's loop takes another random step for each port in use; here the next free
 * member is taken, so port and counter are the RFC's where the first try is free, and only there.
 */
BERTH_INLINE uint32_t berth_policy_passed(const struct berth_portset *pool, uint32_t start,
					  uint32_t port)
{
	uint32_t rank = berth_portset_rank(pool, port);

	return rank >= start ? rank - start : rank + pool->count - start;
}

#endif
