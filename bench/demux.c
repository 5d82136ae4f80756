/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a look-up of the demultiplexer costs: alone and in batches, beside other tables, and how long memory takes.
 *
 * Each look-up is of a random one of the connections, in TCP over IPv4 (one part: IPv6), made into a packet's words on
 * the spot, which costs some 2 ns and counts for everybody, and 50 instructions of the processor's window with it; where
 * a row says "words there" they were written before. Time is that of the thread, so that other load on the host costs
 * cache, not time; rivals take turns within a round. Every answer is checked.
 */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/demux.h"

#define MOST 1000000u
#define ARENA (512ull << 20)

uint64_t random_state = 88172645463325252ull;
uint64_t kept;

static inline void flow_of(uint32_t i, bool six, struct berth_flow *out)
{
	static const uint8_t head[2][12] = { { [10] = 0xff, [11] = 0xff }, { 0x20, 1 } };
	struct connection c = connection_of(i);

	memcpy(out->local.byte, head[six], 12);
	memcpy(out->remote.byte, head[six], 12);
	memcpy(out->local.byte + 12, &c.local, 4);
	memcpy(out->remote.byte + 12, &c.remote, 4);
	out->local_port = c.local_port;
	out->remote_port = c.remote_port;
	out->device = 1;
	out->protocol = BERTH_TCP;
	memset(out->unused, 0, sizeof(out->unused));
}

double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void die(const char *what)
{
	fprintf(stderr, "bench-demux: %s\n", what);
	exit(2);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread spread_of(double *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	return (struct spread){ ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1] };
}

