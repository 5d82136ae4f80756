/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulator's engine: one host after the other. */
#include "src/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "src/sim/random.h"

#define MEMORY_MAX (2ull << 30)
#define GUESS_EACH 64u  /* one connection in so many is looked at by the attacker */
#define LATE 8u         /* choices on their way; a power of two */
#define GUESS_MIN 5000u /* looks that would show a guess of 1 in 1,000 */
#define RISK_MIN 100u   /* of fewer pairs no share is told */
#define NONE UINT32_MAX

/* What one (destination, port) remembers. What a host before wrote is told by its number. */
struct cell {
	uint32_t used;    /* number of the destination's connection that had it last */
	uint32_t held_ms; /* the server holds the pair until then */
};

/*
 * A choice whose cell is still on its way from memory: cells are many and met in no order, so each is looked at
 * some choices later.
 */
struct late {
	struct cell *cell;
	uint32_t d, number, now_ms, held_ms;
	bool counted;
};

/* The end of a connection, in a bucket of the wheel. */
struct end {
	uint32_t next;
	uint16_t space, port;
	uint64_t tick;
};

/* Ports of which each may be in use once: one for each destination, or one for the host. */
struct space {
	struct berth_portset free; /* longest-idle: never used */
	uint32_t held;
	uint32_t head, tail; /* of the ring of longest-idle */
};

/* Destinations by their share: alias method (Vose 1991). */
struct alias {
	double keep;
	uint32_t other;
};

struct world {
	const struct berth_sim_load *load;
	struct berth_sim_tally *tally;
	struct berth_random random;
	struct berth_habit_state *state;
	struct berth_habit_ask ask;
	struct space *space;
	uint16_t (*ring)[BERTH_PORTS];
	struct cell *cell;
	struct end *end;
	uint32_t *bucket;
	struct alias *alias;
	uint32_t *todo;
	uint32_t *count;     /* connections of each destination, of all hosts so far */
	uint32_t *begun;     /* what count was when the host began */
	uint16_t *last_port; /* of each destination; 0: none */
	uint64_t *key;       /* hash of each destination */
	uint32_t ends, free_end, buckets, spaces, cells;
	struct late late[LATE];
	uint32_t late_count; /* how many there were */
	uint16_t seen_port;  /* the host's last, and where */
	uint32_t seen_at;
	uint32_t turn;  /* which choices the attacker looks at */
	unsigned shift; /* a tick is 2^shift ns */
	uint64_t now_ns, tick;
	double gap_ns, life_ns, wait_ns;
	bool judge, share, idle_order;
};

static uint32_t power_of_two(double at_least, uint32_t low, uint32_t high)
{
	while (low < high && low < at_least)
		low *= 2;
	return low;
}

/* ---- distances ---- */

uint32_t berth_sim_reuse_bin(uint64_t distance)
{
	uint32_t octave;

	if (distance < 32)
		return (uint32_t)distance;
	octave = 63 - (uint32_t)__builtin_clzll(distance);
	return octave > 32 ? BERTH_SIM_REUSE_BINS - 1
			   : 16 * (octave - 4) + (uint32_t)(distance >> (octave - 4));
}

uint64_t berth_sim_reuse_top(uint32_t bin)
{
	uint32_t octave = bin / 16 + 3;

	return bin < 32 ? bin : ((uint64_t)(bin % 16 + 17) << (octave - 4)) - 1;
}

/* ---- memory ---- */

struct shape {
	uint32_t spaces, buckets, ports;
	size_t cells, rings;
};

static struct shape shape_of(const struct berth_sim_load *load)
{
	double hold_s = load->life_s + load->time_wait_s * load->close_client;
	struct shape s = { .ports = berth_range_len(load->range) };

	s.spaces = berth_habit_row(load->habit).share ? load->destinations : 1;
	s.cells = (size_t)s.ports * load->destinations;
	s.rings = load->habit == BERTH_HABIT_LONGEST_IDLE ? s.spaces : 0;
	s.buckets = power_of_two(load->rate_per_s * hold_s, 256, 1u << 20);
	return s;
}

