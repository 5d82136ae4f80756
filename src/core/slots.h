/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hash table of socket pairs that readers walk beside one writer, without a lock and without waiting.
 *
 * Workload: a million pairs, tens of millions of look-ups a second, thousands of changes. A look-up is bound by
 * memory, not by arithmetic: it touches the line of one bucket and the one or two of an entry.
 *
 * A bucket is a line of eight slots; a slot is 32 bits of hash and the number of an entry. A pair whose bucket is
 * full goes to the next one, and the bucket's first slot says so; a look-up ends at the first bucket that
 * nothing went past. Full to 7/8 at most, 7/10 at least once it has grown: at most 12 bytes for each pair.
 *
 * Invariants:
 *  - An entry that a slot names is never written. A change makes a new entry and swaps the slot's word.
 *  - An entry's stamp is odd while no slot names it, and goes up when it is taken and when it is given back. Who
 *    reads an even stamp before and the same after has read one whole entry. Entries stay entries: their memory
 *    is given back with the table only.
 *  - The slot is emptied before its entry's stamp changes. So a reader who meets another stamp starts again and
 *    finds that slot changed: it repeats because the writer went on, never because the writer stands still.
 *  - A change makes the number of changes go up before the old entry is given back. A reader may follow a slot to
 *    an entry that has become another pair's since; so one that finds nothing looks again where the number of
 *    changes is another one.
 *  - A pair never moves within a view. Growing makes a new view and retires the old one.
 *
 * Limit: stamps have 24 bits. A reader that stands still within one look-up while its entry is reused 8,388,608
 * times, or a multiple of it, to the entry, would not see it; entries are reused oldest first.
 */
#ifndef BERTH_CORE_SLOTS_H
#define BERTH_CORE_SLOTS_H

#include "pair.h"

#define BERTH_SLOTS_BUCKET 8u
#define BERTH_SLOTS_OVER (1ull << 31)   /* in a bucket's first slot: pairs went past this bucket */
#define BERTH_SLOTS_INDEX 0x7fffffffull /* number of the entry, from 1; 0: the slot is empty */
#define BERTH_SLOTS_CHUNK_BITS 9
#define BERTH_SLOTS_CHUNK (1u << BERTH_SLOTS_CHUNK_BITS)

/* Places of the 32-bit words of an entry. */
#define BERTH_SLOTS_STAMP 0 /* number of the state << 8 | protocol; odd number: free */
#define BERTH_SLOTS_DEVICE 1
#define BERTH_SLOTS_PORTS 2
#define BERTH_SLOTS_LOCAL 3
#define BERTH_SLOTS_OWNER 11 /* low word, high word */
#define BERTH_SLOTS_WORDS 13u
#define BERTH_SLOTS_FREE (1u << 8)

/* What a reader walks. Never changed but in its slots and by filling in chunks. */
struct berth_slots_view {
	uint8_t head[BERTH_DEMUX_RETIRED_HEAD];
	uint32_t buckets, chunks;
	uint64_t *slot;
	uint32_t **chunk;
	uint8_t *past; /* writer: how many pairs went past the bucket; 255 is "255 or more" */
	size_t size;
} __attribute__((aligned(64)));

struct berth_slots {
	struct berth_slots_view *view; /* NULL: nothing was ever added */
	uint32_t changes;
	/* The writer's, in a line of their own. */
	uint32_t count __attribute__((aligned(64)));
	uint32_t fresh;                 /* entries that were never used begin here */
	uint32_t free_first, free_last; /* entries to be reused, as number + 1; 0 is none */
	uint64_t bytes;
};

