/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A lane: the ports of one pool toward one destination endpoint from one source address, and which of
 * them is to be tried next.
 *
 * Why: a port that was released a moment ago meets the peer's old socket and waits for a retransmission;
 * one that somebody else holds is tried in vain. So a lane keeps, for each port of the pool, one of four
 * states, and every change of state is a fixed number of steps:
 *
 *     idle     may be chosen by the policy: never used here, or rested
 *     used     handed out by take() and not yet given back
 *     resting  given back by drop(), in the order of release, in a ring
 *     parked   the caller found it held by somebody else and said so with park()
 *
 * take() serves idle ports by the policy; when none is left, the one resting longest; when none rests,
 * the parked ones are swept, a new sweep at most each 4 us for each parked port, so that a caller who
 * finds them all held spends at most a few percent of its time on that. Each sixteenth take() returns one
 * parked port to the idle ones, so a lane heals of what it wrongly believes.
 *
 * Invariants: the four states are disjoint and make up the pool; the ring holds no port twice. Resting
 * ports before ring[rested] have rested. Marks give the time of a stretch of releases: sixteen of them,
 * each at least an eighth of the rest, so a port has rested after 1 to 1.125 times the time asked for; from
 * then on it waits for a take() that turns it idle, and each turns sixteen.
 *
 * Limits: 160,464 bytes; times in ns of any monotonic clock, below 2^63. A time read before another
 * thread's, but passed after it, is allowed. Not synchronised: the caller holds a lock.
 */
#ifndef BERTH_CORE_LANE_H
#define BERTH_CORE_LANE_H

#include "policy.h"

#define BERTH_LANE_MARKS 16u
#define BERTH_LANE_DRAIN 16u      /* resting ports that one take() may turn idle */
#define BERTH_LANE_SWEEP_NS 4000u /* pause after a sweep, for each parked port */
#define BERTH_LANE_HEAL 16u       /* takes for each parked port that is given another chance */

struct berth_lane_mark {
	uint64_t at_ns; /* the last release before pos */
	uint32_t pos;
	uint32_t pad;
};

struct berth_lane {
	struct berth_portset idle;
	struct berth_portset parked;
	uint64_t used[BERTH_PORTSET_LEAVES];
	uint16_t ring[BERTH_PORTS];
	struct berth_lane_mark mark[BERTH_LANE_MARKS];
	uint64_t open_ns;  /* first release that no mark covers yet */
	uint64_t drop_ns;  /* last release */
	uint64_t sweep_ns; /* no new sweep before this */
	uint32_t head, rested, tail;
	uint32_t mark_head, mark_tail, marked;
	uint32_t sweep, sweep_left;
	uint32_t heal, takes;
};

_Static_assert(sizeof(struct berth_lane) == 160464, "a lane is 160,464 bytes on both sides");

/* What a take() is to obey. All of it comes from the caller; see berth_policy_start() for start. */
struct berth_lane_want {
	enum berth_policy policy;
	uint32_t start;
	uint32_t rnd;
	uint64_t now_ns;
	uint64_t rest_ns;
};

/* Where a port that take() returned came from. */
enum berth_lane_from { BERTH_FROM_IDLE, BERTH_FROM_REST, BERTH_FROM_PARKED };

/* Makes the lane new: every port of the pool idle. */
BERTH_INLINE void berth_lane_init(struct berth_lane *l, const struct berth_portset *pool)
{
	/*
	 * Word by word: for -target bpf there is no memset. Lane and set consist of whole words. What the
	 * ring holds outside of head..tail is never read, so it is left as it is.
	 */
	typedef uint64_t __attribute__((may_alias)) word;
	const word *from = (const word *)pool;
	word *to = (word *)l;
	uint32_t i;

	BERTH_UNROLL
	for (i = 0; i < sizeof(*pool) / 8; i++) {
		to[i] = from[i];
		BERTH_NO_IDIOM();
	}
	BERTH_UNROLL
	for (; i < __builtin_offsetof(struct berth_lane, ring) / 8; i++) {
		to[i] = 0;
		BERTH_NO_IDIOM();
	}
	BERTH_UNROLL
	for (i = __builtin_offsetof(struct berth_lane, mark) / 8; i < sizeof(*l) / 8; i++) {
		to[i] = 0;
		BERTH_NO_IDIOM();
	}
}

/* How many ports rest. */
BERTH_INLINE uint32_t berth_lane_resting(const struct berth_lane *l)
{
	return l->tail - l->head;
}

BERTH_INLINE bool berth_lane_is_used(const struct berth_lane *l, uint32_t port)
{
	return (l->used[(port >> 6) & 1023] >> (port & 63)) & 1;
}

/* Nanoseconds from then to now; negative where now was read before the lock was taken and then after. */
BERTH_INLINE int64_t berth_lane_since_(uint64_t now_ns, uint64_t then_ns)
{
	return (int64_t)(now_ns - then_ns);
}

/* Ends the oldest mark (there is one) where its stretch has rested; false where it has not. */
BERTH_INLINE bool berth_lane_pop_(struct berth_lane *l, uint64_t now_ns, uint64_t rest_ns)
{
	struct berth_lane_mark *m = &l->mark[l->mark_head & (BERTH_LANE_MARKS - 1)];

	if (berth_lane_since_(now_ns, m->at_ns) < (int64_t)rest_ns)
		return false;
	if ((int32_t)(m->pos - l->rested) > 0)
		l->rested = m->pos;
	l->mark_head++;
	return true;
}

