/* SPDX-License-Identifier: BSD-2-Clause */
/* The question of `berth explain`: what is read, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/cli/what.h"

static struct berth_what parse(const char *text)
{
	char *word = (char *)(uintptr_t)text;
	struct berth_what w = { 0 };
	struct berth_why why = { "" };

	if (berth_what_parse(&word, 1, &w, &why))
		fail_msg("\"%s\" is refused: %s", text, why.text);
	return w;
}

static void assert_refused(const char *text)
{
	char *word = (char *)(uintptr_t)text;
	struct berth_what w;
	struct berth_why why = { "" };

	if (berth_what_parse(&word, 1, &w, &why) != -EINVAL)
		fail_msg("\"%s\" is not refused", text);
	assert_true(*why.text);
	assert_null(strchr(why.text, '\n'));
}

static void ports(void **state)
{
	static const char *const five[] = { "8080", "8080/tcp", "tcp/8080", " 8080 ", "8080/TCP" };
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		struct berth_what w = parse(five[i]);

		assert_int_equal(w.kind, BERTH_WHAT_PORT);
		assert_int_equal(w.port, 8080);
		assert_int_equal(w.protocol, strchr(five[i], '/') ? 6 : 0);
		assert_string_equal(w.host, "");
	}
	assert_int_equal(parse("udp/53").protocol, 17);
	assert_int_equal(parse("65535").port, 65535);
}

static void endpoints(void **state)
{
	(void)state;
	assert_string_equal(parse("127.0.0.1:80").host, "127.0.0.1");
	assert_string_equal(parse("[::1]:80").host, "::1");
	assert_int_equal(parse("[::1]:80").port, 80);
	assert_string_equal(parse("[fe80::1%eth0]:80").device, "eth0");
	assert_string_equal(parse("[fe80::1%eth0]:80").host, "fe80::1");
	assert_string_equal(parse("*:80").host, "");
	assert_int_equal(parse("ssh").kind, BERTH_WHAT_WORD);
	assert_int_equal(parse("::1").kind, BERTH_WHAT_WORD);
}

static void actions(void **state)
{
	struct berth_what w = parse("bind 0.0.0.0:80 as www-data");

	(void)state;
	assert_int_equal(w.kind, BERTH_WHAT_BIND);
	assert_string_equal(w.user, "www-data");
	assert_int_equal(w.port, 80);
	assert_int_equal(parse("bind :0").port, 0);
	assert_true(parse("listen 80").listens);
	w = parse("connect 10.0.0.7:443 from 10.0.0.2:5000 udp as 33");
	assert_int_equal(w.kind, BERTH_WHAT_CONNECT);
	assert_string_equal(w.host, "10.0.0.7");
	assert_string_equal(w.source, "10.0.0.2");
	assert_int_equal(w.source_port, 5000);
	assert_int_equal(w.protocol, 17);
	assert_string_equal(w.user, "33");
}

static void urls(void **state)
{
	struct berth_what w = parse("https://user:secret@example.org/a?b#c");

	(void)state;
	assert_int_equal(w.kind, BERTH_WHAT_CONNECT);
	assert_string_equal(w.host, "example.org");
	assert_int_equal(w.port, 443);
	assert_true(w.default_port);
	assert_int_equal(parse("http://[2001:db8::1]:8080/").port, 8080);
	assert_false(parse("http://h:8080").default_port);
	assert_int_equal(parse("postgresql://db").port, 5432);
}

static void errnos(void **state)
{
	(void)state;
	assert_int_equal(parse("EADDRINUSE").error, EADDRINUSE);
	assert_int_equal(parse("eaddrnotavail").error, EADDRNOTAVAIL);
	assert_int_equal(parse("echo").kind, BERTH_WHAT_WORD);
}

static void refused(void **state)
{
	static const char *const text[] = { "",
					    " ",
					    "0",
					    "65536",
					    "99999999999999999999",
					    "80 81",
					    "bind",
					    "connect",
					    "connect 10.0.0.1",
					    "connect 10.0.0.1:0",
					    "bind 1.2.3.4:x",
					    "bind :80 as",
					    "bind :80 of me",
					    "bind :80 from 1.2.3.4",
					    "[::1:80",
					    "[::1]80",
					    "1.2.3.4:-1",
					    "1.2.3.4:80x",
					    "http://",
					    "http:///path",
					    "nosuchscheme://h",
					    "http://h:99999",
					    "a b c d e f g h i j" };
	char longest[2000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		assert_refused(text[i]);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_refused(longest);
	longest[300] = 0;
	assert_refused(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ports),   cmocka_unit_test(endpoints),
					    cmocka_unit_test(actions), cmocka_unit_test(urls),
					    cmocka_unit_test(errnos),  cmocka_unit_test(refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
