/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which port comes next: the policies over the set of ports that may be chosen.
 *
 * The RFC's loops go from a start through the whole range; what is not free, not in the pool or not usable for the
 * destination is "not suitable" to them. A set of what is suitable answers with the next from the start, and the
 * counter moves by as many tries as the loop would have made.
 */
#include <string.h>

#include "src/core/hash.h"
#include "src/core/policy.h"
#include "src/core/space_fast.h"

#define TRIES 32 /* draws for a destination without a lane: seven in eight open ports are usable */
#define LUCK                                                                                       \
	64u /* with more free ports than this, algorithm 2 fails less often than once in e^64 */

/* What is chosen from: ports that nobody has on all of count addresses, or that are usable for dest. */
struct pick {
	struct berth_space *sp;
	struct berth_draw *set; /* all of these are suitable, where exact; else more than these */
	const uint16_t *locals;
	unsigned count;
	uint32_t dest; /* NONE: to be bound */
	bool exact;
	uint64_t rnd;
};

static bool suitable(const struct pick *p, uint32_t port)
{
	unsigned i;

	if (p->exact)
		return berth_portset_has(&p->set->set, port);
	if (p->dest != BERTH_SPACE_NONE)
		return berth_space_usable(p->sp, p->dest, (uint16_t)port);
	for (i = 0; i < p->count; i++)
		if (!berth_portset_has(&p->sp->local[p->locals[i]]->idle.set, port))
			return false;
	return true;
}

/* The first suitable port from there on, going round; -1: none. */
static int32_t next_suitable(const struct pick *p, uint32_t from)
{
	int32_t first = berth_portset_next_wrap(&p->set->set, from), port = first;

	if (first < 0 || p->exact)
		return first;
	while (!suitable(p, (uint32_t)port)) {
		port = berth_portset_next_wrap(&p->set->set, ((uint32_t)port + 1) & 65535);
		if (port == first)
			return -1;
	}
	return port;
}

/* Each suitable port equally likely. */
static int32_t pick_uniform(const struct pick *p)
{
	uint64_t rnd = p->rnd;
	int32_t port = berth_draw_any(p->set, rnd);
	int i;

	if (port < 0 || p->exact)
		return port;
	for (i = 0; i < TRIES && !suitable(p, (uint32_t)port); i++) {
		rnd = berth_draw_mix(rnd);
		port = berth_draw_any(p->set, rnd);
	}
	return i < TRIES ? port : next_suitable(p, (uint32_t)port);
}

/* How many ports are suitable, or a little more where that is many. */
static uint32_t suitable_count(const struct pick *p)
{
	uint32_t n = p->set->set.count, pairs;

	if (p->exact || p->dest == BERTH_SPACE_NONE)
		return n;
	pairs = p->sp->dest[p->dest].pairs;
	return n > pairs ? n - pairs : 1;
}

/* Algorithm 2 has found nothing in num tries with the probability ((num - n) / num)^num. */
static bool has_no_luck(const struct pick *p)
{
	uint32_t num = p->sp->range, n = suitable_count(p), power = num;
	uint64_t base, chance = 1ULL << 32;

	if (n > LUCK)
		return false;
	base = ((uint64_t)(num - (n < num ? n : num)) << 32) / num;
	for (; power; power >>= 1) {
		if (power & 1)
			chance = chance * base >> 32;
		base = base * base >> 32;
	}
	return (uint32_t)berth_draw_mix(p->rnd ^ 1) < chance;
}

void berth_space_forget_offsets(struct berth_space *sp)
{
	uint32_t i;

	for (i = 0; i < BERTH_SPACE_OFFSETS; i++)
		sp->offset[i].port = 0;
	sp->counter %= sp->range;
	for (i = 0; sp->counters && i < sp->config.counters; i++)
		sp->counters[i] %= sp->range;
}

