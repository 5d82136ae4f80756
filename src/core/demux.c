/* SPDX-License-Identifier: BSD-2-Clause */
/* The demultiplexer: three levels of keys in two tables, and the order of the sockets that share a key. */
#include "include/berth/demux.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cells.h"
#include "hash.h"
#include "slots.h"
#include "spread.h"

#define BATCH 32u

/*
 * One of the sockets that share a key, or a group of them. Candidates stand in the order in which they are asked; one
 * that left is marked and stays until the set is copied.
 */
struct candidate {
	uint32_t device;
	uint8_t rank;
	uint8_t flags;
	uint8_t gone;
	uint8_t unused;
	uint64_t value; /* the owner, or with BERTH_DEMUX_REUSEPORT a struct berth_spread */
};

/* The sockets that share a key. Readers see gone and value change, nothing else. */
struct set {
	uint8_t head[BERTH_DEMUX_RETIRED_HEAD];
	uint32_t count, live;
	struct candidate candidate[];
};

struct berth_demux {
	struct berth_cells v4;
	struct berth_slots v6;
	uint64_t key[2];
	struct berth_demux_memory memory;
	uint64_t set_bytes;
};

/* A key and where it is looked up. */
struct place {
	bool four; /* in the table of IPv4 */
	struct berth_pair_key key;
	uint32_t hash;
};

static uint64_t word64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static uint32_t word32(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* The hash of a key; its upper half is the place in the table and not 0, the lower half spreads groups. */
BERTH_INLINE uint64_t hash_key(const struct berth_demux *d, uint32_t n,
			       const struct berth_pair_key *key)
{
	uint64_t word[4], last = key->ports | (uint64_t)key->protocol << 32, hash;
	uint32_t i;

	for (i = 0; i < n; i++)
		word[i] = key->address[2 * i] | (uint64_t)key->address[2 * i + 1] << 32;
	hash = berth_siphash13(d->key, word, n, last);
	return hash >> 32 ? hash : hash | 1ULL << 32;
}

/* Whether a flow is of IPv4, and where its addresses are of two families: neither. */
enum family { MIXED, FAMILY4, FAMILY6 };

BERTH_INLINE bool is_v4(const struct berth_address *a)
{
	return !(word64(a->byte) | (word32(a->byte + 8) ^ word32((const uint8_t *)"\0\0\xff\xff")));
}

BERTH_INLINE bool is_zero(const struct berth_address *a)
{
	return !(word64(a->byte) | word64(a->byte + 8));
}

BERTH_INLINE enum family family_of(const struct berth_flow *f)
{
	bool local = is_v4(&f->local), remote = is_v4(&f->remote);

	if (local != remote)
		return MIXED;
	return local ? FAMILY4 : FAMILY6;
}

/* The key of a flow with all that it says; n is the words of an address. */
BERTH_INLINE void full_key(const struct berth_flow *f, uint32_t n, struct berth_pair_key *out_key)
{
	/*
	 * Two loads: one of both ports would wait for the two stores of whoever wrote them just now to leave the
	 * processor, and with them for all look-ups before.
	 */
	uint32_t remote_port = __atomic_load_n(&f->remote_port, __ATOMIC_RELAXED), i;

	out_key->protocol = f->protocol;
	out_key->ports = berth_pair_ports(f->local_port, remote_port);
	for (i = 0; i < n; i++) {
		out_key->address[i] = word32(f->local.byte + 16 - 4 * n + 4 * i);
		out_key->address[n + i] = word32(f->remote.byte + 16 - 4 * n + 4 * i);
	}
}

/* Of a full key that of the sockets bound to its local address, or to any. */
BERTH_INLINE void bound_key(struct berth_pair_key *key, uint32_t n, bool any)
{
	uint32_t i;

	key->ports &= 0xffff;
	for (i = any ? 0 : n; i < 2 * n; i++)
		key->address[i] = 0;
}

/* Reader side. */

static bool answer_set(const struct set *set, uint32_t device, uint32_t hash, uint64_t *out_owner)
{
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		const struct candidate *c = &set->candidate[i];
		uint64_t value;

		if ((c->device && c->device != device) ||
		    __atomic_load_n(&c->gone, __ATOMIC_ACQUIRE))
			continue;
		value = __atomic_load_n(&c->value, __ATOMIC_ACQUIRE);
		if (c->flags & BERTH_DEMUX_REUSEPORT)
			value = berth_spread_pick((const struct berth_spread *)(uintptr_t)value,
						  hash);
		*out_owner = value;
		return true;
	}
	return false;
}

