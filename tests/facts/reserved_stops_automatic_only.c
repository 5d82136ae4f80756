/* SPDX-License-Identifier: BSD-2-Clause */
/* Reserves one of two ports, lets the kernel choose, and binds to the reserved one. */
#include "fact.h"

int main(void)
{
	int fd, code;

	fact_begin("ip_local_reserved_ports stops automatic choice and nothing else");
	fact_sysctl("ipv4/ip_local_port_range", "40000 40001");
	fact_sysctl("ipv4/ip_local_reserved_ports", "40000");
	fact_listen(PEER);
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	fact_expect(fact_port(fd) == 40001, "connect chose %u", fact_port(fd));
	code = fact_connect(fact_socket(SOCK_STREAM), LO, PEER);
	fact_expect(code == EADDRNOTAVAIL, "with only the reserved port left: %s",
		    fact_errno(code));
	code = fact_bind(fact_socket(SOCK_STREAM), LO, 40000);
	fact_expect(!code, "an explicit bind: %s", fact_errno(code));
	fact_holds();
}
