/* SPDX-License-Identifier: BSD-2-Clause */
/* The text form of a set: what is read, what is refused and where, what is written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "src/core/range.h"

static void test_texts(void **state)
{
	static const struct {
		const char *text, *written;
		uint32_t count;
	} rows[] = {
		{ "1024-32767,!5432,61000-65535", "1024-5431,5433-32767,61000-65535", 36279 },
		{ " 80 , 443 ", "80,443", 2 },
		{ "1-65535", "1-65535", 65535 },
		{ "!22", "1-21,23-65535", 65534 },
		{ " !1-65534", "65535", 1 },
		{ "5,!5", "", 0 },
		{ "", "", 0 },
		{ "  ", "", 0 },
		{ "3,1,2", "1-3", 3 },
		{ "10-20,!12-13,13", "10-11,13-20", 10 },
		{ "0080", "80", 1 },
		{ "7-7", "7", 1 },
	};
	struct berth_portset set;
	struct berth_range_error error = { 99, "untouched" };
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(berth_portset_parse(rows[i].text, &set, &error), 0);
		assert_int_equal(set.count, rows[i].count);
		assert_int_equal(berth_portset_format(&set, text, sizeof(text)),
				 strlen(rows[i].written));
		assert_string_equal(text, rows[i].written);
	}
	assert_int_equal(error.at, 99);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text;
		size_t at;
		const char *what;
	} rows[] = {
		{ "80,", 3, "number expected" },
		{ ",80", 0, "number expected" },
		{ "80,,81", 3, "number expected" },
		{ "http", 0, "number expected" },
		{ "80-", 3, "number expected" },
		{ "80 -90", 3, "comma expected" },
		{ "80- 90", 3, "number expected" },
		{ "! 80", 1, "number expected" },
		{ "80-90-100", 5, "comma expected" },
		{ "1,65536", 2, "number above 65535" },
		{ "99999999999999999999", 0, "number above 65535" },
		{ "1-70000", 2, "number above 65535" },
		{ "0", 0, "port 0 means no port" },
		{ "0-5", 0, "port 0 means no port" },
		{ "20,90-80", 6, "range ends below its start" },
		{ "80\t", 2, "comma expected" },
		{ "80;81", 2, "comma expected" },
		{ "!", 1, "number expected" },
		{ "-5", 0, "number expected" },
		{ "\xc3\xa9", 0, "number expected" },
	};
	struct berth_portset set;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct berth_range_error error = { 99, "" };

		assert_int_equal(berth_portset_parse(rows[i].text, &set, &error), -EINVAL);
		assert_int_equal(error.at, rows[i].at);
		assert_string_equal(error.what, rows[i].what);
	}
}

/* A buffer of any size is filled, ended, and not passed. */
static void test_format_cuts(void **state)
{
	static const char whole[] = "1-10,65535";
	struct berth_portset set;
	struct berth_range_error error;
	char text[16];
	size_t size;

	(void)state;
	assert_int_equal(berth_portset_parse(whole, &set, &error), 0);
	assert_int_equal(berth_portset_format(&set, NULL, 0), strlen(whole));
	for (size = 1; size < sizeof(text); size++) {
		memset(text, '#', sizeof(text));
		assert_int_equal(berth_portset_format(&set, text, size), strlen(whole));
		assert_int_equal(text[size], '#');
		assert_int_equal(strncmp(text, whole, size - 1), 0);
		assert_int_equal(strlen(text), size - 1 < strlen(whole) ? size - 1 : strlen(whole));
	}
	berth_portset_add_range(&set, (struct berth_range){ 0, 65535 });
	assert_int_equal(set.count, 65536);
	berth_portset_format(&set, text, sizeof(text));
	assert_string_equal(text, "0-65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_format_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
