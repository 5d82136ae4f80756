/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Walks over descriptors and over the table of TCP that tell of each socket.
 * Hooks: iter/task_file, iter/tcp; needs Linux 6.1. Verdict: none.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "walks.h"

#define AF_INET 2
#define TCP_TIME_WAIT 6
#define TCP_NEW_SYN_RECV 12
#define KERNEL __attribute__((preserve_access_index))

/* The parts of the kernel's structs that are read; CO-RE finds them by name. */
struct ns_common {
	unsigned int inum;
} KERNEL;

struct net {
	struct ns_common ns;
} KERNEL;

struct sock_common {
	unsigned short skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct {
		struct net *net;
	} skc_net;
} KERNEL;

struct file;

struct socket {
	struct file *file;
	struct sock *sk;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
} KERNEL;

struct inet_sock {
	struct sock sk;
} KERNEL;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} KERNEL;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
} KERNEL;

struct task_struct {
	int pid, tgid;
} KERNEL;

struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	unsigned int fd;
	struct file *file;
} KERNEL;

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} KERNEL;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static void put(struct walks_row *row, const struct sock_common *c)
{
	row->netns = c->skc_net.net->ns.inum;
	row->port = c->skc_num;
	row->state = c->skc_state;
}

/* The verifier lets nobody take a pointer for a number, but read it as one. */
static __u64 place_of(const void *p)
{
	__u64 place = 0;

	bpf_probe_read_kernel(&place, sizeof(place), &p);
	return place;
}

SEC("iter/task_file")
int walk_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct walks_row row = {};
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (!sk || sk->__sk_common.skc_family != AF_INET)
		return 0;
	put(&row, &sk->__sk_common);
	row.place = place_of(sk);
	row.process = (__u32)task->tgid;
	row.thread = (__u32)task->pid;
	row.fd = ctx->fd;
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

SEC("iter/tcp")
int walk_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct walks_row row = {};
	struct tcp_sock *tp;

	if (!c)
		return 0;
	put(&row, c);
	row.place = place_of(c);
	if (row.state != TCP_TIME_WAIT && row.state != TCP_NEW_SYN_RECV) {
		tp = bpf_skc_to_tcp_sock(c);
		if (tp) {
			struct socket *socket = tp->inet_conn.icsk_inet.sk.sk_socket;

			row.has_file = socket && socket->file;
		}
	}
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}
