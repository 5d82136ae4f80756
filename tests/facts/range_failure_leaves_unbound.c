/* SPDX-License-Identifier: BSD-2-Clause */
/* Fails to connect inside an IP_LOCAL_PORT_RANGE of one port, and goes on with the same socket. */
#include "fact.h"

int main(void)
{
	int first, fd, code;

	fact_begin("a connect that fails inside IP_LOCAL_PORT_RANGE leaves the socket unbound, to "
		   "be tried again");
	fact_sysctl("ipv4/ip_local_port_range", "40000 40999");
	fact_listen(PEER);
	first = fact_socket(SOCK_STREAM);
	fact_range(first, 40000, 40000);
	fact_need(!fact_connect(first, LO, PEER), "connect");
	fd = fact_socket(SOCK_STREAM);
	fact_range(fd, 40000, 40000);
	code = fact_connect(fd, LO, PEER);
	fact_expect(code == EADDRNOTAVAIL, "the second connect from port 40000: %s",
		    fact_errno(code));
	fact_expect(!fact_port(fd), "it is bound to %u", fact_port(fd));
	fact_range(fd, 40001, 40001);
	code = fact_connect(fd, LO, PEER);
	fact_expect(!code, "connect from port 40001: %s", fact_errno(code));
	fact_expect(fact_port(fd) == 40001, "it got port %u", fact_port(fd));
	fact_holds();
}
