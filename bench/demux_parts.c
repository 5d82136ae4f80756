/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What bounds a look-up: lines of memory that wait for one another and lines that do not, hashes, and sections of
 * readers.
 *
 * A bucket is two neighbouring lines. Fetched 32 at a time they come as fast as memory gives them: no batch can be faster.
 * One look-up alone overlaps with the next ones as far as the processor's window of instructions reaches; what that
 * leaves of memory's speed is shown by a load, a load that waits for it, and 100 instructions that do nothing.
 */
#include <stdlib.h>
#include <sys/mman.h>
#ifdef HAVE_CK
#include <ck_epoch.h>
#endif
#ifdef HAVE_URCU
#define RCU_MEMBARRIER
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu.h>
#include <urcu/urcu-qsbr.h>
#endif

#include "bench/demux.h"
#include "src/core/hash.h"

#define TABLE (54ull << 20)
#define LINE 64u
#define LINES ((uint32_t)(TABLE / LINE))
#define TIMES 300000u

/* Memory in which each line names another one, all of them in one ring. */
static char *chained(bool huge)
{
	char *memory = map_memory(TABLE, huge);
	uint32_t *order = malloc(LINES * sizeof(*order)), i;

	if (!order)
		die("no memory");
	for (i = 0; i < LINES; i++) {
		uint32_t j = draw(i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (i = 0; i < LINES; i++)
		*(uint64_t *)(memory + (size_t)LINE * order[i]) =
			(uint64_t)LINE * order[(i + 1) % LINES];
	free(order);
	return memory;
}

static inline uint64_t load(const char *at)
{
	return *(const volatile uint64_t *)at;
}

static uint64_t follow(const char *memory)
{
	uint64_t at = 0;
	uint32_t i;

	for (i = 0; i < TIMES; i++)
		at = load(memory + at);
	return at;
}

static const char *pair_of_lines(const char *memory)
{
	return memory + 2ull * LINE * draw(LINES / 2);
}

static uint64_t fetch_many(const char *memory)
{
	const char *at[BATCH];
	uint64_t sum = 0;
	uint32_t i, k;

	for (i = 0; i < TIMES / BATCH; i++) {
		for (k = 0; k < BATCH; k++) {
			at[k] = pair_of_lines(memory);
			__builtin_prefetch(at[k]);
			__builtin_prefetch(at[k] + LINE);
		}
		for (k = 0; k < BATCH; k++)
			sum += load(at[k]) + load(at[k] + LINE);
	}
	return sum;
}

static uint64_t fetch_alone(const char *memory)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < TIMES; i++) {
		const char *at = pair_of_lines(memory);

		sum += load(at) + load(at + LINE);
	}
	return sum;
}

static uint64_t fetch_with_work(const char *memory)
{
	uint64_t sum = 0;
	uint32_t i, k;

	for (i = 0; i < TIMES; i++) {
		const char *at = pair_of_lines(memory);

		__builtin_prefetch(at + LINE);
		sum += load(at + LINE * (load(at) / LINE & 1));
#pragma GCC unroll 100
		for (k = 0; k < 100; k++)
			__asm__ volatile("nop");
	}
	return sum;
}

static struct spread measure_memory(uint64_t (*run)(const char *memory), bool huge)
{
	char *memory = chained(huge);
	double ns[ROUNDS];
	int round;

	for (round = 0; round < ROUNDS; round++) {
		double begin = now_ns();

		kept += run(memory);
		ns[round] = (now_ns() - begin) / TIMES;
	}
	munmap(memory, TABLE);
	return spread_of(ns);
}

static struct spread chain(void)
{
	return measure_memory(follow, true);
}

static struct spread chain_small(void)
{
	return measure_memory(follow, false);
}

static struct spread many(void)
{
	return measure_memory(fetch_many, true);
}

static struct spread alone(void)
{
	return measure_memory(fetch_alone, true);
}

static struct spread with_work(void)
{
	return measure_memory(fetch_with_work, true);
}

const struct part memory_parts[] = {
	{ "a line, after the one before", chain },
	{ "a line, after the one before, small pages", chain_small },
	{ "two neighbours, 32 pairs fetched at a time", many },
	{ "two neighbours, loaded alone", alone },
	{ "two neighbours, alone, 100 instructions between", with_work },
	{ 0 },
};

/* What it costs to begin and end a look-up, so that memory may be retired; and a hash of IPv4. */

static uint64_t words[2] = { 1, 2 };

static void nothing(uint32_t i)
{
	words[0] += i;
	__asm__ volatile("" ::: "memory");
}

static void sip13(uint32_t i)
{
	words[0] ^= berth_siphash13(words, words, 1, i);
}

static void sip24(uint32_t i)
{
	uint64_t two[2] = { words[0], i };

	words[0] ^= berth_siphash(words, two, 2);
}

#ifdef HAVE_URCU
static void memb(uint32_t i)
{
	urcu_memb_read_lock();
	nothing(i);
	urcu_memb_read_unlock();
}

static void qsbr(uint32_t i)
{
	nothing(i);
	if (i % BATCH == 0)
		urcu_qsbr_quiescent_state();
}
#endif
#ifdef HAVE_CK
static ck_epoch_t epoch;
static ck_epoch_record_t record;

static void ck_section(uint32_t i)
{
	ck_epoch_begin(&record, NULL);
	nothing(i);
	ck_epoch_end(&record, NULL);
}
#endif

void begin_sections(void)
{
#ifdef HAVE_URCU
	urcu_memb_register_thread();
	urcu_qsbr_register_thread();
#endif
#ifdef HAVE_CK
	ck_epoch_init(&epoch);
	ck_epoch_register(&epoch, &record, NULL);
#endif
}

static struct spread measure_small(void (*run)(uint32_t i))
{
	double ns[ROUNDS];
	uint32_t i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		double begin = now_ns();

		for (i = 0; i < 1000000; i++)
			run(i);
		ns[round] = (now_ns() - begin) / 1000000;
	}
	return spread_of(ns);
}

#define SMALL(name)                                                                                \
	static struct spread measure_##name(void)                                                  \
	{                                                                                          \
		return measure_small(name);                                                        \
	}

SMALL(nothing)
SMALL(sip13)
SMALL(sip24)
#ifdef HAVE_URCU
SMALL(memb)
SMALL(qsbr)
#endif
#ifdef HAVE_CK
SMALL(ck_section)
#endif

const struct part other_parts[] = {
	{ "call of nothing", measure_nothing },
	{ "SipHash-1-3, IPv4 key, latency", measure_sip13 },
	{ "SipHash-2-4, IPv4 key, latency", measure_sip24 },
#ifdef HAVE_URCU
	{ "liburcu, membarrier: one section", measure_memb },
	{ "liburcu, QSBR: one in 32", measure_qsbr },
#endif
#ifdef HAVE_CK
	{ "Concurrency Kit epoch: one section", measure_ck_section },
#endif
	{ 0 },
};
