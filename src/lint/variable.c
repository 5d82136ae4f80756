/* SPDX-License-Identifier: BSD-2-Clause */
/* Variables: which setting of a place gives one its value, and how values ask for it. */
#include <stdio.h>
#include <string.h>

#include "src/lint/reading.h"

/* How a setting tells of variables. */
enum gives {
	ITSELF, /* its name is the variable's */
	BEHIND, /* "NAME VALUE" */
	EQUALS, /* "NAME=VALUE", or "NAME = VALUE" */
	EACH,   /* "A=1 'B=2 3'": one a word */
	IN_FILE /* the value is a file of them, in prelude_format */
};

struct berth_lint_variable {
	const char *service; /* NULL: any of the format; else rows of a service stand together */
	enum berth_lint_format format;
	const char *key; /* as in places.h */
	enum gives gives;
	/* What stands around a name in a value. close "": it ends with its letters; open "": bare; NULL: the parser does it. */
	const char *open, *close;
	/* A file that has nothing else: key and gives are of it. A name without '/' is beside the place's file. */
	const char *prelude;
	enum berth_lint_format prelude_format;
	bool has_default; /* "${NAME:-WORD}" is WORD where nothing is known of NAME */
};

#define F(name) BERTH_LINT_##name

/* More are left out: a file may ask for as many that are not there. */
#define VARIABLES_MAX 1024

/* The shell's names are put in by its parser, which knows about quotes; nft's by its own. */
/* clang-format off */
static const struct berth_lint_variable variables[] = {
	{ "apache2", F(LINES), "Define", BEHIND, "${", "}", NULL, 0 },
	{ "apache2", F(LINES), "*", ITSELF, "${", "}", "/etc/apache2/envvars", F(SHELL) },
	{ "freeswitch", F(XML), "*X-PRE-PROCESS/set", EQUALS, "$${", "}", NULL, 0 },
	{ "freeswitch", F(XML), "*X-PRE-PROCESS/set", EQUALS, "$${", "}", "/etc/freeswitch/vars.xml", F(XML) },
	{ "kamailio", F(LINES), "#!define|#!redefine|#!trydef", BEHIND, "", "", NULL, 0 },
	{ "condor", F(LINES), "*", ITSELF, "$(", ")", NULL, 0 },
	{ "freeradius", F(BLOCKS), "*", ITSELF, "${", "}", NULL, 0 },
	{ "lighttpd", F(LINES), "var.*", ITSELF, "", "", NULL, 0 },
	{ "syslog-ng", F(PARENS), "@define", BEHIND, "`", "`", NULL, 0 },
	{ "docker", F(YAML), "*", ITSELF, "${", "}", ".env", F(SHELL), .has_default = true },
	{ "docker", F(YAML), "", ITSELF, "$", "", NULL, 0 },
	{ "systemd", F(UNIT), "Service/Environment", EACH, "${", "}", NULL, 0 },
	{ "systemd", F(UNIT), "Service/Environment", EACH, "$", "", NULL, 0 },
	{ "systemd", F(UNIT), "Service/EnvironmentFile", IN_FILE, NULL, "", NULL, F(SHELL) },
	{ NULL, F(SHELL), "*", ITSELF, NULL, "", NULL, 0 },
	{ NULL, F(NETFILTER), "define", EQUALS, NULL, "", NULL, 0 },
	{ NULL, 0, NULL, 0, NULL, NULL, NULL, 0 }
};
/* clang-format on */

/* A variable that has a value. */
struct berth_lint_given {
	const char *name, *value;
};

static bool is_of(const struct berth_lint_variable *v, const struct berth_lint_place *place)
{
	return v->key && v->format == place->format &&
	       (!v->service || !strcmp(v->service, place->service));
}

const struct berth_lint_variable *berth_lint_variables_of(const struct berth_lint_place *place)
{
	const struct berth_lint_variable *v;

	for (v = variables; v->key; v++)
		if (is_of(v, place))
			return v;
	return NULL;
}

const char *berth_lint_variable_get(const struct berth_lint_reading *r, const char *name,
				    size_t len)
{
	const struct berth_lint_given *given = r->l->given;
	size_t i;

	for (i = r->l->given_count; i > 0; i--) {
		const struct berth_lint_given *g = &given[i - 1];

		if (!strncmp(g->name, name, len) && !g->name[len])
			return g->value;
	}
	return NULL;
}

