/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts servers on a port that bpf_bind gave to a client, with SO_REUSEADDR and without. */
#include "hooks_user.h"

int main(void)
{
	int server, code;

	hooks_begin("on a port assigned with bpf_bind and SO_REUSEADDR a server with SO_REUSEADDR "
		    "starts, one without not");
	fact_listen(PEER);
	*want = (struct hooks_want){ .addr = LO, .port = { 20000 }, .reuseaddr = 1 };
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	code = fact_bind(fact_socket(SOCK_STREAM), LO, 20000);
	fact_expect(code == EADDRINUSE, "without: %s", fact_errno(code));
	server = fact_socket(SOCK_STREAM);
	fact_reuseaddr(server, 1);
	code = fact_bind(server, LO, 20000);
	fact_expect(!code, "bind with: %s", fact_errno(code));
	fact_expect(!listen(server, 1), "listen: %s", fact_errno(errno));
	fact_holds();
}
