/* SPDX-License-Identifier: BSD-2-Clause */
/* Look-up by port and by name against a twin that walks through everything; the tables that are written by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/core/habits.h"
#include "src/registry/schemes.h"
#include "src/registry/services.h"
#include "src/registry/systems.h"
#include "tests/model/random.h"

static struct berth_services only_builtin(void)
{
	struct berth_services s = { 0 };

	s.layer[BERTH_SERVICES_IANA] = berth_services_builtin;
	return s;
}

/* What the other functions rely on. */
static void test_builtin_order(void **state)
{
	const struct berth_services_layer *l = &berth_services_builtin;
	uint32_t i;

	(void)state;
	assert_in_range(l->row_count, 5000, 1 << 24);
	for (i = 1; i < l->row_count; i++)
		assert_true((l->rows[i - 1].port << 3 | l->rows[i - 1].transport) <
			    (l->rows[i].port << 3 | l->rows[i].transport));
	for (i = 1; i < l->word_count; i++) {
		int order = strcasecmp(berth_services_layer_word(l, i - 1),
				       berth_services_layer_word(l, i));

		assert_true(order < 0 || (!order && l->words[i - 1] < l->words[i]));
	}
}

/* Each port of each protocol: get() and next() give what a walk over the rows gives. */
static void test_builtin_by_port(void **state)
{
	const struct berth_services_layer *l = &berth_services_builtin;
	const struct berth_services s = only_builtin();
	struct berth_service got;
	uint32_t key, row = 0;

	(void)state;
	for (key = 0; key < 65536 << 3; key++) {
		bool there;

		if ((key & 7) >= BERTH_TRANSPORT_COUNT)
			continue;
		while (row < l->row_count &&
		       ((uint32_t)l->rows[row].port << 3 | l->rows[row].transport) < key)
			row++;
		there = row < l->row_count && l->rows[row].port == key >> 3 &&
			l->rows[row].transport == (key & 7);
		assert_int_equal(berth_services_get(&s, (uint16_t)(key >> 3),
						    (enum berth_transport)(key & 7), &got),
				 there);
		if (there)
			assert_string_equal(got.name, l->text + l->rows[row].text);
		if (!berth_services_next(&s, key >> 3, key & 7, &got))
			assert_int_equal(row, l->row_count);
		else
			assert_int_equal(got.port << 3 | got.transport,
					 l->rows[row].port << 3 | l->rows[row].transport);
	}
}

struct seen {
	uint32_t count, last;
	bool ascends;
};

static void see(const struct berth_service *service, void *arg)
{
	uint32_t key = (uint32_t)service->port << 3 | service->transport;
	struct seen *seen = arg;

	seen->ascends = seen->ascends && (!seen->count || key > seen->last);
	seen->last = key;
	seen->count++;
}

/* True where one of the words of a record is this one. */
static bool record_has(const char *record, const char *word)
{
	const char *at = record;

	if (!strcasecmp(at, word))
		return true;
	for (at = berth_services_after(berth_services_after(at)); *at;
	     at = berth_services_after(at))
		if (!strcasecmp(at, word))
			return true;
	return false;
}

/* Every 16th name, in capitals: as many services as a walk finds. */
static void test_builtin_by_name(void **state)
{
	const struct berth_services_layer *l = &berth_services_builtin;
	const struct berth_services s = only_builtin();
	uint32_t i, row;

	(void)state;
	for (i = 0; i < l->row_count; i += 16) {
		struct seen seen = { 0, 0, true };
		char name[256];
		uint32_t want = 0;
		char *c;

		snprintf(name, sizeof(name), "%s", l->text + l->rows[i].text);
		for (row = 0; row < l->row_count; row++)
			want += record_has(l->text + l->rows[row].text, name);
		for (c = name; *c; c++)
			*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
		assert_int_equal(berth_services_named(&s, name, see, &seen), want);
		assert_int_equal(seen.count, want);
		assert_true(seen.ascends && want > 0);
	}
	assert_int_equal(berth_services_named(&s, "no-such-name", see, NULL), 0);
	assert_int_equal(berth_services_named(&s, "", see, NULL), 0);
}

