/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes ways out: other ports that nobody declared, lines with them, sysctls. */
#include "src/lint/ways.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Fewer ephemeral ports than this are no way out. */
#define EPHEMERAL_MIN 16384u

static void add_way(struct berth_lint_finding *f, const char *way)
{
	int i;

	for (i = 0; i < BERTH_LINT_WAYS && way; i++)
		if (!f->way[i]) {
			f->way[i] = way;
			return;
		}
}

/* True where no declaration but d itself, and not the ephemeral range, has a port of the range. */
static bool is_free(const struct berth_lint *l, const struct berth_lint_decl *d,
		    struct berth_range r)
{
	size_t i;

	if (berth_lint_shared(r, l->ephemeral))
		return false;
	for (i = 0; i < l->decl_count; i++) {
		const struct berth_lint_decl *o = &l->decls[i];

		if (o != d && !o->ports.floating &&
		    !(o->key->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID)) &&
		    berth_lint_shared(r, o->ports.ports))
			return false;
	}
	return true;
}

/* A place for len ports, at a round number; false where there is none. */
static bool find_place(const struct berth_lint *l, const struct berth_lint_decl *d, uint32_t len,
		       struct berth_range *out_range)
{
	const uint32_t step = len > 100 ? 1000 : 100;
	uint32_t first;

	for (first = 10000; first + len - 1 <= 65535; first += step) {
		struct berth_range r = { (uint16_t)first, (uint16_t)(first + len - 1) };

		/* 30000-32767 is Kubernetes' by default. */
		if (berth_lint_shared(r, (struct berth_range){ 30000, 32767 }) && first < 32768)
			continue;
		if (is_free(l, d, r)) {
			*out_range = r;
			return true;
		}
	}
	return false;
}

/* Writes the line with one number for another where it stands alone; NULL where it does not. */
static const char *with_number(struct berth_lint *l, const char *raw, uint32_t old, uint32_t new)
{
	char from[8];
	const char *at;
	size_t len = (size_t)snprintf(from, sizeof(from), "%u", old);

	for (at = strstr(raw, from); at; at = strstr(at + 1, from))
		if ((at == raw || !isalnum((unsigned char)at[-1])) &&
		    !isdigit((unsigned char)at[len]))
			return berth_lint_format(&l->arena, "%.*s%u%s", (int)(at - raw), raw, new,
						 at + len);
	return NULL;
}

/* The line that declares d with other ports, behind "FILE:LINE: ". */
static const char *moved(struct berth_lint *l, const struct berth_lint_decl *d,
			 struct berth_range to)
{
	const char *line, *second;
	int shift = d->key->offset;

	if (!d->spot.raw)
		return berth_lint_format(
			&l->arena, to.first == to.last ? "%s: set %s to %u" : "%s: set %s to %u-%u",
			d->spot.file, d->label, to.first, to.last);
	line = with_number(l, d->spot.raw, (uint32_t)(d->ports.ports.first - shift),
			   (uint32_t)(to.first - shift));
	if (!line)
		return NULL;
	if (d->second.raw) {
		second = with_number(l, d->second.raw, d->ports.ports.last, to.last);
		return second ? berth_lint_format(&l->arena, "%s:%u: %s and :%u: %s", d->spot.file,
						  d->spot.line, line, d->second.line, second)
			      : NULL;
	}
	if (to.first != to.last)
		line = with_number(l, line, d->ports.ports.last, to.last);
	return line ? berth_lint_format(&l->arena, "%s:%u: %s", d->spot.file, d->spot.line, line)
		    : NULL;
}

static void way_to_move(struct berth_lint *l, const struct berth_lint_decl *d,
			struct berth_lint_finding *f)
{
	struct berth_range to;

	if (d->key->flags & BERTH_LINT_FIXED)
		return;
	/* Whoever owns a port below 1024 cannot move: clients know it. */
	if (d->ports.ports.first >= 1024 && find_place(l, d, berth_range_len(d->ports.ports), &to))
		add_way(f, moved(l, d, to));
}

