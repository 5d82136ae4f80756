/* SPDX-License-Identifier: BSD-2-Clause */
/* The tracking attack: visits, fingerprints, and how many devices are known again. */
#include "src/sim/track.h"

#include <errno.h>
#include <string.h>

#include "src/sim/random.h"

#define SITES_MAX 512u
#define SUSPECTS_MAX 64u /* so many are taken two at a time */
#define PAIRS_MAX (SUSPECTS_MAX * (SUSPECTS_MAX - 1) / 2)
#define VOTES 3u
#define VISIT_NS 1000000u /* between two connections of a visit */
#define PAUSE_S 3600u
#define DEVICES_MAX 5000u

/* Pairs of sites a < b as a * SITES_MAX + b, ascending. */
struct print {
	uint32_t n;
	uint32_t pair[PAIRS_MAX];
};

struct device {
	const struct berth_sim_load *load;
	struct berth_habit_state *state;
	struct berth_random random;
	uint64_t key[SITES_MAX];
	uint64_t now_ns, next_own_ns, connections;
};

size_t berth_sim_track_memory(const struct berth_sim_load *load)
{
	return sizeof(struct berth_habit_state) + 2 * load->hosts * sizeof(struct print);
}

/* Connections close at once and leave nothing: the counters are all that is looked at. */
static uint32_t connect_to(struct device *d, uint64_t key)
{
	struct berth_habit_ask ask = {
		.range = d->load->range,
		.pool = &d->load->pool,
		.free = &d->load->pool,
		.hash = key,
		.now_s = (uint32_t)(d->now_ns / 1000000000u),
		.draw = berth_random_draw,
		.from = &d->random,
	};
	uint32_t tries;

	return (uint32_t)berth_habit_next(d->load->habit, d->state, &ask, &tries);
}

/* One connection of the attack; what the device does on its own comes before, where it is due. */
static uint32_t visit(struct device *d, uint32_t site)
{
	d->now_ns += VISIT_NS;
	while (d->next_own_ns <= d->now_ns) {
		connect_to(d, berth_random64(&d->random));
		d->next_own_ns += 1 + (uint64_t)(1e9 / d->load->rate_per_s *
						 berth_random_exponential(&d->random));
	}
	d->connections++;
	return connect_to(d, d->key[site]);
}

static uint32_t moved(const struct device *d, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + berth_range_len(d->load->range) - from;
}

/* The step of a site that is alone: what most connections in a row move. */
static uint32_t usual_step(struct device *d)
{
	uint32_t step[32], i, j, votes, best = 0, best_votes = 0, last = visit(d, 0);

	for (i = 0; i < 32; i++) {
		uint32_t port = visit(d, 0);

		step[i] = moved(d, last, port);
		last = port;
	}
	for (i = 0; i < 32; i++) {
		for (votes = j = 0; j < 32; j++)
			votes += step[j] == step[i];
		if (votes > best_votes) {
			best = step[i];
			best_votes = votes;
		}
	}
	return best;
}

/* The sites that moved further than a step while each was visited once. */
static uint32_t suspects(struct device *d, uint32_t step, uint32_t *out_site)
{
	uint32_t n = d->load->destinations, i, pass, found = 0, port[SITES_MAX], far[SITES_MAX];

	memset(far, 0, sizeof(far));
	for (i = 0; i < n; i++)
		port[i] = visit(d, i);
	for (pass = 0; pass < VOTES; pass++)
		for (i = 0; i < n; i++) {
			uint32_t now = visit(d, i);

			far[i] += moved(d, port[i], now) != step;
			port[i] = now;
		}
	for (i = 0; i < n && found < SUSPECTS_MAX; i++)
		if (far[i] * 2 > VOTES)
			out_site[found++] = i;
	return found;
}

static bool share_a_counter(struct device *d, uint32_t a, uint32_t b, uint32_t step)
{
	uint32_t votes = 0, i, before;

	for (i = 0; i < VOTES; i++) {
		before = visit(d, a);
		visit(d, b);
		votes += moved(d, before, visit(d, a)) == 2 * step;
	}
	return votes * 2 > VOTES;
}

