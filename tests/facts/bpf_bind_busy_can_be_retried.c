/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds in connect4 to a port that a listener holds, then to the next one. */
#include "hooks_user.h"

int main(void)
{
	int fd, code;

	hooks_begin(
		"bpf_bind to a busy port is EADDRINUSE, and the same run may try the next port");
	fact_listen(PEER);
	fact_listen(20000);
	*want = (struct hooks_want){ .addr = LO, .port = { 20000, 20001 }, .reuseaddr = 1 };
	fd = fact_socket(SOCK_STREAM);
	code = fact_connect(fd, LO, PEER);
	fact_expect(seen->result[0] == -EADDRINUSE, "the busy port: %s",
		    fact_errno(-seen->result[0]));
	fact_expect(!seen->result[1], "the next port: %s", fact_errno(-seen->result[1]));
	fact_expect(!code && fact_port(fd) == 20001, "connect: %s, port %u", fact_errno(code),
		    fact_port(fd));
	fact_holds();
}
