/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each habit of a system against that system's loop, one port at a time over naive arrays: the same port, the
 * same number of tries, the same state afterwards, out of the same random numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "src/core/habits.h"
#include "random.h"

static bool in_pool[BERTH_PORTS], is_free[BERTH_PORTS];
static uint32_t first, last, num; /* the range, and how many ports it has */
static struct berth_portset pool, idle;
static struct berth_habit_state state, twin;
static uint64_t ours, theirs; /* the same random numbers, twice */

static uint32_t draw_from(void *from)
{
	uint64_t *x = from;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 32);
}

static uint32_t draw(uint32_t n)
{
	return berth_below(draw_from(&theirs), n);
}

struct answer {
	int32_t port;
	uint32_t tries;
};

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint32_t counter(uint32_t i)
{
	return twin.table[i] + (uint32_t)mix(twin.salt + i * 0x9e3779b97f4a7c15ULL);
}

/* __inet_hash_connect() and inet_csk_find_open_port(): two passes over one parity each. */
static struct answer two_passes(uint32_t offset, int turn, uint32_t *out_i)
{
	uint32_t high = last + 1, remaining = num > 1 ? num & ~1u : num, i, pass;
	struct answer a = { -1, 0 };

	for (pass = 0; pass < 2; pass++) {
		uint32_t port = first + offset;

		for (i = 0; i < remaining; i += 2, port += 2) {
			if (port >= high)
				port -= remaining;
			a.tries++;
			if (is_free[port]) {
				*out_i = i;
				a.port = (int32_t)port;
				return a;
			}
		}
		if (remaining <= 1)
			break;
		offset += (uint32_t)turn;
	}
	return a;
}

static struct answer linux_connect(enum berth_habit h, uint64_t hash, uint32_t now_s)
{
	uint32_t remaining = num > 1 ? num & ~1u : num, i = 0, index = 0, offset;
	struct answer a;

	if (h == BERTH_HABIT_LINUX) {
		hash = mix(hash + now_s / 10 * 0x9e3779b97f4a7c15ULL);
		index = (uint32_t)hash & 65535;
		offset = counter(index) + (uint32_t)(hash >> 32);
	} else if (h == BERTH_HABIT_LINUX_5_12) {
		index = (uint32_t)hash * 0x61c88647u >> 24;
		offset = counter(index) + (uint32_t)hash;
	} else {
		offset = twin.counter + (uint32_t)hash;
	}
	offset %= remaining;
	a = two_passes(offset & ~1u, 1, &i);
	if (a.port < 0)
		return a;
	if (h == BERTH_HABIT_LINUX) {
		uint32_t noise = draw(8) * 2;

		twin.table[index] += (noise > i ? noise : i) + 2;
	} else if (h == BERTH_HABIT_LINUX_5_12) {
		if (!i && !draw(16))
			i = 2;
		twin.table[index] += i + 2;
	} else {
		twin.counter += i + 2;
	}
	return a;
}

static struct answer linux_2_6(uint64_t hash)
{
	uint32_t i, offset = twin.counter + (uint32_t)hash;

	for (i = 1; i <= num; i++) {
		uint32_t port = first + (uint32_t)(((uint64_t)i + offset) % num);

		if (is_free[port]) {
			twin.counter += i;
			return (struct answer){ (int32_t)port, i };
		}
	}
	return (struct answer){ -1, num };
}

/* udp_lib_get_port() */
static struct answer linux_udp(void)
{
	uint32_t rand = draw_from(&theirs), chain;
	uint16_t start = (uint16_t)(((uint64_t)rand * num >> 32) + first), port;
	struct answer a = { -1, 0 };

	rand = (rand | 1) * twin.udp_table;
	for (chain = 0; chain < twin.udp_table; chain++, start++) {
		port = start;
		do {
			if (port >= first && port <= last) {
				a.tries++;
				if (is_free[port]) {
					a.port = port;
					return a;
				}
			}
			port = (uint16_t)(port + rand);
		} while (port != start);
	}
	return a;
}

