/* SPDX-License-Identifier: BSD-2-Clause */
/* One file while it is read: between read.c, include.c and variable.c. */
#ifndef BERTH_LINT_READING_H
#define BERTH_LINT_READING_H

#include "src/lint/found.h"

struct berth_lint_include;
struct berth_lint_variable;

struct berth_lint_reading {
	struct berth_lint *l;
	const struct berth_lint_place *place;
	const struct berth_lint_reading
		*by;    /* the file that includes this one; NULL for a place's own */
	unsigned depth; /* how many include each other, up to this one */
	const char *name, *scope;
	const char *prefix; /* the blocks around the include: "http/server"; "" */
	const char *text, *end;
	/* The line that was found last: lines mostly come in order. */
	const char *line_at;
	unsigned line;
	const struct berth_lint_include *includes;   /* rows of the place; NULL where it has none */
	const struct berth_lint_variable *variables; /* the same */
};

/* The path of a file below the root. */
static inline const char *berth_lint_path_of(const struct berth_lint_reading *r)
{
	return r->name + r->l->reader.shown;
}

/* Reads a text as the file r->name of r->place; the caller has filled in what stands above text. */
void berth_lint_read(struct berth_lint_reading *r, const char *text, size_t len);

/* The spot of a line, with what is ignored there. */
struct berth_lint_spot berth_lint_spot_at(struct berth_lint_reading *r, unsigned line);

/* Which of the globs "a|b|c" of places.h a path is, or -1. */
int berth_lint_which_key(const char *keys, const char *path, bool with_case);

/* ---- include.c ---- */

/* The rows of a place in the table of includes; NULL where it has none. */
const struct berth_lint_include *berth_lint_includes_of(const struct berth_lint_place *place);

/* Reads what a setting includes, where it is one that does. */
void berth_lint_follow(struct berth_lint_reading *r, const char *path, const char *value,
		       unsigned line);

/*
 * Notes that a file is read, as a part of another one or by itself. Returns false where it was read before: with the same
 * scope and prefix, or, by itself, in any way.
 */
bool berth_lint_note_read(struct berth_lint_reading *r);

/* True where a file is a part of another file of its place, and so no instance. */
bool berth_lint_is_part(const struct berth_lint *l, const struct berth_lint_place *place,
			const char *name);

/* ---- variable.c ---- */

/* The rows of a place in the table of variables; NULL where it has none. */
const struct berth_lint_variable *berth_lint_variables_of(const struct berth_lint_place *place);

/* Forgets the variables of another place or scope, and reads the files that only hold variables of this one. */
void berth_lint_begin_variables(struct berth_lint_reading *r);

/* Remembers what a setting gives a variable, where it is one that does. */
void berth_lint_assign(struct berth_lint_reading *r, const char *path, const char *value);

/* What a variable holds; NULL where it is not known. */
const char *berth_lint_variable_get(const struct berth_lint_reading *r, const char *name,
				    size_t len);

/* The value with variables for their names: itself, or buf. */
const char *berth_lint_expand(const struct berth_lint_reading *r, const char *value, char *buf,
			      size_t size);

#endif
