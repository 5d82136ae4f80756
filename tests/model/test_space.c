/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port space against its naive twin: random operations, edges, exhaustion, and damage that must be seen.
 *
 * BERTH_SPACE_STEPS: operations in all (600,000); 100000000 is the long form.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "space_twin.h"
#include "random.h"

static struct berth_space *sp;
static struct twin_space twin;
static struct berth_space_config config;
static uint32_t now_ms;
static size_t taken_bytes;

static void *get(void *context, size_t size)
{
	(void)context;
	taken_bytes += size;
	return malloc(size);
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	taken_bytes -= size;
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

	assert_int_equal(berth_space_add_local(sp, &a, &local), 0);
	assert_int_equal(local, twin.locals);
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
	config.owners = 4;
	config.now_ms = now_ms;
	for (int i = 0; i < 4; i++)
		config.key[i] = random64();
	assert_int_equal(berth_space_new(&config, &memory, &sp), 0);
	twin_space_init(&twin, first, last);
	twin.counter = sp->counter;
	add_local(v4(0, 0, 0, 0));
	add_local(v4(10, 0, 0, 1));
	add_local(v4(10, 0, 0, 2));
	assert_int_equal(berth_space_make_room(sp, &room), 0);
	add_local(v6(0));
	add_local(v6(1));
}

static void end(void)
{
	assert_null(twin_space_audit(&twin, sp));
	assert_int_equal(berth_space_bytes(sp), taken_bytes);
	berth_space_free(sp);
	assert_int_equal(taken_bytes, 0);
	memset(&config, 0, sizeof(config));
}

/* A random socket of the twin, or -1. */
static int32_t some_socket(void)
{
	uint32_t i, at = random_below(TWIN_SOCKS);

	for (i = 0; i < 64; i++, at = random_below(512))
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

static bool crowd; /* more come than go */

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

/* The port that the space chose, or its refusal (port < 0), is what the twin says. */
static void check_choice(const uint16_t *locals, uint32_t count,
			 const struct berth_space_connect *want, uint64_t rnd, int32_t port)
{
	uint32_t p;

	if (port == BERTH_SPACE_E_LUCK && config.policy == BERTH_SPACE_RANDOM_RETRY)
		return;
	if (is_counted()) {
		int32_t right =
			twin_search(&twin, config.policy, config.key, locals, count, want, rnd);

		assert_int_equal(right, port < 0 ? -1 : port);
		return;
	}
	if (port >= 0) {
		assert_true(twin_suits(&twin, locals, count, want, (uint32_t)port));
		return;
	}
	for (p = twin.first; p <= twin.last; p++)
		assert_false(twin_suits(&twin, locals, count, want, p));
}

static uint16_t port_of(berth_space_socket number)
{
	struct berth_space_info info;

	assert_int_equal(berth_space_get(sp, number, &info), 0);
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
		assert_true(twin_is_wild(&twin, w.local));
		return;
	}
	if (error == BERTH_SPACE_E_ROOM)
		return;
	assert_true(!error || is_of_choice(error));
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

	if (error == BERTH_SPACE_E_ROOM)
		return;
	for (i = 0; i < count; i++) {
		s.local[i] = locals[i];
		may &= !w.port || twin_may_bind(&twin, locals[i], w.port, w.owner, w.flags, -1);
	}
	s.port = error ? 0 : port_of(s.number);
	if (!w.port)
		check_choice(locals, count, NULL, w.rnd, error ? error : s.port);
	else
		assert_int_equal(!error, may);
	assert_true(!error || is_of_choice(error) || error == BERTH_SPACE_E_HELD ||
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
		assert_int_equal(error, BERTH_SPACE_E_STATE);
		return;
	}
	for (k = 0; k < s->locals && !s->listens; k++)
		may &= twin_may_bind(&twin, s->local[k], s->port, s->owner, s->flags, i) ||
		       !s->flags;
	assert_int_equal(!error, may);
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
	assert_int_equal(error, expected);
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
	else if (other >= 0)
		expected = twin.sock[other].rests ? BERTH_SPACE_E_PAIR_RESTING : BERTH_SPACE_E_PAIR;
	assert_int_equal(error, expected);
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
	assert_int_equal(error, rest && twin.sock[i].rests ? BERTH_SPACE_E_STATE : 0);
	if (!error) {
		berth_space_socket number = twin.sock[i].number;

		twin_release(i, rest, now_ms);
		if (!twin.sock[i].number)
			assert_int_equal(berth_space_release(sp, number, now_ms, rest),
					 BERTH_SPACE_E_STALE);
	}
}

