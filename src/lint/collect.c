/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Settings become declarations: what a place's files say together, defaults where they say nothing.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/lint/reading.h"

/* A place with more listens on any, for all that is said of it. */
#define ADDRESSES_MAX 32

/* Settings of one place and scope, by key and half, in the order of their files. */
struct group {
	struct berth_lint *l;
	const struct berth_lint_found *at, *end;
	const struct berth_lint_place *place;
	/* What ADDRESS says: none is any address; nowhere: each has a port of its own, or there is none. */
	struct berth_lint_address address[ADDRESSES_MAX];
	unsigned addresses;
	bool nowhere;
};

static int by_group(const void *a, const void *b)
{
	const struct berth_lint_found *x = a, *y = b;
	int scope;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	scope = strcmp(x->scope, y->scope);
	if (scope)
		return scope;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->half != y->half)
		return x->half - y->half;
	return x->order < y->order ? -1 : 1;
}

/* Settings of a key and half, those that count: [*out_from, returned). */
static const struct berth_lint_found *those_of(const struct group *g, int key, int half,
					       const struct berth_lint_found **out_from)
{
	const struct berth_lint_found *from = g->at, *to, *f;
	unsigned flags = g->place->keys[key].flags;

	while (from < g->end && (from->key < key || (from->key == key && from->half < half)))
		from++;
	for (to = from; to < g->end && to->key == key && to->half == half;)
		to++;
	if (flags & BERTH_LINT_RESET) {
		for (f = from; f < to; f++)
			if (!*f->value)
				from = f + 1;
	} else if (flags & BERTH_LINT_FIRST) {
		to = from < to ? from + 1 : to;
	} else if (!(flags & BERTH_LINT_ADD) && from < to) {
		from = to - 1;
	}
	*out_from = from;
	return to;
}

/* True where a setting of the place is this one: one of "KEY=VALUE", len bytes. */
static bool one_holds(const struct group *g, const char *when, size_t len)
{
	const char *equal = memchr(when, '=', len);
	size_t key_len = (size_t)(equal - when);
	char wanted[64];
	int i;

	snprintf(wanted, sizeof(wanted), "%.*s", (int)(len - key_len - 1), equal + 1);

	for (i = 0; g->place->keys[i].key; i++) {
		const struct berth_lint_key *k = &g->place->keys[i];
		const struct berth_lint_found *from, *to;
		const char *value;

		if (k->shape != BERTH_LINT_CONDITION || strlen(k->key) != key_len ||
		    strncmp(k->key, when, key_len) != 0)
			continue;
		to = those_of(g, i, 0, &from);
		value = from < to ? from->value : k->initial;
		return value && berth_lint_which_key(wanted, value, false) >= 0;
	}
	return false;
}

static bool condition_holds(const struct group *g, const char *when)
{
	while (when && *when) {
		size_t len = strcspn(when, "&");

		if (!one_holds(g, when, len))
			return false;
		when += len + (when[len] == '&');
	}
	return true;
}

/* "redis.socket" without its end; other names as they are. */
static const char *service_of(struct berth_lint *l, const struct berth_lint_found *f)
{
	size_t len;

	if (f->place->flags & BERTH_LINT_NAMED)
		return strrchr(f->spot.file, '/') ? strrchr(f->spot.file, '/') + 1 : f->spot.file;
	if (f->place != &berth_lint_unit)
		return f->place->service;
	len = strcspn(f->scope, "@");
	if (!f->scope[len]) {
		const char *dot = strrchr(f->scope, '.');

		len = dot ? (size_t)(dot - f->scope) : strlen(f->scope);
	}
	return berth_lint_keep(&l->arena, f->scope, len);
}

/* A setting as a reader would look for it: "[global] smb ports", else the last part of its path. */
static const char *label_one(struct berth_lint *l, const struct berth_lint_place *place,
			     const char *path, size_t len)
{
	const char *slash;
	bool has_sections = place->format == BERTH_LINT_INI || place->format == BERTH_LINT_UNIT;

	/* An element is of its list. */
	while (len > 3 && !memcmp(path + len - 3, "/[]", 3))
		len -= 3;
	slash = memrchr(path, '/', len);
	if (!len)
		return "ports";
	if (!slash || place->format == BERTH_LINT_NETFILTER)
		return berth_lint_keep(&l->arena, path, len);
	if (place->format == BERTH_LINT_COLUMNS)
		return berth_lint_keep(&l->arena, path, (size_t)(slash - path));
	if (has_sections)
		return berth_lint_format(&l->arena, "[%.*s] %.*s", (int)(slash - path), path,
					 (int)(path + len - slash - 1), slash + 1);
	return berth_lint_keep(&l->arena, slash + 1, (size_t)(path + len - slash - 1));
}

