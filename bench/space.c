/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a port space costs: to pick a port and give it back, by policy and occupancy, beside other allocators; two
 * threads against one; bytes of an idle space and of each pair. 28,232 ports (32768-60999).
 *
 * A pick is a whole operation of the public interface: owner, quota, socket number, table of pairs. It is given back at
 * once, so that the occupancy stays. connect: one destination; bind: a port that nobody has. The taken ports are
 * at random places. Peers know ports only: no pairs, owners or sharing. The clock is the processor time of the thread:
 * what others take away on a busy machine is not counted, what they cost in caches is.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "include/berth/parts.h"
#include "peers.h"

#define ROUNDS 9
#define DRAWS 4096u
#define PAIRS 100000u
#define GOAL_NS 25.0
#define GOAL_IDLE 16384u /* bytes */
#define GOAL_EACH 64
#define GOAL_THREADS 1.7

static uint64_t draws[DRAWS];
static size_t taken_bytes;

struct result {
	double median, min, max;
};

static void *get(void *context, size_t size)
{
	(void)context;
	taken_bytes += size;
	return malloc(size);
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	taken_bytes -= size;
	free(memory);
}

static const struct berth_space_memory memory = { get, put, NULL };

static uint64_t time_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t clock_ns(void)
{
	return time_of(CLOCK_MONOTONIC);
}

/* xorshift64 (Marsaglia 2003); the same numbers in each run. */
static uint64_t draw(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static uint64_t cpu_ns(void)
{
	return time_of(CLOCK_THREAD_CPUTIME_ID);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct result sorted(double *ns, int n)
{
	qsort(ns, (size_t)n, sizeof(*ns), by_value);
	return (struct result){ ns[n / 2], ns[0], ns[n - 1] };
}

static void must(int error, const char *what)
{
	if (error) {
		fprintf(stderr, "bench-space: %s: %s\n", what, berth_space_error(error));
		exit(2);
	}
}

static const struct {
	const char *name;
	uint32_t free;
} levels[] = {
	{ "0 %", BENCH_PORTS }, { "50 %", BENCH_PORTS / 2 }, { "99 %", 282 }, { "99.99 %", 3 },
	{ "full", 0 },
};

#define LEVELS (sizeof(levels) / sizeof(*levels))

/* Ports taken at random places, so many left free. */
static void some_taken(bool *taken, uint32_t free)
{
	uint32_t i, n = BENCH_PORTS;

	memset(taken, 1, BENCH_PORTS);
	for (; BENCH_PORTS - n < free;) {
		i = (uint32_t)(draw() % BENCH_PORTS);
		n -= taken[i];
		taken[i] = false;
	}
}

static struct berth_space *space;
static struct berth_space_connect want = { .remote_port = 443 };

/* A space with one address and room for a pair on every port. */
static void make(unsigned policy, uint32_t sockets, uint32_t destinations)
{
	const struct berth_space_config config = { .protocol = BERTH_TCP,
						   .policy = (uint8_t)policy,
						   .first = BENCH_FIRST,
						   .last = BENCH_FIRST + BENCH_PORTS - 1,
						   .key = { 1, 2, 3, 4 } };
	const struct berth_space_room room = { sockets, destinations, 0 };
	struct berth_address here = berth_address_v4((const uint8_t[]){ 10, 0, 0, 1 });
	uint16_t local;

	must(berth_space_new(&config, &memory, &space), "new");
	must(berth_space_add_local(space, &here, &local), "address");
	if (sockets)
		must(berth_space_make_room(space, &room), "room");
	want.remote = berth_address_v4((const uint8_t[]){ 192, 0, 2, 1 });
}

static int connect_once(uint64_t rnd, berth_space_socket *out)
{
	want.rnd = rnd;
	return berth_space_connect(space, &want, out);
}

static int bind_once(uint64_t rnd, berth_space_socket *out)
{
	struct berth_space_bind b = { .rnd = rnd };

	return berth_space_bind(space, &b, out);
}

/* Takes all, and gives back what is to be free. */
static void occupy(int (*once)(uint64_t, berth_space_socket *), uint32_t free)
{
	static berth_space_socket all[BENCH_PORTS];
	uint32_t n, k;

	for (n = 0; n < BENCH_PORTS;)
		n += !once(draw(), &all[n]);
	for (; n > BENCH_PORTS - free; n--) {
		k = (uint32_t)(draw() % n);
		must(berth_space_release(space, all[k], 0, false), "release");
		all[k] = all[n - 1];
	}
}

static struct result measure(int (*once)(uint64_t, berth_space_socket *))
{
	double ns[ROUNDS];
	berth_space_socket s;
	uint64_t begin;

	for (int i = -1; i < ROUNDS; i++) {
		begin = cpu_ns();
		for (uint32_t k = 0; k < PAIRS; k++)
			if (!once(draws[k % DRAWS], &s))
				berth_space_release(space, s, 0, false);
		if (i >= 0)
			ns[i] = (double)(cpu_ns() - begin) / PAIRS;
	}
	return sorted(ns, ROUNDS);
}

static void row(json_t *rows, const char *what, const char *name, size_t level, struct result r)
{
	printf(" %9.1f +-%-5.1f", r.median, (r.max - r.min) / 2);
	fflush(stdout);
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f}", "what", what,
					      "name", name, "occupancy", levels[level].name, "free",
					      (int)levels[level].free, "median_ns", r.median,
					      "min_ns", r.min, "max_ns", r.max));
}