/* Takes size bytes off the memory; with a NULL memory only counts. */
static void *take(char **memory, size_t *used, size_t size)
{
	char *p = *memory;

	size = (size + 63) & ~(size_t)63;
	*used += size;
	if (p)
		*memory += size;
	return p;
}

static size_t lay_out(const struct berth_sim_load *load, char *memory, struct world *w)
{
	struct shape s = shape_of(load);
	size_t used = 0;

	w->state = take(&memory, &used, sizeof(*w->state));
	w->space = take(&memory, &used, s.spaces * sizeof(*w->space));
	w->ring = take(&memory, &used, s.rings * sizeof(*w->ring));
	w->cell = take(&memory, &used, s.cells * sizeof(*w->cell));
	w->end = take(&memory, &used, (size_t)s.spaces * s.ports * sizeof(*w->end));
	w->bucket = take(&memory, &used, s.buckets * sizeof(*w->bucket));
	w->alias = take(&memory, &used, load->destinations * sizeof(*w->alias));
	w->todo = take(&memory, &used, load->destinations * sizeof(*w->todo));
	w->begun = take(&memory, &used, load->destinations * sizeof(*w->begun));
	w->count = take(&memory, &used, load->destinations * sizeof(*w->count));
	w->last_port = take(&memory, &used, load->destinations * sizeof(*w->last_port));
	w->key = take(&memory, &used, load->destinations * sizeof(*w->key));
	w->spaces = s.spaces;
	w->buckets = s.buckets;
	w->cells = (uint32_t)s.cells;
	return used;
}

size_t berth_sim_memory(const struct berth_sim_load *load)
{
	struct world w;

	return lay_out(load, NULL, &w);
}

int berth_sim_check(const struct berth_sim_load *load, struct berth_why *why)
{
	if (!load->pool.count)
		return berth_why(why, -EINVAL,
				 "no port is left to choose from; widen --ports or reserve less");
	if (!load->destinations || load->destinations > 65535 || !load->hosts)
		return berth_why(why, -EINVAL,
				 "1 to 65535 destinations and at least one host are wanted");
	if (load->connections / load->hosts > 1u << 31)
		return berth_why(
			why, -EINVAL,
			"at most 2^31 connections for each host; spread them with --hosts");
	if (!(load->rate_per_s > 0 && load->rate_per_s <= 1e8) || !(load->life_s >= 0) ||
	    !(load->time_wait_s >= 0) || load->life_s > 1e6 || load->time_wait_s > 1e6)
		return berth_why(
			why, -EINVAL,
			"a rate above 0 and at most 1e8 a second, and times of 0 to 1e6 s are wanted");
	if ((double)(load->connections / load->hosts) / load->rate_per_s > 4e6)
		return berth_why(
			why, -EINVAL,
			"a host would be played for more than 4,000,000 s; take fewer connections "
			"or a higher --rate");
	if (!(load->close_client >= 0) || !(load->close_server >= 0) ||
	    load->close_client + load->close_server > 1.000001)
		return berth_why(why, -EINVAL,
				 "the shares that client and server close add up to more than 1");
	if (berth_sim_memory(load) > MEMORY_MAX)
		return berth_why(
			why, -EINVAL,
			"%zu MB of memory for each thread would be needed, at most %llu are taken; "
			"fewer --destinations",
			berth_sim_memory(load) >> 20, MEMORY_MAX >> 20);
	return 0;
}

/* ---- a host ---- */

/* Small and large shares are stacked from the two ends of todo, which has one place for each destination. */
static void fill_alias(struct world *w)
{
	uint32_t n = w->load->destinations, i, small = 0, large = n, *todo = w->todo;
	double sum = 0;

	for (i = 0; i < n; i++)
		sum += pow(i + 1, -w->load->popularity);
	for (i = 0; i < n; i++) {
		w->alias[i] = (struct alias){ pow(i + 1, -w->load->popularity) / sum * n, i };
		todo[w->alias[i].keep < 1 ? small++ : --large] = i;
	}
	/* Each share below the mean is filled up by one above it, which may fall below by that. */
	while (small && large < n) {
		uint32_t few = todo[--small], many = todo[large];

		w->alias[few].other = many;
		w->alias[many].keep -= 1 - w->alias[few].keep;
		if (w->alias[many].keep < 1) {
			large++;
			todo[small++] = many;
		}
	}
}

