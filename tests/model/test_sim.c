/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulator against what is known: its seeds are fixed, so a figure that moves is a change of the code. The
 * bounds are those of the sources, or five standard deviations.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/sim/scenario.h"
#include "src/sim/track.h"

static struct berth_sim_tally tally, other;
static struct berth_sim_result result;

static struct berth_sim_load load_of(const char *scenario, enum berth_habit habit, uint64_t n,
				     uint32_t hosts)
{
	struct berth_sim_load load = berth_scenario_find(scenario)->load;

	load.habit = habit;
	load.range = berth_scenario_find(scenario)->range;
	if (!load.range.last)
		load.range = (struct berth_range){ 1024, 65535 };
	berth_portset_add_range(&load.pool, load.range);
	load.connections = n;
	load.hosts = hosts;
	load.seed = 1;
	return load;
}

static void play_parts(const struct berth_sim_load *load, uint32_t parts,
		       struct berth_sim_tally *out)
{
	static struct berth_sim_tally one;
	struct berth_why why;
	uint32_t i;

	assert_int_equal(berth_sim_check(load, &why), 0);
	memset(out, 0, sizeof(*out));
	for (i = 0; i < parts; i++) {
		void *memory = calloc(1, berth_sim_memory(load));

		assert_non_null(memory);
		memset(&one, 0, sizeof(one));
		berth_sim_play(load, i, parts, memory, &one);
		berth_sim_add(out, &one);
		free(memory);
	}
}

static void play(const struct berth_sim_load *load)
{
	play_parts(load, 1, &tally);
	berth_sim_figures(load, &tally, &result);
}

/* Threads play parts: their number must not show. */
static void parts_make_up_the_whole(void **unused)
{
	static const enum berth_habit habits[] = { BERTH_HABIT_UNIFORM, BERTH_HABIT_LINUX,
						   BERTH_HABIT_LONGEST_IDLE, BERTH_HABIT_MACOS };
	uint32_t i;

	(void)unused;
	for (i = 0; i < 4; i++) {
		struct berth_sim_load load = load_of("plain", habits[i], 50000, 7);

		play_parts(&load, 1, &tally);
		play_parts(&load, 3, &other);
		assert_memory_equal(&tally, &other, sizeof(tally));
		load.seed = 2;
		play_parts(&load, 1, &other);
		assert_memory_not_equal(&tally, &other, sizeof(tally));
	}
}

/* Little's law: rate * life time connections are open; none is refused, and no port is held twice. */
static void open_connections_follow_littles_law(void **unused)
{
	static const enum berth_sim_life lives[] = { BERTH_LIFE_FIXED, BERTH_LIFE_EXPONENTIAL,
						     BERTH_LIFE_PARETO };
	uint32_t i;

	(void)unused;
	for (i = 0; i < 3; i++) {
		struct berth_sim_load load = load_of("plain", BERTH_HABIT_UNIFORM, 400000, 4);
		double wanted = 1000 * 5.0 / 64512;

		load.rate_per_s = 1000;
		load.destinations = 1;
		load.life = lives[i];
		load.life_s = 5;
		load.close_client = load.close_server = 0;
		play(&load);
		assert_int_equal(tally.refused, 0);
		/* A Pareto tail of exponent 1.5 is not settled in so short a time. */
		assert_true(fabs(result.occupancy - wanted) < wanted * (i == 2 ? 0.15 : 0.02));
		/* TIME_WAIT at the client holds the pair as well. */
		load.close_client = 1;
		load.time_wait_s = 10;
		play(&load);
		wanted = 1000 * 15.0 / 64512;
		assert_true(fabs(result.occupancy - wanted) < wanted * (i == 2 ? 0.15 : 0.02));
	}
}