void *map_memory(uint64_t size, bool huge)
{
	char *p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("no memory");
	p += HUGE_PAGE - (uintptr_t)p % HUGE_PAGE;
	madvise(p, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

/* Memory of the demultiplexer: plain, or from an arena of huge pages. */

static char *arena;
static uint64_t arena_used;

static void *plain_get(void *context, size_t size, size_t align)
{
	(void)context;
	return aligned_alloc(align, (size + align - 1) / align * align);
}

static void plain_put(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static void *huge_get(void *context, size_t size, size_t align)
{
	(void)context;
	arena_used = (arena_used + align - 1) / align * align;
	if (arena_used + size > ARENA)
		return NULL;
	arena_used += size;
	return arena + arena_used - size;
}

static void huge_put(void *context, void *memory, size_t size)
{
	(void)context;
	(void)memory;
	(void)size;
}

static struct berth_demux *demux;

static void build_demux(uint32_t count, bool six, bool huge)
{
	static const uint64_t key[2] = { 0x243f6a8885a308d3ull, 0x13198a2e03707344ull };
	const struct berth_demux_memory plain = { plain_get, plain_put, NULL, NULL };
	const struct berth_demux_memory hugely = { huge_get, huge_put, NULL, NULL };
	uint32_t i;

	if (huge && !arena)
		arena = map_memory(ARENA, true);
	arena_used = 0;
	if (berth_demux_new(huge ? &hugely : &plain, key, &demux))
		die("no memory");
	for (i = 0; i < count; i++) {
		struct berth_demux_socket s = { .owner = i };

		flow_of(i, six, &s.at);
		s.at.device = 0;
		if (berth_demux_add(demux, &s))
			die("a connection could not be added");
	}
}

static void build4(uint32_t count)
{
	build_demux(count, false, false);
}

static void build6(uint32_t count)
{
	build_demux(count, true, false);
}

static void build4_huge(uint32_t count)
{
	build_demux(count, false, true);
}

static void build6_huge(uint32_t count)
{
	build_demux(count, true, true);
}

static void end_demux(void)
{
	berth_demux_free(demux);
}

static inline uint64_t ask_single(uint32_t count, uint32_t times, bool six)
{
	uint64_t sum = 0, owner = 0;
	struct berth_flow f;

	for (; times; times--) {
		uint32_t i = draw(count);

		flow_of(i, six, &f);
		if (berth_demux_find(demux, &f, &owner) != BERTH_DEMUX_CONNECTED || owner != i)
			die("a wrong answer");
		sum += owner;
	}
	return sum;
}

static inline uint64_t ask_batches(uint32_t count, uint32_t times, bool six)
{
	struct berth_flow f[BATCH];
	uint64_t owner[BATCH], sum = 0;
	uint32_t i, number[BATCH];
	uint8_t level[BATCH];

	for (times /= BATCH; times; times--) {
		for (i = 0; i < BATCH; i++)
			flow_of(number[i] = draw(count), six, &f[i]);
		berth_demux_find_batch(demux, f, BATCH, owner, level);
		for (i = 0; i < BATCH; i++) {
			if (level[i] != BERTH_DEMUX_CONNECTED || owner[i] != number[i])
				die("a wrong answer in a batch");
			sum += owner[i];
		}
	}
	return sum;
}

static uint64_t ask4(uint32_t count, uint32_t times)
{
	return ask_single(count, times, false);
}

static uint64_t ask6(uint32_t count, uint32_t times)
{
	return ask_single(count, times, true);
}

static uint64_t ask4_batch(uint32_t count, uint32_t times)
{
	return ask_batches(count, times, false);
}

static uint64_t ask6_batch(uint32_t count, uint32_t times)
{
	return ask_batches(count, times, true);
}

/* Packets whose words are there, and which connections they are of. */
static struct berth_flow ready[PREPARED];
static uint32_t ready_number[PREPARED];

static inline void prepare(uint32_t count, bool six)
{
	uint32_t i;

	for (i = 0; i < PREPARED; i++)
		flow_of(ready_number[i] = draw(count), six, &ready[i]);
}

static void prepare4(uint32_t count)
{
	prepare(count, false);
}

static uint64_t ask_ready(uint32_t count, uint32_t times)
{
	uint64_t sum = 0, owner = 0;
	uint32_t i;

	(void)count;
	for (i = 0; i < times; i++) {
		if (berth_demux_find(demux, &ready[i], &owner) != BERTH_DEMUX_CONNECTED ||
		    owner != ready_number[i])
			die("a wrong answer");
		sum += owner;
	}
	return sum;
}

static uint64_t ask_ready_batches(uint32_t count, uint32_t times)
{
	uint64_t owner[BATCH], sum = 0;
	uint8_t level[BATCH];
	uint32_t i, k;

	(void)count;
	for (i = 0; i < times; i += BATCH) {
		berth_demux_find_batch(demux, &ready[i], BATCH, owner, level);
		for (k = 0; k < BATCH; k++) {
			if (level[k] != BERTH_DEMUX_CONNECTED || owner[k] != ready_number[i + k])
				die("a wrong answer in a batch");
			sum += owner[k];
		}
	}
	return sum;
}

static const struct rival berths[] = {
	{ "berth, IPv4, single", build4_huge, ask4, end_demux, false, NULL },
	{ "berth, IPv4, single, words there", build4_huge, ask_ready, end_demux, false, prepare4 },
	{ "berth, IPv4, batches of 32", build4_huge, ask4_batch, end_demux, false, NULL },
	{ "berth, IPv4, batches of 32, words there", build4_huge, ask_ready_batches, end_demux,
	  false, prepare4 },
	{ "berth, IPv4, single, small pages", build4, ask4, end_demux, false, NULL },
	{ "berth, IPv4, batches, small pages", build4, ask4_batch, end_demux, false, NULL },
	{ "berth, IPv6, single", build6_huge, ask6, end_demux, false, NULL },
	{ "berth, IPv6, batches of 32", build6_huge, ask6_batch, end_demux, false, NULL },
	{ "berth, IPv6, batches, small pages", build6, ask6_batch, end_demux, false, NULL },
	{ 0 },
};

static const uint32_t counts[] = { 100, 10000, MOST };

#define COUNTS (sizeof(counts) / sizeof(*counts))

/* ns for a look-up of so many, the time to prepare them left out. */
static double measure_once(const struct rival *r, uint32_t count, uint32_t times)
{
	uint32_t chunk = r->prepare ? PREPARED : times, done;
	double ns = 0;

	for (done = 0; done < times; done += chunk) {
		double begin;

		if (r->prepare)
			r->prepare(count);
		begin = now_ns();
		kept += r->ask(count, chunk);
		ns += now_ns() - begin;
	}
	return ns / done;
}

static struct spread measure(const struct rival *r, uint32_t count)
{
	uint32_t times =
		r->alone ? (count > 100000 ? 10 : 2000000 / count) : 500000 / BATCH * BATCH;
	double ns[ROUNDS];
	int i;

	measure_once(r, count, times / 2 / BATCH * BATCH + BATCH);
	for (i = 0; i < ROUNDS; i++)
		ns[i] = measure_once(r, count, times);
	return spread_of(ns);
}

static void note(json_t *rows, const char *part, const char *what, uint32_t count, struct spread s,
		 double bytes)
{
	json_array_append_new(rows,
			      json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f}", "part", part, "what",
					what, "connections", (int)count, "median_ns", s.median,
					"min_ns", s.min, "max_ns", s.max, "bytes_each", bytes));
}

/* Memory in use: what malloc has given out, or of the demultiplexer what it says. */
static double bytes_each(const struct rival *r, uint32_t count, double before)
{
	struct mallinfo2 m = mallinfo2();

	if (r->end == end_demux)
		return (double)berth_demux_usage(demux).bytes / count;
	return ((double)m.uordblks + (double)m.hblkhd - before) / count;
}

static void measure_rival(json_t *rows, const struct rival *r, uint32_t count)
{
	struct mallinfo2 m = mallinfo2();
	double before = (double)m.uordblks + (double)m.hblkhd, each;
	struct spread s;

	r->build(count);
	each = bytes_each(r, count, before);
	s = measure(r, count);
	r->end();
	printf("  %-48s %8.1f (%.1f .. %.1f) %8.2f M/s %6.1f B\n", r->name, s.median, s.min, s.max,
	       1000 / s.median, each);
	fflush(stdout);
	note(rows, "look-up", r->name, count, s, each);
}

static void measure_rivals(json_t *rows)
{
	const struct rival *r;
	size_t k;

	printf("look-up in ns, median of %d rounds (min .. max); millions a second; bytes each\n",
	       ROUNDS);
	for (k = 0; k < COUNTS; k++) {
		printf("%u connections\n", counts[k]);
		for (r = berths; r->name; r++)
			measure_rival(rows, r, counts[k]);
		for (r = peers; r->name; r++)
			measure_rival(rows, r, counts[k]);
	}
}

static void measure_parts(json_t *rows, const char *kind, const struct part *p)
{
	for (; p->what; p++) {
		struct spread s = p->measure();

		printf("  %-48s %8.1f (%.1f .. %.1f)\n", p->what, s.median, s.min, s.max);
		note(rows, kind, p->what, 0, s, 0);
	}
}

static void measure_rest(json_t *rows)
{
	printf("lines of memory at random, 54 MB of huge pages\n");
	measure_parts(rows, "memory", memory_parts);
	printf("parts\n");
	measure_parts(rows, "part", other_parts);
}

int main(int argc, char **argv)
{
	json_t *rows = json_array(), *all;
	int status = 0;

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--json"))) {
		fprintf(stderr, "usage: bench-demux [--json FILE]\n");
		return 2;
	}
	begin_sections();
	measure_rivals(rows);
	measure_rest(rows);
	all = json_pack("{s:s, s:i, s:i, s:o}", "bench", "demux", "rounds", ROUNDS, "kept",
			(int)(kept & 1), "rows", rows);
	if (argc == 3 && json_dump_file(all, argv[2], JSON_INDENT(2))) {
		fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
		status = 2;
	}
	json_decref(all);
	return status;
}
