/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of ports without a kernel: the cases that people meet, and the index against the plain search. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/core/rules.h"
#include "src/core/population.h"
#include "tests/model/random.h"

#define ROOM 64

static struct berth_sock sock[ROOM];
static struct berth_bucket bucket[ROOM];
static struct berth_population_index indexed;

static const struct berth_ip lo = { { [10] = 0xff, 0xff, 127, 0, 0, 1 } };

static struct berth_population space_of(uint32_t socks, struct berth_population_index *with)
{
	struct berth_population sp = {
		.sock = sock, .bucket = bucket, .socks = socks, .room = ROOM
	};

	assert_int_equal(berth_population_guess(&sp, with), 0);
	return sp;
}

static struct berth_host host(void)
{
	static const struct berth_local local = { { { [10] = 0xff, 0xff, 127 } }, 104, 1 };

	return (struct berth_host){ .local = &local,
				    .locals = 1,
				    .unprivileged = 1024,
				    .ephemeral = { 2000, 2007 },
				    .loopback = 1,
				    .tw_reuse = 2 };
}

static struct berth_sock tcp(uint16_t port, enum berth_sock_state state, bool reuse)
{
	return (struct berth_sock){ .local = lo,
				    .port = port,
				    .proto = BERTH_PROTO_TCP,
				    .family = BERTH_IPV4,
				    .state = (uint8_t)state,
				    .reuse = reuse };
}

static struct berth_verdict bind_over(uint32_t socks, bool reuse, uint16_t port, bool may_low)
{
	struct berth_request r = { .op = BERTH_OP_BIND,
				   .self = -1,
				   .addr = berth_ip_any4,
				   .family = BERTH_IPV4,
				   .port = port,
				   .may_low = may_low,
				   .sock = tcp(0, BERTH_SOCK_CLOSED, reuse) };
	struct berth_population sp = space_of(socks, NULL);
	struct berth_host h = host();
	struct berth_verdict v;

	berth_rules_judge(&sp, &h, &r, &v);
	return v;
}

static void people_meet(void **state)
{
	struct berth_verdict v;

	(void)state;
	sock[0] = tcp(8080, BERTH_SOCK_LISTEN, true);
	v = bind_over(1, true, 8080, false);
	assert_int_equal(v.error, EADDRINUSE);
	assert_int_equal(v.rule, BERTH_RULE_LISTENER);
	assert_int_equal(v.other, 0);
	assert_int_equal(bind_over(1, true, 8081, false).error, 0);
	assert_int_equal(bind_over(0, true, 80, false).rule, BERTH_RULE_LOW_PORT);
	assert_int_equal(bind_over(0, true, 80, true).error, 0);
	sock[0] = tcp(8080, BERTH_SOCK_TIME_WAIT, true);
	assert_int_equal(bind_over(1, false, 8080, false).rule, BERTH_RULE_TIME_WAIT);
	assert_int_equal(bind_over(1, true, 8080, false).rule, BERTH_RULE_SHARED);
	sock[0] = tcp(8080, BERTH_SOCK_CONNECTED, false);
	assert_int_equal(bind_over(1, true, 8080, false).rule, BERTH_RULE_HOLDER_FIRM);
}

static void range_is_counted(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 7; i++)
		sock[i] = tcp((uint16_t)(2000 + i), BERTH_SOCK_CLOSED, true);
	assert_int_equal(bind_over(7, true, 0, false).choices, 1);
	assert_int_equal(bind_over(7, true, 0, false).port, 2007);
	sock[7] = tcp(2007, BERTH_SOCK_CLOSED, true);
	assert_int_equal(bind_over(8, true, 0, false).rule, BERTH_RULE_NONE_TO_BIND);
}

static struct berth_sock any_sock(void)
{
	struct berth_sock s =
		tcp((uint16_t)(2000 + random_below(6)), random_below(4), random_below(2));

	s.reuseport = random_below(2);
	s.proto = random_below(3) ? BERTH_PROTO_TCP : BERTH_PROTO_UDP;
	s.by_connect = random_below(2) && s.state >= BERTH_SOCK_CONNECTED;
	if (s.state >= BERTH_SOCK_CONNECTED) {
		s.peer = lo;
		s.peer_port = (uint16_t)(2000 + random_below(6));
	}
	return s;
}

static int by_port(const void *a, const void *b)
{
	return ((const struct berth_sock *)a)->port - ((const struct berth_sock *)b)->port;
}

static void index_changes_nothing(void **state)
{
	struct berth_verdict plain, fast;
	struct berth_host h = host();
	struct berth_request r;
	struct berth_population sp;
	uint32_t i, n;
	int round;

	(void)state;
	random_begin("rules");
	for (round = 0; round < 300; round++) {
		n = random_below(ROOM);
		for (i = 0; i < n; i++)
			sock[i] = any_sock();
		qsort(sock, n, sizeof(sock[0]), by_port);
		r = (struct berth_request){ .op = random_below(2) ? BERTH_OP_BIND
								  : BERTH_OP_CONNECT,
					    .self = -1,
					    .addr = lo,
					    .source = lo,
					    .family = BERTH_IPV4,
					    .may_low = true,
					    .port = (uint16_t)(2000 + random_below(6)),
					    .sock = any_sock() };
		r.sock.state = BERTH_SOCK_CLOSED;
		r.sock.port = 0;
		sp = space_of(n, NULL);
		berth_rules_judge(&sp, &h, &r, &plain);
		sp = space_of(n, &indexed);
		berth_rules_judge(&sp, &h, &r, &fast);
		assert_int_equal(plain.error, fast.error);
		assert_int_equal(plain.rule, fast.rule);
		assert_int_equal(plain.other, fast.other);
		assert_int_equal(plain.choices, fast.choices);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(people_meet),
					    cmocka_unit_test(range_is_counted),
					    cmocka_unit_test(index_changes_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
