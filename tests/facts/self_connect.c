/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects a socket to the very endpoint that it is bound to, where nobody listens. */
#include "fact.h"

int main(void)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int fd, code;

	fact_begin(
		"a connect to a local endpoint whose port is the source port connects to itself");
	fd = fact_bound(SOCK_STREAM, 20000);
	code = fact_connect(fd, LO, 20000);
	fact_expect(!code, "connect: %s", fact_errno(code));
	fact_need(!getpeername(fd, (struct sockaddr *)&peer, &len), "getpeername");
	fact_expect(ntohs(peer.sin_port) == fact_port(fd), "its peer is port %u",
		    ntohs(peer.sin_port));
	fact_holds();
}
