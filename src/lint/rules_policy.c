/* SPDX-License-Identifier: BSD-2-Clause */
/* The rule about what a unit may bind: SocketBindAllow= and SocketBindDeny= of systemd.resource-control(5). */
#include <string.h>
#include <strings.h>

#include "src/lint/found.h"
#include "src/lint/judge.h"
#include "src/lint/ways.h"

/* A socket that a unit would bind. */
struct wish {
	uint16_t port;
	uint8_t protocol;
	bool is_v6;
};

/* Takes "NAME:" off the front. */
static bool take(const char **at, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(*at, name, len) != 0 || ((*at)[len] != ':' && (*at)[len]))
		return false;
	*at += len + ((*at)[len] == ':');
	return true;
}

/* True for "[ipv4|ipv6:][tcp|udp:][PORT|FIRST-LAST]" or "any" that means the socket. */
static bool means(const char *rule, const struct wish *w)
{
	struct berth_lint_ports p;
	const char *what;

	if (take(&rule, "any"))
		return true;
	if (take(&rule, "ipv4") ? w->is_v6 : take(&rule, "ipv6") && !w->is_v6)
		return false;
	if (take(&rule, "tcp") ? w->protocol != BERTH_LINT_TCP
			       : take(&rule, "udp") && w->protocol != BERTH_LINT_UDP)
		return false;
	if (!*rule)
		return true;
	return berth_lint_read_span(rule, &p, &what) > 0 && !p.floating &&
	       w->port >= p.ports.first && w->port <= p.ports.last;
}

/* Settings of one unit: they stand together, sorted (collect.c). */
struct unit {
	const struct berth_lint_found *from, *to;
};

static bool is_before(const struct berth_lint_found *f, const struct berth_lint_decl *d)
{
	return f->place != d->place ? f->place < d->place : strcmp(f->scope, d->scope) < 0;
}

static struct unit unit_of(const struct berth_lint *l, const struct berth_lint_decl *d)
{
	size_t low = 0, high = l->found_count;
	struct unit u;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (is_before(&l->found[middle], d))
			low = middle + 1;
		else
			high = middle;
	}
	u.from = u.to = l->found + low;
	while (u.to < l->found + l->found_count && u.to->place == d->place &&
	       !strcmp(u.to->scope, d->scope))
		u.to++;
	return u;
}

static bool is_of(const struct berth_lint_found *f, const char *list)
{
	return f->key >= 0 && !strcmp(f->place->keys[f->key].key, list);
}

static const char allow_list[] = "Service/SocketBindAllow", deny_list[] = "Service/SocketBindDeny";

/* The first setting of a list, after what an empty one forgot, that means the socket; NULL where none does. */
static const struct berth_lint_found *rule_for(const struct unit *u, const char *list,
					       const struct wish *w)
{
	const struct berth_lint_found *found = NULL, *f;

	for (f = u->from; f < u->to; f++) {
		if (!is_of(f, list))
			continue;
		if (!*f->value)
			found = NULL;
		else if (!found && means(f->value, w))
			found = f;
	}
	return found;
}

/* The setting that keeps a port from a unit, whatever protocol and family it would take; NULL where it may have it. */
static const struct berth_lint_found *denied(const struct unit *u, uint8_t protocols, uint16_t port)
{
	const struct berth_lint_found *deny = NULL;
	unsigned i;

	for (i = 0; i < 4; i++) {
		struct wish w = { port, i & 1 ? BERTH_LINT_TCP : BERTH_LINT_UDP, i & 2 };

		if (!(protocols & w.protocol))
			continue;
		deny = rule_for(u, allow_list, &w) ? NULL : rule_for(u, deny_list, &w);
		if (!deny)
			return NULL;
	}
	return deny;
}

void berth_lint_judge_policy(struct berth_lint *l, const struct berth_lint_decl *d)
{
	const struct berth_lint_found *deny = NULL, *f;
	struct unit u = unit_of(l, d);
	struct berth_portset set;
	struct berth_lint_finding *finding;
	uint32_t port;

	for (f = u.from; f < u.to && !is_of(f, deny_list);)
		f++;
	if (f == u.to)
		return;
	set = (struct berth_portset){ 0 };
	for (port = d->ports.ports.first; port <= d->ports.ports.last; port++) {
		f = denied(&u, d->ports.protocols, (uint16_t)port);
		if (f)
			berth_portset_add(&set, port);
		deny = f ? f : deny;
	}
	finding = deny ? berth_lint_find(l, BERTH_LINT_RULE_DENIED, &d->spot) : NULL;
	if (!finding)
		return;
	finding->text = berth_lint_format(
		&l->arena, "%s: SocketBindDeny=%.40s (%s) keeps %u port%s from it",
		berth_lint_decl_text(l, d), deny->value, berth_lint_spot_text(l, &deny->spot),
		set.count, berth_lint_plural(set.count));
	berth_lint_ways_denied(l, d->scope, &deny->spot, &set, finding);
}
