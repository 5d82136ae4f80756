/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks pairs up in connect4: beside a listener, established, in TIME_WAIT and free. */
#include "hooks_user.h"

enum { ESTABLISHED = 1, TIME_WAIT = 6, LISTEN = 10 };

/* State of what bpf_skc_lookup_tcp finds for 127.0.0.1:port -> 127.0.0.1:PEER. */
static int look(uint16_t port)
{
	int fd = fact_socket(SOCK_STREAM);

	*want = (struct hooks_want){ .lookup_addr = LO, .lookup_port = port };
	*seen = (struct hooks_seen){ 0 };
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	close(fd);
	return seen->lookup_state;
}

int main(void)
{
	int state;

	hooks_begin("bpf_skc_lookup_tcp finds LISTEN, ESTABLISHED and TIME_WAIT, and nothing for a "
		    "free pair");
	fact_timewait(fact_listen(PEER), 20000, PEER);
	fact_listen(20001);
	fact_need(!fact_connect(fact_bound(SOCK_STREAM, 20002), LO, PEER), "connect");
	state = look(20001);
	fact_expect(state == LISTEN, "beside a listener: %d", state);
	state = look(20002);
	fact_expect(state == ESTABLISHED, "established: %d", state);
	state = look(20000);
	fact_expect(state == TIME_WAIT && seen->is_timewait, "in TIME_WAIT: %d", state);
	state = look(20003);
	fact_expect(!state, "free: %d", state);
	fact_holds();
}
