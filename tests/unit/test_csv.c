/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of CSV, and the two text forms of a list of services: what is read, what is refused, and where. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/registry/csv.h"
#include "src/registry/parse.h"

#define HEAD "Service Name,Port Number,Transport Protocol,Description\r\n"

/* All records of a text, fields as "[a][b]", records as lines, with their number; or the sentence. */
static void read_all(const char *text, char *out, size_t size)
{
	berth_auto_free char *copy = strdup(text);
	struct berth_csv csv = { copy, 1 };
	struct berth_why why = { "" };
	char *field[8];
	FILE *f = fmemopen(out, size, "w");
	int n, i;

	for (;;) {
		unsigned line = csv.line;

		n = berth_csv_record(&csv, field, 8, &why);
		if (n <= 0)
			break;
		fprintf(f, "%u", line);
		for (i = 0; i < n && i < 8; i++)
			fprintf(f, "[%s]", field[i]);
		fputc('\n', f);
	}
	fputs(why.text, f);
	fclose(f);
	assert_int_equal(n, why.text[0] ? -EINVAL : 0);
}

static void test_records(void **state)
{
	static const struct {
		const char *text, *read;
	} rows[] = {
		{ "", "" },
		{ "a,b\n", "1[a][b]\n" },
		{ "a,b\r\nc,d", "1[a][b]\n2[c][d]\n" },
		{ ",\n", "1[][]\n" },
		{ "a,\n,b", "1[a][]\n2[][b]\n" },
		{ "\"a,b\",c\n", "1[a,b][c]\n" },
		{ "\"a\"\"b\",\"\"\n", "1[a\"b][]\n" },
		{ "\"\"\"\"\n", "1[\"]\n" },
		{ "\"\"", "1[]\n" },
		{ "\"a\nb\r\nc\",d\ne\n", "1[a\nb\r\nc][d]\n4[e]\n" },
		{ "a\rb,c\n", "1[a\rb][c]\n" },
		{ "a b , c\n", "1[a b ][ c]\n" },
		{ "a\n\n\r\nb\n", "1[a]\n2[b]\n" },
		{ "1,2,3,4,5,6,7,8,9,10\n", "1[1][2][3][4][5][6][7][8]\n" },
		{ "a,b\"c\n", "line 1: a quote within a field that has none around it" },
		{ "a\n\"b\"c\n", "1[a]\nline 2: text behind a closing quote" },
		{ "a\n\"b\" ,c\n", "1[a]\nline 2: text behind a closing quote" },
		{ "a\nb,\"c\nd\n", "1[a]\nline 2: the quote that begins there is not closed" },
		{ "\"", "line 1: the quote that begins there is not closed" },
		{ "\"\"\"", "line 1: the quote that begins there is not closed" },
	};
	char out[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(out, 0, sizeof(out));
		read_all(rows[i].text, out, sizeof(out));
		assert_string_equal(out, rows[i].read);
	}
}

/* Reads IANA's CSV; returns what the parser returns, with a layer where that is good. */
static int parse_csv(const char *text, size_t len, struct berth_services_layer *out_layer,
		     struct berth_why *why)
{
	struct berth_services_builder *b = berth_services_builder_new();
	berth_auto_free char *copy = malloc(len + 1);
	int n;

	memcpy(copy, text, len);
	why->text[0] = '\0';
	n = berth_services_parse_csv(copy, len, b, why);
	assert_int_equal(n < 0, why->text[0] != '\0');
	if (n >= 0)
		assert_int_equal(berth_services_builder_finish(b, out_layer), 0);
	berth_services_builder_free(b);
	return n;
}