/* M/D/c with everybody in excess refused: 28,232 ports give 28,232 / hold connections a second. */
static void exhaustion_refuses_the_rest(void **unused)
{
	struct berth_sim_load load = load_of("time-wait", BERTH_HABIT_UNIFORM, 2400000, 2);

	(void)unused;
	load.life = BERTH_LIFE_FIXED;
	play(&load);
	assert_true(fabs(result.refused - (1 - 28232 / 60.05 / 1000)) < 0.03);
	assert_int_equal(tally.missed, 0);
	assert_int_equal(tally.held_max, 28232);
	/* Algorithm 2 gives up although a port is free (RFC 6056 section 3.3.2), and only it. */
	load.habit = BERTH_HABIT_RANDOM_RETRY;
	load.connections = 100000;
	load.time_wait_s = 0.1;
	load.range.last = (uint16_t)(load.range.first + 99);
	memset(&load.pool, 0, sizeof(load.pool));
	berth_portset_add_range(&load.pool, load.range);
	play(&load);
	assert_true(tally.missed > 100 && tally.missed < tally.refused);
}

/* What collides is what the server holds: of a random choice, held pairs / ports. */
static void collisions_are_what_the_server_holds(void **unused)
{
	struct berth_sim_load load = load_of("plain", BERTH_HABIT_UNIFORM, 1000000, 4);
	double wanted = 100 * 60.0 / 64512;

	(void)unused;
	load.destinations = 1;
	load.rate_per_s = 100;
	load.close_client = 0;
	load.close_server = 1;
	load.life_s = 1e-3;
	play(&load);
	/* Who is hit holds on: the share of held pairs is 1 - exp(-rate * wait / ports). */
	wanted = -expm1(-wanted);
	assert_true(fabs(result.collisions - wanted) < 5 * sqrt(wanted / (double)tally.tried));
	load.close_server = 0;
	play(&load);
	assert_int_equal(tally.collisions, 0);
}

/* RFC 6056 section 3.5 of Allman 2009: at most 0.3 % for each of the algorithms. */
static void allman_at_most_three_in_a_thousand(void **unused)
{
	static const enum berth_habit habits[] = { BERTH_HABIT_RANDOM, BERTH_HABIT_RANDOM_RETRY,
						   BERTH_HABIT_HASH, BERTH_HABIT_DOUBLE_HASH,
						   BERTH_HABIT_RANDOM_INCREMENT };
	uint64_t hits[5];
	uint32_t i;

	(void)unused;
	for (i = 0; i < 5; i++) {
		struct berth_sim_load load = load_of("allman", habits[i], 400000, 20);

		load.destinations = 50;
		play(&load);
		hits[i] = tally.collisions;
		assert_true(result.collisions <= 0.003);
	}
	/* The walks collide least: a counter has to come round first. */
	assert_true(hits[2] == 0 && hits[3] == 0 && hits[0] > 100 && hits[1] > 100 &&
		    hits[4] > 100);
}

struct claim {
	enum berth_habit habit;
	double other[2], same[2]; /* one guess hits, from and to */
	uint64_t reuse[2];        /* shortest distance, from and to; 0: none was seen */
};

/* Sections 3.3.1 to 3.3.5 side by side. */
static void rfc6056_claims_hold(void **unused)
{
	static const struct claim claims[] = {
		{ BERTH_HABIT_SEQUENTIAL, { 1, 1 }, { 0.05, 0.08 }, { 3000, 5000 } },
		{ BERTH_HABIT_RANDOM, { 0, 2e-4 }, { 0, 2e-4 }, { 1, 300 } },
		{ BERTH_HABIT_RANDOM_RETRY, { 0, 2e-4 }, { 0, 2e-4 }, { 1, 300 } },
		/* One counter for all: what others do moves it, and pairs come back sooner. */
		{ BERTH_HABIT_HASH, { 0, 0.05 }, { 0.05, 0.08 }, { 3000, 5000 } },
		/* A counter for each: certain for who sees this destination, nothing for who does not. */
		{ BERTH_HABIT_DOUBLE_HASH, { 0, 0.05 }, { 0.999, 1 }, { 0, 0 } },
		/* N = 500: one guess in 500. */
		{ BERTH_HABIT_RANDOM_INCREMENT, { 0.0012, 0.0028 }, { 0, 0.002 }, { 1, 300 } },
		{ BERTH_HABIT_UNIFORM, { 0, 2e-4 }, { 0, 2e-4 }, { 1, 300 } },
	};
	uint32_t i;

	(void)unused;
	for (i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		const struct claim *c = &claims[i];
		struct berth_sim_load load = load_of("rfc6056", c->habit, 1600000, 8);

		play(&load);
		assert_true(result.guess[BERTH_SIGHT_OTHER] >= c->other[0] &&
			    result.guess[BERTH_SIGHT_OTHER] <= c->other[1]);
		assert_true(result.guess[BERTH_SIGHT_SAME] >= c->same[0] &&
			    result.guess[BERTH_SIGHT_SAME] <= c->same[1]);
		assert_true(result.guess[BERTH_SIGHT_BLIND] < 2e-4);
		assert_true(tally.reuse_min >= c->reuse[0] && tally.reuse_min <= c->reuse[1]);
	}
}

