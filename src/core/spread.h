/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spreads packets over the members of a group by hash, so that only the packets of a member that leaves move.
 *
 * A table of slots, a power of two and sixteen or more for each member, has the owner of each part of the hash's
 * range. Who leaves gives its slots to those with the fewest; who joins takes slots from those with the most, until
 * it has its share. So the shares of two members differ by one slot at most, and a change moves no more
 * than the share that it must. The table doubles when members grow, which moves nothing.
 *
 * Readers load one word. Workload: few joins, a few to a thousand members, a look-up for each new connection.
 */
#ifndef BERTH_CORE_SPREAD_H
#define BERTH_CORE_SPREAD_H

#include "bits.h"
#include "include/berth/demux.h"

#define BERTH_SPREAD_FIRST_BITS 6
#define BERTH_SPREAD_MOST_BITS 20
#define BERTH_SPREAD_SHARE 16u /* slots for each member at least */

struct berth_spread {
	uint8_t head[BERTH_DEMUX_RETIRED_HEAD];
	size_t size;
	uint32_t bits;    /* 1 << bits slots */
	uint32_t members; /* writer; so also owner, share and member */
	uint64_t *slot;   /* the owner of each slot */
	uint64_t *owner;  /* the owner of each member */
	uint32_t *share;  /* how many slots each member has */
	uint32_t *member; /* which member each slot belongs to */
};

/* The owner for a hash. The spread has a member. Reader. */
BERTH_INLINE uint64_t berth_spread_pick(const struct berth_spread *s, uint32_t hash)
{
	return __atomic_load_n(&s->slot[hash >> (32 - s->bits)], __ATOMIC_ACQUIRE);
}

/* A spread with one member; NULL where there is no memory. */
struct berth_spread *berth_spread_new(const struct berth_demux_memory *m, uint64_t owner);

/*
 * A copy of twice the slots that gives every hash the owner that it had. NULL where there is no memory, or no
 * greater table (65,536 members). The old one is still the caller's.
 */
struct berth_spread *berth_spread_double(const struct berth_demux_memory *m,
					 const struct berth_spread *old);

/* True where one more member needs a greater table. Writer. */
bool berth_spread_is_full(const struct berth_spread *s);

/* Adds a member; the spread is not full. Writer, beside readers. */
void berth_spread_join(struct berth_spread *s, uint64_t owner);

/*
 * Removes the newest member with that owner; false where there is none. The last one leaves its slots as they are:
 * the spread is then the caller's to retire. Writer, beside readers.
 */
bool berth_spread_leave(struct berth_spread *s, uint64_t owner);

#endif