/* A key of the table with what its '?' and '*' between words stand for, as a rule. */
static const char *spelt(struct berth_lint *l, const char *key)
{
	char text[BERTH_LINT_PATH_MAX];
	const char *at;
	size_t len = 0;

	for (at = key; *at && len < sizeof(text); at++) {
		bool begins = at == key || at[-1] == ' ';

		if (*at == '?')
			text[len++] = '_';
		else if (*at != '*' || !isalpha((unsigned char)at[1]))
			text[len++] = *at;
		else if (!begins)
			text[len++] = isalpha((unsigned char)at[-1]) ? ' ' : '*';
	}
	return berth_lint_keep(&l->arena, text, len);
}

static const char *label_of(struct berth_lint *l, const struct berth_lint_found *f,
			    const struct berth_lint_key *k)
{
	size_t len = strcspn(k->key, "|");
	const char *second = strrchr(k->key, '/');

	if (k->option && k->shape == BERTH_LINT_PAIR)
		return berth_lint_format(&l->arena, "%.*s, %s", (int)strcspn(k->option, "|"),
					 k->option, strchr(k->option, '|') + 1);
	if (k->option)
		return berth_lint_keep(&l->arena, k->option, strcspn(k->option, "|="));
	if (k->shape != BERTH_LINT_PAIR)
		return f->path ? label_one(l, f->place, f->path, strlen(f->path))
			       : spelt(l, label_one(l, f->place, k->key, len));
	second = second && second > k->key + len ? second + 1 : k->key + len + 1;
	return spelt(l, berth_lint_format(&l->arena, "%s, %s", label_one(l, f->place, k->key, len),
					  second));
}

static void syntax(struct berth_lint *l, const struct berth_lint_found *f, const char *what)
{
	struct berth_lint_finding *finding = berth_lint_find(l, BERTH_LINT_RULE_SYNTAX, &f->spot);

	if (finding)
		finding->text = berth_lint_format(&l->arena, "%s: \"%.60s\": %s", f->place->service,
						  f->value, what);
}

/* Adds a declaration; f is where it stands, or the place's first file for a default. */
static void declare_at(const struct group *g, const struct berth_lint_key *k,
		       const struct berth_lint_found *f, const struct berth_lint_ports *ports,
		       bool implied)
{
	/* Of the file itself; a place may have drop-ins only. */
	const struct berth_lint_spot *own = g->at->key < 0 ? &g->at->spot : NULL;
	struct berth_lint *l = g->l;
	struct berth_lint_decl *d = BERTH_LINT_GROW(l, l->decls, l->decl_count, l->decl_room);

	if (!d)
		return;
	*d = (struct berth_lint_decl){ .place = g->place,
				       .key = k,
				       .scope = f->scope,
				       .service = service_of(l, f),
				       .label = label_of(l, f, k),
				       .spot = f->spot,
				       .ports = *ports,
				       .implied = implied,
				       .order = implied ? 0 : f->order };
	if (implied)
		d->spot = (struct berth_lint_spot){ .file = f->spot.file,
						    .ignore = own ? own->ignore : NULL,
						    .reason = own ? own->reason : NULL };
}

/* The same at each address that the place has. */
static void declare(const struct group *g, const struct berth_lint_key *k,
		    const struct berth_lint_found *f, struct berth_lint_ports ports, bool implied)
{
	bool here = !ports.has_address &&
		    !(k->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID | BERTH_LINT_ELSEWHERE));
	int first = ports.ports.first + k->offset, last = ports.ports.last + k->offset;
	unsigned i;

	if ((ports.floating && k->flags & BERTH_LINT_ZERO_OFF) || (here && g->nowhere))
		return;
	if (first < 1 || last > 65535)
		return;
	ports.ports = (struct berth_range){ (uint16_t)first, (uint16_t)last };
	if (!ports.protocols)
		ports.protocols = k->protocols ? k->protocols : BERTH_LINT_BOTH;
	if (!here || !g->addresses)
		declare_at(g, k, f, &ports, implied);
	for (i = 0; here && i < g->addresses; i++) {
		ports.address = g->address[i];
		declare_at(g, k, f, &ports, implied);
	}
}

