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

/* Local and remote port in one word. */
BERTH_INLINE uint32_t berth_pair_ports(uint32_t local, uint32_t remote)
{
	return local | remote << 16;
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
