/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on a port space and its naive twin, each chosen by a source of numbers: random ones in tests/model, bytes
 * in fuzz/. Whoever includes it has random_below(), random64(), and RIGHT(holds) and RIGHT_IS(is, ought), which stop.
 */
#ifndef BERTH_TESTS_MODEL_SPACE_PLAY_H
#define BERTH_TESTS_MODEL_SPACE_PLAY_H

#include "space_twin.h"

static struct berth_space *sp;
static struct twin_space twin;
static struct berth_space_config config;
static uint32_t now_ms;
static size_t taken_bytes;
static uint32_t calls; /* of the allocator, since the room was last made */

static void *get(void *context, size_t size)
{
	(void)context;
	taken_bytes += size;
	calls++;
	return malloc(size);
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	taken_bytes -= size;
	calls++;
	free(memory);
}

static const struct berth_space_memory memory = { get, put, NULL };

static struct berth_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t byte[4] = { a, b, c, d };

	return berth_address_v4(byte);
}

static struct berth_address v6(uint8_t last)
{
	struct berth_address a = { { 0 } };

	a.byte[0] = last ? 0xfd : 0;
	a.byte[15] = last;
	return a;
}

static void add_local(struct berth_address a)
{
	uint16_t local;

	RIGHT_IS(berth_space_add_local(sp, &a, &local), 0);
	RIGHT_IS(local, twin.locals);
	twin.address[twin.locals++] = a;
}

/* A space with wildcards of both families and addresses, and its twin. */
static void begin(unsigned policy, uint16_t first, uint16_t last, uint32_t sockets)
{
	const struct berth_space_room room = { sockets, 64, 1024 };

	config.policy = (uint8_t)policy;
	config.first = first;
	config.last = last;
	config.addresses = TWIN_LOCALS;
	config.owners = TWIN_OWNERS;
	config.now_ms = now_ms;
	for (int i = 0; i < 4; i++)
		config.key[i] = random64();
	RIGHT_IS(berth_space_new(&config, &memory, &sp), 0);
	twin_space_init(&twin, first, last);
	twin.system_end = config.system_end ? config.system_end : 1024;
	twin.counter = sp->counter;
	twin_space_policy(&twin, policy, sp->salt[0], now_ms);
	add_local(v4(0, 0, 0, 0));
	add_local(v4(10, 0, 0, 1));
	add_local(v4(10, 0, 0, 2));
	RIGHT_IS(berth_space_make_room(sp, &room), 0);
	add_local(v6(0));
	add_local(v6(1));
	calls = 0;
}

static void end(void)
{
	RIGHT(!twin_space_audit(&twin, sp));
	RIGHT_IS(berth_space_bytes(sp), taken_bytes);
	berth_space_free(sp);
	RIGHT_IS(taken_bytes, 0);
	memset(&config, 0, sizeof(config));
}

/* A random socket of the twin, or -1. */
static int32_t some_socket(void)
{
	uint32_t i, at = random_below(1024);

	for (i = 0; i < 1024; i++, at = (at + 1) % 1024)
		if (twin.sock[at].number)
			return (int32_t)at;
	return -1;
}

static struct twin_sock *place(int32_t i)
{
	return i < 0 ? NULL : &twin.sock[i];
}

static uint16_t some_port(void)
{
	uint32_t len = twin.last - twin.first + 1u;

	return random_below(4) ? (uint16_t)(twin.first + random_below(len))
			       : (uint16_t)(65535 - random_below(5));
}

static bool crowd;            /* more come than go */
static uint32_t seldom = 300; /* one in so many changes of what is configured is made */

static struct berth_space_connect some_want(void)
{
	struct berth_space_connect w = { .local = (uint16_t)random_below(5),
					 .owner = (uint16_t)random_below(2),
					 .rnd = random64(),
					 .now_ms = now_ms };

	/* One crowded destination, some others, and at times the address itself. */
	w.remote_port = (uint16_t)(random_below(3) ? 443 : 80 + random_below(4));
	w.remote = random_below(9) ? v4(192, 0, 2, !random_below(8)) : v4(10, 0, 0, 1);
	if (crowd && random_below(4))
		w.local = 1;
	if (w.local > 2)
		w.remote = v6(random_below(9) ? 8 + !random_below(8) : 1);
	if (!random_below(20))
		w.remote_port = some_port();
	return w;
}

static bool is_counted(void)
{
	return config.policy == BERTH_SPACE_RANDOM || config.policy == BERTH_SPACE_HASH ||
	       config.policy == BERTH_SPACE_RANDOM_INCREMENT ||
	       config.policy == BERTH_SPACE_SEQUENTIAL;
}

