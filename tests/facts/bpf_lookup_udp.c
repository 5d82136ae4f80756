/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks pairs of UDP up in connect4: connected, to another destination, beside an unconnected socket, free. */
#include "hooks_user.h"

/* True where bpf_sk_lookup_udp finds a socket for 127.0.0.1:port -> 127.0.0.1:PEER. */
static bool finds(uint16_t port)
{
	int fd = fact_socket(SOCK_DGRAM);

	*want = (struct hooks_want){ .lookup_addr = LO, .lookup_port = port };
	*seen = (struct hooks_seen){ 0 };
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	close(fd);
	return seen->found != 0;
}

int main(void)
{
	hooks_begin(
		"bpf_sk_lookup_udp finds a connected pair and an unconnected socket on the port, not "
		"another pair's");
	fact_need(!fact_connect(fact_bound(SOCK_DGRAM, 20000), LO, PEER), "connect");
	fact_need(!fact_connect(fact_bound(SOCK_DGRAM, 20001), LO, PEER + 1), "connect");
	fact_bound(SOCK_DGRAM, 20002);
	fact_expect(finds(20000), "the pair is not found");
	fact_expect(!finds(20001), "a socket connected elsewhere is found");
	fact_expect(finds(20002), "an unconnected socket is not found");
	fact_expect(!finds(20003), "something is found for a free pair");
	fact_holds();
}
