/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How well a row of source ports hides the next one: what an outsider can conclude from those he has seen.
 *
 * The measure is what repeats. Among n numbers out of N equally likely ones, n^2 / 2N pairs are equal; so the pairs
 * that are equal, among the ports and among their differences, bound the entropy from both sides (collision
 * entropy, Renyi 1961, with the 95 % bounds of a Poisson count). Where nothing repeats there is a lower bound
 * only, and it is said so. DNS-OARC's class is given beside it; it looks at the spread alone and lets a wide
 * sequence pass.
 */
#ifndef BERTH_SIM_JUDGE_H
#define BERTH_SIM_JUDGE_H

#include <stddef.h>

#include "src/core/range.h"

#define BERTH_JUDGE_MIN 8u       /* below it nothing is concluded */
#define BERTH_JUDGE_MAX 4096u    /* as many ports are looked at */
#define BERTH_JUDGE_HOLES 4u     /* as many holes of a range are found */
#define BERTH_JUDGE_NARROW 1024u /* of a narrower range DNS-OARC's class is POOR: ten bits */

/* What the row looks like: enumerator, name, whether it is a finding, what it means. */
#define BERTH_SHAPES(X)                                                                            \
	X(TOO_FEW, "too-few", false, "too few samples to tell")                                    \
	X(CONSTANT, "constant", true, "always the same port")                                      \
	X(SEQUENTIAL, "sequential", true, "the port after the last one")                           \
	X(DESCENDING, "descending", true, "the port before the last one")                          \
	X(SHORT_STEPS, "short-steps", true, "at most 16 further than the last one")                \
	X(LONG_STEPS, "long-steps", true, "at most 500 further than the last one")                 \
	X(FEW_PORTS, "few-ports", true, "one of few: they repeat, or span fewer than 1,024")       \
	X(CORRELATED, "correlated", true, "depends on the last one")                               \
	X(SAME_STEPS, "same-steps", true, "the steps between ports repeat")                        \
	X(UNEVEN, "uneven", true, "some parts of the range far more often than others")            \
	X(RANDOM, "random", false, "no pattern was found")

#define BERTH_SHAPE_ENUM(id, name, finding, text) BERTH_SHAPE_##id,
enum berth_shape { BERTH_SHAPES(BERTH_SHAPE_ENUM) BERTH_SHAPE_COUNT };
#undef BERTH_SHAPE_ENUM

enum berth_oarc { BERTH_OARC_POOR, BERTH_OARC_GOOD, BERTH_OARC_GREAT };

struct berth_judgement {
	enum berth_shape shape;
	size_t n;
	uint32_t unique;
	double unique_expected; /* of as many draws out of the range seen without holes, in steps of the gcd */
	struct berth_range seen;
	uint32_t holes; /* parts of the range seen that chance alone does not leave empty */
	struct berth_range hole[BERTH_JUDGE_HOLES]; /* the widest first */
	double odd;                                 /* share, 0 to 1 */
	uint32_t gcd;                               /* of all differences; 0: none */
	double rising;                              /* share of the differences that are above 0 */
	double sigma;
	double lag1; /* correlation of each port with the one before, -1 to 1; 0 where nothing varies */
	double runs_z; /* runs up and down against a random row, in standard deviations */
	double chi2,
		chi2_p; /* 16 bins of the range without holes; p is -1 where there are fewer than 5 for each bin */
	enum berth_oarc oarc; /* of sigma: 296, 3,980 */
	double oarc_bits;     /* log2(sigma * sqrt(12)), less log2(gcd) */
	double bits_low;      /* the next port has at least so many bits, by what was seen */
	double bits_high;     /* and at most so many; -1: cannot be told */
};

/*
 * Judges n ports in the order of their connections (those after BERTH_JUDGE_MAX are not looked at). range:
 * what the ports are chosen from, NULL where it is not known: the range seen is taken.
 */
void berth_judge(const uint16_t *port, size_t n, const struct berth_range *range,
		 struct berth_judgement *out);

/* Name of a shape; constant text. */
const char *berth_shape_name(enum berth_shape shape);

/* True where the shape helps an attacker. */
bool berth_shape_is_finding(enum berth_shape shape);

/*
 * The habit (src/core/habits.h) that chooses like this, out of the smallest range that has all ports seen:
 * ranges has one for each habit, 0-0 where it has none. one_destination: the row is to one; datagram: of UDP. -1:
 * none.
 */
int berth_judge_habit(const struct berth_judgement *j, const struct berth_range *ranges,
		      bool one_destination, bool datagram);

#endif
