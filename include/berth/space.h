/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port spaces: who may have which port, and which port comes next.
 *
 * For authors of user-space network stacks, NAT boxes and allocators. A space is that of one
 * protocol (TCP, UDP, SCTP, DCCP, UDP-Lite: the rules are the same) in one zone (a namespace, a
 * VRF, a tenant). It knows local addresses and wildcards, sockets that are bound to one of them,
 * and socket pairs. Nothing in it reads a clock or makes random numbers: both are arguments.
 *
 *  - A port may be bound by several sockets where Linux permits it: all have BERTH_SPACE_REUSE and
 *    none listens, or all have BERTH_SPACE_REUSEPORT and one owner (a resting one: any owner). A
 *    wildcard covers every address of its family. Not imitated: what the kernel's shortcuts let
 *    pass beside the rule, and sharing between interfaces.
 *  - connect chooses a port that no socket is bound to; destinations share ports, socket pairs are
 *    unique. A port that connect has chosen cannot be bound until its last connection is over.
 *  - A released socket can rest (TIME_WAIT, hold-down): until then it keeps its pair or port and no
 *    owner.
 *
 * Errors are negative numbers of BERTH_SPACE_ERRORS; berth_space_error() gives the sentence.
 *
 * Memory comes from the caller's allocator in "room" functions only. Bind, connect, listen,
 * release, look-ups and the clock allocate nothing; where no room is left they say so
 * (BERTH_SPACE_E_ROOM).
 *
 * Threads: "any thread" functions may run at any time. "One at a time" ones must not run beside
 * another function on the same space, not even one that only asks: a space is not synchronised.
 * Different spaces have nothing in common. For many threads on one space see parts.h.
 */
#ifndef BERTH_SPACE_H
#define BERTH_SPACE_H

#include "flow.h"
#include "habits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/* Number, name, and the sentence for a person. */
#define BERTH_SPACE_ERRORS(X) \
	X(E_INVALID,   -1, "invalid",   "an argument is out of its range") \
	X(E_MEMORY,    -2, "memory",    "the allocator gave no memory") \
	X(E_ROOM,      -3, "room",      "the room reserved for sockets, destinations or shared ports is used up") \
	X(E_STALE,     -4, "stale",     "there is no such socket any more") \
	X(E_STATE,     -5, "state",     "a socket in this state cannot do this") \
	X(E_NOT_LOCAL, -6, "not-local", "the address does not belong to this space") \
	X(E_SYSTEM,    -7, "system",    "the port is a system port and the owner has no right to them") \
	X(E_QUOTA,     -8, "quota",     "the owner has as many sockets as its quota permits") \
	X(E_HELD,      -9, "held",      "another socket has the port and does not share it") \
	X(E_LISTENER, -10, "listener",  "a listener has the port, and BERTH_SPACE_REUSE does not get past a listener") \
	X(E_RESTING,  -11, "resting",   "a released socket still rests on the port") \
	X(E_PAIR,     -12, "pair",      "a connection with these addresses and ports exists") \
	X(E_PAIR_RESTING, -13, "pair-resting", "a connection with these addresses and ports is over but still rests") \
	X(E_SELF,     -14, "self",      "the socket would be connected to itself") \
	X(E_RANGE,    -15, "range",     "the ephemeral range without withheld and system ports is empty") \
	X(E_BOUND,    -16, "bound",     "every port of the ephemeral range has a socket") \
	X(E_PAIRS,    -17, "pairs",     "every usable port of the ephemeral range is connected to this destination") \
	X(E_WAIT,     -18, "wait",      "no port is free now, but sockets of the space rest: wait, or let them rest shorter") \
	X(E_LUCK,     -19, "luck",      "the tries of the policy are over, although a port is free")

/*
 * Name, and what it does. Algorithms 1 to 5 are those of RFC 6056 section 3.3; where the first port
 * is taken, the RFC's fifth goes on by random steps, as netbsd-randinc does, and this one by one.
 * The habits of systems: habits.h.
 */
