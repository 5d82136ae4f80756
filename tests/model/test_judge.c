/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The judge on rows whose nature is known: the habits of systems, with the figures measured on Linux, uniform rows,
 * and generators that are biased on purpose. Seeds are fixed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/habits.h"
#include "src/sim/judge.h"
#include "src/sim/random.h"
#include "src/sim/streams.h"

static struct berth_habit_state state;
static uint16_t port[BERTH_JUDGE_MAX];
static struct berth_judgement j;

/* n ports of a habit, to one destination or to one each; 100 connections a second. */
static void judge_habit(enum berth_habit habit, struct berth_range range, size_t n, bool one,
			uint64_t seed)
{
	struct berth_portset *pool = calloc(1, sizeof(*pool));
	struct berth_random r = { seed };
	struct berth_habit_ask ask = { .range = range,
				       .pool = pool,
				       .free = pool,
				       .draw = berth_random_draw,
				       .from = &r,
				       .hash = 99 };
	uint32_t tries;
	size_t i;

	assert_non_null(pool);
	berth_portset_add_range(pool, range);
	berth_habit_init(&state, habit, berth_random_draw, &r);
	for (i = 0; i < n; i++) {
		if (!one)
			ask.hash = berth_random64(&r);
		port[i] = (uint16_t)berth_habit_next(habit, &state, &ask, &tries);
	}
	free(pool);
	berth_judge(port, n, &range, &j);
}

static const struct berth_range linux_range = { 32768, 60999 };

/* Measured, 600 each: to one destination sigma 1,562 and lag-1 .995; to many 8,312, bind 7,954, UDP 8,162. */
static void linux_as_it_was_measured(void **unused)
{
	uint64_t seed;

	(void)unused;
	for (seed = 1; seed <= 20; seed++) {
		judge_habit(BERTH_HABIT_LINUX, linux_range, 600, true, seed);
		if (j.seen.last - j.seen.first > 10000)
			continue; /* the walk went round the end of the range */
		assert_true(fabs(j.sigma - 1562) < 120);
		assert_true(j.lag1 > 0.995);
		assert_true(j.odd <= 0);
		assert_int_equal(j.gcd, 2);
		assert_int_equal(j.oarc, BERTH_OARC_GOOD);
		assert_int_equal(j.shape, BERTH_SHAPE_SHORT_STEPS);
		/* Eight steps: three bits. */
		assert_true(j.bits_low > 2.8 && j.bits_low <= 3.001 && j.bits_high >= 2.999 &&
			    j.bits_high < 3.2);
	}
	judge_habit(BERTH_HABIT_LINUX, linux_range, 600, false, 7);
	assert_true(fabs(j.sigma - 8150) < 400 && j.odd <= 0 && j.gcd == 2);
	assert_int_equal(j.shape, BERTH_SHAPE_RANDOM);
	/* Half of the range: 13.8 bits, not 14.8. */
	assert_true(j.bits_high < 13.85 && j.oarc_bits < 13.9);
	judge_habit(BERTH_HABIT_LINUX_BIND, linux_range, 600, true, 7);
	assert_true(fabs(j.sigma - 8150) < 400 && j.odd >= 1);
	judge_habit(BERTH_HABIT_LINUX_UDP, linux_range, 600, true, 7);
	assert_true(fabs(j.sigma - 8150) < 400 && fabs(j.odd - 0.5) < 0.1 && j.gcd == 1);
	assert_int_equal(j.shape, BERTH_SHAPE_RANDOM);
}

static void each_system_is_recognised(void **unused)
{
	static const struct {
		enum berth_habit habit, like;
		struct berth_range range;
		enum berth_shape shape;
	} rows[] = {
		{ BERTH_HABIT_BSD_CLASSIC,
		  BERTH_HABIT_BSD_CLASSIC,
		  { 1024, 5000 },
		  BERTH_SHAPE_SEQUENTIAL },
		{ BERTH_HABIT_MACOS, BERTH_HABIT_MACOS, { 49152, 65535 }, BERTH_SHAPE_SEQUENTIAL },
		{ BERTH_HABIT_NETBSD_BSD,
		  BERTH_HABIT_NETBSD_BSD,
		  { 49152, 65535 },
		  BERTH_SHAPE_DESCENDING },
		{ BERTH_HABIT_NETBSD_RANDINC,
		  BERTH_HABIT_NETBSD_RANDINC,
		  { 49152, 65535 },
		  BERTH_SHAPE_LONG_STEPS },
		{ BERTH_HABIT_MACOS_UDP,
		  BERTH_HABIT_MACOS_UDP,
		  { 49152, 65535 },
		  BERTH_SHAPE_RANDOM },
		{ BERTH_HABIT_FREEBSD, BERTH_HABIT_FREEBSD, { 10000, 65535 }, BERTH_SHAPE_RANDOM },
		{ BERTH_HABIT_OPENBSD, BERTH_HABIT_OPENBSD, { 1024, 49151 }, BERTH_SHAPE_RANDOM },
		{ BERTH_HABIT_LINUX, BERTH_HABIT_LINUX, { 32768, 60999 }, BERTH_SHAPE_SHORT_STEPS },
		{ BERTH_HABIT_LINUX_BIND,
		  BERTH_HABIT_LINUX_BIND,
		  { 32768, 60999 },
		  BERTH_SHAPE_RANDOM },
		{ BERTH_HABIT_UNIFORM, BERTH_HABIT_COUNT, { 1024, 65535 }, BERTH_SHAPE_RANDOM },
	};
	struct berth_range ranges[BERTH_HABIT_COUNT] = { 0 };
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].habit != BERTH_HABIT_UNIFORM)
			ranges[rows[i].habit] = rows[i].range;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		judge_habit(rows[i].habit, rows[i].range, 400, true, 11);
		assert_int_equal(j.shape, rows[i].shape);
		assert_int_equal(berth_judge_habit(&j, ranges, true),
				 rows[i].like == BERTH_HABIT_COUNT ? -1 : (int)rows[i].like);
	}
}

