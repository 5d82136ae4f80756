/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks IP_LOCAL_PORT_RANGE for ports outside the namespace's range. */
#include "fact.h"

int main(void)
{
	uint16_t port;
	int fd;

	fact_begin("IP_LOCAL_PORT_RANGE outside of ip_local_port_range is ignored without a word");
	fact_sysctl("ipv4/ip_local_port_range", "40000 40999");
	fact_listen(PEER);
	fd = fact_socket(SOCK_STREAM);
	fact_range(fd, 20000, 20010);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	port = fact_port(fd);
	fact_expect(port >= 40000 && port <= 40999, "asked for 20000-20010, got %u", port);
	fact_holds();
}
