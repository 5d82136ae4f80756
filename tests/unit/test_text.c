/* SPDX-License-Identifier: BSD-2-Clause */
/* Foreign text: what stays, what is shown as an escape, and that nothing else comes out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/base/text.h"

static const struct {
	const char *bytes;
	size_t len;
	const char *safe, *json;
} rows[] = {
#define ROW(bytes, safe, json)                                                                     \
	{                                                                                          \
		bytes, sizeof(bytes) - 1, safe, json                                               \
	}
	ROW("", "", "\"\""),
	ROW("plain ~text", "plain ~text", "\"plain ~text\""),
	ROW("a\"b\\c", "a\"b\\\\c", "\"a\\\"b\\\\c\""),
	ROW("\x1b]0;title\a", "\\x1b]0;title\\x07", "\"\\u001b]0;title\\u0007\""),
	ROW("a\0b\n\r\t\x7f", "a\\x00b\\x0a\\x0d\\x09\\x7f",
	    "\"a\\u0000b\\u000a\\u000d\\u0009\\u007f\""),
	ROW("\xc2\x9b"
	    "31m",
	    "\\xc2\\x9b31m", "\"\\u009b31m\""),
	ROW("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa2",
	    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa2",
	    "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa2\""),
	ROW("\xe2\x80\xae"
	    "exe\xe2\x81\xa6",
	    "\\xe2\\x80\\xaeexe\\xe2\\x81\\xa6", "\"\\u202eexe\\u2066\""),
	ROW("\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81", "\"\\udb40\\udc41\""),
	/* No UTF-8: a lone continuation, cut short, overlong, a surrogate, above U+10FFFF. */
	ROW("\x80x", "\\x80x", "\"\xef\xbf\xbdx\""),
	ROW("\xe2\x82", "\\xe2\\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
	ROW("\xc0\xaf", "\\xc0\\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
	ROW("\xed\xa0\x80", "\\xed\\xa0\\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
	ROW("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
	    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
	ROW("\xff", "\\xff", "\"\xef\xbf\xbd\""),
#undef ROW
};

static void test_rows(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		berth_auto_free char *safe = NULL, *json = NULL;
		size_t n;
		FILE *f = open_memstream(&safe, &n);
		size_t shown = berth_text_print_safe(f, rows[i].bytes, rows[i].len);

		fclose(f);
		assert_string_equal(safe, rows[i].safe);
		assert_true(shown <= n);
		f = open_memstream(&json, &n);
		berth_text_print_json(f, rows[i].bytes, rows[i].len);
		fclose(f);
		assert_string_equal(json, rows[i].json);
	}
}

static void test_columns(void **state)
{
	berth_auto_free char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	assert_int_equal(berth_text_print_safe(f, "caf\xc3\xa9\x1b\\", 7), 4 + 4 + 2);
	fclose(f);
}

/* A buffer of any size is ended, not passed, and holds whole characters and escapes only. */
static void test_cut(void **state)
{
	static const char bytes[] = "a\x1b\xe2\x82\xac", whole[] = "a\\x1b\xe2\x82\xac";
	static const size_t held[] = { 0, 0, 1, 1, 1, 1, 5, 5, 5, 8, 8 };
	size_t size;

	(void)state;
	for (size = 0; size < sizeof(held) / sizeof(*held); size++) {
		char buf[16];

		memset(buf, '#', sizeof(buf));
		assert_int_equal(berth_text_safe(bytes, sizeof(bytes) - 1, buf, size),
				 sizeof(whole) - 1);
		assert_int_equal(buf[size], '#');
		if (size)
			assert_int_equal(strlen(buf), held[size]);
		assert_memory_equal(buf, whole, held[size]);
	}
}

/* Of all pairs of bytes: what comes out has no control byte and is UTF-8. */
static void test_nothing_else(void **state)
{
	unsigned pair, c;
	char buf[64];

	(void)state;
	for (pair = 0; pair < 65536; pair++) {
		char bytes[2] = { (char)(pair >> 8), (char)pair };
		size_t n = berth_text_safe(bytes, 2, buf, sizeof(buf)), at, k;

		for (at = 0; at < n; at += k) {
			k = berth_text_char(buf + at, n - at, &c);
			assert_true(k && c >= 0x20 && (c < 0x7f || c > 0x9f));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
