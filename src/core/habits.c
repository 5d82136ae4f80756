/* SPDX-License-Identifier: BSD-2-Clause */
/* The loops of operating systems that choose a port, each with its own arithmetic. */
#include "src/core/habits.h"

#include <string.h>

#define LINUX_PERTURB 8u        /* since 5.18: 1 to 8 steps */
#define LINUX_REKEY_S 10u       /* EPHEMERAL_PORT_SHUFFLE_PERIOD */
#define LINUX_5_12_TABLE_BITS 8 /* INET_TABLE_PERTURB_SHIFT of 5.12 to 5.17 */
#define LINUX_UDP_TABLE 4096u   /* with 8 GB of memory */
#define NETBSD_TABLE 8u
#define FREEBSD_RANDOM_CPS 10u
#define FREEBSD_RANDOM_TIME_S 45u

struct berth_habit_row berth_habit_row(enum berth_habit habit)
{
	/* A table of pointers would be a variable, which the core has none of. */
	switch (habit) {
#define ROW(id, name, text)                                                                        \
	case BERTH_HABIT_##id:                                                                     \
		return (struct berth_habit_row){ name, "", text, "berth", { 0, 0 }, true };
		BERTH_POLICIES(ROW)
#undef ROW
#define ROW(id, name, share, first, last, system, text, source)                                    \
	case BERTH_HABIT_##id:                                                                     \
		return (struct berth_habit_row){                                                   \
			name, system, text, source, { first, last }, share                         \
		};
		BERTH_HABITS(ROW)
#undef ROW
	default:
		return (struct berth_habit_row){ "", "", "", "", { 0, 0 }, false };
	}
}

int berth_habit_find(const char *name, size_t len)
{
	size_t k;
	int i;

	for (i = 0; i < BERTH_HABIT_COUNT; i++) {
		const char *own = berth_habit_row((enum berth_habit)i).name;

		for (k = 0; k < len && own[k] && own[k] == name[k]; k++)
			continue;
		if (k == len && !own[k])
			return i;
	}
	return -1;
}

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint32_t counters_of(enum berth_habit habit)
{
	switch (habit) {
	case BERTH_HABIT_DOUBLE_HASH:
	case BERTH_HABIT_LINUX:
		return BERTH_HABIT_TABLE;
	case BERTH_HABIT_LINUX_5_12:
		return 1u << LINUX_5_12_TABLE_BITS;
	case BERTH_HABIT_NETBSD_DOUBLEHASH:
		return NETBSD_TABLE;
	default:
		return 0;
	}
}

size_t berth_habit_size(enum berth_habit habit)
{
	return offsetof(struct berth_habit_state, table) + counters_of(habit) * sizeof(uint32_t);
}

enum berth_habit berth_habit_of_bind(enum berth_habit habit)
{
	switch (habit) {
	case BERTH_HABIT_LINUX:
	case BERTH_HABIT_LINUX_5_12:
	case BERTH_HABIT_LINUX_4_2:
		return BERTH_HABIT_LINUX_BIND;
	case BERTH_HABIT_LINUX_2_6:
		return BERTH_HABIT_NETBSD_RANDOM_START;
	default:
		return habit;
	}
}

void berth_habit_init(struct berth_habit_state *s, enum berth_habit habit, uint32_t (*draw)(void *),
		      void *from)
{
	memset(s, 0, berth_habit_size(habit));
	s->counter = draw(from);
	s->salt = (uint64_t)draw(from) << 32 | draw(from);
	s->udp_table = LINUX_UDP_TABLE;
	s->counters = BERTH_HABIT_TABLE;
}

/*
 * A counter of the table as if each had been seeded at random: what was added to it, and what the salt makes of
 * its number.
 */
static uint32_t counter_at(const struct berth_habit_state *s, uint32_t index)
{
	return s->table[index] + (uint32_t)mix(s->salt + index * 0x9e3779b97f4a7c15ULL);
}

/* What hash would be under the key of a period. */
static uint64_t rekeyed(uint64_t hash, uint32_t period)
{
	return mix(hash + period * 0x9e3779b97f4a7c15ULL);
}

static uint32_t draw_below(const struct berth_habit_ask *ask, uint32_t n)
{
	return berth_below(ask->draw(ask->from), n);
}

/* ---- walks over the range ---- */

static bool fits(const struct berth_habit_ask *ask, uint32_t port)
{
	return !ask->fits || ask->fits(ask->of, port);
}

static bool is_free(const struct berth_habit_ask *ask, uint32_t port)
{
	return berth_portset_has(ask->free, port) && fits(ask, port);
}

