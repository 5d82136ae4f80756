/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a port space.
 *
 * Workload: churn. Each port taken and given back touches a socket record, its chain, a count for the port, and
 * the bits that change; nothing is searched.
 *
 * Who is on a port of an address is kept in two forms. Plain: connections whose port connect chose, and one socket
 * that shares with nobody (firm); a count of 16 bits for each port of an address, and for a wildcard the sum over
 * its family. Shares: sockets bound with a flag, and accepted ones; records that say how many there are of each
 * kind, so that the rule of sharing is a sum and not a walk.
 *
 * Invariants, for each address f, its wildcard w, and each port p of the pool (the range without what is withheld):
 *  - f.idle has p <=> nobody is on p of f, nor of w. w.idle has p <=> nobody is on p of any address of the family.
 *  - f.open has p <=> no firm socket and no share is on p of f, nor of w.
 *  - the lane of a crowded destination d of f has p <=> f.open has p, no pair (d, p) is there, and (d, p) is not
 *    f's own endpoint. Where no lane is, the same is asked of the table of pairs.
 *  - with longest-idle the list of f has the ports of f.idle, the one that was left longest ago first.
 */
#ifndef BERTH_CORE_SPACE_H
#define BERTH_CORE_SPACE_H

#include "include/berth/space.h"
#include "src/core/draw.h"
#include "src/core/habits.h"
#include "src/core/wheel.h"

#define BERTH_SPACE_ONE(id, ...) +1
enum {
	BERTH_SPACE_POLICY_COUNT =
		0 BERTH_SPACE_POLICIES(BERTH_SPACE_ONE) BERTH_SPACE_HABITS(BERTH_SPACE_ONE)
};
#undef BERTH_SPACE_ONE

#define BERTH_SPACE_NONE UINT32_MAX
#define BERTH_SPACE_FIRM 0xffffu       /* in counts: one socket that shares with nobody */
#define BERTH_SPACE_FIRM_RESTS 0xfffeu /* the same where it rests */
#define BERTH_SPACE_NO_LANE 0xffffu
#define BERTH_SPACE_CROWDED                                                                        \
	8u /* a destination to which one in so many open ports is connected has a lane */
#define BERTH_SPACE_FEW 16u     /* open ports: so few are walked */
#define BERTH_SPACE_OFFSETS 16u /* destinations whose F is remembered */
/* With more free ports than this, algorithm 2 fails less often than once in e^64. */
#define BERTH_SPACE_LUCK 64u

/* In flags of a socket, beside those of the contract. */
enum {
	BERTH_SPACE_PLAIN =
		0x10, /* counted, no share: the port was chosen by connect, or with BINDS: firm */
	BERTH_SPACE_BINDS = 0x20, /* bound or accepted */
	BERTH_SPACE_LISTENS = 0x40,
	BERTH_SPACE_MANY = 0x80, /* one of several addresses of a socket */
};

enum berth_space_record {
	BERTH_RECORD_FREE,
	BERTH_RECORD_BOUND,
	BERTH_RECORD_PAIR,
	BERTH_RECORD_REST_PORT,
	BERTH_RECORD_REST_PAIR,
};

/* 28 bytes: each connected pair has one. */
struct berth_space_sock {
	uint32_t
		next; /* of its chain; bound with others: the next address of the socket; free: the next free */
	uint32_t dest; /* destination; only bound: number of the local address */
	struct berth_wheel_node timer;
	uint16_t port, owner;
	union {
		struct {
			uint16_t age; /* goes up with each use of the record */
			uint8_t state, flags;
		};
		uint32_t mark; /* the three at once */
	};
};

/* 28 bytes. */
struct berth_space_dest {
	struct berth_address remote;
	uint32_t next;
	uint16_t port, local;
	uint16_t pairs, lane;
};

_Static_assert(sizeof(struct berth_space_sock) == 28 && sizeof(struct berth_space_dest) == 28,
	       "a pair of its own is 56 bytes and its share of two tables");

/*
 * Shares of a port: all of an address (group NONE: n of them, shares may be shared by REUSE), those
 * with REUSEPORT of one owner or resting (n of them, and how many of those also may be shared by REUSE).
 */
