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

/* Ports that a listener declares: asked for once for each candidate, and made once. */
static const struct berth_portset *declared(struct berth_lint *l)
{
	size_t i;

	for (i = 0; !l->has_declared && i < l->decl_count; i++) {
		const struct berth_lint_decl *d = &l->decls[i];

		if (!d->ports.floating && !(d->key->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID)))
			berth_portset_add_range(&l->declared, d->ports.ports);
	}
	l->has_declared = true;
	return &l->declared;
}

/* True where no declaration, and not the ephemeral range, has a port of the range. */
static bool is_free(struct berth_lint *l, struct berth_range r)
{
	int32_t next = berth_portset_next(declared(l), r.first);

	return !berth_lint_shared(r, l->ephemeral) && (next < 0 || next > r.last);
}

/* Whoever goes the ways of two findings must not meet again. */
static void offer(struct berth_lint *l, struct berth_range r)
{
	berth_portset_add_range(&l->declared, r);
}

/*
 * A place for len ports, at a round number; false where there is none. shift: what the program adds to the port that its
 * file has: that one must be free, too.
 */
static bool find_place(struct berth_lint *l, uint32_t len, int shift, struct berth_range *out_range)
{
	const uint32_t step = len > 100 ? 1000 : 100;
	uint32_t first;

	for (first = 10000; first + len - 1 <= 65535; first += step) {
		struct berth_range r = { (uint16_t)first, (uint16_t)(first + len - 1) }, own;
		int port = (int)first - shift;

		own = (struct berth_range){ (uint16_t)port, (uint16_t)port };
		if (shift > 0 && (port < 1024 || !is_free(l, own)))
			continue;

		/* 30000-32767 is Kubernetes' by default. */
		if (berth_lint_shared(r, (struct berth_range){ 30000, 32767 }) && first < 32768)
			continue;
		if (is_free(l, r)) {
			offer(l, r);
			if (shift > 0)
				offer(l, own);
			*out_range = r;
			return true;
		}
	}
	return false;
}

/* True within "[2001:db8::8080]", but not in a list: "[8080, 8081]". */
static bool is_in_address(const char *raw, const char *at)
{
	const char *open = at > raw && at[-1] == ':' ? memrchr(raw, '[', (size_t)(at - raw)) : NULL;

	return open && !memchr(open, ']', (size_t)(at - open));
}

/* Writes the line with one number for another where it stands alone; NULL where it does not. */
static const char *with_number(struct berth_lint *l, const char *raw, uint32_t old, uint32_t new)
{
	char from[8];
	const char *at;
	size_t len = (size_t)snprintf(from, sizeof(from), "%u", old);

	for (at = strstr(raw, from); at; at = strstr(at + 1, from))
		if ((at == raw || !isalnum((unsigned char)at[-1])) &&
		    !isdigit((unsigned char)at[len]) && !is_in_address(raw, at))
			return berth_lint_format(&l->arena, "%.*s%u%s", (int)(at - raw), raw, new,
						 at + len);
	return NULL;
}

/* A setting for the case that no line can be changed as it stands: a default, or a variable in it. */
static const char *set_to(struct berth_lint *l, const struct berth_lint_decl *d,
			  struct berth_range to)
{
	const char *ports = to.first == to.last
				    ? berth_lint_format(&l->arena, "%u", to.first)
				    : berth_lint_format(&l->arena, "%u-%u", to.first, to.last);

	if (d->spot.line)
		return berth_lint_format(&l->arena, "%s:%u: set %s to %s", d->spot.file,
					 d->spot.line, d->label, ports);
	return berth_lint_format(&l->arena, "%s: set %s to %s", d->spot.file, d->label, ports);
}

/* The line that declares d with other ports, behind "FILE:LINE: ". */
static const char *moved(struct berth_lint *l, const struct berth_lint_decl *d,
			 struct berth_range to)
{
	const char *line, *second;
	int shift = d->key->offset;

