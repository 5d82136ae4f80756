/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A set of ports as a 64-ary bitmap tree with counts.
 *
 * Why: a scan over 28,232 taken ports costs 23 us, and every refused connect() pays it. Here "is it in",
 * "how many", "the next from here" and "the k-th" are a fixed number of word operations each, at any
 * occupancy, nearly without a branch: nothing for a processor to guess, one path for the verifier.
 *
 * Invariants: bit p of leaf is set <=> p is in the set; bit w of mid is set <=> leaf[w] != 0; bit b of top
 * is set <=> mid[b] != 0. The counts are kept as sums of what lies before, in 16-bit lanes, lowest lane
 * first: quarter has one for each 16,384 ports (how many members are in the quarters before it); block one
 * for each 4096 ports (members before it in its quarter), group one for each 512 (before it in its block),
 * part one for each leaf (before it in its group); count is the size. A set of all zeros is the empty set.
 *
 * Limits: 65,536 members, so counts are 32 bits wide; 10,672 bytes. Not synchronised: the caller holds a
 * lock or owns the set.
 */
#ifndef BERTH_CORE_PORTSET_H
#define BERTH_CORE_PORTSET_H

#include "bits.h"

#define BERTH_PORTS 65536u
#define BERTH_PORTSET_LEAVES 1024u
#define BERTH_PORTSET_BLOCKS 16u

struct berth_portset {
	uint64_t leaf[BERTH_PORTSET_LEAVES];
	uint64_t mid[BERTH_PORTSET_BLOCKS];
	uint64_t part[BERTH_PORTSET_LEAVES / 4];
	uint64_t group[BERTH_PORTSET_LEAVES / 32];
	uint64_t block[BERTH_PORTSET_BLOCKS / 4];
	uint64_t quarter;
	uint32_t top;
	uint32_t count;
};

_Static_assert(sizeof(struct berth_portset) == 10672, "one set is 10,672 bytes on both sides");

/* True where port is in the set. */
BERTH_INLINE bool berth_portset_has(const struct berth_portset *s, uint32_t port)
{
	return (s->leaf[(port >> 6) & 1023] >> (port & 63)) & 1;
}

/*
 * Adds times (modulo 2^64: -1 takes away) to the sums behind lane at of a node of eight, low word first.
 * Sums carry only within a lane: none is ever below 0 or above 49,152.
 */
BERTH_INLINE void berth_portset_behind8_(uint64_t *node, uint32_t at, uint64_t times)
{
#ifdef __bpf__
	/* Factors of 0 and 1, not masks: the verifier of Linux 6.18 forks at a mask of 0 or all ones. */
	uint64_t after = ((BERTH_ONES16 << 16) << (16 * (at & 3))) * times, high = (at >> 2) & 1;

	node[0] += after * (1 - high);
	node[1] += after * high + (BERTH_ONES16 * times) * (1 - high);
#else
	static const uint64_t behind[8][2] = {
		{ BERTH_ONES16 << 16, BERTH_ONES16 },
		{ BERTH_ONES16 << 32, BERTH_ONES16 },
		{ BERTH_ONES16 << 48, BERTH_ONES16 },
		{ 0, BERTH_ONES16 },
		{ 0, BERTH_ONES16 << 16 },
		{ 0, BERTH_ONES16 << 32 },
		{ 0, BERTH_ONES16 << 48 },
		{ 0, 0 },
	};

	node[0] += behind[at][0] * times;
	node[1] += behind[at][1] * times;
#endif
}

/* Adds times to every sum behind leaf w, and to the size. */
BERTH_INLINE void berth_portset_count_(struct berth_portset *s, uint32_t w, uint64_t times)
{
	uint64_t after = (BERTH_ONES16 << 16) * times;
	uint32_t b = w >> 6, g = w >> 3;

	berth_portset_behind8_(&s->part[g * 2], w & 7, times);
	berth_portset_behind8_(&s->group[b * 2], g & 7, times);
	s->block[b >> 2] += after << (16 * (b & 3));
	s->quarter += after << (16 * (b >> 2));
	s->count += (uint32_t)times;
}

/* Puts port into the set; false where it was there already. */
BERTH_INLINE bool berth_portset_add(struct berth_portset *s, uint32_t port)
{
	uint32_t w = (port >> 6) & 1023, b = w >> 6;
	uint64_t bit = 1ULL << (port & 63);

	if (s->leaf[w] & bit)
		return false;
	s->leaf[w] |= bit;
	s->mid[b] |= 1ULL << (w & 63);
	s->top |= 1u << b;
	berth_portset_count_(s, w, 1);
	return true;
}

/* Takes port out of the set; false where it was not there. */
BERTH_INLINE bool berth_portset_remove(struct berth_portset *s, uint32_t port)
{
	uint32_t w = (port >> 6) & 1023, b = w >> 6;
	uint64_t bit = 1ULL << (port & 63), x = s->leaf[w] & ~bit, y;

	if (!(s->leaf[w] & bit))
		return false;
	s->leaf[w] = x;
	y = s->mid[b] & ~((berth_mask64(x) + 1) << (w & 63));
	s->mid[b] = y;
	s->top &= ~((uint32_t)(berth_mask64(y) + 1) << b);
	berth_portset_count_(s, w, -1ULL);
	return true;
}

