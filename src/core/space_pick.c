/* SPDX-License-Identifier: BSD-2-Clause */
/* Which port comes next: what a choice takes at times only. */
#include "src/core/space_pick.h"

#include "src/core/hash.h"

/* Draws for a destination without a lane: seven in eight open ports are usable, else they are counted. */
#define TRIES 32

int32_t berth_space_search(const struct berth_space_pick *p, int32_t first)
{
	int32_t port = first;

	do {
		port = berth_draw_next(p->set, ((uint32_t)port + 1) & 65535);
		if (port == first)
			return -1;
	} while (!berth_space_suits(p, (uint32_t)port));
	return port;
}

/* The suitable ports of a leaf. */
static uint64_t suitable_of(const struct berth_space_pick *p, uint32_t leaf)
{
	uint64_t x = p->set->set.leaf[leaf], rest;

	for (rest = x; rest; rest &= rest - 1)
		if (!berth_space_suits(p, leaf << 6 | berth_ctz64(rest)))
			x &= ~(rest & -rest);
	return x;
}

static uint32_t count_suitable(const struct berth_space_pick *p)
{
	uint32_t leaf, n = 0;

	for (leaf = 0; leaf < BERTH_PORTSET_LEAVES; leaf++)
		if (p->set->set.leaf[leaf])
			n += berth_popcount64(suitable_of(p, leaf));
	return n;
}

/* The k-th suitable port; there are more than k. */
static int32_t kth_suitable(const struct berth_space_pick *p, uint32_t k)
{
	uint32_t leaf = 0, n;
	uint64_t x;

	for (;; leaf++, k -= n) {
		x = p->set->set.leaf[leaf] ? suitable_of(p, leaf) : 0;
		n = berth_popcount64(x);
		if (k < n)
			return (int32_t)(leaf << 6 | berth_select64(x, k));
	}
}

int32_t berth_space_redraw(const struct berth_space_pick *p)
{
	uint64_t rnd = p->rnd;
	uint32_t n;
	int32_t port;
	int i;

	for (i = 0; i < TRIES; i++) {
		rnd = berth_draw_mix(rnd);
		port = berth_draw_any(p->set, rnd);
		if (berth_space_suits(p, (uint32_t)port))
			return port;
	}
	n = count_suitable(p);
	return n ? kth_suitable(p, berth_below((uint32_t)berth_draw_mix(rnd), n)) : -1;
}

/*
 * How many ports are suitable, or, where that is many, a little less: pairs of the destination can be on ports that are
 * not open.
 */
static uint32_t suitable_about(const struct berth_space_pick *p)
{
	uint32_t n = p->set->set.count;

	if (p->exact)
		return n;
	if (p->to && n > p->to->d->pairs + BERTH_SPACE_LUCK)
		return n - p->to->d->pairs;
	return count_suitable(p);
}

int32_t berth_space_retry(const struct berth_space_pick *p)
{
	uint32_t n = suitable_about(p);

	if (n && n <= BERTH_SPACE_LUCK && (uint32_t)berth_draw_mix(p->rnd ^ 1) < p->sp->no_luck[n])
		return BERTH_SPACE_E_LUCK;
	return berth_space_pick_uniform(p);
}

/* True where any port is suitable. */
static bool suitable(const struct berth_space_pick *p, uint32_t port)
{
	return berth_portset_has(&p->set->set, port) && berth_space_suits(p, port);
}

int32_t berth_space_oldest(const struct berth_space_pick *p)
{
	const struct berth_space_order *o = (p->to ? p->to->l : p->sp->local[p->locals[0]])->order;
	uint32_t port;

	for (port = o->next[0]; port; port = o->next[port])
		if (suitable(p, port))
			return (int32_t)port;
	return berth_space_next(p, berth_space_anywhere(p));
}

bool berth_space_choice_has(const struct berth_space_choice *choice, uint16_t port)
{
	return suitable(choice->set, port);
}

uint16_t berth_space_choice_next(const struct berth_space_choice *choice, uint16_t from)
{
	int32_t port = berth_space_next(choice->set, from);

	return port < 0 ? 0 : (uint16_t)port;
}

