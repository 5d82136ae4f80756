/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The room of a port space: what depends on how many sockets there may be and on the ephemeral range.
 *
 * A change is got ahead and then taken into use, which cannot fail: so several spaces change together, or none does.
 */
#include "src/core/space_fast.h"

#include <string.h>

#define MOST_SOCKETS (1u << 24)
#define SHARE_RECORDS 4u /* a share is counted for its address and its family, there by kind */

/* The lowest port of a range that may be chosen: no system port. */
static uint16_t lowest_of(const struct berth_space *sp, uint16_t first)
{
	return first < sp->config.system_end ? sp->config.system_end : first;
}

static struct berth_draw_span span_of(const struct berth_space *sp, uint16_t first, uint16_t last)
{
	return berth_draw_span(lowest_of(sp, first), last, sp->config.part, sp->config.parts);
}

static uint32_t pool_of(const struct berth_space *sp, uint16_t first, uint16_t last)
{
	uint32_t port, n = 0;

	for (port = lowest_of(sp, first); port <= last; port++)
		n += berth_space_is_own(sp, port);
	return n;
}

void berth_space_measure(struct berth_space *sp)
{
	const struct berth_space_config *c = &sp->config;
	struct berth_draw_span span = span_of(sp, c->first, c->last);

	/* A counter may stand at the length of the range before, where that means 0. */
	if (sp->range)
		berth_space_forget_offsets(sp);
	sp->range = (uint32_t)c->last - c->first + 1;
	sp->lowest = lowest_of(sp, c->first);
	sp->pool = pool_of(sp, c->first, c->last);
	berth_draw_stock_init(&sp->stock, &span);
	berth_space_weigh_luck(sp);
	berth_space_forget_offsets(sp);
}

static uint32_t heads_for(uint32_t records)
{
	return records / 4 * 3 + 1;
}

static size_t bag_bytes(uint32_t room)
{
	return (sizeof(struct berth_bag) + room * sizeof(uint16_t) + 7) & ~(size_t)7;
}

static struct berth_bag *bag_at(const struct berth_space_tables *t, uint32_t i)
{
	return (struct berth_bag *)((char *)t->bags + i * bag_bytes(t->bag_room));
}

/* How many destinations can be crowded, and how many sets can be so thin that they take a bag. */
static void plan(const struct berth_space *sp, struct berth_space_tables *t)
{
	uint64_t sockets = t->room.sockets, alone = t->room.destinations;
	const struct berth_draw_span span = span_of(sp, t->first, t->last);
	uint64_t pool = pool_of(sp, t->first, t->last), lanes, thin;

	pool = pool ? pool : 1;
	alone = alone > sockets ? sockets : alone;
	lanes = (sockets - alone + 1) * 8 / pool + 2;
	lanes = lanes > t->room.destinations ? t->room.destinations : lanes;
	lanes = lanes > sockets / 16 + 1 ? sockets / 16 + 1 : lanes;
	t->lanes = lanes > 65534 ? 65534 : (uint32_t)lanes;
	thin = sockets * 4 / pool + 2;
	if (thin > t->lanes + 2 * sp->locals + 2)
		thin = t->lanes + 2 * sp->locals + 2;
	t->bag_room = berth_draw_room(&span);
	t->bags_count = sp->config.policy == BERTH_SPACE_UNIFORM ||
					sp->config.policy == BERTH_SPACE_RANDOM_RETRY
				? (uint32_t)thin
				: 0;
}

struct berth_space_tables berth_space_tables_of(const struct berth_space *sp)
{
	return (struct berth_space_tables){
		.sock = sp->sock,
		.dest = sp->dest,
		.share = sp->share,
		.lane = sp->lane,
		.head = { sp->socks.head, sp->dests.head, sp->shares.head },
		.shared = sp->shared,
		.bags = sp->bags,
		.room = sp->room,
		.lanes = sp->lanes,
		.bags_count = sp->bags_count,
		.bag_room = sp->bag_room,
		.first = sp->config.first,
		.last = sp->config.last,
	};
}

