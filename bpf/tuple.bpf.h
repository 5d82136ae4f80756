/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What stands against a tuple: the kernel's socket table, claims of other CPUs, ports kept for bind(). */
#ifndef BERTH_BPF_TUPLE_H
#define BERTH_BPF_TUPLE_H

#include "addr.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"

#define CLAIM_MS                                                                                   \
	12 /* how long a claim holds: far longer than from look-up to hashing, or a tick of the clock */

enum { TUPLE_USABLE, TUPLE_BUSY, TUPLE_YOUNG, TUPLE_OWN };

/* How long a timewait socket has rested, at least; stamp: of its last segment, seconds. */
static uint64_t rested_ns(struct tcp_timewait_sock *tw, int stamp, uint64_t now_ns)
{
	uint64_t since = ((uint64_t)(uint32_t)stamp + 1) * 1000000000;

	if (bpf_core_field_exists(tw->tw_sk.tw_entry_stamp)) {
		int32_t ms = (int32_t)((uint32_t)(now_ns / 1000000) - tw->tw_sk.tw_entry_stamp);

		/* It may have come after our look at the clock. */
		return ms < 0 ? 0 : (uint64_t)ms * 1000000;
	}
	return now_ns < since ? 0 : now_ns - since;
}

static int judge_tcp(struct bpf_sock *sk, uint64_t now_ns)
{
	struct tcp_timewait_sock *tw;
	int stamp;

	if (sk->state != BPF_TCP_TIME_WAIT)
		return TUPLE_BUSY;
	tw = bpf_skc_to_tcp_timewait_sock(sk);
	if (!tw || tw->tw_sk.tw_substate == TCP_FIN_WAIT2)
		return TUPLE_BUSY;
	stamp = tw->tw_ts_recent_stamp;
	/* A bound socket may take a TIME_WAIT tuple with timestamps: tcp_twsk_unique(), twp == NULL. */
	if (!stamp)
		return TUPLE_BUSY;
	return rested_ns(tw, stamp, now_ns) < config.rest_ns ? TUPLE_YOUNG : TUPLE_USABLE;
}

/*
 * The source address of a kernel's socket toward dst; zeros where it has none yet. The hooks may hold the
 * socket's address only, not look into it, so it is read as any memory of the kernel.
 */
static void source_of(uint64_t socket, const uint8_t dst[16], uint8_t out_src[16])
{
	struct sock *sk = (struct sock *)(long)socket;
	uint32_t v4 = 0, v6[4] = {};

	if (is_mapped(dst)) {
		bpf_core_read(&v4, sizeof(v4), &sk->__sk_common.skc_rcv_saddr);
		if (v4)
			set_v4(out_src, v4);
	} else {
		bpf_core_read(v6, sizeof(v6), &sk->__sk_common.skc_v6_rcv_saddr);
		__builtin_memcpy(out_src, v6, sizeof(v6));
	}
}

/* True where berth assigned the port of a socket that was looked up, which will give it back when it is closed. */
static bool is_own(struct bpf_sock *sk)
{
	uint64_t socket = (uint64_t)(long)sk;
	return bpf_map_lookup_elem(&assigned, &socket);
}

/* What the kernel knows of the tuple (key, port). */
__attribute__((noinline)) int tuple_judge(struct bpf_sock_addr *ctx,
					  const struct berth_lane_key *key, uint32_t port,
					  uint64_t now_ns)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	uint32_t size, i;
	int verdict;

	if (!key)
		return TUPLE_BUSY;
	if (is_mapped(key->dst)) {
		t.ipv4.saddr = *(const uint32_t *)&key->dst[12];
		t.ipv4.daddr = *(const uint32_t *)&key->src[12];
		t.ipv4.sport = bpf_htons(key->dport);
		t.ipv4.dport = bpf_htons((uint16_t)port);
		size = sizeof(t.ipv4);
	} else {
		for (i = 0; i < 4; i++) {
			t.ipv6.saddr[i] = ((const uint32_t *)key->dst)[i];
			t.ipv6.daddr[i] = ((const uint32_t *)key->src)[i];
		}
		t.ipv6.sport = bpf_htons(key->dport);
		t.ipv6.dport = bpf_htons((uint16_t)port);
		size = sizeof(t.ipv6);
	}
	if (key->protocol == IPPROTO_TCP) {
		sk = bpf_skc_lookup_tcp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
		if (!sk)
			return TUPLE_USABLE;
		verdict = judge_tcp(sk, now_ns);
		if (verdict == TUPLE_BUSY && is_own(sk))
			verdict = TUPLE_OWN;
		bpf_sk_release(sk);
		return verdict;
	}
	sk = bpf_sk_lookup_udp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return TUPLE_USABLE;
	verdict = is_own(sk) ? TUPLE_OWN : TUPLE_BUSY;
	bpf_sk_release(sk);
	return verdict;
}