/* in_pcb_lport(), in_pcbpickport(), in_pcbbind(): ++*lastport, count + 1 times. */
static struct answer bsd(bool random)
{
	uint32_t tries, port = twin.counter;

	if (random)
		port = first + (last > first ? draw(last - first) : 0);
	for (tries = 1; tries <= num; tries++) {
		++port;
		if (port < first || port > last)
			port = first;
		if (is_free[port]) {
			twin.counter = port;
			return (struct answer){ (int32_t)port, tries };
		}
	}
	if (random)
		twin.counter = port;
	return (struct answer){ -1, num };
}

/* ipport_tick(), once for each second that went by */
static void bsd_ticks(uint32_t now_s)
{
	for (; twin.tick_s != now_s; twin.tick_s++) {
		if (twin.allocs <= twin.last_allocs + 10)
			twin.stop_s -= twin.stop_s > 0;
		else
			twin.stop_s = 45;
		twin.last_allocs = twin.allocs;
	}
	twin.allocs++;
}

/* algo_bsd(), and the loops of the other five with their 16-bit counters */
static struct answer netbsd(enum berth_habit h)
{
	uint16_t offset = 0, *c, next = (uint16_t)twin.counter;
	struct answer a = { -1, 0 };
	uint32_t dh = 0, start = 0;

	if (h == BERTH_HABIT_NETBSD_RANDOM_START)
		start = draw(num);
	if (h == BERTH_HABIT_NETBSD_DOUBLEHASH)
		dh = draw_from(&theirs) % 8;
	if (h == BERTH_HABIT_NETBSD_DOUBLEHASH)
		next = (uint16_t)twin.table[dh];
	if (h == BERTH_HABIT_NETBSD_HASH || h == BERTH_HABIT_NETBSD_DOUBLEHASH)
		offset = (uint16_t)draw_from(&theirs);
	for (c = &next; a.port < 0 && a.tries < num; a.tries++) {
		uint32_t port;

		if (h == BERTH_HABIT_NETBSD_BSD) {
			port = *c < first || *c > last ? last : *c;
			*c = (uint16_t)(port - 1);
		} else if (h == BERTH_HABIT_NETBSD_RANDOM_START) {
			port = first + (start + a.tries) % num;
		} else if (h == BERTH_HABIT_NETBSD_RANDINC) {
			*c = (uint16_t)(*c + draw(500) + 1);
			port = first + *c % num;
		} else {
			port = first + (*c + offset) % num;
			++*c;
		}
		if (is_free[port])
			a.port = (int32_t)port;
	}
	if (h == BERTH_HABIT_NETBSD_BSD && a.port < 0)
		return a; /* the loop went round once: the counter is where it was, but for its form */
	if (h == BERTH_HABIT_NETBSD_DOUBLEHASH)
		twin.table[dh] = next;
	else if (h == BERTH_HABIT_NETBSD_BSD)
		twin.counter = (uint32_t)a.port - 1;
	else if (h != BERTH_HABIT_NETBSD_RANDOM_START)
		twin.counter = next;
	return a;
}

static struct answer retry(void)
{
	uint32_t member[2048], n = 0, p;
	struct answer a = { -1, 0 };

	for (p = first; p <= last; p++)
		if (in_pool[p])
			member[n++] = p;
	while (a.port < 0 && a.tries < n) {
		p = member[draw(n)];
		a.tries++;
		if (is_free[p])
			a.port = (int32_t)p;
	}
	return a;
}

/* random_pick(): over the whole range, reserved ports as those in use */
static struct answer random_pick(void)
{
	struct answer a = { -1, 0 };

	while (a.port < 0 && a.tries < num) {
		uint32_t p = first + draw(num);

		a.tries++;
		if (is_free[p])
			a.port = (int32_t)p;
	}
	return a;
}

static struct answer windows(uint64_t hash)
{
	struct answer a = { -1, 0 };

