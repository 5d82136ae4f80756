/* SPDX-License-Identifier: BSD-2-Clause */
/* Destinations as people write them, and lanes as they are shown. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "src/cli/destination.h"
#include "src/cli/lane.h"

/* The address in the form of a key. */
static void key(const char *text, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, addr);
		return;
	}
	addr[10] = addr[11] = 0xff;
	inet_pton(AF_INET, text, addr + 12);
}

static bool matches(const struct berth_headroom_ask *ask, const char *addr, uint16_t port)
{
	uint64_t w[2];
	uint8_t bytes[16];

	key(addr, bytes);
	memcpy(w, bytes, 16);
	return !((w[0] ^ ask->addr[0]) & ask->mask[0]) && !((w[1] ^ ask->addr[1]) & ask->mask[1]) &&
	       (!ask->port || ask->port == port);
}

static void test_good(void **state)
{
	static const struct {
		const char *text, *in;
		uint16_t in_port;
		const char *out;
		uint16_t out_port;
	} row[] = { { "10.0.0.7", "10.0.0.7", 1, "10.0.0.8", 1 },
		    { "10.0.0.7:443", "10.0.0.7", 443, "10.0.0.7", 444 },
		    { "10.0.0.7:https", "10.0.0.7", 443, "10.0.0.8", 443 },
		    { "10.0.0.0/8", "10.255.0.1", 9, "11.0.0.1", 9 },
		    { "10.0.0.0/8:80", "10.255.0.1", 80, "10.255.0.1", 81 },
		    { "10.0.0.0/31", "10.0.0.1", 80, "10.0.0.2", 80 },
		    { "0.0.0.0/0", "192.0.2.1", 80, "2001:db8::1", 80 },
		    { ":53", "10.0.0.7", 53, "10.0.0.7", 54 },
		    { ":domain", "2001:db8::1", 53, "2001:db8::1", 54 },
		    { "2001:db8::1", "2001:db8::1", 5, "2001:db8::2", 5 },
		    { "[2001:db8::1]", "2001:db8::1", 5, "2001:db8::2", 5 },
		    { "[2001:db8::1]:443", "2001:db8::1", 443, "2001:db8::1", 444 },
		    { "2001:db8::/33", "2001:db8:7fff::1", 5, "2001:db8:8000::1", 5 },
		    { "[2001:db8::]/32:25", "2001:db8:7fff::1", 25, "2001:db9::1", 25 },
		    { "2001:db8::/32:25", "2001:db8:7fff::1", 25, "2001:db8:7fff::1", 26 },
		    { "::/0", "2001:db8::1", 1, NULL, 0 } };
	struct berth_headroom_ask ask;
	struct berth_why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
		if (destination_parse(row[i].text, &ask, &why))
			fail_msg("%s: %s", row[i].text, why.text);
		if (!matches(&ask, row[i].in, row[i].in_port))
			fail_msg("%s does not match %s", row[i].text, row[i].in);
		if (row[i].out && matches(&ask, row[i].out, row[i].out_port))
			fail_msg("%s matches %s", row[i].text, row[i].out);
	}
}

static void test_bad(void **state)
{
	static const char *const row[] = {
		"",
		":",
		"10.0.0",
		"10.0.0.7:",
		"10.0.0.7:0",
		"10.0.0.7:65536",
		"10.0.0.7:44x",
		"10.0.0.7:no-such",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.0/x",
		"10.0.0.0/8:",
		"/8",
		"[::1",
		"[::1]443",
		"[::1]:",
		"::/129",
		"::1::2",
		"nowhere",
		"10.0.0.7 ",
		"[]:80",
		"10.0.0.0/8/8",
		"10.0.0.0/-1",
		"10.0.0.7:80:80",
		"10.0.0.7:-1",
	};
	struct berth_headroom_ask ask;
	struct berth_why why;
	char longest[1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(*row); i++) {
		memset(&ask, 0x5a, sizeof(ask));
		if (!destination_parse(row[i], &ask, &why))
			fail_msg("\"%s\" was taken", row[i]);
		assert_int_equal(ask.port, 0x5a5a);
		assert_non_null(strstr(why.text, row[i]));
	}
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(destination_parse(longest, &ask, &why) < 0);
}

static void test_texts(void **state)
{
	struct berth_headroom_row r = { .dport = 443, .protocol = 6 };
	const char *const longest = "fe80:1234:1234:1234:1234:1234:1234:1234";
	struct berth_headroom h = { .capacity = 1000, .used = 999 };
	char buf[LANE_TEXT], wanted[LANE_TEXT];

	(void)state;
	key("10.9.0.1", r.src);
	key("2001:db8::2", r.dst);
	assert_string_equal(lane_name(&r, buf), "10.9.0.1 > [2001:db8::2]:443");
	assert_string_equal(lane_choice(&r, buf), "kernel");
	key(longest, r.src);
	key(longest, r.dst);
	snprintf(wanted, sizeof(wanted), "%s > [%s]:443", longest, longest);
	assert_string_equal(lane_name(&r, buf), wanted);
	assert_string_equal(lane_share(&h, buf), "99.9%");
	assert_string_equal(lane_eta(-1, buf), "never");
	assert_string_equal(lane_eta(0, buf), "now");
	assert_string_equal(lane_eta(0.5, buf), "0s");
	assert_string_equal(lane_eta(59.9, buf), "59s");
	assert_string_equal(lane_eta(60, buf), "1m00s");
	assert_string_equal(lane_eta(3661, buf), "1h01m");
	assert_string_equal(lane_eta(90000, buf), "1d01h");
	assert_string_equal(lane_eta(8639999, buf), "99d23h");
	assert_string_equal(lane_eta(1e300, buf), ">99d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("destination", tests, NULL, NULL);
}
