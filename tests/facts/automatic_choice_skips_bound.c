/* SPDX-License-Identifier: BSD-2-Clause */
/* Lets the kernel choose out of two ports, one of which is bound on another address. */
#include "fact.h"

int main(void)
{
	int holder, fd, code;

	fact_begin("the kernel's choice in connect skips a port that is bound explicitly, on any "
		   "address");
	fact_sysctl("ipv4/ip_local_port_range", "40000 40001");
	fact_listen(PEER);
	holder = fact_socket(SOCK_STREAM);
	fact_reuseaddr(holder, 1);
	fact_need(!fact_bind(holder, LO + 1, 40000), "bind");
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	fact_expect(fact_port(fd) == 40001, "it chose %u", fact_port(fd));
	code = fact_connect(fact_socket(SOCK_STREAM), LO, PEER);
	fact_expect(code == EADDRNOTAVAIL, "with only the bound port left: %s", fact_errno(code));
	fact_need(!fact_connect(fact_bound(SOCK_STREAM, 40000), LO, PEER), "the pair was not free");
	fact_holds();
}