	if (!d->spot.raw)
		return set_to(l, d, to);
	line = with_number(l, d->spot.raw, (uint32_t)(d->ports.ports.first - shift),
			   (uint32_t)(to.first - shift));
	if (!line)
		return set_to(l, d, to);
	/* Instances that share a line: one of them says something else. */
	if (d->place->flags & BERTH_LINT_INSTANCES && strcmp(d->scope, d->spot.file) != 0)
		return berth_lint_format(&l->arena, "after the include in %s: %s", d->scope, line);
	/* The second one says how many. */
	if (d->second.raw && !(d->key->flags & BERTH_LINT_COUNT)) {
		const char *other = strcmp(d->second.file, d->spot.file) ? d->second.file : "";

		second = with_number(l, d->second.raw, d->ports.ports.last, to.last);
		return second ? berth_lint_format(&l->arena, "%s:%u: %s and %s:%u: %s",
						  d->spot.file, d->spot.line, line, other,
						  d->second.line, second)
			      : set_to(l, d, to);
	}
	if (to.first != to.last && !(d->key->flags & BERTH_LINT_COUNT))
		line = with_number(l, line, d->ports.ports.last, to.last);
	return line ? berth_lint_format(&l->arena, "%s:%u: %s", d->spot.file, d->spot.line, line)
		    : set_to(l, d, to);
}

static void way_to_move(struct berth_lint *l, const struct berth_lint_decl *d,
			struct berth_lint_finding *f)
{
	struct berth_range to;

	if (d->key->flags & BERTH_LINT_FIXED)
		return;
	/* Whoever owns a port below 1024 cannot move: clients know it. */
	if (d->ports.ports.first >= 1024 &&
	    find_place(l, berth_range_len(d->ports.ports), d->key->offset, &to))
		add_way(f, moved(l, d, to));
}

/* The root of an image, "" for this host and for a directory of files. */
static const char *root_of(struct berth_lint *l, const struct berth_lint_finding *f)
{
	return l->reader.is_host ? berth_lint_keep(&l->arena, f->spot.file, l->reader.shown) : "";
}

/* A word for the shell: as it is where that is safe, else in quotes. */
static const char *quoted(struct berth_lint *l, const char *word)
{
	char text[5 * 1024] = "'";
	const char *at = word;
	size_t len = 1;

	while (isalnum((unsigned char)*at) || (*at && strchr("/._-+:@%,=", *at)))
		at++;
	if (!*at)
		return word;
	for (at = word; *at && len < sizeof(text) - 8; at++) {
		size_t n = *at == '\'' ? 4 : 1;

		memcpy(text + len, n == 4 ? "'\\''" : at, n);
		len += n;
	}
	text[len++] = '\'';
	return berth_lint_keep(&l->arena, text, len);
}

/* A sysctl of this host, or, of an image, whose kernel does not run here, of its files: FILE: add LINE. */
static const char *sysctl_to(struct berth_lint *l, const struct berth_lint_finding *f,
			     const char *name, const char *value)
{
	const char *root = root_of(l, f), *mark = strchr(value, ' ') ? "\"" : "";

	if (*root)
		return berth_lint_format(&l->arena, "%s/etc/sysctl.d/zz-local.conf: add %s = %s",
					 root, name, value);
	return berth_lint_format(&l->arena, "sysctl -w %s=%s%s%s", name, mark, value, mark);
}

/* Adds to what is reserved, whoever reserved it: one way after the other must not undo the first. */
static const char *reserve(struct berth_lint *l, const char *service, struct berth_range r)
{
	return berth_lint_format(&l->arena, "berth reserve --why %s add %s", quoted(l, service),
				 r.first == r.last
					 ? berth_lint_format(&l->arena, "%u", r.first)
					 : berth_lint_format(&l->arena, "%u-%u", r.first, r.last));
}

/* A drop-in of sysctl.d with all that is to be reserved. */
static void way_to_fix(struct berth_lint *l, struct berth_lint_finding *f)
{
	const char *root = root_of(l, f);

	if (*root)
		add_way(f, berth_lint_format(&l->arena, "berth lint --root %s --fix",
					     quoted(l, root)));
	else if (l->reader.is_host)
		add_way(f, "berth lint --fix");
}

