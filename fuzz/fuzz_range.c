/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text: refused at a place within it, or read, written and read again to the same set. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "src/core/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct berth_portset set, again;
	struct berth_range_error error = { SIZE_MAX, NULL };
	char *text = malloc(size + 1), *written;
	size_t len;

	REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (berth_portset_parse(text, &set, &error)) {
		REQUIRE(error.at <= strlen(text) && error.what);
	} else {
		len = berth_portset_format(&set, NULL, 0);
		written = malloc(len + 1);
		REQUIRE(written);
		REQUIRE(berth_portset_format(&set, written, len + 1) == len &&
			strlen(written) == len);
		REQUIRE(!berth_portset_parse(written, &again, &error));
		REQUIRE(!memcmp(&set, &again, sizeof(set)));
		REQUIRE(!berth_portset_has(&set, 0));
		free(written);
	}
	free(text);
	return 0;
}
