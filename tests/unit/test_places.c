/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of places, setting by setting: of each a file is written whose ports lie in the ephemeral range, and it must be
 * found on its line; then one whose ports do not, and nothing may be. A new row is tried without a line here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/lint/lint.h"

#define SETTINGS_MAX 8
#define PARTS_MAX 16

/* Of 32768-60999 a range has 100 ports, a single port is one; their twins have none. */
static const struct berth_range inside = { 32700, 32867 }, inside_one = { 33000, 33000 },
				outside = { 62000, 62099 }, outside_one = { 62000, 62000 };
#define SHARED 100u

static unsigned failures; /* all are told, not the first one only */

struct setting {
	char path[256], value[256];
	unsigned line; /* where write_file() put it */
};

struct file {
	const struct berth_lint_place *place;
	struct setting at[SETTINGS_MAX];
	unsigned count;
	char name[256], text[4096];
};

/* A listener of another program, which a pool of source ports must not hold. */
static const struct berth_lint_key probe_keys[] = { { "port", BERTH_LINT_PORT, BERTH_LINT_BOTH },
						    { NULL } };
static const struct berth_lint_place probe = { "probe",          NULL, NULL,      "/etc/probe",
					       BERTH_LINT_LINES, 0,    probe_keys };

/* ---- writing ---- */

/* The n-th of "a|b|c"; false where there are fewer. */
static bool nth(const char *list, unsigned n, char *out, size_t size)
{
	size_t len;

	for (; n; n--) {
		list = strchr(list, '|');
		if (!list)
			return false;
		list++;
	}
	len = strcspn(list, "|");
	assert_true(len < size);
	memcpy(out, list, len);
	out[len] = 0;
	return true;
}

/* A name that a glob matches. */
static void fill_stars(char *glob)
{
	for (; *glob; glob++)
		if (*glob == '*' || *glob == '?')
			*glob = 'x';
}

static void add_setting(struct file *f, const char *key, unsigned alternative, const char *value)
{
	struct setting *s = &f->at[f->count++];

	assert_true(f->count <= SETTINGS_MAX);
	assert_true(nth(key, alternative, s->path, sizeof(s->path)));
	fill_stars(s->path);
	snprintf(s->value, sizeof(s->value), "%s", value);
}

/* Parts of a path; returns how many. */
static unsigned split(char *path, char *parts[PARTS_MAX])
{
	unsigned n = 0;

	for (char *at = strtok(path, "/"); at; at = strtok(NULL, "/")) {
		assert_true(n < PARTS_MAX);
		parts[n++] = at;
	}
	return n;
}

/* JSON, and by that YAML: "a": {"b": ["v"]} */
static void write_json(FILE *out, char *parts[], unsigned n, const char *value)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (!strcmp(parts[i], "[]"))
			fputs("[", out);
		else
			fprintf(out, "%s\"%s\": ",
				i && strcmp(parts[i - 1], "[]") ? "{"
				: i                             ? "{"
								: "",
				parts[i]);
	fprintf(out, "\"%s\"", value);
	while (i--)
		fputs(!strcmp(parts[i], "[]") ? "]" : i ? "}" : "", out);
}

static void write_xml(FILE *out, char *parts[], unsigned n, const char *value)
{
	unsigned i, from = 1, last = n - 1;
	bool is_attribute = parts[last][0] == '@';

	for (i = from; i < n - is_attribute - (is_attribute ? 1u : 0u); i++)
		fprintf(out, "<%s>", parts[i]);
	if (is_attribute)
		fprintf(out, "<%s %s=\"%s\"/>", parts[last - 1], parts[last] + 1, value);
	else
		fputs(value, out);
	while (i-- > from)
		fprintf(out, "</%s>", parts[i]);
}

