/* SPDX-License-Identifier: BSD-2-Clause */
/* The arithmetic of headroom. */
#include "headroom.h"

uint32_t berth_headroom_free(const struct berth_headroom *h)
{
	return h->used < h->capacity ? h->capacity - h->used : 0;
}

uint32_t berth_headroom_permille(const struct berth_headroom *h)
{
	if (h->used >= h->capacity)
		return 1000;
	return (uint32_t)((uint64_t)h->used * 1000 / h->capacity);
}

bool berth_headroom_is_slow(const struct berth_headroom *h)
{
	return h->slow_at && h->used >= h->slow_at;
}

int berth_headroom_compare(const struct berth_headroom *a, const struct berth_headroom *b)
{
	uint32_t a_free = berth_headroom_free(a), b_free = berth_headroom_free(b);
	/* a_free / a_capacity against b_free / b_capacity, without a division; no capacity is as full as any. */
	uint64_t left = (uint64_t)a_free * (b->capacity ? b->capacity : 1),
		 right = (uint64_t)b_free * (a->capacity ? a->capacity : 1);

	if (left != right)
		return left < right ? -1 : 1;
	return a_free < b_free ? -1 : a_free > b_free;
}

uint32_t berth_headroom_slow_at(const struct berth_portset *usable, uint16_t low)
{
	const uint64_t even = 0x5555555555555555u;
	uint64_t mask = low & 1 ? ~even : even;
	uint32_t i, n = 0;

	for (i = 0; i < BERTH_PORTSET_LEAVES; i++)
		n += berth_popcount64(usable->leaf[i] & mask);
	return n;
}

double berth_headroom_rate(uint32_t used_before, uint32_t used_now, double seconds)
{
	return seconds > 0 ? ((double)used_now - (double)used_before) / seconds : 0;
}

double berth_headroom_eta_s(const struct berth_headroom *h, double rate)
{
	uint32_t left = berth_headroom_free(h);

	if (!left)
		return 0;
	return rate > 0 ? (double)left / rate : -1;
}
