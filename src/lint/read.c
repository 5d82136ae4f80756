/* SPDX-License-Identifier: BSD-2-Clause */
/* Files are read: settings of the table with their lines, suppressions, what cannot be read. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/lint/reading.h"

void *berth_lint_grow(struct berth_lint *l, void **array, size_t *count, size_t *room, size_t size)
{
	char *at;

	if (*count == *room) {
		size_t more = *room ? *room * 2 : 64;
		void *grown = reallocarray(*array, more, size);

		if (!grown) {
			l->no_memory = true;
			return NULL;
		}
		*array = grown;
		*room = more;
	}
	at = (char *)*array + (*count)++ * size;
	memset(at, 0, size);
	return at;
}

void berth_lint_init(struct berth_lint *l, berth_lint_named named, void *named_arg)
{
	*l = (struct berth_lint){ .named = named,
				  .named_arg = named_arg,
				  .reader = { .above = "" },
				  .ephemeral = BERTH_LINT_EPHEMERAL_DEFAULT,
				  .unprivileged = BERTH_LINT_UNPRIVILEGED_DEFAULT };
}

void berth_lint_fini(struct berth_lint *l)
{
	free(l->found);
	free(l->given);
	berth_lint_arena_fini(&l->given_texts);
	berth_lint_forget_read(l);
	free(l->decls);
	free(l->clients);
	free(l->findings);
	berth_lint_arena_fini(&l->arena);
}

/* ---- lines and suppressions ---- */

/* Where a line begins. */
static const char *line_start(struct berth_lint_reading *r, unsigned line)
{
	if (line < r->line) {
		r->line = 1;
		r->line_at = r->text;
	}
	while (r->line < line) {
		const char *stop = memchr(r->line_at, '\n', (size_t)(r->end - r->line_at));

		if (!stop)
			return r->end;
		r->line_at = stop + 1;
		r->line++;
	}
	return r->line_at;
}

static size_t line_len(const struct berth_lint_reading *r, const char *start)
{
	const char *stop = memchr(start, '\n', (size_t)(r->end - start));
	size_t len = (size_t)((stop ? stop : r->end) - start);

	return len < BERTH_LINT_VALUE_MAX ? len : BERTH_LINT_VALUE_MAX;
}

#define MARK "berth-lint: ignore "
#define MARK_DEFAULT "berth-lint: ignore-default "

/* "berth-lint: ignore RULE[,RULE...]: reason"; at: behind the mark. */
static void take_ignore(struct berth_lint_reading *r, const char *at, const char *end,
			struct berth_lint_spot *spot)
{
	size_t n;

	for (n = 0; at + n < end && (at[n] == ',' || (at[n] >= 'a' && at[n] <= 'z')); n++)
		;
	spot->ignore = berth_lint_keep(&r->l->arena, at, n);
	at += n;
	while (at < end && strchr(": \t", *at))
		at++;
	while (end > at && strchr(" \t\r*/->\",", end[-1]))
		end--;
	spot->reason = end > at ? berth_lint_keep(&r->l->arena, at, (size_t)(end - at)) : NULL;
}

/* Anywhere in a line; above: of the line below it, and so not where a setting stands beside it. */
static void read_ignore(struct berth_lint_reading *r, const char *start, bool above,
			struct berth_lint_spot *spot)
{
	size_t len = line_len(r, start);
	const char *mark = memmem(start, len, MARK, strlen(MARK)), *at;

	for (at = start; above && mark && at < mark; at++)
		if (isalnum((unsigned char)*at))
			return;
	if (mark)
		take_ignore(r, mark + strlen(MARK), start + len, spot);
}

/* A default has no line: it is ignored by "berth-lint: ignore-default RULE: reason" on any line of the place's own file. */
static void read_ignore_default(struct berth_lint_reading *r, struct berth_lint_spot *spot)
{
	const char *mark =
		memmem(r->text, (size_t)(r->end - r->text), MARK_DEFAULT, strlen(MARK_DEFAULT));

	if (mark)
		take_ignore(r, mark + strlen(MARK_DEFAULT), mark + line_len(r, mark), spot);
}

/* What is ignored is said in the line, or in the one above. */
struct berth_lint_spot berth_lint_spot_at(struct berth_lint_reading *r, unsigned line)
{
	struct berth_lint_spot spot = { .file = r->name, .line = line };
	const char *start;
	size_t len;

	if (line > 1)
		read_ignore(r, line_start(r, line - 1), true, &spot);
	start = line_start(r, line);
	read_ignore(r, start, false, &spot);
	len = line_len(r, start);
	while (len && strchr(" \t\r", start[len - 1]))
		len--;
	while (len && strchr(" \t", *start))
		start++, len--;
	spot.raw = berth_lint_keep(&r->l->arena, start, len);
	return spot;
}

