/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port spaces as careless callers use them: any call at any time with any argument, room or none, an allocator that
 * fails. Nothing is compared with a twin: there is an error or there is not, what is found is what was made, and
 * no byte is read or kept that is not the space's (by the sanitizers, where they are in).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "include/berth/space.h"
#include "random.h"

#define SPACES 40u
#define STEPS 3000u
#define SOCKETS 64u

static struct berth_space *sp;
static berth_space_socket sockets[SOCKETS];
static uint32_t now_ms;
static size_t live;    /* bytes that the space has */
static int calls_left; /* of the allocator, until one fails; below 0: none does */
static uint64_t made, answered[32];

static void *get(void *context, size_t size)
{
	(void)context;
	if (calls_left >= 0 && !calls_left--)
		return NULL;
	live += size;
	return malloc(size);
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	live -= size;
	free(memory);
}

/* One call in n may meet an allocator that fails. */
static void fail_at_times(uint32_t n)
{
	calls_left = random_below(n) ? -1 : (int)random_below(6);
}

static struct berth_address any_address(void)
{
	const uint8_t v4[4] = { 10, 0, 0, (uint8_t)random_below(4) }, none[4] = { 0 };
	struct berth_address a = berth_address_v4(random_below(8) ? v4 : none);

	if (!random_below(4)) {
		memset(&a, 0, sizeof(a));
		a.byte[0] = random_below(3) ? 0xfd : 0;
		a.byte[15] = (uint8_t)random_below(3);
	}
	return a;
}

static uint16_t any_port(void)
{
	static const uint16_t edge[] = { 0, 1, 65535 };

	return random_below(2) ? edge[random_below(3)] : (uint16_t)(1000 + random_below(100));
}

static uint16_t any_local(void)
{
	return (uint16_t)(random_below(7) ? random_below(4) : random64());
}

static uint32_t any_time(void)
{
	return random_below(2) ? 0 : random_below(1000);
}

static bool begin(void)
{
	const struct berth_space_memory memory = { get, put, NULL };
	struct berth_space_config c = {
		.protocol = (uint8_t)(random_below(4) ? BERTH_UDP : random64()),
		.policy = (uint8_t)random_below(40),
		.system_end = random_below(4) ? 0 : any_port(),
		.addresses = (uint16_t)random_below(6),
		.owners = (uint16_t)random_below(4),
		.counters = random_below(3) ? 0 : 1u << random_below(18),
		.rest_pair_ms = any_time(),
		.rest_port_ms = any_time(),
		.idle_ms = any_time(),
		.now_ms = (uint32_t)random64(),
	};

	if (random_below(3)) {
		c.first = any_port();
		c.last = any_port();
	}
	if (!random_below(20)) {
		c.part = (uint16_t)random_below(5);
		c.parts = (uint16_t)random_below(5);
	}
	fail_at_times(10);
	memset(sockets, 0, sizeof(sockets));
	now_ms = c.now_ms;
	return !berth_space_new(&c, &memory, &sp);
}

static int change_space(void)
{
	const struct berth_space_room room = { random_below(4) ? random_below(300) : 0,
					       random_below(50), random_below(40) };
	const uint64_t key[4] = { random64(), random64(), random64(), random64() };
	struct berth_address a = any_address();
	uint16_t local;

	switch (random_below(8)) {
	case 0:
		return berth_space_set_range(sp, any_port(), any_port());
	case 1:
		return berth_space_withhold(sp, any_port(), any_port(), random_below(2));
	case 2:
		berth_space_rekey(sp, key);
		return 0;
	case 3:
		return berth_space_set_owner(sp, (uint16_t)random_below(5), random_below(30),
					     random_below(2));
	case 4:
	case 5:
		return berth_space_make_room(sp, &room);
	default:
		return berth_space_add_local(sp, &a, &local);
	}
}

