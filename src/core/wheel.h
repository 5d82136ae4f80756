/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hierarchical timing wheel on a caller's clock: when is the rest of which port over?
 *
 * Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 7. Six levels of 64 slots
 * span the whole clock of 32 bits. A timer lies on the level of the highest group of six bits in which its
 * time differs from now, so adding and removing are a fixed number of steps, each timer moves at most five
 * times, and an advance costs a step for each busy slot it passes, however long it is.
 *
 * Invariants: a timer on level k differs from now in group k and in none above; bit s of busy[k] is set <=>
 * slot s of level k has a timer. Times are ticks modulo 2^32; a timer is less than 2^31 ticks ahead.
 *
 * The nodes are the caller's: the first at base, the others each stride bytes further. Not synchronised.
 */
#ifndef BERTH_CORE_WHEEL_H
#define BERTH_CORE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define BERTH_WHEEL_LEVELS 6u
#define BERTH_WHEEL_SLOTS 64u
#define BERTH_WHEEL_OUT UINT32_MAX /* prev of a node that is on no wheel */

struct berth_wheel_node {
	uint32_t next, prev;
	uint32_t when;
};

struct berth_wheel {
	uint64_t busy[BERTH_WHEEL_LEVELS];
	uint32_t head[BERTH_WHEEL_LEVELS][BERTH_WHEEL_SLOTS];
	uint32_t now;
	uint32_t count;
};

/* Where the nodes are; at most 2^31 of them. */
struct berth_wheel_nodes {
	void *base;
	uint32_t stride;
};

/* An empty wheel whose clock stands at now. */
void berth_wheel_init(struct berth_wheel *w, uint32_t now);

/* True where the node is on the wheel. A node must begin with prev = BERTH_WHEEL_OUT. */
bool berth_wheel_has(struct berth_wheel_nodes nodes, uint32_t i);

/* Puts node i, which is on no wheel, on it; a time that is not ahead of now means the next tick. */
void berth_wheel_add(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i,
		     uint32_t when);

/*
 * As berth_wheel_add() for ms (below 2^31) after from. Where from, a caller's clock, is so far ahead of the wheel's that
 * this would look like the past: at the latest time that the wheel knows.
 */
void berth_wheel_add_after(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i,
			   uint32_t from, uint32_t ms);

/* Takes node i, which is on the wheel, off it. */
void berth_wheel_remove(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i);

/*
 * The next node whose time is not after to, taken off the wheel, in the order of time; the clock goes on to
 * that time, or to `to` where there is none: then -1. Between two calls nodes may be added and removed. A
 * time `to` that lies behind the clock changes nothing and gives -1.
 */
int64_t berth_wheel_pop(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t to);

#endif