/* Ends the open stretch where it is long enough. */
BERTH_INLINE void berth_lane_mark_(struct berth_lane *l, uint64_t now_ns, uint64_t rest_ns)
{
	struct berth_lane_mark *m;

	if (l->tail == l->marked || berth_lane_since_(now_ns, l->open_ns) < (int64_t)(rest_ns / 8))
		return;
	/* Sixteen stretches take two rests, so the oldest has rested: it merges with what follows. */
	if (l->mark_tail - l->mark_head >= BERTH_LANE_MARKS && !berth_lane_pop_(l, now_ns, rest_ns))
		return;
	m = &l->mark[l->mark_tail++ & (BERTH_LANE_MARKS - 1)];
	m->at_ns = l->drop_ns;
	m->pos = l->marked = l->tail;
}

/* Turns ports that have rested idle, BERTH_LANE_DRAIN at most. */
BERTH_INLINE void berth_lane_drain_(struct berth_lane *l, uint64_t now_ns, uint64_t rest_ns)
{
	uint32_t i;

	berth_lane_mark_(l, now_ns, rest_ns);
	for (i = 0; i < BERTH_LANE_MARKS && l->mark_head != l->mark_tail; i++)
		if (!berth_lane_pop_(l, now_ns, rest_ns))
			break;
	for (i = 0; i < BERTH_LANE_DRAIN && l->head != l->rested; i++)
		berth_portset_add(&l->idle, l->ring[l->head++ & (BERTH_PORTS - 1)]);
}

/*
 * Takes the port to try next out of the lane; it is used from now on, until drop() or park().
 * Returns -1 where no port is idle or resting and no parked one may be tried yet: the pool is exhausted.
 * out_from tells where the port came from; untouched on -1.
 */
BERTH_INLINE int32_t berth_lane_take(struct berth_lane *l, const struct berth_portset *pool,
				     const struct berth_lane_want *want,
				     enum berth_lane_from *out_from)
{
	enum berth_lane_from from;
	int32_t port;

	if (want->policy != BERTH_POLICY_LONGEST_IDLE)
		berth_lane_drain_(l, want->now_ns, want->rest_ns);
	if (++l->takes % BERTH_LANE_HEAL == 0 && l->parked.count) {
		port = berth_portset_next_wrap(&l->parked, l->heal);
		berth_portset_remove(&l->parked, (uint32_t)port);
		berth_portset_add(&l->idle, (uint32_t)port);
		l->heal = ((uint32_t)port + 1) & (BERTH_PORTS - 1);
	}
	if (l->idle.count) {
		port = berth_policy_pick(want->policy, pool, &l->idle, want->start, want->rnd);
		if (port < 0)
			return -1;
		berth_portset_remove(&l->idle, (uint32_t)port);
		from = BERTH_FROM_IDLE;
	} else if (l->head != l->tail) {
		port = l->ring[l->head++ & (BERTH_PORTS - 1)];
		if ((int32_t)(l->head - l->rested) > 0)
			l->rested = l->head;
		from = BERTH_FROM_REST;
	} else {
		if (want->now_ns >= l->sweep_ns) {
			l->sweep_left = l->parked.count;
			l->sweep_ns =
				want->now_ns + (uint64_t)l->parked.count * BERTH_LANE_SWEEP_NS;
		}
		if (!l->sweep_left || !l->parked.count)
			return -1;
		l->sweep_left--;
		port = berth_portset_next_wrap(&l->parked, l->sweep);
		berth_portset_remove(&l->parked, (uint32_t)port);
		l->sweep = ((uint32_t)port + 1) & (BERTH_PORTS - 1);
		from = BERTH_FROM_PARKED;
	}
	l->used[((uint32_t)port >> 6) & 1023] |= 1ULL << (port & 63);
	*out_from = from;
	return port;
}

/*
 * Gives a port back: it rests. A port that the lane knew as idle or parked (it was assigned without the
 * lane) rests as well; one that rests already is left where it is. port must belong to the pool.
 */
BERTH_INLINE void berth_lane_drop(struct berth_lane *l, uint32_t port, uint64_t now_ns,
				  uint64_t rest_ns)
{
	uint64_t *used = &l->used[(port >> 6) & 1023], bit = 1ULL << (port & 63);

	if (*used & bit)
		*used &= ~bit;
	else if (!berth_portset_remove(&l->parked, port) && !berth_portset_remove(&l->idle, port))
		return;
	berth_lane_mark_(l, now_ns, rest_ns);
	if (l->tail == l->marked)
		l->open_ns = now_ns;
	l->ring[l->tail++ & (BERTH_PORTS - 1)] = (uint16_t)port;
	if (berth_lane_since_(now_ns, l->drop_ns) > 0)
		l->drop_ns = now_ns;
}

/* Says that a port just taken is held by somebody else. */
BERTH_INLINE void berth_lane_park(struct berth_lane *l, uint32_t port)
{
	uint64_t *used = &l->used[(port >> 6) & 1023], bit = 1ULL << (port & 63);

	if (*used & bit) {
		*used &= ~bit;
		berth_portset_add(&l->parked, port);
	}
}

#endif
