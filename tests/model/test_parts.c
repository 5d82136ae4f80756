/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port space in parts under threads: no pair twice, no port lost, none refused while one is there, no quota passed.
 *
 * BERTH_PARTS_STEPS: operations of each thread (60,000). Built with -fsanitize=thread it shows races.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "include/berth/parts.h"
#include "random.h"

#define THREADS 3u
#define FIRST 50011u
#define LAST 50410u
#define PORTS (LAST - FIRST + 1)

static struct berth_parts *parts;
static uint8_t policy; /* of begin() */
static struct berth_address here, there[2];
static uint32_t held_by[2][65536]; /* who has the pair */
static uint32_t wrong;
static pthread_barrier_t all_done; /* what a thread holds it holds until the last one has tried */

static int memory_left = -1; /* so often there is memory; below 0: always */

static void *get(void *context, size_t size)
{
	(void)context;
	if (!memory_left)
		return NULL;
	memory_left -= memory_left > 0;
	return malloc(size);
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static void give_way(void *context)
{
	(void)context;
	sched_yield();
}

static void begin(uint16_t count)
{
	const struct berth_space_memory memory = { get, put, NULL };
	const struct berth_space_room room = { 4000, 100, 100 };
	const struct berth_parts_config config = {
		.space = { .policy = policy,
			   .first = FIRST,
			   .last = LAST,
			   .owners = 3,
			   .key = { 1, 2, 3, 4 } },
		.parts = count,
		.wait = give_way,
	};
	uint16_t local;

	here = berth_address_v4((const uint8_t[]){ 10, 0, 0, 1 });
	there[0] = berth_address_v4((const uint8_t[]){ 192, 0, 2, 1 });
	there[1] = berth_address_v4((const uint8_t[]){ 192, 0, 2, 2 });
	assert_int_equal(berth_parts_new(&config, &memory, &parts), 0);
	assert_int_equal(berth_parts_add_local(parts, &here, &local), 0);
	assert_int_equal(berth_parts_make_room(parts, &room), 0);
	memset(held_by, 0, sizeof(held_by));
	wrong = 0;
}

static struct berth_space_connect want_of(unsigned d, uint64_t rnd, uint16_t owner)
{
	return (struct berth_space_connect){
		.remote_port = 443, .remote = there[d], .rnd = rnd, .owner = owner
	};
}

struct worker {
	pthread_t thread;
	uint32_t number, most; /* pairs that it holds at most */
	uint64_t state, steps, refused, connected;
	uint16_t owner;
};

static uint64_t draw(struct worker *w)
{
	w->state ^= w->state << 13;
	w->state ^= w->state >> 7;
	w->state ^= w->state << 17;
	return w->state;
}

static void blame(bool holds)
{
	if (!holds)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
}

/* Connects and releases at random; each pair that it gets must have been nobody's. */
static void *work(void *context)
{
	struct worker *w = context;
	berth_space_socket held[PORTS * 2];
	struct berth_space_info info;
	uint32_t n = 0;
	uint64_t i;

	for (i = 0; i < w->steps; i++) {
		const uint64_t key[4] = { i, w->number, 3, 4 };
		bool grow = n < w->most && (!n || draw(w) % 8 < 5);

		if (i % 512 == 0)
			berth_parts_rekey(parts, key);
		if (grow) {
			unsigned d = draw(w) % 2;
			struct berth_space_connect want = want_of(d, draw(w), w->owner);
			int error = berth_parts_connect(parts, w->number, &want, &held[n]);

			if (error) {
				blame(error == BERTH_SPACE_E_PAIRS || error == BERTH_SPACE_E_QUOTA);
				w->refused++;
				continue;
			}
			w->connected++;
			blame(!berth_parts_get(parts, held[n], &info));
			blame(!__atomic_exchange_n(&held_by[d][info.port], w->number + 1,
						   __ATOMIC_RELAXED));
			blame(berth_parts_find(parts, 0, info.port, &there[d], 443) == held[n]);
			n++;
		} else if (n) {
			uint32_t k = (uint32_t)(draw(w) % n);

			blame(!berth_parts_get(parts, held[k], &info));
			blame(__atomic_exchange_n(&held_by[info.remote.byte[15] - 1][info.port], 0,
						  __ATOMIC_RELAXED) == w->number + 1);
			blame(!berth_parts_release(parts, held[k], 0, false));
			held[k] = held[--n];
		}
	}
	pthread_barrier_wait(&all_done);
	while (n) {
		blame(!berth_parts_get(parts, held[--n], &info));
		__atomic_store_n(&held_by[info.remote.byte[15] - 1][info.port], 0,
				 __ATOMIC_RELAXED);
		blame(!berth_parts_release(parts, held[n], 0, false));
	}
	return NULL;
}

static uint64_t step_count(void)
{
	const char *given = getenv("BERTH_PARTS_STEPS");

	return given ? strtoull(given, NULL, 0) : 60000;
}

static void run(struct worker *w, uint32_t most, bool owners)
{
	struct berth_space_counts counts;
	uint32_t i;

	assert_int_equal(pthread_barrier_init(&all_done, NULL, THREADS), 0);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .number = i,
					.most = most,
					.state = random64() | 1,
					.steps = step_count(),
					.owner = (uint16_t)owners };
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
	pthread_barrier_destroy(&all_done);
	assert_int_equal(wrong, 0);
	assert_int_equal(berth_parts_count(parts, 0, &counts), 0);
	assert_int_equal(counts.sockets, 0);
	assert_int_equal(counts.free, PORTS);
	assert_int_equal(counts.open, PORTS);
}

