/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules about the host: clients that a range serves, live listeners, sysctls and reservations. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/lint/found.h"
#include "src/lint/judge.h"
#include "src/lint/ways.h"

static void check_clients(const struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;
	size_t i, k;

	for (i = 0; i < l->client_count; i++) {
		const struct berth_lint_clients *c = &l->clients[i];
		const struct berth_lint_decl *range = NULL;
		struct berth_lint_finding *f;

		for (k = 0; k < l->decl_count; k++)
			if (l->decls[k].place == c->place && !strcmp(l->decls[k].scope, c->scope) &&
			    !l->decls[k].ports.floating && !berth_lint_is_pool(&l->decls[k]) &&
			    l->decls[k].key->shape != BERTH_LINT_PORT)
				range = &l->decls[k];
		if (!range || berth_range_len(range->ports.ports) >= c->ports)
			continue;
		f = berth_lint_find(l, BERTH_LINT_RULE_CLIENTS, &c->spot);
		if (!f)
			continue;
		f->text = berth_lint_format(
			&l->arena, "%s has %u ports; the clients that are allowed here need %u",
			berth_lint_decl_text(l, range), berth_range_len(range->ports.ports),
			c->ports);
		berth_lint_ways_clients(l, range, c, f);
	}
}

static bool is_declared(const struct berth_lint *l, const struct berth_lint_listener *s,
			const struct berth_lint_decl **out_program)
{
	size_t i;

	*out_program = NULL;
	for (i = 0; i < l->decl_count; i++) {
		const struct berth_lint_decl *d = &l->decls[i];

		if (berth_lint_is_pool(d) || !(d->ports.protocols & s->protocol) ||
		    !berth_lint_is_program(d, s->command))
			continue;
		if (d->ports.floating ||
		    (s->port >= d->ports.ports.first && s->port <= d->ports.ports.last))
			return true;
		if (!*out_program || (*out_program)->implied)
			*out_program = d;
	}
	return false;
}

/* True for a socket that shows nothing: a client's, or a forwarded one. */
static bool is_no_service(const struct berth_lint *l, const struct berth_lint_listener *s,
			  const struct berth_lint_decl *d)
{
	if (s->loopback && d->place->flags & BERTH_LINT_FORWARDS)
		return true;
	/* A datagram's socket that nobody bound looks like one that somebody did; resolvers bind theirs. */
	return s->protocol == BERTH_LINT_UDP &&
	       ((s->port >= l->ephemeral.first && s->port <= l->ephemeral.last) ||
		(s->port >= 1024 && berth_lint_key_with(d->place, BERTH_LINT_SOURCE)));
}

static void check_live(const struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;
	size_t i;

	for (i = 0; i < j->live->listener_count; i++) {
		const struct berth_lint_listener *s = &j->live->listeners[i];
		const struct berth_lint_decl *d;
		struct berth_lint_finding *f;

		if (is_declared(l, s, &d) || !d || is_no_service(l, s, d))
			continue;
		f = berth_lint_find(l, BERTH_LINT_RULE_LIVE, &d->spot);
		if (!f)
			continue;
		f->text = berth_lint_format(
			&l->arena, "%s listens on %s port %u%s, outside of %s", s->command,
			s->protocol == BERTH_LINT_TCP ? "tcp" : "udp", s->port,
			s->loopback ? " (loopback)" : "", berth_lint_decl_text(l, d));
		berth_lint_ways_live(l, d, s->port, f);
	}
}

/* ipv4_local_port_range() and ipv4_privileged_ports() of the kernel: what is written last must fit to what is there. */
void berth_lint_judge_sysctl(const struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;
	bool range_is_last = l->ephemeral_order > l->unprivileged_order;
	uint32_t start = l->unprivileged;
	struct berth_lint_finding *f;

	/* A range that is written first meets the kernel's default. */
	if (l->ephemeral_order && !range_is_last &&
	    l->ephemeral.first < BERTH_LINT_UNPRIVILEGED_DEFAULT)
		range_is_last = true, start = BERTH_LINT_UNPRIVILEGED_DEFAULT;
	if (l->ephemeral.first >= start)
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_REFUSED,
			    range_is_last ? &l->ephemeral_spot : &l->unprivileged_spot);
	if (!f)
		return;
	f->text = berth_lint_format(
		&l->arena,
		"the kernel refuses %s: %u-%u begins below ip_unprivileged_port_start %u",
		range_is_last ? "ip_local_port_range" : "ip_unprivileged_port_start",
		l->ephemeral.first, l->ephemeral.last, start);
	berth_lint_ways_refused(l, start, range_is_last, f);
	if (range_is_last) {
		l->ephemeral = BERTH_LINT_EPHEMERAL_DEFAULT;
		l->ephemeral_spot = (struct berth_lint_spot){ 0 };
	} else {
		l->unprivileged = BERTH_LINT_UNPRIVILEGED_DEFAULT;
	}
}

static bool same_set(const struct berth_portset *a, const struct berth_portset *b)
{
	return !memcmp(a->leaf, b->leaf, sizeof(a->leaf));
}

