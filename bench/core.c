/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to pick a port and to give it back, in ns, by policy and occupancy: on a set, through a
 * lane, and by the loop of RFC 6056 algorithm 1. One thread, 28,232 ports (32768-60999).
 *
 * A port is given back at once, so that the occupancy stays; each choice depends on the one before through
 * the counts that it changed, as it does for a caller who holds the lock. The lane rests 1 ms on a clock
 * that goes on by 1 us for each pair. The pool is one range: the policies that scan find their start in a
 * full leaf, which is the short way; where no leaf of the pool is full, they take some 5 ns longer.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/core/lane.h"

#define FIRST 32768u
#define PORTS 28232u
#define ROUNDS 9
#define DRAWS 4096u
#define GOAL_NS 25.0

static struct berth_portset pool, idle;
static struct berth_lane lane;
static bool taken[PORTS];
static uint32_t draws[DRAWS];
static uint64_t lane_ns;

struct result {
	double median, min, max;
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64 (Marsaglia 2003); the same numbers in each run. */
static uint32_t draw(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32);
}

/* Keeps the compiler from joining a release with the next choice. */
static void settle(void)
{
	__asm__ volatile("" ::: "memory");
}

/* All three ways with the same number of free ports, at random places. */
static void prepare(uint32_t free)
{
	enum berth_lane_from from;
	struct berth_lane_want want = { BERTH_POLICY_SEQUENTIAL, 0, 0, 0, 1000000 };

	memset(&idle, 0, sizeof(idle));
	memset(taken, 1, sizeof(taken));
	while (idle.count < free) {
		uint32_t i = berth_below(draw(), PORTS);

		berth_portset_add(&idle, FIRST + i);
		taken[i] = false;
	}
	berth_lane_init(&lane, &pool);
	while (lane.idle.count)
		berth_lane_take(&lane, &pool, &want, &from);
	lane_ns = 0;
	for (uint32_t i = 0; i < PORTS; i++)
		if (!taken[i])
			berth_lane_drop(&lane, FIRST + i, lane_ns, 1000000);
	lane_ns = 10000000;
}

static uint32_t start_of(enum berth_policy policy, uint32_t i, uint32_t rnd)
{
	return berth_policy_scans(policy) ? berth_policy_start(policy, PORTS, i, 12345, rnd) : 0;
}

static void on_set(enum berth_policy policy, uint32_t pairs)
{
	for (uint32_t i = 0; i < pairs; i++) {
		uint32_t rnd = draws[i % DRAWS];
		int32_t port =
			berth_policy_pick(policy, &pool, &idle, start_of(policy, i, rnd), rnd);

		settle();
		if (port >= 0) {
			berth_portset_remove(&idle, (uint32_t)port);
			settle();
			berth_portset_add(&idle, (uint32_t)port);
			settle();
		}
	}
}

static void on_lane(enum berth_policy policy, uint32_t pairs)
{
	enum berth_lane_from from;

	for (uint32_t i = 0; i < pairs; i++) {
		uint32_t rnd = draws[i % DRAWS];
		struct berth_lane_want want = { policy, start_of(policy, i, rnd), rnd,
						lane_ns += 1000, 1000000 };
		int32_t port = berth_lane_take(&lane, &pool, &want, &from);

		settle();
		if (port >= 0)
			berth_lane_drop(&lane, (uint32_t)port, lane_ns, want.rest_ns);
		settle();
	}
}

/* RFC 6056 section 3.3.1 as it stands there. */
static int32_t loop_pick(uint32_t rnd)
{
	uint32_t next = berth_below(rnd, PORTS), count = PORTS;

	do {
		if (!taken[next])
			return (int32_t)next;
		if (next == PORTS - 1)
			next = 0;
		else
			next++;
		count--;
	} while (count > 0);
	return -1;
}

