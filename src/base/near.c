/* SPDX-License-Identifier: BSD-2-Clause */
/* How far one word is from another. */
#include "near.h"

#include <stdint.h>
#include <string.h>

#define LONGEST 32 /* longer words get no suggestion */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Letters to add, drop, change or swap with their neighbour to make b (bn letters) of a. */
static size_t edits(const char *a, const char *b, size_t bn)
{
	size_t row[3][LONGEST + 1], an = strlen(a), i, j;

	if (an > LONGEST || bn > LONGEST)
		return SIZE_MAX;
	for (j = 0; j <= bn; j++)
		row[0][j] = j;
	for (i = 1; i <= an; i++) {
		size_t *now = row[i % 3], *up = row[(i + 2) % 3], *upper = row[(i + 1) % 3];

		now[0] = i;
		for (j = 1; j <= bn; j++) {
			now[j] = least(up[j - 1] + (a[i - 1] != b[j - 1]),
				       least(up[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], upper[j - 2] + 1);
		}
	}
	return row[an % 3][bn];
}

void berth_near_consider(const char *given, const char *word, size_t len, struct berth_near *best)
{
	size_t n = strlen(given), far = edits(given, word, len);

	/* The start of a word is as good as a slip of one letter. */
	if (n >= 2 && n < len && !memcmp(given, word, n))
		far = least(far, 1);
	if (far <= 1 + n / 4 && far < n && (!best->text || far < best->edits))
		*best = (struct berth_near){ word, len, far };
}
