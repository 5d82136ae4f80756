/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Cgroup programs that do what a fact asks for and note what they see. Each attaches only where
 * asked. Hooks: connect4, bind4, post_bind4, sendmsg4, sock_create, sock_release; needs Linux 5.15.
 * Verdict: always allow.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hooks.h"

#define AF_INET 2
#define SOL_SOCKET 1
#define SO_REUSEADDR 2

/* The part of the kernel's struct that is read; CO-RE finds it by name. */
struct tcp_timewait_sock {
	__u32 tw_ts_recent_stamp;
} __attribute__((preserve_access_index));

struct hooks_want want;
struct hooks_seen seen;

static void look_up(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_tuple t = {};
	struct tcp_timewait_sock *tw;
	struct bpf_sock *sk;

	t.ipv4.saddr = ctx->user_ip4;
	t.ipv4.sport = (__be16)ctx->user_port;
	t.ipv4.daddr = bpf_htonl(want.lookup_addr);
	t.ipv4.dport = bpf_htons(want.lookup_port);
	sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return;
	seen.lookup_state = (__s32)sk->state;
	tw = bpf_skc_to_tcp_timewait_sock(sk);
	if (tw) {
		seen.is_timewait = 1;
		seen.timewait_stamp = tw->tw_ts_recent_stamp;
	}
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
	int one = 1, i;

	seen.connects++;
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
	return 1;
}

SEC("cgroup/bind4")
int hook_bind4(struct bpf_sock_addr *ctx)
{
	seen.binds++;
	seen.bind_port = bpf_ntohs((__be16)ctx->user_port);
	if (want.bind_port)
		ctx->user_port = bpf_htons(want.bind_port);
	return 1;
}

SEC("cgroup/post_bind4")
int hook_post_bind4(struct bpf_sock *ctx)
{
	(void)ctx;
	seen.post_binds++;
	return 1;
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
	(void)ctx;
	seen.releases++;
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
