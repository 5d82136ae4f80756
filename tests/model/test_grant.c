/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiled tables against a naive twin that reads the rules one by one: random rules, every address and
 * port that they touch, every user. What looks the tables up does what bpf/grant.bpf.c does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "src/kernel/grantset.h"

#define RULES 24
#define USERS 4u
#define ROUNDS 400
#define LARGE 2000u

enum verdict { PASS, GRANT, REFUSE };

struct twin {
	struct berth_grantrule rule[RULES];
	struct berth_portset ports[RULES];
	uint32_t user[RULES]; /* a set of users, a bit each; 0: everybody or nobody */
	uint32_t count;
};

static const char *const areas[] = { "0.0.0.0/0",  "::/0",        "127.0.0.0/8",   "127.0.0.1",
				     "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "2001:db8::1",
				     "0.0.0.0",    "::" };
static const char *const places[] = {
	"0.0.0.0", "127.0.0.1", "127.0.0.2",   "10.0.0.1",    "10.1.2.3",       "192.0.2.1",
	"::",      "::1",       "2001:db8::1", "2001:db8::2", "::ffff:10.1.2.3"
};

static struct berth_prefix prefix(const char *text)
{
	struct berth_prefix p;
	const char *what;
	size_t at;

	assert_int_equal(berth_prefix_parse(text, strlen(text), &p, &at, &what), 0);
	return p;
}

static bool is_v4(const struct berth_prefix *p)
{
	const struct berth_prefix all = prefix("0.0.0.0/0");

	return berth_prefix_covers(&all, p);
}

/* Length of the rule's longest prefix for the place, -1: none; 0 where it names no address. */
static int reach(const struct berth_grantrule *r, const struct berth_prefix *place)
{
	int longest = r->prefixes ? -1 : 0;

	for (uint32_t i = 0; i < r->prefixes; i++)
		if (is_v4(&r->prefix[i]) == is_v4(place) &&
		    berth_prefix_covers(&r->prefix[i], place) && r->prefix[i].len + 1 > longest)
			longest = r->prefix[i].len + 1;
	return longest;
}

static bool applies(const struct twin *t, uint32_t i, uint32_t protocol, uint32_t port)
{
	return (t->rule[i].protocols & (1u << protocol)) && berth_portset_has(&t->ports[i], port);
}

static bool has_prefix(const struct berth_grantrule *r, const struct berth_prefix *p)
{
	for (uint32_t i = 0; i < r->prefixes; i++)
		if (!memcmp(r->prefix[i].addr, p->addr, 16) && r->prefix[i].len == p->len)
			return true;
	return false;
}

/* True where the user owns a deny rule with just this prefix (NULL: without any). */
static bool owns_prefix(const struct twin *t, uint32_t protocol, uint32_t port,
			const struct berth_prefix *p, uint32_t user)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (t->rule[i].verb == BERTH_GRANTRULE_DENY && applies(t, i, protocol, port) &&
		    (p ? has_prefix(&t->rule[i], p) : !t->rule[i].prefixes) &&
		    (t->user[i] >> user & 1))
			return true;
	return false;
}

/* True where a deny rule refuses the user some address of the family: the wildcard. */
static bool refused_somewhere(const struct twin *t, uint32_t protocol, uint32_t port, bool v4,
			      uint32_t user)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct berth_grantrule *r = &t->rule[i];

		if (r->verb != BERTH_GRANTRULE_DENY || !applies(t, i, protocol, port))
			continue;
		if (!r->prefixes && !owns_prefix(t, protocol, port, NULL, user))
			return true;
		for (uint32_t k = 0; k < r->prefixes; k++)
			if (is_v4(&r->prefix[k]) == v4 &&
			    !owns_prefix(t, protocol, port, &r->prefix[k], user))
				return true;
	}
	return false;
}

