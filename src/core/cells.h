/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hash table of socket pairs of IPv4 that readers walk beside one writer, without a lock and without waiting.
 *
 * Workload: a million pairs, tens of millions of look-ups a second, thousands of changes. A line of memory costs
 * some 150 ns, all arithmetic of a look-up 20: so a pair stands whole in a cell of half a line, and not behind a
 * number or pointer. A bucket is two neighbouring lines, which come at little more than the price of one, with four
 * cells. A pair whose bucket is full goes to the next one. A bucket says whether pairs went past it; a look-up
 * ends at the first that none went past. At most seven of ten cells are taken; once it has grown, at least 5.6.
 *
 * Invariants:
 *  - A cell's stamp is odd while it is free and goes up when it is taken and when it is given back. While it is even
 *    nothing in the cell changes, but for the mark of those that went past. Who reads an even stamp before and the
 *    same after has read one whole pair.
 *  - A reader who meets a stamp that changed starts again: it repeats because the writer went on, never because
 *    the writer stands still.
 *  - A value changes by a second cell for the same pair: that is filled, the number of changes goes up, the first
 *    one is freed. A reader that finds nothing looks again where the number of changes is another one.
 *  - Growing makes a new view and retires the old one.
 *
 * Limit: stamps have 24 bits. A reader that stands still within one look-up while its cell is taken and freed
 * 8,388,608 times, or a multiple of it, to the time, would not see it.
 */
#ifndef BERTH_CORE_CELLS_H
#define BERTH_CORE_CELLS_H

#include "pair.h"

/* Words of a cell. */
#define BERTH_CELLS_STAMP                                                                          \
	0 /* ports << 32 | number of the state << 8 | protocol; odd number: free */
#define BERTH_CELLS_ADDRESS 1 /* remote << 32 | local */
#define BERTH_CELLS_DEVICE                                                                         \
	2 /* hash << 32 | device; in a bucket's first cell also BERTH_CELLS_OVER */
#define BERTH_CELLS_OWNER 3

#define BERTH_CELLS_BUCKET 4u
#define BERTH_CELLS_FREE (1ull << 8)
#define BERTH_CELLS_STATE 0xffffff00ull
#define BERTH_CELLS_OVER (1ull << 31) /* pairs went past this bucket */

struct berth_cell {
	uint64_t word[4];
};

/* What a reader walks. */
struct berth_cells_view {
	uint8_t head[BERTH_DEMUX_RETIRED_HEAD];
	uint32_t buckets;
	struct berth_cell *cell;
	uint8_t *past; /* writer: how many pairs went past the bucket; 255 is "255 or more" */
	size_t size;
} __attribute__((aligned(128)));

struct berth_cells {
	struct berth_cells_view *view; /* NULL: nothing was ever added */
	uint32_t changes;
	/* The writer's, in a line of their own. */
	uint32_t count __attribute__((aligned(64)));
};

