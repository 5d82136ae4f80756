/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of a port space that are connected: connect and accept. */
#include <string.h>

#include "src/core/space_pick.h"
#include "src/core/space_sock.h"

/* 0, or why nothing can be connected from there. */
static int check_connect(const struct berth_space *sp, const struct berth_space_connect *want)
{
	if (!want->remote_port)
		return BERTH_SPACE_E_INVALID;
	if (want->local >= sp->locals || sp->local[want->local]->wild)
		return BERTH_SPACE_E_NOT_LOCAL;
	if (berth_address_is_v4(&want->remote) != sp->local[want->local]->family ||
	    berth_space_is_wild(&want->remote))
		return BERTH_SPACE_E_INVALID;
	return 0;
}

/* Makes the destination the recent one; 0, or why nothing can be connected to it. */
BERTH_APART int turn_to(struct berth_space *sp, const struct berth_space_connect *want)
{
	int error = check_connect(sp, want);

	if (!error)
		error = berth_space_owner_may(sp, want->owner, 1);
	if (!error && (!berth_space_has_room(sp, 1, 0) ||
		       !berth_space_turn_to(sp, want->local, &want->remote, want->remote_port)))
		error = BERTH_SPACE_E_ROOM;
	return error;
}

int berth_space_connect(struct berth_space *sp, const struct berth_space_connect *want,
			berth_space_socket *out_socket)
{
	const struct berth_space_recent *r = &sp->recent;
	struct berth_space_lane *lane;
	struct berth_draw_at at;
	uint32_t i;
	int port;

	/* What has been connected to can be. */
	if (!BERTH_LIKELY(
		    berth_space_is_recent(sp, want->local, &want->remote, want->remote_port) &&
		    berth_space_may_have_one(sp, want->owner))) {
		port = turn_to(sp, want);
		if (port < 0)
			return port;
	}
	lane = berth_space_lane_of(sp, r);
	port = berth_space_choose((struct berth_space_pick){
		.sp = sp,
		.set = lane ? &lane->free : berth_space_choice_of(sp, r->l),
		.locals = &want->local,
		.count = 1,
		.to = r,
		.exact = lane != NULL,
		.rnd = want->rnd });
	if (port < 0)
		return port;
	at = berth_draw_at((uint16_t)port);
	i = berth_space_record_take(sp, BERTH_RECORD_PAIR, BERTH_SPACE_PLAIN, r->dest,
				    (uint16_t)port, want->owner);
	*out_socket = berth_space_number_of(sp, i);
	berth_space_pair_add(sp, r->d, &sp->sock[i], i);
	if (lane)
		berth_draw_cut(&lane->free, at);
	berth_space_idle_from(sp, i, want->now_ms);
	berth_space_enter_plain(sp, r->l, want->local, at);
	return 0;
}

/* Puts a bound socket into the table of pairs. */
static void pair_add(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];
	struct berth_space_dest *d = &sp->dest[s->dest];

	berth_space_pair_add(sp, d, s, i);
	if (d->lane != BERTH_SPACE_NO_LANE)
		berth_draw_remove(&sp->lane[d->lane].free, s->port);
}

/* The destination of a pair that can be made, in *out_dest; 0, or why it cannot. */
static int pair_dest(struct berth_space *sp, const struct berth_space_connect *want, uint16_t port,
		     uint32_t *out_dest)
{
	uint32_t dest = berth_space_dest_get(sp, want->local, &want->remote, want->remote_port), i;

	if (dest == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_ROOM;
	i = berth_space_pair_find(sp, dest, port);
	if (i != BERTH_SPACE_NONE)
		return berth_space_rests(&sp->sock[i]) ? BERTH_SPACE_E_PAIR_RESTING
						       : BERTH_SPACE_E_PAIR;
	/* A port has 65,535 other endpoints of the destination at most, so pairs always fits. */
	*out_dest = dest;
	return 0;
}

int berth_space_connect_bound(struct berth_space *sp, berth_space_socket socket,
			      const struct berth_space_connect *want)
{
	uint32_t i = berth_space_record_of(sp, socket), dest;
	struct berth_space_sock *s;
	uint16_t local;
	int error;

	if (i == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	s = &sp->sock[i];
	local = (uint16_t)s->dest;
	if (s->state != BERTH_RECORD_BOUND || (s->flags & (BERTH_SPACE_LISTENS | BERTH_SPACE_MANY)))
		return BERTH_SPACE_E_STATE;
	error = check_connect(sp, want);
	if (!error && want->local != local &&
	    (!sp->local[local]->wild || sp->local[local]->family != sp->local[want->local]->family))
		error = BERTH_SPACE_E_NOT_LOCAL;
	if (!error && want->remote_port == s->port &&
	    !memcmp(&want->remote, &sp->local[want->local]->address, sizeof(want->remote)))
		error = BERTH_SPACE_E_SELF;
	if (!error)
		error = pair_dest(sp, want, s->port, &dest);
	if (error)
		return error;
	berth_space_leave(sp, local, s);
	s->state = BERTH_RECORD_PAIR;
	s->dest = dest;
	pair_add(sp, i);
	berth_space_enter(sp, want->local, s);
	berth_space_idle_from(sp, i, want->now_ms);
	return 0;
}

/* 0, or why the listener does not accept on that address. */
static int check_listener(const struct berth_space *sp, uint32_t listener,
			  const struct berth_space_connect *want)
{
	uint32_t i = listener;
	const struct berth_space_local *l;

	if (!(sp->sock[listener].flags & BERTH_SPACE_LISTENS) ||
	    sp->sock[listener].state != BERTH_RECORD_BOUND)
		return BERTH_SPACE_E_STATE;
	do {
		l = sp->local[sp->sock[i].dest];
		if (sp->sock[i].dest == want->local ||
		    (l->wild && l->family == sp->local[want->local]->family))
			return 0;
		i = berth_space_other_record(sp, i);
	} while (i != listener);
	return BERTH_SPACE_E_NOT_LOCAL;
}

int berth_space_accept(struct berth_space *sp, berth_space_socket socket,
		       const struct berth_space_connect *want, berth_space_socket *out_socket)
{
	uint32_t listener = berth_space_record_of(sp, socket), dest = BERTH_SPACE_NONE, i;
	const struct berth_space_sock *l;
	uint8_t flags;
	int error;

	if (listener == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	l = &sp->sock[listener];
	error = check_connect(sp, want);
	if (!error)
		error = check_listener(sp, listener, want);
	if (!error)
		error = berth_space_owner_may(sp, l->owner, 1);
	if (!error && !berth_space_has_room(sp, 1, 1))
		error = BERTH_SPACE_E_ROOM;
	if (!error)
		error = pair_dest(sp, want, l->port, &dest);
	if (error)
		return error;
	/* Accepted sockets of a listener that shares with nobody share with it, and with nobody else. */
	flags = (l->flags & (BERTH_SPACE_REUSE | BERTH_SPACE_REUSEPORT)) | BERTH_SPACE_BINDS;
	i = berth_space_record_take(sp, BERTH_RECORD_PAIR, flags, dest, l->port, l->owner);
	sp->shares_used++;
	pair_add(sp, i);
	berth_space_enter(sp, want->local, &sp->sock[i]);
	berth_space_idle_from(sp, i, want->now_ms);
	*out_socket = berth_space_number_of(sp, i);
	return 0;
}
