/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of a port space that are bound: bind and listen. */
#include "src/core/space_pick.h"
#include "src/core/space_sock.h"

#define MANY 16u

/* 0, or why the port, which is not 0, may not be bound on all of the addresses. */
static int may_bind(const struct berth_space *sp, const struct berth_space_bind *want,
		    const uint16_t *locals, unsigned count)
{
	const struct berth_space_config *c = &sp->config;
	unsigned i;
	int error;

	if (((want->port >> 6) & (c->parts - 1u)) != c->part)
		return BERTH_SPACE_E_INVALID;
	if (want->port < c->system_end && !(sp->owner[want->owner].rights & BERTH_SPACE_SYSTEM))
		return BERTH_SPACE_E_SYSTEM;
	for (i = 0; i < count; i++) {
		error = berth_space_may_bind(sp, locals[i], want->port, want->owner, want->flags);
		if (error)
			return error;
	}
	return 0;
}

/* One socket of several addresses: a ring of records, the number is that of the first. */
static uint32_t bind_records(struct berth_space *sp, const struct berth_space_bind *want,
			     uint16_t port, const uint16_t *locals, unsigned count)
{
	uint8_t flags = want->flags | BERTH_SPACE_BINDS;
	uint32_t record[MANY];
	unsigned i;

	if (!want->flags)
		flags |= BERTH_SPACE_PLAIN;
	if (count > 1)
		flags |= BERTH_SPACE_MANY;
	for (i = 0; i < count; i++) {
		record[i] = berth_space_record_take(sp, BERTH_RECORD_BOUND, flags, locals[i], port,
						    want->owner);
		sp->shares_used += berth_space_is_share(flags);
		berth_space_enter(sp, locals[i], &sp->sock[record[i]]);
	}
	for (i = 0; i < count; i++)
		sp->sock[record[i]].next = record[(i + 1) % count];
	return record[0];
}

/* 0, or INVALID or NOT_LOCAL: each address once, and no wildcard beside an address that it covers. */
static int check_locals(const struct berth_space *sp, const uint16_t *locals, unsigned count)
{
	unsigned i, k;

	if (!count || count > MANY)
		return BERTH_SPACE_E_INVALID;
	for (i = 0; i < count; i++) {
		if (locals[i] >= sp->locals)
			return BERTH_SPACE_E_NOT_LOCAL;
		for (k = 0; k < i; k++) {
			const struct berth_space_local *a = sp->local[locals[i]],
						       *b = sp->local[locals[k]];

			if (a == b || (a->family == b->family && (a->wild || b->wild)))
				return BERTH_SPACE_E_INVALID;
		}
	}
	return 0;
}

/* A port that nobody has on any of the addresses, by the policy, or why there is none. */
BERTH_INLINE int pick_bind(struct berth_space *sp, const struct berth_space_bind *want,
			   const uint16_t *locals, unsigned count)
{
	return berth_space_choose((struct berth_space_pick){ .sp = sp,
							     .set = &sp->local[locals[0]]->idle,
							     .locals = locals,
							     .count = count,
							     .to = NULL,
							     .exact = count == 1,
							     .rnd = want->rnd });
}

int berth_space_bind_many(struct berth_space *sp, const struct berth_space_bind *want,
			  const uint16_t *locals, unsigned count, berth_space_socket *out_socket)
{
	bool share = want->flags != 0;
	int error = check_locals(sp, locals, count), port = want->port;

	if (!error && (want->flags & ~(BERTH_SPACE_REUSE | BERTH_SPACE_REUSEPORT)))
		error = BERTH_SPACE_E_INVALID;
	if (!error)
		error = berth_space_owner_may(sp, want->owner, count);
	if (!error && !berth_space_has_room(sp, count, share ? count : 0))
		error = BERTH_SPACE_E_ROOM;
	if (!error && port)
		error = may_bind(sp, want, locals, count);
	if (error)
		return error;
	if (!port)
		port = pick_bind(sp, want, locals, count);
	if (port < 0)
		return port;
	*out_socket =
		berth_space_number_of(sp, bind_records(sp, want, (uint16_t)port, locals, count));
	return 0;
}

/* As berth_space_bind_many() for a socket that shares with nobody, on an address, with any port. */
int berth_space_bind(struct berth_space *sp, const struct berth_space_bind *want,
		     berth_space_socket *out_socket)
{
	uint32_t i;
	int32_t port;

	if (!BERTH_LIKELY(!want->flags && !want->port && want->local < sp->locals &&
			  !sp->local[want->local]->wild &&
			  berth_space_may_have_one(sp, want->owner)))
		return berth_space_bind_many(sp, want, &want->local, 1, out_socket);
	port = pick_bind(sp, want, &want->local, 1);
	if (port < 0)
		return port;
	i = berth_space_record_take(sp, BERTH_RECORD_BOUND, BERTH_SPACE_PLAIN | BERTH_SPACE_BINDS,
				    want->local, (uint16_t)port, want->owner);
	*out_socket = berth_space_number_of(sp, i);
	berth_space_enter_firm(sp, sp->local[want->local], want->local,
			       berth_draw_at((uint16_t)port));
	return 0;
}

void berth_space_relabel(struct berth_space *sp, uint32_t i, uint8_t state, uint8_t flags)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint16_t local;

	if (!berth_space_is_share(s->flags)) {
		s->state = state;
		s->flags = flags;
		/* For the reason that others are told. */
		if ((flags & BERTH_SPACE_BINDS) && berth_space_rests(s))
			sp->local[berth_space_local_of(sp, s)]->count[s->port] =
				BERTH_SPACE_FIRM_RESTS;
		return;
	}
	local = berth_space_local_of(sp, s);
	berth_space_leave(sp, local, s);
	s->state = state;
	s->flags = flags;
	berth_space_enter(sp, local, s);
}

/* 0, or why this record of a socket may not listen: asked as if it were not there. */
static int may_listen(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint16_t local = (uint16_t)s->dest;
	int error;

	if (!berth_space_is_share(s->flags))
		return 0;
	berth_space_leave(sp, local, s);
	error = berth_space_may_listen(sp, local, s);
	berth_space_enter(sp, local, s);
	return error;
}

int berth_space_listen(struct berth_space *sp, berth_space_socket socket)
{
	uint32_t first = berth_space_record_of(sp, socket), i = first;
	int error;

	if (first == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	if (sp->sock[first].state != BERTH_RECORD_BOUND)
		return BERTH_SPACE_E_STATE;
	if (sp->sock[first].flags & BERTH_SPACE_LISTENS)
		return 0;
	do {
		error = may_listen(sp, i);
		if (error)
			return error;
		i = berth_space_other_record(sp, i);
	} while (i != first);
	do {
		berth_space_relabel(sp, i, BERTH_RECORD_BOUND,
				    sp->sock[i].flags | BERTH_SPACE_LISTENS);
		i = berth_space_other_record(sp, i);
	} while (i != first);
	return 0;
}