static void malformed(void *arg, unsigned line, const char *what)
{
	struct berth_lint_reading *r = arg;
	struct berth_lint_spot spot = berth_lint_spot_at(r, line);
	struct berth_lint_finding *f = berth_lint_find(r->l, BERTH_LINT_RULE_SYNTAX, &spot);

	if (f)
		f->text = what;
}

/* ---- settings ---- */

static bool is_same_letter(char a, char b, bool with_case)
{
	return a == b || (!with_case && tolower((unsigned char)a) == tolower((unsigned char)b));
}

/* '*' and '?' alone mean something: "[]" stands for a list's elements. Goes back to the last '*' only. */
static bool matches(const char *glob, size_t len, const char *path, bool with_case)
{
	const char *end = glob + len, *star = NULL, *resume = NULL;

	while (*path) {
		if (glob < end && *glob == '*') {
			star = ++glob;
			resume = path;
		} else if (glob < end &&
			   (*glob == '?' || is_same_letter(*glob, *path, with_case))) {
			glob++;
			path++;
		} else if (star) {
			glob = star;
			path = ++resume;
		} else {
			return false;
		}
	}
	while (glob < end && *glob == '*')
		glob++;
	return glob == end;
}

int berth_lint_which_key(const char *keys, const char *path, bool with_case)
{
	int which;

	for (which = 0;; which++) {
		size_t len = strcspn(keys, "|");

		if (matches(keys, len, path, with_case))
			return which;
		if (!keys[len])
			return -1;
		keys += len + 1;
	}
}

/* Settings are compared with each other: a tree must not take hours, or all memory. */
#define FOUND_MAX 65536

static void remember(struct berth_lint_reading *r, int key, int half, const char *value,
		     const char *path, unsigned line)
{
	struct berth_lint *l = r->l;
	struct berth_lint_found *f;

	if (l->found_count == FOUND_MAX && !l->is_full) {
		l->is_full = true;
		malformed(
			r, line,
			"there are more than 65536 settings: this one and later ones are left out");
	}
	f = l->is_full ? NULL : BERTH_LINT_GROW(l, l->found, l->found_count, l->found_room);
	if (!f)
		return;
	f->place = r->place;
	f->scope = r->scope;
	f->key = key;
	f->half = half;
	f->order = l->found_count;
	f->spot.file = r->name;
	if (key < 0) {
		read_ignore_default(r, &f->spot);
		return;
	}
	f->value = berth_lint_keep(&l->arena, value, strlen(value));
	f->path = berth_lint_keep(&l->arena, path, strlen(path));
	f->spot = berth_lint_spot_at(r, line);
}

/* True where "-p 8080" is a port that a program listens on: not a display, a priority, another host's port. */
static bool is_own_port(const char *line, const char *value)
{
	static const char *const clients[] = { "ssh", "autossh", "sshfs" };
	static const char digits[] = "0123456789";
	const char *colon = strrchr(value, ':'), *port;
	unsigned long number;
	size_t len = strcspn(line, " \t"), i;
	const char *slash = memrchr(line, '/', len), *name = slash ? slash + 1 : line;

	len -= (size_t)(name - line);
	for (i = 0; i < sizeof(clients) / sizeof(*clients); i++)
		if (strlen(clients[i]) == len && !memcmp(name, clients[i], len))
			return false;
	/* "PORT" or "ADDR:PORT"; "8080:80" is a container's. */
	port = colon ? colon + 1 : value;
	number = strtoul(port, NULL, 10);
	return !(colon && colon > value && (size_t)(colon - value) == strspn(value, digits)) &&
	       !port[strspn(port, digits)] && number >= 1024 && number <= 65535;
}

/* What an option of a command line says; of a pair each of two. An empty line is kept where it forgets others. */
static void remember_option(struct berth_lint_reading *r, int key, const char *value,
			    const char *path, unsigned line)
{
	const struct berth_lint_key *k = &r->place->keys[key];
	bool is_pair = k->shape == BERTH_LINT_PAIR,
	     forgets = k->flags & BERTH_LINT_RESET && !*value;
	char names[128], option[512];
	const char *at = k->option;
	int half;

	for (half = 0; half <= is_pair && *at; half++) {
		size_t len = is_pair ? strcspn(at, "|") : strlen(at);

		snprintf(names, sizeof(names), "%.*s", (int)len, at);
		at += len + (at[len] == '|');
		if (forgets)
			remember(r, key, half, "", path, line);
		else if (berth_lint_find_option(value, names, option, sizeof(option)) &&
			 (!(k->flags & BERTH_LINT_NUMBER) || is_own_port(value, option)))
			remember(r, key, half, option, path, line);
	}
}

