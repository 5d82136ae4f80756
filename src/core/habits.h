/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How operating systems choose the next port, and RFC 6056 algorithm 2: the loops of their sources, step for
 * step, beside the policies of policy.h. For the simulator, the audit and user-space stacks; kernel programs
 * do without.
 *
 * A system walks a range of ports and passes over what is reserved or in use; a policy of policy.h counts
 * members of the pool. Where the pool is the whole range the two are the same. Walks of step 1 and 2 are
 * answered by bit scans; those that draw anew for each try are loops of at most as many tries as the
 * system's.
 *
 * State, hash, time and random numbers are the caller's. Not synchronised.
 */
#ifndef BERTH_CORE_HABITS_H
#define BERTH_CORE_HABITS_H

#include "policy.h"
#include "range.h"

/*
 * One row a way of choosing: enumerator, name, whether two destinations may share a port, the system (a
 * name of src/registry/systems.c, whose range it has; "" for a policy), what it does, source. The rows of
 * policy.h come first, in its order.
 */
#define BERTH_HABITS(X)                                                                            \
	X(RANDOM_RETRY, "random-retry", true, "",                                                  \
	  "a fresh random port for each try, at most as many as there are ports",                  \
	  "RFC 6056 algorithm 2, section 3.3.2")                                                   \
	X(LINUX, "linux", true, "Linux",                                                           \
	  "double-hash over the even ports, 65,536 counters, 1 to 8 steps, a new key each 10 s",   \
	  "since 5.18: net/ipv4/inet_hashtables.c, net/core/secure_seq.c")                         \
	X(LINUX_5_12, "linux-5.12", true, "Linux",                                                 \
	  "double-hash over the even ports, 256 counters, one step in 16 is double",               \
	  "5.12 to 5.17: net/ipv4/inet_hashtables.c")                                              \
	X(LINUX_4_2, "linux-4.2", true, "Linux to 5.11", "hash over the even ports, one counter",  \
	  "4.2 to 5.11: net/ipv4/inet_hashtables.c")                                               \
	X(LINUX_2_6, "linux-2.6", true, "Linux to 4.1", "hash, one counter, both parities",        \
	  "to 4.1: net/ipv4/inet_hashtables.c")                                                    \
	X(LINUX_BIND, "linux-bind", false, "Linux",                                                \
	  "bind to port 0: random start among the odd ports", "net/ipv4/inet_connection_sock.c")   \
	X(LINUX_UDP, "linux-udp", false, "Linux",                                                  \
	  "random start, steps of a random odd multiple of the hash table's size",                 \
	  "net/ipv4/udp.c")                                                                        \
	X(FREEBSD, "freebsd", true, "FreeBSD", "random start, then the next port",                 \
	  "since 13: sys/netinet/in_pcb.c, in_pcb_lport_dest()")                                   \
	X(FREEBSD_OLD, "freebsd-old", false, "FreeBSD",                                            \
	  "random start; sequential for 45 s after a second with more than 10 choices",            \
	  "to 12: sys/netinet/in_pcb.c, ip_input.c, net.inet.ip.portrange.randomcps, randomtime")  \
	X(OPENBSD, "openbsd", false, "OpenBSD", "random start, then the next port",                \
	  "sys/netinet/in_pcb.c, in_pcbpickport()")                                                \
	X(NETBSD_BSD, "netbsd-bsd", false, "NetBSD", "sequential, downwards",                      \
	  "sys/netinet/portalgo.c, bsd")                                                           \
	X(NETBSD_RANDOM_START, "netbsd-random-start", false, "NetBSD",                             \
	  "random start, then the next port", "sys/netinet/portalgo.c, random_start")              \
	X(NETBSD_RANDOM_PICK, "netbsd-random-pick", false, "NetBSD",                               \
	  "a fresh random port for each try", "sys/netinet/portalgo.c, random_pick")               \
	X(NETBSD_HASH, "netbsd-hash", false, "NetBSD",                                             \
	  "hash whose key is drawn anew for each choice: a random start",                          \
	  "sys/netinet/portalgo.c, hash")                                                          \
	X(NETBSD_DOUBLEHASH, "netbsd-doublehash", false, "NetBSD",                                 \
	  "double-hash, 8 counters, keys drawn anew for each choice: a random start",              \
	  "sys/netinet/portalgo.c, doublehash")                                                    \
	X(NETBSD_RANDINC, "netbsd-randinc", false, "NetBSD",                                       \
	  "one counter, a random step of 1 to 500 for each try",                                   \
	  "sys/netinet/portalgo.c, randinc")                                                       \
	X(MACOS, "macos", false, "macOS, iOS", "TCP: sequential",                                  \
	  "bsd/netinet/in_pcb.c, net.inet.tcp.randomize_ports=0")                                  \
	X(MACOS_UDP, "macos-udp", false, "macOS, iOS", "UDP: random start, then the next port",    \
	  "bsd/netinet/in_pcb.c, net.inet.udp.randomize_ports=1")                                  \
	X(WINDOWS, "windows", false, "Windows", "hash, one counter",                               \
	  "no source is public; taken as RFC 6056 algorithm 3")                                    \
	X(BSD_CLASSIC, "bsd-classic", false, "4.xBSD", "sequential, one counter",                  \
	  "4.3BSD, netinet/in_pcb.c; RFC 6056 section 2.2")

