/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A set of ports as a 64-ary bitmap tree with counts.
 *
 * Why: a scan over 28,232 taken ports costs 23 us, and every refused connect() pays it. Here "is it in",
 * "how many", "the next from here" and "the k-th" are a fixed number of word operations each, at any
 * occupancy. What decides the time is not their number but how long each waits for the one before, so
 * the counts are wide and flat: two nodes of 32 sums, each compared at once, lead from k to the leaf.
 *
 * Invariants: bit p of leaf is set <=> p is in the set; bit w of mid is set <=> leaf[w] != 0; bit b of top
 * is set <=> mid[b] != 0. The counts are kept as sums of what lies before: root has one for each 2048
 * ports (how many members are before them), part one for each leaf (members before it in its 2048);
 * count is the size. A set of all zeros is the empty set.
 *
 * Limits: 65,536 members, so counts are 32 bits wide; 10,440 bytes. Not synchronised: the caller holds a
 * lock or owns the set.
 */
#ifndef BERTH_CORE_PORTSET_H
#define BERTH_CORE_PORTSET_H

#include "bits.h"

/* BERTH_CORE_SCALAR: as where there is no SSE2, for the tests of that way. */
#if defined(__SSE2__) && !defined(__bpf__) && !defined(BERTH_CORE_SCALAR)
#define BERTH_PORTSET_SSE2
#include <emmintrin.h>
#endif

#define BERTH_PORTS 65536u
#define BERTH_PORTSET_LEAVES 1024u
#define BERTH_PORTSET_BLOCKS 16u
#define BERTH_PORTSET_SUMS 32u /* in a node */

struct berth_portset {
	uint16_t root[BERTH_PORTSET_SUMS];
	uint16_t part[BERTH_PORTSET_SUMS][BERTH_PORTSET_SUMS];
	uint64_t leaf[BERTH_PORTSET_LEAVES];
	uint64_t mid[BERTH_PORTSET_BLOCKS];
	uint32_t top;
	uint32_t count;
};

_Static_assert(sizeof(struct berth_portset) == 10440, "one set is 10,440 bytes on both sides");

/* Row at: 1 for each sum of a node that lies behind number at, else 0. */
#define BERTH_BEHIND_1(at, i) (i) > (at)
#define BERTH_BEHIND_4(at, i)                                                                      \
	BERTH_BEHIND_1(at, i), BERTH_BEHIND_1(at, (i) + 1), BERTH_BEHIND_1(at, (i) + 2),           \
		BERTH_BEHIND_1(at, (i) + 3)
#define BERTH_BEHIND_16(at, i)                                                                     \
	BERTH_BEHIND_4(at, i), BERTH_BEHIND_4(at, (i) + 4), BERTH_BEHIND_4(at, (i) + 8),           \
		BERTH_BEHIND_4(at, (i) + 12)
#define BERTH_BEHIND(at)                                                                           \
	{                                                                                          \
		BERTH_BEHIND_16(at, 0), BERTH_BEHIND_16(at, 16)                                    \
	}
#define BERTH_BEHIND_ROWS(at)                                                                      \
	BERTH_BEHIND(at), BERTH_BEHIND((at) + 1), BERTH_BEHIND((at) + 2), BERTH_BEHIND((at) + 3),  \
		BERTH_BEHIND((at) + 4), BERTH_BEHIND((at) + 5), BERTH_BEHIND((at) + 6),            \
		BERTH_BEHIND((at) + 7)
static const uint16_t berth_behind[BERTH_PORTSET_SUMS][BERTH_PORTSET_SUMS]
	__attribute__((aligned(64), unused)) = { BERTH_BEHIND_ROWS(0), BERTH_BEHIND_ROWS(8),
						 BERTH_BEHIND_ROWS(16), BERTH_BEHIND_ROWS(24) };

/* True where port is in the set. */
BERTH_INLINE bool berth_portset_has(const struct berth_portset *s, uint32_t port)
{
	return (s->leaf[(port >> 6) & 1023] >> (port & 63)) & 1;
}

#ifdef BERTH_PORTSET_SSE2

