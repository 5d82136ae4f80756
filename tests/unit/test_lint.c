/* SPDX-License-Identifier: BSD-2-Clause */
/* Formats of configuration files, values in them, and the table of places: what is read, and on which line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/lint/lint.h"

static void print_item(void *arg, const char *path, const char *value, unsigned line)
{
	fprintf(arg, "%u %s=%s\n", line, path, value);
}

static void print_malformed(void *arg, unsigned line, const char *what)
{
	(void)what;
	fprintf(arg, "%u !\n", line);
}

/* "A" holds "v w", and no other does. */
static const char *variable(void *arg, const char *name, size_t len)
{
	(void)arg;
	return len == 1 && *name == 'A' ? "v w" : NULL;
}

/* All settings of a text as "LINE PATH=VALUE", complaints as "LINE !". */
static void read_all(enum berth_lint_format format, const char *text, char *out, size_t size)
{
	FILE *f = fmemopen(out, size, "w");
	struct berth_lint_sink sink = { f, print_item, print_malformed, variable };
	/* A copy without a NUL behind it: for valgrind and sanitizers. */
	size_t len = strlen(text);
	char *copy = malloc(len + 1);

	memcpy(copy, text, len);
	memset(out, 0, size);
	berth_lint_parse(format, copy, len, &sink);
	free(copy);
	fclose(f);
}

