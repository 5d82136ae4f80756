/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Demultiplexer: which socket does a packet belong to?
 *
 * For authors of user-space network stacks. Sockets are added with their addresses and an owner, a number of the
 * caller's (a pointer, an index); a look-up gives the owner of the socket that Linux would have chosen:
 *
 * 1. connected: protocol, both addresses and both ports agree;
 * 2. bound to the packet's destination address;
 * 3. bound to any address; for a packet of IPv4 also sockets of IPv6 that are not BERTH_DEMUX_V6ONLY.
 *
 * Within one of these a socket bound to the packet's interface comes before one bound to none; one bound to
 * another interface is not there. Then, for a packet of IPv4, a socket of IPv4 comes before one of IPv6 (TCP, SCTP
 * and DCCP: both count alike), then the newest before those added earlier. Sockets that are added with
 * BERTH_DEMUX_REUSEPORT and agree in everything are one group, as old as its first member, over which packets are
 * spread by hash.
 *
 * Linux is left in three points. It stops at the first group with SO_REUSEPORT that it meets, even where a socket
 * bound to the interface stands behind it; here the better socket wins. Where the same pair is connected with and
 * without an interface, it takes the newest; here the one with the interface wins. A group's packets move between
 * members that stay when one leaves; here only the packets of the leaver move. VRFs and multicast are not known here.
 *
 * Threads: "reader" functions may run in any number of threads at any time, beside one writer; they take no lock
 * and never wait for a writer, not even for one that is stopped half-way. "writer" functions must not run beside
 * one another on the same table: hold a lock of your own. A look-up may still give the owner of a socket that is
 * being removed: the caller gives the owner's memory back after a grace period, as it does with retired memory.
 *
 * Memory: a connected pair takes at most 64 bytes, all tables counted, once there are 100,000; one of IPv4 that has
 * an interface, 64 more, and its look-ups a line of memory more. Only adding and reserving ask for memory. A table never
 * shrinks.
 */
#ifndef BERTH_DEMUX_H
#define BERTH_DEMUX_H

#include "flow.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The first bytes of retired memory that readers do not look at: room for a struct rcu_head and the size. */
#define BERTH_DEMUX_RETIRED_HEAD 32

/* Where memory comes from. All but context may be called by writer functions only. */
struct berth_demux_memory {
	/* Memory of that size and alignment (a power of two), not cleared; NULL where there is none. */
	void *(*get)(void *context, size_t size, size_t align);
	/* Takes back memory that no reader can know. */
	void (*put)(void *context, void *memory, size_t size);
	/*
	 * Takes back memory that readers may be in: to be given back when every look-up that runs now has
	 * ended (RCU, epochs). Must not wait for the caller's own look-up. The first BERTH_DEMUX_RETIRED_HEAD
	 * bytes may be written over at once. NULL: put() is called in its place, for use by one thread.
	 */
	void (*retire)(void *context, void *memory, size_t size);
	void *context;
};

/* What a socket is bound to. */
enum berth_demux_flags {
	BERTH_DEMUX_REUSEPORT = 1, /* member of the group of sockets like it */
	BERTH_DEMUX_V6ONLY = 2,    /* bound to "any" of IPv6, not to that of IPv4 */
	BERTH_DEMUX_FAMILY6 = 4,   /* a socket of IPv6 that is bound to a v4-mapped address */
};

/*
 * A socket. Connected: all addresses and ports given. Bound only: remote all zero and remote_port 0; local is an
 * address, "any" of IPv6 (all zero) or "any" of IPv4 (::ffff:0.0.0.0). device: 0, or the interface it is bound to.
 */
struct berth_demux_socket {
	struct berth_flow at;
	uint8_t flags;
	uint8_t unused[3];
	uint64_t owner;
};

/* How a packet found its socket. */
enum berth_demux_level {
	BERTH_DEMUX_NONE = 0,
	BERTH_DEMUX_CONNECTED = 1,
	BERTH_DEMUX_BOUND = 2,
	BERTH_DEMUX_ANY = 3,
};

struct berth_demux;

/* What a table holds. */
struct berth_demux_usage {
	uint64_t pairs_v4, pairs_v6; /* distinct keys: connected pairs and bound endpoints */
	uint64_t bytes;              /* memory that the table has, retired memory not counted */
};

/*
 * Makes an empty table. key: 128 secret random bits. Who does not know them, and does not learn from the time that
 * look-ups take, cannot choose connections that meet in one place: any two do with a probability of 2^-32
 * (multilinear hashing). memory is copied; its context must outlive the table. 0, or -ENOMEM. Any thread.
 */
BERTH_API int berth_demux_new(const struct berth_demux_memory *memory, const uint64_t key[2],
			      struct berth_demux **out_demux);

/* Gives back the table and its memory, at once; NULL is allowed. Writer, with no reader left. */
BERTH_API void berth_demux_free(struct berth_demux *d);

/*
 * Makes room for so many pairs of IPv4 and of IPv6 in all, so that adding up to that number grows no table.
 * 0, -ENOMEM, or -EOVERFLOW above 1,000,000,000. Writer.
 */
BERTH_API int berth_demux_reserve(struct berth_demux *d, uint32_t pairs_v4, uint32_t pairs_v6);

/*
 * Adds a socket; look-ups that begin later see it. 0, or nothing was changed and: -EINVAL, local port 0, an
 * interface of index 0x7fffffff or above, addresses of two families, a connected socket without a full pair or with
 * BERTH_DEMUX_REUSEPORT; -EADDRINUSE, the same pair is connected with the same interface and the protocol is
 * neither UDP nor UDP-Lite; -ENOMEM; -EOVERFLOW, above 1,000,000,000 pairs. Which sockets may be bound beside one
 * another is not asked here: of two alike the newer one is found. Writer.
 */
BERTH_API int berth_demux_add(struct berth_demux *d, const struct berth_demux_socket *s);

/*
 * Removes the socket that was added with the same words, owner included; the newest of several. Look-ups that
 * begin later do not see it. Asks for no memory. 0, or -ENOENT. Writer.
 */
BERTH_API int berth_demux_remove(struct berth_demux *d, const struct berth_demux_socket *s);

/*
 * Finds the owner of a packet's socket; out_owner is untouched where there is none. Port 0 as the packet's
 * destination finds none. Reader.
 */
BERTH_API enum berth_demux_level berth_demux_find(const struct berth_demux *d,
						  const struct berth_flow *flow,
						  uint64_t *out_owner);

/*
 * berth_demux_find() for count packets: memory is fetched for many of them at once. owner[i] is untouched where
 * level[i] is BERTH_DEMUX_NONE. Not one look-up of the whole: a socket may come or go between two packets.
 * Reader.
 */
BERTH_API void berth_demux_find_batch(const struct berth_demux *d, const struct berth_flow *flow,
				      size_t count, uint64_t *owner, uint8_t *level);

/* What the table holds. Writer. */
BERTH_API struct berth_demux_usage berth_demux_usage(const struct berth_demux *d);

#ifdef __cplusplus
}
#endif
#endif
