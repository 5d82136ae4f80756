/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds without SO_REUSEADDR to ports that have users of each kind, then shares the one it got. */
#include "fact.h"

static void expect_busy(const char *user, int fd, uint16_t port)
{
	int code = fact_bind(fd, INADDR_ANY, port);

	fact_expect(code == EADDRINUSE, "%s: %s", user, fact_errno(code));
}

int main(void)
{
	int listener, fd, chosen, second, code;

	fact_begin(
		"a bind without SO_REUSEADDR proves that a port has no user, may be repeated, and the "
		"port shared after it");
	listener = fact_listen(PEER);
	fact_listen(PEER + 1);
	fact_timewait(listener, 20000, PEER);
	fact_need(!fact_connect(fact_bound(SOCK_STREAM, 20001), LO, PEER), "connect");
	chosen = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(chosen, LO, PEER), "connect");
	fd = fact_socket(SOCK_STREAM);
	expect_busy("a pair in TIME_WAIT", fd, 20000);
	expect_busy("a connection", fd, 20001);
	expect_busy("a connection by the kernel's choice", fd, fact_port(chosen));
	expect_busy("a listener", fd, PEER);
	fact_bound(SOCK_STREAM, 20003);
	expect_busy("a bound socket", fd, 20003);
	code = fact_bind(fd, INADDR_ANY, 20002);
	fact_expect(!code, "a port without a user: %s", fact_errno(code));
	fact_reuseaddr(fd, 1);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	second = fact_socket(SOCK_STREAM);
	fact_reuseaddr(second, 1);
	code = fact_bind(second, INADDR_ANY, 20002);
	fact_expect(!code, "sharing it: %s", fact_errno(code));
	code = fact_connect(second, LO, PEER + 1);
	fact_expect(!code, "the second connect: %s", fact_errno(code));
	fact_holds();
}