/* Linux commit ca7af0402550, with 28,232 ports: 1,764 connections at least, 3,137 on average. */
static void linux_comes_round_in_3137(void **unused)
{
	struct berth_sim_load load = load_of("reuse", BERTH_HABIT_LINUX, 2000000, 1);

	(void)unused;
	/* Within one key's ten seconds. */
	load.rate_per_s = 1e7;
	load.life_s = 1e-6;
	play(&load);
	assert_true(tally.reuse_min >= 1764);
	assert_true(fabs(result.cycle - 3137) < 10);
	load.habit = BERTH_HABIT_SEQUENTIAL;
	play(&load);
	assert_int_equal(tally.reuse_min, 28232);
	load.habit = BERTH_HABIT_LONGEST_IDLE;
	play(&load);
	assert_true(tally.reuse_min > 28200);
}

static void reuse_bins_hold_their_distances(void **unused)
{
	uint64_t d, top = 0;
	uint32_t bin, last = 0;

	(void)unused;
	for (d = 0; d < 1u << 20; d++) {
		bin = berth_sim_reuse_bin(d);
		assert_true(bin == last || bin == last + 1);
		top = berth_sim_reuse_top(bin);
		assert_true(d <= top && (!bin || d > berth_sim_reuse_top(bin - 1)));
		last = bin;
	}
	assert_true(berth_sim_reuse_bin(UINT32_MAX) < BERTH_SIM_REUSE_BINS);
	assert_true(berth_sim_reuse_bin(UINT64_MAX) < BERTH_SIM_REUSE_BINS);
}

/*
 * How soon a pair is used again is a figure of the policy, not of how long was played: of uniform choices out of N
 * that leave nothing behind the distance is geometric, ln 2 * N in the middle. Where half is later than was played,
 * it is not known.
 */
static void reuse_does_not_depend_on_the_length(void **unused)
{
	static const uint64_t lengths[] = { 320000, 1600000 };
	struct berth_sim_load load = load_of("plain", BERTH_HABIT_UNIFORM, 0, 4);
	double within[BERTH_SIM_REUSE_BINS];
	uint32_t i, k, n;

	(void)unused;
	load.destinations = 1;
	load.life_s = load.close_client = load.close_server = 0;
	for (i = 0; i < 2; i++) {
		load.connections = lengths[i];
		play(&load);
		n = berth_sim_reuse_share(&tally, within);
		assert_true(n > berth_sim_reuse_bin(60000));
		for (k = berth_sim_reuse_bin(100); k < n; k++)
			assert_true(fabs(within[k] +
					 expm1(-(double)berth_sim_reuse_top(k) / 64512)) < 0.01);
		assert_int_equal(result.reuse_50, berth_sim_reuse_top(berth_sim_reuse_bin(44716)));
		assert_true(labs((long)result.reuse_1 - 648) < 60);
	}
	load.connections = 80000;
	play(&load);
	assert_int_equal(result.reuse_50, 0);
	assert_true(labs((long)result.reuse_1 - 648) < 100);
}