static bool any_suits(const uint16_t *locals, uint32_t count,
		      const struct berth_space_connect *want)
{
	uint32_t p;

	for (p = twin.first; p <= twin.last; p++)
		if (twin_suits(&twin, locals, count, want, p))
			return true;
	return false;
}

/* The port that the space chose, or its refusal (port < 0), is what the twin says. */
static void check_choice(const uint16_t *locals, uint32_t count,
			 const struct berth_space_connect *want, uint64_t rnd, int32_t port)
{
	int32_t right;

	if (port == BERTH_SPACE_E_LUCK && config.policy == BERTH_SPACE_RANDOM_RETRY)
		return;
	if (config.policy > BERTH_SPACE_HABIT) {
		right = twin_habit(&twin, config.policy, config.key, locals, count, want, rnd);
		RIGHT_IS(right, port < 0 ? -1 : port);
		if (right < 0)
			RIGHT_IS(any_suits(locals, count, want), port == BERTH_SPACE_E_LUCK);
	} else if (is_counted()) {
		right = twin_search(&twin, config.policy, config.key, locals, count, want, rnd);
		RIGHT_IS(right, port < 0 ? -1 : port);
	} else if (port >= 0) {
		RIGHT(twin_suits(&twin, locals, count, want, (uint32_t)port));
	} else {
		RIGHT(!any_suits(locals, count, want));
	}
}

static uint16_t port_of(berth_space_socket number)
{
	struct berth_space_info info;

	RIGHT_IS(berth_space_get(sp, number, &info), 0);
	return info.port;
}

static bool is_of_choice(int error)
{
	return error == BERTH_SPACE_E_RANGE || error == BERTH_SPACE_E_BOUND ||
	       error == BERTH_SPACE_E_PAIRS || error == BERTH_SPACE_E_WAIT ||
	       error == BERTH_SPACE_E_LUCK;
}

static uint64_t did[8]; /* how often each operation did something */
enum {
	DID_CONNECT,
	DID_BIND,
	DID_SHARE,
	DID_LISTEN,
	DID_CONNECT_BOUND,
	DID_ACCEPT,
	DID_REST,
	DID_EXHAUST
};

static void do_connect(void)
{
	struct berth_space_connect w = some_want();
	berth_space_socket number = 0;
	int error = berth_space_connect(sp, &w, &number);
	struct twin_sock s = { .number = number,
			       .local = { w.local },
			       .locals = 1,
			       .owner = w.owner,
			       .remote = w.remote,
			       .remote_port = w.remote_port,
			       .by_connect = true,
			       .paired = true,
			       .until = now_ms + config.idle_ms };

	if (error == BERTH_SPACE_E_NOT_LOCAL) {
		RIGHT(twin_is_wild(&twin, w.local));
		return;
	}
	RIGHT_IS(error == BERTH_SPACE_E_QUOTA, twin_over_quota(&twin, w.owner, 1));
	if (error == BERTH_SPACE_E_ROOM || error == BERTH_SPACE_E_QUOTA)
		return;
	RIGHT(!error || is_of_choice(error));
	s.port = error ? 0 : port_of(number);
	check_choice(NULL, 0, &w, w.rnd, error ? error : s.port);
	did[error ? DID_EXHAUST : DID_CONNECT]++;
	if (!error)
		twin_add(&twin, &s);
}

static void do_bind(void)
{
	static const uint16_t sets[][3] = { { 1, 2, 9 }, { 1, 4, 9 }, { 0, 3, 9 }, { 2, 1, 4 } };
	struct berth_space_bind w = { .port = random_below(3) ? some_port() : 0,
				      .owner = (uint16_t)random_below(2),
				      .flags = (uint8_t)random_below(4),
				      .rnd = random64() };
	const uint16_t *set = sets[random_below(4)];
	uint16_t one = (uint16_t)random_below(5);
	const uint16_t *locals = random_below(4) ? &one : set;
	uint32_t count = locals == &one ? 1 : (set[2] == 9 ? 2 : 3), i;
	struct twin_sock s = {
		.locals = (uint16_t)count, .owner = w.owner, .flags = w.flags, .share = w.flags
	};
	bool may = true;
	int error = berth_space_bind_many(sp, &w, locals, count, &s.number);

	RIGHT_IS(error == BERTH_SPACE_E_QUOTA, twin_over_quota(&twin, w.owner, count));
	if (error == BERTH_SPACE_E_ROOM || error == BERTH_SPACE_E_QUOTA)
		return;
	RIGHT_IS(error == BERTH_SPACE_E_SYSTEM,
		 w.port && w.port < twin.system_end && !twin.system[w.owner]);
	if (error == BERTH_SPACE_E_SYSTEM)
		return;
	for (i = 0; i < count; i++) {
		s.local[i] = locals[i];
		may &= !w.port || twin_may_bind(&twin, locals[i], w.port, w.owner, w.flags, -1);
	}
	s.port = error ? 0 : port_of(s.number);
	if (!w.port)
		check_choice(locals, count, NULL, w.rnd, error ? error : s.port);
	else
		RIGHT_IS(!error, may);
	RIGHT(!error || is_of_choice(error) || error == BERTH_SPACE_E_HELD ||
	      error == BERTH_SPACE_E_LISTENER || error == BERTH_SPACE_E_RESTING);
	if (!error) {
		did[DID_BIND]++;
		did[DID_SHARE] += twin.on_port[s.port] >= 0;
		twin_add(&twin, &s);
	}
}

