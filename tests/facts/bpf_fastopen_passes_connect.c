/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens connections by TCP fast open, in both of its forms, under connect4. */
#include <netinet/tcp.h>

#include "hooks_user.h"

static const struct sockaddr_in to = { .sin_family = AF_INET };

static void expect_hook(const char *form, int fd, uint16_t port)
{
	fact_expect(seen->connects == 1, "%s: connect4 ran %u times", form, seen->connects);
	fact_expect(!seen->result[0] && fact_port(fd) == port, "%s: bpf_bind %s, port %u", form,
		    fact_errno(-seen->result[0]), fact_port(fd));
}

int main(void)
{
	struct sockaddr_in sa = to;
	int fd, one = 1;

	hooks_begin("TCP fast open passes connect4: sendto with MSG_FASTOPEN, and "
		    "TCP_FASTOPEN_CONNECT");
	fact_listen(PEER);
	sa.sin_port = htons(PEER);
	sa.sin_addr.s_addr = htonl(LO);
	*want = (struct hooks_want){ .addr = LO, .port = { 20000 } };
	fd = fact_socket(SOCK_STREAM);
	fact_need(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&sa, sizeof(sa)) == 1,
		  "MSG_FASTOPEN");
	expect_hook("MSG_FASTOPEN", fd, 20000);
	*want = (struct hooks_want){ .addr = LO, .port = { 20001 } };
	*seen = (struct hooks_seen){ 0 };
	fd = fact_socket(SOCK_STREAM);
	fact_need(!setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)),
		  "TCP_FASTOPEN_CONNECT");
	fact_need(!fact_connect(fd, LO, PEER) && send(fd, "x", 1, 0) == 1, "connect and send");
	expect_hook("TCP_FASTOPEN_CONNECT", fd, 20001);
	fact_holds();
}