BERTH_INLINE bool answer(const struct berth_pair_value *value, uint32_t device, uint32_t hash,
			 uint64_t *out_owner)
{
	if (__builtin_expect(value->device == BERTH_PAIR_MANY, 0))
		return answer_set((const struct set *)(uintptr_t)value->owner, device, hash,
				  out_owner);
	if (value->device && value->device != device)
		return false;
	*out_owner = value->owner;
	return true;
}

BERTH_INLINE bool look(const struct berth_demux *d, uint32_t n, const struct berth_pair_key *key,
		       uint64_t hash, uint32_t device, uint32_t spread, uint64_t *out_owner)
{
	struct berth_pair_value value;
	uint32_t at = (uint32_t)(hash >> 32);

	if (!(n == 1 ? berth_cells_find(&d->v4, at, key, &value)
		     : berth_slots_find(&d->v6, at, key, &value)))
		return false;
	return answer(&value, device, spread, out_owner);
}

/* The levels below connected; hash is that of the full key. */
BERTH_INLINE enum berth_demux_level find_bound(const struct berth_demux *d, uint32_t n,
					       const struct berth_flow *flow, uint64_t hash,
					       uint64_t *out_owner)
{
	struct berth_pair_key key;

	if (!flow->local_port)
		return BERTH_DEMUX_NONE;
	full_key(flow, n, &key);
	bound_key(&key, n, false);
	if (look(d, n, &key, hash_key(d, n, &key), flow->device, (uint32_t)hash, out_owner))
		return BERTH_DEMUX_BOUND;
	bound_key(&key, n, true);
	if (look(d, n, &key, hash_key(d, n, &key), flow->device, (uint32_t)hash, out_owner))
		return BERTH_DEMUX_ANY;
	return BERTH_DEMUX_NONE;
}

static enum berth_demux_level find_bound4(const struct berth_demux *d, const struct berth_flow *f,
					  uint64_t hash, uint64_t *out_owner)
{
	return find_bound(d, 1, f, hash, out_owner);
}

static enum berth_demux_level find_bound6(const struct berth_demux *d, const struct berth_flow *f,
					  uint64_t hash, uint64_t *out_owner)
{
	return find_bound(d, 4, f, hash, out_owner);
}

/* Ports of 0 are in no connected pair; without this a packet from port 0 would meet the key of a bound socket. */
BERTH_INLINE bool may_be_connected(uint32_t ports)
{
	return ports >> 16 && ports & 0xffff;
}

/* A packet of a batch between two of its steps. */
struct waiting {
	struct berth_pair_key key;
	uint64_t hash;
	enum family family;
};

/* First step: the bucket where the pair would be. */
BERTH_INLINE void fetch_bucket(const struct berth_demux *d, uint32_t n,
			       const struct berth_flow *flow, struct waiting *w)
{
	const struct berth_cells_view *cells = __atomic_load_n(&d->v4.view, __ATOMIC_ACQUIRE);
	const struct berth_slots_view *slots = __atomic_load_n(&d->v6.view, __ATOMIC_ACQUIRE);
	uint32_t hash;

	full_key(flow, n, &w->key);
	w->hash = hash_key(d, n, &w->key);
	hash = (uint32_t)(w->hash >> 32);
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
	c = berth_cells_bucket(v, berth_pair_home((uint32_t)(w->hash >> 32), v->buckets));
	if (berth_cells_in_bucket(c, berth_cells_state(&w->key), berth_cells_address(&w->key),
				  &value) == BERTH_PAIR_SAME)
		return answer(&value, flow->device, 0, out_owner);
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
	uint32_t hash = (uint32_t)(w->hash >> 32), mask;
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
						const struct berth_pair_key *key, uint64_t hash,
						uint64_t *out_owner)
{
	if (may_be_connected(key->ports) && look(d, n, key, hash, flow->device, 0, out_owner))
		return BERTH_DEMUX_CONNECTED;
	return n == 1 ? find_bound4(d, flow, hash, out_owner)
		      : find_bound6(d, flow, hash, out_owner);
}

