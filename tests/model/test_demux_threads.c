/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers of the demultiplexer beside its writer: what stays is found at every moment, what comes and goes is found
 * right or not at all, and a writer that stands still keeps nobody waiting. Built for ThreadSanitizer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "memory.h"
#include "random.h"
#include "src/core/demux.h"

#define READERS 2
#define STAYING 500u
#define COMING 3000u
#define STEPS 12000u
#define STALL_LOOKUPS 200u

/* Kinds of keys; the owner of each socket says its kind and its number in the kind. */
enum kind { STAYS, COMES, SHARED, GROUP };

static struct berth_demux *demux;
static struct memory memory;
static bool stop;
static uint64_t lookups[READERS]; /* goes up with each; odd: within one */
static bool stalls;

static uint64_t owner_of(enum kind kind, uint32_t number, uint32_t who)
{
	return (uint64_t)kind << 60 | (uint64_t)who << 32 | number;
}

static struct berth_address address(bool six, uint8_t last)
{
	struct berth_address a = { { 0x20 } };

	a.byte[15] = last;
	return six ? a : berth_address_v4((uint8_t[4]){ 10, 0, 0, last });
}

/* The socket of a kind and number; who tells those apart that share a key. Odd numbers are of IPv6. */
static struct berth_demux_socket socket_of(enum kind kind, uint32_t number, uint32_t who)
{
	struct berth_demux_socket s = { .owner = owner_of(kind, number, who) };

	s.at.protocol = kind >= SHARED ? BERTH_UDP : BERTH_TCP;
	s.at.local = address(number & 1, 1);
	s.at.local_port = (uint16_t)(1000 + kind);
	if (kind <= COMES) {
		s.at.remote = address(number & 1, 2);
		s.at.remote_port = (uint16_t)(1 + number);
	} else {
		s.at.local_port = (uint16_t)(2000 + 10 * kind + number);
		s.flags = kind == GROUP ? BERTH_DEMUX_REUSEPORT : 0;
	}
	return s;
}

/* A packet for it. */
static struct berth_flow flow_of(enum kind kind, uint32_t number, uint32_t rnd)
{
	struct berth_flow f = socket_of(kind, number, 0).at;

	if (kind >= SHARED) {
		f.remote = address(number & 1, (uint8_t)rnd);
		f.remote_port = (uint16_t)(1 + rnd % 60000);
	}
	return f;
}

static uint32_t numbers_of(enum kind kind)
{
	return kind == STAYS ? STAYING : kind == COMES ? COMING : 2;
}

/* What is wrong with an answer, or NULL. */
static const char *wrong_with(enum kind kind, uint32_t number, uint8_t level, uint64_t owner)
{
	if (!level)
		return kind == COMES ? NULL : "a socket that stays was not found";
	if (owner >> 60 != kind || (uint32_t)owner != number)
		return "the owner is another socket's";
	return NULL;
}

static void look_up_some(uint64_t *seed)
{
	struct berth_flow f[8];
	enum kind kind[8];
	uint32_t number[8], i, n;
	uint64_t owner[8], alone;
	uint8_t level[8];

	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	n = 1 + (uint32_t)(*seed >> 61);
	for (i = 0; i < n; i++) {
		uint32_t rnd = (uint32_t)(*seed >> (20 + i)) ^ (i * 0x9e3779b9u);

		kind[i] = (enum kind)(rnd >> 5 & 3);
		number[i] = (rnd >> 8) % numbers_of(kind[i]);
		f[i] = flow_of(kind[i], number[i], rnd >> 3);
	}
	berth_demux_find_batch(demux, f, n, owner, level);
	for (i = 0; i < n; i++) {
		const char *wrong = wrong_with(kind[i], number[i], level[i], owner[i]);

		level[i] = (uint8_t)berth_demux_find(demux, &f[i], &alone);
		if (!wrong)
			wrong = wrong_with(kind[i], number[i], level[i], alone);
		if (wrong) {
			fprintf(stderr, "%s: kind %u number %u\n", wrong, kind[i], number[i]);
			abort();
		}
	}
}

