/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes drive a port space and its naive twin: the first make the configuration, the others choose operations and
 * what they are done to. Each answer, and at the end all that the space keeps, is what the twin says.
 */
#include "fuzz.h"
#include "src/core/draw.h"

static const uint8_t *bytes;
static size_t left;

static uint8_t random_byte(void)
{
	return (uint8_t)(left ? (left--, *bytes++) : 0);
}

/* Numbers out of as many bytes as they need. */
static uint32_t random_below(uint32_t n)
{
	uint32_t x = random_byte();

	if (n > 256)
		x = x << 8 | random_byte();
	return x % n;
}

static uint64_t random64(void)
{
	return berth_draw_mix(random_below(65536));
}

#define RIGHT(holds) REQUIRE(holds)
#define RIGHT_IS(is, ought) REQUIRE((is) == (ought))
#include "tests/model/space_play.h"

static void configure(void)
{
	static const uint16_t lengths[] = { 0, 1, 2, 15, 16, 63, 200, 300 };
	uint8_t rests = random_byte();
	uint32_t policy = random_below(BERTH_SPACE_POLICY_COUNT), first = random_below(65536);
	uint32_t last = first + lengths[random_below(8)];

	first = first ? first : 1;
	config.rest_pair_ms = rests & 1 ? 2000 : 0;
	config.rest_port_ms = rests & 2 ? 500 : 0;
	config.idle_ms = rests & 4 ? 1500 : 0;
	config.counters = 1u << (rests >> 4);
	config.system_end = rests & 16 ? 0 : (uint16_t)(first + 7);
	now_ms = rests & 8 ? 0 : UINT32_MAX - 5000;
	crowd = false;
	seldom = 4;
	begin(policy == BERTH_SPACE_HABIT ? BERTH_SPACE_LINUX : policy, (uint16_t)first,
	      (uint16_t)(last < first   ? first
			 : last > 65535 ? 65535
					: last),
	      700);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *wrong;

	bytes = data;
	left = size;
	configure();
	while (left) {
		uint8_t what = random_byte();

		for (unsigned times = 1 + (what >> 5); times && left; times--)
			steps[what % 32 % (sizeof(steps) / sizeof(*steps))]();
		crowd = what == 31 ? !crowd : crowd;
		REQUIRE(!calls);
	}
	wrong = twin_space_audit(&twin, sp);
	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	REQUIRE(!wrong);
	end();
	return 0;
}
