/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds two sockets to one port for two destinations, with SO_REUSEADDR on both, one or none. */
#include "fact.h"

/*
 * Binds port twice, then connects to two listeners; the errno of the second bind, or of a connect.
 */
static int share(uint16_t port, int first_reuse, int second_reuse)
{
	int first = fact_socket(SOCK_STREAM), second = fact_socket(SOCK_STREAM), code;

	fact_reuseaddr(first, first_reuse);
	fact_reuseaddr(second, second_reuse);
	fact_need(!fact_bind(first, LO, port) && !fact_connect(first, LO, PEER),
		  "the first socket");
	code = fact_bind(second, LO, port);
	return code ? code : fact_connect(second, LO, PEER + 1);
}

int main(void)
{
	int first, second, code, a, b;

	fact_begin("two destinations share a source port only with SO_REUSEADDR set, and left set, "
		   "on both sockets");
	fact_listen(PEER);
	fact_listen(PEER + 1);
	for (a = 0; a < 2; a++) {
		for (b = 0; b < 2; b++) {
			code = share((uint16_t)(20000 + 2 * a + b), a, b);
			fact_expect(code == (a && b ? 0 : EADDRINUSE), "SO_REUSEADDR %d and %d: %s",
				    a, b, fact_errno(code));
		}
	}
	first = fact_bound(SOCK_STREAM, 20010);
	fact_need(!fact_connect(first, LO, PEER), "connect");
	fact_reuseaddr(first, 0);
	second = fact_socket(SOCK_STREAM);
	fact_reuseaddr(second, 1);
	code = fact_bind(second, LO, 20010);
	fact_expect(code == EADDRINUSE, "cleared on the first after its bind: %s",
		    fact_errno(code));
	fact_holds();
}
