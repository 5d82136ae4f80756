/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Cgroup programs that do what a fact asks for and note what they see. Each attaches only where
 * asked. Hooks: connect4, bind4, post_bind4, sendmsg4, sock_release; needs Linux 6.1.
 * Verdict: allow, but in connect4 what the fact wants.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hooks.h"

#define AF_INET 2
#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define IPPROTO_UDP 17

/* The parts of the kernel's structs that are read; CO-RE finds them by name. */
struct inet_timewait_sock {
	unsigned char tw_substate;
	__u32 tw_entry_stamp;
} __attribute__((preserve_access_index));

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
	__u32 tw_ts_recent_stamp;
} __attribute__((preserve_access_index));

struct sock_common {
	__be32 skc_rcv_saddr;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct inet_sock {
	unsigned long inet_flags;
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
} __attribute__((preserve_access_index));

struct hooks_want want;
struct hooks_seen seen;

static void note_timewait(struct tcp_timewait_sock *tw)
{
	seen.is_timewait = 1;
	seen.timewait_stamp = tw->tw_ts_recent_stamp;
	seen.timewait_substate = tw->tw_sk.tw_substate;
	if (!bpf_core_field_exists(tw->tw_sk.tw_entry_stamp))
		return;
	seen.has_entry = 1;
	seen.timewait_entry = tw->tw_sk.tw_entry_stamp;
}

static void look_up(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_tuple t = {};
	struct tcp_timewait_sock *tw;
	struct bpf_sock *sk;

	t.ipv4.saddr = ctx->user_ip4;
	t.ipv4.sport = (__be16)ctx->user_port;
	t.ipv4.daddr = bpf_htonl(want.lookup_addr);
	t.ipv4.dport = bpf_htons(want.lookup_port);
	seen.now_ns = bpf_ktime_get_coarse_ns();
	if (ctx->protocol == IPPROTO_UDP) {
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
		seen.found = (__u64)(long)sk;
		if (sk)
			bpf_sk_release(sk);
		return;
	}
	sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return;
	seen.found = (__u64)(long)sk;
	seen.lookup_state = (__s32)sk->state;
	tw = bpf_skc_to_tcp_timewait_sock(sk);
	if (tw)
		note_timewait(tw);
	bpf_sk_release(sk);
}

SEC("cgroup/connect4")
int hook_connect4(struct bpf_sock_addr *ctx)
{
	struct sockaddr_in_part {
		__u16 family;
		__be16 port;
		__be32 addr;
		__u8 zero[8];
	} sa = { .family = AF_INET };
	struct bpf_sock *sk = ctx->sk;
	int one = 1, i;

	seen.connects++;
	seen.retval = bpf_get_retval();
	if (sk) {
		seen.in_connect = (__u64)(long)sk;
		seen.bound_addr = bpf_ntohl(sk->src_ip4);
		seen.bound_port = sk->src_port;
	}
	seen.netns = bpf_get_netns_cookie(ctx);
	if (want.lookup_port)
		look_up(ctx);
	if (want.reuseaddr)
		bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	for (i = 0; i < HOOKS_TRIES; i++) {
		if (!want.port[i])
			break;
		sa.port = bpf_htons(want.port[i]);
		sa.addr = bpf_htonl(want.addr);
		seen.result[i] = (__s32)bpf_bind(ctx, (struct sockaddr *)&sa, sizeof(sa));
	}
	if (!want.refusal)
		return 1;
	bpf_set_retval(want.refusal);
	return 0;
}

SEC("cgroup/bind4")
int hook_bind4(struct bpf_sock_addr *ctx)
{
	struct tcp_sock *tp = ctx->sk ? bpf_skc_to_tcp_sock(ctx->sk) : 0;

	seen.binds++;
	seen.in_bind = (__u64)(long)ctx->sk;
	if (tp && bpf_core_field_exists(tp->inet_conn.icsk_inet.inet_flags))
		seen.inet_flags = tp->inet_conn.icsk_inet.inet_flags;
	seen.bind_port = bpf_ntohs((__be16)ctx->user_port);
	if (want.bind_port)
		ctx->user_port = bpf_htons(want.bind_port);
	return want.lift ? 3 : 1;
}

SEC("cgroup/post_bind4")
int hook_post_bind4(struct bpf_sock *ctx)
{
	seen.post_binds++;
	seen.in_post_bind = (__u64)(long)ctx;
	if (!want.chosen_port || ctx->src_port != want.chosen_port)
		return 1;
	bpf_set_retval(want.refusal);
	return 0;
}

SEC("cgroup/sendmsg4")
int hook_sendmsg4(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	seen.sendmsgs++;
	return 1;
}

SEC("cgroup/sock_release")
int hook_sock_release(struct bpf_sock *ctx)
{
	struct sock *sk = (struct sock *)(long)ctx;
	__be32 addr = 0;

	seen.releases++;
	seen.in_release = (__u64)(long)ctx;
	bpf_core_read(&addr, sizeof(addr), &sk->__sk_common.skc_rcv_saddr);
	seen.read_addr = bpf_ntohl(addr);
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
