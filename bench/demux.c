/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a look-up of the demultiplexer costs: alone and in batches, beside other tables, and how long memory takes.
 *
 * Each look-up is of a random one of the connections, in TCP over IPv4 (one part: IPv6), made into a packet's words on
 * the spot, which costs some 2 ns and counts for everybody. Time is that of the thread, so that other load on the
 * host costs cache, not time; rivals take turns within a round. Rivals hash with one multiplication and no key,
 * which is the cheapest there is; the demultiplexer pays for a keyed hash. Every answer is checked.
 *
 * The list is what small stacks do: one list of all connections, searched from its head, and the one found moved
 * there.
 */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#ifdef HAVE_GLIB
#include <glib.h>
#endif
#ifdef HAVE_CK
#include <ck_epoch.h>
#include <ck_ht.h>
#endif
#ifdef HAVE_URCU
#define RCU_MEMBARRIER
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu.h>
#include <urcu/rculfhash.h>
#include <urcu/urcu-qsbr.h>
#endif

#include "include/berth/demux.h"
#include "src/core/hash.h"

#define MOST 1000000u
#define BATCH 32u
#define ROUNDS 7
#define ARENA (512ull << 20)
#define HUGE_PAGE (2ull << 20)

/* A connection as the rivals know it. */
struct connection {
	uint32_t local, remote;
	uint16_t local_port, remote_port;
	uint32_t protocol;
};

struct node {
	struct connection key;
	uint64_t owner;
	struct node *next;
#ifdef HAVE_URCU
	struct cds_lfht_node link;
#endif
};

static struct node *nodes;
static uint64_t random_state = 88172645463325252ull;

/* xorshift64 (Marsaglia 2003). */
static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * below >> 32);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench-demux: %s\n", what);
	exit(2);
}

/* Connection i: one server, clients of 32,768 ports each. */
static inline struct connection connection_of(uint32_t i)
{
	return (struct connection){ 0x0100000a, __builtin_bswap32(0x0b000000 + (i >> 15)), 443,
				    (uint16_t)(1024 + (i & 0x7fff)), BERTH_TCP };
}

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

/* One multiplication for each word, and no key. */
static inline uint64_t cheap_hash(const struct connection *c)
{
	uint64_t h = ((uint64_t)c->remote << 32 | c->local) * 0x9e3779b97f4a7c15ull;

	h ^= (h >> 32) ^ ((uint64_t)c->remote_port << 16 | c->local_port);
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15ull >> 16;
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

static void *map_memory(uint64_t size, bool huge)
{
	char *p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("no memory");
	p += HUGE_PAGE - (uintptr_t)p % HUGE_PAGE;
	madvise(p, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

/* The rivals. Each is built with count connections and asked for times of them; it returns the sum of owners. */

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

static bool same(const struct connection *a, const struct connection *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void build_nodes(uint32_t count)
{
	uint32_t i;

	nodes = calloc(count, sizeof(*nodes));
	if (!nodes)
		die("no memory");
	for (i = 0; i < count; i++) {
		nodes[i].key = connection_of(i);
		nodes[i].owner = i;
	}
}

static void end_nodes(void)
{
	free(nodes);
}

static struct node *head;

/* In random order, as connections come. */
static void build_list(uint32_t count)
{
	uint32_t *order = malloc(count * sizeof(*order)), i;

	build_nodes(count);
	head = NULL;
	for (i = 0; order && i < count; i++) {
		uint32_t j = draw(i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (i = 0; order && i < count; i++) {
		nodes[order[i]].next = head;
		head = &nodes[order[i]];
	}
	free(order);
}

static uint64_t ask_list(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));
		struct node **at = &head, *n;

		while (!same(&(*at)->key, &c))
			at = &(*at)->next;
		n = *at;
		*at = n->next;
		n->next = head;
		head = n;
		sum += n->owner;
	}
	return sum;
}

#ifdef HAVE_GLIB
static GHashTable *glib;

static guint glib_hash(gconstpointer key)
{
	return (guint)cheap_hash(key);
}

static gboolean glib_same(gconstpointer a, gconstpointer b)
{
	return same(a, b);
}

static void build_glib(uint32_t count)
{
	uint32_t i;

	build_nodes(count);
	glib = g_hash_table_new(glib_hash, glib_same);
	for (i = 0; i < count; i++)
		g_hash_table_insert(glib, &nodes[i].key, &nodes[i]);
}

static uint64_t ask_glib(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));

		sum += ((struct node *)g_hash_table_lookup(glib, &c))->owner;
	}
	return sum;
}

