/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiles rules: ports into classes, addresses into sets, names into members. */
#include "src/kernel/grantset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/core/hash.h"

#define WORK_MAX (1u << 28) /* comparisons: some seconds */
#define PORTS 65536u

enum family { FAMILY_ANY, FAMILY_V4, FAMILY_V6 };

/* A prefix as rules and tables see it: IPv6 prefixes do not reach into the IPv4-mapped block. */
struct area {
	struct berth_prefix prefix;
	enum family family; /* FAMILY_ANY only in rules that name no address */
	bool wildcard;      /* 0.0.0.0 or :: itself */
};

struct rule {
	enum berth_grantrule_verb verb;
	uint32_t protocols;
	bool open, nobody;
	uint64_t sign;
	struct berth_grant_id *ids;
	struct area *areas;
	struct berth_range *ranges;
	uint32_t id_count, area_count, range_count;
};

struct berth_grantset {
	struct rule *rules;
	uint32_t count, room;
};

/* A list of numbers that grows. */
struct list {
	void *data;
	uint32_t count, room;
};

/* What a compilation holds. */
struct job {
	const struct berth_grantset *g;
	struct berth_grant_tables *t;
	uint32_t *where; /* port of the class's first port: protocol << 16 | port */
	uint32_t *from;  /* class i: rules list[from[i]] to list[from[i + 1] - 1] */
	uint32_t *list;
	struct list areas;                   /* of the class at hand: struct area */
	struct list guards;                  /* of the wildcard at hand: struct guard */
	struct list rows;                    /* of the set at hand: struct berth_grant_member_row */
	struct list prefixes, sets, members; /* of the tables */
	struct list starts;                  /* index of each set's first member */
	uint32_t *buckets;                   /* of sets, by their contents: 0 or the set */
	uint32_t bucket_count;
	uint64_t work;
};

/* Room for one more; NULL without memory or beyond the limit. */
static void *append(struct list *l, size_t size, uint32_t limit)
{
	if (l->count == limit)
		return NULL;
	if (l->count == l->room) {
		uint32_t room = l->room ? l->room * 2 : 16;
		void *more = realloc(l->data, room * size);

		if (!more)
			return NULL;
		l->data = more;
		l->room = room;
	}
	memset((char *)l->data + l->count * size, 0, size);
	return (char *)l->data + l->count++ * size;
}

/* ---- rules ---- */

static const struct berth_prefix v4_all = { .addr = { [10] = 0xff, [11] = 0xff }, .len = 96 };
static const struct berth_prefix v4_zero = { .addr = { [10] = 0xff, [11] = 0xff }, .len = 128 };
static const struct berth_prefix v6_zero = { .len = 128 };

static struct area area_of(const struct berth_prefix *p)
{
	struct area a = { .prefix = *p };

	a.family = berth_prefix_covers(&v4_all, p) ? FAMILY_V4 : FAMILY_V6;
	a.wildcard = p->len == 128 &&
		     !memcmp(p->addr, a.family == FAMILY_V4 ? v4_zero.addr : v6_zero.addr, 16);
	return a;
}

static bool covers(const struct area *a, const struct area *b)
{
	return a->family == FAMILY_ANY ||
	       (a->family == b->family && berth_prefix_covers(&a->prefix, &b->prefix));
}

/* Copies n things of a size; NULL for none. *ok is cleared without memory. */
static void *copy(const void *from, uint32_t n, size_t size, bool *ok)
{
	void *to = n ? malloc(n * size) : NULL;

	if (to)
		memcpy(to, from, n * size);
	*ok = *ok && (to || !n);
	return to;
}

static void set_areas(struct rule *r, const struct berth_grantrule *rule, bool *ok)
{
	struct area areas[BERTH_GRANTRULE_PREFIXES] = { { .family = FAMILY_ANY } };
	uint32_t i;

	for (i = 0; i < rule->prefixes; i++)
		areas[i] = area_of(&rule->prefix[i]);
	r->area_count = rule->prefixes ? rule->prefixes : 1;
	r->areas = copy(areas, r->area_count, sizeof(*areas), ok);
}

