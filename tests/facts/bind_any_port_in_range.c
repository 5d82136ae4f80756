/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds with port 0 until the ephemeral range is used up. */
#include "fact.h"

static void use_up(const char *protocol, int type)
{
	int i, fd, code;

	for (i = 0; i < 4; i++) {
		fd = fact_socket(type);
		fact_need(!fact_bind(fd, LO, 0), "bind");
		fact_expect(fact_port(fd) / 4 == 10000, "%s: it chose %u", protocol, fact_port(fd));
	}
	code = fact_bind(fact_socket(type), LO, 0);
	fact_expect(code == EADDRINUSE, "%s: with none left: %s", protocol, fact_errno(code));
}

int main(void)
{
	fact_begin(
		"bind() with port 0 takes a port out of the ephemeral range; none left is EADDRINUSE");
	fact_sysctl("ipv4/ip_local_port_range", "40000 40003");
	use_up("TCP", SOCK_STREAM);
	use_up("UDP", SOCK_DGRAM);
	fact_holds();
}