static void give(struct berth_lint_reading *r, const char *name, size_t len, const char *value,
		 size_t value_len)
{
	struct berth_lint *l = r->l;
	struct berth_lint_given *g =
		l->given_count < VARIABLES_MAX
			? BERTH_LINT_GROW(l, l->given, l->given_count, l->given_room)
			: NULL;

	if (!g)
		return;
	g->name = berth_lint_keep(&l->given_texts, name, len);
	g->value = berth_lint_keep(&l->given_texts, value, value_len);
}

/* "NAME=VALUE" or "NAME VALUE" in len bytes. */
static void give_one(struct berth_lint_reading *r, const char *text, size_t len, const char *marks)
{
	size_t name = 0, at;

	while (name < len && !strchr(" \t=", text[name]))
		name++;
	at = name;
	while (at < len && strchr(marks, text[at]))
		at++;
	while (len > at && strchr("\"' \t", text[len - 1]))
		len--;
	while (at < len && strchr("\"'", text[at]))
		at++;
	if (name && at > name)
		give(r, text, name, text + at, len - at);
}

/* One a word; quotes are around the word or its value. */
static void give_words(struct berth_lint_reading *r, const char *at)
{
	while (*(at += strspn(at, " \t"))) {
		char quote = 0;
		size_t len;

		for (len = 0; at[len] && (quote || !strchr(" \t", at[len])); len++)
			if (quote ? at[len] == quote : at[len] == '"' || at[len] == '\'')
				quote = quote ? 0 : at[len];
		give_one(r, at + (*at == '"' || *at == '\''), len - (*at == '"' || *at == '\''),
			 "=");
		at += len;
	}
}

static void give_file(struct berth_lint_reading *r, const struct berth_lint_variable *v,
		      const char *name);

static void give_by(struct berth_lint_reading *r, const struct berth_lint_variable *v,
		    const char *path, const char *value)
{
	switch (v->gives) {
	case ITSELF:
		if (!strchr(path, '/'))
			give(r, path, strlen(path), value, strlen(value));
		break;
	case EACH:
		give_words(r, value);
		break;
	case IN_FILE:
		give_file(r, v, value);
		break;
	default:
		give_one(r, value, strlen(value), v->gives == EQUALS ? "= \t" : " \t");
		break;
	}
}

void berth_lint_assign(struct berth_lint_reading *r, const char *path, const char *value)
{
	const struct berth_lint_variable *v;
	char text[BERTH_LINT_VALUE_MAX];

	for (v = r->variables; v->key; v++)
		if (!v->prelude && is_of(v, r->place) &&
		    berth_lint_which_key(v->key, path, true) >= 0) {
			give_by(r, v, path, berth_lint_expand(r, value, text, sizeof(text)));
			return;
		}
}

/* ---- in values ---- */