static void set_ranges(struct rule *r, const struct berth_portset *ports, bool *ok)
{
	struct list l = { 0 };
	int32_t first = berth_portset_next(ports, 0);

	while (first >= 0 && *ok) {
		struct berth_range *range = append(&l, sizeof(*range), PORTS);
		uint32_t last = (uint32_t)first;

		while (last < 65535 && berth_portset_has(ports, last + 1))
			last++;
		if (range)
			*range = (struct berth_range){ (uint16_t)first, (uint16_t)last };
		*ok = range != NULL;
		first = last == 65535 ? -1 : berth_portset_next(ports, last + 1);
	}
	r->ranges = l.data;
	r->range_count = l.count;
}

struct berth_grantset *berth_grantset_new(void)
{
	return calloc(1, sizeof(struct berth_grantset));
}

int berth_grantset_add(struct berth_grantset *g, const struct berth_grantrule *rule,
		       const struct berth_portset *ports, const struct berth_grant_id *ids,
		       uint32_t count, bool nobody)
{
	const uint64_t key[2] = { 0x6265727468, 1 }, word[1] = { g->count };
	struct list l = { g->rules, g->count, g->room };
	struct rule *r = append(&l, sizeof(*r), UINT32_MAX);
	bool ok = true;

	if (!r)
		return -ENOMEM;
	g->rules = l.data;
	g->count = l.count;
	g->room = l.room;
	r->verb = rule->verb;
	r->protocols = rule->protocols;
	r->open = rule->fail == BERTH_GRANTRULE_FAIL_OPEN;
	r->nobody = nobody;
	r->sign = berth_siphash(key, word, 1);
	r->id_count = count;
	r->ids = copy(ids, count, sizeof(*ids), &ok);
	set_areas(r, rule, &ok);
	set_ranges(r, ports, &ok);
	return ok ? 0 : -ENOMEM;
}

void berth_grantset_free(struct berth_grantset *g)
{
	uint32_t i;

	if (!g)
		return;
	for (i = 0; i < g->count; i++) {
		free(g->rules[i].ids);
		free(g->rules[i].areas);
		free(g->rules[i].ranges);
	}
	free(g->rules);
	free(g);
}

/* ---- classes ---- */

/* The sum of the signs of all rules that a port has: the same sum, the same rules. */
static uint64_t *sum_signs(const struct berth_grantset *g)
{
	uint64_t *sum = calloc(BERTH_GRANT_PROTOCOLS * PORTS + 1, sizeof(*sum));
	uint32_t i, j, p, at;

	for (i = 0; sum && i < g->count; i++) {
		const struct rule *r = &g->rules[i];

		for (p = 0; p < BERTH_GRANT_PROTOCOLS; p++)
			for (j = 0; r->protocols & (1u << p) && j < r->range_count; j++) {
				sum[p << 16 | r->ranges[j].first] += r->sign;
				sum[(p << 16 | r->ranges[j].last) + 1] -= r->sign;
			}
	}
	for (at = 1; sum && at < BERTH_GRANT_PROTOCOLS * PORTS; at++)
		sum[at] += sum[at - 1];
	return sum;
}

/* Gives each port its class; -E2BIG where there are too many. */
static int make_classes(struct job *j)
{
	const uint32_t size = 4 * PORTS;
	berth_auto_free uint64_t *sum = sum_signs(j->g);
	berth_auto_free uint16_t *table = calloc(size, sizeof(*table));
	uint32_t at, slot, count = 1;

	if (!sum || !table)
		return -ENOMEM;
	for (at = 0; at < BERTH_GRANT_PROTOCOLS * PORTS; at++) {
		if (!sum[at])
			continue;
		slot = (uint32_t)(sum[at] >> 20) & (size - 1);
		while (table[slot] && sum[j->where[table[slot]]] != sum[at])
			slot = (slot + 1) & (size - 1);
		if (!table[slot]) {
			if (count > BERTH_GRANT_CLASSES)
				return -E2BIG;
			j->where[count] = at;
			table[slot] = (uint16_t)count++;
		}
		j->t->port_class[at] = table[slot];
	}
	j->t->class_count = count;
	return 0;
}

