/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds in connect4 a socket that is bound: by its program, and by the same run. */
#include "hooks_user.h"

int main(void)
{
	int fd;

	hooks_begin("bpf_bind of a socket that is bound is EINVAL");
	fact_listen(PEER);
	*want = (struct hooks_want){ .addr = LO, .port = { 20001 } };
	fd = fact_bound(SOCK_STREAM, 20000);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	fact_expect(seen->result[0] == -EINVAL, "bound by its program: %s",
		    fact_errno(-seen->result[0]));
	fact_expect(fact_port(fd) == 20000, "its port is %u", fact_port(fd));
	*want = (struct hooks_want){ .addr = LO, .port = { 20002, 20003 } };
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	fact_expect(!seen->result[0] && seen->result[1] == -EINVAL, "twice in one run: %s, %s",
		    fact_errno(-seen->result[0]), fact_errno(-seen->result[1]));
	fact_holds();
}