static void way_to_reserve(struct berth_lint *l, const struct berth_lint_decl *d,
			   struct berth_lint_finding *f)
{
	struct berth_portset set = l->reserved;

	berth_portset_add_range(&set, f->reserve);
	if (set.count + EPHEMERAL_MIN > berth_range_len(l->ephemeral))
		return;
	if (!*root_of(l, f))
		add_way(f, reserve(l, d->service, f->reserve));
	way_to_fix(l, f);
}

/* A range that lies outside for the greater part, or for a thousand ports, can do with these. */
static void way_to_cut(struct berth_lint *l, const struct berth_lint_decl *d,
		       struct berth_lint_finding *f)
{
	struct berth_range to = d->ports.ports;
	uint32_t len = berth_range_len(to);

	if (to.first < l->ephemeral.first)
		to.last = (uint16_t)(l->ephemeral.first - 1);
	else if (to.last > l->ephemeral.last)
		to.first = (uint16_t)(l->ephemeral.last + 1);
	else
		return;
	if (berth_range_len(to) >= 1000 || berth_range_len(to) * 2 >= len)
		add_way(f, moved(l, d, to));
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
	add_way(f, sysctl_to(l, f, "net.ipv4.ip_local_port_range",
			     berth_lint_format(&l->arena, "%u %u", first, last)));
}

void berth_lint_ways_ephemeral(struct berth_lint *l, const struct berth_lint_decl *d,
			       struct berth_lint_finding *f)
{
	way_to_reserve(l, d, f);
	way_to_cut(l, d, f);
	way_to_move(l, d, f);
	way_to_narrow(l, d, f);
}

void berth_lint_ways_floating(struct berth_lint *l, const struct berth_lint_decl *d,
			      struct berth_lint_finding *f)
{
	bool is_range = d->key->shape == BERTH_LINT_PAIR || d->key->shape == BERTH_LINT_SPAN;
	struct berth_range to;

	if (find_place(l, is_range ? 1000 : 1, 0, &to))
		add_way(f, set_to(l, d, to));
}

static const char *disable(struct berth_lint *l, const struct berth_lint_finding *f,
			   const char *service)
{
	const char *root = root_of(l, f);

	return *root ? berth_lint_format(&l->arena, "systemctl --root %s disable %s",
					 quoted(l, root), quoted(l, service))
		     : berth_lint_format(&l->arena, "systemctl disable --now %s",
					 quoted(l, service));
}

void berth_lint_ways_move(struct berth_lint *l, const struct berth_lint_decl *a,
			  const struct berth_lint_decl *b, struct berth_lint_finding *f)
{
	way_to_move(l, a, f);
	way_to_move(l, b, f);
	if (f->way[0])
		return;
	add_way(f, berth_lint_format(&l->arena, "give %s or %s an address of its own", a->service,
				     b->service));
	add_way(f, disable(l, f, a->service));
	add_way(f, disable(l, f, b->service));
}

/* The longest run of a pool's ports that has none of a set; false where none is left. */
static bool longest_without(struct berth_range pool, const struct berth_portset *set,
			    struct berth_range *out_range)
{
	uint32_t port, from = pool.first, best = 0;

	for (port = pool.first; port <= pool.last + 1u; port++) {
		if (port <= pool.last && !berth_portset_has(set, port))
			continue;
		if (port - from > best) {
			best = port - from;
			*out_range = (struct berth_range){ (uint16_t)from, (uint16_t)(port - 1) };
		}
		from = port + 1;
	}
	return best > 0;
}

/* What stands between name and value in the files of a place: taken from a line of theirs, else usual. */
static char separator_of(const struct berth_lint *l, const struct berth_lint_place *place,
			 char usual)
{
	size_t i;

	for (i = 0; i < l->decl_count; i++) {
		const struct berth_lint_decl *d = &l->decls[i];
		const char *raw = d->place == place ? d->spot.raw : NULL;

		if (raw && raw[strcspn(raw, "=: \t")])
			return raw[strcspn(raw, "=: \t")];
	}
	return usual;
}

