/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the facts tell hooks.bpf.c and read from it; addresses and ports in host order. */
#ifndef BERTH_FACTS_HOOKS_H
#define BERTH_FACTS_HOOKS_H

#include <linux/types.h>

#define HOOKS_TRIES 4

struct hooks_want {
	__u32 addr;              /* address for bpf_bind, 0 for any */
	__u16 port[HOOKS_TRIES]; /* ports to bind one after the other, up to the first 0 */
	__u32 reuseaddr;         /* set SO_REUSEADDR before */
	__u32 lookup_addr;       /* source address of the pair to look up */
	__u16 lookup_port;       /* its source port; 0: no look-up */
	__u16 bind_port;         /* port to put in place of that of bind(); 0: leave it */
	__u16 chosen_port;       /* port that post_bind4 refuses; 0: none */
	__u16 lift;              /* bind4 lifts the need for a capability */
	__s32 refusal; /* errno, negative, with which connect4 and post_bind4 refuse; 0: they allow */
};

struct hooks_seen {
	__u64 in_connect, in_bind, in_post_bind, in_release; /* address of the kernel's socket */
	__u64 found;                                         /* that of what was looked up */
	__u64 inet_flags;                                    /* of the socket, in bind4 */
	__u64 now_ns; /* bpf_ktime_get_coarse_ns() at the look-up */
	__u64 netns;  /* cookie of the namespace, as connect4 sees it */
	__u32 connects, binds, post_binds, sendmsgs, releases; /* how often each hook ran */
	__s32 result[HOOKS_TRIES];                             /* what bpf_bind said */
	__s32 lookup_state; /* state of the socket found; 0: none */
	__u32 is_timewait, timewait_stamp;
	__u32 timewait_substate;
	__u32 has_entry, timewait_entry; /* tw_entry_stamp, where this kernel has one */
	__u32 bind_port;                 /* port that bind() asked for */
	__u32 bound_addr, bound_port;    /* of the socket, in connect4 */
	__u32 read_addr; /* source address in the kernel's memory, in sock_release */
	__s32 retval;    /* what programs that ran before connect4 have set */
};

#endif
