/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of the demultiplexer: sockets come and go, and those that share a key stand in their order. */
#include "demux.h"

#include <assert.h>
#include <errno.h>

/* A key and where it is looked up. */
struct place {
	bool four; /* in the table of IPv4 */
	struct berth_pair_key key;
	uint32_t hash;
};

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
	return sizeof(struct berth_demux_set) + count * sizeof(struct berth_demux_candidate);
}

static struct berth_spread *spread_of(const struct berth_demux_candidate *c)
{
	return (struct berth_spread *)(uintptr_t)c->value;
}

static struct berth_demux_set *set_of(const struct berth_pair_value *value)
{
	return value->device == BERTH_PAIR_MANY ? (struct berth_demux_set *)(uintptr_t)value->owner
						: NULL;
}

static bool is_datagram(uint8_t protocol)
{
	return protocol == BERTH_UDP || protocol == BERTH_UDPLITE;
}

/* A socket of IPv6 that is bound to "any" of IPv4 as well. */
static bool is_dual(const struct berth_demux_socket *s)
{
	return berth_demux_is_zero_(&s->at.local) && !s->at.remote_port &&
	       !(s->flags & BERTH_DEMUX_V6ONLY);
}

static int check(const struct berth_demux_socket *s)
{
	static const uint8_t any4[16] = { [10] = 0xff, [11] = 0xff };
	const struct berth_flow *f = &s->at;

	if (!f->local_port || f->device >= BERTH_PAIR_MANY)
		return -EINVAL;
	if (!f->remote_port)
		return berth_demux_is_zero_(&f->remote) ? 0 : -EINVAL;
	if (berth_demux_family_(f) == BERTH_DEMUX_OF_MIXED || berth_demux_is_zero_(&f->local) ||
	    berth_demux_is_zero_(&f->remote) || !memcmp(f->local.byte, any4, 16) ||
	    !memcmp(f->remote.byte, any4, 16) || (s->flags & BERTH_DEMUX_REUSEPORT))
		return -EINVAL;
	return 0;
}

/* Where a socket stands: the table of its own family, or for a dual one with v4 set that of IPv4. */
static struct place place_of(struct berth_demux *d, const struct berth_demux_socket *s, bool v4)
{
	bool four = v4 || berth_demux_is_v4_(&s->at.local);
	uint32_t n = four ? 1 : 4;
	struct place p = { .four = four };

	berth_demux_full_key_(&s->at, n, &p.key);
	if (!s->at.remote_port)
		berth_demux_bound_key_(&p.key, n, v4);
	p.hash = berth_pair_hash(d->place_key, n, &p.key);
	return p;
}

/*
 * What a socket counts among those of its key. Linux: compute_score() of net/ipv4/inet_hashtables.c and
 * net/ipv4/udp.c. For listeners an interface and the packet's own family count alike, for datagrams the interface
 * counts more.
 */
static uint8_t rank_of(const struct berth_demux_socket *s, bool v4)
{
	bool family =
		v4 && !berth_demux_is_zero_(&s->at.local) && !(s->flags & BERTH_DEMUX_FAMILY6);

	return (uint8_t)((s->at.device ? is_datagram(s->at.protocol) ? 4 : 1 : 0) + family);
}

/* Behind the others of its rank: Linux puts such a socket at the end of its list. */
static bool goes_last(const struct berth_demux_candidate *c, bool six)
{
	return (c->flags & BERTH_DEMUX_REUSEPORT) && six;
}

/* The socket with those of its flags only that mean something for its address. */
static struct berth_demux_socket normal(const struct berth_demux_socket *s)
{
	struct berth_demux_socket out = *s;

	if (!berth_demux_is_zero_(&s->at.local))
		out.flags &= (uint8_t)~BERTH_DEMUX_V6ONLY;
	if (!berth_demux_is_v4_(&s->at.local))
		out.flags &= (uint8_t)~BERTH_DEMUX_FAMILY6;
	return out;
}

static bool alike(const struct berth_demux_candidate *c, const struct berth_demux_candidate *other)
{
	return !c->gone && c->device == other->device && c->rank == other->rank;
}

/* One that a single entry says all about; that of IPv4 has no room for an interface. */
static bool is_plain(const struct berth_demux_socket *s, bool four)
{
	return !s->flags && !is_dual(s) && !(four && s->at.device);
}

