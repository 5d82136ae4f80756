/* SPDX-License-Identifier: BSD-2-Clause */
/* Any file as /etc/services: each line is reported, or in a list in which every row is found again. */
#include "fuzz_services.h"

struct told {
	unsigned last, lines;
};

static void tell(void *arg, unsigned line, const char *what)
{
	struct told *told = arg;

	REQUIRE(line > told->last && line <= told->lines && *what);
	told->last = line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct berth_services_builder *b = berth_services_builder_new();
	struct berth_services_layer layer;
	struct told told = { 0, 1 };
	char *text = malloc(size + 1);
	size_t i;

	REQUIRE(b && text);
	memcpy(text, data, size);
	for (i = 0; i < size; i++)
		told.lines += data[i] == '\n';
	REQUIRE(!berth_services_parse_etc(text, size, b, tell, &told));
	REQUIRE(!berth_services_builder_finish(b, &layer));
	REQUIRE(layer.row_count <= told.lines);
	check_layer(&layer);
	berth_services_layer_fini(&layer);
	berth_services_builder_free(b);
	free(text);
	return 0;
}