/* Erlang: {a,[{b,v}]} */
static void write_terms(FILE *out, char *parts[], unsigned n, const char *value)
{
	unsigned i;

	for (i = 0; i < n; i++)
		fprintf(out, "%s{%s,", i ? "[" : "", parts[i]);
	fputs(value, out);
	for (i = 0; i < n; i++)
		fputs(i + 1 < n ? "}]" : "}", out);
}

static void write_blocks(FILE *out, char *parts[], unsigned n, const char *value, const char *form)
{
	unsigned i;

	for (i = 0; i + 1 < n; i++)
		fprintf(out, "%s { ", parts[i]);
	fprintf(out, form, parts[i], value);
	while (i--)
		fputs(" }", out);
}

static void write_parens(FILE *out, char *parts[], unsigned n, const char *value)
{
	unsigned i;

	for (i = 0; i < n; i++)
		fprintf(out, "%s(", parts[i]);
	fputs(value, out);
	for (i = 0; i < n; i++)
		fputc(')', out);
	fputc(';', out);
}

static void write_netfilter(FILE *out, const char *protocol, const char *value)
{
	if (!strcmp(protocol, "any"))
		fprintf(out, "-A POSTROUTING -j MASQUERADE --to-ports %s", value);
	else
		fprintf(out, "-A POSTROUTING -p %s -j MASQUERADE --to-ports %s", protocol, value);
}

static void write_call(FILE *out, const char *name, const char *value)
{
	size_t len = strcspn(value, " ");

	fprintf(out, "%s(\"%.*s\"", name, (int)len, value);
	if (value[len])
		fprintf(out, ", %s", value + len + 1);
	fputs(", { kind = 'x' })", out);
}

/* One setting; *line is of the value. */
static void write_setting(FILE *out, enum berth_lint_format format, const struct setting *s,
			  unsigned *line)
{
	char path[256], *parts[PARTS_MAX], *slash;
	unsigned n;

	snprintf(path, sizeof(path), "%s", s->path);
	slash = strrchr(path, '/');
	switch (format) {
	case BERTH_LINT_INI:
	case BERTH_LINT_UNIT:
		if (slash) {
			*slash = 0;
			fprintf(out, "[%s]\n", path);
			++*line;
		}
		fprintf(out, "%s = %s", slash ? slash + 1 : path, s->value);
		return;
	case BERTH_LINT_BARE:
		fputs(s->value, out);
		return;
	case BERTH_LINT_SHELL:
		fprintf(out, "%s=\"%s\"", path, s->value);
		return;
	case BERTH_LINT_LINES:
		/* A key that is empty ends where its separator stands. */
		fprintf(out, "%s%s%s", path, *path ? " " : ":", s->value);
		return;
	default:
		break;
	}
	n = split(path, parts);
	switch (format) {
	case BERTH_LINT_WORDS:
		fprintf(out, "%s %s %s", parts[0], n > 1 ? parts[1] : "", s->value);
		break;
	case BERTH_LINT_COLUMNS:
		fprintf(out, "%s %s %s", s->value, parts[0], parts[1]);
		break;
	case BERTH_LINT_BRACES:
		write_blocks(out, parts, n, s->value, "%s %s;");
		break;
	case BERTH_LINT_BLOCKS:
		write_blocks(out, parts, n, s->value, "%s = \"%s\";");
		break;
	case BERTH_LINT_PARENS:
		write_parens(out, parts, n, s->value);
		break;
	case BERTH_LINT_JSON:
	case BERTH_LINT_YAML:
		write_json(out, parts, n, s->value);
		break;
	case BERTH_LINT_XML:
		write_xml(out, parts, n, s->value);
		break;
	case BERTH_LINT_NETFILTER:
		write_netfilter(out, parts[1], s->value);
		break;
	case BERTH_LINT_CALLS:
		write_call(out, parts[0], s->value);
		break;
	case BERTH_LINT_TERMS:
		write_terms(out, parts, n, s->value);
		break;
	default:
		fail_msg("no way to write the format %s", berth_lint_format_name(format));
	}
}

