/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The file that one run through the preload shim shares: made by the command line, mapped by each
 * process.
 *
 * Integers in host order but where a name says _be; addresses are 16 bytes in network order, IPv4
 * as ::ffff:a.b.c.d. The head is allocated from the start; lanes are a sparse tail, a page costs
 * memory when it is first touched, and a process asks for the pages before it touches them (a
 * full tmpfs must not end in SIGBUS). Fields after "changing" are written by all processes with
 * atomic operations; those before it by nobody.
 */
#ifndef BERTH_ABI_PRELOAD_H
#define BERTH_ABI_PRELOAD_H

#include "abi/assign.h"

#define BERTH_PRELOAD_ABI 2u
#define BERTH_PRELOAD_MAGIC 0x6265727468706c31ULL
#define BERTH_PRELOAD_ENV "BERTH_PRELOAD" /* names the shared file, in the program's environment */
#define BERTH_PRELOAD_FILE_PREFIX                                                                  \
	"berth-preload." /* then uid, ".", number: in /dev/shm or the like */

#define BERTH_PRELOAD_LANES                                                                        \
	1024u /* lanes that a run can hold; the one used longest ago gives way */
#define BERTH_PRELOAD_COUNTERS 65536u /* most policy counters, see berth_assign_config.counters */
#define BERTH_PRELOAD_ROUTES 4096u
#define BERTH_PRELOAD_PAGE                                                                         \
	65536u /* lanes begin at a multiple of it: every page size that Linux has */
#define BERTH_PRELOAD_LANE_BYTES 196608u

/* A lane's place. Its lane is valid while ready is 1 and the lock is held. */
struct berth_preload_slot {
	uint64_t id;   /* keyed hash of the lane's name; 0: free */
	uint64_t lock; /* 0: free; otherwise ms of taking it << 32 | thread */
	uint64_t used_ns;
	uint64_t park_ns; /* no sweep of parked ports before this */
	uint32_t ready;
	uint32_t populated; /* the lane's pages exist */
	uint8_t pad[24];
};
_Static_assert(sizeof(struct berth_preload_slot) == 64, "preload slot");

/* What the kernel's routes said a moment ago about one destination and one source. */
struct berth_preload_route {
	uint64_t seq; /* odd while it is written */
	uint64_t netns;
	uint64_t until_ns;
	uint8_t dst[16];
	uint8_t asked[16]; /* the source that was asked for; zeros: none */
	uint8_t src[16];   /* the source that the route yields */
	uint32_t device;   /* asked for: SO_BINDTODEVICE or the scope of the destination */
	uint32_t mark;
	int32_t error;       /* 0, or what connect() from there would say */
	uint32_t out_device; /* interface that the route leaves by; 0: this host itself */
};
_Static_assert(sizeof(struct berth_preload_route) == 88, "preload route");

/* A counter with a cache line of its own. */
struct berth_preload_counter {
	uint64_t n;
	uint64_t pad[7];
};

struct berth_preload_file {
	uint64_t magic; /* written last: a file without it is not ready */
	uint32_t abi;
	uint32_t lanes;
	uint64_t size;
	uint64_t lanes_at; /* offset of lane 0; lane i is BERTH_PRELOAD_LANE_BYTES * i further */
	uint32_t owner;    /* process that made it */
	uint32_t range_option; /* the kernel knows IP_LOCAL_PORT_RANGE */
	struct berth_assign_config config;
	struct berth_portset pool;
	struct berth_pool_entry entry[BERTH_POOL_MAX];

	/* changing */
	uint32_t range; /* ip_local_port_range of config.netns: first | last << 16 */
	uint32_t pad;
	uint64_t range_next_ns; /* when it is to be read again */
	uint64_t draws;         /* how many random words were drawn */
	/* Ports that were reserved after the run began, a bit each; berth_withhold() writes it. */
	uint64_t withheld[BERTH_PORTSET_LEAVES];
	struct berth_preload_counter verdict[BERTH_VERDICT_COUNT];
	uint32_t policy_counter[BERTH_PRELOAD_COUNTERS];
	/* Tuples being connected: hash << 32 | ms; 0 or older than 2 s: free. */
	uint64_t claim[BERTH_CLAIMS];
	struct berth_preload_route route[BERTH_PRELOAD_ROUTES];
	struct berth_preload_slot slot[BERTH_PRELOAD_LANES];
};

_Static_assert(sizeof(struct berth_lane) <= BERTH_PRELOAD_LANE_BYTES, "a lane fits its place");
_Static_assert(BERTH_PRELOAD_LANE_BYTES % BERTH_PRELOAD_PAGE == 0, "lanes share no page");

#endif
