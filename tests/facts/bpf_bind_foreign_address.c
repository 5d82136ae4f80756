/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds in connect4 to an address that the namespace does not have. */
#include "hooks_user.h"

int main(void)
{
	int fd;

	hooks_begin("bpf_bind to an address that is not local is EADDRNOTAVAIL, and the socket "
		    "stays usable");
	fact_listen(PEER);
	*want = (struct hooks_want){ .addr = 0xc0000201u, .port = { 20000 } }; /* 192.0.2.1 */
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	fact_expect(seen->result[0] == -EADDRNOTAVAIL, "%s", fact_errno(-seen->result[0]));
	fact_expect(fact_port(fd) != 20000, "it is bound to port 20000");
	fact_holds();
}
