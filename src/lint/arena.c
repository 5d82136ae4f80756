/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts in blocks of 16 KB. */
#include "src/lint/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)16 << 10)

struct berth_lint_block {
	struct berth_lint_block *next;
	char text[];
};

const char *berth_lint_keep(struct berth_lint_arena *a, const char *text, size_t len)
{
	struct berth_lint_block *b;
	char *kept;

	if (len + 1 > a->room) {
		size_t size = len + 1 > BLOCK ? len + 1 : BLOCK;

		b = malloc(sizeof(*b) + size);
		if (!b) {
			a->no_memory = 1;
			return "";
		}
		b->next = a->blocks;
		a->blocks = b;
		a->next = b->text;
		a->room = size;
	}
	kept = a->next;
	memcpy(kept, text, len);
	kept[len] = 0;
	a->next += len + 1;
	a->room -= len + 1;
	return kept;
}

const char *berth_lint_format(struct berth_lint_arena *a, const char *format, ...)
{
	char text[10240];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return berth_lint_keep(a, text, strlen(text));
}

void berth_lint_arena_fini(struct berth_lint_arena *a)
{
	while (a->blocks) {
		struct berth_lint_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
}
