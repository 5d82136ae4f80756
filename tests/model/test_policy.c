/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each policy against the loop of RFC 6056 section 3.3, as the RFC writes it, over naive arrays: the same
 * port, and the same counter afterwards.
 *
 * The RFC's "min_ephemeral + i" is member number i of the pool. Its integers have no width; here they have
 * 64 bits within one loop, and the counter keeps 32 between loops, as the callers of the core do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "src/core/policy.h"
#include "random.h"

/* The naive pool: its members in ascending order, and which ports are suitable. */
static uint32_t member[BERTH_PORTS], num;
static bool suitable[BERTH_PORTS];

static struct berth_portset pool, idle;

/* What one choice is made of. */
struct draw {
	uint32_t counter, offset, rnd;
};

struct choice {
	int32_t port; /* -1: none */
	uint32_t counter;
	bool exact; /* false: the loop does what the policy promises not to imitate */
};

static bool check_suitable_port(uint32_t port)
{
	return suitable[port];
}

/* The traditional selection, RFC 6056 section 2.2, read with a counter in place of a port. */
static struct choice rfc_traditional(struct draw d)
{
	uint64_t next = d.counter, count = num;

	do {
		uint32_t port = member[next % num];

		next++;
		if (check_suitable_port(port))
			return (struct choice){ (int32_t)port, (uint32_t)next, true };
		count--;
	} while (count > 0);
	return (struct choice){ -1, (uint32_t)next, true };
}

/* Algorithm 1, section 3.3.1. */
static struct choice rfc_simple(struct draw d)
{
	uint32_t next = berth_below(d.rnd, num), count = num;

	do {
		if (check_suitable_port(member[next]))
			return (struct choice){ (int32_t)member[next], d.counter, true };
		if (next == num - 1)
			next = 0;
		else
			next++;
		count--;
	} while (count > 0);
	return (struct choice){ -1, d.counter, true };
}

/*
 * Algorithm 2, section 3.3.2, draws again until a port is suitable: each suitable one is equally likely.
 * The policy makes that choice with one draw among the suitable ones.
 */
static struct choice rfc_other(struct draw d)
{
	uint32_t i, free = 0, k;

	for (i = 0; i < num; i++)
		free += check_suitable_port(member[i]);
	k = berth_below(d.rnd, free);
	for (i = 0; i < num; i++)
		if (check_suitable_port(member[i]) && k-- == 0)
			return (struct choice){ (int32_t)member[i], d.counter, true };
	return (struct choice){ -1, d.counter, true };
}

/* Algorithms 3 and 4, sections 3.3.3 and 3.3.4; the counter is next_ephemeral or table[index]. */
static struct choice rfc_hash(struct draw d)
{
	uint64_t next = d.counter, count = num;

	do {
		uint32_t port = member[(next + d.offset) % num];

		next++;
		if (check_suitable_port(port))
			return (struct choice){ (int32_t)port, (uint32_t)next, true };
		count--;
	} while (count > 0);
	return (struct choice){ -1, (uint32_t)next, true };
}

/*
 * Algorithm 5, section 3.3.5. Its loop takes one random step after another; the policy has one, so the
 * loop is followed to its first try, and from there, inexactly, to the next suitable member.
 */
static struct choice rfc_random_increments(struct draw d)
{
	uint32_t next = d.counter + berth_below(d.rnd, 500) + 1, count = num, i = next % num;
	bool first = true;

	do {
		if (check_suitable_port(member[i]))
			return (struct choice){ (int32_t)member[i], next, first };
		first = false;
		i = (i + 1) % num;
		count--;
	} while (count > 0);
	return (struct choice){ -1, next, false };
}

static struct choice (*const rfc[BERTH_POLICY_COUNT])(struct draw) = {
	[BERTH_POLICY_UNIFORM] = rfc_other,
	[BERTH_POLICY_SEQUENTIAL] = rfc_traditional,
	[BERTH_POLICY_RANDOM] = rfc_simple,
	[BERTH_POLICY_HASH] = rfc_hash,
	[BERTH_POLICY_DOUBLE_HASH] = rfc_hash,
	[BERTH_POLICY_RANDOM_INCREMENT] = rfc_random_increments,
	[BERTH_POLICY_LONGEST_IDLE] = rfc_other,
};

/* The choice as a caller of policy.h makes it. */
static struct choice choose(enum berth_policy policy, struct draw d)
{
	uint32_t counter = d.counter, step = berth_policy_step(policy, d.rnd), start;
	bool before = policy == BERTH_POLICY_RANDOM_INCREMENT;
	int32_t port;

