/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lanes in maps: each function looks its lane up, locks it, and leaves nothing held. A lane that was
 * reclaimed before the lock was had has another slot: it is none then.
 */
#ifndef BERTH_BPF_LANES_H
#define BERTH_BPF_LANES_H

#include "maps.bpf.h"

enum { TAKE_EXHAUSTED = -1, TAKE_NO_LANE = -2 };

static struct berth_lane_slot *lane_find(const struct berth_lane_key *key,
					 struct berth_lane **out_lane, uint32_t *out_slot)
{
	struct berth_lane_slot *s = bpf_map_lookup_elem(&lanes, key);
	uint32_t slab, at;
	void *inner;

	if (!s)
		return 0;
	*out_slot = s->slot;
	slab = *out_slot / BERTH_SLAB_LANES;
	at = *out_slot % BERTH_SLAB_LANES;
	inner = bpf_map_lookup_elem(&slabs, &slab);
	if (!inner)
		return 0;
	*out_lane = bpf_map_lookup_elem(inner, &at);
	return *out_lane ? s : 0;
}

/* The port to try, TAKE_EXHAUSTED or TAKE_NO_LANE. out_from: enum berth_lane_from. */
__attribute__((noinline)) int lane_take(const struct berth_lane_key *key,
					const struct berth_lane_want *want, uint32_t *out_from)
{
	enum berth_lane_from from = BERTH_FROM_IDLE;
	struct berth_lane *lane = 0;
	struct berth_lane_slot *s;
	struct berth_lane_want w;
	uint32_t slot = 0, now_s;
	int port = TAKE_NO_LANE;

	if (!key || !want || !out_from)
		return TAKE_NO_LANE;
	s = lane_find(key, &lane, &slot);
	if (!s || !lane)
		return TAKE_NO_LANE;
	w = *want;
	now_s = (uint32_t)(w.now_ns / 1000000000);
	bpf_spin_lock(&s->lock);
	if (s->slot == slot) {
		s->used_s = now_s;
		port = berth_lane_take(lane, &pool, &w, &from);
		port = port < 0 ? TAKE_EXHAUSTED : port;
	}
	bpf_spin_unlock(&s->lock);
	*out_from = from;
	return port;
}

/* Gives a port back; TAKE_NO_LANE where there is no lane to give it to. */
__attribute__((noinline)) int lane_drop(const struct berth_lane_key *key, uint32_t port)
{
	struct berth_lane *lane = 0;
	struct berth_lane_slot *s;
	uint64_t now = bpf_ktime_get_coarse_ns(), rest = config.rest_ns;
	uint32_t slot = 0;

	if (!key)
		return TAKE_NO_LANE;
	s = lane_find(key, &lane, &slot);
	if (!s || !lane)
		return TAKE_NO_LANE;
	bpf_spin_lock(&s->lock);
	if (s->slot == slot)
		berth_lane_drop(lane, port, now, rest);
	bpf_spin_unlock(&s->lock);
	return 0;
}

__attribute__((noinline)) int lane_park(const struct berth_lane_key *key, uint32_t port)
{
	struct berth_lane *lane = 0;
	struct berth_lane_slot *s;
	uint32_t slot = 0;

	if (!key)
		return 0;
	s = lane_find(key, &lane, &slot);
	if (!s || !lane)
		return 0;
	bpf_spin_lock(&s->lock);
	if (s->slot == slot)
		berth_lane_park(lane, port);
	bpf_spin_unlock(&s->lock);
	return 0;
}

/* Builds the lane where there is none yet; 0, or negative where no memory was at hand. */
__attribute__((noinline)) int lane_build(const struct berth_lane_key *key)
{
	struct berth_lane_slot fresh = {};
	struct berth_shared *all;
	struct berth_lane *lane;
	uint32_t slot = 0, slab, at, zero = 0, *event;
	void *inner;
	long err;

	if (!key)
		return -1;
	if (bpf_map_pop_elem(&slots, &slot))
		return -1;
	slab = slot / BERTH_SLAB_LANES;
	at = slot % BERTH_SLAB_LANES;
	inner = bpf_map_lookup_elem(&slabs, &slab);
	if (!inner)
		return -1;
	lane = bpf_map_lookup_elem(inner, &at);
	if (!lane)
		return -1;
	berth_lane_init(lane, &pool);
	fresh.slot = slot;
	fresh.used_s = (uint32_t)(bpf_ktime_get_coarse_ns() / 1000000000);
	err = bpf_map_update_elem(&lanes, key, &fresh, BPF_NOEXIST);
	if (err) {
		bpf_map_push_elem(&slots, &slot, 0);
		return err == -EEXIST ? 0 : (int)err;
	}
	count(BERTH_VERDICT_LANES);
	all = bpf_map_lookup_elem(&shared, &zero);
	if (all)
		__sync_fetch_and_add(&all->lanes, 1);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		*event = slot;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

#endif
