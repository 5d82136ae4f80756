/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds to ports in TIME_WAIT, left by sockets with SO_REUSEADDR and without it. */
#include "fact.h"

/* Leaves a pair in TIME_WAIT whose closed side had no SO_REUSEADDR. */
static void leave_unshared(int listener, uint16_t port)
{
	int fd = fact_socket(SOCK_STREAM), server;

	fact_need(!fact_bind(fd, LO, port) && !fact_connect(fd, LO, PEER), "connect");
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	fact_need(server >= 0, "accept");
	close(fd);
	fact_await_state(port, PEER, FACT_FIN_WAIT2);
	close(server);
	fact_await_state(port, PEER, FACT_TIME_WAIT);
}

/* The errno of a bind to 127.0.0.1:port. */
static int bound(uint16_t port, int reuse)
{
	int fd = fact_socket(SOCK_STREAM), code;

	fact_reuseaddr(fd, reuse);
	code = fact_bind(fd, LO, port);
	close(fd);
	return code;
}

int main(void)
{
	int listener, server, code;

	fact_begin(
		"a port in TIME_WAIT can be bound where the socket that left it and the new one have "
		"SO_REUSEADDR");
	listener = fact_listen(PEER);
	leave_unshared(listener, 20001);
	fact_timewait(listener, 20000, PEER);
	code = bound(20000, 1);
	fact_expect(!code, "both: %s", fact_errno(code));
	code = bound(20000, 0);
	fact_expect(code == EADDRINUSE, "the one that left it: %s", fact_errno(code));
	code = bound(20001, 1);
	fact_expect(code == EADDRINUSE, "the new one: %s", fact_errno(code));
	server = fact_half_closed(listener, 20002, PEER);
	code = bound(20002, 1);
	fact_expect(!code, "both, in FIN_WAIT2: %s", fact_errno(code));
	close(server);
	fact_holds();
}
