/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiles ports into classes: all ports of a protocol with the very same rules. */
#include "src/kernel/grantjob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/core/hash.h"

/* The sum of the signs of all rules that a port has: the same sum, the same rules. */
static uint64_t *sum_signs(const struct berth_grantset *g)
{
	uint64_t *sum = calloc(BERTH_GRANT_PROTOCOLS * PORTS + 1, sizeof(*sum));
	uint32_t i, j, p, at;

	for (i = 0; sum && i < g->count; i++) {
		const struct rule *r = &g->rules[i];

		for (p = 0; p < BERTH_GRANT_PROTOCOLS; p++)
			for (j = 0; r->protocols & (1u << p) && j < r->range_count; j++) {
				sum[p << 16 | r->ranges[j].first] += r->sign;
				sum[(p << 16 | r->ranges[j].last) + 1] -= r->sign;
			}
	}
	for (at = 1; sum && at < BERTH_GRANT_PROTOCOLS * PORTS; at++)
		sum[at] += sum[at - 1];
	return sum;
}

/* Gives each port its class; -E2BIG where there are too many. */
static int make_classes(struct job *j)
{
	const uint32_t size = 4 * PORTS;
	berth_auto_free uint64_t *sum = sum_signs(j->g);
	berth_auto_free uint16_t *table = calloc(size, sizeof(*table));
	uint32_t at, slot, count = 1;

	if (!sum || !table)
		return -ENOMEM;
	for (at = 0; at < BERTH_GRANT_PROTOCOLS * PORTS; at++) {
		if (!sum[at])
			continue;
		slot = (uint32_t)(sum[at] >> 20) & (size - 1);
		while (table[slot] && sum[j->where[table[slot]]] != sum[at])
			slot = (slot + 1) & (size - 1);
		if (!table[slot]) {
			if (count > BERTH_GRANT_CLASSES)
				return -E2BIG;
			j->where[count] = at;
			table[slot] = (uint16_t)count++;
		}
		j->t->port_class[at] = table[slot];
	}
	j->t->class_count = count;
	return 0;
}

/* The first class whose first port is not below at; they are in ascending order. */
static uint32_t class_from(const struct job *j, uint32_t at)
{
	uint32_t low = 1, high = j->t->class_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (j->where[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Calls for each class that rule i is part of: counts it (fill false) or lists the rule. */
static void visit_classes(struct job *j, uint32_t i, bool fill)
{
	const struct rule *r = &j->g->rules[i];
	uint32_t p, k, c;

	for (p = 0; p < BERTH_GRANT_PROTOCOLS; p++)
		for (k = 0; r->protocols & (1u << p) && k < r->range_count; k++) {
			c = class_from(j, p << 16 | r->ranges[k].first);
			for (;
			     c < j->t->class_count && j->where[c] <= (p << 16 | r->ranges[k].last);
			     c++) {
				if (fill)
					j->list[j->from[c]++] = i;
				else
					j->from[c + 1]++;
				j->work++;
			}
		}
}

/* Lists the rules of each class. */
static int list_rules(struct job *j)
{
	uint32_t i, c, n = j->t->class_count;

	j->from = calloc(n + 2, sizeof(*j->from));
	if (!j->from)
		return -ENOMEM;
	for (i = 0; i < j->g->count; i++) {
		visit_classes(j, i, false);
		if (j->work > WORK_MAX / 8)
			return -E2BIG;
	}
	for (c = 1; c <= n; c++)
		j->from[c] += j->from[c - 1];
	j->list = calloc(j->from[n] + 1, sizeof(*j->list));
	if (!j->list)
		return -ENOMEM;
	for (i = 0; i < j->g->count; i++)
		visit_classes(j, i, true);
	/* Filling has moved each start to the next one's. */
	memmove(j->from + 1, j->from, n * sizeof(*j->from));
	j->from[0] = j->from[1] = 0;
	return 0;
}

int berth_grant_classes_make(struct job *j)
{
	int err = make_classes(j);

	return err ? err : list_rules(j);
}
