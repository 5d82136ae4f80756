/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The naive twin of a port space: a list of sockets for each port, and the rules as sentences over that list.
 *
 * It says of each operation whether it must succeed, and of each port that the space chose whether it may be,
 * and for the policies that search, which one it must be: by the loop of RFC 6056 as it stands there.
 */
#ifndef BERTH_TESTS_MODEL_SPACE_TWIN_H
#define BERTH_TESTS_MODEL_SPACE_TWIN_H

#include <stdlib.h>
#include <string.h>

#include "src/core/habits.h"
#include "src/core/hash.h"
#include "src/core/match.h"
#include "src/core/space.h"

#define TWIN_SOCKS 4096
#define TWIN_LOCALS 8
#define TWIN_OWNERS 4

struct twin_sock {
	berth_space_socket number; /* 0: the place is free */
	uint16_t local[4], locals, port, owner, remote_port;
	struct berth_address remote;
	uint8_t flags;
	bool by_connect, listens, paired, rests;
	bool share; /* bound with a flag, or accepted: it takes of the room for shares */
	uint32_t until;
	int32_t next; /* on the same port */
};

struct twin_space {
	struct berth_address address[TWIN_LOCALS];
	uint32_t locals;
	struct twin_sock sock[TWIN_SOCKS];
	int32_t on_port[BERTH_PORTS];
	uint16_t first, last, system_end;
	bool withheld[BERTH_PORTS];
	uint32_t counter;                                /* of the policies that count */
	uint32_t owned[TWIN_OWNERS], quota[TWIN_OWNERS]; /* quota 0: any number */
	bool system[TWIN_OWNERS];                        /* may have system ports */
	/* A policy that is a system's habit. */
	struct berth_habit_state habit;
	struct berth_portset free;
	uint64_t clock_ms;
	bool alone; /* a port has one socket, whatever its destination */
};

static inline void twin_space_init(struct twin_space *t, uint16_t first, uint16_t last)
{
	memset(t, 0, sizeof(*t));
	memset(t->on_port, 0xff, sizeof(t->on_port));
	t->first = first;
	t->last = last;
}