/*
 * A port that bind() was given is kept from connect() until its own socket connects: where its program has
 * set SO_REUSEADDR, the kernel would share it, and a clash would reach that program. All namespaces together.
 */
static uint64_t *kept_word(uint32_t port)
{
	uint32_t zero = 0;
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	return all ? &all->kept[(port >> 6) & (BERTH_PORTSET_LEAVES - 1)] : 0;
}

/* True where the port is not to be assigned now: bind() was given it, or it was reserved after the run began. */
static bool port_is_kept(uint32_t port)
{
	uint32_t zero = 0, at = (port >> 6) & (BERTH_PORTSET_LEAVES - 1);
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	return all && ((all->kept[at] | all->withheld[at]) >> (port & 63)) & 1;
}

static void port_keep(uint32_t port)
{
	uint64_t *word = kept_word(port);

	if (word)
		__sync_fetch_and_or(word, 1ULL << (port & 63));
}

static void port_unkeep(uint32_t port)
{
	uint64_t *word = kept_word(port);

	if (word)
		__sync_fetch_and_and(word, ~(1ULL << (port & 63)));
}

/* The claim that stands for a tuple. */
static uint32_t *claim_of(struct berth_shared *all, const struct berth_lane_key *key, uint32_t port)
{
	const uint64_t *w = (const uint64_t *)key;
	uint64_t h;

	h = (w[0] ^ w[1]) * 0x9e3779b97f4a7c15ULL ^ (w[2] ^ w[3]) * 0xc2b2ae3d27d4eb4fULL ^ w[4] ^
	    w[5];
	h = (h ^ port) * 0x9e3779b97f4a7c15ULL;
	return &all->claim_ms[(h >> 48) & (BERTH_CLAIMS - 1)];
}

/* True where a time in ms, modulo 2^32 and never 0, is still to come. */
static bool is_ahead(uint32_t ms, uint32_t now_ms)
{
	return ms && (int32_t)(ms - now_ms) > 0;
}

/* Moves the end of the last claim on. */
static void claims_last_until(struct berth_shared *all, uint32_t until_ms)
{
	if (!is_ahead(all->claims_until_ms, until_ms))
		all->claims_until_ms = until_ms;
}

/* True where the tuple was not claimed; it is then, until the kernel must have hashed the socket. */
__attribute__((noinline)) int tuple_claim(const struct berth_lane_key *key, uint32_t port,
					  uint64_t now_ns)
{
	uint32_t zero = 0, now_ms = (uint32_t)(now_ns / 1000000), *claim, old;
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	if (!all || !key)
		return 1;
	claim = claim_of(all, key, port);
	old = *claim;
	if (is_ahead(old, now_ms))
		return 0;
	claims_last_until(all, (now_ms + CLAIM_MS) | 1);
	return __sync_val_compare_and_swap(claim, old, (now_ms + CLAIM_MS) | 1) == old;
}

/* True where a tuple was claimed, or rests. Where no claim at all is left it need not be looked for. */
static bool tuple_is_claimed(const struct berth_lane_key *key, uint32_t port, uint64_t now_ns)
{
	uint32_t zero = 0, now_ms = (uint32_t)(now_ns / 1000000);
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	return all && is_ahead(all->claims_until_ms, now_ms) &&
	       is_ahead(*claim_of(all, key, port), now_ms);
}

/* Lets a tuple rest that was given back. */
static void tuple_rest(const struct berth_lane_key *key, uint32_t port, uint64_t now_ns)
{
	uint32_t zero = 0, until = (uint32_t)((now_ns + config.rest_ns) / 1000000) | 1;
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	if (!all || !config.rest_ns)
		return;
	claims_last_until(all, until);
	*claim_of(all, key, port) = until;
}

#endif
