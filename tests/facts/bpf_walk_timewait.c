/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks both walks for a pair in TIME_WAIT. */
#include "walks_user.h"

int main(void)
{
	const struct walks *w;
	size_t i, waits = 0;

	walks_begin("a pair in TIME_WAIT is in iter/tcp, and not in iter/task_file");
	fact_timewait(fact_listen(PEER), 20000, PEER);
	fact_expect(walks_with_port(walks_files(), 20000) == 0, "a process has it");
	w = walks_tcp();
	for (i = 0; i < w->count; i++)
		waits += w->row[i].port == 20000 && w->row[i].state == FACT_TIME_WAIT &&
			 !w->row[i].has_file;
	fact_expect(waits == 1, "%zu rows in the table of TCP", waits);
	fact_holds();
}
