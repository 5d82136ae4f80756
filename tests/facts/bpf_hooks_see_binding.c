/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares what post_bind4 and connect4 tell of a socket's binding with what its program sees. */
#include "hooks_user.h"

int main(void)
{
	int fd;

	hooks_begin(
		"post_bind4 tells the port that bind() got, connect4 address and port, in host order");
	fact_listen(PEER);
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	fact_expect(!seen->bound_addr && !seen->bound_port, "unbound: connect4 sees %08x port %u",
		    seen->bound_addr, seen->bound_port);
	fact_bound(SOCK_STREAM, 20000);
	fact_expect(seen->post_bind_port == 20000, "the program's choice: %u",
		    seen->post_bind_port);
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_bind(fd, LO + 1, 0), "bind");
	fact_expect(seen->post_bind_port == fact_port(fd), "the kernel's choice: %u, not %u",
		    seen->post_bind_port, fact_port(fd));
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	fact_expect(seen->bound_addr == LO + 1 && seen->bound_port == fact_port(fd),
		    "connect4 sees %08x port %u", seen->bound_addr, seen->bound_port);
	fact_holds();
}
