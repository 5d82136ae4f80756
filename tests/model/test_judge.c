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
#include "src/sim/flows.h"
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
		assert_int_equal(
			berth_judge_habit(&j, ranges, true, rows[i].habit == BERTH_HABIT_MACOS_UDP),
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

/* Ways to choose that no step betrays: what repeats does. */
enum hidden { TWO_IN_TURN, THREE, EIGHT, OF_64, OF_1024, BLOCK, STRIDE, TWO_LINUX };

static uint16_t hidden_port(enum hidden how, uint32_t i, uint32_t *at, struct berth_random *r)
{
	uint32_t k = berth_below(berth_random_draw(r), 8);

	switch (how) {
	case TWO_IN_TURN:
		return (uint16_t)(at[i & 1] += 1);
	case THREE:
		return (uint16_t)(at[k % 3] += 1);
	case EIGHT:
		return (uint16_t)(at[k] += 1);
	case OF_64:
		return (uint16_t)at[berth_below(berth_random_draw(r), 64)];
	case OF_1024:
		return (uint16_t)at[berth_below(berth_random_draw(r), 1024)];
	case BLOCK:
		return (uint16_t)(at[0] + berth_below(berth_random_draw(r), 300));
	case STRIDE:
		at[0] += 7919;
		return (uint16_t)(1024 + at[0] % 64512);
	default:
		return (uint16_t)(at[k & 1] += 2 + 2 * berth_below(berth_random_draw(r), 8));
	}
}

static void judge_hidden(enum hidden how, uint32_t n, uint64_t seed)
{
	struct berth_random r = { seed };
	uint32_t at[1024], i;

	for (i = 0; i < 1024; i++)
		at[i] = 1024 + 2 * berth_below(berth_random_draw(&r), 27000);
	for (i = 0; i < n; i++)
		port[i] = hidden_port(how, i, at, &r);
	berth_judge(port, n, NULL, &j);
}

/* Each was called random, with one to ten bits beside it. */
static void what_repeats_is_found(void **unused)
{
	static const struct {
		enum hidden how;
		uint32_t n;
	} rows[] = { { TWO_IN_TURN, 10 }, { TWO_IN_TURN, 1000 }, { THREE, 50 },    { THREE, 200 },
		     { EIGHT, 200 },      { EIGHT, 4000 },       { OF_64, 50 },    { OF_64, 1000 },
		     { OF_1024, 200 },    { OF_1024, 4000 },     { BLOCK, 20 },    { BLOCK, 1000 },
		     { STRIDE, 10 },      { STRIDE, 500 },       { TWO_LINUX, 20 } };
	uint64_t seed;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (seed = 1; seed <= 50; seed++) {
			judge_hidden(rows[i].how, rows[i].n, seed);
			assert_true(berth_shape_is_finding(j.shape));
			assert_true(j.bits_high >= 0 && j.bits_high < 12);
		}
}

/* How often a fair choice is called bad, at each size of sample: hardly ever. */
static void fair_rows_are_fair_at_any_size(void **unused)
{
	static const struct berth_range ranges[] = {
		{ 1024, 65535 }, { 32768, 60999 }, { 49152, 65535 }, { 60000, 62047 }
	};
	static const size_t sizes[] = { 8, 10, 50, 200, 1000 };
	uint32_t found = 0, rows = 0, i, k;
	uint64_t seed;

	(void)unused;
	for (i = 0; i < 4; i++)
		for (k = 0; k < 5; k++)
			for (seed = 0; seed < 200; seed++, rows++) {
				judge_habit(BERTH_HABIT_UNIFORM, ranges[i], sizes[k], true,
					    seed * 64 + i * 8 + k);
				found += berth_shape_is_finding(j.shape);
			}
	assert_true(found * 1000 <= rows);
}

/* A walk of Linux is known from eight connections on, and where it begins anew after each third. */
static void short_walks_of_linux_are_known(void **unused)
{
	struct berth_range ranges[BERTH_HABIT_COUNT] = { [BERTH_HABIT_LINUX] = { 32768, 60999 } };
	struct berth_random r = { 6 };
	uint32_t i, at = 0;
	uint64_t seed;

	(void)unused;
	for (seed = 1; seed <= 50; seed++) {
		judge_habit(BERTH_HABIT_LINUX, linux_range, 8, true, seed);
		if (j.seen.last - j.seen.first > 1000)
			continue; /* round the end, or a new key */
		assert_int_equal(berth_judge_habit(&j, ranges, true, false), BERTH_HABIT_LINUX);
	}
	for (i = 0; i < 300; i++) {
		if (i % 3 == 0)
			at = 32768 + 2 * berth_below(berth_random_draw(&r), 14000);
		port[i] = (uint16_t)(at += 2 + 2 * berth_below(berth_random_draw(&r), 8));
	}
	berth_judge(port, 300, NULL, &j);
	assert_int_equal(berth_judge_habit(&j, ranges, true, false), BERTH_HABIT_LINUX);
	for (i = 0; i < 300; i++)
		port[i]++;
	berth_judge(port, 300, NULL, &j);
	assert_int_equal(berth_judge_habit(&j, ranges, true, false), -1);
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
	assert_true(j.bits_low <= 0 && j.bits_high >= 0 && j.bits_high < 0.2);
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
	uint64_t in_streams, evicted_ports;
	size_t k;
	uint32_t i;

	(void)unused;
	for (k = 0; k < 4; k++) {
		void *memory = malloc(berth_streams_size(limit[k][0], limit[k][1]));
		struct berth_streams *t = berth_streams_init(memory, limit[k][0], limit[k][1]);

		for (i = 0; i < 20000; i++) {
			struct berth_frame f = frame_of(
				(uint8_t)berth_below(berth_random_draw(&r), 3),
				(uint8_t)berth_below(berth_random_draw(&r), 50), (uint16_t)(i + 1));

			berth_streams_add(t, &f, true);
		}
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
		assert_int_equal(in_streams + evicted_ports, 2 * 20000);
		assert_true((k == 3) == (evicted_ports == 0));
		free(memory);
	}
}

/* ---- flows ---- */

static struct berth_flows *flows_of(uint32_t n)
{
	struct berth_flows *t = malloc(berth_flows_size(n));

	assert_non_null(t);
	return berth_flows_init(t, n);
}

static struct berth_frame answer_to(const struct berth_frame *f)
{
	struct berth_frame back = { .source_port = f->destination_port,
				    .destination_port = f->source_port,
				    .protocol = f->protocol,
				    .client = true }; /* by its ports it might be */

	memcpy(back.source, f->destination, 16);
	memcpy(back.destination, f->source, 16);
	return back;
}

static void what_is_sent_again_opens_no_flow(void **unused)
{
	struct berth_flows *t = flows_of(1024);
	struct berth_frame f = frame_of(1, 1, 5000), g = frame_of(1, 1, 5001), back;

	(void)unused;
	f.client = g.client = true;
	f.id = g.id = 77;
	assert_true(berth_flows_opens(t, &f, 0));
	assert_true(berth_flows_opens(t, &g, 1));
	/* Again, another port in between; then the port with a new number: chosen anew. */
	assert_false(berth_flows_opens(t, &f, 1000));
	assert_false(berth_flows_opens(t, &g, 1001));
	assert_false(berth_flows_opens(t, &f, 63000));
	f.id++;
	assert_true(berth_flows_opens(t, &f, 63001));
	/* Datagrams of a flow, both ways; after two minutes of silence another flow. */
	f.protocol = 17;
	f.id = 0;
	assert_true(berth_flows_opens(t, &f, 1000));
	back = answer_to(&f);
	assert_false(berth_flows_opens(t, &back, 1001));
	assert_false(berth_flows_opens(t, &f, 100000));
	assert_false(berth_flows_opens(t, &f, 219999));
	assert_true(berth_flows_opens(t, &f, 339999));
	/* Who answers first was there before: neither is the opener by chance. */
	g.protocol = 17;
	g.client = false;
	assert_false(berth_flows_opens(t, &g, 5));
	back = answer_to(&g);
	assert_false(berth_flows_opens(t, &back, 6));
	assert_int_equal(berth_flows_lost(t), 0);
	free(t);
}

static void a_resolver_that_keeps_its_port_is_seen(void **unused)
{
	struct berth_flows *t = flows_of(1024);
	struct berth_frame f = frame_of(1, 1, 5000);
	uint32_t i, n = 0;

	(void)unused;
	f.protocol = 17;
	f.destination_port = 53;
	f.client = true;
	/* A and AAAA, asked twice, each pair a second after the one before: one choice a pair. */
	for (i = 0; i < 40; i++) {
		f.id = 100 + i / 4 * 2 + i % 2;
		n += berth_flows_opens(t, &f, 50 + i / 4 * 1000 + i % 4);
	}
	assert_int_equal(n, 10);
	free(t);
}

/* One socket of UDP that speaks with many has chosen once; of TCP, and to port 53, each flow counts. */
static void one_socket_speaks_with_many(void **unused)
{
	struct berth_flows *t = flows_of(1024);
	struct berth_frame f = frame_of(1, 1, 5000);
	uint32_t i, n[3] = { 0, 0, 0 };

	(void)unused;
	f.client = true;
	for (i = 0; i < 50; i++) {
		f.destination[15] = (uint8_t)i;
		f.protocol = 17;
		f.destination_port = 443;
		n[0] += berth_flows_opens_socket(t, &f, i);
		f.destination_port = 53;
		n[1] += berth_flows_opens_socket(t, &f, i);
		f.protocol = 6;
		n[2] += berth_flows_opens_socket(t, &f, i);
	}
	assert_true(n[0] == 1 && n[1] == 50 && n[2] == 50);
	free(t);
}

static void flows_that_are_forgotten_are_counted(void **unused)
{
	struct berth_flows *t = flows_of(8);
	struct berth_frame f;
	uint32_t i;

	(void)unused;
	for (i = 0; i < 20; i++) {
		f = frame_of(1, 1, (uint16_t)(5000 + i));
		f.client = true;
		assert_true(berth_flows_opens(t, &f, 10 + i));
	}
	assert_int_equal(berth_flows_lost(t), 12);
	/* The ones that were quiet longest went: the last eight are there. */
	for (i = 12; i < 20; i++) {
		f = frame_of(1, 1, (uint16_t)(5000 + i));
		assert_false(berth_flows_opens(t, &f, 100));
	}
	/* Time that goes back a little is now. */
	f = frame_of(1, 1, 5012);
	assert_false(berth_flows_opens(t, &f, 90));
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_as_it_was_measured),
		cmocka_unit_test(each_system_is_recognised),
		cmocka_unit_test(uniform_rows_are_left_alone),
		cmocka_unit_test(biased_rows_are_found),
		cmocka_unit_test(what_repeats_is_found),
		cmocka_unit_test(fair_rows_are_fair_at_any_size),
		cmocka_unit_test(short_walks_of_linux_are_known),
		cmocka_unit_test(few_samples_say_little),
		cmocka_unit_test(a_slight_slope_is_no_finding),
		cmocka_unit_test(holes_are_found),
		cmocka_unit_test(streams_keep_or_count),
		cmocka_unit_test(what_is_sent_again_opens_no_flow),
		cmocka_unit_test(a_resolver_that_keeps_its_port_is_seen),
		cmocka_unit_test(one_socket_speaks_with_many),
		cmocka_unit_test(flows_that_are_forgotten_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
