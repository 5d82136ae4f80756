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

#include "include/berth/habits.h"
#include "policy.h"
#include "range.h"

/*
 * One row a way of choosing: enumerator, name, whether two destinations may share a port, first and last port of
 * the range (0: none of its own), the system (a name of src/registry/systems.c; "" for a policy), what it does,
 * source. The rows of policy.h come first, in its order.
 */
#define BERTH_HABITS(X)                                                                            \
	X(RANDOM_RETRY, "random-retry", true, 0, 0, "",                                            \
	  "a fresh random port for each try, at most as many as there are ports",                  \
	  "RFC 6056 algorithm 2, section 3.3.2")                                                   \
	BERTH_SPACE_HABITS(X)

#define BERTH_HABIT_POLICY(id, name, text) BERTH_HABIT_##id,
#define BERTH_HABIT_SYSTEM(id, name, share, first, last, system, text, source) BERTH_HABIT_##id,
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
	struct berth_range range; /* 0-0: none of its own */
	bool share;               /* two destinations may have one port at the same time */
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
	uint32_t
		rekey_s; /* hash, double-hash: a new key so often; berth_habit_init() says 0: never */
	uint32_t table[BERTH_HABIT_TABLE]; /* counters of double-hash; last */
};

/* How many bytes of the state the habit touches: the table is as long as it has counters. */
size_t berth_habit_size(enum berth_habit habit);

/* The way in which the habit's system binds to port 0: another one in Linux, else the habit. */
enum berth_habit berth_habit_of_bind(enum berth_habit habit);

/* What one choice is made of. */
struct berth_habit_ask {
	struct berth_range range; /* the system's */
	const struct berth_portset
		*pool; /* what of it may be used; not empty. Of no system: may be NULL */
	const struct berth_portset *free;            /* what of the pool is not in use */
	bool (*fits)(const void *of, uint32_t port); /* a member of free that is; NULL: each is */
	const void *of;
	uint64_t hash; /* of source and destination, under a key of the host's */
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
 * random-retry may find none although a port is free, and the systems of which habits.h of include/berth says so.
 */
int32_t berth_habit_next(enum berth_habit habit, struct berth_habit_state *s,
			 const struct berth_habit_ask *ask, uint32_t *out_tries);

#endif
