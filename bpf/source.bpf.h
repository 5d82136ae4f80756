/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The source address out of the pool: the one with most headroom that can reach the destination. */
#ifndef BERTH_BPF_SOURCE_H
#define BERTH_BPF_SOURCE_H

#include "addr.bpf.h"
#include "attempt.bpf.h"

static const struct berth_load no_load;

static bool entry_fits(const volatile struct berth_pool_entry *e, const struct berth_lane_key *key,
		       bool is_v4, uint32_t device)
{
	if (e->is_v4 != is_v4)
		return false;
	if (e->scope == BERTH_SCOPE_LOOPBACK && !is_loopback(key->dst))
		return false;
	if (!is_v4 && (e->scope == BERTH_SCOPE_LINK) != is_link_local(key->dst))
		return false;
	return !device || !e->device || e->device == device;
}

struct search {
	struct attempt *a;
	const struct berth_load *load;
	uint32_t first, device, best, score;
};

static long weigh_entry(uint32_t i, struct search *s)
{
	uint32_t n = config.entries, at, score, bits;
	const volatile struct berth_pool_entry *e;

	at = s->first + i;
	at -= at >= n ? n : 0;
	if (at >= BERTH_POOL_MAX)
		return 1;
	if ((s->a->tried[(at >> 6) & 3] >> (at & 63)) & 1)
		return 0;
	e = &entries[at];
	if (!entry_fits(e, &s->a->key, s->a->is_v4, s->device))
		return 0;
	bits = 128 - e->prefix_len;
	score = (s->load ? s->load->used[at] : 0) >> (bits > 31 ? 31 : bits);
	if (score < s->score) {
		s->best = at;
		s->score = score;
	}
	return 0;
}

/* Fills a->key.src from the address of the pool with most headroom; false where none is left. */
__attribute__((noinline)) int source_pick(struct attempt *a, uint32_t rnd)
{
	struct search s = { .a = a, .best = BERTH_NO_ENTRY, .score = ~0u };
	struct berth_egress_key dst = { .prefix_len = 128 };
	struct berth_lane_key key;
	uint64_t r0, r1;
	uint32_t i;

	if (!a)
		return 0;
	key = a->key;
	if (config.by_device) {
		uint32_t *device;

		__builtin_memcpy(dst.dst, a->key.dst, 16);
		device = bpf_map_lookup_elem(&egress, &dst);
		s.device = device ? *device : 0;
	}
	__builtin_memset(key.src, 0, 16);
	key.pool = config.load_id;
	if (config.entries > 1) {
		s.load = bpf_map_lookup_elem(&loads, &key);
		s.first = berth_below(rnd, config.entries);
	}
	bpf_loop(config.entries, weigh_entry, &s, 0);
	if (s.best >= BERTH_POOL_MAX)
		return false;
	a->entry = s.best;
	r0 = ((uint64_t)bpf_get_prandom_u32() << 32) | bpf_get_prandom_u32();
	r1 = ((uint64_t)bpf_get_prandom_u32() << 32) | bpf_get_prandom_u32();
	for (i = 0; i < 16; i++) {
		uint32_t net = entries[s.best & (BERTH_POOL_MAX - 1)].prefix_len, low = 8 * i;
		uint8_t mask = net >= low + 8 ? 0
			       : net <= low   ? 0xff
					      : (uint8_t)(0xff >> (net - low));

		a->key.src[i] = entries[s.best & (BERTH_POOL_MAX - 1)].addr[i] |
				((uint8_t)((i < 8 ? r0 : r1) >> (8 * (i & 7))) & mask);
	}
	a->scope_id = entries[s.best & (BERTH_POOL_MAX - 1)].scope == BERTH_SCOPE_LINK
			      ? entries[s.best & (BERTH_POOL_MAX - 1)].device
			      : 0;
	return true;
}

/* Counts sockets held from the pool address in use toward the destination. */
__attribute__((noinline)) int load_add(const struct berth_lane_key *lane, uint32_t entry, int by)
{
	struct berth_lane_key key;
	struct berth_load *load;

	if (!lane || config.entries < 2 || entry >= BERTH_POOL_MAX)
		return 0;
	key = *lane;
	__builtin_memset(key.src, 0, 16);
	key.pool = config.load_id;
	load = bpf_map_lookup_elem(&loads, &key);
	if (!load && by > 0) {
		bpf_map_update_elem(&loads, &key, &no_load, BPF_NOEXIST);
		load = bpf_map_lookup_elem(&loads, &key);
	}
	if (load && (by > 0 || load->used[entry]))
		__sync_fetch_and_add(&load->used[entry], by);
	return 0;
}

#endif
