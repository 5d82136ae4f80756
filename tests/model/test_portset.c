/* SPDX-License-Identifier: BSD-2-Clause */
/* The bitmap tree against an array of truth values: random steps, edges, and damage that must be seen. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "src/core/range.h"
#include "random.h"

static struct berth_portset set;
static bool twin[BERTH_PORTS];

/* The summary bits say what is below them: a wrong one may answer right until the next change. */
static bool is_sound(const struct berth_portset *s)
{
	uint32_t i;

	for (i = 0; i < BERTH_PORTSET_LEAVES; i++)
		if (((s->mid[i >> 6] >> (i & 63)) & 1) != (s->leaf[i] != 0))
			return false;
	for (i = 0; i < 32; i++)
		if (((s->top >> i) & 1) != (i < BERTH_PORTSET_BLOCKS && s->mid[i & 15]))
			return false;
	return true;
}

/* Every answer that depends on a place, for all places, from the top down and from the bottom up. */
static bool agrees(const struct berth_portset *s, const bool *a)
{
	int32_t next = -1, lowest = -1, p;
	uint32_t rank = 0;

	for (p = 0; p < (int32_t)BERTH_PORTS && lowest < 0; p++)
		lowest = a[p] ? p : -1;
	for (p = 65535; p >= 0; p--) {
		next = a[p] ? p : next;
		if (berth_portset_next(s, (uint32_t)p) != next ||
		    berth_portset_next_wrap(s, (uint32_t)p) != (next < 0 ? lowest : next))
			return false;
	}
	for (p = 0; p <= 65535; p++) {
		if (berth_portset_has(s, (uint32_t)p) != a[p] ||
		    berth_portset_rank(s, (uint32_t)p) != rank)
			return false;
		if (a[p] && berth_portset_kth(s, rank++) != p)
			return false;
	}
	return is_sound(s) && s->count == rank && berth_portset_kth(s, rank) == -1 &&
	       berth_portset_kth(s, UINT32_MAX) == -1;
}

static void step(uint32_t port, bool in)
{
	if (in)
		assert_int_equal(berth_portset_add(&set, port), !twin[port]);
	else
		assert_int_equal(berth_portset_remove(&set, port), twin[port]);
	twin[port] = in;
}

/* Steps in a window that moves, so that words, groups and blocks become empty and full again. */
static void test_random_steps(void **state)
{
	uint32_t round, i;

	(void)state;
	memset(&set, 0, sizeof(set));
	memset(twin, 0, sizeof(twin));
	for (round = 0; round < 120; round++) {
		uint32_t base = random_below(BERTH_PORTS), width = 1u << random_below(17);
		uint32_t bias = random_below(101);

		for (i = 0; i < 5000; i++)
			step((base + random_below(width)) & 65535, random_below(100) < bias);
		assert_true(agrees(&set, twin));
	}
}

static void test_edges(void **state)
{
	static const uint32_t ports[] = { 0,     1,     63,    64,    2047,  2048,  4095, 4096,
					  32767, 32768, 63487, 63488, 65472, 65534, 65535 };
	size_t i;
	uint32_t p;

	(void)state;
	memset(&set, 0, sizeof(set));
	memset(twin, 0, sizeof(twin));
	assert_true(agrees(&set, twin));
	for (i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		step(ports[i], true);
		assert_true(agrees(&set, twin));
		step(ports[i], false);
		assert_true(agrees(&set, twin));
	}
	for (p = 0; p < BERTH_PORTS; p++)
		step(p, true);
	assert_int_equal(set.count, 65536);
	assert_true(agrees(&set, twin));
	for (i = 0; i < sizeof(ports) / sizeof(*ports); i++)
		step(ports[i], false);
	assert_true(agrees(&set, twin));
	for (p = 65536; p-- > 0;)
		step(p, false);
	assert_true(agrees(&set, twin));
	for (i = 0; i < sizeof(set); i++)
		assert_int_equal(((const char *)&set)[i], 0);
}

/* Whole ranges are the same as their ports one by one, to the last byte. */
static void test_ranges(void **state)
{
	static struct berth_portset slow;
	uint32_t i, p;

	(void)state;
	memset(&set, 0, sizeof(set));
	memset(&slow, 0, sizeof(slow));
	for (i = 0; i < 2000; i++) {
		uint16_t a = (uint16_t)random64(),
			 b = (uint16_t)(a + random_below(1u << random_below(17)));
		struct berth_range r = { a < b ? a : b, a < b ? b : a };
		bool in = random64() & 1;

		(in ? berth_portset_add_range : berth_portset_remove_range)(&set, r);
		for (p = r.first; p <= r.last; p++)
			(in ? berth_portset_add : berth_portset_remove)(&slow, p);
		assert_memory_equal(&set, &slow, sizeof(set));
	}
}

/* A port of the upper half of the set, so that sums before it are not 0. */
static uint32_t some_member(void)
{
	return (uint32_t)berth_portset_kth(&set, set.count / 2 + random_below(set.count / 2));
}

static void flip_leaf(struct berth_portset *s, uint32_t p)
{
	s->leaf[p >> 6] ^= 1ULL << (p & 63);
}

static void skip_mid(struct berth_portset *s, uint32_t p)
{
	s->mid[p >> 12] &= ~(1ULL << ((p >> 6) & 63));
}

static void skip_top(struct berth_portset *s, uint32_t p)
{
	s->top &= ~(1u << (p >> 12));
}

static void extra_top(struct berth_portset *s, uint32_t p)
{
	(void)p;
	s->top |= 1u; /* block 0 is empty */
}

static void skip_part(struct berth_portset *s, uint32_t p)
{
	s->part[p >> 11][(p >> 6) & 31]++;
}

static void skip_root(struct berth_portset *s, uint32_t p)
{
	s->root[p >> 11]--;
}

static void skip_count(struct berth_portset *s, uint32_t p)
{
	(void)p;
	s->count--;
}

static void test_sabotage(void **state)
{
	static void (*const damage[])(struct berth_portset *,
				      uint32_t) = { flip_leaf, skip_mid,  skip_top,  extra_top,
						    skip_part, skip_root, skip_count };
	static struct berth_portset hurt;
	uint32_t i, round, p;

	(void)state;
	memset(&set, 0, sizeof(set));
	memset(twin, 0, sizeof(twin));
	for (p = 5000; p < BERTH_PORTS; p++)
		if (random_below(3) == 0)
			step(p, true);
	assert_true(agrees(&set, twin));
	for (round = 0; round < 20; round++) {
		for (i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
			hurt = set;
			damage[i](&hurt, some_member());
			assert_false(agrees(&hurt, twin));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_steps),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_sabotage),
	};

	random_begin("portset");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