#define BERTH_SPACE_POLICIES(X) \
	X(UNIFORM,          "uniform",          "every free port equally likely") \
	X(RANDOM,           "random",           "a random port, then the next free one (algorithm 1)") \
	X(RANDOM_RETRY,     "random-retry",     "random ports, as many tries as there are ports (algorithm 2)") \
	X(HASH,             "hash",             "one counter, an offset for each destination (algorithm 3)") \
	X(DOUBLE_HASH,      "double-hash",      "a table of counters, an offset each (algorithm 4)") \
	X(RANDOM_INCREMENT, "random-increment", "one counter, a random step, then the next free port (algorithm 5)") \
	X(SEQUENTIAL,       "sequential",       "the port after the last one") \
	X(LONGEST_IDLE,     "longest-idle",     "never used first, then the port that all left longest ago") \
	X(HABIT,            "habit",            "a function of the caller")
/* clang-format on */

#define BERTH_SPACE_ERROR_ENUM(id, number, name, text) BERTH_SPACE_##id = number,
enum berth_space_errors { BERTH_SPACE_ERRORS(BERTH_SPACE_ERROR_ENUM) BERTH_SPACE_OK = 0 };
#undef BERTH_SPACE_ERROR_ENUM

#define BERTH_SPACE_POLICY_ENUM(id, ...) BERTH_SPACE_##id,
enum berth_space_policy {
	BERTH_SPACE_POLICIES(BERTH_SPACE_POLICY_ENUM) BERTH_SPACE_HABITS(BERTH_SPACE_POLICY_ENUM)
};
#undef BERTH_SPACE_POLICY_ENUM

/* The name of an error ("pair") and its sentence; constant texts. Any thread. */
BERTH_API const char *berth_space_error_name(int error);
BERTH_API const char *berth_space_error(int error);

/* The name of a policy; NULL where there is none of that number. Any thread. */
BERTH_API const char *berth_space_policy_name(unsigned policy);

/* What is known of a policy; the texts are constant. */
struct berth_space_policy_row {
	const char *name, *system; /* system: "" where it is the habit of none */
	const char *text, *source; /* source: "" where the text has it */
	uint16_t first, last;      /* the range that a configuration with 0, 0 gets */
	bool shares;               /* connect gives one port to several destinations */
};

/*
 * The row of a policy; policies are numbered from 0 without a gap. Errors: INVALID: there is none.
 * Any thread.
 */
BERTH_API int berth_space_policy_row(unsigned policy, struct berth_space_policy_row *out_row);

struct berth_space;

/*
 * A socket of a space; 0 is none. A number of a socket that has gone is refused until 65,535 others
 * had its place.
 */
typedef uint64_t berth_space_socket;

/*
 * Where memory comes from. get(): memory of that size, aligned for any type, not cleared; NULL
 * where there is none.
 */
struct berth_space_memory {
	void *(*get)(void *context, size_t size);
	void (*put)(void *context, void *memory, size_t size);
	void *context;
};

/*
 * What a habit may look at: the set of ports that it may choose from. Valid during the call.
 */
struct berth_space_choice {
	const void *set; /* for the functions below */
	struct berth_flow
		flow;         /* local, and the destination; all zero with bind; local_port is 0 */
	uint16_t first, last; /* the ephemeral range */
	/*
	 * How many ports may be chosen, at least one; where that is many, or up to an eighth less.
	 */
	uint32_t count;
	uint64_t rnd; /* the caller's random bits */
};

/* True where the port may be chosen. Within the habit's call. */
BERTH_API bool berth_space_choice_has(const struct berth_space_choice *choice, uint16_t port);

/*
 * The first port from `from` on that may be chosen, going on at the lowest after the highest. A
 * fixed number of steps, or a step more for each port that is connected to the destination where it
 * has few connections. Within the habit's call.
 */
BERTH_API uint16_t berth_space_choice_next(const struct berth_space_choice *choice, uint16_t from);

/* Returns a port that may be chosen, or 0: none (BERTH_SPACE_E_LUCK). state is the caller's. */
typedef uint16_t (*berth_space_habit)(void *state, const struct berth_space_choice *choice);