static void test_formats(void **state)
{
	static const struct {
		enum berth_lint_format format;
		const char *text, *read;
	} rows[] = {
		{ BERTH_LINT_LINES, "", "" },
		{ BERTH_LINT_LINES, "a 1\nb=2\n c : 3 # x\n#d 4\n<e>\nf\n",
		  "1 a=1\n2 b=2\n3 c=3\n6 f=\n" },
		{ BERTH_LINT_LINES,
		  "\xef\xbb\xbf"
		  "a \"1 2\"\r\nb=1",
		  "1 a=1 2\n2 b=1\n" },
		{ BERTH_LINT_LINES,
		  "input(type=\"a\"\n  port=\"1\"\r\n)\nb 2\n input( # x\n t=\"c\")\nlast(\n3 4\n",
		  "1 input(type=\"a\"   port=\"1\" )\n4 b=2\n5 input(=t=\"c\")\n7 last(=\n8 3=4\n" },
		{ BERTH_LINT_LINES, "bind :::80\nbind :80\na : :80\nb :\n",
		  "1 bind=:::80\n2 bind=:80\n3 a=:80\n4 b=\n" },
		{ BERTH_LINT_LINES, "listen [::]:80\nu http://x:80/#y\n",
		  "1 listen=[::]:80\n2 u=http://x:80/#y\n" },
		{ BERTH_LINT_INI, "k=0\n[a]\nk = 1 ; x\nlong key: 2\nw 3\n[b]\nr=>4\n",
		  "1 k=0\n3 a/k=1\n4 a/long key=2\n5 a/w=3\n7 b/r=4\n" },
		{ BERTH_LINT_INI, "[a\nk=1\n[b]\nk=2\n", "1 !\n2 k=1\n4 b/k=2\n" },
		{ BERTH_LINT_WORDS, "option port 1\noptions lockd a=1 b=2\n",
		  "1 option=port 1\n1 option/port=1\n2 options=lockd a=1 b=2\n2 options/lockd=a=1 b=2\n" },
		{ BERTH_LINT_CALLS,
		  "-- setLocal('x')\nsetLocal('192.0.2.1:5300')\nif x then net.listen({\"::1\"}, 53, -- y)\n { kind = 'tls' }) end\n",
		  "2 setLocal=192.0.2.1:5300\n3 net.listen=::1 53 kind tls\n" },
		{ BERTH_LINT_CALLS, "--[[ a(1)\n]] b(2)\na:c(')')d(f(1), 2\ng(3)\n",
		  "2 b=2\n3 a:c=)\n3 !\n3 f=1\n4 g=3\n" },
		{ BERTH_LINT_CALLS, "a('b\nc(1)\n", "1 !\n2 c=1\n" },
		{ BERTH_LINT_TERMS,
		  "%% {a, 1}\n[{kernel, [\n {inet_dist_listen_min, 9100}, % it's\n {x, \"y z\"}]},\n{r, [{l, [5672,\n{\"::1\", 5673}]}]}].\n",
		  "3 kernel/inet_dist_listen_min=9100\n4 kernel/x=y z\n5 r/l=5672\n6 r/l=[::1]:5673\n" },
		{ BERTH_LINT_TERMS, "[{a, 1}\n}]\n", "1 a=1\n2 !\n" },
		{ BERTH_LINT_TERMS, "[{a, \"1\n}", "1 !\n1 a=1\n1 !\n" },
		{ BERTH_LINT_COLUMNS, "smtp inet n -\n  -o x=y\n", "1 inet/n=smtp\n" },
		{ BERTH_LINT_BARE, "# x\n1 2\n", "2 =1 2\n" },
		{ BERTH_LINT_SHELL, "A=1\nexport B=\"a b\"\\\n'c'\nif x; then\nC=\"1\n2\"\nD=4\n",
		  "1 A=1\n2 B=a bc\n5 C=1 2\n7 D=4\n" },
		{ BERTH_LINT_SHELL, "A=\"1\nB=2\n", "1 !\n2 B=2\n" },
		{ BERTH_LINT_SHELL,
		  "B=$A\nC='$A'\nD=${X:-5}\nE=\"${A:-5}x\"\nF=\"$Z\"\nG=${A\nH=${X-6}${A}\nI=${A#b}\n",
		  "1 B=v w\n2 C=$A\n3 D=5\n4 E=v wx\n5 F=$Z\n6 G=${A\n7 H=6v w\n8 I=${A#b}\n" },
		{ BERTH_LINT_LINES, "#!define P 1\n#define P 1\n#include \"x y\"\n",
		  "1 #!define=P 1\n3 #include=x y\n" },
		{ BERTH_LINT_INI, "[a]\n#include x.conf\n#includes x\n#tryinclude \"y\"\n",
		  "2 a/#include=x.conf\n4 a/#tryinclude=y\n" },
		{ BERTH_LINT_BRACES, "%include \"x\"\na { %include y\n b 1; }\n",
		  "1 %include=\"x\"\n2 a/%include=y\n3 a/b=1\n" },
		{ BERTH_LINT_PARENS,
		  "@define p \"5\"\n@version: 3\n@include \"x\"\nsource s { t(port(`p`)); };\n",
		  "1 @define=p \"5\"\n3 @include=\"x\"\n4 source=s\n4 source/t/port=`p`\n" },
		{ BERTH_LINT_XML, "<a><X cmd=\"set\" data=\"p=1\"/><X cmd=\"set\"/></a>",
		  "1 a/X/@cmd=set\n1 a/X/@data=p=1\n1 a/X/set=p=1\n1 a/X/@cmd=set\n" },
		{ BERTH_LINT_NETFILTER,
		  "define A = 1-2\n include \"x\"\nincluded 5\n masquerade to :${A}\n masquerade to :$Z\n",
		  "1 define=A = 1-2\n2 include=\"x\"\n" },
		{ BERTH_LINT_NETFILTER,
		  "# x \\\nudp  masquerade \\\r\n\tto   :1-2\ntcp masquerade to :3-4\nsnat to \\",
		  "2 nat/udp=1-2\n4 nat/tcp=3-4\n" },
		{ BERTH_LINT_BRACES, "a {\n b 1\n  2;\n c { d \"x;y\"; } # z\n}\n",
		  "2 a/b=1 2\n4 a/c/d=x;y\n" },
		{ BERTH_LINT_BRACES, "listen-on port 53 { any; };\navoid { 1; range 2 3; };",
		  "1 listen-on=port 53\n1 listen-on/any=\n2 avoid=1\n2 avoid/range=2 3\n" },
		{ BERTH_LINT_BRACES, "a {\n b 1;\n", "2 a/b=1\n1 !\n" },
		{ BERTH_LINT_BRACES, "}\na 1;\n", "1 !\n2 a=1\n" },
		{ BERTH_LINT_BRACES, "/* x\n*/ a 1; // b 2;\n", "2 a=1\n" },
		{ BERTH_LINT_BLOCKS,
		  "a \"l\" {\n b = 1\n c = [\n 2,\n 3 ]\n}\nm: {\n n = \"4\";\n};\n",
		  "1 a=l\n2 a/b=1\n3 a/c=2 3\n8 m/n=4\n" },
		{ BERTH_LINT_BLOCKS, "s x\n{\n p\t= 1\n}\nl = { 5, 6 }\n",
		  "1 s=x\n3 s/p=1\n5 l=5 6\n" },
		{ BERTH_LINT_BLOCKS, "a = <<E\n }\nE\nb = it's\nc = 2\n",
		  "1 a=\n4 b=it's\n5 c=2\n" },
		{ BERTH_LINT_PARENS, "@version: 3\nsource s { n(t(\"tcp\") port(5)); };\n",
		  "2 source=s\n2 source/n/t=tcp\n2 source/n/port=5\n" },
		{ BERTH_LINT_JSON,
		  "{\n \"a\": 1, // x\n \"b\": [2,\n {\"c\": \"\\u0033\\/\"}],\n \"d\": {},\n \"e\": true,}\n",
		  "2 a=1\n3 b/[]=2\n4 b/[]/c=3/\n6 e=true\n" },
		{ BERTH_LINT_JSON, "{\"a\": 1,\n \"b\" 2}", "1 a=1\n2 !\n" },
		{ BERTH_LINT_JSON, "{\"a\": [1,\n", "1 a/[]=1\n2 !\n" },
		{ BERTH_LINT_JSON, "[] 1", "1 !\n" },
		{ BERTH_LINT_YAML, "a:\n  - b: 1\n    c: [2, 3]\n---\nd: \"4\"\n",
		  "2 a/[]/b=1\n3 a/[]/c/[]=2\n3 a/[]/c/[]=3\n5 d=4\n" },
		{ BERTH_LINT_YAML, "x: &q 1\ny: *q\nz: 2\n", "1 x=1\n3 z=2\n" },
		{ BERTH_LINT_YAML, "a: 1\nb: [\n", "1 a=1\n3 !\n" },
		{ BERTH_LINT_XML, "<a>\n <p name=\"n\" value=\"1\"/>\n <b>\n  2\n </b></a>",
		  "2 a/p/@name=n\n2 a/p/@value=1\n2 a/n=1\n4 a/b=2\n" },
		{ BERTH_LINT_XML, "<c><property>\n<name>k</name>\n<value>1</value></property></c>",
		  "2 c/property/name=k\n3 c/property/value=1\n3 c/k=1\n" },
		{ BERTH_LINT_XML, "<a>\n<b></a>", "2 !\n" },
		{ BERTH_LINT_UNIT, "[Socket]\nListenStream=1 # x\nA=b \\\n c\nD=1\n",
		  "2 Socket/ListenStream=1 # x\n3 Socket/A=b  c\n5 Socket/D=1\n" },
		{ BERTH_LINT_SYSCTL, "-net/ipv4/x.y = 1\nnet.a=2\nb\n",
		  "1 net.ipv4.x/y=1\n2 net.a=2\n3 !\n" },
		{ BERTH_LINT_NETFILTER,
		  "-A P -p tcp -j MASQUERADE --to-ports 1-2\nip protocol udp snat to 10.0.0.1:3-4 persistent\n"
		  "tcp dport 80 redirect to :8080\nmasquerade to :5-6\n snat to 2001:db8::1\n snat to [2001:db8::1]:7-8\n"
		  "# masquerade to :1-2\n-A P -j SNAT --to-source 10.0.0.1-10.0.0.9:9-10\n",
		  "1 nat/tcp=1-2\n2 nat/udp=3-4\n4 nat/any=5-6\n6 nat/any=7-8\n8 nat/any=9-10\n" },
	};
	char out[1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		read_all(rows[i].format, rows[i].text, out, sizeof(out));
		if (strcmp(out, rows[i].read) != 0)
			fail_msg("%s, row %zu: \"%s\" is read as \"%s\"",
				 berth_lint_format_name(rows[i].format), i, rows[i].text, out);
	}
}

