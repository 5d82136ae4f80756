/* SPDX-License-Identifier: BSD-2-Clause */
/* A port space at its edges: rests that end apart, the longest rest, system ports, families, full counts, reasons. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "random.h"

#define RIGHT(holds) assert_true(holds)
#define RIGHT_IS(is, ought) assert_int_equal(is, ought)
#include "space_play.h"

/* A socket of several addresses rests as one, and its rest ends as one, however few are dealt with at a time. */
static void test_many_rest(void **state)
{
	static const uint32_t rest[] = { 1, 10, 100, 5000 }; /* on several levels of the wheel */
	struct berth_space_bind b = { .port = 5000 };
	const uint16_t both[2] = { 1, 2 };
	berth_space_socket one, two;

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(rest) / sizeof(*rest); i++) {
		config.rest_port_ms = rest[i / 2];
		begin(BERTH_SPACE_UNIFORM, 40000, 40100, 100);
		assert_int_equal(berth_space_bind_many(sp, &b, both, 2, &one), 0);
		b.port++;
		assert_int_equal(berth_space_bind_many(sp, &b, both, 2, &two), 0);
		b.port--;
		assert_int_equal(berth_space_release(sp, one, now_ms, true), 0);
		assert_int_equal(berth_space_release(sp, two, now_ms, true), 0);
		now_ms += rest[i / 2];
		assert_int_equal(berth_space_advance(sp, now_ms, 1, NULL, NULL), 1);
		/* One of them is gone. The other one rests still, and can be ended. */
		if (i & 1)
			assert_int_equal(berth_space_advance(sp, now_ms, 0, NULL, NULL), 1);
		else
			assert_int_equal(berth_space_release(sp, one, now_ms, false) +
						 berth_space_release(sp, two, now_ms, false),
					 BERTH_SPACE_E_STALE);
		assert_int_equal(berth_space_bind_many(sp, &b, both, 2, &one), 0);
		assert_int_equal(berth_space_release(sp, one, now_ms, false), 0);
		end();
	}
}

/* The longest rest, from a clock that stands anywhere and is ahead of the space's when it begins. */
static void test_long_rest(void **state)
{
	static const uint32_t starts[] = { 0, 0x7fffffff, 0x80000000, 0xfffffff0 };
	struct berth_space_bind b = { .local = 1, .port = 5000 };
	berth_space_socket s;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint32_t before = now_ms;

		config.rest_port_ms = INT32_MAX - 1;
		now_ms = starts[i];
		begin(BERTH_SPACE_UNIFORM, 40000, 40100, 100);
		assert_int_equal(berth_space_bind(sp, &b, &s), 0);
		assert_int_equal(berth_space_release(sp, s, now_ms + 10, true), 0);
		assert_int_equal(berth_space_advance(sp, now_ms + 20, 0, NULL, NULL), 0);
		assert_true(berth_space_bind(sp, &b, &s) < 0);
		now_ms += INT32_MAX;
		assert_int_equal(berth_space_advance(sp, now_ms - 1, 0, NULL, NULL), 0);
		assert_int_equal(berth_space_advance(sp, now_ms, 0, NULL, NULL), 1);
		assert_int_equal(berth_space_bind(sp, &b, &s), 0);
		assert_int_equal(berth_space_release(sp, s, now_ms, false), 0);
		end();
		now_ms = before;
	}
}

