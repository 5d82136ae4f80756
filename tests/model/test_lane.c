/* SPDX-License-Identifier: BSD-2-Clause */
/* The lane against its naive twin: random steps over pools of all sizes, edges, and damage. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lane_twin.h"
#include "random.h"

#define REST_NS 1000000000ull

static struct berth_portset pool;
static struct berth_lane lane;
static struct twin twin;
static uint64_t now_ns;

static void right(const char *wrong)
{
	if (wrong)
		fail_msg("%s", wrong);
}

/* A pool of the ports first, first + stride, ...; wraps at 65,535. */
static void begin(uint32_t first, uint32_t stride, uint32_t ports)
{
	memset(&pool, 0, sizeof(pool));
	for (; ports; ports--, first += stride)
		berth_portset_add(&pool, first & 65535);
	memset(&lane, 0xa5, sizeof(lane));
	berth_lane_init(&lane, &pool);
	twin_init(&twin, &pool);
	right(twin_compare(&twin, &lane, now_ns, REST_NS));
}

static int32_t take(enum berth_policy policy)
{
	struct berth_lane_want want = { policy, random_below(pool.count), (uint32_t)random64(),
					now_ns, REST_NS };
	int32_t port;

	right(twin_take(&twin, &lane, &pool, &want, &port));
	return port;
}

static void drop(uint32_t port)
{
	twin_drop(&twin, &lane, port, now_ns, REST_NS);
}

/* Mostly nothing, often microseconds, now and then seconds. */
static void pass_time(void)
{
	uint32_t chance = random_below(1000);

	if (chance < 500)
		now_ns += random_below(20000);
	else if (chance < 510)
		now_ns += random_below((uint32_t)REST_NS / 4);
	else if (chance == 510)
		now_ns += random_below(4000000000u);
}

/* Random steps; greed is how many of 100 are takes, held how many taken ports turn out to be foreign. */
static void steps(enum berth_policy policy, uint32_t n, uint32_t greed, uint32_t held)
{
	int32_t port;

	for (; n; n--) {
		pass_time();
		if (random_below(100) < greed) {
			port = take(policy);
			if (port >= 0 && random_below(100) < held)
				twin_park(&twin, &lane, (uint32_t)port);
		} else if (random_below(20)) {
			port = twin_next(&twin, TWIN_USED, random_below(BERTH_PORTS));
			if (port >= 0)
				drop((uint32_t)port);
		} else if (random_below(2)) {
			drop((uint32_t)berth_portset_kth(&pool, random_below(pool.count)));
		} else {
			twin_park(&twin, &lane, random_below(BERTH_PORTS));
		}
	}
	right(twin_compare(&twin, &lane, now_ns, REST_NS));
}

static void test_random_steps(void **state)
{
	static const struct {
		uint32_t first, stride, ports, steps;
	} pools[] = {
		{ 65535, 1, 1, 1500 },   { 65535, 1, 2, 1500 },    { 40000, 1, 17, 4000 },
		{ 1024, 77, 300, 6000 }, { 32768, 1, 3000, 3000 }, { 32768, 1, 28232, 500 },
		{ 0, 1, 65536, 250 },
	};
	uint32_t i, policy;

	(void)state;
	for (i = 0; i < sizeof(pools) / sizeof(*pools); i++)
		for (policy = 0; policy < BERTH_POLICY_COUNT; policy++) {
			begin(pools[i].first, pools[i].stride, pools[i].ports);
			steps((enum berth_policy)policy, pools[i].steps, 60, 5);
			steps((enum berth_policy)policy, pools[i].steps, 90, 80);
			steps((enum berth_policy)policy, pools[i].steps, 30, 1);
			steps((enum berth_policy)policy, pools[i].steps, 50, 30);
		}
}

/* All 65,536 rest at once: the ring is full, and gives them back in order. */
static void test_full_ring(void **state)
{
	uint32_t p;

	(void)state;
	begin(0, 1, 65536);
	for (p = 0; p < BERTH_PORTS; p++)
		drop(p ^ 0x5555);
	assert_int_equal(berth_lane_resting(&lane), 65536);
	drop(7); /* rests already */
	right(twin_compare(&twin, &lane, now_ns, REST_NS));
	for (p = 0; p < 100; p++)
		assert_int_equal(take(BERTH_POLICY_LONGEST_IDLE), p ^ 0x5555);
	now_ns += REST_NS;
	assert_true(take(BERTH_POLICY_UNIFORM) >= 0);
	assert_int_equal(lane.idle.count, BERTH_LANE_DRAIN - 1);
}

/* Releases alone, for many rests: the marks do not run out, and the last one does not hold up the first. */
static void test_releases_only(void **state)
{
	uint32_t p;

	(void)state;
	begin(1024, 1, 4000);
	for (p = 0; p < 4000; p++) {
		now_ns += REST_NS / 100;
		drop(1024 + p);
	}
	for (p = 0; p < 200; p++)
		assert_true(take(BERTH_POLICY_UNIFORM) >= 0);
	right(twin_compare(&twin, &lane, now_ns, REST_NS));
	assert_true(lane.idle.count > 2900);
}

