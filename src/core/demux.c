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
	if (look(d, n, &key, berth_pair_hash(d->place_key, n, &key), flow, out_owner))
		return BERTH_DEMUX_BOUND;
	berth_demux_bound_key_(&key, n, true);
	if (look(d, n, &key, berth_pair_hash(d->place_key, n, &key), flow, out_owner))
		return BERTH_DEMUX_ANY;
	return BERTH_DEMUX_NONE;
}

/* Ports of 0 are in no connected pair; without this a packet from port 0 would meet the key of a bound socket. */
BERTH_INLINE bool may_be_connected(uint32_t ports)
{
	return ports >> 16 && ports & 0xffff;
}

/*
 * The short way of IPv4: a flow as the words that a cell is compared with, and the bucket where its pair would be, NULL
 * where there is none.
 */
struct short_way {
	uint64_t state, address;
	const struct berth_bucket *bucket;
	uint32_t hash;
};

/* Both lines of a bucket. */
BERTH_INLINE void fetch_cells(const struct berth_bucket *b)
{
	__builtin_prefetch(b);
	__builtin_prefetch((const char *)b + sizeof(*b) / 2);
}

BERTH_INLINE void begin_short(const struct berth_demux *d, const struct berth_flow *flow,
			      struct short_way *out)
{
	const struct berth_cells_view *v = __atomic_load_n(&d->v4.view, __ATOMIC_ACQUIRE);
	struct berth_pair_key key;

	berth_demux_full_key_(flow, 1, &key);
	out->bucket = NULL;
	/* Remote port 0 is in the keys of bound sockets; local port 0 in none. */
	if (__builtin_expect(!v || !flow->remote_port, 0))
		return;
	out->hash = berth_pair_hash(d->place_key, 1, &key);
	out->state = berth_cells_state(&key);
	out->address = berth_cells_address(&key);
	out->bucket = &v->bucket[berth_pair_home(out->hash, v->buckets)];
	fetch_cells(out->bucket);
}

/* True where the packet has its owner: connected, with no interface, in the first cell that is read. */
BERTH_INLINE bool end_short(const struct short_way *w, uint64_t *out_owner)
{
	return __builtin_expect(w->bucket != NULL, 1) &&
	       berth_cells_hit(w->bucket, berth_cells_tag(w->hash), w->state, w->address,
			       out_owner);
}

/* The way of IPv6 in a batch. entry: the one that the bucket names first, NULL where it names none. */
struct way6 {
	struct berth_pair_key key;
	uint32_t hash;
	const uint32_t *entry;
};

/* First step: the bucket that names the pair. */
BERTH_INLINE void fetch_bucket6(const struct berth_demux *d, const struct berth_flow *flow,
				struct way6 *out)
{
	const struct berth_slots_view *v = __atomic_load_n(&d->v6.view, __ATOMIC_ACQUIRE);

	berth_demux_full_key_(flow, 4, &out->key);
	out->hash = berth_pair_hash(d->place_key, 4, &out->key);
	if (v)
		__builtin_prefetch(berth_slots_bucket(v, berth_pair_home(out->hash, v->buckets)));
}

/* Second step: the entry that the bucket names. */
BERTH_INLINE void fetch_entry6(const struct berth_demux *d, struct way6 *w)
{
	const struct berth_slots_view *v = __atomic_load_n(&d->v6.view, __ATOMIC_ACQUIRE);
	uint32_t hash = w->hash, mask;
	const uint64_t *slot;
	uint64_t number;

	w->entry = NULL;
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
		w->entry = berth_slots_entry(v, (uint32_t)(number & BERTH_SLOTS_INDEX) - 1);
		__builtin_prefetch(w->entry);
		__builtin_prefetch(w->entry + BERTH_SLOTS_WORDS - 1);
	}
}

/*
 * Third step: true where the entry has the packet's pair and owner. It was named within this look-up; since then it may
 * have become another pair's, which its stamp and key say, or its pair may have been given another value, which is as
 * if this packet had come before.
 */
BERTH_INLINE bool try_entry6(const struct way6 *w, const struct berth_flow *flow,
			     uint64_t *out_owner)
{
	struct berth_pair_value value;

	if (!w->entry || !may_be_connected(w->key.ports) ||
	    berth_slots_read(w->entry, &w->key, &value) != BERTH_PAIR_SAME ||
	    value.device == BERTH_PAIR_MANY || (value.device && value.device != flow->device))
		return false;
	*out_owner = value.owner;
	return true;
}

