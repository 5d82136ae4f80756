/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts that live as long as one linting: taken one by one, freed all at once. */
#ifndef BERTH_LINT_ARENA_H
#define BERTH_LINT_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct berth_lint_block;

/* Begins as { 0 }. */
struct berth_lint_arena {
	struct berth_lint_block *blocks;
	size_t room;
	char *next;
	int no_memory; /* was wanted once and not there */
};

/* A copy of len bytes with a NUL behind it; "" where there is no memory. */
const char *berth_lint_keep(struct berth_lint_arena *a, const char *text, size_t len);

/* As printf; 10 KB at most: two names of files and a line. */
const char *berth_lint_format(struct berth_lint_arena *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void berth_lint_arena_fini(struct berth_lint_arena *a);

#endif
