/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares what connect4 tells of a socket's binding with what its program sees. */
#include "hooks_user.h"

int main(void)
{
	int fd;

	hooks_begin(
		"connect4 tells the address and port that a socket is bound to, the port in host order");
	fact_listen(PEER);
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	fact_expect(!seen->bound_addr && !seen->bound_port, "unbound: %08x port %u",
		    seen->bound_addr, seen->bound_port);
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_bind(fd, LO + 1, 0) && !fact_connect(fd, LO, PEER), "connect");
	fact_expect(seen->bound_addr == LO + 1 && seen->bound_port == fact_port(fd),
		    "bound: %08x port %u, not %u", seen->bound_addr, seen->bound_port,
		    fact_port(fd));
	fact_holds();
}