static void test_nul(void **state)
{
	static const char text[] = "a 1\nb\0 2\n";
	char out[64] = "";
	FILE *f = fmemopen(out, sizeof(out), "w");
	struct berth_lint_sink sink = { f, print_item, print_malformed };

	(void)state;
	berth_lint_parse(BERTH_LINT_LINES, text, sizeof(text) - 1, &sink);
	fclose(f);
	assert_string_equal(out, "2 !\n");
}

static uint16_t one_name(void *arg, const char *name, uint8_t protocols)
{
	(void)arg, (void)protocols;
	return !strcmp(name, "smtp") ? 25 : 0;
}

/* Entries of a value as "ADDRESS-KIND FIRST-LAST PROTOCOLS", "0" for floating, "!" for a refusal. */
static void print_entries(const char *value, char *out, size_t size)
{
	struct berth_lint_ports p;
	const char *at = value, *what = NULL;
	size_t len = 0;
	int n;

	*out = 0;
	do {
		n = berth_lint_read_endpoint(&at, 0, one_name, NULL, &p, &what);
		if (n < 0)
			len += (size_t)snprintf(out + len, size - len, "!");
		else if (n && p.floating)
			len += (size_t)snprintf(out + len, size - len, "0 ");
		else if (n)
			len += (size_t)snprintf(out + len, size - len, "%c%u-%u/%u ",
						"*46n"[p.address.kind], p.ports.first, p.ports.last,
						p.protocols);
	} while (n >= 0 && *at == ',' && *++at);
}