static int bind_any(berth_space_socket *fresh)
{
	struct berth_space_bind want = { .local = any_local(),
					 .port = any_port(),
					 .owner = (uint16_t)random_below(4),
					 .flags = (uint8_t)random_below(5),
					 .rnd = random64() };
	uint16_t locals[20];
	unsigned i;

	if (random_below(3))
		return berth_space_bind(sp, &want, fresh);
	for (i = 0; i < 20; i++)
		locals[i] = any_local();
	return berth_space_bind_many(sp, &want, locals, random_below(random_below(5) ? 3 : 20),
				     fresh);
}

static int connect_any(berth_space_socket socket, berth_space_socket *fresh)
{
	struct berth_space_connect want = { .local = any_local(),
					    .remote_port = any_port(),
					    .owner = (uint16_t)random_below(4),
					    .remote = any_address(),
					    .rnd = random64(),
					    .now_ms = now_ms };

	/* All bytes zero: what a caller has who forgot to fill it in. */
	if (!random_below(20))
		memset(&want, 0, sizeof(want));
	switch (random_below(4)) {
	case 0:
		return berth_space_connect_bound(sp, socket, &want);
	case 1:
		return berth_space_accept(sp, socket, &want, fresh);
	default:
		return berth_space_connect(sp, &want, fresh);
	}
}

static int call_any(berth_space_socket *at)
{
	berth_space_socket fresh = 0, socket = random_below(10) ? *at : random64();
	int error = 0;

	switch (random_below(8)) {
	case 0:
		error = random_below(10) ? 0 : change_space();
		break;
	case 1:
	case 2:
		error = bind_any(&fresh);
		break;
	case 3:
	case 4:
		error = connect_any(socket, &fresh);
		break;
	case 5:
		error = random_below(2) ? berth_space_listen(sp, socket)
					: berth_space_touch(sp, socket, now_ms);
		break;
	case 6:
		error = berth_space_release(sp, socket, now_ms, random_below(2));
		break;
	default:
		now_ms += random_below(60);
		berth_space_advance(sp, now_ms, random_below(4), NULL, NULL);
	}
	if (!error && fresh) {
		*at = fresh;
		made++;
	}
	return error;
}

/* What holds after each call. */
static void check(berth_space_socket socket)
{
	struct berth_address a = any_address();
	struct berth_space_info info;
	struct berth_space_counts n;
	uint16_t local = any_local();

	if (!berth_space_get(sp, socket, &info) && info.remote_port &&
	    info.state != BERTH_SPACE_RESTS)
		assert_true(berth_space_find(sp, info.local, info.port, &info.remote,
					     info.remote_port) == socket);
	assert_in_range(berth_space_headroom(sp, local, &a, any_port()), 0, 65535);
	if (!berth_space_count(sp, local, &n))
		assert_true(n.free <= 65535 && n.open <= 65535);
	assert_int_equal(berth_space_bytes(sp), live);
}

static void test_any_call(void **state)
{
	uint32_t spaces = 0, i, k;
	int error;

	(void)state;
	/* Most configurations are refused. */
	for (k = 0; spaces < SPACES && k < 100 * SPACES; k++) {
		if (!begin()) {
			assert_int_equal(live, 0);
			continue;
		}
		/* What nobody made room for is used first. */
		for (i = 0; random_below(3) && i < 20; i++)
			change_space();
		for (i = 0; i < STEPS; i++) {
			berth_space_socket *at = &sockets[random_below(SOCKETS)];

			fail_at_times(30);
			error = call_any(at);
			assert_in_range(-error, 0, 31);
			answered[-error]++;
			calls_left = -1;
			check(*at);
		}
		berth_space_free(sp);
		assert_int_equal(live, 0);
		spaces++;
	}
	/* The test is about something: sockets were made, and refused for many reasons. */
	assert_int_equal(spaces, SPACES);
	assert_true(made > 1000);
	for (i = 1, k = 0; i < 32; i++)
		k += answered[i] > 0;
	assert_in_range(k, 12, 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_any_call) };

	random_begin("space, odd");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