static void do_touch(void)
{
	int32_t i = some_socket();
	bool may = i >= 0 && twin.sock[i].paired && !twin.sock[i].rests && config.idle_ms;

	if (i < 0)
		return;
	assert_int_equal(berth_space_touch(sp, twin.sock[i].number, now_ms),
			 may ? 0 : BERTH_SPACE_E_STATE);
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
		done += twin.sock[best].rests ? twin.sock[best].locals : 1;
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
	assert_int_equal(twin_advance(now_ms, to), done);
	now_ms = to;
}

static void do_range(void)
{
	uint16_t first = (uint16_t)(twin.first ^ random_below(64));
	uint32_t p, last = first + 20u + random_below(300);

	if (random_below(300) || !config.rest_port_ms)
		return;
	last = last > 65535 ? 65535 : last;
	if (random_below(2)) {
		assert_int_equal(berth_space_set_range(sp, first, (uint16_t)last), 0);
		twin.first = first;
		twin.last = (uint16_t)last;
		twin.counter %= last - first + 1;
	} else {
		bool withhold = random_below(2);

		assert_int_equal(berth_space_withhold(sp, first, (uint16_t)(first + 9), withhold),
				 0);
		for (p = first; p < first + 10u; p++)
			twin.withheld[p] = withhold;
	}
}

static void (*const steps[])(void) = { do_connect, do_connect,       do_connect, do_bind,
				       do_bind,    do_connect_bound, do_accept,  do_listen,
				       do_release, do_release,       do_release, do_touch,
				       do_clock,   do_range };

static uint64_t step_count(void)
{
	const char *given = getenv("BERTH_SPACE_STEPS");

	return given ? strtoull(given, NULL, 0) : 600000;
}

static const uint16_t ranges[][2] = { { 65300, 65535 }, { 32700, 32900 }, { 50000, 50050 } };

static void test_random_steps(void **state)
{
	uint64_t each = step_count() / (BERTH_SPACE_POLICY_COUNT - 1), i;
	const char *wrong;
	unsigned policy;

	(void)state;
	for (policy = 0; policy < BERTH_SPACE_HABIT; policy++) {
		config.rest_pair_ms = policy % 2 ? 2000 : 0;
		config.rest_port_ms = policy % 3 ? 500 : 0;
		config.idle_ms = policy % 4 == 3 ? 1500 : 0;
		begin(policy, ranges[policy % 3][0], ranges[policy % 3][1], 700);
		for (uint16_t o = 0; o < 2; o++)
			berth_space_set_owner(sp, o, 0, BERTH_SPACE_SYSTEM);
		for (i = 0; i < each; i++) {
			if (i % 4096 == 0)
				crowd = !crowd;
			steps[random_below(sizeof(steps) / sizeof(*steps))]();
			if (i % 8192 == 0) {
				wrong = twin_space_audit(&twin, sp);
				if (wrong)
					fail_msg("%s: step %llu: %s",
						 berth_space_policy_name(policy),
						 (unsigned long long)i, wrong);
			}
		}
		end();
	}
	/* Steps that were all refused would prove nothing. */
	for (i = 0; i < sizeof(did) / sizeof(*did); i++)
		assert_true(did[i] > step_count() / 2000);
}

