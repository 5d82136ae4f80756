/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What bpf/grant.bpf.c and user space agree on: the tables that rules about bind() are compiled into.
 *
 * A port leads to a class (all ports of a protocol with the very same rules), the class and the address to a
 * set (all addresses with the very same rules), the set and the process to a right. Each step is one look-up,
 * however many rules there are, and all but the last resorts are in arrays, which programs read without a call: where
 * the processor's returns are guarded, the call of a helper costs a kernel program as much as all the rest.
 *
 * Integers are in host order but where a name says _be; addresses are 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d. The tables are pinned: a change of a struct changes BERTH_GRANT_ABI.
 */
#ifndef BERTH_ABI_GRANT_H
#define BERTH_ABI_GRANT_H

#include "../src/core/bits.h"

#define BERTH_GRANT_ABI 3u

#define BERTH_GRANT_PROTOCOLS 2u       /* 0: TCP, 1: UDP */
#define BERTH_GRANT_CLASSES 65535u     /* at most; class 0 has no rules */
#define BERTH_GRANT_ENTRIES (1u << 20) /* sets, members and prefixes, at most of each */
#define BERTH_GRANT_DEPTH 16u          /* levels of cgroups that rules can name */
#define BERTH_GRANT_NAME 256u          /* bytes of a cgroup's name, NUL included */
#define BERTH_GRANT_GROUPS 65536u      /* supplementary groups, as many as the kernel allows */
#define BERTH_GRANT_RECENT 64u         /* refusals that are remembered */

/* One row a counter: enumerator, name in JSON, what it counts. */
#define BERTH_GRANT_COUNTERS(X)                                                                    \
	X(GRANTED, "granted", "calls that were freed of the need for CAP_NET_BIND_SERVICE")        \
	X(REFUSED, "refused", "calls refused by a deny rule")                                      \
	X(REFUSED_CHOICE, "refused_choice",                                                        \
	  "ports of the kernel's own choice refused by a deny rule")                               \
	X(WOULD_GRANT, "would_grant", "calls that --observe would have granted")                   \
	X(WOULD_REFUSE, "would_refuse", "calls that --observe would have refused")                 \
	X(FAILED_OPEN, "failed_open",                                                              \
	  "processes that could not be told, let through by fail=open")                            \
	X(FAILED_CLOSED, "failed_closed", "processes that could not be told, refused")

#define BERTH_GRANT_COUNTER_ENUM(id, name, text) BERTH_GRANT_##id,
enum berth_grant_counter {
	BERTH_GRANT_COUNTERS(BERTH_GRANT_COUNTER_ENUM) BERTH_GRANT_COUNTER_COUNT
};
#undef BERTH_GRANT_COUNTER_ENUM

/* Constant for the life of the programs: their read-only data. */
struct berth_grant_config {
	uint64_t netns;   /* cookie of the namespace that the rules are for; 0: every */
	uint64_t key[2];  /* of the hashes of paths */
	uint64_t turn;    /* the programs decide while the pinned turn is this one */
	uint32_t observe; /* count, enforce nothing */
	uint32_t pad;
};
_Static_assert(sizeof(struct berth_grant_config) == 40, "grant config");

enum berth_grant_class_flag {
	BERTH_GRANT_CLASS_PREFIXES = 1, /* the address decides: ask the prefixes */
	BERTH_GRANT_CLASS_GUARDED = 2,  /* some set of the class has a deny rule */
	BERTH_GRANT_CLASS_TRIE = 4,     /* too many lengths of prefixes: ask the trie */
	BERTH_GRANT_CLASS_WILDCARD = 8, /* 0.0.0.0 or :: have a set of their own, length 128 */
	/* Some rule allows :: and not 0.0.0.0: post_bind6 sees whether the socket is still for IPv6 alone. */
	BERTH_GRANT_CLASS_LOPSIDED = 16,
};

#define BERTH_GRANT_LENGTHS 8u /* of prefixes in a class, asked for one by one */
#define BERTH_GRANT_NO_LENGTH 0xffu

enum berth_grant_set_flag {
	BERTH_GRANT_SET_GUARDED = 1, /* only owners may bind */
	BERTH_GRANT_SET_ANYBODY = 2, /* everybody is granted */
	BERTH_GRANT_SET_OPEN = 4,    /* the guard fails open */
	/* Kinds of members that the set has. */
	BERTH_GRANT_SET_USERS = 8,
	BERTH_GRANT_SET_GROUPS = 16,
	BERTH_GRANT_SET_CGROUPS = 32,
	BERTH_GRANT_SET_LONE = 64, /* the only member is the user uid */
};

/* A set, as a class or a prefix has it: what is in its flags needs no look-up of a member. */
struct berth_grant_set {
	uint32_t id;          /* 0: no rules */
	uint32_t flags;       /* enum berth_grant_set_flag */
	uint32_t uid, rights; /* with BERTH_GRANT_SET_LONE */
};
_Static_assert(sizeof(struct berth_grant_set) == 16, "grant set");