BERTH_INLINE uint32_t berth_slots_load_(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The words of entry number index, counted from 0. */
BERTH_INLINE uint32_t *berth_slots_entry(const struct berth_slots_view *v, uint32_t index)
{
	uint32_t *chunk =
		__atomic_load_n(&v->chunk[index >> BERTH_SLOTS_CHUNK_BITS], __ATOMIC_RELAXED);

	return chunk + (size_t)(index & (BERTH_SLOTS_CHUNK - 1)) * BERTH_SLOTS_WORDS;
}

/* The first slot of the bucket. */
BERTH_INLINE uint64_t *berth_slots_bucket(const struct berth_slots_view *v, uint32_t bucket)
{
	return v->slot + (size_t)bucket * BERTH_SLOTS_BUCKET;
}

/* One bit for each slot of the bucket that has this hash. */
BERTH_INLINE uint32_t berth_slots_match(const uint64_t *slot, uint32_t hash)
{
	uint32_t i, mask = 0;

#pragma GCC unroll 8
	for (i = 0; i < BERTH_SLOTS_BUCKET; i++)
		mask |= (uint32_t)(__atomic_load_n(&slot[i], __ATOMIC_RELAXED) >> 32 == hash) << i;
	return mask;
}

/* Reads an entry: another pair, this pair with *out_value set, or one that changed meanwhile. */
BERTH_INLINE enum berth_pair_read berth_slots_read(const uint32_t *entry,
						   const struct berth_pair_key *key,
						   struct berth_pair_value *out_value)
{
	uint32_t stamp = berth_slots_load_(&entry[BERTH_SLOTS_STAMP]), other, i;
	struct berth_pair_value value;

	other = (stamp & 0xff) ^ key->protocol;
	other |= berth_slots_load_(&entry[BERTH_SLOTS_PORTS]) ^ key->ports;
	for (i = 0; i < 8; i++)
		other |= berth_slots_load_(&entry[BERTH_SLOTS_LOCAL + i]) ^ key->address[i];
	value.device = berth_slots_load_(&entry[BERTH_SLOTS_DEVICE]);
	value.owner = berth_slots_load_(&entry[BERTH_SLOTS_OWNER]);
	value.owner |= (uint64_t)berth_slots_load_(&entry[BERTH_SLOTS_OWNER + 1]) << 32;
	if ((stamp & BERTH_SLOTS_FREE) || berth_slots_load_(&entry[BERTH_SLOTS_STAMP]) != stamp)
		return BERTH_PAIR_CHANGED;
	if (other)
		return BERTH_PAIR_OTHER;
	*out_value = value;
	return BERTH_PAIR_SAME;
}

/*
 * Looks in one bucket. BERTH_PAIR_OTHER: not here.
 */
BERTH_INLINE enum berth_pair_read berth_slots_in_bucket_(const struct berth_slots_view *v,
							 const uint64_t *slot, uint32_t hash,
							 const struct berth_pair_key *key,
							 struct berth_pair_value *out_value)
{
	uint32_t mask = berth_slots_match(slot, hash);

	for (; mask; mask &= mask - 1) {
		uint64_t word = __atomic_load_n(&slot[berth_ctz64(mask)], __ATOMIC_ACQUIRE);
		enum berth_pair_read found;

		if (word >> 32 != hash || !(word & BERTH_SLOTS_INDEX))
			continue;
		found = berth_slots_read(
			berth_slots_entry(v, (uint32_t)(word & BERTH_SLOTS_INDEX) - 1), key,
			out_value);
		if (found != BERTH_PAIR_OTHER)
			return found;
	}
	return BERTH_PAIR_OTHER;
}

/* Finds a pair by its hash and key. Reader. */
BERTH_INLINE bool berth_slots_find(const struct berth_slots *p, uint32_t hash,
				   const struct berth_pair_key *key,
				   struct berth_pair_value *out_value)
{
	const struct berth_slots_view *v;
	uint32_t bucket, left, changes;

again:
	changes = __atomic_load_n(&p->changes, __ATOMIC_ACQUIRE);
	v = __atomic_load_n(&p->view, __ATOMIC_ACQUIRE);
	if (!v)
		return false;
	bucket = berth_pair_home(hash, v->buckets);
	for (left = v->buckets; left; left--) {
		const uint64_t *slot = berth_slots_bucket(v, bucket);
		enum berth_pair_read found = berth_slots_in_bucket_(v, slot, hash, key, out_value);

		if (found == BERTH_PAIR_SAME)
			return true;
		if (found == BERTH_PAIR_CHANGED)
			goto again;
		if (!(__atomic_load_n(slot, __ATOMIC_ACQUIRE) & BERTH_SLOTS_OVER))
			break;
		bucket = bucket + 1 == v->buckets ? 0 : bucket + 1;
	}
	if (__atomic_load_n(&p->changes, __ATOMIC_ACQUIRE) != changes)
		goto again;
	return false;
}

/* Room for count pairs in all. 0 or -ENOMEM, -EOVERFLOW. Writer. */
int berth_slots_reserve(struct berth_slots *p, const struct berth_demux_memory *m, uint32_t count);

/* Adds a pair that is not there. 0 or -ENOMEM, -EOVERFLOW. Writer. */
int berth_slots_add(struct berth_slots *p, const struct berth_demux_memory *m, uint32_t hash,
		    const struct berth_pair_key *key, struct berth_pair_value value);

/* Gives another value to a pair that is there: readers see the old one or the new. 0 or -ENOMEM. Writer. */
int berth_slots_change(struct berth_slots *p, const struct berth_demux_memory *m, uint32_t hash,
		       const struct berth_pair_key *key, struct berth_pair_value value);

/* Removes a pair that is there. Writer. */
void berth_slots_remove(struct berth_slots *p, uint32_t hash, const struct berth_pair_key *key);

/* Calls visit for the value of each pair. Writer. */
void berth_slots_each(const struct berth_slots *p,
		      void (*visit)(void *context, struct berth_pair_value value), void *context);

/* Gives all memory back at once. Writer, with no reader left. */
void berth_slots_fini(struct berth_slots *p, const struct berth_demux_memory *m);

#endif
