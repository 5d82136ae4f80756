/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings that files have, between reading (read.c) and declaring (collect.c). */
#ifndef BERTH_LINT_FOUND_H
#define BERTH_LINT_FOUND_H

#include "src/lint/lint.h"

/* A setting of the table that a file has; key < 0: the file was there. */
struct berth_lint_found {
	const struct berth_lint_place *place;
	const char *scope;
	int key, half; /* half: 1 for MAX of a pair */
	const char *value;
	const char *path; /* of a setting; NULL for a file */
	struct berth_lint_spot spot;
	size_t order;
};

#define BERTH_LINT_GROW(l, array, count, room)                                                     \
	berth_lint_grow(l, (void **)&(array), &(count), &(room), sizeof(*(array)))

#endif
