/* SPDX-License-Identifier: BSD-2-Clause */
/* A row of berth sim: what was played of one policy, and how it is shown. */
#ifndef BERTH_CLI_SIM_ROW_H
#define BERTH_CLI_SIM_ROW_H

#include "src/sim/scenario.h"
#include "src/sim/track.h"

/* What was played of one policy. */
struct berth_sim_outcome {
	struct berth_sim_load load;
	struct berth_sim_result result;
	struct berth_sim_track track;
	struct berth_sim_tally *tally;
	double seconds, cpu_seconds;
};

/* Prints the row as an object of JSON in a line; distribution: with how far apart pairs were used again. */
void berth_sim_row_json(const struct berth_scenario *s, const struct berth_sim_outcome *o,
			bool distribution);

/* Prints the row of a table, of commas or for people; first: with the names of its columns above it. */
void berth_sim_row_csv(const struct berth_scenario *s, const struct berth_sim_outcome *o,
		       bool first);
void berth_sim_row_text(const struct berth_scenario *s, const struct berth_sim_outcome *o,
			bool first);

/* Draws n outcomes of a scenario into an SVG. Returns 0, or negative with the sentence in why. */
int berth_sim_plot(const struct berth_scenario *s, const struct berth_sim_outcome *o, size_t n,
		   const char *path, struct berth_why *why);

#endif