/* The lowest member in from..last; -1: none. Of a set that is drawn from only the leaves are right (draw.h). */
static int32_t first_member(const struct berth_portset *s, uint32_t from, uint32_t last)
{
	uint32_t w = from >> 6;
	uint64_t x = s->leaf[w] & (~0ULL << (from & 63));
	int32_t port;

	while (!x && w < last >> 6)
		x = s->leaf[++w];
	if (!x)
		return -1;
	port = (int32_t)(w << 6 | berth_ctz64(x));
	return port > (int32_t)last ? -1 : port;
}

/* The lowest free port in from..last; -1: none. */
static int32_t first_free(const struct berth_habit_ask *ask, uint32_t from, uint32_t last)
{
	int32_t port = first_member(ask->free, from, last);

	while (port >= 0 && port < (int32_t)last && !fits(ask, (uint32_t)port))
		port = first_member(ask->free, (uint32_t)port + 1, last);
	return port == (int32_t)last && !fits(ask, last) ? -1 : port;
}

/* The free port that comes first in from, from + 1, ... to the range's end, then from its start; -1: none. */
static int32_t walk_up(const struct berth_habit_ask *ask, uint32_t from, uint32_t *out_tries)
{
	int32_t port = first_free(ask, from, ask->range.last);

	if (port < 0)
		port = first_free(ask, ask->range.first, ask->range.last);
	if (port < 0) {
		*out_tries = berth_range_len(ask->range);
		return -1;
	}
	*out_tries = (uint32_t)port - from + 1;
	if ((uint32_t)port < from)
		*out_tries += berth_range_len(ask->range);
	return port;
}

/* The highest member in low..from; -1: none. */
static int32_t last_member(const struct berth_portset *s, uint32_t low, uint32_t from)
{
	uint32_t w = from >> 6;
	uint64_t x = s->leaf[w] & (~0ULL >> (63 - (from & 63)));
	int32_t port;

	while (!x && w > low >> 6)
		x = s->leaf[--w];
	if (!x)
		return -1;
	port = (int32_t)(w << 6 | (63 - (uint32_t)__builtin_clzll(x)));
	return port < (int32_t)low ? -1 : port;
}

/* The highest free port in low..from; -1: none. */
static int32_t last_free(const struct berth_habit_ask *ask, uint32_t low, uint32_t from)
{
	int32_t port = last_member(ask->free, low, from);

	while (port > (int32_t)low && !fits(ask, (uint32_t)port))
		port = last_member(ask->free, low, (uint32_t)port - 1);
	return port == (int32_t)low && !fits(ask, low) ? -1 : port;
}

static int32_t walk_down(const struct berth_habit_ask *ask, uint32_t from, uint32_t *out_tries)
{
	int32_t port = last_free(ask, ask->range.first, from);

	if (port < 0)
		port = last_free(ask, ask->range.first, ask->range.last);
	if (port < 0) {
		*out_tries = berth_range_len(ask->range);
		return -1;
	}
	*out_tries = from - (uint32_t)port + 1;
	if ((uint32_t)port > from)
		*out_tries += berth_range_len(ask->range);
	return port;
}

/* The index of the first free port in from, from + 2, ... (n of them, n > 0); n where there is none. */
static uint32_t first_of_parity(const struct berth_portset *s, uint32_t from, uint32_t n)
{
	uint64_t parity = 0x5555555555555555ULL << (from & 1);
	uint32_t w = from >> 6, last = from + 2 * (n - 1), port;
	uint64_t x = s->leaf[w] & parity & (~0ULL << (from & 63));

	while (!x && w < last >> 6)
		x = s->leaf[++w] & parity;
	if (!x)
		return n;
	port = w << 6 | berth_ctz64(x);
	return port > last ? n : (port - from) / 2;
}

/* As first_of_parity(), the first that fits. */
static uint32_t free_of_parity(const struct berth_habit_ask *ask, uint32_t from, uint32_t n)
{
	uint32_t k = first_of_parity(ask->free, from, n);

	while (k < n && !fits(ask, from + 2 * k)) {
		k++;
		k += k < n ? first_of_parity(ask->free, from + 2 * k, n - k) : 0;
	}
	return k;
}

/*
 * Linux' scan of one parity: from first + offset in steps of 2; past the end it goes back by remaining, the
 * number of ports made even. Adds to *tries; *out_i is the loop's i.
 */
