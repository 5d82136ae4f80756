/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads with a name: each reproduces what a source says. */
#ifndef BERTH_SIM_SCENARIO_H
#define BERTH_SIM_SCENARIO_H

#include "src/sim/sim.h"

struct berth_scenario {
	const char *name; /* NULL ends the table */
	const char *text;
	const char *source;   /* who says what it reproduces */
	const char *policies; /* names, separated by commas */
	struct berth_range
		range; /* 0-0: that of the policy's system, 1024-65535 where it has none */
	bool track;    /* played by berth_sim_track() */
	struct berth_sim_load load;
};

extern const struct berth_scenario berth_scenarios[];

/* The row of that name, or NULL. */
const struct berth_scenario *berth_scenario_find(const char *name);

#endif
