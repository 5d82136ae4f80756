/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What bpf/headroom.bpf.c and user space agree on: the lanes of one network namespace, counted.
 *
 * Integers are in host order; addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. Program and user space
 * come out of one build, so the structs may change from one version to the next.
 */
#ifndef BERTH_ABI_HEADROOM_H
#define BERTH_ABI_HEADROOM_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif

/* Bits of a port's class: who chooses it. The kernel by itself, or the runs of berth with the pool of bit 1 to 7. */
#define BERTH_CLASS_KERNEL 1u
#define BERTH_CLASS_POOLS 7u

/* Protocols whose ports have a class: index into the tables of the program. */
enum { BERTH_CLASS_TCP, BERTH_CLASS_UDP, BERTH_CLASS_PROTOCOLS };

/* A lane: the sockets from one source address to one destination endpoint, on ports of one class. */
struct berth_headroom_key {
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t dport;
	uint8_t protocol; /* BERTH_CLASS_TCP or BERTH_CLASS_UDP */
	uint8_t classes;
};
_Static_assert(sizeof(struct berth_headroom_key) == 36, "headroom key");

/* Sockets of a lane. Each has a port of its own. */
struct berth_headroom_count {
	uint32_t open;
	uint32_t
		stamped; /* TIME_WAIT with timestamps: the kernel may give the pair to a new connection */
	uint32_t waiting; /* TIME_WAIT without: nobody can take the pair */
};
_Static_assert(sizeof(struct berth_headroom_count) == 12, "headroom count");

/* Which destinations are counted: the bits of mask must be those of addr, port 0 is any. */
struct berth_headroom_ask {
	uint64_t addr[2]; /* as the 16 bytes lie in memory */
	uint64_t mask[2];
	uint16_t port;
	uint16_t pad[3];
};
_Static_assert(sizeof(struct berth_headroom_ask) == 40, "headroom ask");

#endif
