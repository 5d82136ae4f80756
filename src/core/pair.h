/* SPDX-License-Identifier: BSD-2-Clause */
/* A pair of endpoints as the demultiplexer's tables know it: its key, and what stands beside it. */
#ifndef BERTH_CORE_PAIR_H
#define BERTH_CORE_PAIR_H

#include "bits.h"
#include "include/berth/demux.h"

#define BERTH_PAIR_MOST 1000000000u

/* As the device of a pair: its owner is something greater than one socket. */
#define BERTH_PAIR_MANY 0x7fffffffu

/* What is looked for. */
struct berth_pair_key {
	uint32_t protocol, ports;
	uint32_t address[8]; /* local, remote: one word each for IPv4, four for IPv6 */
};

/* What stands beside it: device is below 2^31. */
struct berth_pair_value {
	uint32_t device;
	uint64_t owner;
};

/* What a reader found in one place: another pair, the one it looks for, or one that changed meanwhile. */
enum berth_pair_read { BERTH_PAIR_OTHER, BERTH_PAIR_SAME, BERTH_PAIR_CHANGED };

/* Numbers that the place of a key is made with: one for each word of a key of IPv6, and one more. */
#define BERTH_PAIR_PLACE_KEYS 11

/* Local and remote port in one word. */
BERTH_INLINE uint32_t berth_pair_ports(uint32_t local, uint32_t remote)
{
	return local | remote << 16;
}

/*
 * The place of a key in its table; n is the words of an address. Multilinear-HM of Lemire and Kaser ("Strongly
 * universal string hashing is fast", 2014): whichever two keys are chosen without knowing place_key, they meet with a
 * probability of 2^-32, and half of the words cost a multiplication. It is linear in the words of one connection's
 * end, so ports in a row would make places in a row: the last step, a permutation, scatters them. Of six patterns of
 * ports and addresses under 40 keys each none filled buckets otherwise than random places would, by more than a twentieth.
 */
BERTH_INLINE uint32_t berth_pair_hash(const uint64_t *place_key, uint32_t n,
				      const struct berth_pair_key *key)
{
	const uint64_t *k = place_key;
	uint64_t sum = k[0] + (k[1] + key->protocol) * (k[2] + key->ports);
	uint32_t i, high;

	/* Loaded as atomics, out of which no compiler makes vectors: products of 64 bits are many instructions there. */
	for (i = 0; i < n; i++)
		sum += (__atomic_load_n(&k[3 + 2 * i], __ATOMIC_RELAXED) + key->address[2 * i]) *
		       (__atomic_load_n(&k[4 + 2 * i], __ATOMIC_RELAXED) + key->address[2 * i + 1]);
	high = (uint32_t)(sum >> 32);
	return (high ^ high >> 15) * 0x9e3779b1u;
}

/* Where a hash begins among so many buckets. */
BERTH_INLINE uint32_t berth_pair_home(uint32_t hash, uint32_t buckets)
{
	return (uint32_t)((uint64_t)hash * buckets >> 32);
}

/* Gives memory back that readers may be in. */
static inline void berth_pair_retire(const struct berth_demux_memory *m, void *memory, size_t size)
{
	if (m->retire)
		m->retire(m->context, memory, size);
	else
		m->put(m->context, memory, size);
}

#endif