static void begin_world(struct world *w, const struct berth_sim_load *load, void *memory,
			struct berth_sim_tally *tally)
{
	struct berth_habit_row row = berth_habit_row(load->habit);

	memset(w, 0, sizeof(*w));
	lay_out(load, memory, w);
	w->load = load;
	w->tally = tally;
	w->ask = (struct berth_habit_ask){
		.range = load->range,
		.pool = &load->pool,
		.draw = berth_random_draw,
		.from = &w->random,
	};
	w->share = row.share;
	w->idle_order = load->habit == BERTH_HABIT_LONGEST_IDLE;
	w->gap_ns = 1e9 / load->rate_per_s;
	w->life_ns = load->life_s * 1e9;
	w->wait_ns = load->time_wait_s * 1e9;
	while (w->shift < 40 && (double)(1ull << w->shift) < w->gap_ns)
		w->shift++;
	fill_alias(w);
}

/* No cell is the new host's. Numbers begin again before they could wrap in the middle of a host. */
static void forget_cells(struct world *w)
{
	uint32_t i, n = w->load->destinations, most = 0;

	for (i = 0; i < n; i++) {
		most = w->count[i] > most ? w->count[i] : most;
		w->begun[i] = w->count[i];
	}
	if (most < 1u << 31)
		return;
	memset(w->cell, 0, w->cells * sizeof(*w->cell));
	memset(w->count, 0, n * sizeof(*w->count));
	memset(w->begun, 0, n * sizeof(*w->begun));
}

static void begin_host(struct world *w, uint32_t number)
{
	uint32_t i;

	w->random = berth_random_stream(w->load->seed, number);
	berth_habit_init(w->state, w->load->habit, berth_random_draw, &w->random);
	if (w->load->counters)
		w->state->counters = w->load->counters;
	w->state->rekey_s = w->load->rekey_s;
	for (i = 0; i < w->spaces; i++) {
		w->space[i].free = w->load->pool;
		w->space[i].held = w->space[i].head = w->space[i].tail = 0;
	}
	for (i = 0; i < w->load->destinations; i++)
		w->key[i] = berth_random64(&w->random);
	forget_cells(w);
	memset(w->bucket, 0xff, w->buckets * sizeof(*w->bucket));
	memset(w->last_port, 0, w->load->destinations * sizeof(*w->last_port));
	w->ends = 0;
	w->free_end = NONE;
	w->now_ns = w->tick = 0;
	w->seen_port = 0;
	w->turn = 0;
	w->judge = number & 1;
}

static void give_back(struct world *w, const struct end *e)
{
	struct space *s = &w->space[e->space];

	s->held--;
	if (w->idle_order)
		w->ring[e->space][s->tail++ & (BERTH_PORTS - 1)] = e->port;
	else
		berth_portset_add(&s->free, e->port);
}

/* Ends what is due in one bucket; what is due in a later round stays. */
static void end_bucket(struct world *w, uint64_t tick)
{
	uint32_t *link = &w->bucket[tick & (w->buckets - 1)];

	while (*link != NONE) {
		uint32_t at = *link;
		struct end *e = &w->end[at];

		if (e->tick > tick) {
			link = &e->next;
			continue;
		}
		give_back(w, e);
		*link = e->next;
		e->next = w->free_end;
		w->free_end = at;
	}
}

static void end_due(struct world *w)
{
	uint64_t to = w->now_ns >> w->shift;

	/* A gap of more than a round passes each bucket once. */
	if (to - w->tick > w->buckets)
		w->tick = to - w->buckets;
	for (; w->tick < to; w->tick++)
		end_bucket(w, w->tick);
}

static void hold(struct world *w, uint32_t space, uint32_t port, uint64_t until_ns)
{
	uint64_t tick = until_ns >> w->shift;
	uint32_t at = w->free_end, *link = &w->bucket[tick & (w->buckets - 1)];

	if (at == NONE)
		at = w->ends++;
	else
		w->free_end = w->end[at].next;
	w->end[at] = (struct end){ *link, (uint16_t)space, (uint16_t)port, tick };
	*link = at;
}