struct berth_grant_class {
	uint32_t flags; /* enum berth_grant_class_flag */
	uint32_t pad;
	struct berth_grant_set set; /* without BERTH_GRANT_CLASS_PREFIXES */
	/*
	 * With BERTH_GRANT_CLASS_PREFIXES: longest first, without those of the wildcards; BERTH_GRANT_NO_LENGTH where
	 * there are fewer.
	 */
	uint8_t length[BERTH_GRANT_LENGTHS];
};
_Static_assert(sizeof(struct berth_grant_class) == 32, "grant class");

/* Key of the trie, and of areas. */
struct berth_grant_prefix {
	uint32_t prefix_len; /* 32 more than that of the address */
	uint32_t class_be;
	uint8_t addr[16];
};
_Static_assert(sizeof(struct berth_grant_prefix) == 24, "grant prefix");

/*
 * Two tables are arrays of slots, a power of two of them: an entry is in the slot of its hash or in one of the next
 * BERTH_GRANT_PROBES - 1, with no free slot in between. Nothing is ever taken out.
 */
#define BERTH_GRANT_PROBES 32u

/*
 * Prefixes of the classes that have few lengths: there a look-up for each length is quicker than the trie, which walks
 * down the number of the class bit by bit.
 */
struct berth_grant_area {
	struct berth_grant_prefix key; /* prefix_len 0: free */
	struct berth_grant_set set;
};
_Static_assert(sizeof(struct berth_grant_area) == 40, "grant area");

enum berth_grant_kind { BERTH_GRANT_USER, BERTH_GRANT_GROUP, BERTH_GRANT_CGROUP };

enum berth_grant_right { BERTH_GRANT_MAY = 1, BERTH_GRANT_OWNS = 2 };

struct berth_grant_member {
	uint32_t set;
	uint32_t kind;   /* enum berth_grant_kind */
	uint64_t id;     /* uid, gid (of the initial user namespace), hash of a cgroup's path */
	uint32_t rights; /* enum berth_grant_right; 0: free */
	uint32_t pad;
};
_Static_assert(sizeof(struct berth_grant_member) == 24, "grant member");

/* Hash of up to three words; who makes the rules chooses them, and a look-up is bounded. */
BERTH_INLINE uint32_t berth_grant_hash_(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t h =
		a * 0x9e3779b97f4a7c15ULL ^ b * 0xc2b2ae3d27d4eb4fULL ^ c * 0xd6e8feb86659fd93ULL;

	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 32);
}

/* Hash of a member; the slot is its low bits. */
BERTH_INLINE uint32_t berth_grant_member_hash(uint32_t set, uint32_t kind, uint64_t id)
{
	return berth_grant_hash_(id, set, kind);
}

/* Hash of an area: class, length of the address's prefix, and its two words as they lie in memory. */
BERTH_INLINE uint32_t berth_grant_area_hash(uint32_t class, uint32_t len, uint64_t high,
					    uint64_t low)
{
	return berth_grant_hash_(high, low, (uint64_t) class << 8 | len);
}

/*
 * What is hashed for each level of a cgroup's path: the hash of the level above (0 at the root) and the name.
 * A cgroup is known by its path, not by its id, so that a unit that is started again is the same.
 */
struct berth_grant_step {
	uint64_t above;
	char name[BERTH_GRANT_NAME]; /* filled up with 0 */
};
_Static_assert(sizeof(struct berth_grant_step) % 8 == 0, "hashed as words");

/* The path of one cgroup, remembered under its id, which the kernel does not use twice. */
struct berth_grant_place {
	uint32_t levels;
	uint32_t pad;
	uint64_t hash[BERTH_GRANT_DEPTH]; /* [i]: of the path down to level i + 1 */
};

/*
 * What bind4 or bind6 has let pass on this CPU, so that post_bind need not ask again. A call that goes on at another
 * CPU is asked again. One that failed in between leaves this behind until a call of this CPU: for the same socket and
 * port, which it had the right to a moment ago; bind() with port 0 clears it.
 */
struct berth_grant_passed {
	uint64_t socket; /* the kernel's address of it */
	uint32_t port;   /* and the protocol */
	uint32_t
		alone; /* :: of a socket that was for IPv6 alone, which another thread may change meanwhile */
};

/* One refusal. */
struct berth_grant_event {
	uint64_t at_ns; /* since boot, without suspend */
	uint32_t uid, pid;
	uint16_t port;
	uint8_t protocol; /* 0: TCP, 1: UDP */
	uint8_t chosen;   /* by the kernel: bind() with port 0 */
	uint8_t observed; /* only counted */
	uint8_t pad[3];
	uint8_t addr[16];
	char comm[16];
};
_Static_assert(sizeof(struct berth_grant_event) == 56, "grant event");

#endif
