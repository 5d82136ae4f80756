/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules about two declarations: listeners that share ports, and pools of source ports that hold a listener's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/lint/judge.h"
#include "src/lint/ways.h"

static bool berth_lint_is_same_program(const struct berth_lint_decl *a,
				       const struct berth_lint_decl *b)
{
	return berth_lint_is_program(a, b->service) || berth_lint_is_program(b, a->service);
}

static int by_port(const void *a, const void *b)
{
	const struct berth_lint_decl *x = *(struct berth_lint_decl *const *)a,
				     *y = *(struct berth_lint_decl *const *)b;
	int names;

	if (x->ports.ports.first != y->ports.ports.first)
		return x->ports.ports.first - y->ports.ports.first;
	if (x->ports.ports.last != y->ports.ports.last)
		return x->ports.ports.last - y->ports.ports.last;
	names = strcmp(x->service, y->service);
	if (names)
		return names;
	names = memcmp(&x->ports.address, &y->ports.address, sizeof(x->ports.address));
	return names ? names : x < y ? -1 : 1;
}

/* Two files of a place that run beside each other. */
static bool are_instances(const struct berth_lint_decl *a, const struct berth_lint_decl *b)
{
	return a->place == b->place && a->place->flags & BERTH_LINT_INSTANCES &&
	       berth_lint_is_single(a) && berth_lint_is_single(b) &&
	       strcmp(a->scope, b->scope) != 0;
}

/* The same program at the same ports and address: one is enough to compare. */
static bool is_repeated(const struct berth_lint_decl *a, const struct berth_lint_decl *b)
{
	return a->service == b->service && !are_instances(a, b) &&
	       a->ports.ports.first == b->ports.ports.first &&
	       a->ports.ports.last == b->ports.ports.last &&
	       a->ports.protocols == b->ports.protocols &&
	       !memcmp(&a->ports.address, &b->ports.address, sizeof(a->ports.address));
}

static void sort_listeners(struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;
	size_t i, n = 0;

	for (i = 0; i < l->decl_count; i++)
		if (!berth_lint_is_pool(&l->decls[i]) && !l->decls[i].ports.floating)
			j->listener[n++] = &l->decls[i];
	if (n)
		qsort(j->listener, n, sizeof(*j->listener), by_port);
	for (i = 0; i < n; i++)
		if (!j->listeners || !is_repeated(j->listener[j->listeners - 1], j->listener[i]))
			j->listener[j->listeners++] = j->listener[i];
}

/* How many ports two declarations want that neither leaves to others. */
static uint32_t shared_ports(const struct berth_lint *l, const struct berth_lint_decl *a,
			     const struct berth_lint_decl *b)
{
	struct berth_range in = berth_lint_common(a->ports.ports, b->ports.ports);
	struct berth_portset left;

	if (!berth_lint_key_with(a->place, BERTH_LINT_LEFT_OUT) &&
	    !berth_lint_key_with(b->place, BERTH_LINT_LEFT_OUT))
		return berth_range_len(in);
	left = (struct berth_portset){ 0 };
	berth_lint_add_left_out(l, a, in, &left);
	berth_lint_add_left_out(l, b, in, &left);
	return berth_range_len(in) - berth_lint_count_in(&left, in);
}