static uint32_t some_destination(struct world *w)
{
	uint64_t x;
	uint32_t i;

	if (w->load->destinations == 1)
		return 0;
	x = berth_random64(&w->random);
	i = berth_below((uint32_t)x, w->load->destinations);
	return (double)(x >> 32) * 0x1p-32 < w->alias[i].keep ? i : w->alias[i].other;
}

static double some_life(struct world *w)
{
	double u;

	switch (w->load->life) {
	case BERTH_LIFE_FIXED:
		return w->life_ns;
	case BERTH_LIFE_EXPONENTIAL:
		return w->life_ns * berth_random_exponential(&w->random);
	default:
		/* Pareto, exponent 1.5: a third of the mean is the shortest. */
		u = berth_random_unit(&w->random);
		return w->life_ns / 3 / cbrt(u * u);
	}
}

static int32_t choose(struct world *w, uint32_t d, struct space *s, uint32_t *out_tries)
{
	int32_t port;

	if (w->idle_order && !s->free.count) {
		*out_tries = 1;
		return s->head == s->tail ? -1 : w->ring[d][s->head++ & (BERTH_PORTS - 1)];
	}
	w->ask.free = &s->free;
	w->ask.hash = w->key[d];
	w->ask.now_s = (uint32_t)(w->now_ns / 1000000000u);
	port = berth_habit_next(w->load->habit, w->state, &w->ask, out_tries);
	if (port >= 0)
		berth_portset_remove(&s->free, (uint32_t)port);
	return port;
}

/* ---- what is counted ---- */

static uint32_t on_ring(const struct world *w, uint32_t from, uint32_t to)
{
	uint32_t n = berth_range_len(w->load->range);

	return to >= from ? to - from : to + n - from;
}

static void count_guess(struct world *w, uint32_t d, uint32_t port)
{
	struct berth_sim_tally *t = w->tally;
	uint32_t at[BERTH_SIGHT_COUNT], i;
	bool seen[BERTH_SIGHT_COUNT];

	seen[BERTH_SIGHT_BLIND] = true;
	at[BERTH_SIGHT_BLIND] = port;
	seen[BERTH_SIGHT_OTHER] = w->seen_port && w->seen_at != d;
	at[BERTH_SIGHT_OTHER] = on_ring(w, w->seen_port, port);
	seen[BERTH_SIGHT_SAME] = w->last_port[d];
	at[BERTH_SIGHT_SAME] = on_ring(w, w->last_port[d], port);
	for (i = 0; i < BERTH_SIGHT_COUNT; i++)
		if (seen[i]) {
			t->guess[i][w->judge][at[i] & (BERTH_PORTS - 1)]++;
			t->seen[i][w->judge]++;
		}
}

/* Where the port lies, seen from the destination's port before. */
static void count_step(struct world *w, uint32_t d, uint32_t port)
{
	struct berth_sim_tally *t = w->tally;
	uint32_t n = berth_range_len(w->load->range), distance;

	if (w->last_port[d]) {
		distance = on_ring(w, w->last_port[d], port);
		t->step += distance < n - distance ? distance : n - distance;
		t->steps++;
	}
	if (w->turn++ % GUESS_EACH == 0)
		count_guess(w, d, port);
}

/* Looks at the cell of a choice, and leaves there what the next one is to find. */
static void settle(struct world *w, const struct late *l)
{
	struct berth_sim_tally *t = w->tally;
	struct cell *c = l->cell;
	uint32_t distance;

	if (l->counted && c->used <= w->begun[l->d]) {
		t->fresh[berth_sim_reuse_bin(l->number - w->begun[l->d] - 1)]++;
	} else if (l->counted) {
		distance = l->number - c->used;
		t->collisions += c->held_ms > l->now_ms;
		t->reused++;
		t->reuse[berth_sim_reuse_bin(distance)]++;
		if (!t->reuse_min || distance < t->reuse_min)
			t->reuse_min = distance;
	}
	c->used = l->number;
	c->held_ms = l->held_ms;
}