/* A list that takes the place of the one before: with what that has. */
static const char *longer_list(struct berth_lint *l, const struct berth_lint_key *k,
			       const struct berth_portset *hit)
{
	struct berth_portset all = *hit;
	size_t i;

	for (i = 0; i < l->decl_count; i++)
		if (l->decls[i].key == k)
			berth_portset_add_range(&all, l->decls[i].ports.ports);
	return berth_lint_set_text(l, &all);
}

/* "within BLOCK: NAME { 1; range 2 3; };", "NAME: 1,2-3", or, where a setting has one range, a line for each. */
static const char *avoiding(struct berth_lint *l, const struct berth_lint_key *k,
			    const struct berth_lint_place *place, const struct berth_portset *hit)
{
	const char *items = berth_lint_set_text(l, hit), *at = items;
	size_t end = strcspn(k->key, "|");
	const char *slash = memrchr(k->key, '/', end), *name = slash ? slash + 1 : k->key;
	int name_len = (int)(k->key + end - name);
	char text[900] = "", mark = separator_of(l, place, k->shape == BERTH_LINT_SET ? '=' : ':');
	size_t len = 0;

	if (place->format != BERTH_LINT_BRACES && k->shape == BERTH_LINT_SET)
		return berth_lint_format(&l->arena, "%.*s%c%s", name_len, name, mark,
					 longer_list(l, k, hit));
	while (*at && len < sizeof(text)) {
		int n = (int)strcspn(at, ","), first = (int)strcspn(at, "-");

		if (place->format != BERTH_LINT_BRACES)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s%c%s%.*s",
						len ? ", and " : "", name_len, name, mark,
						mark == ':' ? " " : "", n, at);
		else if (first < n)
			len += (size_t)snprintf(text + len, sizeof(text) - len, " range %.*s %.*s;",
						first, at, n - first - 1, at + first + 1);
		else
			len += (size_t)snprintf(text + len, sizeof(text) - len, " %.*s;", n, at);
		at += n + (at[n] == ',');
	}
	if (place->format != BERTH_LINT_BRACES)
		return berth_lint_keep(&l->arena, text, strlen(text));
	return berth_lint_format(&l->arena, "within %.*s: %.*s {%s };", (int)strcspn(k->key, "/|"),
				 k->key, name_len, name, text);
}

void berth_lint_ways_pool(struct berth_lint *l, const struct berth_lint_decl *pool,
			  const struct berth_portset *hit, struct berth_lint_finding *f)
{
	const struct berth_lint_key *k;
	struct berth_range rest;

	for (k = pool->place->keys; k->key; k++)
		if (k->flags & BERTH_LINT_AVOID) {
			add_way(f, berth_lint_format(&l->arena, "%s: add %s", pool->spot.file,
						     avoiding(l, k, pool->place, hit)));
			return;
		}
	if (longest_without(l->ephemeral, hit, &rest) &&
	    berth_range_len(rest) == berth_range_len(l->ephemeral))
		add_way(f, moved(l, pool, l->ephemeral));
	if (longest_without(pool->ports.ports, hit, &rest))
		add_way(f, moved(l, pool, rest));
}

void berth_lint_ways_clients(struct berth_lint *l, const struct berth_lint_decl *range,
			     const struct berth_lint_clients *clients, struct berth_lint_finding *f)
{
	uint32_t fewer = berth_range_len(range->ports.ports) / clients->each;
	const char *line = clients->spot.raw ? with_number(l, clients->spot.raw,
							   clients->ports / clients->each, fewer)
					     : NULL;
	struct berth_range to;

	if (clients->ports <= 65535 && find_place(l, clients->ports, 0, &to))
		add_way(f, moved(l, range, to));
	if (line)
		add_way(f, berth_lint_format(&l->arena, "%s:%u: %s", clients->spot.file,
					     clients->spot.line, line));
}

