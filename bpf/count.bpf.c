// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Counts sockets by a value that they have.
 *
 * Hooks: iter/tcp, iter/udp. Oldest kernel: 6.1. They only read: there is no verdict. Without them src/kernel asks
 * sock_diag. An object of its own: what the loader must find in the kernel's types for the other walks it need not
 * find for these, a millisecond for each struct.
 *
 * Made for a million sockets with as many values. The table is an array that the reader maps, so that nothing is
 * copied out of it, and a look-up is one line of memory. A key has PROBES places, a step apart that depends on the
 * key; three quarters of the table can be used before all places of a key are taken.
 * Invariant: one walk writes at a time, so that nothing is locked.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "../abi/observe.h"
#include "asked.bpf.h"
#include "sock.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROBES 64

/* Written before each walk. */
uint32_t count_by;    /* enum berth_count_by */
uint32_t counts_mask; /* entries of the table, less one; a power of two less one */
uint64_t counts_seed; /* nobody can foresee which keys meet */
uint64_t uncounted;   /* sockets whose key found no place */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_count);
} counts SEC(".maps");

/* The words of a key. */
struct words {
	uint64_t w[3];
};

/* Multiplication carries upwards only: the high half of the product comes down again. */
static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

static bool is_same(const struct words *a, const struct words *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2];
}

struct search {
	const struct words *key;
	uint32_t at, step;
	bool found;
};

/* Looks at one place; 1 where it was the last. */
static long probe(uint32_t i, struct search *s)
{
	uint32_t place = s->at & counts_mask;
	struct berth_count *c = bpf_map_lookup_elem(&counts, &place);

	(void)i;
	s->at += s->step;
	if (!c)
		return 1;
	if (!c->sockets)
		*(struct words *)&c->key = *s->key;
	else if (!is_same((const void *)&c->key, s->key))
		return 0;
	c->sockets++;
	s->found = true;
	return 1;
}

/* Counts one socket under the key. Global: looked at once by the verifier. */
__attribute__((noinline)) int add_one(const struct berth_count_key *key)
{
	struct search s = { .key = (const void *)key };
	uint64_t h;

	if (!key)
		return 0;
	h = mix(mix(mix(counts_seed, s.key->w[0]), s.key->w[1]), s.key->w[2]);
	s.at = (uint32_t)h;
	s.step = (uint32_t)(h >> 32) | 1;
	if (probe(0, &s))
		return 0;
	bpf_loop(PROBES - 1, probe, &s, 0);
	uncounted += !s.found;
	return 0;
}

static void put_address(struct berth_count_key *key, const uint8_t addr[16], uint8_t family)
{
	put_v6(key->addr, (const uint32_t *)addr);
	key->family = family;
}

static void count(const struct berth_socket *s, uint32_t uid)
{
	struct berth_count_key key __attribute__((aligned(8))) = {}; /* read in words */

	switch (count_by) {
	case BERTH_COUNT_BY_STATE:
		key.number = s->state;
		break;
	case BERTH_COUNT_BY_PROTOCOL:
		key.number = s->protocol;
		break;
	case BERTH_COUNT_BY_UID:
		key.number = uid;
		break;
	case BERTH_COUNT_BY_NETNS:
		key.number = s->netns;
		break;
	case BERTH_COUNT_BY_LOCAL:
		key.port = s->lport; /* fallthrough */
	case BERTH_COUNT_BY_LOCAL_ADDRESS:
		put_address(&key, s->local, s->family);
		break;
	case BERTH_COUNT_BY_PEER:
		key.port = s->pport; /* fallthrough */
	case BERTH_COUNT_BY_PEER_ADDRESS:
		put_address(&key, s->peer, s->family);
		break;
	case BERTH_COUNT_BY_LOCAL_PORT:
		key.port = s->lport;
		break;
	case BERTH_COUNT_BY_PEER_PORT:
		key.port = s->pport;
		break;
	}
	add_one(&key);
}

SEC("iter/tcp")
int berth_count_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct berth_socket s = {};
	struct sock *sk = NULL;

	if (c && take_tcp(c, &s, &sk))
		count(&s, sk ? sk->sk_uid.val : 0);
	return 0;
}

SEC("iter/udp")
int berth_count_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;
	struct berth_socket s = {};

	if (udp && take_udp(&udp->inet.sk, &s))
		count(&s, udp->inet.sk.sk_uid.val);
	return 0;
}