static void count_try(struct world *w, const struct space *s, bool refused, uint32_t tries)
{
	struct berth_sim_tally *t = w->tally;

	t->tried++;
	t->tries += tries;
	t->tries_max = tries > t->tries_max ? tries : t->tries_max;
	t->held += s->held;
	t->held_max = s->held > t->held_max ? s->held : t->held_max;
	t->refused += refused;
	t->missed += refused && s->free.count;
}

/* Decides how long the pair is held, here and at the server. */
static void begin_connection(struct world *w, uint32_t d, uint32_t port, bool counted)
{
	const struct berth_sim_load *l = w->load;
	uint32_t at = w->share ? d : 0, offset = port - l->range.first;
	double life = some_life(w), who = berth_random_unit(&w->random);
	struct late *late = &w->late[w->late_count++ & (LATE - 1)];

	w->space[at].held++;
	w->last_port[d] = w->seen_port = (uint16_t)port;
	w->seen_at = d;
	hold(w, at, port, w->now_ns + (uint64_t)(life + (who < l->close_client ? w->wait_ns : 0)));
	if (w->late_count > LATE)
		settle(w, late);
	late->cell = &w->cell[(size_t)d * berth_range_len(l->range) + offset];
	__builtin_prefetch(late->cell, 1);
	late->d = d;
	late->number = ++w->count[d];
	late->counted = counted;
	late->now_ms = (uint32_t)(w->now_ns / 1000000u);
	late->held_ms = 0;
	if (who >= l->close_client && who < l->close_client + l->close_server)
		late->held_ms = (uint32_t)((w->now_ns + (uint64_t)(life + w->wait_ns)) / 1000000u);
}

static void connect_one(struct world *w, bool counted)
{
	uint32_t d, tries;
	struct space *s;
	int32_t port;

	w->now_ns += (uint64_t)(w->load->even ? w->gap_ns
					      : w->gap_ns * berth_random_exponential(&w->random));
	end_due(w);
	d = some_destination(w);
	s = &w->space[w->share ? d : 0];
	port = choose(w, d, s, &tries);
	if (counted)
		count_try(w, s, port < 0, tries);
	if (port < 0)
		return;
	if (counted)
		count_step(w, d, (uint32_t)port);
	begin_connection(w, d, (uint32_t)port, counted);
}

static void settle_all(struct world *w)
{
	uint32_t i = w->late_count > LATE ? w->late_count - LATE : 0;

	for (; i < w->late_count; i++)
		settle(w, &w->late[i & (LATE - 1)]);
	w->late_count = 0;
}

void berth_sim_play(const struct berth_sim_load *load, uint32_t first, uint32_t step, void *memory,
		    struct berth_sim_tally *tally)
{
	double settled = 2 * (load->life_s + load->time_wait_s) * load->rate_per_s;
	uint64_t i, n, before;
	uint32_t host;
	struct world w;

	begin_world(&w, load, memory, tally);
	for (host = first; host < load->hosts; host += step) {
		n = load->connections / load->hosts + (host < load->connections % load->hosts);
		before = settled < (double)(n / 4) ? (uint64_t)settled : n / 4;
		begin_host(&w, host);
		for (i = 0; i < n; i++)
			connect_one(&w, i >= before);
		settle_all(&w);
	}
}

/* ---- sums ---- */

void berth_sim_add(struct berth_sim_tally *whole, const struct berth_sim_tally *part)
{
	uint32_t i, j, k;

	whole->tried += part->tried;
	whole->refused += part->refused;
	whole->missed += part->missed;
	whole->collisions += part->collisions;
	whole->tries += part->tries;
	whole->held += part->held;
	whole->step += part->step;
	whole->steps += part->steps;
	whole->reused += part->reused;
	if (part->tries_max > whole->tries_max)
		whole->tries_max = part->tries_max;
	if (part->held_max > whole->held_max)
		whole->held_max = part->held_max;
	if (part->reuse_min && (!whole->reuse_min || part->reuse_min < whole->reuse_min))
		whole->reuse_min = part->reuse_min;
	for (i = 0; i < BERTH_SIM_REUSE_BINS; i++)
		whole->reuse[i] += part->reuse[i], whole->fresh[i] += part->fresh[i];
	for (i = 0; i < BERTH_SIGHT_COUNT; i++)
		for (j = 0; j < 2; j++) {
			whole->seen[i][j] += part->seen[i][j];
			for (k = 0; k < BERTH_PORTS; k++)
				whole->guess[i][j][k] += part->guess[i][j][k];
		}
}