static void sysctl(struct berth_lint *l, const struct berth_lint_key *k,
		   const struct berth_lint_found *f)
{
	const char *at = f->value, *what = "";
	struct berth_portset set = { 0 };
	struct berth_lint_ports p;
	int n;

	if (k->shape == BERTH_LINT_EPHEMERAL) {
		n = berth_lint_read_span(at, &p, &what);
		if (n > 0 && !p.floating) {
			l->ephemeral = p.ports;
			l->ephemeral_spot = f->spot;
			l->ephemeral_order = f->order;
		} else {
			syntax(l, f, n < 0 ? what : "two ports were expected");
		}
		return;
	}
	if (k->shape == BERTH_LINT_UNPRIVILEGED) {
		n = berth_lint_read_span(at, &p, &what);
		if (n > 0 && (p.floating || p.ports.first == p.ports.last)) {
			l->unprivileged = p.floating ? 0 : p.ports.first;
			l->unprivileged_spot = f->spot;
			l->unprivileged_order = f->order;
		} else {
			syntax(l, f, n < 0 ? what : "a port was expected");
		}
		return;
	}
	while ((n = berth_lint_read_item(&at, &p, &what)) > 0)
		berth_portset_add_range(&set, p.ports);
	if (n < 0) {
		syntax(l, f, what);
		return;
	}
	l->reserved = set;
	l->reserved_spot = f->spot;
}

/* True where one of the words behind a port says that it is UDP's. */
static bool says_udp(const char *at)
{
	while (*(at += strspn(at, " \t"))) {
		size_t len = strcspn(at, " \t");

		if ((len == 3 && !strncmp(at, "udp", 3)) || (len == 4 && !strncmp(at, "quic", 4)))
			return true;
		at += len;
	}
	return false;
}

/* "a : b", or "<;a;b" (Exim's lists), as "a , b"; NULL where it is too long. */
static const char *with_commas(const char *value, char *buf, size_t size)
{
	char mark = ':', *at;

	value += strspn(value, " \t");
	if (*value == '<' && value[1]) {
		mark = value[1];
		value += 2;
	}
	if ((size_t)snprintf(buf, size, "%s", value) >= size)
		return NULL;
	for (at = buf; *at; at++)
		*at = (char)(*at == mark ? ',' : *at);
	return buf;
}

/* Ports at addresses. Behind a blank there are parameters, behind a comma another entry. */
static int read_ports(const struct group *g, const struct berth_lint_key *k,
		      const struct berth_lint_found *f, const char *at, bool implied,
		      const char **out_what)
{
	struct berth_lint_ports p = { 0 };
	struct berth_lint_address address = { 0 };
	char list[BERTH_LINT_VALUE_MAX];
	int n;

	/* "[ADDR@PORT, ADDR]" of Knot, not "[ADDR]:PORT". */
	if (k->flags & BERTH_LINT_LIST && *at == '[' && strchr(at, ']') == at + strlen(at) - 1) {
		snprintf(list, sizeof(list), "%.*s", (int)strlen(at) - 2, at + 1);
		at = list;
	}
	if (k->flags & BERTH_LINT_SECOND) {
		size_t len = strcspn(at, " \t");

		berth_lint_address_read(at, len, &address);
		at += len;
	}
	do {
		at += strspn(at, " \t,");
		n = berth_lint_read_endpoint(&at, k->usual, g->l->named, g->l->named_arg, &p,
					     out_what);
		/* "ADDRESS" of "ADDRESS PORT". */
		if (!n && k->flags & BERTH_LINT_SECOND && k->usual && !*at) {
			p.ports = (struct berth_range){ k->usual, k->usual };
			n = 1;
		}
		if (n > 0 && k->flags & BERTH_LINT_WORDS_UDP && says_udp(at))
			p.protocols = BERTH_LINT_UDP;
		if (k->flags & BERTH_LINT_SECOND) {
			p.address = address;
			p.has_address = true;
		}
		if (n > 0)
			declare(g, k, f, p, implied);
		/* What follows the port in a URL. */
		while (*at == '/')
			at++;
	} while (n >= 0 &&
		 (*at == ',' || (k->flags & BERTH_LINT_LIST && (*at == ' ' || *at == '\t'))) &&
		 at[1]);
	return n;
}