/* What stands around the settings of a file. */
static void frame(const struct file *f, char *open, char *close, const char **out_between)
{
	enum berth_lint_format format = f->place->format;
	char root[256] = "x";

	*open = *close = 0;
	*out_between = "";
	if (format == BERTH_LINT_JSON || format == BERTH_LINT_YAML) {
		strcpy(open, "{");
		strcpy(close, "}");
		*out_between = ",";
	} else if (format == BERTH_LINT_TERMS) {
		strcpy(open, "[");
		strcpy(close, "].");
		*out_between = ",";
	} else if (format == BERTH_LINT_XML) {
		if (f->count)
			snprintf(root, sizeof(root), "%.*s", (int)strcspn(f->at[0].path, "/"),
				 f->at[0].path);
		snprintf(open, 300, "<%s>", root);
		snprintf(close, 300, "</%s>", root);
	}
}

/* Each setting on a line of its own, none on the first. */
static void write_file(struct file *f)
{
	FILE *out = fmemopen(f->text, sizeof(f->text), "w");
	char open[300], close[300];
	const char *between;
	unsigned i, line = 2;

	assert_non_null(out);
	frame(f, open, close, &between);
	fprintf(out, "%s\n", open);
	for (i = 0; i < f->count; i++) {
		write_setting(out, f->place->format, &f->at[i], &line);
		fprintf(out, "%s\n", i + 1 < f->count ? between : "");
		f->at[i].line = line++;
	}
	fprintf(out, "%s\n", close);
	fclose(out);
}

/* ---- the value of a setting ---- */

/* An option of a command line with a value: "--port 1", "port=1". */
static void with_option(char *out, size_t size, const char *names, unsigned alternative,
			const char *value)
{
	char name[128];
	size_t len = strlen(out);

	assert_true(nth(names, alternative, name, sizeof(name)));
	snprintf(out + len, size - len, "%s%s%s", name,
		 strchr("=:", name[strlen(name) - 1]) ? "" : " ", value);
}

static bool is_range(const struct berth_lint_key *k)
{
	return k->shape == BERTH_LINT_SPAN || k->shape == BERTH_LINT_SET ||
	       k->shape == BERTH_LINT_PAIR || k->shape == BERTH_LINT_MAPPING;
}

static void write_pair(struct file *f, const struct berth_lint_key *k, struct berth_range r)
{
	unsigned last = k->flags & BERTH_LINT_COUNT ? berth_range_len(r) : r.last;
	char min[16], max[16], line[256] = "x ";

	snprintf(min, sizeof(min), "%u", r.first);
	snprintf(max, sizeof(max), "%u", last);
	if (!k->option) {
		add_setting(f, k->key, 0, min);
		add_setting(f, k->key, 1, max);
		return;
	}
	with_option(line, sizeof(line), k->option, 0, min);
	strcat(line, " ");
	with_option(line, sizeof(line), k->option, 1, max);
	add_setting(f, k->key, 0, f->place->format == BERTH_LINT_WORDS ? line + 2 : line);
}

/* True where a setting is an address, which may have a port. */
static bool is_address(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	const struct berth_lint_key *other;

	for (other = p->keys; other->key; other++)
		if (other->shape == BERTH_LINT_ADDRESS && !strcmp(other->key, k->key))
			return true;
	return false;
}

