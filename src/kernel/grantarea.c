/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiles addresses into the areas of a class: prefixes with the very same rules. */
#include "src/kernel/grantjob.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_area(const void *a, const void *b)
{
	const struct berth_prefix *x = &((const struct area *)a)->prefix,
				  *y = &((const struct area *)b)->prefix;
	int c = memcmp(x->addr, y->addr, 16);

	return c ? c : (int)x->len - (int)y->len;
}

static int add_area(struct job *j, struct area a)
{
	struct area *to = berth_grantlist_append(&j->areas, sizeof(*to), BERTH_GRANT_ENTRIES);

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
	struct berth_grant_area *row;
	struct berth_grant_set set = { 0 };
	int err = berth_grant_set_make(j, class, a, &set);

	if (err)
		return err;
	row = berth_grantlist_append(&j->prefixes, sizeof(*row), BERTH_GRANT_ENTRIES);
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
	int err = add_area(j, berth_grant_area_of(&all));

	if (!err)
		err = add_area(j, berth_grant_area_of(&berth_grant_v4_all));
	if (!err && guarded)
		err = add_area(j, berth_grant_area_of(&berth_grant_v4_zero));
	if (!err && guarded)
		err = add_area(j, berth_grant_area_of(&berth_grant_v6_zero));
	area = j->areas.data;
	if (err)
		return err;
	qsort(area, j->areas.count, sizeof(*area), by_area);
	for (i = 0; !err && i < j->areas.count; i++)
		if (!i || by_area(&area[i - 1], &area[i])) {
			err = add_prefix(j, class, &area[i]);
			if (area[i].wildcard)
				j->t->classes[class].flags |= BERTH_GRANT_CLASS_WILDCARD;
			else
				note_length(&j->t->classes[class], area[i].prefix.len);
		}
	return err;
}

static bool covers(const struct rule *r, const struct area *a)
{
	uint32_t k;

	for (k = 0; k < r->area_count; k++)
		if (berth_grant_area_covers(&r->areas[k], a))
			return true;
	return false;
}

/* True where some rule of the class allows :: and not 0.0.0.0. */
static bool is_lopsided(const struct job *j, uint32_t class)
{
	const struct area v4 = berth_grant_area_of(&berth_grant_v4_zero),
			  v6 = berth_grant_area_of(&berth_grant_v6_zero);
	uint32_t i;

	for (i = j->from[class]; i < j->from[class + 1]; i++) {
		const struct rule *r = &j->g->rules[j->list[i]];

		if (r->verb == BERTH_GRANTRULE_ALLOW && covers(r, &v6) && !covers(r, &v4))
			return true;
	}
	return false;
}

int berth_grant_class_fill(struct job *j, uint32_t class)
{
	const struct area everywhere = { .family = FAMILY_V6 };
	struct berth_grant_class *c = &j->t->classes[class];
	bool guarded;
	int named = find_areas(j, class, &guarded);

	if (named < 0)
		return named;
	memset(c->length, BERTH_GRANT_NO_LENGTH, sizeof(c->length));
	c->flags = (named ? BERTH_GRANT_CLASS_PREFIXES : 0) |
		   (guarded ? BERTH_GRANT_CLASS_GUARDED : 0) |
		   (is_lopsided(j, class) ? BERTH_GRANT_CLASS_LOPSIDED : 0);
	j->t->lopsided = j->t->lopsided || (c->flags & BERTH_GRANT_CLASS_LOPSIDED);
	if (named)
		return add_prefixes(j, class, guarded);
	return berth_grant_set_make(j, class, &everywhere, &c->set);
}