BERTH_INLINE uint64_t berth_cells_load_(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The first cell of the bucket. */
BERTH_INLINE struct berth_cell *berth_cells_bucket(const struct berth_cells_view *v,
						   uint32_t bucket)
{
	return v->cell + (size_t)bucket * BERTH_CELLS_BUCKET;
}

/* True where the cell has this pair; what its address and state are, in two words. */
BERTH_INLINE bool berth_cells_match(const struct berth_cell *c, uint64_t state, uint64_t address)
{
	uint64_t other = (berth_cells_load_(&c->word[BERTH_CELLS_STAMP]) ^ state) &
			 ~(BERTH_CELLS_STATE & ~BERTH_CELLS_FREE);

	return !(other | (berth_cells_load_(&c->word[BERTH_CELLS_ADDRESS]) ^ address));
}

/* Reads a cell that matched. */
BERTH_INLINE enum berth_pair_read berth_cells_read(const struct berth_cell *c, uint64_t state,
						   uint64_t address,
						   struct berth_pair_value *out_value)
{
	uint64_t stamp = berth_cells_load_(&c->word[BERTH_CELLS_STAMP]), device, owner;
	bool match = berth_cells_match(c, state, address);

	device = berth_cells_load_(&c->word[BERTH_CELLS_DEVICE]);
	owner = berth_cells_load_(&c->word[BERTH_CELLS_OWNER]);
	if (!match || berth_cells_load_(&c->word[BERTH_CELLS_STAMP]) != stamp)
		return BERTH_PAIR_CHANGED;
	out_value->device = (uint32_t)device & ~(uint32_t)BERTH_CELLS_OVER;
	out_value->owner = owner;
	return BERTH_PAIR_SAME;
}

BERTH_INLINE uint64_t berth_cells_state(const struct berth_pair_key *key)
{
	return (uint64_t)key->ports << 32 | key->protocol;
}

BERTH_INLINE uint64_t berth_cells_address(const struct berth_pair_key *key)
{
	return (uint64_t)key->address[1] << 32 | key->address[0];
}

/* Looks in one bucket. */
BERTH_INLINE enum berth_pair_read berth_cells_in_bucket(const struct berth_cell *c, uint64_t state,
							uint64_t address,
							struct berth_pair_value *out_value)
{
	uint32_t mask = 0, i;

	/* Which cell it is cannot be predicted: it selects an address, not a branch. */
#pragma GCC unroll 4
	for (i = 0; i < BERTH_CELLS_BUCKET; i++)
		mask |= (uint32_t)berth_cells_match(&c[i], state, address) << i;
	if (!mask)
		return BERTH_PAIR_OTHER;
	return berth_cells_read(&c[berth_ctz64(mask)], state, address, out_value);
}

/* Finds a pair by its hash and key. Reader. */
BERTH_INLINE bool berth_cells_find(const struct berth_cells *t, uint32_t hash,
				   const struct berth_pair_key *key,
				   struct berth_pair_value *out_value)
{
	uint64_t state = berth_cells_state(key), address = berth_cells_address(key);
	const struct berth_cells_view *v;
	uint32_t bucket, left, changes;

again:
	changes = __atomic_load_n(&t->changes, __ATOMIC_ACQUIRE);
	v = __atomic_load_n(&t->view, __ATOMIC_ACQUIRE);
	if (!v)
		return false;
	bucket = berth_pair_home(hash, v->buckets);
	for (left = v->buckets; left; left--) {
		const struct berth_cell *c = berth_cells_bucket(v, bucket);
		enum berth_pair_read found = berth_cells_in_bucket(c, state, address, out_value);

		if (found == BERTH_PAIR_SAME)
			return true;
		if (found == BERTH_PAIR_CHANGED)
			goto again;
		if (!(berth_cells_load_(&c->word[BERTH_CELLS_DEVICE]) & BERTH_CELLS_OVER))
			break;
		bucket = bucket + 1 == v->buckets ? 0 : bucket + 1;
	}
	if (__atomic_load_n(&t->changes, __ATOMIC_ACQUIRE) != changes)
		goto again;
	return false;
}

/* Room for count pairs in all. 0 or -ENOMEM, -EOVERFLOW. Writer. */
int berth_cells_reserve(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t count);

/* Adds a pair that is not there. 0 or -ENOMEM, -EOVERFLOW. Writer. */
int berth_cells_add(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t hash,
		    const struct berth_pair_key *key, struct berth_pair_value value);

/* Gives another value to a pair that is there: readers see the old one or the new. 0 or -ENOMEM. Writer. */
int berth_cells_change(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t hash,
		       const struct berth_pair_key *key, struct berth_pair_value value);

/* Removes a pair that is there. Writer. */
void berth_cells_remove(struct berth_cells *t, uint32_t hash, const struct berth_pair_key *key);

/* Calls visit for the value of each pair. Writer. */
void berth_cells_each(const struct berth_cells *t,
		      void (*visit)(void *context, struct berth_pair_value value), void *context);

/* How much memory the table has. Writer. */
uint64_t berth_cells_bytes(const struct berth_cells *t);

/* Gives all memory back at once. Writer, with no reader left. */
void berth_cells_fini(struct berth_cells *t, const struct berth_demux_memory *m);

#endif