/* Adds the setting with these ports; which: of "a|b" in the key, or, where all are through, in the option. */
static void write_ports(struct file *f, const struct berth_lint_key *k, unsigned which,
			unsigned option, struct berth_range r)
{
	char ports[64], value[256] = "";
	int first = r.first - k->offset, last = r.last - k->offset;

	if (k->shape == BERTH_LINT_PAIR) {
		write_pair(f, k, r);
		return;
	}
	snprintf(ports, sizeof(ports), is_range(k) ? "%d-%d" : "%d", first, last);
	if (k->shape == BERTH_LINT_MAPPING)
		strcat(ports, ":80");
	if (k->flags & BERTH_LINT_SECOND) {
		snprintf(value, sizeof(value), "192.0.2.1 %s", ports);
	} else if (is_address(f->place, k)) {
		snprintf(value, sizeof(value), "192.0.2.1:%s", ports);
	} else if (k->option) {
		strcpy(value, f->place->format == BERTH_LINT_WORDS ? "" : "x ");
		/* Mesos has its resources without anything in front of them. */
		if (f->place->format == BERTH_LINT_BARE)
			*value = 0;
		with_option(value, sizeof(value), k->option, option, ports);
	} else {
		strcpy(value, ports);
	}
	add_setting(f, k->key, which, value);
}

/* Settings that a row asks for: "KEY=VALUE&...", VALUE as a key. negated: the last of them is not so. */
static void write_conditions(struct file *f, const char *when, bool negated)
{
	char one[256], value[128], *equal;
	size_t len;
	bool is_not;

	while (when && *when) {
		len = strcspn(when, "&");
		snprintf(one, sizeof(one), "%.*s", (int)len, when);
		when += len + (when[len] == '&');
		equal = strchr(one, '=');
		*equal = 0;
		is_not = negated && !*when;
		/* Of a setting that may have any value only its absence is another one. */
		if (is_not && !strcmp(equal + 1, "*"))
			continue;
		assert_true(nth(equal + 1, 0, value, sizeof(value)));
		fill_stars(value);
		add_setting(f, one, 0, is_not ? "otherwise" : value);
	}
}

/* ---- reading it back ---- */

static void begin_file(struct file *f, const struct berth_lint_place *place)
{
	unsigned i;

	memset(f, 0, sizeof(*f));
	f->place = place;
	/* The first name that is no glob: a place's own file. */
	for (i = 0; place->files && nth(place->files, i, f->name, sizeof(f->name)); i++)
		if (!strchr(f->name, '*'))
			return;
	if (place->files)
		nth(place->files, 0, f->name, sizeof(f->name));
	else
		strcpy(f->name, "/etc/systemd/system/x.socket");
	fill_stars(f->name);
}

/* Reads the file, and a listener of another program where port is not 0. */
static void judge(struct berth_lint *l, struct file *f, unsigned listener)
{
	char text[32];

	write_file(f);
	berth_lint_init(l, NULL, NULL);
	berth_lint_add(l, f->place, f->name, f->place == &berth_lint_unit ? "x.socket" : NULL,
		       f->text, strlen(f->text));
	if (listener) {
		snprintf(text, sizeof(text), "port %u\n", listener);
		berth_lint_add(l, &probe, "/etc/probe", NULL, text, strlen(text));
	}
	berth_lint_collect(l);
	assert_int_equal(berth_lint_judge(l, NULL, NULL), 0);
}

/* The finding that stands on a line of the file; NULL where there is none. Defaults stand on no line. */
static const struct berth_lint_finding *found_at(const struct berth_lint *l, const struct file *f,
						 enum berth_lint_rule rule, unsigned line)
{
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		if (l->findings[i].rule == rule && l->findings[i].spot.line == line &&
		    !strcmp(l->findings[i].spot.file, f->name))
			return &l->findings[i];
	return NULL;
}

static void fail_with(const struct file *f, const struct berth_lint *l, const char *what)
{
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		print_error("%s:%u: %s\n", l->findings[i].spot.file, l->findings[i].spot.line,
			    l->findings[i].text);
	print_error("%s, %s: %s:\n%s", f->place->service, f->name, what, f->text);
	failures++;
}

/* True where nothing but defaults is found in the file. */
static bool is_silent(const struct berth_lint *l, const struct file *f)
{
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		if (l->findings[i].level != BERTH_LINT_NOTE && l->findings[i].spot.line &&
		    !strcmp(l->findings[i].spot.file, f->name))
			return false;
	return true;
}

