/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the socket's flags in bind4 with IP_BIND_ADDRESS_NO_PORT and without it. */
#include "src/kernel/assign.h"

#include "hooks_user.h"

/* The flags that bind4 sees of bind(127.0.0.1, 0). */
static uint64_t flags(int no_port, int *out_fd)
{
	*out_fd = fact_socket(SOCK_STREAM);
	*seen = (struct hooks_seen){ 0 };
	fact_need(!setsockopt(*out_fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &no_port,
			      sizeof(no_port)),
		  "IP_BIND_ADDRESS_NO_PORT");
	fact_need(!fact_bind(*out_fd, LO, 0), "bind");
	fact_expect(seen->binds == 1, "bind4 ran %u times", seen->binds);
	return seen->inet_flags;
}

int main(void)
{
	static const struct berth_portset none;
	struct berth_assign_spec spec = { .ports = &none };
	uint64_t with, without;
	int fd;

	hooks_begin(
		"IP_BIND_ADDRESS_NO_PORT sets the bit of inet_flags that the kernel's types name, and "
		"no port is bound");
	fact_need(!berth_assign_complete(&spec), "the kernel's types");
	if (!spec.config.no_port_bit)
		fact_skip("this kernel's types name no such bit");
	without = flags(0, &fd);
	fact_expect(fact_port(fd) != 0, "without: not bound");
	with = flags(1, &fd);
	fact_expect(!fact_port(fd), "with: bound to %u", fact_port(fd));
	fact_expect((with ^ without) == 1ULL << spec.config.no_port_bit,
		    "flags %llx and %llx, bit %u", (unsigned long long)with,
		    (unsigned long long)without, spec.config.no_port_bit);
	fact_need(!fact_connect(fd, LO, fact_port(fact_listen(PEER))), "connect");
	fact_expect(seen->bound_addr == LO && !seen->bound_port, "connect4 sees %08x port %u",
		    seen->bound_addr, seen->bound_port);
	fact_holds();
}
