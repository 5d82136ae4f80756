/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiles names into sets: who may bind, and who owns, the addresses with the very same rules. */
#include "src/kernel/grantjob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/hash.h"

static int by_member(const void *a, const void *b)
{
	const struct berth_grant_member *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Sorts the rows at hand and joins those of one member. */
static void join_rows(struct list *rows)
{
	struct berth_grant_member *row = rows->data;
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
	const struct berth_grant_member *a = j->rows.data, *b = j->members.data;
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
	const struct berth_grant_member *row = j->rows.data;
	const uint64_t key[2] = { 2, 3 };
	uint64_t h = flags;
	uint32_t i;

	for (i = 0; i < j->rows.count; i++) {
		uint64_t word[4] = { h, row[i].kind, row[i].id, row[i].rights };

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

		j->rows.data = (struct berth_grant_member *)j->members.data + starts[set];
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
	struct berth_grant_member *row = j->rows.data, *to;
	uint32_t *set = berth_grantlist_append(&j->sets, sizeof(*set), BERTH_GRANT_ENTRIES);
	uint32_t *start = berth_grantlist_append(&j->starts, sizeof(*start), BERTH_GRANT_ENTRIES),
		 i;

	if (!set || !start)
		return -E2BIG;
	*set = flags;
	*start = j->members.count;
	for (i = 0; i < j->rows.count; i++) {
		to = berth_grantlist_append(&j->members, sizeof(*to), BERTH_GRANT_ENTRIES);
		if (!to)
			return -E2BIG;
		*to = row[i];
		to->set = j->sets.count - 1;
	}
	*out_set = j->sets.count - 1;
	return 0;
}

/* The set of the rows at hand and these flags: one that is there already, or a new one. */
static int intern_set(struct job *j, uint32_t flags, uint32_t *out_set)
{
	static const uint32_t flag[] = { BERTH_GRANT_SET_USERS, BERTH_GRANT_SET_GROUPS,
					 BERTH_GRANT_SET_CGROUPS };
	struct berth_grant_member *row = j->rows.data;
	uint32_t i, slot;
	int err;

	join_rows(&j->rows);
	for (i = 0; i < j->rows.count; i++)
		flags |= flag[row[i].kind];
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
		struct berth_grant_member *row =
			berth_grantlist_append(&j->rows, sizeof(*row), BERTH_GRANT_ENTRIES);

		if (!row)
			return -E2BIG;
		row->kind = r->ids[i].kind;
		row->id = r->ids[i].id;
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

		if (berth_grant_area_covers(&r->areas[i], a) && len > longest)
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
			g = berth_grantlist_append(&j->guards, sizeof(*g), BERTH_GRANT_ENTRIES);
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
	struct berth_grant_member *row = j->rows.data;
	uint32_t i, k, n = 0;

	for (i = 0; i < j->rows.count; i++) {
		bool kept = false;

		for (k = first; !kept && k < end; k++) {
			j->work += guard[k].rule->id_count + 1;
			kept = owns(guard[k].rule, &row[i]);
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
	const struct berth_grant_member *row = j->rows.data;
	struct berth_grant_set set = { .id = id, .flags = ((uint32_t *)j->sets.data)[id] };

	if (j->rows.count != 1 || row->kind != BERTH_GRANT_USER)
		return set;
	set.flags |= BERTH_GRANT_SET_LONE;
	set.uid = (uint32_t)row->id;
	set.rights = row->rights;
	return set;
}

int berth_grant_set_make(struct job *j, uint32_t class, const struct area *a,
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

int berth_grant_sets_begin(struct job *j)
{
	uint32_t none;

	return add_set(j, 0, &none);
}