/* ---- what is tried ---- */

/* A key that is none, and only the default counts: a blank, which keys do not have but in ini, keeps it from being found. */
static bool is_default_only(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	assert_true(p->format == BERTH_LINT_INI ||
		    !strchr(k->key, ' ') == !(k->flags & BERTH_LINT_FIXED));
	return k->flags & BERTH_LINT_FIXED;
}

static bool is_listener(const struct berth_lint_key *k)
{
	return (k->shape == BERTH_LINT_PORT || is_range(k)) &&
	       !(k->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID));
}

/* Where a setting means two ports, its own and one far from it, neither may lie in the ephemeral range. */
static struct berth_range twin_of(const struct berth_lint_key *k)
{
	if (is_range(k))
		return outside;
	return k->offset < 1000 ? outside_one : (struct berth_range){ 30000, 30000 };
}

static void try_listener(const struct berth_lint_place *p, const struct berth_lint_key *k,
			 unsigned which, unsigned option)
{
	const struct berth_lint_finding *finding;
	struct berth_lint l;
	struct file f;
	char count[32];
	unsigned n;

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	n = f.count;
	write_ports(&f, k, which, option, is_range(k) ? inside : inside_one);
	judge(&l, &f, 0);
	finding = found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[n].line);
	snprintf(count, sizeof(count), " in %u port", is_range(k) ? SHARED : 1);
	if (!finding || !strstr(finding->text, count))
		fail_with(&f, &l, "the overlap is not found");
	berth_lint_fini(&l);

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	write_ports(&f, k, which, option, twin_of(k));
	judge(&l, &f, 0);
	if (!is_silent(&l, &f))
		fail_with(&f, &l, "the repaired twin is not silent");
	berth_lint_fini(&l);
}

/* What another setting switches off declares nothing. */
static void try_condition(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	struct berth_lint l;
	struct file f;

	begin_file(&f, p);
	write_conditions(&f, k->when, true);
	write_ports(&f, k, 0, 0, is_range(k) ? inside : inside_one);
	judge(&l, &f, 0);
	if (found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[f.count - 1].line))
		fail_with(&f, &l, "found, though the condition does not hold");
	berth_lint_fini(&l);
}

static void try_source(const struct berth_lint_place *p, const struct berth_lint_key *k,
		       unsigned which, unsigned option)
{
	struct berth_lint l;
	struct file f;

	begin_file(&f, p);
	write_ports(&f, k, which, option, is_range(k) ? inside : inside_one);
	judge(&l, &f, inside_one.first - (is_range(k) ? 200u : 0));
	if (!found_at(&l, &f, BERTH_LINT_RULE_SOURCE, f.at[0].line))
		fail_with(&f, &l, "the listener in the pool is not found");
	berth_lint_fini(&l);

	begin_file(&f, p);
	write_ports(&f, k, which, option, is_range(k) ? outside : outside_one);
	judge(&l, &f, inside_one.first);
	if (!is_silent(&l, &f))
		fail_with(&f, &l, "the repaired twin is not silent");
	berth_lint_fini(&l);
}

/* A range of the place without the ports that are left out of it. */
static void try_left_out(const struct berth_lint_place *p, const struct berth_lint_key *k,
			 unsigned which)
{
	const struct berth_lint_key *range = p->keys;
	struct berth_lint l;
	struct file f;

	while (range->key && (!is_listener(range) || !is_range(range)))
		range++;
	assert_non_null(range->key);
	begin_file(&f, p);
	write_ports(&f, range, 0, 0, inside);
	write_ports(&f, k, which, 0, inside);
	judge(&l, &f, 0);
	if (found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[0].line))
		fail_with(&f, &l, "ports that are left out are found");
	berth_lint_fini(&l);
	begin_file(&f, p);
	write_ports(&f, range, 0, 0, inside);
	write_ports(&f, k, which, 0, outside);
	judge(&l, &f, 0);
	if (!found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[0].line))
		fail_with(&f, &l, "the overlap is not found");
	berth_lint_fini(&l);
}

