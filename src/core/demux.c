/* SPDX-License-Identifier: BSD-2-Clause */
/* Look-ups of the demultiplexer: three levels of keys in two tables. */
#include "demux.h"

#define BATCH 32u

/*
 * Where a packet falls in the spread of a group. By SipHash: who chooses packets shall not choose the member, and the
 * members' shares are even whatever the packets are.
 */
static uint32_t hash_flow(const struct berth_demux *d, const struct berth_flow *f)
{
	uint64_t word[4] = { berth_demux_word64_(f->local.byte),
			     berth_demux_word64_(f->local.byte + 8),
			     berth_demux_word64_(f->remote.byte),
			     berth_demux_word64_(f->remote.byte + 8) };

	return (uint32_t)berth_siphash13(d->key, word, 4,
					 berth_pair_ports(f->local_port, f->remote_port) |
						 (uint64_t)f->protocol << 32);
}

static bool answer_set(const struct berth_demux *d, const struct berth_demux_set *set,
		       const struct berth_flow *flow, uint64_t *out_owner)
{
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		const struct berth_demux_candidate *c = &set->candidate[i];
		uint64_t value;

		if ((c->device && c->device != flow->device) ||
		    __atomic_load_n(&c->gone, __ATOMIC_ACQUIRE))
			continue;
		value = __atomic_load_n(&c->value, __ATOMIC_ACQUIRE);
		if (c->flags & BERTH_DEMUX_REUSEPORT)
			value = berth_spread_pick((const struct berth_spread *)(uintptr_t)value,
						  hash_flow(d, flow));
		*out_owner = value;
		return true;
	}
	return false;
}

BERTH_INLINE bool answer(const struct berth_demux *d, const struct berth_pair_value *value,
			 const struct berth_flow *flow, uint64_t *out_owner)
{
	if (__builtin_expect(value->device == BERTH_PAIR_MANY, 0))
		return answer_set(d, (const struct berth_demux_set *)(uintptr_t)value->owner, flow,
				  out_owner);
	if (value->device && value->device != flow->device)
		return false;
	*out_owner = value->owner;
	return true;
}

BERTH_INLINE bool look(const struct berth_demux *d, uint32_t n, const struct berth_pair_key *key,
		       uint32_t hash, const struct berth_flow *flow, uint64_t *out_owner)
{
	struct berth_pair_value value;

	if (!(n == 1 ? berth_cells_find(&d->v4, hash, key, &value)
		     : berth_slots_find(&d->v6, hash, key, &value)))
		return false;
	return answer(d, &value, flow, out_owner);
}

/* The levels below connected. */
BERTH_INLINE enum berth_demux_level find_bound(const struct berth_demux *d, uint32_t n,
					       const struct berth_flow *flow, uint64_t *out_owner)
{
	struct berth_pair_key key;

	if (!flow->local_port)
		return BERTH_DEMUX_NONE;
	berth_demux_full_key_(flow, n, &key);
	berth_demux_bound_key_(&key, n, false);
	if (look(d, n, &key, berth_demux_hash_key_(d, n, &key), flow, out_owner))
		return BERTH_DEMUX_BOUND;
	berth_demux_bound_key_(&key, n, true);
	if (look(d, n, &key, berth_demux_hash_key_(d, n, &key), flow, out_owner))
		return BERTH_DEMUX_ANY;
	return BERTH_DEMUX_NONE;
}

static enum berth_demux_level find_bound4(const struct berth_demux *d, const struct berth_flow *f,
					  uint64_t *out_owner)
{
	return find_bound(d, 1, f, out_owner);
}

static enum berth_demux_level find_bound6(const struct berth_demux *d, const struct berth_flow *f,
					  uint64_t *out_owner)
{
	return find_bound(d, 4, f, out_owner);
}

/* Ports of 0 are in no connected pair; without this a packet from port 0 would meet the key of a bound socket. */
BERTH_INLINE bool may_be_connected(uint32_t ports)
{
	return ports >> 16 && ports & 0xffff;
}

/* A packet of a batch between two of its steps. */
struct waiting {
	struct berth_pair_key key;
	uint32_t hash;
	enum berth_demux_family family;
};

/* First step: the bucket where the pair would be. */
BERTH_INLINE void fetch_bucket(const struct berth_demux *d, uint32_t n,
			       const struct berth_flow *flow, struct waiting *w)
{
	const struct berth_cells_view *cells = __atomic_load_n(&d->v4.view, __ATOMIC_ACQUIRE);
	const struct berth_slots_view *slots = __atomic_load_n(&d->v6.view, __ATOMIC_ACQUIRE);
	uint32_t hash;

	berth_demux_full_key_(flow, n, &w->key);
	w->hash = berth_demux_hash_key_(d, n, &w->key);
	hash = w->hash;
	if (n == 1 && cells) {
		const struct berth_cell *c =
			berth_cells_bucket(cells, berth_pair_home(hash, cells->buckets));

		__builtin_prefetch(&c[0]);
		__builtin_prefetch(&c[BERTH_CELLS_BUCKET / 2]);
	}
	if (n == 4 && slots)
		__builtin_prefetch(
			berth_slots_bucket(slots, berth_pair_home(hash, slots->buckets)));
}

/*
 * Second step, IPv4: most pairs are in their bucket. Where the bucket overflowed, the next one is fetched. True where
 * the packet has its owner.
 */
