/* SPDX-License-Identifier: BSD-2-Clause */
/* Grant rules and prefixes: what is read, what is refused and at which character. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "src/core/grantrule.h"

static void test_prefixes(void **state)
{
	static const struct {
		const char *text;
		int len; /* of 128; -1: refused */
		size_t at;
	} rows[] = {
		{ "10.0.0.0/8", 104, 0 },
		{ "127.0.0.1", 128, 0 },
		{ "0.0.0.0/0", 96, 0 },
		{ "::/0", 0, 0 },
		{ "::", 128, 0 },
		{ "::1", 128, 0 },
		{ "2001:db8::/32", 32, 0 },
		{ "1:2:3:4:5:6:7:8", 128, 0 },
		{ "1:2:3:4:5:6:7::", 128, 0 },
		{ "::2:3:4:5:6:7:8", 128, 0 },
		{ "::ffff:10.0.0.0/104", 104, 0 },
		{ "64:ff9b::192.0.2.1", 128, 0 },
		{ "10.0.0.1/8", -1, 9 },
		{ "10.0.0", -1, 6 },
		{ "10.0.0.256", -1, 7 },
		{ "10.0.0.01", -1, 7 },
		{ "10.0.0.0/33", -1, 9 },
		{ "", -1, 0 },
		{ "1::2::3", -1, 4 },
		{ "1:2:3", -1, 5 },
		{ "12345::", -1, 0 },
		{ "fe80::1%lo", -1, 7 },
		{ ":", -1, 0 },
		{ "1:2:3:4:5:6:7:8::", -1, 15 },
		{ "::/129", -1, 3 },
		{ "1.2.3.4.5", -1, 7 },
		{ "1:", -1, 2 },
	};
	struct berth_prefix p;
	uint8_t addr[16];
	const char *what;
	size_t i, at;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n = strlen(rows[i].text);
		int err = berth_prefix_parse(rows[i].text, n, &p, &at, &what);
		char text[64];

		assert_int_equal(err, rows[i].len < 0 ? -EINVAL : 0);
		if (err) {
			assert_int_equal(at, rows[i].at);
			continue;
		}
		assert_int_equal(p.len, rows[i].len);
		/* The C library reads the same address. */
		memcpy(text, rows[i].text, n + 1);
		text[strcspn(text, "/")] = '\0';
		if (strchr(text, ':')) {
			assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
			assert_memory_equal(addr, p.addr, 16);
		} else {
			assert_int_equal(inet_pton(AF_INET, text, addr), 1);
			assert_memory_equal(addr, p.addr + 12, 4);
		}
	}
}

static void test_rule(void **state)
{
	static struct berth_portset ports;
	const char *line =
		"\tdeny tcp,udp 5432,6000-6009 on 10.0.0.0/8,::1 owner=user:pg,unit:a.service fail=closed # x";
	struct berth_grantrule_error error = { 99, NULL };
	struct berth_grantrule r;

	(void)state;
	assert_int_equal(berth_grantrule_parse(line, &r, &ports, &error), 1);
	assert_int_equal(r.verb, BERTH_GRANTRULE_DENY);
	assert_int_equal(r.protocols, BERTH_GRANTRULE_TCP | BERTH_GRANTRULE_UDP);
	assert_int_equal(ports.count, 11);
	assert_int_equal(r.prefixes, 2);
	assert_int_equal(r.names, 2);
	assert_int_equal(r.name[1].kind, BERTH_GRANTRULE_UNIT);
	assert_memory_equal(line + r.name[1].at, "a.service", r.name[1].len);
	assert_int_equal(r.fail, BERTH_GRANTRULE_FAIL_CLOSED);
	assert_int_equal(berth_grantrule_parse("", &r, &ports, &error), 0);
	assert_int_equal(berth_grantrule_parse("  # allow", &r, &ports, &error), 0);
	assert_int_equal(error.at, 99);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line;
		size_t at;
	} rows[] = {
		{ "grant tcp 80", 0 },
		{ "allow", 5 },
		{ "allow user=a", 12 },
		{ "allow user=a group=b tcp 80", 13 },
		{ "allow tcp", 9 },
		{ "allow tcp 80 on", 15 },
		{ "allow tcp 80 owner=user:a", 13 },
		{ "allow tcp 80 trusted trusted", 21 },
		{ "deny tcp 80 trusted", 12 },
		{ "deny tcp 80 owner=user:", 23 },
		{ "deny tcp 80 owner=unit:a/b", 23 },
		{ "deny tcp 80 owner=user:a owner=user:b", 25 },
		{ "allow tcp 80,!80", 10 },
		{ "allow tcp 80 fail=open", 13 },
		{ "allow tcp 1-65535", 10 },
		{ "allow user=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q tcp 1", 43 },
	};
	static struct berth_portset ports;
	struct berth_grantrule_error error;
	struct berth_grantrule r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		error.at = 999;
		assert_int_equal(berth_grantrule_parse(rows[i].line, &r, &ports, &error), -EINVAL);
		assert_int_equal(error.at, rows[i].at);
		assert_non_null(error.what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
