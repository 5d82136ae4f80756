/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of comma-separated values. */
#include "src/registry/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Reads behind the opening quote up to the closing one. Returns what follows, or NULL at the end of the text. */
static char *unquote(struct berth_csv *csv, char *from)
{
	char *to = from;

	for (; *from; from++) {
		if (*from == '"' && *++from != '"') {
			/* At the closing quote or before it. */
			*to = '\0';
			return from;
		}
		csv->line += *from == '\n';
		*to++ = *from;
	}
	return NULL;
}

static bool ends_field(const char *at)
{
	return !*at || *at == ',' || *at == '\n' || (at[0] == '\r' && at[1] == '\n');
}

/* Reads one field from csv->at on. Returns its end, or NULL with the sentence. */
static char *read_field(struct berth_csv *csv, char **out_field, struct berth_why *why)
{
	unsigned line = csv->line;
	char *end;

	if (*csv->at == '"') {
		*out_field = csv->at + 1;
		end = unquote(csv, csv->at + 1);
		if (!end)
			berth_why(why, 0, "line %u: the quote that begins there is not closed",
				  line);
		else if (!ends_field(end))
			berth_why(why, 0, "line %u: text behind a closing quote", csv->line);
		return end && ends_field(end) ? end : NULL;
	}
	*out_field = end = csv->at;
	while (!ends_field(end) && *end != '"')
		end++;
	if (*end == '"') {
		berth_why(why, 0, "line %u: a quote within a field that has none around it", line);
		return NULL;
	}
	return end;
}

int berth_csv_record(struct berth_csv *csv, char **fields, int max, struct berth_why *why)
{
	int count = 0;

	while (*csv->at == '\n' || (csv->at[0] == '\r' && csv->at[1] == '\n')) {
		csv->line += *csv->at == '\n';
		csv->at++;
	}
	if (!*csv->at)
		return 0;
	for (;;) {
		char *field, *end = read_field(csv, &field, why), ended;

		if (!end)
			return -EINVAL;
		if (count < max)
			fields[count] = field;
		count++;
		ended = *end;
		*end = '\0';
		csv->at = end + (ended != '\0');
		if (ended == ',')
			continue;
		if (ended == '\r')
			csv->at++;
		csv->line += ended != '\0';
		return count;
	}
}
