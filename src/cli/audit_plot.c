/* SPDX-License-Identifier: BSD-2-Clause */
/* Points of the audit's plot, and the plot. */
#include "src/cli/audit_plot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/base/svg.h"

void berth_audit_plot_add(struct berth_audit_plot *plot, double x, uint16_t port,
			  const char *series)
{
	unsigned i;

	if (!plot->path)
		return;
	for (i = 0; i < plot->series_count && strcmp(plot->series[i], series) != 0; i++)
		continue;
	if (i == BERTH_AUDIT_SERIES || plot->points == BERTH_AUDIT_POINTS) {
		plot->undrawn++;
		return;
	}
	if (i == plot->series_count)
		snprintf(plot->series[plot->series_count++], sizeof(plot->series[0]), "%s", series);
	plot->point[plot->points].x = x;
	plot->point[plot->points].port = port;
	plot->point[plot->points++].series = (uint8_t)i;
}

static void draw(const struct berth_audit_plot *plot, struct berth_svg *svg, unsigned series)
{
	static double x[BERTH_AUDIT_POINTS], y[BERTH_AUDIT_POINTS];
	size_t i, n = 0;

	for (i = 0; i < plot->points; i++)
		if (plot->point[i].series == series) {
			x[n] = plot->point[i].x;
			y[n++] = plot->point[i].port;
		}
	berth_svg_dots(svg, n, x, y, series, plot->series[series]);
}

int berth_audit_plot_write(const struct berth_audit_plot *plot, const char *unit, const char *what,
			   struct berth_why *why)
{
	berth_auto_file FILE *out = fopen(plot->path, "we");
	struct berth_svg svg = { .out = out };
	double last = 0;
	unsigned i;

	if (!out)
		return berth_why(why, -errno, "cannot write %s: %s", plot->path, strerror(errno));
	for (i = 0; i < plot->points; i++)
		last = plot->point[i].x > last ? plot->point[i].x : last;
	svg.x = (struct berth_svg_axis){ unit, 0, last > 0 ? last : 1, false };
	svg.y = (struct berth_svg_axis){ "source port", 0, 65536, false };
	berth_svg_begin(&svg, "Source ports, as they were chosen", what);
	for (i = 0; i < plot->series_count; i++)
		draw(plot, &svg, i);
	berth_svg_end(&svg);
	if (fflush(out) || ferror(out))
		return berth_why(why, -EIO, "cannot write %s", plot->path);
	return 0;
}