uint32_t berth_sim_reuse_share(const struct berth_sim_tally *t,
			       double out_share[BERTH_SIM_REUSE_BINS])
{
	uint64_t at_risk = 0;
	double still = 1;
	uint32_t i;

	for (i = 0; i < BERTH_SIM_REUSE_BINS; i++)
		at_risk += t->reuse[i] + t->fresh[i];
	for (i = 0; i < BERTH_SIM_REUSE_BINS && at_risk >= RISK_MIN; i++) {
		/* Those that are lost sight of within the bin were at risk for half of it. */
		still *= 1 - (double)t->reuse[i] / ((double)at_risk - (double)t->fresh[i] / 2);
		out_share[i] = 1 - still;
		at_risk -= t->reuse[i] + t->fresh[i];
	}
	return i;
}

static uint64_t reuse_quantile(const struct berth_sim_tally *t, double share)
{
	double within[BERTH_SIM_REUSE_BINS];
	uint32_t i, n = berth_sim_reuse_share(t, within);

	for (i = 0; i < n; i++)
		if (within[i] >= share)
			return berth_sim_reuse_top(i);
	return 0;
}

/* True where so many hits are more than chance leaves, once in a thousand. */
static bool more_than_chance(double hits, double mean)
{
	double term = exp(-mean), below = 0;
	uint32_t i;

	/* Far out the count is as good as normal. */
	if (hits > 100 || mean > 100)
		return hits > mean + 3.1 * sqrt(mean) + 3;
	for (i = 0; i < hits; i++) {
		below += term;
		term *= mean / (i + 1);
	}
	return 1 - below < 1e-3;
}

/* The guess that did best in one half, judged by the other. */
static double guess_of(const struct berth_sim_tally *t, enum berth_sim_sight sight, double chance)
{
	uint32_t k, half, best;
	double hits = 0, seen = 0;

	if (!t->seen[sight][0] || !t->seen[sight][1])
		return -1;
	for (half = 0; half < 2; half++) {
		for (best = 0, k = 1; k < BERTH_PORTS; k++)
			if (t->guess[sight][half][k] > t->guess[sight][half][best])
				best = k;
		hits += t->guess[sight][!half][best];
		seen += (double)t->seen[sight][!half];
	}
	if (more_than_chance(hits, seen * chance))
		return hits / seen;
	/* One of the ports is as likely as all are on average, and a lucky hit shows no more; few looks show nothing. */
	return seen >= GUESS_MIN || seen * chance >= 20 ? chance : -1;
}

void berth_sim_figures(const struct berth_sim_load *load, const struct berth_sim_tally *tally,
		       struct berth_sim_result *out)
{
	double tried = tally->tried ? (double)tally->tried : 1, ports = load->pool.count;
	uint32_t i;

	out->refused = (double)tally->refused / tried;
	out->missed = (double)tally->missed / tried;
	out->collisions = (double)tally->collisions / tried;
	out->tries = (double)tally->tries / tried;
	out->occupancy = (double)tally->held / tried / ports;
	out->occupancy_max = (double)tally->held_max / ports;
	out->cycle = tally->step ? berth_range_len(load->range) * (double)tally->steps /
					   (double)tally->step
				 : 0;
	out->reuse_min = tally->reuse_min;
	out->reuse_1 = reuse_quantile(tally, 0.01);
	out->reuse_50 = reuse_quantile(tally, 0.5);
	for (i = 0; i < BERTH_SIGHT_COUNT; i++)
		out->guess[i] = guess_of(tally, (enum berth_sim_sight)i, 1 / ports);
}