static void end_glib(void)
{
	g_hash_table_destroy(glib);
	end_nodes();
}
#endif

#ifdef HAVE_CK
static ck_ht_t ck;

static void *ck_get(size_t size)
{
	return malloc(size);
}

static void ck_put(void *memory, size_t size, bool deferred)
{
	(void)size;
	(void)deferred;
	free(memory);
}

static void ck_hash(struct ck_ht_hash *out, const void *key, size_t size, uint64_t seed)
{
	(void)size;
	(void)seed;
	out->value = cheap_hash(key);
}

static void build_ck(uint32_t count)
{
	static struct ck_malloc memory = { .malloc = ck_get, .free = ck_put };
	uint32_t i;

	build_nodes(count);
	if (!ck_ht_init(&ck, CK_HT_MODE_BYTESTRING, ck_hash, &memory, 64, 1))
		die("no table of Concurrency Kit");
	for (i = 0; i < count; i++) {
		ck_ht_entry_t e;
		ck_ht_hash_t h;

		ck_ht_hash(&h, &ck, &nodes[i].key, sizeof(nodes[i].key));
		ck_ht_entry_set(&e, h, &nodes[i].key, sizeof(nodes[i].key), &nodes[i]);
		if (!ck_ht_put_spmc(&ck, h, &e))
			die("a connection could not be added");
	}
}

static uint64_t ask_ck(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));
		ck_ht_entry_t e;
		ck_ht_hash_t h;

		ck_ht_hash(&h, &ck, &c, sizeof(c));
		ck_ht_entry_key_set(&e, &c, sizeof(c));
		if (!ck_ht_get_spmc(&ck, h, &e))
			die("a wrong answer of Concurrency Kit");
		sum += ((struct node *)ck_ht_entry_value(&e))->owner;
	}
	return sum;
}

static void end_ck(void)
{
	ck_ht_destroy(&ck);
	end_nodes();
}
#endif

#ifdef HAVE_URCU
static struct cds_lfht *lfht;

static int lfht_same(struct cds_lfht_node *n, const void *key)
{
	return same(&caa_container_of(n, struct node, link)->key, key);
}

static void build_urcu(uint32_t count)
{
	uint32_t i;

	build_nodes(count);
	lfht = cds_lfht_new(1 << 20, 1, 0, 0, NULL);
	rcu_read_lock();
	for (i = 0; i < count; i++)
		cds_lfht_add(lfht, cheap_hash(&nodes[i].key), &nodes[i].link);
	rcu_read_unlock();
}

static uint64_t ask_urcu(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));
		struct cds_lfht_iter at;

		rcu_read_lock();
		cds_lfht_lookup(lfht, cheap_hash(&c), lfht_same, &c, &at);
		sum += caa_container_of(cds_lfht_iter_get_node(&at), struct node, link)->owner;
		rcu_read_unlock();
	}
	return sum;
}

static void end_urcu(void)
{
	/* Its nodes go first, or it is not given back; the program ends soon. */
	end_nodes();
}
#endif

struct rival {
	const char *name;
	void (*build)(uint32_t count);
	uint64_t (*ask)(uint32_t count, uint32_t times);
	void (*end)(void);
	bool alone; /* too slow for many look-ups */
};

static const struct rival rivals[] = {
	{ "berth, IPv4, single", build4_huge, ask4, end_demux, false },
	{ "berth, IPv4, batches of 32", build4_huge, ask4_batch, end_demux, false },
	{ "berth, IPv4, single, small pages", build4, ask4, end_demux, false },
	{ "berth, IPv4, batches, small pages", build4, ask4_batch, end_demux, false },
	{ "berth, IPv6, single", build6_huge, ask6, end_demux, false },
	{ "berth, IPv6, batches of 32", build6_huge, ask6_batch, end_demux, false },
	{ "berth, IPv6, batches, small pages", build6, ask6_batch, end_demux, false },
	{ "list, found one to the front", build_list, ask_list, end_nodes, true },
#ifdef HAVE_GLIB
	{ "glib GHashTable", build_glib, ask_glib, end_glib, false },
#endif
#ifdef HAVE_CK
	{ "Concurrency Kit ck_ht", build_ck, ask_ck, end_ck, false },
#endif
#ifdef HAVE_URCU
	{ "liburcu rculfhash", build_urcu, ask_urcu, end_urcu, false },
#endif
};

#define RIVALS (sizeof(rivals) / sizeof(*rivals))

static const uint32_t counts[] = { 100, 10000, MOST };

#define COUNTS (sizeof(counts) / sizeof(*counts))

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread {
	double median, min, max;
};

