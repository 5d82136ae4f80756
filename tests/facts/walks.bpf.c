/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Walks over descriptors and over the table of TCP that tell of each socket.
 * Hooks: iter/task_file, iter/tcp; needs Linux 6.1. Verdict: none.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "walks.h"

#define AF_INET 2
#define TCP_TIME_WAIT 6
#define TCP_NEW_SYN_RECV 12
#define KERNEL __attribute__((preserve_access_index))

/* The parts of the kernel's structs that are read; CO-RE finds them by name. */
struct ns_common {
	unsigned int inum;
} KERNEL;

struct hlist_node {
	struct hlist_node *next;
} KERNEL;

struct hlist_head {
	struct hlist_node *first;
} KERNEL;

struct inet_bind_hashbucket {
	struct hlist_head chain;
} KERNEL;

struct inet_hashinfo {
	struct inet_bind_hashbucket *bhash;
	unsigned int bhash_size;
} KERNEL;

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
} KERNEL;

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
} KERNEL;

struct net {
	struct ns_common ns;
	unsigned int hash_mix;
	struct netns_ipv4 ipv4;
} KERNEL;

struct possible_net {
	struct net *net;
} KERNEL;

struct inet_bind_bucket {
	struct possible_net ib_net;
	unsigned short port;
	struct hlist_node node;
	struct hlist_head bhash2;
} KERNEL;

struct inet_bind2_bucket {
	struct hlist_node bhash_node;
	struct hlist_head owners;
} KERNEL;

struct sock_common {
	unsigned short skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct hlist_node skc_bind_node;
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

#define HOPS_MAX 64

/* A step through the bind table: bucket, then its addresses, then their sockets. */
struct hops {
	__u64 net, wanted, bucket, bucket2, socket;
	__u32 port, found;
};

#define OWNER(node, type, member) ((type *)((node)-bpf_core_field_offset(type, member)))

static long hop(__u32 i, struct hops *h)
{
	if (h->socket) {
		struct hlist_node *node = (struct hlist_node *)(long)h->socket;

		h->found += h->socket == h->wanted;
		h->socket = (__u64)(long)BPF_CORE_READ(node, next);
	} else if (h->bucket2) {
		struct inet_bind2_bucket *b2 =
			OWNER(h->bucket2, struct inet_bind2_bucket, bhash_node);

		h->socket = (__u64)(long)BPF_CORE_READ(b2, owners.first);
		h->bucket2 = (__u64)(long)BPF_CORE_READ(b2, bhash_node.next);
	} else if (h->bucket) {
		struct inet_bind_bucket *b = OWNER(h->bucket, struct inet_bind_bucket, node);

		h->bucket = (__u64)(long)BPF_CORE_READ(b, node.next);
		if (BPF_CORE_READ(b, port) == h->port &&
		    (__u64)(long)BPF_CORE_READ(b, ib_net.net) == h->net)
			h->bucket2 = (__u64)(long)BPF_CORE_READ(b, bhash2.first);
	} else {
		return 1;
	}
	return 0;
}

/* How often the bind table has the socket, looked for by the port and what the namespace mixes in. */
static __u32 in_bind_table(__u64 place)
{
	struct sock_common *c = (struct sock_common *)(long)place;
	struct net *net = BPF_CORE_READ(c, skc_net.net);
	struct inet_hashinfo *all = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
	struct hops h = { .net = (__u64)(long)net, .port = BPF_CORE_READ(c, skc_num) };
	__u64 at = (h.port + BPF_CORE_READ(net, hash_mix)) & (BPF_CORE_READ(all, bhash_size) - 1);
	struct inet_bind_hashbucket *chain = (void *)BPF_CORE_READ(all, bhash) +
					     at * bpf_core_type_size(struct inet_bind_hashbucket);

	h.wanted = place + bpf_core_field_offset(struct sock_common, skc_bind_node);
	h.bucket = (__u64)(long)BPF_CORE_READ(chain, chain.first);
	bpf_loop(HOPS_MAX, hop, &h, 0);
	return h.found;
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
	row.binds = in_bind_table(row.place);
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
