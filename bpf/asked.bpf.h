/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is asked for, and what a socket in the kernel's tables is, for the walks that show and those that count.
 *
 * What takes loops is a global function: the verifier looks at it once, not on each way that leads to it.
 */
#ifndef BERTH_BPF_ASKED_H
#define BERTH_BPF_ASKED_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "../abi/observe.h"
#include "sock.bpf.h"

/* Written before each walk. */
struct berth_socket_ask ask;
uint32_t tick_ms; /* length of a jiffy */

/* ---- what is asked for ---- */

static bool wanted_protocol(uint16_t protocol)
{
	if (!ask.protocols)
		return true;
	for (int i = 0; i < (int)BERTH_ASK_PROTOCOLS; i++)
		if (i < ask.protocols && ask.protocol[i] == protocol)
			return true;
	return false;
}

static bool wanted_port(uint16_t port)
{
	if (!ask.lports)
		return true;
	for (int i = 0; i < (int)BERTH_ASK_PORTS; i++)
		if (i < (int)ask.lports && port >= ask.lport[i].first && port <= ask.lport[i].last)
			return true;
	return false;
}

/* The word of an address with only its first bits; be: as it lies in memory. */
static uint64_t head(uint64_t be, uint32_t bits)
{
	return bits ? bpf_be64_to_cpu(be) >> (64 - bits) : 0;
}

static bool wanted_peer(const struct berth_socket *s)
{
	const uint64_t *p = (const uint64_t *)s->peer, *q = (const uint64_t *)ask.peer;
	uint32_t len = ask.peer_len, high = len < 64 ? len : 64, low = len < 64 ? 0 : len - 64;

	if (ask.pport && ask.pport != s->pport)
		return false;
	if (!len)
		return true;
	return head(p[0], high & 127) == head(q[0], high & 127) &&
	       head(p[1], low & 127) == head(q[1], low & 127);
}

/* What is cheap to read and refuses most comes first: before the rest is read. */
__attribute__((noinline)) int wanted_early(uint16_t protocol, uint16_t port, uint32_t netns)
{
	return (!ask.netns || ask.netns == netns) && wanted_protocol(protocol) && wanted_port(port);
}

__attribute__((noinline)) int wanted_late(const struct berth_socket *s)
{
	if (!s)
		return 0;
	return (!ask.states || ask.states >> (s->state & 31) & 1) && wanted_peer(s);
}

/* ---- what a socket is ---- */

static void put_v4(uint8_t to[16], uint32_t be)
{
	uint32_t *w = (uint32_t *)to;

	w[0] = w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = be;
}

static void put_v6(uint8_t to[16], const uint32_t from[4])
{
	uint32_t *w = (uint32_t *)to;

	w[0] = from[0];
	w[1] = from[1];
	w[2] = from[2];
	w[3] = from[3];
}

static void put_common(struct berth_socket *s, const struct sock_common *c, uint32_t netns)
{
	s->family = (uint8_t)c->skc_family;
	if (s->family == AF_INET6) {
		put_v6(s->local, c->skc_v6_rcv_saddr.in6_u.u6_addr32);
		put_v6(s->peer, c->skc_v6_daddr.in6_u.u6_addr32);
	} else {
		put_v4(s->local, c->skc_rcv_saddr);
		put_v4(s->peer, c->skc_daddr);
	}
	s->lport = c->skc_num;
	s->pport = bpf_ntohs(c->skc_dport);
	s->state = c->skc_state;
	s->netns = netns;
	s->device = (uint32_t)c->skc_bound_dev_if;
	if (!ask.brief)
		s->cookie = (uint64_t)c->skc_cookie.counter;
	s->flags = BERTH_SOCKET_REUSE_KNOWN | (c->skc_reuse ? BERTH_SOCKET_REUSEADDR : 0) |
		   (c->skc_reuseport ? BERTH_SOCKET_REUSEPORT : 0) |
		   (c->skc_ipv6only && s->family == AF_INET6 ? BERTH_SOCKET_V6ONLY : 0);
}

/* ---- the kernel's tables ---- */

static void put_timewait(struct berth_socket *s, struct tcp_timewait_sock *tw)
{
	long left = (long)(tw->tw_sk.tw_timer.expires - bpf_jiffies64());

	s->state = tw->tw_sk.tw_substate;
	s->timer_ms = left > 0 ? (uint32_t)left * tick_ms : 0;
	s->flags = BERTH_SOCKET_SHORT;
}

/* Fills in what a row of the table of TCP is; out_sk: NULL for TIME_WAIT and requests. False: not asked for. */
static bool take_tcp(struct sock_common *c, struct berth_socket *s, struct sock **out_sk)
{
	uint32_t netns = c->skc_net.net->ns.inum;
	uint8_t state = c->skc_state;

	s->protocol = IPPROTO_TCP;
	if (!wanted_early(IPPROTO_TCP, c->skc_num, netns))
		return false;
	put_common(s, c, netns);
	if (state == BERTH_STATE_TIME_WAIT) {
		struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(c);

		if (!tw)
			return false;
		put_timewait(s, tw);
	} else if (state == BERTH_STATE_NEW_SYN_RECV) {
		s->state = BERTH_STATE_SYN_RECV;
		s->flags = BERTH_SOCKET_SHORT;
	} else {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(c);

		if (!tp)
			return false;
		*out_sk = &tp->inet_conn.icsk_inet.sk;
	}
	return wanted_late(s);
}

/* As take_tcp(), of UDP. */
static bool take_udp(struct sock *sk, struct berth_socket *s)
{
	uint32_t netns = sk->__sk_common.skc_net.net->ns.inum;

	s->protocol = sk->sk_protocol;
	if (!wanted_early(s->protocol, sk->__sk_common.skc_num, netns))
		return false;
	put_common(s, &sk->__sk_common, netns);
	return wanted_late(s);
}

#endif
