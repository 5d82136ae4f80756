/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is on a port: counts and shares, the rule of sharing, and the sets that follow from them. */
#include "src/core/space_fast.h"

static uint32_t share_hash(const struct berth_space *sp, uint32_t local, uint32_t port,
			   uint32_t group)
{
	return berth_space_mix(sp->salt[0] ^ ((uint64_t)local << 16 | port), sp->salt[1] + group);
}

static uint32_t share_find(const struct berth_space *sp, uint32_t local, uint32_t port,
			   uint32_t group)
{
	uint32_t i;

	if (!berth_space_is_shared(sp, port))
		return BERTH_SPACE_NONE;
	i = sp->shares.head[berth_space_head(&sp->shares, share_hash(sp, local, port, group))];
	for (; i != BERTH_SPACE_NONE; i = sp->share[i].next)
		if (sp->share[i].local == local && sp->share[i].port == port &&
		    sp->share[i].group == group)
			break;
	return i;
}

static bool has_shares(const struct berth_space *sp, uint32_t local, uint32_t port)
{
	return share_find(sp, local, port, BERTH_SHARE_ALL) != BERTH_SPACE_NONE;
}

static uint32_t family_of(const struct berth_space_local *l)
{
	return BERTH_SHARE_FAMILY | l->family;
}

/*
 * Whether one scope has somebody that does not share with such a socket (inet_bind_conflict of Linux): both
 * REUSE and the other does not listen, or both REUSEPORT and one owner, where the other does not rest.
 */
static int share_conflict(const struct berth_space *sp, uint32_t local, uint16_t port,
			  uint16_t owner, unsigned flags)
{
	uint32_t at = share_find(sp, local, port, BERTH_SHARE_ALL), i, mate;
	const uint32_t group[2] = { owner, BERTH_SHARE_RESTING };
	const struct berth_space_share *all;
	uint32_t mates = 0;

	if (at == BERTH_SPACE_NONE)
		return 0;
	all = &sp->share[at];
	if (flags & BERTH_SPACE_REUSE)
		mates += all->reuse;
	for (i = 0; (flags & BERTH_SPACE_REUSEPORT) && i < 2; i++) {
		mate = share_find(sp, local, port, group[i]);
		if (mate == BERTH_SPACE_NONE)
			continue;
		mates += sp->share[mate].n;
		if (flags & BERTH_SPACE_REUSE)
			mates -= sp->share[mate].reuse;
	}
	if (mates == all->n)
		return 0;
	if (all->listens)
		return BERTH_SPACE_E_LISTENER;
	return all->rests == all->n ? BERTH_SPACE_E_RESTING : BERTH_SPACE_E_HELD;
}

/* Who is counted on a port of an address or wildcard: RESTING where all of them are firm and rest. */
static int why_counted(const struct berth_space *sp, const struct berth_space_local *l,
		       uint16_t port)
{
	uint32_t i, n = l->count[port];

	if (!l->wild || n > BERTH_SPACE_MOST)
		return n == BERTH_SPACE_FIRM_RESTS ? BERTH_SPACE_E_RESTING : BERTH_SPACE_E_HELD;
	for (i = 0; i < sp->locals; i++) {
		n = sp->local[i]->family == l->family ? sp->local[i]->count[port] : 0;
		if (sp->local[i] != l && n && n != BERTH_SPACE_FIRM_RESTS)
			return BERTH_SPACE_E_HELD;
	}
	return BERTH_SPACE_E_RESTING;
}

int berth_space_may_bind(const struct berth_space *sp, uint16_t local, uint16_t port,
			 uint16_t owner, unsigned flags)
{
	const struct berth_space_local *l = sp->local[local], *w = l->cover;
	int error, shares;

	if (l->count && l->count[port]) {
		error = why_counted(sp, l, port);
		shares = l->wild && error == BERTH_SPACE_E_RESTING
				 ? share_conflict(sp, family_of(l), port, owner, flags)
				 : 0;
		return shares ? shares : error;
	}
	if (l->wild)
		return share_conflict(sp, family_of(l), port, owner, flags);
	if (w && w->count && w->count[port] >= BERTH_SPACE_MOST)
		return why_counted(sp, w, port);
	error = share_conflict(sp, local, port, owner, flags);
	if (!error && w)
		error = share_conflict(sp, sp->wild[l->family], port, owner, flags);
	return error;
}

