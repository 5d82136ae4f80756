/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The parts of the kernel's sockets, tasks and files that are read; the loader finds the places. */
#ifndef BERTH_BPF_SOCK_H
#define BERTH_BPF_SOCK_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_RAW 3
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_MPTCP 262

#define KERNEL __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
} KERNEL;

struct net {
	struct ns_common ns;
} KERNEL;

struct sock_common {
	unsigned int skc_daddr;
	unsigned int skc_rcv_saddr;
	unsigned short skc_dport; /* network order */
	unsigned short skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	struct {
		struct net *net;
	} skc_net;
	struct in6_addr {
		union {
			unsigned int u6_addr32[4];
		} in6_u;
	} skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct atomic64 {
		long counter;
	} skc_cookie;
} KERNEL;

struct kernfs_node {
	unsigned long long id;
} KERNEL;

struct cgroup {
	struct kernfs_node *kn;
} KERNEL;

struct inode {
	unsigned long i_ino;
} KERNEL;

struct file {
	struct inode *f_inode;
	struct {
		struct {
			long counter;
		} refcnt;
	} f_ref; /* 6.13 and newer */
} KERNEL;

struct file___old {
	struct {
		long counter;
	} f_count;
} KERNEL;

struct sock;

struct socket {
	struct file *file;
	struct sock *sk;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	struct {
		struct {
			int counter;
		} rmem_alloc;
	} sk_backlog;
	struct {
		struct {
			int counter;
		} refs;
	} sk_wmem_alloc;
	struct {
		unsigned int val;
	} sk_uid;
	unsigned short sk_protocol;
	unsigned short sk_type;
	unsigned int sk_ack_backlog;
	unsigned int sk_max_ack_backlog;
	unsigned long sk_ino; /* 6.17 and newer */
	struct {
		struct cgroup *cgroup;
	} sk_cgrp_data;
} KERNEL;

struct inet_sock {
	struct sock sk;
} KERNEL;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} KERNEL;

struct udp_sock {
	struct inet_sock inet;
} KERNEL;

struct socket_alloc {
	struct inode vfs_inode;
} KERNEL;

struct inet_timewait_sock {
	unsigned char tw_substate;
	struct timer_list {
		unsigned long expires;
	} tw_timer;
} KERNEL;

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
} KERNEL;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	unsigned int rcv_nxt;
	unsigned int copied_seq;
	unsigned int write_seq;
	unsigned int snd_una;
	_Bool is_mptcp;
} KERNEL;

struct mptcp_sock {
	struct sock *first;
} KERNEL;

struct cred {
	struct {
		unsigned int val;
	} euid;
} KERNEL;

struct css_set {
	struct cgroup *dfl_cgrp;
} KERNEL;

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *group_leader;
	unsigned long long start_boottime;
	const struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
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

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
} KERNEL;

#endif
