// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Shows every socket with every process that has a descriptor for it.
 *
 * Hooks: iter/task_file, iter/tcp, iter/udp. Oldest kernel: 6.1. They only read: there is no verdict. Without
 * them src/kernel asks sock_diag and /proc.
 *
 * A socket with a descriptor needs no look-up: the walk over descriptors comes by both. So owned sockets are
 * written by berth_files, which marks them as seen; the walks over the kernel's tables write what is not marked:
 * TIME_WAIT, orphans, requests, connections that nobody accepted yet, sockets of the kernel, and those whose
 * descriptor is on its way between two processes. A mark is a bit for a place in memory: a socket of TCP or UDP has
 * more than 1,024 bytes (1,344 at least in Linux 6.18), so no two have the same.
 *
 * What does not fit into the buffer of the walk is asked for again by the kernel, so a program may run twice
 * for one socket, the first time in vain.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <stdbool.h>

#include "../abi/observe.h"
#include "asked.bpf.h"
#include "sock.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Written before each walk. */
uint32_t seen_mask; /* bits in the map of marks, less one; a power of two less one */
uint32_t again;     /* berth_files writes only what is not marked, and MPTCP */
uint32_t tables;    /* enum berth_tables */
/* Noted by the walk over TCP, and by the one over descriptors, which alone writes its number. */
uint64_t pended __attribute__((aligned(128)));
uint64_t settled __attribute__((aligned(128)));

/* Of 64 places in memory: those whose socket the walk over descriptors came by, and those that wait for it. */
struct seen {
	uint64_t marked, pending;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct seen);
} seen SEC(".maps");

/* The loader decides: a kernel whose sockets are smaller has them nearer to each other. */
static uint32_t seen_shift(void)
{
	bool large = bpf_core_type_size(struct udp_sock) >= 1024 &&
		     bpf_core_type_size(struct tcp_sock) >= 1024;

	return large ? 10 : 9;
}

/* The verifier lets nobody calculate with a pointer, but read it as a number. */
static struct seen *seen_of(struct sock *sk, uint64_t *out_bit)
{
	uint64_t addr = 0;
	uint32_t at, word;

	bpf_probe_read_kernel(&addr, sizeof(addr), &sk);
	at = (uint32_t)(addr >> seen_shift()) & seen_mask;
	word = at >> 6;
	*out_bit = 1ULL << (at & 63);
	return bpf_map_lookup_elem(&seen, &word);
}

/*
 * The walk over descriptors came by. False: the other walk has shown the socket already, as one without a file.
 * The mark comes first: whoever notes a socket as pending looks for the mark afterwards.
 */
static bool mark(struct sock *sk)
{
	uint64_t bit;
	struct seen *w = seen_of(sk, &bit);

	if (!w)
		return true;
	if (w->marked & w->pending & bit)
		return false;
	if (!(w->marked & bit))
		__sync_fetch_and_or(&w->marked, bit);
	if ((w->pending & bit) && (__sync_fetch_and_and(&w->pending, ~bit) & bit))
		settled++;
	return true;
}

static bool is_marked(struct sock *sk)
{
	uint64_t bit;
	struct seen *w = seen_of(sk, &bit);

	return w && (w->marked & bit);
}

/* Beside the walk over descriptors: notes a socket with a file until that has come by. */
static void pend(struct sock *sk)
{
	uint64_t bit;
	struct seen *w = seen_of(sk, &bit);

	if (!w || (w->marked & bit))
		return;
	if (!(__sync_fetch_and_or(&w->pending, bit) & bit))
		pended++;
	if ((w->marked & bit) && (__sync_fetch_and_and(&w->pending, ~bit) & bit))
		pended--;
}

/* Beside the walk over descriptors: notes that a socket without a file is shown; false where that walk was first. */
static bool show(struct sock *sk)
{
	uint64_t bit;
	struct seen *w = seen_of(sk, &bit);

	if (!w)
		return true;
	if ((w->marked & bit) && !(w->pending & bit))
		return false;
	__sync_fetch_and_or(&w->pending, bit);
	__sync_fetch_and_or(&w->marked, bit);
	return true;
}

/* ---- what a socket is ---- */