/* A clock that was read before another thread's but used after it makes nothing rest shorter. */
static void test_late_clock(void **state)
{
	struct berth_lane_want want = { BERTH_POLICY_UNIFORM, 0, 0, 0, REST_NS };
	enum berth_lane_from from;
	uint32_t i;

	(void)state;
	begin(5000, 1, 10);
	now_ns += 10 * REST_NS;
	for (i = 0; i < 10; i++)
		berth_lane_drop(&lane, 5000 + i, now_ns - i * 1000, REST_NS);
	want.now_ns = now_ns - 20000;
	assert_int_equal(berth_lane_take(&lane, &pool, &want, &from), 5000);
	assert_int_equal(from, BERTH_FROM_REST);
	/* The stretch is ended by a late clock, then rests from its last release on. */
	want.now_ns = now_ns + REST_NS / 2;
	assert_int_equal(berth_lane_take(&lane, &pool, &want, &from), 5001);
	want.now_ns = now_ns - 20000;
	assert_int_equal(berth_lane_take(&lane, &pool, &want, &from), 5002);
	assert_int_equal(from, BERTH_FROM_REST);
	/* The last release is the latest one, not the one that came last with an earlier time. */
	want.now_ns = now_ns + REST_NS - 5000;
	assert_int_equal(berth_lane_take(&lane, &pool, &want, &from), 5003);
	assert_int_equal(from, BERTH_FROM_REST);
	want.now_ns = now_ns + REST_NS;
	berth_lane_take(&lane, &pool, &want, &from);
	assert_int_equal(from, BERTH_FROM_IDLE);
}

/* All parked: one sweep tries each port once, then the lane says so until the pause is over. */
static void test_sweep(void **state)
{
	uint32_t i;
	int32_t port;

	(void)state;
	begin(65530, 1, 12);
	for (i = 0; i < 12; i++)
		twin_park(&twin, &lane, (uint32_t)take(BERTH_POLICY_SEQUENTIAL));
	for (i = 0; (port = take(BERTH_POLICY_SEQUENTIAL)) >= 0; i++)
		twin_park(&twin, &lane, (uint32_t)port);
	assert_in_range(i, 12, 13); /* and one that a take gave another chance */
	now_ns += 12ull * BERTH_LANE_SWEEP_NS - 1;
	assert_int_equal(take(BERTH_POLICY_SEQUENTIAL), -1);
	now_ns += 1;
	assert_true(take(BERTH_POLICY_SEQUENTIAL) >= 0);
}

static void swap_ring(struct berth_lane *l)
{
	uint16_t *a = &l->ring[l->head & 65535], *b = &l->ring[(l->head + 1) & 65535], was = *a;

	*a = *b;
	*b = was;
}

static void use_idle(struct berth_lane *l)
{
	int32_t port = berth_portset_kth(&l->idle, 3);

	l->used[port >> 6] |= 1ULL << (port & 63);
}

static void lose_idle(struct berth_lane *l)
{
	berth_portset_remove(&l->idle, (uint32_t)berth_portset_kth(&l->idle, 3));
}

static void lose_used(struct berth_lane *l)
{
	uint32_t w = 0;

	while (!l->used[w])
		w++;
	l->used[w] &= l->used[w] - 1;
}

static void lose_parked(struct berth_lane *l)
{
	berth_portset_remove(&l->parked, (uint32_t)berth_portset_kth(&l->parked, 0));
}

static void lose_rest(struct berth_lane *l)
{
	l->tail--;
}

static void rest_none(struct berth_lane *l)
{
	l->rested = l->tail;
}

static void test_sabotage(void **state)
{
	static void (*const damage[])(struct berth_lane *) = { swap_ring, use_idle,    lose_idle,
							       lose_used, lose_parked, lose_rest,
							       rest_none };
	static struct berth_lane good;
	uint32_t i, round;

	(void)state;
	for (round = 0; round < 30; round++) {
		begin(1024, 3, 400);
		steps(BERTH_POLICY_UNIFORM, 100, 60, 30);
		drop((uint32_t)take(BERTH_POLICY_UNIFORM));
		drop((uint32_t)take(BERTH_POLICY_UNIFORM));
		twin_park(&twin, &lane, (uint32_t)take(BERTH_POLICY_UNIFORM));
		take(BERTH_POLICY_UNIFORM);
		assert_true(berth_lane_resting(&lane) >= 2);
		good = lane;
		for (i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
			lane = good;
			right(twin_compare(&twin, &lane, now_ns, REST_NS));
			damage[i](&lane);
			assert_non_null(twin_compare(&twin, &lane, now_ns, REST_NS));
		}
	}
}

/* The checks inside a take see what the comparison of the whole does not: rest and liveness. */
static void test_sabotage_of_time(void **state)
{
	struct berth_lane_want want = { BERTH_POLICY_UNIFORM, 0, 5, 0, REST_NS };
	int32_t port;

	(void)state;
	begin(1024, 1, 100);
	drop(1030);
	want.now_ns = now_ns + REST_NS - 1;
	lane.rested = lane.tail;
	assert_non_null(twin_take(&twin, &lane, &pool, &want, &port));
	begin(1024, 1, 100);
	drop(1030);
	want.now_ns = now_ns + 2 * REST_NS;
	lane.marked = lane.tail;
	assert_non_null(twin_take(&twin, &lane, &pool, &want, &port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_steps),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_releases_only),
		cmocka_unit_test(test_late_clock),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_sabotage),
		cmocka_unit_test(test_sabotage_of_time),
	};

	random_begin("lane");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
