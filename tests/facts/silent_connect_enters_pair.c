/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects by TCP fast open without a cookie and without data: to a free pair, a taken one, one in TIME_WAIT. */
#include <fcntl.h>
#include <netinet/tcp.h>

#include "fact.h"

/* The errno of a silent connect from 127.0.0.1:port to 127.0.0.1:PEER. */
static int silent(uint16_t port, int *out_fd)
{
	int fd = fact_bound(SOCK_STREAM, port), one = 1;

	*out_fd = fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one)))
		fact_skip("TCP_FASTOPEN_CONNECT: %s", strerror(errno));
	return fact_connect(fd, LO, PEER);
}

int main(void)
{
	int listener, fd, second, code;

	fact_begin(
		"a fast open without a cookie enters its pair, also out of TIME_WAIT, and sends nothing "
		"before the first write");
	listener = fact_listen(PEER);
	fact_timewait(listener, 20001, PEER);
	code = silent(20000, &fd);
	fact_expect(!code, "a free pair: %s", fact_errno(code));
	code = silent(20000, &second);
	fact_expect(code == EADDRNOTAVAIL, "a taken pair: %s", fact_errno(code));
	fact_need(!fcntl(listener, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	fact_expect(accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0, "the peer knows of it");
	close(second);
	close(fd);
	fact_expect(!fact_state(20000, PEER), "closed, its state is %u", fact_state(20000, PEER));
	code = silent(20001, &fd);
	fact_expect(!code, "a pair in TIME_WAIT: %s", fact_errno(code));
	close(fd);
	fact_expect(!fact_state(20001, PEER), "the TIME_WAIT is still there");
	fact_holds();
}
