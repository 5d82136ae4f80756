/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Parts of the kernel's types that the programs look into; the loader finds the places in the running kernel. */
#ifndef BERTH_BPF_KERNEL_H
#define BERTH_BPF_KERNEL_H

#include <linux/types.h>
#include <bpf/bpf_core_read.h>

#include "maps.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct inet_bind_hashbucket {
	struct hlist_head chain;
};

struct inet_hashinfo {
	struct inet_bind_hashbucket *bhash;
	uint32_t bhash_size;
};

struct udp_hslot {
	struct hlist_head head;
};

struct udp_table {
	struct udp_hslot *hash;
	uint32_t mask;
};

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
	struct udp_table *udp_table;
};

struct net {
	uint32_t hash_mix;
	struct netns_ipv4 ipv4;
};

struct proto {
	union {
		struct inet_hashinfo *hashinfo;
		struct udp_table *udp_table;
	} h;
};

struct sock_common {
	uint32_t skc_daddr;
	uint32_t skc_rcv_saddr;
	uint16_t skc_dport;
	uint16_t skc_num;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	struct hlist_node skc_bind_node;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct {
		uint32_t word[4];
	} skc_v6_daddr, skc_v6_rcv_saddr;
	struct hlist_node skc_node;
};

struct sock {
	struct sock_common __sk_common;
};

struct inet_sock {
	unsigned long inet_flags; /* newer than 6.1 */
};

struct inet_timewait_sock {
	unsigned char tw_substate;
	uint32_t tw_entry_stamp; /* ms; newer than 6.1 */
};

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
	int tw_ts_recent_stamp;
};

/* A port in use, of one namespace, and one address of it: inet_hashtables.h. */
struct inet_bind_bucket {
	possible_net_t ib_net;
	uint16_t port;
	struct hlist_node node;
	struct hlist_head bhash2; /* newer than 6.1 */
};

struct inet_bind2_bucket {
	struct hlist_node bhash_node;
	struct hlist_head owners;
};

#pragma clang attribute pop

/*
 * The address of a hook's socket as a plain number: the verifier lets nobody read the socket's other fields
 * through the pointer itself.
 */
static inline uint64_t kernel_address(const struct bpf_sock *sk)
{
	uint64_t at = 0;

	bpf_probe_read_kernel(&at, sizeof(at), &sk);
	return at;
}

#endif