struct berth_space_share {
	uint16_t local, port; /* local: number, or BERTH_SHARE_FAMILY with the family */
	uint32_t group;
	uint32_t n, reuse;
	uint32_t listens, rests; /* of n, for the reason */
	uint32_t next;
};

#define BERTH_SHARE_FAMILY 0xfff0u
#define BERTH_SHARE_ALL 0x10000u
#define BERTH_SHARE_RESTING 0x10001u

/* Records in chains by hash; three heads for four records. */
struct berth_space_table {
	uint32_t *head;
	uint32_t heads;
	uint32_t free; /* first free record */
	uint32_t room, used;
};

struct berth_space_lane {
	struct berth_draw free;
	uint32_t dest; /* BERTH_SPACE_NONE: nobody's */
};

/* The ports of longest-idle in the order in which they were left; port 0 is both ends. */
struct berth_space_order {
	uint16_t next[BERTH_PORTS], prev[BERTH_PORTS];
};

struct berth_space_local {
	struct berth_address address;
	bool wild;
	uint8_t family; /* 0: IPv6, 1: IPv4 */
	struct berth_space_local
		*cover; /* the wildcard of its family; NULL: there is none, or it is one */
	struct berth_draw idle;
	struct berth_draw *open; /* NULL: a wildcard, or no room yet */
	uint16_t *count;         /* NULL: no room yet */
	struct berth_space_order *order;
};

struct berth_space_owner {
	uint32_t limit; /* UINT32_MAX: none */
	uint32_t used;
	unsigned rights;
};

/* F of a destination, below the length of the range, and G, the place of its counter. */
struct berth_space_offset {
	struct berth_address remote;
	uint16_t local, port; /* port 0: empty */
	uint32_t offset, slot;
};

/*
 * The destination of the last connect. It keeps its place among the destinations after its last pair has gone, so
 * that the next connect finds it; others are given up then.
 */
struct berth_space_recent {
	struct berth_address remote;
	uint64_t where; /* berth_space_where() of it; 0: there is none */
	uint32_t dest;
	/* The same as pointers; forgotten before the tables are given back. */
	struct berth_space_dest *d;
	struct berth_space_local *l;
	uint32_t offset, *counter; /* of RFC 6056, where the policy has them */
};

struct berth_space {
	struct berth_space_config config;
	struct berth_space_memory memory;
	size_t bytes;
	struct berth_draw_stock stock;
	uint32_t range;  /* length of the ephemeral range */
	uint16_t lowest; /* of it, that is no system port */
	uint32_t pool;   /* ports of it that may be chosen at all */

	struct berth_space_local **local;
	uint32_t locals;
	uint16_t wild[2]; /* of a family; 0xffff: none */

	struct berth_space_sock *sock;
	struct berth_space_table socks;
	struct berth_space_dest *dest;
	struct berth_space_table dests;
	struct berth_space_recent recent;
	struct berth_space_share *share;
	struct berth_space_table shares;
	uint64_t *shared; /* a bit for each port that has shares anywhere */
	struct berth_space_lane *lane;
	uint32_t lanes, lanes_used, lane_free;
	uint32_t resting;
	struct berth_space_room room;
	struct berth_bag *bags; /* all of them, for giving back */
	uint32_t bags_count, bag_room;

	struct berth_space_owner *owner;
	uint64_t *withheld;
	struct berth_wheel wheel;

	uint32_t counter;
	uint32_t *counters;
	struct berth_habit_state *habit; /* NULL: the policy is no system's */
	uint64_t clock_ms;               /* the caller's clock, as a habit reads it */
	bool alone;                      /* connect gives no port to a second destination */
	struct berth_space_offset offset[BERTH_SPACE_OFFSETS];
	/* random-retry: the probability, of 2^32, that with so many free ports none is found. */
	uint32_t no_luck[BERTH_SPACE_LUCK + 1];
	uint64_t salt[2]; /* of the tables */
	uint32_t shares_used;
};

