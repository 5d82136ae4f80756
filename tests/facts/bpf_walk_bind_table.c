/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the bind table for a listener, both ends of a connection, and a pair in TIME_WAIT. */
#include "walks_user.h"

int main(void)
{
	const struct walks *w;
	size_t i, seen = 0, waits = 0;

	walks_begin(
		"the bind table has each TCP socket once, by port and namespace, TIME_WAIT too");
	fact_timewait(fact_listen(PEER), 20000, PEER);
	w = walks_tcp();
	for (i = 0; i < w->count; i++) {
		seen++;
		waits += w->row[i].state == FACT_TIME_WAIT;
		fact_expect(w->row[i].binds == 1, "port %u in state %u is there %u times",
			    w->row[i].port, w->row[i].state, w->row[i].binds);
	}
	fact_expect(seen >= 2 && waits == 1, "%zu rows, %zu in TIME_WAIT", seen, waits);
	fact_holds();
}
