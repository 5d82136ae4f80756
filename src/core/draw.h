/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of ports that changes often and that ports are drawn from, each equally likely.
 *
 * Why: the sums of a berth_portset make the k-th member a matter of 8 ns, but cost 5 ns at each change, twice
 * for each port that is taken and given back. Here only the leaves are right at all times. `mid` and `top` have a bit
 * for each that is not empty, and may have more: a search that meets an empty one clears its bit, so that each change
 * pays for one step at most, and taking a port and giving it back touches neither. Sums are made when they are needed.
 * Draws go by rejection while at least three quarters of the range are in
 * the set (1.3 tries on average; more cost a wrong guess of the processor each), from then on by a bag: an array
 * of the members that a draw takes a place out of.
 *
 * Invariants of the bag: each member of the set is in it once; what is in it and not in the set is stale,
 * is met by a draw at times, and is then thrown out; bit p of in is set <=> port p is in the bag. A bag is lent by
 * a stock that was filled ahead; where the stock is empty, draws fall back on counting, 1 us each, and are as exact.
 *
 * Not synchronised.
 */
#ifndef BERTH_CORE_DRAW_H
#define BERTH_CORE_DRAW_H

#include "src/core/portset.h"

/* The ports of a range that belong to one of several parts, by leaves of 64; one part has all. */
struct berth_draw_span {
	uint16_t first, last;
	uint32_t leaf, leaves; /* the first own leaf, and how many there are, each parts further */
	uint32_t parts;
};

struct berth_bag {
	struct berth_bag *next; /* in the stock */
	uint64_t in[BERTH_PORTSET_LEAVES];
	uint32_t count, room;
	uint32_t at; /* place of the last draw */
	uint16_t item[];
};

struct berth_draw_stock {
	struct berth_bag *bags;
	struct berth_draw_span span;
	uint32_t low,
		high; /* a draw from at most low members takes a bag; above high it goes back */
};

struct berth_draw {
	struct berth_portset set;
	struct berth_bag *bag;
	struct berth_draw_stock *stock;
};

/* The span of a range in one of parts parts; leaves is 0 where the part has none of it. */
struct berth_draw_span berth_draw_span(uint16_t first, uint16_t last, uint32_t part,
				       uint32_t parts);

/* How many ports a bag for that span must have room for. */
uint32_t berth_draw_room(const struct berth_draw_span *span);

/* Says of which span draws are, and from when on they go by a bag. */
void berth_draw_stock_init(struct berth_draw_stock *stock, const struct berth_draw_span *span);

/* Gives the set a bag, where the stock has one; takes the bag back, which the set has. */
void berth_draw_lend(struct berth_draw *d);
void berth_draw_return(struct berth_draw *d);

/* The lowest member in a leaf above leaf w, else the lowest; -1 where the set is empty. */
int32_t berth_draw_onward(struct berth_draw *d, uint32_t w);

/* What berth_draw_any() does at times only, for a set that is not empty: rnd has led to a port that is not in. */
int32_t berth_draw_again(struct berth_draw *d, uint64_t rnd);

/* 64 further bits out of 64 random ones (the finaliser of splitmix64). */
BERTH_INLINE uint64_t berth_draw_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* The place of the bag that rnd means. */
BERTH_INLINE uint32_t berth_draw_place(const struct berth_bag *b, uint64_t rnd)
{
	return (uint32_t)(((rnd >> 32) * b->count) >> 32);
}

/* The port that rnd means out of all ports of the leaves of the span. */
BERTH_INLINE uint32_t berth_draw_try(const struct berth_draw_span *s, uint64_t rnd)
{
	uint32_t leaf = s->leaf + (uint32_t)(((rnd >> 32) * s->leaves) >> 32) * s->parts;

	return leaf << 6 | (uint32_t)(rnd & 63);
}