/* What depends on the room and on the range. Without room for sockets there are none. */
struct berth_space_tables {
	struct berth_space_sock *sock;
	struct berth_space_dest *dest;
	struct berth_space_share *share;
	struct berth_space_lane *lane;
	uint32_t *head[3];
	uint64_t *shared;
	struct berth_bag *bags;
	struct berth_space_room room;
	uint32_t lanes, bags_count, bag_room;
	uint16_t first, last;
};

/* Memory from the caller's allocator, cleared; NULL. */
void *berth_space_get_memory(struct berth_space *sp, size_t size);
void berth_space_put_memory(struct berth_space *sp, void *memory, size_t size);

/* True for "any" of either family. */
bool berth_space_is_wild(const struct berth_address *a);

/* How many sockets an owner may have in this space: none as well, unlike a quota. */
void berth_space_set_limit(struct berth_space *sp, uint16_t owner, uint32_t limit);

/*
 * An address that is not there yet, with what it needs; 0, or INVALID or MEMORY. Then the space takes it into use and
 * says its number, or it is freed.
 */
int berth_space_local_new(struct berth_space *sp, const struct berth_address *address,
			  struct berth_space_local **out_local);
uint16_t berth_space_local_use(struct berth_space *sp, struct berth_space_local *l);
void berth_space_local_free(struct berth_space *sp, struct berth_space_local *l);

/* Checks the range, and makes what withholding needs: 0, INVALID or MEMORY. */
int berth_space_withhold_room(struct berth_space *sp, uint16_t first, uint16_t last);

/* space_room.c: tables. */

/*
 * Gets, for a room and a range, tables with which the space can go on, and room for its addresses: 0, or INVALID or
 * MEMORY. Then they are taken into use, which cannot fail, or put back.
 */
int berth_space_tables_get(struct berth_space *sp, const struct berth_space_room *room,
			   uint16_t first, uint16_t last, struct berth_space_tables *t);
void berth_space_tables_use(struct berth_space *sp, struct berth_space_tables *t);
void berth_space_tables_put(struct berth_space *sp, struct berth_space_tables *t);

/* The tables in use; gives their memory back. */
struct berth_space_tables berth_space_tables_of(const struct berth_space *sp);
void berth_space_tables_free(struct berth_space *sp, struct berth_space_tables *t);

/* What an address needs as soon as there are sockets: 0 or MEMORY. Gives that back. */
int berth_space_local_room(struct berth_space *sp, struct berth_space_local *l);
void berth_space_local_room_back(struct berth_space *sp, struct berth_space_local *l);

/* Counts the pool, and says of which span draws are. */
void berth_space_measure(struct berth_space *sp);

/* space_share.c: who is on a port. */

/* 0, or why a socket cannot be bound there (HELD, LISTENER, RESTING). */
int berth_space_may_bind(const struct berth_space *sp, uint16_t local, uint16_t port,
			 uint16_t owner, unsigned flags);

/* 0, or why a socket that is counted there cannot listen. */
int berth_space_may_listen(const struct berth_space *sp, uint16_t local,
			   const struct berth_space_sock *s);

/* Counts a bound or accepted socket on its port, or no longer; then the sets follow. */
void berth_space_enter(struct berth_space *sp, uint16_t local, const struct berth_space_sock *s);
void berth_space_leave(struct berth_space *sp, uint16_t local, const struct berth_space_sock *s);

/* The sets follow what has changed on a port of an address. */
void berth_space_settle(struct berth_space *sp, uint16_t local, uint32_t port);

/* Makes the sets of all addresses, and the lanes, follow what is counted, after the pool or the room changed. */
void berth_space_settle_all(struct berth_space *sp);

/* space_bind.c: a record has another state and other flags, and is counted as such. */
void berth_space_relabel(struct berth_space *sp, uint32_t i, uint8_t state, uint8_t flags);

/* space_pair.c: destinations, pairs, lanes. */

/* Number of the destination; a new one where there is none, with no pairs yet. NONE: no room. */
uint32_t berth_space_dest_get(struct berth_space *sp, uint16_t local,
			      const struct berth_address *remote, uint16_t port);