/* All levels, for a flow whose full key and hash are known. */
BERTH_INLINE enum berth_demux_level find_hashed(const struct berth_demux *d, uint32_t n,
						const struct berth_flow *flow,
						const struct berth_pair_key *key, uint32_t hash,
						uint64_t *out_owner)
{
	if (may_be_connected(key->ports) && look(d, n, key, hash, flow, out_owner))
		return BERTH_DEMUX_CONNECTED;
	return find_bound(d, n, flow, out_owner);
}

static enum berth_demux_level find_hashed6(const struct berth_demux *d,
					   const struct berth_flow *flow,
					   const struct berth_pair_key *key, uint32_t hash,
					   uint64_t *out_owner)
{
	return find_hashed(d, 4, flow, key, hash, out_owner);
}

/* All levels, for any flow. Apart from berth_demux_find(), which so needs no register of its caller. */
__attribute__((noinline)) static enum berth_demux_level find_long(const struct berth_demux *d,
								  const struct berth_flow *flow,
								  uint64_t *out_owner)
{
	enum berth_demux_family family = berth_demux_family_(flow);
	uint32_t n = family == BERTH_DEMUX_OF_FAMILY4 ? 1 : 4;
	struct berth_pair_key key;

	if (family == BERTH_DEMUX_OF_MIXED)
		return BERTH_DEMUX_NONE;
	berth_demux_full_key_(flow, n, &key);
	if (n == 1)
		return find_hashed(d, 1, flow, &key, berth_pair_hash(d->place_key, 1, &key),
				   out_owner);
	return find_hashed6(d, flow, &key, berth_pair_hash(d->place_key, 4, &key), out_owner);
}

enum berth_demux_level berth_demux_find(const struct berth_demux *d, const struct berth_flow *flow,
					uint64_t *out_owner)
{
	struct short_way w;

	if (berth_demux_family_(flow) == BERTH_DEMUX_OF_FAMILY4) {
		begin_short(d, flow, &w);
		if (end_short(&w, out_owner))
			return BERTH_DEMUX_CONNECTED;
	}
	return find_long(d, flow, out_owner);
}

/* The second step of IPv4: true where the packet has its owner, or else the next bucket is fetched. */
BERTH_INLINE bool try_short(const struct short_way *w, uint64_t *out_owner)
{
	if (end_short(w, out_owner))
		return true;
	/* Behind the last bucket this names no memory that is there, which a prefetch may do. */
	if (w->bucket && berth_cells_over(w->bucket))
		fetch_cells(w->bucket + 1);
	return false;
}

/* The third step, for a packet that has no owner yet. */
BERTH_INLINE enum berth_demux_level find_left(const struct berth_demux *d,
					      const struct berth_flow *flow, const struct way6 *w6,
					      bool six, uint64_t *out_owner)
{
	if (!six)
		return find_long(d, flow, out_owner);
	if (try_entry6(w6, flow, out_owner))
		return BERTH_DEMUX_CONNECTED;
	return find_hashed6(d, flow, &w6->key, w6->hash, out_owner);
}

static void find_few(const struct berth_demux *d, const struct berth_flow *flow, size_t count,
		     uint64_t *owner, uint8_t *level)
{
	uint8_t left[BATCH]; /* packets that the second step did not answer */
	struct short_way w[BATCH];
	struct way6 w6[BATCH];
	size_t i, lefts = 0;

	for (i = 0; i < count; i++) {
		level[i] = (uint8_t)berth_demux_family_(&flow[i]);
		w[i].bucket = NULL;
		if (level[i] == BERTH_DEMUX_OF_FAMILY4)
			begin_short(d, &flow[i], &w[i]);
		else if (level[i] == BERTH_DEMUX_OF_FAMILY6)
			fetch_bucket6(d, &flow[i], &w6[i]);
	}
	for (i = 0; i < count; i++) {
		if (level[i] == BERTH_DEMUX_OF_FAMILY6)
			fetch_entry6(d, &w6[i]);
		if (try_short(&w[i], &owner[i]))
			level[i] = BERTH_DEMUX_CONNECTED;
		else
			left[lefts++] = (uint8_t)i;
	}
	for (i = 0; i < lefts; i++) {
		uint32_t k = left[i];

		level[k] = (uint8_t)find_left(d, &flow[k], &w6[k],
					      level[k] == BERTH_DEMUX_OF_FAMILY6, &owner[k]);
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
