/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of a port space: bind, listen, connect, accept, release, and the clock. */
#include <string.h>

#include "src/core/space_fast.h"

#define MANY 16u

static struct berth_wheel_nodes timers(const struct berth_space *sp)
{
	return (struct berth_wheel_nodes){
		.base = (char *)sp->sock + offsetof(struct berth_space_sock, timer),
		.stride = sizeof(struct berth_space_sock),
	};
}

static bool is_pair(const struct berth_space_sock *s)
{
	return s->state == BERTH_RECORD_PAIR || s->state == BERTH_RECORD_REST_PAIR;
}

static bool rests(const struct berth_space_sock *s)
{
	return s->state == BERTH_RECORD_REST_PORT || s->state == BERTH_RECORD_REST_PAIR;
}

static berth_space_socket number_of(const struct berth_space *sp, uint32_t i)
{
	return (uint64_t)sp->sock[i].age << 32 | (i + 1);
}

/* Index of a socket's record, or NONE. */
static uint32_t record_of(const struct berth_space *sp, berth_space_socket socket)
{
	uint32_t i = (uint32_t)socket - 1;

	if (i >= sp->socks.room || sp->sock[i].age != socket >> 32 ||
	    sp->sock[i].state == BERTH_RECORD_FREE)
		return BERTH_SPACE_NONE;
	return i;
}

/* A record for a socket; there is one: the caller has looked at `used`. */
static uint32_t record_take(struct berth_space *sp, uint8_t state, uint8_t flags, uint32_t dest,
			    uint16_t port, uint16_t owner)
{
	uint32_t i = sp->socks.free;
	struct berth_space_sock *s = &sp->sock[i];

	sp->socks.free = s->next;
	sp->socks.used++;
	s->dest = dest;
	s->port = port;
	s->owner = owner;
	s->state = state;
	s->flags = flags;
	sp->owner[owner].used++;
	return i;
}

static bool has_room(const struct berth_space *sp, uint32_t records, uint32_t shares)
{
	return sp->socks.used + records <= sp->room.sockets &&
	       (!shares || sp->shares_used + shares <= sp->room.shares);
}

/* 0, or why the owner may not have so many more sockets. */
static int owner_may(const struct berth_space *sp, uint16_t owner, uint32_t more)
{
	const struct berth_space_owner *o = &sp->owner[owner];

	if (owner >= sp->config.owners)
		return BERTH_SPACE_E_INVALID;
	return o->used + more > o->limit ? BERTH_SPACE_E_QUOTA : 0;
}

static bool is_share(unsigned flags)
{
	return (flags & BERTH_SPACE_BINDS) && !(flags & BERTH_SPACE_PLAIN);
}

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
		record[i] =
			record_take(sp, BERTH_RECORD_BOUND, flags, locals[i], port, want->owner);
		sp->shares_used += is_share(flags);
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

int berth_space_bind_many(struct berth_space *sp, const struct berth_space_bind *want,
			  const uint16_t *locals, unsigned count, berth_space_socket *out_socket)
{
	bool share = want->flags != 0;
	int error = check_locals(sp, locals, count), port = want->port;

	if (!error && (want->flags & ~(BERTH_SPACE_REUSE | BERTH_SPACE_REUSEPORT)))
		error = BERTH_SPACE_E_INVALID;
	if (!error)
		error = owner_may(sp, want->owner, count);
	if (!error && !has_room(sp, count, share ? count : 0))
		error = BERTH_SPACE_E_ROOM;
	if (!error && port)
		error = may_bind(sp, want, locals, count);
	if (error)
		return error;
	if (!port)
		port = berth_space_pick_bind(sp, want, locals, count);
	if (port < 0)
		return port;
	*out_socket = number_of(sp, bind_records(sp, want, (uint16_t)port, locals, count));
	return 0;
}

