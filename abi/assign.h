/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What bpf/assign.bpf.c and user space agree on.
 *
 * Integers are in host order but where a name says _be; addresses are 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d. A change of a struct changes BERTH_ASSIGN_ABI: runs with different numbers share nothing.
 */
#ifndef BERTH_ABI_ASSIGN_H
#define BERTH_ABI_ASSIGN_H

#include "../src/core/lane.h"

#define BERTH_ASSIGN_ABI 3u

#define BERTH_POOL_MAX 256u   /* addresses and prefixes in one pool */
#define BERTH_LANES_MAX 4096u /* lanes that a host can hold, 160 KB each when in use */
#define BERTH_SLAB_LANES 16u  /* lanes in one slab: memory grows in these steps */
#define BERTH_SLABS_MAX (BERTH_LANES_MAX / BERTH_SLAB_LANES)
#define BERTH_SOCKETS_MAX (1u << 20) /* assigned sockets whose close is seen, at most */
#define BERTH_CLAIMS 65536u          /* tuples that may be claimed at one time without a lane */
#define BERTH_ROUTES_MAX 16384u      /* destinations whose source address is remembered */
#define BERTH_LOADS_MAX 4096u        /* destinations whose load is counted for each pool address */

/* One row a counter: enumerator, name in JSON, what it counts. */
#define BERTH_VERDICTS(X)                                                                             \
	X(ASSIGNED, "assigned", "sockets that berth gave a port")                                     \
	X(PROBED, "probed", "candidate ports that were looked up in the kernel's socket table")       \
	X(BUSY, "busy", "candidates that somebody else held")                                         \
	X(EXHAUSTED, "exhausted", "connections for which the pool had no usable port")                \
	X(REFUSED, "refused",                                                                         \
	  "connections refused to the program: the pool exhausted, or another socket holds the pair") \
	X(FALLBACK, "fallback", "connections left to the kernel although berth was asked")            \
	X(LEFT_ALONE, "left_alone", "sockets whose program had chosen a port itself")                 \
	X(BOUND, "bound", "bind() calls with port 0 that berth gave a port")                          \
	X(RELEASED, "released", "assigned ports given back by close()")                               \
	X(UNREACHABLE, "unreachable", "pool addresses that the kernel did not accept as a source")    \
	X(LANES, "lanes", "lanes that this run has built")                                            \
	X(LANES_MISSING, "lanes_missing", "choices made without a lane because no slab was free")

#define BERTH_VERDICT_ENUM(id, name, text) BERTH_VERDICT_##id,
enum berth_verdict { BERTH_VERDICTS(BERTH_VERDICT_ENUM) BERTH_VERDICT_COUNT };
#undef BERTH_VERDICT_ENUM

/* A lane's name: (namespace, protocol, source address, destination endpoint) and the pool it draws on. */
struct berth_lane_key {
	uint64_t netns; /* cookie of the network namespace */
	uint8_t src[16];
	uint8_t dst[16];
	uint32_t pool; /* berth_assign_config.pool_id */
	uint16_t dport;
	uint8_t protocol;
	uint8_t pad;
};
_Static_assert(sizeof(struct berth_lane_key) == 48, "lane key");

/* The source address that the route gave to the last connection toward an address. */
struct berth_route_key {
	uint64_t netns;
	uint8_t dst[16];
	uint32_t device; /* SO_BINDTODEVICE's interface, or 0 */
	uint32_t mark;
};
_Static_assert(sizeof(struct berth_route_key) == 32, "route key");

/* pending: the kernel's socket that can tell the source, that of the first connection toward the address. */
struct berth_route {
	uint8_t src[16]; /* all zero: not known yet */
	uint64_t pending;
};
_Static_assert(sizeof(struct berth_route) == 24, "route");

/* Sockets that berth holds from each address of the pool toward one destination endpoint. */
struct berth_load {
	uint32_t used[BERTH_POOL_MAX];
};

/* What is remembered of an assigned socket until it is closed, under the address of the kernel's socket. */
struct berth_assigned {
	struct berth_lane_key lane;
	uint32_t port;  /* with BERTH_PORT_BOUND */
	uint32_t entry; /* index into the pool, or BERTH_NO_ENTRY */
};
_Static_assert(sizeof(struct berth_assigned) == 56, "assigned socket");