/* No system port is chosen, with the right neither; of a range that has others these are, all of them. */
static void test_system_ports(void **state)
{
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	struct berth_space_bind b = { .local = 1 };
	struct berth_space_counts n;
	berth_space_socket s;

	(void)state;
	for (unsigned policy = 0; policy < BERTH_SPACE_POLICY_COUNT; policy++) {
		if (policy == BERTH_SPACE_HABIT)
			continue;
		begin(policy, 960, 1030, 200);
		assert_int_equal(berth_space_set_owner(sp, 0, 0, BERTH_SPACE_SYSTEM), 0);
		for (int i = 0; i < 500; i++) {
			w.rnd = b.rnd = random64();
			if (!berth_space_connect(sp, &w, &s)) {
				assert_in_range(port_of(s), 1024, 1030);
				berth_space_release(sp, s, 0, false);
			}
			if (!berth_space_bind(sp, &b, &s)) {
				assert_in_range(port_of(s), 1024, 1030);
				berth_space_release(sp, s, 0, false);
			}
		}
		assert_int_equal(berth_space_count(sp, 1, &n), 0);
		assert_int_equal(n.free, 7);
		assert_int_equal(berth_space_headroom(sp, 1, &w.remote, 443), 7);
		assert_int_equal(berth_space_set_range(sp, 600, 1023), 0);
		twin.first = 600;
		twin.last = 1023;
		assert_int_equal(berth_space_connect(sp, &w, &s), BERTH_SPACE_E_RANGE);
		assert_int_equal(berth_space_bind(sp, &b, &s), BERTH_SPACE_E_RANGE);
		end();
	}
	/* Who has no system ports says so. */
	config.system_end = 1;
	begin(BERTH_SPACE_UNIFORM, 600, 600, 200);
	assert_int_equal(berth_space_connect(sp, &w, &s), 0);
	assert_int_equal(port_of(s), 600);
	berth_space_release(sp, s, 0, false);
	end();
}

/* Both ends of a pair are of one family, and neither is "any". */
static void test_families(void **state)
{
	const struct berth_address wrong[] = { v6(9), v6(0), v4(0, 0, 0, 0) };
	struct berth_space_connect w = { .local = 1, .remote_port = 443 };
	struct berth_space_bind b = { .local = 1, .port = 5000 };
	berth_space_socket bound, listener, s;

	(void)state;
	begin(BERTH_SPACE_UNIFORM, 40000, 40100, 100);
	assert_int_equal(berth_space_bind(sp, &b, &bound), 0);
	b.port++;
	assert_int_equal(berth_space_bind(sp, &b, &listener), 0);
	assert_int_equal(berth_space_listen(sp, listener), 0);
	for (int i = 0; i < 3; i++) {
		w.remote = wrong[i];
		assert_int_equal(berth_space_connect(sp, &w, &s), BERTH_SPACE_E_INVALID);
		assert_int_equal(berth_space_connect_bound(sp, bound, &w), BERTH_SPACE_E_INVALID);
		assert_int_equal(berth_space_accept(sp, listener, &w, &s), BERTH_SPACE_E_INVALID);
	}
	w.local = 4;
	w.remote = v4(192, 0, 2, 1);
	assert_int_equal(berth_space_connect(sp, &w, &s), BERTH_SPACE_E_INVALID);
	w.remote = v6(9);
	assert_int_equal(berth_space_connect(sp, &w, &s), 0);
	berth_space_release(sp, s, 0, false);
	berth_space_release(sp, bound, 0, false);
	berth_space_release(sp, listener, 0, false);
	end();
}

/*
 * 65,536 connections on one port of two addresses are more than a wildcard's count of 16 bits has: with a wildcard the
 * last ones are refused, and beside them no wildcard comes.
 */