/* True where the deny rules with the longest prefix of the place refuse it to the user. */
static bool refused_here(const struct twin *t, uint32_t protocol, uint32_t port,
			 const struct berth_prefix *place, uint32_t user)
{
	int longest = -1;
	bool owner = false;

	for (uint32_t i = 0; i < t->count; i++)
		if (t->rule[i].verb == BERTH_GRANTRULE_DENY && applies(t, i, protocol, port) &&
		    reach(&t->rule[i], place) > longest)
			longest = reach(&t->rule[i], place);
	for (uint32_t i = 0; i < t->count; i++)
		owner = owner ||
			(t->rule[i].verb == BERTH_GRANTRULE_DENY && applies(t, i, protocol, port) &&
			 reach(&t->rule[i], place) == longest && (t->user[i] >> user & 1));
	return longest >= 0 && !owner;
}

/* What the rules say, read one by one. */
static enum verdict expected(const struct twin *t, uint32_t protocol, uint32_t port,
			     const struct berth_prefix *place, uint32_t user)
{
	const struct berth_prefix zero4 = prefix("0.0.0.0"), zero6 = prefix("::");
	bool wildcard =
		!memcmp(place->addr, zero4.addr, 16) || !memcmp(place->addr, zero6.addr, 16);

	if (wildcard ? refused_somewhere(t, protocol, port, is_v4(place), user)
		     : refused_here(t, protocol, port, place, user))
		return REFUSE;
	for (uint32_t i = 0; i < t->count; i++)
		if (t->rule[i].verb == BERTH_GRANTRULE_ALLOW && applies(t, i, protocol, port) &&
		    reach(&t->rule[i], place) >= 0 && (!t->user[i] || t->user[i] >> user & 1))
			return GRANT;
	return PASS;
}

/* Rights in the set, as the kernel program finds them. */
static uint32_t member(const struct berth_grant_tables *t, uint32_t set, uint64_t id)
{
	uint32_t at = berth_grant_member_hash(set, BERTH_GRANT_USER, id), i;

	for (i = 0; i < BERTH_GRANT_PROBES; i++, at++) {
		const struct berth_grant_member *m = &t->members[at & (t->member_slots - 1)];

		if (!m->rights)
			break;
		if (m->set == set && m->id == id && m->kind == BERTH_GRANT_USER)
			return m->rights;
	}
	return 0;
}

/* The area of a prefix, as the kernel program finds it. */
static const struct berth_grant_area *area(const struct berth_grant_tables *t, uint32_t class,
					   const struct berth_prefix *p)
{
	uint64_t w[2];
	uint32_t at, i;

	memcpy(w, p->addr, sizeof(w));
	at = berth_grant_area_hash(class, p->len, w[0], w[1]);
	for (i = 0; i < BERTH_GRANT_PROBES; i++, at++) {
		const struct berth_grant_area *a = &t->areas[at & (t->area_slots - 1)];

		if (!a->key.prefix_len)
			break;
		if (a->key.class_be == htonl(class) && a->key.prefix_len == 32u + p->len &&
		    !memcmp(a->key.addr, p->addr, sizeof(p->addr)))
			return a;
	}
	return NULL;
}

static struct berth_prefix shortened(const struct berth_prefix *p, uint8_t len)
{
	struct berth_prefix q = { .len = len };

	for (uint32_t bit = 0; bit < len; bit++)
		q.addr[bit / 8] |= p->addr[bit / 8] & (uint8_t)(0x80 >> bit % 8);
	return q;
}