/* A pool of the place without the ports that are avoided. */
static void try_avoid(const struct berth_lint_place *p, const struct berth_lint_key *k,
		      unsigned which)
{
	const struct berth_range taken = { 32800, 32800 };
	const struct berth_lint_key *pool = p->keys;
	struct berth_lint l;
	struct file f;

	while (pool->key &&
	       (!(pool->flags & BERTH_LINT_SOURCE) || !is_range(pool) || is_default_only(p, pool)))
		pool++;
	if (!pool->key)
		fail_msg("%s: %s: nothing sends from ports", p->service, k->key);
	begin_file(&f, p);
	write_ports(&f, pool, 0, 0, inside);
	write_ports(&f, k, which, 0, taken);
	judge(&l, &f, taken.first);
	if (found_at(&l, &f, BERTH_LINT_RULE_SOURCE, f.at[0].line))
		fail_with(&f, &l, "a port that is avoided is found");
	berth_lint_fini(&l);
	begin_file(&f, p);
	write_ports(&f, pool, 0, 0, inside);
	write_ports(&f, k, which, 0, outside_one);
	judge(&l, &f, taken.first);
	if (!found_at(&l, &f, BERTH_LINT_RULE_SOURCE, f.at[0].line))
		fail_with(&f, &l, "the listener in the pool is not found");
	berth_lint_fini(&l);
}

/* The first setting of the place that another one may go with. */
static const struct berth_lint_key *first_listener(const struct berth_lint_place *p,
						   bool wants_range)
{
	const struct berth_lint_key *k;

	for (k = p->keys; k->key; k++)
		if (is_listener(k) && !(k->flags & BERTH_LINT_SECOND) && !is_default_only(p, k) &&
		    (!wants_range || is_range(k)))
			return k;
	fail_msg("%s: no port that this setting goes with", p->service);
	return NULL;
}

static void try_address(const struct berth_lint_place *p, const struct berth_lint_key *k,
			unsigned which)
{
	const struct berth_lint_key *port = first_listener(p, false);
	struct berth_lint l;
	struct file f;
	size_t i;

	begin_file(&f, p);
	add_setting(&f, k->key, which, "192.0.2.77");
	write_conditions(&f, port->when, false);
	write_ports(&f, port, 0, 0, is_range(port) ? outside : outside_one);
	judge(&l, &f, 0);
	for (i = 0; i < l.decl_count; i++)
		if (l.decls[i].spot.line && l.decls[i].ports.address.kind == BERTH_LINT_V4 &&
		    l.decls[i].ports.address.bytes[3] == 77)
			break;
	if (i == l.decl_count)
		fail_with(&f, &l, "its ports are not at the address");
	berth_lint_fini(&l);
}

static void try_clients(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	const struct berth_lint_key *range = first_listener(p, true);
	unsigned enough = berth_range_len(outside) / (unsigned)(k->offset ? k->offset : 1);
	struct berth_lint l;
	struct file f;
	char number[16];

	begin_file(&f, p);
	snprintf(number, sizeof(number), "%u", enough + 1);
	add_setting(&f, k->key, 0, number);
	write_conditions(&f, range->when, false);
	write_ports(&f, range, 0, 0, outside);
	judge(&l, &f, 0);
	if (!found_at(&l, &f, BERTH_LINT_RULE_CLIENTS, f.at[0].line))
		fail_with(&f, &l, "the range is too small, and that is not found");
	berth_lint_fini(&l);
	begin_file(&f, p);
	snprintf(number, sizeof(number), "%u", enough);
	add_setting(&f, k->key, 0, number);
	write_conditions(&f, range->when, false);
	write_ports(&f, range, 0, 0, outside);
	judge(&l, &f, 0);
	if (!is_silent(&l, &f))
		fail_with(&f, &l, "the range is large enough");
	berth_lint_fini(&l);
}

