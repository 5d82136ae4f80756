/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gets ports by sendto on an unbound UDP socket and by listen without bind, and counts the hooks.
 */
#include "hooks_user.h"

static void expect_no_hook(const char *way, int fd)
{
	fact_need(fact_port(fd) != 0, "a port");
	fact_expect(!seen->connects && !seen->binds && !seen->post_binds,
		    "%s: connect4 ran %u times, bind4 %u, post_bind4 %u", way, seen->connects,
		    seen->binds, seen->post_binds);
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(PEER),
				  .sin_addr.s_addr = htonl(LO) };
	int fd;

	hooks_begin("sendto on an unbound UDP socket and listen without bind pass no connect or "
		    "bind hook");
	fd = fact_socket(SOCK_DGRAM);
	fact_need(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)) == 1, "sendto");
	fact_expect(seen->sendmsgs == 1, "sendmsg4 ran %u times", seen->sendmsgs);
	expect_no_hook("sendto", fd);
	fd = fact_socket(SOCK_STREAM);
	fact_need(!listen(fd, 1), "listen");
	expect_no_hook("listen", fd);
	fact_holds();
}
