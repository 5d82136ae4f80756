/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds in connect4 to a port whose pair is established: bpf_bind cannot see it, connect fails. */
#include "hooks_user.h"

int main(void)
{
	int code;

	hooks_begin("bpf_bind does not see a pair that is taken: the program's connect is "
		    "EADDRNOTAVAIL");
	fact_listen(PEER);
	*want = (struct hooks_want){ .addr = LO, .port = { 20000 }, .reuseaddr = 1 };
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	code = fact_connect(fact_socket(SOCK_STREAM), LO, PEER);
	fact_expect(!seen->result[0], "bpf_bind: %s", fact_errno(-seen->result[0]));
	fact_expect(code == EADDRNOTAVAIL, "connect: %s", fact_errno(code));
	fact_holds();
}