	start = berth_policy_start(policy, num, counter + (before ? step : 0), d.offset, d.rnd);
	port = berth_policy_pick(policy, &pool, &idle, start, d.rnd);
	if (berth_policy_counts(policy))
		counter += step;
	if (berth_policy_counts(policy) && !before)
		counter += port < 0 ? num - 1 : berth_policy_passed(&pool, start, (uint32_t)port);
	return (struct choice){ port, counter, true };
}

static bool same(struct choice a, struct choice b)
{
	return a.port == b.port && a.counter == b.counter;
}

static void set_suitable(uint32_t port, bool yes)
{
	suitable[port] = yes;
	(yes ? berth_portset_add : berth_portset_remove)(&idle, port);
}

/* Pools: one range, everything, ends only, one port, and holes everywhere. */
static bool in_pool(uint32_t kind, uint32_t port)
{
	switch (kind) {
	case 0:
		return port >= 32768 && port <= 60999;
	case 1:
		return true;
	case 2:
		return port == 0 || port == 65535;
	case 3:
		return port == 65535;
	default:
		return port >= 1024 && port % 7 != 3 && random_below(4) == 0;
	}
}

static void make_pool(uint32_t kind, uint32_t free_per_10000)
{
	uint32_t p;

	memset(&pool, 0, sizeof(pool));
	memset(&idle, 0, sizeof(idle));
	memset(suitable, 0, sizeof(suitable));
	for (num = 0, p = 0; p < BERTH_PORTS; p++) {
		if (!in_pool(kind, p))
			continue;
		member[num++] = p;
		berth_portset_add(&pool, p);
		if (random_below(10000) < free_per_10000)
			set_suitable(p, true);
	}
}

static struct draw some_draw(enum berth_policy policy)
{
	bool offset = policy == BERTH_POLICY_HASH || policy == BERTH_POLICY_DOUBLE_HASH;
	/* A counter about to wrap, now and then. */
	uint32_t counter = (uint32_t)random64() | (random_below(4) ? 0 : 0xffffff00u);

	return (struct draw){ counter, offset ? (uint32_t)random64() : 0, (uint32_t)random64() };
}

static const uint32_t free_levels[] = { 10000, 5000, 100, 1, 0 };

/* Random choices; each takes its port, and one port in two choices comes back, so the level stays. */
static uint32_t walk(enum berth_policy policy, uint32_t steps)
{
	uint32_t i, inexact = 0;

	for (i = 0; i < steps; i++) {
		struct draw d = some_draw(policy);
		struct choice want = rfc[policy](d), got = choose(policy, d);

		assert_int_equal(got.port, want.port);
		assert_int_equal(got.counter, want.counter);
		inexact += !want.exact;
		if (got.port >= 0)
			set_suitable((uint32_t)got.port, false);
		if (got.port >= 0 && random_below(8))
			set_suitable(member[random_below(num)], true);
	}
	return inexact;
}

static void test_loops(void **state)
{
	uint32_t policy, kind, level, inexact;

	(void)state;
	for (kind = 0; kind < 5; kind++)
		for (level = 0; level < 5; level++)
			for (policy = 0; policy < BERTH_POLICY_COUNT; policy++) {
				make_pool(kind, free_levels[level]);
				inexact = walk((enum berth_policy)policy, level == 0 ? 4000 : 1200);
				if (policy != BERTH_POLICY_RANDOM_INCREMENT)
					assert_int_equal(inexact, 0);
			}
}

/* One counter used again and again: sequential walks the pool, hash visits each member once a round. */
static void test_rounds(void **state)
{
	static bool seen[BERTH_PORTS];
	struct draw d = { 4294967295u - 70000, 12345, 0 };
	uint32_t i;

	(void)state;
	make_pool(4, 10000);
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < num; i++) {
		struct choice c = choose(BERTH_POLICY_HASH, d);

		assert_false(seen[c.port]);
		seen[c.port] = true;
		d.counter = c.counter;
	}
}

static void test_sabotage(void **state)
{
	uint32_t policy, round;

	(void)state;
	for (policy = 0; policy < BERTH_POLICY_COUNT; policy++) {
		make_pool(0, 5000);
		for (round = 0; round < 50; round++) {
			struct draw d = some_draw((enum berth_policy)policy);
			struct choice want = rfc[policy](d);
			uint32_t port = (uint32_t)want.port;

			assert_true(same(choose((enum berth_policy)policy, d), want));
			/* The set forgets the port that the loop chooses. */
			berth_portset_remove(&idle, port);
			assert_false(same(choose((enum berth_policy)policy, d), want));
			berth_portset_add(&idle, port);
			/* The counter is one off. */
			want.counter++;
			assert_false(same(choose((enum berth_policy)policy, d), want));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_sabotage),
	};

	random_begin("policy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