static void *reader(void *argument)
{
	uint64_t *count = argument, seed = 1 + (uint64_t)(count - lookups);

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		__atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
		look_up_some(&seed);
		__atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* Waits until every reader has ended the look-ups in which it is, and so many more. */
static void await_readers(uint64_t more)
{
	int i;

	for (i = 0; i < READERS; i++) {
		/* A load could come before the stores that took memory out of the table. */
		uint64_t from = __atomic_fetch_add(&lookups[i], 0, __ATOMIC_SEQ_CST);

		while (((from & 1) || more) &&
		       __atomic_load_n(&lookups[i], __ATOMIC_SEQ_CST) - from < 1 + 2 * more)
			sched_yield();
	}
}

/* The writer stands still within a change: look-ups must go on, or this never ends. */
static void *get_stalling(void *context, size_t size, size_t align)
{
	if (__atomic_load_n(&stalls, __ATOMIC_RELAXED))
		await_readers(STALL_LOOKUPS);
	return memory_get(context, size, align);
}

static void change(enum kind kind, uint32_t number, uint32_t who, bool add)
{
	struct berth_demux_socket s = socket_of(kind, number, who);
	int err = add ? berth_demux_add(demux, &s) : berth_demux_remove(demux, &s);

	assert_int_equal(err, 0);
}

/* Pairs come and go; sockets beside others that stay come and go, so that a key's set is copied. */
static void write_some(void)
{
	static bool there[COMING], beside[4][2][8];
	uint32_t step;

	for (step = 0; step < STEPS; step++) {
		uint32_t i = random_below(COMING), number = random_below(2),
			 who = 1 + random_below(7);
		enum kind kind = random_below(2) ? SHARED : GROUP;

		there[i] = !there[i];
		change(COMES, i, 1, there[i]);
		beside[kind][number][who] = !beside[kind][number][who];
		change(kind, number, who, beside[kind][number][who]);
		stalls = step % 1000 < 2;
		if (step % 64 == 0 && memory.list) {
			await_readers(0);
			memory_collect(&memory);
		}
	}
}

static void test_threads(void **state)
{
	static const uint64_t key[2] = { 3, 4 };
	struct berth_demux_memory calls = memory_calls(&memory);
	pthread_t thread[READERS];
	uint32_t i;

	(void)state;
	calls.get = get_stalling;
	assert_int_equal(berth_demux_new(&calls, key, &demux), 0);
	for (i = 0; i < STAYING; i++)
		change(STAYS, i, 0, true);
	for (i = 0; i < 2; i++) {
		change(SHARED, i, 0, true);
		change(GROUP, i, 0, true);
	}
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, &lookups[i]), 0);
	write_some();
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	print_message("%llu and %llu look-ups beside %u changes\n",
		      (unsigned long long)lookups[0] / 2, (unsigned long long)lookups[1] / 2,
		      2 * STEPS);
	berth_demux_free(demux);
	memory_collect(&memory);
	assert_int_equal(memory.bytes, 0);
}

#define TURNS 200000u

/* Two pairs of IPv4 whose bucket is the same. */
static uint32_t neighbour[2];

static uint32_t home_of(uint32_t number)
{
	struct berth_flow f = flow_of(COMES, number, 0);
	struct berth_pair_key key;

	berth_demux_full_key_(&f, 1, &key);
	return berth_pair_home(berth_pair_hash(demux->place_key, 1, &key), demux->v4.view->buckets);
}

static void *reader_of_one(void *argument)
{
	struct berth_flow f = flow_of(COMES, neighbour[0], 0);
	uint64_t *count = argument, owner;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		if (berth_demux_find(demux, &f, &owner) &&
		    owner != owner_of(COMES, neighbour[0], 1)) {
			fprintf(stderr, "a pair with the owner of another\n");
			abort();
		}
		++*count;
	}
	return NULL;
}

/* Two pairs take the same cell in turn: who reads half of one and half of the other is found out. */
static void test_one_cell(void **state)
{
	static const uint64_t key[2] = { 3, 4 };
	struct berth_demux_memory calls = memory_calls(&memory);
	uint64_t count = 0;
	pthread_t thread;
	uint32_t i;

	(void)state;
	stop = false;
	assert_int_equal(berth_demux_new(&calls, key, &demux), 0);
	change(COMES, 0, 1, true);
	for (i = 2; home_of(i) != home_of(0); i += 2)
		assert_true(i < COMING);
	neighbour[1] = i;
	assert_int_equal(pthread_create(&thread, NULL, reader_of_one, &count), 0);
	for (i = 0; i < TURNS; i++) {
		change(COMES, neighbour[i & 1], 1, false);
		change(COMES, neighbour[~i & 1], 1, true);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	print_message("%llu look-ups of one cell\n", (unsigned long long)count);
	berth_demux_free(demux);
	memory_collect(&memory);
	assert_int_equal(memory.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_threads),
					    cmocka_unit_test(test_one_cell) };

	random_begin("demux with threads");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