/* A range of one port, port 65535, and the port of the destination itself. */
static void test_edges(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_bind b = { .local = 1, .port = 0 };
	berth_space_socket one, two;
	uint16_t local;
	struct berth_address a = v4(10, 0, 0, 1);

	(void)state;
	for (unsigned policy = 0; policy < BERTH_SPACE_HABIT; policy++) {
		begin(policy, 65535, 65535, 100);
		assert_int_equal(berth_space_connect(sp, &w, &one), 0);
		assert_int_equal(port_of(one), 65535);
		assert_int_equal(berth_space_connect(sp, &w, &two), BERTH_SPACE_E_PAIRS);
		assert_int_equal(berth_space_bind(sp, &b, &two), BERTH_SPACE_E_BOUND);
		w.remote_port++;
		assert_int_equal(berth_space_connect(sp, &w, &two), 0);
		w.remote_port--;
		assert_int_equal(berth_space_headroom(sp, 1, &w.remote, 443), 0);
		assert_int_equal(berth_space_release(sp, one, 0, true), 0);
		assert_int_equal(berth_space_headroom(sp, 1, &w.remote, 443), 1);
		assert_int_equal(berth_space_release(sp, two, 0, true), 0);
		/* The only port is that of the destination, and that is here. */
		w.remote = a;
		w.remote_port = 65535;
		assert_int_equal(berth_space_connect(sp, &w, &one), BERTH_SPACE_E_PAIRS);
		w.remote = v4(192, 0, 2, 1);
		w.remote_port = 443;
		assert_int_equal(berth_space_withhold(sp, 65535, 65535, true), 0);
		assert_int_equal(berth_space_connect(sp, &w, &one), BERTH_SPACE_E_RANGE);
		assert_int_equal(berth_space_bind(sp, &b, &one), BERTH_SPACE_E_RANGE);
		w.remote_port = 0;
		assert_int_equal(berth_space_connect(sp, &w, &one), BERTH_SPACE_E_INVALID);
		w.remote_port = 443;
		assert_int_equal(berth_space_set_range(sp, 0, 10), BERTH_SPACE_E_INVALID);
		assert_int_equal(berth_space_set_range(sp, 11, 10), BERTH_SPACE_E_INVALID);
		assert_int_equal(berth_space_add_local(sp, &a, &local), BERTH_SPACE_E_INVALID);
		twin.withheld[65535] = true;
		end();
	}
}

/* System ports need the right; a quota counts every address of a socket, and resting sockets not. */
static void test_owners(void **state)
{
	struct berth_space_bind b = { .local = 1, .port = 80, .owner = 1 };
	const uint16_t both[2] = { 1, 2 };
	berth_space_socket one, two;

	(void)state;
	config.rest_port_ms = 1000;
	begin(BERTH_SPACE_UNIFORM, 40000, 40100, 100);
	assert_int_equal(berth_space_bind(sp, &b, &one), BERTH_SPACE_E_SYSTEM);
	assert_int_equal(berth_space_set_owner(sp, 1, 2, BERTH_SPACE_SYSTEM), 0);
	assert_int_equal(berth_space_bind(sp, &b, &one), 0);
	b.port = 0;
	assert_int_equal(berth_space_bind_many(sp, &b, both, 2, &two), BERTH_SPACE_E_QUOTA);
	assert_int_equal(berth_space_release(sp, one, now_ms, true), 0);
	assert_int_equal(berth_space_owned(sp, 1), 0);
	b.port = 80;
	assert_int_equal(berth_space_bind(sp, &b, &two), BERTH_SPACE_E_HELD);
	assert_int_equal(berth_space_advance(sp, now_ms += 1000, 0, NULL, NULL), 1);
	assert_int_equal(berth_space_bind_many(sp, &b, both, 2, &two), 0);
	b.port = 81;
	assert_int_equal(berth_space_bind(sp, &b, &one), BERTH_SPACE_E_QUOTA);
	assert_int_equal(berth_space_release(sp, two, now_ms, false), 0);
	b.owner = 9;
	assert_int_equal(berth_space_bind(sp, &b, &one), BERTH_SPACE_E_INVALID);
	end();
}

/* Every port to one destination, each once, then the reason; and all again after one goes. */
static void test_exhaustion(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	static berth_space_socket all[2000];
	static bool seen[BERTH_PORTS];
	berth_space_socket more;
	uint32_t i;
	int error;

	(void)state;
	for (unsigned policy = 0; policy < BERTH_SPACE_HABIT; policy++) {
		begin(policy, 63536, 65535, 4096);
		memset(seen, 0, sizeof(seen));
		for (i = 0; i < 2000; i++) {
			do {
				w.rnd = random64();
				error = berth_space_connect(sp, &w, &all[i]);
			} while (error == BERTH_SPACE_E_LUCK && policy == BERTH_SPACE_RANDOM_RETRY);
			assert_int_equal(error, 0);
			assert_false(seen[port_of(all[i])]);
			seen[port_of(all[i])] = true;
		}
		assert_int_equal(berth_space_connect(sp, &w, &more), BERTH_SPACE_E_PAIRS);
		assert_int_equal(berth_space_find(sp, 1, 64000, &w.remote, 443) != 0, true);
		for (i = 0; i < 2000; i++)
			assert_int_equal(berth_space_release(sp, all[i], 0, true), 0);
		assert_int_equal(berth_space_find(sp, 1, 64000, &w.remote, 443), 0);
		end();
	}
}