static void by_loop(enum berth_policy policy, uint32_t pairs)
{
	(void)policy;
	for (uint32_t i = 0; i < pairs; i++) {
		int32_t at = loop_pick(draws[i % DRAWS]);

		settle();
		if (at >= 0) {
			taken[at] = true;
			settle();
			taken[at] = false;
		}
		settle();
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct result measure(void (*run)(enum berth_policy, uint32_t), enum berth_policy policy,
			     uint32_t pairs)
{
	double ns[ROUNDS];
	int i;

	run(policy, pairs);
	for (i = 0; i < ROUNDS; i++) {
		uint64_t begin = clock_ns();

		run(policy, pairs);
		ns[i] = (double)(clock_ns() - begin) / pairs;
	}
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	return (struct result){ ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1] };
}

static const struct {
	const char *name;
	uint32_t free;
	uint32_t loop_pairs; /* fewer where the loop is long */
} levels[] = {
	{ "0 %", PORTS, 100000 }, { "50 %", PORTS / 2, 100000 },
	{ "99 %", 282, 20000 },   { "99.99 %", 3, 500 },
	{ "full", 0, 200 },
};

static const char *const policy_names[] = {
#define NAME(id, name, text) name,
	BERTH_POLICIES(NAME)
#undef NAME
};

#define LEVELS (sizeof(levels) / sizeof(*levels))

/* Measures and prints one line of the table, and appends it to rows. Returns its greatest median. */
static double line(json_t *rows, const char *path, const char *policy_name,
		   void (*run)(enum berth_policy, uint32_t), enum berth_policy policy)
{
	double worst = 0;

	printf("%-5s %-17s", path, policy_name);
	for (size_t i = 0; i < LEVELS; i++) {
		struct result r;

		prepare(levels[i].free);
		r = measure(run, policy, run == by_loop ? levels[i].loop_pairs : 100000);
		printf(" %9.1f +-%-5.1f", r.median, (r.max - r.min) / 2);
		fflush(stdout);
		worst = r.median > worst ? r.median : worst;
		json_array_append_new(rows,
				      json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f}", "path", path,
						"policy", policy_name, "occupancy", levels[i].name,
						"free", (int)levels[i].free, "median_ns", r.median,
						"min_ns", r.min, "max_ns", r.max));
	}
	putchar('\n');
	return worst;
}

int main(int argc, char **argv)
{
	json_t *rows = json_array(), *all;
	double worst = 0, w;
	uint32_t i;
	int status = 0;

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--json"))) {
		fprintf(stderr, "usage: bench-core [--json FILE]\n");
		return 2;
	}
	for (i = 0; i < PORTS; i++)
		berth_portset_add(&pool, FIRST + i);
	for (i = 0; i < DRAWS; i++)
		draws[i] = draw();
	printf("pick + release in ns, median of %d rounds +- half of the spread\n%-23s", ROUNDS,
	       "");
	for (i = 0; i < LEVELS; i++)
		printf(" %9s        ", levels[i].name);
	putchar('\n');
	for (i = 0; i < BERTH_POLICY_COUNT; i++) {
		w = line(rows, "set", policy_names[i], on_set, (enum berth_policy)i);
		worst = w > worst ? w : worst;
	}
	for (i = 0; i < BERTH_POLICY_COUNT; i++)
		line(rows, "lane", policy_names[i], on_lane, (enum berth_policy)i);
	line(rows, "loop", "random", by_loop, BERTH_POLICY_RANDOM);
	printf("set, worst median: %.1f ns; goal %.0f ns: %s\n", worst, GOAL_NS,
	       worst <= GOAL_NS ? "met" : "missed");
	all = json_pack("{s:s, s:i, s:i, s:f, s:f, s:b, s:o}", "bench", "core", "ports", (int)PORTS,
			"rounds", ROUNDS, "goal_ns", GOAL_NS, "worst_set_ns", worst, "met",
			worst <= GOAL_NS, "rows", rows);
	if (argc == 3 && json_dump_file(all, argv[2], JSON_INDENT(2))) {
		fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
		status = 2;
	}
	json_decref(all);
	return status;
}
