/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds in connect4 to a port without an address, twice, for two destinations. */
#include "hooks_user.h"

int main(void)
{
	int i, fd, code;

	hooks_begin("bpf_bind to a port alone leaves the address to the route and shares the port");
	fact_listen(PEER);
	fact_listen(PEER + 1);
	*want = (struct hooks_want){ .port = { 20000 }, .reuseaddr = 1 };
	for (i = 0; i < 2; i++) {
		struct sockaddr_in sa;
		socklen_t len = sizeof(sa);

		fd = fact_socket(SOCK_STREAM);
		code = fact_connect(fd, LO, (uint16_t)(PEER + i));
		fact_expect(!code, "destination %d: bpf_bind %s, connect %s", i,
			    fact_errno(-seen->result[0]), fact_errno(code));
		fact_need(!getsockname(fd, (struct sockaddr *)&sa, &len), "getsockname");
		fact_expect(sa.sin_addr.s_addr == htonl(LO) && sa.sin_port == htons(20000),
			    "destination %d: %08x port %u", i, ntohl(sa.sin_addr.s_addr),
			    ntohs(sa.sin_port));
	}
	fact_holds();
}
