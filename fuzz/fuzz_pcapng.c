/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a pcapng file: no block is read behind its end, a packet lies inside of its block, and what is wrong
 * has a sentence.
 */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "src/kernel/pcapng.h"

static struct berth_pcapng section;

/* Takes the block out of memory of its very size, so that the sanitizer sees what is read behind it. */
static bool take(const uint8_t *at, uint32_t len)
{
	struct berth_pcapng_packet packet;
	uint8_t *block = malloc(len);
	const char *wrong;

	REQUIRE(block);
	memcpy(block, at, len);
	wrong = berth_pcapng_block(&section, block, len, &packet);
	REQUIRE(section.interfaces <= BERTH_PCAPNG_INTERFACES);
	if (!wrong && packet.bytes) {
		REQUIRE(packet.bytes >= block && packet.len <= len);
		REQUIRE(packet.bytes + packet.len <= block + len);
		REQUIRE(isfinite(packet.time_s));
	}
	free(block);
	return !wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t len;

	memset(&section, 0, sizeof(section));
	while (size >= BERTH_PCAPNG_HEAD) {
		if (berth_pcapng_length(&section, data, &len))
			return 0;
		REQUIRE(len >= BERTH_PCAPNG_HEAD && len % 4 == 0 && len <= BERTH_PCAPNG_BLOCK);
		if (len > size || !take(data, len))
			return 0;
		data += len;
		size -= len;
	}
	return 0;
}