typedef uint16_t berth_sums __attribute__((vector_size(16), aligned(8), may_alias));

/* Adds times (modulo 2^16: -1 takes away) to the sums of a node behind number at. */
BERTH_INLINE void berth_portset_behind_(uint16_t *node, uint32_t at, uint64_t times)
{
	const berth_sums *behind = (const berth_sums *)berth_behind[at];
	berth_sums *sum = (berth_sums *)node;

	sum[0] += behind[0] * (uint16_t)times;
	sum[1] += behind[1] * (uint16_t)times;
	sum[2] += behind[2] * (uint16_t)times;
	sum[3] += behind[3] * (uint16_t)times;
}

/*
 * The number of the last sum of a node that is not above r. below: what r and the sums are below, a
 * constant; where it is more than 32,768, they are moved to where signed numbers compare as they do.
 */
BERTH_INLINE uint32_t berth_portset_step_(const uint16_t *node, uint32_t r, uint32_t below)
{
	const int16_t move = below > 32768 ? INT16_MIN : 0;
	const __m128i add = _mm_set1_epi16(move), x = _mm_set1_epi16((int16_t)(r + (uint32_t)move));
	const __m128i *sum = (const __m128i *)node;
	__m128i above[4];
	uint64_t low, high;
	int i;

	for (i = 0; i < 4; i++)
		above[i] = _mm_cmpgt_epi16(_mm_add_epi16(_mm_loadu_si128(sum + i), add), x);
	low = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(above[0], above[1]));
	high = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(above[2], above[3]));
	/* What stands behind the last sum is above all; joined to low, which is there first. */
	low |= 1ULL << 32;
	__asm__("" : "+r"(low));
	return berth_ctz64(low | high << 16) - 1;
}

#else

typedef uint64_t berth_sums __attribute__((may_alias));

/*
 * Adds times (modulo 2^64: -1 takes away) to the sums of a node behind number at. Sums carry only within
 * a word's lane: none is ever below 0 or above 63,488.
 */
BERTH_INLINE void berth_portset_behind_(uint16_t *node, uint32_t at, uint64_t times)
{
	const berth_sums *behind = (const berth_sums *)berth_behind[at];
	berth_sums *sum = (berth_sums *)node;
	uint32_t i;

	for (i = 0; i < BERTH_PORTSET_SUMS / 4; i++)
		sum[i] += behind[i] * times;
}

/* The number of the last sum of a node that is not above r; r and the sums are below 65,536. */
BERTH_INLINE uint32_t berth_portset_step_(const uint16_t *node, uint32_t r, uint32_t below)
{
	const uint64_t one = 0x0000000100000001ULL, half = 0x0000ffff0000ffffULL;
	const berth_sums *sum = (const berth_sums *)node;
	uint64_t x = berth_times64((uint64_t)r + 65536, one), n = 0;
	uint32_t i;

	(void)below;
	/* Two lanes of 32 bits at a time: bit 16 of r + 65536 - sum says that r >= sum. */
	for (i = 0; i < BERTH_PORTSET_SUMS / 4; i++)
		n += (((x - (sum[i] & half)) >> 16) & one) +
		     (((x - ((sum[i] >> 16) & half)) >> 16) & one);
	/* The first sum is 0, so that it always counts. */
	return (uint32_t)(n + (n >> 32) - 1) & (BERTH_PORTSET_SUMS - 1);
}

#endif

/* Adds times (modulo 2^32) to every sum behind leaf w, and to the size. */
BERTH_INLINE void berth_portset_count_(struct berth_portset *s, uint32_t w, uint64_t times)
{
	berth_portset_behind_(s->root, w >> 5, times);
	berth_portset_behind_(s->part[w >> 5], w & 31, times);
	s->count += (uint32_t)times;
}

/*
 * The port of a bit of leaf w. Says that port >> 6 is w again, so that in one function with add() or
 * remove() the sums are changed without waiting for the bit.
 */
