/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of a port space: bind, listen, connect, accept, release, and the clock. */
#include <string.h>

#include "src/core/space_pick.h"

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

/* What a record's mark is with these three in it. */
static uint32_t mark_of(uint16_t age, uint8_t state, uint8_t flags)
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
	s->mark |= mark_of(0, state, flags);
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

/* True where there is room for a socket without a share, and the owner may have one more. */
static bool may_have_one(const struct berth_space *sp, uint16_t owner)
{
	return owner < sp->config.owners && sp->owner[owner].used < sp->owner[owner].limit &&
	       sp->socks.free != BERTH_SPACE_NONE;
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
		error = owner_may(sp, want->owner, count);
	if (!error && !has_room(sp, count, share ? count : 0))
		error = BERTH_SPACE_E_ROOM;
	if (!error && port)
		error = may_bind(sp, want, locals, count);
	if (error)
		return error;
	if (!port)
		port = pick_bind(sp, want, locals, count);
	if (port < 0)
		return port;
	*out_socket = number_of(sp, bind_records(sp, want, (uint16_t)port, locals, count));
	return 0;
}

/* As berth_space_bind_many() for a socket that shares with nobody, on an address, with any port. */
int berth_space_bind(struct berth_space *sp, const struct berth_space_bind *want,
		     berth_space_socket *out_socket)
{
	uint32_t i;
	int32_t port;

	if (!BERTH_LIKELY(!want->flags && !want->port && want->local < sp->locals &&
			  !sp->local[want->local]->wild && may_have_one(sp, want->owner)))
		return berth_space_bind_many(sp, want, &want->local, 1, out_socket);
	port = pick_bind(sp, want, &want->local, 1);
	if (port < 0)
		return port;
	i = record_take(sp, BERTH_RECORD_BOUND, BERTH_SPACE_PLAIN | BERTH_SPACE_BINDS, want->local,
			(uint16_t)port, want->owner);
	*out_socket = number_of(sp, i);
	berth_space_enter_firm(sp, sp->local[want->local], want->local,
			       berth_draw_at((uint16_t)port));
	return 0;
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

/* Makes the destination the recent one; 0, or why nothing can be connected to it. */
BERTH_APART int turn_to(struct berth_space *sp, const struct berth_space_connect *want)
{
	int error = check_connect(sp, want);

	if (!error)
		error = owner_may(sp, want->owner, 1);
	if (!error && (!has_room(sp, 1, 0) ||
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
		    may_have_one(sp, want->owner))) {
		port = turn_to(sp, want);
		if (port < 0)
			return port;
	}
	lane = berth_space_lane_of(sp, r);
	port = berth_space_choose((struct berth_space_pick){ .sp = sp,
							     .set = lane ? &lane->free : r->l->open,
							     .locals = &want->local,
							     .count = 1,
							     .to = r,
							     .exact = lane != NULL,
							     .rnd = want->rnd });
	if (port < 0)
		return port;
	at = berth_draw_at((uint16_t)port);
	i = record_take(sp, BERTH_RECORD_PAIR, BERTH_SPACE_PLAIN, r->dest, (uint16_t)port,
			want->owner);
	*out_socket = number_of(sp, i);
	berth_space_pair_add(sp, r->d, &sp->sock[i], i);
	if (lane)
		berth_draw_cut(&lane->free, at);
	idle_from(sp, i, want->now_ms);
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
	pair_add(sp, i);
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

	if (!(sp->sock[listener].flags & (BERTH_SPACE_LISTENS | BERTH_SPACE_MANY)) ||
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
	pair_add(sp, i);
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

	s->mark = mark_of((uint16_t)(s->age + 1), BERTH_RECORD_FREE, 0);
	s->next = sp->socks.free;
	sp->socks.free = i;
	sp->socks.used--;
}

/* drop() for a connection that connect made, on no wheel and no longer its owner's. */
BERTH_APART int drop_plain(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint32_t dest = s->dest;
	struct berth_draw_at at = berth_draw_at(s->port);
	struct berth_space_dest *d = &sp->dest[dest];
	uint16_t local = d->local;
	struct berth_space_local *l = sp->local[local];
	bool open = berth_draw_has(l->open, at);

	berth_space_pair_remove(sp, d, s, i);
	record_free(sp, i);
	if (open && d->lane != BERTH_SPACE_NO_LANE)
		berth_draw_put(&sp->lane[d->lane].free, at);
	berth_space_leave_plain(sp, l, local, at, open);
	if (!BERTH_LIKELY(!berth_space_is_thin(sp, l, d)))
		berth_space_dest_thin(sp, dest);
	return 0;
}

/* drop() for a socket that was bound to a port of an address and shares with nobody. */
BERTH_APART int drop_firm(struct berth_space *sp, uint32_t i)
{
	const struct berth_space_sock *s = &sp->sock[i];
	uint16_t local = (uint16_t)s->dest;
	struct berth_draw_at at = berth_draw_at(s->port);

	record_free(sp, i);
	berth_space_leave_firm(sp, sp->local[local], local, at);
	return 0;
}

static void drop(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint16_t local = berth_space_local_of(sp, s);
	struct berth_space_dest *d = is_pair(s) ? &sp->dest[s->dest] : NULL;

	if (berth_wheel_has(timers(sp), i))
		berth_wheel_remove(&sp->wheel, timers(sp), i);
	disown(sp, i);
	if (rests(s))
		sp->resting--;
	if (!(s->flags & BERTH_SPACE_BINDS)) {
		drop_plain(sp, i);
		return;
	}
	if (d)
		berth_space_pair_remove(sp, d, s, i);
	sp->shares_used -= is_share(s->flags);
	berth_space_leave(sp, local, s);
	if (d && berth_space_is_thin(sp, sp->local[local], d))
		berth_space_dest_thin(sp, s->dest);
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

/* True where the record is that of the socket with this number, of this kind. */
static bool is_kind(const struct berth_space_sock *s, berth_space_socket socket, uint8_t state,
		    uint8_t flags)
{
	return (s->mark ^ mark_of(0, state, flags)) == socket >> 32 && !(socket >> 48);
}

BERTH_APART int release_any(struct berth_space *sp, berth_space_socket socket, uint32_t now_ms,
			    bool rest)
{
	uint32_t i = record_of(sp, socket), next, left;

	if (i == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
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

int berth_space_release(struct berth_space *sp, berth_space_socket socket, uint32_t now_ms,
			bool rest)
{
	uint32_t i = (uint32_t)socket - 1;
	const struct berth_space_sock *s = &sp->sock[i];

	if (i >= sp->socks.room)
		return BERTH_SPACE_E_STALE;
	if (is_kind(s, socket, BERTH_RECORD_PAIR, BERTH_SPACE_PLAIN) &&
	    !(rest && sp->config.rest_pair_ms) && s->timer.prev == BERTH_WHEEL_OUT) {
		sp->owner[s->owner].used--;
		return drop_plain(sp, i);
	}
	if (is_kind(s, socket, BERTH_RECORD_BOUND, BERTH_SPACE_PLAIN | BERTH_SPACE_BINDS) &&
	    !(rest && sp->config.rest_port_ms) && !sp->local[s->dest]->wild) {
		sp->owner[s->owner].used--;
		return drop_firm(sp, i);
	}
	return release_any(sp, socket, now_ms, rest);
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
