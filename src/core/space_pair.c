/* SPDX-License-Identifier: BSD-2-Clause */
/* Destinations, socket pairs, and the lanes of crowded destinations. */
#include "src/core/space_fast.h"

static uint32_t *dest_head(const struct berth_space *sp, uint16_t local,
			   const struct berth_address *remote, uint16_t port)
{
	uint32_t hash = berth_space_dest_hash(sp, local, remote, port);

	return &sp->dests.head[berth_space_head(&sp->dests, hash)];
}

uint32_t berth_space_dest_get(struct berth_space *sp, uint16_t local,
			      const struct berth_address *remote, uint16_t port)
{
	uint32_t i = berth_space_dest_find(sp, local, remote, port), *head;

	if (i != BERTH_SPACE_NONE)
		return i;
	if (sp->dests.free == BERTH_SPACE_NONE)
		berth_space_forget_recent(sp);
	i = sp->dests.free;
	if (i == BERTH_SPACE_NONE)
		return i;
	head = dest_head(sp, local, remote, port);
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

bool berth_space_turn_to(struct berth_space *sp, uint16_t local, const struct berth_address *remote,
			 uint16_t port)
{
	struct berth_space_recent *r = &sp->recent;
	struct berth_space_offset o;
	uint32_t dest;

	if (r->where && !r->d->pairs)
		berth_space_forget_recent(sp);
	dest = berth_space_dest_get(sp, local, remote, port);
	if (dest == BERTH_SPACE_NONE)
		return false;
	o = berth_space_offset_of(sp, dest);
	r->remote = sp->dest[dest].remote;
	r->where = berth_space_where(local, port);
	r->dest = dest;
	r->d = &sp->dest[dest];
	r->l = sp->local[local];
	r->offset = o.offset;
	r->counter = sp->counters ? &sp->counters[o.slot] : &sp->counter;
	return true;
}

void berth_space_forget_recent(struct berth_space *sp)
{
	uint32_t dest = sp->recent.dest;

	if (!sp->recent.where)
		return;
	sp->recent = (struct berth_space_recent){ .where = 0 };
	berth_space_dest_put(sp, dest);
}

void berth_space_lane_drop(struct berth_space *sp, uint32_t dest)
{
	struct berth_space_dest *d = &sp->dest[dest];
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
	uint32_t *link;

	if (d->pairs)
		return;
	if (d->lane != BERTH_SPACE_NO_LANE)
		berth_space_lane_drop(sp, dest);
	if (d == sp->recent.d)
		return;
	link = dest_head(sp, d->local, &d->remote, d->port);
	while (*link != dest)
		link = &sp->dest[*link].next;
	*link = d->next;
	d->next = sp->dests.free;
	sp->dests.free = dest;
	sp->dests.used--;
}

void berth_space_dest_thin(struct berth_space *sp, uint32_t dest)
{
	if (sp->dest[dest].pairs)
		berth_space_lane_drop(sp, dest);
	else
		berth_space_dest_put(sp, dest);
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
				berth_draw_remove(&lane->free, (uint16_t)port);
		}
	}
	if (berth_space_is_self(sp, d, d->port))
		berth_draw_remove(&lane->free, d->port);
}

struct berth_space_lane *berth_space_lane_build(struct berth_space *sp, uint32_t dest)
{
	uint32_t i;

	if (sp->lanes_used == sp->lanes)
		return NULL;
	for (i = 0; i < sp->lanes; i++)
		if (sp->lane[i].dest == BERTH_SPACE_NONE)
			break;
	sp->lane[i].dest = dest;
	sp->lanes_used++;
	sp->dest[dest].lane = (uint16_t)i;
	berth_space_lane_fill(sp, &sp->lane[i]);
	return &sp->lane[i];
}

static void chain(uint32_t *head, uint32_t i, uint32_t *next)
{
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
			chain(dest_head(sp, d->local, &d->remote, d->port), i, &d->next);
		else
			d->next = sp->dests.free, sp->dests.free = i;
	}
	for (i = sp->socks.room; i--;) {
		struct berth_space_sock *s = &sp->sock[i];

		if (s->state == BERTH_RECORD_PAIR || s->state == BERTH_RECORD_REST_PAIR)
			chain(berth_space_pair_head(sp, s->dest, s->port), i, &s->next);
		else if (s->state == BERTH_RECORD_FREE)
			s->next = sp->socks.free, sp->socks.free = i;
	}
	for (i = sp->shares.room; i--;) {
		struct berth_space_share *s = &sp->share[i];
		uint64_t key = (uint64_t)s->local << 16 | s->port;

		if (s->n)
			chain(&sp->shares.head[berth_space_head(
				      &sp->shares,
				      berth_space_mix(sp->salt[0] ^ key, sp->salt[1] + s->group))],
			      i, &s->next);
		else
			s->next = sp->shares.free, sp->shares.free = i;
	}
}