static void put_queues(struct berth_socket *s, struct sock *sk)
{
	if (s->protocol == IPPROTO_TCP && !(s->flags & BERTH_SOCKET_RAW)) {
		struct tcp_sock *tp;

		if (s->state == BERTH_STATE_LISTEN) {
			s->rqueue = sk->sk_ack_backlog;
			s->wqueue = sk->sk_max_ack_backlog;
			return;
		}
		tp = ask.brief ? NULL : bpf_skc_to_tcp_sock(sk);
		if (!tp)
			return;
		s->rqueue = tp->rcv_nxt - tp->copied_seq;
		s->rqueue = (int)s->rqueue < 0 || s->state == BERTH_STATE_SYN_SENT ? 0 : s->rqueue;
		s->wqueue = tp->write_seq - tp->snd_una;
		s->wqueue = s->state == BERTH_STATE_CLOSE ? 0 : s->wqueue;
		return;
	}
	if (s->protocol == IPPROTO_MPTCP && s->state == BERTH_STATE_LISTEN) {
		struct mptcp_sock *msk = (void *)sk;

		/* Its first subflow is the listener. */
		s->rqueue = BPF_CORE_READ(msk, first, sk_ack_backlog);
		s->wqueue = BPF_CORE_READ(msk, first, sk_max_ack_backlog);
		return;
	}
	s->rqueue = (uint32_t)sk->sk_backlog.rmem_alloc.counter;
	s->wqueue = (uint32_t)sk->sk_wmem_alloc.refs.counter - 1;
}

static void put_full(struct berth_socket *s, struct sock *sk)
{
	if (!ask.brief)
		s->cgroup = sk->sk_cgrp_data.cgroup->kn->id;
	if (s->protocol == IPPROTO_TCP && s->state == BERTH_STATE_CLOSE)
		s->state = BERTH_STATE_BOUND;
	put_queues(s, sk);
}

/* ---- sockets with descriptors ---- */

static bool has_port(uint16_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_MPTCP || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

static bool is_internet(const struct sock_common *c)
{
	return c->skc_family == AF_INET || c->skc_family == AF_INET6;
}

/* More than this walk's own reference: a second descriptor, a fork, or a system call that is under way. */
static bool is_shared(const struct file *file)
{
	const struct file___old *old = (const void *)file;

	if (bpf_core_field_exists(file->f_ref))
		return file->f_ref.refcnt.counter > 1;
	return old->f_count.counter > 2;
}

static void put_task(struct berth_task *t, struct task_struct *task, uint32_t fd)
{
	struct task_struct *leader = task->group_leader;

	t->cgroup = task->cgroups->dfl_cgrp->kn->id;
	t->start_ns = leader->start_boottime;
	t->pid = (uint32_t)task->tgid;
	t->thread = (uint32_t)task->pid;
	t->uid = task->cred->euid.val;
	t->fd = fd;
	__builtin_memcpy(t->comm, leader->comm, sizeof(t->comm));
}

/* Where the reader must be able to tell the socket from others, it needs the inode in any case. */
static bool needs_inode(const struct berth_socket *s, const struct task_struct *task)
{
	return !ask.brief || again || (s->flags & (BERTH_SOCKET_SHARED | BERTH_SOCKET_RAW)) ||
	       (s->protocol != IPPROTO_TCP && s->protocol != IPPROTO_UDP) ||
	       task->pid != task->tgid;
}

SEC("iter/task_file")
int berth_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct berth_observed o = {};
	struct berth_socket *s = &o.socket;
	struct socket *socket;
	struct sock *sk;
	uint32_t netns;
	bool raw;

	if (!task || !file || (ask.pid && ask.pid != (uint32_t)task->tgid))
		return 0;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (!sk || !is_internet(&sk->__sk_common))
		return 0;
	s->protocol = sk->sk_protocol;
	if (sk->sk_type == SOCK_RAW) {
		if (ask.protocols)
			return 0;
		s->flags = BERTH_SOCKET_RAW;
	} else if (!has_port(s->protocol) || !sk->__sk_common.skc_num) {
		return 0;
	}
	raw = s->flags;
	netns = sk->__sk_common.skc_net.net->ns.inum;
	if (!wanted_early(s->protocol, raw ? 0 : sk->__sk_common.skc_num, netns))
		return 0;
	if (again && s->protocol != IPPROTO_MPTCP && is_marked(sk))
		return 0;
	put_common(s, &sk->__sk_common, netns);
	s->flags |= BERTH_SOCKET_FILE | (is_shared(file) ? BERTH_SOCKET_SHARED : 0);
	if (raw) {
		s->flags |= BERTH_SOCKET_RAW;
		s->lport = s->pport = 0;
	}
	put_full(s, sk);
	if (!wanted_late(s))
		return 0;
	s->uid = sk->sk_uid.val;
	if (needs_inode(s, task))
		s->inode = file->f_inode->i_ino;
	put_task(&o.task, task, ctx->fd);
	if (!again && !mark(sk))
		return 0;
	bpf_seq_write(ctx->meta->seq, &o, sizeof(o));
	return 0;
}