enum berth_demux_level berth_demux_find(const struct berth_demux *d, const struct berth_flow *flow,
					uint64_t *out_owner)
{
	enum family family = family_of(flow);
	struct berth_pair_key key;

	if (family == FAMILY4) {
		full_key(flow, 1, &key);
		return find_hashed(d, 1, flow, &key, hash_key(d, 1, &key), out_owner);
	}
	if (family == MIXED)
		return BERTH_DEMUX_NONE;
	full_key(flow, 4, &key);
	return find_hashed(d, 4, flow, &key, hash_key(d, 4, &key), out_owner);
}

static void find_few(const struct berth_demux *d, const struct berth_flow *flow, size_t count,
		     uint64_t *owner, uint8_t *level)
{
	struct waiting waiting[BATCH];
	size_t i;

	for (i = 0; i < count; i++) {
		level[i] = BERTH_DEMUX_NONE;
		waiting[i].family = family_of(&flow[i]);
		if (waiting[i].family == FAMILY4)
			fetch_bucket(d, 1, &flow[i], &waiting[i]);
		else
			fetch_bucket(d, 4, &flow[i], &waiting[i]);
	}
	for (i = 0; i < count; i++) {
		if (waiting[i].family == FAMILY6)
			fetch_entry(d, &waiting[i]);
		else if (waiting[i].family == FAMILY4 &&
			 try_bucket(d, &flow[i], &waiting[i], &owner[i]))
			level[i] = BERTH_DEMUX_CONNECTED;
	}
	for (i = 0; i < count; i++) {
		const struct waiting *w = &waiting[i];

		if (level[i] || w->family == MIXED)
			continue;
		level[i] = (uint8_t)(w->family == FAMILY4 ? find_hashed(d, 1, &flow[i], &w->key,
									w->hash, &owner[i])
							  : find_hashed(d, 4, &flow[i], &w->key,
									w->hash, &owner[i]));
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

/* Writer side. */

static bool get(const struct berth_demux *d, const struct place *at,
		struct berth_pair_value *out_value)
{
	return at->four ? berth_cells_find(&d->v4, at->hash, &at->key, out_value)
			: berth_slots_find(&d->v6, at->hash, &at->key, out_value);
}

static int add_pair(struct berth_demux *d, const struct place *at, struct berth_pair_value value)
{
	return at->four ? berth_cells_add(&d->v4, &d->memory, at->hash, &at->key, value)
			: berth_slots_add(&d->v6, &d->memory, at->hash, &at->key, value);
}

static int change_pair(struct berth_demux *d, const struct place *at, struct berth_pair_value value)
{
	return at->four ? berth_cells_change(&d->v4, &d->memory, at->hash, &at->key, value)
			: berth_slots_change(&d->v6, &d->memory, at->hash, &at->key, value);
}

static void remove_pair(struct berth_demux *d, const struct place *at)
{
	if (at->four)
		berth_cells_remove(&d->v4, at->hash, &at->key);
	else
		berth_slots_remove(&d->v6, at->hash, &at->key);
}

static size_t set_size(uint32_t count)
{
	return sizeof(struct set) + count * sizeof(struct candidate);
}

static struct berth_spread *spread_of(const struct candidate *c)
{
	return (struct berth_spread *)(uintptr_t)c->value;
}

static struct set *set_of(const struct berth_pair_value *value)
{
	return value->device == BERTH_PAIR_MANY ? (struct set *)(uintptr_t)value->owner : NULL;
}

static bool is_datagram(uint8_t protocol)
{
	return protocol == BERTH_UDP || protocol == BERTH_UDPLITE;
}

/* A socket of IPv6 that is bound to "any" of IPv4 as well. */
static bool is_dual(const struct berth_demux_socket *s)
{
	return is_zero(&s->at.local) && !s->at.remote_port && !(s->flags & BERTH_DEMUX_V6ONLY);
}

static int check(const struct berth_demux_socket *s)
{
	static const uint8_t any4[16] = { [10] = 0xff, [11] = 0xff };
	const struct berth_flow *f = &s->at;

	if (!f->local_port || f->device >= BERTH_PAIR_MANY)
		return -EINVAL;
	if (!f->remote_port)
		return is_zero(&f->remote) ? 0 : -EINVAL;
	if (family_of(f) == MIXED || is_zero(&f->local) || is_zero(&f->remote) ||
	    !memcmp(f->local.byte, any4, 16) || !memcmp(f->remote.byte, any4, 16) ||
	    (s->flags & BERTH_DEMUX_REUSEPORT))
		return -EINVAL;
	return 0;
}

/* Where a socket stands: the table of its own family, or for a dual one with v4 set that of IPv4. */
static struct place place_of(struct berth_demux *d, const struct berth_demux_socket *s, bool v4)
{
	bool four = v4 || is_v4(&s->at.local);
	uint32_t n = four ? 1 : 4;
	struct place p = { .four = four };

	full_key(&s->at, n, &p.key);
	if (!s->at.remote_port)
		bound_key(&p.key, n, v4);
	p.hash = (uint32_t)(hash_key(d, n, &p.key) >> 32);
	return p;
}

/*
 * What a socket counts among those of its key. Linux: compute_score() of net/ipv4/inet_hashtables.c and
 * net/ipv4/udp.c. For listeners an interface and the packet's own family count alike, for datagrams the interface
 * counts more.
 */
static uint8_t rank_of(const struct berth_demux_socket *s, bool v4)
{
	bool family = v4 && !is_zero(&s->at.local) && !(s->flags & BERTH_DEMUX_FAMILY6);

	return (uint8_t)((s->at.device ? is_datagram(s->at.protocol) ? 4 : 1 : 0) + family);
}

/* Behind the others of its rank: Linux puts such a socket at the end of its list. */
static bool goes_last(const struct candidate *c, bool six)
{
	return (c->flags & BERTH_DEMUX_REUSEPORT) && six;
}

/* The socket with those of its flags only that mean something for its address. */
static struct berth_demux_socket normal(const struct berth_demux_socket *s)
{
	struct berth_demux_socket out = *s;

	if (!is_zero(&s->at.local))
		out.flags &= (uint8_t)~BERTH_DEMUX_V6ONLY;
	if (!is_v4(&s->at.local))
		out.flags &= (uint8_t)~BERTH_DEMUX_FAMILY6;
	return out;
}

static bool alike(const struct candidate *c, const struct candidate *other)
{
	return !c->gone && c->device == other->device && c->rank == other->rank;
}

/* One that a single entry says all about. */
static bool is_plain(const struct berth_demux_socket *s)
{
	return !s->flags && !is_dual(s);
}

/* A candidate made of a socket; its value is the owner. */
static struct candidate candidate_of(const struct berth_demux_socket *s, bool v4)
{
	return (struct candidate){
		.device = s->at.device, .rank = rank_of(s, v4), .flags = s->flags, .value = s->owner
	};
}

/* What a single entry stands for: a plain socket. */
static struct candidate candidate_alone(const struct berth_pair_value *value, uint8_t protocol,
					bool v4)
{
	struct candidate c = { .device = value->device, .value = value->owner };

	c.rank = (uint8_t)((c.device ? is_datagram(protocol) ? 4 : 1 : 0) + v4);
	return c;
}

static struct set *make_set(struct berth_demux *d, uint32_t count)
{
	struct set *set = d->memory.get(d->memory.context, set_size(count), 64);

	if (set) {
		memset(set, 0, set_size(count));
		d->set_bytes += set_size(count);
	}
	return set;
}

static void retire_set(struct berth_demux *d, struct set *set)
{
	if (!set)
		return;
	d->set_bytes -= set_size(set->count);
	berth_pair_retire(&d->memory, set, set_size(set->count));
}

static void retire_spread(struct berth_demux *d, struct berth_spread *s)
{
	d->set_bytes -= s->size;
	berth_pair_retire(&d->memory, s, s->size);
}

/* Copies what is left of the old set, with the new candidate at its place; out has room for all. */
static void insert(struct set *out, const struct candidate *old, uint32_t count,
		   const struct candidate *fresh, bool last)
{
	bool done = false;
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (old[i].gone)
			continue;
		if (!done && (last ? old[i].rank < fresh->rank : old[i].rank <= fresh->rank)) {
			out->candidate[out->live++] = *fresh;
			done = true;
		}
		out->candidate[out->live++] = old[i];
	}
	if (!done)
		out->candidate[out->live++] = *fresh;
	assert(out->live <= out->count);
}

/* A group's new member. */
static int join(struct berth_demux *d, struct candidate *group, uint64_t owner)
{
	struct berth_spread *s = spread_of(group), *greater;

	if (berth_spread_is_full(s)) {
		greater = berth_spread_double(&d->memory, s);
		if (!greater)
			return -ENOMEM;
		d->set_bytes += greater->size;
		berth_spread_join(greater, owner);
		__atomic_store_n(&group->value, (uintptr_t)greater, __ATOMIC_RELEASE);
		retire_spread(d, s);
		return 0;
	}
	berth_spread_join(s, owner);
	return 0;
}

/* Makes fresh the value of a set that also has what was there before, and gives it to the key. */
static int publish(struct berth_demux *d, const struct place *at, const struct candidate *fresh,
		   const struct candidate *old, uint32_t count, bool last, bool is_new)
{
	uint32_t live = 1, i;
	struct berth_pair_value value = { .device = BERTH_PAIR_MANY };
	struct set *set;
	int err;

	for (i = 0; i < count; i++)
		live += !old[i].gone;
	set = make_set(d, live);
	if (!set)
		return -ENOMEM;
	set->count = live;
	insert(set, old, count, fresh, last);
	value.owner = (uintptr_t)set;
	err = is_new ? add_pair(d, at, value) : change_pair(d, at, value);
	if (err) {
		d->set_bytes -= set_size(live);
		d->memory.put(d->memory.context, set, set_size(live));
	}
	return err;
}

/* As publish, for a socket that begins a group where it has BERTH_DEMUX_REUSEPORT. */
static int add_candidate(struct berth_demux *d, const struct place *at, struct candidate *fresh,
			 const struct candidate *old, uint32_t count, bool last, bool is_new)
{
	struct berth_spread *s = NULL;
	int err;

	if (fresh->flags & BERTH_DEMUX_REUSEPORT) {
		s = berth_spread_new(&d->memory, fresh->value);
		if (!s)
			return -ENOMEM;
		d->set_bytes += s->size;
		fresh->value = (uintptr_t)s;
	}
	err = publish(d, at, fresh, old, count, last, is_new);
	if (err && s) {
		d->set_bytes -= s->size;
		d->memory.put(d->memory.context, s, s->size);
	}
	return err;
}

/* Adds a socket to the sockets of one key. */
static int add_at(struct berth_demux *d, const struct berth_demux_socket *s, bool v4)
{
	struct place at = place_of(d, s, v4);
	bool four = at.four, last;
	struct candidate fresh = candidate_of(s, four), alone, *old = &alone;
	struct berth_pair_value value;
	struct set *set = NULL;
	uint32_t count = 0, i;
	bool there = get(d, &at, &value);
	int err;

	if (there) {
		set = set_of(&value);
		alone = candidate_alone(&value, s->at.protocol, four);
		old = set ? set->candidate : &alone;
		count = set ? set->count : 1;
	} else if (is_plain(s)) {
		value = (struct berth_pair_value){ s->at.device, s->owner };
		return add_pair(d, &at, value);
	}
	for (i = 0; i < count; i++) {
		if (!alike(&old[i], &fresh))
			continue;
		if (s->at.remote_port && !is_datagram(s->at.protocol))
			return -EADDRINUSE;
		if (fresh.flags & BERTH_DEMUX_REUSEPORT && old[i].flags == fresh.flags)
			return join(d, &old[i], s->owner);
	}
	last = goes_last(&fresh, !four || v4 || (s->flags & BERTH_DEMUX_FAMILY6));
	err = add_candidate(d, &at, &fresh, old, count, last, !there);
	if (!err)
		retire_set(d, set);
	return err;
}

static bool same_socket(const struct candidate *c, const struct candidate *like)
{
	if (!alike(c, like) || c->flags != like->flags)
		return false;
	return (c->flags & BERTH_DEMUX_REUSEPORT) || c->value == like->value;
}

/* The socket's candidate in a set, NULL where it has none. A group may turn out not to have that member. */
static struct candidate *in_set(struct set *set, const struct candidate *like)
{
	uint32_t i;

	for (i = 0; i < set->count; i++)
		if (same_socket(&set->candidate[i], like))
			return &set->candidate[i];
	return NULL;
}

/* Marks a candidate; the key goes with its last one. */
static void leave_set(struct berth_demux *d, const struct place *at, struct set *set,
		      struct candidate *c)
{
	__atomic_store_n(&c->gone, 1, __ATOMIC_RELEASE);
	if (c->flags & BERTH_DEMUX_REUSEPORT)
		retire_spread(d, spread_of(c));
	if (--set->live)
		return;
	remove_pair(d, at);
	retire_set(d, set);
}

static int remove_at(struct berth_demux *d, const struct berth_demux_socket *s, bool v4)
{
	struct place at = place_of(d, s, v4);
	struct berth_pair_value value;
	struct candidate like = candidate_of(s, at.four), *c;
	struct set *set;

	if (!get(d, &at, &value))
		return -ENOENT;
	set = set_of(&value);
	if (!set) {
		if (!is_plain(s) || value.device != s->at.device || value.owner != s->owner)
			return -ENOENT;
		remove_pair(d, &at);
		return 0;
	}
	c = in_set(set, &like);
	if (!c)
		return -ENOENT;
	if (c->flags & BERTH_DEMUX_REUSEPORT) {
		if (!berth_spread_leave(spread_of(c), s->owner))
			return -ENOENT;
		if (spread_of(c)->members)
			return 0;
	}
	leave_set(d, &at, set, c);
	return 0;
}

int berth_demux_add(struct berth_demux *d, const struct berth_demux_socket *socket)
{
	struct berth_demux_socket s = normal(socket);
	int err = check(&s);

	if (!err)
		err = add_at(d, &s, false);
	if (err || !is_dual(&s))
		return err;
	err = add_at(d, &s, true);
	if (err)
		remove_at(d, &s, false);
	return err;
}

int berth_demux_remove(struct berth_demux *d, const struct berth_demux_socket *socket)
{
	struct berth_demux_socket s = normal(socket);
	int err = check(&s) ? -ENOENT : remove_at(d, &s, false);

	if (!err && is_dual(&s))
		err = remove_at(d, &s, true);
	return err;
}

int berth_demux_reserve(struct berth_demux *d, uint32_t pairs_v4, uint32_t pairs_v6)
{
	int err = berth_cells_reserve(&d->v4, &d->memory, pairs_v4);

	return err ? err : berth_slots_reserve(&d->v6, &d->memory, pairs_v6);
}

struct berth_demux_usage berth_demux_usage(const struct berth_demux *d)
{
	return (struct berth_demux_usage){ d->v4.count, d->v6.count,
					   sizeof(*d) + berth_cells_bytes(&d->v4) + d->v6.bytes +
						   d->set_bytes };
}

int berth_demux_new(const struct berth_demux_memory *memory, const uint64_t key[2],
		    struct berth_demux **out_demux)
{
	struct berth_demux *d = memory->get(memory->context, sizeof(*d), 64);

	if (!d)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
	d->memory = *memory;
	d->key[0] = key[0];
	d->key[1] = key[1];
	*out_demux = d;
	return 0;
}

/* With no reader left all of a key's memory goes at once. */
static void put_set(void *context, struct berth_pair_value value)
{
	const struct berth_demux *d = context;
	struct set *set = set_of(&value);
	uint32_t i;

	if (!set)
		return;
	for (i = 0; i < set->count; i++) {
		const struct candidate *c = &set->candidate[i];

		if (!c->gone && (c->flags & BERTH_DEMUX_REUSEPORT))
			d->memory.put(d->memory.context, spread_of(c), spread_of(c)->size);
	}
	d->memory.put(d->memory.context, set, set_size(set->count));
}

void berth_demux_free(struct berth_demux *d)
{
	struct berth_demux_memory memory;

	if (!d)
		return;
	berth_cells_each(&d->v4, put_set, d);
	berth_slots_each(&d->v6, put_set, d);
	berth_cells_fini(&d->v4, &d->memory);
	berth_slots_fini(&d->v6, &d->memory);
	memory = d->memory;
	memory.put(memory.context, d, sizeof(*d));
}