/*
 * The lowest member of leaf word x, else of the words y of the middle level, else of the blocks z; each
 * of them already cut to what lies ahead, and one of them not 0.
 */
BERTH_INLINE int32_t berth_portset_lowest_(const struct berth_portset *s, uint32_t w, uint64_t x,
					   uint64_t y, uint32_t z)
{
	/* A high bit that is only met where all below it are clear keeps the scan of 0 defined. */
	const uint64_t guard = 1ULL << 63;
	uint32_t b = berth_ctz64(z | guard) & 15, v;

	b = (uint32_t)berth_if64(y, w >> 6, b);
	y = berth_if64(y, y, s->mid[b & 15]);
	v = (uint32_t)berth_if64(x, w, (b << 6) | berth_ctz64(y | guard)) & 1023;
	x = berth_if64(x, x, s->leaf[v]);
	return (int32_t)((v << 6) | (berth_ctz64(x | guard) & 63));
}

/* The lowest member that is not below from (0..65535), or -1 where there is none. Does not wrap. */
BERTH_INLINE int32_t berth_portset_next(const struct berth_portset *s, uint32_t from)
{
	uint32_t w = (from >> 6) & 1023, b = w >> 6, z = s->top & (~1u << b);
	uint64_t x = s->leaf[w] & (~0ULL << (from & 63)), y = s->mid[b] & (~1ULL << (w & 63));

	if (!(x | y | z))
		return -1;
	return berth_portset_lowest_(s, w, x, y, z);
}

/* As berth_portset_next(), going on at port 0 after 65535; -1 only where the set is empty. */
BERTH_INLINE int32_t berth_portset_next_wrap(const struct berth_portset *s, uint32_t from)
{
	uint32_t w = (from >> 6) & 1023, b = w >> 6, z = s->top & (~1u << b);
	uint64_t x = s->leaf[w] & (~0ULL << (from & 63)), y = s->mid[b] & (~1ULL << (w & 63));

	if (!s->top)
		return -1;
	/* Nothing ahead: the lowest block at all, taken from its start, may be this one again. */
	return berth_portset_lowest_(s, w, x, y, (uint32_t)berth_if64(z, z, s->top));
}

/*
 * One step down a node of eight: sums low and high, r members from its start. out_r: members from the
 * start of the lane that is returned.
 */
BERTH_INLINE uint32_t berth_portset_lane8_(uint64_t low, uint64_t high, uint64_t r, uint64_t *out_r)
{
	/* The first lane is 0, so that it always counts. */
	uint64_t n = (berth_count16(berth_ge16(r, low) + berth_ge16(r, high)) - 1) & 7;

	*out_r = r - ((berth_if64(n & 4, high, low) >> (16 * (n & 3))) & 0xffff);
	return (uint32_t)n;
}

/* The k-th member in ascending order, k from 0; -1 where the set has k members or fewer. */
BERTH_INLINE int32_t berth_portset_kth(const struct berth_portset *s, uint32_t k)
{
	uint64_t x = s->quarter, r, n;
	uint32_t at;

	if (k >= s->count)
		return -1;
	n = berth_ge64(k, (x >> 16) & 0xffff) + berth_ge64(k, (x >> 32) & 0xffff) +
	    berth_ge64(k, x >> 48);
	r = k - ((x >> (16 * n)) & 0xffff);
	x = s->block[n & 3];
	at = ((uint32_t)n & 3) << 2;
	n = (berth_count16(berth_ge16(r, x)) - 1) & 3;
	r -= (x >> (16 * n)) & 0xffff;
	at |= (uint32_t)n;
	at = (at << 3) | berth_portset_lane8_(s->group[at * 2], s->group[at * 2 + 1], r, &r);
	at = (at << 3) | berth_portset_lane8_(s->part[at * 2], s->part[at * 2 + 1], r, &r);
	return (int32_t)((at << 6) | (berth_select64(s->leaf[at], (uint32_t)r) & 63));
}

/* How many members are below port: the inverse of berth_portset_kth() for a member. */
BERTH_INLINE uint32_t berth_portset_rank(const struct berth_portset *s, uint32_t port)
{
	uint32_t w = (port >> 6) & 1023, g = w >> 3, b = w >> 6;

	return (uint32_t)(((s->quarter >> (16 * (b >> 2))) & 0xffff) +
			  ((s->block[b >> 2] >> (16 * (b & 3))) & 0xffff) +
			  ((s->group[g >> 2] >> (16 * (g & 3))) & 0xffff) +
			  ((s->part[w >> 2] >> (16 * (w & 3))) & 0xffff)) +
	       berth_popcount64(s->leaf[w] & ~(~0ULL << (port & 63)));
}

#endif
