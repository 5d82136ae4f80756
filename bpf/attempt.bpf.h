/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A connect() or bind() on its way to a port, between the functions that find it. */
#ifndef BERTH_BPF_ATTEMPT_H
#define BERTH_BPF_ATTEMPT_H

#include "maps.bpf.h"

/* One connect() on its way to a port. Holds no pointer, so that functions verified on their own take it. */
struct attempt {
	struct berth_lane_key key; /* src all zero: not known yet */
	uint8_t met_src[16];       /* source of a socket that goes where this one wants to go */
	struct berth_lane_want want;
	uint64_t tried[BERTH_POOL_MAX / 64]; /* pool addresses that have nothing left */
	uint32_t entry;                      /* pool address in use, or BERTH_NO_ENTRY */
	uint32_t scope_id;
	uint32_t walked; /* candidates passed without a lane */
	uint32_t stride; /* from one of them to the next */
	uint32_t counter_at;
	uint32_t candidate; /* port to try now */
	uint32_t from;      /* enum berth_lane_from of the candidate */
	uint32_t port;      /* the outcome; 0: exhausted */
	uint8_t is_v6;      /* the socket's family */
	uint8_t is_v4;      /* the destination's family */
	uint8_t fixed;      /* the program bound the address itself */
	uint8_t any;        /* the route decides the address: bind the wildcard */
	uint8_t started;    /* the policy has been asked where to begin */
	uint8_t in_lane;    /* the candidate came from a lane */
	uint8_t alone; /* the port is to have no other user: its lane is that of the whole namespace */
	uint8_t collided;  /* a candidate was in the kernel's table */
	uint8_t to_itself; /* the destination is the source address, whichever that will be */
	uint8_t pad;
	uint16_t dport; /* the destination's port */
};

struct drive {
	struct bpf_sock_addr *ctx;
	struct attempt a;
};

/* What comes next: another candidate, this one, or the end. */
enum { STEP_AGAIN, STEP_TRY, STEP_END };

#endif
