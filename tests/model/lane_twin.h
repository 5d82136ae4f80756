/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The naive twin of a lane: a state for each port and a list in the order of release, with times.
 *
 * It predicts every answer of the lane but one: how many rested ports a take() turns idle is read off the
 * lane, and checked: none before its rest is over, none left behind 1.125 rests after its release while
 * fewer than BERTH_LANE_DRAIN were turned. Times passed to it must not go back.
 */
#ifndef BERTH_TESTS_MODEL_LANE_TWIN_H
#define BERTH_TESTS_MODEL_LANE_TWIN_H

#include <stddef.h>
#include <string.h>

#include "src/core/lane.h"

enum twin_state { TWIN_FOREIGN, TWIN_IDLE, TWIN_USED, TWIN_RESTING, TWIN_PARKED };

struct twin_release {
	uint32_t port;
	uint64_t at_ns;
};

struct twin {
	enum twin_state state[BERTH_PORTS];
	uint32_t member[BERTH_PORTS], members; /* of the pool, ascending */
	struct twin_release list[BERTH_PORTS]; /* the oldest first */
	uint32_t listed;
	uint32_t takes, heal, sweep, sweep_left;
	uint64_t sweep_ns;
};

static inline void twin_init(struct twin *t, const struct berth_portset *pool)
{
	uint32_t p;

	memset(t, 0, sizeof(*t));
	for (p = 0; p < BERTH_PORTS; p++) {
		if (!berth_portset_has(pool, p))
			continue;
		t->state[p] = TWIN_IDLE;
		t->member[t->members++] = p;
	}
}

static inline uint32_t twin_count(const struct twin *t, enum twin_state state)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->members; i++)
		n += t->state[t->member[i]] == state;
	return n;
}

/* The first port in that state from a place on, going round; -1: none. */
static inline int32_t twin_next(const struct twin *t, enum twin_state state, uint32_t from)
{
	int32_t lowest = -1;
	uint32_t i;

	for (i = 0; i < t->members; i++) {
		if (t->state[t->member[i]] != state)
			continue;
		if (t->member[i] >= from)
			return (int32_t)t->member[i];
		lowest = lowest < 0 ? (int32_t)t->member[i] : lowest;
	}
	return lowest;
}

static inline void twin_unlist(struct twin *t, uint32_t n)
{
	t->listed -= n;
	memmove(t->list, t->list + n, t->listed * sizeof(*t->list));
}

static inline int32_t twin_pick(const struct twin *t, const struct berth_lane_want *want)
{
	uint32_t i, k;

	if (berth_policy_scans(want->policy))
		return twin_next(t, TWIN_IDLE, t->member[want->start]);
	k = berth_below(want->rnd, twin_count(t, TWIN_IDLE));
	for (i = 0; i < t->members; i++)
		if (t->state[t->member[i]] == TWIN_IDLE && k-- == 0)
			return (int32_t)t->member[i];
	return -1;
}

/* What is wrong with turning the n oldest idle, or NULL, and they are. */
static inline const char *twin_drain(struct twin *t, const struct berth_lane_want *want, uint32_t n)
{
	uint32_t i;

	if (n && want->policy == BERTH_POLICY_LONGEST_IDLE)
		return "longest-idle turned a resting port idle";
	if (n > BERTH_LANE_DRAIN || n > t->listed)
		return "more ports turned idle than may be";
	for (i = 0; i < n; i++) {
		if (want->now_ns - t->list[i].at_ns < want->rest_ns)
			return "a port turned idle before its rest was over";
		t->state[t->list[i].port] = TWIN_IDLE;
	}
	twin_unlist(t, n);
	if (n < BERTH_LANE_DRAIN && t->listed && want->policy != BERTH_POLICY_LONGEST_IDLE &&
	    want->now_ns - t->list[0].at_ns >= want->rest_ns + want->rest_ns / 8)
		return "a port that has rested was left behind";
	return NULL;
}

static inline void twin_heal(struct twin *t)
{
	int32_t port;

	if (++t->takes % BERTH_LANE_HEAL)
		return;
	port = twin_next(t, TWIN_PARKED, t->heal);
	if (port < 0)
		return;
	t->state[port] = TWIN_IDLE;
	t->heal = ((uint32_t)port + 1) & 65535;
}

