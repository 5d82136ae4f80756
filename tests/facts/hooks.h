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
};

struct hooks_seen {
	__u64 netns; /* cookie of the namespace, as connect4 sees it */
	__u32 connects, binds, post_binds, sendmsgs, releases; /* how often each hook ran */
	__s32 result[HOOKS_TRIES];                             /* what bpf_bind said */
	__s32 lookup_state; /* state of the socket found; 0: none */
	__u32 is_timewait, timewait_stamp;
	__u32 bind_port; /* port that bind() asked for */
};

#endif