/* One line of the table; returns its greatest median. */
static double line(json_t *rows, const char *what, unsigned policy,
		   int (*once)(uint64_t, berth_space_socket *))
{
	double worst = 0;
	struct result r;

	printf("%-7s %-17s", what, berth_space_policy_name(policy));
	for (size_t i = 0; i < LEVELS; i++) {
		make(policy, BENCH_PORTS + 1, 2);
		occupy(once, levels[i].free);
		r = measure(once);
		berth_space_free(space);
		row(rows, what, berth_space_policy_name(policy), i, r);
		worst = r.median > worst ? r.median : worst;
	}
	putchar('\n');
	return worst;
}

/* Rounds end after 20 ms: a list of 28,000 sockets is walked for seconds otherwise. */
static struct result measure_peer(const struct peer *p)
{
	double ns[ROUNDS];
	uint64_t begin, now;
	uint32_t k, most = p->slow ? 64 : PAIRS;

	for (int i = -1; i < ROUNDS; i++) {
		begin = now = cpu_ns();
		for (k = 0; k < PAIRS && (k < most || now - begin < 20000000);) {
			int32_t port = p->take(draws[k % DRAWS]);

			if (port >= 0)
				p->drop((uint32_t)port);
			if (++k % 64 == 0 && p->slow) {
				now = cpu_ns();
				if (now - begin > 20000000)
					break;
			} else if (p->slow && k < 64 && k % 4 == 0) {
				now = cpu_ns();
				if (now - begin > 200000000)
					break;
			}
		}
		if (i >= 0)
			ns[i] = (double)(cpu_ns() - begin) / k;
	}
	return sorted(ns, ROUNDS);
}

static void peer_line(json_t *rows, const struct peer *p)
{
	static bool taken[BENCH_PORTS];

	printf("%-7s %-17s", p->name, p->like);
	for (size_t i = 0; i < LEVELS; i++) {
		some_taken(taken, levels[i].free);
		p->fill(taken);
		/* The list at 99.99 %: seconds for one pick. */
		if (!strcmp(p->name, "list") && levels[i].free < 282) {
			printf(" %9s        ", "-");
			continue;
		}
		row(rows, p->name, p->like, i, measure_peer(p));
	}
	putchar('\n');
}

static struct berth_parts *parts;
static uint32_t running;

struct worker {
	pthread_t thread;
	unsigned home;
	double ns, cpu_ns; /* of a pair: of the clock, and of the processor that the thread had */
};

static void *work(void *context)
{
	struct worker *w = context;
	struct berth_space_connect mine = want;
	berth_space_socket s;
	uint64_t begin, cpu;

	__atomic_add_fetch(&running, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) < 2)
		;
	begin = clock_ns();
	cpu = time_of(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t k = 0; k < 10 * PAIRS; k++) {
		mine.rnd = draws[(k + w->home * 77) % DRAWS];
		if (!berth_parts_connect(parts, w->home, &mine, &s))
			berth_parts_release(parts, s, 0, false);
	}
	w->ns = (double)(clock_ns() - begin) / (10 * PAIRS);
	w->cpu_ns = (double)(time_of(CLOCK_THREAD_CPUTIME_ID) - cpu) / (10 * PAIRS);
	return NULL;
}

/*
 * Pairs of pick and release in a second by so many threads (1 or 2), in millions. out_cpu: in a second of
 * processor time, which is what counts where others have the processors as well.
 */
static double rate(unsigned threads, double *out_cpu)
{
	struct worker w[2] = { { .home = 0 }, { .home = 1 } };
	double sum = 0, cpu = 0;

	running = 2 - threads;
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			exit(2);
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		sum += 1000 / w[i].ns;
		cpu += 1000 / w[i].cpu_ns;
	}
	*out_cpu = cpu;
	return sum;
}

