/* SPDX-License-Identifier: BSD-2-Clause */
/* Lets the kernel choose all ports of a range, one after the other. */
#include "fact.h"

#define FIRST 40001u
#define PORTS 40u

int main(void)
{
	uint32_t i;
	int fd;

	fact_begin(
		"the kernel's choice in connect gives the ports that are as even or odd as the low end of the range "
		"before any other");
	fact_sysctl("ipv4/ip_local_port_range", "40001 40040");
	fact_listen(PEER);
	for (i = 0; i < PORTS; i++) {
		fd = fact_socket(SOCK_STREAM);
		fact_need(!fact_connect(fd, LO, PEER), "connect");
		fact_expect(((fact_port(fd) ^ FIRST) & 1) == (i >= PORTS / 2), "number %u is %u", i,
			    fact_port(fd));
	}
	fact_holds();
}