/* The longest prefix of the class that has the place; NULL: none. The trie is the kernel's: here, each is asked. */
static const struct berth_grant_set *find_set(const struct berth_grant_tables *t, uint32_t class,
					      const struct berth_prefix *place)
{
	const struct berth_grant_class *c = &t->classes[class];
	const struct berth_grant_set *set = NULL;
	const struct berth_prefix zero4 = prefix("0.0.0.0"), zero6 = prefix("::");
	int longest = -1;

	if (!(c->flags & BERTH_GRANT_CLASS_TRIE) && (c->flags & BERTH_GRANT_CLASS_WILDCARD) &&
	    (!memcmp(place->addr, zero4.addr, 16) || !memcmp(place->addr, zero6.addr, 16)) &&
	    area(t, class, place))
		return &area(t, class, place)->set;
	for (uint32_t i = 0; !(c->flags & BERTH_GRANT_CLASS_TRIE) && i < BERTH_GRANT_LENGTHS; i++) {
		struct berth_prefix p;
		const struct berth_grant_area *a;

		if (c->length[i] == BERTH_GRANT_NO_LENGTH)
			break;
		p = shortened(place, c->length[i]);
		a = area(t, class, &p);
		if (a)
			return &a->set;
	}
	for (uint32_t i = 0; i < t->prefix_count; i++) {
		const struct berth_grant_prefix *k = &t->prefixes[i].key;
		struct berth_prefix p = { .len = (uint8_t)(k->prefix_len - 32) };

		memcpy(p.addr, k->addr, 16);
		if (k->class_be != htonl(class) || !berth_prefix_covers(&p, place) ||
		    p.len <= longest)
			continue;
		longest = p.len;
		set = &t->prefixes[i].set;
	}
	return set;
}

/* What the tables say. */
static enum verdict looked_up(const struct berth_grant_tables *t, uint32_t protocol, uint32_t port,
			      const struct berth_prefix *place, uint32_t user)
{
	uint32_t class = t->port_class[protocol << 16 | port], found = 0;
	const struct berth_grant_class *c = &t->classes[class];
	const struct berth_grant_set *set = &c->set;

	if (!class)
		return PASS;
	if (c->flags & BERTH_GRANT_CLASS_PREFIXES)
		set = find_set(t, class, place);
	assert_non_null(set);
	assert_true(set->id < t->set_count);
	assert_true((c->flags & BERTH_GRANT_CLASS_GUARDED) ||
		    !(set->flags & BERTH_GRANT_SET_GUARDED));
	if (set->flags & BERTH_GRANT_SET_ANYBODY)
		found = BERTH_GRANT_MAY;
	if (set->flags & BERTH_GRANT_SET_LONE)
		found |= set->uid == user ? set->rights : 0;
	else if (set->flags & BERTH_GRANT_SET_USERS)
		found |= member(t, set->id, user);
	if ((set->flags & BERTH_GRANT_SET_GUARDED) && !(found & BERTH_GRANT_OWNS))
		return REFUSE;
	return found & BERTH_GRANT_MAY ? GRANT : PASS;
}

static void add_random(struct twin *t, struct berth_grantset *g)
{
	uint32_t i = t->count++, n = 0, u;
	struct berth_grant_id ids[USERS];
	struct berth_grantrule *r = &t->rule[i];

	*r = (struct berth_grantrule){ .verb = random_below(2), .protocols = 1 + random_below(3) };
	t->ports[i] = (struct berth_portset){ 0 };
	for (u = 1 + random_below(3); u; u--)
		berth_portset_add(&t->ports[i], 1000 + random_below(6));
	for (u = random_below(3); u; u--)
		r->prefix[r->prefixes++] =
			prefix(areas[random_below(sizeof(areas) / sizeof(*areas))]);
	t->user[i] = random_below(1u << USERS);
	for (u = 0; u < USERS; u++)
		if (t->user[i] >> u & 1)
			ids[n++] = (struct berth_grant_id){ BERTH_GRANT_USER, u };
	assert_int_equal(berth_grantset_add(g, r, &t->ports[i], ids, n, false), 0);
}

static void compare(const struct twin *t, const struct berth_grant_tables *tables)
{
	for (uint32_t port = 999; port < 1007; port++)
		for (uint32_t at = 0; at < 2 * sizeof(places) / sizeof(*places); at++)
			for (uint32_t user = 0; user < USERS; user++) {
				struct berth_prefix place = prefix(places[at / 2]);

				assert_int_equal(looked_up(tables, at & 1, port, &place, user),
						 expected(t, at & 1, port, &place, user));
			}
}