/* What a space is made with. */
struct berth_space_config {
	uint8_t protocol;
	uint8_t policy;       /* enum berth_space_policy */
	uint16_t first, last; /* ephemeral range; 0, 0: 49152-65535 (RFC 6335), or the habit's */
	/*
	 * Ports below are never chosen, and bound only by owners with BERTH_SPACE_SYSTEM; 0: 1024.
	 */
	uint16_t system_end;
	uint16_t addresses; /* how many local addresses and wildcards there may be; 0: 4 */
	uint16_t owners;    /* how many owners there may be; 0: 1 */
	uint32_t zone;      /* the caller's; berth_space_zone() gives it back */
	/*
	 * RFC 6056: keys of F and G (random; HASH and DOUBLE_HASH, and of the tables against chosen
	 * addresses), and how many counters DOUBLE_HASH has, a power of two up to 65,536 (0: 512).
	 * Few counters leak: a device can be told by their collisions (Kol, Klein, Gilad 2023).
	 */
	uint64_t key[4];
	uint32_t counters;
	/* How long what is released rests, in ms; 0: not at all. */
	uint32_t
		rest_pair_ms; /* a connected socket: TIME_WAIT (TCP 60,000), hold-down of a NAT (RFC 6888: 120,000) */
	uint32_t rest_port_ms; /* a bound socket */
	uint32_t idle_ms; /* a connected socket that nobody touches is released (UDP); 0: never */
	uint32_t now_ms;  /* where the caller's clock stands */
	berth_space_habit habit;
	void *habit_state;
	/*
	 * The space has every parts-th group of 64 ports only, from group number part on; 0 or 1:
	 * all. Sums of parts are whole spaces: see parts.h.
	 */
	uint16_t part, parts;
};

/*
 * Makes a space without local addresses and without room for sockets, of at most 3 KB
 * (longest-idle: and 256 KB for each address; double-hash: and 4 bytes for each counter; linux: and
 * 256 KB, linux-5.12: and 1 KB). Errors: INVALID, MEMORY. Any thread.
 */
BERTH_API int berth_space_new(const struct berth_space_config *config,
			      const struct berth_space_memory *memory,
			      struct berth_space **out_space);

/* Gives everything back; space may be NULL. One at a time, as the last. */
BERTH_API void berth_space_free(struct berth_space *space);

/* Bytes taken from the allocator and not given back. One at a time. */
BERTH_API size_t berth_space_bytes(const struct berth_space *space);

/* The zone and the protocol of the configuration. Any thread. */
BERTH_API uint32_t berth_space_zone(const struct berth_space *space);
BERTH_API uint8_t berth_space_protocol(const struct berth_space *space);

/* How many of what there may be at once. */
struct berth_space_room {
	uint32_t sockets; /* bound, connected and resting, at most 2^24 */
	uint32_t
		destinations; /* remote endpoints that they are connected to, for each local address */
	uint32_t shares;      /* sockets bound with a share flag, or accepted */
};

/*
 * Makes room, never less than there was. 62 bytes for each socket that is connected to a
 * destination of its own, 31 for one that shares its destination with many; 124 more for each
 * share; 140 KB for each local address. A destination to which an eighth of the open ports is
 * connected takes 10 KB, which are made along, and of uniform and random-retry so much again and
 * two bytes for each port of the range. Errors: INVALID, MEMORY (nothing has changed then). One at
 * a time.
 */
BERTH_API int berth_space_make_room(struct berth_space *space, const struct berth_space_room *room);

/*
 * Adds a local address, or a wildcard: "any" of IPv6 (all zero; its own family only) or of IPv4
 * (::ffff:0.0.0.0). Each takes 10 KB. *out_local is its number, from 0. Errors: INVALID (is there
 * already; too many; a wildcard of a family that has more than 65,533 connections on one port),
 * MEMORY. One at a time.
 */
BERTH_API int berth_space_add_local(struct berth_space *space, const struct berth_address *address,
				    uint16_t *out_local);

/*
 * Another ephemeral range. No socket is cut: a port outside of the new range is not chosen again
 * once it is free. Takes about a millisecond for each address and crowded destination. Errors:
 * INVALID (port 0, or first above last), MEMORY (nothing has changed then). One at a time.
 */