/* Uniform is: at each occupancy each free port as often as the others (chi-square, 5 sigma). */
static void test_uniform(void **state)
{
	static const uint32_t held[] = { 0, 300, 700, 1200, 1500, 1590 };
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_bind b = { .local = 1 };
	static uint32_t hits[2][BERTH_PORTS];
	berth_space_socket one;
	uint32_t level, i, p;

	(void)state;
	begin(BERTH_SPACE_UNIFORM, 40000, 41599, 4096);
	for (level = 0, i = 0; level < 6; level++) {
		double free = 1600 - held[level], each = 200, chi[2] = { 0, 0 };

		for (; i < held[level]; i++) {
			w.rnd = random64();
			assert_int_equal(berth_space_connect(sp, &w, &one), 0);
		}
		memset(hits, 0, sizeof(hits));
		for (p = 0; p < (uint32_t)free * (uint32_t)each; p++) {
			w.rnd = b.rnd = random64();
			assert_int_equal(berth_space_connect(sp, &w, &one), 0);
			hits[0][port_of(one)]++;
			berth_space_release(sp, one, 0, false);
			assert_int_equal(berth_space_bind(sp, &b, &one), 0);
			hits[1][port_of(one)]++;
			berth_space_release(sp, one, 0, false);
		}
		for (p = 40000; p < 41600; p++)
			for (int k = 0; k < 2; k++)
				if (berth_portset_has(&sp->local[1]->idle.set, p))
					chi[k] += (hits[k][p] - each) * (hits[k][p] - each) / each;
		for (int k = 0; k < 2; k++) {
			double off = chi[k] - (free - 1);

			assert_true(off * off < 25 * 2 * (free - 1) + 625);
		}
	}
	berth_space_free(sp);
	memset(&config, 0, sizeof(config));
}

/* The port that all left longest ago comes next; never used ones first. */
static void test_longest_idle(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	berth_space_socket s[100];
	uint32_t i;

	(void)state;
	begin(BERTH_SPACE_LONGEST_IDLE, 50000, 50099, 200);
	for (i = 0; i < 100; i++) {
		assert_int_equal(berth_space_connect(sp, &w, &s[i]), 0);
		assert_int_equal(port_of(s[i]), 50000 + i);
	}
	for (i = 0; i < 100; i++)
		berth_space_release(sp, s[i * 7 % 100], 0, false);
	for (i = 0; i < 100; i++) {
		assert_int_equal(berth_space_connect(sp, &w, &s[i]), 0);
		assert_int_equal(port_of(s[i]), 50000 + i * 7 % 100);
	}
	for (i = 0; i < 100; i++)
		berth_space_release(sp, s[i], 0, false);
	end();
}

static uint16_t even_habit(void *context, const struct berth_space_choice *choice)
{
	uint16_t port = berth_space_choice_next(choice, choice->first);

	(*(int *)context)++;
	assert_int_equal(choice->flow.remote_port, 443);
	while (port % 2 && port < choice->last)
		port = berth_space_choice_next(choice, (uint16_t)(port + 1));
	return port % 2 ? 0 : port;
}

/* A habit chooses; what may not be chosen is not taken from it. */
static void test_habit(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	berth_space_socket s;
	int calls = 0, i;

	(void)state;
	config.habit = even_habit;
	config.habit_state = &calls;
	begin(BERTH_SPACE_HABIT, 50001, 50009, 200);
	for (i = 0; i < 4; i++) {
		assert_int_equal(berth_space_connect(sp, &w, &s), 0);
		assert_int_equal(port_of(s), 50002 + 2 * i);
	}
	assert_int_equal(berth_space_connect(sp, &w, &s), BERTH_SPACE_E_LUCK);
	assert_int_equal(calls, 5);
	berth_space_free(sp);
	memset(&config, 0, sizeof(config));
}

/* Memory that is refused changes nothing; what was given is given back. */
static uint32_t gets_left;

static void *get_some(void *context, size_t size)
{
	return gets_left-- ? get(context, size) : NULL;
}

