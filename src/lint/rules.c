/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules: declarations against the ephemeral range, against each other, against what is known of the host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/lint/lint.h"
#include "src/lint/ways.h"

struct judge {
	struct berth_lint *l;
	const struct berth_lint_live *live;
	const struct berth_lint_registry *registry;
	struct berth_lint_decl **listener; /* by first port, then last, then service */
	size_t listeners;
	bool has_local; /* local is filled in: ports that /etc/services names, of any protocol */
	struct berth_portset local;
};

struct berth_lint_finding *berth_lint_find(struct berth_lint *l, enum berth_lint_rule rule,
					   const struct berth_lint_spot *spot)
{
	/* The spot may be another finding's, which moves when the array grows. */
	const struct berth_lint_spot at = *spot;
	struct berth_lint_finding *f = berth_lint_grow(l, (void **)&l->findings, &l->finding_count,
						       &l->finding_room, sizeof(*f));

	if (!f)
		return NULL;
	f->rule = rule;
	f->level = berth_lint_rules[rule].level;
	f->spot = at;
	return f;
}

static bool is_pool(const struct berth_lint_decl *d)
{
	return d->key->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID);
}

static bool is_single(const struct berth_lint_decl *d)
{
	return d->ports.ports.first == d->ports.ports.last;
}

/* How many ports of a range a set has. */
static uint32_t count_in(const struct berth_portset *s, struct berth_range r)
{
	uint32_t below_end = r.last == 65535 ? s->count : berth_portset_rank(s, r.last + 1u);

	return below_end - berth_portset_rank(s, r.first);
}

static struct berth_range common(struct berth_range a, struct berth_range b)
{
	return (struct berth_range){ a.first > b.first ? a.first : b.first,
				     a.last < b.last ? a.last : b.last };
}

/* True where `name` is one of "a|b|c". */
static bool is_one_of(const char *names, const char *name)
{
	size_t len = strlen(name);

	while (names && *names) {
		size_t n = strcspn(names, "|");

		if (n == len && !strncasecmp(names, name, n))
			return true;
		names += n + (names[n] == '|');
	}
	return false;
}

static bool is_program(const struct berth_lint_decl *d, const char *name)
{
	return !strcasecmp(d->service, name) || is_one_of(d->place->same, name);
}

bool berth_lint_knows(const struct berth_lint *l, const char *command)
{
	size_t i;

	for (i = 0; i < l->decl_count; i++)
		if (is_program(&l->decls[i], command))
			return true;
	return false;
}

static bool is_same_program(const struct berth_lint_decl *a, const struct berth_lint_decl *b)
{
	return is_program(a, b->service) || is_program(b, a->service);
}

/* "50000-60000" or "22" */
static const char *ports_text(struct berth_lint *l, struct berth_range r)
{
	return r.first == r.last ? berth_lint_format(&l->arena, "%u", r.first)
				 : berth_lint_format(&l->arena, "%u-%u", r.first, r.last);
}

static const char *spot_text(struct berth_lint *l, const struct berth_lint_spot *s)
{
	return s->line ? berth_lint_format(&l->arena, "%s:%u", s->file, s->line)
		       : berth_lint_format(&l->arena, "default, %s", s->file);
}

