/* SPDX-License-Identifier: BSD-2-Clause */
/* Which port a space chooses: each equally likely, the longest idle, a habit of the caller, the habits of systems. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "random.h"

#define RIGHT(holds) assert_true(holds)
#define RIGHT_IS(is, ought) assert_int_equal(is, ought)
#include "space_play.h"

#define SEED 20110101u /* of all that counts how often: a run is as good as the next one */

/* True where each of the free ports is chosen as often as the others, by 200 draws for each (chi-square, 5 sigma). */
static bool is_even(bool connect, uint32_t free)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_bind b = { .local = 1 };
	static uint32_t hits[BERTH_PORTS];
	double each = 200, off = 1 - (double)free;
	berth_space_socket one;
	uint32_t p;

	memset(hits, 0, sizeof(hits));
	for (p = 0; p < free * 200; p++) {
		w.rnd = b.rnd = random64();
		assert_int_equal(connect ? berth_space_connect(sp, &w, &one)
					 : berth_space_bind(sp, &b, &one),
				 0);
		hits[port_of(one)]++;
		berth_space_release(sp, one, 0, false);
	}
	for (p = 0; p < BERTH_PORTS; p++)
		if (berth_portset_has(&sp->local[1]->idle.set, p))
			off += (hits[p] - each) * (hits[p] - each) / each;
	return off * off < 25 * 2 * (free - 1) + 625;
}

/* Uniform is at each occupancy; algorithm 1 is not as soon as ports are held: one behind them is met more often. */
static void test_uniform(void **state)
{
	static const uint32_t held[] = { 0, 300, 700, 1200, 1500, 1590 };
	static const unsigned policies[] = { BERTH_SPACE_UNIFORM, BERTH_SPACE_RANDOM };
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	berth_space_socket one;
	uint64_t before = random_state;
	uint32_t level, i, k;

	(void)state;
	random_state = SEED;
	for (k = 0; k < 2; k++) {
		begin(policies[k], 40000, 41599, 4096);
		for (level = 0, i = 0; level < 6; level++) {
			bool even = k == 0 || level == 0;

			for (; i < held[level]; i++) {
				w.rnd = random64();
				assert_int_equal(berth_space_connect(sp, &w, &one), 0);
			}
			assert_int_equal(is_even(true, 1600 - held[level]), even);
			assert_int_equal(is_even(false, 1600 - held[level]), even);
		}
		berth_space_free(sp);
		memset(&config, 0, sizeof(config));
	}
	random_state = before;
}

/* As uniform is it where few of the set's ports suit: of two neighbours each is half of 20,000 (7 sigma). */
static void test_uniform_few(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_bind b = { .local = 2 };
	const uint16_t both[2] = { 1, 2 };
	berth_space_socket one;
	uint64_t before = random_state;
	uint32_t i, hits[2] = { 0, 0 };

	(void)state;
	random_state = SEED;
	/* Of all ports of the first address, which are free, the second one has two. */
	begin(BERTH_SPACE_UNIFORM, 40000, 41599, 4096);
	for (b.port = 40000; b.port < 41600; b.port++)
		if (b.port / 2 != 40800 / 2)
			assert_int_equal(berth_space_bind(sp, &b, &one), 0);
	b.port = 0;
	for (i = 0; i < 20000; i++) {
		b.rnd = random64();
		assert_int_equal(berth_space_bind_many(sp, &b, both, 2, &one), 0);
		hits[port_of(one) - 40800]++;
		berth_space_release(sp, one, 0, false);
	}
	assert_in_range(hits[0], 9500, 10500);
	berth_space_free(sp);
	/* So few ports that no lane is worth it; two neighbours are not connected (400,000, 6 sigma). */
	begin(BERTH_SPACE_UNIFORM, 50000, 50015, 100);
	for (i = 0; i < 16; i++)
		assert_int_equal(berth_space_connect(sp, &w, &one), 0);
	for (i = 50004; i < 50006; i++) {
		one = berth_space_find(sp, 1, (uint16_t)i, &w.remote, 443);
		assert_int_equal(berth_space_release(sp, one, 0, false), 0);
	}
	for (i = 0, hits[0] = 0; i < 400000; i++) {
		w.rnd = random64();
		assert_int_equal(berth_space_connect(sp, &w, &one), 0);
		hits[0] += port_of(one) == 50004;
		berth_space_release(sp, one, 0, false);
	}
	assert_in_range(hits[0], 198000, 202000);
	berth_space_free(sp);
	memset(&config, 0, sizeof(config));
	random_state = before;
}

