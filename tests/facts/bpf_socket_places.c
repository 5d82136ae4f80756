/* SPDX-License-Identifier: BSD-2-Clause */
/* Measures how near to each other sockets lie in the kernel's memory. */
#include <stdlib.h>

#include "walks_user.h"

#define SOCKETS 400
#define UNIT 1024u

static int by_place(const void *a, const void *b)
{
	uint64_t x = ((const struct walks_row *)a)->place, y = ((const struct walks_row *)b)->place;

	return (x > y) - (x < y);
}

int main(void)
{
	static struct walks w;
	uint64_t least = UINT64_MAX, apart;
	unsigned i;

	walks_begin("no two sockets of TCP or UDP lie in the same 1,024 bytes of memory");
	for (i = 0; i < SOCKETS; i++)
		fact_bound(i % 2 ? SOCK_STREAM : SOCK_DGRAM, (uint16_t)(20000 + i));
	w = *walks_files();
	fact_expect(w.count == SOCKETS, "%zu rows", w.count);
	qsort(w.row, w.count, sizeof(*w.row), by_place);
	for (i = 1; i < w.count; i++) {
		apart = w.row[i].place - w.row[i - 1].place;
		least = apart < least ? apart : least;
	}
	fact_expect(least >= UNIT, "two are %llu bytes apart", (unsigned long long)least);
	fact_holds();
}