	while (a.port < 0 && a.tries < num) {
		uint32_t port =
			first +
			(uint32_t)(((uint64_t)twin.counter + (uint32_t)hash + a.tries) % num);

		a.tries++;
		if (is_free[port])
			a.port = (int32_t)port;
	}
	twin.counter += a.tries;
	return a;
}

static struct answer system_loop(enum berth_habit h, uint64_t hash, uint32_t now_s)
{
	switch (h) {
	case BERTH_HABIT_LINUX:
	case BERTH_HABIT_LINUX_5_12:
	case BERTH_HABIT_LINUX_4_2:
		return linux_connect(h, hash, now_s);
	case BERTH_HABIT_LINUX_2_6:
		return linux_2_6(hash);
	case BERTH_HABIT_LINUX_BIND: {
		uint32_t i;

		return two_passes(draw(num > 1 ? num & ~1u : num) | 1, -1, &i);
	}
	case BERTH_HABIT_LINUX_UDP:
		return linux_udp();
	case BERTH_HABIT_FREEBSD_OLD:
		bsd_ticks(now_s);
		return bsd(!twin.stop_s);
	case BERTH_HABIT_FREEBSD:
	case BERTH_HABIT_OPENBSD:
	case BERTH_HABIT_MACOS_UDP:
		return bsd(true);
	case BERTH_HABIT_MACOS:
	case BERTH_HABIT_BSD_CLASSIC:
		return bsd(false);
	case BERTH_HABIT_WINDOWS:
		return windows(hash);
	case BERTH_HABIT_RANDOM_RETRY:
		return retry();
	case BERTH_HABIT_NETBSD_RANDOM_PICK:
		return random_pick();
	default:
		return netbsd(h);
	}
}

static void set_free(uint32_t port, bool yes)
{
	is_free[port] = yes;
	(yes ? berth_portset_add : berth_portset_remove)(&idle, port);
}

static void make_range(uint32_t from, uint32_t to, bool holes, uint32_t free_percent)
{
	uint32_t p;

	first = from;
	last = to;
	num = to - from + 1;
	memset(&pool, 0, sizeof(pool));
	memset(&idle, 0, sizeof(idle));
	memset(is_free, 0, sizeof(is_free));
	for (p = from; p <= to; p++) {
		in_pool[p] = !holes || random_below(8) || p == from;
		if (!in_pool[p])
			continue;
		berth_portset_add(&pool, p);
		if (random_below(100) < free_percent)
			set_free(p, true);
	}
}

/* The counters that say where the next choice begins; a refused one may leave another form of the same. */
static void same_state(enum berth_habit h, int32_t port)
{
	if (port >= 0)
		assert_int_equal((uint16_t)state.counter, (uint16_t)twin.counter);
	assert_int_equal(state.stop_s, twin.stop_s);
	if (h == BERTH_HABIT_LINUX || h == BERTH_HABIT_LINUX_5_12 ||
	    h == BERTH_HABIT_NETBSD_DOUBLEHASH)
		assert_memory_equal(state.table, twin.table, sizeof(twin.table));
}

static bool fits(const void *of, uint32_t port)
{
	return ((const bool *)of)[port];
}