/* A free port for a socket that shares with nobody: the shortest way. */
static int bind_any(struct berth_space *sp, const struct berth_space_bind *want,
		    berth_space_socket *out_socket)
{
	struct berth_space_local *l = sp->local[want->local];
	uint32_t i;
	int port = 0;

	if (sp->config.policy == BERTH_SPACE_UNIFORM)
		port = berth_draw_any(&l->idle, want->rnd);
	if (port <= 0)
		port = berth_space_pick_bind(sp, want, &want->local, 1);
	if (port < 0)
		return port;
	i = record_take(sp, BERTH_RECORD_BOUND, BERTH_SPACE_PLAIN | BERTH_SPACE_BINDS, want->local,
			(uint16_t)port, want->owner);
	berth_space_enter(sp, want->local, &sp->sock[i]);
	*out_socket = number_of(sp, i);
	return 0;
}

int berth_space_bind(struct berth_space *sp, const struct berth_space_bind *want,
		     berth_space_socket *out_socket)
{
	if (!want->flags && !want->port && want->local < sp->locals && has_room(sp, 1, 0) &&
	    !owner_may(sp, want->owner, 1))
		return bind_any(sp, want, out_socket);
	return berth_space_bind_many(sp, want, &want->local, 1, out_socket);
}

/* The next record of a socket that has several addresses, else the record itself. */
static uint32_t other_record(const struct berth_space *sp, uint32_t i)
{
	return sp->sock[i].flags & BERTH_SPACE_MANY ? sp->sock[i].next : i;
}

static void relabel(struct berth_space *sp, uint32_t i, uint8_t state, uint8_t flags)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint16_t local = berth_space_local_of(sp, s);

	if (!is_share(s->flags)) {
		s->state = state;
		s->flags = flags;
		return;
	}
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

	if (!is_share(s->flags))
		return 0;
	berth_space_leave(sp, local, s);
	error = berth_space_may_listen(sp, local, s);
	berth_space_enter(sp, local, s);
	return error;
}

int berth_space_listen(struct berth_space *sp, berth_space_socket socket)
{
	uint32_t first = record_of(sp, socket), i = first;
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
		i = other_record(sp, i);
	} while (i != first);
	do {
		relabel(sp, i, BERTH_RECORD_BOUND, sp->sock[i].flags | BERTH_SPACE_LISTENS);
		i = other_record(sp, i);
	} while (i != first);
	return 0;
}

/* 0, or why nothing can be connected from there. */
static int check_connect(const struct berth_space *sp, const struct berth_space_connect *want)
{
	if (!want->remote_port)
		return BERTH_SPACE_E_INVALID;
	if (want->local >= sp->locals || sp->local[want->local]->wild)
		return BERTH_SPACE_E_NOT_LOCAL;
	return 0;
}

static void idle_from(struct berth_space *sp, uint32_t i, uint32_t now_ms)
{
	if (sp->config.idle_ms)
		berth_wheel_add(&sp->wheel, timers(sp), i, now_ms + sp->config.idle_ms);
}

int berth_space_connect(struct berth_space *sp, const struct berth_space_connect *want,
			berth_space_socket *out_socket)
{
	int error = check_connect(sp, want), port;
	uint32_t dest, i;

	if (!error)
		error = owner_may(sp, want->owner, 1);
	if (error)
		return error;
	if (!has_room(sp, 1, 0))
		return BERTH_SPACE_E_ROOM;
	dest = berth_space_dest_find(sp, want->local, &want->remote, want->remote_port);
	if (dest == BERTH_SPACE_NONE)
		dest = berth_space_dest_get(sp, want->local, &want->remote, want->remote_port);
	if (dest == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_ROOM;
	port = berth_space_choose(sp, dest, want->rnd);
	if (port < 0) {
		berth_space_dest_put(sp, dest);
		return port;
	}
	sp->recent = dest;
	i = record_take(sp, BERTH_RECORD_PAIR, BERTH_SPACE_PLAIN, dest, (uint16_t)port,
			want->owner);
	berth_space_pair_add(sp, i);
	berth_space_enter_plain(sp, want->local, (uint16_t)port);
	idle_from(sp, i, want->now_ms);
	*out_socket = number_of(sp, i);
	return 0;
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
		return rests(&sp->sock[i]) ? BERTH_SPACE_E_PAIR_RESTING : BERTH_SPACE_E_PAIR;
	/* A port has 65,535 other endpoints of the destination at most, so pairs always fits. */
	*out_dest = dest;
	return 0;
}

int berth_space_connect_bound(struct berth_space *sp, berth_space_socket socket,
			      const struct berth_space_connect *want)
{
	uint32_t i = record_of(sp, socket), dest;
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
	berth_space_pair_add(sp, i);
	berth_space_enter(sp, want->local, s);
	idle_from(sp, i, want->now_ms);
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
		i = other_record(sp, i);
	} while (i != listener);
	return BERTH_SPACE_E_NOT_LOCAL;
}

