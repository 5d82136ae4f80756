/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads how long a pair that has just entered TIME_WAIT is going to stay there. */
#include <stdio.h>

#include "fact.h"

#define TICKS 100 /* of /proc/net/tcp, a second */

/* Ticks until the pair 127.0.0.1:port -> 127.0.0.1:peer leaves the kernel's table. */
static unsigned left(uint16_t port, uint16_t peer)
{
	FILE *f = fopen("/proc/self/net/tcp", "re");
	unsigned sport, dport, state, when, found = 0;
	char line[256];

	fact_need(f != NULL, "/proc/self/net/tcp");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %*x:%x %*x:%x %x %*x:%*x %*x:%x", &sport, &dport, &state,
			   &when) == 4 &&
		    sport == port && dport == peer)
			found = when;
	fclose(f);
	return found;
}

int main(void)
{
	unsigned ticks;

	fact_begin("a pair stays in TIME_WAIT for 60 s");
	fact_timewait(fact_listen(PEER), 20000, PEER);
	ticks = left(20000, PEER);
	fact_expect(ticks > 50 * TICKS && ticks <= 61 * TICKS, "%u hundredths of a second are left",
		    ticks);
	fact_holds();
}
