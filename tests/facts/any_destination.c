/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects to 0.0.0.0, from an unbound socket and from one with an address. */
#include "fact.h"

/* The address that a socket is connected to. */
static uint32_t peer(int fd)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	fact_need(!getpeername(fd, (struct sockaddr *)&sa, &len), "getpeername");
	return ntohl(sa.sin_addr.s_addr);
}

int main(void)
{
	int fd, listener;

	fact_begin(
		"connect to 0.0.0.0 reaches 127.0.0.1, or the socket's own address where it has one");
	listener = fact_socket(SOCK_STREAM);
	fact_need(!fact_bind(listener, INADDR_ANY, PEER) && !listen(listener, 8), "listen");
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, INADDR_ANY, PEER), "connect");
	fact_expect(peer(fd) == LO, "unbound: %08x", peer(fd));
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_bind(fd, LO + 1, 0) && !fact_connect(fd, INADDR_ANY, PEER), "connect");
	fact_expect(peer(fd) == LO + 1, "bound to 127.0.0.2: %08x", peer(fd));
	fact_holds();
}