/* "vsftpd's pasv_min_port, pasv_max_port 50000-60000" */
static const char *decl_text(struct berth_lint *l, const struct berth_lint_decl *d)
{
	bool is_shared = d->place->flags & BERTH_LINT_INSTANCES && d->scope != d->spot.file &&
			 strcmp(d->scope, d->spot.file) != 0;

	return berth_lint_format(&l->arena, "%s's %s %s%s%s%s", d->service, d->label,
				 ports_text(l, d->ports.ports), is_shared ? " of " : "",
				 is_shared ? d->scope : "", d->implied ? " (its default)" : "");
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

static const char *ephemeral_text(const struct judge *j)
{
	struct berth_lint *l = j->l;

	return berth_lint_format(&l->arena, "the ephemeral range %u-%u (%s)", l->ephemeral.first,
				 l->ephemeral.last,
				 j->live && j->live->has_sysctl ? "of this kernel"
				 : l->ephemeral_spot.file       ? spot_text(l, &l->ephemeral_spot)
								: "the kernel's default");
}

/* ---- one declaration ---- */

static void check_ephemeral(const struct judge *j, const struct berth_lint_decl *d)
{
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	struct berth_range in;
	uint32_t bare;

	if (!berth_lint_shared(d->ports.ports, l->ephemeral))
		return;
	in = common(d->ports.ports, l->ephemeral);
	bare = berth_range_len(in) - count_in(&l->reserved, in);
	if (!bare)
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_EPHEMERAL, &d->spot);
	if (!f)
		return;
	if (is_single(d))
		f->level = BERTH_LINT_ERROR;
	f->reserve = in;
	f->fixable = true;
	f->text = berth_lint_format(&l->arena, "%s overlaps %s in %u port%s%s", decl_text(l, d),
				    ephemeral_text(j), bare, plural(bare),
				    bare < berth_range_len(in) ? " that are not reserved" : "");
	berth_lint_ways_ephemeral(l, d, f);
}

static void check_floating(const struct judge *j, const struct berth_lint_decl *d)
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

static void check_resvport(const struct judge *j, const struct berth_lint_decl *d)
{
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	uint16_t port = d->ports.ports.first;

	if (!is_single(d) || port < 600 || port > 1023 || berth_portset_has(&l->rpc_spared, port))
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_RESVPORT, &d->spot);
	if (!f)
		return;
	if (!l->has_rpc)
		f->level = BERTH_LINT_NOTE;
	f->text = berth_lint_format(&l->arena, "%s lies in bindresvport's pool 600-1023",
				    decl_text(l, d));
	f->way[0] = berth_lint_format(&l->arena, "echo %u >>/etc/bindresvport.blacklist", port);
	f->way[1] =
		"sysctl -w sunrpc.min_resvport=LOW sunrpc.max_resvport=HIGH, for mounts of the kernel's NFS";
}

/* Asked once for all ports, where a range is met first: ranges are long, and may be many. */
static const struct berth_portset *local_names(struct judge *j)
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

static void check_names(struct judge *j, const struct berth_lint_decl *d)
{
	const struct berth_portset *local;
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	char list[128] = "";
	size_t len = 0;
	uint32_t hits, n;
	int32_t port;
	bool is_local;

	if (is_single(d) || !j->registry)
		return;
	local = local_names(j);
	hits = count_in(local, d->ports.ports);
	if (!hits)
		return;
	port = berth_portset_next(local, d->ports.ports.first);
	for (n = 0; n < 3 && n < hits; n++, port = berth_portset_next(local, (uint32_t)port + 1))
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.20s %d",
					len ? ", " : "",
					j->registry->name(j->registry->arg, (uint16_t)port,
							  BERTH_LINT_BOTH, &is_local),
					port);
	f = berth_lint_find(l, BERTH_LINT_RULE_NAMES, &d->spot);
	if (f)
		f->text = berth_lint_format(&l->arena, "%s holds %u port%s of /etc/services: %s%s",
					    decl_text(l, d), hits, plural(hits), list,
					    hits > 3 ? ", ..." : "");
}

/* ---- two declarations ---- */

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
	return a->place == b->place && a->place->flags & BERTH_LINT_INSTANCES && is_single(a) &&
	       is_single(b) && strcmp(a->scope, b->scope) != 0;
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

static void sort_listeners(struct judge *j)
{
	struct berth_lint *l = j->l;
	size_t i, n = 0;

	for (i = 0; i < l->decl_count; i++)
		if (!is_pool(&l->decls[i]) && !l->decls[i].ports.floating)
			j->listener[n++] = &l->decls[i];
	if (n)
		qsort(j->listener, n, sizeof(*j->listener), by_port);
	for (i = 0; i < n; i++)
		if (!j->listeners || !is_repeated(j->listener[j->listeners - 1], j->listener[i]))
			j->listener[j->listeners++] = j->listener[i];
}

