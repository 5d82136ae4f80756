/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A set of ports as a 64-ary bitmap tree with counts.
 *
 * Why: a scan over 28,232 taken ports costs 23 us, and every refused connect() pays it. Here "is it in",
 * "how many", "the next from here" and "the k-th" are a fixed number of word operations each, at any
 * occupancy.
 *
 * Invariants: bit p of leaf is set <=> p is in the set; bit w of mid is set <=> leaf[w] != 0; bit b of top
 * is set <=> mid[b] != 0; block[b] counts the ports in 4096 b .. 4096 b + 4095, group[g] those in
 * 512 g .. 512 g + 511; count is the sum. A set of all zeros is the empty set.
 *
 * Limits: 65,536 members, so counts are 32 bits wide; 8,616 bytes. Not synchronised: the caller holds a
 * lock or owns the set.
 */
#ifndef BERTH_CORE_PORTSET_H
#define BERTH_CORE_PORTSET_H

#include "bits.h"

#define BERTH_PORTS 65536u
#define BERTH_PORTSET_LEAVES 1024u
#define BERTH_PORTSET_GROUPS 128u
#define BERTH_PORTSET_BLOCKS 16u

struct berth_portset {
	uint64_t leaf[BERTH_PORTSET_LEAVES];
	uint64_t mid[BERTH_PORTSET_BLOCKS];
	uint16_t group[BERTH_PORTSET_GROUPS];
	uint16_t block[BERTH_PORTSET_BLOCKS];
	uint32_t top;
	uint32_t count;
};

_Static_assert(sizeof(struct berth_portset) == 8616, "one set is 8,616 bytes on both sides");

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
	s->group[w >> 3]++;
	s->block[b]++;
	s->count++;
	return true;
}

/* Takes port out of the set; false where it was not there. */
BERTH_INLINE bool berth_portset_remove(struct berth_portset *s, uint32_t port)
{
	uint32_t w = (port >> 6) & 1023, b = w >> 6;
	uint64_t bit = 1ULL << (port & 63);

	if (!(s->leaf[w] & bit))
		return false;
	s->leaf[w] &= ~bit;
	s->group[w >> 3]--;
	s->block[b]--;
	s->count--;
	if (!s->leaf[w]) {
		s->mid[b] &= ~(1ULL << (w & 63));
		if (!s->mid[b])
			s->top &= ~(1u << b);
	}
	return true;
}

/* The lowest member that is not below from (0..65535), or -1 where there is none. Does not wrap. */
BERTH_INLINE int32_t berth_portset_next(const struct berth_portset *s, uint32_t from)
{
	uint32_t w = (from >> 6) & 1023, b = w >> 6;
	uint64_t x = s->leaf[w] & (~0ULL << (from & 63));

	if (!x) {
		uint64_t y = s->mid[b] & (~1ULL << (w & 63));

		if (!y) {
			uint32_t z = s->top & (~1u << b);

			if (!z)
				return -1;
			b = berth_ctz64(z) & 15;
			y = s->mid[b];
		}
		w = ((b << 6) | berth_ctz64(y)) & 1023;
		x = s->leaf[w];
	}
	return (int32_t)((w << 6) | (berth_ctz64(x) & 63));
}

/* As berth_portset_next(), going on at port 0 after 65535; -1 only where the set is empty. */
BERTH_INLINE int32_t berth_portset_next_wrap(const struct berth_portset *s, uint32_t from)
{
	int32_t p = berth_portset_next(s, from);

	return p >= 0 ? p : berth_portset_next(s, 0);
}

/* The k-th member in ascending order, k from 0; -1 where the set has k members or fewer. */
BERTH_INLINE int32_t berth_portset_kth(const struct berth_portset *s, uint32_t k)
{
	uint32_t at = 0, n, i, over, base = 0, w;

	if (k >= s->count)
		return -1;
	/* Walk the counts of one level without a branch: "over" is all ones while k lies further on. */
	for (i = 0, over = ~0u; i < 15; i++) {
		n = s->block[i];
		over &= berth_mask_ge(k - base, n);
		base += over & n;
		at -= over;
	}
	at <<= 3;
	for (i = 0, over = ~0u, w = at; i < 7; i++) {
		n = s->group[(w + i) & 127];
		over &= berth_mask_ge(k - base, n);
		base += over & n;
		at -= over;
	}
	at <<= 3;
	for (i = 0, over = ~0u, w = at; i < 7; i++) {
		n = berth_popcount64(s->leaf[(w + i) & 1023]);
		over &= berth_mask_ge(k - base, n);
		base += over & n;
		at -= over;
	}
	at &= 1023;
	return (int32_t)((at << 6) | (berth_select64(s->leaf[at], k - base) & 63));
}

/* How many members are below port: the inverse of berth_portset_kth() for a member. */
BERTH_INLINE uint32_t berth_portset_rank(const struct berth_portset *s, uint32_t port)
{
	uint32_t w = (port >> 6) & 1023, i, rank = 0;

	for (i = 0; i < BERTH_PORTSET_BLOCKS; i++)
		rank += s->block[i] & ~berth_mask_ge(i, w >> 6);
	for (i = 0; i < 8; i++)
		rank += s->group[((w >> 6) * 8 + i) & 127] & ~berth_mask_ge(i, (w >> 3) & 7);
	for (i = 0; i < 8; i++)
		rank += berth_popcount64(s->leaf[((w & ~7u) + i) & 1023]) & ~berth_mask_ge(i, w & 7);
	return rank + berth_popcount64(s->leaf[w] & ~(~0ULL << (port & 63)));
}

#endif