static void share_mark(struct berth_space *sp, uint32_t port, bool shared)
{
	uint64_t bit = 1ULL << (port & 63);

	if (shared)
		sp->shared[port >> 6] |= bit;
	else
		sp->shared[port >> 6] &= ~bit;
}

static void share_drop(struct berth_space *sp, uint32_t i)
{
	struct berth_space_share *s = &sp->share[i];
	uint32_t hash = share_hash(sp, s->local, s->port, s->group);
	uint32_t *link = &sp->shares.head[berth_space_head(&sp->shares, hash)];
	uint32_t port = s->port;

	while (*link != i)
		link = &sp->share[*link].next;
	*link = s->next;
	s->next = sp->shares.free;
	sp->shares.free = i;
	sp->shares.used--;
	/* A record of a family goes when the last of its addresses has gone. */
	if (!has_shares(sp, BERTH_SHARE_FAMILY, port) &&
	    !has_shares(sp, BERTH_SHARE_FAMILY | 1, port))
		share_mark(sp, port, false);
}

static struct berth_space_share *share_get(struct berth_space *sp, uint32_t local, uint32_t port,
					   uint32_t group)
{
	uint32_t i = share_find(sp, local, port, group), *head;

	if (i != BERTH_SPACE_NONE)
		return &sp->share[i];
	i = sp->shares.free;
	head = &sp->shares.head[berth_space_head(&sp->shares, share_hash(sp, local, port, group))];
	sp->shares.free = sp->share[i].next;
	sp->shares.used++;
	sp->share[i] = (struct berth_space_share){
		.local = (uint16_t)local, .port = (uint16_t)port, .group = group, .next = *head
	};
	*head = i;
	return &sp->share[i];
}

/* Adds a socket to one record, or takes it away (by is 1 or -1). */
static void share_add(struct berth_space *sp, uint32_t local, const struct berth_space_sock *s,
		      uint32_t group, uint32_t by)
{
	struct berth_space_share *x = share_get(sp, local, s->port, group);
	bool rests = s->state == BERTH_RECORD_REST_PORT || s->state == BERTH_RECORD_REST_PAIR;

	x->n += by;
	if ((s->flags & BERTH_SPACE_REUSE) && !(s->flags & BERTH_SPACE_LISTENS))
		x->reuse += by;
	if (s->flags & BERTH_SPACE_LISTENS)
		x->listens += by;
	if (rests)
		x->rests += by;
	if (!x->n)
		share_drop(sp, (uint32_t)(x - sp->share));
}

static void share_count(struct berth_space *sp, uint16_t local, const struct berth_space_sock *s,
			uint32_t by)
{
	const uint32_t scope[2] = { local, family_of(sp->local[local]) };
	bool rests = s->state == BERTH_RECORD_REST_PORT || s->state == BERTH_RECORD_REST_PAIR;
	uint32_t group = rests ? BERTH_SHARE_RESTING : s->owner, i;

	/* Before a record of the port is looked for, its bit must be set. */
	share_mark(sp, s->port, true);
	for (i = 0; i < 2; i++) {
		if (s->flags & BERTH_SPACE_REUSEPORT)
			share_add(sp, scope[i], s, group, by);
		share_add(sp, scope[i], s, BERTH_SHARE_ALL, by);
	}
}

int berth_space_may_listen(const struct berth_space *sp, uint16_t local,
			   const struct berth_space_sock *s)
{
	return berth_space_may_bind(sp, local, s->port, s->owner, s->flags);
}

static bool is_bound(const struct berth_space *sp, uint16_t local, uint32_t port)
{
	const struct berth_space_local *l = sp->local[local];

	return (l->count && l->count[port] >= BERTH_SPACE_FIRM_RESTS) ||
	       has_shares(sp, local, port);
}

static bool is_idle(const struct berth_space *sp, uint16_t local, uint32_t port)
{
	const struct berth_space_local *l = sp->local[local], *w = l->cover;

	if (l->count && l->count[port])
		return false;
	if (l->wild)
		return !has_shares(sp, family_of(l), port);
	return !has_shares(sp, local, port) &&
	       !(w && ((w->count && w->count[port] >= BERTH_SPACE_MOST) ||
		       is_bound(sp, sp->wild[l->family], port)));
}