static bool is_letter(char c)
{
	return c == '_' || c == '.' || (c >= '0' && c <= '9') ||
	       ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The name that a value asks for at `at`, or none: 0. Returns how much of the value that takes. */
static size_t asked(const struct berth_lint_variable *v, const char *at, const char **out_name,
		    size_t *out_len)
{
	size_t open = strlen(v->open), close = strlen(v->close), len = 0;

	if (strncmp(at, v->open, open) != 0)
		return 0;
	while (close ? at[open + len] && strncmp(at + open + len, v->close, close) != 0
		     : is_letter(at[open + len]))
		len++;
	if (!len || strncmp(at + open + len, v->close, close) != 0)
		return 0;
	*out_name = at + open;
	*out_len = len;
	return open + len + close;
}

/* "NAME:-WORD" or "NAME-WORD" in len bytes: what NAME holds, else WORD; NULL where there is none. */
static const char *or_default(const struct berth_lint_reading *r, const char *text, size_t len)
{
	const char *dash = memchr(text, '-', len), *value;
	bool colon = dash && dash > text && dash[-1] == ':';

	if (!dash)
		return NULL;
	value = berth_lint_variable_get(r, text, (size_t)(dash - text) - colon);
	if (value && (*value || !colon))
		return value;
	return berth_lint_keep(&r->l->given_texts, dash + 1, (size_t)(text + len - dash - 1));
}

/* What stands at `at` for a row of the place; NULL where it is no variable that has a value. */
static const char *meant(const struct berth_lint_reading *r, const char *at, size_t *out_taken)
{
	const struct berth_lint_variable *v;
	const char *name, *value;
	size_t len;

	for (v = r->variables; v->key; v++) {
		if (!is_of(v, r->place) || !v->open)
			continue;
		*out_taken = asked(v, at, &name, &len);
		value = *out_taken ? berth_lint_variable_get(r, name, len) : NULL;
		if (!value && *out_taken && v->has_default)
			value = or_default(r, name, len);
		if (value)
			return value;
	}
	return NULL;
}

const char *berth_lint_expand(const struct berth_lint_reading *r, const char *value, char *buf,
			      size_t size)
{
	const char *at = value;
	size_t len = 0, taken;
	bool any = false;

	/* Where the parser puts them in, there is nothing left to do. */
	if (!r->variables || !r->variables->open ||
	    (!r->l->given_count && !r->variables->has_default))
		return value;
	while (*at && len < size - 1) {
		bool begins = at == value || !is_letter(at[-1]) || !is_letter(*at);
		const char *put = begins ? meant(r, at, &taken) : NULL;
		size_t n;

		if (!put) {
			buf[len++] = *at++;
			continue;
		}
		n = strlen(put);
		n = n < size - 1 - len ? n : size - 1 - len;
		memcpy(buf + len, put, n);
		len += n;
		at += taken;
		any = true;
	}
	buf[len] = 0;
	return any ? buf : value;
}

/* ---- files that only hold variables ---- */

struct prelude {
	struct berth_lint_reading *r;
	const struct berth_lint_variable *v;
};

static void take_setting(void *arg, const char *path, const char *value, unsigned line)
{
	const struct prelude *p = arg;

	(void)line;
	if (p->v->gives == IN_FILE)
		give(p->r, path, strlen(path), value, strlen(value));
	else if (berth_lint_which_key(p->v->key, path, true) >= 0)
		give_by(p->r, p->v, path, value);
}

/* Its faults are no matter of ports. */
static void pass_over(void *arg, unsigned line, const char *what)
{
	(void)arg, (void)line, (void)what;
}

static const char *value_of(void *arg, const char *name, size_t len)
{
	const struct prelude *p = arg;

	return berth_lint_variable_get(p->r, name, len);
}

static void take_text(void *arg, const char *path, const char *text, size_t len)
{
	struct prelude *p = arg;
	struct berth_lint_sink sink = { p, take_setting, pass_over, value_of };

	(void)path;
	berth_lint_parse(p->v->prelude_format, text, len, &sink);
}

/* systemd: a "-" in front forgives that it is not there. */
static void give_file(struct berth_lint_reading *r, const struct berth_lint_variable *v,
		      const char *name)
{
	const struct berth_lint_reader *reader = &r->l->reader;
	struct prelude p = { r, v };

	name += *name == '-';
	if (reader->each && reader->is_host && *name == '/')
		reader->each(reader->arg, name, take_text, &p);
}

static void read_preludes(struct berth_lint_reading *r)
{
	const struct berth_lint_reader *reader = &r->l->reader;
	struct prelude p = { r, NULL };

	if (!reader->each)
		return;
	for (p.v = r->variables; p.v->key; p.v++) {
		const char *path = berth_lint_path_of(r), *slash = strrchr(path, '/');
		char beside[1024];

		if (!p.v->prelude || !is_of(p.v, r->place))
			continue;
		if (*p.v->prelude == '/' && reader->is_host)
			reader->each(reader->arg, p.v->prelude, take_text, &p);
		else if (*p.v->prelude != '/' && slash &&
			 (size_t)snprintf(beside, sizeof(beside), "%.*s/%s", (int)(slash - path),
					  path, p.v->prelude) < sizeof(beside))
			reader->each(reader->arg, beside, take_text, &p);
	}
}

void berth_lint_begin_variables(struct berth_lint_reading *r)
{
	struct berth_lint *l = r->l;

	/* Files of /etc/default are of programs that start apart. */
	if (l->given_place == r->place && !strcmp(l->given_scope, r->scope) &&
	    r->place->format != BERTH_LINT_SHELL)
		return;
	l->given_place = r->place;
	l->given_scope = r->scope;
	l->given_count = 0;
	berth_lint_arena_fini(&l->given_texts);
	l->given_texts = (struct berth_lint_arena){ .no_memory = l->given_texts.no_memory };
	read_preludes(r);
}
