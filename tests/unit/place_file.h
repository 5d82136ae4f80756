/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file written for a row of the table of places: each setting on a line of its own, in the format that the
 * place has, with the ports that a test wants.
 */
#ifndef TESTS_UNIT_PLACE_FILE_H
#define TESTS_UNIT_PLACE_FILE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "src/lint/lint.h"

#define SETTINGS_MAX 8
#define PARTS_MAX 16

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

#endif