static struct spread spread_of(double *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	return (struct spread){ ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1] };
}

static uint64_t kept;

static struct spread measure(const struct rival *r, uint32_t count)
{
	uint32_t times =
		r->alone ? (count > 100000 ? 10 : 2000000 / count) : 500000 / BATCH * BATCH;
	double ns[ROUNDS];
	int i;

	kept += r->ask(count, times / 2 + BATCH);
	for (i = 0; i < ROUNDS; i++) {
		double begin = now_ns();

		kept += r->ask(count, times);
		ns[i] = (now_ns() - begin) / times;
	}
	return spread_of(ns);
}

/* ns to follow a chain through so much memory, in random order: what one line costs that is not in a cache. */
static struct spread latency(uint64_t bytes, bool huge)
{
	char *memory = map_memory(bytes, huge);
	uint32_t lines = (uint32_t)(bytes / 64), i, *order = malloc(lines * sizeof(*order));
	uint64_t at = 0;
	double ns[ROUNDS];
	int round;

	if (!order)
		die("no memory");
	for (i = 0; i < lines; i++) {
		uint32_t j = draw(i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (i = 0; i < lines; i++)
		*(uint64_t *)(memory + 64ull * order[i]) = 64ull * order[(i + 1) % lines];
	for (round = 0; round < ROUNDS; round++) {
		double begin = now_ns();

		for (i = 0; i < 300000; i++)
			at = *(volatile uint64_t *)(memory + at);
		ns[round] = (now_ns() - begin) / 300000;
	}
	free(order);
	munmap(memory, bytes);
	kept += at;
	return spread_of(ns);
}

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

static const struct {
	const char *name;
	void (*run)(uint32_t i);
} small[] = {
	{ "call of nothing", nothing },
	{ "SipHash-1-3, IPv4 key, latency", sip13 },
	{ "SipHash-2-4, IPv4 key, latency", sip24 },
#ifdef HAVE_URCU
	{ "liburcu, membarrier: one section", memb },
	{ "liburcu, QSBR: one in 32", qsbr },
#endif
#ifdef HAVE_CK
	{ "Concurrency Kit epoch: one section", ck_section },
#endif
};

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

static void measure_rivals(json_t *rows)
{
	size_t i, k;

	printf("look-up in ns, median of %d rounds (min .. max); millions a second; bytes each\n",
	       ROUNDS);
	for (k = 0; k < COUNTS; k++) {
		printf("%u connections\n", counts[k]);
		for (i = 0; i < RIVALS; i++) {
			struct mallinfo2 m = mallinfo2();
			double before = (double)m.uordblks + (double)m.hblkhd, each;
			struct spread s;

			rivals[i].build(counts[k]);
			each = bytes_each(&rivals[i], counts[k], before);
			s = measure(&rivals[i], counts[k]);
			rivals[i].end();
			printf("  %-36s %12.1f (%.1f .. %.1f) %8.2f M/s %6.1f B\n", rivals[i].name,
			       s.median, s.min, s.max, 1000 / s.median, each);
			fflush(stdout);
			note(rows, "look-up", rivals[i].name, counts[k], s, each);
		}
	}
}

static void measure_rest(json_t *rows)
{
	struct spread s;
	size_t i;

	printf("a line of memory at random, 54 MB\n");
	s = latency(54ull << 20, true);
	printf("  %-36s %12.1f (%.1f .. %.1f)\n", "huge pages", s.median, s.min, s.max);
	note(rows, "memory", "huge pages", 0, s, 0);
	s = latency(54ull << 20, false);
	printf("  %-36s %12.1f (%.1f .. %.1f)\n", "small pages", s.median, s.min, s.max);
	note(rows, "memory", "small pages", 0, s, 0);
	printf("parts\n");
	for (i = 0; i < sizeof(small) / sizeof(*small); i++) {
		s = measure_small(small[i].run);
		printf("  %-36s %12.1f (%.1f .. %.1f)\n", small[i].name, s.median, s.min, s.max);
		note(rows, "part", small[i].name, 0, s, 0);
	}
}

int main(int argc, char **argv)
{
	json_t *rows = json_array(), *all;
	int status = 0;

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--json"))) {
		fprintf(stderr, "usage: bench-demux [--json FILE]\n");
		return 2;
	}
#ifdef HAVE_URCU
	urcu_memb_register_thread();
	urcu_qsbr_register_thread();
#endif
#ifdef HAVE_CK
	ck_epoch_init(&epoch);
	ck_epoch_register(&epoch, &record, NULL);
#endif
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