static void test_full_count(void **state)
{
	const struct berth_space_room room = { 65600, 65600, 10 };
	const struct berth_address any = v4(0, 0, 0, 0);
	struct berth_space_connect w = { .remote_port = 443 };
	struct berth_space_bind b = { .port = 50000 };
	berth_space_socket s = 0;
	uint16_t local;
	uint32_t i;

	(void)state;
	config.policy = BERTH_SPACE_SEQUENTIAL;
	config.first = config.last = 50000;
	for (int late = 0; late < 2; late++) {
		assert_int_equal(berth_space_new(&config, &memory, &sp), 0);
		twin_space_init(&twin, 50000, 50000);
		add_local(v4(10, 0, 0, 1));
		add_local(v4(10, 0, 0, 2));
		if (!late)
			assert_int_equal(berth_space_add_local(sp, &any, &local), 0);
		assert_int_equal(berth_space_make_room(sp, &room), 0);
		for (i = 0; i < 65536; i++) {
			w.local = i & 1;
			w.remote = v4(192, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);
			if (berth_space_connect(sp, &w, &s))
				break;
		}
		assert_int_equal(i, late ? 65536 : 65533);
		/* One that goes on one address makes room for one on the other, and no more. */
		w.remote = v4(192, 0, 0, 0);
		w.local = 1;
		if (!late) {
			s = berth_space_find(sp, 0, 50000, &w.remote, 443);
			assert_int_equal(berth_space_release(sp, s, 0, false), 0);
			assert_int_equal(berth_space_connect(sp, &w, &s), 0);
			w.local = 0;
			assert_int_equal(berth_space_connect(sp, &w, &s), BERTH_SPACE_E_BOUND);
		}
		if (late)
			assert_int_equal(berth_space_add_local(sp, &any, &local),
					 BERTH_SPACE_E_INVALID);
		b.local = late ? 0 : local;
		assert_int_equal(berth_space_bind(sp, &b, &s), BERTH_SPACE_E_HELD);
		/* One less than too many. */
		for (; late && i > 65530; i--) {
			w.remote = v4(192, 0, (uint8_t)((i - 1) >> 8), (uint8_t)(i - 1));
			s = berth_space_find(sp, (i - 1) & 1, 50000, &w.remote, 443);
			assert_int_equal(berth_space_release(sp, s, 0, false), 0);
		}
		if (late)
			assert_int_equal(berth_space_add_local(sp, &any, &local), 0);
		b.local = local;
		assert_int_equal(berth_space_bind(sp, &b, &s), BERTH_SPACE_E_HELD);
		berth_space_free(sp);
	}
	memset(&config, 0, sizeof(config));
}

/* Who may not bind because of sockets that all rest is told so; one that lives is the reason otherwise. */
static void test_reason_rests(void **state)
{
	struct berth_space_bind b = { .local = 1, .port = 5000 },
				other = { .local = 2, .port = 5000 },
				any = { .local = 0, .port = 5000 };
	struct berth_space_connect w = { .local = 1,
					 .remote = v4(192, 0, 2, 1),
					 .remote_port = 443 };
	berth_space_socket s, t;

	(void)state;
	for (int i = 0; i < 3; i++) {
		config.rest_port_ms = config.rest_pair_ms = 1000;
		begin(BERTH_SPACE_UNIFORM, 40000, 40100, 100);
		/* On the address, on the wildcard, connected. */
		assert_int_equal(berth_space_bind(sp, i == 1 ? &any : &b, &s), 0);
		assert_int_equal(berth_space_bind(sp, &b, &t), BERTH_SPACE_E_HELD);
		assert_int_equal(berth_space_bind(sp, &any, &t), BERTH_SPACE_E_HELD);
		if (i == 2)
			assert_int_equal(berth_space_connect_bound(sp, s, &w), 0);
		assert_int_equal(berth_space_release(sp, s, now_ms, true), 0);
		assert_int_equal(berth_space_bind(sp, &b, &t), BERTH_SPACE_E_RESTING);
		assert_int_equal(berth_space_bind(sp, &any, &t), BERTH_SPACE_E_RESTING);
		if (i != 1) {
			assert_int_equal(berth_space_bind(sp, &other, &t), 0);
			assert_int_equal(berth_space_bind(sp, &b, &s), BERTH_SPACE_E_RESTING);
			assert_int_equal(berth_space_bind(sp, &any, &s), BERTH_SPACE_E_HELD);
			assert_int_equal(berth_space_release(sp, t, now_ms, false), 0);
		}
		now_ms += 1000;
		assert_int_equal(berth_space_advance(sp, now_ms, 0, NULL, NULL), 1);
		assert_int_equal(berth_space_bind(sp, &any, &t), 0);
		assert_int_equal(berth_space_release(sp, t, now_ms, false), 0);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_rest),    cmocka_unit_test(test_long_rest),
		cmocka_unit_test(test_system_ports), cmocka_unit_test(test_families),
		cmocka_unit_test(test_full_count),   cmocka_unit_test(test_reason_rests),
	};

	random_begin("space, edges");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
