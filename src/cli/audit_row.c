/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of berth audit, as JSON and as a table. */
#include "src/cli/audit_row.h"

#include <stdio.h>

#include "src/core/habits.h"

static const char *const oarc_name[] = { "POOR", "GOOD", "GREAT" };

bool berth_audit_is_finding(const struct berth_audit_row *row, const struct berth_judgement *j,
			    int habit)
{
	bool walk = j->shape == BERTH_SHAPE_SEQUENTIAL || j->shape == BERTH_SHAPE_SHORT_STEPS ||
		    j->shape == BERTH_SHAPE_CORRELATED || j->shape == BERTH_SHAPE_SAME_STEPS;

	return berth_shape_is_finding(j->shape) &&
	       !(row->one && walk && (row->hidden || habit == BERTH_HABIT_LINUX)) &&
	       !(row->walks &&
		 (j->shape == BERTH_SHAPE_CORRELATED || j->shape == BERTH_SHAPE_UNEVEN ||
		  j->shape == BERTH_SHAPE_SAME_STEPS || j->shape == BERTH_SHAPE_FEW_PORTS));
}

static void json_known(const char *key, double value, bool known)
{
	if (known)
		printf(",\"%s\":%.6g", key, value);
	else
		printf(",\"%s\":null", key);
}

void berth_audit_row_json(const struct berth_audit_row *row, const struct berth_judgement *j,
			  int habit)
{
	bool enough = j->shape != BERTH_SHAPE_TOO_FEW;
	uint32_t i;

	printf("{\"host\":\"%s\",\"protocol\":\"%s\",\"destination\":", row->host, row->protocol);
	if (*row->destination == '*')
		printf("null");
	else
		printf("\"%s\"", row->destination);
	printf(",\"seen\":%llu,\"n\":%zu,\"first\":%u,\"last\":%u,\"unique\":%u",
	       (unsigned long long)row->seen, j->n, j->seen.first, j->seen.last, j->unique);
	printf(",\"holes\":[");
	for (i = 0; i < j->holes; i++)
		printf("%s\"%u-%u\"", i ? "," : "", j->hole[i].first, j->hole[i].last);
	putchar(']');
	json_known("unique_expected", j->unique_expected, enough);
	json_known("odd", j->odd, true);
	json_known("gcd", j->gcd, true);
	json_known("rising", j->rising, true);
	json_known("sigma", j->sigma, true);
	json_known("lag1", j->lag1, true);
	json_known("runs_z", j->runs_z, true);
	json_known("chi2", j->chi2, j->chi2_p >= 0);
	json_known("chi2_p", j->chi2_p, j->chi2_p >= 0);
	if (enough)
		printf(",\"oarc\":\"%s\"", oarc_name[j->oarc]);
	else
		printf(",\"oarc\":null");
	json_known("oarc_bits", j->oarc_bits, enough);
	json_known("bits_low", j->bits_low, enough);
	json_known("bits_high", j->bits_high, enough && j->bits_high >= 0);
	printf(",\"shape\":\"%s\",\"finding\":%s,\"system\":", berth_shape_name(j->shape),
	       berth_audit_is_finding(row, j, habit) ? "true" : "false");
	if (habit < 0)
		puts("null}");
	else
		printf("\"%s\"}\n", berth_habit_row((enum berth_habit)habit).name);
}

static const char *parity_of(const struct berth_judgement *j)
{
	return j->odd <= 0 ? "even" : j->odd >= 1 ? "odd" : "both";
}

static void print_bits(const struct berth_judgement *j)
{
	char words[32];

	if (j->shape == BERTH_SHAPE_TOO_FEW)
		snprintf(words, sizeof(words), "-");
	else if (j->bits_high < 0)
		snprintf(words, sizeof(words), ">= %.1f", j->bits_low);
	else if (j->bits_high - j->bits_low < 0.05)
		snprintf(words, sizeof(words), "%.1f", j->bits_low);
	else
		snprintf(words, sizeof(words), "%.1f-%.1f", j->bits_low, j->bits_high);
	printf(" %-9s", words);
}

void berth_audit_row_text(const struct berth_audit_row *row, const struct berth_judgement *j,
			  int habit, bool first)
{
	int host = row->host_width > 15 ? row->host_width : 15;
	int destination = row->destination_width > 36 ? row->destination_width : 36;

	if (first)
		printf("%-*s %-5s %-*s %8s %-11s %-6s %6s %-5s %-9s %-12s %s\n", host, "HOST",
		       "PROTO", destination, "DESTINATION", "PORTS", "SEEN", "PARITY", "LAG-1",
		       "OARC", "BITS", "SHAPE", "LIKE");
	printf("%-*s %-5s %-*s %8llu %5u-%-5u %-6s %6.3f %-5s", host, row->host, row->protocol,
	       destination, row->destination, (unsigned long long)row->seen, j->seen.first,
	       j->seen.last, parity_of(j), j->lag1,
	       j->shape == BERTH_SHAPE_TOO_FEW ? "-" : oarc_name[j->oarc]);
	print_bits(j);
	printf(" %-12s %s%s\n", berth_shape_name(j->shape),
	       habit < 0 ? "-" : berth_habit_row((enum berth_habit)habit).name,
	       berth_audit_is_finding(row, j, habit) ? "  FINDING" : "");
}