/* Source and destination as F and G read them. */
static void words_of(const struct pick *p, uint64_t word[5])
{
	const struct berth_space_dest *d = &p->sp->dest[p->dest];

	memcpy(word, p->sp->local[d->local]->address.byte, 16);
	memcpy(word + 2, d->remote.byte, 16);
	word[4] = d->port;
}

/* F and, with double-hash, G of the destination; with bind there is none, and both are 0. */
static struct berth_space_offset offset_of(const struct pick *p)
{
	struct berth_space *sp = p->sp;
	struct berth_space_offset *o = &sp->offset[p->dest % BERTH_SPACE_OFFSETS];
	const struct berth_space_dest *d;
	uint64_t word[5];

	if (p->dest == BERTH_SPACE_NONE)
		return (struct berth_space_offset){ .slot = 0 };
	d = &sp->dest[p->dest];
	if (o->port == d->port && o->local == d->local && berth_space_same(&o->remote, &d->remote))
		return *o;
	words_of(p, word);
	*o = (struct berth_space_offset){ .remote = d->remote, .local = d->local, .port = d->port };
	o->offset = (uint32_t)(berth_siphash(sp->config.key, word, 5) % sp->range);
	if (sp->counters)
		o->slot = (uint32_t)berth_siphash(sp->config.key + 2, word, 5) &
			  (sp->config.counters - 1);
	return *o;
}

/* A counter, the place of the range at which the search starts, and the counter after it. */
static int32_t pick_counted(const struct pick *p)
{
	struct berth_space *sp = p->sp;
	uint32_t num = sp->range, first = sp->config.first, start, place;
	enum berth_space_policy policy = sp->config.policy;
	struct berth_space_offset o = { 0 };
	uint32_t *counter = &sp->counter;
	int32_t port;

	if (policy == BERTH_SPACE_HASH || policy == BERTH_SPACE_DOUBLE_HASH)
		o = offset_of(p);
	if (policy == BERTH_SPACE_DOUBLE_HASH)
		counter = &sp->counters[o.slot];
	start = *counter;
	if (policy == BERTH_SPACE_RANDOM_INCREMENT)
		start = (start + berth_below((uint32_t)(p->rnd >> 32), BERTH_RANDOM_INCREMENT_N) +
			 1) %
			num;
	start += o.offset;
	start -= start >= num ? num : 0;
	port = next_suitable(p, first + start);
	if (port < 0)
		return port;
	/* The counter stands at the try after the one that found the port; algorithm 5 stays at its start. */
	place = policy == BERTH_SPACE_RANDOM_INCREMENT ? start : (uint32_t)port - first + 1;
	place += num - o.offset;
	*counter = place >= num ? (place - num >= num ? place - 2 * num : place - num) : place;
	return port;
}

/* The port of an address that all left longest ago; where all have somebody, any that is usable. */
static int32_t pick_oldest(const struct pick *p)
{
	const struct berth_space *sp = p->sp;
	uint16_t local = p->dest == BERTH_SPACE_NONE ? p->locals[0] : sp->dest[p->dest].local;
	const struct berth_space_order *o = sp->local[local]->order;
	uint32_t port;

	for (port = o->next[0]; port; port = o->next[port])
		if (suitable(p, port))
			return (int32_t)port;
	return next_suitable(p,
			     sp->config.first + berth_below((uint32_t)(p->rnd >> 32), sp->range));
}

bool berth_space_choice_has(const struct berth_space_choice *choice, uint16_t port)
{
	return suitable(choice->set, port);
}

uint16_t berth_space_choice_next(const struct berth_space_choice *choice, uint16_t from)
{
	int32_t port = next_suitable(choice->set, from);

	return port < 0 ? 0 : (uint16_t)port;
}