/* Two programs that want the same ports. The finding stands where the first of them is declared. */
static void compare(const struct judge *j, const struct berth_lint_decl *a,
		    const struct berth_lint_decl *b)
{
	struct berth_lint *l = j->l;
	bool both_single = is_single(a) && is_single(b);
	bool nodeport = (a->key->flags | b->key->flags) & BERTH_LINT_NODEPORT;
	const struct berth_lint_decl *at, *other;
	struct berth_lint_finding *f;
	uint32_t shared;

	if (!(a->ports.protocols & b->ports.protocols) ||
	    (is_same_program(a, b) && !are_instances(a, b)) ||
	    !berth_lint_address_meets(&a->ports.address, &b->ports.address))
		return;
	/* Two who both hold NodePorts: the range, and a service in it. */
	if (nodeport && a->place == b->place)
		return;
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
		return;
	if (both_single && a->implied && b->implied && !nodeport)
		f->level = BERTH_LINT_WARNING;
	shared = berth_lint_shared(a->ports.ports, b->ports.ports);
	f->text = berth_lint_format(&l->arena, "%s overlaps %s (%s) in %u port%s", decl_text(l, at),
				    decl_text(l, other), spot_text(l, &other->spot), shared,
				    plural(shared));
	berth_lint_ways_move(l, at, other, f);
}

static void check_pairs(const struct judge *j)
{
	size_t i, k;

	for (i = 0; i < j->listeners; i++)
		for (k = i + 1; k < j->listeners && j->listener[k]->ports.ports.first <=
							    j->listener[i]->ports.ports.last;
		     k++)
			compare(j, j->listener[i], j->listener[k]);
}

/* ---- pools of source ports ---- */

static bool is_named(const struct judge *j, uint16_t port)
{
	bool is_local;

	return j->registry && j->registry->name(j->registry->arg, port, BERTH_LINT_BOTH, &is_local);
}

/* What a pool leaves out. */
static void read_avoided(const struct judge *j, const struct berth_lint_decl *pool,
			 struct berth_portset *out_set)
{
	size_t i;
	uint32_t port;

	*out_set = (struct berth_portset){ 0 };
	for (i = 0; i < j->l->decl_count; i++) {
		const struct berth_lint_decl *d = &j->l->decls[i];

		if (d->place == pool->place && d->key->flags & BERTH_LINT_AVOID)
			berth_portset_add_range(out_set, d->ports.ports);
	}
	for (port = pool->ports.ports.first;
	     pool->key->flags & BERTH_LINT_UNNAMED && port <= pool->ports.ports.last; port++)
		if (is_named(j, (uint16_t)port))
			berth_portset_add(out_set, port);
}

static void check_pool(const struct judge *j, const struct berth_lint_decl *pool)
{
	struct berth_lint *l = j->l;
	struct berth_portset hit = { 0 }, avoided;
	struct berth_lint_finding *f;
	struct berth_range in;
	char list[256] = "";
	size_t len = 0, i;
	unsigned hits = 0;

	read_avoided(j, pool, &avoided);
	for (i = 0; i < j->listeners; i++) {
		const struct berth_lint_decl *d = j->listener[i];

		if (d->place == pool->place || d->ports.ports.first < 1024 ||
		    !(pool->ports.protocols & d->ports.protocols) ||
		    !berth_lint_shared(pool->ports.ports, d->ports.ports))
			continue;
		in = common(pool->ports.ports, d->ports.ports);
		if (count_in(&avoided, in) == berth_range_len(in))
			continue;
		berth_portset_add_range(&hit, in);
		if (hits++ < 3)
			len += (size_t)snprintf(list + len, sizeof(list) - len,
						"%s%.20s %s (%.32s)", len ? ", " : "", d->service,
						ports_text(l, d->ports.ports),
						spot_text(l, &d->spot));
		if (len >= sizeof(list))
			len = sizeof(list) - 1;
	}
	if (!hits)
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_SOURCE, &pool->spot);
	if (!f)
		return;
	f->text = berth_lint_format(
		&l->arena, "%s, which it sends from, overlaps listeners in %u port%s: %s%s",
		decl_text(l, pool), hit.count, plural(hit.count), list, hits > 3 ? ", ..." : "");
	berth_lint_ways_pool(l, pool, &hit, f);
}

