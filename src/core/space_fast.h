/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps that each bind, connect and release take, to be compiled into their callers: a call with its saving of
 * registers takes 20 instructions, and there would be ten.
 *
 * What is left: a connect with its release are 335 to 425 instructions by policy and occupancy, 22 of them the
 * caller's (callgrind; nearly half are loads and stores, all but two of them in the first cache), and one wrong guess
 * of a branch in three such pairs at most: 15 to 21 ns at 4 GHz and five instructions a cycle. So a processor that shares
 * its units with a busy one takes half as long again, as nothing here waits for memory.
 */
#ifndef BERTH_CORE_SPACE_FAST_H
#define BERTH_CORE_SPACE_FAST_H

#include <string.h>

#include "src/core/space.h"

/* Connections on one port of an address, and of a family where it has a wildcard, at most. */
#define BERTH_SPACE_MOST 65533u

BERTH_INLINE bool berth_space_same(const struct berth_address *a, const struct berth_address *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a->byte, sizeof(x));
	memcpy(y, b->byte, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* Local address and remote port in one word; never 0, port 0 included. */
BERTH_INLINE uint64_t berth_space_where(uint16_t local, uint16_t port)
{
	return ((uint64_t)port << 16 | local) + 1;
}

BERTH_INLINE bool berth_space_is_recent(const struct berth_space *sp, uint16_t local,
					const struct berth_address *remote, uint16_t port)
{
	return sp->recent.where == berth_space_where(local, port) &&
	       berth_space_same(&sp->recent.remote, remote);
}

BERTH_INLINE uint32_t berth_space_dest_hash(const struct berth_space *sp, uint32_t local,
					    const struct berth_address *remote, uint32_t port)
{
	uint64_t word[2];

	memcpy(word, remote->byte, sizeof(word));
	return berth_space_mix(word[0] ^ sp->salt[0] ^ ((uint64_t)local << 48),
			       word[1] ^ sp->salt[1] ^ ((uint64_t)port << 16));
}

BERTH_INLINE uint32_t *berth_space_pair_head(const struct berth_space *sp, uint32_t dest,
					     uint32_t port)
{
	uint32_t hash = berth_space_mix(sp->salt[0] ^ ((uint64_t)dest << 16 | port), sp->salt[1]);

	return &sp->socks.head[berth_space_head(&sp->socks, hash)];
}

/* Number of the destination, or NONE. */
BERTH_INLINE uint32_t berth_space_dest_find(const struct berth_space *sp, uint16_t local,
					    const struct berth_address *remote, uint16_t port)
{
	const struct berth_space_dest *d;
	uint32_t i;

	if (!sp->dests.room)
		return BERTH_SPACE_NONE;
	if (port && berth_space_is_recent(sp, local, remote, port))
		return sp->recent.dest;
	i = sp->dests.head[berth_space_head(&sp->dests,
					    berth_space_dest_hash(sp, local, remote, port))];
	for (; i != BERTH_SPACE_NONE; i = d->next) {
		d = &sp->dest[i];
		if (d->port == port && d->local == local && berth_space_same(&d->remote, remote))
			break;
	}
	return i;
}

/* Number of the socket record of a pair, or NONE. */
BERTH_INLINE uint32_t berth_space_pair_find(const struct berth_space *sp, uint32_t dest,
					    uint16_t port)
{
	const struct berth_space_sock *s;
	uint32_t i = *berth_space_pair_head(sp, dest, port);

	for (; i != BERTH_SPACE_NONE; i = s->next) {
		s = &sp->sock[i];
		if (s->dest == dest && s->port == port)
			break;
	}
	return i;
}

/* The endpoint itself: a socket connected to that would be connected to itself. */
BERTH_INLINE bool berth_space_is_self(const struct berth_space *sp,
				      const struct berth_space_dest *d, uint16_t port)
{
	return d->port == port && berth_space_same(&d->remote, &sp->local[d->local]->address);
}

/* True where connect may choose the port, which is open, for destination number dest, d. */
BERTH_INLINE bool berth_space_fits(const struct berth_space *sp, const struct berth_space_dest *d,
				   uint32_t dest, uint16_t port)
{
	/* Where nobody is on the port there is no pair. */
	return !berth_space_is_self(sp, d, port) &&
	       (berth_portset_has(&sp->local[d->local]->idle.set, port) ||
		berth_space_pair_find(sp, dest, port) == BERTH_SPACE_NONE);
}

/* True where connect may choose the port for the destination. */
BERTH_INLINE bool berth_space_usable(const struct berth_space *sp, uint32_t dest, uint16_t port)
{
	const struct berth_space_dest *d = &sp->dest[dest];

	return berth_portset_has(&sp->local[d->local]->open->set, port) &&
	       berth_space_fits(sp, d, dest, port);
}

/* Puts a socket record, whose destination d and port are set, into the table of pairs; the lane does not follow. */
BERTH_INLINE void berth_space_pair_add(struct berth_space *sp, struct berth_space_dest *d,
				       struct berth_space_sock *s, uint32_t sock)
{
	uint32_t *head = berth_space_pair_head(sp, s->dest, s->port);

	s->next = *head;
	*head = sock;
	d->pairs++;
}

/* Takes it out. */
BERTH_INLINE void berth_space_pair_remove(struct berth_space *sp, struct berth_space_dest *d,
					  struct berth_space_sock *s, uint32_t sock)
{
	uint32_t *link = berth_space_pair_head(sp, s->dest, s->port);

	while (*link != sock)
		link = &sp->sock[*link].next;
	*link = s->next;
	d->pairs--;
}

/* Takes a port from the idle ones of an address, where it is; the order of longest-idle follows. */
BERTH_INLINE void berth_space_idle_cut(struct berth_space_local *l, struct berth_draw_at at)
{
	struct berth_space_order *o = l->order;

	berth_draw_cut(&l->idle, at);
	if (o) {
		o->next[o->prev[at.port]] = o->next[at.port];
		o->prev[o->next[at.port]] = o->prev[at.port];
	}
}

/* Puts it there, where it is not, as the one that was left last, or, front, longest ago. */
BERTH_INLINE void berth_space_idle_put(struct berth_space_local *l, struct berth_draw_at at,
				       bool front)
{
	struct berth_space_order *o = l->order;

	berth_draw_put(&l->idle, at);
	if (o) {
		uint16_t before = front ? 0 : o->prev[0], after = front ? o->next[0] : 0;

		o->prev[at.port] = before;
		o->next[at.port] = after;
		o->next[before] = o->prev[after] = (uint16_t)at.port;
	}
}

/* A port is idle, or not, whatever it was. */
BERTH_INLINE void berth_space_set_idle(struct berth_space_local *l, struct berth_draw_at at,
				       bool idle, bool front)
{
	if (berth_draw_has(&l->idle, at) == idle)
		return;
	if (idle)
		berth_space_idle_put(l, at, front);
	else
		berth_space_idle_cut(l, at);
}

/* What connect chooses from on an address, where no lane is: the open ports, or those that nobody has. */
BERTH_INLINE struct berth_draw *berth_space_choice_of(const struct berth_space *sp,
						      struct berth_space_local *l)
{
	return sp->alone ? &l->idle : l->open;
}

/* The lane of the recent destination; NULL: it has none. One is built where it is worth it. */
BERTH_INLINE struct berth_space_lane *berth_space_lane_of(struct berth_space *sp,
							  const struct berth_space_recent *r)
{
	uint32_t open;

	if (r->d->lane != BERTH_SPACE_NO_LANE)
		return &sp->lane[r->d->lane];
	open = r->l->open->set.count;
	if (BERTH_LIKELY(r->d->pairs * BERTH_SPACE_CROWDED < open || open <= BERTH_SPACE_FEW ||
			 sp->alone))
		return NULL;
	return berth_space_lane_build(sp, r->dest);
}

/* A destination has a pair less: true where it is to lose its lane, or its place among the destinations. */
BERTH_INLINE bool berth_space_is_thin(const struct berth_space *sp,
				      const struct berth_space_local *l,
				      const struct berth_space_dest *d)
{
	if (d->lane != BERTH_SPACE_NO_LANE)
		return d->pairs * BERTH_SPACE_CROWDED * 2 <= l->open->set.count;
	return !d->pairs && d != sp->recent.d;
}

/* Counts a connection whose port connect chose; the port was open, so nobody is bound to it. */
BERTH_INLINE void berth_space_enter_plain(struct berth_space *sp, struct berth_space_local *l,
					  uint16_t local, struct berth_draw_at at)
{
	struct berth_space_local *w = l->cover;
	uint32_t n = ++l->count[at.port];

	if (n == 1)
		berth_space_idle_cut(l, at);
	if (w) {
		n |= ++w->count[at.port];
		berth_space_set_idle(w, at, false, false);
	}
	if (!BERTH_LIKELY(n < BERTH_SPACE_MOST / 2))
		berth_space_settle(sp, local, at.port);
}

/* No longer. A port that is still open has no other users than such, and is in the pool. */
BERTH_INLINE void berth_space_leave_plain(struct berth_space *sp, struct berth_space_local *l,
					  uint16_t local, struct berth_draw_at at, bool open)
{
	struct berth_space_local *w = l->cover;

	if (!--l->count[at.port] && open)
		berth_space_idle_put(l, at, false);
	if (w) {
		/* Shares on other addresses, of either family. */
		open = open && !berth_space_is_shared(sp, at.port);
		if (!--w->count[at.port] && open)
			berth_space_idle_put(w, at, false);
	}
	if (!BERTH_LIKELY(open))
		berth_space_settle(sp, local, at.port);
}

/* Counts a socket that shares with nobody on a port of an address, no wildcard, that was idle. */
BERTH_INLINE void berth_space_enter_firm(struct berth_space *sp, struct berth_space_local *l,
					 uint16_t local, struct berth_draw_at at)
{
	struct berth_space_local *w = l->cover;
	uint32_t n = 1;

	l->count[at.port] = BERTH_SPACE_FIRM;
	berth_space_idle_cut(l, at);
	berth_draw_cut(l->open, at);
	if (w) {
		n = ++w->count[at.port];
		berth_space_set_idle(w, at, false, false);
	}
	if (!BERTH_LIKELY(n < BERTH_SPACE_MOST / 2))
		berth_space_settle(sp, local, at.port);
	if (!BERTH_LIKELY(!sp->lanes_used))
		berth_space_lanes_follow(sp, local, (uint16_t)at.port, false);
}

/* No longer. */
BERTH_INLINE void berth_space_leave_firm(struct berth_space *sp, struct berth_space_local *l,
					 uint16_t local, struct berth_draw_at at)
{
	struct berth_space_local *w = l->cover;
	uint32_t n = w ? --w->count[at.port] : 0;

	l->count[at.port] = 0;
	/* Beside others, shares on other addresses. */
	if (!BERTH_LIKELY(n < BERTH_SPACE_MOST / 2) || berth_space_is_shared(sp, at.port)) {
		berth_space_settle(sp, local, at.port);
		return;
	}
	if (!BERTH_LIKELY(berth_space_in_pool(sp, at.port)))
		return;
	berth_space_idle_put(l, at, false);
	berth_draw_put(l->open, at);
	if (w && !n)
		berth_space_idle_put(w, at, false);
	if (!BERTH_LIKELY(!sp->lanes_used))
		berth_space_lanes_follow(sp, local, (uint16_t)at.port, true);
}

#endif
