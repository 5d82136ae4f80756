/* SPDX-License-Identifier: BSD-2-Clause */
/* A plot as SVG: one pair of axes, curves or dots, a legend. Every label is escaped. */
#ifndef BERTH_BASE_SVG_H
#define BERTH_BASE_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A straight or logarithmic axis from low to high; low is above 0 where it is logarithmic. */
struct berth_svg_axis {
	const char *label;
	double low, high;
	bool log;
};

/* A plot of 960 by 500, written to out as it is made; the caller closes out and looks for its errors. */
struct berth_svg {
	FILE *out;
	struct berth_svg_axis x, y;
	unsigned labels; /* lines of the legend so far */
};

/* Begins the plot: title, a line below it, axes with their marks. */
void berth_svg_begin(struct berth_svg *svg, const char *title, const char *subtitle);

/*
 * A line through n points, and its row in the legend. colour is a number: each has another one, up to ten, and
 * other dashes, so that a line below another is seen.
 */
void berth_svg_curve(struct berth_svg *svg, size_t n, const double *x, const double *y,
		     unsigned colour, const char *label);

/* One dot for each of n points, and their row in the legend. */
void berth_svg_dots(struct berth_svg *svg, size_t n, const double *x, const double *y,
		    unsigned colour, const char *label);

/* Ends the plot. */
void berth_svg_end(struct berth_svg *svg);

#endif
