/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds of a list of services, whatever it was made of. */
#ifndef BERTH_FUZZ_SERVICES_H
#define BERTH_FUZZ_SERVICES_H

#include <string.h>

#include "fuzz.h"
#include "src/base/text.h"
#include "src/registry/parse.h"

/* True where the word stands among those of the row. */
static inline int is_indexed(const struct berth_services_layer *l, uint32_t row, const char *word)
{
	uint32_t count, i, at = berth_services_layer_named(l, word, &count);

	for (i = at; i < at + count; i++)
		if (l->words[i] >> 8 == row)
			return 1;
	return 0;
}

/* Rows ascend, each is found by its port and by its name; shown safely, no control character is left. */
static inline void check_layer(const struct berth_services_layer *l)
{
	uint32_t row, step = l->row_count / 256 + 1;

	for (row = 0; row < l->row_count; row += step) {
		const struct berth_services_row *r = &l->rows[row];
		const char *name = l->text + r->text;
		char shown[64], *at;

		REQUIRE(r->port && r->transport < BERTH_TRANSPORT_COUNT && *name);
		REQUIRE(berth_services_layer_from(l, r->port, r->transport) == row);
		REQUIRE(is_indexed(l, row, name));
		berth_text_safe(name, strlen(name), shown, sizeof(shown));
		for (at = shown; *at; at++)
			REQUIRE((unsigned char)*at >= 32 && *at != 127);
	}
}

#endif