BERTH_INLINE int32_t berth_portset_port_(uint32_t w, uint32_t bit)
{
	uint32_t port = (w << 6) | (bit & 63);

#ifndef __bpf__
	if (port >> 6 != w || (int32_t)port < 0)
		__builtin_unreachable();
#endif
	return (int32_t)port;
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
#ifdef __bpf__
	y = s->mid[b] & ~((berth_mask64(x) + 1) << (w & 63));
	s->mid[b] = y;
	s->top &= ~((uint32_t)(berth_mask64(y) + 1) << b);
#else
	if (!x) {
		y = s->mid[b] & ~(1ULL << (w & 63));
		s->mid[b] = y;
		if (!y)
			s->top &= ~(1u << b);
	}
#endif
	berth_portset_count_(s, w, -1ULL);
	return true;
}

/* The lowest member that is not below from, else, where wrap is true (a constant), the lowest; else -1. */
BERTH_INLINE int32_t berth_portset_ahead_(const struct berth_portset *s, uint32_t from, bool wrap)
{
	uint32_t w = (from >> 6) & 1023, b = w >> 6, z;
	uint64_t x = s->leaf[w] & (~0ULL << (from & 63)), y;

#ifdef __bpf__
	/* A high bit that is only met where all below it are clear keeps the scan of 0 defined. */
	const uint64_t guard = 1ULL << 63;
	uint32_t v;

	y = s->mid[b] & (~1ULL << (w & 63));
	z = s->top & (~1u << b);
	if (wrap ? !s->top : !(x | y | z))
		return -1;
	/* Nothing ahead: the lowest block at all, taken from its start, may be this one again. */
	z = wrap ? (uint32_t)berth_if64(z, z, s->top) : z;
	b = (uint32_t)berth_if64(y, b, berth_ctz64(z | guard) & 15);
	y = berth_if64(y, y, s->mid[b & 15]);
	v = (uint32_t)berth_if64(x, w, (b << 6) | berth_ctz64(y | guard)) & 1023;
	x = berth_if64(x, x, s->leaf[v]);
	return berth_portset_port_(v, berth_ctz64(x | guard));
#else
	if (x)
		return berth_portset_port_(w, berth_ctz64(x));
	y = s->mid[b] & (~1ULL << (w & 63));
	if (!y) {
		if (!s->top)
			return -1;
		z = s->top & (~1u << b);
		if (!wrap && !z)
			return -1;
		b = berth_ctz64(z ? z : s->top) & 15;
		y = s->mid[b];
	}
	w = (b << 6) | (berth_ctz64(y) & 63);
	return berth_portset_port_(w, berth_ctz64(s->leaf[w]));
#endif
}

/* The lowest member that is not below from (0..65535), or -1 where there is none. Does not wrap. */
BERTH_INLINE int32_t berth_portset_next(const struct berth_portset *s, uint32_t from)
{
	return berth_portset_ahead_(s, from, false);
}

/* As berth_portset_next(), going on at port 0 after 65535; -1 only where the set is empty. */
BERTH_INLINE int32_t berth_portset_next_wrap(const struct berth_portset *s, uint32_t from)
{
	return berth_portset_ahead_(s, from, true);
}

/* The k-th member in ascending order, k from 0; -1 where the set has k members or fewer. */
BERTH_INLINE int32_t berth_portset_kth(const struct berth_portset *s, uint32_t k)
{
	uint32_t a, b, w;

	if (k >= s->count)
		return -1;
	a = berth_portset_step_(s->root, k, 65536);
	k -= s->root[a];
	b = berth_portset_step_(s->part[a], k, 2048);
	k -= s->part[a][b];
	w = (a << 5) | b;
#ifndef __bpf__
	/* Most leaves of a pool are full, and those of a set that nothing was taken from. */
	if (s->leaf[w] == ~0ULL)
		return berth_portset_port_(w, k);
#endif
	return berth_portset_port_(w, berth_select64(s->leaf[w], k));
}

/* How many members are below port: the inverse of berth_portset_kth() for a member. */
BERTH_INLINE uint32_t berth_portset_rank(const struct berth_portset *s, uint32_t port)
{
	uint32_t w = (port >> 6) & 1023;

	return s->root[w >> 5] + s->part[w >> 5][w & 31] +
	       berth_popcount64(s->leaf[w] & ~(~0ULL << (port & 63)));
}

#endif