int32_t berth_space_habitual(const struct berth_space_pick *p)
{
	const struct berth_space *sp = p->sp;
	struct berth_space_choice c = { .set = p,
					.first = sp->config.first,
					.last = sp->config.last,
					.count = suitable_about(p),
					.rnd = p->rnd };
	uint16_t port;

	c.flow.protocol = sp->config.protocol;
	if (p->to) {
		c.flow.local = p->to->l->address;
		c.flow.remote = p->to->remote;
		c.flow.remote_port = p->to->d->port;
	}
	if (berth_space_next(p, sp->config.first) < 0)
		return -1;
	port = sp->config.habit(sp->config.habit_state, &c);
	return port && suitable(p, port) ? port : BERTH_SPACE_E_LUCK;
}

/* Source and destination as F and G read them. */
static void words_of(const struct berth_space *sp, const struct berth_space_dest *d,
		     uint64_t word[5])
{
	memcpy(word, sp->local[d->local]->address.byte, 16);
	memcpy(word + 2, d->remote.byte, 16);
	word[4] = d->port;
}

static bool fits(const void *of, uint32_t port)
{
	return berth_space_suits(of, port);
}

int32_t berth_space_of_system(const struct berth_space_pick *p)
{
	struct berth_habit_ask ask = { .free = &p->set->set,
				       .fits = p->exact ? NULL : fits,
				       .of = p };
	uint64_t word[5];
	int32_t port;

	if (p->to) {
		words_of(p->sp, p->to->d, word);
		ask.hash = berth_siphash(p->sp->config.key, word, 5);
	}
	port = berth_space_habit_next(p->sp, !p->to, p->rnd, &ask);
	if (port < 0 && berth_space_next(p, p->sp->config.first) >= 0)
		return BERTH_SPACE_E_LUCK;
	return port;
}

int berth_space_reason(const struct berth_space *sp, const struct berth_space_recent *to,
		       int32_t port)
{
	if (port == BERTH_SPACE_E_LUCK)
		return port;
	if (!sp->pool)
		return BERTH_SPACE_E_RANGE;
	if (sp->resting)
		return BERTH_SPACE_E_WAIT;
	return to && berth_space_choice_of(sp, to->l)->set.count ? BERTH_SPACE_E_PAIRS
								 : BERTH_SPACE_E_BOUND;
}

void berth_space_weigh_luck(struct berth_space *sp)
{
	uint32_t num = sp->range, n, power;

	if (sp->config.policy != BERTH_SPACE_RANDOM_RETRY)
		return;
	/* Algorithm 2 finds nothing in num tries with the probability ((num - n) / num)^num. */
	for (n = 1; n <= BERTH_SPACE_LUCK; n++) {
		uint64_t base = ((uint64_t)(num - (n < num ? n : num)) << 32) / num;
		uint64_t chance = 1ULL << 32;

		for (power = num; power; power >>= 1) {
			if (power & 1)
				chance = chance * base >> 32;
			base = base * base >> 32;
		}
		sp->no_luck[n] = (uint32_t)chance;
	}
}

void berth_space_forget_offsets(struct berth_space *sp)
{
	uint32_t i;

	berth_space_forget_recent(sp);
	for (i = 0; i < BERTH_SPACE_OFFSETS; i++)
		sp->offset[i].port = 0;
	sp->counter %= sp->range;
	for (i = 0; sp->counters && i < sp->config.counters; i++)
		sp->counters[i] %= sp->range;
}

struct berth_space_offset berth_space_offset_of(struct berth_space *sp, uint32_t dest)
{
	struct berth_space_offset *o = &sp->offset[dest % BERTH_SPACE_OFFSETS];
	const struct berth_space_dest *d = &sp->dest[dest];
	uint64_t word[5];

	if (sp->config.policy != BERTH_SPACE_HASH && sp->config.policy != BERTH_SPACE_DOUBLE_HASH)
		return (struct berth_space_offset){ .slot = 0 };
	if (o->port == d->port && o->local == d->local && berth_space_same(&o->remote, &d->remote))
		return *o;
	words_of(sp, d, word);
	*o = (struct berth_space_offset){ .remote = d->remote, .local = d->local, .port = d->port };
	o->offset = (uint32_t)(berth_siphash(sp->config.key, word, 5) % sp->range);
	if (sp->counters)
		o->slot = (uint32_t)berth_siphash(sp->config.key + 2, word, 5) &
			  (sp->config.counters - 1);
	return *o;
}
