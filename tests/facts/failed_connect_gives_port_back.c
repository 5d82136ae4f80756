/* SPDX-License-Identifier: BSD-2-Clause */
/* Fails to connect where nobody listens, and binds another socket to the port that is still shown. */
#include "fact.h"

int main(void)
{
	int fd = -1, code;
	uint16_t port;

	fact_begin(
		"a connect that is refused gives an automatic port back and leaves its number standing; "
		"a bound one stays");
	fd = fact_socket(SOCK_STREAM);
	code = fact_connect(fd, LO, PEER);
	fact_need(code == ECONNREFUSED, "connect");
	port = fact_port(fd);
	fact_expect(port != 0, "no number is left");
	code = fact_bind(fact_socket(SOCK_STREAM), LO, port);
	fact_expect(!code, "the number's port, for another socket: %s", fact_errno(code));
	fd = fact_bound(SOCK_STREAM, 20000);
	code = fact_connect(fd, LO, PEER);
	fact_need(code == ECONNREFUSED, "connect");
	code = fact_bind(fact_socket(SOCK_STREAM), LO, 20000);
	fact_expect(code == EADDRINUSE, "a port that was bound: %s", fact_errno(code));
	fact_holds();
}
