/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds two sockets to one port and connects both to one endpoint. */
#include "fact.h"

int main(void)
{
	int first, fd, code;

	fact_begin("a bound socket whose pair is taken stays bound: bind again EINVAL, connect "
		   "again EADDRNOTAVAIL");
	fact_listen(PEER);
	first = fact_bound(SOCK_STREAM, 20000);
	fact_need(!fact_connect(first, LO, PEER), "connect");
	fd = fact_bound(SOCK_STREAM, 20000);
	code = fact_connect(fd, LO, PEER);
	fact_expect(code == EADDRNOTAVAIL, "connect: %s", fact_errno(code));
	fact_expect(fact_port(fd) == 20000, "the port is %u", fact_port(fd));
	code = fact_bind(fd, LO, 20001);
	fact_expect(code == EINVAL, "bind again: %s", fact_errno(code));
	code = fact_connect(fd, LO, PEER);
	fact_expect(code == EADDRNOTAVAIL, "connect again: %s", fact_errno(code));
	fact_holds();
}
