/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hash table of socket pairs of IPv4 that readers walk beside one writer, without a lock and without waiting.
 *
 * Workload: a million pairs, tens of millions of look-ups a second, thousands of changes. A line of memory costs
 * some 170 ns, all arithmetic of a look-up 8: so a pair stands whole in a cell, and not behind a number or pointer. A
 * bucket is two neighbouring lines, which come at little more than the price of one, with five cells and a word that
 * has a tag for each, seven bits of the pair's hash: it names the cell to be read. A pair whose bucket is full goes to
 * the next one. A bucket says whether pairs went past it; a look-up ends at the first that none went past. At most 52 of
 * 100 cells are taken; once it has grown, at least 41. So two of a hundred pairs are not in their own bucket.
 *
 * A look-up that does not end where the processor guessed is paid for with all that was begun behind it, and it has
 * as many under way as fit into its window of instructions, fewer of those that wait for memory: so the way of a
 * pair that is in its bucket has no branch that can be guessed wrong, and few instructions behind the load.
 *
 * Invariants:
 *  - A cell's stamp is odd while it is free and goes up when it is taken and when it is given back. While it is even
 *    nothing in the cell changes. Who reads an even stamp before and the same after has read one whole pair.
 *  - A pair's tag is there from before the pair has to be found until its cell is free. A tag is a hint of a cell to
 *    be read: one that is there too long, or by chance, costs time.
 *  - A reader who meets a stamp that changed starts again: it repeats because the writer went on, never because
 *    the writer stands still.
 *  - A value changes by a second cell for the same pair: that is filled, the number of changes goes up, the first
 *    one is freed. A reader that finds nothing looks again where the number of changes is another one.
 *  - Growing makes a new view and retires the old one.
 *
 * Limits: stamps have 23 bits. A reader that stands still within one look-up while its cell is taken and freed
 * 4,194,304 times, or a multiple of it, to the time, would not see it. A cell has no room for an interface: a
 * pair's device is 0 or BERTH_PAIR_MANY.
 */
#ifndef BERTH_CORE_CELLS_H
#define BERTH_CORE_CELLS_H

#include "pair.h"

#define BERTH_CELLS_BUCKET 5u

/* A stamp: ports << 32 | BERTH_CELLS_MANY | number of the state << 8 | protocol; odd number: free. */
#define BERTH_CELLS_FREE (1ull << 8)
#define BERTH_CELLS_MANY (1ull << 31) /* the value's device is BERTH_PAIR_MANY */
#define BERTH_CELLS_STATE 0x7fffff00ull

struct berth_cell {
	uint64_t stamp;
	uint64_t address; /* remote << 32 | local */
	uint64_t owner;
};

/* hints: a byte for each cell, that of the first lowest, with seven bits of its pair's hash, or 0 where it is free. */
#define BERTH_CELLS_HIGH 0x8080808080ull /* the highest bits of these bytes */
#define BERTH_CELLS_EACH 0x0101010101ull /* the lowest */
#define BERTH_CELLS_OVER (1ull << 63)    /* pairs went past this bucket */

struct berth_bucket {
	uint64_t hints;
	struct berth_cell cell[BERTH_CELLS_BUCKET];
} __attribute__((aligned(128)));

/* What a reader walks. */
struct berth_cells_view {
	uint8_t head[BERTH_DEMUX_RETIRED_HEAD];
	uint32_t buckets;
	uint8_t *past; /* writer: how many pairs went past the bucket; 255 is "255 or more" */
	size_t size;
	struct berth_bucket bucket[];
};

struct berth_cells {
	struct berth_cells_view *view; /* NULL: nothing was ever added */
	uint32_t changes;
	/* The writer's, in a line of their own. */
	uint32_t count __attribute__((aligned(64)));
	const uint64_t *place_key; /* what pairs are hashed with, when the table grows */
};

