/* SPDX-License-Identifier: BSD-2-Clause */
/* The records of sockets of a port space: taken, given back, numbered. */
#ifndef BERTH_CORE_SPACE_SOCK_H
#define BERTH_CORE_SPACE_SOCK_H

#include <stddef.h>

#include "src/core/space.h"

BERTH_INLINE struct berth_wheel_nodes berth_space_timers(const struct berth_space *sp)
{
	/* Before there is room sock is NULL, from which C does not count on. */
	return (struct berth_wheel_nodes){
		.base = (char *)((uintptr_t)sp->sock + offsetof(struct berth_space_sock, timer)),
		.stride = sizeof(struct berth_space_sock),
	};
}

BERTH_INLINE bool berth_space_is_pair(const struct berth_space_sock *s)
{
	return s->state == BERTH_RECORD_PAIR || s->state == BERTH_RECORD_REST_PAIR;
}

BERTH_INLINE bool berth_space_rests(const struct berth_space_sock *s)
{
	return s->state == BERTH_RECORD_REST_PORT || s->state == BERTH_RECORD_REST_PAIR;
}

BERTH_INLINE berth_space_socket berth_space_number_of(const struct berth_space *sp, uint32_t i)
{
	return (uint64_t)sp->sock[i].age << 32 | (i + 1);
}

/* Index of a socket's record, or NONE. */
BERTH_INLINE uint32_t berth_space_record_of(const struct berth_space *sp, berth_space_socket socket)
{
	uint32_t i = (uint32_t)socket - 1;

	if (i >= sp->socks.room || sp->sock[i].age != socket >> 32 ||
	    sp->sock[i].state == BERTH_RECORD_FREE)
		return BERTH_SPACE_NONE;
	return i;
}

/* What a record's mark is with these three in it. */
BERTH_INLINE uint32_t berth_space_mark_of(uint16_t age, uint8_t state, uint8_t flags)
{
	const union {
		struct {
			uint16_t age;
			uint8_t state, flags;
		} part;
		uint32_t mark;
	} u = { .part = { age, state, flags } };

	return u.mark;
}

/*
 * A record for a socket; there is one: the caller has looked. Here and where a record is given back its mark is written
 * as a whole, for a processor waits where it reads as one word what was just written as several.
 */
BERTH_INLINE uint32_t berth_space_record_take(struct berth_space *sp, uint8_t state, uint8_t flags,
					      uint32_t dest, uint16_t port, uint16_t owner)
{
	uint32_t i = sp->socks.free;
	struct berth_space_sock *s = &sp->sock[i];

	sp->socks.free = s->next;
	sp->socks.used++;
	s->dest = dest;
	s->port = port;
	s->owner = owner;
	s->mark |= berth_space_mark_of(0, state, flags);
	sp->owner[owner].used++;
	return i;
}

BERTH_INLINE bool berth_space_has_room(const struct berth_space *sp, uint32_t records,
				       uint32_t shares)
{
	return sp->socks.used + records <= sp->room.sockets &&
	       (!shares || sp->shares_used + shares <= sp->room.shares);
}

/* 0, or why the owner may not have so many more sockets. */
BERTH_INLINE int berth_space_owner_may(const struct berth_space *sp, uint16_t owner, uint32_t more)
{
	const struct berth_space_owner *o = &sp->owner[owner];

	if (owner >= sp->config.owners)
		return BERTH_SPACE_E_INVALID;
	return o->used + more > o->limit ? BERTH_SPACE_E_QUOTA : 0;
}

/* True where there is room for a socket without a share, and the owner may have one more. */
BERTH_INLINE bool berth_space_may_have_one(const struct berth_space *sp, uint16_t owner)
{
	return owner < sp->config.owners && sp->owner[owner].used < sp->owner[owner].limit &&
	       sp->socks.free != BERTH_SPACE_NONE;
}

BERTH_INLINE bool berth_space_is_share(unsigned flags)
{
	return (flags & BERTH_SPACE_BINDS) && !(flags & BERTH_SPACE_PLAIN);
}

/* The next record of a socket that has several addresses, else the record itself. */
BERTH_INLINE uint32_t berth_space_other_record(const struct berth_space *sp, uint32_t i)
{
	return sp->sock[i].flags & BERTH_SPACE_MANY ? sp->sock[i].next : i;
}

/* A record is nobody's any more. */
BERTH_INLINE void berth_space_record_free(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];

	s->mark = berth_space_mark_of((uint16_t)(s->age + 1), BERTH_RECORD_FREE, 0);
	s->next = sp->socks.free;
	sp->socks.free = i;
	sp->socks.used--;
}

/* space_use.c: puts a connected socket on the wheel of a space that has idle_ms. */
void berth_space_idle_begin(struct berth_space *sp, uint32_t i, uint32_t now_ms);

BERTH_INLINE void berth_space_idle_from(struct berth_space *sp, uint32_t i, uint32_t now_ms)
{
	if (sp->config.idle_ms)
		berth_space_idle_begin(sp, i, now_ms);
}

#endif