static void way_to_reserve(struct berth_lint *l, struct berth_lint_finding *f)
{
	struct berth_portset set = l->reserved;
	char text[512];

	berth_portset_add_range(&set, f->reserve);
	if (set.count + EPHEMERAL_MIN > berth_range_len(l->ephemeral) ||
	    berth_portset_format(&set, text, sizeof(text)) >= sizeof(text))
		return;
	add_way(f, berth_lint_format(&l->arena, "sysctl -w net.ipv4.ip_local_reserved_ports=%s",
				     text));
	add_way(f, "the same for each boot: berth lint --fix");
}

static void way_to_narrow(struct berth_lint *l, const struct berth_lint_decl *d,
			  struct berth_lint_finding *f)
{
	uint32_t first = l->ephemeral.first, last = l->ephemeral.last;

	if (d->ports.ports.first >= first + EPHEMERAL_MIN)
		last = d->ports.ports.first - 1u;
	else if (last >= d->ports.ports.last + EPHEMERAL_MIN)
		first = d->ports.ports.last + 1u;
	else
		return;
	add_way(f, berth_lint_format(&l->arena, "sysctl -w net.ipv4.ip_local_port_range=\"%u %u\"",
				     first, last));
}

void berth_lint_ways_ephemeral(struct berth_lint *l, const struct berth_lint_decl *d,
			       struct berth_lint_finding *f)
{
	way_to_reserve(l, f);
	way_to_move(l, d, f);
	way_to_narrow(l, d, f);
}

void berth_lint_ways_floating(struct berth_lint *l, const struct berth_lint_decl *d,
			      struct berth_lint_finding *f)
{
	bool is_range = d->key->shape == BERTH_LINT_PAIR || d->key->shape == BERTH_LINT_SPAN;
	struct berth_range to;

	if (!find_place(l, d, is_range ? 1000 : 1, &to))
		return;
	add_way(f,
		berth_lint_format(&l->arena, is_range ? "%s: set %s to %u-%u" : "%s: set %s to %u",
				  d->spot.file, d->label, to.first, to.last));
}

void berth_lint_ways_move(struct berth_lint *l, const struct berth_lint_decl *a,
			  const struct berth_lint_decl *b, struct berth_lint_finding *f)
{
	way_to_move(l, a, f);
	way_to_move(l, b, f);
	if (!f->way[0])
		add_way(f, berth_lint_format(&l->arena, "give %s or %s an address of its own",
					     a->service, b->service));
}

void berth_lint_ways_pool(struct berth_lint *l, const struct berth_lint_decl *pool,
			  const struct berth_portset *hit, struct berth_lint_finding *f)
{
	const struct berth_lint_key *k;
	char text[256];

	for (k = pool->place->keys; k->key; k++) {
		const char *name = strrchr(k->key, '/');

		if (!(k->flags & BERTH_LINT_AVOID) ||
		    berth_portset_format(hit, text, sizeof(text)) >= sizeof(text))
			continue;
		add_way(f, berth_lint_format(&l->arena, "%s: add %s %s", pool->spot.file,
					     name ? name + 1 : k->key, text));
		return;
	}
	if (pool->spot.raw)
		add_way(f, moved(l, pool, l->ephemeral));
}

void berth_lint_ways_clients(struct berth_lint *l, const struct berth_lint_decl *range,
			     uint32_t wanted, struct berth_lint_finding *f)
{
	struct berth_range to;

	if (wanted <= 65535 && find_place(l, range, wanted, &to))
		add_way(f, moved(l, range, to));
	add_way(f, berth_lint_format(&l->arena, "allow fewer clients: %u ports are there",
				     berth_range_len(range->ports.ports)));
}

uint32_t berth_lint_reservation(const struct berth_lint *l, struct berth_portset *out_set)
{
	struct berth_portset set = l->reserved;
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		if (l->findings[i].fixable && !l->findings[i].suppressed)
			berth_portset_add_range(&set, l->findings[i].reserve);
	*out_set = set;
	return set.count - l->reserved.count;
}