/* 0 is off, the default, or a port that the kernel picks. */
static void try_zero(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	unsigned declared = 0, line;
	struct berth_lint l;
	struct file f;
	size_t i;

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	line = f.count;
	write_ports(&f, k, 0, 0, (struct berth_range){ 0, 0 });
	judge(&l, &f, 0);
	for (i = 0; i < l.decl_count; i++)
		if (l.decls[i].key == k && l.decls[i].spot.line == f.at[line].line) {
			assert_true(l.decls[i].ports.floating);
			declared++;
		}
	if (declared != !(k->flags & (BERTH_LINT_ZERO_OFF | BERTH_LINT_ZERO_INITIAL)))
		fail_with(&f, &l, "0 does not mean that");
	berth_lint_fini(&l);
}

/* What holds where the file says nothing. */
static void try_default(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	struct berth_lint l;
	struct file f;
	size_t i;

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	judge(&l, &f, 0);
	for (i = 0; i < l.decl_count; i++)
		if (l.decls[i].key == k && l.decls[i].implied && !l.decls[i].spot.line)
			break;
	if (i == l.decl_count)
		fail_with(&f, &l, k->initial);
	berth_lint_fini(&l);
}

/* Each of the names that a setting has, and of its option's. */
static void try_names(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	char name[256];
	unsigned which, option;

	for (which = 0; nth(k->key, which, name, sizeof(name)); which++) {
		for (option = 0; nth(k->option ? k->option : "", option, name, sizeof(name));
		     option++) {
			if (k->flags & BERTH_LINT_LEFT_OUT)
				try_left_out(p, k, which);
			else if (k->flags & BERTH_LINT_AVOID)
				try_avoid(p, k, which);
			else if (k->flags & BERTH_LINT_SOURCE)
				try_source(p, k, which, option);
			else
				try_listener(p, k, which, option);
			if (k->shape == BERTH_LINT_PAIR)
				return;
		}
	}
}

/* True where another row has the setting whatever else is set. */
static bool has_other_row(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	const struct berth_lint_key *other;

	for (other = p->keys; other->key; other++)
		if (other != k && !other->when && other->shape == k->shape &&
		    !strcmp(other->key, k->key))
			return true;
	return false;
}

static void try_key(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	char name[256];
	unsigned which;
	bool has_ports = k->shape == BERTH_LINT_PORT || is_range(k);

	if (k->initial && has_ports && !(k->flags & BERTH_LINT_ZERO_OFF && *k->initial == '0') &&
	    p != &berth_lint_unit)
		try_default(p, k);
	if (is_default_only(p, k)) {
		assert_non_null(k->initial);
		return;
	}
	if (has_ports)
		try_names(p, k);
	if (has_ports && k->when && !has_other_row(p, k))
		try_condition(p, k);
	if (k->shape == BERTH_LINT_PORT && !k->offset && is_listener(k) &&
	    !(k->flags & BERTH_LINT_NUMBER))
		try_zero(p, k);
	if (k->shape == BERTH_LINT_CLIENTS)
		try_clients(p, k);
	for (which = 0; k->shape == BERTH_LINT_ADDRESS && nth(k->key, which, name, sizeof(name));
	     which++)
		try_address(p, k, which);
}

static void try_place(const struct berth_lint_place *p)
{
	const struct berth_lint_key *k;

	for (k = p->keys; k->key; k++)
		try_key(p, k);
}

static void test_rows(void **state)
{
	const struct berth_lint_place *p;

	(void)state;
	failures = 0;
	for (p = berth_lint_places; p->service; p++)
		try_place(p);
	assert_int_equal(failures, 0);
}

static void test_known_by_content(void **state)
{
	(void)state;
	failures = 0;
	try_place(&berth_lint_unit);
	try_place(&berth_lint_kubernetes);
	try_place(&berth_lint_compose);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_known_by_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