int berth_space_accept(struct berth_space *sp, berth_space_socket socket,
		       const struct berth_space_connect *want, berth_space_socket *out_socket)
{
	uint32_t listener = record_of(sp, socket), dest = BERTH_SPACE_NONE, i;
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
		error = owner_may(sp, l->owner, 1);
	if (!error && !has_room(sp, 1, 1))
		error = BERTH_SPACE_E_ROOM;
	if (!error)
		error = pair_dest(sp, want, l->port, &dest);
	if (error)
		return error;
	/* Accepted sockets of a listener that shares with nobody share with it, and with nobody else. */
	flags = (l->flags & (BERTH_SPACE_REUSE | BERTH_SPACE_REUSEPORT)) | BERTH_SPACE_BINDS;
	i = record_take(sp, BERTH_RECORD_PAIR, flags, dest, l->port, l->owner);
	sp->shares_used++;
	berth_space_pair_add(sp, i);
	berth_space_enter(sp, want->local, &sp->sock[i]);
	idle_from(sp, i, want->now_ms);
	*out_socket = number_of(sp, i);
	return 0;
}

/* One record has no owner any more. */
static void disown(struct berth_space *sp, uint32_t i)
{
	if (!rests(&sp->sock[i]))
		sp->owner[sp->sock[i].owner].used--;
}

/* A record is nobody's any more. */
static void record_free(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];

	s->state = BERTH_RECORD_FREE;
	s->age++;
	s->next = sp->socks.free;
	sp->socks.free = i;
	sp->socks.used--;
}

static void drop(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint16_t local = berth_space_local_of(sp, s);
	bool pair = is_pair(s);

	if (berth_wheel_has(timers(sp), i))
		berth_wheel_remove(&sp->wheel, timers(sp), i);
	disown(sp, i);
	if (rests(s))
		sp->resting--;
	if (pair)
		berth_space_pair_remove(sp, i);
	if (s->flags & BERTH_SPACE_BINDS) {
		sp->shares_used -= is_share(s->flags);
		berth_space_leave(sp, local, s);
	} else {
		berth_space_leave_plain(sp, local, s->port);
	}
	if (pair)
		berth_space_dest_put(sp, s->dest);
	record_free(sp, i);
}

static uint32_t rest_of(const struct berth_space *sp, const struct berth_space_sock *s)
{
	if (s->flags & BERTH_SPACE_LISTENS)
		return 0;
	return is_pair(s) ? sp->config.rest_pair_ms : sp->config.rest_port_ms;
}

static void release_record(struct berth_space *sp, uint32_t i, uint32_t now_ms, bool rest)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint32_t ms = rest ? rest_of(sp, s) : 0;

	if (!ms) {
		drop(sp, i);
		return;
	}
	if (berth_wheel_has(timers(sp), i))
		berth_wheel_remove(&sp->wheel, timers(sp), i);
	disown(sp, i);
	relabel(sp, i, is_pair(s) ? BERTH_RECORD_REST_PAIR : BERTH_RECORD_REST_PORT, s->flags);
	sp->resting++;
	berth_wheel_add(&sp->wheel, timers(sp), i, now_ms + ms);
}

/* drop() for a connection that connect made. */
static void drop_plain(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint32_t dest = s->dest;

	if (s->timer.prev != BERTH_WHEEL_OUT)
		berth_wheel_remove(&sp->wheel, timers(sp), i);
	sp->owner[s->owner].used--;
	berth_space_pair_remove(sp, i);
	berth_space_leave_plain(sp, sp->dest[dest].local, s->port);
	if (!sp->dest[dest].pairs)
		berth_space_dest_put(sp, dest);
	record_free(sp, i);
}