/* A setting by its place: what the table knows of it is remembered. */
static void take(struct berth_lint_reading *r, const char *path, const char *value, unsigned line)
{
	char text[BERTH_LINT_VALUE_MAX];
	const char *expanded = NULL;
	int i;

	for (i = 0; r->place->keys[i].key; i++) {
		const struct berth_lint_key *k = &r->place->keys[i];
		int which = berth_lint_which_key(k->key, path, r->place->flags & BERTH_LINT_CASE);

		if (which < 0)
			continue;
		if (!expanded)
			expanded = berth_lint_expand(r, value, text, sizeof(text));
		if (!k->option)
			remember(r, i, k->shape == BERTH_LINT_PAIR && which, expanded, path, line);
		else
			remember_option(r, i, expanded, path, line);
	}
}

/* The path that a setting of an included file has in the whole; path itself, or buf. */
static const char *path_in_whole(const struct berth_lint_reading *r, const char *path, char *buf,
				 size_t size)
{
	bool has_sections = r->place->format == BERTH_LINT_INI;

	/* The element around FreeSWITCH's included files is none of the whole. */
	if (r->by && r->place->format == BERTH_LINT_XML && !strncmp(path, "include/", 8))
		path += 8;
	/* A section of the file ends the one that the include stands in. */
	if (!*r->prefix || (has_sections && strchr(path, '/')))
		return path;
	snprintf(buf, size, "%s/%s", r->prefix, path);
	return buf;
}

static void item(void *arg, const char *path, const char *value, unsigned line)
{
	struct berth_lint_reading *r = arg;
	char whole[2 * BERTH_LINT_PATH_MAX];

	path = path_in_whole(r, path, whole, sizeof(whole));
	take(r, path, value, line);
	if (r->variables)
		berth_lint_assign(r, path, value);
	if (r->includes)
		berth_lint_follow(r, path, value, line);
}

static const char *variable(void *arg, const char *name, size_t len)
{
	return berth_lint_variable_get(arg, name, len);
}

/*
 * True for a place's own file, whose absence means that the program is not there: drop-ins may lie about without it, and
 * then its defaults hold of nothing.
 */
static bool is_main(const char *globs, const char *name)
{
	const char *base = strrchr(name, '/');
	bool any = false;

	base = base ? base + 1 : name;
	while (globs && *globs) {
		size_t len = strcspn(globs, "|"), n = strlen(base);

		if (!memchr(globs, '*', len)) {
			any = true;
			if (len >= n && !memcmp(globs + len - n, base, n))
				return true;
		}
		globs += len + (globs[len] == '|');
	}
	return !any;
}

void berth_lint_read(struct berth_lint_reading *r, const char *text, size_t len)
{
	struct berth_lint_sink sink = { r, item, malformed, r->variables ? variable : NULL };

	r->text = r->line_at = text;
	r->end = text + len;
	r->line = 1;
	berth_lint_parse(r->place->format, text, len, &sink);
}

void berth_lint_add(struct berth_lint *l, const struct berth_lint_place *place, const char *name,
		    const char *scope, const char *text, size_t len)
{
	struct berth_lint_reading r = { .l = l,
					.place = place,
					.prefix = "",
					.includes = berth_lint_includes_of(place),
					.variables = berth_lint_variables_of(place) };

	r.name = berth_lint_keep(&l->arena, name, strlen(name));
	r.scope = scope ? berth_lint_keep(&l->arena, scope, strlen(scope))
		  : place->flags & BERTH_LINT_EACH ? r.name
						   : "";
	if (r.includes && !berth_lint_note_read(&r))
		return;
	l->files++;
	r.text = text;
	r.end = text + len;
	if (is_main(place->files, name))
		remember(&r, -1, 0, NULL, "", 0);
	if (r.variables)
		berth_lint_begin_variables(&r);
	berth_lint_read(&r, text, len);
}

/* True where a line of the text begins with the key. */
static bool has_key(const char *text, size_t len, const char *key)
{
	const char *at = text, *end = text + len;
	size_t n = strlen(key);

	while ((at = memmem(at, (size_t)(end - at), key, n))) {
		if (at == text || at[-1] == '\n')
			return true;
		at += n;
	}
	return false;
}

bool berth_lint_is_kubernetes(const char *text, size_t len)
{
	return has_key(text, len, "apiVersion:") && has_key(text, len, "kind:");
}

void berth_lint_add_spared(struct berth_lint *l, const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (*at >= '0' && *at <= '9') {
			unsigned long port = strtoul(at, NULL, 10);

			if (port && port < 65536)
				berth_portset_add(&l->rpc_spared, (uint32_t)port);
		}
		at = stop ? stop + 1 : end;
	}
}
