/* SPDX-License-Identifier: BSD-2-Clause */
/* Lets the kernel choose out of one port that is in TIME_WAIT, without and with tcp_tw_reuse. */
#include <time.h>

#include "fact.h"

#define PORT 40000

/* Seconds on a clock that nobody sets. */
static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

int main(void)
{
	int listener, fd, code;
	time_t end;

	fact_begin(
		"the kernel's choice takes a port in TIME_WAIT toward loopback with tcp_tw_reuse 2, after a while, "
		"and none with 0");
	fact_sysctl("ipv4/ip_local_port_range", "40000 40000");
	fact_sysctl("ipv4/tcp_tw_reuse", "0");
	listener = fact_listen(PEER);
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	close(fd);
	close(accept(listener, NULL, NULL));
	fact_await_state(PORT, PEER, FACT_TIME_WAIT);
	code = fact_connect(fact_socket(SOCK_STREAM), LO, PEER);
	fact_expect(code == EADDRNOTAVAIL, "with 0: %s", fact_errno(code));
	fact_sysctl("ipv4/tcp_tw_reuse", "2");
	for (end = now() + 10; code && now() < end;) {
		fd = fact_socket(SOCK_STREAM);
		code = fact_connect(fd, LO, PEER);
		close(fd);
	}
	fact_expect(!code, "with 2: %s", fact_errno(code));
	fact_holds();
}