static int32_t scan_parity(const struct berth_habit_ask *ask, uint32_t offset, uint32_t remaining,
			   uint32_t *tries, uint32_t *out_i)
{
	uint32_t high = (uint32_t)ask->range.last + 1, n = (remaining + 1) / 2;
	uint32_t port = ask->range.first + offset, before, k;

	if (port >= high)
		port -= remaining;
	before = (high - port + 1) / 2;
	before = before < n ? before : n;
	k = free_of_parity(ask, port, before);
	if (k == before && k < n) {
		port = port + 2 * before - remaining;
		k = free_of_parity(ask, port, n - before);
		port -= 2 * before;
		k += before;
	}
	*tries += k < n ? k + 1 : n;
	if (k == n)
		return -1;
	*out_i = 2 * k;
	return (int32_t)(port + 2 * k);
}

/* Both parities, that of offset first. */
static int32_t scan_parities(const struct berth_habit_ask *ask, uint32_t offset, uint32_t remaining,
			     uint32_t *out_tries, uint32_t *out_i)
{
	int32_t port;

	*out_tries = 0;
	port = scan_parity(ask, offset, remaining, out_tries, out_i);
	if (port < 0 && remaining > 1)
		port = scan_parity(ask, offset ^ 1, remaining, out_tries, out_i);
	return port;
}

/* ---- Linux ---- */

static uint32_t linux_remaining(const struct berth_habit_ask *ask)
{
	uint32_t n = berth_range_len(ask->range);

	return n > 1 ? n & ~1u : n;
}

static int32_t next_linux(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			  uint32_t *out_tries)
{
	uint64_t hash = rekeyed(ask->hash, ask->now_s / LINUX_REKEY_S);
	uint32_t index = (uint32_t)hash & (BERTH_HABIT_TABLE - 1), i = 0, step;
	uint32_t remaining = linux_remaining(ask);
	uint32_t offset = (counter_at(s, index) + (uint32_t)(hash >> 32)) % remaining & ~1u;
	int32_t port = scan_parities(ask, offset, remaining, out_tries, &i);

	if (port < 0)
		return port;
	step = draw_below(ask, LINUX_PERTURB) * 2;
	s->table[index] += (i > step ? i : step) + 2;
	return port;
}

static int32_t next_linux_5_12(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			       uint32_t *out_tries)
{
	uint32_t hash = (uint32_t)ask->hash, i = 0;
	/* hash_32(): the upper bits of a product with the golden ratio. */
	uint32_t index = hash * 0x61c88647u >> (32 - LINUX_5_12_TABLE_BITS);
	uint32_t remaining = linux_remaining(ask);
	uint32_t offset = (counter_at(s, index) + hash) % remaining & ~1u;
	int32_t port = scan_parities(ask, offset, remaining, out_tries, &i);

	if (port < 0)
		return port;
	if (!i && draw_below(ask, 16) == 0)
		i = 2;
	s->table[index] += i + 2;
	return port;
}

static int32_t next_linux_4_2(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			      uint32_t *out_tries)
{
	uint32_t remaining = linux_remaining(ask), i = 0;
	uint32_t offset = (s->counter + (uint32_t)ask->hash) % remaining & ~1u;
	int32_t port = scan_parities(ask, offset, remaining, out_tries, &i);

	if (port >= 0)
		s->counter += i + 2;
	return port;
}

static int32_t next_linux_2_6(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			      uint32_t *out_tries)
{
	uint32_t offset = s->counter + (uint32_t)ask->hash;
	uint32_t start = (uint32_t)(((uint64_t)offset + 1) % berth_range_len(ask->range));
	int32_t port = walk_up(ask, ask->range.first + start, out_tries);

	if (port >= 0)
		s->counter += *out_tries;
	return port;
}

static int32_t next_linux_bind(const struct berth_habit_ask *ask, uint32_t *out_tries)
{
	uint32_t remaining = linux_remaining(ask), i;

	return scan_parities(ask, draw_below(ask, remaining) | 1, remaining, out_tries, &i);
}

static int32_t next_linux_udp(const struct berth_habit_state *s, const struct berth_habit_ask *ask,
			      uint32_t *out_tries)
{
	uint32_t rnd = ask->draw(ask->from), chain;
	uint16_t first =
		(uint16_t)(berth_below(rnd, berth_range_len(ask->range)) + ask->range.first);
	uint16_t step = (uint16_t)((rnd | 1) * s->udp_table), port;

	*out_tries = 0;
	for (chain = 0; chain < s->udp_table; chain++, first++) {
		port = first;
		do {
			if (port >= ask->range.first && port <= ask->range.last) {
				++*out_tries;
				if (is_free(ask, port))
					return port;
			}
			port = (uint16_t)(port + step);
		} while (port != first);
	}
	return -1;
}

/* ---- BSD ---- */

