/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which port comes next: the policies over the set of ports that may be chosen, to be compiled into bind and connect.
 *
 * The RFC's loops go from a start through the whole range; what is not free, not in the pool or not usable for the
 * destination is "not suitable" to them. A set of what is suitable answers with the next from the start, and the
 * counter moves by as many tries as the loop would have made.
 *
 * A choice goes on to other functions as a copy made there and then: what has an address does not stay in registers.
 */
#ifndef BERTH_CORE_SPACE_PICK_H
#define BERTH_CORE_SPACE_PICK_H

#include "src/core/policy.h"
#include "src/core/space_fast.h"

/* What is chosen from: ports that nobody has on all of count addresses, or that are usable for dest. */
struct berth_space_pick {
	struct berth_space *sp;
	struct berth_draw *set; /* all of these are suitable, where exact; else more than these */
	const uint16_t *locals;
	unsigned count;
	const struct berth_space_recent *to; /* NULL: to be bound */
	bool exact;
	uint64_t rnd;
};

/* space_pick.c: the longer ways. */

/* The first suitable port behind `port`, a member of the set that is not suitable, going round; -1: none. */
int32_t berth_space_search(const struct berth_space_pick *p, int32_t port);

/* Algorithm 2 where few ports are suitable. */
int32_t berth_space_retry(const struct berth_space_pick *p);

/* Each suitable port equally likely, where rnd means one that is not suitable. */
int32_t berth_space_redraw(const struct berth_space_pick *p);

/* The port that all left longest ago; where all have somebody, any that is suitable. */
int32_t berth_space_oldest(const struct berth_space_pick *p);

/* The choice of the caller's function. */
int32_t berth_space_habitual(const struct berth_space_pick *p);

/* The choice of a system's habit. */
int32_t berth_space_of_system(const struct berth_space_pick *p);

/* Why no port is to be had (to: NULL: to be bound), where a policy found none. */
int berth_space_reason(const struct berth_space *sp, const struct berth_space_recent *to,
		       int32_t port);

BERTH_INLINE struct berth_space_pick berth_space_copy(const struct berth_space_pick *p)
{
	return (struct berth_space_pick){ .sp = p->sp,
					  .set = p->set,
					  .locals = p->locals,
					  .count = p->count,
					  .to = p->to,
					  .exact = p->exact,
					  .rnd = p->rnd };
}

/* True where a member of the set is suitable. */
BERTH_INLINE bool berth_space_suits(const struct berth_space_pick *p, uint32_t port)
{
	unsigned i;

	if (p->exact)
		return true;
	if (p->to)
		return berth_space_fits(p->sp, p->to->d, p->to->dest, (uint16_t)port);
	for (i = 0; i < p->count; i++)
		if (!berth_portset_has(&p->sp->local[p->locals[i]]->idle.set, port))
			return false;
	return true;
}

/* The first suitable port from there on, going round; -1: none. */
BERTH_INLINE int32_t berth_space_next(const struct berth_space_pick *p, uint32_t from)
{
	int32_t port = berth_draw_next(p->set, from);
	struct berth_space_pick copy;

	if (BERTH_LIKELY(port < 0 || berth_space_suits(p, (uint32_t)port)))
		return port;
	copy = berth_space_copy(p);
	return berth_space_search(&copy, port);
}

/* The place of the range at which a search begins that nothing is kept of. */
BERTH_INLINE uint32_t berth_space_anywhere(const struct berth_space_pick *p)
{
	return p->sp->config.first + berth_below((uint32_t)(p->rnd >> 32), p->sp->range);
}

/* Each suitable port equally likely; -1: none. */
BERTH_INLINE int32_t berth_space_pick_uniform(const struct berth_space_pick *p)
{
	int32_t port = berth_draw_any(p->set, p->rnd);
	struct berth_space_pick copy;

	if (BERTH_LIKELY(port < 0 || berth_space_suits(p, (uint32_t)port)))
		return port;
	copy = berth_space_copy(p);
	return berth_space_redraw(&copy);
}

