/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as a destination: refused with a sentence, or an address within its mask. */
#include <string.h>

#include "fuzz.h"
#include "src/cli/destination.h"

/* Ones, then zeros: whether a mask is that of a prefix. */
static int is_prefix(const uint8_t mask[16])
{
	int i, ended = 0, bit;

	for (i = 0; i < 128; i++) {
		bit = mask[i / 8] >> (7 - i % 8) & 1;
		if (bit && ended)
			return 0;
		ended |= !bit;
	}
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct berth_headroom_ask ask, before;
	struct berth_why why = { "" };
	char *text = malloc(size + 1);

	REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	memset(&ask, 0x5a, sizeof(ask));
	before = ask;
	if (destination_parse(text, &ask, &why)) {
		REQUIRE(why.text[0] && !memcmp(&ask, &before, sizeof(ask)));
	} else {
		REQUIRE(is_prefix((const uint8_t *)ask.mask));
		REQUIRE(!why.text[0]);
	}
	free(text);
	return 0;
}