/* The parked port that a sweep tries next, or -1. */
static inline int32_t twin_sweep(struct twin *t, uint64_t now_ns)
{
	uint32_t parked = twin_count(t, TWIN_PARKED);
	int32_t port;

	if (now_ns >= t->sweep_ns) {
		t->sweep_left = parked;
		t->sweep_ns = now_ns + (uint64_t)parked * BERTH_LANE_SWEEP_NS;
	}
	if (!t->sweep_left || !parked)
		return -1;
	t->sweep_left--;
	port = twin_next(t, TWIN_PARKED, t->sweep);
	t->sweep = ((uint32_t)port + 1) & 65535;
	return port;
}

/* Lets the lane take and checks it; what is wrong, or NULL. out_port: what the lane returned. */
static inline const char *twin_take(struct twin *t, struct berth_lane *l,
				    const struct berth_portset *pool,
				    const struct berth_lane_want *want, int32_t *out_port)
{
	uint32_t before = berth_lane_resting(l);
	enum berth_lane_from from = (enum berth_lane_from)77, expected_from;
	int32_t port = berth_lane_take(l, pool, want, &from), expected;
	uint32_t left = before - berth_lane_resting(l);
	const char *wrong;

	*out_port = port;
	wrong = twin_drain(t, want, left - (port >= 0 && from == BERTH_FROM_REST));
	if (wrong)
		return wrong;
	twin_heal(t);
	if (twin_count(t, TWIN_IDLE)) {
		expected = twin_pick(t, want);
		expected_from = BERTH_FROM_IDLE;
	} else if (t->listed) {
		expected = (int32_t)t->list[0].port;
		expected_from = BERTH_FROM_REST;
		twin_unlist(t, 1);
	} else {
		expected = twin_sweep(t, want->now_ns);
		expected_from = BERTH_FROM_PARKED;
	}
	if (port != expected)
		return "take() chose another port";
	if (port < 0)
		return from == (enum berth_lane_from)77 ? NULL : "out_from was touched on -1";
	t->state[port] = TWIN_USED;
	return from == expected_from ? NULL : "take() says wrongly where the port came from";
}

static inline void twin_drop(struct twin *t, struct berth_lane *l, uint32_t port, uint64_t now_ns,
			     uint64_t rest_ns)
{
	berth_lane_drop(l, port, now_ns, rest_ns);
	if (t->state[port] == TWIN_RESTING || t->state[port] == TWIN_FOREIGN)
		return;
	t->state[port] = TWIN_RESTING;
	t->list[t->listed++] = (struct twin_release){ port, now_ns };
}

static inline void twin_park(struct twin *t, struct berth_lane *l, uint32_t port)
{
	berth_lane_park(l, port);
	if (t->state[port] == TWIN_USED)
		t->state[port] = TWIN_PARKED;
}

/* Compares the whole lane; what is wrong, or NULL. */
static inline const char *twin_compare(const struct twin *t, const struct berth_lane *l,
				       uint64_t now_ns, uint64_t rest_ns)
{
	uint32_t p, i;

	for (p = 0; p < BERTH_PORTS; p++)
		if (berth_portset_has(&l->idle, p) != (t->state[p] == TWIN_IDLE) ||
		    berth_lane_is_used(l, p) != (t->state[p] == TWIN_USED) ||
		    berth_portset_has(&l->parked, p) != (t->state[p] == TWIN_PARKED))
			return "a port is in another state";
	if (l->idle.count != twin_count(t, TWIN_IDLE) ||
	    l->parked.count != twin_count(t, TWIN_PARKED))
		return "a count is wrong";
	if (berth_lane_resting(l) != t->listed || l->rested - l->head > t->listed)
		return "another number of ports rests";
	for (i = 0; i < t->listed; i++) {
		if (l->ring[(l->head + i) & 65535] != t->list[i].port)
			return "the order of release is another";
		if (i < l->rested - l->head && now_ns - t->list[i].at_ns < rest_ns)
			return "a port counts as rested that is not";
	}
	return NULL;
}

#endif