static void test_csv_services(void **state)
{
	static const char text[] =
		"\xef\xbb\xbf" HEAD "http,80,tcp,\"World \n  Wide\",\r\n"
		"www,80,tcp,,\r\n,24,tcp,any private mail system,\r\n"
		"nobody,,,no port,\r\nx11,6000-6063,tcp,X\r\n,4,,Reserved\r\nodd,5,quic,unknown\r\n";
	static const char head[] =
		"Service Name,Port Number,Transport Protocol,Description,Assignee\r\n";
	struct berth_services_layer layer;
	struct berth_why why;
	berth_auto_free char *wide = NULL;
	uint32_t count;

	(void)state;
	/* The header has one field more or less than some records. */
	assert_int_equal(parse_csv(text, sizeof(text) - 1, &layer, &why), -EINVAL);
	assert_string_equal(why.text, "line 2: 5 fields, the header has 4");
	assert_true(
		asprintf(
			&wide, "%s%s", head,
			"http,80,tcp,\"World \n  Wide\",\r\nwww,80,tcp,,\r\n,24,tcp,private,\r\n"
			"nobody,,,no port,\r\n x11,6000-6063 ,tcp,\"X IANA assigned this well-formed "
			"service name as a replacement for \"\"X\"\".\",\r\n,4,,Reserved,\r\n"
			"odd,5,quic,unknown,\r\n") > 0);
	assert_int_equal(parse_csv(wide, strlen(wide), &layer, &why), 3);
	assert_int_equal(layer.row_count, 1 + 64);
	assert_int_equal(layer.word_count, 2 + 64);
	assert_string_equal(layer.text + layer.rows[0].text, "http");
	assert_string_equal(berth_services_after(layer.text + layer.rows[0].text), "World Wide");
	assert_string_equal(layer.text + layer.rows[64].text, "x11");
	assert_string_equal(berth_services_after(layer.text + layer.rows[64].text), "X");
	assert_int_equal(layer.lines[0], 2);
	assert_int_equal(layer.lines[1], 7);
	berth_services_layer_named(&layer, "X11", &count);
	assert_int_equal(count, 64);
	assert_int_equal(berth_services_layer_named(&layer, "www", &count), 1);
	assert_int_equal(count, 1);
	berth_services_layer_fini(&layer);
}