/* One list for getting and for giving back. */
#define PARTS 9
struct part {
	void **memory;
	size_t size;
};

static void parts_of(struct berth_space_tables *t, struct part *part)
{
	uint32_t shares = t->room.shares * SHARE_RECORDS;
	const struct part list[PARTS] = {
		{ (void **)&t->sock, t->room.sockets * sizeof(*t->sock) },
		{ (void **)&t->dest, t->room.destinations * sizeof(*t->dest) },
		{ (void **)&t->share, shares * sizeof(*t->share) },
		{ (void **)&t->lane, t->lanes * sizeof(*t->lane) },
		{ (void **)&t->head[0], heads_for(t->room.sockets) * sizeof(uint32_t) },
		{ (void **)&t->head[1], heads_for(t->room.destinations) * sizeof(uint32_t) },
		{ (void **)&t->head[2], heads_for(shares) * sizeof(uint32_t) },
		{ (void **)&t->shared, shares ? BERTH_PORTSET_LEAVES * sizeof(uint64_t) : 0 },
		{ (void **)&t->bags, t->bags_count * bag_bytes(t->bag_room) },
	};

	memcpy(part, list, sizeof(list));
}

void berth_space_tables_free(struct berth_space *sp, struct berth_space_tables *t)
{
	struct part part[PARTS];
	int i;

	parts_of(t, part);
	for (i = 0; i < PARTS; i++)
		berth_space_put_memory(sp, *part[i].memory, part[i].size);
}

/* All that has a size, or nothing. */
static bool get_parts(struct berth_space *sp, struct berth_space_tables *t)
{
	struct part part[PARTS];
	bool all = true;
	int i;

	parts_of(t, part);
	for (i = 0; i < PARTS; i++) {
		*part[i].memory = part[i].size ? berth_space_get_memory(sp, part[i].size) : NULL;
		all &= *part[i].memory || !part[i].size;
	}
	if (!all)
		berth_space_tables_free(sp, t);
	return all;
}

static void copy_records(struct berth_space *sp, struct berth_space_tables *t)
{
	uint32_t i;

	if (sp->sock)
		memcpy(t->sock, sp->sock, sp->room.sockets * sizeof(*t->sock));
	for (i = sp->room.sockets; i < t->room.sockets; i++)
		t->sock[i].timer.prev = BERTH_WHEEL_OUT;
	if (sp->dest)
		memcpy(t->dest, sp->dest, sp->room.destinations * sizeof(*t->dest));
	if (sp->share)
		memcpy(t->share, sp->share, sp->room.shares * SHARE_RECORDS * sizeof(*t->share));
	if (sp->shared)
		memcpy(t->shared, sp->shared, BERTH_PORTSET_LEAVES * sizeof(uint64_t));
	/* Lanes are hints that a connect builds again. */
	for (i = 0; i < t->room.destinations; i++)
		t->dest[i].lane = BERTH_SPACE_NO_LANE;
	for (i = 0; i < t->lanes; i++) {
		t->lane[i].dest = BERTH_SPACE_NONE;
		t->lane[i].free.stock = &sp->stock;
	}
}

static void bags_back(struct berth_space *sp)
{
	uint32_t i;

	for (i = 0; i < sp->locals; i++) {
		struct berth_space_local *l = sp->local[i];

		if (l->idle.bag)
			berth_draw_return(&l->idle);
		if (l->open && l->open->bag)
			berth_draw_return(l->open);
	}
}