/* Two programs that want the same ports; true where they do. The finding stands where the first of them is declared. */
static bool compare(const struct berth_lint_judge *j, const struct berth_lint_decl *a,
		    const struct berth_lint_decl *b)
{
	struct berth_lint *l = j->l;
	bool both_single = berth_lint_is_single(a) && berth_lint_is_single(b);
	bool nodeport = (a->key->flags | b->key->flags) & BERTH_LINT_NODEPORT;
	const struct berth_lint_decl *at, *other;
	struct berth_lint_finding *f;
	uint32_t shared;

	if (!(a->ports.protocols & b->ports.protocols) ||
	    (berth_lint_is_same_program(a, b) && !are_instances(a, b)) ||
	    !berth_lint_address_meets(&a->ports.address, &b->ports.address))
		return false;
	/* Two who both hold NodePorts: the range, and a service in it. */
	if (nodeport && a->place == b->place)
		return false;
	shared = shared_ports(l, a, b);
	if (!shared)
		return false;
	/* Where one is a default, the other's line is what can be changed. */
	at = b->implied && !a->implied             ? a
	     : a->key->flags & BERTH_LINT_NODEPORT ? b
	     : a->implied                          ? b
						   : a;
	other = at == a ? b : a;
	f = berth_lint_find(l,
			    nodeport      ? BERTH_LINT_RULE_NODEPORT
			    : both_single ? BERTH_LINT_RULE_TWICE
					  : BERTH_LINT_RULE_OVERLAP,
			    &at->spot);
	if (!f)
		return false;
	if (both_single && a->implied && b->implied && !nodeport)
		f->level = BERTH_LINT_WARNING;
	f->text = berth_lint_format(&l->arena, "%s overlaps %s (%s) in %u port%s",
				    berth_lint_decl_text(l, at), berth_lint_decl_text(l, other),
				    berth_lint_spot_text(l, &other->spot), shared,
				    berth_lint_plural(shared));
	berth_lint_ways_move(l, at, other, f);
	return true;
}

/* Of a hundred who want one port each is told of some others, not of all. */
#define MET_MAX 16

static void check_listeners(const struct berth_lint_judge *j)
{
	size_t i, k;
	unsigned met;

	for (i = 0; i < j->listeners; i++)
		for (k = i + 1, met = 0;
		     k < j->listeners && met < MET_MAX &&
		     j->listener[k]->ports.ports.first <= j->listener[i]->ports.ports.last;
		     k++)
			met += compare(j, j->listener[i], j->listener[k]);
}

/* ---- pools of source ports ---- */

static bool is_named(const struct berth_lint_judge *j, uint16_t port)
{
	bool is_local;

	return j->registry && j->registry->name(j->registry->arg, port, BERTH_LINT_BOTH, &is_local);
}

/* What a pool leaves out. */
static void read_avoided(const struct berth_lint_judge *j, const struct berth_lint_decl *pool,
			 struct berth_portset *out_set)
{
	bool avoids = berth_lint_key_with(pool->place, BERTH_LINT_AVOID);
	size_t i;
	uint32_t port;

	*out_set = (struct berth_portset){ 0 };
	for (i = 0; avoids && i < j->l->decl_count; i++) {
		const struct berth_lint_decl *d = &j->l->decls[i];

		if (d->place == pool->place && d->key->flags & BERTH_LINT_AVOID &&
		    !(d->key->flags & BERTH_LINT_ORDERED && d->order < pool->order))
			berth_portset_add_range(out_set, d->ports.ports);
	}
	for (port = pool->ports.ports.first;
	     pool->key->flags & BERTH_LINT_UNNAMED && port <= pool->ports.ports.last; port++)
		if (is_named(j, (uint16_t)port))
			berth_portset_add(out_set, port);
}

/* Ports of a pool that something else has. */
struct hits {
	struct berth_portset ports;
	unsigned count; /* listeners */
	char list[600]; /* the first of them */
	size_t len;
};

static void add_hit(struct berth_lint *l, struct hits *h, const struct berth_lint_decl *d,
		    struct berth_range in)
{
	berth_portset_add_range(&h->ports, in);
	if (h->count++ < 3)
		h->len += (size_t)snprintf(h->list + h->len, sizeof(h->list) - h->len,
					   "%s%.20s %s (%.160s)", h->len ? ", " : "", d->service,
					   berth_lint_ports_text(l, d->ports.ports),
					   berth_lint_spot_text(l, &d->spot));
	if (h->len >= sizeof(h->list))
		h->len = sizeof(h->list) - 1;
}

