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

#include "random.h"

#define RIGHT(holds) assert_true(holds)
#define RIGHT_IS(is, ought) assert_int_equal(is, ought)
#include "space_play.h"

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
	for (policy = 0; policy < BERTH_SPACE_POLICY_COUNT; policy++) {
		if (policy == BERTH_SPACE_HABIT)
			continue;
		config.rest_pair_ms = policy % 2 ? 2000 : 0;
		config.rest_port_ms = policy % 3 ? 500 : 0;
		config.idle_ms = policy % 4 == 3 ? 1500 : 0;
		begin(policy, ranges[policy % 3][0], ranges[policy % 3][1], 700);
		set_owner(0, 0, true);
		for (i = 0; i < each; i++) {
			if (i % 4096 == 0)
				crowd = !crowd;
			steps[random_below(sizeof(steps) / sizeof(*steps))]();
			/* Nothing but room takes memory or gives it back. */
			assert_int_equal(calls, 0);
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
	assert_int_equal(berth_space_bind(sp, &b, &two), BERTH_SPACE_E_RESTING);
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
	const struct berth_space_room no_sockets = { 0, 100, 10 };
	struct berth_address a = v4(10, 0, 0, 1), any = v4(0, 0, 0, 0);
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
		/* Without sockets the rest is no use, and an address is as before. */
		refused += berth_space_make_room(sp, &no_sockets) != 0;
		refused += berth_space_add_local(sp, &any, &local) != 0;
		assert_int_equal(berth_space_set_range(sp, 1000, 2000), 0);
		/* One of the two may get its memory, and the other none. */
		refused += berth_space_make_room(sp, &room) != 0;
		refused += berth_space_set_range(sp, 1000, 3000) != 0;
		refused += berth_space_withhold(sp, 1, 1, true) != 0;
		assert_int_equal(berth_space_bytes(sp), taken_bytes);
		berth_space_free(sp);
		assert_int_equal(taken_bytes, 0);
	}
	assert_true(refused > 10);
	memset(&config, 0, sizeof(config));
}

