/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares the clock of a timewait socket's entry stamp with the one that programs read. */
#include <time.h>

#include "hooks_user.h"

static uint32_t now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

int main(void)
{
	uint32_t before, after, ticked, hook;
	int server, listener;

	hooks_begin("tw_entry_stamp is in milliseconds of the clock of bpf_ktime_get_coarse_ns");
	listener = fact_listen(PEER);
	server = fact_half_closed(listener, 20000, PEER);
	before = now_ms(CLOCK_MONOTONIC);
	close(server);
	fact_await_state(20000, PEER, FACT_TIME_WAIT);
	after = now_ms(CLOCK_MONOTONIC);
	*want = (struct hooks_want){ .lookup_addr = LO, .lookup_port = 20000 };
	/* The coarse clock is that of the last tick, which may be long ago where a host is short of processors. */
	ticked = now_ms(CLOCK_MONOTONIC_COARSE);
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	fact_expect(seen->is_timewait, "state %d", seen->lookup_state);
	if (!seen->has_entry)
		fact_skip("this kernel has no tw_entry_stamp");
	fact_expect(seen->timewait_entry - before <= after - before,
		    "entered at %u, between %u and %u", seen->timewait_entry, before, after);
	hook = (uint32_t)(seen->now_ns / 1000000);
	after = now_ms(CLOCK_MONOTONIC_COARSE);
	fact_expect(hook - ticked <= after - ticked, "the hook's clock: %u, between %u and %u",
		    hook, ticked, after);
	fact_holds();
}