/* True as often as all tries of algorithm 2 fail where n ports are suitable; many do not. */
BERTH_INLINE bool berth_space_is_unlucky(const struct berth_space_pick *p, uint32_t n)
{
	return !BERTH_LIKELY(n > BERTH_SPACE_LUCK) && n &&
	       (uint32_t)berth_draw_mix(p->rnd ^ 1) < p->sp->no_luck[n];
}

/* Algorithm 2: a suitable port, or LUCK. */
BERTH_INLINE int32_t berth_space_pick_retry(const struct berth_space_pick *p)
{
	uint32_t n = p->set->set.count;
	struct berth_space_pick copy;

	if (p->exact)
		return berth_space_is_unlucky(p, n) ? BERTH_SPACE_E_LUCK
						    : berth_space_pick_uniform(p);
	if (p->to && n > p->to->d->pairs + BERTH_SPACE_LUCK)
		return berth_space_pick_uniform(p);
	copy = berth_space_copy(p);
	return berth_space_retry(&copy);
}

/* A counter, the place of the range at which the search starts, and the counter after it. */
BERTH_INLINE int32_t berth_space_pick_counted(const struct berth_space_pick *p)
{
	struct berth_space *sp = p->sp;
	bool steps = sp->config.policy == BERTH_SPACE_RANDOM_INCREMENT;
	uint32_t num = sp->range, first = sp->config.first, offset = 0, start;
	uint32_t *counter = sp->counters ? sp->counters : &sp->counter;
	int32_t port, after;

	/* With bind there is no destination, and F and G are 0. */
	if (p->to) {
		offset = p->to->offset;
		counter = p->to->counter;
	}
	start = *counter + offset;
	if (steps)
		start += berth_below((uint32_t)(p->rnd >> 32), BERTH_RANDOM_INCREMENT_N) + 1;
	start -= start >= num ? num : 0;
	if (!BERTH_LIKELY(start < num))
		start %= num;
	port = berth_space_next(p, first + start);
	if (port < 0)
		return port;
	/* At the try after the one that found the port, num as well as 0; algorithm 5 stays at its start. */
	after = steps ? (int32_t)start : port - (int32_t)(first + offset) + 1;
	*counter = (uint32_t)(after < 0 ? after + (int32_t)num : after);
	return port;
}

/* The port of an address that all left longest ago: nobody is on it, so no pair is there. */
BERTH_INLINE int32_t berth_space_pick_oldest(const struct berth_space_pick *p)
{
	const struct berth_space *sp = p->sp;
	uint32_t port = (p->to ? p->to->l : sp->local[p->locals[0]])->order->next[0];
	struct berth_space_pick copy;

	if (BERTH_LIKELY(port && (p->to ? !berth_space_is_self(sp, p->to->d, (uint16_t)port)
					: p->count == 1)))
		return (int32_t)port;
	copy = berth_space_copy(p);
	return berth_space_oldest(&copy);
}

BERTH_INLINE int32_t berth_space_by_policy(const struct berth_space_pick *p)
{
	struct berth_space_pick copy;

	switch ((enum berth_space_policy)p->sp->config.policy) {
	case BERTH_SPACE_RANDOM_RETRY:
		return berth_space_pick_retry(p);
	case BERTH_SPACE_RANDOM:
		return berth_space_next(p, berth_space_anywhere(p));
	case BERTH_SPACE_LONGEST_IDLE:
		return berth_space_pick_oldest(p);
	case BERTH_SPACE_HABIT:
		copy = berth_space_copy(p);
		return berth_space_habitual(&copy);
	case BERTH_SPACE_HASH:
	case BERTH_SPACE_DOUBLE_HASH:
	case BERTH_SPACE_RANDOM_INCREMENT:
	case BERTH_SPACE_SEQUENTIAL:
		return berth_space_pick_counted(p);
	case BERTH_SPACE_UNIFORM:
		return berth_space_pick_uniform(p);
	default:
		copy = berth_space_copy(p);
		return berth_space_of_system(&copy);
	}
}

/* The port that the policy chooses, or why there is none. */
BERTH_INLINE int berth_space_choose(struct berth_space_pick p)
{
	int32_t port = berth_space_by_policy(&p);

	return BERTH_LIKELY(port > 0) ? port : berth_space_reason(p.sp, p.to, port);
}

#endif
