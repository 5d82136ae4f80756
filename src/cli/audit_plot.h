/* SPDX-License-Identifier: BSD-2-Clause */
/* The plot of berth audit: ports over time, a colour for each host or way. */
#ifndef BERTH_CLI_AUDIT_PLOT_H
#define BERTH_CLI_AUDIT_PLOT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/why.h"

#define BERTH_AUDIT_POINTS 40960u /* all of --self */
#define BERTH_AUDIT_SERIES 10u    /* as many as --self has ways */

struct berth_audit_plot {
	const char *path; /* NULL: nothing is drawn */
	struct {
		double x;
		uint16_t port;
		uint8_t series;
	} * point; /* BERTH_AUDIT_POINTS of them, the caller's */
	size_t points;
	uint64_t undrawn; /* ports that there was no room for */
	char series[BERTH_AUDIT_SERIES][INET6_ADDRSTRLEN + 8];
	unsigned series_count;
};

/* Adds a port to a series, which begins with its first one. */
void berth_audit_plot_add(struct berth_audit_plot *plot, double x, uint16_t port,
			  const char *series);

/* Writes the file: what x counts, and what the ports are of. Returns 0, or negative with the sentence in why. */
int berth_audit_plot_write(const struct berth_audit_plot *plot, const char *unit, const char *what,
			   struct berth_why *why);

#endif
