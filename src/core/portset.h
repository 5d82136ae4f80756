/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A set of ports as a 64-ary bitmap tree with counts.
 *
 * Why: a scan over 28,232 taken ports costs 23 us, and every refused connect() pays it. Here "is it in",
 * "how many", "the next from here" and "the k-th" are a fixed number of word operations each, at any
 * occupancy, nearly without a branch: nothing for a processor to guess, one path for the verifier.
 *
 * Invariants: bit p of leaf is set <=> p is in the set; bit w of mid is set <=> leaf[w] != 0; bit b of top
 * is set <=> mid[b] != 0. The counts lie in lanes of words, lowest lane first: byte w & 7 of few[w >> 3]
 * counts leaf[w]; 16-bit lane g & 3 of group[g >> 2] counts the ports 512 g .. 512 g + 511; 16-bit lane
 * b & 3 of block[b >> 2] those in 4096 b .. 4096 b + 4095; count is the sum. A set of all zeros is the
 * empty set.
 *
 * Limits: 65,536 members, so counts are 32 bits wide; 9,640 bytes. Not synchronised: the caller holds a
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
	uint64_t few[BERTH_PORTSET_LEAVES / 8];
	uint64_t group[BERTH_PORTSET_LEAVES / 32];
	uint64_t block[BERTH_PORTSET_BLOCKS / 4];
	uint32_t top;
	uint32_t count;
};

_Static_assert(sizeof(struct berth_portset) == 9640, "one set is 9,640 bytes on both sides");

/* True where port is in the set. */
BERTH_INLINE bool berth_portset_has(const struct berth_portset *s, uint32_t port)
{
	return (s->leaf[(port >> 6) & 1023] >> (port & 63)) & 1;
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
	s->few[w >> 3] += 1ULL << (8 * (w & 7));
	s->group[w >> 5] += 1ULL << (16 * ((w >> 3) & 3));
	s->block[w >> 8] += 1ULL << (16 * (b & 3));
	s->count++;
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
	y = s->mid[b] & ~((~berth_mask64(x) & 1) << (w & 63));
	s->mid[b] = y;
	s->top &= ~((uint32_t)(~berth_mask64(y) & 1) << b);
	s->few[w >> 3] -= 1ULL << (8 * (w & 7));
	s->group[w >> 5] -= 1ULL << (16 * ((w >> 3) & 3));
	s->block[w >> 8] -= 1ULL << (16 * (b & 3));
	s->count--;
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

/* The k-th member in ascending order, k from 0; -1 where the set has k members or fewer. */
BERTH_INLINE int32_t berth_portset_kth(const struct berth_portset *s, uint32_t k)
{
	uint64_t r = k, p, q, t, a, b, c, even, at, n;

	if (k >= s->count)
		return -1;
	/* Quarter of the set, then block in it: a is the quarter, r what is left of k there. */
	p = berth_sum16(s->block[0]) >> 48;
	q = berth_sum16(s->block[1]) >> 48;
	t = berth_sum16(s->block[2]) >> 48;
	a = berth_ge64(k, p);
	b = berth_ge64(k, p + q);
	c = berth_ge64(k, p + q + t);
	r -= (p & -a) + (q & -b) + (t & -c);
	a += b + c;
	p = berth_sum16(s->block[a & 3]);
	n = berth_count16(berth_ge16(r, p));
	r -= ((p << 16) >> (16 * n)) & 0xffff;
	at = ((a & 3) << 2) | (n & 3);
	/* Group of 512 ports in the block: two words of four. */
	p = berth_sum16(s->group[2 * at]);
	q = berth_sum16(s->group[2 * at + 1]) + (p >> 48) * BERTH_ONES16;
	n = berth_count16(berth_ge16(r, p) + berth_ge16(r, q)) & 7;
	t = berth_if64(n & 4, (q << 16) | (p >> 48), p << 16);
	r -= (t >> (16 * (n & 3))) & 0xffff;
	at = (at << 3) | n;
	/* Leaf in the group: eight bytes, as four pairs. */
	p = s->few[at & 127];
	even = p & BERTH_EVEN8;
	p = berth_sum16(even + ((p >> 8) & BERTH_EVEN8));
	n = berth_count16(berth_ge16(r, p)) & 3;
	r -= ((p << 16) >> (16 * n)) & 0xffff;
	even = (even >> (16 * n)) & 0xff;
	a = berth_ge64(r, even);
	r -= even & -a;
	at = ((at << 3) | (n << 1) | a) & 1023;
	return (int32_t)((at << 6) | (berth_select64(s->leaf[at], (uint32_t)r) & 63));
}

/* How many members are below port: the inverse of berth_portset_kth() for a member. */
BERTH_INLINE uint32_t berth_portset_rank(const struct berth_portset *s, uint32_t port)
{
	uint32_t w = (port >> 6) & 1023, b = w >> 6, g = (w >> 3) & 7, i;
	uint64_t rank = 0, p;

	for (i = 0; i < 3; i++)
		rank += (berth_sum16(s->block[i]) >> 48) & -berth_ge64(b >> 2, i + 1);
	rank += ((berth_sum16(s->block[b >> 2]) << 16) >> (16 * (b & 3))) & 0xffff;
	rank += (berth_sum16(s->group[2 * b]) >> 48) & -(uint64_t)(g >> 2);
	rank += ((berth_sum16(s->group[2 * b + (g >> 2)]) << 16) >> (16 * (g & 3))) & 0xffff;
	p = s->few[w >> 3] & ~(~0ULL << (8 * (w & 7)));
	rank += berth_sum16((p & BERTH_EVEN8) + ((p >> 8) & BERTH_EVEN8)) >> 48;
	return (uint32_t)rank + berth_popcount64(s->leaf[w] & ~(~0ULL << (port & 63)));
}

#endif