/* The lowest member that is not below from (0..65535), else the lowest; -1 where the set is empty. */
BERTH_INLINE int32_t berth_draw_next(struct berth_draw *d, uint32_t from)
{
	uint32_t w = from >> 6;
	uint64_t x = d->set.leaf[w] & (~0ULL << (from & 63));

	return x ? (int32_t)(w << 6 | berth_ctz64(x)) : berth_draw_onward(d, w);
}

/* A member of the set, each equally likely, out of 64 random bits; -1 where it is empty. */
BERTH_INLINE int32_t berth_draw_any(struct berth_draw *d, uint64_t rnd)
{
	struct berth_bag *b = d->bag;
	uint32_t port;

	if (!d->set.count)
		return -1;
	if (b) {
		b->at = berth_draw_place(b, rnd);
		port = b->item[b->at];
	} else {
		port = berth_draw_try(&d->stock->span, rnd);
		if (d->set.count <= d->stock->low)
			return berth_draw_again(d, rnd);
	}
	if (berth_portset_has(&d->set, port))
		return (int32_t)port;
	return berth_draw_again(d, rnd);
}

/* Where a port stands in a set, reckoned once for all sets that it goes into or comes out of. */
struct berth_draw_at {
	uint32_t port, leaf;
	uint64_t bit;
};

BERTH_INLINE struct berth_draw_at berth_draw_at(uint16_t port)
{
	return (struct berth_draw_at){ port, port >> 6, 1ULL << (port & 63) };
}

BERTH_INLINE bool berth_draw_has(const struct berth_draw *d, struct berth_draw_at at)
{
	return d->set.leaf[at.leaf] & at.bit;
}

/* Puts a port that came in into the bag, or gives the bag back. */
BERTH_INLINE void berth_draw_pack(struct berth_draw *d, struct berth_draw_at at)
{
	struct berth_bag *b = d->bag;

	if (d->set.count > d->stock->high) {
		berth_draw_return(d);
	} else if (!(b->in[at.leaf] & at.bit)) {
		/* Stale ones fill the bag: it begins again, or is not needed. */
		if (b->count == b->room) {
			berth_draw_return(d);
			if (d->set.count <= d->stock->low)
				berth_draw_lend(d);
			return;
		}
		b->in[at.leaf] |= at.bit;
		b->item[b->count++] = (uint16_t)at.port;
	}
}

/* Puts a port in that is not in. */
BERTH_INLINE void berth_draw_put(struct berth_draw *d, struct berth_draw_at at)
{
	uint64_t *mid = &d->set.mid[at.leaf >> 6], busy = 1ULL << (at.leaf & 63);

	d->set.leaf[at.leaf] |= at.bit;
	if (!(*mid & busy)) {
		*mid |= busy;
		d->set.top |= 1u << (at.leaf >> 6);
	}
	d->set.count++;
	if (d->bag)
		berth_draw_pack(d, at);
}

/* Takes a port out that is in. */
BERTH_INLINE void berth_draw_cut(struct berth_draw *d, struct berth_draw_at at)
{
	struct berth_bag *b = d->bag;

	d->set.leaf[at.leaf] ^= at.bit;
	d->set.count--;
	if (b && b->at < b->count && b->item[b->at] == at.port) {
		b->item[b->at] = b->item[--b->count];
		b->in[at.leaf] ^= at.bit;
	}
}

/* Puts the port in; false where it was in. */
BERTH_INLINE bool berth_draw_add(struct berth_draw *d, uint16_t port)
{
	struct berth_draw_at at = berth_draw_at(port);

	if (berth_draw_has(d, at))
		return false;
	berth_draw_put(d, at);
	return true;
}

/* Takes the port out; false where it was not in. */
BERTH_INLINE bool berth_draw_remove(struct berth_draw *d, uint16_t port)
{
	struct berth_draw_at at = berth_draw_at(port);

	if (!berth_draw_has(d, at))
		return false;
	berth_draw_cut(d, at);
	return true;
}

#endif