/* The first class whose first port is not below at; they are in ascending order. */
static uint32_t class_from(const struct job *j, uint32_t at)
{
	uint32_t low = 1, high = j->t->class_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (j->where[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Calls for each class that rule i is part of: counts it (fill false) or lists the rule. */
static void visit_classes(struct job *j, uint32_t i, bool fill)
{
	const struct rule *r = &j->g->rules[i];
	uint32_t p, k, c;

	for (p = 0; p < BERTH_GRANT_PROTOCOLS; p++)
		for (k = 0; r->protocols & (1u << p) && k < r->range_count; k++) {
			c = class_from(j, p << 16 | r->ranges[k].first);
			for (;
			     c < j->t->class_count && j->where[c] <= (p << 16 | r->ranges[k].last);
			     c++) {
				if (fill)
					j->list[j->from[c]++] = i;
				else
					j->from[c + 1]++;
				j->work++;
			}
		}
}

/* Lists the rules of each class. */
static int list_rules(struct job *j)
{
	uint32_t i, c, n = j->t->class_count;

	j->from = calloc(n + 2, sizeof(*j->from));
	if (!j->from)
		return -ENOMEM;
	for (i = 0; i < j->g->count; i++) {
		visit_classes(j, i, false);
		if (j->work > WORK_MAX / 8)
			return -E2BIG;
	}
	for (c = 1; c <= n; c++)
		j->from[c] += j->from[c - 1];
	j->list = calloc(j->from[n] + 1, sizeof(*j->list));
	if (!j->list)
		return -ENOMEM;
	for (i = 0; i < j->g->count; i++)
		visit_classes(j, i, true);
	/* Filling has moved each start to the next one's. */
	memmove(j->from + 1, j->from, n * sizeof(*j->from));
	j->from[0] = j->from[1] = 0;
	return 0;
}

/* ---- sets ---- */

static int by_member(const void *a, const void *b)
{
	const struct berth_grant_member *x = &((const struct berth_grant_member_row *)a)->key;
	const struct berth_grant_member *y = &((const struct berth_grant_member_row *)b)->key;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Sorts the rows at hand and joins those of one member. */
static void join_rows(struct list *rows)
{
	struct berth_grant_member_row *row = rows->data;
	uint32_t i, n = 0;

	if (rows->count)
		qsort(row, rows->count, sizeof(*row), by_member);
	for (i = 0; i < rows->count; i++) {
		if (n && !by_member(&row[n - 1], &row[i]))
			row[n - 1].rights |= row[i].rights;
		else
			row[n++] = row[i];
	}
	rows->count = n;
}

static bool same_set(const struct job *j, uint32_t set, uint32_t flags)
{
	const struct berth_grant_member_row *a = j->rows.data, *b = j->members.data;
	const uint32_t *starts = j->starts.data;
	uint32_t i,
		n = (set + 1 < j->starts.count ? starts[set + 1] : j->members.count) - starts[set];

	if (((uint32_t *)j->sets.data)[set] != flags || n != j->rows.count)
		return false;
	b += starts[set];
	for (i = 0; i < n; i++)
		if (by_member(&a[i], &b[i]) || a[i].rights != b[i].rights)
			return false;
	return true;
}

static uint64_t hash_rows(const struct job *j, uint32_t flags)
{
	const struct berth_grant_member_row *row = j->rows.data;
	const uint64_t key[2] = { 2, 3 };
	uint64_t h = flags;
	uint32_t i;

	for (i = 0; i < j->rows.count; i++) {
		uint64_t word[4] = { h, row[i].key.kind, row[i].key.id, row[i].rights };

		h = berth_siphash(key, word, 4);
	}
	return h;
}

/* Doubles the table of sets where it is half full. */
static int grow_buckets(struct job *j)
{
	const uint32_t *starts = j->starts.data;
	struct list rows = j->rows;
	uint32_t set, *fresh, n = j->bucket_count ? j->bucket_count * 2 : 1024, slot;

	if (j->sets.count * 2 < j->bucket_count)
		return 0;
	fresh = calloc(n, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	for (set = 1; set < j->sets.count; set++) {
		uint32_t end = set + 1 < j->starts.count ? starts[set + 1] : j->members.count;

		j->rows.data = (struct berth_grant_member_row *)j->members.data + starts[set];
		j->rows.count = end - starts[set];
		slot = (uint32_t)hash_rows(j, ((uint32_t *)j->sets.data)[set]) & (n - 1);
		while (fresh[slot])
			slot = (slot + 1) & (n - 1);
		fresh[slot] = set;
	}
	j->rows = rows;
	free(j->buckets);
	j->buckets = fresh;
	j->bucket_count = n;
	return 0;
}

/* Enters the rows at hand as a new set. */
static int add_set(struct job *j, uint32_t flags, uint32_t *out_set)
{
	struct berth_grant_member_row *row = j->rows.data, *to;
	uint32_t *set = append(&j->sets, sizeof(*set), BERTH_GRANT_ENTRIES);
	uint32_t *start = append(&j->starts, sizeof(*start), BERTH_GRANT_ENTRIES), i;

	if (!set || !start)
		return -E2BIG;
	*set = flags;
	*start = j->members.count;
	for (i = 0; i < j->rows.count; i++) {
		to = append(&j->members, sizeof(*to), BERTH_GRANT_ENTRIES);
		if (!to)
			return -E2BIG;
		*to = row[i];
		to->key.set = j->sets.count - 1;
	}
	*out_set = j->sets.count - 1;
	return 0;
}

/* The set of the rows at hand and these flags: one that is there already, or a new one. */
static int intern_set(struct job *j, uint32_t flags, uint32_t *out_set)
{
	static const uint32_t flag[] = { BERTH_GRANT_SET_USERS, BERTH_GRANT_SET_GROUPS,
					 BERTH_GRANT_SET_CGROUPS };
	struct berth_grant_member_row *row = j->rows.data;
	uint32_t i, slot;
	int err;

	join_rows(&j->rows);
	for (i = 0; i < j->rows.count; i++)
		flags |= flag[row[i].key.kind];
	if (!flags) {
		*out_set = 0;
		return 0;
	}
	err = grow_buckets(j);
	if (err)
		return err;
	slot = (uint32_t)hash_rows(j, flags) & (j->bucket_count - 1);
	while (j->buckets[slot] && !same_set(j, j->buckets[slot], flags))
		slot = (slot + 1) & (j->bucket_count - 1);
	if (!j->buckets[slot])
		err = add_set(j, flags, &j->buckets[slot]);
	*out_set = j->buckets[slot];
	return err;
}

static int add_members(struct job *j, const struct rule *r, uint32_t right)
{
	uint32_t i;

	for (i = 0; i < r->id_count; i++) {
		struct berth_grant_member_row *row =
			append(&j->rows, sizeof(*row), BERTH_GRANT_ENTRIES);

		if (!row)
			return -E2BIG;
		row->key.kind = r->ids[i].kind;
		row->key.id = r->ids[i].id;
		row->rights = right;
	}
	return 0;
}

/* Length of the rule's longest prefix that covers the area; -1: none does. */
static int reach(struct job *j, const struct rule *r, const struct area *a)
{
	int longest = -1;
	uint32_t i;

	j->work += r->area_count;
	for (i = 0; i < r->area_count; i++) {
		/* A rule without an address is wider than ::/0. */
		int len = r->areas[i].family == FAMILY_ANY ? 0 : r->areas[i].prefix.len + 1;

		if (covers(&r->areas[i], a) && len > longest)
			longest = len;
	}
	return longest;
}

/* A prefix of a deny rule. */
struct guard {
	struct berth_prefix prefix;
	const struct rule *rule;
};

static int by_guard(const void *a, const void *b)
{
	const struct berth_prefix *x = &((const struct guard *)a)->prefix,
				  *y = &((const struct guard *)b)->prefix;
	int c = memcmp(x->addr, y->addr, 16);

	return c ? c : (int)x->len - (int)y->len;
}

/* Lists the prefixes of the class's deny rules that have addresses of the family, sorted. */
static int find_guards(struct job *j, uint32_t class, enum family family)
{
	uint32_t i, k;

	j->guards.count = 0;
	for (i = j->from[class]; i < j->from[class + 1]; i++) {
		const struct rule *r = &j->g->rules[j->list[i]];

		for (k = 0; r->verb == BERTH_GRANTRULE_DENY && k < r->area_count; k++) {
			struct guard *g;

			if (r->areas[k].family != FAMILY_ANY && r->areas[k].family != family)
				continue;
			g = append(&j->guards, sizeof(*g), BERTH_GRANT_ENTRIES);
			if (!g)
				return -E2BIG;
			g->prefix = r->areas[k].prefix;
			g->rule = r;
			/* A rule without an address is wider than ::/0, and no other has this length. */
			if (r->areas[k].family == FAMILY_ANY)
				g->prefix.len = UINT8_MAX;
		}
	}
	if (j->guards.count)
		qsort(j->guards.data, j->guards.count, sizeof(struct guard), by_guard);
	return 0;
}

static bool owns(const struct rule *r, const struct berth_grant_member *m)
{
	uint32_t i;

	for (i = 0; i < r->id_count; i++)
		if (r->ids[i].kind == m->kind && r->ids[i].id == m->id)
			return true;
	return false;
}

/* Keeps those of the rows at hand that own some rule of guards first to end. */
static void keep_owners(struct job *j, uint32_t first, uint32_t end)
{
	const struct guard *guard = j->guards.data;
	struct berth_grant_member_row *row = j->rows.data;
	uint32_t i, k, n = 0;

	for (i = 0; i < j->rows.count; i++) {
		bool kept = false;

		for (k = first; !kept && k < end; k++) {
			j->work += guard[k].rule->id_count + 1;
			kept = owns(guard[k].rule, &row[i].key);
		}
		if (kept)
			row[n++] = row[i];
	}
	j->rows.count = n;
}

/*
 * The guard of a wildcard: whoever is refused some address of the family is refused this. Rules with one
 * prefix guard it together; an owner of the wildcard is one of each prefix.
 */
static int add_wildcard_guard(struct job *j, uint32_t class, const struct area *a, uint32_t *flags)
{
	int err = find_guards(j, class, a->family);
	const struct guard *guard = j->guards.data;
	bool open = true;
	uint32_t i, first = 0;

	for (i = 0; !err && i < j->guards.count; i++) {
		open = open && guard[i].rule->open;
		if (by_guard(&guard[first], &guard[i])) {
			if (first)
				keep_owners(j, first, i);
			first = i;
		}
		if (!by_guard(&guard[0], &guard[i]))
			err = add_members(j, guard[i].rule, BERTH_GRANT_OWNS);
	}
	if (first)
		keep_owners(j, first, j->guards.count);
	if (j->guards.count)
		*flags |= BERTH_GRANT_SET_GUARDED | (open ? BERTH_GRANT_SET_OPEN : 0);
	return err;
}

/* The deny rules that decide for the area, those with the longest prefix: their owners, and the set's flags. */
static int add_guard(struct job *j, uint32_t class, const struct area *a, uint32_t *flags)
{
	int longest = -1, len, err = 0;
	bool open = true;
	uint32_t i;

	for (i = j->from[class]; i < j->from[class + 1]; i++) {
		const struct rule *r = &j->g->rules[j->list[i]];

		len = r->verb == BERTH_GRANTRULE_DENY ? reach(j, r, a) : -1;
		longest = len > longest ? len : longest;
	}
	for (i = j->from[class]; !err && longest >= 0 && i < j->from[class + 1]; i++) {
		const struct rule *r = &j->g->rules[j->list[i]];

		if (r->verb != BERTH_GRANTRULE_DENY || reach(j, r, a) != longest)
			continue;
		*flags |= BERTH_GRANT_SET_GUARDED;
		open = open && r->open;
		err = add_members(j, r, BERTH_GRANT_OWNS);
	}
	if (open && longest >= 0)
		*flags |= BERTH_GRANT_SET_OPEN;
	return err;
}

/* What a class or prefix says of the set whose rows are at hand. */
static struct berth_grant_set describe(const struct job *j, uint32_t id)
{
	const struct berth_grant_member_row *row = j->rows.data;
	struct berth_grant_set set = { .id = id, .flags = ((uint32_t *)j->sets.data)[id] };

	if (j->rows.count != 1 || row->key.kind != BERTH_GRANT_USER)
		return set;
	set.flags |= BERTH_GRANT_SET_LONE;
	set.uid = (uint32_t)row->key.id;
	set.rights = row->rights;
	return set;
}

/* The set of a class and an area. */
static int make_set(struct job *j, uint32_t class, const struct area *a,
		    struct berth_grant_set *out_set)
{
	uint32_t flags = 0, id = 0, i;
	int err;

	j->rows.count = 0;
	err = a->wildcard ? add_wildcard_guard(j, class, a, &flags)
			  : add_guard(j, class, a, &flags);
	for (i = j->from[class]; !err && i < j->from[class + 1]; i++) {
		const struct rule *r = &j->g->rules[j->list[i]];

		if (r->verb != BERTH_GRANTRULE_ALLOW || r->nobody || reach(j, r, a) < 0)
			continue;
		if (!r->id_count)
			flags |= BERTH_GRANT_SET_ANYBODY;
		else
			err = add_members(j, r, BERTH_GRANT_MAY);
	}
	if (!err && j->work > WORK_MAX)
		err = -E2BIG;
	if (!err)
		err = intern_set(j, flags, &id);
	if (!err)
		*out_set = describe(j, id);
	return err;
}

/* ---- prefixes ---- */

static int by_area(const void *a, const void *b)
{
	const struct berth_prefix *x = &((const struct area *)a)->prefix,
				  *y = &((const struct area *)b)->prefix;
	int c = memcmp(x->addr, y->addr, 16);

	return c ? c : (int)x->len - (int)y->len;
}

static int add_area(struct job *j, struct area a)
{
	struct area *to = append(&j->areas, sizeof(*to), BERTH_GRANT_ENTRIES);

	if (!to)
		return -E2BIG;
	*to = a;
	return 0;
}

/* Finds the areas of a class; *guarded: some rule of it denies. Returns how many rules name addresses, or -errno. */
static int find_areas(struct job *j, uint32_t class, bool *guarded)
{
	uint32_t i, k;
	int named = 0, err = 0;

	j->areas.count = 0;
	*guarded = false;
	for (i = j->from[class]; !err && i < j->from[class + 1]; i++) {
		const struct rule *r = &j->g->rules[j->list[i]];

		*guarded = *guarded || r->verb == BERTH_GRANTRULE_DENY;
		for (k = 0; !err && k < r->area_count; k++) {
			if (r->areas[k].family == FAMILY_ANY)
				continue;
			err = add_area(j, r->areas[k]);
			named = 1;
		}
	}
	return err ? err : named;
}

static int add_prefix(struct job *j, uint32_t class, const struct area *a)
{
	struct berth_grant_prefix_row *row;
	struct berth_grant_set set = { 0 };
	int err = make_set(j, class, a, &set);

	if (err)
		return err;
	row = append(&j->prefixes, sizeof(*row), BERTH_GRANT_ENTRIES);
	if (!row)
		return -E2BIG;
	row->key.prefix_len = 32u + a->prefix.len;
	row->key.class_be = htonl(class);
	memcpy(row->key.addr, a->prefix.addr, 16);
	row->set = set;
	return 0;
}

/* Notes the length of a prefix in the class, longest first; too many are the trie's. */
static void note_length(struct berth_grant_class *c, uint8_t len)
{
	uint32_t i;

	for (i = BERTH_GRANT_LENGTHS;
	     i > 0 && (c->length[i - 1] == BERTH_GRANT_NO_LENGTH || c->length[i - 1] < len); i--)
		;
	if (i && c->length[i - 1] == len)
		return;
	if (c->length[BERTH_GRANT_LENGTHS - 1] != BERTH_GRANT_NO_LENGTH) {
		c->flags |= BERTH_GRANT_CLASS_TRIE;
		return;
	}
	memmove(&c->length[i + 1], &c->length[i], BERTH_GRANT_LENGTHS - 1 - i);
	c->length[i] = len;
}

/* Both families are always there, so that an address finds the rules of its own family. */
static int add_prefixes(struct job *j, uint32_t class, bool guarded)
{
	const struct berth_prefix all = { .len = 0 };
	struct area *area;
	uint32_t i;
	int err = add_area(j, area_of(&all));

	if (!err)
		err = add_area(j, area_of(&v4_all));
	if (!err && guarded)
		err = add_area(j, area_of(&v4_zero));
	if (!err && guarded)
		err = add_area(j, area_of(&v6_zero));
	area = j->areas.data;
	if (err)
		return err;
	qsort(area, j->areas.count, sizeof(*area), by_area);
	for (i = 0; !err && i < j->areas.count; i++)
		if (!i || by_area(&area[i - 1], &area[i])) {
			err = add_prefix(j, class, &area[i]);
			note_length(&j->t->classes[class], area[i].prefix.len);
		}
	return err;
}

static int make_class(struct job *j, uint32_t class)
{
	const struct area everywhere = { .family = FAMILY_V6 };
	struct berth_grant_class *c = &j->t->classes[class];
	bool guarded;
	int named = find_areas(j, class, &guarded);

	if (named < 0)
		return named;
	memset(c->length, BERTH_GRANT_NO_LENGTH, sizeof(c->length));
	c->flags = (named ? BERTH_GRANT_CLASS_PREFIXES : 0) |
		   (guarded ? BERTH_GRANT_CLASS_GUARDED : 0);
	if (named)
		return add_prefixes(j, class, guarded);
	return make_set(j, class, &everywhere, &c->set);
}

/* ---- all of it ---- */

static void find_guarded(struct berth_grant_tables *t)
{
	uint32_t at;

	for (at = 0; at < BERTH_GRANT_PROTOCOLS * PORTS; at++)
		if (t->classes[t->port_class[at]].flags & BERTH_GRANT_CLASS_GUARDED)
			berth_portset_add(&t->guarded, at & 65535);
}

static int compile(struct job *j)
{
	uint32_t class, none = 0;
	int err;

	j->where = calloc(BERTH_GRANT_CLASSES + 1, sizeof(*j->where));
	j->t->port_class = calloc(BERTH_GRANT_PROTOCOLS * PORTS, sizeof(*j->t->port_class));
	if (!j->where || !j->t->port_class)
		return -ENOMEM;
	err = make_classes(j);
	if (!err)
		err = list_rules(j);
	if (err)
		return err;
	j->t->classes = calloc(j->t->class_count, sizeof(*j->t->classes));
	if (!j->t->classes)
		return -ENOMEM;
	err = add_set(j, 0, &none);
	for (class = 1; !err && class < j->t->class_count; class ++)
		err = make_class(j, class);
	if (!err)
		find_guarded(j->t);
	return err;
}

int berth_grantset_compile(const struct berth_grantset *g, struct berth_grant_tables *out_tables,
			   struct berth_why *why)
{
	struct berth_grant_tables *t = calloc(1, sizeof(*t));
	struct job j = { .g = g, .t = t };
	int err = t ? compile(&j) : -ENOMEM;

	free(j.where);
	free(j.from);
	free(j.list);
	free(j.areas.data);
	free(j.guards.data);
	free(j.rows.data);
	free(j.starts.data);
	free(j.buckets);
	if (t) {
		t->prefixes = j.prefixes.data;
		t->prefix_count = j.prefixes.count;
		free(j.sets.data);
		t->set_count = j.sets.count;
		t->members = j.members.data;
		t->member_count = j.members.count;
	}
	if (!err)
		*out_tables = *t;
	else if (t)
		berth_grant_tables_fini(t);
	free(t);
	if (err == -E2BIG)
		return berth_why(
			why, err,
			"the rules are too many for one table: berth keeps %u entries; join rules "
			"with the same ports, name a group in place of its users",
			BERTH_GRANT_ENTRIES);
	return err ? berth_why(why, err, "no memory for the rules") : 0;
}

void berth_grant_tables_fini(struct berth_grant_tables *t)
{
	free(t->port_class);
	free(t->classes);
	free(t->prefixes);
	free(t->members);
	*t = (struct berth_grant_tables){ 0 };
}

int berth_grant_hash_path(const uint64_t key[2], const char *path, uint64_t *out_hash)
{
	struct berth_grant_step step;
	uint64_t hash = 0;
	uint32_t depth = 0;

	if (path[0] != '/')
		return -EINVAL;
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");

		if (n >= BERTH_GRANT_NAME || depth++ == BERTH_GRANT_DEPTH)
			return -EINVAL;
		memset(&step, 0, sizeof(step));
		step.above = hash;
		memcpy(step.name, path, n);
		hash = berth_siphash(key, (const uint64_t *)&step, sizeof(step) / 8);
		path += n;
	}
	if (!depth)
		return -EINVAL;
	*out_hash = hash;
	return 0;
}