static void test_no_memory(void **state)
{
	const struct berth_space_memory scarce = { get_some, put, NULL };
	const struct berth_space_room room = { 1000, 100, 10 };
	struct berth_address a = v4(10, 0, 0, 1);
	uint32_t n, refused = 0;
	uint16_t local;

	(void)state;
	config.policy = BERTH_SPACE_DOUBLE_HASH;
	for (n = 0; n < 40; n++) {
		gets_left = n;
		if (berth_space_new(&config, &scarce, &sp)) {
			refused++;
			gets_left = 0;
			assert_int_equal(taken_bytes, 0);
			continue;
		}
		refused += berth_space_add_local(sp, &a, &local) != 0;
		refused += berth_space_make_room(sp, &room) != 0;
		refused += berth_space_withhold(sp, 1, 1, true) != 0;
		assert_int_equal(berth_space_bytes(sp), taken_bytes);
		berth_space_free(sp);
		assert_int_equal(taken_bytes, 0);
	}
	assert_true(refused > 10);
	memset(&config, 0, sizeof(config));
}

/* An idle space, with one address, of each policy but longest-idle. */
static void test_idle_size(void **state)
{
	struct berth_address a = v4(10, 0, 0, 1);
	uint16_t local;

	(void)state;
	for (unsigned policy = 0; policy < BERTH_SPACE_LONGEST_IDLE; policy++) {
		config.policy = (uint8_t)policy;
		assert_int_equal(berth_space_new(&config, &memory, &sp), 0);
		assert_int_equal(berth_space_add_local(sp, &a, &local), 0);
		assert_true(berth_space_bytes(sp) <= 16384);
		berth_space_free(sp);
	}
	memset(&config, 0, sizeof(config));
}

/* Connects from one address to one destination, and tells the twin. */
static berth_space_socket connect_one(uint8_t host)
{
	struct berth_space_connect w = {
		.local = 1, .remote = v4(192, 0, 2, host), .remote_port = 443, .rnd = random64()
	};
	struct twin_sock t = { .local = { 1 },
			       .locals = 1,
			       .remote = w.remote,
			       .remote_port = 443,
			       .by_connect = true,
			       .paired = true };

	assert_int_equal(berth_space_connect(sp, &w, &t.number), 0);
	t.port = port_of(t.number);
	twin_add(&twin, &t);
	return t.number;
}

/* Ports that are withheld while they are connected to a crowded destination, and no longer. */
static void test_withheld_under_load(void **state)
{
	int i;

	(void)state;
	begin(BERTH_SPACE_UNIFORM, 50000, 50199, 400);
	for (i = 0; i < 150; i++)
		connect_one((uint8_t)(1 + i % 2));
	assert_true(sp->lanes_used > 0);
	for (i = 0; i < 200; i++) {
		bool withhold = !twin.withheld[50000 + i * 7 % 200];

		assert_int_equal(berth_space_withhold(sp, (uint16_t)(50000 + i * 7 % 200),
						      (uint16_t)(50000 + i * 7 % 200), withhold),
				 0);
		twin.withheld[50000 + i * 7 % 200] = withhold;
		if (i % 3 == 0) {
			assert_int_equal(berth_space_withhold(sp, 50000, 50100, false), 0);
			memset(twin.withheld + 50000, 0, 101);
		}
		if (i % 10 == 0)
			assert_null(twin_space_audit(&twin, sp));
	}
	end();
}

/* A wildcard and an address that come when there are sockets. */
static void test_late_addresses(void **state)
{
	struct berth_space_bind b = { .local = 0, .port = 50010, .flags = BERTH_SPACE_REUSE };
	const struct berth_space_room room = { 100, 10, 10 };
	struct twin_sock t = { .locals = 1, .flags = BERTH_SPACE_REUSE, .share = true };
	berth_space_socket s;
	int i;

	(void)state;
	config.first = 50000;
	config.last = 50050;
	assert_int_equal(berth_space_new(&config, &memory, &sp), 0);
	twin_space_init(&twin, 50000, 50050);
	add_local(v4(10, 0, 0, 2));
	add_local(v4(10, 0, 0, 1));
	assert_int_equal(berth_space_make_room(sp, &room), 0);
	for (i = 0; i < 20; i++)
		connect_one(1);
	while (!twin_may_bind(&twin, 0, b.port, 0, b.flags, -1) || twin.on_port[b.port] >= 0)
		b.port++;
	assert_int_equal(berth_space_bind(sp, &b, &t.number), 0);
	t.port = b.port;
	twin_add(&twin, &t);
	add_local(v4(0, 0, 0, 0));
	assert_null(twin_space_audit(&twin, sp));
	b = (struct berth_space_bind){ .local = 2, .port = twin.sock[3].port };
	assert_int_equal(berth_space_bind(sp, &b, &s), BERTH_SPACE_E_HELD);
	b.port = t.port;
	assert_int_equal(berth_space_bind(sp, &b, &s), BERTH_SPACE_E_HELD);
	b.flags = BERTH_SPACE_REUSE;
	assert_int_equal(berth_space_bind(sp, &b, &s), 0);
	t.local[0] = 2;
	t.number = s;
	twin_add(&twin, &t);
	add_local(v4(10, 0, 0, 3));
	end();
}