/* ---- the host ---- */

static void check_clients(const struct judge *j)
{
	struct berth_lint *l = j->l;
	size_t i, k;

	for (i = 0; i < l->client_count; i++) {
		const struct berth_lint_clients *c = &l->clients[i];
		const struct berth_lint_decl *range = NULL;
		struct berth_lint_finding *f;

		for (k = 0; k < l->decl_count; k++)
			if (l->decls[k].place == c->place && !l->decls[k].ports.floating &&
			    !is_pool(&l->decls[k]) && l->decls[k].key->shape != BERTH_LINT_PORT)
				range = &l->decls[k];
		if (!range || berth_range_len(range->ports.ports) >= c->ports)
			continue;
		f = berth_lint_find(l, BERTH_LINT_RULE_CLIENTS, &c->spot);
		if (!f)
			continue;
		f->text = berth_lint_format(
			&l->arena, "%s has %u ports; the clients that are allowed here need %u",
			decl_text(l, range), berth_range_len(range->ports.ports), c->ports);
		berth_lint_ways_clients(l, range, c->ports, f);
	}
}

static bool is_declared(const struct berth_lint *l, const struct berth_lint_listener *s,
			const struct berth_lint_decl **out_program)
{
	size_t i;

	*out_program = NULL;
	for (i = 0; i < l->decl_count; i++) {
		const struct berth_lint_decl *d = &l->decls[i];

		if (is_pool(d) || !(d->ports.protocols & s->protocol) || !is_program(d, s->command))
			continue;
		if (d->ports.floating ||
		    (s->port >= d->ports.ports.first && s->port <= d->ports.ports.last))
			return true;
		if (!*out_program || (*out_program)->implied)
			*out_program = d;
	}
	return false;
}

static void check_live(const struct judge *j)
{
	struct berth_lint *l = j->l;
	size_t i;

	for (i = 0; i < j->live->listener_count; i++) {
		const struct berth_lint_listener *s = &j->live->listeners[i];
		const struct berth_lint_decl *d;
		struct berth_lint_finding *f;

		if (is_declared(l, s, &d) || !d)
			continue;
		f = berth_lint_find(l, BERTH_LINT_RULE_LIVE, &d->spot);
		if (!f)
			continue;
		f->text = berth_lint_format(&l->arena, "%s listens on %s port %u%s, outside of %s",
					    s->command,
					    s->protocol == BERTH_LINT_TCP ? "tcp" : "udp", s->port,
					    s->loopback ? " (loopback)" : "", decl_text(l, d));
		f->way[0] = berth_lint_format(&l->arena, "systemctl restart %s", d->service);
		f->way[1] = "declare the port in the file";
	}
}

static bool same_set(const struct berth_portset *a, const struct berth_portset *b)
{
	return !memcmp(a->leaf, b->leaf, sizeof(a->leaf));
}

/* What sysctl.d says, and what the kernel has; from here on the kernel's counts. */
static void check_applied(const struct judge *j)
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
			f->way[0] = "sysctl --system";
		}
	}
	if (l->reserved_spot.file && !same_set(&l->reserved, &j->live->reserved)) {
		f = berth_lint_find(l, BERTH_LINT_RULE_APPLIED, &l->reserved_spot);
		if (f) {
			f->text = berth_lint_format(
				&l->arena,
				"ip_local_reserved_ports has %u port%s here, and %u in the kernel",
				l->reserved.count, plural(l->reserved.count),
				j->live->reserved.count);
			f->way[0] = "sysctl --system";
		}
	}
	l->ephemeral = j->live->ephemeral;
	l->reserved = j->live->reserved;
}