/* ---- the kernel's tables ---- */

static uint64_t inode_of(struct sock *sk)
{
	const struct socket_alloc *s = (const void *)sk->sk_socket;

	if (bpf_core_field_exists(sk->sk_ino))
		return sk->sk_ino;
	return s ? BPF_CORE_READ(s, vfs_inode.i_ino) : 0;
}

static bool is_mptcp(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp && bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp;
}

static void put_table(struct berth_socket *s, struct sock *sk)
{
	struct socket *socket = sk->sk_socket;

	put_full(s, sk);
	s->uid = sk->sk_uid.val;
	s->inode = inode_of(sk);
	if (socket && socket->file)
		s->flags |= BERTH_SOCKET_FILE;
	if (s->protocol == IPPROTO_TCP && is_mptcp(sk))
		s->flags |= BERTH_SOCKET_SUBFLOW;
}

/* Whether a row of the table is to be shown now. sk: NULL for TIME_WAIT and requests. */
static bool is_due(struct sock *sk)
{
	struct socket *socket = sk ? sk->sk_socket : NULL;
	bool file = socket && socket->file;

	if (tables == BERTH_TABLES_AFTER)
		return !sk || !is_marked(sk);
	if (tables == BERTH_TABLES_FILES)
		return file && !is_marked(sk);
	if (!sk)
		return true;
	if (!file)
		return show(sk);
	pend(sk);
	return false;
}

/*
 * Most of what the walk beside the other one meets has a file and is only noted. True where that was all. Where a
 * filter looks at more than the local port, the row is made first, as the other walk does.
 */
static bool is_noted(struct sock_common *c)
{
	uint8_t state = c->skc_state;
	struct socket *socket;
	struct tcp_sock *tp;
	struct sock *sk;

	if (tables != BERTH_TABLES_BESIDE || ask.states || ask.pport || ask.peer_len ||
	    state == BERTH_STATE_TIME_WAIT || state == BERTH_STATE_NEW_SYN_RECV ||
	    !wanted_early(IPPROTO_TCP, c->skc_num, c->skc_net.net->ns.inum))
		return false;
	tp = bpf_skc_to_tcp_sock(c);
	if (!tp)
		return false;
	sk = &tp->inet_conn.icsk_inet.sk;
	socket = sk->sk_socket;
	if (!socket || !socket->file)
		return false;
	pend(sk);
	return true;
}

SEC("iter/tcp")
int berth_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct berth_observed o;
	struct sock *sk = NULL;

	if (!c || is_noted(c))
		return 0;
	__builtin_memset(&o, 0, sizeof(o));
	if (!take_tcp(c, &o.socket, &sk))
		return 0;
	if (!is_due(sk))
		return 0;
	if (sk)
		put_table(&o.socket, sk);
	bpf_seq_write(ctx->meta->seq, &o, sizeof(o));
	return 0;
}

SEC("iter/udp")
int berth_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;
	struct berth_observed o = {};
	struct sock *sk;

	if (!udp)
		return 0;
	sk = &udp->inet.sk;
	if (!take_udp(sk, &o.socket) || is_marked(sk))
		return 0;
	put_table(&o.socket, sk);
	bpf_seq_write(ctx->meta->seq, &o, sizeof(o));
	return 0;
}