/* Two threads together want all that there is: the others are refused. */
static void test_threads(void **state)
{
	static const uint16_t counts[] = { 1, 2, 4 };
	struct worker w[THREADS];
	uint64_t refused, connected;
	uint32_t i, k;

	(void)state;
	for (i = 0; i < 3; i++) {
		begin(counts[i]);
		run(w, PORTS, false);
		for (refused = connected = 0, k = 0; k < THREADS; k++) {
			connected += w[k].connected;
			refused += w[k].refused;
		}
		assert_true(connected > step_count() / 4);
		assert_true(refused > 0);
		berth_parts_free(parts);
	}
}

/* Threads that together never want more than there are ports for a destination are never refused. */
static void test_none_refused(void **state)
{
	struct worker w[THREADS];
	uint32_t k;

	(void)state;
	begin(4);
	run(w, PORTS / THREADS, false);
	for (k = 0; k < THREADS; k++)
		assert_int_equal(w[k].refused, 0);
	berth_parts_free(parts);
}

/* The same of a quota: 3 threads of one owner, each at most a third of it. */
static void test_quota(void **state)
{
	struct worker w[THREADS];
	uint32_t k;

	(void)state;
	begin(4);
	assert_int_equal(berth_parts_set_owner(parts, 1, 30, 0), 0);
	run(w, 10, true);
	for (k = 0; k < THREADS; k++)
		assert_int_equal(w[k].refused, 0);
	berth_parts_free(parts);
}

/* One thread gets every port, whatever its home; then the reason. */
static void test_exhaustion(void **state)
{
	static bool seen[65536];
	struct berth_space_connect want;
	struct berth_space_bind bind = { .port = 0 };
	struct berth_space_info info;
	berth_space_socket s, first = 0;
	uint32_t i;

	(void)state;
	begin(8);
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < PORTS; i++) {
		want = want_of(0, random64(), 0);
		assert_int_equal(berth_parts_connect(parts, 5, &want, &s), 0);
		assert_int_equal(berth_parts_get(parts, s, &info), 0);
		assert_in_range(info.port, FIRST, LAST);
		assert_false(seen[info.port]);
		seen[info.port] = true;
		first = first ? first : s;
	}
	assert_int_equal(berth_parts_connect(parts, 5, &want, &s), BERTH_SPACE_E_PAIRS);
	assert_int_equal(berth_parts_bind(parts, 5, &bind, &s), BERTH_SPACE_E_BOUND);
	assert_int_equal(berth_parts_release(parts, first, 0, false), 0);
	assert_int_equal(berth_parts_connect(parts, 2, &want, &s), 0);
	assert_int_equal(berth_parts_release(parts, first, 0, false), BERTH_SPACE_E_STALE);
	berth_parts_free(parts);
}

/* A quota is one for all parts, and a port that is named is in one of them. */
static void test_quota_is_whole(void **state)
{
	struct berth_space_bind bind = { .owner = 1 };
	struct berth_space_connect want = want_of(0, 1, 1);
	berth_space_socket s[8], more;
	uint32_t i;

	(void)state;
	begin(4);
	assert_int_equal(berth_parts_set_owner(parts, 1, 8, 0), 0);
	for (i = 0; i < 8; i++) {
		/* All in one group of 64. */
		bind.port = (uint16_t)(50048 + i);
		assert_int_equal(i % 2 ? berth_parts_connect(parts, 1, &want, &s[i])
				       : berth_parts_bind(parts, 0, &bind, &s[i]),
				 0);
	}
	bind.port = 50060;
	assert_int_equal(berth_parts_bind(parts, 0, &bind, &more), BERTH_SPACE_E_QUOTA);
	assert_int_equal(berth_parts_connect(parts, 3, &want, &more), BERTH_SPACE_E_QUOTA);
	assert_int_equal(berth_parts_owned(parts, 1), 8);
	assert_int_equal(berth_parts_release(parts, s[1], 0, false), 0);
	assert_int_equal(berth_parts_bind(parts, 0, &bind, &more), 0);
	berth_parts_free(parts);
}

/* A host for each part: every port once, and no more than the system gives. */
static void test_systems(void **state)
{
	static const uint8_t systems[] = { BERTH_SPACE_LINUX, BERTH_SPACE_OPENBSD,
					   BERTH_SPACE_NETBSD_BSD, BERTH_SPACE_WINDOWS };
	struct berth_space_policy_row row;
	struct berth_space_connect want;
	berth_space_socket s;
	uint32_t i, n;

	(void)state;
	for (i = 0; i < sizeof(systems); i++) {
		policy = systems[i];
		assert_int_equal(berth_space_policy_row(policy, &row), 0);
		begin(4);
		want = want_of(0, 1, 0);
		for (n = 0; !berth_parts_connect(parts, n, &want, &s); n++)
			want.rnd = random64();
		assert_int_equal(n, PORTS);
		want = want_of(1, 1, 0);
		assert_int_equal(berth_parts_connect(parts, 0, &want, &s),
				 row.shares ? 0 : BERTH_SPACE_E_BOUND);
		berth_parts_free(parts);
	}
	policy = BERTH_SPACE_UNIFORM;
}