/* A lane's lock and the place of its memory. The lock is the kernel's struct bpf_spin_lock. */
struct berth_lane_slot {
#ifdef __bpf__
	struct bpf_spin_lock lock;
#else
	uint32_t lock;
#endif
	uint32_t slot;   /* BERTH_SLOT_DEAD: reclaimed, the memory may belong to another lane */
	uint32_t used_s; /* when a port was taken last, seconds of uptime */
	uint32_t pad;
};
_Static_assert(sizeof(struct berth_lane_slot) == 16, "lane slot");

/*
 * What the runs of a host share beside the lanes; user space maps it into memory.
 * claim_ms: until when a tuple is claimed: for a socket that the kernel has not hashed yet, or to rest where no
 * lane keeps it; hashed, so that one may stand for another, which costs that one a try.
 * kept: ports that bind() was given and that have not connected yet, all namespaces together, a bit each.
 * withheld: ports that were reserved after runs began whose pools have them; berth_withhold() writes it.
 */
struct berth_shared {
	uint32_t claim_ms[BERTH_CLAIMS];
	uint64_t kept[BERTH_PORTSET_LEAVES];
	uint64_t withheld[BERTH_PORTSET_LEAVES];
	uint32_t lanes;           /* built and not reclaimed */
	uint32_t slabs;           /* given by user space, under the lock of the run registry */
	uint32_t claims_until_ms; /* no claim lasts longer */
	uint32_t pad;
};
_Static_assert(sizeof(struct berth_shared) == 278544, "shared page");

/* Longest prefix of a destination, and the interface that its route leaves by. */
struct berth_egress_key {
	uint32_t prefix_len; /* of the 128 bits */
	uint8_t dst[16];
};
_Static_assert(sizeof(struct berth_egress_key) == 20, "egress key");

#define BERTH_NO_ENTRY 0xffffffffu
#define BERTH_PORT_BOUND                                                                           \
	0x10000u /* by bind() with port 0, and not connected yet: alone on its port */
#define BERTH_SLOT_DEAD 0xffffffffu

/* One source of the pool: an address (prefix_len 128) or a prefix to take random addresses from. */
struct berth_pool_entry {
	uint8_t addr[16];
	uint8_t prefix_len; /* of the 128 bits; an IPv4 /24 is 120 */
	uint8_t is_v4;
	uint8_t scope; /* enum berth_scope */
	uint8_t pad;
	uint32_t device; /* interface that owns the address; 0 where any route may use it */
};
_Static_assert(sizeof(struct berth_pool_entry) == 24, "pool entry");

/* Which destinations a source address can reach at all. */
enum berth_scope { BERTH_SCOPE_GLOBAL, BERTH_SCOPE_LOOPBACK, BERTH_SCOPE_LINK };

/* Constant for the life of one run: read-only data of the programs. */
struct berth_assign_config {
	uint64_t netns;    /* cookie of the namespace that the run was started in */
	uint64_t rest_ns;  /* --reuse-after */
	uint64_t rekey_ns; /* --rekey; 0: one key for the whole run */
	uint64_t key[4];   /* secret halves of F and G, RFC 6056 3.3.3 and 3.3.4 */
	uint32_t pool_id;  /* the same number <=> the same ports, policy and rest */
	uint32_t load_id;  /* the same number <=> the same pool addresses, in the same order */
	uint32_t policy;   /* enum berth_policy */
	uint32_t entries;  /* pool addresses; 0: the route decides the source */
	uint32_t counters; /* size of the policy's counter table, a power of two */
	uint8_t exhausted_to_kernel; /* --when-exhausted kernel */
	uint8_t by_device;           /* pool addresses sit on several interfaces: ask the routes */
	uint8_t no_port_bit; /* of inet_flags: IP_BIND_ADDRESS_NO_PORT is set; 0: not known on this kernel */
	uint8_t pad;
};
_Static_assert(sizeof(struct berth_assign_config) == 80, "config");

#endif