static void do_listen(void)
{
	int32_t i = some_socket();
	struct twin_sock *s = place(i);
	bool may = true;
	uint32_t k;
	int error;

	if (i < 0)
		return;
	error = berth_space_listen(sp, s->number);
	if (s->paired || s->rests) {
		RIGHT_IS(error, BERTH_SPACE_E_STATE);
		return;
	}
	for (k = 0; k < s->locals && !s->listens; k++)
		may &= twin_may_bind(&twin, s->local[k], s->port, s->owner, s->flags, i) ||
		       !s->flags;
	RIGHT_IS(!error, may);
	s->listens |= may;
	did[DID_LISTEN] += may;
}

static void do_connect_bound(void)
{
	int32_t i = some_socket(), other;
	struct berth_space_connect w = some_want();
	struct twin_sock *s = place(i);
	int error, expected = 0;

	if (i < 0)
		return;
	other = twin_pair(&twin, w.local, s->port, &w.remote, w.remote_port);
	error = berth_space_connect_bound(sp, s->number, &w);
	if (error == BERTH_SPACE_E_ROOM)
		return;
	if (s->paired || s->rests || s->listens || s->locals > 1)
		expected = BERTH_SPACE_E_STATE;
	else if (twin_is_wild(&twin, w.local) || !twin_meet(&twin, s->local[0], w.local))
		expected = BERTH_SPACE_E_NOT_LOCAL;
	else if (twin_is_self(&twin, w.local, s->port, &w.remote, w.remote_port))
		expected = BERTH_SPACE_E_SELF;
	else if (other >= 0)
		expected = twin.sock[other].rests ? BERTH_SPACE_E_PAIR_RESTING : BERTH_SPACE_E_PAIR;
	RIGHT_IS(error, expected);
	if (error)
		return;
	did[DID_CONNECT_BOUND]++;
	s->paired = true;
	s->local[0] = w.local;
	s->remote = w.remote;
	s->remote_port = w.remote_port;
	s->until = now_ms + config.idle_ms;
}

static void do_accept(void)
{
	int32_t i = some_socket(), other;
	struct berth_space_connect w = some_want();
	struct twin_sock *l = place(i), s = { .paired = true, .locals = 1, .share = true };
	int error, expected = 0;

	if (i < 0)
		return;
	other = twin_pair(&twin, w.local, l->port, &w.remote, w.remote_port);
	error = berth_space_accept(sp, l->number, &w, &s.number);
	if (error == BERTH_SPACE_E_ROOM)
		return;
	if (twin_is_wild(&twin, w.local))
		expected = BERTH_SPACE_E_NOT_LOCAL;
	else if (l->paired || l->rests || !l->listens)
		expected = BERTH_SPACE_E_STATE;
	else if (!twin_is_on(&twin, l, w.local))
		expected = BERTH_SPACE_E_NOT_LOCAL;
	else if (twin_over_quota(&twin, l->owner, 1))
		expected = BERTH_SPACE_E_QUOTA;
	else if (other >= 0)
		expected = twin.sock[other].rests ? BERTH_SPACE_E_PAIR_RESTING : BERTH_SPACE_E_PAIR;
	RIGHT_IS(error, expected);
	if (error)
		return;
	did[DID_ACCEPT]++;
	s.local[0] = w.local;
	s.port = l->port;
	s.owner = l->owner;
	s.flags = l->flags;
	s.remote = w.remote;
	s.remote_port = w.remote_port;
	s.until = now_ms + config.idle_ms;
	twin_add(&twin, &s);
}

/* The twin's part of a release. */
static void twin_release(int32_t i, bool rest, uint32_t at_ms)
{
	struct twin_sock *s = place(i);
	uint32_t ms = s->paired ? config.rest_pair_ms : config.rest_port_ms;

	if (!rest || !ms || s->listens) {
		twin_remove(&twin, i);
		return;
	}
	did[DID_REST]++;
	s->rests = true;
	twin.owned[s->owner] -= s->locals;
	s->until = at_ms + ms;
}

