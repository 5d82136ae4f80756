/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies of a port space: what is known of them, what they remember, and those that are a system's habit. */
#include "src/core/habits.h"
#include "src/core/space.h"

/* Both tables of habits are made of the same rows. */
#define FIRST_HABIT BERTH_SPACE_LINUX
_Static_assert(BERTH_SPACE_POLICY_COUNT - FIRST_HABIT == BERTH_HABIT_COUNT - BERTH_HABIT_LINUX,
	       "a habit of habits.h has a policy of space.h in the same order");

#define ROW(id, name, text) { name, text },
static const struct {
	char name[20], text[80];
} own[] = { BERTH_SPACE_POLICIES(ROW) };
#undef ROW

static enum berth_habit habit_of(unsigned policy)
{
	return (enum berth_habit)(policy - FIRST_HABIT + BERTH_HABIT_LINUX);
}

const char *berth_space_policy_name(unsigned policy)
{
	if (policy < FIRST_HABIT)
		return own[policy].name;
	return policy < BERTH_SPACE_POLICY_COUNT ? berth_habit_row(habit_of(policy)).name : NULL;
}

int berth_space_policy_row(unsigned policy, struct berth_space_policy_row *out_row)
{
	struct berth_habit_row h;

	if (policy >= BERTH_SPACE_POLICY_COUNT)
		return BERTH_SPACE_E_INVALID;
	if (policy < FIRST_HABIT) {
		*out_row = (struct berth_space_policy_row){
			.name = own[policy].name,
			.system = "",
			.text = own[policy].text,
			.source = "",
			.first = 49152,
			.last = 65535,
			.shares = true,
		};
		return 0;
	}
	h = berth_habit_row(habit_of(policy));
	*out_row = (struct berth_space_policy_row){
		.name = h.name,
		.system = h.system,
		.text = h.text,
		.source = h.source,
		.first = h.range.first,
		.last = h.range.last,
		.shares = h.share,
	};
	return 0;
}

static uint32_t draw(void *from)
{
	uint64_t *rnd = from, x = berth_draw_mix(*rnd);

	*rnd += 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(x >> 32);
}

static size_t counter_bytes(const struct berth_space *sp)
{
	return sp->config.policy == BERTH_SPACE_DOUBLE_HASH
		       ? sp->config.counters * sizeof(*sp->counters)
		       : 0;
}

static size_t habit_bytes(const struct berth_space *sp)
{
	return sp->config.policy < FIRST_HABIT ? 0 : berth_habit_size(habit_of(sp->config.policy));
}

bool berth_space_policy_begin(struct berth_space *sp)
{
	size_t counters = counter_bytes(sp), habit = habit_bytes(sp);
	uint64_t rnd = sp->salt[0];
	uint32_t i;

	if (counters && !(sp->counters = berth_space_get_memory(sp, counters)))
		return false;
	if (habit && !(sp->habit = berth_space_get_memory(sp, habit)))
		return false;
	/* RFC 6056 section 3.3.4: the counters begin at random. */
	sp->counter = (uint32_t)berth_draw_mix(rnd);
	for (i = 0; counters && i < sp->config.counters; i++)
		sp->counters[i] = (uint32_t)berth_draw_mix(rnd + i);
	if (!habit)
		return true;
	berth_habit_init(sp->habit, habit_of(sp->config.policy), draw, &rnd);
	sp->alone = !berth_habit_row(habit_of(sp->config.policy)).share;
	sp->clock_ms = sp->config.now_ms;
	return true;
}

void berth_space_policy_end(struct berth_space *sp)
{
	berth_space_put_memory(sp, sp->counters, counter_bytes(sp));
	berth_space_put_memory(sp, sp->habit, habit_bytes(sp));
}

int32_t berth_space_habit_next(struct berth_space *sp, bool bind, uint64_t rnd,
			       struct berth_habit_ask *ask)
{
	enum berth_habit habit = habit_of(sp->config.policy);
	uint32_t tries;

	/* The caller's clock goes round in 49 days; a key of Linux is not to come again. */
	sp->clock_ms += (uint32_t)(sp->wheel.now - (uint32_t)sp->clock_ms);
	ask->range = (struct berth_range){ sp->config.first, sp->config.last };
	ask->now_s = (uint32_t)(sp->clock_ms / 1000);
	ask->draw = draw;
	ask->from = &rnd;
	return berth_habit_next(bind ? berth_habit_of_bind(habit) : habit, sp->habit, ask, &tries);
}
