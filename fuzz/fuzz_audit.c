/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes make rows of source ports, as a capture shows them to berth audit: a packet that is sent again opens no flow
 * twice, no port is lost or counted twice in a table of few streams, and each row gets a judgement whose figures are
 * numbers.
 */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "src/core/habits.h"
#include "src/sim/flows.h"
#include "src/sim/streams.h"

#define STREAMS 8u
#define CHUNKS 96u
#define FLOWS 16u

static struct berth_streams *table;
static struct berth_flows *flows;
static uint64_t accepted;

/* So many ports of one host toward one destination, each step further than the one before. */
static void add_row(const uint8_t *at)
{
	struct berth_frame f = { .source = { at[0] & 3 },
				 .destination = { at[0] >> 2 & 7 },
				 .destination_port = 443,
				 .protocol = at[0] & 128 ? 17 : 6,
				 .client = true };
	uint16_t port = (uint16_t)(at[1] << 8 | at[2]), step = (uint16_t)(at[3] << 8 | at[4]);
	uint32_t i, n = at[5] < 128 ? at[5] & 15 : at[5];

	for (i = 0; i < n; i++, port = (uint16_t)(port + step)) {
		f.source_port = port ? port : 1;
		f.id = i;
		if (berth_flows_opens(flows, &f, i * 4096)) {
			berth_streams_add(table, &f, true);
			accepted++;
		}
		REQUIRE(!berth_flows_opens(flows, &f, i * 4096 + 1));
	}
}

static void check_judgement(const struct berth_judgement *j, size_t n)
{
	REQUIRE(j->shape < BERTH_SHAPE_COUNT && j->n == n);
	if (n < BERTH_JUDGE_MIN)
		REQUIRE(j->shape == BERTH_SHAPE_TOO_FEW);
	if (!n)
		return;
	REQUIRE(j->unique >= 1 && j->unique <= n && j->seen.first <= j->seen.last);
	REQUIRE(j->unique_expected >= 0 && j->unique_expected <= (double)n * 1.0001);
	REQUIRE(j->odd >= 0 && j->odd <= 1 && j->rising >= 0 && j->rising <= 1);
	REQUIRE(isfinite(j->sigma) && j->sigma >= 0 && j->sigma <= 65535);
	REQUIRE(j->lag1 >= -1.0001 && j->lag1 <= 1.0001);
	REQUIRE(isfinite(j->runs_z) && isfinite(j->chi2) && j->chi2 >= 0);
	REQUIRE(j->chi2_p >= -1 && j->chi2_p <= 1.0001);
	REQUIRE(isfinite(j->oarc_bits) && isfinite(j->bits_low) && isfinite(j->bits_high));
	REQUIRE(j->bits_high < 0 || j->bits_low <= j->bits_high + 1e-9);
	REQUIRE(j->bits_low <= 16.0001);
}

static void judge(const struct berth_stream *s)
{
	static const struct berth_range known = { 32768, 60999 };
	static uint16_t port[BERTH_JUDGE_MAX];
	struct berth_range ranges[BERTH_HABIT_COUNT];
	struct berth_judgement j;
	size_t n = berth_streams_ports(table, s, port);
	int i, habit;

	REQUIRE(n == s->kept && n <= s->seen && n <= BERTH_JUDGE_MAX);
	for (i = 0; i < BERTH_HABIT_COUNT; i++)
		ranges[i] = berth_habit_row((enum berth_habit)i).range;
	for (i = 0; i < 2; i++) {
		berth_judge(port, n, i ? &known : NULL, &j);
		check_judgement(&j, n);
		habit = berth_judge_habit(&j, ranges, !s->all, s->protocol == 17);
		REQUIRE(habit >= -1 && habit < BERTH_HABIT_COUNT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *memory = malloc(berth_streams_size(STREAMS, CHUNKS));
	void *flow_memory = malloc(berth_flows_size(FLOWS));
	uint64_t seen = 0, gone = 0;
	uint32_t i;

	REQUIRE(memory && flow_memory);
	flows = berth_flows_init(flow_memory, FLOWS);
	table = berth_streams_init(memory, STREAMS, CHUNKS);
	accepted = 0;
	for (; size >= 6; data += 6, size -= 6)
		add_row(data);
	for (i = 0; i < berth_streams_count(table); i++) {
		const struct berth_stream *s = berth_streams_get(table, i);

		if (!s)
			continue;
		seen += s->seen;
		judge(s);
	}
	berth_streams_evicted(table, &gone);
	/* Each port is in the stream to its destination and in that over all. */
	REQUIRE(seen + gone == 2 * accepted);
	free(memory);
	free(flow_memory);
	return 0;
}