/* Ports that the kernel's NFS client takes, by default. */
#define SUNRPC_FIRST 665u
#define SUNRPC_LAST 1023u

/* "&& COMMAND" that keeps the kernel's client, which does not read the list, away; "" where that is in vain. */
static const char *keep_sunrpc_away(struct berth_lint *l, const struct berth_lint_finding *f,
				    struct berth_range in)
{
	uint32_t above = SUNRPC_LAST - in.last,
		 below = in.first > SUNRPC_FIRST ? in.first - SUNRPC_FIRST : 0;
	const char *root = root_of(l, f), *name = above >= below ? "min" : "max";
	uint32_t port = above >= below ? in.last + 1u : in.first - 1u;

	if (in.last < SUNRPC_FIRST || above + below == 0)
		return "";
	if (!*root)
		return berth_lint_format(&l->arena, " && sysctl -w sunrpc.%s_resvport=%u", name,
					 port);
	return berth_lint_format(
		&l->arena, " && echo sunrpc.%s_resvport = %u >>%s", name, port,
		quoted(l, berth_lint_format(&l->arena, "%s/etc/sysctl.d/zz-local.conf", root)));
}

void berth_lint_ways_resvport(struct berth_lint *l, struct berth_range in,
			      struct berth_lint_finding *f)
{
	const char *list = quoted(l, berth_lint_format(&l->arena, "%s/etc/bindresvport.blacklist",
						       root_of(l, f))),
		   *more = keep_sunrpc_away(l, f, in);

	add_way(f, in.first == in.last
			   ? berth_lint_format(&l->arena, "echo %u >>%s%s", in.first, list, more)
			   : berth_lint_format(&l->arena, "seq %u %u >>%s%s", in.first, in.last,
					       list, more));
}

void berth_lint_ways_names(struct berth_lint *l, const struct berth_lint_decl *d,
			   const struct berth_portset *named, struct berth_lint_finding *f)
{
	uint32_t len = berth_range_len(d->ports.ports), first;
	const uint32_t step = len > 100 ? 1000 : 100;

	for (first = 10000; first + len - 1 <= 65535; first += step) {
		struct berth_range to = { (uint16_t)first, (uint16_t)(first + len - 1) };
		int32_t next = berth_portset_next(named, first);

		if ((next < 0 || next > to.last) && is_free(l, to)) {
			offer(l, to);
			add_way(f, moved(l, d, to));
			return;
		}
	}
}

void berth_lint_ways_adjacent(struct berth_lint *l, const struct berth_lint_decl *d,
			      struct berth_lint_finding *f)
{
	struct berth_portset set = l->reserved;

	berth_portset_add_range(&set, d->ports.ports);
	add_way(f, *root_of(l, f) ? sysctl_to(l, f, "net.ipv4.ip_local_reserved_ports",
					      berth_lint_set_text(l, &set))
				  : reserve(l, d->service, d->ports.ports));
}

void berth_lint_ways_live(struct berth_lint *l, const struct berth_lint_decl *d, uint16_t port,
			  struct berth_lint_finding *f)
{
	struct berth_range to = { port, port }, now = d->ports.ports;

	if (now.first != now.last) {
		to.first = port < now.first ? port : now.first;
		to.last = port > now.last ? port : now.last;
	}
	add_way(f, berth_lint_format(&l->arena, "systemctl restart %s", quoted(l, d->service)));
	add_way(f, moved(l, d, to));
}

/* "FILE:LINE: NAME = VALUE" for the sysctl that a finding is about. */
static const char *sysctl_line(struct berth_lint *l, const struct berth_lint_spot *s,
			       const char *value)
{
	size_t len = strcspn(s->raw, "=");

	while (len && isspace((unsigned char)s->raw[len - 1]))
		len--;
	return berth_lint_format(&l->arena, "%s:%u: %.*s = %s", s->file, s->line, (int)len, s->raw,
				 value);
}