void berth_space_tables_use(struct berth_space *sp, struct berth_space_tables *t)
{
	struct berth_space_tables old = berth_space_tables_of(sp);
	uint32_t i;

	if (t->first != old.first || t->last != old.last) {
		sp->config.first = t->first;
		sp->config.last = t->last;
		berth_space_measure(sp);
	}
	if (!t->room.sockets) {
		sp->room = t->room;
		berth_space_settle_all(sp);
		return;
	}
	berth_space_forget_recent(sp);
	copy_records(sp, t);
	bags_back(sp);
	sp->sock = t->sock;
	sp->dest = t->dest;
	sp->share = t->share;
	sp->lane = t->lane;
	sp->socks.head = t->head[0];
	sp->dests.head = t->head[1];
	sp->shares.head = t->head[2];
	sp->shared = t->shared;
	sp->bags = t->bags;
	sp->room = t->room;
	sp->lanes = t->lanes;
	sp->lanes_used = 0;
	sp->bags_count = t->bags_count;
	sp->bag_room = t->bag_room;
	sp->socks.room = t->room.sockets;
	sp->dests.room = t->room.destinations;
	sp->shares.room = t->room.shares * SHARE_RECORDS;
	sp->socks.heads = heads_for(sp->socks.room);
	sp->dests.heads = heads_for(sp->dests.room);
	sp->shares.heads = heads_for(sp->shares.room);
	sp->stock.bags = NULL;
	for (i = 0; i < t->bags_count; i++) {
		bag_at(t, i)->room = t->bag_room;
		bag_at(t, i)->next = sp->stock.bags;
		sp->stock.bags = bag_at(t, i);
	}
	berth_space_tables_free(sp, &old);
	berth_space_rehash(sp);
	berth_space_settle_all(sp);
}

#define COUNT_BYTES (BERTH_PORTS * sizeof(uint16_t))

int berth_space_local_room(struct berth_space *sp, struct berth_space_local *l)
{
	if (!l->count)
		l->count = berth_space_get_memory(sp, COUNT_BYTES);
	if (l->count && !l->open && !l->wild) {
		l->open = berth_space_get_memory(sp, sizeof(*l->open));
		if (l->open)
			l->open->stock = &sp->stock;
	}
	return l->count && (l->open || l->wild) ? 0 : BERTH_SPACE_E_MEMORY;
}

void berth_space_local_room_back(struct berth_space *sp, struct berth_space_local *l)
{
	berth_space_put_memory(sp, l->count, COUNT_BYTES);
	berth_space_put_memory(sp, l->open, sizeof(*l->open));
	l->count = NULL;
	l->open = NULL;
}

static uint32_t greater(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void berth_space_tables_put(struct berth_space *sp, struct berth_space_tables *t)
{
	uint32_t i;

	if (!t->room.sockets)
		return;
	berth_space_tables_free(sp, t);
	/* All addresses have their room or none has, and where there was none for sockets none had. */
	for (i = 0; !sp->room.sockets && i < sp->locals; i++)
		berth_space_local_room_back(sp, sp->local[i]);
}

int berth_space_tables_get(struct berth_space *sp, const struct berth_space_room *room,
			   uint16_t first, uint16_t last, struct berth_space_tables *t)
{
	uint32_t i;

	*t = (struct berth_space_tables){ .room = { greater(room->sockets, sp->room.sockets),
						    greater(room->destinations,
							    sp->room.destinations),
						    greater(room->shares, sp->room.shares) },
					  .first = first,
					  .last = last };
	if (t->room.sockets > MOST_SOCKETS || t->room.destinations > MOST_SOCKETS ||
	    t->room.shares > MOST_SOCKETS || !first || first > last)
		return BERTH_SPACE_E_INVALID;
	if (!t->room.sockets)
		return 0;
	plan(sp, t);
	if (!get_parts(sp, t))
		return BERTH_SPACE_E_MEMORY;
	for (i = 0; i < sp->locals; i++)
		if (berth_space_local_room(sp, sp->local[i])) {
			berth_space_tables_put(sp, t);
			return BERTH_SPACE_E_MEMORY;
		}
	return 0;
}

int berth_space_make_room(struct berth_space *sp, const struct berth_space_room *room)
{
	struct berth_space_tables t;
	int error = berth_space_tables_get(sp, room, sp->config.first, sp->config.last, &t);

	if (!error)
		berth_space_tables_use(sp, &t);
	return error;
}

int berth_space_set_range(struct berth_space *sp, uint16_t first, uint16_t last)
{
	struct berth_space_tables t;
	int error = berth_space_tables_get(sp, &sp->room, first, last, &t);

	if (!error)
		berth_space_tables_use(sp, &t);
	return error;
}
