/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules about one declaration: against the ephemeral range, the low ports of RPC, the names of services. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/lint/judge.h"
#include "src/lint/ways.h"

static void check_ephemeral(const struct berth_lint_judge *j, const struct berth_lint_decl *d)
{
	struct berth_lint *l = j->l;
	struct berth_portset spared;
	struct berth_lint_finding *f;
	struct berth_range in;
	uint32_t bare;

	if (!berth_lint_shared(d->ports.ports, l->ephemeral))
		return;
	in = berth_lint_common(d->ports.ports, l->ephemeral);
	spared = l->reserved;
	berth_lint_add_left_out(l, d, in, &spared);
	bare = berth_range_len(in) - berth_lint_count_in(&spared, in);
	if (!bare)
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_EPHEMERAL, &d->spot);
	if (!f)
		return;
	if (berth_lint_is_single(d))
		f->level = BERTH_LINT_ERROR;
	f->reserve = in;
	f->fixable = true;
	f->text = berth_lint_format(&l->arena, "%s overlaps %s in %u port%s%s",
				    berth_lint_decl_text(l, d), berth_lint_ephemeral_text(j), bare,
				    berth_lint_plural(bare),
				    bare < berth_range_len(in) ? " that are not reserved" : "");
	berth_lint_ways_ephemeral(l, d, f);
}

static void check_floating(const struct berth_lint_judge *j, const struct berth_lint_decl *d)
{
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f = berth_lint_find(l, BERTH_LINT_RULE_FLOATING, &d->spot);

	if (!f)
		return;
	f->text = berth_lint_format(&l->arena, "%s's %s%s: the kernel picks the port out of %u-%u",
				    d->service, d->label, d->implied ? " (its default)" : "",
				    l->ephemeral.first, l->ephemeral.last);
	berth_lint_ways_floating(l, d, f);
}

/* Ports that bindresvport(3) takes, first these, and those that the kernel's NFS does. */
static const struct berth_range resvports = { 600, 1023 };

static void check_resvport(const struct berth_lint_judge *j, const struct berth_lint_decl *d)
{
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	struct berth_range in;
	uint32_t hits;

	if (!berth_lint_shared(d->ports.ports, resvports))
		return;
	in = berth_lint_common(d->ports.ports, resvports);
	hits = berth_range_len(in) - berth_lint_count_in(&l->rpc_spared, in);
	if (!hits)
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_RESVPORT, &d->spot);
	if (!f)
		return;
	if (!l->has_rpc)
		f->level = BERTH_LINT_NOTE;
	f->text =
		berth_lint_format(&l->arena, "%s lies in bindresvport's pool 600-1023 in %u port%s",
				  berth_lint_decl_text(l, d), hits, berth_lint_plural(hits));
	berth_lint_ways_resvport(l, in, f);
}

/* Asked once for all ports, where a range is met first: ranges are long, and may be many. */
static const struct berth_portset *local_names(struct berth_lint_judge *j)
{
	uint32_t port;
	bool is_local;

	for (port = 1; !j->has_local && port <= 65535; port++)
		if (j->registry->name(j->registry->arg, (uint16_t)port, BERTH_LINT_BOTH,
				      &is_local) &&
		    is_local)
			berth_portset_add(&j->local, port);
	j->has_local = true;
	return &j->local;
}

/* A range: named services in it. */
static void check_names(struct berth_lint_judge *j, const struct berth_lint_decl *d)
{
	const struct berth_portset *local = local_names(j);
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	char list[128] = "";
	size_t len = 0;
	uint32_t hits = berth_lint_count_in(local, d->ports.ports), n;
	int32_t port;
	bool is_local;

	if (!hits)
		return;
	port = berth_portset_next(local, d->ports.ports.first);
	for (n = 0; n < 3 && n < hits; n++, port = berth_lint_after(local, port))
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.20s %d",
					len ? ", " : "",
					j->registry->name(j->registry->arg, (uint16_t)port,
							  BERTH_LINT_BOTH, &is_local),
					port);
	f = berth_lint_find(l, BERTH_LINT_RULE_NAMES, &d->spot);
	if (!f)
		return;
	f->text = berth_lint_format(&l->arena, "%s holds %u port%s of /etc/services: %s%s",
				    berth_lint_decl_text(l, d), hits, berth_lint_plural(hits), list,
				    hits > 3 ? ", ..." : "");
	berth_lint_ways_names(l, d, local, f);
}

/* A single port: named after another program of the table. Names that no program has say too little. */
static void check_name(struct berth_lint_judge *j, const struct berth_lint_decl *d)
{
	const struct berth_lint_place *p;
	struct berth_lint_finding *f;
	struct berth_lint *l = j->l;
	bool is_local = false;
	const char *name = j->registry->name(j->registry->arg, d->ports.ports.first,
					     d->ports.protocols, &is_local);

	if (!name || !is_local || berth_lint_is_program(d, name))
		return;
	for (p = berth_lint_places; p->service; p++)
		if (!strcasecmp(p->service, name) || berth_lint_is_one_of(p->same, name))
			break;
	/* It may be one program under two names: mariadb and mysql. */
	if (!p->service || berth_lint_is_program(d, p->service) ||
	    berth_lint_is_one_of(p->same, d->service))
		return;
	name = berth_lint_keep(&l->arena, name, strlen(name));
	f = berth_lint_find(l, BERTH_LINT_RULE_NAMES, &d->spot);
	if (!f)
		return;
	f->text = berth_lint_format(&l->arena, "%s is the port of %s in /etc/services",
				    berth_lint_decl_text(l, d), name);
	berth_lint_ways_names(l, d, local_names(j), f);
}

static void check_nodeport(const struct berth_lint_judge *j, const struct berth_lint_decl *d)
{
	struct berth_lint_finding *f;

	if (!(d->key->flags & BERTH_LINT_NODEPORT) || berth_lint_is_single(d) ||
	    d->ports.ports.last + 1u != j->l->ephemeral.first ||
	    berth_lint_count_in(&j->l->reserved, d->ports.ports) == berth_range_len(d->ports.ports))
		return;
	f = berth_lint_find(j->l, BERTH_LINT_RULE_ADJACENT, &d->spot);
	if (!f)
		return;
	f->text = berth_lint_format(&j->l->arena, "%s ends where %s begins",
				    berth_lint_decl_text(j->l, d), berth_lint_ephemeral_text(j));
	berth_lint_ways_adjacent(j->l, d, f);
}

void berth_lint_judge_alone(struct berth_lint_judge *j, const struct berth_lint_decl *d)
{
	if (berth_lint_is_pool(d))
		return;
	if (d->ports.floating) {
		check_floating(j, d);
		return;
	}
	check_ephemeral(j, d);
	if (d->place == &berth_lint_unit && !strncmp(d->key->key, "Service/", 8))
		berth_lint_judge_policy(j->l, d);
	check_resvport(j, d);
	if (j->registry && berth_lint_is_single(d))
		check_name(j, d);
	else if (j->registry)
		check_names(j, d);
	check_nodeport(j, d);
}