/* "last port, plus one": the port after s->counter. */
static int32_t next_after(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			  uint32_t *out_tries)
{
	uint32_t from = s->counter + 1;
	int32_t port;

	if (from < ask->range.first || from > ask->range.last)
		from = ask->range.first;
	port = walk_up(ask, from, out_tries);
	if (port >= 0)
		s->counter = (uint32_t)port;
	return port;
}

/* first + random % (last - first), and from there the port after: never first itself, where that is free. */
static int32_t next_bsd_random(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			       uint32_t *out_tries)
{
	uint32_t width = berth_range_len(ask->range) - 1;

	s->counter = ask->range.first + (width ? draw_below(ask, width) : 0);
	return next_after(s, ask, out_tries);
}

/* What the system's clock does once a second. */
static void freebsd_tick(struct berth_habit_state *s, uint32_t now_s)
{
	uint32_t ticks = now_s - s->tick_s;

	if (!ticks)
		return;
	s->tick_s = now_s;
	if (s->allocs > s->last_allocs + FREEBSD_RANDOM_CPS) {
		s->stop_s = FREEBSD_RANDOM_TIME_S;
		ticks--;
	}
	s->last_allocs = s->allocs;
	s->stop_s -= ticks < s->stop_s ? ticks : s->stop_s;
}

static int32_t next_freebsd_old(struct berth_habit_state *s, const struct berth_habit_ask *ask,
				uint32_t *out_tries)
{
	freebsd_tick(s, ask->now_s);
	s->allocs++;
	return s->stop_s ? next_after(s, ask, out_tries) : next_bsd_random(s, ask, out_tries);
}

static int32_t next_netbsd_bsd(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			       uint32_t *out_tries)
{
	uint32_t from = (uint16_t)s->counter;
	int32_t port;

	if (from < ask->range.first || from > ask->range.last)
		from = ask->range.last;
	port = walk_down(ask, from, out_tries);
	if (port >= 0)
		s->counter = (uint32_t)port - 1;
	return port;
}

static int32_t next_random_start(const struct berth_habit_ask *ask, uint32_t *out_tries)
{
	return walk_up(ask, ask->range.first + draw_below(ask, berth_range_len(ask->range)),
		       out_tries);
}

/*
 * hash and doublehash of NetBSD: the offset is as random as its key, so the counter adds nothing to it. The counter
 * has 16 bits: where it wraps, the walk jumps.
 */
static int32_t walk_counter16(const struct berth_habit_ask *ask, uint32_t *counter,
			      uint32_t *out_tries)
{
	uint32_t n = berth_range_len(ask->range), offset = (uint16_t)ask->draw(ask->from);
	uint32_t value = (uint16_t)*counter, before = BERTH_PORTS - value;
	int32_t port = walk_up(ask, ask->range.first + (value + offset) % n, out_tries);

	if (*out_tries > before) {
		port = walk_up(ask, ask->range.first + offset % n, out_tries);
		*out_tries += before;
		if (port < 0 || *out_tries > n) {
			*out_tries = n;
			port = -1;
		}
	}
	*counter = (uint16_t)(value + *out_tries);
	return port;
}

static int32_t next_netbsd_doublehash(struct berth_habit_state *s,
				      const struct berth_habit_ask *ask, uint32_t *out_tries)
{
	/* G draws its key anew, too. */
	return walk_counter16(ask, &s->table[ask->draw(ask->from) % NETBSD_TABLE], out_tries);
}

static int32_t next_netbsd_randinc(struct berth_habit_state *s, const struct berth_habit_ask *ask,
				   uint32_t *out_tries)
{
	uint32_t n = berth_range_len(ask->range), tries, port;

	for (tries = 1; tries <= n; tries++) {
		s->counter = (uint16_t)(s->counter + draw_below(ask, BERTH_RANDOM_INCREMENT_N) + 1);
		port = ask->range.first + s->counter % n;
		*out_tries = tries;
		if (is_free(ask, port))
			return (int32_t)port;
	}
	return -1;
}

/* Reserved ports are passed over as those in use are. */
static int32_t next_random_pick(const struct berth_habit_ask *ask, uint32_t *out_tries)
{
	uint32_t n = berth_range_len(ask->range), port;

	for (*out_tries = 1; *out_tries <= n; ++*out_tries) {
		port = ask->range.first + draw_below(ask, n);
		if (is_free(ask, port))
			return (int32_t)port;
	}
	*out_tries = n;
	return -1;
}

/* ---- without a system ---- */

