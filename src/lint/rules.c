/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging: the rules one after the other, suppressions, the order of findings. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/lint/judge.h"
#include "src/lint/ways.h"

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

/* How many ports of a range a set has. */
uint32_t berth_lint_count_in(const struct berth_portset *s, struct berth_range r)
{
	uint32_t below_end = r.last == 65535 ? s->count : berth_portset_rank(s, r.last + 1u);

	return below_end - berth_portset_rank(s, r.first);
}

const struct berth_lint_key *berth_lint_key_with(const struct berth_lint_place *place,
						 unsigned flag)
{
	const struct berth_lint_key *k;

	for (k = place->keys; k->key; k++)
		if (k->flags & flag)
			return k;
	return NULL;
}

void berth_lint_add_left_out(const struct berth_lint *l, const struct berth_lint_decl *d,
			     struct berth_range in, struct berth_portset *set)
{
	const struct berth_lint_key *k = berth_lint_key_with(d->place, BERTH_LINT_LEFT_OUT);
	size_t i;

	for (i = 0; k && !berth_lint_is_single(d) && i < l->decl_count; i++) {
		const struct berth_lint_decl *other = &l->decls[i];

		if (other->key == k && !strcmp(other->scope, d->scope) &&
		    berth_lint_shared(other->ports.ports, in))
			berth_portset_add_range(set, berth_lint_common(other->ports.ports, in));
	}
}

struct berth_range berth_lint_common(struct berth_range a, struct berth_range b)
{
	return (struct berth_range){ a.first > b.first ? a.first : b.first,
				     a.last < b.last ? a.last : b.last };
}

/* True where `name` is one of "a|b|c". */
bool berth_lint_is_one_of(const char *names, const char *name)
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

bool berth_lint_is_program(const struct berth_lint_decl *d, const char *name)
{
	return !strcasecmp(d->service, name) || berth_lint_is_one_of(d->place->same, name);
}

bool berth_lint_knows(const struct berth_lint *l, const char *command)
{
	/* These run any program: whose ports they have cannot be told. */
	static const char interpreters[] = "java|beam.smp|lua|lua5.4|python3";
	size_t i;

	for (i = 0; !berth_lint_is_one_of(interpreters, command) && i < l->decl_count; i++)
		if (berth_lint_is_program(&l->decls[i], command))
			return true;
	return false;
}

/* "50000-60000" or "22" */
const char *berth_lint_ports_text(struct berth_lint *l, struct berth_range r)
{
	return r.first == r.last ? berth_lint_format(&l->arena, "%u", r.first)
				 : berth_lint_format(&l->arena, "%u-%u", r.first, r.last);
}

const char *berth_lint_spot_text(struct berth_lint *l, const struct berth_lint_spot *s)
{
	return s->line ? berth_lint_format(&l->arena, "%s:%u", s->file, s->line)
		       : berth_lint_format(&l->arena, "default, %s", s->file);
}

/* "vsftpd's pasv_min_port, pasv_max_port 50000-60000" */
const char *berth_lint_decl_text(struct berth_lint *l, const struct berth_lint_decl *d)
{
	bool is_shared = d->place->flags & BERTH_LINT_INSTANCES && d->scope != d->spot.file &&
			 strcmp(d->scope, d->spot.file) != 0;

	return berth_lint_format(&l->arena, "%s's %s %s%s%s%s", d->service, d->label,
				 berth_lint_ports_text(l, d->ports.ports), is_shared ? " of " : "",
				 is_shared ? d->scope : "", d->implied ? " (its default)" : "");
}

const char *berth_lint_ephemeral_text(const struct berth_lint_judge *j)
{
	struct berth_lint *l = j->l;

	return berth_lint_format(
		&l->arena, "the ephemeral range %u-%u (%s)", l->ephemeral.first, l->ephemeral.last,
		j->live && j->live->has_sysctl ? "of this kernel"
		: l->ephemeral_spot.file       ? berth_lint_spot_text(l, &l->ephemeral_spot)
					       : "the kernel's default");
}

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
		if (!more)
			continue;
		more->text = "a finding is ignored without a reason, and counts";
		berth_lint_ways_suppress(l, more);
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

int berth_lint_judge(struct berth_lint *l, const struct berth_lint_live *live,
		     const struct berth_lint_registry *registry)
{
	struct berth_lint_judge j = { .l = l, .live = live, .registry = registry };
	size_t i;

	j.listener = calloc(l->decl_count + 1, sizeof(*j.listener));
	if (!j.listener)
		return -ENOMEM;
	berth_lint_judge_sysctl(&j);
	if (live && live->has_sysctl)
		berth_lint_judge_applied(&j);
	for (i = 0; i < l->decl_count; i++)
		berth_lint_judge_alone(&j, &l->decls[i]);
	berth_lint_judge_pairs(&j);
	berth_lint_judge_host(&j);
	apply_suppressions(l);
	sort_findings(l);
	free(j.listener);
	return l->no_memory || l->arena.no_memory ? -ENOMEM : 0;
}