BERTH_INLINE bool try_bucket(const struct berth_demux *d, const struct berth_flow *flow,
			     const struct waiting *w, uint64_t *out_owner)
{
	const struct berth_cells_view *v = __atomic_load_n(&d->v4.view, __ATOMIC_ACQUIRE);
	struct berth_pair_value value;
	const struct berth_cell *c;

	if (!v || !may_be_connected(w->key.ports))
		return false;
	c = berth_cells_bucket(v, berth_pair_home(w->hash, v->buckets));
	if (berth_cells_in_bucket(c, berth_cells_state(&w->key), berth_cells_address(&w->key),
				  &value) == BERTH_PAIR_SAME)
		return answer(d, &value, flow, out_owner);
	/* Behind the last bucket this names no memory that is there, which a prefetch may do. */
	if (berth_cells_load_(&c->word[BERTH_CELLS_DEVICE]) & BERTH_CELLS_OVER) {
		__builtin_prefetch(&c[BERTH_CELLS_BUCKET]);
		__builtin_prefetch(&c[BERTH_CELLS_BUCKET + BERTH_CELLS_BUCKET / 2]);
	}
	return false;
}

/* Second step, IPv6: fetches the entry that the bucket names. */
BERTH_INLINE void fetch_entry(const struct berth_demux *d, struct waiting *w)
{
	const struct berth_slots_view *v = __atomic_load_n(&d->v6.view, __ATOMIC_ACQUIRE);
	uint32_t hash = w->hash, mask;
	const uint64_t *slot;
	uint64_t number;

	if (!v)
		return;
	slot = berth_slots_bucket(v, berth_pair_home(hash, v->buckets));
	mask = berth_slots_match(slot, hash);
	number = __atomic_load_n(&slot[mask ? berth_ctz64(mask) : 0], __ATOMIC_ACQUIRE);
	if (!mask) {
		if (number & BERTH_SLOTS_OVER)
			__builtin_prefetch(slot + BERTH_SLOTS_BUCKET);
		return;
	}
	if (number >> 32 == hash && (number & BERTH_SLOTS_INDEX)) {
		const uint32_t *entry =
			berth_slots_entry(v, (uint32_t)(number & BERTH_SLOTS_INDEX) - 1);

		__builtin_prefetch(entry);
		__builtin_prefetch(entry + BERTH_SLOTS_WORDS - 1);
	}
}

/* All levels, for a flow whose full key and hash are known. */
BERTH_INLINE enum berth_demux_level find_hashed(const struct berth_demux *d, uint32_t n,
						const struct berth_flow *flow,
						const struct berth_pair_key *key, uint32_t hash,
						uint64_t *out_owner)
{
	if (may_be_connected(key->ports) && look(d, n, key, hash, flow, out_owner))
		return BERTH_DEMUX_CONNECTED;
	return n == 1 ? find_bound4(d, flow, out_owner) : find_bound6(d, flow, out_owner);
}

enum berth_demux_level berth_demux_find(const struct berth_demux *d, const struct berth_flow *flow,
					uint64_t *out_owner)
{
	enum berth_demux_family family = berth_demux_family_(flow);
	struct berth_pair_key key;

	if (family == BERTH_DEMUX_OF_FAMILY4) {
		berth_demux_full_key_(flow, 1, &key);
		return find_hashed(d, 1, flow, &key, berth_demux_hash_key_(d, 1, &key), out_owner);
	}
	if (family == BERTH_DEMUX_OF_MIXED)
		return BERTH_DEMUX_NONE;
	berth_demux_full_key_(flow, 4, &key);
	return find_hashed(d, 4, flow, &key, berth_demux_hash_key_(d, 4, &key), out_owner);
}

static void find_few(const struct berth_demux *d, const struct berth_flow *flow, size_t count,
		     uint64_t *owner, uint8_t *level)
{
	struct waiting waiting[BATCH];
	size_t i;

	for (i = 0; i < count; i++) {
		level[i] = BERTH_DEMUX_NONE;
		waiting[i].family = berth_demux_family_(&flow[i]);
		if (waiting[i].family == BERTH_DEMUX_OF_FAMILY4)
			fetch_bucket(d, 1, &flow[i], &waiting[i]);
		else
			fetch_bucket(d, 4, &flow[i], &waiting[i]);
	}
	for (i = 0; i < count; i++) {
		if (waiting[i].family == BERTH_DEMUX_OF_FAMILY6)
			fetch_entry(d, &waiting[i]);
		else if (waiting[i].family == BERTH_DEMUX_OF_FAMILY4 &&
			 try_bucket(d, &flow[i], &waiting[i], &owner[i]))
			level[i] = BERTH_DEMUX_CONNECTED;
	}
	for (i = 0; i < count; i++) {
		const struct waiting *w = &waiting[i];

		if (level[i] || w->family == BERTH_DEMUX_OF_MIXED)
			continue;
		level[i] =
			(uint8_t)(w->family == BERTH_DEMUX_OF_FAMILY4
					  ? find_hashed(d, 1, &flow[i], &w->key, w->hash, &owner[i])
					  : find_hashed(d, 4, &flow[i], &w->key, w->hash,
							&owner[i]));
	}
}

void berth_demux_find_batch(const struct berth_demux *d, const struct berth_flow *flow,
			    size_t count, uint64_t *owner, uint8_t *level)
{
	while (count) {
		size_t few = count < BATCH ? count : BATCH;

		find_few(d, flow, few, owner, level);
		flow += few;
		owner += few;
		level += few;
		count -= few;
	}
}
