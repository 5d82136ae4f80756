/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What bpf/refusals.bpf.c and user space agree on: a call that the kernel refused for want of a port. */
#ifndef BERTH_ABI_REFUSAL_H
#define BERTH_ABI_REFUSAL_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif

enum { BERTH_REFUSED_CONNECT, BERTH_REFUSED_BIND };

/* Integers are in host order; the address is 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. */
struct berth_refusal {
	uint64_t at_ns;   /* CLOCK_BOOTTIME */
	uint8_t addr[16]; /* destination of connect(), own address of bind() */
	char comm[16];    /* of the thread; anything but NUL */
	uint32_t pid;
	uint32_t uid;
	uint32_t netns; /* inode */
	uint32_t error; /* EADDRNOTAVAIL, EADDRINUSE, EAGAIN, EACCES */
	uint16_t port;
	uint8_t call;
	uint8_t pad[5];
};
_Static_assert(sizeof(struct berth_refusal) == 64, "refusal");

#endif
