/* SPDX-License-Identifier: BSD-2-Clause */
/* Lets the kernel choose out of two ports, of which post_bind4 refuses the one that comes first. */
#include "hooks_user.h"

int main(void)
{
	int i, fd, code;

	hooks_begin(
		"post_bind4 can refuse a port of the kernel's choice; the kernel does not try another, the "
		"program gets the errno, and the socket is unbound again; a reserved port is passed over");
	/* The choice begins at odd ports. */
	fact_sysctl("ipv4/ip_local_port_range", "40000 40001");
	*want = (struct hooks_want){ .chosen_port = 40001, .refusal = -EACCES };
	for (i = 0; i < 20; i++) {
		*seen = (struct hooks_seen){ .post_binds = 0 };
		fd = fact_socket(SOCK_STREAM);
		code = fact_bind(fd, LO, 0);
		fact_expect(code == EACCES, "bind: %s, port %u", fact_errno(code), fact_port(fd));
		fact_expect(seen->post_binds == 1, "post_bind4 ran %u times", seen->post_binds);
		fact_expect(!fact_port(fd), "the refused socket has port %u", fact_port(fd));
		code = fact_bind(fd, LO, 40002);
		fact_expect(!code, "the refused socket once more: %s", fact_errno(code));
		close(fd);
	}
	fact_sysctl("ipv4/ip_local_reserved_ports", "40001");
	fd = fact_socket(SOCK_STREAM);
	code = fact_bind(fd, LO, 0);
	fact_expect(!code && fact_port(fd) == 40000, "with the port reserved: %s, port %u",
		    fact_errno(code), fact_port(fd));
	fact_holds();
}
