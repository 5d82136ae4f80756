/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules about bind() as they come in, and the order in which they are compiled. */
#include "src/kernel/grantset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/hash.h"
#include "src/kernel/grantjob.h"

void *berth_grantlist_append(struct list *l, size_t size, uint32_t limit)
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

const struct berth_prefix berth_grant_v4_all = { .addr = { [10] = 0xff, [11] = 0xff }, .len = 96 };
const struct berth_prefix berth_grant_v4_zero = { .addr = { [10] = 0xff, [11] = 0xff },
						  .len = 128 };
const struct berth_prefix berth_grant_v6_zero = { .len = 128 };

struct area berth_grant_area_of(const struct berth_prefix *p)
{
	struct area a = { .prefix = *p };

	a.family = berth_prefix_covers(&berth_grant_v4_all, p) ? FAMILY_V4 : FAMILY_V6;
	a.wildcard = p->len == 128 && !memcmp(p->addr,
					      a.family == FAMILY_V4 ? berth_grant_v4_zero.addr
								    : berth_grant_v6_zero.addr,
					      16);
	return a;
}

bool berth_grant_area_covers(const struct area *a, const struct area *b)
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
		areas[i] = berth_grant_area_of(&rule->prefix[i]);
	r->area_count = rule->prefixes ? rule->prefixes : 1;
	r->areas = copy(areas, r->area_count, sizeof(*areas), ok);
}

static void set_ranges(struct rule *r, const struct berth_portset *ports, bool *ok)
{
	struct list l = { 0 };
	int32_t first = berth_portset_next(ports, 0);

	while (first >= 0 && *ok) {
		struct berth_range *range = berth_grantlist_append(&l, sizeof(*range), PORTS);
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
	struct rule *r = berth_grantlist_append(&l, sizeof(*r), UINT32_MAX);
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
	uint32_t class;
	int err;

	j->where = calloc(BERTH_GRANT_CLASSES + 1, sizeof(*j->where));
	j->t->port_class = calloc(BERTH_GRANT_PROTOCOLS * PORTS, sizeof(*j->t->port_class));
	if (!j->where || !j->t->port_class)
		return -ENOMEM;
	err = berth_grant_classes_make(j);
	if (err)
		return err;
	j->t->classes = calloc(j->t->class_count, sizeof(*j->t->classes));
	if (!j->t->classes)
		return -ENOMEM;
	err = berth_grant_sets_begin(j);
	for (class = 1; !err && class < j->t->class_count; class ++)
		err = berth_grant_class_fill(j, class);
	if (!err)
		err = berth_grant_slots_make(j);
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
	free(j.prefixes.data);
	free(j.members.data);
	free(j.sets.data);
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
	free(t->areas);
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

		/* The kernel has no cgroup of such a name: the rule would be about nobody. */
		if (!strncmp(path, "..", n) && n <= 2)
			return -EINVAL;
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