/* One lucky hit in a few thousand looks is no better guess than any. */
static void a_lucky_hit_is_no_guess(void **unused)
{
	struct berth_sim_load load = load_of("plain", BERTH_HABIT_UNIFORM, 450000, 4);
	uint32_t i, above = 0;

	(void)unused;
	load.destinations = 4;
	for (load.seed = 0; load.seed < 20; load.seed++) {
		play(&load);
		for (i = 0; i < BERTH_SIGHT_COUNT; i++)
			above += result.guess[i] > 1.0001 / 64512;
		assert_true(result.guess[BERTH_SIGHT_BLIND] > 0);
	}
	assert_true(above <= 2);
	/* What is likelier is found all the same, by either half. */
	load.habit = BERTH_HABIT_LINUX;
	play(&load);
	assert_true(fabs(result.guess[BERTH_SIGHT_SAME] - 0.125) < 0.02);
	/* Of few looks nothing is said, unless it is plain. */
	load.connections = 40000;
	play(&load);
	assert_true(result.guess[BERTH_SIGHT_BLIND] < 0);
	assert_true(fabs(result.guess[BERTH_SIGHT_SAME] - 0.125) < 0.06);
}

static uint32_t rekey_s;

static double known_again(enum berth_habit habit, uint32_t counters)
{
	struct berth_sim_load load = load_of("track", habit, 0, 60);
	void *memory = calloc(1, berth_sim_track_memory(&load));
	struct berth_sim_track t;
	struct berth_why why;

	load.counters = counters;
	load.rekey_s = rekey_s;
	assert_non_null(memory);
	assert_int_equal(berth_sim_track(&load, memory, &t, &why), 0);
	free(memory);
	return t.known_again;
}

/*
 * Kol, Klein, Gilad 2023: Linux 5.12 to 5.17 names the device; what mended it, and no counter at all, do not. A larger
 * table alone only asks for more destinations.
 */
static void a_lasting_key_names_the_device(void **unused)
{
	(void)unused;
	assert_true(known_again(BERTH_HABIT_LINUX_5_12, 0) > 0.95);
	assert_true(known_again(BERTH_HABIT_DOUBLE_HASH, 256) > 0.95);
	assert_true(known_again(BERTH_HABIT_DOUBLE_HASH, 0) > 0.75);
	rekey_s = 10;
	assert_true(known_again(BERTH_HABIT_DOUBLE_HASH, 256) < 0.1);
	assert_true(known_again(BERTH_HABIT_DOUBLE_HASH, 0) < 0.1);
	rekey_s = 0;
	assert_true(known_again(BERTH_HABIT_LINUX, 0) < 0.1);
	assert_true(known_again(BERTH_HABIT_UNIFORM, 0) < 0.1);
}

static void impossible_loads_are_refused(void **unused)
{
	struct berth_sim_load good = load_of("plain", BERTH_HABIT_UNIFORM, 1000, 1), bad;
	struct berth_why why;

	(void)unused;
	assert_int_equal(berth_sim_check(&good, &why), 0);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		bad = good;                                                                        \
		bad.change;                                                                        \
		why.text[0] = '\0';                                                                \
		assert_true(berth_sim_check(&bad, &why) < 0);                                      \
		assert_true(*why.text);                                                            \
	} while (0)
	REFUSED(hosts = 0);
	REFUSED(destinations = 0);
	REFUSED(destinations = 65535);
	REFUSED(pool.count = 0);
	REFUSED(rate_per_s = 0);
	REFUSED(rate_per_s = NAN);
	REFUSED(life_s = -1);
	REFUSED(close_client = 0.7);
	REFUSED(connections = 1ull << 33);
	REFUSED(rate_per_s = 1e-5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_make_up_the_whole),
		cmocka_unit_test(open_connections_follow_littles_law),
		cmocka_unit_test(exhaustion_refuses_the_rest),
		cmocka_unit_test(collisions_are_what_the_server_holds),
		cmocka_unit_test(allman_at_most_three_in_a_thousand),
		cmocka_unit_test(rfc6056_claims_hold),
		cmocka_unit_test(linux_comes_round_in_3137),
		cmocka_unit_test(reuse_bins_hold_their_distances),
		cmocka_unit_test(reuse_does_not_depend_on_the_length),
		cmocka_unit_test(a_lucky_hit_is_no_guess),
		cmocka_unit_test(a_lasting_key_names_the_device),
		cmocka_unit_test(impossible_loads_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