static uint32_t told; /* how many ports may be chosen */

static uint16_t told_habit(void *state, const struct berth_space_choice *choice)
{
	(void)state;
	told = choice->count;
	return berth_space_choice_next(choice, choice->first);
}

/* Connections on ports that the range has no more are none of those that take a try of algorithm 2. */
static void test_drained(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	berth_space_socket one;
	uint32_t i;

	(void)state;
	for (unsigned policy = 0; policy <= BERTH_SPACE_HABIT; policy++) {
		config.habit = told_habit;
		begin(policy, 50000, 59999, 1000);
		for (i = 0; i < 500; i++) {
			w.rnd = random64();
			assert_int_equal(berth_space_connect(sp, &w, &one), 0);
		}
		assert_int_equal(berth_space_set_range(sp, 60001, 60010), 0);
		for (i = 0; i < 200; i++) {
			w.rnd = random64();
			assert_int_equal(berth_space_connect(sp, &w, &one), 0);
			berth_space_release(sp, one, 0, false);
		}
		assert_int_equal(told, policy == BERTH_SPACE_HABIT ? 10 : 0);
		berth_space_free(sp);
		memset(&config, 0, sizeof(config));
	}
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

/* Whether the system may give up while a port is free, by what habits.h says of even ranges. */
static bool gives_up(unsigned policy)
{
	return policy == BERTH_SPACE_NETBSD_RANDOM_PICK || policy == BERTH_SPACE_NETBSD_RANDINC ||
	       policy == BERTH_SPACE_NETBSD_HASH || policy == BERTH_SPACE_NETBSD_DOUBLEHASH;
}

/* Connects until there is nothing left: how often, and why not again. */
static uint32_t fill(unsigned policy, struct berth_space_connect *w, int *out_error)
{
	static bool seen[BERTH_PORTS];
	berth_space_socket s;
	uint32_t n = 0;

	memset(seen, 0, sizeof(seen));
	for (;;) {
		w->rnd = random64();
		*out_error = berth_space_connect(sp, w, &s);
		if (*out_error == BERTH_SPACE_E_LUCK) {
			assert_true(gives_up(policy));
			continue;
		}
		if (*out_error)
			return n;
		assert_false(seen[port_of(s)]);
		seen[port_of(s)] = true;
		n++;
	}
}

/* Every port of an even range to one destination; to another one again, where the system shares. */
static void test_systems_exhaustion(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_policy_row row;
	int error;

	(void)state;
	for (unsigned policy = BERTH_SPACE_HABIT + 1; policy < BERTH_SPACE_POLICY_COUNT; policy++) {
		assert_int_equal(berth_space_policy_row(policy, &row), 0);
		begin(policy, 65036, 65535, 2048);
		w.remote_port = 443;
		assert_int_equal(berth_space_headroom(sp, 1, &w.remote, 443), 500);
		assert_int_equal(fill(policy, &w, &error), 500);
		assert_int_equal(error, row.shares ? BERTH_SPACE_E_PAIRS : BERTH_SPACE_E_BOUND);
		assert_int_equal(berth_space_headroom(sp, 1, &w.remote, 443), 0);
		w.remote_port = 444;
		assert_int_equal(berth_space_headroom(sp, 1, &w.remote, 444), row.shares ? 500 : 0);
		assert_int_equal(fill(policy, &w, &error), row.shares ? 500 : 0);
		assert_int_equal(error, row.shares ? BERTH_SPACE_E_PAIRS : BERTH_SPACE_E_BOUND);
		berth_space_free(sp);
		memset(&config, 0, sizeof(config));
	}
}

/* Two crowded destinations: where the system does not share, each takes from the other's headroom. */
static void test_systems_headroom(void **state)
{
	struct berth_space_connect w = { .local = 1, .remote = v4(192, 0, 2, 1) };
	struct berth_space_policy_row row;
	berth_space_socket s;
	int i;

	(void)state;
	for (unsigned policy = BERTH_SPACE_HABIT + 1; policy < BERTH_SPACE_POLICY_COUNT; policy++) {
		assert_int_equal(berth_space_policy_row(policy, &row), 0);
		begin(policy, 65036, 65535, 2048);
		for (i = 0; i < 200; i++) {
			w.remote_port = (uint16_t)(443 + i % 2);
			w.rnd = random64();
			assert_int_equal(berth_space_connect(sp, &w, &s), 0);
		}
		assert_int_equal(berth_space_headroom(sp, 1, &w.remote, 443),
				 row.shares ? 400 : 300);
		berth_space_free(sp);
		memset(&config, 0, sizeof(config));
	}
}

/* Without a range in the configuration it is the system's; one port; the port of the destination itself. */
static void test_systems_edges(void **state)
{
	struct berth_space_connect w = {
		.local = 1, .remote = v4(10, 0, 0, 1), .remote_port = 65535, .rnd = 0
	};
	struct berth_space_policy_row row;
	berth_space_socket s;

	(void)state;
	for (unsigned policy = 0; policy < BERTH_SPACE_POLICY_COUNT; policy++) {
		assert_int_equal(berth_space_policy_row(policy, &row), 0);
		assert_string_equal(row.name, berth_space_policy_name(policy));
		if (policy == BERTH_SPACE_HABIT)
			continue;
		config.policy = (uint8_t)policy;
		assert_int_equal(berth_space_new(&config, &memory, &sp), 0);
		assert_int_equal(sp->config.first, row.first);
		assert_int_equal(sp->config.last, row.last);
		berth_space_free(sp);
		begin(policy, 65535, 65535, 100);
		assert_int_equal(berth_space_connect(sp, &w, &s), BERTH_SPACE_E_PAIRS);
		w.remote_port = 443;
		assert_int_equal(berth_space_connect(sp, &w, &s), 0);
		assert_int_equal(port_of(s), 65535);
		w.remote_port = 65535;
		berth_space_free(sp);
		memset(&config, 0, sizeof(config));
	}
	assert_int_equal(berth_space_policy_row(BERTH_SPACE_POLICY_COUNT, &row),
			 BERTH_SPACE_E_INVALID);
	assert_int_equal(berth_space_policy_row(BERTH_SPACE_LINUX, &row), 0);
	assert_true(row.first == 32768 && row.last == 60999 && row.shares);
	assert_int_equal(berth_space_policy_row(BERTH_SPACE_OPENBSD, &row), 0);
	assert_true(row.first == 1024 && row.last == 49151 && !row.shares);
}

/* What is known of Linux: connect takes even ports, bind odd ones, while there are any. */
static void test_linux_parity(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_bind b = { .local = 1 };
	berth_space_socket s;
	int i;

	(void)state;
	begin(BERTH_SPACE_LINUX, 32768, 60999, 1024);
	for (i = 0; i < 400; i++) {
		w.rnd = b.rnd = random64();
		assert_int_equal(berth_space_connect(sp, &w, &s), 0);
		assert_int_equal(port_of(s) % 2, 0);
		assert_int_equal(berth_space_bind(sp, &b, &s), 0);
		assert_int_equal(port_of(s) % 2, 1);
	}
	berth_space_free(sp);
	memset(&config, 0, sizeof(config));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_uniform_few),
		cmocka_unit_test(test_drained),
		cmocka_unit_test(test_longest_idle),
		cmocka_unit_test(test_habit),
		cmocka_unit_test(test_systems_exhaustion),
		cmocka_unit_test(test_systems_headroom),
		cmocka_unit_test(test_systems_edges),
		cmocka_unit_test(test_linux_parity),
	};

	random_begin("space_choice");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
