/* SPDX-License-Identifier: BSD-2-Clause */
/* Members of a group join and leave; the slots of the others stay. */
#include "spread.h"

#include <assert.h>

static uint32_t slots_of(const struct berth_spread *s)
{
	return 1u << s->bits;
}

static uint32_t most_members(uint32_t bits)
{
	return (1u << bits) / BERTH_SPREAD_SHARE;
}

static void give_slot(struct berth_spread *s, uint32_t slot, uint32_t member)
{
	s->member[slot] = member;
	s->share[member]++;
	__atomic_store_n(&s->slot[slot], s->owner[member], __ATOMIC_RELEASE);
}

static struct berth_spread *make(const struct berth_demux_memory *m, uint32_t bits)
{
	size_t slots = (size_t)1 << bits, members = most_members(bits);
	size_t size = sizeof(struct berth_spread) + slots * (sizeof(uint64_t) + sizeof(uint32_t)) +
		      members * (sizeof(uint64_t) + sizeof(uint32_t));
	struct berth_spread *s = m->get(m->context, size, 64);

	if (!s)
		return NULL;
	s->size = size;
	s->bits = bits;
	s->members = 0;
	s->slot = (uint64_t *)(s + 1);
	s->owner = s->slot + slots;
	s->share = (uint32_t *)(s->owner + members);
	s->member = s->share + members;
	return s;
}

struct berth_spread *berth_spread_new(const struct berth_demux_memory *m, uint64_t owner)
{
	struct berth_spread *s = make(m, BERTH_SPREAD_FIRST_BITS);
	uint32_t i;

	if (!s)
		return NULL;
	s->members = 1;
	s->owner[0] = owner;
	s->share[0] = 0;
	for (i = 0; i < slots_of(s); i++)
		give_slot(s, i, 0);
	return s;
}

struct berth_spread *berth_spread_double(const struct berth_demux_memory *m,
					 const struct berth_spread *old)
{
	struct berth_spread *s = old->bits < BERTH_SPREAD_MOST_BITS ? make(m, old->bits + 1) : NULL;
	uint32_t i;

	if (!s)
		return NULL;
	s->members = old->members;
	for (i = 0; i < s->members; i++) {
		s->owner[i] = old->owner[i];
		s->share[i] = 0;
	}
	for (i = 0; i < slots_of(s); i++)
		give_slot(s, i, old->member[i >> 1]);
	return s;
}

bool berth_spread_is_full(const struct berth_spread *s)
{
	return s->members == most_members(s->bits);
}

/* The member with the most slots, or with the fewest; not the one left out. */
static uint32_t extreme(const struct berth_spread *s, bool most, uint32_t left_out)
{
	uint32_t best = left_out, i;

	for (i = 0; i < s->members; i++) {
		if (i == left_out)
			continue;
		if (best == left_out ||
		    (most ? s->share[i] > s->share[best] : s->share[i] < s->share[best]))
			best = i;
	}
	return best;
}

void berth_spread_join(struct berth_spread *s, uint64_t owner)
{
	uint32_t fresh = s->members++, share = slots_of(s) / s->members, slot = 0;

	assert(s->members <= most_members(s->bits));
	s->owner[fresh] = owner;
	s->share[fresh] = 0;
	while (s->share[fresh] < share) {
		uint32_t richest = extreme(s, true, fresh);

		while (s->member[slot] != richest)
			slot = (slot + 1) & (slots_of(s) - 1);
		s->share[richest]--;
		give_slot(s, slot, fresh);
	}
}

/* The last member takes the place of the one that left. */
static void close_gap(struct berth_spread *s, uint32_t gap)
{
	uint32_t last = --s->members, i;

	if (gap == last)
		return;
	s->owner[gap] = s->owner[last];
	s->share[gap] = s->share[last];
	for (i = 0; i < slots_of(s); i++)
		if (s->member[i] == last)
			s->member[i] = gap;
}

bool berth_spread_leave(struct berth_spread *s, uint64_t owner)
{
	uint32_t gone = s->members, i;

	while (gone && s->owner[gone - 1] != owner)
		gone--;
	if (!gone--)
		return false;
	if (s->members > 1)
		for (i = 0; i < slots_of(s); i++)
			if (s->member[i] == gone)
				give_slot(s, i, extreme(s, false, gone));
	close_gap(s, gone);
	return true;
}
