/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects a bound socket over a pair in TIME_WAIT, with and without TCP timestamps. */
#include "fact.h"

int main(void)
{
	int listener, code;

	fact_begin("a bound socket takes a pair in TIME_WAIT where it carries timestamps, and not "
		   "without");
	fact_sysctl("ipv4/tcp_tw_reuse", "0");
	listener = fact_listen(PEER);
	fact_timewait(listener, 20000, PEER);
	code = fact_connect(fact_bound(SOCK_STREAM, 20000), LO, PEER);
	fact_expect(!code, "with timestamps: %s", fact_errno(code));
	fact_sysctl("ipv4/tcp_timestamps", "0");
	fact_timewait(listener, 20001, PEER);
	code = fact_connect(fact_bound(SOCK_STREAM, 20001), LO, PEER);
	fact_expect(code == EADDRNOTAVAIL, "without timestamps: %s", fact_errno(code));
	fact_holds();
}
