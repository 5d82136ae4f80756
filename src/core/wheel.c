/* SPDX-License-Identifier: BSD-2-Clause */
/* The timing wheel: lists of nodes for each level and slot, found by the bits in which a time differs from now. */
#include "src/core/wheel.h"

#include <string.h>

#include "src/core/bits.h"

#define NONE UINT32_MAX
#define HEAD 0x80000000u /* in prev: the node is the first of the slot with this number */

static struct berth_wheel_node *node(struct berth_wheel_nodes nodes, uint32_t i)
{
	return (struct berth_wheel_node *)((char *)nodes.base + (uint64_t)i * nodes.stride);
}

void berth_wheel_init(struct berth_wheel *w, uint32_t now)
{
	memset(w, 0, sizeof(*w));
	memset(w->head, 0xff, sizeof(w->head));
	w->now = now;
}

bool berth_wheel_has(struct berth_wheel_nodes nodes, uint32_t i)
{
	return node(nodes, i)->prev != BERTH_WHEEL_OUT;
}

/* The number of the slot, level * 64 + slot, of a time other than now. */
static uint32_t slot_of(const struct berth_wheel *w, uint32_t when)
{
	uint32_t level = (31 - (uint32_t)__builtin_clz(w->now ^ when)) / 6;

	return level * BERTH_WHEEL_SLOTS + ((when >> (6 * level)) & (BERTH_WHEEL_SLOTS - 1));
}

static void put(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i, uint32_t slot)
{
	uint32_t *head = &w->head[slot / BERTH_WHEEL_SLOTS][slot % BERTH_WHEEL_SLOTS];
	struct berth_wheel_node *n = node(nodes, i);

	n->next = *head;
	n->prev = HEAD | slot;
	if (*head != NONE)
		node(nodes, *head)->prev = i;
	*head = i;
	w->busy[slot / BERTH_WHEEL_SLOTS] |= 1ULL << (slot % BERTH_WHEEL_SLOTS);
}

void berth_wheel_add_after(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i,
			   uint32_t from, uint32_t ms)
{
	uint32_t when = from + ms;

	if ((int32_t)(when - w->now) <= 0)
		when = w->now + ((int32_t)(from - w->now) > 0 ? INT32_MAX : 1);
	node(nodes, i)->when = when;
	put(w, nodes, i, slot_of(w, when));
	w->count++;
}

void berth_wheel_add(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i,
		     uint32_t when)
{
	berth_wheel_add_after(w, nodes, i, w->now, when - w->now);
}

/* Takes node i out of its list. */
static void cut(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i)
{
	struct berth_wheel_node *n = node(nodes, i);
	uint32_t slot = n->prev & ~HEAD;

	if (n->next != NONE)
		node(nodes, n->next)->prev = n->prev;
	if (!(n->prev & HEAD)) {
		node(nodes, n->prev)->next = n->next;
	} else {
		w->head[slot / BERTH_WHEEL_SLOTS][slot % BERTH_WHEEL_SLOTS] = n->next;
		if (n->next == NONE)
			w->busy[slot / BERTH_WHEEL_SLOTS] &= ~(1ULL << (slot % BERTH_WHEEL_SLOTS));
	}
	n->prev = BERTH_WHEEL_OUT;
}

void berth_wheel_remove(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t i)
{
	cut(w, nodes, i);
	w->count--;
}

/*
 * The first busy slot; false where there is none. The lowest level that is busy has it: what lies on a higher
 * one differs from now in a higher bit. On the last level, where the clock wraps, slots go round.
 */
static bool first_slot(const struct berth_wheel *w, uint32_t *out_slot, uint32_t *out_when)
{
	uint32_t level, shift, at;
	uint64_t busy, ahead;

	for (level = 0; level < BERTH_WHEEL_LEVELS && !w->busy[level]; level++)
		;
	if (level == BERTH_WHEEL_LEVELS)
		return false;
	shift = 6 * level;
	busy = w->busy[level];
	ahead = busy & (~0ULL << ((w->now >> shift) & 63));
	at = berth_ctz64(ahead ? ahead : busy);
	*out_slot = level * BERTH_WHEEL_SLOTS + at;
	/* Level 5 has no bits above it, and the shift of its slot drops what the clock does not have. */
	*out_when = at << shift;
	if (level + 1 < BERTH_WHEEL_LEVELS)
		*out_when |= w->now & ~((1u << (shift + 6)) - 1);
	return true;
}

/* Moves the timers of a slot, whose time has come, down to the levels where they belong now. */
static void cascade(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t slot)
{
	uint32_t level = slot / BERTH_WHEEL_SLOTS, at = slot % BERTH_WHEEL_SLOTS;
	uint32_t i = w->head[level][at], next;

	w->head[level][at] = NONE;
	w->busy[level] &= ~(1ULL << at);
	for (; i != NONE; i = next) {
		next = node(nodes, i)->next;
		/* Due at once: it waits in the slot of level 0 that is due now. */
		put(w, nodes, i,
		    node(nodes, i)->when == w->now ? w->now % BERTH_WHEEL_SLOTS
						   : slot_of(w, node(nodes, i)->when));
	}
}

int64_t berth_wheel_pop(struct berth_wheel *w, struct berth_wheel_nodes nodes, uint32_t to)
{
	uint32_t slot, when, i;

	if ((int32_t)(to - w->now) < 0)
		return -1;
	while (first_slot(w, &slot, &when) && when - w->now <= to - w->now) {
		w->now = when;
		if (slot >= BERTH_WHEEL_SLOTS) {
			cascade(w, nodes, slot);
			continue;
		}
		i = w->head[0][slot];
		berth_wheel_remove(w, nodes, i);
		return i;
	}
	w->now = to;
	return -1;
}