static void do_release(void)
{
	int32_t i = some_socket();
	bool rest = random_below(3);
	int error;

	if (i < 0 || (crowd && random_below(8)))
		return;
	error = berth_space_release(sp, twin.sock[i].number, now_ms, rest);
	RIGHT_IS(error, rest && twin.sock[i].rests ? BERTH_SPACE_E_STATE : 0);
	if (!error) {
		berth_space_socket number = twin.sock[i].number;

		twin_release(i, rest, now_ms);
		if (!twin.sock[i].number)
			RIGHT_IS(berth_space_release(sp, number, now_ms, rest),
				 BERTH_SPACE_E_STALE);
	}
}

static void do_touch(void)
{
	int32_t i = some_socket();
	bool may = i >= 0 && twin.sock[i].paired && !twin.sock[i].rests && config.idle_ms;

	if (i < 0)
		return;
	RIGHT_IS(berth_space_touch(sp, twin.sock[i].number, now_ms), may ? 0 : BERTH_SPACE_E_STATE);
	if (may)
		twin.sock[i].until = now_ms + config.idle_ms;
}

/* In the order of time: what became idle rests from then on, and may be over as well. */
static uint32_t twin_advance(uint32_t from, uint32_t to)
{
	uint32_t done = 0, soonest, i;
	int32_t best;

	for (;;) {
		best = -1;
		soonest = to - from;
		for (i = 0; i < TWIN_SOCKS; i++) {
			struct twin_sock *s = place(i);

			if (s->number && (s->rests || (s->paired && config.idle_ms)) &&
			    s->until - from <= soonest) {
				best = (int32_t)i;
				soonest = s->until - from;
			}
		}
		if (best < 0)
			return done;
		done++;
		if (twin.sock[best].rests)
			twin_remove(&twin, best);
		else
			twin_release(best, true, twin.sock[best].until);
	}
}

static void do_clock(void)
{
	uint32_t to = now_ms + 1 + (random_below(50) ? random_below(300) : random_below(100000));
	uint32_t done;

	if (random_below(4))
		return;
	done = berth_space_advance(sp, to, 0, NULL, NULL);
	RIGHT_IS(twin_advance(now_ms, to), done);
	twin.clock_ms += to - now_ms;
	now_ms = to;
}

static void do_range(void)
{
	uint16_t first = (uint16_t)(twin.first ^ random_below(64));
	uint32_t p, last = first + 20u + random_below(300);

	if (random_below(seldom) || !config.rest_port_ms)
		return;
	first = first ? first : 1;
	last = last > 65535 ? 65535 : last;
	if (random_below(2)) {
		RIGHT_IS(berth_space_set_range(sp, first, (uint16_t)last), 0);
		twin.first = first;
		twin.last = (uint16_t)last;
		twin.counter %= last - first + 1;
	} else {
		bool withhold = random_below(2);

		last = last > first + 9u ? first + 9u : last;
		RIGHT_IS(berth_space_withhold(sp, first, (uint16_t)last, withhold), 0);
		for (p = first; p <= last; p++)
			twin.withheld[p] = withhold;
	}
	calls = 0;
}

static void set_owner(uint16_t owner, uint32_t quota, bool system)
{
	RIGHT_IS(berth_space_set_owner(sp, owner, quota, system ? BERTH_SPACE_SYSTEM : 0), 0);
	twin.quota[owner] = quota;
	twin.system[owner] = system;
}

static void do_owner(void)
{
	if (!random_below(seldom))
		set_owner(1, random_below(2) ? random_below(30) : 0, random_below(2));
}

static void do_rekey(void)
{
	if (random_below(seldom))
		return;
	config.key[0] = random64();
	berth_space_rekey(sp, config.key);
}

static void do_headroom(void)
{
	struct berth_space_connect w = some_want();
	uint32_t p, n = 0;

	for (p = twin.first; p <= twin.last && !twin_is_wild(&twin, w.local); p++)
		n += twin_suits(&twin, NULL, 0, &w, p);
	RIGHT_IS(berth_space_headroom(sp, w.local, &w.remote, w.remote_port), n);
	RIGHT_IS(berth_space_owned(sp, w.owner), twin.owned[w.owner]);
}

static void (*const steps[])(void) = { do_connect, do_connect,       do_connect, do_bind,
				       do_bind,    do_connect_bound, do_accept,  do_listen,
				       do_release, do_release,       do_release, do_touch,
				       do_clock,   do_range,         do_owner,   do_rekey,
				       do_headroom };

#endif