void berth_lint_ways_refused(struct berth_lint *l, uint32_t start, bool is_range,
			     struct berth_lint_finding *f)
{
	add_way(f, sysctl_line(l, &f->spot,
			       is_range ? berth_lint_format(&l->arena, "%u %u", start,
							    l->ephemeral.last)
					: "1024"));
}

void berth_lint_ways_open(struct berth_lint *l, struct berth_lint_finding *f)
{
	add_way(f, sysctl_line(l, &f->spot, "1024"));
}

void berth_lint_ways_applied(struct berth_lint *l, struct berth_lint_finding *f, const char *value)
{
	add_way(f, "sysctl --system");
	add_way(f, sysctl_line(l, &f->spot, value));
}

void berth_lint_ways_lost(struct berth_lint *l, const struct berth_lint_spot *last,
			  const struct berth_portset *all, struct berth_lint_finding *f)
{
	add_way(f, sysctl_line(l, last, berth_lint_set_text(l, all)));
	way_to_fix(l, f);
}

void berth_lint_ways_denied(struct berth_lint *l, const char *unit,
			    const struct berth_lint_spot *deny, const struct berth_portset *ports,
			    struct berth_lint_finding *f)
{
	const char *set = berth_lint_set_text(l, ports);
	const char *directory = quoted(
		l, berth_lint_format(&l->arena, "%s/etc/systemd/system/%s.d", root_of(l, f), unit));

	/* A setting has one range. The last file may have forgotten what those before allow. */
	if (!strchr(set, ','))
		add_way(f,
			berth_lint_format(
				&l->arena,
				"mkdir -p %s && printf '[Service]\\nSocketBindAllow=%s\\n' >%s/zz-ports.conf",
				directory, set, directory));
	add_way(f, berth_lint_format(&l->arena, "take out %s:%u: %s", deny->file, deny->line,
				     deny->raw ? deny->raw : ""));
}

void berth_lint_ways_reserved(struct berth_lint *l, struct berth_lint_finding *f)
{
	struct berth_portset in = { 0 };
	int32_t port = berth_portset_next(&l->reserved, l->ephemeral.first);

	for (; port >= 0 && port <= l->ephemeral.last; port = berth_lint_after(&l->reserved, port))
		berth_portset_add(&in, (uint32_t)port);
	add_way(f, sysctl_line(l, &f->spot, berth_lint_set_text(l, &in)));
}

void berth_lint_ways_suppress(struct berth_lint *l, struct berth_lint_finding *f)
{
	add_way(f, berth_lint_format(&l->arena, "berth-lint: ignore%s %s: WHY IT IS WELL SO",
				     f->spot.line ? "" : "-default", f->spot.ignore));
}

void berth_lint_ways_include(struct berth_lint *l, const char *path, struct berth_lint_finding *f)
{
	if (path)
		add_way(f, berth_lint_format(&l->arena, "write %s%.512s", root_of(l, f), path));
	if (f->spot.raw)
		add_way(f, berth_lint_format(&l->arena, "take out %s:%u: %s", f->spot.file,
					     f->spot.line, f->spot.raw));
}

const char *berth_lint_set_text(struct berth_lint *l, const struct berth_portset *set)
{
	char text[900];

	berth_portset_format(set, text, sizeof(text));
	return berth_lint_keep(&l->arena, text, strlen(text));
}

uint32_t berth_lint_reservation(const struct berth_lint *l, struct berth_portset *out_set)
{
	struct berth_portset set = l->reserved;
	int32_t port;
	size_t i;

	for (port = berth_portset_next(&l->lost, 0); port >= 0;
	     port = berth_lint_after(&l->lost, port))
		berth_portset_add(&set, (uint32_t)port);
	for (i = 0; i < l->finding_count; i++)
		if (l->findings[i].fixable && !l->findings[i].suppressed)
			berth_portset_add_range(&set, l->findings[i].reserve);
	*out_set = set;
	return set.count - l->reserved.count;
}