/* The entries of one value. */
static void read_value(const struct group *g, const struct berth_lint_key *k,
		       const struct berth_lint_found *f, const char *value, bool implied)
{
	char list[BERTH_LINT_VALUE_MAX];
	const char *at = k->flags & BERTH_LINT_COLONS ? with_commas(value, list, sizeof(list))
						      : value,
		   *what = "";
	struct berth_lint_ports p = { 0 };
	int n = 0;

	if (!at)
		return;
	switch (k->shape) {
	case BERTH_LINT_PORT:
		n = read_ports(g, k, f, at, implied, &what);
		break;
	case BERTH_LINT_SET:
		while ((n = berth_lint_read_item(&at, &p, &what)) > 0)
			declare(g, k, f, p, implied);
		break;
	case BERTH_LINT_MAPPING:
	case BERTH_LINT_SPAN:
	case BERTH_LINT_PAIR:
		n = k->shape == BERTH_LINT_MAPPING ? berth_lint_read_mapping(at, &p, &what)
						   : berth_lint_read_span(at, &p, &what);
		if (n > 0)
			declare(g, k, f, p, implied);
		break;
	default:
		break;
	}
	if (n < 0)
		syntax(g->l, f, what);
}

/* One number of a pair; 0 where it is not set. */
static bool half_of(const struct group *g, int key, int half, const struct berth_lint_found **out_f,
		    uint32_t *out_port)
{
	const struct berth_lint_found *from, *to = those_of(g, key, half, &from);
	const char *what = "";
	struct berth_lint_ports p;
	int n;

	*out_f = NULL;
	*out_port = 0;
	if (from == to)
		return true;
	from = to - 1;
	n = berth_lint_read_span(from->value, &p, &what);
	if (n < 0)
		syntax(g->l, from, what);
	if (n > 0) {
		*out_f = from;
		*out_port = p.floating ? 0 : p.ports.first;
	}
	return n >= 0;
}

/* MIN and MAX; one that is not set is the default's. */
static void collect_pair(const struct group *g, int key)
{
	const struct berth_lint_key *k = &g->place->keys[key];
	const struct berth_lint_found *min, *max, *where;
	struct berth_lint_ports p = { 0 }, initial = { .floating = true };
	uint32_t first, last;
	const char *what;

	if (!half_of(g, key, 0, &min, &first) || !half_of(g, key, 1, &max, &last))
		return;
	if (k->initial)
		berth_lint_read_span(k->initial, &initial, &what);
	if (!min && !max) {
		if (k->initial && g->at->key < 0)
			read_value(g, k, g->at, k->initial, true);
		return;
	}
	where = min ? min : max;
	if (!min && !initial.floating)
		first = initial.ports.first;
	if (!max)
		last = !initial.floating ? initial.ports.last : first ? 65535 : 0;
	if (!min && initial.floating && last)
		first = 1024;
	if (!last && first)
		last = 65535;
	if (k->flags & BERTH_LINT_COUNT && max)
		last = first + last - 1 < 65535 ? first + last - 1 : 65535;
	if (last < first) {
		syntax(g->l, max ? max : where, "the range ends below its start");
		return;
	}
	p.floating = !last;
	p.ports =
		(struct berth_range){ (uint16_t)(first ? first : 1), (uint16_t)(last ? last : 1) };
	declare(g, k, where, p, false);
	/* Options of one command line have one line, too. */
	if (min && max &&
	    (min->spot.line != max->spot.line || strcmp(min->spot.file, max->spot.file) != 0) &&
	    g->l->decl_count && g->l->decls[g->l->decl_count - 1].key == k)
		g->l->decls[g->l->decl_count - 1].second = max->spot;
}

