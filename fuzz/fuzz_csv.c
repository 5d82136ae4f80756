/* SPDX-License-Identifier: BSD-2-Clause */
/* Any file as IANA's CSV: refused with a sentence of one line, or a list in which every row is found again. */
#include <string.h>

#include "fuzz.h"
#include "fuzz_services.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct berth_services_builder *b = berth_services_builder_new();
	struct berth_services_layer layer;
	struct berth_why why = { "" };
	char *text = malloc(size + 1);
	int rows;

	REQUIRE(b && text);
	memcpy(text, data, size);
	rows = berth_services_parse_csv(text, size, b, &why);
	REQUIRE(rows != 0 && (rows < 0) == (why.text[0] != '\0') && !strchr(why.text, '\n'));
	if (rows > 0) {
		REQUIRE(!berth_services_builder_finish(b, &layer));
		REQUIRE(layer.row_count > 0);
		check_layer(&layer);
		berth_services_layer_fini(&layer);
	}
	berth_services_builder_free(b);
	free(text);
	return 0;
}