/* ---- lists one above the other ---- */

#define ADDED 60
#define PORTS 12

/* What was added to one list, in its order. */
struct added {
	uint32_t key;
	char name[3], alias[3], description[3];
};

static struct added added[BERTH_SERVICES_SOURCES][ADDED];

static void random_word(char word[3])
{
	/* Case differs and is to be ignored. */
	word[0] = (char)("abcdABCD"[random_below(8)]);
	word[1] = (char)("xyX"[random_below(3)]);
	word[2] = '\0';
}

static void fill(int source, struct berth_services_layer *out_layer)
{
	struct berth_services_builder *b = berth_services_builder_new();
	int i, n = (int)random_below(ADDED + 1);

	memset(added[source], 0, sizeof(added[source]));
	for (i = 0; i < n; i++) {
		struct added *a = &added[source][i];
		uint32_t port = 1 + random_below(PORTS), transport = random_below(3);
		char *aliases[] = { a->alias };

		a->key = port << 3 | transport;
		random_word(a->name);
		if (random_below(2))
			random_word(a->alias);
		if (random_below(2))
			random_word(a->description);
		assert_int_equal(berth_services_builder_add(
					 b, (struct berth_range){ (uint16_t)port, (uint16_t)port },
					 (enum berth_transport)transport, a->name, a->description,
					 aliases, a->alias[0] != 0, (uint32_t)i + 1),
				 0);
	}
	assert_int_equal(berth_services_builder_finish(b, out_layer), 0);
	berth_services_builder_free(b);
}

/* What a walk finds of one port: the highest list's first line has the name. */
struct twin {
	const char *name, *description;
	int source, line;
	const char *words[3 * ADDED];
	unsigned count;
};

static void twin_word(struct twin *t, const char *word)
{
	unsigned i;

	for (i = 0; i < t->count; i++)
		if (!strcasecmp(t->words[i], word))
			return;
	if (*word)
		t->words[t->count++] = word;
}

static struct twin twin_of(uint32_t key)
{
	struct twin t = { NULL, "", 0, 0, { NULL }, 0 };
	int source, i;

	for (source = BERTH_SERVICES_SOURCES - 1; source >= 0; source--)
		for (i = 0; i < ADDED; i++) {
			const struct added *a = &added[source][i];

			if (a->key != key)
				continue;
			if (!t.name) {
				t.name = a->name;
				t.source = source;
				t.line = i + 1;
			}
			t.description = *t.description ? t.description : a->description;
			twin_word(&t, a->name);
			twin_word(&t, a->alias);
		}
	return t;
}

static void compare(const struct berth_services *s, uint32_t key)
{
	struct twin t = twin_of(key);
	struct berth_service got;
	unsigned i;

	if (!t.name) {
		assert_false(berth_services_get(s, (uint16_t)(key >> 3),
						(enum berth_transport)(key & 7), &got));
		return;
	}
	assert_true(berth_services_next(s, key >> 3, key & 7, &got));
	assert_int_equal(got.port << 3 | got.transport, key);
	assert_string_equal(got.name, t.name);
	assert_string_equal(got.description, t.description);
	assert_int_equal(got.source, t.source);
	assert_int_equal(got.line, t.line);
	/* Twelve words at most: none is left out. */
	assert_int_equal(got.aliases + 1, t.count);
	for (i = 0; i < got.aliases; i++) {
		unsigned before = t.count;

		twin_word(&t, got.alias[i]);
		assert_int_equal(t.count, before);
		assert_true(strcasecmp(got.alias[i], got.name) != 0);
	}
}

