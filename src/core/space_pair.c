/* SPDX-License-Identifier: BSD-2-Clause */
/* Destinations, socket pairs, and the lanes of crowded destinations. */
#include <string.h>

#include "src/core/space.h"

#define CROWDED 8u /* a destination to which more than one in so many open ports is connected has a lane */
#define FEW 16u	   /* fewer open ports than this are walked */

static uint32_t dest_hash(const struct berth_space *sp, uint32_t local,
			  const struct berth_address *remote, uint32_t port)
{
	uint64_t word[2];

	memcpy(word, remote->byte, sizeof(word));
	return berth_space_mix(word[0] ^ sp->salt[0] ^ ((uint64_t)local << 48),
			       word[1] ^ sp->salt[1] ^ ((uint64_t)port << 16));
}

static uint32_t pair_hash(const struct berth_space *sp, uint32_t dest, uint32_t port)
{
	return berth_space_mix(sp->salt[0] ^ ((uint64_t)dest << 16 | port), sp->salt[1]);
}

static bool same_address(const struct berth_address *a, const struct berth_address *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a->byte, sizeof(x));
	memcpy(y, b->byte, sizeof(y));
	return x[0] == y[0] && x[1] == y[1];
}

uint32_t berth_space_dest_find(const struct berth_space *sp, uint16_t local,
			       const struct berth_address *remote, uint16_t port)
{
	const struct berth_space_dest *d;
	uint32_t i;

	if (!sp->dests.heads)
		return BERTH_SPACE_NONE;
	i = sp->dests.head[berth_space_head(&sp->dests, dest_hash(sp, local, remote, port))];
	for (; i != BERTH_SPACE_NONE; i = d->next) {
		d = &sp->dest[i];
		if (d->port == port && d->local == local && same_address(&d->remote, remote))
			break;
	}
	return i;
}

uint32_t berth_space_dest_get(struct berth_space *sp, uint16_t local,
			      const struct berth_address *remote, uint16_t port)
{
	uint32_t i = berth_space_dest_find(sp, local, remote, port), *head;

	if (i != BERTH_SPACE_NONE || sp->dests.free == BERTH_SPACE_NONE)
		return i;
	i = sp->dests.free;
	head = &sp->dests.head[berth_space_head(&sp->dests, dest_hash(sp, local, remote, port))];
	sp->dests.free = sp->dest[i].next;
	sp->dests.used++;
	sp->dest[i] = (struct berth_space_dest){ .remote = *remote,
						 .next = *head,
						 .port = port,
						 .local = local,
						 .lane = BERTH_SPACE_NO_LANE };
	*head = i;
	return i;
}

static void lane_drop(struct berth_space *sp, struct berth_space_dest *d)
{
	struct berth_space_lane *lane = &sp->lane[d->lane];

	if (lane->free.bag)
		berth_draw_return(&lane->free);
	lane->dest = BERTH_SPACE_NONE;
	d->lane = BERTH_SPACE_NO_LANE;
	sp->lanes_used--;
}

void berth_space_dest_put(struct berth_space *sp, uint32_t dest)
{
	struct berth_space_dest *d = &sp->dest[dest];
	uint32_t hash = dest_hash(sp, d->local, &d->remote, d->port);
	uint32_t *link = &sp->dests.head[berth_space_head(&sp->dests, hash)];

	if (d->pairs)
		return;
	if (d->lane != BERTH_SPACE_NO_LANE)
		lane_drop(sp, d);
	while (*link != dest)
		link = &sp->dest[*link].next;
	*link = d->next;
	d->next = sp->dests.free;
	sp->dests.free = dest;
	sp->dests.used--;
	if (sp->offset[dest % BERTH_SPACE_OFFSETS].dest == dest)
		sp->offset[dest % BERTH_SPACE_OFFSETS].dest = BERTH_SPACE_NONE;
}

uint32_t berth_space_pair_find(const struct berth_space *sp, uint32_t dest, uint16_t port)
{
	const struct berth_space_sock *s;
	uint32_t i = sp->socks.head[berth_space_head(&sp->socks, pair_hash(sp, dest, port))];

	for (; i != BERTH_SPACE_NONE; i = s->next) {
		s = &sp->sock[i];
		if (s->dest == dest && s->port == port)
			break;
	}
	return i;
}

/* The endpoint itself: a socket connected to that would be connected to itself. */
static bool is_self(const struct berth_space *sp, const struct berth_space_dest *d, uint16_t port)
{
	return d->port == port && same_address(&d->remote, &sp->local[d->local]->address);
}

bool berth_space_usable(const struct berth_space *sp, uint32_t dest, uint16_t port)
{
	const struct berth_space_dest *d = &sp->dest[dest];

	return berth_portset_has(&sp->local[d->local]->open->set, port) && !is_self(sp, d, port) &&
	       (!d->pairs || berth_space_pair_find(sp, dest, port) == BERTH_SPACE_NONE);
}

void berth_space_pair_add(struct berth_space *sp, uint32_t sock)
{
	struct berth_space_sock *s = &sp->sock[sock];
	struct berth_space_dest *d = &sp->dest[s->dest];
	uint32_t *head =
		&sp->socks.head[berth_space_head(&sp->socks, pair_hash(sp, s->dest, s->port))];

	s->next = *head;
	*head = sock;
	d->pairs++;
	if (d->lane != BERTH_SPACE_NO_LANE)
		berth_draw_remove(&sp->lane[d->lane].free, s->port);
}

