/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts the runs of sock_release around close(), and looks for what still holds the pair. */
#include "hooks_user.h"

int main(void)
{
	int listener, fd, server;

	hooks_begin("sock_release runs at close(), while the kernel still holds the pair");
	listener = fact_listen(PEER);
	*want = (struct hooks_want){ .addr = LO, .port = { 20000 }, .reuseaddr = 1 };
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	fact_need(server >= 0, "accept");
	*seen = (struct hooks_seen){ 0 };
	fact_need(!close(fd), "close");
	fact_expect(seen->releases == 1, "it ran %u times", seen->releases);
	fact_expect(fact_state(20000, PEER) != 0, "the pair is gone from /proc/net/tcp");
	fact_holds();
}