static void test_endpoints(void **state)
{
	static const char *const rows[][2] = {
		{ "80", "*80-80/0 " },
		{ "0", "0 " },
		{ "127.0.0.1:80", "480-80/0 " },
		{ "::ffff:127.0.0.1", "" },
		{ "[::ffff:127.0.0.1]:80", "480-80/0 " },
		{ ":::80 v4v6", "*80-80/0 " },
		{ "::1:80", "" },
		{ "quic4@192.0.2.1:80", "480-80/2 " },
		{ "ipv6@:80", "*80-80/0 " },
		{ "eth0@80", "n80-80/0 " },
		{ "fd@3", "" },
		{ "abns@smtp", "" },
		{ "@80", "" },
		{ "SASL_SSL://:80", "*80-80/0 " },
		{ "[::]:80 ipv6only=on", "*80-80/0 " },
		{ "[2001:db8::1]:80", "680-80/0 " },
		{ "*:80,:81", "*80-80/0 *81-81/0 " },
		{ ":10000-10010", "*10000-10010/0 " },
		{ "localhost:631", "4631-631/0 " },
		{ "example.org:25", "n25-25/0 " },
		{ "127.0.0.1@53", "453-53/0 " },
		{ "tcp://0.0.0.0:2375", "*2375-2375/1 " },
		{ "http://localhost:2379,http://10.0.0.1:2379", "42379-2379/0 42379-2379/0 " },
		{ "udp:10.0.0.1:5060", "45060-5060/2 " },
		{ "udp6:[::1]:161", "6161-161/2 " },
		{ "ldap:///", "*389-389/0 " },
		{ "ldaps://[::1]/", "6636-636/0 " },
		{ "ldap://localhost/", "4389-389/0 " },
		{ "ldap://127.0.0.1:40389/", "440389-40389/0 " },
		{ "ldapi:///", "" },
		{ "ldapi://%2frun%2fx", "" },
		{ "http://localhost/", "" },
		{ "smtp", "*25-25/0 " },
		{ "/run/x.sock", "" },
		{ "unix:/run/x.sock", "" },
		{ "${PORT}", "" },
		{ "127.0.0.1", "" },
		{ "::1", "" },
		{ "off", "" },
		{ "", "" },
		{ "65535", "*65535-65535/0 " },
		{ "65536", "!" },
		{ "99999999999", "!" },
		{ "4o80", "!" },
		{ "90-80", "!" },
	};
	char out[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_entries(rows[i][0], out, sizeof(out));
		if (strcmp(out, rows[i][1]) != 0)
			fail_msg("\"%s\" is read as \"%s\"", rows[i][0], out);
	}
}

