/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics of a row of source ports. */
#include "src/sim/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/habits.h"

#define BINS 16u
#define Z_FAR 3.9 /* one random row in 10,000 lies further out */
#define P_FAR 1e-4
#define LONG_STEP 500
#define LOSS_BITS 0.25 /* what an uneven choice costs at least, to be called so */
#define REPEAT_BITS 2  /* what repeats cost at least */
#define UNKNOWN_BITS 99

static const char *const names[] = {
#define NAME(id, name, finding, text) name,
	BERTH_SHAPES(NAME)
#undef NAME
};
static const bool findings[] = {
#define FINDING(id, name, finding, text) finding,
	BERTH_SHAPES(FINDING)
#undef FINDING
};

const char *berth_shape_name(enum berth_shape shape)
{
	return names[shape];
}

bool berth_shape_is_finding(enum berth_shape shape)
{
	return findings[shape];
}

/* ---- pieces ---- */

static int by_value(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

struct repeats {
	uint32_t unique;
	double pairs; /* of equal values */
	double of;    /* as many pairs there are */
};

/* Sorts the values. */
static struct repeats count_repeats(uint16_t *value, size_t n)
{
	struct repeats r = { 0, 0, (double)n * (double)(n - 1) / 2 };
	size_t i, same = 0;

	qsort(value, n, sizeof(*value), by_value);
	for (i = 0; i < n; i++) {
		same = i && value[i] == value[i - 1] ? same + 1 : 0;
		r.unique += !same;
		r.pairs += (double)same;
	}
	return r;
}

/* 95 % bounds of the mean of a Poisson count (Wilson and Hilferty 1931). */
static double poisson_high(double k)
{
	double m = k + 1;

	return m * pow(1 - 1 / (9 * m) + 1.645 / (3 * sqrt(m)), 3);
}

static double poisson_low(double k)
{
	return k > 0 ? k * pow(1 - 1 / (9 * k) - 1.645 / (3 * sqrt(k)), 3) : 0;
}

static double log2_of(double x)
{
	return x > 1 ? log2(x) : 0;
}

/* Bounds of the collision entropy; *high stays where nothing repeats. */
static void bound_bits(const struct repeats *r, double *low, double *high)
{
	double one = log2_of(r->of / poisson_high(r->pairs)), few = poisson_low(r->pairs);

	*low = one < *low ? one : *low;
	if (few > 0 && log2_of(r->of / few) < *high)
		*high = log2_of(r->of / few);
}

/* P(at least k) of a Poisson count; above 100 by Wilson and Hilferty: 0 or 1, as P_FAR has it. */
static double poisson_above(double k, double mean)
{
	double term = exp(-mean), below = 0;
	uint32_t i;

	if (k > 100)
		return k * pow(1 - 1 / (9 * k) - 3.72 / (3 * sqrt(k)), 3) <= mean;
	for (i = 0; i < k; i++) {
		below += term;
		term *= mean / (i + 1);
	}
	return 1 - below;
}

/*
 * More is equal than chance leaves so among so many places, and it costs REPEAT_BITS at least. Differences of random
 * ports are equal a third less often than the ports.
 */
static bool repeats_too_often(const struct repeats *r, double places)
{
	double low = UNKNOWN_BITS, high = UNKNOWN_BITS;

	bound_bits(r, &low, &high);
	return high < log2_of(places) - REPEAT_BITS &&
	       poisson_above(r->pairs, r->of / places) < P_FAR;
}

static uint32_t gcd_of(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

struct sums {
	double n, x, xx, xy; /* of each port, and with the one before */
	size_t odd, rising, up, down, short_steps, long_steps, runs;
	struct repeats ports, steps;
};

static struct sums sum_up(const uint16_t *port, size_t n, struct berth_judgement *out)
{
	struct sums s = { .n = (double)n };
	int last_sign = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		int step = i ? (int)port[i] - (int)port[i - 1] : 0, sign = (step > 0) - (step < 0);

		s.x += port[i];
		s.xx += (double)port[i] * port[i];
		s.odd += port[i] & 1;
		if (!i)
			continue;
		s.xy += (double)port[i] * port[i - 1];
		out->gcd = gcd_of(out->gcd, (uint32_t)abs(step));
		s.rising += step > 0;
		s.up += step == 1;
		s.down += step == -1;
		s.short_steps += step > 0 && step <= 16;
		s.long_steps += step > 0 && step <= LONG_STEP;
		s.runs += sign && sign != last_sign;
		last_sign = sign ? sign : last_sign;
	}
	return s;
}

/* Pearson's correlation of port[0..n-2] with port[1..n-1]. */
static double correlation(const uint16_t *port, size_t n, const struct sums *s)
{
	double m = s->n - 1, x = s->x - port[n - 1], y = s->x - port[0];
	double xx = s->xx - (double)port[n - 1] * port[n - 1];
	double yy = s->xx - (double)port[0] * port[0];
	double across = m * s->xy - x * y, spread = (m * xx - x * x) * (m * yy - y * y);

	return spread > 0 ? across / sqrt(spread) : 0;
}

/* P that chi-square with 15 degrees is above x (Wilson and Hilferty). */
static double chi2_above(double x)
{
	double k = BINS - 1;

	return erfc((cbrt(x / k) - (1 - 2 / (9 * k))) / sqrt(2 / (9 * k)) / sqrt(2)) / 2;
}

/* How many ports of the holes lie below this one. */
static uint32_t in_holes_below(const struct berth_judgement *j, uint32_t port)
{
	uint32_t i, n = 0;

	for (i = 0; i < j->holes; i++)
		if (j->hole[i].last < port)
			n += berth_range_len(j->hole[i]);
	return n;
}

/* How many ports the range has in steps of the gcd, without its holes. */
static double places_of(const struct berth_judgement *j, struct berth_range range)
{
	uint32_t wide = (uint32_t)range.last - range.first - in_holes_below(j, range.last);

	return floor((double)wide / (j->gcd ? j->gcd : 1)) + 1;
}

static bool is_hole(const struct berth_judgement *j, struct berth_range gap)
{
	uint32_t i;

	for (i = 0; i < j->holes; i++)
		if (j->hole[i].first == gap.first)
			return true;
	return false;
}

/*
 * Widest gaps between the sorted ports, as long as random ports would hardly leave them: of n gaps one is wider
 * than g with a chance of about n * exp(-n * g / N).
 */
static void find_holes(const uint16_t *sorted, size_t n, struct berth_judgement *out)
{
	struct berth_range gap, widest;
	uint32_t wide, most;
	double rest;
	size_t i;

	while (out->holes < BERTH_JUDGE_HOLES) {
		for (most = 0, i = 1; i < n; i++) {
			wide = (uint32_t)sorted[i] - sorted[i - 1];
			if (wide < 2 || wide <= most)
				continue;
			gap = (struct berth_range){ (uint16_t)(sorted[i - 1] + 1),
						    (uint16_t)(sorted[i] - 1) };
			if (is_hole(out, gap))
				continue;
			most = wide;
			widest = gap;
		}
		rest = (double)(berth_range_len(out->seen) - in_holes_below(out, out->seen.last)) -
		       most;
		if (!most || rest < 1 || (double)n * exp(-(double)n * most / rest) > P_FAR)
			return;
		out->hole[out->holes++] = widest;
	}
}

static void chi_square(const uint16_t *port, size_t n, struct berth_range range,
		       struct berth_judgement *out)
{
	uint32_t places = (uint32_t)places_of(out, range), gcd = out->gcd ? out->gcd : 1, bin, at;
	double count[BINS] = { 0 }, expected;
	size_t i, inside = 0;

	for (i = 0; i < n; i++) {
		if (port[i] < range.first || port[i] > range.last)
			continue;
		at = (uint32_t)port[i] - range.first - in_holes_below(out, port[i]);
		bin = (uint32_t)((uint64_t)(at / gcd) * BINS / places);
		count[bin < BINS ? bin : BINS - 1]++;
		inside++;
	}
	out->chi2 = 0;
	out->chi2_p = -1;
	if (inside < 5 * BINS || places < BINS)
		return;
	for (bin = 0; bin < BINS; bin++) {
		/* A bin has the places p with p * BINS / places == bin. */
		uint32_t from = (bin * places + BINS - 1) / BINS;
		uint32_t to = ((bin + 1) * places + BINS - 1) / BINS;

		expected = (double)inside * (to - from) / places;
		out->chi2 += (count[bin] - expected) * (count[bin] - expected) / expected;
	}
	out->chi2_p = chi2_above(out->chi2);
}

/* How many places the ports are taken from, if none is likelier: both ends were seen, a little lies beyond them. */
static double places_at_most(const struct berth_judgement *j)
{
	return places_of(j, j->seen) * (double)(j->n + 1) / (double)(j->n - 1);
}

/* Out of BERTH_JUDGE_NARROW places chance does not leave as few as were seen between the two ends. */
static bool is_narrow(const struct berth_judgement *j)
{
	double share = places_of(j, j->seen) / BERTH_JUDGE_NARROW, n = (double)j->n;

	return share < 1 && n * pow(share, n - 1) < P_FAR;
}

static enum berth_shape shape_of(const struct berth_judgement *j, const struct sums *s)
{
	double steps = s->n - 1, wide = berth_range_len(j->seen);

	if (j->n < BERTH_JUDGE_MIN)
		return BERTH_SHAPE_TOO_FEW;
	if (j->seen.first == j->seen.last)
		return BERTH_SHAPE_CONSTANT;
	if ((double)s->up > steps / 2)
		return BERTH_SHAPE_SEQUENTIAL;
	if ((double)s->down > steps / 2)
		return BERTH_SHAPE_DESCENDING;
	/* Where the whole range is as short as that, short steps say nothing, unless nearly all go upwards. */
	if ((double)s->short_steps > (wide > 64 ? steps / 2 : steps * 0.9))
		return BERTH_SHAPE_SHORT_STEPS;
	if ((double)s->long_steps > steps * 0.8 && wide > 4 * LONG_STEP)
		return BERTH_SHAPE_LONG_STEPS;
	if (repeats_too_often(&s->ports, places_of(j, j->seen)))
		return BERTH_SHAPE_FEW_PORTS;
	if (fabs(j->lag1) * sqrt(s->n) > Z_FAR || fabs(j->runs_z) > Z_FAR)
		return BERTH_SHAPE_CORRELATED;
	if (repeats_too_often(&s->steps, places_of(j, j->seen)))
		return BERTH_SHAPE_SAME_STEPS;
	/* Between the holes may lie walks, too few steps long to be told from ports out of a small part. */
	if (is_narrow(j))
		return j->holes && repeats_too_often(&s->steps, wide) ? BERTH_SHAPE_SAME_STEPS
								      : BERTH_SHAPE_FEW_PORTS;
	/* A pool without the ports that have a name is uneven, too, and none the easier to guess. */
	if (j->chi2_p >= 0 && j->chi2_p < P_FAR &&
	    log2_of(1 + (j->chi2 - BINS + 1) / s->n) > LOSS_BITS)
		return BERTH_SHAPE_UNEVEN;
	return BERTH_SHAPE_RANDOM;
}

static void judge_entropy(const struct sums *s, struct berth_judgement *out)
{
	double places = places_of(out, out->seen), high = UNKNOWN_BITS;
	bool level = out->shape == BERTH_SHAPE_RANDOM || out->shape == BERTH_SHAPE_FEW_PORTS;

	out->bits_low = 16;
	out->unique_expected =
		places > 1 ? places * -expm1((double)out->n * log1p(-1 / places)) : 1;
	bound_bits(&s->ports, &out->bits_low, &high);
	bound_bits(&s->steps, &out->bits_low, &high);
	/* A walk may have seen only a part of its range. */
	if (level && log2(places_at_most(out)) < high)
		high = log2(places_at_most(out));
	out->bits_high = high >= UNKNOWN_BITS ? -1 : high < 16 ? high : 16;
	if (out->bits_high >= 0 && out->bits_low > high)
		out->bits_low = high;
}

void berth_judge(const uint16_t *port, size_t n, const struct berth_range *range,
		 struct berth_judgement *out)
{
	uint16_t sorted[BERTH_JUDGE_MAX], step[BERTH_JUDGE_MAX];
	struct sums s;
	double runs;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->n = n = n < BERTH_JUDGE_MAX ? n : BERTH_JUDGE_MAX;
	out->chi2_p = out->bits_high = -1;
	if (!n)
		return;
	memcpy(sorted, port, n * sizeof(*sorted));
	s = sum_up(port, n, out);
	s.ports = count_repeats(sorted, n);
	out->seen = (struct berth_range){ sorted[0], sorted[n - 1] };
	out->odd = (double)s.odd / s.n;
	out->unique = s.ports.unique;
	if (n < 2)
		return;
	for (i = 1; i < n; i++)
		step[i - 1] = (uint16_t)(port[i] - port[i - 1]);
	s.steps = count_repeats(step, n - 1);
	out->rising = (double)s.rising / (s.n - 1);
	out->sigma = sqrt(fmax(0, (s.xx - s.x * s.x / s.n) / (s.n - 1)));
	out->lag1 = correlation(port, n, &s);
	/* Runs up and down of a random row: (2n - 1) / 3, variance (16n - 29) / 90. */
	runs = (2 * s.n - 1) / 3;
	out->runs_z = ((double)s.runs - runs) / sqrt((16 * s.n - 29) / 90);
	find_holes(sorted, n, out);
	chi_square(port, n, range ? *range : out->seen, out);
	out->oarc = out->sigma >= 3980  ? BERTH_OARC_GREAT
		    : out->sigma >= 296 ? BERTH_OARC_GOOD
					: BERTH_OARC_POOR;
	out->oarc_bits = log2_of(out->sigma * sqrt(12) / (out->gcd ? out->gcd : 1));
	out->shape = shape_of(out, &s);
	judge_entropy(&s, out);
}

/* ---- whose habit it is ---- */

#define EVEN 1u
#define ODD 2u
#define BOTH 3u
#define TCP 1u
#define UDP 2u
#define ANY 3u

/* What a row of a habit's ports looks like; parity: where it keeps to one. */
static const struct {
	enum berth_habit habit;
	uint32_t protocol;
	enum berth_shape one, many; /* to one destination, to many */
	uint32_t parity;
} looks[] = {
	{ BERTH_HABIT_LINUX, TCP, BERTH_SHAPE_SHORT_STEPS, BERTH_SHAPE_RANDOM, EVEN },
	{ BERTH_HABIT_LINUX_BIND, TCP, BERTH_SHAPE_RANDOM, BERTH_SHAPE_RANDOM, ODD },
	{ BERTH_HABIT_LINUX_UDP, UDP, BERTH_SHAPE_RANDOM, BERTH_SHAPE_RANDOM, BOTH },
	{ BERTH_HABIT_LINUX_2_6, TCP, BERTH_SHAPE_SEQUENTIAL, BERTH_SHAPE_RANDOM, BOTH },
	{ BERTH_HABIT_FREEBSD, ANY, BERTH_SHAPE_RANDOM, BERTH_SHAPE_RANDOM, BOTH },
	{ BERTH_HABIT_OPENBSD, ANY, BERTH_SHAPE_RANDOM, BERTH_SHAPE_RANDOM, BOTH },
	{ BERTH_HABIT_NETBSD_BSD, ANY, BERTH_SHAPE_DESCENDING, BERTH_SHAPE_DESCENDING, BOTH },
	{ BERTH_HABIT_NETBSD_RANDINC, ANY, BERTH_SHAPE_LONG_STEPS, BERTH_SHAPE_LONG_STEPS, BOTH },
	{ BERTH_HABIT_MACOS, TCP, BERTH_SHAPE_SEQUENTIAL, BERTH_SHAPE_SEQUENTIAL, BOTH },
	{ BERTH_HABIT_MACOS_UDP, UDP, BERTH_SHAPE_RANDOM, BERTH_SHAPE_RANDOM, BOTH },
	{ BERTH_HABIT_WINDOWS, ANY, BERTH_SHAPE_SEQUENTIAL, BERTH_SHAPE_RANDOM, BOTH },
	{ BERTH_HABIT_BSD_CLASSIC, ANY, BERTH_SHAPE_SEQUENTIAL, BERTH_SHAPE_SEQUENTIAL, BOTH },
};

int berth_judge_habit(const struct berth_judgement *j, const struct berth_range *ranges,
		      bool one_destination, bool datagram)
{
	uint32_t parity = j->odd <= 0 ? EVEN : j->odd >= 1 ? ODD : BOTH, best_len = UINT32_MAX;
	uint32_t spread = berth_range_len(j->seen);
	enum berth_shape shape = j->shape;
	int best = -1;
	size_t i;

	if (j->n < BERTH_JUDGE_MIN || (shape == BERTH_SHAPE_RANDOM && j->n < 2 * BERTH_JUDGE_MIN))
		return -1;
	/* Several walks to one destination, or one that begins anew after some steps; who else keeps to even ports? */
	if (one_destination && j->gcd == 2 &&
	    (shape == BERTH_SHAPE_SAME_STEPS || shape == BERTH_SHAPE_CORRELATED))
		shape = BERTH_SHAPE_SHORT_STEPS;
	for (i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		struct berth_range r = ranges[looks[i].habit];
		uint32_t len = berth_range_len(r);

		if (looks[i].parity != parity || !(looks[i].protocol & (datagram ? UDP : TCP)) ||
		    (one_destination ? looks[i].one : looks[i].many) != shape || !r.last)
			continue;
		if (j->seen.first < r.first || j->seen.last > r.last || len >= best_len)
			continue;
		/* A random row that leaves a fifth of a range untouched was not drawn from it. */
		if (shape == BERTH_SHAPE_RANDOM && spread < len - len / 5)
			continue;
		best = (int)looks[i].habit;
		best_len = len;
	}
	return best;
}