/* Each word that there can be is found where the twin has it. */
static void compare_names(const struct berth_services *s)
{
	unsigned word, want, i;
	uint32_t key;

	for (word = 0; word < 8; word++) {
		char name[3] = { "abcd"[word & 3], "xy"[word >> 2], '\0' };
		struct seen seen = { 0, 0, true };

		for (want = 0, key = 8; key < (PORTS + 1) << 3; key++) {
			struct twin t = twin_of(key);

			for (i = 0; i < t.count; i++)
				want += !strcasecmp(t.words[i], name);
		}
		assert_int_equal(berth_services_named(s, name, see, &seen), want);
		assert_true(seen.ascends);
	}
}

static void test_layers(void **state)
{
	int round, source;
	uint32_t key;

	(void)state;
	for (round = 0; round < 300; round++) {
		struct berth_services s;

		for (source = 0; source < BERTH_SERVICES_SOURCES; source++)
			fill(source, &s.layer[source]);
		for (key = 8; key < (PORTS + 2) << 3; key++)
			if ((key & 7) < BERTH_TRANSPORT_COUNT)
				compare(&s, key);
		compare_names(&s);
		for (source = 0; source < BERTH_SERVICES_SOURCES; source++)
			berth_services_layer_fini(&s.layer[source]);
	}
}

static void test_near(void **state)
{
	const struct berth_services s = only_builtin();

	(void)state;
	assert_string_equal(berth_services_near(&s, "postgresq"), "postgresql");
	assert_string_equal(berth_services_near(&s, "domaim"), "domain");
	assert_null(berth_services_near(&s, "qqqqqqqqqqqq"));
}

static void test_classes(void **state)
{
	(void)state;
	assert_string_equal(berth_port_class(1023), "system");
	assert_string_equal(berth_port_class(1024), "user");
	assert_string_equal(berth_port_class(49151), "user");
	assert_string_equal(berth_port_class(49152), "dynamic");
}

/* Schemes ascend, each is found, and IANA assigns each port to some service. */
static void test_schemes(void **state)
{
	const struct berth_services s = only_builtin();
	const struct berth_scheme *scheme;
	struct berth_service service;
	int t;

	(void)state;
	for (scheme = berth_schemes; scheme->name; scheme++) {
		if (scheme[1].name)
			assert_true(strcmp(scheme->name, scheme[1].name) < 0);
		assert_ptr_equal(berth_scheme_find(scheme->name, strlen(scheme->name)), scheme);
		assert_true(scheme->transports && scheme->source[0]);
		for (t = 0; t < BERTH_TRANSPORT_COUNT; t++)
			if (scheme->transports >> t & 1 &&
			    !berth_services_get(&s, scheme->port, (enum berth_transport)t,
						&service))
				fail_msg("%s: %u/%s is not assigned", scheme->name, scheme->port,
					 berth_transport_name((enum berth_transport)t));
	}
	assert_int_equal(berth_scheme_find("HTTPS", 5)->port, 443);
	assert_null(berth_scheme_find("http", 3));
	assert_null(berth_scheme_find("httpx", 5));
	assert_null(berth_scheme_find("", 0));
	assert_string_equal(berth_scheme_near("redsi"), "redis");
}

static void test_systems(void **state)
{
	const struct berth_system *s;
	int i;

	(void)state;
	/* A habit's system has a row, with that range. */
	for (i = 0; i < BERTH_HABIT_COUNT; i++) {
		struct berth_habit_row row = berth_habit_row((enum berth_habit)i);

		for (s = berth_systems; *row.system && strcmp(s->name, row.system); s++)
			assert_non_null(s[1].name);
		if (*row.system)
			assert_memory_equal(&s->range, &row.range, sizeof(row.range));
	}
	for (s = berth_systems; s->name; s++)
		assert_true(s->range.first >= 1024 && s->range.first < s->range.last &&
			    s->choice[0] && s->source[0]);
	assert_in_range(s - berth_systems, 10, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtin_order),
		cmocka_unit_test(test_builtin_by_port),
		cmocka_unit_test(test_builtin_by_name),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_systems),
	};

	random_begin("services");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
