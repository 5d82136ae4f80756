/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who has a port in the socket's namespace, whatever the address: read out of the kernel's own bind tables.
 *
 * The look-up helpers ask for a socket pair; bind() and a connect() whose source the route has yet to give know
 * none. The tables are walked as memory of the kernel, without its locks: what comes or goes meanwhile may be
 * missed, and the bind itself has the last word. A walk is WALK_MAX steps; one that does not end has met
 * somebody. TCP sockets of a port are listed since Linux 6.8; before, a port with a bucket counts as in use.
 */
#ifndef BERTH_BPF_BUCKET_H
#define BERTH_BPF_BUCKET_H

#include "kernel.bpf.h"
#include "tuple.bpf.h"

#define WALK_MAX 256

/* What a walk looks for, where it stands, and what it has found. Addresses of the kernel are numbers here. */
struct walk {
	uint64_t net, bucket, bucket2;
	uint64_t socket;     /* at first the one that asks: it tells namespace and tables */
	uint8_t dst[16];     /* destination that is to be met */
	uint8_t met_src[16]; /* source of the last socket that was met */
	uint32_t port;
	uint16_t dport;
	uint8_t protocol;
	uint8_t taken; /* somebody has the port; sockets in TIME_WAIT that give way do not count */
	uint8_t met;   /* somebody has the port and is connected to the destination */
	uint8_t waits; /* somebody in TIME_WAIT has it, and gives way to a socket with SO_REUSEADDR */
	uint8_t ended;
};

/* The container of a list's node. */
#define OWNER(node, type, member) ((type *)((node)-bpf_core_field_offset(type, member)))

static bool gives_way(struct sock *sk)
{
	struct tcp_timewait_sock *tw = (struct tcp_timewait_sock *)sk;

	return BPF_CORE_READ(sk, __sk_common.skc_state) == BPF_TCP_TIME_WAIT &&
	       BPF_CORE_READ(tw, tw_sk.tw_substate) != TCP_FIN_WAIT2 &&
	       BPF_CORE_READ(tw, tw_ts_recent_stamp) &&
	       BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_reuse);
}

static bool goes_to(struct sock *sk, const struct walk *w)
{
	uint32_t v6[4] = {};

	if (BPF_CORE_READ(sk, __sk_common.skc_dport) != bpf_htons(w->dport))
		return false;
	if (is_mapped(w->dst))
		return BPF_CORE_READ(sk, __sk_common.skc_daddr) == *(const uint32_t *)&w->dst[12];
	bpf_core_read(v6, sizeof(v6), &sk->__sk_common.skc_v6_daddr);
	return same((const uint8_t *)v6, w->dst);
}

static void look_at(struct walk *w, struct sock *sk)
{
	if (w->protocol == IPPROTO_TCP && gives_way(sk)) {
		w->waits = 1;
		return;
	}
	w->taken = 1;
	if (!goes_to(sk, w))
		return;
	w->met = 1;
	source_of((uint64_t)(long)sk, w->dst, w->met_src);
}

/* One step: the next socket of a bucket, the next address of a port, the next bucket of the chain. */
static long walk_tcp(uint32_t i, struct walk *w)
{
	if (w->socket) {
		struct sock *sk = OWNER(w->socket, struct sock, __sk_common.skc_bind_node);

		look_at(w, sk);
		w->socket = (uint64_t)(long)BPF_CORE_READ(sk, __sk_common.skc_bind_node.next);
	} else if (w->bucket2) {
		struct inet_bind2_bucket *b2 =
			OWNER(w->bucket2, struct inet_bind2_bucket, bhash_node);

		w->socket = (uint64_t)(long)BPF_CORE_READ(b2, owners.first);
		w->bucket2 = (uint64_t)(long)BPF_CORE_READ(b2, bhash_node.next);
	} else if (w->bucket) {
		struct inet_bind_bucket *b = OWNER(w->bucket, struct inet_bind_bucket, node);

		w->bucket = (uint64_t)(long)BPF_CORE_READ(b, node.next);
		if (BPF_CORE_READ(b, port) != w->port ||
		    (uint64_t)(long)BPF_CORE_READ(b, ib_net.net) != w->net)
			return 0;
		if (bpf_core_field_exists(b->bhash2))
			w->bucket2 = (uint64_t)(long)BPF_CORE_READ(b, bhash2.first);
		else
			w->taken = w->met = 1;
	} else {
		w->ended = 1;
		return 1;
	}
	return 0;
}

static long walk_udp(uint32_t i, struct walk *w)
{
	struct sock *sk;

	if (!w->socket) {
		w->ended = 1;
		return 1;
	}
	sk = OWNER(w->socket, struct sock, __sk_common.skc_node);
	if (BPF_CORE_READ(sk, __sk_common.skc_num) == w->port &&
	    (uint64_t)(long)BPF_CORE_READ(sk, __sk_common.skc_net.net) == w->net)
		look_at(w, sk);
	w->socket = (uint64_t)(long)BPF_CORE_READ(sk, __sk_common.skc_node.next);
	return 0;
}

/* Fills in who has w->port. The caller sets socket, port and protocol, and the destination where it counts. */
static __attribute__((noinline)) int port_walk(struct walk *w)
{
	struct sock *sk = (struct sock *)(long)w->socket;
	struct net *net;
	uint32_t at;

	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	w->net = (uint64_t)(long)net;
	at = w->port + BPF_CORE_READ(net, hash_mix);
	if (w->protocol == IPPROTO_TCP) {
		struct inet_hashinfo *all = BPF_CORE_READ(sk, __sk_common.skc_prot, h.hashinfo);
		struct inet_bind_hashbucket *chain;

		if (!all)
			all = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
		at &= BPF_CORE_READ(all, bhash_size) - 1;
		chain = (void *)BPF_CORE_READ(all, bhash) +
			(uint64_t)at * bpf_core_type_size(struct inet_bind_hashbucket);
		w->bucket = (uint64_t)(long)BPF_CORE_READ(chain, chain.first);
		w->socket = 0;
		bpf_loop(WALK_MAX, walk_tcp, w, 0);
	} else {
		struct udp_table *all = BPF_CORE_READ(sk, __sk_common.skc_prot, h.udp_table);
		struct udp_hslot *chain;

		if (!all)
			all = BPF_CORE_READ(net, ipv4.udp_table);
		at &= BPF_CORE_READ(all, mask);
		chain = (void *)BPF_CORE_READ(all, hash) +
			(uint64_t)at * bpf_core_type_size(struct udp_hslot);
		w->socket = (uint64_t)(long)BPF_CORE_READ(chain, head.first);
		bpf_loop(WALK_MAX, walk_udp, w, 0);
	}
	if (!w->ended)
		w->taken = w->met = 1;
	return 0;
}

#endif
