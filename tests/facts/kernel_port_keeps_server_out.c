/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts a server with SO_REUSEADDR on a port that the kernel chose for a client. */
#include "fact.h"

int main(void)
{
	int client, server, code;

	fact_begin(
		"a port that the kernel chose for a client refuses a server, SO_REUSEADDR or not");
	fact_listen(PEER);
	client = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(client, LO, PEER), "connect");
	server = fact_socket(SOCK_STREAM);
	fact_reuseaddr(server, 1);
	code = fact_bind(server, LO, fact_port(client));
	fact_expect(code == EADDRINUSE, "with SO_REUSEADDR: %s", fact_errno(code));
	code = fact_bind(fact_socket(SOCK_STREAM), LO, fact_port(client));
	fact_expect(code == EADDRINUSE, "without: %s", fact_errno(code));
	fact_holds();
}