/* What sysctl.d says, and what the kernel has; from here on the kernel's counts. */
void berth_lint_judge_applied(const struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;

	if (l->ephemeral_spot.file && (l->ephemeral.first != j->live->ephemeral.first ||
				       l->ephemeral.last != j->live->ephemeral.last)) {
		f = berth_lint_find(l, BERTH_LINT_RULE_APPLIED, &l->ephemeral_spot);
		if (f) {
			f->text = berth_lint_format(
				&l->arena,
				"ip_local_port_range is %u-%u here, and %u-%u in the kernel",
				l->ephemeral.first, l->ephemeral.last, j->live->ephemeral.first,
				j->live->ephemeral.last);
			berth_lint_ways_applied(l, f,
						berth_lint_format(&l->arena, "%u %u",
								  j->live->ephemeral.first,
								  j->live->ephemeral.last));
		}
	}
	if (l->reserved_spot.file && !same_set(&l->reserved, &j->live->reserved)) {
		f = berth_lint_find(l, BERTH_LINT_RULE_APPLIED, &l->reserved_spot);
		if (f) {
			f->text = berth_lint_format(
				&l->arena,
				"ip_local_reserved_ports has %u port%s here, and %u in the kernel",
				l->reserved.count, berth_lint_plural(l->reserved.count),
				j->live->reserved.count);
			berth_lint_ways_applied(l, f, berth_lint_set_text(l, &j->live->reserved));
		}
	}
	l->ephemeral = j->live->ephemeral;
	l->reserved = j->live->reserved;
}

static bool is_reservation(const struct berth_lint_found *f)
{
	return f->place == &berth_lint_sysctl && f->key >= 0 &&
	       f->place->keys[f->key].shape == BERTH_LINT_RESERVED;
}

/* What a setting reserves; what cannot be read of it was told. */
static void read_reservation(const struct berth_lint_found *f, struct berth_portset *out_set)
{
	const char *at = f->value, *what;
	struct berth_lint_ports p;

	*out_set = (struct berth_portset){ 0 };
	while (berth_lint_read_item(&at, &p, &what) > 0)
		berth_portset_add_range(out_set, p.ports);
}

/* The ports of a setting that the last one, which takes its place, does not have. */
static void check_lost(const struct berth_lint_judge *j, const struct berth_lint_found *found,
		       const struct berth_lint_found *last)
{
	struct berth_lint *l = j->l;
	struct berth_portset set, kept;
	struct berth_lint_finding *f;
	uint32_t lost = 0, before = l->lost.count;
	int32_t port;

	read_reservation(found, &set);
	read_reservation(last, &kept);
	for (port = berth_portset_next(&set, 0); port >= 0; port = berth_lint_after(&set, port)) {
		if (berth_portset_has(&kept, (uint32_t)port))
			continue;
		lost++;
		if (port >= l->ephemeral.first && port <= l->ephemeral.last)
			berth_portset_add(&l->lost, (uint32_t)port);
	}
	f = lost ? berth_lint_find(l, BERTH_LINT_RULE_RESERVED, &found->spot) : NULL;
	if (!f)
		return;
	if (l->lost.count > before)
		f->level = BERTH_LINT_WARNING;
	f->text = berth_lint_format(
		&l->arena,
		"%u of %u ports reserved here are lost: the list of %s takes the place of this one",
		lost, set.count, berth_lint_spot_text(l, &last->spot));
	for (port = berth_portset_next(&set, 0); port >= 0; port = berth_lint_after(&set, port))
		berth_portset_add(&kept, (uint32_t)port);
	berth_lint_ways_lost(l, &last->spot, &kept, f);
}

/* sysctl.d(5) does not add up lists: the last one counts. */
static void check_reservations(const struct berth_lint_judge *j)
{
	const struct berth_lint *l = j->l;
	const struct berth_lint_found *last = NULL;
	size_t i;

	for (i = 0; i < l->found_count; i++)
		if (is_reservation(&l->found[i]) && (!last || l->found[i].order > last->order))
			last = &l->found[i];
	for (i = 0; i < l->found_count; i++)
		if (is_reservation(&l->found[i]) && &l->found[i] != last)
			check_lost(j, &l->found[i], last);
}

static bool is_nodeport(const struct berth_lint *l, uint16_t port)
{
	size_t i;

	for (i = 0; i < l->decl_count; i++) {
		const struct berth_lint_decl *d = &l->decls[i];

		if (d->key->flags & BERTH_LINT_NODEPORT && port >= d->ports.ports.first &&
		    port <= d->ports.ports.last)
			return true;
	}
	return false;
}

static void check_reserved(const struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	uint32_t outside = 0;
	int32_t port;

	if (!l->reserved_spot.file)
		return;
	/* NodePorts are kept for the day that the range grows down to them. */
	for (port = berth_portset_next(&l->reserved, 0); port >= 0;
	     port = berth_lint_after(&l->reserved, port))
		outside += (port < l->ephemeral.first || port > l->ephemeral.last) &&
			   !is_nodeport(l, (uint16_t)port);
	f = outside ? berth_lint_find(l, BERTH_LINT_RULE_RESERVED, &l->reserved_spot) : NULL;
	if (!f)
		return;
	f->text = berth_lint_format(&l->arena, "%u of %u reserved ports lie outside of %s", outside,
				    l->reserved.count, berth_lint_ephemeral_text(j));
	berth_lint_ways_reserved(l, f);
}

void berth_lint_judge_host(const struct berth_lint_judge *j)
{
	check_clients(j);
	check_reserved(j);
	check_reservations(j);
	if (j->live)
		check_live(j);
}
