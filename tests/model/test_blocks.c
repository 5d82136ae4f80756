/* SPDX-License-Identifier: BSD-2-Clause */
/* Port blocks against a table of ports: the plan both ways, random takes and drops, limits, hold-down, the log. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "include/berth/blocks.h"
#include "random.h"

#define ADDRESSES 3u
#define SUBSCRIBERS 20u
#define FIRST 1500u
#define SIZE 128u
#define EACH 7u
#define HOLD 1000u

enum { FREE, TAKEN, RESTING };

static struct berth_blocks *blocks;
static struct berth_blocks_config config;
static uint8_t state_of[ADDRESSES][65536];
static uint32_t until[ADDRESSES][65536];
static int64_t owner_of[ADDRESSES][EACH]; /* of a block, from the log */
static uint32_t now_ms;

static void *get(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static const struct berth_space_memory memory = { get, put, NULL };

/* Each subscriber's block is computed back to it, blocks do not meet, and what is over is nobody's. */
static void test_plan(void **state)
{
	static const uint32_t cases[][4] = { { 1, 1, 1, 65535 },        { 100, 7, 1024, 65535 },
					     { 64512, 1, 1024, 65535 }, { 5, 9, 40000, 40009 },
					     { 33, 2, 65500, 65535 },   { 1000, 16, 1024, 65535 } };
	static int64_t seen[65536];
	struct berth_plan plan;
	struct berth_block b;
	uint32_t i, s, p, a;
	uint16_t first, last;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(berth_plan_init(&plan, cases[i][0], cases[i][1],
						 (uint16_t)cases[i][2], (uint16_t)cases[i][3]),
				 0);
		for (a = 0; a < plan.addresses; a++) {
			memset(seen, 0xff, sizeof(seen));
			for (s = 0; s < plan.subscribers; s++) {
				assert_int_equal(berth_plan_block(&plan, s, &b), 0);
				assert_true(b.address < plan.addresses);
				for (p = b.first; b.address == a && p <= b.last; p++) {
					assert_int_equal(seen[p], -1);
					assert_in_range(p, cases[i][2], cases[i][3]);
					seen[p] = s;
				}
			}
			for (p = 0; p < 65536; p++)
				assert_int_equal(berth_plan_subscriber(&plan, a, (uint16_t)p),
						 seen[p]);
		}
		assert_int_equal(berth_plan_block(&plan, plan.subscribers, &b),
				 BERTH_SPACE_E_INVALID);
		if (berth_plan_over(&plan, &first, &last))
			for (p = first; p <= last; p++)
				assert_int_equal(berth_plan_subscriber(&plan, 0, (uint16_t)p), -1);
	}
	assert_int_equal(berth_plan_init(&plan, 11, 1, 10, 19), BERTH_SPACE_E_INVALID);
	assert_int_equal(berth_plan_init(&plan, 1, 1, 0, 19), BERTH_SPACE_E_INVALID);
}

static void log_block(void *context, uint32_t subscriber, const struct berth_block *b, bool got)
{
	int64_t *o = &owner_of[b->address][(b->first - FIRST) / SIZE];

	(*(uint32_t *)context)++;
	assert_int_equal(*o, got ? -1 : (int64_t)subscriber);
	assert_int_equal(b->last - b->first + 1, SIZE);
	*o = got ? (int64_t)subscriber : -1;
}

static void count_of(uint32_t s, uint32_t *out_blocks, uint32_t *out_ports, uint32_t *out_room)
{
	uint32_t a, k, p, n;

	*out_blocks = *out_ports = *out_room = 0;
	for (a = 0; a < ADDRESSES; a++)
		for (k = 0; k < EACH; k++) {
			if (owner_of[a][k] != (int64_t)s)
				continue;
			++*out_blocks;
			for (p = FIRST + k * SIZE, n = 0; n < SIZE; n++, p++) {
				*out_ports += state_of[a][p] == TAKEN;
				*out_room += state_of[a][p] == FREE;
			}
		}
}

static uint32_t free_blocks(void)
{
	uint32_t a, k, n = 0;

	for (a = 0; a < ADDRESSES; a++)
		for (k = 0; k < EACH; k++)
			n += owner_of[a][k] < 0;
	return n;
}

static void do_take(void)
{
	uint32_t s = random_below(SUBSCRIBERS), address, n, ports, room, before = free_blocks();
	uint16_t port;
	int error;

	count_of(s, &n, &ports, &room);
	error = berth_blocks_take(blocks, s, random64(), &address, &port);
	if (error) {
		bool limit = ports == config.most_ports || (!room && n == config.most_blocks);

		assert_true(error == BERTH_SPACE_E_QUOTA ? limit : !room && !before);
		return;
	}
	assert_true(ports < config.most_ports && (room || n < config.most_blocks));
	assert_int_equal(state_of[address][port], FREE);
	assert_int_equal(owner_of[address][(port - FIRST) / SIZE], s);
	/* A new block only where none had room. */
	assert_int_equal(before - free_blocks(), !room);
	state_of[address][port] = TAKEN;
}