int berth_space_release(struct berth_space *sp, berth_space_socket socket, uint32_t now_ms,
			bool rest)
{
	uint32_t i = record_of(sp, socket), next, left;

	if (i == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	if (sp->sock[i].state == BERTH_RECORD_PAIR && sp->sock[i].flags == BERTH_SPACE_PLAIN &&
	    !(rest && sp->config.rest_pair_ms)) {
		drop_plain(sp, i);
		return 0;
	}
	if (sp->sock[i].state == BERTH_RECORD_BOUND &&
	    sp->sock[i].flags == (BERTH_SPACE_PLAIN | BERTH_SPACE_BINDS) &&
	    !(rest && sp->config.rest_port_ms)) {
		sp->owner[sp->sock[i].owner].used--;
		berth_space_leave(sp, (uint16_t)sp->sock[i].dest, &sp->sock[i]);
		record_free(sp, i);
		return 0;
	}
	if (rest && rests(&sp->sock[i]))
		return BERTH_SPACE_E_STATE;
	for (left = 1, next = other_record(sp, i); next != i; next = other_record(sp, next))
		left++;
	for (; left; left--, i = next) {
		next = other_record(sp, i);
		release_record(sp, i, now_ms, rest);
	}
	return 0;
}

int berth_space_touch(struct berth_space *sp, berth_space_socket socket, uint32_t now_ms)
{
	uint32_t i = record_of(sp, socket);

	if (i == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	if (sp->sock[i].state != BERTH_RECORD_PAIR || !sp->config.idle_ms)
		return BERTH_SPACE_E_STATE;
	berth_wheel_remove(&sp->wheel, timers(sp), i);
	idle_from(sp, i, now_ms);
	return 0;
}

uint32_t berth_space_advance(struct berth_space *sp, uint32_t now_ms, uint32_t limit,
			     berth_space_idle idle, void *context)
{
	uint32_t done = 0;
	int64_t i;

	while ((!limit || done < limit) &&
	       (i = berth_wheel_pop(&sp->wheel, timers(sp), now_ms)) >= 0) {
		struct berth_space_sock *s = &sp->sock[i];

		done++;
		if (rests(s)) {
			drop(sp, (uint32_t)i);
			continue;
		}
		if (idle)
			idle(context, number_of(sp, (uint32_t)i));
		release_record(sp, (uint32_t)i, sp->wheel.now, true);
	}
	return done;
}

int berth_space_get(const struct berth_space *sp, berth_space_socket socket,
		    struct berth_space_info *out_info)
{
	uint32_t i = record_of(sp, socket);
	const struct berth_space_sock *s;
	struct berth_space_info info;

	if (i == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	s = &sp->sock[i];
	info = (struct berth_space_info){
		.local = berth_space_local_of(sp, s),
		.port = s->port,
		.owner = s->owner,
		.flags = s->flags & (BERTH_SPACE_REUSE | BERTH_SPACE_REUSEPORT),
		.state = BERTH_SPACE_BOUND,
	};
	if (is_pair(s)) {
		info.remote = sp->dest[s->dest].remote;
		info.remote_port = sp->dest[s->dest].port;
		info.state = BERTH_SPACE_CONNECTED;
	} else if (s->flags & BERTH_SPACE_LISTENS) {
		info.state = BERTH_SPACE_LISTENING;
	}
	if (rests(s))
		info.state = BERTH_SPACE_RESTS;
	if (berth_wheel_has(timers(sp), i))
		info.until_ms = s->timer.when;
	*out_info = info;
	return 0;
}

berth_space_socket berth_space_find(const struct berth_space *sp, uint16_t local, uint16_t port,
				    const struct berth_address *remote, uint16_t remote_port)
{
	uint32_t dest = berth_space_dest_find(sp, local, remote, remote_port), i;

	if (dest == BERTH_SPACE_NONE)
		return 0;
	i = berth_space_pair_find(sp, dest, port);
	return i == BERTH_SPACE_NONE ? 0 : number_of(sp, i);
}