/* Two threads on one space of two parts, each at home in one, against one thread on the same; half taken. */
static double threads(json_t *all)
{
	const struct berth_parts_config config = {
		.space = { .protocol = BERTH_TCP,
			   .first = BENCH_FIRST,
			   .last = BENCH_FIRST + BENCH_PORTS - 1,
			   .key = { 1, 2, 3, 4 } },
		.parts = 2,
	};
	const struct berth_space_room room = { BENCH_PORTS, 2, 0 };
	struct berth_address here = berth_address_v4((const uint8_t[]){ 10, 0, 0, 1 });
	double one[ROUNDS], two[ROUNDS], ratio[ROUNDS], cpu[ROUNDS], one_cpu, two_cpu;
	struct result r, c;
	berth_space_socket s;
	uint16_t local;

	must(berth_parts_new(&config, &memory, &parts), "parts");
	must(berth_parts_add_local(parts, &here, &local), "address");
	must(berth_parts_make_room(parts, &room), "room");
	for (uint32_t i = 0; i < BENCH_PORTS / 2; i++) {
		want.rnd = draw();
		must(berth_parts_connect(parts, i, &want, &s), "connect");
	}
	for (int i = 0; i < ROUNDS; i++) {
		one[i] = rate(1, &one_cpu);
		two[i] = rate(2, &two_cpu);
		ratio[i] = two[i] / one[i];
		cpu[i] = two_cpu / one_cpu;
	}
	r = sorted(ratio, ROUNDS);
	c = sorted(cpu, ROUNDS);
	printf("threads: one %.1f, two %.1f million pairs a second; ratio %.2f (%.2f-%.2f), goal %.1f\n",
	       sorted(one, ROUNDS).median, sorted(two, ROUNDS).median, r.median, r.min, r.max,
	       GOAL_THREADS);
	printf("threads, by processor time: ratio %.2f (%.2f-%.2f)\n", c.median, c.min, c.max);
	json_object_set_new(all, "threads",
			    json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "one_per_us",
				      sorted(one, ROUNDS).median, "two_per_us",
				      sorted(two, ROUNDS).median, "ratio", r.median, "min", r.min,
				      "max", r.max, "ratio_cpu", c.median));
	berth_parts_free(parts);
	return r.median;
}

/* Bytes of each pair, with so many pairs spread over so many destinations. */
static double bytes_each(uint32_t sockets, uint32_t destinations)
{
	berth_space_socket s;
	uint32_t i;
	double each;

	make(BERTH_SPACE_UNIFORM, sockets, destinations);
	for (i = 0; i < sockets; i++) {
		uint32_t d = 1 + i % destinations;

		memcpy(want.remote.byte + 12, &d, sizeof(d));
		must(connect_once(draw(), &s), "connect");
	}
	each = (double)taken_bytes / sockets;
	berth_space_free(space);
	return each;
}

/* True where the goals are met. No figure of these depends on the machine. */
static bool bytes(json_t *all)
{
	static const uint32_t cases[][2] = { { 28232, 1 }, { 500000, 20 }, { 500000, 500000 } };
	json_t *list = json_array();
	bool met;
	size_t idle;

	make(BERTH_SPACE_UNIFORM, 0, 0);
	idle = taken_bytes;
	berth_space_free(space);
	met = idle <= GOAL_IDLE;
	printf("idle space with one address: %zu bytes, goal %u\n", idle, GOAL_IDLE);
	json_object_set_new(all, "idle_bytes", json_integer((json_int_t)idle));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double each = bytes_each(cases[i][0], cases[i][1]);

		met = met && each <= GOAL_EACH;
		printf("%u pairs, %u destinations: %.1f bytes each, goal %d\n", cases[i][0],
		       cases[i][1], each, GOAL_EACH);
		json_array_append_new(list, json_pack("{s:i, s:i, s:f}", "pairs", (int)cases[i][0],
						      "destinations", (int)cases[i][1],
						      "bytes_each", each));
	}
	json_object_set_new(all, "memory", list);
	return met;
}

int main(int argc, char **argv)
{
	json_t *rows = json_array(), *all = json_object();
	double worst = 0, w, ratio;
	uint32_t i;
	int status = 0;

	if (argc == 2 && !strcmp(argv[1], "--memory")) {
		status = !bytes(all);
		json_decref(all);
		json_decref(rows);
		return status;
	}
	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--json"))) {
		fprintf(stderr, "usage: bench-space [--json FILE | --memory]\n");
		return 2;
	}
	for (i = 0; i < DRAWS; i++)
		draws[i] = draw();
	printf("pick + release in ns, median of %d rounds +- half of the spread\n%-25s", ROUNDS,
	       "");
	for (i = 0; i < LEVELS; i++)
		printf(" %9s        ", levels[i].name);
	putchar('\n');
	for (i = 0; i < BERTH_SPACE_HABIT; i++) {
		w = line(rows, "connect", i, connect_once);
		worst = w > worst ? w : worst;
	}
	for (i = 0; i < BERTH_SPACE_HABIT; i++)
		line(rows, "bind", i, bind_once);
	for (i = 0; i < peer_count; i++)
		peer_line(rows, &peers[i]);
	printf("connect, worst median: %.1f ns; goal %.0f ns: %s\n", worst, GOAL_NS,
	       worst <= GOAL_NS ? "met" : "missed");
	ratio = threads(all);
	bytes(all);
	json_object_update_new(all, json_pack("{s:s, s:i, s:i, s:f, s:f, s:b, s:f, s:b, s:o}",
					      "bench", "space", "ports", (int)BENCH_PORTS, "rounds",
					      ROUNDS, "goal_ns", GOAL_NS, "worst_connect_ns", worst,
					      "met", worst <= GOAL_NS, "goal_threads", GOAL_THREADS,
					      "threads_met", ratio >= GOAL_THREADS, "rows", rows));
	if (argc == 3 && json_dump_file(all, argv[2], JSON_INDENT(2))) {
		fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
		status = 2;
	}
	json_decref(all);
	return status;
}
