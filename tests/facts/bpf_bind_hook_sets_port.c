/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts a port into bind(address, 0), a free one and a busy one. */
#include "hooks_user.h"

int main(void)
{
	int fd, code;

	hooks_begin("bind(address, 0) passes bind4, which may set the port; a busy one is "
		    "EADDRINUSE for the program");
	fact_listen(20001);
	*want = (struct hooks_want){ .bind_port = 20000 };
	*seen = (struct hooks_seen){ .bind_port = 1 };
	fd = fact_socket(SOCK_STREAM);
	code = fact_bind(fd, LO, 0);
	fact_expect(seen->binds == 1 && !seen->bind_port, "bind4 ran %u times and saw port %u",
		    seen->binds, seen->bind_port);
	fact_expect(!code && fact_port(fd) == 20000, "bind: %s, port %u", fact_errno(code),
		    fact_port(fd));
	*want = (struct hooks_want){ .bind_port = 20001 };
	code = fact_bind(fact_socket(SOCK_STREAM), LO, 0);
	fact_expect(code == EADDRINUSE, "a busy port: %s", fact_errno(code));
	fact_holds();
}