/* Uniform rows: hardly one is called a pattern, and the bounds hold what is true. */
static void uniform_rows_are_left_alone(void **unused)
{
	uint32_t i, found = 0, low = 0, high = 0;
	double n_bits = log2(64512);

	(void)unused;
	for (i = 0; i < 1000; i++) {
		judge_habit(BERTH_HABIT_UNIFORM, (struct berth_range){ 1024, 65535 }, 600, true, i);
		found += berth_shape_is_finding(j.shape);
		low += j.bits_low > n_bits + 0.01;
		high += j.bits_high < n_bits - 0.01;
		assert_true(fabs(j.unique - j.unique_expected) < 12);
	}
	assert_true(found <= 5);
	/* 95 % bounds of two counts each. */
	assert_true(low <= 130 && high <= 130);
}

/* Generators that are biased in one way each; the judge must see it. */
static void biased_rows_are_found(void **unused)
{
	struct berth_range all = { 1024, 65535 };
	struct berth_random r = { 5 };
	size_t i;

	(void)unused;
	/* Squared: the low ports too often. */
	for (i = 0; i < 600; i++) {
		double u = berth_random_unit(&r);

		port[i] = (uint16_t)(1024 + 64511 * u * u);
	}
	berth_judge(port, 600, &all, &j);
	assert_int_equal(j.shape, BERTH_SHAPE_UNEVEN);
	/* A tenth as often above the middle. */
	for (i = 0; i < 600; i++)
		port[i] =
			(uint16_t)(1024 + berth_below(berth_random_draw(&r),
						      berth_random_unit(&r) < 0.3 ? 64512 : 32256));
	berth_judge(port, 600, &all, &j);
	assert_int_equal(j.shape, BERTH_SHAPE_UNEVEN);
	/* Half of the distance to a random port. */
	for (i = 0; i < 600; i++) {
		uint32_t fresh = 1024 + berth_below(berth_random_draw(&r), 64512);

		port[i] = (uint16_t)(i ? (port[i - 1] + fresh) / 2 : fresh);
	}
	berth_judge(port, 600, &all, &j);
	assert_int_equal(j.shape, BERTH_SHAPE_CORRELATED);
	/* Up and down in turn. */
	for (i = 0; i < 600; i++)
		port[i] = (uint16_t)(1024 + berth_below(berth_random_draw(&r), 32256) +
				     (i & 1) * 32256);
	berth_judge(port, 600, &all, &j);
	assert_int_equal(j.shape, BERTH_SHAPE_CORRELATED);
	/* 64 ports all over the range: OARC says GREAT, six bits is what it is. */
	for (i = 0; i < 600; i++)
		port[i] = (uint16_t)(1024 + 1009 * berth_below(berth_random_draw(&r), 64));
	berth_judge(port, 600, &all, &j);
	assert_int_equal(j.oarc, BERTH_OARC_GREAT);
	assert_true(j.bits_high < 6.2 && j.bits_low > 5.6);
	/* A wide sequence: OARC says GREAT, and it is none. */
	for (i = 0; i < 4096; i++)
		port[i] = (uint16_t)(20000 + 7 * i);
	berth_judge(port, 4096, &all, &j);
	assert_int_equal(j.oarc, BERTH_OARC_GREAT);
	assert_int_equal(j.shape, BERTH_SHAPE_SHORT_STEPS);
	assert_true(j.bits_high < 0.1);
}

