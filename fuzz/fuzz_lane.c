/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes drive a lane and its naive twin: the first three make the pool, then each pair is an operation and
 * its number.
 */
#include "fuzz.h"
#include "tests/model/lane_twin.h"

#define REST_NS 1000000ull

static struct berth_portset pool;
static struct berth_lane lane;
static struct twin twin;
static uint64_t now_ns;
static int32_t last;

static void right(const char *wrong)
{
	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
}

static uint32_t member(uint8_t n)
{
	return twin.member[n % twin.members];
}

static void take(uint8_t n)
{
	struct berth_lane_want want = { (enum berth_policy)(n % BERTH_POLICY_COUNT), n % pool.count,
					n * 0x01010101u, now_ns, REST_NS };

	right(twin_take(&twin, &lane, &pool, &want, &last));
}

static void drop(uint8_t n)
{
	twin_drop(&twin, &lane, member(n), now_ns, REST_NS);
}

static void park(uint8_t n)
{
	twin_park(&twin, &lane, member(n));
}

static void park_last(uint8_t n)
{
	(void)n;
	if (last >= 0)
		twin_park(&twin, &lane, (uint32_t)last);
}

static void drop_last(uint8_t n)
{
	(void)n;
	if (last >= 0)
		twin_drop(&twin, &lane, (uint32_t)last, now_ns, REST_NS);
}

static void wait_little(uint8_t n)
{
	now_ns += n * 500u;
}

static void wait_long(uint8_t n)
{
	now_ns += n * (REST_NS / 16);
}

static void (*const operations[])(uint8_t n) = { take,      drop,        park,     park_last,
						 drop_last, wait_little, wait_long };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t port, ports, i;

	if (size < 3)
		return 0;
	port = data[0] * 257u;
	ports = data[1] % 128u + 1;
	memset(&pool, 0, sizeof(pool));
	for (i = 0; i < ports; i++, port += data[2] % 64u + 1)
		berth_portset_add(&pool, port & 65535);
	now_ns = 0;
	last = -1;
	berth_lane_init(&lane, &pool);
	twin_init(&twin, &pool);
	for (data += 3, size -= 3; size >= 2; data += 2, size -= 2)
		operations[data[0] % (sizeof(operations) / sizeof(*operations))](data[1]);
	right(twin_compare(&twin, &lane, now_ns, REST_NS));
	return 0;
}