static void do_drop(void)
{
	uint32_t a = random_below(ADDRESSES), p = FIRST + random_below(EACH * SIZE + 10), k;
	int error;

	for (k = 0; k < 200 && state_of[a][p] != TAKEN; k++)
		p = FIRST + random_below(EACH * SIZE + 10);
	error = berth_blocks_drop(blocks, a, (uint16_t)p, now_ms);
	assert_int_equal(!error, state_of[a][p] == TAKEN);
	if (!error) {
		state_of[a][p] = RESTING;
		until[a][p] = now_ms + HOLD;
	}
}

static void do_clock(void)
{
	uint32_t a, p, n = 0;

	now_ms += random_below(HOLD / 4);
	for (a = 0; a < ADDRESSES; a++)
		for (p = FIRST; p < FIRST + EACH * SIZE; p++)
			if (state_of[a][p] == RESTING && (int32_t)(until[a][p] - now_ms) <= 0) {
				state_of[a][p] = FREE;
				n++;
			}
	assert_int_equal(berth_blocks_advance(blocks, now_ms, 0), n);
}

/* What the twin and the blocks say of everybody; a block that nobody uses has gone back. */
static void audit(void)
{
	uint32_t s, n, ports, room, b, p, a, k;

	for (s = 0; s < SUBSCRIBERS; s++) {
		count_of(s, &n, &ports, &room);
		assert_int_equal(berth_blocks_count(blocks, s, &b, &p), 0);
		assert_int_equal(b, n);
		assert_int_equal(p, ports);
	}
	for (a = 0; a < ADDRESSES; a++)
		for (k = 0; k < EACH; k++) {
			for (p = FIRST + k * SIZE, n = 0; p < FIRST + (k + 1) * SIZE; p++)
				n += state_of[a][p] != FREE;
			assert_int_equal(owner_of[a][k] >= 0, n > 0);
			assert_int_equal(
				berth_blocks_subscriber(blocks, a, (uint16_t)(FIRST + k * SIZE)),
				owner_of[a][k]);
		}
}

static void begin(bool one_address)
{
	config = (struct berth_blocks_config){ .subscribers = SUBSCRIBERS,
					       .addresses = ADDRESSES,
					       .first = FIRST,
					       .last = FIRST + EACH * SIZE + 50,
					       .size = SIZE,
					       .most_blocks = 3,
					       .most_ports = 300,
					       .hold_ms = HOLD,
					       .now_ms = now_ms = 0xfffffe00,
					       .one_address = one_address };
	memset(state_of, 0, sizeof(state_of));
	memset(owner_of, 0xff, sizeof(owner_of));
	assert_int_equal(berth_blocks_new(&config, &memory, &blocks), 0);
}

static void test_random_steps(void **state)
{
	uint32_t i, lines = 0;

	(void)state;
	begin(false);
	berth_blocks_set_log(blocks, log_block, &lines);
	for (i = 0; i < 30000; i++) {
		if (random_below(100) == 0)
			do_clock();
		else if (random_below(100) < (i / 3000 % 2 ? 35 : 70))
			do_take();
		else
			do_drop();
		if (i % 512 == 0)
			audit();
	}
	assert_true(lines > 20);
	berth_blocks_free(blocks);
}

/* A subscriber keeps to one address while it has blocks; exhaustion and hold-down have their reasons. */
static void test_limits(void **state)
{
	uint32_t a, first = 0, i;
	uint16_t port;

	(void)state;
	begin(true);
	for (i = 0; i < 300; i++) {
		assert_int_equal(berth_blocks_take(blocks, 0, random64(), &a, &port), 0);
		first = i ? first : a;
		assert_int_equal(a, first);
	}
	assert_int_equal(berth_blocks_take(blocks, 0, 0, &a, &port), BERTH_SPACE_E_QUOTA);
	assert_int_equal(berth_blocks_take(blocks, SUBSCRIBERS, 0, &a, &port),
			 BERTH_SPACE_E_INVALID);
	for (i = 1; i < SUBSCRIBERS; i++)
		while (!berth_blocks_take(blocks, i, random64(), &a, &port))
			;
	assert_int_equal(berth_blocks_take(blocks, 9, 0, &a, &port), BERTH_SPACE_E_BOUND);
	for (port = FIRST; port < FIRST + EACH * SIZE; port++)
		berth_blocks_drop(blocks, 0, port, now_ms);
	assert_int_equal(berth_blocks_take(blocks, 9, 0, &a, &port), BERTH_SPACE_E_WAIT);
	berth_blocks_advance(blocks, now_ms + HOLD, 0);
	assert_int_equal(berth_blocks_take(blocks, 9, 0, &a, &port), 0);
	assert_int_equal(a, 0);
	berth_blocks_free(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_random_steps),
		cmocka_unit_test(test_limits),
	};

	random_begin("blocks");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