/* A candidate made of a socket; its value is the owner. */
static struct berth_demux_candidate candidate_of(const struct berth_demux_socket *s, bool v4)
{
	return (struct berth_demux_candidate){
		.device = s->at.device, .rank = rank_of(s, v4), .flags = s->flags, .value = s->owner
	};
}

/* What a single entry stands for: a plain socket. */
static struct berth_demux_candidate candidate_alone(const struct berth_pair_value *value,
						    uint8_t protocol, bool v4)
{
	struct berth_demux_candidate c = { .device = value->device, .value = value->owner };

	c.rank = (uint8_t)((c.device ? is_datagram(protocol) ? 4 : 1 : 0) + v4);
	return c;
}

static struct berth_demux_set *make_set(struct berth_demux *d, uint32_t count)
{
	struct berth_demux_set *set = d->memory.get(d->memory.context, set_size(count), 64);

	if (set) {
		memset(set, 0, set_size(count));
		d->set_bytes += set_size(count);
	}
	return set;
}

static void retire_set(struct berth_demux *d, struct berth_demux_set *set)
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
static void insert(struct berth_demux_set *out, const struct berth_demux_candidate *old,
		   uint32_t count, const struct berth_demux_candidate *fresh, bool last)
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
static int join(struct berth_demux *d, struct berth_demux_candidate *group, uint64_t owner)
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
static int publish(struct berth_demux *d, const struct place *at,
		   const struct berth_demux_candidate *fresh,
		   const struct berth_demux_candidate *old, uint32_t count, bool last, bool is_new)
{
	uint32_t live = 1, i;
	struct berth_pair_value value = { .device = BERTH_PAIR_MANY };
	struct berth_demux_set *set;
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
static int add_candidate(struct berth_demux *d, const struct place *at,
			 struct berth_demux_candidate *fresh,
			 const struct berth_demux_candidate *old, uint32_t count, bool last,
			 bool is_new)
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
	struct berth_demux_candidate fresh = candidate_of(s, four), alone, *old = &alone;
	struct berth_pair_value value;
	struct berth_demux_set *set = NULL;
	uint32_t count = 0, i;
	bool there = get(d, &at, &value);
	int err;

	if (there) {
		set = set_of(&value);
		alone = candidate_alone(&value, s->at.protocol, four);
		old = set ? set->candidate : &alone;
		count = set ? set->count : 1;
	} else if (is_plain(s, four)) {
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

static bool same_socket(const struct berth_demux_candidate *c,
			const struct berth_demux_candidate *like)
{
	if (!alike(c, like) || c->flags != like->flags)
		return false;
	return (c->flags & BERTH_DEMUX_REUSEPORT) || c->value == like->value;
}

/* The socket's candidate in a set, NULL where it has none. A group may turn out not to have that member. */
static struct berth_demux_candidate *in_set(struct berth_demux_set *set,
					    const struct berth_demux_candidate *like)
{
	uint32_t i;

	for (i = 0; i < set->count; i++)
		if (same_socket(&set->candidate[i], like))
			return &set->candidate[i];
	return NULL;
}

/* Marks a candidate; the key goes with its last one. */
static void leave_set(struct berth_demux *d, const struct place *at, struct berth_demux_set *set,
		      struct berth_demux_candidate *c)
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
	struct berth_demux_candidate like = candidate_of(s, at.four), *c;
	struct berth_demux_set *set;

	if (!get(d, &at, &value))
		return -ENOENT;
	set = set_of(&value);
	if (!set) {
		if (!is_plain(s, at.four) || value.device != s->at.device ||
		    value.owner != s->owner)
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
	uint64_t i;

	if (!d)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
	d->memory = *memory;
	d->key[0] = key[0];
	d->key[1] = key[1];
	for (i = 0; i < BERTH_PAIR_PLACE_KEYS; i++)
		d->place_key[i] = berth_siphash(key, &i, 1);
	d->v4.place_key = d->place_key;
	*out_demux = d;
	return 0;
}

/* With no reader left all of a key's memory goes at once. */
static void put_set(void *context, struct berth_pair_value value)
{
	const struct berth_demux *d = context;
	struct berth_demux_set *set = set_of(&value);
	uint32_t i;

	if (!set)
		return;
	for (i = 0; i < set->count; i++) {
		const struct berth_demux_candidate *c = &set->candidate[i];

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