/* The number of a socket that has gone is refused when another has its place. */
static void test_stale(void **state)
{
	struct berth_space_info info;
	berth_space_socket one, two;

	(void)state;
	begin(BERTH_SPACE_SEQUENTIAL, 50000, 50050, 10);
	one = connect_one(1);
	assert_int_equal(berth_space_release(sp, one, 0, false), 0);
	twin_remove(&twin, 0);
	two = connect_one(1);
	assert_int_equal((uint32_t)one, (uint32_t)two);
	assert_int_equal(berth_space_get(sp, one, &info), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_release(sp, one, 0, false), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_listen(sp, one), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_touch(sp, one, 0), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_release(sp, 0, 0, false), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_release(sp, UINT64_MAX, 0, false), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_get(sp, two, &info), 0);
	end();
}

#define ROW(id, number, name, text)                                                                \
	assert_string_equal(berth_space_error_name(BERTH_SPACE_##id), name);                       \
	assert_string_equal(berth_space_error(BERTH_SPACE_##id), text);

static void test_names(void **state)
{
	(void)state;
	BERTH_SPACE_ERRORS(ROW)
	assert_string_equal(berth_space_error_name(0), "ok");
	assert_string_equal(berth_space_error_name(-1000), "ok");
	assert_string_equal(berth_space_policy_name(BERTH_SPACE_HABIT), "habit");
	assert_null(berth_space_policy_name(BERTH_SPACE_POLICY_COUNT));
}

/* Each damage must be seen by the audit. */
static void test_sabotage(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_lane *lane;
	berth_space_socket s;
	int i;

	(void)state;
	begin(BERTH_SPACE_LONGEST_IDLE, 50000, 50199, 400);
	for (i = 0; i < 100; i++) {
		assert_int_equal(berth_space_connect(sp, &w, &s), 0);
		twin_add(&twin, &(struct twin_sock){ .number = s,
						     .local = { 1 },
						     .locals = 1,
						     .port = port_of(s),
						     .remote = w.remote,
						     .remote_port = 443,
						     .by_connect = true,
						     .paired = true });
	}
	assert_null(twin_space_audit(&twin, sp));
	lane = &sp->lane[0];
	assert_int_not_equal(lane->dest, BERTH_SPACE_NONE);
	berth_portset_add(&lane->free.set, 50000);
	assert_non_null(twin_space_audit(&twin, sp));
	berth_portset_remove(&lane->free.set, 50000);
	assert_null(twin_space_audit(&twin, sp));
	berth_portset_remove(&sp->local[2]->idle.set, 50100);
	assert_non_null(twin_space_audit(&twin, sp));
	berth_portset_add(&sp->local[2]->idle.set, 50100);
	berth_portset_add(&sp->local[1]->open->set, 51000);
	assert_non_null(twin_space_audit(&twin, sp));
	berth_portset_remove(&sp->local[1]->open->set, 51000);
	sp->local[1]->order->next[0] = 0;
	assert_non_null(twin_space_audit(&twin, sp));
	berth_space_free(sp);
	memset(&config, 0, sizeof(config));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),          cmocka_unit_test(test_owners),
		cmocka_unit_test(test_exhaustion),     cmocka_unit_test(test_random_steps),
		cmocka_unit_test(test_uniform),        cmocka_unit_test(test_longest_idle),
		cmocka_unit_test(test_habit),          cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_idle_size),      cmocka_unit_test(test_sabotage),
		cmocka_unit_test(test_names),          cmocka_unit_test(test_withheld_under_load),
		cmocka_unit_test(test_late_addresses), cmocka_unit_test(test_stale),
	};

	random_begin("space");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