/* An idle space, with one address, of each policy but longest-idle and linux, whose table has 256 KB. */
static void test_idle_size(void **state)
{
	struct berth_address a = v4(10, 0, 0, 1);
	uint16_t local;

	(void)state;
	for (unsigned policy = 0; policy < BERTH_SPACE_POLICY_COUNT; policy++) {
		if (policy == BERTH_SPACE_LONGEST_IDLE || policy == BERTH_SPACE_HABIT ||
		    policy == BERTH_SPACE_LINUX)
			continue;
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
	struct berth_space_bind b = { .local = 2 };
	struct berth_space_info info;
	berth_space_socket one, two;
	int i;

	(void)state;
	config.rest_port_ms = 1000;
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
	/* Bits that a number does not have, among them those in which one kind of record differs from another. */
	for (i = 48; i < 64; i++)
		assert_int_equal(berth_space_release(sp, two ^ 1ULL << i, 0, false),
				 BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_get(sp, two, &info), 0);
	assert_int_equal(berth_space_bind(sp, &b, &one), 0);
	assert_int_equal(berth_space_release(sp, one, now_ms, true), 0);
	assert_int_equal(berth_space_release(sp, one ^ 2ULL << 48, 0, false), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_release(sp, one, 0, false), 0);
	end();
}

/* Words that are all zero, before anything was connected and behind it; and a space that has nothing yet. */
static void test_zeros(void **state)
{
	const struct berth_space_connect none = { 0 };
	struct berth_space_config bare = { .protocol = BERTH_UDP, .idle_ms = 10 };
	const struct berth_space_memory plenty = { get, put, NULL };
	struct berth_space_connect far = { .local = UINT16_MAX };
	berth_space_socket one;

	(void)state;
	begin(BERTH_SPACE_SEQUENTIAL, 50000, 50050, 10);
	assert_int_equal(berth_space_connect(sp, &none, &one), BERTH_SPACE_E_INVALID);
	assert_int_equal(berth_space_connect(sp, &far, &one), BERTH_SPACE_E_INVALID);
	one = connect_one(1);
	assert_int_equal(berth_space_connect(sp, &none, &one), BERTH_SPACE_E_INVALID);
	end();
	assert_int_equal(berth_space_new(&bare, &plenty, &sp), 0);
	assert_int_equal(berth_space_connect(sp, &none, &one), BERTH_SPACE_E_INVALID);
	far.remote_port = UINT16_MAX;
	assert_int_equal(berth_space_connect(sp, &far, &one), BERTH_SPACE_E_NOT_LOCAL);
	assert_int_equal(berth_space_release(sp, 0, 0, false), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_release(sp, 1, 0, false), BERTH_SPACE_E_STALE);
	assert_int_equal(berth_space_advance(sp, 100, 0, NULL, NULL), 0);
	berth_space_free(sp);
	assert_int_equal(taken_bytes, 0);
}

/* The destination of the last connect, after its last pair: it takes no room from others, and is not counted. */
static void test_last_destination(void **state)
{
	const struct berth_space_room one = { 100, 1, 10 }, more = { 200, 2, 10 };
	struct berth_space_connect w = { .local = 0, .remote_port = 443 };
	struct berth_space_bind b = { .port = 50001, .flags = BERTH_SPACE_REUSE };
	struct berth_address a = v4(10, 0, 0, 1);
	struct berth_space_counts counts;
	berth_space_socket s, listener;
	uint16_t local;
	uint8_t i;

	(void)state;
	config.policy = BERTH_SPACE_HASH;
	config.first = 50000;
	config.last = 50050;
	assert_int_equal(berth_space_new(&config, &memory, &sp), 0);
	assert_int_equal(berth_space_add_local(sp, &a, &local), 0);
	assert_int_equal(berth_space_make_room(sp, &one), 0);
	for (i = 1; i < 9; i++) {
		w.remote = v4(192, 0, 2, i);
		assert_int_equal(berth_space_connect(sp, &w, &s), 0);
		w.remote = v4(192, 0, 2, 100);
		assert_int_equal(berth_space_connect(sp, &w, &listener), BERTH_SPACE_E_ROOM);
		assert_int_equal(berth_space_release(sp, s, 0, false), 0);
		assert_int_equal(berth_space_count(sp, 0, &counts), 0);
		assert_int_equal(counts.destinations, 0);
		assert_int_equal(berth_space_headroom(sp, 0, &w.remote, 443), 51);
	}
	/* It gives way to an accepted connection as well, and to new tables. */
	assert_int_equal(berth_space_connect(sp, &w, &s), 0);
	assert_int_equal(berth_space_release(sp, s, 0, false), 0);
	assert_int_equal(berth_space_bind(sp, &b, &listener), 0);
	assert_int_equal(berth_space_listen(sp, listener), 0);
	w.remote = v4(192, 0, 2, 1);
	assert_int_equal(berth_space_accept(sp, listener, &w, &s), 0);
	assert_int_equal(berth_space_release(sp, s, 0, false), 0);
	assert_int_equal(berth_space_connect(sp, &w, &s), 0);
	assert_int_equal(berth_space_release(sp, s, 0, false), 0);
	assert_int_equal(berth_space_make_room(sp, &more), 0);
	assert_int_equal(berth_space_connect(sp, &w, &s), 0);
	assert_int_equal(berth_space_find(sp, 0, port_of(s), &w.remote, 443), s);
	berth_space_free(sp);
	memset(&config, 0, sizeof(config));
}

/* One that still has a lane when its last pair goes, as no port is open by then. */
static void test_last_destination_with_lane(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_counts counts;
	berth_space_socket s[20], one;
	int i;

	(void)state;
	begin(BERTH_SPACE_SEQUENTIAL, 50000, 50019, 100);
	for (i = 0; i < 20; i++)
		assert_int_equal(berth_space_connect(sp, &w, &s[i]), 0);
	assert_int_equal(sp->lanes_used, 1);
	/* What is refused makes it the last one again, which the new pool has forgotten. */
	assert_int_equal(berth_space_withhold(sp, 50000, 50019, true), 0);
	assert_int_equal(berth_space_connect(sp, &w, &one), BERTH_SPACE_E_RANGE);
	for (i = 0; i < 20; i++)
		assert_int_equal(berth_space_release(sp, s[i], 0, false), 0);
	assert_int_equal(berth_space_count(sp, 1, &counts), 0);
	assert_int_equal(counts.destinations, 0);
	assert_int_equal(counts.crowded, 0);
	w.remote = v4(192, 0, 2, 2);
	assert_int_equal(berth_space_connect(sp, &w, &one), BERTH_SPACE_E_RANGE);
	w.remote = v4(192, 0, 2, 1);
	assert_int_equal(berth_space_withhold(sp, 50000, 50019, false), 0);
	one = connect_one(1);
	connect_one(2);
	assert_int_equal(berth_space_find(sp, 1, port_of(one), &w.remote, 443), one);
	end();
}

/* Algorithm 2 finds none of n free ports of 200 as often as 200 tries would fail (6 sigma: missed once in 80 million runs). */
static void test_luck(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	const double expected[] = { 0.36696, 0.13398, 0.04867, 0.01759 }; /* (1 - n/200)^200 */
	static berth_space_socket all[200];
	berth_space_socket s;
	uint32_t n, i, unlucky;

	(void)state;
	begin(BERTH_SPACE_RANDOM_RETRY, 50000, 50199, 400);
	for (i = 0; i < 200; i++)
		do
			w.rnd = random64();
		while (berth_space_connect(sp, &w, &all[i]));
	for (n = 1; n <= 4; n++) {
		double q = expected[n - 1], off;

		berth_space_release(sp, all[n], 0, false);
		for (i = 0, unlucky = 0; i < 20000; i++) {
			w.rnd = random64();
			if (berth_space_connect(sp, &w, &s) == BERTH_SPACE_E_LUCK)
				unlucky++;
			else
				berth_space_release(sp, s, 0, false);
		}
		off = unlucky - 20000 * q;
		assert_true(off * off < 36 * 20000 * q * (1 - q));
	}
	berth_space_free(sp);
	memset(&config, 0, sizeof(config));
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
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_random_steps),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_idle_size),
		cmocka_unit_test(test_sabotage),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_withheld_under_load),
		cmocka_unit_test(test_late_addresses),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_last_destination),
		cmocka_unit_test(test_luck),
		cmocka_unit_test(test_last_destination_with_lane),
	};

	random_begin("space");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