/* asks: what is free is not known as a set, but is asked port by port. */
static void play(enum berth_habit h, uint32_t steps, bool asks)
{
	struct berth_habit_ask ask = {
		.range = { (uint16_t)first, (uint16_t)last },
		.pool = &pool,
		.free = asks ? &pool : &idle,
		.fits = asks ? fits : NULL,
		.of = is_free,
		.draw = draw_from,
		.from = &ours,
	};
	uint32_t i, tries;

	ours = random64() | 1;
	berth_habit_init(&state, h, draw_from, &ours);
	twin = state;
	theirs = ours;
	for (i = 0; i < steps; i++) {
		struct answer want;
		int32_t port;

		/* The clock stands for a while, then jumps: freebsd-old, and linux' new key. */
		if (!random_below(16))
			ask.now_s += random_below(30);
		ask.hash = mix(random_below(4));
		port = berth_habit_next(h, &state, &ask, &tries);
		want = system_loop(h, ask.hash, ask.now_s);
		assert_int_equal(port, want.port);
		assert_int_equal(tries, want.tries);
		assert_true(ours == theirs);
		same_state(h, port);
		if (port < 0)
			twin.counter = state.counter;
		if (port >= 0)
			set_free((uint32_t)port, false);
		if (random_below(2))
			set_free(first, true);
		for (tries = 0; tries < 2; tries++) {
			uint32_t p = first + random_below(num);

			if (in_pool[p] && !is_free[p] && random_below(2))
				set_free(p, true);
		}
	}
}

static void each_habit_is_the_systems_loop(void **unused)
{
	static const uint16_t ranges[][2] = { { 1000, 1999 }, { 1001, 1501 },   { 63, 64 },
					      { 7, 7 },       { 64535, 65535 }, { 1024, 1031 } };
	static const uint32_t levels[] = { 100, 40, 3, 0 };
	uint32_t h, r, l;

	(void)unused;
	for (h = BERTH_POLICY_COUNT; h < BERTH_HABIT_COUNT; h++)
		for (r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++)
			for (l = 0; l < 4; l++) {
				make_range(ranges[r][0], ranges[r][1], l & 1, levels[l]);
				play((enum berth_habit)h, 150, false);
				if (h != BERTH_HABIT_RANDOM_RETRY)
					play((enum berth_habit)h, 150, true);
			}
}

/* A policy gives the port that policy.h gives: model-tested there, so here only that it is reached. */
static void policies_come_first(void **unused)
{
	static const char *const name[] = {
#define NAME(id, name, text) name,
		BERTH_POLICIES(NAME)
#undef NAME
	};
	uint32_t i;

	(void)unused;
	for (i = 0; i < BERTH_HABIT_COUNT; i++) {
		struct berth_habit_row row = berth_habit_row((enum berth_habit)i);

		assert_int_equal(berth_habit_find(row.name, strlen(row.name)), i);
		assert_true(*row.text && *row.source);
		if (i < BERTH_POLICY_COUNT)
			assert_string_equal(row.name, name[i]);
	}
	assert_int_equal(berth_habit_find("linu", 4), -1);
	assert_int_equal(berth_habit_find("linuxx", 6), -1);
}

/* What facts say of Linux: even ports only, and no port again within 14,116 / 8 choices. */
static void linux_keeps_its_distance(void **unused)
{
	static uint32_t at[BERTH_PORTS];
	struct berth_habit_ask ask = { .range = { 32768, 60999 },
				       .pool = &pool,
				       .free = &pool,
				       .draw = draw_from,
				       .from = &ours,
				       .hash = 42 };
	uint32_t i, tries, shortest = ~0u;
	uint64_t sum = 0, reused = 0;

	(void)unused;
	make_range(32768, 60999, false, 100);
	ours = random64() | 1;
	memset(at, 0, sizeof(at));
	berth_habit_init(&state, BERTH_HABIT_LINUX, draw_from, &ours);
	for (i = 1; i <= 200000; i++) {
		uint32_t port = (uint32_t)berth_habit_next(BERTH_HABIT_LINUX, &state, &ask, &tries);

		assert_int_equal(port & 1, 0);
		if (at[port]) {
			shortest = i - at[port] < shortest ? i - at[port] : shortest;
			sum += i - at[port];
			reused++;
		}
		at[port] = i;
	}
	assert_true(shortest >= 14116 / 8);
	assert_true(reused > 100000);
	assert_in_range(sum / reused, 3137 * 4, 14117);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_habit_is_the_systems_loop),
		cmocka_unit_test(policies_come_first),
		cmocka_unit_test(linux_keeps_its_distance),
	};

	random_begin("habits");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