/* Random members of the pool until one is free, as many tries as it has members. */
static int32_t next_retry(const struct berth_habit_ask *ask, uint32_t *out_tries)
{
	uint32_t tries;
	int32_t port;

	for (tries = 1; tries <= ask->pool->count; tries++) {
		port = berth_portset_kth(ask->pool, draw_below(ask, ask->pool->count));
		*out_tries = tries;
		if (berth_portset_has(ask->free, (uint32_t)port))
			return port;
	}
	return -1;
}

static int32_t next_windows(struct berth_habit_state *s, const struct berth_habit_ask *ask,
			    uint32_t *out_tries)
{
	uint64_t start = (uint64_t)s->counter + (uint32_t)ask->hash;
	uint32_t index = (uint32_t)(start % berth_range_len(ask->range));
	int32_t port = walk_up(ask, ask->range.first + index, out_tries);

	s->counter += *out_tries;
	return port;
}

static int32_t next_policy(enum berth_policy policy, struct berth_habit_state *s,
			   const struct berth_habit_ask *ask, uint32_t *out_tries)
{
	bool table = policy == BERTH_POLICY_DOUBLE_HASH,
	     hashed = table || policy == BERTH_POLICY_HASH;
	uint64_t hash = s->rekey_s ? rekeyed(ask->hash, ask->now_s / s->rekey_s) : ask->hash;
	uint32_t index = berth_below((uint32_t)(hash >> 32), s->counters);
	uint32_t *counter = table ? &s->table[index] : &s->counter;
	uint32_t rnd = ask->draw(ask->from), step, value, start;
	int32_t port;

	*out_tries = 1;
	if (!berth_policy_scans(policy))
		return berth_policy_pick(policy, ask->pool, ask->free, 0, rnd);
	step = berth_policy_step(policy, rnd);
	if (policy == BERTH_POLICY_RANDOM_INCREMENT)
		*counter += step;
	value = table ? counter_at(s, index) : *counter;
	start = berth_policy_start(policy, ask->pool->count, value, hashed ? (uint32_t)hash : 0,
				   rnd);
	port = berth_policy_pick(policy, ask->pool, ask->free, start, rnd);
	*out_tries = port < 0 ? ask->pool->count
			      : berth_policy_passed(ask->pool, start, (uint32_t)port) + 1;
	if (policy != BERTH_POLICY_RANDOM && policy != BERTH_POLICY_RANDOM_INCREMENT)
		*counter += *out_tries;
	return port;
}

int32_t berth_habit_next(enum berth_habit habit, struct berth_habit_state *s,
			 const struct berth_habit_ask *ask, uint32_t *out_tries)
{
	switch (habit) {
	case BERTH_HABIT_RANDOM_RETRY:
		return next_retry(ask, out_tries);
	case BERTH_HABIT_LINUX:
		return next_linux(s, ask, out_tries);
	case BERTH_HABIT_LINUX_5_12:
		return next_linux_5_12(s, ask, out_tries);
	case BERTH_HABIT_LINUX_4_2:
		return next_linux_4_2(s, ask, out_tries);
	case BERTH_HABIT_LINUX_2_6:
		return next_linux_2_6(s, ask, out_tries);
	case BERTH_HABIT_LINUX_BIND:
		return next_linux_bind(ask, out_tries);
	case BERTH_HABIT_LINUX_UDP:
		return next_linux_udp(s, ask, out_tries);
	case BERTH_HABIT_FREEBSD:
	case BERTH_HABIT_OPENBSD:
	case BERTH_HABIT_MACOS_UDP:
		return next_bsd_random(s, ask, out_tries);
	case BERTH_HABIT_FREEBSD_OLD:
		return next_freebsd_old(s, ask, out_tries);
	case BERTH_HABIT_NETBSD_BSD:
		return next_netbsd_bsd(s, ask, out_tries);
	case BERTH_HABIT_NETBSD_RANDOM_START:
		return next_random_start(ask, out_tries);
	case BERTH_HABIT_NETBSD_RANDOM_PICK:
		return next_random_pick(ask, out_tries);
	case BERTH_HABIT_NETBSD_HASH:
		return walk_counter16(ask, &s->counter, out_tries);
	case BERTH_HABIT_NETBSD_DOUBLEHASH:
		return next_netbsd_doublehash(s, ask, out_tries);
	case BERTH_HABIT_NETBSD_RANDINC:
		return next_netbsd_randinc(s, ask, out_tries);
	case BERTH_HABIT_MACOS:
	case BERTH_HABIT_BSD_CLASSIC:
		return next_after(s, ask, out_tries);
	case BERTH_HABIT_WINDOWS:
		return next_windows(s, ask, out_tries);
	default:
		return next_policy((enum berth_policy)habit, s, ask, out_tries);
	}
}
