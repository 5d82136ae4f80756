/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds in connect4 below 1024, with and without the capability of the task. */
#include <sys/capability.h>

#include "hooks_user.h"

static void drop_capability(void)
{
	cap_value_t net_bind = CAP_NET_BIND_SERVICE;
	cap_t caps = cap_get_proc();

	fact_need(caps && !cap_set_flag(caps, CAP_EFFECTIVE, 1, &net_bind, CAP_CLEAR) &&
			  !cap_set_proc(caps),
		  "drop CAP_NET_BIND_SERVICE");
	cap_free(caps);
}

int main(void)
{
	hooks_begin("bpf_bind below 1024 is EACCES where the task lacks CAP_NET_BIND_SERVICE");
	fact_listen(PEER);
	*want = (struct hooks_want){ .addr = LO, .port = { 999 } };
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	fact_expect(!seen->result[0], "with the capability: %s", fact_errno(-seen->result[0]));
	drop_capability();
	want->port[0] = 998;
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	fact_expect(seen->result[0] == -EACCES, "without it: %s", fact_errno(-seen->result[0]));
	fact_holds();
}
