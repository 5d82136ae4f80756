/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects more UDP sockets than the ephemeral range has ports, to different destinations. */
#include "fact.h"

int main(void)
{
	int i, fd, code;

	fact_begin(
		"the kernel gives each UDP connect() a port alone, whatever its destination; none left "
		"is EAGAIN");
	fact_sysctl("ipv4/ip_local_port_range", "40000 40001");
	for (i = 0; i < 2; i++) {
		fd = fact_socket(SOCK_DGRAM);
		fact_need(!fact_connect(fd, LO, (uint16_t)(PEER + i)), "connect");
		fact_expect(fact_port(fd) / 2 == 20000, "it chose %u", fact_port(fd));
	}
	code = fact_connect(fact_socket(SOCK_DGRAM), LO, PEER + 2);
	fact_expect(code == EAGAIN, "with none left: %s", fact_errno(code));
	fact_need(!fact_connect(fact_bound(SOCK_DGRAM, 40002), LO, PEER), "the pair was not free");
	fact_holds();
}
