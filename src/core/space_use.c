/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of a port space once they are there: release, the clock, what they are. */
#include "src/core/space_fast.h"
#include "src/core/space_sock.h"

/* One record has no owner any more. */
static void disown(struct berth_space *sp, uint32_t i)
{
	if (!berth_space_rests(&sp->sock[i]))
		sp->owner[sp->sock[i].owner].used--;
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
	berth_space_record_free(sp, i);
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

	berth_space_record_free(sp, i);
	berth_space_leave_firm(sp, sp->local[local], local, at);
	return 0;
}

static void drop(struct berth_space *sp, uint32_t i)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint16_t local = berth_space_local_of(sp, s);
	struct berth_space_dest *d = berth_space_is_pair(s) ? &sp->dest[s->dest] : NULL;

	if (berth_wheel_has(berth_space_timers(sp), i))
		berth_wheel_remove(&sp->wheel, berth_space_timers(sp), i);
	disown(sp, i);
	if (berth_space_rests(s))
		sp->resting--;
	if (!(s->flags & BERTH_SPACE_BINDS)) {
		drop_plain(sp, i);
		return;
	}
	if (d)
		berth_space_pair_remove(sp, d, s, i);
	sp->shares_used -= berth_space_is_share(s->flags);
	berth_space_leave(sp, local, s);
	if (d && berth_space_is_thin(sp, sp->local[local], d))
		berth_space_dest_thin(sp, s->dest);
	berth_space_record_free(sp, i);
}

/* How many records a socket has: one for each address that it is bound to. */
static uint32_t records_of(const struct berth_space *sp, uint32_t i)
{
	uint32_t next, n = 1;

	for (next = berth_space_other_record(sp, i); next != i;
	     next = berth_space_other_record(sp, next))
		n++;
	return n;
}

/* drop() for all records of a socket: a part of them would lead to records that others have. */
BERTH_APART void drop_whole(struct berth_space *sp, uint32_t i)
{
	uint32_t left, next;

	for (left = records_of(sp, i); left; left--, i = next) {
		next = berth_space_other_record(sp, i);
		drop(sp, i);
	}
}

static uint32_t rest_of(const struct berth_space *sp, const struct berth_space_sock *s)
{
	if (s->flags & BERTH_SPACE_LISTENS)
		return 0;
	return berth_space_is_pair(s) ? sp->config.rest_pair_ms : sp->config.rest_port_ms;
}

static void release_record(struct berth_space *sp, uint32_t i, uint32_t now_ms, bool rest)
{
	struct berth_space_sock *s = &sp->sock[i];
	uint32_t ms = rest ? rest_of(sp, s) : 0;

	if (!ms) {
		drop(sp, i);
		return;
	}
	if (berth_wheel_has(berth_space_timers(sp), i))
		berth_wheel_remove(&sp->wheel, berth_space_timers(sp), i);
	disown(sp, i);
	berth_space_relabel(
		sp, i, berth_space_is_pair(s) ? BERTH_RECORD_REST_PAIR : BERTH_RECORD_REST_PORT,
		s->flags);
	sp->resting++;
	berth_wheel_add_after(&sp->wheel, berth_space_timers(sp), i, now_ms, ms);
}

/* True where the record is that of the socket with this number, of this kind. */
static bool is_kind(const struct berth_space_sock *s, berth_space_socket socket, uint8_t state,
		    uint8_t flags)
{
	return (s->mark ^ berth_space_mark_of(0, state, flags)) == socket >> 32 && !(socket >> 48);
}

BERTH_APART int release_any(struct berth_space *sp, berth_space_socket socket, uint32_t now_ms,
			    bool rest)
{
	uint32_t i = berth_space_record_of(sp, socket), next, left;

	if (i == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	if (rest && berth_space_rests(&sp->sock[i]))
		return BERTH_SPACE_E_STATE;
	for (left = records_of(sp, i); left; left--, i = next) {
		next = berth_space_other_record(sp, i);
		release_record(sp, i, now_ms, rest);
	}
	return 0;
}

int berth_space_release(struct berth_space *sp, berth_space_socket socket, uint32_t now_ms,
			bool rest)
{
	uint32_t i = (uint32_t)socket - 1;
	const struct berth_space_sock *s;

	if (i >= sp->socks.room)
		return BERTH_SPACE_E_STALE;
	s = &sp->sock[i];
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

void berth_space_idle_begin(struct berth_space *sp, uint32_t i, uint32_t now_ms)
{
	berth_wheel_add_after(&sp->wheel, berth_space_timers(sp), i, now_ms, sp->config.idle_ms);
}

int berth_space_touch(struct berth_space *sp, berth_space_socket socket, uint32_t now_ms)
{
	uint32_t i = berth_space_record_of(sp, socket);

	if (i == BERTH_SPACE_NONE)
		return BERTH_SPACE_E_STALE;
	if (sp->sock[i].state != BERTH_RECORD_PAIR || !sp->config.idle_ms)
		return BERTH_SPACE_E_STATE;
	berth_wheel_remove(&sp->wheel, berth_space_timers(sp), i);
	berth_space_idle_from(sp, i, now_ms);
	return 0;
}

uint32_t berth_space_advance(struct berth_space *sp, uint32_t now_ms, uint32_t limit,
			     berth_space_idle idle, void *context)
{
	uint32_t done = 0;
	int64_t i;

	while ((!limit || done < limit) &&
	       (i = berth_wheel_pop(&sp->wheel, berth_space_timers(sp), now_ms)) >= 0) {
		struct berth_space_sock *s = &sp->sock[i];

		done++;
		if (berth_space_rests(s)) {
			if (BERTH_LIKELY(!(s->flags & BERTH_SPACE_MANY)))
				drop(sp, (uint32_t)i);
			else
				drop_whole(sp, (uint32_t)i);
			continue;
		}
		if (idle)
			idle(context, berth_space_number_of(sp, (uint32_t)i));
		release_record(sp, (uint32_t)i, sp->wheel.now, true);
	}
	return done;
}

int berth_space_get(const struct berth_space *sp, berth_space_socket socket,
		    struct berth_space_info *out_info)
{
	uint32_t i = berth_space_record_of(sp, socket);
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
	if (berth_space_is_pair(s)) {
		info.remote = sp->dest[s->dest].remote;
		info.remote_port = sp->dest[s->dest].port;
		info.state = BERTH_SPACE_CONNECTED;
	} else if (s->flags & BERTH_SPACE_LISTENS) {
		info.state = BERTH_SPACE_LISTENING;
	}
	if (berth_space_rests(s))
		info.state = BERTH_SPACE_RESTS;
	if (berth_wheel_has(berth_space_timers(sp), i))
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
	return i == BERTH_SPACE_NONE ? 0 : berth_space_number_of(sp, i);
}