#define BERTH_HABIT_POLICY(id, name, text) BERTH_HABIT_##id,
#define BERTH_HABIT_SYSTEM(id, name, share, system, text, source) BERTH_HABIT_##id,
/* A policy of policy.h has the same number here. */
enum berth_habit {
	BERTH_POLICIES(BERTH_HABIT_POLICY) BERTH_HABITS(BERTH_HABIT_SYSTEM) BERTH_HABIT_COUNT
};
#undef BERTH_HABIT_POLICY
#undef BERTH_HABIT_SYSTEM

#define BERTH_HABIT_TABLE 65536u /* counters: what Linux has; 5.12 uses the first 256 */

/* What is known of a way of choosing. */
struct berth_habit_row {
	const char *name;
	const char *system; /* "" for a policy of no system */
	const char *text;
	const char *source;
	bool share; /* two destinations may have one port at the same time */
};

/* The row of a habit; constant text. */
struct berth_habit_row berth_habit_row(enum berth_habit habit);

/* The habit of that name, or -1. */
int berth_habit_find(const char *name, size_t len);

/* What a host remembers between two choices. */
struct berth_habit_state {
	uint32_t counter; /* the last or the next port, or the shared counter */
	uint32_t allocs, last_allocs, tick_s,
		stop_s;     /* freebsd-old: choices, and seconds without random */
	uint32_t udp_table; /* linux-udp: entries of the hash table, a power of two */
	uint64_t salt;      /* what the counters of the table began at */
	uint32_t counters;  /* double-hash: how many of the table; berth_habit_init() says all */
	uint32_t table[BERTH_HABIT_TABLE]; /* counters of double-hash */
};

/* What one choice is made of. */
struct berth_habit_ask {
	struct berth_range range;         /* the system's */
	const struct berth_portset *pool; /* what of it may be used; not empty */
	const struct berth_portset *free; /* what of the pool is not in use */
	uint64_t hash;                    /* of source and destination, under a key of the host's */
	uint32_t now_s;
	uint32_t (*draw)(void *from); /* 32 fresh random bits */
	void *from;
};

/*
 * A host that has just started: counters anywhere, as the systems seed them. draw is called for each
 * counter that the habit has.
 */
void berth_habit_init(struct berth_habit_state *s, enum berth_habit habit, uint32_t (*draw)(void *),
		      void *from);

/*
 * The port that the habit chooses next; -1 where it finds none. *out_tries: how many ports it looked at, at
 * least 1 (LONGEST_IDLE and UNIFORM: 1). LONGEST_IDLE draws among the free ports: the caller keeps the order
 * of release and asks only while ports were never used.
 * random-retry, netbsd-random-pick and netbsd-randinc may find none although a port is free.
 */
int32_t berth_habit_next(enum berth_habit habit, struct berth_habit_state *s,
			 const struct berth_habit_ask *ask, uint32_t *out_tries);

#endif