static int32_t pick_habit(const struct pick *p)
{
	const struct berth_space *sp = p->sp;
	struct berth_space_choice c = { .set = p,
					.first = sp->config.first,
					.last = sp->config.last,
					.count = suitable_count(p),
					.rnd = p->rnd };
	uint16_t port;

	c.flow.protocol = sp->config.protocol;
	if (p->dest != BERTH_SPACE_NONE) {
		c.flow.local = sp->local[sp->dest[p->dest].local]->address;
		c.flow.remote = sp->dest[p->dest].remote;
		c.flow.remote_port = sp->dest[p->dest].port;
	}
	if (next_suitable(p, sp->config.first) < 0)
		return -1;
	port = sp->config.habit(sp->config.habit_state, &c);
	return port && suitable(p, port) ? port : BERTH_SPACE_E_LUCK;
}

static bool fits(const void *of, uint32_t port)
{
	return suitable(of, port);
}

static int32_t pick_system(const struct pick *p)
{
	bool bind = p->dest == BERTH_SPACE_NONE;
	struct berth_habit_ask ask = { .free = &p->set->set,
				       .fits = p->exact ? NULL : fits,
				       .of = p };
	uint64_t word[5];
	int32_t port;

	if (!bind) {
		words_of(p, word);
		ask.hash = berth_siphash(p->sp->config.key, word, 5);
	}
	port = berth_space_habit_next(p->sp, bind, p->rnd, &ask);
	if (port < 0 && next_suitable(p, p->sp->config.first) >= 0)
		return BERTH_SPACE_E_LUCK;
	return port;
}

static int32_t pick(const struct pick *p)
{
	switch ((enum berth_space_policy)p->sp->config.policy) {
	case BERTH_SPACE_RANDOM_RETRY:
		if (p->set->set.count && has_no_luck(p))
			return BERTH_SPACE_E_LUCK;
		return pick_uniform(p);
	case BERTH_SPACE_RANDOM:
		return next_suitable(p, p->sp->config.first + berth_below((uint32_t)(p->rnd >> 32),
									  p->sp->range));
	case BERTH_SPACE_LONGEST_IDLE:
		return pick_oldest(p);
	case BERTH_SPACE_HABIT:
		return pick_habit(p);
	case BERTH_SPACE_HASH:
	case BERTH_SPACE_DOUBLE_HASH:
	case BERTH_SPACE_RANDOM_INCREMENT:
	case BERTH_SPACE_SEQUENTIAL:
		return pick_counted(p);
	case BERTH_SPACE_UNIFORM:
		return pick_uniform(p);
	default:
		return pick_system(p);
	}
}

/* The port, or why there is none. */
static int answer(const struct pick *p, int32_t port)
{
	if (port > 0 || port == BERTH_SPACE_E_LUCK)
		return port;
	if (!p->sp->pool)
		return BERTH_SPACE_E_RANGE;
	if (p->sp->resting)
		return BERTH_SPACE_E_WAIT;
	if (p->dest != BERTH_SPACE_NONE &&
	    (p->sp->alone ? p->set : p->sp->local[p->sp->dest[p->dest].local]->open)->set.count)
		return BERTH_SPACE_E_PAIRS;
	return BERTH_SPACE_E_BOUND;
}

int berth_space_pick_bind(struct berth_space *sp, const struct berth_space_bind *want,
			  const uint16_t *locals, unsigned count)
{
	struct pick p = { .sp = sp,
			  .set = &sp->local[locals[0]]->idle,
			  .locals = locals,
			  .count = count,
			  .dest = BERTH_SPACE_NONE,
			  .exact = count == 1,
			  .rnd = want->rnd };

	return answer(&p, pick(&p));
}

int berth_space_pick_connect(struct berth_space *sp, uint32_t dest, struct berth_space_lane *lane,
			     uint64_t rnd)
{
	struct berth_space_local *l = sp->local[sp->dest[dest].local];
	struct pick p = { .sp = sp,
			  .set = sp->alone ? &l->idle
				 : lane    ? &lane->free
					   : l->open,
			  .dest = dest,
			  .exact = lane && !sp->alone,
			  .rnd = rnd };

	return answer(&p, pick(&p));
}
