/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks a pair up whose one side is closed while the other is not. */
#include "hooks_user.h"

static void look(void)
{
	*want = (struct hooks_want){ .lookup_addr = LO, .lookup_port = 20000 };
	*seen = (struct hooks_seen){ 0 };
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	fact_expect(seen->is_timewait && seen->lookup_state == FACT_TIME_WAIT, "state %d",
		    seen->lookup_state);
}

int main(void)
{
	int listener, server;

	hooks_begin(
		"a closed socket whose peer is open is found as one in TIME_WAIT; only its substate "
		"says FIN_WAIT2");
	listener = fact_listen(PEER);
	server = fact_half_closed(listener, 20000, PEER);
	look();
	fact_expect(seen->timewait_substate == FACT_FIN_WAIT2, "substate %u",
		    seen->timewait_substate);
	close(server);
	fact_await_state(20000, PEER, FACT_TIME_WAIT);
	look();
	fact_expect(seen->timewait_substate == FACT_TIME_WAIT, "closed by both, substate %u",
		    seen->timewait_substate);
	fact_holds();
}
