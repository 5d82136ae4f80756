/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the registry of runs and names those of other versions. */
#include "src/cli/keepers.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "src/core/range.h"
#include "src/kernel/netns.h"
#include "src/kernel/runs.h"
#include "src/kernel/withhold.h"

struct question {
	const char *verb, *netns;
	const struct berth_portset *ports;
};

/* Where a run is whose berth was killed is not known; the host's, as berth_withhold() has it. */
static bool is_in(const struct berth_run *run, bool alive, const char *netns)
{
	char path[32], name[NAME_MAX + 1] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)run->pid);
	if (alive)
		berth_netns_name(path, name);
	return !netns || !strcmp(netns, name);
}

/* A run that cannot be told keeps the pool that it began with: no hook sees a port that it assigns. */
static int name_run(const struct berth_run *run, bool alive, void *arg)
{
	static struct berth_portset pool;
	const struct question *q = arg;
	struct berth_range_error error;
	int32_t p;

	if (berth_withhold_reaches(run) || berth_portset_parse(run->ports, &pool, &error) ||
	    !is_in(run, alive, q->netns))
		return 0;
	p = berth_portset_next(q->ports, 0);
	while (p >= 0 && !berth_portset_has(&pool, (uint32_t)p))
		p = p == 65535 ? -1 : berth_portset_next(q->ports, (uint32_t)p + 1);
	if (p >= 0)
		fprintf(stderr,
			"berth %s: the run of process %d (%s, version %u) began with port %d in its pool and may "
			"assign it until it ends; start it again\n",
			q->verb, (int)run->pid, run->via, run->abi, p);
	return 0;
}

void berth_keepers_name(const char *verb, const char *netns, const struct berth_portset *ports)
{
	struct question q = { verb, netns, ports };

	berth_runs_each(name_run, &q);
}