static bool is_open(const struct berth_space *sp, uint16_t local, uint32_t port)
{
	const struct berth_space_local *l = sp->local[local], *w = l->cover;

	return !is_bound(sp, local, port) && !(w && is_bound(sp, sp->wild[l->family], port)) &&
	       l->count[port] < BERTH_SPACE_MOST && !(w && w->count[port] >= BERTH_SPACE_MOST);
}

static void set_open(struct berth_space *sp, uint16_t local, uint32_t port, bool open)
{
	struct berth_draw *d = sp->local[local]->open;

	if ((open ? berth_draw_add(d, (uint16_t)port) : berth_draw_remove(d, (uint16_t)port)) &&
	    sp->lanes_used)
		berth_space_lanes_follow(sp, local, (uint16_t)port, open);
}

static void settle_one(struct berth_space *sp, uint16_t local, uint32_t port, bool front)
{
	struct berth_space_local *l = sp->local[local];
	bool pool = berth_space_in_pool(sp, port);

	berth_space_set_idle(l, berth_draw_at((uint16_t)port), pool && is_idle(sp, local, port),
			     front);
	if (l->open)
		set_open(sp, local, port, pool && is_open(sp, local, port));
}

/* True for a count of a wildcard that is full, or was. */
static bool is_full(uint32_t n)
{
	return n == BERTH_SPACE_MOST || n == BERTH_SPACE_MOST - 1;
}

void berth_space_settle(struct berth_space *sp, uint16_t local, uint32_t port)
{
	const struct berth_space_local *l = sp->local[local];
	uint16_t i;

	/* Where the wildcard's count becomes full, or is no longer, each address has the port less, or more. */
	if (!l->wild && !(l->cover && l->cover->count && is_full(l->cover->count[port]))) {
		settle_one(sp, local, port, false);
		if (l->cover)
			settle_one(sp, sp->wild[l->family], port, false);
		return;
	}
	for (i = 0; i < sp->locals; i++)
		if (sp->local[i]->family == l->family)
			settle_one(sp, i, port, false);
}

/* Counts a firm socket on its port, and once on that of the wildcard, or no longer. */
static void count_firm(struct berth_space_local *l, uint32_t port, bool more)
{
	l->count[port] = more ? BERTH_SPACE_FIRM : 0;
	if (l->cover)
		l->cover->count[port] = (uint16_t)(l->cover->count[port] + (more ? 1 : 0xffff));
}

void berth_space_enter(struct berth_space *sp, uint16_t local, const struct berth_space_sock *s)
{
	if (s->flags & BERTH_SPACE_PLAIN)
		count_firm(sp->local[local], s->port, true);
	else
		share_count(sp, local, s, 1);
	berth_space_settle(sp, local, s->port);
}

void berth_space_leave(struct berth_space *sp, uint16_t local, const struct berth_space_sock *s)
{
	if (s->flags & BERTH_SPACE_PLAIN)
		count_firm(sp->local[local], s->port, false);
	else
		share_count(sp, local, s, -1u);
	berth_space_settle(sp, local, s->port);
}

static void bag_back(struct berth_draw *d)
{
	if (d && d->bag)
		berth_draw_return(d);
}

/* True where the 64 ports of a leaf are neither of the range nor, from a range before, in the sets. */
static bool is_outside(const struct berth_space *sp, const struct berth_space_local *l,
		       uint32_t leaf)
{
	return (leaf < sp->config.first >> 6 || leaf > sp->config.last >> 6) &&
	       !l->idle.set.leaf[leaf] && !(l->open && l->open->set.leaf[leaf]);
}

static void settle_local(struct berth_space *sp, uint16_t local)
{
	uint32_t port = 65535, leaf;

	/* Downwards: what is new comes first in the order, the lowest before the others. */
	while (port) {
		leaf = port >> 6;
		if (is_outside(sp, sp->local[local], leaf))
			port = leaf ? (leaf << 6) - 1 : 0;
		else
			settle_one(sp, local, port--, true);
	}
}

void berth_space_settle_all(struct berth_space *sp)
{
	uint32_t i;

	for (i = 0; i < sp->lanes; i++)
		bag_back(&sp->lane[i].free);
	for (i = 0; i < sp->locals; i++) {
		bag_back(&sp->local[i]->idle);
		bag_back(sp->local[i]->open);
	}
	for (i = 0; i < sp->locals; i++)
		settle_local(sp, (uint16_t)i);
}