static void test_random_rules(void **state)
{
	static struct twin t;

	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct berth_grantset *g = berth_grantset_new();
		struct berth_grant_tables tables;
		struct berth_why why;

		assert_non_null(g);
		for (t.count = 0; t.count < 1 + round % RULES;)
			add_random(&t, g);
		assert_int_equal(berth_grantset_compile(g, &tables, &why), 0);
		compare(&t, &tables);
		berth_grant_tables_fini(&tables);
		berth_grantset_free(g);
	}
}

/* Entries that are far from the slot of their hash are found, too; who is none is not. */
static void test_large(void **state)
{
	struct berth_grantrule rule = { .verb = BERTH_GRANTRULE_ALLOW, .protocols = 1 };
	struct berth_grantset *g = berth_grantset_new();
	static struct berth_grant_id ids[LARGE];
	static struct berth_portset ports;
	struct berth_grant_tables tables;
	struct berth_prefix place = prefix("10.0.0.0");
	struct berth_why why;
	uint32_t i;

	(void)state;
	for (i = 0; i < LARGE; i++)
		ids[i] = (struct berth_grant_id){ BERTH_GRANT_USER, 7 + 3 * i };
	berth_portset_add(&ports, 1000);
	assert_int_equal(berth_grantset_add(g, &rule, &ports, ids, LARGE, false), 0);
	ports = (struct berth_portset){ 0 };
	berth_portset_add(&ports, 1001);
	place.len = 128;
	for (i = 0; i < LARGE; i++) {
		place.addr[14] = (uint8_t)(i >> 8), place.addr[15] = (uint8_t)i;
		rule.prefix[0] = place;
		rule.prefixes = 1;
		assert_int_equal(berth_grantset_add(g, &rule, &ports, ids, 1, false), 0);
	}
	assert_int_equal(berth_grantset_compile(g, &tables, &why), 0);
	for (i = 0; i < 3 * LARGE; i++)
		assert_int_equal(looked_up(&tables, 0, 1000, &place, 7 + i), i % 3 ? PASS : GRANT);
	for (i = 0; i < 2 * LARGE; i++) {
		place.addr[14] = (uint8_t)(i >> 8), place.addr[15] = (uint8_t)i;
		assert_int_equal(looked_up(&tables, 0, 1001, &place, 7), i < LARGE ? GRANT : PASS);
		assert_int_equal(looked_up(&tables, 0, 1001, &place, 8), PASS);
	}
	berth_grant_tables_fini(&tables);
	berth_grantset_free(g);
}

/* One table entry changed must be seen. */
static void test_sabotage(void **state)
{
	struct berth_grantset *g = berth_grantset_new();
	struct berth_prefix place = prefix("10.0.0.1");
	static struct twin t;
	struct berth_grant_tables tables;
	struct berth_why why;

	(void)state;
	t.rule[0] = (struct berth_grantrule){ .verb = BERTH_GRANTRULE_DENY, .protocols = 1 };
	t.count = 1;
	berth_portset_add(&t.ports[0], 1000);
	assert_int_equal(berth_grantset_add(g, &t.rule[0], &t.ports[0], NULL, 0, false), 0);
	assert_int_equal(berth_grantset_compile(g, &tables, &why), 0);
	assert_int_equal(looked_up(&tables, 0, 1000, &place, 0), expected(&t, 0, 1000, &place, 0));
	tables.classes[1].set.flags = 0;
	assert_int_not_equal(looked_up(&tables, 0, 1000, &place, 0),
			     expected(&t, 0, 1000, &place, 0));
	berth_grant_tables_fini(&tables);
	berth_grantset_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_rules),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_sabotage),
	};

	random_begin("grant");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