/* A reservation keeps the kernel away from ports, and nobody else. */
static void check_pool_reserved(const struct berth_lint_judge *j,
				const struct berth_lint_decl *pool,
				const struct berth_portset *avoided,
				const struct berth_portset *found)
{
	struct berth_portset left = { 0 };
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	int32_t port = berth_portset_next(&l->reserved, pool->ports.ports.first);

	for (; port >= 0 && port <= pool->ports.ports.last;
	     port = berth_lint_after(&l->reserved, port))
		if (!berth_portset_has(avoided, (uint32_t)port) &&
		    !berth_portset_has(found, (uint32_t)port))
			berth_portset_add(&left, (uint32_t)port);
	if (!left.count)
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_SOURCE, &pool->spot);
	if (!f)
		return;
	f->level = BERTH_LINT_NOTE;
	f->text = berth_lint_format(
		&l->arena,
		"%s, which it sends from, overlaps ip_local_reserved_ports (%s) in %u port%s",
		berth_lint_decl_text(l, pool),
		l->reserved_spot.file ? berth_lint_spot_text(l, &l->reserved_spot)
				      : "of this kernel",
		left.count, berth_lint_plural(left.count));
	berth_lint_ways_pool(l, pool, &left, f);
}

static void check_pool(const struct berth_lint_judge *j, const struct berth_lint_decl *pool)
{
	struct berth_lint *l = j->l;
	const struct berth_lint_spot *last = NULL;
	struct berth_portset avoided;
	struct hits h = { .count = 0 };
	struct berth_lint_finding *f;
	struct berth_range in;
	size_t i;

	read_avoided(j, pool, &avoided);
	for (i = 0; i < j->listeners; i++) {
		const struct berth_lint_decl *d = j->listener[i];

		if (d->place == pool->place || !(pool->ports.protocols & d->ports.protocols) ||
		    !berth_lint_shared(pool->ports.ports, d->ports.ports))
			continue;
		in = berth_lint_common(pool->ports.ports, d->ports.ports);
		if (berth_lint_count_in(&avoided, in) == berth_range_len(in))
			continue;
		/* Instances may share a line. */
		if (last && last->line == d->spot.line && !strcmp(last->file, d->spot.file))
			continue;
		last = &d->spot;
		add_hit(l, &h, d, in);
	}
	check_pool_reserved(j, pool, &avoided, &h.ports);
	f = h.count ? berth_lint_find(l, BERTH_LINT_RULE_SOURCE, &pool->spot) : NULL;
	if (!f)
		return;
	f->text = berth_lint_format(
		&l->arena, "%s, which it sends from, overlaps listeners in %u port%s: %s%s",
		berth_lint_decl_text(l, pool), h.ports.count, berth_lint_plural(h.ports.count),
		h.list, h.count > 3 ? ", ..." : "");
	berth_lint_ways_pool(l, pool, &h.ports, f);
}

static void check_open(const struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;
	struct hits h = { .count = 0 };
	struct berth_lint_finding *f;
	size_t i;

	if (!l->unprivileged_spot.file || l->unprivileged >= BERTH_LINT_UNPRIVILEGED_DEFAULT)
		return;
	for (i = 0; i < j->listeners; i++) {
		struct berth_range low = { (uint16_t)(l->unprivileged ? l->unprivileged : 1),
					   BERTH_LINT_UNPRIVILEGED_DEFAULT - 1 };

		if (berth_lint_shared(j->listener[i]->ports.ports, low))
			add_hit(l, &h, j->listener[i],
				berth_lint_common(j->listener[i]->ports.ports, low));
	}
	f = h.count ? berth_lint_find(l, BERTH_LINT_RULE_OPEN, &l->unprivileged_spot) : NULL;
	if (!f)
		return;
	f->text = berth_lint_format(
		&l->arena,
		"ip_unprivileged_port_start %u lets every user bind %u port%s of services: %s%s",
		l->unprivileged, h.ports.count, berth_lint_plural(h.ports.count), h.list,
		h.count > 3 ? ", ..." : "");
	berth_lint_ways_open(l, f);
}

void berth_lint_judge_pairs(struct berth_lint_judge *j)
{
	size_t i;

	sort_listeners(j);
	check_listeners(j);
	check_open(j);
	for (i = 0; i < j->l->decl_count; i++) {
		const struct berth_lint_decl *d = &j->l->decls[i];

		if (d->key->flags & BERTH_LINT_SOURCE && !(d->key->flags & BERTH_LINT_AVOID) &&
		    !d->ports.floating)
			check_pool(j, d);
	}
}