static void fingerprint(struct device *d, struct print *out)
{
	uint32_t site[SUSPECTS_MAX], step = usual_step(d), n = suspects(d, step, site), i, j;

	out->n = 0;
	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			if (share_a_counter(d, site[i], site[j], step))
				out->pair[out->n++] = site[i] * SITES_MAX + site[j];
}

static uint32_t in_common(const struct print *a, const struct print *b)
{
	uint32_t i = 0, k = 0, n = 0;

	while (i < a->n && k < b->n) {
		n += a->pair[i] == b->pair[k];
		if (a->pair[i] <= b->pair[k])
			i++;
		else
			k++;
	}
	return n;
}

/* Jaccard's measure, 1 for two empty prints. */
static double alike(const struct print *a, const struct print *b)
{
	uint32_t common = in_common(a, b), all = a->n + b->n - common;

	return all ? (double)common / all : 1;
}

/* The device's share in the best place: 0 where another is more like it, 1 / n where n are. */
static double known(const struct print *first, const struct print *second, uint32_t n, uint32_t own)
{
	double best = alike(&first[own], &second[own]), one;
	uint32_t i, ties = 0;

	for (i = 0; i < n; i++) {
		one = alike(&first[i], &second[own]);
		if (one > best)
			return 0;
		ties += one >= best;
	}
	return 1.0 / ties;
}

static void visit_twice(const struct berth_sim_load *load, uint32_t number,
			struct berth_habit_state *state, struct print *first, struct print *second,
			uint64_t *connections)
{
	struct berth_random sites = berth_random_stream(load->seed, ~0ULL);
	struct device d = { .load = load, .state = state };
	uint32_t i;

	/* The sites are the same for all devices; a device's key makes its own hashes of them. */
	d.random = berth_random_stream(load->seed, number);
	d.now_ns = 1000000000ull * (number % 600);
	d.next_own_ns = load->rate_per_s > 0 ? d.now_ns : UINT64_MAX;
	for (i = 0; i < SITES_MAX; i++) {
		struct berth_random keyed =
			berth_random_stream(berth_random64(&sites), load->seed ^ number);

		d.key[i] = berth_random64(&keyed);
	}
	berth_habit_init(state, load->habit, berth_random_draw, &d.random);
	if (load->counters)
		state->counters = load->counters;
	state->rekey_s = load->rekey_s;
	fingerprint(&d, first);
	d.now_ns += PAUSE_S * 1000000000ull;
	/* What the device did in between moved all counters; a visit does not depend on where they are. */
	if (load->rate_per_s > 0)
		d.next_own_ns = d.now_ns;
	fingerprint(&d, second);
	*connections += d.connections;
}

int berth_sim_track(const struct berth_sim_load *load, void *memory, struct berth_sim_track *out,
		    struct berth_why *why)
{
	struct berth_habit_state *state = memory;
	struct print *first = (struct print *)(state + 1), *second = first + load->hosts;
	uint64_t connections = 0, pairs = 0, kept = 0;
	double known_again = 0;
	uint32_t i;

	if (load->destinations < 2 || load->destinations > SITES_MAX || load->hosts < 2 ||
	    load->hosts > DEVICES_MAX)
		return berth_why(why, -EINVAL,
				 "the scenario wants 2 to %u destinations and 2 to %u hosts",
				 SITES_MAX, DEVICES_MAX);
	for (i = 0; i < load->hosts; i++) {
		visit_twice(load, i, state, &first[i], &second[i], &connections);
		pairs += first[i].n;
		kept += in_common(&first[i], &second[i]);
	}
	for (i = 0; i < load->hosts; i++)
		known_again += known(first, second, load->hosts, i);
	out->known_again = known_again / load->hosts;
	out->chance = 1.0 / load->hosts;
	out->pairs = (double)pairs / load->hosts;
	out->kept = pairs ? (double)kept / (double)pairs : 0;
	out->connections = (double)connections / 2 / load->hosts;
	return 0;
}