static void few_samples_say_little(void **unused)
{
	(void)unused;
	berth_judge(port, 0, NULL, &j);
	assert_int_equal(j.shape, BERTH_SHAPE_TOO_FEW);
	judge_habit(BERTH_HABIT_UNIFORM, linux_range, 1, true, 3);
	assert_int_equal(j.shape, BERTH_SHAPE_TOO_FEW);
	judge_habit(BERTH_HABIT_MACOS, linux_range, 7, true, 3);
	assert_int_equal(j.shape, BERTH_SHAPE_TOO_FEW);
	/* 20 ports that do not repeat: 190 pairs, at least log2(190 / 3) bits, and not 14.8. */
	judge_habit(BERTH_HABIT_UNIFORM, linux_range, 20, true, 3);
	assert_int_equal(j.unique, 20);
	assert_true(j.bits_low > 5 && j.bits_low < 6.2);
	memset(port, 7, sizeof(port));
	berth_judge(port, 30, NULL, &j);
	assert_int_equal(j.shape, BERTH_SHAPE_CONSTANT);
	assert_true(j.bits_low <= 0);
}

/* Every third port below 12,000 is missing: uneven, and hardly easier to guess. */
static void a_slight_slope_is_no_finding(void **unused)
{
	struct berth_random r = { 2 };
	size_t i;

	(void)unused;
	for (i = 0; i < 4000;) {
		uint32_t p = 1024 + berth_below(berth_random_draw(&r), 64512);

		if (p > 12000 || p % 3)
			port[i++] = (uint16_t)p;
	}
	berth_judge(port, 4000, NULL, &j);
	assert_true(j.chi2_p < 1e-4);
	assert_int_equal(j.shape, BERTH_SHAPE_RANDOM);
}

/* A pool with a gap is no bias; the gap is told. */
static void holes_are_found(void **unused)
{
	struct berth_random r = { 8 };
	size_t i;

	(void)unused;
	for (i = 0; i < 600; i++) {
		uint32_t p = berth_below(berth_random_draw(&r), 36280);

		port[i] = (uint16_t)(p < 31744 ? 1024 + p : 61000 + p - 31744);
	}
	berth_judge(port, 600, NULL, &j);
	assert_int_equal(j.shape, BERTH_SHAPE_RANDOM);
	assert_int_equal(j.holes, 1);
	assert_true(j.hole[0].first > 32000 && j.hole[0].first <= 32768 &&
		    j.hole[0].last >= 60999 && j.hole[0].last < 61600);
	assert_true(fabs(j.bits_high - log2(36280)) < 0.05);
}

/* ---- streams ---- */

static struct berth_frame frame_of(uint8_t host, uint8_t destination, uint16_t source_port)
{
	struct berth_frame f = { .source_port = source_port,
				 .destination_port = 443,
				 .protocol = 6 };

	f.source[15] = host;
	f.destination[15] = destination;
	return f;
}

/* Nothing is lost: what was added is in a stream, in its order, or counted as given up. */
static void streams_keep_or_count(void **unused)
{
	static uint16_t kept[BERTH_JUDGE_MAX];
	uint32_t limit[][2] = { { 64, 64 }, { 8, 1000 }, { 1000, 40 }, { 5000, 5000 } };
	struct berth_random r = { 3 };
	uint64_t added, in_streams, evicted_ports;
	size_t k;
	uint32_t i;

	(void)unused;
	for (k = 0; k < 4; k++) {
		void *memory = malloc(berth_streams_size(limit[k][0], limit[k][1]));
		struct berth_streams *t = berth_streams_init(memory, limit[k][0], limit[k][1]);

		for (added = 0, i = 0; i < 20000; i++) {
			struct berth_frame f = frame_of(
				(uint8_t)berth_below(berth_random_draw(&r), 3),
				(uint8_t)berth_below(berth_random_draw(&r), 50), (uint16_t)(i + 1));

			added += berth_streams_add(t, &f);
			assert_false(berth_streams_add(t, &f)); /* sent again */
		}
		assert_int_equal(added, 20000);
		for (in_streams = 0, i = 0; i < berth_streams_count(t); i++) {
			const struct berth_stream *s = berth_streams_get(t, i);
			size_t n, m;

			if (!s)
				continue;
			in_streams += s->seen;
			n = berth_streams_ports(t, s, kept);
			assert_int_equal(n, s->kept);
			for (m = 1; m < n; m++)
				assert_true(kept[m] > kept[m - 1]);
		}
		berth_streams_evicted(t, &evicted_ports);
		assert_int_equal(in_streams + evicted_ports, 2 * added);
		assert_true((k == 3) == (evicted_ports == 0));
		free(memory);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_as_it_was_measured),
		cmocka_unit_test(each_system_is_recognised),
		cmocka_unit_test(uniform_rows_are_left_alone),
		cmocka_unit_test(biased_rows_are_found),
		cmocka_unit_test(few_samples_say_little),
		cmocka_unit_test(a_slight_slope_is_no_finding),
		cmocka_unit_test(holes_are_found),
		cmocka_unit_test(streams_keep_or_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
