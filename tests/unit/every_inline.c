/* SPDX-License-Identifier: BSD-2-Clause */
/* Every inline function of the core, compiled on its own, for the test that the core calls nobody. */
#include "src/core/hash.h"
#include "src/core/lane.h"
#include "src/core/range.h"

/* pure.sh compares the names with the headers. */
extern void (*const berth_every_inline[])(void);
void (*const berth_every_inline[])(void) = {
	(void (*)(void))berth_popcount64,     (void (*)(void))berth_ctz64,
	(void (*)(void))berth_plain64,        (void (*)(void))berth_mask64,
	(void (*)(void))berth_if64,           (void (*)(void))berth_times64,
	(void (*)(void))berth_select8,        (void (*)(void))berth_select64,
	(void (*)(void))berth_siphash,        (void (*)(void))berth_lane_init,
	(void (*)(void))berth_lane_resting,   (void (*)(void))berth_lane_is_used,
	(void (*)(void))berth_lane_since_,    (void (*)(void))berth_lane_pop_,
	(void (*)(void))berth_lane_mark_,     (void (*)(void))berth_lane_drain_,
	(void (*)(void))berth_lane_take,      (void (*)(void))berth_lane_drop,
	(void (*)(void))berth_lane_park,      (void (*)(void))berth_below,
	(void (*)(void))berth_policy_scans,   (void (*)(void))berth_policy_counts,
	(void (*)(void))berth_policy_step,    (void (*)(void))berth_policy_start,
	(void (*)(void))berth_policy_pick,    (void (*)(void))berth_policy_passed,
	(void (*)(void))berth_portset_has,    (void (*)(void))berth_portset_behind_,
	(void (*)(void))berth_portset_step_,  (void (*)(void))berth_portset_count_,
	(void (*)(void))berth_portset_port_,  (void (*)(void))berth_portset_add,
	(void (*)(void))berth_portset_remove, (void (*)(void))berth_portset_ahead_,
	(void (*)(void))berth_portset_next,   (void (*)(void))berth_portset_next_wrap,
	(void (*)(void))berth_portset_kth,    (void (*)(void))berth_portset_rank,
	(void (*)(void))berth_range_len,
};