BERTH_API int berth_space_set_range(struct berth_space *space, uint16_t first, uint16_t last);

/*
 * Ports that are never chosen but may be bound by their number (withhold true), or may be chosen
 * again. Takes 8 KB at the first call. Errors: INVALID, MEMORY. One at a time.
 */
BERTH_API int berth_space_withhold(struct berth_space *space, uint16_t first, uint16_t last,
				   bool withhold);

/*
 * New keys: offsets and the counters' places change. Counters stay. By keys that last strangers can
 * know a host again: of 200 hosts with 65,536 counters 90.5 % by 512 destinations, with new keys
 * each 10 s 0.4 %, where chance has 0.5 % (berth sim --scenario track --rekey 10). Linux takes new
 * ones each 10 s; a port may come again sooner then than after all others, so let pairs rest. One
 * at a time.
 */
BERTH_API void berth_space_rekey(struct berth_space *space, const uint64_t key[4]);

/* Rights of an owner. */
enum berth_space_rights {
	BERTH_SPACE_SYSTEM = 1, /* ports below system_end, by their number */
};

/*
 * What owner number 0 to owners - 1 may: at most quota sockets (0: any number), and rights. All
 * begin without quota and rights. A lower quota than there are sockets refuses new ones only.
 * Errors: INVALID. One at a time.
 */
BERTH_API int berth_space_set_owner(struct berth_space *space, uint16_t owner, uint32_t quota,
				    unsigned rights);

/* How many sockets an owner has, resting ones not counted. One at a time. */
BERTH_API uint32_t berth_space_owned(const struct berth_space *space, uint16_t owner);

/* How a bound port may be shared. */
enum berth_space_flags {
	BERTH_SPACE_REUSE = 1,     /* SO_REUSEADDR */
	BERTH_SPACE_REUSEPORT = 2, /* SO_REUSEPORT; the owner takes the place of the user */
};

/* What is to be bound. */
struct berth_space_bind {
	uint16_t local;
	uint16_t port; /* 0: by the policy, out of the ports that nobody has */
	uint16_t owner;
	uint8_t flags;
	uint64_t rnd; /* fresh random bits, where port is 0 */
};

/*
 * Binds a socket. A fixed number of steps; with a wildcard or a share flag one more for each
 * address of the family, and one for each crowded destination of the address. Errors: INVALID,
 * NOT_LOCAL, ROOM, SYSTEM, QUOTA, HELD, LISTENER, RESTING; port 0: RANGE, BOUND, WAIT, LUCK. One at
 * a time.
 */
BERTH_API int berth_space_bind(struct berth_space *space, const struct berth_space_bind *want,
			       berth_space_socket *out_socket);

/*
 * As berth_space_bind() with port and flags as given, on count (1 to 16) addresses at once: SCTP's
 * multi-homing, or a dual-stack wildcard. One port on all of them, or none. The socket is one; its
 * quota counts each address. want->local is not looked at. Port 0: the first port in the policy's
 * order that nobody has on any of them. One at a time.
 */
BERTH_API int berth_space_bind_many(struct berth_space *space, const struct berth_space_bind *want,
				    const uint16_t *locals, unsigned count,
				    berth_space_socket *out_socket);

/*
 * A bound socket listens. Errors: STALE, STATE, LISTENER and HELD (another one listens, or does not
 * share). One at a time.
 */
BERTH_API int berth_space_listen(struct berth_space *space, berth_space_socket socket);

/* From where, and to whom: an address of the same family, not "any", and a port; else INVALID. */
struct berth_space_connect {
	uint16_t local; /* an address, no wildcard */
	uint16_t remote_port;
	uint16_t owner;
	struct berth_address remote;
	uint64_t rnd; /* fresh random bits */
	uint32_t now_ms;
};

/*
 * Connects a new socket from a port that the policy chooses. A fixed number of steps on average; a
 * habit takes up to as many as its system where ports are short. Errors: INVALID, NOT_LOCAL, ROOM,
 * QUOTA; RANGE, BOUND, PAIRS, WAIT, LUCK: why no port is to be had. One at a time.
 */