static void collect_clients(const struct group *g, const struct berth_lint_key *k,
			    const struct berth_lint_found *f)
{
	struct berth_lint *l = g->l;
	char *end;
	unsigned long n = strtoul(f->value, &end, 10);
	uint32_t each = (uint32_t)(k->offset ? k->offset : 1);
	struct berth_lint_clients *c;

	if (end == f->value || !n || n > 65536)
		return;
	c = BERTH_LINT_GROW(l, l->clients, l->client_count, l->client_room);
	if (c)
		*c = (struct berth_lint_clients){ .place = g->place,
						  .scope = f->scope,
						  .spot = f->spot,
						  .ports = (uint32_t)n * each,
						  .each = each,
						  .service = service_of(l, f) };
}

static void collect_key(const struct group *g, int key)
{
	const struct berth_lint_key *k = &g->place->keys[key];
	const struct berth_lint_found *from, *to, *f;

	if (!condition_holds(g, k->when))
		return;
	if (k->shape == BERTH_LINT_PAIR) {
		collect_pair(g, key);
		return;
	}
	to = those_of(g, key, 0, &from);
	for (f = from; f < to; f++) {
		if (k->shape == BERTH_LINT_EPHEMERAL || k->shape == BERTH_LINT_RESERVED ||
		    k->shape == BERTH_LINT_UNPRIVILEGED)
			sysctl(g->l, k, f);
		else if (k->shape == BERTH_LINT_CLIENTS)
			collect_clients(g, k, f);
		else if (k->flags & BERTH_LINT_ZERO_INITIAL && k->initial && !strcmp(f->value, "0"))
			read_value(g, k, f, k->initial, true);
		else
			read_value(g, k, f, f->value, false);
	}
	if (from == to && k->initial && g->at->key < 0 && k->shape != BERTH_LINT_CONDITION)
		read_value(g, k, g->at, k->initial, true);
}

/* The addresses of one value; those that have a port of their own are declared by it. */
static void add_addresses(struct group *g, const char *value, bool *out_any)
{
	static const char blanks[] = " \t,;\"'";

	while (*(value += strspn(value, blanks))) {
		struct berth_lint_ports p;
		const char *at = value, *what;
		size_t len = strcspn(value, blanks);

		g->nowhere = g->nowhere || !g->addresses;
		if (berth_lint_read_endpoint(&at, 0, NULL, NULL, &p, &what) <= 0) {
			/* Redis: "-" forgives that it is not there. */
			bool forgives = *value == '-';

			berth_lint_address_read(value + forgives, len - forgives, &p.address);
			*out_any = *out_any || p.address.kind == BERTH_LINT_ANY ||
				   g->addresses == ADDRESSES_MAX;
			if (!*out_any)
				g->address[g->addresses++] = p.address;
			g->nowhere = false;
		}
		value += len;
	}
}

static void collect_addresses(struct group *g)
{
	bool any = false;
	int i;

	for (i = 0; g->place->keys[i].key; i++) {
		const struct berth_lint_key *k = &g->place->keys[i];
		const struct berth_lint_found *from, *to;

		if (k->shape != BERTH_LINT_ADDRESS)
			continue;
		to = those_of(g, i, 0, &from);
		if (from == to && k->initial && g->at->key < 0)
			add_addresses(g, k->initial, &any);
		if (from < to && !*to[-1].value && k->flags & BERTH_LINT_ZERO_OFF)
			g->nowhere = true;
		for (; from < to; from++)
			add_addresses(g, from->value, &any);
	}
	if (any) {
		g->addresses = 0;
		g->nowhere = false;
	}
}

void berth_lint_collect(struct berth_lint *l)
{
	size_t at = 0, i;

	if (l->found_count)
		qsort(l->found, l->found_count, sizeof(*l->found), by_group);
	while (at < l->found_count) {
		struct group g = { .l = l, .at = l->found + at, .place = l->found[at].place };

		for (i = at; i < l->found_count && l->found[i].place == g.place &&
			     !strcmp(l->found[i].scope, g.at->scope);)
			i++;
		g.end = l->found + i;
		collect_addresses(&g);
		at = i;
		if (g.place->flags & BERTH_LINT_EACH &&
		    berth_lint_is_part(l, g.place, g.end[-1].scope))
			continue;
		for (i = 0; g.place->keys[i].key; i++)
			collect_key(&g, (int)i);
	}
}
