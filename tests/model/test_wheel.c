/* SPDX-License-Identifier: BSD-2-Clause */
/* The timing wheel against a list of times: random steps, the wrap of the clock, and damage that must be seen. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "src/core/wheel.h"
#include "random.h"

#define NODES 300u

struct entry {
	char before[8];
	struct berth_wheel_node timer;
};

static struct berth_wheel wheel;
static struct entry entry[NODES];
static struct berth_wheel_nodes nodes = { &entry[0].timer, sizeof(struct entry) };
static bool on[NODES];
static uint32_t when[NODES], now, count;

static void begin(uint32_t at)
{
	uint32_t i;

	now = at;
	count = 0;
	berth_wheel_init(&wheel, now);
	memset(on, 0, sizeof(on));
	for (i = 0; i < NODES; i++)
		entry[i].timer.prev = BERTH_WHEEL_OUT;
}

static void add(uint32_t i, uint32_t ahead)
{
	berth_wheel_add(&wheel, nodes, i, now + ahead);
	on[i] = true;
	when[i] = now + (ahead ? ahead : 1);
	count++;
}

/* The soonest time on the list, at most `to`; out_when is how far ahead. */
static bool soonest(uint32_t to, uint32_t *out_ahead)
{
	uint32_t i, best = UINT32_MAX;

	for (i = 0; i < NODES; i++)
		if (on[i] && when[i] - now < best)
			best = when[i] - now;
	*out_ahead = best;
	return best <= to - now;
}

/* All that is due comes out, in the order of time, and nothing else. */
static void advance(uint32_t to)
{
	uint32_t ahead;
	int64_t i;

	while ((i = berth_wheel_pop(&wheel, nodes, to)) >= 0) {
		assert_true(soonest(to, &ahead));
		assert_true(i < NODES && on[i]);
		assert_int_equal(when[i], now + ahead);
		assert_int_equal(wheel.now, when[i]);
		assert_false(berth_wheel_has(nodes, (uint32_t)i));
		now = when[i];
		on[i] = false;
		count--;
	}
	assert_false(soonest(to, &ahead));
	now = to;
	assert_int_equal(wheel.now, now);
	assert_int_equal(wheel.count, count);
}

static uint32_t some_ahead(void)
{
	return (uint32_t)(random64() & ((1ULL << random_below(32)) - 1)) & INT32_MAX;
}

static void step(void)
{
	uint32_t i = random_below(NODES);

	if (random_below(20) == 0) {
		advance(now + (some_ahead() >> random_below(20)));
	} else if (!on[i]) {
		add(i, some_ahead());
	} else if (random_below(3) == 0) {
		assert_true(berth_wheel_has(nodes, i));
		berth_wheel_remove(&wheel, nodes, i);
		on[i] = false;
		count--;
	}
}

static void test_random_steps(void **state)
{
	static const uint32_t starts[] = { 0, 1, 0x7ffffff0, 0xfffffff0, 0xffffffff, 0xc0000000 };
	uint32_t s, i;

	(void)state;
	for (s = 0; s < 6; s++) {
		begin(starts[s]);
		for (i = 0; i < 60000; i++)
			step();
		advance(now + INT32_MAX);
		assert_int_equal(count, 0);
	}
}

/* The clock steps by one over the ends of all levels. */
static void test_every_tick(void **state)
{
	uint32_t i;

	(void)state;
	begin(0xffffff00);
	for (i = 0; i < 5000; i++) {
		uint32_t n = i % NODES;

		if (!on[n])
			add(n, i % 700);
		advance(now + 1);
	}
}

/* Back in time is nothing; what is late is due at the next tick. */
static void test_late(void **state)
{
	(void)state;
	begin(1000);
	berth_wheel_add(&wheel, nodes, 3, 900);
	assert_int_equal(berth_wheel_pop(&wheel, nodes, 999), -1);
	assert_int_equal(wheel.now, 1000);
	assert_int_equal(berth_wheel_pop(&wheel, nodes, 1000), -1);
	assert_int_equal(berth_wheel_pop(&wheel, nodes, 1001), 3);
	assert_int_equal(berth_wheel_pop(&wheel, nodes, 1001), -1);
}

/* A caller's clock ahead of the wheel's does not make a far time the past; one behind it counts from where it is. */
static void test_after(void **state)
{
	static const uint32_t starts[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	static const uint32_t spans[] = { 1, 64, 5000, 0x3fffffff, 0x40000000, 0x7ffffffe };
	uint32_t s, i, k;

	(void)state;
	for (s = 0; s < 5; s++)
		for (i = 0; i < 36; i++) {
			uint32_t ms = spans[i / 6], lag = spans[i % 6], due;

			begin(starts[s]);
			k = ms + lag > INT32_MAX ? INT32_MAX : ms + lag;
			due = now + k;
			berth_wheel_add_after(&wheel, nodes, 3, now + lag, ms);
			k = ms > lag ? ms - lag : 1;
			berth_wheel_add_after(&wheel, nodes, 4, now - lag, ms);
			assert_int_equal(entry[3].timer.when, due);
			assert_int_equal(entry[4].timer.when, now + k);
			berth_wheel_remove(&wheel, nodes, 4);
			assert_int_equal(berth_wheel_pop(&wheel, nodes, due - 1), -1);
			assert_int_equal(berth_wheel_pop(&wheel, nodes, due), 3);
		}
}

/* A timer whose time was changed behind the wheel's back comes out of order, or never: the list sees it. */
static void test_sabotage(void **state)
{
	uint32_t ahead;
	int64_t i;

	(void)state;
	begin(0);
	add(1, 100);
	add(2, 5000);
	entry[2].timer.when = 300000;
	i = berth_wheel_pop(&wheel, nodes, 5000);
	assert_int_equal(i, 1);
	on[1] = false;
	assert_int_equal(berth_wheel_pop(&wheel, nodes, 5000), -1);
	assert_true(soonest(5000, &ahead));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_steps), cmocka_unit_test(test_every_tick),
		cmocka_unit_test(test_late),         cmocka_unit_test(test_after),
		cmocka_unit_test(test_sabotage),
	};

	random_begin("wheel");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