BERTH_API int berth_space_connect(struct berth_space *space, const struct berth_space_connect *want,
				  berth_space_socket *out_socket);

/*
 * Connects a socket that is bound to one address; on a wildcard it moves to want->local.
 * want->owner and want->rnd are not looked at. Errors: INVALID, STALE, STATE, NOT_LOCAL, ROOM,
 * PAIR, PAIR_RESTING, SELF. One at a time.
 */
BERTH_API int berth_space_connect_bound(struct berth_space *space, berth_space_socket socket,
					const struct berth_space_connect *want);

/*
 * A new socket for a connection that a listener accepted; it has the listener's port, flags and
 * owner. want->owner and want->rnd are not looked at. Errors: INVALID, STALE, STATE, NOT_LOCAL,
 * ROOM, QUOTA, PAIR, PAIR_RESTING. One at a time.
 */
BERTH_API int berth_space_accept(struct berth_space *space, berth_space_socket listener,
				 const struct berth_space_connect *want,
				 berth_space_socket *out_socket);

/*
 * Gives a socket up. It rests as the configuration says (rest true), or is gone at once. A listener
 * never rests. Errors: STALE, STATE (it rests already; rest false: that ends its rest and is no
 * error). One at a time.
 */
BERTH_API int berth_space_release(struct berth_space *space, berth_space_socket socket,
				  uint32_t now_ms, bool rest);

/*
 * A packet was seen: the socket's idle time begins again. Errors: STALE, STATE (not connected, or
 * no idle_ms). One at a time.
 */
BERTH_API int berth_space_touch(struct berth_space *space, berth_space_socket socket,
				uint32_t now_ms);

/* The idle time of a socket is over: it has been released, and rests. */
typedef void (*berth_space_idle)(void *context, berth_space_socket socket);

/*
 * The caller's clock goes on, in ms, modulo 2^32, by less than 2^31 at a time: whatever has rested
 * is gone, and what nobody touched is released (idle, which may be NULL, is called for each, and
 * must not change the space). At most limit (0: any number) sockets are dealt with; returns how
 * many were. One at a time.
 */
BERTH_API uint32_t berth_space_advance(struct berth_space *space, uint32_t now_ms, uint32_t limit,
				       berth_space_idle idle, void *context);

/* What a socket does. */
enum berth_space_state {
	BERTH_SPACE_BOUND,
	BERTH_SPACE_LISTENING,
	BERTH_SPACE_CONNECTED,
	BERTH_SPACE_RESTS,
};

/* What is known of a socket. */
struct berth_space_info {
	struct berth_address remote; /* connected, or resting after that */
	uint16_t remote_port;        /* 0: not connected */
	uint16_t local, port, owner;
	uint8_t state; /* enum berth_space_state */
	uint8_t flags;
	uint32_t until_ms; /* of the caller's clock, where it rests or may become idle */
};

/* What a socket is. Errors: STALE. One at a time. */
BERTH_API int berth_space_get(const struct berth_space *space, berth_space_socket socket,
			      struct berth_space_info *out_info);

/* The socket of a pair; 0 where there is none. Resting ones are found. One at a time. */
BERTH_API berth_space_socket berth_space_find(const struct berth_space *space, uint16_t local,
					      uint16_t port, const struct berth_address *remote,
					      uint16_t remote_port);

/* How much of a space is in use, and how much of one local address is left. */
struct berth_space_counts {
	uint32_t sockets, resting, destinations, crowded;
	uint32_t free; /* ports of the range that nobody has on this address */
	uint32_t open; /* ports that connect may choose from */
};

/* What there is, and what one local address has left. Errors: NOT_LOCAL. One at a time. */
BERTH_API int berth_space_count(const struct berth_space *space, uint16_t local,
				struct berth_space_counts *out_counts);

/*
 * Ports that connect could still choose for a destination: its headroom. 0 for a number that is no
 * address. One at a time.
 */
BERTH_API uint32_t berth_space_headroom(const struct berth_space *space, uint16_t local,
					const struct berth_address *remote, uint16_t remote_port);

#ifdef __cplusplus
}
#endif
#endif