/* Under hash ports go upwards; with a new key they go on elsewhere, in each part. */
static void test_rekey(void **state)
{
	const uint64_t key[4] = { 5, 6, 7, 8 };
	struct berth_space_connect want = want_of(0, 1, 0);
	struct berth_space_info info[2][3];
	berth_space_socket s;
	unsigned home, i;

	(void)state;
	policy = BERTH_SPACE_HASH;
	begin(2);
	for (i = 0; i < 3; i++) {
		if (i == 2)
			berth_parts_rekey(parts, key);
		for (home = 0; home < 2; home++) {
			assert_int_equal(berth_parts_connect(parts, home, &want, &s), 0);
			assert_int_equal(berth_parts_get(parts, s, &info[home][i]), 0);
		}
	}
	for (home = 0; home < 2; home++) {
		assert_int_equal(info[home][1].port, info[home][0].port + 1);
		assert_int_not_equal(info[home][2].port, info[home][1].port + 1);
	}
	berth_parts_free(parts);
	policy = BERTH_SPACE_UNIFORM;
}

/* Without memory from some allocation on: nothing has changed, in any part, and the same can be done later. */
static void test_no_memory(void **state)
{
	const struct berth_address two = berth_address_v4((const uint8_t[]){ 10, 0, 0, 2 });
	const struct berth_space_room room = { 8000, 200, 200 };
	struct berth_space_connect want = want_of(0, 1, 0);
	struct berth_space_info info;
	berth_space_socket s[40];
	uint16_t local = 99, drain;
	int error = -1, f, i;
	size_t bytes;

	(void)state;
	for (f = 0; error && f < 300; f++) {
		begin(4);
		bytes = berth_parts_bytes(parts);
		memory_left = f;
		error = berth_parts_add_local(parts, &two, &local);
		assert_int_equal(local, error ? 99 : 1);
		if (!error) {
			bytes = berth_parts_bytes(parts);
			memory_left = f;
			error = berth_parts_make_room(parts, &room);
		}
		if (error)
			assert_int_equal(berth_parts_bytes(parts), bytes);
		memory_left = f;
		drain = berth_parts_set_range(parts, 60000, 60255) ? FIRST : 60000;
		memory_left = f % 5;
		i = berth_parts_withhold(parts, FIRST, 60000, true);
		assert_int_equal(i, f % 5 < 4 ? BERTH_SPACE_E_MEMORY : 0);
		memory_left = -1;
		/* All parts have the same range, and the same ports. */
		for (i = 0; i < 40; i++) {
			int got = berth_parts_connect(parts, (unsigned)i, &want, &s[i]);

			if (f % 5 == 4 && drain == FIRST) {
				assert_int_equal(got, BERTH_SPACE_E_RANGE);
				continue;
			}
			assert_int_equal(got, 0);
			assert_int_equal(berth_parts_get(parts, s[i], &info), 0);
			assert_in_range(info.port, drain, drain == FIRST ? LAST : 60255);
		}
		if (error && local == 99)
			assert_int_equal(berth_parts_add_local(parts, &two, &local), 0);
		assert_int_equal(local, 1);
		want.local = 1;
		for (i = 0; f % 5 < 4 && i < 4; i++)
			assert_int_equal(berth_parts_connect(parts, (unsigned)i, &want, &s[i]), 0);
		want.local = 0;
		local = 99;
		berth_parts_free(parts);
	}
	assert_in_range(f, 30, 299);
}

/* A number with a part that there is not is no socket's. */
static void test_no_such_part(void **state)
{
	struct berth_space_connect want = want_of(0, 1, 0);
	struct berth_space_info info;
	berth_space_socket s;
	unsigned bit;

	(void)state;
	begin(4);
	assert_int_equal(berth_parts_connect(parts, 0, &want, &s), 0);
	for (bit = 50; bit < 64; bit++) {
		assert_int_equal(berth_parts_get(parts, s | 1ULL << bit, &info),
				 BERTH_SPACE_E_STALE);
		assert_int_equal(berth_parts_release(parts, s | 1ULL << bit, 0, false),
				 BERTH_SPACE_E_STALE);
	}
	assert_int_equal(berth_parts_release(parts, s, 0, false), 0);
	berth_parts_free(parts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exhaustion),   cmocka_unit_test(test_quota_is_whole),
		cmocka_unit_test(test_threads),      cmocka_unit_test(test_none_refused),
		cmocka_unit_test(test_quota),        cmocka_unit_test(test_systems),
		cmocka_unit_test(test_rekey),        cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_such_part),
	};

	random_begin("parts");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