void berth_space_pair_remove(struct berth_space *sp, uint32_t sock)
{
	struct berth_space_sock *s = &sp->sock[sock];
	struct berth_space_dest *d = &sp->dest[s->dest];
	struct berth_draw *open = sp->local[d->local]->open;
	uint32_t *link =
		&sp->socks.head[berth_space_head(&sp->socks, pair_hash(sp, s->dest, s->port))];

	while (*link != sock)
		link = &sp->sock[*link].next;
	*link = s->next;
	d->pairs--;
	if (d->lane == BERTH_SPACE_NO_LANE)
		return;
	if (d->pairs * CROWDED * 2 < open->set.count)
		lane_drop(sp, d);
	else if (berth_portset_has(&open->set, s->port) && !is_self(sp, d, s->port))
		berth_draw_add(&sp->lane[d->lane].free, s->port);
}

void berth_space_lanes_follow(struct berth_space *sp, uint16_t local, uint16_t port, bool open)
{
	uint32_t i, left = sp->lanes_used;

	for (i = 0; left && i < sp->lanes; i++) {
		struct berth_space_lane *lane = &sp->lane[i];

		if (lane->dest == BERTH_SPACE_NONE)
			continue;
		left--;
		if (sp->dest[lane->dest].local != local)
			continue;
		if (!open)
			berth_draw_remove(&lane->free, port);
		else if (berth_space_usable(sp, lane->dest, port))
			berth_draw_add(&lane->free, port);
	}
}

void berth_space_lane_fill(struct berth_space *sp, struct berth_space_lane *lane)
{
	const struct berth_space_dest *d = &sp->dest[lane->dest];
	const struct berth_space_local *l = sp->local[d->local];
	const struct berth_portset *open = &l->open->set;
	uint32_t w;

	if (lane->free.bag)
		berth_draw_return(&lane->free);
	lane->free.set = *open;
	/* Only a port that somebody has can be the port of a pair. */
	for (w = 0; w < BERTH_PORTSET_LEAVES; w++) {
		uint64_t busy = open->leaf[w] & ~l->idle.set.leaf[w];

		for (; busy; busy &= busy - 1) {
			uint32_t port = w << 6 | berth_ctz64(busy);

			if (berth_space_pair_find(sp, lane->dest, (uint16_t)port) !=
			    BERTH_SPACE_NONE)
				berth_draw_remove(&lane->free, port);
		}
	}
	if (is_self(sp, d, d->port))
		berth_draw_remove(&lane->free, d->port);
	if (!lane->free.bag && lane->free.set.count <= sp->stock.low)
		berth_draw_lend(&lane->free);
}

static struct berth_space_lane *lane_build(struct berth_space *sp, uint32_t dest)
{
	uint32_t i;

	for (i = 0; i < sp->lanes; i++)
		if (sp->lane[i].dest == BERTH_SPACE_NONE)
			break;
	if (i == sp->lanes)
		return NULL;
	sp->lane[i].dest = dest;
	sp->lanes_used++;
	sp->dest[dest].lane = (uint16_t)i;
	berth_space_lane_fill(sp, &sp->lane[i]);
	return &sp->lane[i];
}

struct berth_space_lane *berth_space_lane_of(struct berth_space *sp, uint32_t dest)
{
	const struct berth_space_dest *d = &sp->dest[dest];
	uint32_t open = sp->local[d->local]->open->set.count;

	if (d->lane != BERTH_SPACE_NO_LANE)
		return &sp->lane[d->lane];
	if (d->pairs * CROWDED < open || open <= FEW || sp->lanes_used == sp->lanes)
		return NULL;
	return lane_build(sp, dest);
}

static void chain(struct berth_space_table *t, uint32_t hash, uint32_t i, uint32_t *next)
{
	uint32_t *head = &t->head[berth_space_head(t, hash)];

	*next = *head;
	*head = i;
}

void berth_space_rehash(struct berth_space *sp)
{
	struct berth_space_table *t[3] = { &sp->socks, &sp->dests, &sp->shares };
	uint32_t i;

	for (i = 0; i < 3; i++) {
		t[i]->free = BERTH_SPACE_NONE;
		memset(t[i]->head, 0xff, t[i]->heads * sizeof(uint32_t));
	}
	for (i = sp->dests.room; i--;) {
		struct berth_space_dest *d = &sp->dest[i];

		if (d->pairs)
			chain(&sp->dests, dest_hash(sp, d->local, &d->remote, d->port), i,
			      &d->next);
		else
			d->next = sp->dests.free, sp->dests.free = i;
	}
	for (i = sp->socks.room; i--;) {
		struct berth_space_sock *s = &sp->sock[i];

		if (s->state == BERTH_RECORD_PAIR || s->state == BERTH_RECORD_REST_PAIR)
			chain(&sp->socks, pair_hash(sp, s->dest, s->port), i, &s->next);
		else if (s->state == BERTH_RECORD_FREE)
			s->next = sp->socks.free, sp->socks.free = i;
	}
	for (i = sp->shares.room; i--;) {
		struct berth_space_share *s = &sp->share[i];
		uint64_t key = (uint64_t)s->local << 16 | s->port;

		if (s->n)
			chain(&sp->shares,
			      berth_space_mix(sp->salt[0] ^ key, sp->salt[1] + s->group), i,
			      &s->next);
		else
			s->next = sp->shares.free, sp->shares.free = i;
	}
}