BERTH_INLINE uint64_t berth_cells_load_(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The tag of a pair with this hash. */
BERTH_INLINE uint32_t berth_cells_tag(uint32_t hash)
{
	return hash & 0x7f;
}

/* What a cell's stamp and address are for this key. */
BERTH_INLINE uint64_t berth_cells_state(const struct berth_pair_key *key)
{
	return (uint64_t)key->ports << 32 | key->protocol;
}

BERTH_INLINE uint64_t berth_cells_address(const struct berth_pair_key *key)
{
	return (uint64_t)key->address[1] << 32 | key->address[0];
}

/*
 * The cells of a bucket with this tag: bit 7 for the first, 15, 23, 31 and 39 for the others. A byte with two tags that
 * differ is 1 to 127, and so less than the 128 that it is taken from.
 */
BERTH_INLINE uint64_t berth_cells_tagged(const struct berth_bucket *b, uint32_t tag)
{
	uint64_t other = berth_cells_load_(&b->hints) ^ tag * BERTH_CELLS_EACH;

	return (BERTH_CELLS_HIGH - other) & BERTH_CELLS_HIGH;
}

/* The cell that the lowest bit of a mask of berth_cells_tagged() means: eight bits for each, and seven. */
BERTH_INLINE const struct berth_cell *berth_cells_named(const struct berth_bucket *b,
							uint64_t tagged)
{
	size_t bit = (size_t)berth_ctz64(tagged);

	return (const struct berth_cell *)((const char *)b->cell +
					   (bit - 7) * (sizeof(struct berth_cell) / 8));
}

/* True where pairs went past the bucket. */
BERTH_INLINE bool berth_cells_over(const struct berth_bucket *b)
{
	return berth_cells_load_(&b->hints) & BERTH_CELLS_OVER;
}

/* Reads a cell: what its address and state are, in two words. */
BERTH_INLINE enum berth_pair_read berth_cells_read(const struct berth_cell *c, uint64_t state,
						   uint64_t address,
						   struct berth_pair_value *out_value)
{
	uint64_t stamp = berth_cells_load_(&c->stamp), owner;
	uint64_t other = berth_cells_load_(&c->address) ^ address;

	owner = berth_cells_load_(&c->owner);
	other |= (stamp ^ state) & ~((BERTH_CELLS_STATE | BERTH_CELLS_MANY) & ~BERTH_CELLS_FREE);
	if (other)
		return BERTH_PAIR_OTHER;
	if (berth_cells_load_(&c->stamp) != stamp)
		return BERTH_PAIR_CHANGED;
	out_value->device = stamp & BERTH_CELLS_MANY ? BERTH_PAIR_MANY : 0;
	out_value->owner = owner;
	return BERTH_PAIR_SAME;
}

/*
 * The short way: true where the first cell that the tags name has the pair, and an owner of its own, as for 97 of a
 * hundred that are there. False says nothing. Reader.
 */
BERTH_INLINE bool berth_cells_hit(const struct berth_bucket *b, uint32_t tag, uint64_t state,
				  uint64_t address, uint64_t *out_owner)
{
	uint64_t tagged = berth_cells_tagged(b, tag), stamp, other, owner;
	const struct berth_cell *c;

	if (__builtin_expect(!tagged, 0))
		return false;
	c = berth_cells_named(b, tagged);
	stamp = berth_cells_load_(&c->stamp);
	other = berth_cells_load_(&c->address) ^ address;
	owner = berth_cells_load_(&c->owner);
	other |= (stamp ^ state) & ~(BERTH_CELLS_STATE & ~BERTH_CELLS_FREE);
	if (__builtin_expect(other != 0, 0) ||
	    __builtin_expect(berth_cells_load_(&c->stamp) != stamp, 0))
		return false;
	*out_owner = owner;
	return true;
}

/* Looks in one bucket. */
BERTH_INLINE enum berth_pair_read berth_cells_in_bucket(const struct berth_bucket *b, uint32_t hash,
							uint64_t state, uint64_t address,
							struct berth_pair_value *out_value)
{
	uint64_t tagged = berth_cells_tagged(b, berth_cells_tag(hash));

	for (; tagged; tagged &= tagged - 1) {
		enum berth_pair_read found =
			berth_cells_read(berth_cells_named(b, tagged), state, address, out_value);

		if (found != BERTH_PAIR_OTHER)
			return found;
	}
	return BERTH_PAIR_OTHER;
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
		const struct berth_bucket *b = &v->bucket[bucket];
		enum berth_pair_read found =
			berth_cells_in_bucket(b, hash, state, address, out_value);

		if (found == BERTH_PAIR_SAME)
			return true;
		if (found == BERTH_PAIR_CHANGED)
			goto again;
		if (!berth_cells_over(b))
			break;
		bucket = bucket + 1 == v->buckets ? 0 : bucket + 1;
	}
	if (__atomic_load_n(&t->changes, __ATOMIC_ACQUIRE) != changes)
		goto again;
	return false;
}

/* Room for count pairs in all. 0 or -ENOMEM, -EOVERFLOW. Writer. */
int berth_cells_reserve(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t count);

/* Adds a pair that is not there; value.device is 0 or BERTH_PAIR_MANY, here and below. 0 or -ENOMEM, -EOVERFLOW. Writer. */
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