static void test_spans(void **state)
{
	static const struct {
		const char *text;
		int n;
		uint16_t first, last;
	} rows[] = {
		{ "10-20", 1, 10, 20 },     { "10:20", 1, 10, 20 },   { "10 20", 1, 10, 20 },
		{ "10,20", 1, 10, 20 },     { "10 - 20", 1, 10, 20 }, { "\"10-20\"", 1, 10, 20 },
		{ "10", 1, 10, 10 },        { "20-10", -22, 0, 0 },   { "10-70000", -22, 0, 0 },
		{ "10-20-30", -22, 0, 0 },  { "10x", -22, 0, 0 },     { "any", 0, 0, 0 },
		{ "1-65535", 1, 1, 65535 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct berth_lint_ports p = { 0 };
		const char *what = NULL;
		int n = berth_lint_read_span(rows[i].text, &p, &what);

		if (n != rows[i].n || p.ports.first != rows[i].first ||
		    p.ports.last != rows[i].last)
			fail_msg("\"%s\": %d, %u-%u", rows[i].text, n, p.ports.first, p.ports.last);
		assert_true(n >= 0 || what);
	}
}

static void test_mappings(void **state)
{
	static const struct {
		const char *text;
		int n;
		bool floating;
		uint16_t first, last;
		uint8_t protocols;
	} rows[] = {
		{ "80", 1, true, 0, 0, 1 },
		{ "8000:80", 1, false, 8000, 8000, 1 },
		{ "8000-8010:8000-8010/udp", 1, false, 8000, 8010, 2 },
		{ "127.0.0.1:8001:80", 1, false, 8001, 8001, 1 },
		{ "127.0.0.1::80", 1, true, 0, 0, 1 },
		{ "[::1]:8002:80", 1, false, 8002, 8002, 1 },
		{ "${PORT}:80", 0, false, 0, 0, 0 },
		{ "70000:80", -22, false, 0, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct berth_lint_ports p = { 0 };
		const char *what;
		int n = berth_lint_read_mapping(rows[i].text, &p, &what);

		if (n != rows[i].n || p.floating != rows[i].floating ||
		    p.ports.first != rows[i].first || p.ports.last != rows[i].last ||
		    p.protocols != rows[i].protocols)
			fail_msg("\"%s\": %d, %u-%u/%u", rows[i].text, n, p.ports.first,
				 p.ports.last, p.protocols);
	}
}

static void test_options(void **state)
{
	static const char *const rows[][3] = {
		{ "--port 4000 --outgoing-port 4001", "--port|-p", "4000" },
		{ "--port=4000", "--port|-p", "4000" },
		{ "-p4000 x", "--port|-p", "4000" },
		{ "--ports 1 -p 2", "--port|-p", "2" },
		{ "-v \"--port-range\" '40:50'", "--port-range|-R", "40:50" },
		{ "nlm_tcpport=1 nlm_udpport=2", "nlm_udpport=", "2" },
		{ "eth0 port = 1080", "port", "1080" },
		{ "-x -y", "--port", NULL },
		{ "--port", "--port", NULL },
	};
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool found = berth_lint_find_option(rows[i][0], rows[i][1], out, sizeof(out));

		if (found != (rows[i][2] != NULL) || (found && strcmp(out, rows[i][2]) != 0))
			fail_msg("\"%s\": %s", rows[i][0], found ? out : "not found");
	}
}

static void test_addresses(void **state)
{
	static const struct {
		const char *a, *b;
		bool meets;
	} rows[] = {
		{ "*", "127.0.0.1", true },          { "0.0.0.0", "::", true },
		{ "", "192.0.2.1", true },           { "127.0.0.1", "localhost", true },
		{ "127.0.0.1", "127.0.0.2", false }, { "[::1]", "127.0.0.1", false },
		{ "fe80::1%eth0", "fe80::1", true }, { "a.example", "b.example", false },
		{ "a.example", "a.example", true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct berth_lint_address a, b;

		berth_lint_address_read(rows[i].a, strlen(rows[i].a), &a);
		berth_lint_address_read(rows[i].b, strlen(rows[i].b), &b);
		if (berth_lint_address_meets(&a, &b) != rows[i].meets ||
		    berth_lint_address_meets(&b, &a) != rows[i].meets)
			fail_msg("%s, %s", rows[i].a, rows[i].b);
	}
}

/* What a row of the table must be for the code that reads it. */
static void test_table(void **state)
{
	const struct berth_lint_place *p;
	const struct berth_lint_key *k;

	(void)state;
	for (p = berth_lint_places; p->service; p++) {
		assert_true(p->files && *p->files == '/' && p->keys[0].key);
		for (k = p->keys; k->key; k++) {
			struct berth_lint_ports ports;
			const char *at = k->initial, *what;
			bool is_pair = k->shape == BERTH_LINT_PAIR;
			const char *two = k->option ? k->option : k->key;

			if (is_pair && (!strchr(two, '|') || strchr(strchr(two, '|') + 1, '|')))
				fail_msg("%s: %s: a pair has two keys", p->service, k->key);
			if (k->flags & BERTH_LINT_ZERO_INITIAL && !k->initial)
				fail_msg("%s: %s: 0 means a default that is not given", p->service,
					 k->key);
			if (k->when && !strchr(k->when, '='))
				fail_msg("%s: %s: a condition is KEY=VALUE", p->service, k->key);
			if (!k->initial || k->shape == BERTH_LINT_CONDITION ||
			    k->shape == BERTH_LINT_ADDRESS)
				continue;
			if ((is_pair || k->shape == BERTH_LINT_SPAN
				     ? berth_lint_read_span(at, &ports, &what)
			     : k->shape == BERTH_LINT_SET
				     ? berth_lint_read_item(&at, &ports, &what)
				     : berth_lint_read_endpoint(&at, 0, NULL, NULL, &ports,
								&what)) <= 0)
				fail_msg("%s: %s: the default \"%s\" is no port", p->service,
					 k->key, k->initial);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),   cmocka_unit_test(test_nul),
		cmocka_unit_test(test_endpoints), cmocka_unit_test(test_spans),
		cmocka_unit_test(test_mappings),  cmocka_unit_test(test_options),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
