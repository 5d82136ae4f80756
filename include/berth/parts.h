/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One port space for many threads: parts with a lock each.
 *
 * Ports are dealt out to the parts in groups of 64. What can clash clashes on a port, so each part
 * decides alone, and nothing is asked of the others. A thread names a part as its home: ports are
 * chosen there, and elsewhere only when home has none. So threads with different homes do not meet,
 * and a choice is as hard to guess as one among the ports of a part.
 *
 * Exact: a port or quota is refused only after all parts were asked at one moment.
 *
 * Threads: "any thread" functions may run at any time, and beside one another: all but
 * berth_parts_free(). A lock is held for one operation and is a spinning one: `wait` of the
 * configuration is called when it is not had soon. The functions in which sockets are bound,
 * connected and released allocate nothing.
 */
#ifndef BERTH_PARTS_H
#define BERTH_PARTS_H

#include "space.h"

#ifdef __cplusplus
extern "C" {
#endif

struct berth_parts;

/* A space, and how it is divided. */
struct berth_parts_config {
	struct berth_space_config space; /* part and parts are not looked at */
	uint16_t parts;                  /* a power of two, up to 64 */
	void (*wait)(void *context);     /* gives the processor up for a moment; NULL: spin on */
	void *wait_context;
};

/*
 * As berth_space_new(); each part takes that memory. A habit is called by many threads. Any thread.
 */
BERTH_API int berth_parts_new(const struct berth_parts_config *config,
			      const struct berth_space_memory *memory,
			      struct berth_parts **out_parts);

/* Gives everything back; parts may be NULL. One at a time, as the last. */
BERTH_API void berth_parts_free(struct berth_parts *parts);

/* Bytes taken from the allocator and not given back. Any thread. */
BERTH_API size_t berth_parts_bytes(struct berth_parts *parts);

/*
 * As their namesakes of a space. Each part gets an equal share of the room, rounded up, and 64. Any
 * thread.
 */
BERTH_API int berth_parts_make_room(struct berth_parts *parts, const struct berth_space_room *room);
BERTH_API int berth_parts_add_local(struct berth_parts *parts, const struct berth_address *address,
				    uint16_t *out_local);
BERTH_API int berth_parts_set_range(struct berth_parts *parts, uint16_t first, uint16_t last);
BERTH_API int berth_parts_withhold(struct berth_parts *parts, uint16_t first, uint16_t last,
				   bool withhold);
BERTH_API void berth_parts_rekey(struct berth_parts *parts, const uint64_t key[4]);
BERTH_API int berth_parts_set_owner(struct berth_parts *parts, uint16_t owner, uint32_t quota,
				    unsigned rights);
BERTH_API uint32_t berth_parts_owned(struct berth_parts *parts, uint16_t owner);

/* As their namesakes of a space; home is any number, threads take different ones. Any thread. */
BERTH_API int berth_parts_bind(struct berth_parts *parts, unsigned home,
			       const struct berth_space_bind *want, berth_space_socket *out_socket);
BERTH_API int berth_parts_bind_many(struct berth_parts *parts, unsigned home,
				    const struct berth_space_bind *want, const uint16_t *locals,
				    unsigned count, berth_space_socket *out_socket);
BERTH_API int berth_parts_connect(struct berth_parts *parts, unsigned home,
				  const struct berth_space_connect *want,
				  berth_space_socket *out_socket);

/* As their namesakes of a space. Any thread. */
BERTH_API int berth_parts_listen(struct berth_parts *parts, berth_space_socket socket);
BERTH_API int berth_parts_connect_bound(struct berth_parts *parts, berth_space_socket socket,
					const struct berth_space_connect *want);
BERTH_API int berth_parts_accept(struct berth_parts *parts, berth_space_socket listener,
				 const struct berth_space_connect *want,
				 berth_space_socket *out_socket);
BERTH_API int berth_parts_release(struct berth_parts *parts, berth_space_socket socket,
				  uint32_t now_ms, bool rest);
BERTH_API int berth_parts_touch(struct berth_parts *parts, berth_space_socket socket,
				uint32_t now_ms);
BERTH_API int berth_parts_get(struct berth_parts *parts, berth_space_socket socket,
			      struct berth_space_info *out_info);
BERTH_API berth_space_socket berth_parts_find(struct berth_parts *parts, uint16_t local,
					      uint16_t port, const struct berth_address *remote,
					      uint16_t remote_port);

/*
 * The clock of every part goes on; idle is called with the part's lock held. The limit is for each
 * part. Any thread.
 */
BERTH_API uint32_t berth_parts_advance(struct berth_parts *parts, uint32_t now_ms, uint32_t limit,
				       berth_space_idle idle, void *context);

/* The sums of all parts; not of one moment where threads are at work. Any thread. */
BERTH_API int berth_parts_count(struct berth_parts *parts, uint16_t local,
				struct berth_space_counts *out_counts);

#ifdef __cplusplus
}
#endif
#endif
