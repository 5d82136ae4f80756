/* SPDX-License-Identifier: BSD-2-Clause */
/* Drawing ports from a set: by rejection, from a bag, or by counting. */
#include "src/core/draw.h"

#include <string.h>

#define TRIES 24 /* by rejection: three in four of them fit */

struct berth_draw_span berth_draw_span(uint16_t first, uint16_t last, uint32_t part, uint32_t parts)
{
	struct berth_draw_span s = { .first = first, .last = last, .parts = parts };
	uint32_t leaf = first >> 6, end = last >> 6;

	leaf += (part + parts - leaf % parts) % parts;
	s.leaf = leaf;
	s.leaves = leaf > end ? 0 : (end - leaf) / parts + 1;
	return s;
}

uint32_t berth_draw_room(const struct berth_draw_span *span)
{
	return span->leaves * 60 + 1;
}

void berth_draw_stock_init(struct berth_draw_stock *stock, const struct berth_draw_span *span)
{
	stock->span = *span;
	stock->low = span->leaves * 48;
	stock->high = span->leaves * 60;
}

void berth_draw_lend(struct berth_draw *d)
{
	struct berth_bag *b = d->stock->bags;
	uint32_t w;
	uint64_t x;

	if (!b || d->set.count > b->room)
		return;
	d->stock->bags = b->next;
	d->bag = b;
	b->count = 0;
	b->at = UINT32_MAX;
	memcpy(b->in, d->set.leaf, sizeof(b->in));
	for (w = 0; w < BERTH_PORTSET_LEAVES; w++)
		for (x = d->set.leaf[w]; x; x &= x - 1)
			b->item[b->count++] = (uint16_t)(w << 6 | berth_ctz64(x));
}

void berth_draw_return(struct berth_draw *d)
{
	d->bag->next = d->stock->bags;
	d->stock->bags = d->bag;
	d->bag = NULL;
}

int32_t berth_draw_onward(struct berth_draw *d, uint32_t w)
{
	struct berth_portset *s = &d->set;

	while (s->count) {
		uint32_t b = w >> 6, v;
		uint64_t y = s->mid[b] & (~1ULL << (w & 63));

		if (!y) {
			v = s->top & (~1u << b);
			b = berth_ctz64(v ? v : s->top);
			y = s->mid[b];
		}
		v = b << 6 | berth_ctz64(y);
		if (BERTH_LIKELY(s->leaf[v]))
			return (int32_t)(v << 6 | berth_ctz64(s->leaf[v]));
		s->mid[b] &= ~(1ULL << (v & 63));
		if (!s->mid[b])
			s->top &= ~(1u << b);
	}
	return -1;
}

/* Through the sums, made now. */
static int32_t by_counting(struct berth_draw *d, uint64_t rnd)
{
	uint32_t i, count, before = 0, part = 0;

	for (i = 0; i < BERTH_PORTSET_LEAVES; i++) {
		if (i % BERTH_PORTSET_SUMS == 0) {
			d->set.root[i / BERTH_PORTSET_SUMS] = (uint16_t)before;
			part = before;
		}
		d->set.part[i / BERTH_PORTSET_SUMS][i % BERTH_PORTSET_SUMS] =
			(uint16_t)(before - part);
		count = d->set.leaf[i] ? berth_popcount64(d->set.leaf[i]) : 0;
		before += count;
	}
	return berth_portset_kth(&d->set, (uint32_t)(((rnd >> 32) * d->set.count) >> 32));
}

/* Out of the bag: what is stale goes. All members are in the bag, so there is an end. */
static int32_t by_bag(struct berth_draw *d, uint64_t rnd)
{
	struct berth_bag *b = d->bag;

	for (;;) {
		uint32_t at = berth_draw_place(b, rnd), port = b->item[at];

		if (berth_portset_has(&d->set, port)) {
			b->at = at;
			return (int32_t)port;
		}
		b->item[at] = b->item[--b->count];
		b->in[port >> 6] &= ~(1ULL << (port & 63));
		rnd = berth_draw_mix(rnd);
	}
}

int32_t berth_draw_again(struct berth_draw *d, uint64_t rnd)
{
	uint32_t port;
	int i;

	if (!d->bag && d->set.count <= d->stock->low)
		berth_draw_lend(d);
	if (d->bag)
		return by_bag(d, rnd);
	for (i = 0; i < TRIES && d->set.count > d->stock->low; i++) {
		port = berth_draw_try(&d->stock->span, rnd);
		if (berth_portset_has(&d->set, port))
			return (int32_t)port;
		rnd = berth_draw_mix(rnd);
	}
	return by_counting(d, i ? berth_draw_mix(rnd) : rnd);
}
