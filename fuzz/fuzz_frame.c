/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a captured frame (the first says how it begins): no byte behind the end is read, a port that is
 * found stands in the frame, and the same frame cut anywhere shows the same or nothing.
 */
#include <string.h>

#include "fuzz.h"
#include "src/sim/frame.h"

static bool stands_in(const uint8_t *bytes, size_t len, uint16_t port)
{
	size_t i;

	for (i = 0; i + 1 < len; i++)
		if (bytes[i] == port >> 8 && bytes[i + 1] == (port & 255))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct berth_frame whole, part;
	size_t len, cut;
	bool found;

	if (!size)
		return 0;
	len = size - 1;
	memset(&whole, 0, sizeof(whole));
	/* A block of just that size, so that the sanitizer sees what is read behind it. */
	uint8_t *copy = malloc(len ? len : 1);

	REQUIRE(copy);
	memcpy(copy, data + 1, len);
	found = berth_frame_read((enum berth_frame_link)(data[0] % BERTH_FRAME_LINKS), copy, len,
				 &whole);
	if (found) {
		REQUIRE(whole.protocol == 6 || whole.protocol == 17);
		REQUIRE(whole.source_port && stands_in(copy, len, whole.source_port));
		REQUIRE(whole.destination_port && stands_in(copy, len, whole.destination_port));
	}
	for (cut = 0; cut < len; cut += 1 + len / 64) {
		memset(&part, 0, sizeof(part));
		if (!berth_frame_read((enum berth_frame_link)(data[0] % BERTH_FRAME_LINKS), copy,
				      cut, &part))
			continue;
		/* The id of a query may be what was cut off. */
		REQUIRE(found && (part.id == whole.id || !part.id));
		part.id = whole.id;
		REQUIRE(!memcmp(&part, &whole, sizeof(part)));
	}
	free(copy);
	return 0;
}
