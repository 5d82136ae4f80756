/* SPDX-License-Identifier: BSD-2-Clause */
/* What is left of a lane, which is worse, when the search gets slow, when it ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "src/core/headroom.h"
#include "src/core/range.h"

static struct berth_headroom lane(uint32_t capacity, uint32_t used)
{
	return (struct berth_headroom){ .capacity = capacity, .used = used };
}

static void test_free_and_share(void **state)
{
	static const struct {
		uint32_t capacity, used, left, permille;
	} row
		[] = { { 28232, 0, 28232, 0 },
		       { 28232, 28231, 1, 999 }, /* not full: not 1000 */
		       { 28232, 28232, 0, 1000 },
		       { 28232, 30000, 0, 1000 }, /* more than the range has: it was larger once */
		       { 1000, 800, 200, 800 },
		       { 1000, 799, 201, 799 },
		       { 65535, 65534, 1, 999 },
		       { 0, 0, 0, 1000 } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct berth_headroom h = lane(row[i].capacity, row[i].used);

		assert_int_equal(berth_headroom_free(&h), row[i].left);
		assert_int_equal(berth_headroom_permille(&h), row[i].permille);
	}
}

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

/* Rows from the worst to the best: each against each. */
static void test_order(void **state)
{
	const struct berth_headroom row[] = {
		lane(100, 100),     lane(28232, 28231), lane(100, 99),
		lane(1000, 990),    lane(65535, 32768), lane(100, 50),
		lane(28232, 14116), lane(10, 0),        lane(28232, 0)
	};
	const int n = (int)(sizeof(row) / sizeof(*row));
	struct berth_headroom none = lane(0, 0);
	int i, j;

	(void)state;
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			assert_int_equal(sign(berth_headroom_compare(&row[i], &row[j])),
					 sign(i - j));
	/* No port at all is as bad as none left. */
	assert_int_equal(berth_headroom_compare(&none, &row[0]), 0);
	assert_int_equal(berth_headroom_compare(&none, &row[1]), -1);
}

static void test_slow(void **state)
{
	static struct berth_portset s;
	struct berth_headroom h = lane(28232, 14115);
	uint32_t port;

	(void)state;
	berth_portset_add_range(&s, (struct berth_range){ 32768, 60999 });
	assert_int_equal(berth_headroom_slow_at(&s, 32768), 14116);
	assert_int_equal(berth_headroom_slow_at(&s, 32769), 14116);
	/* Ports that cannot be chosen do not delay it: here all even ones but 20. */
	for (port = 32768; port < 60960; port += 2)
		berth_portset_remove(&s, port);
	assert_int_equal(berth_headroom_slow_at(&s, 32768), 20);
	assert_int_equal(berth_headroom_slow_at(&s, 32769), 14116);
	h.slow_at = 14116;
	assert_false(berth_headroom_is_slow(&h));
	h.used++;
	assert_true(berth_headroom_is_slow(&h));
	h.slow_at = 0;
	assert_false(berth_headroom_is_slow(&h));
}

static void test_rate_and_end(void **state)
{
	struct berth_headroom h = lane(1000, 900);

	(void)state;
	assert_true(berth_headroom_rate(100, 150, 2) == 25);
	assert_true(berth_headroom_rate(150, 100, 2) == -25);
	assert_true(berth_headroom_rate(100, 150, 0) == 0);
	assert_true(berth_headroom_rate(0, 4000000000u, 1) == 4e9);
	assert_true(berth_headroom_eta_s(&h, 25) == 4);
	assert_true(berth_headroom_eta_s(&h, 0) == -1);
	assert_true(berth_headroom_eta_s(&h, -25) == -1);
	h.used = 1000;
	assert_true(berth_headroom_eta_s(&h, 25) == 0);
	assert_true(berth_headroom_eta_s(&h, -25) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_and_share),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_rate_and_end),
	};

	return cmocka_run_group_tests_name("headroom", tests, NULL, NULL);
}
