// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Counts the sockets of each lane of a network namespace, in the kernel: none of them goes to user space.
 *
 * Hooks: iter/tcp, iter/udp. Oldest kernel: 6.1. They only read: there is no verdict. Without them src/kernel asks
 * sock_diag, which does not tell who chose a port.
 *
 * A port is hidden from the kernel's automatic choice while its bind bucket says that somebody bound it explicitly
 * (fastreuse >= 0): then no lane of the namespace has it. Buckets are seen through the sockets that hold them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <stdbool.h>

#include "../abi/headroom.h"
#include "../abi/observe.h"
#include "sock.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct inet_bind_bucket {
	signed char fastreuse;
} KERNEL;

struct inet_connection_sock___bind {
	struct inet_bind_bucket *icsk_bind_hash;
} KERNEL;

struct inet_timewait_sock___bind {
	unsigned char tw_substate;
	struct inet_bind_bucket *tw_tb;
} KERNEL;

struct tcp_timewait_sock___bind {
	struct inet_timewait_sock___bind tw_sk;
	int tw_ts_recent_stamp;
} KERNEL;

/* Written before each walk: destinations, and the class of each port. */
struct berth_headroom_ask ask;
uint8_t port_class[BERTH_CLASS_PROTOCOLS][65536];

/* Out: ports that are hidden from automatic choice; for UDP, ports in use. A byte each. */
uint8_t port_taken[BERTH_CLASS_PROTOCOLS][65536];
uint64_t uncounted; /* sockets that did not fit into the map */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct berth_headroom_key);
	__type(value, struct berth_headroom_count);
} lanes SEC(".maps");

enum kind { OPEN, STAMPED, WAITING };

static bool is_hidden(const struct inet_bind_bucket *bucket)
{
	return bucket && bucket->fastreuse >= 0;
}

static void put_addresses(struct berth_headroom_key *key, const struct sock_common *c)
{
	uint32_t *src = (uint32_t *)key->src, *dst = (uint32_t *)key->dst;

	if (c->skc_family == AF_INET6) {
		for (int i = 0; i < 4; i++) {
			src[i] = c->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			dst[i] = c->skc_v6_daddr.in6_u.u6_addr32[i];
		}
		return;
	}
	src[0] = src[1] = dst[0] = dst[1] = 0;
	src[2] = dst[2] = bpf_htonl(0xffff);
	src[3] = c->skc_rcv_saddr;
	dst[3] = c->skc_daddr;
}

static bool is_wanted(const struct berth_headroom_key *key)
{
	uint64_t dst[2];

	__builtin_memcpy(dst, key->dst, sizeof(dst));
	return !((dst[0] ^ ask.addr[0]) & ask.mask[0]) && !((dst[1] ^ ask.addr[1]) & ask.mask[1]) &&
	       (!ask.port || ask.port == key->dport);
}

static void count(const struct sock_common *c, uint8_t protocol, uint8_t classes, enum kind kind)
{
	struct berth_headroom_key key = { .dport = bpf_ntohs(c->skc_dport),
					  .protocol = protocol,
					  .classes = classes };
	struct berth_headroom_count one = { .open = kind == OPEN,
					    .stamped = kind == STAMPED,
					    .waiting = kind == WAITING };
	struct berth_headroom_count *n;

	put_addresses(&key, c);
	if (!is_wanted(&key))
		return;
	n = bpf_map_lookup_elem(&lanes, &key);
	if (n)
		__sync_fetch_and_add(kind == OPEN      ? &n->open
				     : kind == STAMPED ? &n->stamped
						       : &n->waiting,
				     1);
	else if (bpf_map_update_elem(&lanes, &key, &one, BPF_NOEXIST))
		__sync_fetch_and_add(&uncounted, 1);
}

static enum kind kind_of(const struct tcp_timewait_sock___bind *tw)
{
	if (tw->tw_sk.tw_substate != BERTH_STATE_TIME_WAIT)
		return OPEN;
	return tw->tw_ts_recent_stamp ? STAMPED : WAITING;
}

SEC("iter/tcp")
int berth_lanes_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	const struct inet_bind_bucket *bucket;
	enum kind kind = OPEN;
	uint8_t classes;

	if (!c || c->skc_state == BERTH_STATE_NEW_SYN_RECV || c->skc_state == BERTH_STATE_LISTEN)
		return 0;
	classes = port_class[BERTH_CLASS_TCP][c->skc_num];
	if (!classes)
		return 0;
	if (c->skc_state == BERTH_STATE_TIME_WAIT) {
		const struct tcp_timewait_sock___bind *tw =
			(const void *)bpf_skc_to_tcp_timewait_sock(c);

		if (!tw)
			return 0;
		bucket = tw->tw_sk.tw_tb;
		kind = kind_of(tw);
	} else {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(c);
		const struct inet_connection_sock___bind *icsk;

		if (!tp)
			return 0;
		icsk = (const void *)&tp->inet_conn;
		bucket = icsk->icsk_bind_hash;
	}
	if ((classes & BERTH_CLASS_KERNEL) && is_hidden(bucket)) {
		port_taken[BERTH_CLASS_TCP][c->skc_num] = 1;
		classes &= ~BERTH_CLASS_KERNEL;
	}
	if (classes)
		count(c, BERTH_CLASS_TCP, classes, kind);
	return 0;
}

/* The kernel gives a port of UDP to one socket, whatever its destination; berth shares one between destinations. */
SEC("iter/udp")
int berth_lanes_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;
	const struct sock_common *c;
	uint8_t classes;

	if (!udp)
		return 0;
	c = &udp->inet.sk.__sk_common;
	classes = port_class[BERTH_CLASS_UDP][c->skc_num];
	if (classes & BERTH_CLASS_KERNEL)
		port_taken[BERTH_CLASS_UDP][c->skc_num] = 1;
	classes &= ~BERTH_CLASS_KERNEL;
	if (classes && c->skc_dport)
		count(c, BERTH_CLASS_UDP, classes, OPEN);
	return 0;
}