/* Gives a destination up where it has no pairs; the recent one keeps its place, but no lane. */
void berth_space_dest_put(struct berth_space *sp, uint32_t dest);

/* A destination that is thin loses its lane, and without pairs its place. */
void berth_space_dest_thin(struct berth_space *sp, uint32_t dest);

/* Makes a destination, which is not the recent one, that; a new one where there is none. False: no room. */
bool berth_space_turn_to(struct berth_space *sp, uint16_t local, const struct berth_address *remote,
			 uint16_t port);

/* No destination is the recent one. */
void berth_space_forget_recent(struct berth_space *sp);

/* A port of an address has become open, or is no longer: the lanes follow. */
void berth_space_lanes_follow(struct berth_space *sp, uint16_t local, uint16_t port, bool open);

/* Makes the lane anew from f.open and the pairs. */
void berth_space_lane_fill(struct berth_space *sp, struct berth_space_lane *lane);

/* A destination that is no longer crowded gives its lane up. */
void berth_space_lane_drop(struct berth_space *sp, uint32_t dest);

/* Builds the lane of a destination that has none; NULL: all are in use. */
struct berth_space_lane *berth_space_lane_build(struct berth_space *sp, uint32_t dest);

/* The tables after their memory has changed: all records in their chains, the rest free. */
void berth_space_rehash(struct berth_space *sp);

/* space_pick.c: what a choice of a port takes at times only; the rest is in space_pick.h. */

/* F and, with double-hash, G of a destination, which are remembered; both 0 where the policy has none. */
struct berth_space_offset berth_space_offset_of(struct berth_space *sp, uint32_t dest);

/* The probabilities of no luck follow the length of the range. */
void berth_space_weigh_luck(struct berth_space *sp);

/*
 * space_policy.c: what a policy remembers, but the order of longest-idle, which is an address's. Begun by the space's
 * keys; false: no memory, and the end may be called.
 */
bool berth_space_policy_begin(struct berth_space *sp);
void berth_space_policy_end(struct berth_space *sp);

/* The port that the habit chooses out of ask's free, which the caller sets with fits and hash; -1: it gives up. */
int32_t berth_space_habit_next(struct berth_space *sp, bool bind, uint64_t rnd,
			       struct berth_habit_ask *ask);

/* The counts of RFC 6056 brought below the length of the range; F and G forgotten. */
void berth_space_forget_offsets(struct berth_space *sp);

/* A product of two keyed words, folded: for the tables, whose keys nobody sees. */
BERTH_INLINE uint32_t berth_space_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 x = (unsigned __int128)a * b;

	return (uint32_t)x ^ (uint32_t)(x >> 64);
}

/* True where somebody shares the port, or may, on any address. */
BERTH_INLINE bool berth_space_is_shared(const struct berth_space *sp, uint32_t port)
{
	return sp->shared && ((sp->shared[port >> 6] >> (port & 63)) & 1);
}

/* True where the port is of the space's part and not withheld. */
BERTH_INLINE bool berth_space_is_own(const struct berth_space *sp, uint32_t port)
{
	return ((port >> 6) & (sp->config.parts - 1u)) == sp->config.part &&
	       (!sp->withheld || !((sp->withheld[port >> 6] >> (port & 63)) & 1));
}

/* True where the policy may choose the port at all. */
BERTH_INLINE bool berth_space_in_pool(const struct berth_space *sp, uint32_t port)
{
	return port >= sp->lowest && port <= sp->config.last && berth_space_is_own(sp, port);
}

/* Which of heads heads a hash means. */
BERTH_INLINE uint32_t berth_space_head(const struct berth_space_table *t, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * t->heads >> 32);
}

/* The local address of a socket record. */
BERTH_INLINE uint16_t berth_space_local_of(const struct berth_space *sp,
					   const struct berth_space_sock *s)
{
	bool pair = s->state == BERTH_RECORD_PAIR || s->state == BERTH_RECORD_REST_PAIR;

	return (uint16_t)(pair ? sp->dest[s->dest].local : s->dest);
}

#endif