/* Random numbers out of 64 bits: splitmix64 (Steele, Lea, Flood 2014). */
static inline uint32_t twin_draw(void *from)
{
	uint64_t *state = from, z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

/* What the twin of habits.h has for the policy; it is compared with the systems' loops in test_habits.c. */
static inline enum berth_habit twin_habit_of(unsigned policy)
{
	const char *name = berth_space_policy_name(policy);

	return (enum berth_habit)berth_habit_find(name, strlen(name));
}

static inline void twin_space_policy(struct twin_space *t, unsigned policy, uint64_t salt,
				     uint32_t now_ms)
{
	t->clock_ms = now_ms;
	t->alone = false;
	if (policy <= BERTH_SPACE_HABIT)
		return;
	t->alone = !berth_habit_row(twin_habit_of(policy)).share;
	berth_habit_init(&t->habit, twin_habit_of(policy), twin_draw, &salt);
}

static inline bool twin_is_wild(const struct twin_space *t, uint32_t local)
{
	static const struct berth_address zero;
	const struct berth_address *a = &t->address[local];
	int skip = berth_address_is_v4(a) ? 12 : 0;

	return !memcmp(a->byte + skip, zero.byte, 16 - skip);
}

/* Whether what is bound to one receives what is bound to the other. */
static inline bool twin_meet(const struct twin_space *t, uint32_t a, uint32_t b)
{
	return a == b ||
	       (berth_address_is_v4(&t->address[a]) == berth_address_is_v4(&t->address[b]) &&
		(twin_is_wild(t, a) || twin_is_wild(t, b)));
}

static inline bool twin_is_on(const struct twin_space *t, const struct twin_sock *s, uint32_t local)
{
	uint32_t i;

	for (i = 0; i < s->locals; i++)
		if (twin_meet(t, s->local[i], local))
			return true;
	return false;
}

static inline int32_t twin_add(struct twin_space *t, const struct twin_sock *s)
{
	int32_t i;

	for (i = 0; t->sock[i].number; i++)
		;
	t->sock[i] = *s;
	t->owned[s->owner] += s->locals;
	t->sock[i].next = t->on_port[s->port];
	t->on_port[s->port] = i;
	return i;
}

static inline void twin_remove(struct twin_space *t, int32_t i)
{
	int32_t *link = &t->on_port[t->sock[i].port];

	while (*link != i)
		link = &t->sock[*link].next;
	*link = t->sock[i].next;
	if (!t->sock[i].rests)
		t->owned[t->sock[i].owner] -= t->sock[i].locals;
	t->sock[i].number = 0;
}

/* True where the owner may not have so many more sockets. */
static inline bool twin_over_quota(const struct twin_space *t, uint16_t owner, uint32_t more)
{
	return t->quota[owner] && t->owned[owner] + more > t->quota[owner];
}

/* A socket as the rules of the kernel see it, on one of its addresses. */
static inline struct berth_sock twin_as_sock(const struct twin_space *t, uint32_t local,
					     uint16_t owner, uint8_t flags)
{
	struct berth_sock s = { .proto = BERTH_PROTO_TCP, .uid = owner };

	memcpy(s.local.byte, t->address[local].byte, 16);
	s.family = berth_address_is_v4(&t->address[local]) ? BERTH_IPV4 : BERTH_IPV6;
	s.v6only = s.family == BERTH_IPV6;
	s.reuse = flags & BERTH_SPACE_REUSE;
	s.reuseport = flags & BERTH_SPACE_REUSEPORT;
	return s;
}

static inline bool twin_in_the_way(const struct twin_space *t, const struct twin_sock *other,
				   const struct berth_sock *sk)
{
	struct berth_sock o;
	uint32_t i;

	for (i = 0; i < other->locals; i++) {
		o = twin_as_sock(t, other->local[i], other->owner, other->flags);
		o.state = other->rests     ? BERTH_SOCK_TIME_WAIT
			  : other->listens ? BERTH_SOCK_LISTEN
			  : other->paired  ? BERTH_SOCK_CONNECTED
					   : BERTH_SOCK_CLOSED;
		if (berth_match_tcp_conflict(sk, &o, BERTH_STRICT_SHARE))
			return true;
	}
	return false;
}

/*
 * True where no socket but `self` is in the way of one with these flags on that address and port, by the rules
 * that tests/oracle compares with the running kernel.
 */
static inline bool twin_may_bind(const struct twin_space *t, uint32_t local, uint16_t port,
				 uint16_t owner, uint8_t flags, int32_t self)
{
	struct berth_sock sk = twin_as_sock(t, local, owner, flags);
	int32_t i;

	for (i = t->on_port[port]; i >= 0; i = t->sock[i].next)
		if (i != self && twin_in_the_way(t, &t->sock[i], &sk))
			return false;
	return true;
}

static inline bool twin_in_pool(const struct twin_space *t, uint32_t port)
{
	return port >= t->first && port <= t->last && port >= t->system_end && !t->withheld[port];
}

/* True where nobody is on the port, or, connect: nobody but connections whose port connect chose. */
static inline bool twin_is_free(const struct twin_space *t, uint32_t local, uint32_t port,
				bool connect)
{
	int32_t i;

	if (!twin_in_pool(t, port))
		return false;
	for (i = t->on_port[port]; i >= 0; i = t->sock[i].next)
		if (twin_is_on(t, &t->sock[i], local) && !(connect && t->sock[i].by_connect))
			return false;
	return true;
}

static inline int32_t twin_pair(const struct twin_space *t, uint32_t local, uint16_t port,
				const struct berth_address *remote, uint16_t remote_port)
{
	int32_t i;

	for (i = t->on_port[port]; i >= 0; i = t->sock[i].next) {
		const struct twin_sock *s = &t->sock[i];

		if (s->paired && s->local[0] == local && s->remote_port == remote_port &&
		    !memcmp(&s->remote, remote, sizeof(*remote)))
			break;
	}
	return i;
}

static inline bool twin_is_self(const struct twin_space *t, uint32_t local, uint32_t port,
				const struct berth_address *remote, uint16_t remote_port)
{
	return port == remote_port && !memcmp(remote, &t->address[local], sizeof(*remote));
}

/* True where connect may choose the port for the destination. */
static inline bool twin_usable(const struct twin_space *t, uint32_t local, uint32_t port,
			       const struct berth_address *remote, uint16_t remote_port)
{
	return twin_is_free(t, local, port, true) &&
	       !twin_is_self(t, local, port, remote, remote_port) &&
	       twin_pair(t, local, (uint16_t)port, remote, remote_port) < 0;
}

/* What a search asks of a port; want is NULL where it is to be bound, on all of the addresses. */
static inline bool twin_suits(const struct twin_space *t, const uint16_t *locals, uint32_t count,
			      const struct berth_space_connect *want, uint32_t port)
{
	uint32_t i;

	if (want)
		return twin_usable(t, want->local, port, &want->remote, want->remote_port) &&
		       (!t->alone || twin_is_free(t, want->local, port, false));
	for (i = 0; i < count; i++)
		if (!twin_is_free(t, locals[i], port, false))
			return false;
	return true;
}

/* F of RFC 6056 for the destination; 0 where there is none. */
static inline uint64_t twin_hash(const struct twin_space *t, const uint64_t key[2],
				 const struct berth_space_connect *want)
{
	uint64_t word[5] = { 0 };

	if (!want)
		return 0;
	memcpy(word, t->address[want->local].byte, 16);
	memcpy(word + 2, want->remote.byte, 16);
	word[4] = want->remote_port;
	return berth_siphash(key, word, 5);
}

/*
 * The loop of RFC 6056: algorithms 1, 3, 5 and sequential. -1: no port. The counter is left as the loop leaves it,
 * but for algorithm 5, whose loop would take another random step.
 */
static inline int32_t twin_search(struct twin_space *t, unsigned policy, const uint64_t key[2],
				  const uint16_t *locals, uint32_t count,
				  const struct berth_space_connect *want, uint64_t rnd)
{
	uint32_t num = t->last - t->first + 1u, c = t->counter, offset = 0, tries, at;

	if (policy == BERTH_SPACE_RANDOM)
		c = (uint32_t)(((rnd >> 32) * num) >> 32);
	if (policy == BERTH_SPACE_RANDOM_INCREMENT)
		c = (c + (uint32_t)(((rnd >> 32) * 500) >> 32) + 1) % num;
	if (policy == BERTH_SPACE_HASH)
		offset = (uint32_t)(twin_hash(t, key, want) % num);
	for (tries = 0; tries < num; tries++) {
		at = t->first + (c + offset + tries) % num;
		if (!twin_suits(t, locals, count, want, at))
			continue;
		if (policy == BERTH_SPACE_RANDOM_INCREMENT)
			t->counter = c;
		else if (policy != BERTH_SPACE_RANDOM)
			t->counter = (c + tries + 1) % num;
		return (int32_t)at;
	}
	return -1;
}

/* How many destinations the sockets of the list have. */
static inline uint32_t twin_destinations(const struct twin_space *t)
{
	uint32_t i, k, n = 0;

	for (i = 0; i < TWIN_SOCKS; i++) {
		const struct twin_sock *s = &t->sock[i], *o;

		if (!s->number || !s->paired)
			continue;
		for (k = 0; k < i; k++) {
			o = &t->sock[k];
			if (o->number && o->paired && o->local[0] == s->local[0] &&
			    o->remote_port == s->remote_port &&
			    !memcmp(&o->remote, &s->remote, sizeof(s->remote)))
				break;
		}
		n += k == i;
	}
	return n;
}

/* True where a search can come to every member. */
static inline bool twin_is_tree(const struct berth_portset *s)
{
	uint32_t w;

	for (w = 0; w < BERTH_PORTSET_LEAVES; w++)
		if (s->leaf[w] && !((s->mid[w >> 6] >> (w & 63)) & 1 && (s->top >> (w >> 6)) & 1))
			return false;
	return true;
}

/* The port of a system's habit, out of the ports that suit, one by one; -1: it gives up. */
static inline int32_t twin_habit(struct twin_space *t, unsigned policy, const uint64_t key[2],
				 const uint16_t *locals, uint32_t count,
				 const struct berth_space_connect *want, uint64_t rnd)
{
	struct berth_habit_ask ask = { .range = { t->first, t->last },
				       .free = &t->free,
				       .hash = twin_hash(t, key, want),
				       .now_s = (uint32_t)(t->clock_ms / 1000),
				       .draw = twin_draw,
				       .from = &rnd };
	enum berth_habit habit = twin_habit_of(policy);
	uint32_t p, tries;

	memset(&t->free, 0, sizeof(t->free));
	for (p = t->first; p <= t->last; p++)
		if (twin_suits(t, locals, count, want, p))
			berth_portset_add(&t->free, p);
	if (!want)
		habit = berth_habit_of_bind(habit);
	return berth_habit_next(habit, &t->habit, &ask, &tries);
}

/* True where 64 ports from p on are not of the range and not in the set, so that there is nothing to compare. */
static inline bool twin_skips(const struct twin_space *t, const struct berth_portset *s, uint32_t p)
{
	return p % 64 == 0 && (p + 63 < t->first || p > t->last) && !s->leaf[p / 64];
}

/* Compares all that the space keeps with the list; what is wrong, or NULL. */
static inline const char *twin_space_audit(const struct twin_space *t, const struct berth_space *sp)
{
	uint32_t f, p, i, n, rest = 0, shares = 0;
	struct berth_space_counts counts;
	const struct berth_draw *d;

	for (f = 0; f < t->locals; f++) {
		const struct berth_space_local *l = sp->local[f];
		uint32_t idle = 0, open = 0;

		for (p = 0; p < BERTH_PORTS; p++) {
			bool is;

			if (twin_skips(t, &l->idle.set, p) &&
			    (!l->open || twin_skips(t, &l->open->set, p))) {
				p += 63;
				continue;
			}
			is = twin_is_free(t, f, p, false);
			if (berth_portset_has(&l->idle.set, p) != is)
				return "an idle port is missing or too many";
			idle += is;
			is = l->open && twin_is_free(t, f, p, true);
			if (l->open && berth_portset_has(&l->open->set, p) != is)
				return "an open port is missing or too many";
			open += is;
		}
		if (!twin_is_tree(&l->idle.set) || (l->open && !twin_is_tree(&l->open->set)))
			return "a search does not come to a port";
		if (l->idle.set.count != idle || (l->open && l->open->set.count != open))
			return "a count is wrong";
		if (l->order) {
			for (n = 0, p = l->order->next[0]; p; p = l->order->next[p], n++)
				if (!berth_portset_has(&l->idle.set, p) || n > idle)
					return "the order has a port that is not idle";
			if (n != idle)
				return "the order lacks a port";
		}
	}
	for (i = 0; i < sp->lanes; i++) {
		const struct berth_space_dest *dest;

		d = &sp->lane[i].free;
		if (sp->lane[i].dest == BERTH_SPACE_NONE)
			continue;
		dest = &sp->dest[sp->lane[i].dest];
		for (p = 0, n = 0; p < BERTH_PORTS; p++) {
			bool is;

			if (twin_skips(t, &d->set, p)) {
				p += 63;
				continue;
			}
			is = twin_usable(t, dest->local, p, &dest->remote, dest->port);
			n += is;
			if (berth_portset_has(&d->set, p) != is)
				return "a lane is wrong";
			if (is && d->bag && !((d->bag->in[p >> 6] >> (p & 63)) & 1))
				return "a bag lacks a port";
		}
		if (n != d->set.count)
			return "the count of a lane is wrong";
		if (!twin_is_tree(&d->set))
			return "a search does not come to a port of a lane";
	}
	for (i = 0, n = 0; i < TWIN_SOCKS; i++) {
		n += t->sock[i].number ? t->sock[i].locals : 0;
		rest += t->sock[i].number && t->sock[i].rests ? t->sock[i].locals : 0;
		shares += t->sock[i].number && t->sock[i].share ? t->sock[i].locals : 0;
	}
	if (berth_space_count(sp, 0, &counts) || counts.destinations != twin_destinations(t))
		return "another number of destinations";
	if (sp->socks.used != n || sp->resting != rest || sp->shares_used != shares)
		return "another number of sockets";
	return NULL;
}

#endif