static void check_reserved(const struct judge *j)
{
	struct berth_lint *l = j->l;
	struct berth_lint_finding *f;
	uint32_t in = count_in(&l->reserved, l->ephemeral);

	if (!l->reserved_spot.file || in == l->reserved.count)
		return;
	f = berth_lint_find(l, BERTH_LINT_RULE_RESERVED, &l->reserved_spot);
	if (f)
		f->text = berth_lint_format(&l->arena, "%u of %u reserved ports lie outside of %s",
					    l->reserved.count - in, l->reserved.count,
					    ephemeral_text(j));
}

static void check_nodeport(const struct judge *j, const struct berth_lint_decl *d)
{
	struct berth_lint_finding *f;

	if (!(d->key->flags & BERTH_LINT_NODEPORT) || is_single(d) ||
	    d->ports.ports.last + 1u != j->l->ephemeral.first)
		return;
	f = berth_lint_find(j->l, BERTH_LINT_RULE_ADJACENT, &d->spot);
	if (f)
		f->text = berth_lint_format(&j->l->arena, "%s ends where %s begins",
					    decl_text(j->l, d), ephemeral_text(j));
}

/* ---- all ---- */

static bool is_ignored(const struct berth_lint_finding *f)
{
	const char *name = berth_lint_rules[f->rule].name, *at = f->spot.ignore;
	size_t len = strlen(name);

	while (at && *at) {
		size_t n = strcspn(at, ",");

		if ((n == len && !strncmp(at, name, n)) || (n == 3 && !strncmp(at, "all", 3)))
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

static void apply_suppressions(struct berth_lint *l)
{
	size_t i, n = l->finding_count;

	for (i = 0; i < n; i++) {
		struct berth_lint_finding *f = &l->findings[i], *more;

		if (!is_ignored(f))
			continue;
		if (f->spot.reason) {
			f->suppressed = f->spot.reason;
			continue;
		}
		more = berth_lint_find(l, BERTH_LINT_RULE_SUPPRESS, &l->findings[i].spot);
		if (more)
			more->text = "a finding is ignored without a reason, and counts";
	}
}

static int by_spot(const void *a, const void *b)
{
	const struct berth_lint_finding *x = a, *y = b;
	int file = strcmp(x->spot.file, y->spot.file), text;

	if (file)
		return file;
	if (x->spot.line != y->spot.line)
		return x->spot.line < y->spot.line ? -1 : 1;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	text = strcmp(x->text, y->text);
	return text;
}

/* Sorts, and leaves out what was said before. */
static void sort_findings(struct berth_lint *l)
{
	size_t i, n = 0;

	if (l->finding_count)
		qsort(l->findings, l->finding_count, sizeof(*l->findings), by_spot);
	for (i = 0; i < l->finding_count; i++)
		if (!n || by_spot(&l->findings[n - 1], &l->findings[i]))
			l->findings[n++] = l->findings[i];
	l->finding_count = n;
}

static void judge_one(struct judge *j, const struct berth_lint_decl *d)
{
	if (d->key->flags & BERTH_LINT_AVOID)
		return;
	if (d->key->flags & BERTH_LINT_SOURCE) {
		if (!d->ports.floating)
			check_pool(j, d);
		return;
	}
	if (d->ports.floating) {
		check_floating(j, d);
		return;
	}
	check_ephemeral(j, d);
	check_resvport(j, d);
	check_names(j, d);
	check_nodeport(j, d);
}

int berth_lint_judge(struct berth_lint *l, const struct berth_lint_live *live,
		     const struct berth_lint_registry *registry)
{
	struct judge j = { .l = l, .live = live, .registry = registry };
	size_t i;

	j.listener = calloc(l->decl_count + 1, sizeof(*j.listener));
	if (!j.listener)
		return -ENOMEM;
	if (live && live->has_sysctl)
		check_applied(&j);
	sort_listeners(&j);
	for (i = 0; i < l->decl_count; i++)
		judge_one(&j, &l->decls[i]);
	check_pairs(&j);
	check_clients(&j);
	check_reserved(&j);
	if (live)
		check_live(&j);
	apply_suppressions(l);
	sort_findings(l);
	free(j.listener);
	return l->no_memory || l->arena.no_memory ? -ENOMEM : 0;
}