static void test_csv_refusals(void **state)
{
#define ROW(text, why)                                                                             \
	{                                                                                          \
		text, sizeof(text) - 1, why                                                        \
	}
	static const struct {
		const char *text;
		size_t len;
		const char *why;
	} rows[] = {
		ROW("", "line 1: not IANA's CSV, which begins \"Service Name,Port Number,Transport "
			"Protocol,Description\""),
		ROW("Name,Port\na,1\n",
		    "line 1: not IANA's CSV, which begins \"Service Name,Port Number,"
		    "Transport Protocol,Description\""),
		ROW(HEAD, "no service with a port in it"),
		ROW(HEAD ",1,tcp,x\n", "no service with a port in it"),
		ROW(HEAD "a,1,tcp,x\nb,2,tcp\n", "line 3: 3 fields, the header has 4"),
		ROW(HEAD "a,0,tcp,x\n",
		    "line 2: the port number is neither PORT nor FIRST-LAST in 1-65535"),
		ROW(HEAD "a,65536,tcp,x\n",
		    "line 2: the port number is neither PORT nor FIRST-LAST in 1-65535"),
		ROW(HEAD "a,9-8,tcp,x\n",
		    "line 2: the port number is neither PORT nor FIRST-LAST in 1-65535"),
		ROW(HEAD "a,4294967376,tcp,x\n",
		    "line 2: the port number is neither PORT nor FIRST-LAST in 1-65535"),
		ROW(HEAD "a,8-,tcp,x\n",
		    "line 2: the port number is neither PORT nor FIRST-LAST in 1-65535"),
		ROW(HEAD "a,8 9,tcp,x\n",
		    "line 2: the port number is neither PORT nor FIRST-LAST in 1-65535"),
		ROW(HEAD "a b,8,tcp,x\n", "line 2: a space within the service name"),
		ROW(HEAD "a,8,tcp,\"x\n", "line 2: the quote that begins there is not closed"),
		ROW(HEAD "a,8,tcp,x\0y\n", "a NUL byte at offset 66"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct berth_services_layer layer;
		struct berth_why why;

		assert_int_equal(parse_csv(rows[i].text, rows[i].len, &layer, &why), -EINVAL);
		assert_string_equal(why.text, rows[i].why);
	}
#undef ROW
}

/* A small file may not become a large list. */
static void test_csv_many(void **state)
{
	berth_auto_free char *text = NULL;
	struct berth_services_layer layer;
	struct berth_why why;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int i;

	(void)state;
	fputs(HEAD, f);
	for (i = 0; i < 16; i++)
		fprintf(f, "n%d,1-65535,tcp,x\n", i);
	fclose(f);
	assert_int_equal(parse_csv(text, len, &layer, &why), -E2BIG);
	assert_string_equal(why.text, "line 17: more than a million ports");
}

struct told {
	unsigned line[32];
	const char *what[32];
	unsigned count;
};

static void tell(void *arg, unsigned line, const char *what)
{
	struct told *told = arg;

	told->line[told->count] = line;
	told->what[told->count++] = what;
}

/* Malformed lines are named, the rest counts. */
static void test_etc(void **state)
{
	static const char text[] =
		"# comment\n\n \t\nhttp\t80/tcp www  w3 # World # Wide \r\n"
		"lonely\nzero 0/tcp\nhigh 65536/tcp\nhuge 99999999999/udp\nnone 7\n"
		"none 7/\nword x/tcp\nneg -1/tcp\nNUL\0 8/tcp\nrtmp 1/ddp\n"
		"range 5-6/tcp\nlast 9/udplite";
	static const unsigned wrong[] = { 5, 6, 7, 8, 9, 10, 11, 12, 13, 15 };
	struct berth_services_builder *b = berth_services_builder_new();
	berth_auto_free char *copy = malloc(sizeof(text));
	struct berth_services_layer l;
	struct told told = { 0 };
	const char *at;
	unsigned i;

	(void)state;
	memcpy(copy, text, sizeof(text));
	assert_int_equal(berth_services_parse_etc(copy, sizeof(text) - 1, b, tell, &told), 0);
	assert_int_equal(berth_services_builder_finish(b, &l), 0);
	berth_services_builder_free(b);
	assert_int_equal(told.count, sizeof(wrong) / sizeof(*wrong));
	for (i = 0; i < told.count; i++)
		assert_int_equal(told.line[i], wrong[i]);
	assert_string_equal(told.what[0], "no port behind the name");
	assert_string_equal(told.what[4], "no \"/PROTOCOL\" behind the port");
	assert_string_equal(told.what[8], "a NUL byte");
	assert_int_equal(l.row_count, 2);
	assert_int_equal(l.rows[0].port, 9);
	assert_int_equal(l.rows[0].transport, BERTH_TRANSPORT_UDPLITE);
	assert_int_equal(l.lines[1], 4);
	at = l.text + l.rows[1].text;
	assert_string_equal(at, "http");
	assert_string_equal(at = berth_services_after(at), "World # Wide");
	assert_string_equal(at = berth_services_after(at), "www");
	assert_string_equal(at = berth_services_after(at), "w3");
	assert_string_equal(berth_services_after(at), "");
	berth_services_layer_fini(&l);
}

static void test_etc_aliases(void **state)
{
	char text[512] = "n 1/tcp";
	struct told told = { 0 };
	int extra, i;

	(void)state;
	for (extra = 0; extra < 2; extra++) {
		struct berth_services_builder *b = berth_services_builder_new();
		struct berth_services_layer l;

		text[7] = '\0';
		for (i = 0; i < BERTH_SERVICE_WORDS + extra; i++)
			sprintf(text + strlen(text), " a%d", i);
		assert_int_equal(berth_services_parse_etc(text, strlen(text), b, tell, &told), 0);
		assert_int_equal(berth_services_builder_finish(b, &l), 0);
		assert_int_equal(told.count, extra);
		assert_int_equal(l.word_count, extra ? 0 : 65);
		memcpy(text, "n 1/tcp", 7);
		berth_services_layer_fini(&l);
		berth_services_builder_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),      cmocka_unit_test(test_csv_services),
		cmocka_unit_test(test_csv_refusals), cmocka_unit_test(test_csv_many),
		cmocka_unit_test(test_etc),          cmocka_unit_test(test_etc_aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
