/* SPDX-License-Identifier: BSD-2-Clause */
/* What look-ups and changes of the demultiplexer share: its tables, keys, and the sockets that share a key. */
#ifndef BERTH_CORE_DEMUX_H
#define BERTH_CORE_DEMUX_H

#include "include/berth/demux.h"

#include <string.h>

#include "cells.h"
#include "hash.h"
#include "slots.h"
#include "spread.h"

/*
 * One of the sockets that share a key, or a group of them. Candidates stand in the order in which they are asked; one
 * that left is marked and stays until the set is copied.
 */
struct berth_demux_candidate {
	uint32_t device;
	uint8_t rank;
	uint8_t flags;
	uint8_t gone;
	uint8_t unused;
	uint64_t value; /* the owner, or with BERTH_DEMUX_REUSEPORT a struct berth_spread */
};

/* The sockets that share a key. Readers see gone and value change, nothing else. */
struct berth_demux_set {
	uint8_t head[BERTH_DEMUX_RETIRED_HEAD];
	uint32_t count, live;
	struct berth_demux_candidate candidate[];
};

struct berth_demux {
	struct berth_cells v4;
	struct berth_slots v6;
	uint64_t place_key[BERTH_PAIR_PLACE_KEYS];
	uint64_t key[2]; /* of the spread of groups */
	struct berth_demux_memory memory;
	uint64_t set_bytes;
};

BERTH_INLINE uint64_t berth_demux_word64_(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

BERTH_INLINE uint32_t berth_demux_word32_(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Whether a flow is of IPv4, and where its addresses are of two families: neither. */
enum berth_demux_family { BERTH_DEMUX_OF_MIXED, BERTH_DEMUX_OF_FAMILY4, BERTH_DEMUX_OF_FAMILY6 };

/* 0 for an address of IPv4. */
BERTH_INLINE uint64_t berth_demux_not_v4_(const struct berth_address *a)
{
	return berth_demux_word64_(a->byte) |
	       (berth_demux_word32_(a->byte + 8) ^
		berth_demux_word32_((const uint8_t *)"\0\0\xff\xff"));
}

BERTH_INLINE bool berth_demux_is_v4_(const struct berth_address *a)
{
	return !berth_demux_not_v4_(a);
}

BERTH_INLINE bool berth_demux_is_zero_(const struct berth_address *a)
{
	return !(berth_demux_word64_(a->byte) | berth_demux_word64_(a->byte + 8));
}

BERTH_INLINE enum berth_demux_family berth_demux_family_(const struct berth_flow *f)
{
	uint64_t local = berth_demux_not_v4_(&f->local), remote = berth_demux_not_v4_(&f->remote);

	if (!(local | remote))
		return BERTH_DEMUX_OF_FAMILY4;
	return local && remote ? BERTH_DEMUX_OF_FAMILY6 : BERTH_DEMUX_OF_MIXED;
}

/*
 * A word of an address, as an atomic: no compiler makes vectors out of these. A load of more than what one store wrote
 * waits until the stores of whoever wrote it just now have left the processor, and so for all look-ups before.
 */
typedef uint32_t __attribute__((may_alias)) berth_demux_any32;

BERTH_INLINE uint32_t berth_demux_load32_(const struct berth_address *a, uint32_t word)
{
	return __atomic_load_n((const berth_demux_any32 *)(const void *)a->byte + word,
			       __ATOMIC_RELAXED);
}

/* The key of a flow with all that it says; n is the words of an address. */
BERTH_INLINE void berth_demux_full_key_(const struct berth_flow *f, uint32_t n,
					struct berth_pair_key *out_key)
{
	/* Two loads, for the same reason. */
	uint32_t remote_port = __atomic_load_n(&f->remote_port, __ATOMIC_RELAXED), i;

	out_key->protocol = f->protocol;
	out_key->ports = berth_pair_ports(f->local_port, remote_port);
	for (i = 0; i < n; i++) {
		out_key->address[i] = berth_demux_load32_(&f->local, 4 - n + i);
		out_key->address[n + i] = berth_demux_load32_(&f->remote, 4 - n + i);
	}
}

/* Of a full key that of the sockets bound to its local address, or to any. */
BERTH_INLINE void berth_demux_bound_key_(struct berth_pair_key *key, uint32_t n, bool any)
{
	uint32_t i;

	key->ports &= 0xffff;
	for (i = any ? 0 : n; i < 2 * n; i++)
		key->address[i] = 0;
}

#endif
