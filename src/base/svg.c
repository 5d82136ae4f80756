/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes plots as SVG. */
#include "src/base/svg.h"

#include <math.h>
#include <string.h>

#define LEFT 78.0
#define TOP 92.0
#define WIDTH 610.0
#define HEIGHT 340.0
#define LEGEND_CHARS 30u /* as many fit beside the plot */
#define INK "#1f2937"
#define PALE "#e5e7eb"
#define GREY "#4b5563"

static const char *const colours[] = { "#0e7490", "#c2410c", "#4d7c0f", "#7e22ce", "#1d4ed8",
				       "#db2777", "#1f2937", "#ca8a04", "#65a30d", "#b91c1c" };

/* What lies below another curve is seen in its gaps. */
static const char *const dashes[] = { "none", "12 6", "6 6", "2 5" };

static const char *colour_of(unsigned number)
{
	return colours[number % (sizeof(colours) / sizeof(colours[0]))];
}

static void text(FILE *out, const char *words)
{
	for (; *words; words++)
		switch (*words) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		default:
			/* Control characters are not allowed in XML. */
			fputc((unsigned char)*words < ' ' ? ' ' : *words, out);
		}
}

static void label(FILE *out, double x, double y, int size, const char *anchor, const char *colour,
		  const char *words)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"%s\" fill=\"%s\">",
		x, y, size, anchor, colour);
	text(out, words);
	fputs("</text>\n", out);
}

static void line(FILE *out, double x1, double y1, double x2, double y2, const char *colour)
{
	fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1,
		y1, x2, y2, colour);
}

/* Where a value lies on its axis, 0 to 1; what is outside lies on the edge. */
static double along(const struct berth_svg_axis *axis, double value)
{
	double part;

	if (axis->log)
		part = value <= axis->low ? 0
					  : log(value / axis->low) / log(axis->high / axis->low);
	else
		part = (value - axis->low) / (axis->high - axis->low);
	return part < 0 ? 0 : part > 1 ? 1 : part;
}

static double x_of(const struct berth_svg *svg, double value)
{
	return LEFT + WIDTH * along(&svg->x, value);
}

static double y_of(const struct berth_svg *svg, double value)
{
	return TOP + HEIGHT * (1 - along(&svg->y, value));
}

/* The step between two marks: 1, 2 or 5 times a power of ten, eight marks at most. */
static double step_of(const struct berth_svg_axis *axis)
{
	double raw = (axis->high - axis->low) / 7, ten = pow(10, floor(log10(raw)));

	return raw <= ten ? ten : raw <= 2 * ten ? 2 * ten : raw <= 5 * ten ? 5 * ten : 10 * ten;
}

/* The mark after a value. */
static double next_mark(const struct berth_svg_axis *axis, double value)
{
	return axis->log ? value * 10 : value + step_of(axis);
}

static double first_mark(const struct berth_svg_axis *axis)
{
	double step;

	if (axis->log)
		return pow(10, ceil(log10(axis->low) - 1e-9));
	step = step_of(axis);
	return ceil(axis->low / step - 1e-9) * step;
}

static void marks(struct berth_svg *svg)
{
	double value, bottom = TOP + HEIGHT;
	char words[32];

	for (value = first_mark(&svg->y); value <= svg->y.high * 1.000001;
	     value = next_mark(&svg->y, value)) {
		snprintf(words, sizeof(words), "%.10g", fabs(value) < 1e-12 ? 0 : value);
		line(svg->out, LEFT, y_of(svg, value), LEFT + WIDTH, y_of(svg, value), PALE);
		label(svg->out, LEFT - 10, y_of(svg, value) + 5, 13, "end", INK, words);
	}
	for (value = first_mark(&svg->x); value <= svg->x.high * 1.000001;
	     value = next_mark(&svg->x, value)) {
		snprintf(words, sizeof(words), "%.10g", fabs(value) < 1e-12 ? 0 : value);
		line(svg->out, x_of(svg, value), bottom, x_of(svg, value), bottom + 5, INK);
		label(svg->out, x_of(svg, value), bottom + 22, 13, "middle", INK, words);
	}
	line(svg->out, LEFT, bottom, LEFT + WIDTH, bottom, INK);
}

void berth_svg_begin(struct berth_svg *svg, const char *title, const char *subtitle)
{
	svg->labels = 0;
	fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"500\" "
	      "viewBox=\"0 0 960 500\" font-family=\"DejaVu Sans, sans-serif\">\n"
	      "<rect width=\"960\" height=\"500\" fill=\"#ffffff\"/>\n",
	      svg->out);
	label(svg->out, LEFT, 34, 21, "start", INK, title);
	label(svg->out, LEFT, 58, 13, "start", GREY, subtitle);
	label(svg->out, LEFT, TOP - 12, 13, "start", INK, svg->y.label);
	label(svg->out, LEFT + WIDTH / 2, TOP + HEIGHT + 46, 14, "middle", INK, svg->x.label);
	marks(svg);
}

static void legend(struct berth_svg *svg, unsigned colour, const char *words)
{
	double y = TOP + 14 + 20 * svg->labels++;
	size_t len = strlen(words);
	/* An address of IPv6 is to be seen to its end. */
	int size = len <= LEGEND_CHARS      ? 13
		   : len < 2 * LEGEND_CHARS ? (int)(13 * LEGEND_CHARS / len)
					    : 7;

	fprintf(svg->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\"/>\n",
		LEFT + WIDTH + 18, y - 10, colour_of(colour));
	label(svg->out, LEFT + WIDTH + 36, y, size, "start", INK, words);
}

void berth_svg_curve(struct berth_svg *svg, size_t n, const double *x, const double *y,
		     unsigned colour, const char *words)
{
	size_t i;

	fputs("<polyline points=\"", svg->out);
	for (i = 0; i < n; i++)
		fprintf(svg->out, "%.1f,%.1f ", x_of(svg, x[i]), y_of(svg, y[i]));
	fprintf(svg->out,
		"\" fill=\"none\" stroke=\"%s\" stroke-width=\"2.5\" stroke-linejoin=\"round\" "
		"stroke-dasharray=\"%s\"/>\n",
		colour_of(colour), dashes[colour % 4]);
	legend(svg, colour, words);
}

void berth_svg_dots(struct berth_svg *svg, size_t n, const double *x, const double *y,
		    unsigned colour, const char *words)
{
	size_t i;

	fprintf(svg->out, "<g fill=\"%s\" fill-opacity=\"0.7\">\n", colour_of(colour));
	for (i = 0; i < n; i++)
		fprintf(svg->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"1.6\"/>\n", x_of(svg, x[i]),
			y_of(svg, y[i]));
	fputs("</g>\n", svg->out);
	legend(svg, colour, words);
}

void berth_svg_end(struct berth_svg *svg)
{
	fputs("</svg>\n", svg->out);
}
